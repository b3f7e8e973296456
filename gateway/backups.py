"""Copies of the journal in ``journal.backup_dir``: one a day, one at each clean stop, few kept.

``python -m gateway.backups JOURNAL FOLDER SITE-MOMENT`` makes one, in a process that gives way
to all else and that outlives the engine which started it: a copy is there whole, checked and
fsynced, or not at all.
"""

import asyncio
import contextlib
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gateway.interfaces import GridcallError, SetupError, WallClock
from gateway.journal.backup import quick_backup
from gateway.journal.reading import reading

_LOG: Final = logging.getLogger("gridcall.backups")

# Of each day the last is kept, so many days.
KEPT_DAYS: Final = 7
DAY_US: Final = 86_400 * 1_000_000
# Not while everything else is starting.
FIRST_AFTER_S: Final = 300.0
LOOK_EVERY_S: Final = 600.0
# The supervisor does not wait for long; a copy that takes longer is finished without us.
STOP_WAIT_S: Final = 1.5
_NICENESS: Final = 15
_MOMENT: Final = "%Y%m%dT%H%M%SZ"
_NAME: Final = re.compile(
    r"(?P<site>.+)-(?P<at>\d{8}T\d{6}Z)-(?P<journal>[0-9a-f]{8})\.sqlite3"
)


@dataclass(frozen=True, slots=True, order=True)
class Backup:
    """A copy that stands in the folder.

    Attributes:
        at_us: When it was made, UTC microseconds.
        path: Where it is.
        journal: Begin of its first row's hash: of which journal it is. One that was damaged and
            begun anew is another, whose copies must not push out those of the first.
    """

    at_us: int
    path: Path
    journal: str


def backups_in(folder: Path, site: str) -> list[Backup]:
    """Return a site's copies, oldest first; none where there is no such folder."""
    found = []
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            name = _NAME.fullmatch(path.name)
            if name is not None and name["site"] == site:
                with contextlib.suppress(ValueError):
                    found.append(Backup(_moment_us(name["at"]), path, name["journal"]))
    return sorted(found)


def _moment_us(text: str) -> int:
    at = datetime.strptime(text, _MOMENT).replace(tzinfo=UTC)
    return round(at.timestamp()) * 1_000_000


