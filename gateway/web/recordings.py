"""The recording routes: what was said on the air, and the sound of it."""

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi import Path as FromPath
from pydantic import AwareDatetime

from gateway.interfaces import Queries, Wanted
from gateway.recordings import content_of
from gateway.web.documents import DETAIL_SCHEMA, guarded, json_reply, replies
from gateway.web.entrance import Entrance, json_response

MAX_RECORDINGS = 1000
# Looked at only once the caller is known: who is not is told nothing of what is right.
_ID = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_KINDS = {".ogg": "audio/ogg", ".wav": "audio/wav"}
_TEXT_OR_NULL = {"type": ["string", "null"]}
_RECORDING_SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {
        "id": {"type": "integer", "minimum": 1},
        "kind": {"type": "string", "enum": ["over", "page", "talk"]},
        "what": {"type": "string"},
        "channel": {"type": "string"},
        "channels": {"type": "array", "items": {"type": "string"}},
        "at": {"type": "string", "format": "date-time"},
        "duration_ms": {"type": "integer", "minimum": 0},
        "person": _TEXT_OR_NULL,
        "name": _TEXT_OR_NULL,
        "radio": _TEXT_OR_NULL,
        "order": _TEXT_OR_NULL,
        "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    },
    "required": ["id", "kind", "channel", "at", "duration_ms", "sha256"],
}
_LIST_SCHEMA: dict[str, object] = {"type": "array", "items": _RECORDING_SCHEMA}
_WRONG_PARAMETER = json_reply("A parameter is wrong", DETAIL_SCHEMA)
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_NAMED = Query(max_length=64)


class RecordingDoor:
    """Answers what was recorded, and gives the sound."""

    def __init__(self, entrance: Entrance, queries: Queries, folder: Path) -> None:
        self._entrance = entrance
        self._queries = queries
        self._folder = folder

    async def search(self, request: Request, wanted: Wanted) -> Response:
        """Return recordings, newest first."""
        await self._entrance.admit(request, "event:read")
        found = await self._queries.recordings(wanted)
        return json_response(200, [_shown(recording) for recording in found])

    async def sound(self, request: Request, recording: str) -> Response:
        """Return a recording's file, as it was recorded.

        Callers name a number of the journal and no file, so they can ask for nothing else.

        Raises:
            HTTPException: 404 without such a recording, 410 when it has expired, 409 when
                the file is not what was recorded.
        """
        await self._entrance.admit(request, "event:read")
        named = _ID.fullmatch(recording)
        found = await self._queries.recording(int(recording)) if named else None
        if found is None:
            raise HTTPException(404, "there is no recording of that id")
        try:
            data = await asyncio.to_thread(content_of, self._folder, found)
        except FileNotFoundError as error:
            gone = "the file is gone: it has expired, or a smaller one took its place"
            raise HTTPException(410, gone) from error
        except ValueError as error:
            raise HTTPException(409, "the file is not what was recorded") from error
        except OSError as error:
            raise HTTPException(503, "the file cannot be read now") from error
        suffix = Path(str(found["path"])).suffix
        headers = {
            "content-disposition": f'attachment; filename="recording-{recording}{suffix}"',
            "etag": f'"{found["sha256"]}"',
            "cache-control": "no-store",
        }
        return Response(data, media_type=_KINDS[suffix], headers=headers)


def _shown(recording: dict[str, object]) -> dict[str, object]:
    """Return a recording as the doors tell of it: its time in words, its path for nobody."""
    at_us = recording["at_us"]
    assert isinstance(at_us, int)
    at = datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="milliseconds")
    kept = {k: v for k, v in recording.items() if k not in ("at_us", "path")}
    return {**kept, "at": at.replace("+00:00", "Z")}


def _us(moment: datetime | None, otherwise: int) -> int:
    return otherwise if moment is None else round(moment.timestamp() * 1_000_000)


def recording_routes(entrance: Entrance, queries: Queries, folder: Path) -> APIRouter:
    """Return the routes of recordings."""
    door = RecordingDoor(entrance, queries, folder)
    router = APIRouter(tags=["recordings"])

    @router.get(
        "/v1/recordings",
        summary="Find recordings of the air, newest first",
        responses=replies(
            {200: json_reply("Recordings", _LIST_SCHEMA), 422: _WRONG_PARAMETER}
        ),
        openapi_extra=guarded("event:read"),
    )
    async def search(
        request: Request,
        begin: Annotated[
            AwareDatetime | None, Query(alias="from", description="Begun then or later")
        ] = None,
        end: Annotated[
            AwareDatetime | None, Query(alias="to", description="Begun before")
        ] = None,
        channel: Annotated[str | None, _NAMED] = None,
        person: Annotated[str | None, _NAMED] = None,
        order: Annotated[str | None, _NAMED] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_RECORDINGS)] = 100,
    ) -> Response:
        wanted = Wanted(
            from_us=_us(begin, 0), to_us=_us(end, 2**62), channel=channel, person=person,
            order=order, limit=limit,
        )  # fmt: skip
        return await door.search(request, wanted)

    @router.get(
        "/v1/recordings/{recording}",
        response_class=Response,
        summary="The sound of one recording, as it was recorded",
        responses=replies(
            {
                200: {
                    "description": "The file; its ETag is its SHA-256",
                    "content": dict.fromkeys(_KINDS.values(), _BINARY),
                },
                404: json_reply("No such recording", DETAIL_SCHEMA),
                409: json_reply("The file is not what was recorded", DETAIL_SCHEMA),
                410: json_reply("It is gone", DETAIL_SCHEMA),
                422: _WRONG_PARAMETER,
            }
        ),
        openapi_extra=guarded("event:read"),
    )
    async def sound(
        request: Request,
        recording: Annotated[str, FromPath(description="Its id, as the list tells it")],
    ) -> Response:
        return await door.sound(request, recording)

    return router
