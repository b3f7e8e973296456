"""The HTTP door on a free port of this machine, with uvicorn as the daemon runs it."""

import asyncio
import io
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from gateway.settings import HttpDoor, Token
from gateway.web.app import build
from gateway.web.server import listen, serve
from gateway.web.tokens import new_token
from tests.doors import FakeClock, FakeEngine

ALL_SCOPES = ("alert:write", "alert:cancel", "order:write", "event:read")


@dataclass
class Door:
    engine: FakeEngine
    clock: FakeClock
    base: str
    http: aiohttp.ClientSession
    app: object
    tokens: dict[str, str] = field(default_factory=dict)
    server: asyncio.Task | None = None

    def auth(self, name="centre"):
        return {"authorization": f"Bearer {self.tokens[name]}"}

    async def post(self, path, body, name="centre", **headers):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.http.post(
            self.base + path, data=io.BytesIO(raw), headers=self.auth(name) | headers
        ) as answer:
            return answer.status, await answer.json(), answer.headers

    async def get(self, path, name="centre", **headers):
        async with self.http.get(self.base + path, headers=self.auth(name) | headers) as answer:
            return answer.status, await answer.json()


def make_tokens():
    tokens, entries = {}, []
    kinds = {
        "centre": (ALL_SCOPES, None),
        "reader": (("event:read",), None),
        "writer": (("alert:write",), None),
        "canceller": (("alert:cancel",), None),
        "clerk": (("order:write",), None),
        "past": (ALL_SCOPES, date(2026, 11, 20)),
        "today": (ALL_SCOPES, date(2026, 11, 21)),
    }
    for name, (scopes, expires) in kinds.items():
        tokens[name], digest = new_token(name)
        entries.append(Token(id=name, sha256=digest, scopes=scopes, expires=expires))
    tokens["company"], digest = new_token("company")
    entries.append(Token(id="company", sha256=digest, scopes=ALL_SCOPES, organisation="xi"))
    return tokens, tuple(entries)


@asynccontextmanager
async def open_door(media_dir: Path, **limits):
    tokens, entries = make_tokens()
    settings = HttpDoor(listen="127.0.0.1:0", tokens=entries, **limits)
    engine, clock = FakeEngine(), FakeClock()
    app = build(
        settings, engine, engine, None, clock, media_dir, media_dir.with_name("recordings")
    )
    sock = listen(settings)
    base = f"http://127.0.0.1:{sock.getsockname()[1]}"
    async with asyncio.TaskGroup() as tasks:
        server = tasks.create_task(serve(app, settings, sock))
        async with aiohttp.ClientSession() as http:
            yield Door(engine, clock, base, http, app, tokens, server)
        server.cancel()


@pytest_asyncio.fixture
async def door(tmp_path):
    async with open_door(tmp_path / "media") as opened:
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
        "grid": "G3",
        "location": {"lat": 29.1002, "lon": 119.6512, "datum": "GCJ-02"},
    }
