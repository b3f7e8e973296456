"""One channel as a source of talk: which frames of what it hears are bridged."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from drivers.radio.patched_over import SignalMute
from drivers.radio.samples import FRAME_MS, Int16Array

_EARLIER_FRAMES: Final = 60 // FRAME_MS
_OPENING_FRAMES: Final = 600 // FRAME_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """One channel in one tick, as a source.

    Attributes:
        frame: What was received, None where nothing was.
        carrier: Somebody is on the air now, not debounced.
        speaks: Somebody is on the air, debounced, and it is neither fault nor tail.
        barred: It is no talk: the channel is kept for answers.
        late_frames: By how much the frame is later than the carrier's word, for it has waited
            in the jitter buffer.
        tail_frames: How much before the carrier's word the talker had ended already.
    """

    frame: Int16Array | None
    carrier: bool
    speaks: bool
    barred: bool = False
    late_frames: int = 0
    tail_frames: int = 0


class Talker:
    """Follows one source and takes out of it what is to be bridged."""

    def __init__(self) -> None:
        self.mute = SignalMute()
        self.talks = False
        # Until the squelch counts as open; one that never does must not fill the memory.
        self._before: deque[Int16Array] = deque(maxlen=_OPENING_FRAMES)
        self._earlier: deque[Int16Array] = deque(maxlen=_EARLIER_FRAMES)
        # Frames that are still to come after the carrier fell; -1 while it is there.
        self._after = -1

    def follow(self, voice: Voice) -> tuple[list[Int16Array], int]:
        """Return this tick's frames of the over, and how many of the last are its tail.

        When the carrier falls, what waits in the jitter buffer was said before; what is tail
        of it is left out, be it still in there or on its way already.
        """
        if not voice.speaks and (self.talks or not voice.carrier):
            self.talks = False
            self._before.clear()
            last = self.mute.flush()
            if voice.frame is not None:
                # The word that the carrier has come may itself be late.
                self._earlier.append(voice.frame)
            return last, 0
        if self._earlier:
            self._before.extend(self._earlier)
            self._earlier.clear()
        tail = self._follow_carrier(voice)
        if voice.frame is not None and self._after != 0:
            self._after = max(-1, self._after - 1)
            muted = self.mute.step(voice.frame)
            if muted is not None:
                self._before.append(muted)
        if not voice.speaks:
            return [], 0
        self.talks = True
        frames = list(self._before)
        self._before.clear()
        return frames, tail

    def _follow_carrier(self, voice: Voice) -> int:
        """Return how many frames on their way were tail, and note how many come still."""
        if voice.carrier:
            self._after = -1
        elif self._after < 0:
            # The frame in which he ended was not whole when his carrier fell: one more.
            late_frames = voice.late_frames + 1
            self._after = max(0, late_frames - voice.tail_frames)
            return self.mute.drop_last(max(0, voice.tail_frames - late_frames))
        return 0
