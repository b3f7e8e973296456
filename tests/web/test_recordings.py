"""Recordings over HTTP: found by whoever may read, given whole or not at all, nothing else."""

import hashlib

import pytest
import pytest_asyncio

from gateway.interfaces import Wanted
from tests.web.conftest import open_door

SOUND = b"OggS and then the sound"
SECRET = b"a secret beside the recordings"


def recording(seq, path, data=SOUND, **fields):
    return {
        "id": seq, "kind": "over", "what": f"v{seq}", "channel": "gate",
        "at_us": 1_795_287_600_000_000 + seq, "duration_ms": 2500, "person": "p_zhang",
        "name": "张三", "radio": "dtmf:10031", "order": None, "path": path,
        "sha256": hashlib.sha256(data).hexdigest(),
    } | fields  # fmt: skip


@pytest_asyncio.fixture
async def door(tmp_path):
    async with open_door(tmp_path / "media") as opened:
        root = tmp_path / "recordings"
        folder = root / "20261122" / "gate"
        folder.mkdir(parents=True)
        (folder / "v1.ogg").write_bytes(SOUND)
        (folder / "v2.ogg").write_bytes(SOUND + b"!")
        (tmp_path / "secret.ogg").write_bytes(SECRET)
        (folder / "v5.ogg").symlink_to(tmp_path / "secret.ogg")
        known = [
            recording(1, "20261122/gate/v1.ogg"),
            recording(2, "20261122/gate/v2.ogg"),
            recording(3, "20261122/gate/v3.ogg"),
            recording(4, "../secret.ogg", SECRET),
            recording(5, "20261122/gate/v5.ogg", SECRET),
        ]
        opened.engine.recordings_known = known
        yield opened


@pytest.mark.asyncio
async def test_they_are_found_by_what_is_asked(door):
    status, found = await door.get(
        "/v1/recordings?from=2026-11-22T03:00:00%2B08:00&to=2026-11-22T04:00:00Z"
        "&channel=gate&person=p_zhang&order=o7&limit=7",
        "reader",
    )
    assert status == 200
    assert door.engine.asked == Wanted(
        from_us=1_795_287_600_000_000, to_us=1_795_320_000_000_000, channel="gate",
        person="p_zhang", order="o7", limit=7,
    )  # fmt: skip
    assert found[0]["name"] == "张三"
    assert found[0]["at"] == "2026-11-21T19:00:00.000Z"
    assert all("path" not in one for one in found)


@pytest.mark.asyncio
@pytest.mark.parametrize("query", ["from=yesterday", "to=2026-11-22T03:00:00", "limit=0"])
async def test_a_wrong_question_is_named(door, query):
    status, answer = await door.get(f"/v1/recordings?{query}")
    assert status == 422
    assert answer["detail"].startswith(query.partition("=")[0])


async def fetch(door, path, name="reader"):
    headers = {} if name is None else door.auth(name)
    async with door.http.get(door.base + path, headers=headers) as answer:
        return answer.status, await answer.read(), answer.headers


@pytest.mark.asyncio
async def test_the_sound_is_given_as_it_was_recorded(door):
    status, sound, headers = await fetch(door, "/v1/recordings/1")
    assert (status, sound, headers["content-type"]) == (200, SOUND, "audio/ogg")
    assert headers["etag"] == f'"{hashlib.sha256(SOUND).hexdigest()}"'
    assert headers["content-disposition"].startswith("attachment")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("2", 409),  # somebody has changed the file
        ("3", 410),  # it has expired
        ("4", 409),  # a path that leads out, even where its digest is right
        ("5", 409),  # the same by a link
        ("99", 404),
        ("0", 404),
        ("-1", 404),
        ("99999999999999999999", 404),
        ("..%2F..%2Fsecret.ogg", 404),
        ("%2e%2e/secret.ogg", 404),
        ("20261122/gate/v1.ogg", 404),
        ("v1.ogg", 404),
    ],
)
async def test_nothing_else_is_given(door, path, status):
    got, body, _ = await fetch(door, f"/v1/recordings/{path}")
    assert got == status
    assert SECRET not in body


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/v1/recordings", "/v1/recordings/1"])
async def test_only_who_may_read_events_hears_them(door, path):
    assert (await fetch(door, path, None))[0] == 401
    assert (await fetch(door, path, "past"))[0] == 401
    assert (await fetch(door, path, "writer"))[0] == 403
    assert (await fetch(door, path, "reader"))[0] == 200
