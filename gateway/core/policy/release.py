"""What is kept from guards until a named person lets it go, and how he does.

Theory of operation. An alert that is not simple (see ``policy``) opens an order like
any other, with its number, its receipt and its owner, but calls no guard: the station has its
card and the grid's managers are written to, and the centre is told why and what to do. It is
told again until somebody has decided. ``release`` calls everybody as if the alert had come now;
``drop`` calls the order off. An amendment that is not simple waits beside its order, which goes
on as it was. An alert to all grids is told to nobody until a second person has confirmed it; if
none does in time it cannot be sent any more, and stays open for the record until it is dropped.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from gateway.core.after.closing import end_order
from gateway.core.alert import Alert
from gateway.core.answers.timeline import order_of_number
from gateway.core.calls.calling import (
    US,
    expired,
    not_after_us,
    refresh_cards,
)
from gateway.core.calls.first_call import call_first
from gateway.core.calls.ladder import follow_facts
from gateway.core.calls.owner import settle_owner
from gateway.core.effects import Receipt
from gateway.core.life import LIFE, Trigger, trigger_of
from gateway.core.order import Assignment, Order, OrderStatus
from gateway.core.policy.events import HeldActed
from gateway.core.policy.held import Held
from gateway.core.policy.held_news import (
    DROPPED,
    placed_anew,
    tell_police,
    tell_police_anew,
    write_to_managers,
)
from gateway.core.policy.policy import Objection, objections, to_all
from gateway.core.policy.rights import lacking
from gateway.core.policy.two_people import one_door, same_hand
from gateway.core.reasons import Why, Worded
from gateway.core.state import Draft
from gateway.core.wording import Wording, because

# The clock's name, and the flag of a held order.
HELD: Final = "held"
# The flag of one that was let go: what it says has been told.
CLEARED: Final = "cleared"
# What may stand of an order's text.
MARKS: Final = ("reworded", "beyond_powers")
# So often the centre is told again; the order stays open, and stands in every list.
MOST_TOLD: Final = 10


def screened(draft: Draft, alert: Alert) -> tuple[Alert, tuple[str, ...]]:
    """Return an alert as its words may be told, and the flags that say what was done to it."""
    policy = draft.site.policy
    if policy.beyond == "hold" or not policy.beyond_powers(alert):
        return alert, ()
    if policy.beyond == "replace":
        instead = Wording(draft.site).text("lawful_instead")
        return policy.reworded(alert, instead), ("reworded",)
    return alert, ("beyond_powers",)


def held_back(draft: Draft, order: Order, *, by: str = "", through: str = "") -> bool:
    """Keep a new order from guards if it is not for them as it is; return whether it is.

    Args:
        draft: The step's draft.
        order: The order.
        by: Who opens it again; nobody while it is new.
        through: By which token or socket he came.
    """
    policy = draft.site.policy
    if policy.two_person_s and to_all(draft.site, order.alert, order.grids):
        hands = tuple(dict.fromkeys(h for h in (order.alert.through, through) if h))
        held = Held(
            order=order.id, why="two_person", since_us=draft.now_us, through=hands, by=by
        )
        _hold(draft, order, held)
        draft.wake(HELD, order.id, draft.taken_us + policy.two_person_s * US)
        return True
    if not objections(policy, order.alert) or CLEARED in order.flags:
        return False
    order = _hold(draft, order, Held(order=order.id, why="filter", since_us=draft.now_us))
    draft.wake(HELD, order.id, draft.taken_us + policy.held_again_s * US)
    tell_police(draft, order, why_held(draft, order))
    return True


def _hold(draft: Draft, order: Order, held: Held) -> Order:
    order = replace(order, status=OrderStatus.HELD, flags=(*order.flags, HELD))
    draft.put(order)
    draft.put(held)
    settle_owner(draft, order.id)
    order = draft.find(Order, order.id) or order
    draft.report(order, HELD, detail=why_held(draft, order))
    return order


def why_held(draft: Draft, order: Order) -> Worded | None:
    """Return in words why guards are not told of an order, or its amendment, and what to do."""
    held = draft.find(Held, order.id)
    wording = Wording(draft.site)
    if held is None:
        return None
    if held.why == "two_person":
        if held.lapsed:
            return wording.text("detail_held_lapsed")
        minutes = f"{draft.site.policy.two_person_s / 60:g}"
        return wording.text("detail_held_two", minutes=minutes)
    found = objections(draft.site.policy, held.alert or order.alert)
    key = "detail_held" if held.alert is None else "detail_held_update"
    return wording.text(key, reasons=_in_words(draft, found))


def what_was_said(draft: Draft, order: Order) -> Worded | None:
    """Return in words what was found in an order's text that guards may not do, or None."""
    wording = Wording(draft.site)
    if "reworded" in order.flags:
        return wording.text("detail_reworded")
    if "beyond_powers" not in order.flags:
        return None
    words = draft.site.policy.beyond_powers(order.alert)
    return wording.text("detail_powers", words=wording.listed(words))


