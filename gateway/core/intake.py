"""What the centre's messages do: an alert opens an order, an update amends, a cancel ends it.

Messages may come twice and in any order: a repeat changes nothing, an update before its alert
opens the order, and a cancel before its alert is remembered so that the alert sends nothing.
"""

from dataclasses import replace

from gateway.core.alert import Alert, AlertKind
from gateway.core.calling import (
    US,
    assign,
    call_guards,
    call_person,
    channels_used,
    expired,
    grids_of,
    page_channel,
    refresh_cards,
    tell_people,
    ways_down,
)
from gateway.core.closing import end_order
from gateway.core.effects import Receipt
from gateway.core.events import AlertReceived
from gateway.core.ladder import (
    climb,
    follow_facts,
    start_clocks,
    start_station_clock,
)
from gateway.core.life import LIFE, Trigger
from gateway.core.numbers import take_number
from gateway.core.order import (
    AlertKey,
    Assignment,
    Order,
    OrderStatus,
)
from gateway.core.people import Person, Role
from gateway.core.routing import find_grid, guards_on_duty
from gateway.core.state import Draft
from gateway.core.wording import Wording


def alert_received(draft: Draft, received: AlertReceived) -> None:
    """Take a message of the centre and answer it with a receipt."""
    alert = received.alert
    draft.synchronised = draft.synchronised and received.synchronised
    match alert.kind:
        case AlertKind.ALERT:
            _raise(draft, received)
        case AlertKind.UPDATE:
            _update(draft, received)
        case AlertKind.CANCEL:
            _cancel(draft, received)


def _prior(draft: Draft, received: AlertReceived) -> AlertKey | None:
    """Return what became of this (sender, id) before, from memory or as the event tells."""
    alert = received.alert
    found = draft.find(AlertKey, f"{alert.sender}\n{alert.id}")
    if found is None and received.prior_sha256:
        found = AlertKey(
            sender=alert.sender,
            id=alert.id,
            sha256=received.prior_sha256,
            order=received.prior_order,
            number=received.prior_number,
        )
    return found


def _answer(
    draft: Draft,
    alert: Alert,
    status: str,
    *,
    order: Order | None = None,
    key: AlertKey | None = None,
    reason: str | None = None,
) -> None:
    assert status in ("accepted", "duplicate", "conflict", "refused")
    draft.ask(
        Receipt(
            status=status,  # type: ignore[arg-type]  # asserted above
            sender=alert.sender,
            id=alert.id,
            order=order.id if order else (key.order if key else None),
            number=order.number if order else (key.number if key else None),
            reason=reason,
            flags=order.flags if order else (),
        )
    )


def _raise(draft: Draft, received: AlertReceived) -> None:
    alert = received.alert
    prior = _prior(draft, received)
    if prior is not None and prior.order is not None:
        same = prior.sha256 == alert.body_sha256 or _late_original(draft, prior, alert)
        reason = None if same else "the same (sender, id) came before with another body"
        _answer(draft, alert, "duplicate" if same else "conflict", key=prior, reason=reason)
        return
    if prior is not None:
        _bury(draft, alert)
        return
    open_order(draft, received, flags=())


def _late_original(draft: Draft, prior: AlertKey, alert: Alert) -> bool:
    """Return whether this is the alert whose update came first; from now on it is known."""
    order = _live_order(draft, prior)
    if order is None or "update_first" not in order.flags:
        return False
    flags = tuple(f for f in order.flags if f != "update_first")
    draft.put(replace(order, flags=flags))
    draft.put(replace(prior, sha256=alert.body_sha256))
    return True


def _bury(draft: Draft, alert: Alert) -> None:
    """Accept an alert that was cancelled before it came, and send nothing of it."""
    detail = Wording(draft.site).text("detail_cancelled_before")
    draft.report(None, "cancelled", medium="centre", detail=f"{alert.id}: {detail}")
    _answer(draft, alert, "accepted", reason=detail)


