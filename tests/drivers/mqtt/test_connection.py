"""What the adapter relies on in aiomqtt and paho, pinned on a real broker."""

import asyncio
import signal
import socket

import aiomqtt
import pytest

from drivers.mqtt.codec import Incoming
from drivers.mqtt.connection import connect
from gateway.interfaces import LinkError, SetupError
from tests.drivers.mqtt.conftest import ALERTS, HEALTH, door
from tests.drivers.mqtt.tap import tapped, until


def connection(broker, **changes):
    return connect(door(broker, **changes), will_topic=HEALTH, will_payload=b'{"status":"off"}')


async def first(link, count=1) -> list[Incoming]:
    found = []
    async for incoming in link.messages():
        found.append(incoming)
        if len(found) == count:
            return found
    raise AssertionError("the link ended")


@pytest.mark.asyncio
async def test_what_is_not_acknowledged_comes_again_and_what_is_does_not(broker, centre):
    async with connection(broker) as link:
        await link.subscribe(ALERTS)
        for n in range(3):
            await centre.send({"n": n})
        seen = await first(link, 3)
        link.acknowledge(seen[0])
        # Only a packet after the acknowledgement tells that the broker has read it.
        await link.publish(HEALTH, b"{}")
    async with connection(broker) as link:
        again = await first(link, 2)
    assert [m.payload for m in again] == [b'{"n": 1}', b'{"n": 2}']


@pytest.mark.asyncio
async def test_the_socket_waits_for_nothing(broker):
    async with connection(broker) as link:
        sock = link._client._client.socket()
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.asyncio
async def test_what_is_sent_together_leaves_together(broker, centre):
    async with tapped(broker) as (tap, port), connection(broker, port=port) as link:
        await link.publish(HEALTH, *(b'{"n": %d}' % n for n in range(10)))
    (chunk,) = [c for c in tap.chunks if b'"n"' in c]
    assert chunk.count(b'"n"') == 10
    await centre.wait(lambda: len(centre.on(HEALTH)) >= 10)


@pytest.mark.asyncio
async def test_more_than_the_socket_takes_at_once_arrives_whole(broker, centre):
    """The broker reads nothing for a while; what does not fit waits and nothing is mixed up."""
    payloads = [b'{"n": %d, "x": "%s"}' % (n, b"y" * 60_000) for n in range(60)]
    async with connection(broker) as link:
        link._client._client.socket().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        broker._process.send_signal(signal.SIGSTOP)
        try:
            sent = [link.send(HEALTH, payload) for payload in payloads]
            await until(lambda: link._outlet._watched is not None)
        finally:
            broker._process.send_signal(signal.SIGCONT)
        for answered in sent:
            await answered
        assert link._outlet._watched is None
    await centre.wait(lambda: len(centre.on(HEALTH)) >= 60)
    assert [content["n"] for content in centre.on(HEALTH)[:60]] == list(range(60))


@pytest.mark.asyncio
async def test_a_broker_that_vanishes_ends_the_reading(broker):
    async with asyncio.timeout(10):
        with pytest.raises(LinkError, match=r"command_centre\.mqtt"):
            async with connection(broker) as link:
                broker.stop()
                await first(link)


def test_the_private_names_are_still_there():
    assert callable(aiomqtt.client.mqtt.Client.manual_ack_set)
    assert callable(aiomqtt.client.mqtt.Client.ack)
    for name in ("on_message", "on_publish", "on_socket_register_write", "on_socket_close"):
        assert isinstance(getattr(aiomqtt.client.mqtt.Client, name), property)


@pytest.mark.asyncio
async def test_leaving_in_order_says_offline(broker, centre):
    async with connection(broker):
        pass
    await centre.wait(lambda: centre.on(HEALTH))
    assert centre.on(HEALTH) == [{"status": "off"}]


@pytest.mark.asyncio
async def test_no_broker_is_a_link_error_and_a_bad_certificate_a_setup_error(broker, tmp_path):
    broker.stop()
    with pytest.raises(LinkError, match=r"command_centre\.mqtt"):
        async with connection(broker):
            pass
    tls = {"ca_file": str(tmp_path / "none.pem")}
    settings = door(broker).model_copy(
        update={"tls": type("Tls", (), tls | {"cert_file": None, "key_file": None})}
    )
    with pytest.raises(SetupError, match="check ca_file"):
        async with connect(settings, will_topic=HEALTH, will_payload=b"{}"):
            pass
