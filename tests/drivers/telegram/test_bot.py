"""The Telegram driver against a chat platform on a real socket."""

import pytest_asyncio

from drivers.telegram.bot import TelegramDriver, Tuning
from drivers.telegram.limits import Limits
from drivers.telegram.settings import TelegramChat
from simulators.chat_server import ChatServer
from tests.drivers.chat_contract import GROUP, ChatContract, FakeIntake, RealClock

TOKEN = "123456:CANARY-aGVsbG8tSS1hbS1hLXNlY3JldA"
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
async def server(tmp_path):
    server = ChatServer(TOKEN, {"east": GROUP}, seed=7, log_path=tmp_path / "chat.jsonl")
    server.enforce_limits = False
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture
async def world(server, tmp_path):
    return TelegramWorld(server, tmp_path / "media")


class TestContract(ChatContract):
    """The promises of every chat driver."""
