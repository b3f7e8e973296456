"""MDC1200: samples to packets. The format stands in `mdc1200_words`.

How the decoder works. 1200 and 1800 Hz are half a bit rate apart, so the signal is minimum
shift keying about 1500 Hz, and at each bit's end its phase is the bit itself. One complex
filter, two bits long, reads it as well as the theory allows; the 40 bits of sync then give
the unknown phase of the audio path, inverted or not (the tones are the same).

The bank filters every channel once a bit, four frames at a time, and where the filter gets so
much of the power that it may be a packet, compares with the sync, twice a bit. Where that is
found, the packet is read on the samples themselves, with the timing searched to an eighth of a
bit and the phase followed. Bits in sound that never came are worked out from the parity.
Majority logic corrects bits that three of four parity checks call wrong, and the CRC decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivers.radio.arrays import BoolArray, Complex128Array, Float32Array, IntArray
from drivers.radio.heard import Heard, MdcPacket
from drivers.radio.mdc1200_words import (
    BIT_RATE,
    BIT_SAMPLES,
    DOUBLE_OPS,
    FRAME_BITS,
    SYNC,
    packet_of,
    parse_bits,
    words_of,
)
from drivers.radio.samples import (
    FRAME_SAMPLES,
    SAMPLE_RATE_HZ,
    Float64Array,
    Int16Array,
    one_by_one,
)

__all__ = ["MdcBank"]

_CENTRE_HZ = 1500.0
SYNC_BITS = 40
# A pulse reaches one bit to either side: 15 samples hold it at any place between samples.
_REACH = 7
_HALF_FRAME, _HALF_BITS = 80, 12
_PHASES = 2
_EARLIER = 2 * _REACH + 1
_WINDOW = _HALF_FRAME + _EARLIER
_NEW_BITS = FRAME_SAMPLES // _HALF_FRAME * _HALF_BITS
_OLD_BITS = SYNC_BITS - 1
# Frames looked at together: the same work in a quarter of the calls. After its sync a packet
# goes on for longer than these. Where more frames are there already, as many as there are.
_FRAMES_LOOKED_AT = 4
FRAMES_AT_ONCE_MAX = 12
# Frames that hold the old bits, and what the filter needs before them.
_SEEN_FRAMES = 3
# Of what the filter gives at 40 bits, the part that the sync explains: 0.8 clean, 0.5 at +3 dB
# and a quarter bit late; chance reaches 0.4 once in 1e9.
_SYNC_PART_MIN = 0.40
# A packet gives the filter 2.4 times its power, at +3 dB 1.9, at 0 dB 1.6; noise of the voice
# band 0.9, and what speech has at 1500 Hz is less.
_OWN_POWER_MIN = 1.25
# -50 dBFS, in the filter's units, over two frames.
_POWER_MIN = 2.0 * 32768.0**2 * 10.0 ** (-50.0 / 10.0)

_SYNC_SIGNS = 1.0 - 2.0 * np.unpackbits(np.frombuffer(SYNC, np.uint8)).astype(np.float64)

# The filter's reach and half a bit of search.
_MARGIN = _REACH + 5
_SEARCH_BITS = np.arange(-5, 6) / 8.0
_BLOCK_BITS = 8
# Beyond these the filter has a tenth of a bit.
_BIT_EDGES = np.array([-0.5, 0.5]) * BIT_SAMPLES
# Of the power at the bits, the part that lies in the bit's own phase: 0.8 clean, 0.6 at +3 dB,
# 0.3 in what is no packet.
_OWN_PHASE_MIN = 0.45


def _pulse(u: Float64Array) -> Complex128Array:
    """Return the matched filter at ``u`` samples from the end of a bit, for amplitude 1."""
    shape = np.where(np.abs(u) < BIT_SAMPLES, np.cos(np.pi * u / (2.0 * BIT_SAMPLES)), 0.0)
    turns = np.exp(-2j * np.pi * _CENTRE_HZ * u / SAMPLE_RATE_HZ)
    filter_: Complex128Array = shape * turns * (2.0 / BIT_SAMPLES)
    return filter_


def _filters() -> Float32Array:
    """Return (95, 48): from the samples of a half frame to 12 bits in 2 phases, re and im.

    Each bit's filter has its carrier's phase from the bit's own end, so that the bits of one
    packet all have one phase, whatever it is.
    """
    n = np.arange(_WINDOW)[:, None, None]
    bits = np.arange(_HALF_BITS) + np.arange(_PHASES)[:, None] / _PHASES
    place = _REACH + bits * BIT_SAMPLES
    values = _pulse((n - place).astype(np.float64))
    # Columns: re and im, phase, bit.
    bank = np.stack([values.real, values.imag], axis=1).reshape(_WINDOW, -1)
    return bank.astype(np.float32)


def _sums_of(pattern: Float64Array) -> Float32Array:
    """Return (63, 24): from 39 old and 24 new bits to the sums over 40 that end at each new."""
    out = np.zeros((_OLD_BITS + _NEW_BITS, _NEW_BITS), np.float32)
    for k in range(_NEW_BITS):
        out[k : k + SYNC_BITS, k] = pattern
    return out


def _windows(sound: Float32Array, length: int, hop: int) -> Float32Array:
    """Return a view (n, windows, length) of frames and what the filter needs before them.

    ``sound`` is (n, samples), the frames and a whole one before them, contiguous.
    """
    first = FRAME_SAMPLES - _EARLIER
    count = (sound.shape[1] - first - length) // hop + 1
    row, step = sound.strides
    return np.ndarray(
        (len(sound), count, length), np.float32, sound, first * step, (row, hop * step, step)
    )


@dataclass(slots=True)
class _Candidate:
    """A place where the sync was found: the sample at which its last bit ends."""

    sample: float
    part: float
    words: int = 1


class MdcBank:
    """Streaming decoder of MDC1200 packets for ``n_channels`` channels at once."""

    # A double packet, and what comes in meanwhile.
    _KEPT_FRAMES = 16 + 2 * FRAMES_AT_ONCE_MAX
    _CANDIDATES_MAX = 4

    def __init__(self, n_channels: int) -> None:
        self._filters = _filters()
        # One look a bit is enough to see how much of the power a packet could be.
        columns = self._filters.reshape(_WINDOW, 2, _PHASES, _HALF_BITS)[:, :, 0]
        self._first_phase = np.ascontiguousarray(columns.reshape(_WINDOW, -1))
        self._sync = _sums_of(_SYNC_SIGNS)
        self._ones = _sums_of(np.ones(SYNC_BITS))
        self._kept = np.zeros((self._KEPT_FRAMES, n_channels, FRAME_SAMPLES), np.int16)
        self._filled = np.zeros((self._KEPT_FRAMES, n_channels), np.bool_)
        # Of the last frame looked at: power that the filters gave, and power in all.
        self._power = np.zeros((2, n_channels), np.float32)
        self._candidates: list[list[_Candidate]] = [[] for _ in range(n_channels)]
        self._busy: set[int] = set()
        self._frame = 0
        self._listening = np.zeros(n_channels, np.bool_)
        self._listened = np.zeros(n_channels, np.bool_)  # in the frames that wait
        self._waiting = 0

    def step(
        self, frames: Int16Array, listening: BoolArray, missing: IntArray | None = None
    ) -> list[Heard]:
        """Take the next 20 ms of every channel, or some more, and return packets that ended.

        A packet is returned at most 40 ms after its last bit, or in the step in which
        ``listening`` becomes False. ``start_sample`` and ``duration_ms`` count from the first
        bit of the sync.

        Args:
            frames: (n_channels, 160) int16; up to `FRAMES_AT_ONCE_MAX` times 160, which costs
                less than one by one.
            listening: (n_channels,) bool; frames of other channels are not looked at.
            missing: (n_channels,), more than 0 where the sound was invented for sound that
                never came.
        """
        cut = self._listening & ~listening
        every = one_by_one(frames)
        room = 1 if cut.any() else FRAMES_AT_ONCE_MAX
        if len(every) > room:
            end = FRAME_SAMPLES * room
            parts = frames[:, :end], frames[:, end:]
            return [heard for part in parts for heard in self.step(part, listening, missing)]
        self._frame += len(every) - 1
        for back, frame in enumerate(reversed(every)):
            slot = (self._frame - back) % self._KEPT_FRAMES
            self._kept[slot] = frame
            self._filled[slot] = False if missing is None else missing > 0
            if not listening.all():
                self._kept[slot, ~listening] = 0
        self._listened |= listening | cut
        self._waiting += len(every)
        if self._waiting >= _FRAMES_LOOKED_AT or cut.any():
            if self._listened.any():
                self._look(np.flatnonzero(self._listened), self._waiting)
            else:
                self._power[:] = 0.0
            self._listened[:] = False
            self._waiting = 0
        found: list[Heard] = []
        for channel in sorted(self._busy):
            found += self._read(channel, at_once=bool(cut[channel]))
        self._frame += 1
        self._listening = listening.copy()
        return found

    def rearranged(self, sources: Sequence[int | None]) -> MdcBank:
        """Return a bank for other channels that goes on where this one is.

        Args:
            sources: for each channel of the new bank its index in this one, None for a new
                channel. Packets under way on channels that stay are not lost.
        """
        bank = MdcBank(len(sources))
        bank._frame, bank._waiting = self._frame, self._waiting
        for to, source in enumerate(sources):
            if source is None:
                continue
            bank._kept[:, to] = self._kept[:, source]
            bank._filled[:, to] = self._filled[:, source]
            bank._listening[to] = self._listening[source]
            bank._listened[to] = self._listened[source]
            bank._power[:, to] = self._power[:, source]
            bank._candidates[to] = self._candidates[source]
            if source in self._busy:
                bank._busy.add(to)
        return bank

    def _look(self, rows: npt.NDArray[np.intp], n_frames: int) -> None:
        """Filter the frames that wait; compare with the sync where it may be a packet."""
        x = self._sound(rows, n_frames + 1)
        given = _windows(x, _WINDOW, _HALF_FRAME).reshape(-1, _WINDOW) @ self._first_phase
        given = given.reshape(len(rows), n_frames, -1)
        power = np.zeros((n_frames + 1, 2, self._power.shape[1]), np.float32)
        power[0] = self._power
        power[1:, 0, rows] = np.einsum("ifk,ifk->fi", given, given) / _NEW_BITS
        heard = _windows(x, FRAME_SAMPLES + _EARLIER, FRAME_SAMPLES)
        power[1:, 1, rows] = np.einsum("ifk,ifk->fi", heard, heard) / heard.shape[2]
        self._power = power[-1]
        own, whole = (power[:-1] + power[1:]).transpose(1, 0, 2)
        likely = own > _OWN_POWER_MIN * whole + _POWER_MIN
        some = np.flatnonzero(likely.any(axis=0))
        if len(some):
            self._compare(some, likely[:, some])

    def _sound(self, rows: npt.NDArray[np.intp], n_frames: int) -> Float32Array:
        """Return the last frames of some channels, one behind the other."""
        slots = np.arange(self._frame + 1 - n_frames, self._frame + 1) % self._KEPT_FRAMES
        kept = self._kept[slots[:, None], rows].transpose(1, 0, 2)
        return kept.astype(np.float32, order="C").reshape(len(rows), -1)

    def _compare(self, rows: npt.NDArray[np.intp], likely: BoolArray) -> None:
        """Note where the bits of some channels agree with the sync, in the likely frames."""
        n_frames = len(likely)
        x = self._sound(rows, n_frames + _SEEN_FRAMES)
        given = _windows(x, _WINDOW, _HALF_FRAME).reshape(-1, _WINDOW) @ self._filters
        shaped = given.reshape(len(rows), -1, 2, _PHASES, _HALF_BITS)
        bits = shaped.transpose(0, 2, 3, 1, 4).reshape(len(rows), 2, _PHASES, -1)
        frames, at = np.nonzero(likely)
        ends = bits.shape[-1] - _NEW_BITS * (n_frames - 1 - frames)
        places = zip(at.tolist(), ends.tolist(), strict=True)
        seen = np.stack([bits[i, ..., end - _OLD_BITS - _NEW_BITS : end] for i, end in places])
        self._compare_frames(rows[at], seen, self._frame - (n_frames - 1 - frames))

    def _compare_frames(
        self, rows: npt.NDArray[np.intp], bits: Float32Array, frames: npt.NDArray[np.intp]
    ) -> None:
        """Note where the bits of frames, and of those before each, agree with the sync."""
        sums = bits @ self._sync
        explained = sums[:, 0] ** 2 + sums[:, 1] ** 2
        power = (bits[:, 0] ** 2 + bits[:, 1] ** 2) @ self._ones
        part = explained / (SYNC_BITS * np.maximum(power, 1e-9))
        most = part.reshape(len(part), -1).max(axis=1)
        for row in np.flatnonzero(most > _SYNC_PART_MIN).tolist():
            phase, bit = np.unravel_index(int(part[row].argmax()), part[row].shape)
            late = (float(bit) + float(phase) / _PHASES) * BIT_SAMPLES
            sample = FRAME_SAMPLES * int(frames[row]) - _REACH - 1 + late
            self._note(int(rows[row]), sample, float(part[row].max()))

    def _note(self, channel: int, sample: float, part: float) -> None:
        known = self._candidates[channel]
        # One sync shows at several places; the clearest stands for it.
        if known and sample - known[-1].sample < 3 * BIT_SAMPLES:
            if part > known[-1].part:
                known[-1].sample, known[-1].part = sample, part
            return
        known.append(_Candidate(sample, part))
        del known[: -self._CANDIDATES_MAX]
        self._busy.add(channel)

    def _read(self, channel: int, *, at_once: bool) -> list[Heard]:
        """Return the packets of one channel whose last bit is there."""
        end = FRAME_SAMPLES * (self._frame + 1)
        found: list[Heard] = []
        waiting: list[_Candidate] = []
        for candidate in self._candidates[channel]:
            needed = candidate.sample + candidate.words * FRAME_BITS * BIT_SAMPLES + _MARGIN
            if needed > end and not at_once:
                waiting.append(candidate)
                continue
            packet = self._packet(channel, candidate)
            if packet is None:
                continue
            if packet.op in DOUBLE_OPS and candidate.words == 1 and not at_once:
                candidate.words = 2
                waiting.append(candidate)
                continue
            found.append(_heard(channel, candidate, packet))
        self._candidates[channel] = waiting
        if not waiting:
            self._busy.discard(channel)
        return found

    def _packet(self, channel: int, candidate: _Candidate) -> MdcPacket | None:
        slot = self._frame % self._KEPT_FRAMES
        kept = np.roll(self._kept[:, channel], -slot - 1, axis=0).reshape(-1)
        origin = FRAME_SAMPLES * (self._frame + 1 - self._KEPT_FRAMES)
        # Silence beyond the end: the margin of a packet that ends with the over.
        x = np.pad(kept, (0, 2 * FRAME_SAMPLES)).astype(np.float64) / 32768.0
        filled = np.roll(self._filled[:, channel], -slot - 1).repeat(FRAME_SAMPLES)
        filled = np.pad(filled, (0, 2 * FRAME_SAMPLES))
        read = _soft_bits(x, filled, candidate.sample - origin, candidate.words)
        if read is None:
            return None
        bits, lost = (read[0] < 0).astype(np.uint8), read[1]
        first = parse_bits(bits[:FRAME_BITS], lost[:FRAME_BITS])
        if first is None:
            return None
        second = None
        if candidate.words > 1:
            second = parse_bits(bits[FRAME_BITS:], lost[FRAME_BITS:])
        message, status, _ = first
        return packet_of(message, status, second[0] if second else None)


def _at(x: Float64Array, places: Float64Array) -> Complex128Array:
    """Return the matched filter's output at any places between samples."""
    whole = np.floor(places).astype(np.intp)
    index = whole[..., None] + np.arange(-_REACH, _REACH + 2)
    inside = np.clip(index, 0, len(x) - 1)
    out: Complex128Array = (x[inside] * _pulse(index - places[..., None])).sum(axis=-1)
    return out


