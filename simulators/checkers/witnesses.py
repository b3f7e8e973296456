"""What the outside wrote down itself: the ethers, the chats, the centre, the people."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

Json = dict[str, Any]

# A daemon that ends leaves the radio's line last.
STOPPING_US: Final = 3_000_000
# Of an over that the base radio's squelch let through; it opens a little late.
HEARD: Final = 0.6
_FRAME: Final = re.compile(r"\*([0-9A-D]*)#")


@dataclass(frozen=True)
class Over:
    """What one station said on the air; see ``simulators.ether.Over``.

    Attributes:
        who: ``base``, or the person whose handheld it was.
        voiced_s: How much of it was sound.
        attention: Level of the attention tone in it.
        answer: ``accepted`` or ``wrong``, the answer tone in it.
        digits: All DTMF digits in it.
        base_heard: For how much of it the base radio's squelch was open, 0 to 1.
        ends_alike: How much its last word is like its first, 0 to 1, after an attention tone.
    """

    channel: str
    who: str
    kind: str
    start_us: int
    end_us: int
    voiced_s: float
    attention: int | None
    answer: str | None
    digits: str
    collided: bool
    base_heard: float = 1.0
    ends_alike: float | None = None

    def frames(self) -> list[str]:
        """Return what stood between ``*`` and ``#``, each time."""
        return _FRAME.findall(self.digits)

    def near(self, at_us: int, slack_us: int) -> bool:
        """Whether it was on the air at a moment, give or take."""
        return self.start_us - slack_us <= at_us <= self.end_us + slack_us

    def overlaps(self, other: "Over") -> bool:
        """Whether both were on the air at some moment."""
        return self.start_us < other.end_us and other.start_us < self.end_us


@dataclass(frozen=True)
class Edge:
    """The base radio's PTT went on or off, or a client of its lines came or went."""

    at_us: int
    what: str
    on: bool


@dataclass(frozen=True)
class Air:
    """The log of one channel's ether."""

    channel: str
    overs: tuple[Over, ...]
    edges: tuple[Edge, ...]

    @property
    def witness(self) -> str:
        """Its name in violations."""
        return f"ether {self.channel}"

    @property
    def base_overs(self) -> list[Over]:
        """What the gateway's radio said."""
        return [over for over in self.overs if over.kind == "base"]

    @property
    def guard_overs(self) -> list[Over]:
        """What people said."""
        return [over for over in self.overs if over.kind != "base"]

    def reached_gateway(self, over: Over) -> bool:
        """Whether it could be heard: alone on the air and strong, the gateway at the line."""
        strong = over.base_heard >= HEARD
        alone = (
            strong and not over.collided and not any(over.overlaps(b) for b in self.base_overs)
        )
        until_us = over.end_us + STOPPING_US
        return alone and self._attended(over.start_us) and self._attended(until_us)

    def _attended(self, at_us: int) -> bool:
        clients = sum(
            1 if edge.on else -1
            for edge in self.edges
            if edge.what == "client" and edge.at_us <= at_us
        )
        return clients > 0


@dataclass(frozen=True)
class Post:
    """A message of the bot.

    Attributes:
        chat: Group (negative) or person's account.
        buttons: Whether it had any.
        labels: What stands on them.
    """

    at_us: int
    chat: int
    message: int
    text: str
    buttons: bool
    reply_to: int | None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Press:
    """A person pressed a button."""

    at_us: int
    user: int
    message: int
    press: str


@dataclass(frozen=True)
class Said:
    """A person wrote something; ``text`` is None for a photo, a voice note or a place."""

    at_us: int
    user: int
    chat: int
    message: int
    text: str | None


@dataclass(frozen=True)
class Call:
    """A call of the bot and how it was answered; ``planted`` when a fault was asked for."""

    at_us: int
    method: str
    answer: str
    planted: bool


@dataclass(frozen=True)
class Chat:
    """The log of one chat platform.

    Attributes:
        posts: Every message of the bot as it came.
        edits: Every later state of one.
        groups: Name of a group → its id.
    """

    name: str
    posts: tuple[Post, ...]
    presses: Mapping[str, Press]
    said: Mapping[int, Said]
    calls: tuple[Call, ...]
    toasts: Mapping[str, str]
    edits: tuple[Post, ...] = ()
    groups: Mapping[str, int] = field(default_factory=dict)

    @property
    def witness(self) -> str:
        """Its name in violations."""
        return f"chat {self.name}"


@dataclass(frozen=True)
class Noted:
    """One line of the centre's log."""

    at_us: int
    what: str
    door: str
    facts: Json

    @property
    def message(self) -> Json:
        """What was sent or heard."""
        message: Json = self.facts["message"]
        return message


@dataclass(frozen=True)
class Lived:
    """One line of a person's log: what he did, heard or believed."""

    at_us: int
    what: str
    person: str
    facts: Json


