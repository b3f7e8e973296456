"""Who says once more what stands on record is answered so, and only he."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from simulators.checkers.findings import Finding
from simulators.checkers.journal import ANSWERS, NODE_OF_DIGIT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulators.checkers.days import Evidence, Json
    from simulators.checkers.journal import Row

US: Final = 1_000_000
# A frame stands in the journal so soon after it was keyed, unless the gateway was dead.
HEARD_LATE_US: Final = 1200 * US
# What stands on record says all that must have come before it; not that he needs help.
_SAID_BY: Final = {
    "acknowledged": {"acknowledged", "en_route", "arrived", "done", "handover"},
    "en_route": {"en_route", "arrived", "done", "handover"},
    "arrived": {"arrived", "done", "handover"},
    "done": {"done"},
    "handover": {"handover"},
    "declined": {"declined"},
}


def check_repeats(evidence: Evidence) -> Finding:
    """No reply by radio is refused that stands on record, and each repetition was keyed."""
    finding = Finding("repeats", "said again ↔ on record", "replies", "all true")
    said: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    ever: set[tuple[str, str]] = set()
    for row, report in _told(evidence):
        order, person, node = report["order"], report["person"], report["node"]
        if node == "reopened":
            said[order].clear()  # nobody stands by what he said before the end
        if order is None or person is None:
            continue
        his, wrong = said[order], None
        if node in ANSWERS:
            his[person] = {node} if node == "declined" else his[person] - {"declined"} | {node}
            ever.add((order, person))
        elif node in ("released", "lapsed"):
            his[person] = set()
        elif node == "stood_down":
            ever.add((order, person))
        elif node == "refused_reply" and row.kind == "DigitsHeard":
            finding.compared += 1
            meant = NODE_OF_DIGIT.get(row.event["digits"][-1:], "")
            if his[person] & _SAID_BY.get(meant, set()):
                wrong = f"said {meant} again and was refused"
        elif node == "repeated_reply":
            finding.compared += 1
            at_us = evidence.when(row, report["at_us"])
            if (order, person) not in ever or not _keyed(evidence, report, at_us):
                wrong = "is said to have repeated what he had not said"
        if wrong:
            text = f"order {report['number']}: {person} {wrong}"
            finding.object(row.at_us, "people", text, row.seq)
    return finding


def _told(evidence: Evidence) -> Iterator[tuple[Row, Json]]:
    for row in evidence.journal.rows:
        for report in row.reports:
            yield row, report


def _keyed(evidence: Evidence, report: Json, at_us: int) -> bool:
    return any(
        deed["person"] == report["person"]
        and deed["number"] == report["number"]
        and deed["medium"] == report["medium"]
        and -US <= at_us - deed["at_us"] <= HEARD_LATE_US
        for deed in evidence.people
    )


__all__ = ["check_repeats"]
