"""DTMF symbols to reply frames and radio identities: a pure state machine, one per channel.

Four rules:

1. A digit alone never means anything. Only ``*…#`` is a reply; only a run of exactly the
   configured length, sent at machine pace, is an identity (DTMF-ANI).
2. Nothing reaches over the edge of an over: one over is one station.
3. What is not understood is kept as ``stray`` for the record, and applied to nothing.
4. A frame in which a digit may be missing is not understood: without it, it would name another
   order. It may be where sound was lost (``?``), and where a radio that sends at an even pace
   pauses for as long as a digit takes.

An identity at key-down is often clipped while the receiver's squelch opens. A clipped run is
too short and therefore no identity; digits keyed by hand afterwards do not complete it, as a
pause longer than ``ani_gap_s`` ends a run. Where a radio sends its identity at key-down and at
key-up and the two differ, it has none.
"""

from __future__ import annotations

import itertools
import statistics
from dataclasses import dataclass
from typing import Literal

from drivers.radio.dtmf_holes import UNREAD

AniPosition = Literal["start", "end", "both"]

# Longest reply: order 3, guard 3, action 1 and a one-time code of 6; room for as much again.
BODY_SYMBOLS_MAX = 24
# A whole minute of keying at machine pace is no reply; beyond this only the fact is kept.
STRAY_SYMBOLS_MAX = 128
# Between the starts of two symbols of one identity: radios send 50 to 300 ms tones and gaps.
ANI_GAP_S = 0.65
# Machines keep their pace to the millisecond; noise moves an edge by some of them.
_EVEN_MS = 15.0
# Of a pause that lost digits explain: so many steps of that pace, give or take.
_WHOLE_STEPS = 0.15
# An over may be given up by its sender between two digits, or drag on.
DIGIT_TIME_OUT_S = 3.0
COMMAND_TIME_OUT_S = 8.0


@dataclass(frozen=True, slots=True)
class DtmfMessage:
    """What was keyed in one over.

    Attributes:
        ani: The radio's own identity, or None.
        frames: Complete ``*…#`` frames not told before, without the marks.
        stray: Symbols outside any frame or identity; at the over's end those of the whole over.
    """

    ani: str | None
    frames: tuple[str, ...]
    stray: str