def _in_words(draft: Draft, found: tuple[Objection, ...]) -> str:
    wording = Wording(draft.site)
    return wording.listed(wording.text(each.key, what=each.what) for each in found)


def reopened(draft: Draft, order: Order, *, by: str, through: str) -> bool:
    """Keep an order that is opened again from guards as if it were new; return whether it is.

    What was dropped was told to nobody, and to all grids two people send each time.
    """
    order = _let_go(draft, order)
    return held_back(draft, order, by=by, through=through)


# ---- amendments ----


def amendment_held(draft: Draft, order: Order, alert: Alert) -> bool:
    """Keep an amendment from people if it, or its order, is held; return whether it is.

    What stood in the order before has gone to the guards already: only what is new counts.
    """
    policy = draft.site.policy
    known = objections(policy, order.alert)
    fresh = tuple(each for each in objections(policy, alert) if each not in known)
    if order.status is OrderStatus.HELD:
        return _still_held(draft, order, alert)
    if not fresh:
        _let_go(draft, order)
        return False
    order = replace(order, flags=tuple(dict.fromkeys((*order.flags, "update_held"))))
    draft.put(order)
    draft.put(Held(order=order.id, why="filter", since_us=draft.now_us, alert=alert))
    draft.wake(HELD, order.id, draft.taken_us + policy.held_again_s * US)
    reason = why_held(draft, order)
    draft.report(order, HELD, medium="centre", detail=reason)
    tell_police_anew(draft, order, alert, reason)
    return True


def _still_held(draft: Draft, order: Order, alert: Alert) -> bool:
    """Give a held order its new words; one that has become simple by them is let go.

    Whoever is told of it now, such as another station, has as long as if it had come now.
    """
    held = draft.find(Held, order.id)
    order = replace(order, alert=alert, revision=order.revision + 1, clock_us=draft.taken_us)
    order = placed_anew(draft, order)
    draft.put(order)
    draft.report(order, "updated", medium="centre", assurance="M", detail=alert.text)
    two = held is not None and held.why == "two_person"
    if held is not None and two and alert.through:
        through = tuple(dict.fromkeys((*held.through, alert.through)))
        draft.put(replace(held, through=through))
    if expired(draft, order):
        detail = Wording(draft.site).text("detail_expired_before")
        draft.report(order, "warning", medium="clock", detail=detail)
        refresh_cards(draft, order)
        return True
    if two or objections(draft.site.policy, alert):
        if not two:
            tell_police_anew(draft, order, alert, why_held(draft, order))
        refresh_cards(draft, order)
        return True
    detail = Wording(draft.site).text("detail_held_simple")
    _call(draft, order, detail)
    return True


def _let_go(draft: Draft, order: Order) -> Order:
    """Forget that something of an order is held; return the order without its flags."""
    draft.drop(Held, order.id)
    draft.sleep(HELD, order.id)
    current = draft.find(Order, order.id) or order
    flags = tuple(f for f in current.flags if f not in (HELD, "update_held", DROPPED))
    current = replace(current, flags=flags)
    draft.put(current)
    return current


# ---- what a named person decides ----


