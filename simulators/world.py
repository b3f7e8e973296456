"""The whole outside of a site in one process: ethers, radios, chat platform, people.

It is built from the resolved settings (what ``gridcall check --resolved`` prints), so that it
fits any site, and from a scenario that says who answers how. What cannot be simulated on this
machine (a real serial port, the real chat platform) is left out and said.
"""

import asyncio
import json
import os
import random
import re
import sys
import time
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TextIO
from urllib.parse import parse_qs, urlsplit

from simulators.channel_model import Air
from simulators.chat_server import ChatServer
from simulators.ether import Ether
from simulators.faults import Faults
from simulators.guard import LABELS, ChatPerson, Pace, RadioGuard, Temper
from simulators.handheld import Handheld
from simulators.radio import BaseRadio
from simulators.radio_models import RadioSet
from simulators.reception import Site
from simulators.subtones import subtone

Tree = Mapping[str, Any]

# Without a scenario everybody answers like this.
QUICK: Final = {"acknowledge_s": 2, "en_route_s": 3, "arrived_s": 10, "done_s": 10}
# Where in a transmission of level 3 the first word after the attention tone lies.
FIRST_WORD_S: Final = (0.85, 1.65)
_HERE: Final = ("127.0.0.1", "localhost", "::1")


class Fault(StrEnum):
    """What can be planted in the outside; the checkers must object to each.

    ``ptt``: a base radio radiates nothing of the first page although its line is keyed.
    ``ack``: the platform delivers a press that nobody made.
    ``dup``: the platform shows a card twice in its group.
    ``lost``: a guard's first answer never reaches the gateway, and he is satisfied.
    ``drill``: a base radio swallows the first word of what it speaks, which is a drill's 演练.
    ``stand_down``: a guard's radio dies after his first answer; he never hears that it is off.
    """

    PTT = "ptt"
    ACK = "ack"
    DUP = "dup"
    LOST = "lost"
    DRILL = "drill"
    STAND_DOWN = "stand_down"


def read_secret(reference: Mapping[str, str | None], base_dir: Path) -> str:
    """Return a secret by its reference, ``{file: …}`` or ``{env: …}``.

    Raises:
        ValueError: It is neither, or the variable is not set.
        OSError: The file cannot be read.
    """
    if reference.get("file"):
        return (base_dir / str(reference["file"])).read_text("utf-8").strip()
    name = reference.get("env")
    if not name:
        message = f"a secret is {{file: …}} or {{env: …}}, not {sorted(reference)}"
        raise ValueError(message)
    if name not in os.environ:
        message = f"the secret's environment variable {name} is not set"
        raise ValueError(message)
    return os.environ[name]


