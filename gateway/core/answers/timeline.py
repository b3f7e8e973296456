"""Writing what people send back into their timeline, whichever way it came.

Rules for whoever edits this file:

1. Nobody is taken at his word: a reply counts only from a person in the register, active, and
   addressed by the very order it is about. Everything else is refused, reported and kept.
2. The same reply twice changes nothing and is answered like the first.
"""

from dataclasses import replace
from typing import Final

from gateway.core.after.handover import said_detail
from gateway.core.alert import Assurance, Medium
from gateway.core.answers.replies import NODE_OF_ACTION, Action
from gateway.core.calls import still_on_it
from gateway.core.calls.calling import answered_elsewhere
from gateway.core.calls.convergence import place_people
from gateway.core.calls.ladder import STATION, call_help, follow_facts, silent_stations
from gateway.core.calls.nearest import arrived_at
from gateway.core.calls.teams import covered_now, team_told
from gateway.core.life import TAKING, called_off, reached, standing
from gateway.core.order import Assignment, Node, NumberLease, Order, Stamp
from gateway.core.people import Role
from gateway.core.state import Draft, by_age

# How surely we know, from hearsay up.
RANK: Final = {a: i for i, a in enumerate(("R0", "R1", "C1", "R2", "C2", "H"))}


def apply_reply(
    draft: Draft,
    order: Order,
    person: str,
    action: Action,
    *,
    medium: Medium,
    assurance: Assurance,
    reason: str | None = None,
    detail: str | None = None,
) -> bool:
    """Write a reply into its person's timeline; return False when the order is not his."""
    assignment = draft.find(Assignment, f"{order.id}/{person}")
    if assignment is None:
        return False
    node = NODE_OF_ACTION[action]
    assignment = still_on_it.heard(draft, order, assignment)
    fresh = _fresh_stamps(draft, assignment, node, medium, assurance)
    if not fresh:
        return True
    led = covered_now(draft, order)
    reason = reason if node is Node.DECLINED else assignment.reason
    his = assignment.stamped(*fresh, since_us=order.opened_us)
    draft.put(replace(his, reason=reason))
    for stamp in fresh:
        draft.report(
            order,
            stamp.node.value,
            person=person,
            medium=medium.value,
            assurance=assurance.value,
            detail=detail or _detail(draft, order, stamp.node, reason),
        )
    answered_elsewhere(draft, order, person)
    team_told(draft, order, person, led)
    place_people(draft, order.id, person, node)
    if node is Node.ARRIVED:
        arrived_at(draft, order, person)
    if assignment.role is Role.STATION and node in TAKING and not silent_stations(draft, order):
        draft.sleep(STATION, order.id)
    follow_facts(draft, order.id, declined=node is Node.DECLINED)
    order = draft.find(Order, order.id) or order
    if node is Node.NEED_HELP and order.open and not reached(assignment, node):
        call_help(draft, order, person)
    return True


def _detail(draft: Draft, order: Order, node: Node, reason: str | None) -> str | None:
    """Return what is told with a node: why he declines, how many the police took it from."""
    return reason if node is Node.DECLINED else said_detail(draft, order, node)


def _fresh_stamps(
    draft: Draft, assignment: Assignment, node: Node, medium: Medium, assurance: Assurance
) -> tuple[Stamp, ...]:
    """Return the stamps a reply adds: none when it says nothing new, nor better assured."""
    known = [s for s in standing(assignment) if s.node is node]
    last = assignment.said[-1].node if assignment.said else None
    if node is Node.DECLINED and last is Node.DECLINED:
        return ()
    if any(RANK.get(s.assurance, 9) >= RANK[assurance] for s in known):
        return ()
    stamp = Stamp(node=node, at_us=draft.now_us, medium=medium, assurance=assurance)
    implied = node in TAKING and node is not Node.ACKNOWLEDGED
    if implied and not reached(assignment, Node.ACKNOWLEDGED):
        return (replace(stamp, node=Node.ACKNOWLEDGED), stamp)
    return (stamp,)


def order_of_number(draft: Draft, number: str) -> Order | None:
    """Return the order that has or lately had a number."""
    lease = draft.find(NumberLease, number)
    return draft.find(Order, lease.order) if lease else None


def open_orders_of(draft: Draft, person: str) -> list[Order]:
    """Return the open orders a person has a part in, oldest first.

    One that goes on without him is his until he has said that he knows that.
    """
    found = [draft.find(Order, key) for key in draft.state.orders_of(person)]
    mine = (o for o in found if o is not None and o.open and not _is_rid_of(draft, o, person))
    return sorted(mine, key=lambda o: by_age(o.id))


def _is_rid_of(draft: Draft, order: Order, person: str) -> bool:
    part = draft.find(Assignment, f"{order.id}/{person}")
    return part is not None and called_off(part) and part.said[-1].node is Node.STOOD_DOWN


def only_order_of(draft: Draft, person: str) -> Order | None:
    """Return a person's one open order, or None when he has none or several."""
    orders = open_orders_of(draft, person)
    return orders[0] if len(orders) == 1 else None
