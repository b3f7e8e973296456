"""The radio process: sound, tones, airtime and keyers of a site.

``python -m drivers.radio.process RESOLVED.json SOCKET``

The engine comes in through the Unix socket (``protocol.py``). Without the engine the sentence
under way is finished and nothing new is keyed; the queue is kept. The process ends, unkeyed, on
SIGTERM and when its standard input ends (whoever started it is gone).
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gateway.interfaces import GridcallError

_LOG: Final = logging.getLogger("gridcall.radio")

_PRIORITY: Final = 10
_THREADS_PRIORITY: Final = 5
# How long a thread that writes a recording may keep the interpreter from the sound.
_SWITCH_S: Final = 0.0005


def _no_library_threads() -> None:
    """Have numpy, imported after this, start no threads: they would spin against the sound."""
    for library in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(library, "1")


def _ask_for_priority() -> None:
    """Ask for round-robin scheduling; go on without it.

    The threads that write recordings are included, behind the sound: one that is not scheduled
    on a busy machine while it holds the interpreter would hold up the sound. Children inherit
    it for the same reason (we wait until they have begun), and give it up with their first step
    (drivers.radio.background).
    """
    try:
        for thread in (int(task.name) for task in Path("/proc/self/task").iterdir()):
            own = thread == os.getpid()
            priority = _PRIORITY if own else _THREADS_PRIORITY
            os.sched_setscheduler(thread, os.SCHED_RR, os.sched_param(priority))
    except OSError as error:
        _LOG.warning("no round-robin scheduling (%s): sound may stutter under load", error)
    sys.setswitchinterval(_SWITCH_S)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the radio process.

    Returns:
        0 when it was told to leave, 3 when settings or socket cannot be had.
    """
    parser = argparse.ArgumentParser(prog="python -m drivers.radio.process")
    parser.add_argument("settings", type=Path, help="resolved settings, JSON")
    parser.add_argument("socket", type=Path, help="where the engine comes in")
    options = parser.parse_args(argv)
    logging.basicConfig(format="%(asctime)s %(name)s %(levelname)s %(message)s")
    _no_library_threads()
    from drivers.radio.background import warn_of_prompt_helpers
    from drivers.radio.loop import RadioProcess

    try:
        radio = RadioProcess(options.settings, options.socket)
    except GridcallError as error:
        _LOG.error("%s", error)
        return 3
    signal.signal(signal.SIGTERM, radio.stop)
    # Ctrl-C goes to the whole group; whoever started us decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _ask_for_priority()
    warn_of_prompt_helpers()
    gc.collect()
    gc.freeze()
    gc.disable()  # the loop collects between two ticks
    radio.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
