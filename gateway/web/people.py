"""What stands in the register and is told by its people: people, duty, guards' reports."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from gateway.core.register.duty import MOST_DAYS
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
_REPORT_SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "R12, as the acts promote and dismiss name it"},
        "state": {"type": "string", "enum": ["offered", "open", "promoted", "dismissed"]},
        "emergency": {"type": "boolean"},
        "opened": {"type": "string", "format": "date-time"},
        "person": {"type": ["string", "null"]},
        "text": {"type": "string"},
        "grid": {"type": ["string", "null"]},
        "media": {"type": "array", "items": {"type": "string"}},
        "order": {"type": ["string", "null"]},
        "by": {"type": "string"},
        "reason": {"type": "string"},
    },
    "required": ["id", "state", "emergency", "opened", "person", "text", "grid", "order"],
}
_DUTY_SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {
        "days": {"type": "integer"},
        "shifts": {"type": "array", "items": {"type": "object"}},
        "changes": {"type": "array", "items": {"type": "object"}},
    },
    "required": ["days", "shifts", "changes"],
}
_PEOPLE_SCHEMA: dict[str, object] = {"type": "array", "items": _PERSON_SCHEMA}


def people_routes(entrance: Entrance, queries: Queries) -> APIRouter:
    """Return the routes of the register, of duty and of guards' reports."""
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

    _add_reports(router, entrance, queries)
    _add_duty(router, entrance, queries)
    return router


def _add_reports(router: APIRouter, entrance: Entrance, queries: Queries) -> None:
    @router.get(
        "/v1/reports",
        summary="Guards' reports and what became of each; a body's token sees its own people's",
        responses=replies(
            {200: json_reply("Reports", {"type": "array", "items": _REPORT_SCHEMA})}
        ),
        openapi_extra=guarded("event:read"),
    )
    async def reports(request: Request) -> Response:
        token = await entrance.admit(request, "event:read", bodies=True)
        found = queries.guard_reports()
        if token.organisation is not None:
            own = queries.own_people(token.organisation)
            found = [report for report in found if report["person"] in own]
        return json_response(200, found)


def _add_duty(router: APIRouter, entrance: Entrance, queries: Queries) -> None:
    @router.get(
        "/v1/duty",
        summary="Who stands which shift in the days to come",
        responses=replies(
            {
                200: json_reply("Shifts", _DUTY_SCHEMA),
                422: json_reply("A parameter is wrong", DETAIL_SCHEMA),
            }
        ),
        openapi_extra=guarded("event:read"),
    )
    async def duty(
        request: Request,
        days: Annotated[int, Query(ge=1, le=MOST_DAYS)] = 7,
        person: Annotated[str | None, Query(description="His shifts only")] = None,
        grid: Annotated[str | None, Query(description="Its people's shifts only")] = None,
    ) -> Response:
        await entrance.admit(request, "event:read")
        found = queries.duty(days=days, person=person, grid=grid)
        return json_response(200, {name: found[name] for name in ("days", "shifts", "changes")})
