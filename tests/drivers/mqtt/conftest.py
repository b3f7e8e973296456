"""The MQTT driver on a real broker of its own, with a plain client in the centre's place."""

import asyncio
import json
import shutil
import socket
from contextlib import asynccontextmanager

import aiomqtt
import pytest
import pytest_asyncio

from drivers.mqtt.link import MqttDriver
from drivers.mqtt.settings import MqttDoor
from tests.doors import Broker, FakeClock, FakeEngine

ALERTS, RECEIPTS = "gridcall/v1/donghe/alerts", "gridcall/v1/donghe/receipts"
EVENTS, HEALTH = "gridcall/v1/donghe/events", "gridcall/v1/donghe/health"
# Debian puts daemons where a user's path does not look.
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


@pytest.fixture
def broker(tmp_path):
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    with Broker(tmp_path, MOSQUITTO).running() as running:
        yield running


@pytest.fixture
def engine():
    return FakeEngine()


def door(broker, **changes):
    values = {"host": "127.0.0.1", "port": broker.port, "client_id": "gridcall-donghe"}
    return MqttDoor(**(values | {"heartbeat_s": 1, "keepalive_s": 5} | changes))


@asynccontextmanager
async def running(engine, settings):
    driver = MqttDriver(settings, "donghe", engine, FakeClock())
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(driver.run(engine))
        yield task
        task.cancel()


class Centre:
    """A plain MQTT client that remembers all it hears."""

    def __init__(self, client):
        self.client = client
        self.heard = []
        self._more = asyncio.Event()

    async def listen(self):
        async for message in self.client.messages:
            content = json.loads(message.payload)
            self.heard.append((message.topic.value, content, message.retain))
            self._more.set()

    async def send(self, content, *, topic=ALERTS, retain=False):
        payload = content if isinstance(content, bytes) else json.dumps(content).encode()
        await self.client.publish(topic, payload, qos=1, retain=retain)

    def on(self, topic):
        return [content for where, content, _ in self.heard if where == topic]

    async def wait(self, holds, time_s=10.0):
        async with asyncio.timeout(time_s):
            while not holds():
                self._more.clear()
                await self._more.wait()

    def health(self):
        """Return the last word of health, or None."""
        return next((h["status"] for h in reversed(self.on(HEALTH))), None)

    async def receipts(self, count):
        await self.wait(lambda: len(self.on(RECEIPTS)) >= count)
        return self.on(RECEIPTS)


@asynccontextmanager
async def centre_at(broker):
    async with (
        aiomqtt.Client(
            "127.0.0.1",
            broker.port,
            protocol=aiomqtt.ProtocolVersion.V5,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        ) as client,
        asyncio.TaskGroup() as tasks,
    ):
        for topic in (RECEIPTS, EVENTS, HEALTH):
            await client.subscribe(topic, qos=1)
        centre = Centre(client)
        listening = tasks.create_task(centre.listen())
        yield centre
        listening.cancel()


@pytest_asyncio.fixture
async def centre(broker):
    async with centre_at(broker) as opened:
        yield opened


@pytest.fixture
def alert():
    return {
        "kind": "alert",
        "id": "JQ-1",
        "sender": "zhzx",
        "sent": "2026-11-22T03:00:00+08:00",
        "category": "fight",
        "level": 2,
        "text": "东街十七号建设银行门口有人打架",
    }
