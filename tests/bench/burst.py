"""Rows of many alerts at once: by both doors, with limits, a slow platform, and a storm of 429."""

import asyncio
import json
import time

from tests.bench.alerts import NO_BROKER, body, broker_client, cards
from tests.bench.figures import Row, absent, percentile, spread, times
from tests.bench.outside import Outside
from tests.bench.sites import TOKEN, Shape

CONNECTIONS = 50
# Every eightieth alert of a burst under limits is of level 1: five of 400.
LEVEL_ONE_EACH = 80
SLOW_S = 0.3
STORM_S = 5.0
RECEIPT = {"p99": 250}


async def measured(folder, sizes, mqtt_port):
    """Return the rows of bursts."""
    count = sizes.burst
    rows = []
    async with Outside(_room(folder, "open"), Shape(), mqtt_port=mqtt_port) as outside:
        rows.append(await platform_alone(outside, 10 * count))
        await _burst(outside, "warm", 50)
        floor = rows[0].p50
        rows += await _by_http(outside, count, floor)
        rows += await _by_mqtt(outside, count, floor)
        await outside.chats.temper(delay_s=SLOW_S)
        rows += await _slow(outside, count)
    async with Outside(_room(folder, "limits"), Shape(limits=True)) as outside:
        await outside.chats.temper(limits=True)
        rows += await _refused(outside, max(50, count // 4))
        rows += await _limited(outside, count)
    return rows


def _room(folder, name):
    room = folder / name
    room.mkdir()
    return room


# ---- the load ----


def http_request(port, path, content, token=None):
    """Return a whole HTTP request: the load must cost less than what it measures."""
    data = json.dumps(content).encode()
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Content-Type: application/json",
             f"Content-Length: {len(data)}"]  # fmt: skip
    if token:
        lines.append(f"Authorization: Bearer {token}")
    return "\r\n".join([*lines, "", ""]).encode() + data


async def _answer(reader):
    """Return (status, body) of one answer on a kept connection."""
    head = await reader.readuntil(b"\r\n\r\n")
    lower = head.lower()
    length = int(lower.split(b"content-length:")[1].split(b"\r\n")[0])
    return int(head.split(b" ", 2)[1]), await reader.readexactly(length)


async def volley(port, requests, *, connections=CONNECTIONS, good=(200, 202)):
    """Return (when it began, when each answer came): all are due at once, in turn on each wire."""
    loop = asyncio.get_running_loop()
    wires = [await asyncio.open_connection("127.0.0.1", port) for _ in range(connections)]
    answered = []

    async def serve(reader, writer, mine):
        for request in mine:
            writer.write(request)
            status, content = await _answer(reader)
            answered.append(loop.time())
            assert status in good, (status, content[:500])

    began = loop.time()
    async with asyncio.TaskGroup() as group:
        for number, (reader, writer) in enumerate(wires):
            group.create_task(serve(reader, writer, requests[number::connections]))
    for _, writer in wires:
        writer.close()
    return began, answered


async def platform_alone(outside, count):
    """Return the row of the chat platform's own ceiling, asked as the driver asks it."""
    content = {"chat_id": "-2000000", "text": "网格" * 60}
    port = outside.chats.port
    request = http_request(port, "/bot999:x/sendMessage", content)
    began, answered = await volley(port, [request] * count, connections=16)
    rate = count / (answered[-1] - began)
    return Row("0 chat platform alone", "/s", count, rate, note="16 connections, limits off",
               target={"p50": 2000})  # fmt: skip


async def volley_of_alerts(outside, name, count, **fields):
    """Return (the alerts, when they began, when each receipt came): all are due at once."""
    contents = [body(name, n, **fields | _level(n, fields)) for n in range(count)]
    port = outside.http_port
    requests = [http_request(port, "/v1/alerts", content, TOKEN) for content in contents]
    return contents, *await volley(port, requests)


async def _burst(outside, name, count, **fields):
    """Return (when it began, receipts in s, cards in s, level-1 cards in s) of a burst."""
    since = len(await outside.chats.calls())
    contents, began, answered = await volley_of_alerts(outside, name, count, **fields)
    came = await cards(outside, name, count, since=since, limit_s=120)
    assert len(came) == count, f"{count - len(came)} of {count} cards never came"
    urgent = [came[c["text"].split()[1]] - began for c in contents if c["level"] == 1]
    return began, [at_s - began for at_s in answered], sorted(
        at_s - began for at_s in came.values()
    ), urgent  # fmt: skip


def _level(number, fields):
    if "level" in fields:
        return {}
    return {"level": 1 if number % LEVEL_ONE_EACH == LEVEL_ONE_EACH // 2 else 2}


# ---- the rows ----


async def _by_http(outside, count, ceiling):
    _, receipts, came, _ = await _burst(outside, "burst", count)
    return [
        times(f"5 burst of {count} by HTTP: alert → receipt", receipts, target=RECEIPT,
              floor_ms=await _bare_ms(outside, count), floor_is="as many calls of /healthz",
              note=f"{CONNECTIONS} connections; from the moment all were due"),
        _rate(f"5 burst of {count} by HTTP: chat calls", came, ceiling),
    ]  # fmt: skip


async def _bare_ms(outside, count):
    """Return the median of as many bare HTTP calls at once, milliseconds."""
    request = f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{outside.http_port}\r\n\r\n".encode()
    began, answered = await volley(outside.http_port, [request] * count)
    return percentile(answered, 50) * 1000 - began * 1000


def _rate(name, came, ceiling, note="", **target):
    """Return the row of calls a second from the first alert sent to the last card."""
    said = "from the first alert sent to the last card; 50 groups, ten accounts, limits off"
    return Row(
        name, "/s", len(came), len(came) / came[-1], floor=ceiling,
        floor_is="chat platform alone", note=note or said, target=target or {"p50": 860},
    )  # fmt: skip


async def _by_mqtt(outside, count, ceiling):
    name = f"5 burst of {count} by MQTT: alert → receipt"
    if outside.mqtt_port is None:
        return [absent(name, "ms", NO_BROKER)]
    since = len(await outside.chats.calls())
    _, bare = await _published(outside, "bench/echo", "bench/echo", "echo", count)
    began, spent = await _published(
        outside, "gridcall/v1/bench/alerts", "gridcall/v1/bench/receipts", "broker", count
    )
    came = await cards(outside, "broker", count, since=since, limit_s=60)
    assert len(came) == count, f"{count - len(came)} of {count} cards never came"
    calls = sorted(at_s - began for at_s in came.values())
    floor_ms = percentile(bare, 50) * 1000
    return [
        times(name, spent, target=RECEIPT, floor_ms=floor_ms,
              floor_is="the same burst, given back by the broker alone",
              note="one client; from the moment all were due"),
        _rate(f"5 burst of {count} by MQTT: chat calls", calls, ceiling),
    ]  # fmt: skip


async def _published(outside, topic, back, name, count):
    """Return (when it began, how long each took until something came back for it), seconds."""
    loop, spent = asyncio.get_running_loop(), []
    contents = [json.dumps(body(name, n)) for n in range(count)]
    async with broker_client(outside.mqtt_port) as client:
        client.pending_calls_threshold = count
        await client.subscribe(back, qos=1)
        began = loop.time()
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            group.create_task(_hear(client, count, began, spent))
            for content in contents:
                group.create_task(client.publish(topic, content, qos=1))
    return began, spent


async def _hear(client, count, began, spent):
    loop = asyncio.get_running_loop()
    async for message in client.messages:
        if json.loads(message.payload).get("status", "accepted") == "accepted":
            spent.append(loop.time() - began)
        if len(spent) == count:
            return


async def _slow(outside, count):
    """Return the rows of a burst to a platform that takes 300 ms for each answer."""
    _, receipts, came, _ = await _burst(outside, "slow", count)
    most = outside.shape.accounts * 16 / SLOW_S
    what = f"5 burst of {count}, platform takes {SLOW_S * 1000:.0f} ms"
    return [
        times(f"{what}: alert → receipt", receipts, target=RECEIPT),
        Row(f"{what}: chat calls", "/s", count, count / came[-1], floor=most,
            floor_is="10 accounts of 16 calls in flight", note="to the last card"),
    ]  # fmt: skip


async def _limited(outside, count):
    """Return the rows of a burst while driver and platform keep the platform's limits."""
    since = len(await outside.chats.calls())
    _, receipts, came, urgent = await _burst(outside, "limited", count)
    calls = await outside.chats.calls(since)
    refused = sum(call[-1] == "429" for call in calls)
    what = f"5 burst of {count}, limits on"
    return [
        times(f"{what}: alert → receipt", receipts, target=RECEIPT),
        spread(f"{what}: alert → card, level 1", "s", urgent, target={"worst": 3},
               note="one message a second to a group, 20 a minute, 25 a second an account"),
        spread(f"{what}: alert → card, all", "s", came, note="50 groups, ten accounts"),
        Row(f"{what}: calls refused", "", len(calls), refused, target={"p50": 0},
            note="the driver's own limits must be the narrower"),
    ]  # fmt: skip


async def _refused(outside, count):
    """Return the rows of a burst into a platform that refuses everything for a while."""
    since = len(await outside.chats.calls())
    until_s = time.monotonic() + STORM_S
    await outside.chats.temper(refuse_until_s=until_s)
    began, _, came, urgent = await _burst(outside, "refused", count)
    calls = await outside.chats.calls(since)
    refused = sum(call[-1] == "429" for call in calls)
    after = [began + at_s - until_s for at_s in came]
    what = f"5 {STORM_S:.0f} s of 429, burst of {count}"
    return [
        spread(f"{what}: end of the refusals → card", "s", after, note="all came, each once"),
        spread(f"{what}: the same, level 1", "s",
               [began + at_s - until_s for at_s in urgent], target={"worst": 3}),
        Row(f"{what}: calls refused", "", len(calls), refused,
            note="retry_after was 1 s each time"),
        Row(f"{what}: cards shown twice", "", count, _doubles(calls), target={"p50": 0}),
    ]  # fmt: skip


def _doubles(calls):
    shown = [c[4] for c in calls if c[2] == "sendmessage" and c[5] == "ok"]
    return len(shown) - len(set(shown))
