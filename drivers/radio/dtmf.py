"""DTMF: samples to symbols, symbols to samples, symbols to reply frames.

Frequencies: ITU-T Recommendation Q.23, "Technical features of push-button telephone sets",
section 6. Receiver targets: ITU-T Recommendation Q.24, Annex A (the NTT and AT&T columns:
operate at 40 ms, not at 24 ms, bridge 10 ms), widened for analogue radios, which show 6 to 7 dB
of twist through missing or double de-emphasis.

How the decoder works. Every 5 ms it looks at the last 20 ms through a Hann window and
measures the power at the eight frequencies and in the whole voice band. A run of such looks
in which two tones hold most of the power is one segment. When the segment is over it is
judged as a whole: how long it lasted between its half-amplitude points (a Hann window reads
exactly half when its centre stands on an edge), how far each tone is from its frequency (by
the advance of its phase, far finer than the filters), how much of the power the two tones
explain, and the twist. Judging the whole segment is what keeps speech out and noisy digits
in.

Twist is high group minus low group, in dB.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from drivers.radio.dtmf_frames import AniPosition, DtmfFramer, DtmfMessage
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
Complex64Array = npt.NDArray[np.complex64]

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

# The window is shorter than the shortest tone (40 ms) and gap (25 ms); four looks per frame
# place an edge to about 1 ms.
_WINDOW_SAMPLES = 160
_HOP_SAMPLES = 40
_HOPS_PER_FRAME = FRAME_SAMPLES // _HOP_SAMPLES
_HOP_MS = 1000.0 * _HOP_SAMPLES / SAMPLE_RATE_HZ
# Three filters per tone, because one Hann filter loses 1.9 dB at 1.8 % of 1633 Hz.
_DETUNINGS = (-0.012, 0.0, 0.012)
# 50 Hz per bin: 350 to 3000 Hz. Below lies CTCSS, which is no evidence against a digit.
_BAND = slice(7, 61)

# A look belongs to a segment while the two tones hold this part of the voice band's power. At
# +6 dB signal to noise they hold 0.8 (0.72 at least, detuned by 1.8 %); of the segments that
# speech makes, half hold less than 0.68.
_LOOK_FRACTION = 0.5
_LOOK_FRACTION_KEPT = 0.4
_SEGMENT_FRACTION = 0.70
# Handhelds arrive at -12 dBFS a tone; 33 dB below that nothing is a digit (mean square).
_POWER_MIN = 10.0 ** (-45.0 / 10.0) / 2.0
# Halfway between "shall not operate" (24 ms) and "shall operate" (40 ms).
_DURATION_MIN_MS = 32.0
# Between 1.8 % and 3.5 %, nearer to the first: noise moves the estimate by 0.2 % only.
_DETUNING_MAX = 0.024
# -10 to +8 dB accepted, with room for noise.
_TWIST_MIN_DB, _TWIST_MAX_DB = -11.5, 9.5
# Phase of a steady tone advances evenly (0.97 at the noisiest); a voice's harmonics glide.
_COHERENCE_MIN = 0.955
# Looks below half amplitude that end a segment: 20 ms, between 10 ms (bridge) and 25 ms (gap).
_RELEASE_LOOKS = 4
# Two seconds of looks are evidence enough; a tone held longer is only timed.
_LOOKS_KEPT_MAX = 400


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
    """Return the window and the (160, 48) matrix: 24 cosine columns, then 24 sine columns."""
    n = np.arange(_WINDOW_SAMPLES)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / _WINDOW_SAMPLES)
    hz = np.array([f * (1 + d) for f in (*LOW_HZ, *HIGH_HZ) for d in _DETUNINGS])
    turns = 2 * np.pi * np.outer(n, hz) / SAMPLE_RATE_HZ
    bank = np.concatenate([np.cos(turns), -np.sin(turns)], axis=1)
    return window.astype(np.float32), bank.astype(np.float32)


@dataclass(slots=True)
class _Looks:
    """What one frame shows: for each listening channel and each of the four looks.

    ``power`` (n, 4, 8) mean square of each tone, ``phase`` (n, 4, 8) its complex value,
    ``band`` (n, 4) power of the voice band, ``pair`` (n, 4) the strongest low tone plus the
    strongest high one, ``present`` (n, 4) whether the look alone could be a digit.
    """

    power: Float32Array
    phase: Complex64Array
    band: Float32Array
    pair: Float32Array
    present: npt.NDArray[np.bool_]


@dataclass(slots=True)
class _Segment:
    """A run of looks in which two tones hold most of the power."""

    first_sample: int
    power: list[Float32Array] = field(default_factory=list)
    phase: list[Complex64Array] = field(default_factory=list)
    band: list[float] = field(default_factory=list)
    peak: float = 0.0
    released: int = 0
    looks_beyond: int = 0

    def add(self, power: Float32Array, phase: Complex64Array, band: float, pair: float) -> None:
        """Take one look in; count how many in a row no longer belong."""
        if len(self.power) < _LOOKS_KEPT_MAX:
            self.power.append(power)
            self.phase.append(phase)
            self.band.append(band)
        else:
            self.looks_beyond += 1
        if 4.0 * pair >= self.peak and pair >= _LOOK_FRACTION_KEPT * band:
            self.peak = max(self.peak, pair)
            self.released = 0
        else:
            self.released += 1


class DtmfBank:
    """Streaming decoder for ``n_channels`` channels at once."""

    def __init__(self, n_channels: int) -> None:
        self._window, self._bank = _filter_bank()
        self._previous = np.zeros((n_channels, FRAME_SAMPLES), np.float32)
        self._segments: list[_Segment | None] = [None] * n_channels
        self._earlier: list[tuple[_Looks, int] | None] = [None] * n_channels
        self._listening = np.zeros(n_channels, np.bool_)
        self._sample = 0

    def step(self, frames: Int16Array, listening: npt.NDArray[np.bool_]) -> list[DtmfSymbol]:
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
        current = np.where(listening[:, None], frames, 0).astype(np.float32) / np.float32(32768)
        found: list[DtmfSymbol] = []
        if len(rows):
            looks = self._look(np.concatenate([self._previous[rows], current[rows]], axis=1))
            for i, channel in enumerate(rows.tolist()):
                found += self._follow(looks, i, channel)
                self._earlier[channel] = (looks, i)
        for channel in np.flatnonzero(cut).tolist():
            found += self._close(channel)
            self._earlier[channel] = None
        self._previous = current
        self._listening = listening.copy()
        self._sample += FRAME_SAMPLES
        return found

    def _look(self, samples: Float32Array) -> _Looks:
        views = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW_SAMPLES, axis=1)
        windows = views[:, _HOP_SAMPLES::_HOP_SAMPLES] * self._window
        n = len(samples)
        flat = windows.reshape(n * _HOPS_PER_FRAME, _WINDOW_SAMPLES)
        parts = flat @ self._bank
        half = parts.shape[1] // 2
        squares = parts[:, :half] ** 2 + parts[:, half:] ** 2
        # A sine of amplitude a has mean square a*a/2; its filter reads a * sum(window) / 2.
        power = squares.reshape(n, _HOPS_PER_FRAME, 8, 3).max(axis=3) * np.float32(2 / 80**2)
        phase = (parts[:, 1:half:3] + 1j * parts[:, half + 1 :: 3]).astype(np.complex64)
        spectrum = np.fft.rfft(flat, axis=1)[:, _BAND]
        # Parseval for a Hann window of 160: 2 / (160 * sum(window**2)).
        squares = spectrum.real**2 + spectrum.imag**2
        band = squares.sum(axis=1).reshape(n, -1) * np.float32(2 / (160 * 60))
        pair = power[:, :, :4].max(axis=2) + power[:, :, 4:].max(axis=2)
        present = (pair >= _POWER_MIN) & (pair >= _LOOK_FRACTION * band)
        return _Looks(power, phase.reshape(n, _HOPS_PER_FRAME, 8), band, pair, present)

    def _follow(self, looks: _Looks, i: int, channel: int) -> list[DtmfSymbol]:
        """Carry one channel's segment through the four looks of this frame."""
        found: list[DtmfSymbol] = []
        if self._segments[channel] is None and not looks.present[i].any():
            return found
        for hop in range(_HOPS_PER_FRAME):
            segment = self._segments[channel]
            if segment is None:
                if looks.present[i, hop]:
                    self._segments[channel] = self._open(looks, i, channel, hop)
                continue
            segment.add(
                looks.power[i, hop],
                looks.phase[i, hop],
                float(looks.band[i, hop]),
                float(looks.pair[i, hop]),
            )
            if segment.released >= _RELEASE_LOOKS:
                found += self._close(channel)
        return found

    def _open(self, looks: _Looks, i: int, channel: int, hop: int) -> _Segment:
        """Begin a segment four looks back, so that its onset can be measured."""
        first = hop - _RELEASE_LOOKS
        # A look stands for the middle of its window.
        centre = self._sample - _WINDOW_SAMPLES // 2 + _HOP_SAMPLES * (hop + 1)
        segment = _Segment(centre)
        earlier = self._earlier[channel]
        for k in range(first, hop + 1):
            source, row, at = looks, i, k
            if k < 0:
                if earlier is None:
                    continue
                source, row, at = earlier[0], earlier[1], k + _HOPS_PER_FRAME
            segment.first_sample = min(segment.first_sample, centre - _HOP_SAMPLES * (hop - k))
            segment.add(
                source.power[row, at],
                source.phase[row, at],
                float(source.band[row, at]),
                float(source.pair[row, at]),
            )
        segment.released = 0
        segment.peak = float(looks.pair[i, hop])
        return segment

    def _close(self, channel: int) -> list[DtmfSymbol]:
        segment, self._segments[channel] = self._segments[channel], None
        if segment is None:
            return []
        verdict = _judge(segment)
        if verdict is None:
            return []
        symbol, onset_hops, duration_ms = verdict
        start = segment.first_sample + round(onset_hops * _HOP_SAMPLES)
        return [DtmfSymbol(channel, symbol, max(start, 0), duration_ms)]


