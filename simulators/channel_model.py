"""What a narrow FM channel does to sound: transmitter, path and receiver, as they are built.

Nothing here is a formula for "how bad it sounds". The sound is really modulated, the carriers
are added with their fading and with noise, filtered to a 12.5 kHz channel and demodulated, at
32,000 complex samples a second. Capture, garble of equals, clicks at the threshold, the burst
of noise at the end, twist by missing pre-emphasis: all of it comes out of that.

    air = Air(seed=7, cnr_db=20.0, links={("034", "base"): Link(cnr_db=9.0, fading="rayleigh")})
    async with Ether("ch1", seed=7, air=air) as ether: ...
"""

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from simulators.subtones import FULL_SCALE_HZ, CodeGate, ToneGate
from simulators.tones import FRAME_S, FRAME_SAMPLES, RATE_HZ, Samples

Wave = npt.NDArray[np.float64]
Carrier = npt.NDArray[np.complex128]
FadingKind = Literal["none", "rayleigh", "rician"]
Output = Literal["speaker", "discriminator"]

TIMES: Final = 4
IF_RATE_HZ: Final = TIMES * RATE_HZ
IF_SAMPLES: Final = TIMES * FRAME_SAMPLES

_AUDIO_TAPS: Final = 129
_IF_TAPS: Final = 97
_IF_HALF_HZ: Final = 4200.0
_SPEECH_HZ: Final = (260.0, 3100.0)
_FLAT_HZ: Final = 3400.0
_LEVEL_HZ: Final = 1000.0
_NOISE_BLOCKS: Final = 256


@dataclass(frozen=True, kw_only=True)
class Equipment:
    """How one radio is built and set; the defaults are a common narrow-band set.

    Attributes:
        pre_emphasis: it lifts the treble by 6 dB an octave; without, its high tones are weak.
        deviation_hz: its limiter; 2500 in a 12.5 kHz channel.
        gain_db: how loud its microphone path is set; +6 drives the limiter hard.
        offset_hz: how far it is beside the frequency; None draws up to ±300 Hz from the seed.
        output: `speaker` (300-3000 Hz) or `discriminator` (flat, from what runs under it on).
        de_emphasis: it lowers the treble again, on the speaker output.
        muted: a closed squelch silences its output; without, noise comes out all day.
        open_db: carrier-to-noise ratio at which its squelch opens; it closes 3 dB below.
        open_ms: how long a carrier must be there.
        close_ms: how long it must be gone; so long is the burst of noise at the end.
        ctcss_hz: its squelch opens for this tone only.
        dcs: its squelch opens for this code only; `-` before it is the inverted polarity.
    """

    pre_emphasis: bool = True
    deviation_hz: float = 2500.0
    gain_db: float = 0.0
    offset_hz: float | None = None
    output: Output = "speaker"
    de_emphasis: bool = True
    muted: bool = True
    open_db: float = 7.0
    open_ms: float = 60.0
    close_ms: float = 100.0
    ctcss_hz: float | None = None
    dcs: str | None = None


@dataclass(frozen=True, kw_only=True)
class Link:
    """The way from one antenna to another.

    Attributes:
        cnr_db: carrier-to-noise ratio in the channel; None is out of reach.
        fading: `none`, `rayleigh` (nothing in sight) or `rician` (with a direct ray).
        doppler_hz: how fast it fades; 1.4 Hz on foot, 20 Hz in a car at 410 MHz.
        k_db: of a direct ray, how much stronger it is than the rest.
    """

    cnr_db: float | None = 30.0
    fading: FadingKind = "none"
    doppler_hz: float = 2.0
    k_db: float = 6.0


# --- filters -------------------------------------------------------------------------------


