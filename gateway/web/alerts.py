"""The alert routes: one message in, its receipt out, only after the commit."""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as StarletteScope

from gateway.core.alert import Alert, AlertKind, Level
from gateway.core.centre.alert_json import Refusal, alert_schema, decode_alert
from gateway.core.centre.report_json import RECEIPT_SCHEMA, receipt_json, refusal_json
from gateway.core.intake.events import AlertReceived, MessageNoted
from gateway.interfaces import AlertFormat, GridcallError
from gateway.settings import Token
from gateway.web.documents import json_body, json_reply, replies
from gateway.web.entrance import DOOR, HEADERS, BodyRefusedError, Entrance, json_response
from gateway.web.tokens import Scope, known_as

ALERTS = "/v1/alerts"
# What senders call CAP besides its own name.
_CAP = "application/cap+xml"
_XML_TYPES = dict.fromkeys((_CAP, "application/xml", "text/xml"), _CAP)
_STATUS = {"accepted": 202, "duplicate": 200, "conflict": 409, "refused": 422}
_RECEIPTS = replies(
    {
        202: json_reply("Accepted: it is on the disk", RECEIPT_SCHEMA),
        200: json_reply(
            "A repeat of a message already taken; nothing is done twice", RECEIPT_SCHEMA
        ),
        409: json_reply(
            "Same sender and id, other content; a person must look", RECEIPT_SCHEMA
        ),
        422: json_reply("Refused; the reason names the field", RECEIPT_SCHEMA),
        408: json_reply("The body did not come in time", RECEIPT_SCHEMA),
        413: json_reply("The body is too big", RECEIPT_SCHEMA),
        429: json_reply("Too many; Retry-After says when, in seconds", RECEIPT_SCHEMA),
    }
)


class AlertDoor:
    """Takes alerts, updates and cancels over HTTP."""

    def __init__(self, entrance: Entrance, formats: Sequence[AlertFormat] = ()) -> None:
        self._entrance = entrance
        self._formats = {one.content_type: one for one in formats}

    async def raised(self, request: Request) -> Response:
        """Return the receipt of what came to the one door of all: our JSON, or a format."""
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        found = self._formats.get(_XML_TYPES.get(content_type, content_type))
        if found is not None:
            return await FormatDoor(self._entrance, found).take(request)
        if content_type in _XML_TYPES:
            await self._entrance.admit(request, "alert:write")
            reason = "body: is CAP; this site has no section command_centre.cap"
            headers = {"connection": "close"}
            return await self._entrance.refuse(415, reason, b"", headers=headers)
        return await self.take(request, AlertKind.ALERT, "alert:write")

    async def take(
        self, request: Request, kind: AlertKind, scope: Scope, path_id: str | None = None
    ) -> Response:
        """Return the receipt of one message; whatever was refused stands in the journal."""
        entrance = self._entrance
        token = await entrance.admit(request, scope, bodies=True)
        try:
            raw = await entrance.body(request, entrance.http.body_limit_kb * 1024)
        except BodyRefusedError as error:
            # The rest of the body is still on the wire: this connection cannot go on.
            return await entrance.refuse(
                error.status, error.reason, error.raw, headers={"connection": "close"}
            )
        with entrance.meters.receipt_seconds.time():
            return await self._take(raw, kind, token, path_id)

    async def _take(
        self, raw: bytes, kind: AlertKind, token: Token, path_id: str | None
    ) -> Response:
        now_us = self._entrance.clock.now_us()
        try:
            alert = decode_alert(raw, kind=kind, now_us=now_us)
            if path_id not in (None, alert.id):
                raise _other_id(alert)
            alert = _of_body(alert, token.organisation)
        except Refusal as refusal:
            return await self._refuse(raw, token.id, refusal)
        wait_s = self._entrance.rate.wait_s(token.id, level_1=alert.level is Level.ONE)
        if wait_s:
            return await self._hold_off(raw, wait_s, alert.sender, alert.id)
        return await self._submit(replace(alert, through=known_as(token)), now_us)

    async def _submit(self, alert: Alert, now_us: int) -> Response:
        entrance = self._entrance
        committed = await entrance.intake.submit(
            AlertReceived(
                at_us=now_us,
                door=DOOR,
                alert=alert,
                synchronised=entrance.clock.synchronised(),
            )
        )
        assert committed.receipt is not None, "the core answers every alert"
        return json_response(
            _STATUS[committed.receipt.status], receipt_json(committed.receipt, committed.seq)
        )

    async def _refuse(self, raw: bytes, holder: str, refusal: Refusal) -> Response:
        # Nonsense counts against its sender too, and is never free.
        wait_s = self._entrance.rate.wait_s(holder, level_1=False)
        if wait_s:
            return await self._hold_off(raw, wait_s, refusal.sender, refusal.id)
        return await self._entrance.refuse(
            422, str(refusal), raw, sender=refusal.sender, alert=refusal.id
        )

    async def _hold_off(
        self, raw: bytes, wait_s: float, sender: str | None, alert: str | None
    ) -> Response:
        limit = self._entrance.http.alerts_per_s
        return await self._entrance.refuse(
            429,
            f"rate: more than {limit} messages a second; nothing was done, send it again later",
            raw,
            sender=sender,
            alert=alert,
            headers={"retry-after": str(math.ceil(wait_s))},
        )


