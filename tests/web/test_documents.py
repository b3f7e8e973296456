"""The published OpenAPI document is the running application's, and real answers fit it.

To write it anew after a change: ``python -m tests.web.test_documents``.
"""

import json
from pathlib import Path

import jsonschema
import pytest
from openapi_spec_validator import validate

from gateway.settings import HttpDoor
from gateway.web.app import build
from tests.doors import FakeClock, FakeEngine
from tests.web.test_events import Viewer, stream

PUBLISHED = Path(__file__).parents[2] / "gateway" / "data" / "openapi.json"


def current() -> str:
    engine = FakeEngine()
    settings = HttpDoor(listen="127.0.0.1:0")
    app = build(settings, engine, engine, None, FakeClock(), Path("media"), Path("recordings"))
    return json.dumps(app.openapi(), ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def test_the_published_document_is_that_of_the_application():
    assert PUBLISHED.read_text(encoding="utf-8") == current(), (
        "python -m tests.web.test_documents"
    )


def test_it_is_a_valid_openapi_document_without_a_word_of_fastapis_own_models():
    document = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    validate(document)
    assert "HTTPValidationError" not in json.dumps(document)


def schema_of(document, method, path, status=None):
    operation = document["paths"][path][method]
    part = operation["responses"][str(status)] if status else operation["requestBody"]
    content = part["content"]
    return content.get("application/json", next(iter(content.values())))["schema"]


@pytest.mark.asyncio
async def test_real_messages_and_answers_fit_the_document(door, alert):
    document = json.loads(PUBLISHED.read_text(encoding="utf-8"))

    async def check(path, template, body):
        status, answer, _ = await door.post(path, body)
        valid = is_valid(body, schema_of(document, "post", template))
        assert valid == (status != 422), (path, body, status)
        jsonschema.validate(answer, schema_of(document, "post", template, status))
        return status

    cancel = {"id": "JQ-1", "sender": "zhzx", "sent": "2026-11-22T03:05:00+08:00"}
    one = "/v1/alerts/{id}/"
    act = "/v1/orders/{order}/"
    seen = [
        await check("/v1/alerts", "/v1/alerts", alert),
        await check("/v1/alerts", "/v1/alerts", alert),
        await check("/v1/alerts", "/v1/alerts", alert | {"level": 1}),
        await check("/v1/alerts", "/v1/alerts", alert | {"levle": 1}),
        await check("/v1/alerts", "/v1/alerts", alert | {"kind": "cancel"}),
        await check("/v1/alerts", "/v1/alerts", alert | {"location": {"lat": 1, "lon": 2}}),
        await check("/v1/alerts/JQ-1/update", one + "update", alert | {"kind": None}),
        await check("/v1/alerts/JQ-1/cancel", one + "cancel", cancel | {"text": None}),
        await check("/v1/orders/o11/close", act + "close", {"by": "李", "result": "好"}),
        await check("/v1/orders/o11/confirm", act + "confirm", {"by": "李", "person": "p"}),
        await check("/v1/orders/o11/stand_down", act + "stand_down", {"by": ""}),
    ]
    assert seen == [202, 200, 409, 422, 422, 422, 202, 202, 200, 200, 422]
    for path, template in (
        ("/v1/orders", "/v1/orders"),
        ("/v1/orders/o11", "/v1/orders/{order}"),
    ):
        status, answer = await door.get(path)
        jsonschema.validate(answer, schema_of(document, "get", template, status))
    async with stream(door, "/v1/events?after=0") as response:
        _, event = await Viewer(response).next()
    jsonschema.validate(event, schema_of(document, "get", "/v1/events", 200)["contentSchema"])


def is_valid(value, schema):
    return jsonschema.Draft202012Validator(schema).is_valid(value)


@pytest.mark.asyncio
async def test_the_document_is_served_to_holders_of_a_token_only(door):
    assert (await door.get("/openapi.json"))[1] == json.loads(current())
    for path in ("/openapi.json", "/docs", "/redoc"):
        async with door.http.get(door.base + path) as answer:
            assert answer.status in (401, 404)


if __name__ == "__main__":
    PUBLISHED.write_text(current(), encoding="utf-8")
