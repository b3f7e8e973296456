"""A person as words in named fields: what a table's cell or an act says of him, and back.

Every field has one spelling outwards and is read leniently; a value that cannot be read is a
ValueError that says what would be right. ``""`` and ``-`` mean that there is none.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from gateway.core.people import Person, Role, is_radio

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}", re.ASCII)
_CALL: Final = re.compile(
    r"dtmf:[0-9A-D*#]{1,16}|mdc1200:call:[0-9A-F]{4}|"
    r"(?!(?:dtmf|mdc1200|ctcss|dcs):)[A-Za-z0-9_-]{1,32}:[0-9A-F]{3,8}",
    re.ASCII,
)
_HOURS: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_YES: Final = frozenset({"yes", "true", "1", "y", "是", "有"})
_NO: Final = frozenset({"no", "false", "0", "n", "否", "无"})
_TURNS_LINES: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
MOST_RADIOS: Final = 8
MOST_GRIDS: Final = 64
NONE: Final = frozenset({"", "-"})


def _line(limit: int) -> Callable[[str], str]:
    def read(text: str) -> str:
        if len(text) > limit:
            raise ValueError(f"has {len(text)} characters; the limit is {limit}")
        wrong = next((c for c in text if not c.isprintable() or c in _TURNS_LINES), None)
        if wrong is not None:
            raise ValueError(f"holds U+{ord(wrong):04X}, which is not allowed")
        return unicodedata.normalize("NFC", text)

    return read


def _id(text: str) -> str:
    if _ID.fullmatch(text) is None:
        raise ValueError("should be 1 to 32 letters a-z, digits, _ or -")
    return text


def _ids(text: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(_id(word) for word in _words(text)))
    if len(found) > MOST_GRIDS:
        raise ValueError(f"has {len(found)} entries; the limit is {MOST_GRIDS}")
    return found


def _words(text: str) -> list[str]:
    return re.split(r"[\s,;，；、]+", text.strip())


def _code(text: str) -> str:
    if len(text) != 3 or not (text.isascii() and text.isdigit()):
        raise ValueError("should be three digits, such as 034")
    return text


def _radios(text: str) -> tuple[tuple[str, str], ...]:
    """Return each radio with its serial number, ``""`` for none."""
    found: dict[str, str] = {}
    for word in _words(text):
        said, _, serial = word.partition("/")
        kind, _, value = said.partition(":")
        radio = f"{kind}:{value.upper()}"
        if not is_radio(radio):
            raise ValueError(
                "should be what his radios say, such as dtmf:10034 or mdc1200:1A2B/SN123 "
                "(with the serial number behind a stroke)"
            )
        found[radio] = _line(32)(serial)
    if len(found) > MOST_RADIOS:
        raise ValueError(f"has {len(found)} radios; the limit is {MOST_RADIOS}")
    return tuple(found.items())


def _calls(text: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(_words(text)))
    if len(found) > 6 or not all(_CALL.fullmatch(call) for call in found):
        raise ValueError("should be at most 6 selective calls, such as zvei1:12345 or dtmf:110")
    return found


def _day(text: str) -> str:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueError("should be a day such as 2027-06-30") from None
    if not 2000 <= day.year < 2100:
        raise ValueError("should be a day of this century")
    return day.isoformat()


def _flag(text: str) -> bool:
    word = text.casefold()
    if word not in _YES | _NO:
        raise ValueError("should be yes or no (是, 否)")
    return word in _YES


def _metres(text: str) -> int:
    digits = text.removesuffix("m").removesuffix("米").strip()
    if not (digits.isascii() and digits.isdigit()) or not 1 <= int(digits[:9]) <= 100_000:
        raise ValueError("should be metres, 1 to 100000")
    return int(digits)


def _hours(text: str) -> tuple[int, int]:
    found = _HOURS.fullmatch(text.replace("：", ":"))
    if found is None or found[1] + found[2] == found[3] + found[4]:
        raise ValueError("should be two times of day, such as 08:00-18:00")
    return int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"should be one of {', '.join(choices)}")
        return text

    return read


@dataclass(frozen=True, slots=True)
class PersonField:
    """One field: how it is read and what it is when there is none.

    Attributes:
        read: Text → value; ValueError says what would be right.
        none: Its value when it is empty; ``...`` where it must not be.
        heading: Its name in a Chinese table.
    """

    read: Callable[[str], Any]
    none: Any
    heading: str


FIELDS: Final[Mapping[str, PersonField]] = {
    "name": PersonField(_line(64), ..., "姓名"),
    "role": PersonField(_one_of(*(role.value for role in Role)), "guard", "角色"),
    "organisation": PersonField(_id, ..., "单位"),
    "premises": PersonField(_id, None, "场所"),
    "post": PersonField(_id, None, "岗位"),
    "grids": PersonField(_ids, (), "网格"),
    "crew": PersonField(_id, None, "班组"),
    "team": PersonField(_id, None, "小组"),
    "leader": PersonField(_flag, False, "组长"),
    "tier": PersonField(
        _one_of("guard", "station_patrol", "special_patrol"), "guard", "力量层级"
    ),
    "guard_code": PersonField(_code, None, "回复号码"),
    "call_sign": PersonField(_line(32), None, "呼号"),
    "radios": PersonField(_radios, (), "电台"),
    "calls": PersonField(_calls, (), "选呼"),
    "certificate": PersonField(_line(64), None, "保安员证号"),
    "certificate_expires": PersonField(_day, None, "证件有效期"),
    "filing": PersonField(_line(64), None, "备案号"),
    "may_leave": PersonField(_flag, True, "可离岗"),
    "reach_m": PersonField(_metres, None, "离岗距离米"),
    "leave_hours": PersonField(_hours, None, "离岗时段"),
    "language": PersonField(_one_of("zh_CN", "en"), "zh_CN", "语言"),
}
BY_HEADING: Final = {field.heading: name for name, field in FIELDS.items()} | {"编号": "id"}
COLUMNS: Final = ("id", *FIELDS)


def read_id(text: str) -> str:
    """Return a person's id; ValueError when it is none."""
    return _id(text.strip())


