"""The engine between a journal and its drivers: what a duplicate, a burst, a moved clock, a lost
disk, a reload and a mistake of ours do to it."""

import asyncio
import contextlib
import json
import time
from base64 import b64decode
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

import gateway.engine as engine_module
from gateway.core.after.events import OrderActed
from gateway.core.alert import Alert, AlertKind, Level
from gateway.core.answers.events import ButtonPressed, TextReceived
from gateway.core.calls.events import BreakTaken, CardPosted
from gateway.core.effects import EditCard, PageChannel, PostCard
from gateway.core.events import ClockStepped, InputRefused, PathChanged
from gateway.core.intake.events import AlertReceived, MessageNoted
from gateway.core.order import Assignment, Card, Order, Timer
from gateway.core.people import ERASED, Contact, Person
from gateway.engine import Engine
from gateway.interfaces import Cursor, JournalError, SetupError
from gateway.journal import SqliteJournal, verify
from gateway.journal.codec import event_from
from gateway.journal.memory import MemoryJournal
from gateway.records import Records
from gateway.reloaded import Reloaded
from tests.core.site_for_tests import ACCOUNTS, NOON_US, PEOPLE, catalogue, make_site

US = 1_000_000
NAMES = ("zhang", "li", "head", "chief", "station")
# Where the monotonic clock stands depends on how long the machine has been up: the stories begin
# at noon, in the middle of a shift, all the same.
BEGAN_S = time.monotonic()


class Clock:
    """A wall clock that goes with the loop's, until somebody moves it."""

    def __init__(self):
        self.moved_us = 0
        self.trusted = True

    def now_us(self):
        return NOON_US + int((time.monotonic() - BEGAN_S) * US) + self.moved_us

    def synchronised(self):
        return self.trusted


@dataclass
class Keeper:
    """A driver that keeps what it is given."""

    name: str
    taken: list = field(default_factory=list)

    def deliver(self, outgoing):
        self.taken.append(outgoing)

    def effects(self, kind):
        return [o.effect for o in self.taken if isinstance(o.effect, kind)]


class Running:
    """One engine at work, on a journal that outlives it."""

    def __init__(self, journal, *, clock=None, site=None, records=None, reloader=None, names=()):
        self.clock = clock or Clock()
        self.journal = journal
        self.radio, self.chat = Keeper("radio"), Keeper("chat:work")
        self.engine = Engine(
            journal=journal,
            records=Records(records or Path("/nowhere")),
            site=site or make_site(acknowledge_s=(60, 60, 60)),
            clock=self.clock,
            reloader=reloader,
        )
        self.names = names or NAMES
        self.task = None
        self._alerts = 0

    async def __aenter__(self):
        people = [PEOPLE[n] for n in self.names]
        contacts = [
            Contact(person=n, chat="work", address=ACCOUNTS[n], since_us=0)
            for n in self.names
            if n in ACCOUNTS
        ]
        ready = asyncio.Event()
        drivers = {"radio": self.radio, "chat:work": self.chat}
        work = self.engine.run(drivers, people, contacts, ready)
        self.task = asyncio.ensure_future(work)
        waiting = asyncio.ensure_future(ready.wait())
        await asyncio.wait((self.task, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self.task.done():
            self.task.result()
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError, ExceptionGroup):
            await self.task

    def received(self, alert_id="JQ-1", **fields):
        now_us = self.clock.now_us()
        alert = Alert(
            kind=AlertKind.ALERT, id=alert_id, sender="zhzx", sent_us=now_us, category="fight",
            level=Level.TWO, text="有人打架", grid="G1", body_sha256=f"{alert_id:a>64}",
        )  # fmt: skip
        return AlertReceived(at_us=now_us, door="http", alert=replace(alert, **fields))

    async def alert(self, alert_id="JQ-1", **fields):
        return (await self.engine.submit(self.received(alert_id, **fields))).receipt

    async def until(self, condition, what, limit_s=5.0):
        try:
            async with asyncio.timeout(limit_s):
                while not condition():  # noqa: ASYNC110  # many things may change it
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"waited {limit_s} s for {what}") from None

    @property
    def state(self):
        return self.engine._state

    def order(self, order="o1"):
        return self.state.find(Order, order)

    def events(self, kind):
        """Every event of a kind in the (memory) journal, as it is read back."""
        found = []
        for row, _ in self.journal.tables.rows:
            if row.kind == kind.__name__:
                import json

                plain = json.loads(row.body)["event"]
                found.append(event_from(row.kind, plain, self.journal._value_of))
        return found


