"""Rows of the journal's size: cold start to ready, rows a second, and verifying it."""

import asyncio
import os
import time

from gateway.journal import SqliteJournal, verify
from tests.bench.closed_orders import ROWS_AN_ORDER, add_closed_orders
from tests.bench.figures import Row, percentile
from tests.bench.machine import durable_commit_ms
from tests.bench.outside import Outside
from tests.bench.sites import Shape
from tests.core.journal_stories import opened

VERIFIED_ROWS = 1_000_000
ROW_BYTES = 3_000


async def cold_starts(folder, sizes, mqtt_port):
    """Return the rows of start to ready with ever more closed orders, and of verifying them."""
    del mqtt_port
    rows, have = [], 0
    async with Outside(folder, Shape(called=1, grids=5, accounts=1)) as outside:
        daemon = outside.daemon
        await daemon.stop()
        for count in sizes.closed:
            await asyncio.to_thread(add_closed_orders, daemon.journal, have, count)
            await asyncio.to_thread(os.sync)
            have = count
            rows.append(await _started(daemon, count, sizes.starts))
            if count * ROWS_AN_ORDER == max(VERIFIED_ROWS, sizes.closed[1] * ROWS_AN_ORDER):
                rows.append(await asyncio.to_thread(verified, daemon.journal))
        if not any("verify" in row.name for row in rows):
            rows.append(await asyncio.to_thread(verified, daemon.journal))
    return rows


async def _started(daemon, count, starts):
    spent, healthy = [], []
    for _ in range(starts):
        await daemon.start()
        spent.append(daemon.ready_s)
        healthy.append(daemon.healthy_s)
        await daemon.stop()
    return Row(
        f"10 cold start, {count:,} closed orders", "s", starts, percentile(spent, 50),
        worst=max(spent) if starts > 1 else None, target={"p50": 3},
        note=f"spawn → healthy, channel and chat up; healthy after {percentile(healthy, 50):.2f} s",
    )  # fmt: skip


def verified(path):
    """Return the row of a verification of a whole journal."""
    began = time.perf_counter()
    verdict = verify(path)
    spent_s = time.perf_counter() - began
    assert verdict.ok, verdict.findings[:3]
    target = {"p50": 10} if verdict.rows >= VERIFIED_ROWS else None
    return Row(
        f"11 journal verify, {verdict.rows:,} rows", "s", verdict.rows, spent_s, target=target,
        note=f"chain and tables, {verdict.rows / spent_s:,.0f} rows a second",
    )  # fmt: skip


async def journal(folder, sizes, mqtt_port):
    """Return the rows of durable rows a second."""
    del mqtt_port
    commit_ms = await asyncio.to_thread(durable_commit_ms, folder, ROW_BYTES)
    one, many = sizes.journal
    return [
        await rows_a_second(folder, 1, one, commit_ms),
        await rows_a_second(folder, 100, many, commit_ms),
    ]


async def rows_a_second(folder, callers, count, commit_ms):
    """Return the row of so many callers who each wait for their row before the next."""
    book = SqliteJournal(folder / f"callers{callers}.db", boot_id="bench")
    await book.recover()
    loop = asyncio.get_running_loop()

    async def caller(first):
        for n in range(first, count, callers):
            await book.append(opened(n))

    began = loop.time()
    async with asyncio.TaskGroup() as group:
        for first in range(callers):
            group.create_task(caller(first))
    rate = count / (loop.time() - began)
    await book.close()
    return Row(
        f"11 journal rows, {callers} caller{'s' * (callers > 1)}", "/s", count, rate,
        floor=1000 / commit_ms, floor_is="bare commits a second, one caller",
        note="an alert: 5 changes, 2 effects, 2 reports",
    )  # fmt: skip
