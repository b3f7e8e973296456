"""Understanding what comes by chat: buttons, words, one-time codes, photos and places.

Rules for whoever edits this file are those of ``timeline``.
"""

import hashlib

from gateway.core.alert import Assurance, Medium
from gateway.core.answers.ended import just_ended, said_of_ended
from gateway.core.answers.events import ButtonPressed, MediaReceived, TextReceived
from gateway.core.answers.replies import (
    NODE_OF_ACTION,
    Action,
    ChatReply,
    code_digest,
    parse_code,
    parse_text,
)
from gateway.core.answers.say_back import say_back
from gateway.core.answers.timeline import (
    apply_reply,
    only_order_of,
    open_orders_of,
    order_of_number,
)
from gateway.core.answers.tries import HOUR_US, note_try, paused
from gateway.core.calls.calling import NOTE_LIFE_US
from gateway.core.calls.nearest import place_shared
from gateway.core.calls.stand_down import awaited_from
from gateway.core.effects import AnswerPress
from gateway.core.guard_reports.words import keys_below
from gateway.core.order import (
    Card,
    Node,
    Order,
)
from gateway.core.people import Contact, EnrolmentCode, Person, Role
from gateway.core.register.accounts import forget_account
from gateway.core.state import Draft
from gateway.core.wording import Wording

# Enrolment codes and strangers (security.md §9), an hour's window.
CODE_TRIES, STRANGER_TRIES = 5, 3


def _account(chat: str, address: str) -> str:
    """Return an account as a counting source, without the account itself."""
    return f"{chat}/{hashlib.sha256(address.encode()).hexdigest()[:16]}"


# ---- by chat ----


def button_pressed(draft: Draft, pressed: ButtonPressed) -> None:
    """Apply a press of a signed button, or tell who pressed why not."""
    person_id = draft.state.person_of_account(pressed.chat, pressed.address)
    person = draft.find(Person, person_id) if person_id else None
    order = draft.find(Order, pressed.order)
    wording = Wording(draft.site, person.language if person else None)
    detail: str | None = None
    if person is None:
        said, detail = _line(wording, order, "answer_not_enrolled"), "detail_unknown_sender"
    elif not person.active:
        said, detail = _line(wording, order, "answer_left"), "detail_left"
    else:
        node, detail = _taken(draft, order, person, Action(pressed.action), Assurance.C2)
        if node is not None:
            state = wording.text(f"state_{node.value}")
            said = _line(wording, order, "answer_ok", state=state)
        else:
            key = "answer_closed" if detail == "detail_stale" else "answer_not_addressed"
            said = _line(wording, order, key)
    if detail is not None:
        _refuse_chat(draft, order, person, detail)
    draft.ask(
        AnswerPress(
            chat=pressed.chat,
            press=pressed.press,
            text=said,
            alert=detail is not None,
            not_after_us=draft.taken_us + NOTE_LIFE_US,
        )
    )


def _line(wording: Wording, order: Order | None, key: str, **gaps: object) -> str:
    """Return a line about an order, or about one that nobody knows."""
    if order is None:
        return wording.text(key, number="?", **gaps)
    return wording.line(order, key, **gaps)


def _taken(
    draft: Draft,
    order: Order | None,
    person: Person,
    action: Action,
    assurance: Assurance,
    reason: str | None = None,
) -> tuple[Node | None, str | None]:
    """Take what somebody says of an order; return the node it is, or why it is none."""
    node = said_of_ended(
        draft, order, person.id, action, medium=Medium.CHAT, assurance=assurance
    )
    if node is not None:
        return node, None
    if order is None or not order.open:
        return None, "detail_stale"
    if apply_reply(
        draft, order, person.id, action, medium=Medium.CHAT, assurance=assurance, reason=reason
    ):
        return NODE_OF_ACTION[action], None
    return None, "detail_not_addressed"


def _refuse_chat(
    draft: Draft, order: Order | None, person: Person | None, detail: str
) -> None:
    draft.report(
        order,
        "refused_reply",
        person=person.id if person else None,
        medium="chat",
        detail=Wording(draft.site).text(detail),
    )


def text_received(draft: Draft, text: TextReceived) -> None:
    """Apply typed words, a one-time code, or answer with what would be right."""
    person_id = draft.state.person_of_account(text.chat, text.address)
    person = draft.find(Person, person_id) if person_id else None
    code = parse_code(text.text) if text.group is None else None
    if code is not None:
        _present_code(draft, text, code)
    elif person is None:
        _answer_stranger(draft, text)
    else:
        _apply_words(draft, text, person)


def _answer_stranger(draft: Draft, text: TextReceived) -> None:
    """Answer somebody not enrolled three times an hour; then silence."""
    reply = parse_text(text.text)
    if reply.action is not None:
        _refuse_chat(draft, _ordered(draft, reply.number), None, "detail_unknown_sender")
    source = f"stranger/{_account(text.chat, text.address)}"
    if text.group is not None or paused(draft, source, STRANGER_TRIES, HOUR_US):
        return
    note_try(draft, source, STRANGER_TRIES, HOUR_US)
    say_back(draft, text, Wording(draft.site).text("answer_not_enrolled"))


def _ordered(draft: Draft, number: str | None) -> Order | None:
    return order_of_number(draft, number) if number else None


