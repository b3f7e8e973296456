"""The first call of an order: its people by radio and chat, its station at the same moment.

So are called whom an amendment adds to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.core.alert import Alert, Assurance, Medium
from gateway.core.calls.calling import (
    US,
    assign,
    call_guards,
    call_person,
    grids_of,
    tell_person,
    ways_down,
)
from gateway.core.calls.choice import Choice, choose, wanting
from gateway.core.calls.ladder import (
    LADDER,
    climb,
    hurry_if_unreached,
    start_clocks,
    start_station_clock,
)
from gateway.core.calls.owner import settle_owner
from gateway.core.calls.partner import propose, propose_if_station_far
from gateway.core.calls.teams import members_of
from gateway.core.life import left
from gateway.core.order import Assignment, Node, Order, Page, Stamp, Timer
from gateway.core.people import Person, Role
from gateway.core.places import Grid
from gateway.core.policy.policy import ALL, response_to
from gateway.core.reasons import Why, Worded
from gateway.core.state import Draft
from gateway.core.wording import Wording, because

# What an alert may name beside a grid, and the kind of thing it is.
PERSON, TEAM, ZONE, STATION = "person", "team", "zone", "station"


def unknown_target(draft: Draft, to: str | None) -> Worded | None:
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
    if to is None or known.get(kind):
        return None
    return because(draft.site, Why.NO_TARGET, target=to)


def by_name(to: str | None) -> bool:
    """Return whether an alert is meant for people by name, wherever it is."""
    return to is not None and to.startswith((f"{PERSON}/", f"{TEAM}/"))


def grids_meant(draft: Draft, alert: Alert, found: tuple[str, ...]) -> tuple[str, ...]:
    """Return the grids an order addresses: of whom it is meant for, the one it lies in first.

    Args:
        draft: The step's draft.
        alert: The alert.
        found: The grids it lies in, by its own words.
    """
    if alert.to is None:
        return found
    kind, _, name = alert.to.partition("/")
    if kind == "grid":
        own = name if name in draft.site.grids else draft.site.finder.codes.get(name)
        return (own,) if own else found
    if kind == PERSON:
        one = draft.find(Person, name)
        return found or _grid_of(draft, [] if one is None else [one])
    if kind == TEAM:
        return found or _grid_of(draft, members_of(draft, name))
    meant = [g.id for g in draft.site.grids.values() if _is_of(g, kind, name)]
    return tuple(sorted(meant, key=lambda g: g not in found)) or found


def _is_of(grid: Grid, kind: str, name: str) -> bool:
    """Return whether a grid is one of a zone's, of a station's, or of all."""
    return kind == ALL or (kind == ZONE and grid.zone == name) or (
        kind == STATION and grid.station == name
    )  # fmt: skip


def _grid_of(draft: Draft, people: list[Person]) -> tuple[str, ...]:
    """Return the grid that the first of the people serves first, if there is one."""
    return tuple(g for p in people for g in p.grids if g in draft.site.grids)[:1]


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


def _meant(
    draft: Draft,
    order: Order,
    *,
    grids: Sequence[str] | None = None,
    called: frozenset[str] = frozenset(),
) -> Choice:
    """Return whom to call at once: those it is meant for by name, else those of its grids."""
    kind, _, name = (order.alert.to or "").partition("/")
    if kind == PERSON:
        person = draft.find(Person, name)
        if person is not None and person.role is Role.MANAGER:
            if person.id in called:
                return Choice(())
            call_person(draft, order, person, Role.MANAGER, rung=0)
            return Choice((), manager=True)
        named = [person] if person is not None and person.role is Role.GUARD else []
        return choose(draft, order, among=named, called=called)
    if kind == TEAM:
        return choose(draft, order, among=members_of(draft, name), called=called)
    if kind == STATION:
        return choose(draft, order, grids=grids, tier="station_patrol", called=called)
    return choose(draft, order, grids=grids, called=called)


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
        key = "detail_to_off_duty" if by_name(order.alert.to) else "detail_nobody"
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


# ---- whom an amendment adds ----


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What an amendment adds to whom an order calls.

    Attributes:
        grids: Grids it did not address before.
        own: Whether another grid is its own now.
        named: Whether it is meant for others now.
        more: Whether it wants more guards, or is more urgent.
    """

    grids: tuple[str, ...] = ()
    own: bool = False
    named: bool = False
    more: bool = False

    @property
    def anybody(self) -> bool:
        """Whether others may have to be called than before, or more of them."""
        return bool(self.grids) or self.named or self.more


