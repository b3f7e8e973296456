"""What a body's token is shown of orders: its own people, and of others that somebody did it.

Names, ids, reasons and words of other bodies' people are left out; what they did and when is
kept, so that a timeline can still be read. Of an alert that is the centre's it reads the words
without names, numbers of papers, telephones and plates: what stands on its guards' cards is the
policy's to say, and this door does not say more.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from gateway.core.policy.folding import Folding
from gateway.core.policy.redaction import redacted
from gateway.interfaces import Report

Answer = dict[str, Any]

# Of everybody's part these say who he is or what he wrote.
_PERSONAL = ("person", "name", "reason", "detail", "address", "message")
# Words of an alert in which people may be named.
_WORDS: Final = ("text", "place")
_TAKEN_OUT: Final = ("names", "ids", "phones", "plates")
_PLAIN: Final = Folding()


def own_order(order: Answer, own: frozenset[str], organisation: str) -> Answer | None:
    """Return an order as a body may see it, or None where it has no part in it."""
    people = order.get("people") or []
    alert = order.get("alert") or {}
    raised = alert.get("organisation") == organisation
    if not raised and not any(part.get("person") in own for part in people):
        return None
    shown = {**order}
    private: Iterable[str] = () if raised else alert.get("private") or ()
    if not raised:
        shown["alert"] = _bare_alert(alert, private)
        if order.get("outcome"):
            shown["outcome"] = _bare(order["outcome"], private)
    for name in ("people", "deliveries", "cards", "timeline"):
        if name in order:
            shown[name] = [_own_part(part, own, private) for part in order[name]]
    # Who released a photo, holds a record or goes there again is the centre's business.
    for name in ("photos", "held", "follow_up"):
        shown.pop(name, None)
    if shown.get("owner") not in own:
        shown["owner"] = None
    if "alert" in order:
        shown["alert"] = _own_alert(shown["alert"], own)
    return shown


def _own_alert(alert: Answer, own: frozenset[str]) -> Answer:
    """Return an alert without whom of other bodies it comes from, or is meant for."""
    shown = {**alert}
    if shown.get("reporter") not in (None, *own):
        shown["reporter"] = None
    kind, _, whom = str(shown.get("to") or "").partition("/")
    if kind in ("person", "team") and whom not in own:
        shown["to"] = None
    shown.pop("through", None)
    return shown


def _bare_alert(alert: Answer, private: Iterable[str]) -> Answer:
    """Return an alert without the people in its words."""
    words = {name: _bare(alert[name], private) for name in _WORDS if alert.get(name)}
    return {**alert, **words, "private": []}


def _bare(text: str, private: Iterable[str]) -> str:
    return redacted(text, _TAKEN_OUT, private, _PLAIN, lambda _field: "***")


def _own_part(part: Answer, own: frozenset[str], private: Iterable[str]) -> Answer:
    person = part.get("person")
    if person in own:
        return part
    if person is None and "address" not in part:
        detail = part.get("detail")
        return {**part, "detail": _bare(detail, private)} if detail else part
    return {name: None if name in _PERSONAL else value for name, value in part.items()}


def own_report(report: Report, own: frozenset[str]) -> Report:
    """Return a timeline node as a body may see it."""
    if report.person in own:
        return report
    if report.person is None:
        return replace(report, detail=_bare(report.detail, ())) if report.detail else report
    return replace(report, person=None, name=None, detail=None)
