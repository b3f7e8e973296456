"""The chat in memory keeps the promises of every chat driver."""

import pytest

from drivers.memory.chat import MemoryChat
from tests.drivers.chat_contract import ChatContract, FakeIntake, RealClock


class MemoryWorld:
    """The driver, which is its own platform."""

    chat = "work"

    def __init__(self, media_dir):
        self.media_dir = media_dir
        self.intake = FakeIntake()
        self.driver = MemoryChat(self.chat, RealClock(), media_dir)
        for act in ("text", "press", "photo", "voice", "location", "repeat"):
            setattr(self, act, getattr(self.driver, act))
        self.press_data = self.driver.press

    def another_driver(self):
        return self.driver

    def posts(self, address=None):
        return [m for m in self.driver.messages if address in (None, m.address)]

    def toast(self, press):
        return self.driver.toasts.get(press)

    def refuse(self, address):
        self.driver.refused.add(address)

    async def leave(self):
        self.driver.leave()

    async def come_back(self):
        self.driver.come_back()

    async def seen(self, holds):
        assert holds()


@pytest.fixture
def world(tmp_path):
    return MemoryWorld(tmp_path / "media")


class TestContract(ChatContract):
    """The promises of every chat driver."""
