"""What named people do to an order beside calling and closing it; and what is owed afterwards.

Rules for whoever edits this file:

1. Nothing that stands in the record is changed: a correction is a node of its own that says
   what stood there, what is right, and why.
2. Every act has a named person. Time alone reminds; it never closes, reopens or lifts.
3. An order closed for more than a day is not in the memory: the event then brings it along
   (``prior``), and only reopening puts it back.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final, Literal, Protocol

from gateway.core.after.entities import FollowUp, LegalHold
from gateway.core.after.events import OrderTended, PriorOrder
from gateway.core.after.handover import hand_over
from gateway.core.alert import Assurance, Medium
from gateway.core.answers.timeline import order_of_number
from gateway.core.calls.calling import (
    US,
    channels_used,
    refresh_cards,
    tell_people,
)
from gateway.core.calls.first_call import call_first
from gateway.core.calls.ladder import stop_clocks
from gateway.core.calls.spoken_again import say_beside
from gateway.core.effects import Receipt, ReportStatus, SendText
from gateway.core.intake.numbers import rested, take_number
from gateway.core.life import left
from gateway.core.order import Assignment, Node, NumberLease, Order, OrderStatus, Stamp, Timer
from gateway.core.people import Person
from gateway.core.reasons import Why, Worded
from gateway.core.state import Draft
from gateway.core.wording import Wording, because

FOLLOW_UP: Final = "follow_up"
DAY_US: Final = 24 * 3600 * US
# He is reminded each day until he was there, so often at most.
MOST_REMINDERS: Final = 7
# Flags of how an order began that do not hold when it is opened again.
_STALE_FLAGS: Final = (
    "expired", "nobody", "nobody_near", "clock_stepped", "clock_unset", "in_danger"
)  # fmt: skip
# Flags that say so of the times it has; they hold of those, not of the times to come.
_DOUBTED: Final = frozenset({"clock_stepped", "clock_unset"})


class Hold(Protocol):
    """Keeps an order that is opened again from guards; see ``gateway.core.policy.release``."""

    def __call__(self, draft: Draft, order: Order, *, by: str, through: str) -> bool:
        """Return whether guards are not to be called to it before a release."""
        ...


def order_tended(draft: Draft, tended: OrderTended, hold: Hold) -> None:
    """Do what a named person does to an order, and answer him.

    Args:
        draft: The step's draft.
        tended: What is done.
        hold: Asked before people are called to an order that is opened again.
    """
    order = draft.find(Order, tended.order) or order_of_number(draft, tended.order)
    if order is None and tended.prior is not None:
        order = tended.prior.order
    if order is None:
        unknown = because(draft.site, Why.ORDER_UNKNOWN, order=tended.order)
        _answer(draft, tended, None, unknown)
        return
    problem = _ACTS[tended.act](draft, order, tended)
    if tended.act == "reopen" and problem is None:
        _call_again(draft, draft.find(Order, order.id) or order, tended, hold)
    _answer(draft, tended, draft.find(Order, order.id) or order, problem)


def _answer(
    draft: Draft, tended: OrderTended, order: Order | None, problem: Worded | None
) -> None:
    status: Literal["accepted", "refused"] = "refused" if problem else "accepted"
    draft.ask(
        Receipt(
            status=status, sender=tended.by, id=tended.order, reason=problem,
            order=order.id if order else None, number=order.number if order else None,
        )
    )  # fmt: skip


def _not_open(draft: Draft, order: Order) -> Worded:
    return because(draft.site, Why.ORDER_NOT_OPEN, order=order.number)


# ---- while it is open ----


def _caution(draft: Draft, order: Order, tended: OrderTended) -> Worded | None:
    """Warn everybody called, spoken and written; level and clocks stay."""
    if not order.open:
        return _not_open(draft, order)
    wording = Wording(draft.site)
    barred = draft.site.policy.barred(tended.text)
    if barred:
        return wording.text("caution_barred", words=wording.listed(barred))
    for channel in channels_used(draft, order):
        say_beside(draft, order, channel, "caution", words=tended.text)
    written = wording.written(tended.text, order.alert)
    tell_people(draft, order, "note_caution", privately=True, text=written)
    detail = wording.text("detail_caution", text=tended.text, by=tended.by)
    draft.report(order, "caution", medium="centre", assurance="H", detail=detail)
    return None


def _handed(draft: Draft, order: Order, tended: OrderTended) -> Worded | None:
    if not order.open:
        return _not_open(draft, order)
    hand_over(draft, order, by=tended.by, note=tended.text)
    return None


# ---- afterwards ----


def _follow_up(draft: Draft, order: Order, tended: OrderTended) -> Worded | None:
    person = draft.find(Person, tended.person or "")
    if person is None or not person.active:
        return because(draft.site, Why.NO_PERSON, person=tended.person)
    if order.alert.exercise:
        return because(draft.site, Why.DRILL_NO_VISIT, order=order.number)
    owe_follow_up(draft, order, person.id, tended.days or 1, by=tended.by)
    return None


def owe_follow_up(
    draft: Draft, order: Order, person: str | None, days: int, *, by: str
) -> None:
    """Have somebody reminded to go there again; a later wish takes the place of an earlier."""
    due_us = draft.now_us + days * DAY_US
    owed = FollowUp(order=order.id, number=order.number, person=person, due_us=due_us)
    draft.put(owed)
    _remind_at(draft, owed)
    detail = Wording(draft.site).text("detail_follow_up", days=days, by=by)
    _report(draft, owed, "follow_up", medium="centre", assurance="H", detail=detail)


def _remind_at(draft: Draft, owed: FollowUp) -> None:
    # Of an id of its own: clocks of an order go with it, and this one comes long after.
    draft.wake(FOLLOW_UP, f"{FOLLOW_UP}:{owed.order}", owed.due_us)


def follow_up_due(draft: Draft, timer: Timer) -> None:
    """Remind who owes a visit, each day until he was there; the centre reads it too."""
    draft.drop(Timer, timer.key)
    owed = draft.find(FollowUp, timer.order.removeprefix(f"{FOLLOW_UP}:"))
    if owed is None:
        return
    owed = replace(owed, reminded=owed.reminded + 1, due_us=owed.due_us + DAY_US)
    draft.put(owed)
    detail = Wording(draft.site).text("detail_follow_up_due", times=owed.reminded)
    _report(draft, owed, "follow_up_due", medium="clock", detail=detail)
    person = draft.find(Person, owed.person or "")
    if person is not None and person.active:
        _write(draft, person, owed)
    if owed.reminded < MOST_REMINDERS:
        _remind_at(draft, owed)


def _write(draft: Draft, person: Person, owed: FollowUp) -> None:
    text = Wording(draft.site, person.language).text("note_follow_up", number=owed.number)
    for contact in draft.state.contacts_of(person.id):
        draft.ask(
            SendText(
                chat=contact.chat, address=contact.address, text=text, level=3,
                not_after_us=draft.now_us + DAY_US,
            )
        )  # fmt: skip


def _followed_up(draft: Draft, order: Order, tended: OrderTended) -> Worded | None:
    owed = draft.find(FollowUp, order.id)
    if owed is None:
        return because(draft.site, Why.NO_VISIT, order=order.number)
    draft.drop(FollowUp, owed.key)
    draft.sleep(FOLLOW_UP, f"{FOLLOW_UP}:{owed.order}")
    detail = Wording(draft.site).text("detail_followed_up", by=tended.by, text=tended.text)
    _report(draft, owed, "followed_up", medium="centre", assurance="H", detail=detail)
    return None


def _report(
    draft: Draft,
    owed: FollowUp,
    node: str,
    *,
    medium: str,
    detail: str,
    assurance: str | None = None,
) -> None:
    """Tell of a visit; its order may have left the memory."""
    draft.ask(
        ReportStatus(
            at_us=draft.now_us, order=owed.order, number=owed.number, node=node,
            person=owed.person, medium=medium, assurance=assurance, detail=detail,
        )
    )  # fmt: skip


def _correct(draft: Draft, order: Order, tended: OrderTended) -> Worded | None:
    """Say what is wrong in the record and what is right; what stood there stays."""
    detail = Wording(draft.site).text(
        "detail_corrected", what=tended.what, old=tended.old, new=tended.new,
        why=tended.text, by=tended.by,
    )  # fmt: skip
    draft.report(order, "corrected", medium="centre", assurance="H", detail=detail)
    return None


def _complaint(draft: Draft, order: Order, tended: OrderTended) -> Worded | None:
    """Tie a complaint to an order; from then on nothing that belongs to it is deleted."""
    detail = Wording(draft.site).text("detail_complaint", text=tended.text, by=tended.by)
    draft.report(order, "complaint", medium="centre", assurance="H", detail=detail)
    if draft.find(LegalHold, order.id) is None:
        _held(draft, order, tended)
    return None


def _hold(draft: Draft, order: Order, tended: OrderTended) -> Worded | None:
    if draft.find(LegalHold, order.id) is not None:
        return because(draft.site, Why.KEPT_ALREADY, order=order.number)
    _held(draft, order, tended)
    return None


def _held(draft: Draft, order: Order, tended: OrderTended) -> None:
    hold = LegalHold(order=order.id, since_us=draft.now_us, reason=tended.text, by=tended.by)
    draft.put(hold)
    detail = Wording(draft.site).text("detail_hold", text=tended.text, by=tended.by)
    draft.report(order, "hold", medium="centre", assurance="H", detail=detail)


def _unhold(draft: Draft, order: Order, tended: OrderTended) -> Worded | None:
    if draft.find(LegalHold, order.id) is None:
        return because(draft.site, Why.NOT_KEPT, order=order.number)
    draft.drop(LegalHold, order.id)
    detail = Wording(draft.site).text("detail_unhold", text=tended.text, by=tended.by)
    draft.report(order, "unhold", medium="centre", assurance="H", detail=detail)
    return None


# ---- reopening ----


def _reopen(draft: Draft, order: Order, tended: OrderTended) -> Worded | None:
    """Open an ended order again under its id."""
    if order.open:
        return because(draft.site, Why.ORDER_OPEN, order=order.number)
    if order.alert.exercise:
        return because(draft.site, Why.DRILL_OVER, order=order.number)
    if tended.prior is not None and draft.find(Order, order.id) is None:
        for part in tended.prior.parts:
            draft.put(part)
    before = order.number
    number = _number_again(draft, order)
    order = replace(
        order, number=number, status=OrderStatus.CALLING, closed_us=None, outcome=None,
        result=None, rung=0, clock_us=draft.now_us, owner=None,
        alert=replace(order.alert, expires_us=None),
        flags=_flags_again(draft, order),
    )  # fmt: skip
    draft.put(order)
    stop_clocks(draft, order)
    _released(draft, order)
    key = "detail_reopened" if number == before else "detail_reopened_number"
    detail = Wording(draft.site).text(
        key, text=tended.text, by=tended.by, before=before, number=number
    )
    draft.report(order, "reopened", medium="centre", assurance="H", detail=detail)
    return None


def _flags_again(draft: Draft, order: Order) -> tuple[str, ...]:
    """Return the flags of an order that is opened again; its times so far may be in doubt."""
    flags = tuple(f for f in order.flags if f not in _STALE_FLAGS)
    set_back = order.closed_us is not None and draft.now_us < order.closed_us
    doubtful = set_back or not _DOUBTED.isdisjoint(order.flags)
    return (*flags, "clock_doubt") if doubtful and "clock_doubt" not in flags else flags


def _call_again(draft: Draft, order: Order, tended: OrderTended, hold: Hold) -> None:
    """Call the people of an order afresh, unless it is one that waits for a release."""
    if not hold(draft, order, by=tended.by, through=tended.through):
        order = draft.find(Order, order.id) or order
        why = Wording(draft.site).written(tended.text, order.alert)
        tell_people(draft, order, "note_reopened", privately=True, text=why)
        call_first(draft, order)
    refresh_cards(draft, draft.find(Order, order.id) or order)


def _number_again(draft: Draft, order: Order) -> str:
    """Return the order's own number, unless another has it now; then a free one."""
    lease = draft.find(NumberLease, order.number)
    if lease is None or lease.order == order.id:
        draft.put(NumberLease(number=order.number, order=order.id))
        return order.number
    if rested(draft, lease):
        draft.drop(NumberLease, lease.number)
        draft.put(NumberLease(number=order.number, order=order.id))
        return order.number
    return take_number(draft, order.id)


def _released(draft: Draft, order: Order) -> None:
    """Have nobody stand by what he said before the end: each is asked anew."""
    stamp = Stamp(
        node=Node.RELEASED, at_us=draft.now_us, medium=Medium.CENTRE, assurance=Assurance.H
    )
    for part in draft.of_order(Assignment, order.id):
        if part.said and not left(part):
            draft.put(part.stamped(stamp))


_ACTS: Final[dict[str, Callable[[Draft, Order, OrderTended], Worded | None]]] = {
    "caution": _caution,
    "handover": _handed,
    "follow_up": _follow_up,
    "followed_up": _followed_up,
    "reopen": _reopen,
    "correct": _correct,
    "complaint": _complaint,
    "hold": _hold,
    "unhold": _unhold,
}

__all__ = ["FOLLOW_UP", "PriorOrder", "follow_up_due", "order_tended", "owe_follow_up"]
