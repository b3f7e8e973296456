"""The base radio's end of the audio: RTP both ways, 20 ms frames, a small jitter buffer.

RFC 3550 for the packets, RFC 3551 for L16 (big-endian) and PCMU (ITU-T G.711 mu-law).
"""

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from simulators.faults import Faults
from simulators.tones import FRAME_S, FRAME_SAMPLES, Samples

Codec = Literal["l16", "pcmu"]

_HEADER: Final = struct.Struct("!BBHII")
_PAYLOAD_TYPES: Final[dict[Codec, int]] = {"l16": 96, "pcmu": 0}
_PAYLOAD_BYTES: Final[dict[Codec, int]] = {"l16": 2 * FRAME_SAMPLES, "pcmu": FRAME_SAMPLES}
_SILENCE: Final[Samples] = np.zeros(FRAME_SAMPLES, np.int16)

_TARGET_FRAMES: Final = 3
_SPARE_FRAMES: Final = 7
_RESTART_GAP: Final = 100
_CONCEALED_FRAMES: Final = 3
_REBUFFER_AFTER: Final = 5
# Long enough for the next packet to come first.
_HELD_S: Final = 1.5 * FRAME_S


def _mulaw_decode_table() -> Samples:
    """Returns the 256 values of G.711 mu-law, indexed by the byte on the wire."""
    code = ~np.arange(256) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << (code >> 4 & 0x07)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _mulaw_encode_table() -> npt.NDArray[np.uint8]:
    """Returns the mu-law byte for each int16, indexed by its bits taken as unsigned."""
    values = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    biased = np.minimum(np.abs(values), 32635) + 0x84
    exponent = np.floor(np.log2(biased)).astype(np.int32) - 7
    sign = np.where(values < 0, 0x80, 0)
    code = (exponent << 4) | (biased >> (exponent + 3) & 0x0F)
    table: npt.NDArray[np.uint8] = (~(code | sign) & 0xFF).astype(np.uint8)
    return table


_MULAW_TO_PCM: Final = _mulaw_decode_table()
_PCM_TO_MULAW: Final = _mulaw_encode_table()


def encode(frame: Samples, codec: Codec) -> bytes:
    """Returns the payload of one frame."""
    if codec == "l16":
        return frame.astype(">i2").tobytes()
    return _PCM_TO_MULAW[frame.view(np.uint16)].tobytes()


def decode(payload: bytes, codec: Codec) -> Samples:
    """Returns the samples of one payload."""
    if codec == "l16":
        return np.frombuffer(payload, ">i2").astype(np.int16)
    return _MULAW_TO_PCM[np.frombuffer(payload, np.uint8)]


@dataclass
class RtpCounts:
    """What became of the gateway's packets.

    Attributes:
        received: packets that arrived in due form.
        lost: frames that never came in time and were covered up by repeating the last one.
        late: packets that came after their turn.
        skipped: frames thrown away because too many were waiting.
        starved: 20 ms turns in which nothing at all was waiting.
        malformed: datagrams that were not a 20 ms packet of the agreed codec.
        restarts: new streams (other SSRC, or a leap in the numbering).
        worst_gap_ms: longest time between two packets.
        sent: packets sent to the gateway.
    """

    received: int = 0
    lost: int = 0
    late: int = 0
    skipped: int = 0
    starved: int = 0
    malformed: int = 0
    restarts: int = 0
    worst_gap_ms: float = 0.0
    sent: int = 0


