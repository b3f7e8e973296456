"""What goes to people without being an order: how it is spoken, posted and answered.

Rules for whoever edits this file:

1. A notice waits behind every live order and never keeps anybody from answering one: what may
   be an answer to an order is offered to the orders as well, or first.
2. An answer counts from somebody whose answer is awaited, by what says who he is: his button,
   his guard number, his radio, or his turn.

Theory of operation. A notice holds its own pages and cards, of the same series of ids as those
of orders, so that drivers need not know it. ``readiness_steps`` offers it what is heard.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from gateway.core.alert import Assurance, Medium
from gateway.core.answers.answer_window import LATE_S, turns_for
from gateway.core.answers.events import ButtonPressed
from gateway.core.calls.calling import MOST_CALLS, NOTE_LIFE_US, US
from gateway.core.calls.events import (
    CardFailed,
    CardPosted,
    PageFailed,
    PageSpoken,
    PageStarted,
    PageWaited,
)
from gateway.core.effects import (
    AnswerPress,
    Button,
    EditCard,
    PageChannel,
    PostCard,
    ReportStatus,
)
from gateway.core.order import Assignment, Order, Timer
from gateway.core.people import Person, Role
from gateway.core.places import Grid
from gateway.core.readiness.settings import Notice, NoticeCard, NoticePage, Present
from gateway.core.reasons import Why, Worded
from gateway.core.state import Draft, by_age
from gateway.core.wording import Wording, because

CLOCK: Final = "notice"
# The lowest level of an order: a notice is besides marked as routine.
LEVEL: Final = 3
# Of the grids that there are, a refusal names so many letters' worth.
_MOST_KNOWN_CHARS: Final = 340
Said = Callable[[Sequence[Person]], tuple[str, ...]]


def named(draft: Draft, by: str) -> str:
    """Return who asked for something, in words: of what the settings ask for, that they do."""
    return Wording(draft.site).text("by_plan") if by.startswith("@") else by


def current(draft: Draft) -> list[Notice]:
    """Return every notice, as this step has left it, oldest first."""
    found = (draft.find(Notice, n.id) for n in list(draft.state.each(Notice)))
    return sorted((n for n in found if n is not None), key=lambda n: by_age(n.id))


def new_notice(draft: Draft, notice: Notice) -> Notice:
    """Return a notice with an id, put and with its clock running."""
    notice = replace(notice, id=f"n{draft.next_id('notice')}")
    draft.put(notice)
    draft.wake(CLOCK, notice.id, notice.due_us)
    return notice


def report(
    draft: Draft,
    node: str,
    *,
    detail: str | None = None,
    grid: str | None = None,
    present: Present | None = None,
    person: str | None = None,
) -> None:
    """Tell the centre something of a notice: of whom, or of which grid."""
    draft.ask(
        ReportStatus(
            at_us=draft.now_us, order=None, number=None, node=node,
            person=present.person if present is not None else person,
            medium=present.medium.value if present is not None else None,
            assurance=present.assurance.value if present is not None else None,
            detail=detail, grid=grid,
        )
    )  # fmt: skip


def grids_meant(draft: Draft, grids: tuple[str, ...]) -> list[Grid]:
    """Return the grids of these ids that there are; every grid where none is named."""
    known = draft.site.grids
    return [known[g] for g in grids if g in known] if grids else list(known.values())


def unknown_grid(draft: Draft, grids: tuple[str, ...]) -> Worded | None:
    """Return what is wrong with grids that somebody has named, or None."""
    for grid in grids:
        if grid not in draft.site.grids:
            return no_grid(draft, grid)
    return None


def no_grid(draft: Draft, grid: str) -> Worded:
    """Return that there is no such grid, and which there are."""
    known = ", ".join(draft.site.grids)[:_MOST_KNOWN_CHARS]
    return because(draft.site, Why.NO_GRID, grid=grid, known=known)


def busy(draft: Draft, person: str) -> bool:
    """Return whether a person has a part in a live order that is open."""
    orders = (draft.find(Order, key) for key in draft.state.orders_of(person))
    return any(
        o.open and not o.alert.exercise and draft.find(Assignment, f"{o.id}/{person}")
        for o in orders
        if o is not None
    )


# ---- out ----


def speak(
    draft: Draft, notice: Notice, channel: str, listeners: Sequence[Person], said: Said
) -> Notice:
    """Ask for one transmission of a notice; return the notice with it.

    Args:
        draft: The step's draft.
        notice: The notice.
        channel: Where; nothing is asked of one that does not transmit.
        listeners: Whose answers are awaited there.
        said: What is spoken, by who is given a turn.
    """
    known = draft.site.channels.get(channel)
    if known is None or not known.transmits:
        return notice
    turns = turns_for(draft, listeners)
    slot_s = draft.site.response.slot_s if turns else 0
    window_s = max(known.answer_window_s, len(turns) * slot_s) if listeners else 0
    page = NoticePage(
        id=f"p{draft.next_id('page')}", channel=channel, asked_us=draft.now_us,
        window_s=window_s, slots=tuple(p.id for p in turns), slot_s=slot_s,
    )  # fmt: skip
    notice = notice.with_page(page)
    draft.put(notice)
    calls = tuple(dict.fromkeys(call for person in listeners for call in person.calls))
    draft.ask(
        PageChannel(
            page=page.id, channel=channel, order=notice.id, level=LEVEL, number="",
            text=said(turns), language=draft.site.language, attention=False,
            answer_window_s=window_s, calls=calls[:MOST_CALLS], not_after_us=notice.due_us,
            routine=True,
        )
    )  # fmt: skip
    return notice


def post_group(
    draft: Draft, notice: Notice, group: str, text: str, buttons: tuple[Button, ...]
) -> Notice:
    """Ask for a card in a group, ``chat/group``; return the notice with it."""
    known = draft.site.chat_groups.get(group)
    if known is None:
        return notice
    if any((c.chat, c.address) == (known.chat, known.address) for c in notice.cards):
        return notice
    return _post(draft, notice, known.chat, known.address, None, text, buttons)


def post_private(
    draft: Draft, notice: Notice, person: Person, text: str, buttons: tuple[Button, ...]
) -> Notice:
    """Ask for a card in each chat of a person; return the notice with them."""
    for contact in draft.state.contacts_of(person.id):
        notice = _post(
            draft, notice, contact.chat, contact.address, person.id, text, buttons
        )
    return notice


def _post(
    draft: Draft,
    notice: Notice,
    chat: str,
    address: str,
    person: str | None,
    text: str,
    buttons: tuple[Button, ...],
) -> Notice:
    card = NoticeCard(
        id=f"c{draft.next_id('card')}", chat=chat, address=address, person=person,
        asked_us=draft.now_us,
    )  # fmt: skip
    notice = notice.with_card(card)
    draft.put(notice)
    draft.ask(
        PostCard(
            card=card.id, chat=chat, address=address, private=person is not None,
            order=notice.id, text=text, buttons=(buttons,) if buttons else (), level=LEVEL,
            not_after_us=notice.due_us,
        )
    )  # fmt: skip
    return notice


def rewrite(
    draft: Draft, notice: Notice, text: str, buttons: tuple[Button, ...] = ()
) -> None:
    """Show another text on every card of a notice that stands in a group."""
    for card in notice.cards:
        if card.message is None or card.person is not None:
            continue
        draft.ask(
            EditCard(
                card=card.id, chat=card.chat, address=card.address, message=card.message,
                private=False, order=notice.id, text=text,
                buttons=(buttons,) if buttons else (), level=LEVEL,
                not_after_us=draft.now_us + NOTE_LIFE_US,
            )
        )  # fmt: skip


# ---- what became of it ----


def page_event(
    draft: Draft, event: PageWaited | PageStarted | PageSpoken | PageFailed
) -> bool:
    """Note how far a notice's page has come; return False when it is none of ours."""
    for notice in current(draft):
        page = next((p for p in notice.pages if p.id == event.page), None)
        if page is None:
            continue
        if isinstance(event, PageSpoken):
            spoken = replace(page, state="spoken", ended_us=event.at_us)
            draft.put(_kept_open(draft, notice.with_page(spoken), event.at_us))
        elif isinstance(event, PageFailed):
            draft.put(
                notice.with_page(replace(page, state="failed", reason=event.reason))
            )
        return True
    return False


