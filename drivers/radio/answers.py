"""Answers to overs that wait for a clear channel: a packet, and a tone."""

from __future__ import annotations

import logging
from collections import deque
from typing import Final

import numpy as np

from drivers.radio.calls import Caller
from drivers.radio.samples import Int16Array
from drivers.radio.tones import answer_tone
from gateway.core.effects import AnswerOver

_LOG: Final = logging.getLogger("gridcall.radio")

# Answers wait for each other a moment only; a late one would be taken for someone else's.
_ANSWERS_MAX: Final = 8


class Answers:
    """The answers that one channel owes.

    Args:
        channel: Channel id.
        caller: Makes its packets.
        tones: Whether the channel answers by tones.
    """

    def __init__(self, channel: str, caller: Caller, *, tones: bool) -> None:
        self._channel = channel
        self._caller = caller
        self._tones = tones
        self._queue: deque[AnswerOver] = deque(maxlen=_ANSWERS_MAX)

    def __bool__(self) -> bool:
        """Return whether any waits."""
        return bool(self._queue)

    def add(self, answer: AnswerOver) -> None:
        """Take an answer in, unless there is nothing in it for this channel to send."""
        if self._tones or answer.signal is not None:
            self._queue.append(answer)

    def drop_late(self, now_us: int) -> None:
        """Leave out those whose time has passed."""
        while self._queue and now_us > self._queue[0].not_after_us:
            self._queue.popleft()

    def take(self) -> Int16Array:
        """Return the oldest: the packet, if there is one, then the tone, if there is one."""
        answer = self._queue.popleft()
        packets, wrong = self._caller.sounds([answer.signal] if answer.signal else [])
        for why in wrong:
            _LOG.error("channel %s: an answer is left out: %s", self._channel, why)
        if not self._tones:
            return packets
        tone = answer_tone("accepted" if answer.accepted else "wrong")
        return np.concatenate([packets, tone])
