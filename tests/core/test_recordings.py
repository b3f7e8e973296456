"""Recordings can be found, proved, and are kept no longer than the settings say."""

import asyncio
import hashlib
import os

import pytest
import pytest_asyncio

from gateway.core.answers.events import DigitsHeard, OverHeard
from gateway.core.calls.events import PageSpoken, PageStarted
from gateway.core.dispatch import step
from gateway.core.effects import PageChannel
from gateway.core.talk.events import DispatcherSpoke, RecordingKept
from gateway.core.talk.overs import Recording
from gateway.interfaces import Committed, Wanted
from gateway.journal import SqliteJournal
from gateway.journal.contract import Entry
from gateway.records import Records
from gateway.retention import DAY_US, expire, needed
from gateway.settings import RetentionSettings
from tests.core.site_for_tests import NOON_US, US, Desk
from tests.core.test_talk import site


class Archive(Desk):
    """A desk whose every step stands in a journal, with files beside it."""

    def __init__(self, folder):
        self.folder = folder
        self.steps, self.told = [], []
        super().__init__(site=site())
        self.journal = SqliteJournal(folder / "journal.sqlite3", boot_id="b")
        self.records = Records(folder / "journal.sqlite3")

    def take(self, event):
        outcome = step(self.state, self.site, event)
        self.steps.append((event, outcome))
        return super().take(event)

    async def write_down(self):
        """Have the journal hold everything so far."""
        steps, self.steps = self.steps, []
        for event, outcome in steps:
            await self.journal.append(
                Entry(
                    event=event, changes=outcome.changes, outbox=(), receipt=None, settles=(),
                    reports=tuple(e for e in outcome.effects if hasattr(e, "node")),
                    cursor=None, settings="v", at_us=event.at_us, mono_us=0,
                )
            )  # fmt: skip

    async def submit(self, event, *, settles=(), cursor=None):
        del settles, cursor
        self.take(event)
        self.told.append(event)
        await self.write_down()
        return Committed(seq=0)

    def keep(self, what, channel="ch1", *, ending="ogg", began_us=None, data=None):
        """A recording of ``what`` is on the disk."""
        began_us = began_us or self.now_us
        path = f"20261122/{channel}/{what}.{ending}"
        file = self.folder / "recordings" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        content = data or f"{what} {ending}".encode()
        file.write_bytes(content)
        os.utime(file, (began_us / US, began_us / US))
        kept = RecordingKept(
            at_us=self.now_us, channel=channel, what=what.partition("_")[0], path=path,
            sha256=hashlib.sha256(content).hexdigest(), duration_ms=2500,
        )  # fmt: skip
        self.take(kept)
        return file

    def over(self, name, *, channel="ch1", ani=None):
        """Somebody talks and is recorded, first large and then small."""
        self.pass_time(60)
        began_us = self.now_us
        self.pass_time(2.5)
        self.take(
            OverHeard(
                at_us=began_us, channel=channel, over=name, keyed_ms=2500, ani=ani,
                recording=f"20261122/{channel}/{name}.wav",
            )
        )  # fmt: skip
        self.keep(name, channel, ending="wav", began_us=began_us).unlink()
        return self.keep(name, channel, began_us=began_us)


@pytest_asyncio.fixture
async def archive(tmp_path):
    desk = Archive(tmp_path)
    await desk.journal.recover()
    await desk.write_down()
    yield desk
    await desk.journal.close()


async def found(archive, **wanted):
    await archive.write_down()
    return [r["what"] for r in await archive.records.recordings(Wanted(**wanted))]


@pytest.mark.asyncio
async def test_recordings_are_found_by_time_channel_person_and_order(archive):
    archive.over("v1", ani="99101")
    between_us = archive.now_us
    archive.over("v2", channel="ch2")
    archive.over("v3")
    assert await found(archive) == ["v3", "v2", "v1"]
    assert await found(archive, limit=2) == ["v3", "v2"]
    assert await found(archive, from_us=between_us) == ["v3", "v2"]
    assert await found(archive, to_us=between_us) == ["v1"]
    assert await found(archive, channel="ch2") == ["v2"]
    assert await found(archive, person="zhang") == ["v1"]
    assert await found(archive, person="li") == []
    (first,) = await archive.records.recordings(Wanted(person="zhang"))
    assert (first["name"], first["radio"], first["kind"]) == ("张三", "dtmf:99101", "over")
    assert first["at_us"] == NOON_US + 60 * US
    assert str(first["path"]).endswith("v1.ogg"), "the form that is there"