def open_order(draft: Draft, received: AlertReceived, *, flags: tuple[str, ...]) -> None:
    """Open an order for an alert, call its first people and start its clocks."""
    alert = received.alert
    order_id = f"o{draft.next_id('order')}"
    grid = find_grid(draft.site, alert)
    skewed = abs(received.at_us - alert.sent_us) > draft.site.response.clock_skew_s * US
    found = {
        "clock_unset": not draft.synchronised,
        "clock_skew": skewed,
        "no_grid": grid is None,
    }
    flags = (*flags, *(flag for flag, holds in found.items() if holds))
    order = Order(
        id=order_id,
        number=take_number(draft, order_id),
        status=OrderStatus.CALLING,
        alert=alert,
        grids=() if grid is None else (grid,),
        opened_us=received.at_us,
        clock_us=received.at_us if skewed else alert.sent_us,
        flags=flags,
        settings=draft.site.version,
    )
    draft.put(order)
    draft.put(
        AlertKey(
            sender=alert.sender,
            id=alert.id,
            sha256=alert.body_sha256,
            order=order.id,
            number=order.number,
            at_us=received.at_us,
        )
    )
    draft.report(order, "accepted", medium="centre", assurance="M", detail=_notes(draft, order))
    if expired(draft, order):
        _expired_on_arrival(draft, order)
    else:
        _call_first(draft, order)
    order = draft.find(Order, order_id) or order
    _answer(draft, alert, "accepted", order=order, reason=_unheard(draft, order))


def _unheard(draft: Draft, order: Order) -> str | None:
    """Return in words why an accepted alert has reached nobody in its own grid, or None."""
    for flag in ("no_grid", "nobody"):
        if flag in order.flags:
            return Wording(draft.site).text(f"detail_{flag}")
    return None


def _notes(draft: Draft, order: Order) -> str | None:
    wording = Wording(draft.site)
    notes = [wording.text("detail_exercise")] if order.alert.exercise else []
    if "clock_skew" in order.flags:
        notes.append(wording.text("detail_clock"))
    if "update_first" in order.flags:
        notes.append(wording.text("detail_update_unknown"))
    return "；".join(notes) or None


def _expired_on_arrival(draft: Draft, order: Order) -> None:
    status = LIFE[order.status][Trigger.LADDER_ENDED]
    order = replace(order, flags=(*order.flags, "expired"), status=status)
    draft.put(order)
    detail = Wording(draft.site).text("detail_expired_before")
    draft.report(order, "unanswered", medium="clock", detail=detail)


def _call_first(draft: Draft, order: Order) -> None:
    """Call the guards of the grid and the station at the same moment; start the clocks."""
    guards = []
    for grid in order.grids:
        guards += guards_on_duty(draft.state, draft.site, grid, draft.now_us)
    reporter = draft.find(Person, order.alert.reporter or "")
    if reporter is not None:
        # He is there already: nobody calls him to where he stands.
        assign(draft, order, reporter, Role.REPORTER, rung=0)
        guards = [guard for guard in guards if guard.id != reporter.id]
    call_guards(draft, order, guards, rung=0)
    _call_station(draft, order)
    start_clocks(draft, order)
    wording = Wording(draft.site)
    if not order.grids:
        draft.report(order, "nobody", detail=wording.text("detail_no_grid"))
    elif not guards:
        draft.put(replace(order, flags=(*order.flags, "nobody")))
        draft.report(order, "nobody", detail=wording.text("detail_nobody"))
        climb(draft, order.id)
    elif ways_down(draft, order):
        draft.report(order, "warning", detail=wording.text("detail_no_way"))


def _call_station(draft: Draft, order: Order) -> None:
    for grid in grids_of(draft, order)[:1]:
        station = draft.find(Person, grid.station) if grid.station else None
        if station is None:
            continue
        if not call_person(draft, order, station, Role.STATION, rung=0):
            detail = Wording(draft.site).text("detail_station_unreachable")
            draft.report(order, "warning", person=station.id, detail=detail)


def _message_key(draft: Draft, alert: Alert, prior: AlertKey | None) -> AlertKey:
    """Return by what an amendment is known again: its digest."""
    return AlertKey(
        sender=alert.sender,
        id=f"{alert.id}\n{alert.kind.value}\n{alert.body_sha256[:16]}",
        sha256=alert.body_sha256,
        order=None if prior is None else prior.order,
        at_us=draft.now_us,
    )


def _live_order(draft: Draft, prior: AlertKey | None) -> Order | None:
    return draft.find(Order, prior.order) if prior is not None and prior.order else None


