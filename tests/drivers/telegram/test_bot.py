"""The Telegram driver against a chat platform on a real socket."""

import asyncio
import base64
import contextlib
import logging
import socket

import pytest
import pytest_asyncio
from aiohttp import web
from telegram.error import TelegramError

from drivers.telegram.bot import TelegramDriver, Tuning, plugin
from drivers.telegram.calls import made
from drivers.telegram.limits import Limits
from drivers.telegram.request import AiohttpRequest
from drivers.telegram.settings import TelegramChat
from gateway.core.answers.events import ButtonPressed, MediaReceived, TextReceived
from gateway.core.calls.events import CardFailed, CardPosted
from gateway.core.events import InputRefused, PathChanged
from gateway.interfaces import JournalError, Outgoing, SetupError, Surroundings
from simulators.chat_server import ChatServer
from tests.drivers.chat_contract import (
    GROUP,
    LI,
    ZHANG,
    ChatContract,
    FakeIntake,
    RealClock,
    card,
    running,
    soon_us,
)
from tests.drivers.telegram.conftest import TOKEN

KEY = "callback-key-0123456789"
FAST = Limits(per_chat_per_s=1000, per_group_per_min=100_000, per_s=1000)


class TelegramWorld:
    """The driver, the chat server, and the people in it."""

    def __init__(self, server: ChatServer, media_dir, **tuning):
        self.chat = "work"
        self.server = server
        self.media_dir = media_dir
        self.intake = FakeIntake()
        self.tuning = {"down_after_s": 0.5, "limits": FAST, "chance": lambda: 0.0} | tuning
        self.driver = self.another_driver()

    def another_driver(self, **tuning):
        settings = TelegramChat(
            token={"env": "T"},
            callback_key={"env": "K"},
            groups={"east": GROUP},
            api_base_url=self.server.base_url,
            file_base_url=self.server.file_base_url,
            poll_timeout_s=5,
        )
        return TelegramDriver(
            self.chat,
            settings,
            token=TOKEN,
            callback_key=KEY,
            media_dir=self.media_dir,
            recordings_dir=self.media_dir.with_name("recordings"),
            clock=RealClock(),
            tuning=Tuning(**self.tuning | tuning),
        )

    def text(self, user, text, group=None, reply_to=None):
        return self.server.text(user, text, group, reply_to)

    def press(self, message, label, user):
        return self.server.press(message, label, user)

    press_data = press

    def photo(self, user, data, group=None, caption=""):
        return self.server.photo(user, data, group, caption=caption)

    def voice(self, user, data, group=None):
        return self.server.voice(user, data, group)

    def location(self, user, lat, lon, group=None):
        return self.server.location(user, lat, lon, group)

    def posts(self, address=None):
        return self.server.posts(address)

    def toast(self, press):
        return next((t.text for t in self.server.toasts if t.press == press), None)

    def refuse(self, address):
        self.server.blocked.add(int(address))

    def repeat(self, count):
        self.server.repeat(count)

    async def leave(self):
        await self.server.stop()

    async def come_back(self):
        await self.server.start()

    async def seen(self, holds):
        await self.server.wait_until(holds)


@pytest_asyncio.fixture
async def world(server, tmp_path):
    return TelegramWorld(server, tmp_path / "media")


class TestContract(ChatContract):
    """The promises of every chat driver."""


def private(name, user=ZHANG, **changes):
    return card("work", name, address=user, private=True, **changes)


def post(world, outbox, effect, **more):
    world.driver.deliver(Outgoing(id=outbox, effect=effect, **more))


def posted(world):
    return {event.card for event in world.intake.of(CardPosted)}


