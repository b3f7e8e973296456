"""A damaged journal: found at the start, put aside, told of, and never gone on with."""

import os
import random
import shutil

import apsw
import pytest

from gateway.cli_words import health_lines
from gateway.core.effects import ReportStatus
from gateway.core.events import JournalReplaced
from gateway.interfaces import JournalError
from gateway.journal import SqliteJournal
from gateway.journal.contract import Replaced
from gateway.journal.put_aside import all_aside, put_aside
from tests.core.site_for_tests import NOON_US, Desk
from tests.core.test_app import Site, site
from tests.core.test_recordings import Archive

__all__ = ["site"]

NAME = "journal.sqlite3"
ASIDE = f"{NAME}.damaged-20261122T040000Z"


class Noon:
    """A wall clock that stands."""

    def now_us(self):
        return NOON_US

    def synchronised(self):
        return True


def journal_in(folder):
    return SqliteJournal(folder / NAME, boot_id="b2", aside=Noon())


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A journal of some hundred rows, checkpointed, and one as a kill leaves it."""
    import asyncio

    folder = tmp_path_factory.mktemp("good")

    async def make():
        desk = Archive(folder)
        await desk.journal.recover()
        for number in range(40):
            desk.alert(id=f"JQ-{number}", level=1)
            desk.act("close", result="好了")
            desk.wait(60)
        await desk.write_down()
        killed = folder / "killed"
        killed.mkdir()
        for end in ("", "-wal", "-shm"):
            shutil.copy(folder / (NAME + end), killed / (NAME + end))
        (killed / (NAME + ".lock")).touch()
        last = desk.journal.anchor()
        await desk.journal.close()
        return last

    return folder, asyncio.run(make())


def flip(path, begin, end, count, seed):
    chance = random.Random(seed)
    with path.open("r+b") as file:
        for _ in range(count):
            place = chance.randrange(begin, end)
            file.seek(place)
            old = file.read(1)[0]
            file.seek(place)
            file.write(bytes([old ^ chance.randrange(1, 256)]))


def truncated(path, part):
    os.truncate(path, int(path.stat().st_size * part) // 4096 * 4096 + 100)


DAMAGES = {
    "magic": lambda p: flip(p, 0, 16, 4, 1),
    "page size": lambda p: flip(p, 16, 18, 2, 2),
    "schema page": lambda p: flip(p, 100, 4096, 400, 3),
    "half gone": lambda p: truncated(p, 0.5),
    "tail gone": lambda p: truncated(p, 0.9),
    "all zero": lambda p: p.write_bytes(bytes(p.stat().st_size)),
    "zeroed middle": lambda p: zeroed(p),
    "something else": lambda p: p.write_text("亲爱的日记" * 1000),
}


def zeroed(path):
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 8192 * 4096)
        file.write(bytes(16 * 4096))


def copied(good, folder):
    source, last = good
    shutil.copy(source / NAME, folder / NAME)
    (folder / (NAME + ".lock")).touch()
    return folder / NAME, last


@pytest.mark.asyncio
@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_file_is_put_aside_as_it_is_and_another_is_begun(good, tmp_path, damage):
    path, _ = copied(good, tmp_path)
    DAMAGES[damage](path)
    before = path.read_bytes()
    with pytest.raises(JournalError, match="damaged"):
        await SqliteJournal(path, boot_id="b2").recover()
    assert path.read_bytes() == before, "who may not put it aside does not touch it"
    journal = journal_in(tmp_path)
    recovered = await journal.recover()
    assert (recovered.seq, recovered.entities, recovered.outbox) == (0, (), ())
    assert recovered.replaced == Replaced(kept_as=ASIDE)
    assert (tmp_path / ASIDE).read_bytes() == before
    await journal.probe()
    await journal.close()
    # Killed before anybody was told: it is told at the next start.
    again = journal_in(tmp_path)
    assert (await again.recover()).replaced == Replaced(kept_as=ASIDE)
    await again.close()


@pytest.mark.asyncio
async def test_bytes_flipped_anywhere_are_found_or_harm_nothing(good, tmp_path):
    """Whatever a start goes on with is what was written: nothing is silently wrong."""
    found = 0
    for seed in range(30):
        folder = tmp_path / str(seed)
        folder.mkdir()
        path, last = copied(good, folder)
        flip(path, 100, path.stat().st_size, 40, seed)
        journal = journal_in(folder)
        try:
            recovered = await journal.recover()
        except JournalError:
            found += 1  # of a kind that is not known, in an undamaged file: refused
            continue
        if recovered.replaced is not None:
            found += 1
        else:
            assert recovered.seq == last.seq, seed
        await journal.close()
    print(f"found in {found} of 30")
    assert found > 20


@pytest.mark.asyncio
async def test_a_log_without_its_file_is_put_aside_with_it(good, tmp_path):
    source, last = good
    shutil.copytree(source / "killed", tmp_path, dirs_exist_ok=True)
    sound = journal_in(tmp_path)
    assert (await sound.recover()).seq == last.seq, "a kill alone damages nothing"
    await sound.close()
    shutil.copytree(source / "killed", tmp_path, dirs_exist_ok=True)
    log = (tmp_path / f"{NAME}-wal").read_bytes()
    os.truncate(tmp_path / NAME, 0)
    journal = journal_in(tmp_path)
    recovered = await journal.recover()
    assert (recovered.seq, recovered.replaced) == (0, Replaced(kept_as=ASIDE))
    assert (tmp_path / f"{ASIDE}-wal").read_bytes() == log
    await journal.close()


@pytest.mark.asyncio
async def test_what_was_put_aside_can_be_examined_with_its_log(good, tmp_path):
    source, last = good
    shutil.copytree(source / "killed", tmp_path, dirs_exist_ok=True)
    aside = put_aside(tmp_path / NAME, NOON_US)
    assert put_aside_again(tmp_path) == f"{ASIDE}-1"
    assert all_aside(tmp_path / NAME) == [ASIDE, f"{ASIDE}-1"]
    db = apsw.Connection(str(aside))
    assert db.execute("SELECT max(seq) FROM journal").get == last.seq
    db.close()


def put_aside_again(folder):
    (folder / NAME).write_bytes(b"second")
    return put_aside(folder / NAME, NOON_US).name


@pytest.mark.asyncio
async def test_a_journal_that_is_gone_is_not_taken_for_a_new_site(tmp_path):
    new = journal_in(tmp_path)
    assert (await new.recover()).replaced is None, "nobody was here before"
    await new.close()
    (tmp_path / NAME).unlink()
    journal = journal_in(tmp_path)
    assert (await journal.recover()).replaced == Replaced(kept_as="")
    await journal.close()


def test_the_centre_is_told_what_is_lost_and_from_what_it_can_be_had_back():
    desk = Desk()
    told = desk.take(
        JournalReplaced(at_us=desk.now_us, kept_as=ASIDE, backup="donghe-1.sqlite3")
    )
    (report,) = [e for e in told if isinstance(e, ReportStatus)]
    assert (report.node, report.medium) == ("warning", "centre")
    assert ASIDE in report.detail
    assert "donghe-1.sqlite3" in report.detail


@pytest.mark.asyncio
async def test_a_daemon_with_a_damaged_journal_works_and_says_so_everywhere(site: Site):
    copies = site.folder / "copies"
    copies.mkdir()
    with site.config.open("a") as config:
        config.write("journal: {backup_dir: copies}\n")
    async with site.running():
        assert (await site.alert("JQ-1"))["status"] == "accepted"
    await site.until(lambda: list(copies.glob("*.sqlite3")), 20)
    (copy,) = copies.glob("*.sqlite3")
    zeroed(site.state / NAME)
    async with site.running():
        assert (await site.alert("JQ-2"))["status"] == "accepted"
        said = await site.ask(do="health")
        (name,) = said["journals_put_aside"]
        assert (site.state / name).exists()
        assert f"WAS DAMAGED and begun anew; put aside as {name}" in "\n".join(health_lines(said))
        reports = await site.daemon._engine.reports(after_seq=0, limit=50)
        (told,) = [r for r in reports if r.node == "warning" and name in str(r.detail)]
        assert copy.name in told.detail
    await site.until(lambda: len(list(copies.glob("*.sqlite3"))) == 2, 20)
    assert copy.exists(), "that of the new journal, on the same day, does not push it out"