def _update(draft: Draft, received: AlertReceived) -> None:
    alert = received.alert
    prior = _prior(draft, received)
    order = _live_order(draft, prior)
    message = _message_key(draft, alert, prior)
    if draft.find(AlertKey, message.key) is not None:
        _answer(draft, alert, "duplicate", key=prior)
        return
    if prior is not None and (order is None or not order.open):
        _answer(draft, alert, "refused", key=prior, reason="the order is closed")
        return
    draft.put(message)
    if order is None:
        # A lost alert must not lose the call (dispatch.md d.1).
        fresh = replace(received, alert=replace(alert, kind=AlertKind.ALERT))
        open_order(draft, fresh, flags=("update_first",))
        return
    _amend(draft, order, alert)
    _answer(draft, alert, "accepted", order=draft.find(Order, order.id))


def _amend(draft: Draft, order: Order, alert: Alert) -> None:
    """Change an order in place and tell its people; a new grid gets the full call.

    The clocks go on, unless the level rises or there is nothing left of them.
    """
    raised = alert.level < order.alert.level
    over, unanswered = expired(draft, order), order.status is OrderStatus.UNANSWERED
    order = replace(
        order, alert=replace(alert, kind=AlertKind.ALERT), revision=order.revision + 1
    )
    grid = find_grid(draft.site, order.alert)
    moved = grid is not None and grid not in order.grids
    if grid is not None:
        order = _led_by(order, grid)
    afresh = raised or over or (moved and unanswered)
    if afresh:
        order = replace(order, clock_us=draft.now_us)
    dead = expired(draft, order)
    if afresh and not dead:
        status = LIFE[order.status].get(Trigger.CALLED_AFRESH, order.status)
        order = replace(order, rung=0, status=status)
    draft.put(order)
    draft.report(order, "updated", medium="centre", assurance="M", detail=alert.text)
    if dead:
        detail = Wording(draft.site).text("detail_expired_before")
        draft.report(order, "warning", medium="clock", detail=detail)
        refresh_cards(draft, order)
        return
    _tell_amendment(draft, order)
    if moved:
        _call_moved(draft, order)
    if afresh:
        start_clocks(draft, order)
    follow_facts(draft, order.id, climbing=False if raised else None)


def _led_by(order: Order, grid: str) -> Order:
    """Return the order with this grid as its own; the others stay addressed."""
    others = tuple(g for g in order.grids if g != grid)
    flags = tuple(f for f in order.flags if f != "no_grid")
    return replace(order, grids=(grid, *others), flags=flags)


def _tell_amendment(draft: Draft, order: Order) -> None:
    for channel in channels_used(draft, order):
        page_channel(draft, order, channel, "update", (), rung=order.rung)
    tell_people(draft, order, "note_update", privately=True, text=order.alert.text)


def _call_moved(draft: Draft, order: Order) -> None:
    """Call the guards and the station of the grid to which an amendment moved the order."""
    called = {a.person for a in draft.of_order(Assignment, order.id)}
    found = guards_on_duty(draft.state, draft.site, order.grids[0], draft.now_us)
    call_guards(draft, order, [g for g in found if g.id not in called], rung=0)
    _call_station(draft, order)
    start_station_clock(draft, order, draft.now_us)
    if not found:
        draft.report(order, "nobody", detail=Wording(draft.site).text("detail_nobody"))


def _cancel(draft: Draft, received: AlertReceived) -> None:
    alert = received.alert
    prior = _prior(draft, received)
    if prior is None:
        tombstone = AlertKey(
            sender=alert.sender, id=alert.id, sha256=alert.body_sha256, order=None,
            at_us=draft.now_us,
        )  # fmt: skip
        draft.put(tombstone)
        draft.report(None, "cancelled", medium="centre", detail=alert.id)
        _answer(draft, alert, "accepted", key=tombstone, reason="cancelled before it came")
        return
    order = _live_order(draft, prior)
    if order is None or not order.open:
        _answer(draft, alert, "duplicate", key=prior)
        return
    reason = alert.text or Wording(draft.site).text("detail_cancelled_by_centre")
    end_order(draft, order, Trigger.CANCELLED, reason)
    _answer(draft, alert, "accepted", order=draft.find(Order, order.id))
