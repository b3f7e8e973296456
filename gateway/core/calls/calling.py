"""Addressing people: assignments, pages, cards and deliveries, and taking them back."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

from gateway.core.alert import Assurance, Medium
from gateway.core.answers.answer_window import turns_for
from gateway.core.calls.card_face import Faces, name_for
from gateway.core.calls.cards import edit_card, post_card, still_his
from gateway.core.delivery import What, advance
from gateway.core.effects import PageChannel, SendText, WithdrawPage
from gateway.core.life import answered_at_all, covered, strength
from gateway.core.order import (
    Assignment,
    Card,
    Delivery,
    DeliveryState,
    Node,
    Order,
    OrderStatus,
    Page,
    Path,
    Stamp,
)
from gateway.core.people import Contact, Organisation, Person, Role
from gateway.core.places import Grid
from gateway.core.policy.policy import response_to, tone_of
from gateway.core.state import Draft
from gateway.core.wording import Wording

Purpose = Literal["order", "repeat", "update", "stand_down"]

US = 1_000_000

# Answers and notes that come later than this would be taken for something else.
NOTE_LIFE_US = 300 * US
# Selective calls before one page: each takes a second or so of the air.
MOST_CALLS = 6
# A stand-down stays worth hearing long after: guards may still be on their way.
STAND_DOWN_LIFE_US = 1800 * US


def not_after_us(draft: Draft, order: Order) -> int:
    """Return the moment after which nothing of an order is sent, UTC microseconds."""
    level = int(order.alert.level)
    limit_us = order.clock_us + draft.site.response.expire_s[level - 1] * US
    if order.alert.expires_us is not None:
        limit_us = min(limit_us, order.alert.expires_us)
    if not trusted(draft, order):
        return max(limit_us, draft.taken_us + draft.site.response.expire_s[level - 1] * US)
    return limit_us


def expired(draft: Draft, order: Order) -> bool:
    """Return whether nothing of an order is to be sent any more."""
    return trusted(draft, order) and draft.taken_us > not_after_us(draft, order)


def wanted_now(draft: Draft, order: Order) -> Order:
    """Return an order; begun now where its time has run out and people are needed all the same.

    Whoever said when it was to expire could not know of that.
    """
    if not expired(draft, order):
        return order
    alert, expires_us = order.alert, order.alert.expires_us
    if expires_us is not None and expires_us < draft.taken_us:
        alert = replace(alert, expires_us=None)
    return replace(order, alert=alert, clock_us=draft.taken_us)


def trusted(draft: Draft, order: Order) -> bool:
    """Return whether an order's times and the clock's may be compared.

    One that was opened on an unset clock, or stood open when the clock was moved, stays apart.
    """
    apart = "clock_unset" in order.flags or "clock_stepped" in order.flags
    return draft.synchronised and not apart


def grids_of(draft: Draft, order: Order) -> list[Grid]:
    """Return the grids an order addresses that the settings still know."""
    return [g for i in order.grids if (g := draft.site.grids.get(i)) is not None]


def call_guards(draft: Draft, order: Order, guards: Sequence[Person], *, rung: int) -> None:
    """Address guards on the channel and in the group of their grid, and each one privately."""
    for guard in guards:
        assign(draft, order, guard, Role.GUARD, rung)
    purpose: Purpose = "order" if rung == 0 else "repeat"
    for channel, listeners in channels_of(draft, order, guards).items():
        page_channel(draft, order, channel, purpose, listeners, rung=rung)
    for grid in grids_of(draft, order) if order.alert.organisation is None else ():
        # A grid's group is read by guards of other bodies, whom a body does not order.
        _post_group_card(draft, order, grid, [g for g in guards if grid.id in g.grids])
    post_private_cards(draft, order, guards)
    _copy_offices(draft, order, guards)


def call_person(draft: Draft, order: Order, person: Person, role: Role, *, rung: int) -> bool:
    """Address a station or a manager; return whether there is any way to reach him."""
    contacts = draft.state.contacts_of(person.id)
    if not contacts:
        return False
    assign(draft, order, person, role, rung)
    post_private_cards(draft, order, [person])
    return True


def assign(draft: Draft, order: Order, person: Person, role: Role, rung: int) -> None:
    """Give a person his part in an order, unless he has one."""
    guard = role is Role.GUARD
    assignment = Assignment(
        order=order.id, person=person.id, role=role, rung=rung,
        team=person.team if guard else None, leads=guard and person.leader,
    )  # fmt: skip
    if draft.find(Assignment, assignment.key) is None:
        draft.put(assignment)


def channels_of(
    draft: Draft, order: Order, guards: Iterable[Person]
) -> dict[str, list[Person]]:
    """Return who listens on which channel: that of a grid he serves, addressed ones first."""
    found: dict[str, list[Person]] = {}
    for guard in guards:
        for grid in dict.fromkeys((*order.grids, *guard.grids)):
            known = draft.site.grids.get(grid)
            if known is not None and grid in guard.grids and known.channel is not None:
                found.setdefault(known.channel, []).append(guard)
                break
    return found


def channels_used(draft: Draft, order: Order) -> list[str]:
    """Return the channels on which an order has been spoken or is to be."""
    return sorted({p.channel for p in draft.of_order(Page, order.id)})


def page_channel(
    draft: Draft,
    order: Order,
    channel: str,
    purpose: Purpose,
    listeners: Iterable[Person],
    *,
    rung: int,
    said: tuple[str, ...] | None = None,
    not_after: int | None = None,
) -> str | None:
    """Ask for one transmission; a channel without a licence entry says so instead.

    Args:
        draft: The step's draft.
        order: Which order.
        channel: Where.
        purpose: What for.
        listeners: Who is to hear it; told of it when it was spoken, if it is the order itself.
        rung: The rung it belongs to, 0 at once.
        said: Sentences in place of those of the purpose.
        not_after: It is not begun after this, UTC microseconds, in place of the order's end.

    Returns:
        The page's id, or None where nothing was asked for.
    """
    wording = Wording(draft.site)
    known = draft.site.channels.get(channel)
    if known is None or not known.transmits:
        name = known.name if known else channel
        draft.report(
            order, "warning", detail=wording.text("detail_no_transmit", channel=name)
        )
        return None
    listeners = list(listeners)
    calls = tuple(dict.fromkeys(call for person in listeners for call in person.calls))
    turns = () if purpose == "update" else turns_for(draft, listeners)
    slot_s = draft.site.response.slot_s if turns else 0
    own_s = response_to(draft.site, order).answer_window_s or known.answer_window_s
    window_s = max(own_s, len(turns) * slot_s)
    kind = draft.site.policy.kind(order.alert)
    page = Page(
        id=f"p{draft.next_id('page')}",
        order=order.id,
        channel=channel,
        state="queued",
        rung=rung,
        purpose=purpose,
        window_s=0 if purpose == "stand_down" else window_s,
        slots=tuple(person.id for person in turns),
        slot_s=slot_s,
        template=None if kind is None else kind.version,
    )
    draft.put(page)
    if purpose in ("order", "repeat"):
        for person in listeners:
            draft.put(
                Delivery(order=order.id, person=person.id, medium=Medium.RADIO, via=page.id)
            )
    names = [person.name for person in turns]
    text = _said(wording, order, purpose, names) if said is None else said
    life_us = (
        draft.taken_us + STAND_DOWN_LIFE_US
        if purpose == "stand_down"
        else not_after_us(draft, order)
    )
    draft.ask(
        PageChannel(
            page=page.id,
            channel=channel,
            order=order.id,
            level=int(order.alert.level),
            number=order.number,
            text=text,
            language=wording.language,
            exercise=order.alert.exercise,
            number_style=draft.site.number_style,
            answer_window_s=page.window_s,
            calls=calls[:MOST_CALLS],
            tone=tone_of(draft.site, order),
            not_after_us=life_us if not_after is None else not_after,
            routine=order.alert.exercise,
            stand_down=purpose == "stand_down",
        )
    )
    return page.id


def _said(
    wording: Wording, order: Order, purpose: Purpose, names: Sequence[str]
) -> tuple[str, ...]:
    """Return the sentences of a page; those named are to answer one after the other."""
    if purpose == "update":
        return wording.say_update(order)
    if purpose == "stand_down":
        return wording.say_stand_down(order)
    return wording.say_order(order, repeat=purpose == "repeat", turns=names)


def people_awaited(draft: Draft, order: Order, page: Page) -> list[Person]:
    """Return for whom a page was meant who have not answered, while an answer is wanted."""
    satisfied = _satisfied(draft, order)
    return [
        person
        for d in draft.of_order(Delivery, order.id)
        if d.via == page.id
        and d.person not in satisfied
        and (person := draft.find(Person, d.person)) is not None
    ]


def _post_group_card(draft: Draft, order: Order, grid: Grid, guards: Sequence[Person]) -> None:
    group = draft.site.chat_groups.get(grid.chat) if grid.chat else None
    if group is None:
        return
    for card in draft.of_order(Card, order.id):
        if card.person is None and (card.chat, card.address) == (group.chat, group.address):
            return
    card = _new_card(draft, order, group.chat, group.address, None)
    for guard in guards:
        if all(c.chat != group.chat for c in draft.state.contacts_of(guard.id)):
            draft.put(
                Delivery(order=order.id, person=guard.id, medium=Medium.CHAT, via=card.id)
            )


def post_private_cards(draft: Draft, order: Order, people: Iterable[Person]) -> None:
    """Post a card of his own to each who has none yet, in each chat he has an account in."""
    cards = draft.of_order(Card, order.id)
    have = {(c.person, c.chat) for c in cards if c.organisation is None}
    for person in people:
        for contact in draft.state.contacts_of(person.id):
            if (person.id, contact.chat) in have:
                continue
            card = _new_card(draft, order, contact.chat, contact.address, person)
            draft.put(
                Delivery(order=order.id, person=person.id, medium=Medium.CHAT, via=card.id)
            )


def _copy_offices(draft: Draft, order: Order, guards: Iterable[Person]) -> None:
    """Post a card to the office of each guard's body, which shows its own people only."""
    for body_id in sorted({guard.organisation for guard in guards}):
        body = draft.site.organisations.get(body_id)
        if body is None:
            continue
        have = {(c.chat, c.address) for c in draft.of_order(Card, order.id)}
        for name in body.office_groups:
            group = draft.site.chat_groups.get(name)
            if group is not None and (group.chat, group.address) not in have:
                _new_card(draft, order, group.chat, group.address, None, office=body_id)
        for contact in _office_accounts(draft, body):
            if (contact.chat, contact.address) not in have:
                person = draft.find(Person, contact.person)
                _new_card(
                    draft, order, contact.chat, contact.address, person, office=body_id
                )


