"""Channels in a technician's hands: their ports open, one loop of 20 ms, no engine.

The key is held by the very keyer that the radio process uses: under its lease, renewed by
frames really played, under its time-out, in a process of its own. A channel without a licence
entry is not keyed here either.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from drivers.radio.activity import NoiseSquelch, VoiceActivity
from drivers.radio.audio import AudioLink, LinkStatistics, open_audio
from drivers.radio.decode import EVERYTHING
from drivers.radio.hearing import Hearing, Wishes, wishes_of
from drivers.radio.keyer_process import KeyerProcess, KeyerWord
from drivers.radio.samples import FRAME_MS, FRAME_SAMPLES, Int16Array
from drivers.radio.settings import RadioChannel
from drivers.radio.squelch import parse_squelch
from drivers.radio.technician_door import Sight
from drivers.radio.transmission import SILENCE, TonesProgramme, Transmitter
from gateway.core.airtime import NO_LICENCE
from gateway.interfaces import LinkError, SetupError

__all__ = ["Bench", "BenchRadio", "every_kind"]

_TICK_S: Final = FRAME_MS / 1000.0
# After a stop of the machine the missed ticks are not made up for.
_RESYNC_S: Final = 0.5
_PRIORITY: Final = 10
_READY_S: Final = 10.0
# Longer than any transmission: the keyer's own timer is what strikes.
_NO_LIMIT_S: Final = 3600.0
_RETIRE_S: Final = 0.5
_STATES: Final = {"ready", "fault", "gone"}


def every_kind(settings: RadioChannel) -> Wishes:
    """Return all signalling there is on a channel, its own tables first.

    What lies below the voice a loudspeaker's sound does not have.
    """
    own = wishes_of(settings)
    others = tuple(table for table in EVERYTHING.selcall if table not in own.selcall)
    below = settings.audio.kind == "discriminator"
    return replace(
        EVERYTHING,
        selcall=(*own.selcall, *others),
        ctcss_hz=EVERYTHING.ctcss_hz if below else (),
        dcs=EVERYTHING.dcs if below else (),
    )


class BenchRadio:
    """One channel's keyer, sound, squelch and ears.

    Args:
        name: Channel id.
        settings: Its settings.

    Attributes:
        words: What the keyer has said, oldest first; ``gone`` is ours, when it ended.
        frame: This tick's sound, None where there was none.
        edges: When the squelch opened (True) or closed, not debounced.
        terms: What the squelch is made of, and whether each holds now.
        squelch_open: Somebody is heard, not debounced.
        transmitter: The last transmission.
    """

    def __init__(self, name: str, settings: RadioChannel) -> None:
        self.name = name
        self.settings = settings
        self.words: list[KeyerWord] = []
        self.frame: Int16Array | None = None
        self.edges: list[tuple[float, bool]] = []
        self.terms: dict[str, bool] = {}
        self.squelch_open = False
        self._now_s = 0.0
        self._expression = parse_squelch(settings.control.squelch)
        self._noise = NoiseSquelch(settings.control.squelch_noise_dbfs)
        self._voice = VoiceActivity(settings.control.squelch_voice_dbfs)
        self._keyer = KeyerProcess(settings)
        self._killed = False
        self.transmitter = self._transmitter(settings.tx_delay_ms, settings.hang_ms)
        self._audio: AudioLink = open_audio(settings.audio.url)

    # --- how it stands -----------------------------------------------------------------------

    @property
    def deaf(self) -> bool:
        """Whether its receiver is off because it transmits."""
        return self.transmitter.on_air() and self.settings.duplex != "full"

    @property
    def subtones(self) -> Wishes:
        """What the squelch wants to have heard below the voice."""
        own, wanted = wishes_of(self.settings), self._expression.terms
        return Wishes(
            ctcss_hz=own.ctcss_hz if "ctcss" in wanted else (),
            dcs=own.dcs if "dcs" in wanted else (),
        )

    @property
    def sight(self) -> Sight:
        """How it stands in this tick."""
        fault = next((w for w in reversed(self.words) if w.word in _STATES), None)
        return Sight(
            at_s=self._now_s,
            frame=self.frame,
            squelch=self.squelch_open,
            terms=dict(self.terms),
            ptt=self.transmitter.state.value,
            fault=fault.detail if fault and fault.word != "ready" else None,
            link=self.link,
        )

    @property
    def link(self) -> LinkStatistics:
        """What the sound link has seen."""
        return self._audio.statistics()

    def said(self, *words: str, since_s: float = 0.0) -> KeyerWord | None:
        """Return the keyer's first such word since then, None while there is none."""
        found = (w for w in self.words if w.word in words and w.at_s >= since_s)
        return next(found, None)

    # --- transmitting ------------------------------------------------------------------------

    def send(
        self,
        samples: Int16Array,
        now_s: float,
        *,
        tx_delay_ms: float | None = None,
        hang_ms: float | None = None,
    ) -> None:
        """Key, and sound the samples; delays as in the settings unless given.

        Raises:
            SetupError: The channel has no licence entry.
        """
        if self.settings.licence is None:
            raise SetupError(f"channel {self.name}: {NO_LICENCE}; enter `licence` first")
        settings = self.settings
        self.transmitter = self._transmitter(
            settings.tx_delay_ms if tx_delay_ms is None else tx_delay_ms,
            settings.hang_ms if hang_ms is None else hang_ms,
        )
        self.transmitter.begin(TonesProgramme(samples), now_s)

    def _transmitter(self, tx_delay_ms: float, hang_ms: float) -> Transmitter:
        return Transmitter(
            self._keyer, tx_delay_ms=tx_delay_ms, hang_ms=hang_ms, time_out_s=_NO_LIMIT_S
        )

    def kill_keyer(self) -> None:
        """End the keyer as a fault would: at once, without a word, and none comes after it."""
        pid, self._killed = self._keyer.pid, True
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def replace_keyer(self, time_out_s: int | None = None) -> None:
        """Have the keyer replaced by one with another time-out; None: the settings' own."""
        self.retire()
        until_s = time.monotonic() + _RETIRE_S
        while not self._keyer.gone() and time.monotonic() < until_s:
            time.sleep(0.005)
        self._keyer.close()
        changed = {} if time_out_s is None else {"time_out_s": time_out_s}
        self._keyer = KeyerProcess(self.settings.model_copy(update=changed))
        self._killed = False
        self.words.clear()

    # --- each tick ---------------------------------------------------------------------------

    def step(self, now_s: float) -> None:
        """Take the keyer's words and this tick's sound in, and play what is to be played."""
        self._now_s = now_s
        self._follow_keyer(now_s)
        self.frame = self._audio.receive()
        self._sense(now_s)
        out = self.transmitter.next_frame(now_s, stop=False)
        if self._audio.send(SILENCE if out is None else out):
            self.transmitter.played()

    def _follow_keyer(self, now_s: float) -> None:
        for word in self._keyer.read(now_s):
            self.words.append(word)
            self._take(word, now_s)
        why = None if self._killed else self._keyer.watch(now_s)
        if why is not None:
            self.words.append(KeyerWord(now_s, "gone", why))
            self.transmitter.abort(f"line lost: {why}", now_s)

    def _take(self, word: KeyerWord, now_s: float) -> None:
        match word.word:
            case "keyed":
                self.transmitter.keyed()
            case "unkeyed":
                self.transmitter.unkeyed(word.detail, now_s)
            case "lines":
                self._take_lines(word)
            case "fault":
                self.transmitter.abort(f"line lost: {word.detail}", now_s)
            case _:
                pass

    def _take_lines(self, word: KeyerWord) -> None:
        for level in word.detail.split():
            line, _, value = level.partition("=")
            self.terms[line] = (value == "1") is not self.settings.control.invert_squelch
        self._evaluate(word.at_s)

    def _sense(self, now_s: float) -> None:
        wanted = self._expression.terms
        if "noise" in wanted:
            self.terms["noise"] = self._noise.step(self.frame)
        if "voice" in wanted:
            self.terms["voice"] = self._voice.step(now_s, self.frame)
        self._evaluate(now_s)

    def present(self, kind: str, *, present: bool) -> None:
        """Take a decoder's word on a tone or code below the voice."""
        if kind in self._expression.terms:
            self.terms[kind] = present

    def _evaluate(self, at_s: float) -> None:
        is_open = self._expression.open(self.terms) and not self.deaf
        if is_open != self.squelch_open:
            self.squelch_open = is_open
            self.edges.append((at_s, is_open))

    # --- end ---------------------------------------------------------------------------------

    def retire(self) -> None:
        """Let go of the key, and have the keyer leave."""
        self._keyer.unkey()
        self._keyer.retire()

    def close(self) -> None:
        """Let go of everything; the keyer has left or is killed."""
        until_s = time.monotonic() + _RETIRE_S
        while not self._keyer.gone() and time.monotonic() < until_s:
            time.sleep(0.005)
        self._keyer.close()
        self._audio.close()


