"""The order routes: what there is, what became of it, and what the centre does to it."""

import re
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request, Response

from gateway.core.centre.act_json import ACTS, Act, act_schema, decode_act
from gateway.core.centre.strict_json import Refusal
from gateway.interfaces import Queries
from gateway.web.documents import DETAIL_SCHEMA, guarded, json_body, json_reply, replies
from gateway.web.entrance import BodyRefusedError, Entrance, json_response
from gateway.web.own_view import own_order

MAX_ORDERS = 1000
_ORDER = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_ORDER_SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "number": {"type": "string"},
        "status": {"type": "string"},
    },
    "required": ["id", "number", "status"],
}
_ACTED_SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {
        "status": {"type": "string", "enum": ["accepted", "duplicate", "conflict", "refused"]},
        "order": {"type": ["string", "null"]},
        "journal": {"type": "integer", "minimum": 0},
        "reason": {"type": ["string", "null"]},
    },
    "required": ["status", "order", "journal", "reason"],
}
_ORDERS_SCHEMA: dict[str, object] = {"type": "array", "items": _ORDER_SCHEMA}
_WRONG_PARAMETER = json_reply("A parameter is wrong", DETAIL_SCHEMA)
_NO_ORDER = json_reply("No such order", DETAIL_SCHEMA)
_SUMMARY = {
    "close": "Close an order with its result",
    "confirm": "Confirm that a person was heard and recognised",
    "stand_down": "Stand everybody down",
}


class OrderDoor:
    """Answers questions about orders and hands acts on."""

    def __init__(self, entrance: Entrance, queries: Queries) -> None:
        self._entrance = entrance
        self._queries = queries

    async def list_orders(self, request: Request, *, open_only: bool, limit: int) -> Response:
        """Return the orders, newest first."""
        token = await self._entrance.admit(request, "event:read", bodies=True)
        if token.organisation is None:
            found = await self._queries.orders(open_only=open_only, limit=limit)
            return json_response(200, found)
        # Which are its own is known only once they are looked at.
        found = await self._queries.orders(open_only=open_only, limit=MAX_ORDERS)
        own = [self._own(order, token.organisation) for order in found]
        return json_response(200, [order for order in own if order is not None][:limit])

    def _own(self, order: dict[str, object], organisation: str) -> dict[str, object] | None:
        return own_order(order, self._queries.own_people(organisation), organisation)

    async def one_order(self, request: Request, order: str) -> Response:
        """Return one order with its timeline. Raises 404 when there is none of that id."""
        token = await self._entrance.admit(request, "event:read", bodies=True)
        found: dict[str, object] | None = await self._found(order)
        if token.organisation is not None and found is not None:
            found = self._own(found, token.organisation)
        if found is None:
            raise HTTPException(404, "there is no order of that id")
        return json_response(200, found)

    async def act(self, request: Request, order: str, act: Act) -> Response:
        """Return what became of an act, once it stands in the journal."""
        entrance = self._entrance
        token = await entrance.admit(request, "order:write")
        await entrance.pace_acts(request, token)
        try:
            raw = await entrance.body(request, entrance.http.body_limit_kb * 1024)
        except BodyRefusedError as error:
            return await entrance.refuse(
                error.status, error.reason, error.raw, headers={"connection": "close"}
            )
        try:
            now_us = entrance.clock.now_us()
            event = decode_act(raw, order=order, act=act, now_us=now_us, holder=token.id)
            entrance.register.check_name(token, event.by)
        except Refusal as refusal:
            return await entrance.refuse(422, str(refusal), raw)
        await self._found(order)
        committed = await entrance.intake.submit(event)
        receipt = committed.receipt
        done = receipt is None or receipt.status in ("accepted", "duplicate")
        content = {
            "status": receipt.status if receipt else "accepted",
            "order": order,
            "journal": committed.seq,
            "reason": receipt.reason if receipt else None,
        }
        return json_response(200 if done else 409, content)

    async def _found(self, order: str) -> dict[str, object]:
        found = await self._queries.order(order) if _ORDER.fullmatch(order) else None
        if found is None:
            raise HTTPException(404, "there is no order of that id")
        return found


def order_routes(entrance: Entrance, queries: Queries) -> APIRouter:
    """Return the routes of orders."""
    door = OrderDoor(entrance, queries)
    router = APIRouter(tags=["orders"])

    @router.get(
        "/v1/orders",
        summary="List orders, newest first",
        responses=replies({200: json_reply("Orders", _ORDERS_SCHEMA), 422: _WRONG_PARAMETER}),
        openapi_extra=guarded("event:read"),
    )
    async def list_orders(
        request: Request,
        open: Annotated[bool, Query(description="Only open ones")] = False,  # noqa: A002
        limit: Annotated[int, Query(ge=1, le=MAX_ORDERS)] = 100,
    ) -> Response:
        return await door.list_orders(request, open_only=open, limit=limit)

    @router.get(
        "/v1/orders/{order}",
        summary="One order with its timeline",
        responses=replies(
            {200: json_reply("The order", _ORDER_SCHEMA), 404: _NO_ORDER, 422: _WRONG_PARAMETER}
        ),
        openapi_extra=guarded("event:read"),
    )
    async def one_order(request: Request, order: str) -> Response:
        return await door.one_order(request, order)

    for act in ACTS:
        router.add_api_route(
            f"/v1/orders/{{order}}/{act}",
            _act_endpoint(door, act),
            methods=["POST"],
            name=act,
            summary=_SUMMARY[act],
            responses=replies(
                {
                    200: json_reply("Done", _ACTED_SCHEMA),
                    404: _NO_ORDER,
                    409: json_reply("The order's state does not allow it", _ACTED_SCHEMA),
                    422: json_reply("Refused; the reason names the field", _ACTED_SCHEMA),
                    429: json_reply(
                        "Too many; Retry-After says when, in seconds", DETAIL_SCHEMA
                    ),
                }
            ),
            openapi_extra=json_body(act_schema(act), "order:write"),
        )
    return router


def _act_endpoint(door: OrderDoor, act: Act) -> Callable[[Request, str], Awaitable[Response]]:
    async def endpoint(request: Request, order: str) -> Response:
        return await door.act(request, order, act)

    return endpoint
