"""One step of the engine: what an event changes and what it asks of the outside.

Rules for whoever edits this file:

1. :func:`step` is pure: the same state, site and event give the same outcome.
2. An event that fits nothing changes nothing; it is in the journal all the same.
3. Nothing is decided when changes are folded: every decision is made here, once.

The edges of an order's life are the table in ``gateway.core.life``; who is called and written
to is ``calling``; the clocks are ``ladder``; what people answer is ``answering``.
"""

from dataclasses import dataclass, replace
from itertools import chain, count

from gateway.core import talk
from gateway.core.alert import Alert, AlertKind, Assurance, Medium
from gateway.core.answer_window import pages_spoken
from gateway.core.answering import (
    apply_reply,
    button_pressed,
    media_received,
    text_received,
)
from gateway.core.calling import (
    US,
    call_guards,
    call_person,
    channels_used,
    end_deliveries,
    expired,
    grids_of,
    page_channel,
    refresh_card,
    refresh_cards,
    speak_again,
    stand_down,
    tell_people,
    told,
    ways_down,
    withdraw_pages,
)
from gateway.core.effects import Effect, Receipt
from gateway.core.events import (
    AlertReceived,
    ButtonPressed,
    CardFailed,
    CardPosted,
    ClockStepped,
    DigitsHeard,
    EnrolmentIssued,
    Event,
    InputRefused,
    KeyPattern,
    MediaReceived,
    OrderActed,
    OverHeard,
    PageFailed,
    PageSpoken,
    PageStarted,
    PageWaited,
    PathChanged,
    PersonErased,
    PersonLeft,
    RadioBlocked,
    RecordingKept,
    RecordingsExpired,
    RegisterSeeded,
    SettingsReloaded,
    SignalHeard,
    Started,
    TalkSwitched,
    TextReceived,
    TimerFired,
)
from gateway.core.identity import radio_blocked
from gateway.core.ladder import (
    climb,
    clock_due,
    follow_facts,
    start_clocks,
    start_station_clock,
    stop_clocks,
)
from gateway.core.life import LIFE, Trigger
from gateway.core.on_air import digits_heard, key_pattern, over_heard, signal_heard
from gateway.core.order import (
    AlertKey,
    Assignment,
    Card,
    Change,
    Counter,
    NumberLease,
    Order,
    OrderStatus,
    Page,
    Path,
    Timer,
)
from gateway.core.people import ERASED, Contact, EnrolmentCode, Person, Role, Tries
from gateway.core.places import Site
from gateway.core.replies import Action
from gateway.core.routing import find_grid, guards_on_duty
from gateway.core.state import Draft, State, by_age
from gateway.core.wording import Wording

