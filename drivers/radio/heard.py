"""What a signalling decoder heard: one value for every kind of tone and packet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from drivers.radio.samples import SAMPLE_RATE_HZ

__all__ = ["Heard", "HeardKind", "MdcPacket", "SelcallFit", "span_of"]

HeardKind = Literal["dtmf", "selcall", "ctcss", "dcs", "mdc1200"]


@dataclass(frozen=True, slots=True)
class MdcPacket:
    """One MDC1200 packet, its check sum right.

    The tones say whether a bit differs from the one before, so that an audio path that inverts
    leaves no trace.

    Attributes:
        op: operation, 0 to 255.
        arg: its argument, 0 to 255.
        unit: four hexadecimal digits: who sends, or in the first word of a double packet who
            is meant.
        status: the byte behind the check sum (a message number, otherwise 0).
        second: ``op, arg, ID hi, ID lo`` of a double packet's second word, else None.
    """

    op: int
    arg: int
    unit: str
    status: int = 0
    second: bytes | None = None


@dataclass(frozen=True, slots=True)
class SelcallFit:
    """What else the tones of a five-tone call would mean.

    Attributes:
        also: other tables listened for that fit too, as ``zvei2:12345``.
    """

    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Heard:
    """One tone, call, code or packet heard on one channel.

    Attributes:
        channel: index of the channel in the bank.
        kind: what sort of signalling.
        set: which table or variant within the kind, such as ``zvei1``; None where there is
            only one.
        value: what was said in it: a DTMF symbol, five digits, ``88.5``, ``023N``, or words
            such as ``PTT ID start 1234``.
        start_sample: where it began, in samples since the bank was made (at the bank's rate).
        duration_ms: how long it lasted.
        detail: the fields of a packet, where the value alone does not say them.
    """

    channel: int
    kind: HeardKind
    set: str | None
    value: str
    start_sample: int
    duration_ms: float
    detail: MdcPacket | SelcallFit | None = None


def span_of(heard: Heard) -> tuple[float, float]:
    """Return where it begins and ends, in milliseconds since the bank was made."""
    begin_ms = 1000.0 * heard.start_sample / SAMPLE_RATE_HZ
    return begin_ms, begin_ms + heard.duration_ms