class TestFaults:
    """What the platform does to us."""

    @pytest.mark.asyncio
    async def test_a_lost_answer_makes_one_marked_repetition(self, world, server):
        server.fail_next("sendMessage", "lost")
        async with running(world.driver, world.intake):
            post(world, 1, card("work"))
            told = await world.intake.one(CardPosted)
        first, second = server.posts()
        assert not first.text.startswith("【重发】")
        assert second.text == "【重发】" + first.text
        assert told.message == str(second.id)
        assert world.intake.settled == [1]

    @pytest.mark.asyncio
    @pytest.mark.parametrize("kind", ["500", "502", "hang"])
    async def test_a_fault_of_the_platform_is_waited_out(self, server, tmp_path, kind):
        world = TelegramWorld(server, tmp_path, answer_s=0.3)
        server.fail_next("sendMessage", kind, times=2)
        async with running(world.driver, world.intake):
            post(world, 1, card("work"))
            post(world, 2, private("c2"))
            await world.intake.until(lambda: posted(world) == {"c1", "c2"})
        assert len(server.posts()) == 2
        assert sorted(world.intake.settled) == [1, 2]

    @pytest.mark.asyncio
    async def test_only_the_chat_that_is_too_busy_waits(self, world, server):
        server.fail_next("sendMessage", "429")
        loop = asyncio.get_running_loop()
        async with running(world.driver, world.intake):
            began = loop.time()
            post(world, 1, card("work"))
            await server.wait_until(lambda: "429" in [call.answer for call in server.calls])
            post(world, 2, private("c2"))
            post(world, 3, private("c3", LI))
            await world.intake.until(lambda: {"c2", "c3"} <= posted(world))
            assert loop.time() - began < 0.9
            assert "c1" not in posted(world)
            await world.intake.until(lambda: "c1" in posted(world))
            assert loop.time() - began >= 1.0
        assert not any(m.text.startswith("【重发】") for m in server.posts())

    @pytest.mark.asyncio
    async def test_in_a_storm_level_1_goes_first_and_no_limit_is_exceeded(
        self, server, tmp_path
    ):
        server.enforce_limits = True
        world = TelegramWorld(server, tmp_path, limits=Limits())
        loop = asyncio.get_running_loop()
        async with running(world.driver, world.intake):
            for number in range(40):
                post(world, number, card("work", f"slow{number}", level=3))
                user = str(700200000 + number)
                post(world, 100 + number, private(f"mine{number}", user, level=2))
            await world.intake.until(lambda: len(posted(world)) >= 25)
            began = loop.time()
            post(world, 900, card("work", "urgent", level=1))
            await world.intake.until(lambda: "urgent" in posted(world))
            assert loop.time() - began < 3.0
        assert {call.answer for call in server.calls} == {"ok"}

    @pytest.mark.asyncio
    async def test_a_person_who_blocks_the_bot_is_told_of_without_secrets(self, world, server):
        server.fail_next("sendMessage", "blocked")
        async with running(world.driver, world.intake):
            post(world, 1, private("c1"))
            failed = await world.intake.one(CardFailed)
        assert failed.state == "failed"
        assert "blocked" in failed.reason

    @pytest.mark.asyncio
    async def test_a_card_that_cannot_leave_in_time_is_told_in_time(self, world):
        async with running(world.driver, world.intake):
            await world.intake.one(PathChanged)
            await world.leave()
            post(world, 1, card("work", not_after_us=soon_us(400_000)))
            failed = await world.intake.one(CardFailed, timeout_s=2.0)
        assert failed.state == "expired"
        assert "no connection" in failed.reason or "connection lost" in failed.reason
        assert world.intake.settled == [1]

    @pytest.mark.asyncio
    async def test_an_unset_clock_expires_nothing(self, world):
        world.driver._sender._clock = UnsetClock()
        async with running(world.driver, world.intake):
            post(world, 1, card("work", not_after_us=1))
            await world.intake.one(CardPosted)

    @pytest.mark.asyncio
    async def test_an_effect_that_cannot_be_sent_stops_nobody(self, world):
        async with running(world.driver, world.intake):
            post(world, 1, card("work", "odd", address="east"))
            post(world, 2, card("work", "odder", order="o|1"))
            post(world, 3, card("work", "good"))
            await world.intake.until(lambda: len(world.intake.settled) == 3)
        assert {event.card for event in world.intake.of(CardFailed)} == {"odd", "odder"}
        assert posted(world) == {"good"}

    @pytest.mark.asyncio
    async def test_a_driver_stopped_in_mid_call_says_it_again_marked(self, world, server):
        server.fail_next("sendMessage", "hang")
        post(world, 1, card("work"))
        async with running(world.driver, world.intake):
            await world.intake.until(lambda: world.intake.of(PathChanged) != [])
            await server.wait_until(lambda: not server._asked_faults["sendmessage"])
        async with running(world.driver, world.intake):
            await world.intake.one(CardPosted)
        assert [m.text[:4] for m in server.posts()] == ["【重发】"]

    @pytest.mark.asyncio
    async def test_a_journal_that_fails_ends_the_driver(self, world):
        class Broken(FakeIntake):
            async def submit(self, event, *, settles=(), cursor=None):
                raise JournalError("the disk is gone")

        with pytest.raises(ExceptionGroup) as caught:
            await world.driver.run(Broken())
        assert caught.group_contains(JournalError)

    @pytest.mark.asyncio
    async def test_a_group_with_a_new_id_is_found_and_its_buttons_work(self, world, server):
        server.migrate("east", -1007777777)
        async with running(world.driver, world.intake):
            post(world, 1, card("work"))
            await world.intake.one(CardPosted)
            server.press(server.posts("east")[0], "收到", ZHANG)
            await world.intake.one(ButtonPressed)
            server.text(ZHANG, "收到", "east")
            heard = await world.intake.one(TextReceived)
        assert heard.group == GROUP


