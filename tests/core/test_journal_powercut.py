"""The real journal on a disk that loses power, fills up, or stops answering.

A VFS under SQLite remembers what has been written and what has been synced. At a power cut the
disk holds all that was synced, and of the rest any subset of the writes, the last one torn.
That a new file's name reaches the folder is not modelled here.
"""

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import apsw
import pytest

from gateway.interfaces import JournalError, SetupError
from gateway.journal import SqliteJournal, verify
from tests.core.journal_stories import acknowledged, entry, opened, people_seeded

Write = tuple[int, bytes | None]  # offset and data; None cuts the file there


@dataclass
class Disk:
    """What of each file is safe, and what is only written.

    Attributes:
        before: Called ahead of each write, truncation, sync and deletion, with its name.
        lies: Whether it says to have synced and has not.
    """

    safe: dict[str, bytes] = field(default_factory=dict)
    written: dict[str, list[Write]] = field(default_factory=dict)
    before: Callable[[str], None] = lambda _: None
    lies: bool = False

    def sync(self, name: str) -> None:
        if self.lies:
            return
        self.safe[name] = applied(self.safe[name], self.written[name])
        self.written[name] = []

    def after_power_cut(self, chance: random.Random) -> dict[str, bytes]:
        """Return one of the many things that may stand on the disk afterwards."""
        return {
            name: applied(safe, survivors(self.written[name], chance))
            for name, safe in self.safe.items()
        }


def applied(content: bytes, writes: list[Write]) -> bytes:
    image = bytearray(content)
    for offset, data in writes:
        if data is None:
            del image[offset:]
            continue
        image.extend(bytes(max(0, offset - len(image))))
        image[offset : offset + len(data)] = data
    return bytes(image)


def survivors(writes: list[Write], chance: random.Random) -> list[Write]:
    kept = [write for write in writes if chance.random() < 0.5]
    if kept and kept[-1][1] and chance.random() < 0.5:
        offset, data = kept[-1]
        kept[-1] = (offset, data[: chance.randrange(len(data))])
    return kept


class DiskFile(apsw.VFSFile):
    """One file of the database, its writes told to the disk."""

    def __init__(self, name, flags, disk: Disk) -> None:
        super().__init__("", name, flags)
        self.disk = disk
        self.name = Path(name.filename() if hasattr(name, "filename") else name).name
        disk.safe.setdefault(self.name, b"")
        disk.written.setdefault(self.name, [])

    def xWrite(self, data, offset) -> None:
        self.disk.before("write")
        super().xWrite(data, offset)
        self.disk.written[self.name].append((offset, bytes(data)))

    def xTruncate(self, size) -> None:
        self.disk.before("truncate")
        super().xTruncate(size)
        self.disk.written[self.name].append((size, None))

    def xSync(self, flags) -> None:
        self.disk.before("sync")
        self.disk.sync(self.name)  # the real disk below need not be kept waiting


class DiskVFS(apsw.VFS):
    def __init__(self, name: str, disk: Disk) -> None:
        self.disk = disk
        super().__init__(name, "")

    def xOpen(self, name, flags) -> DiskFile:
        return DiskFile(name, flags, self.disk)

    def xDelete(self, name, sync_folder) -> None:
        self.disk.before("delete")
        super().xDelete(name, sync_folder)
        self.disk.safe.pop(Path(name).name, None)
        self.disk.written.pop(Path(name).name, None)


@contextmanager
def disk_under(name: str) -> Iterator[Disk]:
    disk = Disk()
    vfs = DiskVFS(name, disk)
    yield disk
    vfs.unregister()


# -- power cuts --------------------------------------------------------------------------------


@dataclass
class PowerCut:
    """What the disk held at one moment, and what had been promised by then."""

    files: dict[str, bytes]
    promised: int
    at: str


async def lives_of_a_journal(
    folder: Path, disk: Disk, chance: random.Random, callers: int
) -> list[PowerCut]:
    """Return the power cuts taken at random moments of a journal being written."""
    cuts: list[PowerCut] = []
    promised = 0

    def maybe_cut(operation: str) -> None:
        if chance.random() < 0.04:
            cuts.append(PowerCut(disk.after_power_cut(chance), promised, operation))

    async def caller(first: int) -> None:
        nonlocal promised
        for n in range(first, 24, callers):
            posted = await journal.append(opened(n))
            promised = max(promised, posted.seq)
            journal.note(started=posted.outbox_ids)
            done = await journal.append(acknowledged(n, posted))
            promised = max(promised, done.seq)

    disk.before = maybe_cut
    journal = SqliteJournal(folder / "journal.db", boot_id="before", vfs="cut")
    await journal.recover()
    promised = (await journal.append(people_seeded())).seq
    async with asyncio.TaskGroup() as group:
        for first in range(callers):
            group.create_task(caller(first))
    await journal.erase("p2")
    await journal.close()
    cuts.append(PowerCut(disk.after_power_cut(chance), promised, "closed"))
    return cuts


