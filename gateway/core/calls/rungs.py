"""The rungs of the ladder: who is on each, and calling them."""

from collections.abc import Iterable
from dataclasses import replace

from gateway.core.calls.calling import (
    call_guards,
    call_person,
    channels_of,
    grids_of,
    page_channel,
    tell_people,
    tell_person,
)
from gateway.core.calls.choice import Choice, choose
from gateway.core.calls.escalation import RungKind
from gateway.core.life import answered_at_all, covered, strength
from gateway.core.order import Assignment, Order
from gateway.core.people import Person, Role, Tier
from gateway.core.places import ring
from gateway.core.state import Draft

# So many steps over the border a patrol is fetched from.
PATROL_RINGS = 2


def call_rung(draft: Draft, order: Order, kind: RungKind) -> bool:
    """Call whoever is on a rung; return whether there was anybody."""
    match kind:
        case "repeat":
            return _repeat(draft, order)
        case "ring_1":
            return call_ring(draft, order, 1)
        case "ring_2":
            return call_ring(draft, order, 2)
        case "station_patrol" | "special_patrol":
            return _call_tier(draft, order, kind)
        case "second_manager" | "first_manager":
            return _call_manager(draft, order, first=kind == "first_manager")


def called_already(draft: Draft, order: Order) -> frozenset[str]:
    """Return who has a part in an order."""
    return frozenset(a.person for a in draft.of_order(Assignment, order.id))


def call_next(draft: Draft, order: Order) -> bool:
    """Call the nearest of its grids who were not called yet; return whether there was one."""
    choice = choose(draft, order, called=called_already(draft, order))
    call_guards(draft, order, choice.people, rung=order.rung)
    return choice.called


def _repeat(draft: Draft, order: Order) -> bool:
    """Speak and write again to those who have said nothing yet, and call who was spared."""
    people = draft.of_order(Assignment, order.id)
    led = covered(people, order.alert.level)
    silent = [
        person
        for a in people
        if a.role is Role.GUARD
        and not answered_at_all(a)
        and a.person not in led
        and (person := draft.find(Person, a.person)) is not None
    ]
    spared = draft.site.response.call == "nearest" and call_next(draft, order)
    if not silent:
        return spared
    for channel, listeners in channels_of(draft, order, silent).items():
        page_channel(draft, order, channel, "repeat", listeners, rung=order.rung)
    few = strength(people, order.alert.level)
    key = "note_repeat_few" if few else "note_repeat"
    missing = max(order.alert.needs - few, 1)
    tell_people(draft, order, key, privately=False, missing=missing)
    for person in silent:
        tell_person(draft, order, person.id, key, missing=missing)
    return True


def call_ring(draft: Draft, order: Order, distance: int) -> bool:
    """Call the guards of the grids so many steps away, and whom an order by name left out."""
    grids = set(_around(draft, order, distance)) - set(order.grids)
    if distance == 1 and order.alert.to is not None:
        grids.update(order.grids[:1])
    choice = choose(
        draft, order, grids=sorted(grids), called=called_already(draft, order)
    )
    if not choice.called:
        return False
    served = {grid for person in choice.people for grid in person.grids}
    new = sorted((served & grids) - set(order.grids))
    order = replace(order, grids=(*order.grids, *new))
    draft.put(order)
    _call(draft, order, choice)
    return True


def _call(draft: Draft, order: Order, choice: Choice) -> None:
    order = choice.say(draft, order)
    call_guards(draft, order, choice.people, rung=order.rung)


def _around(draft: Draft, order: Order, *distances: int) -> Iterable[str]:
    # A reload may have taken the order's own grid away.
    for grid in grids_of(draft, order)[:1]:
        for distance in distances:
            yield from ring(draft.site, grid.id, distance)


def _call_tier(draft: Draft, order: Order, tier: Tier) -> bool:
    """Call a force: who serves the order's own grid, else who serves one near by."""
    called = called_already(draft, order)
    for distance in range(PATROL_RINGS + 1):
        grids = list(_around(draft, order, distance))
        choice = choose(draft, order, grids=grids, tier=tier, called=called)
        if choice.called:
            _call(draft, order, choice)
            return True
    return False


def _call_manager(draft: Draft, order: Order, *, first: bool) -> bool:
    called = called_already(draft, order)
    reached_one = False
    for grid in grids_of(draft, order)[:1]:
        manager_id = grid.first_manager if first else grid.second_manager
        manager = draft.find(Person, manager_id) if manager_id else None
        if manager is None or not manager.active or manager.id in called:
            continue
        reached_one |= call_person(draft, order, manager, Role.MANAGER, rung=order.rung)
    return reached_one
