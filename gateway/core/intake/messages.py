"""What the centre's messages do, in whatever order and however often they come.

Theory of operation. Every message leaves a key: by it a repeat is known, and when each was sent
is known too. The word of the message sent last stands in an order, whoever came first; an older
one that comes late changes nothing and is answered so. A message may come before the one it is
about: an update then opens the order, a cancel leaves a tombstone on which the alert is buried.
The place of an order, and for whom it is meant, are those of its latest message that says them.
Of two messages sent at the same moment the update counts as later than the alert, of two
updates the one that refers to more messages, as its writer knew of more; else their digests
decide, by chance but for all orders of arrival alike. So all of them end alike
(``tests/core/test_messages.py`` tries them).
"""

from dataclasses import replace
from typing import Final

from gateway.core.after.closing import end_order
from gateway.core.alert import Alert, AlertKind
from gateway.core.calls.calling import expired
from gateway.core.calls.first_call import by_name, unknown_target
from gateway.core.effects import Receipt
from gateway.core.intake.amending import amend, led_by, move
from gateway.core.intake.events import AlertReceived, MessageNoted
from gateway.core.intake.machine_alerts import machine_alarm, machine_noted
from gateway.core.intake.message_keys import AWAITED, key_of, named_by, own_id, prior_of
from gateway.core.intake.opening import (
    answer_message,
    in_doubt,
    incident_id,
    know_incident,
    open_order,
)
from gateway.core.intake.placing import place
from gateway.core.life import Trigger
from gateway.core.order import AlertKey, Order, OrderStatus
from gateway.core.policy.release import CLEARED, why_held
from gateway.core.readiness.drills import alert_barred
from gateway.core.reasons import Why, Worded
from gateway.core.state import Draft
from gateway.core.wording import Wording, because

# So many alerts are named to people at once.
_NAMED: Final = 5


def alert_received(draft: Draft, received: AlertReceived) -> None:
    """Take a message of the centre and answer it with a receipt."""
    draft.synchronised = draft.synchronised and received.synchronised
    problem = unknown_target(draft, received.alert.to)
    if problem is not None and not _calls_nobody(draft, received):
        answer_message(draft, received.alert, "refused", reason=problem)
        return
    match received.alert.kind:
        case AlertKind.ALERT:
            _raise(draft, received)
        case AlertKind.UPDATE:
            _update(draft, received)
        case AlertKind.CANCEL:
            _cancel(draft, received)


def _calls_nobody(draft: Draft, received: AlertReceived) -> bool:
    """Return whether a message is a cancel, or has come before."""
    alert = received.alert
    if alert.kind is AlertKind.ALERT:
        return prior_of(draft, received) is not None
    own = draft.find(AlertKey, f"{alert.sender}\n{own_id(alert)}")
    came = own is not None and own.sha256 != AWAITED
    return alert.kind is AlertKind.CANCEL or came


def message_noted(draft: Draft, noted: MessageNoted) -> None:
    """Write down what the centre sent that calls nobody, and answer it."""
    text = noted.text or noted.id
    gaps = {"sender": noted.sender, "text": text}
    detail = Wording(draft.site).text(f"detail_noted_{noted.what}", **gaps)
    node = "warning" if noted.what == "error" else "health"
    draft.report(None, node, medium="centre", assurance="M", detail=detail)
    draft.ask(Receipt(status="accepted", sender=noted.sender, id=noted.id, reason=detail))


# ---- keys ----


def _repeated(draft: Draft, received: AlertReceived, known: AlertKey) -> bool:
    """Answer a message whose own key is known, unless it is the one that was awaited."""
    alert = received.alert
    if known.order is None and known.what not in ("cancel", "noted"):
        _bury(draft, received)
    elif known.sha256 == alert.body_sha256:
        answer_message(draft, alert, "duplicate", key=known)
    elif known.sha256 == AWAITED:
        return False
    else:
        reason = because(draft.site, Why.OTHER_BODY)
        answer_message(draft, alert, "conflict", key=known, reason=reason)
    return True


def _bury(draft: Draft, received: AlertReceived) -> None:
    """Accept what was cancelled before it came, and send nothing of it."""
    alert = received.alert
    if alert.kind is AlertKind.UPDATE:
        draft.put(key_of(draft, alert, None))
    detail = Wording(draft.site).text("detail_cancelled_before")
    draft.report(None, "cancelled", medium="centre", detail=f"{alert.id}: {detail}")
    answer_message(draft, alert, "accepted", reason=detail)


# ---- an alert ----


