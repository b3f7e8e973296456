"""`make bench`: the installed daemon measured from outside, beside this machine's floors.

Nothing here passes or fails by a figure; each stands beside its target. It refuses to measure
in memory: on tmpfs a commit costs nothing.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import alerts, burst, frames, growth, peers, radio, start, storm
from tests.bench.figures import absent, page, show, with_page
from tests.bench.machine import NO_DISK, describe, file_system
from tests.bench.outside import MOSQUITTO
from tests.bench.radio import RadioSizes
from tests.doors import Broker

_BEGAN_S = time.monotonic()
README = Path(__file__).parents[2] / "README.md"


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        receipts: Alerts one at a time, by each door.
        chat: Alerts at ten a second.
        pages: Pages not cached, and as many cached.
        burst: Alerts at once.
        storm_alerts: Alerts of the storm, over ``storm_s`` seconds.
        frames_s: Frames listened to, idle.
        frames_channels: Sizes of the radio process whose frames are timed.
        idle_s: How long an idle daemon's processor is watched.
        verify_orders: Closed orders in the journal that is verified while frames are counted.
        closed: Closed orders of the cold starts.
        starts: Starts with each of them.
        journal: Rows by one caller, and by a hundred.
        steps: Steps and routings of each kind, and clocks of an idle ladder.
        peer: Alerts to a peer at ten a second.
        radio: How much of the radio's hearing and keying.
    """

    receipts: int = 200
    chat: int = 200
    pages: int = 10
    burst: int = 400
    storm_alerts: int = 600
    storm_s: int = 60
    frames_s: int = 15
    frames_channels: tuple[int, ...] = (8, 16)
    idle_s: int = 15
    verify_orders: int = 50_000
    closed: tuple[int, ...] = (0, 10_000, 500_000, 1_000_000)
    starts: int = 2
    journal: tuple[int, int] = (500, 5_000)
    steps: int = 200
    peer: int = 200
    radio: RadioSizes = field(default_factory=RadioSizes)


QUICK = Sizes(
    receipts=30, chat=50, pages=2, burst=200, storm_alerts=60, storm_s=6, frames_s=3,
    frames_channels=(8,), idle_s=3, verify_orders=3_000, closed=(0, 10_000), starts=1,
    journal=(100, 1_000), steps=30, peer=30, radio=radio.QUICK,
)  # fmt: skip
# A storm takes as long as what it leaves unsaid takes to expire.
NOT_QUICK = ("storm",)
GROUPS = {
    "receipts": alerts.measured,
    "burst": burst.measured,
    "storm": storm.measured,
    "frames": frames.measured,
    "memory": frames.memory,
    "start": start.cold_starts,
    "journal": start.journal,
    "growth": growth.measured,
    "peers": peers.measured,
    "radio": radio.measured,
}


async def measured(folder, sizes, mqtt_port, groups):
    """Return every row of the groups, in the order of their numbers."""
    rows = []
    for name in groups:
        _say(name)
        room = folder / name
        room.mkdir()
        try:
            rows += await GROUPS[name](room, sizes, mqtt_port)
        except (AssertionError, OSError, ValueError, LookupError, ExceptionGroup) as error:
            # What a minute has measured is not thrown away for the sake of the next.
            why = f"failed: {_reason(error)}"
            _say(f"{name}: {why}")
            rows.append(absent(f"99 {name}", "", why))
    return sorted(rows, key=lambda row: int(row.name.split()[0]))


def _reason(error):
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {str(error)[:300]}".replace("\n", " ")


async def _until_told(folder, sizes, mqtt_port, groups):
    """Return the rows; SIGTERM stops it as Ctrl-C does, so that no daemon is left behind."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await measured(folder, sizes, mqtt_port, groups)


def _say(what):
    sys.stderr.write(f"bench: {time.monotonic() - _BEGAN_S:4.0f} s: {what} …\n")


def _arguments():
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer of everything")
    parser.add_argument("--only", action="append", choices=GROUPS, help="one group; repeatable")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="where to write")
    parser.add_argument("--dir", type=Path, default=Path(), help="a folder on the disk to measure")
    parser.add_argument("--readme", action="store_true", help="put the table into README.md")
    given = parser.parse_args()
    if given.readme and given.only:
        parser.error("--readme takes a run of every group, not --only")
    kind = file_system(given.dir)
    if kind in NO_DISK:
        parser.exit(2, f"{given.dir.resolve()} is on {kind}: give --dir a folder on a disk\n")
    return given


def main():
    """Measure, print the table, write the JSON and, if asked, the README's section."""
    given = _arguments()
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=given.dir) as made, ExitStack() as stack:
        folder = Path(made).resolve()
        machine = describe(folder)
        mqtt_port = None
        if MOSQUITTO is not None:
            (folder / "broker").mkdir()
            mqtt_port = stack.enter_context(Broker(folder / "broker", MOSQUITTO).running()).port
        sizes = QUICK if given.quick else Sizes()
        groups = given.only or [g for g in GROUPS if not (given.quick and g in NOT_QUICK)]
        rows = asyncio.run(_until_told(folder, sizes, mqtt_port, groups))
    if given.quick and not given.only:
        machine["left_out"] = ", ".join(NOT_QUICK)
    machine["load_1min_after"] = round(os.getloadavg()[0], 2)
    machine["took_s"] = round(time.monotonic() - _BEGAN_S)
    machine["quick"] = given.quick
    content = {"machine": machine, "rows": [row.as_json() for row in rows]}
    given.json.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", "utf-8")
    show(machine, rows)
    if given.readme:
        README.write_text(with_page(README.read_text("utf-8"), page(machine, rows)), "utf-8")


if __name__ == "__main__":
    main()
