"""Five-tone sequential calling: samples to calls, of all tables at once.

How the decoder works. Every 10 ms it looks at the last 20 ms through a Hann window, at 54
frequencies 50 Hz apart, and finds the strongest. Looks in a row with one frequency are a run,
whatever the tables say, so that one pass serves all tables. Where five runs follow one
another without a gap and could be a call of some enabled table, the call is measured anew on
the samples themselves (`selcall_call`), and that decides.
"""

from __future__ import annotations

import bisect
import functools
import itertools
from collections import deque
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from drivers.radio.heard import Heard, SelcallFit
from drivers.radio.samples import FRAME_SAMPLES, SAMPLE_RATE_HZ, Int16Array, one_by_one
from drivers.radio.selcall_call import LENGTH_TOLERANCE, Call, measure
from drivers.radio.selcall_tables import CALL_TONES, SYMBOLS, SelcallTable, digits_of

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]

__all__ = ["SelcallBank"]

_HOP_SAMPLES = 80
_HOP_MS = 1000.0 * _HOP_SAMPLES / SAMPLE_RATE_HZ
_LOOKS = FRAME_SAMPLES // _HOP_SAMPLES
# Frames looked at together: the same work in a quarter of the calls. Where more of them are
# there already, as many as there are: beyond this little is won.
_FRAMES_LOOKED_AT = 4
FRAMES_AT_ONCE_MAX = 12
# 350 to 3000 Hz in steps of 50 Hz. Below lies CTCSS, which is no evidence against a tone.
_FIRST_BIN, _BINS, _BIN_HZ = 7, 54, 50.0
# At 0 dB signal to noise a tone holds half the band's power, give or take 0.07; a look that
# two tones share by halves holds a quarter in each.
_TONAL_FRACTION = 0.25
# -50 dBFS, as mean square.
_POWER_MIN = 0.5 * 10.0 ** (-50.0 / 10.0)
# Noise at 0 dB moves one look by 5 Hz; tones of a table are 60 Hz apart at least.
_SAME_HZ = 30.0
# Looks that are no run: one where two tones meet, one more for noise, and the call is over.
_GAP_LOOKS = 4
# A tone that goes on this long after five others belongs to no call (an alert tone).
_LONG_LOOKS = 30
_RUNS_KEPT = 12
# Between two tones one look may belong to neither, and one more in noise.
_BETWEEN_LOOKS_MAX = 2
# A sender's 1.5 %, and what noise does to the few looks of a short tone.
_COARSE_OFF, _COARSE_OFF_HZ = 0.018, 16.0
# 1.5 % is what senders may be off, all tones of one sender alike but for the division of its
# clock. On top of that comes noise: so many turns within one tone.
_OFF_MAX = 0.018
_SPREAD_MAX = 0.006
_NOISE_TURNS = 0.2
# Frequencies kept, in looks: enough to find the middle of a run that ended 30 looks ago.
_LOOKS_KEPT = 64
# What is kept of each channel: the longest call (5 tones of 130 ms) and its surroundings.
_KEPT_FRAMES = 64 + FRAMES_AT_ONCE_MAX


