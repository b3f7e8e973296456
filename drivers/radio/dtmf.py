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

from collections.abc import Sequence
from dataclasses import dataclass

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


def _filter_bank() -> tuple[Float32Array, Float32Array]:
    """Return the window folded into its filters (48 + k, 160), and the window squared.

    Rows: 24 cosines (the eight tones at each detuning), 24 sines, then an orthonormal basis of
    all that lies below the voice band and passes the window.
    """
    n = np.arange(_WINDOW_SAMPLES)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * (n + 0.5) / _WINDOW_SAMPLES)
    hz = np.array([f * (1 + d) for d in _DETUNINGS for f in (*LOW_HZ, *HIGH_HZ)])
    tones = 2 * np.pi * np.outer(n, hz) / SAMPLE_RATE_HZ
    below = 2 * np.pi * np.outer(n, np.arange(0.0, _BAND_LOWEST_HZ, 10.0)) / SAMPLE_RATE_HZ
    waves = np.concatenate([np.cos(below), np.sin(below)], axis=1) * window[:, None]
    basis, weights, _ = np.linalg.svd(waves, full_matrices=False)
    # A sine of amplitude a reads a * sum(window) / 2; its mean square is a * a / 2.
    scale = np.sqrt(2.0) / window.sum()
    # By Parseval the mean square of a windowed sound is its square sum over the window's.
    energy = float(np.square(window).sum())
    kept = basis[:, weights > 0.003 * weights[0]] / np.sqrt(energy)
    columns = np.concatenate([np.cos(tones) * scale, np.sin(tones) * scale, kept], axis=1)
    folded = np.ascontiguousarray((columns * window[:, None]).T, np.float32)
    return folded, (np.square(window) / energy).astype(np.float32)


@dataclass(slots=True)
class _Looks:
    """What one frame shows, (n, 2) each: channels that listen, by look.

    ``power`` (8, n, 2) is the mean square of each tone, ``band`` that of the voice band,
    ``key`` 4 * row + column of the strongest tones, ``good`` whether the look alone could be
    that digit.
    """

    power: Float32Array
    band: Float32Array
    key: IntArray
    good: BoolArray


# What a bank knows of each channel.
_PER_CHANNEL = (
    *("_listening", "_sound", "_key", "_open", "_since", "_peak"),
    *("_held", "_band", "_balance", "_quiet", "_onset", "_told", "_told_end"),
)


