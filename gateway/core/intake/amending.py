"""How an order is amended: its words, its level, its place, and whom it is meant for.

Theory of operation. What an amendment says replaces what was said, but for where and whom:
these are those of the latest message that has them, so that new words alone move nobody.
People are only ever added by it. A grid that is new has the full call; who is meant by name is
called; with more guards wanted or a higher level those are called who were spared before. Grids
that it names no more are told of it and stay called, as their people may be running already:
only a person takes help away, and the centre is told so. An amendment that reaches all grids
at once is confirmed by a second person, as an alert to all is.
"""

from dataclasses import replace
from typing import Final

from gateway.core.alert import Alert, AlertKind, Level
from gateway.core.calls.calling import (
    US,
    channels_of,
    expired,
    page_channel,
    refresh_cards,
    tell_people,
    wanted_now,
    withdraw_page,
)
from gateway.core.calls.first_call import Added, call_added, grids_meant, named_again
from gateway.core.calls.ladder import follow_facts, start_clocks
from gateway.core.intake.placing import Placing, place
from gateway.core.life import LIFE, Trigger, left
from gateway.core.order import (
    Assignment,
    Delivery,
    DeliveryState,
    Order,
    OrderStatus,
    Page,
)
from gateway.core.people import Person, Role
from gateway.core.policy.held import Held
from gateway.core.policy.policy import response_to, to_all
from gateway.core.policy.release import HELD, MARKS, amendment_held, screened, why_held
from gateway.core.state import Draft
from gateway.core.wording import Wording

# The flag of an order on which somebody has called for help: no message lowers its level.
IN_DANGER: Final = "in_danger"


def amend(draft: Draft, order: Order, alert: Alert, *, named: bool = False) -> None:
    """Change an order in place and tell its people, unless guards may not be told of it.

    Args:
        draft: The step's draft.
        order: Which order.
        alert: Its alert as it is from now on.
        named: Whether the message itself says whom it is meant for.
    """
    alert, marked = screened(draft, alert)
    placing = place(draft.site, alert)
    wide = _wants_second(draft, order, alert, placing.grids)
    if order.status is OrderStatus.HELD:
        if wide:
            _hold_for_second(draft, order, None)
        # Whoever lets it go later calls the grids of its new words.
        order = draft.find(Order, order.id) or order
        draft.put(led_by(draft, replace(order, alert=alert), placing))
    if amendment_held(draft, draft.find(Order, order.id) or order, alert):
        return
    if wide:
        _hold_for_second(draft, draft.find(Order, order.id) or order, alert)
    else:
        now = draft.find(Order, order.id) or order
        flags = tuple(f for f in now.flags if f not in MARKS)
        order = replace(order, flags=(*flags, *marked))
        amend_now(draft, order, alert, named=named)


def amend_now(draft: Draft, order: Order, alert: Alert, *, named: bool = False) -> None:
    """Change an order in place, tell its people, and call whom it adds.

    The clocks go on, unless the level rises, another ladder is to be climbed, or there is
    nothing left of them.
    """
    before = order
    if IN_DANGER in order.flags:
        # Who writes of an order may not know yet that somebody calls for help there.
        alert = replace(alert, level=Level.ONE)
    order = replace(
        order, alert=replace(alert, kind=AlertKind.ALERT), revision=order.revision + 1
    )
    order = led_by(draft, order, place(draft.site, order.alert))
    added = _added(before, order)
    if named and named_again(draft, order):
        added = replace(added, named=True)
    afresh = _afresh(draft, before, order, added)
    if afresh:
        order = replace(order, clock_us=draft.now_us)
    dead = expired(draft, order)
    if afresh and not dead:
        order = _begun_again(order)
    draft.put(order)
    draft.report(order, "updated", medium="centre", assurance="M", detail=alert.text)
    if dead:
        detail = Wording(draft.site).text("detail_expired_before")
        draft.report(order, "warning", medium="clock", detail=detail)
        refresh_cards(draft, order)
        return
    _tell_amendment(draft, order, raised=order.alert.level < before.alert.level)
    _say_who_stays(draft, before, order)
    _call_added(draft, order, added, afresh=afresh)


