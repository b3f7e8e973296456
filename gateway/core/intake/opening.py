"""How an alert becomes an order; how an order is amended is ``amending``.

Which message of the centre does what, in whatever order they come, is ``messages``.
"""

from dataclasses import replace

from gateway.core.alert import Alert
from gateway.core.calls.calling import US, expired
from gateway.core.calls.first_call import by_name, call_first, grids_meant
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
    held_back,
    screened,
    what_was_said,
    why_held,
)
from gateway.core.readiness.settings import Drill
from gateway.core.reasons import Worded
from gateway.core.state import Draft
from gateway.core.wording import Wording


def answer_message(
    draft: Draft,
    alert: Alert,
    status: str,
    *,
    order: Order | None = None,
    key: AlertKey | None = None,
    reason: Worded | None = None,
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
            to=alert.to,
        )
    )
    know_incident(draft, order, alert.incident)
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


def know_incident(draft: Draft, order: Order, incident: str | None) -> None:
    """Remember of which incident an order is, so that its later alerts join it."""
    if incident is not None:
        draft.put(
            AlertKey(
                sender=order.alert.sender, id=incident_id(incident), sha256="",
                order=order.id, number=order.number, at_us=draft.now_us, what="incident",
            )
        )  # fmt: skip


def incident_id(incident: str) -> str:
    """Return as what an incident stands among the keys: no message can have such an id."""
    return f"{incident}\nincident"


def in_doubt(draft: Draft, placing: Placing) -> Worded | None:
    """Return in words which other grids the centre may choose by an update, or None."""
    wording = Wording(draft.site)
    if placing.wide:
        return wording.text("detail_wide", count=placing.wide, called=len(placing.grids))
    if not placing.border or placing.own is None:
        return None
    named = [f"{draft.site.grids[g].name} ({g})" for g in (placing.own, *placing.border)]
    return wording.text("detail_border", called=named[0], others="、".join(named[1:]))


def _unheard(draft: Draft, order: Order) -> Worded | None:
    """Return in words why an accepted alert has reached nobody in its own grid, or None."""
    wording = Wording(draft.site)
    if "expired" in order.flags:
        return wording.text("detail_expired_before")
    if "nobody" in order.flags and by_name(order.alert.to):
        return wording.text("detail_to_off_duty")
    for flag in ("no_grid", "nobody", "nobody_near"):
        if flag in order.flags:
            return wording.text(f"detail_{flag}")
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
