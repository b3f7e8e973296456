"""One connection to the broker, with acknowledgements held back until we give them.

aiomqtt acknowledges each message before the application has seen it (measured: 15 of 20 lost
by a kill). Its paho client can leave that to us; this adapter is the only place that reaches
for it, and ``tests/drivers/mqtt/test_connection.py`` pins what it relies on.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from drivers.mqtt.codec import Incoming
from drivers.mqtt.settings import ClientTls, MqttDoor
from gateway.interfaces import LinkError, SetupError

SESSION_EXPIRY_S = 7 * 86_400
# How many messages the broker may hand us before the first is acknowledged.
RECEIVE_MAXIMUM = 64
# Twice the alert's limit: what is a little too long is refused with a receipt, what is far too
# long never leaves the broker.
PACKET_LIMIT_BYTES = 128 * 1024
GOODBYE_S = 1.0


class Connection:
    """Publishes, receives, and acknowledges when told to."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Return once the broker has taken it (QoS 1); it leaves before the first wait.

        Raises:
            LinkError: The broker went away or did not answer in time.
        """
        with _told_as_link_error():
            await self._client.publish(topic, payload, qos=1, retain=retain)

    async def subscribe(self, topic: str) -> None:
        """Return once the broker hands us a topic, telling which messages are retained."""
        options = SubscribeOptions(
            qos=1,
            retainAsPublished=True,
            retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB,
        )
        with _told_as_link_error():
            codes = await self._client.subscribe(topic, options=options)
        refused = [str(code) for code in codes if not isinstance(code, int) and code.is_failure]
        if refused:
            raise SetupError(
                f"command_centre.mqtt: the broker refuses {topic}: {refused[0]}; "
                "let its access list allow this client to read it"
            )

    async def messages(self) -> AsyncIterator[Incoming]:
        """Yield what comes, unacknowledged, until the link breaks (LinkError)."""
        with _told_as_link_error():
            async for message in self._client.messages:
                yield Incoming(
                    topic=message.topic.value,
                    payload=message.payload,
                    retained=message.retain,
                    mid=message.mid,
                    qos=message.qos,
                )

    def acknowledge(self, incoming: Incoming) -> None:
        """Tell the broker that a message is on our disk: it will not come again."""
        self._client._client.ack(incoming.mid, incoming.qos)


@contextlib.asynccontextmanager
async def connect(
    settings: MqttDoor, *, will_topic: str, will_payload: bytes
) -> AsyncIterator[Connection]:
    """Give a connection whose session and unacknowledged messages outlive it by seven days.

    The will is published by the broker when the link breaks, and by us when we leave in order.

    Raises:
        LinkError: The broker is away.
        SetupError: A certificate or the password cannot be read, or the broker refuses us.
    """
    password, tls = await asyncio.to_thread(_credentials, settings)
    client = aiomqtt.Client(
        settings.host,
        settings.port,
        username=settings.username,
        password=password,
        identifier=settings.client_id,
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=False,
        properties=_connect_properties(),
        will=aiomqtt.Will(will_topic, will_payload, qos=1, retain=True),
        keepalive=settings.keepalive_s,
        timeout=settings.keepalive_s,
        max_inflight_messages=RECEIVE_MAXIMUM,
        tls_context=tls,
        socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
    )
    client.pending_calls_threshold = 4 * RECEIVE_MAXIMUM
    client._client.manual_ack_set(True)
    with _told_as_link_error():
        async with client:
            connection = Connection(client)
            try:
                yield connection
            finally:
                await _say_goodbye(connection, will_topic, will_payload)


async def _say_goodbye(connection: Connection, topic: str, payload: bytes) -> None:
    """Publish the will ourselves: a broker keeps it to itself when a client leaves in order."""
    with contextlib.suppress(LinkError, TimeoutError):
        async with asyncio.timeout(GOODBYE_S):
            await connection.publish(topic, payload, retain=True)


@contextlib.contextmanager
def _told_as_link_error() -> Iterator[None]:
    try:
        yield
    except MqttConnectError as error:
        raise SetupError(
            f"command_centre.mqtt: the broker refuses us: {error}; "
            "check username, password and client_id"
        ) from error
    except aiomqtt.MqttError as error:
        raise LinkError(f"command_centre.mqtt: {error}") from error


def _connect_properties() -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = SESSION_EXPIRY_S
    properties.ReceiveMaximum = RECEIVE_MAXIMUM
    properties.MaximumPacketSize = PACKET_LIMIT_BYTES
    return properties


def _credentials(settings: MqttDoor) -> tuple[str | None, ssl.SSLContext | None]:
    """Return the password and the TLS context; read anew each time, so that both can change."""
    password = settings.password.read() if settings.password else None
    return password, _tls(settings.tls) if settings.tls else None


def _tls(settings: ClientTls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings.cert_file is not None:
            context.load_cert_chain(settings.cert_file, settings.key_file)
    except (OSError, ssl.SSLError) as error:
        raise SetupError(
            f"command_centre.mqtt.tls: a certificate cannot be used: {error}; "
            "check ca_file, cert_file and key_file"
        ) from error
    return context
