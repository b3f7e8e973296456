"""What every form of the journal promises; a new form is done when it passes here."""

import unicodedata
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.after.events import OrderActed
from gateway.core.events import TimerFired
from gateway.core.order import Assignment, Drop, NumberLease, Order, Put
from gateway.core.order import Path as PathEntity
from gateway.core.people import Contact, Person
from gateway.interfaces import Cursor, JournalError
from gateway.journal import MemoryJournal, MemoryTables, SqliteJournal
from gateway.journal.contract import Journal
from gateway.journal.seal import ERASED
from tests.core.journal_stories import (
    LI,
    START_US,
    ZHANG,
    ZHANG_ACCOUNT,
    acknowledged,
    alert,
    entry,
    line_to,
    opened,
    order,
    path_entry,
    people_seeded,
    retired,
)

# Gives a journal on the one store of this test; a second one finds what the first wrote.
Make = Callable[[], Journal]


async def a_new_journal_is_empty(make: Make) -> None:
    journal = make()
    found = await journal.recover()
    assert (found.seq, found.last_at_us) == (0, 0)
    assert (found.entities, found.outbox, dict(found.cursors)) == ((), (), {})
    assert journal.anchor().seq == 0
    await journal.close()


async def rows_and_outbox_rows_are_numbered_without_gaps(make: Make) -> None:
    journal = make()
    await journal.recover()
    first = await journal.append(opened(1))
    second = await journal.append(path_entry(2))
    third = await journal.append(opened(3))
    assert (first.seq, second.seq, third.seq) == (1, 2, 3)
    assert (first.outbox_ids, second.outbox_ids, third.outbox_ids) == ((1, 2), (), (3, 4))
    await journal.close()


async def callers_at_once_are_written_in_the_order_of_their_calls(make: Make) -> None:
    journal = make()
    await journal.recover()
    calls = [journal.append(path_entry(n)) for n in range(200)]
    assert [(await call).seq for call in calls] == list(range(1, 201))
    await journal.close()
    found = await _reopened(make)
    assert found.entities == (PathEntity(id="mqtt", up=True, since_us=199),)


async def a_restart_finds_what_stood(make: Make) -> None:
    journal = make()
    await journal.recover()
    await journal.append(people_seeded())
    posted = await journal.append(opened(1))
    await journal.append(opened(2))
    await journal.append(acknowledged(1, posted))
    await journal.close()
    found = await _reopened(make)
    assert found.seq == 4
    assert found.last_at_us == START_US + 12_001_000
    assert dict(found.cursors) == {"telegram:work": "9001"}
    by_key = {(item.KIND, item.key): item for item in found.entities}
    assert by_key["person", "p1"] == ZHANG
    assert by_key["contact", "work/p1"] == ZHANG_ACCOUNT
    assert by_key["order", "o2"] == order(2)
    part = by_key["assignment", "o1/p1"]
    assert isinstance(part, Assignment)
    assert [stamp.at_us for stamp in part.stamps] == [START_US + 12_001_000]
    assert ("timer", "acknowledge/o1") not in by_key
    assert ("timer", "acknowledge/o2") in by_key
    assert [(driver, out.id, out.again) for driver, out in found.outbox] == [
        ("radio", 3, False), ("telegram", 4, False),
    ]  # fmt: skip
    assert tuple((driver, out.effect) for driver, out in found.outbox) == opened(2).outbox


async def what_had_started_comes_back_as_again(make: Make) -> None:
    journal = make()
    await journal.recover()
    await journal.append(opened(1))
    await journal.append(opened(2))
    journal.note(started=[1, 2, 3])
    journal.note(settled=[2], cursors=[Cursor(source="telegram:work", position="17")])
    with pytest.raises(ValueError, match="surrogate"):
        journal.note(cursors=[Cursor(source="telegram:work", position="\ud800")])
    await journal.close()
    found = await _reopened(make)
    assert dict(found.cursors) == {"telegram:work": "17"}
    assert [(out.id, out.again) for _, out in found.outbox] == [
        (1, True), (3, True), (4, False),
    ]  # fmt: skip


