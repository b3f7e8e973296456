"""Rows of the daemon as a whole: cold start to ready, and memory of all its processes."""

import asyncio
import os

from tests.bench.closed_orders import add_closed_orders
from tests.bench.figures import Row
from tests.bench.machine import family, pss_mb
from tests.bench.outside import County, QuietLab

SPEECH_SETTLES_S = 2.0


async def cold_starts(folder, counts):
    """Return (rows, journal's path): start to ready with ever more closed orders, and memory."""
    rows, have = [], 0
    async with QuietLab(folder, ack_s=590) as lab:
        path = lab.folder / "state" / "journal.sqlite3"
        rows.append(await memory(lab, "laboratory: 1 channel, 1 chat, 5 people"))
        for count in counts:
            if count:  # the first start of all was the one with none
                await lab.stop_daemon()
                await asyncio.to_thread(add_closed_orders, path, have, count)
                await asyncio.to_thread(os.sync)
                await lab.start_daemon()
            have = count
            name = f"6 cold start, {count:,} closed orders"
            rows.append(Row(name, "s", 1, lab.ready_s, note="spawn → healthy, channel and chat up"))
    return rows, path


async def county(folder):
    """Return the row of the county's memory."""
    async with County(folder) as lab:
        return await memory(lab, "county.yaml: 4 channels, 1 chat, 280 people")


async def memory(lab, name):
    """Return the row of the PSS of every process of a daemon that is ready and idle."""
    await asyncio.sleep(SPEECH_SETTLES_S)
    pids = family(lab.daemon.pid)
    return Row(
        f"8 PSS, {name}", "MB", len(pids), pss_mb(pids), note="n is processes; idle after start"
    )
