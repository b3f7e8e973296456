"""Alerts over a real broker: none lost by a crash, a restart or nonsense, each told apart."""

import asyncio
import base64
import json
import time

import aiomqtt
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.mqtt.codec import Incoming
from drivers.mqtt.link import EVENT_BATCH, EVENTS_CURSOR, RECEIPT_WINDOW, Turns
from gateway.core.centre.report_json import EVENT_SCHEMA, HEALTH_SCHEMA, RECEIPT_SCHEMA
from gateway.interfaces import Cursor
from tests.drivers.mqtt.conftest import (
    ALERTS,
    EVENTS,
    HEALTH,
    RECEIPTS,
    centre_at,
    door,
    running,
)
from tests.drivers.mqtt.tap import PUBACK, tapped, until


async def up(engine, times=1):
    await engine.wait_until(lambda: engine.paths().count(True) >= times)


@pytest.mark.asyncio
async def test_an_alert_gets_its_receipt_and_then_its_event(broker, centre, engine, alert):
    async with running(engine, door(broker)):
        await up(engine)
        await centre.send(alert)
        await centre.wait(lambda: centre.on(EVENTS))
    (receipt,), (event,) = centre.on(RECEIPTS), centre.on(EVENTS)
    jsonschema.validate(receipt, RECEIPT_SCHEMA)
    jsonschema.validate(event, EVENT_SCHEMA)
    assert (receipt["status"], receipt["sender"], receipt["id"]) == ("accepted", "zhzx", "JQ-1")
    assert (event["journal"], event["node"]) == (receipt["journal"], "accepted")
    order = [topic for topic, _, _ in centre.heard if topic in (RECEIPTS, EVENTS)]
    assert order == [RECEIPTS, EVENTS], "receipts leave ahead of events"
    assert engine.alerts()[0].door == "mqtt"


@pytest.mark.asyncio
async def test_a_repeat_is_a_duplicate_and_another_body_a_conflict(
    broker, centre, engine, alert
):
    async with running(engine, door(broker)):
        await up(engine)
        for message in (alert, alert, alert | {"level": 1}):
            await centre.send(message)
        receipts = await centre.receipts(3)
    assert [r["status"] for r in receipts] == ["accepted", "duplicate", "conflict"]
    assert len({r["order"] for r in receipts}) == 1


@pytest.mark.asyncio
async def test_a_crash_between_delivery_and_commit_loses_nothing(broker, centre, engine, alert):
    engine.open_gate.set()
    async with running(engine, door(broker)):
        await up(engine)
        engine.open_gate.clear()  # the disk hangs: nothing is committed any more
        for n in range(5):
            await centre.send(alert | {"id": f"JQ-{n}"})
        await asyncio.sleep(0.2)
        assert engine.alerts() == []
        assert centre.on(RECEIPTS) == [], "no receipt before the commit"
    assert engine.alerts() == []
    engine.open_gate.set()
    async with running(engine, door(broker)):
        receipts = await centre.receipts(5)
    assert sorted(r["id"] for r in receipts) == [f"JQ-{n}" for n in range(5)]
    assert [e.alert.id for e in engine.alerts()] == [f"JQ-{n}" for n in range(5)]


@pytest.mark.asyncio
async def test_what_was_sent_while_we_were_away_waits_for_us(broker, centre, engine, alert):
    async with running(engine, door(broker)):
        await up(engine)
    await centre.send(alert)
    async with running(engine, door(broker)):
        assert (await centre.receipts(1))[0]["status"] == "accepted"


@pytest.mark.asyncio
async def test_a_broker_restart_is_told_and_survived(broker, engine, alert):
    async with running(engine, door(broker)):
        async with centre_at(broker) as centre:
            await up(engine)
            await centre.send(alert)
            await centre.receipts(1)
        broker.stop()
        await engine.wait_until(lambda: engine.paths() == [True, False])
        broker.start()
        await up(engine, times=2)
        async with centre_at(broker) as centre:
            await centre.send(alert | {"id": "JQ-2"})
            assert (await centre.receipts(1))[0]["status"] == "accepted"
    assert engine.paths() == [True, False, True]