async def a_freed_number_takes_its_order_out_of_the_start(make: Make) -> None:
    journal = make()
    await journal.recover()
    await journal.append(people_seeded())
    for n in (1, 2):
        await journal.append(opened(n))
    await journal.append(retired(1))
    lease = NumberLease(number="01", order="o101")
    await journal.append(entry(None, Put(order(101)), Put(lease)))
    assert await journal.find_alert("centre", "A-1") == (f"{1:064x}", "o1", "01")
    assert await journal.find_alert("centre", "A-9") is None
    await journal.close()
    found = await _reopened(make)
    orders = [item.id for item in found.entities if isinstance(item, Order)]
    assert orders == ["o2", "o101"]
    assert not [e for e in found.entities if getattr(e, "order", None) == "o1"]
    assert lease in found.entities
    assert ZHANG in found.entities


async def a_dropped_entity_is_gone(make: Make) -> None:
    journal = make()
    await journal.recover()
    await journal.append(people_seeded())
    await journal.append(entry(None, Drop("contact", "work/p1"), Drop("contact", "no/body")))
    await journal.close()
    found = await _reopened(make)
    assert [item.key for item in found.entities if isinstance(item, Contact)] == ["work/p2"]


async def unfit_entries_are_refused_without_harm(make: Make) -> None:
    journal = make()
    await journal.recover()
    # Refused at the call, before anything is queued: the engine's state must not move.
    unfit = [
        path_entry(1, "\ud800"),
        path_entry(1, "a\0b"),
        replace(path_entry(1), settings="\udfff"),
        replace(path_entry(1), cursor=Cursor(source="x", position="\0")),
        replace(path_entry(1), at_us=2**63),
        replace(path_entry(1), settles=(1.5,)),  # type: ignore[arg-type]
        entry(TimerFired(at_us=1.5, timer="")),  # type: ignore[arg-type]
        entry(TimerFired(at_us=2.0, timer="")),  # type: ignore[arg-type]
        entry(None, Drop("timer", "\ud900")),
        entry(None, Put(replace(order(1), flags=("a", "\0")))),
        entry(OrderActed(at_us=1, order="o1", act="sing", by="x")),  # type: ignore[arg-type]
        path_entry(1, "x" * 17_000_000),
    ]
    before = journal.append(path_entry(7))
    for item in unfit:
        with pytest.raises(ValueError, match=r"."):
            journal.append(item)
    after = journal.append(path_entry(8))
    assert ((await before).seq, (await after).seq) == (1, 2)
    await journal.close()
    assert (await _reopened(make)).seq == 2


async def a_refusal_names_the_field_and_not_its_value(make: Make) -> None:
    journal = make()
    await journal.recover()
    with pytest.raises(ValueError, match=r"alert\.text: text holds NUL") as refusal:
        secret = replace(order(1), alert=replace(alert(1), text="秘密\0"))
        await journal.append(entry(None, Put(secret)))
    assert "秘密" not in str(refusal.value)
    await journal.close()


async def text_is_one_in_all_its_spellings(make: Make) -> None:
    """A key typed with combining marks finds what was written composed."""
    journal = make()
    await journal.recover()
    spelt = unicodedata.normalize("NFD", "Zoë-Å")
    story = opened(1)
    keyed = [
        Put(replace(c.entity, sender=spelt))
        if isinstance(c, Put) and c.entity.KIND == "alert_key"
        else c
        for c in story.changes
    ]
    await journal.append(replace(story, changes=tuple(keyed)))
    for sender in (spelt, "Zoë-Å"):
        assert await journal.find_alert(sender, "A-1") == (f"{1:064x}", "o1", "01")
    await journal.close()


