"""The clocks of an order and the rungs it climbs while too few have answered."""

from dataclasses import replace

from gateway.core.calling import (
    US,
    call_guards,
    call_person,
    channels_of,
    channels_used,
    expired,
    grids_of,
    page_channel,
    refresh_cards,
    tell_people,
    tell_person,
    trusted,
    withdraw_pages,
)
from gateway.core.escalation import RungKind
from gateway.core.life import (
    LIFE,
    TAKING,
    Trigger,
    answered_at_all,
    reached,
    standing,
    takes,
    trigger_of,
)
from gateway.core.order import Assignment, Node, Order, OrderStatus, Timer
from gateway.core.people import Person, Role
from gateway.core.places import ring
from gateway.core.routing import guards_on_duty
from gateway.core.state import Draft
from gateway.core.wording import Wording

LADDER, STATION, ARRIVE, WARN = "ladder", "station", "arrive", "warn"


def start_clocks(draft: Draft, order: Order) -> None:
    """Ask to be woken for the acknowledgement, the station and the arrival."""
    response = draft.site.response
    level = int(order.alert.level)
    draft.wake(LADDER, order.id, order.clock_us + response.acknowledge_s[level - 1] * US)
    start_station_clock(draft, order, order.clock_us)
    arrive_us = arrive_window_us(draft, order)
    draft.wake(ARRIVE, order.id, order.clock_us + arrive_us)
    for percent in response.warn_percent:
        draft.wake(f"{WARN}_{percent}", order.id, order.clock_us + arrive_us * percent // 100)


def start_station_clock(draft: Draft, order: Order, from_us: int) -> None:
    """Ask to be woken for a station that was ordered and has not acknowledged."""
    if silent_stations(draft, order):
        window_us = draft.site.response.station_acknowledge_s * US
        draft.wake(STATION, order.id, from_us + window_us)


def silent_stations(draft: Draft, order: Order) -> list[str]:
    """Return the stations that were ordered and have not acknowledged."""
    return [
        a.person
        for a in draft.of_order(Assignment, order.id)
        if a.role is Role.STATION and not any(s.node in TAKING for s in standing(a))
    ]


def arrive_window_us(draft: Draft, order: Order) -> int:
    """Return the arrival window of the zone the order is in, microseconds."""
    grids = grids_of(draft, order)
    zone = draft.site.zones.get(grids[0].zone) if grids else None
    return draft.site.response.arrive_s[(zone.grade if zone else 3) - 1] * US


def stop_clocks(draft: Draft, order: Order) -> None:
    """Take back every wish to be woken for an order."""
    for timer in draft.of_order(Timer, order.id):
        draft.drop(Timer, timer.key)


def clock_due(draft: Draft, timer: Timer) -> None:
    """Do what a clock was set for. The timer is gone afterwards unless set again."""
    draft.drop(Timer, timer.key)
    order = draft.find(Order, timer.order)
    if order is None or not order.open:
        return
    if timer.what == LADDER:
        _ladder_due(draft, order, timer.due_us)
    elif timer.what == STATION:
        _station_due(draft, order)
    elif timer.what == ARRIVE:
        draft.report(order, "breach", medium="clock", detail=_words(draft, "detail_breach"))
    elif timer.what.startswith(WARN):
        percent = timer.what.removeprefix(f"{WARN}_")
        detail = _words(draft, "detail_warning", percent=percent)
        draft.report(order, "warning", medium="clock", detail=detail)


def _words(draft: Draft, key: str, **gaps: object) -> str:
    return Wording(draft.site).text(key, **gaps)


def _station_due(draft: Draft, order: Order) -> None:
    for station in silent_stations(draft, order):
        detail = _words(draft, "detail_station_late")
        draft.report(order, "breach", person=station, medium="clock", detail=detail)
        tell_person(draft, order, station, "note_station")


def _ladder_due(draft: Draft, order: Order, due_us: int) -> None:
    """Climb one rung; after downtime skip the rungs whose time passed meanwhile."""
    if trigger_of(order, draft.of_order(Assignment, order.id)) is not Trigger.SHORT:
        return
    ladder = tuple(r.kind for r in draft.site.response.ladder)
    pause_us = draft.site.response.rung_s[int(order.alert.level) - 1] * US
    missed = max(0, (draft.now_us - due_us) // pause_us)
    if not trusted(draft, order) or expired(draft, order):
        missed = 0  # nothing to go by, or climbing ends the ladder anyhow
    last = len(ladder) - 1
    while missed > 0 and order.rung < last:
        late = _words(draft, f"detail_rung_{ladder[order.rung]}")
        draft.report(order, "escalated", detail=_words(draft, "detail_rung_late", rung=late))
        order = replace(order, rung=order.rung + 1)
        missed -= 1
    draft.put(order)
    climb(draft, order.id)


def climb(draft: Draft, order_id: str) -> None:
    """Call the next rung that has somebody on it; empty rungs are skipped at once.

    An order that has expired calls nobody any more: its ladder has ended.
    """
    ladder = tuple(r.kind for r in draft.site.response.ladder)
    while (order := draft.find(Order, order_id)) is not None:
        if order.rung >= len(ladder) or expired(draft, order):
            _end_ladder(draft, order)
            return
        kind = ladder[order.rung]
        draft.put(replace(order, rung=order.rung + 1))
        rung = _words(draft, f"detail_rung_{kind}")
        if _call_rung(draft, order_id, kind):
            draft.report(draft.find(Order, order_id), "escalated", medium="clock", detail=rung)
            break
        skipped = _words(draft, "detail_rung_skipped", rung=rung)
        draft.report(order, "escalated", medium="clock", detail=skipped)
    order = draft.find(Order, order_id)
    if order is not None:
        pause_us = draft.site.response.rung_s[int(order.alert.level) - 1] * US
        draft.wake(LADDER, order_id, draft.now_us + pause_us)
        refresh_cards(draft, order)


def _call_rung(draft: Draft, order_id: str, kind: RungKind) -> bool:
    order = draft.find(Order, order_id)
    assert order is not None
    if kind == "repeat":
        return _repeat(draft, order)
    if kind in ("ring_1", "ring_2"):
        return call_ring(draft, order, 1 if kind == "ring_1" else 2)
    return _call_manager(draft, order, first=kind == "first_manager")


def _repeat(draft: Draft, order: Order) -> bool:
    """Speak and write again to those who have said nothing yet."""
    silent = [
        person
        for a in draft.of_order(Assignment, order.id)
        if a.role is Role.GUARD
        and not answered_at_all(a)
        and (person := draft.find(Person, a.person)) is not None
    ]
    if not silent:
        return False
    for channel, listeners in channels_of(draft, order, silent).items():
        page_channel(draft, order, channel, "repeat", listeners, rung=order.rung)
    tell_people(draft, order, "note_repeat", privately=False)
    for person in silent:
        tell_person(draft, order, person.id, "note_repeat")
    return True


def call_ring(draft: Draft, order: Order, distance: int) -> bool:
    """Call who is on duty so many grids away; return whether there is anybody."""
    # A reload may have taken the order's own grid away.
    own = grids_of(draft, order)[:1]
    around = {id_ for grid in own for id_ in ring(draft.site, grid.id, distance)}
    called = {a.person for a in draft.of_order(Assignment, order.id)}
    guards: dict[str, Person] = {}
    new_grids = []
    for grid in sorted(around - set(order.grids)):
        found = guards_on_duty(draft.state, draft.site, grid, draft.now_us)
        fresh = [g for g in found if g.id not in called]
        if fresh:
            new_grids.append(grid)
            guards.update({g.id: g for g in fresh})
    if not guards:
        return False
    order = replace(order, grids=(*order.grids, *new_grids))
    draft.put(order)
    call_guards(draft, order, list(guards.values()), rung=order.rung)
    return True


def _call_manager(draft: Draft, order: Order, *, first: bool) -> bool:
    called = {a.person for a in draft.of_order(Assignment, order.id)}
    reached_one = False
    for grid in grids_of(draft, order)[:1]:
        manager_id = grid.first_manager if first else grid.second_manager
        manager = draft.find(Person, manager_id) if manager_id else None
        if manager is None or not manager.active or manager.id in called:
            continue
        reached_one |= call_person(draft, order, manager, Role.MANAGER, rung=order.rung)
    return reached_one


def _end_ladder(draft: Draft, order: Order) -> None:
    status = LIFE[order.status].get(Trigger.LADDER_ENDED, order.status)
    if status is order.status:
        return
    order = replace(order, status=status)
    draft.put(order)
    detail = _words(draft, "detail_ladder_ended")
    draft.report(order, "unanswered", medium="clock", detail=detail)
    refresh_cards(draft, order)


def call_help(draft: Draft, order: Order, name: str) -> None:
    """One guard more is wanted: everybody hears it and the next rung is called at once.

    Whoever asks for help is in need now, however old the order is: its clock starts again.
    """
    guards = [a for a in draft.of_order(Assignment, order.id) if a.role is Role.GUARD]
    takers = sum(takes(a, order.alert.level) for a in guards)
    needs = min(max(order.alert.needs, takers) + 1, 50)
    order = replace(order, alert=replace(order.alert, needs=needs))
    if expired(draft, order):
        order = replace(order, clock_us=draft.now_us)
    if [r.kind for r in draft.site.response.ladder[order.rung : order.rung + 1]] == ["repeat"]:
        order = replace(order, rung=order.rung + 1)  # the call for help is its repetition
    draft.put(order)
    tell_people(draft, order, "note_help", privately=True, name=name)
    if not expired(draft, order):
        for channel in channels_used(draft, order):
            page_channel(
                draft, order, channel, "update", (), rung=order.rung, help_wanted=True
            )
    follow_facts(draft, order.id, climbing=True)


def follow_facts(
    draft: Draft, order_id: str, *, declined: bool = False, climbing: bool | None = None
) -> None:
    """Move the order along its table after its people have done something.

    Args:
        draft: The step's draft.
        order_id: Whose people.
        declined: Somebody has just said that he cannot come.
        climbing: Whether to climb at once; None to decide it by the facts.
    """
    order = draft.find(Order, order_id)
    if order is None or not order.open:
        return
    people = draft.of_order(Assignment, order_id)
    trigger = trigger_of(order, people)
    status = LIFE[order.status].get(trigger, order.status)
    before = order.status
    if status is not before:
        order = replace(order, status=status, owner=_owner(order, people))
        draft.put(order)
    if trigger is not Trigger.SHORT:
        draft.sleep(LADDER, order_id)
        withdraw_pages(draft, order, reason="answered", all_of_them=False)
    elif climbing is None and status is OrderStatus.CALLING:
        fell_short = before is not OrderStatus.CALLING
        climbing = fell_short or (declined and not _outstanding(order, people))
    if climbing:
        climb(draft, order_id)
    if any(a.role is Role.GUARD and reached(a, Node.ARRIVED) for a in people):
        _stop_arrival_clocks(draft, order)
    order = draft.find(Order, order_id)
    assert order is not None
    refresh_cards(draft, order)


def _owner(order: Order, people: list[Assignment]) -> str | None:
    """Return who is accountable: the first guard who took it, else a manager who did."""
    takers = [a for a in people if a.role is not Role.STATION and takes(a, order.alert.level)]
    takers.sort(key=lambda a: a.role is not Role.GUARD)
    return takers[0].person if takers else None


def _outstanding(order: Order, people: list[Assignment]) -> bool:
    """Return whether anybody who was called may still take it, or take it more surely."""
    return any(
        a.role is not Role.STATION
        and not takes(a, order.alert.level)
        and (not a.said or a.said[-1].node not in (Node.DECLINED, Node.RELEASED))
        for a in people
    )


def _stop_arrival_clocks(draft: Draft, order: Order) -> None:
    draft.sleep(ARRIVE, order.id)
    for percent in draft.site.response.warn_percent:
        draft.sleep(f"{WARN}_{percent}", order.id)
