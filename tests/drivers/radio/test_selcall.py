"""Five-tone calls: with tones made here, in noise, off frequency, and what is no call."""

import shutil
import subprocess
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.radio.heard import Heard, SelcallFit
from drivers.radio.samples import resampled, to_int16
from drivers.radio.selcall import SelcallBank
from drivers.radio.selcall_call import measure
from drivers.radio.selcall_tables import TABLES, SelcallTable, digits_of, encode, symbols_of
from tests.bench.hearing import noise, selcall_cell

FS = 8000
ALL = ("zvei1", "zvei2", "ccir", "eea", "eia")
# As printed for users of such radios: digits 0 to 9, then the repeat tone, and the tone length.
ZVEI = (2400, 1060, 1160, 1270, 1400, 1530, 1670, 1830, 2000, 2200)
CCIR = (1981, 1124, 1197, 1275, 1358, 1446, 1540, 1640, 1747, 1860)
PRINTED = {
    "zvei1": (ZVEI, 2600, 70),
    "zvei2": (ZVEI, 970, 70),
    "ccir": (CCIR, 2110, 100),
    "eea": (CCIR, 2110, 40),
    "eia": ((600, 741, 882, 1023, 1164, 1305, 1446, 1587, 1728, 1869), 459, 33),
}
Samples = npt.NDArray[np.int16]


def tones(hz: list[float], ms: list[float] | float, gap_ms: float = 0.0) -> Samples:
    """Return tones one after the other at -9 dBFS, between two stretches of silence."""
    lengths = ms if isinstance(ms, list) else [ms] * len(hz)
    parts = [np.zeros(2400)]
    for f, length in zip(hz, lengths, strict=True):
        parts.append(np.sin(2 * np.pi * f * np.arange(round(length * 8)) / FS))
        parts.append(np.zeros(round(gap_ms * 8)))
    return to_int16(np.concatenate([*parts, np.zeros(2400)]) * 32767 * 10 ** (-9 / 20))


def call_hz(table: str, symbols: str, off: float = 0.0) -> list[float]:
    digits, repeat, _ = PRINTED[table]
    return [(repeat if s == "E" else digits[int(s)]) * (1 + off) for s in symbols]


def heard(samples: Samples, names: tuple[str, ...] = ALL) -> list[Heard]:
    bank = SelcallBank(1, [[TABLES[name] for name in names]])
    frames = np.pad(samples, (0, -len(samples) % 160)).reshape(-1, 1, 160)
    found = [h for frame in frames for h in bank.step(frame, np.array([True]))]
    return found + bank.step(frames[0] * 0, np.array([False]))


def values(found: list[Heard]) -> list[tuple[str | None, str]]:
    return [(h.set, h.value) for h in found]


@pytest.mark.parametrize("table", ALL)
def test_a_call_is_heard_with_its_place_and_length(table: str) -> None:
    ms = PRINTED[table][2]
    (call,) = heard(tones(call_hz(table, "3E719"), ms))
    assert (call.kind, call.set, call.value) == ("selcall", table, "33719")
    assert abs(call.start_sample - 2400) < 24
    assert abs(call.duration_ms - 5 * ms) < 4


@pytest.mark.parametrize("table", ALL)
@pytest.mark.parametrize(("off", "snr_db"), [(0.0, 0.0), (0.015, 3.0), (-0.015, 3.0)])
def test_calls_are_heard_in_noise_and_off_frequency(
    table: str, off: float, snr_db: float
) -> None:
    cell = selcall_cell(table, off, snr_db, count=32, peer=False)
    assert cell.heard >= 31
    assert cell.invented == 0


@pytest.mark.parametrize("table", ALL)
@pytest.mark.parametrize("part", [0.78, 1.25])
def test_a_sender_may_be_a_quarter_fast_or_slow(table: str, part: float) -> None:
    ms = PRINTED[table][2] * part
    assert values(heard(tones(call_hz(table, "3E719"), ms))) == [(table, "33719")]


