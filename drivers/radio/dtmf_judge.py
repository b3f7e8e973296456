"""Whether a stretch of sound holds one DTMF digit: the second, careful look. Pure.

The bank (``drivers.radio.dtmf``) finds stretches in which two tones may stand; here such a
stretch is judged as a whole, on its samples. How long it lasted is read between the
half-amplitude points of its envelope. How far each tone is from its frequency is the peak of
its spectrum over the whole tone, far finer than any filter. What remains when the two tones are
taken away must be little, or else look like noise: at 0 dB signal to noise a digit is half
noise, and spread evenly, while what remains of a voice stands in harmonics.

Limits: ITU-T Recommendation Q.24, Annex A (operate at 40 ms and ±1.8 %, not at 24 ms and not
at ±3.5 %, bridge 10 ms), widened in twist for analogue radios.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

import numpy as np

from drivers.radio.arrays import Complex128Array, Float32Array
from drivers.radio.samples import SAMPLE_RATE_HZ, Float64Array

__all__ = ["Verdict", "judge"]

# The envelope: 10 ms Hann windows every 2.5 ms.
_WINDOW_SAMPLES = 80
_HOP_SAMPLES = 20
_PIECES = _WINDOW_SAMPLES // _HOP_SAMPLES
_HOP_MS = 1000.0 * _HOP_SAMPLES / SAMPLE_RATE_HZ
_SPECTRUM_POINTS = 256
_BOTH = np.arange(2)
# Halfway between "shall not operate" (24 ms) and "shall operate" (40 ms).
_DURATION_MIN_MS = 31.0
# Low for no longer than this, a tone goes on: between 10 ms (bridge) and 25 ms (gap).
_BRIDGE_HOPS = 6
# Between 1.8 % and 3.5 %.
_DETUNING_MAX = 0.0245
# -10 to +8 dB accepted, with room for noise.
_TWIST_MIN_DB, _TWIST_MAX_DB = -11.5, 9.5
# The part of the voice band's power that two tones must hold to be digits by themselves, and
# the part of a tone's power that must be one steady sine.
_FRACTION_CLEAN, _COHERENCE_CLEAN = 0.88, 0.955
# Where no more than about half of the tone is whole, the rest must be beyond doubt.
_UNBROKEN_PART = 0.45
_FRACTION_BROKEN, _COHERENCE_BROKEN = 0.92, 0.97
# Below that they may be digits in noise: what is left must then be as flat as noise (geometric
# over arithmetic mean: 0.56 for white noise, 0.44 at least in a 40 ms tone; voices, half under
# 0.04), without a peak of its own, and the tones well inside the standard.
_FRACTION_MIN, _COHERENCE_NOISY = 0.33, 0.87
_FLATNESS_NOISY, _PEAK_NOISY = 0.38, 0.28
_DETUNING_NOISY = 0.0205
_TWIST_NOISY_DB = (-10.3, 7.0)
# From one hop to the next, as part of the tone: a jump of the phase, or a fading.
_UNEVEN = 0.12
# Beside sound that never came a tone may have gone on: what is heard of it must be longer than
# what "shall not operate", and within the standard beyond doubt.
_VISIBLE_MIN_MS, _VISIBLE_APART_MIN_MS = 24.0, 20.0
_DETUNING_AROUND = 0.0205
_PIECE_SAMPLES_MIN = 60
# 12 ms of steady tone, besides the windows that reach over an edge.
_CORE_HOPS_MIN = 5
_BAND_HZ = (350.0, 2900.0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A digit's tones: where they begin and end, in samples of the stretch."""

    onset: float
    end: float


@dataclass(frozen=True, slots=True)
class _Tones:
    """Baseband of both tones: (m, 2), and the envelope (m,) of the pair."""

    baseband: Complex128Array
    envelope: Float64Array


@dataclass(frozen=True, slots=True)
class _Run:
    """A run of the envelope above half amplitude, in hops; its longest part without a hole."""

    onset: float
    end: float
    unbroken: tuple[int, int]

    @property
    def hops(self) -> float:
        return self.end - self.onset


def judge(
    samples: Float32Array,
    low_hz: float,
    high_hz: float,
    *,
    running: bool = False,
    hole: tuple[int, int] | None = None,
) -> Verdict | None:
    """Return where the digit of those two tones stands in the samples, or None if none does.

    Args:
        samples: the stretch, 8 kHz, full scale 1, with some 20 ms before and after the tone.
        low_hz: nominal frequency of the low group.
        high_hz: nominal frequency of the high group.
        running: the tone began before the stretch, so that its onset and length say nothing.
        hole: first sample and end of what was invented for sound that never came. Where it
            spoils the digit, what lies around it decides.
    """
    nominal_hz = np.array([low_hz, high_hz])
    tones = _tones(samples, low_hz, high_hz)
    verdict = _judge_whole(samples, tones, nominal_hz, running=running)
    if verdict is None and hole is not None:
        return _judge_around(samples, tones, nominal_hz, hole, running=running)
    return verdict


