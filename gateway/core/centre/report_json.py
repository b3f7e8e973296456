"""What the doors say outwards, as JSON: receipts, events, health; and their schemas."""

# ruff: noqa: D102 - each property of TimelineNode is the attribute of Report of that name

from collections.abc import Mapping
from typing import Protocol

from gateway.core.centre.strict_json import timestamp
from gateway.core.effects import Receipt


class TimelineNode(Protocol):
    """What is published of a ``gateway.interfaces.Report`` (which the core cannot import)."""

    @property
    def seq(self) -> int: ...
    @property
    def part(self) -> int: ...
    @property
    def at_us(self) -> int: ...
    @property
    def order(self) -> str | None: ...
    @property
    def number(self) -> str | None: ...
    @property
    def node(self) -> str: ...
    @property
    def person(self) -> str | None: ...
    @property
    def name(self) -> str | None: ...
    @property
    def medium(self) -> str | None: ...
    @property
    def assurance(self) -> str | None: ...
    @property
    def detail(self) -> str | None: ...
    @property
    def grid(self) -> str | None: ...
    @property
    def post(self) -> str | None: ...
    @property
    def media(self) -> tuple[str, ...]: ...


def receipt_json(receipt: Receipt, journal: int) -> dict[str, object]:
    """Return a receipt as the centre gets it; ``journal`` is the row that proves it."""
    return {
        "status": receipt.status,
        "id": receipt.id,
        "sender": receipt.sender,
        "order": receipt.order,
        "number": receipt.number,
        "journal": journal,
        "reason": receipt.reason,
        "flags": list(receipt.flags),
    }


def refusal_json(
    reason: str, journal: int, *, sender: str | None = None, alert: str | None = None
) -> dict[str, object]:
    """Return the receipt of a message that no alert could be made of."""
    return {
        "status": "refused",
        "id": alert,
        "sender": sender,
        "order": None,
        "number": None,
        "journal": journal,
        "reason": reason,
        "flags": [],
    }


def event_json(report: TimelineNode, site: str) -> dict[str, object]:
    """Return a timeline node as the centre gets it.

    ``(journal, part)`` names it for ever: a follower that sees it twice knows it by that.
    """
    return {
        "journal": report.seq,
        "part": report.part,
        "at": timestamp(report.at_us),
        "site": site,
        "order": report.order,
        "number": report.number,
        "node": report.node,
        "person": report.person,
        "name": report.name,
        "medium": report.medium,
        "assurance": report.assurance,
        "detail": report.detail,
        "grid": report.grid,
        "post": report.post,
        "media": list(report.media),
    }


def health_json(status: str, *, site: str, journal: int, at_us: int) -> dict[str, object]:
    """Return the heartbeat: ``online``, or ``offline`` as of the moment the link was opened."""
    return {"status": status, "site": site, "journal": journal, "at": timestamp(at_us)}


def _object(properties: Mapping[str, object]) -> dict[str, object]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


_TEXT = {"type": "string"}
_MAYBE = {"type": ["string", "null"]}
_COUNT = {"type": "integer", "minimum": 0}
_MOMENT = {"type": "string", "format": "date-time", "description": "UTC"}

NODES = (
    "accepted", "waiting", "told", "acknowledged", "en_route", "arrived", "need_help", "done",
    "declined", "handover", "warning", "breach", "escalated", "nobody", "released", "updated",
    "cancelled", "closed", "unanswered", "answered_unidentified", "refused_reply",
    "repeated_reply", "media",
    "report", "report_added", "report_offered", "report_promoted", "report_dismissed",
    "blocking_point",
    "caution", "follow_up", "follow_up_due", "followed_up", "reopened", "corrected",
    "complaint", "hold", "unhold",
    "photo_released", "photo_reply", "photo_useful", "photo_recalled",
    "health", "enrolled", "spoken_answer", "emergency", "unknown_radio", "lost_radio",
    "radio_lost", "radio_found", "machine", "owner", "proposal", "nobody_near", "still_asked",
    "lapsed", "recalled", "eta",
    "stood_down", "stand_down_missing", "break", "talk_cut",
    "register", "duty",
    "drill", "drill_aborted", "roll_call", "roll_present", "roll_missing", "cover", "cover_ok",
    "self_test", "event_plan", "bulletin", "unread", "power",
    "held", "cleared", "dropped",
)  # fmt: skip

RECEIPT_SCHEMA = _object(
    {
        "status": _TEXT | {"enum": ["accepted", "duplicate", "conflict", "refused"]},
        "id": _MAYBE | {"description": "null when it could not be read"},
        "sender": _MAYBE | {"description": "null when it could not be read"},
        "order": _MAYBE,
        "number": _MAYBE | {"description": "What is said on the air, such as 12"},
        "journal": _COUNT | {"description": "Row that was on the disk before this was said"},
        "reason": _MAYBE,
        "flags": {"type": "array", "items": _TEXT},
    }
)

EVENT_SCHEMA = _object(
    {
        "journal": _COUNT,
        "part": _COUNT | {"description": "Which node of that row, from 0"},
        "at": _MOMENT,
        "site": _TEXT,
        "order": _MAYBE,
        "number": _MAYBE,
        "node": _TEXT | {"enum": list(NODES)},
        "person": _MAYBE,
        "name": _MAYBE,
        "medium": _MAYBE | {"enum": ["radio", "chat", "centre", "clock", None]},
        "assurance": _MAYBE | {"enum": ["R0", "R1", "R2", "C1", "C2", "H", "M", None]},
        "detail": _MAYBE,
        "grid": _MAYBE | {"description": "Grid it is about where no order says so"},
        "post": _MAYBE,
        "media": {"type": "array", "items": _TEXT},
    }
)

HEALTH_SCHEMA = {
    "type": "object",
    "properties": {
        "status": _TEXT | {"enum": ["online", "offline"]},
        "site": _TEXT,
        "journal": _COUNT | {"description": "Last row; a gap in the events shows against it"},
        "at": _MOMENT,
    },
    "required": ["status", "site", "journal", "at"],
    "additionalProperties": False,
}
