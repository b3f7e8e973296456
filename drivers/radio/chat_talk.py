"""Talk from a chat: made into sound first, then sent as one transmission below all orders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

import numpy as np

from drivers.radio.samples import FRAME_MS, Int16Array, frames_of, level_dbfs, silence
from drivers.radio.speech import Rendered
from drivers.radio.transmission import Speech
from gateway.core.calls.events import PageFailed
from gateway.core.effects import TalkOnChannel

# An order ends talk where nothing is said, if that comes in this time.
_GAP_WITHIN_MS: Final = 1000.0
_GAP_DBFS: Final = -35.0
_PAUSE_MS: Final = 200
MAKING_MAX: Final = 32

NOT_RENDERED: Final = "the text could not be spoken"
NOT_DECODED: Final = "the voice note could not be played"
CROWDED: Final = f"{MAKING_MAX} others are being made ready already"


class Decoder(Protocol):
    """Where voice notes become samples."""

    def request(self, key: str, path: str) -> None:
        """Have a file below the media folder decoded; the answer comes as ``Rendered``."""
        ...


class ChatTalk:
    """One piece of talk, ready to be played. Cut where the time-out would; never resumed.

    Args:
        page: The talk.
        samples: All of its sound.

    Attributes:
        page: As given.
        withdrawn: Why nobody needs it any more, or why it was broken off.
        finished: All that could be said was said.
        cut: The end of it did not fit under the time-out timer.
        told_started: PageStarted has been told.
        recording: Where it is recorded, or None.
        unheard: The monitor heard nothing of it.
    """

    def __init__(self, page: TalkOnChannel, samples: Int16Array) -> None:
        self.page = page
        self.withdrawn: str | None = None
        self.finished = self.cut = False
        self.told_started = self.unheard = False
        self.recording: str | None = None
        self._frames = list(frames_of(samples))
        self._stopping_ms = 0.0

    @property
    def spoken_as(self) -> Literal["spoken", "cut"]:
        """How it was said, as PageSpoken tells it."""
        return "cut" if self.cut else "spoken"

    def begin(self, room_ms: float) -> None:
        """Note that the transmission begins with so much room for sound."""
        fitting = max(0, int(room_ms // FRAME_MS))
        self.cut = len(self._frames) > fitting
        del self._frames[fitting:]

    def next_frame(self, now_s: float, left_ms: float, *, stop: bool) -> Int16Array | None:
        """Return the next frame; None at the end, or at a gap once it is to stop."""
        del now_s, left_ms  # what does not fit was cut off at the beginning
        if not self._frames:
            self.finished = True
            return None
        if stop:
            self._stopping_ms += FRAME_MS
            quiet = level_dbfs(self._frames[0]) < _GAP_DBFS
            if quiet or self._stopping_ms > _GAP_WITHIN_MS:
                self.withdrawn = "broken off: an order goes first"
                return None
        frame: Int16Array = self._frames.pop(0)
        return frame


@dataclass(slots=True)
class _Making:
    """Talk whose sound is being made: what is still missing, and what is there."""

    talk: TalkOnChannel
    missing: set[str]
    parts: dict[str, Int16Array] = field(default_factory=dict)


class TalkDesk:
    """Has talk rendered and decoded, and hands on what is ready to be played.

    A channel is given a piece of talk only once its sound is there, so that nothing is keyed
    for what may never come.

    Args:
        speech: Renders sentences.
        decoder: Decodes voice notes.
        ready: Takes talk with its sound.
        failed: Takes the end of talk that has none.
        now_us: Wall time.
    """

    def __init__(
        self,
        speech: Speech,
        decoder: Decoder,
        *,
        ready: Callable[[ChatTalk], None],
        failed: Callable[[PageFailed], None],
        now_us: Callable[[], int],
    ) -> None:
        self._speech = speech
        self._decoder = decoder
        self._ready = ready
        self._failed = failed
        self._now_us = now_us
        self._making: dict[str, _Making] = {}

    def take(self, talk: TalkOnChannel) -> None:
        """Have the sound of talk made; then it is handed on, or told as failed."""
        if len(self._making) >= MAKING_MAX:
            self._fail(talk, CROWDED)
            return
        keys = [f"{talk.page}/{number}" for number in range(len(talk.text))]
        missing = {*keys, *([f"{talk.page}/media"] if talk.media else ())}
        self._making[talk.page] = _Making(talk, missing)
        if talk.media is not None:
            self._decoder.request(f"{talk.page}/media", talk.media)
        for key, sentence in zip(keys, talk.text, strict=True):
            known = self._speech.request(key, sentence, talk.language)
            if known is not None:
                self.rendered(known)

    def withdraw(self, page: str, reason: str) -> None:
        """Let go of talk whose sound is still being made; of any other nothing comes."""
        making = self._making.pop(page, None)
        if making is not None:
            self._fail(making.talk, reason, "withdrawn")

    def rendered(self, result: Rendered) -> None:
        """Take a sentence or a voice note in; one that is not ours is nobody's."""
        page = result.key.rpartition("/")[0]
        making = self._making.get(page)
        if making is None or result.key not in making.missing:
            return
        if result.samples is None or not len(result.samples):
            del self._making[page]
            spoken = not result.key.endswith("/media")
            self._fail(making.talk, NOT_RENDERED if spoken else NOT_DECODED)
            return
        making.missing.discard(result.key)
        making.parts[result.key] = result.samples
        if not making.missing:
            del self._making[page]
            self._ready(ChatTalk(making.talk, _joined(making)))

    def _fail(
        self,
        talk: TalkOnChannel,
        reason: str,
        state: Literal["failed", "withdrawn"] = "failed",
    ) -> None:
        self._failed(
            PageFailed(at_us=self._now_us(), page=talk.page, reason=reason, state=state)
        )


def _joined(making: _Making) -> Int16Array:
    """Return the parts in their order, a short pause between them."""
    pause = silence(_PAUSE_MS)
    parts: list[Int16Array] = []
    for key in sorted(making.parts):  # numbers sort before ``media``
        parts += [making.parts[key], pause]
    return np.concatenate(parts[:-1])
