"""Between the core's dataclasses and the canonical JSON of a journal row.

Canonical JSON: sorted keys, no white space, text in NFC, integers only. What cannot be written
so (floats, NUL, lone surrogates, numbers over 64 bits in a column) is refused here, on the
caller's side, so that no row ever harms the writer or its neighbours in a group.

Two ways lead to the same text. msgspec writes and reads a dataclass in a few microseconds and
is what nearly every row takes; what it does not take, or text that is not in NFC yet, goes the
long way through pydantic, which composes letters and finds the words for what is wrong.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final, TypeVar, get_args, get_type_hints

import msgspec
from pydantic import TypeAdapter, ValidationError

from gateway.core.effects import OUTBOX_TYPES, Receipt, ReportStatus
from gateway.core.events import EVENT_TYPES, Event
from gateway.core.order import ENTITY_TYPES, Entity
from gateway.interfaces import OutboxEffect
from gateway.journal.seal import Batch

T = TypeVar("T")
Plain = dict[str, Any]

ENTITY_BY_KIND: Final[dict[str, type[Entity]]] = {cls.KIND: cls for cls in ENTITY_TYPES}
EVENT_BY_NAME: Final[dict[str, type[Event]]] = {cls.__name__: cls for cls in EVENT_TYPES}
OUTBOX_BY_NAME: Final[dict[str, type[OutboxEffect]]] = {c.__name__: c for c in OUTBOX_TYPES}

_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
)
# Byte for byte what _ENCODER writes, as long as whole numbers have at most 64 bits.
_write: Final = msgspec.json.Encoder(order="sorted").encode
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def canonical(value: object) -> str:
    """Return the one JSON text of a value made of dict, list, str, int, bool and None.

    Raises:
        ValueError: It holds a float, NUL, a lone surrogate or anything else; says where.
    """
    return _ENCODER.encode(clean(value))


def quote(value: object) -> str:
    """Return the canonical text of a value that is clean already, its numbers of 64 bits."""
    return _write(value).decode()


def clean(value: Any) -> Any:  # noqa: ANN401 (JSON is any of six types)
    """Return the value with its text in NFC; raise ValueError, saying where, if it is unfit."""
    if type(value) is str and value.isascii() and "\0" not in value:
        return value  # nearly every one
    try:
        return _clean(value)
    except _UnfitError as unfit:
        where = ".".join(reversed(unfit.path)) or "value"
        raise ValueError(f"{where}: {unfit.reason}") from None


class _UnfitError(Exception):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path: list[str] = []


def _clean(value: Any) -> Any:  # noqa: ANN401
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return {_at(str(name), name): _at(str(name), item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_at(str(index), item) for index, item in enumerate(value)]
    raise _UnfitError(
        f"{type(value).__name__} cannot be journalled; whole numbers and text only"
    )


def _at(step: str, value: Any) -> Any:  # noqa: ANN401
    try:
        return _clean(value)
    except _UnfitError as unfit:
        unfit.path.append(step)
        raise


def nfc(value: str) -> str:
    """Return a text as it stands in a row, to look something up by it."""
    return unicodedata.normalize("NFC", value)


def _text(value: str) -> str:
    if "\0" in value:
        raise _UnfitError("text holds NUL")
    if value.isascii():
        return value
    if _SURROGATE.search(value):
        raise _UnfitError("text holds a lone surrogate")
    return nfc(value)


@dataclass(frozen=True, slots=True)
class _Shape:
    """What the codec knows of one dataclass.

    Attributes:
        adapter: Dumps and validates it, and says what is wrong.
        read: Reads it from its text, or fails.
        personal: Its personal fields, each with the sibling that names the owner and whether
            it is personal only if that names one.
        nested: Fields whose items have personal fields, with the items' class.
        sealed: Whether anything in it is personal.
    """

    adapter: TypeAdapter[Any]
    read: Callable[[bytes | str], Any]
    personal: tuple[tuple[str, str | None, bool], ...]
    nested: tuple[tuple[str, type], ...]
    sealed: bool


_SHAPES: Final[dict[type, _Shape]] = {}


def _shape(cls: type) -> _Shape:
    shape = _SHAPES.get(cls)
    if shape is None:
        shape = _SHAPES[cls] = _shape_of(cls)
    return shape


def _shape_of(cls: type) -> _Shape:
    hints = get_type_hints(cls)
    parts = [(f.name, part) for f in fields(cls) for part in _dataclasses_in(hints[f.name])]
    personal = tuple(
        (f.name, f.metadata["personal"], f.metadata.get("owned", False))
        for f in fields(cls)
        if "personal" in f.metadata
    )
    nested = tuple((name, part) for name, part in parts if _shape(part).sealed)
    return _Shape(
        TypeAdapter(cls),
        msgspec.json.Decoder(cls).decode,
        personal,
        nested,
        sealed=bool(personal or nested),
    )


def _dataclasses_in(hint: Any) -> Iterator[type]:  # noqa: ANN401
    if is_dataclass(hint) and isinstance(hint, type):
        yield hint
    for argument in get_args(hint):
        yield from _dataclasses_in(argument)


def warm() -> None:
    """Return with the codec of every type built, which takes a tenth of a second once."""
    for cls in (*ENTITY_TYPES, *EVENT_TYPES, *OUTBOX_TYPES, Receipt, ReportStatus):
        _shape(cls)


def encode(item: Any) -> Plain:  # noqa: ANN401
    """Return the fields of a dataclass as clean JSON values.

    Raises:
        ValueError: A field holds what its type forbids or what JSON text cannot carry. It is
            read back once here, because what cannot be read at the next start must not be
            written now. The message names the field and never its value.
    """
    plain: Plain = msgspec.json.decode(encoded(item)[1])
    return plain


def decode(cls: type[T], plain: Plain) -> T:
    """Return the dataclass whose fields these are; ValueError when they are not."""
    with suppress(msgspec.MsgspecError):
        return msgspec.convert(plain, cls)
    try:
        item: T = _shape(cls).adapter.validate_python(plain)
    except ValidationError as error:
        raise _unreadable(error) from None
    return item


def _read(cls: type[T], text: str, value_of: Callable[[str], object]) -> T:
    """Return the dataclass that stands in canonical text, its personal values joined."""
    if '{"sealed":' not in text:
        with suppress(msgspec.MsgspecError):
            item: T = _shape(cls).read(text)
            return item
    return decode(cls, unsealed(cls, json.loads(text), value_of))


def encoded(item: Any) -> tuple[Plain, str]:  # noqa: ANN401
    """Return the fields, clean, and their canonical text."""
    shape = _shape(type(item))
    text = _text_at_once(item, shape)
    if text is not None:
        return msgspec.to_builtins(item), text
    adapter = shape.adapter
    plain: Plain = clean(adapter.dump_python(item, mode="json", warnings=False))
    text = _ENCODER.encode(plain)
    try:
        adapter.validate_json(text, strict=True)
    except ValidationError as error:
        raise _unreadable(error) from None
    return plain, text


def _text_at_once(item: Any, shape: _Shape) -> str | None:  # noqa: ANN401
    """Return the canonical text of what can be read back as it is, else None."""
    try:
        raw = _write(item)
        shape.read(raw)
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError):
        return None
    text = raw.decode()
    return text if _fit(text) else None


def _fit(text: str) -> bool:
    """Whether canonical text needs no second look; a quick answer for nearly every row.

    Every part of a text in NFC is in NFC, so one question about the whole answers for each
    string in it.
    """
    if "\\u0000" in text:
        return False
    return text.isascii() or unicodedata.is_normalized("NFC", text)


def _unreadable(error: ValidationError) -> ValueError:
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(step) for step in first["loc"])
    return ValueError(f"{error.title}.{where}: {first['msg']}")


# -- personal parts ----------------------------------------------------------------------------


def _children(value: Any) -> Iterator[Plain]:  # noqa: ANN401
    if isinstance(value, dict):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _children(item)


def seal(cls: type, plain: Plain, batch: Batch) -> Plain:
    """Put commitments in the place of personal values, in place, and return ``plain``.

    The owner is the sibling field's person; else whose chat account the same object names;
    else unknown. What is personal only where it is somebody's (``owned``) is left in clear
    without one.
    """
    account = batch.sealer.owner_of(plain.get("chat"), plain.get("address"))
    shape = _shape(cls)
    for name, sibling, owned in shape.personal:
        person = plain[sibling] if sibling else None
        if plain[name] and (person or not owned):
            owner = person or account
            plain[name] = {"sealed": batch.seal(owner, quote(plain[name]))}
    for name, part in shape.nested:
        for child in _children(plain[name]):
            seal(part, child, batch)
    return plain


def written(item: Any, batch: Batch) -> str:  # noqa: ANN401
    """Return the canonical text of a dataclass, its personal parts sealed."""
    cls = type(item)
    shape = _shape(cls)
    if shape.sealed:
        plain, _ = encoded(item)
        return quote(seal(cls, plain, batch))
    return _text_at_once(item, shape) or encoded(item)[1]


def fact(item: Any, name: str) -> Any:  # noqa: ANN401
    """Return one plain field of a dataclass as it stands in its text, or None."""
    value = getattr(item, name, None)
    return clean(value) if isinstance(value, str) else value


def unsealed(cls: type, plain: Plain, value_of: Callable[[str], object]) -> Plain:
    """Put values in the place of commitments, in place, and return ``plain``."""
    shape = _shape(cls)
    for name, *_ in shape.personal:
        if isinstance(plain.get(name), dict):
            plain[name] = value_of(plain[name]["sealed"])
    for name, part in shape.nested:
        for child in _children(plain.get(name)):
            unsealed(part, child, value_of)
    return plain


def entity_from(kind: str, body: str, value_of: Callable[[str], object]) -> Entity:
    """Return the entity of a projection row, its personal values joined."""
    return _read(ENTITY_BY_KIND[kind], body, value_of)


def event_from(kind: str, plain: Plain, value_of: Callable[[str], object]) -> Event:
    """Return the event of a journal row, its personal values joined."""
    cls = EVENT_BY_NAME[kind]
    return decode(cls, unsealed(cls, plain, value_of))


def effect_from(kind: str, body: str, value_of: Callable[[str], object]) -> OutboxEffect:
    """Return the effect of an outbox row, its personal values joined."""
    return _read(OUTBOX_BY_NAME[kind], body, value_of)


def value_from(text: str) -> object:
    """Return the value of a canonical text that was sealed."""
    return json.loads(text)


def alert_key_from(body: str) -> tuple[str, str | None, str | None]:
    """Return (sha256, order, number) of an alert key's projection row."""
    plain = json.loads(body)
    return plain["sha256"], plain["order"], plain["number"]


def report_from(body: str, value_of: Callable[[str], object]) -> ReportStatus:
    """Return the report of a report row, its personal values joined."""
    return _read(ReportStatus, body, value_of)
