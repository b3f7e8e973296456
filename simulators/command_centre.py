"""A command centre: raises alerts by HTTP or MQTT, repeats them until the receipt, keeps a log.

An independent witness: it knows the gateway only by its published documents, and what it logs
is what it sent and heard itself::

    async with CommandCentre("http://127.0.0.1:8080", token) as centre:
        receipt = await centre.raise_alert(text="东街有人打架", category="fight", level=2)
        await centre.wait_event(node="arrived", order=receipt["order"], timeout_s=60)

The log is JSON lines, ``{"at": …, "what": …, "door": "http|mqtt", …}``, where ``what`` is
``sent``, ``receipt``, ``event``, ``health`` with the ``message``; ``act``, ``acted``;
``asked``, ``answered`` (acts about no order); ``lost``.
"""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self, TextIO

import aiohttp
import aiomqtt

_LOG: Final = logging.getLogger(__name__)

Door = Literal["http", "mqtt"]
Json = dict[str, Any]

REPEAT_S: Final = 2.0
GIVE_UP_S: Final = 60.0
REQUEST_S: Final = 10.0
RECONNECT_S: Final = 0.2
_IDENTITY: Final = ("order", "node", "person")


class CentreError(Exception):
    """The gateway answered what no repetition will change.

    Attributes:
        status: HTTP status.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class CommandCentre:
    """Sends, repeats, listens and remembers.

    Attributes:
        events: Every timeline node heard, each once, in the order it was heard.
        receipts: Every receipt heard, repeats included.
        health: What was last heard on the health topic.
    """

    def __init__(
        self,
        http_base: str,
        token: str,
        mqtt: Mapping[str, Any] | None = None,
        log: Path | None = None,
        *,
        sender: str = "zhzx",
        repeat_s: float = REPEAT_S,
        give_up_s: float = GIVE_UP_S,
    ) -> None:
        """Prepare; nothing is opened before ``async with``.

        Args:
            http_base: The gateway's HTTP door, ``http://host:port``.
            token: Our bearer token; never logged.
            mqtt: ``host``, ``port``, ``site`` and, where asked for, ``username``, ``password``.
            log: JSON lines of all that was sent and heard, appended to.
            sender: Our name in alerts that carry none.
            repeat_s: How long a message waits for its receipt before it is sent again.
            give_up_s: After this it is an error.
        """
        self.events: list[Json] = []
        self.receipts: list[Json] = []
        self.health: Json | None = None
        self._base = http_base.rstrip("/")
        self._auth = {"authorization": f"Bearer {token}"}
        self._mqtt = dict(mqtt) if mqtt else None
        self._log_path = log
        self._log: TextIO | None = None
        self._sender = sender
        self._repeat_s, self._give_up_s = repeat_s, give_up_s
        self._seen: set[tuple[int, int]] = set()
        self._last_id: str | None = None
        self._count = 0
        self._heard = asyncio.Event()
        self._broker: aiomqtt.Client | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open the log and start listening, by event stream and, where given, by MQTT."""
        if self._log_path is not None:
            self._log = self._stack.enter_context(
                self._log_path.open("a", encoding="utf-8", buffering=1)
            )
        self._http = await self._stack.enter_async_context(aiohttp.ClientSession())
        tasks = await self._stack.enter_async_context(asyncio.TaskGroup())
        listening = tasks.create_task(self.follow())
        self._stack.callback(listening.cancel)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        """Stop listening and close everything."""
        return await self._stack.__aexit__(kind, error, trace)

    # What a dispatcher does

    async def raise_alert(self, *, door: Door = "http", **fields: Any) -> Json:  # noqa: ANN401
        """Return the receipt of an alert; ``id``, ``sender`` and ``sent`` are filled in."""
        return await self._send("alert", door, fields)

    async def update(self, alert: str, *, door: Door = "http", **fields: Any) -> Json:  # noqa: ANN401
        """Return the receipt of an amendment of an alert, given by our own id of it."""
        return await self._send("update", door, {"id": alert, **fields})

    async def cancel(self, alert: str, *, door: Door = "http", **fields: Any) -> Json:  # noqa: ANN401
        """Return the receipt of the cancelling of an alert, given by our own id of it."""
        return await self._send("cancel", door, {"id": alert, **fields})

    async def act(self, order: str, act: str, **fields: Any) -> Json:  # noqa: ANN401
        """Return what became of ``close``, ``confirm`` or ``stand_down`` of an order.

        Raises:
            CentreError: There is no such order, or we may not do that.
        """
        self._note("act", "http", order=order, act=act, message=fields)
        answer = await self._post_until_answered(f"/v1/orders/{order}/{act}", fields)
        self._note("acted", "http", answer=answer)
        return answer

    async def do(self, act: str, **fields: Any) -> Json:  # noqa: ANN401
        """Return what became of an act that is about no order, such as ``promote``.

        Raises:
            CentreError: We may not do that.
        """
        message = {"act": act, **fields}
        self._note("asked", "http", message=message)
        answer = await self._post_until_answered("/v1/acts", message)
        self._note("answered", "http", message=message, answer=answer)
        return answer

    async def orders(self, *, open_only: bool = False) -> list[Json]:
        """Return the orders, newest first."""
        answer: list[Json] = await self._get(f"/v1/orders?open={int(open_only)}")
        return answer

    async def order(self, order: str) -> Json:
        """Return one order with its timeline. Raises CentreError when there is none."""
        answer: Json = await self._get(f"/v1/orders/{order}")
        return answer

    # What it hears

    async def follow(self) -> None:
        """Listen until cancelled, coming back whenever a link breaks, missing nothing."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_stream())
            if self._mqtt is not None:
                tasks.create_task(self._follow_broker())

    async def wait_event(self, *, timeout_s: float, **wanted: Any) -> Json:  # noqa: ANN401
        """Return the first event, heard already or to come, whose fields are as wanted.

        Args:
            timeout_s: How long to wait.
            wanted: Fields of the event, such as ``node``, ``person``, ``order``; None is any.

        Raises:
            TimeoutError: None came; the message says what was heard.
        """
        fields = {name: value for name, value in wanted.items() if value is not None}
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    for event in self.events:
                        if all(event.get(name) == value for name, value in fields.items()):
                            return event
                    await self._wait_heard()
        except TimeoutError:
            heard = [tuple(event.get(name) for name in _IDENTITY) for event in self.events]
            msg = f"no event with {fields} in {timeout_s} s; heard {heard}"
            raise TimeoutError(msg) from None

    async def wait_until(self, holds: Callable[[], bool], timeout_s: float) -> None:
        """Return once ``holds()``, asked after everything heard. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not holds():
                await self._wait_heard()

    async def _wait_heard(self) -> None:
        self._heard.clear()
        await self._heard.wait()

    # Sending

    async def _send(self, kind: str, door: Door, fields: Mapping[str, Any]) -> Json:
        message = self._message(kind, fields)
        async with asyncio.timeout(self._give_up_s):
            if door == "mqtt":
                receipt = await self._send_by_broker(message)
            else:
                receipt = await self._send_by_http(message)
        return receipt

    def _message(self, kind: str, fields: Mapping[str, Any]) -> Json:
        self._count += 1
        started = datetime.now(UTC)
        filled = {
            "kind": kind,
            "id": f"JQ-{started:%H%M%S%f}-{self._count}",
            "sender": self._sender,
            "sent": started.isoformat(timespec="milliseconds"),
        }
        return {**filled, **fields}

    async def _send_by_http(self, message: Json) -> Json:
        kind = message["kind"]
        path = "/v1/alerts" if kind == "alert" else f"/v1/alerts/{message['id']}/{kind}"
        self._note("sent", "http", message=message)
        receipt = await self._post_until_answered(path, message)
        self._keep_receipt(receipt, "http")
        return receipt

    async def _post_until_answered(self, path: str, message: Mapping[str, Any]) -> Json:
        """Return the answer; a broken link, a busy or a failing gateway is asked again."""
        while True:
            wait_s = self._repeat_s
            try:
                async with (
                    asyncio.timeout(REQUEST_S),
                    self._http.post(
                        self._base + path, json=message, headers=self._auth
                    ) as answer,
                ):
                    if answer.status < 500 and answer.status != 429:
                        found: Json = await _json_of(answer, accept=(200, 202, 409, 422))
                        return found
                    wait_s = float(answer.headers.get("retry-after", wait_s))
                    self._note("lost", "http", path=path, status=answer.status)
            except (aiohttp.ClientError, TimeoutError) as error:
                self._note("lost", "http", path=path, error=type(error).__name__)
            await asyncio.sleep(wait_s)

    async def _send_by_broker(self, message: Json) -> Json:
        """Publish again and again until the receipt: the broker's own word is not enough."""
        if self._mqtt is None:
            raise ValueError("no broker was given to this command centre")
        known = len(self.receipts)
        while True:
            await self._publish(message)
            try:
                async with asyncio.timeout(self._repeat_s):
                    while (receipt := self._receipt_of(message, known)) is None:
                        await self._wait_heard()
                    return receipt
            except TimeoutError:
                self._note("lost", "mqtt", id=message["id"])

    async def _publish(self, message: Json) -> None:
        if self._broker is None:
            return
        self._note("sent", "mqtt", message=message)
        topic = f"{self._root}/alerts"
        try:
            await self._broker.publish(topic, json.dumps(message, ensure_ascii=False), qos=1)
        except aiomqtt.MqttError as error:
            self._note("lost", "mqtt", error=str(error))

    def _receipt_of(self, message: Json, known: int) -> Json | None:
        key = (message["sender"], message["id"])
        fresh = self.receipts[known:]
        return next((r for r in fresh if (r["sender"], r["id"]) == key), None)

    async def _get(self, path: str) -> Any:  # noqa: ANN401
        async with self._http.get(self._base + path, headers=self._auth) as answer:
            return await _json_of(answer, accept=(200,))

    # Listening

    async def _follow_stream(self) -> None:
        while True:
            try:
                await self._read_stream()
            except (aiohttp.ClientError, TimeoutError) as error:
                _LOG.debug("event stream: %s", error)
            await asyncio.sleep(RECONNECT_S)

    async def _read_stream(self) -> None:
        headers = dict(self._auth)
        if self._last_id is not None:
            headers["last-event-id"] = self._last_id
        # The door pings every 15 s: silence for longer means that the link is dead.
        timeout = aiohttp.ClientTimeout(total=None, sock_read=40)
        async with self._http.get(
            f"{self._base}/v1/events?after=0", headers=headers, timeout=timeout
        ) as answer:
            if answer.status != 200:
                self._note("lost", "http", path="/v1/events", status=answer.status)
                return
            async for mark, data in _server_sent(answer):
                self._last_id = mark
                self._keep_event(json.loads(data), "http")

    async def _follow_broker(self) -> None:
        while True:
            try:
                await self._listen_to_broker()
            except aiomqtt.MqttError as error:
                self._note("lost", "mqtt", error=str(error))
            finally:
                self._broker = None
            await asyncio.sleep(RECONNECT_S)

    async def _listen_to_broker(self) -> None:
        assert self._mqtt is not None
        client = aiomqtt.Client(
            str(self._mqtt["host"]),
            int(self._mqtt["port"]),
            username=self._mqtt.get("username"),
            password=self._mqtt.get("password"),
            protocol=aiomqtt.ProtocolVersion.V5,
            keepalive=15,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )
        async with client:
            for topic in ("receipts", "events", "health"):
                await client.subscribe(f"{self._root}/{topic}", qos=1)
            self._broker = client
            async for message in client.messages:
                self._hear(message.topic.value, bytes(message.payload))

    def _hear(self, topic: str, payload: bytes) -> None:
        content = json.loads(payload)
        if topic.endswith("/receipts"):
            self._keep_receipt(content, "mqtt")
        elif topic.endswith("/events"):
            self._keep_event(content, "mqtt")
        else:
            self.health = content
            self._note("health", "mqtt", message=content)
            self._heard.set()

    @property
    def _root(self) -> str:
        assert self._mqtt is not None
        return f"gridcall/v1/{self._mqtt['site']}"

    def _keep_receipt(self, receipt: Json, door: Door) -> None:
        self.receipts.append(receipt)
        self._note("receipt", door, message=receipt)
        self._heard.set()

    def _keep_event(self, event: Json, door: Door) -> None:
        """Log what was heard; keep it once, however often and by whichever door it came."""
        self._note("event", door, message=event)
        mark = (int(event["journal"]), int(event["part"]))
        if mark not in self._seen:
            self._seen.add(mark)
            self.events.append(event)
            self._heard.set()

    def _note(self, what: str, door: Door, **facts: Any) -> None:  # noqa: ANN401
        if self._log is None:
            return
        at = datetime.now(UTC).isoformat(timespec="microseconds")
        line = {"at": at, "what": what, "door": door, **facts}
        self._log.write(json.dumps(line, ensure_ascii=False) + "\n")


async def _json_of(answer: aiohttp.ClientResponse, accept: tuple[int, ...]) -> Any:  # noqa: ANN401
    if answer.status not in accept:
        raise CentreError(answer.status, await answer.text())
    return await answer.json()


async def _server_sent(answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, str]]:
    """Yield (id, data) of server-sent events (WHATWG HTML section 9.2.6)."""
    mark, data = "", ""
    async for raw in answer.content:
        line = raw.decode("utf-8").rstrip("\r\n")
        name, _, value = line.partition(":")
        if not line and data:
            yield mark, data
            data = ""
        elif name == "id":
            mark = value.strip()
        elif name == "data":
            data += value.strip()


__all__ = ["CentreError", "CommandCentre"]
