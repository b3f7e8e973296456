"""What each radio on a channel makes of those on the air: kindly, or by physics.

A `Reception` is asked once a frame who hears what; the ether keeps the record beside it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from simulators.channel_model import Air, Carrier
from simulators.tones import FRAME_S, FRAME_SAMPLES, Samples

if TYPE_CHECKING:
    from simulators.ether import Over

Site = Literal["simplex", "duplex", "repeater"]
Note = Callable[..., None]

SILENCE: Final[Samples] = np.zeros(FRAME_SAMPLES, np.int16)
TAIL_FRAMES: Final = 5

_OPEN_FRAMES: Final = 3
_CAPTURE_RATIO: Final = 2.0
_NOISE_FRAMES: Final = 64
_FAINT_DBFS: Final = -70.0
_FLOOR_DBFS: Final = -50.0
_TAIL_DBFS: Final = -20.0
_HOWL_DBFS: Final = -20.0


class Station(Protocol):
    """A radio on the channel: the base or a handheld.

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


@runtime_checkable
class Subtoned(Protocol):
    """A station that sends something under the voice."""

    def subtone(self) -> Samples | None:
        """Returns what runs under the frame it has just radiated, or None."""


class Sent(NamedTuple):
    """20 ms of one station: who, what is spoken, and what runs under it."""

    station: Station
    frame: Samples
    under: Samples | None = None

    def together(self) -> Samples:
        """Returns voice and what runs under it as one signal."""
        if self.under is None:
            return self.frame
        both = np.clip(self.frame.astype(np.int32) + self.under, -32768, 32767)
        together: Samples = both.astype(np.int16)
        return together


@dataclass
class Ear:
    """A station's squelch: opens after some frames of carrier, closes some frames after it."""

    station: Station
    is_open: bool = False
    present: int = 0
    absent: int = 0

    def mute(self) -> None:
        """Closes it while the station itself sends."""
        self.is_open, self.present = False, 0

    def follow(self, *, carrier: bool) -> None:
        """Takes one frame with or without a carrier."""
        if carrier:
            self.present, self.absent = self.present + 1, 0
            self.is_open = self.is_open or self.present >= _OPEN_FRAMES
        else:
            self.present, self.absent = 0, self.absent + 1
            self.is_open = self.is_open and self.absent < TAIL_FRAMES


class Reception:
    """Who hears what, frame by frame."""

    def __init__(
        self, seed: int, *, note: Note, air: Air | None, site: Site, repeater_hang_s: float
    ) -> None:
        """Makes a quiet channel.

        Args:
            seed: of the noise of the kind ether.
            note: writes a line into the record.
            air: physics; None is the kind ether.
            site: `simplex`, `duplex` or `repeater`.
            repeater_hang_s: for how long the repeater's carrier stays when nobody speaks.
        """
        self._air, self._site = air, site
        self._repeater = _Repeater(note, repeater_hang_s)
        self._row = 0
        noise = np.random.default_rng(seed).standard_normal((_NOISE_FRAMES, FRAME_SAMPLES))
        self._faint, self._floor, self._tail, self._howl = (
            _scaled(noise, dbfs) for dbfs in (_FAINT_DBFS, _FLOOR_DBFS, _TAIL_DBFS, _HOWL_DBFS)
        )

    def start(self, number: int) -> None:
        """Begins the frame of that number."""
        self._row = number % _NOISE_FRAMES

    def static(self) -> Samples:
        """Returns the noise of an open squelch with nobody there, for this frame."""
        frame: Samples = self._tail[self._row]
        return frame

    def faint(self) -> Samples:
        """Returns what a radio with its squelch closed gives out, for this frame."""
        frame: Samples = self._faint[self._row]
        return frame

    def unkeyed(self, who: str) -> None:
        """Takes note that a station has let go of its key."""
        if self._air is not None:
            self._air.unkeyed(who)

    def is_deaf(self, station: Station, on_air: list[Sent]) -> bool:
        """Says whether it hears nothing because it sends itself.

        The base radio of a duplex or repeater site has a second antenna.
        """
        sends = any(sent.station is station for sent in on_air)
        return sends and not (station.kind == "base" and self._site != "simplex")

    def clash(self, station: Station, on_air: list[Sent]) -> bool:
        """Says whether somebody else sends on the same frequency at this moment."""
        others = (sent.station for sent in on_air if sent.station is not station)
        if self._site == "duplex":
            return any((o.kind == "base") == (station.kind == "base") for o in others)
        return any(True for _ in others)

    def audible(self, station: Station, on_air: list[Sent]) -> list[Sent]:
        """Returns those who send where this station listens."""
        if self._site == "duplex":
            is_base = station.kind == "base"
            return [sent for sent in on_air if (sent.station.kind == "base") != is_base]
        return [sent for sent in on_air if sent.station is not station]

    def hearing(self, on_air: list[Sent], now_s: float) -> "Hearing":
        """Returns who hears what of this frame, through the repeater where there is one."""
        if self._site == "repeater":
            relayed = self._repeater.repeat(self._directly(on_air, now_s))
            on_air = [relayed] if relayed is not None else []
        return self._directly(on_air, now_s)

    def _directly(self, on_air: list[Sent], now_s: float) -> "Hearing":
        if self._air is not None:
            return _Physical(self, self._air, on_air, now_s)
        return _Kind(self, on_air)

    def mixed(self, on_air: list[Sent]) -> Samples:
        """Returns what a kind receiver makes of the carriers: the strong one, or a howl."""
        strongest, *others = sorted(on_air, key=lambda sent: -sent.station.strength)
        mixed = strongest.together().astype(np.int32) + self._floor[self._row]
        if others and strongest.station.strength < _CAPTURE_RATIO * others[0].station.strength:
            for sent in others:
                mixed += sent.together()
            mixed += self._howl[self._row]
        clipped: Samples = np.clip(mixed, -32768, 32767).astype(np.int16)
        return clipped


