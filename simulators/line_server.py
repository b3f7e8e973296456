"""The device server in the field: a radio's control lines behind RFC 2217 on a TCP port."""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Final, cast

from serial import rfc2217

_LOG: Final = logging.getLogger(__name__)
_ACKED_MASKS: Final = (rfc2217.SET_LINESTATE_MASK, rfc2217.SET_MODEMSTATE_MASK)
_SERVER_OFFSET: Final = 100

Lines = dict[str, bool]


class _Manager(rfc2217.PortManager):
    """pyserial's port manager, which also acknowledges the two masks.

    pyserial leaves them unanswered; RFC 2217 section 3 has the server answer each command with
    the client's code plus 100, and some clients wait for that.
    """

    def _telnet_process_subnegotiation(self, suboption: bytes) -> None:
        # Not in the type stubs; pyserial's filter() calls it for each subnegotiation.
        super()._telnet_process_subnegotiation(suboption)  # type: ignore[misc]
        command = suboption[1:2]
        if suboption[0:1] == rfc2217.COM_PORT_OPTION and command in _ACKED_MASKS:
            self.rfc2217_send_subnegotiation(
                bytes([command[0] + _SERVER_OFFSET]), suboption[2:3]
            )


class _Port:
    """What the port manager takes for a serial port: settings and six lines."""

    def __init__(self, changed: Callable[[str, bool], None]) -> None:
        self.baudrate, self.bytesize, self.parity, self.stopbits = 9600, 8, "N", 1
        self.xonxoff = self.rtscts = self.break_condition = False
        self.cts = self.dsr = self.cd = self.ri = False
        self.outputs: Lines = {"rts": False, "dtr": False}
        self._changed = changed

    def _set(self, line: str, value: object) -> None:
        on = bool(value)
        if self.outputs[line] != on:
            self.outputs[line] = on
            self._changed(line, on)

    @property
    def rts(self) -> bool:
        return self.outputs["rts"]

    @rts.setter
    def rts(self, value: object) -> None:
        self._set("rts", value)

    @property
    def dtr(self) -> bool:
        return self.outputs["dtr"]

    @dtr.setter
    def dtr(self, value: object) -> None:
        self._set("dtr", value)

    def reset_input_buffer(self) -> None:
        """There is no data path behind these lines."""

    def reset_output_buffer(self) -> None:
        """There is no data path behind these lines."""


class LineServer:
    """One RFC 2217 port: tells of RTS and DTR, and is told CTS, DSR, CD and RI.

    One client at a time; a newcomer takes the port and the former client is cut off, so that a
    restarted client never finds its own dead connection in the way.

    Attributes:
        port: the TCP port on 127.0.0.1 once started.
        drops_lines: RTS and DTR fall when the client goes away.
    """

    def __init__(
        self,
        changed: Callable[[str, bool], None],
        clients: Callable[[bool], None],
        *,
        port: int = 0,
        drops_lines: bool = True,
    ) -> None:
        """Makes the server; nothing listens yet.

        Args:
            changed: told each edge of an output line: `rts` or `dtr`, and its new state.
            clients: told True when a client has connected, False when it has gone.
            port: TCP port; 0 takes a free one, which is then kept.
            drops_lines: what a good device server does when its client goes away.
        """
        self.port = port
        self.drops_lines = drops_lines
        self._pins = _Port(changed)
        self._clients = clients
        self._server: asyncio.Server | None = None
        self._connection: _Connection | None = None

    @property
    def outputs(self) -> Lines:
        """RTS and DTR as they stand, by name."""
        return dict(self._pins.outputs)

    @property
    def inputs(self) -> Lines:
        """CTS, DSR, CD and RI as they stand, by name."""
        pins = self._pins
        return {"cts": pins.cts, "dsr": pins.dsr, "cd": pins.cd, "ri": pins.ri}

    async def listen(self) -> None:
        """Accepts clients from now on."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                lambda: _Connection(self), "127.0.0.1", self.port
            )
            self.port = self._server.sockets[0].getsockname()[1]

    def stop_listening(self) -> None:
        """Refuses new clients from now on; the present one stays."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def drop_connection(self) -> None:
        """Cuts the client off, as a pulled plug would."""
        if self._connection is not None:
            self._connection.cut()

    def set_input(self, line: str, *, on: bool) -> None:
        """Drives an input line (`cts`, `dsr`, `cd`, `ri`); the client is told at once."""
        setattr(self._pins, line, on)
        if self._connection is not None:
            self._connection.push_lines()

    def joined(self, connection: "_Connection") -> rfc2217.PortManager:
        """Makes the connection the port's client and returns its protocol."""
        if self._connection is not None:
            _LOG.warning("a second client takes port %d; the first is cut off", self.port)
            former, self._connection = self._connection, None
            former.cut()
            self._client_gone()
        self._connection = connection
        self._clients(True)
        # The manager only uses what _Port and _Connection have of a serial port.
        pins, wire = cast(rfc2217.Serial, self._pins), cast(rfc2217.Serial, connection)
        return _Manager(pins, wire)

    def left(self, connection: "_Connection") -> None:
        """Takes note that the connection is closed."""
        if connection is self._connection:
            self._connection = None
            self._client_gone()

    def _client_gone(self) -> None:
        if self.drops_lines:
            self._pins.rts = False
            self._pins.dtr = False
        self._clients(False)


class _Connection(asyncio.Protocol):
    """One client's TCP connection."""

    def __init__(self, server: LineServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._manager: rfc2217.PortManager | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        wire = transport.get_extra_info("socket")
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._manager = self._server.joined(self)

    def data_received(self, data: bytes) -> None:
        if self._manager is not None:
            for _ in self._manager.filter(data):
                pass  # serial data; a radio without a data port swallows it

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 asyncio's name
        self._server.left(self)

    def write(self, data: bytes) -> None:
        """Sends bytes to the client (called by the port manager)."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def push_lines(self) -> None:
        """Tells the client of input lines that have changed."""
        if self._manager is not None:
            self._manager.check_modem_lines()

    def cut(self) -> None:
        """Closes the connection at once; what was not sent is lost."""
        if self._transport is not None:
            self._transport.abort()