# An order number is not used again for a day after the close, so that a late reply cannot
# reach another order.
NUMBER_REST_US = 24 * 3600 * US
# How long a cancel that came before its alert is remembered.
TOMBSTONE_US = 24 * 3600 * US
# Failed tries count for an hour at most.
TRIES_US = 3600 * US


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one step came to."""

    changes: tuple[Change, ...]
    effects: tuple[Effect, ...]


def step(state: State, site: Site, event: Event, *, synchronised: bool = True) -> Outcome:
    """Return what an event changes and asks for; the state itself is not touched."""
    draft = Draft(state, site, event.at_us, synchronised=synchronised)
    _take(draft, event)
    return Outcome(tuple(draft.changes), tuple(draft.effects))


def _take(draft: Draft, event: Event) -> None:  # noqa: C901  # one line a kind of event
    match event:
        case AlertReceived():
            _alert_received(draft, event)
        case OrderActed():
            _order_acted(draft, event)
        case DigitsHeard():
            digits_heard(draft, event)
            talk.signalled(draft, event)
        case OverHeard():
            over_heard(draft, event)
            talk.over_ended(draft, event)
        case SignalHeard():
            signal_heard(draft, event)
        case KeyPattern():
            key_pattern(draft, event)
        case ButtonPressed():
            button_pressed(draft, event)
        case TextReceived():
            text_received(draft, event)
            talk.text_received(draft, event)
        case MediaReceived():
            media_received(draft, event)
            talk.voice_received(draft, event)
        case PageWaited() | PageStarted() | PageSpoken() | PageFailed():
            if not talk.page_event(draft, event):
                _page_event(draft, event)
        case RecordingKept():
            talk.recording_kept(draft, event)
            _page_event(draft, event)
        case TalkSwitched():
            talk.switched(draft, event)
        case CardPosted() | CardFailed():
            _card_event(draft, event)
        case TimerFired():
            _timer_fired(draft, event)
        case PathChanged():
            _path_changed(draft, event)
        case RegisterSeeded() | EnrolmentIssued() | PersonLeft() | PersonErased():
            _register_event(draft, event)
        case RadioBlocked():
            radio_blocked(draft, event)
        case ClockStepped():
            _clock_stepped(draft, event)
        case Started() | SettingsReloaded():
            talk.restate(draft)
        case InputRefused() | RecordingsExpired():
            pass  # kept in the journal; nothing hangs on them


# ---- alerts ----


def _alert_received(draft: Draft, received: AlertReceived) -> None:
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
    _open_order(draft, received, flags=())


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


def _open_order(draft: Draft, received: AlertReceived, *, flags: tuple[str, ...]) -> None:
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
        number=_take_number(draft, order_id),
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


def _take_number(draft: Draft, order_id: str) -> str:
    """Return a number that no order has had for a day: the next free one in the round."""
    # Two digits while there are any, then three, then more (which a chat can name, but no
    # keypad from five on); none begins with a zero, which is easily left out.
    for digits in count(2):
        full = draft.find(Counter, f"number_{digits}_full")
        if full is not None and draft.now_us < full.value:
            continue
        number = _free_number(draft, digits)
        if number is not None:
            draft.put(NumberLease(number=number, order=order_id))
            return number
    raise AssertionError("numbers do not end")


def _free_number(draft: Draft, digits: int) -> str | None:
    """Return the next free number of so many digits, or None and remember how long that holds.

    In a storm every number of two digits, then of three, is soon in use, and each further order
    would look at all of them.
    """
    first, last = 10 ** (digits - 1), 10**digits - 1
    series = f"number_{digits}"
    counter = draft.find(Counter, series)
    begin = first if counter is None or counter.value >= last else counter.value + 1
    # One that is in use now will rest from its order's end.
    soonest_us = draft.now_us + NUMBER_REST_US
    for n in chain(range(begin, last + 1), range(first, begin)):
        lease = draft.find(NumberLease, str(n))
        if lease is None or _rested(draft, lease):
            if lease is not None:
                draft.drop(NumberLease, lease.number)
            draft.put(Counter(name=series, value=n))
            return str(n)
        if lease.free_us is not None:
            soonest_us = min(soonest_us, lease.free_us)
    draft.put(Counter(name=f"{series}_full", value=soonest_us))
    return None


def _rested(draft: Draft, lease: NumberLease) -> bool:
    return lease.free_us is not None and lease.free_us <= draft.now_us


def _sweep(draft: Draft) -> None:
    """Forget what has served its time, so that nothing grows for ever in the memory."""
    for lease in list(draft.state.each(NumberLease)):
        if _rested(draft, lease):
            draft.drop(NumberLease, lease.number)
    for key in list(draft.state.each(AlertKey)):
        if key.order is None and key.at_us < draft.now_us - TOMBSTONE_US:
            draft.drop(AlertKey, key.key)
    for tries in list(draft.state.each(Tries)):
        if tries.since_us < draft.now_us - TRIES_US:
            draft.drop(Tries, tries.source)


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


# ---- amendments ----


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
        _open_order(draft, fresh, flags=("update_first",))
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
    _end(draft, order, Trigger.CANCELLED, reason)
    _answer(draft, alert, "accepted", order=draft.find(Order, order.id))


def _end(draft: Draft, order: Order, trigger: Trigger, outcome: str) -> None:
    """End an order: its clocks stop, its number rests a day, its people are told."""
    status = LIFE[order.status].get(trigger)
    if status is None:
        return
    order = replace(order, status=status, closed_us=draft.now_us, outcome=outcome)
    draft.put(order)
    stop_clocks(draft, order)
    _sweep(draft)
    lease = draft.find(NumberLease, order.number)
    if lease is not None:
        draft.put(replace(lease, free_us=draft.now_us + NUMBER_REST_US))
    if trigger is Trigger.CANCELLED:
        draft.report(order, "cancelled", medium="centre", assurance="M", detail=outcome)
        stand_down(draft, order, reason=outcome)
    else:
        draft.report(order, "closed", medium="centre", assurance="H", detail=outcome)
        withdraw_pages(draft, order, reason=outcome, all_of_them=True)
    refresh_cards(draft, order)


def _order_acted(draft: Draft, acted: OrderActed) -> None:
    order = draft.find(Order, acted.order)
    if order is None or not order.open:
        reason = f"order {acted.order} is not open"
        draft.ask(Receipt(status="refused", sender=acted.by, id=acted.order, reason=reason))
        return
    if acted.act == "confirm":
        _confirm(draft, order, acted)
        return
    outcome = acted.result or acted.act
    if acted.act == "stand_down":
        _end(draft, order, Trigger.CANCELLED, outcome)
    else:
        _end(draft, order, Trigger.CLOSED, outcome)
    _answer_act(draft, acted, order)


def _answer_act(draft: Draft, acted: OrderActed, order: Order) -> None:
    draft.ask(
        Receipt(
            status="accepted",
            sender=acted.by,
            id=acted.order,
            order=order.id,
            number=order.number,
        )
    )


_CONFIRMED: dict[str, Action] = {
    "acknowledged": Action.ACKNOWLEDGE,
    "en_route": Action.EN_ROUTE,
    "arrived": Action.ARRIVED,
    "done": Action.DONE,
}


def _confirm(draft: Draft, order: Order, acted: OrderActed) -> None:
    """Take a voice that a dispatcher recognised for a person's answer."""
    detail = Wording(draft.site).text("detail_confirmed", by=acted.by)
    person = draft.find(Person, acted.person) if acted.person else None
    applied = person is not None and person.active and apply_reply(
        draft, order, person.id, _CONFIRMED[acted.node], medium=Medium.CENTRE,
        assurance=Assurance.H, detail=detail,
    )  # fmt: skip
    if applied:
        _answer_act(draft, acted, order)
        return
    reason = f"person {acted.person} is not addressed by order {order.number}"
    draft.ask(Receipt(status="refused", sender=acted.by, id=acted.order, reason=reason))