def _raise(draft: Draft, received: AlertReceived) -> None:
    alert = received.alert
    prior = prior_of(draft, received)
    if prior is not None:
        if not _repeated(draft, received, prior):
            _late_original(draft, received, prior)
        return
    if machine_noted(draft, received):
        return
    order = _of_incident(draft, alert)
    if order is not None:
        _join(draft, order, alert)
    elif alert.machine is not None:
        machine_alarm(draft, received)
    elif alert.exercise and (why := alert_barred(draft, alert)) is not None:
        answer_message(draft, alert, "refused", reason=why)
    else:
        open_order(draft, received, flags=())


def _of_incident(draft: Draft, alert: Alert) -> Order | None:
    """Return the open order of the incident that an alert belongs to."""
    if alert.incident is None:
        return None
    key = draft.find(AlertKey, f"{alert.sender}\n{incident_id(alert.incident)}")
    order = draft.find(Order, key.order) if key is not None and key.order else None
    return order if order is not None and order.open else None


def _join(draft: Draft, order: Order, alert: Alert) -> None:
    """Take another alert of an incident into the incident's order."""
    if alert.exercise is not order.alert.exercise:
        _refuse_exercise(draft, alert, order)
        return
    draft.put(key_of(draft, alert, order))
    _take_in(draft, order, alert, note="detail_incident")


def _late_original(draft: Draft, received: AlertReceived, prior: AlertKey) -> None:
    """Know an alert that others have named before it came; its word is an old one."""
    alert, order = received.alert, draft.find(Order, prior.order or "")
    if order is not None and order.open and order.alert.exercise is not alert.exercise:
        _refuse_exercise(draft, alert, order)
        return
    key = key_of(draft, alert, order)
    draft.put(replace(key, what="cancelled" if prior.what == "cancelled" else key.what))
    if order is not None:
        if _of_incident(draft, alert) is None:
            know_incident(draft, order, alert.incident)
        _fold(draft, order, alert)
        _alert_came(draft, order.id)
    answer_message(draft, alert, "duplicate", key=prior)


def _alert_came(draft: Draft, order_id: str) -> None:
    """Take the flag off an order whose update came before its alert."""
    order = draft.find(Order, order_id)
    if order is not None and "update_first" in order.flags:
        flags = tuple(f for f in order.flags if f != "update_first")
        draft.put(replace(order, flags=flags))


# ---- the order's content: what was sent last ----


def _rank(key: AlertKey) -> tuple[int, bool, int, str]:
    return key.sent_us, key.what == "update", key.names, key.sha256


def _fold(draft: Draft, order: Order, alert: Alert) -> bool:
    """Let a message whose key is put say what it has to say; return whether it did.

    The order's word, its place and those it is meant for are each those of the latest message
    that has them.
    """
    mine = draft.find(AlertKey, f"{alert.sender}\n{own_id(alert)}")
    assert mine is not None
    known = [k for k in draft.of_order(AlertKey, order.id) if _speaks(k) and k != mine]
    placed = [k for k in known if k.grid is not None]
    to = _whom([*known, mine], order.alert.to)
    here = mine.grid is not None and _latest(mine, placed)
    where = alert if here else order.alert
    grid = mine.grid if here else max(placed, key=_rank).grid if placed else None
    if _latest(mine, known):
        said = _said(order, alert, to)
        if placed:
            said = _placed(draft, said, where, grid)
        if order.open:
            amend(draft, order, said, named=mine.to is not None)
        else:
            _write_down(draft, order, said)
        return True
    if (private := _all_private(order, alert)) != tuple(sorted(order.alert.private)):
        order = replace(order, alert=replace(order.alert, private=private))
        draft.put(order)
    if here or to != order.alert.to:
        _move(draft, order, _placed(draft, replace(order.alert, to=to), where, grid))
    return False


def _placed(draft: Draft, alert: Alert, where: Alert, grid: str | None) -> Alert:
    """Return an alert that lies where another does, which its message's key says is a grid."""
    alert = replace(alert, **{name: getattr(where, name) for name in _WHERE})
    wordless = replace(alert, text="", place=None)
    if grid is not None and place(draft.site, wordless).own is None:
        # It was found by its words, which a later message replaces.
        return replace(alert, grid=grid)
    return alert


def _whom(known: list[AlertKey], told: str | None) -> str | None:
    """Return whom an order is meant for, by all its messages; ``told`` where none says it.

    A grid that is named later takes the place of a zone, a station or all grids; people who
    are meant by name stay meant wherever it is.
    """
    if all(key.to is None for key in known):
        return told
    to = None
    for key in sorted(known, key=_rank):
        if key.to is not None:
            to = key.to
        elif key.grid is not None and not by_name(to):
            to = None
    return to


def _latest(mine: AlertKey, others: list[AlertKey]) -> bool:
    return all(_rank(k) <= _rank(mine) for k in others)


