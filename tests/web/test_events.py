"""The event stream: in order, resumable to the very node, and no viewer holds anything up."""

import asyncio
import json

import pytest

from gateway.web import events
from gateway.web.events import EventStream, parse_event_id
from tests.doors import FakeEngine


class Viewer:
    """Reads server-sent events from a response."""

    def __init__(self, response):
        self._response = response

    async def next(self, time_s=5.0):
        fields = {}
        async with asyncio.timeout(time_s):
            while True:
                line = (await self._response.content.readline()).decode().rstrip("\n")
                if not line and "data" in fields:
                    return fields["id"], json.loads(fields["data"])
                name, _, value = line.partition(": ")
                if name:
                    fields[name] = value

    async def read(self, count):
        return [await self.next() for _ in range(count)]


def stream(door, path="/v1/events", **headers):
    return door.http.get(door.base + path, headers=door.auth() | headers)


@pytest.mark.asyncio
async def test_a_viewer_sees_each_node_as_it_is_written(door, alert):
    async with stream(door) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        viewer = Viewer(response)
        await response.content.readline()
        await door.post("/v1/alerts", alert)
        mark, event = await viewer.next()
    assert mark == "1.0"
    assert event["site"] == "donghe"
    assert (event["journal"], event["node"], event["order"]) == (1, "accepted", "o11")
    assert event["at"] == "2026-11-21T19:00:00.000000Z"


@pytest.mark.asyncio
async def test_coming_back_it_misses_nothing_even_within_one_row(door):
    for node in ("told", "told", "warning"):
        door.engine.report(seq=7, node=node)
    door.engine.report(seq=8, node="arrived")
    async with stream(door, "/v1/events?after=0") as response:
        seen = [mark for mark, _ in await Viewer(response).read(2)]
    assert seen == ["7.0", "7.1"]
    async with stream(door, **{"last-event-id": seen[-1]}) as response:
        rest = [mark for mark, _ in await Viewer(response).read(2)]
    assert rest == ["7.2", "8.0"]
    async with stream(door, **{"last-event-id": "7"}) as response:
        assert (await Viewer(response).next())[0] == "8.0"


@pytest.mark.asyncio
async def test_a_long_backlog_comes_whole_and_in_order(door):
    for seq in range(1, 2001):
        door.engine.report(seq=seq)
    async with stream(door, "/v1/events?after=0") as response:
        marks = [mark for mark, _ in await Viewer(response).read(2000)]
    assert marks == [f"{seq}.0" for seq in range(1, 2001)]


@pytest.mark.asyncio
@pytest.mark.parametrize("bad", ["x", "-1", "1.", "1.2.3", "9" * 19, "１"])
async def test_a_foreign_resume_id_is_refused(door, bad):
    async with door.http.get(
        door.base + "/v1/events", params={"after": bad}, headers=door.auth()
    ) as response:
        assert response.status == 422
    with pytest.raises(ValueError, match="event id"):
        parse_event_id(bad)


@pytest.mark.asyncio
async def test_a_viewer_who_hangs_up_is_forgotten(door):
    async with stream(door) as response:
        await response.content.readline()
        assert "gridcall_http_viewers 1.0" in await metrics(door)
    async with asyncio.timeout(5):
        while "gridcall_http_viewers 0.0" not in await metrics(door):
            pass


async def metrics(door):
    async with door.http.get(door.base + "/metrics") as answer:
        return await answer.text()


@pytest.mark.asyncio
async def test_viewers_are_bounded(door, monkeypatch):
    monkeypatch.setattr(events, "MAX_VIEWERS", 1)
    async with stream(door) as first:
        await first.content.readline()
        async with stream(door) as second:
            assert second.status == 503


@pytest.mark.asyncio
async def test_a_viewer_who_takes_nothing_is_dropped_and_holds_nothing_up():
    engine = FakeEngine()
    open_viewers = 0

    def count(change):
        nonlocal open_viewers
        open_viewers += change

    async def receive():
        await asyncio.Event().wait()

    async def stuck(message):
        if b"data" in message.get("body", b""):
            await asyncio.Event().wait()

    viewer = EventStream(engine, (0, None), count, asyncio.Event(), stall_s=0.2, ping_s=5)
    for seq in range(1, 1000):
        engine.report(seq=seq)
    async with asyncio.timeout(3):
        await viewer({}, receive, stuck)
    assert open_viewers == 0


@pytest.mark.asyncio
async def test_a_quiet_stream_shows_that_it_lives():
    heard, enough = [], asyncio.Event()

    async def receive():
        await enough.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        heard.append(message.get("body"))
        if len(heard) == 4:
            enough.set()

    viewer = EventStream(FakeEngine(), (0, None), lambda _: None, asyncio.Event(), ping_s=0.05)
    async with asyncio.timeout(3):
        await viewer({}, receive, send)
    assert heard[2:4] == [b": still here\n\n"] * 2
