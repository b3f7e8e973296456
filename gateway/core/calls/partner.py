"""The nearest partner across grids, proposed to the centre and called when it says so.

Where the police need half an hour and no guard is near, the security office of the next company
may be there in five minutes (E12). Gridcall proposes; a named person decides.
"""

from gateway.core.answers.timeline import order_of_number
from gateway.core.calls.calling import call_guards, grids_of, wanted_now
from gateway.core.calls.choice import choose
from gateway.core.calls.events import PartnerCalled
from gateway.core.calls.ladder import follow_facts
from gateway.core.calls.nearest import Near, nearest_first, spot_of_order
from gateway.core.calls.rungs import called_already
from gateway.core.effects import Receipt
from gateway.core.order import Assignment, Order
from gateway.core.people import Person
from gateway.core.places import metres_between
from gateway.core.reasons import Why, Worded
from gateway.core.state import Draft
from gateway.core.wording import Wording, because

# So many grids with people on duty are looked at, the nearest first.
GRIDS_ASKED = 8


def propose_if_station_far(draft: Draft, order: Order) -> None:
    """Propose a partner where the station that was ordered is far from the order."""
    far_m = station_distance_m(draft, order)
    limit_m = draft.site.response.station_far_m
    if far_m is not None and limit_m and far_m > limit_m:
        propose(draft, order, "detail_proposal_station", metres=far_m)


def station_distance_m(draft: Draft, order: Order) -> int | None:
    """Return how far the station of the order's grid is, by its person's post; None unknown."""
    spot = spot_of_order(draft.site, order)
    for grid in grids_of(draft, order)[:1]:
        station = draft.find(Person, grid.station) if grid.station else None
        post = draft.site.posts.get(station.post or "") if station else None
        if spot is not None and post is not None and post.position is not None:
            return round(metres_between(spot.point, post.position))
    return None


def propose(draft: Draft, order: Order, key: str, **gaps: object) -> None:
    """Tell the centre who the nearest partner is, if there is one."""
    near = nearest_partner(draft, order)
    if near is None:
        return
    unit = draft.site.organisations.get(near.person.organisation)
    detail = Wording(draft.site).text(
        key, unit=unit.name if unit else "", name=near.person.name,
        far="?" if near.distance_m is None else near.distance_m, **gaps,
    )  # fmt: skip
    draft.report(order, "proposal", person=near.person.id, detail=detail)


def nearest_partner(draft: Draft, order: Order) -> Near | None:
    """Return who of other grids is nearest: on duty, fit, free and not called yet."""
    called = called_already(draft, order)
    people: dict[str, Person] = {}
    asked = 0
    for grid in _grids_by_distance(draft, order):
        choice = choose(draft, order, grids=[grid], called=called)
        people.update({p.id: p for p in choice.people})
        asked += choice.called
        if asked == GRIDS_ASKED:
            break
    near = nearest_first(draft, order, people.values())
    return near[0] if near else None


def _grids_by_distance(draft: Draft, order: Order) -> list[str]:
    """Return the grids an order does not address, nearest first; unknown shapes last."""
    spot = spot_of_order(draft.site, order)

    def distance(id_: str) -> float:
        corners = draft.site.grids[id_].polygon
        if spot is None or not corners:
            return float("inf")
        return min(metres_between(spot.point, corner) for corner in corners)

    others = [id_ for id_ in draft.site.grids if id_ not in order.grids]
    return sorted(others, key=lambda id_: (distance(id_), id_))


def partner_called(draft: Draft, event: PartnerCalled) -> None:
    """Call a partner to an order because somebody of the centre decided so."""
    order = draft.find(Order, event.order) or order_of_number(draft, event.order)
    problem, person = _whom(draft, order, event)
    if order is None or person is None:
        draft.ask(
            Receipt(status="refused", sender=event.by, id=event.order, reason=problem)
        )
        return
    order = wanted_now(draft, order)
    draft.put(order)
    call_guards(draft, order, [person], rung=max(order.rung, 1))
    detail = Wording(draft.site).text("detail_partner_called", by=event.by)
    draft.report(
        order, "escalated", person=person.id, medium="centre", assurance="H", detail=detail
    )
    follow_facts(draft, order.id, climbing=False)
    draft.ask(
        Receipt(
            status="accepted", sender=event.by, id=event.order, order=order.id,
            number=order.number,
        )
    )  # fmt: skip


def _whom(
    draft: Draft, order: Order | None, event: PartnerCalled
) -> tuple[Worded | None, Person | None]:
    """Return why nobody can be called, or whom to call: the one named, else the nearest."""
    if order is None or not order.open:
        return because(draft.site, Why.ORDER_NOT_OPEN, order=event.order), None
    named = event.person
    if named is None:
        near = nearest_partner(draft, order)
        none = because(draft.site, Why.NO_PARTNER)
        return (None, near.person) if near else (none, None)
    person = draft.find(Person, named)
    if person is None or not person.active:
        return because(draft.site, Why.NO_PERSON, person=named), None
    if draft.find(Assignment, f"{order.id}/{named}") is not None:
        return because(draft.site, Why.HAS_PART, person=named), None
    return None, person
