"""Copies of the journal: made daily and at a clean stop, whole, few, and told of in health."""

import asyncio
import os

import apsw
import pytest

from gateway.backups import DAY_US, KEPT_DAYS, Backups, _tag_of, backups_in, keep_few, main
from gateway.cli_words import health_lines
from gateway.interfaces import JournalError, SetupError
from gateway.journal import SqliteJournal, verify
from gateway.journal.backup import quick_backup
from tests.core.site_for_tests import NOON_US
from tests.core.test_recordings import Archive


class Wall:
    """A wall clock that is set by hand."""

    def __init__(self, now_us=NOON_US, right=True):
        self.at_us, self.right = now_us, right

    def now_us(self):
        return self.at_us

    def synchronised(self):
        return self.right


async def a_journal(folder):
    desk = Archive(folder)
    await desk.journal.recover()
    desk.alert(level=1)
    await desk.write_down()
    return desk


def of(tmp_path, folder, clock):
    return Backups("donghe", tmp_path / "journal.sqlite3", lambda: folder, clock)


@pytest.mark.asyncio
async def test_a_copy_of_a_journal_at_work_is_whole_and_can_be_gone_on_with(tmp_path):
    desk = await a_journal(tmp_path)
    folder = tmp_path / "copies"
    folder.mkdir()
    backups = of(tmp_path, folder, Wall())
    assert backups.standing() == {"last": None, "file": None, "fault": None}
    assert await backups.make()
    (copy,) = folder.iterdir()
    assert copy.name == f"donghe-20261122T040000Z-{_tag_of(desk.journal.path)}.sqlite3"
    assert copy.stat().st_mode & 0o077 == 0
    standing = backups.standing()
    assert (standing["file"], standing["fault"]) == (copy.name, None)
    assert standing["last"].startswith("2026-11-22T04:00:00")
    assert verify(copy, stretches=1).ok
    await desk.journal.close()
    again = SqliteJournal(copy, boot_id="b2")
    recovered = await again.recover()
    assert recovered.seq == desk.journal.anchor().seq
    await again.close()


@pytest.mark.asyncio
async def test_it_is_due_when_the_last_is_a_day_old_and_the_clock_can_be_trusted(tmp_path):
    folder, clock = tmp_path / "copies", Wall()
    folder.mkdir()
    backups = of(tmp_path, folder, clock)
    await backups.look()
    assert backups._due()
    clock.right = False
    assert not backups._due()
    clock.right = True
    (folder / "donghe-20261122T040000Z-00000000.sqlite3").touch()
    await backups.look()
    clock.at_us += DAY_US - 1
    assert not backups._due()
    clock.at_us += 1
    assert backups._due()
    clock.at_us -= 3 * DAY_US
    assert backups._due(), "the last was made by a clock that ran ahead"
    assert not of(tmp_path, None, clock)._due()


def test_the_last_of_each_of_the_last_days_is_kept(tmp_path):
    names = [
        f"donghe-202611{day:02}T{hour:02}0000Z-12345678.sqlite3" for day in range(1, 11) for hour in (3, 20)
    ]
    # What is of another site, of the journal before it was damaged, or not ours.
    others = [
        "xihe-20261101T030000Z-12345678.sqlite3", "donghe-20261101T040000Z-87654321.sqlite3",
        "donghe-notes.txt", "donghe.sqlite3",
    ]  # fmt: skip
    for name in (*names, *others, "donghe-20261102T040000Z-12345678.sqlite3.part"):
        (tmp_path / name).touch()
    keep_few(tmp_path, "donghe", "12345678")
    left = sorted(p.name for p in tmp_path.iterdir())
    assert left == sorted([*others, *[n for n in names if "T20" in n][-KEPT_DAYS:]])
    assert backups_in(tmp_path, "donghe")[-1].path.name == names[-1]
    assert backups_in(tmp_path / "nowhere", "donghe") == []


@pytest.mark.asyncio
async def test_what_keeps_a_copy_from_being_made_is_told_and_leaves_nothing(tmp_path, caplog):
    desk = await a_journal(tmp_path)
    backups = of(tmp_path, tmp_path / "unmounted", Wall())
    assert not await backups.make()
    assert "is the disk mounted" in backups.standing()["fault"]
    folder = tmp_path / "copies"
    folder.mkdir()
    target = folder / f"donghe-20261122T040000Z-{_tag_of(desk.journal.path)}.sqlite3"
    target.write_bytes(b"of somebody")
    backups = of(tmp_path, folder, Wall())
    assert not await backups.make()
    assert "exists already" in backups.standing()["fault"]
    assert target.read_bytes() == b"of somebody"
    assert [r.levelname for r in caplog.records] == ["ERROR", "ERROR"]
    lines = "\n".join(health_lines({
        "site": "donghe", "ok": True, "journal": 1, "commit_age_s": 0, "open_orders": 0,
        "clock_synchronised": True, "paths": {}, "backup": backups.standing(),
    }))  # fmt: skip
    assert f"backup: {target.name}; NO NEWER ONE: " in lines
    await desk.journal.close()


@pytest.mark.asyncio
async def test_a_damaged_journal_makes_no_copy_and_takes_no_good_one_away(tmp_path):
    desk = await a_journal(tmp_path)
    await desk.journal.close()
    path = tmp_path / "journal.sqlite3"
    db = apsw.Connection(str(path))
    page = db.execute(
        "SELECT rootpage FROM sqlite_schema WHERE name = 'entity_of_order'").get
    db.close()
    size = 4096
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * 512)
    with pytest.raises(JournalError, match="damaged"):
        quick_backup(path, tmp_path / "copy.sqlite3")
    assert not (tmp_path / "copy.sqlite3").exists()
    with pytest.raises((SetupError, JournalError)):
        quick_backup(tmp_path / "nothing", tmp_path / "copy2.sqlite3")


@pytest.mark.asyncio
async def test_at_a_stop_the_copy_is_made_also_when_nobody_waits_to_the_end(tmp_path, monkeypatch):
    desk = await a_journal(tmp_path)
    await desk.journal.close()
    folder = tmp_path / "copies"
    folder.mkdir()
    backups = of(tmp_path, folder, Wall())
    monkeypatch.setattr("gateway.backups.STOP_WAIT_S", 0.0)
    begun, spawn = [], os.posix_spawn
    monkeypatch.setattr(
        os, "posix_spawn", lambda *a, **b: begun.append(spawn(*a, **b)) or begun[0]
    )
    await backups.at_stop()
    (pid,) = begun
    assert os.getsid(pid) == pid, "a stop of our group does not reach it"
    assert await asyncio.to_thread(os.waitpid, pid, 0) == (pid, 0)
    (copy,) = folder.iterdir()
    assert verify(copy, stretches=1).ok


def test_one_of_a_journal_that_is_not_there_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(os, "nice", lambda _: 0)
    assert main([str(tmp_path / "none"), str(tmp_path), "a-b"]) == 1
    assert "cannot be opened" in capsys.readouterr().err
