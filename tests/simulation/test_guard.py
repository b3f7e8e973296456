"""People on the air and on their telephones, each as his temper is."""

import asyncio
import functools
import json
import random
import selectors
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import numpy as np
import pytest

from simulators.chat_server import ChatServer
from simulators.ether import Ether
from simulators.guard import ChatPerson, Pace, RadioGuard, Temper
from simulators.handheld import Handheld
from simulators.radio_models import RadioSet
from simulators.tones import Samples, silence, tone, voice

LEVEL_2 = np.concatenate([np.concatenate([tone((1200.0,), 200, -10), silence(100)])] * 3)
ACCEPTED = np.concatenate([tone((880.0,), 100, -10), tone((1320.0,), 100, -10)])
WRONG = tone((400.0,), 500, -10)
QUICK = {"acknowledge_s": 1, "en_route_s": 2, "arrived_s": 3, "done_s": 4}
TOKEN = "123456:secret"
KEYS = [["收到", "出警", "到场"], ["增援", "完成", "不能去"]]

Line = dict[str, Any]


def padded(sound: Samples) -> Samples:
    return np.concatenate([silence(300), sound, silence(100)])


class LeapingSelector(selectors.DefaultSelector):
    """Instead of waiting for a moment it lets the moment come."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0 if timeout else timeout)
        if not ready and timeout:
            self.now_s += timeout
        return ready


class LeapingLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes as fast as there is nothing to do."""

    def __init__(self) -> None:
        self.leaps = LeapingSelector()
        super().__init__(self.leaps)

    def time(self) -> float:
        return self.leaps.now_s


