"""RTP: packets to frames and back, a jitter buffer, and the UDP link to a base radio.

Documents: RFC 3550, "RTP: A Transport Protocol for Real-Time Applications", sections 5.1 (fixed
header) and 5.3.1 (extension); RFC 3551, "RTP Profile for Audio and Video Conferences", section
4.5.11 (L16) and table 4 (PCMU is payload type 0); ITU-T Recommendation G.711, table 2 (mu-law).
RTCP is neither sent nor read.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import numpy.typing as npt

from drivers.radio.jitter import JitterBuffer, LinkStatistics
from drivers.radio.refused import Refused, RefusedSound
from drivers.radio.samples import FRAME_SAMPLES, Int16Array
from gateway.interfaces import LinkError, SetupError, WireError

Codec = Literal["l16", "pcmu"]
PAYLOAD_TYPES: dict[Codec, int] = {"l16": 96, "pcmu": 0}

# RFC 3551 table 4: from here on numbers mean what the session says.
_DYNAMIC_MIN = 96
_HEADER = struct.Struct("!BBHII")
_VERSION = 2
# Longer datagrams would not fit any network; one frame of ours is 332 bytes.
_DATAGRAM_BYTES_MAX = 2048
# A hostile sender must not hold the tick: 64 datagrams are 1.3 s of sound.
_DATAGRAMS_PER_READ_MAX = 64


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One RTP packet (RFC 3550 section 5.1).

    Attributes:
        payload_type: 0..127.
        sequence: 0..65535.
        timestamp: 0..2**32-1, in samples.
        ssrc: 0..2**32-1, who sends.
        payload: The encoded sound.
        marker: First packet of a talk spurt.
    """

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False


def pack(packet: RtpPacket) -> bytes:
    """Return the packet as it goes on the wire."""
    second = (0x80 if packet.marker else 0) | packet.payload_type
    head = _HEADER.pack(_VERSION << 6, second, packet.sequence, packet.timestamp, packet.ssrc)
    return head + packet.payload


def parse(data: bytes) -> RtpPacket:
    """Return the packet in a datagram; sources, extension and padding are stepped over.

    Raises:
        WireError: not RTP version 2, or shorter than it claims to be.
    """
    if len(data) < _HEADER.size:
        msg = f"RTP: {len(data)} bytes is shorter than the fixed header of 12"
        raise WireError(msg)
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    if first >> 6 != _VERSION:
        msg = f"RTP: version {first >> 6}, expected 2"
        raise WireError(msg)
    begin = _HEADER.size + 4 * (first & 0x0F)
    if first & 0x10:
        begin = _after_extension(data, begin)
    end = len(data)
    if first & 0x20:
        # "The last octet of the padding contains a count", itself included.
        end -= data[-1]
        if data[-1] == 0:
            msg = "RTP: padding of length 0"
            raise WireError(msg)
    if begin > end:
        msg = f"RTP: {len(data)} bytes is shorter than its own header says"
        raise WireError(msg)
    return RtpPacket(
        second & 0x7F, sequence, timestamp, ssrc, data[begin:end], bool(second & 0x80)
    )


def _after_extension(data: bytes, begin: int) -> int:
    if len(data) < begin + 4:
        msg = "RTP: the header extension is cut off"
        raise WireError(msg)
    (words,) = struct.unpack_from("!H", data, begin + 2)
    return begin + 4 + 4 * int(words)


def _mulaw_decode_table() -> Int16Array:
    """Return 256 samples (G.711 table 2a, scaled from 14 to 16 bits)."""
    code = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = (code >> 4) & 7, (code & 0x0F).astype(np.int32)
    size = (((mantissa << 3) + 0x84) << exponent.astype(np.int32)) - 0x84
    return np.where(code & 0x80, -size, size).astype(np.int16)


def _mulaw_encode_table() -> npt.NDArray[np.uint8]:
    """Return the code of each of the 65536 samples, indexed by the sample as uint16.

    G.711 table 2a decides on 14 bits: the segment is the place of the highest bit of the
    magnitude plus 33 (here 132, on 16 bits).
    """
    value = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    # Down to 14 bits first (arithmetic shift, as G.711 software does), then back up.
    value = value >> 2 << 2
    size = np.minimum(np.abs(value), 32635) + 0x84
    exponent = np.floor(np.log2(size)).astype(np.int32) - 7
    mantissa = (size >> (exponent + 3)) & 0x0F
    sign = np.where(value < 0, 0x80, 0)
    code: npt.NDArray[np.uint8] = (~(sign | exponent << 4 | mantissa) & 0xFF).astype(np.uint8)
    return code


_MULAW_DECODE = _mulaw_decode_table()
_MULAW_ENCODE = _mulaw_encode_table()


def encode_payload(frame: Int16Array, codec: Codec) -> bytes:
    """Return the samples as a payload: L16 big-endian, or G.711 mu-law."""
    if codec == "l16":
        return frame.astype(">i2").tobytes()
    return _MULAW_ENCODE[frame.astype(np.int16).view(np.uint16)].tobytes()


