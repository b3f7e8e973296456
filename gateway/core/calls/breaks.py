"""Rest: somebody on duty who is called to level 1 only, until it is over."""

from gateway.core.calls.events import BreakTaken
from gateway.core.calls.whereabouts import OnBreak
from gateway.core.effects import Receipt
from gateway.core.people import Person
from gateway.core.reasons import Why
from gateway.core.state import Draft
from gateway.core.wording import Wording, because

US = 1_000_000


def break_taken(draft: Draft, event: BreakTaken) -> None:
    """Note that somebody rests, or is back; refused for who is not in the register."""
    person = draft.find(Person, event.person)
    if person is None or not person.active:
        reason = because(draft.site, Why.NO_PERSON, person=event.person)
        draft.ask(Receipt(status="refused", sender=event.by, id=event.person, reason=reason))
        return
    for old in list(draft.state.each(OnBreak)):
        if old.until_us <= draft.now_us:
            draft.drop(OnBreak, old.key)
    if event.minutes:
        until_us = draft.now_us + event.minutes * 60 * US
        draft.put(OnBreak(person=person.id, until_us=until_us, by=event.by))
    else:
        draft.drop(OnBreak, person.id)
    key = "detail_break_on" if event.minutes else "detail_break_off"
    detail = Wording(draft.site).text(key, minutes=event.minutes, by=event.by)
    draft.report(None, "break", person=person.id, medium="centre", assurance="H", detail=detail)
    draft.ask(Receipt(status="accepted", sender=event.by, id=person.id))
