"""Rows of the radio process at work: what sixteen channels cost, and how soon a key is down."""

import asyncio
import time

from simulators.checkers import Journal
from tests.bench.alerts import body, post
from tests.bench.figures import Row, absent, times
from tests.bench.machine import cpu_s, family, pss_mb
from tests.bench.outside import Outside
from tests.bench.sites import Shape

# A page is decided on and told a moment before its key is asked for, never after.
_SLACK_S = 0.005
_QUIET_S = 1.5
_LIMIT_S = 60


async def measured(folder, sizes):
    """Return the rows of all channels heard at once, and of every PTT decision of some rounds."""
    n = sizes.live_channels
    shape = Shape(channels=n, grids=n, called=n, accounts=1, all_ears=True)
    async with Outside(folder, shape) as outside:
        await asyncio.sleep(3.0)
        rows = await _listening(outside, n, sizes.live_s)
        offset_s = time.time() - time.monotonic()
        for turn in range(sizes.key_rounds):
            await _all_called(outside, turn, n)
        edges = await outside.radios.ask(do="edges")
        export = folder / "export.jsonl"
        export.write_bytes(
            await outside.daemon.command("journal", "export", str(outside.config))
        )
        due = n * sizes.key_rounds
        rows.append(_keyed(Journal.read(export), edges, offset_s, due))
    return rows


async def _listening(outside, channels, for_s):
    await outside.radios.ask(do="squelch", on=True)
    await asyncio.sleep(1.0)
    radio, every = family(outside.daemon.radio_pid()), outside.daemon.pids()
    before = cpu_s(radio), cpu_s(every), time.monotonic()
    await asyncio.sleep(for_s)
    spent_s = time.monotonic() - before[2]
    cores = (cpu_s(radio) - before[0]) / spent_s
    whole = (cpu_s(every) - before[1]) / spent_s
    await outside.radios.ask(do="squelch", on=False)
    said = (
        f"radio process and keyers, every decoder on: talk and digits on every channel, "
        f"recorded; the whole daemon {whole:.2f}; the radio process has {pss_mb(radio[:1]):.0f} MB"
    )
    return [Row(f"30 {channels} channels live, all decoders", "cores", channels, cores, target={"p50": 0.4},
                note=said)]  # fmt: skip


async def _all_called(outside, turn, channels):
    """Return once every channel was keyed for an alert of its own and is silent, or time is up."""
    before = len(await outside.radios.ask(do="edges"))
    for number in range(channels):
        name = f"key{turn}"
        await post(outside, body(name, number, channels, level=1, text=f"第{turn}次打架"))
        # Not all at the same moment, nor in step with the frames.
        await asyncio.sleep(0.053)
    loop = asyncio.get_running_loop()
    # What was not keyed by then is missing in the row's count, and its note says so.
    since, until_s = loop.time(), loop.time() + _LIMIT_S
    while loop.time() - since < _QUIET_S and loop.time() < until_s:
        edges = await outside.radios.ask(do="edges")
        on = {channel: is_on for _, channel, is_on in edges}
        keyed = {channel for _, channel, is_on in edges[before:] if is_on}
        if len(keyed) < channels or any(on.values()):
            since = loop.time()
        await asyncio.sleep(0.1)


def _keyed(journal, edges, offset_s, due):
    """Return the row of each page's beginning, as decided, to the line at its radio."""
    decided = []
    for row in journal.of("PageStarted"):
        page = journal.at("page", row.event["page"], row.seq)
        decided.append((row.event["at_us"] / 1e6 - offset_s, page["channel"]))
    name, spent_s = "31 PTT decision → line at the radio", keyed_s(decided, edges)
    if not spent_s:
        return absent(name, "ms", "no page began")
    return times(name, spent_s, target={"p99": 20}, note=(
        f"{due} pages of level 1 asked for, all channels in turn; through keyer, RFC 2217 and the "
        "radio's own process"
    ))  # fmt: skip


def keyed_s(decided, edges):
    """Return how long each decision took to the first edge on that follows on its channel.

    Args:
        decided: (monotonic s, channel id) of each.
        edges: (monotonic s, number of the channel, whether on) of every edge, in order.
    """
    found = []
    for decided_s, where in decided:
        ons = (at - decided_s for at, n, on in edges if on and f"c{n}" == where)
        found += [spent_s for spent_s in ons if spent_s > -_SLACK_S][:1]
    return found
