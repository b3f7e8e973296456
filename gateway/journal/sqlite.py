"""The durable record: one writer thread, group commit, hash chain.

A caller is answered after the fsync of the transaction that holds his row. Where nothing is
being written his row is written at once; what comes while a group is on its way to the disk
waits for its end and is the next group. A group of several shows that more is coming, and the
next one gathers for a moment: a row alone costs the processor four times what it does among
sixteen, and the interpreter's lock is passed to and fro once for all of them.
Marks that need no row of their own ride with the next group, at most a moment later.

A row that cannot be written is refused alone. A write, commit or fsync that fails ends the
journal for good: what the disk holds afterwards is not known (an fsync that failed once may
"succeed" the second time without having written a thing), so nobody is answered any more and
the engine must stop and start anew.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw
import structlog

from gateway.core.after.events import PriorOrder
from gateway.core.people import Contact
from gateway.interfaces import Cursor, GridcallError, JournalError, WallClock
from gateway.journal.codec import nfc, warm
from gateway.journal.contract import Anchor, Entry, Recovered, Replaced, Written
from gateway.journal.file import QUICK_CHECK_BYTES, JournalFile
from gateway.journal.known import Digests, KnownAlerts
from gateway.journal.prior_order import found_order
from gateway.journal.put_aside import DamagedError, all_aside, put_aside
from gateway.journal.reading import alert_digests, found_alert
from gateway.journal.rows import GENESIS, Prepared, Upsert, clean_cursor, prepare
from gateway.journal.seal import Sealer
from gateway.journal.wiping import Faded, faded, note_done, wipe

log = structlog.get_logger(__name__)

FoundAlert = tuple[str, str | None, str | None]

_GROUP_LIMIT: Final = 500
# A mark waits no longer than this for a row to ride with.
_MARK_WAIT_S: Final = 0.05
# After a group of so many rows the next gathers for so long, or until it has so many.
_BUSY_ROWS: Final = 4
_GATHER_S: Final = 0.005
_GATHERED_ROWS: Final = 32
# Faults of one row's content. Everything else that SQLite raises is the disk's or the file's.
_ROW_FAULTS: Final = (
    apsw.ConstraintError, apsw.TooBigError, apsw.MismatchError, apsw.RangeError,
    OverflowError, UnicodeError,
)  # fmt: skip


class _Job(NamedTuple):
    """Something for the writer thread to do, and who waits for it: a row, or else a call."""

    row: Prepared | None
    waiting: "asyncio.Future[Any] | None" = None
    call: Callable[[JournalFile], object] | None = None
    erases: bool = False


@dataclass(slots=True)
class _Marks:
    """What is to be marked with the next group."""

    started: list[int] = field(default_factory=list)
    settled: list[int] = field(default_factory=list)
    cursors: dict[str, str] = field(default_factory=dict)

    def write(self, file: JournalFile) -> None:
        """Add the marks to the transaction."""
        file.mark(
            started=self.started, settled=self.settled, cursors=tuple(self.cursors.items())
        )


_Outcome = tuple["asyncio.Future[Any] | None", object, BaseException | None]


class SqliteJournal:
    """A journal in one SQLite file; implements ``gateway.interfaces.Journal``.

    Args:
        path: The file; made when it is not there. ``<path>.lock`` stands beside it.
        boot_id: Names this run of the machine in every row, so that monotonic times compare.
        vfs: SQLite VFS, for tests that cut the power.
        quick_check_bytes: Files up to this size are checked whole at the opening.
        busy_limit_s: How long another program may hold the write lock before we give up.
        aside: Dates a damaged file that is put aside so that another can be begun; without it
            a damaged file is refused.
        make_room: Called, in the writer's thread, when the disk is full; returns whether there
            is room now. Without it, and when there is none, the journal ends.
    """

    def __init__(
        self,
        path: Path,
        *,
        boot_id: str,
        vfs: str | None = None,
        quick_check_bytes: int = QUICK_CHECK_BYTES,
        busy_limit_s: float = 60.0,
        aside: WallClock | None = None,
        make_room: Callable[[], bool] = lambda: False,
    ) -> None:
        self.path = path
        self._make_file = partial(
            JournalFile, path, boot_id=boot_id, vfs=vfs, quick_check_bytes=quick_check_bytes
        )
        self._file = self._make_file()
        self._aside = aside
        self._make_room = make_room
        self._busy_limit_s = busy_limit_s
        # What waits for the group under way, and the marks that go with it.
        self._waiting: list[_Job] = []
        self._marks: _Marks | None = None
        self._under_way: list[_Job] = []
        self._marks_timer: asyncio.TimerHandle | None = None
        self._gathering: asyncio.TimerHandle | None = None
        self._groups: queue.SimpleQueue[list[_Job] | None] = queue.SimpleQueue()
        self._known = KnownAlerts()
        self._thread: threading.Thread | None = None
        self._reader: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sealer: Sealer | None = None
        self._anchor = Anchor(seq=0, hash=GENESIS.hex())
        self._failed = asyncio.Event()
        self._error: JournalError | None = None
        self._closed = False
        self._unscrubbed = False

    @property
    def at_work(self) -> bool:
        """Whether its threads owe an answer: virtual time has to wait for that."""
        opening = self._thread is not None and self._sealer is None and self._error is None
        return bool(self._under_way) or (opening and not self._closed)

    # -- on the loop's thread -----------------------------------------------------------------

    async def recover(self) -> Recovered:
        """Open the file and return what stands in it; called once, before anything else.

        Raises:
            JournalError: The file is damaged.
            SetupError: Another daemon writes it, it is not ours, or it cannot be opened.
        """
        assert self._thread is None, "recover() is called once"
        self._loop = asyncio.get_running_loop()
        opened: asyncio.Future[tuple[Recovered, Sealer]] = self._loop.create_future()
        self._thread = threading.Thread(
            target=self._run, args=(opened,), name="journal", daemon=True
        )
        self._thread.start()
        recovered, self._sealer = await opened
        self._reader = threading.Thread(
            target=self._read_digests, name="journal.known", daemon=True
        )
        self._reader.start()
        return recovered

    def append(self, entry: Entry) -> "asyncio.Future[Written]":
        """Queue a transaction; the future is done once it is on the disk.

        Raises:
            ValueError: At once: this entry cannot be journalled; nothing of it is queued. From
                the future: SQLite refused what the codec let pass; nothing of it is written.
            JournalError: At once, or in the future: nothing can be written any more, or the
                journal is closed.
        """
        prepared = prepare(entry, self._ready())
        for change in prepared.changes:
            if change.kind == "alert_key" and isinstance(change, Upsert):
                self._known.add(change.key)
        if prepared.cursor is not None and self._marks is not None:
            self._marks.cursors.pop(prepared.cursor[0], None)
        return self._queued(prepared)

    def note(
        self,
        *,
        started: Sequence[int] = (),
        settled: Sequence[int] = (),
        cursors: Sequence[Cursor] = (),
    ) -> None:
        """Mark outbox rows and source positions with the next group commit; does not wait."""
        self._ready()
        assert self._loop is not None
        read = dict(map(clean_cursor, cursors))
        if self._marks is None:
            self._marks = _Marks()
            self._marks_timer = self._loop.call_later(_MARK_WAIT_S, self._send)
        self._marks.started += started
        self._marks.settled += settled
        self._marks.cursors.update(read)

    async def find_alert(self, sender: str, alert_id: str) -> FoundAlert | None:
        """Return (sha256, order, number) of an alert of any age, or None."""
        self._ready()
        if self._known.surely_new(nfc(f"{sender}\n{alert_id}")):
            return None
        return await asyncio.to_thread(found_alert, self.path, sender, alert_id)

    async def find_order(self, order: str) -> PriorOrder | None:
        """Return an order of any age with its people's parts, or None."""
        self._ready()
        return await asyncio.to_thread(found_order, self.path, order)

    async def erase(self, owner: str) -> None:
        """Return once the personal data of ``owner`` can be read nowhere in the file."""
        sealer = self._ready()
        if not sealer.knows(owner):
            return
        sealer.forget(owner)
        await self._queued(None, lambda file: file.erase(owner), erases=True)

    async def faded(
        self, *, positions_before_us: int, values_before_us: int, spared: Collection[str] = ()
    ) -> Faded:
        """Return which sealed values of rows older than these moments are still there."""
        self._ready()
        look = partial(
            faded, self.path, positions_before_us=positions_before_us,
            values_before_us=values_before_us, spared=spared,
        )  # fmt: skip
        return await asyncio.to_thread(look)

    async def wipe(self, gone: Faded) -> None:
        """Return once these values can be read nowhere in the file; the chain stays valid."""
        self._ready()
        for part in gone.parts():
            await self._queued(None, partial(_wipe, part), erases=True)
        await self._queued(None, lambda file: note_done(file.db, gone.done))

    async def probe(self) -> None:
        """Return once a write of no meaning has reached the disk, to prove that one can."""
        self._ready()
        await self._queued(None, lambda file: file.probe())

    async def failure(self) -> JournalError:
        """Return, at once or one day, why nothing can be written any more."""
        await self._failed.wait()
        assert self._error is not None
        return self._error

    def anchor(self) -> Anchor:
        """Return the last row known to be on the disk."""
        return self._anchor

    async def close(self) -> None:
        """Write what is queued and close; harmless the second time."""
        self._closed = True
        if self._thread is not None:
            while self._waiting or self._marks is not None:
                self._put_group()
            self._groups.put(None)
            await asyncio.to_thread(self._thread.join)
        if self._reader is not None:
            await asyncio.to_thread(self._reader.join)

    def _ready(self) -> Sealer:
        if self._error is not None:
            raise JournalError(str(self._error))
        if self._closed or self._sealer is None:
            raise JournalError(f"{self.path}: the journal is not open")
        return self._sealer

    def _queued(
        self,
        row: Prepared | None,
        call: Callable[[JournalFile], object] | None = None,
        *,
        erases: bool = False,
    ) -> "asyncio.Future[Any]":
        assert self._loop is not None
        waiting: asyncio.Future[Any] = self._loop.create_future()
        self._waiting.append(_Job(row, waiting, call, erases))
        self._send()
        return waiting

    def _send(self) -> None:
        """Give the writer what waits, unless it is busy or a group is being gathered."""
        gathered = self._gathering is None or len(self._waiting) >= _GATHERED_ROWS
        if not self._under_way and gathered:
            self._put_group()

    def _put_group(self) -> None:
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        if self._marks_timer is not None:
            self._marks_timer.cancel()
            self._marks_timer = None
        group, self._waiting = self._waiting[:_GROUP_LIMIT], self._waiting[_GROUP_LIMIT:]
        if self._marks is not None:
            group.append(_Job(None, None, self._marks.write))
            self._marks = None
        if group:
            self._under_way += group
            self._groups.put(group)

    def _written(self, outcomes: list[_Outcome], anchor: Anchor) -> None:
        """Answer those whose group is on the disk, and send or gather the next."""
        self._under_way = []
        if len(outcomes) >= _BUSY_ROWS and not self._closed:
            assert self._loop is not None
            self._gathering = self._loop.call_later(_GATHER_S, self._put_group)
        self._send()
        self._resolve(outcomes, anchor)

    def _resolve(self, outcomes: list[_Outcome], anchor: Anchor) -> None:
        self._anchor = anchor
        for waiting, result, error in outcomes:
            if waiting is None or waiting.done():
                continue
            if error is None:
                waiting.set_result(result)
            else:
                waiting.set_exception(error)

    def _fail(self, reason: str) -> None:
        """Tell everybody who waits, and whoever comes later, that it is over."""
        self._error = JournalError(reason)
        jobs = self._under_way + self._waiting
        self._waiting = []
        self._resolve([(job.waiting, None, JournalError(reason)) for job in jobs], self._anchor)
        self._failed.set()

    # -- on a thread of its own, for a moment after the opening --------------------------------

    def _read_digests(self) -> None:
        """Learn which alerts stand in the file; until then each one is looked up."""
        try:
            digests = alert_digests(self.path)
        except (GridcallError, apsw.Error) as error:
            log.warning("alert keys not read; each is looked up", why=str(error))
        else:
            self._post(self._take_digests, digests)

    def _take_digests(self, digests: Digests) -> None:
        self._known.read(digests)

    # -- on the writer's thread ---------------------------------------------------------------

    def _run(self, opened: "asyncio.Future[tuple[Recovered, Sealer]]") -> None:
        reason = "the writer met a fault of its own; see the log"
        done = False
        try:
            self._open(opened)
            while (group := self._groups.get()) is not None:
                self._post(self._written, self._write(group), self._file_anchor())
            done = True
            self._file.close()
        except GridcallError as error:
            done = False
            reason = str(error)
            self._post(self._resolve, [(opened, None, error)], self._anchor)
        except (apsw.Error, OSError) as error:
            done = False
            reason = f"{type(error).__name__}: {error}"
        finally:
            # Also when a bug ends this thread: nobody may wait for an answer that never comes.
            if not done:
                self._file.abandon()
                reason = f"{self.path}: cannot be written any more: {reason}"
                self._post(self._resolve, [(opened, None, JournalError(reason))], self._anchor)
                self._post(self._fail, reason)

    def _open(self, opened: "asyncio.Future[tuple[Recovered, Sealer]]") -> None:
        warm()
        recovered = self._recovered()
        sealer = Sealer(self._file.keys())
        for entity in recovered.entities:
            if isinstance(entity, Contact):
                sealer.learn(entity.chat, entity.address, entity.person)
        self._post(self._resolve, [(opened, (recovered, sealer), None)], self._file_anchor())

    def _recovered(self) -> Recovered:
        """Return what stands in the file or, where it is damaged, in one that is begun anew."""
        if self._aside is None:
            self._file.open()
            return self._file.recovered()
        before = self._file.lock_path.exists()
        try:
            self._file.open()
            recovered = self._file.recovered()
        except DamagedError as error:
            self._file.abandon()
            kept_as = put_aside(self.path, self._aside.now_us())
            log.critical("journal damaged, begun anew", why=str(error), kept_as=str(kept_as))
            self._file = self._make_file()
            self._file.open()
            recovered = self._file.recovered()
        if recovered.seq or not before:
            return recovered
        # Also when we died before anybody was told.
        aside = all_aside(self.path)
        return replace(recovered, replaced=Replaced(kept_as=aside[-1] if aside else ""))

    def _write(self, jobs: list[_Job]) -> list[_Outcome]:
        """Write a group in one transaction; on a bad row each of it in one of its own."""
        try:
            self._begin()
            outcomes = self._added(jobs)
            self._file.commit()
        except apsw.FullError:
            # SQLite has undone it, and wrote nothing that counts: it can be tried again.
            self._file.rollback()
            if not self._make_room():
                raise
            log.critical("disk full: the reserve is given up", path=str(self.path))
            return self._write(jobs)
        except _ROW_FAULTS as fault:
            self._file.rollback()
            self._file.check_alone()
            if len(jobs) > 1:
                return [outcome for job in jobs for outcome in self._write([job])]
            refusal = ValueError(f"this entry cannot be journalled: {fault}")
            return [(jobs[0].waiting, None, refusal)]
        if self._unscrubbed or any(job.erases for job in jobs):
            self._unscrubbed = not self._file.scrub()
        return outcomes

    def _added(self, jobs: list[_Job]) -> list[_Outcome]:
        """Add a group to the transaction: neighbouring rows together, the rest one by one."""
        outcomes: list[_Outcome] = []
        rows: list[_Job] = []
        for job in (*jobs, None):
            if job is not None and job.row is not None:
                rows.append(job)
                continue
            written = self._file.add_all([r.row for r in rows if r.row is not None])
            outcomes += [(r.waiting, w, None) for r, w in zip(rows, written, strict=True)]
            rows = []
            if job is not None and job.call is not None:
                outcomes.append((job.waiting, job.call(self._file), None))
        return outcomes

    def _begin(self) -> None:
        """Return inside a transaction; somebody's shell may hold the lock for a while."""
        give_up_s = time.monotonic() + self._busy_limit_s
        while True:
            try:
                self._file.begin()
            except apsw.BusyError:
                if time.monotonic() > give_up_s:
                    raise
                log.warning("journal is locked by another program", path=str(self.path))
            else:
                return

    def _file_anchor(self) -> Anchor:
        return Anchor(seq=self._file.seq, hash=self._file.hash.hex())

    def _post(self, call: Callable[..., None], *args: object) -> None:
        assert self._loop is not None
        with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(call, *args)


def _wipe(part: Collection[str], file: JournalFile) -> None:
    wipe(file.db, part)
