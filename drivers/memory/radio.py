"""Radio channels that live in memory: what is transmitted takes its time, what is heard too.

It keeps the promises of the radio process: one transmission at a time, listen before talk,
answer windows, level 1 first, no page spoken twice, what the engine has not on the disk is told
again. The channels go on while the engine is away: the sentence under way ends, and nothing new
is keyed. There is no sound: a sentence lasts as long as its characters need.
"""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from gateway.core.airtime import Air, Airtime, Drop, Hold, Start
from gateway.core.answers.events import DigitsHeard, KeyPattern, OverHeard, SignalHeard
from gateway.core.calls.events import PageFailed, PageSpoken, PageStarted, PageWaited
from gateway.core.effects import (
    AnswerOver,
    PageChannel,
    SetTalkGroup,
    TalkOnChannel,
    WithdrawPage,
)
from gateway.core.events import Event, PathChanged
from gateway.interfaces import Cursor, Intake, Outgoing, WallClock

US: Final = 1_000_000
SOURCE: Final = "memory-radio"
# How often a channel on which something waits looks whether it may go out.
LOOK_EVERY_S: Final = 0.5
# Mandarin as an engine speaks it on the air, with the pause behind a sentence.
CHARACTER_S, SENTENCE_S = 0.22, 0.3
ATTENTION_S, CALL_S, VOICE_NOTE_S = 1.2, 1.0, 5.0
ANSWER_TONE_S, DIGIT_S = 0.4, 0.2
NO_LICENCE: Final = "the channel has no licence entry and does not transmit"
AGAIN: Final = {"zh_CN": "重复", "en": "Repeat"}


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
class _Page:
    """A page that is not done with, and the outbox row it is the end of."""

    effect: PageChannel | TalkOnChannel
    row: int
    again: bool
    withdrawn: str | None = None
    started: bool = False


