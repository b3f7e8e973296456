"""What a body's token is shown of orders: its own people, and of others that somebody did it.

Names, ids, reasons and words of other bodies' people are left out; what they did and when is
kept, so that a timeline can still be read.
"""

from dataclasses import replace
from typing import Any

from gateway.interfaces import Report

Answer = dict[str, Any]

# Of everybody's part these say who he is or what he wrote.
_PERSONAL = ("person", "name", "reason", "detail", "address", "message")


def own_order(order: Answer, own: frozenset[str], organisation: str) -> Answer | None:
    """Return an order as a body may see it, or None where it has no part in it."""
    people = order.get("people") or []
    alert = order.get("alert") or {}
    raised = alert.get("organisation") == organisation
    if not raised and not any(part.get("person") in own for part in people):
        return None
    shown = {**order}
    for name in ("people", "deliveries", "cards", "timeline"):
        if name in order:
            shown[name] = [_own_part(part, own) for part in order[name]]
    # Who released a photo, holds a record or goes there again is the centre's business.
    for name in ("photos", "held", "follow_up"):
        shown.pop(name, None)
    if shown.get("owner") not in own:
        shown["owner"] = None
    return shown


def _own_part(part: Answer, own: frozenset[str]) -> Answer:
    person = part.get("person")
    if person in own or (person is None and "address" not in part):
        return part
    return {name: None if name in _PERSONAL else value for name, value in part.items()}


def own_report(report: Report, own: frozenset[str]) -> Report:
    """Return a timeline node as a body may see it."""
    if report.person is None or report.person in own:
        return report
    return replace(report, person=None, name=None, detail=None)
