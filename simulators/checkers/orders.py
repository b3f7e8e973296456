"""People's timelines: addressed, in order, and as the scenario should have turned out."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from simulators.checkers.findings import Finding
from simulators.checkers.journal import Journal, Json
from simulators.checkers.witnesses import Witnesses

# Nodes that need an acknowledgement before them.
_AFTER: Final = frozenset({"en_route", "arrived", "done"})
# Nodes after which a person's part begins anew.
_LEAVING: Final = frozenset({"declined", "released"})


def check_witnesses(witnesses: Witnesses, journal: Journal) -> Finding:
    """Every channel, chat, the centre and the people have written something, and so did we."""
    present = len(witnesses.airs) + len(witnesses.chats)
    present += bool(witnesses.centre) + bool(witnesses.people)
    finding = Finding("witnesses", "witnesses", "logs", "none missing")
    finding.compared = present
    for name in witnesses.missing:
        finding.object(0, name, "this witness has written nothing")
    if not journal.rows:
        finding.object(0, "journal", "the journal is empty")
    return finding


def check_addressed(witnesses: Witnesses, journal: Journal) -> Finding:  # noqa: ARG001
    """Whoever answered was in the register and addressed by that order (I5)."""
    finding = Finding("addressed", "answers ↔ addressed people", "answers", "all addressed")
    for row in journal.rows:
        for report in row.answers():
            finding.compared += 1
            person, order = report["person"], report["order"]
            known = journal.at("person", person, row.seq)
            wrong = None
            before = journal.at("assignment", f"{order}/{person}", row.seq - 1)
            if before is None and not _reported_it(journal, order, person, row.seq):
                wrong = "was not addressed by it"
            elif known is None or not (known["active"] or row.kind == "PersonLeft"):
                wrong = "is not in the register"
            if wrong:
                text = f"{report['node']} of order {report['number']}: {person} {wrong}"
                finding.object(report["at_us"], "register", text, row.seq)
    return finding


def _reported_it(journal: Journal, order: str, person: str, seq: int) -> bool:
    """Whether an order was made of what this person reported: he was there before it."""
    opened = journal.at("order", order, seq)
    return opened is not None and opened["alert"].get("reporter") == person


def check_times(witnesses: Witnesses, journal: Journal) -> Finding:  # noqa: ARG001
    """No time runs backwards, and nobody arrives who has not acknowledged (I12)."""
    finding = Finding("times", "timelines ↔ order of nodes", "timelines", "none runs backwards")
    for part in journal.last("assignment"):
        finding.compared += 1
        stamps = part["stamps"]
        states = journal.history("order", part["order"])
        opened_us = states[0].fields["opened_us"] if states and states[0].fields else 0
        for wrong, at_us in _disorder(stamps, opened_us):
            text = f"{part['person']} in {part['order']}: {wrong}"
            finding.object(at_us, "timeline", text)
    for order in journal.last("order"):
        if order["closed_us"] is not None and order["closed_us"] < order["opened_us"]:
            text = f"order {order['number']} was closed before it was opened"
            finding.object(order["opened_us"], "timeline", text)
    return finding


def _disorder(stamps: list[Json], opened_us: int) -> Iterator[tuple[str, int]]:
    """Yield what is wrong with a timeline, and when."""
    for first, then in pairwise([{"node": "opened", "at_us": opened_us}, *stamps]):
        if then["at_us"] < first["at_us"]:
            yield f"{then['node']} stands before {first['node']}", then["at_us"]
    acknowledged = False
    for stamp in stamps:
        if stamp["node"] in _LEAVING:
            acknowledged = False
        elif stamp["node"] == "acknowledged":
            acknowledged = True
        elif stamp["node"] in _AFTER and not acknowledged:
            yield f"{stamp['node']} without an acknowledgement", stamp["at_us"]


def check_story(witnesses: Witnesses, journal: Journal) -> Finding:
    """What the scenario says becomes of people has become of them."""
    finding = Finding("story", "the scenario's story ↔ journal", "turns", "all came about")
    ids = {order["alert"]["id"]: order["id"] for order in journal.last("order")}
    # An order made of a report is meant by the report's number.
    reports = (r for r in journal.last("guard_report") if r["order"])
    ids |= {report["number"]: report["order"] for report in reports}
    for turn in witnesses.expected.get("story", ()):
        finding.compared += 1
        order = ids.get(turn["alert"])
        part = next(
            (p for p in journal.last("assignment")
             if (p["order"], p["person"]) == (order, turn["person"])),
            {},
        )  # fmt: skip
        if not any(_is_turn(stamp, turn) for stamp in part.get("stamps", ())):
            text = f"{turn['person']} should be {turn['node']} by {turn['medium']}"
            finding.object(0, "scenario", f"{turn['alert']}: {text}")
    return finding


def _is_turn(stamp: Json, turn: Json) -> bool:
    return bool((stamp["node"], stamp["medium"]) == (turn["node"], turn["medium"]))


__all__ = ["check_addressed", "check_story", "check_times", "check_witnesses"]
