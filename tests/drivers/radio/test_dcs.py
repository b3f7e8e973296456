"""DCS: words as published, codes heard by name and polarity, errors borne, ends seen."""

import numpy as np
import numpy.typing as npt
import pytest

from drivers.radio.dcs import CODES, EXTRA_CODES, DcsBank, encode, word_of
from drivers.radio.samples import to_int16
from tests.bench.subtones import added, followed, opened_and_closed_ms, voice_like

FS = 8000
SEED = 20261122
WORDS = {
    "023": 0x763813,
    "025": 0x6B7815,
    "026": 0x65D816,
    "031": 0x51F819,
    "114": 0x35E84C,
    "172": 0x05F87A,
    "754": 0x20F9EC,
}


def parity_bits(code: str) -> list[int]:
    """P1 to P11 by the published equations for the 83 codes, not by the polynomial."""
    c = [0, *(int(code, 8) >> i & 1 for i in range(9))]
    sums = (
        *((1, 2, 3, 4, 5, 8), (2, 3, 4, 5, 6, 9), (1, 2, 6, 7, 8), (2, 3, 7, 8, 9)),
        *((1, 2, 5, 9), (1, 4, 5, 6, 8), (1, 3, 4, 6, 7, 8, 9), (2, 4, 5, 7, 8, 9)),
        *((3, 5, 6, 8, 9), (4, 6, 7, 9), (1, 2, 3, 4, 7)),
    )
    inverted = {2, 4, 5, 6, 10, 11}
    return [sum(c[i] for i in s) % 2 ^ (n in inverted) for n, s in enumerate(sums, 1)]


def keyed(
    word: int, seconds: float, *, level: float = 0.06, rate: float = 134.4, wrong: int = 0
) -> npt.NDArray[np.int16]:
    """A word sent over and over with hard edges, made here; ``wrong`` bits of each turned."""
    rng = np.random.default_rng(word)
    bits = np.array([word >> i & 1 for i in range(23)])
    at = np.floor(np.arange(round(seconds * FS)) * rate / FS).astype(np.int64)
    turned = np.zeros(int(at[-1]) + 24, np.int64)
    for first in range(0, len(turned) - 23, 23):
        turned[first + rng.choice(23, wrong, replace=False)] = 1
    return to_int16(32767 * level * (2.0 * (bits[at % 23] ^ turned[at]) - 1.0))


def values(heard) -> list[str]:
    return [h.value for h in heard]


def test_words_are_those_published() -> None:
    assert {code: word_of(code) for code in WORDS} == WORDS
    assert len(CODES) == 83
    for code in CODES:
        word = word_of(code)
        assert [word >> (11 + n) & 1 for n in range(1, 12)] == parity_bits(code), code
        assert word & 0xFFF == 0x800 | int(code, 8)


def test_every_code_and_polarity_is_heard_under_voice_and_turned_off() -> None:
    rng = np.random.default_rng(SEED)
    names = [code + polarity for code in CODES for polarity in "NI"]
    voices = [voice_like(16000, rng) for _ in range(8)]
    tracks, ends = [], []
    for i, name in enumerate(names):
        begin, sound = 1600 + int(rng.integers(0, 160)), encode(name, 900 + 3 * (i % 57))
        ends.append((begin, begin + len(sound) - 1440))
        tracks.append(added(np.pad(sound, (begin, 16000 - begin - len(sound))), voices[i % 8]))
    present, heard = followed(DcsBank(len(names), [[n] for n in names]), np.stack(tracks))
    assert sorted((h.channel, h.value) for h in heard) == list(enumerate(names))
    for channel, (begin, end) in enumerate(ends):
        opened, closed = opened_and_closed_ms(present[:, [channel]], begin, end)
        assert opened[0] <= 400, names[channel]
        assert closed[0] <= 120, names[channel]
    for h in heard:
        begin, end = ends[h.channel]
        assert h.start_sample == pytest.approx(begin, abs=480)
        assert h.duration_ms == pytest.approx((end - begin) / 8, abs=80)


def test_another_code_or_the_other_polarity_opens_nothing() -> None:
    sent = [*CODES[1:], CODES[0]]
    tracks = np.stack([keyed(word_of(code), 1.0) for code in sent])
    present, _ = followed(DcsBank(83, [[c + "N"] for c in CODES]), tracks)
    assert not present.any()
    tracks = np.stack([keyed(word_of(code), 1.0) for code in CODES])
    present, _ = followed(DcsBank(83, [[c + "I"] for c in CODES]), tracks)
    assert not present.any()


