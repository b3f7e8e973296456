"""What lies below the voice: 8 kHz frames to 800 samples a second, all channels at once. Pure.

CTCSS and DCS live under 260 Hz. A tenth of the samples holds all of it, and makes every
correlation after it ten times cheaper.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from drivers.radio.arrays import BoolArray, Float32Array
from drivers.radio.samples import FRAME_SAMPLES, SAMPLE_RATE_HZ, Int16Array, low_pass

__all__ = ["LOW_FRAME_SAMPLES", "LOW_KEPT", "LOW_RATE_HZ", "LOW_SAMPLE", "LowBand"]

LOW_RATE_HZ = 800
LOW_SAMPLE = SAMPLE_RATE_HZ // LOW_RATE_HZ
# Enough for each of those who look at it: 400 ms.
LOW_KEPT = 320
LOW_FRAME_SAMPLES = FRAME_SAMPLES // LOW_SAMPLE
# Frames that fit behind one another before the kept samples move to the front again: the most
# that are taken in at once.
_FRAMES_AHEAD = 40
# Passes 260 Hz, stops what would fall into it (540 Hz and more); 10 ms late.
_CUT_HZ = 400.0
_HALF_LENGTH = 80


class LowBand:
    """The last 320 low samples of every channel, full scale 1, the newest at the end.

    Attributes:
        behind: how many of the frames taken in last `samples` leaves out, so that each of
            several that were taken in at once can have its turn.
        delay_ms: how much later a sound stands here than in the frames.
    """

    delay_ms = 1000.0 * _HALF_LENGTH / SAMPLE_RATE_HZ

    def __init__(self, n_channels: int) -> None:
        width = LOW_KEPT + _FRAMES_AHEAD * LOW_FRAME_SAMPLES
        self.behind = 0
        # Rows of channels that do not listen are zero throughout, ahead of the end as well.
        self._low = np.zeros((n_channels, width), np.float32)
        self._end = LOW_KEPT
        self._tail = np.zeros((n_channels, 2 * _HALF_LENGTH), np.float32)
        self._filled = np.zeros(n_channels, np.bool_)  # those that are not zero
        taps = low_pass(_CUT_HZ, SAMPLE_RATE_HZ, _HALF_LENGTH)
        filters = np.zeros((2 * _HALF_LENGTH + FRAME_SAMPLES, LOW_FRAME_SAMPLES))
        for column in range(LOW_FRAME_SAMPLES):
            last = (column + 1) * LOW_SAMPLE + 2 * _HALF_LENGTH
            filters[last - len(taps) : last, column] = taps
        # Samples come as int16.
        self._filters = (filters / 32768.0).astype(np.float32)

    @property
    def samples(self) -> Float32Array:
        """(n_channels, 320), valid until the next step; zero where none has listened."""
        end = self._end - self.behind * LOW_FRAME_SAMPLES
        return self._low[:, end - LOW_KEPT : end]

    def windows(
        self, behind: Sequence[int], rows: npt.NDArray[np.intp], length: int
    ) -> Float32Array:
        """Return the newest of those rows with each of these ``behind``, one after another."""
        ends = [self._end - one * LOW_FRAME_SAMPLES for one in behind]
        return np.concatenate([self._low[rows, end - length : end] for end in ends])

    def step(self, frames: Int16Array, listening: BoolArray) -> None:
        """Take the next 20 ms, or some more, in; channels that do not listen are emptied.

        Args:
            frames: (n_channels, 160) int16; up to 40 times 160.
            listening: (n_channels,) bool.
        """
        self.behind = 0
        self._advance(frames.shape[1] // FRAME_SAMPLES)
        if listening.all():
            self._take(slice(None), frames)
            self._filled[:] = True
            return
        emptied = self._filled & ~listening
        if emptied.any():
            self._tail[emptied] = 0.0
            self._low[emptied] = 0.0
        self._filled[:] = listening
        rows = np.flatnonzero(listening)
        if len(rows):
            self._take(rows, frames[rows])

    def _advance(self, n_frames: int) -> None:
        """Make room for some frames: moving all that is kept at each would cost more."""
        if self._end + n_frames * LOW_FRAME_SAMPLES > self._low.shape[1]:
            self._low[:, :LOW_KEPT] = self.samples
            self._end = LOW_KEPT
        self._end += n_frames * LOW_FRAME_SAMPLES

    def _take(self, rows: slice | npt.NDArray[np.intp], frames: Int16Array) -> None:
        sound = np.concatenate([self._tail[rows], frames], axis=1, dtype=np.float32)
        end = self._end - frames.shape[1] // LOW_SAMPLE
        for begin in range(0, frames.shape[1], FRAME_SAMPLES):
            heard = sound[:, begin : begin + len(self._filters)]
            self._low[rows, end : end + LOW_FRAME_SAMPLES] = heard @ self._filters
            end += LOW_FRAME_SAMPLES
        self._tail[rows] = sound[:, -2 * _HALF_LENGTH :]

    def rearranged(self, sources: Sequence[int | None]) -> LowBand:
        """Return the same for other channels; see ``DtmfBank.rearranged``."""
        other = LowBand(len(sources))
        to = [i for i, source in enumerate(sources) if source is not None]
        at = [source for source in sources if source is not None]
        other._end = self._end
        other._low[to], other._tail[to] = self._low[at], self._tail[at]
        other._filled[to] = self._filled[at]
        return other