def _office_accounts(draft: Draft, body: Organisation) -> list[Contact]:
    people = (draft.find(Person, id_) for id_ in body.office_people)
    return [
        contact
        for person in people
        if person is not None and person.active
        for contact in draft.state.contacts_of(person.id)
    ]


def _new_card(
    draft: Draft,
    order: Order,
    chat: str,
    address: str,
    person: Person | None,
    *,
    office: str | None = None,
) -> Card:
    card = Card(
        id=f"c{draft.next_id('card')}",
        order=order.id,
        chat=chat,
        address=address,
        person=None if person is None else person.id,
        organisation=office,
    )
    limit_us = not_after_us(draft, order)
    post_card(draft, card, Faces(draft, order).of(card), int(order.alert.level), limit_us)
    return card


def refresh_cards(draft: Draft, order: Order) -> None:
    """Ask for an edit of every posted card whose face has changed."""
    faces = Faces(draft, order)
    for card in draft.of_order(Card, order.id):
        if card.state == "posted" and card.message is not None:
            _refresh(draft, order, card, faces)


def refresh_card(draft: Draft, order: Order, card: Card) -> None:
    """Ask for an edit of one posted card if its face has changed."""
    _refresh(draft, order, card, Faces(draft, order))


def _refresh(draft: Draft, order: Order, card: Card, faces: Faces) -> None:
    limit_us = draft.taken_us + STAND_DOWN_LIFE_US
    edit_card(draft, card, faces.of(card), int(order.alert.level), limit_us)


