"""Topics and payloads, and the published AsyncAPI document, against one another."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from drivers.mqtt.codec import (
    Incoming,
    Topics,
    decode,
    encode_event,
    encode_health,
    parse_position,
    position,
)
from gateway.core.centre.alert_json import ALERT_SCHEMA, Refusal
from gateway.core.centre.report_json import EVENT_SCHEMA, HEALTH_SCHEMA, RECEIPT_SCHEMA
from tests.doors import START_US, FakeEngine

TOPICS = Topics("donghe")
DOCUMENT = Path(__file__).parents[3] / "gateway" / "data" / "asyncapi.yaml"


def incoming(content, topic=TOPICS.alerts, retained=False):
    return Incoming(topic, json.dumps(content).encode(), retained, 1, 1)


def test_an_alert_is_taken_from_its_own_topic(alert):
    assert decode(incoming(alert), TOPICS, START_US).alert.id == "JQ-1"


@pytest.mark.parametrize(
    "topic", ["gridcall/v1/xihe/alerts", "gridcall/v1/donghe/alerts/x", ""]
)
def test_another_sites_message_is_refused_and_nobody_is_told(alert, topic):
    with pytest.raises(Refusal, match="another site") as refused:
        decode(incoming(alert, topic), TOPICS, START_US)
    assert refused.value.id is None


def test_a_retained_alert_is_refused_and_its_sender_told(alert):
    with pytest.raises(Refusal, match="must not be retained") as refused:
        decode(incoming(alert, retained=True), TOPICS, START_US)
    assert (refused.value.sender, refused.value.id) == ("zhzx", "JQ-1")


def test_the_message_must_say_what_it_is(alert):
    del alert["kind"]
    with pytest.raises(Refusal, match="kind: is missing"):
        decode(incoming(alert), TOPICS, START_US)


def test_a_cursor_position_comes_back_as_it_went():
    engine = FakeEngine()
    first, second = engine.report(seq=7), engine.report(seq=7)
    assert parse_position(position(second)) == (7, 1)
    assert parse_position(position(first)) < (7, 1) < parse_position("7") < (8, 0)


def test_events_and_health_fit_their_schemas():
    event = json.loads(encode_event(FakeEngine().report(seq=1, person="p"), "donghe"))
    jsonschema.validate(event, EVENT_SCHEMA)
    for status in ("online", "offline"):
        health = json.loads(encode_health(status, site="donghe", journal=3, at_us=START_US))
        jsonschema.validate(health, HEALTH_SCHEMA)


def test_the_asyncapi_document_is_what_is_spoken():
    document = yaml.safe_load(DOCUMENT.read_text(encoding="utf-8"))
    channels = document["channels"]
    assert {name: channel["address"] for name, channel in channels.items()} == {
        name: getattr(Topics("{site}"), name)
        for name in ("alerts", "receipts", "events", "cap", "health")
    }
    schemas = {
        "alerts": ALERT_SCHEMA,
        "receipts": RECEIPT_SCHEMA,
        "events": EVENT_SCHEMA,
        "cap": {"type": "string", "description": "CAP 1.2"},
        "health": HEALTH_SCHEMA,
    }
    for name, schema in schemas.items():
        messages = channels[name]["messages"]
        (message,) = messages.values()
        assert message["payload"] == schema, "python -m tests.drivers.mqtt.write_asyncapi"
        (operation,) = (
            o for o in document["operations"].values() if o["channel"]["$ref"].endswith(name)
        )
        # AsyncAPI 3 tells it from the application's side: the gateway receives alerts.
        assert operation["action"] == ("receive" if name == "alerts" else "send")
        assert operation["bindings"]["mqtt"]["qos"] == 1
        assert operation["bindings"]["mqtt"].get("retain", False) == (name == "health")
