"""One channel with its wires: the keyer's process, the sound link, the state machine."""

from __future__ import annotations

import logging
import selectors
from collections.abc import Callable
from typing import Final

from drivers.radio.audio import AudioLink, LinkStatistics, open_audio
from drivers.radio.channel import Channel
from drivers.radio.keyer_process import KeyerProcess
from drivers.radio.receiving import Moment
from drivers.radio.refused import Refused
from drivers.radio.samples import Int16Array
from drivers.radio.settings import RadioChannel
from drivers.radio.talker import Voice
from drivers.radio.technician_door import Sight
from drivers.radio.timing import Lateness
from gateway.interfaces import LinkError, SetupError

_LOG: Final = logging.getLogger("gridcall.radio")

_REOPEN_S: Final = (0.5, 1.0, 2.0, 5.0)
# A sound card that has given nothing for so long was pulled out; RTP comes back by itself.
_CARD_SILENT_FRAMES: Final = 100
# A keyer that was told to leave has unkeyed in a few milliseconds.
_RETIRE_S: Final = 0.5


class Unit:
    """A channel's wires, served by the radio process's loop.

    Args:
        id: Channel id.
        settings: Its settings.
        selector: The loop's selector.
        clock: Both clocks.
        keying: Counts how long the keyer takes from the decision to the line.
        make_channel: Makes the state machine around the keyer.

    Attributes:
        channel: The state machine.
        settings: As given.
        frame: What this tick's sound was, None where there was none.
        missing: 1 where it was invented for sound that never came, 2 where more is missing.
    """

    def __init__(
        self,
        id: str,  # noqa: A002  # as the settings call it
        settings: RadioChannel,
        *,
        selector: selectors.BaseSelector,
        clock: Callable[[], Moment],
        keying: Lateness,
        make_channel: Callable[[str, RadioChannel, KeyerProcess], Channel],
    ) -> None:
        self.id = id
        self.settings = settings
        self.frame: Int16Array | None = None
        self.missing = 0
        self._selector = selector
        self._clock = clock
        self._keyer = KeyerProcess(settings)
        self._keying = keying
        self._registered: int | None = None
        self._audio: AudioLink | None = None
        self._audio_failures = 0
        self._audio_at_s = 0.0
        self._silent_frames = 0
        self._fault: str | None = None
        self._retire_until_s = float("inf")
        self.channel = make_channel(id, settings, self._keyer)

    @property
    def link(self) -> LinkStatistics:
        """What the sound link has seen since it was opened."""
        return self._audio.statistics() if self._audio is not None else LinkStatistics()

    def sight(self, now: Moment) -> Sight:
        """Return how the channel stands, for whoever watches it."""
        channel = self.channel
        squelch, terms = channel.squelch
        _, fault = channel.path
        return Sight(now.s, self.frame, squelch, terms, channel.transmitting, fault, self.link)

    # --- keyer -------------------------------------------------------------------------------

    def serve_keyer(self) -> None:
        """Take the keyer's words in."""
        now = self._clock()
        for word in self._keyer.read(now.s):
            if word.word == "keyed" and self._keyer.asked_s is not None:
                self._keying.add(1000.0 * (word.at_s - self._keyer.asked_s))
            self._log_fault(word.word, word.detail)
            self.channel.keyer_said(word.word, word.detail, word.at_s, now)

    def _log_fault(self, word: str, detail: str) -> None:
        """Log a fault once, not at each of the keyer's tries, and that it is over."""
        if word == "fault" and detail != self._fault:
            _LOG.warning("channel %s: %s", self.id, detail)
            self._fault = detail
        elif word == "ready" and self._fault is not None:
            _LOG.warning("channel %s: its control port works", self.id)
            self._fault = None

    def watch_keyer(self, now: Moment) -> None:
        """Start, restart or kill the keyer as it needs."""
        if self._keyer.quiet(now.s):
            # Words that wait in the pipe are no silence.
            self.serve_keyer()
        why = self._keyer.watch(now.s)
        if why is not None:
            _LOG.error("channel %s: %s; starting another", self.id, why)
            self.channel.lost("keyer", why, now)
        self._register(self._keyer.fileno())

    def _register(self, descriptor: int | None) -> None:
        if descriptor == self._registered:
            return
        if self._registered is not None:
            self._selector.unregister(self._registered)
        self._registered = descriptor
        if descriptor is not None:
            self._selector.register(descriptor, selectors.EVENT_READ, self.serve_keyer)

    # --- sound -------------------------------------------------------------------------------

    def receive(self, now: Moment) -> bool:
        """Take this tick's sound in; return whether digits should be looked for in it."""
        if self._audio is None and now.s >= self._audio_at_s:
            self._open_audio(now)
        self.frame = self._audio.receive() if self._audio is not None else None
        self.missing = 0
        if self._audio is not None and self._audio.holed():
            self.missing = 2
            self.channel.missed()
        elif self._audio is not None and self._audio.filled():
            self.missing = 1
        self._watch_card(now)
        return self.channel.follow(now, self.frame)

    def voice(self, now: Moment) -> Voice:
        """Return what was heard in this tick, for the channels that it is patched to."""
        late_frames = self._audio.delay_frames() if self._audio is not None else 0
        return self.channel.voice(now, self.frame, late_frames)

    def play(self, now: Moment, *, may_key: bool) -> None:
        """Move the channel on, and send the frame it wants played."""
        frame = self.channel.tick(now, may_key=may_key)
        if self._audio is None:
            return
        if self._audio.send(frame):
            self.channel.played()

    def refused(self) -> tuple[Refused, ...]:
        """Return what came to its port and was not taken since the last call."""
        return self._audio.refused() if self._audio is not None else ()

    def _open_audio(self, now: Moment) -> None:
        try:
            self._audio = open_audio(self.settings.audio.url)
        except (LinkError, SetupError) as error:
            wait_s = _REOPEN_S[min(self._audio_failures, len(_REOPEN_S) - 1)]
            self._audio_failures += 1
            self._audio_at_s = now.s + wait_s
            if self._audio_failures == 1:
                _LOG.error("channel %s: %s", self.id, error)
            self.channel.lost("sound", str(error), now)
        else:
            self._audio_failures = self._silent_frames = 0
            self.channel.sound_opened(now)

    def _watch_card(self, now: Moment) -> None:
        if self._audio is None or not self.settings.audio.url.startswith("sound:"):
            return
        self._silent_frames = 0 if self.frame is not None else self._silent_frames + 1
        if self._silent_frames > _CARD_SILENT_FRAMES:
            self._close_audio()
            self._audio_at_s = now.s + _REOPEN_S[0]
            self.channel.lost("sound", "the sound card gives no sound; opening it again", now)

    def _close_audio(self) -> None:
        audio, self._audio = self._audio, None
        if audio is not None:
            audio.close()

    # --- end ---------------------------------------------------------------------------------

    def retire(self, now: Moment) -> None:
        """Let go of key, keyer and sound; ``retired`` tells when all are gone."""
        self._register(None)
        self._keyer.unkey()
        self._keyer.retire()
        self._close_audio()
        self._retire_until_s = now.s + _RETIRE_S

    def retired(self, now: Moment) -> bool:
        """Return whether its ports are free; a keyer that does not leave is killed."""
        if not self._keyer.gone() and now.s < self._retire_until_s:
            return False
        self._keyer.close()
        return True
