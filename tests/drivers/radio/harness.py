"""A site's radio side on real wires: ether, base radio, a guard, the radio process itself."""

import asyncio
import json
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

import pytest

from drivers.radio.protocol import (
    Ack,
    Beat,
    Do,
    Figures,
    Hello,
    Message,
    Taken,
    Told,
    decode,
    encode,
)
from gateway.core.calls.events import PageSpoken
from gateway.core.effects import AnswerOver, PageChannel, WithdrawPage
from gateway.core.events import PathChanged
from simulators.ether import Ether
from simulators.radio import BaseRadio, Handheld
from tests.ports import free_port

ROOT = Path(__file__).parents[3]
EventType = TypeVar("EventType")


def now_us() -> int:
    return time.time_ns() // 1000


def seconds() -> float:
    return asyncio.get_running_loop().time()


async def wait_until(condition: Callable[[], object], timeout_s: float, what: str) -> float:
    """Return how long it took; fail when it did not come about."""
    begun = seconds()
    while not condition():
        if seconds() - begun > timeout_s:
            pytest.fail(f"{what}: not within {timeout_s} s")
        await asyncio.sleep(0.005)
    return seconds() - begun


def page(name: str, **fields: object) -> PageChannel:
    """A short page on the channel ``gate``."""
    return PageChannel(
        **{
            "page": name, "channel": "gate", "order": f"o-{name}", "level": 3, "number": "12",
            "text": ("你好",), "language": "zh_CN", "answer_window_s": 0,
            "not_after_us": now_us() + 60_000_000,
        } | fields
    )  # fmt: skip


def children_of(pid: int) -> dict[int, str]:
    """Return the processes that ``pid`` has started: process id to command line."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(entry.name)] = command.decode()
    return found


class FakeEngine:
    """The engine's end of the socket: beats, keeps what it is told, acknowledges."""

    def __init__(self, path: Path, *, acknowledges: bool = True) -> None:
        self.path = path
        self.acknowledges = acknowledges
        self.hello: Hello | None = None
        self.told: list[Told] = []
        self.taken: list[int] = []
        self.figures: list[Figures] = []
        self.beats = True
        self._writer: asyncio.StreamWriter | None = None
        self._ids = 0

    @asynccontextmanager
    async def connected(self) -> AsyncIterator["FakeEngine"]:
        reader, self._writer = await self._connect()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._read(reader)), group.create_task(self._beat())]
            try:
                yield self
            finally:
                for task in tasks:
                    task.cancel()
                self._writer.close()
                self._writer = None

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        until = seconds() + 30
        while True:
            try:
                return await asyncio.open_unix_connection(str(self.path))
            except OSError:
                if seconds() > until:
                    raise
                await asyncio.sleep(0.02)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            while line := await reader.readline():
                self._hear(decode(line))

    def _hear(self, message: Message) -> None:
        match message:
            case Hello() as hello:
                self.hello = hello
            case Told() as told:
                self.told.append(told)
                if self.acknowledges:
                    self.send(Ack(told.seq))
            case Taken(id=outbox_id):
                self.taken.append(outbox_id)
            case Figures() as figures:
                self.figures.append(figures)

    async def _beat(self) -> None:
        while True:
            if self.beats:
                self.send(Beat())
            await asyncio.sleep(0.5)

    def send(self, message: Message) -> None:
        if self._writer is not None:
            self._writer.write(encode(message))

    def do(
        self,
        effect: PageChannel | WithdrawPage | AnswerOver,
        *,
        again: bool = False,
        outbox_id: int | None = None,
    ) -> int:
        self._ids += 1
        sent_as = self._ids if outbox_id is None else outbox_id
        self.send(Do(sent_as, effect, again))
        return sent_as

    def events(self, kind: type[EventType], **fields: object) -> list[EventType]:
        """Return the events of a kind whose fields have these values, oldest first."""
        return [
            t.event
            for t in self.told
            if isinstance(t.event, kind)
            and all(getattr(t.event, name) == value for name, value in fields.items())
        ]

    async def event(
        self, kind: type[EventType], timeout_s: float = 30, **fields: object
    ) -> EventType:
        what = f"{kind.__name__} {fields}"
        try:
            await wait_until(lambda: self.events(kind, **fields), timeout_s, what)
        except pytest.fail.Exception:
            print("told:", *self.told, sep="\n  ")
            raise
        return self.events(kind, **fields)[-1]