@dataclass(kw_only=True)
class World:
    """Everything outside the gateway but the command centre.

    Attributes:
        site: Resolved settings.
        scenario: Who answers how; empty for a playground where everybody is quick.
        logs: Folder of all logs and of the sound, or None.
        seed: All chance.
        speed: Divides every delay of people.
        faults: Planted faults.
        out: Where lines for people go.
        begun: Set when the play begins; without a play, from the start.
        ready: Whether everything was opened and everybody is in place.
    """

    site: Tree
    scenario: Tree
    logs: Path | None
    seed: int
    speed: float
    faults: frozenset[Fault] = frozenset()
    out: TextIO = field(default_factory=lambda: sys.stdout)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    ready: bool = False
    ethers: dict[str, Ether] = field(default_factory=dict)
    bases: dict[str, BaseRadio] = field(default_factory=dict)
    chats: dict[str, ChatServer] = field(default_factory=dict)
    radio_guards: list[RadioGuard] = field(default_factory=list)
    chat_people: list[ChatPerson] = field(default_factory=list)
    _people_log: TextIO | None = None

    @property
    def base_dir(self) -> Path:
        """Folder of the site's settings file."""
        return Path(self.site["base_dir"])

    async def start(self, stack: AsyncExitStack) -> None:
        """Open every port and put everybody in place; closed with the stack.

        Raises:
            OSError: A port is taken, or a secret's file cannot be read.
            ValueError: A secret, a temper or a line is not as it should be.
        """
        if "centre" not in self.scenario:
            self.begun.set()
        if self.logs is not None:
            self._open_logs(stack, self.logs)
        heard_by = self._monitors()
        # A monitor's radio is tuned to the channel it listens to, which must be there first.
        for name in sorted(self.site["channels"], key=lambda name: name in heard_by):
            await self._open_channel(stack, name, heard_by.get(name))
        for name, chat in self.site["chats"].items():
            await self._open_chat(stack, name, chat)
        for person, temper in self._tempers().items():
            self._place(person, temper)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        for life in (
            *(guard.run() for guard in self.radio_guards),
            *(human.run() for human in self.chat_people),
            *self._planted(),
        ):
            stack.callback(group.create_task(life).cancel)
        self.ready = True

    async def wait_enrolled(self, timeout_s: float) -> None:
        """Return once everybody who enrols has done so, or the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                for human in self.chat_people:
                    await human.enrolled.wait()

    def give_code(self, person: str, code: str) -> None:
        """Hand a person the one-time code that a technician has issued for him."""
        for human in self.chat_people:
            if human.person == person:
                human.code.put_nowait(code)

    def tell(self, what: str, **facts: object) -> None:
        """Say a line to whoever watches; what is about a person stands in his log as well."""
        line = {
            "at_us": time.time_ns() // 1000,
            "mono_s": round(time.monotonic(), 6),
            "what": what,
            **facts,
        }
        text = json.dumps(line, ensure_ascii=False)
        if self._people_log is not None and "person" in facts:
            self._people_log.write(text + "\n")
            self._people_log.flush()
        self.out.write(text + "\n")
        self.out.flush()

    # ---- building ----

    def _open_logs(self, stack: AsyncExitStack, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        people = (folder / "guards.jsonl").open("a", encoding="utf-8")
        self._people_log = stack.enter_context(people)
        expected = json.dumps(self.scenario.get("expect", {}), ensure_ascii=False, indent=1)
        (folder / "expected.json").write_text(expected + "\n", "utf-8")

    def _monitors(self) -> dict[str, str]:
        """Return receiver → the channel on whose frequency it listens."""
        channels = self.site["channels"].items()
        named = ((name, (c.get("monitor") or {}).get("channel")) for name, c in channels)
        return {other: name for name, other in named if other and other != name}

    async def _open_channel(
        self, stack: AsyncExitStack, name: str, tuned_to: str | None
    ) -> None:
        channel = self.site["channels"][name]
        line = urlsplit(channel["control"]["url"])
        sound = urlsplit(channel["audio"]["url"])
        here = line.hostname in _HERE and sound.hostname in _HERE
        if not here or (line.scheme, sound.scheme) != ("rfc2217", "rtp"):
            self._leave_out(f"channel {name}", "rfc2217://127.0.0.1:… and rtp://127.0.0.1:…")
            return
        if tuned_to in self.ethers:
            setting = Setting.read(self.scenario.get("air", {}).get(name), self.seed)
            radio = _base_radio(self.ethers[tuned_to], channel, setting, who=f"base {name}")
            self.bases[name] = await stack.enter_async_context(radio)
            return
        log = self.logs / f"ether-{name}.jsonl" if self.logs else None
        air = self.logs / "air" / name if self.logs else None
        seed = self.seed + len(self.ethers)
        setting = Setting.read(self.scenario.get("air", {}).get(name), seed)
        ether = Ether(
            name, seed, log, wav_dir=air, air=setting.air, site=setting.site,
            repeater_hang_s=setting.repeater_hang_s,
        )  # fmt: skip
        self.bases[name] = _base_radio(ether, channel, setting)
        await stack.enter_async_context(ether)
        await stack.enter_async_context(self.bases[name])
        self.ethers[name] = ether

    async def _open_chat(self, stack: AsyncExitStack, name: str, chat: Tree) -> None:
        url = urlsplit(chat["api_base_url"])
        if url.hostname not in _HERE or url.port is None:
            self._leave_out(f"chat {name}", "api_base_url: http://127.0.0.1:PORT/bot")
            return
        log = self.logs / f"chat-{name}.jsonl" if self.logs else None
        token = read_secret(chat["token"], self.base_dir)
        server = ChatServer(token, chat["groups"], self.seed, log)
        await server.start(url.port)
        stack.push_async_callback(server.stop)
        self.chats[name] = server

    def _leave_out(self, what: str, wanted: str) -> None:
        self.tell("absent", text=f"{what} is not simulated; it would need {wanted}")

    # ---- people ----

    def _tempers(self) -> dict[str, Temper]:
        told = self.scenario.get("people")
        if told is not None:
            return {person: Temper.read(dict(fields)) for person, fields in told.items()}
        return {
            person: Temper.read({"answers": _medium_of(fields), **QUICK})
            for person, fields in self.site["people"].items()
        }

    def _place(self, person: str, temper: Temper) -> None:
        fields = self.site["people"].get(person)
        if fields is None:
            message = f"the scenario's {person} is not among the site's people"
            raise ValueError(message)
        chance = random.Random(f"{self.seed} {person}")
        pace = Pace(speed=self.speed, chance=chance, begun=self.begun)
        if temper.answers == "radio":
            self._place_radio(person, fields, temper, pace)
        elif temper.answers == "chat":
            self._place_chat(person, fields, temper, pace)

    def _place_radio(self, person: str, fields: Tree, temper: Temper, pace: Pace) -> None:
        grids = (self.site["grids"][name] for name in fields["grids"])
        grid = next((g for g in grids if g.get("channel") in self.ethers), None)
        if grid is None:
            return
        channel = grid["channel"]
        handheld = self._handheld(person, channel, fields.get("radio_id"), temper)
        chat, _, group = (grid.get("chat") or "").partition("/")
        guard = RadioGuard(
            person=person, name=fields["name"], code=fields.get("guard_code"),
            temper=temper, radio=handheld, channel=channel, pace=pace, tell=self.tell,
            telephone=self.chats.get(chat), group=group or None,
        )  # fmt: skip
        self.radio_guards.append(guard)
        self._tell_placed(person, fields, temper, channel=channel)

    def _handheld(
        self, person: str, channel: str, radio_id: str | None, temper: Temper
    ) -> Handheld:
        """Return his radio: of the model the scenario gives him, or one that keys anything."""
        ether = self.ethers[channel]
        if temper.radio is not None:
            return Handheld(ether, person, radio=RadioSet.read(temper.radio, radio_id))
        ani = self.site["channels"][channel].get("ani")
        return Handheld(
            ether,
            person,
            ani=radio_id if ani else None,
            ani_position=ani["position"] if ani else "start",
        )

    def _place_chat(self, person: str, fields: Tree, temper: Temper, pace: Pace) -> None:
        accounts = dict(fields.get("contacts") or {})
        if temper.account is not None and self.chats:
            accounts.setdefault(next(iter(self.chats)), temper.account)
        for chat, account in accounts.items():
            if chat not in self.chats:
                continue
            human = ChatPerson(
                person=person, name=fields["name"], account=account, temper=temper,
                chat=self.chats[chat], chat_name=chat, pace=pace, tell=self.tell,
            )  # fmt: skip
            self.chat_people.append(human)
            self._tell_placed(person, fields, temper, chat=chat, account=account)

    def _tell_placed(self, person: str, fields: Tree, temper: Temper, **where: str) -> None:
        self.tell(
            "placed", person=person, who=fields["name"], off_duty=temper.off_duty,
            text="下班" if temper.off_duty else "在岗", **where,
        )  # fmt: skip

    # ---- what is planted ----

    def _planted(self) -> list[Coroutine[Any, Any, None]]:
        """Return the tasks that planted faults need; one that needs none is planted now."""
        return [life for fault in sorted(self.faults) for life in self._plant(fault)]

    def _plant(self, fault: Fault) -> list[Coroutine[Any, Any, None]]:
        match fault:
            case Fault.PTT:
                base = next(iter(self.bases.values()))
                return [_radiate_nothing_once(base)]
            case Fault.ACK:
                return [self._invent_press(next(iter(self.chats.values())))]
            case Fault.DUP:
                next(iter(self.chats.values())).show_twice = 1
            case Fault.LOST:
                guard = min(self.radio_guards, key=lambda guard: guard.temper.mishears)
                guard.loses = self.bases[guard.channel]
            case Fault.DRILL:
                self.bases[self._called_off_guard().channel].swallow(*FIRST_WORD_S)
            case Fault.STAND_DOWN:
                self._called_off_guard().dies = True
        return []

    def _called_off_guard(self) -> RadioGuard:
        """Return the guard by radio to whom an order is called off, and then drilled."""
        return next(g for g in self.radio_guards if g.temper.stand_down_s is not None)

    async def _invent_press(self, server: ChatServer) -> None:
        """Acknowledge in somebody's name the first card that anybody gets for himself."""
        owners = {int(h.account): h for h in self.chat_people if not h.temper.off_duty}
        card = await server.wait_message(
            lambda m: bool(m.keyboard) and m.chat in owners, timeout_s=3600.0
        )
        label = next(text for text in LABELS["1"] if card.key(text) is not None)
        server.invent_press(card, label, card.chat)


