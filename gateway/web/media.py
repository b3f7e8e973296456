"""Photos and voice that come before the alert that names them: checked, fsynced, then named."""

import asyncio
import hashlib
import os
import tempfile
from pathlib import Path

from fastapi import APIRouter, Request, Response

from gateway.core.centre.report_json import RECEIPT_SCHEMA
from gateway.durable import sync
from gateway.web.documents import guarded, json_reply, replies
from gateway.web.entrance import BodyRefusedError, Entrance, json_response

MEDIA_LIMIT_BYTES = 5 * 1024 * 1024

# Content type → (our suffix, how such a file begins). Nothing else is taken, so that nothing a
# browser would run is ever kept under a name that says picture.
_KINDS: dict[str, tuple[str, bytes]] = {
    "image/jpeg": (".jpg", b"\xff\xd8\xff"),
    "image/png": (".png", b"\x89PNG\r\n\x1a\n"),
    "audio/ogg": (".ogg", b"OggS"),
}
_STORED_SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "bytes": {"type": "integer", "minimum": 1},
    },
    "required": ["id", "sha256", "bytes"],
    "additionalProperties": False,
}


def store(folder: Path, content: bytes, suffix: str) -> tuple[str, str]:
    """Return (media id, SHA-256) once the file is on the disk under its own name.

    The id is the first half of the digest: nothing of the sender's stands in a path, and the
    same file sent twice is one file. Raises OSError when it cannot be written.
    """
    digest = hashlib.sha256(content).hexdigest()
    media = digest[:32]
    folder.mkdir(parents=True, exist_ok=True)
    # A name of its own while it is written: two senders may bring the same file at once.
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".", delete=False) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(folder / f"{media}{suffix}")
    sync(folder)
    return media, digest


class MediaDoor:
    """Takes files for alerts to name."""

    def __init__(self, entrance: Entrance, folder: Path) -> None:
        self._entrance = entrance
        self._folder = folder

    async def take(self, request: Request) -> Response:
        """Return the id of a file once it is on the disk."""
        entrance = self._entrance
        token = await entrance.admit(request, "alert:write")
        wait_s = entrance.rate.wait_s(token.id, level_1=False)
        if wait_s:
            headers = {"retry-after": "1", "connection": "close"}
            return await entrance.refuse(429, "rate: too many files", b"", headers=headers)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in _KINDS:
            reason = f"content-type: must be one of {', '.join(_KINDS)}"
            headers = {"connection": "close"}
            return await entrance.refuse(415, reason, b"", headers=headers)
        try:
            content = await entrance.body(request, MEDIA_LIMIT_BYTES)
        except BodyRefusedError as error:
            return await entrance.refuse(
                error.status, error.reason, error.raw, headers={"connection": "close"}
            )
        suffix, beginning = _KINDS[kind]
        if not content.startswith(beginning):
            return await entrance.refuse(415, f"body: does not begin as {kind} does", content)
        media, digest = await asyncio.to_thread(store, self._folder, content, suffix)
        return json_response(201, {"id": media, "sha256": digest, "bytes": len(content)})


def media_routes(entrance: Entrance, folder: Path) -> APIRouter:
    """Return the route that takes files."""
    door = MediaDoor(entrance, folder)
    router = APIRouter(tags=["media"])
    binary = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in _KINDS}

    @router.post(
        "/v1/media",
        status_code=201,
        summary="Leave a photo or a voice note for an alert to name",
        responses=replies(
            {
                201: json_reply("Stored", _STORED_SCHEMA),
                408: json_reply("The body did not come in time", RECEIPT_SCHEMA),
                413: json_reply("More than 5 MiB", RECEIPT_SCHEMA),
                415: json_reply("Not a kind that is taken", RECEIPT_SCHEMA),
                429: json_reply("Too many", RECEIPT_SCHEMA),
            }
        ),
        openapi_extra=guarded("alert:write")
        | {"requestBody": {"required": True, "content": binary}},
    )
    async def upload_media(request: Request) -> Response:
        return await door.take(request)

    return router
