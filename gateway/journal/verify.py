"""Whether a journal is what was written: its chain, anchors, and tables folded from it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import apsw

from gateway.interfaces import Anchor
from gateway.journal.reading import ROW_COLUMNS, reading
from gateway.journal.rows import (
    GENESIS,
    Posting,
    Removal,
    Row,
    Upsert,
    parts_of,
    row_hash,
    sealed_in,
)
from gateway.journal.seal import unseal

Fault = Literal[
    "changed", "missing", "swapped", "cut_tail", "rewritten", "projection", "personal", "clock"
]

# Beyond so many findings only their number grows; more would hide the first ones.
_FINDINGS_KEPT: Final = 200
_BROKEN_KEPT: Final = 100
# A smaller step back of the wall clock is the work of NTP.
_CLOCK_STEP_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was written.

    Attributes:
        fault: What kind of thing: see ``Fault``. ``clock`` alone does not spoil the verdict.
        seq: The row it is about.
        text: What it is, in words.
    """

    fault: Fault
    seq: int
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verifying found.

    Attributes:
        rows: How many rows were read.
        end: The last row, to be kept as an anchor outside this host.
        findings: What is wrong, the first ones; empty when nothing is.
        more: How many findings are not listed.
    """

    rows: int
    end: Anchor
    findings: tuple[Finding, ...]
    more: int = 0

    @property
    def ok(self) -> bool:
        """Whether every row and table is as it was written."""
        return all(finding.fault == "clock" for finding in self.findings)


@dataclass(slots=True)
class _Findings:
    kept: list[Finding] = field(default_factory=list)
    more: int = 0

    def add(self, fault: Fault, seq: int, text: str) -> None:
        if len(self.kept) < _FINDINGS_KEPT:
            self.kept.append(Finding(fault, seq, text))
        else:
            self.more += 1


def verify(
    path: Path, anchors: Iterable[Anchor] | None = None, *, tables: bool = True
) -> Verdict:
    """Return what a reading of the whole file found; the daemon may go on writing meanwhile.

    Args:
        path: The journal, or a backup of it.
        anchors: Points of the chain that were kept elsewhere. Without them a chain that was
            computed anew from its first row, or cut at its end with its tables, looks whole.
        tables: Also fold every change again and compare with the projection, outbox, reports
            and sealed values.

    Raises:
        SetupError: It is not a journal, or cannot be opened.
        JournalError: The file is damaged so far that it cannot be read.
    """
    findings = _Findings()
    wanted = {anchor.seq: anchor for anchor in anchors or ()}
    with reading(path) as db:
        chain = _Chain(findings, wanted)
        fold = _Fold(db, findings) if tables else None
        for *columns, prev, own in _rows(db):
            row = Row(*columns)
            chain.row(row, prev, own)
            if fold is not None:
                fold.row(row)
        chain.end()
        if fold is not None:
            fold.end(chain.last_seq)
    end = Anchor(seq=chain.last_seq, hash=chain.last_hash.hex())
    return Verdict(chain.rows, end, tuple(findings.kept), findings.more)


def _rows(db: apsw.Connection) -> Iterator[tuple[Any, ...]]:
    return iter(
        db.execute(f"SELECT {ROW_COLUMNS}, prev, hash FROM journal ORDER BY seq")  # noqa: S608
    )


# -- the chain ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Broken:
    """A row whose own hash does not fit its content."""

    row: Row
    prev: bytes
    own: bytes

    def fits(self, content: Row, seq: int) -> bool:
        moved = Row(
            seq, content.boot, content.at_us, content.mono_us, content.settings, content.kind,
            content.order, content.body,
        )  # fmt: skip
        return row_hash(self.prev, moved) == self.own

    def fits_body(self, body: str) -> bool:
        row = self.row
        mixed = Row(
            row.seq, row.boot, row.at_us, row.mono_us, row.settings, row.kind, row.order, body
        )
        return row_hash(self.prev, mixed) == self.own


class _Chain:
    """Walks the rows once and tells what was done to those that do not chain."""

    def __init__(self, findings: _Findings, anchors: Mapping[int, Anchor]) -> None:
        self.rows = 0
        self.last_seq = 0
        self.last_hash = GENESIS
        self._findings = findings
        self._anchors = anchors
        self._broken: list[_Broken] = []
        self._broken_rows = 0
        self._last_broken: _Broken | None = None
        self._last_was_broken = False
        self._clock: tuple[str, int, int] | None = None

    def row(self, row: Row, prev: bytes, own: bytes) -> None:
        """Take the next row."""
        self.rows += 1
        gap = row.seq != self.last_seq + 1
        broken = row_hash(prev, row) != own
        if gap:
            self._findings.add(
                "missing", self.last_seq + 1, _gone(self.last_seq + 1, row.seq - 1)
            )
        elif prev != self.last_hash and not broken and not self._last_was_broken:
            # Both rows are whole in themselves: the earlier one was replaced, hash and all.
            self._findings.add(
                "changed",
                max(1, self.last_seq),
                f"row {row.seq} follows another row than this one",
            )
        if broken:
            self._keep(_Broken(row, prev, own))
        self._anchored(row.seq, own, trusted=not broken)
        self._check_clock(row)
        self.last_seq, self.last_hash, self._last_was_broken = row.seq, own, broken

    def end(self) -> None:
        """Say what became of the rows that do not fit, and of anchors beyond the end."""
        self._explain_broken()
        for seq in sorted(self._anchors):
            if seq > self.last_seq:
                self._findings.add(
                    "cut_tail",
                    self.last_seq + 1,
                    _gone(self.last_seq + 1, seq) + ", by an anchor",
                )

    def _keep(self, broken: _Broken) -> None:
        self._broken_rows += 1
        self._last_broken = broken
        if len(self._broken) < _BROKEN_KEPT:
            self._broken.append(broken)

    def _anchored(self, seq: int, own: bytes, *, trusted: bool) -> None:
        anchor = self._anchors.get(seq)
        if anchor is not None and anchor.hash != own.hex() and trusted:
            self._findings.add(
                "rewritten", seq, "whole in itself, but not the row that was anchored elsewhere"
            )

    def _check_clock(self, row: Row) -> None:
        """Within one boot monotonic time never falls; the wall clock may only creep."""
        if self._clock is not None:
            boot, at_us, mono_us = self._clock
            if row.boot == boot and row.mono_us < mono_us:
                self._findings.add("clock", row.seq, "monotonic time falls within one boot")
            elif row.at_us < at_us - _CLOCK_STEP_US:
                back_s = (at_us - row.at_us) // 1_000_000
                self._findings.add("clock", row.seq, f"the wall clock went back by {back_s} s")
        self._clock = (row.boot, row.at_us, row.mono_us)

    def _explain_broken(self) -> None:
        if self._explained_by_renumbering():
            return
        for broken in self._broken:
            other = self._swapped_with(broken)
            if other is None:
                self._findings.add(
                    "changed", broken.row.seq, "its content does not fit its hash"
                )
            else:
                self._findings.add(
                    "swapped", broken.row.seq, f"holds what belongs to row {other.row.seq}"
                )
        self._findings.more += self._broken_rows - len(self._broken)

    def _swapped_with(self, broken: _Broken) -> _Broken | None:
        for other in self._broken:
            if other is not broken and (
                broken.fits(broken.row, other.row.seq)
                or broken.fits(other.row, broken.row.seq)
                or broken.fits_body(other.row.body)
            ):
                return other
        return None

    def _explained_by_renumbering(self) -> bool:
        """Whether rows were taken out and all that follow numbered anew to hide it."""
        last = self._last_broken
        if last is None or last.row.seq != self.last_seq:
            return False
        first = self._broken[0]
        for gone in range(1, _BROKEN_KEPT):
            if all(b.fits(b.row, b.row.seq + gone) for b in (first, last)):
                seq = first.row.seq
                text = _gone(seq, seq + gone - 1) + "; the rows after were numbered anew"
                self._findings.add("missing", seq, text)
                return True
        return False


def _gone(first: int, last: int) -> str:
    return f"row {first} is gone" if first == last else f"rows {first} to {last} are gone"


# -- the tables --------------------------------------------------------------------------------


class _Fold:
    """Folds every change again; keeps 64-bit digests, so that a million entities fit."""

    def __init__(self, db: apsw.Connection, findings: _Findings) -> None:
        self._db = db
        self._findings = findings
        self._bodies: dict[int, int] = {}
        self._of_order: dict[str, set[int]] = {}
        self._orders: dict[int, str] = {}
        self._sources: set[str] = set()
        self._sealed: set[bytes] = set()
        self._settled: set[int] = set()
        self._reports = _Follower(
            db.execute("SELECT seq, part, order_id, at_us, body FROM report ORDER BY seq, part")
        )
        self._outbox = _Follower(
            db.execute(
                "SELECT seq, id, done, driver, kind, body, level, not_after_us"
                " FROM outbox ORDER BY id"
            )
        )
        self._live: set[int] = set()

    def row(self, row: Row) -> None:
        """Take the changes of the next row."""
        try:
            self._sealed.update(map(bytes.fromhex, sealed_in(row.body)))
            changes, body = parts_of(row.body)
            for change in changes:
                self._change(change)
            if body["cursor"] is not None:
                self._sources.add(body["cursor"][0])
            self._settled.update(body["settles"])
            self._compare_reports(row.seq, body["reports"])
            self._compare_outbox(row.seq, body["outbox"])
        except (ValueError, KeyError, TypeError, IndexError):
            self._findings.add("projection", row.seq, "the row cannot be read")

    def end(self, last_seq: int) -> None:
        """Compare what the changes add up to with what the tables say."""
        for table, follower in (("report", self._reports), ("outbox", self._outbox)):
            beyond = follower.rest()
            if beyond:
                text = f"{table}: {beyond} rows of journal rows that are not there"
                self._findings.add("projection", last_seq, text)
        self._compare_entities(last_seq)
        # A position moves by notes as well, which are not rows; but it does not go away.
        there = {source for (source,) in self._db.execute("SELECT source FROM cursor")}
        if self._sources - there:
            self._findings.add("projection", last_seq, "cursor: sources of rows are gone")
        self._compare_settled(last_seq)
        self._compare_personal()

    def _change(self, change: Upsert | Removal) -> None:
        place = hash((change.kind, change.key))
        if isinstance(change, Upsert):
            self._put(place, change)
            return
        if change.kind == "number" and place in self._orders:
            self._live -= self._of_order.pop(self._orders[place], set())
        self._bodies.pop(place, None)
        self._live.discard(place)
        self._leave_order(place)

    def _put(self, place: int, put: Upsert) -> None:
        self._bodies[place] = hash((put.order, put.body))
        self._live.add(place)
        self._leave_order(place)
        if put.order is not None:
            self._orders[place] = put.order
            self._of_order.setdefault(put.order, set()).add(place)

    def _leave_order(self, place: int) -> None:
        order = self._orders.pop(place, None)
        if order is not None:
            self._of_order.get(order, set()).discard(place)

    def _compare_reports(self, seq: int, reports: list[Any]) -> None:
        there = [
            (part, order, at_us, json.loads(body))
            for _, part, order, at_us, body in self._reports.of(seq)
        ]
        expected = [(p, r["order"], r["at_us"], r) for p, r in enumerate(reports)]
        if there != expected:
            self._findings.add("projection", seq, "report: not what the row says")

    def _compare_outbox(self, seq: int, posts: list[Any]) -> None:
        there: list[Any] = []
        for _, outbox_id, done, *columns in self._outbox.of(seq):
            posting = Posting(*columns)
            account = posting.account(outbox_id)
            if done and not posting.body and len(there) < len(posts):
                # What it said was let go when it was settled.
                account["sha256"] = posts[len(there)].get("sha256")
            there.append(account)
            self._sealed.update(map(bytes.fromhex, sealed_in(posting.body)))
        if there != posts:
            self._findings.add("projection", seq, "outbox: not what the row says")

    def _compare_entities(self, last_seq: int) -> None:
        for kind, key, order, live, body in self._db.execute(
            "SELECT kind, key, order_id, live, body FROM entity"
        ):
            place = hash((kind, key))
            folded = self._bodies.pop(place, None)
            if folded != hash((order, body)) or bool(live) != (place in self._live):
                text = f"entity {kind} {key!r}: not what the rows add up to"
                self._findings.add("projection", last_seq, text)
        if self._bodies:
            text = f"entity: {len(self._bodies)} are gone from the table"
            self._findings.add("projection", last_seq, text)

    def _compare_settled(self, last_seq: int) -> None:
        """What a row settled is done; more may be, by notes, which are not rows."""
        unsettled = {i for (i,) in self._db.execute("SELECT id FROM outbox WHERE done = 0")}
        if unsettled & self._settled:
            self._findings.add("projection", last_seq, "outbox: settled rows are open again")

    def _compare_personal(self) -> None:
        """Every value that was sealed is there, and is the one committed to, or was erased."""
        for commitment, owner, cipher, key in self._db.execute(
            "SELECT p.commitment, p.owner, p.cipher, k.key"
            " FROM personal p LEFT JOIN person_key k USING (owner)"
        ):
            if commitment not in self._sealed:
                text = f"a sealed value of {owner!r} that no row names"
                self._findings.add("personal", 0, text)
                continue
            self._sealed.discard(commitment)
            if cipher is not None and (key is None or unseal(key, commitment, cipher) is None):
                self._findings.add("personal", 0, f"a value of {owner!r} cannot be opened")
        if self._sealed:
            self._findings.add("personal", 0, f"{len(self._sealed)} sealed values are gone")


class _Follower:
    """Reads a table that is ordered by journal row, in step with the journal."""

    def __init__(self, rows: Iterable[tuple[Any, ...]]) -> None:
        self._rows = iter(rows)
        self._next = next(self._rows, None)

    def of(self, seq: int) -> list[tuple[Any, ...]]:
        """Return the table's rows up to this journal row, those of missing rows with it."""
        found = []
        while self._next is not None and self._next[0] <= seq:
            found.append(self._next)
            self._next = next(self._rows, None)
        return found

    def rest(self) -> int:
        """Return how many rows are left."""
        left = 0 if self._next is None else 1 + sum(1 for _ in self._rows)
        self._next = None
        return left
