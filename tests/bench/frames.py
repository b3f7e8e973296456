"""Rows of the radio process: how late frames leave, what channels cost, and our memory."""

import asyncio
import os
import shutil

from tests.bench.alerts import cards
from tests.bench.burst import volley_of_alerts
from tests.bench.closed_orders import add_closed_orders
from tests.bench.figures import Row, spread
from tests.bench.machine import cpu_s, once_mb, pss_mb
from tests.bench.outside import County, Outside
from tests.bench.sites import Shape

# What a daemon still does after its start: speech loads, caches fill.
SETTLES_S = 3.0
DISTRICT = Shape(channels=8, guards=40, accounts_of_people=450, called=50)


async def measured(folder, sizes, mqtt_port):
    """Return the rows of frames on 8 and 16 channels, and of the processor."""
    large = folder / "large.sqlite3"
    await asyncio.to_thread(add_closed_orders, large, 0, sizes.verify_orders)
    rows = []
    for channels in sizes.frames_channels:
        room = folder / f"channels{channels}"
        room.mkdir()
        shape = Shape(channels=channels)
        async with Outside(room, shape, journal=large, mqtt_port=mqtt_port) as outside:
            rows += await _of_channels(outside, channels, sizes)
            await outside.daemon.stop()
            shutil.move(outside.daemon.journal, large)
    return rows


async def _of_channels(outside, channels, sizes):
    await asyncio.sleep(SETTLES_S)
    rows = []
    if channels == 8:
        cost = await _cores(outside, sizes.idle_s)
        rows.append(Row("8 processor, 8 idle channels", "cores", 1, cost, target={"p50": 0.2},
                        note="all our processes; squelches closed"))  # fmt: skip
    await outside.radios.ask(do="squelch", on=True)
    await asyncio.sleep(1.0)
    what = f"7 frames of {channels} channels, decoding"
    limit_ms, scheduling = _scheduling(outside.daemon.radio_pid())
    target = {"p99": 5, "worst": limit_ms}

    async def late(when, doing):
        await outside.radios.ask(do="mark")
        note = await doing()
        found = await outside.radios.ask(do="late")
        said = "; ".join(part for part in (scheduling, note) if part)
        rows.append(spread(f"{what}: {when}", "ms late", found, target=target, note=said))

    cost = []

    async def idle():
        cost.append(await _cores(outside, sizes.frames_s))

    await late("idle", idle)
    await late("during a burst", lambda: _bursting(outside, sizes.burst))
    await late("during journal verify", lambda: _verifying(outside))
    await late("during journal export", lambda: _exporting(outside))
    rows.append(Row(f"8 processor, {channels} channels decoding", "cores", 1, cost[0],
                    note="all our processes; talk and DTMF on every channel, recorded"))  # fmt: skip
    return rows


async def _bursting(outside, count):
    name, since = f"frames{outside.shape.channels}", len(await outside.chats.calls())
    await volley_of_alerts(outside, name, count)
    came = await cards(outside, name, count, since=since, limit_s=60)
    assert len(came) == count
    return f"{count} alerts at once, to the last card"


async def _verifying(outside):
    loop = asyncio.get_running_loop()
    began = loop.time()
    await outside.daemon.command("journal", "verify", str(outside.config))
    return f"{loop.time() - began:.1f} s of it, on the daemon's own journal"


async def _exporting(outside):
    loop = asyncio.get_running_loop()
    began = loop.time()
    await outside.daemon.command("journal", "export", str(outside.config))
    return f"{loop.time() - began:.1f} s of it, on the daemon's own journal"


def _scheduling(pid):
    """Return (the limit for a frame in ms, how the radio process is scheduled)."""
    policy = os.sched_getscheduler(pid) & ~os.SCHED_RESET_ON_FORK
    if policy in (os.SCHED_RR, os.SCHED_FIFO):
        return 20, "real-time scheduling"
    return 60, "no real-time scheduling"


async def _cores(outside, for_s):
    """Return how many cores all processes of the daemon used over a while."""
    loop = asyncio.get_running_loop()
    pids, began = outside.daemon.pids(), loop.time()
    before = cpu_s(pids)
    await asyncio.sleep(for_s)
    return (cpu_s(pids) - before) / (loop.time() - began)


async def memory(folder, sizes, mqtt_port):
    """Return the rows of the memory of all our processes, ready and idle."""
    del sizes
    rows = []
    room = folder / "county"
    room.mkdir()
    async with County(room, mqtt_port) as county:
        rows.append(await _memory(county.daemon, "county.yaml: 4 channels, 280 people", 250))
    room = folder / "district"
    room.mkdir()
    async with Outside(room, DISTRICT, mqtt_port=mqtt_port) as district:
        name = "district: 8 channels, 50 grids, 2,000 people, 500 chats"
        rows.append(await _memory(district.daemon, name, 400))
    return rows


async def _memory(daemon, name, limit_mb):
    await asyncio.sleep(SETTLES_S)
    pids = daemon.pids()
    return Row(
        f"9 PSS, {name}", "MB", len(pids), pss_mb(pids), target={"p50": limit_mb},
        note=f"n is processes; {once_mb(pids):.0f} MB with what the outside shares counted too",
    )  # fmt: skip
