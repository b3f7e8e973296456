"""A county on virtual time: the real engine and journal, everything outside in memory.

The second composition root: `gateway.app` puts the engine between real drivers, this one
between those of memory. What the outside is (people, centre, misfortunes) and who judges it
comes by entry point (``gridcall.simulation``), for the product imports no simulator.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import entry_points
from pathlib import Path
from random import Random
from typing import Any, Literal

import yaml

from gateway.core.alert import AlertKind
from gateway.core.centre.act_json import decode_act
from gateway.core.centre.alert_json import decode_alert
from gateway.core.centre.centre_acts import decode_centre_act
from gateway.core.centre.report_json import receipt_json
from gateway.core.events import Event
from gateway.core.intake.events import AlertReceived
from gateway.core.register.events import PersonLeft, RadioBlocked
from gateway.engine import Engine
from gateway.installed import load_settings
from gateway.interfaces import Committed, JournalError, SetupError
from gateway.records import Records
from gateway.settings import Settings, catalogues, people_of, site_of
from gateway.simulated_journal import InMemory, InSqlite
from gateway.virtual_time import VirtualClock, VirtualLoop

US = 1_000_000
BEGIN_US = int(datetime(2026, 11, 22, 4, 0, tzinfo=UTC).timestamp()) * US
# Longer than anything of an order may still be sent after its end.
DRAIN_S = 2 * 3600 + 60
CALLS_A_SECOND = 30.0
# In a life without a disk nothing needs to be proved every five seconds.
IDLE_S = 300.0
FAULTS = (
    "chat", "ptt", "busy", "broker", "kill", "talk", "emergency", "lost", "leaver", "clock",
    "boot",
)  # fmt: skip
# Who asks for something while the gateway is away asks again so often.
AGAIN_S = 5.0
WHO = "值班员李敏"
# Longer than what was keyed may lie before the gateway hears it: a dead gateway.
HEARD_BY_NOW_S = 120.0
MESSAGES = ("alert", "update", "cancel", "close")
# How long a machine takes to start again.
BOOT_S = 40.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is simulated.

    Attributes:
        alerts_per_day: Of people; besides the storms.
        storms: How many, spread evenly.
        storm_alerts: Machine alerts in a minute of storm.
        faults: Kinds of misfortune, of ``FAULTS``.
        journal: Where it is kept; a file in SQLite is taken away afterwards.
        planted: Fault to plant in the evidence, or None.
    """

    guards: int = 280
    grids: int = 7
    channels: int = 4
    alerts_per_day: float = 20
    hours: float = 24
    storms: int = 2
    storm_alerts: int = 600
    seed: int = 1
    faults: frozenset[str] = frozenset(FAULTS)
    journal: Literal["memory", "sqlite"] = "memory"
    planted: str | None = None


@dataclass(kw_only=True)
class Result:
    """What came of it.

    Attributes:
        figures: Counts and times, by name.
        findings: What each judge found, as plain data with ``text``.
        missed: The judge who should have objected to the planted fault and did not, or None.
    """

    figures: dict[str, Any]
    findings: list[dict[str, Any]]
    missed: str | None = None

    @property
    def violations(self) -> int:
        """How many there are."""
        return sum(len(finding["violations"]) for finding in self.findings)


def part(name: str) -> Any:  # noqa: ANN401  # whatever the entry point brings
    """Return what an entry point of the group ``gridcall.simulation`` brings.

    Raises:
        SetupError: The package is not installed whole.
    """
    for entry in entry_points(group="gridcall.simulation", name=name):
        return entry.load()
    raise SetupError(
        f"no {name!r} for simulations is installed: install the package (`pip install .`) again"
    )


def simulate(plan: Plan) -> Result:
    """Return what became of a simulated county, judged.

    Raises:
        SetupError: The plan cannot be carried out.
    """
    began_s = time.process_time()
    with tempfile.TemporaryDirectory(prefix="gridcall-simulate-") as folder:
        try:
            county = part("county")(
                guards=plan.guards, grids=plan.grids, channels=plan.channels, seed=plan.seed
            )
        except ValueError as error:
            raise SetupError(str(error)) from error
        run = _Run(plan, county, Path(folder))
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(run.run())
        ran_s = time.process_time() - began_s
        return _judged(plan, run, ran_s)


