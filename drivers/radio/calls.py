"""Signalling that we send: selective calls before an order, packets in answer to a radio. Pure.

::

    zvei1:12345                   five tones, of a table that the channel knows
    dtmf:110                      digits
    mdc1200:call:1234             call alert to the radio 1234, from our own unit
    mdc1200:emergency_ack:1234    the radio 1234 need not repeat its emergency any more
    mdc1200:ack:1234              its message was taken
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from drivers.radio import dtmf, mdc1200_words, selcall_tables
from drivers.radio.samples import Int16Array, duration_ms_of, samples_of
from drivers.radio.selcall_tables import TABLES, SelcallTable

# Radios with a battery saver listen now and then only; a long first tone wakes them.
_FIRST_TONE_MS: Final = 200.0
_PREAMBLE_MS: Final = 150.0
# A radio needs a moment to take one call in before the next.
_GAP_MS: Final = 150.0
# The order itself has to come, and every transmission has its time-out.
CALLS_MS_MAX: Final = 8000.0
_DIGITS: Final = re.compile(r"[0-9A-D*#]{1,16}")
_UNIT: Final = re.compile(r"[0-9A-Fa-f]{4}")
_PACKETS: Final = {"emergency_ack": (0x20, 0x00), "ack": (0x23, 0x00)}
_CALL_ALERT: Final = (0x35, 0x89)
# The second word of a call alert that wants to be acknowledged.
_CALL_ALERT_FROM: Final = bytes([0x83, 0x0D])


class Caller:
    """Turns calls into sound.

    Args:
        tables: Five-tone tables of the channel; those of the trade are always known.
        own_unit: Our own MDC1200 unit, four hexadecimal digits, or None.
    """

    def __init__(
        self, tables: Sequence[SelcallTable] = (), own_unit: str | None = None
    ) -> None:
        self._tables: Mapping[str, SelcallTable] = {
            **TABLES, **{table.name: table for table in tables}
        }  # fmt: skip
        self._own_unit = own_unit

    def sound(self, call: str) -> Int16Array:
        """Return one call as 8 kHz samples.

        Raises:
            ValueError: it cannot be sent; the message says what is wrong with it.
        """
        kind, _, rest = call.partition(":")
        if kind == "dtmf":
            return self._digits(rest)
        if kind == "mdc1200":
            return self._packet(rest)
        if kind not in self._tables:
            msg = f"{call!r}: no such signalling; use dtmf, mdc1200 or a five-tone table"
            raise ValueError(msg)
        return selcall_tables.encode(self._tables[kind], rest, first_tone_ms=_FIRST_TONE_MS)

    def sounds(self, calls: Sequence[str]) -> tuple[Int16Array, list[str]]:
        """Return calls one after the other, each with its gap, and why others are left out."""
        gap = np.zeros(samples_of(_GAP_MS), np.int16)
        parts: list[Int16Array] = [np.zeros(0, np.int16)]
        wrong: list[str] = []
        left_ms = CALLS_MS_MAX
        for call in calls:
            try:
                sound = np.concatenate([self.sound(call), gap])
            except ValueError as error:
                wrong.append(str(error))
                continue
            left_ms -= duration_ms_of(sound)
            if left_ms < 0:
                wrong.append(f"{call!r}: more than {CALLS_MS_MAX / 1000:g} s of calls")
                break
            parts.append(sound)
        return np.concatenate(parts), wrong

    def _digits(self, digits: str) -> Int16Array:
        if not _DIGITS.fullmatch(digits):
            msg = f"'dtmf:{digits}': use 1 to 16 of 0 to 9, A to D, * and #"
            raise ValueError(msg)
        return dtmf.encode(digits, tone_ms=100.0, gap_ms=100.0)

    def _packet(self, rest: str) -> Int16Array:
        what, _, unit = rest.partition(":")
        if not _UNIT.fullmatch(unit):
            msg = f"'mdc1200:{rest}': the unit has four hexadecimal digits, such as 1234"
            raise ValueError(msg)
        meant = bytes.fromhex(unit)
        if what in _PACKETS:
            packet = mdc1200_words.packet_of(bytes(_PACKETS[what]) + meant)
        elif what != "call":
            msg = f"'mdc1200:{rest}': use call, {' or '.join(_PACKETS)}"
            raise ValueError(msg)
        elif self._own_unit is None:
            msg = f"'mdc1200:{rest}': the channel's signalling has no mdc_unit to call from"
            raise ValueError(msg)
        else:
            second = _CALL_ALERT_FROM + bytes.fromhex(self._own_unit)
            packet = mdc1200_words.packet_of(bytes(_CALL_ALERT) + meant, second=second)
        return mdc1200_words.encode(packet, preamble_ms=_PREAMBLE_MS)
