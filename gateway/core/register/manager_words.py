"""What managers write in the chat to pause or extend guards of their grids (A9).

暂停 张三 2小时 体检 · 延长 张三 4小时 · 恢复 张三; in English: pause Zhang 2h, extend Zhang 4h,
resume Zhang. Only a manager of a grid that the guard serves is listened to.
"""

import re
from typing import Final, Literal, NamedTuple

from gateway.core.answers.events import TextReceived
from gateway.core.answers.say_back import say_back
from gateway.core.people import Person, Role
from gateway.core.register.acts import MAX_REASON_CHARS, MOST_HOURS
from gateway.core.register.duty import changes_of, local_words
from gateway.core.register.duty_steps import change_duty
from gateway.core.register.events import DutyChanged
from gateway.core.register.named import named_in
from gateway.core.state import Draft
from gateway.core.wording import Wording

Verb = Literal["pause", "extend", "resume"]
_VERBS: Final[dict[str, Verb]] = {
    "暂停": "pause", "停勤": "pause", "暫停": "pause", "pause": "pause",
    "延长": "extend", "加班": "extend", "延長": "extend", "extend": "extend",
    "恢复": "resume", "恢復": "resume", "resume": "resume",
}  # fmt: skip
_LINE: Final = re.compile(rf"\s*({'|'.join(_VERBS)})(?![A-Za-z])\s*(.*)", re.IGNORECASE)
_HOURS: Final = re.compile(r"(?<!\d)(\d{1,4})\s*(?:个?小时|個?小時|hours?|h\b)", re.IGNORECASE)


class Asked(NamedTuple):
    """What a line asks.

    Attributes:
        verb: What is to be done.
        whom: The rest of the line, which names somebody.
        hours: For how long; None where it is not said.
    """

    verb: Verb
    whom: str
    hours: int | None


def parse(text: str) -> Asked | None:
    """Return what a line asks of somebody's duty, or None when it asks nothing of the kind."""
    found = _LINE.fullmatch(text)
    if found is None:
        return None
    rest = found[2]
    hours = _HOURS.search(rest)
    whom = rest if hours is None else rest[: hours.start()] + " " + rest[hours.end() :]
    return Asked(_VERBS[found[1].lower()], whom, None if hours is None else int(hours[1]))


def guards_of(draft: Draft, manager: Person) -> list[Person]:
    """Return the active guards of the grids that somebody manages, by id."""
    grids = [
        grid.id
        for grid in draft.site.grids.values()
        if manager.id in (grid.first_manager, grid.second_manager)
    ]
    guards = {
        person.id: person
        for grid in grids
        for person in draft.state.people_of_grid(grid).values()
        if person.active and person.role is Role.GUARD
    }
    return [guards[id_] for id_ in sorted(guards)]


def manager_wrote(draft: Draft, text: TextReceived) -> bool:
    """Do what a manager writes of his guards' duty; return whether it was that."""
    asked = parse(text.text)
    writer_id = draft.state.person_of_account(text.chat, text.address)
    writer = draft.find(Person, writer_id) if asked and writer_id else None
    if asked is None or writer is None or not writer.active:
        return False
    guards = guards_of(draft, writer)
    if writer.role is not Role.MANAGER or not guards:
        return False
    say_back(draft, text, _answer(draft, asked, writer, guards))
    return True


def _answer(draft: Draft, asked: Asked, manager: Person, guards: list[Person]) -> str:
    """Do what is asked and return what the manager reads."""
    wording = Wording(draft.site, manager.language)
    named = named_in(asked.whom, guards)
    if not named.people:
        return wording.text("answer_who", name=asked.whom.strip()[:20])
    if len(named.people) > 1:
        codes = wording.listed(p.guard_code or p.id for p in named.people)
        return wording.text("answer_several", name=named.people[0].name, codes=codes)
    guard = named.people[0]
    if asked.verb != "resume" and not 1 <= (asked.hours or 0) <= MOST_HOURS:
        return wording.text("answer_hours", most=MOST_HOURS)
    done = _do(draft, asked, manager, guard, named.rest)
    if not done:
        return wording.text("answer_not_resumed", name=guard.name)
    if asked.verb == "resume":
        return wording.text("answer_resumed", name=guard.name)
    key = "answer_paused" if asked.verb == "pause" else "answer_extended"
    end = local_words(draft.site, changes_of(draft, guard.id)[-1].to_us)
    return wording.text(key, name=guard.name, end=end)


def _do(draft: Draft, asked: Asked, manager: Person, guard: Person, rest: str) -> bool:
    on_duty = {"pause": False, "extend": True, "resume": None}[asked.verb]
    change = DutyChanged(
        at_us=draft.now_us,
        person=guard.id,
        on_duty=on_duty,
        for_min=(asked.hours or 0) * 60 if on_duty is not None else None,
        reason=" ".join(rest.split())[:MAX_REASON_CHARS],
        by=manager.name,
    )
    return change_duty(draft, change) is None
