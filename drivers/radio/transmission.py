"""One transmission: key, wait for the far receivers to open, sound, hang, unkey.

What is sounded is a ``Programme``, frame by frame. A page is cut at the end of a sentence so
that no transmission comes near the time-out; the rest goes out in the next one. A sentence too
long for any transmission is cut at a quiet place.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, Literal, Protocol

import numpy as np

from drivers.radio.fallback import fallback_phrase
from drivers.radio.samples import (
    FRAME_MS,
    FRAME_SAMPLES,
    Int16Array,
    duration_ms_of,
    frames_of,
    level_dbfs,
    silence,
)
from drivers.radio.speech import Rendered
from drivers.radio.tones import attention_tone
from gateway.core.effects import PageChannel

SILENCE: Final[Int16Array] = silence()
# Between our last unkeying in time and the keyer's (and the radio's) time-out timer.
_TIME_OUT_MARGIN_MS: Final = 750.0
# Guards hear a carrier without sound as a fault.
_DEAD_AIR_S: Final = 1.0
# The lease is 350 ms; three renewals may go missing.
_RENEW_FRAMES: Final = 5
# The keyer confirms in 50 ms; a server that lets its acknowledgement wait takes up to 3 s.
_CONFIRM_S: Final = 1.0
# A sentence that must be cut is cut where nothing is said, if that comes in the last second.
_CUT_QUIET_MS: Final = 1000.0
_CUT_QUIET_DBFS: Final = -35.0
TIME_OUT: Final = "the time-out timer struck"


class Line(Protocol):
    """The channel's keyer, as a transmission needs it."""

    def key(self) -> None:
        """Key, or renew the lease."""
        ...

    def unkey(self) -> None:
        """Let go of the key."""
        ...


class Speech(Protocol):
    """Where sentences are rendered."""

    def request(self, key: str, text: str, language: str) -> Rendered | None:
        """Return the sentence when it is known or cannot be had; else it comes later."""
        ...


class Programme(Protocol):
    """What a transmission sounds."""

    def begin(self, room_ms: float) -> None:
        """Note that a transmission begins with so much room for sound."""
        ...

    def next_frame(self, now_s: float, left_ms: float, *, stop: bool) -> Int16Array | None:
        """Return the next frame; None when this transmission should end here.

        Args:
            now_s: Monotonic seconds.
            left_ms: Room that is left in this transmission.
            stop: End at the next good place.
        """
        ...


class TonesProgramme:
    """Samples, and nothing more."""

    def __init__(self, samples: Int16Array) -> None:
        self._frames = list(frames_of(samples))

    def begin(self, room_ms: float) -> None:
        """Nothing to prepare."""

    def next_frame(self, now_s: float, left_ms: float, *, stop: bool) -> Int16Array | None:
        """Return the next frame, to the end."""
        del now_s, left_ms, stop  # a tone is not cut
        return self._frames.pop(0) if self._frames else None