@pytest.mark.parametrize("table", ALL)
def test_what_is_almost_a_call_is_none(table: str) -> None:
    ms = float(PRINTED[table][2])
    five = call_hz(table, "30719")
    assert heard(tones(five[:4], ms)) == []
    assert heard(tones([*five, call_hz(table, "4")[0]], ms)) == []
    assert heard(tones(five, ms, gap_ms=40)) == []
    assert heard(tones(five, ms * 1.6)) == []
    assert heard(tones(five, ms * 0.5), (table,)) == []
    assert heard(tones([f * 1.032 for f in five], ms), (table,)) == []
    # One tone of another clock: no sender makes that.
    assert heard(tones([five[0] * 1.015, *five[1:4], five[4] * 0.985], ms), (table,)) == []
    assert heard(tones(call_hz(table, "E0719"), ms), (table,)) == []


def test_a_long_first_tone_opens_the_squelch_and_belongs_to_the_call() -> None:
    for table in ALL:
        ms = float(PRINTED[table][2])
        (call,) = heard(tones(call_hz(table, "3E719"), [700.0, ms, ms, ms, ms]))
        assert (call.set, call.value) == (table, "33719")
        assert abs(call.duration_ms - 700 - 4 * ms) < 30


def test_a_tone_of_320_ms_behind_a_call_is_no_part_of_it_wherever_looks_fall() -> None:
    sound = tones([*call_hz("ccir", "12345"), PRINTED["ccir"][0][7]], [*([100.0] * 5), 320.0])
    for looks in range(8):
        late = np.pad(sound, (80 * looks, 0))
        assert [h.value for h in heard(late, ("ccir",))] == ["12345"], looks


def test_two_calls_with_the_same_digit_between_are_both_heard() -> None:
    hz = call_hz("zvei1", "12345")
    back = call_hz("zvei1", "54321")
    both = np.concatenate([tones(hz, 70), tones(back, 70)])
    assert [h.value for h in heard(both)] == ["12345", "54321"]


def test_zvei_1_and_2_are_told_apart_by_the_repeat_tone_alone() -> None:
    (plain,) = heard(tones(call_hz("zvei1", "12345"), 70))
    assert (plain.set, plain.detail) == ("zvei1", SelcallFit(("zvei2:12345",)))
    (other,) = heard(tones(call_hz("zvei2", "1E2E3"), 70))
    assert (other.set, other.value) == ("zvei2", "11223")
    (first,) = heard(tones(call_hz("zvei1", "12345"), 70), ("zvei2", "zvei1"))
    assert first.set == "zvei2"
    # Every call of DZVEI is one of ZVEI1: only a site knows.
    assert values(heard(encode_quiet("dzvei", "23456"), ("dzvei", "zvei1"))) == [
        ("dzvei", "23456")
    ]


def encode_quiet(table: str, digits: str) -> Samples:
    return np.pad(encode(TABLES[table], digits), 2400)


def test_a_call_is_told_in_the_step_in_which_the_over_ends() -> None:
    samples = tones(call_hz("ccir", "12345"), 100)[2400 : 2400 + 4000]
    bank = SelcallBank(2, [[TABLES["ccir"]]] * 2)
    both = np.array([True, True])
    for frame in samples.reshape(-1, 160):
        assert bank.step(np.stack([frame, frame]), both) == []
    (call,) = bank.step(np.zeros((2, 160), np.int16), np.array([True, False]))
    assert (call.channel, call.value) == (1, "12345")


def test_each_channel_listens_for_its_own_tables() -> None:
    samples = tones(call_hz("eea", "12345"), 40)
    frames = np.pad(samples, (0, -len(samples) % 160)).reshape(-1, 160)
    bank = SelcallBank(3, [[TABLES["eea"]], [TABLES["zvei1"]], []])
    found = [h for f in frames for h in bank.step(np.stack([f] * 3), np.ones(3, np.bool_))]
    assert [(h.channel, h.value) for h in found] == [(0, "12345")]


