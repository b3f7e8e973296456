"""What the centre's people do with event plans, as acts (see ``centre_acts``)."""

import re
from collections.abc import Mapping
from typing import Final

from gateway.core.centre.centre_act import CentreAct
from gateway.core.centre.strict_json import Fields
from gateway.core.readiness.event_plan import PlanEnded, PlanStarted

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)


def _plan(fields: Fields) -> str:
    return fields.word("plan", _ID, "the id of an event plan")


def _start(fields: Fields, now_us: int, by: str) -> PlanStarted:
    to_us = fields.moment("to") if fields.has("to") else None
    return PlanStarted(at_us=now_us, plan=_plan(fields), to_us=to_us, by=by)


EVENT_PLAN_ACTS: Final[Mapping[str, CentreAct]] = {
    "event_plan_start": CentreAct(
        ("plan", "to"), _start,
        "An event plan comes in force now, until a time or until it is ended.",
    ),
    "event_plan_end": CentreAct(
        ("plan",), lambda f, now_us, by: PlanEnded(at_us=now_us, plan=_plan(f), by=by),
        "An event plan goes out of force; its open orders go on.",
    ),
}  # fmt: skip
