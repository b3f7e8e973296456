"""A chat server on the real wire, for every test of the driver."""

import pytest_asyncio

from simulators.chat_server import ChatServer
from tests.drivers.chat_contract import GROUP

TOKEN = "123456:CANARY-aGVsbG8tSS1hbS1hLXNlY3JldA"


@pytest_asyncio.fixture
async def server(tmp_path):
    server = ChatServer(TOKEN, {"east": GROUP}, seed=7, log_path=tmp_path / "chat.jsonl")
    server.enforce_limits = False
    await server.start()
    yield server
    await server.stop()
