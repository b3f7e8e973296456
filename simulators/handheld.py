"""A guard's radio: keys up with digits and voice, and makes out what others say."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np

from simulators.ether import TAIL_FRAMES, Ether, Over
from simulators.radio_models import IdPosition, RadioSet
from simulators.subtones import Under, subtone
from simulators.tones import (
    FRAME_S,
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

AniPosition = IdPosition

_LEAD_MS: Final = 300.0
_TONE_MS: Final = 70.0
# A finger is slower than a filter: what was sent last gets out whole.
_LET_GO_MS: Final = 60.0
_PAUSE_MS: Final = 200.0
_KEPT_HEARD: Final = 1000
# A short press of the key, and the time until the next.
_PRESS_MS: Final = 240.0
_BETWEEN_S: Final = 0.4


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
        radio: what it is and how it was programmed; None is a radio that can key anything.
        selcall_set: five-tone set of its id, for the ether's record.
        sends_mdc1200: its overs may hold MDC1200.
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
        *,
        radio: RadioSet | None = None,
    ) -> None:
        self.who = who
        self.ani = ani
        self.radio = radio
        kind = radio.kind if radio is not None and radio.id is not None else None
        self.selcall_set = radio.selcall_set if radio and kind == "selcall" else None
        self.sends_mdc1200 = radio is not None and radio.kind == "mdc1200"
        self._under = Under(subtone(radio.ctcss_hz, radio.dcs) if radio is not None else None)
        self._time_out_s = radio.limit_s() if radio is not None else None
        self._sent_frames = 0
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
        tone_ms: float | None = None,
        gap_ms: float | None = None,
        lead_ms: float | None = None,
    ) -> Over:
        """Keys, sends the ANI if it has one, the digits and a voice, and has unkeyed on return.

        Talks over whoever is talking; `wait_clear` first if the guard is polite. A second call
        waits for the first to end. Cancelling lets go of the key.

        Args:
            digits: DTMF digits, for example `*12034#1`; may be empty.
            voice_s: seconds of voice-like sound after the digits.
            tone_ms: length of each DTMF tone, of the ANI as well; 70, or as it is programmed.
            gap_ms: silence after each, likewise.
            lead_ms: carrier before the first tone, in which squelches open; 300, likewise.

        Returns:
            the over as the ether recorded it.

        Raises:
            ValueError: a character has no DTMF tone, or the radio has no keypad.
        """
        if digits and self.radio is not None and not self.radio.able.keypad:
            message = f"a {self.radio.model} has no keypad to send {digits!r} with"
            raise ValueError(message)
        usual_ms = self.radio.tone_ms if self.radio is not None else _TONE_MS
        tone_ms = usual_ms if tone_ms is None else tone_ms
        gap_ms = usual_ms if gap_ms is None else gap_ms
        parts: list[Samples] = []
        if digits:
            parts += [dtmf(digits, tone_ms=tone_ms, gap_ms=gap_ms), silence(_PAUSE_MS)]
        if voice_s > 0:
            parts.append(voice(voice_s, self._voice_seed))
        before, after = (
            self._id_sound(end=end, tone_ms=tone_ms, gap_ms=gap_ms) for end in (False, True)
        )
        if before.size:
            parts = [before, silence(_PAUSE_MS), *parts]
        if after.size:
            parts += [silence(_PAUSE_MS), after]
        return await self._key(parts, lead_ms)

    async def press(self, times: int) -> list[Over]:
        """Keys so many times briefly; returns the overs, which bear its id if it sends one."""
        before, after = (
            self._id_sound(end=end, tone_ms=_TONE_MS, gap_ms=_TONE_MS) for end in (False, True)
        )
        # Who has an id to send keeps the key down until it is out.
        parts = [silence(self._lead_ms()), before, after] if before.size + after.size else []
        overs = []
        for number in range(times):
            if number:
                await asyncio.sleep(_BETWEEN_S)
            overs.append(await self._key(parts or [silence(_PRESS_MS)], 0.0))
        return overs

    async def send_status(self, number: int) -> Over:
        """Sends an MDC1200 status.

        Raises:
            ValueError: the radio sends none.
        """
        return await self._key([self._made().status_sound(number)], None)

    async def send_emergency(self) -> Over:
        """Sends what its emergency key sends.

        Raises:
            ValueError: it has no emergency key.
        """
        return await self._key([self._made().emergency_sound()], None)

    def _made(self) -> RadioSet:
        if self.radio is None:
            message = f"the radio of {self.who} is of no model; it has no such key"
            raise ValueError(message)
        return self.radio

    def _lead_ms(self) -> float:
        return self.radio.lead_ms if self.radio is not None else _LEAD_MS

    def _id_sound(self, *, end: bool, tone_ms: float, gap_ms: float) -> Samples:
        """Returns what it says of itself at one end of an over, which may be nothing."""
        if self.radio is not None:
            return self.radio.id_sound(end=end)
        wanted = {"end", "both"} if end else {"start", "both"}
        name = self.ani if self.ani is not None and self.ani_position in wanted else ""
        return dtmf(name, tone_ms=tone_ms, gap_ms=gap_ms)

    async def _key(self, parts: list[Samples], lead_ms: float | None) -> Over:
        lead = silence(self._lead_ms() if lead_ms is None else lead_ms)
        let_go = silence(_LET_GO_MS if self.radio is not None else 0.0)
        return await self.transmit(np.concatenate([lead, *parts, let_go]))

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
        frame = self._outgoing.popleft() if self._outgoing else None
        self._sent_frames = self._sent_frames + 1 if frame is not None else 0
        if self._time_out_s is not None and self._sent_frames * FRAME_S > self._time_out_s:
            self._ether.note("time_out", self.who, held_s=round(self._time_out_s, 3))
            self._outgoing.clear()
            frame = None
        return self._under.follow(frame)

    def subtone(self) -> Samples | None:
        """Returns what runs under the frame just radiated (called by the ether)."""
        return self._under.now

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