class PageProgramme:
    """A page: calls, attention tone, then its sentences, or the fallback phrase instead.

    Args:
        page: What is to be said.
        speech: Renders the sentences.
        before: A word said first (``重复`` when it may have been said before), or None.
        calls: Selective calls, sent before the attention tone: they open muted radios.

    Attributes:
        page: As given.
        withdrawn: Why nobody needs it any more, once that is so.
        finished: Everything has been said.
        fell_back: The fallback phrase was spoken in place of the sentences.
        stopped: The last transmission was ended by ``stop``, not by the time-out's nearness.
        told_started: PageStarted has been told.
        recording: Where it is recorded, or None.
        unheard: The monitor heard nothing of a transmission of it.
    """

    def __init__(
        self,
        page: PageChannel,
        speech: Speech,
        before: str | None = None,
        calls: Int16Array | None = None,
    ) -> None:
        self.page = page
        self._opening = [] if calls is None else [calls]
        if page.attention:
            self._opening.append(attention_tone(page.tone or page.level))
        self.withdrawn: str | None = None
        self.finished = False
        self.fell_back = False
        self.stopped = False
        self.told_started = self.unheard = False
        self.recording: str | None = None
        self._speech = speech
        self._sentences = (before, *page.text) if before else page.text
        self._rendered: dict[int, Int16Array | None] = {}
        self._requested = False
        self._room_ms = 0.0
        self.restart()

    @property
    def spoken_as(self) -> Literal["spoken", "fallback"]:
        """How it was said, as PageSpoken tells it."""
        return "fallback" if self.fell_back else "spoken"

    @property
    def said(self) -> int:
        """How many sentences are over; a fallback phrase stands for one."""
        return self._next

    @property
    def in_sentence(self) -> bool:
        """Whether one is begun and not over."""
        return self._in_sentence

    def restart(self) -> None:
        """Begin from calls and attention tone when the next transmission comes."""
        self._next = 0
        self._sound: list[Int16Array] = []
        self._in_sentence = False
        self._opening_due = bool(self._opening)
        self._sounded = False
        self._waits_since_s: float | None = None

    def prepare(self) -> None:
        """Have the sentences rendered, so that they are there when the tone has sounded."""
        if self._requested:
            return
        self._requested = True
        for number, sentence in enumerate(self._sentences):
            known = self._speech.request(
                f"{self.page.page}/{number}", sentence, self.page.language
            )
            if known is not None:
                self.rendered(number, known.samples)

    def rendered(self, number: int, samples: Int16Array | None) -> None:
        """Take a sentence in; None says that it cannot be rendered."""
        self._rendered[number] = samples

    def begin(self, room_ms: float) -> None:
        """Begin a transmission: with calls and attention tone when it is the first."""
        self.prepare()
        self._room_ms = room_ms
        self._sounded = self.stopped = False
        if self._opening_due:
            self._opening_due = False
            self._load(np.concatenate(self._opening))

    def next_frame(self, now_s: float, left_ms: float, *, stop: bool) -> Int16Array | None:
        """Return the next frame; None at the end, at a cut, or at ``stop`` after a sentence."""
        if self._sound and (self._in_sentence or not stop):
            return self._frame(left_ms)
        self._end_sentence()
        if self.finished or stop:
            self.stopped = not self.finished
            return None
        return self._next_sentence(now_s, left_ms)

    def _frame(self, left_ms: float) -> Int16Array | None:
        over_ms = len(self._sound) * FRAME_MS - left_ms
        if over_ms > 0 and self._in_sentence and self._sounded:
            quiet = level_dbfs(self._sound[0]) < _CUT_QUIET_DBFS
            if left_ms <= 0 or (left_ms < _CUT_QUIET_MS and quiet):
                return None
        self._sounded = True
        return self._sound.pop(0)

    def _end_sentence(self) -> None:
        if self._in_sentence:
            self._in_sentence = False
            self._next += 1
        self.finished = self.fell_back or 0 < len(self._sentences) <= self._next

    def _next_sentence(self, now_s: float, left_ms: float) -> Int16Array | None:
        """Return the first frame of the next sentence, or a silent one while it renders."""
        if self._next in self._rendered or not self._sentences:
            self._waits_since_s = None
            samples = self._rendered.get(self._next)
        else:
            self._waits_since_s = self._waits_since_s or now_s
            if now_s - self._waits_since_s < _DEAD_AIR_S:
                return SILENCE
            samples = None
        if samples is None:
            self.fell_back = True
            samples = self._fallback()
        duration_ms = duration_ms_of(samples)
        if duration_ms > left_ms and self._sounded and duration_ms <= self._room_ms:
            self.fell_back = False  # decided anew in the next transmission, where it fits
            return None
        self._load(samples)
        self._in_sentence = True
        return self._frame(left_ms) if self._sound else SILENCE

    def _fallback(self) -> Int16Array:
        """Return what sounds when no sentence can be rendered: of a notice only a tone."""
        page = self.page
        if page.routine and not page.number:
            return attention_tone(page.level)
        return fallback_phrase(
            page.number,
            page.level,
            page.language,
            style=page.number_style,
            exercise=page.exercise,
        )

    def _load(self, samples: Int16Array) -> None:
        self._sound = list(frames_of(samples))


class TxState(Enum):
    """Where a transmission stands."""

    IDLE = "idle"
    LEAD = "lead"
    SOUND = "sound"
    HANG = "hang"
    RELEASE = "release"


