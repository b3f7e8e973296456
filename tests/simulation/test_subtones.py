"""Tones and codes under the voice: made by the book, ended quietly, recognised in time."""

import numpy as np
import pytest

from simulators.subtones import (
    CTCSS_HZ,
    DCS_CODES,
    FULL_SCALE_HZ,
    CodeGate,
    Ctcss,
    Dcs,
    Subtone,
    ToneGate,
    Under,
    ctcss_in,
    dcs_in,
    dcs_word,
    subtone,
)
from simulators.tones import FRAME_S, FRAME_SAMPLES, Samples, silence, voice


def played(under: Subtone, seconds: float) -> Samples:
    return np.concatenate([under.next() for _ in range(round(seconds / FRAME_S))])


def noise(seconds: float, level: float = 3000.0) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return list(rng.normal(0, level, (round(seconds / FRAME_S), FRAME_SAMPLES)))


@pytest.mark.parametrize(
    ("code", "word"),
    [("023", 0x763813), ("025", 0x6B7815), ("026", 0x65D816), ("031", 0x51F819),
     ("114", 0x35E84C), ("172", 0x05F87A), ("754", 0x20F9EC)],
)  # fmt: skip
def test_the_words_of_codes_are_those_of_the_vectors(code: str, word: int) -> None:
    assert dcs_word(code) == word


def test_every_code_is_told_from_every_other() -> None:
    assert len(DCS_CODES) == 83
    some = DCS_CODES[::4]
    assert [dcs_in(played(Dcs(code), 0.5)) for code in some] == [[code] for code in some]


@pytest.mark.parametrize(
    ("code", "same_as"), [("023", "047"), ("025", "244"), ("026", "464"), ("031", "627")]
)
def test_a_code_upside_down_is_another_code(code: str, same_as: str) -> None:
    assert dcs_in(played(Dcs(code, inverted=True), 0.5)) == [same_as]


def test_every_tone_is_told_from_its_neighbours_under_a_voice() -> None:
    spoken = voice(0.5, 1, -20.0)
    under = [played(Ctcss(hz), 0.5) for hz in CTCSS_HZ]
    # What a radio sends of a voice begins at 300 Hz.
    spectrum = np.fft.rfft(spoken)
    spectrum[: round(300 * 0.5)] = 0
    above = np.fft.irfft(spectrum, spoken.size)
    assert [ctcss_in((each + above).astype(np.int16)) for each in under] == list(CTCSS_HZ)


def test_a_voice_hiss_and_silence_are_neither() -> None:
    for sound in (voice(2, 1), np.concatenate(noise(2)).astype(np.int16), silence(1000)):
        assert (ctcss_in(sound), dcs_in(sound)) == (None, [])


def test_the_level_is_the_deviation_asked_for() -> None:
    peak = np.abs(played(Ctcss(88.5, deviation_hz=250), 1.0)).max()
    assert peak * FULL_SCALE_HZ / 32767 == pytest.approx(250, rel=0.01)


def test_a_tone_squelch_opens_late_and_closes_on_the_reverse_burst() -> None:
    gate, tone = ToneGate(88.5), Ctcss(88.5)
    assert not any(gate.feed(frame) for frame in noise(1.0))
    opened = [gate.feed(tone.next() + hiss) for hiss in noise(0.6, 150)]
    assert 0.1 <= opened.index(True) * FRAME_S <= 0.25
    closing = [gate.feed(frame.astype(float)) for frame in tone.ending()]
    assert closing.index(False) * FRAME_S <= 0.08
    assert not closing[-1]
    assert not any(gate.feed(frame) for frame in noise(0.5))


def test_a_neighbouring_tone_opens_nothing() -> None:
    gate, tone = ToneGate(88.5), Ctcss(91.5)
    assert sum(gate.feed(tone.next().astype(float)) for _ in range(100)) == 0


@pytest.mark.parametrize(("sent", "opens"), [("025", True), ("-025", False), ("026", False)])
def test_a_code_squelch_opens_for_its_code_and_polarity(sent: str, opens: bool) -> None:
    gate, under = CodeGate("025"), subtone(None, sent)
    assert under is not None
    assert not any(gate.feed(frame) for frame in noise(1.0))
    heard = [gate.feed(under.next().astype(float)) for _ in range(40)]
    assert heard[-1] == opens
    assert (not opens) or 0.1 <= heard.index(True) * FRAME_S <= 0.3


def test_the_carrier_stays_until_the_ending_is_over() -> None:
    under = Under(Ctcss(88.5, turn_off_ms=60))
    frames = [under.follow(f) for f in [silence(20)] * 3 + [None] * 5]
    assert [f is not None for f in frames] == [True] * 6 + [False] * 2
    assert under.now is None
    assert Under(None).follow(None) is None


def test_a_code_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'089' is not a DCS code"):
        Dcs("089")
