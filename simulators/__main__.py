"""`python -m simulators RESOLVED.json`: the outside of any site, on the ports it names.

One JSON object a line on standard output; commands, one a line, on standard input:
``{"do": "code", "person": …, "code": …}``. It ends on SIGTERM and when standard input ends.
"""

import argparse
import asyncio
import json
import random
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import yaml

from simulators.scenario import Scenario, plant
from simulators.world import Fault, World


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulators", description=__doc__)
    parser.add_argument("resolved", type=Path, help="resolved settings, JSON")
    parser.add_argument("--scenario", type=Path, help="who answers how, YAML")
    parser.add_argument("--logs", type=Path, help="folder of logs and sound")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--speed", type=float, default=1.0, help="divides people's delays")
    parser.add_argument("--break", dest="fault", type=Fault, choices=list(Fault))
    return parser.parse_args()


async def _commands(world: World, stop: asyncio.Event) -> None:
    """Take commands until standard input ends, which stops the world."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        said: Any = json.loads(line)
        if said.get("do") == "code":
            world.give_code(said["person"], said["code"])
    stop.set()


async def _run(options: argparse.Namespace) -> None:
    site = json.loads(options.resolved.read_text("utf-8"))
    scenario: dict[str, Any] = {}
    if options.scenario:
        scenario = yaml.safe_load(options.scenario.read_text("utf-8"))
    seed = options.seed if options.seed is not None else random.randrange(1 << 30)
    world = World(
        site=site, scenario=scenario, logs=options.logs, seed=seed, speed=options.speed,
        fault=options.fault,
    )  # fmt: skip
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        await world.start(stack)
        plant(world)
        world.tell("ready", text=f"seed {seed}", seed=seed)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(stop.wait())]
            if not sys.stdin.isatty():
                tasks.append(group.create_task(_commands(world, stop)))
            if "centre" in scenario:
                play = Scenario(world, scenario["centre"])
                tasks.append(group.create_task(play.run()))
            await stop.wait()
            for task in tasks:
                task.cancel()


if __name__ == "__main__":
    asyncio.run(_run(_arguments()))
