"""`python -m simulators RESOLVED.json`: the outside of any site, on the ports it names.

One JSON object a line on standard output; commands, one a line, on standard input:
``{"do": "code", "person": …, "code": …}``. It ends on SIGTERM, on Ctrl-C and when standard
input ends; without one (``</dev/null``, or in a shell's background) it goes on.
Exit status: 0 done, 2 usage, 3 a port is taken or a file is missing.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import stat
import sys
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import yaml

from simulators.scenario import Scenario, reasons
from simulators.world import Fault, World


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    about = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m simulators", description=about)
    parser.add_argument("resolved", type=Path, help="resolved settings, JSON")
    parser.add_argument("--scenario", type=Path, help="who answers how, YAML")
    parser.add_argument("--logs", type=Path, help="folder of logs and sound")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--speed", type=float, default=1.0, help="divides people's delays")
    parser.add_argument("--break", dest="faults", type=Fault, action="append")
    return parser.parse_args(argv)


def _world(options: argparse.Namespace) -> World:
    seed = options.seed if options.seed is not None else random.randrange(1 << 30)
    scenario = yaml.safe_load(options.scenario.read_text("utf-8")) if options.scenario else {}
    return World(
        site=json.loads(options.resolved.read_text("utf-8")),
        scenario=scenario,
        logs=options.logs,
        seed=seed,
        speed=options.speed,
        faults=frozenset(options.faults or ()),
    )


def _read_lines(take: Callable[[bytes | None], object]) -> None:
    """Hand over each line of standard input, and None at its end; blocks, so in a thread."""
    rest = b""
    # Not sys.stdin: its lock would be held at the interpreter's end.
    while block := _block():
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            take(line)
    take(None)


def _block() -> bytes:
    try:
        return os.read(0, 65536)
    except OSError:
        return b""


def _no_input() -> bool:
    """Return whether there is nobody at standard input: closed, or the empty device."""
    try:
        ours, empty = os.fstat(0), Path(os.devnull).stat()
    except OSError:
        return True
    return stat.S_ISCHR(ours.st_mode) and ours.st_rdev == empty.st_rdev


def _obey(world: World, stop: asyncio.Event, line: bytes | None) -> None:
    if line is None:
        sys.stderr.write("standard input has ended: so does the outside\n")
        stop.set()
        return
    try:
        said: Any = json.loads(line)
        if said["do"] == "code":
            world.give_code(said["person"], said["code"])
    except (ValueError, KeyError, TypeError):
        world.tell("refused", text='a command is {"do": "code", "person": "…", "code": "…"}')


async def _run(world: World) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def take(line: bytes | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            loop.call_soon_threadsafe(_obey, world, stop, line)

    async with AsyncExitStack() as stack:
        await world.start(stack)
        world.tell("ready", text=f"seed {world.seed}", seed=world.seed)
        if _no_input():
            sys.stderr.write("no standard input: no commands; end it with Ctrl-C or SIGTERM\n")
        else:
            threading.Thread(target=_read_lines, args=(take,), daemon=True).start()
        async with asyncio.TaskGroup() as group:
            part = world.scenario.get("centre")
            play = group.create_task(Scenario(world, part).run()) if part else None
            await stop.wait()
            if play is not None:
                play.cancel()


def main(argv: list[str] | None = None) -> int:
    """Run the outside until told to stop; return the exit status."""
    options = _arguments(argv)
    world = None
    try:
        world = _world(options)
        asyncio.run(_run(world))
    except* (OSError, ValueError, TypeError, yaml.YAMLError) as errors:
        ready = world is not None and world.ready
        sys.stderr.write(f"the outside {'breaks off' if ready else 'does not start'}:\n")
        sys.stderr.writelines(f"  {reason}\n" for reason in reasons(errors))
        sys.exit(3)
    return 0


if __name__ == "__main__":
    sys.exit(main())
