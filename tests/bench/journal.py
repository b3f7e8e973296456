"""Rows of the journal itself: durable rows a second, and rows verified a second."""

import asyncio
import time

from gateway.journal import SqliteJournal, verify
from tests.bench.figures import Row
from tests.core.journal_stories import opened


async def rows_a_second(folder, callers, count, commit_ms):
    """Return the row of so many callers who each wait for their row before the next."""
    journal = SqliteJournal(folder / f"callers{callers}.db", boot_id="bench")
    await journal.recover()
    loop = asyncio.get_running_loop()

    async def caller(first):
        for n in range(first, count, callers):
            await journal.append(opened(n))

    began = loop.time()
    async with asyncio.TaskGroup() as group:
        for first in range(callers):
            group.create_task(caller(first))
    rate = count / (loop.time() - began)
    await journal.close()
    return Row(
        f"7 journal, {callers} caller{'s' * (callers > 1)}", "/s", count, rate,
        floor=1000 / commit_ms if callers == 1 else None,
        floor_is="bare commits a second" if callers == 1 else "",
        note="an alert: 5 changes, 2 effects, 2 reports",
    )  # fmt: skip


def verified_a_second(path):
    """Return the row of a verification of a whole journal."""
    began = time.perf_counter()
    verdict = verify(path)
    spent_s = time.perf_counter() - began
    assert verdict.ok, verdict.findings[:3]
    return Row("7 journal verify", "/s", verdict.rows, verdict.rows / spent_s,
               note=f"chain and tables, {spent_s:.1f} s in all")  # fmt: skip
