"""Handing an order over to the police at the place (移交), and how many are there."""

from dataclasses import replace
from typing import Final

from gateway.core.calls.calling import refresh_cards
from gateway.core.calls.ladder import follow_facts
from gateway.core.life import HANDED_OVER, covered, reached
from gateway.core.order import Assignment, Node, Order
from gateway.core.people import Role
from gateway.core.state import Draft
from gateway.core.wording import Wording

_THERE: Final = (Node.ARRIVED, Node.DONE)


def arrivals(draft: Draft, order: Order) -> int:
    """Return how many guards are at the place: who said so, and the teams of leaders."""
    parts = draft.of_order(Assignment, order.id)
    there = [p for p in parts if p.role is Role.GUARD and any(reached(p, n) for n in _THERE)]
    teams = {p.team for p in there if p.leads and p.team is not None}
    silent = covered(parts, order.alert.level)
    led = [p for p in parts if p.person in silent and p.team in teams]
    return len(there) + len(led)


def hand_over(draft: Draft, order: Order, *, by: str, note: str) -> None:
    """Write down that the police have it because the centre says so."""
    if HANDED_OVER not in order.flags:
        draft.put(replace(order, flags=(*order.flags, HANDED_OVER)))
    wording = Wording(draft.site)
    detail = wording.text(
        "detail_handover_by", count=arrivals(draft, order), by=by, text=note
    )
    draft.report(order, Node.HANDOVER.value, medium="centre", assurance="H", detail=detail)
    follow_facts(draft, order.id)
    refresh_cards(draft, draft.find(Order, order.id) or order)


def said_detail(draft: Draft, order: Order, node: Node) -> str | None:
    """Return what is told with a node: with a handover how many were there, else nothing."""
    if node is not Node.HANDOVER:
        return None
    count = arrivals(draft, order)
    return Wording(draft.site).text("detail_handover", count=count)
