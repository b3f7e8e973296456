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
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

import structlog

from gateway.core.answering import code_digest
from gateway.core.dispatch import Outcome, step
from gateway.core.effects import (
    AnswerOver,
    Effect,
    PageChannel,
    PostCard,
    Receipt,
    ReportStatus,
    SendText,
    WithdrawPage,
)
from gateway.core.events import (
    AlertReceived,
    CardFailed,
    ClockStepped,
    EnrolmentIssued,
    Event,
    InputRefused,
    OrderActed,
    PageFailed,
    PersonErased,
    PersonLeft,
    RegisterSeeded,
    SettingsReloaded,
    Started,
    TimerFired,
)
from gateway.core.order import AlertKey, Change, Path, Put, Timer
from gateway.core.people import ERASED, Contact, Person
from gateway.core.places import Site
from gateway.core.replies import CODE_LENGTH, CODE_LETTERS
from gateway.core.state import State
from gateway.interfaces import (
    Committed,
    Cursor,
    Driver,
    Entry,
    GridcallError,
    Journal,
    JournalError,
    OutboxEffect,
    Outgoing,
    Recovered,
    Report,
    WallClock,
    Written,
)
from gateway.metrics import Metrics
from gateway.records import Records

log = structlog.get_logger("gridcall.engine")

US = 1_000_000

# The disk is proved this often while nothing happens, so that /healthz tells of a dead disk.
PROBE_EVERY_S = 5.0
# A commit older than this means that the journal stands still.
STALE_COMMIT_S = 15.0
# A one-time code lives this long (security.md §4).
CODE_LIFE_US = 600 * US
# Rows of people in one seeding row: keeps rows readable and commits short.
SEED_CHUNK = 100
# A wall clock this far behind the journal's last row is not to be trusted.
CLOCK_SLACK_US = 3600 * US
# A wall clock that went so much faster or slower than the monotonic one was moved.
CLOCK_STEP_US = US
CLOCK_WATCHED_EVERY_S = 1.0


class Reloader(Protocol):
    """Reads and checks new settings; the composition root knows how."""

    async def __call__(self, path: str) -> "Reloaded":
        """Return the new settings' parts, or the mistakes in them."""
        ...