def _kept_open(draft: Draft, notice: Notice, spoken_us: int) -> Notice:
    """Return a roll-call with as long to answer on the air as in the chat."""
    if notice.kind != "roll_call" or notice.listed:
        return notice
    due_us = max(notice.due_us, spoken_us + draft.site.readiness.window_s * US)
    draft.wake(CLOCK, notice.id, due_us)
    return replace(notice, due_us=due_us)


def card_event(draft: Draft, event: CardPosted | CardFailed) -> bool:
    """Note what became of a notice's card; return False when it is none of ours."""
    for notice in current(draft):
        card = next((c for c in notice.cards if c.id == event.card), None)
        if card is None:
            continue
        if isinstance(event, CardPosted):
            card = replace(
                card, state="posted", message=event.message, ended_us=event.at_us
            )
        else:
            card = replace(card, state="failed", reason=event.reason)
        draft.put(notice.with_card(card))
        return True
    return False


# ---- answers ----


def is_present(
    draft: Draft, notice: Notice, person: str, medium: Medium, assurance: Assurance
) -> bool:
    """Take somebody's answer; return False when none is awaited of him."""
    if person not in notice.asked:
        return False
    if person in notice.missing:
        mark = Present(
            person=person, at_us=draft.now_us, medium=medium, assurance=assurance
        )
        draft.put(replace(notice, present=(*notice.present, mark)))
        node = "roll_present" if notice.kind == "roll_call" else notice.kind
        detail = Wording(draft.site).text(f"notice_{notice.kind}_done")
        report(draft, node, detail=detail, present=mark)
    return True


