"""The alert as JSON: one decoder for every door, and the schema that describes it.

Decoding is pure and total: it returns an :class:`~gateway.core.alert.Alert` or raises
:class:`~gateway.core.centre.strict_json.Refusal`, nothing else, however hostile the bytes.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, replace

from gateway.core.alert import (
    Alert,
    AlertKind,
    Datum,
    Level,
    MachineEvent,
    MachineSignal,
    Position,
)
from gateway.core.centre.strict_json import Fields, Refusal, parse_object

__all__ = ["ALERT_SCHEMA", "Refusal", "alert_schema", "decode_alert"]

MAX_ID_CHARS = 64
MAX_TEXT_CHARS = 500
MAX_PLACE_CHARS = 200
MAX_NEEDS = 50
MAX_ATTACHMENTS = 8
MAX_REFERENCES = 8
MAX_TASKS = 4
MAX_PRIVATE = 8
MAX_OPEN_DAYS = 7
_MAX_OPEN_US = MAX_OPEN_DAYS * 86_400 * 1_000_000

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,63}", re.ASCII)
ID_SAYS = (
    f"1 to {MAX_ID_CHARS} of letters, digits and . _ : @ -, beginning with a letter or digit"
)
_CATEGORY = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}", re.ASCII)
_CATEGORY_SAYS = "1 to 32 of a-z, 0-9 and _ . -"
_MEDIA = re.compile(r"[a-z0-9]{1,64}", re.ASCII)
_MEDIA_SAYS = "a media id as POST /v1/media gave it"

_REFERENCE = re.compile(f"{ID.pattern},{ID.pattern}", re.ASCII)
_REFERENCE_SAYS = "sender,id of a message that came before"
# A zone of an alarm host is a number with its zeros, such as 008, or a name.
_ZONE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,15}", re.ASCII)
_ZONE_SAYS = "1 to 16 of letters, digits and . _ -"
_SOURCES = ("centre", "machine")
_MACHINE_ONLY = ("host", "zone", "event")
_TO = re.compile(
    r"(person|team|zone|station|grid)/[A-Za-z0-9][A-Za-z0-9_.-]{0,63}|all", re.ASCII
)
_TO_SAYS = "person/ID, team/ID, zone/ID, station/ID, grid/ID or all"
# What is said: no control characters, no halves of characters.
_TASK = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,32}")
_TASK_SAYS = "a word of policy.verbs, at most 32 characters"
_PRIVATE = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,64}")
_PRIVATE_SAYS = "words of the text, at most 64 characters"

_FIELDS = (
    "kind", "id", "sender", "sent", "category", "level", "text", "place", "location", "grid",
    "needs", "expires", "exercise", "attachments", "to", "incident", "references",
    "source", "host", "zone", "event", "tasks", "private",
)  # fmt: skip
# What a cancel may leave out: it says only which alert is meant, and when. An absent text is
# empty, and the core puts its own reason in the site's language.
_KINDS = tuple(kind.value for kind in AlertKind)
# Made once: json.dumps would make one for each message.
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
_CANCEL_MAY_OMIT = ("category", "level", "text")


def decode_alert(
    raw: bytes,
    *,
    kind: AlertKind | None,
    now_us: int,
    otherwise: AlertKind | None = None,
) -> Alert:
    """Return the alert that ``raw`` holds, decoded and checked.

    Args:
        raw: The message, UTF-8 JSON, at most 64 KiB.
        kind: What the door takes; then ``kind`` may be left out of the message. None where the
            message itself must say.
        now_us: Our wall clock, UTC microseconds; bounds ``expires``.
        otherwise: What a message is that says no kind at a door that takes any.

    Raises:
        Refusal: Something is wrong; the field is named, and ``sender`` and ``id`` are set
            where they could be read, so that a receipt can still find its way.
    """
    values = parse_object(raw)
    if kind is None and otherwise is not None and values.get("kind") is None:
        kind = otherwise
    try:
        return _alert(values, kind, now_us)
    except Refusal as refusal:
        refusal.sender, refusal.id = _readable(values, "sender"), _readable(values, "id")
        raise


def _alert(values: dict[str, object], kind: AlertKind | None, now_us: int) -> Alert:
    fields = Fields(values, _FIELDS)
    message_kind = _kind(fields, kind)
    bare = message_kind is AlertKind.CANCEL
    sent_us = fields.moment("sent")
    decoded = Alert(
        kind=message_kind,
        id=fields.word("id", ID, ID_SAYS),
        sender=fields.word("sender", ID, ID_SAYS),
        sent_us=sent_us,
        category="" if bare and not fields.has("category") else _category(fields),
        level=Level.THREE if bare and not fields.has("level") else _level(fields),
        text="" if bare and not fields.has("text") else fields.text("text", MAX_TEXT_CHARS),
        place=_optional_text(fields, "place", MAX_PLACE_CHARS),
        location=_position(fields) if fields.has("location") else None,
        grid=_optional_text(fields, "grid", MAX_ID_CHARS),
        needs=fields.option("needs", lambda name: fields.integer(name, 1, MAX_NEEDS), 1),
        expires_us=_expires(fields, sent_us, now_us) if fields.has("expires") else None,
        exercise=fields.option("exercise", fields.flag, False),
        attachments=fields.option("attachments", lambda name: _attachments(fields, name), ()),
        to=fields.word("to", _TO, _TO_SAYS) if fields.has("to") else None,
        incident=fields.word("incident", ID, ID_SAYS) if fields.has("incident") else None,
        references=_references(fields, message_kind),
        machine=_machine(fields, message_kind),
        tasks=fields.option("tasks", lambda name: _tasks(fields, name), ()),
        private=fields.option("private", lambda name: _private(fields, name), ()),
    )
    return with_digest(decoded)


def _references(fields: Fields, kind: AlertKind) -> tuple[str, ...]:
    """Return the messages meant; an alert has none, and none names itself."""
    if not fields.has("references"):
        return ()
    found = fields.words("references", MAX_REFERENCES, _REFERENCE, _REFERENCE_SAYS)
    if kind is AlertKind.ALERT and found:
        fields.refuse("references", "stand in an update or a cancel only")
    if f"{fields.need('sender')},{fields.need('id')}" in found:
        fields.refuse("references", "names this very message")
    return found


def _machine(fields: Fields, kind: AlertKind) -> MachineSignal | None:
    """Return what an alarm host said, if one did."""
    if fields.option("source", lambda name: fields.choice(name, _SOURCES), "") != "machine":
        for name in _MACHINE_ONLY:
            if fields.has(name):
                fields.refuse(name, "is for messages of source machine")
        return None
    if kind is not AlertKind.ALERT:
        fields.refuse("source", "machine is for alerts; a restored zone is an event restore")
    return MachineSignal(
        host=fields.word("host", ID, ID_SAYS),
        zone=fields.word("zone", _ZONE, _ZONE_SAYS),
        event=MachineEvent(fields.choice("event", tuple(e.value for e in MachineEvent))),
    )


def _category(fields: Fields) -> str:
    return fields.word("category", _CATEGORY, _CATEGORY_SAYS)


def _level(fields: Fields) -> Level:
    return Level(fields.integer("level", 1, 3))


def _kind(fields: Fields, wanted: AlertKind | None) -> AlertKind:
    if wanted is not None and not fields.has("kind"):
        return wanted
    kind = AlertKind(fields.choice("kind", _KINDS))
    if wanted is not None and kind is not wanted:
        fields.refuse("kind", f"is {kind.value}, but this door takes {wanted.value}")
    return kind


def _optional_text(fields: Fields, name: str, limit: int) -> str | None:
    return fields.text(name, limit) if fields.has(name) else None


def _attachments(fields: Fields, name: str) -> tuple[str, ...]:
    return fields.words(name, MAX_ATTACHMENTS, _MEDIA, _MEDIA_SAYS)


def _tasks(fields: Fields, name: str) -> tuple[str, ...]:
    return fields.words(name, MAX_TASKS, _TASK, _TASK_SAYS)


def _private(fields: Fields, name: str) -> tuple[str, ...]:
    return fields.words(name, MAX_PRIVATE, _PRIVATE, _PRIVATE_SAYS)


def _position(fields: Fields) -> Position:
    """Return the location. A coordinate without datum may be half a kilometre off: refused."""
    place = fields.nested("location", ("lat", "lon", "datum"))
    return Position(
        lat_udeg=place.micro_degrees("lat", 90),
        lon_udeg=place.micro_degrees("lon", 180),
        datum=Datum(place.choice("datum", [d.value for d in Datum])),
    )


def _expires(fields: Fields, sent_us: int, now_us: int) -> int:
    """Return the expiry. One that has passed is taken: the core says so in the journal."""
    expires_us = fields.moment("expires")
    if expires_us <= sent_us:
        fields.refuse("expires", "must lie after sent")
    # The later of the two, because our own clock may not be set yet.
    if expires_us > max(sent_us, now_us) + _MAX_OPEN_US:
        fields.refuse("expires", f"lies more than {MAX_OPEN_DAYS} days ahead")
    return expires_us


# Fields that came later stand in a digest only where they say something, so that messages
# taken before there were any are known again.
_LATER = (
    "organisation", "to", "incident", "references", "grids", "areas", "machine", "tasks",
    "private",
)  # fmt: skip


def with_digest(alert: Alert) -> Alert:
    """Return the alert with the SHA-256 of its canonical content, ``sent`` included.

    The digest is of what was understood, not of the bytes: the same message by another door, or
    with its keys in another order, is a repeat and not a conflict.
    """
    content = {name: getattr(alert, name) for name in Alert.__slots__}
    place = alert.location
    content["location"] = [place.lat_udeg, place.lon_udeg, place.datum] if place else None
    del content["body_sha256"]
    for name in _LATER:
        if not content[name]:
            del content[name]
    if alert.machine is not None:
        content["machine"] = asdict(alert.machine)
    if alert.areas:
        content["areas"] = [asdict(area) for area in alert.areas]
    canonical = _CANONICAL.encode(content)
    return replace(alert, body_sha256=hashlib.sha256(canonical.encode()).hexdigest())


def _readable(values: Mapping[str, object], name: str) -> str | None:
    value = values.get(name)
    return value if isinstance(value, str) and ID.fullmatch(value) else None


_TIME_SCHEMA: dict[str, object] = {
    "type": "string",
    "format": "date-time",
    "description": "RFC 3339, offset required",
}
_ID_SCHEMA: dict[str, object] = {
    "type": "string",
    "pattern": f"^{ID.pattern}$",
    "maxLength": MAX_ID_CHARS,
}
_PROPERTIES: Mapping[str, dict[str, object]] = {
    "kind": {"type": "string", "enum": [kind.value for kind in AlertKind]},
    "id": _ID_SCHEMA | {"description": "The centre's own id; (sender, id) makes one order"},
    "sender": _ID_SCHEMA | {"description": "Who sends, as the centre calls itself"},
    "sent": _TIME_SCHEMA,
    "category": {"type": "string", "pattern": f"^{_CATEGORY.pattern}$"},
    "level": {"type": "integer", "enum": [1, 2, 3], "description": "1 is the most urgent"},
    "text": {"type": "string", "minLength": 1, "maxLength": MAX_TEXT_CHARS},
    "place": {"type": ["string", "null"], "minLength": 1, "maxLength": MAX_PLACE_CHARS},
    "location": {
        "type": ["object", "null"],
        "properties": {
            "lat": {"type": "number", "minimum": -90, "maximum": 90},
            "lon": {"type": "number", "minimum": -180, "maximum": 180},
            "datum": {"type": "string", "enum": [datum.value for datum in Datum]},
        },
        "required": ["lat", "lon", "datum"],
        "additionalProperties": False,
    },
    "grid": {
        "type": ["string", "null"],
        "minLength": 1,
        "maxLength": MAX_ID_CHARS,
        "description": "Grid id or code",
    },
    "needs": {"type": ["integer", "null"], "minimum": 1, "maximum": MAX_NEEDS, "default": 1},
    "expires": _TIME_SCHEMA | {"type": ["string", "null"]},
    "exercise": {"type": ["boolean", "null"], "default": False},
    "attachments": {
        "type": ["array", "null"],
        "items": {"type": "string", "pattern": f"^{_MEDIA.pattern}$"},
        "maxItems": MAX_ATTACHMENTS,
        "uniqueItems": True,
    },
    "to": {
        "type": ["string", "null"],
        "pattern": f"^({_TO.pattern})$",
        "description": "Who is meant: person/ID, team/ID, zone/ID, station/ID, grid/ID, all",
    },
    "incident": _ID_SCHEMA
    | {"type": ["string", "null"], "description": "Alerts of one incident make one order"},
    "references": {
        "type": ["array", "null"],
        "items": {"type": "string", "pattern": f"^{_REFERENCE.pattern}$"},
        "maxItems": MAX_REFERENCES,
        "uniqueItems": True,
        "description": "Update and cancel: sender,id of each message meant; else the id is",
    },
    "tasks": {
        "type": ["array", "null"],
        "items": {"type": "string", "minLength": 1, "maxLength": 32},
        "maxItems": MAX_TASKS,
        "uniqueItems": True,
        "description": "What guards are asked to do, words of the site's closed list",
    },
    "private": {
        "type": ["array", "null"],
        "items": {"type": "string", "minLength": 1, "maxLength": 64},
        "maxItems": MAX_PRIVATE,
        "uniqueItems": True,
        "description": "Words of text and place, such as names, that are never said on the air",
    },
    "source": {
        "type": ["string", "null"],
        "enum": [*_SOURCES, None],
        "description": "machine: an alarm host; then host, zone and event are needed",
    },
    "host": _ID_SCHEMA | {"type": ["string", "null"], "description": "The host's account"},
    "zone": {"type": ["string", "null"], "pattern": f"^{_ZONE.pattern}$"},
    "event": {
        "type": ["string", "null"],
        "enum": [*(event.value for event in MachineEvent), None],
        "description": "Only an alarm calls people; the others are written down",
    },
}


def alert_schema(kind: AlertKind | None) -> dict[str, object]:
    """Return the JSON Schema (2020-12) of a message of one kind, or of any kind for None."""
    properties: dict[str, object] = {name: dict(rule) for name, rule in _PROPERTIES.items()}
    required = ["id", "sender", "sent"]
    if kind is None:
        required.insert(0, "kind")
    else:
        properties["kind"] = {"type": ["string", "null"], "enum": [kind.value, None]}
    if kind is not AlertKind.CANCEL:
        required += ["category", "level", "text"]
    for name in _CANCEL_MAY_OMIT if kind is AlertKind.CANCEL else ():
        properties[name] = _nullable(_PROPERTIES[name])
    schema: dict[str, object] = {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
    return schema if kind is not None else _any_kind(schema)


def _nullable(rule: Mapping[str, object]) -> dict[str, object]:
    loose = dict(rule) | {"type": [rule["type"], "null"]}
    if isinstance(choices := rule.get("enum"), list):
        loose["enum"] = [*choices, None]
    return loose


def _any_kind(schema: dict[str, object]) -> dict[str, object]:
    """Return the schema of the MQTT topic, where the message itself says what it is."""
    alert, update, cancel = (alert_schema(kind) for kind in AlertKind)
    for kind, one in zip(AlertKind, (alert, update, cancel), strict=True):
        properties = one["properties"]
        assert isinstance(properties, dict)
        properties["kind"] = {"type": "string", "const": kind.value}
        one["required"] = ["kind", *_names(one["required"])]
    del schema["required"], schema["properties"], schema["additionalProperties"]
    return schema | {"oneOf": [alert, update, cancel]}


def _names(value: object) -> list[str]:
    assert isinstance(value, list)
    return [str(name) for name in value]


ALERT_SCHEMA = alert_schema(None)