def at_once(story: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Let a test of half a minute pass in the time that its work takes."""

    @functools.wraps(story)
    def played() -> None:
        with asyncio.Runner(loop_factory=LeapingLoop) as runner:
            runner.run(story())

    return played


class Diary:
    """What people told, line by line."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._more = asyncio.Event()

    def tell(self, what: str, **facts: object) -> None:
        self.lines.append({"what": what, **facts})
        self._more.set()

    async def wait(self, what: str, count: int) -> None:
        while len(self.of(what)) < count:
            self._more.clear()
            await self._more.wait()

    def of(self, what: str) -> list[Line]:
        return [line for line in self.lines if line["what"] == what]


def pace(speed: float = 1.0) -> Pace:
    return Pace(speed=speed, chance=random.Random(7))


class Dispatcher:
    """The other end of the channel: calls, and answers what is keyed by a tone."""

    def __init__(self, ether: Ether, answers: list[Samples | None]) -> None:
        self.radio = Handheld(ether, "base")
        self.answers = answers
        self.heard: list[str] = []
        # For radios without digits: how long it listens whether another press follows.
        self.answers_all, self.listens_s = False, 0.0

    async def calls(self) -> None:
        await self.radio.transmit(np.concatenate([padded(LEVEL_2), voice(2.0, 3)]))

    async def run(self) -> None:
        async for over in self.radio:
            if over.digits:
                self.heard.append(over.digits)
            if over.digits or self.answers_all:
                await asyncio.sleep(self.listens_s)
                answer = self.answers.pop(0) if self.answers else ACCEPTED
                if answer is not None:
                    await self.radio.transmit(padded(answer))


def guard_on(ether: Ether, diary: Diary, **temper: Any) -> RadioGuard:
    return RadioGuard(
        person="p_zhang", name="张三", code="031", channel="east", pace=pace(), tell=diary.tell,
        temper=Temper.read({"answers": "radio", **temper}),
        radio=(
            Handheld(ether, "p_zhang", radio=RadioSet.read(temper["radio"], "1031"))
            if "radio" in temper
            else Handheld(ether, "p_zhang", ani="10031")
        ),
    )  # fmt: skip


@asynccontextmanager
async def on_the_air(
    answers: list[Samples | None], **temper: Any
) -> AsyncIterator[tuple[RadioGuard, Dispatcher, Ether, Diary]]:
    """Put a guard and a dispatcher on a channel; both live until the end."""
    diary = Diary()
    async with Ether("east", seed=1) as ether, asyncio.TaskGroup() as lives:
        guard = guard_on(ether, diary, **temper)
        dispatcher = Dispatcher(ether, answers)
        tasks = [lives.create_task(guard.run()), lives.create_task(dispatcher.run())]
        await asyncio.sleep(0.2)
        yield guard, dispatcher, ether, diary
        for task in tasks:
            task.cancel()


class Board:
    """A group's cards, as a telephone shows them; the wire is tested elsewhere."""

    def __init__(self, guard: RadioGuard) -> None:
        self.server = ChatServer(TOKEN, {"east": -1001}, seed=1)
        self.server.enforce_limits = False
        guard.telephone, guard.group = self.server, "east"

    async def card(self, number: str) -> int:
        await self.server.perform("sendMessage", card(-1001, number), {})
        return self.server.posts("east")[-1].id

    async def off(self, message: int, number: str) -> None:
        await self.server.perform("editMessageText", off(-1001, message, number), {})


def card(chat: int, number: str) -> Line:
    rows = [[{"text": k, "callback_data": f"{number}{k}"} for k in row] for row in KEYS]
    text = f"【二级警情 {number}号】东街网格\n有人打架"
    return {"chat_id": chat, "text": text, "reply_markup": {"inline_keyboard": rows}}


def off(chat: int, message: int, number: str) -> Line:
    """Return how a card is changed when its order was called off."""
    rows = [[{"text": "知道了", "callback_data": f"{number}知道了"}]]
    text = f"【二级警情 {number}号】东街网格\n有人打架\n■ 已取消"
    return {"chat_id": chat, "message_id": message, "text": text,
            "reply_markup": {"inline_keyboard": rows}}  # fmt: skip


def digits_of(dispatcher: Dispatcher) -> list[str]:
    return [digits.removeprefix("10031") for digits in dispatcher.heard]


@at_once
async def test_a_quick_guard_goes_through_with_one_digit_each_time() -> None:
    async with on_the_air([], style="short", **QUICK) as (_, dispatcher, ether, diary):
        await dispatcher.calls()
        await asyncio.sleep(30)
    assert dispatcher.heard == ["10031*1#", "10031*2#", "10031*3#", "10031*5#"]
    assert len(diary.of("satisfied")) == 4
    assert not any(over.collided for over in ether.overs)


@at_once
async def test_one_who_mishears_is_put_right_by_the_wrong_tone() -> None:
    async with on_the_air([WRONG], mishears=1, acknowledge_s=1) as told:
        guard, dispatcher, _, diary = told
        await Board(guard).card("12")
        await dispatcher.calls()
        await asyncio.sleep(20)
    assert digits_of(dispatcher) == ["*490311#", "*120311#"]
    assert [line["what"] for line in diary.lines if "digits" in line] == [
        "keyed", "refused", "keyed", "satisfied",
    ]  # fmt: skip


@at_once
async def test_a_short_answer_that_is_refused_is_sent_whole() -> None:
    async with on_the_air([WRONG], style="short", acknowledge_s=1) as (guard, dispatcher, *_):
        await Board(guard).card("12")
        await dispatcher.calls()
        await asyncio.sleep(20)
    assert digits_of(dispatcher) == ["*1#", "*120311#"]


@at_once
async def test_one_who_hears_no_tone_sends_three_times_and_gives_up() -> None:
    answers: list[Samples | None] = [None, None, None]
    async with on_the_air(answers, style="short", **QUICK) as (_, dispatcher, _, diary):
        await dispatcher.calls()
        await asyncio.sleep(40)
    assert digits_of(dispatcher) == ["*1#"] * 3
    assert len(diary.of("given_up")) == 1
    assert not diary.of("satisfied")


@at_once
async def test_one_who_finds_no_gap_gives_up_and_lives_on() -> None:
    async with on_the_air([], style="short", acknowledge_s=1) as told:
        guard, dispatcher, ether, diary = told
        guard.patience_s = 2.0
        await dispatcher.calls()
        await asyncio.sleep(0.5)
        await Handheld(ether, "stuck").transmit(silence(5_000))
        assert len(diary.of("given_up")) == 1
        await dispatcher.calls()
        await asyncio.sleep(15)
    assert len(diary.of("satisfied")) == 1
    assert digits_of(dispatcher) == ["*1#"]


@at_once
async def test_a_repeated_call_is_let_pass_and_a_new_order_answered() -> None:
    async with on_the_air([], acknowledge_s=1) as (guard, dispatcher, *_):
        board = Board(guard)
        await board.card("12")
        await dispatcher.calls()
        await asyncio.sleep(15)
        await dispatcher.calls()
        await asyncio.sleep(15)
        await board.card("13")
        await dispatcher.calls()
        await asyncio.sleep(15)
    assert digits_of(dispatcher) == ["*120311#", "*130311#"]


@at_once
async def test_a_guard_waits_until_others_have_spoken_and_takes_no_tone_of_theirs() -> None:
    async with on_the_air([], style="short", acknowledge_s=1) as (_, dispatcher, ether, diary):
        other = Handheld(ether, "p_wang")
        await dispatcher.calls()
        await other.transmit(voice(4.0, 5))
        await dispatcher.radio.transmit(padded(WRONG))  # for the other
        await asyncio.sleep(12)
    assert digits_of(dispatcher) == ["*1#"]
    assert not diary.of("refused")
    assert not any(over.collided for over in ether.overs)


@at_once
async def test_after_another_guard_he_leaves_the_channel_to_who_answers_that_one() -> None:
    """What two key one right after the other might be taken for one."""
    async with on_the_air([], style="short", acknowledge_s=2) as (_, dispatcher, ether, _):
        other = Handheld(ether, "p_sun")
        await dispatcher.calls()
        await asyncio.sleep(1.2)
        await other.transmit(voice(1.0, 5))
        await asyncio.sleep(12)
    spoken, keyed = (next(o for o in ether.overs if o.who == w) for w in ("p_sun", "p_zhang"))
    assert keyed.start_s - spoken.end_s >= 2.0
    assert digits_of(dispatcher) == ["*1#"]


@at_once
async def test_one_who_is_called_off_says_once_that_he_knows() -> None:
    temper = {"acknowledge_s": 1, "en_route_s": 30, "stand_down_s": 2}
    async with on_the_air([], **temper) as (guard, dispatcher, *_):
        board = Board(guard)
        message = await board.card("12")
        await dispatcher.calls()
        await asyncio.sleep(15)
        await dispatcher.calls()
        await asyncio.sleep(1)
        await board.off(message, "12")  # the card is a little later than the voice
        await asyncio.sleep(30)
        await dispatcher.calls()
        await asyncio.sleep(30)
    assert digits_of(dispatcher) == ["*120311#", "*120311#"], "and he sets out no more"


@at_once
async def test_one_whose_radio_dies_hears_no_end() -> None:
    async with on_the_air([], acknowledge_s=1, stand_down_s=2) as (guard, dispatcher, _, diary):
        guard.dies = True
        board = Board(guard)
        message = await board.card("12")
        await dispatcher.calls()
        await asyncio.sleep(15)
        await board.off(message, "12")
        await dispatcher.calls()
        await asyncio.sleep(30)
    assert digits_of(dispatcher) == ["*120311#"]
    assert len(diary.of("dead")) == 1


@asynccontextmanager
async def without_digits(
    **temper: Any,
) -> AsyncIterator[tuple[Dispatcher, Ether, Diary]]:
    """As `on_the_air`, with a dispatcher who answers whatever he hears, a while after."""
    async with on_the_air([], **temper) as (_, dispatcher, ether, diary):
        dispatcher.answers_all, dispatcher.listens_s = True, 1.0
        yield dispatcher, ether, diary


def presses_in(ether: Ether) -> list[int]:
    """Returns how many overs of the guard followed one another within a second, each time."""
    counts, last_s = list[int](), -10.0
    for over in (o for o in ether.overs if o.who == "p_zhang"):
        if over.start_s - last_s < 1.0:
            counts[-1] += 1
        else:
            counts.append(1)
        last_s = over.end_s
    return counts


@at_once
async def test_who_can_only_key_presses_twice_and_three_times() -> None:
    temper = QUICK | {"radio": {"model": "bf888s"}}
    async with on_the_air([], **temper) as (_, dispatcher, ether, diary):
        await dispatcher.calls()
        await asyncio.sleep(4)
        await dispatcher.radio.transmit(padded(ACCEPTED))
        await asyncio.sleep(8)
        await dispatcher.radio.transmit(padded(ACCEPTED))
        await asyncio.sleep(15)
    assert presses_in(ether) == [2, 3], "acknowledged and arrived; the rest he cannot say"
    assert all(over.duration_s < 0.4 for over in ether.overs if over.who == "p_zhang")
    assert [line["digits"] for line in diary.of("satisfied")] == ["短按2次", "短按3次"]


@at_once
async def test_presses_that_nobody_answers_are_tried_three_times() -> None:
    temper = {"radio": {"model": "bf888s"}, "acknowledge_s": 1, "arrived_s": 5}
    async with on_the_air([], **temper) as (_, dispatcher, ether, diary):
        await dispatcher.calls()
        await asyncio.sleep(40)
    assert presses_in(ether) == [2, 2, 2]
    assert [line["digits"] for line in diary.of("given_up")] == ["短按2次"]


@at_once
async def test_who_has_statuses_sends_them_and_at_last_the_emergency() -> None:
    temper = QUICK | {"radio": {"model": "mdc1200"}, "emergency_s": 2}
    async with without_digits(**temper) as (dispatcher, ether, diary):
        await dispatcher.calls()
        await asyncio.sleep(40)
    signals = [over.signals for over in ether.overs if over.who == "p_zhang"]
    assert signals == [(f"mdc1200 46/0{n} 1031",) for n in (1, 2, 3, 5)] + [
        ("mdc1200 00/80 1031",) * 2
    ]
    assert [line["digits"] for line in diary.of("satisfied")] == [
        "46/01", "46/02", "46/03", "46/05", "紧急键",
    ]  # fmt: skip


@at_once
async def test_who_reports_first_presses_his_emergency_key_or_keys_the_code() -> None:
    async with without_digits(radio={"model": "mdc1200"}, reports_s=2) as (_, ether, diary):
        await asyncio.sleep(20)
    assert [o.signals for o in ether.overs if o.who == "p_zhang"] == [("mdc1200 00/80 1031",) * 2]
    assert [line["digits"] for line in diary.of("satisfied")] == ["紧急键"]
    async with on_the_air([ACCEPTED], reports_s=2) as (_, _, _, diary):
        await asyncio.sleep(20)
    assert [line["digits"] for line in diary.of("satisfied")] == ["*0319#"]


class CutRadio:
    """A base radio whose sound to the gateway can be cut."""

    def __init__(self) -> None:
        self.cuts: list[bool] = []

    def mute_rtp(self, on: bool) -> None:
        self.cuts.append(on)


@at_once
async def test_the_one_whose_answer_is_lost_believes_and_goes_on() -> None:
    answers: list[Samples | None] = [None]
    async with on_the_air(answers, style="short", acknowledge_s=1, en_route_s=2) as told:
        guard, dispatcher, _, diary = told
        cut = CutRadio()
        guard.loses = cut  # type: ignore[assignment]  # all of a base radio that he touches
        await dispatcher.calls()
        await asyncio.sleep(15)
    assert digits_of(dispatcher) == ["*1#", "*2#"]
    assert cut.cuts == [True, False]
    assert [line["digits"] for line in diary.of("satisfied")] == ["*1#", "*2#"]


# ---- telephones ----


class Bot:
    """The gateway's side of the platform, as bare HTTP."""

    def __init__(self, server: ChatServer, http: aiohttp.ClientSession) -> None:
        self._server, self._http = server, http
        self._offset = 0

    async def call(self, method: str, **params: Any) -> Any:
        url = f"{self._server.base_url}{TOKEN}/{method}"
        async with self._http.post(url, json=params) as answer:
            return (await answer.json())["result"]

    async def next(self) -> Line:
        """Return what a person did next."""
        while True:
            updates = await self.call("getUpdates", offset=self._offset, timeout=5, limit=1)
            for update in updates:
                self._offset = update["update_id"] + 1
                kind = next(name for name in update if name != "update_id")
                done: Line = update[kind]
                return done

    async def next_press(self, toast: str) -> str:
        """Answer the next press and return its data."""
        press = await self.next()
        await self.call("answerCallbackQuery", callback_query_id=press["id"], text=toast)
        return str(press["data"])


@asynccontextmanager
async def telephone(**temper: Any) -> AsyncIterator[tuple[ChatPerson, Bot, Diary]]:
    diary = Diary()
    async with (
        ChatServer(TOKEN, {"east": -1001}, seed=1) as server,
        aiohttp.ClientSession() as http,
        asyncio.TaskGroup() as lives,
    ):
        server.enforce_limits = False
        human = ChatPerson(
            person="p_li", name="李四", account="700032", chat=server, chat_name="work",
            pace=pace(speed=100), tell=diary.tell,
            temper=Temper.read({"answers": "chat", **temper}),
        )  # fmt: skip
        life = lives.create_task(human.run())
        async with asyncio.timeout(5):
            yield human, Bot(server, http), diary
        life.cancel()


@pytest.mark.asyncio
async def test_one_with_a_telephone_presses_his_way_through() -> None:
    async with telephone(**QUICK) as (_, bot, diary):
        await bot.call("sendMessage", **card(700032, "12"))
        pressed = [await bot.next_press("已记录") for _ in range(4)]
        await diary.wait("read", 5)
    assert pressed == ["12收到", "12出警", "12到场", "12完成"]
    assert [line["text"] for line in diary.of("read")[1:]] == ["已记录"] * 4


@pytest.mark.asyncio
async def test_a_card_that_was_closed_is_not_pressed_any_more() -> None:
    async with telephone(**QUICK | {"en_route_s": 30}) as (human, bot, diary):
        posted = await bot.call("sendMessage", **card(700032, "12"))
        assert await bot.next_press("已记录") == "12收到"
        closed = {"chat_id": 700032, "message_id": posted["message_id"], "text": "已结案"}
        await bot.call("editMessageText", **closed)
        await asyncio.sleep(0.5)
    assert len(diary.of("pressed")) == 1
    assert len(human.chat.posts("700032")) == 1


@pytest.mark.asyncio
async def test_one_who_is_called_off_presses_that_he_knows() -> None:
    temper = QUICK | {"en_route_s": 3000, "stand_down_s": 1}
    async with telephone(**temper) as (_, bot, diary):
        posted = await bot.call("sendMessage", **card(700032, "12"))
        assert await bot.next_press("已记录") == "12收到"
        await bot.call("editMessageText", **off(700032, posted["message_id"], "12"))
        assert await bot.next_press("已记录") == "12知道了"
    assert [line["number"] for line in diary.of("pressed")] == ["12", "12"]


@pytest.mark.asyncio
async def test_one_refuses_in_his_own_words_under_the_card() -> None:
    async with telephone(refuses="不能去，不能离岗", acknowledge_s=1) as (_, bot, diary):
        posted = await bot.call("sendMessage", **card(700032, "12"))
        said = await bot.next()
        assert said["text"] == "不能去，不能离岗"
        assert said["reply_to_message"]["message_id"] == posted["message_id"]
        answer = {"reply_parameters": {"message_id": said["message_id"]}}
        await bot.call("sendMessage", chat_id=700032, text="12号：不能去，已记录", **answer)
        await diary.wait("read", 2)
    assert json.dumps(diary.of("pressed")) == "[]"


@pytest.mark.asyncio
async def test_one_enrols_with_his_code_before_anything_else() -> None:
    async with telephone(enrol=True, **QUICK) as (human, bot, _):
        human.code.put_nowait("ABCD2345")
        said = await bot.next()
        assert (said["text"], human.enrolled.is_set()) == ("ABCD2345", False)
        answer = {"reply_parameters": {"message_id": said["message_id"]}}
        await bot.call("sendMessage", chat_id=700032, text="已登记：李四", **answer)
        await human.enrolled.wait()
