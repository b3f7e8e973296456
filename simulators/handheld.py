"""A guard's radio: keys up with digits and voice, and makes out what others say."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Final, Literal, Self

import numpy as np

from simulators.ether import TAIL_FRAMES, Ether, Over
from simulators.tones import (
    FRAME_SAMPLES,
    Samples,
    ToneDetector,
    ToneHeard,
    answer_in,
    attention_in,
    digits_in,
    dtmf,
    rms_dbfs,
    silence,
    voice,
)

AniPosition = Literal["start", "end", "both"]

_LEAD_MS: Final = 300.0
_PAUSE_MS: Final = 200.0
_KEPT_HEARD: Final = 1000


@dataclass(frozen=True)
class Heard:
    """One over of somebody else's, as this radio's loudspeaker gave it.

    Attributes:
        start_s: squelch opened, CLOCK_MONOTONIC.
        end_s: squelch closed, likewise.
        tones: every digit and tone pattern made out, in order.
        rms_dbfs: level of the whole, the squelch tail left out.
    """

    start_s: float
    end_s: float
    tones: tuple[ToneHeard, ...]
    rms_dbfs: float

    @property
    def attention(self) -> int | None:
        """Level of the first attention tone, or None."""
        return attention_in(self.tones)

    @property
    def answer(self) -> str | None:
        """`accepted`, `wrong` or None."""
        return answer_in(self.tones)

    @property
    def digits(self) -> str:
        """The DTMF digits, in order."""
        return digits_in(self.tones)


@dataclass
class _Listening:
    start_s: float
    frames: list[Samples] = field(default_factory=list)
    detector: ToneDetector = field(default_factory=ToneDetector)
    tones: list[ToneHeard] = field(default_factory=list)


class Handheld:
    """One handheld on the ether, switched on from its making until `switch_off()`.

    Attributes:
        who: its name in the ether's records; those who hear it are not told.
        ani: digits it sends by itself in every over, or None.
        ani_position: `start`, `end` or `both` ends of the over.
        strength: how strongly others receive it; twice as strong captures.
        heard: what it heard, oldest first; the last thousand.
    """

    kind = "handheld"

    def __init__(
        self,
        ether: Ether,
        who: str,
        ani: str | None = None,
        ani_position: AniPosition = "start",
        strength: float = 1.0,
    ) -> None:
        self.who = who
        self.ani = ani
        self.ani_position: AniPosition = ani_position
        self.strength = strength
        self.heard: deque[Heard] = deque(maxlen=_KEPT_HEARD)
        self._ether = ether
        self._unread: asyncio.Queue[Heard] = asyncio.Queue()
        self._outgoing: deque[Samples] = deque()
        self._button = asyncio.Lock()
        self._ended: asyncio.Future[Over] | None = None
        self._listening: _Listening | None = None
        self._quiet, self._busy = asyncio.Event(), asyncio.Event()
        self._quiet.set()
        self._voice_seed = ether.seed + sum(who.encode())
        ether.attach(self)

    # --- speaking --------------------------------------------------------------------------

    async def key_and_send(
        self,
        digits: str = "",
        voice_s: float = 0.0,
        *,
        tone_ms: float = 70,
        gap_ms: float = 70,
        lead_ms: float = _LEAD_MS,
    ) -> Over:
        """Keys, sends the ANI if it has one, the digits and a voice, and has unkeyed on return.

        Talks over whoever is talking; `wait_clear` first if the guard is polite. A second call
        waits for the first to end. Cancelling lets go of the key.

        Args:
            digits: DTMF digits, for example `*12034#1`; may be empty.
            voice_s: seconds of voice-like sound after the digits.
            tone_ms: length of each DTMF tone, of the ANI as well.
            gap_ms: silence after each.
            lead_ms: carrier before the first tone, in which squelches open.

        Returns:
            the over as the ether recorded it.

        Raises:
            ValueError: a character has no DTMF tone.
        """
        at_start = self.ani if self.ani_position in {"start", "both"} else None
        at_end = self.ani if self.ani_position in {"end", "both"} else None
        parts = [silence(lead_ms)]
        for burst in (at_start, digits):
            if burst:
                parts.append(dtmf(burst, tone_ms=tone_ms, gap_ms=gap_ms))
                parts.append(silence(_PAUSE_MS))
        if voice_s > 0:
            parts.append(voice(voice_s, self._voice_seed))
        if at_end:
            parts.append(silence(_PAUSE_MS))
            parts.append(dtmf(at_end, tone_ms=tone_ms, gap_ms=gap_ms))
        return await self.transmit(np.concatenate(parts))

    async def transmit(self, samples: Samples) -> Over:
        """Keys, sends these samples, and has unkeyed on return.

        Args:
            samples: int16, 8000 a second; padded with silence to whole frames.

        Returns:
            the over as the ether recorded it.
        """
        async with self._button:
            self._ended = asyncio.get_running_loop().create_future()
            padding = np.zeros(-len(samples) % FRAME_SAMPLES, np.int16)
            self._outgoing.extend(np.concatenate([samples, padding]).reshape(-1, FRAME_SAMPLES))
            try:
                return await self._ended
            finally:
                self._outgoing.clear()

    def release(self) -> None:
        """Lets go of the key at once; what was still to be said is not said."""
        self._outgoing.clear()

    # --- listening -------------------------------------------------------------------------

    async def next_heard(self, timeout_s: float) -> Heard:
        """Returns the oldest over heard and not yet taken, waiting for one if need be.

        Raises:
            TimeoutError: nobody said anything in that time.
        """
        async with asyncio.timeout(timeout_s):
            return await self._unread.get()

    def __aiter__(self) -> Self:
        """Gives each over heard, for ever; shares its queue with `next_heard`."""
        return self

    async def __anext__(self) -> Heard:
        return await self._unread.get()

    async def wait_clear(self, timeout_s: float, settle_s: float = 0.0) -> None:
        """Returns once the channel sounds clear, and has for `settle_s` without a break.

        Raises:
            TimeoutError: it did not become clear in that time.
        """
        async with asyncio.timeout(timeout_s):
            await self._quiet.wait()
            while settle_s > 0 and await self._gets_busy(settle_s):
                await self._quiet.wait()

    async def _gets_busy(self, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                return await self._busy.wait()
        except TimeoutError:
            return False

    def switch_off(self) -> None:
        """Takes the radio off the air; it neither speaks nor hears until `switch_on()`."""
        self._ether.detach(self)
        self.release()
        self._stop_listening()
        self._set_busy(busy=False)

    def switch_on(self) -> None:
        """Puts the radio back on the air."""
        self._ether.attach(self)

    # --- the ether's side ------------------------------------------------------------------

    def radiate(self) -> Samples | None:
        """Returns the next frame to send, or None with the key up (called by the ether)."""
        return self._outgoing.popleft() if self._outgoing else None

    def hear(self, frame: Samples, *, squelch_open: bool) -> None:
        """Takes the next frame of the receiver (called by the ether)."""
        self._set_busy(busy=squelch_open or bool(self._outgoing))
        if not squelch_open:
            self._stop_listening()
            return
        if self._listening is None:
            self._listening = _Listening(asyncio.get_running_loop().time())
        self._listening.frames.append(frame)
        self._listening.tones += self._listening.detector.feed(frame)

    def recorded(self, over: Over) -> None:
        """Ends the `transmit` that made this over (called by the ether)."""
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(over)

    def _set_busy(self, *, busy: bool) -> None:
        rising, falling = (self._busy, self._quiet) if busy else (self._quiet, self._busy)
        rising.set()
        falling.clear()

    def _stop_listening(self) -> None:
        listening, self._listening = self._listening, None
        if listening is None:
            return
        tones = (*listening.tones, *listening.detector.flush())
        spoken = listening.frames[:-TAIL_FRAMES] or listening.frames
        heard = Heard(
            listening.start_s,
            asyncio.get_running_loop().time(),
            tones,
            rms_dbfs(np.concatenate(spoken)),
        )
        self.heard.append(heard)
        if self._unread.qsize() >= _KEPT_HEARD:
            self._unread.get_nowait()
        self._unread.put_nowait(heard)
