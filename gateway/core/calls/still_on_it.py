"""Still on it? Who took an order and does not arrive is asked; silence is a no.

An acknowledgement that nothing follows is worth little: a telephone in a pocket may have
pressed it. Whoever does not answer the question counts as not having taken it, and the
ladder goes on.
"""

from collections.abc import Iterable
from dataclasses import replace

from gateway.core.alert import Assurance, Medium
from gateway.core.calls.calling import (
    US,
    channels_of,
    expired,
    tell_person,
)
from gateway.core.calls.spoken_again import say_beside
from gateway.core.life import reached, takes
from gateway.core.order import Assignment, Node, Order, OrderStatus, Stamp, Timer
from gateway.core.people import Person, Role
from gateway.core.state import Draft
from gateway.core.wording import Wording

STILL, STILL_ANSWER = "still", "still_answer"


def watch(draft: Draft, order: Order, people: Iterable[Assignment]) -> None:
    """Ask to be woken while somebody who took an order has not arrived."""
    wait_s = draft.site.response.still_on_it_s
    # What the police have does not come back: nobody else would be sent.
    over = order.status is OrderStatus.HANDED_OVER
    if over:
        draft.sleep(STILL_ANSWER, order.id)
    if over or not wait_s or not _on_the_way(order, people):
        draft.sleep(STILL, order.id)
    elif draft.find(Timer, f"{STILL}/{order.id}") is None:
        draft.wake(STILL, order.id, draft.taken_us + wait_s * US)


def _on_the_way(order: Order, people: Iterable[Assignment]) -> list[Assignment]:
    """Return the guards who took an order and have not arrived, and who are not asked yet."""
    return [
        a
        for a in people
        if a.role is Role.GUARD
        and a.asked_us is None
        and takes(a, order.alert.level)
        and not (reached(a, Node.ARRIVED) or reached(a, Node.DONE))
    ]


def ask(draft: Draft, order: Order) -> None:
    """Ask everybody who is on the way whether he still is, by radio and by chat."""
    parts = _on_the_way(order, draft.of_order(Assignment, order.id))
    for part in parts:
        draft.put(replace(part, asked_us=draft.now_us))
        tell_person(draft, order, part.person, "note_still")
        detail = Wording(draft.site).text("detail_still_asked")
        draft.report(order, "still_asked", person=part.person, medium="clock", detail=detail)
    if not parts:
        return
    people = [p for a in parts if (p := draft.find(Person, a.person)) is not None]
    if not expired(draft, order):
        for channel, listeners in channels_of(draft, order, people).items():
            say_beside(draft, order, channel, "still", who=listeners)
    due_us = draft.taken_us + draft.site.response.still_answer_s * US
    draft.wake(STILL_ANSWER, order.id, due_us)


def heard(draft: Draft, order: Order, assignment: Assignment) -> Assignment:
    """Return a person's part when he has said anything: he is not asked any more."""
    if assignment.asked_us is None:
        return assignment
    assignment = replace(assignment, asked_us=None)
    draft.put(assignment)
    watch(draft, order, draft.of_order(Assignment, order.id))
    return assignment


def lapse(draft: Draft, order: Order) -> bool:
    """Take it that who has not answered has not taken it; return whether there is anybody."""
    silent = [a for a in draft.of_order(Assignment, order.id) if a.asked_us is not None]
    for part in silent:
        stamp = Stamp(
            node=Node.LAPSED, at_us=draft.now_us, medium=Medium.CLOCK, assurance=Assurance.M
        )
        draft.put(replace(part.stamped(stamp), asked_us=None))
        detail = Wording(draft.site).text("detail_lapsed")
        draft.report(order, "lapsed", person=part.person, medium="clock", detail=detail)
    return bool(silent)


