"""The simulators' own tones: heard when exact, else silent; read by a foreign decoder."""

import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from simulators.tones import (
    FRAME_SAMPLES,
    RATE_HZ,
    Samples,
    ToneDetector,
    ToneHeard,
    dtmf,
    rms_dbfs,
    silence,
    voice,
)


def sine(hz: float, duration_ms: int, dbfs: float = -10.0) -> Samples:
    at_s = np.arange(RATE_HZ * duration_ms // 1000) / RATE_HZ
    return (32767 * 10 ** (dbfs / 20) * np.sin(2 * np.pi * hz * at_s)).astype(np.int16)


def joined(*parts: Samples) -> Samples:
    return np.concatenate(parts)


def noisy(audio: Samples, dbfs: float, seed: int = 1) -> Samples:
    noise = np.random.default_rng(seed).standard_normal(len(audio))
    noise *= 32767 * 10 ** (dbfs / 20) / np.sqrt(2)
    return np.clip(audio + noise, -32768, 32767).astype(np.int16)


def hear(audio: Samples, piece: int = FRAME_SAMPLES) -> list[ToneHeard]:
    detector = ToneDetector()
    padded = joined(audio, np.zeros(-len(audio) % piece, np.int16))
    heard = [tone for part in padded.reshape(-1, piece) for tone in detector.feed(part)]
    return heard + detector.flush()


def said(audio: Samples) -> list[tuple[str, str]]:
    return [(tone.kind, tone.value) for tone in hear(audio)]


# The calls, written out from the wire contract and not from the detector's own table.
LEVEL_1 = joined(*[sine(1400, 100), sine(1000, 100)] * 6)
LEVEL_2 = joined(*[sine(1200, 200), silence(100)] * 3)
LEVEL_3 = sine(900, 400)
ACCEPTED = joined(sine(880, 100), sine(1320, 100))
WRONG = sine(400, 500)
CALLS = {
    ("attention", "1"): LEVEL_1,
    ("attention", "2"): LEVEL_2,
    ("attention", "3"): LEVEL_3,
    ("answer", "accepted"): ACCEPTED,
    ("answer", "wrong"): WRONG,
}
calls = pytest.mark.parametrize(
    ("meaning", "call"), CALLS.items(), ids=["-".join(meaning) for meaning in CALLS]
)


@calls
@pytest.mark.parametrize("offset", range(0, 160, 23))
def test_a_call_is_heard_wherever_it_falls_and_though_speech_follows(
    meaning: tuple[str, str], call: Samples, offset: int
) -> None:
    audio = joined(np.zeros(4000 + offset, np.int16), call, silence(50), voice(1.5, offset))
    (tone,) = hear(noisy(audio, -45))
    assert (tone.kind, tone.value) == meaning
    assert tone.at_s == pytest.approx((4000 + offset) / RATE_HZ, abs=0.02)
    assert tone.level_dbfs == pytest.approx(-10, abs=1)


@calls
def test_a_call_is_heard_once_when_speech_follows_without_a_gap(
    meaning: tuple[str, str], call: Samples
) -> None:
    for seed in range(10):
        assert said(joined(silence(300), call, voice(1.0, seed))) == [meaning], f"seed {seed}"


@calls
def test_a_call_repeated_after_a_pause_is_heard_twice(
    meaning: tuple[str, str], call: Samples
) -> None:
    assert said(joined(call, silence(400), call)) == [meaning, meaning]


NEAR_MISSES = {
    "five pairs": joined(*[sine(1400, 100), sine(1000, 100)] * 5),
    "seven pairs": joined(*[sine(1400, 100), sine(1000, 100)] * 7),
    "pairs the wrong way round": joined(*[sine(1000, 100), sine(1400, 100)] * 6),
    "pairs of 200 ms": joined(*[sine(1400, 200), sine(1000, 200)] * 6),
    "two beeps": joined(*[sine(1200, 200), silence(100)] * 2),
    "four beeps": joined(*[sine(1200, 200), silence(100)] * 4),
    "beeps far apart": joined(*[sine(1200, 200), silence(200)] * 3),
    "900 Hz too short": sine(900, 200),
    "900 Hz too long": sine(900, 800),
    "860 Hz": sine(860, 400),
    "880 Hz for 400 ms": sine(880, 400),
    "accepted backwards": joined(sine(1320, 100), sine(880, 100)),
    "accepted, half of it": sine(880, 100),
    "wrong, too short": sine(400, 300),
    "wrong, off its frequency": sine(440, 500),
    "wrong, with a second tone": (sine(400, 500, -14) + sine(650, 500, -14)),
    "too faint": sine(900, 400, -50),
    "only noise": noisy(silence(2000), -10),
}


@pytest.mark.parametrize("name", NEAR_MISSES)
def test_what_is_nearly_a_call_is_none(name: str) -> None:
    assert said(joined(silence(300), NEAR_MISSES[name], silence(300))) == []


@settings(max_examples=60, deadline=None)
@given(
    digits=st.text("0123456789*#ABCD", min_size=1, max_size=12),
    tone_ms=st.integers(50, 120),
    gap_ms=st.integers(50, 120),
    offset=st.integers(0, 159),
    noise_dbfs=st.sampled_from([-70, -45, -30]),
)
@example(digits="11111", tone_ms=50, gap_ms=50, offset=79, noise_dbfs=-30)
def test_digits_come_back_as_they_were_sent(
    digits: str, tone_ms: int, gap_ms: int, offset: int, noise_dbfs: int
) -> None:
    sent = joined(
        np.zeros(800 + offset, np.int16), dtmf(digits, tone_ms=tone_ms, gap_ms=gap_ms)
    )
    heard = hear(noisy(sent, noise_dbfs))
    assert "".join(tone.value for tone in heard if tone.kind == "dtmf") == digits
    assert len(heard) == len(digits)
    assert heard[0].at_s == pytest.approx((800 + offset) / RATE_HZ, abs=0.02)
    assert heard[0].duration_s == pytest.approx(tone_ms / 1000, abs=0.03)


def test_clicks_of_20_ms_are_no_digits() -> None:
    assert said(joined(silence(100), dtmf("123", tone_ms=20), silence(100))) == []


def test_speech_alone_says_nothing() -> None:
    for seed in range(60):
        assert said(voice(4.0, seed)) == [], f"seed {seed}"


def test_the_size_of_the_pieces_does_not_matter() -> None:
    audio = noisy(joined(silence(90), LEVEL_1, dtmf("*12034#1"), ACCEPTED), -45)
    assert hear(audio, 80) == hear(audio, 160) == hear(audio, 1600)


def test_a_detector_is_fresh_after_a_flush() -> None:
    detector = ToneDetector()
    first = [*detector.feed(dtmf("5")), *detector.flush()]
    second = [*detector.feed(dtmf("5")), *detector.flush()]
    assert first == second != []


def test_the_generator_refuses_what_has_no_tone() -> None:
    with pytest.raises(ValueError, match="'x' in '12x' is not a DTMF digit"):
        dtmf("12x")


def test_levels_are_those_of_a_full_scale_sine() -> None:
    assert rms_dbfs(sine(1000, 1000, 0)) == pytest.approx(0, abs=0.05)
    assert rms_dbfs(dtmf("5", tone_ms=1000, gap_ms=0)) == pytest.approx(-9, abs=0.1)
    assert rms_dbfs(voice(4.0, 3, -20)) == pytest.approx(-20, abs=0.3)
    assert rms_dbfs(silence(100)) == rms_dbfs(silence(0)) == -120


def test_the_same_seed_is_the_same_voice() -> None:
    assert np.array_equal(voice(1.0, 7), voice(1.0, 7))
    assert not np.array_equal(voice(1.0, 7), voice(1.0, 8))


def multimon(audio: Samples) -> str:
    """Returns the digits that Debian's multimon-ng finds (it wants 22050 Hz)."""
    program = shutil.which("multimon-ng")
    if program is None:
        pytest.skip("multimon-ng is not installed (apt install multimon-ng)")
    at = np.arange(round(len(audio) * 22050 / RATE_HZ)) * (RATE_HZ / 22050)
    resampled = np.interp(at, np.arange(len(audio)), audio).astype("<i2")
    found = subprocess.run(
        [program, "-q", "-a", "DTMF", "-t", "raw", "-"],
        input=resampled.tobytes(),
        capture_output=True,
        timeout=20,
        check=True,
    )
    lines = found.stdout.decode().splitlines()
    return "".join(line.removeprefix("DTMF: ") for line in lines if line.startswith("DTMF: "))


@pytest.mark.parametrize(("tone_ms", "gap_ms"), [(70, 70), (100, 100), (50, 50)])
def test_a_foreign_decoder_reads_our_digits(tone_ms: int, gap_ms: int) -> None:
    sent = "*12034#10123456789ABCD"
    audio = joined(silence(200), dtmf(sent, tone_ms=tone_ms, gap_ms=gap_ms), silence(200))
    assert multimon(noisy(audio, -45)) == sent