async def warm(engine: FakeEngine, sentence: str) -> None:
    """Return once a sentence is known: on a busy machine the worker takes its time."""
    for number in range(5):
        name = f"warm{number}"
        engine.do(page(name, text=(sentence,), attention=False))
        if (await engine.event(PageSpoken, page=name)).speech == "spoken":
            return
    pytest.fail("no sentence is ever rendered in time")


class Bench:
    """One channel, its base radio, a guard, the settings and the radio process."""

    def __init__(self, ether: Ether, radio: BaseRadio, folder: Path, settings: Path) -> None:
        self.ether = ether
        self.radio = radio
        self.folder = folder
        self.settings = settings
        self.socket = folder / "radio.sock"
        self.guard = Handheld(ether, "guard")
        self.process: asyncio.subprocess.Process | None = None
        self.tree: dict[str, object] = {}

    async def start_process(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "drivers.radio.process", str(self.settings), str(self.socket),
            cwd=ROOT, stdin=asyncio.subprocess.PIPE,
        )  # fmt: skip

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def keyers(self) -> list[int]:
        return [p for p, line in children_of(self.pid).items() if "radio.keyer" in line]

    def keyer_pid(self) -> int:
        (pid,) = self.keyers()
        return pid

    async def stop_process(self) -> None:
        process, self.process = self.process, None
        if process is None or process.returncode is not None:
            return
        children = children_of(process.pid)
        # The radio process first: it must not live to tell of its keyer's end.
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        for pid in children:
            with suppress(OSError):
                os.kill(pid, 9)


def channel_tree(radio: BaseRadio, local_port: int, **fields: object) -> dict[str, object]:
    """The channel's resolved settings: quick, and with a licence."""
    return {
        "driver": "radio",
        "name": "一号信道",
        "licence": {"frequency_mhz": 409.0, "number": "粤01"},
        "control": {"url": f"rfc2217://127.0.0.1:{radio.serial_port}"},
        "audio": {"url": f"rtp://127.0.0.1:{radio.rtp_port}?local_port={local_port}&codec=l16"},
        "tx_delay_ms": 100,
        "hang_ms": 60,
        "ani": {"kind": "dtmf", "digits": 5, "position": "start"},
    } | fields


def write_settings(path: Path, folder: Path, channels: dict[str, object]) -> Path:
    tree = {"site": {"state_dir": str(folder)}, "channels": channels, "base_dir": str(folder)}
    path.write_text(json.dumps(tree))
    return path


@asynccontextmanager
async def bench(folder: Path, *, starts: bool = True, **fields: object) -> AsyncIterator[Bench]:
    """A channel ``gate`` with its outside; the radio process runs unless told otherwise."""
    local_port = free_port(socket.SOCK_DGRAM)
    async with (
        Ether("gate", seed=11) as ether,
        BaseRadio(ether, gateway_rtp=("127.0.0.1", local_port)) as radio,
    ):
        tree = channel_tree(radio, local_port, **fields)
        settings = write_settings(folder / "resolved.json", folder, {"gate": tree})
        made = Bench(ether, radio, folder, settings)
        made.tree = tree
        try:
            if starts:
                await made.start_process()
            yield made
        finally:
            await made.stop_process()


@asynccontextmanager
async def working_bench(
    folder: Path, *, knows: str | None = None, **fields: object
) -> AsyncIterator[tuple[Bench, FakeEngine]]:
    """A bench whose channel is up, with an engine; ``knows``: a sentence rendered before."""
    async with (
        bench(folder, **fields) as made,
        FakeEngine(made.socket).connected() as engine,
    ):
        await engine.event(PathChanged, path="channel:gate", up=True, timeout_s=30)
        if knows:
            await warm(engine, knows)
        yield made, engine