def _speaks(key: AlertKey) -> bool:
    return key.what in ("alert", "update", "cancelled") and key.sha256 != AWAITED


def _said(order: Order, alert: Alert, to: str | None) -> Alert:
    """Return an order's alert with the words of a message; it stays the alert it is."""
    said = {name: getattr(alert, name) for name in _CONTENT}
    private = _all_private(order, alert)
    return replace(order.alert, **(said | {"to": to, "private": private}))


def _all_private(order: Order, alert: Alert) -> tuple[str, ...]:
    """Return what any message of an order has called private; a later one need not."""
    return tuple(sorted({*order.alert.private, *alert.private}))


def _write_down(draft: Draft, order: Order, alert: Alert) -> None:
    """Give a cancelled order the last word on what it was, for the record alone."""
    # What was let go is not what stands there now, if it is ever opened again.
    flags = tuple(f for f in order.flags if f != CLEARED)
    _move(draft, replace(order, revision=order.revision + 1, flags=flags), alert)


# Where an alert lies, by other things than its words.
_WHERE: Final = ("location", "grid", "grids", "areas")
# What an alert says, without who it is.
_CONTENT: Final = (
    "sent_us", "category", "level", "text", "place", "location", "grid", "needs",
    "expires_us", "attachments", "to", "grids", "areas", "body_sha256", "tasks", "private",
    "through",
)  # fmt: skip


def _move(draft: Draft, order: Order, alert: Alert) -> None:
    if order.open:
        move(draft, order, alert)
    else:
        order = replace(order, alert=alert)
        draft.put(led_by(draft, order, place(draft.site, alert)))


def _take_in(draft: Draft, order: Order, alert: Alert, *, note: str | None = None) -> None:
    """Let a message amend an order, and answer what became of it."""
    wording = Wording(draft.site)
    if not order.open:
        _fold(draft, order, alert)
        noted = wording.text("detail_noted_after_cancel")
        answer_message(draft, alert, "accepted", order=order, reason=noted)
        return
    reason = wording.text(note) if note else None
    if _fold(draft, order, alert):
        doubt = in_doubt(draft, place(draft.site, alert))
        reason = _why_untold(draft, order.id) or doubt or reason
    else:
        reason = wording.text(_why_older(draft, order, alert))
        draft.report(order, "warning", medium="centre", detail=f"{alert.id}: {reason}")
    answer_message(
        draft, alert, "accepted", order=draft.find(Order, order.id), reason=reason
    )


def _why_untold(draft: Draft, order_id: str) -> Worded | None:
    """Return in words why an amendment is told to nobody, or None."""
    order = draft.find(Order, order_id)
    if order is not None and order.open and expired(draft, order):
        return Wording(draft.site).text("detail_expired_before")
    return why_held(draft, order) if order is not None else None


def _why_older(draft: Draft, order: Order, alert: Alert) -> str:
    """Return the sentence that says why a message does not count."""
    latest = max(map(_sent, draft.of_order(AlertKey, order.id)))
    return "detail_same_moment" if latest == alert.sent_us else "detail_older"


def _sent(key: AlertKey) -> int:
    return key.sent_us if _speaks(key) else 0


def _refuse_exercise(draft: Draft, alert: Alert, order: Order) -> None:
    why = Why.IS_DRILL if order.alert.exercise else Why.IS_REAL
    reason = because(draft.site, why, number=order.number)
    answer_message(draft, alert, "refused", order=order, reason=reason)


# ---- an update ----


def _update(draft: Draft, received: AlertReceived) -> None:
    alert = received.alert
    own = draft.find(AlertKey, f"{alert.sender}\n{own_id(alert)}")
    if own is not None and _repeated(draft, received, own):
        return
    named = list(named_by(draft, received))
    known = [key for _, _, key in named if key is not None]
    if own is not None:
        known.append(own)
    if known and all(key.order is None for key in known):
        _bury(draft, received)
        return
    if not known:
        _update_first(draft, received, named)
        return
    _update_known(draft, alert, named, known)


def _update_first(
    draft: Draft, received: AlertReceived, named: list[tuple[str, str, AlertKey | None]]
) -> None:
    """Open an order for an update of what is unknown: a lost alert must not lose the call."""
    alert = received.alert
    fresh = replace(received, alert=replace(alert, kind=AlertKind.ALERT))
    open_order(draft, fresh, flags=("update_first",))
    opened = draft.find(AlertKey, f"{alert.sender}\n{alert.id}")
    order = draft.find(Order, opened.order) if opened and opened.order else None
    assert order is not None, "open_order puts the key of what it opens"
    _await(draft, order, named)
    draft.put(key_of(draft, alert, order))


