"""What the centre's people do about guards' reports, as acts (see ``centre_acts``)."""

import re
from collections.abc import Mapping
from typing import Final, Literal

from gateway.core.centre.centre_act import CentreAct, report_named
from gateway.core.centre.strict_json import Fields
from gateway.core.guard_reports.report import ReportActed

MAX_TEXT_CHARS: Final = 500
MAX_REASON_CHARS: Final = 200
MAX_NEEDS: Final = 50
_GRID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}", re.ASCII)
_CATEGORY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}", re.ASCII)
_LEVELS: Final[dict[int, Literal[1, 2, 3]]] = {1: 1, 2: 2, 3: 3}


def _promote(fields: Fields, now_us: int, by: str) -> ReportActed:
    return ReportActed(
        at_us=now_us,
        report=report_named(fields),
        act="promote",
        by=by,
        level=_LEVELS[fields.integer("level", 1, 3)] if fields.has("level") else None,
        grid=fields.word("grid", _GRID, "a grid id") if fields.has("grid") else None,
        needs=fields.integer("needs", 1, MAX_NEEDS) if fields.has("needs") else None,
        category=(
            fields.word("category", _CATEGORY, "a word such as fight")
            if fields.has("category")
            else None
        ),
        text=fields.text("text", MAX_TEXT_CHARS) if fields.has("text") else None,
    )


def _dismiss(fields: Fields, now_us: int, by: str) -> ReportActed:
    return ReportActed(
        at_us=now_us,
        report=report_named(fields),
        act="dismiss",
        by=by,
        reason=fields.text("reason", MAX_REASON_CHARS),
    )


REPORT_ACTS: Final[Mapping[str, CentreAct]] = {
    "promote": CentreAct(
        ("report", "level", "grid", "needs", "category", "text"),
        _promote,
        "A guard's report becomes an order, with him on the spot.",
    ),
    "dismiss": CentreAct(
        ("report", "reason"),
        _dismiss,
        "A guard's report needs nobody; he is told why.",
    ),
}
