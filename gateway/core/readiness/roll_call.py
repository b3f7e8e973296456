"""Roll-calls (点名): who is on duty and answers, by radio and in the chat, before it matters.

Every half hour, at given times, at random times of a shift, or when an inspector asks for one,
everybody on duty in some grids is asked to report. He presses 报到, keys ``*guard 1#``, or lets
his radio say who he is; where radios cannot, each is given a turn. Who is on a live order is
not asked: he is there. Who has not answered within the window is listed to the centre and the
grid's manager; who misses two in a row, to the first manager as well.
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from gateway.core.alert import Assurance, Medium
from gateway.core.answers.answer_window import pages_open
from gateway.core.answers.events import (
    DigitsHeard,
    KeyPattern,
    OverHeard,
    SignalHeard,
    TextReceived,
)
from gateway.core.answers.identity import speaker_of
from gateway.core.answers.replies import GUARD_CODE_DIGITS
from gateway.core.answers.timeline import open_orders_of
from gateway.core.calls.calling import NOTE_LIFE_US, US
from gateway.core.calls.nearest import note_place, seen_at
from gateway.core.calls.stand_down import awaited_from
from gateway.core.effects import AnswerOver, Button, Receipt, SendText
from gateway.core.order import NumberLease, Timer
from gateway.core.people import Person
from gateway.core.places import Grid
from gateway.core.readiness import notices
from gateway.core.readiness.events import RollCallAsked
from gateway.core.readiness.settings import MissedRolls, Notice, NoticePage, RollCallRule
from gateway.core.reasons import Why
from gateway.core.register.duty import on_duty_now
from gateway.core.roster import local_moment, span_of
from gateway.core.state import Draft, name_of
from gateway.core.wording import SPOKEN_NAME_CHARS, Wording, because

SCHEDULE: Final = "roll_call"
# An answer by voice is short; what is longer is something else, and said to somebody.
LONGEST_ANSWER_MS: Final = 10_000
SHORTEST_ANSWER_MS: Final = 250
ANSWER_TONE_LIFE_US: Final = 10 * US
# Missed so often in a row, it goes to the first manager too.
MISSED_TWICE: Final = 2
Heard = DigitsHeard | OverHeard | SignalHeard | KeyPattern
# What somebody writes who is asked to report, whole, and what may stand around it.
_HERE: Final = frozenset(
    {"报到", "報到", "到", "收到", "在", "在岗", "在崗", "到岗", "到崗", "here", "present"}
)
_MARKS: Final = " \t\r\n.。!！,，~～"


def roll_call_asked(draft: Draft, event: RollCallAsked) -> None:
    """Call the roll at somebody's word; answered by a receipt."""
    wrong = notices.unknown_grid(draft, event.grids)
    notice = None if wrong else call_roll(draft, event.grids, by=event.by)
    if notice is None:
        reason = wrong or because(draft.site, Why.NOBODY_TO_CALL)
        draft.ask(Receipt(status="refused", sender=event.by, id=SCHEDULE, reason=reason))
        return
    draft.ask(Receipt(status="accepted", sender=event.by, id=notice.id))


def call_roll(draft: Draft, grids: tuple[str, ...], *, by: str) -> Notice | None:
    """Ask everybody on duty in some grids to report; None when there is nobody to ask."""
    meant = notices.grids_meant(draft, grids)
    asked = [
        person
        for person in notices.guards_of(draft, meant)
        if on_duty_now(draft, draft.site, person, draft.now_us)
        and not notices.busy(draft, person.id)
    ]
    if not asked:
        return None
    notice = notices.new_notice(
        draft,
        Notice(
            id="", kind="roll_call", grids=tuple(g.id for g in meant), by=by,
            opened_us=draft.now_us, due_us=draft.now_us + draft.site.readiness.window_s * US,
            asked=tuple(person.id for person in asked),
        ),
    )  # fmt: skip
    detail = Wording(draft.site).text(
        "detail_roll_call", count=len(asked), by=notices.named(draft, by)
    )
    notices.report(draft, "roll_call", detail=detail, grid=grids[0] if grids else None)
    for channel, listeners in _on_channels(meant, asked).items():
        notice = notices.speak(draft, notice, channel, listeners, _sentences(draft))
    return _post(draft, notice, meant, asked)


