"""What stands in chats about a guard's report: the managers' cards, and his own question.

A card here hangs on the report as others hang on an order; its two buttons bear the digits
``1`` (make an order of it; yes, report it) and ``0`` (nobody need go; no).
"""

from dataclasses import replace
from typing import Final

from gateway.core.calls.calling import NOTE_LIFE_US, US
from gateway.core.calls.cards import Face, Rows, edit_card, post_card
from gateway.core.calls.events import CardFailed, CardPosted
from gateway.core.effects import Button, SendText
from gateway.core.guard_reports.report import GuardReport
from gateway.core.guard_reports.words import shown, where
from gateway.core.order import Card, Order
from gateway.core.people import Contact, Person, Role
from gateway.core.places import Grid
from gateway.core.state import Draft, name_of
from gateway.core.wording import Wording

YES, NO = "1", "0"
# A report stays worth a look for so long; what is later is seen at the centre.
CARD_LIFE_US: Final = 1800 * US


def ask_reporter(draft: Draft, report: GuardReport, contact: Contact) -> None:
    """Ask a guard, by one button, whether what he sent is a report."""
    person = draft.find(Person, contact.person)
    if person is not None:
        _post(draft, report, person, contact)


def tell_managers(draft: Draft, report: GuardReport) -> None:
    """Put a report before the managers of its grid; who has it already is told again."""
    for person in _managers(draft, report):
        for contact in draft.state.contacts_of(person.id):
            card = _card_in(draft, report, contact)
            if card is None:
                _post(draft, report, person, contact)
            elif card.message is not None:
                _edit(draft, report, card)
                text = _face(draft, report, card).text
                _write(draft, contact, text, level=_level(report), reply_to=card.message)


def _managers(draft: Draft, report: GuardReport) -> list[Person]:
    """Return the second manager of the grid; the first too where there is need."""
    found: dict[str, Person] = {}
    for grid in _grids(draft, report):
        seniors = (grid.second_manager, grid.first_manager)
        asked = seniors if report.reminded or report.emergency else seniors[:1]
        for id_ in asked if any(asked) else seniors:
            person = draft.find(Person, id_ or "")
            if person is not None and person.active:
                found[person.id] = person
    return list(found.values())


def _grids(draft: Draft, report: GuardReport) -> list[Grid]:
    """Return the grid of a report, or those called on its channel."""
    own = draft.site.grids.get(report.grid or "")
    if own is not None:
        return [own]
    grids = draft.site.grids.values()
    return [g for g in grids if report.channel is not None and g.channel == report.channel]


def may_judge(draft: Draft, report: GuardReport, person: Person) -> bool:
    """Return whether somebody may deal with a report: a manager to whom it was put."""
    has_card = any(card.person == person.id for card in draft.of_order(Card, report.id))
    return person.active and person.role in (Role.MANAGER, Role.STATION) and has_card


def _card_in(draft: Draft, report: GuardReport, contact: Contact) -> Card | None:
    cards = draft.of_order(Card, report.id)
    here = (contact.chat, contact.address)
    return next((card for card in cards if (card.chat, card.address) == here), None)


def _post(draft: Draft, report: GuardReport, person: Person, contact: Contact) -> None:
    card = Card(
        id=f"c{draft.next_id('card')}",
        order=report.id,
        chat=contact.chat,
        address=contact.address,
        person=person.id,
    )
    limit_us = draft.taken_us + CARD_LIFE_US
    post_card(draft, card, _face(draft, report, card), _level(report), limit_us)


def _level(report: GuardReport) -> int:
    return 1 if report.emergency else 2


def refresh(draft: Draft, report: GuardReport) -> None:
    """Show on every card of a report what has become of it."""
    for card in draft.of_order(Card, report.id):
        _edit(draft, report, card)


def _edit(draft: Draft, report: GuardReport, card: Card) -> None:
    limit_us = draft.taken_us + CARD_LIFE_US
    edit_card(draft, card, _face(draft, report, card), _level(report), limit_us)


