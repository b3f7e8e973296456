"""CAP over a real broker: answered as JSON on …/receipts and in its own words on …/cap."""

import asyncio
import json

import aiomqtt
import pytest

from drivers.cap import format_of
from drivers.mqtt.link import MqttDriver
from gateway.settings.cap import CapSettings
from tests.doors import START_US, FakeClock, FakeEngine
from tests.drivers.cap.cap_messages import SENDER, cap
from tests.drivers.mqtt.conftest import ALERTS, RECEIPTS, door

CAP = "gridcall/v1/donghe/cap"


class KnownOrders(FakeEngine):
    """An engine whose orders tell of their alert, as the records do."""

    async def order(self, order):
        return {
            "id": order,
            "alert": {"sender": SENDER, "id": "JQ-1", "sent_us": START_US, "exercise": False},
        }


async def exchange(broker, *messages, answers, reports):
    """Let a centre send messages; return what it hears on each topic, by topic."""
    engine = KnownOrders()
    written = format_of(CapSettings(senders=(SENDER,), reports=reports), "donghe", "Asia/Shanghai")
    driver = MqttDriver(door(broker), "donghe", engine, FakeClock(), (written,))
    heard = {RECEIPTS: [], CAP: []}
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(driver.run(engine))
        async with aiomqtt.Client("127.0.0.1", broker.port) as centre:
            for topic in heard:
                await centre.subscribe(topic, qos=1)
            await engine.wait_until(lambda: engine.paths() == [True])
            for message in messages:
                await centre.publish(ALERTS, message, qos=1)
            async with asyncio.timeout(10):
                async for message in centre.messages:
                    heard[str(message.topic)].append(message.payload)
                    if [len(h) for h in heard.values()] == answers:
                        break
        task.cancel()
    return heard


@pytest.mark.asyncio
async def test_cap_is_answered_in_json_and_in_cap(broker, alert):
    ours = json.dumps(alert).encode()
    messages = (cap(), cap(sent="2026-11-22T03:00:00Z"), ours)
    heard = await exchange(broker, *messages, answers=[3, 2], reports=False)
    statuses = [json.loads(r)["status"] for r in heard[RECEIPTS]]
    assert sorted(statuses) == ["accepted", "accepted", "refused"]
    kinds = {b"<msgType>Ack<" in answer: answer for answer in heard[CAP]}
    assert set(kinds) == {True, False}
    assert b"never Z" in kinds[False]


@pytest.mark.asyncio
async def test_what_becomes_of_an_order_is_told_in_cap_where_it_is_asked_for(broker):
    heard = await exchange(broker, cap(), answers=[1, 2], reports=True)
    told = [answer.decode() for answer in heard[CAP] if b"<valueName>" in answer]
    assert len(told) == 1
    assert "<value>accepted</value>" in told[0]
    assert f"<references>{SENDER},JQ-1,2026-11-21T19:00:00-00:00</references>" in told[0]
