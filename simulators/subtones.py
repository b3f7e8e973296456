"""What runs under the voice, CTCSS tones and DCS words: made, ended, and recognised.

Written apart from the gateway's own. Levels are given as deviation, on the scale in which a
full sample is `FULL_SCALE_HZ` of deviation.

Source: signalling facts, sections 2 and 3.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from simulators.tones import FRAME_SAMPLES, RATE_HZ, Samples

Wave = npt.NDArray[np.float64]

FULL_SCALE_HZ: Final = 4000.0
CTCSS_HZ: Final = (
    67.0, 69.3, 71.9, 74.4, 77.0, 79.7, 82.5, 85.4, 88.5, 91.5, 94.8, 97.4, 100.0, 103.5,
    107.2, 110.9, 114.8, 118.8, 123.0, 127.3, 131.8, 136.5, 141.3, 146.2, 151.4, 156.7, 159.8,
    162.2, 165.5, 167.9, 171.3, 173.8, 177.3, 179.9, 183.5, 186.2, 189.9, 192.8, 196.6, 199.5,
    203.5, 206.5, 210.7, 218.1, 225.7, 229.1, 233.6, 241.8, 250.3, 254.1,
)  # fmt: skip
_CODES: Final = (
    "023 025 026 031 032 043 047 051 054 065 071 072 073 074 114 115 116 125 131 132 134 143 "
    "152 155 156 162 165 172 174 205 223 226 243 244 245 251 261 263 265 271 306 311 315 331 "
    "343 346 351 364 365 371 411 412 413 423 431 432 445 464 465 466 503 506 516 532 546 565 "
    "606 612 624 627 631 632 654 662 664 703 712 723 731 732 734 743 754"
)
DCS_CODES: Final = tuple(_CODES.split())
DCS_BIT_HZ: Final = 134.4
DCS_BITS: Final = 23
DEVIATION_HZ: Final = 300.0
TURN_OFF_MS: Final = 160
_GOLAY: Final = 0xC75
_WORD_SAMPLES: Final = round(DCS_BITS * RATE_HZ / DCS_BIT_HZ)


class Subtone(Protocol):
    """Something that runs under the voice, made 20 ms at a time."""

    def next(self) -> Samples:
        """Returns the next 160 samples."""

    def ending(self) -> Iterator[Samples]:
        """Yields what is still sent after the voice, so that squelches close without noise."""


class Ctcss:
    """A continuous tone; its phase is turned over for 160 ms at the end."""

    def __init__(
        self,
        hz: float,
        *,
        deviation_hz: float = DEVIATION_HZ,
        turn_deg: float = 180.0,
        turn_off_ms: int = TURN_OFF_MS,
    ) -> None:
        """Makes the tone.

        Args:
            hz: its frequency; any of `CTCSS_HZ`, or another.
            deviation_hz: how far it moves the carrier.
            turn_deg: by how much the phase jumps at the end; 180, or 120 and 240 by maker.
            turn_off_ms: how long the turned tone is sent; 0 ends with the voice.
        """
        self._step = 2 * np.pi * hz / RATE_HZ
        self._level = 32767 * deviation_hz / FULL_SCALE_HZ
        self._turn = np.deg2rad(turn_deg)
        self._frames_after = round(turn_off_ms / 1000 * RATE_HZ / FRAME_SAMPLES)
        self._phase = 0.0

    def next(self) -> Samples:
        """Returns the next 160 samples."""
        phase = self._phase + self._step * np.arange(FRAME_SAMPLES)
        self._phase = (self._phase + self._step * FRAME_SAMPLES) % (2 * np.pi)
        frame: Samples = (self._level * np.sin(phase)).astype(np.int16)
        return frame

    def ending(self) -> Iterator[Samples]:
        """Yields the reverse burst."""
        self._phase += self._turn
        for _ in range(self._frames_after):
            yield self.next()


class Dcs:
    """A 23-bit word repeated without end at 134.4 bit/s; 134.4 Hz at the end."""

    def __init__(
        self,
        code: str,
        *,
        inverted: bool = False,
        deviation_hz: float = DEVIATION_HZ,
        turn_off_ms: int = TURN_OFF_MS,
    ) -> None:
        """Makes the words.

        Args:
            code: three octal digits.
            inverted: zeros and ones change places.
            deviation_hz: how far it moves the carrier.
            turn_off_ms: how long the closing tone is sent.
        """
        self._bits = dcs_bits(code)
        self._level = (-1 if inverted else 1) * 32767 * deviation_hz / FULL_SCALE_HZ
        self._turn_off = Ctcss(DCS_BIT_HZ, deviation_hz=deviation_hz, turn_off_ms=turn_off_ms)
        self._sent = 0

    def next(self) -> Samples:
        """Returns the next 160 samples."""
        number = self._sent + np.arange(FRAME_SAMPLES)
        self._sent += FRAME_SAMPLES
        frame: Samples = (self._level * _dcs_wave(self._bits, number)).astype(np.int16)
        return frame

    def ending(self) -> Iterator[Samples]:
        """Yields the turn-off code."""
        return self._turn_off.ending()


def subtone(ctcss_hz: float | None, dcs: str | None) -> Subtone | None:
    """Returns a tone, or a code (`-` before it is the inverted polarity), or None."""
    if ctcss_hz is not None:
        return Ctcss(ctcss_hz)
    return Dcs(dcs.lstrip("-"), inverted=dcs.startswith("-")) if dcs is not None else None


class Under:
    """What runs under a radio's transmissions, and keeps its carrier up until it has ended.

    Attributes:
        now: 160 samples that run under the frame just given, or None.
    """

    def __init__(self, subtone: Subtone | None) -> None:
        self.now: Samples | None = None
        self._subtone = subtone
        self._ending: Iterator[Samples] | None = None

    def follow(self, frame: Samples | None) -> Samples | None:
        """Returns the frame to radiate: the one given, silence over the ending, or None."""
        if self._subtone is None:
            return frame
        if frame is not None:
            self._ending, self.now = None, self._subtone.next()
            return frame
        if self.now is not None and self._ending is None:
            self._ending = self._subtone.ending()
        self.now = next(self._ending, None) if self._ending is not None else None
        if self.now is None:
            self._ending = None
            return None
        return np.zeros(FRAME_SAMPLES, np.int16)


def dcs_word(code: str) -> int:
    """Returns the 23-bit word of a code: eleven parity bits, 100, nine bits of the code.

    Raises:
        ValueError: the code is not three octal digits.
    """
    if len(code) != 3 or not set(code) <= set("01234567"):
        message = f"{code!r} is not a DCS code; write three octal digits, for example 023"
        raise ValueError(message)
    data = 0x800 | int(code, 8)
    rest = data << 11
    for place in range(DCS_BITS - 1, 10, -1):
        if rest >> place & 1:
            rest ^= _GOLAY << place - 11
    return rest << 12 | data


def dcs_bits(code: str) -> Wave:
    """Returns the word as ±1 in the order of sending, bit 0 first."""
    word = dcs_word(code)
    return np.array([1.0 if word >> place & 1 else -1.0 for place in range(DCS_BITS)])


def _dcs_wave(bits: Wave, number: npt.NDArray[np.int64]) -> Wave:
    """Returns the samples of those numbers; edges take 2 ms, as a radio's filter makes them."""
    position = number * DCS_BIT_HZ / RATE_HZ
    bit = position.astype(np.int64)
    to_next = np.clip((position - bit - 1) * RATE_HZ / DCS_BIT_HZ / 16 + 1, 0, 1)
    ramp = 0.5 - 0.5 * np.cos(np.pi * to_next)
    here, after = bits[bit % DCS_BITS], bits[(bit + 1) % DCS_BITS]
    wave: Wave = here + (after - here) * ramp
    return wave


