"""The hash chain walked row by row, and what was done to rows that do not chain."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from json.encoder import encode_basestring as quote
from typing import Final, NamedTuple

from gateway.journal.rows import GENESIS
from gateway.journal.verdict import Findings

COLUMNS: Final = (
    "seq, boot, at_us, mono_us, settings, kind, order_id, CAST(body AS BLOB), prev, hash"
)
_BROKEN_KEPT: Final = 100
# A smaller step back of the wall clock is the work of NTP.
_CLOCK_STEP_US: Final = 1_000_000

_Clock = tuple[str, int, int]
"""(boot, wall clock, monotonic clock), microseconds."""


Columns = tuple[int, str, int, int, str, str, str | None, bytes, bytes, bytes]
"""A row as ``COLUMNS`` gives it, in its plainest form: there may be millions."""


class ChainedRow(NamedTuple):
    """A row as ``COLUMNS`` gives it."""

    seq: int
    boot: str
    at_us: int
    mono_us: int
    settings: str
    kind: str
    order: str | None
    body: bytes
    prev: bytes
    own: bytes

    def fits(self) -> bool:
        """Return whether its hash is that of its content."""
        return fits(self)


def fits(row: Columns) -> bool:
    """Return whether a row's hash is that of its content, as ``rows.row_hash`` defines it."""
    seq, boot, at_us, mono_us, settings, kind, order, body, prev, own = row
    tail = (
        f',"boot":{quote(boot)},"kind":{quote(kind)},"mono_us":{mono_us},'
        f'"order":{"null" if order is None else quote(order)},'
        f'"seq":{seq},"settings":{quote(settings)}}}'
    ).encode("utf-8", "surrogatepass")
    whole = b'gwj1%b{"at_us":%d,"body":%b%b' % (prev, at_us, body, tail)
    return hashlib.sha256(whole).digest() == own


@dataclass(slots=True)
class Broken:
    """Rows whose own hash does not fit their content: the first ones, the last one, a count."""

    kept: list[ChainedRow] = field(default_factory=list)
    last: ChainedRow | None = None
    count: int = 0

    def add(self, row: ChainedRow) -> None:
        """Take one more."""
        self.count += 1
        self.last = row
        if len(self.kept) < _BROKEN_KEPT:
            self.kept.append(row)

    def joined(self, later: "Broken") -> "Broken":
        """Return these and those of the rows that follow."""
        kept = [*self.kept, *later.kept][:_BROKEN_KEPT]
        return Broken(kept, later.last or self.last, self.count + later.count)


class Chain:
    """Walks rows in their order, from the first or from the middle.

    Args:
        before: The row before the first one to come, None at the journal's beginning.
        findings: Takes what is wrong with the rows.
    """

    def __init__(self, before: ChainedRow | None, findings: Findings) -> None:
        self.rows = 0
        self.last_seq = 0
        self.last_hash = GENESIS
        self.broken = Broken()
        self._findings = findings
        self._last_was_broken = False
        self._clock: _Clock | None = None
        if before is not None:
            self.last_seq, self.last_hash = before.seq, before.own
            self._last_was_broken = not before.fits()
            self._clock = (before.boot, before.at_us, before.mono_us)

    def row(self, row: Columns) -> None:
        """Take the next row."""
        self.rows += 1
        seq, boot, at_us, mono_us, _, _, _, _, prev, own = row
        broken = not fits(row)
        if seq != self.last_seq + 1:
            self._findings.add(
                "missing", self.last_seq + 1, gone(self.last_seq + 1, seq - 1), at=seq
            )
        elif prev != self.last_hash and not broken and not self._last_was_broken:
            # Both rows are whole in themselves: the earlier one was replaced, hash and all.
            self._findings.add(
                "changed",
                max(1, self.last_seq),
                f"row {seq} follows another row than this one",
                at=seq,
            )
        if broken:
            self.broken.add(ChainedRow._make(row))
        before = self._clock
        if before is not None and (at_us < before[1] or mono_us < before[2]):
            self._check_clock(seq, before, (boot, at_us, mono_us))
        self._clock = (boot, at_us, mono_us)
        self.last_seq, self.last_hash, self._last_was_broken = seq, own, broken

    def _check_clock(self, seq: int, before: _Clock, now: _Clock) -> None:
        """Within one boot monotonic time never falls; the wall clock may only creep."""
        if now[0] == before[0] and now[2] < before[2]:
            self._findings.add("clock", seq, "monotonic time falls within one boot")
        elif now[1] < before[1] - _CLOCK_STEP_US:
            back_s = (before[1] - now[1]) // 1_000_000
            self._findings.add("clock", seq, f"the wall clock went back by {back_s} s")


def gone(first: int, last: int) -> str:
    """Return in words that rows are missing."""
    return f"row {first} is gone" if first == last else f"rows {first} to {last} are gone"


def explain(broken: Broken, last_seq: int, findings: Findings) -> None:
    """Say what was done to the rows that do not fit their hash."""
    if _explained_by_renumbering(broken, last_seq, findings):
        return
    for row in broken.kept:
        other = _swapped_with(row, broken.kept)
        if other is None:
            findings.add("changed", row.seq, "its content does not fit its hash")
        else:
            findings.add("swapped", row.seq, f"holds what belongs to row {other.seq}")
    findings.more += broken.count - len(broken.kept)


def _swapped_with(row: ChainedRow, others: list[ChainedRow]) -> ChainedRow | None:
    ways: tuple[Callable[[ChainedRow], ChainedRow], ...] = (
        lambda other: row._replace(seq=other.seq),
        lambda other: other._replace(seq=row.seq, prev=row.prev, own=row.own),
        lambda other: row._replace(body=other.body),
    )
    for other in others:
        if other is not row and any(way(other).fits() for way in ways):
            return other
    return None


def _explained_by_renumbering(broken: Broken, last_seq: int, findings: Findings) -> bool:
    """Whether rows were taken out and all that follow numbered anew to hide it."""
    last = broken.last
    if last is None or last.seq != last_seq:
        return False
    first = broken.kept[0]
    for missing in range(1, _BROKEN_KEPT):
        if all(row._replace(seq=row.seq + missing).fits() for row in (first, last)):
            text = gone(first.seq, first.seq + missing - 1)
            text += "; the rows after were numbered anew"
            findings.add("missing", first.seq, text)
            return True
    return False