class JitterBuffer:
    """Gives one frame a turn, in order, from packets that come unevenly."""

    def __init__(self, counts: RtpCounts) -> None:
        self._counts = counts
        self._frames: dict[int, Samples] = {}
        self._highest: int | None = None
        self._next: int | None = None
        self._last = _SILENCE
        self._missing = 0

    def restart(self) -> None:
        """Forgets the stream; the next packet begins another."""
        if self._highest is not None:
            self._counts.restarts += 1
        self._frames.clear()
        self._highest = self._next = None

    def put(self, sequence: int, frame: Samples) -> None:
        """Takes a frame.

        Args:
            sequence: the packet's 16-bit number.
            frame: 160 samples.
        """
        number = self._unwrapped(sequence)
        if self._next is not None and number < self._next:
            self._counts.late += 1
            return
        self._frames[number] = frame
        if len(self._frames) > _TARGET_FRAMES + _SPARE_FRAMES:
            self._catch_up()

    def pull(self) -> Samples:
        """Returns the 160 samples whose turn it is; a missing frame is covered up."""
        if self._next is None:
            if len(self._frames) < _TARGET_FRAMES:
                return _SILENCE
            self._next = min(self._frames)
        frame = self._frames.pop(self._next, None)
        if frame is not None:
            self._next += 1
            self._missing, self._last = 0, frame
            return frame
        return self._cover_up()

    def _cover_up(self) -> Samples:
        """Returns a stand-in for the frame whose turn it is, and passes on to the next turn.

        A frame that comes after its turn is dropped, so that tones keep their length. When none
        come for a while the stream has stopped or moved, and is waited for anew.
        """
        assert self._next is not None
        self._missing += 1
        if self._frames:
            self._counts.lost += 1
        else:
            self._counts.starved += 1
        self._next = None if self._missing >= _REBUFFER_AFTER else self._next + 1
        return self._last if self._missing <= _CONCEALED_FRAMES else _SILENCE

    def _catch_up(self) -> None:
        oldest = sorted(self._frames)[: len(self._frames) - _TARGET_FRAMES]
        for number in oldest:
            del self._frames[number]
        self._counts.skipped += len(oldest)
        self._next = min(self._frames)

    def _unwrapped(self, sequence: int) -> int:
        """Returns the number without its wrap at 65536 (RFC 3550 A.1); a leap restarts."""
        if self._highest is None:
            self._highest = sequence
            return sequence
        step = (sequence - self._highest + 0x8000) % 0x10000 - 0x8000
        if abs(step) > _RESTART_GAP:
            self.restart()
            self._highest = sequence
            return sequence
        number = self._highest + step
        self._highest = max(self._highest, number)
        return number


class FarClock:
    """A sound card whose 8000 samples a second are not quite that.

    It takes frames by true time and gives frames by its own: now and then one more, or none.
    """

    _REACH: Final = 8

    def __init__(self, ppm: float) -> None:
        """Makes the clock; `ppm` is by how many millionths it is fast."""
        self._step = 1 / (1 + ppm * 1e-6)
        self._taken = np.zeros(2 * self._REACH)
        self._place = float(self._REACH)
        self._given = np.zeros(0, np.int16)

    def push(self, frame: Samples) -> list[Samples]:
        """Returns the frames of its own that are complete with these samples."""
        self._taken = np.concatenate([self._taken, frame])
        ready = int((self._taken.size - self._REACH - self._place) / self._step)
        places = self._place + self._step * np.arange(max(0, ready), dtype=np.float64)
        self._given = np.concatenate([self._given, self._between(places)])
        self._forget(self._place + self._step * places.size)
        whole = self._given.size // FRAME_SAMPLES * FRAME_SAMPLES
        frames, self._given = self._given[:whole], self._given[whole:]
        return list(frames.reshape(-1, FRAME_SAMPLES))

    def _between(self, places: npt.NDArray[np.float64]) -> Samples:
        """Returns the sound at places between the samples, by a windowed sinc."""
        before = places.astype(int)
        reach = np.arange(1 - self._REACH, self._REACH + 1)
        distance = reach - (places - before)[:, None]
        weight = np.sinc(distance) * np.cos(np.pi / 2 * distance / (self._REACH + 1))
        sound = (self._taken[before[:, None] + reach] * weight).sum(axis=1)
        clipped: Samples = np.clip(sound, -32768, 32767).astype(np.int16)
        return clipped

    def _forget(self, place: float) -> None:
        passed = int(place) - self._REACH
        self._taken, self._place = self._taken[passed:], place - passed


