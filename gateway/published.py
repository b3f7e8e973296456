"""The latest reports, told to whoever follows without a look at the disk."""

import asyncio
import unicodedata
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace

from gateway.core.effects import ReportStatus
from gateway.interfaces import Report

# Reports kept: a follower further behind than this reads the journal.
KEPT = 2000
# Reports read from the journal at a time.
CHUNK = 500


@dataclass(slots=True)
class Published:
    """Reports of rows that are on the disk, the latest of them in memory.

    Attributes:
        name_of: Gives a person's name; None when he is unknown or was erased.
        from_disk: Reads reports of the journal: (after which row, how many).
    """

    name_of: Callable[[str], str | None]
    from_disk: Callable[[int, int], Awaitable[list[Report]]]
    _latest: deque[Report] = field(default_factory=deque)
    _complete_after: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self, seq: int) -> None:
        """Forget everything up to this row; what is older is read from the journal."""
        self._latest.clear()
        self._complete_after = seq

    def add(self, seq: int, reports: Iterable[ReportStatus]) -> None:
        """Take the reports of a row that is on the disk, and tell who follows."""
        for part, status in enumerate(reports):
            self._latest.append(self._report(seq, part, status))
        while len(self._latest) > KEPT:
            self._complete_after = self._latest.popleft().seq
            while self._latest and self._latest[0].seq == self._complete_after:
                self._latest.popleft()
        self._changed.set()
        self._changed = asyncio.Event()

    async def follow(self, after_seq: int) -> AsyncIterator[Report]:
        """Yield reports of rows after ``after_seq`` for ever, each once it is on the disk."""
        last = after_seq
        while True:
            changed = self._changed
            found = self._since(last)
            if found is None:
                found = await self.from_disk(last, CHUNK)
            for report in found:
                yield report
                last = max(last, report.seq)
            if not found:
                await changed.wait()

    def _since(self, seq: int) -> list[Report] | None:
        """Return what came after a row, or None when not all of it is kept."""
        if seq < self._complete_after:
            return None
        found = []
        for report in reversed(self._latest):
            if report.seq <= seq:
                break
            found.append(report)
        found.reverse()
        return found

    def _report(self, seq: int, part: int, status: ReportStatus) -> Report:
        name = None if status.person is None else self.name_of(status.person)
        detail = status.detail
        if detail is not None and not unicodedata.is_normalized("NFC", detail):
            # As it stands in the journal, so that both tell the same.
            status = replace(status, detail=unicodedata.normalize("NFC", detail))
        return Report.of(status, seq, part, name)
