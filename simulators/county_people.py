"""The people of a county: each with a radio or a telephone, a manner, and his own log.

They know what people know: what was said on their channel, what stands on their telephone. Each
order that somebody notices is a short play of his own; he has two hands, so beyond a few at a
time he lets the others go by.
"""

import asyncio
import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, Protocol

from simulators.county import Resident

Digit = Literal["0", "1", "2", "3", "5"]
Step = tuple[Digit, float]
LABELS: Final = {"0": "不能去", "1": "收到", "2": "出警", "3": "到场", "5": "完成"}
WORDS: Final = {"0": "不能去", "1": "收到", "2": "出警", "3": "到了", "5": "完成"}
# What each kind of person does, as (digit, seconds after the step before).
PLAYS: Final[dict[str, tuple[Step, ...]]] = {
    "quick": (("1", 6), ("2", 8), ("3", 70), ("5", 600)),
    "slow": (("1", 48), ("3", 300), ("5", 1200)),
    "deaf": (),
    "declining": (("0", 20),),
    "forgetful": (("1", 15),),
    "leaving": (("1", 12), ("0", 240)),
    "fumbling": (("1", 15), ("3", 150), ("5", 900)),
    # The last time the order has mostly been closed by what he said before.
    "twice": (("1", 8), ("1", 2), ("1", 3), ("3", 90), ("5", 500), ("5", 2400)),
}
AT_ONCE_MOST: Final = 3
# A number that a fumbling one writes before the right one.
MISTAKEN: Final = "99"
# A guard number that is nobody's, keyed by mistake too.
STRANGE: Final = "998"
# A guard who found the channel taken tries again so often.
TRIES: Final = 6
SHIFT_S, DAY_S = 8 * 3600, 86_400
_DIGITS: Final = str.maketrans("零一二三四五六七八九", "0123456789")
_SPOKEN: Final = re.compile(r"级警情，(?:演练)?([零一二三四五六七八九]{2,4})号")
_WRITTEN: Final = re.compile(r"警情\s*演?(\d{2,4})号")
# How the roll is called on the air and in a grid's group, and how many of a hundred answer.
ROLL: Final = "指挥中心点名"
_ROLL: Final = re.compile(r"^【点名】(.+?)：请报到")
ANSWER_ROLL: Final = 0.7


class Radio(Protocol):
    """A channel on which people may key."""

    async def digits(
        self, channel: str, frame: str, *, ani: str | None = None, radio: str | None = None
    ) -> bool:
        """Key digits; return whether they could be heard."""
        ...

    async def speak(self, channel: str, seconds: float) -> bool:
        """Talk; return whether it could be heard."""
        ...


class Message(Protocol):
    """A message on a telephone."""

    @property
    def id(self) -> int:
        """Its number."""
        ...

    @property
    def address(self) -> str:
        """To whom it is."""
        ...

    @property
    def private(self) -> bool:
        """Whether to one person."""
        ...

    @property
    def text(self) -> str:
        """As it stands."""
        ...

    @property
    def keyboard(self) -> Sequence[Any]:
        """Its buttons."""
        ...


class Chat(Protocol):
    """A chat in which people may press and write."""

    def press(self, message: Any, label: str, user: str) -> str:  # noqa: ANN401
        """Press a button of a message."""
        ...

    def text(self, user: str, text: str) -> int:
        """Write."""
        ...


class Sent(Protocol):
    """What a channel transmitted."""

    @property
    def channel(self) -> str:
        """Its channel."""
        ...

    @property
    def kind(self) -> str:
        """Page, talk or answer tone."""
        ...

    @property
    def text(self) -> str:
        """What was heard of it."""
        ...


@dataclass(frozen=True, kw_only=True)
class Deed:
    """What somebody did towards the gateway.

    Attributes:
        number: Order number he meant.
        digit: Reply digit he meant; 9 calls for help, R answers a roll-call, both of no order.
        medium: ``chat`` or ``radio``.
        sent: Whether it went out: a channel may be taken.
    """

    at_us: int
    person: str
    number: str
    digit: str
    medium: str
    sent: bool


