"""Rows of one alert's way: to its receipt, to the chat, to the transmitter, to the sentence."""

import asyncio
import json
import re
import socket
import wave
from datetime import UTC, datetime
from pathlib import Path

import aiomqtt
import apsw
import numpy as np

from tests.bench.figures import Row, absent, percentile, times
from tests.bench.machine import durable_commit_ms
from tests.bench.outside import Outside, settled
from tests.bench.sites import Shape

MARK = re.compile(r"bench-[a-z0-9]+-\d+")
RECEIPT = {"p50": 3, "p99": 20, "ratio": 2}
# The card of one alert has settled before the next is sent.
_CARD_LIMIT_S = 20.0
_SETTLES_S = 0.05
_FRAME = 160
# A frame of speech is louder than this; what the base radio sends beside sound is nothing.
_VOICED_RMS = 32767 * 10 ** (-40 / 20)


def body(name, number, grids=50, **fields):
    """Return an alert whose text names it, so that its card is known at the chat platform."""
    return {
        "kind": "alert", "id": f"{name}-{number}", "sender": "bench", "category": "fight",
        "sent": datetime.now(UTC).isoformat(), "level": 2, "text": f"打架 bench-{name}-{number}",
        "grid": f"q{number % grids}", **fields,
    }  # fmt: skip


def way(content):
    """Return the path that a message is posted to."""
    return "/v1/alerts" + (
        "" if content["kind"] == "alert" else f"/{content['id']}/{content['kind']}"
    )


async def post(outside, content):
    """Return (when it was sent, how long it took to its receipt), seconds."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with outside.http.post(way(content), json=content) as answer:
        receipt = await answer.json()
    assert answer.status == 202, receipt
    return began, loop.time() - began


async def cards(outside, name, count, *, since=0, limit_s=60):
    """Return when the first card of each alert of a name came, once all have, or the time is up."""
    loop = asyncio.get_running_loop()
    until_s, found = loop.time() + limit_s, {}
    while len(found) < count and loop.time() < until_s:
        await asyncio.sleep(0.02 if count == 1 else 0.2)
        for at_s, _, method, _, text, answer in await outside.chats.calls(since):
            mark = MARK.search(text) if method == "sendmessage" and answer == "ok" else None
            if mark and mark[0].startswith(f"bench-{name}-"):
                found[mark[0]] = min(at_s, found.get(mark[0], at_s))
    return found


async def bare_http(outside, count):
    """Return how long calls of /healthz took, seconds: the door without the journal."""
    loop, spent = asyncio.get_running_loop(), []
    for _ in range(count):
        began = loop.time()
        async with outside.http.get("/healthz") as answer:
            await answer.read()
        spent.append(loop.time() - began)
    return spent


def alert_row_bytes(path):
    """Return how long a row of an alert is in this journal, on average."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        asked = "SELECT avg(length(CAST(body AS BLOB))) FROM journal WHERE kind = 'AlertReceived'"
        return int(db.execute(asked).get)
    finally:
        db.close()


async def _one_at_a_time(outside, name, count, send):
    """Return how long each took to its receipt; the card of the one before is long settled."""
    spent, since = [], len(await outside.chats.calls())
    for number in range(count):
        spent.append(await send(body(name, number)))
        await cards(outside, f"{name}", 1, since=since, limit_s=_CARD_LIMIT_S)
        since = len(await outside.chats.calls(since)) + since
        await asyncio.sleep(_SETTLES_S)
    return spent


async def measured(folder, sizes, mqtt_port):
    """Return the rows of single alerts on an idle site."""
    shape = Shape()
    async with Outside(folder, shape, mqtt_port=mqtt_port) as outside:
        await _one_at_a_time(outside, "warm", 10, lambda b: _posted(outside, b))
        rows, commit_ms, call_ms = await _by_http(outside, sizes.receipts)
        if mqtt_port is None:
            rows.append(absent("2 MQTT alert → durable receipt", "ms", NO_BROKER))
        else:
            rows += await _by_mqtt(outside, sizes.receipts, commit_ms)
        rows.append(await _to_chat(outside, sizes.chat, commit_ms + 2 * call_ms))
    room = folder / "keyed"
    room.mkdir()
    shape = Shape(channels=CHANNELS, called=CHANNELS, grids=CHANNELS, accounts=1)
    async with Outside(room, shape, world="radio") as outside:
        rows += await _keyed_rows(outside, sizes.pages)
    return rows


NO_BROKER = "not installed: apt-get install mosquitto"


async def _posted(outside, content):
    return (await post(outside, content))[1]


async def _by_http(outside, count):
    """Return the row and its floors: (rows, commit ms, call ms)."""
    spent = await _one_at_a_time(outside, "http", count, lambda b: _posted(outside, b))
    calls = await bare_http(outside, count)
    size = alert_row_bytes(outside.daemon.journal)
    commit_ms = await asyncio.to_thread(durable_commit_ms, outside.folder, size)
    call_ms = percentile(calls, 50) * 1000
    rows = [
        Row("0 bare durable commit", "ms", 100, commit_ms, note=f"{size:,} bytes, WAL, FULL"),
        times("0 bare HTTP call (/healthz)", calls),
        times(
            "1 HTTP alert → durable receipt", spent, floor_ms=commit_ms + call_ms,
            floor_is="commit + HTTP call", note="one at a time, idle between",
            target=RECEIPT,
        ),
    ]  # fmt: skip
    return rows, commit_ms, call_ms


def broker_client(port):
    """Return an MQTT client without Nagle's delay, to be entered."""
    return aiomqtt.Client(
        "127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5,
        socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
    )  # fmt: skip


