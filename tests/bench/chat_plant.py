"""`python -m tests.bench.chat_plant`: a chat platform so lean that it is not what is measured.

It answers the Bot API calls that the driver makes, for any number of bot accounts on one port,
and takes any webhook; each call's moment is read from CLOCK_MONOTONIC, which all processes
share, when the last byte of it is there. Asked over ``/plant/…``, it gives its record and
changes its temper: slow answers, the platform's limits, a storm of 429.

The simulator proper (simulators/chat_server.py) keeps chats and people; at 600 calls a second
it would be the slowest part of the bench.
"""

import asyncio
import json
import os
import sys
import threading
import time
from urllib.parse import parse_qsl, unquote_plus

from simulators.chat_rooms import FloodControl, PlatformError

BOT = {"id": 123, "is_bot": True, "first_name": "gateway", "username": "gateway_bot",
       "can_join_groups": True, "can_read_all_group_messages": True,
       "supports_inline_queries": False}  # fmt: skip
COUNTED = ("sendmessage", "editmessagetext")
_HOOK = b'{"ok":true}'


class Platform:
    """The record, and how calls are answered.

    Attributes:
        calls: ``[monotonic s, account, method, chat, text, answer]`` of each call that writes.
        delay_s: How long an answer takes.
        limits: Whether the platform's limits refuse (a second and chat, a minute and group).
        refuse_until_s: Until then, monotonic, every call that writes is refused with 429.
    """

    def __init__(self):
        self.calls = []
        self.temper = {"delay_s": 0.0, "limits": False, "refuse_until_s": 0.0}
        self._floods = {}
        self._messages = 0

    def written(self, account, method, params, now_s):
        """Return (status, body) of a call that writes, having put it on record."""
        chat, text = str(params.get("chat_id", "")), str(params.get("text", ""))
        after_s = self._refused(account, method, chat, now_s)
        self.calls.append([now_s, account, method, chat, text, "429" if after_s else "ok"])
        if after_s:
            return 429, {"ok": False, "error_code": 429, "parameters": {"retry_after": after_s},
                         "description": f"Too Many Requests: retry after {after_s}"}  # fmt: skip
        number = int(params.get("message_id") or 0)
        if not number:
            self._messages += 1
            number = self._messages
        message = {"message_id": number, "date": int(time.time()), "from": BOT, "text": text,
                   "chat": {"id": int(chat), "type": "supergroup", "title": chat}}  # fmt: skip
        return 200, {"ok": True, "result": message}

    def _refused(self, account, method, chat, now_s):
        if now_s < self.temper["refuse_until_s"]:
            return 1
        if self.temper["limits"] and method == "sendmessage":
            try:
                self._floods.setdefault(account, FloodControl()).admit(int(chat), now_s)
            except PlatformError as error:
                return error.parameters["retry_after"]
        return 0


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection, kept alive; no request waits behind another's delay."""

    def __init__(self, platform):
        self._platform = platform
        self._rest = b""

    def connection_made(self, transport):
        self._transport = transport

    def data_received(self, data):
        self._rest += data
        while (end := self._rest.find(b"\r\n\r\n")) >= 0:
            head = self._rest[:end]
            length = _length(head)
            if len(self._rest) < end + 4 + length:
                return
            body = self._rest[end + 4 : end + 4 + length]
            self._rest = self._rest[end + 4 + length :]
            self._serve(head, body, time.monotonic())

    def _serve(self, head, body, now_s):
        path, _, query = head.split(b" ", 2)[1].decode().partition("?")
        _, first, *rest = path.split("/")
        if first.startswith("bot"):
            self._call(first[3:], rest[0].lower(), body, now_s)
        elif first == "plant":
            self._answer(200, self._asked(rest[0], query, body))
        else:
            self._platform.calls.append([now_s, "hook", path, "", body.decode(), "ok"])
            self._answer(200, _HOOK)

    def _call(self, token, method, body, now_s):
        loop, platform = asyncio.get_running_loop(), self._platform
        params = _params(body)
        if method in COUNTED:
            status, answer = platform.written(token.partition(":")[0], method, params, now_s)
            loop.call_later(platform.temper["delay_s"], self._answer, status, answer) if (
                platform.temper["delay_s"]
            ) else self._answer(status, answer)
        elif method == "getupdates":
            held_s = float(params.get("timeout") or 0)
            loop.call_later(held_s, self._answer, 200, {"ok": True, "result": []})
        else:
            self._answer(200, {"ok": True, "result": BOT if method == "getme" else True})

    def _asked(self, what, query, body):
        if what == "temper":
            self._platform.temper |= json.loads(body)
            return self._platform.temper
        return self._platform.calls[int(dict(parse_qsl(query)).get("since", 0)) :]

    def _answer(self, status, content):
        if self._transport.is_closing():
            return
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self._transport.write(
            b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (status, len(body), body)
        )


def _length(head):
    lower = head.lower()
    at = lower.find(b"content-length:")
    return int(lower[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


def _params(body):
    """Return the parameters of a form (or of JSON) as strings."""
    if body[:1] == b"{":
        return json.loads(body)
    pairs = (pair.partition("=") for pair in body.decode().split("&") if pair)
    return {unquote_plus(name): unquote_plus(value) for name, _, value in pairs}


def _wait_for_end(loop, stop):
    """Return when whoever started us closes our standard input, having set ``stop``."""
    while os.read(0, 65536):
        pass
    loop.call_soon_threadsafe(stop.set)


async def serve():
    """Serve until standard input ends; the port stands on the first line of standard output."""
    loop, stop, platform = asyncio.get_running_loop(), asyncio.Event(), Platform()
    server = await loop.create_server(lambda: Connection(platform), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    threading.Thread(target=_wait_for_end, args=(loop, stop), daemon=True).start()
    await stop.wait()


if __name__ == "__main__":
    asyncio.run(serve())