def again(before, **options):
    """An engine started on what another one left behind."""
    journal = MemoryJournal(boot_id=options.pop("boot_id", "memory"), tables=before.journal.tables)
    return Running(journal, clock=options.pop("clock", before.clock), **options)


# -- the caller --------------------------------------------------------------------------------


class SlowJournal(MemoryJournal):
    """A disk that can be held up and can fail."""

    def __init__(self, **options):
        super().__init__(**options)
        self.gate = asyncio.Event()
        self.gate.set()
        self.failed = None
        self._failing = asyncio.Event()

    def append(self, entry):
        if self.failed:
            raise JournalError(self.failed)
        written = super().append(entry)
        return asyncio.ensure_future(self._later(written.result()))

    async def _later(self, written):
        await self.gate.wait()
        if self.failed:
            raise JournalError(self.failed)
        return written

    async def probe(self):
        await self.gate.wait()

    def fail(self, reason):
        self.failed = reason
        self._failing.set()
        self.gate.set()

    async def failure(self):
        await self._failing.wait()
        return JournalError(self.failed)


@pytest.mark.asyncio
async def test_a_caller_that_is_cancelled_takes_nothing_back():
    async with Running(SlowJournal()) as run:
        run.journal.gate.clear()
        caller = asyncio.ensure_future(run.alert())
        await run.until(lambda: run.order(), "the decision")
        assert run.chat.taken == [], "nothing leaves before the commit"
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        run.journal.gate.set()
        await run.until(lambda: run.chat.effects(PostCard), "the cards")
        assert run.radio.effects(PageChannel)
        assert (await run.alert()).status == "duplicate"


@pytest.mark.asyncio
async def test_the_same_alert_a_hundred_times_at_once_is_one_order():
    async with Running(SlowJournal()) as run:
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(run.alert()) for _ in range(100)]
        statuses = sorted(t.result().status for t in asked)
        assert statuses == ["accepted"] + ["duplicate"] * 99
        assert {t.result().order for t in asked} == {"o1"}
        await run.until(lambda: run.radio.effects(PageChannel), "the page")
        assert len(run.radio.effects(PageChannel)) == 1


@pytest.mark.asyncio
async def test_what_cannot_be_journalled_is_refused_alone_and_changes_nothing():
    async with Running(MemoryJournal()) as run:
        rows = len(run.journal.tables.rows)
        bad = PathChanged(at_us=run.clock.now_us(), path="chat:work", up=False, reason="\0")
        with pytest.raises(ValueError, match="reason"):
            await run.engine.submit(bad)
        assert len(run.journal.tables.rows) == rows
        assert (await run.alert()).status == "accepted"


@pytest.mark.asyncio
async def test_no_receipt_and_no_effect_after_the_disk_has_failed():
    """Whoever waits is told at once; the engine ends, for the supervisor to start another."""
    run = Running(SlowJournal())
    async with run:
        run.journal.gate.clear()
        waiting = asyncio.ensure_future(run.alert())
        await run.until(lambda: run.order(), "the decision")
        run.journal.fail("database or disk is full")
        with pytest.raises((JournalError, asyncio.CancelledError)):
            async with asyncio.timeout(2):
                await waiting
        with pytest.raises(ExceptionGroup) as ended:
            await run.task
        assert ended.group_contains(JournalError, match="full")
        with pytest.raises(JournalError):
            await run.alert("JQ-2")
        assert run.chat.taken == run.radio.taken == []


