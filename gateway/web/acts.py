"""The route by which the centre's people act on the site: one object an act."""

from dataclasses import replace

from fastapi import APIRouter, HTTPException, Request, Response

from gateway.core.centre.centre_acts import centre_act_schema, decode_centre_act
from gateway.core.centre.strict_json import Refusal
from gateway.core.register.events import REGISTER_EVENTS
from gateway.web.documents import DETAIL_SCHEMA, guarded, json_body, json_reply, replies
from gateway.web.entrance import BodyRefusedError, Entrance, json_response
from gateway.web.tokens import known_as

_DONE_SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {
        "status": {"type": "string", "enum": ["accepted", "duplicate", "conflict", "refused"]},
        "order": {"type": ["string", "null"]},
        "journal": {"type": "integer", "minimum": 0},
        "reason": {"type": ["string", "null"]},
    },
    "required": ["status", "order", "journal", "reason"],
}


class ActDoor:
    """Hands acts on and answers once they stand in the journal."""

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance

    async def act(self, request: Request) -> Response:
        """Return what became of an act."""
        entrance = self._entrance
        token = await entrance.admit(request, "order:write", bodies=True)
        await entrance.pace_acts(request, token)
        try:
            raw = await entrance.body(request, entrance.http.body_limit_kb * 1024)
        except BodyRefusedError as error:
            return await entrance.refuse(
                error.status, error.reason, error.raw, headers={"connection": "close"}
            )
        try:
            event = decode_centre_act(
                raw, now_us=entrance.clock.now_us(), holder=token.id, through=known_as(token)
            )
            # Every act bears a name; of all events only acts do.
            entrance.register.check_name(token, str(getattr(event, "by", "")))
        except Refusal as refusal:
            return await entrance.refuse(422, str(refusal), raw)
        if token.organisation is not None:
            if not isinstance(event, REGISTER_EVENTS):
                raise HTTPException(403, "a body's token may not do that")
            event = replace(event, within=token.organisation)
        committed = await entrance.intake.submit(event)
        receipt = committed.receipt
        done = receipt is None or receipt.status in ("accepted", "duplicate")
        content = {
            "status": receipt.status if receipt else "accepted",
            "order": receipt.order if receipt else None,
            "journal": committed.seq,
            "reason": receipt.reason if receipt else None,
        }
        return json_response(200 if done else 409, content)


def act_routes(entrance: Entrance) -> APIRouter:
    """Return the route of acts."""
    door = ActDoor(entrance)
    router = APIRouter(tags=["acts"])

    @router.post(
        "/v1/acts",
        summary="Act on the site: people, readiness, releases",
        responses=replies(
            {
                200: json_reply("Done", _DONE_SCHEMA),
                409: json_reply("The state does not allow it", _DONE_SCHEMA),
                422: json_reply("Refused; the reason names the field", _DONE_SCHEMA),
                429: json_reply("Too many; Retry-After says when, in seconds", DETAIL_SCHEMA),
            }
        ),
        openapi_extra=guarded("order:write") | json_body(centre_act_schema(), "order:write"),
    )
    async def act(request: Request) -> Response:
        return await door.act(request)

    return router