def _medium_of(fields: Tree) -> str:
    """Return by what a person of a site without a scenario answers."""
    if fields.get("contacts"):
        return "chat"
    return "radio" if fields.get("guard_code") or fields.get("radio_id") else "nothing"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How unkind one channel is, as the scenario's ``air`` has it; by default not at all.

    Attributes:
        air: What happens to the sound on the air, or None.
        site: ``simplex``, ``duplex`` or ``repeater``.
        repeater_hang_s: For how long the repeater's carrier stays.
        faults: What happens to the sound between base radio and gateway.
        clock_ppm: By how many millionths the base radio's sound card is fast.
        ctcss_hz: What the base radio sends under the voice.
        dcs: Likewise; ``-`` before it is the inverted polarity.
    """

    air: Air | None = None
    site: Site = "simplex"
    repeater_hang_s: float = 2.0
    faults: Faults
    clock_ppm: float = 0.0
    ctcss_hz: float | None = None
    dcs: str | None = None

    @classmethod
    def read(cls, fields: Tree | None, seed: int) -> "Setting":
        """Return the setting a scenario describes.

        ``physics`` holds the fields of ``Air.read`` (``{}`` for a good channel with all its
        physics), ``wire`` the faults of the sound's way; the rest are the fields above.

        Raises:
            TypeError: An unknown word.
        """
        rest = dict(fields or {})
        physics, wire = rest.pop("physics", None), rest.pop("wire", {})
        air = Air.read(physics, seed) if physics is not None else None
        return cls(air=air, faults=Faults(seed=seed, **wire), **rest)


def _base_radio(
    ether: Ether, channel: Tree, setting: Setting, *, who: str = "base"
) -> BaseRadio:
    """Return the base radio of a channel on the ports and lines that its settings name."""
    control, sound = channel["control"], urlsplit(channel["audio"]["url"])
    query = parse_qs(sound.query)
    ptt = control["ptt"].replace(" ", "")
    squelch, is_low = _squelch_line(control["squelch"])
    assert sound.hostname is not None
    return BaseRadio(
        ether,
        serial_port=urlsplit(control["url"]).port or 0,
        rtp_port=sound.port or 0,
        gateway_rtp=(sound.hostname, int(query["local_port"][0])),
        codec="pcmu" if query.get("codec") == ["pcmu"] else "l16",
        ptt=f"!{ptt}" if control["invert_ptt"] else ptt,
        squelch=("!" if control["invert_squelch"] != is_low else "") + squelch,
        who=who,
        faults=setting.faults,
        clock_ppm=setting.clock_ppm,
        subtone=subtone(setting.ctcss_hz, setting.dcs),
    )


def _squelch_line(expression: str) -> tuple[str, bool]:
    """Return the line that this radio drives: the first one asked for, and whether when low."""
    found = re.search(r"(!?)\s*\b(cts|dsr|dcd|cd|ri)\b", expression)
    if found is None:
        return "cts", False
    return found[2].replace("dcd", "cd"), bool(found[1])


async def _radiate_nothing_once(base: BaseRadio) -> None:
    base.ignore_ptt(True)
    await base.wait_ptt(True, 3600.0)
    await base.wait_ptt(False, 3600.0)
    base.ignore_ptt(False)
