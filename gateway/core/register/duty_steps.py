"""What a change of somebody's duty by hand does: exceptions, pauses, extensions, swaps."""

from datetime import date
from typing import Literal

from gateway.core.effects import Receipt
from gateway.core.people import Person
from gateway.core.reasons import Why, Worded
from gateway.core.register.duty import (
    changed,
    changes_of,
    cut_short,
    local_words,
    on_duty_now,
    present_end_us,
    spans_of,
)
from gateway.core.register.events import DutyChanged, DutySwapped
from gateway.core.roster import DutyChanges, RosterException, Span
from gateway.core.state import Draft, name_of
from gateway.core.wording import Wording, because

MINUTE_US = 60_000_000


def duty_event(draft: Draft, event: DutyChanged | DutySwapped) -> None:
    """Take in a change of duty, and answer it with a receipt."""
    if isinstance(event, DutySwapped):
        refused = swap(draft, event)
    else:
        refused = change_duty(draft, event)
    status: Literal["accepted", "refused"] = "accepted" if refused is None else "refused"
    draft.ask(Receipt(status=status, sender=event.by, id=event.person, reason=refused))


def may_not_touch(draft: Draft, person_id: str, within: str | None) -> Worded | None:
    """Return why somebody's duty cannot be changed, or None."""
    person = draft.find(Person, person_id)
    if person is None or (within is not None and person.organisation != within):
        return because(draft.site, Why.NO_PERSON, person=person_id)
    if person.active:
        return None
    return because(draft.site, Why.PERSON_LEFT, person=person_id)


def change_duty(draft: Draft, event: DutyChanged) -> Worded | None:
    """Put a person on or off duty for a while, or give him back; return why not."""
    refused = may_not_touch(draft, event.person, event.within)
    if refused is not None:
        return refused
    person = draft.find(Person, event.person)
    assert person is not None
    if event.on_duty is None:
        return _resume(draft, person, event)
    from_us = event.from_us if event.from_us is not None else draft.now_us
    to_us = event.to_us
    if to_us is None:
        base_us = present_end_us(draft.site, person, from_us) if event.on_duty else from_us
        to_us = base_us + (event.for_min or 0) * MINUTE_US
    change = RosterException(
        person=person.id, from_us=from_us, to_us=to_us, on_duty=event.on_duty,
        reason=event.reason, by=event.by,
    )  # fmt: skip
    _make(draft, change, "detail_duty_on" if event.on_duty else "detail_duty_off")
    return None


def _resume(draft: Draft, person: Person, event: DutyChanged) -> Worded | None:
    kept = cut_short(draft, person.id, draft.now_us)
    if len(kept.changes) == len(changes_of(draft, person.id)):
        return because(draft.site, Why.DUTY_UNCHANGED, person=person.id)
    if kept.changes:
        draft.put(kept)
    else:
        draft.drop(DutyChanges, person.id)
    back = on_duty_now(draft, draft.site, person, draft.now_us)
    key = "detail_resumed_on" if back else "detail_resumed_off"
    detail = Wording(draft.site).text(key, by=event.by)
    draft.report(None, "duty", person=person.id, medium="centre", detail=detail)
    return None


def _make(draft: Draft, change: RosterException, key: str) -> None:
    """Note a change of duty and tell the centre."""
    draft.put(changed(draft, change, draft.now_us))
    wording = Wording(draft.site)
    begin, end = (local_words(draft.site, us) for us in (change.from_us, change.to_us))
    detail: str = wording.text(key, by=change.by, begin=begin, end=end)
    detail += f"（{change.reason}）" if change.reason else ""
    draft.report(None, "duty", person=change.person, medium="centre", detail=detail)


def swap(draft: Draft, event: DutySwapped) -> Worded | None:
    """Let two people stand one another's shifts, both or neither; return why not."""
    legs = (
        (event.person, event.other, date.fromisoformat(event.day)),
        (event.other, event.person, date.fromisoformat(event.other_day)),
    )
    found: list[tuple[str, str, Span]] = []
    for giver_id, taker_id, day in legs:
        refused = may_not_touch(draft, giver_id, event.within)
        giver = draft.find(Person, giver_id)
        if refused is not None or giver is None:
            return refused
        spans = [s for s in spans_of(draft.site, giver, day) if s.to_us > draft.now_us]
        if not spans:
            return because(draft.site, Why.NO_SHIFT, person=giver_id, day=day)
        found += [(giver_id, taker_id, span) for span in spans]
    for giver_id, taker_id, span in found:
        _hand_over(draft, giver_id, taker_id, span, event.by)
    return None


def _hand_over(draft: Draft, giver: str, taker: str, span: Span, by: str) -> None:
    wording = Wording(draft.site)
    for person_id, other_id, on_duty, key in (
        (giver, taker, False, "detail_swap_off"),
        (taker, giver, True, "detail_swap_on"),
    ):
        reason = wording.text("detail_swap_reason", name=name_of(draft, other_id))
        change = RosterException(
            person=person_id, from_us=span.from_us, to_us=span.to_us, on_duty=on_duty,
            reason=reason, by=by,
        )  # fmt: skip
        _make(draft, change, key)
