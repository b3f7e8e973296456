"""uvicorn as one task of the daemon: no signal handling, no logging of its own."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from gateway.interfaces import SetupError
from gateway.settings import HttpDoor

# Long enough for an answer under way; event streams are ended at once and resume later.
GRACE_S = 1
MAX_CONNECTIONS = 512
KEEP_ALIVE_S = 30


class _Server(uvicorn.Server):
    """uvicorn without its hands on the daemon's signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the daemon."""
        yield


def listen(settings: HttpDoor) -> socket.socket:
    """Return the listening socket of ``settings.listen``.

    Raises:
        SetupError: The address is not ours or the port is taken.
    """
    host, _, port = settings.listen.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol must be named: without it asyncio leaves Nagle on, and answers wait 40 ms.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, int(port)))
        sock.listen(128)
    except (OSError, OverflowError) as error:
        sock.close()
        raise SetupError(
            f"command_centre.http.listen: cannot listen on {settings.listen}: {error}; "
            "choose a free port of this machine"
        ) from error
    sock.setblocking(False)
    return sock


async def serve(app: FastAPI, settings: HttpDoor, sock: socket.socket | None = None) -> None:
    """Serve ``app`` until cancelled; answers under way get a second to finish.

    Args:
        app: The application of ``gateway.web.app.build``.
        settings: Where to listen, and TLS.
        sock: A socket from :func:`listen`; None makes one.

    Raises:
        SetupError: The port is taken or the certificate cannot be read.
    """
    server = _Server(_config(app, settings))
    sock = sock or listen(settings)
    app.state.stopping.clear()
    try:
        await server.serve(sockets=[sock])
    except asyncio.CancelledError:
        app.state.stopping.set()
        # uvicorn closes nothing when it is cancelled; without this the port stays taken.
        if server.started:
            await server.shutdown(sockets=[sock])
        raise
    finally:
        sock.close()


def _config(app: FastAPI, settings: HttpDoor) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        ssl_certfile=settings.tls.cert_file if settings.tls else None,
        ssl_keyfile=settings.tls.key_file if settings.tls else None,
    )
    try:
        config.load()
    except OSError as error:
        raise SetupError(
            f"command_centre.http.tls: the certificate cannot be used: {error}; "
            "check cert_file and key_file"
        ) from error
    return config
