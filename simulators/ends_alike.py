"""Whether an over ends with the very word it began with, as a drill does.

A witness that understands no word can still tell that two are the same: the same voice says
the same word with the same samples, so the first stretch of speech is found again at the end.
"""

from typing import Final

import numpy as np

from simulators.tones import FRAME_S, FRAME_SAMPLES, RATE_HZ, Samples, rms_dbfs

# A pause this long parts two words; inside one the sound hardly stops.
_PAUSE_FRAMES: Final = round(0.12 / FRAME_S)
_SILENT_DBFS: Final = -45.0
# A word is neither a click nor a sentence.
_WORD_S: Final = (0.2, 1.5)


def ends_alike(samples: Samples, from_s: float) -> float | None:
    """Return how much the first word is like the end, 0 to 1; None where there are no two.

    Args:
        samples: int16, 8000 a second.
        from_s: Where speech may begin: after the attention tone.
    """
    words = _stretches(samples, round(from_s / FRAME_S))
    if len(words) < 2:
        return None
    begin, end = words[0]
    if not _WORD_S[0] <= (end - begin) / RATE_HZ <= _WORD_S[1]:
        return 0.0
    word = samples[begin:end].astype(float)
    tail = samples[max(end, words[-1][1] - 2 * word.size) :].astype(float)
    return _likeness(word, tail) if tail.size >= word.size else 0.0


def _stretches(samples: Samples, first: int) -> list[tuple[int, int]]:
    """Return (begin, end) of each stretch of sound, in samples."""
    frames = samples[: samples.size // FRAME_SAMPLES * FRAME_SAMPLES]
    loud = [rms_dbfs(frame) > _SILENT_DBFS for frame in frames.reshape(-1, FRAME_SAMPLES)]
    found: list[tuple[int, int]] = []
    for number in range(first, len(loud)):
        if not loud[number]:
            continue
        if found and number - found[-1][1] < _PAUSE_FRAMES:
            found[-1] = found[-1][0], number + 1
        else:
            found.append((number, number + 1))
    return [(begin * FRAME_SAMPLES, end * FRAME_SAMPLES) for begin, end in found]


def _likeness(word: np.ndarray, tail: np.ndarray) -> float:
    """Return the greatest normalised correlation of a word with any part of the tail."""
    size = 1 << (word.size + tail.size).bit_length()
    both = np.fft.rfft(tail, size) * np.conj(np.fft.rfft(word, size))
    products = np.fft.irfft(both, size)[: tail.size - word.size + 1]
    sums = np.concatenate([[0.0], np.cumsum(tail**2)])
    energies = sums[word.size :] - sums[: -word.size]
    return float(np.max(products / np.sqrt(energies * np.sum(word**2) + 1.0)).clip(0.0, 1.0))


__all__ = ["ends_alike"]