class Reloaded:
    """What a reload brought: a site and its seed of people, or mistakes.

    Attributes:
        site: The new site, or None when there are mistakes.
        people: Seed of the register.
        contacts: Seed of the accounts.
        errors: Every mistake as ``file:line:col: …``.
        apply: Puts everything but the site in force; GridcallError when it could not and
            nothing has changed.
    """

    def __init__(
        self,
        *,
        site: Site | None = None,
        people: tuple[Person, ...] = (),
        contacts: tuple[Contact, ...] = (),
        errors: tuple[str, ...] = (),
        apply: Callable[[], None] = lambda: None,
    ) -> None:
        self.site = site
        self.people = people
        self.contacts = contacts
        self.errors = errors
        self.apply = apply


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
    ) -> None:
        self._journal = journal
        self._records = records
        self._site = site
        self._clock = clock
        self._reloader = reloader
        self._state = State()
        self._drivers: dict[str, Driver] = {}
        self._group: asyncio.TaskGroup | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._cursors: dict[str, str] = {}
        self._seq = 0
        self._committed_at_s = 0.0
        self._published = asyncio.Event()
        # Before this moment the wall clock is not to be trusted: the journal has seen later.
        self._trusted_from_us = 0
        self._wall_ahead_us = 0
        self._unsettled: dict[int, tuple[str, Outgoing]] = {}
        self._reloading = asyncio.Lock()
        self._figures = Metrics()

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
        self._drivers = dict(drivers)
        recovered = await self._journal.recover()
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                group.create_task(self._watch_journal(), name="engine.watch")
                await self._take_over(recovered)
                await self._seed(people, contacts)
                self._hand_out((name, _once_more(out)) for name, out in recovered.outbox)
                for timer in list(self._state.each(Timer)):
                    self._arm(timer)
                group.create_task(self._prove(), name="engine.prove")
                group.create_task(self._watch_clock(), name="engine.clock")
                group.create_task(self._finish_erasures(), name="engine.erase")
                ready.set()
        finally:
            self._group = None
            for timer_id in list(self._timers):
                self._disarm(timer_id)

    async def _take_over(self, recovered: Recovered) -> None:
        self._state = State(recovered.entities)
        self._cursors = dict(recovered.cursors)
        self._seq = recovered.seq
        self._trusted_from_us = recovered.last_at_us - CLOCK_SLACK_US
        now_us = self._clock.now_us()
        down_us, moved_us = self._downtime_us(recovered, now_us)
        if abs(moved_us) > CLOCK_STEP_US:
            await self.submit(ClockStepped(at_us=now_us, by_us=moved_us))
        started = Started(at_us=now_us, down_us=down_us, synchronised=self._synchronised())
        await self.submit(started)
        unsettled = len(recovered.outbox)
        log.info("recovered", seq=recovered.seq, down_s=down_us // US, unsettled=unsettled)

    def _downtime_us(self, recovered: Recovered, now_us: int) -> tuple[int, int]:
        """Return how long nobody was here, and how far the wall clock was moved meanwhile."""
        self._wall_ahead_us = now_us - self._mono_us()
        if not recovered.seq:
            return 0, 0
        passed_us = now_us - recovered.last_at_us
        if recovered.last_mono_us is not None:  # the same boot: the monotonic clock knows
            down_us = max(0, self._mono_us() - recovered.last_mono_us)
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
            await asyncio.sleep(PROBE_EVERY_S)
            if loop.time() - self._committed_at_s >= PROBE_EVERY_S:
                await self._journal.probe()
                self._committed_at_s = loop.time()

    async def _watch_clock(self) -> None:
        """Notice a moved wall clock also while nothing happens."""
        while True:
            await asyncio.sleep(CLOCK_WATCHED_EVERY_S)
            self._follow_clock()

    def _follow_clock(self) -> None:
        """Have the core take notice when the wall clock was moved, before anything else."""
        ahead_us = self._clock.now_us() - self._mono_us()
        moved_us = ahead_us - self._wall_ahead_us
        self._wall_ahead_us = ahead_us
        if abs(moved_us) <= CLOCK_STEP_US:
            return  # NTP leads the clock gently; that is no step, however long it goes on
        log.warning("the wall clock was moved", by_s=moved_us / US)
        stepped = ClockStepped(at_us=self._clock.now_us(), by_us=moved_us)
        self._spawn(self._finish(self._decide(stepped, (), None)))

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
        if isinstance(event, AlertReceived):
            event = await self._with_prior(event)
        done: asyncio.Future[Committed] = asyncio.get_running_loop().create_future()
        # From now on the rows are the event's, whatever becomes of the driver that brought it.
        held = {row: self._unsettled.pop(row) for row in settles if row in self._unsettled}
        try:
            self._spawn(self._commit(event, tuple(settles), cursor, done), done)
            return await asyncio.shield(done)
        except ValueError:
            self._unsettled.update(held)
            raise

    def _spawn(
        self,
        work: Coroutine[object, object, None],
        done: "asyncio.Future[Committed] | None" = None,
    ) -> None:
        """Do the engine's own work, whatever becomes of who asked for it and waits."""
        if self._group is None:
            work.close()
            raise JournalError("the engine has stopped; nothing is journalled any more")
        task = self._group.create_task(work)
        if done is not None:
            task.add_done_callback(lambda _: _give_up(done))

    async def _with_prior(self, received: AlertReceived) -> AlertReceived:
        """Add what the journal knows of an alert that has left the memory."""
        alert = received.alert
        if self._state.find(AlertKey, f"{alert.sender}\n{alert.id}") is not None:
            return received
        prior = await self._journal.find_alert(alert.sender, alert.id)
        if prior is None:
            return received
        sha256, order, number = prior
        return replace(
            received, prior_sha256=sha256, prior_order=order, prior_number=number
        )

    async def _commit(
        self,
        event: Event,
        settles: tuple[int, ...],
        cursor: Cursor | None,
        done: asyncio.Future[Committed],
    ) -> None:
        try:
            self._follow_clock()
            decided = self._decide(event, settles, cursor)
        except ValueError as error:
            log.error("event not journalled", kind=type(event).__name__, why=str(error))
            if not done.done():
                done.set_exception(error)
            return
        await self._finish(decided, done)

    def _decide(
        self, event: Event, settles: tuple[int, ...], cursor: Cursor | None
    ) -> "_Decided":
        """Decide on an event and queue its transaction, without a wait in between.

        Raises:
            ValueError: It cannot be journalled; nothing has changed.
            JournalError: Nothing can be journalled any more.
        """
        began_s = asyncio.get_running_loop().time()
        synchronised = self._synchronised()
        try:
            outcome = step(self._state, self._site, event, synchronised=synchronised)
        except Exception as error:  # noqa: BLE001  # a supervisor's duty: see _put_aside
            event, outcome = _put_aside(event, error)
        entry = self._entry(event, outcome.changes, outcome.effects, settles, cursor)
        waiting = self._journal.append(entry)
        # The state moves with the decision, not with the commit: the next event is decided on
        # it. If the commit fails the engine ends and nobody has been told anything.
        self._fold(outcome.changes)
        return _Decided(entry, outcome, waiting, began_s)

    async def _finish(
        self, decided: "_Decided", done: "asyncio.Future[Committed] | None" = None
    ) -> None:
        """Let out what a transaction asks for, once it is on the disk."""
        entry, outcome = decided.entry, decided.outcome
        try:
            written = await decided.waiting
        except ValueError as error:
            # The state has moved and the journal has not: this engine cannot go on.
            raise JournalError(f"the transaction was not written: {error}") from error
        if entry.cursor is not None:
            self._cursors[entry.cursor.source] = entry.cursor.position
        loop = asyncio.get_running_loop()
        self._seq = max(self._seq, written.seq)
        self._committed_at_s = loop.time()
        self._figures.committed(loop.time() - decided.began_s, outcome.effects)
        if done is not None and not done.done():
            done.set_result(Committed(seq=written.seq, receipt=entry.receipt))
        self._hand_out(
            (driver, Outgoing(id=row, effect=effect))
            for row, (driver, effect) in zip(written.outbox_ids, entry.outbox, strict=True)
        )
        self._follow_timers(outcome.changes)
        if entry.reports:
            self._published.set()
            self._published = asyncio.Event()

    def _entry(
        self,
        event: Event,
        changes: tuple[Change, ...],
        effects: tuple[Effect, ...],
        settles: tuple[int, ...],
        cursor: Cursor | None,
    ) -> Entry:
        outbox: list[tuple[str, OutboxEffect]] = []
        reports: list[ReportStatus] = []
        receipt: Receipt | None = None
        for effect in effects:
            if isinstance(effect, Receipt):
                receipt = effect
            elif isinstance(effect, ReportStatus):
                reports.append(effect)
            else:
                outbox.append((_driver_of(effect), effect))
        return Entry(
            event=event,
            changes=changes,
            outbox=tuple(outbox),
            reports=tuple(reports),
            receipt=receipt,
            settles=settles,
            cursor=cursor,
            settings=self._site.version,
            at_us=self._clock.now_us(),
            mono_us=self._mono_us(),
        )

    def _fold(self, changes: Iterable[Change]) -> None:
        for change in changes:
            self._state.apply(change)

    def _hand_out(self, rows: Iterable[tuple[str, Outgoing]]) -> None:
        for name, outgoing in rows:
            self._unsettled[outgoing.id] = (name, outgoing)
            driver = self._drivers.get(name)
            if driver is not None:
                driver.deliver(outgoing)
            else:
                self._no_such_driver(name, outgoing)

    def _no_such_driver(self, name: str, outgoing: Outgoing) -> None:
        """Say that what was asked of a driver that is gone (a reload) cannot be done."""
        effect, now_us = outgoing.effect, self._clock.now_us()
        reason = f"{name} is not in the settings any more"
        failed: Event | None = None
        if isinstance(effect, PageChannel):
            failed = PageFailed(at_us=now_us, page=effect.page, reason=reason)
        elif isinstance(effect, PostCard):
            failed = CardFailed(at_us=now_us, card=effect.card, state="failed", reason=reason)
        if failed is None:
            self.settle(outgoing.id)
            return
        self._spawn(self._submit_quietly(failed, (outgoing.id,)))

    async def _submit_quietly(self, event: Event, settles: tuple[int, ...] = ()) -> None:
        with suppress(ValueError):  # told in the log where it was refused
            await self.submit(event, settles=settles)

    def started(self, outbox_id: int) -> None:
        """Note that an outbox row is about to leave."""
        if outbox_id in self._unsettled:
            name, outgoing = self._unsettled[outbox_id]
            self._unsettled[outbox_id] = (name, _once_more(outgoing))
        self._journal.note(started=(outbox_id,))

    def settle(self, outbox_id: int) -> None:
        """Note that an outbox row is done with."""
        self._unsettled.pop(outbox_id, None)
        self._journal.note(settled=(outbox_id,))

    def note_cursor(self, cursor: Cursor) -> None:
        """Note how far a source has come."""
        self._cursors[cursor.source] = cursor.position
        self._journal.note(cursors=(cursor,))

    async def cursor(self, source: str) -> str | None:
        """Return the position last stored for a source, or None."""
        return self._cursors.get(source)

    # ---- clocks ----

    def _follow_timers(self, changes: Iterable[Change]) -> None:
        for change in changes:
            if isinstance(change, Put) and isinstance(change.entity, Timer):
                self._arm(change.entity)
            elif not isinstance(change, Put) and change.kind == Timer.KIND:
                self._disarm(change.key)

    def _arm(self, timer: Timer) -> None:
        """Set a timer on monotonic time, anchored once to what the wall clock says now."""
        self._disarm(timer.id)
        delay_s = max(0.0, (timer.due_us - self._clock.now_us()) / US)
        loop = asyncio.get_running_loop()
        self._timers[timer.id] = loop.call_later(delay_s, self._fire, timer.id)

    def _disarm(self, timer_id: str) -> None:
        handle = self._timers.pop(timer_id, None)
        if handle is not None:
            handle.cancel()

    def _fire(self, timer_id: str) -> None:
        self._timers.pop(timer_id, None)
        timer = self._state.find(Timer, timer_id)
        if timer is None:
            return
        # Should the clock have been moved, the timer is about to move with it, and this firing
        # names a moment that means nothing any more; the timer is then set anew.
        now_us = self._clock.now_us()
        self._figures.timer_error((now_us - timer.due_us) / US)
        fired = TimerFired(at_us=now_us, timer=timer_id, due_us=timer.due_us)
        self._spawn(self._submit_quietly(fired))

    # ---- Queries ----

    async def orders(self, *, open_only: bool, limit: int) -> list[dict[str, object]]:
        """Return orders, newest first."""
        return await self._records.orders(open_only=open_only, limit=limit)

    async def order(self, order: str) -> dict[str, object] | None:
        """Return one order with its whole timeline, or None."""
        return await self._records.order(order)

    async def reports(self, *, after_seq: int, limit: int) -> list[Report]:
        """Return reports of rows after ``after_seq``, oldest first."""
        return await self._records.reports(after_seq=after_seq, limit=limit)

    async def follow(self, *, after_seq: int) -> AsyncIterator[Report]:
        """Yield reports after ``after_seq`` for ever, each once it is on the disk."""
        last = after_seq
        while True:
            changed = self._published
            found = await self._records.reports(after_seq=last, limit=500)
            for report in found:
                yield report
                last = max(last, report.seq)
            if not found:
                await changed.wait()

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
        }

    def metrics(self) -> str:
        """Return the Prometheus text."""
        open_orders = sum(1 for _ in self._state.open_orders())
        paths = {p.id: p.up for p in self._paths()}
        return self._figures.text(seq=self._seq, open_orders=open_orders, paths=paths)

    def _paths(self) -> Iterator[Path]:
        """Yield the paths there still are: a reload may have taken a channel or a chat away."""
        for path in self._state.each(Path):
            kind, _, name = path.id.partition(":")
            if name in self._site.channels if kind == "channel" else path.id in self._drivers:
                yield path

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()

    def _mono_us(self) -> int:
        return int(self._now_s() * US)

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
        before, self._drivers = self._drivers, dict(drivers)
        changed = {n for n in before if before[n] is not self._drivers.get(n)}
        self._hand_out([row for row in self._unsettled.values() if row[0] in changed])

    async def enrol(self, person: str) -> dict[str, object]:
        """Issue a one-time code that binds a chat account to a person."""
        found = self._state.find(Person, person)
        if found is None or not found.active:
            return {"ok": False, "errors": [f"no active person {person!r} in the register"]}
        code = "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))
        now_us = self._clock.now_us()
        expires_us = now_us + CODE_LIFE_US
        digest = code_digest(code)
        await self.submit(
            EnrolmentIssued(
                at_us=now_us, person=person, code_sha256=digest, expires_us=expires_us
            )
        )
        expires = datetime.fromtimestamp(expires_us / US, UTC).isoformat(timespec="seconds")
        return {"ok": True, "code": code, "person": person, "expires": expires}

    async def leave(self, person: str) -> dict[str, object]:
        """Strike a person from duty at once, on every medium."""
        if self._state.find(Person, person) is None:
            return {"ok": False, "errors": [f"no person {person!r} in the register"]}
        await self.submit(PersonLeft(at_us=self._clock.now_us(), person=person))
        return {"ok": True, "person": person}

    async def erase(self, person: str) -> dict[str, object]:
        """Strike a person off and make his name, accounts and words unreadable everywhere."""
        if self._state.find(Person, person) is None:
            return {"ok": False, "errors": [f"no person {person!r} in the register"]}
        await self.submit(PersonErased(at_us=self._clock.now_us(), person=person))
        await self._journal.erase(person)
        return {"ok": True, "person": person}

    def people(self) -> list[dict[str, object]]:
        """Return the register: id, name, role, codes, chats, active."""
        return [
            {
                "id": p.id,
                "name": p.name,
                "role": p.role.value,
                "guard_code": p.guard_code,
                "grids": list(p.grids),
                "crew": p.crew,
                "active": p.active,
                "chats": [c.chat for c in self._state.contacts_of(p.id)],
            }
            for p in self._state.each(Person)
        ]


