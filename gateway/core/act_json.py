"""What the centre does to an order, as JSON: close, confirm, stand down."""

import re
from typing import Literal

from gateway.core.events import OrderActed
from gateway.core.strict_json import Fields, parse_object

Act = Literal["close", "stand_down", "confirm"]
ACTS: tuple[Act, ...] = ("close", "confirm", "stand_down")

MAX_BY_CHARS = 64
MAX_RESULT_CHARS = 500
_PERSON = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_PERSON_SAYS = "a person id of the site"
_NODES: tuple[Literal["acknowledged", "en_route", "arrived", "done"], ...] = (
    "acknowledged",
    "en_route",
    "arrived",
    "done",
)
_FIELDS: dict[Act, tuple[str, ...]] = {
    "close": ("by", "result"),
    "stand_down": ("by", "result"),
    "confirm": ("by", "result", "person", "node"),
}


def decode_act(raw: bytes, *, order: str, act: Act, now_us: int) -> OrderActed:
    """Return the act that ``raw`` asks for.

    Raises:
        Refusal: Something is wrong with it; the field is named.
    """
    fields = Fields(parse_object(raw), _FIELDS[act])
    return OrderActed(
        at_us=now_us,
        order=order,
        act=act,
        by=fields.text("by", MAX_BY_CHARS),
        result=fields.text("result", MAX_RESULT_CHARS) if fields.has("result") else None,
        person=fields.word("person", _PERSON, _PERSON_SAYS) if act == "confirm" else None,
        node=_node(fields) if fields.has("node") else "acknowledged",
    )


def _node(fields: Fields) -> Literal["acknowledged", "en_route", "arrived", "done"]:
    chosen = fields.choice("node", _NODES)
    return next(node for node in _NODES if node == chosen)


def act_schema(act: Act) -> dict[str, object]:
    """Return the JSON Schema (2020-12) of the body of one act."""
    rules: dict[str, dict[str, object]] = {
        "by": {"type": "string", "minLength": 1, "maxLength": MAX_BY_CHARS},
        "result": {"type": ["string", "null"], "minLength": 1, "maxLength": MAX_RESULT_CHARS},
        "person": {"type": "string", "pattern": f"^{_PERSON.pattern}$"},
        "node": {"type": ["string", "null"], "enum": [*_NODES, None]},
    }
    return {
        "type": "object",
        "properties": {name: rules[name] for name in _FIELDS[act]},
        "required": ["by", "person"] if act == "confirm" else ["by"],
        "additionalProperties": False,
    }
