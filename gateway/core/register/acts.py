"""What the centre's people do to the register and the roster, as acts.

See ``gateway.core.centre.centre_acts``: each becomes the event that the step then judges.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Final

from gateway.core.centre.centre_act import CentreAct
from gateway.core.centre.strict_json import Fields
from gateway.core.people import Person
from gateway.core.register.events import (
    DutyChanged,
    DutySwapped,
    PersonChanged,
    PersonEntered,
    PersonStruck,
    RegisterEvent,
    Written,
)
from gateway.core.register.fields import FIELDS, NONE, changed, new_person

MAX_REASON_CHARS: Final = 100
MAX_FIELD_CHARS: Final = 500
# A pause or an extension lasts at most this long: beyond it the roster itself is to be changed.
MOST_HOURS: Final = 24 * 31
_PERSON: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)

Decoder = Callable[[Fields, int, str], RegisterEvent]


def _person(fields: Fields, name: str = "person") -> str:
    return fields.word(name, _PERSON, "a person id of the site")


def _written(fields: Fields) -> Written:
    """Return the fields of a person that an act names, each as it would be written."""
    return tuple((name, _as_written(fields, name)) for name in FIELDS if fields.has(name))


def _as_written(fields: Fields, name: str) -> str:
    value = fields.need(name)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str) and value in NONE:
        return ""
    return fields.text(name, MAX_FIELD_CHARS)


def _refusing(fields: Fields, make: Callable[[], Person]) -> Person:
    try:
        return make()
    except ValueError as error:
        name, _, why = str(error).partition(": ")
        fields.refuse(name if why else "person", why or name)


def _enter(fields: Fields, now_us: int, by: str) -> PersonEntered:
    id_, words = _person(fields), dict(_written(fields))
    person = _refusing(fields, lambda: new_person(id_, words))
    return PersonEntered(at_us=now_us, person=person, by=by)


def _change(fields: Fields, now_us: int, by: str, *, rejoins: bool = False) -> PersonChanged:
    id_, words = _person(fields), _written(fields)
    if not words and not rejoins:
        fields.refuse("person", f"name what changes: {', '.join(FIELDS)}")
    _refusing(fields, lambda: changed(Person(id=id_, name=""), dict(words)))
    return PersonChanged(at_us=now_us, person=id_, changes=words, by=by, rejoins=rejoins)


def _rejoin(fields: Fields, now_us: int, by: str) -> PersonChanged:
    return _change(fields, now_us, by, rejoins=True)


def _leave(fields: Fields, now_us: int, by: str) -> PersonStruck:
    return PersonStruck(at_us=now_us, person=_person(fields), by=by)


def _reason(fields: Fields) -> str:
    return fields.text("reason", MAX_REASON_CHARS) if fields.has("reason") else ""


def _for_hours(on_duty: bool) -> Decoder:  # which of the two acts
    def decode(fields: Fields, now_us: int, by: str) -> DutyChanged:
        return DutyChanged(
            at_us=now_us,
            person=_person(fields),
            on_duty=on_duty,
            for_min=fields.integer("hours", 1, MOST_HOURS) * 60,
            reason=_reason(fields),
            by=by,
        )

    return decode


def _resume(fields: Fields, now_us: int, by: str) -> DutyChanged:
    return DutyChanged(at_us=now_us, person=_person(fields), on_duty=None, by=by)


def _exception(fields: Fields, now_us: int, by: str) -> DutyChanged:
    from_us, to_us = fields.moment("from"), fields.moment("to")
    if to_us <= max(from_us, now_us):
        fields.refuse("to", "must be after from, and not over yet")
    return DutyChanged(
        at_us=now_us,
        person=_person(fields),
        on_duty=fields.choice("duty", ("on", "off")) == "on",
        from_us=from_us,
        to_us=to_us,
        reason=_reason(fields),
        by=by,
    )


def _day(fields: Fields, name: str) -> str:
    try:
        return date.fromisoformat(fields.text(name, 10)).isoformat()
    except ValueError as error:
        if type(error) is not ValueError:
            raise
        fields.refuse(name, "must be a local day such as 2026-12-01")


def _swap(fields: Fields, now_us: int, by: str) -> DutySwapped:
    person, other = _person(fields), _person(fields, "with")
    if person == other:
        fields.refuse("with", "must be another person")
    day = _day(fields, "day")
    other_day = _day(fields, "with_day") if fields.has("with_day") else day
    return DutySwapped(
        at_us=now_us, person=person, other=other, day=day, other_day=other_day, by=by
    )


REGISTER_ACTS: Final[Mapping[str, CentreAct]] = {
    "person_enter": CentreAct(
        ("person", *FIELDS), _enter, "Puts somebody into the register."
    ),
    "person_change": CentreAct(
        ("person", *FIELDS), _change,
        "Changes what the register says of somebody; a dash takes a field away.",
    ),
    "person_leave": CentreAct(
        ("person",), _leave, "Strikes somebody from duty at once, on every medium."
    ),
    "person_rejoin": CentreAct(
        ("person", *FIELDS), _rejoin,
        "Takes somebody back who had left; his accounts and codes are given anew.",
    ),
    "pause": CentreAct(
        ("person", "hours", "reason"), _for_hours(on_duty=False),
        "Takes a guard off duty for so many hours.",
    ),
    "extend": CentreAct(
        ("person", "hours", "reason"), _for_hours(on_duty=True),
        "Keeps a guard on duty for so many hours, from the end of the shift he stands.",
    ),
    "resume": CentreAct(
        ("person",), _resume, "Gives a guard back to the roster."
    ),
    "roster_exception": CentreAct(
        ("person", "from", "to", "duty", "reason"), _exception,
        "Puts somebody on or off duty from one moment to another, against the roster.",
    ),
    "roster_swap": CentreAct(
        ("person", "day", "with", "with_day"), _swap,
        "Two people stand one another's shifts; with_day is the other's, the same day if "
        "left out.",
    ),
}  # fmt: skip
