"""Blocking points (堵控点): who converges is given a place of his own, the nearest first.

Rules for whoever edits this file:

1. Nobody is given a point at which another already stands while any is free.
2. A team stands together: its people share a point.
3. Who cannot come, or was released, leaves his point: to one who shares his and is not there
   yet, else to the next who answers.
"""

from collections import Counter
from dataclasses import replace
from typing import Final

from gateway.core.calls.calling import (
    channels_of,
    grids_of,
    tell_person,
    withdraw_page,
)
from gateway.core.calls.nearest import spot_of_person
from gateway.core.calls.saying import Saying
from gateway.core.calls.spoken_again import CAUTION_LIFE_US
from gateway.core.effects import PageChannel
from gateway.core.guard_reports.report import BlockingPoint
from gateway.core.life import TAKING, reached
from gateway.core.order import Assignment, Node, Order, Page
from gateway.core.people import Person, Role
from gateway.core.places import metres_between
from gateway.core.state import Draft
from gateway.core.wording import Wording

# The flag of an order whose people are given blocking points.
CONVERGE: Final = "converge"


def place_people(draft: Draft, order_id: str, person: str, node: Node) -> None:
    """Give who has just taken an order his point; take it back from who cannot come."""
    order = draft.find(Order, order_id)
    part = draft.find(Assignment, f"{order_id}/{person}")
    if order is None or part is None or not order.open or not _converges(draft, order):
        return
    if node is Node.DECLINED and part.point is not None:
        draft.put(replace(part, point=None))
        detail = Wording(draft.site).text("detail_point_freed", point=part.point)
        draft.report(order, "blocking_point", person=person, detail=detail)
        _unsay(draft, order, person, part.point)
        _fill(draft, order)
    elif node in TAKING and part.point is None and part.role is Role.GUARD:
        _give_point(draft, order, part)


def _unsay(draft: Draft, order: Order, person: str, point: str) -> None:
    """Take back the page, if it still waits, that says that somebody goes to a point."""
    if any(a.point == point for a in draft.of_order(Assignment, order.id)):
        return  # others of his team stand there
    for page in draft.of_order(Page, order.id):
        said = draft.find(Saying, page.id) if page.state == "queued" else None
        if said is not None and said.about == "point" and person in said.who:
            withdraw_page(draft, order, page, reason="declined")


def _fill(draft: Draft, order: Order) -> None:
    """Send the last who shares his point with another, and is not there yet, to a free one."""
    parts = [a for a in draft.of_order(Assignment, order.id) if a.point is not None]
    standing = Counter(a.point for a in parts)
    spare = [
        a
        for a in parts
        if standing[a.point] > 1 and not reached(a, Node.ARRIVED) and _alone(draft, a.person)
    ]
    points = {p.name for grid in grids_of(draft, order)[:1] for p in grid.blocking_points}
    if spare and points - set(standing):
        last = max(spare, key=lambda a: (a.said[-1].at_us, a.person))
        draft.put(replace(last, point=None))
        _give_point(draft, order, last)


def _alone(draft: Draft, person: str) -> bool:
    found = draft.find(Person, person)
    return found is not None and found.team is None


def _converges(draft: Draft, order: Order) -> bool:
    return CONVERGE in order.flags or draft.site.policy.converges(order.alert)


def _give_point(draft: Draft, order: Order, part: Assignment) -> None:
    points = [point for grid in grids_of(draft, order)[:1] for point in grid.blocking_points]
    person = draft.find(Person, part.person)
    if not points or person is None:
        return
    shared = _point_of_team(draft, order, person)
    point = next((p for p in points if p.name == shared), None)
    point = point or _nearest_free(draft, order, person, points)
    draft.put(replace(part, point=point.name))
    said = _named(point)
    detail = Wording(draft.site).text("detail_point", point=said)
    draft.report(order, "blocking_point", person=person.id, detail=detail)
    tell_person(draft, order, person.id, "note_point", point=said)
    if point.name != shared:
        _speak(draft, order, person, said)


def _point_of_team(draft: Draft, order: Order, person: Person) -> str | None:
    """Return the point of somebody of the same team, or None."""
    if person.team is None:
        return None
    for part in draft.of_order(Assignment, order.id):
        mate = draft.find(Person, part.person)
        if part.point is not None and mate is not None and mate.team == person.team:
            return part.point
    return None


def _nearest_free(
    draft: Draft, order: Order, person: Person, points: list[BlockingPoint]
) -> BlockingPoint:
    """Return the nearest of the points at which fewest stand; teams count once."""
    standing: Counter[str] = Counter()
    seen: set[tuple[str, str]] = set()
    for part in draft.of_order(Assignment, order.id):
        mate = draft.find(Person, part.person)
        if part.point is None or mate is None:
            continue
        unit = (part.point, mate.team or mate.id)
        if unit not in seen:
            seen.add(unit)
            standing[part.point] += 1
    here = spot_of_person(draft, person)

    def rank(point: BlockingPoint) -> tuple[int, float]:
        away_m = metres_between(here.point, point.position) if here is not None else 0.0
        return standing[point.name], away_m

    return min(points, key=rank)


def _named(point: BlockingPoint) -> str:
    return point.name if point.side is None else f"{point.name}（{point.side}）"


def _speak(draft: Draft, order: Order, person: Person, point: str) -> None:
    """Have it spoken on his channel who goes where: the others need not go there."""
    wording = Wording(draft.site)
    words = wording.say_point(order, person.name, point)
    for channel_id in channels_of(draft, order, [person]):
        channel = draft.site.channels.get(channel_id)
        if channel is None or not channel.transmits:
            continue
        page = Page(
            id=f"p{draft.next_id('page')}",
            order=order.id,
            channel=channel.id,
            state="queued",
            rung=order.rung,
            purpose="update",
            window_s=0,
        )
        draft.put(page)
        draft.put(
            Saying(
                page=page.id, order=order.id, about="point", who=(person.id,), words=point
            )
        )
        draft.ask(
            PageChannel(
                page=page.id,
                channel=channel.id,
                order=order.id,
                level=int(order.alert.level),
                number=order.number,
                text=words,
                language=wording.language,
                attention=False,
                exercise=order.alert.exercise,
                routine=order.alert.exercise,
                answer_window_s=0,
                not_after_us=draft.taken_us + CAUTION_LIFE_US,
            )
        )
