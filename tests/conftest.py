"""What every test of the project shares."""

import asyncio
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def main_threads_loop() -> Iterator[None]:
    """Give pytest-asyncio a loop to put back: it makes one itself else, and never closes it."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()