class RtpEndpoint:
    """A UDP port that takes the gateway's frames and sends it ours.

    Attributes:
        port: the UDP port on 127.0.0.1 once open.
        peer: where our frames go; None sends nothing.
        counts: what became of the packets.
    """

    def __init__(
        self,
        codec: Codec,
        *,
        port: int = 0,
        peer: tuple[str, int] | None = None,
        faults: Faults | None = None,
        clock_ppm: float = 0.0,
    ) -> None:
        """Makes the endpoint; no socket is open yet.

        Args:
            codec: `l16` or `pcmu`, both ways.
            port: UDP port; 0 takes a free one.
            peer: host and port of the gateway's end.
            faults: what the way does to packets; `rtp_loss` is the caller's, by `skip`.
            clock_ppm: by how many millionths its sound card is fast, both ways.
        """
        self.port = port
        self.peer = peer
        self.counts = RtpCounts()
        self._codec: Codec = codec
        self._faults = faults or Faults(seed=0)
        self._clock_out = FarClock(clock_ppm) if clock_ppm else None
        self._clock_in = FarClock(-clock_ppm) if clock_ppm else None
        self._pulled: deque[Samples] = deque()
        self._buffer = JitterBuffer(self.counts)
        self._socket: socket.socket | None = None
        self._sequence = self._time = 0
        self._ssrc = 0x52414449
        self._peer_ssrc: int | None = None
        self._arrived_s: float | None = None

    def open(self) -> None:
        """Opens the socket and takes packets from now on.

        Raises:
            OSError: the port is taken.
        """
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(("127.0.0.1", self.port))
        self.port = self._socket.getsockname()[1]
        asyncio.get_running_loop().add_reader(self._socket, self._drain)

    def close(self) -> None:
        """Closes the socket."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def send(self, frame: Samples) -> None:
        """Sends 20 ms to the gateway, if it is known where that is."""
        frames = [frame] if self._clock_out is None else self._clock_out.push(frame)
        for own in frames:
            self._send_own(own)

    def _send_own(self, frame: Samples) -> None:
        if self._socket is not None and self.peer is not None:
            kind = _PAYLOAD_TYPES[self._codec]
            header = _HEADER.pack(0x80, kind, self._sequence, self._time, self._ssrc)
            self._travel(header + encode(frame, self._codec), "", self._put_on_wire)
            self.counts.sent += 1
        self.skip()

    def _put_on_wire(self, packet: bytes) -> None:
        if self._socket is not None and self.peer is not None:
            # A full socket buffer loses a frame, as a full network would.
            with contextlib.suppress(BlockingIOError):
                self._socket.sendto(packet, self.peer)

    def _travel(self, packet: bytes, way: str, arrive: Callable[[bytes], None]) -> None:
        """Has a packet arrive: at once, late, out of order or twice, as the faults have it."""
        faults = self._faults
        late_s = faults.jitter_s()
        if faults.draw(f"rtp_swapped{way}"):
            late_s += _HELD_S
        for _ in range(1 + faults.draw(f"rtp_doubled{way}")):
            if late_s:
                asyncio.get_running_loop().call_later(late_s, arrive, packet)
            else:
                arrive(packet)

    def skip(self) -> None:
        """Lets 20 ms pass as if a frame had been sent and lost on the way."""
        self._sequence = (self._sequence + 1) % 0x10000
        self._time = (self._time + FRAME_SAMPLES) % 0x1_0000_0000

    def pull(self) -> Samples:
        """Returns the next 160 samples from the gateway; call it every 20 ms."""
        if self._clock_in is None:
            return self._buffer.pull()
        while not self._pulled:
            self._pulled.extend(self._clock_in.push(self._buffer.pull()))
        return self._pulled.popleft()

    def _drain(self) -> None:
        assert self._socket is not None
        while True:
            try:
                packet = self._socket.recv(2048)
            except BlockingIOError:
                return
            self._travel(packet, "_in", self._take)

    def _take(self, packet: bytes) -> None:
        header = _parse(packet, self._codec)
        if header is None:
            self.counts.malformed += 1
            return
        if self._faults.draw("rtp_loss_in"):
            return
        sequence, ssrc, payload = header
        self._time_arrival()
        if ssrc != self._peer_ssrc:
            self._buffer.restart()
            self._peer_ssrc = ssrc
        self.counts.received += 1
        self._buffer.put(sequence, decode(payload, self._codec))

    def _time_arrival(self) -> None:
        now_s = asyncio.get_running_loop().time()
        if self._arrived_s is not None:
            gap_ms = round(1000 * (now_s - self._arrived_s), 3)
            self.counts.worst_gap_ms = max(self.counts.worst_gap_ms, gap_ms)
        self._arrived_s = now_s


def _parse(packet: bytes, codec: Codec) -> tuple[int, int, bytes] | None:
    """Returns (sequence, ssrc, payload); None for what is not 20 ms of the codec."""
    if len(packet) < _HEADER.size:
        return None
    flags, kind, sequence, _, ssrc = _HEADER.unpack_from(packet)
    payload = packet[_HEADER.size + 4 * (flags & 0x0F) :]
    plain_version_2 = flags & 0xF0 == 0x80
    if not plain_version_2 or kind & 0x7F != _PAYLOAD_TYPES[codec]:
        return None
    return (sequence, ssrc, payload) if len(payload) == _PAYLOAD_BYTES[codec] else None
