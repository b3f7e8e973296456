"""Pieces of the OpenAPI document, taken from the same schemas that the decoders are held to."""

from collections.abc import Mapping
from typing import Any

from gateway.web.tokens import Scope

BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "gwk_<id>_<43 characters>; the gateway keeps only its SHA-256",
}
DETAIL_SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {"detail": {"type": "string"}},
    "required": ["detail"],
}


def json_reply(description: str, schema: Mapping[str, object]) -> dict[str, Any]:
    """Return the description of a JSON answer."""
    content = {"application/json": {"schema": dict(schema)}}
    return {"description": description, "content": content}


def replies(own: Mapping[int, dict[str, Any]]) -> dict[int | str, dict[str, Any]]:
    """Return the answers of a guarded route: its own, and those that every one may give."""
    both: dict[int | str, dict[str, Any]] = {
        401: json_reply("No valid token", DETAIL_SCHEMA),
        403: json_reply("The token may not do that", DETAIL_SCHEMA),
        503: json_reply("Not confirmed; send it again", DETAIL_SCHEMA),
    }
    return both | dict[int | str, dict[str, Any]](own.items())


def guarded(scope: Scope | None) -> dict[str, Any]:
    """Return the mark of a route that needs a token with ``scope`` (None: any token)."""
    return {"security": [{"bearer": [scope] if scope else []}]}


def json_body(schema: Mapping[str, object], scope: Scope) -> dict[str, Any]:
    """Return the description of a guarded route that takes JSON."""
    content = {"application/json": {"schema": dict(schema)}}
    return guarded(scope) | {"requestBody": {"required": True, "content": content}}
