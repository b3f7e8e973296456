"""An event loop whose time jumps: a day in which little happens passes in a moment.

Time moves only when everything that can be done now has been done, and then to the next moment
for which somebody waits. One seed gives one run. Threads are the one thing that cannot jump:
while one of ours is at work, time stands still until it has answered.
"""

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

US = 1_000_000
# Timers closer together than this ring together: what a float of a year can still tell apart.
RESOLUTION_S = 1e-6


class StillError(RuntimeError):
    """Nobody waits for a moment, nothing outside is at work, and the run has not ended."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop on virtual time, beginning at 0.

    Attributes:
        at_work: Told by what works in a thread of its own, such as a journal's writer: while
            one of these returns True, time stands still.
    """

    def __init__(self) -> None:
        self.at_work: list[Callable[[], bool]] = []
        self._now_s = 0.0
        self._in_executor = 0
        super().__init__(_JumpingSelector(self))
        self._clock_resolution = RESOLUTION_S

    def time(self) -> float:
        """Return virtual seconds since the loop was made."""
        return self._now_s

    def jump(self, seconds: float) -> None:
        """Move time on, to the moment for which somebody waits."""
        self._now_s += seconds

    def stands_still(self) -> bool:
        """Return whether a thread is at work for which time has to wait."""
        return self._in_executor > 0 or any(works() for works in self.at_work)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[..., Any], *args: object
    ) -> "asyncio.Future[Any]":
        """Run a function in a thread; time stands still until it has returned."""
        self._in_executor += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._returned)
        return future

    async def shutdown_default_executor(self, *timeout: float | None) -> None:
        """Return once no thread of ours is left; time stands still until then."""
        self._in_executor += 1
        try:
            await super().shutdown_default_executor(*timeout)
        finally:
            self._in_executor -= 1

    def _returned(self, _: "asyncio.Future[Any]") -> None:
        self._in_executor -= 1


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for nothing: where there is nothing to read, time jumps to the next timer."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what a thread has answered; else jump by ``timeout``.

        Raises:
            StillError: Nothing will ever happen.
        """
        if self._loop.stands_still():
            # What can be done now goes on meanwhile; time does not.
            return super().select(0 if timeout is not None and timeout <= 0 else None)
        if timeout is None:
            ready = super().select(0)
            if not ready:
                raise StillError("virtual time: everybody waits and nobody for a moment")
            return ready
        if timeout > 0:
            self._loop.jump(timeout)
        # Only our own wake-up pipe stands in here, and only threads write to it.
        return [] if not self._loop.at_work else super().select(0)


class VirtualClock:
    """A wall clock that goes with a virtual loop, until somebody moves it.

    Args:
        loop: The loop whose time it tells.
        begin_us: What it tells at the loop's 0, UTC microseconds.

    Attributes:
        moved_us: How far it was moved since.
        trusted: Whether it is said to be set.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, begin_us: int) -> None:
        self.moved_us = 0
        self.trusted = True
        self._loop = loop
        self._begin_us = begin_us

    def now_us(self) -> int:
        """Return UTC microseconds since 1970."""
        return self._begin_us + round(self._loop.time() * US) + self.moved_us

    def synchronised(self) -> bool:
        """Return whether the time is to be trusted."""
        return self.trusted
