"""Five-tone calls: heard as sent, by our own ear and by a foreign one."""

import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators import selcall
from simulators.tones import RATE_HZ, Samples, dtmf, silence, tone, voice

SETS = sorted(selcall.SETS)


def heard(sound: Samples, tone_set: str, noise: float = 300.0) -> list[str]:
    hiss = np.random.default_rng(1).normal(0, noise, sound.size)
    loud = np.clip(sound + hiss, -32768, 32767).astype(np.int16)
    return [call.digits for call in selcall.decode(loud, tone_set)]


def between(*parts: Samples) -> Samples:
    return np.concatenate([silence(130), *parts, silence(200)])


def multimon(sound: Samples, demodulator: str) -> str:
    """Returns what Debian's multimon-ng makes of it (it wants 22050 Hz)."""
    program = shutil.which("multimon-ng")
    if program is None:
        pytest.skip("multimon-ng is not installed (apt install multimon-ng)")
    at = np.arange(round(len(sound) * 22050 / RATE_HZ)) * (RATE_HZ / 22050)
    resampled = np.interp(at, np.arange(len(sound)), sound).astype("<i2")
    found = subprocess.run(
        [program, "-q", "-a", demodulator, "-t", "raw", "-"],
        input=resampled.tobytes(),
        capture_output=True,
        timeout=20,
        check=True,
    )
    lines = found.stdout.decode().splitlines()
    return "".join(line.partition(": ")[2] for line in lines if line.startswith(demodulator))


@pytest.mark.parametrize(
    ("digits", "sent"), [("22222", "2E2E2"), ("10002", "10E02"), ("12345", "12345")]
)
def test_a_repeated_digit_goes_out_as_the_repeat_tone(digits: str, sent: str) -> None:
    assert selcall.on_air(digits) == sent


@settings(max_examples=40)
@given(digits=st.text("0123456789", min_size=5, max_size=5), tone_set=st.sampled_from(SETS),
       off_by=st.sampled_from([-0.015, 0.0, 0.015]))  # fmt: skip
def test_any_call_of_any_set_is_heard_as_it_was_sent(
    digits: str, tone_set: str, off_by: float
) -> None:
    sound = between(selcall.encode(digits, tone_set, off_by=off_by))
    assert heard(sound, tone_set) == [digits]


@pytest.mark.parametrize(
    ("tone_set", "demodulator"),
    [
        ("zvei1", "ZVEI1"),
        ("zvei2", "ZVEI2"),
        ("dzvei", "DZVEI"),
        ("ccir", "CCIR"),
        ("eea", "EEA"),
    ],
)
@pytest.mark.parametrize("digits", ["12345", "22222", "90817"])
def test_multimon_reads_our_calls(tone_set: str, demodulator: str, digits: str) -> None:
    sound = between(selcall.encode(digits, tone_set), silence(500))
    assert multimon(sound, demodulator) == selcall.on_air(digits)


def test_the_first_tone_may_be_long_to_open_a_squelch() -> None:
    assert heard(between(selcall.encode("12345", "ccir", first_ms=700)), "ccir") == ["12345"]


@pytest.mark.parametrize("digits", ["1234", "123456"])
def test_too_few_and_too_many_tones_are_no_call(digits: str) -> None:
    assert heard(between(selcall.encode(digits)), "zvei1") == []


def test_a_call_with_a_hole_voices_and_other_tones_are_no_call() -> None:
    broken = np.concatenate([selcall.encode("12345")[:1900], silence(60)])
    for sound in (broken, voice(30, 1), tone((1060.0,), 2000, -10), dtmf("1234567890")):
        assert heard(between(sound), "zvei1") == []


def test_two_calls_are_two() -> None:
    twice = between(selcall.encode("12345"), silence(900), selcall.encode("54321"))
    assert heard(twice, "zvei1") == ["12345", "54321"]


def test_what_cannot_be_sent_is_refused_by_name() -> None:
    with pytest.raises(
        ValueError, match=r"no five-tone set is called 'zvei9'; there are zvei1"
    ):
        selcall.encode("12345", "zvei9")
    with pytest.raises(ValueError, match=r"'12x45' is not a five-tone call"):
        selcall.encode("12x45")
