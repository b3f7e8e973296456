"""One radio channel: who is on the air, who hears what, and the record of it all.

Every 20 ms the ether takes one frame from each station that has its key down and gives each
other station what its receiver makes of them. A station that transmits hears nothing. Of two
at once the one twice as strong is heard alone (FM capture); otherwise both are spoilt. A
receiver's squelch opens on the third frame of a carrier (some 50 ms) and closes 100 ms after
its end, with the burst of noise that people know as the squelch tail.

That is the kind ether. With an `Air` it has teeth: the sound is really modulated, fades, is
drowned, clipped and filtered, and each radio hears as it is built (`channel_model`).

On a `duplex` site the base radio sends on one frequency and hears the handhelds on the other,
also while it sends; they hear it alone. On a `repeater` site everybody hears what the repeater
hears, 20 ms later, and its carrier for a while after.

    async with Ether("ch1", seed=7, log=Path("ether.jsonl"), wav_dir=Path("air")) as ether:
        async with BaseRadio(ether) as radio:
            guard = Handheld(ether, "guard 034")
"""

import asyncio
import json
import re
import time
import wave
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self, runtime_checkable

import numpy as np

from simulators import mdc1200, selcall
from simulators.channel_model import Air
from simulators.ends_alike import ends_alike
from simulators.priority import on_time
from simulators.reception import (
    SILENCE,
    TAIL_FRAMES,
    Ear,
    Reception,
    Sent,
    Site,
    Station,
    Subtoned,
)
from simulators.tones import (
    FRAME_S,
    FRAME_SAMPLES,
    RATE_HZ,
    Samples,
    ToneDetector,
    ToneHeard,
    answer_in,
    attention_in,
    digits_in,
    rms_dbfs,
)

_VOICED_DBFS: Final = -40.0
_RESYNC_S: Final = 0.5
# Two frames wait in a gateway's buffer, one more is filled in without a gap.
_LATE_S: Final = 2 * FRAME_S
_KEPT_SAMPLES_S: Final = 1800.0


@runtime_checkable
class Signalling(Protocol):
    """A station whose overs may hold five-tone calls or MDC1200 packets.

    Attributes:
        selcall_set: the five-tone set to look for, or None.
        sends_mdc1200: look for MDC1200.
    """

    selcall_set: str | None
    sends_mdc1200: bool


@dataclass
class Over:
    """What one station said between key-down and key-up.

    Attributes:
        channel: name of the ether.
        who: name of the station.
        kind: `base` or `handheld`.
        start_s: key-down, CLOCK_MONOTONIC.
        end_s: key-up, likewise.
        start_us: key-down, UTC microseconds.
        end_us: key-up, likewise.
        samples: what it radiated, 8000 a second; emptied once half an hour of newer overs is
            held.
        tones: what a detector makes of the samples.
        collided: another station was on the air during it.
        signals: the five-tone calls and MDC1200 packets in it, as `zvei1 12345` or
            `mdc1200 46/01 1033`.
        base_heard: for how much of it a base radio's squelch was open, 0 to 1; also an over of
            a base radio's own, when another base heard it.
        wav: where the samples were written, if anywhere.
        rms_dbfs: level of the whole.
        duration_s: how long it was on the air.
        voiced_s: how much of that was sound and not a bare carrier.
    """

    channel: str
    who: str
    kind: str
    start_s: float
    end_s: float
    start_us: int
    end_us: int
    samples: Samples
    tones: tuple[ToneHeard, ...]
    collided: bool
    wav: Path | None = None
    signals: tuple[str, ...] = ()
    base_heard: float = 0.0
    rms_dbfs: float = field(init=False)
    duration_s: float = field(init=False)
    voiced_s: float = field(init=False)

    def __post_init__(self) -> None:
        self.rms_dbfs = rms_dbfs(self.samples)
        self.duration_s = len(self.samples) / RATE_HZ
        self.voiced_s = _voiced_s(self.samples)

    @property
    def digits(self) -> str:
        """The DTMF digits in it, in order."""
        return digits_in(self.tones)

    @property
    def attention(self) -> int | None:
        """The level of the first attention tone in it."""
        return attention_in(self.tones)

    def ends_alike(self) -> float | None:
        """Returns how much its last word is like its first; None without an attention tone."""
        tone = next((tone for tone in self.tones if tone.kind == "attention"), None)
        if tone is None:
            return None
        alike = ends_alike(self.samples, tone.at_s + tone.duration_s)
        return None if alike is None else round(alike, 2)

    @property
    def answer(self) -> str | None:
        """The first answer tone in it: `accepted` or `wrong`."""
        return answer_in(self.tones)


