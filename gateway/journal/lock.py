"""The lock file that keeps two daemons off one journal."""

import fcntl
import os
from pathlib import Path

from gateway.interfaces import SetupError


class Lock:
    """Holds the journal's lock file, so that two daemons never write one journal."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    def take(self) -> None:
        """Return holding the lock; raise SetupError naming who has it."""
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(fd, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(fd)
            raise SetupError(
                f"{self.path}: process {holder} is writing this journal; stop it first, "
                "or give this daemon a journal of its own"
            ) from None
        os.ftruncate(fd, 0)
        os.write(fd, f"{os.getpid()}\n".encode())
        self._fd = fd

    def release(self) -> None:
        """Let the next one in; harmless when not held."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