def _soft_bits(
    x: Float64Array, filled: BoolArray, sync_end: float, words: int
) -> tuple[Float64Array, BoolArray] | None:
    """Return the bits behind a sync, positive for 0, and which of them are lost.

    None where they are no packet. ``filled`` are the samples that were invented.
    """
    back = np.arange(1 - SYNC_BITS, 1) * BIT_SAMPLES
    places = sync_end + _SEARCH_BITS[:, None] * BIT_SAMPLES + back
    seen = _at(x, places)
    phases = seen @ _SYNC_SIGNS
    parts = np.abs(phases) ** 2 / np.maximum((np.abs(seen) ** 2).sum(axis=1), 1e-12)
    best = int(parts.argmax())
    if parts[best] < SYNC_BITS * _SYNC_PART_MIN:
        return None
    begin = sync_end + _SEARCH_BITS[best] * BIT_SAMPLES
    count = words * FRAME_BITS
    places = begin + np.arange(1, count + 1) * BIT_SAMPLES
    around = np.rint(places[:, None] + _BIT_EDGES).astype(np.intp)
    lost: BoolArray = filled[np.clip(around, 0, len(x) - 1)].any(axis=1)
    # What was invented must not turn the phase.
    values = np.where(lost, 0.0, _at(x, places))
    turned = _in_phase(values, complex(phases[best]))
    heard = turned[:FRAME_BITS][~lost[:FRAME_BITS]]
    # There is no code in fewer bits than the message has.
    if len(heard) < FRAME_BITS // 2:
        return None
    own = float(np.abs(heard.real).mean()) ** 2
    if own < _OWN_PHASE_MIN * float((np.abs(heard) ** 2).mean()):
        return None
    return turned.real, lost


def _in_phase(values: Complex128Array, direction: complex) -> Complex128Array:
    """Return the values turned so that a bit lies on the real axis, following slow drift.

    A sender's clock 0.1 % off moves the phase by 67 degrees within one frame.
    """
    out = np.empty_like(values)
    unit = direction / max(abs(direction), 1e-12)
    for begin in range(0, len(values), _BLOCK_BITS):
        block = values[begin : begin + _BLOCK_BITS] * unit.conjugate()
        out[begin : begin + _BLOCK_BITS] = block
        lean = float(np.angle((block * np.sign(block.real)).sum()))
        unit *= complex(np.exp(0.5j * lean))
    return out


def _heard(channel: int, candidate: _Candidate, packet: MdcPacket) -> Heard:
    start = candidate.sample - SYNC_BITS * BIT_SAMPLES
    bits = SYNC_BITS + candidate.words * FRAME_BITS
    duration_ms = 1000.0 * bits / BIT_RATE
    return Heard(
        channel, "mdc1200", None, words_of(packet), max(round(start), 0), duration_ms, packet
    )