class Line:
    """The line between us and the platform: counts connections, and can be cut."""

    def __init__(self, server):
        self._to = server.port
        self.made = 0
        self._open = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/bot"
        self.file_base_url = self.base_url.replace("/bot", "/file/bot")
        return self

    async def __aexit__(self, *_):
        self._server.close()
        self.cut()

    def cut(self):
        for writer in self._open:
            writer.transport.abort()

    async def _carry(self, reader, writer):
        self.made += 1
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
        ends = {writer, far_writer}
        self._open |= ends
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._one_way(reader, far_writer))
            tasks.create_task(self._one_way(far_reader, writer))
        self._open -= ends

    async def _one_way(self, reader, writer):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                writer.write(data)
        writer.close()


def idle(request):
    """Return how many open connections wait in the pool (aiohttp does not tell it)."""
    return sum(len(held) for held in request._session.connector._conns.values())


async def until(holds):
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110  # the pool tells nobody
            await asyncio.sleep(0.005)


def touches(server):
    return sum(call.method == "getMe" for call in server.calls)


class TestConnections:
    """A card after hours of quiet finds a connection, and a dead one is not used."""

    @pytest.mark.asyncio
    async def test_cards_after_a_quiet_time_find_their_connections_open(self, server, tmp_path):
        async with Line(server) as line:
            world = TelegramWorld(line, tmp_path, warm_every_s=0.3)
            async with running(world.driver, world.intake):
                await world.intake.one(PathChanged)
                await server.wait_until(lambda: len(server.polls) >= 1)
                line.cut()
                touched = touches(server)
                await server.wait_until(lambda: touches(server) >= touched + 4)
                await until(lambda: idle(world.driver._request) == 2)
                made = line.made
                post(world, 1, card("work"))
                post(world, 2, private("c2"))
                await world.intake.until(lambda: posted(world) == {"c1", "c2"})
            assert line.made == made
            assert not any("重发" in message.text for message in server.posts())

    @pytest.mark.asyncio
    async def test_a_connection_that_died_in_the_quiet_is_replaced_and_the_card_goes_once(
        self, server, tmp_path
    ):
        async with Line(server) as line:
            world = TelegramWorld(line, tmp_path, warm_every_s=600)
            async with running(world.driver, world.intake):
                post(world, 1, card("work"))
                await world.intake.one(CardPosted)
                for number in range(2, 6):
                    made = line.made
                    line.cut()
                    await server.wait_until(lambda made=made: line.made > made)
                    post(world, number, private(f"c{number}"))
                    await world.intake.until(lambda n=number: f"c{n}" in posted(world))
        assert len(server.posts()) == 5
        assert not any("重发" in message.text for message in server.posts())

    @pytest.mark.asyncio
    async def test_the_system_watches_each_connection(self, server):
        request = AiohttpRequest(TOKEN)
        await request.initialize()
        bot = made(TOKEN, server.base_url, server.file_base_url, request)
        await bot.get_me()
        assert idle(request) == 1
        (held,) = request._session.connector._conns.values()
        sock = held[0][0].transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 15
        await request.shutdown()


def texts(world):
    return [event.text for event in world.intake.of(TextReceived)]


class UnsetClock(RealClock):
    def synchronised(self):
        return False


