"""The gateway's own tones: attention before an order, answers after a guard's keying. Pure.

Rendered once at import. The three attention tones differ in rhythm as well as in pitch, so that
a guard with poor hearing, or a poor loudspeaker, still tells level 1 from level 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from drivers.radio.samples import (
    SAMPLE_RATE_HZ,
    Int16Array,
    faded,
    peak_of,
    samples_of,
    to_int16,
)

# (frequency in Hz, 0 for silence; length in ms).
Note = tuple[float, float]

TONE_LEVEL_DBFS = -10.0
# Short enough for a 100 ms note, long enough not to click.
_EDGE_MS = 5.0

ATTENTION_NOTES: dict[int, tuple[Note, ...]] = {
    1: ((1400.0, 100.0), (1000.0, 100.0)) * 6,
    2: ((1200.0, 200.0), (0.0, 100.0)) * 3,
    3: ((900.0, 400.0),),
}
ANSWER_NOTES: dict[str, tuple[Note, ...]] = {
    "accepted": ((880.0, 100.0), (1320.0, 100.0)),
    # One tone for wrong and stale alike: it tells nobody which code would have been right.
    "wrong": ((400.0, 500.0),),
}


def notes(sequence: Sequence[Note], level_dbfs: float = TONE_LEVEL_DBFS) -> Int16Array:
    """Return the notes one after the other, each with raised-cosine edges of 5 ms.

    Args:
        sequence: (frequency in Hz, length in ms); frequency 0 is silence.
        level_dbfs: Level of each note.
    """
    return np.concatenate([_note(hz, ms, level_dbfs) for hz, ms in sequence])


def _note(frequency_hz: float, duration_ms: float, level_dbfs: float) -> Int16Array:
    t = np.arange(samples_of(duration_ms)) / SAMPLE_RATE_HZ
    wave = to_int16(peak_of(level_dbfs) * np.sin(2 * np.pi * frequency_hz * t))
    return faded(wave, in_ms=_EDGE_MS, out_ms=_EDGE_MS)


def _rendered(sequence: Sequence[Note]) -> Int16Array:
    samples = notes(sequence)
    samples.setflags(write=False)
    return samples


_ATTENTION = {level: _rendered(sequence) for level, sequence in ATTENTION_NOTES.items()}
_ANSWER = {name: _rendered(sequence) for name, sequence in ANSWER_NOTES.items()}


def attention_tone(level: int) -> Int16Array:
    """Return the tone that goes before an order of that level: 1.2 s, 0.9 s or 0.4 s.

    Args:
        level: 1, 2 or 3; any other is sounded as 3.
    """
    return _ATTENTION.get(level, _ATTENTION[3])


def answer_tone(answer: Literal["accepted", "wrong"]) -> Int16Array:
    """Return the tone that answers a guard's keying: rising 0.2 s, or low 0.5 s."""
    return _ANSWER[answer]
