"""Processes that each read a part of a journal, so that verifying uses every core.

One reads the tables and says which row was the last when it began; the others read a stretch of
the rows each, which nobody changes any more. They speak in pickles over pipes, and are started
with one hash seed, unknown to whoever wrote the file.
"""

import gc
import os
import pickle
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw

from gateway.interfaces import GridcallError, SetupError
from gateway.journal.held import Held, read_tables
from gateway.journal.reading import reading
from gateway.journal.said import Stretch, read_stretch

_RUN: Final = "from gateway.journal.verify_process import main; main()"
_HASH_SEEDS: Final = 2**32
# SQLite maps two gigabytes at most, however much is asked for.
_MAPPED_BYTES: Final = 2**31


class Read(NamedTuple):
    """All that was read of a journal.

    Attributes:
        stretches: The rows, in their order.
        held: What the tables hold; None when they were not asked for.
    """

    stretches: list[Stretch]
    held: Held | None


class _Ends(NamedTuple):
    first: int
    last: int

    def cut(self, parts: int) -> list[tuple[int | None, int]]:
        """Return the first and last row of each stretch; the first begins with the file."""
        edges = [self.first + (self.last - self.first) * n // parts for n in range(parts + 1)]
        stretches: list[tuple[int | None, int]] = [(a + 1, b) for a, b in pairwise(edges)]
        return [(None, stretches[0][1]), *stretches[1:]]


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def ends_of(db: apsw.Connection) -> _Ends:
    """Return the numbers of the first and the last row, 0 and 0 when there is none."""
    first, last = db.execute("SELECT min(seq), max(seq) FROM journal").get
    return _Ends(first or 0, last or 0)


def read_here(path: Path, parts: int = 1, *, tables: bool) -> Read:
    """Return all that stands in a journal, read in this process."""
    with reading(path) as db:
        ends = ends_of(db)
        stretches = [read_stretch(db, *cut, tables=tables) for cut in ends.cut(parts)]
        return Read(stretches, read_tables(db, ends.last) if tables else None)


def read_with(path: Path, parts: int, *, tables: bool) -> Read:
    """Return all that stands in a journal, its rows read by so many processes at once.

    Raises:
        SetupError: A process died.
    """
    with _helpers(parts + 1) as (of_tables, *of_rows):
        of_tables.ask(_read_tables, path, tables)
        ends: _Ends = of_tables.answer()
        for helper, cut in zip(of_rows, ends.cut(parts), strict=True):
            helper.ask(_read_rows, path, *cut, tables)
        return Read([helper.answer() for helper in of_rows], of_tables.answer())


class _Helper:
    """One process and the pipes to it."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _RUN],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment,
        )  # fmt: skip

    def ask(self, what: object, *arguments: object) -> None:
        """Have it call a function of this module, which yields its answers."""
        assert self._process.stdin is not None
        try:
            pickle.dump((what, arguments), self._process.stdin)
            self._process.stdin.close()
        except OSError as error:
            raise self._dead() from error

    def answer(self) -> Any:  # noqa: ANN401  # what the function yields
        """Return its next answer; raise what it raised."""
        assert self._process.stdout is not None
        try:
            found = pickle.load(self._process.stdout)  # noqa: S301  # our own process
        except (EOFError, pickle.UnpicklingError) as error:
            raise self._dead() from error
        if isinstance(found, GridcallError):
            raise found
        return found

    def end(self) -> None:
        """Return once it is gone."""
        self._process.kill()
        with self._process:
            pass

    def _dead(self) -> SetupError:
        status = self._process.wait()
        return SetupError(
            f"a process that read the journal ended with status {status}; is memory short, "
            "is the disk damaged? See the system's log, and verify again"
        )


@contextmanager
def _helpers(count: int) -> Iterator[list[_Helper]]:
    seed = str(secrets.randbelow(_HASH_SEEDS - 1) + 1)
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    started: list[_Helper] = []
    try:
        started.extend(_Helper(environment) for _ in range(count))
        yield started
    finally:
        for helper in started:
            helper.end()


def _read_tables(path: Path, tables: bool) -> Iterator[object]:
    with _mapped(path) as db:
        ends = ends_of(db)
        yield ends
        yield read_tables(db, ends.last) if tables else None


def _read_rows(
    path: Path, first: int | None, last: int, tables: bool
) -> Iterator[object]:
    with _mapped(path) as db:
        yield read_stretch(db, first, last, tables=tables)


@contextmanager
def _mapped(path: Path) -> Iterator[apsw.Connection]:
    """Read through a memory map: fewer calls, but a disk's fault then ends the process."""
    with reading(path) as db:
        db.pragma("mmap_size", _MAPPED_BYTES)
        yield db


def main() -> None:
    """Do what is asked on standard input; write the answers to standard output."""
    gc.disable()  # nothing here is ever garbage in circles, and there are millions of it
    what, arguments = pickle.load(sys.stdin.buffer)  # noqa: S301  # from our own parent
    try:
        for answer in what(*arguments):
            _write(answer)
    except GridcallError as error:
        _write(error)


def _write(answer: object) -> None:
    pickle.dump(answer, sys.stdout.buffer, protocol=pickle.HIGHEST_PROTOCOL)
    sys.stdout.buffer.flush()