def value_of(name: str, text: str) -> Any:  # noqa: ANN401  # of any field
    """Return what a field's words mean.

    Raises:
        ValueError: They mean nothing; says what would be right.
    """
    field, text = FIELDS[name], text.strip()
    if text not in NONE:
        return field.read(text)
    if field.none is ...:
        raise ValueError("is missing")
    return field.none


def changed(person: Person, changes: Mapping[str, str]) -> Person:
    """Return a person with fields changed, as written.

    Raises:
        ValueError: ``field: what would be right``.
    """
    values: dict[str, Any] = {}
    for name, text in changes.items():
        try:
            values[name] = value_of(name, text)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    if "role" in values:
        values["role"] = Role(values["role"])
    if "radios" in values:
        given: tuple[tuple[str, str], ...] = values["radios"]
        values["radios"] = tuple(radio for radio, _ in given)
        values["serials"] = tuple(pair for pair in given if pair[1])
        values["radio_id"] = None
    return replace(person, **values)


def new_person(id_: str, fields: Mapping[str, str]) -> Person:
    """Return the person whom these fields describe.

    Raises:
        ValueError: ``field: what would be right``.
    """
    for name, field in FIELDS.items():
        if field.none is ... and fields.get(name, "").strip() in NONE:
            raise ValueError(f"{name}: is missing")
    return changed(Person(id=read_id(id_), name=""), fields)


def written(person: Person) -> dict[str, str]:
    """Return a person's fields as words; ``""`` where there is none."""
    serials = dict(person.serials)
    hours = person.leave_hours
    words: dict[str, str] = {
        "radios": " ".join(
            f"{radio}/{serials[radio]}" if radio in serials else radio
            for radio in person.addresses
        ),
        "leave_hours": "-".join(f"{m // 60:02d}:{m % 60:02d}" for m in hours or ()),
        "role": person.role.value,
    }
    for name in FIELDS:
        if name not in words:
            words[name] = _word(getattr(person, name))
    return {name: words[name] for name in FIELDS}


def _word(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(value) if isinstance(value, tuple) else str(value)
