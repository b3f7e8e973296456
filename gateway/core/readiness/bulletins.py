"""Bulletins (通报): text that calls nobody anywhere, read when there is time, and receipted.

It goes to the groups of some grids, with one button 已阅; where it is asked for it is spoken
too, once the channel has nothing better to do. Who has not pressed within the window is listed;
who presses later is noted all the same, for some days.
"""

from dataclasses import replace
from typing import Final

from gateway.core.calls.calling import US
from gateway.core.effects import Button, Receipt
from gateway.core.people import Person
from gateway.core.readiness import notices
from gateway.core.readiness.events import BulletinSent
from gateway.core.readiness.settings import Notice
from gateway.core.state import Draft, name_of
from gateway.core.wording import SPOKEN_TEXT_CHARS, Wording

# A bulletin is read late, or never.
KEPT_US: Final = 3 * 86_400 * US


def bulletin_sent(draft: Draft, event: BulletinSent) -> None:
    """Send a bulletin; answered by a receipt."""
    wrong = notices.unknown_grid(draft, event.grids)
    if wrong is not None:
        draft.ask(Receipt(status="refused", sender=event.by, id="bulletin", reason=wrong))
        return
    wording = Wording(draft.site)
    event = replace(event, text=wording.in_chats(event.text))
    meant = notices.grids_meant(draft, event.grids)
    readers = [p for p in notices.guards_of(draft, meant) if draft.state.contacts_of(p.id)]
    window_us = draft.site.readiness.bulletin_window_min * 60 * US
    notice = notices.new_notice(
        draft,
        Notice(
            id="", kind="bulletin", grids=tuple(g.id for g in meant), text=event.text,
            by=event.by, opened_us=draft.now_us, due_us=draft.now_us + window_us,
            asked=tuple(person.id for person in readers),
        ),
    )  # fmt: skip
    detail = wording.text("detail_bulletin", count=len(readers), text=event.text)
    notices.report(draft, "bulletin", detail=detail)
    button = (Button(label=wording.text("button_read"), action="1"),)
    reached: set[str] = set()
    for grid in meant:
        if grid.chat is not None:
            text = wording.text("card_bulletin", text=event.text, by=event.by)
            notice = notices.post_group(draft, notice, grid.chat, text, button)
            reached |= {p.id for p in readers if grid.id in p.grids}
    for person in readers:
        if person.id not in reached:
            notice = _privately(draft, notice, person, event)
    if event.radio:
        words = wording.on_open_radio(event.text)[:SPOKEN_TEXT_CHARS]
        said = wording.text("say_bulletin", text=words)
        for channel in dict.fromkeys(g.channel for g in meant if g.channel is not None):
            notice = notices.speak(draft, notice, channel, (), lambda _: (said,))
    draft.ask(Receipt(status="accepted", sender=event.by, id=notice.id))


def _privately(
    draft: Draft, notice: Notice, person: Person, event: BulletinSent
) -> Notice:
    wording = Wording(draft.site, person.language)
    text = wording.text("card_bulletin", text=event.text, by=event.by)
    button = (Button(label=wording.text("button_read"), action="1"),)
    return notices.post_private(draft, notice, person, text, button)


def bulletin_due(draft: Draft, notice: Notice) -> None:
    """List who has not read it; forget it some days later."""
    if notice.listed:
        notices.close(draft, notice)
        return
    wording = Wording(draft.site)
    for id_ in notice.missing:
        detail = wording.text("detail_unread", text=notice.text[:40])
        notices.report(draft, "unread", person=id_, detail=detail)
    counts = {"asked": len(notice.asked), "present": len(notice.present)}
    notices.report(draft, "bulletin", detail=wording.text("detail_bulletin_over", **counts))
    names = wording.listed(name_of(draft, id_) for id_ in notice.missing) or "—"
    text = wording.text("card_bulletin", text=notice.text, by=notice.by)
    button = (Button(label=wording.text("button_read"), action="1"),)
    unread = wording.text("card_unread", names=names)
    notices.rewrite(draft, notice, f"{text}\n{unread}", button)
    due_us = draft.now_us + KEPT_US
    draft.put(replace(notice, listed=True, due_us=due_us))
    draft.wake(notices.CLOCK, notice.id, due_us)
