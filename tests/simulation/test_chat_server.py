"""The simulated platform keeps Telegram's rules, and goes wrong only where it is asked to."""

import asyncio
import json

import aiohttp
import pytest
import pytest_asyncio

from simulators.chat_rooms import FloodControl, PlatformError
from simulators.chat_server import ChatServer
from simulators.faults import Faults

TOKEN = "42:CANARY"
EAST = -1001
ZHANG = 700100034


class Bot:
    """A bare client: no library of the gateway's between it and the wire."""

    def __init__(self, server, session):
        self.server, self.session = server, session

    async def call(self, method, _token=TOKEN, **params):
        data = {
            k: json.dumps(v) if isinstance(v, dict | list) else str(v)
            for k, v in params.items()
        }
        url = f"{self.server.base_url}{_token}/{method}"
        async with self.session.post(url, data=data) as answer:
            json_body = answer.content_type == "application/json"
            return answer.status, await answer.json() if json_body else {}

    async def done(self, method, **params):
        status, body = await self.call(method, **params)
        assert status == 200, body
        return body["result"]

    async def refused(self, method, **params):
        status, body = await self.call(method, **params)
        assert not body["ok"]
        assert body["error_code"] == status
        return status, body

    async def say(self, text="指令12", chat=EAST, **more):
        return await self.done("sendMessage", chat_id=chat, text=text, **more)


@pytest_asyncio.fixture
async def bot(tmp_path):
    server = ChatServer(TOKEN, {"east": EAST}, seed=3, log_path=tmp_path / "chat.jsonl")
    async with server, aiohttp.ClientSession() as session:
        yield Bot(server, session)


def keyboard(*labels):
    return {"inline_keyboard": [[{"text": t, "callback_data": f"d:{t}"} for t in labels]]}


@pytest.mark.asyncio
async def test_a_message_stands_with_its_buttons_and_history(bot):
    sent = await bot.say(reply_markup=keyboard("收到", "到场"))
    bot.server.enforce_limits = False
    await bot.done(
        "editMessageText",
        chat_id=EAST,
        message_id=sent["message_id"],
        text="张三已签收",
        reply_markup=keyboard("到场"),
    )
    (message,) = bot.server.posts("east")
    assert message.text == "张三已签收"
    assert [key.label for row in message.keyboard for key in row] == ["到场"]
    assert [version.text for version in message.edits] == ["指令12", "张三已签收"]


@pytest.mark.asyncio
async def test_a_press_comes_as_an_update_and_its_toast_is_seen(bot):
    await bot.say(reply_markup=keyboard("收到"))
    press = bot.server.press(bot.server.posts()[0], "收到", ZHANG)
    (update,) = await bot.done("getUpdates", timeout=1)
    query = update["callback_query"]
    assert (query["id"], query["data"], query["from"]["id"]) == (press, "d:收到", ZHANG)
    assert query["message"]["chat"]["id"] == EAST
    await bot.done(
        "answerCallbackQuery", callback_query_id=press, text="已签收", show_alert=True
    )
    assert (await bot.server.wait_toast(press)).text == "已签收"
    _, body = await bot.refused("answerCallbackQuery", callback_query_id=press)
    assert "query is too old" in body["description"]


@pytest.mark.asyncio
async def test_updates_stay_until_an_offset_confirms_them(bot):
    for text in "甲乙丙":
        bot.server.text(ZHANG, text, "east")
    first = await bot.done("getUpdates")
    again = await bot.done("getUpdates")
    assert [u["message"]["text"] for u in first] == list("甲乙丙")
    assert again == first
    rest = await bot.done("getUpdates", offset=first[1]["update_id"])
    assert [u["message"]["text"] for u in rest] == list("乙丙")
    assert await bot.done("getUpdates", offset=first[2]["update_id"] + 1) == []
    assert await bot.done("getUpdates") == []
    bot.server.repeat(2)
    assert [u["message"]["text"] for u in await bot.done("getUpdates")] == list("乙丙")


@pytest.mark.asyncio
async def test_a_long_poll_waits_for_news_and_a_second_one_ends_it(bot):
    async with asyncio.TaskGroup() as tasks:
        older = tasks.create_task(bot.refused("getUpdates", timeout=20))
        await bot.server.wait_until(lambda: len(bot.server.polls) == 1)
        newer = tasks.create_task(bot.done("getUpdates", timeout=20))
        status, _ = await older
        assert status == 409
        bot.server.text(ZHANG, "到了")
        (update,) = await newer
    assert update["message"]["chat"]["type"] == "private"


@pytest.mark.asyncio
async def test_files_can_be_fetched_with_the_token_only(bot):
    bot.server.voice(ZHANG, b"OggS", "east")
    (update,) = await bot.done("getUpdates")
    file = await bot.done("getFile", file_id=update["message"]["voice"]["file_id"])
    url = bot.server.file_base_url + TOKEN + "/" + file["file_path"]
    async with bot.session.get(url) as answer:
        assert await answer.read() == b"OggS"
    async with bot.session.get(url.replace(TOKEN, "43:X")) as answer:
        assert answer.status == 404
    status, _ = await bot.refused("getFile", file_id="none")
    assert status == 400


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("method", "params", "words"),
    [
        ("sendMessage", {"text": "x" * 4097}, "too long"),
        ("sendMessage", {"text": "😀" * 2049}, "too long"),
        ("sendMessage", {"text": " "}, "empty"),
        ("sendMessage", {"text": "x", "chat_id": -5}, "chat not found"),
        ("sendMessage", {"text": "x", "reply_markup": "{"}, "parse"),
        (
            "sendMessage",
            {"text": "x", "reply_markup": keyboard("x" * 63)},
            "BUTTON_DATA_INVALID",
        ),
        ("editMessageText", {"text": "x", "message_id": 99}, "not found"),
    ],
)
async def test_what_the_platform_refuses(bot, method, params, words):
    status, body = await bot.refused(method, **({"chat_id": EAST} | params))
    assert status == 400
    assert words in body["description"]
    assert not bot.server.posts()


