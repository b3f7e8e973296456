"""The SQLite file of the journal: opening, schema, and the statements of the one writer.

Nothing here knows threads or asyncio: every function runs to its end on the caller's thread.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

import apsw

from gateway.interfaces import (
    GridcallError,
    JournalError,
    Outgoing,
    Recovered,
    SetupError,
    Written,
)
from gateway.journal.codec import effect_from, entity_from
from gateway.journal.lock import Lock
from gateway.journal.reading import APPLICATION_ID, ROW_COLUMNS, opener
from gateway.journal.rows import GENESIS, Prepared, Row, Upsert, row_hash, sealed_in

# A longer file is not read whole at start; its tail is still proved by the chain.
QUICK_CHECK_BYTES: Final = 64 * 1024 * 1024
TAIL_ROWS: Final = 1000
# How long one try to take the write lock waits for somebody's shell.
BUSY_TIMEOUT_MS: Final = 1000
_LENGTH_LIMIT_BYTES: Final = 64 * 1024 * 1024

_ADD_ROW: Final = (
    f"INSERT INTO journal ({ROW_COLUMNS}, prev, hash) VALUES (?,?,?,?,?,?,?,?,?,?)"  # noqa: S608
)
_PUT: Final = """
    INSERT INTO entity (kind, key, order_id, live, body) VALUES (?, ?, ?, 1, ?)
    ON CONFLICT (kind, key) DO UPDATE
    SET order_id = excluded.order_id, live = 1, body = excluded.body"""
_RETIRE: Final = """
    UPDATE entity SET live = 0 WHERE live = 1 AND order_id =
        (SELECT order_id FROM entity WHERE kind = 'number' AND key = ?)"""
_DROP: Final = "DELETE FROM entity WHERE kind = ? AND key = ?"
_POST: Final = """
    INSERT INTO outbox (id, seq, driver, kind, body, level, not_after_us)
    VALUES (?, ?, ?, ?, ?, ?, ?)"""
_REPORT: Final = "INSERT INTO report (seq, part, order_id, at_us, body) VALUES (?, ?, ?, ?, ?)"
_KEY: Final = """
    INSERT INTO person_key (owner, key) VALUES (?, ?)
    ON CONFLICT (owner) DO UPDATE SET key = excluded.key WHERE key IS NULL"""
_SEAL: Final = "INSERT INTO personal (commitment, owner, cipher) VALUES (?, ?, ?)"
_CURSOR: Final = "INSERT OR REPLACE INTO cursor (source, position) VALUES (?, ?)"
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
        except (apsw.CorruptError, apsw.NotADBError, apsw.IOError, UnicodeError) as error:
            self.abandon()
            raise JournalError(self._damaged(str(error))) from error
        except (OSError, apsw.Error) as error:
            self.abandon()
            raise SetupError(f"{self.path}: cannot be opened: {error}") from error

    def _damaged(self, what: str) -> str:
        return f"{self.path}: damaged: {what}; put it aside and restore the last backup"

    def _connect(self) -> None:
        new = not self.path.exists() or self.path.stat().st_size == 0
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        if new:
            _sync_folder(self.path.parent)
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
                raise JournalError(self._damaged(str(verdict)))

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
        with copy.open("rb") as file:
            os.fsync(file.fileno())
        _sync_folder(copy.parent)

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
                raise JournalError(
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
        """Return the live entities, the unsettled outbox, cursors and the end."""
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

    def rollback(self) -> None:
        """Return as if ``begin`` had not been called."""
        self.seq, self.hash, self._outbox_id = self._undo
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")

    def add(self, prepared: Prepared) -> Written:
        """Add one row and all it causes to the transaction."""
        db, first = self.db, self._outbox_id + 1
        row = Row(
            self.seq + 1, self._boot_id, prepared.at_us, prepared.mono_us, prepared.settings,
            prepared.kind, prepared.order, prepared.body(first),
        )  # fmt: skip
        own = row_hash(self.hash, row)
        db.execute(
            _ADD_ROW,
            (row.seq, row.boot, row.at_us, row.mono_us, row.settings, row.kind, row.order,
             row.body, self.hash, own),
        )  # fmt: skip
        self._fold(prepared)
        for offset, post in enumerate(prepared.outbox):
            db.execute(
                _POST,
                (first + offset, row.seq, post.driver, post.kind, post.body, post.level,
                 post.not_after_us),
            )  # fmt: skip
        for part, report in enumerate(prepared.reports):
            db.execute(_REPORT, (row.seq, part, report.order, report.at_us, report.body))
        self._store_personal(prepared)
        if prepared.cursor is not None:
            db.execute(_CURSOR, prepared.cursor)
        self.mark(settled=prepared.settles)
        self.seq, self.hash = row.seq, own
        self._outbox_id += len(prepared.outbox)
        return Written(seq=row.seq, outbox_ids=tuple(range(first, self._outbox_id + 1)))

    def _fold(self, prepared: Prepared) -> None:
        for change in prepared.changes:
            if isinstance(change, Upsert):
                self.db.execute(_PUT, (change.kind, change.key, change.order, change.body))
                continue
            if change.kind == "number":
                self.db.execute(_RETIRE, (change.key,))
            self.db.execute(_DROP, (change.kind, change.key))

    def _store_personal(self, prepared: Prepared) -> None:
        for owner_key in prepared.keys:
            self.db.execute(_KEY, owner_key)
        for sealed in prepared.personal:
            self.db.execute(_SEAL, (sealed.commitment, sealed.owner, sealed.cipher))

    def mark(
        self,
        *,
        started: Sequence[int] = (),
        settled: Sequence[int] = (),
        cursors: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Mark outbox rows as about to leave or done with, and how far sources were read."""
        for cursor in cursors:
            self.db.execute(_CURSOR, cursor)
        for outbox_id in started:
            self.db.execute("UPDATE outbox SET started = 1 WHERE id = ?", (outbox_id,))
        for outbox_id in settled:
            self._settle(outbox_id)

    def _settle(self, outbox_id: int) -> None:
        """Mark an outbox row as done with and let go of what it said, names among it."""
        body = self.db.execute("SELECT body FROM outbox WHERE id = ?", (outbox_id,)).get
        for commitment in sealed_in(body or ""):
            self.db.execute(
                "DELETE FROM personal WHERE commitment = ?", (bytes.fromhex(commitment),)
            )
        self.db.execute("UPDATE outbox SET done = 1, body = '' WHERE id = ?", (outbox_id,))

    def erase(self, owner: str) -> None:
        """Empty an owner's key and everything sealed under it."""
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


def _sync_folder(folder: Path) -> None:
    """Return once a new file's name in this folder is on the disk."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
