"""What every chat driver promises, told as stories; run on the real one and the one in memory.

A form of the suite subclasses ``ChatContract`` and gives a ``world`` fixture.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import pytest

from gateway.core.answers.events import ButtonPressed, MediaReceived, TextReceived
from gateway.core.calls.events import CardFailed, CardPosted
from gateway.core.effects import (
    AnswerPress,
    Button,
    EditCard,
    ForgetAddress,
    PostCard,
    SendText,
)
from gateway.core.events import Event, InputRefused, PathChanged
from gateway.interfaces import Committed, Cursor, Driver, Outgoing

GROUP = "-1001234567"
ZHANG = "700100034"
LI = "700100035"
BUTTONS = ((Button(label="收到", action="1"), Button(label="到场", action="3")),)
FAR_US = 600_000_000


class RealClock:
    """Wall time as it is."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def synchronised(self) -> bool:
        return True


@dataclass
class FakeIntake:
    """The engine's door: keeps what comes, can hold commits back (of the kinds ``held``)."""

    events: list[Event] = field(default_factory=list)
    settled: list[int] = field(default_factory=list)
    begun: list[int] = field(default_factory=list)
    cursors: dict[str, str] = field(default_factory=dict)
    cursor_log: list[str] = field(default_factory=list)
    commits: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0
    held: tuple[type, ...] = (object,)

    def __post_init__(self) -> None:
        self.commits.set()

    async def submit(self, event, *, settles=(), cursor: Cursor | None = None) -> Committed:
        self.waiting += 1
        self.changed.set()
        try:
            if isinstance(event, self.held):
                await self.commits.wait()
        finally:
            self.waiting -= 1
        self.events.append(event)
        self.settled.extend(settles)
        if cursor is not None:
            self.cursors[cursor.source] = cursor.position
            self.cursor_log.append(cursor.position)
        self.changed.set()
        return Committed(seq=len(self.events))

    def started(self, outbox_id: int) -> None:
        self.begun.append(outbox_id)

    def settle(self, outbox_id: int) -> None:
        self.settled.append(outbox_id)
        self.changed.set()

    async def cursor(self, source: str) -> str | None:
        return self.cursors.get(source)

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, holds: Callable[[], bool], timeout_s: float = 10.0) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                while not holds():
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            pytest.fail(f"never came true; events: {self.events}, settled: {self.settled}")

    async def one(self, kind, timeout_s: float = 10.0):
        await self.until(lambda: bool(self.of(kind)), timeout_s)
        return self.of(kind)[-1]


class World(Protocol):
    """A driver and the people at its other end."""

    chat: str
    driver: Driver
    intake: FakeIntake
    media_dir: Path

    def text(self, user, text, group=None, reply_to=None): ...
    def press(self, message, label, user) -> str: ...
    def press_data(self, message, data, user) -> str: ...
    def photo(self, user, data, group=None, caption=""): ...
    def voice(self, user, data, group=None): ...
    def location(self, user, lat, lon, group=None): ...
    def posts(self, address=None) -> list: ...
    def toast(self, press) -> str | None: ...
    def refuse(self, address) -> None: ...
    def repeat(self, count) -> None: ...
    async def leave(self) -> None: ...
    async def come_back(self) -> None: ...
    async def seen(self, holds: Callable[[], bool]) -> None: ...
    def another_driver(self) -> Driver: ...


@contextlib.asynccontextmanager
async def running(driver: Driver, intake: FakeIntake):
    """Run a driver for the length of the block; then cancel it as a kill would."""
    task = asyncio.get_running_loop().create_task(driver.run(intake))
    try:
        yield
        if task.done():
            task.result()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def soon_us(after_us: int = FAR_US) -> int:
    return RealClock().now_us() + after_us


def card(chat: str, name: str = "c1", **changes) -> PostCard:
    post = PostCard(
        card=name,
        chat=chat,
        address=GROUP,
        private=False,
        order="o12",
        text="指令12 东街十七号建设银行门口有人打架",
        buttons=BUTTONS,
        level=2,
        not_after_us=soon_us(),
    )
    return replace(post, **changes)


def edit(post: PostCard, message: str, text: str, **changes) -> EditCard:
    change = EditCard(
        card=post.card,
        chat=post.chat,
        address=post.address,
        message=message,
        private=post.private,
        order=post.order,
        text=text,
        buttons=post.buttons,
        level=post.level,
        not_after_us=soon_us(),
    )
    return replace(change, **changes)


