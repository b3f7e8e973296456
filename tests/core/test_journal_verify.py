"""Whoever changes a journal behind our back is found, and what he did is named rightly."""

import random
import signal
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.interfaces import JournalError, SetupError
from gateway.journal import Verdict, backup, verify, verify_process
from gateway.journal.chain import COLUMNS as CHAIN_COLUMNS
from gateway.journal.chain import ChainedRow
from gateway.journal.contract import Anchor, Entry, Written
from gateway.journal.file import JournalFile
from gateway.journal.fold import fold
from gateway.journal.rows import Row, prepare, row_hash
from gateway.journal.said import DROPPED, FREED, PUT, Changes
from gateway.journal.seal import Sealer
from gateway.journal.verify_process import read_here
from tests.core.journal_stories import (
    START_US,
    acknowledged,
    opened,
    path_entry,
    people_seeded,
    retired,
)

ROWS = 62
COLUMNS = "seq, boot, at_us, mono_us, settings, kind, order_id, body"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Return a journal of sixty-two rows: people, orders, acknowledgements, freed numbers; one order is open."""
    path = tmp_path / "journal.db"
    write(path, stories=20)
    assert verify(path).ok
    return path


def write(path: Path, *, stories: int, boot: str = "boot-1") -> None:
    file = JournalFile(path, boot_id=boot)
    file.open()
    sealer = Sealer(file.keys())

    def add(story: Entry) -> Written:
        at = {"at_us": START_US + file.seq * 1_000_000, "mono_us": file.seq * 1_000_000}
        return file.add(prepare(replace(story, **at), sealer))

    file.begin()
    add(people_seeded())
    for n in range(1, stories + 1):
        add(acknowledged(n, add(opened(n))))
        add(retired(n) if n % 2 else path_entry(n))
    add(opened(stories + 1))
    file.commit()
    file.close()


def change(path: Path, *statements: str, bindings: tuple[object, ...] = ()) -> None:
    """Change the file as somebody with a shell could: the triggers are no hindrance to him."""
    db = apsw.Connection(str(path))
    for (name,) in list(db.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'")):
        db.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        db.execute(statement, bindings)
    db.close()


def verified(path: Path, *anchors: Anchor, tables: bool = True) -> Verdict:
    """Return the verdict, which is the same when the rows are read in three stretches."""
    verdict = verify(path, anchors, tables=tables)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["gateway.journal.verify"], "read_with", read_here)
        assert verify(path, anchors, tables=tables, stretches=3) == verdict
    return verdict


def faults(path: Path, *anchors: Anchor) -> set[tuple[str, int]]:
    """Return what the chain alone tells, but for the clock: (fault, row)."""
    found = verified(path, *anchors, tables=False).findings
    return {(f.fault, f.seq) for f in found if f.fault != "clock"}


def query(path: Path, sql: str, *bindings: object) -> list[tuple[object, ...]]:
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    found = list(db.execute(sql, bindings))
    db.close()
    return found


def anchor_at(path: Path, seq: int) -> Anchor:
    ((own,),) = query(path, "SELECT hash FROM journal WHERE seq = ?", seq)
    assert isinstance(own, bytes)
    return Anchor(seq=seq, hash=own.hex())


MUTATIONS = {
    "boot": "boot || 'x'",
    "at_us": "at_us + 1",
    "mono_us": "mono_us - 1",
    "settings": "'other'",
    "kind": "'PageSpoken'",
    "order_id": "'o7x'",
    "body": "replace(body, 'centre', 'center') || ' '",
    "prev": "randomblob(32)",
    "hash": "randomblob(32)",
}


@pytest.mark.parametrize("column", MUTATIONS)
def test_a_changed_field_of_any_row_is_found(journal: Path, column: str) -> None:
    pristine = journal.read_bytes()
    for seq in (1, 2, 30, ROWS - 1, ROWS):
        journal.write_bytes(pristine)
        change(journal, f"UPDATE journal SET {column} = {MUTATIONS[column]} WHERE seq = {seq}")
        assert faults(journal) == {("changed", seq)}
        assert not verify(journal).ok


def test_a_changed_row_with_its_hash_made_to_fit_is_found(journal: Path) -> None:
    """The row is whole in itself; the next one follows another."""
    rehash(journal, 30, settings="other")
    assert faults(journal) == {("changed", 30)}


def rehash(path: Path, seq: int, **changes: object) -> None:
    """Rewrite one row and its own hash."""
    ((*columns, prev),) = query(path, f"SELECT {COLUMNS}, prev FROM journal WHERE seq = ?", seq)
    assert isinstance(prev, bytes)
    names = [name.strip() for name in COLUMNS.replace("order_id", "order").split(",")]
    row = Row(**{**dict(zip(names, columns, strict=True)), **changes})  # type: ignore[arg-type]
    change(
        path,
        "UPDATE journal SET settings = ?, body = ?, hash = ? WHERE seq = ?",
        bindings=(row.settings, row.body, row_hash(prev, row), seq),
    )


@pytest.mark.parametrize(("first", "last"), [(1, 1), (7, 7), (20, 25)])
def test_missing_rows_are_found(journal: Path, first: int, last: int) -> None:
    change(journal, f"DELETE FROM journal WHERE seq BETWEEN {first} AND {last}")
    assert faults(journal) == {("missing", first)}


@pytest.mark.parametrize(("first", "last"), [(1, 1), (7, 7), (20, 25)])
def test_missing_rows_are_found_though_the_rest_is_numbered_anew(
    journal: Path, first: int, last: int
) -> None:
    gone = last - first + 1
    change(
        journal,
        f"DELETE FROM journal WHERE seq BETWEEN {first} AND {last}",
        f"UPDATE journal SET seq = -seq WHERE seq > {last}",
        f"UPDATE journal SET seq = -seq - {gone} WHERE seq < 0",
    )
    assert faults(journal) == {("missing", first)}


@pytest.mark.parametrize("columns", ["everything", "content", "body"])
@pytest.mark.parametrize(("one", "other"), [(4, 40), (10, 11)])
def test_swapped_rows_are_found(journal: Path, columns: str, one: int, other: int) -> None:
    swap(journal, columns, one, other)
    assert faults(journal) == {("swapped", one), ("swapped", other)}


def swap(path: Path, columns: str, one: int, other: int) -> None:
    if columns == "everything":
        change(
            path,
            f"UPDATE journal SET seq = -1 WHERE seq = {one}",
            f"UPDATE journal SET seq = {one} WHERE seq = {other}",
            f"UPDATE journal SET seq = {other} WHERE seq = -1",
        )
        return
    names = "body" if columns == "body" else COLUMNS.removeprefix("seq, ")
    found = {seq: query(path, f"SELECT {names} FROM journal WHERE seq = ?", seq)[0]
             for seq in (one, other)}  # fmt: skip
    marks = ", ".join(f"{name} = ?" for name in names.split(", "))
    for seq, values in ((one, found[other]), (other, found[one])):
        change(path, f"UPDATE journal SET {marks} WHERE seq = {seq}", bindings=values)


def test_a_cut_tail_is_found_by_an_anchor(journal: Path) -> None:
    end = verify(journal).end
    assert end == anchor_at(journal, ROWS)
    change(journal, "DELETE FROM journal WHERE seq > 50")
    assert faults(journal) == set(), "the chain alone cannot know"
    assert faults(journal, end) == {("cut_tail", 51)}
    assert not verify(journal).ok, "the tables still tell of the rows that are gone"


def test_a_cut_tail_with_the_tables_of_that_day_looks_whole_but_for_the_anchor(
    journal: Path, tmp_path: Path
) -> None:
    end = verify(journal).end
    older = tmp_path / "older.db"
    write(older, stories=10)
    assert verify(older).ok
    assert not verify(older, [end]).ok
    assert ("cut_tail", 33) in faults(older, end)


def test_a_chain_computed_anew_is_found_by_an_old_anchor(journal: Path, tmp_path: Path) -> None:
    kept = [anchor_at(journal, 10), anchor_at(journal, 40)]
    forged = tmp_path / "forged.db"
    write(forged, stories=20, boot="boot-2")
    assert verify(forged).ok
    assert faults(forged, *kept) == {("rewritten", 10), ("rewritten", 40)}
    assert not verify(forged, kept).ok


def test_a_chain_computed_anew_from_the_middle_is_found_where_it_parts(journal: Path) -> None:
    kept = [anchor_at(journal, 10), anchor_at(journal, 40)]
    ((prev,),) = query(journal, "SELECT prev FROM journal WHERE seq = 30")
    for *columns, _ in query(journal, f"SELECT {COLUMNS}, 0 FROM journal WHERE seq >= 30"):
        row = Row(*columns)  # type: ignore[arg-type]
        moved = Row(row.seq, row.boot, row.at_us, row.mono_us, "forged", row.kind, row.order,
                    row.body)  # fmt: skip
        own = row_hash(prev, moved)  # type: ignore[arg-type]
        change(
            journal,
            f"UPDATE journal SET settings = 'forged', prev = ?, hash = ? WHERE seq = {row.seq}",
            bindings=(prev, own),
        )
        prev = own
    assert verify(journal).ok, "nothing inside the file can tell"
    assert faults(journal, *kept) == {("rewritten", 40)}


def test_a_clock_that_goes_back_is_told_but_is_no_forgery(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    file = JournalFile(path, boot_id="boot-1")
    file.open()
    for at_us, mono_us in ((0, 0), (10_000_000, 10), (9_500_000, 20), (2_000_000, 30), (3, 25)):
        story = replace(path_entry(1), at_us=START_US + at_us, mono_us=mono_us)
        file.begin()
        file.add(prepare(story, Sealer({})))
        file.commit()
    file.close()
    verdict = verified(path)
    assert [(f.fault, f.seq) for f in verdict.findings] == [("clock", 4), ("clock", 5)]
    assert verdict.ok


TABLE_CHANGES = {
    "an entity's text": "UPDATE entity SET body = replace(body, 'calling', 'closed')"
    " WHERE kind = 'order' AND key = 'o2'",
    "an entity taken out": "DELETE FROM entity WHERE kind = 'assignment' AND key = 'o4/p1'",
    "an entity put in": "INSERT INTO entity (kind, key, live, body)"
    " VALUES ('path', 'x', 1, '{}')",
    "an open order hidden from the start": "UPDATE entity SET live = 0 WHERE key = 'o2'",
    "a closed order back in the start": "UPDATE entity SET live = 1 WHERE key = 'o1'",
    "an entity of another order": "UPDATE entity SET order_id = 'o9' WHERE key = 'o2/p1'",
    "a report's text": "UPDATE report SET body = replace(body, 'told', 'done') WHERE seq = 5",
    "a report's order": "UPDATE report SET order_id = 'o9' WHERE seq = 5 AND part = 0",
    "a report taken out": "DELETE FROM report WHERE seq = 5 AND part = 1",
    "a report put in": "INSERT INTO report VALUES (4, 7, 'o1', 1, '{}')",
    "a report of a row to come": "INSERT INTO report VALUES (999, 0, 'o1', 1, '{}')",
    "an effect's text": "UPDATE outbox SET body = replace(body, 'level', 'Level') WHERE done = 0",
    "an effect put to silence": "UPDATE outbox SET body = '' WHERE done = 0",
    "an effect's driver": "UPDATE outbox SET driver = 'wecom' WHERE id = 3",
    "an effect's expiry": "UPDATE outbox SET not_after_us = 0 WHERE id = 3",
    "an effect taken out": "DELETE FROM outbox WHERE id = 3",
    "a settled effect open again": "UPDATE outbox SET done = 0 WHERE id = 3",
    "a source forgotten": "DELETE FROM cursor",
}


@pytest.mark.parametrize("what", TABLE_CHANGES)
def test_tables_that_are_not_the_fold_of_the_rows_are_found(journal: Path, what: str) -> None:
    change(journal, TABLE_CHANGES[what])
    verdict = verified(journal)
    assert "projection" in {finding.fault for finding in verdict.findings}
    assert not verdict.ok
    assert verify(journal, tables=False).ok


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE personal SET cipher = (SELECT cipher FROM personal WHERE owner = 'p2')"
        " WHERE owner = 'p1'",
        "UPDATE personal SET cipher = randomblob(60) WHERE owner = 'p1'",
        "UPDATE person_key SET key = randomblob(32) WHERE owner = 'p2'",
        "UPDATE person_key SET key = NULL WHERE owner = 'p2'",
        "DELETE FROM personal WHERE owner = 'p2'",
        "UPDATE personal SET commitment = zeroblob(32) WHERE commitment ="
        " (SELECT min(commitment) FROM personal)",
        "INSERT INTO personal VALUES (zeroblob(32), 'p1', NULL)",
    ],
)
def test_sealed_values_that_were_exchanged_or_lost_are_found(
    journal: Path, statement: str
) -> None:
    change(journal, statement)
    verdict = verified(journal)
    assert {finding.fault for finding in verdict.findings} == {"personal"}
    assert not verdict.ok


def test_many_random_changes_are_all_found(journal: Path) -> None:
    """Any single byte of any column of any row, at random places."""
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    pristine = journal.read_bytes()
    for _ in range(150):
        journal.write_bytes(pristine)
        seq, column = chance.randint(1, ROWS), chance.choice(["body", "prev", "hash", "boot"])
        ((value,),) = query(
            journal, f"SELECT CAST({column} AS BLOB) FROM journal WHERE seq = ?", seq
        )
        assert isinstance(value, bytes)
        at = chance.randrange(len(value))
        spoilt = value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]
        cast = "CAST(? AS TEXT)" if column in {"body", "boot"} else "?"
        change(journal, f"UPDATE journal SET {column} = {cast} WHERE seq = {seq}",
               bindings=(spoilt,))  # fmt: skip
        assert found_at(journal, seq), f"byte {at} of {column} in row {seq} went unseen"


def found_at(path: Path, seq: int) -> bool:
    try:
        verdict = verify(path, tables=False)
    except JournalError:  # no UTF-8 any more: cannot even be read
        return True
    return any(f.fault == "changed" and f.seq == seq for f in verdict.findings)


def test_what_is_no_journal_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="cannot be opened"):
        verify(tmp_path / "nowhere.db")
    (tmp_path / "text").write_text("not a database at all " * 100)
    with pytest.raises(SetupError, match="not a Gridcall journal"):
        verify(tmp_path / "text")
    apsw.Connection(str(tmp_path / "other.db")).execute("CREATE TABLE t (x)")
    with pytest.raises(SetupError, match="not a Gridcall journal"):
        verify(tmp_path / "other.db")


# -- backups -----------------------------------------------------------------------------------


def test_a_backup_is_one_whole_verified_file_while_the_journal_is_written(
    journal: Path, tmp_path: Path
) -> None:
    writer = JournalFile(journal, boot_id="boot-2")
    writer.open()
    writer.begin()
    writer.add(prepare(path_entry(1), Sealer({})))
    writer.commit()
    target = tmp_path / "backup.db"
    verdict = backup(journal, target)
    assert (verdict.ok, verdict.rows) == (True, ROWS + 1)
    writer.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "backup.db", "journal.db", "journal.db.lock",
    ]  # fmt: skip
    assert target.stat().st_mode & 0o777 == 0o600
    assert verify(target) == verify(journal)
    again = JournalFile(target, boot_id="boot-3")
    again.open()
    assert again.recovered().seq == ROWS + 1
    again.close()


def test_a_backup_does_not_overwrite(journal: Path, tmp_path: Path) -> None:
    (tmp_path / "backup.db").write_text("the only one left")
    with pytest.raises(SetupError, match="exists already"):
        backup(journal, tmp_path / "backup.db")
    assert (tmp_path / "backup.db").read_text() == "the only one left"


def test_a_spoilt_journal_is_not_passed_off_as_a_backup(journal: Path, tmp_path: Path) -> None:
    change(journal, "UPDATE journal SET settings = 'x' WHERE seq = 9")
    with pytest.raises(JournalError, match="row 9"):
        backup(journal, tmp_path / "backup.db")
    assert not (tmp_path / "backup.db").exists()


def test_a_backup_to_nowhere_is_for_the_technician(journal: Path, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="cannot be written"):
        backup(journal, tmp_path / "no" / "folder" / "backup.db")


def test_verdicts_say_how_much_more_there_is(journal: Path) -> None:
    change(journal, "UPDATE entity SET body = '{}'")
    change(journal, "UPDATE report SET body = '{}'")
    change(journal, "UPDATE journal SET settings = 'x'")
    verdict = verified(journal)
    assert len(verdict.findings) + verdict.more > ROWS
    assert len(verdict.findings) <= 200


# -- many rows ---------------------------------------------------------------------------------


def test_processes_find_what_one_process_finds(journal: Path) -> None:
    kept = [anchor_at(journal, 10), anchor_at(journal, 40)]
    assert verify(journal, kept, stretches=2) == verify(journal, kept, stretches=1)
    rehash(journal, 10, settings="other")
    swap(journal, "body", 20, 41)
    change(journal, "DELETE FROM journal WHERE seq BETWEEN 30 AND 33")
    for statement in (*TABLE_CHANGES.values(), "DELETE FROM personal WHERE owner = 'p2'"):
        change(journal, statement)
    found = verify(journal, kept, stretches=2)
    assert found == verify(journal, kept, stretches=1)
    assert {f.fault for f in found.findings} == {
        "changed", "missing", "swapped", "rewritten", "projection", "personal",
    }  # fmt: skip


def test_a_process_tells_why_it_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a database at all " * 100)
    with pytest.raises(SetupError, match="not a Gridcall journal"):
        verify(tmp_path / "text", stretches=2)


def test_a_process_that_is_killed_is_told(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = f"import os; os.kill(os.getpid(), {int(signal.SIGKILL)})"
    monkeypatch.setattr(verify_process, "_RUN", killed)
    with pytest.raises(SetupError, match="ended with status -9"):
        verify(journal, stretches=2)


def test_an_empty_journal_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    write(path, stories=0)
    change(path, "DELETE FROM journal", "DELETE FROM entity", "DELETE FROM report",
           "DELETE FROM outbox", "DELETE FROM cursor", "DELETE FROM personal")  # fmt: skip
    verdict = verified(path)
    assert (verdict.ok, verdict.rows, verdict.end.seq) == (True, 0, 0)


def test_the_reader_hashes_rows_as_the_writer_does(journal: Path) -> None:
    for columns in query(journal, f"SELECT {CHAIN_COLUMNS} FROM journal"):
        row = ChainedRow._make(columns)  # type: ignore[arg-type]
        for kind, order in ((row.kind, None), ('q"\\\n\x7f东\x01', "o\u20280")):
            content = Row(
                row.seq, row.boot, row.at_us, row.mono_us, row.settings, kind, order,
                row.body.decode(),
            )  # fmt: skip
            own = row_hash(row.prev, content)
            assert row._replace(kind=kind, order=order, own=own).fits()


CHANGES = st.lists(
    st.tuples(
        st.sampled_from((PUT, PUT, PUT, DROPPED, FREED)), st.integers(1, 5), st.integers(1, 9),
        st.integers(0, 3),
    ),
    max_size=40,
)  # fmt: skip


@given(CHANGES, st.lists(st.integers(0, 40), max_size=3))
def test_changes_folded_at_once_are_changes_folded_one_by_one(
    made: list[tuple[int, int, int, int]], cuts: list[int]
) -> None:
    # Places 4 and 5 are numbers: only they are freed, and never just dropped.
    made = [
        (what if what == PUT else FREED if place > 3 else DROPPED, place, content, order)
        for what, place, content, order in made
    ]
    edges = [0, *sorted(cuts), len(made)]
    parts = [_changes(made[a:b]) for a, b in pairwise(edges)]
    folded = fold(parts)
    found = zip(folded.place.tolist(), folded.content.tolist(), folded.live.tolist(), strict=True)
    assert list(found) == sorted((p, *rest) for p, rest in _one_by_one(made).items())


def _changes(made: list[tuple[int, int, int, int]]) -> Changes:
    changes = Changes()
    for what, place, content, order in made:
        changes.what.append(what)
        changes.place.append(place)
        changes.content.append(content if what == PUT else 0)
        changes.order.append(order if what == PUT else 0)
    return changes


def _one_by_one(made: list[tuple[int, int, int, int]]) -> dict[int, tuple[int, bool]]:
    """Fold as the writer's statements do: a freed number retires all of its order."""
    table: dict[int, tuple[int, int, bool]] = {}
    for what, place, content, order in made:
        if what == PUT:
            table[place] = (content, order, True)
            continue
        freed = table.pop(place, (0, 0, False))[1] if what == FREED else 0
        table.pop(place, None)
        for other, (text, its_order, _) in list(table.items()):
            if freed and its_order == freed:
                table[other] = (text, its_order, False)
    return {place: (content, live) for place, (content, _, live) in table.items()}
