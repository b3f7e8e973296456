"""People: guards with a radio or a telephone, stations and managers, each with a temper.

A guard knows only what a guard knows: the attention tone and the end of an over on his radio,
the card on his telephone, the tone or the line that answers him. He never sees the gateway.
"""

import asyncio
import random
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from simulators.chat_rooms import ChatMessage
from simulators.chat_server import ChatServer
from simulators.handheld import Handheld
from simulators.radio import BaseRadio
from simulators.radio_models import Emergency, Keyed, Pressed, Reply, Status

# What is printed on the buttons, by the digit each stands for, in both languages of the cards.
LABELS: Final = {
    "1": ("收到", "Acknowledge"),
    "2": ("出警", "En route"),
    "3": ("到场", "Arrived"),
    "4": ("增援", "Need help"),
    "5": ("完成", "Done"),
    "0": ("不能去", "Cannot come"),
}
# And on the one button of a card whose order was called off.
OFF_LABELS: Final = ("知道了", "Understood")
STEPS: Final = (
    ("1", "acknowledge_s"),
    ("2", "en_route_s"),
    ("3", "arrived_s"),
    ("5", "done_s"),
)
# The order number as it stands at the head of a card.
_NUMBER: Final = re.compile(r"(?:警情|alert)\s*(?:演|EX)?(\d{2,4})")
# How long he listens for the tone that answers him before he sends again.
ANSWER_WAIT_S: Final = 4.0
SENDINGS: Final = 3
# How long he looks at his telephone for an answer.
TOAST_WAIT_S: Final = 15.0
# How long a guard waits for the others to stop talking.
CLEAR_WAIT_S: Final = 60.0
# So long after another's over he leaves the channel to whoever answers that.
OTHERS_TURN_S: Final = 2.0
# How long after a call off on the air the card may still look as before.
OFF_WAIT_S: Final = 10.0
# How far chance moves each delay, both ways.
SPREAD: Final = 0.2

Tell = Callable[..., None]
Sent = Literal["accepted", "wrong", "nothing"]


@dataclass(frozen=True, kw_only=True)
class Temper:
    """How a person is.

    Every delay is in seconds from the step before; a step left out is never taken.

    Attributes:
        answers: ``radio``, ``chat`` or ``nothing``.
        radio: What his radio is and how it is programmed, the fields of ``RadioSet``; he says
            with it what it can say and leaves out the rest. Without, it keys anything.
        style: On the radio: ``short`` leaves number and guard to the radio's own id.
        mishears: How often he first keys a wrong number.
        refuses: What he writes instead of coming.
        enrol: Sends a one-time code before anything else.
        off_duty: Nobody may call him; he would answer if somebody did.
        account: His account on the chat, when the settings do not tell.
        acknowledge_s: From the end of the page, or from the card, to his first answer.
        en_route_s: From there to setting out.
        arrived_s: From there to his arrival.
        done_s: From there to the end.
        stand_down_s: From the news that an order is off to his word that he knows.
        emergency_s: From his last step to the emergency key of his radio.
        reports_s: From the beginning to a report that nobody asked him for: he writes it, or
            presses the emergency key of his radio, or keys the code for it.
        reports: What he then writes.
    """

    answers: Literal["radio", "chat", "nothing"] = "nothing"
    radio: Mapping[str, Any] | None = None
    style: Literal["short", "full"] = "full"
    mishears: int = 0
    refuses: str | None = None
    enrol: bool = False
    off_duty: bool = False
    account: str | None = None
    acknowledge_s: float | None = None
    en_route_s: float | None = None
    arrived_s: float | None = None
    done_s: float | None = None
    stand_down_s: float | None = None
    emergency_s: float | None = None
    reports_s: float | None = None
    reports: str = "报告：有情况，请派人来"

    @classmethod
    def read(cls, fields: dict[str, Any]) -> "Temper":
        """Return the temper a scenario describes. Raises TypeError for an unknown word."""
        return cls(**fields)

    def steps(self) -> list[tuple[str, float]]:
        """Return (reply digit, delay) of every step he takes, in order."""
        found = [(digit, getattr(self, name)) for digit, name in STEPS]
        return [(digit, delay_s) for digit, delay_s in found if delay_s is not None]