def decode_payload(payload: bytes, codec: Codec) -> Int16Array:
    """Return the samples of a payload.

    Raises:
        WireError: an L16 payload of an odd number of bytes.
    """
    if codec == "pcmu":
        return _MULAW_DECODE[np.frombuffer(payload, np.uint8)]
    if len(payload) % 2:
        msg = f"RTP: L16 payload of {len(payload)} bytes, an odd number"
        raise WireError(msg)
    return np.frombuffer(payload, ">i2").astype(np.int16)


@dataclass(frozen=True, slots=True)
class RtpAddress:
    """Where a base radio's sound comes from and goes to.

    Attributes:
        host: Name or address of the radio's end.
        port: Its UDP port.
        local_port: Where we listen; 0 takes a free one.
        local_address: The address we listen at; None: loopback for a loopback host, else all.
        codec: ``l16`` or ``pcmu``.
    """

    host: str
    port: int
    local_port: int
    local_address: str | None = None
    codec: Codec = "l16"


_URL_FORM = "rtp://HOST:PORT?local_port=N&codec=l16|pcmu[&local_address=ADDRESS]"


def parse_rtp_url(url: str) -> RtpAddress:
    """Return the parts of ``rtp://HOST:PORT?local_port=N&codec=l16``.

    Raises:
        SetupError: the URL has another form; the message says which part and what is expected.
    """
    parts = urlsplit(url)
    if parts.scheme != "rtp" or parts.path not in {"", "/"} or "@" in parts.netloc:
        raise _bad_url(url, "it is not of this form")
    try:
        host, port = parts.hostname, parts.port
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True))
    except ValueError as error:
        raise _bad_url(url, str(error)) from error
    if not host or not port:
        raise _bad_url(url, "host or port is missing")
    local_port = options.pop("local_port", "")
    codec = options.pop("codec", "l16")
    local_address = options.pop("local_address", None)
    if options:
        raise _bad_url(url, f"unknown option {', '.join(sorted(options))}")
    if not (local_port.isascii() and local_port.isdigit() and int(local_port) <= 65535):
        raise _bad_url(url, "local_port must be 0 to 65535")
    if codec == "l16":
        return RtpAddress(host, port, int(local_port), local_address, "l16")
    if codec == "pcmu":
        return RtpAddress(host, port, int(local_port), local_address, "pcmu")
    raise _bad_url(url, f"codec {codec!r} is unknown")


def _bad_url(url: str, why: str) -> SetupError:
    return SetupError(f"audio {url!r}: {why}; write {_URL_FORM}")


class Reframer:
    """Packets of any length to frames of 20 ms, by their timestamps.

    Senders put into a packet what they like (ffmpeg: as much as fits). Where the parts of a
    frame come in two packets, it is whole when both have come, in any order.
    """

    _PARTS_MAX = 32

    def __init__(self) -> None:
        self._ssrc: int | None = None
        self._origin = 0
        self._latest = 0
        self._parts: dict[int, tuple[Int16Array, int]] = {}

    def frames(self, packet: RtpPacket, samples: Int16Array) -> list[tuple[int, Int16Array]]:
        """Return the frames that this packet completes: (place 0..65535, 160 samples)."""
        if packet.ssrc != self._ssrc:
            self._ssrc, self._parts = packet.ssrc, {}
            self._origin = self._latest = packet.timestamp
        # RFC 3550 section 5.1: the timestamp wraps around at 32 bits.
        step = (packet.timestamp - self._latest + 0x80000000 & 0xFFFFFFFF) - 0x80000000
        self._latest += step
        at, whole = self._latest - self._origin, []
        while len(samples):
            place, offset = divmod(at, FRAME_SAMPLES)
            part, samples = np.split(samples, [FRAME_SAMPLES - offset])
            frame = self._filled(place, offset, part)
            if frame is not None:
                whole.append((place & 0xFFFF, frame))
            at += len(part)
        return whole

    def _filled(self, place: int, offset: int, part: Int16Array) -> Int16Array | None:
        if len(part) == FRAME_SAMPLES:
            return part
        frame, count = self._parts.pop(place, (np.zeros(FRAME_SAMPLES, np.int16), 0))
        frame[offset : offset + len(part)] = part
        count += len(part)
        if count >= FRAME_SAMPLES:
            return frame
        self._parts[place] = (frame, count)
        while len(self._parts) > self._PARTS_MAX:
            del self._parts[next(iter(self._parts))]
        return None