def _designed(gain: Wave, taps: int) -> Wave:
    """Returns linear-phase taps whose response is `gain`, given from 0 to half the rate."""
    impulse = np.roll(np.fft.irfft(gain), taps // 2)[:taps]
    shaped: Wave = impulse * np.hamming(taps)
    return shaped


def speech_taps(emphasis: int) -> Wave:
    """Returns taps that pass the speech band, at 8000 a second; the gain at 1000 Hz is 1.

    Args:
        emphasis: it rises (1) or falls (-1) by 6 dB an octave, or is flat (0).
    """
    hz = np.linspace(0, RATE_HZ / 2, 513)
    gain = ((hz >= _SPEECH_HZ[0]) & (hz <= _SPEECH_HZ[1])).astype(np.float64)
    return _designed(gain * (np.maximum(hz, 1.0) / _LEVEL_HZ) ** emphasis, _AUDIO_TAPS)


def low_pass(cut_hz: float, rate_hz: float, taps: int) -> Wave:
    """Returns the taps of a low pass with gain 1 at zero."""
    at = np.arange(taps) - taps // 2
    shape = np.sinc(2 * cut_hz / rate_hz * at) * np.hamming(taps)
    normal: Wave = shape / shape.sum()
    return normal


class _Fir:
    """A filter over a stream; `every` keeps one output of so many."""

    def __init__(self, taps: Wave, every: int = 1) -> None:
        self._taps, self._every = taps, every
        self._before: npt.NDArray[Any] = np.zeros(taps.size - 1)

    def feed(self, samples: npt.NDArray[Any]) -> npt.NDArray[Any]:
        joined: npt.NDArray[Any] = np.concatenate([self._before, samples])
        self._before = joined[samples.size :]
        return np.convolve(joined, self._taps, "valid")[:: self._every]


_MICROPHONE: Final = {True: speech_taps(1), False: speech_taps(0)}
_SPEAKER: Final = {True: speech_taps(-1), False: speech_taps(0)}
_FLAT: Final = low_pass(_FLAT_HZ, RATE_HZ, _AUDIO_TAPS)
_UP: Final = TIMES * low_pass(_FLAT_HZ, IF_RATE_HZ, _AUDIO_TAPS)
_DOWN: Final = low_pass(_FLAT_HZ, IF_RATE_HZ, _AUDIO_TAPS)
_CHANNEL: Final = low_pass(_IF_HALF_HZ, IF_RATE_HZ, _IF_TAPS)


# --- the transmitter -----------------------------------------------------------------------


class Transmitter:
    """Turns sound into a carrier of amplitude 1 whose frequency follows it."""

    def __init__(self, equipment: Equipment, offset_hz: float = 0.0) -> None:
        self._limit_hz = equipment.deviation_hz
        self._gain = FULL_SCALE_HZ / 32767 * 10 ** (equipment.gain_db / 20)
        self._voice = _Fir(_MICROPHONE[equipment.pre_emphasis])
        self._up = _Fir(_UP)
        self._offset_hz = offset_hz
        self._phase = 0.0

    def modulate(self, frame: Samples, under: Samples | None = None) -> Carrier:
        """Returns 640 samples of carrier.

        Args:
            frame: 160 samples of what is spoken.
            under: 160 samples of what runs under it, past filter and limiter.
        """
        voice_hz = self._voice.feed(frame * self._gain)
        none = np.zeros(frame.size)
        below_hz = none if under is None else under.astype(float) * (FULL_SCALE_HZ / 32767)
        room_hz = self._limit_hz - np.abs(below_hz).max()
        spread = np.zeros(TIMES * frame.size)
        spread[::TIMES] = np.clip(voice_hz, -room_hz, room_hz) + below_hz
        hz = self._up.feed(spread) + self._offset_hz
        phase = self._phase + 2 * np.pi / IF_RATE_HZ * np.cumsum(hz)
        self._phase = float(phase[-1]) % (2 * np.pi)
        carrier: Carrier = np.exp(1j * phase)
        return carrier


# --- the path ------------------------------------------------------------------------------


class Fading:
    """How the strength of one path wanders: the sum of many rays from all sides (Clarke)."""

    _RAYS: Final = 24
    _POINTS: Final = 21

    def __init__(self, link: Link, seed: Sequence[int]) -> None:
        """Makes a path; the mean power of its gain is 1.

        Args:
            link: how it fades.
            seed: its chance.
        """
        rng = np.random.default_rng(seed)
        arrival = 2 * np.pi * (np.arange(self._RAYS) + rng.random(self._RAYS)) / self._RAYS
        self._hz = link.doppler_hz * np.cos(arrival)
        self._phase = rng.uniform(0, 2 * np.pi, self._RAYS)
        self._direct_hz = link.doppler_hz * math.cos(rng.uniform(0, 2 * np.pi))
        k = 10 ** (link.k_db / 10) if link.fading == "rician" else 0.0
        self._direct, self._rest = math.sqrt(k / (1 + k)), math.sqrt(1 / (1 + k) / self._RAYS)

    def gain(self, start_s: float) -> Carrier:
        """Returns the complex gain over the 640 samples from a moment on."""
        at_s = start_s + np.linspace(0, FRAME_S, self._POINTS)
        rays = np.exp(1j * (2 * np.pi * np.outer(at_s, self._hz) + self._phase))
        gain = self._rest * rays.sum(axis=1)
        gain += self._direct * np.exp(2j * np.pi * self._direct_hz * at_s)
        fine = np.arange(IF_SAMPLES) * (self._POINTS - 1) / IF_SAMPLES
        points = np.arange(self._POINTS)
        curve: Carrier = np.interp(fine, points, gain.real) + 1j * np.interp(
            fine, points, gain.imag
        )
        return curve


# --- the receiver --------------------------------------------------------------------------


class Receiver:
    """Turns what the antenna has into sound, and says whether its squelch is open.

    Noise has the power 1 behind the channel filter, so that an amplitude is a ratio to it.
    """

    def __init__(self, equipment: Equipment, seed: Sequence[int]) -> None:
        self._equipment = equipment
        rng = np.random.default_rng(seed)
        scale = 1 / math.sqrt(2 * float(np.sum(_CHANNEL**2)))
        shape = (_NOISE_BLOCKS, IF_SAMPLES)
        # Made once: an hour of fresh noise would cost more than all the rest.
        self._noise = scale * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape))
        self._order = np.random.default_rng([*seed, 1])
        self._gate = _gate(equipment)
        self.restart()

    def restart(self) -> None:
        """Closes the squelch and forgets everything, as after a transmission of its own."""
        equipment = self._equipment
        self._channel, self._down = _Fir(_CHANNEL), _Fir(_DOWN, every=TIMES)
        self._flat, self._speaker = _Fir(_FLAT), _Fir(_SPEAKER[equipment.de_emphasis])
        self._last = 0j
        self._mean_hz = 0.0
        self._present_ms = self._absent_ms = 0.0
        self.is_open = False
        self.cnr_db = -math.inf
        if self._gate is not None:
            self._gate.restart()

    def mute(self) -> None:
        """Hears nothing for a frame, because its own transmitter is on."""
        if self.is_open or self._present_ms:
            self.restart()

    @property
    def is_idle(self) -> bool:
        """Nothing need be given to it while nobody is on the air."""
        return self._equipment.muted and not self.is_open

    def hear(self, carriers: Carrier | None) -> Samples:
        """Returns 160 samples of its output, whatever its squelch says; `is_open` follows.

        Args:
            carriers: 640 samples of all carriers as they arrive, or None for noise alone.
        """
        noise = self._noise[int(self._order.integers(_NOISE_BLOCKS))]
        received = self._channel.feed(noise if carriers is None else carriers + noise)
        power = float(np.mean(np.abs(received) ** 2))
        self.cnr_db = 10 * math.log10(max(power - 1, 1e-6))
        hz = self._demodulated(received)
        self._follow_squelch(hz)
        chain = self._flat if self._equipment.output == "discriminator" else self._speaker
        sound = chain.feed(hz) * (32767 / FULL_SCALE_HZ)
        clipped: Samples = np.clip(sound, -32768, 32767).astype(np.int16)
        return clipped

    def _demodulated(self, received: Carrier) -> Wave:
        before = np.concatenate([[self._last], received[:-1]])
        self._last = complex(received[-1])
        hz = np.angle(received * before.conj()) * (IF_RATE_HZ / (2 * np.pi))
        sound: Wave = self._down.feed(hz)
        # The output is coupled by a capacitor: a carrier beside the frequency moves nothing.
        mean_hz = self._mean_hz + 0.1 * (float(sound.mean()) - self._mean_hz)
        sound = sound - np.linspace(self._mean_hz, mean_hz, sound.size)
        self._mean_hz = mean_hz
        return sound

    def _follow_squelch(self, hz: Wave) -> None:
        equipment = self._equipment
        level_db = equipment.open_db - (3.0 if self.is_open else 0.0)
        frame_ms = FRAME_S * 1000
        if self.cnr_db >= level_db:
            self._present_ms, self._absent_ms = self._present_ms + frame_ms, 0.0
        else:
            self._present_ms, self._absent_ms = 0.0, self._absent_ms + frame_ms
        carrier = self.is_open and self._absent_ms < equipment.close_ms
        carrier = carrier or self._present_ms >= equipment.open_ms
        tone = True
        if self._gate is not None:
            tone = self._gate.feed(hz)
        self.is_open = carrier and tone