class TestUpdates:
    """What comes in."""

    @pytest.mark.asyncio
    async def test_the_offset_stays_until_the_commit(self, world, server):
        async with running(world.driver, world.intake):
            await world.intake.one(PathChanged)
            world.intake.commits.clear()
            world.text(ZHANG, "到了", GROUP)
            await world.intake.until(lambda: world.intake.waiting == 1)
            assert not any(offset and offset > 1000 for offset in server.polls)
            world.intake.commits.set()
            await world.intake.one(TextReceived)
            await world.intake.until(lambda: world.intake.cursors != {})
            world.text(ZHANG, "完成", GROUP)
            await world.intake.until(lambda: len(world.intake.of(TextReceived)) == 2)
        assert 1002 in server.polls
        assert world.intake.cursors == {"telegram:work": "1002"}

    @pytest.mark.asyncio
    async def test_a_photo_on_its_way_into_the_journal_keeps_the_offset(self, world, server):
        world.intake.held = (MediaReceived,)
        world.intake.commits.clear()
        async with running(world.driver, world.intake):
            world.photo(ZHANG, b"photo", GROUP)
            await world.intake.until(lambda: world.intake.waiting == 1)
            for text in "甲乙":
                world.text(LI, text, GROUP)
                await world.intake.until(lambda t=text: texts(world)[-1:] == [t])
            assert max(offset or 0 for offset in server.polls) <= 1001
            assert world.intake.cursors == {}
            world.intake.commits.set()
            await world.intake.one(MediaReceived)
            await world.intake.until(lambda: world.intake.cursors != {})
        assert world.intake.cursors == {"telegram:work": "1001"}

    @pytest.mark.asyncio
    async def test_a_broken_update_is_filed_and_its_neighbours_are_taken(self, world, server):
        world.text(ZHANG, "甲", GROUP)
        odd = {"message_id": "x", "chat": {"id": int(GROUP)}, "from": {"id": 1}, "text": "?"}
        server.push({"message": odd})
        server.push({"callback_query": "nonsense"})
        server.push({"some_new_kind": {"deep": [1, 2, 3]}})
        world.text(ZHANG, "乙", GROUP)
        async with running(world.driver, world.intake):
            await world.intake.until(lambda: len(world.intake.of(TextReceived)) == 2)
        filed = world.intake.of(InputRefused)
        assert len(filed) == 2
        assert "nonsense" in base64.b64decode(filed[1].raw).decode()
        assert world.intake.cursors["telegram:work"] == "1005"

    @pytest.mark.asyncio
    async def test_many_forged_presses_do_nothing(self, world, server):
        async with running(world.driver, world.intake):
            post(world, 1, card("work"))
            await world.intake.one(CardPosted)
            message = server.posts()[0]
            good = message.key("收到").data
            for number in range(150):
                at = number % len(good)
                data = good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1 :]
                server.press(message, data, LI)
            await world.intake.until(lambda: len(world.intake.of(InputRefused)) == 150)
            server.press(message, "收到", ZHANG)
            await world.intake.one(ButtonPressed)
            await server.wait_until(lambda: len(server.toasts) == 150)
        assert len(world.intake.of(ButtonPressed)) == 1

    @pytest.mark.asyncio
    async def test_updates_out_of_order_are_put_in_order(self, world, server):
        server.shuffle = True
        for number in range(30):
            world.text(ZHANG, str(number), GROUP)
        async with running(world.driver, world.intake):
            await world.intake.until(lambda: len(world.intake.of(TextReceived)) == 30)
        assert [e.text for e in world.intake.of(TextReceived)] == [str(n) for n in range(30)]

    @pytest.mark.asyncio
    async def test_hostile_words_come_through_as_words(self, world):
        hostile = [
            "/start ' OR 1=1 --",
            "http://169.254.169.254/latest",
            "\u202e@all",
            "<b>x",
            "%s{}",
        ]
        async with running(world.driver, world.intake):
            for text in hostile:
                world.text(LI, text, GROUP)
            await world.intake.until(lambda: len(world.intake.of(TextReceived)) == len(hostile))
        assert [event.text for event in world.intake.of(TextReceived)] == hostile

    @pytest.mark.asyncio
    async def test_a_file_is_tried_again_and_a_lost_one_is_told_without(self, world, server):
        server.fail_next("file", "500", times=2)
        async with running(world.driver, world.intake):
            world.voice(ZHANG, b"OggS good", GROUP)
            good = await world.intake.one(MediaReceived)
            gone = world.voice(ZHANG, b"OggS gone", GROUP)
            server.lose_file(gone)
            await world.intake.until(lambda: len(world.intake.of(MediaReceived)) == 2)
        assert (world.media_dir / good.path).read_bytes() == b"OggS good"
        lost = world.intake.of(MediaReceived)[1]
        assert (lost.path, lost.sha256, lost.kind) == (None, None, "voice")

    @pytest.mark.asyncio
    async def test_a_file_too_large_is_not_taken_in(self, world, server):
        message = world.voice(ZHANG, b"x", GROUP)
        server._files[message.file] = bytes(11 * 1024 * 1024)
        async with running(world.driver, world.intake):
            heard = await world.intake.one(MediaReceived)
        assert heard.path is None
        assert not world.media_dir.exists()

    @pytest.mark.asyncio
    async def test_a_press_does_not_wait_behind_a_slow_photo(self, server, tmp_path):
        world = TelegramWorld(server, tmp_path / "media", answer_s=0.8)
        async with running(world.driver, world.intake):
            post(world, 1, card("work"))
            await world.intake.one(CardPosted)
            server.fail_next("file", "hang")
            world.photo(ZHANG, b"slow", GROUP)
            await server.wait_until(lambda: any(c.method == "getFile" for c in server.calls))
            server.press(server.posts()[0], "收到", LI)
            await world.intake.one(ButtonPressed)
            assert not world.intake.of(MediaReceived)
            await world.intake.one(MediaReceived)
            world.text(LI, "末", GROUP)
            await world.intake.one(TextReceived)
        assert world.intake.of(MediaReceived)[0].path
        assert len(world.intake.of(ButtonPressed)) == 1
        assert world.intake.cursor_log == ["1002", "1003"]


