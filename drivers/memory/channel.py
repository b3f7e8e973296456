"""One channel in memory: who may use it now, and what goes out on it, without sound."""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from gateway.core.airtime import NO_LICENCE, REPEAT_WORDS, Air, Airtime, Drop, Hold, Start
from gateway.core.calls.events import PageFailed, PageSpoken, PageStarted, PageWaited
from gateway.core.effects import AnswerOver, PageChannel, TalkOnChannel, WithdrawPage
from gateway.core.events import Event

# How often a channel on which something waits looks whether it may go out.
LOOK_EVERY_S: Final = 0.5
# Mandarin as an engine speaks it on the air, with the pause behind a sentence.
CHARACTER_S, SENTENCE_S = 0.22, 0.3
ATTENTION_S, CALL_S, VOICE_NOTE_S = 1.2, 1.0, 5.0
ANSWER_TONE_S: Final = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryChannel:
    """What a channel is like.

    Attributes:
        transmits: Whether it has a licence.
        busy_wait_s: Waiting limits for levels 1, 2 and 3.
        tx_delay_s: From the key to the first sound.
        time_out_s: Longest transmission.
    """

    transmits: bool = True
    busy_wait_s: tuple[float, float, float] = (10, 60, 300)
    tx_delay_s: float = 0.3
    time_out_s: float = 60


@dataclass(slots=True, kw_only=True)
class Transmission:
    """What a channel sent, as a receiver beside it has heard it.

    Attributes:
        kind: ``page``, ``talk`` or ``answer`` (a tone).
        began_us: When the transmitter was keyed, UTC microseconds.
        ended_us: When it was let go, None while it is keyed.
        of: Page id, or id of the over that is answered.
        level: Of a page: 1 to 3.
        sentences: What was heard of it, sentence by sentence.
        sentences_us: When each sentence that was begun began, UTC microseconds.
        attention: Whether the attention tone went ahead.
        tone: Of which level the attention tone was that went ahead, or None.
        calls: Selective calls that went ahead.
        over_others: Whether somebody else was talking when it was keyed.
        whole: Whether it went out to its end.
        accepted: Of an answer tone: whether it is the good one.
        signal: Packet ahead of an answer tone, or None.
    """

    channel: str
    kind: Literal["page", "talk", "answer"]
    began_us: int
    ended_us: int | None = None
    of: str
    order: str | None = None
    level: int | None = None
    sentences: list[str] = field(default_factory=list)
    sentences_us: list[int] = field(default_factory=list)
    attention: bool = False
    tone: int | None = None
    calls: tuple[str, ...] = ()
    over_others: bool = False
    whole: bool = False
    accepted: bool | None = None
    signal: str | None = None

    @property
    def text(self) -> str:
        """All that was heard of it."""
        return "。".join(self.sentences)


@dataclass(slots=True)
class PendingPage:
    """A page that is not done with, and the outbox row it is the end of."""

    effect: PageChannel | TalkOnChannel
    row: int
    again: bool
    withdrawn: str | None = None
    started: bool = False


class Behind(Protocol):
    """The radio process behind a channel."""

    sent: list[Transmission]

    @property
    def linked(self) -> bool:
        """Whether the engine is there."""
        ...

    def now_us(self) -> int:
        """Return wall time, UTC microseconds."""
        ...

    def beside_us(self) -> int:
        """Return the time of who listens beside the channel, UTC microseconds."""
        ...

    def tell(self, event: Event, settles: Iterable[int] = ()) -> None:
        """Queue an event for the engine."""
        ...


