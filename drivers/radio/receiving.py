"""What others say on a channel: squelch to overs, digits to frames, sound to recordings.

An over begins when the squelch has been open for ``squelch_open_ms`` and ends when it has been
closed for ``squelch_close_ms``: noise bursts open nothing, and a weak signal's flutter makes
one over, not ten. While our own transmitter is on the receiver is deaf: nothing of ours is
decoded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from drivers.radio.dtmf_frames import DtmfFramer, DtmfMessage
from drivers.radio.recording import Recorder
from drivers.radio.samples import FRAME_MS, Int16Array, level_dbfs
from drivers.radio.settings import RadioChannel
from gateway.core.events import DigitsHeard, OverHeard

# What came before the debounced opening belongs to the over: up to half a second.
_PRE_ROLL_FRAMES: Final = 500 // FRAME_MS
# A radio without a squelch line: somebody speaks while it is louder than this, and a pause
# shorter than the hang is part of his sentence (2 s as VOX squelches have it is too long for
# answers by tone).
_VOICE_DBFS: Final = -38.0
_VOICE_HANG_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Moment:
    """One reading of both clocks: monotonic seconds and UTC microseconds."""

    s: float
    us: int


class Squelch:
    """A squelch line, debounced.

    Attributes:
        is_open: Whether somebody is heard.
        since_s: When it last opened or closed, by the line's own edge.
    """

    def __init__(self, open_ms: float, close_ms: float) -> None:
        self.is_open = False
        self.since_s = float("-inf")
        self._open_s, self._close_s = open_ms / 1000.0, close_ms / 1000.0
        self._raw = False
        self._raw_since_s = float("-inf")

    @property
    def raw(self) -> bool:
        """Whether the line says open at this moment."""
        return self._raw

    def line(self, is_open: bool, at_s: float) -> None:
        """Take an edge of the line."""
        if is_open != self._raw:
            self._raw, self._raw_since_s = is_open, at_s

    def deafen(self, now_s: float) -> None:
        """Close while our own transmitter is on; an open line counts anew afterwards."""
        if self.is_open:
            self.is_open, self.since_s = False, now_s
        self._raw_since_s = max(self._raw_since_s, now_s)

    def step(self, now_s: float) -> bool:
        """Return whether somebody is heard now."""
        wanted_s = self._open_s if self._raw else self._close_s
        if self._raw != self.is_open and now_s - self._raw_since_s >= wanted_s:
            self.is_open, self.since_s = self._raw, self._raw_since_s
        return self.is_open


@dataclass(slots=True)
class _Over:
    """An over that is going on."""

    id: str
    at: Moment
    recording: str | None


class Receiver:
    """The receiving side of one channel.

    Args:
        channel: Channel id.
        settings: Its settings.
        recorder: Records what is heard.
        new_name: Returns a new id for an over.
        tell: Takes the events.
        day: Returns the date of a moment, ``YYYYMMDD``.

    Attributes:
        stuck: The squelch has been open for longer than anybody speaks.
    """

    def __init__(
        self,
        channel: str,
        settings: RadioChannel,
        recorder: Recorder,
        *,
        new_name: Callable[[], str],
        tell: Callable[[DigitsHeard | OverHeard], None],
        day: Callable[[int], str],
    ) -> None:
        self.stuck = False
        self._channel = channel
        self._settings = settings
        self._recorder = recorder
        self._new_name = new_name
        self._tell = tell
        self._day = day
        self._squelch = Squelch(settings.squelch_open_ms, settings.squelch_close_ms)
        ani = settings.ani
        self._framer = DtmfFramer(ani.digits, ani.position) if ani else DtmfFramer()
        self._over: _Over | None = None
        self._before: deque[Int16Array] = deque(maxlen=_PRE_ROLL_FRAMES)
        self._open_since_s = float("inf")
        self._voice_s = float("-inf")

    @property
    def squelch_open(self) -> bool:
        """Whether somebody is heard, debounced."""
        return self._squelch.is_open

    @property
    def clear_since_s(self) -> float:
        """When the squelch last closed; meaningless while it is open."""
        return self._squelch.since_s

    @property
    def listening(self) -> bool:
        """Whether there is somebody whose digits should be looked for."""
        return self._squelch.raw or self._squelch.is_open

    def line(self, is_open: bool, at_s: float) -> None:
        """Take an edge of the squelch line."""
        if is_open and not self.listening:
            self._framer.over_started()
        self._squelch.line(is_open, at_s)

    def follow(self, now_s: float, frame: Int16Array | None, *, deaf: bool) -> bool:
        """Take this tick's sound; return whether digits should be looked for in it."""
        if deaf:
            self._before.clear()
            self._squelch.deafen(now_s)
            return False
        if self._settings.control.squelch == "none":
            self._follow_voice(now_s, frame)
        self._squelch.step(now_s)
        if frame is not None:
            self._keep(frame)
        return self.listening

    def heard(self, symbol: str, now: Moment) -> None:
        """Take a digit."""
        message = self._framer.heard(symbol, now.s)
        if message is not None:
            self._tell_digits(message, now)

    def tick(self, now: Moment) -> None:
        """Begin or end the over, after this tick's digits."""
        self._framer.tick(now.s)
        is_open = self._squelch.is_open
        if is_open and self._over is None and not self.stuck:
            self._begin(now)
        elif not is_open and self._over is not None:
            self._end(now, until_s=self._squelch.since_s)
        if not is_open:
            self._open_since_s, self.stuck = float("inf"), False
        else:
            self._open_since_s = min(self._open_since_s, self._squelch.since_s)
            if now.s - self._open_since_s >= self._settings.stuck_squelch_s and not self.stuck:
                self.stuck = True
                if self._over is not None:
                    self._end(now, until_s=now.s)

    def close(self, now: Moment) -> None:
        """End an over that is going on: the line is lost, or the channel is given up."""
        self._squelch.line(False, now.s)
        self._squelch.deafen(now.s)
        if self._over is not None:
            self._end(now, until_s=now.s)

    def _follow_voice(self, now_s: float, frame: Int16Array | None) -> None:
        if frame is not None and level_dbfs(frame) > _VOICE_DBFS:
            self._voice_s = now_s
        self.line(now_s - self._voice_s < _VOICE_HANG_S, now_s)

    def _keep(self, frame: Int16Array) -> None:
        if self._over is not None:
            self._recorder.write(frame)
        elif self.listening:
            self._before.append(frame)
        else:
            self._before.clear()

    def _begin(self, now: Moment) -> None:
        # Both clocks are read at the tick; the line's edge was a little earlier.
        at_s = self._squelch.since_s
        at = Moment(at_s, now.us - round(1e6 * (now.s - at_s)))
        name = self._new_name()
        recording = self._recorder.begin(name, self._day(at.us))
        self._over = _Over(name, at, recording if self._recorder.recording else None)
        for frame in self._before:
            self._recorder.write(frame)
        self._before.clear()

    def _end(self, now: Moment, until_s: float) -> None:
        assert self._over is not None
        message = self._framer.over_ended()
        self._tell_digits(message, now)
        over, self._over = self._over, None
        self._recorder.end()
        self._tell(
            OverHeard(
                at_us=over.at.us,
                channel=self._channel,
                over=over.id,
                keyed_ms=max(0, round(1000 * (until_s - over.at.s))),
                ani=message.ani,
                recording=over.recording,
                stray=message.stray,
            )
        )

    def _tell_digits(self, message: DtmfMessage, now: Moment) -> None:
        over = self._over.id if self._over else None
        for digits in message.frames:
            if over is None:
                # A squelch that is stuck open still lets an answer through.
                over = self._new_name()
            self._tell(
                DigitsHeard(
                    at_us=now.us,
                    channel=self._channel,
                    over=over,
                    digits=digits,
                    ani=message.ani,
                )
            )