async def _by_mqtt(outside, count, commit_ms):
    """Return the row of the MQTT door and its floor, a round trip through the same broker."""
    async with broker_client(outside.mqtt_port) as client:
        await client.subscribe("gridcall/v1/bench/receipts", qos=1)
        await client.subscribe("bench/echo", qos=1)
        bare = [await _round_trip(client, "bench/echo", {"id": str(n)}) for n in range(count)]
        spent = await _one_at_a_time(
            outside, "mqtt", count,
            lambda b: _round_trip(client, "gridcall/v1/bench/alerts", b),
        )  # fmt: skip
    bare_row = times("0 bare aiomqtt round trip", bare, note="QoS 1, one client")
    # An alert goes to the daemon and its receipt comes back: two passages of the broker.
    row = times(
        "2 MQTT alert → durable receipt", spent, floor_ms=commit_ms + 2 * bare_row.p50,
        floor_is="commit + 2 round trips", note="one at a time, idle between", target=RECEIPT,
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


async def paced(outside, name, count, a_second, **fields):
    """Return when each alert was sent and how long its receipt took: mark → (s, s)."""
    async with asyncio.TaskGroup() as group:
        tasks = {}
        for number in range(count):
            content = body(name, number, outside.shape.grids, **fields)
            tasks[f"bench-{name}-{number}"] = group.create_task(post(outside, content))
            await asyncio.sleep(1 / a_second)
    return {mark: task.result() for mark, task in tasks.items()}


async def _to_chat(outside, count, floor_ms):
    """Return the row: alert sent → sendMessage at the chat platform, ten alerts a second."""
    since = len(await outside.chats.calls())
    sent = await paced(outside, "chat", count, 10)
    came = await cards(outside, "chat", count, since=since, limit_s=20)
    assert len(came) == count, f"{count - len(came)} cards never came"
    return times(
        "3 alert → chat call, 10 a second", [came[mark] - sent[mark][0] for mark in sent],
        floor_ms=floor_ms, floor_is="commit + 2 HTTP calls", note="by the platform's clock",
        target={"p50": 4, "p99": 15},
    )  # fmt: skip


async def _keyed_rows(outside, count):
    """Return the rows: alert → PTT edge at the radio, → sentence; phrase unknown, then cached.

    All are of level 1: after a page the channel is kept for answers, and only level 1 need not
    wait for the end of that. Four channels take turns, so that each is idle when it is called.
    """
    new = [
        await _called(outside, n, body("ptt", n, level=1, text=f"第{n}次打架", grid=_grid(n)))
        for n in range(count)
    ]
    # All amendments of a grid say the same, so the second and later find it rendered.
    known = [
        await _called(
            outside, n,
            body("ptt", n % CHANNELS, kind="update", level=1, text="改为两人", grid=_grid(n)),
        )
        for n in [*range(min(count, CHANNELS)), *range(count)]
    ][min(count, CHANNELS) :]  # fmt: skip
    await _silent(outside, range(CHANNELS))
    idle = "level 1, idle channel, by the radio's edge"
    heard = "attention tone of 1.2 s first; by the radio's recording"
    rows = []
    for what, calls in (("alert, phrase not cached", new), ("amendment, phrase cached", known)):
        keyed, said = zip(*(_answered(outside, *call) for call in calls), strict=True)
        rows.append(times(f"4 {what} → PTT", keyed, note=idle, target={"p95": 30}))
        rows.append(times(f"4 {what} → sentence", said, note=heard, target={"worst": 2500}))
    return rows


CHANNELS = 4


def _grid(number):
    return f"q{number % CHANNELS}"


async def _called(outside, number, content):
    """Return (channel, when a message was sent) once it is sent to a channel that is idle."""
    channel = number % CHANNELS
    await _silent(outside, [channel])
    began, _ = await post(outside, content)
    await asyncio.sleep(2.5)
    return channel, began


async def _silent(outside, channels):
    """Return once no PTT is on, and what was said is written down."""
    await settled(
        lambda: not any(_is_keyed(outside.log(f"ether-c{channel}")) for channel in channels),
        for_s=0.5, limit_s=120,
    )  # fmt: skip


def _edges(log):
    return [e for e in log if e["what"] == "line" and e["line"] == "ptt"]


def _is_keyed(log):
    edges = _edges(log)
    return bool(edges) and edges[-1]["on"]


def _answered(outside, channel, began):
    """Return (to the PTT edge, to the first sound of the sentence) of one message, seconds."""
    log = outside.log(f"ether-c{channel}")
    keyed = next(e["mono_s"] for e in _edges(log) if e["on"] and e["mono_s"] > began)
    over = next(o for o in log if o["what"] == "over" and o["start_s"] > began)
    tone = next(
        t for t in log
        if t["what"] == "tones" and t["kind"] == "attention" and t["start_s"] > began
    )  # fmt: skip
    quiet_until_s = tone["start_s"] + tone["duration_s"] + 0.04
    return keyed - began, _first_sound_s(over, quiet_until_s) - began


def _first_sound_s(over, after_s):
    """Return when sound began in an over after a moment, monotonic seconds."""
    with wave.open(str(Path(over["wav"])), "rb") as sound:
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(float)
    frames = samples[: samples.size // _FRAME * _FRAME].reshape(-1, _FRAME)
    loud = np.sqrt((frames**2).mean(axis=1)) > _VOICED_RMS
    first = max(0, int((after_s - over["start_s"]) / 0.02) + 1)
    return over["start_s"] + (first + int(np.argmax(loud[first:]))) * 0.02