def test_without_a_wish_each_code_is_named_and_its_double_the_normal_one() -> None:
    codes = [*CODES, *EXTRA_CODES]
    tracks = np.stack([keyed(word_of(code), 0.8) for code in codes])
    _, heard = followed(DcsBank(len(codes)), tracks)
    names = {h.channel: h.value for h in heard}
    assert len(heard) == len(codes)
    for channel, code in enumerate(codes):
        # 645 is a rotation of 526: the same on the air.
        assert names[channel] == ("526N" if code == "645" else code + "N")
    turned = np.stack([-keyed(word_of(code), 0.8) for code in ("023", "026", "172")])
    assert values(followed(DcsBank(3), turned)[1]) == ["047N", "464N", "036N"]


def test_an_off_tune_sender_a_slow_clock_and_a_wrong_bit_are_borne() -> None:
    word = word_of("411")
    tracks = [
        np.clip(keyed(word, 2.0).astype(np.int32) + 3000, -32768, 32767).astype(np.int16),
        keyed(word, 2.0, rate=134.3),
        keyed(word, 2.0, rate=134.6),
        keyed(word, 2.0, level=0.015),
    ]
    present, heard = followed(DcsBank(4, [["411N"]] * 4), np.stack(tracks))
    assert present[22:].all()
    assert values(heard) == ["411N"] * 4


def test_three_errors_a_word_do_not_open_but_are_held() -> None:
    clean, noisy = keyed(word_of("131"), 0.6), keyed(word_of("131"), 1.0, wrong=2)
    present, _ = followed(DcsBank(1, [["131N"]]), noisy[None])
    assert not present.any()
    present, heard = followed(DcsBank(1, [["131N"]]), np.concatenate([clean, noisy])[None])
    assert present[25:].all()
    assert values(heard) == ["131N"]


def test_what_ends_without_a_turn_off_tone_ends_too() -> None:
    sound = np.concatenate([keyed(word_of("265"), 1.0), np.zeros(4000, np.int16)])
    present, heard = followed(DcsBank(1, [["265N"]]), sound[None])
    _, closed = opened_and_closed_ms(present, 0, 8000)
    assert closed[0] <= 260
    assert values(heard) == ["265N"]
    bank, yes = DcsBank(1, [["265N"]]), np.array([True])
    for frame in sound[:8000].reshape(-1, 1, 160):
        bank.step(frame, yes)
    told = bank.under_way(0)
    assert told is not None
    assert told.value == "265N"
    assert values(bank.step(np.zeros((1, 160), np.int16), ~yes)) == ["265N"]
    assert bank.under_way(0) is None


def test_voice_hiss_and_tones_say_no_code() -> None:
    rng = np.random.default_rng(SEED)
    n = 8 * FS
    talk = [voice_like(n, rng, band=band) for band in (True, False) for _ in range(4)]
    hiss = [to_int16(3000 * rng.standard_normal(n)) for _ in range(8)]
    t = np.arange(n) / FS
    tones = [to_int16(2000 * np.sin(2 * np.pi * hz * t)) for hz in (50, 67, 100, 134.4, 233.6)]
    present, heard = followed(DcsBank(21), np.stack([*talk, *hiss, *tones]))
    assert not present.any(), f"seed {SEED}: {heard}"


def test_a_channel_that_stays_keeps_its_code_when_the_bank_is_made_anew() -> None:
    track = keyed(word_of("023"), 1.0)
    bank = DcsBank(2, [["023N"], ["754N"]])
    rows = np.stack([track, track])
    for k in range(0, 4800, 160):
        bank.step(rows[:, k : k + 160], np.array([True, True]))
    assert bank.present.tolist() == [True, False]
    bank = bank.rearranged([1, None, 0], [["754N"], ["023N"], ["023N"]])
    assert bank.present.tolist() == [False, False, True]
    for k in range(4800, 6400, 160):
        assert bank.step(rows[[0, 0, 0], k : k + 160], np.ones(3, np.bool_)) == []
    assert bank.present[2]


def test_what_is_no_code_is_refused() -> None:
    with pytest.raises(ValueError, match="three octal digits"):
        word_of("089")
    with pytest.raises(ValueError, match="polarity"):
        encode("023", 100)
    with pytest.raises(ValueError, match="not among the DCS codes"):
        DcsBank(1, [["000N"]])
    with pytest.raises(ValueError, match="2 channels, but codes for 1"):
        DcsBank(2, [["023N"]])