class FormatDoor:
    """Takes messages in a format that is not ours over HTTP, and answers in it.

    The message itself says whether it raises, amends or cancels, so what its token must be
    allowed to do is known only when it has been read.
    """

    def __init__(self, entrance: Entrance, written: AlertFormat) -> None:
        self._entrance = entrance
        self._format = written

    async def take(self, request: Request) -> Response:
        """Return the answer to one message; whatever was refused stands in the journal."""
        entrance = self._entrance
        token = await entrance.admit(request, None)
        try:
            raw = await entrance.body(request, self._format.limit_bytes)
        except BodyRefusedError as error:
            return await self._refuse(error.status, error.raw, error.reason, close=True)
        now_us = entrance.clock.now_us()
        synchronised = entrance.clock.synchronised()
        event: AlertReceived | MessageNoted | Refusal
        try:
            event = self._format.decode(
                raw, door=DOOR, now_us=now_us, synchronised=synchronised
            )
        except Refusal as refusal:
            event = refusal
        await entrance.admit(request, _scope_of(event))
        urgent = isinstance(event, AlertReceived) and event.alert.level is Level.ONE
        wait_s = entrance.rate.wait_s(token.id, level_1=urgent)
        if wait_s:
            return await self._refuse(429, raw, "rate: too many messages; send it again later")
        if isinstance(event, Refusal):
            return await self._refuse(422, raw, str(event), event)
        if isinstance(event, AlertReceived):
            event = replace(event, alert=replace(event.alert, through=known_as(token)))
        return await self._submit(raw, event)

    async def _submit(self, raw: bytes, event: AlertReceived | MessageNoted) -> Response:
        with self._entrance.meters.receipt_seconds.time():
            committed = await self._entrance.intake.submit(event)
        assert committed.receipt is not None, "the core answers every message"
        receipt = receipt_json(committed.receipt, committed.seq)
        return self._answer(_STATUS[committed.receipt.status], raw, receipt)

    async def _refuse(
        self,
        status: int,
        raw: bytes,
        reason: str,
        refusal: Refusal | None = None,
        *,
        close: bool = False,
    ) -> Response:
        seq = await self._entrance.note_refusal(status, reason, raw)
        known = refusal or Refusal("body", reason)
        receipt = refusal_json(reason, seq, sender=known.sender, alert=known.id)
        answer = self._answer(status, raw, receipt)
        if close:
            answer.headers["connection"] = "close"
        if status == 429:
            answer.headers["retry-after"] = "1"
        return answer

    def _answer(self, status: int, raw: bytes, receipt: Mapping[str, object]) -> Response:
        body = self._format.answer(raw, receipt, self._entrance.clock.now_us())
        kind = f"{self._format.content_type}; charset=utf-8"
        return Response(body, status, headers={**HEADERS, "content-type": kind})


