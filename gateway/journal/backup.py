"""A whole, fsynced, verified copy of a journal that is in use."""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import apsw

from gateway.durable import sync
from gateway.interfaces import JournalError, SetupError
from gateway.journal.contract import Anchor
from gateway.journal.reading import reading
from gateway.journal.rows import GENESIS
from gateway.journal.verify import Verdict, verify

_Checked = TypeVar("_Checked")


def backup(path: Path, target: Path, anchors: Iterable[Anchor] | None = None) -> Verdict:
    """Return the verdict on a whole copy that stands, fsynced, at ``target``.

    The daemon may go on writing; the copy is of one moment. It is one file, without a
    write-ahead log beside it, readable by its owner only. What is erased later stays readable
    in it: delete backups when their time is over.

    Raises:
        SetupError: The target cannot be written, or exists.
        JournalError: The copy does not verify; it is left beside as ``<target>.part``.
    """

    def verified(part: Path) -> Verdict:
        verdict = verify(part, anchors)
        if not verdict.ok:
            first = verdict.findings[0]
            raise JournalError(f"{part}: does not verify: row {first.seq}: {first.text}")
        return verdict

    return _placed(path, target, verified)


def quick_backup(path: Path, target: Path) -> Anchor:
    """Return the end of the chain in a copy that stands, fsynced, at ``target``.

    As ``backup``, but that the copy is checked page by page only (PRAGMA quick_check), which
    takes a tenth of the time: for what is made each day, of a journal that is at work.

    Raises:
        SetupError: The target cannot be written, or exists.
        JournalError: The copy is damaged; it is left beside as ``<target>.part``.
    """
    return _placed(path, target, _checked_quickly)


def _checked_quickly(part: Path) -> Anchor:
    with reading(part) as copy:
        fault = copy.execute("PRAGMA quick_check(1)").get
        if fault != "ok":
            raise JournalError(f"{part}: damaged: {fault}")
        seq, end = copy.execute(
            "SELECT seq, lower(hex(hash)) FROM journal ORDER BY seq DESC LIMIT 1"
        ).get or (0, GENESIS.hex())
    return Anchor(seq=seq, hash=end)


def _placed(path: Path, target: Path, check: Callable[[Path], _Checked]) -> _Checked:
    """Copy, check, and give the copy its name; return what the check returned."""
    if target.exists():
        raise SetupError(f"{target}: exists already; give the backup a new name")
    part = target.with_name(target.name + ".part")
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        _copy(path, part)
        checked = check(part)
        part.rename(target)
        sync(target)
        sync(target.parent)
    except OSError as error:
        raise SetupError(f"{target}: cannot be written: {error}") from error
    return checked


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
