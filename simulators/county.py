"""A county as plain data: what a technician would write, generated, and who its people are.

The settings have the shape of a site's YAML; the people beside them are what no settings say:
how each of them is.
"""

import random
from dataclasses import dataclass
from typing import Any, Final, Literal

Answers = Literal["chat", "radio"]
Manner = Literal[
    "quick", "slow", "deaf", "declining", "forgetful", "leaving", "fumbling", "twice"
]
# How many in a hundred are so.
MANNERS: Final[dict[Manner, int]] = {
    "quick": 34, "slow": 18, "deaf": 12, "declining": 8, "forgetful": 10, "leaving": 5,
    "fumbling": 8, "twice": 5,
}  # fmt: skip
CREWS: Final = ("A", "B", "C", "D")
# A grid's side and its place, degrees: a county of squares.
SIDE_DEG, SOUTH_DEG, WEST_DEG = 0.01, 29.0, 119.0
COLUMNS: Final = 8
SURNAMES, NAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨", "伟芳娜敏静丽强磊军洋勇艳杰娟涛明"


@dataclass(frozen=True, kw_only=True)
class Resident:
    """Somebody who carries a radio or a telephone.

    Attributes:
        person: Person id of the settings.
        role: ``guard``, ``station`` or ``manager``.
        grid: Name of his grid as it is spoken; empty for who has none.
        channel: Channel his radio is on.
        code: Three digits, or None.
        radio_id: What his radio says before each over.
        account: His account on the chat.
        crew: Index of his crew; None is always on duty.
        answers: How he answers.
        manner: How he is.
        pace: Times every delay of his.
    """

    person: str
    role: str
    grid: str
    channel: str | None
    code: str | None
    radio_id: str | None
    account: str | None
    crew: int | None
    answers: Answers
    manner: Manner
    pace: float


@dataclass(frozen=True, kw_only=True)
class County:
    """A generated county.

    Attributes:
        settings: As a site's YAML.
        residents: Its people.
        grids: Grid ids.
    """

    settings: dict[str, Any]
    residents: tuple[Resident, ...]
    grids: tuple[str, ...]


def county(*, guards: int, grids: int, channels: int, seed: int) -> County:
    """Return a county of so many guards, grids and channels.

    With four guards a grid or more they stand in four crews over three shifts; with fewer
    everybody is always on duty.

    Raises:
        ValueError: There are fewer guards than grids, or no channel.
    """
    if guards < grids or grids < 1 or channels < 1:
        raise ValueError("a county wants a channel, a grid, and a guard for each grid at least")
    chance = random.Random(f"county {seed}")
    in_crews = guards >= len(CREWS) * grids
    named = [f"g{g}" for g in range(grids)]
    people: dict[str, Any] = {}
    residents = []
    for g in range(guards):
        person, resident = _guard(g, grids, channels, in_crews=in_crews, chance=chance)
        people[resident.person] = person
        residents.append(resident)
    for person, resident in _upstairs(chance):
        people[resident.person] = person
        residents.append(resident)
    settings = _settings(named, channels, people, in_crews=in_crews)
    return County(settings=settings, residents=tuple(residents), grids=tuple(named))