def _ask_for_priority() -> None:
    """Ask for round-robin scheduling, as the radio process does; go on without it."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(_PRIORITY))


class Bench:
    """The loop that serves the channels. Leave it by ``close``, whatever happens.

    Args:
        radios: The channels.
        clock: Monotonic seconds.

    Attributes:
        watchers: Called once a tick, after sound and words of all channels were taken in.
    """

    def __init__(
        self, radios: Sequence[BenchRadio] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.radios = list(radios)
        self.watchers: list[Callable[[float], None]] = []
        self._clock = clock
        self._spares: list[BenchRadio] = []
        self._hearing = Hearing([radio.subtones for radio in self.radios])
        self._due_s = clock()
        _ask_for_priority()

    @property
    def now_s(self) -> float:
        """Monotonic seconds."""
        return self._clock()

    def spare(self, radio: BenchRadio) -> None:
        """Have a channel closed with the others although it is not served yet."""
        self._spares.append(radio)

    def add(self, radio: BenchRadio) -> None:
        """Serve another channel from now on."""
        self.radios.append(radio)
        self._hearing = Hearing([r.subtones for r in self.radios])

    def run(self, seconds: float) -> None:
        """Serve for so long."""
        self.until(lambda: False, seconds)

    @contextlib.contextmanager
    def recording(self, radio: BenchRadio) -> Iterator[list[Int16Array]]:
        """Collect what a channel hears meanwhile, frame by frame."""
        frames: list[Int16Array] = []

        def keep(_: float) -> None:
            if radio.frame is not None:
                frames.append(radio.frame)

        self.watchers.append(keep)
        try:
            yield frames
        finally:
            self.watchers.remove(keep)

    def until(self, done: Callable[[], object], within_s: float) -> bool:
        """Serve until it is done; return False when it was not within the time."""
        end_s = self._clock() + within_s
        while not done():
            if self._clock() >= end_s:
                return False
            self._tick()
        return True

    def ready(self) -> None:
        """Return once every port is open, its lines known where they are needed.

        Raises:
            LinkError: A port does not open, or does not tell its lines.
        """
        for radio in self.radios:
            self.until(lambda r=radio: r.said("ready", "fault"), _READY_S)  # type: ignore[misc]
            fault = radio.said("fault")
            if radio.said("ready") is None:
                why = fault.detail if fault else "its keyer does not start"
                raise LinkError(f"channel {radio.name}: {why}")
            lines = parse_squelch(radio.settings.control.squelch).lines
            if lines and not self.until(lambda r=radio: r.said("lines"), 3.0):  # type: ignore[misc]
                msg = f"channel {radio.name}: the port does not tell {', '.join(lines)}"
                raise LinkError(msg)

    def sent(self, radio: BenchRadio, within_s: float) -> str | None:
        """Serve until a transmission has ended; return why it broke off, or None."""
        self.until(lambda: not radio.transmitter.on_air(), within_s)
        return radio.transmitter.failure

    def answer(self, within_s: float) -> str | None:
        """Serve until a line is typed; return it, None at the end of input or of the time."""
        # Not sys.stdin: what its buffer holds no select tells of.
        typed = b""
        end_s = self._clock() + within_s
        while self._clock() < end_s:
            if select.select([0], [], [], 0)[0]:
                byte = os.read(0, 1)
                if not byte or byte == b"\n":
                    return typed.decode("utf-8", "replace").strip() if byte else None
                typed += byte
            else:
                self._tick()
        return None

    def close(self) -> None:
        """Unkey everything first; then let go of the rest."""
        everyone = dict.fromkeys([*self.radios, *self._spares])
        for radio in everyone:
            radio.retire()
        for radio in everyone:
            radio.close()

    def _tick(self) -> None:
        late_s = self._clock() - self._due_s
        if late_s < 0:
            time.sleep(-late_s)
        elif late_s > _RESYNC_S:
            self._due_s = self._clock()
        self._due_s += _TICK_S
        now_s = self._clock()
        for radio in self.radios:
            radio.step(now_s)
        self._follow_subtones()
        for watch in self.watchers:
            watch(now_s)

    def _follow_subtones(self) -> None:
        banks = (("ctcss", self._hearing.ctcss), ("dcs", self._hearing.dcs))
        if not any(bank for _, bank in banks):
            return
        frames = np.zeros((len(self.radios), FRAME_SAMPLES), np.int16)
        listening = np.array([r.frame is not None and not r.deaf for r in self.radios])
        for row, radio in enumerate(self.radios):
            if radio.frame is not None:
                frames[row] = radio.frame
        self._hearing.step(frames, listening)
        for kind, bank in banks:
            for row, radio in enumerate(self.radios):
                radio.present(kind, present=bank is not None and bool(bank.present[row]))
