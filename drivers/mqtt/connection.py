"""One connection to the broker, with acknowledgements held back until we give them.

aiomqtt acknowledges each message before the application has seen it (measured: 15 of 20 lost
by a kill), spends two tasks on each and a system call on each packet. Its paho client leaves
all that to callbacks of ours; this adapter is the only place that reaches for it, and
``tests/drivers/mqtt/test_connection.py`` pins what it relies on. aiomqtt keeps what it is good
at: connecting, TLS, keep-alive, subscribing, noticing that the link is gone.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt import client as mqtt
from paho.mqtt.client import MQTT_ERR_SUCCESS, MQTTMessage, error_string
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from drivers.mqtt.codec import Incoming
from drivers.mqtt.settings import ClientTls, MqttDoor
from gateway.interfaces import LinkError, SetupError

SESSION_EXPIRY_S = 7 * 86_400
# How many messages the broker may hand us before the first is acknowledged.
RECEIVE_MAXIMUM = 64
# A little more than a CAP message's limit: what is a little too long is refused with a receipt,
# what is far too long never leaves the broker.
PACKET_LIMIT_BYTES = 320 * 1024
GOODBYE_S = 1.0


class Connection:
    """Publishes, receives, and acknowledges when told to.

    Args:
        client: A client that is not connected yet.
        patience_s: Longest wait for the broker's answer to a publication.
    """

    def __init__(self, client: aiomqtt.Client, patience_s: float) -> None:
        self._client = client
        self._patience_s = patience_s
        self._arrived: asyncio.Queue[Incoming | None] = asyncio.Queue()
        self._unanswered: dict[int, asyncio.Future[None]] = {}
        self._outlet: Outlet | None = None
        self._paho = client._client
        self._paho.manual_ack_set(True)
        self._paho.on_message = self._on_message
        self._paho.on_publish = self._on_publish

    def connected(self) -> None:
        """Take over from aiomqtt what it does with much ado; called once the link stands."""
        self._outlet = Outlet(self._paho)
        # None tells the reader of messages that there will be no more.
        self._client._disconnected.add_done_callback(lambda _: self._arrived.put_nowait(None))

    def closing(self) -> None:
        """Give the socket back to aiomqtt."""
        if self._outlet is not None:
            self._outlet.close()

    def send(self, topic: str, payload: bytes, *, retain: bool = False) -> asyncio.Future[None]:
        """Hand a publication (QoS 1) to the link; the future ends with the broker's answer.

        It leaves before whatever is sent or acknowledged after it.

        Raises:
            LinkError: The broker went away.
        """
        info = self._paho.publish(topic, payload, 1, retain)
        if info.rc != MQTT_ERR_SUCCESS:
            raise LinkError(f"command_centre.mqtt: not published: {error_string(info.rc)}")
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._unanswered[info.mid] = answered
        return answered

    async def publish(self, topic: str, *payloads: bytes, retain: bool = False) -> None:
        """Return once the broker has taken them all (QoS 1); they leave before the first wait.

        Raises:
            LinkError: The broker went away or did not answer in time.
        """
        answers = [self.send(topic, payload, retain=retain) for payload in payloads]
        try:
            async with asyncio.timeout(self._patience_s):
                for answered in answers:
                    await answered
        except TimeoutError:
            raise LinkError("command_centre.mqtt: the broker does not answer") from None

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
        while (incoming := await self._arrived.get()) is not None:
            yield incoming
        lost = self._client._disconnected.exception()
        raise LinkError(f"command_centre.mqtt: {lost or 'the link was closed'}")

    def acknowledge(self, incoming: Incoming) -> None:
        """Tell the broker that a message is on our disk: it will not come again."""
        self._paho.ack(incoming.mid, incoming.qos)

    def _on_message(self, _client: object, _userdata: object, message: MQTTMessage) -> None:
        incoming = Incoming(
            topic=message.topic,
            payload=bytes(message.payload),
            retained=message.retain,
            mid=message.mid,
            qos=message.qos,
        )
        self._arrived.put_nowait(incoming)

    def _on_publish(self, _client: object, _userdata: object, mid: int, *_: object) -> None:
        answered = self._unanswered.pop(mid, None)
        if answered is not None and not answered.done():
            answered.set_result(None)


class Outlet:
    """Writes what paho has queued once a turn of the loop, all packets in one go.

    aiomqtt asks the loop through its self-pipe to watch the socket for each packet, and each
    packet leaves in a segment of its own, which wakes the broker as often.
    """

    def __init__(self, paho: mqtt.Client) -> None:
        self._paho = paho
        self._loop = asyncio.get_running_loop()
        self._watched: int | None = None
        self._close_of_aiomqtt = paho.on_socket_close
        paho.on_socket_register_write = self._soon
        paho.on_socket_unregister_write = None
        paho.on_socket_close = self._closed

    def close(self) -> None:
        """Watch the socket no longer."""
        if self._watched is not None:
            self._loop.remove_writer(self._watched)
            self._watched = None

    def _soon(self, *_: object) -> None:
        self._loop.call_soon(self._write)

    def _write(self) -> None:
        sock = self._paho.socket()
        if sock is None:
            return
        with _in_one_go(sock):
            self._paho.loop_write()
        self.close()
        if self._paho.want_write() and self._paho.socket() is not None:
            self._watched = sock.fileno()
            self._loop.add_writer(self._watched, self._write)

    def _closed(self, *given: Any) -> None:  # noqa: ANN401  # paho's callback
        self.close()
        if self._close_of_aiomqtt is not None:
            self._close_of_aiomqtt(*given)


@contextlib.contextmanager
def _in_one_go(sock: Any) -> Iterator[None]:  # noqa: ANN401  # a socket, plain or TLS
    """Let what is written within leave together (Linux, tcp(7), TCP_CORK)."""
    cork = getattr(socket, "TCP_CORK", None)
    if cork is not None:
        sock.setsockopt(socket.IPPROTO_TCP, cork, 1)
    try:
        yield
    finally:
        if cork is not None and sock.fileno() >= 0:
            sock.setsockopt(socket.IPPROTO_TCP, cork, 0)


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
    connection = Connection(client, settings.keepalive_s)
    with _told_as_link_error():
        async with client:
            connection.connected()
            try:
                yield connection
            finally:
                await _say_goodbye(connection, will_topic, will_payload)
                connection.closing()


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
