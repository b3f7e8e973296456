"""What CTCSS and DCS have in common: a squelch bank that follows the low band. Pure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar, Self, TypeVar

import numpy as np

from drivers.radio.arrays import BoolArray
from drivers.radio.heard import Heard
from drivers.radio.low_band import LowBand
from drivers.radio.samples import Int16Array

T = TypeVar("T", float, str)

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


class BelowVoiceBank(ABC):
    """Streaming squelch for ``n_channels`` channels whose audio is a discriminator's.

    Args:
        n_channels: how many.
        low: the low band where it is shared: then ``look`` takes the place of ``step``.

    Attributes:
        present: (n_channels,) after a step: what is wanted is there. This is the squelch.
    """

    # What a bank knows of each channel, besides the common ones.
    PER_CHANNEL: ClassVar[tuple[str, ...]]

    def __init__(self, n_channels: int, low: LowBand | None) -> None:
        self.present = np.zeros(n_channels, np.bool_)
        self._low = LowBand(n_channels) if low is None else low
        self._sample = 0
        self._deaf = np.zeros(n_channels, np.int64)  # steps until it is searched again
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
