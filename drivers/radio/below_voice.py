"""What CTCSS and DCS have in common: a squelch bank that follows the low band. Pure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar, Generic, Protocol, Self, TypeVar

import numpy as np

from drivers.radio.arrays import BoolArray, Float32Array, IntArray
from drivers.radio.heard import Heard
from drivers.radio.low_band import LowBand
from drivers.radio.samples import FRAME_SAMPLES, Int16Array

T = TypeVar("T", float, str)
_LOOK_STEPS = 4


class Look(Protocol):
    """What a bank measures of the newest samples of some channels, in order."""

    def at(self, index: IntArray) -> Self:
        """Return the same for some of them."""


Seen = TypeVar("Seen", bound=Look)

__all__ = ["BelowVoiceBank", "one_each"]


def one_each(
    wanted: Sequence[Iterable[T] | None] | None, n_channels: int, what: str
) -> list[Iterable[T] | None]:
    """Return one entry a channel; None for each where nothing is given.

    Raises:
        ValueError: another number of entries.
    """
    if wanted is None:
        return [None] * n_channels
    if len(wanted) != n_channels:
        msg = f"{n_channels} channels, but {what} for {len(wanted)}"
        raise ValueError(msg)
    return list(wanted)


class BelowVoiceBank(ABC, Generic[Seen]):
    """Streaming squelch for ``n_channels`` channels whose audio is a discriminator's.

    Args:
        n_channels: how many.
        low: the low band where it is shared: then ``look`` takes the place of ``step``.

    Attributes:
        present: (n_channels,) after a step: what is wanted is there. This is the squelch.
    """

    # What a bank knows of each channel, besides the common ones.
    PER_CHANNEL: ClassVar[tuple[str, ...]]
    # Low samples that a look takes, and the step of each 80 ms in which all channels without a
    # finding have theirs.
    LOOK_SAMPLES: ClassVar[int]
    LOOK_STEP: ClassVar[int]

    def __init__(self, n_channels: int, low: LowBand | None) -> None:
        self.present = np.zeros(n_channels, np.bool_)
        self._low = LowBand(n_channels) if low is None else low
        self._sample = 0
        self._deaf = np.zeros(n_channels, np.int64)  # steps until it is searched again
        # What all listening channels show, look after look; where each of those begins, by the
        # sample at its step's end; and where in it each channel stands.
        self._foreseen: tuple[Seen, dict[int, int], IntArray] | None = None
        self._start = np.zeros(n_channels, np.int64)
        self._end = np.zeros(n_channels, np.int64)

    def step(self, frames: Int16Array, listening: BoolArray) -> list[Heard]:
        """Take the next 20 ms of every channel and return what ended.

        What is there meanwhile says ``under_way``. What is under way when ``listening`` falls
        ends in that step.

        Args:
            frames: (n_channels, 160) int16, from the discriminator, not de-emphasised.
            listening: (n_channels,) bool; frames of other channels are not looked at.
        """
        self._low.step(frames, listening)
        return self.look(listening)

    def look_at_all(self, n_frames: int, listening: BoolArray) -> list[Heard]:
        """Do the same where so many frames were taken in at once.

        What does not hang on how it went before is measured of all of them together.
        """
        self._foresee(n_frames, listening)
        ended: list[Heard] = []
        for behind in range(n_frames - 1, -1, -1):
            self._low.behind = behind
            ended += self.look(listening)
        self._foreseen = None
        return ended

    def _foresee(self, n_frames: int, listening: BoolArray) -> None:
        """Measure in advance what every channel is asked as long as nothing is found there."""
        rows, now = np.flatnonzero(listening), self._sample // FRAME_SAMPLES
        due = [n for n in range(1, n_frames + 1) if (now + n) % _LOOK_STEPS == self.LOOK_STEP]
        if not due or not len(rows):
            return
        windows = self._low.windows([n_frames - n for n in due], rows, self.LOOK_SAMPLES)
        begins = {(now + n) * FRAME_SAMPLES: k * len(rows) for k, n in enumerate(due)}
        place = np.cumsum(listening) - 1
        self._foreseen = self._seen_in(windows, np.tile(rows, len(due))), begins, place

    def _seen(self, channels: IntArray) -> Seen:
        """Return what the newest samples of some channels show."""
        if self._foreseen is not None and self._sample in self._foreseen[1]:
            seen, begins, place = self._foreseen
            return seen.at(begins[self._sample] + place[channels])
        windows = self._low.samples[channels, -self.LOOK_SAMPLES :]
        return self._seen_in(windows, channels)

    @abstractmethod
    def _seen_in(self, windows: Float32Array, channels: IntArray) -> Seen:
        """Return what windows, each of one of those channels, show."""

    @abstractmethod
    def look(self, listening: BoolArray) -> list[Heard]:
        """Do the same where another has brought the shared low band forward by 20 ms."""

    def under_way(self, channel: int) -> Heard | None:
        """Return what is on the channel now, with its length so far."""
        return self._told(channel, self._sample) if self.present[channel] else None

    def _moved_to(self, bank: Self, sources: Sequence[int | None]) -> Self:
        """Give a new bank what is known of the channels that it takes over."""
        bank._sample = self._sample
        to = [i for i, source in enumerate(sources) if source is not None]
        at = [source for source in sources if source is not None]
        for name in ("present", "_deaf", "_start", "_end", *self.PER_CHANNEL):
            getattr(bank, name)[to] = getattr(self, name)[at]
        return bank

    @abstractmethod
    def _told(self, channel: int, until: int) -> Heard:
        """Return what is, or was, on the channel, as long as it lasted until that sample."""
