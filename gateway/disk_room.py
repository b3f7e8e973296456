"""How much room the disk has left: looked at, told before it is gone, and a reserve laid by."""

import asyncio
import logging
import shutil
from pathlib import Path
from typing import Final, Literal, NamedTuple

from gateway.ballast import Ballast
from gateway.core.events import DiskRoomChanged
from gateway.interfaces import Intake, WallClock

_LOG: Final = logging.getLogger("gridcall.disk")

# Not while everything else is starting; who runs for less needs no reserve.
FIRST_AFTER_S: Final = 60.0
LOOK_EVERY_S: Final = 30.0
# Of a large disk a small part is still much.
_LOW = (0.15, 8 << 30)
_SHORT = (0.05, 2 << 30)
# What was told is not taken back for a moment's gain.
_MORE: Final = 1.2

Room = Literal["enough", "low", "short", "full"]


class Space(NamedTuple):
    """What a disk has, bytes."""

    total: int
    free: int


def room_of(space: Space, *, reserve_gone: bool, before: Room) -> Room:
    """Return what is to be said of a disk, given what was said before."""
    if reserve_gone:
        return "full"

    def under(limit: tuple[float, int], *, said: bool) -> bool:
        part, at_most = limit
        return space.free < min(part * space.total, at_most) * (_MORE if said else 1.0)

    if under(_SHORT, said=before in ("short", "full")):
        return "short"
    return "low" if under(_LOW, said=before != "enough") else "enough"


class DiskRoom:
    """Watches the disk of a site.

    Args:
        folder: The journal's folder.
        clock: Wall time.
        ballast: The reserve.
    """

    def __init__(self, folder: Path, clock: WallClock, ballast: Ballast) -> None:
        self._folder = folder
        self._clock = clock
        self._ballast = ballast
        self._room: Room = "enough"
        self._free_mb = 0
        # Whether the reserve was there once and has been given up.
        self._given_up = False

    def make_room(self) -> bool:
        """Give the reserve up; return whether there is room now. From any thread."""
        made = self._ballast.free()
        self._given_up = self._given_up or made
        return made

    def standing(self) -> dict[str, object]:
        """Return what health says of the disk."""
        return {"room": self._room, "free_mb": self._free_mb, "reserve": self._ballast.laid}

    async def run(self, intake: Intake) -> None:
        """Look twice a minute, tell when it changes, keep the reserve; until cancelled."""
        await asyncio.sleep(FIRST_AFTER_S)
        while True:
            await self.look(intake)
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self, intake: Intake) -> None:
        """Look once."""
        laid = await asyncio.to_thread(self._ballast.lay)
        if laid:
            self._given_up = False
        usage = await asyncio.to_thread(shutil.disk_usage, self._folder)
        self._free_mb = usage.free >> 20
        space = Space(usage.total, usage.free)
        room = room_of(space, reserve_gone=self._given_up, before=self._room)
        if room != self._room:
            self._room = room
            level = logging.INFO if room == "enough" else logging.CRITICAL
            free_mb = self._free_mb
            _LOG.log(level, "room on the disk of %s: %s, %d MB", self._folder, room, free_mb)
            now_us = self._clock.now_us()
            await intake.submit(DiskRoomChanged(at_us=now_us, room=room, free_mb=free_mb))
