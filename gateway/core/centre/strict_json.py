"""JSON from outside, read so that nothing in it can hurt what comes after.

Theory of operation: the size is capped before parsing, so depth and work are bounded; every
value is then asked for by name through :class:`Fields`, which refuses what it was not asked
for. Whatever is wrong becomes one :class:`Refusal` that names the field, and nothing else is
ever raised. RFC 8259; times are RFC 3339 section 5.6.
"""

import difflib
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NoReturn, TypeVar

MAX_BODY_BYTES = 64 * 1024
MAX_NUMBER_CHARS = 32

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST_YEAR, _LAST_YEAR = 2000, 2100
_TIME = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE
)
# Text that would turn the line around for whoever reads it (Unicode bidi controls).
_TURNS_LINES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Control, surrogate, line and paragraph separators: each kills a writer, a log or a card.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})

_T = TypeVar("_T")


class Refusal(ValueError):  # noqa: N818 - a word of the receipts: what was refused
    """The input is refused; nothing of it was used.

    Attributes:
        field: Which field is wrong, such as ``location.lat``; ``body`` for the whole.
        reason: What is wrong with it, in words for its sender.
        sender: Who sent it, when that much could be read.
        id: The sender's own id of it, when that much could be read.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason
        self.sender: str | None = None
        self.id: str | None = None


def parse_object(raw: bytes) -> dict[str, object]:
    """Return the one JSON object that ``raw`` holds.

    Numbers with a fraction or exponent come as Decimal.

    Raises:
        Refusal: It is too big, not UTF-8, not JSON, or not an object; or it holds a duplicate
            key, NaN, Infinity, or a number of more than 32 characters.
    """
    if len(raw) > MAX_BODY_BYTES:
        raise Refusal("body", f"is {len(raw)} bytes; the limit is {MAX_BODY_BYTES}")
    try:
        text = raw.decode("utf-8")
        value = _READER.decode(text)
    except UnicodeDecodeError as error:
        raise Refusal("body", f"is not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise Refusal("body", f"is not JSON: {error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise Refusal("body", "is nested too deeply") from error
    if not isinstance(value, dict):
        raise Refusal("body", f"must be a JSON object; got {_kind(value)}")
    return value


def shown(text: str) -> str:
    """Return hostile text quoted for a message: escaped where unprintable, at most 40 chars."""
    return repr(text if len(text) <= 40 else text[:40] + "…")


def timestamp(us: int) -> str:
    """Return UTC microseconds as RFC 3339 with six digits and ``Z``."""
    moment = _EPOCH + timedelta(microseconds=us)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond:06d}Z"


class Fields:
    """The fields of one JSON object, each taken at most once, all accounted for at the end."""

    def __init__(
        self, values: Mapping[str, object], known: Iterable[str], where: str = ""
    ) -> None:
        """Take an object apart.

        Args:
            values: The parsed object.
            known: Every field it may have.
            where: Path of the object for messages, such as ``location.``.

        Raises:
            Refusal: It has a field that is not known; the nearest known one is named.
        """
        self._values = values
        self._where = where
        known = tuple(known)
        for name in values:
            if name not in known:
                raise Refusal(where + _label(name), "is not a known field" + _near(name, known))

    def refuse(self, name: str, reason: str) -> NoReturn:
        """Raise the refusal of a field."""
        raise Refusal(self._where + name, reason)

    def has(self, name: str) -> bool:
        """Return whether the field is there and not null."""
        return self._values.get(name) is not None

    def need(self, name: str) -> object:
        """Return a field's value. Raises Refusal when it is absent or null."""
        if not self.has(name):
            self.refuse(name, "is missing")
        return self._values[name]

    def option(self, name: str, read: Callable[[str], _T], default: _T) -> _T:
        """Return what ``read`` makes of a field, or ``default`` when it is absent or null."""
        return read(name) if self.has(name) else default

    def text(self, name: str, limit: int) -> str:
        """Return a field as text in Unicode form NFC, 1 to ``limit`` characters, printable."""
        value = self.need(name)
        if not isinstance(value, str):
            self.refuse(name, f"must be text; got {_kind(value)}")
        self._check_length(name, value, limit)
        self._check_characters(name, value)
        value = unicodedata.normalize("NFC", value)
        self._check_length(name, value, limit)
        if not value.strip():
            self.refuse(name, "is empty")
        return value

    def word(self, name: str, pattern: re.Pattern[str], says: str) -> str:
        """Return a field as a word of a narrow form; ``says`` describes it."""
        value = self.need(name)
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            got = shown(value) if isinstance(value, str) else _kind(value)
            self.refuse(name, f"must be {says}; got {got}")
        return value

    def choice(self, name: str, choices: Iterable[str]) -> str:
        """Return a field that is one of a few words."""
        value = self.need(name)
        choices = tuple(choices)
        if not isinstance(value, str) or value not in choices:
            got = shown(value) if isinstance(value, str) else _kind(value)
            near = _near(value, choices) if isinstance(value, str) else ""
            self.refuse(name, f"must be one of {', '.join(choices)}; got {got}{near}")
        return value

    def integer(self, name: str, low: int, high: int) -> int:
        """Return a field as a whole number from ``low`` to ``high``."""
        value = self.need(name)
        if isinstance(value, bool) or not isinstance(value, int):
            self.refuse(name, f"must be a whole number {low} to {high}; got {_kind(value)}")
        if not low <= value <= high:
            self.refuse(name, f"must be {low} to {high}; got {value}")
        return value

    def flag(self, name: str) -> bool:
        """Return a field as true or false."""
        value = self.need(name)
        if not isinstance(value, bool):
            self.refuse(name, f"must be true or false; got {_kind(value)}")
        return value

    def micro_degrees(self, name: str, limit_deg: int) -> int:
        """Return degrees as micro-degrees, half away from zero; ±``limit_deg`` at most."""
        value = self.need(name)
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            self.refuse(name, f"must be degrees as a number; got {_kind(value)}")
        # Compared first: a huge exponent must never be turned into an integer.
        if not -limit_deg <= value <= limit_deg:
            self.refuse(name, f"must be -{limit_deg} to {limit_deg} degrees")
        return int((Decimal(value) * 1_000_000).to_integral_value("ROUND_HALF_UP"))

    def moment(self, name: str) -> int:
        """Return an RFC 3339 time, offset required, as UTC microseconds (2000 to 2100)."""
        value = self.need(name)
        if not isinstance(value, str) or _TIME.fullmatch(value) is None:
            got = shown(value) if isinstance(value, str) else _kind(value)
            self.refuse(name, f"must be RFC 3339 with an offset (…T03:00:00+08:00); got {got}")
        try:
            moment = datetime.fromisoformat(value.upper())
        except ValueError:
            self.refuse(name, f"is no date and time: {shown(value)}")
        if not _FIRST_YEAR <= moment.year < _LAST_YEAR:
            self.refuse(name, f"must lie between {_FIRST_YEAR} and {_LAST_YEAR}")
        return (moment - _EPOCH) // _MICROSECOND

    def nested(self, name: str, known: Iterable[str]) -> "Fields":
        """Return the fields of an object inside this one."""
        value = self.need(name)
        if not isinstance(value, dict):
            self.refuse(name, f"must be an object; got {_kind(value)}")
        return Fields(value, known, f"{self._where}{name}.")

    def words(
        self, name: str, limit: int, pattern: re.Pattern[str], says: str
    ) -> tuple[str, ...]:
        """Return a field as a list of at most ``limit`` different words."""
        value = self.need(name)
        if not isinstance(value, list):
            self.refuse(name, f"must be a list; got {_kind(value)}")
        if len(value) > limit:
            self.refuse(name, f"has {len(value)} entries; the limit is {limit}")
        found = tuple(v for v in value if isinstance(v, str) and pattern.fullmatch(v))
        if len(found) != len(value):
            self.refuse(name, f"each must be {says}")
        if len(set(found)) != len(found):
            self.refuse(name, "has the same entry twice")
        return found

    def _check_length(self, name: str, value: str, limit: int) -> None:
        if len(value) > limit:
            self.refuse(name, f"has {len(value)} characters; the limit is {limit}")

    def _check_characters(self, name: str, value: str) -> None:
        for place, char in enumerate(value):
            if unicodedata.category(char) in _REFUSED_CATEGORIES or char in _TURNS_LINES:
                self.refuse(name, f"has U+{ord(char):04X} at character {place}; not allowed")


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise Refusal(_label(name), "stands twice")
        found[name] = value
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise Refusal("body", f"holds {name}, which is not JSON")


