"""Stories in real time, played side by side: each waits for sound, and little for a processor."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

Story = Callable[[Path], Coroutine[None, None, None]]
Outcomes = dict[str, BaseException | None]


class SideBySide:
    """The stories of one file."""

    def __init__(self, at_once: int) -> None:
        self.stories: dict[str, Story] = {}
        self._at_once = at_once

    def story(self, play: Story) -> Story:
        self.stories[play.__name__] = play
        return play

    def play(self, request: pytest.FixtureRequest, folders: pytest.TempPathFactory) -> Outcomes:
        """Play the stories that were asked for; return what went wrong in each."""
        asked = [
            item.callspec.params["name"]
            for item in request.session.items
            if item.fspath == request.fspath and "outcomes" in item.fixturenames
        ]
        # Short: a socket's path has no room for a whole sentence.
        return asyncio.run(self._play_all({n: folders.mktemp(n[:12]) for n in asked}))

    async def _play_all(self, folders: dict[str, Path]) -> Outcomes:
        turns = asyncio.Semaphore(self._at_once)

        async def play(name: str) -> None:
            async with turns:
                await self.stories[name](folders[name])

        tasks = {name: asyncio.create_task(play(name)) for name in folders}
        await asyncio.wait(tasks.values())
        return {name: task.exception() for name, task in tasks.items()}
