"""One engine that hears every kind of signalling on every channel at once. Pure.

Each kind has its bank, which works on all its channels in one stroke. Here they are given the
same frames, each the channels that wish for it, and what they heard is put in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivers.radio.ctcss import CtcssBank
from drivers.radio.dcs import DcsBank
from drivers.radio.dtmf import DtmfBank
from drivers.radio.heard import Heard, HeardKind, MdcPacket, SelcallFit
from drivers.radio.mdc1200 import MdcBank
from drivers.radio.samples import FRAME_SAMPLES, Int16Array
from drivers.radio.selcall import SelcallBank
from drivers.radio.selcall_tables import SelcallTable

BoolArray = npt.NDArray[np.bool_]
Step = Callable[[Int16Array, BoolArray], list[Heard]]

__all__ = ["Heard", "HeardKind", "Hearing", "MdcPacket", "SelcallFit", "Wishes"]


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


class Hearing:
    """All banks for a list of channels.

    Attributes:
        ctcss: the bank whose ``present`` is a tone squelch; None where no channel wishes it.
        dcs: likewise.
    """

    def __init__(self, wishes: Sequence[Wishes]) -> None:
        n = len(wishes)
        self._banks: list[tuple[BoolArray, Step]] = []
        self.ctcss: CtcssBank | None = None
        self.dcs: DcsBank | None = None
        if any(w.dtmf for w in wishes):
            self._add([w.dtmf for w in wishes], _as_heard(DtmfBank(n)))
        if any(w.selcall for w in wishes):
            selcall = SelcallBank(n, [w.selcall for w in wishes])
            self._add([bool(w.selcall) for w in wishes], selcall.step)
        if any(w.mdc1200 for w in wishes):
            self._add([w.mdc1200 for w in wishes], MdcBank(n).step)
        if any(w.ctcss_hz for w in wishes):
            self.ctcss = CtcssBank(n, [w.ctcss_hz for w in wishes])
            self._add([bool(w.ctcss_hz) for w in wishes], self.ctcss.step)
        if any(w.dcs for w in wishes):
            self.dcs = DcsBank(n, [w.dcs for w in wishes])
            self._add([bool(w.dcs) for w in wishes], self.dcs.step)

    def _add(self, wanted: Sequence[bool], step: Step) -> None:
        self._banks.append((np.array(wanted, np.bool_), step))

    def step(self, frames: Int16Array, listening: BoolArray) -> list[Heard]:
        """Take the next 20 ms of every channel and return what has ended.

        What ended in one step is in order of beginning, then of channel. Nothing heard on a
        channel waits longer than the step in which its ``listening`` becomes False.

        Args:
            frames: (n_channels, 160) int16, 8 kHz.
            listening: (n_channels,) bool; frames of other channels are not looked at.
        """
        found = [h for wanted, step in self._banks for h in step(frames, listening & wanted)]
        return sorted(found, key=lambda heard: (heard.start_sample, heard.channel))

    def hear(self, samples: Int16Array, listening: BoolArray) -> list[Heard]:
        """Take a longer piece at once, as of a recording; return what `step` would.

        One bank goes through the whole piece before the next begins, which costs less: each
        finds its own filters still in the processor's cache.

        Args:
            samples: (n_channels, a multiple of 160) int16, 8 kHz.
            listening: (n_channels,) bool, for the whole piece.
        """
        frames = [
            np.ascontiguousarray(samples[:, k : k + FRAME_SAMPLES])
            for k in range(0, samples.shape[1], FRAME_SAMPLES)
        ]
        found = [
            h
            for wanted, step in self._banks
            for frame in frames
            for h in step(frame, listening & wanted)
        ]
        return sorted(found, key=lambda heard: (heard.start_sample, heard.channel))


def _as_heard(bank: DtmfBank) -> Step:
    """Return the bank's step with digits as `Heard`."""

    def step(frames: Int16Array, listening: BoolArray) -> list[Heard]:
        return [
            Heard(d.channel, "dtmf", None, d.symbol, d.start_sample, d.duration_ms)
            for d in bank.step(frames, listening)
        ]

    return step
