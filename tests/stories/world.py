"""A district on virtual time: the real engine and journal, everything outside in memory.

See the package's docstring for how stories are told. Nothing here knows what should happen.
"""

import ast
import asyncio
import copy
import functools
import inspect
import json
import random
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from drivers.memory.channel import Transmission
from drivers.memory.chat import MemoryChat, MemoryMessage
from drivers.memory.radio import radio_of
from gateway.core.alert import AlertKind
from gateway.core.centre.act_json import decode_act
from gateway.core.centre.alert_json import decode_alert
from gateway.core.centre.centre_acts import decode_centre_act
from gateway.core.centre.strict_json import Refusal
from gateway.core.effects import Receipt
from gateway.core.events import Event
from gateway.core.intake.events import AlertReceived
from gateway.engine import Engine
from gateway.installed import load_settings
from gateway.interfaces import Report
from gateway.journal import MemoryJournal, MemoryTables
from gateway.records import Records
from gateway.reloaded import Reloaded
from gateway.settings import Settings, catalogues, people_of, site_of
from gateway.virtual_time import VirtualClock, VirtualLoop

US = 1_000_000
NOON_US = int(datetime(2026, 11, 22, 4, 0, tzinfo=UTC).timestamp()) * US
DISTRICT = Path(__file__).with_name("district.yaml")
GROUPS = {"east": "-101", "middle": "-102", "west": "-103"}
# How long an answer by tone or in a chat may take.
ANSWER_S = 3.0
Merge = Mapping[str, Any]


def merged(base: Any, over: Any) -> Any:
    """Return settings with others laid over them; None takes a key away."""
    if not isinstance(base, dict) or not isinstance(over, Mapping):
        return copy.deepcopy(over)
    out = dict(base)
    for key, value in over.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merged(out.get(key), value)
    return out


def settings_text(*overs: Merge) -> str:
    """Return the district's YAML with other settings laid over it, in their order."""
    plain = yaml.safe_load(DISTRICT.read_text(encoding="utf-8"))
    if not any(overs):
        return DISTRICT.read_text(encoding="utf-8")
    return yaml.safe_dump(functools.reduce(merged, overs, plain), allow_unicode=True)


@functools.cache
def load_text(text: str, folder: Path) -> Settings:
    """Return settings as the daemon would load them; the same text is read once."""
    file = folder / f"site{abs(hash(text))}.yaml"
    file.write_text(text, encoding="utf-8")
    return load_settings(file)


