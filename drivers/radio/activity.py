"""Whether somebody is heard, by the sound alone: quieting of noise, and activity of a voice.

Pure. Both look at 20 ms frames of 8 kHz sound.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from drivers.radio.samples import FRAME_SAMPLES, FULL_SCALE, SAMPLE_RATE_HZ, Int16Array

_BIN_HZ: Final = SAMPLE_RATE_HZ / FRAME_SAMPLES
_WINDOW: Final = np.hanning(FRAME_SAMPLES).astype(np.float32)
# Power of a bin to mean square, for a Hann window (Parseval; its energy is 3/8 of the length).
_SCALE: Final = 2.0 / (FRAME_SAMPLES * FRAME_SAMPLES * 0.375)
# Transmitters end at 3 kHz (12.5 kHz channels); what a discriminator gives above is noise.
_NOISE_BAND: Final = slice(round(3200 / _BIN_HZ), round(3900 / _BIN_HZ))
_VOICE_BAND: Final = slice(round(300 / _BIN_HZ), round(3000 / _BIN_HZ))
# A receiver that gives less than this in all gives nothing: its sound is cut, not quiet.
_NOTHING_DBFS: Final = -80.0
_HYSTERESIS_DB: Final = 6.0
# One frame of noise is a wide guess (12 bins); three in a row are not.
_SMOOTHING: Final = 0.4
_ABOVE_GROUND_DB: Final = 10.0
_GROUND_RISES_DB_PER_FRAME: Final = 0.04
# A pause shorter than the hang is part of the sentence (2 s as VOX squelches have it is too
# long for answers by tone).
VOICE_HANG_S: Final = 1.0


def spectrum_of(frame: Int16Array) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Return the power of each 50 Hz of a frame, as mean squares of samples."""
    parts = np.fft.rfft(frame.astype(np.float32) * _WINDOW)
    return ((parts.real**2 + parts.imag**2) * _SCALE).astype(np.float32)


def _dbfs(mean_square: float) -> float:
    if mean_square <= 0.0:
        return -math.inf
    return 10.0 * math.log10(2.0 * mean_square / FULL_SCALE**2)


class NoiseSquelch:
    """Discriminator audio: a carrier is there when the hiss above speech has gone.

    Args:
        open_dbfs: Noise in 3.2 to 3.9 kHz below this opens; 6 dB above it closes.
    """

    def __init__(self, open_dbfs: float) -> None:
        self._open_dbfs = open_dbfs
        self._open = False
        self._power: float | None = None

    def step(self, frame: Int16Array | None) -> bool:
        """Return whether there is a carrier; without sound there is none."""
        if frame is None:
            self._open, self._power = False, None
            return False
        power = spectrum_of(frame)
        if _dbfs(float(power[1:].sum())) < _NOTHING_DBFS:
            self._open, self._power = False, None
            return False
        now = float(power[_NOISE_BAND].sum())
        last = now if self._power is None else self._power
        self._power = last + _SMOOTHING * (now - last)
        limit_dbfs = self._open_dbfs + (_HYSTERESIS_DB if self._open else 0.0)
        self._open = _dbfs(self._power) < limit_dbfs
        return self._open


class VoiceActivity:
    """Speaker audio: somebody speaks while it is louder than the channel's own ground.

    The ground follows what is quieter at once and what is louder at 2 dB a second, so that a
    hum or an open squelch's hiss is no voice for ever.

    Args:
        open_dbfs: Quieter than this is nobody.
    """

    def __init__(self, open_dbfs: float) -> None:
        self._open_dbfs = open_dbfs
        self._ground_dbfs = -math.inf
        self._until_s = -math.inf

    def loud(self, frame: Int16Array | None) -> bool:
        """Return whether this very frame is louder than the ground."""
        if frame is None:
            return False
        level = _dbfs(float(spectrum_of(frame)[_VOICE_BAND].sum()))
        ground = max(self._ground_dbfs, self._open_dbfs - _ABOVE_GROUND_DB)
        self._ground_dbfs = min(level, ground + _GROUND_RISES_DB_PER_FRAME)
        return level > max(self._open_dbfs, ground + _ABOVE_GROUND_DB)

    def step(self, now_s: float, frame: Int16Array | None) -> bool:
        """Return whether somebody speaks, pauses of up to a second included."""
        if self.loud(frame):
            self._until_s = now_s + VOICE_HANG_S
        return now_s < self._until_s
