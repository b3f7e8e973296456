"""Control lines of a serial port: which line keys the radio, which ones tell of its squelch.

Documents: RFC 2217, "Telnet Com Port Control Option" (network ports); tty_ioctl(4) TIOCMGET and
TIOCMBIS (local ports); both through pyserial, whose calls block, so they have a thread of their
own in the keyer.
"""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from typing import Literal

import serial
from serial import SerialException

from drivers.radio.squelch import InputLine
from gateway.interfaces import LinkError, SetupError

OutputLine = Literal["rts", "dtr"]

# A device server whose cable was cut sends nothing more: TCP itself has to ask whether it is
# still there. Three questions a second apart, so that a dead path is known within some 4 s.
_KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 3000),
)


@dataclass(frozen=True, slots=True)
class PttRule:
    """Which output keys the transmitter. The other output always stays low.

    ``rts & !dtr`` and ``rts`` ask the same of us; they differ in the wiring. With the former a
    port that is being opened, which raises both lines for a moment, does not key.

    Attributes:
        line: The line that is moved.
        keyed_level: Its level while keyed; False where the wiring is inverted.
    """

    line: OutputLine
    keyed_level: bool = True

    def level(self, line: OutputLine, *, keyed: bool) -> bool:
        """Return the level of ``line`` while keyed, or while not."""
        return line == self.line and (keyed == self.keyed_level)


def parse_ptt(expression: str, *, invert: bool = False) -> PttRule:
    """Return the rule of ``rts``, ``dtr``, ``rts & !dtr`` or ``dtr & !rts``.

    Raises:
        SetupError: any other expression.
    """
    terms = expression.lower().replace(" ", "").split("&")
    if terms in (["rts"], ["rts", "!dtr"]):
        return PttRule("rts", not invert)
    if terms in (["dtr"], ["dtr", "!rts"]):
        return PttRule("dtr", not invert)
    msg = f"ptt {expression!r} is none of: rts, dtr, rts & !dtr, dtr & !rts"
    raise SetupError(msg)


class ControlPort:
    """One serial port, local or ``rfc2217://``. Every call may block; errors are LinkError.

    Args:
        url: ``/dev/ttyUSB0`` or ``rfc2217://host:port``.
        ptt: The rule of the transmitter's line.
        inputs: The lines that tell of the receiver.
    """

    def __init__(self, url: str, ptt: PttRule, inputs: tuple[InputLine, ...]) -> None:
        self.url = url
        self._ptt = ptt
        self._inputs = inputs
        self._port: serial.SerialBase | None = None

    def open(self) -> None:
        """Open with the transmitter unkeyed.

        pyserial raises both lines on opening unless told otherwise on the closed port.

        Raises:
            LinkError: no such device, nobody listens, or it does not speak RFC 2217.
        """
        try:
            port = serial.serial_for_url(self.url, do_not_open=True, exclusive=True, timeout=0)
            port.rts = self._ptt.level("rts", keyed=False)
            port.dtr = self._ptt.level("dtr", keyed=False)
            port.open()
        except (OSError, ValueError) as error:
            raise LinkError(f"control port {self.url} cannot be opened: {error}") from error
        self._port = port
        self._supervise_connection(port)

    def set_ptt(self, *, keyed: bool) -> None:
        """Move the line and wait until the port has taken it.

        On a network port the line has moved in under a millisecond, but pyserial returns 50 ms
        later: it sleeps that long before it first looks for the server's acknowledgement.

        Raises:
            LinkError: the port is gone, or does not acknowledge within 3 s.
        """
        level = self._ptt.level(self._ptt.line, keyed=keyed)
        try:
            setattr(self._opened(), self._ptt.line, level)
        except (OSError, ValueError) as error:
            raise LinkError(f"{self.url}: {self._ptt.line} cannot be set: {error}") from error

    def levels(self) -> dict[InputLine, bool] | None:
        """Return the levels of the input lines; None where none tells, or none has yet.

        Raises:
            LinkError: the port is gone.
        """
        if not self._inputs:
            return None
        try:
            port = self._opened()
            return {line: bool(getattr(port, line)) for line in self._inputs}
        except SerialException:
            # The server has not told the lines' state yet; ``check_alive`` finds a dead link.
            return None
        except OSError as error:
            raise LinkError(f"{self.url}: lines cannot be read: {error}") from error

    def close(self) -> None:
        """Close; the lines fall (HUPCL on a local port, by the server on a network port)."""
        port, self._port = self._port, None
        if port is not None:
            with contextlib.suppress(OSError):
                port.close()

    def _opened(self) -> serial.SerialBase:
        if self._port is None:
            raise LinkError(f"{self.url} is not open")
        return self._port

    def check_alive(self) -> None:
        """Find out whether the other end is still there.

        pyserial's network reader ends without a word when the connection does, and the lines
        are answered from its memory; only a read tells. What is read is noise: nobody speaks.

        Raises:
            LinkError: it is gone.
        """
        try:
            self._opened().read(256)
        except (OSError, TypeError) as error:
            raise LinkError(f"{self.url} is gone: {error}") from error

    @staticmethod
    def _supervise_connection(port: serial.SerialBase) -> None:
        # pyserial does not offer its socket; a local port has none.
        connection = getattr(port, "_socket", None)
        if isinstance(connection, socket.socket):
            for option in _KEEPALIVE:
                connection.setsockopt(*option)
