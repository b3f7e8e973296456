"""Write gateway/data/asyncapi.yaml anew: ``python -m tests.drivers.mqtt.write_asyncapi``."""

import copy

import yaml

from drivers.mqtt.codec import Topics
from gateway.core.centre.alert_json import ALERT_SCHEMA
from gateway.core.centre.report_json import EVENT_SCHEMA, HEALTH_SCHEMA, RECEIPT_SCHEMA
from tests.drivers.mqtt.test_codec import DOCUMENT

CHANNELS = {
    "alerts": (
        "receive",
        ALERT_SCHEMA,
        False,
        "An alert, an amendment or a cancel. Never retained",
    ),
    "receipts": (
        "send",
        RECEIPT_SCHEMA,
        False,
        "What became of it, only after it is on the disk",
    ),
    "events": ("send", EVENT_SCHEMA, False, "Every timeline node, in order; may come twice"),
    "cap": (
        "send",
        {"type": "string", "description": "CAP 1.2"},
        False,
        "Ack and Error of messages that came in CAP, and what becomes of their alerts; where "
        "the site takes CAP",
    ),
    "health": ("send", HEALTH_SCHEMA, True, "Heartbeat; the last will says offline"),
}
TEXT = """\
The gateway's MQTT 5 door. QoS 1, UTF-8 JSON. A broker may lose what it has acknowledged: repeat
an alert until its receipt comes; the same (sender, id) makes one order. An event is known by
its (journal, part); one that comes twice is the same. Health is retained and repeated; compare
its journal number with the last event's to notice a gap.
"""


def document():
    topics = Topics("{site}")
    channels, operations = {}, {}
    for name, (action, schema, retain, summary) in CHANNELS.items():
        message = {
            "contentType": "application/cap+xml" if name == "cap" else "application/json",
            "summary": summary,
            "payload": copy.deepcopy(schema),
        }
        channels[name] = {
            "address": getattr(topics, name),
            "parameters": {"site": {"description": "Site id, [a-z0-9-]{1,32}"}},
            "messages": {name.rstrip("s"): message},
        }
        operations[f"{action}_{name}"] = {
            "action": action,
            "channel": {"$ref": f"#/channels/{name}"},
            "bindings": {"mqtt": {"qos": 1, "retain": retain, "bindingVersion": "0.2.0"}},
        }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Gridcall", "version": "1", "description": TEXT},
        "channels": channels,
        "operations": operations,
    }


class _WithoutAliases(yaml.SafeDumper):
    def ignore_aliases(self, data):
        return True


if __name__ == "__main__":
    text = yaml.dump(
        document(), Dumper=_WithoutAliases, sort_keys=False, allow_unicode=True, width=96
    )
    DOCUMENT.write_text(text, encoding="utf-8")
