"""CAP at the HTTP door and on the control socket: answered in its own words, or refused."""

import asyncio
import contextlib
import io
import json
from contextlib import asynccontextmanager

import aiohttp
import pytest

from drivers.cap import format_of
from gateway.control import ControlServer
from gateway.core.alert import AlertKind
from gateway.core.order import Order
from gateway.journal import MemoryJournal
from gateway.settings import HttpDoor
from gateway.settings.cap import CapSettings
from gateway.web.app import build
from gateway.web.server import listen, serve
from tests.core.site_for_tests import catalogue
from tests.core.test_engine import Running
from tests.drivers.cap.cap_messages import SENDER, cancel, cap, info, update
from tests.web.conftest import make_tokens

CAP = "application/cap+xml"
FORMATS = (format_of(CapSettings(senders=(SENDER,)), "county", "Asia/Shanghai"),)


class Site:
    """A real engine behind the HTTP door."""

    def __init__(self, running, base, http, tokens):
        self.running, self.base, self.http, self.tokens = running, base, http, tokens

    async def post(self, raw, name="centre", kind=CAP):
        headers = {"authorization": f"Bearer {self.tokens[name]}", "content-type": kind}
        async with self.http.post(
            self.base + "/v1/alerts", data=io.BytesIO(raw), headers=headers
        ) as answer:
            return answer.status, answer.headers["content-type"], await answer.text()

    def orders(self):
        return sorted(self.running.state.each(Order), key=lambda o: o.id)


@asynccontextmanager
async def open_site(folder, formats=FORMATS, **limits):
    tokens, entries = make_tokens()
    async with Running(MemoryJournal(boot_id="m")) as running:
        engine = running.engine
        settings = HttpDoor(listen="127.0.0.1:0", tokens=entries, **limits)
        app = build(settings, engine, engine, None, running.clock, folder, folder, formats)
        sock = listen(settings)
        base = f"http://127.0.0.1:{sock.getsockname()[1]}"
        async with asyncio.TaskGroup() as tasks:
            server = tasks.create_task(serve(app, settings, sock))
            async with aiohttp.ClientSession() as http:
                yield Site(running, base, http, tokens)
            server.cancel()





@pytest.mark.asyncio
async def test_alert_update_and_cancel_come_by_one_door_and_are_acknowledged(tmp_path):
    async with open_site(tmp_path) as site:
        status, kind, answer = await site.post(cap())
        assert (status, kind.split(";")[0]) == (202, CAP)
        assert "<msgType>Ack</msgType>" in answer
        assert "accepted; order 10" in answer
        assert (await site.post(cap()))[0] == 200, "a repeat is a duplicate"
        status, _, answer = await site.post(update(info(headline="三人")))
        assert status == 202
        (order,) = site.orders()
        assert (order.alert.text, order.alert.id) == ("三人。建设银行门口", "JQ-1")
        assert (await site.post(cancel(note="误报")))[0] == 202
        assert site.orders()[0].outcome == "误报"


@pytest.mark.asyncio
async def test_what_is_refused_is_answered_with_an_error_and_kept(tmp_path):
    async with open_site(tmp_path) as site:
        status, kind, answer = await site.post(cap(sent="2026-11-22T03:00:00Z"))
        assert (status, kind.split(";")[0]) == (422, CAP)
        assert "<msgType>Error</msgType>" in answer
        assert "never Z" in answer
        bomb = b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'
        assert (await site.post(bomb))[0] == 422
        kept = [json.loads(row.body)["event"] for row, _ in site.running.journal.tables.rows
                if row.kind == "InputRefused"]  # fmt: skip
        assert len(kept) == 2
        assert site.orders() == []
        await site.post(cap())
        status, _, answer = await site.post(cap(info(headline="别的")))
        assert status == 409
        assert catalogue("zh_CN")["why_other_body"] in answer, "in the site's language"


@pytest.mark.asyncio
async def test_a_test_message_calls_nobody_and_is_acknowledged(tmp_path):
    async with open_site(tmp_path) as site:
        status, _, answer = await site.post(cap(status="Test"))
        assert status == 202
        assert "<status>Test</status>" in answer
        assert "<msgType>Ack</msgType>" in answer
        assert site.orders() == []


@pytest.mark.asyncio
async def test_a_token_may_do_in_cap_what_it_may_do_in_json(tmp_path):
    async with open_site(tmp_path) as site:
        assert (await site.post(cap(), "reader"))[0] == 403
        assert (await site.post(cap(), "canceller"))[0] == 403
        assert (await site.post(cap(), "writer"))[0] == 202
        assert (await site.post(cancel(), "writer"))[0] == 403
        assert (await site.post(b"<nonsense", "reader"))[0] == 403
        assert site.orders()[0].open
        assert (await site.post(cancel(), "canceller"))[0] == 202
        assert not site.orders()[0].open


@pytest.mark.asyncio
async def test_too_much_is_answered_in_cap_too(tmp_path):
    async with open_site(tmp_path, alerts_per_s=1) as site:
        status, _, answer = await site.post(cap(note="x" * 300_000))
        assert status == 413
        assert "limit" in answer
        minor = info(severity="Minor")
        for n in range(200):
            status, _, answer = await site.post(cap(minor, identifier=f"JQ-{n}"))
            if status == 429:
                break
        assert (status, "<msgType>Error</msgType>" in answer) == (429, True)


@pytest.mark.asyncio
async def test_a_site_without_the_section_says_so(tmp_path):
    async with open_site(tmp_path, formats=()) as site:
        for kind in (CAP, "text/xml", "application/xml; charset=utf-8"):
            status, _, answer = await site.post(cap(), kind=kind)
            assert status == 415
            assert "command_centre.cap" in answer
    async with open_site(tmp_path) as site:
        assert (await site.post(cap(), kind="text/xml"))[0] == 202
        assert (await site.post(cap(), kind="application/json"))[0] == 422


@pytest.mark.asyncio
async def test_the_control_socket_takes_cap_as_it_takes_json(tmp_path):
    path = tmp_path / "c.sock"
    async with Running(MemoryJournal(boot_id="m")) as running:
        engine = running.engine
        server = ControlServer(
            path=path, intake=engine, queries=engine, control=engine, clock=running.clock,
            site="county", formats=FORMATS,
        )  # fmt: skip
        task = asyncio.ensure_future(server.run())
        await running.until(path.exists, "the socket")

        async def ask(raw):
            reader, writer = await asyncio.open_unix_connection(str(path), limit=1 << 20)
            writer.write(json.dumps({"do": "alert", "alert": raw.decode()}).encode() + b"\n")
            await writer.drain()
            async with asyncio.timeout(5):
                answer = json.loads(await reader.readline())
            writer.close()
            return answer

        answer = await ask(cap(code=["很" * 1000] * 70))
        assert answer["ok"], "a message of 210 kB fits through"
        assert running.order().alert.kind is AlertKind.ALERT
        answer = await ask(cap(identifier="a b"))
        assert not answer["ok"]
        assert "identifier" in answer["errors"][0]
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
