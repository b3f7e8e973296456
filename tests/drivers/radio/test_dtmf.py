"""DTMF against the targets of ITU-T Q.24, with tones made here and not by the encoder."""

import re
import shutil
import subprocess
import time

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.radio.dtmf import DtmfBank, DtmfFramer, DtmfMessage, DtmfSymbol, encode
from drivers.radio.samples import resampled, to_int16
from drivers.radio.shaping import shaped_speech
from tests.bench import dtmf_cells

FS = 8000
SEED = 20261122
KEYS = "123A456B789C*0#D"
LOW = (697, 770, 852, 941)
HIGH = (1209, 1336, 1477, 1633)
Signal = npt.NDArray[np.float64]


def pair(key: str, ms: float, off: tuple[float, float] = (0, 0), twist_db: float = 0) -> Signal:
    """Two sines at -12 dBFS, the weaker one lowered by the twist (high minus low)."""
    k = KEYS.index(key)
    t = np.arange(round(ms * 8)) / FS
    low = 10 ** ((-12 - max(twist_db, 0)) / 20)
    high = 10 ** ((-12 + min(twist_db, 0)) / 20)
    phases = np.random.default_rng(k).uniform(0, 2 * np.pi, 2)
    return low * np.sin(2 * np.pi * LOW[k // 4] * (1 + off[0]) * t + phases[0]) + high * np.sin(
        2 * np.pi * HIGH[k % 4] * (1 + off[1]) * t + phases[1]
    )


def channel_noise(n: int, power: float, rng: np.random.Generator) -> Signal:
    """Gaussian noise of 300 to 3000 Hz."""
    size = 1 << (n - 1).bit_length()  # a length that the FFT likes
    spectrum = np.fft.rfft(rng.standard_normal(size))
    hz = np.fft.rfftfreq(size, 1 / FS)
    spectrum[(hz < 300) | (hz > 3000)] = 0
    noise = np.fft.irfft(spectrum, size)[:n]
    return noise * np.sqrt(power / np.mean(noise**2))


def heard(signal: Signal | npt.NDArray[np.int16]) -> list[DtmfSymbol]:
    """What one channel of a bank hears, to the end of the over."""
    if signal.dtype != np.int16:
        signal = np.clip(np.round(signal * 32767), -32768, 32767).astype(np.int16)
    bank = DtmfBank(1)
    frames = np.pad(signal, (0, -len(signal) % 160)).reshape(-1, 1, 160)
    yes, no = np.array([True]), np.array([False])
    found = [s for frame in frames for s in bank.step(frame, yes)]
    return found + bank.step(np.zeros((1, 160), np.int16), no)


def keys_of(symbols: list[DtmfSymbol]) -> str:
    return "".join(s.symbol for s in symbols)


def score(
    count: int,
    tone_ms: float = 50,
    gap_ms: float = 50,
    snr_db: float | None = None,
    off: tuple[float, float] = (0, 0),
    twist_db: float = 0,
) -> tuple[float, int]:
    """Share of tones heard right at their place, and how many were heard beyond."""
    rng = np.random.default_rng(SEED)
    parts: list[Signal] = []
    at: list[tuple[int, str]] = []
    place = 0
    for i in range(count):
        gap = np.zeros(round(gap_ms * 8 + rng.integers(0, 40)))
        tone = pair(KEYS[i % 16], tone_ms, off, twist_db)
        at.append((place + len(gap), KEYS[i % 16]))
        parts += [gap, tone]
        place += len(gap) + len(tone)
    signal = np.concatenate([*parts, np.zeros(800)])
    if snr_db is not None:
        power = float(np.mean(pair("5", 1000, off, twist_db) ** 2)) / 10 ** (snr_db / 10)
        signal = signal + channel_noise(len(signal), power, rng)
    symbols = heard(signal)
    right = {
        start
        for start, key in at
        if any(s.symbol == key and abs(s.start_sample - start) < 100 for s in symbols)
    }
    return len(right) / count, len(symbols) - len(right)


@pytest.mark.parametrize("tone_ms", [40, 50, 100])
@pytest.mark.parametrize("off", [0.018, -0.018])
@pytest.mark.parametrize("which", [(1, 0), (0, 1), (1, 1), (1, -1)])
def test_tones_within_1_8_percent_are_digits(
    tone_ms: float, off: float, which: tuple[int, int]
) -> None:
    assert score(64, tone_ms, off=(off * which[0], off * which[1])) == (1.0, 0)


@pytest.mark.parametrize("tone_ms", [40, 100, 500])
@pytest.mark.parametrize("off", [0.035, -0.035, 0.05])
@pytest.mark.parametrize("which", [(1, 0), (0, 1), (1, 1)])
def test_tones_beyond_3_5_percent_are_none(
    tone_ms: float, off: float, which: tuple[int, int]
) -> None:
    assert score(32, tone_ms, off=(off * which[0], off * which[1])) == (0.0, 0)


@pytest.mark.parametrize("snr_db", [None, 15])
@pytest.mark.parametrize("twist_db", [-10, -6, 6, 8])
def test_radio_twist_is_taken(twist_db: float, snr_db: float | None) -> None:
    assert score(96, twist_db=twist_db, snr_db=snr_db) == (1.0, 0)


@pytest.mark.parametrize("twist_db", [-14, 12])
def test_twist_that_no_radio_makes_is_refused(twist_db: float) -> None:
    assert score(32, twist_db=twist_db) == (0.0, 0)


@pytest.mark.parametrize("snr_db", [None, 15])
def test_a_tone_of_40_ms_is_a_digit_and_one_of_24_ms_is_none(snr_db: float | None) -> None:
    assert score(96, 40, 40, snr_db) == (1.0, 0)
    for tone_ms in (10, 20, 24):
        assert score(96, tone_ms, 60, snr_db) == (0.0, 0)


def test_a_gap_of_25_ms_parts_two_digits_and_one_of_10_ms_does_not() -> None:
    for gap_ms in (25, 30, 50):
        assert score(96, 50, gap_ms, 15) == (1.0, 0)
        gap = np.zeros(gap_ms * 8)
        twice = np.concatenate([pair("7", 50), gap, pair("7", 50), np.zeros(800)])
        assert keys_of(heard(twice)) == "77", f"{gap_ms} ms"
    broken = pair("7", 100)
    broken[400:480] = 0
    once = heard(np.concatenate([np.zeros(333), broken, np.zeros(800)]))
    assert keys_of(once) == "7"
    assert once[0].duration_ms == pytest.approx(100, abs=3)


def test_noise_of_the_channel_is_borne_down_to_6_db() -> None:
    figures = {snr: score(800, 50, 50, snr) for snr in (12, 6)}
    figures[-6] = score(320, 50, 50, 6, off=(0.018, -0.018))
    print(f"seed {SEED}, share right and beyond by SNR: {figures}")
    assert all(right >= 0.99 and beyond == 0 for right, beyond in figures.values())


def test_in_noise_no_cell_is_behind_the_peer() -> None:
    cells = [
        dtmf_cells.Cell(50, 0, 0.0, 3),
        dtmf_cells.Cell(50, 0, 0.0, 0),
        dtmf_cells.Cell(40, -8, -0.015, 9),
        dtmf_cells.Cell(70, 4, 0.015, 3),
    ]
    results = dtmf_cells.measure(cells, digits=300, seed=SEED)
    print(f"seed {SEED}", *dtmf_cells.table(results), sep="\n")
    assert all(dtmf_cells.behind(r) <= 0.01 for r in results)
    assert all(r.ours.share >= 0.99 for r in results if r.cell.snr_db >= 3)
    assert all(r.ours.share >= 0.93 for r in results)
    assert sum(r.ours.false for r in results) <= 3


def test_noise_alone_says_nothing() -> None:
    rng = np.random.default_rng(SEED)
    assert heard(channel_noise(60 * FS, 0.05, rng)) == []
    # A discriminator's hiss rises with the frequency.
    rising = np.diff(rng.standard_normal(60 * FS + 1)) * 0.1
    assert heard(rising) == []


def test_a_packet_lost_in_a_tone_does_not_lose_the_digit() -> None:
    keys = "1590*#736"
    gaps = np.concatenate([part for k in keys for part in (np.zeros(640), pair(k, 100))])
    whole = np.pad(gaps, (0, 1600 - len(gaps) % 160))
    for place in range(len(keys)):
        frame = (640 + 1440 * place + 320) // 160
        before = whole[160 * (frame - 1) : 160 * frame]
        # What the jitter buffer fills a hole with.
        whole[160 * frame : 160 * (frame + 1)] = before * np.linspace(1, 0, 160)
    assert keys_of(heard(whole)) == keys


def test_a_digit_under_way_outlives_a_change_of_channels() -> None:
    tone = np.pad(pair("8", 80), (320, 1600))
    rows = np.clip(tone * 32767, -32768, 32767).astype(np.int16)
    bank = DtmfBank(2)
    for k in range(0, 640, 160):
        assert bank.step(np.stack([rows, 0 * rows])[:, k : k + 160], np.ones(2, bool)) == []
    bank = bank.rearranged([None, 1, 0])
    found: list[DtmfSymbol] = []
    for k in range(640, 2400, 160):
        frames = np.stack([0 * rows, 0 * rows, rows])[:, k : k + 160]
        found += bank.step(frames, np.ones(3, bool))
    assert [(s.channel, s.symbol) for s in found] == [(2, "8")]
    assert found[0].start_sample == pytest.approx(320, abs=16)
    assert found[0].duration_ms == pytest.approx(80, abs=2.5)


def test_when_and_how_long_is_told_to_the_millisecond() -> None:
    for start, ms in ((803, 50.0), (1601, 70.0), (2399, 123.0), (777, 3000.0)):
        (symbol,) = heard(np.concatenate([np.zeros(start), pair("#", ms), np.zeros(800)]))
        assert symbol.symbol == "#"
        assert symbol.start_sample == pytest.approx(start, abs=16)
        assert symbol.duration_ms == pytest.approx(ms, abs=2.5)


@pytest.mark.parametrize("level_db", [5.0, 0.0, -12.0, -24.0])
def test_levels_from_faint_to_clipped(level_db: float) -> None:
    keys = "*12345678900ABCD#"
    tones = np.concatenate([part for k in keys for part in (pair(k, 60), np.zeros(480))])
    assert keys_of(heard(10 ** (level_db / 20) * tones)) == keys


def test_ctcss_hum_and_offset_below_the_digits_do_no_harm() -> None:
    keys = "*121#"
    tones = np.concatenate([part for k in keys for part in (pair(k, 60), np.zeros(480))])
    t = np.arange(len(tones)) / FS
    below = 0.15 * np.sin(2 * np.pi * 203.5 * t) + 0.1 * np.sin(2 * np.pi * 50 * t) + 0.05
    assert keys_of(heard(tones + below)) == keys


def test_channels_do_not_hear_one_another_and_a_closed_one_hears_nothing() -> None:
    texts = ["*121#", "0123456789", "ABCD", "*9#"]
    longest = max(len(encode(t)) for t in texts)
    frames = np.stack([np.pad(encode(t), (0, longest + 800 - len(encode(t)))) for t in texts])
    frames = frames[:, : frames.shape[1] // 160 * 160]
    bank = DtmfBank(4)
    listening = np.array([True, True, False, True])
    found: list[DtmfSymbol] = []
    for k in range(0, frames.shape[1], 160):
        found += bank.step(frames[:, k : k + 160], listening)
    by_channel = [keys_of([s for s in found if s.channel == c]) for c in range(4)]
    assert by_channel == ["*121#", "0123456789", "", "*9#"]


def test_the_last_digit_is_out_in_the_step_in_which_the_squelch_closes() -> None:
    tones = encode("12#", tone_ms=60, gap_ms=40)[: -40 * 8]
    tones = np.pad(tones, (160 - len(tones) % 160, 0))
    bank = DtmfBank(1)
    found = [s for f in tones.reshape(-1, 1, 160) for s in bank.step(f, np.array([True]))]
    assert keys_of(found) == "12"
    noise = np.full((1, 160), 9999, np.int16)
    assert keys_of(bank.step(noise, np.array([False]))) == "#"
    assert bank.step(noise, np.array([False])) == []


@settings(max_examples=60, deadline=None)
@given(
    text=st.text(KEYS, min_size=1, max_size=12),
    tone_ms=st.integers(45, 150),
    gap_ms=st.integers(30, 150),
    level_dbfs=st.floats(-30, -6.2),
    before=st.integers(0, 400),
)
def test_what_is_encoded_is_decoded(
    text: str, tone_ms: int, gap_ms: int, level_dbfs: float, before: int
) -> None:
    tones = encode(text, tone_ms=tone_ms, gap_ms=gap_ms, level_dbfs=level_dbfs)
    assert keys_of(heard(np.pad(tones, (before, 0)))) == text


def test_what_cannot_be_sent_is_refused() -> None:
    with pytest.raises(ValueError, match="'x' is not a DTMF symbol"):
        encode("1x")
    with pytest.raises(ValueError, match="would clip"):
        encode("1", level_dbfs=-3)


@pytest.mark.skipif(shutil.which("multimon-ng") is None, reason="multimon-ng is not installed")
def test_a_foreign_decoder_reads_our_digits() -> None:
    keys = "*1201#0123456789ABCD"
    tones = resampled(np.pad(encode(keys), 2000), FS, 22050)
    done = subprocess.run(
        ["multimon-ng", "-q", "-t", "raw", "-a", "DTMF", "-"],
        input=tones.tobytes(),
        capture_output=True,
        check=True,
        timeout=20,
    )
    assert "".join(re.findall(r"DTMF: (\S)", done.stdout.decode())) == keys


@pytest.fixture(scope="module")
def talk() -> npt.NDArray[np.int16]:
    """Two minutes of Mandarin and English."""
    espeak = pytest.importorskip("espeakng_loader")
    assert espeak
    from drivers.radio.speech_engines import EspeakEngine

    engine = EspeakEngine()
    zh = "东街十七号建设银行门口有人打架,请立即前往处置。收到,马上出警,两分钟到场。" * 6
    en = "Gate four to control, a man in a red jacket is running north over East Street. " * 4
    parts = [
        shaped_speech(engine.render(text, language, rate))
        for rate in (130, 160, 200)
        for language, text in (("zh_CN", zh), ("en", en))
    ]
    return np.concatenate(parts)


def test_two_minutes_of_talk_make_no_reply_and_no_identity(
    talk: npt.NDArray[np.int16],
) -> None:
    symbols = heard(talk)
    framer = DtmfFramer(5, "both")
    for symbol in symbols:
        assert framer.heard(symbol.symbol, symbol.start_sample / FS) is None
    message = framer.over_ended()
    print(f"{len(talk) / FS:.0f} s of talk: lone symbols {keys_of(symbols)!r}")
    assert message.frames == () and message.ani is None
    assert symbols == []


def test_digits_keyed_into_faint_talk_are_heard(talk: npt.NDArray[np.int16]) -> None:
    tones = encode("*1201#", tone_ms=80, gap_ms=80).astype(np.float64)
    behind = talk[8000 : 8000 + len(tones)] * 10 ** (-16 / 20)
    assert keys_of(heard((tones + behind) / 32767)) == "*1201#"


def test_eight_channels_cost_a_small_part_of_the_tick() -> None:
    tones = encode("5" * 40)
    frames = np.tile(tones[: len(tones) // 160 * 160].reshape(-1, 1, 160), (1, 8, 1))
    bank = DtmfBank(8)
    took: list[float] = []
    for frame in frames:
        begin = time.perf_counter()
        bank.step(frame, np.ones(8, np.bool_))
        took.append(1000 * (time.perf_counter() - begin))
    print(
        f"8 channels of digits, a tick: median {np.median(took):.2f}, worst {max(took):.2f} ms"
    )
    assert np.median(took) < 2.0


def keyed(framer: DtmfFramer, *strokes: tuple[float, str]) -> list[DtmfMessage]:
    """Messages that come while keys are pressed at those seconds, at 0.14 s a key."""
    messages = []
    for at_s, keys in strokes:
        for i, key in enumerate(keys):
            message = framer.heard(key, at_s + 0.14 * i)
            messages += [message] if message else []
    return messages


def test_a_reply_is_told_at_its_last_mark_with_the_identity_before_it() -> None:
    framer = DtmfFramer(5, "start")
    framer.over_started()
    assert keyed(framer, (0.3, "10042"), (2.0, "*121#")) == [DtmfMessage("10042", ("121",), "")]
    assert framer.over_ended() == DtmfMessage("10042", (), "")
    assert framer.over_ended() == DtmfMessage(None, (), "")


def test_an_identity_at_key_up_is_waited_for() -> None:
    for position in ("end", "both"):
        framer = DtmfFramer(5, position)  # type: ignore[arg-type] # one of the literals
        assert keyed(framer, (1.0, "*121#"), (4.0, "*123#"), (6.0, "10042")) == []
        assert framer.over_ended() == DtmfMessage("10042", ("121", "123"), "")


def test_a_clipped_identity_is_none_even_when_a_digit_is_keyed_after_it() -> None:
    framer = DtmfFramer(5, "start")
    keyed(framer, (0.2, "0042"), (1.9, "1"), (3.0, "*121#"))
    assert framer.over_ended() == DtmfMessage(None, (), "00421")


@pytest.mark.parametrize(
    ("keys", "ani", "stray"),
    [
        ("10042", "10042", ""),
        ("1004210042", "10042", ""),  # keyed and let go at once
        ("1004210043", None, "1004210043"),
        ("100421", None, "100421"),
        ("1004", None, "1004"),
        ("1", None, "1"),
        ("", None, ""),
    ],
)
def test_bare_digits_of_a_radio_that_sends_at_both_ends(
    keys: str, ani: str | None, stray: str
) -> None:
    framer = DtmfFramer(5, "both")
    keyed(framer, (0.2, keys))
    assert framer.over_ended() == DtmfMessage(ani, (), stray)


def test_two_identities_in_one_over_are_none() -> None:
    framer = DtmfFramer(5, "both")
    keyed(framer, (0.2, "10042"), (3.0, "*7#"), (5.0, "10043"))
    assert framer.over_ended() == DtmfMessage(None, (), "1004210043")


def test_without_configured_identity_bare_digits_mean_nothing() -> None:
    framer = DtmfFramer()
    assert keyed(framer, (0.0, "10042"), (2.0, "*120011#")) == [
        DtmfMessage(None, ("120011",), "")
    ]
    assert framer.over_ended() == DtmfMessage(None, (), "10042")


def test_a_reply_left_open_is_given_up_after_three_seconds_and_after_eight_in_all() -> None:
    framer = DtmfFramer()
    keyed(framer, (0.0, "*12"))
    assert framer.tick(3.2) is None
    assert framer.tick(3.3) == DtmfMessage(None, (), "*12")
    assert framer.tick(9.0) is None
    keyed(framer, (10.0, "*"), (12.5, "1"), (15.0, "2"), (17.5, "1"))
    assert keyed(framer, (18.1, "#")) == [DtmfMessage(None, (), "*121")]
    assert framer.over_ended() == DtmfMessage(None, (), "*12*121#")


def test_a_slip_is_mended_by_beginning_anew_and_empty_marks_say_nothing() -> None:
    framer = DtmfFramer()
    assert keyed(framer, (0.0, "*13*121#")) == [DtmfMessage(None, ("121",), "")]
    assert keyed(framer, (3.0, "*#"), (5.0, "#"), (6.0, "*12")) == []
    assert framer.over_ended() == DtmfMessage(None, (), "*13*##*12")


def test_nothing_reaches_over_the_edge_of_an_over() -> None:
    framer = DtmfFramer(5, "start")
    keyed(framer, (0.0, "10042*12"))
    assert framer.over_ended() == DtmfMessage("10042", (), "*12")
    keyed(framer, (1.0, "1#"))
    assert framer.over_ended() == DtmfMessage(None, (), "1#")


@settings(max_examples=300, deadline=None)
@given(
    strokes=st.lists(
        st.tuples(st.sampled_from(KEYS), st.floats(0.05, 4.0)), min_size=0, max_size=30
    )
)
def test_every_symbol_is_in_a_reply_or_kept_as_stray(strokes: list[tuple[str, float]]) -> None:
    framer = DtmfFramer()
    now_s, frames = 0.0, []
    for key, pause_s in strokes:
        now_s += pause_s
        message = framer.heard(key, now_s)
        frames += message.frames if message else ()
    last = framer.over_ended()
    frames += last.frames
    keys = "".join(key for key, _ in strokes)
    assert len(last.stray) + sum(len(f) + 2 for f in frames) == len(keys)
    assert all(f"*{frame}#" in keys and not set(frame) & set("*#") for frame in frames)


@pytest.mark.parametrize(("tone_ms", "most_lost"), [(50, 0.025), (70, 0.008)])
def test_a_packet_lost_in_a_short_tone_is_bridged_where_it_is_told(
    tone_ms: float, most_lost: float
) -> None:
    digits, rng = "1234567890*#" * 25, np.random.default_rng(SEED)
    clean = encode(digits, tone_ms=tone_ms, gap_ms=tone_ms)
    clean = np.pad(clean, (800, 1600 - len(clean) % 160))
    lost = _alone(rng.random(len(clean) // 160) < 0.06)
    told, untold = (_digits_heard(clean, lost, is_told=told) for told in (True, False))
    # Each digit that is not there is marked: none is missing in silence.
    parts = re.split(r"\?+", told)
    assert re.fullmatch(".{0,2}".join(map(re.escape, parts)), digits)
    told, untold = (said.replace("?", "") for said in (told, untold))
    # What is there is in its order: nothing was made up.
    assert _is_subsequence(told, digits)
    assert _is_subsequence(untold, told)
    assert len(digits) - len(told) <= most_lost * len(digits)
    assert len(told) > len(untold)


def test_bridging_a_lost_packet_makes_no_digit_of_a_tone_of_20_ms() -> None:
    for shift in range(0, 160, 10):
        tone = np.pad(encode("5", tone_ms=20, gap_ms=0), (1600 + shift, 3200))
        sound = tone[: len(tone) // 160 * 160]
        for frame in range(8, 14):
            lost = np.arange(len(sound) // 160) == frame
            told, untold = (_digits_heard(sound, lost, is_told=t) for t in (True, False))
            assert told == untold


def _framed(
    sound: npt.NDArray[np.int16], missing: list[int], steps: list[int] | None = None
) -> DtmfMessage:
    """Return what an over says: sound in frames, and how much of each was invented."""
    bank, framer, on = DtmfBank(1), DtmfFramer(), np.ones(1, np.bool_)
    told: list[str] = []
    at = 0
    for step in steps or [1] * (len(sound) // 160):
        part = sound[160 * at : 160 * (at + step)]
        if not len(part):
            break
        lost = np.array([missing[at] if missing else 0])
        at += step
        for s in bank.step(part[None], on, lost if missing else None):
            begin_ms = s.start_sample / 8
            message = framer.heard(s.symbol, at / 50, (begin_ms, begin_ms + s.duration_ms))
            told += message.frames if message else ()
    last = framer.over_ended()
    return DtmfMessage(last.ani, (*told, *last.frames), last.stray)


def _filled(
    sound: npt.NDArray[np.int16], faults: dict[int, tuple[int, int]]
) -> tuple[npt.NDArray[np.int16], list[int]]:
    """Return the sound as a jitter buffer gives it, and what it says of each frame.

    Faults: before that frame so many are invented, and so many of the next ones never come.
    """
    out, missing, run = [], [], 0
    lost_until = 0
    last = np.zeros(160, np.int16)
    for number, frame in enumerate(sound.reshape(-1, 160)):
        stalled, lost = faults.get(number, (0, 0))
        lost_until = max(lost_until, number + lost)
        for _ in range(stalled + (number < lost_until)):
            fade = np.linspace(1.0, 0.0, 160) if run == 0 else np.zeros(160)
            out.append((last * fade).astype(np.int16))
            run += 1
            missing.append(min(run, 2))
        if number >= lost_until:
            out.append(frame)
            missing.append(0)
            last, run = frame, 0
    return np.concatenate(out), missing


@settings(max_examples=40, deadline=None)
@given(
    body=st.text("0123456789", min_size=3, max_size=8),
    tone_ms=st.integers(45, 110),
    gap_ms=st.integers(40, 110),
    before=st.integers(0, 400),
    steps=st.lists(st.integers(1, 5), min_size=120, max_size=120),
)
def test_the_same_sound_in_any_steps_is_the_same_reply(
    body: str, tone_ms: int, gap_ms: int, before: int, steps: list[int]
) -> None:
    tones = np.pad(encode(f"*{body}#", tone_ms=tone_ms, gap_ms=gap_ms), (before, 800))
    sound = tones[: len(tones) // 160 * 160]
    assert _framed(sound, [], steps) == _framed(sound, []) == DtmfMessage(None, (body,), "")


@settings(max_examples=150, deadline=None)
@given(
    body=st.text("0123456789", min_size=3, max_size=8),
    tone_ms=st.integers(45, 110),
    gap_ms=st.integers(40, 110),
    before=st.integers(800, 1200),
    faults=st.dictionaries(
        st.integers(5, 80), st.tuples(st.integers(0, 4), st.integers(0, 5)), max_size=3
    ),
)
def test_whatever_sound_is_lost_or_late_no_reply_is_told_shorter(
    body: str, tone_ms: int, gap_ms: int, before: int, faults: dict[int, tuple[int, int]]
) -> None:
    tones = np.pad(encode(f"*{body}#", tone_ms=tone_ms, gap_ms=gap_ms), (before, 1600))
    sound, missing = _filled(tones[: len(tones) // 160 * 160], faults)
    message = _framed(sound, missing)
    assert message.frames in {(body,), ()}, message


def test_a_digit_lost_with_its_sound_makes_no_other_order_and_is_marked() -> None:
    tones = np.pad(encode("*470311#"), (960, 1600))[: 160 * 60 + 960]
    sound = tones[: len(tones) // 160 * 160]
    seven_at = (960 + 2 * 2 * 560) // 160
    sound, missing = _filled(sound, {seven_at: (0, 4)})
    assert _framed(sound, missing) == DtmfMessage(None, (), "*4?0311#")
    # As it was: one digit less, and another order's number. The pace alone tells, too.
    message = _framed(sound, [])
    assert message == DtmfMessage(None, (), "*40311#")
    framer = DtmfFramer()
    assert keyed(framer, (0.0, "*40311#")) == [DtmfMessage(None, ("40311",), "")]


@pytest.mark.parametrize("snr_db", [0.0, -1.0])
def test_noise_that_hides_digits_makes_hardly_any_reply_shorter(snr_db: float) -> None:
    rng, wrong, right, n = np.random.default_rng(SEED), 0, 0, 60
    for _ in range(n):
        body = "".join(rng.choice(list("0123456789"), 6))
        tones = np.pad(encode(f"*{body}#", tone_ms=45, gap_ms=45), (800, 1600))
        power = 10 ** (-12 / 10) / 10 ** (snr_db / 10)
        noisy = tones / 32767 + channel_noise(len(tones), power, rng)
        sound = to_int16(32767 * noisy)[: len(tones) // 160 * 160]
        frames = _framed(sound, []).frames
        right += frames == (body,)
        wrong += frames not in {(body,), ()}
    print(f"{snr_db:.0f} dB: {right} of {n} told, {wrong} wrong")
    assert wrong <= 0.02 * n


def test_a_pace_that_skips_a_beat_hides_a_digit_and_a_hand_that_hesitates_does_not() -> None:
    def told(*begins_ms: float) -> tuple[str, ...]:
        framer, frames = DtmfFramer(), []
        for symbol, begin_ms in zip("*1201#", begins_ms, strict=True):
            message = framer.heard(symbol, begin_ms / 1000, (begin_ms, begin_ms + 60.0))
            frames += message.frames if message else ()
        return tuple(frames)

    assert told(0, 120, 240, 360, 480, 600) == ("1201",)
    assert told(0, 125, 238, 365, 482, 601) == ("1201",)
    assert told(0, 120, 360, 480, 600, 720) == ()
    assert told(0, 120, 240, 600, 720, 840) == ()
    assert told(0, 300, 520, 1100, 1390, 1600) == ("1201",)


def _alone(lost: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    lost[1:] &= ~lost[:-1]
    lost[0] = False
    return lost


def _digits_heard(
    sound: npt.NDArray[np.int16], lost: npt.NDArray[np.bool_], *, is_told: bool
) -> str:
    """Return what is heard where the jitter buffer fills the lost frames."""
    bank, on, said = DtmfBank(1), np.ones(1, np.bool_), ""
    frames = sound.reshape(-1, 160)
    for number, is_lost in enumerate(lost.tolist()):
        frame = frames[number]
        if is_lost:
            frame = (frames[number - 1] * np.linspace(1.0, 0.0, 160)).astype(np.int16)
        filled = np.array([is_lost and is_told])
        said += "".join(s.symbol for s in bank.step(frame[None], on, filled))
    return said + "".join(s.symbol for s in bank.step(0 * frames[:1], ~on))


def _is_subsequence(part: str, whole: str) -> bool:
    rest = iter(whole)
    return all(symbol in rest for symbol in part)
