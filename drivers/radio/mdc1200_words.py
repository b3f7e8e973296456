"""MDC1200: packets to bytes, words and sound.

The format was never published by its maker; this follows what independent implementations
agree on. 1200 bit/s, phase-continuous, one cycle of 1200 Hz where a bit equals the one before
and one and a half of 1800 Hz where it differs. A preamble of alternating bits, 40 bits of
sync, then 112 bits: four bytes of message (operation, argument, unit), their CRC, a status
byte, and a rate-1/2 convolutional code's seven bytes of parity, interleaved. A double packet
has a second 112 bits for the other party.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from drivers.radio.arrays import BoolArray
from drivers.radio.heard import MdcPacket
from drivers.radio.samples import (
    SAMPLE_RATE_HZ,
    Float64Array,
    Int16Array,
    faded,
    peak_of,
    to_int16,
)

BitArray = npt.NDArray[np.uint8]

__all__ = [
    "BIT_RATE",
    "BIT_SAMPLES",
    "DOUBLE_OPS",
    "FRAME_BITS",
    "SYNC",
    "air_bytes",
    "encode",
    "packet_of",
    "parse_air",
    "parse_bits",
    "words_of",
]

BIT_RATE = 1200
BIT_SAMPLES = SAMPLE_RATE_HZ / BIT_RATE
PREAMBLE = bytes([0x55] * 7)
SYNC = bytes([0x07, 0x09, 0x2A, 0x44, 0x6F])
FRAME_BITS, _DATA_BITS = 112, 56
_WORD_BYTES = 4

# Operations whose second 112 bits carry the other party.
DOUBLE_OPS = frozenset({0x35, 0x55})
_MEANINGS: dict[tuple[int, int], str] = {
    (0x01, 0x80): "PTT ID start",
    (0x01, 0x00): "PTT ID end",
    (0x00, 0x80): "emergency",
    (0x00, 0x81): "emergency",
    (0x20, 0x00): "emergency ack",
    (0x11, 0x8A): "remote monitor",
    (0x22, 0x06): "status request",
    (0x23, 0x00): "ack",
    (0x2B, 0x00): "stun",
    (0x2B, 0x0C): "revive",
    (0x63, 0x85): "radio check",
    (0x30, 0x00): "radio check ack",
    (0x35, 0x89): "call alert",
}
_OPERATIONS = {0x46: "status", 0x47: "message"}


# ---- bytes and bits ----


def crc(message: bytes) -> int:
    """Return the check sum of the four message bytes (reflected 0x1021, inverted)."""
    value = 0
    for byte in message:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0x8408 if value & 1 else 0)
    return value ^ 0xFFFF


# Of which data bits before its own each parity bit is the sum.
_PARITY_BACK = (2, 5, 6)


def _parity_of(data: BitArray) -> BitArray:
    """Return parity bit n = data bits n, n-2, n-5 and n-6 added."""
    out = data.copy()
    for back in _PARITY_BACK:
        out[back:] ^= data[:-back]
    return out


_PLACES = np.array([16 * (n % 7) + n // 7 for n in range(FRAME_BITS)])


def air_bytes(message: bytes, status: int = 0) -> bytes:
    """Return the 14 bytes of one frame as sent, before the differential stage.

    Args:
        message: operation, argument, unit high, unit low.
        status: the byte behind the check sum.

    Raises:
        ValueError: a message that has not four bytes.
    """
    if len(message) != _WORD_BYTES:
        msg = f"an MDC1200 word has 4 bytes, not {len(message)}"
        raise ValueError(msg)
    whole = message + crc(message).to_bytes(2, "little") + bytes([status])
    data = np.unpackbits(np.frombuffer(whole, np.uint8), bitorder="little")
    air = np.zeros(FRAME_BITS, np.uint8)
    air[_PLACES] = np.concatenate([data, _parity_of(data)])
    return np.packbits(air).tobytes()


def parse_air(air: bytes) -> tuple[bytes, int, int] | None:
    """Return message, status and repaired bits of one frame of 14 bytes; None if damaged."""
    if len(air) != FRAME_BITS // 8:
        return None
    return parse_bits(np.unpackbits(np.frombuffer(air, np.uint8)))


def parse_bits(
    air_bits: BitArray, lost: BoolArray | None = None
) -> tuple[bytes, int, int] | None:
    """Return what `parse_air` returns, of 112 bits.

    Args:
        air_bits: as sent.
        lost: which of them nobody has heard; what they are says the parity.
    """
    bits = air_bits[_PLACES]
    data, parity = bits[:_DATA_BITS], bits[_DATA_BITS:]
    if lost is not None and lost.any():
        _fill_in(data, parity, lost[_PLACES])
    repaired = _repair(data, parity)
    whole = np.packbits(data, bitorder="little").tobytes()
    message = whole[:_WORD_BYTES]
    if int.from_bytes(whole[4:6], "little") != crc(message):
        return None
    return message, whole[6], repaired


def _fill_in(data: BitArray, parity: BitArray, lost: BoolArray) -> None:
    """Work out the lost bits from the parity checks in which one alone is lost.

    Of 25 bits in a row, 20 ms, the interleaving makes every seventh and its neighbour; then
    each has such a check, but for the last two, in the status.
    """
    unknown, checks = lost[:_DATA_BITS].copy(), np.flatnonzero(~lost[_DATA_BITS:]).tolist()
    solved = True
    while solved:
        solved = False
        for n in checks:
            places = [n - back for back in (0, *_PARITY_BACK) if n >= back]
            if unknown[places].sum() == 1:
                (one,) = (place for place in places if unknown[place])
                data[one] ^= parity[n] ^ (data[places].sum() & 1)
                unknown[one], solved = False, True
    parity[lost[_DATA_BITS:]] = _parity_of(data)[lost[_DATA_BITS:]]


def _repair(data: BitArray, parity: BitArray) -> int:
    """Turn over the data bits that three of their four parity checks call wrong."""
    syndrome = _parity_of(data) ^ parity
    repaired = 0
    for n in range(_DATA_BITS):
        checks = [n + ahead for ahead in (0, *_PARITY_BACK) if n + ahead < _DATA_BITS]
        if len(checks) >= 3 and int(syndrome[checks].sum()) >= 3:
            data[n] ^= 1
            syndrome[checks] ^= 1
            repaired += 1
    return repaired


# ---- words and meanings ----


def packet_of(message: bytes, status: int = 0, second: bytes | None = None) -> MdcPacket:
    """Return the fields of a word of four bytes, with its second word if there is one."""
    return MdcPacket(message[0], message[1], message[2:4].hex().upper(), status, second)


def words_of(packet: MdcPacket) -> str:
    """Return a packet as stable words, such as ``PTT ID start 1234``.

    An operation nobody has described is named by its bytes: ``op 5A arg 01 1234``.
    """
    name = _MEANINGS.get((packet.op, packet.arg))
    if name is None and packet.op in _OPERATIONS:
        name = f"{_OPERATIONS[packet.op]} {packet.arg:X}"
    if packet.op in DOUBLE_OPS and name is None:
        name = "selective call"
    if name is None:
        name = f"op {packet.op:02X} arg {packet.arg:02X}"
    if packet.op not in DOUBLE_OPS:
        return f"{name} {packet.unit}"
    caller = packet.second[2:4].hex().upper() if packet.second else "unknown"
    return f"{name} to {packet.unit} from {caller}"


def encode(
    packet: MdcPacket, *, preamble_ms: float = 0.0, level_dbfs: float = -9.0
) -> Int16Array:
    """Return one packet, or a double packet where it has a second word, as sound.

    Args:
        packet: what to send.
        preamble_ms: of alternating bits before the usual 47 ms, for slow squelches.
        level_dbfs: peak level.

    Returns:
        8 kHz mono int16 samples.

    Raises:
        ValueError: a unit that is not four hexadecimal digits.
    """
    unit = bytes.fromhex(packet.unit)
    frames = [air_bytes(bytes([packet.op, packet.arg]) + unit, packet.status)]
    if packet.second is not None:
        frames.append(air_bytes(packet.second))
    more = bytes([0x55] * round(preamble_ms * BIT_RATE / 8000.0))
    sent = more + PREAMBLE + SYNC + b"".join(frames)
    bits = np.unpackbits(np.frombuffer(sent, np.uint8))
    return faded(to_int16(_wave(bits) * peak_of(level_dbfs)), in_ms=1.0, out_ms=1.0)


def _wave(bits: BitArray) -> Float64Array:
    """Return phase-continuous tones of amplitude 1, three bits in each 20 samples."""
    differs = np.concatenate([[0], bits[1:] ^ bits[:-1]])
    turns = np.concatenate([[0.0], np.cumsum(1.0 + 0.5 * differs)])
    at = np.arange(int(len(bits) * BIT_SAMPLES)) / BIT_SAMPLES
    phase = np.interp(at, np.arange(len(turns)), turns)
    wave: Float64Array = np.sin(2.0 * np.pi * phase)
    return wave