def _int(digits: str) -> int:
    return int(_short(digits))


def _decimal(digits: str) -> Decimal:
    return Decimal(_short(digits))


def _short(digits: str) -> str:
    if len(digits) > MAX_NUMBER_CHARS:
        raise Refusal("body", f"holds a number of more than {MAX_NUMBER_CHARS} characters")
    return digits


def _label(name: str) -> str:
    """Return a field name as it stands when it is plain, else quoted and cut."""
    return name if name.isascii() and name.isidentifier() and len(name) <= 40 else shown(name)


def _near(name: str, known: Iterable[str]) -> str:
    # A long name would make the comparison slow, and cannot be a slip of the pen.
    near = difflib.get_close_matches(name, list(known), n=1) if len(name) <= 40 else []
    return f"; did you mean {near[0]}?" if near else ""


def _kind(value: object) -> str:
    if value is None:
        return "null"
    names: dict[type, str] = {
        bool: "true or false",
        int: "a whole number",
        Decimal: "a fraction",
        str: "text",
        list: "a list",
        dict: "an object",
    }
    return names[type(value)]


# Made once: json.loads would make one for each message.
_READER = json.JSONDecoder(
    object_pairs_hook=_without_duplicates,
    parse_constant=_refuse_constant,
    parse_int=_int,
    parse_float=_decimal,
)