class DtmfFramer:
    """Turns the symbols of one channel into messages.

    Args:
        ani_length: Number of digits of an identity; None where radios send none.
        ani_position: Where radios send it: at key-down, at key-up, or both.
        ani_gap_s: A longer pause between two symbols ends a run.
        digit_time_out_s: A frame is abandoned after this pause.
        command_time_out_s: A frame is abandoned this long after its ``*``.
    """

    def __init__(
        self,
        ani_length: int | None = None,
        ani_position: AniPosition = "start",
        *,
        ani_gap_s: float = ANI_GAP_S,
        digit_time_out_s: float = DIGIT_TIME_OUT_S,
        command_time_out_s: float = COMMAND_TIME_OUT_S,
    ) -> None:
        self._ani_length = ani_length
        self._at_start = ani_length is not None and ani_position in {"start", "both"}
        self._at_end = ani_length is not None and ani_position in {"end", "both"}
        self._ani_gap_s = ani_gap_s
        self._digit_time_out_s = digit_time_out_s
        self._command_time_out_s = command_time_out_s
        self._begin()

    def _begin(self) -> None:
        self._ani: str | None = None
        self._run = ""
        self._untouched = True  # nothing but the present run has been heard in this over
        self._open: str | None = None
        self._spans_ms: list[tuple[float, float]] = []  # of the symbols of an open frame
        self._open_since_s = 0.0
        self._last_s = 0.0
        self._frames: list[str] = []
        self._stray = ""

    @property
    def ani(self) -> str | None:
        """The identity heard so far in this over."""
        return self._ani

    def over_started(self) -> None:
        """Forget whatever an over without an end has left."""
        self._begin()

    def heard(
        self, symbol: str, now_s: float, span_ms: tuple[float, float] | None = None
    ) -> DtmfMessage | None:
        """Take a symbol in; return a message when it completes a frame.

        A frame is told at its ``#``, unless the identity may still come at key-up: then it is
        told with the over's end, where the identity is known.

        Args:
            symbol: One of ``0123456789*#ABCD``, or ``?`` where one may be missing.
            now_s: When it was heard, monotonic.
            span_ms: Where its tone began and ended, by the samples' own clock; None where
                nobody knows.
        """
        abandoned = self._abandon(now_s)
        if symbol == UNREAD:
            self._missing(now_s)
            return DtmfMessage(self._ani, (), abandoned) if abandoned else None
        pause_s, self._last_s = now_s - self._last_s, now_s
        if symbol == "*":
            self._open_frame(now_s, span_ms)
        elif self._open is not None:
            self._into_frame(symbol, span_ms)
        elif symbol == "#":
            self._end_run()
            self._to_stray("#")
        else:
            if self._run and pause_s > self._ani_gap_s:
                self._end_run()
            self._run += symbol
            if len(self._run) > STRAY_SYMBOLS_MAX:
                self._end_run()
        if symbol == "#" and self._frames and not self._waits_for_ani():
            return self._message(abandoned)
        return DtmfMessage(self._ani, (), abandoned) if abandoned else None

    def tick(self, now_s: float) -> DtmfMessage | None:
        """Abandon a frame whose time is over; return its symbols as stray, once."""
        abandoned = self._abandon(now_s)
        return DtmfMessage(self._ani, (), abandoned) if abandoned else None

    def over_ended(self) -> DtmfMessage:
        """End the over and return what was not told before, with the whole over's stray."""
        if self._open is not None:
            self._to_stray("*" + self._open)
        self._end_run(at_key_up=True)
        message = self._message(self._stray)
        self._begin()
        return message

    def _message(self, stray: str) -> DtmfMessage:
        frames, self._frames = tuple(self._frames), []
        return DtmfMessage(self._ani, frames, stray)

    def _waits_for_ani(self) -> bool:
        return self._at_end and self._ani is None

    def _to_stray(self, symbols: str) -> None:
        self._stray = (self._stray + symbols)[:STRAY_SYMBOLS_MAX]

    def _abandon(self, now_s: float) -> str:
        """Close a frame that took too long; return its symbols, or nothing."""
        if self._open is None:
            return ""
        paused = now_s - self._last_s > self._digit_time_out_s
        if not paused and now_s - self._open_since_s <= self._command_time_out_s:
            return ""
        symbols, self._open = "*" + self._open, None
        self._to_stray(symbols)
        return symbols

    def _open_frame(self, now_s: float, span_ms: tuple[float, float] | None) -> None:
        """Begin a frame; one begun before was a slip of the finger."""
        self._end_run()
        self._untouched = False
        if self._open is not None:
            self._to_stray("*" + self._open)
        self._open, self._open_since_s = "", now_s
        self._spans_ms = [] if span_ms is None else [span_ms]

    def _into_frame(self, symbol: str, span_ms: tuple[float, float] | None) -> None:
        assert self._open is not None
        self._spans_ms += [] if span_ms is None else [span_ms]
        if symbol != "#" and len(self._open) < BODY_SYMBOLS_MAX:
            self._open += symbol
            return
        body, self._open = self._open, None
        if symbol == "#" and body and UNREAD not in body and not _skips(self._spans_ms):
            self._frames.append(body)
        else:
            self._to_stray("*" + body + symbol)

    def _missing(self, now_s: float) -> None:
        """Mark a place at which a digit may be missing; between digits nothing can be."""
        if self._open is not None:
            self._open += UNREAD if len(self._open) < BODY_SYMBOLS_MAX else ""
        elif now_s - self._last_s > self._ani_gap_s:
            self._end_run()
        elif self._run:
            self._run += UNREAD

    def _end_run(self, *, at_key_up: bool = False) -> None:
        """Take the run of bare digits for an identity where it can be one, else for stray."""
        run, self._run = self._run, ""
        first, self._untouched = self._untouched, self._untouched and not run
        if not run:
            return
        length = self._ani_length
        if self._at_start and self._at_end and first and at_key_up:
            # Keyed and let go at once: the two identities stand side by side.
            half = len(run) // 2
            if half == length and run[:half] == run[half:]:
                run = run[:half]
        if len(run) != length or not self._may_be_ani(first=first, at_key_up=at_key_up):
            self._to_stray(run)
        elif self._ani is None:
            self._ani = run
        elif self._ani != run:
            self._to_stray(self._ani + run)
            self._ani = None

    def _may_be_ani(self, *, first: bool, at_key_up: bool) -> bool:
        return (self._at_start and first) or (self._at_end and at_key_up)


def _skips(spans_ms: list[tuple[float, float]]) -> bool:
    """Whether symbols of one pace have pauses in which others may have been lost.

    From end to end: radios lengthen the first tone, not its pause.
    """
    steps_ms = [after[1] - before[1] for before, after in itertools.pairwise(spans_ms)]
    single_ms = [step for step in steps_ms if step - min(steps_ms) <= _EVEN_MS]
    if len(single_ms) < 2:
        return False
    steps = [step / statistics.mean(single_ms) for step in steps_ms]
    whole = all(abs(step - round(step)) < _WHOLE_STEPS for step in steps)
    return whole and round(max(steps)) > 1