# ---- what became of pages and cards ----


def _page_event(
    draft: Draft,
    event: PageWaited | PageStarted | PageSpoken | PageFailed | RecordingKept,
) -> None:
    key = event.what if isinstance(event, RecordingKept) else event.page
    page = draft.find(Page, key)
    order = draft.find(Order, page.order) if page else None
    if page is None or order is None:
        return
    wording = Wording(draft.site)
    match event:
        case PageWaited():
            if page.state == "on_air":
                # Level 1 broke it off, and it waits for its turn again.
                draft.put(replace(page, state="queued"))
            why = wording.text(f"waiting_{event.reason}")
            detail = wording.text("detail_waiting", reason=why)
            draft.report(order, "waiting", medium="radio", detail=detail)
        case PageStarted():
            if page.state in ("queued", "withdrawn"):
                draft.put(replace(page, state="on_air", started_us=event.at_us))
        case PageSpoken():
            if page.state != "spoken":
                _page_spoken(draft, order, page, event)
        case PageFailed():
            _page_failed(draft, order, page, event)
        case RecordingKept():
            draft.put(replace(page, recording=event.path))


def _page_spoken(draft: Draft, order: Order, page: Page, spoken: PageSpoken) -> None:
    draft.put(replace(page, state="spoken", ended_us=spoken.at_us, recording=spoken.recording))
    told(draft, order, page.id, Medium.RADIO)
    if order.status is OrderStatus.CANCELLED and page.purpose != "stand_down":
        # It had begun when we took it back: who heard it must hear that it is off.
        off = [p for p in draft.of_order(Page, order.id) if p.purpose == "stand_down"]
        if all(p.channel != page.channel for p in off):
            page_channel(draft, order, page.channel, "stand_down", (), rung=order.rung)


def _page_failed(draft: Draft, order: Order, page: Page, failed: PageFailed) -> None:
    if page.state in ("spoken", "failed", "expired"):
        return
    draft.put(replace(page, state=failed.state, ended_us=failed.at_us))
    end_deliveries(draft, order, page.id, failed.state, failed.reason)
    if failed.state == "withdrawn":
        return
    key = "detail_page_expired" if failed.state == "expired" else "detail_page_failed"
    detail = Wording(draft.site).text(key, reason=failed.reason)
    draft.report(order, "warning", medium="radio", detail=detail)
    path = draft.find(Path, f"channel:{page.channel}")
    cut_short = page.state == "on_air" and failed.state == "failed"
    if cut_short and (path is None or path.up):
        speak_again(draft, order, page)


def _card_event(draft: Draft, event: CardPosted | CardFailed) -> None:
    card = draft.find(Card, event.card)
    order = draft.find(Order, card.order) if card else None
    if card is None or order is None:
        return
    if isinstance(event, CardPosted):
        card = replace(card, state="posted", message=event.message)
        draft.put(card)
        told(draft, order, card.id, Medium.CHAT)
        refresh_card(draft, order, card)
        return
    if card.state == "queued":
        draft.put(replace(card, state=event.state))
        end_deliveries(draft, order, card.id, event.state, event.reason)
    detail = Wording(draft.site).text(f"detail_card_{event.state}", reason=event.reason)
    draft.report(order, "warning", person=card.person, medium="chat", detail=detail)


# ---- clocks, paths, register ----


def _timer_fired(draft: Draft, fired: TimerFired) -> None:
    timer = draft.find(Timer, fired.timer)
    if timer is not None and fired.due_us in (None, timer.due_us):
        clock_due(draft, timer)