def _apply_words(draft: Draft, text: TextReceived, person: Person) -> None:
    wording = Wording(draft.site, person.language)
    reply = parse_text(text.text)
    if reply.action is None:
        if text.group is None and not open_orders_of(draft, person.id):
            say_back(draft, text, wording.text("answer_help"))
        return
    if not person.active:
        _refuse_chat(draft, None, person, "detail_left")
        say_back(draft, text, wording.text("answer_left"))
        return
    order, problem = _order_meant(draft, text, person, reply, wording)
    node, detail = _taken(draft, order, person, reply.action, Assurance.C1, text.text[:100])
    if node is None and detail == "detail_stale":
        _refuse_chat(draft, None, person, detail)
        say_back(draft, text, problem)
    elif node is None or order is None:
        _refuse_chat(draft, order, person, "detail_not_addressed")
        say_back(draft, text, _line(wording, order, "answer_not_addressed"))
    else:
        state = wording.text(f"state_{node.value}")
        say_back(draft, text, wording.line(order, "answer_ok", state=state))


def _order_meant(
    draft: Draft, text: TextReceived, person: Person, reply: ChatReply, wording: Wording
) -> tuple[Order | None, str]:
    """Return the order a text is about: the card it answers, its number, his only one.

    With it comes what he reads if it has ended and he says something new, or if there is none.
    """
    answered = order_of_card(draft, text.chat, text.group or text.address, text.reply_to)
    if answered is not None:
        return answered, _closed(answered, wording)
    if reply.number is not None:
        order = order_of_number(draft, reply.number)
        if order is None:
            return None, wording.text("answer_no_such", number=reply.number)
        return order, _closed(order, wording)
    mine = [*open_orders_of(draft, person.id), *awaited_from(draft, person.id)]
    if len(mine) == 1:
        return mine[0], _closed(mine[0], wording)
    if not mine:
        again = just_ended(draft, person.id, reply.action) if reply.action else None
        return again, wording.text("answer_no_order")
    numbers = wording.listed(wording.written_number(o) for o in mine)
    return None, wording.text("answer_which", numbers=numbers, example=mine[0].number)


def _closed(order: Order, wording: Wording) -> str:
    """Return what somebody reads who says something new of an order that has ended."""
    return wording.line(order, "answer_closed")


def order_of_card(
    draft: Draft, chat: str, address: str, message: str | None
) -> Order | None:
    """Return the order whose card a chat message is, or None."""
    if message is None:
        return None
    for card in draft.state.each(Card):
        if (card.chat, card.address, card.message) == (chat, address, message):
            return draft.find(Order, card.order)
    return None


def media_received(draft: Draft, media: MediaReceived) -> None:
    """Tie a photo, a voice note or a position to the order it is about."""
    person_id = draft.state.person_of_account(media.chat, media.address)
    person = draft.find(Person, person_id) if person_id else None
    if person is None or not person.active:
        _refuse_chat(draft, None, person, "detail_left" if person else "detail_unknown_sender")
        return
    place_shared(draft, media, person)
    order = order_of_card(draft, media.chat, media.group or media.address, media.reply_to)
    order = order or only_order_of(draft, person.id)
    kind = Wording(draft.site).text(f"detail_{media.kind}")
    draft.report(
        order,
        "media",
        person=person.id,
        medium="chat",
        assurance="C1",
        detail=f"{kind} {media.path}" if media.path else kind,
    )


# ---- enrolment ----


def _present_code(draft: Draft, text: TextReceived, code: str) -> None:
    wording = Wording(draft.site)
    source = f"code/{_account(text.chat, text.address)}"
    if paused(draft, source, CODE_TRIES, HOUR_US):
        say_back(draft, text, wording.text("answer_code_tries"))
        return
    digest = code_digest(code)
    for issued in draft.state.each(EnrolmentCode):
        if issued.code_sha256 == digest and draft.now_us <= issued.expires_us:
            _enrol(draft, text, issued)
            return
    note_try(draft, source, CODE_TRIES, HOUR_US)
    say_back(draft, text, wording.text("answer_code_wrong"))


def _free_account(draft: Draft, text: TextReceived, person: Person) -> None:
    """Take the account from whose it was, and from the person the one he had before."""
    holder = draft.state.person_of_account(text.chat, text.address)
    if holder == person.id:
        return
    for id_ in (holder, person.id):
        contact = draft.find(Contact, f"{text.chat}/{id_}")
        if contact is not None:
            forget_account(draft, contact)


def _enrol(draft: Draft, text: TextReceived, issued: EnrolmentCode) -> None:
    person = draft.find(Person, issued.person)
    draft.drop(EnrolmentCode, issued.key)
    if person is None or not person.active:
        say_back(draft, text, Wording(draft.site).text("answer_code_wrong"))
        return
    _free_account(draft, text, person)
    draft.put(
        Contact(person=person.id, chat=text.chat, address=text.address, since_us=draft.now_us)
    )
    wording = Wording(draft.site, person.language)
    detail = wording.text("detail_enrolled")
    draft.report(None, "enrolled", person=person.id, medium="chat", detail=detail)
    keys = keys_below(wording) if person.role is Role.GUARD else ()
    say_back(draft, text, wording.text("answer_code_ok", name=person.name), keys)