def _on_channels(grids: Sequence[Grid], people: Sequence[Person]) -> dict[str, list[Person]]:
    """Return who is to be called on which channel: that of the first grid he serves."""
    found: dict[str, list[Person]] = {}
    for person in people:
        own = (g.channel for g in grids if g.id in person.grids and g.channel is not None)
        channel = next(own, None)
        if channel is not None:
            found.setdefault(channel, []).append(person)
    return found


def _sentences(draft: Draft) -> notices.Said:
    wording = Wording(draft.site)

    def said(turns: Sequence[Person]) -> tuple[str, ...]:
        call = wording.text("say_roll_call", centre=draft.site.centre_name)
        if not turns:
            return (call, wording.text("say_roll_answer"))
        names = [person.name[:SPOKEN_NAME_CHARS] for person in turns]
        return (call, wording.say_turns(names))

    return said


def _post(
    draft: Draft, notice: Notice, grids: Sequence[Grid], asked: Sequence[Person]
) -> Notice:
    """Post a card in each group, and to whom no group reaches."""
    wording = Wording(draft.site)
    button = (Button(label=wording.text("button_roll_call"), action="1"),)
    served: set[str] = set()
    for grid in grids:
        mine = [person for person in asked if grid.id in person.grids]
        if grid.chat is not None and mine:
            names = wording.listed(person.name for person in mine)
            text = wording.text("card_roll_call", grid=grid.name, names=names)
            notice = notices.post_group(draft, notice, grid.chat, text, button)
            served |= {person.id for person in mine}
    for person in asked:
        if person.id not in served:
            his = Wording(draft.site, person.language)
            text = his.text("card_roll_call_own", name=person.name)
            notice = notices.post_private(draft, notice, person, text, button)
    return notice


# ---- answers in words ----


def wrote(draft: Draft, event: TextReceived) -> bool:
    """Take 报到 or 收到 that somebody writes; return whether it is an answer and nothing else.

    Who has an order open, or is called off from one, may mean that: it counts for both.
    """
    if event.text.strip(_MARKS).lower() not in _HERE:
        return False
    person_id = draft.state.person_of_account(event.chat, event.address)
    person = draft.find(Person, person_id) if person_id else None
    if person is None or not person.active:
        return False
    running = [n for n in notices.current(draft) if n.kind == "roll_call" and not n.listed]
    taken = [
        notices.is_present(draft, n, person.id, Medium.CHAT, Assurance.C1) for n in running
    ]
    if not any(taken) or open_orders_of(draft, person.id) or awaited_from(draft, person.id):
        return False
    said = Wording(draft.site, person.language).text("notice_roll_call_done")
    draft.ask(
        SendText(
            chat=event.chat, address=event.group or event.address, text=said,
            level=notices.LEVEL, not_after_us=draft.now_us + NOTE_LIFE_US,
            reply_to=event.message,
        )
    )  # fmt: skip
    return True


# ---- answers by radio ----


def heard(draft: Draft, event: Heard) -> bool:
    """Take what may be an answer; return whether it is one and nothing else.

    Whoever is heard is there, whatever he said: an answer to an order counts for both.
    """
    running = [n for n in notices.current(draft) if _awaits_on(n, event.channel)]
    if not running:
        return False
    person, by_turn = _who(draft, event, running)
    if person is None:
        return False
    taken = False
    for notice in running:
        if notices.is_present(draft, notice, person.id, Medium.RADIO, Assurance.R1):
            _checked_in(draft, person, event, by_turn=by_turn)
            taken = taken or _is_answer(draft, event, person)
    if taken and isinstance(event, DigitsHeard | KeyPattern):
        draft.ask(
            AnswerOver(
                channel=event.channel, over=event.over, accepted=True,
                not_after_us=draft.now_us + ANSWER_TONE_LIFE_US,
            )
        )  # fmt: skip
    return taken


def _awaits_on(notice: Notice, channel: str) -> bool:
    here = any(page.channel == channel for page in notice.pages)
    return notice.kind == "roll_call" and not notice.listed and here


def _who(
    draft: Draft, event: Heard, running: Sequence[Notice]
) -> tuple[Person | None, bool]:
    """Return whom an over is from, and whether only his turn says so."""
    keyed = _keyed(draft, event)
    if keyed is not None:
        return keyed, False
    radio = _radio(event)
    if radio is not None:
        return speaker_of(draft, radio).believed, False
    if isinstance(event, SignalHeard | DigitsHeard) or not _short(event):
        return None, True
    turns = (_turn(notice, event) for notice in running)
    person = draft.find(Person, next((t for t in turns if t is not None), ""))
    return (person if person is not None and person.active else None), True