@pytest.mark.asyncio
async def test_health_is_bad_while_the_disk_stands_still(monkeypatch):
    monkeypatch.setattr(engine_module, "PROBE_EVERY_S", 0.05)
    monkeypatch.setattr(engine_module, "STALE_COMMIT_S", 0.3)
    async with Running(SlowJournal()) as run:
        for _ in range(8):
            assert run.engine.health()["ok"], "proved while nothing happens"
            await asyncio.sleep(0.05)
        run.journal.gate.clear()
        await run.until(lambda: not run.engine.health()["ok"], "bad health")
        run.journal.gate.set()
        await run.until(lambda: run.engine.health()["ok"], "good health")


@pytest.mark.asyncio
async def test_a_burst_of_a_thousand_alerts():
    async with Running(MemoryJournal()) as run:
        took_s = []

        async def one(n):
            began = time.monotonic()
            receipt = await run.alert(f"JQ-{n}", level=Level(1 + n % 3))
            took_s.append(time.monotonic() - began)
            return receipt

        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(one(n)) for n in range(1000)]
        whole_s = time.monotonic() - began
        print(f"\n1000 alerts at once: {whole_s:.2f} s, slowest {max(took_s):.2f} s")
        assert len({t.result().order for t in asked}) == 1000
        assert len({t.result().number for t in asked}) == 1000
        await run.until(lambda: len(run.radio.effects(PageChannel)) == 1000, "the pages")
        assert whole_s < 20


# -- clocks ------------------------------------------------------------------------------------


def quick_site():
    return make_site(
        acknowledge_s=(1, 1, 1), rung_s=(60, 60, 60),
        ladder=("repeat", "second_manager", "first_manager"),
    )  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize("hours", [1, -1])
async def test_a_moved_wall_clock_moves_no_deadline_and_expires_nothing(hours):
    async with Running(MemoryJournal(), site=quick_site()) as run:
        await run.alert()
        began = time.monotonic()
        run.clock.moved_us += hours * 3600 * US
        await run.until(lambda: run.order().rung, "the first rung")
        assert 0.5 < time.monotonic() - began < 2.5
        assert run.order().rung == 1, "no rung was passed over"
        assert run.order().status.value == "calling"
        # Decided is not yet handed out: that comes with the commit.
        await run.until(lambda: len(run.radio.effects(PageChannel)) == 2, "its page")
        (stepped,) = run.events(ClockStepped)
        assert abs(stepped.by_us - hours * 3600 * US) < 10_000
        ladder = run.state.find(Timer, "ladder/o1")
        assert 50 * US < ladder.due_us - run.clock.now_us() <= 60 * US


@pytest.mark.asyncio
async def test_a_clock_moved_while_nobody_was_here_moves_no_deadline():
    """Same boot: the monotonic clock knows how long it was. Other boot: at least not less."""
    for boot, hours in (("memory", 1), ("memory", -1), ("after the power cut", -1)):
        async with Running(MemoryJournal(), site=quick_site()) as first:
            await first.alert()
        first.clock.moved_us += hours * 3600 * US
        async with again(first, boot_id=boot, site=quick_site()) as run:
            await run.until(lambda run=run: run.order().rung, "the first rung", 3)
            assert run.order().rung == 1, (boot, hours)
            assert run.order().status.value == "calling", (boot, hours)


@pytest.mark.asyncio
async def test_overdue_clocks_ring_once_and_call_only_the_present_rung():
    site = make_site(
        acknowledge_s=(1, 1, 1), rung_s=(1, 1, 1),
        ladder=("repeat", "second_manager", "first_manager"),
    )  # fmt: skip
    async with Running(MemoryJournal(), site=site) as first:
        await first.alert()
    first.clock.moved_us += 3 * US  # a machine that was off
    async with again(first, boot_id="another boot", site=site) as run:
        await run.until(lambda: run.order().rung, "a rung")
        assert run.order().rung == 3
        assert len(run.radio.effects(PageChannel)) == 1, "the page that was unsettled"
        to_chief = lambda: [  # noqa: E731
            c for c in run.chat.effects(PostCard) if c.address == ACCOUNTS["chief"]
        ]
        await run.until(to_chief, "his card")
        assert len(to_chief()) == 1
        assert not [c for c in run.chat.effects(PostCard) if c.address == ACCOUNTS["head"]]