class MemoryRadio:
    """The driver ``radio``, the radio process behind it, and the people on its channels.

    Args:
        channels: What each channel is like, by id.
        clock: Wall time.
        chance: Draws the back-off of a channel.
        on_sent: Called with each transmission at its end: simulated people act on it.

    Attributes:
        sent: Every transmission, in the order of their beginnings.
        switched: Talk groups that were switched.
    """

    name = "radio"

    def __init__(
        self,
        channels: Mapping[str, MemoryChannel],
        clock: WallClock,
        chance: random.Random,
        *,
        on_sent: Callable[[Transmission], None] = lambda _: None,
    ) -> None:
        self.sent: list[Transmission] = []
        self.switched: list[SetTalkGroup] = []
        self._clock = clock
        self._told: deque[tuple[int, Event, tuple[int, ...]]] = deque()
        self._told_seq = 0
        self._known: set[str] = set()
        self._inbox: deque[Outgoing] = deque()
        self._wake = asyncio.Event()
        self._linked = False
        self._overs = 0
        self._channels = {
            name: _Channel(name, traits, self, chance, on_sent)
            for name, traits in channels.items()
        }

    # The engine's side

    def deliver(self, outgoing: Outgoing) -> None:
        """Take an effect; never blocks. A page that is known already is not taken again."""
        self._inbox.append(outgoing)
        self._wake.set()

    async def run(self, intake: Intake) -> None:
        """Hand effects to the channels and their events to the engine until cancelled."""
        taken = int(await intake.cursor(SOURCE) or 0)
        while self._told and self._told[0][0] <= taken:
            self._told.popleft()
        self._link(up=True)
        try:
            while True:
                self._wake.clear()
                while self._inbox:
                    self._take(self._inbox.popleft(), intake)
                while self._told:
                    seq, event, settles = self._told[0]
                    cursor = Cursor(source=SOURCE, position=str(seq))
                    await intake.submit(event, settles=settles, cursor=cursor)
                    self._told.popleft()
                if not self._inbox:
                    await self._wake.wait()
        finally:
            self._inbox.clear()  # what is not settled comes again
            self._link(up=False)

    async def serve(self) -> None:
        """Be the radio process: work the channels until cancelled, engine or none."""
        async with asyncio.TaskGroup() as group:
            for channel in self._channels.values():
                self.tell_path(channel.id, up=True)
                group.create_task(channel.serve(), name=f"channel.{channel.id}")

    @property
    def time_out_s(self) -> dict[str, float]:
        """Longest transmission of each channel."""
        return {name: channel.time_out_s for name, channel in self._channels.items()}

    @property
    def linked(self) -> bool:
        """Whether the engine is there."""
        return self._linked

    def _link(self, *, up: bool) -> None:
        self._linked = up
        for channel in self._channels.values():
            channel.nudge()

    def _take(self, outgoing: Outgoing, intake: Intake) -> None:
        effect = outgoing.effect
        if isinstance(effect, PageChannel | TalkOnChannel):
            if effect.page not in self._known:
                self._known.add(effect.page)
                intake.started(outgoing.id)
                self._channels[effect.channel].offer(
                    _Page(effect, outgoing.id, outgoing.again)
                )
            return
        if isinstance(effect, WithdrawPage):
            self._channels[effect.channel].withdraw(effect)
        elif isinstance(effect, AnswerOver):
            self._channels[effect.channel].answer(effect)
        elif isinstance(effect, SetTalkGroup):
            self.switched.append(effect)
        intake.settle(outgoing.id)

    # What the channels tell

    def tell(self, event: Event, settles: Iterable[int] = ()) -> None:
        """Queue an event for the engine."""
        self._told_seq += 1
        self._told.append((self._told_seq, event, tuple(settles)))
        self._wake.set()

    def tell_path(self, channel: str, *, up: bool, reason: str | None = None) -> None:
        """Tell that a channel works, or does not."""
        path = f"channel:{channel}"
        self.tell(PathChanged(at_us=self._clock.now_us(), path=path, up=up, reason=reason))

    def now_us(self) -> int:
        """Return wall time, UTC microseconds."""
        return self._clock.now_us()

    # What people on a channel do

    async def digits(
        self, channel: str, frame: str, *, ani: str | None = None, radio: str | None = None
    ) -> bool:
        """Somebody keys ``*12 101 1#``; return whether it could be heard."""
        digits = frame.replace(" ", "").removeprefix("*").removesuffix("#")
        air, over, began_us = self._channels[channel], self._new_over(), self.now_us()
        if not await air.hears(DIGIT_S * (len(digits) + 2 + len(ani or ""))):
            return False
        said = radio or (f"dtmf:{ani}" if ani else None)
        self.tell(
            DigitsHeard(
                at_us=self.now_us(), channel=channel, over=over, digits=digits, ani=ani,
                radio=said,
            )
        )  # fmt: skip
        self._over(channel, over, began_us, ani, said)
        return True

    async def presses(self, channel: str, times: int, *, radio: str | None = None) -> bool:
        """Somebody presses his key briefly, twice or thrice; return whether it was heard."""
        air, over, began_us = self._channels[channel], self._new_over(), self.now_us()
        meant = air.window_open or radio is not None
        if not await air.hears(0.5 * times):
            return False
        if meant and times in (2, 3):
            self.tell(
                KeyPattern(
                    at_us=began_us, channel=channel, presses=2 if times == 2 else 3,
                    radio=radio, over=over,
                )
            )  # fmt: skip
        return True

    async def speak(
        self,
        channel: str,
        seconds: float,
        *,
        radio: str | None = None,
        recording: str | None = None,
    ) -> bool:
        """Somebody talks; return whether he was heard, at the end of it."""
        over, began_us = self._new_over(), self.now_us()
        if not await self._channels[channel].hears(seconds):
            return False
        self._over(channel, over, began_us, None, radio, recording)
        return True

    async def packet(self, channel: str, operation: int, argument: int, unit: int) -> bool:
        """A radio sends an MDC1200 packet; return whether it was heard."""
        over, began_us = self._new_over(), self.now_us()
        if not await self._channels[channel].hears(0.3):
            return False
        emergency = (operation, argument) in ((0x00, 0x80), (0x00, 0x81))
        value = f"emergency {unit:04X}" if emergency else f"op {operation:02X} {unit:04X}"
        self.tell(
            SignalHeard(
                at_us=self.now_us(), channel=channel, over=over, kind="mdc1200", value=value,
                mdc=(operation, argument, unit),
            )
        )  # fmt: skip
        self._over(channel, over, began_us, None, f"mdc1200:{unit:04X}")
        return True

    async def selcall(self, channel: str, table: str, value: str) -> bool:
        """A radio sends five tones; return whether they were heard."""
        over, began_us = self._new_over(), self.now_us()
        if not await self._channels[channel].hears(0.5):
            return False
        self.tell(
            SignalHeard(
                at_us=self.now_us(), channel=channel, over=over, kind="selcall", set=table,
                value=value,
            )
        )  # fmt: skip
        self._over(channel, over, began_us, None, f"{table}:{value}")
        return True

    def jam(self, channel: str, seconds: float) -> None:
        """The squelch stays open for so long, whoever it is; no over comes of it."""
        self._channels[channel].jam(seconds)

    def fail(self, channel: str, reason: str) -> None:
        """The transmitter of a channel cannot be keyed any more."""
        self._channels[channel].fault = reason
        self.tell_path(channel, up=False, reason=reason)
        self._channels[channel].nudge()

    def mend(self, channel: str) -> None:
        """A channel works again."""
        self._channels[channel].fault = None
        self.tell_path(channel, up=True)
        self._channels[channel].nudge()

    def window_open(self, channel: str) -> bool:
        """Return whether a channel is being kept for answers."""
        return self._channels[channel].window_open

    def on_air(self, channel: str) -> bool:
        """Return whether we transmit on a channel."""
        return self._channels[channel].on_air

    def _new_over(self) -> str:
        self._overs += 1
        return f"v{self._overs}"

    def _over(
        self,
        channel: str,
        over: str,
        began_us: int,
        ani: str | None,
        radio: str | None,
        recording: str | None = None,
    ) -> None:
        keyed_ms = (self.now_us() - began_us) // 1000
        self.tell(
            OverHeard(
                at_us=began_us, channel=channel, over=over, keyed_ms=keyed_ms, ani=ani,
                radio=radio, recording=recording,
            )
        )  # fmt: skip


