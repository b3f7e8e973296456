"""A whole, fsynced, verified copy of a journal that is in use."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import apsw

from gateway.durable import sync
from gateway.interfaces import JournalError, SetupError
from gateway.journal.contract import Anchor
from gateway.journal.reading import reading
from gateway.journal.verify import Verdict, verify


def backup(path: Path, target: Path, anchors: Iterable[Anchor] | None = None) -> Verdict:
    """Return the verdict on a whole copy that stands, fsynced, at ``target``.

    The daemon may go on writing; the copy is of one moment. It is one file, without a
    write-ahead log beside it, readable by its owner only. What is erased later stays readable
    in it: delete backups when their time is over.

    Raises:
        SetupError: The target cannot be written, or exists.
        JournalError: The copy does not verify; it is left beside as ``<target>.part``.
    """
    if target.exists():
        raise SetupError(f"{target}: exists already; give the backup a new name")
    part = target.with_name(target.name + ".part")
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        _copy(path, part)
        verdict = verify(part, anchors)
        if not verdict.ok:
            first = verdict.findings[0]
            raise JournalError(f"{part}: does not verify: row {first.seq}: {first.text}")
        part.rename(target)
        sync(target)
        sync(target.parent)
    except OSError as error:
        raise SetupError(f"{target}: cannot be written: {error}") from error
    return verdict


def _copy(path: Path, part: Path) -> None:
    with reading(path) as source:
        copy = apsw.Connection(str(part))
        try:
            with copy.backup("main", source, "main") as running:
                while not running.done:
                    running.step(4096)
            copy.pragma("journal_mode", "DELETE")
        except (apsw.FullError, apsw.IOError, apsw.CantOpenError) as error:
            raise SetupError(f"{part}: cannot be written: {error}") from error
        finally:
            with suppress(apsw.Error):
                copy.close()
    sync(part)
