"""Tones as the outside world makes and hears them: DTMF, attention tones, answer tones, voices.

Written apart from the gateway's own tones on purpose: a fault that both ends share would never
be seen. Everything here is 16-bit mono audio at 8000 samples a second in frames of 20 ms.

Levels are dBFS in the sense of AES17: a full-scale sine is 0 dBFS.
"""

import functools
import itertools
import math
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]
Kind = Literal["dtmf", "attention", "answer"]

RATE_HZ: Final = 8000
FRAME_SAMPLES: Final = 160
FRAME_S: Final = FRAME_SAMPLES / RATE_HZ

_FULL_SCALE: Final = 32767.0
_SILENT_DBFS: Final = -120.0
_EDGE_MS: Final = 2.0

# ITU-T Q.23: one tone of the low group (row) and one of the high group (column) a digit.
_ROWS_HZ: Final = (697, 770, 852, 941)
_COLUMNS_HZ: Final = (1209, 1336, 1477, 1633)
_KEYS: Final = ("123A", "456B", "789C", "*0#D")
_PAIR_HZ: Final = {
    key: (_ROWS_HZ[row], _COLUMNS_HZ[column])
    for row, keys in enumerate(_KEYS)
    for column, key in enumerate(keys)
}


@dataclass(frozen=True)
class _Pattern:
    """A call made of single tones, as the wire contract writes it: (hertz, milliseconds)."""

    kind: Kind
    value: str
    tones: tuple[tuple[int, int], ...]
    gap_ms: int = 0


_PATTERNS: Final = (
    _Pattern("attention", "1", ((1400, 100), (1000, 100)) * 6),
    _Pattern("attention", "2", ((1200, 200),) * 3, gap_ms=100),
    _Pattern("attention", "3", ((900, 400),)),
    _Pattern("answer", "accepted", ((880, 100), (1320, 100))),
    _Pattern("answer", "wrong", ((400, 500),)),
)
_SINGLES_HZ: Final = tuple(sorted({hz for pattern in _PATTERNS for hz, _ in pattern.tones}))


def silence(duration_ms: float) -> Samples:
    """Returns that many milliseconds of nothing."""
    return np.zeros(round(duration_ms * RATE_HZ / 1000), np.int16)


