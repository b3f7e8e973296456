"""What the centre does to an order, as JSON: close, confirm, stand down."""

import re
from typing import Literal

from gateway.core.after.events import OrderActed
from gateway.core.centre.strict_json import Fields, parse_object

Act = Literal["close", "stand_down", "confirm"]
ACTS: tuple[Act, ...] = ("close", "confirm", "stand_down")

MAX_BY_CHARS = 64
MAX_RESULT_CHARS = 500
_PERSON = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_PERSON_SAYS = "a person id of the site"
Confirmed = Literal["acknowledged", "en_route", "arrived", "done"]
CONFIRMED: tuple[Confirmed, ...] = ("acknowledged", "en_route", "arrived", "done")
_FIELDS: dict[Act, tuple[str, ...]] = {
    "close": ("by", "result"),
    "stand_down": ("by", "result"),
    "confirm": ("by", "result", "person", "node"),
}


def decode_act(
    raw: bytes, *, order: str, act: Act, now_us: int, holder: str | None = None
) -> OrderActed:
    """Return the act that ``raw`` asks for.

    Args:
        raw: The body.
        order: Order id.
        act: What is to be done.
        now_us: When it came, UTC microseconds.
        holder: Who acts where a confirmation does not say it.

    Raises:
        Refusal: Something is wrong with it; the field is named.
    """
    fields = Fields(parse_object(raw), _FIELDS[act])
    unsaid = act == "confirm" and holder is not None and not fields.has("by")
    return OrderActed(
        at_us=now_us,
        order=order,
        act=act,
        by=holder if unsaid and holder else fields.text("by", MAX_BY_CHARS),
        result=fields.text("result", MAX_RESULT_CHARS) if fields.has("result") else None,
        person=fields.word("person", _PERSON, _PERSON_SAYS) if act == "confirm" else None,
        node=_node(fields) if fields.has("node") else "acknowledged",
    )


def _node(fields: Fields) -> Confirmed:
    chosen = fields.choice("node", CONFIRMED)
    return next(node for node in CONFIRMED if node == chosen)


def act_schema(act: Act) -> dict[str, object]:
    """Return the JSON Schema (2020-12) of the body of one act."""
    rules: dict[str, dict[str, object]] = {
        "by": _by_schema(act),
        "result": {"type": ["string", "null"], "minLength": 1, "maxLength": MAX_RESULT_CHARS},
        "person": {"type": "string", "pattern": f"^{_PERSON.pattern}$"},
        "node": {"type": ["string", "null"], "enum": [*CONFIRMED, None]},
    }
    return {
        "type": "object",
        "properties": {name: rules[name] for name in _FIELDS[act]},
        "required": ["person"] if act == "confirm" else ["by"],
        "additionalProperties": False,
    }


def _by_schema(act: Act) -> dict[str, object]:
    schema: dict[str, object] = {
        "type": "string", "minLength": 1, "maxLength": MAX_BY_CHARS,
    }  # fmt: skip
    if act == "confirm":
        schema |= {
            "type": ["string", "null"], "description": "Left out: whoever holds the token",
        }  # fmt: skip
    return schema
