"""One engine that hears every kind of signalling on every channel at once. Pure.

Each kind has its bank, which works on all its channels in one stroke. Here they are given the
same frames, each the channels that wish for it, and what they heard is put in order. Tones and
codes below the voice are looked for in one low band that both banks share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from drivers.radio import dtmf_looks, selcall
from drivers.radio.arrays import BoolArray, IntArray
from drivers.radio.ctcss import CtcssBank
from drivers.radio.dcs import DcsBank
from drivers.radio.dtmf import DtmfBank
from drivers.radio.heard import Heard, HeardKind, MdcPacket, SelcallFit
from drivers.radio.low_band import LowBand
from drivers.radio.mdc1200 import MdcBank
from drivers.radio.samples import FRAME_SAMPLES, Int16Array
from drivers.radio.selcall import SelcallBank
from drivers.radio.selcall_tables import TABLES, SelcallTable
from drivers.radio.settings import RadioChannel

# Where more than a frame is there already, it is taken in longer pieces, which costs less.
_DIGITS_PIECE_SAMPLES = dtmf_looks.FRAMES_AT_ONCE_MAX * FRAME_SAMPLES
_PIECE_SAMPLES = selcall.FRAMES_AT_ONCE_MAX * FRAME_SAMPLES
_LOW_PIECE_SAMPLES = 25 * FRAME_SAMPLES

__all__ = [
    "Heard",
    "HeardKind",
    "Hearing",
    "MdcPacket",
    "Presence",
    "SelcallFit",
    "Wishes",
    "tables_of",
    "wishes_of",
]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What one channel listens for.

    Attributes:
        dtmf: digits.
        selcall: tables of five-tone calls; empty for none.
        mdc1200: packets.
        ctcss_hz: tones below the voice (the audio must come from a discriminator).
        dcs: codes, such as ``023N``; the same.
    """

    dtmf: bool = False
    selcall: tuple[SelcallTable, ...] = ()
    mdc1200: bool = False
    ctcss_hz: tuple[float, ...] = ()
    dcs: tuple[str, ...] = ()


class Presence(NamedTuple):
    """A tone or code below the voice has come or gone.

    Attributes:
        channel: index of the channel.
        kind: tone or code.
        heard: what is there now; None when it is gone.
    """

    channel: int
    kind: Literal["ctcss", "dcs"]
    heard: Heard | None


