"""DCS: the code below the voice that says whose radio it is (CDCSS, DPL).

A word of 23 bits at 134.4 bit/s, repeated without a gap and without a mark for its beginning:
bit 22 first to last ``P11..P1 | 1 0 0 | C9..C1``, bit 0 sent first, C the code's three octal
digits, P the parity of the Golay code (23, 12) with generator 0xC75. The facts are those of
the published parity equations for the 83 codes in common use. At its end a radio sends the
turn-off tone of 134.4 Hz.

Codes are named ``023N`` (normal: a one deviates upwards) or ``023I`` (inverted). Turned over a
word is a word again, so that 023I and 047N are the same on the air: what a channel wants must
say which, and a bank that hears any names the normal one.

How the decoder works. Every 40 ms (20 while a code is there) the last 23 bits are read at four
bit phases, the widest open one is sliced at the middle of its levels (an off-tune transmitter
shifts both), and the word is looked up in all its rotations with at most one error. The Golay
code is perfect: with three errors half of all noise is a code. A code is present when words
160 ms apart, which share two bits at most, say the same with what lies between. Then up to
three errors a word are borne, as only that one code is asked for.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from drivers.radio.arrays import BoolArray, Float32Array, IntArray
from drivers.radio.below_voice import BelowVoiceBank, one_each
from drivers.radio.heard import Heard
from drivers.radio.low_band import (
    LOW_FRAME_SAMPLES,
    LOW_KEPT,
    LOW_RATE_HZ,
    LOW_SAMPLE,
    LowBand,
)
from drivers.radio.samples import (
    FRAME_SAMPLES,
    SAMPLE_RATE_HZ,
    Int16Array,
    low_pass,
    peak_of,
    samples_of,
    to_int16,
)

__all__ = ["CODES", "EXTRA_CODES", "DcsBank", "code_named", "encode", "twins", "word_of"]

CODES = (
    *("023", "025", "026", "031", "032", "043", "047", "051", "054", "065", "071", "072"),
    *("073", "074", "114", "115", "116", "125", "131", "132", "134", "143", "152", "155"),
    *("156", "162", "165", "172", "174", "205", "223", "226", "243", "244", "245", "251"),
    *("261", "263", "265", "271", "306", "311", "315", "331", "343", "346", "351", "364"),
    *("365", "371", "411", "412", "413", "423", "431", "432", "445", "464", "465", "466"),
    *("503", "506", "516", "532", "546", "565", "606", "612", "624", "627", "631", "632"),
    *("654", "662", "664", "703", "712", "723", "731", "732", "734", "743", "754"),
)
# What many Chinese and amateur radios offer beside them. 645 is a rotation of 526.
EXTRA_CODES = (
    *("036", "053", "122", "145", "212", "225", "246", "252", "255", "266", "274", "325"),
    *("332", "356", "446", "452", "454", "455", "462", "523", "526", "645"),
)

BIT_RATE = 134.4
TURN_OFF_HZ = 134.4
WORD_BITS = 23
_GENERATOR = 0xC75
_MASK = (1 << WORD_BITS) - 1

_BIT = LOW_RATE_HZ / BIT_RATE
_PHASES = 4
# Up to the second half of the bit rate; -50 dB at 300 Hz, where voices begin.
_CUT_HZ, _HALF_LENGTH = 150.0, 10
_ERRORS_TO_OPEN, _ERRORS_TO_HOLD = 1, 3
# A channel without a code is read every second step. 160 ms apart: two words that share two
# bits at most.
_SEARCH_STEPS, _LOOKS_APART = 2, 4
_AGREEING_MIN = 4
# A look that was left out.
_UNREAD = -1
# What the newest 23 bits take, at any phase.
_WINDOW = int(np.ceil((WORD_BITS + 1) * _BIT)) + 2 * _HALF_LENGTH + 2
# Half the distance of the two levels; 25 Hz of a deviation of 5 kHz at full scale.
_LEVEL_MIN = 10.0 ** (-46.0 / 20.0)
# A code of that level, read anywhere in its bits, gives more than a quarter of it.
_POWER_MIN = WORD_BITS * (0.25 * _LEVEL_MIN) ** 2
# The nearest bit to the threshold, as part of the mean one: speech has no two levels.
_EYE_MIN = 0.12
_STEPS_TO_CLOSE = 6
# The turn-off tone, over 60 ms; the code itself has nothing at its bit rate.
_TURN_OFF = 48
_TURN_OFF_PURITY = 0.7
_DEAF_AFTER_END = 12
# An end is seen so many samples late: by the turn-off tone's window, or by the bits that may
# be wrong.
_LATE = 10 * _TURN_OFF + 80


def word_of(code: str) -> int:
    """Return the code's 23-bit word, bit 0 sent first.

    Raises:
        ValueError: not three octal digits.
    """
    if len(code) != 3 or not set(code) <= set("01234567"):
        msg = f"{code!r} is not a DCS code; it has three octal digits, such as 023"
        raise ValueError(msg)
    data = 0x800 | int(code, 8)
    rest = data << 11
    for bit in range(22, 10, -1):
        if rest >> bit & 1:
            rest ^= _GENERATOR << (bit - 11)
    return rest << 12 | data


def encode(
    name: str, ms: float, *, level_dbfs: float = -20.0, turn_off_ms: float = 180.0
) -> Int16Array:
    """Return a code, and after it the turn-off tone.

    Args:
        name: such as ``023N`` or ``023I``.
        ms: length of the code without the turn-off tone.
        level_dbfs: of the two levels; -20 is 500 Hz where full scale is 5 kHz of deviation.
        turn_off_ms: length of the turn-off tone.

    Returns:
        8 kHz mono int16 samples, to be added to what is spoken.

    Raises:
        ValueError: no such name.
    """
    word = _word_named(name)
    n = samples_of(ms)
    half = SAMPLE_RATE_HZ // 400
    at = np.arange(-2 * half, n + 2 * half) * BIT_RATE / SAMPLE_RATE_HZ
    bits = (word >> (np.floor(at).astype(np.int64) % WORD_BITS)) & 1
    # Radios round the edges of the bits below 300 Hz, or they would be heard.
    levels = np.convolve(2.0 * bits - 1.0, low_pass(200.0, SAMPLE_RATE_HZ, 2 * half), "valid")
    t = np.arange(samples_of(turn_off_ms)) / SAMPLE_RATE_HZ
    tone = np.sin(2 * np.pi * TURN_OFF_HZ * t)
    return to_int16(np.concatenate([levels[:n], tone]) * peak_of(level_dbfs))


def code_named(name: str) -> str:
    """Return the name, such as ``023N``.

    Raises:
        ValueError: not a code that radios offer, or without its polarity.
    """
    _called([name])
    return name


def twins(name: str) -> tuple[str, ...]:
    """Return the other names of what is the same on the air: ``023I`` of ``047N``.

    Args:
        name: code and polarity.
    """
    least = min(_rotations(_word_named(name)))
    names = (code + polarity for polarity in "NI" for code in (*CODES, *EXTRA_CODES))
    return tuple(n for n in names if n != name and min(_rotations(_word_named(n))) == least)


def _word_named(name: str) -> int:
    if name[-1:] not in {"N", "I"}:
        msg = f"{name!r} is not a DCS code with its polarity, such as 023N or 023I"
        raise ValueError(msg)
    word = word_of(name[:-1])
    return word ^ _MASK if name[-1] == "I" else word


def _rotations(word: int) -> list[int]:
    return [(word >> k | word << (WORD_BITS - k)) & _MASK for k in range(WORD_BITS)]


@functools.cache
def _names() -> tuple[str, ...]:
    """Return one name for each word that differs on the air, normal ones first."""
    seen: set[int] = set()
    names = []
    for polarity in "NI":
        for code in (*CODES, *EXTRA_CODES):
            name = code + polarity
            least = min(_rotations(_word_named(name)))
            if least not in seen:
                seen.add(least)
                names.append(name)
    return tuple(names)


@functools.cache
def _table() -> npt.NDArray[np.uint8]:
    """Return for each of 2^23 words 1 + the index of its name, 0 for none; one error borne."""
    flips = [sum(1 << b for b in bits) for k in range(_ERRORS_TO_OPEN + 1)
             for bits in combinations(range(WORD_BITS), k)]  # fmt: skip
    table = np.zeros(1 << WORD_BITS, np.uint8)
    for index, name in enumerate(_names()):
        words = np.array(_rotations(_word_named(name)))
        table[(words[:, None] ^ np.array(flips)).ravel()] = index + 1
    return table


def _bit_filters() -> Float32Array:
    """Return (phases * 23, window): each row reads one bit, the newest bit last."""
    taps = low_pass(_CUT_HZ, LOW_RATE_HZ, _HALF_LENGTH)
    window = _WINDOW
    filters = np.zeros((window, _PHASES, WORD_BITS))
    n = np.arange(-_HALF_LENGTH, _HALF_LENGTH + 1)
    for phase in range(_PHASES):
        for bit in range(WORD_BITS):
            back = (WORD_BITS - 1 - bit + phase / _PHASES) * _BIT
            centre = window - 2 - _HALF_LENGTH - back
            whole = int(np.floor(centre))
            part = centre - whole
            filters[whole + n, phase, bit] += (1 - part) * taps
            filters[whole + n + 1, phase, bit] += part * taps
    return filters.reshape(window, -1).T.astype(np.float32)


class _Seen(NamedTuple):
    """What a look shows, one entry a channel.

    Attributes:
        loud: whether it is loud enough for a code; where it is not, nothing else is measured.
        words: the newest 23 bits.
        clean: whether they are clear.
    """

    loud: BoolArray
    words: IntArray
    clean: BoolArray

    def at(self, index: IntArray) -> _Seen:
        """Return the same of some channels."""
        return _Seen(self.loud[index], self.words[index], self.clean[index])


class DcsBank(BelowVoiceBank[_Seen]):
    """Streaming code squelch for ``n_channels`` channels whose audio is a discriminator's.

    Args:
        n_channels: how many.
        wanted: for each channel the names that open it, or None for any code.
        low: the low band where it is shared: then ``look`` takes the place of ``step``.

    Attributes:
        present: (n_channels,) after a step: a wanted code is there. This is the squelch.

    Raises:
        ValueError: a name that is none, or not one entry a channel.
    """

    PER_CHANNEL = ("_index", "_past", "_missed")
    LOOK_SAMPLES, LOOK_STEP = _WINDOW, 0

    def __init__(
        self,
        n_channels: int,
        wanted: Sequence[Iterable[str] | None] | None = None,
        low: LowBand | None = None,
    ) -> None:
        super().__init__(n_channels, low)
        self._called = [_called(names) for names in one_each(wanted, n_channels, "codes")]
        allowed = np.zeros((n_channels, len(_names()) + 1), np.bool_)
        for row, called in zip(allowed, self._called, strict=True):
            row[list(called)] = True
        self._allowed = allowed
        self._index = np.zeros(n_channels, np.int64)  # of the code there, 0 for none
        self._past = np.zeros((n_channels, _LOOKS_APART + 1), np.int64)
        self._missed = np.zeros(n_channels, np.int64)
        self._filters = _bit_filters()
        self._one_phase = np.ascontiguousarray(self._filters[:WORD_BITS].T)
        turns = 2 * np.pi * TURN_OFF_HZ * np.arange(_TURN_OFF) / LOW_RATE_HZ
        self._turn_off = np.stack([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32)

    def look(self, listening: BoolArray) -> list[Heard]:
        """Do the same where another has brought the shared low band forward by 20 ms."""
        ended: list[Heard] = []
        if not listening.all():
            ended = self._finish(np.flatnonzero(self.present & ~listening))
            self._past[~listening], self._deaf[~listening] = 0, 0
        self._sample += FRAME_SAMPLES
        if self._deaf.any():
            np.maximum(self._deaf - 1, 0, out=self._deaf)
        idle = listening & ~self.present
        if self.present.any():
            ended += self._read_on(np.flatnonzero(listening & self.present))
        if self._sample // FRAME_SAMPLES % _SEARCH_STEPS == 0:
            channels = np.flatnonzero(self._due(idle))
            if len(channels):
                self._search(channels)
        return ended

    def rearranged(
        self,
        sources: Sequence[int | None],
        wanted: Sequence[Iterable[str] | None] | None = None,
        low: LowBand | None = None,
    ) -> DcsBank:
        """Return a bank for other channels that goes on where this one is.

        Args:
            sources: for each channel of the new bank its index in this one, None for a new
                channel.
            wanted: as for a new bank.
            low: the low band where it is shared, rearranged likewise.
        """
        low = self._low.rearranged(sources) if low is None else low
        bank = self._moved_to(DcsBank(len(sources), wanted, low), sources)
        bank.present &= bank._allowed[np.arange(len(sources)), bank._index]
        return bank

    def _due(self, idle: BoolArray) -> BoolArray:
        """Return which of the channels without a code are read in this step.

        A code opens when most looks in a row agree. So every second one can be left out where
        those before say nothing, and be made up for where the next one says something.
        """
        if self._sample // FRAME_SAMPLES % (2 * _SEARCH_STEPS):
            unread = idle & ~(self._past > 0).any(axis=1)
            self._put(unread, _UNREAD)
            idle = idle & ~unread
        return idle

    def _put(self, rows: BoolArray, index: int) -> None:
        """Note the same look for some channels."""
        self._past[rows, :-1] = self._past[rows, 1:]
        self._past[rows, -1] = index

    def _seen_in(self, windows: Float32Array, channels: IntArray) -> _Seen:
        """Return what the newest samples (rows) show, where they are not too quiet."""
        del channels
        bits = windows @ self._one_phase
        loud = np.einsum("ij,ij->i", bits, bits) >= _POWER_MIN
        words, clean = np.zeros(len(windows), np.int64), np.zeros(len(windows), np.bool_)
        if loud.any():
            words[loud], clean[loud] = self._read(windows[loud])
        return _Seen(loud, words, clean)

    def _read_on(self, channels: IntArray) -> list[Heard]:
        """Read the newest word of these channels; carry on their codes."""
        words, _ = self._read(self._low.samples[channels, -_WINDOW:])
        return self._hold(channels, words)

    def _read(self, samples: Float32Array) -> tuple[IntArray, BoolArray]:
        """Return each row's newest 23 bits, the oldest in bit 0, and whether they are clear."""
        soft = self._filters @ samples.T
        soft = soft.reshape(_PHASES, WORD_BITS, -1)
        # The widest open phase, not the loudest.
        size = np.abs(soft - soft.mean(axis=1, keepdims=True))
        phase = (size.min(axis=1) / (size.mean(axis=1) + 1e-9)).argmax(axis=0)
        best = np.take_along_axis(soft, phase[None, None, :], axis=0)[0]
        middle = best.mean(axis=0)
        for _ in range(2):
            high = best > middle
            ones = high.sum(axis=0)
            upper = (best * high).sum(axis=0)
            lower = best.sum(axis=0) - upper
            middle = upper / np.maximum(ones, 1) + lower / np.maximum(WORD_BITS - ones, 1)
            middle *= 0.5
        away = np.abs(best - middle)
        mean = away.mean(axis=0)
        words: IntArray = (1 << np.arange(WORD_BITS)) @ (best > middle)
        return words, (away.min(axis=0) >= _EYE_MIN * mean) & (mean >= _LEVEL_MIN)

    def _search(self, rows: IntArray) -> None:
        """Note what each word says; open channels that say the same long enough."""
        seen = self._seen(rows)
        index = self._named(rows, seen.words, seen.clean)
        if index.any():
            self._make_up(rows[index > 0])
        past = np.concatenate([self._past[rows, 1:], index[:, None]], axis=1)
        self._past[rows] = past
        agreeing = (past == index[:, None]).sum(axis=1) >= _AGREEING_MIN
        opens = (index > 0) & (past[:, 0] == index) & agreeing
        opens &= ~self.present[rows] & (self._deaf[rows] == 0)
        channels = rows[opens]
        self._index[channels] = index[opens]
        self.present[channels] = True
        self._missed[channels] = 0
        # Two words and the filters are behind us.
        back = round((WORD_BITS * _BIT + _HALF_LENGTH) * LOW_SAMPLE + self._low.delay_ms * 8)
        self._start[channels] = np.maximum(
            self._sample - back - _LOOKS_APART * _SEARCH_STEPS * FRAME_SAMPLES, 0
        )
        self._end[channels] = self._sample

    def _named(self, rows: IntArray, words: IntArray, clean: BoolArray) -> IntArray:
        """Return the index of what each word says, 0 where that is nothing wanted."""
        index = np.where(clean, _table()[words], 0).astype(np.int64)
        return np.where(self._allowed[rows, index], index, 0)

    def _make_up(self, rows: IntArray) -> None:
        """Read what was left out before these channels said something."""
        for looks in range(1, _LOOKS_APART):
            unread = rows[self._past[rows, -looks] == _UNREAD]
            if len(unread):
                stop = LOW_KEPT - looks * _SEARCH_STEPS * LOW_FRAME_SAMPLES
                words, clean = self._read(self._low.samples[unread, stop - _WINDOW : stop])
                self._past[unread, -looks] = self._named(unread, words, clean)

    def _hold(self, channels: IntArray, words: IntArray) -> list[Heard]:
        """Carry codes that are there on; end those that cease or are turned off."""
        wanted = _all_rotations()[self._index[channels]]
        errors = np.bitwise_count(words[:, None] ^ wanted).min(axis=1)
        held = errors <= _ERRORS_TO_HOLD
        self._missed[channels] = np.where(held, 0, self._missed[channels] + 1)
        self._end[channels[held]] = self._sample
        turned_off = self._turned_off(channels)
        self._end[channels[turned_off]] = self._sample
        over = (self._missed[channels] >= _STEPS_TO_CLOSE) | turned_off
        self._end[channels[over]] -= _LATE
        self._deaf[channels[over]] = _DEAF_AFTER_END
        self._past[channels[over]] = 0
        return self._finish(channels[over])

    def _turned_off(self, channels: IntArray) -> BoolArray:
        """Return whether the last 60 ms are the turn-off tone and little else."""
        samples = self._low.samples[channels, -_TURN_OFF:]
        steady = samples - samples.mean(axis=1, keepdims=True)
        parts = np.square(steady @ self._turn_off).sum(axis=1) * (2 / _TURN_OFF)
        smooth = parts >= _TURN_OFF_PURITY * np.square(steady).sum(axis=1)
        off: BoolArray = smooth & (parts >= _TURN_OFF * _LEVEL_MIN**2 / 2)
        return off

    def _finish(self, channels: IntArray) -> list[Heard]:
        self.present[channels] = False
        return [self._told(c, int(self._end[c])) for c in channels.tolist()]

    def _told(self, channel: int, until: int) -> Heard:
        start = int(self._start[channel])
        duration_ms = 1000.0 * (until - start) / SAMPLE_RATE_HZ
        value = self._called[channel][int(self._index[channel])]
        return Heard(channel, "dcs", None, value, start, duration_ms)


@functools.cache
def _all_rotations() -> IntArray:
    """Return (names + 1, 23): the rotations of each name's word."""
    rows = [[0] * WORD_BITS] + [_rotations(_word_named(name)) for name in _names()]
    return np.array(rows)


@functools.cache
def _index_of_least() -> dict[int, int]:
    """Return for the least rotation of each word 1 + the index of its name."""
    return {min(_rotations(_word_named(n))): i + 1 for i, n in enumerate(_names())}


def _called(wanted: Iterable[str] | None) -> dict[int, str]:
    """Return what each index that opens the channel is called there."""
    if wanted is None:
        return {i + 1: name for i, name in enumerate(_names())}
    called = {}
    for name in wanted:
        index = _index_of_least().get(min(_rotations(_word_named(name))))
        if index is None:
            msg = f"{name!r} is not among the DCS codes that radios offer"
            raise ValueError(msg)
        called[index] = name
    return called
