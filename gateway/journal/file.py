"""The SQLite file of the journal: opening, schema, and the statements of the one writer.

Nothing here knows threads or asyncio: every function runs to its end on the caller's thread.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

import apsw

from gateway.durable import sync
from gateway.interfaces import GridcallError, JournalError, Outgoing, SetupError
from gateway.journal.codec import effect_from, entity_from
from gateway.journal.contract import Recovered, Written
from gateway.journal.lock import Lock
from gateway.journal.put_aside import DamagedError
from gateway.journal.reading import APPLICATION_ID, ROW_COLUMNS, opener
from gateway.journal.rows import GENESIS, Prepared, Removal, Row, Upsert, row_hash, sealed_in

# A longer file is not read whole at start; its tail is still proved by the chain.
QUICK_CHECK_BYTES: Final = 64 * 1024 * 1024
TAIL_ROWS: Final = 1000
# How long one try to take the write lock waits for somebody's shell.
BUSY_TIMEOUT_MS: Final = 1000
CHECKPOINT_PAGES: Final = 4000
_LENGTH_LIMIT_BYTES: Final = 64 * 1024 * 1024

_MANY: Final = (256, 128, 64, 32, 16, 8, 4, 2, 1)


@dataclass(frozen=True, slots=True)
class _Insert:
    """Adds many rows with one statement.

    The interpreter's lock is given up and taken back once a statement, and under load taking it
    back costs more than the rows do.
    """

    head: str
    values: str
    tail: str = ""

    def run(self, db: apsw.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add the rows in their order."""
        begin = 0
        for size in _MANY:
            while len(rows) - begin >= size:
                some = rows[begin : begin + size]
                sql = f"{self.head} VALUES {','.join([self.values] * size)} {self.tail}"
                db.execute(sql, [value for row in some for value in row])
                begin += size


_ROWS: Final = _Insert(
    f"INSERT INTO journal ({ROW_COLUMNS}, prev, hash)", "(?,?,?,?,?,?,?,?,?,?)"
)
_PUTS: Final = _Insert(
    "INSERT INTO entity (kind, key, order_id, live, body)",
    "(?,?,?,1,?)",
    "ON CONFLICT (kind, key) DO UPDATE"
    " SET order_id = excluded.order_id, live = 1, body = excluded.body",
)
_RETIRE: Final = """
    UPDATE entity SET live = 0 WHERE live = 1 AND order_id =
        (SELECT order_id FROM entity WHERE kind = 'number' AND key = ?)"""
_DROP: Final = "DELETE FROM entity WHERE kind = ? AND key = ?"
_POSTS: Final = _Insert(
    "INSERT INTO outbox (id, seq, driver, kind, body, level, not_after_us)", "(?,?,?,?,?,?,?)"
)
_REPORTS: Final = _Insert(
    "INSERT INTO report (seq, part, order_id, at_us, body)", "(?,?,?,?,?)"
)
_KEYS: Final = _Insert(
    "INSERT INTO person_key (owner, key)",
    "(?,?)",
    "ON CONFLICT (owner) DO UPDATE SET key = excluded.key WHERE key IS NULL",
)
_SEALS: Final = _Insert("INSERT INTO personal (commitment, owner, cipher)", "(?,?,?)")
_CURSORS: Final = _Insert("INSERT OR REPLACE INTO cursor (source, position)", "(?,?)")
_THESE: Final = "IN (SELECT value FROM json_each(?))"
_PROBE: Final = """
    INSERT INTO meta (name, value) VALUES ('probe', 1)
    ON CONFLICT (name) DO UPDATE SET value = value + 1"""


def check_sqlite_version(version: str) -> None:
    """Raise SetupError for an SQLite with the WAL-reset bug.

    Two connections on one WAL file could lose commits in 3.7.0 to 3.51.2; fixed in 3.51.3 and
    in the branches 3.50.7 and 3.44.6 (sqlite.org/wal.html, "The WAL-Reset Bug").
    """
    found = tuple(int(part) for part in version.split("."))
    branch_fix = {(3, 50): (3, 50, 7), (3, 44): (3, 44, 6)}
    if found >= branch_fix.get((found[0], found[1]), (3, 51, 3)):
        return
    raise SetupError(
        f"SQLite {version} inside apsw can lose committed rows (WAL-reset bug); "
        "install an apsw that carries SQLite 3.51.3 or later"
    )


def shipped_migrations() -> dict[int, Traversable]:
    """Return the numbered SQL files that the wheel carries."""
    folder = resources.files("gateway.journal") / "migrations"
    files = [item for item in folder.iterdir() if item.name.endswith(".sql")]
    return {int(item.name.split("_")[0]): item for item in files}


