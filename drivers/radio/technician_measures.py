"""What a technician measures on a channel: delays, levels, squelch, signalling.

Each measurement sends on one channel and listens on another (its ear): a second radio on the
same frequency, or the same channel where its own transmission comes back.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from drivers.radio.heard import Heard
from drivers.radio.hearing import Hearing
from drivers.radio.samples import FRAME_MS, Int16Array, level_dbfs
from drivers.radio.technician_bench import Bench, BenchRadio, every_kind
from drivers.radio.technician_sound import (
    SWEEP_MS,
    hears_tone,
    peak_dbfs,
    sweep,
    sweep_moment_ms,
    tone,
)
from drivers.radio.transmission import TxState

__all__ = [
    "Ends",
    "ToneReport",
    "measure_ends",
    "measure_tone",
    "seconds_to_silence",
    "signals_in",
    "signals_sent",
]

TEST_HZ: Final = 1000.0
# Jitter buffers of both ends and a slow squelch: what was sent is heard by then.
_LATE_S: Final = 0.6
_FEWEST: Final = 10
_STEP_TOLERANCE_MS: Final = 8.0


@dataclass(frozen=True, slots=True)
class Ends:
    """What a transmission loses at its ends.

    Attributes:
        lead_ms: From the key to the first sound that is let through: the least TX delay.
        lost_ms: Sound before the unkeying that is not heard any more: the least hang time.
    """

    lead_ms: float
    lost_ms: float


def measure_ends(bench: Bench, sender: BenchRadio, ear: BenchRadio) -> Ends | None:
    """Send a sweep without TX delay and hang time; None when it was not heard."""
    moments: list[float] = []
    sounds_s: list[float] = []

    def listen(now_s: float) -> None:
        if sender.transmitter.state is TxState.SOUND:
            sounds_s.append(now_s)
        moment = None if ear.frame is None else sweep_moment_ms(ear.frame)
        if moment is not None:
            moments.append(moment)

    bench.watchers.append(listen)
    try:
        begun_s = bench.now_s
        sender.send(sweep(), begun_s, tx_delay_ms=0, hang_ms=0)
        bench.sent(sender, 5.0)
        bench.run(_LATE_S)
    finally:
        bench.watchers.remove(listen)
    rising = _rising(moments)
    if len(rising) < _FEWEST or not sounds_s:
        return None
    half = FRAME_MS / 2
    lead_ms = 1000.0 * (sounds_s[0] - begun_s) + max(0.0, rising[0] - half)
    return Ends(lead_ms, max(0.0, SWEEP_MS - rising[-1] - half))


def _rising(moments: Sequence[float]) -> list[float]:
    """Return the moments that go on as a sweep does: a stray tone is none of it."""
    goes_on = [
        abs(later - earlier - FRAME_MS) < _STEP_TOLERANCE_MS
        for earlier, later in itertools.pairwise(moments)
    ]
    return [
        moment
        for moment, before, after in zip(
            moments, [False, *goes_on], [*goes_on, False], strict=False
        )
        if before or after
    ]


@dataclass(frozen=True, slots=True)
class ToneReport:
    """What became of a test tone.

    Attributes:
        failure: Why the transmission broke off, or None.
        keyed_ms: From the wish to key to the keyer's word, or None.
        heard_ms: For how long the ear heard the tone.
        level_dbfs: Its level at the ear, None when it was not heard.
        peak_dbfs: Its highest peak.
        opened_ms: From the line's moving to the opening of the ear's squelch, or None.
        closed_ms: From the line's falling to its closing, or None.
        edges: How often the ear's squelch changed; a clean one does twice.
    """

    failure: str | None
    keyed_ms: float | None
    heard_ms: float
    level_dbfs: float | None
    peak_dbfs: float | None
    opened_ms: float | None
    closed_ms: float | None
    edges: int


def measure_tone(
    bench: Bench, sender: BenchRadio, ear: BenchRadio, *, seconds: float = 1.0
) -> ToneReport:
    """Send 1 kHz at -10 dBFS with the settings' own delays, and listen."""
    begun_s = bench.now_s
    first = len(ear.edges)
    with bench.recording(ear) as frames:
        sender.send(tone(TEST_HZ, 1000.0 * seconds), begun_s)
        failure = bench.sent(sender, seconds + 5.0)
        bench.until(lambda: not ear.squelch_open, 3.0)
        bench.run(_LATE_S)
    heard = [frame for frame in frames if hears_tone(frame, TEST_HZ)]
    # The first and the last may hold an edge.
    body = np.concatenate(heard[1:-1] or heard) if heard else None
    keyed, unkeyed = (
        sender.said("keyed", since_s=begun_s),
        sender.said("unkeyed", since_s=begun_s),
    )
    edges = ear.edges[first:]
    opened_s = next((at_s for at_s, is_open in edges if is_open), None)
    closed_s = next((at_s for at_s, is_open in reversed(edges) if not is_open), None)
    return ToneReport(
        failure=failure,
        keyed_ms=_ms_between(begun_s, keyed.at_s if keyed else None),
        heard_ms=float(FRAME_MS * len(heard)),
        level_dbfs=None if body is None else level_dbfs(body),
        peak_dbfs=None if body is None else peak_dbfs(body),
        opened_ms=_ms_between(keyed.at_s if keyed else None, opened_s),
        closed_ms=_ms_between(unkeyed.at_s if unkeyed else None, closed_s),
        edges=len(edges),
    )


def _ms_between(from_s: float | None, to_s: float | None) -> float | None:
    return None if from_s is None or to_s is None else 1000.0 * (to_s - from_s)


def seconds_to_silence(
    bench: Bench, sender: BenchRadio, ear: BenchRadio, act: Callable[[], None]
) -> float | None:
    """Send a tone, act, and return how long the ear hears it after that.

    None when it was never heard; infinity when it does not end within 3 s.
    """
    last_s = float("-inf")

    def listen(now_s: float) -> None:
        nonlocal last_s
        if hears_tone(ear.frame, TEST_HZ):
            last_s = now_s

    bench.watchers.append(listen)
    try:
        sender.send(tone(TEST_HZ, 8000.0), bench.now_s)
        if not bench.until(lambda: last_s > 0, 4.0):
            return None
        bench.run(0.3)
        acted_s = bench.now_s
        act()
        ended = bench.until(lambda: bench.now_s - last_s > 0.5, 3.0)
    finally:
        bench.watchers.remove(listen)
    return max(0.0, last_s - acted_s) if ended else float("inf")


def signals_sent(
    bench: Bench, sender: BenchRadio, ear: BenchRadio, samples: Int16Array
) -> list[Heard]:
    """Send signalling, and return what every decoder makes of it at the ear."""
    with bench.recording(ear) as frames:
        sender.send(samples, bench.now_s)
        bench.sent(sender, len(samples) / 8000.0 + 5.0)
        bench.run(_LATE_S)
    return signals_in(frames, ear)


def signals_in(frames: Sequence[Int16Array], ear: BenchRadio) -> list[Heard]:
    """Return what every decoder makes of frames that a channel has heard."""
    if not frames:
        return []
    hearing = Hearing([every_kind(ear.settings)])
    yes = np.array([True])
    found = hearing.hear(np.concatenate(frames)[np.newaxis, :], yes)
    return found + hearing.hear(np.zeros((1, 160), np.int16), ~yes)
