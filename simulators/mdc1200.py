"""MDC1200 as a radio sends it, and a plain receiver of it that corrects nothing.

Written apart from the gateway's own. The receiver believes a packet when its check sum is right
as it came; the redundancy is left unused, so that it is the yardstick for one that uses it.

Source: signalling facts, section 6 (vectors recomputed from three public implementations).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from simulators.tones import RATE_HZ, Samples, silence

Bits = npt.NDArray[np.uint8]
Wave = npt.NDArray[np.float64]

BIT_HZ: Final = 1200
PREAMBLE: Final = bytes([0x55] * 7)
SYNC: Final = bytes([0x07, 0x09, 0x2A, 0x44, 0x6F])
SYNC_ERRORS: Final = 5
_WORD_BITS: Final = 112
_SYNC_BITS: Final = 40
_DOUBLE_OPS: Final = (0x35, 0x55)
_INTERLEAVED: Final = np.array([16 * (n % 7) + n // 7 for n in range(_WORD_BITS)])
_CRC_POLYNOMIAL: Final = 0x8408
_LIKENESS: Final = 0.4
_CYCLE_SAMPLES: Final = RATE_HZ // BIT_HZ
_FINE_STEPS: Final = (-0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Packet:
    """One packet; of a double packet the second word stands in `more`.

    Attributes:
        op: what it is; 0x01 PTT ID, 0x00 emergency, 0x46 status.
        arg: its argument; 0x80 begins an over, 0x00 ends one; the status.
        unit: who, or for whom, 0x0001-0xDEEE.
        more: (op, arg, unit) of the second word.
    """

    op: int
    arg: int
    unit: int
    more: tuple[int, int, int] | None = None

    def __str__(self) -> str:
        return f"{self.op:02X}/{self.arg:02X} {self.unit:04X}"


@dataclass(frozen=True)
class PacketHeard:
    """A packet, where its sync word began, and whether the polarity was turned over."""

    at_s: float
    packet: Packet
    inverted: bool


def ptt_id(unit: int, *, end: bool = False) -> Packet:
    """Returns what a radio sends by itself at the start (or end) of an over."""
    return Packet(0x01, 0x00 if end else 0x80, unit)


def emergency(unit: int) -> Packet:
    """Returns what the emergency key sends."""
    return Packet(0x00, 0x80, unit)


def status(unit: int, number: int) -> Packet:
    """Returns a status; `number` is 0-255."""
    return Packet(0x46, number, unit)


def crc(data: bytes) -> int:
    """Returns the check sum of the first four bytes: 0x1021 reflected, output inverted."""
    register = 0
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (_CRC_POLYNOMIAL if register & 1 else 0)
    return register ^ 0xFFFF


def word(op: int, arg: int, unit: int) -> bytes:
    """Returns the 14 bytes of one word as they go on the air, before the differential stage."""
    head = bytes([op, arg, unit >> 8, unit & 0xFF])
    data = head + crc(head).to_bytes(2, "little") + b"\0"
    plain = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    padded = np.concatenate([np.zeros(6, np.uint8), plain])
    parity = padded[6:] ^ padded[4:-2] ^ padded[1:-5] ^ padded[:-6]
    air = np.zeros(_WORD_BITS, np.uint8)
    air[_INTERLEAVED] = np.concatenate([plain, parity])
    return np.packbits(air).tobytes()


def encode(packet: Packet, *, level_dbfs: float = -10.0, preamble: int = 1) -> Samples:
    """Returns the packet as sound: phase-continuous 1200 and 1800 Hz, 1200 bit/s.

    Args:
        packet: one word, or two with `more`.
        level_dbfs: of the sine.
        preamble: how many times the 7 bytes of preamble are sent.
    """
    data = PREAMBLE * preamble + SYNC + word(packet.op, packet.arg, packet.unit)
    if packet.more is not None:
        data += word(*packet.more)
    wave = _wave(np.unpackbits(np.frombuffer(data, np.uint8)), 0)
    sound = (wave * 32767 * 10 ** (level_dbfs / 20)).astype(np.int16)
    return np.concatenate([sound, silence(20)])


def _wave(bits: Bits, before: int) -> Wave:
    """Returns the bits as a wave of ±1: a whole cycle for a bit like the one before, else 1.5.

    A bit therefore begins and ends at a zero, and its value is the sign there.
    """
    former = np.concatenate([np.array([before], np.uint8), bits[:-1]])
    halves = np.where(bits == former, 2, 3)
    position = np.arange(int(len(bits) * RATE_HZ / BIT_HZ)) * BIT_HZ / RATE_HZ
    number = np.minimum(position.astype(int), len(bits) - 1)
    sign = 1 - 2.0 * former[number]
    wave: Wave = sign * np.sin(np.pi * halves[number] * (position - number))
    return wave


# --- the receiver --------------------------------------------------------------------------

_SYNC_PLAIN: Final = np.unpackbits(np.frombuffer(SYNC, np.uint8))
_SYNC_WAVE: Final = _wave(_SYNC_PLAIN, 1)


def decode(samples: Samples) -> list[PacketHeard]:
    """Returns every packet whose check sum is right as it came, in order.

    Args:
        samples: int16, 8000 a second, any length.
    """
    heard: list[PacketHeard] = []
    wave = samples.astype(np.float64)
    for start in _sync_places(wave):
        if heard and start / RATE_HZ < heard[-1].at_s + 0.1:
            continue
        found = next(filter(None, (_read(wave, start + fine) for fine in _FINE_STEPS)), None)
        if found is not None:
            packet, inverted = found
            heard.append(PacketHeard(round(start / RATE_HZ, 4), packet, inverted))
    return heard


def _sync_places(wave: Wave) -> list[int]:
    """Returns the samples at which something like the sync word begins, in either polarity."""
    size = len(_SYNC_WAVE)
    if wave.size < size + _WORD_BITS * RATE_HZ // BIT_HZ:
        return []
    likeness = _correlated(wave, _SYNC_WAVE)
    energy = np.cumsum(np.concatenate([[0.0], wave**2]))
    scale = np.sqrt((energy[size:] - energy[:-size]) * np.sum(_SYNC_WAVE**2))
    likeness = np.abs(likeness) / np.maximum(scale, 1.0)
    # Half a cycle beside the place stands the same word upside down, only less like it.
    around = np.lib.stride_tricks.sliding_window_view(
        np.pad(likeness, _CYCLE_SAMPLES), 2 * _CYCLE_SAMPLES + 1
    ).max(axis=1)
    return [int(n) for n in np.flatnonzero((likeness == around) & (likeness > _LIKENESS))]


def _correlated(wave: Wave, template: Wave) -> Wave:
    count = wave.size - template.size + 1
    length = 1 << (wave.size - 1).bit_length()
    product = np.fft.rfft(wave, length) * np.conj(np.fft.rfft(template, length))
    return np.fft.irfft(product, length)[:count]


def _read(wave: Wave, start: float) -> tuple[Packet, bool] | None:
    """Returns the packet whose sync word begins at `start`, with its polarity; None if none."""
    bits = _bits(wave, start, _SYNC_BITS + _WORD_BITS)
    errors = int(np.count_nonzero(bits[:_SYNC_BITS] != _SYNC_PLAIN))
    inverted = errors > _SYNC_BITS // 2
    if min(errors, _SYNC_BITS - errors) > SYNC_ERRORS:
        return None
    first = _word(bits[_SYNC_BITS:] ^ inverted)
    if first is None or first[0] not in _DOUBLE_OPS:
        return (Packet(*first), inverted) if first else None
    rest = _bits(wave, start, _SYNC_BITS + 2 * _WORD_BITS)
    more = _word(rest[_SYNC_BITS + _WORD_BITS :] ^ inverted)
    return Packet(*first, more=more), inverted


def _bits(wave: Wave, start: float, count: int) -> Bits:
    """Returns each bit by the sign of the wave around its end.

    What comes before the end of a bit is `sin 2x - sin 3x` of its sign, what comes after is
    `sin 2x + sin 3x`; the two are orthogonal, so that neighbours do not disturb.
    """
    first = max(0, int(np.ceil(start)))
    after = int(np.floor(start + (count + 1) * RATE_HZ / BIT_HZ))
    part = wave[first : min(after, wave.size)]
    position = (np.arange(first, first + part.size) - start) * BIT_HZ / RATE_HZ
    number = position.astype(int)
    phase = np.pi * (position - number)
    cycle, more = part * np.sin(2 * phase), part * np.sin(3 * phase)
    ending = np.bincount(number, cycle - more, count + 1)
    beginning = np.bincount(number, cycle + more, count + 1)
    return (ending[:count] + beginning[1 : count + 1] < 0).astype(np.uint8)


def _word(bits: Bits) -> tuple[int, int, int] | None:
    """Returns (op, arg, unit) of 112 bits when the check sum is right."""
    data = np.packbits(bits[_INTERLEAVED][:56], bitorder="little").tobytes()
    if crc(data[:4]) != int.from_bytes(data[4:6], "little"):
        return None
    return data[0], data[1], data[2] << 8 | data[3]
