"""A company's office: copied on its guards' orders, and able to answer for them (E3).

What somebody of the office says for a guard stands in the guard's timeline, with who said it.
He speaks for people of his own body only, and says for whom: 张三 收到, or 10 张三 不能去.
Where one guard alone of his is on the order, a button of the office's card means that guard.
"""

from gateway.core.alert import Assurance, Medium
from gateway.core.answers.by_chat import order_of_card
from gateway.core.answers.ended import just_ended, said_again
from gateway.core.answers.events import ButtonPressed, TextReceived
from gateway.core.answers.replies import NODE_OF_ACTION, Action, ChatReply, parse_text
from gateway.core.answers.say_back import say_back
from gateway.core.answers.timeline import apply_reply, only_order_of, order_of_number
from gateway.core.calls.calling import NOTE_LIFE_US
from gateway.core.effects import AnswerPress
from gateway.core.order import Assignment, Node, Order
from gateway.core.people import Organisation, Person
from gateway.core.register.named import Named, named_in
from gateway.core.state import Draft
from gateway.core.wording import Wording


def office_of(draft: Draft, person: Person) -> Organisation | None:
    """Return the body for whose guards a person may answer, or None."""
    body = draft.site.organisations.get(person.organisation)
    return body if body is not None and person.id in body.office_people else None


def _writer(draft: Draft, chat: str, address: str) -> tuple[Person, Organisation] | None:
    id_ = draft.state.person_of_account(chat, address)
    person = draft.find(Person, id_) if id_ else None
    if person is None or not person.active:
        return None
    body = office_of(draft, person)
    return None if body is None else (person, body)


def office_wrote(draft: Draft, text: TextReceived) -> bool:
    """Apply what an office writes for a guard of its own; return whether it was that."""
    writer = _writer(draft, text.chat, text.address)
    if writer is None:
        return False
    person, body = writer
    everybody = [p for p in _on_orders(draft) if p.id != person.id]
    named = named_in(text.text, everybody)
    reply = parse_text(named.rest)
    if not named.people and reply.action is not None:
        named = _of_ended(draft, text, body, reply.action)
        reply = parse_text(named.rest)
    if not named.people or reply.action is None:
        return False
    say_back(draft, text, _for_guard(draft, text, person, body, named.people, reply))
    return True


def _on_orders(draft: Draft) -> list[Person]:
    """Return everybody who has a part in an open order, each once, by id."""
    ids = {
        part.person
        for order_id in draft.state.open_orders()
        for part in draft.of_order(Assignment, order_id)
    }
    return [p for id_ in sorted(ids) if (p := draft.find(Person, id_)) is not None]


def _of_ended(draft: Draft, text: TextReceived, body: Organisation, action: Action) -> Named:
    """Return whom of an office's own a line names who has said just this of an ended order."""
    own = [p for p in draft.state.each(Person) if p.active and p.organisation == body.id]
    named = named_in(text.text, own)
    if all(just_ended(draft, person.id, action) for person in named.people):
        return named
    return Named((), text.text)


def _for_guard(
    draft: Draft,
    text: TextReceived,
    person: Person,
    body: Organisation,
    people: tuple[Person, ...],
    reply: ChatReply,
) -> str:
    """Apply a written answer for a guard and return what the office reads."""
    wording = Wording(draft.site, person.language)
    own = [p for p in people if p.organisation == body.id]
    if not own:
        _refuse(draft, person, people[0])
        return wording.text("answer_not_yours", name=people[0].name)
    if len(own) > 1 or len(people) > 1:
        codes = wording.listed(p.guard_code or p.id for p in people)
        return wording.text("answer_several", name=own[0].name, codes=codes)
    guard = own[0]
    order = order_of_card(draft, text.chat, text.group or text.address, text.reply_to)
    if order is None and reply.number:
        order = order_of_number(draft, reply.number)
    assert reply.action is not None
    if order is None and not reply.number:
        order = only_order_of(draft, guard.id) or just_ended(draft, guard.id, reply.action)
    return _apply(draft, order, person, guard, reply.action, Assurance.C1, text.text[:100])


def _refuse(draft: Draft, person: Person, guard: Person) -> None:
    detail = Wording(draft.site).text("answer_not_yours", name=guard.id)
    draft.report(None, "refused_reply", person=person.id, medium="chat", detail=detail)


def _apply(
    draft: Draft,
    order: Order | None,
    person: Person,
    guard: Person,
    action: Action,
    assurance: Assurance,
    reason: str | None,
) -> str:
    """Write an answer into a guard's timeline and return what the office reads."""
    wording = Wording(draft.site, person.language)
    if order is None:
        return wording.text("answer_no_order")
    if not order.open:
        return _again(draft, order, person, guard, action, assurance)
    detail = Wording(draft.site).text("detail_on_behalf", by=person.name)
    if not apply_reply(
        draft, order, guard.id, action, medium=Medium.CHAT, assurance=assurance,
        reason=reason, detail=detail,
    ):  # fmt: skip
        return wording.line(order, "answer_not_addressed")
    return _noted(wording, order, guard, NODE_OF_ACTION[action])


def _noted(wording: Wording, order: Order, guard: Person, node: Node) -> str:
    state = wording.text(f"state_{node.value}")
    return wording.line(order, "answer_on_behalf", name=guard.name, state=state)


def _again(
    draft: Draft,
    order: Order,
    person: Person,
    guard: Person,
    action: Action,
    assurance: Assurance,
) -> str:
    """Return what an office reads that answers for a guard of an order that has ended.

    What stands on record is answered as it was the first time, like the guard's own word.
    """
    wording = Wording(draft.site, person.language)
    node = said_again(
        draft, order, guard.id, action, medium=Medium.CHAT, assurance=assurance, by=person.name
    )
    if node is None:
        return wording.line(order, "answer_closed")
    return _noted(wording, order, guard, node)


def office_pressed(draft: Draft, pressed: ButtonPressed) -> bool:
    """Apply a press of an office's own card for its guard; return whether it was that.

    Somebody of the office who was addressed himself answers for himself.
    """
    writer = _writer(draft, pressed.chat, pressed.address)
    order = draft.find(Order, pressed.order)
    if writer is None or order is None:
        return False
    person, body = writer
    if draft.find(Assignment, f"{order.id}/{person.id}") is not None:
        return False
    wording = Wording(draft.site, person.language)
    guards = own_parts(draft, order, body.id)
    if not order.open and len(guards) != 1:
        return False
    if len(guards) == 1:
        said = _apply(
            draft, order, person, guards[0], Action(pressed.action), Assurance.C2, None
        )
    elif guards:
        said = wording.text("answer_whom", name=guards[0].name)
    else:
        said = wording.line(order, "answer_not_addressed")
    draft.ask(
        AnswerPress(
            chat=pressed.chat,
            press=pressed.press,
            text=said,
            alert=len(guards) != 1,
            not_after_us=draft.taken_us + NOTE_LIFE_US,
        )
    )
    return True


def own_parts(draft: Draft, order: Order, organisation: str) -> list[Person]:
    """Return the people of a body who have a part in an order, by id."""
    people = (draft.find(Person, a.person) for a in draft.of_order(Assignment, order.id))
    return [p for p in people if p is not None and p.organisation == organisation]