def _judge(segment: _Segment) -> tuple[str, float, float] | None:
    """Return symbol, onset in hops from the segment's first look, and duration; or None."""
    power = np.array(segment.power)
    band = np.array(segment.band)
    strongest = np.sqrt(power[:, :4].max(axis=1) + power[:, 4:].max(axis=1))
    plateau = float(np.median(strongest[strongest >= 0.7 * strongest.max()]))
    full = strongest >= 0.85 * plateau
    sums = power[full].sum(axis=0)
    low, high = int(sums[:4].argmax()), 4 + int(sums[4:].argmax())
    pair = np.sqrt(power[:, low] + power[:, high])
    onset, end = _edges(pair, 0.5 * plateau)
    # Of the looks that were only counted, the last ones are those of the release.
    beyond = max(segment.looks_beyond - segment.released, 0)
    duration_ms = (end - onset + beyond) * _HOP_MS
    if duration_ms < _DURATION_MIN_MS:
        return None
    # Windows that lie within the tone to their ends, and not in a bridged interruption.
    look = np.arange(len(full))
    full &= (look >= onset + 2) & (look <= end - 2)
    if float((pair[full] ** 2).sum()) < _SEGMENT_FRACTION * float(band[full].sum()):
        return None
    twist_db = 10.0 * np.log10(max(float(sums[high]), 1e-12) / max(float(sums[low]), 1e-12))
    if not _TWIST_MIN_DB <= twist_db <= _TWIST_MAX_DB:
        return None
    phase = np.array(segment.phase)
    if not (_on_frequency(phase, full, low) and _on_frequency(phase, full, high)):
        return None
    return ROWS[low][high - 4], onset, duration_ms


