"""CTCSS: the right tone opens in a quarter second, nothing else does, its end is its end."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.radio.ctcss import TONES_HZ, CtcssBank, encode, tone_named
from drivers.radio.samples import to_int16
from tests.bench.subtones import (
    added,
    ctcss_answers,
    followed,
    opened_and_closed_ms,
    voice_like,
)

FS = 8000
SEED = 20261122


def sine(hz: float, seconds: float, level_dbfs: float = -26.0, turn: float = 0.0):
    """A tone made here, not by the encoder."""
    t = np.arange(round(seconds * FS)) / FS
    return to_int16(32767 * 10 ** (level_dbfs / 20) * np.sin(2 * np.pi * hz * t + turn))


@pytest.mark.parametrize("burst_deg", [180.0, 240.0, None])
def test_every_tone_opens_under_voice_and_ends_with_its_burst(burst_deg: float | None) -> None:
    answers = ctcss_answers(SEED, 1, burst_deg)
    open_ms, close_ms = answers.open_ms, answers.close_ms
    print(f"seed {SEED}: opens {open_ms.max():.0f}, closes {close_ms.max():.0f} ms at most")
    assert (open_ms <= 250).all()
    assert (close_ms <= (60 if burst_deg is not None else 80)).all()
    assert answers.right.all(), "a burst or a tail opened the squelch again"


def test_a_sender_that_is_a_little_off_is_heard_through_hiss() -> None:
    answers = ctcss_answers(SEED, 1, 120.0, 0.003, 6)
    assert (answers.open_ms <= 250).all()
    assert answers.right.all()


def test_no_neighbour_opens_a_tone_even_when_it_is_off() -> None:
    pairs = [
        (wanted, other * (1 + off))
        for wanted, other in itertools.pairwise(TONES_HZ)
        for off in (-0.003, 0.003)
    ]
    pairs += [(other, wanted) for wanted, other in pairs]
    wanted = [[min(TONES_HZ, key=lambda tone, hz=hz: abs(tone - hz))] for hz, _ in pairs]
    tracks = np.stack([sine(hz, 0.6) for _, hz in pairs])
    present, heard = followed(CtcssBank(len(pairs), wanted), tracks)
    assert not present.any()
    assert heard == []


def test_hum_and_the_turn_off_tone_of_dcs_open_nothing() -> None:
    sounds = [sine(50, 2.0), sine(50, 2.0, -12.0), sine(134.4, 2.0), sine(134.3, 2.0, -20.0)]
    present, _ = followed(CtcssBank(len(sounds)), np.stack(sounds))
    assert not present.any()
    hum = np.stack([sine(100, 2.0), sine(100.2, 2.0)])
    near = [hz for hz in TONES_HZ if hz != 100.0]
    present, _ = followed(CtcssBank(2, [near, near]), hum)
    assert not present.any()


def test_a_tone_is_heard_through_hum() -> None:
    both = added(sine(88.5, 1.0), sine(50, 1.0, -36.0))
    present, _ = followed(CtcssBank(1, [[88.5]]), both[None])
    assert present[13:].all()


def test_voice_and_hiss_open_nothing() -> None:
    rng = np.random.default_rng(SEED)
    talk = [voice_like(8 * FS, rng, band=band) for band in (True, False) for _ in range(4)]
    hiss = [to_int16(4000 * rng.standard_normal(8 * FS)) for _ in range(4)]
    rising = [to_int16(6000 * np.diff(rng.standard_normal(8 * FS + 1))) for _ in range(4)]
    present, heard = followed(CtcssBank(16), np.stack([*talk, *hiss, *rising]))
    assert not present.any(), f"seed {SEED}: {heard}"


def test_a_technician_sees_which_tone_and_since_when() -> None:
    tones = [np.pad(sine(hz, 0.8), (1500 + i, 1600)) for i, hz in enumerate(TONES_HZ)]
    tracks = np.stack([np.pad(t, (0, 10000 - len(t))) for t in tones])
    bank = CtcssBank(len(TONES_HZ))
    every = np.ones(len(TONES_HZ), np.bool_)
    seen, ended = {}, []
    for k in range(0, 9920, 160):
        ended += bank.step(tracks[:, k : k + 160], every)
        for channel in np.flatnonzero(bank.present).tolist():
            seen[channel] = bank.under_way(channel)
    assert {c: h.value for c, h in seen.items()} == {
        i: f"{hz:.1f}" for i, hz in enumerate(TONES_HZ)
    }
    assert sorted(h.channel for h in ended) == list(range(50))
    for heard in ended:
        assert heard.kind == "ctcss"
        assert heard.start_sample == pytest.approx(1500 + heard.channel, abs=240)
        assert heard.duration_ms == pytest.approx(800, abs=60)
    assert all(bank.under_way(c) is None for c in range(50))


def test_the_end_of_the_carrier_ends_the_tone_in_the_same_step() -> None:
    bank = CtcssBank(1, [[123.0]])
    yes, no = np.array([True]), np.array([False])
    for frame in sine(123.0, 0.6).reshape(-1, 1, 160):
        assert bank.step(frame, yes) == []
    assert bank.present[0]
    (heard,) = bank.step(np.full((1, 160), 9999, np.int16), no)
    assert heard.value == "123.0"
    assert not bank.present[0]
    assert bank.step(np.zeros((1, 160), np.int16), no) == []


def test_the_next_over_opens_as_soon_as_the_first_did() -> None:
    over = np.concatenate([sine(77.0, 0.8), np.zeros(320, np.int16)])
    bank = CtcssBank(1, [[77.0]])
    opened = []
    for _ in range(3):
        for step, frame in enumerate(over.reshape(-1, 1, 160)):
            was = bank.present[0]
            bank.step(frame, np.array([step < 40]))
            opened += [step] if bank.present[0] and not was else []
    assert len(opened) == 3
    assert max(opened) <= 12


def test_a_channel_that_stays_keeps_its_tone_when_the_bank_is_made_anew() -> None:
    tone, other = sine(114.8, 1.0), sine(203.5, 1.0)
    bank = CtcssBank(2, [[114.8], [203.5]])
    for k in range(0, 4000, 160):
        bank.step(np.stack([tone, other])[:, k : k + 160], np.array([True, True]))
    assert bank.present.all()
    bank = bank.rearranged([None, 1, 0], [[114.8], [203.5], [88.5]])
    assert bank.present.tolist() == [False, True, False], "114.8 is not wanted there any more"
    for k in range(4000, 6000, 160):
        rows = np.stack([tone, other, tone])[:, k : k + 160]
        assert bank.step(rows, np.ones(3, np.bool_)) == []
    assert bank.present[1]


@settings(max_examples=15, deadline=None)
@given(
    hz=st.sampled_from(TONES_HZ),
    level_dbfs=st.floats(-34, -8),
    before=st.integers(0, 800),
    ms=st.floats(400, 1500),
)
def test_what_is_encoded_is_heard_once(
    hz: float, level_dbfs: float, before: int, ms: float
) -> None:
    sound = np.pad(encode(hz, ms, level_dbfs=level_dbfs), (before, 2400))
    present, heard = followed(CtcssBank(1), sound[None])
    assert [h.value for h in heard] == [f"{hz:.1f}"]
    opened, closed = opened_and_closed_ms(present, before, before + ms * 8)
    assert opened[0] <= 250
    assert closed[0] <= 65


def test_what_is_no_tone_is_refused() -> None:
    assert tone_named(88.5) == "88.5"
    with pytest.raises(ValueError, match=r"the nearest is 88\.5"):
        CtcssBank(1, [[89.0]])
    with pytest.raises(ValueError, match="2 channels, but tones for 1"):
        CtcssBank(2, [[88.5]])
