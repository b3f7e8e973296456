"""The first call of an order: its people by radio and chat, its station at the same moment."""

from dataclasses import replace

from gateway.core.alert import Alert
from gateway.core.calls.calling import (
    assign,
    call_guards,
    call_person,
    grids_of,
    ways_down,
)
from gateway.core.calls.choice import Choice, choose
from gateway.core.calls.ladder import (
    climb,
    hurry_if_unreached,
    start_clocks,
    start_station_clock,
)
from gateway.core.calls.owner import settle_owner
from gateway.core.calls.partner import propose, propose_if_station_far
from gateway.core.calls.teams import members_of
from gateway.core.order import Assignment, Order
from gateway.core.people import Person, Role
from gateway.core.policy.policy import ALL
from gateway.core.state import Draft
from gateway.core.wording import Wording

# What an alert may name beside a grid, and the kind of thing it is.
PERSON, TEAM, ZONE, STATION = "person", "team", "zone", "station"


def unknown_target(draft: Draft, to: str | None) -> str | None:
    """Return what is wrong with whom an alert is meant for, or None."""
    kind, _, name = (to or "").partition("/")
    person = draft.find(Person, name)
    known = {
        PERSON: person is not None and person.active,
        TEAM: bool(members_of(draft, name)) if kind == TEAM else False,
        ZONE: name in draft.site.zones,
        STATION: person is not None and person.role is Role.STATION,
        ALL: kind == to,
        "grid": name in draft.site.grids or name in draft.site.finder.codes,
    }
    return None if to is None or known.get(kind) else f"to: there is no {kind} {name} here"


def grids_meant(draft: Draft, alert: Alert, found: tuple[str, ...]) -> tuple[str, ...]:
    """Return the grids an order addresses: of whom it is meant for, the one it lies in first.

    Args:
        draft: The step's draft.
        alert: The alert.
        found: The grids it lies in, by its own words.
    """
    kind, _, name = (alert.to or "").partition("/")
    grids = draft.site.grids.values()
    if kind == "grid":
        own = name if name in draft.site.grids else draft.site.finder.codes.get(name)
        return (own,) if own else found
    meant = {
        ZONE: [g.id for g in grids if g.zone == name],
        STATION: [g.id for g in grids if g.station == name],
        ALL: [g.id for g in grids],
        PERSON: _grid_of(draft, [p for p in (draft.find(Person, name),) if p is not None]),
        TEAM: _grid_of(draft, members_of(draft, name)) if kind == TEAM else [],
    }.get(kind, [])
    if kind in (PERSON, TEAM):
        return found or tuple(meant)
    return tuple(sorted(meant, key=lambda g: g not in found)) or found


def _grid_of(draft: Draft, people: list[Person]) -> list[str]:
    """Return the grid that the first of the people serves first, if there is one."""
    return [g for p in people for g in p.grids if g in draft.site.grids][:1]


def call_first(draft: Draft, order: Order) -> None:
    """Call the people an order is meant for and the station at once; start the clocks."""
    settle_owner(draft, order.id)
    order = draft.find(Order, order.id) or order
    choice = _meant(draft, order)
    reporter = draft.find(Person, order.alert.reporter or "")
    if reporter is not None:
        # He is there already: nobody calls him to where he stands.
        assign(draft, order, reporter, Role.REPORTER, rung=0)
        choice = choice.without(reporter.id)
    call_guards(draft, order, choice.people, rung=0)
    _call_station(draft, order)
    start_clocks(draft, order)
    order = choice.say(draft, order)
    _say_nobody(draft, order, choice)
    if choice.far:
        propose(draft, order, "detail_proposal_nobody")
    else:
        propose_if_station_far(draft, order)


def _meant(draft: Draft, order: Order) -> Choice:
    """Return whom to call at once: those it is meant for by name, else those of its grids."""
    kind, _, name = (order.alert.to or "").partition("/")
    if kind == PERSON:
        person = draft.find(Person, name)
        if person is not None and person.role is Role.MANAGER:
            call_person(draft, order, person, Role.MANAGER, rung=0)
            return Choice((), manager=True)
        named = [person] if person is not None and person.role is Role.GUARD else []
        return choose(draft, order, among=named)
    if kind == TEAM:
        return choose(draft, order, among=members_of(draft, name))
    if kind == STATION:
        return choose(draft, order, tier="station_patrol")
    return choose(draft, order)


def _say_nobody(draft: Draft, order: Order, choice: Choice) -> None:
    wording = Wording(draft.site)
    if not order.grids and not choice.called:
        draft.report(order, "nobody", detail=wording.text("detail_no_grid"))
    elif choice.called:
        if ways_down(draft, order):
            draft.report(order, "warning", detail=wording.text("detail_no_way"))
        hurry_if_unreached(draft, order.id)
    elif not (order.alert.to or "").startswith(f"{STATION}/"):
        order = replace(order, flags=(*order.flags, "nobody"))
        draft.put(order)
        named = (order.alert.to or "").startswith((f"{PERSON}/", f"{TEAM}/"))
        key = "detail_to_off_duty" if named else "detail_nobody"
        draft.report(order, "nobody", detail=wording.text(key))
        propose(draft, order, "detail_proposal_nobody")
        climb(draft, order.id)


def _call_station(draft: Draft, order: Order) -> None:
    for station in _stations(draft, order):
        if not call_person(draft, order, station, Role.STATION, rung=0):
            detail = Wording(draft.site).text("detail_station_unreachable")
            draft.report(order, "warning", person=station.id, detail=detail)


def _stations(draft: Draft, order: Order) -> list[Person]:
    """Return the station that is meant by name, else that of the order's own grid."""
    kind, _, name = (order.alert.to or "").partition("/")
    own = [g.station for g in grids_of(draft, order)[:1]]
    ids = [name] if kind in (STATION, PERSON) and _is_station(draft, name) else own
    return [p for id_ in ids if id_ and (p := draft.find(Person, id_)) is not None]


def _is_station(draft: Draft, name: str) -> bool:
    person = draft.find(Person, name)
    return person is not None and person.role is Role.STATION


def call_moved(draft: Draft, order: Order) -> None:
    """Call the guards and the station of the grid to which an amendment moved the order."""
    settle_owner(draft, order.id)
    order = draft.find(Order, order.id) or order
    called = {a.person for a in draft.of_order(Assignment, order.id)}
    choice = choose(draft, order, grids=order.grids[:1], called=frozenset(called))
    call_guards(draft, order, choice.people, rung=0)
    _call_station(draft, order)
    start_station_clock(draft, order, draft.now_us)
    if not choice.called:
        draft.report(order, "nobody", detail=Wording(draft.site).text("detail_nobody"))
    order = choice.say(draft, order)
    propose_if_station_far(draft, order)
