"""The outside keeps time: real radios share no processor with the gateway that hears them."""

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Final

_PRIORITY: Final = 5


class _Inside(threading.local):
    """How many are inside, each thread for itself."""

    count = 0


_INSIDE: Final = _Inside()


@contextlib.contextmanager
def on_time() -> Iterator[None]:
    """While inside, this thread runs before ordinary ones, where the machine allows it.

    A frame that is played late is a hole in somebody's digits that no radio would have made.
    Several may be inside at once. What the main thread starts meanwhile is ordinary; threads
    that another thread starts are as prompt as that one, so that none of them is kept waiting
    while it holds the interpreter.
    """
    _INSIDE.count += 1
    _schedule(first=True)
    try:
        yield
    finally:
        _INSIDE.count -= 1
        if not _INSIDE.count:
            _schedule(first=False)


def _schedule(*, first: bool) -> None:
    if not hasattr(os, "sched_setscheduler"):
        return
    policy, priority = (os.SCHED_RR, _PRIORITY) if first else (os.SCHED_OTHER, 0)
    if threading.current_thread() is threading.main_thread():
        policy |= os.SCHED_RESET_ON_FORK
    # Without the right to it the outside plays as well as it can.
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, policy, os.sched_param(priority))