@pytest.mark.asyncio
async def test_what_the_dispatcher_said_is_found_by_each_channel_it_went_to(archive):
    archive.pass_time(60)
    archive.take(
        DispatcherSpoke(
            at_us=archive.now_us, group="east", over="d1", channels=("ch1", "ch2"),
            keyed_ms=2500, recording="20261122/dispatcher-east/d1.wav",
        )
    )  # fmt: skip
    archive.keep("d1", "dispatcher-east", ending="wav").unlink()
    archive.keep("d1", "dispatcher-east")
    archive.over("v1")
    assert await found(archive, channel="ch1") == ["v1", "d1"]
    assert await found(archive, channel="ch2") == ["d1"]
    assert await found(archive, channel="ch3") == []
    (said,) = await archive.records.recordings(Wanted(channel="ch2"))
    assert (said["radio"], said["channels"]) == ("dispatcher:east", ["ch1", "ch2"])
    assert said["person"] is None
    assert list(archive.state.each(Recording)) == [], "nothing of it is kept in memory"


@pytest.mark.asyncio
async def test_a_page_and_an_answer_are_found_by_their_order(archive):
    archive.alert(level=1)
    page = next(e for e in archive.asked if isinstance(e, PageChannel))
    archive.take(PageStarted(at_us=archive.now_us, page=page.page))
    archive.take(PageSpoken(at_us=archive.now_us, page=page.page))
    archive.keep(f"{page.page}_b-1")
    digits = f"{archive.number}1021"
    archive.take(DigitsHeard(at_us=archive.now_us, channel="ch1", over="v9", digits=digits))
    archive.over("v9")
    await archive.write_down()
    both = await archive.records.recordings(Wanted(order=archive.order.id))
    assert [(r["kind"], r["person"]) for r in both] == [("over", "li"), ("page", None)]
    one = await archive.records.recording(both[1]["id"])
    assert one is not None
    assert one["what"] == page.page
    assert await archive.records.recording(1) is None, "a row of another kind"


@pytest.mark.asyncio
async def test_what_is_told_again_after_a_kill_stays_what_it_was(archive):
    """The engine held the row, and the radio process was killed before it knew."""
    archive.over("v1", ani="99101")
    to_us = archive.now_us + US
    before = await archive.records.recordings(Wanted(to_us=to_us)) if await found(archive) else []
    said = len(archive.asked)
    archive.pass_time(3 * 86_400)
    archive.keep("v1", began_us=before[0]["at_us"])
    assert len(archive.asked) == said, "no second voice note"
    (again,) = await archive.records.recordings(Wanted()) if await found(archive) else []
    assert again == {**before[0], "id": again["id"]}
    assert (again["person"], again["radio"]) == ("zhang", "dtmf:99101")
    assert await found(archive, person="zhang") == ["v1"]
    first = await archive.records.recording(before[0]["id"])
    assert first is not None
    assert first["id"] == again["id"]


@pytest.mark.asyncio
async def test_what_was_made_small_days_later_is_found_where_it_was_said(archive):
    """The machine was off for a weekend between the two forms."""
    archive.pass_time(60)
    began_us = archive.now_us
    archive.take(
        OverHeard(
            at_us=began_us, channel="ch1", over="v1", keyed_ms=2500, ani="99101",
            recording="20261122/ch1/v1.wav",
        )
    )  # fmt: skip
    archive.keep("v1", ending="wav", began_us=began_us).unlink()
    archive.pass_time(3 * 86_400)
    archive.keep("v1", began_us=began_us)
    await archive.write_down()
    (only,) = await archive.records.recordings(Wanted(to_us=began_us + US))
    assert (only["path"], only["person"]) == ("20261122/ch1/v1.ogg", "zhang")
    assert (await archive.records.verify_recordings(archive.folder / "recordings")).ok


