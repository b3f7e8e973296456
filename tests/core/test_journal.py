"""The journal's file: its codec, its writer, its locks, and what happens when it is killed."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.effects import OUTBOX_TYPES, PostCard, Receipt, ReportStatus
from gateway.core.events import EVENT_TYPES
from gateway.core.order import ENTITY_TYPES, AlertKey, Put
from gateway.core.order import Path as PathEntity
from gateway.interfaces import JournalError, SetupError
from gateway.journal import SqliteJournal, verify
from gateway.journal.codec import (
    canonical,
    decode,
    effect_from,
    encode,
    entity_from,
    event_from,
    value_from,
    written,
)
from gateway.journal.contract import Journal
from gateway.journal.file import JournalFile, check_sqlite_version, shipped_migrations
from gateway.journal.known import KnownAlerts, digests_of
from gateway.journal.rows import prepare
from gateway.journal.seal import ERASED, UNKNOWN, Sealer, unseal
from gateway.records import Records
from tests.core.journal_stories import (
    LI,
    LI_ACCOUNT,
    START_US,
    ZHANG,
    ZHANG_ACCOUNT,
    entry,
    instances,
    line_to,
    opened,
    path_entry,
    people_seeded,
)


def journal_in(folder: Path, **options) -> SqliteJournal:
    return SqliteJournal(folder / "journal.db", boot_id="boot-1", **options)


# -- the codec ---------------------------------------------------------------------------------


def opened_batch(batch):
    """Return what opens the values that a batch sealed."""
    rows = {row.commitment.hex(): row for row in batch.rows}

    def value_of(commitment: str) -> object:
        row = rows[commitment]
        text = unseal(batch.keys[row.owner], row.commitment, row.cipher)
        assert text is not None
        return value_from(text)

    return value_of


@pytest.mark.parametrize("cls", ENTITY_TYPES + EVENT_TYPES + OUTBOX_TYPES)
def test_whatever_a_row_can_hold_comes_back_the_same(cls) -> None:
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(instances(cls))
    def comes_back(item) -> None:
        batch = Sealer({}).batch()
        text = written(item, batch)
        assert text == canonical(json.loads(text)), "canonical text is written one way only"
        value_of = opened_batch(batch)
        if cls in ENTITY_TYPES:
            assert entity_from(cls.KIND, text, value_of) == item
        elif cls in EVENT_TYPES:
            assert event_from(cls.__name__, json.loads(text), value_of) == item
        else:
            assert effect_from(cls.__name__, text, value_of) == item

    comes_back()


@pytest.mark.parametrize("cls", [Receipt, ReportStatus])
def test_receipts_and_reports_come_back_the_same(cls) -> None:
    @settings(max_examples=25, deadline=None)
    @given(instances(cls))
    def comes_back(item) -> None:
        assert decode(cls, json.loads(canonical(encode(item)))) == item

    comes_back()


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | ANY_TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner),
)


@given(ANY_JSON)
@settings(max_examples=100, deadline=None)
def test_canonical_text_is_stable(value) -> None:
    try:
        text = canonical(value)
    except ValueError:
        assert "\\u0000" in json.dumps(value)
        return
    assert canonical(json.loads(text)) == text


@pytest.mark.parametrize(
    "value", [1.0, [float("nan")], {"a": {"b": 0.5}}, b"x", {"a": "\ud83d"}]
)
def test_canonical_text_has_no_floats_and_no_half_letters(value) -> None:
    with pytest.raises(ValueError, match=r"cannot be journalled|surrogate"):
        canonical(value)


def test_a_typed_backslash_is_not_taken_for_nul() -> None:
    batch = Sealer({}).batch()
    item = PathEntity(id="a\\u0000b é", up=True, since_us=1)
    text = written(item, batch)
    assert entity_from("path", text, str) == item


def test_no_personal_value_stands_in_clear() -> None:
    """The names and accounts are in no text that goes into any table."""
    story = prepare(people_seeded(), Sealer({}))
    texts = [story.body(1), *(change.text for change in story.changes)]
    for secret in (ZHANG.name, LI.name, "700100", "700200"):
        assert not any(secret in text for text in texts)
    assert {row.owner for row in story.personal} == {"p1", "p2"}
    assert len(story.personal) == 4, (
        "event and change share the value sealed in one transaction"
    )


def test_what_comes_from_a_known_account_is_its_owners() -> None:
    sealer = Sealer({})
    prepare(people_seeded(), sealer)
    mine = prepare(entry(None, outbox=(("telegram", line_to("700100")),)), sealer)
    strange = prepare(entry(None, outbox=(("telegram", line_to("999")),)), sealer)
    assert {row.owner for row in mine.personal} == {"p1"}
    assert {row.owner for row in strange.personal} == {UNKNOWN}


def test_a_commitment_does_not_open_with_another_key_or_value() -> None:
    batch = Sealer({}).batch()
    batch.seal("p1", '"张建国"')
    (row,) = batch.rows
    assert unseal(batch.keys["p1"], row.commitment, row.cipher) == '"张建国"'
    assert unseal(os.urandom(32), row.commitment, row.cipher) is None
    assert unseal(batch.keys["p1"], bytes(32), row.cipher) is None
    assert unseal(batch.keys["p1"], row.commitment, b"short") is None


# -- opening -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "safe"),
    [("3.40.1", False), ("3.44.5", False), ("3.44.6", True), ("3.50.6", False),
     ("3.50.7", True), ("3.51.2", False), ("3.51.3", True), ("3.54.1", True), ("4.0.0", True)],
)  # fmt: skip
def test_an_sqlite_with_the_wal_reset_bug_is_refused(version: str, safe: bool) -> None:
    if safe:
        check_sqlite_version(version)
    else:
        with pytest.raises(SetupError, match="WAL-reset"):
            check_sqlite_version(version)


@pytest.mark.asyncio
async def test_a_second_writer_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    journal, second = journal_in(tmp_path), journal_in(tmp_path)
    assert isinstance(journal, Journal)
    await journal.recover()
    with pytest.raises(SetupError, match=f"process {os.getpid()} is writing this journal"):
        await second.recover()
    assert (await journal.append(path_entry(1))).seq == 1
    await journal.close()
    third = journal_in(tmp_path)
    assert (await third.recover()).seq == 1
    await third.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        ("PRAGMA application_id = 7", SetupError, "not a Gridcall journal"),
        ("PRAGMA user_version = 99", SetupError, "written by a newer Gridcall"),
    ],
)
async def test_a_file_that_is_not_ours_is_refused(
    tmp_path: Path, spoil: str, error, message: str
) -> None:
    journal = journal_in(tmp_path)
    await journal.recover()
    await journal.append(path_entry(1))
    await journal.close()
    with apsw.Connection(str(journal.path)) as db:
        db.execute(spoil)
    db.close()
    before = journal.path.read_bytes()
    with pytest.raises(error, match=message):
        await journal_in(tmp_path).recover()
    assert journal.path.read_bytes() == before


@pytest.mark.asyncio
async def test_somebody_elses_sqlite_file_and_a_text_file_are_refused(tmp_path: Path) -> None:
    with apsw.Connection(str(tmp_path / "journal.db")) as db:
        db.execute("CREATE TABLE holiday_photos (id)")
    db.close()
    with pytest.raises(SetupError, match="not a Gridcall journal"):
        await journal_in(tmp_path).recover()
    (tmp_path / "journal.db").write_text("Dear diary, " * 1000)
    with pytest.raises(JournalError, match="damaged"):
        await journal_in(tmp_path).recover()


@pytest.mark.asyncio
async def test_a_folder_that_is_not_there_is_for_the_technician(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="cannot be opened"):
        await journal_in(tmp_path / "nowhere").recover()


@pytest.mark.asyncio
async def test_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    await journal.recover()
    await journal.append(people_seeded())
    assert {file.stat().st_mode & 0o777 for file in files_in(tmp_path)} == {0o600}
    await journal.close()


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def test_an_upgrade_keeps_the_journal_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    old = JournalFile(path, boot_id="boot-1")
    old.open()
    old.begin()
    old.add(prepare(people_seeded(), Sealer({})))
    old.commit()
    old.close()
    latest = max(shipped_migrations())
    (tmp_path / "more.sql").write_text("SELECT 1; CREATE TABLE more (x); SELECT 2")
    steps = {**shipped_migrations(), latest + 1: tmp_path / "more.sql"}
    new = JournalFile(path, boot_id="boot-1", migrations=steps)
    new.open()
    assert new.db.pragma("user_version") == latest + 1
    assert new.db.execute("SELECT count(*) FROM more").get == 0
    assert new.recovered().seq == 1
    new.close()
    with pytest.raises(SetupError, match="written by a newer Gridcall"):
        JournalFile(path, boot_id="boot-1").open()
    kept = JournalFile(tmp_path / f"journal.db.schema{latest}", boot_id="boot-1")
    kept.open()
    assert kept.recovered().entities == (ZHANG, LI, ZHANG_ACCOUNT, LI_ACCOUNT)
    kept.close()


def test_a_half_done_upgrade_is_not_done_at_all(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    latest = max(shipped_migrations())
    (tmp_path / "broken.sql").write_text("CREATE TABLE more (x); CREATE TABLE more (x)")
    steps = {**shipped_migrations(), latest + 1: tmp_path / "broken.sql"}
    with pytest.raises(SetupError, match="more already exists"):
        JournalFile(path, boot_id="boot-1", migrations=steps).open()
    file = JournalFile(path, boot_id="boot-1")
    file.open()
    assert file.db.pragma("user_version") == latest
    assert file.db.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'more'").get == 0
    file.close()


@pytest.mark.asyncio
async def test_scribbled_pages_are_found_at_the_start(tmp_path: Path) -> None:
    """Flip bytes all over the file: the start says damaged, or verifying the file does."""
    journal = journal_in(tmp_path)
    await journal.recover()
    for n in range(60):
        await journal.append(opened(n))
    await journal.close()
    whole, before = journal.path.read_bytes(), contents(journal.path)
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    for _ in range(25):
        spoilt = bytearray(whole)
        at = chance.randrange(100, len(whole) - 40)
        spoilt[at : at + 40] = chance.randbytes(40)
        journal.path.write_bytes(spoilt)
        try:
            again = journal_in(tmp_path)
            await again.recover()
            await again.close()
            unseen = verify(journal.path).ok
        except (JournalError, SetupError):
            continue
        # Bytes that no row uses may be anything.
        assert not unseen or contents(journal.path) == before, f"40 bytes at {at} went unseen"


def contents(path: Path) -> dict[str, list[object]]:
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    tables = [n for (n,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    found = {table: list(db.execute(f"SELECT * FROM {table}")) for table in tables}
    db.close()
    return found


@pytest.mark.asyncio
async def test_a_tail_that_does_not_chain_is_not_built_upon(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    await journal.recover()
    for n in range(5):
        await journal.append(path_entry(n))
    await journal.close()
    tamper(journal.path, "UPDATE journal SET settings = 'other' WHERE seq = 3")
    with pytest.raises(JournalError, match="row 3 does not fit the hash chain"):
        await journal_in(tmp_path).recover()


def tamper(path: Path, *statements: str) -> None:
    """Change the file as somebody with a shell could, triggers taken away and put back."""
    db = apsw.Connection(str(path))
    triggers = list(db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"))
    for name, _ in triggers:
        db.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        db.execute(statement)
    for _, sql in triggers:
        db.execute(sql)
    db.close()


# -- writing -----------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal SET body = '{}' WHERE seq = 1",
        "DELETE FROM journal WHERE seq = 2",
        "INSERT INTO journal SELECT seq - 5, boot, at_us, mono_us, settings, kind, order_id,"
        " body, prev, hash FROM journal WHERE seq = 1",
        "INSERT OR REPLACE INTO journal SELECT * FROM journal WHERE seq = 1",
    ],
)
async def test_rows_cannot_be_changed_by_a_slip(tmp_path: Path, statement: str) -> None:
    journal = journal_in(tmp_path)
    await journal.recover()
    await journal.append(path_entry(1))
    await journal.append(path_entry(2))
    await journal.close()
    db = apsw.Connection(str(journal.path))
    with pytest.raises(apsw.ConstraintError, match="only added to"):
        db.execute(statement)
    db.close()
    assert verify(journal.path).ok


@pytest.mark.asyncio
async def test_a_row_that_sqlite_refuses_does_not_take_its_neighbours(tmp_path: Path) -> None:
    """A trigger of ours refuses the bad row: nothing else is known to get past the codec."""
    journal = journal_in(tmp_path)
    await journal.recover()
    await journal.close()
    poison = (
        "CREATE TRIGGER poison BEFORE INSERT ON entity WHEN NEW.key = 'poison'"
        " BEGIN SELECT RAISE(ABORT, 'poison'); END"
    )
    with apsw.Connection(str(journal.path)) as db:
        db.execute(poison)
    db.close()
    journal = journal_in(tmp_path)
    await journal.recover()
    texts = ["poison" if n % 7 == 3 else f"path-{n}" for n in range(40)]
    async with asyncio.TaskGroup() as group:
        calls = [
            group.create_task(outcome(journal, path_entry(n, text)))
            for n, text in enumerate(texts)
        ]
    outcomes = [call.result() for call in calls]
    for text, result in zip(texts, outcomes, strict=True):
        assert isinstance(result, ValueError) == (text == "poison"), (text, result)
    good = [result for result in outcomes if isinstance(result, int)]
    assert good == list(range(1, len(good) + 1)), "numbers without gaps, in the callers' order"
    await journal.close()
    assert verify(journal.path).ok


async def outcome(journal: SqliteJournal, item) -> object:
    try:
        return (await journal.append(item)).seq
    except (ValueError, JournalError) as refusal:
        return refusal


@pytest.mark.asyncio
async def test_somebodys_shell_holds_the_lock_and_receipts_are_late_not_false(
    tmp_path: Path,
) -> None:
    journal = journal_in(tmp_path)
    await journal.recover()
    shell = apsw.Connection(str(journal.path))
    shell.execute("BEGIN IMMEDIATE")
    call = journal.append(path_entry(1))
    done, _ = await asyncio.wait([call], timeout=0.3)
    assert not done
    assert await journal.find_alert("centre", "A-1") is None, "readers are not held up"
    shell.execute("ROLLBACK")
    assert (await call).seq == 1
    shell.close()
    await journal.close()


@pytest.mark.asyncio
async def test_a_lock_that_is_never_given_back_ends_the_journal(tmp_path: Path) -> None:
    journal = journal_in(tmp_path, busy_limit_s=0.1)
    await journal.recover()
    shell = apsw.Connection(str(journal.path))
    shell.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError, match="BusyError"):
        await journal.append(path_entry(1))
    shell.close()
    await journal.close()


@pytest.mark.asyncio
async def test_rows_of_another_program_end_the_journal(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    await journal.recover()
    await journal.append(path_entry(1))
    shell = apsw.Connection(str(journal.path))
    shell.execute(
        "INSERT INTO journal SELECT 2, boot, at_us, mono_us, settings, kind, order_id, body,"
        " hash, hash FROM journal"
    )
    shell.close()
    with pytest.raises(JournalError, match="another program has added rows"):
        await journal.append(path_entry(2))
    assert "another program" in str(await journal.failure())
    await journal.close()


@pytest.mark.asyncio
async def test_a_caller_who_gives_up_does_not_hurt_the_others(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    await journal.recover()
    calls = [journal.append(path_entry(n)) for n in range(20)]
    calls[3].cancel()
    assert [(await call).seq for call in calls if not call.cancelled()][-1] == 20
    await journal.close()


@pytest.mark.asyncio
async def test_erased_bytes_are_in_no_file(tmp_path: Path) -> None:
    """Neither the key nor what it opens is left in the database or its write-ahead log."""
    journal = journal_in(tmp_path)
    await journal.recover()
    await journal.append(people_seeded())
    for n in range(30):
        await journal.append(opened(n))
    db = apsw.Connection(str(journal.path), flags=apsw.SQLITE_OPEN_READONLY)
    key = db.execute("SELECT key FROM person_key WHERE owner = 'p1'").get
    ciphers = [c for (c,) in db.execute("SELECT cipher FROM personal WHERE owner = 'p1'")]
    db.close()
    assert len(ciphers) == 2 + 30 * 2, "name and account; each card's address and text"
    assert holding(tmp_path, key)
    await journal.erase("p1")
    assert not holding(tmp_path, key)
    assert not any(holding(tmp_path, cipher) for cipher in ciphers)
    assert verify(journal.path).ok
    await journal.close()


@pytest.mark.asyncio
async def test_names_in_cards_and_reports_stand_in_no_file(tmp_path: Path) -> None:
    """What was written to people, and what they gave as a reason, is sealed like their names."""
    journal = journal_in(tmp_path)
    await journal.recover()
    await journal.append(people_seeded())
    card = PostCard(
        card="c1", chat="work", address="-100", private=False, order="o1", level=1,
        text="李秀英：不能去", buttons=(), not_after_us=START_US,
    )  # fmt: skip
    said = ReportStatus(at_us=START_US, order="o1", number="10", node="declined", person="p2",
                        detail="不能去，孩子病了")  # fmt: skip
    told = replace(said, node="warning", person=None, detail="信道不通")
    written = await journal.append(
        entry(None, outbox=(("chat:work", card),), reports=(said, told))
    )
    for words in ("李秀英", "孩子病了"):
        assert not holding(tmp_path, words.encode())
    assert holding(tmp_path, "信道不通".encode()), "what is nobody's stays readable"
    details = [r.detail for r in await Records(journal.path).reports()]
    assert details == [said.detail, told.detail]
    assert sealed_count(journal.path, "unknown") == 2
    journal.note(settled=written.outbox_ids)
    await journal.probe()
    assert sealed_count(journal.path, "unknown") == 0, "settled: what it said is let go"
    await journal.erase("p2")
    assert (await Records(journal.path).reports())[0].detail == ERASED
    assert verify(journal.path).ok
    await journal.close()


def sealed_count(path: Path, owner: str) -> int:
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as db:
        return db.execute("SELECT count(*) FROM personal WHERE owner = ?", (owner,)).get


def holding(folder: Path, needle: bytes) -> list[Path]:
    return [file for file in files_in(folder) if needle in file.read_bytes()]


@pytest.mark.asyncio
async def test_a_reader_in_the_way_only_delays_the_scrubbing(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    await journal.recover()
    await journal.append(people_seeded())
    reader = apsw.Connection(str(journal.path), flags=apsw.SQLITE_OPEN_READONLY)
    key = reader.execute("SELECT key FROM person_key WHERE owner = 'p1'").get
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM journal").get == 1
    await journal.erase("p1")
    reader.close()
    await journal.append(path_entry(1))
    assert not holding(tmp_path, key)
    await journal.close()


# -- killed ------------------------------------------------------------------------------------

KILLS = 20


def test_kill_9_loses_no_acknowledged_row(tmp_path: Path) -> None:
    """A process that commits is killed at a random moment; what it was told is all there."""
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    nursery = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    acknowledged = 0
    with nursery:
        for kill in range(KILLS):
            folder = tmp_path / str(kill)
            folder.mkdir()
            print(folder, file=nursery.stdin, flush=True)
            child = int(nursery.stdout.readline())
            wait_for_acks(folder, chance.randint(1, 40))
            time.sleep(chance.random() * 0.003)  # anywhere within a commit
            os.kill(child, signal.SIGKILL)
            assert nursery.stdout.readline() == "gone\n"
            acks = [int(line) for line in (folder / "acks").read_text().split()]
            assert found_rows(folder) >= acks[-1]
            acknowledged += len(acks)
        nursery.stdin.close()
    print(f"{KILLS} kills, {acknowledged} acknowledged rows, none lost")


def wait_for_acks(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 20
    acks = folder / "acks"
    while not acks.exists() or acks.read_bytes().count(b"\n") < count:
        assert time.monotonic() < deadline, "the child writes nothing"
        time.sleep(0.002)


def found_rows(folder: Path) -> int:
    file = JournalFile(folder / "journal.db", boot_id="boot-2")
    file.open()  # checks the pages and the chain
    rows: int = file.db.execute("SELECT count(*) FROM journal").get
    file.recovered()
    file.close()
    assert verify(folder / "journal.db").ok
    return rows


def nursery() -> None:
    """Fork one committing child for each folder named on standard input."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            asyncio.run(commit_for_ever(Path(line.strip())))
        print(child, flush=True)
        os.waitpid(child, 0)
        print("gone", flush=True)


