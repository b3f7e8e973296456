"""Guards' reports by chat: words, photos, voice notes, places, and the buttons about them.

Rules for whoever edits this file:

1. Who has an open order answers it first: 到场 after 报告 is an arrival. What says nothing by
   the words of replies is told under his order.
2. In a group only what begins with 报告 or calls for help is a report: guards talk there.
3. What may be a report or not is asked by one button, never guessed and never dropped.
"""

from typing import Final

from gateway.core.alert import Assurance, Medium
from gateway.core.answers.by_chat import order_of_card
from gateway.core.answers.events import ButtonPressed, MediaReceived, TextReceived
from gateway.core.answers.replies import Action, parse_code, parse_report, parse_text
from gateway.core.answers.say_back import say_back
from gateway.core.answers.timeline import open_orders_of
from gateway.core.answers.tries import note_try, paused
from gateway.core.calls.calling import NOTE_LIFE_US
from gateway.core.calls.nearest import place_shared
from gateway.core.effects import AnswerPress, ReportStatus
from gateway.core.guard_reports.cards import NO, ask_reporter, may_judge
from gateway.core.guard_reports.danger import in_danger
from gateway.core.guard_reports.report import GuardReport, ReportKind, Telling
from gateway.core.guard_reports.steps import (
    add,
    anothers_call,
    dismiss,
    never_meant,
    promote,
    report_of,
    tell,
)
from gateway.core.guard_reports.words import keys_below, shown
from gateway.core.order import Assignment, Node, Order
from gateway.core.people import Person, Role
from gateway.core.register.duty import on_duty_now
from gateway.core.state import Draft
from gateway.core.wording import Wording

# Shorter words than this are no report: 在吗, 你好.
SHORTEST_CHARS: Final = 4
# So much of one person is told in a minute; what is more is in the journal.
MOST_A_MINUTE, MINUTE_US = 12, 60_000_000


def text_received(draft: Draft, text: TextReceived) -> bool:
    """Take a text for a report, or for more of one; return False when it is neither."""
    person = _sender(draft, text)
    if person is None or (text.group is None and parse_code(text.text) is not None):
        return False
    kind, reply = parse_report(text.text), parse_text(text.text)
    orders = open_orders_of(draft, person.id)
    answers = order_of_card(draft, text.chat, text.group or text.address, text.reply_to)
    replies = reply.action is not None and (orders or reply.number or kind is None)
    if kind == "emergency" or (reply.action is Action.NEED_HELP and not orders):
        mine = [order for order in orders if answers is not None and order.id == answers.id]
        his = [order for order in orders if not anothers_call(draft, order, person.id)]
        _call_help(draft, text, person, mine or his)
    elif answers is not None or replies:
        return False
    elif kind == "report" or _goes_on(draft, text, person, orders):
        _take(draft, text, person, orders, kind or "report")
    else:
        return _ask(draft, text, person, text=text.text)
    return True


def media_received(draft: Draft, media: MediaReceived) -> bool:
    """Take what was sent for a report, or for more of one; return False when it is neither."""
    person = _sender(draft, media)
    if person is not None:
        place_shared(draft, media, person)
    if person is None or open_orders_of(draft, person.id):
        return False
    if order_of_card(draft, media.chat, media.group or media.address, media.reply_to):
        return False
    kind = parse_report(media.caption)
    if media.group is not None and kind is None:
        return False
    bare = media.kind == "location" and kind is None
    if bare and report_of(draft, _source(person)) is None:
        return _ask(draft, media, person, place=media.place)
    _take(draft, media, person, [], kind or "report")
    return True


def _sender(draft: Draft, said: TextReceived | MediaReceived) -> Person | None:
    person_id = draft.state.person_of_account(said.chat, said.address)
    person = draft.find(Person, person_id) if person_id else None
    return person if person is not None and person.active else None


def _source(person: Person) -> str:
    return f"person/{person.id}"


def _telling(
    person: Person, said: TextReceived | MediaReceived, kind: ReportKind
) -> Telling:
    path = said.path if isinstance(said, MediaReceived) else None
    return Telling(
        source=_source(person),
        kind=kind,
        medium=Medium.CHAT,
        assurance=Assurance.C1,
        person=person,
        text=said.caption if isinstance(said, MediaReceived) else said.text,
        place=said.place if isinstance(said, MediaReceived) else None,
        media=() if path is None else (path,),
    )


def _goes_on(
    draft: Draft, text: TextReceived, person: Person, orders: list[Order]
) -> bool:
    """Return whether plain words go on with an order or a report of his."""
    if text.group is not None:
        return False
    busy = any(_has_spoken(draft, order, person) for order in orders)
    return busy or report_of(draft, _source(person)) is not None


def _has_spoken(draft: Draft, order: Order, person: Person) -> bool:
    part = draft.find(Assignment, f"{order.id}/{person.id}")
    return part is not None and bool(part.said)


