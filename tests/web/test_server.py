"""uvicorn inside the daemon: it starts, stops with all closed, and says what is wrong."""

import asyncio
import signal
import socket
import ssl
import subprocess
from types import SimpleNamespace

import aiohttp
import pytest

from gateway.interfaces import SetupError
from gateway.settings import HttpDoor
from gateway.web.app import build
from gateway.web.server import listen, serve
from tests.doors import FakeClock, FakeEngine
from tests.web.conftest import make_tokens, open_door


def application(settings, tmp_path):
    engine = FakeEngine()
    return build(settings, engine, engine, None, FakeClock(), tmp_path, tmp_path)


@pytest.mark.asyncio
async def test_a_taken_port_is_named(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        settings = HttpDoor(listen=f"127.0.0.1:{other.getsockname()[1]}")
        with pytest.raises(SetupError, match=r"command_centre\.http\.listen: cannot listen on"):
            await serve(application(settings, tmp_path), settings)


@pytest.mark.asyncio
async def test_stopping_ends_the_streams_and_frees_the_port_at_once(tmp_path, caplog):
    before = signal.getsignal(signal.SIGTERM)
    async with open_door(tmp_path) as door:
        port = int(door.base.rpartition(":")[2])
        response = await door.http.get(door.base + "/v1/events", headers=door.auth())
        await response.content.readline()
        assert signal.getsignal(signal.SIGTERM) is before, "the daemon's signals are its own"
        began = asyncio.get_running_loop().time()
        door.server.cancel()
        await response.content.read()  # a whole response, not a cut one
        await asyncio.wait([door.server])
        assert asyncio.get_running_loop().time() - began < 1
    assert "Exception" not in caplog.text
    listen(HttpDoor(listen=f"127.0.0.1:{port}")).close()


@pytest.fixture
def certificate(tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(
        ["openssl", *request.split(), *name, "-keyout", key, "-out", cert],
        check=True,
        capture_output=True,
    )
    return cert, key


@pytest.mark.asyncio
async def test_it_speaks_tls_with_the_sites_certificate(tmp_path, certificate):
    cert, key = certificate
    _, tokens = make_tokens()
    tls = SimpleNamespace(cert_file=str(cert), key_file=str(key))
    settings = HttpDoor(listen="127.0.0.1:0", tokens=tokens).model_copy(update={"tls": tls})
    sock = listen(settings)
    trust = ssl.create_default_context(cafile=cert)
    async with asyncio.TaskGroup() as tasks:
        server = tasks.create_task(serve(application(settings, tmp_path), settings, sock))
        url = f"https://localhost:{sock.getsockname()[1]}/healthz"
        connector = aiohttp.TCPConnector(family=socket.AF_INET)
        async with (
            aiohttp.ClientSession(connector=connector) as http,
            http.get(url, ssl=trust) as answer,
        ):
            assert answer.status == 200
        server.cancel()


@pytest.mark.asyncio
async def test_a_missing_certificate_is_named(tmp_path):
    tls = SimpleNamespace(cert_file=str(tmp_path / "none"), key_file=str(tmp_path / "none"))
    settings = HttpDoor(listen="127.0.0.1:0").model_copy(update={"tls": tls})
    with pytest.raises(SetupError, match=r"command_centre\.http\.tls"):
        await serve(application(settings, tmp_path), settings)
