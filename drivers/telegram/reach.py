"""Whether the platform can be reached, and telling so once when it changes."""

import asyncio
from typing import Final, Literal

from gateway.core.events import PathChanged
from gateway.interfaces import Intake, WallClock

DOWN_AFTER_S: Final = 10.0
Side = Literal["in", "out"]


class Reach:
    """Up or down, from what calls came to. Pure: moments are passed in.

    The ``in`` side is the poll, which never rests; its success proves the whole path. The
    ``out`` side is sending; its success does not prove that answers come in.
    """

    def __init__(self, down_after_s: float = DOWN_AFTER_S) -> None:
        self._down_after_s = down_after_s
        self._since: dict[Side, float] = {}
        self.up: bool | None = None

    def answered(self, side: Side) -> bool:
        """Note an answer; return whether the path has just come up."""
        if side == "in":
            self._since.clear()
            return self._became(True)
        self._since.pop(side, None)
        return False

    def failed(self, side: Side, since: float, now: float) -> bool:
        """Note a failure that began at ``since``; return whether the path just went down."""
        first = self._since.setdefault(side, since)
        return now - first >= self._down_after_s and self._became(False)

    def _became(self, up: bool) -> bool:
        changed, self.up = self.up is not up, up
        return changed


class PathWatch:
    """Hands in PathChanged when the reach changes."""

    def __init__(self, chat: str, clock: WallClock, down_after_s: float) -> None:
        self._path = f"chat:{chat}"
        self._clock = clock
        self._reach = Reach(down_after_s)

    @property
    def up(self) -> bool | None:
        """Whether the platform can be reached; None before the first answer or failure."""
        return self._reach.up

    async def answered(self, side: Side, intake: Intake) -> None:
        """Note an answer of the platform."""
        if self._reach.answered(side):
            await self._tell(intake, None)

    async def failed(self, side: Side, since: float, reason: str, intake: Intake) -> None:
        """Note a call that began at ``since`` and came to nothing."""
        if self._reach.failed(side, since, asyncio.get_running_loop().time()):
            await self._tell(intake, reason)

    async def _tell(self, intake: Intake, reason: str | None) -> None:
        event = PathChanged(
            at_us=self._clock.now_us(), path=self._path, up=bool(self.up), reason=reason
        )
        await intake.submit(event)