def _await(
    draft: Draft, order: Order, named: list[tuple[str, str, AlertKey | None]]
) -> None:
    """Remember to which order the messages belong that were named and have not come."""
    for sender, id_, known in named:
        if known is None:
            draft.put(
                AlertKey(
                    sender=sender, id=id_, sha256=AWAITED, order=order.id,
                    number=order.number, at_us=draft.now_us,
                )
            )  # fmt: skip


def _update_known(
    draft: Draft,
    alert: Alert,
    named: list[tuple[str, str, AlertKey | None]],
    known: list[AlertKey],
) -> None:
    orders = _orders_of(draft, known)
    live = [o for o in orders if o.open]
    ended = [o for o in orders if o.status is OrderStatus.CANCELLED]
    if not live and not ended:
        closed = because(draft.site, Why.ORDER_CLOSED)
        answer_message(draft, alert, "refused", key=known[0], reason=closed)
        return
    order = (live or ended)[0]
    if alert.exercise is not order.alert.exercise:
        _refuse_exercise(draft, alert, order)
        return
    _await(draft, order, named)
    for other in live[1:]:
        # CAP lets one update amend several orders; its key leads to the first.
        if other.alert.exercise is alert.exercise:
            said = _said(other, alert, alert.to or other.alert.to)
            here = place(draft.site, alert).own is not None
            amend(draft, other, _placed(draft, said, alert if here else other.alert, None))
    draft.put(key_of(draft, alert, order))
    _take_in(draft, order, alert)


def _orders_of(draft: Draft, keys: list[AlertKey]) -> list[Order]:
    """Return the orders that keys lead to, each once."""
    ids = dict.fromkeys(key.order for key in keys if key.order is not None)
    return [order for id_ in ids if (order := draft.find(Order, id_)) is not None]


# ---- a cancel ----


def _cancel(draft: Draft, received: AlertReceived) -> None:
    alert = received.alert
    own = draft.find(AlertKey, f"{alert.sender}\n{alert.id}") if alert.references else None
    if own is not None and _repeated(draft, received, own):
        return
    named = list(named_by(draft, received))
    known = [key for _, _, key in named if key is not None]
    live = [o for o in _orders_of(draft, known) if o.open]
    if alert.exercise and any(not o.alert.exercise for o in live):
        _refuse_exercise(draft, alert, next(o for o in live if not o.alert.exercise))
        return
    if alert.references:
        draft.put(key_of(draft, alert, live[0] if live else None))
    fresh = [(sender, id_) for sender, id_, key in named if key is None]
    for sender, id_ in fresh:
        draft.put(
            AlertKey(
                sender=sender, id=id_, sha256=alert.body_sha256, order=None,
                at_us=draft.now_us, what="cancelled",
            )
        )  # fmt: skip
        draft.report(None, "cancelled", medium="centre", detail=id_)
    for key in known:
        if key.what == "alert" and key.order is not None:
            draft.put(replace(key, what="cancelled"))
    reason = alert.text or Wording(draft.site).text("detail_cancelled_by_centre")
    going_on = [o for o in live if not _call_off(draft, o, known, reason)]
    _answer_cancel(draft, alert, live, going_on, known)


def _call_off(draft: Draft, order: Order, named: list[AlertKey], reason: str) -> bool:
    """End an order, unless another alert of its incident stands; return whether it ended."""
    mine = [k for k in named if k.order == order.id]
    standing = [
        k
        for k in draft.of_order(AlertKey, order.id)
        if k.what == "alert" and k.sha256 != AWAITED
    ]
    if standing and all(k.what == "alert" for k in mine):
        ids = "、".join(k.id for k in standing[:_NAMED])
        detail = Wording(draft.site).text("detail_cancelled_in_part", ids=ids)
        draft.report(order, "warning", medium="centre", detail=detail)
        return False
    end_order(draft, order, Trigger.CANCELLED, reason)
    return True


def _answer_cancel(
    draft: Draft,
    alert: Alert,
    live: list[Order],
    going_on: list[Order],
    known: list[AlertKey],
) -> None:
    if not known:
        first = because(draft.site, Why.CANCEL_FIRST)
        answer_message(draft, alert, "accepted", reason=first)
        return
    if not live:
        answer_message(draft, alert, "duplicate", key=known[0])
        return
    reason = None
    if going_on:
        numbers = "、".join(o.number for o in going_on)
        reason = Wording(draft.site).text("detail_goes_on", numbers=numbers)
    elif len(live) > 1:
        numbers = "、".join(o.number for o in live)
        reason = Wording(draft.site).text("detail_cancelled_several", numbers=numbers)
    answer_message(
        draft, alert, "accepted", order=draft.find(Order, live[0].id), reason=reason
    )