class RtpLink:
    """The sound of one base radio over UDP. Nothing here blocks or raises while it runs.

    Args:
        url: As ``parse_rtp_url`` takes it.

    Raises:
        SetupError: the URL is wrong, or the local port cannot be had.
        LinkError: the host's name cannot be resolved now.
    """

    def __init__(self, url: str) -> None:
        self._address = parse_rtp_url(url)
        self._peer, family = _resolved(self._address)
        self._host = ipaddress.ip_address(self._peer[0])
        self._socket = _bound_socket(self._address, self._host, family)
        self._payload_type = PAYLOAD_TYPES[self._address.codec]
        self._counts = LinkStatistics()
        self._buffer = JitterBuffer(self._counts)
        # RFC 3550 section 5.1: the first sequence number and timestamp should be random.
        self._sequence, self._timestamp, self._ssrc = struct.unpack("!HII", os.urandom(10))
        self._refused = RefusedSound()
        self._reframer: Reframer | None = None
        self._begun = False

    @property
    def local_port(self) -> int:
        """The UDP port we listen on."""
        return int(self._socket.getsockname()[1])

    def send(self, frame: Int16Array) -> bool:
        """Send one 20 ms frame (160 samples); return whether the network took it."""
        packet = RtpPacket(
            self._payload_type,
            self._sequence,
            self._timestamp,
            self._ssrc,
            encode_payload(frame, self._address.codec),
            marker=not self._begun,
        )
        self._begun = True
        self._sequence = self._sequence + 1 & 0xFFFF
        self._timestamp = self._timestamp + FRAME_SAMPLES & 0xFFFFFFFF
        try:
            self._socket.sendto(pack(packet), self._peer)
        except OSError:
            # Full buffer, no route, or the other end's port closed: the next frame tries again.
            self._counts.send_failures += 1
            return False
        self._counts.sent += 1
        return True

    def pump(self) -> None:
        """Take in what has arrived. ``receive`` does it too; a selector may call it earlier."""
        for _ in range(_DATAGRAMS_PER_READ_MAX):
            try:
                data, source = self._socket.recvfrom(_DATAGRAM_BYTES_MAX)
            except BlockingIOError:
                return
            except OSError:
                # An ICMP error of an earlier send; the queue behind it is still good.
                continue
            address = source[0].partition("%")[0]
            if ipaddress.ip_address(address) != self._host:
                self._counts.foreign += 1
                self._refused.note("foreign", address)
                continue
            others_before = self._buffer.second_stream
            self._take(data, address)
            if self._buffer.second_stream > others_before:
                self._refused.note("second", address)

    def _take(self, data: bytes, address: str) -> None:
        try:
            packet = parse(data)
            if not self._is_ours(packet.payload_type):
                msg = f"RTP: payload type {packet.payload_type}, expected {self._payload_type}"
                raise WireError(msg)
            samples = decode_payload(packet.payload, self._address.codec)
            if not len(samples):
                raise WireError("RTP: a packet without sound")
        except WireError:
            self._counts.malformed += 1
            self._refused.note("malformed", address)
            return
        if len(samples) == FRAME_SAMPLES and self._reframer is None:
            self._buffer.put(packet.sequence, packet.ssrc, samples)
            return
        # Once for all: numbers of packets and of frames are not to be mixed.
        self._reframer = self._reframer or Reframer()
        self._buffer.packets_hold(-(-len(samples) // FRAME_SAMPLES))
        for place, frame in self._reframer.frames(packet, samples):
            self._buffer.put(place, packet.ssrc, frame)

    def _is_ours(self, payload_type: int) -> bool:
        """Return whether it is our codec: of L16 at 8 kHz each sender chooses the number."""
        if self._address.codec == "l16":
            return payload_type >= _DYNAMIC_MIN
        return payload_type == self._payload_type

    def receive(self) -> Int16Array | None:
        """Return the frame for this 20 ms tick; None when the other end has gone silent."""
        self.pump()
        return self._buffer.get()

    def filled(self) -> bool:
        """Return whether the frame just received stands for sound that never came."""
        return self._buffer.filled

    def delay_frames(self) -> int:
        """Return by how many frames sound is later here than on its arrival."""
        return self._buffer.delay_frames

    def holed(self) -> bool:
        """Return whether more than a frame is missing, or left out, where ``receive`` was."""
        return self._buffer.holed

    def fileno(self) -> int | None:
        """Return the socket's descriptor, for a selector."""
        return self._socket.fileno()

    def refused(self) -> tuple[Refused, ...]:
        """Return what came and was not taken since the last call, one a kind."""
        return self._refused.take()

    def statistics(self) -> LinkStatistics:
        """Return a copy of the counts."""
        return replace(self._counts)

    def close(self) -> None:
        """Close the socket; closing twice does nothing."""
        self._socket.close()


def _resolved(address: RtpAddress) -> tuple[tuple[str, int], socket.AddressFamily]:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)
    except OSError as error:
        msg = f"audio: the radio's host {address.host!r} cannot be found now ({error})"
        raise LinkError(msg) from error
    family, _, _, _, target = found[0]
    return (str(target[0]), int(target[1])), family


def _bound_socket(
    address: RtpAddress,
    host: ipaddress.IPv4Address | ipaddress.IPv6Address,
    family: socket.AddressFamily,
) -> socket.socket:
    everywhere = "::" if family == socket.AF_INET6 else "0.0.0.0"  # noqa: S104 one host is heard
    local = address.local_address or (str(host) if host.is_loopback else everywhere)
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.bind((local, address.local_port))
    except OSError as error:
        sock.close()
        msg = (
            f"audio: cannot listen on UDP {local} port {address.local_port} "
            f"({error.strerror}); is another program using it, or local_address not ours?"
        )
        raise SetupError(msg) from error
    return sock
