"""Helper processes of the radio process: how they are started, and that they give way to it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def module_command(module: str, arguments: Sequence[str] = ()) -> list[str]:
    """Return the command that runs one of our modules in a process of its own.

    ``-P`` keeps the working directory out of the import path: whoever can write there must not
    become part of the gateway.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def module_environment() -> Mapping[str, str]:
    """Return the environment in which ``module_command`` finds this very copy of ours."""
    root = str(Path(__file__).resolve().parents[2])
    return {**os.environ, "PYTHONPATH": root}


def give_way(niceness: int) -> None:
    """Put this process behind the sound: ordinary scheduling, that much nicer, deaf to Ctrl-C.

    The radio process runs under round-robin scheduling and hands it down to its children. The
    end of a helper comes with the end of its input, in order, not with the terminal's signal.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        # Refused in some sandboxes; then the helper works on as it is.
        if hasattr(os, "sched_setscheduler"):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.nice(niceness)
