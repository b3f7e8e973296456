"""Helper processes of the radio process: how they are started, and that they give way to it."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_LOG: Final = logging.getLogger("gridcall.radio")


def module_command(module: str, arguments: Sequence[str] = ()) -> list[str]:
    """Return the command that runs one of our modules in a process of its own.

    ``-P`` keeps the working directory out of the import path: whoever can write there must not
    become part of the gateway.
    """
    return [*_behind_the_sound(), sys.executable, "-P", "-m", module, *arguments]


def _behind_the_sound() -> list[str]:
    """Return what a command starts with so that it begins under ordinary scheduling.

    A child inherits round-robin scheduling. Python alone takes 0.1 s of a processor to start:
    as prompt as the sound, two of them would hold up the sound of two processors so long.
    """
    chrt = shutil.which("chrt") if _prompt() else None
    return [chrt, "-o", "0"] if chrt else []


def warn_of_prompt_helpers() -> None:
    """Log that helpers will begin as prompt as the sound, if they will. Call once, at start."""
    if _prompt() and shutil.which("chrt") is None:
        _LOG.warning(
            "the command chrt is missing: each recording that is made small may hold up the "
            "sound of all channels for a fifth of a second; install it (Debian: apt install "
            "util-linux) and start the gateway again"
        )


def _prompt() -> bool:
    """Return whether this process, and so each child at first, is scheduled as the sound is."""
    if not hasattr(os, "sched_getscheduler"):
        return False
    return os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK != os.SCHED_OTHER


def module_environment() -> Mapping[str, str]:
    """Return the environment in which ``module_command`` finds this very copy of ours."""
    root = str(Path(__file__).resolve().parents[2])
    return {**os.environ, "PYTHONPATH": root}


def give_way(niceness: int) -> None:
    """Put this process behind the sound: ordinary scheduling, that much nicer, deaf to Ctrl-C.

    Where there is no ``chrt`` it still has the round-robin scheduling of the radio process. The
    end of a helper comes with the end of its input, in order, not with the terminal's signal.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        # Refused in some sandboxes; then the helper works on as it is.
        if hasattr(os, "sched_setscheduler"):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.nice(niceness)
