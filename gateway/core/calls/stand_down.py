"""Calling everybody off, and knowing that they know (撤回确认).

Everybody who was told is told that it is over, by the ways that told him, and answers 知道了:
the button of his card, the words, or a 1 on the air. Who has not within the window is listed
to the centre and told once more; who has not then either is listed once more, and that is all.
"""


from gateway.core.alert import Assurance, Medium
from gateway.core.answers.replies import Action
from gateway.core.calls.calling import (
    US,
    channels_of,
    page_channel,
    refresh_cards,
    tell_people,
    tell_person,
    withdraw_pages,
)
from gateway.core.calls.saying import Saying
from gateway.core.calls.spoken_again import say_beside
from gateway.core.life import called_off
from gateway.core.order import Assignment, Card, Node, Order, OrderStatus, Page, Stamp
from gateway.core.people import Person
from gateway.core.state import Draft, by_age
from gateway.core.wording import Wording

STAND_DOWN, STAND_DOWN_AGAIN = "stand_down", "stand_down_again"
CLOCKS = (STAND_DOWN, STAND_DOWN_AGAIN)


def stand_down(draft: Draft, order: Order, *, reason: str) -> None:
    """Call off everybody who was told: on the channels that spoke, in groups, privately."""
    channels = {
        p.channel
        for p in draft.of_order(Page, order.id)
        if p.state in ("spoken", "on_air")
    }
    withdraw_pages(draft, order, reason=reason, all_of_them=True)
    for channel in sorted(channels):
        page_channel(draft, order, channel, "stand_down", (), rung=order.rung)
    why = Wording(draft.site).written(reason, order.alert)
    if "dropped" in order.flags:
        # It was never for guards, and is not over for the station: nobody is called off.
        tell_people(draft, order, "note_dropped", privately=True, reason=why)
        return
    tell_people(draft, order, "note_cancel", privately=True, reason=why)
    for assignment in draft.of_order(Assignment, order.id):
        last = assignment.said[-1].node if assignment.said else None
        if not assignment.stamps or last in (Node.DECLINED, Node.RELEASED):
            continue
        if called_off(assignment):
            continue  # he knows already
        stamp = Stamp(
            node=Node.RELEASED, at_us=draft.now_us, medium=Medium.CENTRE, assurance=Assurance.H
        )
        draft.put(assignment.stamped(stamp))
        draft.report(order, "released", person=assignment.person, medium="centre")
    # Of a drill that a live order ended nobody is asked again: the air is the order's.
    if "aborted" not in order.flags:
        watch_who_knows(draft, order)


def watch_who_knows(draft: Draft, order: Order) -> None:
    """Ask to be woken while somebody was called off and has not said that he knows."""
    if unaware(draft, order):
        draft.wake(STAND_DOWN, order.id, draft.taken_us + draft.site.response.stand_down_s * US)


def unaware(draft: Draft, order: Order) -> list[str]:
    """Return who was called off and has not said that he knows; nobody for other ends.

    Of an order that goes on those are meant who were called off alone.
    """
    parts = draft.of_order(Assignment, order.id)
    if order.open:
        parts = [a for a in parts if called_off(a) and a.stamp(Node.TOLD) is not None]
    elif order.status is not OrderStatus.CANCELLED or "dropped" in order.flags:
        return []
    return [a.person for a in parts if _unaware(draft, a)]


def _unaware(draft: Draft, part: Assignment) -> bool:
    """Return whether he was told of the order last, and not by him that he knows its end."""
    person = draft.find(Person, part.person)
    last = part.said[-1].node if part.said else Node.TOLD
    known = last in (Node.DECLINED, Node.STOOD_DOWN)
    return bool(part.stamps) and not known and person is not None and person.active


