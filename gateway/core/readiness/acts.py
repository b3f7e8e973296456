"""What the centre's people do to keep people ready, as acts (see ``centre_acts``)."""

import re
from collections.abc import Mapping
from typing import Final

from gateway.core.centre.centre_act import CentreAct
from gateway.core.centre.strict_json import Fields
from gateway.core.readiness.events import (
    BulletinSent,
    DrillAsked,
    DrillDropped,
    PowerChanged,
    RollCallAsked,
    SelfTestAsked,
)
from gateway.core.readiness.settings import PowerState

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
_DRILL: Final = re.compile(r"d[0-9]{1,12}", re.ASCII)
MAX_TEXT_CHARS: Final = 500
MAX_GRIDS: Final = 500
_POWER: Final[Mapping[str, PowerState]] = {
    "mains": "mains", "on_battery": "on_battery", "low": "low",
}  # fmt: skip


def _grids(fields: Fields) -> tuple[str, ...]:
    """Return the grids named: one as ``grid``, several as ``grids``, none for all."""
    if fields.has("grid"):
        return (fields.word("grid", _ID, "a grid id"),)
    if fields.has("grids"):
        return fields.words("grids", MAX_GRIDS, _ID, "a grid id")
    return ()


def _drill(fields: Fields, now_us: int, by: str) -> DrillAsked:
    return DrillAsked(
        at_us=now_us,
        grid=fields.word("grid", _ID, "a grid id"),
        level=fields.integer("level", 1, 3) if fields.has("level") else 2,
        text=fields.text("text", MAX_TEXT_CHARS),
        needs=fields.integer("needs", 1, 50) if fields.has("needs") else 1,
        starts_us=fields.moment("at") if fields.has("at") else None,
        surprise=fields.has("surprise") and fields.flag("surprise"),
        by=by,
    )


def _drill_off(fields: Fields, now_us: int, by: str) -> DrillDropped:
    drill = fields.word("drill", _DRILL, "the id of a planned drill, such as d3")
    return DrillDropped(at_us=now_us, drill=drill, by=by)


def _roll_call(fields: Fields, now_us: int, by: str) -> RollCallAsked:
    return RollCallAsked(at_us=now_us, grids=_grids(fields), by=by)


def _bulletin(fields: Fields, now_us: int, by: str) -> BulletinSent:
    return BulletinSent(
        at_us=now_us, grids=_grids(fields), text=fields.text("text", MAX_TEXT_CHARS),
        radio=fields.has("radio") and fields.flag("radio"), by=by,
    )  # fmt: skip


def _power(fields: Fields, now_us: int, by: str) -> PowerChanged:
    state = _POWER[fields.choice("state", _POWER)]
    return PowerChanged(at_us=now_us, state=state, by=by)


READINESS_ACTS: Final[Mapping[str, CentreAct]] = {
    "drill": CentreAct(
        ("grid", "level", "text", "needs", "at", "surprise"), _drill,
        "A drill begins, or is planned for a time; a surprise is told to nobody before.",
    ),
    "drill_off": CentreAct(("drill",), _drill_off, "A planned drill is given up."),
    "roll_call": CentreAct(
        ("grid", "grids"), _roll_call,
        "Everybody on duty in some grids, or in all, is asked to report.",
    ),
    "bulletin": CentreAct(
        ("grid", "grids", "text", "radio"), _bulletin,
        "A text goes to the groups of some grids, or of all, to be read and receipted.",
    ),
    "self_test": CentreAct(
        (), lambda _, now_us, by: SelfTestAsked(at_us=now_us, by=by),
        "The whole chain tests itself: each channel, each test group.",
    ),
    "power": CentreAct(
        ("state",), _power,
        "What the machine runs on: mains, on_battery or low; from the supply's script.",
    ),
}  # fmt: skip