def held_acted(
    draft: Draft, acted: HeldActed, amend: Callable[[Draft, Order, Alert], None]
) -> None:
    """Release or drop what is held, and answer who decided it.

    Args:
        draft: The step's draft.
        acted: What was decided.
        amend: How an order is amended (``gateway.core.intake.opening.amend``).
    """
    order = draft.find(Order, acted.order) or order_of_number(draft, acted.order)
    held = draft.find(Held, order.id) if order is not None else None
    problem = _problem(draft, acted, order, held)
    if order is None or held is None or problem is not None:
        draft.ask(
            Receipt(status="refused", sender=acted.by, id=acted.order, reason=problem)
        )
        return
    if acted.act == "drop":
        _drop(draft, order, held, acted)
    else:
        _release(draft, order, held, acted, amend)
    order = draft.find(Order, order.id) or order
    draft.ask(
        Receipt(
            status="accepted", sender=acted.by, id=acted.order, order=order.id,
            number=order.number, flags=order.flags,
        )
    )  # fmt: skip


def _problem(
    draft: Draft, acted: HeldActed, order: Order | None, held: Held | None
) -> Worded | None:
    """Return why a decision is not taken, or None."""
    if order is None or held is None or not order.open:
        return because(draft.site, Why.NOT_HELD, order=acted.order)
    if acted.act == "drop":
        return lacking(draft, acted.by, "release")
    if held.lapsed:
        return Wording(draft.site).text("detail_held_lapsed")
    if held.why == "two_person" and (one := same_hand(draft, order, held, acted)) is not None:
        return one
    expires_us = (held.alert or order.alert).expires_us
    if expires_us is not None and draft.now_us > expires_us:
        return because(draft.site, Why.EXPIRED)
    return lacking(draft, acted.by, "release")


def _drop(draft: Draft, order: Order, held: Held, acted: HeldActed) -> None:
    order = _let_go(draft, order)
    gaps = {"by": acted.by, "reason": acted.reason}
    detail = Wording(draft.site).text("detail_dropped", **gaps)
    draft.report(order, "dropped", medium="centre", assurance="H", detail=detail)
    if held.alert is None:
        order = replace(order, flags=(*order.flags, DROPPED))
        end_order(draft, order, Trigger.CANCELLED, acted.reason)


def _release(
    draft: Draft,
    order: Order,
    held: Held,
    acted: HeldActed,
    amend: Callable[[Draft, Order, Alert], None],
) -> None:
    gaps = {"by": acted.by, "reason": acted.reason}
    detail: str = Wording(draft.site).text("detail_let_go", **gaps)
    if one_door(held, acted):
        detail += Wording(draft.site).text("detail_one_door")
    if held.alert is None:
        _call(draft, order, detail)
        return
    order = _let_go(draft, order)
    draft.report(order, "cleared", medium="centre", assurance="H", detail=detail)
    amend(draft, order, held.alert)


def _call(draft: Draft, order: Order, detail: str) -> None:
    """Call everybody an order is meant for, as if its alert had come now.

    What the police have taken over meanwhile is theirs: nobody is called.
    """
    order = _let_go(draft, order)
    order = replace(
        order,
        status=LIFE[order.status][Trigger.CALLED_AFRESH],
        clock_us=draft.taken_us,
        flags=tuple(dict.fromkeys((*order.flags, CLEARED))),
    )
    draft.put(order)
    draft.report(order, "cleared", medium="centre", assurance="H", detail=detail)
    if trigger_of(order, draft.of_order(Assignment, order.id)) is Trigger.HANDED:
        follow_facts(draft, order.id)
        return
    call_first(draft, order)
    refresh_cards(draft, draft.find(Order, order.id) or order)


# ---- the clock ----


def held_due(draft: Draft, order_id: str) -> None:
    """Tell the centre again what nobody has decided; let a second person's time run out."""
    draft.sleep(HELD, order_id)
    order, held = draft.find(Order, order_id), draft.find(Held, order_id)
    if order is None or held is None or not order.open:
        return
    held = replace(held, told=held.told + 1, lapsed=held.why == "two_person")
    draft.put(held)
    draft.report(order, HELD, medium="clock", detail=why_held(draft, order))
    if held.lapsed or held.told >= MOST_TOLD or expired(draft, order):
        return
    write_to_managers(draft, order, held.alert or order.alert, why_held(draft, order))
    again_us = draft.taken_us + draft.site.policy.held_again_s * US
    draft.wake(HELD, order_id, min(again_us, not_after_us(draft, order) + 1))
