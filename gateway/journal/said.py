"""What the rows of a stretch of the journal say the tables hold, in a form soon compared.

Kinds, keys and texts become 64-bit hashes: a million orders then fit into memory, and go from
one process to another, as arrays. Two processes agree on a hash when they were started with one
``PYTHONHASHSEED``, of texts and numbers: that of None follows no seed.
"""

import re
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import apsw
import msgspec

from gateway.core.order import NumberLease, Order
from gateway.journal.chain import COLUMNS, Chain, ChainedRow
from gateway.journal.verdict import Findings

# What a change does to its place, the pair of kind and key.
PUT, DROPPED, FREED = 0, 1, 2

_SEALED: Final = re.compile(rb'\{"sealed":"([0-9a-f]{64})"\}')
_REPORTS: Final = (
    "SELECT seq, part, order_id, at_us, CAST(body AS BLOB) FROM report"
    " WHERE seq > ? AND seq <= ? ORDER BY seq, part"
)
_FIRST_OF_ALL: Final = -(2**63)


class _Change(msgspec.Struct, array_like=True, gc=False):
    what: str
    kind: str
    key: str
    body: msgspec.Raw = msgspec.Raw(b"")


class _Owner(msgspec.Struct, gc=False):
    """What of an entity or a report tells whose it is; the rest is passed over."""

    id: Any = None
    order: Any = None
    at_us: Any = None


class _Posting(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    driver: str
    id: int
    kind: str
    level: int | None
    not_after_us: int | None
    sha256: str


class _Body(msgspec.Struct, gc=False):
    changes: list[_Change]
    cursor: tuple[str, str] | None
    outbox: list[_Posting]
    reports: list[_Owner]
    settles: list[int]


_body_of: Final = msgspec.json.Decoder(_Body).decode
_owner_of: Final = msgspec.json.Decoder(_Owner).decode


@dataclass(slots=True)
class Changes:
    """Every change of some rows: what it does, to which place, to what content and order.

    Attributes:
        what: ``PUT``, ``DROPPED`` or ``FREED``, a number's drop: all of its order is retired.
        place: Hash of (kind, key).
        content: Hash of (order, text); 0 unless put.
        order: Hash of the order, 0 for none.
    """

    what: "array[int]" = field(default_factory=lambda: array("b"))
    place: "array[int]" = field(default_factory=lambda: array("q"))
    content: "array[int]" = field(default_factory=lambda: array("q"))
    order: "array[int]" = field(default_factory=lambda: array("q"))

    def take(self, changes: list[_Change]) -> None:
        """Add the changes of one row; here most of the time of a verification is spent."""
        for change in changes:
            kind = change.kind
            self.place.append(hash((kind, change.key)))
            if change.what == "drop":
                self.what.append(FREED if kind == NumberLease.KIND else DROPPED)
                self.content.append(0)
                self.order.append(0)
                continue
            text = bytes(change.body)
            owner = _owner_of(text)
            order = owner.id if kind == Order.KIND else owner.order
            self.what.append(PUT)
            self.content.append(content_of(order, text))
            self.order.append(0 if order is None else hash(order))


@dataclass(slots=True)
class Postings:
    """Rows of the outbox, as the journal or as the table has them.

    Attributes:
        seq: The journal's row.
        account: Hash of all about it but its text.
        sha256: Hash of its text's SHA-256; 0 where the table has let go of the text.
    """

    seq: "array[int]" = field(default_factory=lambda: array("q"))
    account: "array[int]" = field(default_factory=lambda: array("q"))
    sha256: "array[int]" = field(default_factory=lambda: array("q"))

    def add(self, seq: int, account: tuple[object, ...], sha256: str | None) -> None:
        """Add one; ``account`` is (id, driver, kind, level, not_after_us)."""
        self.seq.append(seq)
        self.account.append(hash(tuple(["" if part is None else part for part in account])))
        self.sha256.append(0 if sha256 is None else hash(sha256))


@dataclass(slots=True)
class Said:
    """All that the rows of one stretch say.

    Attributes:
        sealed: Commitments that stand in them.
        settled: Outbox ids they settle.
        sources: Sources whose position they moved.
    """

    changes: Changes = field(default_factory=Changes)
    postings: Postings = field(default_factory=Postings)
    sealed: set[bytes] = field(default_factory=set)
    settled: "array[int]" = field(default_factory=lambda: array("q"))
    sources: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Stretch:
    """A stretch of the journal, read: its chain, what it says, what is wrong with it."""

    chain: Chain
    said: Said
    findings: Findings


def read_stretch(
    db: apsw.Connection, first: int | None, last: int, *, tables: bool
) -> Stretch:
    """Return what stands in the rows ``first`` (None: from the beginning) to ``last``.

    Args:
        db: The journal.
        first: First row.
        last: Last row.
        tables: Also take what the rows say, and compare the reports' table with it.
    """
    findings, said = Findings(), Said()
    before = None if first is None else _row_before(db, first)
    chain = Chain(before, findings)
    rows = db.execute(
        f"SELECT {COLUMNS} FROM journal WHERE seq BETWEEN ? AND ? ORDER BY seq",  # noqa: S608
        (_FIRST_OF_ALL if first is None else first, last),
    )
    since = _FIRST_OF_ALL if before is None else before.seq
    reports = _Follower(db.execute(_REPORTS, (since, last)))
    for row in rows:
        chain.row(row)
        if tables:
            _take(row[0], row[7], said, reports, findings)
    return Stretch(chain, said, findings)


def _row_before(db: apsw.Connection, seq: int) -> ChainedRow | None:
    sql = f"SELECT {COLUMNS} FROM journal WHERE seq < ? ORDER BY seq DESC LIMIT 1"  # noqa: S608
    found = db.execute(sql, (seq,)).fetchone()
    return None if found is None else ChainedRow._make(found)


def _take(
    seq: int, text: bytes, said: Said, reports: "_Follower", findings: Findings
) -> None:
    if sealed := sealed_in(text):
        said.sealed.update(sealed)
    try:
        body = _body_of(text)
        said.changes.take(body.changes)
        if not _same_reports(reports.of(seq), body, text):
            findings.add("projection", seq, "report: not what the row says")
    except (msgspec.MsgspecError, ValueError, TypeError):
        findings.add("projection", seq, "the row cannot be read")
        return
    for post in body.outbox:
        account = (post.id, post.driver, post.kind, post.level, post.not_after_us)
        said.postings.add(seq, account, post.sha256)
    said.settled.extend(body.settles)
    if body.cursor is not None:
        said.sources.add(body.cursor[0])


def _same_reports(there: list[tuple[Any, ...]], body: _Body, text: bytes) -> bool:
    """Whether the table's reports of a row are those with which its text ends."""
    expected = [(n, said.order, said.at_us) for n, said in enumerate(body.reports)]
    if [columns[1:4] for columns in there] != expected:
        return False
    reports = b",".join([columns[4] for columns in there])
    settles = ",".join(map(str, body.settles)).encode("ascii")
    return text.endswith(b'"reports":[%b],"settles":[%b]}' % (reports, settles))


def content_of(order: str | None, text: bytes) -> int:
    """Return the hash of an entity's order and text."""
    # The hash of None differs from process to process.
    return hash(text) if order is None else hash((order, text))


def sealed_in(text: bytes) -> Sequence[bytes]:
    """Return the commitments that stand in canonical text.

    Quotes within text are escaped there, so nothing that somebody wrote can look like one.
    """
    if b'"sealed"' not in text:
        return ()
    return [bytes.fromhex(found.decode("ascii")) for found in _SEALED.findall(text)]


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