@pytest.mark.asyncio
async def test_an_unset_clock_expires_nothing():
    async with Running(MemoryJournal()) as first:
        await first.alert()
    first.clock.moved_us -= 40 * 365 * 24 * 3600 * US
    async with again(first, boot_id="another boot") as run:
        assert not run.engine.health()["clock_synchronised"]
        assert run.order().status.value == "calling"
        run.clock.moved_us += 40 * 365 * 24 * 3600 * US
        await run.until(lambda: run.engine.health()["clock_synchronised"], "a clock set right")
        await run.until(lambda: len(run.events(ClockStepped)) == 2, "the step")
        assert run.order().status.value == "calling"


@pytest.mark.asyncio
@pytest.mark.parametrize(("boot", "doubted"), [("another boot", True), ("memory", False)])
async def test_a_machine_that_starts_a_little_before_it_stopped_has_its_clock_behind(boot, doubted):
    """By how much is not known. In the same boot the monotonic clock tells it: ten seconds."""
    async with Running(MemoryJournal()) as first:
        await first.alert()
    first.clock.moved_us -= 10 * US
    async with again(first, boot_id=boot) as run:
        assert ("clock_doubt" in run.order().flags) is doubted
        assert "clock_stepped" not in run.order().flags


# -- a mistake of ours -------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_an_event_that_the_core_fails_on_is_put_aside(monkeypatch):
    """It changes nothing, is journalled with its cursor, and never comes again to stop us."""
    real = engine_module.step

    def step(state, site, event, **more):
        if isinstance(event, TextReceived) or "JQ-13" in repr(event):
            raise ZeroDivisionError("a mistake of ours")
        return real(state, site, event, **more)

    monkeypatch.setattr(engine_module, "step", step)
    async with Running(MemoryJournal()) as run:
        poison = run.received("JQ-13")
        text = TextReceived(
            at_us=run.clock.now_us(), chat="work", address="1001", group=None, text="你好",
            message="7",
        )  # fmt: skip
        cursor = Cursor(source="telegram:work", position="41")
        committed = await run.engine.submit(text, cursor=cursor)
        assert committed.seq
        assert await run.engine.cursor("telegram:work") == "41"
        receipt = (await run.engine.submit(poison)).receipt
        assert receipt.status == "refused"
        assert receipt.reason == fault("AlertReceived")
        assert [e.door for e in run.events(InputRefused)] == ["engine", "engine"]
        assert (await run.alert("JQ-14")).status == "accepted"
        kept = [json.loads(b64decode(e.raw)) for e in run.events(InputRefused)]
        assert kept[0]["text"] == "你好"
        assert kept[1]["alert"]["id"] == "JQ-13"


def fault(kind):
    """What a Chinese site is told of a mistake of ours."""
    said = catalogue("zh_CN")["why_fault"]
    return said.format(event=kind, error="ZeroDivisionError")


@pytest.mark.asyncio
async def test_nobody_is_told_that_it_is_done_where_the_core_has_failed(monkeypatch):
    """Whoever acted, and whoever waits for a receipt, is told of the fault."""
    real = engine_module.step

    def step(state, site, event, **more):
        if getattr(event, "by", None) == "李警官" or isinstance(event, MessageNoted):
            raise ZeroDivisionError("a mistake of ours")
        return real(state, site, event, **more)

    monkeypatch.setattr(engine_module, "step", step)
    async with Running(MemoryJournal()) as run:
        now_us = run.clock.now_us()
        acts = (
            BreakTaken(at_us=now_us, person="zhang", minutes=30, by="李警官"),
            MessageNoted(at_us=now_us, door="mqtt", sender="zhzx", id="A-1", what="ack"),
        )
        for act in acts:
            receipt = (await run.engine.submit(act)).receipt
            assert receipt.status == "refused"
            assert receipt.reason == fault(type(act).__name__)
        for what, answer in (
            ("EnrolmentIssued", await run.engine.enrol("zhang", by="李警官")),
            ("PersonLeft", await run.engine.leave("zhang", by="李警官")),
            ("PersonErased", await run.engine.erase("zhang", by="李警官")),
        ):
            assert not answer["ok"]
            assert fault(what) in answer["errors"][0]
        assert run.engine.people()[0]["active"]


