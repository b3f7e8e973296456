"""The event stream: every timeline node in order, resumable (SSE, WHATWG HTML section 9.2).

The id of an event is ``<journal>.<part>``. A viewer that comes back with it as
``Last-Event-ID`` (a bare ``<journal>`` is taken too) goes on with the next one. Nothing is
kept for a viewer: a slow one holds up only its own reading of the journal, and one that takes
nothing for ten seconds is dropped and may come back.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable

import msgspec
from fastapi import APIRouter, HTTPException, Request, Response
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.core.centre.report_json import EVENT_SCHEMA, event_json
from gateway.interfaces import Queries, Report
from gateway.web.documents import DETAIL_SCHEMA, guarded, json_reply, replies
from gateway.web.entrance import HEADERS, Entrance
from gateway.web.own_view import own_report

MAX_VIEWERS = 32
STALL_S = 10.0
PING_S = 15.0
_AHEAD = 64
_EVENT_ID = re.compile(r"(\d{1,18})(?:\.(\d{1,9}))?", re.ASCII)


class _ViewerGoneError(Exception):
    """The viewer hung up, or has taken nothing for too long."""


class _StoppingError(Exception):
    """The door closes: the stream is ended in order, and the viewer comes back later."""


def parse_event_id(text: str) -> tuple[int, int | None]:
    """Return (journal, part) of an event id; part None means the whole row was seen.

    Raises:
        ValueError: It is not one of our ids.
    """
    found = _EVENT_ID.fullmatch(text)
    if found is None:
        raise ValueError("an event id reads <journal>.<part>")
    return int(found[1]), int(found[2]) if found[2] is not None else None


def event_text(report: Report, site: str) -> bytes:
    """Return one event as it stands on the wire."""
    data = msgspec.json.encode(event_json(report, site))
    return b"id: %d.%d\ndata: %b\n\n" % (report.seq, report.part, data)


class EventStream(StreamingResponse):
    """Writes events to one viewer until he goes."""

    def __init__(
        self,
        queries: Queries,
        after: tuple[int, int | None],
        count: Callable[[int], None],
        stopping: asyncio.Event,
        *,
        stall_s: float = STALL_S,
        ping_s: float = PING_S,
        organisation: str | None = None,
    ) -> None:
        super().__init__((), media_type="text/event-stream", headers=dict(HEADERS))
        self._queries = queries
        self._after = after
        self._count = count
        self._stopping = stopping
        self._stall_s = stall_s
        self._ping_s = ping_s
        self._organisation = organisation
        self._site = str(queries.health().get("site", ""))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Stream until the viewer hangs up or stalls."""
        ahead: asyncio.Queue[Report] = asyncio.Queue(_AHEAD)
        self._count(+1)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_raise_when_gone(receive))
                tasks.create_task(_raise_when_stopping(self._stopping))
                tasks.create_task(self._read(ahead))
                tasks.create_task(self._write(ahead, send))
        except* _ViewerGoneError:
            pass
        except* _StoppingError:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._count(-1)

    async def _read(self, ahead: asyncio.Queue[Report]) -> None:
        """Keep the queue filled from the journal; waits while the viewer is behind."""
        seq, part = self._after
        # A row may have several nodes: start before it and leave out what was seen.
        start = seq if part is None else seq - 1
        reports = self._queries.follow(after_seq=start)
        try:
            async for report in reports:
                if part is None or (report.seq, report.part) > (seq, part):
                    shown = self._shown(report)
                    if shown is not None:
                        await ahead.put(shown)
        finally:
            if isinstance(reports, AsyncGenerator):
                await reports.aclose()

    def _shown(self, report: Report) -> Report | None:
        """Return a node as this viewer may see it; None where it is nothing of his body's."""
        if self._organisation is None:
            return report
        own = self._queries.own_people(self._organisation)
        theirs = report.order is not None and self._queries.concerns(
            report.order, self._organisation
        )
        return own_report(report, own) if theirs or report.person in own else None

    async def _write(self, ahead: asyncio.Queue[Report], send: Send) -> None:
        await self._send(send, {"type": "http.response.start", "status": 200})
        await self._send_body(send, b": gridcall events\n\n")
        while True:
            try:
                async with asyncio.timeout(self._ping_s):
                    report = await ahead.get()
            except TimeoutError:
                await self._send_body(send, b": still here\n\n")
                continue
            ready = [event_text(report, self._site)]
            while not ahead.empty():
                ready.append(event_text(ahead.get_nowait(), self._site))
            await self._send_body(send, b"".join(ready))

    async def _send_body(self, send: Send, body: bytes) -> None:
        message = {"type": "http.response.body", "body": body, "more_body": True}
        await self._send(send, message)

    async def _send(self, send: Send, message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = self.raw_headers
        try:
            async with asyncio.timeout(self._stall_s):
                await send(message)
        except (TimeoutError, OSError) as error:
            raise _ViewerGoneError from error


async def _raise_when_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    raise _ViewerGoneError


async def _raise_when_stopping(stopping: asyncio.Event) -> None:
    await stopping.wait()
    raise _StoppingError


class EventDoor:
    """Opens event streams, a bounded number at a time."""

    def __init__(self, entrance: Entrance, queries: Queries, stopping: asyncio.Event) -> None:
        self._entrance = entrance
        self._queries = queries
        self._stopping = stopping
        self._open = 0

    async def stream(self, request: Request) -> Response:
        """Return the stream that a viewer asked for, from where he left off."""
        token = await self._entrance.admit(request, "event:read", bodies=True)
        asked = request.headers.get("last-event-id") or request.query_params.get("after")
        try:
            after = parse_event_id(asked) if asked else (_last_seq(self._queries), None)
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        if self._open >= MAX_VIEWERS:
            raise HTTPException(503, "too many viewers", {"retry-after": "10"})
        return EventStream(
            self._queries, after, self._count, self._stopping, organisation=token.organisation
        )

    def _count(self, change: int) -> None:
        self._open += change
        self._entrance.meters.viewers.set(self._open)


def event_routes(entrance: Entrance, queries: Queries, stopping: asyncio.Event) -> APIRouter:
    """Return the route of the event stream; ``stopping`` ends every stream."""
    door = EventDoor(entrance, queries, stopping)
    router = APIRouter(tags=["events"])
    data_line = {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": EVENT_SCHEMA,
    }
    described = {
        "description": "Server-sent events: a data line is one event, its id resumes after it",
        "content": {"text/event-stream": {"schema": data_line}},
    }
    resume = [
        {"name": "Last-Event-ID", "in": "header", "schema": {"type": "string"}},
        {"name": "after", "in": "query", "schema": {"type": "string"}},
    ]

    @router.get(
        "/v1/events",
        response_class=Response,
        summary="Every timeline node as it is written; without a resume id from now on",
        responses=replies(
            {200: described, 422: json_reply("The resume id is none of ours", DETAIL_SCHEMA)}
        ),
        openapi_extra=guarded("event:read") | {"parameters": resume},
    )
    async def stream_events(request: Request) -> Response:
        return await door.stream(request)

    return router


def _last_seq(queries: Queries) -> int:
    seq = queries.health()["journal"]
    assert isinstance(seq, int)
    return seq
