"""One person, or one grid, is called off while the order goes on (个别撤回).

The centre sends somebody home, or elsewhere: his card says so and asks for his 知道了, he hears
it on the air if that told him, what still waits to reach him is taken back, and he is free. The
rest goes on, and others are called only if too few are left. That he knows is watched as when
everybody is called off (``stand_down``).
"""

from collections.abc import Sequence
from dataclasses import replace

from gateway.core.alert import Assurance, Medium
from gateway.core.answers.timeline import order_of_number
from gateway.core.calls.calling import US, tell_people, tell_person, withdraw_pages
from gateway.core.calls.events import CalledOff
from gateway.core.calls.ladder import follow_facts
from gateway.core.calls.spoken_again import say_beside
from gateway.core.calls.stand_down import STAND_DOWN
from gateway.core.delivery import advance
from gateway.core.effects import Receipt
from gateway.core.life import left
from gateway.core.order import (
    Assignment,
    Delivery,
    DeliveryState,
    Node,
    Order,
    Page,
    Stamp,
)
from gateway.core.people import Person, Role
from gateway.core.reasons import Why, Worded
from gateway.core.state import Draft
from gateway.core.wording import Wording, because


def called_off(draft: Draft, event: CalledOff) -> None:
    """Call a person or a grid off an open order; answered by a receipt."""
    order = draft.find(Order, event.order) or order_of_number(draft, event.order)
    if order is None or not order.open:
        _refuse(draft, event, because(draft.site, Why.ORDER_NOT_OPEN, order=event.order))
        return
    problem, parts = _meant(draft, order, event)
    if problem is not None:
        _refuse(draft, event, problem)
        return
    if event.grid is not None:
        order = _without_grid(draft, order, event)
    _call_off(draft, order, parts, event)
    follow_facts(draft, order.id, declined=bool(parts))
    draft.ask(
        Receipt(
            status="accepted", sender=event.by, id=event.order, order=order.id,
            number=order.number,
        )
    )  # fmt: skip


def _refuse(draft: Draft, event: CalledOff, why: Worded) -> None:
    draft.ask(Receipt(status="refused", sender=event.by, id=event.order, reason=why))


def _meant(
    draft: Draft, order: Order, event: CalledOff
) -> tuple[Worded | None, list[Assignment]]:
    """Return why nobody can be called off, or whose parts are meant."""
    if event.grid is not None:
        if event.grid not in order.grids[1:]:
            return because(draft.site, Why.GRID_NOT_BESIDE, grid=event.grid), []
        parts = draft.of_order(Assignment, order.id)
        return None, [a for a in parts if _only_of(draft, order, a, event.grid)]
    part = draft.find(Assignment, f"{order.id}/{event.person}")
    if part is None or part.role not in (Role.GUARD, Role.MANAGER):
        gaps = {"person": event.person, "number": order.number}
        return because(draft.site, Why.NOT_ADDRESSED, **gaps), []
    if left(part):
        return because(draft.site, Why.OFF_ALREADY, person=event.person), []
    return None, [part]


def _only_of(draft: Draft, order: Order, part: Assignment, grid: str) -> bool:
    """Return whether a guard was called for this grid alone and has not left."""
    person = draft.find(Person, part.person)
    if person is None or part.role is not Role.GUARD or left(part):
        return False
    return set(person.grids) & set(order.grids) == {grid}


def _without_grid(draft: Draft, order: Order, event: CalledOff) -> Order:
    """Take a grid from those an order addresses, and say so in its groups."""
    order = replace(order, grids=tuple(g for g in order.grids if g != event.grid))
    draft.put(order)
    grid = draft.site.grids.get(event.grid or "")
    name = grid.name if grid is not None else event.grid
    why = Wording(draft.site).written(event.reason, order.alert)
    tell_people(draft, order, "note_grid_off", privately=False, grid=name, reason=why)
    return order


def _call_off(
    draft: Draft, order: Order, parts: Sequence[Assignment], event: CalledOff
) -> None:
    told = _told_on(draft, order, {part.person for part in parts})
    stamp = Stamp(
        node=Node.RELEASED, at_us=draft.now_us, medium=Medium.CENTRE, assurance=Assurance.H
    )
    wording = Wording(draft.site)
    why = wording.written(event.reason, order.alert)
    for part in parts:
        draft.put(replace(part.stamped(stamp), off=True, asked_us=None, point=None))
        _take_back(draft, order, part.person)
        detail = wording.text("detail_called_off", reason=event.reason, by=event.by)
        draft.report(
            order, "released", person=part.person, medium="centre", assurance="H",
            detail=detail,
        )  # fmt: skip
        tell_person(draft, order, part.person, "note_called_off", reason=why)
    withdraw_pages(draft, order, reason="called off", all_of_them=False)
    for channel, people in sorted(told.items()):
        say_beside(draft, order, channel, "off", who=people)
    # Also for whom a card that is on its way tells of it later.
    draft.wake(STAND_DOWN, order.id, draft.taken_us + draft.site.response.stand_down_s * US)


def _told_on(draft: Draft, order: Order, people: set[str]) -> dict[str, list[Person]]:
    """Return who of these was told on which channel, or hears it there now."""
    found: dict[str, dict[str, Person]] = {}
    for delivery in draft.of_order(Delivery, order.id):
        page = draft.find(Page, delivery.via) if delivery.medium is Medium.RADIO else None
        person = draft.find(Person, delivery.person) if delivery.person in people else None
        if page is not None and person is not None and page.state in ("spoken", "on_air"):
            found.setdefault(page.channel, {})[person.id] = person
    return {channel: list(heard.values()) for channel, heard in found.items()}


def _take_back(draft: Draft, order: Order, person: str) -> None:
    """Take back what still waits to reach somebody."""
    for delivery in draft.of_order(Delivery, order.id):
        if delivery.person == person and delivery.state is DeliveryState.PENDING:
            state = advance(delivery.state, "withdrawn")
            draft.put(replace(delivery, state=state, reason="called off"))
