"""Shaping of speech for a narrow FM channel: band, treble, evenness, level, limit. Pure.

A transmitter lifts the treble by 6 dB an octave (pre-emphasis) and clips what would deviate too
far; a receiver lowers the treble again, and the noise with it. So a voice with much treble is
clipped before it is loud, and a loud syllable sets the level of the soft ones beside it.
Therefore the treble is lowered a little and syllables are brought nearer to one another before
the level is set: ``tests/bench/intelligibility.py`` holds each of the steps against speech
without it. A lift of the treble ("presence") made every figure worse there, and so did a fast
compressor. Whole sentences only: gains look ahead, and nothing is delayed.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from drivers.radio.samples import (
    SAMPLE_RATE_HZ,
    Float64Array,
    Int16Array,
    band_shaped,
    faded,
    filtered,
    limited,
    speech_level_dbfs,
    to_int16,
)

# What the gateway sends, with 7 dB left for the limiter below the clipping point.
SPEECH_LEVEL_DBFS: Final = -10.0

# The shelf: nothing at 500 Hz, all of it from 2000 Hz up.
_TREBLE_DB: Final = -4.0
_SHELF_HZ: Final = (500.0, 2000.0)
_SHELF_HALF_TAPS: Final = 64
# Of what a syllable is above or below the mean level, a third is taken away.
_RATIO: Final = 1.5
_EVENED_MAX_DB: Final = 9.0
_BLOCK: Final = 40  # 5 ms
# A syllable of Mandarin is about 200 ms; a faster gain follows the voice's own pulses.
_SYLLABLE_BLOCKS: Final = 41
# Below the loudest by this is no voice but a pause or breath; it is not raised.
_PAUSE_BELOW_DB: Final = 28.0
_PAUSE_FADE_DB: Final = 6.0


def shaped_speech(samples: Int16Array, level: float = SPEECH_LEVEL_DBFS) -> Int16Array:
    """Return speech made ready for a narrow channel, as long as it came.

    Args:
        samples: 8 kHz mono int16, one sentence or more.
        level: speech level in dBFS; what the limiter takes (under 2 dB at -10) is missing from
            it. Peaks stay below -3 dBFS.
    """
    voice = evened(filtered(band_shaped(samples).astype(np.float64), _SHELF))
    now = speech_level_dbfs(to_int16(voice))
    if now == -math.inf:
        return np.zeros(len(samples), np.int16)
    # What the limiter takes of the level is not given back: louder is not clearer.
    return faded(limited(voice * 10.0 ** ((level - now) / 20.0)))


def at_level(samples: Int16Array, level: float = SPEECH_LEVEL_DBFS) -> Int16Array:
    """Return speech at a level, so that parts of different voices go together; not limited."""
    now = speech_level_dbfs(samples)
    if now == -math.inf:
        return samples
    return to_int16(samples * 10.0 ** ((level - now) / 20.0))


def evened(voice: Float64Array) -> Float64Array:
    """Return the voice with loud and soft syllables nearer to its mean level; pauses stay."""
    if not len(voice):
        return voice
    window = np.hanning(_SYLLABLE_BLOCKS + 2)[1:-1]
    window /= window.sum()
    powers = _smooth(_block_powers(voice), window)
    top = float(powers.max())
    if top < 1.0:  # less than one step of a sample: silence
        return voice
    spoken = powers[powers > top * 10.0 ** (-_PAUSE_BELOW_DB / 10.0)]
    over_db = 10.0 * np.log10(np.maximum(powers, 1e-9) / float(spoken.mean()))
    gain_db = np.clip(-over_db * (1.0 - 1.0 / _RATIO), -_EVENED_MAX_DB, _EVENED_MAX_DB)
    is_voice = np.clip((over_db + _PAUSE_BELOW_DB) / _PAUSE_FADE_DB, 0.0, 1.0)
    return voice * _spread(10.0 ** (_smooth(gain_db * is_voice, window) / 20.0), len(voice))


def _block_powers(voice: Float64Array) -> Float64Array:
    """Return the mean square of each 5 ms."""
    blocks = np.pad(voice, (0, -len(voice) % _BLOCK)).reshape(-1, _BLOCK)
    powers: Float64Array = np.square(blocks).mean(axis=1)
    return powers


def _smooth(values: Float64Array, window: Float64Array) -> Float64Array:
    half = len(window) // 2
    return np.convolve(np.pad(values, half, "edge"), window, "valid")


def _spread(gains: Float64Array, count: int) -> Float64Array:
    """Return a gain for each sample out of one for each block, without steps."""
    at = (np.arange(count) - (_BLOCK - 1) / 2) / _BLOCK
    return np.interp(at, np.arange(len(gains)), gains)


def _shelf() -> Float64Array:
    """Return linear-phase taps of the treble shelf."""
    low_hz, high_hz = _SHELF_HZ
    hz = np.linspace(0.0, SAMPLE_RATE_HZ / 2, _SHELF_HALF_TAPS + 1)
    part = np.log2(np.maximum(hz, 1.0) / low_hz) / math.log2(high_hz / low_hz)
    gain = 10.0 ** (_TREBLE_DB * np.clip(part, 0.0, 1.0) / 20.0)
    # Both ends of the response are one sample of the circle: half of it at each.
    impulse = np.fft.fftshift(np.fft.irfft(gain))
    taps: Float64Array = np.append(impulse, impulse[0]) * np.hamming(2 * _SHELF_HALF_TAPS + 1)
    return taps


_SHELF: Final = _shelf()