def _edges(pair: Float32Array, half: float) -> tuple[float, float]:
    """Return where the amplitude first rises through ``half`` and last falls through it."""
    above = np.flatnonzero(pair >= half)
    if not len(above):
        return 0.0, 0.0
    first, last = int(above[0]), int(above[-1])
    onset, end = float(first), float(last)
    if first > 0:
        onset -= float((pair[first] - half) / (pair[first] - pair[first - 1]))
    if last + 1 < len(pair):
        end += float((pair[last] - half) / (pair[last] - pair[last + 1]))
    return onset, end


def _on_frequency(phase: Complex64Array, full: npt.NDArray[np.bool_], tone: int) -> bool:
    """Whether the tone is steady and within 2.4 % of its nominal frequency."""
    neighbours = full[1:] & full[:-1]
    later, earlier = phase[1:][neighbours, tone], phase[:-1][neighbours, tone]
    if not len(later):
        return False
    nominal_hz = (*LOW_HZ, *HIGH_HZ)[tone]
    advance = complex((later * earlier.conj()).sum())
    weight = float((np.abs(later) * np.abs(earlier)).sum())
    if weight == 0.0 or abs(advance) < _COHERENCE_MIN * weight:
        return False
    turn = 2 * np.pi * nominal_hz * _HOP_SAMPLES / SAMPLE_RATE_HZ
    off_hz = float(np.angle(advance * np.exp(-1j * turn))) * 1000.0 / (2 * np.pi * _HOP_MS)
    return abs(off_hz) <= _DETUNING_MAX * nominal_hz