class People:
    """Everybody outside who answers.

    Args:
        residents: Who there is.
        seed: Their chance.
        now_us: Wall time of the outside, UTC microseconds.

    Attributes:
        deeds: What they did, in order.
    """

    def __init__(
        self, residents: Iterable[Resident], seed: int, now_us: Callable[[], int]
    ) -> None:
        self.deeds: list[Deed] = []
        self._now_us = now_us
        self._chance = random.Random(f"people {seed}")
        self._by_account: dict[str, Resident] = {}
        self._on_channel: dict[str, list[Resident]] = {}
        for resident in residents:
            if resident.account is not None:
                self._by_account[resident.account] = resident
            if resident.answers == "radio" and resident.channel is not None:
                self._on_channel.setdefault(resident.channel, []).append(resident)
        self._in_grid: dict[str, list[Resident]] = {}
        for resident in self._by_account.values():
            if resident.answers == "chat" and resident.role == "guard":
                self._in_grid.setdefault(resident.grid, []).append(resident)
        self._of_roll = random.Random(f"roll {seed}")
        self._residents = list(self._by_account.values()) + [
            r for there in self._on_channel.values() for r in there if r.account is None
        ]
        self._misfortune = random.Random(f"bad luck {seed}")
        # Whose radio is with nobody, or with somebody who found it.
        self._astray: dict[str, Literal["nobody", "finder"]] = {}
        self._busy: dict[str, set[str]] = {}
        self._seen: set[int] = set()
        self._group: asyncio.TaskGroup | None = None
        self._radio: Radio | None = None
        self._chat: Chat | None = None

    async def live(self, radio: Radio, chat: Chat) -> None:
        """Answer until cancelled."""
        self._radio, self._chat = radio, chat
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                await asyncio.get_running_loop().create_future()
        finally:
            self._group = None

    def log(self) -> list[dict[str, Any]]:
        """Return what they did, as plain data."""
        return [asdict(deed) for deed in self.deeds]

    # What they notice

    def shown(self, message: Message) -> None:
        """A message was written or changed; a new card of one's own is noticed."""
        if not message.keyboard or message.id in self._seen:
            return
        if not message.private:
            self._roll_shown(message)
            return
        self._seen.add(message.id)
        resident = self._by_account.get(message.address)
        number = _WRITTEN.search(message.text)
        if resident is not None and number is not None and resident.answers == "chat":
            self._begin(resident, number[1], message)

    def heard(self, sent: Sent) -> None:
        """A channel was let go: whoever has his radio on and heard his grid answers."""
        if sent.kind != "page":
            return
        text = sent.text
        number = _SPOKEN.search(text)
        if number is None:
            if ROLL in text:
                self._roll_heard(sent.channel)
            return
        for resident in self._on_channel.get(sent.channel, ()):
            if resident.grid in text and self._on_duty(resident):
                self._begin(resident, number[1].translate(_DIGITS), None)

    def _on_duty(self, resident: Resident) -> bool:
        """Whether his shift is on: crews follow one another daily, three shifts and a rest."""
        if resident.crew is None:
            return True
        # The cycle began on 1 January 2026 in China; night is the first shift of a day.
        local_s = self._now_us() // 1_000_000 + 8 * 3600
        day, second = divmod(local_s - 1_767_225_600, DAY_S)
        shift = (2, 0, 1)[second // SHIFT_S]
        return bool((day - resident.crew) % 4 == shift)

    # The roll is called

    def _roll_shown(self, message: Message) -> None:
        named = _ROLL.match(message.text)
        if named is None or self._group is None:
            return
        self._seen.add(message.id)
        for who in self._in_grid.get(named[1], ()):
            if self._on_duty(who) and self._of_roll.random() < ANSWER_ROLL:
                self._group.create_task(self._press_here(who, message))

    async def _press_here(self, who: Resident, message: Message) -> None:
        await asyncio.sleep(self._of_roll.uniform(3, 100))
        if message.keyboard:
            assert self._chat is not None
            assert who.account is not None
            self._chat.press(message, message.keyboard[0][0].label, who.account)
            self._note(who, message.keyboard[0][0].order, "R", "chat", sent=True)

    def _roll_heard(self, channel: str) -> None:
        for who in self._on_channel.get(channel, ()):
            able = who.code is not None and self._on_duty(who) and self._group is not None
            if able and self._of_roll.random() < ANSWER_ROLL:
                assert self._group is not None
                self._group.create_task(self._key_here(who, channel))

    async def _key_here(self, who: Resident, channel: str) -> None:
        assert self._radio is not None
        await asyncio.sleep(self._of_roll.uniform(2, 90))
        if who.person not in self._astray:
            sent = await self._radio.digits(channel, f"*{who.code}1#", ani=who.radio_id)
            self._note(who, "", "R", "radio", sent=sent)

    # What befalls them

    def leaver(self) -> str:
        """Return the guard who leaves the service: one in the midst of an order, if any is."""
        guards = [r.person for r in self._residents if r.role == "guard"]
        busy = [person for person in guards if self._busy.get(person)]
        return self._misfortune.choice(busy or guards)

    def loser(self) -> tuple[str, str] | None:
        """Return whose radio is lost, with what it says of itself; None without any.

        Nobody keys with it until ``astray`` says who does.
        """
        with_radios = [
            r for there in self._on_channel.values() for r in there
            if r.radio_id is not None and r.person not in self._astray
        ]  # fmt: skip
        if not with_radios:
            return None
        who = self._misfortune.choice(with_radios)
        self._astray[who.person] = "nobody"
        return who.person, f"dtmf:{who.radio_id}"

    def astray(self, person: str, where: Literal["own", "nobody", "finder"]) -> None:
        """Have somebody's radio where it now is; who finds one answers as he likes."""
        if where == "own":
            self._astray.pop(person, None)
        else:
            self._astray[person] = where

    async def call_for_help(self, channel: str) -> None:
        """Somebody on a channel keys the code for it until it goes out, or gives up."""
        assert self._radio is not None
        there = [r for r in self._on_channel.get(channel, ()) if r.person not in self._astray]
        if not there:
            return
        who = self._misfortune.choice(there)
        for _ in range(TRIES):
            sent = await self._radio.digits(channel, f"*{who.code or ''}9#", ani=who.radio_id)
            self._note(who, "", "9", "radio", sent=sent)
            if sent:
                return
            await asyncio.sleep(self._misfortune.uniform(2, 9))

    async def chat(self, channel: str, seconds: float) -> None:
        """People talk on a channel for so long, and say nothing of any order."""
        assert self._radio is not None
        until_us = self._now_us() + round(seconds * 1e6)
        while self._now_us() < until_us:
            await self._radio.speak(channel, self._misfortune.uniform(2, 20))
            await asyncio.sleep(self._misfortune.uniform(1, 30))

    # What they do

    def _begin(self, resident: Resident, number: str, card: Message | None) -> None:
        busy = self._busy.setdefault(resident.person, set())
        plays = PLAYS[resident.manner]
        if self._group is None or not plays or number in busy or len(busy) >= AT_ONCE_MOST:
            return
        busy.add(number)
        if resident.role != "guard":
            plays = plays[:1]
        self._group.create_task(self._act(resident, number, card, plays))

    async def _act(
        self, who: Resident, number: str, card: Message | None, plays: Sequence[Step]
    ) -> None:
        try:
            for turn, (digit, delay_s) in enumerate(plays):
                await asyncio.sleep(delay_s * who.pace * self._chance.uniform(0.7, 1.3))
                if card is not None and not card.keyboard:
                    return  # it is over: nothing is left to press
                if card is not None:
                    self._answer_in_chat(who, number, card, digit, turn)
                else:
                    await self._answer_by_radio(who, number, digit, turn)
        finally:
            self._busy[who.person].discard(number)

    def _answer_in_chat(
        self, who: Resident, number: str, card: Message, digit: Digit, turn: int
    ) -> None:
        assert self._chat is not None
        assert who.account is not None
        if who.manner == "fumbling" and turn == 0:
            self._chat.text(who.account, f"{MISTAKEN}号 收到")
            # It may be somebody's order, even one of his own: then he has acknowledged it.
            self._note(who, MISTAKEN, "1", "chat", sent=True)
            self._chat.text(who.account, "？？")
        if self._chance.random() < 0.7:
            self._chat.press(card, LABELS[digit], who.account)
        else:
            self._chat.text(who.account, f"{number}号 {WORDS[digit]}")
        self._note(who, number, digit, "chat", sent=True)

    async def _answer_by_radio(
        self, who: Resident, number: str, digit: Digit, turn: int
    ) -> None:
        assert self._radio is not None
        assert who.channel is not None
        by = self._astray.get(who.person, "own")
        if by == "nobody":
            return
        frame = f"*{number}{who.code or ''}{digit}#"
        if who.manner == "fumbling" and turn == 0:
            slip = f"*{number}{STRANGE}1#"
            sent = await self._radio.digits(who.channel, slip, ani=who.radio_id)
            if by == "own":
                # It is nobody's answer, but his radio was heard: he is at his post.
                self._note(who, STRANGE, "1", "radio", sent=sent)
        for _ in range(TRIES):
            sent = await self._radio.digits(who.channel, frame, ani=who.radio_id)
            if by == "own":
                self._note(who, number, digit, "radio", sent=sent)
            if sent or self._astray.get(who.person, "own") != by:
                return
            await asyncio.sleep(self._chance.uniform(2, 9))

    def _note(
        self, who: Resident, number: str, digit: str, medium: str, *, sent: bool
    ) -> None:
        self.deeds.append(
            Deed(
                at_us=self._now_us(), person=who.person, number=number, digit=digit,
                medium=medium, sent=sent,
            )
        )  # fmt: skip