def _face(draft: Draft, report: GuardReport, card: Card) -> Face:
    person = draft.find(Person, card.person or "")
    wording = Wording(draft.site, person.language if person else None)
    if card.person == report.person and person is not None and person.role is Role.GUARD:
        return _own_face(report, wording)
    key = "report_card_emergency" if report.emergency else "report_card"
    lines = [wording.text(key, number=report.number, what=_what(draft, report, wording))]
    if report.state == "open" and report.reminded:
        lines.append(wording.text("report_card_late", times=report.reminded))
    order = draft.find(Order, report.order or "")
    if order is not None:
        lines.append(wording.text("report_card_ordered", order=order.number, by=report.by))
    elif report.state == "dismissed":
        said = wording.text("report_card_dismissed", reason=report.reason, by=report.by)
        lines.append(said)
    buttons = _two(wording, "report_button_order", "report_button_dismiss")
    return Face("\n".join(lines), buttons if report.state == "open" else ())


def _what(draft: Draft, report: GuardReport, wording: Wording) -> str:
    """Return who, where and what, for somebody who reads it on his telephone."""
    who = name_of(draft, report.person) if report.person else wording.text("note_unknown")
    radio = wording.text("note_radio", radio=report.radio) if report.radio else ""
    media = " ".join((*report.media, *report.overs))
    with_it = wording.text("detail_report_media", media=media) if media else ""
    parts = (who, radio, where(draft, report), shown(report.text), with_it)
    return " ".join(part for part in parts if part)


def _own_face(report: GuardReport, wording: Wording) -> Face:
    """Return what the guard himself is asked, or what became of his answer."""
    if report.state == "draft":
        asked = wording.text("report_ask", text=shown(report.text, 100))
        if not report.text:
            asked = wording.text("report_ask_place")
        return Face(asked, _two(wording, "report_button_send", "report_button_not"))
    if report.state == "dismissed":
        return Face(wording.text("report_not_sent"), ())
    return Face(wording.text("report_received", number=report.number), ())


def _two(wording: Wording, yes: str, no: str) -> Rows:
    first = Button(label=wording.text(yes), action=YES)
    return ((first, Button(label=wording.text(no), action=NO)),)


def card_event(draft: Draft, event: CardPosted | CardFailed) -> bool:
    """Note what became of a report's card; return False when the card is none of ours."""
    card = draft.find(Card, event.card)
    report = draft.find(GuardReport, card.order) if card is not None else None
    if card is None or report is None:
        return False
    if isinstance(event, CardPosted):
        posted = replace(card, state="posted", message=event.message)
        draft.put(posted)
        _edit(draft, report, posted)
        return True
    if card.state == "withdrawn":
        return True
    if card.state == "queued":
        draft.put(replace(card, state=event.state))
    wording = Wording(draft.site)
    why = wording.fault(event.reason)
    detail = wording.text(f"detail_card_{event.state}", reason=why)
    draft.report(
        None, "warning", person=card.person, medium="chat", detail=f"{report.number}：{detail}"
    )
    return True


def tell_reporter(draft: Draft, report: GuardReport, key: str, **gaps: object) -> None:
    """Write a line to who reported, in every chat he has."""
    person = draft.find(Person, report.person or "")
    if person is None or not person.active:
        return
    text = Wording(draft.site, person.language).text(key, number=report.number, **gaps)
    for contact in draft.state.contacts_of(person.id):
        _write(draft, contact, text, level=_level(report))


def _write(
    draft: Draft, contact: Contact, text: str, *, level: int, reply_to: str | None = None
) -> None:
    draft.ask(
        SendText(
            chat=contact.chat,
            address=contact.address,
            text=text,
            level=level,
            not_after_us=draft.taken_us + NOTE_LIFE_US,
            reply_to=reply_to,
        )
    )
