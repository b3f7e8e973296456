"""Rows of the radio: how well it hears, what that costs, and how soon it keys.

What is pure arithmetic runs in processes of its own, one on each processor; what is timed runs
alone.
"""

import asyncio
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice

from tests.bench import patch, radio_cells, radio_live, radio_talk, voices
from tests.bench.hearing import HEARD_AT_ONCE

_THREADS = "OPENBLAS_NUM_THREADS"


@dataclass(frozen=True)
class RadioSizes:
    """How much of the radio is measured.

    Attributes:
        digits: DTMF digits in each cell.
        dtmf_ms: Lengths of tone and gap.
        dtmf_db: Signal-to-noise ratios.
        calls: Five-tone calls, and MDC1200 packets, in each cell.
        tone_tries: How often each CTCSS tone is sent.
        talk: Runs of speech, and minutes of different speech in each (an eighth of that on each
            of 64 channels, less 15 %).
        hiss: Runs of hiss, and hours of each.
        sentences: For the intelligibility, at each ratio.
        cnrs_db: Carrier-to-noise ratios.
        live_channels: Channels of the daemon.
        live_s: How long it is watched.
        key_rounds: How often each of its channels is keyed.
        overs: Overs from one channel to another, without faults of the network and with.
    """

    digits: int = 304
    dtmf_ms: tuple[int, ...] = (40, 50, 70, 100)
    dtmf_db: tuple[int, ...] = (30, 12, 9, 6, 3, 0)
    calls: int = 320
    tone_tries: int = 4
    talk: tuple[int, float] = (4, 24.0)
    hiss: tuple[int, float] = (2, 2.5)
    sentences: int = 8
    cnrs_db: tuple[float, ...] = (20.0, 12.0, 9.0)
    live_channels: int = 16
    live_s: int = 20
    key_rounds: int = 4
    overs: int = 6


QUICK = RadioSizes(
    digits=48, dtmf_ms=(50,), dtmf_db=(30, 9, 3), calls=64, tone_tries=1, talk=(1, 3.0),
    hiss=(1, 0.5), sentences=2, cnrs_db=(12.0,), live_s=5, key_rounds=1, overs=2,
)  # fmt: skip


async def measured(folder, sizes, mqtt_port):
    """Return every row of the radio."""
    del mqtt_port
    want = sizes.radio
    speech = folder / "voices"
    with _one_thread_each():
        # Made before the runs that share it, and before anything is timed.
        await _each([(voices.voices, speech, want.talk[1])])
        [costs] = await _each([(radio_talk.cost, folder / "voices_of_cost")])
        costs += await _each([(radio_talk.memory,)])
        rows = await _heard(speech, want)
    rooms = folder / "live", folder / "patch"
    for room in rooms:
        room.mkdir()
    rows += costs + await radio_live.measured(rooms[0], want)
    return rows + await patch.measured(rooms[1], patch.Patched(overs=want.overs))


async def _heard(speech, want):
    runs, minutes = want.talk
    talk = [(radio_talk.in_speech, speech, minutes, seed) for seed in range(1, runs + 1)]
    hiss = [(radio_talk.in_hiss, want.hiss[1], seed) for seed in range(1, want.hiss[0] + 1)]
    cells = [
        (radio_cells.dtmf_grid, want), (radio_cells.dtmf_nominal, want),
        (radio_cells.packets, want), (radio_cells.below_the_voice, want),
        (radio_cells.speech, want),
    ]  # fmt: skip
    calls = [(radio_cells.five_tone, want, table) for table in HEARD_AT_ONCE]
    # The longest first, so that no processor waits for the other at the end.
    done = iter(await _each([*talk, *hiss, *cells, *calls]))
    rows = radio_talk.false_rows(27, "speech", list(islice(done, len(talk))))
    rows += radio_talk.false_rows(28, "hiss", list(islice(done, len(hiss))))
    rows += chain.from_iterable(islice(done, len(cells)))
    return rows + radio_cells.five_tone_rows(dict(zip(HEARD_AT_ONCE, done, strict=True)))


async def _each(jobs):
    """Return what each job returns, in order; a job is a function and its arguments."""
    loop = asyncio.get_running_loop()
    workers = min(len(jobs), len(os.sched_getaffinity(0)))
    # A process for each job: nothing that one has left in memory counts for the next.
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), max_tasks_per_child=1
    )

    async def done(job):
        return await loop.run_in_executor(pool, *job)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(done(job)) for job in jobs]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return [task.result() for task in tasks]


@contextmanager
def _one_thread_each():
    """Children do their arithmetic in one thread, as the radio process does."""
    before = os.environ.get(_THREADS)
    os.environ[_THREADS] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_THREADS]
        else:
            os.environ[_THREADS] = before