class _Decided(NamedTuple):
    """A decision whose transaction is queued."""

    entry: Entry
    outcome: Outcome
    waiting: Awaitable[Written]
    began_s: float


def _give_up(done: "asyncio.Future[Committed]") -> None:
    """Leave nobody waiting for a commit that this engine will not see any more."""
    if not done.done():
        done.set_exception(JournalError("the engine has stopped; this was not confirmed"))


def _put_aside(event: Event, error: Exception) -> tuple[Event, Outcome]:
    """Return a refusal in the place of an event on which the core has failed.

    The core is pure, so a failure in it has changed nothing. Without this, one event that
    meets a mistake of ours would come again after each restart and stop the daemon for good.
    """
    kind = type(event).__name__
    log.error("the core failed on an event", kind=kind, exc_info=error)
    reason = f"internal fault on {kind} ({type(error).__name__}): see the log, tell the makers"
    refused = InputRefused(at_us=event.at_us, door="engine", reason=reason)
    if isinstance(event, AlertReceived):
        alert = event.alert
        receipt = Receipt(status="refused", sender=alert.sender, id=alert.id, reason=reason)
    elif isinstance(event, OrderActed):
        receipt = Receipt(status="refused", sender=event.by, id=event.order, reason=reason)
    else:
        return refused, Outcome((), ())
    return refused, Outcome((), (receipt,))


def _once_more(outgoing: Outgoing) -> Outgoing:
    """Mark what a platform shows twice: it may have left just before its mark was on the disk.

    The radio process remembers page ids itself, so a page needs no such caution.
    """
    shown = isinstance(outgoing.effect, PostCard | SendText)
    return replace(outgoing, again=True) if shown else outgoing


def _driver_of(effect: OutboxEffect) -> str:
    """Return the driver an effect goes to: the radio process, or the chat it names."""
    if isinstance(effect, PageChannel | WithdrawPage | AnswerOver):
        return "radio"
    return f"chat:{effect.chat}"
