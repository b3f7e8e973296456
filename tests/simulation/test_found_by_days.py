"""What simulated days have found, each told once more as a small story."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.clocks import Clocks
from gateway.core.events import ClockStepped, TimerFired
from gateway.core.order import Put, Timer
from gateway.virtual_time import VirtualClock, VirtualLoop
from tests.stories.world import US, Merge, World

HOUR_S = 3600


def _told(
    folder: Path, story: Callable[[World], Awaitable[None]], *settings: Merge
) -> World:
    """Return the world in which a story was told on virtual time."""

    async def tell() -> World:
        world = World(folder, *settings)
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


@pytest.mark.parametrize("back_s", [600, HOUR_S])
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


def test_what_the_police_have_taken_over_calls_nobody_any_more(tmp_path: Path) -> None:
    """The repetition waits for a channel on which people talk; meanwhile the police come."""

    async def story(world: World) -> None:
        receipt = await world.alert(grid="east")
        await world.sleep(55)
        world.jam("east", 40)
        await world.sleep(15)
        await world.act("handover", order=receipt.order)
        await world.sleep(120)
        assert len(world.pages("east")) == 1

    _told(tmp_path, story)


def test_whoever_is_late_for_a_drill_reads_that_it_was_one(tmp_path: Path) -> None:
    """His answer comes after the end, or he was never meant: both lines say 演练 twice."""

    async def story(world: World) -> None:
        receipt = await world.act("drill", grid="east", text="演练内容")
        assert receipt is not None
        assert receipt.order is not None
        await world.sleep(20)
        await world.write("sun", "01号 收到")
        await world.close(receipt.order)
        await world.write("zhang", "01号 出警")
        for who in ("sun", "zhang"):
            line = world.chat.lines(who)[-1]
            assert line.startswith("【演练】")
            assert line.endswith("【演练】")
            assert "演01号" in line

    _told(tmp_path, story)


def test_a_clock_that_was_moved_does_not_ring_before_the_move_is_on_the_disk() -> None:
    """It is put off in the very moment in which it rings: it rings once, when it then should."""
    rung: list[int | None] = []

    async def story() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        clock = VirtualClock(loop, 0)
        timer = Timer(id="ladder/o1", order="o1", what="ladder", due_us=10 * US)
        known = {timer.id: timer}

        def take(event: TimerFired | ClockStepped) -> None:
            assert isinstance(event, TimerFired)
            rung.append(event.due_us)

        clocks = Clocks(clock, known.get, take, lambda _: None)
        clocks.arm(timer)
        known[timer.id] = later = replace(timer, due_us=70 * US)
        await asyncio.sleep(15)
        assert rung == []
        clocks.follow([Put(later)])
        await asyncio.sleep(60)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(story())
    assert rung == [70 * US]


def test_an_order_called_off_says_that_the_clock_was_moved_before_all_knew(
    tmp_path: Path,
) -> None:
    """Who says 知道了 after that has a time that cannot be compared with the others."""

    async def story(world: World) -> None:
        receipt = await world.alert(grid="east")
        await world.sleep(20)
        await world.cancel()
        await world.sleep(20)
        world.clock.moved_us += 600 * US
        await world.sleep(20)
        assert receipt.order is not None
        (order,) = [o for o in _last(world, "order") if o["id"] == receipt.order]
        assert "clock_stepped" in order["flags"]

    _told(tmp_path, story)


def test_a_clock_set_back_an_hour_as_it_is_struck_has_nothing_ring_before_the_next() -> None:
    """What rang at that hour is set for the same hour again, which is still to come."""
    told: list[str] = []

    async def story() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        clock = VirtualClock(loop, 0)
        timer = Timer(id="roll_call/r", order="r", what="roll_call", due_us=HOUR_S * US)
        known = {timer.id: timer}

        def take(event: TimerFired | ClockStepped) -> None:
            told.append(type(event).__name__)
            if isinstance(event, ClockStepped):
                known[timer.id] = replace(timer)

        clocks = Clocks(clock, known.get, take, lambda _: None)
        clocks.begin(0)
        clocks.arm(timer)
        await asyncio.sleep(HOUR_S - 1)
        clock.moved_us = -HOUR_S * US
        await asyncio.sleep(10)
        assert told == ["ClockStepped"]
        clocks.follow([Put(known[timer.id])])
        await asyncio.sleep(HOUR_S)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(story())
    assert told == ["ClockStepped", "TimerFired"]


def test_a_roll_is_called_once_though_the_clock_is_led_gently(tmp_path: Path) -> None:
    """The monotonic clock comes to the half hour before the wall clock, which is slowed down."""
    every_half_hour = {"readiness": {"roll_calls": [{"every_min": 30}]}}

    async def story(world: World) -> None:
        for _ in range(100):
            await world.sleep(20)
            world.clock.moved_us -= 10_000
        called = [e for e in world.centre.found("roll_call") if "勤务计划" in (e.detail or "")]
        assert len(called) == 1

    _told(tmp_path, story, every_half_hour)