class Transmitter:
    """Takes a programme onto the air through a keyer.

    Args:
        line: The keyer.
        tx_delay_ms: Key-up to first sound.
        hang_ms: Last sound to key-down.
        time_out_s: The time-out timer of keyer and radio.

    Attributes:
        state: Where the transmission stands.
        failure: Why it broke off; None while it goes well.
    """

    def __init__(
        self, line: Line, *, tx_delay_ms: float, hang_ms: float, time_out_s: float
    ) -> None:
        self.state = TxState.IDLE
        self.failure: str | None = None
        self._line = line
        self._tx_delay_ms = tx_delay_ms
        self._hang_ms = hang_ms
        self._room_ms = (
            1000.0 * time_out_s - _TIME_OUT_MARGIN_MS - tx_delay_ms - hang_ms
        )
        self._programme: Programme | None = None
        self._confirmed = False
        self._begun_s = 0.0
        self._since_s = 0.0
        self._frames_since_renewal = 0

    def on_air(self) -> bool:
        """Whether it is keyed, or not yet known to be unkeyed."""
        return self.state is not TxState.IDLE

    def begin(self, programme: Programme, now_s: float) -> None:
        """Key for this programme."""
        assert self.state is TxState.IDLE
        self.failure, self._programme, self._confirmed = None, programme, False
        self._begun_s = now_s
        self._enter(TxState.LEAD, now_s)
        # The key first: what the programme prepares has the whole TX delay.
        self._renew()
        programme.begin(self._room_ms)

    def next_frame(self, now_s: float, *, stop: bool) -> Int16Array | None:
        """Return the frame to play now, None when none must be (unkeyed, or letting go)."""
        passed_ms = 1000.0 * (now_s - self._since_s)
        if self.state is TxState.LEAD:
            self._lead(passed_ms, now_s)
        if self.state is TxState.SOUND:
            return self._sound(now_s, stop=stop)
        if self.state is TxState.HANG and passed_ms >= self._hang_ms:
            self._let_go(now_s)
        if self.state is TxState.RELEASE and passed_ms > 1000.0 * _CONFIRM_S:
            # The keyer's watch decides whether it hangs; here nothing more is to be done.
            self._enter(TxState.IDLE, now_s)
        return SILENCE if self.state in {TxState.LEAD, TxState.HANG} else None

    def played(self) -> None:
        """Note that a frame really left: only this renews the lease."""
        if self.state in {TxState.LEAD, TxState.SOUND, TxState.HANG}:
            self._frames_since_renewal += 1
            if self._frames_since_renewal >= _RENEW_FRAMES:
                self._renew()

    def keyed(self) -> None:
        """Note the keyer's word that the line has moved."""
        self._confirmed = True

    def unkeyed(self, reason: str, now_s: float) -> None:
        """Note the keyer's word that the line is down."""
        if self.state is TxState.LEAD and not self._confirmed and reason == "cmd":
            return  # the line falls from a transmission broken off; this one's rises next
        if self.state in {TxState.LEAD, TxState.SOUND, TxState.HANG}:
            self.failure = _UNKEYED_WORDS.get(reason, f"line lost: {reason}")
            self._line.unkey()
        if self.state is not TxState.IDLE:
            self._enter(TxState.IDLE, now_s)

    def abort(self, reason: str, now_s: float) -> None:
        """Let go of the key at once."""
        if self.state is not TxState.IDLE:
            self.failure = reason
            self._line.unkey()
            self._enter(TxState.IDLE, now_s)

    def _lead(self, passed_ms: float, now_s: float) -> None:
        if self._confirmed and passed_ms >= self._tx_delay_ms:
            self._enter(TxState.SOUND, now_s)
        elif not self._confirmed and passed_ms > 1000.0 * _CONFIRM_S + self._tx_delay_ms:
            self.abort("the keyer did not key", now_s)

    def _sound(self, now_s: float, *, stop: bool) -> Int16Array | None:
        assert self._programme is not None
        used_ms = 1000.0 * (now_s - self._begun_s) - self._tx_delay_ms
        frame = self._programme.next_frame(now_s, self._room_ms - used_ms, stop=stop)
        if frame is None:
            self._enter(TxState.HANG, now_s)
            return SILENCE
        return frame

    def _let_go(self, now_s: float) -> None:
        self._line.unkey()
        self._enter(TxState.RELEASE, now_s)

    def _enter(self, state: TxState, now_s: float) -> None:
        self.state, self._since_s = state, now_s

    def _renew(self) -> None:
        self._frames_since_renewal = 0
        self._line.key()


_UNKEYED_WORDS: Final = {
    "lease": "sound lost: no frame was played for the length of the lease",
    "tot": TIME_OUT,
    "fault": "line lost: the control port failed",
    "eof": "line lost: the keyer was let go",
    "cmd": "line lost: the keyer was stopped",
}
assert len(SILENCE) == FRAME_SAMPLES and SILENCE.dtype == np.int16
