"""A chat platform that speaks Telegram's Bot API, and the people who write in its chats.

    server = ChatServer(token, {"east": "-1001"}, seed=7, log_path=Path("chat.jsonl"))
    await server.start()
    card = await server.wait_message(lambda m: "东街" in m.text, timeout_s=5)
    server.press(card, "收到", user=700100034)

It enforces the platform's limits, keeps every message with its history, writes everything
down, and goes wrong where it is asked to.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self

from aiohttp import BodyPartReader, web

from simulators.chat_platform import ChatPlatform
from simulators.chat_rooms import ChatMessage, Json, Key, PlatformError, Toast, Version, flooded
from simulators.faults import Faults

__all__ = ["Call", "ChatMessage", "ChatServer", "Fault", "Key", "Toast", "Version"]

Fault = Literal["429", "500", "502", "hang", "lost", "blocked"]
RETRY_AFTER_S: Final = 1
SLOW_S: Final = 2.0
_AS_JSON: Final = (
    "reply_markup",
    "reply_parameters",
    "link_preview_options",
    "allowed_updates",
)
_COUNTED: Final = ("sendMessage", "sendPhoto", "sendVoice", "editMessageText")


@dataclass(frozen=True)
class Call:
    """One call of the bot, as it came.

    Attributes:
        mono_s: When, seconds of the monotonic clock.
        answer: ``ok``, the HTTP status, or the fault it met.
    """

    mono_s: float
    method: str
    params: Json
    answer: str


class ChatServer(ChatPlatform):
    """The platform and its people, over HTTP.

    Args:
        token: The bot token it knows; never written to its log.
        groups: Name of a group → its negative id.
        seed: For the order in which reordered updates come.
        log_path: JSON lines of all that happens, or None.
        faults: Faults by chance, beside those asked for by ``fail_next``.

    Attributes:
        calls: Every call of the bot but getUpdates.
        polls: The offset of each getUpdates.
    """

    def __init__(
        self,
        token: str,
        groups: Mapping[str, str | int],
        seed: int,
        log_path: Path | None = None,
        *,
        faults: Faults | None = None,
    ) -> None:
        super().__init__(token, groups, seed, log_path)
        self._faults = faults
        self._asked_faults: dict[str, deque[Fault]] = {}
        self.calls: deque[Call] = deque(maxlen=100_000)
        self.polls: deque[int | None] = deque(maxlen=10_000)
        self._runner: web.AppRunner | None = None
        self.port = 0

    @property
    def base_url(self) -> str:
        """Return what the bot's token is appended to."""
        return f"http://127.0.0.1:{self.port}/bot"

    @property
    def file_base_url(self) -> str:
        """Return what the bot's token is appended to for files."""
        return f"http://127.0.0.1:{self.port}/file/bot"

    async def start(self, port: int = 0) -> None:
        """Listen on 127.0.0.1; again on the same port after ``stop``, with all that was."""
        if self._log_path and self._log is None:
            self._log = self._log_path.open("a", encoding="utf-8", buffering=1)
        self._closing.clear()
        app = web.Application(client_max_size=60 << 20)
        app.router.add_route("*", "/bot{token}/{method}", self._serve_call)
        app.router.add_get("/file/bot{token}/{path:.+}", self._serve_file)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port or self.port).start()
        self.port = self._runner.addresses[0][1]
        self._write("started", port=self.port)

    async def stop(self) -> None:
        """Stop listening and cut every connection; what stands in the chats stays."""
        self._closing.set()
        self._news.set()
        if self._runner:
            await self._runner.cleanup()
            self._runner = None
        self._write("stopped")
        if self._log:
            self._log.close()
            self._log = None

    async def __aenter__(self) -> Self:
        """Start on a free port."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self.stop()

    # What goes wrong

    def fail_next(self, method: str, kind: Fault, times: int = 1) -> None:
        """Let the next calls of a method (or of any, ``*``) go wrong.

        Args:
            method: Such as ``sendMessage``.
            kind: ``429``, ``500`` or ``502``: answered so, nothing done. ``hang``: no answer,
                nothing done. ``lost``: done, then the connection is cut. ``blocked``: 403.
            times: How many calls.
        """
        self._asked_faults.setdefault(method.lower(), deque()).extend([kind] * times)

    # The server

    async def _serve_call(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        if request.match_info["token"] != self._token:
            return _answer(PlatformError(401, "Unauthorized"))
        try:
            params, files = await _parameters(request)
        except PlatformError as error:
            return _answer(error)
        if method.lower() == "getupdates":
            self.polls.append(int(params["offset"]) if params.get("offset") else None)
            self._changed.set()
        fault = self._fault(method)
        reply = await self._met(fault) if fault else None
        outcome = str(fault or "ok")
        if reply is None:
            try:
                reply = _ok(await self._carried_out(method, params, files))
            except PlatformError as error:
                reply, outcome = _answer(error), str(error.status)
        if method.lower() != "getupdates":
            self.calls.append(Call(time.monotonic(), method, params, outcome))
            self._write(
                "call", method=method, params=params, answer=outcome, planted=fault is not None
            )
            self._changed.set()
        if fault == "lost" and request.transport:
            request.transport.abort()
        return reply

    async def _carried_out(self, method: str, params: Json, files: dict[str, bytes]) -> object:
        if self._faults and method in _COUNTED and self._faults.draw("chat_slow"):
            await asyncio.sleep(SLOW_S)
        return await self.perform(method, params, files)

    def _fault(self, method: str) -> Fault | None:
        for name in (method.lower(), "*"):
            if self._asked_faults.get(name):
                return self._asked_faults[name].popleft()
        drawn: tuple[tuple[str, Fault], ...] = (
            ("chat_error_5xx", "502"),
            ("chat_429", "429"),
            ("chat_answer_lost", "lost"),
        )
        if self._faults and method in _COUNTED:
            return next((kind for name, kind in drawn if self._faults.draw(name)), None)
        return None

    async def _met(self, fault: Fault) -> web.Response | None:
        """Return the answer of a call that is not carried out; None when it is."""
        match fault:
            case "429":
                return _answer(flooded(RETRY_AFTER_S))
            case "500":
                return _answer(PlatformError(500, "Internal Server Error"))
            case "502":
                return web.Response(status=502, text="<html>Bad Gateway</html>")
            case "blocked":
                return _answer(PlatformError(403, "Forbidden: bot was blocked by the user"))
            case "hang":
                await self._closing.wait()
                return web.Response(status=503)
            case "lost":
                return None

    async def _serve_file(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        data = self._files.get(path.replace("/", "-", 1))
        if request.match_info["token"] != self._token or data is None:
            return _answer(PlatformError(404, "Not Found"))
        fault = self._fault("file")
        if fault:
            reply = await self._met(fault)
            if reply is not None:
                return reply
        return web.Response(body=data)


def _ok(result: object) -> web.Response:
    return web.json_response({"ok": True, "result": result})


def _answer(error: PlatformError) -> web.Response:
    body: Json = {"ok": False, "error_code": error.status, "description": str(error)}
    if error.parameters:
        body["parameters"] = error.parameters
    return web.json_response(body, status=error.status)


async def _parameters(request: web.Request) -> tuple[Json, dict[str, bytes]]:
    """Return the parameters of a call, JSON values read, and the files sent with it."""
    plain: Json = {}
    files: dict[str, bytes] = {}
    if request.content_type == "application/json":
        return dict(await request.json()), files
    if request.content_type.startswith("multipart/"):
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            data = bytes(await part.read())
            if part.filename:
                files[part.name or ""] = data
            else:
                plain[part.name or ""] = data.decode()
    else:
        plain = dict(await request.post()) | dict(request.query)
    return {name: _read(name, value) for name, value in plain.items()}, files


def _read(name: str, value: object) -> object:
    """Return a form value; objects and lists come as JSON (Bot API, making requests)."""
    if name not in _AS_JSON or not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise PlatformError(400, f"Bad Request: can't parse {name}") from None
