"""One five-tone call, measured on its samples: edges, frequencies, levels. Pure.

The bank's looks say roughly where five tones lie. Here each edge is put where the two tones
beside it explain the most energy, which in noise at 0 dB is right to 2 ms, and each frequency
is read from the whole tone, right to 2 Hz. Speech that resembles five tones in a row does not
stand up to that: its tones glide, are of unlike strength, and share the band with others.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivers.radio.samples import SAMPLE_RATE_HZ, Float64Array, Int16Array

IntArray = npt.NDArray[np.intp]

__all__ = ["LENGTH_TOLERANCE", "Call", "measure"]

# Senders keep 10 to 20 % (ZVEI 70 ± 15 ms, CCIR 100 ± 10 ms); wider lets speech in.
LENGTH_TOLERANCE = 0.30
# How far the outer edges are looked for, in tones, beyond the middle of the outer tones.
_OUTER_TONES = 1.6
_FIRST_TONE_MAX_MS = 1000.0
# Half the power at 0 dB; the shortest tone there varies by 0.06.
_FRACTION_MIN, _FRACTION_MEAN_MIN = 0.28, 0.38
# A radio without de-emphasis, or with it twice, tilts 700 to 2800 Hz by 12 dB.
_LEVEL_RANGE_MAX_DB = 14.0
_BAND_HZ = (300.0, 3000.0)
_FFT = 4096


@dataclass(frozen=True, slots=True)
class Call:
    """Five tones without a gap.

    Attributes:
        start, end: sample indices of the first tone's beginning and the last one's end.
        lengths_ms: (5,) how long each tone lasted.
        hz: (5,) frequency of each.
        fraction: (5,) part of the voice band's power that the tone explains.
    """

    start: int
    end: int
    lengths_ms: Float64Array
    hz: Float64Array
    fraction: Float64Array


def measure(
    samples: Int16Array,
    begin: Float64Array,
    end: Float64Array,
    hz: Float64Array,
    tone_ms: float,
) -> Call | None:
    """Return the call, or None where it is none of this tone length.

    Args:
        samples: 8 kHz samples around the call.
        begin: (5,) sample of the first look of each tone.
        end: (5,) sample of the last.
        hz: (5,) rough frequencies.
        tone_ms: nominal length of a tone.
    """
    tone = tone_ms * SAMPLE_RATE_HZ / 1000.0
    middle = 0.5 * (np.maximum(begin, end - tone) + end)
    low = max(int(middle[0] - _OUTER_TONES * tone), 0)
    x = samples[low : int(middle[-1] + _OUTER_TONES * tone)].astype(np.float64)
    at = np.rint(middle - low).astype(np.intp)
    if at[0] <= 0 or np.diff(at).min() < tone / 4 or at[-1] >= len(x):
        return None
    half = int(0.3 * tone)
    inside = [x[max(m - half, 0) : m + half] for m in at]
    rough = [_tone_of(part, f)[0] for part, f in zip(inside, hz, strict=True)]
    edges = _edges(x, at, rough)
    # A lengthened first tone begins where its looks did, beyond what was searched.
    if end[0] - begin[0] > (_OUTER_TONES - 0.3) * tone:
        edges[0] = round(begin[0]) - low
    lengths_ms = np.diff(edges) * 1000.0 / SAMPLE_RATE_HZ
    if not _right_lengths(lengths_ms, tone_ms):
        return None
    return _call(x, edges, rough, lengths_ms, low)


def _edges(x: Float64Array, middle: IntArray, hz: list[float]) -> IntArray:
    """Return the six edges of five tones."""
    n = np.arange(len(x))
    sums = [np.cumsum(x * np.exp(-2j * np.pi * f / SAMPLE_RATE_HZ * n)) for f in hz]
    first, last = int(middle[0]), int(middle[-1])
    # From an anchor inside the outer tone outwards; the mean square of a partial sum, times
    # its length, is the energy it explains, and is greatest where the tone ends.
    anchor = int(0.5 * (middle[0] + middle[1]))
    head = sums[0][anchor] - sums[0][:first]
    start = int((np.abs(head) ** 2 / (anchor - n[:first])).argmax()) + 1
    anchor = int(0.5 * (middle[-2] + middle[-1]))
    tail = sums[-1][last:] - sums[-1][anchor]
    stop = last + int((np.abs(tail) ** 2 / (n[last:] - anchor)).argmax())
    inner = [
        _boundary(sums[k], sums[k + 1], int(middle[k]), int(middle[k + 1])) for k in range(4)
    ]
    return np.array([start, *inner, stop], dtype=np.intp)


def _boundary(
    left: npt.NDArray[np.complex128], right: npt.NDArray[np.complex128], low: int, high: int
) -> int:
    """Return where the left tone ends and the right one begins, between two middles."""
    at = np.arange(low + 1, high)
    before = np.abs(left[at] - left[low]) ** 2 / (at - low)
    after = np.abs(right[high] - right[at]) ** 2 / (high - at)
    return int(at[(before + after).argmax()])


def _right_lengths(lengths_ms: Float64Array, tone_ms: float) -> bool:
    slack_ms = 2.0
    least = (1.0 - LENGTH_TOLERANCE) * tone_ms - slack_ms
    most = (1.0 + LENGTH_TOLERANCE) * tone_ms + slack_ms
    if lengths_ms.min() < least or lengths_ms[1:].max() > most:
        return False
    if lengths_ms[0] > _FIRST_TONE_MAX_MS:
        return False
    # One clock makes all: the inner three are alike to what noise leaves of their edges.
    inner = lengths_ms[1:4]
    return float(inner.max() - inner.min()) <= 0.3 * tone_ms


def _call(
    x: Float64Array,
    edges: IntArray,
    rough: list[float],
    lengths_ms: Float64Array,
    low: int,
) -> Call | None:
    margin = 16
    longest = int(1.4 * (edges[-1] - edges[1]) / 4)
    parts = [
        x[max(a + margin, b - margin - longest) : b - margin]
        for a, b in itertools.pairwise(edges)
    ]
    tones = np.array([_tone_of(p, f) for p, f in zip(parts, rough, strict=True)])
    hz, fraction, level_db = tones.T
    if fraction.min() < _FRACTION_MIN or fraction.mean() < _FRACTION_MEAN_MIN:
        return None
    if level_db.max() - level_db.min() > _LEVEL_RANGE_MAX_DB:
        return None
    return Call(int(edges[0]) + low, int(edges[-1]) + low, lengths_ms, hz, fraction)


def _tone_of(x: Float64Array, near_hz: float) -> tuple[float, float, float]:
    """Return frequency, part of the voice band's power and level in dB of a steady tone."""
    n = len(x)
    if n < 32:
        return near_hz, 0.0, -200.0
    window = np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2
    spectrum = np.fft.rfft(x * window, _FFT)
    power = spectrum.real**2 + spectrum.imag**2
    bin_hz = SAMPLE_RATE_HZ / _FFT
    lobe = SAMPLE_RATE_HZ / n
    # Without a peak there the rough frequency may have been anything.
    a = min(max(round((near_hz - 0.7 * lobe) / bin_hz), 1), len(power) - 2)
    b = min(max(round((near_hz + 0.7 * lobe) / bin_hz), a + 1), len(power) - 1)
    peak = a + int(power[a:b].argmax())
    left, top, right = np.log(power[peak - 1 : peak + 2] + 1e-9)
    bend = left - 2.0 * top + right
    hz = (peak + (0.5 * (left - right) / bend if bend < 0 else 0.0)) * bin_hz
    wide = round(2.0 * lobe / bin_hz)
    band = slice(round(_BAND_HZ[0] / bin_hz), round(_BAND_HZ[1] / bin_hz))
    total = float(power[band].sum())
    own = float(power[max(peak - wide, band.start) : min(peak + wide, band.stop)].sum())
    level_db = 10.0 * float(np.log10(own / float(np.sum(window**2)) + 1e-9))
    return hz, own / max(total, 1e-9), level_db