def understood(
    draft: Draft,
    order: Order | None,
    person: str,
    action: Action | None,
    *,
    medium: Medium,
    assurance: Assurance,
) -> bool:
    """Take a person's 知道了 for an order that was called off; return whether it was one.

    A 1 on the air before he can have heard of the end is still about the order itself. Of an
    order that goes on without him a second one is the same again.
    """
    part = draft.find(Assignment, f"{order.id}/{person}") if order is not None else None
    if order is None or part is None or action is not Action.ACKNOWLEDGE:
        return False
    alone = order.open and called_off(part)
    if not alone and order.status is not OrderStatus.CANCELLED:
        return False
    if not _unaware(draft, part):
        return alone and part.said[-1].node is Node.STOOD_DOWN
    if medium is Medium.RADIO and not _may_know(draft, order, person):
        return False
    stamp = Stamp(
        node=Node.STOOD_DOWN, at_us=draft.now_us, medium=medium, assurance=assurance
    )
    draft.put(part.stamped(stamp))
    draft.report(
        order, "stood_down", person=person, medium=medium.value, assurance=assurance.value
    )
    if not unaware(draft, order):
        for clock in CLOCKS:
            draft.sleep(clock, order.id)
    refresh_cards(draft, order)
    return True


def _may_know(draft: Draft, order: Order, person: str) -> bool:
    """Return whether the end was begun to be said on the air, or written to a person."""
    pages = draft.of_order(Page, order.id)
    sayings = draft.of_order(Saying, order.id)
    off = {s.page for s in sayings if s.about == "off" and person in s.who}
    said = any(
        (p.purpose == "stand_down" or p.id in off) and p.state in ("on_air", "spoken")
        for p in pages
    )
    cards = draft.of_order(Card, order.id)
    return said or any(c.person == person and c.state in ("queued", "posted") for c in cards)


def awaited_from(draft: Draft, person: str) -> list[Order]:
    """Return the orders that were called off and of which a person has not said he knows."""
    found = (draft.find(Order, key) for key in draft.state.orders_of(person))
    off = [o for o in found if o is not None and not o.open and person in unaware(draft, o)]
    return sorted(off, key=lambda o: by_age(o.id))


def still_unaware(draft: Draft, order: Order, clock: str) -> None:
    """List who does not know, and tell them once more at the first time of asking."""
    missing = unaware(draft, order)
    if not missing:
        return
    again = clock == STAND_DOWN
    key = "detail_stand_down_missing" if again else "detail_stand_down_missing_still"
    detail = Wording(draft.site).text(key)
    for person in missing:
        # One node each: a name may stand only where it is sealed with its person.
        draft.report(order, "stand_down_missing", person=person, medium="clock", detail=detail)
    if again:
        _tell_again(draft, order, missing)
        due_us = draft.taken_us + draft.site.response.stand_down_s * US
        draft.wake(STAND_DOWN_AGAIN, order.id, due_us)


def _tell_again(draft: Draft, order: Order, missing: list[str]) -> None:
    key = "note_called_off_again" if order.open else "note_stand_down_again"
    for person in missing:
        tell_person(draft, order, person, key)
    spoken = {p.channel for p in draft.of_order(Page, order.id) if p.state == "spoken"}
    people = [p for id_ in missing if (p := draft.find(Person, id_)) is not None]
    for channel, listeners in channels_of(draft, order, people).items():
        if channel not in spoken:
            continue
        if order.open:
            say_beside(draft, order, channel, "off", who=listeners)
        else:
            page_channel(draft, order, channel, "stand_down", listeners, rung=order.rung)


def told_late(draft: Draft, order: Order) -> None:
    """Call off on a channel where an order was spoken to its end after it was called off."""
    pages = draft.of_order(Page, order.id)
    off = {p.channel for p in pages if p.purpose == "stand_down"}
    for channel in sorted({p.channel for p in pages if p.state == "spoken"} - off):
        page_channel(draft, order, channel, "stand_down", (), rung=order.rung)
    watch_who_knows(draft, order)