def tell_people(
    draft: Draft,
    order: Order,
    key: str,
    *,
    privately: bool,
    who: Person | None = None,
    **gaps: object,
) -> None:
    """Write a line under the order's cards, in the groups and, if asked, to each person.

    Who is named fills the gap ``name``; of another body's man an office reads that he is one.
    It is not written to him himself: it is about him.
    """
    for card in draft.of_order(Card, order.id):
        if card.state not in ("posted", "queued"):
            continue
        if card.person is not None and (not privately or (who and card.person == who.id)):
            continue
        person = draft.find(Person, card.person) if card.person else None
        wording = Wording(draft.site, person.language if person else None)
        if who is not None:
            gaps["name"] = name_for(card, who, wording)
        _write_under(draft, order, card, wording.line(order, key, **gaps))


def tell_person(draft: Draft, order: Order, person: str, key: str, **gaps: object) -> None:
    """Write a line under one person's own cards of an order."""
    found = draft.find(Person, person)
    wording = Wording(draft.site, found.language if found else None)
    for card in draft.of_order(Card, order.id):
        if card.person == person and card.state in ("posted", "queued"):
            _write_under(draft, order, card, wording.line(order, key, **gaps))


def _write_under(draft: Draft, order: Order, card: Card, text: str) -> None:
    if not still_his(draft, card):
        return
    draft.ask(
        SendText(
            chat=card.chat,
            address=card.address,
            text=text,
            level=int(order.alert.level),
            not_after_us=draft.taken_us + NOTE_LIFE_US,
            reply_to=card.message,
        )
    )