# -- reload ------------------------------------------------------------------------------------


def reloader_for(run_of, drivers, site, fails=None):
    async def reload(path):
        def apply():
            if fails:
                raise SetupError(fails)
            run_of().engine.change_drivers(drivers())

        return Reloaded(site=site, apply=apply)

    return reload


@pytest.mark.asyncio
async def test_what_an_old_driver_had_not_settled_is_its_successors():
    new = Keeper("chat:work")
    run = Running(
        MemoryJournal(),
        reloader=reloader_for(
            lambda: run, lambda: {"radio": run.radio, "chat:work": new}, make_site()
        ),
    )
    async with run:
        await run.alert()
        await run.until(lambda: len(run.chat.effects(PostCard)) == 4, "cards")
        first, second, third, fourth = run.chat.taken
        run.engine.started(first.id)
        run.engine.settle(second.id)
        posted = CardPosted(at_us=run.clock.now_us(), card=third.effect.card, message="7")
        await run.engine.submit(posted, settles=(third.id,))
        assert (await run.engine.reload("x"))["ok"]
        assert [(o.id, o.again) for o in new.taken] == [(first.id, True), (fourth.id, False)]
        assert run.radio.effects(PageChannel), "the radio was not changed"
        assert len(run.radio.taken) == 1, "and is asked for nothing twice"


@pytest.mark.asyncio
async def test_a_chat_that_is_taken_away_fails_its_cards_and_its_path():
    run = Running(
        MemoryJournal(),
        reloader=reloader_for(lambda: run, lambda: {"radio": run.radio}, make_site()),
    )
    async with run:
        for path in ("chat:work", "channel:ch1", "channel:gone"):
            await run.engine.submit(PathChanged(at_us=run.clock.now_us(), path=path, up=True))
        await run.alert()
        await run.until(lambda: run.chat.effects(PostCard), "cards")
        assert (await run.engine.reload("x"))["ok"]
        cards = lambda: {c.state for c in run.state.each(Card)}  # noqa: E731
        await run.until(lambda: cards() == {"failed"}, "failed cards")
        assert set(run.engine.health()["paths"]) == {"channel:ch1"}
        assert 'path="chat:work"' not in run.engine.metrics()
        assert not [r for r, started in run.journal.tables.unsettled.items() if r > 1]


@pytest.mark.asyncio
async def test_a_reload_that_cannot_be_applied_changes_nothing():
    other = replace(make_site(), version="other")
    run = Running(
        MemoryJournal(),
        reloader=reloader_for(lambda: run, dict, other, fails="no space left on device"),
    )
    async with run:
        answer = await run.engine.reload("x")
        assert answer == {"ok": False, "errors": ["no space left on device"]}
        assert run.engine.health()["settings"] == "test"


@pytest.mark.asyncio
async def test_a_grid_taken_away_under_an_open_order():
    without = make_site(acknowledge_s=(1, 1, 1))
    without = replace(without, grids={k: g for k, g in without.grids.items() if k != "G1"})
    run = Running(
        MemoryJournal(), site=make_site(acknowledge_s=(1, 1, 1)),
        reloader=reloader_for(
            lambda: run, lambda: {"radio": run.radio, "chat:work": run.chat}, without
        ),
    )  # fmt: skip
    async with run:
        await run.alert()
        assert (await run.engine.reload("x"))["ok"]
        await run.until(lambda: run.order().rung, "the ladder going on")
        act = OrderActed(
            at_us=run.clock.now_us(), order="o1", act="close", by="值班员", result="无"
        )
        assert (await run.engine.submit(act)).receipt.status == "accepted"


