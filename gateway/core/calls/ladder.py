"""The clocks of an order and the rungs it climbs while too few have answered."""

from dataclasses import replace

from gateway.core.alert import Medium
from gateway.core.calls import moved_on, stand_down, still_on_it
from gateway.core.calls.calling import (
    US,
    channels_used,
    expired,
    refresh_cards,
    tell_people,
    tell_person,
    trusted,
    wanted_now,
    withdraw_pages,
)
from gateway.core.calls.choice import wanting
from gateway.core.calls.owner import settle_owner
from gateway.core.calls.rungs import call_next, call_rung
from gateway.core.calls.spoken_again import say_beside
from gateway.core.life import (
    LIFE,
    TAKING,
    Trigger,
    left,
    reached,
    standing,
    strength,
    takes,
    trigger_of,
)
from gateway.core.order import Assignment, Node, Order, OrderStatus, Timer
from gateway.core.people import Person, Role
from gateway.core.policy.policy import grade_of, response_to
from gateway.core.state import Draft
from gateway.core.wording import Wording

LADDER, STATION, ARRIVE, WARN = "ladder", "station", "arrive", "warn"
# Where nothing reaches those who were called, the next rung comes after this: short, but long
# enough for a way that only flickered.
UNREACHED_US = 2 * US


def start_clocks(draft: Draft, order: Order) -> None:
    """Ask to be woken for the acknowledgement, the station and the arrival."""
    response = response_to(draft.site, order)
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
        window_us = response_to(draft.site, order).station_acknowledge_s * US
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
    return response_to(draft.site, order).arrive_s[grade_of(draft.site, order) - 1] * US


def stop_clocks(draft: Draft, order: Order) -> None:
    """Take back every wish to be woken for an order."""
    for timer in draft.of_order(Timer, order.id):
        draft.drop(Timer, timer.key)


def clock_due(draft: Draft, timer: Timer) -> None:
    """Do what a clock was set for. The timer is gone afterwards unless set again."""
    draft.drop(Timer, timer.key)
    order = draft.find(Order, timer.order)
    if order is not None and timer.what in stand_down.CLOCKS:
        stand_down.still_unaware(draft, order, timer.what)
        return
    if order is None or not order.open:
        return
    if timer.what == LADDER:
        _ladder_due(draft, order, timer.due_us)
    elif timer.what == STATION:
        _station_due(draft, order)
    elif timer.what == ARRIVE:
        draft.report(order, "breach", medium="clock", detail=_words(draft, "detail_breach"))
    elif timer.what == still_on_it.STILL:
        still_on_it.ask(draft, order)
    elif timer.what == still_on_it.STILL_ANSWER:
        if still_on_it.lapse(draft, order):
            follow_facts(draft, order.id)
    elif timer.what == moved_on.BUSY:
        if moved_on.busy_too_long(draft, order):
            medium_failed(draft, order.id, Medium.RADIO)
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
    response, level = response_to(draft.site, order), int(order.alert.level)
    late_us = draft.now_us - due_us
    if not trusted(draft, order) or expired(draft, order):
        late_us = 0  # nothing to go by, or climbing ends the ladder anyhow
    while order.rung < len(response.ladder) - 1:
        if not response.climbs(order.rung, level):
            order = replace(order, rung=order.rung + 1)
            continue
        late_us -= response.pause_s(order.rung, level) * US
        if late_us < 0:
            break
        late = _words(draft, f"detail_rung_{response.ladder[order.rung].kind}")
        draft.report(order, "escalated", detail=_words(draft, "detail_rung_late", rung=late))
        order = replace(order, rung=order.rung + 1)
    draft.put(order)
    climb(draft, order.id)


def climb(draft: Draft, order_id: str) -> None:
    """Call the next rung that has somebody on it; empty rungs are skipped at once.

    An order that has expired calls nobody any more: its ladder has ended.
    """
    while (order := draft.find(Order, order_id)) is not None:
        response = response_to(draft.site, order)
        if order.status is OrderStatus.HELD:
            return
        if order.rung >= len(response.ladder) or expired(draft, order):
            _end_ladder(draft, order)
            return
        rung, level = order.rung, int(order.alert.level)
        order = replace(order, rung=rung + 1)
        draft.put(order)
        if response.climbs(rung, level) and _called(draft, order, rung):
            draft.wake(LADDER, order_id, draft.taken_us + response.pause_s(rung, level) * US)
            break
    hurry_if_unreached(draft, order_id)
    if (order := draft.find(Order, order_id)) is not None:
        refresh_cards(draft, order)


def _called(draft: Draft, order: Order, rung: int) -> bool:
    """Call a rung and report it; return whether there was anybody on it."""
    kind = response_to(draft.site, order).ladder[rung].kind
    said = _words(draft, f"detail_rung_{kind}")
    called = call_rung(draft, order, kind)
    if not called:
        said = _words(draft, "detail_rung_skipped", rung=said)
    draft.report(draft.find(Order, order.id), "escalated", medium="clock", detail=said)
    return called