class _Channel:
    """One channel: who may use it now, and what goes out on it."""

    def __init__(
        self,
        name: str,
        traits: MemoryChannel,
        radio: MemoryRadio,
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
        self._pages: dict[str, _Page] = {}
        self._answers: deque[AnswerOver] = deque()
        self._busy_until_s = self._clear_since_s = float("-inf")
        self._back_off_s = 0.1
        self._wake = asyncio.Event()

    def nudge(self) -> None:
        """Have the channel look at once."""
        self._wake.set()

    # In

    def offer(self, page: _Page) -> None:
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
            self._radio.tell(PageStarted(at_us=sent.began_us, page=page.effect.page))
        await asyncio.sleep(self._ahead_s(page.effect))
        why = await self._say(page, sent)
        self._unkey(sent)
        self._conclude(page, why)

    def _key(self, page: _Page, start: Start) -> Transmission:
        effect = page.effect
        talk = isinstance(effect, TalkOnChannel)
        sent = Transmission(
            channel=self.id, kind="talk" if talk else "page", of=effect.page,
            began_us=self._radio.now_us(), level=effect.level, over_others=start.over_open,
            order=effect.order if isinstance(effect, PageChannel) else None,
            attention=isinstance(effect, PageChannel) and effect.attention,
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

    async def _say(self, page: _Page, sent: Transmission) -> str | None:
        """Say sentence after sentence; return why it ended early, or None."""
        sentences = page.effect.text
        if page.again and isinstance(page.effect, PageChannel):
            sentences = (AGAIN[page.effect.language], *sentences)
        on_air_s = self._ahead_s(page.effect)
        for sentence in sentences:
            if self._must_stop(page):
                return "stop"
            lasts_s = SENTENCE_S + CHARACTER_S * len(sentence)
            on_air_s += lasts_s
            if on_air_s > self._traits.time_out_s:
                return "the time-out timer struck"
            sent.sentences_us.append(self._radio.now_us())
            await asyncio.sleep(lasts_s)
            if self.fault is not None:
                return self.fault
            sent.sentences.append(sentence)
        sent.whole = True
        return None

    def _must_stop(self, page: _Page) -> bool:
        overtaken = self._airtime.breaks_off(page.effect)
        return not self._radio.linked or overtaken or page.withdrawn is not None

    def _conclude(self, page: _Page, why: str | None) -> None:
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
            began_us=self._radio.now_us(), signal=answer.signal, whole=True,
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
        sent.ended_us = self._radio.now_us()
        self._on_sent(sent)


def _now_s() -> float:
    return asyncio.get_running_loop().time()


class ChannelSettings(Protocol):
    """What the settings of a channel tell of it, whatever its driver."""

    @property
    def licence(self) -> object:
        """Its licence entry, or None."""
        ...

    @property
    def busy_wait_s(self) -> tuple[float, float, float]:
        """Waiting limits by level."""
        ...

    @property
    def time_out_s(self) -> float:
        """Longest transmission."""
        ...


def radio_of(
    channels: Mapping[str, ChannelSettings],
    clock: WallClock,
    chance: random.Random,
    *,
    on_sent: Callable[[Transmission], None] = lambda _: None,
) -> MemoryRadio:
    """Return the channels of a site's settings in memory."""
    traits = {
        name: MemoryChannel(
            transmits=channel.licence is not None,
            busy_wait_s=channel.busy_wait_s,
            time_out_s=channel.time_out_s,
        )
        for name, channel in channels.items()
    }
    return MemoryRadio(traits, clock, chance, on_sent=on_sent)