# -- following ---------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_followers_get_every_report_once_and_in_order_under_load(tmp_path):
    file = tmp_path / "journal.db"
    journal = SqliteJournal(file, boot_id="b")
    async with Running(journal, records=file) as run:
        got = [[] for _ in range(4)]

        async def follow(n, after):
            async for report in run.engine.follow(after_seq=after):
                got[n].append((report.seq, report.part))
                if n == 3:
                    await asyncio.sleep(0.001)  # a slow one

        followers = [asyncio.ensure_future(follow(n, n * 20)) for n in range(4)]
        async with asyncio.TaskGroup() as group:
            for n in range(200):
                group.create_task(run.alert(f"JQ-{n}"))
                await asyncio.sleep(0.002)
        everything = [(r.seq, r.part) for r in await Records(file).reports(limit=10_000)]
        for n, mine in enumerate(got):
            due = [r for r in everything if r[0] > n * 20]
            await run.until(lambda mine=mine, due=due: len(mine) >= len(due), f"follower {n}")
            assert mine == due
        for follower in followers:
            follower.cancel()
    await journal.close()


# -- erasing -----------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_an_erased_person_is_named_nowhere_and_the_chain_holds(tmp_path):
    file = tmp_path / "journal.db"
    journal = SqliteJournal(file, boot_id="b")
    async with Running(journal, records=file) as run:
        await run.alert()
        await run.until(lambda: run.chat.effects(PostCard), "cards")
        for row in run.chat.taken:
            posted = CardPosted(at_us=run.clock.now_us(), card=row.effect.card, message="7")
            await run.engine.submit(posted, settles=(row.id,))
        said = TextReceived(
            at_us=run.clock.now_us(), chat="work", address=ACCOUNTS["zhang"], group=None,
            text="不能去，孩子病了", message="8", reply_to="7",
        )  # fmt: skip
        await run.engine.submit(said)
        assert run.state.find(Assignment, "o1/zhang").reason
        assert (await run.engine.erase("nobody"))["ok"] is False
        assert (await run.engine.erase("zhang"))["ok"]
        person = run.state.find(Person, "zhang")
        assert (person.name, person.active) == (ERASED, False)
        assert run.state.contacts_of("zhang") == []
        assert ERASED in run.state.find(Assignment, "o1/zhang").reason
        # Later changes of the order write nothing of him down again.
        act = OrderActed(
            at_us=run.clock.now_us(), order="o1", act="close", by="值班员", result="查无此事"
        )
        await run.engine.submit(act)
        closed = lambda: [  # noqa: E731
            e.text for e in run.chat.effects(EditCard) if "查无此事" in e.text
        ]
        await run.until(closed, "edits that tell the end")
        assert not any("张三" in text for text in closed())
        pressed = ButtonPressed(
            at_us=run.clock.now_us(), chat="work", address=ACCOUNTS["zhang"], order="o1",
            action="1", press="9", private=True,
        )  # fmt: skip
        await run.engine.submit(pressed)
        for row in run.engine._out.unsettled:
            run.engine.settle(row)
        await run.engine._journal.probe()
        order = await Records(file).order("o1")
        assert [p["name"] for p in order["people"] if p["person"] == "zhang"] == [None]
        assert "孩子病了" not in str(order)
        assert ACCOUNTS["zhang"] not in str(order)
    await journal.close()
    assert verify(file).ok
    shown = tmp_path / "export.jsonl"
    with shown.open("w", encoding="utf-8") as out:
        await Records(file).export(out, personal=True)
    for words in ("张三", "孩子病了"):
        assert words not in shown.read_text("utf-8")
        for path in tmp_path.glob("journal.db*"):
            assert words.encode() not in path.read_bytes(), path


@pytest.mark.asyncio
async def test_an_erasure_cut_in_the_middle_is_finished_at_the_next_start(tmp_path):
    file = tmp_path / "journal.db"
    first = SqliteJournal(file, boot_id="b")

    async def cut(owner):
        raise JournalError("the power went")

    async with Running(first, records=file) as run:
        run.engine._journal.erase = cut
        with pytest.raises(JournalError):
            await run.engine.erase("zhang")
    await first.close()
    second = SqliteJournal(file, boot_id="b")
    async with Running(second, records=file) as run:
        await run.until(lambda: not second._sealer.knows("zhang"), "the erasure")
        await second.probe()
        assert run.state.find(Person, "zhang").name == ERASED, "the settings bring nobody back"
    await second.close()
    assert verify(file).ok
