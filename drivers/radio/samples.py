"""Samples: frames, levels, sample rates, edges, filters. Pure.

Audio inside the driver is 16-bit mono at 8 kHz in frames of 20 ms, because an analogue voice
channel passes 300 to 3400 Hz and nothing more. Levels are in dBFS as AES17-2020 section 3.12
counts them: a sine that just reaches full scale is 0 dBFS, both by its peak and by its power.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Int16Array = npt.NDArray[np.int16]
Float64Array = npt.NDArray[np.float64]

SAMPLE_RATE_HZ = 8000
FRAME_MS = 20
FRAME_SAMPLES = SAMPLE_RATE_HZ * FRAME_MS // 1000
FULL_SCALE = 32767.0
# No sample of ours passes this.
PEAK_LEVEL_DBFS = -3.0
# Below the level of the loudest syllables by this much there is no speech but a pause.
_PAUSE_BELOW_DB = 25.0
# The audio band of a 12.5 kHz channel that every radio passes.
_SPEECH_BAND_HZ = (300.0, 3000.0)


def samples_of(duration_ms: float) -> int:
    """Return the number of samples in ``duration_ms``, rounded."""
    return round(duration_ms * SAMPLE_RATE_HZ / 1000.0)


def duration_ms_of(samples: Int16Array) -> float:
    """Return how long the samples play."""
    return 1000.0 * len(samples) / SAMPLE_RATE_HZ


def silence(duration_ms: float = FRAME_MS) -> Int16Array:
    """Return that much silence; by default one frame."""
    return np.zeros(samples_of(duration_ms), np.int16)


def peak_of(level_dbfs: float) -> float:
    """Return the peak sample value of a sine at that level."""
    return FULL_SCALE * math.pow(10.0, level_dbfs / 20.0)


def level_dbfs(samples: Int16Array) -> float:
    """Return the level of the samples; -inf for digital silence."""
    if not len(samples):
        return -math.inf
    mean_square = float(np.mean(np.square(samples.astype(np.float64))))
    if mean_square == 0.0:
        return -math.inf
    return 10.0 * math.log10(2.0 * mean_square / FULL_SCALE**2)


def to_int16(samples: npt.NDArray[np.floating]) -> Int16Array:
    """Return the samples rounded and clipped."""
    whole: Int16Array = np.clip(np.rint(samples), -32768, 32767).astype(np.int16)
    return whole


def frames_of(samples: Int16Array) -> Int16Array:
    """Return the samples as (n, 160) frames, the last one filled up with silence."""
    missing = -len(samples) % FRAME_SAMPLES
    return np.pad(samples, (0, missing)).reshape(-1, FRAME_SAMPLES)


def one_by_one(frames: Int16Array) -> list[Int16Array]:
    """Return (n, a multiple of 160) samples of n channels as frames of (n, 160)."""
    places = range(0, frames.shape[1], FRAME_SAMPLES)
    return [frames[:, k : k + FRAME_SAMPLES] for k in places]


def faded(samples: Int16Array, *, in_ms: float = 5.0, out_ms: float = 5.0) -> Int16Array:
    """Return the samples with raised-cosine edges, so that they neither click nor splatter."""
    out = samples.astype(np.float64)
    n_in, n_out = (min(samples_of(ms), len(out)) for ms in (in_ms, out_ms))
    out[:n_in] *= _rise(n_in)
    out[len(out) - n_out :] *= _rise(n_out)[::-1]
    return to_int16(out)


def _rise(n: int) -> Float64Array:
    return 0.5 - 0.5 * np.cos(np.pi * (np.arange(n) + 0.5) / max(n, 1))


def low_pass(cut_hz: float, rate_hz: float, half_length: int) -> Float64Array:
    """Return a linear-phase low-pass: ``2 * half_length + 1`` taps, Blackman-windowed sinc."""
    n = np.arange(-half_length, half_length + 1)
    taps = np.sinc(2.0 * cut_hz / rate_hz * n) * np.blackman(2 * half_length + 1)
    normal: Float64Array = taps / taps.sum()
    return normal


def filtered(samples: Float64Array, taps: Float64Array) -> Float64Array:
    """Return the samples through a linear-phase filter, without its delay, by FFT."""
    n = len(samples) + len(taps) - 1
    size = 1 << (n - 1).bit_length()
    product = np.fft.rfft(samples, size) * np.fft.rfft(taps, size)
    half = len(taps) // 2
    out: Float64Array = np.fft.irfft(product, size)[half : half + len(samples)]
    return out


def resampled(samples: Int16Array, from_hz: int, to_hz: int = SAMPLE_RATE_HZ) -> Int16Array:
    """Return the samples at another rate, without aliases or images above -60 dB.

    Args:
        samples: mono int16 at ``from_hz``.
        from_hz: such as 16000, 22050, 24000, 44100 or 48000.
        to_hz: the rate wanted.

    Raises:
        ValueError: a rate that is not positive.
    """
    if from_hz <= 0 or to_hz <= 0:
        msg = f"a sample rate must be positive, got {from_hz} and {to_hz} Hz"
        raise ValueError(msg)
    if from_hz == to_hz or not len(samples):
        return samples.astype(np.int16)
    return to_int16(_at_rate(samples.astype(np.float64), from_hz, to_hz))


def _at_rate(samples: Float64Array, from_hz: int, to_hz: int) -> Float64Array:
    """Evaluate a windowed sinc at the wanted instants, block by block.

    The sinc is tabulated at 512 phases and read at the nearest: its error is under -60 dB,
    and any pair of rates costs the same.
    """
    phases = 512
    narrow = min(1.0, to_hz / from_hz)
    half = math.ceil(32 / narrow)
    offsets = np.arange(-half, half)
    # Passband up to 91 % of the lower Nyquist frequency: the transition of 32 lobes fits above.
    cut = 0.5 * narrow * 0.91
    at = np.arange(phases + 1)[:, None] / phases - offsets[None, :]
    table = 2.0 * cut * np.sinc(2.0 * cut * at) * _blackman(at / (half + 1.0))
    table /= table.sum(axis=1, keepdims=True)
    padded = np.pad(samples, (half, half + 1))
    count = len(samples) * to_hz // from_hz
    out = np.empty(count)
    for begin in range(0, count, 8192):
        place = np.arange(begin, min(begin + 8192, count)) * (from_hz / to_hz)
        whole = place.astype(np.int64)
        rows = np.rint((place - whole) * phases).astype(np.int64)
        views = np.lib.stride_tricks.sliding_window_view(padded, 2 * half)
        out[begin : begin + len(place)] = np.einsum("ij,ij->i", views[whole], table[rows])
    return out


def _blackman(x: Float64Array) -> Float64Array:
    """Return the Blackman window at x in -1..1, 0 outside."""
    inside = 0.42 + 0.5 * np.cos(np.pi * x) + 0.08 * np.cos(2 * np.pi * x)
    return np.where(np.abs(x) < 1.0, inside, 0.0)


def band_shaped(samples: Int16Array) -> Int16Array:
    """Return the samples cut to 300..3000 Hz, what a 12.5 kHz channel carries."""
    low_hz, high_hz = _SPEECH_BAND_HZ
    upper = low_pass(high_hz, SAMPLE_RATE_HZ, 64)
    # The difference of two low-passes is a band-pass; 300 Hz wants the longer filter.
    lower = low_pass(low_hz, SAMPLE_RATE_HZ, 160)
    wide = filtered(samples.astype(np.float64), upper)
    return to_int16(wide - filtered(wide, lower))


def speech_level_dbfs(samples: Int16Array) -> float:
    """Return the level of what is spoken, pauses left out; -inf for silence."""
    powers = np.square(frames_of(samples).astype(np.float64)).mean(axis=1)
    top = float(powers.max(initial=0.0))
    if top == 0.0:
        return -math.inf
    spoken = powers[powers > top * 10.0 ** (-_PAUSE_BELOW_DB / 10.0)]
    return 10.0 * math.log10(2.0 * float(spoken.mean()) / FULL_SCALE**2)


def limited(
    samples: npt.NDArray[np.floating], ceiling_dbfs: float = PEAK_LEVEL_DBFS
) -> Int16Array:
    """Return the samples bent so that no peak passes the ceiling.

    Up to 6 dB under the ceiling nothing changes; above, a smooth knee. A transmitter's own
    limiter clips hard instead, and splatters.
    """
    ceiling = peak_of(ceiling_dbfs)
    knee = 0.5 * ceiling
    size = np.abs(samples)
    bent = knee + (ceiling - knee) * np.tanh((size - knee) / (ceiling - knee))
    return to_int16(np.sign(samples) * np.where(size > knee, bent, size))
