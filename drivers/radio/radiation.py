"""Whether what we transmit is really radiated: a receiver has to hear it. Pure.

What was sent and what the monitoring receiver heard meanwhile are compared by their spectra, so
that neither silence nor an open receiver's hiss, nor somebody else's tone, counts as ours.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

from drivers.radio.activity import spectrum_of
from drivers.radio.samples import FRAME_MS, FULL_SCALE, Int16Array, level_dbfs

NOTHING_RADIATED: Final = "keyed but nothing was radiated: the monitor heard nothing of it"
# Pauses of the sentence say nothing.
_SENT_DBFS: Final = -40.0
_HEARD_DBFS: Final = -50.0
# Likeness of the two power spectra: a tone against hiss has 0.15, speech against hiss 0.4.
_LIKENESS: Final = 0.6
_LEAST_SENT_MS: Final = 100

Verdict = Literal["open", "heard", "silent"]


class RadiationCheck:
    """Judges each transmission once.

    Args:
        within_ms: Sound has to come back after so much sound was sent.
    """

    def __init__(self, within_ms: int) -> None:
        self._within_ms = within_ms
        self.begin()

    def begin(self) -> None:
        """Begin a transmission."""
        self.verdict: Verdict = "open"
        self._sent = np.zeros(81, np.float64)
        self._heard = np.zeros(81, np.float64)
        self._sent_ms = self._listened_ms = 0

    def sent(self, frame: Int16Array) -> None:
        """Take a frame that was played."""
        if self.verdict == "open" and level_dbfs(frame) > _SENT_DBFS:
            self._sent += spectrum_of(frame)
            self._sent_ms += FRAME_MS

    def heard(self, frame: Int16Array | None) -> Verdict:
        """Take the monitor's frame (None: it gives no sound, and nothing is judged by it)."""
        if self.verdict != "open" or frame is None or self._sent_ms == 0:
            return self.verdict
        self._heard += spectrum_of(frame)
        self._listened_ms += FRAME_MS
        if self._sent_ms >= _LEAST_SENT_MS and self._alike():
            self.verdict = "heard"
        elif min(self._sent_ms, self._listened_ms) >= self._within_ms:
            self.verdict = "silent"
        return self.verdict

    def _alike(self) -> bool:
        mean_square = float(self._heard.sum()) * FRAME_MS / self._listened_ms
        if mean_square < FULL_SCALE**2 / 2 * 10 ** (_HEARD_DBFS / 10):
            return False
        product = float(self._sent @ self._heard)
        lengths = float(np.linalg.norm(self._sent) * np.linalg.norm(self._heard))
        return product >= _LIKENESS * lengths