@pytest.mark.asyncio
async def test_a_broker_absent_at_the_start_is_told_and_waited_for(broker, engine, alert):
    broker.stop()
    async with running(engine, door(broker)):
        await engine.wait_until(lambda: engine.paths() == [False])
        reason = next(e.reason for e in engine.rows)
        assert reason.startswith("command_centre.mqtt:")
        engine.report(node="told")
        broker.start()
        async with centre_at(broker) as centre:
            await up(engine)
            await centre.wait(lambda: centre.on(EVENTS))
    assert engine.paths() == [False, True]
    assert centre.on(EVENTS)[0]["node"] == "told", "what happened meanwhile is told"


@pytest.mark.asyncio
async def test_poison_is_put_aside_and_the_door_goes_on(broker, centre, engine, alert):
    poison = [
        b"",
        b"\xff",
        b"[" * 60_000,
        json.dumps(alert | {"level": 9}).encode(),
        b"x" * 70_000,
    ]
    async with running(engine, door(broker)):
        await up(engine)
        for payload in poison:
            await centre.send(payload)
        await centre.send(alert)
        receipts = await centre.receipts(6)
    assert [(r["status"], r["id"]) for r in receipts] == [
        ("refused", None),
        ("refused", None),
        ("refused", None),
        ("refused", "JQ-1"),
        ("refused", None),
        ("accepted", "JQ-1"),
    ], "what cannot be read is not passed over in silence"
    assert receipts[3]["reason"] == "level: must be 1 to 3; got 9"
    assert all(r["reason"] for r in receipts[:5])
    for receipt in receipts:
        jsonschema.validate(receipt, RECEIPT_SCHEMA)
    kept = engine.refused()
    assert [base64.b64decode(e.raw) for e in kept] == [p[:4096] for p in poison]
    assert "limit is 65536" in kept[4].reason
    async with running(engine, door(broker)):
        await up(engine, times=2)
        await centre.send(alert)
        await centre.receipts(7)
    assert len(engine.refused()) == len(poison), "acknowledged: it never comes again"


@pytest.mark.asyncio
async def test_a_huge_message_never_leaves_the_broker(broker, centre, engine, alert):
    async with running(engine, door(broker)):
        await up(engine)
        await centre.send(b"x" * 1_000_000)
        await centre.send(alert)
        assert (await centre.receipts(1))[0]["status"] == "accepted"
    assert engine.refused() == []


@pytest.mark.asyncio
async def test_a_retained_alert_is_refused_with_a_receipt(broker, centre, engine, alert):
    async with running(engine, door(broker)):
        await up(engine)
        await centre.send(alert, retain=True)
        (receipt,) = await centre.receipts(1)
    assert (receipt["status"], receipt["id"]) == ("refused", "JQ-1")
    assert "must not be retained" in receipt["reason"]
    assert engine.alerts() == []
    async with running(engine, door(broker)):
        await up(engine, times=2)
        await centre.send(alert)
        await centre.receipts(2)
    assert len(engine.refused()) == 1, "the broker does not bring it back at each connection"


@pytest.mark.asyncio
async def test_the_topic_of_another_site_in_our_old_session_is_refused(
    broker, centre, engine, alert
):
    """The site was renamed; the broker still holds our subscription under the old name."""
    connect_properties = aiomqtt.client.Properties(1)
    connect_properties.SessionExpiryInterval = 600
    async with aiomqtt.Client(
        "127.0.0.1",
        broker.port,
        identifier="gridcall-donghe",
        protocol=aiomqtt.ProtocolVersion.V5,
        properties=connect_properties,
    ) as old:
        await old.subscribe("gridcall/v1/xihe/alerts", qos=1)
    async with running(engine, door(broker)):
        await up(engine)
        await centre.send(alert, topic="gridcall/v1/xihe/alerts")
        await engine.wait_until(lambda: engine.refused())
        await centre.send(alert)
        receipts = await centre.receipts(1)
    assert engine.refused()[0].reason.startswith("topic: is not gridcall/v1/donghe/alerts")
    assert [r["status"] for r in receipts] == ["accepted"]


