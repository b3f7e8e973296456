"""The clocks of orders, on monotonic time, and the watch over the wall clock."""

import asyncio
from collections.abc import Callable, Iterable

import structlog

from gateway.core.events import ClockStepped, TimerFired
from gateway.core.order import Change, Put, Timer
from gateway.interfaces import WallClock

log = structlog.get_logger("gridcall.engine")

US = 1_000_000

# A wall clock that went so much faster or slower than the monotonic one was moved.
CLOCK_STEP_US = US
CLOCK_WATCHED_EVERY_S = 1.0
# A timer that came before its moment is set again for no less than this.
RING_AGAIN_S = 0.001


class Clocks:
    """Wakes the core at the moments it asked for, and tells it when the wall clock was moved.

    Args:
        clock: Wall time, in which the core gives its moments.
        find: Gives a timer as it stands now.
        take: Takes an event in; never waits.
        late: Told how late a timer fired, seconds.
    """

    def __init__(
        self,
        clock: WallClock,
        find: Callable[[str], Timer | None],
        take: Callable[[TimerFired | ClockStepped], None],
        late: Callable[[float], None],
    ) -> None:
        self._clock = clock
        self._find = find
        self._take = take
        self._late = late
        self._handles: dict[str, asyncio.TimerHandle] = {}
        self._wall_ahead_us = 0

    def begin(self, now_us: int) -> None:
        """Compare the wall clock from now on with how it stands at ``now_us``."""
        self._wall_ahead_us = now_us - mono_us()

    async def watch(self, every_s: float | None = None) -> None:
        """Notice a moved wall clock also while nothing happens; until cancelled."""
        while True:
            await asyncio.sleep(every_s or CLOCK_WATCHED_EVERY_S)
            self.check()

    def check(self) -> None:
        """Have the core take notice when the wall clock was moved, before anything else."""
        ahead_us = self._clock.now_us() - mono_us()
        moved_us = ahead_us - self._wall_ahead_us
        self._wall_ahead_us = ahead_us
        if abs(moved_us) <= CLOCK_STEP_US:
            return  # NTP leads the clock gently; that is no step, however long it goes on
        log.warning("the wall clock was moved", by_s=moved_us / US)
        self._take(ClockStepped(at_us=self._clock.now_us(), by_us=moved_us))

    def follow(self, changes: Iterable[Change]) -> None:
        """Set and stop timers as changes say."""
        for change in changes:
            if isinstance(change, Put):
                if isinstance(change.entity, Timer):
                    self.arm(change.entity)
            elif change.kind == Timer.KIND:
                self._disarm(change.key)

    def arm(self, timer: Timer) -> None:
        """Set a timer on monotonic time, anchored once to what the wall clock says now."""
        self._arm(timer, max(0.0, (timer.due_us - self._clock.now_us()) / US))

    def _arm(self, timer: Timer, delay_s: float) -> None:
        self._disarm(timer.id)
        loop = asyncio.get_running_loop()
        self._handles[timer.id] = loop.call_later(
            delay_s, self._fire, timer.id, timer.due_us
        )

    def stop(self) -> None:
        """Wake nobody any more."""
        for timer_id in list(self._handles):
            self._disarm(timer_id)

    def _disarm(self, timer_id: str) -> None:
        handle = self._handles.pop(timer_id, None)
        if handle is not None:
            handle.cancel()

    def _fire(self, timer_id: str, due_us: int) -> None:
        self._handles.pop(timer_id, None)
        timer = self._find(timer_id)
        self.check()
        if timer is None or timer.due_us != due_us or self._find(timer_id) is not timer:
            # It was moved, or stopped, by what is on its way to the disk: set anew from there.
            # The wall clock's move just now may have set it for this very moment, an hour on.
            return
        now_us = self._clock.now_us()
        if now_us < due_us:
            # A clock that is led gently has not come there yet; an hour that rang before it
            # was struck would be asked for, and ring, once more.
            self._arm(timer, max((due_us - now_us) / US, RING_AGAIN_S))
            return
        self._late((now_us - due_us) / US)
        self._take(TimerFired(at_us=now_us, timer=timer_id, due_us=due_us))


def mono_us() -> int:
    """Return the loop's monotonic time, microseconds."""
    return int(asyncio.get_running_loop().time() * US)
