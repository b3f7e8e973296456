"""People: guards with a radio or a telephone, stations and managers, each with a temper.

A guard knows only what a guard knows: the attention tone and the end of an over on his radio,
the card on his telephone, the tone or the line that answers him. He never sees the gateway.
"""

import asyncio
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from simulators.chat_rooms import ChatMessage
from simulators.chat_server import ChatServer
from simulators.handheld import Handheld

# What is printed on the buttons, by the digit each stands for, in both languages of the cards.
LABELS: Final = {
    "1": ("收到", "Acknowledge"),
    "2": ("出警", "En route"),
    "3": ("到场", "Arrived"),
    "4": ("增援", "Need help"),
    "5": ("完成", "Done"),
    "0": ("不能去", "Cannot come"),
}
STEPS: Final = (("1", "acknowledge_s"), ("2", "en_route_s"), ("3", "arrived_s"), ("5", "done_s"))
# The order number as it stands at the head of a card.
_NUMBER: Final = re.compile(r"(?:警情|alert)\s*(\d{2,4})")
# How long he listens for the tone that answers him before he sends again.
ANSWER_WAIT_S: Final = 4.0
SENDINGS: Final = 3
# How far chance moves each delay, both ways.
SPREAD: Final = 0.2

Tell = Callable[..., None]


@dataclass(frozen=True, kw_only=True)
class Temper:
    """How a person is; every delay in seconds, from the step before.

    Attributes:
        answers: ``radio``, ``chat`` or ``nothing``.
        style: On the radio: ``short`` leaves number and guard to the radio's own id.
        mishears: How often he first keys a wrong number.
        refuses: What he writes instead of coming.
        enrol: Sends a one-time code before anything else.
        account: His account on the chat, when the settings do not tell.
    """

    answers: str = "nothing"
    style: str = "full"
    mishears: int = 0
    refuses: str | None = None
    enrol: bool = False
    off_duty: bool = False
    account: str | None = None
    acknowledge_s: float | None = None
    en_route_s: float | None = None
    arrived_s: float | None = None
    done_s: float | None = None

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
    """How fast everybody lives.

    Attributes:
        speed: Divides every delay.
        chance: Seeded source of the spread.
    """

    speed: float
    chance: random.Random

    async def after(self, delay_s: float) -> None:
        """Return once a person has taken his time."""
        spread = 1 + SPREAD * (2 * self.chance.random() - 1)
        await asyncio.sleep(delay_s * spread / self.speed)


@dataclass(kw_only=True)
class RadioGuard:
    """A guard who answers by his radio.

    Attributes:
        satisfied: Digits of his answers that he believes were taken.
        believes: Takes his answer for heard even when no tone comes (a planted fault).
    """

    person: str
    name: str
    code: str | None
    temper: Temper
    radio: Handheld
    pace: Pace
    tell: Tell
    telephone: ChatServer | None = None
    group: str | None = None
    satisfied: list[str] = field(default_factory=list)
    believes: bool = False
    before_sending: Callable[[str], None] = lambda _: None
    after_sending: Callable[[str], None] = lambda _: None

    async def run(self) -> None:
        """Listen, and answer each order heard; for ever."""
        async for heard in self.radio:
            if heard.attention is None:
                continue
            self._say("heard", f"听到{heard.attention}级呼叫", attention=heard.attention)
            await self._answer_order()

    def _say(self, what: str, text: str, **facts: object) -> None:
        self.tell(what, person=self.person, who=self.name, text=text, **facts)

    async def _answer_order(self) -> None:
        number = self._number()
        for digit, delay_s in self.temper.steps():
            await self.pace.after(delay_s)
            if digit == "1":
                for _ in range(self.temper.mishears):
                    await self._send(self._frame(_misheard(number), digit))
            if not await self._send(self._frame(number, digit)):
                return

    def _frame(self, number: str | None, digit: str) -> str:
        if self.temper.style == "short":
            return f"*{digit}#"
        return f"*{number or ''}{self.code or ''}{digit}#"

    def _number(self) -> str | None:
        """Return the order number off the newest card in his group, which he has looked at."""
        if self.telephone is None or self.group is None:
            return None
        for message in reversed(self.telephone.posts(self.group)):
            if found := _NUMBER.search(message.text):
                return found.group(1)
        return None

    async def _send(self, digits: str) -> bool:
        """Send until answered; return whether he was told that it was taken."""
        for _ in range(SENDINGS):
            await self.radio.wait_clear(60.0, settle_s=0.3)
            self.before_sending(digits)
            over = await self.radio.key_and_send(digits)
            self.after_sending(digits)
            self._say("keyed", f"按键 {digits}", digits=digits, over_end_s=over.end_s)
            if self.believes:
                self.satisfied.append(digits)
                self._say("satisfied", f"以为 {digits} 已收到", digits=digits)
                return True
            answer = await self._answer()
            if answer is not None:
                accepted = answer == "accepted"
                text = "听到确认音" if accepted else "听到错误音"
                self._say("answered", text, digits=digits, answer=answer)
                if accepted:
                    self.satisfied.append(digits)
                return accepted
        self._say("given_up", f"{digits} 没有回音", digits=digits)
        return False

    async def _answer(self) -> str | None:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + ANSWER_WAIT_S
        while (left_s := until_s - loop.time()) > 0:
            try:
                heard = await self.radio.next_heard(left_s)
            except TimeoutError:
                return None
            if heard.answer is not None:
                return heard.answer
        return None