def _guard(
    number: int, grids: int, channels: int, *, in_crews: bool, chance: random.Random
) -> tuple[dict[str, Any], Resident]:
    grid, crew = number % grids, (number // grids) % len(CREWS)
    code = f"{number:03}" if number < 1000 else None
    # A grid's channel is one for all of it.
    channel = f"c{grid % channels}"
    on_chat = chance.random() < 0.8
    person: dict[str, Any] = {
        "name": chance.choice(SURNAMES) + chance.choice(NAMES) + chance.choice(NAMES),
        "organisation": "dongmen", "grids": [f"g{grid}"], "radio_id": f"{10000 + number}",
    }  # fmt: skip
    if code is not None:
        person["guard_code"] = code
    if in_crews:
        person["crew"] = CREWS[crew]
    if on_chat:
        person["contacts"] = {"work": str(1_000_000 + number)}
    resident = Resident(
        person=f"p{number}", role="guard", grid=_name(grid), channel=channel, code=code,
        radio_id=person["radio_id"],
        account=str(1_000_000 + number) if on_chat else None,
        crew=crew if in_crews else None,
        answers="chat" if on_chat and chance.random() < 0.7 else "radio",
        manner=chance.choices(list(MANNERS), list(MANNERS.values()))[0],
        pace=chance.uniform(0.5, 2.0),
    )  # fmt: skip
    return person, resident


def _upstairs(chance: random.Random) -> list[tuple[dict[str, Any], Resident]]:
    found = []
    for number, (person, name, role) in enumerate(
        (("station", "派出所值班", "station"), ("head", "所长", "manager"),
         ("chief", "局长", "manager"))
    ):  # fmt: skip
        account = str(9_000_000 + number)
        settings = {
            "name": name, "role": role, "organisation": "police", "contacts": {"work": account}
        }  # fmt: skip
        resident = Resident(
            person=person, role=role, grid="", channel=None, code=None, radio_id=None,
            account=account, crew=None, answers="chat",
            manner=chance.choice(("quick", "slow", "deaf")), pace=1.0,
        )  # fmt: skip
        found.append((settings, resident))
    return found


def _name(grid: int) -> str:
    """Return a grid's name without digits, so that it is spoken as it is written."""
    stems, branches = "甲乙丙丁戊己庚辛壬癸", "子丑寅卯辰巳午未申酉戌亥"
    return f"{stems[grid % 10]}{branches[grid // 10 % 12]}网格"


def _settings(
    grids: list[str], channels: int, people: dict[str, Any], *, in_crews: bool
) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "site": {
            "id": "county", "name": "模拟县", "datum": "WGS-84", "language": "zh_CN",
            "timezone": "Asia/Shanghai", "state_dir": "state",
            "licence": {"holder": "模拟县公安局", "number": "X-1", "expires": "2099-12-31"},
        },
        "command_centre": {
            "name": "指挥中心",
            "http": {
                "listen": "127.0.0.1:8080",
                "tokens": [
                    {"id": "centre", "sha256": "0" * 63 + "1", "scopes": ["alert:write"]}
                ],
            },
        },
        "channels": {f"c{c}": _channel(c) for c in range(channels)},
        "chats": {
            "work": {
                "driver": "telegram", "token": {"file": "token"},
                "callback_key": {"file": "key"},
                "groups": {grid: str(-1000 - g) for g, grid in enumerate(grids)},
            }
        },
        "zones": {f"z{g}": {"name": f"{g}级区", "grade": g} for g in (1, 2, 3)},
        "grids": {grid: _grid(g, len(grids), channels) for g, grid in enumerate(grids)},
        "readiness": {"roll_calls": [{"grids": grids[:1], "every_min": 480}]},
        "organisations": {"dongmen": {"name": "东门保安公司"}, "police": {"name": "公安局"}},
        "people": people,
    }  # fmt: skip
    if in_crews:
        settings["roster"] = {
            "shifts": {
                "day": {"from": "08:00", "to": "16:00"},
                "evening": {"from": "16:00", "to": "00:00"},
                "night": {"from": "00:00", "to": "08:00"},
            },
            "crews": list(CREWS),
            "cycle": {"start": "2026-01-01", "days": ["day", "evening", "night", "off"]},
        }
    return settings


def _channel(number: int) -> dict[str, Any]:
    return {
        "name": f"{number}号信道",
        "licence": {"frequency_mhz": round(409.75 + number * 0.0125, 4), "number": "X"},
        "control": {"url": f"rfc2217://127.0.0.1:{17000 + number}", "ptt": "rts"},
        "audio": {
            "url": f"rtp://127.0.0.1:{18000 + 2 * number}"
            f"?local_port={20000 + 2 * number}&codec=l16"
        },
        "ani": {"kind": "dtmf", "digits": 5, "position": "start"},
    }


def _grid(number: int, count: int, channels: int) -> dict[str, Any]:
    row, column = divmod(number, COLUMNS)
    south, west = SOUTH_DEG + row * SIDE_DEG, WEST_DEG + column * SIDE_DEG
    corners = ((0, 0), (0, 1), (1, 1), (1, 0))
    beside = [
        (row + r) * COLUMNS + column + c
        for r, c in ((0, 1), (0, -1), (1, 0), (-1, 0))
        if 0 <= column + c < COLUMNS and row + r >= 0
    ]
    return {
        "name": _name(number), "zone": f"z{number % 3 + 1}", "codes": [f"33{number:04}"],
        "polygon": [
            [round(south + r * SIDE_DEG, 5), round(west + c * SIDE_DEG, 5)] for r, c in corners
        ],
        "neighbours": [f"g{n}" for n in sorted(beside) if n < count],
        "first_manager": "chief", "second_manager": "head", "station": "station",
        "channel": f"c{number % channels}", "chat": f"work/g{number}",
    }  # fmt: skip
