"""Orders over HTTP: read, closed, confirmed, stood down; and files left for alerts."""

import hashlib
import json

import pytest

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 100


@pytest.mark.asyncio
async def test_orders_are_listed_and_shown(door, alert):
    await door.post("/v1/alerts", alert)
    await door.post("/v1/alerts", alert | {"id": "JQ-2"})
    status, orders = await door.get("/v1/orders?open=1")
    assert (status, [o["id"] for o in orders]) == (200, ["o12", "o11"])
    assert (await door.get("/v1/orders/o11"))[1]["number"] == "11"
    assert (await door.get("/v1/orders/o99"))[0] == 404
    assert (await door.get("/v1/orders/..%2f..%2fetc"))[0] == 404
    status, answer = await door.get("/v1/orders?limit=0")
    assert (status, answer["detail"][:6]) == (422, "limit:")


@pytest.mark.asyncio
async def test_the_centre_closes_confirms_and_stands_down(door, alert):
    await door.post("/v1/alerts", alert)
    by = {"by": "李接警", "result": "已调解"}
    status, answer, _ = await door.post("/v1/orders/o11/close", by)
    assert (status, answer["status"], answer["journal"]) == (200, "accepted", 2)
    await door.post("/v1/orders/o11/confirm", by | {"person": "p_zhang", "node": "arrived"})
    await door.post("/v1/orders/o11/confirm", {"person": "p_zhang"})
    await door.post("/v1/orders/o11/stand_down", {"by": "李接警"})
    acts = door.engine.acts()
    assert [a.act for a in acts] == ["close", "confirm", "confirm", "stand_down"]
    assert (acts[2].node, acts[2].by) == ("acknowledged", "centre"), "whose token it is"
    assert (acts[1].person, acts[1].node, acts[0].by) == ("p_zhang", "arrived", "李接警")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("act", "body", "reason"),
    [
        ("close", {}, "by: is missing"),
        ("close", {"by": "李", "person": "p"}, "person: is not a known field"),
        ("confirm", {"by": "李"}, "person: is missing"),
        ("confirm", {"by": "李", "person": "p", "node": "told"}, "node: must be one of"),
        ("stand_down", {"by": "a\u0000b"}, "by: has U+0000"),
        ("close", {"by": "李", "resutl": "x"}, "did you mean result?"),
    ],
)
async def test_a_wrong_act_is_refused_and_kept(door, alert, act, body, reason):
    await door.post("/v1/alerts", alert)
    status, answer, _ = await door.post(f"/v1/orders/o11/{act}", body)
    assert status == 422
    assert reason in answer["reason"]
    assert len(door.engine.refused()) == 1
    assert door.engine.acts() == []


@pytest.mark.asyncio
async def test_an_act_on_no_order_is_404(door):
    assert (await door.post("/v1/orders/o11/close", {"by": "李"}))[0] == 404
    assert door.engine.acts() == []


@pytest.mark.asyncio
async def test_a_file_is_on_the_disk_under_our_own_name(door, tmp_path):
    headers = {"content-type": "image/png", "content-disposition": "filename=../../x"}
    status, first, _ = await door.post("/v1/media", PNG, **headers)
    assert status == 201
    assert first["sha256"] == hashlib.sha256(PNG).hexdigest()
    assert (await door.post("/v1/media", PNG, **headers))[1] == first, (
        "the same file is one file"
    )
    kept = list((tmp_path / "media").iterdir())
    assert [(f.name, f.read_bytes()) for f in kept] == [(f"{first['id']}.png", PNG)]


@pytest.mark.asyncio
async def test_an_alert_can_name_the_file(door, alert):
    _, stored, _ = await door.post("/v1/media", PNG, **{"content-type": "image/png"})
    assert (await door.post("/v1/alerts", alert | {"attachments": [stored["id"]]}))[0] == 202
    assert door.engine.alerts()[0].alert.attachments == (stored["id"],)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("content", "kind", "expected"),
    [
        (PNG, "text/html", 415),
        (b"<script>alert(1)</script>", "image/png", 415),
        (b"", "image/png", 415),
        (PNG + b"\x00" * (5 * 1024 * 1024), "image/png", 413),
    ],
)
async def test_a_wrong_file_is_refused_and_nothing_is_kept(
    door, tmp_path, content, kind, expected
):
    status, answer, _ = await door.post("/v1/media", content, **{"content-type": kind})
    assert (status, answer["status"]) == (expected, "refused")
    assert not list(tmp_path.rglob("*.*"))
    assert len(door.engine.refused()) == 1


@pytest.mark.asyncio
async def test_answers_say_what_they_are_and_are_kept_nowhere(door):
    async with door.http.get(door.base + "/v1/orders", headers=door.auth()) as answer:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers
        assert json.loads(await answer.text()) == []