@dataclass(frozen=True)
class Witnesses:
    """Everything the outside wrote down.

    Attributes:
        site: Resolved settings of the site.
        missing: Witnesses that should have written something and did not.
        expected: What the scenario should have brought about.
    """

    site: Mapping[str, Any]
    airs: Mapping[str, Air] = field(default_factory=dict)
    chats: Mapping[str, Chat] = field(default_factory=dict)
    centre: tuple[Noted, ...] = ()
    people: tuple[Lived, ...] = ()
    missing: tuple[str, ...] = ()
    expected: Mapping[str, Any] = field(default_factory=dict)

    def noted(self, what: str) -> Iterator[Noted]:
        """Yield the centre's lines of one kind."""
        return (line for line in self.centre if line.what == what)

    def lived(self, what: str) -> Iterator[Lived]:
        """Yield people's lines of one kind."""
        return (line for line in self.people if line.what == what)


def read(folder: Path, site: Mapping[str, Any]) -> Witnesses:
    """Return all logs of a folder.

    Raises:
        OSError: A log cannot be read.
        ValueError: A line of a log is not as the outside writes it.
    """
    airs, chats, missing = {}, {}, []
    for name in site["channels"]:
        path = folder / f"ether-{name}.jsonl"
        if path.exists():
            airs[name] = _air(name, path)
        else:
            missing.append(path.name)
    for name in site["chats"]:
        path = folder / f"chat-{name}.jsonl"
        if path.exists():
            chats[name] = _chat(name, path, site["chats"][name].get("groups", {}))
        else:
            missing.append(path.name)
    centre, people = folder / "centre.jsonl", folder / "guards.jsonl"
    expected = folder / "expected.json"
    return Witnesses(
        site=site,
        airs=airs,
        chats=chats,
        centre=tuple(_noted(line) for line in _lines(centre)),
        people=tuple(_lived(line) for line in _lines(people)),
        missing=(*missing, *(p.name for p in (centre, people) if not p.exists())),
        expected=json.loads(expected.read_text("utf-8")) if expected.exists() else {},
    )


def _lines(path: Path) -> Iterator[Json]:
    if not path.exists():
        return
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield json.loads(line)
            except ValueError:
                message = f"{path}:{number}: not a JSON object a line"
                raise ValueError(message) from None


def _air(name: str, path: Path) -> Air:
    lines = list(_lines(path))
    return Air(
        channel=name,
        overs=tuple(_over(line) for line in lines if line["what"] == "over"),
        edges=tuple(edge for line in lines if (edge := _edge(line)) is not None),
    )


def _edge(line: Json) -> Edge | None:
    if line["what"] == "client":
        return Edge(line["at_us"], "client", line["connected"])
    if line["what"] == "line" and line["line"] == "ptt":
        return Edge(line["at_us"], "ptt", line["on"])
    return None


def _over(line: Json) -> Over:
    names = (
        "channel", "who", "kind", "start_us", "end_us", "voiced_s", "attention", "answer",
        "digits", "collided",
    )  # fmt: skip
    said = {name: line[name] for name in names}
    heard = {name: line[name] for name in ("base_heard", "ends_alike") if name in line}
    return Over(**said, **heard)


def _chat(name: str, path: Path, groups: Mapping[str, Any]) -> Chat:
    posts, edits, presses, said, calls, toasts = [], [], {}, {}, [], {}
    for line in _lines(path):
        at_us = line["at_us"]
        match line["what"]:
            case "message":
                posts.append(_post(line))
            case "edited":
                edits.append(_post(line))
            case "press":
                press = Press(at_us, line["user"], line["message"], line["press"])
                presses[press.press] = press
            case "said":
                text = line["part"].get("text")
                said[line["message"]] = Said(
                    at_us, line["user"], line["chat"], line["message"], text
                )
            case "call":
                calls.append(Call(at_us, line["method"], line["answer"], line["planted"]))
            case "toast":
                toasts[line["press"]] = line["text"]
            case _:
                pass
    numbers = {group: int(number) for group, number in groups.items()}
    return Chat(
        name, tuple(posts), presses, said, tuple(calls), toasts, tuple(edits), numbers
    )


def _post(line: Json) -> Post:
    """Return how a message of the bot stands from now on."""
    labels = tuple(key[0] for row in line["keyboard"] for key in row)
    return Post(
        at_us=line["at_us"], chat=line["chat"], message=line["message"], text=line["text"],
        buttons=bool(labels), reply_to=line.get("reply_to"), labels=labels,
    )  # fmt: skip


def _noted(line: Json) -> Noted:
    at_us = round(datetime.fromisoformat(line["at"]).timestamp() * 1e6)
    return Noted(at_us, line["what"], line["door"], line)


def _lived(line: Json) -> Lived:
    return Lived(line["at_us"], line["what"], line["person"], line)
