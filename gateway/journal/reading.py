"""Read-only looks at the journal's file, beside its one writer."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw
import msgspec

from gateway.interfaces import JournalError, SetupError
from gateway.journal.codec import alert_key_from, nfc, value_from
from gateway.journal.known import Digests, digests_of
from gateway.journal.seal import ERASED, unseal

# "gwj1" in the file's header: told apart from any other SQLite file.
APPLICATION_ID: Final = 0x67776A31
ROW_COLUMNS: Final = "seq, boot, at_us, mono_us, settings, kind, order_id, body"
_BUSY_TIMEOUT_MS: Final = 5000
# Keys are taken as one text at a time: a row at a time, each would take the interpreter's lock
# from whoever answers an alert. Between two texts others have their turn.
_KEYS_AT_ONCE: Final = 5000
_TURN_S: Final = 0.005
_KEYS: Final = """
    SELECT json_group_array(key), max(key) FROM (
        SELECT key FROM entity WHERE kind = 'alert_key' AND key > ? ORDER BY key LIMIT ?)"""


@contextmanager
def reading(path: Path) -> Iterator[apsw.Connection]:
    """Give a read-only connection whose queries all see one moment of the journal."""
    try:
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    except apsw.Error as error:
        raise SetupError(f"{path}: cannot be opened for reading: {error}") from error
    try:
        db.set_busy_timeout(_BUSY_TIMEOUT_MS)
        db.execute("BEGIN")
        if db.pragma("application_id") != APPLICATION_ID:
            raise SetupError(f"{path}: not a Gridcall journal")
        yield db
    except apsw.NotADBError as error:
        raise SetupError(f"{path}: not a Gridcall journal") from error
    except (apsw.CorruptError, apsw.IOError, UnicodeError) as error:
        raise JournalError(f"{path}: damaged: {error}; restore the last backup") from error
    finally:
        db.close()


def opener(db: apsw.Connection) -> Callable[[str], object]:
    """Return what gives the value behind a commitment, or （已删除）."""

    def value_of(commitment: str) -> object:
        text = sealed_text(db, bytes.fromhex(commitment))
        return ERASED if text is None else value_from(text)

    return value_of


def sealed_text(db: apsw.Connection, commitment: bytes) -> str | None:
    """Return the canonical value behind a commitment, or None when it cannot be read."""
    found = db.execute(
        "SELECT p.cipher, k.key FROM personal p JOIN person_key k USING (owner)"
        " WHERE p.commitment = ? AND p.cipher IS NOT NULL AND k.key IS NOT NULL",
        (commitment,),
    ).get
    return None if found is None else unseal(found[1], commitment, found[0])


def found_alert(
    path: Path, sender: str, alert_id: str
) -> tuple[str, str | None, str | None] | None:
    """Return (sha256, order, number) of an alert of any age, or None."""
    with reading(path) as db:
        body = db.execute(
            "SELECT body FROM entity WHERE kind = 'alert_key' AND key = ?",
            (nfc(f"{sender}\n{alert_id}"),),
        ).get
    return None if body is None else alert_key_from(body)


def alert_digests(path: Path) -> Digests:
    """Return the digest of every alert key in the journal; reads its index, not its rows.

    For a thread beside the loop: a million keys take about two seconds, of which the
    interpreter is held for less than a millisecond at a time.
    """
    with reading(path) as db:
        return digests_of(_alert_keys(db))


def _alert_keys(db: apsw.Connection) -> Iterator[str]:
    after = ""
    while True:
        text, last = db.execute(_KEYS, (after, _KEYS_AT_ONCE)).get
        keys = msgspec.json.decode(text, type=list[str])
        yield from keys
        if len(keys) < _KEYS_AT_ONCE:
            return
        after = last
        time.sleep(_TURN_S)
