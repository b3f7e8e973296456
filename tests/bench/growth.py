"""Rows of the core alone: one step and one routing in a small and a large register."""

import time
from dataclasses import replace

from gateway.core.alert import Alert, AlertKind, Level
from gateway.core.calls.routing import find_grid, guards_on_duty
from gateway.core.dispatch import step
from gateway.core.intake.events import AlertReceived
from gateway.core.people import Person
from gateway.core.places import Grid
from gateway.core.state import State
from tests.bench.figures import Row, times
from tests.core.site_for_tests import NOON_US, make_site, point

PER_GRID = 10
SIDE = 10_000


SMALL, LARGE = 100, 100_000


async def measured(folder, sizes, mqtt_port):
    """Return the rows of a small and a large register, and how much slower the large one is."""
    del folder, mqtt_port
    small, large = (growth(people, sizes.steps) for people in (SMALL, LARGE))
    # Reaching a microsecond more often than not means nothing; the median of many does.
    times_more = [
        Row(f"12 growth of {a.name.split(',')[0][3:]}, 100 → 100,000 people", "×", a.count,
            b.p50 / a.p50, target={"p50": 3}, note="of the medians")
        for a, b in zip(small, large, strict=True)
    ]  # fmt: skip
    return [*small, *(row.aiming(p99=1) if "routing" in row.name else row for row in large),
            *times_more]  # fmt: skip


def growth(people, count):
    """Return the rows at so many people, ten of them in each grid."""
    site = replace(make_site(), grids={g.id: g for g in map(_grid, range(people // PER_GRID))})
    state = State(
        Person(id=f"p{n}", name="张三", guard_code=str(n), grids=(f"n{n // PER_GRID}",), crew="A")
        for n in range(people)
    )
    asked = [n * 7919 % len(site.grids) for n in range(count)]
    ways = {
        "grid named": lambda n: {"grid": f"n{n}"},
        "by point": lambda n: {"location": point(*_corner(n, inside=500))},
        "by alias": lambda n: {"place": f"巷口{n}号"},
    }
    size = f"{people:,} people, {len(site.grids):,} grids"
    for way in ways.values():
        _routed(state, site, _alert(0, **way(0)))  # what is built once, at the first alert
    rows = [
        times(f"12 routing {name}, {size}", [_routed(state, site, _alert(n, **way(n))) for n in asked])
        for name, way in ways.items()
    ]
    spent = [_stepped(state, site, _alert(n, grid=f"n{n}")) for n in asked]
    return [*rows, times(f"12 step(alert), {size}", spent)]


def _corner(n, inside=0):
    return 20_000_000 + n // 100 * SIDE + inside, 100_000_000 + n % 100 * SIDE + inside


def _grid(n):
    lat, lon = _corner(n)
    return Grid(
        id=f"n{n}", name=f"网格甲{n}乙", zone="town", aliases=(f"巷口{n}号",), channel="ch1",
        chat="work/east",
        polygon=((lat, lon), (lat, lon + SIDE), (lat + SIDE, lon + SIDE), (lat + SIDE, lon)),
    )  # fmt: skip


def _alert(n, **fields):
    return Alert(
        kind=AlertKind.ALERT, id=f"A{n}", sender="bench", sent_us=NOON_US, category="fight",
        level=Level.TWO, text="打架", body_sha256=f"{n:064x}", **fields,
    )  # fmt: skip


def _routed(state, site, alert):
    began = time.perf_counter()
    grid = find_grid(site, alert)
    guards = guards_on_duty(state, site, grid, NOON_US)
    spent_s = time.perf_counter() - began
    assert grid == f"n{alert.id[1:]}" and len(guards) == PER_GRID, (grid, alert)
    return spent_s


def _stepped(state, site, alert):
    event = AlertReceived(at_us=NOON_US, door="http", alert=alert)
    began = time.perf_counter()
    outcome = step(state, site, event)
    spent_s = time.perf_counter() - began
    assert outcome.changes
    return spent_s