class Hearing:
    """All banks for a list of channels.

    Args:
        wishes: what each channel listens for.
        before: goes on where this one is, for the channels that ``sources`` names.
        sources: for each channel its index in ``before``, None for a new one.

    Attributes:
        ctcss: the bank whose ``present`` is a tone squelch; None where no channel wishes it.
        dcs: likewise.
    """

    def __init__(
        self,
        wishes: Sequence[Wishes],
        *,
        before: Hearing | None = None,
        sources: Sequence[int | None] | None = None,
    ) -> None:
        n = len(wishes)
        from_ = [None] * n if sources is None else list(sources)
        self._dtmf: DtmfBank | None = None
        self._digits = np.array([w.dtmf for w in wishes], np.bool_)
        self._calls = np.array([bool(w.selcall) for w in wishes], np.bool_)
        self._packets = np.array([w.mdc1200 for w in wishes], np.bool_)
        self._selcall: SelcallBank | None = None
        self._mdc: MdcBank | None = None
        self.ctcss: CtcssBank | None = None
        self.dcs: DcsBank | None = None
        if self._digits.any():
            old_dtmf = before and before._dtmf
            self._dtmf = old_dtmf.rearranged(from_) if old_dtmf else DtmfBank(n)
        if self._calls.any():
            tables, old_selcall = [w.selcall for w in wishes], before and before._selcall
            self._selcall = (
                old_selcall.rearranged(from_, tables)
                if old_selcall
                else SelcallBank(n, tables)
            )
        if self._packets.any():
            old_mdc = before and before._mdc
            self._mdc = old_mdc.rearranged(from_) if old_mdc else MdcBank(n)
        self._below_voice(wishes, before, from_)

    def _below_voice(
        self, wishes: Sequence[Wishes], before: Hearing | None, sources: Sequence[int | None]
    ) -> None:
        """Make the banks of tones and codes, and the low band they share."""
        n = len(wishes)
        self._tones = np.array([bool(w.ctcss_hz) for w in wishes], np.bool_)
        self._codes = np.array([bool(w.dcs) for w in wishes], np.bool_)
        self._was = {"ctcss": np.zeros(n, np.bool_), "dcs": np.zeros(n, np.bool_)}
        self._low: LowBand = before._low.rearranged(sources) if before else LowBand(n)
        if self._tones.any():
            hz, old_ctcss = [w.ctcss_hz for w in wishes], before and before.ctcss
            self.ctcss = (
                old_ctcss.rearranged(sources, hz, self._low)
                if old_ctcss
                else CtcssBank(n, hz, self._low)
            )
        if self._codes.any():
            codes, old_dcs = [w.dcs for w in wishes], before and before.dcs
            self.dcs = (
                old_dcs.rearranged(sources, codes, self._low)
                if old_dcs
                else DcsBank(n, codes, self._low)
            )
        for to, source in enumerate(sources):
            if before is not None and source is not None:
                for kind, was in self._was.items():
                    was[to] = before._was[kind][source]

    def rearranged(self, sources: Sequence[int | None], wishes: Sequence[Wishes]) -> Hearing:
        """Return an engine for other channels that goes on where this one is.

        Args:
            sources: for each of them its index in this one, None for a new channel. What is
                under way on channels that stay is not lost.
            wishes: as for a new engine; those of channels that stay may not change.
        """
        return Hearing(wishes, before=self, sources=sources)

    def step(
        self,
        frames: Int16Array,
        listening: BoolArray,
        below: BoolArray | None = None,
        missing: IntArray | None = None,
    ) -> list[Heard]:
        """Take the next 20 ms of every channel and return what has ended.

        What ended in one step is in order of beginning, then of channel. Nothing heard on a
        channel waits longer than the step in which its ``listening`` becomes False.

        Args:
            frames: (n_channels, 160) int16, 8 kHz.
            listening: (n_channels,) bool; frames of other channels are not looked at.
            below: (n_channels,) bool, where tones and codes below the voice are looked for;
                None for where the rest is.
            missing: (n_channels,), 1 where a frame was invented for one that never came, 2
                where more is missing: a digit is read from what is around it, or else told as
                ``?``, and a packet from what is left of it.
        """
        found = self._step_digits(frames, listening, missing)
        found += self._step_calls(frames, listening)
        found += self._step_packets(frames, listening, missing)
        found += self._step_below(frames, listening if below is None else below)
        return sorted(found, key=lambda heard: (heard.start_sample, heard.channel))

    def _step_digits(
        self, frames: Int16Array, listening: BoolArray, missing: IntArray | None = None
    ) -> list[Heard]:
        if self._dtmf is None:
            return []
        return [
            Heard(d.channel, "dtmf", None, d.symbol, d.start_sample, d.duration_ms)
            for d in self._dtmf.step(frames, listening & self._digits, missing)
        ]

    def _step_calls(self, frames: Int16Array, listening: BoolArray) -> list[Heard]:
        if self._selcall is None:
            return []
        return self._selcall.step(frames, listening & self._calls)

    def _step_packets(
        self, frames: Int16Array, listening: BoolArray, missing: IntArray | None = None
    ) -> list[Heard]:
        if self._mdc is None:
            return []
        return self._mdc.step(frames, listening & self._packets, missing)

    def _step_below(self, frames: Int16Array, listening: BoolArray) -> list[Heard]:
        if self.ctcss is None and self.dcs is None:
            return []
        self._low.step(frames, listening & (self._tones | self._codes))
        found = self.ctcss.look(listening & self._tones) if self.ctcss is not None else []
        return found + (self.dcs.look(listening & self._codes) if self.dcs is not None else [])

    def _hear_below(self, samples: Int16Array, listening: BoolArray) -> list[Heard]:
        found: list[Heard] = []
        if self.ctcss is None and self.dcs is None:
            return found
        for piece in _cut(samples, _LOW_PIECE_SAMPLES):
            n_frames = piece.shape[1] // FRAME_SAMPLES
            self._low.step(piece, listening & (self._tones | self._codes))
            if self.ctcss is not None:
                found += self.ctcss.look_at_all(n_frames, listening & self._tones)
            if self.dcs is not None:
                found += self.dcs.look_at_all(n_frames, listening & self._codes)
        return found

    def changed(self) -> list[Presence]:
        """Return the tones and codes below the voice that came or went since the last call."""
        found: list[Presence] = []
        banks: tuple[tuple[Literal["ctcss", "dcs"], CtcssBank | DcsBank | None], ...]
        banks = (("ctcss", self.ctcss), ("dcs", self.dcs))
        for kind, bank in banks:
            if bank is None:
                continue
            for channel in np.flatnonzero(bank.present != self._was[kind]).tolist():
                found.append(Presence(channel, kind, bank.under_way(channel)))
            self._was[kind] = bank.present.copy()
        return found

    def hear(self, samples: Int16Array, listening: BoolArray) -> list[Heard]:
        """Take a longer piece at once, as of a recording; return what `step` would.

        One bank goes through the whole piece before the next begins, which costs less: each
        finds its own filters still in the processor's cache.

        Args:
            samples: (n_channels, a multiple of 160) int16, 8 kHz.
            listening: (n_channels,) bool, for the whole piece.
        """
        pieces = _cut(samples, _DIGITS_PIECE_SAMPLES)
        found = [h for piece in pieces for h in self._step_digits(piece, listening)]
        pieces = _cut(samples, _PIECE_SAMPLES)
        found += [h for piece in pieces for h in self._step_calls(piece, listening)]
        found += [h for piece in pieces for h in self._step_packets(piece, listening)]
        found += self._hear_below(samples, listening)
        return sorted(found, key=lambda heard: (heard.start_sample, heard.channel))


def wishes_of(channel: RadioChannel) -> Wishes:
    """Return what a channel listens for, by its settings."""
    signalling = channel.signalling
    return Wishes(
        dtmf=signalling.dtmf,
        selcall=tables_of(channel),
        mdc1200=signalling.mdc1200,
        ctcss_hz=signalling.ctcss,
        dcs=signalling.dcs,
    )


def tables_of(channel: RadioChannel) -> tuple[SelcallTable, ...]:
    """Return the five-tone tables of a channel, in the order in which they are preferred."""
    return tuple(
        TABLES[table]
        if isinstance(table, str)
        else SelcallTable.custom(table.name, table.tone_ms, table.tones)
        for table in channel.signalling.selcall
    )


def _cut(samples: Int16Array, length: int) -> list[Int16Array]:
    """Return the samples in pieces of that length, the last one shorter."""
    places = range(0, samples.shape[1], length)
    return [samples[:, k : k + length] for k in places]
