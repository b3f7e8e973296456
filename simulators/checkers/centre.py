"""The command centre against the journal: alerts, receipts, acts, events told."""

from collections import defaultdict
from typing import Final

from simulators.checkers.findings import Finding
from simulators.checkers.journal import Journal, Json, Row
from simulators.checkers.witnesses import Noted, Witnesses

CENTRE: Final = "centre"
# What was reported in the last seconds may not have been heard when the listening ended.
HEARD_LATE_US: Final = 2_000_000
_RECEIPT: Final = ("status", "sender", "id", "order", "number")
_EVENT: Final = ("order", "number", "node", "person", "medium", "assurance", "detail")


def check_receipts(witnesses: Witnesses, journal: Journal) -> Finding:
    """Every receipt is a row of the journal, every message got one, one alert one order."""
    finding = Finding(
        "receipts", "receipts ↔ journal", "receipts", "each a row, one order each"
    )
    rows = {row.seq: row for row in journal.rows}
    orders: dict[tuple[str, str], set[str]] = defaultdict(set)
    answered = set()
    for line in witnesses.noted("receipt"):
        finding.compared += 1
        receipt = line.message
        key = (receipt["sender"], receipt["id"])
        answered.add(key)
        if receipt["order"] is not None:
            orders[key].add(receipt["order"])
        wrong = _unproven(receipt, rows.get(receipt["journal"]))
        if wrong:
            finding.object(line.at_us, CENTRE, f"{key[1]}: {wrong}", receipt["journal"])
    for line in witnesses.noted("sent"):
        if (line.message["sender"], line.message["id"]) not in answered:
            answered.add((line.message["sender"], line.message["id"]))
            finding.object(line.at_us, CENTRE, f"{line.message['id']} never got a receipt")
    for order in journal.last("order"):
        orders[order["alert"]["sender"], order["alert"]["id"]].add(order["id"])
    for (_, alert), found in orders.items():
        if len(found) > 1:
            finding.object(0, CENTRE, f"{alert} made more than one order: {sorted(found)}")
    return finding


def _unproven(receipt: Json, row: Row | None) -> str | None:
    if row is None:
        return f"its receipt names row {receipt['journal']}, which there is not"
    if row.receipt is None:
        return None if row.kind == "InputRefused" else f"row {row.seq} holds no receipt"
    differs = [name for name in _RECEIPT if receipt[name] != row.receipt[name]]
    return f"the receipt and row {row.seq} differ in {', '.join(differs)}" if differs else None


def check_alerts(witnesses: Witnesses, journal: Journal) -> Finding:
    """Every alert in the journal that came by a door of the centre was sent by the centre."""
    finding = Finding("alerts", "AlertReceived ↔ centre", "alerts", "all sent")
    sent = [line.message for line in witnesses.noted("sent")]
    for row in journal.of("AlertReceived"):
        if row.event["door"] not in ("http", "mqtt"):
            continue
        finding.compared += 1
        alert = row.event["alert"]
        names = [n for n in ("kind", "id", "sender", "level", "text") if alert[n] is not None]
        # An update or cancel leaves out what stays.
        kept = ("level", "text") if alert["kind"] != "alert" else ()
        if not any(
            all(m.get(n) == alert[n] for n in names if n in m or n not in kept) for m in sent
        ):
            text = f"the journal has {alert['kind']} {alert['id']}; the centre sent none such"
            finding.object(row.happened_us, CENTRE, text, row.seq)
    return finding


def check_acts(witnesses: Witnesses, journal: Journal) -> Finding:
    """Every act on an order was the centre's, and every end of an order was somebody's."""
    finding = Finding("acts", "acts and ends ↔ centre", "acts", "all by the centre")
    acts = list(witnesses.noted("act"))
    for row in journal.of("OrderActed"):
        finding.compared += 1
        if not any(_is_act(line, row) for line in acts):
            event = row.event
            text = f"the journal has {event['act']} of {event['order']}; the centre did not act"
            finding.object(row.happened_us, CENTRE, text, row.seq)
    for line in witnesses.noted("acted"):
        answer = line.facts["answer"]
        if answer["status"] == "accepted" and not _acted(journal, answer):
            text = f"an act on {answer['order']} was accepted and is not in the journal"
            finding.object(line.at_us, CENTRE, text, answer["journal"])
    _check_ends(finding, journal)
    return finding


def _is_act(line: Noted, row: Row) -> bool:
    message, event = line.message, row.event
    return (
        (line.facts["order"], line.facts["act"]) == (event["order"], event["act"])
        and message.get("by") == event["by"]
        and message.get("person") == event["person"]
    )


def _acted(journal: Journal, answer: Json) -> bool:
    return any(
        row.seq == answer["journal"] and row.event["order"] == answer["order"]
        for row in journal.of("OrderActed")
    )


def _check_ends(finding: Finding, journal: Journal) -> None:
    """Object to an order that was closed by no person and no cancel of the centre (I2)."""
    for key, states in journal.each("order"):
        end = next((s.row for s in states if s.fields and s.fields["closed_us"]), None)
        if end is None:
            continue
        by_person = end.kind == "OrderActed" and bool(end.event["by"])
        cancelled = end.kind == "AlertReceived" and end.event["alert"]["kind"] == "cancel"
        if not by_person and not cancelled:
            text = f"order {key} was ended by {end.kind}, by nobody"
            finding.object(end.happened_us, CENTRE, text, end.seq)


def check_events(witnesses: Witnesses, journal: Journal) -> Finding:
    """The centre was told every report of the journal, in order, and nothing else."""
    finding = Finding("events", "events told ↔ reports", "events", "all told, in order")
    reports = {
        (row.seq, part): report
        for row in journal.rows
        for part, report in enumerate(row.reports)
    }
    heard: set[tuple[int, int]] = set()
    last: dict[str, tuple[int, int]] = {}
    for line in witnesses.noted("event"):
        event = line.message
        mark = (event["journal"], event["part"])
        wrong = _untrue(event, reports.get(mark))
        if mark not in heard and mark < last.get(line.door, mark):
            wrong = wrong or f"{event['node']} came after row {last[line.door][0]}"
        if wrong:
            finding.object(line.at_us, CENTRE, wrong, mark[0])
        heard.add(mark)
        last[line.door] = max(mark, last.get(line.door, mark))
    finding.compared = len(heard)
    _check_untold(finding, witnesses, journal, heard)
    return finding


def _untrue(event: Json, report: Json | None) -> str | None:
    if report is None:
        return f"{event['node']} of {event['person']} was told and is in no row"
    differs = [name for name in _EVENT if event[name] != report[name]]
    return f"{event['node']} differs from its row in {', '.join(differs)}" if differs else None


def _check_untold(
    finding: Finding, witnesses: Witnesses, journal: Journal, heard: set[tuple[int, int]]
) -> None:
    """Object to reports that the centre, listening, never heard."""
    end_us = max((line.at_us for line in witnesses.centre), default=0) - HEARD_LATE_US
    for row in journal.rows:
        for part, report in enumerate(row.reports):
            if row.at_us < end_us and (row.seq, part) not in heard:
                text = f"{report['node']} of {report['person']} was never told to the centre"
                finding.object(row.at_us, CENTRE, text, row.seq)


__all__ = ["check_acts", "check_alerts", "check_events", "check_receipts"]
