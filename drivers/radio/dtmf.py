"""DTMF: samples to symbols, symbols to samples, symbols to reply frames.

Frequencies: ITU-T Recommendation Q.23, "Technical features of push-button telephone sets",
section 6. Receiver targets: ITU-T Recommendation Q.24, Annex A (the NTT and AT&T columns:
operate at 40 ms, not at 24 ms, bridge 10 ms), widened for analogue radios, which show 6 to 7 dB
of twist through missing or double de-emphasis.

How the decoder works. Every 10 ms it looks at the last 20 ms of every channel through a Hann
window (``drivers.radio.dtmf_looks``). Two looks in a row that show the same digit open a
segment, two that do not show it close it. Then, and only then, and if the looks together could
be a digit's, the segment's samples are judged as a whole (``drivers.radio.dtmf_judge``): the
looks are generous so that noisy digits come in, the judge is strict so that speech stays out.

Twist is high group minus low group, in dB.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from drivers.radio.arrays import BoolArray, Float32Array, IntArray
from drivers.radio.dtmf_frames import AniPosition, DtmfFramer, DtmfMessage
from drivers.radio.dtmf_holes import LOUD_PART, UNREAD, Holes, loud_beside
from drivers.radio.dtmf_judge import judge
from drivers.radio.dtmf_looks import (
    FRAMES_AT_ONCE_MAX,
    HIGH_HZ,
    HOP_SAMPLES,
    LOW_HZ,
    LookBank,
    Looks,
)
from drivers.radio.samples import (
    FRAME_SAMPLES,
    SAMPLE_RATE_HZ,
    Int16Array,
    faded,
    peak_of,
    samples_of,
    to_int16,
)

__all__ = [
    "encode",
    "frequencies_hz",
    "AniPosition",
    "DtmfBank",
    "DtmfFramer",
    "DtmfMessage",
    "DtmfSymbol",
]

ROWS = ("123A", "456B", "789C", "*0#D")
SYMBOLS = "0123456789*#ABCD"

# In all looks of a digit together.
_HELD_FRACTION = 0.40
# Amplitude 0.4 of the loudest look: a gap of 10 ms shows in one look, one of 25 ms in two.
_KEPT_POWER = 0.16
_RELEASE_LOOKS = 2
# A lost packet is no pause: it is 20 ms long, and a pause between digits 25 ms or more.
_HOLE_SAMPLES = 176
# Three seconds after a digit nobody is keying any more.
_KEYING_SAMPLES = 24_000
# What is judged of the sound: 320 ms. A tone is judged at the latest when it has lasted 240 ms.
_FRAMES_JUDGED = 16
_FRAMES_BEFORE_FIRST_VERDICT = 12
# Sound from before the first look: its window, and an edge to measure.
_LEAD_SAMPLES = 240
_FRAMES_KEPT = _FRAMES_JUDGED + FRAMES_AT_ONCE_MAX


@dataclass(frozen=True, slots=True)
class DtmfSymbol:
    """One digit heard.

    Attributes:
        channel: index of the channel in the bank.
        symbol: one of ``0123456789*#ABCD``; ``?`` where, soon after a digit, another may be
            that cannot be read, or is missing with the sound.
        start_sample: where the tone began, in samples since the bank was made.
        duration_ms: between the half-amplitude points; 0 for ``?``.
    """

    channel: int
    symbol: str
    start_sample: int
    duration_ms: float


def encode(
    symbols: str, *, tone_ms: float = 70.0, gap_ms: float = 70.0, level_dbfs: float = -12.0
) -> Int16Array:
    """Return the tones of ``symbols``, each followed by its gap.

    Args:
        symbols: any of ``0123456789*#ABCD``.
        tone_ms: length of a tone.
        gap_ms: silence after each tone, after the last one as well.
        level_dbfs: peak level of each of the two tones, at most -6.1 so that the pair fits.

    Returns:
        8 kHz mono int16 samples.

    Raises:
        ValueError: a symbol that has no tones, or a level at which the pair would clip.
    """
    if level_dbfs > -6.1:
        msg = f"two tones at {level_dbfs} dBFS each would clip; at most -6.1 dBFS"
        raise ValueError(msg)
    gap = np.zeros(samples_of(gap_ms), np.int16)
    parts = [part for s in symbols for part in (_tone(s, tone_ms, level_dbfs), gap)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int16)


def frequencies_hz(symbol: str) -> tuple[float, float]:
    """Return the low and the high frequency of ``symbol`` (Q.23 section 6).

    Raises:
        ValueError: not a DTMF symbol.
    """
    for low_hz, row in zip(LOW_HZ, ROWS, strict=True):
        if len(symbol) == 1 and symbol in row:
            return low_hz, HIGH_HZ[row.index(symbol)]
    msg = f"{symbol!r} is not a DTMF symbol; use one of {SYMBOLS}"
    raise ValueError(msg)


def _tone(symbol: str, tone_ms: float, level_dbfs: float) -> Int16Array:
    low_hz, high_hz = frequencies_hz(symbol)
    t = np.arange(samples_of(tone_ms)) / SAMPLE_RATE_HZ
    wave = np.sin(2 * np.pi * low_hz * t) + np.sin(2 * np.pi * high_hz * t)
    # 2 ms edges: a hard edge splatters over the whole channel.
    return faded(to_int16(wave * peak_of(level_dbfs)), in_ms=2.0, out_ms=2.0)


@dataclass(slots=True)
class _Segment:
    """A stretch of looks that may be a digit.

    Attributes:
        key: 4 * row + column of its tones.
        since: middle of its first look.
        peak: power of the loudest look.
        held: power of the digit's tones, in all looks together.
        band: power of the voice band, likewise.
        balance: looks for the digit less those against it.
        quiet: looks in a row without it.
        onset: of a long tone, where it began; NaN not judged yet, inf judged to be none.
    """

    key: int
    since: int
    peak: float
    held: float
    band: float
    balance: int = 1
    quiet: int = 0
    onset: float = math.nan

    def carry_on(self, pair: float, band: float, shown: int) -> bool:
        """Add a look; return whether it ends the segment."""
        self.peak = max(self.peak, pair)
        loud = pair >= _KEPT_POWER * self.peak
        # Neither the sound of a hole nor what stands on an edge speaks against a digit.
        full = pair >= 0.5 * self.peak
        if full:
            self.held += pair
            self.band += band
        if shown == self.key:
            self.balance += 1
        elif loud:
            self.balance -= 1
        self.quiet = 0 if loud else self.quiet + 1
        return self.quiet >= _RELEASE_LOOKS or (shown not in {-1, self.key} and not full)

    @property
    def promising(self) -> bool:
        """Whether its looks are worth a judgement."""
        return self.held >= _HELD_FRACTION * self.band and self.balance >= 1

    @property
    def pair_hz(self) -> tuple[float, float]:
        """Its two tones."""
        return LOW_HZ[self.key // 4], HIGH_HZ[self.key % 4]


# What a bank knows of each channel, besides its sound and the segment under way.
_PER_CHANNEL = ("_listening", "_shown", "_told", "_told_end", "_told_power")


class DtmfBank:
    """Streaming decoder for ``n_channels`` channels at once."""

    def __init__(self, n_channels: int) -> None:
        self._looks = LookBank(n_channels)
        self._sample = 0
        self._listening = np.zeros(n_channels, np.bool_)
        self._sound = np.zeros((_FRAMES_KEPT, n_channels, FRAME_SAMPLES), np.int16)
        self._filled = np.zeros((_FRAMES_KEPT, n_channels), np.bool_)
        self._shown = np.full(n_channels, -1)  # by the look before, -1 for none
        # Few channels have one at any time: plain numbers cost less than arrays.
        self._segments: dict[int, _Segment] = {}
        self._told = np.full(n_channels, -1)  # the last digit told, and where it ended
        self._told_end = np.full(n_channels, -np.inf)
        self._told_power = np.zeros(n_channels)
        self._holes = Holes()

    def step(
        self,
        frames: Int16Array,
        listening: BoolArray,
        missing: BoolArray | IntArray | None = None,
    ) -> list[DtmfSymbol]:
        """Take the next 20 ms of every channel, or some more, and return the digits that ended.

        A digit is returned about 30 ms after its tone. In the step in which ``listening``
        falls, a tone under way is cut there, judged and returned at once, so that the last
        digit of an over is never later than the over's end.

        Args:
            frames: (n_channels, 160) int16; up to `FRAMES_AT_ONCE_MAX` times 160, which costs
                less than one by one.
            listening: (n_channels,) bool; frames of other channels are not looked at.
            missing: (n_channels,), where the sound was invented for sound that never came: 1,
                or more where more is missing than was filled.
        """
        cut = self._listening & ~listening
        if cut.any() and frames.shape[1] > FRAME_SAMPLES:
            first = self.step(frames[:, :FRAME_SAMPLES], listening, missing)
            return first + self.step(frames[:, FRAME_SAMPLES:], listening, missing)
        heard = listening | cut
        found: list[DtmfSymbol] = []
        every = bool(heard.all())
        self._keep(None if every and not cut.any() else heard, frames, cut, missing)
        if missing is not None and missing.any():
            self._holes.note(self._sample, np.where(listening, missing, 0))
        if every:
            found += self._hear(slice(None), np.arange(len(frames)), frames, cut)
        elif heard.any():
            rows = np.flatnonzero(heard)
            found += self._hear(rows, rows, frames[rows], cut)
        self._listening = listening.copy()
        self._sample += frames.shape[1]
        found += self._unread(cut)
        if cut.any():
            self._sound[:, cut] = 0
        return found

    def rearranged(self, sources: Sequence[int | None]) -> DtmfBank:
        """Return a bank for other channels that goes on where this one is.

        Args:
            sources: for each channel of the new bank its index in this one, None for a new
                channel. Digits under way on channels that stay are not lost.
        """
        bank = DtmfBank(len(sources))
        bank._sample = self._sample
        to = [i for i, source in enumerate(sources) if source is not None]
        at = [source for source in sources if source is not None]
        bank._looks = self._looks.rearranged(sources)
        bank._sound[:, to] = self._sound[:, at]
        bank._filled[:, to] = self._filled[:, at]
        for name in _PER_CHANNEL:
            getattr(bank, name)[to] = getattr(self, name)[at]
        bank._segments = {
            i: replace(self._segments[source])
            for i, source in zip(to, at, strict=True)
            if source in self._segments
        }
        bank._holes = self._holes.rearranged(dict(zip(at, to, strict=True)))
        return bank

    def _keep(
        self,
        heard: BoolArray | None,
        frames: Int16Array,
        cut: BoolArray,
        missing: BoolArray | IntArray | None,
    ) -> None:
        """Keep the sound of channels that are heard (None: all), silence where one is cut."""
        for begin in range(0, frames.shape[1], FRAME_SAMPLES):
            slot = (self._sample + begin) // FRAME_SAMPLES % _FRAMES_KEPT
            kept = frames[:, begin : begin + FRAME_SAMPLES]
            if heard is None:
                self._sound[slot] = kept
            else:
                self._sound[slot, heard] = kept[heard]
                self._sound[slot, cut] = 0
            self._filled[slot] = False if missing is None else missing > 0

    def _hear(
        self, rows: slice | IntArray, channels: IntArray, frames: Int16Array, cut: BoolArray
    ) -> list[DtmfSymbol]:
        """Do a step's work for some channels, or for all by a slice, which copies less."""
        if cut.any():
            frames = np.where(cut[channels, None], np.int16(0), frames)
        going = np.fromiter(self._segments, np.int64, len(self._segments))
        wanted = self._shown >= 0
        wanted[going] = True
        last = (self._sample // FRAME_SAMPLES - 1) % _FRAMES_KEPT
        before = self._sound[last, rows, HOP_SAMPLES:]
        looks = self._looks.step(rows, before, frames, wanted[rows], self._sample)
        found = self._follow(rows, channels, looks, going)
        for channel in np.flatnonzero(cut).tolist():
            found += self._close(channel, self._sample + FRAME_SAMPLES)
            self._shown[channel] = -1
        return found

    def _follow(
        self, rows: slice | IntArray, channels: IntArray, looks: Looks, going: IntArray
    ) -> list[DtmfSymbol]:
        """Open, carry on and close the segments of all channels by the looks of the frames."""
        shown = looks.shown
        again = np.concatenate([self._shown[rows][None], shown[:-1]]) == shown
        again &= shown >= 0
        self._shown[rows] = shown[-1]
        lively = again.any(axis=0)
        lively[np.searchsorted(channels, going)] = True
        at = np.flatnonzero(lively)
        # Few channels: plain numbers cost less than arrays.
        powers = looks.power[:, :, at].transpose(2, 1, 0).tolist()
        seen = (a[:, at].T.tolist() for a in (looks.band, shown, again))
        found: list[DtmfSymbol] = []
        for channel, *of_channel in zip(channels[at].tolist(), powers, *seen, strict=True):
            for look, (*of_look, is_again) in enumerate(zip(*of_channel, strict=True)):
                if is_again or channel in self._segments:
                    found += self._take(channel, look, *of_look, again=is_again)
        return found

    def _take(
        self,
        channel: int,
        look: int,
        power: list[float],
        band: float,
        shown: int,
        *,
        again: bool,
    ) -> list[DtmfSymbol]:
        """Carry the channel's segment on by a look; close it, open the next."""
        found: list[DtmfSymbol] = []
        segment = self._segments.get(channel)
        if segment is not None:
            pair = power[segment.key // 4] + power[4 + segment.key % 4]
            until = self._sample + HOP_SAMPLES * (look + 1)
            if not segment.carry_on(pair, band, shown):
                self._judge_long(channel, segment, until)
                return found
            found = self._close(channel, until)
        if again:
            pair = power[shown // 4] + power[4 + shown % 4]
            # A look stands for the middle of its window; the first was the one before.
            since = self._sample + HOP_SAMPLES * (look - 1)
            self._segments[channel] = _Segment(shown, since, pair, pair, band)
        return found

    def _judge_long(self, channel: int, segment: _Segment, until: int) -> None:
        """Judge a tone that is about to outlast the sound that is judged."""
        early = until - (_FRAMES_BEFORE_FIRST_VERDICT + 1) * FRAME_SAMPLES
        if segment.since > early or not math.isnan(segment.onset):
            return
        begin, samples, hole = self._stretch(channel, segment, until)
        verdict = None
        if segment.promising:
            verdict = judge(samples, *segment.pair_hz, hole=hole)
        segment.onset = begin + verdict.onset if verdict else math.inf

    def _close(self, channel: int, until: int) -> list[DtmfSymbol]:
        """End the channel's segment; return its digit when it was one, or that it may be."""
        segment = self._segments.pop(channel, None)
        if segment is None:
            return []
        symbols = self._read(channel, segment, until)
        if symbols is None:
            doubtful = self._is_keyed(channel, segment)
            return [DtmfSymbol(channel, UNREAD, segment.since, 0.0)] if doubtful else []
        return symbols

    def _is_keyed(self, channel: int, segment: _Segment) -> bool:
        """Whether what was not read stands among digits, and is as loud as they are."""
        after = segment.since - self._told_end[channel]
        loud = segment.peak >= LOUD_PART * self._told_power[channel]
        return bool(_HOLE_SAMPLES < after < _KEYING_SAMPLES and loud)

    def _read(self, channel: int, segment: _Segment, until: int) -> list[DtmfSymbol] | None:
        """Return the digit of a segment, none where it was told before; None if it is none."""
        if segment.onset == math.inf or not segment.promising:
            return None
        begin, samples, hole = self._stretch(channel, segment, until)
        part = segment.held / segment.band
        if hole is None and not self._looks.resemble(
            channel, segment.key, segment.since, until, part
        ):
            return None
        running = not math.isnan(segment.onset)
        verdict = judge(samples, *segment.pair_hz, running=running, hole=hole)
        if verdict is None:
            return None
        key = segment.key
        start = segment.onset if running else begin + verdict.onset
        end = begin + verdict.end
        goes_on = (
            key == self._told[channel] and start - self._told_end[channel] <= _HOLE_SAMPLES
        )
        self._told[channel], self._told_end[channel] = key, end
        self._told_power[channel] = segment.peak
        self._holes.read(channel, start, end)
        if goes_on:
            return []
        duration_ms = 1000.0 * (end - start) / SAMPLE_RATE_HZ
        symbol = ROWS[key // 4][key % 4]
        return [DtmfSymbol(channel, symbol, max(round(start), 0), duration_ms)]

    def _unread(self, cut: BoolArray) -> list[DtmfSymbol]:
        """Return the holes in which a digit may have been lost."""
        going = {channel: segment.since for channel, segment in self._segments.items()}
        holes = list(self._holes.settled(self._sample, going))
        for channel in np.flatnonzero(cut).tolist():
            holes += self._holes.flushed(channel)
        return [
            DtmfSymbol(channel, UNREAD, begin, 0.0)
            for channel, begin, wide in holes
            if begin - self._told_end[channel] < _KEYING_SAMPLES
            and (wide or self._may_hide(channel, begin))
        ]

    def _may_hide(self, channel: int, begin: int) -> bool:
        """Whether a digit may be hidden in the lone lost packet at a sample."""
        frame = begin // FRAME_SAMPLES
        if self._sample // FRAME_SAMPLES - frame >= _FRAMES_KEPT - 1:
            return True
        around = np.array([frame - 1, frame + 1]) % _FRAMES_KEPT
        sound = self._sound[around, channel].reshape(-1)
        return loud_beside(sound, float(self._told_power[channel]))

    def _stretch(
        self, channel: int, segment: _Segment, until: int
    ) -> tuple[int, Float32Array, tuple[int, int] | None]:
        """Return where the sound of the channel's segment begins, it, and a hole in it."""
        newest = -(-until // FRAME_SAMPLES)
        begin = max(segment.since - _LEAD_SAMPLES, (newest - _FRAMES_JUDGED) * FRAME_SAMPLES)
        oldest = begin // FRAME_SAMPLES
        slots = np.arange(oldest, newest) % _FRAMES_KEPT
        sound = self._sound[slots, channel].reshape(-1)
        first = oldest * FRAME_SAMPLES
        samples = sound[begin - first : until - first] * np.float32(1 / 32768)
        filled = np.flatnonzero(self._filled[slots, channel])
        if len(filled) != 1:
            return begin, samples, None
        # A lone lost packet; what more is lost is nobody's to guess.
        place = first + FRAME_SAMPLES * int(filled[0]) - begin
        hole = max(place, 0), min(place + FRAME_SAMPLES, len(samples))
        return begin, samples, hole if hole[0] < hole[1] else None