async def commit_for_ever(folder: Path) -> None:
    journal = journal_in(folder)
    await journal.recover()
    acks = os.open(folder / "acks", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def caller(first: int) -> None:
        for n in range(first, 1_000_000, 3):
            seq = (await journal.append(opened(n))).seq
            os.write(acks, b"%d\n" % seq)

    async with asyncio.TaskGroup() as group:
        for first in range(3):
            group.create_task(caller(first))


# -- the start of a long-lived site ------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_hundred_thousand_closed_orders_do_not_slow_the_start(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    await journal.recover()
    await journal.append(people_seeded())
    await journal.append(opened(1))
    await journal.append(opened(2))
    await journal.append(opened(3))
    await journal.close()
    close_many_orders(journal.path, 100_000)
    again = journal_in(tmp_path)
    began = time.perf_counter()
    found = await again.recover()
    took_s = time.perf_counter() - began
    size_mb = journal.path.stat().st_size / 1e6
    print(f"recover with 100,000 closed orders ({size_mb:.0f} MB): {took_s:.3f} s")
    assert {item.id for item in found.entities if item.KIND == "order"} == {"o1", "o2", "o3"}
    began = time.perf_counter()
    assert await again.find_alert("centre", "old-77777") == ("x", "old77777", "07")
    print(f"find_alert among them: {(time.perf_counter() - began) * 1000:.1f} ms")
    plans = "\n".join(plan for sql in RECOVER_QUERIES for plan in query_plan(journal.path, sql))
    assert "SCAN entity\n" not in plans
    assert "SCAN outbox\n" not in plans
    await again.close()


RECOVER_QUERIES = (
    "SELECT kind, body FROM entity WHERE live = 1 ORDER BY id",
    "SELECT id, driver, kind, body, started FROM outbox WHERE done = 0 ORDER BY id",
)


def query_plan(path: Path, sql: str) -> list[str]:
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    plan = [row[-1] + "\n" for row in db.execute(f"EXPLAIN QUERY PLAN {sql}")]
    db.close()
    return plan


def close_many_orders(path: Path, count: int) -> None:
    """Add what so many orders leave behind: four dead entities, two done outbox rows each."""
    db = apsw.Connection(str(path))
    db.execute("PRAGMA synchronous = OFF; BEGIN")
    numbers = (
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
    )
    for kind, key, like in (
        ("order", "'old' || i", "o1"),
        ("assignment", "'old' || i || '/p1'", "o1/p1"),
        ("timer", "'acknowledge/old' || i", "acknowledge/o1"),
    ):
        db.execute(
            f"{numbers} INSERT INTO entity (kind, key, order_id, live, body) SELECT ?, {key},"
            " 'old' || i, 0, replace(body, 'o1', 'old' || i) FROM n,"
            " (SELECT body FROM entity WHERE kind = ?1 AND key = ?)",
            (kind, like),
        )
    db.execute(
        f"{numbers} INSERT INTO entity (kind, key, order_id, live, body) SELECT 'alert_key',"
        " 'centre' || char(10) || 'old-' || i, 'old' || i, 0, json_object('sender', 'centre',"
        " 'id', 'old-' || i, 'sha256', 'x', 'order', 'old' || i, 'number', '07', 'at_us', 1)"
        " FROM n"
    )
    db.execute(
        f"{numbers} INSERT INTO outbox (seq, driver, kind, body, done) SELECT 1, driver, kind,"
        " outbox.body, 1 FROM n, outbox WHERE outbox.id <= 2"
    )
    db.execute("COMMIT")
    db.close()


if __name__ == "__main__":
    nursery()


# -- alerts it has seen ------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_after_a_group_of_several_the_next_gathers(tmp_path, monkeypatch):
    """A row on its own goes at once; in a rush they wait for one another, or for the moment."""
    monkeypatch.setattr("gateway.journal.sqlite._GATHER_S", 600.0)
    monkeypatch.setattr("gateway.journal.sqlite._GATHERED_ROWS", 3)
    journal = journal_in(tmp_path)
    await journal.recover()
    alone = await journal.append(opened(0))
    rush = [journal.append(opened(n)) for n in range(1, 6)]
    assert (await rush[-1]).seq == alone.seq + 5
    gathering = [journal.append(opened(n)) for n in range(6, 8)]
    await journal.find_alert("nobody", "nothing")
    assert not any(row.done() for row in gathering), "they wait for a third"
    gathering.append(journal.append(opened(8)))
    assert [(await row).seq for row in gathering] == [alone.seq + n for n in (6, 7, 8)]
    # Three are no rush any more.
    assert (await journal.append(opened(9))).seq == alone.seq + 9
    rush = [journal.append(opened(n)) for n in range(10, 15)]
    await rush[-1]
    last = journal.append(opened(15))
    await journal.close()
    assert (await last).seq == alone.seq + 15, "a journal that closes gathers no longer"


@pytest.mark.asyncio
async def test_a_new_alert_is_known_to_be_new_without_a_look_and_an_old_one_is_found(tmp_path, monkeypatch):
    """What stood in the file, what came since, and names that are composed differently."""
    monkeypatch.setattr("gateway.journal.reading._KEYS_AT_ONCE", 2)
    path = tmp_path / "journal.db"
    first = SqliteJournal(path, boot_id="b")
    await first.recover()
    old = [1, *range(10, 15)]
    for n in old:
        await first.append(opened(n))
    await first.close()
    second = SqliteJournal(path, boot_id="b")
    await second.recover()
    await second.append(opened(3))
    known = second._known
    # The digests are read by a thread beside the opening.
    async with asyncio.timeout(5):
        while not known.surely_new("nobody\nnothing"):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    for n in (*old, 3):
        entities = [c.entity for c in opened(n).changes if isinstance(c, Put)]
        (key,) = (e for e in entities if isinstance(e, AlertKey))
        assert not known.surely_new(key.key)
        assert await second.find_alert(key.sender, key.id) == (key.sha256, key.order, key.number)
    assert await second.find_alert("nobody", "nothing") is None
    await second.close()


@given(st.lists(st.text(max_size=6)), st.lists(st.text(max_size=6)), st.text(max_size=6))
def test_no_alert_that_was_ever_seen_is_called_new(before, since, asked):
    known = KnownAlerts()
    assert not known.surely_new(asked), "nothing is sure before the file was read"
    for key in since:
        known.add(key)
    known.read(digests_of(before))
    assert not any(map(known.surely_new, (*before, *since)))
    assert known.surely_new(asked) == (asked not in {*before, *since})
