"""What every request passes: the token, the size of its body, and the record of a refusal."""

import asyncio
import base64
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec
from fastapi import HTTPException, Request, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.requests import ClientDisconnect

from gateway.core.centre.report_json import refusal_json
from gateway.core.events import InputRefused
from gateway.interfaces import Intake, WallClock
from gateway.settings import HttpDoor, Token
from gateway.web.tokens import AlertRate, Scope, TokenRefusedError, TokenRegister

log = logging.getLogger(__name__)

DOOR = "http"
RAW_KEPT_BYTES = 4096
BODY_TIME_S = 10.0
# Failed log-ins are counted one by one but journalled at most this often: whoever reaches the
# port without a token must not be able to fill the disk.
FAILURE_ROW_EVERY_S = 10.0

# Answers are for the caller alone and are never anything but what they say they are.
HEADERS: Mapping[str, str] = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


def json_response(
    status: int, content: object, headers: Mapping[str, str] | None = None
) -> Response:
    """Return ``content`` as a UTF-8 JSON response."""
    body = msgspec.json.encode(content)
    return Response(
        body, status, media_type="application/json", headers={**HEADERS, **(headers or {})}
    )


class Meters:
    """The door's own figures, beside those of the engine."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.refused = Counter(
            "gridcall_http_refused",
            "Requests refused, by reason",
            ["reason"],
            registry=self.registry,
        )
        self.receipt_seconds = Histogram(
            "gridcall_http_receipt_seconds",
            "From the last byte of an alert to its receipt",
            buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 1.0, 5.0),
            registry=self.registry,
        )
        self.viewers = Gauge(
            "gridcall_http_viewers", "Open event streams", registry=self.registry
        )


@dataclass(slots=True)
class Entrance:
    """Lets requests in, or refuses them alike and keeps a record.

    Attributes:
        register: Who may come in.
        rate: How often.
        time_s: Monotonic time, seconds.
    """

    http: HttpDoor
    intake: Intake
    clock: WallClock
    register: TokenRegister
    rate: AlertRate
    time_s: Callable[[], float]
    meters: Meters = field(default_factory=Meters)
    _failures: int = 0
    _failure_row_s: float = -math.inf

    async def admit(
        self, request: Request, scope: Scope | None, *, bodies: bool = False
    ) -> Token:
        """Return the caller's token, which has ``scope`` (None: any token will do).

        A body's token (one with an organisation) is let in only by a route that narrows what
        it does to that body's own people and says so (``bodies``).

        Raises:
            HTTPException: 401 without a good token, 403 without the scope; both say nothing
                more.
        """
        try:
            token = self.register.holder(
                request.headers.get("authorization"), self.clock.now_us()
            )
        except TokenRefusedError as error:
            await self._note_failure(error.failure, request)
            raise HTTPException(
                401, "a valid token is needed", {"www-authenticate": "Bearer"}
            ) from error
        if scope is not None and scope not in token.scopes:
            await self._note_failure(f"scope {scope}, holder {token.id}", request)
            raise HTTPException(403, "this token may not do that")
        if token.organisation is not None and not bodies:
            await self._note_failure(f"body's token, holder {token.id}", request)
            raise HTTPException(403, "this token may not do that")
        return token

    async def pace_acts(self, request: Request, token: Token) -> None:
        """Return while a token acts no oftener than it may send alerts.

        Acts have a count of their own: neither takes anything from the other.

        Raises:
            HTTPException: 429; nothing was done, and no row was written for each.
        """
        wait_s = self.rate.wait_s(f"acts/{token.id}", level_1=False)
        if wait_s:
            await self._note_failure(f"too many acts, holder {token.id}", request)
            headers = {"retry-after": str(math.ceil(wait_s)), "connection": "close"}
            raise HTTPException(429, "too many acts; send it again later", headers)

    async def body(self, request: Request, limit_bytes: int) -> bytes:
        """Return the body, at most ``limit_bytes``, read within 10 s.

        Raises:
            BodyRefusedError: It is too big (known before it is read where the caller says its
                length), too slow, or the caller went away.
        """
        if _declared_bytes(request) > limit_bytes:
            raise BodyRefusedError(413, f"body: is over the limit of {limit_bytes} bytes", b"")
        found = bytearray()
        try:
            async with asyncio.timeout(BODY_TIME_S):
                async for chunk in request.stream():
                    found += chunk
                    if len(found) > limit_bytes:
                        reason = f"body: is over the limit of {limit_bytes} bytes"
                        raise BodyRefusedError(413, reason, bytes(found))
        except TimeoutError as error:
            reason = f"body: did not come within {BODY_TIME_S:.0f} s"
            raise BodyRefusedError(408, reason, bytes(found)) from error
        except ClientDisconnect as error:
            raise BodyRefusedError(400, "body: the caller went away", bytes(found)) from error
        return bytes(found)

    async def refuse(
        self,
        status: int,
        reason: str,
        raw: bytes,
        *,
        sender: str | None = None,
        alert: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Return the refusal of a message, once it stands in the journal with its raw bytes."""
        seq = await self.note_refusal(status, reason, raw)
        content = refusal_json(reason, seq, sender=sender, alert=alert)
        return json_response(status, content, headers)

    async def note_refusal(self, status: int, reason: str, raw: bytes) -> int:
        """Return the journal number of a refusal once it is written with its raw bytes."""
        self.meters.refused.labels(reason=str(status)).inc()
        event = InputRefused(
            at_us=self.clock.now_us(),
            door=DOOR,
            reason=reason,
            raw=base64.b64encode(raw[:RAW_KEPT_BYTES]).decode("ascii"),
        )
        return (await self.intake.submit(event)).seq

    async def _note_failure(self, failure: str, request: Request) -> None:
        """Count and log a caller who was not let in; journal the first and then a summary."""
        self.meters.refused.labels(reason="not admitted").inc()
        self._failures += 1
        peer = request.client.host if request.client else "unknown address"
        now_s = self.time_s()
        if now_s - self._failure_row_s < FAILURE_ROW_EVERY_S:
            return
        count, self._failures, self._failure_row_s = self._failures, 0, now_s
        log.warning("http: %d requests not let in, the last from %s: %s", count, peer, failure)
        reason = f"token: {count} requests not let in, the last from {peer}: {failure}"
        await self.intake.submit(
            InputRefused(at_us=self.clock.now_us(), door=DOOR, reason=reason)
        )


class BodyRefusedError(Exception):
    """The body of a request cannot be taken.

    Attributes:
        status: HTTP status to answer with.
        reason: What is wrong, in words for the caller.
        raw: What had been read of it.
    """

    def __init__(self, status: int, reason: str, raw: bytes) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.raw = raw


def _declared_bytes(request: Request) -> int:
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isascii() and declared.isdigit() else 0
