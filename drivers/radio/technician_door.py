"""Where a technician watches the channels of a running radio process: a Unix socket, one way.

Who connects sends a channel's id and gets a packet of JSON each 20 ms: the frame heard and how
the channel stands. He makes of it what he likes in his own process, so that watching costs the
sound next to nothing; what he does not fetch in time is left out. Nothing can be asked or
changed here.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import logging
import selectors
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from drivers.radio.jitter import LinkStatistics
from drivers.radio.samples import FRAME_SAMPLES, Int16Array
from gateway.interfaces import LinkError, SetupError, WireError

__all__ = ["WATCH_SOCKET", "Sight", "WatchDoor", "decode_sight", "encode_sight", "watch"]

_LOG: Final = logging.getLogger("gridcall.radio")

# In the site's state folder.
WATCH_SOCKET: Final = "watch.sock"
WATCHERS_MAX: Final = 4
_PACKET_BYTES_MAX: Final = 8192
_SILENT_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Sight:
    """How a channel stands in one tick of 20 ms.

    Attributes:
        at_s: Monotonic seconds.
        frame: What is heard, (160,) int16; None where no sound comes.
        squelch: Open, debounced where it comes from the radio process.
        terms: What the squelch is made of, and whether each holds now.
        ptt: ``idle``, ``lead``, ``sound``, ``hang`` or ``release``.
        fault: Why the channel does not work, or None.
        link: What the sound link has seen since it was opened.
    """

    at_s: float
    frame: Int16Array | None
    squelch: bool
    terms: Mapping[str, bool]
    ptt: str
    fault: str | None
    link: LinkStatistics


def encode_sight(sight: Sight) -> bytes:
    """Return the sight as one packet."""
    frame = sight.frame
    fields = {
        "at_s": round(sight.at_s, 4),
        "frame": None
        if frame is None
        else base64.b64encode(frame.astype("<i2").tobytes()).decode(),
        "squelch": sight.squelch,
        "terms": dict(sight.terms),
        "ptt": sight.ptt,
        "fault": sight.fault and sight.fault[:500],
        "link": dataclasses.asdict(sight.link),
    }
    return json.dumps(fields, separators=(",", ":")).encode()


def decode_sight(packet: bytes) -> Sight:
    """Return the sight in a packet.

    Raises:
        LinkError: The radio process refuses; the message says why.
        WireError: It is no sight.
    """
    try:
        fields: dict[str, Any] = json.loads(packet)
        if "refused" in fields:
            raise LinkError(str(fields["refused"]))
        frame = fields["frame"]
        samples = None if frame is None else np.frombuffer(base64.b64decode(frame), "<i2")
        if samples is not None and len(samples) != FRAME_SAMPLES:
            msg = f"a frame of {len(samples)} samples"
            raise ValueError(msg)
        return Sight(
            at_s=float(fields["at_s"]),
            frame=None if samples is None else samples.astype(np.int16),
            squelch=bool(fields["squelch"]),
            terms={str(k): bool(v) for k, v in fields["terms"].items()},
            ptt=str(fields["ptt"]),
            fault=fields["fault"],
            link=LinkStatistics(**fields["link"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"watch socket: not from a radio process of this version ({error!r})"
        raise WireError(msg) from error


class WatchDoor:
    """The radio process's side. No method waits.

    Args:
        path: Where to listen; only our own user may connect.
        selector: The loop's selector.

    Raises:
        SetupError: The path cannot be had.
    """

    def __init__(self, path: Path, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._watchers: dict[socket.socket, str | None] = {}
        self._listener = _listen(path)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def wanted(self) -> set[str]:
        """Return the channels that somebody watches."""
        return {name for name in self._watchers.values() if name is not None}

    def show(self, channel: str, sight: Sight) -> None:
        """Send a sight to whoever watches that channel."""
        packet = encode_sight(sight)
        for watcher in [w for w, name in self._watchers.items() if name == channel]:
            self._send(watcher, packet)

    def refuse_others(self, channels: Mapping[str, object]) -> None:
        """Send away who watches a channel that there is not (any more)."""
        there = ", ".join(channels)
        for watcher, name in list(self._watchers.items()):
            if name is not None and name not in channels:
                text = f"the running daemon has no radio channel {name!r}; it has: {there}"
                self._send(watcher, json.dumps({"refused": text}).encode())
                self._drop(watcher)

    def close(self) -> None:
        """Stop listening, and let everybody go."""
        for watcher in list(self._watchers):
            self._drop(watcher)
        self._selector.unregister(self._listener)
        self._listener.close()

    def _accept(self) -> None:
        try:
            watcher, _ = self._listener.accept()
        except OSError:
            return
        if len(self._watchers) >= WATCHERS_MAX:
            watcher.close()
            return
        watcher.setblocking(False)
        self._watchers[watcher] = None
        self._selector.register(watcher, selectors.EVENT_READ, lambda: self._ask(watcher))

    def _ask(self, watcher: socket.socket) -> None:
        """Take the name of the channel, or notice that he has left."""
        try:
            said = watcher.recv(256)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said or self._watchers[watcher] is not None:
            self._drop(watcher)
        else:
            self._watchers[watcher] = said.decode("utf-8", "replace")

    def _send(self, watcher: socket.socket, packet: bytes) -> None:
        try:
            watcher.send(packet)
        except BlockingIOError:
            pass  # he is slow; the next tick is as good
        except OSError:
            self._drop(watcher)

    def _drop(self, watcher: socket.socket) -> None:
        if watcher in self._watchers:
            del self._watchers[watcher]
            self._selector.unregister(watcher)
            watcher.close()


def _listen(path: Path) -> socket.socket:
    # Packets, not a stream: one is sent whole or not at all.
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        path.unlink(missing_ok=True)
        # Made unreachable first and then opened to us: nobody comes in between.
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(WATCHERS_MAX)
    except OSError as error:
        listener.close()
        msg = f"watch socket {path}: {error.strerror or error}; is the folder ours to write?"
        raise SetupError(msg) from error
    listener.setblocking(False)
    return listener


def watch(path: Path, channel: str) -> Iterator[Sight] | None:
    """Return the sights of a channel of the running radio process; None when none runs.

    The sights end by LinkError: when it stops, or refuses.
    """
    watcher = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    watcher.settimeout(_SILENT_S)
    try:
        watcher.connect(str(path))
        watcher.send(channel.encode())
    except OSError:
        watcher.close()
        return None
    return _sights(watcher)


def _sights(watcher: socket.socket) -> Iterator[Sight]:
    with watcher:
        while True:
            try:
                packet = watcher.recv(_PACKET_BYTES_MAX)
            except OSError as error:
                msg = f"the running daemon shows nothing any more ({error}); see its log"
                raise LinkError(msg) from error
            if not packet:
                raise LinkError("the radio process has stopped, or too many watch it")
            yield decode_sight(packet)