def _take(
    draft: Draft,
    said: TextReceived | MediaReceived,
    person: Person,
    orders: list[Order],
    kind: ReportKind,
) -> None:
    """Tell the centre what somebody reports, under his order if he has one; he is answered."""
    wording = Wording(draft.site, person.language)
    counter = f"reports/{person.id}"
    if paused(draft, counter, MOST_A_MINUTE, MINUTE_US) and kind != "emergency":
        say_back(draft, said, wording.text("report_too_many"), level=1)
        return
    note_try(draft, counter, MOST_A_MINUTE, MINUTE_US)
    standing = report_of(draft, _source(person))
    if orders and (standing is None or standing.order is None):
        order = _busy_with(draft, person, orders)
        _tell_under(draft, order, person, said)
        say_back(draft, said, wording.text("report_added", number=order.number), level=1)
        return
    before = len(draft.effects)
    report = tell(draft, _telling(person, said, kind))
    begun = standing is None or standing.state != report.state
    key = "report_received" if begun else "report_added"
    say_back(draft, said, wording.text(key, number=report.number), keys_below(wording), level=1)
    # He reads that it was received before he reads what became of it.
    draft.effects.insert(before, draft.effects.pop())


def _busy_with(draft: Draft, person: Person, orders: list[Order]) -> Order:
    """Return which of his open orders he is busy with: the newest that he has not declined."""
    for order in reversed(orders):
        part = draft.find(Assignment, f"{order.id}/{person.id}")
        last = part.said[-1].node if part is not None and part.said else None
        if last not in (Node.DECLINED, Node.RELEASED, Node.STOOD_DOWN):
            return order
    return orders[-1]


def _tell_under(
    draft: Draft, order: Order, person: Person, said: TextReceived | MediaReceived
) -> None:
    text = said.caption if isinstance(said, MediaReceived) else said.text
    draft.report(
        order, "report_added", person=person.id, medium="chat", assurance="C1",
        detail=Wording(draft.site).text("detail_report_text", text=shown(text)),
    )  # fmt: skip


def _call_help(
    draft: Draft, text: TextReceived, person: Person, orders: list[Order]
) -> None:
    """Take a call for help: on his order, as more of his report, or as a new emergency."""
    standing = report_of(draft, _source(person))
    if not orders or (standing is not None and standing.order is not None):
        _take(draft, text, person, orders, "emergency")
        return
    order = _busy_with(draft, person, orders)
    draft.ask(
        ReportStatus(
            at_us=draft.now_us, order=order.id, number=order.number, node="emergency",
            person=person.id, medium="chat", assurance="C1",
            detail=Wording(draft.site).text("detail_report_text", text=shown(text.text)),
        )
    )  # fmt: skip
    in_danger(draft, order, person.id, medium=Medium.CHAT, assurance=Assurance.C1)
    wording = Wording(draft.site, person.language)
    say_back(draft, text, wording.text("report_received", number=order.number), level=1)


def _ask(
    draft: Draft,
    said: TextReceived | MediaReceived,
    person: Person,
    *,
    text: str = "",
    place: str | None = None,
) -> bool:
    """Ask a guard on duty by one button whether he reports; return whether he was asked."""
    long_enough = len(shown(text)) >= SHORTEST_CHARS or place is not None
    guard = person.role is Role.GUARD
    if said.group is not None or not guard or not long_enough:
        return False
    if not on_duty_now(draft.state, draft.site, person, draft.now_us):
        return False
    report = tell(draft, _telling(person, said, "report"), "draft")
    for contact in draft.state.contacts_of(person.id):
        if (contact.chat, contact.address) == (said.chat, said.address):
            ask_reporter(draft, report, contact)
    return True


# ---- buttons ----


def button_pressed(draft: Draft, pressed: ButtonPressed) -> bool:
    """Do what a button of a report's card says; return False when it is not of a report."""
    report = draft.find(GuardReport, pressed.order)
    if report is None:
        return False
    person_id = draft.state.person_of_account(pressed.chat, pressed.address)
    person = draft.find(Person, person_id) if person_id else None
    wording = Wording(draft.site, person.language if person else None)
    if person is not None and person.active and report.person == person.id:
        said = _own_answer(draft, report, person, pressed, wording)
    elif person is not None and may_judge(draft, report, person):
        said = _judged(draft, report, person, pressed, wording)
    else:
        said = None
    draft.ask(
        AnswerPress(
            chat=pressed.chat,
            press=pressed.press,
            text=said or wording.text("report_not_yours"),
            alert=said is None,
            not_after_us=draft.taken_us + NOTE_LIFE_US,
        )
    )
    return True


def _own_answer(
    draft: Draft, report: GuardReport, person: Person, pressed: ButtonPressed, wording: Wording
) -> str:
    """Take a guard's word for whether he reports; a second press says what stands."""
    if report.state != "draft":
        return wording.text("report_added", number=report.number)
    if pressed.action == NO:
        never_meant(draft, report)
        return wording.text("report_not_sent")
    telling = Telling(
        source=report.source, kind="report", medium=Medium.CHAT, assurance=Assurance.C2,
        person=person,
    )  # fmt: skip
    add(draft, report, telling, "open")
    return wording.text("report_received", number=report.number)


def _judged(
    draft: Draft, report: GuardReport, person: Person, pressed: ButtonPressed, wording: Wording
) -> str:
    """Take a manager's word for what becomes of a report."""
    if report.state != "open":
        return wording.text("report_gone")
    if pressed.action == NO:
        reason = wording.text("report_by_button")
        dismiss(draft, report, by=person.name, reason=reason)
        return wording.text("report_card_dismissed", reason=reason, by=person.name)
    order = promote(draft, report, by=person.name)
    if order is None:
        return wording.text("detail_report_nowhere")
    return wording.text("report_card_ordered", order=order.number, by=person.name)
