"""Rows of an alert's way: to its receipt, to the chat, to the transmitter, and in a burst."""

import asyncio
import json
import re
import socket
from datetime import UTC, datetime

import aiomqtt
import apsw

from tests.bench.figures import Row, percentile, times
from tests.bench.machine import durable_commit_ms
from tests.bench.outside import GRIDS, settled

MARK = re.compile(r"bench-[a-z]+-\d+")


def body(name, number, **fields):
    """Return an alert whose text names it, so that its card is known at the chat server."""
    return {
        "kind": "alert", "id": f"{name}-{number}", "sender": "bench", "category": "fight",
        "sent": datetime.now(UTC).isoformat(), "level": 2, "text": f"打架 bench-{name}-{number}",
        "grid": f"q{number % GRIDS}", **fields,
    }  # fmt: skip


async def post(lab, content):
    """Return how long a message took to its receipt, seconds."""
    loop = asyncio.get_running_loop()
    way = "" if content["kind"] == "alert" else f"/{content['id']}/{content['kind']}"
    began = loop.time()
    async with lab.http.post(f"/v1/alerts{way}", json=content) as answer:
        receipt = await answer.json()
    assert answer.status == 202, receipt
    return loop.time() - began


async def bare_http(lab, count):
    """Return how long calls of /healthz took, seconds: the door without the journal."""
    loop, spent = asyncio.get_running_loop(), []
    for _ in range(count):
        began = loop.time()
        async with lab.http.get("/healthz") as answer:
            await answer.read()
        spent.append(loop.time() - began)
    return spent


def alert_row_bytes(lab):
    """Return how long a row of an alert is in this journal, on average."""
    path = lab.folder / "state" / "journal.sqlite3"
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return int(
            db.execute(
                "SELECT avg(length(CAST(body AS BLOB))) FROM journal WHERE kind = 'AlertReceived'"
            ).get
        )
    finally:
        db.close()


async def receipts_by_http(lab, count):
    """Return the row, then both its floors: (rows, commit ms, call ms)."""
    for number in range(10):
        await post(lab, body("warm", number))
    spent = [await post(lab, body("http", number)) for number in range(count)]
    calls = await bare_http(lab, count)
    size = alert_row_bytes(lab)
    commit_ms = await asyncio.to_thread(durable_commit_ms, lab.folder, size)
    call_ms = percentile(calls, 50) * 1000
    rows = [
        Row("bare durable commit", "ms", 100, commit_ms, note=f"{size:,} bytes, WAL, FULL"),
        times("bare HTTP call (/healthz)", calls),
        times(
            "1 HTTP alert → durable receipt", spent,
            floor_ms=commit_ms + call_ms, floor_is="commit + HTTP call",
            note="back to back: the card of the one before goes out meanwhile",
        ),
    ]  # fmt: skip
    return rows, commit_ms, call_ms


async def receipts_by_mqtt(lab, count, commit_ms):
    """Return the row of the MQTT door and its floor, a round trip through the same broker."""
    async with aiomqtt.Client(
        "127.0.0.1", lab.mqtt_port, protocol=aiomqtt.ProtocolVersion.V5,
        socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
    ) as client:  # fmt: skip
        await client.subscribe("gridcall/v1/lab/receipts", qos=1)
        await client.subscribe("bench/echo", qos=1)
        bare = [await _round_trip(client, "bench/echo", {"id": str(n)}) for n in range(count)]
        spent = [
            await _round_trip(client, "gridcall/v1/lab/alerts", body("mqtt", n))
            for n in range(count)
        ]
    bare_row = times("bare aiomqtt round trip", bare, note="QoS 1, one client")
    # An alert goes to the daemon and its receipt comes back: two passages of the broker.
    row = times(
        "2 MQTT alert → durable receipt", spent,
        floor_ms=commit_ms + 2 * bare_row.p50, floor_is="commit + 2 round trips",
    )  # fmt: skip
    return [bare_row, row]


async def _round_trip(client, topic, content):
    loop = asyncio.get_running_loop()
    began = loop.time()
    await client.publish(topic, json.dumps(content), qos=1)
    async with asyncio.timeout(20):
        async for message in client.messages:
            if json.loads(message.payload).get("id") == content["id"]:
                return loop.time() - began
    raise AssertionError("the broker closed")


def first_posts(lab, name):
    """Return when the first card of each alert of this name reached its chat server."""
    found = {}
    for at_s, text in lab.posts():
        mark = MARK.search(text)
        if mark and mark[0].startswith(f"bench-{name}-"):
            found[mark[0]] = min(at_s, found.get(mark[0], at_s))
    return found


async def to_chat(lab, count, floor_ms):
    """Return the row: alert sent → sendMessage at the chat server, ten alerts a second."""
    loop, began = asyncio.get_running_loop(), {}
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            content = body("chat", number)
            began[f"bench-chat-{number}"] = loop.time()
            group.create_task(post(lab, content))
            await asyncio.sleep(0.1)
    await lab.until(lambda: len(first_posts(lab, "chat")) == count, 20, "the cards")
    came = first_posts(lab, "chat")
    return times(
        "3 alert → chat call, 10 a second", [came[k] - began[k] for k in began],
        floor_ms=floor_ms, floor_is="commit + 2 HTTP calls", note="chat server's clock",
    )  # fmt: skip


async def to_ptt(lab, count):
    """Return the rows: alert → PTT edge at the radio, sentence unknown, then cached.

    All are of level 1: after a page the channel is kept for answers, and only level 1 need not
    wait for the end of that.
    """
    new = [
        await _keyed(lab, body("ptt", n, text=f"第{n}次打架", grid="g1", level=1))
        for n in range(count)
    ]
    # All amendments say the same, so what the first has rendered is there for the others.
    amendment = {"kind": "update", "text": "改为两人", "grid": "g1", "level": 1}
    known = [await _keyed(lab, body("ptt", count - 1, **amendment)) for _ in range(count + 1)]
    idle = "level 1, idle channel, radio's edge clock"
    return [
        times("4 alert → PTT, phrase not cached", new, note=idle),
        times("4 amendment → PTT, phrase cached", known[1:], note=idle),
    ]


async def _keyed(lab, content):
    """Return how long a message took to the PTT edge on a channel where nothing is under way."""
    await settled(lambda: not lab.base.ptt, for_s=1.0, limit_s=60)
    began = asyncio.get_running_loop().time()
    await post(lab, content)
    await lab.base.wait_ptt(True, 20)
    edges = (e.mono_s for e in lab.base.edges if e.line == "ptt" and e.on)
    return next(at_s for at_s in edges if at_s > began) - began


async def burst(lab, count):
    """Return the rows of many alerts at once: their receipts, and chat calls a second."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(post(lab, body("burst", n))) for n in range(count)]
    await lab.until(lambda: len(first_posts(lab, "burst")) == count, 60, "the burst's cards")
    came = sorted(first_posts(lab, "burst").values())
    return [
        times(f"5 burst of {count}: alert → receipt", [t.result() for t in tasks], note="HTTP"),
        Row(
            f"5 burst of {count}: chat calls", "/s", count, count / (came[-1] - began),
            note="from the first alert sent to the last card; platforms' limits off",
        ),
    ]  # fmt: skip