@pytest.mark.asyncio
async def test_health_is_retained_beats_and_ends_with_offline(broker, engine):
    async with running(engine, door(broker)):
        await up(engine)
        engine.report()
        async with centre_at(broker) as late:
            await late.wait(lambda: len(late.on(HEALTH)) >= 2)
            beats = late.heard[:2]
    async with centre_at(broker) as later:
        await later.wait(lambda: later.on(HEALTH))
    assert beats[0][2], "who comes late hears it at once"
    assert [b[1]["status"] for b in beats] == ["online", "online"]
    assert beats[1][1]["journal"] == 2
    assert later.on(HEALTH)[0]["status"] == "offline"
    for _, health, _ in beats:
        jsonschema.validate(health, HEALTH_SCHEMA)


@pytest.mark.asyncio
async def test_a_link_that_swallows_everything_is_noticed_and_the_will_is_spoken(
    broker, centre, engine
):
    swallowing = asyncio.Event()

    async def carry(reader, writer):
        while data := await reader.read(65_536):
            if swallowing.is_set():
                continue
            writer.write(data)
        writer.close()

    async def proxy(reader, writer):
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", broker.port)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(carry(reader, far_writer))
            tasks.create_task(carry(far_reader, writer))

    server = await asyncio.start_server(proxy, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with running(engine, door(broker, port=port, keepalive_s=2)):
        await centre.wait(lambda: centre.health() == "online")
        swallowing.set()
        await engine.wait_until(lambda: engine.paths() == [True, False], time_s=8)
        await centre.wait(lambda: centre.health() == "offline", time_s=8)
        swallowing.clear()
        await up(engine, times=2)
    server.close()


@pytest.mark.asyncio
async def test_events_go_on_where_the_broker_left_off(broker, centre, engine):
    for node in ("told", "told", "warning"):
        engine.report(seq=1, node=node)
    engine.report(seq=2, node="arrived")
    engine.note_cursor(Cursor(source=EVENTS_CURSOR, position="1.1"))
    async with running(engine, door(broker)):
        await centre.wait(lambda: len(centre.on(EVENTS)) == 2)
        await engine.wait_until(lambda: engine.cursors[EVENTS_CURSOR] == "2.0")
    assert [(e["journal"], e["part"]) for e in centre.on(EVENTS)] == [(1, 2), (2, 0)]


@pytest.mark.asyncio
async def test_a_long_backlog_comes_whole_and_in_order_and_receipts_pass_it(
    broker, centre, engine, alert
):
    engine.note_cursor(Cursor(source=EVENTS_CURSOR, position="0"))
    for seq in range(1, 1001):
        engine.report(seq=seq)
    async with running(engine, door(broker)):
        await up(engine)
        await centre.send(alert)
        await centre.receipts(1)
        events_before = len(centre.on(EVENTS))
        await centre.wait(lambda: len(centre.on(EVENTS)) >= 1000)
    order = [e["journal"] for e in centre.on(EVENTS) if e["node"] == "told"]
    assert order == list(range(1, 1001))
    assert events_before < 1000, "the receipt did not wait for the backlog"


@pytest.mark.asyncio
async def test_a_burst_is_committed_in_order(broker, centre, engine, alert):
    async with running(engine, door(broker)):
        await up(engine)
        async with asyncio.TaskGroup() as tasks:
            for n in range(200):
                tasks.create_task(centre.send(alert | {"id": f"JQ-{n}"}))
        await centre.receipts(200)
    assert [e.alert.id for e in engine.alerts()] == [f"JQ-{n}" for n in range(200)]


@pytest.mark.asyncio
async def test_each_receipt_leaves_before_its_acknowledgement_and_those_in_order(
    broker, centre, engine, alert
):
    """The receipt need not be answered first: a broker reads what we write in its order."""
    async with tapped(broker) as (tap, port), running(engine, door(broker, port=port)):
        await up(engine)
        for n in range(100):
            poison = n % 7 == 3
            await centre.send(b"{" if poison else alert | {"id": f"JQ-{n}"})
        await centre.receipts(86)
        await engine.wait_until(lambda: len(engine.refused()) == 14)
        await until(lambda: len(tap.acknowledgements()) == 100)
    alerts = {mid: body for side, _, mid, topic, body in tap.heard if topic == ALERTS}
    assert tap.acknowledgements() == tap.arrived(ALERTS)
    receipted = set()
    for side, kind, mid, topic, body in tap.heard:
        if topic == RECEIPTS:
            receipted.add(json.loads(body)["id"])
        elif (side, kind) == ("us", PUBACK) and alerts[mid] != b"{":
            assert json.loads(alerts[mid])["id"] in receipted
    assert tap.unanswered(RECEIPTS) <= RECEIPT_WINDOW
    assert tap.unanswered(EVENTS) <= EVENT_BATCH


@pytest.mark.asyncio
async def test_a_broker_that_answers_nothing_gets_no_more_than_its_window(
    broker, centre, engine, alert
):
    settings = {"keepalive_s": 60}
    async with (
        tapped(broker) as (tap, port),
        running(engine, door(broker, port=port, **settings)),
    ):
        await up(engine)
        engine.open_gate.clear()
        for n in range(15):
            await centre.send(alert | {"id": f"JQ-{n}"})
        await until(lambda: len(tap.arrived(ALERTS)) == 15)
        tap.held.clear()
        engine.open_gate.set()
        await centre.wait(lambda: len(centre.on(RECEIPTS)) == RECEIPT_WINDOW)
        assert len(tap.acknowledgements()) == RECEIPT_WINDOW
        tap.held.set()
        await centre.receipts(15)


class Acknowledged:
    def __init__(self):
        self.mids = []

    def acknowledge(self, incoming):
        self.mids.append(incoming.mid)


@given(st.permutations(range(8)), st.integers(0, 8))
def test_whatever_ends_first_is_acknowledged_in_its_turn(order, ended):
    link = Acknowledged()
    turns = Turns(link)
    under_way = [turns.came(Incoming(ALERTS, b"", False, mid, 1)) for mid in range(8)]
    for mid in order[:ended]:
        turns.done(under_way[mid])
    done = set(order[:ended])
    assert link.mids == [mid for mid in range(8) if all(m in done for m in range(mid + 1))]


@pytest.mark.asyncio
async def test_events_wait_for_a_burst_to_end_but_not_for_ever():
    turns = Turns(Acknowledged())
    await turns.over(60)
    first = turns.came(Incoming(ALERTS, b"", False, 1, 1))
    loop = asyncio.get_running_loop()
    began = loop.time()
    await turns.over(0.05)
    assert 0.04 < loop.time() - began < 5
    loop.call_soon(turns.done, first)
    async with asyncio.timeout(5):
        await turns.over(60)


@pytest.mark.asyncio
async def test_the_round_trip_is_quick(broker, centre, engine, alert):
    taken_ms = []
    async with running(engine, door(broker)):
        await up(engine)
        for n in range(100):
            began = time.perf_counter()
            await centre.send(alert | {"id": f"JQ-{n}"})
            await centre.receipts(n + 1)
            taken_ms.append((time.perf_counter() - began) * 1000)
    taken_ms.sort()
    print(f"alert → receipt over MQTT: p50 {taken_ms[50]:.2f} ms, p99 {taken_ms[98]:.2f} ms")
    assert taken_ms[50] < 40, "Nagle's 40 ms are back"


def test_the_topics_are_of_the_site():
    assert ALERTS == "gridcall/v1/donghe/alerts"
