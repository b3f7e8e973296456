"""Ports for tests, below those that outgoing connections are given, so that they stay free."""

import contextlib
import random
import socket

_CHANCE = random.SystemRandom()


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Return a port of 127.0.0.1 that nobody has."""
    while True:
        port = _CHANCE.randrange(15_000, 32_000)
        with socket.socket(socket.AF_INET, kind) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
