"""CTCSS: the tone below the voice that says whose radio it is, and that it is there.

Tones: the 50 of the CML CMX838 data sheet; 38 of them are in TIA-603. They stand 2.3 to 8.5 Hz
apart, nearer than the 6 Hz that the quarter second of an answer could part by filters; but
one tone alone is placed to 0.2 Hz by interpolation, and then belongs to the nearest name.

How the decoder works. Every 40 ms the last 160 ms below 260 Hz are measured in steps of
6.25 Hz. A tone that holds most of what lies there, on the frequency of one name for two such
looks, and is one steady sine, is present, 170 to 240 ms after its beginning. From
then on its phase is followed in windows of 40 ms: when the tone ceases, or turns (a reverse
burst of 120, 180 or 240 degrees), it has ended, some 50 ms later, before the receiver's own
squelch lets the tail through.

A 100 Hz hum cannot be told from the tone 100.0: do not use that tone where there is hum.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from drivers.radio.arrays import (
    BoolArray,
    Complex128Array,
    Float32Array,
    IntArray,
)
from drivers.radio.below_voice import BelowVoiceBank, one_each
from drivers.radio.heard import Heard
from drivers.radio.low_band import (
    LOW_FRAME_SAMPLES,
    LOW_KEPT,
    LOW_RATE_HZ,
    LOW_SAMPLE,
    LowBand,
)
from drivers.radio.samples import (
    FRAME_SAMPLES,
    SAMPLE_RATE_HZ,
    Float64Array,
    Int16Array,
    faded,
    peak_of,
    samples_of,
    to_int16,
)

__all__ = ["TONES_HZ", "CtcssBank", "encode", "tone_named"]

# CMX838 data sheet.
TONES_HZ = (
    *(67.0, 69.3, 71.9, 74.4, 77.0, 79.7, 82.5, 85.4, 88.5, 91.5, 94.8, 97.4, 100.0),
    *(103.5, 107.2, 110.9, 114.8, 118.8, 123.0, 127.3, 131.8, 136.5, 141.3, 146.2, 151.4),
    *(156.7, 159.8, 162.2, 165.5, 167.9, 171.3, 173.8, 177.3, 179.9, 183.5, 186.2, 189.9),
    *(192.8, 196.6, 199.5, 203.5, 206.5, 210.7, 218.1, 225.7, 229.1, 233.6, 241.8, 250.3),
    254.1,
)

# 160 ms through a Hann window, in bins of 6.25 Hz from 50 to 294 Hz.
_WINDOW = 128
_BIN_HZ = LOW_RATE_HZ / _WINDOW
_BINS = np.arange(8, 48)
# The tone's three or four bins hold all of a lone tone; half of what there is while voices
# that were not cut off at 300 Hz lie beside it.
_PURITY_MIN = 0.75
# 25 Hz of a deviation of 5 kHz at full scale (power of the sine's peak).
_LEVEL_MIN = 10.0 ** (-46.0 / 10.0)
# No window with less in it reads that level (Cauchy and Schwarz, for the Hann window).
_ENERGY_MIN = _WINDOW * _LEVEL_MIN / 3.1
# Senders keep 0.3 to 0.5 %; noise moves the estimate by 0.2 Hz.
_OFF_PART, _OFF_HZ = 0.0055, 0.5
# Never nearer to the neighbour than this part of the way.
_OFF_NEIGHBOUR = 0.42
_BETWEEN_HZ = np.array([0.5 * (a + b) for a, b in itertools.pairwise(TONES_HZ)])
# A channel without a tone is looked at every second step, in those in which codes are not.
_SEARCH_STEPS, _LOOKS_TO_OPEN = 2, 2
# Before it opens, so much of a tone's power must be one sine.
_STEADY_WINDOWS, _STEADINESS_MIN = 5, 0.99
# A tone that fills four of the windows has 0.8: it can be steady one of them, 40 ms, later.
_STEADINESS_NEAR = 0.75
# The phase is followed in 40 ms.
_SHORT = 32
_STEADY_SAMPLES = _STEADY_WINDOWS * _SHORT
_SHORT_N = np.arange(_SHORT) - (_SHORT - 1)
_HOLDS, _GONE, _TURNED = 0.6, 0.4, -0.2
_LOOKS_TO_CLOSE = 2
# A reverse burst (up to 160 ms), or what is left in the window, must not open again.
_DEAF_AFTER_TURN, _DEAF_AFTER_END = 13, 8
_FRAME_S = LOW_FRAME_SAMPLES / LOW_RATE_HZ


def tone_named(hz: float) -> str:
    """Return the tone's name, such as ``88.5``.

    Raises:
        ValueError: not one of the 50 tones.
    """
    if not any(abs(hz - tone) < 0.05 for tone in TONES_HZ):
        near = min(TONES_HZ, key=lambda tone: abs(tone - hz))
        msg = f"{hz:g} Hz is not a CTCSS tone; the nearest is {near:g}"
        raise ValueError(msg)
    return f"{hz:.1f}"


def encode(
    hz: float,
    ms: float,
    *,
    level_dbfs: float = -26.0,
    reverse_burst_deg: float | None = 180.0,
    reverse_burst_ms: float = 150.0,
) -> Int16Array:
    """Return a tone, and after it the reverse burst that closes the far squelch.

    Args:
        hz: any frequency.
        ms: length of the tone without the burst.
        level_dbfs: peak; -26 is 250 Hz where full scale is 5 kHz of deviation.
        reverse_burst_deg: how far the phase turns, 120, 180 or 240; None for no burst.
        reverse_burst_ms: length of the burst.

    Returns:
        8 kHz mono int16 samples, to be added to what is spoken.
    """
    burst_ms = reverse_burst_ms if reverse_burst_deg is not None else 0.0
    n, n_burst = samples_of(ms), samples_of(burst_ms)
    turn = 2 * np.pi * hz * np.arange(n + n_burst) / SAMPLE_RATE_HZ
    turn[n:] += np.deg2rad(reverse_burst_deg or 0.0)
    return faded(to_int16(np.sin(turn) * peak_of(level_dbfs)), in_ms=2.0, out_ms=2.0)


def _hann(n: int) -> Float64Array:
    return 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(n) + 0.5) / n)


_SHORT_WINDOW = _hann(_SHORT) * (2 / _hann(_SHORT).sum())


def _short_waves(hz: Float64Array) -> Complex128Array:
    """Return (n, 32) filters at those frequencies."""
    waves: Complex128Array = np.exp(np.outer(hz, _SHORT_N * (-2j * np.pi / LOW_RATE_HZ)))
    waves *= _SHORT_WINDOW
    return waves


def _steadiness(samples: Float32Array, hz: Float64Array) -> Float64Array:
    """Return how far phase and level of tones do not move in (n, 160) samples, 0 to 1.

    A voice that was not cut off at 300 Hz is as loud as a tone, but glides.
    """
    backs = np.arange(_STEADY_WINDOWS) * _SHORT
    windows = samples.reshape(len(hz), _STEADY_WINDOWS, _SHORT)[:, ::-1]
    parts = np.matmul(windows, _short_waves(hz)[:, :, None])[:, :, 0]
    # The frequency is an estimate too: what is left of an even advance is taken out.
    parts = parts * np.exp(2j * np.pi * hz[:, None] * backs / LOW_RATE_HZ)
    drift = np.angle((parts[:, 1:] * parts[:, :-1].conj()).sum(axis=1))
    parts = parts * np.exp(-1j * drift[:, None] * np.arange(_STEADY_WINDOWS))
    power = np.square(np.abs(parts)).sum(axis=1)
    one = np.square(np.abs(parts.sum(axis=1))) / _STEADY_WINDOWS
    steadiness: Float64Array = one / np.maximum(power, 1e-12)
    return steadiness


def _half_widths_hz() -> Float64Array:
    """Return how far from its frequency each tone is still taken for itself."""
    tones = np.array(TONES_HZ)
    apart = np.diff(tones)
    nearest = np.minimum(np.append(apart, np.inf), np.insert(apart, 0, np.inf))
    widths: Float64Array = np.minimum(_OFF_PART * tones + _OFF_HZ, _OFF_NEIGHBOUR * nearest)
    return widths


class _Seen(NamedTuple):
    """What a look shows, one entry a channel.

    Attributes:
        loud: whether it is loud enough for a tone; where it is not, nothing else is measured.
        tone: index of the wanted tone, -1 for none.
        hz: its frequency.
        steadiness: how far phase and level have not moved lately, 0 to 1.
    """

    loud: BoolArray
    tone: IntArray
    hz: Float64Array
    steadiness: Float64Array

    def at(self, index: IntArray) -> _Seen:
        """Return the same of some channels."""
        return _Seen(self.loud[index], self.tone[index], self.hz[index], self.steadiness[index])


class CtcssBank(BelowVoiceBank[_Seen]):
    """Streaming tone squelch for ``n_channels`` channels whose audio is a discriminator's.

    Args:
        n_channels: how many.
        wanted: for each channel the tones (Hz) that open it, or None for any of the 50.
        low: the low band where it is shared: then ``look`` takes the place of ``step``.

    Attributes:
        present: (n_channels,) after a step: a wanted tone is there. This is the squelch.

    Raises:
        ValueError: a wanted tone that is none of the 50, or not one entry a channel.
    """

    PER_CHANNEL = (
        *("_tone", "_looks", "_hz", "_phase", "_weak", "_skipped", "_nearly"),
    )
    LOOK_SAMPLES, LOOK_STEP = _STEADY_SAMPLES, 1

    def __init__(
        self,
        n_channels: int,
        wanted: Sequence[Iterable[float] | None] | None = None,
        low: LowBand | None = None,
    ) -> None:
        super().__init__(n_channels, low)
        masks = [_mask(tones) for tones in one_each(wanted, n_channels, "tones")]
        self._wanted = np.array(masks).reshape(-1, len(TONES_HZ))
        self._tone = np.full(n_channels, -1)  # of the look before, -1 for none
        self._looks = np.zeros(n_channels, np.int64)
        self._hz = np.zeros(n_channels)
        self._phase = np.zeros(n_channels, np.complex128)
        self._weak = np.zeros(n_channels, np.int64)
        self._skipped = np.zeros(n_channels, np.bool_)  # the look before
        self._nearly = np.zeros(n_channels, np.bool_)  # steady, at the last look
        window = _hann(_WINDOW)
        turns = 2 * np.pi * np.outer(np.arange(_WINDOW), _BINS) / _WINDOW
        waves = np.concatenate([np.cos(turns), np.sin(turns)], axis=1)
        self._filters = (waves * (2 * window / window.sum())[:, None]).T.astype(np.float32)
        self._half_widths_hz = _half_widths_hz()

    def look(self, listening: BoolArray) -> list[Heard]:
        """Do the same where another has brought the shared low band forward by 20 ms."""
        ended: list[Heard] = []
        if not listening.all():
            ended = self._finish(np.flatnonzero(self.present & ~listening), self._sample)
            self._looks[~listening], self._deaf[~listening] = 0, 0
        self._sample += FRAME_SAMPLES
        if self._deaf.any():
            np.maximum(self._deaf - 1, 0, out=self._deaf)
        if self.present.any():
            ended += self._follow(np.flatnonzero(self.present & listening))
        due = self._due(listening & ~self.present & (self._deaf == 0))
        if due.any():
            self._search(due)
        return ended

    def rearranged(
        self,
        sources: Sequence[int | None],
        wanted: Sequence[Iterable[float] | None] | None = None,
        low: LowBand | None = None,
    ) -> CtcssBank:
        """Return a bank for other channels that goes on where this one is.

        Args:
            sources: for each channel of the new bank its index in this one, None for a new
                channel.
            wanted: as for a new bank.
            low: the low band where it is shared, rearranged likewise.
        """
        low = self._low.rearranged(sources) if low is None else low
        bank = self._moved_to(CtcssBank(len(sources), wanted, low), sources)
        bank.present &= bank._wanted[np.arange(len(sources)), bank._tone]
        return bank

    def _due(self, idle: BoolArray) -> BoolArray:
        """Return which of the channels without a tone are looked at in this step.

        Two looks in a row find a tone. So every second look can be left out where nothing was
        nearly steady at the one before, and be made up for where at the next one it is.
        """
        turn = self._sample // FRAME_SAMPLES % (2 * _SEARCH_STEPS)
        self._skipped &= idle
        if turn % _SEARCH_STEPS == 0:
            # Found twice, but not steady yet: noise may make it wait, not this rhythm.
            idle &= self._nearly & (self._looks >= _LOOKS_TO_OPEN)
        elif turn != self.LOOK_STEP:
            self._skipped |= idle & ~self._nearly
            idle &= self._nearly
        return idle

    def _search(self, due: BoolArray) -> None:
        """Look for a tone on channels that have none."""
        channels = np.flatnonzero(due)
        seen = self._seen(channels)
        quiet = channels[~seen.loud]
        self._tone[quiet], self._looks[quiet] = -1, 0
        self._skipped[quiet] = self._nearly[quiet] = False
        if len(quiet) < len(channels):
            at = np.flatnonzero(seen.loud)
            self._search_loud(channels[at], seen.at(at))

    def _search_loud(self, channels: IntArray, seen: _Seen) -> None:
        nearly = seen.steadiness >= _STEADINESS_NEAR
        self._nearly[channels] = nearly
        late = channels[self._skipped[channels] & nearly]
        if len(late):
            self._note(late, *self._tones_of(late, _SEARCH_STEPS * LOW_FRAME_SAMPLES))
        self._skipped[channels] = False
        self._note(channels, seen.tone, seen.hz)
        steady = self._looks[channels] >= _LOOKS_TO_OPEN
        steady &= seen.steadiness >= _STEADINESS_MIN
        if steady.any():
            self._open(channels[steady])

    def _open(self, channels: IntArray) -> None:
        """Have tones that were found begin."""
        self._phase[channels] = self._short(channels, 0)
        self._weak[channels] = 0
        self.present[channels] = True
        self._nearly[channels] = False
        self._end[channels] = self._sample
        for channel in channels.tolist():
            self._start[channel] = self._began(channel)

    def _seen_in(self, windows: Float32Array, channels: IntArray) -> _Seen:
        """Return what the last 160 ms (rows) of some channels show."""
        n, newest = len(windows), windows[:, -_WINDOW:]
        loud = np.einsum("ij,ij->i", newest, newest) >= _ENERGY_MIN
        tone, hz, steadiness = np.full(n, -1), np.zeros(n), np.zeros(n)
        at = np.flatnonzero(loud)
        if len(at):
            tone[at], hz[at] = self._wanted_in(newest[at], channels[at])
        found = np.flatnonzero(tone >= 0)
        if len(found):
            steadiness[found] = _steadiness(windows[found], hz[found])
        return _Seen(loud, tone, hz, steadiness)

    def _tones_of(self, channels: IntArray, back: int) -> tuple[IntArray, Float64Array]:
        """Return the wanted tone of each, -1 for none, and its frequency, ``back`` ago."""
        stop = LOW_KEPT - back
        return self._wanted_in(self._low.samples[channels, stop - _WINDOW : stop], channels)

    def _wanted_in(
        self, windows: Float32Array, channels: IntArray
    ) -> tuple[IntArray, Float64Array]:
        """Return the wanted tone in each window, -1 for none, and its frequency."""
        tone, hz = self._look(windows)
        return np.where((tone >= 0) & self._wanted[channels, tone], tone, -1), hz

    def _note(self, channels: IntArray, tone: IntArray, hz: Float64Array) -> None:
        """Note what a look has found."""
        same = (tone >= 0) & (tone == self._tone[channels])
        self._looks[channels] = np.where(same, self._looks[channels] + 1, tone >= 0)
        self._hz[channels] = np.where(same, 0.5 * (hz + self._hz[channels]), hz)
        self._tone[channels] = tone

    def _look(self, samples: Float32Array) -> tuple[IntArray, Float64Array]:
        """Return for each row the index of its tone, -1 for none, and the frequency."""
        parts = self._filters @ samples.T
        half = len(_BINS)
        power = np.square(parts[:half]) + np.square(parts[half:])
        at = np.arange(power.shape[1])
        peak = 2 + power[2:-2].argmax(axis=0)
        near = power[peak + np.arange(-2, 3)[:, None], at]
        before, there, after = np.sqrt(near[1:4])
        side = np.where(after > before, 1.0, -1.0)
        ratio = np.maximum(before, after) / np.maximum(there, 1e-9)
        # Two neighbouring bins of a Hann window give the place between them.
        hz = (_BINS[peak] + side * (2 * ratio - 1) / (ratio + 1)) * _BIN_HZ
        lone = near.sum(axis=0) >= _PURITY_MIN * power.sum(axis=0)
        loud = there * there >= _LEVEL_MIN
        tone = np.searchsorted(_BETWEEN_HZ, hz)
        off_hz = np.abs(hz - np.array(TONES_HZ)[tone])
        fits = lone & loud & (off_hz <= self._half_widths_hz[tone])
        return np.where(fits, tone, -1), hz

    def _short(self, channels: IntArray, back: int) -> Complex128Array:
        """Return amplitude and phase of the channels' tones 40 ms long, ``back`` ago."""
        stop = self._low.samples.shape[1] - back
        samples = self._low.samples[channels, stop - _SHORT : stop]
        parts: Complex128Array = (samples * _short_waves(self._hz[channels])).sum(axis=1)
        return parts

    def _follow(self, channels: IntArray) -> list[Heard]:
        """Follow the phase of tones that are there; end those that cease or turn."""
        now = self._short(channels, 0)
        due = self._phase[channels] * np.exp(2j * np.pi * self._hz[channels] * _FRAME_S)
        size = np.maximum(np.abs(due), 1e-9)
        kept = (now * due.conj()).real / size**2
        holds = kept >= _HOLDS
        # The sender's frequency is known to 0.2 Hz only: let phase and frequency be pulled.
        drift = np.angle(now * due.conj()) / (2 * np.pi * _FRAME_S)
        self._hz[channels] += np.where(holds, 0.02 * drift, 0.0)
        self._phase[channels] = np.where(holds, due + 0.25 * (now - due), due)
        self._weak[channels] = np.where(kept < _GONE, self._weak[channels] + 1, 0)
        self._end[channels[holds]] = self._sample
        turned = kept < _TURNED
        over = turned | (self._weak[channels] >= _LOOKS_TO_CLOSE)
        deaf = np.where(turned[over], _DEAF_AFTER_TURN, _DEAF_AFTER_END)
        self._deaf[channels[over]] = deaf
        return self._finish(channels[over], self._sample)

    def _began(self, channel: int) -> int:
        """Return the sample at which the tone that is there now began."""
        row = np.array([channel])
        whole = abs(self._phase[channel])
        back = 0
        back_max = LOW_KEPT - _SHORT - 8
        while back <= back_max and abs(self._short(row, back + 8)[0]) >= 0.5 * whole:
            back += 8
        # At half amplitude the middle of the window stands on the edge.
        late = (back + _SHORT // 2) * LOW_SAMPLE + round(self._low.delay_ms * 8)
        return max(self._sample - late, 0)

    def _finish(self, channels: IntArray, now: int) -> list[Heard]:
        self.present[channels] = False
        self._looks[channels] = 0
        self._nearly[channels] = False
        ended = [self._told(c, min(int(self._end[c]), now)) for c in channels.tolist()]
        self._tone[channels] = -1
        return ended

    def _told(self, channel: int, until: int) -> Heard:
        start = int(self._start[channel])
        value = f"{TONES_HZ[self._tone[channel]]:.1f}"
        duration_ms = 1000.0 * (until - start) / SAMPLE_RATE_HZ
        return Heard(channel, "ctcss", None, value, start, duration_ms)


def _mask(wanted: Iterable[float] | None) -> BoolArray:
    """Return which of the 50 tones are wanted."""
    if wanted is None:
        return np.ones(len(TONES_HZ), np.bool_)
    names = {tone_named(hz) for hz in wanted}
    return np.array([f"{hz:.1f}" in names for hz in TONES_HZ])
