"""What people read out of the journal, while it is being written and afterwards."""

import asyncio
import hashlib
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.core.calls.events import PageSpoken
from gateway.core.effects import ReportStatus
from gateway.core.events import ClockStepped
from gateway.core.order import Card, Delivery, DeliveryState, Medium, OrderStatus, Page, Put
from gateway.interfaces import JournalError, SetupError
from gateway.journal import SqliteJournal
from gateway.journal.codec import canonical
from gateway.records import Records
from tests.core.journal_stories import (
    START_US,
    acknowledged,
    entry,
    opened,
    order,
    path_entry,
    people_seeded,
    retired,
)


@pytest_asyncio.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SqliteJournal]:
    journal = SqliteJournal(tmp_path / "journal.db", boot_id="boot-1")
    await journal.recover()
    yield journal
    await journal.close()


@pytest_asyncio.fixture
async def records(journal: SqliteJournal) -> Records:
    """Return records of three orders: acknowledged after 12 s, after 40 s, and long closed."""
    await journal.append(people_seeded())
    for n, after_s in ((1, 12), (2, 40)):
        posted = await journal.append(opened(n))
        await journal.append(spoken(n))
        await journal.append(acknowledged(n, posted, after_s))
    await journal.append(opened(3))
    await journal.append(entry(None, Put(replace(order(3), closed_us=START_US + 5_000_000))))
    await journal.append(retired(3))
    return Records(journal.path)


def spoken(n: int):
    page = Page(id=f"p{n}", order=f"o{n}", channel="north", state="spoken", rung=0,
                purpose="order", started_us=START_US, recording=f"2025/p{n}.ogg")  # fmt: skip
    card = Card(id=f"c{n}", order=f"o{n}", chat="work", address="700100", person="p1")
    told = Delivery(order=f"o{n}", person="p1", medium=Medium.RADIO, via=f"p{n}",
                    state=DeliveryState.SENT)  # fmt: skip
    event = PageSpoken(at_us=START_US, page=f"p{n}", recording=page.recording)
    return entry(event, Put(page), Put(card), Put(told))


@pytest.mark.asyncio
async def test_orders_come_newest_first_and_closed_ones_only_when_asked(
    records: Records,
) -> None:
    assert [found["id"] for found in await records.orders()] == ["o3", "o2", "o1"]
    assert [found["id"] for found in await records.orders(open_only=True)] == ["o2", "o1"]
    assert [found["id"] for found in await records.orders(limit=1)] == ["o3"]
    first = (await records.orders(open_only=True))[-1]
    assert first["alert"]["text"] == "人民路三号有人打架"  # type: ignore[index]
    assert first["open"] is True
    (part,) = first["people"]  # type: ignore[misc]
    assert (part["person"], part["name"]) == ("p1", "张建国")
    assert part["stamps"][0]["assurance"] == "C2"


@pytest.mark.asyncio
async def test_an_order_has_its_whole_timeline_and_recordings(records: Records) -> None:
    found = await records.order("o1")
    assert found is not None
    timeline = [(n["node"], n["name"], n["medium"]) for n in found["timeline"]]  # type: ignore[attr-defined]
    assert timeline == [
        ("accepted", None, None),
        ("told", "张建国", "radio"),
        ("acknowledged", "张建国", "chat"),
    ]
    assert [page["recording"] for page in found["pages"]] == ["2025/p1.ogg"]  # type: ignore[attr-defined]
    assert [card["address"] for card in found["cards"]] == ["700100"]  # type: ignore[attr-defined]
    assert [told["state"] for told in found["deliveries"]] == ["sent"]  # type: ignore[attr-defined]
    assert json.loads(json.dumps(found)) == found, "ready for JSON"
    assert await records.order("o99") is None


@pytest.mark.asyncio
async def test_an_order_long_closed_is_still_told_whole(records: Records) -> None:
    found = await records.order("o3")
    assert found is not None
    assert found["open"] is False
    assert len(found["timeline"]) == 2  # type: ignore[arg-type]


@pytest.mark.asyncio
async def test_reports_come_in_order_and_rows_are_never_parted(records: Records) -> None:
    everything = await records.reports()
    assert [(r.seq, r.part) for r in everything] == sorted((r.seq, r.part) for r in everything)
    seen = []
    after = 0
    while batch := await records.reports(after_seq=after, limit=1):
        assert len({report.seq for report in batch}) == 1
        seen += batch
        after = batch[-1].seq
    assert seen == everything
    assert len(seen) == 8


@pytest.mark.asyncio
async def test_the_erased_have_no_name_and_their_times_stay(
    journal: SqliteJournal, records: Records
) -> None:
    await journal.erase("p1")
    found = await records.order("o1")
    assert found is not None
    assert {n["name"] for n in found["timeline"]} == {None}  # type: ignore[attr-defined]
    assert [n["node"] for n in found["timeline"]] == ["accepted", "told", "acknowledged"]  # type: ignore[attr-defined]
    assert [card["address"] for card in found["cards"]] == ["（已删除）"]  # type: ignore[attr-defined]
    assert {report.name for report in await records.reports()} == {None}
    out = io.StringIO()
    await records.export(out, personal=True)
    assert "张建国" not in out.getvalue()
    assert "700100" not in out.getvalue()
    assert "李秀英" in out.getvalue()


