"""Where the engine comes in: a Unix socket, the events it has not acknowledged, its heartbeat.

Events are numbered within one boot and kept until the engine has them on its disk; after a
reconnection they are sent again from the first one it has not acknowledged.
"""

from __future__ import annotations

import logging
import selectors
import socket
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from drivers.radio.protocol import (
    PROTOCOL,
    Ack,
    Beat,
    Configure,
    Do,
    FromRadio,
    Hello,
    Lines,
    RadioEvent,
    Told,
    encode,
)
from gateway.interfaces import SetupError, WireError

_LOG: Final = logging.getLogger("gridcall.radio")

EVENTS_KEPT_MAX: Final = 10_000
# The engine's heartbeat comes each second.
_SILENT_S: Final = 3.0
# An engine that does not read for this much has stopped; what matters is kept in the events.
_UNSENT_BYTES_MAX: Final = 8 << 20


class EngineDoor:
    """The engine's socket. No method waits.

    Args:
        path: Where to listen; only our own user may connect.
        boot: Our boot id.
        selector: The loop's selector.
        paths: Returns how the channels are, for the greeting.
        on_message: Takes an effect or a change of settings.
        clock: Monotonic seconds.

    Raises:
        SetupError: the path cannot be had.
    """

    def __init__(
        self,
        path: Path,
        boot: str,
        selector: selectors.BaseSelector,
        *,
        paths: Callable[[], dict[str, str | None]],
        on_message: Callable[[Do | Configure], None],
        clock: Callable[[], float],
    ) -> None:
        self._boot = boot
        self._selector = selector
        self._paths = paths
        self._on_message = on_message
        self._clock = clock
        self._events: deque[tuple[Told, Callable[[], None] | None]] = deque()
        self._seq = 0
        self._lost = 0
        self._connection: socket.socket | None = None
        self._lines = Lines()
        self._unsent = bytearray()
        self._heard_s = float("-inf")
        self._listener = _listen(path)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def engine_alive(self, now_s: float) -> bool:
        """Return whether the engine is there and beats."""
        return self._connection is not None and now_s - self._heard_s < _SILENT_S

    def tell(
        self,
        event: RadioEvent,
        settles: tuple[int, ...] = (),
        once_taken: Callable[[], None] | None = None,
    ) -> None:
        """Number an event, keep it until it is acknowledged, and send it if there is anyone.

        ``once_taken`` is called when the engine has it on its disk; never when it is dropped.
        """
        self._seq += 1
        told = Told(self._seq, event, settles)
        if len(self._events) >= EVENTS_KEPT_MAX:
            # A month of an idle channel, or an hour of a wild one: the newest matter more.
            self._events.popleft()
            self._lost += 1
            if self._lost == 1:
                _LOG.error("the engine is away for too long; the oldest events are dropped")
        self._events.append((told, once_taken))
        self.send(told)

    def send(self, message: FromRadio) -> None:
        """Send what only matters while the engine is there."""
        if self._connection is None:
            return
        self._unsent += encode(message)
        if len(self._unsent) > _UNSENT_BYTES_MAX:
            self._drop("it does not read")
            return
        self._flush()

    def close(self) -> None:
        """Stop listening and let the engine go.

        The socket's file stays: it may be our successor's already.
        """
        self._drop("closing")
        self._selector.unregister(self._listener)
        self._listener.close()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        # A second engine is the first one, restarted: the old connection is dead.
        self._drop("a new connection came")
        connection.setblocking(False)
        self._connection, self._lines = connection, Lines()
        self._heard_s = self._clock()
        self._selector.register(connection, selectors.EVENT_READ, self._ready)
        self._unsent += encode(Hello(PROTOCOL, self._boot, self._paths()))
        for told, _ in self._events:
            self._unsent += encode(told)
        self._flush()

    def _ready(self) -> None:
        connection = self._connection
        if connection is None or not self._flush():
            return
        try:
            data = connection.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError as error:
            self._drop(str(error))
            return
        if not data:
            self._drop("it went away")
            return
        self._heard_s = self._clock()
        try:
            messages = self._lines.feed(data)
        except WireError as error:
            self._drop(str(error))
            return
        for message in messages:
            match message:
                case Ack(seq=seq):
                    self._acknowledged(seq)
                case Do() | Configure():
                    self._on_message(message)
                case Beat() | _:
                    pass

    def _acknowledged(self, seq: int) -> None:
        while self._events and self._events[0][0].seq <= seq:
            _, once_taken = self._events.popleft()
            if once_taken is not None:
                once_taken()

    def _flush(self) -> bool:
        """Send what the socket takes, be woken when it takes more; return whether it lives."""
        if self._connection is None:
            return False
        try:
            while self._unsent:
                del self._unsent[: self._connection.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError as error:
            self._drop(str(error))
            return False
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._unsent else 0)
        self._selector.modify(self._connection, wanted, self._ready)
        return True

    def _drop(self, why: str) -> None:
        connection, self._connection = self._connection, None
        self._unsent.clear()
        if connection is not None:
            _LOG.warning("the engine's connection is closed: %s", why)
            self._selector.unregister(connection)
            connection.close()


def _listen(path: Path) -> socket.socket:
    """Listen on a fresh socket that only our own user may use."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        # Made unreachable first and then opened to us: there is no moment in between.
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(2)
    except OSError as error:
        listener.close()
        msg = f"radio socket {path}: {error.strerror or error}; is the folder ours to write?"
        raise SetupError(msg) from error
    listener.setblocking(False)
    return listener