class Backups:
    """Sees to a site's copies.

    Args:
        site: Site id; part of each copy's name, so that sites may share a folder.
        journal: The journal's file.
        folder: Returns the folder for copies as the settings have it now, None for none.
        clock: Wall time.
    """

    def __init__(
        self,
        site: str,
        journal: Path,
        folder: Callable[[], Path | None],
        clock: WallClock,
    ) -> None:
        self._site = site
        self._journal = journal
        self._folder = folder
        self._clock = clock
        self._fault: str | None = None
        # What was found when we last looked: a folder on the network may stand still, and the
        # engine's loop must not.
        self._last: Backup | None = None

    def standing(self) -> dict[str, object] | None:
        """Return the last copy's moment and name, and why there is none newer; None if off."""
        if self._folder() is None:
            return None
        last = self._last
        if last is None:
            return {"last": None, "file": None, "fault": self._fault}
        at = datetime.fromtimestamp(last.at_us / 1e6, UTC).isoformat()
        return {"last": at, "file": last.path.name, "fault": self._fault}

    def newest_name(self) -> str | None:
        """Return the newest copy's file name, or None; looks at the disk, in a thread."""
        newest = self._newest()
        return None if newest is None else newest.path.name

    def _newest(self) -> Backup | None:
        folder = self._folder()
        found = backups_in(folder, self._site) if folder is not None else []
        return found[-1] if found else None

    async def look(self) -> None:
        """See which copy is the newest."""
        self._last = await asyncio.to_thread(self._newest)

    async def run(self) -> None:
        """Make a copy whenever the last is a day old, until cancelled."""
        await self.look()
        await asyncio.sleep(FIRST_AFTER_S)
        while True:
            await self.look()
            if self._due():
                await self.make()
            await asyncio.sleep(LOOK_EVERY_S)

    def _due(self) -> bool:
        # By a clock that was never set nothing is a day old.
        if self._folder() is None or not self._clock.synchronised():
            return False
        last = self._last
        # One of tomorrow was made by a clock that has been set right since.
        return last is None or abs(self._clock.now_us() - last.at_us) >= DAY_US

    async def make(self) -> bool:
        """Return whether a copy was made now; what went wrong is told in log and health."""
        if (command := self._command()) is None:
            return False
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            self._note(f"no process for a copy ({error.strerror})")
            return False
        try:
            _, said = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        why = said.decode(errors="replace").strip()[-500:]
        failed = process.returncode != 0
        self._note((why or f"ended by {process.returncode}") if failed else None)
        await self.look()
        return not failed

    async def at_stop(self) -> None:
        """Begin a copy of a journal that is closed; wait for it while there is time.

        What is wrong with it stands in the log: it writes there itself.
        """
        if not self._clock.synchronised() or (command := self._command()) is None:
            return
        try:
            await asyncio.to_thread(_begin, command, STOP_WAIT_S)
        except OSError as error:
            self._note(f"no process for a copy ({error.strerror})")

    def _command(self) -> list[str] | None:
        """Return the command that makes a copy now, None when there is nowhere to make it."""
        folder = self._folder()
        if folder is None:
            return None
        at = datetime.fromtimestamp(self._clock.now_us() / 1e6, UTC).strftime(_MOMENT)
        what = (str(self._journal), str(folder), f"{self._site}-{at}")
        return [sys.executable, "-P", "-m", "gateway.backups", *what]

    def _note(self, complaint: str | None) -> None:
        self._fault = complaint
        if complaint is not None:
            _LOG.error("no backup of the journal: %s", complaint)


def _begin(command: list[str], limit_s: float) -> None:
    """Start a command; return when it has ended, or goes on for longer than this."""
    # A session of its own: whoever stops the engine does not stop the copy.
    pid = os.posix_spawn(command[0], command, os.environ, setsid=True)
    end_s = time.monotonic() + limit_s
    while os.waitpid(pid, os.WNOHANG) == (0, 0) and time.monotonic() < end_s:
        time.sleep(0.02)


def keep_few(folder: Path, site: str, journal: str) -> None:
    """Return with the last copy of each of the last days that have one, and no other of it.

    Copies of another journal of the site stay. What an interrupted copy has left goes too.

    Raises:
        OSError: One cannot be deleted.
    """
    of_it = [backup for backup in backups_in(folder, site) if backup.journal == journal]
    last_of_day = {backup.at_us // DAY_US: backup.path for backup in of_it}
    kept = {last_of_day[day] for day in sorted(last_of_day)[-KEPT_DAYS:]}
    for backup in of_it:
        if backup.path not in kept:
            backup.path.unlink()
    for part in folder.glob(f"{site}-*.sqlite3.part"):
        part.unlink()


def _tag_of(journal: Path) -> str | None:
    """Return the begin of the first row's hash; None where there is nothing to copy."""
    with reading(journal) as db:
        first = db.execute("SELECT lower(hex(hash)) FROM journal WHERE seq = 1").get
    return None if first is None else str(first)[:8]


def main(argv: Sequence[str]) -> int:
    """Make one copy and let old ones go; return 1, saying why, when there is no new one."""
    with contextlib.suppress(OSError):  # refused in some sandboxes
        os.nice(_NICENESS)
    journal, folder, begin = Path(argv[0]), Path(argv[1]), argv[2]
    try:
        if not folder.is_dir():
            raise SetupError(f"{folder} is not there: is the disk mounted? Else make it")
        if (tag := _tag_of(journal)) is not None:
            quick_backup(journal, folder / f"{begin}-{tag}.sqlite3")
            keep_few(folder, begin.rpartition("-")[0], tag)
    except (GridcallError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