def raise_to_one(draft: Draft, order: Order) -> None:
    """Make an order one of level 1 for good, its words as they are; call who was spared.

    On the air nothing is said of it but by the tone: what waits is asked for anew, and a call
    for help follows.
    """
    before = order
    order = replace(order, flags=tuple(dict.fromkeys((*order.flags, IN_DANGER))))
    draft.put(order)
    if before.alert.level is Level.ONE:
        return
    order = wanted_now(draft, order)
    alert = replace(order.alert, level=Level.ONE)
    order = _begun_again(replace(order, alert=alert, clock_us=draft.now_us))
    draft.put(order)
    _speak_anew(draft, order)
    said = Wording(draft.site).told_with_place(order.alert)
    tell_people(draft, order, "note_raised_1", privately=True, text=said)
    _call_added(draft, order, _added(before, order), afresh=True)


def move(draft: Draft, order: Order, alert: Alert) -> None:
    """Give an open order the place, or those meant, of a message whose words do not count."""
    before, placing = order, place(draft.site, alert)
    order = led_by(draft, replace(order, alert=alert), placing)
    if order.status is OrderStatus.HELD:
        draft.put(order)
        return
    if _wants_second(draft, before, alert, placing.grids):
        _hold_for_second(draft, before, alert)
        return
    added = _added(before, order)
    dead = expired(draft, order)
    again = added.anybody and order.status is OrderStatus.UNANSWERED
    afresh = not dead and (again or _another_ladder(draft, before, order))
    if afresh:
        order = _begun_again(replace(order, clock_us=draft.now_us))
    draft.put(order)
    if not dead:
        _call_added(draft, order, added, afresh=afresh)


def _begun_again(order: Order) -> Order:
    status = LIFE[order.status].get(Trigger.CALLED_AFRESH, order.status)
    return replace(order, rung=0, status=status)


def _afresh(draft: Draft, before: Order, order: Order, added: Added) -> bool:
    """Return whether the clocks of an order start again, and its ladder at the foot."""
    was, now = before.alert, order.alert
    another = _another_ladder(draft, before, order)
    unanswered = order.status is OrderStatus.UNANSWERED and added.anybody
    return now.level < was.level or another or unanswered or expired(draft, before)


def _another_ladder(draft: Draft, before: Order, order: Order) -> bool:
    """Return whether another ladder is to be climbed: its kind, or its zone's grade, is new."""
    return response_to(draft.site, order).ladder != response_to(draft.site, before).ladder


def _added(before: Order, order: Order) -> Added:
    """Return what an amendment adds to whom an order calls."""
    was, now = before.alert, order.alert
    return Added(
        grids=tuple(g for g in order.grids if g not in before.grids),
        own=order.grids[:1] != before.grids[:1],
        named=now.to != was.to,
        more=now.needs > was.needs or now.level < was.level,
    )


def _call_added(draft: Draft, order: Order, added: Added, *, afresh: bool) -> None:
    called = call_added(draft, order, added)
    if afresh:
        start_clocks(draft, draft.find(Order, order.id) or order)
    # Whoever was just called has his window before the next rung.
    follow_facts(draft, order.id, climbing=False if afresh or called else None)


# ---- to all grids at once ----


def _wants_second(
    draft: Draft, order: Order, alert: Alert, found: tuple[str, ...]
) -> bool:
    """Return whether an amendment makes an order one for all grids, which two people send."""
    if not draft.site.policy.two_person_s or to_all(draft.site, order.alert, order.grids):
        return False
    return to_all(draft.site, alert, _meant(draft, order, alert, found))


def _hold_for_second(draft: Draft, order: Order, alert: Alert | None) -> None:
    """Keep an amendment, or the held order itself for None, until a second person confirms."""
    hands = (order.alert.through, alert.through if alert is not None else "")
    held = Held(
        order=order.id, why="two_person", since_us=draft.now_us, alert=alert,
        through=tuple(dict.fromkeys(filter(None, hands))),
    )  # fmt: skip
    flag = "update_held" if alert is not None else HELD
    order = replace(order, flags=tuple(dict.fromkeys((*order.flags, flag))))
    draft.put(order)
    draft.put(held)
    draft.wake(HELD, order.id, draft.taken_us + draft.site.policy.two_person_s * US)
    draft.report(order, HELD, medium="centre", detail=why_held(draft, order))