class Chats:
    """What stands in the chats; a name is a person's, a group's or a bare address."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def all(self, who: str) -> list[MemoryMessage]:
        """Return every message to a person or a group, oldest first."""
        address = self._world.address(who)
        return [m for m in self._world.driver.messages if m.address == address]

    def cards(self, who: str) -> list[MemoryMessage]:
        """Return the messages that have or had buttons, oldest first."""
        return [m for m in self.all(who) if m.id in self._world.with_buttons]

    def card(self, who: str) -> MemoryMessage | None:
        """Return the latest card, or None."""
        cards = self.cards(who)
        return cards[-1] if cards else None

    def lines(self, who: str) -> list[str]:
        """Return the texts without buttons, oldest first."""
        return [m.text for m in self.all(who) if m.id not in self._world.with_buttons]

    def text(self, who: str) -> str:
        """Return everything that was ever shown to somebody, in one string."""
        return "\n".join(text for m in self.all(who) for text in m.edits)


class Centre:
    """What the command centre was told."""

    def __init__(self) -> None:
        self.receipts: list[Receipt] = []
        self.events: list[Report] = []

    def nodes(self, person: str | None = None, order: str | None = None) -> list[str]:
        """Return the nodes of a person (None: of nobody), in order.

        That he is accountable now is the order's to tell, not his.
        """
        return [
            e.node for e in self.events
            if e.person == person and (order is None or e.order == order) and e.node != "owner"
        ]  # fmt: skip

    def found(self, node: str, **fields: object) -> list[Report]:
        """Return the events of a node, with these fields."""
        return [
            e for e in self.events
            if e.node == node and all(getattr(e, k) == v for k, v in fields.items())
        ]  # fmt: skip


class World:
    """The district in a story.

    Attributes:
        air: Every transmission, in the order of their beginnings.
        chat: What stands in the chats.
        centre: What the centre was told.
    """

    def __init__(self, folder: Path, *settings: Merge) -> None:
        self.folder = folder
        self._overs = settings
        self.settings = load_text(settings_text(*settings), folder)
        self.site = site_of(self.settings, catalogues())
        self.chat, self.centre = Chats(self), Centre()
        self.with_buttons: set[int] = set()
        self._group: asyncio.TaskGroup | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._tables = MemoryTables()
        self._alerts = 0
        self._last: dict[str, Any] = {}
        self._addresses: dict[str, str] = {}

    # ---- the world runs ----

    async def open(self, group: asyncio.TaskGroup) -> None:
        """Return with everything running."""
        self._group = group
        self.clock = VirtualClock(asyncio.get_running_loop(), NOON_US)
        self.radio = radio_of(self.settings.channels, self.clock, random.Random(1))
        (chat,) = self.settings.chats
        self.driver = MemoryChat(
            chat, self.clock, self.folder / "media", on_post=self._shown,
            language=self.settings.site.language,
        )  # fmt: skip
        self._outside = group.create_task(self.radio.serve())
        await self.start()
        await asyncio.sleep(1)

    def _shown(self, message: MemoryMessage) -> None:
        if message.keyboard:
            self.with_buttons.add(message.id)

    async def start(self) -> None:
        """The engine starts, from what its journal holds."""
        assert self._group is not None
        journal = MemoryJournal(tables=self._tables, draw=random.Random(2).randbytes)
        self.engine = Engine(
            journal=journal, records=Records(self.folder / "none"), site=self.site,
            clock=self.clock, reloader=self._reloader,
        )  # fmt: skip
        self._seen_seq = len(self._tables.rows)
        ready = asyncio.Event()
        drivers = {self.radio.name: self.radio, self.driver.name: self.driver}
        running = self.engine.run(drivers, *people_of(self.settings), ready)
        self._tasks = [self._group.create_task(running, name="engine")]
        await ready.wait()
        following = self._follow(self._seen_seq)
        self._tasks += [self._group.create_task(following, name="centre")]
        self._tasks += [
            self._group.create_task(d.run(self.engine), name=d.name) for d in drivers.values()
        ]

    async def _follow(self, after_seq: int) -> None:
        async for report in self.engine.follow(after_seq=after_seq):
            self.centre.events.append(report)

    async def kill(self) -> None:
        """The engine dies in the middle of whatever it does; the outside goes on."""
        await _end(self._tasks)
        self.driver.cut_off()

    async def close_world(self) -> None:
        """End everything."""
        await _end([*self._tasks, self._outside])
        failed = [json.loads(row.body)["event"]["reason"] for row, _ in self._tables.rows
                  if row.kind == "InputRefused" and '"door":"engine"' in row.body]  # fmt: skip
        if failed:
            raise RuntimeError(f"the core failed, which no switch may bring about: {failed[0]}")

    async def _reloader(self, path: str) -> Reloaded:
        del path
        settings = load_text(settings_text(*self._overs), self.folder)
        people, contacts = people_of(settings)
        site = site_of(settings, catalogues())
        return Reloaded(site=site, people=people, contacts=contacts)

    async def reload(self, over: Merge) -> dict[str, object]:
        """The settings file is changed and reloaded."""
        self._overs = (*self._overs, over)
        return await self.engine.reload("")

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)

    async def until(
        self, condition: Callable[[], object], what: str = "", limit_s: float = 600
    ) -> None:
        """Let time pass until something is so.

        Raises:
            AssertionError: It never was.
        """
        until_s = asyncio.get_running_loop().time() + limit_s
        while not condition():
            if asyncio.get_running_loop().time() > until_s:
                source = what or inspect.getsource(condition).strip()
                raise AssertionError(f"waited {limit_s:g} s in vain for: {source}")
            await asyncio.sleep(0.25)

    # ---- the centre ----

    def body(self, **fields: object) -> dict[str, Any]:
        """Return an alert's JSON: a fight in the east, level 2, unless told otherwise."""
        sent = datetime.fromtimestamp(self.clock.now_us() / US, UTC).isoformat()
        plain = {
            "id": f"JQ-{self._alerts}", "sender": "zhzx", "sent": sent, "category": "fight",
            "level": 2, "text": "有人打架", "grid": "east",
        }  # fmt: skip
        body = plain | fields
        return {key: value for key, value in body.items() if value is not None}

    async def send(self, body: Mapping[str, Any], kind: str) -> Receipt:
        """The centre sends one message, decoded as at every door; return its receipt.

        A message that cannot be decoded is refused as the doors do it.
        """
        now_us = self.clock.now_us()
        raw = json.dumps(body, ensure_ascii=False).encode()
        try:
            alert = decode_alert(raw, kind=AlertKind(kind), now_us=now_us)
        except Refusal as refusal:
            refused = Receipt(
                status="refused", sender=refusal.sender or "", id=refusal.id or "",
                reason=str(refusal),
            )  # fmt: skip
            self.centre.receipts.append(refused)
            return refused
        event = AlertReceived(at_us=now_us, door="http", alert=alert)
        return await self._submit(event)

    async def _submit(self, event: Event) -> Receipt:
        receipt = (await self.engine.submit(event)).receipt
        assert receipt is not None, "whoever asks is answered"
        self.centre.receipts.append(receipt)
        await asyncio.sleep(0.01)  # the events are published behind the receipt
        return receipt

    async def alert(self, **fields: object) -> Receipt:
        """The centre raises an alert."""
        self._alerts += 1
        self._last = self.body(**fields)
        return await self.send(self._last, "alert")

    async def update(self, **fields: object) -> Receipt:
        """The centre amends its latest alert, or the one named by ``id``."""
        body = self._last | {"sent": self.body()["sent"]} | fields
        return await self.send(body, "update")

    async def cancel(self, **fields: object) -> Receipt:
        """The centre calls its latest alert off, or the one named by ``id``."""
        bare = {key: self._last.get(key, "?") for key in ("id", "sender")}
        return await self.send(bare | {"sent": self.body()["sent"]} | fields, "cancel")

    async def act(self, act: str, by: str = "值班员", **fields: object) -> Receipt | None:
        """Somebody of the centre acts; return his receipt, None where acts have none."""
        raw = json.dumps({"act": act, "by": by, **fields}, ensure_ascii=False).encode()
        try:
            event = decode_centre_act(raw, now_us=self.clock.now_us())
        except Refusal as refusal:
            refused = Receipt(status="refused", sender=by, id=act, reason=str(refusal))
            self.centre.receipts.append(refused)
            return refused
        receipt = (await self.engine.submit(event)).receipt
        if receipt is not None:
            self.centre.receipts.append(receipt)
        await asyncio.sleep(0.01)
        return receipt

    async def _on_order(self, act: str, order: str, by: str, **fields: object) -> Receipt:
        raw = json.dumps({"by": by, **fields}, ensure_ascii=False).encode()
        event = decode_act(raw, order=order, act=act, now_us=self.clock.now_us())
        return await self._submit(event)

    async def close(self, order: str, by: str = "值班员", **fields: object) -> Receipt:
        """A named person closes an order."""
        return await self._on_order("close", order, by, **fields)

    async def stand_down(self, order: str, by: str = "值班员", **fields: object) -> Receipt:
        """A named person sends everybody home."""
        return await self._on_order("stand_down", order, by, **fields)

    async def confirm(
        self, order: str, person: str, node: str = "acknowledged", by: str = "值班员"
    ) -> Receipt:
        """A dispatcher has recognised a voice."""
        return await self._on_order("confirm", order, by, person=person, node=node)

    async def enrol(self, person: str, account: str) -> str | None:
        """A person is given a code and sends it from an account; return what is answered."""
        issued = await self.engine.enrol(person)
        answer = await self.write(account, str(issued["code"]))
        self._addresses[person] = account
        return answer

    async def leave(self, person: str) -> None:
        """A person is struck from duty."""
        await self.engine.leave(person)
        await asyncio.sleep(0.01)

    # ---- people in the chat ----

    def address(self, who: str) -> str:
        """Return the address of a person, a group or a bare address."""
        if who in self._addresses:
            return self._addresses[who]
        person = self.settings.people.get(who)
        if person is not None and person.contacts:
            return next(iter(person.contacts.values()))
        if who in GROUPS and person is None:
            return GROUPS[who]
        return who

    async def press(
        self, who: str, label: str, *, card: MemoryMessage | None = None
    ) -> str | None:
        """Somebody presses a button of his latest card; return what he is told."""
        card = card or self.chat.card(who)
        assert card is not None, f"{who} has no card"
        press = self.driver.press(card, label, self.address(who))
        await self._answered(lambda: press in self.driver.toasts)
        return self.driver.toasts.get(press)

    async def write(
        self,
        who: str,
        text: str,
        *,
        group: str | None = None,
        reply_to: MemoryMessage | None = None,
    ) -> str | None:
        """Somebody writes, to us or in a group; return the line that answers him, if any."""
        before = len(self.driver.messages)
        self.driver.text(
            self.address(who), text, GROUPS.get(group or "", group),
            reply_to.id if reply_to else None,
        )  # fmt: skip
        where = self.address(group or who)
        await self._answered(lambda: self._new_lines(before, where))
        lines = self._new_lines(before, where)
        return lines[0] if lines else None

    def _new_lines(self, before: int, address: str) -> list[str]:
        new = self.driver.messages[before:]
        return [
            m.text for m in new if m.address == address and m.id not in self.with_buttons
        ]

    async def _answered(self, condition: Callable[[], object]) -> None:
        until_s = asyncio.get_running_loop().time() + ANSWER_S
        while not condition() and asyncio.get_running_loop().time() < until_s:  # noqa: ASYNC110
            await asyncio.sleep(0.1)

    async def photo(
        self,
        who: str,
        data: bytes = b"jpeg",
        *,
        group: str | None = None,
        caption: str = "",
        reply_to: MemoryMessage | None = None,
    ) -> None:
        """Somebody sends a photo."""
        self.driver.photo(
            self.address(who), data, GROUPS.get(group or "", group), caption,
            reply_to.id if reply_to else None,
        )  # fmt: skip
        await asyncio.sleep(1)

    async def voice(
        self, who: str, data: bytes = b"ogg", *, group: str | None = None
    ) -> None:
        """Somebody sends a voice note."""
        self.driver.voice(self.address(who), data, GROUPS.get(group or "", group))
        await asyncio.sleep(1)

    async def location(
        self,
        who: str,
        lat: float,
        lon: float,
        *,
        group: str | None = None,
        reply_to: MemoryMessage | None = None,
    ) -> None:
        """Somebody sends where he is."""
        self.driver.location(
            self.address(who), lat, lon, GROUPS.get(group or "", group),
            reply_to.id if reply_to else None,
        )  # fmt: skip
        await asyncio.sleep(1)

    def refuses(self, who: str) -> None:
        """Somebody's telephone takes nothing from us any more."""
        self.driver.refused.add(self.address(who))

    # ---- people on the air ----

    async def key(
        self, channel: str, frame: str, *, ani: str | None = None, radio: str | None = None
    ) -> bool | None:
        """Somebody keys digits; return the tone that answers: good, bad, or None for none."""
        heard = self.radio.digits(channel, frame, ani=ani, radio=radio)
        return await self._tone(channel, heard)

    async def presses(
        self, channel: str, times: int, *, radio: str | None = None
    ) -> bool | None:
        """Somebody presses his key briefly; return the tone that answers, if any."""
        return await self._tone(channel, self.radio.presses(channel, times, radio=radio))

    async def packet(
        self, channel: str, operation: int, argument: int, unit: int
    ) -> bool | None:
        """A radio sends an MDC1200 packet; return the tone that answers, if any."""
        heard = self.radio.packet(channel, operation, argument, unit)
        return await self._tone(channel, heard)

    async def selcall(self, channel: str, table: str, value: str) -> bool | None:
        """A radio sends five tones; return the tone that answers, if any."""
        return await self._tone(channel, self.radio.selcall(channel, table, value))

    async def speak(self, channel: str, seconds: float = 2, **who: Any) -> bool:
        """Somebody talks; return whether he was heard, a moment after he has ended."""
        heard = await self.radio.speak(channel, seconds, **who)
        await asyncio.sleep(0.1)
        return heard

    async def _tone(self, channel: str, heard: Any) -> bool | None:
        before = len(self.tones(channel))
        await self._clear(channel)
        if not await heard:
            return None
        await self._answered(lambda: len(self.tones(channel)) > before)
        new = self.tones(channel)[before:]
        return new[0].accepted if new else None

    async def _clear(self, channel: str) -> None:
        """Return once nothing is transmitted: who keys listens first."""
        while self.radio.on_air(channel):  # noqa: ASYNC110
            await asyncio.sleep(0.1)

    def jam(self, channel: str, seconds: float) -> None:
        """Somebody talks on and on."""
        self.radio.jam(channel, seconds)

    def fail(self, path: str, reason: str = "cable") -> None:
        """A path fails: ``channel:east`` or ``chat:work``."""
        kind, _, name = path.partition(":")
        if kind == "channel":
            self.radio.fail(name, reason)
        else:
            self.driver.leave()

    def mend(self, path: str) -> None:
        """A path works again."""
        kind, _, name = path.partition(":")
        if kind == "channel":
            self.radio.mend(name)
        else:
            self.driver.come_back()

    # ---- what stories look at ----

    @property
    def air(self) -> list[Transmission]:
        """Every transmission, in the order of their beginnings."""
        return self.radio.sent

    def pages(self, channel: str | None = None) -> list[Transmission]:
        """Return the pages that went out, on a channel or on all."""
        return [
            s for s in self.air if s.kind == "page" and channel in (None, s.channel)
        ]

    def tones(self, channel: str | None = None) -> list[Transmission]:
        """Return the answer tones that went out."""
        return [
            s for s in self.air if s.kind == "answer" and channel in (None, s.channel)
        ]

    def t(self, what: Transmission | Report) -> float:
        """Return when something was, seconds since the story's beginning."""
        at_us = what.began_us if isinstance(what, Transmission) else what.at_us
        return (at_us - NOON_US) / US


