"""What verifying a journal finds, and how much of it is kept."""

from dataclasses import dataclass, field
from typing import Final, Literal

from gateway.journal.contract import Anchor

Fault = Literal[
    "changed", "missing", "swapped", "cut_tail", "rewritten", "projection", "personal", "clock"
]

# Beyond so many findings only their number grows; more would hide the first ones.
_FINDINGS_KEPT: Final = 200


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
class Findings:
    """The first findings, each with the row at which it was made, and how many more."""

    kept: list[tuple[int, Finding]] = field(default_factory=list)
    more: int = 0

    def add(self, fault: Fault, seq: int, text: str, *, at: int | None = None) -> None:
        """Keep a finding, made while reading row ``at`` (the row it is about if left out)."""
        if len(self.kept) < _FINDINGS_KEPT:
            self.kept.append((seq if at is None else at, Finding(fault, seq, text)))
        else:
            self.more += 1

    def room_for(self, items: list[int]) -> list[int]:
        """Return as many of the items as can still be told, and count the others."""
        room = _FINDINGS_KEPT - len(self.kept)
        self.more += len(items[room:])
        return items[:room]

    def joined(self, *others: "Findings") -> "Findings":
        """Return these and others in the order of the rows at which they were made."""
        every = sorted(
            (made for part in (self, *others) for made in part.kept), key=lambda made: made[0]
        )
        more = sum(part.more for part in (self, *others))
        return Findings(every[:_FINDINGS_KEPT], more + len(every[_FINDINGS_KEPT:]))
