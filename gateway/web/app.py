"""The HTTP application: every route, who may use it, and how errors are answered."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import generate_latest
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.interfaces import AlertFormat, Control, GridcallError, Intake, Queries, WallClock
from gateway.settings import HttpDoor
from gateway.web.acts import act_routes
from gateway.web.alerts import ALERTS, AlertDoor, alert_routes, express
from gateway.web.documents import BEARER, guarded, json_reply
from gateway.web.entrance import Entrance, json_response
from gateway.web.events import event_routes
from gateway.web.media import media_routes
from gateway.web.orders import order_routes
from gateway.web.people import people_routes
from gateway.web.recordings import recording_routes
from gateway.web.tokens import AlertRate, TokenRegister

API_VERSION = "1"
_HEALTH_SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}},
    "required": ["ok"],
}


class WebDoor(FastAPI):
    """FastAPI, with its document telling how callers prove who they are.

    The one request that must be fast, an alert, goes past its middleware and routing, which
    take longer than everything we do with it. Its route stands among the others all the same,
    for the document and for whoever asks for it by another method.
    """

    express: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        urgent = scope["type"] == "http" and scope["path"] == ALERTS
        if urgent and scope["method"] == "POST" and self.express is not None:
            await self.express(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        document = super().openapi()
        document.setdefault("components", {})["securitySchemes"] = {"bearer": BEARER}
        return document


def build(
    http: HttpDoor,
    intake: Intake,
    queries: Queries,
    control: Control,
    clock: WallClock,
    media_dir: Path,
    recordings_dir: Path,
    formats: Sequence[AlertFormat] = (),
) -> FastAPI:
    """Return the application of the HTTP door.

    Args:
        http: Tokens and limits.
        intake: Where events go; answers are given only after it has committed.
        queries: What can be read.
        control: Kept for the console; nothing of it is reachable by token.
        clock: Wall time.
        media_dir: Where uploaded files are kept.
        recordings_dir: Where the recordings of the air are.
        formats: How alerts may be written beside our own JSON.
    """
    app = WebDoor(
        title="Gridcall",
        version=API_VERSION,
        summary="Alerts in; receipts, orders and every timeline node out",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        # Otherwise it sends traces wherever the environment says.
        telemetry={"auto_configure": False, "tracing": False, "metrics": False, "logs": False},
    )
    app.state.control = control
    app.state.stopping = asyncio.Event()
    entrance = Entrance(
        http=http,
        intake=intake,
        clock=clock,
        register=TokenRegister(http.tokens),
        rate=AlertRate(http.alerts_per_s, _loop_time_s),
        time_s=_loop_time_s,
    )
    door = AlertDoor(entrance, formats)
    app.express = express(door, _unconfirmed)
    app.include_router(alert_routes(door))
    app.include_router(order_routes(entrance, queries))
    app.include_router(act_routes(entrance))
    app.include_router(people_routes(entrance, queries))
    app.include_router(event_routes(entrance, queries, app.state.stopping))
    app.include_router(media_routes(entrance, media_dir))
    app.include_router(recording_routes(entrance, queries, recordings_dir))
    _add_watch_routes(app, entrance, queries)
    app.add_exception_handler(GridcallError, _unconfirmed)
    app.add_exception_handler(RequestValidationError, _wrong_parameter)
    return app


def _loop_time_s() -> float:
    return asyncio.get_running_loop().time()


def _add_watch_routes(app: FastAPI, entrance: Entrance, queries: Queries) -> None:
    """Add what watches the door from outside; health and figures need no token, name nobody."""

    @app.get(
        "/healthz",
        tags=["watch"],
        summary="Whether it works, proved by a recent commit",
        responses={
            200: json_reply("It works", _HEALTH_SCHEMA),
            503: json_reply("It does not", _HEALTH_SCHEMA),
        },
    )
    async def healthz() -> Response:
        health = queries.health()
        return json_response(200 if health.get("ok") is True else 503, health)

    @app.get(
        "/metrics",
        response_class=Response,
        tags=["watch"],
        summary="Figures in the Prometheus text format",
        responses={
            200: {
                "description": "Prometheus text",
                "content": {"text/plain": {"schema": {"type": "string"}}},
            }
        },
    )
    async def metrics() -> Response:
        own = generate_latest(entrance.meters.registry).decode()
        text = queries.metrics().rstrip("\n") + "\n" + own
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get(
        "/openapi.json",
        tags=["watch"],
        summary="This document",
        responses={200: json_reply("OpenAPI 3.1", {"type": "object"})},
        openapi_extra=guarded(None),
    )
    async def openapi_document(request: Request) -> Response:
        await entrance.admit(request, None, bodies=True)
        return json_response(200, app.openapi())


async def _unconfirmed(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """Answer when the engine could not commit: the caller must not think it was taken."""
    content = {"detail": f"not confirmed, send it again: {error}"}
    return json_response(503, content, {"retry-after": "1"})


async def _wrong_parameter(request: Request, error: Exception) -> Response:  # noqa: ARG001
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"][1:])
    return json_response(422, {"detail": f"{name}: {first['msg']}"})
