"""How an alert becomes an order, and how an order is amended.

Which message of the centre does what, in whatever order they come, is ``messages``.
"""

from dataclasses import replace

from gateway.core.alert import Alert, AlertKind
from gateway.core.calls.calling import (
    US,
    channels_used,
    expired,
    page_channel,
    refresh_cards,
    tell_people,
)
from gateway.core.calls.first_call import call_first, call_moved, grids_meant
from gateway.core.calls.ladder import (
    follow_facts,
    start_clocks,
)
from gateway.core.calls.owner import settle_owner
from gateway.core.effects import Receipt
from gateway.core.intake.events import AlertReceived
from gateway.core.intake.numbers import take_number
from gateway.core.intake.placing import Placing, place
from gateway.core.life import LIFE, Trigger
from gateway.core.order import (
    AlertKey,
    Order,
    OrderStatus,
)
from gateway.core.policy.release import (
    MARKS,
    amendment_held,
    held_back,
    screened,
    what_was_said,
    why_held,
)
from gateway.core.readiness.settings import Drill
from gateway.core.state import Draft
from gateway.core.wording import Wording


def answer_message(
    draft: Draft,
    alert: Alert,
    status: str,
    *,
    order: Order | None = None,
    key: AlertKey | None = None,
    reason: str | None = None,
) -> None:
    """Give the receipt of a message: what became of it, and of which order it is."""
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


def open_order(draft: Draft, received: AlertReceived, *, flags: tuple[str, ...]) -> None:
    """Open an order for an alert, call its first people and start its clocks."""
    alert, marked = screened(draft, received.alert)
    order_id = f"o{draft.next_id('order')}"
    placing = place(draft.site, alert)
    grids = grids_meant(draft, alert, placing.grids)
    skewed = abs(received.at_us - alert.sent_us) > draft.site.response.clock_skew_s * US
    found = {
        "clock_unset": not draft.synchronised,
        "clock_skew": skewed,
        "no_grid": not grids,
        "border": bool(placing.border),
        "wide": bool(placing.wide),
        "exercise": alert.exercise,
    }
    flags = (*flags, *(flag for flag, holds in found.items() if holds), *marked)
    kind = draft.site.policy.kind(alert)
    order = Order(
        id=order_id,
        number=take_number(draft, order_id, drill=alert.exercise),
        status=OrderStatus.CALLING,
        alert=alert,
        grids=grids,
        opened_us=received.at_us,
        clock_us=received.at_us if skewed else alert.sent_us,
        flags=flags,
        settings=draft.site.version,
        template=None if kind is None else kind.version,
    )
    draft.put(order)
    if alert.exercise:
        draft.put(Drill(id=order.id, order=order.id, at_us=received.at_us))
    draft.put(
        AlertKey(
            sender=alert.sender,
            id=alert.id,
            sha256=alert.body_sha256,
            order=order.id,
            number=order.number,
            at_us=received.at_us,
            sent_us=alert.sent_us,
            grid=placing.own,
        )
    )
    if alert.incident is not None:
        draft.put(_incident_key(draft, order, alert.incident))
    draft.report(order, "accepted", medium="centre", assurance="M", detail=_notes(draft, order))
    if expired(draft, order):
        _expired_on_arrival(draft, order)
        settle_owner(draft, order_id)
    elif not held_back(draft, order):
        call_first(draft, order)
    order = draft.find(Order, order_id) or order
    reason = why_held(draft, order) or _unheard(draft, order) or in_doubt(draft, placing)
    reason = reason or what_was_said(draft, order)
    answer_message(draft, alert, "accepted", order=order, reason=reason)


def _incident_key(draft: Draft, order: Order, incident: str) -> AlertKey:
    return AlertKey(
        sender=order.alert.sender, id=incident_id(incident), sha256="", order=order.id,
        number=order.number, at_us=draft.now_us, what="incident",
    )  # fmt: skip


def incident_id(incident: str) -> str:
    """Return as what an incident stands among the keys: no message can have such an id."""
    return f"{incident}\nincident"


def in_doubt(draft: Draft, placing: Placing) -> str | None:
    """Return in words which other grids the centre may choose by an update, or None."""
    wording = Wording(draft.site)
    if placing.wide:
        return wording.text("detail_wide", count=placing.wide, called=len(placing.grids))
    if not placing.border or placing.own is None:
        return None
    named = [f"{draft.site.grids[g].name} ({g})" for g in (placing.own, *placing.border)]
    return wording.text("detail_border", called=named[0], others="、".join(named[1:]))


def _unheard(draft: Draft, order: Order) -> str | None:
    """Return in words why an accepted alert has reached nobody in its own grid, or None."""
    for flag in ("no_grid", "nobody", "nobody_near"):
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


def amend(draft: Draft, order: Order, alert: Alert) -> None:
    """Change an order in place and tell its people, unless guards may not be told of it."""
    alert, marked = screened(draft, alert)
    if not amendment_held(draft, order, alert):
        now = draft.find(Order, order.id) or order
        flags = tuple(f for f in now.flags if f not in MARKS)
        amend_now(draft, replace(order, flags=(*flags, *marked)), alert)


def amend_now(draft: Draft, order: Order, alert: Alert) -> None:
    """Change an order in place and tell its people; a new grid gets the full call.

    The clocks go on, unless the level rises or there is nothing left of them.
    """
    raised = alert.level < order.alert.level
    over, unanswered = expired(draft, order), order.status is OrderStatus.UNANSWERED
    order = replace(
        order, alert=replace(alert, kind=AlertKind.ALERT), revision=order.revision + 1
    )
    placing = place(draft.site, order.alert)
    moved = placing.own is not None and placing.own not in order.grids
    if placing.own is not None:
        order = led_by(order, placing)
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
        call_moved(draft, order)
    if afresh:
        start_clocks(draft, order)
    follow_facts(draft, order.id, climbing=False if raised else None)


def move(draft: Draft, order: Order, grid: str) -> None:
    """Give an order another grid as its own, from a message whose words do not count."""
    moved = grid not in order.grids
    order = led_by(order, Placing(grids=(grid,)))
    draft.put(order)
    if moved and not expired(draft, order):
        call_moved(draft, order)


def led_by(order: Order, placing: Placing) -> Order:
    """Return the order with the grids found as its first; the others stay addressed."""
    others = tuple(g for g in order.grids if g not in placing.grids)
    doubts = {"border": bool(placing.border), "wide": bool(placing.wide)}
    flags = [f for f in order.flags if f not in ("no_grid", *doubts)]
    flags += [flag for flag, holds in doubts.items() if holds]
    return replace(order, grids=(*placing.grids, *others), flags=tuple(flags))


def _tell_amendment(draft: Draft, order: Order) -> None:
    for channel in channels_used(draft, order):
        page_channel(draft, order, channel, "update", (), rung=order.rung)
    said = Wording(draft.site).told(order.alert)
    tell_people(draft, order, "note_update", privately=True, text=said)