def _misheard(number: str | None) -> str:
    """Return a number near the right one that he takes for it."""
    right = int(number or "10")
    return str((right - 10 + 37) % 90 + 10)


@dataclass(kw_only=True)
class ChatPerson:
    """A guard, a station or a manager who answers on his telephone.

    Attributes:
        code: Filled with his one-time code when he is to enrol.
    """

    person: str
    name: str
    account: str
    temper: Temper
    chat: ChatServer
    pace: Pace
    tell: Tell
    code: "asyncio.Queue[str]" = field(default_factory=asyncio.Queue)
    _seen: set[int] = field(default_factory=set)

    async def run(self) -> None:
        """Enrol if need be, then answer each card; for ever."""
        if self.temper.enrol:
            await self._enrol()
        async with asyncio.TaskGroup() as group:
            while True:
                card = await self._next_card()
                group.create_task(self._answer_card(card))

    def _say(self, what: str, text: str, **facts: object) -> None:
        self.tell(what, person=self.person, who=self.name, text=text, **facts)

    async def _enrol(self) -> None:
        code = await self.code.get()
        self.chat.text(self.account, code)
        self._say("wrote", "发送登记码")
        await self.chat.wait_until(lambda: bool(self.chat.posts(self.account)), 20.0)
        answer = self.chat.posts(self.account)[-1].text
        self._say("read", answer)

    async def _next_card(self) -> ChatMessage:
        def fresh() -> ChatMessage | None:
            mine = self.chat.posts(self.account)
            return next((m for m in mine if m.id not in self._seen and m.keyboard), None)

        await self.chat.wait_until(lambda: fresh() is not None, 1e9)
        card = fresh()
        assert card is not None
        self._seen.add(card.id)
        return card

    async def _answer_card(self, card: ChatMessage) -> None:
        found = _NUMBER.search(card.text)
        number = found.group(1) if found else "?"
        self._say("read", f"看到{number}号卡片", number=number, message=card.id)
        for digit, delay_s in self.temper.steps():
            await self.pace.after(delay_s)
            if self.temper.refuses is not None:
                self.chat.text(self.account, self.temper.refuses, reply_to=card)
                self._say("wrote", self.temper.refuses, number=number)
                return
            if not await self._press(card, digit, number):
                return

    async def _press(self, card: ChatMessage, digit: str, number: str) -> bool:
        label = next((x for x in LABELS[digit] if card.key(x) is not None), None)
        if label is None:
            return False  # the card was closed meanwhile
        press = self.chat.press(card, label, self.account)
        self._say("pressed", f"{number}号 按下【{label}】", number=number, digit=digit)
        try:
            toast = await self.chat.wait_toast(press, 15.0)
        except TimeoutError:
            self._say("given_up", f"{number}号【{label}】没有回音", number=number)
            return False
        self._say("answered", toast.text, number=number, digit=digit)
        return True
