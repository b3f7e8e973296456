"""Sounds that a technician's measurements send, and what is made of them when heard. Pure.

A **sweep** rises steadily, so that each moment of it is known by its pitch: the first pitch
that a far receiver lets through says how much of a transmission's beginning was lost, whatever
the delay of the sound's own way; the last one says the same of its end.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from drivers.radio.activity import spectrum_of
from drivers.radio.samples import (
    FRAME_MS,
    FRAME_SAMPLES,
    FULL_SCALE,
    SAMPLE_RATE_HZ,
    Int16Array,
    level_dbfs,
    peak_of,
    samples_of,
    to_int16,
)
from drivers.radio.tones import TONE_LEVEL_DBFS, notes

__all__ = ["SWEEP_MS", "hears_tone", "peak_dbfs", "sweep", "sweep_moment_ms", "tone"]

SWEEP_MS: Final = 1000.0
_FROM_HZ, _TO_HZ = 500.0, 2500.0
_HZ_PER_MS: Final = (_TO_HZ - _FROM_HZ) / SWEEP_MS
_FAINT_DBFS: Final = -50.0
# Share of the power that must lie around one pitch: hiss and voices have less.
_PURE: Final = 0.6
_POINTS: Final = 2048
_WIDTH: Final = round(120 * _POINTS / SAMPLE_RATE_HZ)


def tone(hz: float, duration_ms: float, level: float = TONE_LEVEL_DBFS) -> Int16Array:
    """Return a tone with soft edges; ``level`` in dBFS."""
    return notes([(hz, duration_ms)], level)


def sweep() -> Int16Array:
    """Return a second that rises from 500 to 2500 Hz at -10 dBFS."""
    t = np.arange(samples_of(SWEEP_MS)) / SAMPLE_RATE_HZ
    phase = 2 * np.pi * (_FROM_HZ * t + 1000.0 * _HZ_PER_MS * t * t / 2)
    return to_int16(peak_of(TONE_LEVEL_DBFS) * np.sin(phase))


def sweep_moment_ms(frame: Int16Array) -> float | None:
    """Return which moment of the sweep the middle of a frame is, ms; None: it is no part of it.

    Right to some 5 ms.
    """
    if level_dbfs(frame) < _FAINT_DBFS:
        return None
    windowed = frame.astype(np.float64) * np.hanning(FRAME_SAMPLES)
    power = np.square(np.abs(np.fft.rfft(windowed, _POINTS)))
    top = int(power.argmax())
    around = power[max(0, top - _WIDTH) : top + _WIDTH + 1].sum()
    if around < _PURE * power.sum():
        return None
    moment_ms = (top * SAMPLE_RATE_HZ / _POINTS - _FROM_HZ) / _HZ_PER_MS
    inside = -FRAME_MS <= moment_ms <= SWEEP_MS + FRAME_MS
    return moment_ms if inside else None


def hears_tone(frame: Int16Array | None, hz: float) -> bool:
    """Return whether a frame is mostly that tone."""
    if frame is None or level_dbfs(frame) < _FAINT_DBFS:
        return False
    power = spectrum_of(frame)
    bin_ = round(hz * FRAME_SAMPLES / SAMPLE_RATE_HZ)
    return float(power[max(0, bin_ - 2) : bin_ + 3].sum()) >= _PURE * float(power.sum())


def peak_dbfs(samples: Int16Array) -> float:
    """Return the level of the highest peak; -inf for digital silence."""
    top = int(np.abs(samples.astype(np.int32)).max(initial=0))
    return 20.0 * math.log10(top / FULL_SCALE) if top else -math.inf
