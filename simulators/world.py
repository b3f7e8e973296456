"""The whole outside of a site in one process: ethers, radios, chat platform, centre, people.

It is built from the resolved settings (what ``gateway check --resolved`` prints), so that it
fits any site, and from a scenario that says who answers how and which alerts are raised.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import parse_qs, urlsplit

from simulators.chat_server import ChatServer
from simulators.ether import Ether
from simulators.guard import ChatPerson, Pace, RadioGuard, Temper
from simulators.handheld import Handheld
from simulators.radio import BaseRadio

Tree = Mapping[str, Any]

# Without a scenario everybody answers like this.
QUICK = {"acknowledge_s": 2, "en_route_s": 3, "arrived_s": 10, "done_s": 10}


class Fault(StrEnum):
    """What can be planted in the outside; see the checkers for who must object."""

    PTT = "ptt"
    ACK = "ack"
    DUP = "dup"
    LOST = "lost"


def read_secret(reference: Mapping[str, str], base_dir: Path) -> str:
    """Return a secret by its reference, ``{file: …}`` or ``{env: …}``.

    Raises:
        ValueError: It is neither.
    """
    if "file" in reference:
        return (base_dir / reference["file"]).read_text("utf-8").strip()
    if "env" in reference:
        import os

        return os.environ[reference["env"]]
    message = f"a secret is {{file: …}} or {{env: …}}, not {dict(reference)}"
    raise ValueError(message)


@dataclass(kw_only=True)
class World:
    """Everything outside the gateway.

    Attributes:
        site: Resolved settings.
        scenario: Who answers how; empty for a playground.
        logs: Folder of all logs and of the sound, or None.
        seed: All chance.
        speed: Divides every delay of people.
        fault: Planted fault.
        out: Where lines for people go.
    """

    site: Tree
    scenario: Tree
    logs: Path | None
    seed: int
    speed: float
    fault: Fault | None = None
    out: TextIO = field(default_factory=lambda: sys.stdout)
    ethers: dict[str, Ether] = field(default_factory=dict)
    bases: dict[str, BaseRadio] = field(default_factory=dict)
    chats: dict[str, ChatServer] = field(default_factory=dict)
    radio_guards: list[RadioGuard] = field(default_factory=list)
    chat_people: list[ChatPerson] = field(default_factory=list)
    _guards_log: TextIO | None = None

    @property
    def base_dir(self) -> Path:
        """Folder of the site's settings file."""
        return Path(self.site["base_dir"])

    async def start(self, stack: AsyncExitStack) -> None:
        """Open every port and put everybody in place; closed with the stack."""
        if self.logs is not None:
            self.logs.mkdir(parents=True, exist_ok=True)
            path = self.logs / "guards.jsonl"
            self._guards_log = stack.enter_context(path.open("a", encoding="utf-8"))
        for name, channel in self.site["channels"].items():
            await self._open_channel(stack, name, channel)
        for name, chat in self.site["chats"].items():
            await self._open_chat(stack, name, chat)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        for person, temper in self._tempers().items():
            self._place(person, temper)
        for guard in self.radio_guards:
            task = group.create_task(guard.run(), name=f"{guard.person} radio")
            stack.callback(task.cancel)
        for human in self.chat_people:
            task = group.create_task(human.run(), name=f"{human.person} chat")
            stack.callback(task.cancel)

    async def _open_channel(self, stack: AsyncExitStack, name: str, channel: Tree) -> None:
        log = self.logs / f"ether-{name}.jsonl" if self.logs else None
        air = self.logs / "air" / name if self.logs else None
        ether = Ether(name, self.seed + len(self.ethers), log, wav_dir=air)
        await stack.enter_async_context(ether)
        line = urlsplit(channel["control"]["url"])
        sound = urlsplit(channel["audio"]["url"])
        query = parse_qs(sound.query)
        assert sound.hostname is not None, "a simulated channel has an rtp:// sound"
        base = BaseRadio(
            ether,
            serial_port=line.port or 0,
            rtp_port=sound.port or 0,
            gateway_rtp=(sound.hostname, int(query["local_port"][0])),
            codec="pcmu" if query.get("codec") == ["pcmu"] else "l16",
            ptt=channel["control"]["ptt"].replace(" ", ""),
            squelch=("!" if channel["control"]["invert_squelch"] else "")
            + channel["control"]["squelch"],
        )
        await stack.enter_async_context(base)
        self.ethers[name], self.bases[name] = ether, base

    async def _open_chat(self, stack: AsyncExitStack, name: str, chat: Tree) -> None:
        log = self.logs / f"chat-{name}.jsonl" if self.logs else None
        token = read_secret(chat["token"], self.base_dir)
        server = ChatServer(token, chat["groups"], self.seed, log)
        await server.start(urlsplit(chat["api_base_url"]).port or 0)
        stack.push_async_callback(server.stop)
        self.chats[name] = server

    def _tempers(self) -> dict[str, Temper]:
        told = self.scenario.get("people")
        if told is not None:
            return {person: Temper.read(dict(fields)) for person, fields in told.items()}
        found = {}
        for person, fields in self.site["people"].items():
            by_radio = fields.get("guard_code") and not fields.get("contacts")
            answers = "radio" if by_radio else "chat"
            found[person] = Temper.read({"answers": answers, **QUICK})
        return found

    def _place(self, person: str, temper: Temper) -> None:
        fields = self.site["people"][person]
        pace = Pace(speed=self.speed, chance=random.Random(f"{self.seed} {person}"))
        if temper.answers == "radio":
            self._place_radio(person, fields, temper, pace)
            return
        accounts = dict(fields.get("contacts") or {})
        if temper.account is not None:
            accounts.setdefault(next(iter(self.chats)), temper.account)
        for chat, account in accounts.items():
            human = ChatPerson(
                person=person, name=fields["name"], account=account, temper=temper,
                chat=self.chats[chat], pace=pace, tell=self.tell,
            )  # fmt: skip
            self.chat_people.append(human)

    def _place_radio(self, person: str, fields: Tree, temper: Temper, pace: Pace) -> None:
        grid = next(g for i, g in self.site["grids"].items() if i in fields["grids"])
        channel = grid.get("channel")
        if channel is None:
            return
        ani = self.site["channels"][channel].get("ani")
        handheld = Handheld(
            self.ethers[channel],
            person,
            ani=fields.get("radio_id") if ani else None,
            ani_position=ani["position"] if ani else "start",
        )
        chat, _, group = (grid.get("chat") or "").partition("/")
        self.radio_guards.append(
            RadioGuard(
                person=person, name=fields["name"], code=fields.get("guard_code"),
                temper=temper, radio=handheld, pace=pace, tell=self.tell,
                telephone=self.chats.get(chat), group=group or None,
            )  # fmt: skip
        )

    def tell(self, what: str, **facts: object) -> None:
        """Say a line to whoever watches, and keep it in the people's log."""
        line = {
            "at_us": time.time_ns() // 1000,
            "mono_s": round(time.monotonic(), 6),
            "what": what,
            **facts,
        }
        text = json.dumps(line, ensure_ascii=False)
        if self._guards_log is not None and "person" in facts:
            self._guards_log.write(text + "\n")
            self._guards_log.flush()
        self.out.write(text + "\n")
        self.out.flush()

    def give_code(self, person: str, code: str) -> None:
        """Hand a person the one-time code that a technician has issued for him."""
        for human in self.chat_people:
            if human.person == person:
                human.code.put_nowait(code)
