"""Who is accountable for an order: exactly one, from its opening to its end (权责到人).

Once it is handed over, the police station. Before, the first guard who took it and still
stands by it; else a manager who took it; else whoever the
settings put at the desk, or the grid's second manager, or the first; and when none of these is
in the register any more, the centre's desk itself. Every change is reported and on the cards.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from gateway.core.life import TAKING, standing, takes
from gateway.core.order import Assignment, Order, OrderStatus
from gateway.core.people import Person, Role
from gateway.core.state import Draft
from gateway.core.wording import Wording

# No person's id begins so: the centre itself is accountable.
DESK: Final = "@desk"


def settle_owner(draft: Draft, order_id: str) -> None:
    """Set who is accountable for an open order now, and report it when it changes."""
    order = draft.find(Order, order_id)
    if order is None or not order.open:
        return
    owner = next(_candidates(draft, order))
    if owner == order.owner:
        return
    order = replace(order, owner=owner)
    draft.put(order)
    detail = Wording(draft.site).text("detail_owner", name=owner_name(draft, order))
    person = None if owner == DESK else owner
    draft.report(order, "owner", person=person, assurance="M", detail=detail)


def settle_all(draft: Draft) -> None:
    """Settle who is accountable for every open order: people or settings have changed."""
    for order_id in list(draft.state.open_orders()):
        settle_owner(draft, order_id)


def owner_name(draft: Draft, order: Order) -> str:
    """Return the name of who is accountable; the centre's own where it is the desk."""
    person = draft.find(Person, order.owner) if order.owner else None
    return draft.site.centre_name if person is None else person.name


def _candidates(draft: Draft, order: Order) -> Iterator[str]:
    """Yield who may be accountable, the foremost first; the desk is the last of them."""
    takers = [
        a
        for a in draft.of_order(Assignment, order.id)
        if a.role in (Role.GUARD, Role.MANAGER) and takes(a, order.alert.level)
    ]
    if order.status is OrderStatus.HANDED_OVER:
        yield from _police(draft, order)
    takers.sort(key=lambda a: (a.role is not Role.GUARD, a.person != order.owner, _since(a)))
    yield from (a.person for a in takers if _active(draft, a.person))
    grid = draft.site.grids.get(order.grids[0]) if order.grids else None
    managers = (grid.second_manager, grid.first_manager) if grid else ()
    for person in (draft.site.response.desk, *managers):
        if person is not None and _active(draft, person):
            yield person
    yield DESK


def _police(draft: Draft, order: Order) -> Iterator[str]:
    """Yield the station that has taken an order over, else that of its grid."""
    for part in draft.of_order(Assignment, order.id):
        if part.role is Role.STATION and _active(draft, part.person):
            yield part.person
    grid = draft.site.grids.get(order.grids[0]) if order.grids else None
    if grid is not None and grid.station is not None and _active(draft, grid.station):
        yield grid.station


def _since(assignment: Assignment) -> int:
    return min(s.at_us for s in standing(assignment) if s.node in TAKING)


def _active(draft: Draft, person: str) -> bool:
    found = draft.find(Person, person)
    return found is not None and found.active