@pytest.mark.asyncio
async def test_drills_have_figures_of_their_own(
    journal: SqliteJournal, records: Records
) -> None:
    """A drill answered after 5 s makes no real order look quicker, and closes none."""
    posted = await journal.append(opened(4))
    await journal.append(acknowledged(4, posted, 5))
    real = order(4)
    drill = replace(
        real, number="01", alert=replace(real.alert, exercise=True), result="settled",
        status=OrderStatus.CLOSED,
    )  # fmt: skip
    await journal.append(entry(None, Put(drill)))
    found = await records.statistics(from_us=START_US, to_us=START_US + 60_000_000)
    assert (found["orders"], found["by_status"], found["by_result"]) == (3, {"calling": 3}, {})
    assert found["to_acknowledgement"]["count"] == 2  # type: ignore[index]
    drills = found["drills"]
    assert isinstance(drills, dict)
    assert (drills["orders"], drills["by_status"]) == (1, {"closed": 1})
    assert (drills["by_result"], drills["acknowledged_by_medium"]) == ({"settled": 1}, {"chat": 1})
    assert drills["to_acknowledgement"]["p50_s"] == 5.0


@pytest.mark.asyncio
async def test_statistics_count_what_the_stamps_say(records: Records) -> None:
    found = await records.statistics(from_us=START_US, to_us=START_US + 60_000_000)
    assert found["orders"] == 3
    assert found["by_level"] == {"1": 3}
    assert found["by_status"] == {"calling": 3}
    assert found["by_grid"] == {"g1": 3}
    assert found["acknowledged_by_medium"] == {"chat": 2}
    assert found["to_acknowledgement"] == {
        "count": 2,
        "p50_s": 26.0,
        "p90_s": 37.2,
        "max_s": 40.0,
    }
    assert found["to_arrival"] == {"count": 0, "p50_s": None, "p90_s": None, "max_s": None}
    drills = found["drills"]
    assert isinstance(drills, dict)
    assert drills["orders"] == 0
    nothing = await records.statistics(from_us=0, to_us=START_US)
    assert nothing["orders"] == 0
    only = await records.statistics(from_us=START_US, to_us=order(2).opened_us)
    assert only["to_acknowledgement"] == {
        "count": 1,
        "p50_s": 12.0,
        "p90_s": 12.0,
        "max_s": 12.0,
    }


@pytest.mark.asyncio
async def test_the_seconds_of_an_order_under_which_the_clock_was_moved_do_not_count(
    journal: SqliteJournal, records: Records
) -> None:
    moved = replace(order(2), flags=("clock_stepped",))
    await journal.append(entry(ClockStepped(at_us=START_US, by_us=3_600_000_000), Put(moved)))
    found = await records.statistics(from_us=START_US, to_us=START_US + 60_000_000)
    assert found["orders"] == 3
    assert found["to_acknowledgement"]["count"] == 1


@pytest.mark.asyncio
async def test_whoever_answered_before_the_clocks_began_anew_is_counted_from_the_opening(
    journal: SqliteJournal, records: Records
) -> None:
    """Its level rose, or it was opened again, an hour later."""
    before = await records.statistics(from_us=START_US, to_us=START_US + 60_000_000)
    raised = [replace(order(n), clock_us=order(n).clock_us + 3_600_000_000) for n in (1, 2)]
    await journal.append(entry(None, *map(Put, raised)))
    after = await records.statistics(from_us=START_US, to_us=START_US + 60_000_000)
    assert after["to_acknowledgement"] == before["to_acknowledgement"]


@pytest.mark.asyncio
async def test_an_auditor_can_compute_the_chain_from_a_masked_export(
    journal: SqliteJournal, records: Records
) -> None:
    """By the published rule alone, with none of our code but JSON."""
    out = io.StringIO()
    rows = await records.export(out)
    assert "张建国" not in out.getvalue()
    prev = bytes(32)
    for line in out.getvalue().splitlines():
        row = json.loads(line)
        own, before = row.pop("hash"), row.pop("prev")
        assert before == prev.hex()
        text = json.dumps(row, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        assert text == canonical(row)
        prev = hashlib.sha256(b"gwj1" + prev + text.encode()).digest()
        assert own == prev.hex()
    assert rows == journal.anchor().seq
    assert prev.hex() == journal.anchor().hash


@pytest.mark.asyncio
async def test_an_export_shows_personal_values_only_when_asked(records: Records) -> None:
    masked, shown = io.StringIO(), io.StringIO()
    await records.export(masked)
    await records.export(shown, personal=True, after_seq=1)
    assert '"sealed"' in masked.getvalue()
    assert '"sealed"' not in shown.getvalue()
    first = json.loads(shown.getvalue().splitlines()[0])
    assert first["seq"] == 2
    press = json.loads(shown.getvalue().splitlines()[2])
    assert (press["kind"], press["body"]["event"]["address"]) == ("ButtonPressed", "700100")


@pytest.mark.asyncio
async def test_readers_and_the_writer_do_not_wait_for_one_another(
    journal: SqliteJournal, records: Records
) -> None:
    async def read() -> None:
        for _ in range(20):
            before = len(await records.reports(limit=100_000))
            await records.orders(open_only=True)
            assert len(await records.reports(limit=100_000)) >= before

    async def write() -> None:
        for n in range(40):
            node = ReportStatus(at_us=START_US + n, order=None, number=None, node="path")
            await journal.append(replace(path_entry(n), reports=(node,)))

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        for errand in (read, read, read, write):
            group.create_task(errand())
    assert len(await records.reports(limit=100_000)) == 48


@pytest.mark.asyncio
async def test_records_of_nothing_and_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="cannot be opened"):
        await Records(tmp_path / "nowhere.db").orders()
    (tmp_path / "notes.txt").write_text("milk, bread " * 100)
    with pytest.raises((SetupError, JournalError)):
        await Records(tmp_path / "notes.txt").orders()
