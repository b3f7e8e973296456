"""Settings of the MQTT door: how the broker is reached."""

from typing import Annotated, Final, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.settings import Model, MqttBase, PathText, written


class ClientTls(Model):
    """How the broker's certificate is checked and our own shown.

    Attributes:
        ca_file: Certificate authority of the broker, PEM.
        cert_file: Our certificate, PEM; absent = none.
        key_file: Its private key, PEM.
    """

    ca_file: PathText
    cert_file: PathText | None = None
    key_file: PathText | None = None

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise PydanticCustomError("tls", "write cert_file and key_file, or neither")
        return self


class MqttDoor(MqttBase):
    """The MQTT 5 door of the command centre.

    Attributes:
        client_id: Our name at the broker; it must be nobody else's.
        tls: Encryption; absent = plain TCP, for this machine only.
        keepalive_s: A link silent for longer is dead, seconds.
        heartbeat_s: Our own health is published this often, seconds.
    """

    client_id: Annotated[
        str, written(r"^[0-9A-Za-z_-]{1,64}$", "1 to 64 letters, digits, _ or -")
    ]
    tls: ClientTls | None = None
    keepalive_s: Annotated[int, Field(ge=2, le=300)] = 15
    heartbeat_s: Annotated[int, Field(ge=1, le=300)] = 10


# What this driver is, and the model of its settings: see gateway.installed.
KIND: Final = "centre"
MODEL: Final = MqttDoor
