"""Radio channels that live in memory: what is transmitted takes its time, what is heard too.

It keeps the promises of the radio process: one transmission at a time, listen before talk,
answer windows, level 1 first, no page spoken twice, what the engine has not on the disk is told
again. The channels go on while the engine is away: the sentence under way ends, and nothing new
is keyed. There is no sound: a sentence lasts as long as its characters need.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from drivers.memory.channel import Channel, MemoryChannel, PendingPage, Transmission
from gateway.core.answers.events import DigitsHeard, KeyPattern, OverHeard, SignalHeard
from gateway.core.effects import (
    AnswerOver,
    PageChannel,
    SetTalkGroup,
    TalkOnChannel,
    WithdrawPage,
)
from gateway.core.events import Event, PathChanged
from gateway.interfaces import Cursor, Intake, Outgoing, WallClock

SOURCE: Final = "memory-radio"
DIGIT_S: Final = 0.2


class MemoryRadio:
    """The driver ``radio``, the radio process behind it, and the people on its channels.

    Args:
        channels: What each channel is like, by id.
        clock: Wall time.
        chance: Draws the back-off of a channel.
        on_sent: Called with each transmission at its end: simulated people act on it.
        beside: Clock of who listens beside the channels; None for the gateway's own.

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
        beside: WallClock | None = None,
    ) -> None:
        self._beside = beside or clock
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
            name: Channel(name, traits, self, chance, on_sent)
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
                    PendingPage(effect, outgoing.id, outgoing.again)
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

    def beside_us(self) -> int:
        """Return the time of who listens beside the channels, UTC microseconds."""
        return self._beside.now_us()

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
    beside: WallClock | None = None,
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
    return MemoryRadio(traits, clock, chance, on_sent=on_sent, beside=beside)