# ---- a medium that fails ----


def medium_failed(draft: Draft, order_id: str, failed: Medium) -> None:
    """Take the other medium now for whom one has failed; climb now if there is none."""
    order = draft.find(Order, order_id)
    if order is None or not moved_on.nothing_gets_through(draft, order, failed):
        return
    draft.report(order, "warning", medium="clock", detail=_words(draft, "detail_moved_on"))
    climb(draft, order_id)


def hurry_if_unreached(draft: Draft, order_id: str) -> None:
    """Bring the next rung forward where nothing can reach anybody who was called."""
    order = draft.find(Order, order_id)
    if order is None or not moved_on.nothing_gets_through(draft, order, None):
        return
    timer = draft.find(Timer, f"{LADDER}/{order_id}")
    soon_us = draft.taken_us + UNREACHED_US
    if timer is not None and timer.due_us > soon_us:
        draft.report(order, "warning", medium="clock", detail=_words(draft, "detail_moved_on"))
        draft.wake(LADDER, order_id, soon_us)


def _end_ladder(draft: Draft, order: Order) -> None:
    status = LIFE[order.status].get(Trigger.LADDER_ENDED, order.status)
    if status is order.status:
        return
    order = replace(order, status=status)
    draft.put(order)
    takers = strength(draft.of_order(Assignment, order.id), order.alert.level)
    detail = _words(draft, "detail_ladder_ended", needs=order.alert.needs, takers=takers)
    draft.report(order, "unanswered", medium="clock", detail=detail)
    refresh_cards(draft, order)


def call_help(draft: Draft, order: Order, person: str) -> None:
    """One guard more is wanted: everybody hears it and the next rung is called at once.

    Whoever asks for help is in need now, however old the order is: its clock starts again.
    """
    takers = strength(draft.of_order(Assignment, order.id), order.alert.level)
    needs = min(max(order.alert.needs, takers) + 1, 50)
    order = replace(order, alert=replace(order.alert, needs=needs))
    order = wanted_now(draft, order)
    here = response_to(draft.site, order).ladder[order.rung : order.rung + 1]
    if here and here[0].kind == "repeat":
        order = replace(order, rung=order.rung + 1)  # the call for help is its repetition
    draft.put(order)
    tell_people(draft, order, "note_help", privately=True, who=draft.find(Person, person))
    for channel in channels_used(draft, order):
        say_beside(draft, order, channel, "help")
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
        order = replace(order, status=status)
        draft.put(order)
    # Before anybody else is called: his card names who is accountable from now on.
    settle_owner(draft, order_id)
    order = draft.find(Order, order_id) or order
    if trigger is not Trigger.SHORT:
        draft.sleep(LADDER, order_id)
        withdraw_pages(draft, order, reason="answered", all_of_them=False)
    elif climbing is None and status is OrderStatus.CALLING:
        fell_short = before is not OrderStatus.CALLING
        climbing = fell_short or (declined and _too_few(draft, order, people))
    if climbing and not (declined and _next_called(draft, order)):
        climb(draft, order_id)
    _watch(draft, order_id)
    order = draft.find(Order, order_id)
    assert order is not None
    refresh_cards(draft, order)


def _watch(draft: Draft, order_id: str) -> None:
    """Keep the clocks of an order's people as its people now are."""
    order = draft.find(Order, order_id)
    people = draft.of_order(Assignment, order_id)
    if order is None:
        return
    if any(a.role is Role.GUARD and reached(a, Node.ARRIVED) for a in people):
        _stop_arrival_clocks(draft, order)
    still_on_it.watch(draft, order, people)


def _next_called(draft: Draft, order: Order) -> bool:
    """Call who is next nearest where no more were called than are needed."""
    if draft.site.response.call != "nearest" or not call_next(draft, order):
        return False
    draft.report(order, "escalated", detail=_words(draft, "detail_called_next"))
    rung_s = response_to(draft.site, order).rung_s[int(order.alert.level) - 1]
    draft.wake(LADDER, order.id, draft.taken_us + rung_s * US)
    return True


def _too_few(draft: Draft, order: Order, people: list[Assignment]) -> bool:
    """Return whether too few could take it, if all who were called still did; or nobody.

    The same when all whom the last rung has called cannot come: its wait is for nobody.
    """
    called = [a for a in people if a.role in (Role.GUARD, Role.MANAGER)]
    last = max((a.rung for a in called), default=0)
    if all(left(a) for a in called if a.rung == last):
        return True
    may = [a for a in called if not left(a)]
    waiting = [a for a in may if not _sure(order, a)]
    manager = any(a.role is Role.MANAGER for a in waiting)
    return not waiting or (not manager and wanting(draft, order) > 0)


def _sure(order: Order, assignment: Assignment) -> bool:
    return takes(assignment, order.alert.level)


def _stop_arrival_clocks(draft: Draft, order: Order) -> None:
    draft.sleep(ARRIVE, order.id)
    for percent in draft.site.response.warn_percent:
        draft.sleep(f"{WARN}_{percent}", order.id)