async def the_erased_are_read_nowhere(make: Make) -> None:
    journal = make()
    await journal.recover()
    await journal.append(people_seeded())
    # The account is not said to be anybody's here; the journal knows whose it is.
    await journal.append(entry(None, outbox=(("telegram", line_to("700100")),)))
    await journal.append(entry(None, outbox=(("telegram", line_to("700200")),)))
    await journal.erase("p1")
    await journal.append(opened(1))
    await journal.close()
    found = await _reopened(make)
    names = {item.id: item.name for item in found.entities if isinstance(item, Person)}
    assert names == {"p1": ERASED, "p2": LI.name}
    addresses = {
        item.person: item.address for item in found.entities if isinstance(item, Contact)
    }
    assert addresses == {"p1": ERASED, "p2": "700200"}
    sent = [out.effect.address for driver, out in found.outbox if driver == "telegram"]  # type: ignore[union-attr]
    assert sent == [ERASED, "700200", "700100"]  # the third was written after the erasure


async def an_erased_person_may_be_named_anew(make: Make) -> None:
    journal = make()
    await journal.recover()
    await journal.append(people_seeded())
    await journal.erase("p1")
    await journal.append(entry(None, Put(replace(ZHANG, name="张新"))))
    await journal.close()
    found = await _reopened(make)
    assert [e.name for e in found.entities if isinstance(e, Person)] == ["张新", LI.name]


async def the_anchor_is_the_last_row_on_the_disk(make: Make) -> None:
    journal = make()
    await journal.recover()
    seen = set()
    for n in range(1, 4):
        await journal.append(path_entry(n))
        assert journal.anchor().seq == n
        seen.add(journal.anchor().hash)
    assert len(seen) == 3
    last = journal.anchor()
    await journal.close()
    again = make()
    await again.recover()
    assert again.anchor() == last
    await again.close()


async def a_probe_writes_and_adds_no_row(make: Make) -> None:
    journal = make()
    await journal.recover()
    await journal.probe()
    await journal.probe()
    assert (await journal.append(path_entry(1))).seq == 1
    await journal.close()


async def what_is_queued_at_the_close_is_written(make: Make) -> None:
    journal = make()
    await journal.recover()
    calls = [journal.append(path_entry(n)) for n in range(50)]
    await journal.close()
    assert [(await call).seq for call in calls] == list(range(1, 51))
    assert (await _reopened(make)).seq == 50


async def nothing_is_taken_before_and_after(make: Make) -> None:
    journal = make()
    with pytest.raises(JournalError):
        await journal.append(path_entry(1))
    await journal.recover()
    await journal.close()
    await journal.close()
    with pytest.raises(JournalError):
        await journal.append(path_entry(1))
    with pytest.raises(JournalError):
        journal.note(started=[1])
    with pytest.raises(JournalError):
        await journal.probe()


CHECKS: tuple[Callable[[Make], Awaitable[None]], ...] = (
    a_new_journal_is_empty,
    rows_and_outbox_rows_are_numbered_without_gaps,
    callers_at_once_are_written_in_the_order_of_their_calls,
    a_restart_finds_what_stood,
    what_had_started_comes_back_as_again,
    a_freed_number_takes_its_order_out_of_the_start,
    a_dropped_entity_is_gone,
    unfit_entries_are_refused_without_harm,
    a_refusal_names_the_field_and_not_its_value,
    text_is_one_in_all_its_spellings,
    the_erased_are_read_nowhere,
    an_erased_person_may_be_named_anew,
    the_anchor_is_the_last_row_on_the_disk,
    a_probe_writes_and_adds_no_row,
    what_is_queued_at_the_close_is_written,
    nothing_is_taken_before_and_after,
)


async def _reopened(make: Make):
    journal = make()
    found = await journal.recover()
    await journal.close()
    return found


def in_sqlite(folder: Path) -> Make:
    return lambda: SqliteJournal(folder / "journal.db", boot_id="boot-1")


def in_memory(_: Path) -> Make:
    tables = MemoryTables()
    return lambda: MemoryJournal(tables=tables)


@pytest.mark.asyncio
@pytest.mark.parametrize("form", [in_sqlite, in_memory], ids=["sqlite", "memory"])
@pytest.mark.parametrize("check", CHECKS, ids=[check.__name__ for check in CHECKS])
async def test_contract(form, check, tmp_path: Path) -> None:
    await check(form(tmp_path))