class JournalFile:
    """The file as its one writer sees it.

    Args:
        path: The SQLite file; made, readable by its owner only, when it is not there.
        boot_id: Names this run of the machine in every row.
        vfs: SQLite VFS, for tests that cut the power.
        quick_check_bytes: Files up to this size are checked whole at the opening.
        migrations: Schema steps by number; those of the wheel unless a test gives others.
    """

    def __init__(
        self,
        path: Path,
        *,
        boot_id: str,
        vfs: str | None = None,
        quick_check_bytes: int = QUICK_CHECK_BYTES,
        migrations: Mapping[int, Traversable] | None = None,
    ) -> None:
        self.path = path
        self._migrations = migrations or shipped_migrations()
        self.seq = 0
        self.hash = GENESIS
        self._boot_id = boot_id
        self._vfs = vfs
        self._quick_check_bytes = quick_check_bytes
        self._outbox_id = 0
        self._lock = Lock(path.with_name(path.name + ".lock"))
        self._db: apsw.Connection | None = None
        self._undo = (0, GENESIS, 0)
        # Owners whose key is in the file, and those whose key the transaction under way adds.
        self._keyed: set[str] = set()
        self._keying: set[str] = set()

    @property
    def lock_path(self) -> Path:
        """Return the file that says, for ever after, that there was a journal."""
        return self._lock.path

    @property
    def db(self) -> apsw.Connection:
        """Return the writer's connection."""
        assert self._db is not None, "the journal file is open"
        return self._db

    # -- opening ------------------------------------------------------------------------------

    def open(self) -> None:
        """Return with the file locked, checked, migrated and ready for the next row.

        Raises:
            SetupError: Locked by another daemon, not ours, from a newer version, no permission.
            JournalError: Damaged.
        """
        check_sqlite_version(apsw.sqlite_lib_version())
        try:
            self._lock.take()
            self._connect()
        except GridcallError:
            self.abandon()
            raise
        except (apsw.CorruptError, apsw.NotADBError, UnicodeError) as error:
            self.abandon()
            raise DamagedError(self._damaged(str(error))) from error
        except apsw.IOError as error:
            self.abandon()
            raise JournalError(self._damaged(str(error))) from error
        except (OSError, apsw.Error) as error:
            self.abandon()
            raise SetupError(f"{self.path}: cannot be opened: {error}") from error

    def _damaged(self, what: str) -> str:
        return f"{self.path}: damaged: {what}; put it aside and restore the last backup"

    def _connect(self) -> None:
        new = not self.path.exists() or self.path.stat().st_size == 0
        log = self.path.with_name(f"{self.path.name}-wal")
        if new and log.exists() and log.stat().st_size:
            raise DamagedError(self._damaged("it is empty, and its write-ahead log is not"))
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        if new:
            sync(self.path.parent)
        self._db = db = apsw.Connection(str(self.path), vfs=self._vfs)
        db.limit(apsw.SQLITE_LIMIT_LENGTH, _LENGTH_LIMIT_BYTES)
        db.set_busy_timeout(BUSY_TIMEOUT_MS)
        self._check_ours()
        mode = db.pragma("journal_mode", "WAL")
        if mode != "wal":
            raise SetupError(
                f"{self.path}: this file system gives no write-ahead log (journal_mode is "
                f"{mode}); put the journal on a local disk"
            )
        db.pragma("synchronous", "FULL")
        db.pragma("secure_delete", True)
        # Pages that every row touches are then copied home once in so many commits.
        db.pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        db.pragma("journal_size_limit", 64 * 1024 * 1024)
        self._quick_check()
        self._migrate()
        self._find_end()

    def _check_ours(self) -> None:
        found, version = self.db.pragma("application_id"), self.db.pragma("user_version")
        empty = self.db.execute("SELECT count(*) FROM sqlite_schema").get == 0
        if found != APPLICATION_ID and not (empty and found == 0):
            raise SetupError(f"{self.path}: is an SQLite file, but not a Gridcall journal")
        known = max(self._migrations)
        if version > known:
            raise SetupError(
                f"{self.path}: written by a newer Gridcall (schema {version}, this one knows "
                f"{known}); install that version, or restore the backup made before the upgrade"
            )

    def _quick_check(self) -> None:
        if self.path.stat().st_size <= self._quick_check_bytes:
            verdict = self.db.execute("PRAGMA quick_check(1)").get
            if verdict != "ok":
                raise DamagedError(self._damaged(str(verdict)))

    def _migrate(self) -> None:
        have = self.db.pragma("user_version")
        if 0 < have < max(self._migrations):
            self._keep_copy(have)
        for number, file in sorted(self._migrations.items()):
            if number > have:
                self.begin()
                for _ in self.db.execute(file.read_text(encoding="utf-8")):
                    pass  # a statement that gives rows stops there until they are taken
                self.db.pragma("application_id", APPLICATION_ID)
                self.db.pragma("user_version", number)
                self.commit()

    def _keep_copy(self, version: int) -> None:
        """Return with the journal as it was before an upgrade kept beside it."""
        copy = self.path.with_name(f"{self.path.name}.schema{version}")
        copy.unlink(missing_ok=True)
        os.close(os.open(copy, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        self.db.execute("VACUUM INTO ?", (str(copy),))
        sync(copy)
        sync(copy.parent)

    def _find_end(self) -> None:
        """Set the chain's end from the last rows, proving on the way that they chain."""
        rows = list(
            self.db.execute(
                f"SELECT {ROW_COLUMNS}, prev, hash FROM journal ORDER BY seq DESC LIMIT ?",  # noqa: S608
                (TAIL_ROWS,),
            )
        )
        follower: bytes | None = None
        for *columns, prev, own in rows:
            row = Row(*columns)
            if row_hash(prev, row) != own or follower not in {None, own}:
                raise DamagedError(
                    self._damaged(f"row {row.seq} does not fit the hash chain (journal verify)")
                )
            follower = prev
        if rows:
            self.seq, self.hash = rows[0][0], rows[0][-1]
        self._outbox_id = self.db.execute("SELECT coalesce(max(id), 0) FROM outbox").get

    # -- what stands in it --------------------------------------------------------------------

    def keys(self) -> dict[str, bytes]:
        """Return every owner's key."""
        return dict(self.db.execute("SELECT owner, key FROM person_key WHERE key IS NOT NULL"))

    def recovered(self) -> Recovered:
        """Return the live entities, the unsettled outbox, cursors and the end.

        Raises:
            JournalError: Something in it is of a kind that is not known here.
            DamagedError: The file is damaged.
        """
        try:
            return self._recovered()
        except (apsw.CorruptError, UnicodeError) as error:
            raise DamagedError(self._damaged(str(error))) from error

    def _recovered(self) -> Recovered:
        db, value_of = self.db, opener(self.db)
        entities = db.execute("SELECT kind, body FROM entity WHERE live = 1 ORDER BY id")
        outbox = db.execute(
            "SELECT id, driver, kind, body, started FROM outbox WHERE done = 0 ORDER BY id"
        )
        at_us, mono_us, boot = db.execute(
            "SELECT at_us, mono_us, boot FROM journal WHERE seq = ?", (self.seq,)
        ).get or (0, 0, "")
        try:
            return Recovered(
                seq=self.seq,
                last_at_us=at_us,
                last_mono_us=mono_us if boot == self._boot_id else None,
                entities=tuple(entity_from(kind, body, value_of) for kind, body in entities),
                outbox=tuple(_outgoing(row, value_of) for row in outbox),
                cursors=dict(db.execute("SELECT source, position FROM cursor")),
            )
        except (ValueError, KeyError) as error:
            raise JournalError(self._damaged(f"unreadable projection: {error}")) from error

    # -- writing ------------------------------------------------------------------------------

    def begin(self) -> None:
        """Return inside a transaction; raise apsw.BusyError while another has the lock."""
        self.db.execute("BEGIN IMMEDIATE")
        self._undo = (self.seq, self.hash, self._outbox_id)

    def commit(self) -> None:
        """Return once everything since ``begin`` is on the disk."""
        self.db.execute("COMMIT")
        self._keyed |= self._keying
        self._keying.clear()

    def rollback(self) -> None:
        """Return as if ``begin`` had not been called."""
        self.seq, self.hash, self._outbox_id = self._undo
        self._keying.clear()
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")

    def add(self, prepared: Prepared) -> Written:
        """Add one row and all it causes to the transaction."""
        return self.add_all((prepared,))[0]

    def add_all(self, group: Sequence[Prepared]) -> list[Written]:
        """Add rows in their order, and all they cause, to the transaction."""
        rows: list[tuple[Any, ...]] = []
        posts: list[tuple[Any, ...]] = []
        reports: list[tuple[Any, ...]] = []
        written = []
        for prepared in group:
            first, before = self._outbox_id + 1, self.hash
            row = Row(
                self.seq + 1, self._boot_id, prepared.at_us, prepared.mono_us,
                prepared.settings, prepared.kind, prepared.order, prepared.body(first),
            )  # fmt: skip
            self.seq, self.hash = row.seq, row_hash(before, row)
            rows.append(
                (row.seq, row.boot, row.at_us, row.mono_us, row.settings, row.kind, row.order,
                 row.body, before, self.hash)
            )  # fmt: skip
            posts += [
                (first + n, row.seq, p.driver, p.kind, p.body, p.level, p.not_after_us)
                for n, p in enumerate(prepared.outbox)
            ]
            reports += [
                (row.seq, part, report.order, report.at_us, report.body)
                for part, report in enumerate(prepared.reports)
            ]
            self._outbox_id += len(prepared.outbox)
            ids = tuple(range(first, self._outbox_id + 1))
            written.append(Written(seq=row.seq, outbox_ids=ids))
        db = self.db
        _ROWS.run(db, rows)
        self._fold([change for prepared in group for change in prepared.changes])
        _POSTS.run(db, posts)
        _REPORTS.run(db, reports)
        self._store_personal(group)
        self.mark(
            settled=[row for prepared in group for row in prepared.settles],
            cursors=[p.cursor for p in group if p.cursor is not None],
        )
        return written

    def _fold(self, changes: Sequence[Upsert | Removal]) -> None:
        """Bring the projection up to date; of several puts of one thing the last one counts."""
        puts: dict[tuple[str, str], Upsert] = {}
        for change in changes:
            place = (change.kind, change.key)
            if isinstance(change, Upsert):
                puts[place] = change
                continue
            if change.kind == "number":
                self._put(puts)  # what hangs on the order is known by what stands in the table
                self.db.execute(_RETIRE, (change.key,))
            puts.pop(place, None)
            self.db.execute(_DROP, place)
        self._put(puts)

    def _put(self, puts: dict[tuple[str, str], Upsert]) -> None:
        _PUTS.run(self.db, [(p.kind, p.key, p.order, p.body) for p in puts.values()])
        puts.clear()

    def _store_personal(self, group: Sequence[Prepared]) -> None:
        keys = {
            owner: key
            for prepared in group
            for owner, key in prepared.keys
            if owner not in self._keyed
        }
        _KEYS.run(self.db, list(keys.items()))
        self._keying.update(keys)
        sealed = [s for prepared in group for s in prepared.personal]
        _SEALS.run(self.db, [(s.commitment, s.owner, s.cipher) for s in sealed])

    def mark(
        self,
        *,
        started: Sequence[int] = (),
        settled: Sequence[int] = (),
        cursors: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Mark outbox rows as about to leave or done with, and how far sources were read."""
        _CURSORS.run(self.db, list(dict(cursors).items()))
        if started:
            these = json.dumps(list(started))
            self.db.execute(f"UPDATE outbox SET started = 1 WHERE id {_THESE}", (these,))  # noqa: S608
        if settled:
            self._settle(json.dumps(list(settled)))

    def _settle(self, these: str) -> None:
        """Mark outbox rows as done with and let go of what they said, names among it."""
        said = self.db.execute(
            f"SELECT group_concat(body, ' ') FROM outbox WHERE id {_THESE}", (these,)  # noqa: S608
        ).get
        gone = json.dumps(sealed_in(said or ""))
        self.db.execute(
            "DELETE FROM personal WHERE commitment IN"
            " (SELECT unhex(value) FROM json_each(?))", (gone,)
        )  # fmt: skip
        self.db.execute(f"UPDATE outbox SET done = 1, body = '' WHERE id {_THESE}", (these,))  # noqa: S608

    def erase(self, owner: str) -> None:
        """Empty an owner's key and everything sealed under it."""
        self._keyed.discard(owner)
        self._keying.discard(owner)
        self.db.execute("UPDATE person_key SET key = NULL WHERE owner = ?", (owner,))
        self.db.execute("UPDATE personal SET cipher = NULL WHERE owner = ?", (owner,))

    def probe(self) -> None:
        """Add a write of no meaning."""
        self.db.execute(_PROBE)

    def scrub(self) -> bool:
        """Empty the write-ahead log, which still holds what was erased.

        Returns False when a reader was in the way: to be tried again after the next commit.
        """
        self.db.set_busy_timeout(0)
        try:
            self.db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        except apsw.BusyError:
            return False
        finally:
            self.db.set_busy_timeout(BUSY_TIMEOUT_MS)
        return True

    def check_alone(self) -> None:
        """Raise JournalError when another program has added rows: the chain is not ours."""
        last = self.db.execute("SELECT coalesce(max(seq), 0) FROM journal").get
        if last != self.seq:
            raise JournalError(f"another program has added rows (up to {last})")

    # -- the end ------------------------------------------------------------------------------

    def close(self) -> None:
        """Return with the file closed and the lock released."""
        try:
            if self._db is not None:
                self._db.close()
        finally:
            self._db = None
            self._lock.release()

    def abandon(self) -> None:
        """Let go of a file that cannot be trusted: no checkpoint, nothing written any more."""
        if self._db is not None:
            self._db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            self._db.close(True)
            self._db = None
        self._lock.release()


def _outgoing(row: tuple[Any, ...], value_of: Callable[[str], object]) -> tuple[str, Outgoing]:
    outbox_id, driver, kind, body, started = row
    effect = effect_from(kind, body, value_of)
    return driver, Outgoing(id=outbox_id, effect=effect, again=bool(started))
