"""Five-tone calls as a radio sends them, and an ear for them.

Written apart from the gateway's own. Source: signalling facts, section 4 (tables of svxlink and
multimon-ng, which agree on digits and E; A-D and F differ between makers).
"""

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from simulators.tones import RATE_HZ, Samples, silence, tone

SYMBOLS: Final = "0123456789ABCDEF"


@dataclass(frozen=True)
class ToneSet:
    """A table: the length of each tone and its frequency, in the order of `SYMBOLS`."""

    name: str
    tone_ms: int
    hz: tuple[int, ...]


def _set(name: str, tone_ms: int, *hz: int) -> ToneSet:
    assert len(hz) == len(SYMBOLS)
    return ToneSet(name, tone_ms, hz)


SETS: Final = {
    each.name: each
    for each in (
        _set("zvei1", 70, 2400, 1060, 1160, 1270, 1400, 1530, 1670, 1830, 2000, 2200,
             2800, 810, 970, 885, 2600, 680),
        _set("zvei2", 70, 2400, 1060, 1160, 1270, 1400, 1530, 1670, 1830, 2000, 2200,
             885, 810, 740, 680, 970, 2600),
        _set("dzvei", 70, 2200, 970, 1060, 1160, 1270, 1400, 1530, 1670, 1830, 2000,
             825, 740, 2600, 885, 2400, 680),
        _set("ccir", 100, 1981, 1124, 1197, 1275, 1358, 1446, 1540, 1640, 1747, 1860,
             2400, 930, 2247, 991, 2110, 1055),
        _set("eea", 40, 1981, 1124, 1197, 1275, 1358, 1446, 1540, 1640, 1747, 1860,
             1055, 930, 2247, 991, 2110, 2400),
        _set("eia", 33, 600, 741, 882, 1023, 1164, 1305, 1446, 1587, 1728, 1869,
             2151, 2433, 2010, 2292, 459, 1091),
    )
}  # fmt: skip

CALL_SYMBOLS: Final = 5
_SHORTEST, _LONGEST = 0.65, 1.4
_PURITY: Final = 0.55
_FAINT_MEAN_SQUARE: Final = 0.5 * (32767 * 10 ** (-45 / 20)) ** 2
_PARTS: Final = 8
_WINDOW_MS: Final = 28
# Senders are up to 1.5 % off; each symbol is looked for at these places.
_OFF_BY: Final = (-0.014, -0.007, 0.0, 0.007, 0.014)


def on_air(digits: str) -> str:
    """Returns the symbols sent for a call: a digit like the one before becomes E.

    `22222` goes out as `2E2E2`, `10002` as `10E02`.
    """
    sent = ""
    for digit in digits:
        sent += "E" if sent and sent[-1] == digit else digit
    return sent


def encode(
    digits: str,
    tone_set: str = "zvei1",
    *,
    first_ms: float | None = None,
    off_by: float = 0.0,
    level_dbfs: float = -12.0,
) -> Samples:
    """Returns a call as sound, with no gap between its tones.

    Args:
        digits: five of `0-9 A-D F`.
        tone_set: a name of `SETS`.
        first_ms: length of the first tone, for squelches that open late.
        off_by: how wrong the sender's frequencies are; 0.015 is 1.5 % high.
        level_dbfs: of each tone.

    Raises:
        ValueError: there is no such set, or a symbol has no tone in it.
    """
    if tone_set not in SETS:
        message = f"no five-tone set is called {tone_set!r}; there are {', '.join(SETS)}"
        raise ValueError(message)
    if not set(digits) <= set(SYMBOLS):
        message = f"{digits!r} is not a five-tone call; use {SYMBOLS}"
        raise ValueError(message)
    table = SETS[tone_set]
    parts = []
    for number, symbol in enumerate(on_air(digits)):
        first = number == 0 and first_ms is not None
        length_ms = first_ms if first and first_ms is not None else table.tone_ms
        hz = table.hz[SYMBOLS.index(symbol)] * (1 + off_by)
        parts.append(tone((hz,), length_ms, level_dbfs))
    return np.concatenate([*parts, silence(20)])


@dataclass(frozen=True)
class CallHeard:
    """A whole call: when it began, of which set, and its digits with repeats resolved."""

    at_s: float
    tone_set: str
    digits: str


def decode(samples: Samples, tone_set: str) -> list[CallHeard]:
    """Returns the calls of one set in the sound, in order.

    A call is five tones with nothing between, each within 65 and 140 % of the set's length but
    the first, which may be longer; what has more or fewer is none.
    """
    table = SETS[tone_set]
    hop = table.tone_ms * RATE_HZ // 1000 // _PARTS
    heard = []
    for first, symbols, lengths in _strings(_symbols(samples, table, hop)):
        fits = all(_SHORTEST <= each / _PARTS <= _LONGEST for each in lengths[1:])
        if len(symbols) == CALL_SYMBOLS and fits and lengths[0] / _PARTS >= _SHORTEST:
            at_s = round(first * hop / RATE_HZ, 3)
            heard.append(CallHeard(at_s, tone_set, _resolved(symbols)))
    return heard


def _resolved(symbols: str) -> str:
    digits = symbols[0]
    for symbol in symbols[1:]:
        digits += digits[-1] if symbol == "E" else symbol
    return digits


@functools.lru_cache(maxsize=8)
def _matrix(table: ToneSet, window: int) -> npt.NDArray[np.float64]:
    """Returns (window, 2 × places × symbols): cosines, then sines, under a raised cosine."""
    hz = np.outer(1 + np.array(_OFF_BY), table.hz).ravel()
    angle = 2 * np.pi * np.outer(np.arange(window), hz) / RATE_HZ
    shape = np.hanning(window + 2)[1:-1, None]
    return np.concatenate([shape * np.cos(angle), shape * np.sin(angle)], axis=1)


def _symbols(samples: Samples, table: ToneSet, hop: int) -> list[str | None]:
    """Returns for each hop the symbol whose tone fills the half tone around it, or None."""
    window = min(hop * (_PARTS // 2), _WINDOW_MS * RATE_HZ // 1000)
    if samples.size < window:
        return []
    frames = np.lib.stride_tricks.sliding_window_view(samples, window)[::hop].astype(np.float64)
    shape = np.hanning(window + 2)[1:-1]
    product = frames @ _matrix(table, window)
    half = len(SYMBOLS) * len(_OFF_BY)
    power = product[:, :half] ** 2 + product[:, half:] ** 2
    power = power.reshape(-1, len(_OFF_BY), len(SYMBOLS)).max(axis=1)
    whole = np.maximum((frames**2 * shape).sum(axis=1) * shape.sum() / 2, 1.0)
    best = power.argmax(axis=1)
    pure = power.max(axis=1) > _PURITY * whole
    loud = (frames**2).mean(axis=1) > _FAINT_MEAN_SQUARE
    pairs = zip(best, pure & loud, strict=True)
    return [SYMBOLS[symbol] if sure else None for symbol, sure in pairs]


def _strings(symbols: list[str | None]) -> Iterator[tuple[int, str, list[int]]]:
    """Yields (first hop, symbols, hops of each) of tones that follow one another at once."""
    at, string, lengths, first = 0, "", list[int](), 0
    for symbol, group in itertools.groupby(symbols):
        count = len(list(group))
        if symbol is not None and count > 1:
            first = first if string else at
            string += symbol
            lengths.append(count)
        elif string and (symbol is None and count > _PARTS // 2):
            yield first, string, lengths
            string, lengths = "", []
        at += count
    if string:
        yield first, string, lengths