def told(draft: Draft, order: Order, via: str, medium: Medium) -> None:
    """Note that what carried these deliveries has gone out: their people are told."""
    for delivery in draft.of_order(Delivery, order.id):
        state = advance(delivery.state, "sent")
        if delivery.via != via or state is delivery.state:
            continue
        draft.put(replace(delivery, state=state))
        _stamp_told(draft, order, delivery.person, medium)


def _stamp_told(draft: Draft, order: Order, person: str, medium: Medium) -> None:
    assignment = draft.find(Assignment, f"{order.id}/{person}")
    if assignment is None or any(
        s.node is Node.TOLD and s.medium is medium for s in assignment.stamps
    ):
        return
    stamp = Stamp(
        node=Node.TOLD, at_us=draft.now_us, medium=medium, assurance=Assurance.M
    )
    draft.put(assignment.stamped(stamp, since_us=order.opened_us))
    draft.report(order, "told", person=person, medium=medium.value, assurance="M")


def end_deliveries(draft: Draft, order: Order, via: str, what: What, reason: str) -> None:
    """Note that what carried these deliveries failed, expired or was taken back."""
    for delivery in draft.of_order(Delivery, order.id):
        if delivery.via == via and delivery.state is DeliveryState.PENDING:
            draft.put(replace(delivery, state=advance(delivery.state, what), reason=reason))


def answered_elsewhere(draft: Draft, order: Order, person: str) -> None:
    """Withdraw what still waits to reach a person who has answered, and what serves nobody."""
    for delivery in draft.of_order(Delivery, order.id):
        if delivery.person == person and delivery.state is DeliveryState.PENDING:
            draft.put(
                replace(delivery, state=advance(delivery.state, "answered"))
            )
    withdraw_pages(draft, order, reason="answered", all_of_them=False)


def withdraw_pages(draft: Draft, order: Order, *, reason: str, all_of_them: bool) -> None:
    """Withdraw the order's queued pages: all, or those that nobody needs any more.

    With all of them the one on the air is broken off behind its sentence. Of those that nobody
    needs any more one of level 1 is spoken even so: everybody near by should know.
    """
    satisfied = _satisfied(draft, order)
    pending = {
        d.via
        for d in draft.of_order(Delivery, order.id)
        if d.state is DeliveryState.PENDING and d.person not in satisfied
    }
    for page in draft.of_order(Page, order.id):
        if all_of_them and page.state == "on_air" and page.purpose != "stand_down":
            # It ends after the sentence under way; the radio process tells when.
            draft.ask(WithdrawPage(page=page.id, channel=page.channel, reason=reason))
        if page.state != "queued" or (not all_of_them and page.id in pending):
            continue
        calling = page.purpose in ("order", "repeat") and not page.kept
        if not all_of_them and (order.alert.level == 1 or not calling):
            continue
        withdraw_page(draft, order, page, reason=reason)


def withdraw_page(draft: Draft, order: Order, page: Page, *, reason: str) -> None:
    """Take back a page that waits, and what it was to bring."""
    draft.put(replace(page, state="withdrawn", ended_us=draft.now_us))
    end_deliveries(draft, order, page.id, "withdrawn", reason)
    draft.ask(WithdrawPage(page=page.id, channel=page.channel, reason=reason))


def _satisfied(draft: Draft, order: Order) -> frozenset[str]:
    """Return to whom nothing need be said: those who answered, or all when enough have.

    What the police have taken over wants nobody any more.
    """
    assignments = draft.of_order(Assignment, order.id)
    level = order.alert.level
    handed = order.status is OrderStatus.HANDED_OVER
    enough = handed or strength(assignments, level) >= order.alert.needs
    led = covered(assignments, level)
    return frozenset(
        a.person for a in assignments if enough or answered_at_all(a) or a.person in led
    )


def ways_down(draft: Draft, order: Order) -> bool:
    """Return whether neither a channel nor a chat of this order's grids works now."""
    paths = set()
    for grid in grids_of(draft, order):
        channel = draft.site.channels.get(grid.channel or "")
        if channel is not None and channel.transmits:
            paths.add(f"channel:{channel.id}")
        if grid.chat is not None:
            paths.add(f"chat:{grid.chat.split('/')[0]}")
    return bool(paths) and all(
        (found := draft.find(Path, p)) is not None and not found.up for p in paths
    )
