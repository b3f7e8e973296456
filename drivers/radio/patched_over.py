"""Talk on its way from one channel to another: signalling muted, pauses shortened, cut in time.

Pure. Frames are 20 ms of 8 kHz sound. What a talker says while the far transmitter comes up is
kept and sounds as soon as it is up, without the quiet that came before: nothing is clipped, and
what is late in the beginning is made up for in the talker's own pauses.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final, Literal

import numpy as np

from drivers.radio.activity import spectrum_of
from drivers.radio.samples import FRAME_MS, FULL_SCALE, Int16Array, level_dbfs, silence

Cut = Literal["time_out", "order", "off", "path", "busy", "taken"]

SILENCE: Final[Int16Array] = silence()
# Below this nobody speaks: breath and the noise of a good carrier.
QUIET_DBFS: Final = -45.0
# The talker draws breath: here an order may come in (as the airtime's gap).
_GAP_FRAMES: Final = 300 // FRAME_MS
# A pause so long can lose every second frame and is still a pause.
_PAUSE_FRAMES: Final = 100 // FRAME_MS
# What a channel that was busy when the talk began hears of it: the latest half second.
_BACKLOG_FRAMES: Final = 500 // FRAME_MS

# Parts of the spectrum, in bins of 50 Hz.
_BAND: Final = slice(4, 62)
_ROWS: Final = (12, 21)
_COLUMNS: Final = (23, 35)
_TONES: Final = (17, 58)
_FSK: Final = slice(18, 45)
_PAIR_SHARE: Final = 0.85
_LEAST_OF_PAIR: Final = 0.1
# ITU-T Q.23: the eight frequencies, and how far from one a tone may be and still be meant.
_DTMF_HZ: Final = np.array([697, 770, 852, 941, 1209, 1336, 1477, 1633], np.float64)
_OFF_BY: Final = 0.025
_TONE_SHARE: Final = 0.9
_FSK_SHARE: Final = 0.97
_LOUD_MEAN_SQUARE: Final = FULL_SCALE**2 / 2 * 10 ** (-45 / 10)


def is_signalling(frame: Int16Array) -> bool:
    """Return whether a frame is a tone pair (DTMF), one tone (selcall), or FSK (MDC1200).

    A voice has its power in many harmonics and mostly below 1 kHz; signalling has none there.
    """
    power = spectrum_of(frame)
    total = float(power[_BAND].sum())
    if total < _LOUD_MEAN_SQUARE:
        return False
    row, column = _peak(power, _ROWS), _peak(power, _COLUMNS)
    pair = row + column
    if pair >= _PAIR_SHARE * total and min(row, column) >= _LEAST_OF_PAIR * pair:
        return _is_dtmf(power, _ROWS) and _is_dtmf(power, _COLUMNS)
    if _peak(power, _TONES) >= _TONE_SHARE * total:
        return True
    return float(power[_FSK].sum()) >= _FSK_SHARE * total


def _is_dtmf(
    power: np.ndarray[tuple[int], np.dtype[np.float32]], band: tuple[int, int]
) -> bool:
    """Return whether the strongest tone in a band has a frequency of DTMF."""
    at = band[0] + int(np.argmax(power[band[0] : band[1]]))
    part = power[at - 2 : at + 3]
    hz = 50.0 * (at + float(part @ np.arange(-2.0, 3.0)) / float(part.sum()))
    return bool(np.min(np.abs(hz / _DTMF_HZ - 1.0)) <= _OFF_BY)


def _peak(power: np.ndarray[tuple[int], np.dtype[np.float32]], band: tuple[int, int]) -> float:
    """Return the power of the strongest tone in a band: its bin and the two on each side."""
    at = band[0] + int(np.argmax(power[band[0] : band[1]]))
    return float(power[at - 2 : at + 3].sum())


class SignalMute:
    """Makes signalling silent, from its beginning on; sound leaves it two frames later.

    Two frames in a row are signalling; one alone may be a whistle of the voice. The frames
    before and after are muted too, in which a tone begins or ends.

    Attributes:
        muted: Frames made silent so far.
    """

    _LOOK_BACK: Final = 2

    def __init__(self) -> None:
        self.muted = 0
        self._held: deque[Int16Array] = deque()
        self._run = 0
        self._in_signal = False

    def step(self, frame: Int16Array) -> Int16Array | None:
        """Take a frame and return the one of 40 ms ago; None at the beginning."""
        self._run = self._run + 1 if is_signalling(frame) else 0
        self._held.append(frame)
        if self._run >= self._LOOK_BACK:
            self._in_signal = True
            self._hush(range(len(self._held)))
        elif self._in_signal:
            # Its end, which may also be the beginning of the next digit.
            self._in_signal = self._run > 0
            self._hush([len(self._held) - 1])
        return self._held.popleft() if len(self._held) > self._LOOK_BACK else None

    def flush(self) -> list[Int16Array]:
        """Return what is held still, and begin anew."""
        held = list(self._held)
        self._held.clear()
        self._run, self._in_signal = 0, False
        return held

    def drop_last(self, frames: int) -> int:
        """Leave out the last frames that came; return how many had left already."""
        while frames and self._held:
            self._held.pop()
            frames -= 1
        return frames

    def _hush(self, places: Iterable[int]) -> None:
        for place in places:
            if self._held[place] is not SILENCE:
                self._held[place] = SILENCE
                self.muted += 1


class PatchedOver:
    """One over as it goes out on another channel; a ``Programme`` of the transmitter.

    Args:
        source: The member who talks, ``channel:gate`` or ``dispatcher``.

    Attributes:
        source: As given.
        cut: Why it ended before the talker did; None while it goes on, or when it was whole.
        begun: The transmitter was keyed for it.
        finished: All of it went out.
        dropped: Frames of sound that waited in vain for a busy channel.
        told: Somebody was told of the cut.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.cut: Cut | None = None
        self.begun = self.finished = self.told = False
        self.dropped = 0
        self._queue: deque[tuple[Int16Array, bool]] = deque()
        self._closed = self._sounded = False
        self._quiet_frames = 0

    @property
    def done(self) -> bool:
        """Whether nothing more of it will go out."""
        return self.finished or self.cut is not None

    def feed(self, frame: Int16Array) -> None:
        """Take the next frame of the talker."""
        if self.done:
            return
        self._queue.append((frame, level_dbfs(frame) < QUIET_DBFS))
        while not self.begun and len(self._queue) > _BACKLOG_FRAMES:
            _, quiet = self._queue.popleft()
            self.dropped += not quiet

    def drop_last(self, frames: int) -> None:
        """Leave out the last frames that came: they were the squelch's tail."""
        for _ in range(min(frames, len(self._queue))):
            self._queue.pop()

    def taken_over(self, source: str) -> None:
        """Have somebody else talk on in the same transmission."""
        self.source = source
        self._queue.clear()
        self._closed = False

    def close(self) -> None:
        """Note that the talker has ended; what waits still goes out."""
        self._closed = True
        if not self.begun and all(quiet for _, quiet in self._queue):
            self.finished = True  # a channel is not keyed for nothing

    def break_off(self, why: Cut) -> None:
        """End it here and now."""
        if not self.done:
            self.cut = why
            self._queue.clear()

    # --- as the transmitter's programme ------------------------------------------------------

    def begin(self, room_ms: float) -> None:
        """Note that the transmitter is keyed for it."""
        del room_ms  # talk is not cut in pieces: what has no room is left out
        self.begun = True

    def next_frame(self, now_s: float, left_ms: float, *, stop: bool) -> Int16Array | None:
        """Return the next frame, silence where none has come; None at its end or its cut."""
        del now_s
        if left_ms <= 0 and not self.done:
            self.break_off("time_out")
        elif stop and self._quiet_frames >= _GAP_FRAMES:
            self.break_off("order")
        if self._closed and not self._queue:
            self.finished = True
        if self.done:
            return None
        self._catch_up()
        if not self._queue:
            self._quiet_frames += 1
            return SILENCE
        frame, quiet = self._queue.popleft()
        self._quiet_frames = self._quiet_frames + 1 if quiet else 0
        self._sounded = self._sounded or not quiet
        return frame

    def _catch_up(self) -> None:
        """Leave out quiet: all of it before the first word, every second frame of a pause."""
        while not self._sounded and len(self._queue) > 1 and self._queue[0][1]:
            self._queue.popleft()
        in_pause = self._quiet_frames >= _PAUSE_FRAMES
        if in_pause and len(self._queue) > 1 and self._queue[0][1] and self._queue[1][1]:
            self._queue.popleft()