def _keyed(draft: Draft, event: Heard) -> Person | None:
    """Return whose guard number stands in ``*guard 1#``, unless an order has that number."""
    body = event.digits if isinstance(event, DigitsHeard) else ""
    if len(body) != GUARD_CODE_DIGITS + 1 or not body.isdigit() or body[-1] != "1":
        return None
    if draft.find(NumberLease, body[:-1]) is not None:
        return None
    holders = draft.state.holders_of_code(body[:-1])
    return holders[0] if len(holders) == 1 and holders[0].active else None


def _radio(event: Heard) -> str | None:
    """Return what the radio says of itself."""
    if isinstance(event, SignalHeard):
        if event.kind == "mdc1200":
            return f"mdc1200:{event.mdc[2]:04X}" if event.mdc is not None else None
        return f"{event.set if event.kind == 'selcall' else event.kind}:{event.value}"
    if isinstance(event, DigitsHeard | OverHeard) and event.radio is None and event.ani:
        return f"dtmf:{event.ani}"
    return event.radio


def _short(event: OverHeard | KeyPattern) -> bool:
    if isinstance(event, KeyPattern):
        return True
    return SHORTEST_ANSWER_MS <= event.keyed_ms <= LONGEST_ANSWER_MS and not event.radios


def _turn(notice: Notice, event: OverHeard | KeyPattern) -> str | None:
    page = notices.page_before(notice, event.channel, event.at_us)
    if page is None or not page.slots:
        return None
    return _slot(page, event.at_us)