def _scope_of(event: AlertReceived | MessageNoted | Refusal) -> Scope:
    """Return what a token needs for a message; to be told what is wrong with one, to write."""
    cancels = isinstance(event, AlertReceived) and event.alert.kind is AlertKind.CANCEL
    return "alert:cancel" if cancels else "alert:write"


def _other_id(alert: Alert) -> Refusal:
    return _refused(alert, "id", "is not the id in the path")


def _of_body(alert: Alert, organisation: str | None) -> Alert:
    """Return an alert marked as a body's where its token is one's.

    Such a body signs with its own id and refers to its own messages only, so that it can
    neither amend nor call off another's.
    """
    if organisation is None:
        return alert
    if alert.sender != organisation:
        raise _refused(alert, "sender", f"must be {organisation} with this token")
    if any(not reference.startswith(f"{organisation},") for reference in alert.references):
        raise _refused(alert, "references", "must be this sender's own with this token")
    return replace(alert, organisation=organisation)


def _refused(alert: Alert, field: str, reason: str) -> Refusal:
    refusal = Refusal(field, reason)
    refusal.sender, refusal.id = alert.sender, alert.id
    return refusal


def express(
    door: AlertDoor, unconfirmed: Callable[[Request, Exception], Awaitable[Response]]
) -> ASGIApp:
    """Return what answers a raised alert just as its route does, without the framework.

    Args:
        door: Takes the alert.
        unconfirmed: Answers when it could not be committed.
    """

    async def raise_alert(scope: StarletteScope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        try:
            answer = await door.raised(request)
        except HTTPException as refused:
            content = {"detail": refused.detail}
            answer = json_response(refused.status_code, content, refused.headers)
        except GridcallError as error:
            answer = await unconfirmed(request, error)
        await answer(scope, receive, send)

    return raise_alert


def alert_routes(door: AlertDoor) -> APIRouter:
    """Return the routes that take alerts, updates and cancels."""
    router = APIRouter(tags=["alerts"])

    @router.post(
        ALERTS,
        status_code=202,
        summary="Raise an alert",
        responses=_RECEIPTS,
        openapi_extra=_alert_body(),
    )
    async def raise_alert(request: Request) -> Response:
        return await door.raised(request)

    @router.post(
        "/v1/alerts/{id}/update",
        status_code=202,
        summary="Amend an alert",
        responses=_RECEIPTS,
        openapi_extra=json_body(alert_schema(AlertKind.UPDATE), "alert:write"),
    )
    async def update_alert(request: Request, id: str) -> Response:  # noqa: A002  # the contract's
        return await door.take(request, AlertKind.UPDATE, "alert:write", id)

    @router.post(
        "/v1/alerts/{id}/cancel",
        status_code=202,
        summary="Cancel an alert",
        responses=_RECEIPTS,
        openapi_extra=json_body(alert_schema(AlertKind.CANCEL), "alert:cancel"),
    )
    async def cancel_alert(request: Request, id: str) -> Response:  # noqa: A002  # the contract's
        return await door.take(request, AlertKind.CANCEL, "alert:cancel", id)

    return router


def _alert_body() -> dict[str, Any]:
    """Return the description of what an alert may be written in."""
    described = json_body(alert_schema(AlertKind.ALERT), "alert:write")
    described["requestBody"]["content"]["application/cap+xml"] = {
        "schema": {
            "type": "string",
            "description": "CAP 1.2: Alert, Update, Cancel, Ack or Error, where the site takes "
            "it (command_centre.cap); answered by a CAP Ack or Error",
        }
    }
    return described