# ---- where it is, and whom it is meant for ----


def led_by(draft: Draft, order: Order, placing: Placing) -> Order:
    """Return the order with the grids it is meant for as its first; others stay addressed.

    Args:
        draft: The step's draft.
        order: An order, with its alert as it now is.
        placing: Where its messages say that it is; empty when they say nothing. Then it is
            where those are for whom it is meant.
    """
    grids = _meant(draft, order, order.alert, placing.grids)
    others = tuple(g for g in order.grids if g not in grids)
    doubts = {"border": bool(placing.border), "wide": bool(placing.wide)}
    if placing.own is None:
        doubts = {name: name in order.flags for name in doubts}
    flags = [f for f in order.flags if f not in doubts and (f != "no_grid" or not grids)]
    flags += [flag for flag, holds in doubts.items() if holds]
    return replace(order, grids=(*grids, *others), flags=tuple(flags))


def _meant(
    draft: Draft, order: Order, alert: Alert, found: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the grids an alert addresses, which lies where it says or where its order does."""
    return grids_meant(draft, alert, found) or order.grids[:1]


def _say_who_stays(draft: Draft, before: Order, order: Order) -> None:
    """Tell the centre who stays called although his grid is not meant any more."""
    was, now = (
        _meant(draft, o, o.alert, place(draft.site, o.alert).grids) for o in (before, order)
    )
    gone = [g for g in was if g in before.grids and g not in now]
    people = [
        a.person
        for a in draft.of_order(Assignment, order.id)
        if a.role is Role.GUARD and not left(a) and _serves(draft, a.person, gone, now)
    ]
    if people:
        wording = Wording(draft.site)
        names = wording.listed(draft.site.grids[g].name for g in gone)
        detail = wording.text("detail_stay_called", grids=names, count=len(people))
        draft.report(order, "warning", detail=detail)


def _serves(draft: Draft, person: str, some: list[str], others: tuple[str, ...]) -> bool:
    """Return whether a person serves one of some grids and none of the others."""
    found = draft.find(Person, person)
    served = set(found.grids) if found is not None else set()
    return bool(served & set(some)) and not served & set(others)


# ---- telling it ----


def _tell_amendment(draft: Draft, order: Order, *, raised: bool) -> None:
    """Tell on the air and in writing what has changed, by the tone and turn of its level.

    With a higher level it goes ahead of what waits of the same order: that is then asked for
    anew, in the words of now, instead of being spoken behind it in those of before.
    """
    pages = draft.of_order(Page, order.id)
    heard = {p.channel for p in pages if not (raised and _waits(p))}
    if raised:
        _speak_anew(draft, order)
    listeners = channels_of(draft, order, _called_guards(draft, order)) if raised else {}
    for channel in sorted(heard):
        page_channel(
            draft, order, channel, "update", listeners.get(channel, ()), rung=order.rung
        )
    said = Wording(draft.site).told_with_place(order.alert)
    higher = "note_raised_1" if order.alert.level == 1 else "note_raised_2"
    key = higher if raised else "note_update"
    tell_people(draft, order, key, privately=True, text=said)


def _speak_anew(draft: Draft, order: Order) -> None:
    """Have what waits for a channel asked for anew, in the words and the turn of now."""
    for page in draft.of_order(Page, order.id):
        if _waits(page):
            _ask_anew(draft, order, page)


def _waits(page: Page) -> bool:
    return page.state == "queued" and page.purpose in ("order", "repeat")


def _ask_anew(draft: Draft, order: Order, page: Page) -> None:
    people = [
        person
        for d in draft.of_order(Delivery, order.id)
        if d.via == page.id
        and d.state is DeliveryState.PENDING
        and (person := draft.find(Person, d.person)) is not None
    ]
    withdraw_page(draft, order, page, reason="amended")
    page_channel(draft, order, page.channel, page.purpose, people, rung=page.rung)


def _called_guards(draft: Draft, order: Order) -> list[Person]:
    """Return the guards who were called and have not said that they do not come."""
    parts = draft.of_order(Assignment, order.id)
    ids = [a.person for a in parts if a.role is Role.GUARD and not left(a)]
    return [person for id_ in ids if (person := draft.find(Person, id_)) is not None]
