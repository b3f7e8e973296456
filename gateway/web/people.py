"""The route that shows the register: all of it, or a body's own people."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from gateway.interfaces import Queries
from gateway.web.documents import DETAIL_SCHEMA, guarded, json_reply, replies
from gateway.web.entrance import Entrance, json_response

_PERSON_SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "name": {"type": "string"},
        "role": {"type": "string", "enum": ["guard", "station", "manager"]},
        "organisation": {"type": "string"},
        "active": {"type": "boolean"},
        "on_duty": {"type": "boolean"},
        "chats": {"type": "array", "items": {"type": "string"}},
        "fields": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "required": ["id", "name", "role", "organisation", "active", "on_duty", "chats", "fields"],
}
_PEOPLE_SCHEMA: dict[str, object] = {"type": "array", "items": _PERSON_SCHEMA}


def people_routes(entrance: Entrance, queries: Queries) -> APIRouter:
    """Return the route of the register."""
    router = APIRouter(tags=["people"])

    @router.get(
        "/v1/people",
        summary="The register; a body's token sees its own people only",
        responses=replies(
            {
                200: json_reply("People", _PEOPLE_SCHEMA),
                422: json_reply("A parameter is wrong", DETAIL_SCHEMA),
            }
        ),
        openapi_extra=guarded("event:read"),
    )
    async def people(
        request: Request,
        left: Annotated[bool, Query(description="Those who have left, too")] = False,
    ) -> Response:
        token = await entrance.admit(request, "event:read", bodies=True)
        found = [
            person
            for person in queries.people()
            if (left or person["active"])
            and token.organisation in (None, person["organisation"])
        ]
        return json_response(200, found)

    return router
