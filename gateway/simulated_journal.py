"""Where the journal of a simulated county is kept: in memory, or in an SQLite file."""

import json
from pathlib import Path
from random import Random
from typing import Any

from gateway.journal import MemoryJournal, MemoryTables, SqliteJournal
from gateway.journal.contract import Recovered
from gateway.records import Records
from gateway.virtual_time import VirtualLoop


class InMemory:
    """A journal that outlives its engine, in memory."""

    def __init__(self, seed: int) -> None:
        self._tables = MemoryTables()
        self._draw = Random(seed).randbytes  # noqa: S311  # one seed, one run

    def open(self, boot: int = 0) -> MemoryJournal:
        """Return the journal as it stands, to be recovered by a machine in its n-th boot."""
        return MemoryJournal(boot_id=f"simulated{boot}", tables=self._tables, draw=self._draw)

    async def close(self) -> None:
        """Nothing is to be closed."""

    async def read(self, folder: Path) -> tuple[list[dict[str, Any]], Recovered]:
        """Return the rows with their hashes, and what a restart would find."""
        del folder
        lines = [
            {
                "seq": row.seq, "boot": row.boot, "at_us": row.at_us, "mono_us": row.mono_us,
                "settings": row.settings, "kind": row.kind, "order": row.order,
                "body": json.loads(row.body), "text": row.body, "hash": own.hex(),
            }
            for row, own in self._tables.rows
        ]  # fmt: skip
        return lines, await self.open().recover()


class InSqlite:
    """A journal in an SQLite file; time stands still while its writer is at work."""

    def __init__(self, folder: Path, loop: VirtualLoop) -> None:
        self._path = folder / "journal.sqlite"
        self._journal: SqliteJournal | None = None
        loop.at_work.append(self._at_work)

    def _at_work(self) -> bool:
        return self._journal is not None and self._journal.at_work

    def open(self, boot: int = 0) -> SqliteJournal:
        """Return the journal as it stands, to be recovered by a machine in its n-th boot."""
        self._journal = SqliteJournal(self._path, boot_id=f"simulated{boot}")
        return self._journal

    async def close(self) -> None:
        """Close the file: what was queued is written, so a kill here loses nothing."""
        if self._journal is not None:
            await self._journal.close()
            self._journal = None

    async def read(self, folder: Path) -> tuple[list[dict[str, Any]], Recovered]:
        """Return the rows with their hashes, and what a restart would find."""
        journal = self.open()
        recovered = await journal.recover()
        await self.close()
        export = folder / "rows.jsonl"
        with export.open("w", encoding="utf-8") as out:
            await Records(self._path).export(out)
        with export.open(encoding="utf-8") as lines:
            return [json.loads(line) for line in lines], recovered
