"""The dispatcher's own voice in a talk group: his wire, when he speaks, what he hears."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from drivers.radio.activity import VoiceActivity
from drivers.radio.audio import AudioLink, open_audio
from drivers.radio.dispatcher_overs import DispatcherOvers
from drivers.radio.patched_over import SILENCE, PatchedOver
from drivers.radio.receiving import Moment
from drivers.radio.samples import FRAME_MS, Int16Array
from gateway.interfaces import LinkError, SetupError

_LOG: Final = logging.getLogger("gridcall.radio")

# What the dispatcher said before he was recognised as a voice: a breath and a first syllable.
_PRE_ROLL_FRAMES: Final = 200 // FRAME_MS
_DISPATCHER_DBFS: Final = -45
_REOPEN_S: Final = 5.0


@dataclass(slots=True)
class Dispatcher:
    """The dispatcher's own voice, over RTP: it talks while a voice is in it.

    Attributes:
        url: As ``parse_rtp_url`` takes it.
        link: The wire, None while it cannot be opened.
        overs: Where what he says is recorded; None where nothing is.
    """

    url: str
    link: AudioLink | None = None
    overs: DispatcherOvers | None = None
    _activity: VoiceActivity = field(default_factory=lambda: VoiceActivity(_DISPATCHER_DBFS))
    _before: deque[Int16Array] = field(default_factory=lambda: deque(maxlen=_PRE_ROLL_FRAMES))
    _open_at_s: float = float("-inf")
    _talks: bool = False

    def listen(self, now_s: float) -> list[Int16Array] | None:
        """Return this tick's frames of his voice; None while he says nothing."""
        if not self._opened(now_s):
            return None
        assert self.link is not None
        frame = self.link.receive()
        speaks = self._activity.step(now_s, frame)
        if frame is None:
            self._before.clear()
            self._talks = False
            return None
        if not speaks:
            self._talks = False
            self._before.append(frame)
            return None
        before = [] if self._talks else list(self._before)
        self._talks = True
        self._before.clear()
        return [*before, frame]

    def play(self, talk: PatchedOver | None, now_s: float) -> None:
        """Send what he hears in this tick: the talk, or silence."""
        if self.link is None:
            return
        frame = None if talk is None else talk.next_frame(now_s, 1.0, stop=False)
        self.link.send(SILENCE if frame is None else frame)

    def keep(self, frames: list[Int16Array], channels: tuple[str, ...], now: Moment) -> None:
        """Record this tick of what he says, of which there is none at the end of an over."""
        if self.overs is None:
            return
        if frames:
            self.overs.talk(frames, channels, now)
        else:
            self.overs.end()

    def close(self) -> None:
        """Let go of the wire, and end what he was saying."""
        if self.overs is not None:
            self.overs.end()
        if self.link is not None:
            self.link.close()
            self.link = None

    def _opened(self, now_s: float) -> bool:
        if self.link is None and now_s >= self._open_at_s:
            try:
                self.link = open_audio(self.url)
            except (LinkError, SetupError) as error:
                self._open_at_s = now_s + _REOPEN_S
                _LOG.error("dispatcher: %s", error)
        return self.link is not None