def line(chat: str, text: str, **changes) -> SendText:
    return replace(
        SendText(chat=chat, address=GROUP, text=text, level=2, not_after_us=soon_us()),
        **changes,
    )


class ChatContract:
    """The promises."""

    @pytest.mark.asyncio
    async def test_a_card_is_posted_told_and_settled(self, world: World):
        async with running(world.driver, world.intake):
            world.driver.deliver(Outgoing(id=1, effect=card(world.chat)))
            posted = await world.intake.one(CardPosted)
        (message,) = world.posts(GROUP)
        assert posted.card == "c1"
        assert posted.message == str(message.id)
        assert "建设银行" in message.text
        assert [[key.label for key in row] for row in message.keyboard] == [["收到", "到场"]]
        assert world.intake.begun == [1]
        assert world.intake.settled == [1]

    @pytest.mark.asyncio
    async def test_effects_given_before_the_start_wait_for_it(self, world: World):
        world.driver.deliver(Outgoing(id=1, effect=card(world.chat)))
        async with running(world.driver, world.intake):
            await world.intake.one(CardPosted)
        assert len(world.posts()) == 1

    @pytest.mark.asyncio
    async def test_a_press_names_order_action_and_account_and_is_answered(self, world: World):
        async with running(world.driver, world.intake):
            world.driver.deliver(Outgoing(id=1, effect=card(world.chat)))
            await world.intake.one(CardPosted)
            press = world.press(world.posts()[0], "到场", ZHANG)
            pressed = await world.intake.one(ButtonPressed)
            answer = AnswerPress(
                chat=world.chat, press=pressed.press, text="已到场", alert=False,
                not_after_us=soon_us(),
            )  # fmt: skip
            world.driver.deliver(Outgoing(id=2, effect=answer))
            await world.intake.until(lambda: 2 in world.intake.settled)
        assert (pressed.order, pressed.action, pressed.address) == ("o12", "3", ZHANG)
        assert pressed.chat == world.chat
        assert not pressed.private
        assert world.toast(press) == "已到场"

    @pytest.mark.asyncio
    async def test_a_private_card_goes_to_one_person(self, world: World):
        async with running(world.driver, world.intake):
            mine = card(world.chat, address=ZHANG, private=True)
            world.driver.deliver(Outgoing(id=1, effect=mine))
            await world.intake.one(CardPosted)
            world.press(world.posts(ZHANG)[0], "收到", ZHANG)
            pressed = await world.intake.one(ButtonPressed)
        assert pressed.private
        assert not world.posts(GROUP)

    @pytest.mark.asyncio
    async def test_an_edit_changes_the_card_where_it_stands(self, world: World):
        async with running(world.driver, world.intake):
            post = card(world.chat)
            world.driver.deliver(Outgoing(id=1, effect=post))
            posted = await world.intake.one(CardPosted)
            change = edit(post, posted.message, "指令12 张三已签收", buttons=())
            world.driver.deliver(Outgoing(id=2, effect=change))
            await world.intake.until(lambda: 2 in world.intake.settled)
            again = Outgoing(id=3, effect=change)
            world.driver.deliver(again)
            await world.intake.until(lambda: 3 in world.intake.settled)
        (message,) = world.posts()
        assert message.text == "指令12 张三已签收"
        assert message.keyboard == ()
        assert not world.intake.of(CardFailed)

    @pytest.mark.asyncio
    async def test_a_newer_edit_takes_the_place_of_a_waiting_one(self, world: World):
        async with running(world.driver, world.intake):
            post = card(world.chat)
            world.driver.deliver(Outgoing(id=1, effect=post))
            posted = await world.intake.one(CardPosted)
            for number in range(2, 12):
                change = edit(post, posted.message, f"第{number}版")
                world.driver.deliver(Outgoing(id=number, effect=change))
            await world.intake.until(lambda: set(range(1, 12)) <= set(world.intake.settled))
        (message,) = world.posts()
        assert message.text == "第11版"
        assert len(message.edits) <= 3
        assert sorted(world.intake.settled) == list(range(1, 12))

    @pytest.mark.asyncio
    async def test_words_come_in_with_their_place(self, world: World):
        async with running(world.driver, world.intake):
            world.driver.deliver(Outgoing(id=1, effect=card(world.chat)))
            posted = await world.intake.one(CardPosted)
            world.text(ZHANG, "收到", GROUP, reply_to=int(posted.message))
            first = await world.intake.one(TextReceived)
            world.text(LI, "/start ABCD2345")
            await world.intake.until(lambda: len(world.intake.of(TextReceived)) == 2)
        second = world.intake.of(TextReceived)[1]
        assert (first.text, first.address, first.group) == ("收到", ZHANG, GROUP)
        assert first.reply_to == posted.message
        assert (second.text, second.address, second.group) == ("/start ABCD2345", LI, None)
        assert second.reply_to is None

    @pytest.mark.asyncio
    async def test_photo_voice_and_place_are_kept(self, world: World):
        async with running(world.driver, world.intake):
            world.photo(ZHANG, b"\xff\xd8 photo" * 1000, GROUP, caption="现场")
            world.voice(ZHANG, b"OggS voice" * 100, GROUP)
            world.location(ZHANG, 29.1001, 119.6502, GROUP)
            await world.intake.until(lambda: len(world.intake.of(MediaReceived)) == 3)
        by_kind = {event.kind: event for event in world.intake.of(MediaReceived)}
        photo = world.media_dir / by_kind["photo"].path
        assert photo.read_bytes() == b"\xff\xd8 photo" * 1000
        assert by_kind["photo"].caption == "现场"
        assert (world.media_dir / by_kind["voice"].path).read_bytes() == b"OggS voice" * 100
        assert len(by_kind["voice"].sha256) == 64
        assert by_kind["location"].place == "29100100,119650200"
        assert by_kind["location"].path is None

    @pytest.mark.asyncio
    async def test_a_line_is_written_and_settled(self, world: World):
        async with running(world.driver, world.intake):
            world.driver.deliver(Outgoing(id=5, effect=line(world.chat, "指令12 已取消")))
            await world.intake.until(lambda: 5 in world.intake.settled)
        assert [m.text for m in world.posts(GROUP)] == ["指令12 已取消"]

    @pytest.mark.asyncio
    async def test_nothing_goes_out_after_its_time(self, world: World):
        late = soon_us(-1_000_000)
        async with running(world.driver, world.intake):
            world.driver.deliver(Outgoing(id=1, effect=card(world.chat, not_after_us=late)))
            text = line(world.chat, "迟了", not_after_us=late)
            world.driver.deliver(Outgoing(id=2, effect=text))
            failed = await world.intake.one(CardFailed)
            await world.intake.until(lambda: {1, 2} <= set(world.intake.settled))
        assert failed.state == "expired"
        assert not world.posts()
        assert not world.intake.begun

    @pytest.mark.asyncio
    async def test_a_refusal_for_good_is_told(self, world: World):
        world.refuse(ZHANG)
        async with running(world.driver, world.intake):
            mine = card(world.chat, address=ZHANG, private=True)
            world.driver.deliver(Outgoing(id=1, effect=mine))
            failed = await world.intake.one(CardFailed)
            world.driver.deliver(Outgoing(id=2, effect=line(world.chat, "甲", address=ZHANG)))
            await world.intake.until(lambda: 2 in world.intake.settled)
        assert (failed.card, failed.state) == ("c1", "failed")
        assert failed.reason
        assert world.intake.settled == [1, 2]

    @pytest.mark.asyncio
    async def test_what_waits_for_an_address_is_forgotten_with_it(self, world: World):
        waiting = [
            card(world.chat, address=ZHANG, private=True),
            line(world.chat, "甲", address=ZHANG),
            card(world.chat, "c2", address=LI, private=True),
            ForgetAddress(chat=world.chat, address=ZHANG),
            line(world.chat, "欢迎", address=ZHANG),
        ]
        for id_, effect in enumerate(waiting, 1):
            world.driver.deliver(Outgoing(id=id_, effect=effect))
        async with running(world.driver, world.intake):
            await world.intake.until(lambda: set(range(1, 6)) <= set(world.intake.settled))
        assert [m.text for m in world.posts(ZHANG)] == ["欢迎"], "what came afterwards is his"
        assert len(world.posts(LI)) == 1
        assert not world.intake.of(CardFailed)

    @pytest.mark.asyncio
    async def test_what_may_have_left_before_says_so(self, world: World):
        async with running(world.driver, world.intake):
            world.driver.deliver(Outgoing(id=1, effect=card(world.chat), again=True))
            await world.intake.one(CardPosted)
        assert world.posts()[0].text.startswith("【重发】")
        assert "指令12" in world.posts()[0].text

    @pytest.mark.asyncio
    async def test_updates_wait_for_the_driver_and_come_in_order(self, world: World):
        for number in range(5):
            world.text(ZHANG, f"第{number}句", GROUP)
        async with running(world.driver, world.intake):
            await world.intake.until(lambda: len(world.intake.of(TextReceived)) == 5)
        texts = [event.text for event in world.intake.of(TextReceived)]
        assert texts == [f"第{number}句" for number in range(5)]

    @pytest.mark.asyncio
    async def test_a_kill_before_the_commit_loses_nothing(self, world: World):
        world.intake.commits.clear()
        world.text(ZHANG, "到了", GROUP)
        async with running(world.driver, world.intake):
            await world.intake.until(lambda: any_waits(world.intake))
        assert not world.intake.events
        world.intake.commits.set()
        async with running(world.another_driver(), world.intake):
            heard = await world.intake.one(TextReceived)
        assert heard.text == "到了"

    @pytest.mark.asyncio
    async def test_a_restart_after_the_commit_repeats_nothing(self, world: World):
        async with running(world.driver, world.intake):
            world.text(ZHANG, "到了", GROUP)
            await world.intake.one(TextReceived)
        async with running(world.another_driver(), world.intake):
            world.text(LI, "我也到了", GROUP)
            await world.intake.until(lambda: len(world.intake.of(TextReceived)) == 2)
        assert [e.text for e in world.intake.of(TextReceived)] == ["到了", "我也到了"]
        positions = [int(position) for position in world.intake.cursor_log]
        assert positions == sorted(set(positions))

    @pytest.mark.asyncio
    async def test_repeated_updates_are_taken_once(self, world: World):
        async with running(world.driver, world.intake):
            for text in "甲乙丙":
                world.text(ZHANG, text, GROUP)
            await world.intake.until(lambda: len(world.intake.of(TextReceived)) == 3)
            for _ in range(3):
                world.repeat(3)
            world.text(LI, "丁", GROUP)
            await world.intake.until(lambda: any(e.text == "丁" for e in texts(world)))
        assert [event.text for event in texts(world)] == ["甲", "乙", "丙", "丁"]

    @pytest.mark.asyncio
    async def test_an_absence_is_told_and_what_waited_goes_out_afterwards(self, world: World):
        async with running(world.driver, world.intake):
            await world.intake.until(lambda: world.intake.of(PathChanged) != [])
            await world.leave()
            world.driver.deliver(Outgoing(id=1, effect=card(world.chat)))
            await world.intake.until(lambda: not world.intake.of(PathChanged)[-1].up)
            await world.come_back()
            await world.intake.one(CardPosted)
            # Told soon, not at the end of a long poll.
            await world.intake.until(lambda: world.intake.of(PathChanged)[-1].up, timeout_s=3)
        paths = world.intake.of(PathChanged)
        assert [event.up for event in paths] == [True, False, True]
        assert {event.path for event in paths} == {f"chat:{world.chat}"}
        assert paths[1].reason
        assert len(world.posts()) == 1

    @pytest.mark.asyncio
    async def test_a_platform_absent_at_the_start_is_waited_for(self, world: World):
        await world.leave()
        world.driver.deliver(Outgoing(id=1, effect=card(world.chat)))
        async with running(world.driver, world.intake):
            down = await world.intake.one(PathChanged)
            assert not down.up
            await world.come_back()
            await world.intake.one(CardPosted)
            await world.intake.until(lambda: world.intake.of(PathChanged)[-1].up)

    @pytest.mark.asyncio
    async def test_a_made_up_button_is_refused_and_filed(self, world: World):
        async with running(world.driver, world.intake):
            world.driver.deliver(Outgoing(id=1, effect=card(world.chat)))
            await world.intake.one(CardPosted)
            press = world.press_data(world.posts()[0], "v1.o12.1.zzzzzz.AAAAAAAAAAAAAA", LI)
            filed = await world.intake.one(InputRefused)
            await world.seen(lambda: world.toast(press) is not None)
        assert filed.door == f"chat:{world.chat}"
        assert filed.raw
        assert not world.intake.of(ButtonPressed)


def any_waits(intake: FakeIntake) -> bool:
    return intake.waiting > 0


def texts(world: World) -> list[TextReceived]:
    return world.intake.of(TextReceived)
