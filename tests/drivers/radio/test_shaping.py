"""Shaping: the band, the level, the ceiling, evener syllables; pauses stay pauses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.radio.samples import Float64Array, Int16Array, speech_level_dbfs
from drivers.radio.shaping import at_level, evened, shaped_speech

CEILING = 32767 * 10 ** (-3 / 20) + 1


def talk(seed: int = 5) -> Float64Array:
    """Noise in syllables of 200 ms that differ by some 20 dB."""
    rng = np.random.default_rng(seed)
    syllables = np.repeat(rng.uniform(0.1, 1, 40) ** 2, 1600)
    return rng.standard_normal(len(syllables)) * syllables


@pytest.mark.parametrize("peak", [200.0, 3000.0, 30000.0])
@pytest.mark.parametrize("level", [-20.0, -10.0, -6.0])
def test_speech_comes_out_at_its_level_whatever_went_in(peak: float, level: float) -> None:
    out = shaped_speech(np.clip(talk() / 4 * peak, -32768, 32767).astype(np.int16), level)
    # At -6 the ceiling of -3 leaves no room for all of it.
    assert speech_level_dbfs(out) == pytest.approx(level, abs=1.5 if level < -6 else 3.5)
    assert np.abs(out.astype(int)).max() <= CEILING


def tone(hz: float, n: int = 16000) -> Int16Array:
    return (8000 * np.sin(2 * np.pi * hz * np.arange(n) / 8000)).astype(np.int16)


def test_hum_and_hiss_outside_the_band_go_and_the_treble_is_lowered() -> None:
    voice = tone(600).astype(float)
    for hz, least_db, most_db in ((50, 30, 999), (3600, 30, 999), (2500, 3, 5), (800, 0, 2)):
        both = shaped_speech(((voice + tone(hz)) / 2).astype(np.int16)).astype(float)
        spectrum = np.abs(np.fft.rfft(both[4000:12000] * np.hanning(8000)))
        below_db = 20 * np.log10(spectrum[600] / spectrum[hz])
        assert least_db <= below_db <= most_db, (hz, below_db)


def test_a_soft_syllable_comes_nearer_to_the_loud_one() -> None:
    loud, soft = np.full(4800, 1.0), np.full(4800, 0.1)
    carrier = 8000 * np.sin(2 * np.pi * 700 * np.arange(9600) / 8000)
    out = evened(carrier * np.concatenate([loud, soft]))
    before_db, after_db = (
        20.0,
        20 * np.log10(np.abs(out[:4000]).max() / np.abs(out[6000:]).max()),
    )
    assert after_db == pytest.approx(before_db / 1.5, abs=1.5)


def test_breath_in_a_pause_is_not_raised() -> None:
    voice = np.concatenate([tone(700, 8000), tone(700, 8000) // 100, tone(700, 8000)])
    out = evened(voice.astype(float))
    within = slice(11000, 13000)
    assert np.abs(out[within]).max() <= 1.3 * np.abs(voice[within]).max()


def test_silence_and_nothing_stay_so() -> None:
    for n in (0, 1, 159, 1600):
        assert not shaped_speech(np.zeros(n, np.int16)).any()
        assert len(shaped_speech(np.zeros(n, np.int16))) == n
        assert len(at_level(np.zeros(n, np.int16))) == n


@given(st.lists(st.integers(-32768, 32767), max_size=400))
def test_no_sound_makes_it_louder_than_the_ceiling_or_of_another_length(v: list[int]) -> None:
    out = shaped_speech(np.array(v, np.int16))
    assert len(out) == len(v)
    assert np.abs(out.astype(int)).max(initial=0) <= CEILING


def test_parts_of_different_voices_are_brought_to_one_level() -> None:
    for gain in (0.01, 0.2, 1.0):
        part = at_level((talk() * 8000 * gain).clip(-32768, 32767).astype(np.int16))
        assert speech_level_dbfs(part) == pytest.approx(-10, abs=1)
