"""A full disk: told in time, recordings stop first, alerts are taken from a reserve."""

import shutil
from collections import namedtuple

import pytest

from gateway.ballast import Ballast
from gateway.core.effects import ReportStatus
from gateway.core.events import DiskRoomChanged
from gateway.disk_room import DiskRoom, Space, room_of
from gateway.interfaces import JournalError
from gateway.journal import SqliteJournal, verify
from tests.core.site_for_tests import NOON_US, Desk
from tests.core.test_recordings import Archive

Usage = namedtuple("Usage", "total used free")
GIB, MIB = 1 << 30, 1 << 20


class Noon:
    """A wall clock that stands."""

    def now_us(self):
        return NOON_US

    def synchronised(self):
        return True


class Told:
    """An engine that keeps what it is told."""

    def __init__(self):
        self.events = []

    async def submit(self, event, **_):
        self.events.append(event)


def full_journal(folder, reserves):
    """A journal whose disk is full at once; each reserve is room for some more pages."""

    def make_room():
        if not reserves:
            return False
        pages = reserves.pop()
        db = desk.journal._file.db
        db.pragma("max_page_count", db.pragma("page_count") + pages)
        return True

    desk = Archive(folder)
    desk.journal = SqliteJournal(
        folder / "journal.sqlite3", boot_id="b", make_room=make_room
    )
    return desk


def fill(desk):
    db = desk.journal._file.db
    return db.pragma("max_page_count", db.pragma("page_count"))


@pytest.mark.asyncio
async def test_on_a_full_disk_alerts_are_taken_from_the_reserve_each_once(tmp_path):
    reserves = [1500]
    desk = full_journal(tmp_path, reserves)
    await desk.journal.recover()
    await desk.write_down()
    fill(desk)
    for number in range(30):
        desk.alert(id=f"JQ-{number}", level=1)
        desk.act("close", result="好了")
        await desk.write_down()
    assert reserves == [], "it was full, and the reserve was used"
    last = desk.journal.anchor()
    await desk.journal.close()
    verdict = verify(desk.journal.path, stretches=1)
    assert (verdict.findings, verdict.end) == ((), last)


@pytest.mark.asyncio
async def test_when_the_reserve_is_used_up_nothing_is_receipted_any_more(tmp_path):
    desk = full_journal(tmp_path, [1])
    await desk.journal.recover()
    await desk.write_down()
    fill(desk)
    with pytest.raises(JournalError, match="full"):
        for number in range(500):
            desk.alert(id=f"JQ-{number}", level=1)
            desk.act("close", result="好了")
            await desk.write_down()
    kept = desk.journal.anchor()
    await desk.journal.close()
    assert verify(desk.journal.path, stretches=1).end == kept, "what was said stands, no more"


def test_the_reserve_takes_room_is_given_up_once_and_is_laid_by_again(tmp_path):
    ballast = Ballast(tmp_path, size_bytes=MIB)
    assert not ballast.laid
    assert not ballast.free(), "there was none"
    assert ballast.lay()
    assert ballast.lay()
    assert (tmp_path / "ballast").stat().st_blocks * 512 >= MIB, "no hole: it takes its room"
    assert ballast.free()
    assert not ballast.free()
    assert list(tmp_path.iterdir()) == []
    assert ballast.lay()


def test_no_reserve_is_laid_on_a_disk_that_is_nearly_full(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(GIB, GIB, 3 * MIB))
    ballast = Ballast(tmp_path, size_bytes=MIB)
    assert not ballast.lay()
    assert list(tmp_path.iterdir()) == []
    assert not ballast.free_where_full()
    (tmp_path / "ballast").write_bytes(b"x" * 9000)
    assert ballast.free_where_full(), "a start needs room"
    assert list(tmp_path.iterdir()) == []
    assert not Ballast(tmp_path / "new site").free_where_full()


@pytest.mark.parametrize(
    ("total_gib", "free_mib", "before", "room"),
    [
        (100, 50_000, "enough", "enough"),
        (4, 600, "enough", "low"),
        (4, 640, "enough", "enough"),
        (4, 640, "low", "low"),  # a moment's gain is no news
        (4, 800, "low", "enough"),
        (4, 200, "low", "short"),
        (4, 230, "short", "short"),
        (4000, 9 * 1024, "enough", "enough"),  # a small part of a large disk is still much
        (4000, 7 * 1024, "enough", "low"),
    ],
)
def test_what_is_said_of_a_disk(total_gib, free_mib, before, room):
    space = Space(total_gib * GIB, free_mib * MIB)
    assert room_of(space, reserve_gone=False, before=before) == room
    assert room_of(space, reserve_gone=True, before=before) == "full"


@pytest.mark.asyncio
async def test_it_is_told_when_it_changes_and_the_reserve_comes_back(tmp_path, monkeypatch):
    free = [3 * GIB]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(4 * GIB, 0, free[0]))
    told, ballast = Told(), Ballast(tmp_path, size_bytes=MIB)
    room = DiskRoom(tmp_path, Noon(), ballast)
    await room.look(told)
    assert told.events == []
    assert room.standing() == {"room": "enough", "free_mb": 3072, "reserve": True}
    free[0] = 0
    for _ in range(2):
        await room.look(told)
    assert room.make_room()
    assert not room.make_room()
    await room.look(told)
    free[0] = 3 * GIB
    await room.look(told)
    assert [e.room for e in told.events] == ["short", "full", "enough"]
    assert room.standing()["reserve"]


def test_the_centre_reads_what_is_left():
    desk = Desk()
    for room, node in (("low", "warning"), ("full", "warning"), ("enough", "health")):
        told = desk.take(DiskRoomChanged(at_us=desk.now_us, room=room, free_mb=77))
        (report,) = [e for e in told if isinstance(e, ReportStatus)]
        assert (report.node, "77" in report.detail) == (node, True)