class Channel:
    """One channel: who may use it now, and what goes out on it."""

    def __init__(
        self,
        name: str,
        traits: MemoryChannel,
        radio: Behind,
        chance: random.Random,
        on_sent: Callable[[Transmission], None],
    ) -> None:
        self.id = name
        self.fault: str | None = None
        self.on_air = False
        self._traits = traits
        self._radio = radio
        self._chance = chance
        self._on_sent = on_sent
        self._airtime = Airtime(traits.busy_wait_s)
        self._pages: dict[str, PendingPage] = {}
        self._answers: deque[AnswerOver] = deque()
        self._busy_until_s = self._clear_since_s = float("-inf")
        self._back_off_s = 0.1
        self._wake = asyncio.Event()

    def nudge(self) -> None:
        """Have the channel look at once."""
        self._wake.set()

    # In

    def offer(self, page: PendingPage) -> None:
        """Take a page into the queue; what there is no room or no licence for has failed."""
        name = page.effect.page
        self._pages[name] = page
        if not self._traits.transmits:
            self._end(name, NO_LICENCE)
            return
        drop = self._airtime.offer(page.effect, _now_s())
        if drop is not None:
            self._end(drop.page.page, drop.reason, drop.state)
        self.nudge()

    def withdraw(self, effect: WithdrawPage) -> None:
        """Take a page out of the queue; of one being spoken the sentence is finished."""
        if self._airtime.withdraw(effect.page) is not None:
            self._end(effect.page, effect.reason, "withdrawn")
        elif effect.page in self._pages:
            self._pages[effect.page].withdrawn = effect.reason

    def answer(self, effect: AnswerOver) -> None:
        """Have an over answered by a tone, once the channel is clear."""
        if self._traits.transmits:
            self._answers.append(effect)
            self.nudge()

    @property
    def time_out_s(self) -> float:
        """Longest transmission."""
        return self._traits.time_out_s

    @property
    def window_open(self) -> bool:
        """Whether the channel is being kept for answers."""
        return self._airtime.window_open(_now_s())

    async def hears(self, seconds: float) -> bool:
        """Keep the squelch open for so long; return whether that was heard to its end."""
        if self.on_air or self.fault is not None or _now_s() < self._busy_until_s:
            return False
        self.jam(seconds)
        await asyncio.sleep(seconds)
        return not self.on_air

    def jam(self, seconds: float) -> None:
        """Keep the squelch open for so long."""
        self._busy_until_s = max(self._busy_until_s, _now_s() + seconds)
        self._clear_since_s = max(self._clear_since_s, self._busy_until_s)
        self._back_off_s = self._chance.uniform(0.1, 0.5)

    # Out

    async def serve(self) -> None:
        """Work the channel until cancelled."""
        while True:
            self._wake.clear()
            if self._answers and await self._send_answer():
                continue
            start = self._decide() if self._airtime.any_waits else None
            if start is not None:
                await self._send(start)
                continue
            waits = self._airtime.any_waits or self._answers
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S if waits else None):
                    await self._wake.wait()

    def _squelch_open(self) -> bool:
        return _now_s() < self._busy_until_s

    def _decide(self) -> Start | None:
        """Do what the queue says now; return the page to send, if any."""
        now_s = _now_s()
        air = Air(
            now_s=now_s,
            now_us=self._radio.now_us(),
            may_key=self._radio.linked,
            path_up=self.fault is None,
            squelch_open=self._squelch_open(),
            clear_since_s=min(self._clear_since_s, now_s),
            back_off_s=self._back_off_s,
        )
        start = None
        for decision in self._airtime.next(air):
            name = decision.page.page
            match decision:
                case Start():
                    start = decision
                case Drop(state=state, reason=reason):
                    self._end(name, reason, state)
                case Hold(reason=reason):
                    now_us = self._radio.now_us()
                    self._radio.tell(PageWaited(at_us=now_us, page=name, reason=reason))
        return start

    async def _send(self, start: Start) -> None:
        """Send a page as far as it goes, and say what became of it."""
        page = self._pages[start.page.page]
        sent = self._key(page, start)
        if not page.started:
            page.started = True
            began_us = self._radio.now_us()
            self._radio.tell(PageStarted(at_us=began_us, page=page.effect.page))
        await asyncio.sleep(self._ahead_s(page.effect))
        why = await self._say(page, sent)
        self._unkey(sent)
        self._conclude(page, why)

    def _key(self, page: PendingPage, start: Start) -> Transmission:
        effect = page.effect
        talk = isinstance(effect, TalkOnChannel)
        sent = Transmission(
            channel=self.id, kind="talk" if talk else "page", of=effect.page,
            began_us=self._radio.beside_us(), level=effect.level, over_others=start.over_open,
            order=effect.order if isinstance(effect, PageChannel) else None,
            attention=isinstance(effect, PageChannel) and effect.attention,
            tone=_tone_of(effect),
            calls=effect.calls if isinstance(effect, PageChannel) else (),
        )  # fmt: skip
        self._begin(sent)
        return sent

    def _ahead_s(self, effect: PageChannel | TalkOnChannel) -> float:
        ahead_s = self._traits.tx_delay_s
        if isinstance(effect, PageChannel):
            ahead_s += ATTENTION_S * effect.attention + CALL_S * len(effect.calls)
        elif effect.media is not None:
            ahead_s += VOICE_NOTE_S
        return ahead_s

    async def _say(self, page: PendingPage, sent: Transmission) -> str | None:
        """Say sentence after sentence; return why it ended early, or None."""
        sentences = page.effect.text
        if page.again and isinstance(page.effect, PageChannel):
            sentences = (REPEAT_WORDS[page.effect.language], *sentences)
        on_air_s = self._ahead_s(page.effect)
        for sentence in sentences:
            if self._must_stop(page):
                return "stop"
            lasts_s = SENTENCE_S + CHARACTER_S * len(sentence)
            on_air_s += lasts_s
            if on_air_s > self._traits.time_out_s:
                return "the time-out timer struck"
            sent.sentences_us.append(self._radio.beside_us())
            await asyncio.sleep(lasts_s)
            if self.fault is not None:
                return self.fault
            sent.sentences.append(sentence)
        sent.whole = True
        return None

    def _must_stop(self, page: PendingPage) -> bool:
        overtaken = self._airtime.breaks_off(page.effect)
        return not self._radio.linked or overtaken or page.withdrawn is not None

    def _conclude(self, page: PendingPage, why: str | None) -> None:
        name, now_s = page.effect.page, _now_s()
        if why is None:
            self._airtime.spoken(now_s)
            del self._pages[name]
            spoken = PageSpoken(at_us=self._radio.now_us(), page=name)
            self._radio.tell(spoken, (page.row,))
        elif why == "stop" and page.withdrawn is None:
            self._airtime.put_back(now_s)
        else:
            self._airtime.stopped()
            if why == "stop":
                self._end(name, page.withdrawn or "", "withdrawn")
            else:
                self._end(name, why)

    def _end(
        self,
        name: str,
        reason: str,
        state: Literal["failed", "expired", "withdrawn"] = "failed",
    ) -> None:
        page = self._pages.pop(name)
        now_us = self._radio.now_us()
        self._radio.tell(
            PageFailed(at_us=now_us, page=name, reason=reason, state=state), (page.row,)
        )

    async def _send_answer(self) -> bool:
        """Send the oldest answer tone still in time; return whether one went out."""
        while self._answers and self._radio.now_us() > self._answers[0].not_after_us:
            self._answers.popleft()
        if not self._answers or self._squelch_open() or self.fault is not None:
            return False
        answer = self._answers.popleft()
        sent = Transmission(
            channel=self.id, kind="answer", of=answer.over, accepted=answer.accepted,
            began_us=self._radio.beside_us(), signal=answer.signal, whole=True,
        )  # fmt: skip
        self._begin(sent)
        await asyncio.sleep(self._traits.tx_delay_s + ANSWER_TONE_S)
        self._unkey(sent)
        return True

    def _begin(self, sent: Transmission) -> None:
        self.on_air = True
        self._radio.sent.append(sent)

    def _unkey(self, sent: Transmission) -> None:
        self.on_air = False
        self._clear_since_s = max(_now_s(), self._busy_until_s)
        sent.ended_us = self._radio.beside_us()
        self._on_sent(sent)


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def _tone_of(effect: object) -> int | None:
    """Return the level whose attention tone goes ahead of something, or None."""
    if not isinstance(effect, PageChannel) or not effect.attention:
        return None
    return effect.tone or effect.level