class Echo:
    """A proxy's error page: whatever is asked, it answers with the address that was asked."""

    def __init__(self):
        self.status = 404
        self.asked = 0
        self.body = None
        self.elsewhere = "http://127.0.0.1:1"

    async def __aenter__(self):
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        self.runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.base_url = f"http://127.0.0.1:{self.runner.addresses[0][1]}/bot"
        self.file_base_url = self.base_url.replace("/bot", "/file/bot")
        return self

    async def __aexit__(self, *_):
        await self.runner.cleanup()

    async def answer(self, request):
        self.asked += 1
        if self.status == 302:
            raise web.HTTPFound(self.elsewhere + request.path)
        if self.body is not None:
            return web.json_response(self.body, status=self.status)
        body = {"ok": False, "description": f"no such page: {request.url}"}
        if self.status == 400:
            return web.json_response(body, status=400)
        return web.Response(status=self.status, text=f"<html>{request.url}</html>")


class TestSecrets:
    """The token stands in every URL, and nowhere else."""

    @pytest.mark.asyncio
    @pytest.mark.parametrize("status", [200, 302, 400, 401, 404, 500])
    async def test_a_page_that_repeats_the_url_tells_nobody(self, tmp_path, caplog, status):
        caplog.set_level(logging.DEBUG)
        async with Echo() as echo:
            echo.status = status
            world = TelegramWorld(echo, tmp_path, down_after_s=0.01)
            async with running(world.driver, world.intake):
                post(world, 1, card("work", not_after_us=soon_us(500_000)))
                await world.intake.one(CardFailed)
                await world.intake.until(lambda: world.intake.of(PathChanged) != [])
        assert_secret(caplog, world)

    @pytest.mark.asyncio
    @pytest.mark.parametrize("status", [200, 302, 400, 401, 404, 500])
    async def test_its_error_does_not_carry_the_url_either(self, status):
        request = AiohttpRequest(TOKEN)
        await request.initialize()
        async with Echo() as echo:
            echo.status = status
            bot = made(TOKEN, echo.base_url, echo.file_base_url, request)
            with pytest.raises(TelegramError) as caught:
                await bot.get_me()
            await request.shutdown()
        assert not [text for text in whole(caught.value) if SECRET in text]

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (200, {"ok": False, "description": "said nicely"}),
            (200, {"ok": True, "result": True}),
            (200, {"ok": True, "result": {"message_id": "7"}}),
            (200, {"ok": True, "result": {"message_id": -1}}),
            (200, [1]),
            (400, {"description": 7, "parameters": [1]}),
            (400, {"description": "x", "parameters": {"migrate_to_chat_id": "elsewhere"}}),
            (400, {"description": "x", "parameters": {"retry_after": "soon"}}),
            (403, {"description": ["no"], "parameters": 1}),
            (429, {"description": "x", "parameters": {"retry_after": float("nan")}}),
            (429, {"description": "x", "parameters": {"retry_after": -(10**400)}}),
        ],
    )
    @pytest.mark.asyncio
    async def test_an_answer_of_a_wrong_shape_ends_nothing_but_its_call(
        self, tmp_path, status, body
    ):
        async with Echo() as echo:
            echo.status, echo.body = status, body
            world = TelegramWorld(echo, tmp_path)
            async with running(world.driver, world.intake):
                post(world, 1, card("work", not_after_us=soon_us(200_000)))
                await world.intake.one(CardFailed)
        assert world.intake.settled == [1]

    @pytest.mark.asyncio
    async def test_a_redirection_is_not_followed(self):
        request = AiohttpRequest(TOKEN)
        await request.initialize()
        async with Echo() as echo, Echo() as thief:
            echo.status, echo.elsewhere = 302, thief.base_url
            bot = made(TOKEN, echo.base_url, echo.file_base_url, request)
            with pytest.raises(TelegramError):
                await bot.get_me()
            await request.shutdown()
        assert echo.asked == 1
        assert thief.asked == 0

    @pytest.mark.asyncio
    async def test_no_fault_of_the_line_tells_the_token(self, server, tmp_path, caplog):
        caplog.set_level(logging.DEBUG)
        world = TelegramWorld(server, tmp_path, answer_s=0.2, down_after_s=0.01)
        for kind in ("lost", "500", "hang", "429", "blocked"):
            server.fail_next("sendMessage", kind)
        async with running(world.driver, world.intake):
            for number in range(5):
                post(world, number, private(f"c{number}", str(700300000 + number)))
            world.photo(ZHANG, b"photo", GROUP)
            await world.intake.until(lambda: len(set(world.intake.settled)) == 5)
            await world.leave()
            await world.intake.until(lambda: not world.intake.of(PathChanged)[-1].up)
        assert_secret(caplog, world)
        assert TOKEN not in (tmp_path / "chat.jsonl").read_text()

    @pytest.mark.asyncio
    async def test_errors_and_names_do_not_carry_it(self, server):
        request = AiohttpRequest(TOKEN, connect_s=0.3, answer_s=0.3)
        await request.initialize()
        bot = made(TOKEN, server.base_url, server.file_base_url, request)
        told = [repr(bot), str(bot)]
        server.fail_next("getMe", "lost")
        server.fail_next("getMe", "hang")
        for _ in range(3):
            if len(told) > 3:
                await server.stop()
            with pytest.raises(TelegramError) as caught:
                await bot.get_me()
            told += whole(caught.value)
        await request.shutdown()
        await server.start()
        assert not [text for text in told if SECRET in text]

    def test_a_short_key_is_refused_by_its_place(self, tmp_path, server_stub):
        with pytest.raises(SetupError, match=r"chats\.work\.callback_key.*16 characters"):
            TelegramDriver(
                "work",
                server_stub,
                token=TOKEN,
                callback_key="short",
                media_dir=tmp_path,
                recordings_dir=tmp_path,
                clock=RealClock(),
            )

    def test_the_plugin_reads_secrets_from_their_places(
        self, tmp_path, monkeypatch, server_stub
    ):
        monkeypatch.setenv("T", TOKEN)
        monkeypatch.setenv("K", KEY)
        around = Surroundings(
            site="donghe",
            language="en",
            base_dir=tmp_path,
            state_dir=tmp_path,
            clock=RealClock(),
            queries=None,
        )
        driver = plugin.build("work", server_stub, around)
        assert driver.name == "chat:work"


SECRET = TOKEN.partition(":")[2]


@pytest.fixture
def server_stub():
    return TelegramChat(token={"env": "T"}, callback_key={"env": "K"}, groups={"east": GROUP})


def assert_secret(caplog, world):
    lines = [record.getMessage() + str(record.exc_text) for record in caplog.records]
    texts = [*lines, *map(repr, world.intake.events), caplog.text]
    assert not [text for text in texts if SECRET in text]


def whole(error):
    """Return every text of an error and of all that hangs on it."""
    chain = [error]
    for one in chain:
        chain += [
            e for e in (one.__cause__, one.__context__) if e is not None and e not in chain
        ]
    return [f"{e!r} {e} {vars(e) if hasattr(e, '__dict__') else ''}" for e in chain]