@pytest.mark.asyncio
async def test_verify_names_what_is_missing_and_what_was_changed(archive):
    files = [archive.over(f"v{number}") for number in range(4)]
    await archive.write_down()
    root = archive.folder / "recordings"
    verdict = await archive.records.verify_recordings(root)
    assert (verdict.good, verdict.ok) == (4, True)
    files[1].unlink()
    files[2].write_bytes(files[2].read_bytes() + b"x")
    files[3].unlink()
    files[3].symlink_to("/etc/hostname")
    verdict = await archive.records.verify_recordings(root)
    assert verdict.good == 1
    problems = {path.rpartition("/")[2]: why.split(":")[0] for path, why in verdict.problems}
    assert problems == {"v1.ogg": "missing", "v2.ogg": "damaged", "v3.ogg": "damaged"}


@pytest.mark.asyncio
async def test_what_has_served_its_time_goes_and_the_journal_tells(archive):
    old, new = archive.over("v1"), archive.over("v2")
    media = archive.folder / "media"
    media.mkdir()
    photo, fresh = media / "work-1.jpg", media / "work-2.jpg"
    for file in (photo, fresh):
        file.write_bytes(b"photo")
    archive.pass_time(100 * 86_400)
    for file in (old, photo):
        os.utime(file, (NOON_US / US, NOON_US / US))
    for file in (new, fresh):
        os.utime(file, (archive.now_us / US, archive.now_us / US))
    await archive.write_down()
    gone = await expire(
        RetentionSettings(), archive.folder, archive.records, archive, archive.now_us,
        archive.journal,
    )  # fmt: skip
    assert (gone.recordings, gone.media, gone.held) == ((old,), (photo,), 0)
    assert [f.exists() for f in (old, photo, new, fresh)] == [False, False, True, True]
    event = archive.told[-1]
    assert (event.recordings, event.media) == (1, 1)
    assert event.recordings_before_us == archive.now_us - 90 * DAY_US
    again = await expire(
        RetentionSettings(), archive.folder, archive.records, archive, archive.now_us,
        archive.journal,
    )  # fmt: skip
    assert not again.recordings
    assert len(archive.told) == 1, "nothing to tell"
    verdict = await archive.records.verify_recordings(archive.folder / "recordings")
    assert (verdict.good, verdict.expired, verdict.problems) == (1, 1, ())


@pytest.mark.asyncio
async def test_nothing_of_an_open_order_goes(archive):
    archive.alert(level=1, attachments=("ab" * 16,))
    media = archive.folder / "media"
    media.mkdir()
    photo = media / f"{'ab' * 16}.jpg"
    photo.write_bytes(b"photo")
    digits = f"{archive.number}1021"
    archive.take(DigitsHeard(at_us=archive.now_us, channel="ch1", over="v9", digits=digits))
    answer = archive.over("v9")
    os.utime(photo, (NOON_US / US, NOON_US / US))
    await archive.write_down()
    archive.pass_time(400 * 86_400)
    assert {"v9", "ab" * 16} <= await needed(archive.records)
    for closed, left in ((False, True), (True, False)):
        if closed:
            archive.act("close", result="好了")
            await archive.write_down()
        await expire(
            RetentionSettings(), archive.folder, archive.records, archive, archive.now_us,
            archive.journal,
        )  # fmt: skip
        assert (answer.exists(), photo.exists()) == (left, left)
    assert not (archive.folder / "recordings" / "20261122").exists(), "nor its empty folders"


@pytest.mark.asyncio
async def test_many_other_rows_are_not_looked_at(archive):
    archive.over("v1")
    await archive.write_down()
    with_plan = await asyncio.to_thread(_plan, archive.folder / "journal.sqlite3")
    assert "journal_recordings" in with_plan


def _plan(path):
    import apsw

    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    rows = db.execute(
        "EXPLAIN QUERY PLAN SELECT seq FROM journal INDEXED BY journal_recordings"
        " WHERE kind = 'RecordingKept' AND at_us >= 5 ORDER BY at_us DESC, seq DESC"
    )
    return " ".join(str(row) for row in rows)