class Hearing(Protocol):
    """Who hears what of one frame."""

    def frame(self, ear: Ear, *, deaf: bool) -> Samples:
        """Lets the squelch follow and returns the 160 samples that the radio gives out."""


class _Kind:
    """Everybody is near and nothing is lost."""

    def __init__(self, reception: Reception, on_air: list[Sent]) -> None:
        self._reception, self._on_air = reception, on_air
        self._made: dict[tuple[int, ...], Samples] = {}

    def frame(self, ear: Ear, *, deaf: bool) -> Samples:
        audible = self._reception.audible(ear.station, self._on_air)
        if deaf:
            ear.mute()
        else:
            ear.follow(carrier=bool(audible))
        if not ear.is_open:
            return self._reception.faint()
        return self._mixed(audible) if audible else self._reception.static()

    def _mixed(self, audible: list[Sent]) -> Samples:
        key = tuple(id(sent.station) for sent in audible)
        if key not in self._made:
            self._made[key] = self._reception.mixed(audible)
        return self._made[key]


class _Physical:
    """Carriers are modulated, fade, are added to noise and are received as each set can."""

    def __init__(
        self, reception: Reception, air: Air, on_air: list[Sent], now_s: float
    ) -> None:
        self._reception, self._air = reception, air
        self._on_air, self._now_s = on_air, now_s
        self._carriers: dict[str, Carrier] = {}

    def frame(self, ear: Ear, *, deaf: bool) -> Samples:
        who = ear.station.who
        receiver = self._air.receiver(who)
        audible = self._reception.audible(ear.station, self._on_air)
        if deaf:
            receiver.mute()
        elif audible or not receiver.is_idle:
            sound = receiver.hear(self._arriving(ear.station, audible))
            ear.is_open = receiver.is_open
            if ear.is_open or not self._air.equipment(who).muted:
                return sound
        ear.is_open = receiver.is_open
        return self._reception.faint()

    def _arriving(self, station: Station, audible: list[Sent]) -> Carrier | None:
        sent = [(s.station.who, s.station.strength, self._carrier(s)) for s in audible]
        return self._air.arriving(station.who, sent, self._now_s)

    def _carrier(self, sent: Sent) -> Carrier:
        who = sent.station.who
        if who not in self._carriers:
            self._carriers[who] = self._air.send(who, sent.frame, sent.under)
        return self._carriers[who]


class _Repeater:
    """Hears everybody and sends it a frame later, and a bare carrier for a while after."""

    who = "repeater"
    kind = "repeater"
    strength = 1.0

    def __init__(self, note: Note, hang_s: float) -> None:
        self._note = note
        self._hang_frames = round(hang_s / FRAME_S)
        self._ear = Ear(self)
        self._left = 0
        self._next: Samples | None = None

    def repeat(self, heard: Hearing) -> Sent | None:
        """Returns its own 20 ms on the other frequency, or None while it is silent."""
        sending = self._next
        frame = heard.frame(self._ear, deaf=False)
        if self._ear.is_open:
            self._left, self._next = self._hang_frames, frame
        else:
            self._next = SILENCE if self._left > 0 else None
            self._left = max(0, self._left - 1)
        if (self._next is None) != (sending is None):
            self._note("repeater", self.who, on=self._next is not None)
        return None if sending is None else Sent(self, sending)

    def radiate(self) -> Samples | None:
        """Sends by `repeat` alone."""
        return None

    def hear(self, frame: Samples, *, squelch_open: bool) -> None:
        """Hears by `repeat` alone."""

    def recorded(self, over: "Over") -> None:
        """Has no overs of its own in the record."""


def _scaled(noise: npt.NDArray[np.float64], dbfs: float) -> Samples:
    scaled: Samples = (noise * (32767 * 10 ** (dbfs / 20) / math.sqrt(2))).astype(np.int16)
    return scaled
