"""The jitter buffer: frames that come when they like, one frame each 20 ms. Pure.

Document: RFC 3550, "RTP: A Transport Protocol for Real-Time Applications", appendix A.1
(sequence numbers that wrap, jump or come late).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivers.radio.samples import FRAME_SAMPLES, Int16Array

# 40 ms swallow the jitter of a device server or of Wi-Fi; 120 ms is the most worth waiting for.
TARGET_FRAMES = 2
MAX_FRAMES = 6
# One second: a jump beyond is another stream, not loss (RFC 3550 A.1 speaks of MAX_DROPOUT).
_JUMP_FRAMES = 50
# How early frames come, at the least over five seconds, tells drift from jitter; a frame that
# comes one turn before it is played is early enough.
_DRIFT_FRAMES = 250
_EARLY_FRAMES = 1
_STRETCH_EVERY = 4
# A stream that has been silent for 200 ms is no longer in another's way.
_LOCKED_FRAMES = 10
# After 200 ms of nothing the far end is not late but silent.
_CONCEALED_MAX = 10


@dataclass(slots=True)
class LinkStatistics:
    """What a sound link has seen since it was opened, counted in 20 ms frames.

    Attributes:
        received: Good frames that came in.
        sent: Frames handed to the network or the card.
        lost: Frames of the other side that never came, or came too late.
        late: Frames that came after their turn.
        duplicates: Frames that came twice.
        concealed: Frames invented to fill a hole.
        skipped: Frames left out because the other side's clock is faster, or a burst came.
        malformed: Datagrams that were not our sound.
        foreign: Datagrams from another address, or of a second stream.
        send_failures: Frames that the network or the card did not take.
        silent: Frames' time since the other side was last heard; 0 while it is heard.
    """

    received: int = 0
    sent: int = 0
    lost: int = 0
    late: int = 0
    duplicates: int = 0
    concealed: int = 0
    skipped: int = 0
    malformed: int = 0
    foreign: int = 0
    send_failures: int = 0
    silent: int = 0


class JitterBuffer:
    """Gives one frame each 20 ms, whatever the network does.

    Frames wait until ``target`` of them are there. A missing frame is filled with the fading
    last one, then with silence; while frames come late it is waited for instead of skipped, so
    that the buffer grows to what the network needs. How early frames come, at the least over
    five seconds, tells drift and a calmer network from jitter: a sample more or less is then
    read each 80 ms (1600 ppm, ten times what crystals differ by), stretched to fit, until the
    buffer is right again; nothing slips. An empty buffer fills up to the target again.

    A jump of more than a second is taken over at its second packet in a row (RFC 3550 A.1), so
    that one stray packet changes nothing; another stream likewise, once the present one has
    been silent for 200 ms. Of two at once the first is heard.

    Attributes:
        counts: What it has seen.
        filled: What ``get`` just gave was invented: it stands for sound that never came.
        second_stream: Frames of another stream that came while the present one was heard.
        holed: More than a frame is missing where ``get`` just was, or sound was left out there.
    """

    def __init__(
        self,
        counts: LinkStatistics | None = None,
        *,
        target: int = TARGET_FRAMES,
        maximum: int = MAX_FRAMES,
    ) -> None:
        self.counts = counts or LinkStatistics()
        self.filled = self.holed = False
        self.second_stream = 0
        self._target = target
        self._maximum = maximum
        self._waiting: dict[int, Int16Array] = {}  # by sequence number, extended past 16 bits
        self._ssrc: int | None = None
        self._unheard = 0
        self._next = 0
        self._suspect: tuple[int, int, Int16Array] | None = None
        self._filling = True
        self._playing = False
        self._last: Int16Array | None = None
        self._in_a_row = _CONCEALED_MAX
        self._grows = False
        self._least_early = maximum
        self._frames_watched = 0
        # Samples to leave out (more) or to add (less than 0) still, and what is read in part.
        self._deepest = (0, 0)  # in the five seconds before, and in these
        self._surplus = 0
        self._rest: Int16Array = np.zeros(0, np.int16)
        self._skipped_before = self.counts.skipped

    @property
    def depth(self) -> int:
        """How many frames wait."""
        return len(self._waiting)

    @property
    def delay_frames(self) -> int:
        """By how much sound is late here: as many as waited at the most lately.

        Fewer wait at a moment when some are held up on their way.
        """
        return max(self._deepest)

    def packets_hold(self, frames: int) -> None:
        """Make room for a sender that puts so many frames into one packet."""
        self._target = max(self._target, frames + 1)
        self._maximum = max(self._maximum, 2 * frames + MAX_FRAMES)

    def put(self, sequence: int, ssrc: int, frame: Int16Array) -> None:
        """Take a frame in, in any order.

        Args:
            sequence: 0..65535, wraps around.
            ssrc: Who sends; another one is another stream.
            frame: 160 samples, owned by the buffer from now on.
        """
        step = _signed16(sequence - self._next)
        if ssrc != self._ssrc or abs(step) > _JUMP_FRAMES:
            self._consider(sequence, ssrc, frame)
            return
        self._suspect, self._unheard = None, 0
        at = self._next + step
        if self._playing:
            self._least_early = min(self._least_early, step)
        if at in self._waiting:
            self.counts.duplicates += 1
        elif step < 0 and self._playing:
            self.counts.late += 1
            self._grows = True
        else:
            self._accept(at, frame)

    def get(self) -> Int16Array | None:
        """Return the frame whose turn it is; None while the other side is silent."""
        self._unheard += 1
        self._watch()
        plain = not self._surplus and not len(self._rest)
        frame = self._pull() if plain else self._stretched()
        self.holed = self.counts.silent > 1 or self.counts.skipped > self._skipped_before
        self._skipped_before = self.counts.skipped
        return frame

    def _pull(self) -> Int16Array | None:
        """Return the next frame of the sender's, or what stands for it."""
        if self._filling and len(self._waiting) < self._target:
            return self._concealed()
        if not self._waiting:
            self._filling = True
            return self._concealed()
        if self._filling:
            # What went missing while nothing was played is no hole in the sound.
            self._filling, self._playing = False, True
            self._next = min(self._waiting)
        if self._next not in self._waiting and self._grows:
            self._grows = False
            return self._concealed()  # it is late, not lost: it has one turn more
        frame = self._waiting.pop(self._next, None)
        self._next += 1
        if frame is None:
            self.counts.lost += 1
            return self._concealed()
        self._last, self._in_a_row, self.counts.silent = frame, 0, 0
        self.filled = False
        return frame

    def _stretched(self) -> Int16Array | None:
        """Return a frame of which, each fourth time, a sample was left out or added."""
        step = 0
        if self._frames_watched % _STRETCH_EVERY == 0 and self._surplus:
            step = 1 if self._surplus > 0 else -1
        while len(self._rest) < FRAME_SAMPLES + step:
            frame = self._pull()
            if frame is None:
                # Silence: there is nothing to be smooth about.
                self._surplus, self._rest = 0, self._rest[:0]
                return None
            self._rest = np.concatenate([self._rest, frame])
        read = self._rest[: FRAME_SAMPLES + step]
        self._rest = self._rest[FRAME_SAMPLES + step :]
        self._surplus -= step
        if not step:
            return read
        places = np.linspace(0.0, len(read) - 1.0, FRAME_SAMPLES)
        return np.rint(np.interp(places, np.arange(len(read)), read)).astype(np.int16)

    def _watch(self) -> None:
        """Decide each five seconds whether the buffer is to become shallower or deeper."""
        self._frames_watched += 1
        before, now = self._deepest
        self._deepest = (before, max(now, len(self._waiting)))
        if self._frames_watched < _DRIFT_FRAMES:
            return
        early, self._least_early, self._frames_watched = self._least_early, self._maximum, 0
        self._deepest = (self._deepest[1], 0)
        if not self._playing or self._surplus or early == self._maximum:
            return
        if early > _EARLY_FRAMES:
            self._surplus = FRAME_SAMPLES
        elif early < _EARLY_FRAMES and len(self._waiting) < self._maximum - 1:
            self._surplus = -FRAME_SAMPLES

    def _accept(self, at: int, frame: Int16Array) -> None:
        self.counts.received += 1
        self._waiting[at] = frame
        if not self._playing:
            self._next = min(self._next, at)
        while len(self._waiting) > self._maximum:
            oldest = min(self._waiting)
            del self._waiting[oldest]
            self.counts.skipped += 1
            self._next = oldest + 1

    def _consider(self, sequence: int, ssrc: int, frame: Int16Array) -> None:
        """Take over a new stream at its second packet in a row; the very first one at once."""
        suspect, self._suspect = self._suspect, None
        if self._ssrc is None:
            self._take_over(sequence, ssrc)
            self._accept(sequence, frame)
        elif ssrc != self._ssrc and self._unheard < _LOCKED_FRAMES:
            self.counts.foreign += 1
            self.second_stream += 1
        elif suspect is not None and suspect[:2] == (ssrc, sequence):
            self._take_over(sequence, ssrc)
            self._accept(sequence - 1, suspect[2])
            self._accept(sequence, frame)
        else:
            self.counts.foreign += 1
            self._suspect = (ssrc, sequence + 1 & 0xFFFF, frame)

    def _take_over(self, sequence: int, ssrc: int) -> None:
        self._ssrc, self._unheard = ssrc, 0
        self._next = sequence
        self._waiting.clear()
        self._filling, self._playing, self._grows = True, False, False
        self._surplus, self._rest = 0, self._rest[:0]

    def _concealed(self) -> Int16Array | None:
        """Return the last frame fading out, then silence, then None."""
        self.counts.silent += 1
        self.filled = True
        if self._in_a_row >= _CONCEALED_MAX:
            return None
        self._in_a_row += 1
        self.counts.concealed += 1
        if self._in_a_row > 1 or self._last is None:
            return np.zeros(FRAME_SAMPLES, np.int16)
        fade = np.linspace(1.0, 0.0, FRAME_SAMPLES)
        return (self._last * fade).astype(np.int16)


def _signed16(difference: int) -> int:
    return (difference + 0x8000 & 0xFFFF) - 0x8000