def _path_changed(draft: Draft, changed: PathChanged) -> None:
    before = draft.find(Path, changed.path)
    if before is not None and before.up == changed.up:
        return
    draft.put(
        Path(id=changed.path, up=changed.up, since_us=changed.at_us, reason=changed.reason)
    )
    wording = Wording(draft.site)
    if changed.up:
        if before is not None:
            detail = wording.text("detail_path_up", path=changed.path)
            draft.report(None, "health", detail=detail)
            _catch_up(draft, changed.path.removeprefix("channel:"))
        return
    key = {"chat": "detail_chat_down", "channel": "detail_channel_down"}.get(
        changed.path.split(":")[0], "detail_path_down"
    )
    detail = wording.text(key, path=changed.path, reason=changed.reason or "")
    draft.report(None, "health", detail=detail)
    for order_id in list(draft.state.open_orders()):
        order = draft.find(Order, order_id)
        if order is not None and ways_down(draft, order):
            draft.report(order, "warning", detail=wording.text("detail_no_way"))


def _catch_up(draft: Draft, channel: str) -> None:
    """Speak what failed while a channel was away and is still wanted, once it is back."""
    for order_id in list(draft.state.open_orders()):
        order = draft.find(Order, order_id)
        pages = [p for p in draft.of_order(Page, order_id) if p.channel == channel]
        if order is not None and pages and pages[-1].state == "failed":
            speak_again(draft, order, pages[-1])


def _clock_stepped(draft: Draft, stepped: ClockStepped) -> None:
    """Move what is due along with the clock: a wait of a minute stays a minute.

    The times of orders that stood open cannot be compared with the clock any more.
    """
    for timer in list(draft.state.each(Timer)):
        draft.put(replace(timer, due_us=timer.due_us + stepped.by_us))
    for channel in draft.site.channels:
        for page in pages_spoken(draft, channel):
            # Who answers it is found by how long after it he did; nobody's turn is certain now.
            ended_us = (page.ended_us or 0) + stepped.by_us
            draft.put(replace(page, ended_us=ended_us, slots=()))
    talk.clock_moved(draft, stepped.by_us)
    for counter in list(draft.state.each(Counter)):
        if counter.name.endswith("_full"):
            draft.drop(Counter, counter.name)
    if abs(stepped.by_us) > draft.site.response.clock_skew_s * US:
        for order_id in list(draft.state.open_orders()):
            order = draft.find(Order, order_id)
            if order is not None and "clock_stepped" not in order.flags:
                draft.put(replace(order, flags=(*order.flags, "clock_stepped")))
    seconds = f"{stepped.by_us / US:+.0f}"
    detail = Wording(draft.site).text("detail_clock_stepped", seconds=seconds)
    draft.report(None, "health", medium="clock", detail=detail)


def _register_event(
    draft: Draft, event: RegisterSeeded | EnrolmentIssued | PersonLeft | PersonErased
) -> None:
    match event:
        case RegisterSeeded():
            _seed(draft, event)
        case EnrolmentIssued():
            draft.put(
                EnrolmentCode(
                    person=event.person,
                    code_sha256=event.code_sha256,
                    expires_us=event.expires_us,
                )
            )
        case PersonLeft():
            _leave(draft, event.person)
        case PersonErased():
            _leave(draft, event.person)
            _erase(draft, event.person)


def _seed(draft: Draft, seeded: RegisterSeeded) -> None:
    """Take in whom the register does not know; what it knows is never overwritten."""
    fresh = [p for p in seeded.people if draft.find(Person, p.id) is None]
    for person in fresh:
        draft.put(person)
    names = {p.id for p in fresh}
    for contact in seeded.contacts:
        if contact.person in names:
            draft.put(contact)


def _erase(draft: Draft, person_id: str) -> None:
    """Take away what is personal, lest a later change of a row write it down again."""
    person = draft.find(Person, person_id)
    if person is None:
        return
    draft.put(replace(person, name=ERASED))
    for order_id in sorted(draft.state.orders_of(person_id), key=by_age):
        his = draft.find(Assignment, f"{order_id}/{person_id}")
        if his is not None and his.reason is not None:
            draft.put(replace(his, reason=ERASED))
        for card in draft.of_order(Card, order_id):
            if card.person == person_id:
                draft.put(replace(card, address=ERASED))


def _leave(draft: Draft, person_id: str) -> None:
    """Take a person off every medium at once; his open orders look for somebody else."""
    person = draft.find(Person, person_id)
    if person is None or not person.active:
        return
    draft.put(replace(person, active=False))
    draft.drop(EnrolmentCode, person.id)
    for contact in draft.state.contacts_of(person.id):
        draft.drop(Contact, contact.key)
    reason = Wording(draft.site).text("detail_left")
    for order_id in sorted(draft.state.orders_of(person.id), key=by_age):
        order = draft.find(Order, order_id)
        if order is not None and order.open:
            apply_reply(
                draft, order, person.id, Action.CANNOT_COME, medium=Medium.CENTRE,
                assurance=Assurance.H, reason=reason,
            )  # fmt: skip
