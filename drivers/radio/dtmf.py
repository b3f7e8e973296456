"""DTMF: samples to symbols, symbols to samples, symbols to reply frames.

Frequencies: ITU-T Recommendation Q.23, "Technical features of push-button telephone sets",
section 6. Receiver targets: ITU-T Recommendation Q.24, Annex A (the NTT and AT&T columns:
operate at 40 ms, not at 24 ms, bridge 10 ms), widened for analogue radios, which show 6 to 7 dB
of twist through missing or double de-emphasis.

How the decoder works. Every 10 ms it looks at the last 20 ms of every channel through a Hann
window and measures the power at the eight frequencies and in the voice band: one matrix product
for all channels. Two looks in a row that show the same digit open a segment, two that do not
show it close it. Then, and only then, the segment's samples are judged as a whole
(``drivers.radio.dtmf_judge``): the looks are generous so that noisy digits come in, the judge
is strict so that speech stays out.

Twist is high group minus low group, in dB.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from drivers.radio.dtmf_frames import AniPosition, DtmfFramer, DtmfMessage
from drivers.radio.dtmf_judge import judge
from drivers.radio.samples import (
    FRAME_SAMPLES,
    SAMPLE_RATE_HZ,
    Int16Array,
    faded,
    peak_of,
    samples_of,
    to_int16,
)

Float32Array = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

__all__ = [
    "encode",
    "frequencies_hz",
    "AniPosition",
    "DtmfBank",
    "DtmfFramer",
    "DtmfMessage",
    "DtmfSymbol",
]

# Q.23 section 6.
LOW_HZ = (697.0, 770.0, 852.0, 941.0)
HIGH_HZ = (1209.0, 1336.0, 1477.0, 1633.0)
ROWS = ("123A", "456B", "789C", "*0#D")
SYMBOLS = "0123456789*#ABCD"

# Shorter than the shortest tone (40 ms) and gap (25 ms).
_WINDOW_SAMPLES = 160
_HOP_SAMPLES = 80
_LOOKS_PER_FRAME = FRAME_SAMPLES // _HOP_SAMPLES
# Three filters per tone, because one Hann filter loses 1.9 dB at 1.8 % of 1633 Hz.
_DETUNINGS = (-0.012, 0.0, 0.012)
# Below lie CTCSS and hum, which are no evidence against a digit.
_BAND_LOWEST_HZ = 260.0

# Of the voice band's power, what two tones must hold in a look to open a segment: at 0 dB
# signal to noise they hold half of it, give or take.
_OPEN_FRACTION = 0.32
# Handhelds arrive at -12 dBFS a tone; 33 dB below that nothing is a digit (mean square).
_POWER_MIN = 10.0 ** (-45.0 / 10.0) / 2.0
# In all looks of a digit together.
_HELD_FRACTION = 0.40
# The limits of the judge, and room for noise: this only spares it work.
_TWIST_LEAST, _TWIST_MOST = 10.0 ** (-14.5 / 10.0), 10.0 ** (12.5 / 10.0)
# Amplitude 0.4 of the loudest look: a gap of 10 ms shows in one look, one of 25 ms in two.
_KEPT_POWER = 0.16
_RELEASE_LOOKS = 2
# A lost packet is no pause: it is 20 ms long, and a pause between digits 25 ms or more.
_HOLE_SAMPLES = 176
# What is kept of the sound: 320 ms. A tone is judged at the latest when it has lasted 240 ms.
_FRAMES_KEPT = 16
_FRAMES_BEFORE_FIRST_VERDICT = 12
# Sound from before the first look: its window, and an edge to measure.
_LEAD_SAMPLES = 240


@dataclass(frozen=True, slots=True)
class DtmfSymbol:
    """One digit heard.

    Attributes:
        channel: index of the channel in the bank.
        symbol: one of ``0123456789*#ABCD``.
        start_sample: where the tone began, in samples since the bank was made.
        duration_ms: between the half-amplitude points.
    """

    channel: int
    symbol: str
    start_sample: int
    duration_ms: float


def encode(
    symbols: str, *, tone_ms: float = 70.0, gap_ms: float = 70.0, level_dbfs: float = -12.0
) -> Int16Array:
    """Return the tones of ``symbols``, each followed by its gap.

    Args:
        symbols: any of ``0123456789*#ABCD``.
        tone_ms: length of a tone.
        gap_ms: silence after each tone, after the last one as well.
        level_dbfs: peak level of each of the two tones, at most -6.1 so that the pair fits.

    Returns:
        8 kHz mono int16 samples.

    Raises:
        ValueError: a symbol that has no tones, or a level at which the pair would clip.
    """
    if level_dbfs > -6.1:
        msg = f"two tones at {level_dbfs} dBFS each would clip; at most -6.1 dBFS"
        raise ValueError(msg)
    gap = np.zeros(samples_of(gap_ms), np.int16)
    parts = [part for s in symbols for part in (_tone(s, tone_ms, level_dbfs), gap)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int16)


def frequencies_hz(symbol: str) -> tuple[float, float]:
    """Return the low and the high frequency of ``symbol`` (Q.23 section 6).

    Raises:
        ValueError: not a DTMF symbol.
    """
    for low_hz, row in zip(LOW_HZ, ROWS, strict=True):
        if len(symbol) == 1 and symbol in row:
            return low_hz, HIGH_HZ[row.index(symbol)]
    msg = f"{symbol!r} is not a DTMF symbol; use one of {SYMBOLS}"
    raise ValueError(msg)


def _tone(symbol: str, tone_ms: float, level_dbfs: float) -> Int16Array:
    low_hz, high_hz = frequencies_hz(symbol)
    t = np.arange(samples_of(tone_ms)) / SAMPLE_RATE_HZ
    wave = np.sin(2 * np.pi * low_hz * t) + np.sin(2 * np.pi * high_hz * t)
    # 2 ms edges: a hard edge splatters over the whole channel.
    return faded(to_int16(wave * peak_of(level_dbfs)), in_ms=2.0, out_ms=2.0)


def _filter_bank() -> tuple[Float32Array, Float32Array, Float32Array]:
    """Return filters for even and odd parts (24 + k, 80) of a window, and its square halved.

    A look is folded about its middle, sums and differences, which halves the work. Rows: the
    eight tones at each detuning, cosines in the even filters and sines in the odd ones, then
    an orthonormal basis of all that lies below the voice band and passes the window.
    """
    n = np.arange(_HOP_SAMPLES) - (_WINDOW_SAMPLES - 1) / 2.0
    window = 0.5 + 0.5 * np.cos(2 * np.pi * n / _WINDOW_SAMPLES)
    total, energy = 2.0 * window.sum(), 2.0 * float(np.square(window).sum())
    hz = np.array([f * (1 + d) for d in _DETUNINGS for f in (*LOW_HZ, *HIGH_HZ)])
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
        halves.append(np.ascontiguousarray((columns * window[:, None]).T, np.float32))
    return halves[0], halves[1], (np.square(window) / (2.0 * energy)).astype(np.float32)


@dataclass(slots=True)
class _Looks:
    """What one frame shows, (2, n) each: by look, the channels that listen.

    ``power`` (8, 2, n) is the mean square of each tone, ``band`` that of the voice band,
    ``shown`` 4 * row + column of the strongest tones where the look alone could be that
    digit, else -1.
    """

    power: Float32Array
    band: Float32Array
    shown: IntArray


@dataclass(slots=True)
class _Segment:
    """A stretch of looks that may be a digit.

    Attributes:
        key: 4 * row + column of its tones.
        since: middle of its first look.
        peak: power of the loudest look.
        held: power of the digit's tones, in all looks together.
        band: power of the voice band, likewise.
        balance: looks for the digit less those against it.
        quiet: looks in a row without it.
        onset: of a long tone, where it began; NaN not judged yet, inf judged to be none.
    """

    key: int
    since: int
    peak: float
    held: float
    band: float
    balance: int = 1
    quiet: int = 0
    onset: float = math.nan

    def carry_on(self, pair: float, band: float, shown: int) -> bool:
        """Add a look; return whether it ends the segment."""
        self.peak = max(self.peak, pair)
        loud = pair >= _KEPT_POWER * self.peak
        # Neither the sound of a hole nor what stands on an edge speaks against a digit.
        full = pair >= 0.5 * self.peak
        if full:
            self.held += pair
            self.band += band
        if shown == self.key:
            self.balance += 1
        elif loud:
            self.balance -= 1
        self.quiet = 0 if loud else self.quiet + 1
        return self.quiet >= _RELEASE_LOOKS or (shown not in {-1, self.key} and not full)

    @property
    def promising(self) -> bool:
        """Whether its looks are worth a judgement."""
        return self.held >= _HELD_FRACTION * self.band and self.balance >= 1

    @property
    def pair_hz(self) -> tuple[float, float]:
        """Its two tones."""
        return LOW_HZ[self.key // 4], HIGH_HZ[self.key % 4]


# What a bank knows of each channel, besides its sound and the segment under way.
_PER_CHANNEL = ("_listening", "_shown", "_told", "_told_end")


class DtmfBank:
    """Streaming decoder for ``n_channels`` channels at once."""

    def __init__(self, n_channels: int) -> None:
        self._even, self._odd, self._square = _filter_bank()
        self._sample = 0
        self._slot = 0
        self._listening = np.zeros(n_channels, np.bool_)
        self._sound = np.zeros((_FRAMES_KEPT, n_channels, FRAME_SAMPLES), np.int16)
        self._shown = np.full(n_channels, -1)  # by the look before, -1 for none
        # Few channels have one at any time: plain numbers cost less than arrays.
        self._segments: dict[int, _Segment] = {}
        self._told = np.full(n_channels, -1)  # the last digit told, and where it ended
        self._told_end = np.zeros(n_channels)

    def step(self, frames: Int16Array, listening: BoolArray) -> list[DtmfSymbol]:
        """Take the next 20 ms of every channel and return the digits that ended.

        A digit is returned about 30 ms after its tone. In the step in which ``listening``
        falls, a tone under way is cut there, judged and returned at once, so that the last
        digit of an over is never later than the over's end.

        Args:
            frames: (n_channels, 160) int16.
            listening: (n_channels,) bool; frames of other channels are not looked at.
        """
        cut = self._listening & ~listening
        heard = listening | cut
        found: list[DtmfSymbol] = []
        if heard.all():
            found += self._hear(slice(None), np.arange(len(frames)), frames, cut)
        elif heard.any():
            rows = np.flatnonzero(heard)
            found += self._hear(rows, rows, frames, cut)
        self._listening = listening.copy()
        self._sample += FRAME_SAMPLES
        self._slot = (self._slot + 1) % _FRAMES_KEPT
        return found

    def rearranged(self, sources: Sequence[int | None]) -> DtmfBank:
        """Return a bank for other channels that goes on where this one is.

        Args:
            sources: for each channel of the new bank its index in this one, None for a new
                channel. Digits under way on channels that stay are not lost.
        """
        bank = DtmfBank(len(sources))
        bank._sample, bank._slot = self._sample, self._slot
        to = [i for i, source in enumerate(sources) if source is not None]
        at = [source for source in sources if source is not None]
        bank._sound[:, to] = self._sound[:, at]
        for name in _PER_CHANNEL:
            getattr(bank, name)[to] = getattr(self, name)[at]
        bank._segments = {
            i: replace(self._segments[source])
            for i, source in zip(to, at, strict=True)
            if source in self._segments
        }
        return bank

    def _hear(
        self, rows: slice | IntArray, channels: IntArray, frames: Int16Array, cut: BoolArray
    ) -> list[DtmfSymbol]:
        """Do a step's work for some channels, or for all by a slice, which copies less."""
        now = self._sound[self._slot]
        now[rows] = frames[rows]
        now[cut] = 0
        looks = self._look(self._sound[self._slot - 1, rows, _HOP_SAMPLES:], now[rows])
        found = self._follow(rows, channels, looks)
        self._judge_long()
        for channel in np.flatnonzero(cut).tolist():
            found += self._close(channel, self._sample + FRAME_SAMPLES)
            self._sound[:, channel] = 0
            self._shown[channel] = -1
        return found

    def _look(self, before: Int16Array, current: Int16Array) -> _Looks:
        halves = np.concatenate([before, current[:, :_HOP_SAMPLES], current[:, _HOP_SAMPLES:]])
        scaled = halves * np.float32(1 / 32768)
        left, right = scaled[: -len(current)], scaled[len(current) :, ::-1]
        even, odd = left + right, left - right
        cosines, sines = self._even @ even.T, self._odd @ odd.T
        cosines *= cosines
        sines *= sines
        detuned = cosines[:24] + sines[:24]
        power = np.maximum(np.maximum(detuned[:8], detuned[8:16]), detuned[16:])
        even *= even
        odd *= odd
        even += odd
        band = even @ self._square - cosines[24:].sum(axis=0) - sines[24:].sum(axis=0)
        low, high = power[:4].max(axis=0), power[4:].max(axis=0)
        pair = low + high
        good = (pair >= _POWER_MIN) & (pair >= _OPEN_FRACTION * band)
        good &= (high >= _TWIST_LEAST * low) & (high <= _TWIST_MOST * low)
        key = 4 * power[:4].argmax(axis=0) + power[4:].argmax(axis=0)
        shape = (_LOOKS_PER_FRAME, len(current))
        shown = np.where(good, key, -1)
        return _Looks(power.reshape(8, *shape), band.reshape(shape), shown.reshape(shape))

    def _follow(
        self, rows: slice | IntArray, channels: IntArray, looks: _Looks
    ) -> list[DtmfSymbol]:
        """Open, carry on and close the segments of all channels by the looks of a frame."""
        shown = looks.shown
        again = np.concatenate([self._shown[rows][None], shown[:-1]]) == shown
        again &= shown >= 0
        self._shown[rows] = shown[-1]
        lively = again.any(axis=0)
        going = np.fromiter(self._segments, np.int64, len(self._segments))
        lively[np.searchsorted(channels, going)] = True
        at = np.flatnonzero(lively)
        names = channels[at].tolist()
        found: list[DtmfSymbol] = []
        for look in range(_LOOKS_PER_FRAME):
            of_look = (a[look, at].tolist() for a in (looks.band, shown, again))
            powers = looks.power[:, look, at].T.tolist()
            for channel, power, *seen in zip(names, powers, *of_look, strict=True):
                found += self._take(channel, look, power, *seen)
        return found

    def _take(
        self, channel: int, look: int, power: list[float], band: float, shown: int, again: bool
    ) -> list[DtmfSymbol]:
        """Carry the channel's segment on by a look; close it, open the next."""
        found: list[DtmfSymbol] = []
        segment = self._segments.get(channel)
        if segment is not None:
            pair = power[segment.key // 4] + power[4 + segment.key % 4]
            if not segment.carry_on(pair, band, shown):
                return found
            found = self._close(channel, self._sample + _HOP_SAMPLES * (look + 1))
        if again:
            pair = power[shown // 4] + power[4 + shown % 4]
            # A look stands for the middle of its window; the first was the one before.
            since = self._sample + _HOP_SAMPLES * (look - 1)
            self._segments[channel] = _Segment(shown, since, pair, pair, band)
        return found

    def _judge_long(self) -> None:
        """Judge tones that are about to outlast the sound that is kept."""
        early = self._sample - _FRAMES_BEFORE_FIRST_VERDICT * FRAME_SAMPLES
        for channel, segment in self._segments.items():
            if segment.since > early or not math.isnan(segment.onset):
                continue
            begin, samples = self._stretch(channel, segment, self._sample + FRAME_SAMPLES)
            verdict = judge(samples, *segment.pair_hz) if segment.promising else None
            segment.onset = begin + verdict.onset if verdict else math.inf

    def _close(self, channel: int, until: int) -> list[DtmfSymbol]:
        """End the channel's segment; return its digit when it was one."""
        segment = self._segments.pop(channel, None)
        if segment is None or segment.onset == math.inf or not segment.promising:
            return []
        begin, samples = self._stretch(channel, segment, until)
        running = not math.isnan(segment.onset)
        verdict = judge(samples, *segment.pair_hz, running=running)
        if verdict is None:
            return []
        key = segment.key
        start = segment.onset if running else begin + verdict.onset
        end = begin + verdict.end
        goes_on = (
            key == self._told[channel] and start - self._told_end[channel] <= _HOLE_SAMPLES
        )
        self._told[channel], self._told_end[channel] = key, end
        if goes_on:
            return []
        duration_ms = 1000.0 * (end - start) / SAMPLE_RATE_HZ
        symbol = ROWS[key // 4][key % 4]
        return [DtmfSymbol(channel, symbol, max(round(start), 0), duration_ms)]

    def _stretch(
        self, channel: int, segment: _Segment, until: int
    ) -> tuple[int, Float32Array]:
        """Return where the sound of the channel's segment begins, and the sound."""
        newest = self._sample + FRAME_SAMPLES
        oldest = newest - _FRAMES_KEPT * FRAME_SAMPLES
        sound = np.roll(self._sound[:, channel], -self._slot - 1, axis=0).reshape(-1)
        begin = max(segment.since - _LEAD_SAMPLES, oldest)
        return begin, sound[begin - oldest : until - oldest] * np.float32(1 / 32768)