def tone(frequencies_hz: tuple[float, ...], duration_ms: float, level_dbfs: float) -> Samples:
    """Returns sines sounding together, each at `level_dbfs`, with 2 ms soft edges."""
    count = round(duration_ms * RATE_HZ / 1000)
    at_s = np.arange(count) / RATE_HZ
    wave = np.zeros(count)
    for hz in frequencies_hz:
        wave += np.sin(2 * np.pi * hz * at_s)
    edge = min(round(_EDGE_MS * RATE_HZ / 1000), count // 2)
    if edge:
        ramp = np.linspace(0.0, 1.0, edge)
        wave[:edge] *= ramp
        wave[-edge:] *= ramp[::-1]
    return _to_int16(wave * 10 ** (level_dbfs / 20))


def dtmf(
    digits: str, *, tone_ms: float = 70, gap_ms: float = 70, level_dbfs: float = -12.0
) -> Samples:
    """Returns the digits as DTMF, each followed by a gap.

    Args:
        digits: any of `0-9 * # A-D`.
        tone_ms: length of each digit.
        gap_ms: silence after each digit.
        level_dbfs: level of each of the two tones.

    Raises:
        ValueError: a character has no DTMF tone.

    Source: ITU-T Q.23.
    """
    parts: list[Samples] = []
    for digit in digits:
        if digit not in _PAIR_HZ:
            message = f"{digit!r} in {digits!r} is not a DTMF digit; use 0-9 * # A-D"
            raise ValueError(message)
        parts += [tone(_PAIR_HZ[digit], tone_ms, level_dbfs), silence(gap_ms)]
    return np.concatenate(parts) if parts else silence(0)


def rms_dbfs(samples: Samples) -> float:
    """Returns the level of the samples; -120 for silence or no samples."""
    if not samples.size:
        return _SILENT_DBFS
    mean_square = float(np.mean(np.square(samples.astype(np.float32))))
    return _dbfs(mean_square)


def _dbfs(mean_square: float) -> float:
    if mean_square <= 0:
        return _SILENT_DBFS
    return max(_SILENT_DBFS, 10 * math.log10(2 * mean_square / _FULL_SCALE**2))


def _to_int16(wave: npt.NDArray[np.float64]) -> Samples:
    """Returns a wave of ±1.0 as 16-bit samples, clipped."""
    return (np.clip(wave, -1.0, 1.0) * _FULL_SCALE).astype(np.int16)


# --- a voice -------------------------------------------------------------------------------

_VOICE_LOOP_S: Final = 4.0
_SYLLABLE_S: Final = 0.21
_HARMONICS: Final = 20
# First two formants of a, i, u, e, o; enough for the spectrum to wander as speech does.
_FORMANTS_HZ: Final = ((730, 1090), (270, 2290), (300, 870), (530, 1840), (570, 840))


def voice(duration_s: float, seed: int, level_dbfs: float = -15.0) -> Samples:
    """Returns something with the pitch, formants and syllables of speech, but no words.

    The same seed gives the same voice. It repeats itself after four seconds: making it costs
    milliseconds, and those are taken from everyone on the ether.
    """
    count = round(duration_s * RATE_HZ)
    loop = _voice_loop(seed)
    spoken = np.resize(loop, count).astype(np.float64) if count else np.zeros(0)
    return _to_int16(spoken * 10 ** (level_dbfs / 20))


@functools.lru_cache(maxsize=32)
def _voice_loop(seed: int) -> npt.NDArray[np.float32]:
    """Returns four seconds of voice whose level is that of a full-scale sine."""
    rng = np.random.default_rng(seed)
    at_s = np.arange(round(_VOICE_LOOP_S * RATE_HZ), dtype=np.float32) / RATE_HZ
    syllable = (at_s / _SYLLABLE_S).astype(int)
    vowels = np.array(_FORMANTS_HZ, np.float32)[rng.integers(0, 5, syllable[-1] + 1)]
    pitch_hz = rng.uniform(110, 230)
    melody = 1 + 0.15 * np.sin(2 * np.pi * rng.uniform(1.5, 3.0) * at_s)
    phase = 2 * np.pi * np.cumsum(pitch_hz * melody) / RATE_HZ
    wave = 0.05 * rng.standard_normal(at_s.size).astype(np.float32)
    for harmonic in range(1, _HARMONICS + 1):
        hz = harmonic * pitch_hz
        peaks = np.exp(-(((hz - vowels) / 150) ** 2)).sum(axis=1)
        strength = peaks + 0.3 / harmonic
        wave += strength[syllable] * np.sin(harmonic * phase)
    wave *= np.sin(np.pi * ((at_s / _SYLLABLE_S) % 1.0)) ** 0.5
    wave *= math.sqrt(0.5 / float(np.mean(wave**2)))
    return wave.astype(np.float32)


# --- hearing -------------------------------------------------------------------------------

_WINDOW: Final = FRAME_SAMPLES
_HOP: Final = 80
_HOP_S: Final = _HOP / RATE_HZ
_WINDOW_S: Final = _WINDOW / RATE_HZ
_FLOOR_MEAN_SQUARE: Final = 0.5 * (_FULL_SCALE * 10 ** (-40 / 20)) ** 2
# A 20 ms window sees a steady tone with all its energy on one line; a tone 13 Hz off, or one
# that fills less than 16 ms of it, falls under this. 880 Hz and 900 Hz are thus told apart.
_PURITY: Final = 0.8
_TWIST: Final = 10.0
_THIRD_TONE: Final = 0.25
_BRIDGED_WINDOWS: Final = 2
_DIGIT_WINDOWS: Final = 3
_TOLERANCE_S: Final = 0.045
_GROUP_GAP_S: Final = 0.15


def _analysis_matrix() -> npt.NDArray[np.float32]:
    """Returns (window, 2 × tones): cosines, then sines, of DTMF rows, columns, single tones."""
    hz = np.array(_ROWS_HZ + _COLUMNS_HZ + _SINGLES_HZ)
    angle = 2 * np.pi * np.outer(np.arange(_WINDOW), hz) / RATE_HZ
    return np.concatenate([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


_MATRIX: Final = _analysis_matrix()
_TONES: Final = _MATRIX.shape[1] // 2


class ToneHeard(NamedTuple):
    """One thing that a detector made out.

    Attributes:
        at_s: when it began, in seconds from the first sample fed.
        kind: `dtmf`, `attention` or `answer`.
        value: the digit; the level `1`, `2`, `3`; or `accepted`, `wrong`.
        duration_s: from its beginning to its end.
        level_dbfs: its mean level.
    """

    at_s: float
    kind: Kind
    value: str
    duration_s: float
    level_dbfs: float


def digits_in(tones: tuple[ToneHeard, ...]) -> str:
    """Returns the DTMF digits among the tones, in order."""
    return "".join(tone.value for tone in tones if tone.kind == "dtmf")


def attention_in(tones: tuple[ToneHeard, ...]) -> int | None:
    """Returns the level of the first attention tone, or None."""
    return next((int(tone.value) for tone in tones if tone.kind == "attention"), None)


def answer_in(tones: tuple[ToneHeard, ...]) -> str | None:
    """Returns the first answer tone (`accepted`, `wrong`), or None."""
    return next((tone.value for tone in tones if tone.kind == "answer"), None)


@dataclass
class _Run:
    """Successive windows that hold the same digit or the same single tone."""

    symbol: str | int
    start_s: float
    end_s: float
    hits: int = 1
    misses: int = 0
    mean_square_sum: float = 0.0

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s

    @property
    def mean_square(self) -> float:
        return self.mean_square_sum / self.hits


@dataclass
class ToneDetector:
    """Listens to one stream of audio and says which tones were in it, exact patterns only.

    Feed it 20 ms frames as they come; a digit is told some 30 ms after its end, a pattern
    once 150 ms have shown that nothing continues it. Speech, noise and other tones say nothing.
    """

    _history: npt.NDArray[np.float32] = field(
        default_factory=lambda: np.zeros(_HOP, np.float32)
    )
    _windows: int = 0
    _run: _Run | None = None
    _group: list[_Run] = field(default_factory=list)

    def feed(self, frame: Samples) -> list[ToneHeard]:
        """Returns what this audio completed, oldest first.

        Args:
            frame: int16 samples, any multiple of 80 (10 ms); a frame is 160.
        """
        audio = np.concatenate([self._history, frame.astype(np.float32)])
        self._history = audio[-_HOP:]
        windows = np.lib.stride_tricks.sliding_window_view(audio, _WINDOW)[::_HOP]
        energies = np.einsum("ij,ij->i", windows, windows)
        products = np.square(windows @ _MATRIX)
        # The share of a window's energy that lies on a tone: 1.0 for a steady sine.
        shares = (products[:, :_TONES] + products[:, _TONES:]) * (2 / _WINDOW)
        shares /= np.maximum(energies, 1.0)[:, None]
        heard: list[ToneHeard] = []
        for energy, share in zip(energies.tolist(), shares.tolist(), strict=True):
            heard += self._step(energy / _WINDOW, share)
        return heard

    def flush(self) -> list[ToneHeard]:
        """Returns what was still pending; the audio is over. The detector starts afresh."""
        heard = self._close_run() + self._close_group()
        self._history = np.zeros(_HOP, np.float32)
        self._windows = 0
        return heard

    def _step(self, mean_square: float, share: list[float]) -> list[ToneHeard]:
        start_s = (self._windows - 1) * _HOP_S
        self._windows += 1
        symbol = _classify(share) if mean_square > _FLOOR_MEAN_SQUARE else None
        run = self._run
        if run is not None and symbol == run.symbol:
            run.end_s = start_s + _WINDOW_S
            run.hits += 1
            run.misses = 0
            run.mean_square_sum += mean_square
            return []
        heard: list[ToneHeard] = []
        if run is not None:
            run.misses += 1
            if symbol is not None or run.misses > _BRIDGED_WINDOWS:
                heard += self._close_run()
        if symbol is not None:
            self._run = _Run(symbol, start_s, start_s + _WINDOW_S, mean_square_sum=mean_square)
        elif self._run is None and self._group and self._is_apart(start_s):
            heard += self._close_group()
        return heard

    def _is_apart(self, start_s: float) -> bool:
        return start_s - self._group[-1].end_s > _GROUP_GAP_S

    def _close_run(self) -> list[ToneHeard]:
        run, self._run = self._run, None
        if run is None or run.hits < _DIGIT_WINDOWS:
            return []
        if isinstance(run.symbol, str):
            level = _dbfs(run.mean_square)
            return [ToneHeard(_place(run), "dtmf", run.symbol, run.duration_s, level)]
        heard = self._close_group() if self._group and self._is_apart(run.start_s) else []
        self._group.append(run)
        return heard

    def _close_group(self) -> list[ToneHeard]:
        group, self._group = self._group, []
        heard: list[ToneHeard] = []
        first = 0
        while first < len(group):
            pattern = next((p for p in _PATTERNS if _fits(p, group, first)), None)
            if pattern is None:
                first += 1
                continue
            runs = group[first : first + len(pattern.tones)]
            heard.append(_pattern_heard(pattern, runs))
            first += len(runs)
        return heard


def _classify(share: list[float]) -> str | int | None:
    """Returns the DTMF digit, or the single tone in hertz, that fills a window; else None."""
    rows, columns, singles = share[:4], share[4:8], share[8:]
    single = max(singles)
    if single > _PURITY:
        return _SINGLES_HZ[singles.index(single)]
    row, column = max(rows), max(columns)
    if row + column < _PURITY or not row / _TWIST < column < row * _TWIST:
        return None
    # Two digits at once may share a tone and so pass for pure: one of each group, or none.
    if sorted(rows)[-2] > row * _THIRD_TONE or sorted(columns)[-2] > column * _THIRD_TONE:
        return None
    return _KEYS[rows.index(row)][columns.index(column)]


def _fits(pattern: _Pattern, group: list[_Run], first: int) -> bool:
    """Says whether the pattern stands in the group at `first`, with nothing continuing it."""
    after = first + len(pattern.tones)
    if after > len(group):
        return False
    if first and group[first - 1].symbol == pattern.tones[-1][0]:
        return False
    if after < len(group) and group[after].symbol == pattern.tones[0][0]:
        return False
    runs = group[first:after]
    gaps_fit = all(
        abs(later.start_s - earlier.end_s - pattern.gap_ms / 1000) < _TOLERANCE_S
        for earlier, later in itertools.pairwise(runs)
    )
    return gaps_fit and all(
        run.symbol == hz and abs(run.duration_s - ms / 1000) < _TOLERANCE_S
        for run, (hz, ms) in zip(runs, pattern.tones, strict=True)
    )


def _pattern_heard(pattern: _Pattern, runs: list[_Run]) -> ToneHeard:
    level = _dbfs(sum(run.mean_square for run in runs) / len(runs))
    duration_s = runs[-1].end_s - runs[0].start_s
    return ToneHeard(_place(runs[0]), pattern.kind, pattern.value, duration_s, level)


def _place(run: _Run) -> float:
    return round(max(0.0, run.start_s), 3)