def call_added(draft: Draft, order: Order, added: Added) -> bool:
    """Call whom an amendment has added, and the station; return whether anybody was called.

    They are told although enough may have answered: the centre wants them by name or by place.
    """
    settle_owner(draft, order.id)
    order = draft.find(Order, order.id) or order
    if added.own or added.named:
        _call_station(draft, order)
        start_station_clock(draft, order, draft.now_us)
    if not added.anybody:
        return False
    everywhere = added.named or added.more
    grids = order.grids if everywhere else added.grids
    had = frozenset(a.person for a in draft.of_order(Assignment, order.id))
    again = named_again(draft, order) if added.named else frozenset()
    choice = _meant(draft, order, grids=grids, called=had - again)
    for person in again:
        if choice.manager or person in {p.id for p in choice.people}:
            _call_again(draft, order, person)
    if not (added.grids or added.named) and _spared_still(draft, order, choice):
        return False
    _call_kept(draft, order, choice)
    if (added.grids or added.named) and not choice.called:
        _say_nobody_added(draft, order, added.grids, had)
    order = choice.say(draft, order)
    if added.own:
        propose_if_station_far(draft, order)
    return choice.called


def named_again(draft: Draft, order: Order) -> frozenset[str]:
    """Return who is meant by his name and had a part in an order that he has left."""
    kind, _, name = (order.alert.to or "").partition("/")
    part = draft.find(Assignment, f"{order.id}/{name}") if kind == PERSON else None
    return frozenset((name,)) if part is not None and left(part) else frozenset()


def _call_again(draft: Draft, order: Order, person: str) -> None:
    """Have somebody who had left an order called as if he had said nothing of it."""
    part = draft.find(Assignment, f"{order.id}/{person}")
    assert part is not None
    stamp = Stamp(
        node=Node.RECALLED, at_us=draft.now_us, medium=Medium.CENTRE, assurance=Assurance.H
    )
    draft.put(replace(part.stamped(stamp), off=False))
    detail = Wording(draft.site).text("detail_called_again")
    draft.report(order, "recalled", person=person, medium="centre", detail=detail)
    tell_person(draft, order, person, "note_called_again")


def _spared_still(draft: Draft, order: Order, choice: Choice) -> bool:
    """Return whether those who were spared at first are still not wanted."""
    few = choice.busy or choice.far is not None or draft.site.response.call == "nearest"
    return few and wanting(draft, order) <= 0


def _call_kept(draft: Draft, order: Order, choice: Choice) -> None:
    """Call people by pages that are spoken even if enough have answered."""
    before = {p.id for p in draft.of_order(Page, order.id)}
    call_guards(draft, order, choice.people, rung=0)
    for page in draft.of_order(Page, order.id):
        if page.id not in before:
            draft.put(replace(page, kept=True))
    timer = draft.find(Timer, f"{LADDER}/{order.id}")
    if choice.called and timer is None:
        window_s = response_to(draft.site, order).acknowledge_s[order.alert.level - 1]
        draft.wake(LADDER, order.id, draft.taken_us + window_s * US)


def _say_nobody_added(
    draft: Draft, order: Order, grids: tuple[str, ...], had: frozenset[str]
) -> None:
    """Tell the centre that whom it has added is not on duty, unless he was called before."""
    kind, _, name = (order.alert.to or "").partition("/")
    if kind == STATION:
        return
    named = by_name(order.alert.to)
    meant = {name} if kind == PERSON else {p.id for p in members_of(draft, name)}
    if not named:
        meant = {id_ for grid in grids for id_ in draft.state.people_of_grid(grid)}
    if not (meant & had):
        key = "detail_to_off_duty" if named else "detail_nobody"
        draft.report(order, "nobody", detail=Wording(draft.site).text(key))
