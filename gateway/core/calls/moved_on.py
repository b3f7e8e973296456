"""A medium that fails moves the deadline forward: the other one now, and if there is none, on.

Waiting a minute for an answer of people whom nothing has reached is a minute lost. So whenever
a page or a card fails, a channel stays busy or a way goes down, it is asked who may still
answer and by what he has been, or will be, reached.
"""

from collections.abc import Iterable
from dataclasses import replace

from gateway.core.alert import Medium
from gateway.core.calls.calling import (
    channels_of,
    expired,
    page_channel,
    post_private_cards,
    tell_person,
)
from gateway.core.life import Trigger, answered_at_all, covered, trigger_of
from gateway.core.order import Assignment, Card, Delivery, DeliveryState, Order, Page, Path
from gateway.core.people import Person, Role
from gateway.core.state import Draft
from gateway.core.wording import Wording

BUSY = "busy"


def nothing_gets_through(draft: Draft, order: Order, failed: Medium | None) -> bool:
    """Use the other medium for whom one has failed; return whether nobody can be reached.

    Args:
        draft: The step's draft.
        order: Which order.
        failed: What has just failed, or None where it is only asked.
    """
    people = draft.of_order(Assignment, order.id)
    short = trigger_of(order, people) is Trigger.SHORT
    if not order.open or not short or expired(draft, order):
        return False
    awaited = _awaited(draft, order, people)
    if failed is Medium.RADIO:
        _lean_on_chat(draft, order, awaited)
    elif failed is Medium.CHAT:
        _lean_on_radio(draft, order, awaited)
    return bool(awaited) and not any(_reached(draft, order, p.id) for p in awaited)


def _awaited(draft: Draft, order: Order, people: Iterable[Assignment]) -> list[Person]:
    """Return the guards and managers of whom an answer is still awaited."""
    people = list(people)
    led = covered(people, order.alert.level)
    return [
        person
        for a in people
        if a.role in (Role.GUARD, Role.MANAGER)
        and not answered_at_all(a)
        and a.person not in led
        and (person := draft.find(Person, a.person)) is not None
    ]


def _reached(draft: Draft, order: Order, person: str) -> bool:
    """Return whether a person was told, or something on a way that works will tell him."""
    return any(
        d.state is DeliveryState.SENT
        or (d.state is DeliveryState.PENDING and not _stuck(draft, d))
        for d in draft.of_order(Delivery, order.id)
        if d.person == person
    )


def _stuck(draft: Draft, delivery: Delivery) -> bool:
    """Return whether what still waits to go out waits on a way that does not work now."""
    if delivery.medium is Medium.RADIO:
        page = draft.find(Page, delivery.via)
        return page is not None and (page.late or not _up(draft, f"channel:{page.channel}"))
    card = draft.find(Card, delivery.via)
    return card is not None and not _up(draft, f"chat:{card.chat}")


def _up(draft: Draft, path: str) -> bool:
    found = draft.find(Path, path)
    return found is None or found.up


def _lean_on_chat(draft: Draft, order: Order, awaited: list[Person]) -> None:
    """Tell those whom no page reaches that the radio failed: their card is all they have."""
    unheard = [p for p in awaited if not _heard(draft, order, p.id)]
    post_private_cards(draft, order, unheard)
    for person in unheard:
        if _told_so(draft, order, person.id):
            continue
        tell_person(draft, order, person.id, "note_radio_failed")


def _told_so(draft: Draft, order: Order, person: str) -> bool:
    """Return whether an earlier page to him failed as well: he was told of it then."""
    failed = [
        d
        for d in draft.of_order(Delivery, order.id)
        if d.person == person
        and d.medium is Medium.RADIO
        and d.state in (DeliveryState.FAILED, DeliveryState.EXPIRED)
    ]
    return len(failed) > 1


def _heard(draft: Draft, order: Order, person: str) -> bool:
    """Return whether a page has reached, or will reach, a person."""
    return any(
        d.state is DeliveryState.SENT
        or (d.state is DeliveryState.PENDING and not _stuck(draft, d))
        for d in draft.of_order(Delivery, order.id)
        if d.person == person and d.medium is Medium.RADIO
    )


def _lean_on_radio(draft: Draft, order: Order, awaited: list[Person]) -> None:
    """Speak again at once to those whom no card reaches, one time a rung and channel."""
    unwritten = [p for p in awaited if not _written(draft, order, p.id)]
    pages = draft.of_order(Page, order.id)
    spoken_for = {
        p.channel
        for p in pages
        if p.state in ("queued", "on_air") or (p.purpose == "repeat" and p.rung == order.rung)
    }
    for channel, listeners in channels_of(draft, order, unwritten).items():
        if channel not in spoken_for and _up(draft, f"channel:{channel}"):
            page_channel(draft, order, channel, "repeat", listeners, rung=order.rung)


def _written(draft: Draft, order: Order, person: str) -> bool:
    """Return whether a card has reached, or will reach, a person, or he has none to fail."""
    his = [
        d
        for d in draft.of_order(Delivery, order.id)
        if d.person == person and d.medium is Medium.CHAT
    ]
    return not his or any(
        d.state in (DeliveryState.SENT, DeliveryState.PENDING) and not _stuck(draft, d)
        for d in his
    )


def page_waits(draft: Draft, order: Order) -> None:
    """Ask to be woken if a page waits too long for a clear channel."""
    due_us = draft.taken_us + draft.site.response.busy_limit_s * 1_000_000
    draft.wake(BUSY, order.id, due_us)


def busy_too_long(draft: Draft, order: Order) -> bool:
    """Count the pages that still wait as failed, for the ladder; return whether any do."""
    pages = draft.of_order(Page, order.id)
    late = [p for p in pages if p.state == "queued" and p.waited and not p.late]
    for page in late:
        draft.put(replace(page, late=True))
    if late:
        detail = Wording(draft.site).text("detail_busy_long")
        draft.report(order, "warning", medium="radio", detail=detail)
    return bool(late)