@dataclass
class _Carrier:
    """An over that is still going on."""

    station: Station
    start_s: float
    start_us: int
    frames: list[Samples] = field(default_factory=list)
    detector: ToneDetector = field(default_factory=ToneDetector)
    tones: list[ToneHeard] = field(default_factory=list)
    collided: bool = False
    base_heard: int = 0


def utc_now_us() -> int:
    """Returns the time of day in UTC microseconds."""
    return time.time_ns() // 1000


class Ether:
    """A frequency on which stations transmit and hear each other, in real time.

    Run it with `async with ether:`, or give `ether.run()` to a task group. Stations attach
    themselves when they are made.

    Attributes:
        name: the channel's name in the records.
        seed: where all its noise comes from.
        overs: every finished over, oldest first.
        late_frames: how many frames came later than jitter buffers wait for: whoever was heard
            meanwhile was not heard whole, and no gateway is to blame.
    """

    def __init__(
        self,
        name: str,
        seed: int,
        log: Path | None = None,
        *,
        wav_dir: Path | None = None,
        utc_us: Callable[[], int] = utc_now_us,
        air: Air | None = None,
        site: Site = "simplex",
        repeater_hang_s: float = 2.0,
    ) -> None:
        """Makes the frequency; nobody is on it.

        Args:
            name: the channel's name.
            seed: seed of the noise.
            log: file that gets one JSON object a line; several ethers may share it.
            wav_dir: folder that gets each finished over as a WAV file; made if missing.
            utc_us: says the time of day in UTC microseconds.
            air: what the channel does to sound; None is the kind ether.
            site: `simplex`, `duplex` or `repeater`.
            repeater_hang_s: for how long the repeater's carrier stays when nobody speaks.
        """
        self.name = name
        self.seed = seed
        self.overs: list[Over] = []
        self.late_frames = 0
        self._utc_us = utc_us
        self._wav_dir = wav_dir
        self._ears: list[Ear] = []
        self._carriers: dict[str, _Carrier] = {}
        self._kept_s = 0.0
        self._emptied = 0
        self._tick_count = 0
        self._collision = False
        self._reception = Reception(
            seed, note=self.note, air=air, site=site, repeater_hang_s=repeater_hang_s
        )
        if wav_dir is not None:
            wav_dir.mkdir(parents=True, exist_ok=True)
        self._log = log.open("a", encoding="utf-8", buffering=1) if log is not None else None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        self._stack.callback(group.create_task(self.run()).cancel)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self._stack.__aexit__(kind, error, trace)
        except BaseExceptionGroup as group:
            # The task group wraps what went wrong inside the `async with`; let that come out
            # as it was. Only a failure of the ether itself stays a group.
            if group.exceptions != (error,):
                raise

    async def run(self) -> None:
        """Carries the frames, one every 20 ms; ends only by being cancelled, records closed."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        try:
            with on_time():
                while True:
                    now_s = loop.time()
                    self.late_frames += now_s - due_s > _LATE_S
                    if now_s - due_s > _RESYNC_S:
                        self.note("stalled", self.name, late_s=round(now_s - due_s, 3))
                        due_s = now_s
                    self.tick(now_s)
                    due_s += FRAME_S
                    await asyncio.sleep(max(0.0, due_s - loop.time()))
        finally:
            self.close(loop.time())

    def attach(self, station: Station) -> None:
        """Puts a station on the frequency (switched on, tuned here).

        Raises:
            ValueError: a station of that name is there already.
        """
        if any(e.station.who == station.who for e in self._ears):
            message = f"two stations called {station.who!r} on {self.name}; name them apart"
            raise ValueError(message)
        self._ears.append(Ear(station))

    def detach(self, station: Station) -> None:
        """Takes a station off the frequency; an over of its is ended by the next frame."""
        self._ears = [e for e in self._ears if e.station is not station]

    def is_on_air(self, who: str) -> bool:
        """Says whether that station radiates at this moment."""
        return who in self._carriers

    def static(self) -> Samples:
        """Returns the noise of an open squelch with nobody there, for this frame."""
        return self._reception.static()

    def note(self, what: str, who: str, **facts: object) -> None:
        """Writes one line into the log: both times, what, channel, who, and the facts."""
        if self._log is None:
            return
        line: dict[str, object] = {
            "at_us": self._utc_us(),
            "mono_s": round(time.monotonic(), 6),
            "what": what,
            "channel": self.name,
            "who": who,
        }
        self._log.write(json.dumps(line | facts, ensure_ascii=False) + "\n")

    def tick(self, now_s: float) -> None:
        """Carries one frame of 20 ms from those who radiate to those who listen."""
        self._tick_count += 1
        self._reception.start(self._tick_count)
        on_air: list[Sent] = []
        for ear in self._ears:
            frame = ear.station.radiate()
            if frame is not None:
                on_air.append(Sent(ear.station, frame, _subtone(ear.station)))
        self._follow_keys(on_air, now_s)
        self._deliver(on_air, now_s)

    def _deliver(self, on_air: list[Sent], now_s: float) -> None:
        hearing = self._reception.hearing(on_air, now_s)
        for ear in self._ears:
            station, was_open = ear.station, ear.is_open
            frame = hearing.frame(ear, deaf=self._reception.is_deaf(station, on_air))
            station.hear(frame, squelch_open=ear.is_open)
            if station.kind == "base":
                if was_open != ear.is_open:
                    self.note("squelch", station.who, open=ear.is_open)
                self._count_heard(ear)

    def _count_heard(self, ear: Ear) -> None:
        """Counts this frame to each over that a base radio's open squelch lets through."""
        if ear.is_open:
            for who, carrier in self._carriers.items():
                carrier.base_heard += who != ear.station.who

    # --- the record ------------------------------------------------------------------------

    def _follow_keys(self, on_air: list[Sent], now_s: float) -> None:
        sending = {sent.station.who for sent in on_air}
        for who in [who for who in self._carriers if who not in sending]:
            self._key_up(who, now_s)
        for sent in on_air:
            station = sent.station
            carrier = self._carriers.get(station.who) or self._key_down(station, now_s)
            carrier.frames.append(sent.together())
            self._note_tones(carrier, carrier.detector.feed(sent.frame))
            carrier.collided |= self._reception.clash(station, on_air)
        clashing = sorted(s.station.who for s in on_air if self._clashes(s, on_air))
        if clashing and not self._collision:
            self.note("collision", self.name, stations=clashing)
        self._collision = bool(clashing)

    def _clashes(self, sent: Sent, on_air: list[Sent]) -> bool:
        return self._reception.clash(sent.station, on_air)

    def _key_down(self, station: Station, now_s: float) -> _Carrier:
        carrier = _Carrier(station, now_s, self._utc_us())
        self._carriers[station.who] = carrier
        self.note("key_down", station.who, kind=station.kind)
        return carrier

    def _key_up(self, who: str, now_s: float) -> None:
        carrier = self._carriers.pop(who)
        self._reception.unkeyed(who)
        self.note("key_up", who, kind=carrier.station.kind)
        self._note_tones(carrier, carrier.detector.flush())
        over = Over(
            channel=self.name,
            who=who,
            kind=carrier.station.kind,
            start_s=carrier.start_s,
            end_s=now_s,
            start_us=carrier.start_us,
            end_us=self._utc_us(),
            samples=np.concatenate(carrier.frames),
            tones=tuple(carrier.tones),
            collided=carrier.collided,
            base_heard=carrier.base_heard / len(carrier.frames),
        )
        over.signals = _signals(carrier.station, over.samples)
        over.wav = self._write_wav(over)
        self._keep(over)
        self._note_over(over)
        carrier.station.recorded(over)

    def _keep(self, over: Over) -> None:
        """Adds the over; forgets the sound of old ones so that a long day fits in memory."""
        self.overs.append(over)
        self._kept_s += over.duration_s
        while self._kept_s > _KEPT_SAMPLES_S and self._emptied < len(self.overs) - 1:
            oldest = self.overs[self._emptied]
            oldest.samples = np.zeros(0, np.int16)
            self._kept_s -= oldest.duration_s
            self._emptied += 1

    def _note_tones(self, carrier: _Carrier, tones: list[ToneHeard]) -> None:
        carrier.tones += tones
        for tone in tones:
            self.note(
                "tones",
                carrier.station.who,
                kind=tone.kind,
                value=tone.value,
                start_s=round(carrier.start_s + tone.at_s, 3),
                duration_s=round(tone.duration_s, 3),
                level_dbfs=round(tone.level_dbfs, 1),
            )

    def _note_over(self, over: Over) -> None:
        self.note(
            "over",
            over.who,
            kind=over.kind,
            start_s=round(over.start_s, 6),
            end_s=round(over.end_s, 6),
            start_us=over.start_us,
            end_us=over.end_us,
            duration_s=round(over.duration_s, 3),
            voiced_s=round(over.voiced_s, 2),
            rms_dbfs=round(over.rms_dbfs, 1),
            attention=over.attention,
            answer=over.answer,
            digits=over.digits,
            collided=over.collided,
            signals=over.signals,
            base_heard=round(over.base_heard, 3),
            ends_alike=over.ends_alike(),
            wav=str(over.wav) if over.wav is not None else None,
        )

    def _write_wav(self, over: Over) -> Path | None:
        if self._wav_dir is None:
            return None
        label = re.sub(r"[^\w-]+", "_", f"{over.channel}-{over.start_us}-{over.who}")
        path = self._wav_dir / f"{label}.wav"
        with wave.open(str(path), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(RATE_HZ)
            sound.writeframes(over.samples.astype("<i2").tobytes())
        return path

    def close(self, now_s: float) -> None:
        """Ends the overs still going on, so that the record is whole, and closes the log.

        `run` does this at its end; only who calls `tick` himself must.
        """
        for who in list(self._carriers):
            self._key_up(who, now_s)
        if self._log is not None:
            self._log.close()
            self._log = None


def _subtone(station: Station) -> Samples | None:
    return station.subtone() if isinstance(station, Subtoned) else None


def _signals(station: Station, samples: Samples) -> tuple[str, ...]:
    """Returns the five-tone calls and MDC1200 packets that a station has sent."""
    if not isinstance(station, Signalling):
        return ()
    found = list[tuple[float, str]]()
    if station.selcall_set is not None:
        calls = selcall.decode(samples, station.selcall_set)
        found += [(call.at_s, f"{call.tone_set} {call.digits}") for call in calls]
    if station.sends_mdc1200:
        found += [(one.at_s, f"mdc1200 {one.packet}") for one in mdc1200.decode(samples)]
    return tuple(text for _, text in sorted(found))


def _voiced_s(samples: Samples) -> float:
    """Returns how many seconds of the samples are sound, frame by frame."""
    frames = samples[: samples.size // FRAME_SAMPLES * FRAME_SAMPLES]
    square = np.square(frames.astype(np.float32)).reshape(-1, FRAME_SAMPLES).mean(axis=1)
    floor = 0.5 * (32767 * 10 ** (_VOICED_DBFS / 20)) ** 2
    return float(np.count_nonzero(square > floor)) * FRAME_S


__all__ = ["SILENCE", "TAIL_FRAMES", "Ether", "Over", "Station"]
