"""How an order ends, and what the centre does to one by hand."""

from dataclasses import replace

from gateway.core.after.aftercare import owe_follow_up
from gateway.core.after.events import OrderActed
from gateway.core.after.photo import recall_photos
from gateway.core.alert import Assurance, Medium
from gateway.core.answers.replies import Action
from gateway.core.answers.timeline import apply_reply
from gateway.core.calls.calling import (
    US,
    refresh_cards,
    withdraw_pages,
)
from gateway.core.calls.ladder import stop_clocks
from gateway.core.calls.owner import DESK
from gateway.core.calls.stand_down import stand_down
from gateway.core.effects import Receipt
from gateway.core.intake.numbers import NUMBER_REST_US, rested
from gateway.core.life import LIFE, Trigger
from gateway.core.order import (
    AlertKey,
    NumberLease,
    Order,
)
from gateway.core.people import Person, Tries
from gateway.core.policy.held import Held
from gateway.core.policy.rights import lacking
from gateway.core.reasons import Why
from gateway.core.state import Draft
from gateway.core.wording import Wording, because

# How long a cancel that came before its alert is remembered.
TOMBSTONE_US = 24 * 3600 * US
# Failed tries count for an hour at most.
TRIES_US = 3600 * US

_CONFIRMED: dict[str, Action] = {
    "acknowledged": Action.ACKNOWLEDGE,
    "en_route": Action.EN_ROUTE,
    "arrived": Action.ARRIVED,
    "done": Action.DONE,
}


def _sweep(draft: Draft) -> None:
    """Forget what has served its time, so that nothing grows for ever in the memory."""
    for lease in list(draft.state.each(NumberLease)):
        if rested(draft, lease):
            draft.drop(NumberLease, lease.number)
    for key in list(draft.state.each(AlertKey)):
        if key.order is None and key.at_us < draft.now_us - TOMBSTONE_US:
            draft.drop(AlertKey, key.key)
    for tries in list(draft.state.each(Tries)):
        if tries.since_us < draft.now_us - TRIES_US:
            draft.drop(Tries, tries.source)


def end_order(draft: Draft, order: Order, trigger: Trigger, outcome: str) -> None:
    """End an order: its clocks stop, its number rests a day, its people are told."""
    status = LIFE[order.status].get(trigger)
    if status is None:
        return
    # A clock set back meanwhile does not close it before it was opened.
    closed_us = max(draft.now_us, order.opened_us)
    order = replace(order, status=status, closed_us=closed_us, outcome=outcome)
    draft.put(order)
    recall_photos(draft, order)
    stop_clocks(draft, order)
    draft.drop(Held, order.id)
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


def order_acted(draft: Draft, acted: OrderActed) -> None:
    """Do what the centre, or somebody in its name, does to an open order."""
    order = draft.find(Order, acted.order)
    if order is None or not order.open:
        reason = because(draft.site, Why.ORDER_NOT_OPEN, order=acted.order)
        draft.ask(Receipt(status="refused", sender=acted.by, id=acted.order, reason=reason))
        return
    problem = lacking(draft, acted.by, "close")
    if problem is not None and acted.act != "confirm":
        draft.ask(Receipt(status="refused", sender=acted.by, id=acted.order, reason=problem))
        return
    if acted.act == "confirm":
        _confirm(draft, order, acted)
        return
    if acted.act == "stand_down":
        end_order(draft, order, Trigger.CANCELLED, acted.result or acted.act)
        _answer_act(draft, acted, order)
    else:
        _close(draft, order, acted)


def _close(draft: Draft, order: Order, acted: OrderActed) -> None:
    """Close an order with its result; where the site has a list, with one that is on it."""
    code, _, note = (acted.result or "").partition(" ")
    result = draft.site.results.get(code)
    if draft.site.results and result is None:
        known = ", ".join(f"{r.code} ({r.name})" for r in draft.site.results.values())
        reason = because(draft.site, Why.NO_RESULT, known=known)
        draft.ask(Receipt(status="refused", sender=acted.by, id=acted.order, reason=reason))
        return
    outcome = acted.result or acted.act
    if result is not None:
        outcome = f"{result.name} {note}".strip()
        order = replace(order, result=result.code)
        draft.put(order)
    end_order(draft, order, Trigger.CLOSED, outcome)
    _answer_act(draft, acted, order)
    if result is None or result.follow_up_days is None or order.alert.exercise:
        return
    person = None if order.owner == DESK else order.owner
    owe_follow_up(draft, order, person, result.follow_up_days, by=acted.by)


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
    reason = because(
        draft.site, Why.NOT_ADDRESSED, person=acted.person, number=order.number
    )
    draft.ask(Receipt(status="refused", sender=acted.by, id=acted.order, reason=reason))