def test_a_table_of_the_site_is_heard() -> None:
    hz = {s: 700.0 + 150.0 * k for k, s in enumerate("0123456789E")}
    table = SelcallTable.custom("ours", 60, hz)
    bank = SelcallBank(1, [[table]])
    samples = np.pad(encode(table, "77012"), (800, 2400))
    frames = np.pad(samples, (0, -len(samples) % 160)).reshape(-1, 1, 160)
    found = [h for frame in frames for h in bank.step(frame, np.array([True]))]
    assert values(found) == [("ours", "77012")]
    with pytest.raises(ValueError, match="has no tone for A"):
        encode(table, "A1234")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"G": 900.0}, "'G' is no symbol"),
        ({"3": 0.0}, "3 at 0 Hz; use 350 to 2950"),
        ({"3": float("nan")}, "3 at nan Hz"),
        ({"1": 710.0}, "0 and 1 .* too close"),
    ],
)
def test_a_table_that_cannot_work_is_refused(change: dict[str, float], words: str) -> None:
    hz = {s: 700.0 + 150.0 * k for k, s in enumerate("0123456789E")} | change
    with pytest.raises(ValueError, match=words):
        SelcallTable.custom("ours", 60, hz)
    with pytest.raises(ValueError, match=r"no frequency for 0, 1"):
        SelcallTable.custom("ours", 60, {"2": 900.0})


def test_noise_whose_slope_is_taken_for_a_peak_far_off_is_measured_too() -> None:
    # The parabola through a slope that is next to straight has its top anywhere.
    rng = np.random.default_rng(10587)
    hiss = (rng.standard_normal(5200) * 3000).astype(np.int16)
    middle = 1000.0 + 800.0 * np.arange(5)
    hz = rng.uniform(370.0, 3050.0, 5)
    assert measure(hiss, middle - 240, middle + 240, hz, 100.0) is None


def test_sounds_that_are_no_call_do_no_harm() -> None:
    endless = to_int16(12000 * np.sin(2 * np.pi * 1400 * np.arange(12 * FS) / FS))
    assert heard(endless) == []
    assert heard(np.zeros(FS, np.int16)) == []
    rng = np.random.default_rng(5)
    assert heard(to_int16(noise((20 * FS,), 4000.0**2, rng))) == []
    assert heard(np.full(FS, -32768, np.int16)) == []
    loud = tones(call_hz("zvei1", "12345"), 70).astype(np.int64) * 40
    assert values(heard(to_int16(loud.astype(np.float64)))) == [("zvei1", "12345")]


@given(st.text("0123456789", min_size=5, max_size=5))
def test_repeats_are_resolved_as_they_were_made(digits: str) -> None:
    symbols = symbols_of(digits)
    assert all(a != b for a, b in pairwise(symbols))
    assert digits_of(symbols) == digits


def test_repeats_are_written_as_the_trade_writes_them() -> None:
    assert [symbols_of(d) for d in ("22222", "10002", "12345")] == ["2E2E2", "10E02", "12345"]
    for wrong in ("1234", "123456", "1234E", "12 45", "①2345"):
        with pytest.raises(ValueError, match="no five-tone call"):
            symbols_of(wrong)


@pytest.mark.skipif(shutil.which("multimon-ng") is None, reason="multimon-ng is not installed")
@pytest.mark.parametrize(
    ("table", "decoder"),
    [("zvei1", "ZVEI1"), ("zvei2", "ZVEI2"), ("ccir", "CCIR"), ("eea", "EEA")],
)
def test_a_foreign_decoder_reads_what_we_send(table: str, decoder: str) -> None:
    calls = ["12345", "10980", "67281"]
    sound = np.concatenate([np.pad(encode(TABLES[table], call), 4000) for call in calls])
    done = subprocess.run(
        ["multimon-ng", "-q", "-t", "raw", "-a", decoder, "-"],
        input=resampled(sound, FS, 22050).tobytes(),
        capture_output=True,
        check=True,
        timeout=30,
    )
    lines = done.stdout.decode().splitlines()
    assert [line.split(": ")[1] for line in lines if line.startswith(decoder)] == calls