def pressed(draft: Draft, event: ButtonPressed) -> Notice | None:
    """Take a press of a notice's button; return the notice, None when it is not of one."""
    if not event.order.startswith("n"):
        return None
    notice = draft.find(Notice, event.order)
    person_id = draft.state.person_of_account(event.chat, event.address)
    person = draft.find(Person, person_id) if person_id else None
    wording = Wording(draft.site, person.language if person else None)
    taken = False
    if person is None:
        said = wording.text("answer_not_enrolled")
    elif not person.active:
        said = wording.text("answer_left")
    elif notice is None:
        said = wording.text("notice_over")
    else:
        taken = is_present(draft, notice, person.id, Medium.CHAT, Assurance.C2)
        said = wording.text(f"notice_{notice.kind}_done" if taken else "notice_not_yours")
    draft.ask(
        AnswerPress(
            chat=event.chat, press=event.press, text=said, alert=not taken,
            not_after_us=draft.now_us + NOTE_LIFE_US,
        )
    )  # fmt: skip
    return notice


def page_before(notice: Notice, channel: str, began_us: int) -> NoticePage | None:
    """Return the page to which an over that began then may be an answer, or None."""
    for page in notice.pages:
        if page.channel != channel or page.ended_us is None:
            continue
        if 0 <= began_us - page.ended_us <= (page.window_s + LATE_S) * US:
            return page
    return None


def guards_of(draft: Draft, grids: Iterable[Grid]) -> list[Person]:
    """Return the active guards of some grids, each once."""
    found = {
        person.id: person
        for grid in grids
        for person in draft.state.people_of_grid(grid.id).values()
        if person.active and person.role is Role.GUARD
    }
    return [found[id_] for id_ in sorted(found)]




def just_rung(draft: Draft, timer: Timer) -> bool:
    """Return whether a clock came due while nobody was here, so lately that it still counts.

    It is about to ring: a start that set it anew would leave out what it was set for.
    """
    late_us = draft.now_us - timer.due_us
    return 0 <= late_us <= draft.site.readiness.window_s * US


def close(draft: Draft, notice: Notice) -> None:
    """Forget a notice: what came of it stands in the journal."""
    draft.sleep(CLOCK, notice.id)
    draft.drop(Notice, notice.id)
