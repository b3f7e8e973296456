"""Topics and payloads of the MQTT door. Pure: bytes in, values out, and back.

MQTT 5 (OASIS, 2019), QoS 1, UTF-8 JSON. Four topics a site, under ``gridcall/v1/<site>/``:
``alerts`` in, ``receipts`` and ``events`` out, ``health`` out and retained.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec

from gateway.core.centre.alert_json import Refusal, decode_alert
from gateway.core.centre.report_json import event_json, health_json
from gateway.core.intake.events import AlertReceived, MessageNoted
from gateway.interfaces import AlertFormat, Report

ROOT = "gridcall/v1"


@dataclass(frozen=True, slots=True)
class Topics:
    """The four topics of one site."""

    site: str

    @property
    def alerts(self) -> str:
        """Messages of the centre: alert, update, cancel."""
        return f"{ROOT}/{self.site}/alerts"

    @property
    def receipts(self) -> str:
        """What became of each, only after the commit."""
        return f"{ROOT}/{self.site}/receipts"

    @property
    def events(self) -> str:
        """Every timeline node."""
        return f"{ROOT}/{self.site}/events"

    @property
    def cap(self) -> str:
        """Ack and Error of messages that came in CAP, and what becomes of their alerts."""
        return f"{ROOT}/{self.site}/cap"

    @property
    def health(self) -> str:
        """Whether the gateway is there; retained."""
        return f"{ROOT}/{self.site}/health"


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message from the broker, not acknowledged yet.

    Attributes:
        mid: The broker's packet id; the acknowledgement names it.
        retained: Whether its sender asked the broker to keep it.
    """

    topic: str
    payload: bytes
    retained: bool
    mid: int
    qos: int


DOOR = "mqtt"


def decode(
    incoming: Incoming,
    topics: Topics,
    now_us: int,
    *,
    written: AlertFormat | None = None,
    synchronised: bool = True,
) -> AlertReceived | MessageNoted:
    """Return the event that a message is, written in our JSON unless told otherwise.

    Raises:
        Refusal: It is of another site, retained, or malformed. ``id`` is set where the sender
            must be told; of another site's message nobody is told here.
    """
    if incoming.topic != topics.alerts:
        raise Refusal("topic", f"is not {topics.alerts}; the message is of another site")
    event: AlertReceived | MessageNoted
    if written is not None:
        event = written.decode(
            incoming.payload, door=DOOR, now_us=now_us, synchronised=synchronised
        )
    else:
        alert = decode_alert(incoming.payload, kind=None, now_us=now_us)
        event = AlertReceived(at_us=now_us, door=DOOR, alert=alert, synchronised=synchronised)
    if isinstance(event, AlertReceived):
        event = replace(event, alert=replace(event.alert, through=DOOR))
    if incoming.retained:
        # The broker would hand it to us again at every subscription, as if it were new.
        refusal = Refusal("retain", "an alert must not be retained; send it without the flag")
        named = event.alert if isinstance(event, AlertReceived) else event
        refusal.sender, refusal.id = named.sender, named.id
        raise refusal
    return event


def encode(content: Mapping[str, object]) -> bytes:
    """Return a payload."""
    return msgspec.json.encode(content)


def encode_event(report: Report, site: str) -> bytes:
    """Return the payload of one timeline node."""
    return encode(event_json(report, site))


def encode_health(status: str, *, site: str, journal: int, at_us: int) -> bytes:
    """Return the payload of a heartbeat, or of the last will."""
    return encode(health_json(status, site=site, journal=journal, at_us=at_us))


def position(report: Report) -> str:
    """Return the cursor position after a report."""
    return f"{report.seq}.{report.part}"


def parse_position(text: str) -> tuple[int, int]:
    """Return (journal number, part) last published; a bare number means its whole row was."""
    seq, _, part = text.partition(".")
    return (int(seq), int(part)) if part else (int(seq) + 1, -1)