# --- recognising ---------------------------------------------------------------------------

_THINNED: Final = 8
_THIN_HZ: Final = RATE_HZ / _THINNED
_TAPS: Final = 161
_CUT_HZ: Final = 260.0
_THIN_WORD: Final = round(DCS_BITS * _THIN_HZ / DCS_BIT_HZ)


@functools.cache
def _low_pass() -> Wave:
    at = np.arange(_TAPS) - _TAPS // 2
    taps = np.sinc(2 * _CUT_HZ / RATE_HZ * at) * np.hamming(_TAPS)
    wave: Wave = taps / taps.sum()
    return wave


class SubAudible:
    """Keeps what lies under 260 Hz of a stream, thinned to 1000 samples a second.

    Attributes:
        recent: the newest samples, oldest first; as many as asked for.
    """

    def __init__(self, kept: int) -> None:
        self.recent: Wave = np.zeros(kept)
        self._before: Wave = np.zeros(_TAPS - 1)

    def feed(self, frame: Wave) -> None:
        """Takes the next samples, a multiple of eight."""
        joined = np.concatenate([self._before, frame])
        self._before = joined[frame.size :]
        windows = np.lib.stride_tricks.sliding_window_view(joined, _TAPS)[::_THINNED]
        self.recent = np.concatenate([self.recent, windows @ _low_pass()])[-self.recent.size :]


