"""What FM does to sound, by physics: levels, twist, noise, capture, fading, squelch."""

from collections.abc import Sequence

import numpy as np
import pytest

from simulators import mdc1200
from simulators.channel_model import (
    IF_SAMPLES,
    Air,
    Equipment,
    Fading,
    Link,
    Receiver,
    Transmitter,
)
from simulators.subtones import Ctcss, Dcs, Subtone, ctcss_in
from simulators.tones import (
    FRAME_S,
    FRAME_SAMPLES,
    Samples,
    ToneDetector,
    digits_in,
    dtmf,
    rms_dbfs,
    silence,
    tone,
    voice,
)

GOOD_DB = 40.0


def frames_of(sound: Samples) -> np.ndarray:
    return sound[: sound.size // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)


class Sender:
    """Somebody on the air: his sound, his set, and how strongly he arrives."""

    def __init__(
        self, sound: Samples, cnr_db: float = GOOD_DB, offset_hz: float = 100.0,
        under: Subtone | None = None, **equipment: object,
    ) -> None:  # fmt: skip
        self.frames = frames_of(sound)
        self.amplitude = 10 ** (cnr_db / 20)
        self.under = under
        self.transmitter = Transmitter(Equipment(**equipment), offset_hz)  # type: ignore[arg-type]

    def carrier(self, number: int) -> np.ndarray | None:
        if number >= len(self.frames):
            return None
        under = self.under.next() if self.under is not None else None
        return self.amplitude * self.transmitter.modulate(self.frames[number], under)


def received(
    senders: Sequence[Sender], extra_frames: int = 15, **equipment: object
) -> tuple[Samples, list[bool]]:
    """Returns what a receiver gives out, open squelch or not, and its squelch by frames."""
    receiver = Receiver(Equipment(**equipment), [5])  # type: ignore[arg-type]
    sound, squelch = [], []
    for number in range(max(len(s.frames) for s in senders) + extra_frames):
        carriers = [c for s in senders if (c := s.carrier(number)) is not None]
        sound.append(receiver.hear(sum(carriers) if carriers else None))
        squelch.append(receiver.is_open)
    return np.concatenate(sound), squelch


def digits(sound: Samples) -> str:
    detector = ToneDetector()
    tones = [each for frame in frames_of(sound) for each in detector.feed(frame)]
    return digits_in((*tones, *detector.flush()))


def keyed(text: str, lead_ms: float = 200) -> Samples:
    return np.concatenate([silence(lead_ms), dtmf(text), silence(100)])


def loss_db(hz: float, level_dbfs: float = -20.0, **receiver: object) -> float:
    sound, _ = received([Sender(tone((hz,), 600, level_dbfs))], **receiver)
    return level_dbfs - rms_dbfs(sound[1600:4000])


@pytest.mark.parametrize("hz", [400, 1000, 2000, 2900])
def test_in_the_speech_band_what_goes_in_comes_out(hz: float) -> None:
    assert loss_db(hz) == pytest.approx(0, abs=1.0)


@pytest.mark.parametrize("hz", [100, 3600])
def test_outside_it_nothing_comes_out_of_the_loudspeaker(hz: float) -> None:
    assert loss_db(hz) > 25


@pytest.mark.parametrize(
    ("lifts", "lowers", "twist_db"),
    [(True, True, 0.0), (False, True, -6.5), (True, False, 6.5), (False, False, 0.0)],
)
def test_one_missing_emphasis_is_six_decibels_of_twist(
    lifts: bool, lowers: bool, twist_db: float
) -> None:
    levels = []
    for hz in (697.0, 1477.0):
        sender = Sender(tone((hz,), 600, -20.0), pre_emphasis=lifts)
        sound, _ = received([sender], de_emphasis=lowers)
        levels.append(rms_dbfs(sound[1600:4000]))
    assert levels[1] - levels[0] == pytest.approx(twist_db, abs=0.5)


def test_the_limiter_holds_what_is_shouted() -> None:
    gained = []
    for gain_db in (0.0, 20.0):
        sound, _ = received([Sender(tone((1000.0,), 600, -12.0), gain_db=gain_db)])
        gained.append(rms_dbfs(sound[1600:4000]))
    assert gained[0] == pytest.approx(-12, abs=0.5)
    # 2.5 of 4 kHz, and a squared sine is a little stronger than the sine.
    assert gained[1] == pytest.approx(20 * np.log10(2.5 / 4), abs=2.5)


def test_the_channel_is_wide_enough_for_its_own_and_deaf_to_the_next() -> None:
    assert loss_db(1000.0) == pytest.approx(0, abs=1)
    neighbour = Sender(tone((1000.0,), 600, -12.0), offset_hz=12_500.0)
    _, squelch = received([neighbour])
    assert not any(squelch)


def test_noise_grows_as_the_carrier_weakens_and_digits_are_lost_at_last() -> None:
    quiet_dbfs, read = [], []
    for cnr_db in (30.0, 20.0, 12.0, 3.0):
        sound, _ = received([Sender(silence(1000), cnr_db)])
        quiet_dbfs.append(rms_dbfs(sound[1600:8000]))
    assert quiet_dbfs == sorted(quiet_dbfs)
    assert quiet_dbfs[1] - quiet_dbfs[0] == pytest.approx(10, abs=2), "above threshold 1 for 1"
    assert quiet_dbfs[3] - quiet_dbfs[1] > 17 + 2, "clicks at the threshold come on top"
    for cnr_db in (30.0, 12.0, 0.0):
        read.append(digits(received([Sender(keyed("*1203#"), cnr_db)])[0]))
    assert read[:2] == ["*1203#"] * 2
    assert read[2] != "*1203#"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_two_keyed_at_once_the_nearer_is_read_and_equals_garble(seed: int) -> None:
    offset_hz = float(np.random.default_rng(seed).uniform(-300, 300))

    def both(nearer_by_db: float) -> str:
        near = Sender(keyed("*1203#"), 30.0)
        far = Sender(keyed("987654"), 30.0 - nearer_by_db, offset_hz)
        return digits(received([near, far])[0])

    assert both(10.0) == "*1203#"
    assert both(-10.0) == "987654"
    assert both(0.0) not in ("*1203#", "987654")


def test_an_open_squelch_is_as_loud_as_a_voice_and_closes_after_the_tail() -> None:
    sound, squelch = received([Sender(silence(500), 30.0)], open_ms=60, close_ms=100)
    assert squelch.index(True) == 2
    # The channel filter rings for a moment: the fifth silent frame is the sixth after key-up.
    assert squelch == [False] * 2 + [True] * 28 + [False] * 10
    tail = sound[26 * FRAME_SAMPLES : 29 * FRAME_SAMPLES]
    spoken = sound[5 * FRAME_SAMPLES : 24 * FRAME_SAMPLES]
    assert rms_dbfs(tail) > -15
    assert rms_dbfs(spoken) < -40


def test_a_deep_fade_drops_the_squelch() -> None:
    sender = Sender(silence(400), 5.0)
    assert not any(received([sender], open_db=7.0)[1])


def test_a_late_tone_squelch_eats_the_first_digit() -> None:
    quick, slow = (
        received([Sender(keyed("*1203#", lead_ms=60), under=Ctcss(88.5))], ctcss_hz=hz)
        for hz in (None, 88.5)
    )
    heard = [
        digits(np.where(np.repeat(squelch, FRAME_SAMPLES), sound, 0).astype(np.int16))
        for sound, squelch in (quick, slow)
    ]
    assert heard[0] == "*1203#"
    assert heard[1] in ("1203#", "203#")


@pytest.mark.parametrize("under", [Ctcss(91.5), None])
def test_who_sends_another_tone_or_none_is_not_heard(under: Subtone | None) -> None:
    _, squelch = received([Sender(voice(1.0, 1), under=under)], ctcss_hz=88.5)
    assert not any(squelch)


def test_a_code_squelch_opens_for_its_code_through_the_channel() -> None:
    opens = [
        any(received([Sender(voice(1.0, 1), under=Dcs(code))], dcs="025")[1])
        for code in ("025", "031")
    ]
    assert opens == [True, False]


def test_what_runs_under_the_voice_is_on_the_discriminator_alone() -> None:
    for output, expected in (("discriminator", 88.5), ("speaker", None)):
        sender = Sender(voice(1.0, 1, -25.0), under=Ctcss(88.5))
        sound, _ = received([sender], output=output, de_emphasis=False, extra_frames=0)
        assert ctcss_in(sound[2400:]) == expected


def test_a_status_is_read_at_the_edge_of_the_range() -> None:
    packet = mdc1200.status(0x1033, 3)
    sound = np.concatenate([silence(200), mdc1200.encode(packet), silence(100)])
    heard = mdc1200.decode(received([Sender(sound, 12.0)])[0])
    assert [each.packet for each in heard] == [packet]


def powers(link: Link, seconds: float) -> np.ndarray:
    fading = Fading(link, [11])
    gains = [fading.gain(n * FRAME_S)[::32] for n in range(round(seconds / FRAME_S))]
    return np.abs(np.concatenate(gains)) ** 2


def test_rayleigh_fading_is_as_deep_and_as_quick_as_theory_says() -> None:
    power = powers(Link(fading="rayleigh", doppler_hz=20.0), 120.0)
    assert power.mean() == pytest.approx(1.0, rel=0.1)
    for depth_db in (-3.0, -10.0, -20.0):
        rho2 = 10 ** (depth_db / 10)
        assert (power < rho2).mean() == pytest.approx(1 - np.exp(-rho2), rel=0.25)
    rho = 10 ** (-10 / 20)
    crossings = np.count_nonzero((power[1:] < rho**2) & (power[:-1] >= rho**2)) / 120.0
    assert crossings == pytest.approx(
        np.sqrt(2 * np.pi) * 20 * rho * np.exp(-(rho**2)), rel=0.2
    )


def test_with_a_direct_ray_fades_are_shallower() -> None:
    deep = [
        (powers(Link(fading=kind, doppler_hz=20.0, k_db=10.0), 60.0) < 0.1).mean()
        for kind in ("rayleigh", "rician")
    ]
    assert deep[0] > 0.05
    assert deep[1] < 0.005


def test_the_same_seed_is_the_same_air() -> None:
    def heard(seed: int) -> bytes:
        air = Air(seed=seed, link=Link(cnr_db=12.0, fading="rayleigh"))
        sound = []
        for number, frame in enumerate(frames_of(keyed("*1#"))):
            carriers = [("034", 1.0, air.send("034", frame, None))]
            sound.append(air.receiver("b").hear(air.arriving("b", carriers, number * FRAME_S)))
        return np.concatenate(sound).tobytes()

    assert heard(1) == heard(1)
    assert heard(1) != heard(2)


def test_the_air_of_a_scenario() -> None:
    air = Air.read(
        {
            "cnr_db": 20, "fading": "rician",
            "links": [{"from": "p_li", "to": "base", "cnr_db": None}, {"from": "base", "to": "p_li"}],
            "radios": {"base": {"output": "discriminator"}, "*": {"pre_emphasis": False}},
        },
        seed=7,
    )  # fmt: skip
    assert air.path("p_li", "base").cnr_db is None
    assert (
        air.path("base", "p_li")
        == air.path("p_wang", "base")
        == Link(cnr_db=20, fading="rician")
    )
    assert air.equipment("base").output == "discriminator"
    assert not air.equipment("p_li").pre_emphasis
    carrier = air.send("p_li", np.zeros(FRAME_SAMPLES, np.int16), None)
    assert carrier.shape == (IF_SAMPLES,)
    assert air.arriving("base", [("p_li", 1.0, carrier)], 0.0) is None
    with pytest.raises(TypeError, match="cnr"):
        Air.read({"cnr": 20}, seed=7)
