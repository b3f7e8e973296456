"""What the centre's people do beside raising alerts, as one JSON object each.

``{"act": "radio_lost", "by": "李警官", "radio": "mdc1200:1A2B"}``. Each room that can be
acted on names its acts in a table of its own, and the tables are joined here: a door knows none
of them.
The same object comes over HTTP (``POST /v1/acts``), the control socket and ``gridcall act``.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from gateway.core.after.acts import AFTER_ACTS
from gateway.core.after.events import OrderTended
from gateway.core.calls.acts import CALL_ACTS
from gateway.core.centre.centre_act import CentreAct
from gateway.core.centre.strict_json import Fields, parse_object
from gateway.core.events import Event
from gateway.core.guard_reports.acts import REPORT_ACTS
from gateway.core.people import is_radio
from gateway.core.policy.acts import RELEASE_ACTS
from gateway.core.policy.events import HeldActed
from gateway.core.readiness.acts import READINESS_ACTS
from gateway.core.readiness.event_plan_acts import EVENT_PLAN_ACTS
from gateway.core.register.acts import REGISTER_ACTS
from gateway.core.register.events import RadioBlocked

MAX_BY_CHARS: Final = 64


def _radio(fields: Fields) -> str:
    kind, _, value = fields.text("radio", 48).strip().partition(":")
    radio = f"{kind}:{value.upper()}"
    if not is_radio(radio):
        fields.refuse(
            "radio",
            "must be what a radio says of itself, such as dtmf:10031, zvei1:12345, "
            "mdc1200:1A2B or ctcss:88.5",
        )
    return radio


RADIO_ACTS: Final[Mapping[str, CentreAct]] = {
    "radio_lost": CentreAct(
        ("radio",),
        lambda f, now_us, by: RadioBlocked(at_us=now_us, radio=_radio(f), lost=True, by=by),
        "A radio was lost or stolen: whatever it says is applied to nothing.",
    ),
    "radio_found": CentreAct(
        ("radio",),
        lambda f, now_us, by: RadioBlocked(at_us=now_us, radio=_radio(f), lost=False, by=by),
        "A lost radio is back.",
    ),
}

# One table a room; a name stands in one of them only.
_TABLES: Final[tuple[Mapping[str, CentreAct], ...]] = (
    RADIO_ACTS, REGISTER_ACTS, CALL_ACTS, REPORT_ACTS, AFTER_ACTS,
    READINESS_ACTS, RELEASE_ACTS, EVENT_PLAN_ACTS,
)  # fmt: skip
CENTRE_ACTS: Final[Mapping[str, CentreAct]] = {
    name: act for table in _TABLES for name, act in table.items()
}


def decode_centre_act(
    raw: bytes, *, now_us: int, holder: str | None = None, through: str = ""
) -> Event:
    """Return the event that an act becomes.

    Args:
        raw: The JSON object.
        now_us: When it came, UTC microseconds.
        holder: Who acts where the object does not say it: whoever holds the token.
        through: By what the door knows who acts, such as ``http/centre``.

    Raises:
        Refusal: Something is wrong with it; the field is named.
    """
    values = parse_object(raw)
    name = Fields({"act": values.get("act")}, ("act",)).choice("act", CENTRE_ACTS)
    act = CENTRE_ACTS[name]
    fields = Fields(values, ("act", "by", *act.fields))
    by = holder if holder and not fields.has("by") else fields.text("by", MAX_BY_CHARS)
    event = act.decode(fields, now_us, by)
    if through and isinstance(event, HeldActed | OrderTended):
        return replace(event, through=through)
    return event


def centre_act_schema() -> dict[str, object]:
    """Return the JSON Schema (2020-12) of an act's object, as far as all acts share it."""
    return {
        "type": "object",
        "properties": {
            "act": {
                "type": "string",
                "enum": sorted(CENTRE_ACTS),
                "description": " ".join(f"{n}: {a.says}" for n, a in CENTRE_ACTS.items()),
            },
            "by": {
                "type": ["string", "null"], "minLength": 1, "maxLength": MAX_BY_CHARS,
                "description": "Who acts; left out: whoever holds the token",
            },
        },
        "required": ["act"],
    }  # fmt: skip