@dataclass(kw_only=True)
class Pace:
    """How fast somebody lives.

    Attributes:
        speed: Divides every delay.
        chance: Seeded source of the spread.
        begun: Set when the play begins; what somebody does by himself waits for it.
    """

    speed: float
    chance: random.Random
    begun: asyncio.Event | None = None

    async def from_beginning(self, delay_s: float) -> None:
        """Return so long after the play has begun, as a person takes his time."""
        if self.begun is not None:
            await self.begun.wait()
        await self.after(delay_s)

    async def after(self, delay_s: float) -> None:
        """Return once a person has taken his time."""
        spread = 1 + SPREAD * (2 * self.chance.random() - 1)
        await asyncio.sleep(delay_s * spread / self.speed)

    def settle_s(self) -> float:
        """Return how long he wants the channel clear: people do not key at the same moment."""
        return 0.3 + 0.5 * self.chance.random()


@dataclass(kw_only=True)
class RadioGuard:
    """A guard who answers by his radio.

    Attributes:
        person: Person id; his radio bears it in the ether's records.
        code: His three digits.
        telephone: The chat on which his group reads the cards, if it has one.
        group: Name of that group.
        loses: The base radio whose sound to the gateway is cut while he sends once; he takes
            that answer for heard (a planted fault).
        dies: His radio goes silent for good after his first answer (a planted fault).
        patience_s: How long he waits for the others to stop talking.
    """

    person: str
    name: str
    code: str | None
    temper: Temper
    radio: Handheld
    channel: str
    pace: Pace
    tell: Tell
    telephone: ChatServer | None = None
    group: str | None = None
    loses: BaseRadio | None = None
    dies: bool = False
    patience_s: float = CLEAR_WAIT_S
    _answers: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    _button: asyncio.Lock = field(default_factory=asyncio.Lock)
    _taken: set[str | None] = field(default_factory=set)
    _known: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """Listen, and answer each order heard; for ever. Report by himself if he is to."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._report_first())
            async for heard in self.radio:
                if heard.attention is not None:
                    self._say("heard", f"听到{heard.attention}级呼叫", level=heard.attention)
                    group.create_task(self._answer_call())
                elif heard.answer is not None:
                    self._answers.put_nowait(heard.answer)

    def _say(self, what: str, text: str, **facts: object) -> None:
        self.tell(
            what, person=self.person, who=self.name, channel=self.channel, text=text, **facts
        )

    async def _answer_call(self) -> None:
        """Answer the order just called, or say that he knows the end of one he is on.

        A call repeated while he is on it he lets pass.
        """
        cards = self._numbers()
        number = next((n for n in cards if n not in self._taken), None)
        if number is not None or not (cards or self._taken):
            await self._answer_order(number)
        elif self.temper.stand_down_s is not None:
            await self._stand_down()

    async def _stand_down(self) -> None:
        """Say that he knows of each order that is off; the card may be a little late."""
        if self.telephone is None:
            return
        with suppress(TimeoutError):
            await self.telephone.wait_until(lambda: bool(self._off()), OFF_WAIT_S)
        for number in self._off():
            self._known.add(number)
            await self.pace.after(self.temper.stand_down_s or 0.0)
            self._say("called_off", f"听到{number}号解除", number=number)
            await self._send(Keyed(f"*{number}{self.code or ''}1#"))

    async def _answer_order(self, number: str | None) -> None:
        self._taken.add(number)
        for digit, delay_s in self.temper.steps():
            await self.pace.after(delay_s)
            is_off = number in self._known or number in self._off()
            if is_off or not await self._step(number, digit):
                break
        else:
            await self._press_emergency()
        self._taken.discard(None)

    async def _report_first(self) -> None:
        if self.temper.reports_s is None:
            return
        await self.pace.from_beginning(self.temper.reports_s)
        model = self.radio.radio
        if model is not None and model.able.emergency == "mdc1200":
            await self._send(Emergency())
        elif model is None or model.able.keypad:
            short = self.temper.style == "short" or self.code is None
            await self._send(Keyed("*9#" if short else f"*{self.code}9#"))
        else:
            self._say("given_up", "电台没有紧急键，也没有键盘")

    async def _press_emergency(self) -> None:
        if self.temper.emergency_s is not None:
            await self.pace.after(self.temper.emergency_s)
            await self._send(Emergency())

    def can_say(self, digit: str) -> bool:
        """Return whether his radio can say a thing but by voice."""
        return self._reply(digit, "") is not None

    def _reply(self, digit: str, digits: str) -> Reply | None:
        model = self.radio.radio
        return Keyed(digits) if model is None else model.reply(digit, digits)

    def _numbers(self) -> list[str]:
        """Return the numbers on the open cards of his group, which he has looked at."""
        return self._numbers_with(LABELS["1"])

    def _off(self) -> list[str]:
        """Return the orders he was on, now off, of which he has not said that he knows."""
        off = self._numbers_with(OFF_LABELS)
        return [number for number in off if number in self._taken - self._known]

    def _numbers_with(self, labels: tuple[str, ...]) -> list[str]:
        """Return the numbers on the cards of his group that have such a button."""
        if self.telephone is None or self.group is None:
            return []
        posts = self.telephone.posts(self.group)
        cards = [m for m in posts if any(m.key(label) for label in labels)]
        found = [_NUMBER.search(card.text) for card in cards]
        return [match.group(1) for match in found if match]

    async def _step(self, number: str | None, digit: str) -> bool:
        """Say one thing by radio; return whether he was told that it was taken.

        What his radio cannot say he lets be, and goes on.
        """
        if not self.can_say(digit):
            return True
        if digit == "1" and isinstance(self._reply(digit, ""), Keyed):
            await self._mishear(number)
        whole = f"*{number}{self.code or ''}{digit}#"
        short = f"*{digit}#"
        tries = [short if number is None or self.temper.style == "short" else whole]
        tries.append(short if number is None else whole)
        for digits in tries:
            reply = self._reply(digit, digits)
            sent = await self._send(reply) if reply is not None else "nothing"
            if sent != "wrong":
                return sent == "accepted"
            await self.pace.after(1.0)  # he looks again and sends it once more
        return False

    async def _mishear(self, number: str | None) -> None:
        for _ in range(self.temper.mishears):
            await self._send(Keyed(f"*{_misheard(number)}{self.code or ''}1#"))
            await self.pace.after(1.0)

    async def _send(self, reply: Reply) -> Sent:
        """Send until answered by a tone; return which, or that there was none."""
        async with self._button:
            for _ in range(SENDINGS):
                if not await self._has_turn():
                    break
                answer = await self._send_once(reply)
                if answer is not None:
                    return answer
        self._say("given_up", f"{_written(reply)} 没有回音", digits=_written(reply))
        return "nothing"

    async def _has_turn(self) -> bool:
        """Wait for a clear channel, and for the answer to whoever has just spoken.

        Returns:
            False when the others left him no gap for ``patience_s``.
        """
        now_s = asyncio.get_running_loop().time
        while True:
            try:
                await self.radio.wait_clear(self.patience_s, settle_s=self.pace.settle_s())
            except TimeoutError:
                return False
            last = self.radio.heard[-1] if self.radio.heard else None
            if last is None or last.attention is not None or last.answer is not None:
                return True
            rest_s = last.end_s + OTHERS_TURN_S - now_s()
            if rest_s <= 0:
                return True
            await asyncio.sleep(rest_s)

    async def _send_once(self, reply: Reply) -> Sent | None:
        while not self._answers.empty():
            self._answers.get_nowait()  # tones for others
        cut, self.loses = self.loses, None
        if cut is not None:
            cut.mute_rtp(True)
        start_us, digits = await self._transmit(reply), _written(reply)
        self._say("keyed", f"按键 {digits}", digits=digits, keyed_us=start_us)
        if cut is not None:
            cut.mute_rtp(False)
            self._say("satisfied", f"以为 {digits} 已收到", digits=digits)
            return "accepted"
        try:
            async with asyncio.timeout(ANSWER_WAIT_S):
                answer = await self._answers.get()
        except TimeoutError:
            return None
        if answer != "accepted":
            self._say("refused", "听到错误音", digits=digits)
            return "wrong"
        self._say("satisfied", "听到确认音", digits=digits)
        if self.dies:
            self.radio.switch_off()
            self._say("dead", "电台没电了")
        return "accepted"

    async def _transmit(self, reply: Reply) -> int:
        """Send a reply as his radio does; return when he keyed for it, UTC microseconds."""
        match reply:
            case Keyed(digits):
                return (await self.radio.key_and_send(digits)).start_us
            case Status(number):
                return (await self.radio.send_status(number)).start_us
            case Pressed(times):
                return (await self.radio.press(times))[0].start_us
            case Emergency():
                return (await self.radio.send_emergency()).start_us


def _written(reply: Reply) -> str:
    """Return a reply as it stands in the diary."""
    match reply:
        case Keyed(digits):
            return digits
        case Status(number):
            return f"46/{number:02X}"
        case Pressed(times):
            return f"短按{times}次"
        case Emergency():
            return "紧急键"


def _misheard(number: str | None) -> str:
    """Return a number near the right one that he takes for it."""
    right = int(number or "10")
    return str((right - 10 + 37) % 90 + 10)


@dataclass(kw_only=True)
class ChatPerson:
    """A guard, a station or a manager who answers on his telephone.

    Attributes:
        person: Person id.
        account: His account on the platform.
        chat_name: The chat's id in the settings.
        code: Filled with his one-time code when he is to enrol.
        enrolled: Set once he has sent his code and read the answer; at once without one.
    """

    person: str
    name: str
    account: str
    temper: Temper
    chat: ChatServer
    chat_name: str
    pace: Pace
    tell: Tell
    code: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    enrolled: asyncio.Event = field(default_factory=asyncio.Event)
    _seen: set[int] = field(default_factory=set)

    async def run(self) -> None:
        """Enrol if need be, then answer each card; for ever."""
        if self.temper.enrol:
            await self._enrol()
        self.enrolled.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._report_first())
            group.create_task(self._learn_of_ends())
            while True:
                card = await self._next_card()
                group.create_task(self._answer_card(card))

    def _say(self, what: str, text: str, **facts: object) -> None:
        self.tell(
            what, person=self.person, who=self.name, chat=self.chat_name, text=text, **facts
        )

    async def _enrol(self) -> None:
        sent = self.chat.text(self.account, await self.code.get())
        self._say("wrote", "发送登记码", message=sent.id)
        await self._read_answer(sent)

    async def _read_answer(self, mine: ChatMessage) -> None:
        """Read the line that answers his own."""

        def answer() -> ChatMessage | None:
            posts = self.chat.posts(self.account)
            return next((m for m in posts if m.reply_to == mine.id), None)

        try:
            await self.chat.wait_until(lambda: answer() is not None, TOAST_WAIT_S)
        except TimeoutError:
            self._say("given_up", f"“{mine.text}”没有回音")
            return
        found = answer()
        assert found is not None
        self._say("read", found.text, message=found.id)

    async def _report_first(self) -> None:
        if self.temper.reports_s is None:
            return
        await self.pace.from_beginning(self.temper.reports_s)
        sent = self.chat.text(self.account, self.temper.reports)
        self._say("wrote", f"上报“{self.temper.reports}”", message=sent.id)
        await self._read_answer(sent)

    async def _next_card(self) -> ChatMessage:
        def fresh() -> ChatMessage | None:
            mine = self.chat.posts(self.account)
            return next((m for m in mine if m.id not in self._seen and _asks(m)), None)

        while (card := fresh()) is None:
            await self.chat.wait_until(lambda: fresh() is not None, 3600.0)
        self._seen.add(card.id)
        return card

    async def _answer_card(self, card: ChatMessage) -> None:
        found = _NUMBER.search(card.text)
        number = found.group(1) if found else "?"
        self._say("read", f"看到{number}号卡片", number=number, message=card.id)
        for digit, delay_s in self.temper.steps():
            await self.pace.after(delay_s)
            if self.temper.refuses is not None:
                await self._refuse(card, number)
                return
            if not await self._press(card, digit, number):
                return

    async def _refuse(self, card: ChatMessage, number: str) -> None:
        words = self.temper.refuses or ""
        sent = self.chat.text(self.account, words, reply_to=card)
        self._say("wrote", f"{number}号 “{words}”", number=number, message=sent.id)
        await self._read_answer(sent)

    async def _learn_of_ends(self) -> None:
        """Say of each order that was called off that he knows; for ever."""
        if self.temper.stand_down_s is None:
            return
        known: set[int] = set()

        def off() -> ChatMessage | None:
            mine = self.chat.posts(self.account)
            return next((m for m in mine if m.id not in known and _label(m, OFF_LABELS)), None)

        while True:
            await self.chat.wait_until(lambda: off() is not None, 3600.0)
            card = off()
            assert card is not None
            known.add(card.id)
            await self.pace.after(self.temper.stand_down_s)
            found = _NUMBER.search(card.text)
            await self._press_label(card, OFF_LABELS, found.group(1) if found else "?")

    async def _press(self, card: ChatMessage, digit: str, number: str) -> bool:
        return await self._press_label(card, LABELS[digit], number)

    async def _press_label(
        self, card: ChatMessage, labels: tuple[str, ...], number: str
    ) -> bool:
        label = _label(card, labels)
        if label is None:
            return False  # the order was closed meanwhile
        press = self.chat.press(card, label, self.account)
        self._say("pressed", f"{number}号 按【{label}】", number=number, press=press)
        try:
            toast = await self.chat.wait_toast(press, TOAST_WAIT_S)
        except TimeoutError:
            self._say("given_up", f"{number}号【{label}】没有回音", press=press)
            return False
        self._say("read", toast.text, press=press)
        return True


def _label(card: ChatMessage, labels: tuple[str, ...]) -> str | None:
    """Return which of these is on a button of a card, or None."""
    return next((label for label in labels if card.key(label) is not None), None)


def _asks(card: ChatMessage) -> bool:
    """Whether a card is an order's that he can still answer."""
    return _label(card, LABELS["1"]) is not None