def _gate(equipment: Equipment) -> ToneGate | CodeGate | None:
    if equipment.ctcss_hz is not None:
        return ToneGate(equipment.ctcss_hz)
    if equipment.dcs is not None:
        return CodeGate(equipment.dcs.lstrip("-"), inverted=equipment.dcs.startswith("-"))
    return None


# --- all of it together --------------------------------------------------------------------


@dataclass(kw_only=True)
class Air:
    """A frequency with physics: who reaches whom how well, and how each radio is built.

    Attributes:
        seed: all its chance; print it when a run fails.
        link: every path that is not named.
        links: (from, to) → path; a radio that is heard but deaf has one way only.
        radios: name → equipment; `*` is everybody else.
    """

    seed: int
    link: Link = field(default_factory=Link)
    links: Mapping[tuple[str, str], Link] = field(default_factory=dict)
    radios: Mapping[str, Equipment] = field(default_factory=dict)
    _transmitters: dict[str, Transmitter] = field(default_factory=dict)
    _receivers: dict[str, Receiver] = field(default_factory=dict)
    _fadings: dict[tuple[str, str], Fading] = field(default_factory=dict)

    @classmethod
    def read(cls, fields: Mapping[str, Any], seed: int) -> "Air":
        """Returns the air a scenario describes.

        Args:
            fields: those of `Link` for all paths; `links`, each with `from`, `to` and those of
                `Link`; `radios`, by name, with those of `Equipment`.
            seed: all its chance.

        Raises:
            TypeError: an unknown word.
        """
        rest = dict(fields)
        links, radios = rest.pop("links", ()), rest.pop("radios", {})
        return cls(
            seed=seed,
            link=Link(**rest),
            links=dict(_read_link(each, rest) for each in links),
            radios={who: Equipment(**each) for who, each in radios.items()},
        )

    def equipment(self, who: str) -> Equipment:
        """Returns how a radio is built."""
        return self.radios.get(who) or self.radios.get("*") or Equipment()

    def path(self, sender: str, receiver: str) -> Link:
        """Returns the way from one to the other."""
        return self.links.get((sender, receiver), self.link)

    def _seed(self, *names: str) -> list[int]:
        return [self.seed, *(zlib.crc32(name.encode()) for name in names)]

    def send(self, who: str, frame: Samples, under: Samples | None) -> Carrier:
        """Returns the carrier of a station that is on the air, 20 ms of it."""
        if who not in self._transmitters:
            equipment = self.equipment(who)
            drawn_hz = np.random.default_rng(self._seed(who, "offset")).uniform(-300, 300)
            offset_hz = drawn_hz if equipment.offset_hz is None else equipment.offset_hz
            self._transmitters[who] = Transmitter(equipment, float(offset_hz))
        return self._transmitters[who].modulate(frame, under)

    def unkeyed(self, who: str) -> None:
        """Forgets a carrier that has ended; the next begins afresh."""
        self._transmitters.pop(who, None)

    def receiver(self, who: str) -> Receiver:
        """Returns the receiver of a station."""
        if who not in self._receivers:
            self._receivers[who] = Receiver(self.equipment(who), self._seed(who, "noise"))
        return self._receivers[who]

    def arriving(
        self, to: str, carriers: Sequence[tuple[str, float, Carrier]], now_s: float
    ) -> Carrier | None:
        """Returns the sum of the carriers that reach a station; None when none does.

        Args:
            to: whose antenna.
            carriers: (from, strength, carrier); a strength of 2 is 6 dB more.
            now_s: the moment, for the fading.
        """
        total: Carrier | None = None
        for who, strength, carrier in carriers:
            link = self.path(who, to)
            if link.cnr_db is None or strength <= 0:
                continue
            arrived = strength * 10 ** (link.cnr_db / 20) * carrier
            if link.fading != "none":
                arrived = arrived * self._fading(who, to, link).gain(now_s)
            total = arrived if total is None else total + arrived
        return total

    def _fading(self, who: str, to: str, link: Link) -> Fading:
        if (who, to) not in self._fadings:
            # What holds in one direction holds in the other: both share the chance.
            self._fadings[who, to] = Fading(link, self._seed(*sorted((who, to)), "fading"))
        return self._fadings[who, to]


def _read_link(
    fields: Mapping[str, Any], common: Mapping[str, Any]
) -> tuple[tuple[str, str], Link]:
    rest = {**common, **fields}
    ends = rest.pop("from"), rest.pop("to")
    return ends, Link(**rest)
