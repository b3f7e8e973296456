"""README's chapter for command centres, run as it stands, against doors with a real engine."""

import asyncio
import json
import os
import re
import shutil
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from drivers.cap import format_of
from drivers.mqtt.link import MqttDriver
from drivers.mqtt.settings import MqttDoor
from gateway.core.alert import Level
from gateway.core.order import Order, OrderStatus
from gateway.core.order import Path as PathState
from gateway.journal import SqliteJournal
from gateway.settings import HttpDoor
from gateway.settings.cap import CapSettings
from gateway.web.app import build
from gateway.web.server import listen, serve
from tests.core.test_engine import Running
from tests.doors import Broker
from tests.web.conftest import make_tokens

README = Path(__file__).parents[2] / "README.md"
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


def examples(language):
    chapter = README.read_text("utf-8").split("## Connecting a command centre")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", chapter, re.DOTALL)


@dataclass
class Centre:
    """A site whose doors stand open, and the environment in which the examples run."""

    running: Running
    environment: dict

    async def run(self, *command, limit_s=30):
        """Return what an example prints."""
        process = await asyncio.create_subprocess_exec(
            *command, env=os.environ | self.environment, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(limit_s):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode == 0, err.decode()
        assert "rror" not in err.decode(), err.decode()
        return out.decode()

    def orders(self):
        return sorted(self.running.state.each(Order), key=lambda o: o.id)


@asynccontextmanager
async def open_site(tmp_path, broker_port=None):
    journal_file = tmp_path / "journal.sqlite3"
    journal = SqliteJournal(journal_file, boot_id="test")
    formats = (format_of(CapSettings(senders=("zhzx@county.gov.cn",)), "county", "Asia/Shanghai"),)
    async with Running(journal, records=journal_file) as running:
        engine, clock = running.engine, running.clock
        tokens, entries = make_tokens()
        http = HttpDoor(listen="127.0.0.1:0", tokens=entries)
        app = build(http, engine, engine, None, clock, tmp_path, tmp_path, formats)
        sock = listen(http)
        environment = {
            "TOKEN": tokens["centre"], "SITE": "county", "BROKER": "127.0.0.1",
            "HTTP": f"http://127.0.0.1:{sock.getsockname()[1]}", "PORT": str(broker_port),
        }  # fmt: skip
        async with asyncio.TaskGroup() as tasks:
            started = [tasks.create_task(serve(app, http, sock))]
            if broker_port is not None:
                door = MqttDoor(host="127.0.0.1", port=broker_port, client_id="gridcall-county")
                driver = MqttDriver(door, "county", engine, clock, formats)
                started.append(tasks.create_task(driver.run(engine)))
                await running.until(lambda: running.state.find(PathState, "mqtt"), "the broker")
            yield Centre(running, environment)
            for task in started:
                task.cancel()
    await journal.close()


@pytest.mark.asyncio
async def test_the_example_for_curl_works(tmp_path):
    over_http, _ = examples("sh")
    async with open_site(tmp_path) as centre:
        said = await centre.run("bash", "-c", over_http)
        (order,) = centre.orders()
        assert (order.status, order.alert.text) == (OrderStatus.CANCELLED, "两人持刀")
        assert (order.alert.level, order.grids[0], order.outcome) == (Level.ONE, "G1", "误报")
    receipts = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert [r["status"] for r in receipts] == ["accepted"] * 3
    assert {r["order"] for r in receipts} == {"o1"}
    assert '"node":"accepted"' in said


@pytest.mark.asyncio
async def test_the_example_for_mosquitto_works(tmp_path):
    if MOSQUITTO is None or shutil.which("mosquitto_pub") is None:
        pytest.skip("mosquitto_pub is not installed: apt-get install mosquitto mosquitto-clients")
    _, over_mqtt = examples("sh")
    with Broker(tmp_path, MOSQUITTO).running() as broker:
        async with open_site(tmp_path, broker.port) as centre:
            receipt = json.loads(await centre.run("bash", "-eu", "-c", over_mqtt))
            assert (receipt["status"], receipt["id"]) == ("accepted", "CK-7")
            assert centre.orders()[0].alert.machine.host == "2252"


@pytest.mark.asyncio
async def test_the_example_in_python_works(tmp_path):
    (example,) = examples("python")
    async with open_site(tmp_path) as centre:
        said = await centre.run(sys.executable, "-c", example)
        fire, fight = centre.orders()
        assert (fire.alert.incident, fire.grids, fire.alert.level) == ("SJ-9", ("G1",), 1)
        assert (fight.alert.place, fight.grids, fight.alert.level) == ("东街", ("G1",), 1)
    receipt, _, answer = said.partition("\n")
    assert json.loads(receipt)["status"] == "accepted"
    assert "<msgType>Ack</msgType>" in answer
    assert "zhzx@county.gov.cn,JQ-3,2026-11-22T03:00:00+08:00" in answer