class DtmfBank:
    """Streaming decoder for ``n_channels`` channels at once."""

    def __init__(self, n_channels: int) -> None:
        self._filters, self._square = _filter_bank()
        self._sample = 0
        self._slot = 0
        self._listening = np.zeros(n_channels, np.bool_)
        self._sound = np.zeros((n_channels, _FRAMES_KEPT, FRAME_SAMPLES), np.float32)
        self._key = np.full(n_channels, -1)  # of the look before, -1 for none
        self._open = np.full(n_channels, -1)  # of the segment, -1 for none
        self._since = np.zeros(n_channels, np.int64)  # middle of its first look
        self._peak = np.zeros(n_channels, np.float32)
        # Power of the digit's tones and of the band; looks for it less those against it.
        self._held = np.zeros(n_channels, np.float32)
        self._band = np.zeros(n_channels, np.float32)
        self._balance = np.zeros(n_channels, np.int64)
        self._quiet = np.zeros(n_channels, np.int64)
        self._told = np.full(n_channels, -1)  # the last digit told, and where it ended
        self._told_end = np.zeros(n_channels)
        # Of a long tone: where it began; NaN not judged yet, inf judged to be none.
        self._onset = np.full(n_channels, np.nan)

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
        rows = np.flatnonzero(listening | cut)
        found: list[DtmfSymbol] = []
        if len(rows):
            before = self._sound[rows, self._slot - 1]
            current = frames[rows] * np.float32(1 / 32768)
            current[cut[rows]] = 0.0
            self._sound[rows, self._slot] = current
            looks = self._look(np.concatenate([before[:, _HOP_SAMPLES:], current], axis=1))
            for look in range(_LOOKS_PER_FRAME):
                found += self._follow(rows, looks, look)
            self._judge_long(rows)
            for channel in np.flatnonzero(cut).tolist():
                found += self._close(channel, self._sample + FRAME_SAMPLES)
                self._sound[channel] = 0.0
                self._key[channel] = -1
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
        for name in _PER_CHANNEL:
            getattr(bank, name)[to] = getattr(self, name)[at]
        return bank

    def _look(self, samples: Float32Array) -> _Looks:
        n = len(samples)
        windows = np.stack([samples[:, :_WINDOW_SAMPLES], samples[:, _HOP_SAMPLES:]], axis=1)
        flat = windows.reshape(n * _LOOKS_PER_FRAME, _WINDOW_SAMPLES)
        parts = self._filters @ flat.T
        parts *= parts
        band = self._square @ np.square(flat).T - parts[48:].sum(axis=0)
        detuned = parts[:24] + parts[24:48]
        power = np.maximum(np.maximum(detuned[:8], detuned[8:16]), detuned[16:])
        low, high = power[:4].max(axis=0), power[4:].max(axis=0)
        pair = low + high
        good = (pair >= _POWER_MIN) & (pair >= _OPEN_FRACTION * band)
        good &= (high >= _TWIST_LEAST * low) & (high <= _TWIST_MOST * low)
        key = 4 * power[:4].argmax(axis=0) + power[4:].argmax(axis=0)
        shape = (n, _LOOKS_PER_FRAME)
        return _Looks(
            power.reshape(8, *shape),
            band.reshape(shape),
            key.reshape(shape),
            good.reshape(shape),
        )

    def _follow(self, rows: IntArray, looks: _Looks, look: int) -> list[DtmfSymbol]:
        """Open, carry on and close the segments of all channels by one look."""
        good, key = looks.good[:, look], looks.key[:, look]
        again = good & (key == self._key[rows])
        self._key[rows] = np.where(good, key, -1)
        found: list[DtmfSymbol] = []
        going = np.flatnonzero(self._open[rows] >= 0)
        if len(going):
            over = self._carry_on(rows[going], looks, look, going)
            for channel in rows[going[over]].tolist():
                found += self._close(channel, self._sample + _HOP_SAMPLES * (look + 1))
        opens = np.flatnonzero(again & (self._open[rows] < 0))
        if len(opens):
            self._begin(rows[opens], looks, look, opens)
        return found

    def _begin(self, channels: IntArray, looks: _Looks, look: int, at: IntArray) -> None:
        key = looks.key[at, look]
        pair = looks.power[key // 4, at, look] + looks.power[4 + key % 4, at, look]
        self._open[channels] = key
        # A look stands for the middle of its window; the first was the one before.
        self._since[channels] = self._sample + _HOP_SAMPLES * (look - 1)
        self._peak[channels] = self._held[channels] = pair
        self._band[channels] = looks.band[at, look]
        self._balance[channels] = 1
        self._quiet[channels] = 0

    def _carry_on(
        self, channels: IntArray, looks: _Looks, look: int, at: IntArray
    ) -> BoolArray:
        """Add a look to open segments; return which of them it ends."""
        of = self._open[channels]
        pair = looks.power[of // 4, at, look] + looks.power[4 + of % 4, at, look]
        peak = np.maximum(self._peak[channels], pair)
        self._peak[channels] = peak
        loud = pair >= _KEPT_POWER * peak
        fits = looks.good[at, look] & (looks.key[at, look] == of)
        # Neither the sound of a hole nor what stands on an edge speaks against a digit.
        full = pair >= 0.5 * peak
        self._held[channels] += np.where(full, pair, 0.0)
        self._band[channels] += np.where(full, looks.band[at, look], 0.0)
        self._balance[channels] += np.where(fits, 1, np.where(loud, -1, 0))
        self._quiet[channels] = np.where(loud, 0, self._quiet[channels] + 1)
        another = looks.good[at, look] & (looks.key[at, look] != of) & ~full
        over: BoolArray = (self._quiet[channels] >= _RELEASE_LOOKS) | another
        return over

    def _promising(self, channel: int) -> bool:
        """Whether the looks of the channel's segment are worth a judgement."""
        held = self._held[channel] >= _HELD_FRACTION * self._band[channel]
        return bool(held and self._balance[channel] >= 1)

    def _judge_long(self, rows: IntArray) -> None:
        """Judge tones that are about to outlast the sound that is kept."""
        late = self._sample - self._since[rows] >= _FRAMES_BEFORE_FIRST_VERDICT * FRAME_SAMPLES
        late &= (self._open[rows] >= 0) & np.isnan(self._onset[rows])
        for channel in rows[late].tolist():
            begin, samples = self._stretch(channel, self._sample + FRAME_SAMPLES)
            promising = self._promising(channel)
            verdict = judge(samples, *self._pair_hz(channel)) if promising else None
            self._onset[channel] = begin + verdict.onset if verdict else np.inf

    def _close(self, channel: int, until: int) -> list[DtmfSymbol]:
        """End the channel's segment; return its digit when it was one."""
        if self._open[channel] < 0:
            return []
        onset, low_high = float(self._onset[channel]), self._pair_hz(channel)
        key, running = int(self._open[channel]), not np.isnan(onset)
        begin, samples = self._stretch(channel, until)
        self._open[channel], self._onset[channel] = -1, np.nan
        if onset == np.inf or not self._promising(channel):
            return []
        verdict = judge(samples, *low_high, running=running)
        if verdict is None:
            return []
        start = onset if running else begin + verdict.onset
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

    def _pair_hz(self, channel: int) -> tuple[float, float]:
        key = int(self._open[channel])
        return LOW_HZ[key // 4], HIGH_HZ[key % 4]

    def _stretch(self, channel: int, until: int) -> tuple[int, Float32Array]:
        """Return where the sound of the channel's segment begins, and the sound."""
        newest = self._sample + FRAME_SAMPLES
        oldest = newest - _FRAMES_KEPT * FRAME_SAMPLES
        sound = np.concatenate(
            [self._sound[channel, self._slot + 1 :], self._sound[channel, : self._slot + 1]]
        ).reshape(-1)
        begin = max(int(self._since[channel]) - _LEAD_SAMPLES, oldest)
        return begin, sound[begin - oldest : until - oldest]