@pytest.mark.asyncio
async def test_an_unchanged_edit_is_refused_in_telegrams_words(bot):
    bot.server.enforce_limits = False
    sent = await bot.say()
    _, body = await bot.refused(
        "editMessageText", chat_id=EAST, message_id=sent["message_id"], text="指令12"
    )
    assert "message is not modified" in body["description"]


@pytest.mark.asyncio
async def test_a_wrong_token_and_a_wrong_method_are_refused(bot):
    assert (await bot.call("getMe", _token="42:OTHER"))[0] == 401
    assert (await bot.refused("noSuchMethod"))[0] == 404


@pytest.mark.asyncio
async def test_one_message_a_second_to_one_chat(bot):
    await bot.say()
    status, body = await bot.refused("sendMessage", chat_id=EAST, text="zwei")
    assert (status, body["parameters"]) == (429, {"retry_after": 1})
    await bot.say(chat=ZHANG)
    bot.server.enforce_limits = False
    await bot.say()


def test_flood_limits_are_those_of_the_platform():
    flood = FloodControl()
    for second in range(20):
        flood.admit(EAST, second * 1.0)
    with pytest.raises(PlatformError) as caught:
        flood.admit(EAST, 20.0)
    assert caught.value.parameters == {"retry_after": 40}
    flood.admit(EAST, 60.0)
    for user in range(1, 30):
        flood.admit(user, 60.5)
    with pytest.raises(PlatformError):
        flood.admit(99, 60.6)
    flood.admit(99, 61.5)


@pytest.mark.asyncio
async def test_faults_come_as_asked_and_only_then(bot):
    bot.server.enforce_limits = False
    for kind, status in (("500", 500), ("502", 502), ("429", 429), ("blocked", 403)):
        bot.server.fail_next("sendMessage", kind)
        url = f"{bot.server.base_url}{TOKEN}/sendMessage"
        async with bot.session.post(url, data={"chat_id": EAST, "text": kind}) as answer:
            assert answer.status == status
    assert not bot.server.posts()
    bot.server.fail_next("sendMessage", "lost")
    with pytest.raises(aiohttp.ClientError):
        await bot.say("lost")
    bot.server.fail_next("*", "hang")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await bot.say("hang")
    await bot.say("gut")
    assert [m.text for m in bot.server.posts()] == ["lost", "gut"]
    answers = [call.answer for call in bot.server.calls]
    assert answers == ["500", "502", "429", "blocked", "lost", "ok"]


@pytest.mark.asyncio
async def test_faults_by_chance_come_from_their_seed(bot):
    bot.server.enforce_limits = False
    bot.server._faults = Faults(seed=5, chat_error_5xx=0.5)
    statuses = [(await bot.call("sendMessage", chat_id=EAST, text="x"))[0] for _ in range(20)]
    expected = Faults(seed=5, chat_error_5xx=0.5)
    assert statuses == [502 if expected.draw("chat_error_5xx") else 200 for _ in range(20)]


@pytest.mark.asyncio
async def test_blocked_people_and_moved_groups(bot):
    bot.server.blocked.add(ZHANG)
    status, _ = await bot.refused("sendMessage", chat_id=ZHANG, text="x")
    assert status == 403
    bot.server.migrate("east", -1009)
    status, body = await bot.refused("sendMessage", chat_id=EAST, text="x")
    assert (status, body["parameters"]) == (400, {"migrate_to_chat_id": -1009})
    await bot.say(chat=-1009)


@pytest.mark.asyncio
async def test_waiting_ends_with_the_message_or_with_the_time(bot):
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(bot.server.wait_message(lambda m: "12" in m.text, 5))
        await bot.say()
        assert (await waiting).text == "指令12"
    with pytest.raises(TimeoutError):
        await bot.server.wait_message(lambda m: "13" in m.text, 0.05)


@pytest.mark.asyncio
async def test_everything_is_written_down_without_the_token(bot, tmp_path):
    await bot.say(f"zufällig {TOKEN}", reply_markup=keyboard("收到"))
    bot.server.press(bot.server.posts()[0], "收到", ZHANG)
    bot.server.text(ZHANG, "到了", "east")
    await bot.server.stop()
    text = (tmp_path / "chat.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["what"] for line in lines] == [
        "started", "message", "call", "press", "said", "stopped",
    ]  # fmt: skip
    assert all(line["at_us"] > 0 and line["mono_s"] > 0 for line in lines)
    assert lines[1]["keyboard"] == [[["收到", "d:收到"]]]
    assert TOKEN not in text
    await bot.server.start()


@pytest.mark.asyncio
async def test_after_a_stop_it_is_there_again_with_all_that_was(bot):
    await bot.say()
    bot.server.text(ZHANG, "到了", "east")
    port = bot.server.port
    await bot.server.stop()
    with pytest.raises(aiohttp.ClientError):
        await bot.done("getMe")
    await bot.server.start()
    assert bot.server.port == port
    assert len(await bot.done("getUpdates")) == 1
    assert len(bot.server.posts()) == 1