async def rows_after(cut: PowerCut, folder: Path) -> int:
    """Return how many rows the journal finds when the power is back."""
    restore(cut, folder)
    journal = SqliteJournal(folder / "journal.db", boot_id="after")
    found = await journal.recover()
    await journal.append(entry())
    await journal.close()
    verdict = verify(folder / "journal.db")
    assert verdict.ok, verdict.findings
    assert verdict.rows == found.seq + 1
    return found.seq


def restore(cut: PowerCut, folder: Path) -> None:
    folder.mkdir()
    for name, content in cut.files.items():
        (folder / name).write_bytes(content)


@pytest.mark.asyncio
async def test_power_cuts_lose_no_promised_row(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    cuts: list[PowerCut] = []
    life = 0
    while len(cuts) < 100:
        folder = tmp_path / f"life-{life}"
        folder.mkdir()
        with disk_under("cut") as disk:
            cuts += await lives_of_a_journal(folder, disk, chance, callers=1 + 3 * (life % 2))
        life += 1
    for number, cut in enumerate(cuts):
        found = await rows_after(cut, tmp_path / f"after-{number}")
        assert found >= cut.promised, f"cut {number} at {cut.at}: {cut.promised} were promised"
    print(
        f"{len(cuts)} power cuts in {life} lives, {sum(c.promised for c in cuts)} promised rows"
    )


@pytest.mark.asyncio
async def test_a_disk_that_lies_about_syncing_is_caught(tmp_path: Path) -> None:
    """The test above can fail: it does when a sync writes nothing."""
    chance = random.Random(7)
    lost = 0
    with disk_under("cut") as disk:
        disk.lies = True
        cuts = await lives_of_a_journal(tmp_path, disk, chance, callers=1)
    for number, cut in enumerate(cuts[5:15]):
        try:
            lost += await rows_after(cut, tmp_path / f"after-{number}") < cut.promised
        except (JournalError, SetupError):
            lost += 1
    assert lost > 5


# -- disks that fail ---------------------------------------------------------------------------


def failing(after: int, operation: str, error: type[Exception]) -> Callable[[str], None]:
    """Return a ``before`` under which every such operation fails from the ``after``-th on."""
    count = 0

    def before(what: str) -> None:
        nonlocal count
        if what == operation:
            count += 1
            if count > after:
                raise error(f"planted: {operation} {count}")

    return before


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("operation", "error"),
    [("write", apsw.FullError), ("write", apsw.IOError), ("sync", apsw.IOError)],
    ids=["disk full", "write fails", "fsync fails"],
)
async def test_a_failing_disk_ends_the_journal_and_nobody_is_promised_more(
    tmp_path: Path, operation: str, error: type[Exception]
) -> None:
    for after in (0, 1, 2, 3, 5, 8, 13, 21, 34):
        folder = tmp_path / str(after)
        folder.mkdir()
        with disk_under("failing") as disk:
            await fails_and_stops(folder, disk, failing(after, operation, error))


async def fails_and_stops(folder: Path, disk: Disk, fault: Callable[[str], None]) -> None:
    journal = SqliteJournal(folder / "journal.db", boot_id="before", vfs="failing")
    await journal.recover()
    promised = (await journal.append(people_seeded())).seq
    disk.before = fault

    async def caller(first: int) -> list[int | None]:
        """Return the number of each of his rows, None where he was refused."""
        numbers: list[int | None] = []
        for n in range(first, 400, 4):
            try:
                numbers.append((await journal.append(opened(n))).seq)
            except JournalError:
                numbers.append(None)
        return numbers

    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(caller(first)) for first in range(4)]
    for numbers in (call.result() for call in calls):
        assert None in numbers
        assert not any(numbers[numbers.index(None) :]), "answered after it had failed"
        promised = max([promised, *(number for number in numbers if number)])
    async with asyncio.timeout(5):
        assert "cannot be written any more" in str(await journal.failure())
    disk.before = lambda _: None  # the fault is over: the journal must not come back by itself
    with pytest.raises(JournalError):
        journal.append(opened(999))
    with pytest.raises(JournalError):
        await journal.probe()
    with pytest.raises(JournalError):
        await journal.erase("p1")
    with pytest.raises(JournalError):
        journal.note(settled=[1])
    await journal.close()
    again = SqliteJournal(folder / "journal.db", boot_id="after")
    assert (await again.recover()).seq >= promised
    await again.close()
    assert verify(folder / "journal.db").ok
