"""Who is in the register: seeded, entered, changed, given a code, gone, back, erased."""

from dataclasses import replace
from functools import reduce
from typing import Literal

from gateway.core.alert import Assurance, Medium
from gateway.core.answers.replies import Action
from gateway.core.answers.timeline import apply_reply
from gateway.core.calls.whereabouts import LastSeen
from gateway.core.effects import Receipt
from gateway.core.guard_reports.report import GuardReport
from gateway.core.order import (
    Assignment,
    Card,
    Order,
)
from gateway.core.people import ERASED, EnrolmentCode, Person
from gateway.core.readiness.settings import Notice
from gateway.core.reasons import Why, Worded
from gateway.core.register.accounts import forget_account
from gateway.core.register.check import mistake_in
from gateway.core.register.events import (
    EnrolmentIssued,
    PersonChanged,
    PersonEntered,
    PersonErased,
    PersonLeft,
    PersonStruck,
    RegisterSeeded,
)
from gateway.core.register.fields import changed
from gateway.core.roster import DutyChanges
from gateway.core.state import Draft, by_age, name_of
from gateway.core.talk.groups import take_back_talk
from gateway.core.wording import Wording, because

Status = Literal["accepted", "duplicate", "refused"]


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
            _tell_named(draft, event, "detail_code_issued")
        case PersonLeft():
            _leave(draft, event.person)
            _tell_named(draft, event, "detail_struck")
        case PersonErased():
            name = name_of(draft, event.person)
            _leave(draft, event.person)
            _erase(draft, event.person)
            _tell_erased(draft, event, name)


def person_acted(draft: Draft, event: PersonEntered | PersonChanged | PersonStruck) -> None:
    """Do what somebody asks of the register, and answer with a receipt."""
    id_ = event.person.id if isinstance(event, PersonEntered) else event.person
    status, reason = _done(draft, event)
    draft.ask(Receipt(status=status, sender=event.by, id=id_, reason=reason))


def _done(
    draft: Draft, event: PersonEntered | PersonChanged | PersonStruck
) -> tuple[Status, Worded | None]:
    """Do what is asked and return what became of it, with the reason where it was refused."""
    if isinstance(event, PersonEntered):
        return _enter(draft, event)
    if isinstance(event, PersonChanged):
        return _change(draft, event)
    return _strike(draft, event)


def _tell(draft: Draft, person: Person, key: str, by: str, **gaps: object) -> None:
    detail = Wording(draft.site).text(key, by=by, **gaps)
    draft.report(
        None, "register", person=person.id, medium="centre", assurance="H", detail=detail
    )


def _tell_named(
    draft: Draft, event: EnrolmentIssued | PersonLeft, key: str
) -> None:
    """Tell by whom something was done; a journal of before names did not hold it."""
    person = draft.find(Person, event.person)
    if person is not None and event.by:
        _tell(draft, person, key, event.by)


def _tell_erased(draft: Draft, event: PersonErased, name: str) -> None:
    """Tell who had a person erased; told as of him, it would be erased with him."""
    if event.by:
        by = event.by.replace(name, event.person) if name else event.by
        detail = Wording(draft.site).text("detail_erased", by=by, person=event.person)
        draft.report(None, "register", medium="centre", assurance="H", detail=detail)


def _unknown(draft: Draft, id_: str) -> tuple[Status, Worded]:
    return "refused", because(draft.site, Why.NO_PERSON, person=id_)


def _enter(draft: Draft, event: PersonEntered) -> tuple[Status, Worded | None]:
    person = event.person
    known = draft.find(Person, person.id)
    if known is not None:
        same = known == replace(person, certificate_told=known.certificate_told)
        return ("duplicate", None) if same else (
            "refused", because(draft.site, Why.PERSON_KNOWN, person=person.id)
        )  # fmt: skip
    wrong = mistake_in(draft, person, event.within)
    if wrong is not None:
        return "refused", wrong
    draft.put(person)
    _tell(draft, person, "detail_entered", event.by)
    return "accepted", None


def _change(draft: Draft, event: PersonChanged) -> tuple[Status, Worded | None]:
    known = draft.find(Person, event.person)
    if known is None or (event.within is not None and known.organisation != event.within):
        return _unknown(draft, event.person)
    if known.active == event.rejoins:
        wrong_way = Why.PERSON_NOT_LEFT if event.rejoins else Why.PERSON_LEFT
        return "refused", because(draft.site, wrong_way, person=known.id)
    if known.name == ERASED:
        return "refused", because(draft.site, Why.PERSON_ERASED, person=known.id)
    # What told him from others died with his entry: it is given anew.
    bare = replace(known, active=True) if known.active else without_signs(known)
    try:
        person = changed(bare, dict(event.changes))
    except ValueError as error:
        return "refused", because(draft.site, Why.FIELD_VALUE, said=error)
    if person == known:
        return "duplicate", None
    wrong = mistake_in(draft, person, event.within)
    if wrong is not None:
        return "refused", wrong
    draft.put(person)
    key = "detail_rejoined" if event.rejoins else "detail_changed"
    fields = Wording(draft.site).listed(name for name, _ in event.changes)
    _tell(draft, person, key, event.by, fields=fields)
    return "accepted", None


def without_signs(person: Person) -> Person:
    """Return a person who is back, without the codes and radios that he had before."""
    return replace(
        person, active=True, guard_code=None, radio_id=None, radios=(), serials=(), calls=()
    )


def _strike(draft: Draft, event: PersonStruck) -> tuple[Status, Worded | None]:
    person = draft.find(Person, event.person)
    if person is None or (event.within is not None and person.organisation != event.within):
        return _unknown(draft, event.person)
    if not person.active:
        return "duplicate", None
    _leave(draft, person.id)
    _tell(draft, person, "detail_struck", event.by)
    return "accepted", None


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
    for report in list(draft.state.each(GuardReport)):
        if report.person == person_id:
            draft.put(replace(report, text=ERASED, place=None))
    draft.drop(LastSeen, person_id)
    for notice in list(draft.state.each(Notice)):
        cards = (replace(c, address=ERASED) for c in notice.cards if c.person == person_id)
        draft.put(reduce(Notice.with_card, cards, notice))
    draft.put(replace(person, name=ERASED, certificate=None, filing=None))
    for order_id in sorted(draft.state.orders_of(person_id), key=by_age):
        his = draft.find(Assignment, f"{order_id}/{person_id}")
        if his is not None and his.reason is not None:
            draft.put(replace(his, reason=ERASED))
        for posted in draft.of_order(Card, order_id):
            if posted.person == person_id:
                draft.put(replace(posted, address=ERASED))


def _leave(draft: Draft, person_id: str) -> None:
    """Take a person off every medium at once; his open orders look for somebody else."""
    person = draft.find(Person, person_id)
    if person is None or not person.active:
        return
    draft.put(replace(person, active=False))
    draft.drop(EnrolmentCode, person.id)
    draft.drop(DutyChanges, person.id)
    take_back_talk(draft, person.id)
    for contact in draft.state.contacts_of(person.id):
        forget_account(draft, contact)
    reason = Wording(draft.site).text("detail_left")
    for order_id in sorted(draft.state.orders_of(person.id), key=by_age):
        order = draft.find(Order, order_id)
        if order is not None and order.open:
            apply_reply(
                draft, order, person.id, Action.CANNOT_COME, medium=Medium.CENTRE,
                assurance=Assurance.H, reason=reason,
            )  # fmt: skip
