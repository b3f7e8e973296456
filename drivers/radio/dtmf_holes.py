"""Where a digit may have been lost with the sound it was in. Pure.

Sound that never came is filled with something. A digit that suffers from it is mostly read from
what is left of it (``drivers.radio.dtmf_judge``); where it is not, the digits around it must
not be taken for all there were: one digit less is another order's number. So a hole in which a
digit may be hidden is told in its place, as `UNREAD`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from drivers.radio.arrays import IntArray
from drivers.radio.samples import FRAME_SAMPLES, Int16Array

__all__ = ["LOUD_PART", "UNREAD", "Holes", "loud_beside"]

# Stands among the symbols for a place where one may be missing.
UNREAD = "?"

# A digit of 40 ms shows for 10 ms on both sides of a lost packet at least. All digits of a
# radio are of one level but for its twist; noise at 6 dB stays below a third of it.
_BESIDE_SAMPLES = FRAME_SAMPLES // 2
LOUD_PART = 0.35
# Between digits there are 25 ms: one that ends or begins so near leaves no room for another.
_NEAR_SAMPLES = 80
# A digit beside a hole has ended, or is a segment, this long after it.
_SETTLED_SAMPLES = 5 * FRAME_SAMPLES


@dataclass(slots=True)
class _Hole:
    """Frames of sound that never came, in a row; wide where more than one may be missing."""

    begin: int
    end: int
    wide: bool
    is_read: bool = False


class Holes:
    """The holes of all channels, until it is known whether a digit may be lost in them."""

    def __init__(self) -> None:
        self._open: dict[int, list[_Hole]] = {}
        self._newest: dict[int, _Hole] = {}

    def note(self, sample: int, missing: IntArray) -> None:
        """Take in where the frame that begins at a sample was invented.

        Args:
            sample: where the frame begins.
            missing: (n_channels,): 0 where it came, 1 where it did not, more where more is
                missing than has been filled.
        """
        for channel in np.flatnonzero(missing).tolist():
            newest = self._newest.get(channel)
            if newest is not None and newest.end == sample:
                # A hole that goes on is told once.
                newest.end, newest.wide = sample + FRAME_SAMPLES, True
                if newest not in self._open.get(channel, ()) and not newest.is_read:
                    continue
                newest.is_read = False
            else:
                newest = _Hole(sample, sample + FRAME_SAMPLES, bool(missing[channel] > 1))
                self._newest[channel] = newest
            holes = self._open.setdefault(channel, [])
            if newest not in holes:
                holes.append(newest)

    def read(self, channel: int, start: float, end: float) -> None:
        """Note that a digit was read there: beside it there is no room for another."""
        for hole in self._open.get(channel, ()):
            near = start - _NEAR_SAMPLES < hole.end and end + _NEAR_SAMPLES > hole.begin
            hole.is_read |= near and not hole.wide

    def settled(
        self, now: int, going: Mapping[int, int]
    ) -> Iterator[tuple[int, int, bool]]:
        """Yield channel, beginning and width of holes that no digit was read beside.

        Args:
            now: the sample after the last one heard.
            going: the beginning of what may be a digit and has not ended, by channel.
        """
        for channel in list(self._open):
            yield from self._settled_of(channel, now, going.get(channel, now))

    def flushed(self, channel: int) -> Iterator[tuple[int, int, bool]]:
        """Yield those of a channel that is not listened to any more; forget them."""
        yield from self._settled_of(channel, 1 << 62, 1 << 62)
        self._newest.pop(channel, None)

    def rearranged(self, channels: Mapping[int, int]) -> Holes:
        """Return those of some channels (old number: new number)."""
        other = Holes()
        for old, new in channels.items():
            if old in self._open:
                other._open[new] = list(self._open[old])
            if old in self._newest:
                other._newest[new] = self._newest[old]
        return other

    def _settled_of(
        self, channel: int, now: int, going: int
    ) -> Iterator[tuple[int, int, bool]]:
        kept = []
        for hole in self._open.pop(channel, []):
            may_be_read = going < hole.end + 2 * FRAME_SAMPLES
            if may_be_read or (not hole.wide and now < hole.begin + _SETTLED_SAMPLES):
                kept.append(hole)
            elif not hole.is_read:
                yield channel, hole.begin, hole.wide
        if kept:
            self._open[channel] = kept


def loud_beside(sound: Int16Array, digit_power: float) -> bool:
    """Return whether a digit may stand beside a lost packet.

    Args:
        sound: the frame before it and the frame after it, (320,).
        digit_power: mean square of the last digit read, full scale 1.
    """
    before = sound[FRAME_SAMPLES - _BESIDE_SAMPLES : FRAME_SAMPLES]
    after = sound[FRAME_SAMPLES : FRAME_SAMPLES + _BESIDE_SAMPLES]
    powers = [np.square(part / 32768.0).mean() for part in (before, after)]
    return bool(max(powers) >= LOUD_PART * digit_power)