def _slot(page: NoticePage, began_us: int) -> str | None:
    """Return whose turn it was; the half second between two turns is nobody's."""
    assert page.ended_us is not None
    turn, into_us = divmod(began_us - page.ended_us, page.slot_s * US)
    edge = (into_us < US // 2 and turn > 0) or into_us > page.slot_s * US - US // 2
    return None if edge or turn >= len(page.slots) else page.slots[turn]


def _is_answer(draft: Draft, event: Heard, person: Person) -> bool:
    """Return whether what was heard says no more than that he is there."""
    if isinstance(event, SignalHeard):
        return False
    if isinstance(event, DigitsHeard):
        keyed = _keyed(draft, event) is not None
        return keyed or (event.digits == "1" and not open_orders_of(draft, person.id))
    return not pages_open(draft, event.channel, event.at_us)


def _checked_in(draft: Draft, person: Person, event: Heard, *, by_turn: bool) -> None:
    """Note that a person is at his post: surely by the post's radio, else if no better."""
    post = draft.site.posts.get(person.post or "")
    if post is None or post.position is None or by_turn:
        return
    if _radio(event) in post.radios or seen_at(draft, person) is None:
        note_place(draft, person.id, post.position, shared=False)


# ---- the window ends ----


def roll_due(draft: Draft, notice: Notice) -> None:
    """List who has not answered, and tell the managers; a second miss goes higher."""
    present = {mark.person for mark in notice.present}
    for person in notice.asked:
        if person in present:
            draft.drop(MissedRolls, person)
    missing = [p for p in notice.missing if not notices.busy(draft, p)]
    twice = {person for person in missing if _missed(draft, person) >= MISSED_TWICE}
    wording = Wording(draft.site)
    for id_ in missing:
        key = "detail_roll_missing_twice" if id_ in twice else "detail_roll_missing"
        notices.report(draft, "roll_missing", person=id_, detail=wording.text(key))
    counts = {"asked": len(notice.asked), "present": len(present), "missing": len(missing)}
    summary = wording.text("detail_roll_over", **counts)
    notices.report(draft, "roll_call", detail=summary)
    names = wording.listed(name_of(draft, id_) for id_ in missing)
    over = wording.text("card_roll_over", summary=summary, names=names or "—")
    notices.rewrite(draft, notice, over)
    _tell_managers(draft, notice, missing, twice)
    notices.close(draft, notice)


def _missed(draft: Draft, person: str) -> int:
    """Count one more roll-call that somebody missed; return how many in a row."""
    before = draft.find(MissedRolls, person)
    times = 1 if before is None else before.times + 1
    draft.put(MissedRolls(person=person, times=times))
    return times


def _tell_managers(
    draft: Draft, notice: Notice, missing: Sequence[str], twice: set[str]
) -> None:
    told: dict[str, list[str]] = {}
    for id_ in missing:
        person = draft.find(Person, id_)
        grids = person.grids if person is not None else ()
        known = (draft.site.grids.get(g) for g in grids if g in notice.grids)
        grid = next((g for g in known if g is not None), None)
        if grid is None:
            continue
        seniors = (grid.second_manager, grid.first_manager)
        own = next((m for m in seniors if m), None)
        for manager in {own, grid.first_manager} if id_ in twice else {own}:
            if manager is not None:
                told.setdefault(manager, []).append(id_)
    for manager in sorted(told):
        _tell(draft, manager, told[manager], twice)


def _tell(draft: Draft, manager: str, missing: Sequence[str], twice: set[str]) -> None:
    person = draft.find(Person, manager)
    if person is None or not person.active:
        return
    wording = Wording(draft.site, person.language)
    names = (
        name_of(draft, id_) + (wording.text("note_roll_twice") if id_ in twice else "")
        for id_ in missing
    )
    text = wording.text("note_roll_missing", names=wording.listed(names))
    for contact in draft.state.contacts_of(manager):
        draft.ask(
            SendText(
                chat=contact.chat, address=contact.address, text=text, level=2,
                not_after_us=draft.now_us + NOTE_LIFE_US,
            )
        )  # fmt: skip


# ---- when ----


def keep_schedule(draft: Draft) -> None:
    """Ask to be woken for the next roll-call of each rule; forget those that are gone."""
    rules = draft.site.readiness.roll_calls
    ringing = set()
    for timer in list(draft.state.each(Timer)):
        if timer.what == SCHEDULE and notices.just_rung(draft, timer):
            ringing.add(timer.order)
        elif timer.what == SCHEDULE:
            draft.drop(Timer, timer.key)
    for index, rule in enumerate(rules):
        if f"rule{index}" not in ringing:
            _wake_next(draft, index, rule)


def _wake_next(draft: Draft, index: int, rule: RollCallRule) -> None:
    due_us = min((t for t in _times(draft, rule) if t > draft.now_us), default=None)
    if due_us is not None:
        draft.wake(SCHEDULE, f"rule{index}", due_us)


def schedule_due(draft: Draft, timer: Timer) -> None:
    """Call the roll that a rule asks for now, and ask to be woken for its next."""
    draft.drop(Timer, timer.key)
    index = int(timer.order.removeprefix("rule"))
    rules = draft.site.readiness.roll_calls
    if index >= len(rules):
        return
    rule = rules[index]
    _wake_next(draft, index, rule)
    late = draft.now_us - timer.due_us > draft.site.readiness.window_s * US
    if not late:
        call_roll(draft, rule.grids, by="@plan")


def _times(draft: Draft, rule: RollCallRule) -> Iterator[int]:
    """Yield the moments of a rule from yesterday's to tomorrow's, UTC microseconds."""
    today = local_moment(draft.now_us, draft.site.timezone)
    minutes = set(rule.at_min)
    if rule.every_min:
        minutes |= set(range(0, 24 * 60, rule.every_min))
    for day in (today + timedelta(days=n) for n in (0, 1)):
        for minute in minutes:
            moment = datetime(
                day.year, day.month, day.day, minute // 60, minute % 60,
                tzinfo=draft.site.timezone,
            )  # fmt: skip
            yield round(moment.timestamp()) * US
    if rule.random_per_shift:
        yield from _random_times(draft, rule, today)


def _random_times(draft: Draft, rule: RollCallRule, today: datetime) -> Iterator[int]:
    """Yield moments nobody can guess without the settings, the same after a restart."""
    for day in (today.date() + timedelta(days=n) for n in (-1, 0, 1)):
        for shift in draft.site.roster.shifts.values():
            span = span_of(shift, day, draft.site.timezone)
            length_us = span.to_us - span.from_us
            for place in range(rule.random_per_shift):
                seed = f"{draft.site.version} {rule.grids} {day} {shift.id} {place}"
                drawn = hashlib.sha256(seed.encode()).digest()
                yield span.from_us + int.from_bytes(drawn[:8]) * length_us // 2**64
