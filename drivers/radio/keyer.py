"""The keyer: one small process per port, which alone can hold a transmitter keyed.

``python -m drivers.radio.keyer '{"url": ..., "ptt": ..., "lines": ["cts"], "lease_ms": 350,
"time_out_s": 60}'``

It opens the port with the transmitter unkeyed and keeps it open. The transmitter is keyed only
while the radio process renews a lease, never longer than the time-out, and not a moment after
the radio process has gone: so neither a crash, nor a hang, nor a fault of the sound leaves a
carrier on the air. After a time-out it stays unkeyed until it is told to unkey.

In (stdin), one byte each: ``K`` key, or renew the lease; ``U`` unkey. End of file: unkey and
leave.

Out (stdout), one line each, ``<CLOCK_MONOTONIC> <word> [detail]``:

    ready                     the port is open, the transmitter unkeyed
    keyed cmd                 the line has moved
    unkeyed cmd|lease|tot|eof|fault
    lines cts=1 dsr=0         the receiver's lines, once they are known and at each change
    fault <text>              the port cannot be used; it is tried again by itself
    beat                      each 100 ms, whatever the port does
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import signal
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any, Final, Literal

from drivers.radio.control_lines import ControlPort, parse_ptt
from drivers.radio.squelch import InputLine
from gateway.interfaces import LinkError

KEY: Final = b"K"
UNKEY: Final = b"U"
BEAT_S: Final = 0.1
_POLL_S: Final = 0.02
# Reading a dead connection costs more than looking at lines that are in memory.
_ALIVE_EVERY_LOOKS: Final = 5
_REOPEN_S: Final = (0.25, 0.5, 1.0, 2.0)
# A line that has not moved this long after it was told to belongs to a port that hangs: leaving
# closes it, and the lines fall. An acknowledged network port takes 50 ms.
_HUNG_S: Final = 0.3
_PRIORITY: Final = 20

Reason = Literal["cmd", "lease", "tot", "eof", "fault"]


@dataclass(slots=True)
class Lease:
    """When the transmitter may be keyed. Pure: every call brings the moment.

    Attributes:
        lease_s: How long one renewal holds.
        time_out_s: The longest transmission.
        keyed: Whether it may be keyed now.
        locked: A time-out has struck, and no unkey has come since.
    """

    lease_s: float
    time_out_s: float
    keyed: bool = False
    locked: bool = False
    _until_s: float = 0.0
    _since_s: float = 0.0

    def renew(self, now_s: float) -> bool:
        """Key, or go on being keyed; return whether it is keyed now."""
        if self.locked:
            return False
        if not self.keyed:
            self.keyed, self._since_s = True, now_s
        self._until_s = now_s + self.lease_s
        return True

    def release(self) -> None:
        """Unkey; lift the lock of a time-out."""
        self.keyed = self.locked = False

    def expire(self, now_s: float) -> Literal["lease", "tot"] | None:
        """Unkey when lease or time-out is over, and return which it was."""
        if not self.keyed or now_s < self.deadline_s():
            return None
        self.keyed = False
        if now_s >= self._since_s + self.time_out_s:
            self.locked = True
            return "tot"
        return "lease"

    def deadline_s(self) -> float:
        """Return when ``expire`` will strike; infinity while unkeyed."""
        if not self.keyed:
            return float("inf")
        return min(self._until_s, self._since_s + self.time_out_s)


def say(word: str, detail: str = "", at_s: float | None = None) -> None:
    """Write one line to the radio process; dropped when it has stopped reading."""
    stamp = time.monotonic() if at_s is None else at_s
    text = " ".join(f"{stamp:.6f} {word} {detail}".split())
    # Both threads write; a line below PIPE_BUF is written whole or not at all.
    with contextlib.suppress(BlockingIOError, BrokenPipeError):
        os.write(1, text.encode()[:500] + b"\n")


class Hand(threading.Thread):
    """The thread that touches the port: opens it, moves the line, reads the receiver's lines.

    A line that is told to fall falls before it rises again, however soon that is asked for:
    every transmission begins with an edge.

    Attributes:
        usable: The port is open.
        line_keyed: The line stands at keyed, or is on its way there.
    """

    def __init__(self, port: ControlPort) -> None:
        super().__init__(name="port", daemon=True)
        self.usable = False
        self.line_keyed = False
        self._port = port
        self._changed = threading.Condition()
        self._wanted = False
        self._fall: Reason | None = None
        self._fall_told_s = float("inf")
        self._levels: dict[InputLine, bool] | None = None

    def want(self, keyed: bool, reason: Reason) -> None:
        """Have the line moved; returns at once."""
        with self._changed:
            if self._wanted == keyed:
                return
            self._wanted = keyed
            if keyed:
                self.line_keyed = True
            elif self._fall is None:
                self._fall, self._fall_told_s = reason, time.monotonic()
            self._changed.notify()

    def hangs(self, now_s: float) -> bool:
        """Return whether the line ought to be down by now, and is not."""
        return now_s - self._fall_told_s > _HUNG_S

    def run(self) -> None:
        """Serve the port for ever."""
        failures = 0
        while True:
            try:
                self._port.open()
                failures = 0
                self.usable = True
                say("ready")
                self._serve()
            except LinkError as error:
                self._lose(str(error))
                self._pause(_REOPEN_S[min(failures, len(_REOPEN_S) - 1)])
                failures += 1

    def _serve(self) -> None:
        """Move the line when asked, look at the lines every 20 ms; ends by LinkError."""
        is_keyed = False
        for look in itertools.count():
            with self._changed:
                if self._fall is None and self._wanted == is_keyed:
                    self._changed.wait(_POLL_S)
                wanted, fall = self._wanted, self._fall
            if fall is not None:
                self._drop(fall, is_keyed=is_keyed)
                is_keyed = False
            elif wanted and not is_keyed:
                self._raise()
                is_keyed = True
            if look % _ALIVE_EVERY_LOOKS == 0:
                self._port.check_alive()
            self._look()

    def _raise(self) -> None:
        at_s = time.monotonic()
        self._port.set_ptt(keyed=True)
        say("keyed", "cmd", at_s)

    def _drop(self, reason: Reason, *, is_keyed: bool) -> None:
        at_s = time.monotonic()
        if is_keyed:
            self._port.set_ptt(keyed=False)
        with self._changed:
            self._fall, self._fall_told_s = None, float("inf")
            self.line_keyed = self._wanted
        if is_keyed:
            say("unkeyed", reason, at_s)

    def _look(self) -> None:
        levels = self._port.levels()
        if levels is not None and levels != self._levels:
            self._levels = levels
            say("lines", " ".join(f"{line}={level:d}" for line, level in levels.items()))

    def _lose(self, why: str) -> None:
        """Forget everything about a port that is gone: it comes back unkeyed."""
        was_keyed, self.line_keyed = self.line_keyed, False
        self.usable, self._levels = False, None
        with self._changed:
            self._wanted, self._fall, self._fall_told_s = False, None, float("inf")
        if was_keyed:
            say("unkeyed", "fault")
        say("fault", why)
        self._port.close()

    def _pause(self, pause_s: float) -> None:
        until_s = time.monotonic() + pause_s
        while (left_s := until_s - time.monotonic()) > 0:
            time.sleep(left_s)


class Keyer:
    """The process's main thread: commands, lease, heartbeat. It never touches the port."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._lease = Lease(config["lease_ms"] / 1000.0, float(config["time_out_s"]))
        self._hand = Hand(
            ControlPort(
                config["url"],
                parse_ptt(config["ptt"], invert=config.get("invert_ptt", False)),
                tuple(config["lines"]),
            )
        )
        self._wake_in, self._wake_out = os.pipe()
        self._beat_s = 0.0

    def run(self) -> None:
        """Serve until stdin ends or SIGTERM comes; the transmitter is unkeyed on return."""
        os.set_blocking(1, False)
        signal.signal(signal.SIGTERM, self._on_term)
        # Ctrl-C goes to the whole group; the radio process decides what it means.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._hand.start()
        reason: Reason | None = None
        while reason is None:
            reason = self._serve_once()
        self._lease.release()
        self._hand.want(False, reason)
        self._wait_unkeyed()

    def _on_term(self, *_: object) -> None:
        os.write(self._wake_out, b"x")

    def _serve_once(self) -> Reason | None:
        """Wait for what comes next; return why to leave, if that is what came."""
        now_s = time.monotonic()
        wait_s = max(0.0, min(self._beat_s + BEAT_S, self._lease.deadline_s()) - now_s)
        readable, _, _ = select.select([0, self._wake_in], [], [], wait_s)
        if self._wake_in in readable:
            return "cmd"
        # Expiry before commands: a renewal that comes too late is a new keying.
        self._watch(time.monotonic())
        if 0 in readable:
            commands = os.read(0, 4096)
            if not commands:
                return "eof"
            for command in commands:
                self._obey(bytes([command]), time.monotonic())
        return None

    def _obey(self, command: bytes, now_s: float) -> None:
        if command == UNKEY:
            self._lease.release()
            self._hand.want(False, "cmd")
        elif command == KEY and self._hand.usable and self._lease.renew(now_s):
            self._hand.want(True, "cmd")

    def _watch(self, now_s: float) -> None:
        if self._lease.keyed and not self._hand.line_keyed:
            self._lease.release()  # the port was lost
        if (reason := self._lease.expire(now_s)) is not None:
            self._hand.want(False, reason)
        if self._hand.hangs(now_s):
            say("fault", "the port does not obey; closing it")
            os._exit(1)
        if now_s - self._beat_s >= BEAT_S:
            self._beat_s = now_s
            say("beat")

    def _wait_unkeyed(self) -> None:
        until_s = time.monotonic() + _HUNG_S
        while self._hand.line_keyed and time.monotonic() < until_s:
            time.sleep(0.005)


def _ask_for_priority() -> None:
    """Ask for round-robin scheduling: a lease must expire in time on a loaded machine too."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(_PRIORITY))


def main() -> None:
    """Run the keyer of the configuration given as the only argument."""
    _ask_for_priority()
    Keyer(json.loads(sys.argv[1])).run()
    # Not through the interpreter's exit: a port that hangs must not hold it up.
    os._exit(0)


if __name__ == "__main__":
    main()