def _judge_whole(
    samples: Float32Array, tones: _Tones, nominal_hz: Float64Array, *, running: bool
) -> Verdict | None:
    """Judge the stretch as it is."""
    run = _run(tones.envelope)
    if run is None or (not running and run.hops * _HOP_MS < _DURATION_MIN_MS):
        return None
    begin, stop = run.unbroken
    broken = stop - begin < _UNBROKEN_PART * run.hops
    if not _core_is_digit(samples, tones, begin, stop, nominal_hz, broken=broken):
        # A lost packet filled with the one before: the tone goes on, but its phase has jumped.
        begin, stop = _steady(tones.baseband, begin, stop)
        if not _core_is_digit(samples, tones, begin, stop, nominal_hz, broken=True):
            return None
    middle = _WINDOW_SAMPLES // 2
    return Verdict(middle + run.onset * _HOP_SAMPLES, middle + run.end * _HOP_SAMPLES)


def _judge_around(
    samples: Float32Array,
    tones: _Tones,
    nominal_hz: Float64Array,
    hole: tuple[int, int],
    *,
    running: bool,
) -> Verdict | None:
    """Judge what is heard before and after the hole; the sound in it counts for nothing."""
    before, after = _parts_around(tones.envelope, hole)
    middle = _WINDOW_SAMPLES // 2
    onset = middle + before[0] * _HOP_SAMPLES if before else hole[1]
    end = middle + (after[1] - 1) * _HOP_SAMPLES if after else hole[0]
    visible = end - onset - (hole[1] - hole[0] if before and after else 0)
    least_ms = _VISIBLE_APART_MIN_MS if before and after else _VISIBLE_MIN_MS
    if 1000.0 * visible / SAMPLE_RATE_HZ < least_ms and not running:
        return None
    pieces = []
    if before:
        core = samples[onset + _HOP_SAMPLES : hole[0]]
        pieces.append((core, tones.baseband[before[0] + 2 : before[1]]))
    if after:
        core = samples[hole[1] : max(end, hole[1])]
        pieces.append((core, tones.baseband[after[0] : after[1] - 1]))
    pieces = [(c, i) for c, i in pieces if len(c) >= _PIECE_SAMPLES_MIN and len(i) >= 1]
    if sum(len(inside) for _, inside in pieces) < _CORE_HOPS_MIN:
        return None
    return Verdict(onset, end) if _pieces_are_digit(pieces, nominal_hz) else None


