"""Who is in the register: seeded, given a code, gone, erased."""

from dataclasses import replace

from gateway.core.alert import Assurance, Medium
from gateway.core.answering import apply_reply
from gateway.core.events import (
    EnrolmentIssued,
    PersonErased,
    PersonLeft,
    RegisterSeeded,
)
from gateway.core.order import (
    Assignment,
    Card,
    Order,
)
from gateway.core.people import ERASED, Contact, EnrolmentCode, Person
from gateway.core.replies import Action
from gateway.core.state import Draft, by_age
from gateway.core.wording import Wording


def register_event(
    draft: Draft, event: RegisterSeeded | EnrolmentIssued | PersonLeft | PersonErased
) -> None:
    """Take in what happened to the register."""
    match event:
        case RegisterSeeded():
            _seed(draft, event)
        case EnrolmentIssued():
            draft.put(
                EnrolmentCode(
                    person=event.person,
                    code_sha256=event.code_sha256,
                    expires_us=event.expires_us,
                )
            )
        case PersonLeft():
            _leave(draft, event.person)
        case PersonErased():
            _leave(draft, event.person)
            _erase(draft, event.person)


def _seed(draft: Draft, seeded: RegisterSeeded) -> None:
    """Take in whom the register does not know; what it knows is never overwritten."""
    fresh = [p for p in seeded.people if draft.find(Person, p.id) is None]
    for person in fresh:
        draft.put(person)
    names = {p.id for p in fresh}
    for contact in seeded.contacts:
        if contact.person in names:
            draft.put(contact)


def _erase(draft: Draft, person_id: str) -> None:
    """Take away what is personal, lest a later change of a row write it down again."""
    person = draft.find(Person, person_id)
    if person is None:
        return
    draft.put(replace(person, name=ERASED))
    for order_id in sorted(draft.state.orders_of(person_id), key=by_age):
        his = draft.find(Assignment, f"{order_id}/{person_id}")
        if his is not None and his.reason is not None:
            draft.put(replace(his, reason=ERASED))
        for card in draft.of_order(Card, order_id):
            if card.person == person_id:
                draft.put(replace(card, address=ERASED))


def _leave(draft: Draft, person_id: str) -> None:
    """Take a person off every medium at once; his open orders look for somebody else."""
    person = draft.find(Person, person_id)
    if person is None or not person.active:
        return
    draft.put(replace(person, active=False))
    draft.drop(EnrolmentCode, person.id)
    for contact in draft.state.contacts_of(person.id):
        draft.drop(Contact, contact.key)
    reason = Wording(draft.site).text("detail_left")
    for order_id in sorted(draft.state.orders_of(person.id), key=by_age):
        order = draft.find(Order, order_id)
        if order is not None and order.open:
            apply_reply(
                draft, order, person.id, Action.CANNOT_COME, medium=Medium.CENTRE,
                assurance=Assurance.H, reason=reason,
            )  # fmt: skip
