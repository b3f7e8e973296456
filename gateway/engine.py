"""The engine: inbox → core step → journal → effects to drivers. One engine, one writer.

Rules for whoever edits this file:

1. Between a step and the queueing of its journal entry nothing waits, so rows stand in the
   order in which they were decided.
2. No effect, receipt or report leaves before its transaction is on the disk.
3. Nothing is decided here: what an event means is ``gateway.core.dispatch``.
4. A failed commit ends the engine; the supervisor starts another, which reads the journal.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import structlog

from gateway.clocks import CLOCK_STEP_US, Clocks, mono_us
from gateway.core.answers.replies import CODE_LENGTH, CODE_LETTERS, code_digest
from gateway.core.dispatch import step
from gateway.core.events import ClockStepped, Event, JournalReplaced, SettingsReloaded, Started
from gateway.core.guard_reports.report import GuardReport, guard_report_json
from gateway.core.intake.events import AlertReceived
from gateway.core.order import Path, Timer
from gateway.core.people import ERASED, Contact, Person
from gateway.core.places import Site
from gateway.core.readiness.event_plans import site_in_force
from gateway.core.readiness.settings import CoverGap, Power
from gateway.core.register.as_json import concerns, duty_json, people_json
from gateway.core.register.events import (
    EnrolmentIssued,
    PersonErased,
    PersonLeft,
    RegisterSeeded,
)
from gateway.core.state import State
from gateway.core.talk.events import TalkSwitched
from gateway.decided import Decided, entry_of, opens_level_1, put_aside
from gateway.forgotten import with_prior
from gateway.hand_out import HandOut, not_sent, once_more
from gateway.interfaces import (
    Committed,
    Cursor,
    Driver,
    GridcallError,
    JournalError,
    Measured,
    Outgoing,
    Report,
    WallClock,
    Wanted,
)
from gateway.journal.contract import Journal, Recovered, Written
from gateway.metrics import Metrics
from gateway.published import Published
from gateway.records import Records
from gateway.reloaded import Reloaded, Reloader

log = structlog.get_logger("gridcall.engine")

US = 1_000_000

# The disk is proved this often while nothing happens, so that /healthz tells of a dead disk.
PROBE_EVERY_S = 5.0
# A commit older than this means that the journal stands still.
STALE_COMMIT_S = 15.0
# Nothing decided for so long: time for what can wait.
QUIET_AFTER_S = 2.0
# A one-time code lives this long (security.md §4).
CODE_LIFE_US = 600 * US
# Rows of people in one seeding row: keeps rows readable and commits short.
SEED_CHUNK = 100
# A wall clock this far behind the journal's last row is not to be trusted.
CLOCK_SLACK_US = 3600 * US


class Engine:
    """The one writer: Intake for drivers, Queries and Control for doors and command line."""

    def __init__(
        self,
        *,
        journal: Journal,
        records: Records,
        site: Site,
        clock: WallClock,
        reloader: Reloader | None = None,
        quiet_s: float | None = None,
    ) -> None:
        self._quiet_s = quiet_s  # on virtual time: how often the disk and clock are looked at
        self._journal = journal
        self._records = records
        self._site = site
        self._clock = clock
        self._reloader = reloader
        self._state = State()
        self._figures = Metrics()
        self._out = HandOut(self._no_such_driver, self._end)
        self._clocks = Clocks(
            clock, self._timer, self._take_quietly, self._figures.timer_error
        )
        self._published = Published(
            self._name_of, lambda after, limit: records.reports(after_seq=after, limit=limit)
        )
        # Who waits for a commit; None while the engine does not run.
        self._callers: set[asyncio.Future[Committed]] | None = None
        self._broken: asyncio.Future[Exception] | None = None
        self._cursors: dict[str, str] = {}
        self._seq = 0
        self._committed_at_s = 0.0
        self._decided_at_s = 0.0
        # Before this moment the wall clock is not to be trusted: the journal has seen later.
        self._trusted_from_us = 0
        self._reloading = asyncio.Lock()
        # What else health has to say, and who says it.
        self.also_healthy: dict[str, Callable[[], object]] = {}
        # Returns the name of the journal's last good copy; in a thread.
        self.last_backup: Callable[[], str | None] = lambda: None

    # ---- life ----

    async def run(
        self,
        drivers: Mapping[str, Driver],
        people: Iterable[Person],
        contacts: Iterable[Contact],
        ready: asyncio.Event,
    ) -> None:
        """Recover, then serve until cancelled or until the journal fails.

        Raises:
            JournalError: The journal is damaged or cannot be written any more.
            SetupError: Another daemon writes this journal.
        """
        self._out.change_drivers(drivers)
        recovered = await self._journal.recover()
        self._callers = set()
        self._broken = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch_journal(), name="engine.watch")
                group.create_task(_raise(self._broken), name="engine.broken")
                await self._take_over(recovered)
                await self._seed(people, contacts)
                self._out.give((name, once_more(out)) for name, out in recovered.outbox)
                for timer in list(self._state.each(Timer)):
                    self._clocks.arm(timer)
                group.create_task(self._prove(), name="engine.prove")
                group.create_task(self._clocks.watch(self._quiet_s), name="engine.clock")
                group.create_task(self._finish_erasures(), name="engine.erase")
                ready.set()
        finally:
            self._stop()

    def _stop(self) -> None:
        """Leave nobody waiting for a commit that this engine will not see any more."""
        callers, self._callers = self._callers or set(), None
        for done in callers:
            if not done.done():
                done.set_exception(
                    JournalError("the engine has stopped; this was not confirmed")
                )
        self._clocks.stop()

    async def _take_over(self, recovered: Recovered) -> None:
        self._state = State(recovered.entities)
        self._cursors = dict(recovered.cursors)
        self._seq = recovered.seq
        self._published.begin(recovered.seq)
        self._trusted_from_us = recovered.last_at_us - CLOCK_SLACK_US
        now_us = self._clock.now_us()
        down_us, moved_us = self._downtime_us(recovered, now_us)
        if recovered.replaced is not None:
            kept_as = recovered.replaced.kept_as
            backup = await asyncio.to_thread(self.last_backup)
            log.critical("the journal is new", put_aside=kept_as, last_good_backup=backup)
            await self.submit(JournalReplaced(at_us=now_us, kept_as=kept_as, backup=backup))
        if abs(moved_us) > CLOCK_STEP_US:
            await self.submit(ClockStepped(at_us=now_us, by_us=moved_us))
        # No machine is off for less than no time: it has started with a clock that is behind.
        behind = recovered.last_mono_us is None and moved_us < -CLOCK_STEP_US
        trusted = self._synchronised() and not behind
        started = Started(at_us=now_us, down_us=down_us, synchronised=trusted)
        await self.submit(started)
        unsettled = len(recovered.outbox)
        log.info("recovered", seq=recovered.seq, down_s=down_us // US, unsettled=unsettled)

    def _downtime_us(self, recovered: Recovered, now_us: int) -> tuple[int, int]:
        """Return how long nobody was here, and how far the wall clock was moved meanwhile."""
        self._clocks.begin(now_us)
        if not recovered.seq:
            return 0, 0
        passed_us = now_us - recovered.last_at_us
        if recovered.last_mono_us is not None:  # the same boot: the monotonic clock knows
            down_us = max(0, mono_us() - recovered.last_mono_us)
            return down_us, passed_us - down_us
        return max(0, passed_us), min(0, passed_us)

    def _synchronised(self) -> bool:
        behind = self._clock.now_us() < self._trusted_from_us
        return not behind and self._clock.synchronised()

    async def _seed(self, people: Iterable[Person], contacts: Iterable[Contact]) -> None:
        """Put people of the settings into the register whom it does not know yet."""
        new = [p for p in people if self._state.find(Person, p.id) is None]
        known = {p.id for p in new}
        theirs = [c for c in contacts if c.person in known]
        now_us = self._clock.now_us()
        for i in range(0, len(new), SEED_CHUNK):
            chunk = tuple(new[i : i + SEED_CHUNK])
            ids = {p.id for p in chunk}
            seeded = tuple(replace(c, since_us=now_us) for c in theirs if c.person in ids)
            await self.submit(RegisterSeeded(at_us=now_us, people=chunk, contacts=seeded))

    async def _watch_journal(self) -> None:
        raise await self._journal.failure()

    async def _prove(self) -> None:
        """Commit now and then while nothing happens, so that health speaks of the disk."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._quiet_s or PROBE_EVERY_S)
            if loop.time() - self._committed_at_s >= PROBE_EVERY_S:
                await self._journal.probe()
                self._committed_at_s = loop.time()

    async def _finish_erasures(self) -> None:
        """Erase whom we were erasing when we died; who is gone already costs nothing."""
        for person in list(self._state.each(Person)):
            if person.name == ERASED:
                await self._journal.erase(person.id)

    # ---- Intake ----

    async def submit(
        self, event: Event, *, settles: Sequence[int] = (), cursor: Cursor | None = None
    ) -> Committed:
        """Return once the event and all it caused is on the disk.

        The caller may be cancelled meanwhile; the work is the engine's own task and goes on.

        Raises:
            ValueError: The event cannot be journalled; nothing has changed.
        """
        event = await with_prior(event, self._state, self._journal)
        if self._callers is None:
            raise JournalError("the engine has stopped; nothing is journalled any more")
        done: asyncio.Future[Committed] = asyncio.get_running_loop().create_future()
        self._take(event, tuple(settles), cursor, done)
        self._callers.add(done)
        done.add_done_callback(self._callers.discard)
        return await done

    def _take(
        self,
        event: Event,
        settles: tuple[int, ...] = (),
        cursor: Cursor | None = None,
        done: "asyncio.Future[Committed] | None" = None,
    ) -> None:
        """Decide on an event now; let out what it asks for, and tell ``done``, when it is safe.

        Raises:
            ValueError: It cannot be journalled; nothing has changed.
            JournalError: Nothing can be journalled any more.
        """
        self._clocks.check()
        try:
            decided = self._decide(event, settles, cursor)
        except ValueError as error:
            log.error("event not journalled", kind=type(event).__name__, why=str(error))
            raise
        except JournalError:
            raise
        except Exception as error:
            self._end(error)
            raise JournalError(f"the engine has failed: {error}") from error
        for row in settles:
            self._out.settle(row)
        if isinstance(event, AlertReceived):
            self._out.receipt_due()
        decided.waiting.add_done_callback(partial(self._finish, decided, done))

    def _take_quietly(self, event: Event, settles: tuple[int, ...] = ()) -> None:
        """Take in what nobody waits for."""
        if self._callers is not None:
            # Told in the log where it was refused; a journal that has failed ends the engine.
            with suppress(ValueError, JournalError):
                self._take(event, settles)

    def _decide(
        self, event: Event, settles: tuple[int, ...], cursor: Cursor | None
    ) -> Decided:
        """Decide on an event and queue its transaction, without a wait in between.

        Raises:
            ValueError: It cannot be journalled; nothing has changed.
            JournalError: Nothing can be journalled any more.
        """
        began_s = self._decided_at_s = self._now_s()
        synchronised = self._synchronised()
        try:
            outcome = step(
                self._state, self._site, event, synchronised=synchronised,
                taken_us=self._clock.now_us(),
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001  # a supervisor's duty: see put_aside
            event, outcome = put_aside(event, error, self._site)
        entry = entry_of(
            event, outcome, settles, cursor,
            settings=self._site.version, at_us=self._clock.now_us(),
        )  # fmt: skip
        waiting = self._journal.append(entry)
        # The state moves with the decision, not with the commit: the next event is decided on
        # it. If the commit fails the engine ends and nobody has been told anything.
        for change in outcome.changes:
            self._state.apply(change)
        return Decided(entry, outcome.effects, waiting, began_s)

    def _finish(
        self,
        decided: Decided,
        done: "asyncio.Future[Committed] | None",
        waiting: "asyncio.Future[Written]",
    ) -> None:
        """Let out what a transaction asks for, now that it is on the disk."""
        try:
            self._let_out(decided, done, waiting)
        except Exception as error:  # noqa: BLE001  # whatever it is, the engine cannot go on
            self._end(error)

    def _let_out(
        self,
        decided: Decided,
        done: "asyncio.Future[Committed] | None",
        waiting: "asyncio.Future[Written]",
    ) -> None:
        entry, effects = decided.entry, decided.effects
        alert = entry.event if isinstance(entry.event, AlertReceived) else None
        if alert is not None:
            self._out.receipt_given()
        written = self._outcome_of(waiting, done)
        if written is None or self._callers is None:
            return
        if done is not None and not done.done():
            done.set_result(Committed(seq=written.seq, receipt=entry.receipt))
        if entry.cursor is not None:
            self._cursors[entry.cursor.source] = entry.cursor.position
        self._seq = max(self._seq, written.seq)
        self._committed_at_s = self._now_s()
        self._figures.committed(self._committed_at_s - decided.began_s, effects)
        rows = zip(written.outbox_ids, entry.outbox, strict=True)
        self._out.take(
            [(driver, Outgoing(id=row, effect=effect)) for row, (driver, effect) in rows],
            at_once=alert is not None and opens_level_1(alert),
        )
        self._clocks.follow(entry.changes)
        if entry.reports:
            self._published.add(written.seq, entry.reports)

    def _outcome_of(
        self, waiting: "asyncio.Future[Written]", done: "asyncio.Future[Committed] | None"
    ) -> Written | None:
        """Return what was written; where nothing was, end the engine and return None.

        The state has moved and the journal has not, so this engine cannot go on.
        """
        error = None if waiting.cancelled() else waiting.exception()
        if error is None and not waiting.cancelled():
            return waiting.result()
        lost = JournalError(f"the transaction was not written: {error or 'cancelled'}")
        if done is not None and not done.done():
            done.set_exception(lost)
        self._end(lost)
        return None

    def _end(self, error: Exception) -> None:
        """End the engine: what it has in mind is not what is on the disk, or it is mistaken."""
        if self._broken is not None and not self._broken.done():
            self._broken.set_result(error)

    def _no_such_driver(self, name: str, outgoing: Outgoing) -> None:
        """Say that what was asked of a driver that is gone (a reload) cannot be done."""
        reason = f"{name} is not in the settings any more"
        failed = not_sent(outgoing.effect, self._clock.now_us(), reason)
        if failed is None:
            self.settle(outgoing.id)
            return
        self._take_quietly(failed, (outgoing.id,))

    def started(self, outbox_id: int) -> None:
        """Note that an outbox row is about to leave."""
        self._out.started(outbox_id)
        self._journal.note(started=(outbox_id,))

    def settle(self, outbox_id: int) -> None:
        """Note that an outbox row is done with."""
        self._out.settle(outbox_id)
        self._journal.note(settled=(outbox_id,))

    def note_cursor(self, cursor: Cursor) -> None:
        """Note how far a source has come."""
        self._cursors[cursor.source] = cursor.position
        self._journal.note(cursors=(cursor,))

    async def cursor(self, source: str) -> str | None:
        """Return the position last stored for a source, or None."""
        return self._cursors.get(source)

    # ---- Queries ----

    async def orders(self, *, open_only: bool, limit: int) -> list[dict[str, object]]:
        """Return orders, newest first."""
        return await self._records.orders(open_only=open_only, limit=limit)

    async def order(self, order: str) -> dict[str, object] | None:
        """Return one order with its whole timeline, or None."""
        return await self._records.order(order)

    async def recordings(self, wanted: Wanted) -> list[dict[str, object]]:
        """Return recordings of the air, newest first."""
        return await self._records.recordings(wanted)

    async def recording(self, seq: int) -> dict[str, object] | None:
        """Return the recording that a row of the journal tells of, or None."""
        return await self._records.recording(seq)

    async def reports(self, *, after_seq: int, limit: int) -> list[Report]:
        """Return reports of rows after ``after_seq``, oldest first."""
        return await self._records.reports(after_seq=after_seq, limit=limit)

    async def follow(self, *, after_seq: int) -> AsyncIterator[Report]:
        """Yield reports after ``after_seq`` for ever, each once it is on the disk."""
        async for report in self._published.follow(after_seq):
            yield report

    def health(self) -> dict[str, object]:
        """Return whether the daemon does its work, and what does not."""
        age_s = self._now_s() - self._committed_at_s
        paths = {p.id: {"up": p.up, "reason": p.reason} for p in self._paths()}
        return {
            "ok": age_s < STALE_COMMIT_S,
            "site": self._site.id,
            "settings": self._site.version,
            "journal": self._seq,
            "commit_age_s": round(age_s, 3),
            "clock_synchronised": self._synchronised(),
            "paths": paths,
            "open_orders": sum(1 for _ in self._state.open_orders()),
            "cover": sorted(
                gap.key for gap in self._state.each(CoverGap) if gap.kind != "unreachable"
            ),
            "power": next((p.state for p in self._state.each(Power)), "mains"),
            **{name: said() for name, said in self.also_healthy.items()},
        }

    def quiet(self) -> bool:
        """Return whether nothing but proofs of the disk was journalled for some seconds."""
        return self._now_s() - self._decided_at_s > QUIET_AFTER_S

    def metrics(self) -> str:
        """Return the Prometheus text."""
        open_orders = sum(1 for _ in self._state.open_orders())
        paths = {p.id: p.up for p in self._paths()}
        drivers = (d for d in self._out.drivers.values() if isinstance(d, Measured))
        readings = [reading for driver in drivers for reading in driver.readings()]
        return self._figures.text(
            seq=self._seq, open_orders=open_orders, paths=paths, readings=readings
        )

    def _paths(self) -> Iterator[Path]:
        """Yield the paths there still are: a reload may have taken a channel or a chat away."""
        for path in self._state.each(Path):
            kind, _, name = path.id.partition(":")
            drivers, channels = self._out.drivers, self._site.channels
            if name in channels if kind == "channel" else path.id in drivers:
                yield path

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()

    def _name_of(self, person: str) -> str | None:
        found = self._state.find(Person, person)
        return None if found is None or found.name == ERASED else found.name

    def _timer(self, timer: str) -> Timer | None:
        return self._state.find(Timer, timer)

    # ---- Control ----

    async def reload(self, path: str) -> dict[str, object]:
        """Put new settings in force, all or nothing; open orders keep what they were given."""
        if self._reloader is None:
            return {"ok": False, "errors": ["this daemon cannot reload"]}
        async with self._reloading:
            return await self._reload(await self._reloader(path))

    async def _reload(self, new: Reloaded) -> dict[str, object]:
        if new.site is None:
            return {"ok": False, "errors": list(new.errors)}
        try:
            new.apply()
        except GridcallError as error:
            return {"ok": False, "errors": [str(error)]}
        self._site = new.site
        await self._seed(new.people, new.contacts)
        now_us = self._clock.now_us()
        await self.submit(
            SettingsReloaded(at_us=now_us, version=new.site.version, by="command line")
        )
        return {"ok": True, "errors": [], "version": new.site.version}

    def change_drivers(self, drivers: Mapping[str, Driver]) -> None:
        """Use other drivers from now on (a reload).

        What an old driver had not settled is its successor's, in the order it was asked for.
        """
        self._out.change_drivers(drivers)

    async def enrol(self, person: str, *, by: str = "") -> dict[str, object]:
        """Issue a one-time code that binds a chat account to a person."""
        found = self._state.find(Person, person)
        if found is None or not found.active:
            return {"ok": False, "errors": [f"no active person {person!r} in the register"]}
        code = "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))
        now_us = self._clock.now_us()
        expires_us = now_us + CODE_LIFE_US
        digest = code_digest(code)
        committed = await self.submit(
            EnrolmentIssued(
                at_us=now_us, person=person, code_sha256=digest, expires_us=expires_us, by=by
            )
        )
        if (fault := _fault(committed)) is not None:
            return fault
        expires = datetime.fromtimestamp(expires_us / US, UTC).isoformat(timespec="seconds")
        return {"ok": True, "code": code, "person": person, "expires": expires}

    async def leave(self, person: str, *, by: str = "") -> dict[str, object]:
        """Strike a person from duty at once, on every medium."""
        if self._state.find(Person, person) is None:
            return {"ok": False, "errors": [f"no person {person!r} in the register"]}
        left = PersonLeft(at_us=self._clock.now_us(), person=person, by=by)
        return _fault(await self.submit(left)) or {"ok": True, "person": person}

    async def erase(self, person: str, *, by: str = "") -> dict[str, object]:
        """Strike a person off and make his name, accounts and words unreadable everywhere."""
        if self._state.find(Person, person) is None:
            return {"ok": False, "errors": [f"no person {person!r} in the register"]}
        erased = PersonErased(at_us=self._clock.now_us(), person=person, by=by)
        committed = await self.submit(erased)
        if (fault := _fault(committed)) is not None:
            return fault
        await self._journal.erase(person)
        # What was told of him before is read anew, without him.
        self._published.begin(max(self._seq, committed.seq))
        return {"ok": True, "person": person}

    async def switch_talk(
        self, group: str, *, on: bool, for_s: int | None, by: str
    ) -> dict[str, object]:
        """Patch a talk group's channels and chats together, or part them, from now on."""
        if group not in self._site.talk_groups:
            known = ", ".join(sorted(self._site.talk_groups)) or "none"
            return {"ok": False, "errors": [f"no talk group {group!r}; there are: {known}"]}
        now_us = self._clock.now_us()
        until_us = None if for_s is None else now_us + for_s * US
        switched = TalkSwitched(at_us=now_us, group=group, on=on, until_us=until_us, by=by)
        done = {"ok": True, "group": group, "on": on, "until_us": until_us}
        return _fault(await self.submit(switched)) or done

    def people(self) -> list[dict[str, object]]:
        """Return the register, each person as ``person_json`` tells him."""
        site = site_in_force(self._state, self._site)
        return people_json(self._state, site, self._clock.now_us())

    def guard_reports(self) -> list[dict[str, object]]:
        """Return guards' reports in memory with what became of each, newest first."""
        found = [r for r in self._state.each(GuardReport) if r.state != "draft"]
        found.sort(key=lambda report: report.opened_us, reverse=True)
        return [guard_report_json(report) for report in found]

    def own_people(self, organisation: str) -> frozenset[str]:
        """Return the ids of everybody of a body, of those who have left as well."""
        everybody = self._state.each(Person)
        return frozenset(p.id for p in everybody if p.organisation == organisation)

    def concerns(self, order: str, organisation: str) -> bool:
        """Return whether a body raised a live order, or has people in it."""
        return concerns(self._state, order, organisation)

    def duty(self, *, days: int, person: str | None, grid: str | None) -> dict[str, object]:
        """Return who stands which shift in the days to come."""
        now_us = self._clock.now_us()
        site = site_in_force(self._state, self._site)
        found = duty_json(self._state, site, now_us, days, person=person, grid=grid)
        return {"ok": True, **found}


def _fault(committed: Committed) -> dict[str, object] | None:
    """Return the answer to what the core failed on, or None where it did not."""
    receipt = committed.receipt
    if receipt is None or receipt.status != "refused":
        return None
    return {"ok": False, "errors": [receipt.reason or receipt.status]}


async def _raise(broken: "asyncio.Future[Exception]") -> None:
    raise await broken
