"""A clock that was set back: nobody's time in the record runs backwards for it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.virtual_time import VirtualLoop
from tests.stories.world import US, World

HOUR_S = 3600


def _told(folder: Path, story: Callable[[World], Awaitable[None]]) -> World:
    """Return the world in which a story was told on virtual time."""

    async def tell() -> World:
        world = World(folder)
        async with asyncio.TaskGroup() as group:
            await world.open(group)
            await story(world)
            await world.close_world()
        return world

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(tell())


def _last(world: World, kind: str) -> list[dict[str, object]]:
    tables = world._tables
    return [json.loads(put.body) for (k, _), put in tables.entities.items() if k == kind]


@pytest.mark.parametrize("back_s", [60, HOUR_S])
def test_nobody_is_told_or_closes_before_the_order_was_opened(
    back_s: int, tmp_path: Path
) -> None:
    """The clock is set back while an order is open; neighbours are called, and it is closed."""

    async def story(world: World) -> None:
        receipt = await world.alert(grid="east")
        world.clock.moved_us -= back_s * US
        await world.until(lambda: world.chat.card("chen"), limit_s=300)
        await world.press("chen", "收到")
        assert receipt.order is not None
        await world.close(receipt.order)

    world = _told(tmp_path, story)
    (order,) = _last(world, "order")
    opened_us, closed_us = order["opened_us"], order["closed_us"]
    assert isinstance(opened_us, int)
    assert isinstance(closed_us, int)
    stamps = [s for part in _last(world, "assignment") for s in part["stamps"]]  # type: ignore[attr-defined]
    assert "acknowledged" in {s["node"] for s in stamps}
    assert min(s["at_us"] for s in stamps) >= opened_us
    assert closed_us >= opened_us
