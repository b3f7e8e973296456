"""`make bench`: the installed daemon measured from outside, beside the floors of this machine.

Nothing here passes or fails by a figure. It refuses to measure in memory: on tmpfs a commit
costs nothing.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.bench import alerts, journal, start
from tests.bench.figures import show
from tests.bench.growth import growth
from tests.bench.machine import NO_DISK, describe, file_system
from tests.bench.outside import MOSQUITTO, ManyChats
from tests.doors import Broker

_BEGAN_S = time.monotonic()


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    receipts: int = 200
    chat: int = 200
    pages: int = 5
    burst: int = 400
    closed: tuple[int, ...] = (0, 10_000, 100_000)
    journal: tuple[int, int] = (500, 5_000)
    steps: int = 100


QUICK = Sizes(
    receipts=50, chat=50, pages=2, burst=100, closed=(0, 10_000), journal=(100, 1_000), steps=20
)


async def measured(folder, sizes, mqtt_port):
    """Return every row, in the order of the list in README.md."""
    lab = ManyChats(_room(folder, "alerts"), mqtt_port=mqtt_port)
    async with lab:
        _say("receipts")
        rows, commit_ms, call_ms = await alerts.receipts_by_http(lab, sizes.receipts)
        if mqtt_port is not None:
            rows += await alerts.receipts_by_mqtt(lab, sizes.receipts, commit_ms)
        _say("chat calls")
        rows.append(await alerts.to_chat(lab, sizes.chat, commit_ms + 2 * call_ms))
        _say("transmitter keyed")
        rows += await alerts.to_ptt(lab, sizes.pages)
        _say("burst")
        rows += await alerts.burst(lab, sizes.burst)
    _say("cold starts")
    started, path = await start.cold_starts(_room(folder, "starts"), sizes.closed)
    _say("journal")
    one, many = sizes.journal
    rows += started
    rows.append(await journal.rows_a_second(folder, 1, one, commit_ms))
    rows.append(await journal.rows_a_second(folder, 100, many, commit_ms))
    rows.append(await asyncio.to_thread(journal.verified_a_second, path))
    _say("county")
    rows.append(await start.county(_room(folder, "county")))
    _say("growth")
    for people in (100, 100_000):
        rows += growth(people, sizes.steps)
    return sorted(rows, key=lambda row: row.name[:1] if row.name[:1].isdigit() else "0")


def _room(folder, name):
    room = folder / name
    room.mkdir()
    return room


def _say(what):
    sys.stderr.write(f"bench: {time.monotonic() - _BEGAN_S:4.0f} s: {what} …\n")


def main():
    """Measure, print the table and write the JSON."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer of everything, about 90 s")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="where to write")
    parser.add_argument("--dir", type=Path, default=Path(), help="a folder on the disk to measure")
    given = parser.parse_args()
    kind = file_system(given.dir)
    if kind in NO_DISK:
        parser.exit(2, f"{given.dir.resolve()} is on {kind}: give --dir a folder on a disk\n")
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=given.dir) as made, ExitStack() as stack:
        folder = Path(made).resolve()
        machine = describe(folder)
        mqtt_port = None
        if MOSQUITTO is not None:
            broker_room = _room(folder, "broker")
            mqtt_port = stack.enter_context(Broker(broker_room, MOSQUITTO).running()).port
        rows = asyncio.run(measured(folder, QUICK if given.quick else Sizes(), mqtt_port))
    machine["load_1min_after"] = round(os.getloadavg()[0], 2)
    machine["took_s"] = round(time.monotonic() - _BEGAN_S)
    machine["quick"] = given.quick
    if mqtt_port is None:
        machine["skipped"] = "MQTT rows: mosquitto is not installed"
    content = {"machine": machine, "rows": [row.as_json() for row in rows]}
    given.json.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", "utf-8")
    show(machine, rows)


if __name__ == "__main__":
    main()
