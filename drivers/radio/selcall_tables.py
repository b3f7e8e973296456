"""Five-tone sequential calling: tables, and calls to samples.

Symbols, frequencies and tone lengths of ZVEI, CCIR, EEA and EIA are those of Zetron's Model 15
manual, table 7-7, for digits and repeat tone; the letters beyond follow the commonest use.
Makers agree on 0 to 9 and the repeat tone only, so a site that needs other letters, or another
table altogether, names its own (`SelcallTable.custom`).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from drivers.radio.samples import (
    SAMPLE_RATE_HZ,
    Int16Array,
    faded,
    peak_of,
    samples_of,
    to_int16,
)

__all__ = [
    "CALL_TONES",
    "SYMBOLS",
    "TABLES",
    "SelcallTable",
    "digits_of",
    "encode",
    "read_as",
    "symbols_of",
]

SYMBOLS = "0123456789ABCDEF"
REPEAT = "E"
CALL_TONES = 5


@dataclass(frozen=True, slots=True)
class SelcallTable:
    """One five-tone table.

    Attributes:
        name: as reported, such as ``zvei1``.
        tone_ms: nominal length of a tone.
        tones_hz: frequencies of 0 to 9 and A to F, in that order; E is the repeat tone.
            A table may leave out F, then D and F, and so on: 0.0 stands for no tone.
    """

    name: str
    tone_ms: float
    tones_hz: tuple[float, ...]

    @staticmethod
    def custom(name: str, tone_ms: float, tones_hz: Mapping[str, float]) -> SelcallTable:
        """Return a table of a site's own.

        Args:
            name: what the table is called.
            tone_ms: 20 to 200 ms.
            tones_hz: 0 to 9 and E are needed; A, B, C, D, F may be given. 350 to 2950 Hz.

        Raises:
            ValueError: a symbol that is missing or unknown, a length or frequency out of
                range, or two tones too close to be told apart at ±1.5 %.
        """
        if wrong := _why_not(tone_ms, tones_hz):
            msg = f"selcall table {name!r}: {wrong}"
            raise ValueError(msg)
        return SelcallTable(name, tone_ms, tuple(tones_hz.get(s, 0.0) for s in SYMBOLS))


def _why_not(tone_ms: float, tones_hz: Mapping[str, float]) -> str | None:
    if unknown := sorted(tones_hz.keys() - set(SYMBOLS)):
        return f"{unknown[0]!r} is no symbol; use 0 to 9 and A to F"
    if missing := sorted(set("0123456789E") - tones_hz.keys()):
        return f"no frequency for {', '.join(missing)}; 0 to 9 and E (repeat) are needed"
    if not 20.0 <= tone_ms <= 200.0:
        return f"tones of {tone_ms:g} ms; use 20 to 200"
    in_order = sorted((hz, symbol) for symbol, hz in tones_hz.items())
    for hz, symbol in in_order:
        if not 350.0 <= hz <= 2950.0:
            return f"{symbol} at {hz:g} Hz; use 350 to 2950 Hz"
    for (low, a), (high, b) in itertools.pairwise(in_order):
        if high - low < max(0.04 * low, 1600.0 / tone_ms):
            return f"{a} and {b} ({low:g} and {high:g} Hz) are too close to be told apart"
    return None


def _table(name: str, tone_ms: float, *tones_hz: float) -> SelcallTable:
    return SelcallTable(name, tone_ms, tones_hz)


_CCIR_DIGITS = (1981, 1124, 1197, 1275, 1358, 1446, 1540, 1640, 1747, 1860)
_ZVEI_DIGITS = (2400, 1060, 1160, 1270, 1400, 1530, 1670, 1830, 2000, 2200)
_EIA_DIGITS = (600, 741, 882, 1023, 1164, 1305, 1446, 1587, 1728, 1869)
_DZVEI_DIGITS = (2200, 970, 1060, 1160, 1270, 1400, 1530, 1670, 1830, 2000)

TABLES: Mapping[str, SelcallTable] = {
    table.name: table
    for table in (
        _table("zvei1", 70.0, *_ZVEI_DIGITS, 2800, 810, 970, 885, 2600, 680),
        _table("zvei2", 70.0, *_ZVEI_DIGITS, 885, 810, 740, 680, 970, 2600),
        _table("ccir", 100.0, *_CCIR_DIGITS, 2400, 930, 2247, 991, 2110, 1055),
        _table("eea", 40.0, *_CCIR_DIGITS, 1055, 930, 2247, 991, 2110, 2400),
        _table("eia", 33.0, *_EIA_DIGITS, 2151, 2433, 2010, 2292, 459, 1091),
        _table("dzvei", 70.0, *_DZVEI_DIGITS, 825, 740, 2600, 885, 2400, 680),
    )
}


def read_as(call: str, table: SelcallTable, other: SelcallTable) -> str | None:
    """Return what the tones of a call mean in another table, None where they mean nothing.

    Args:
        call: five digits.
        table: the table that they were read in.
        other: the other one.
    """
    read = ""
    for symbol in symbols_of(call):
        hz = table.tones_hz[SYMBOLS.index(symbol)]
        near = (s for s, tone in zip(SYMBOLS, other.tones_hz, strict=True) if tone == hz)
        meant = next(near, None)
        if meant is None or (meant == REPEAT and not read):
            return None
        read += read[-1] if meant == REPEAT else meant
    return read


def symbols_of(digits: str) -> str:
    """Return what goes on the air: each digit equal to the one before becomes E.

    22222 → 2E2E2, 10002 → 10E02 (a digit after E is written out again).

    Raises:
        ValueError: not five of 0 to 9, A to D and F.
    """
    if len(digits) != CALL_TONES or set(digits) - set(SYMBOLS) or REPEAT in digits:
        msg = f"{digits!r} is no five-tone call; use five of 0 to 9, A to D and F"
        raise ValueError(msg)
    sent = ""
    for digit in digits:
        sent += REPEAT if sent.endswith(digit) else digit
    return sent


def digits_of(symbols: str) -> str | None:
    """Return the digits that ``symbols`` stand for; None where E repeats nothing."""
    if symbols.startswith(REPEAT) or REPEAT + REPEAT in symbols:
        return None
    digits = ""
    for symbol in symbols:
        digits += digits[-1] if symbol == REPEAT else symbol
    return digits


def encode(
    table: SelcallTable,
    digits: str,
    *,
    first_tone_ms: float | None = None,
    level_dbfs: float = -9.0,
) -> Int16Array:
    """Return the five tones of a call, one after the other with no gap.

    Args:
        table: frequencies and tone length.
        digits: five of 0 to 9, A to D and F; repeats become the repeat tone.
        first_tone_ms: a longer first tone, so that a receiver's squelch and battery saver
            open in time (up to 700 ms is usual).
        level_dbfs: peak level.

    Returns:
        8 kHz mono int16 samples.

    Raises:
        ValueError: not a call, or a symbol for which the table has no tone.
    """
    lengths_ms = [first_tone_ms or table.tone_ms] + [table.tone_ms] * (CALL_TONES - 1)
    hz: list[float] = []
    for symbol in symbols_of(digits):
        tone_hz = table.tones_hz[SYMBOLS.index(symbol)]
        if not tone_hz:
            msg = f"table {table.name} has no tone for {symbol}"
            raise ValueError(msg)
        hz.append(tone_hz)
    edges = [samples_of(sum(lengths_ms[:k])) for k in range(CALL_TONES + 1)]
    steps = np.repeat(hz, np.diff(edges))
    # One phase through all tones: a jump would splatter.
    phase = 2.0 * np.pi * np.cumsum(steps) / SAMPLE_RATE_HZ
    return faded(to_int16(np.sin(phase) * peak_of(level_dbfs)), in_ms=2.0, out_ms=2.0)
