"""One simplex radio frequency: who is on the air, who hears what, and the record of it all.

Every 20 ms the ether takes one frame from each station that has its key down and gives each
other station what its receiver makes of them. A station that transmits hears nothing. Of two
at once the one twice as strong is heard alone (FM capture); otherwise both are spoilt. A
receiver's squelch opens on the third frame of a carrier (some 50 ms) and closes 100 ms after
its end, with the burst of noise that people know as the squelch tail.

    async with Ether("ch1", seed=7, log=Path("ether.jsonl"), wav_dir=Path("air")) as ether:
        async with BaseRadio(ether) as radio:
            guard = Handheld(ether, "guard 034")
"""

import asyncio
import json
import math
import re
import time
import wave
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

import numpy as np
import numpy.typing as npt

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

SILENCE: Final[Samples] = np.zeros(FRAME_SAMPLES, np.int16)

_OPEN_FRAMES: Final = 3
TAIL_FRAMES: Final = 5
_CAPTURE_RATIO: Final = 2.0
_NOISE_FRAMES: Final = 64
_FAINT_DBFS: Final = -70.0
_FLOOR_DBFS: Final = -50.0
_TAIL_DBFS: Final = -20.0
_HOWL_DBFS: Final = -20.0
_VOICED_DBFS: Final = -40.0
_RESYNC_S: Final = 0.5
_KEPT_SAMPLES_S: Final = 1800.0


class Station(Protocol):
    """A radio on the frequency: the base or a handheld.

    Attributes:
        who: its name in the records.
        kind: `base` or `handheld`.
        strength: how strongly it is received, relative to the others; twice is capture.
    """

    who: str
    kind: str
    strength: float

    def radiate(self) -> Samples | None:
        """Returns the next 160 samples it sends, or None while its key is up."""

    def hear(self, frame: Samples, *, squelch_open: bool) -> None:
        """Takes the next 160 samples of its receiver."""

    def recorded(self, over: "Over") -> None:
        """Is told that an over of its own has ended and stands in the record."""


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


