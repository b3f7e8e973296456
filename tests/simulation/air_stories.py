"""A channel whose time passes as fast as it is computed, and what stands on it in tests."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from simulators.ether import Ether, Over
from simulators.tones import FRAME_S, Samples

T = TypeVar("T")


class Listener:
    """A base radio that plays the frames it is given and keeps what it hears."""

    kind = "base"

    def __init__(self, ether: Ether, who: str = "base", strength: float = 1.0) -> None:
        self.who = who
        self.strength = strength
        self.frames: list[Samples] = []
        self.squelch: list[bool] = []
        self.to_say: list[Samples] = []
        ether.attach(self)

    def radiate(self) -> Samples | None:
        return self.to_say.pop(0) if self.to_say else None

    def hear(self, frame: Samples, *, squelch_open: bool) -> None:
        self.frames.append(frame)
        self.squelch.append(squelch_open)

    def recorded(self, over: Over) -> None:
        pass


class Clockless:
    """Carries frames for as long as there is work, without waiting for the clock."""

    def __init__(self, ether: Ether) -> None:
        self.ether = ether
        self.now_s = 0.0

    async def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds / FRAME_S)):
            self.ether.tick(self.now_s)
            self.now_s += FRAME_S
            await asyncio.sleep(0)

    async def during(self, *works: Awaitable[T]) -> list[T]:
        """Returns what the works return, after half a second more."""

        async def done(work: Awaitable[T]) -> T:
            return await work

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(done(work)) for work in works]
            for _ in range(3000):
                await asyncio.sleep(0)
                if all(task.done() for task in tasks):
                    break
                self.ether.tick(self.now_s)
                self.now_s += FRAME_S
            assert all(task.done() for task in tasks), "not done within a minute on the air"
        await self.pass_time(0.5)
        return [task.result() for task in tasks]
