"""What the centre's people do to who is called, as acts."""

import re
from collections.abc import Mapping
from typing import Final

from gateway.core.calls.events import (
    BreakTaken,
    CalledOff,
    CallEvent,
    EtaGiven,
    PartnerCalled,
)
from gateway.core.centre.centre_act import CentreAct, order_named
from gateway.core.centre.strict_json import Fields

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
# A longer rest is no break: that is being off duty, and the roster's.
MOST_MINUTES: Final = 240
REASON_CHARS: Final = 200


def _person(fields: Fields) -> str:
    return fields.word("person", _ID, "a person id of the site")


def _call_partner(fields: Fields, now_us: int, by: str) -> CallEvent:
    person = _person(fields) if fields.has("person") else None
    return PartnerCalled(
        at_us=now_us, order=order_named(fields), person=person, by=by
    )


def _stand_down(fields: Fields, now_us: int, by: str) -> CallEvent:
    if fields.has("person") == fields.has("grid"):
        fields.refuse("person", "name a person or a grid; a cancel calls the whole order off")
    return CalledOff(
        at_us=now_us,
        order=order_named(fields),
        person=_person(fields) if fields.has("person") else None,
        grid=fields.word("grid", _ID, "a grid id of the site") if fields.has("grid") else None,
        reason=fields.text("reason", REASON_CHARS),
        by=by,
    )


def _eta(fields: Fields, now_us: int, by: str) -> CallEvent:
    return EtaGiven(
        at_us=now_us,
        order=order_named(fields),
        minutes=fields.integer("minutes", 1, MOST_MINUTES),
        person=_person(fields) if fields.has("person") else None,
        by=by,
    )


def _break(fields: Fields, now_us: int, by: str) -> CallEvent:
    minutes = fields.integer("minutes", 1, MOST_MINUTES)
    return BreakTaken(at_us=now_us, person=_person(fields), minutes=minutes, by=by)


def _break_over(fields: Fields, now_us: int, by: str) -> CallEvent:
    return BreakTaken(at_us=now_us, person=_person(fields), minutes=0, by=by)


CALL_ACTS: Final[Mapping[str, CentreAct]] = {
    "call_partner": CentreAct(
        ("order", "person"), _call_partner,
        "Calls a partner of another grid to an order; without a person the nearest.",
    ),
    "stand_down": CentreAct(
        ("order", "person", "grid", "reason"), _stand_down,
        "Calls one person, or one grid, off an order that goes on.",
    ),
    "eta": CentreAct(
        ("order", "minutes", "person"), _eta,
        "Puts down how long the police say that they need; too long proposes a partner.",
    ),
    "break": CentreAct(
        ("person", "minutes"), _break,
        "Somebody on duty rests: until it is over he is called to level 1 only.",
    ),
    "break_over": CentreAct(("person",), _break_over, "Somebody is back from his break."),
}  # fmt: skip