async def _end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(list(tasks))


# ---- switching a mechanism off -----------------------------------------------------------


class Switch:
    """Something put in the place of what a dotted name means."""

    def __init__(self, dotted: str, new: object) -> None:
        self.dotted, self.new = dotted, new

    @contextmanager
    def thrown(self):
        """Put it in place, wherever it was imported, while this lasts."""
        owner, name, old = _named(self.dotted)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(owner, name, self.new)
            for module in list(sys.modules.values()):
                known = getattr(module, "__name__", "").startswith(("gateway.", "drivers."))
                if known and vars(module).get(name) is old:
                    patch.setattr(module, name, self.new)
            yield


def without(dotted: str, *, gives: object = None) -> Switch:
    """Return a switch: the function does nothing and returns ``gives``."""
    return Switch(dotted, lambda *_, **__: gives)


def instead(dotted: str, new: object) -> Switch:
    """Return a switch: ``new`` in the place of a function, a method or a constant."""
    return Switch(dotted, new)


def _named(dotted: str) -> tuple[Any, str, object]:
    """Return whose attribute a dotted name is, its name and what stands there."""
    parts = dotted.split(".")
    for split in range(len(parts) - 1, 0, -1):
        owner: Any = sys.modules.get(".".join(parts[:split]))
        if owner is None:
            continue
        for part in parts[split:-1]:
            owner = getattr(owner, part)
        return owner, parts[-1], getattr(owner, parts[-1])
    raise LookupError(f"{dotted}: no such module is imported")