def _parts_around(
    envelope: Float64Array, hole: tuple[int, int]
) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """Return the hops above half amplitude that end before the hole, and those after it."""
    left = max((hole[0] - _WINDOW_SAMPLES) // _HOP_SAMPLES + 1, 0)
    right = min(-(-hole[1] // _HOP_SAMPLES), len(envelope))
    heard = np.concatenate([envelope[:left], envelope[right:]])
    if not len(heard):
        return None, None
    loud = np.sort(heard[heard >= 0.7 * heard.max()])
    low = envelope < 0.5 * float(loud[len(loud) // 2])
    lows_before, lows_after = np.flatnonzero(low[:left]), np.flatnonzero(low[right:])
    first = int(lows_before[-1]) + 1 if len(lows_before) else 0
    last = right + int(lows_after[0]) if len(lows_after) else len(envelope)
    before = (first, left) if first < left else None
    after = (right, last) if right < last else None
    return before, after


def _pieces_are_digit(
    pieces: list[tuple[Float32Array, Complex128Array]], nominal_hz: Float64Array
) -> bool:
    """Whether two tones, of any phase in each piece, and next to nothing else are there."""
    off_hz = _detuning_hz(*(inside for _, inside in pieces))
    if float(np.abs(off_hz / nominal_hz).max()) > _DETUNING_AROUND:
        return False
    power, whole, left = np.zeros(2), 0.0, 0.0
    for core, inside in pieces:
        of_tones, rest = _without_tones(core, nominal_hz + off_hz)
        remains = _band_power(rest)
        power += of_tones * len(core)
        whole += float(_band_power(core).sum())
        left += float(remains.sum())
        density = float(remains.mean()) / float(np.square(_hann(len(core))).sum())
        if _coherence(inside, off_hz, density) < _COHERENCE_CLEAN:
            return False
    twist_db = 10.0 * float(np.log10((power[1] + 1e-12) / (power[0] + 1e-12)))
    return _TWIST_MIN_DB <= twist_db <= _TWIST_MAX_DB and 1.0 - left / whole >= _FRACTION_BROKEN


def _core_is_digit(
    samples: Float32Array,
    tones: _Tones,
    begin: int,
    stop: int,
    nominal_hz: Float64Array,
    *,
    broken: bool,
) -> bool:
    """Whether what lies between those hops, edges left out, is a digit's tones."""
    inside = tones.baseband[begin + 2 : stop - 1]
    if len(inside) < _CORE_HOPS_MIN:
        return False
    middle = _WINDOW_SAMPLES // 2
    core = samples[middle + (begin + 1) * _HOP_SAMPLES : middle + (stop - 1) * _HOP_SAMPLES]
    return _is_digit(core, inside, nominal_hz, broken=broken)


def _steady(baseband: Complex128Array, begin: int, stop: int) -> tuple[int, int]:
    """Return the longest part of those hops in which both tones advance evenly."""
    inside = baseband[begin:stop]
    advance = inside[1:] * inside[:-1].conj()
    even = np.exp(-1j * np.angle(advance.sum(axis=0)))
    ratio = inside[1:] * even / (inside[:-1] + 1e-12)
    uneven = np.flatnonzero((np.abs(ratio - 1.0) > _UNEVEN).any(axis=1)).tolist()
    bounds = [-1, *uneven, len(ratio)]
    pieces = [(a + 1, b + 1) for a, b in itertools.pairwise(bounds)]
    first, last = max(pieces, key=lambda piece: piece[1] - piece[0])
    # A window reaches 5 ms over the place where the phase jumps; that much is even still.
    return begin + first - 2 * (first > 0), begin + last + 2 * (last < len(inside))


@functools.lru_cache(maxsize=1024)
def _hann(n: int) -> Float64Array:
    return 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(n) + 0.5) / n)


@functools.cache
def _filters(low_hz: float, high_hz: float) -> Complex128Array:
    """Return the envelope's two filters, in four pieces of a hop each: (20, 4 * 2).

    A sine of amplitude a reads a.
    """
    turn = 2j * np.pi * np.array([low_hz, high_hz]) / SAMPLE_RATE_HZ
    filters = _shape()[:, None] * np.exp(-np.outer(np.arange(_WINDOW_SAMPLES), turn))
    pieces = filters.reshape(_PIECES, _HOP_SAMPLES, 2).transpose(1, 0, 2)
    return np.ascontiguousarray(pieces.reshape(_HOP_SAMPLES, -1))


@functools.cache
def _shape() -> Float64Array:
    window = _hann(_WINDOW_SAMPLES)
    shape: Float64Array = window * (2.0 / window.sum())
    return shape


@functools.lru_cache(maxsize=256)
def _straight(n: int) -> Float64Array:
    """Return an orthonormal basis (n, 2) of the straight lines over n points."""
    line = np.stack([np.ones(n), np.linspace(-1.0, 1.0, n)], axis=1)
    basis: Float64Array = np.linalg.qr(line)[0]
    return basis


def _tones(samples: Float32Array, low_hz: float, high_hz: float) -> _Tones:
    hops = len(samples) // _HOP_SAMPLES
    pieces = samples[: hops * _HOP_SAMPLES].reshape(hops, _HOP_SAMPLES)
    parts = (pieces @ _filters(low_hz, high_hz)).reshape(hops, _PIECES, 2)
    windows = hops - _PIECES + 1
    whole = sum(parts[piece : piece + windows, piece] for piece in range(_PIECES))
    turn = 2j * np.pi * np.array([low_hz, high_hz]) * _HOP_SAMPLES / SAMPLE_RATE_HZ
    baseband = whole * np.exp(-np.arange(windows)[:, None] * turn)
    power = baseband.real**2 + baseband.imag**2
    return _Tones(baseband, np.sqrt(power.sum(axis=1)))


def _run(envelope: Float64Array) -> _Run | None:
    """Return the longest run above half amplitude, short holes bridged."""
    loud = np.sort(envelope[envelope >= 0.7 * envelope.max()])
    half = 0.5 * float(loud[len(loud) // 2])
    above = envelope >= half
    changes = np.flatnonzero(above[1:] != above[:-1]) + 1
    bounds = [*([0] if above[0] else []), *changes.tolist()]
    if len(bounds) % 2:
        bounds.append(len(above))
    if not bounds:
        return None
    first, last, whole = _longest(list(zip(bounds[::2], bounds[1::2], strict=True)))
    onset, end = float(first), float(last - 1)
    if first > 0:
        onset -= float((envelope[first] - half) / (envelope[first] - envelope[first - 1]))
    if last < len(envelope):
        end += float((envelope[last - 1] - half) / (envelope[last - 1] - envelope[last]))
    return _Run(onset, end, whole)


def _longest(parts: list[tuple[int, int]]) -> tuple[int, int, tuple[int, int]]:
    """Return the longest chain of parts with short holes only: bounds, and its longest part."""
    chains = [[parts[0]]]
    for part in parts[1:]:
        if part[0] - chains[-1][-1][1] < _BRIDGE_HOPS:
            chains[-1].append(part)
        else:
            chains.append([part])
    chain = max(chains, key=lambda c: c[-1][1] - c[0][0])
    return chain[0][0], chain[-1][1], max(chain, key=lambda p: p[1] - p[0])


def _detuning_hz(*pieces: Complex128Array) -> Float64Array:
    """Return how far each tone is above its frequency, by the peak of the pieces' spectra."""
    size = _SPECTRUM_POINTS
    spectra = [np.fft.fft(np.ascontiguousarray(piece[:size].T), size) for piece in pieces]
    powers = [np.square(spectrum.real) + np.square(spectrum.imag) for spectrum in spectra]
    power: Float64Array = functools.reduce(np.add, powers)
    peak, rows = power.argmax(axis=1), _BOTH
    before, there, after = (power[rows, (peak + k) % size] for k in (-1, 0, 1))
    bend = before - 2.0 * there + after
    between = 0.5 * (before - after) / np.where(bend == 0.0, 1.0, bend)
    place = (peak + between + size / 2) % size - size / 2
    off_hz: Float64Array = place * SAMPLE_RATE_HZ / (_HOP_SAMPLES * size)
    return off_hz


def _is_digit(
    core: Float32Array, inside: Complex128Array, nominal_hz: Float64Array, *, broken: bool
) -> bool:
    """Whether the two tones, and besides them noise only, make up the core of the stretch."""
    off_hz = _detuning_hz(inside)
    detuning = float(np.abs(off_hz / nominal_hz).max())
    if detuning > _DETUNING_MAX:
        return False
    power, rest = _without_tones(core, nominal_hz + off_hz)
    twist_db = 10.0 * float(np.log10((power[1] + 1e-12) / (power[0] + 1e-12)))
    if not _TWIST_MIN_DB <= twist_db <= _TWIST_MAX_DB:
        return False
    whole, left = _band_power(core), _band_power(rest)
    fraction = 1.0 - float(left.sum() / whole.sum())
    if fraction < _FRACTION_MIN:
        return False
    # Noise per window of the envelope, from the density of the rest.
    density = float(left.mean()) / float(np.square(_hann(len(core))).sum())
    coherence = _coherence(inside, off_hz, density)
    if fraction >= (_FRACTION_BROKEN if broken else _FRACTION_CLEAN):
        return coherence >= (_COHERENCE_BROKEN if broken else _COHERENCE_CLEAN)
    return (
        not broken
        and coherence >= _COHERENCE_NOISY
        and detuning <= _DETUNING_NOISY
        and _TWIST_NOISY_DB[0] <= twist_db <= _TWIST_NOISY_DB[1]
        and float(left.max()) <= _PEAK_NOISY * float(whole.max())
        and _flatness(left) >= _FLATNESS_NOISY
    )


def _without_tones(core: Float32Array, hz: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return the power of both tones, least squares, and the core without them."""
    turns = 2 * np.pi * np.outer(np.arange(len(core)), hz) / SAMPLE_RATE_HZ
    waves = np.concatenate([np.cos(turns), np.sin(turns)], axis=1)
    parts = np.linalg.solve(waves.T @ waves, waves.T @ core)
    return np.square(parts[:2]) + np.square(parts[2:]), core - waves @ parts


def _band_power(samples: Float64Array | Float32Array) -> Float64Array:
    """Return the power spectrum over the voice band."""
    size = 1 << (len(samples) - 1).bit_length()
    first, last = (round(hz * size / SAMPLE_RATE_HZ) for hz in _BAND_HZ)
    spectrum = np.fft.rfft(samples * _hann(len(samples)), size)[first : last + 1]
    power: Float64Array = spectrum.real**2 + spectrum.imag**2 + 1e-12
    return power


def _coherence(inside: Complex128Array, off_hz: Float64Array, density: float) -> float:
    """Return the part of the weaker-kept tone's power that is one steady sine, less noise."""
    turn = 2j * np.pi * _HOP_SAMPLES * off_hz / SAMPLE_RATE_HZ
    steady = inside * np.exp(-np.outer(np.arange(len(inside)), turn))
    mean = steady.mean(axis=0)
    power = (steady.real**2 + steady.imag**2).mean(axis=0)
    noise = density * float(np.square(_shape()).sum())
    one = mean.real**2 + mean.imag**2
    return float((one / np.maximum(power - noise, 1e-12)).min())


def _flatness(power: Float64Array) -> float:
    """Return geometric over arithmetic mean of a spectrum, a straight tilt in dB left out."""
    log = np.log(power)
    basis = _straight(len(log))
    level = log - basis @ (basis.T @ log)
    return float(np.exp(level.mean()) / np.exp(level).mean())