@dataclass
class _Gate:
    """Opens above one likeness, closes below another."""

    opens: float
    closes: float
    is_open: bool = False

    def follow(self, likeness: float) -> bool:
        self.is_open = likeness > (self.closes if self.is_open else self.opens)
        return self.is_open


class ToneGate:
    """A tone squelch for one CTCSS tone; opens some 150 ms after the tone has begun."""

    _WINDOW: Final = 200
    _NEWEST: Final = 30
    _SHUT_FRAMES: Final = 20

    def __init__(self, hz: float) -> None:
        at_s = np.arange(self._WINDOW) / _THIN_HZ
        self._turning = np.exp(-2j * np.pi * hz * at_s)
        self.restart()

    def restart(self) -> None:
        """Forgets what it heard, as after a transmission of one's own."""
        self._heard = SubAudible(self._WINDOW)
        self._gate = _Gate(0.6, 0.35)
        self._shut = 0

    def feed(self, frame: Wave) -> bool:
        """Takes 160 samples and says whether the tone is there.

        Once its phase has jumped over it is not, for 400 ms.
        """
        self._heard.feed(frame)
        recent = self._heard.recent - self._heard.recent.mean()
        mixed = recent * self._turning
        energy = max(float(np.sum(recent**2)), 1e-9)
        likeness = 2 * abs(mixed.sum()) ** 2 / (energy * recent.size)
        older, newest = mixed[: -self._NEWEST].mean(), mixed[-self._NEWEST :].mean()
        if self._gate.is_open and (newest * older.conjugate()).real < -0.3 * abs(older) ** 2:
            self._shut = self._SHUT_FRAMES
        self._shut = max(0, self._shut - 1)
        return self._gate.follow(float(likeness)) and not self._shut


class CodeGate:
    """A tone squelch for one DCS code of one polarity."""

    def __init__(self, code: str, *, inverted: bool = False) -> None:
        self._wanted = np.conj(np.fft.fft(_thin_word(code) * (-1 if inverted else 1)))
        self.restart()

    def restart(self) -> None:
        """Forgets what it heard."""
        self._heard = SubAudible(_THIN_WORD)
        self._gate = _Gate(0.75, 0.55)
        self._fed = 0

    def feed(self, frame: Wave) -> bool:
        """Takes 160 samples and says whether the code is there, a whole word of it."""
        self._heard.feed(frame)
        self._fed += frame.size
        if self._fed < _WORD_SAMPLES:
            return False
        return self._gate.follow(_rotated_likeness(self._heard.recent, self._wanted))


def _thin_word(code: str) -> Wave:
    number = (np.arange(_THIN_WORD) * _THINNED).astype(np.int64)
    return _dcs_wave(dcs_bits(code), number)


def _rotated_likeness(recent: Wave, wanted: npt.NDArray[np.complex128]) -> float:
    """Returns how like the word, at its best rotation, the samples are; 1 is the same."""
    level = recent - recent.mean()
    norm = np.sqrt(np.sum(level**2) * np.mean(np.abs(wanted) ** 2))
    if norm < 1e-6:
        return 0.0
    return float(np.fft.ifft(np.fft.fft(level) * wanted).real.max() / norm)


def ctcss_in(samples: Samples) -> float | None:
    """Returns the CTCSS tone that fills the samples, or None; half a second is needed."""
    heard = SubAudible(max(1, samples.size // _THINNED))
    heard.feed(samples[: samples.size // _THINNED * _THINNED].astype(np.float64))
    recent = heard.recent[_TAPS // _THINNED :]
    if recent.size < _THIN_HZ / 5:
        return None
    recent = (recent - recent.mean()) * np.hanning(recent.size)
    at_s = np.arange(recent.size) / _THIN_HZ
    products = np.exp(-2j * np.pi * np.outer(CTCSS_HZ, at_s)) @ recent
    power = np.abs(products) ** 2
    whole = float(np.sum(recent**2)) * recent.size / 3
    best = int(power.argmax())
    return CTCSS_HZ[best] if whole > 1 and power[best] > 0.5 * whole else None


def dcs_in(samples: Samples) -> list[str]:
    """Returns the codes that fill the samples, of normal polarity; none if there is none.

    One word may stand for two codes that are rotations of one another, turned over or not; both
    are true.
    """
    heard = SubAudible(_THIN_WORD)
    heard.feed(samples[: samples.size // _THINNED * _THINNED].astype(np.float64))
    return [
        code
        for code in DCS_CODES
        if _rotated_likeness(heard.recent, np.conj(np.fft.fft(_thin_word(code)))) > 0.8
    ]
