"""The alert routes: one message in, its receipt out, only after the commit."""

import math
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, HTTPException, Request, Response
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as StarletteScope

from gateway.core.alert import Alert, AlertKind, Level
from gateway.core.alert_json import Refusal, alert_schema, decode_alert
from gateway.core.events import AlertReceived
from gateway.core.report_json import RECEIPT_SCHEMA, receipt_json
from gateway.interfaces import GridcallError
from gateway.web.documents import json_body, json_reply, replies
from gateway.web.entrance import DOOR, BodyRefusedError, Entrance, json_response
from gateway.web.tokens import Scope

ALERTS = "/v1/alerts"
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

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance

    async def take(
        self, request: Request, kind: AlertKind, scope: Scope, path_id: str | None = None
    ) -> Response:
        """Return the receipt of one message; whatever was refused stands in the journal."""
        entrance = self._entrance
        token = await entrance.admit(request, scope)
        try:
            raw = await entrance.body(request, entrance.http.body_limit_kb * 1024)
        except BodyRefusedError as error:
            # The rest of the body is still on the wire: this connection cannot go on.
            return await entrance.refuse(
                error.status, error.reason, error.raw, headers={"connection": "close"}
            )
        with entrance.meters.receipt_seconds.time():
            return await self._take(raw, kind, token.id, path_id)

    async def _take(
        self, raw: bytes, kind: AlertKind, holder: str, path_id: str | None
    ) -> Response:
        now_us = self._entrance.clock.now_us()
        try:
            alert = decode_alert(raw, kind=kind, now_us=now_us)
            if path_id not in (None, alert.id):
                raise _other_id(alert)
        except Refusal as refusal:
            return await self._refuse(raw, holder, refusal)
        wait_s = self._entrance.rate.wait_s(holder, level_1=alert.level is Level.ONE)
        if wait_s:
            return await self._hold_off(raw, wait_s, alert.sender, alert.id)
        return await self._submit(alert, now_us)

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


def _other_id(alert: Alert) -> Refusal:
    refusal = Refusal("id", "is not the id in the path")
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
            answer = await door.take(request, AlertKind.ALERT, "alert:write")
        except HTTPException as refused:
            content = {"detail": refused.detail}
            answer = json_response(refused.status_code, content, refused.headers)
        except GridcallError as error:
            answer = await unconfirmed(request, error)
        await answer(scope, receive, send)

    return raise_alert


def alert_routes(entrance: Entrance) -> APIRouter:
    """Return the routes that take alerts, updates and cancels."""
    door = AlertDoor(entrance)
    router = APIRouter(tags=["alerts"])

    @router.post(
        ALERTS,
        status_code=202,
        summary="Raise an alert",
        responses=_RECEIPTS,
        openapi_extra=json_body(alert_schema(AlertKind.ALERT), "alert:write"),
    )
    async def raise_alert(request: Request) -> Response:
        return await door.take(request, AlertKind.ALERT, "alert:write")

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
