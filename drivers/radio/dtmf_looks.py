"""DTMF, the first look: which digit 20 ms of sound could be, of all channels at once. Pure.

A look measures the last 20 ms through a Hann window at the eight frequencies, each at three
places, and in the voice band: one matrix product for all channels. Whole frames are looked at
always; the looks that lie across two frames only where a digit is under way or may begin,
since a digit begins with two looks in a row.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from operator import add
from typing import NamedTuple

import numpy as np

from drivers.radio.arrays import BoolArray, Float32Array, IntArray
from drivers.radio.samples import FRAME_SAMPLES, SAMPLE_RATE_HZ, Int16Array

__all__ = [
    "FRAMES_AT_ONCE_MAX",
    "HIGH_HZ",
    "HOP_SAMPLES",
    "LOOKS_PER_FRAME",
    "LOW_HZ",
    "LookBank",
    "Looks",
]

# Q.23 section 6.
LOW_HZ = (697.0, 770.0, 852.0, 941.0)
HIGH_HZ = (1209.0, 1336.0, 1477.0, 1633.0)
_TONES_HZ = np.array([*LOW_HZ, *HIGH_HZ])
_TONES = len(_TONES_HZ)

# Shorter than the shortest tone (40 ms) and gap (25 ms).
_WINDOW_SAMPLES = 160
HOP_SAMPLES = 80
LOOKS_PER_FRAME = FRAME_SAMPLES // HOP_SAMPLES
# Three filters per tone, because one Hann filter loses 1.9 dB at 1.8 % of 1633 Hz.
_DETUNINGS = (-0.012, 0.0, 0.012)
_FILTERS = len(_DETUNINGS) * _TONES
# Below lie CTCSS and hum, which are no evidence against a digit.
_BAND_LOWEST_HZ = 260.0

# Of the voice band's power, what two tones must hold in a look to open a segment: at 0 dB
# signal to noise they hold half of it, give or take.
_OPEN_FRACTION = 0.32
# Handhelds arrive at -12 dBFS a tone; 33 dB below that nothing is a digit (mean square).
_POWER_MIN = 10.0 ** (-45.0 / 10.0) / 2.0
# The limits of the judge, and room for noise: this only spares it work.
_TWIST_LEAST, _TWIST_MOST = 10.0 ** (-14.5 / 10.0), 10.0 ** (12.5 / 10.0)

# Where the sound is there already, frames are looked at together: beyond this nothing is won.
FRAMES_AT_ONCE_MAX = 5
# What all looks of a digit say together: the last 320 ms.
_LOOKS_ASKED = 32
_LOOKS_KEPT = _LOOKS_ASKED + LOOKS_PER_FRAME * FRAMES_AT_ONCE_MAX
# A Hann window of 20 ms loses so much of a tone's power, as a logarithm, per square of the Hz
# that it is off; of two filters on both sides the ratio tells where the tone lies.
_LOSS = 5.06e-4
_LEAN = [4.0 * _LOSS * _DETUNINGS[2] * hz**2 for hz in (*LOW_HZ, *HIGH_HZ)]
# The judge takes 0.0245; noise moves this estimate by 0.004 at 0 dB.
_DETUNING_MAX = 0.031
# Of the pair's power: what one other tone, and all of them, hold in noise at 0 dB is 0.38 and
# 0.59 at most; half of all voices have more. A digit that stands out is not asked.
_OTHER_MAX, _OTHERS_MAX = 0.40, 0.62
_STANDS_OUT = 0.75


def _filter_bank() -> tuple[Float32Array, Float32Array, Float32Array]:
    """Return filters for even and odd parts (24 + k, 80) of a window, and its square halved.

    A look is folded about its middle, sums and differences, which halves the work. Rows: the
    eight tones at each detuning, cosines in the even filters and sines in the odd ones, then
    an orthonormal basis of all that lies below the voice band and passes the window.
    """
    n = np.arange(HOP_SAMPLES) - (_WINDOW_SAMPLES - 1) / 2.0
    window = 0.5 + 0.5 * np.cos(2 * np.pi * n / _WINDOW_SAMPLES)
    total, energy = 2.0 * window.sum(), 2.0 * float(np.square(window).sum())
    hz = np.concatenate([_TONES_HZ * (1 + d) for d in _DETUNINGS])
    tones = 2 * np.pi * np.outer(n, hz) / SAMPLE_RATE_HZ
    below = 2 * np.pi * np.outer(n, np.arange(0.0, _BAND_LOWEST_HZ, 10.0)) / SAMPLE_RATE_HZ
    bases = [np.linalg.svd(f(below) * window[:, None])[:2] for f in (np.cos, np.sin)]
    strongest = max(weights[0] for _, weights in bases)
    # A sine of amplitude a reads a * sum(window) / 2; its mean square is a * a / 2.
    scale = np.sqrt(2.0) / total
    halves = []
    for f, (basis, weights) in zip((np.cos, np.sin), bases, strict=True):
        # By Parseval the mean square of a windowed sound is its square sum over the window's.
        kept = basis[:, : len(weights)][:, weights > 0.003 * strongest] / np.sqrt(2.0 * energy)
        columns = np.concatenate([f(tones) * scale, kept], axis=1)
        # Samples come as int16.
        halves.append(np.ascontiguousarray((columns * window[:, None]).T / 32768, np.float32))
    square = np.square(window) / (2.0 * energy) / 32768.0**2
    return halves[0], halves[1], square.astype(np.float32)


@dataclass(slots=True)
class Looks:
    """What some frames show, (looks, n) each, of the channels that listen.

    Attributes:
        power: (8, looks, n), the mean square of each tone.
        band: that of the voice band.
        shown: 4 * row + column of the strongest tones where the look alone could be that
            digit, else -1; so it is too where nothing was looked for.
    """

    power: Float32Array
    band: Float32Array
    shown: IntArray


class _Measured(NamedTuple):
    """Windows of n channels: (windows, 24, n), (8, windows, n), (windows, n) twice."""

    filtered: Float32Array
    power: Float32Array
    band: Float32Array
    shown: IntArray


class LookBank:
    """Looks at ``n_channels`` channels, and remembers what it saw."""

    def __init__(self, n_channels: int) -> None:
        self._even, self._odd, self._square = _filter_bank()
        # By sample: frames in which no channel hears are not shown to us.
        self._seen = np.zeros((_LOOKS_KEPT, _FILTERS, n_channels), np.float32)

    def step(
        self,
        rows: slice | IntArray,
        before: Int16Array,
        frames: Int16Array,
        wanted: BoolArray,
        sample: int,
    ) -> Looks:
        """Return what the next frames of some channels, n of them, show.

        Args:
            rows: which channels.
            before: (n, 80), the second half of the frame before.
            frames: (n, 160 for each frame), `FRAMES_AT_ONCE_MAX` at most.
            wanted: (n,) bool, where the last look showed a digit, or one is under way.
            sample: where the frames begin, as ``resemble`` counts.
        """
        n, count = len(frames), frames.shape[1] // FRAME_SAMPLES
        halves = frames.reshape(n, count, 2, HOP_SAMPLES)
        whole = self._measure(halves[:, :, 0], halves[:, :, 1])
        n_looks = LOOKS_PER_FRAME * count
        power = np.zeros((_TONES, n_looks, n), np.float32)
        band = np.zeros((n_looks, n), np.float32)
        shown = np.full((n_looks, n), -1)
        seen = np.zeros((n_looks, _FILTERS, n), np.float32)
        seen[1::2], power[:, 1::2], band[1::2], shown[1::2] = whole
        at = np.flatnonzero(wanted | (whole.shown >= 0).any(axis=0))
        if len(at):
            first, second = halves[at, :, 0], halves[at, :-1, 1]
            earlier = np.concatenate([before[at, None], second], axis=1)
            half = self._measure(earlier, first)
            seen[::2, :, at], power[:, ::2, at], band[::2, at], shown[::2, at] = half
        slots = (sample // HOP_SAMPLES + np.arange(n_looks)) % _LOOKS_KEPT
        if isinstance(rows, slice):
            self._seen[slots] = seen
        else:
            self._seen[slots[:, None], :, rows] = seen.transpose(0, 2, 1)
        return Looks(power, band, shown)

    def resemble(self, channel: int, key: int, since: int, until: int, part: float) -> bool:
        """Return whether all looks at a stretch could together be a digit's.

        It takes whatever the judge would take, at a tenth of its cost.

        Args:
            channel: whose.
            key: 4 * row + column of the digit.
            since: sample of the first look's middle.
            until: sample at which the last look ended.
            part: of the voice band's power, the part in its tones.
        """
        end = until // HOP_SAMPLES
        looks = np.arange(max(since // HOP_SAMPLES, end - _LOOKS_ASKED), end)
        # Few looks: plain numbers cost less than arrays.
        looked = self._seen[looks % _LOOKS_KEPT, :, channel]
        low, high = key // 4, len(LOW_HZ) + key % 4
        seen = looked.T.tolist()
        levels = list(map(add, _powers_of(low, seen), _powers_of(high, seen)))
        # What stands on an edge says little.
        half = 0.5 * max(levels)
        full = [level >= half for level in levels]
        seen = [list(compress(of_filter, full)) for of_filter in seen]
        if any(_detuning(tone, seen) > _DETUNING_MAX for tone in (low, high)):
            return False
        own = sum(compress(levels, full))
        return part >= _STANDS_OUT or _is_lone(own, (low, high), seen)

    def rearranged(self, sources: Sequence[int | None]) -> LookBank:
        """Return the same for other channels; see ``DtmfBank.rearranged``."""
        bank = LookBank(len(sources))
        to = [i for i, source in enumerate(sources) if source is not None]
        at = [source for source in sources if source is not None]
        bank._seen[:, :, to] = self._seen[:, :, at]
        return bank

    def _measure(self, first: Int16Array, second: Int16Array) -> _Measured:
        """Measure windows by their halves, (n, windows, 80) each."""
        n, count, _ = first.shape
        left, right = (
            half.transpose(1, 0, 2).astype(np.float32, order="C").reshape(-1, HOP_SAMPLES)
            for half in (first, second[:, :, ::-1])
        )
        even, odd = left + right, left - right
        cosines, sines = self._even @ even.T, self._odd @ odd.T
        cosines *= cosines
        sines *= sines
        filtered = cosines[:_FILTERS]
        filtered += sines[:_FILTERS]
        power = np.maximum(np.maximum(filtered[:8], filtered[8:16]), filtered[16:])
        even *= even
        odd *= odd
        even += odd
        band = (even @ self._square).astype(np.float32, copy=False)
        band -= cosines[_FILTERS:].sum(axis=0)
        band -= sines[_FILTERS:].sum(axis=0)
        low, high = power[:4].max(axis=0), power[4:].max(axis=0)
        pair = low + high
        good = (pair >= _POWER_MIN) & (pair >= _OPEN_FRACTION * band)
        good &= (high >= _TWIST_LEAST * low) & (high <= _TWIST_MOST * low)
        shown = np.full(count * n, -1)
        of_good = power[:, np.flatnonzero(good)]
        shown[good] = 4 * of_good[:4].argmax(axis=0) + of_good[4:].argmax(axis=0)
        by_window = filtered.reshape(_FILTERS, count, n).transpose(1, 0, 2)
        return _Measured(
            by_window,
            power.reshape(_TONES, count, n),
            band.reshape(count, n),
            shown.reshape(count, n),
        )


def _powers_of(tone: int, seen: list[list[float]]) -> Iterator[float]:
    """Return what each look has at a tone, at whichever place it has most.

    ``seen`` has a list for each filter, with an entry for each look.
    """
    return map(max, seen[tone], seen[tone + _TONES], seen[tone + 2 * _TONES])


def _detuning(tone: int, seen: list[list[float]]) -> float:
    """Return how far a tone is off its frequency in all looks together, as a part of it."""
    below, above = sum(seen[tone]) + 1e-12, sum(seen[tone + 2 * _TONES]) + 1e-12
    return abs(math.log(above / below)) / _LEAN[tone]


def _is_lone(own: float, pair: tuple[int, int], seen: list[list[float]]) -> bool:
    """Whether a pair of that power has no other tone beside it, in all looks together."""
    others = 0.0
    for tone in range(_TONES):
        if tone not in pair:
            other = sum(_powers_of(tone, seen))
            others += other
            if other > _OTHER_MAX * own or others > _OTHERS_MAX * own:
                return False
    return True