def _judged(plan: Plan, run: "_Run", ran_s: float) -> Result:
    evidence = run.evidence()
    expected = part("plant")(evidence, plan.planted) if plan.planted else None
    findings = []
    for finding in part("judge")(evidence):
        plain = asdict(finding) | {"text": str(finding)}
        plain["violations"] = [str(violation) for violation in finding.violations]
        findings.append(plain)
    objected = {finding["check"] for finding in findings if finding["violations"]}
    figures = run.figures() | {"ran_cpu_s": round(ran_s, 2)}
    missed = expected if expected is not None and expected not in objected else None
    return Result(figures=figures, findings=findings, missed=missed)


@dataclass
class _Run:
    """One simulation."""

    plan: Plan
    county: Any
    folder: Path
    downs: list[tuple[int, int]] = field(default_factory=list)
    left: list[tuple[int, str]] = field(default_factory=list)
    steps: list[tuple[int, int]] = field(default_factory=list)
    posts: list[dict[str, Any]] = field(default_factory=list)
    faults: list[tuple[str, int, int]] = field(default_factory=list)
    boots: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    unsettled: list[dict[str, Any]] = field(default_factory=list)

    _unset: int = 0

    async def run(self) -> None:
        """Return once the county's days are over and everything has come to rest."""
        self._loop = asyncio.get_running_loop()
        assert isinstance(self._loop, VirtualLoop)
        # The gateway's clock may be wrong; that of everybody outside never is.
        self.clock = VirtualClock(self._loop, BEGIN_US)
        self.outside = VirtualClock(self._loop, BEGIN_US)
        self._read_settings()
        self._people_outside()
        self._store = (
            InMemory(self.plan.seed) if self.plan.journal == "memory"
            else InSqlite(self.folder, self._loop)
        )  # fmt: skip
        self._engine: Engine | None = None
        self._reachable = True
        async with asyncio.TaskGroup() as group:
            self._group = group
            self._tasks: list[asyncio.Task[None]] = []
            outside = [
                group.create_task(self.radio.serve()),
                group.create_task(self.people.live(self.radio, self.chat)),
            ]
            await self._start()
            outside.append(group.create_task(self._suffer()))
            plan = self.plan
            await self.centre.work(
                plan.hours, plan.alerts_per_day, plan.storms, plan.storm_alerts
            )
            await asyncio.sleep(DRAIN_S)
            self.ended_us = self.outside.now_us()
            await self._stop()
            await _end(outside)
        self.rows, recovered = await self._store.read(self.folder)
        self.unsettled = [
            {
                "kind": type(outgoing.effect).__name__,
                "not_after_us": getattr(outgoing.effect, "not_after_us", None),
            }
            for _, outgoing in recovered.outbox
        ]

    def _read_settings(self) -> None:
        file = self.folder / "county.yaml"
        file.write_text(yaml.safe_dump(self.county.settings, allow_unicode=True), "utf-8")
        self.settings: Settings = load_settings(file)
        # The version tells where the file lay; one seed is one run, wherever.
        self.site = replace(site_of(self.settings, catalogues()), version="simulated")

    def _people_outside(self) -> None:
        plan, now_us = self.plan, self.outside.now_us
        self.people = part("people")(self.county.residents, plan.seed, now_us)
        self.centre = part("centre")(self, self.county.grids, plan.seed, now_us)
        self.radio = part("radio")(
            self.settings.channels, self.clock, _chance(plan.seed), on_sent=self.people.heard,
            beside=self.outside,
        )  # fmt: skip
        (chat,) = self.settings.chats
        self.chat = part("chat")(
            chat, self.clock, self.folder / "media", on_post=self._shown,
            calls_a_second=CALLS_A_SECOND, beside=self.outside,
        )  # fmt: skip

    def _shown(self, message: Any) -> None:  # noqa: ANN401
        order = message.keyboard[0][0].order if message.keyboard else None
        self.posts.append(
            {
                "at_us": self.outside.now_us(), "id": message.id, "order": order,
                "text": message.text,
            }
        )  # fmt: skip
        self.people.shown(message)

    # The gateway's life

    async def _start(self) -> None:
        engine = Engine(
            journal=self._store.open(self.boots), records=Records(self.folder / "none"),
            site=self.site, clock=self.clock, quiet_s=IDLE_S,
        )  # fmt: skip
        ready = asyncio.Event()
        drivers = {driver.name: driver for driver in (self.radio, self.chat)}
        running = engine.run(drivers, *people_of(self.settings), ready)
        self._tasks = [self._group.create_task(running, name="engine")]
        await ready.wait()
        self._tasks += [self._group.create_task(d.run(engine)) for d in drivers.values()]
        self._tasks.append(self._group.create_task(self._tell_centre(engine)))
        self._engine = engine

    async def _tell_centre(self, engine: Engine) -> None:
        """Tell the centre what happens, from now on."""
        now = engine.health()["journal"]
        assert isinstance(now, int)
        async for report in engine.follow(after_seq=now):
            self.centre.office.told(report.node, report.order)

    async def _stop(self) -> None:
        self._engine = None
        await _end(self._tasks)
        self.chat.cut_off()
        await self._store.close()

    # The centre's door

    async def send(self, kind: str, body: bytes) -> dict[str, object]:
        """Take a message of the centre in; ConnectionError while nobody is there."""
        now_us = self.clock.now_us()
        alert = decode_alert(body, kind=AlertKind(kind), now_us=now_us)
        event = AlertReceived(at_us=now_us, door="http", alert=alert)
        return _receipt(await self._submit(event))

    async def act(self, act: Any, order: str, body: bytes) -> dict[str, object]:  # noqa: ANN401
        """Take an act of the centre in; ConnectionError while nobody is there."""
        event = decode_act(body, order=order, act=act, now_us=self.clock.now_us())
        return _receipt(await self._submit(event))

    async def tell(self, body: bytes) -> dict[str, object]:
        """Take whatever else the centre does in; ConnectionError while nobody is there."""
        return _receipt(
            await self._submit(decode_centre_act(body, now_us=self.clock.now_us()))
        )

    async def _submit(self, event: Any) -> Committed:  # noqa: ANN401
        if self._engine is None or not self._reachable:
            raise ConnectionRefusedError
        try:
            return await self._engine.submit(event)
        except JournalError as error:
            raise ConnectionResetError from error

    # What goes wrong

    async def _suffer(self) -> None:
        """Let everything go wrong in its turn, and come right again."""
        plan, channels = self.plan, list(self.settings.channels)
        faults = part("misfortunes")(plan.faults, plan.hours, channels, plan.seed)
        async with asyncio.TaskGroup() as group:
            for fault in faults:
                wait_s = fault.at_s - (self.outside.now_us() - BEGIN_US) / US
                await asyncio.sleep(max(0.0, wait_s))
                if fault.kind == "kill":
                    await self._kill(fault.lasts_s)
                elif fault.kind == "boot":
                    await self._boot(fault, group)
                elif fault.kind == "clock":
                    group.create_task(self._mistime(fault.lasts_s, fault.wrong_s))
                else:
                    group.create_task(self._fail(fault.kind, fault.where, fault.lasts_s))

    async def _kill(self, lasts_s: float) -> None:
        from_us = self.outside.now_us()
        await self._stop()
        await asyncio.sleep(lasts_s)
        await self._start()
        self.downs.append((from_us, self.outside.now_us()))

    async def _boot(self, fault: Any, group: asyncio.TaskGroup) -> None:  # noqa: ANN401
        """The machine starts again with its clock unset, which is set some time after."""
        self.boots += 1
        self._unset += 1
        self.clock.trusted = False
        group.create_task(self._mistime(fault.lasts_s, fault.wrong_s, unset=1))
        await self._kill(BOOT_S)

    async def _mistime(self, lasts_s: float, wrong_s: float, *, unset: int = 0) -> None:
        """The gateway's clock is wrong for a while."""
        self._move_clock(wrong_s)
        await asyncio.sleep(lasts_s)
        self._unset -= unset
        self.clock.trusted = not self._unset
        self._move_clock(-wrong_s)

    def _move_clock(self, by_s: float) -> None:
        self.clock.moved_us += round(by_s * US)
        self.steps.append((self.outside.now_us(), self.clock.moved_us))

    async def _fail(self, kind: str, channel: str, lasts_s: float) -> None:
        from_us = self.outside.now_us()
        await self._go_wrong(kind, channel, lasts_s)
        self.faults.append((kind, from_us, self.outside.now_us()))

    async def _go_wrong(self, kind: str, channel: str, lasts_s: float) -> None:
        if kind in ("busy", "talk", "emergency", "lost", "leaver"):
            await self._befall(kind, channel, lasts_s)
            return
        begin, end = self._ways_to_fail(channel)[kind]
        begin()
        await asyncio.sleep(lasts_s)
        end()

    async def _befall(self, kind: str, channel: str, lasts_s: float) -> None:
        if kind == "busy":
            self.radio.jam(channel, lasts_s)
        elif kind == "talk":
            await self.people.chat(channel, lasts_s)
        elif kind == "emergency":
            await self.people.call_for_help(channel)
        elif kind == "lost":
            await self._lose_a_radio(lasts_s)
        else:
            person = self.people.leaver()
            await self._until_taken(lambda now_us: PersonLeft(at_us=now_us, person=person))
            self.left.append((self.outside.now_us(), person))

    async def _lose_a_radio(self, lasts_s: float) -> None:
        """A radio is lost and said to be; somebody finds it and keys; it comes back."""
        loser = self.people.loser()
        if loser is None:
            return
        person, radio = loser
        await self._say_of_radio(radio, lost=True)
        self.people.astray(person, "finder")
        await asyncio.sleep(lasts_s)
        self.people.astray(person, "nobody")
        await self._say_of_radio(radio, lost=False)
        self.people.astray(person, "own")

    async def _say_of_radio(self, radio: str, *, lost: bool) -> None:
        """Tell that a radio is lost or found, once all that was keyed with it is heard."""
        await asyncio.sleep(HEARD_BY_NOW_S)
        await self._until_taken(
            lambda now_us: RadioBlocked(at_us=now_us, radio=radio, lost=lost, by=WHO)
        )

    async def _until_taken(self, event: Callable[[int], Event]) -> None:
        while True:
            try:
                await self._submit(event(self.clock.now_us()))
            except ConnectionError:
                await asyncio.sleep(AGAIN_S)
            else:
                return

    def _ways_to_fail(
        self, channel: str
    ) -> Mapping[str, tuple[Callable[[], object], Callable[[], object]]]:
        return {
            "chat": (self.chat.leave, self.chat.come_back),
            "ptt": (
                lambda: self.radio.fail(channel, "the line does not key"),
                lambda: self.radio.mend(channel),
            ),
            "broker": (lambda: self._reach(there=False), lambda: self._reach(there=True)),
        }

    def _reach(self, *, there: bool) -> None:
        self._reachable = there

    # What is left

    def evidence(self) -> Any:  # noqa: ANN401
        """Return what the outside and the journal have to say."""
        return part("evidence")(
            air=[asdict(sent) for sent in self.radio.sent],
            posts=self.posts,
            faults=self.faults,
            calls_us=self.chat.calls_us,
            centre=self.centre.log,
            people=self.people.log(),
            downs=self.downs,
            left=self.left,
            steps=self.steps,
            begin_us=BEGIN_US,
            lines=self.rows,
            unsettled=self.unsettled,
            time_out_s=self.radio.time_out_s,
            calls_a_second=CALLS_A_SECOND,
            ended_us=self.ended_us,
        )

    def figures(self) -> dict[str, Any]:
        """Return how much happened."""
        messages = self.centre.log
        pages = [sent for sent in self.radio.sent if sent.kind == "page"]
        return {
            "seed": self.plan.seed,
            "virtual_hours": round((self.ended_us - BEGIN_US) / US / 3600, 1),
            "alerts": sum(said["kind"] == "alert" for said in messages),
            "cancels": sum(said["kind"] == "cancel" for said in messages),
            "closes": sum(said["kind"] == "close" for said in messages),
            "acts": sum(said["kind"] not in MESSAGES for said in messages),
            "drills": sum(said["kind"] == "drill" for said in messages),
            "pages": len(pages),
            "pages_whole": sum(sent.whole for sent in pages),
            "chat_calls": len(self.chat.calls_us),
            "deeds": len(self.people.deeds),
            "kills": len(self.downs),
            "leavers": len(self.left),
            "boots": self.boots,
            "clock_steps": len(self.steps),
            "rows": len(self.rows),
        }


def _chance(seed: int) -> Random:
    """Return the chance of one run: one seed, one run. Nothing secret is made of it."""
    return Random(seed)  # noqa: S311


def _receipt(committed: Committed) -> dict[str, object]:
    assert committed.receipt is not None, "whoever asks is answered"
    return receipt_json(committed.receipt, committed.seq)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
