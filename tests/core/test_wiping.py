"""What is of somebody is kept no longer than the settings say, and the chain stays whole."""

from dataclasses import fields, is_dataclass

import apsw
import pytest
import pytest_asyncio

from gateway.core.answers.events import MediaReceived, TextReceived
from gateway.core.calls.whereabouts import LastSeen
from gateway.core.effects import OUTBOX_TYPES
from gateway.core.events import EVENT_TYPES, InputRefused
from gateway.core.guard_reports.report import GuardReport
from gateway.core.order import ENTITY_TYPES, Drop, Put
from gateway.core.people import Person
from gateway.journal import SqliteJournal, verify
from gateway.journal.contract import Entry
from gateway.journal.reading import sealed_text
from gateway.retention import DAY_US, expire
from gateway.settings import RetentionSettings
from tests.core.site_for_tests import ACCOUNTS
from tests.core.test_recordings import Archive

PLACE = "25005000,118005000"
NOW_PLACE = "25006000,118006000"


@pytest_asyncio.fixture
async def archive(tmp_path):
    desk = Archive(tmp_path)
    await desk.journal.recover()
    await desk.write_down()
    yield desk
    await desk.journal.close()


def share(archive, place, person="zhang"):
    archive.take(
        MediaReceived(
            at_us=archive.now_us, chat="work", address=ACCOUNTS[person], group=None,
            kind="location", message=f"m{archive.now_us}", place=place,
        )
    )  # fmt: skip
    archive.wait(3600)  # he does not say that he reports anything


def readable(archive):
    """Return every sealed value that can be opened."""
    db = apsw.Connection(str(archive.journal.path), flags=apsw.SQLITE_OPEN_READONLY)
    found = [sealed_text(db, c) for (c,) in db.execute("SELECT commitment FROM personal")]
    return [text for text in found if text is not None]


async def expired(archive, **settings):
    await archive.write_down()
    await expire(
        RetentionSettings(**settings), archive.folder, archive.records, archive,
        archive.now_us, archive.journal,
    )  # fmt: skip
    return archive.told[-1] if archive.told else None


def whole(archive):
    verdict = verify(archive.journal.path, stretches=1)
    return verdict.findings == ()


@pytest.mark.asyncio
async def test_a_position_is_unreadable_after_its_days_and_all_else_stays(archive):
    share(archive, PLACE)
    archive.pass_time(20 * 86_400)
    share(archive, NOW_PLACE, "li")
    assert await expired(archive, positions_days=30) is None
    assert f'"{PLACE}"' in readable(archive)
    before = readable(archive)
    archive.pass_time(11 * 86_400)
    event = await expired(archive, positions_days=30)
    left = readable(archive)
    assert event.positions == len(before) - len(left) == 1
    assert event.positions_before_us == archive.now_us - 30 * DAY_US
    assert event.values == 0
    assert f'"{PLACE}"' not in left
    assert f'"{NOW_PLACE}"' in left
    assert '"张三"' in left
    assert whole(archive)
    assert PLACE.encode() not in archive.journal.path.read_bytes()
    assert await expired(archive, positions_days=30) is event, "once is enough"


@pytest.mark.asyncio
async def test_whoever_starts_anew_does_not_know_it_either_and_goes_on(archive):
    share(archive, PLACE)
    archive.pass_time(40 * 86_400)
    await expired(archive)
    await archive.journal.close()
    again = SqliteJournal(archive.journal.path, boot_id="b2")
    recovered = await again.recover()
    seen = [e for e in recovered.entities if isinstance(e, LastSeen)]
    assert seen == []
    assert not list(archive.state.each(LastSeen)), "nor does who goes on"
    await again.close()


@pytest.mark.asyncio
async def test_the_position_of_a_report_that_is_open_stays_until_it_is_dealt_with(archive):
    share(archive, PLACE)
    report = GuardReport(
        id="r9", number="R9", source="person/zhang", state="open", emergency=True, medium="chat",
        assurance="C1", opened_us=archive.now_us, last_us=archive.now_us, person="zhang",
        place=NOW_PLACE,
    )  # fmt: skip
    await archive.write_down()
    await put(archive, report)
    archive.pass_time(40 * 86_400)
    event = await expired(archive)
    assert event.positions == 1
    assert f'"{NOW_PLACE}"' in readable(archive)
    await put(archive, report, drop=True)
    assert (await expired(archive)).positions == 1
    assert f'"{NOW_PLACE}"' not in readable(archive)
    assert whole(archive)


async def put(archive, entity, *, drop=False):
    """Journal a row that puts or drops an entity, without asking the core."""
    change = Drop(kind=entity.KIND, key=entity.key) if drop else Put(entity)
    event = InputRefused(at_us=archive.now_us, door="test", reason="r")
    await archive.journal.append(
        Entry(
            event=event, changes=(change,), outbox=(), receipt=None, settles=(), reports=(),
            cursor=None, settings="v", at_us=archive.now_us, mono_us=0,
        )
    )  # fmt: skip


@pytest.mark.asyncio
async def test_after_its_years_the_journal_names_nobody_who_is_not_in_the_register(archive):
    archive.alert(level=1)
    archive.take(
        TextReceived(
            at_us=archive.now_us, chat="work", address="4711", group=None, text="我是路人甲",
            message="m1",
        )
    )  # fmt: skip
    archive.act("close", result="好了")
    await archive.write_down()
    strangers = '"我是路人甲"'
    assert strangers in readable(archive)
    archive.pass_time(3 * 365 * 86_400)
    assert await expired(archive) is None or strangers in readable(archive)
    archive.pass_time(4 * 86_400)
    event = await expired(archive)
    left = readable(archive)
    assert event.values > 0
    assert strangers not in left
    people = [p.name for p in archive.state.each(Person) if p.name]
    assert {f'"{name}"' for name in people} <= set(left), "the register is in use"
    assert whole(archive)
    order = await archive.records.order("o1")
    assert order is not None, "what happened, and when, stays"


@pytest.mark.asyncio
async def test_of_an_order_that_is_held_for_a_court_nothing_goes(archive):
    archive.alert(level=1)
    archive.press("zhang", "1")
    archive.act("close", result="好了")
    await archive.write_down()
    faded = await archive.journal.faded(
        positions_before_us=0, values_before_us=archive.now_us + 1, spared=()
    )
    held = await archive.journal.faded(
        positions_before_us=0, values_before_us=archive.now_us + 1, spared=("o1",)
    )
    assert set(held.values) < set(faded.values)
    of_the_order = set(faded.values) - set(held.values)
    await archive.journal.wipe(held)
    again = await archive.journal.faded(
        positions_before_us=0, values_before_us=archive.now_us + 1, spared=()
    )
    assert set(again.values) == of_the_order, "and goes when it is held no more"


def test_every_personal_place_is_known_to_the_wiping():
    """A position that is sealed under another name would be kept for years."""
    named = set()
    for cls in (*EVENT_TYPES, *ENTITY_TYPES, *OUTBOX_TYPES):
        assert is_dataclass(cls)
        doc = (cls.__doc__ or "").replace("\n", " ")
        for field in fields(cls):
            if "personal" in field.metadata and f"{field.name}: " in doc:
                about = doc.split(f"{field.name}: ")[1].split(".")[0]
                if "micro-degrees" in about or "``lat" in about:
                    named.add((cls.__name__, field.name))
    assert {name for _, name in named} == {"place"}
    assert len(named) >= 3