# ---- stories -----------------------------------------------------------------------------

Off = Switch | Merge | tuple["Switch | Merge", ...]
Tell = Callable[[World], Any]


def story(*rows: str, off: Off, settings: Merge | None = None) -> Callable[[Tell], Any]:
    """Return a decorator that makes a story two tests: as it is, and with its mechanism off.

    Args:
        rows: Ids of the rows it tells.
        off: How its mechanism is switched off.
        settings: Laid over the district's.
    """
    switches = off if isinstance(off, tuple) else (off,)
    name = "+".join(rows)

    def decorate(tell: Tell) -> Any:
        def test(mechanism: bool, tmp_path: Path) -> None:
            if mechanism:
                _told(tell, tmp_path, settings or {}, ())
                return
            try:
                _told(tell, tmp_path, settings or {}, switches)
            except AssertionError:
                return
            pytest.fail(f"{name}: the story comes out the same with its mechanism off")

        test.__name__, test.__doc__ = tell.__name__, tell.__doc__
        test.__module__ = tell.__module__
        cases = [pytest.param(True, id=f"{name}-on"), pytest.param(False, id=f"{name}-off")]
        return pytest.mark.parametrize("mechanism", cases)(test)

    return decorate


def _told(tell: Tell, folder: Path, settings: Merge, off: Iterable[Switch | Merge]) -> None:
    """Tell a story once, with these switches thrown."""
    other = [s for s in off if not isinstance(s, Switch)]
    with ExitStack() as stack:
        for switch in off:
            if isinstance(switch, Switch):
                stack.enter_context(switch.thrown())
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(_tell(tell, World(folder, settings, *other)))


async def _tell(tell: Tell, world: World) -> None:
    failed: AssertionError | None = None
    async with asyncio.TaskGroup() as group:
        await world.open(group)
        try:
            await tell(world)
        except AssertionError as error:
            failed = error
        finally:
            await world.close_world()
    if failed is not None:
        raise failed


def rows_told(folder: Path = Path(__file__).parent) -> set[str]:
    """Return the rows that the stories of a folder tell."""
    found = set()
    for file in folder.glob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "story":
                found |= {a.value for a in node.args if isinstance(a, ast.Constant)}
    return found