def _filters() -> tuple[Float32Array, Float32Array]:
    """Return (80, 54) cosines and sines about the window's middle, Hann-weighted.

    A look is folded there, sums on the cosines and differences on the sines, which halves
    the work. Scaled so that a sine of full scale gives 1 / 2.
    """
    n = np.arange(FRAME_SAMPLES // 2)
    window = np.sin(np.pi * (n + 0.5) / FRAME_SAMPLES) ** 2
    hz = (_FIRST_BIN + np.arange(_BINS)) * _BIN_HZ
    turns = 2.0 * np.pi * np.outer(n - (FRAME_SAMPLES - 1) / 2.0, hz) / SAMPLE_RATE_HZ
    weight = (window * (np.sqrt(2.0) / window.sum() / 2.0 / 32768.0))[:, None]
    cosines, sines = weight * np.cos(turns), weight * np.sin(turns)
    return cosines.astype(np.float32), sines.astype(np.float32)


# Runs: first look, looks, frequency.
_Chain = deque[tuple[int, int, float]]


# What a bank knows of each channel, besides its sound and its chain.
_PER_CHANNEL = (
    *("_listened", "_listening", "_hz", "_tonal", "_begun"),
)


class SelcallBank:
    """Streaming decoder of five-tone calls for ``n_channels`` channels and many tables.

    Two tables that fit the same tones (ZVEI1 and ZVEI2 share their digits; every call of
    DZVEI is another call of ZVEI1) make one `Heard`: it names the table that
    needs fewer letters (A to D, F) to explain them, then the one whose frequencies and tone
    length fit better, then the one given first; the others stand in ``detail.also``.
    """

    def __init__(self, n_channels: int, tables: Sequence[Sequence[SelcallTable]]) -> None:
        """Listen on each channel for its tables, in the order in which they are preferred."""
        if len(tables) != n_channels:
            msg = f"{len(tables)} lists of tables for {n_channels} channels"
            raise ValueError(msg)
        self._tables = [tuple(one) for one in tables]
        self._cosines, self._sines = _filters()
        self._kept = np.zeros((_KEPT_FRAMES, n_channels, FRAME_SAMPLES), np.int16)
        self._frame = 0
        self._waiting = 0
        self._listened = np.zeros(n_channels, np.bool_)
        self._listening = np.zeros(n_channels, np.bool_)
        # Of each channel's last look: frequency, whether it is a tone, where its run began.
        self._hz = np.zeros((n_channels, _LOOKS_KEPT), np.float32)
        self._tonal = np.zeros(n_channels, np.bool_)
        self._begun = np.zeros(n_channels, np.intp)
        self._chains = [_Chain(maxlen=_RUNS_KEPT) for _ in range(n_channels)]
        self._long: set[int] = set()  # channels whose chain may hold a call
        self._lengths_ms = [_lengths_allowed_ms(one) for one in self._tables]
        self._edges_hz = [_coarse_edges_hz(one) for one in self._tables]

    def step(self, frames: Int16Array, listening: BoolArray) -> list[Heard]:
        """Take the next 20 ms of every channel, or some more, and return the calls that ended.

        A call is returned 50 to 130 ms after its last tone, or in the step in which
        ``listening`` becomes False.

        Args:
            frames: (n_channels, 160) int16; up to `FRAMES_AT_ONCE_MAX` times 160, which costs
                less than one by one.
            listening: (n_channels,) bool; frames of other channels are not looked at.
        """
        cut = self._listening & ~listening
        every = one_by_one(frames)
        room = 1 if cut.any() else FRAMES_AT_ONCE_MAX
        if len(every) > room:
            end = FRAME_SAMPLES * room
            parts = frames[:, :end], frames[:, end:]
            return [heard for part in parts for heard in self.step(part, listening)]
        for frame in every:
            kept = self._kept[self._frame % _KEPT_FRAMES]
            kept[:] = frame
            if not listening.all():
                kept[~listening] = 0
            self._frame += 1
        self._listened |= listening | cut
        self._listening = listening.copy()
        self._waiting += len(every)
        found: list[Heard] = []
        if self._waiting >= _FRAMES_LOOKED_AT or cut.any():
            if self._listened.any():
                found += self._look(self._waiting)
            self._waiting = 0
            self._listened[:] = False
        if cut.any():
            for channel in np.flatnonzero(cut).tolist():
                found += self._judge(channel)
        return found

    def rearranged(
        self, sources: Sequence[int | None], tables: Sequence[Sequence[SelcallTable]]
    ) -> SelcallBank:
        """Return a bank for other channels that goes on where this one is.

        Args:
            sources: for each channel of the new bank its index in this one, None for a new
                channel. Calls under way on channels that stay are not lost.
            tables: as for a new bank.
        """
        bank = SelcallBank(len(sources), tables)
        bank._frame, bank._waiting = self._frame, self._waiting
        to = [i for i, source in enumerate(sources) if source is not None]
        at = [source for source in sources if source is not None]
        bank._kept[:, to] = self._kept[:, at]
        bank._long = {i for i, source in zip(to, at, strict=True) if source in self._long}
        for i, source in zip(to, at, strict=True):
            bank._chains[i] = self._chains[source].copy()
        for name in _PER_CHANNEL:
            getattr(bank, name)[to] = getattr(self, name)[at]
        return bank

    def _look(self, n_frames: int) -> list[Heard]:
        """Look at the frames that wait; return the calls that are over."""
        rows = np.flatnonzero(self._listened)
        n_looks = _LOOKS * n_frames
        first = _LOOKS * (self._frame - n_frames)
        slots = np.arange(self._frame - n_frames - 1, self._frame) % _KEPT_FRAMES
        kept = self._kept[slots[:, None], rows].transpose(1, 0, 2)
        hz = np.zeros((len(rows), n_looks), np.float32)
        tonal = np.zeros((len(rows), n_looks), np.bool_)
        # The looks that are whole frames first; those between only where one of them has, or
        # the last one had, a tone.
        hz[:, 1::2], tonal[:, 1::2] = self._strongest(
            kept[:, 1:, :_HOP_SAMPLES], kept[:, 1:, _HOP_SAMPLES:]
        )
        lively = np.flatnonzero(tonal.any(axis=1) | self._tonal[rows])
        if len(lively):
            some = kept[lively]
            hz[lively, ::2], tonal[lively, ::2] = self._strongest(
                some[:, :-1, _HOP_SAMPLES:], some[:, 1:, :_HOP_SAMPLES]
            )
        columns = np.arange(first, first + n_looks) % _LOOKS_KEPT
        before_hz = self._hz[rows, (first - 1) % _LOOKS_KEPT]
        steady = np.abs(np.diff(hz, axis=1, prepend=before_hz[:, None])) < _SAME_HZ
        before = np.concatenate([self._tonal[rows, None], tonal[:, :-1]], axis=1)
        same: BoolArray = steady & tonal & before
        self._hz[rows[:, None], columns] = hz
        self._tonal[:] = False
        self._tonal[rows] = tonal[:, -1]
        return self._follow(rows, same, before, first)

    def _strongest(
        self, first: Int16Array, second: Int16Array
    ) -> tuple[Float32Array, BoolArray]:
        """Return (n, looks) strongest frequencies and whether they are tones, of windows.

        ``first`` and ``second`` are their halves, (n, looks, 80) each.
        """
        n, looks, _ = first.shape
        left = first.astype(np.float32, order="C").reshape(-1, _HOP_SAMPLES)
        right = second[:, :, ::-1].astype(np.float32, order="C").reshape(-1, _HOP_SAMPLES)
        even = (left + right) @ self._cosines
        odd = (left - right) @ self._sines
        even *= even
        odd *= odd
        even += odd
        hz, tonal = _strongest(even)
        return hz.reshape(n, looks), tonal.reshape(n, looks)

    def _follow(
        self, rows: IntArray, same: BoolArray, before: BoolArray, first: int
    ) -> list[Heard]:
        """Put the runs that ended into chains; judge the chains that are over."""
        looks = np.arange(first, first + same.shape[1])
        begun = np.where(same, 0, looks)
        np.maximum(begun[:, 0], np.where(same[:, 0], self._begun[rows], 0), out=begun[:, 0])
        begun = np.maximum.accumulate(begun, axis=1)
        earlier = np.concatenate([self._begun[rows, None], begun[:, :-1]], axis=1)
        self._begun[rows] = begun[:, -1]
        ended = before & ~same & (looks - earlier >= 2)
        found: list[Heard] = []
        # Few runs end in a look: plain numbers cost less than arrays.
        of_look, at = np.nonzero(ended.T)
        begins, ends = earlier[at, of_look], looks[of_look]
        middles = np.maximum(begins + ends, 2 * ends - _LOOKS_KEPT) // 2 % _LOOKS_KEPT
        hz = self._hz[rows[at], middles]
        runs = (a.tolist() for a in (rows[at], begins, ends, hz))
        for channel, begin, end, of_run in zip(*runs, strict=True):
            chain = self._chains[channel]
            late = bool(chain) and begin - chain[-1][0] - chain[-1][1] >= _GAP_LOOKS
            if late or (end - begin >= _LONG_LOOKS and channel in self._long):
                found += self._judge(channel)
            chain.append((begin, end - begin, of_run))
            if len(chain) >= CALL_TONES:
                self._long.add(channel)
        now = first + same.shape[1]
        for channel in sorted(self._long):
            if self._is_over(channel, now):
                found += self._judge(channel)
        return found

    def _is_over(self, channel: int, now: int) -> bool:
        """Whether nothing steady has followed the last run of a chain, or what goes on."""
        begin, looks, _ = self._chains[channel][-1]
        steady = now - int(self._begun[channel]) if self._tonal[channel] else 0
        return (now - begin - looks >= _GAP_LOOKS and steady < 2) or steady >= _LONG_LOOKS

    def _judge(self, channel: int) -> list[Heard]:
        """The channel's chain is over: return the call it was."""
        found = self._calls_in(channel) if channel in self._long else []
        self._chains[channel].clear()
        self._long.discard(channel)
        return found

    def _calls_in(self, channel: int) -> list[Heard]:
        """Return the call among the last runs of a channel, if there is one."""
        runs = _joined([list(run) for run in self._chains[channel]])
        least, most = self._lengths_ms[channel]
        edges_hz = self._edges_hz[channel]
        inside = 0
        for last, run in enumerate(runs):
            # Few runs of speech lie where a tone of any table may.
            inside = inside + 1 if bisect.bisect(edges_hz, run[2]) % 2 else 0
            if inside < CALL_TONES:
                continue
            first = last + 1 - CALL_TONES
            five = runs[first : last + 1]
            lengths_ms = _lengths_ms(five)
            if lengths_ms is None or min(lengths_ms) < least or max(lengths_ms[1:]) > most:
                continue
            hz = [run[2] for run in five]
            tables = [t for t in self._tables[channel] if _may_be(lengths_ms, hz, t)]
            if not tables:
                continue
            around = runs[:first] + runs[first + CALL_TONES :]
            if heard := self._measured(channel, np.array(five), np.array(around), tables):
                return [heard]
        return []

    def _measured(
        self,
        channel: int,
        five: Float64Array,
        around: Float64Array,
        tables: list[SelcallTable],
    ) -> Heard | None:
        origin = FRAME_SAMPLES * (self._frame - _KEPT_FRAMES)
        oldest = self._frame % _KEPT_FRAMES
        kept = np.roll(self._kept[:, channel], -oldest, axis=0).reshape(-1)
        # A look stands for the middle of its window, the end of which is its hop's.
        begin = five[:, 0] * _HOP_SAMPLES - origin
        end = begin + (five[:, 1] - 1) * _HOP_SAMPLES
        fits: list[tuple[tuple[int, float], SelcallTable, str, Call]] = []
        for table in tables:
            call = measure(kept, begin, end, five[:, 2], table.tone_ms)
            if call is None or _goes_on(call, around, origin, table):
                continue
            if (found := _digits_in(call, table)) is not None:
                fits.append((found[:2], table, found[2], call))
        if not fits:
            return None
        _, table, digits, call = min(fits, key=lambda fit: fit[0])
        also = tuple(f"{t.name}:{d}" for _, t, d, _ in fits if t is not table)
        return Heard(
            channel, "selcall", table.name, digits, max(origin + call.start, 0),
            1000.0 * (call.end - call.start) / SAMPLE_RATE_HZ, SelcallFit(also),
        )  # fmt: skip


def _strongest(power: npt.NDArray[np.floating]) -> tuple[Float32Array, BoolArray]:
    """Return of each look the strongest frequency, and whether it is a tone.

    ``power`` is (looks, 54), the power at each frequency of `_filters`.
    """
    flat = power.reshape(-1)
    peak = np.clip(power.argmax(axis=1), 1, _BINS - 2)
    at = peak + np.arange(0, flat.size, _BINS)
    below, top, above = flat[at - 1], flat[at], flat[at + 1]
    # A Hann window counts each tone in three bins and a half: 1.5 in all.
    total = power @ np.full(_BINS, 1 / 1.5, np.float32)
    tonal = (below + top + above > 1.5 * _TONAL_FRACTION * total) & (total > _POWER_MIN)
    # The larger neighbour says how far off the bin the tone is (exact for a Hann window).
    ratio = np.sqrt(np.maximum(below, above) / np.maximum(top, 1e-30))
    off = np.clip((2.0 * ratio - 1.0) / (1.0 + ratio), 0.0, 0.6)
    hz = (_FIRST_BIN + peak + np.where(above > below, off, -off)) * _BIN_HZ
    return hz.astype(np.float32), tonal


def _nearest(hz: Float64Array, table: SelcallTable) -> tuple[IntArray, Float64Array]:
    """Return the index of the nearest tone of the table to each frequency, and how far."""
    tones = np.array(table.tones_hz)
    off = hz[:, None] / np.where(tones > 0, tones, 1.0) - 1.0
    index = np.abs(off).argmin(axis=1)
    return index, off[np.arange(len(hz)), index]


def _joined(runs: list[list[float]]) -> list[list[float]]:
    """Return the runs with those made one that a single look of noise had parted."""
    out = [runs[0]]
    for run in runs[1:]:
        last = out[-1]
        if abs(run[2] - last[2]) < _SAME_HZ and run[0] - last[0] - last[1] <= 1:
            last[1] = run[0] + run[1] - last[0]
        else:
            out.append(run)
    return out


def _lengths_ms(five: list[list[float]]) -> list[float] | None:
    """Return from start to start of five runs, and the last one's length; None with a gap."""
    lengths: list[float] = []
    for (start, looks, _), (following, _, _) in itertools.pairwise(five):
        if following - start - looks > _BETWEEN_LOOKS_MAX:
            return None
        lengths.append((following - start) * _HOP_MS)
    return [*lengths, five[-1][1] * _HOP_MS]


@functools.lru_cache(maxsize=256)
def _lengths_allowed_ms(tables: tuple[SelcallTable, ...]) -> tuple[float, float]:
    """Return the least and the greatest length of a tone that is worth measuring."""
    tone_ms = [table.tone_ms for table in tables] or [0.0]
    least = (1.0 - LENGTH_TOLERANCE) * min(tone_ms) - 2.5 * _HOP_MS
    return least, (1.0 + LENGTH_TOLERANCE) * max(tone_ms) + 1.5 * _HOP_MS


def _may_be(lengths_ms: list[float], hz: list[float], table: SelcallTable) -> bool:
    """Whether five runs are worth measuring as a call of this table.

    Plain numbers: speech makes a hundred chains a minute, and arrays of five are slow.
    """
    least, most = _lengths_allowed_ms((table,))
    if min(lengths_ms) < least or max(lengths_ms[1:]) > most:
        return False
    edges = _coarse_edges_hz((table,))
    return all(bisect.bisect(edges, f) % 2 for f in hz)


@functools.lru_cache(maxsize=256)
def _coarse_edges_hz(tables: tuple[SelcallTable, ...]) -> tuple[float, ...]:
    """Return the edges, begin and end in turn, of all that may be a tone of the tables."""
    edges: list[float] = []
    for tone in sorted(tone for table in tables for tone in table.tones_hz):
        low = (tone - _COARSE_OFF_HZ) / (1.0 + _COARSE_OFF)
        high = (tone + _COARSE_OFF_HZ) / (1.0 - _COARSE_OFF)
        if edges and low <= edges[-1]:
            edges[-1] = high
        else:
            edges += [low, high]
    return tuple(edges)


def _goes_on(call: Call, around: Float64Array, origin: int, table: SelcallTable) -> bool:
    """Whether the tone before or after is a tone of the table too: no five-tone call then."""
    if not len(around):
        return False
    begin = around[:, 0] * _HOP_SAMPLES - origin
    end = begin + (around[:, 1] - 1) * _HOP_SAMPLES
    touches = (np.abs(end - call.start) < 2.5 * _HOP_SAMPLES) | (
        np.abs(begin - call.end) < 2.5 * _HOP_SAMPLES
    )
    long = around[:, 1] * _HOP_MS > 0.6 * table.tone_ms
    near = np.abs(_nearest(around[:, 2], table)[1]) < _OFF_MAX
    return bool((touches & long & near).any())


def _digits_in(call: Call, table: SelcallTable) -> tuple[int, float, str] | None:
    """Return letters in the call, how badly it fits, its digits; None where it does not."""
    index, off = _nearest(call.hz, table)
    noise = _NOISE_TURNS / (0.001 * table.tone_ms * call.hz)
    if (np.abs(off) - noise).max() > _OFF_MAX:
        return None
    # One clock makes all five tones: they are off alike.
    if (np.abs(off - np.median(off)) - noise).max() > _SPREAD_MAX:
        return None
    digits = digits_of("".join(SYMBOLS[i] for i in index))
    if digits is None:
        return None
    length = abs(float(call.lengths_ms[1:].mean()) / table.tone_ms - 1.0)
    misfit = round(float(np.abs(off).mean()) + 0.05 * length, 3)
    return sum(d.isalpha() for d in digits), misfit, digits
