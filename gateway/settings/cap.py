"""Settings of CAP 1.2 beside our own JSON: who may send it, and how we sign our answers."""

from typing import Annotated

from pydantic import Field, StringConstraints

from gateway.settings.values import Model

# What CAP 1.2 §3.2.1 lets stand in a sender; ours has no need of more.
Sender = Annotated[str, StringConstraints(pattern=r"^[^\s,<&]{1,128}$")]


class CapSettings(Model):
    """CAP messages are taken by the HTTP and MQTT doors and by ``gridcall alert``.

    Attributes:
        senders: Whose messages are taken: each as its ``sender`` element says it.
        sender: How our own answers and reports name us.
        addresses: Names that are ours in ``addresses`` of Private messages; empty for any.
        public: Whether messages of scope Public are taken as orders to guards.
        reports: Whether what becomes of orders is also published as CAP over MQTT.
    """

    senders: Annotated[tuple[Sender, ...], Field(min_length=1)]
    sender: Sender = "gridcall"
    addresses: tuple[str, ...] = ()
    public: bool = False
    reports: bool = False