@dataclass
class _Receiver:
    """A station's squelch: opens after some frames of carrier, closes some frames after it."""

    station: Station
    is_open: bool = False
    present: int = 0
    absent: int = 0

    def mute(self) -> None:
        self.is_open, self.present = False, 0

    def follow(self, *, carrier: bool) -> None:
        if carrier:
            self.present, self.absent = self.present + 1, 0
            self.is_open = self.is_open or self.present >= _OPEN_FRAMES
        else:
            self.present, self.absent = 0, self.absent + 1
            self.is_open = self.is_open and self.absent < TAIL_FRAMES


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
    """

    def __init__(
        self,
        name: str,
        seed: int,
        log: Path | None = None,
        *,
        wav_dir: Path | None = None,
        utc_us: Callable[[], int] = utc_now_us,
    ) -> None:
        """Makes the frequency; nobody is on it.

        Args:
            name: the channel's name.
            seed: seed of the noise.
            log: file that gets one JSON object a line; several ethers may share it.
            wav_dir: folder that gets each finished over as a WAV file; made if missing.
            utc_us: says the time of day in UTC microseconds.
        """
        self.name = name
        self.seed = seed
        self.overs: list[Over] = []
        self._utc_us = utc_us
        self._wav_dir = wav_dir
        self._receivers: list[_Receiver] = []
        self._carriers: dict[str, _Carrier] = {}
        self._kept_s = 0.0
        self._emptied = 0
        self._tick_count = 0
        noise = np.random.default_rng(seed).standard_normal((_NOISE_FRAMES, FRAME_SAMPLES))
        self._faint, self._floor, self._tail, self._howl = (
            _scaled(noise, dbfs) for dbfs in (_FAINT_DBFS, _FLOOR_DBFS, _TAIL_DBFS, _HOWL_DBFS)
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
            while True:
                now_s = loop.time()
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
        if any(r.station.who == station.who for r in self._receivers):
            message = f"two stations called {station.who!r} on {self.name}; name them apart"
            raise ValueError(message)
        self._receivers.append(_Receiver(station))

    def detach(self, station: Station) -> None:
        """Takes a station off the frequency; an over of its is ended by the next frame."""
        self._receivers = [r for r in self._receivers if r.station is not station]

    def is_on_air(self, who: str) -> bool:
        """Says whether that station radiates at this moment."""
        return who in self._carriers

    def static(self) -> Samples:
        """Returns the noise of an open squelch with nobody there, for this frame."""
        frame: Samples = self._tail[self._tick_count % _NOISE_FRAMES]
        return frame

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
        on_air: list[tuple[Station, Samples]] = []
        for receiver in self._receivers:
            frame = receiver.station.radiate()
            if frame is not None:
                on_air.append((receiver.station, frame))
        self._follow_keys(on_air, now_s)
        self._deliver(on_air)

    # --- who is heard ----------------------------------------------------------------------

    def _deliver(self, on_air: list[tuple[Station, Samples]]) -> None:
        row = self._tick_count % _NOISE_FRAMES
        sending = {id(station) for station, _ in on_air}
        received = self._received(on_air, row) if on_air else self.static()
        for receiver in self._receivers:
            was_open = receiver.is_open
            if id(receiver.station) in sending:
                receiver.mute()
            else:
                receiver.follow(carrier=bool(on_air))
            frame = received if receiver.is_open else self._faint[row]
            receiver.station.hear(frame, squelch_open=receiver.is_open)
            if was_open != receiver.is_open and receiver.station.kind == "base":
                self.note("squelch", receiver.station.who, open=receiver.is_open)

    def _received(self, on_air: list[tuple[Station, Samples]], row: int) -> Samples:
        """Returns what a receiver makes of the carriers: the strong one, or a howl."""
        strongest, *others = sorted(on_air, key=lambda pair: -pair[0].strength)
        mixed = strongest[1].astype(np.int32) + self._floor[row]
        if others and strongest[0].strength < _CAPTURE_RATIO * others[0][0].strength:
            for _, frame in others:
                mixed += frame
            mixed += self._howl[row]
        clipped: Samples = np.clip(mixed, -32768, 32767).astype(np.int16)
        return clipped

    # --- the record ------------------------------------------------------------------------

    def _follow_keys(self, on_air: list[tuple[Station, Samples]], now_s: float) -> None:
        sending = {station.who for station, _ in on_air}
        for who in [who for who in self._carriers if who not in sending]:
            self._key_up(who, now_s)
        collision_before = len(self._carriers) > 1
        for station, frame in on_air:
            carrier = self._carriers.get(station.who) or self._key_down(station, now_s)
            carrier.frames.append(frame)
            self._note_tones(carrier, carrier.detector.feed(frame))
            carrier.collided = carrier.collided or len(on_air) > 1
        if len(on_air) > 1 and not collision_before:
            self.note("collision", self.name, stations=sorted(sending))

    def _key_down(self, station: Station, now_s: float) -> _Carrier:
        carrier = _Carrier(station, now_s, self._utc_us())
        self._carriers[station.who] = carrier
        self.note("key_down", station.who, kind=station.kind)
        return carrier

    def _key_up(self, who: str, now_s: float) -> None:
        carrier = self._carriers.pop(who)
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
        )
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


def _voiced_s(samples: Samples) -> float:
    """Returns how many seconds of the samples are sound, frame by frame."""
    frames = samples[: samples.size // FRAME_SAMPLES * FRAME_SAMPLES]
    square = np.square(frames.astype(np.float32)).reshape(-1, FRAME_SAMPLES).mean(axis=1)
    floor = 0.5 * (32767 * 10 ** (_VOICED_DBFS / 20)) ** 2
    return float(np.count_nonzero(square > floor)) * FRAME_S


def _scaled(noise: npt.NDArray[np.float64], dbfs: float) -> Samples:
    scaled: Samples = (noise * (32767 * 10 ** (dbfs / 20) / math.sqrt(2))).astype(np.int16)
    return scaled
