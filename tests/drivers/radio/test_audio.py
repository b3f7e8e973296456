"""Samples, levels, sample rates, our own tones, WAV files, and the sound card."""

import math
import time
import wave
from collections.abc import Iterator
from io import BytesIO

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.radio.audio import SoundCardLink, open_audio, parse_sound_url
from drivers.radio.rtp import RtpLink
from drivers.radio.samples import (
    band_shaped,
    faded,
    frames_of,
    level_dbfs,
    limited,
    resampled,
    silence,
)
from drivers.radio.tones import answer_tone, attention_tone
from drivers.radio.wav import parse_wav, wav_bytes
from gateway.interfaces import LinkError, SetupError, WireError

Samples = npt.NDArray[np.int16]


def sine(hz: float, seconds: float = 1.0, rate_hz: int = 8000, peak: float = 20000) -> Samples:
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    return np.round(peak * np.sin(2 * np.pi * hz * t)).astype(np.int16)


def gain_db(out: Samples, peak: float = 20000) -> float:
    middle = out[len(out) // 4 : -len(out) // 4].astype(np.float64)
    return 10 * math.log10(max(float(np.mean(middle**2)), 1e-9) / (peak**2 / 2))


def main_hz(samples: Samples) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 16))
    return float(np.argmax(spectrum)) * 8000 / (1 << 16)


def test_levels_are_those_of_a_full_scale_sine() -> None:
    assert level_dbfs(sine(1000, peak=32767)) == pytest.approx(0, abs=0.01)
    assert level_dbfs(sine(1000, peak=3276.7)) == pytest.approx(-20, abs=0.01)
    assert level_dbfs(silence()) == -math.inf
    assert level_dbfs(np.zeros(0, np.int16)) == -math.inf


@given(st.integers(0, 1000))
def test_frames_hold_everything_and_end_in_silence(n: int) -> None:
    frames = frames_of(np.ones(n, np.int16))
    assert frames.shape == (-(-n // 160), 160)
    assert int(frames.sum()) == n


def test_edges_are_soft_and_the_middle_is_untouched() -> None:
    out = faded(np.full(800, 10000, np.int16), in_ms=10, out_ms=20)
    assert out[0] < 50
    assert out[-1] < 50
    assert np.all(np.diff(out[:80]) >= 0)
    assert np.all(out[80:-160] == 10000)
    assert len(faded(np.ones(3, np.int16))) == 3


@pytest.mark.parametrize("rate_hz", [16000, 22050, 24000, 44100, 48000])
def test_other_rates_come_down_without_loss_and_without_folding(rate_hz: int) -> None:
    for hz in (300, 1000, 3000, 3300):
        out = resampled(sine(hz, 1.0, rate_hz), rate_hz)
        assert len(out) == 8000
        assert gain_db(out) == pytest.approx(0, abs=0.1), hz
        assert main_hz(out) == pytest.approx(hz, abs=0.5)
    # Just above the new Nyquist frequency: what a plain decimation folds back into speech.
    for hz in (4700, 5000, 6000, 7500):
        assert gain_db(resampled(sine(hz, 1.0, rate_hz), rate_hz)) < -60, hz


def test_rates_go_up_as_well_and_wrong_ones_are_refused() -> None:
    out = resampled(sine(1000), 8000, 22050)
    assert len(out) == 22050
    assert gain_db(out) == pytest.approx(0, abs=0.1)
    with pytest.raises(ValueError, match="must be positive"):
        resampled(sine(1000), 0)


def test_speech_is_cut_to_the_channel() -> None:
    for hz in (500, 1000, 2500):
        assert gain_db(band_shaped(sine(hz))) == pytest.approx(0, abs=0.5), hz
    for hz in (50, 100, 150, 3500):
        assert gain_db(band_shaped(sine(hz))) < -30, hz


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_the_limiter_keeps_order_and_ceiling(values: list[float]) -> None:
    out = limited(np.array(sorted(values)), ceiling_dbfs=-3).astype(int)
    assert np.all(np.diff(out) >= 0)
    assert np.abs(out).max() <= 23198
    small = np.array([v for v in values if abs(v) < 11000])
    assert np.array_equal(limited(small, -3), np.rint(small).astype(np.int16))


def pitches(samples: Samples, note_ms: int) -> list[int]:
    """The pitch of each stretch of that length, 0 for silence."""
    notes = samples.reshape(-1, 8 * note_ms)
    return [round(main_hz(note), -1) if note.any() else 0 for note in notes]  # type: ignore[misc]


def test_attention_and_answer_tones_are_those_agreed_on() -> None:
    assert pitches(attention_tone(1), 100) == [1400, 1000] * 6
    assert pitches(attention_tone(2), 100) == [1200, 1200, 0] * 3
    assert pitches(attention_tone(3), 100) == [900] * 4
    assert pitches(answer_tone("accepted"), 100) == [880, 1320]
    assert pitches(answer_tone("wrong"), 100) == [400] * 5
    for tone in (attention_tone(1), attention_tone(3), answer_tone("wrong")):
        assert np.abs(tone.astype(int)).max() == pytest.approx(32767 * 10**-0.5, rel=0.01)
        assert abs(int(tone[0])) < 100
        assert abs(int(tone[-1])) < 100


@given(st.lists(st.integers(-32768, 32767), max_size=400))
def test_our_wav_files_are_read_by_others_and_by_us(values: list[int]) -> None:
    samples = np.array(values, np.int16)
    data = wav_bytes(samples)
    with wave.open(BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8000)
        assert file.readframes(500) == samples.tobytes()
    assert np.array_equal(parse_wav(data), samples)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 2])
def test_foreign_wav_files_of_every_width_are_read(width: int, channels: int) -> None:
    wanted = sine(700, 0.5, 16000, peak=12000)
    whole = wanted.astype(np.int64) << 16
    octets = whole.astype("<i4").view(np.uint8).reshape(-1, 4)[:, 4 - width :]
    if width == 1:
        octets = octets ^ 0x80
    both = np.concatenate([octets] + [np.zeros_like(octets)] * (channels - 1), axis=1)
    out = BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((channels, width, 16000, 0, "NONE", ""))
        file.writeframes(both.tobytes())
    got = parse_wav(out.getvalue())
    assert len(got) == 4000
    assert gain_db(got, 12000) == pytest.approx(0, abs=0.15)


def test_a_wav_written_to_a_pipe_claims_too_much_and_is_read_all_the_same() -> None:
    data = bytearray(wav_bytes(sine(500, 0.1)))
    data[40:44] = b"\xff\xff\xff\xff"
    assert len(parse_wav(bytes(data))) == 800


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "does not begin with RIFF"),
        (b"RIFF\0\0\0\0WAVE", "no fmt and data"),
        (wav_bytes(sine(500))[:44].replace(b"\1\0\1\0", b"\3\0\1\0"), "format 3"),
        (wav_bytes(sine(500))[:44].replace(b"\1\0\1\0", b"\1\0\0\0"), "0 channels.*1 to 32"),
        (b"RIFF\0\0\0\0WAVEfmt \4\0\0\0\1\0\1\0", "fmt chunk of 4 bytes"),
    ],
)
def test_what_is_no_sound_is_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(WireError, match=complaint):
        parse_wav(data)


@settings(max_examples=200)
@given(st.binary(max_size=60), st.integers(0, 43), st.binary(max_size=4))
def test_spoiled_wav_files_are_refused_or_read(tail: bytes, at: int, spoiled: bytes) -> None:
    data = bytearray(wav_bytes(np.arange(50, dtype=np.int16)) + tail)
    data[at : at + len(spoiled)] = spoiled
    try:
        assert parse_wav(bytes(data)).dtype == np.int16
    except WireError as error:
        assert "WAV" in str(error)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("alsa:hw0", "unknown kind"),
        ("sound:default?backend=oboe", "sound system 'oboe' is unknown"),
        ("sound:default?volume=3", "unknown option volume"),
        ("sound:default?period_ms=x", "invalid literal"),
        ("sound:default?period_ms=1", "period_ms is not 5 to 100"),
        (
            "sound:Gate%20Radio?backend=null",
            "no capture device 'Gate Radio'; this computer has",
        ),
    ],
)
def test_a_wrong_sound_url_is_refused_in_plain_words(url: str, complaint: str) -> None:
    with pytest.raises(SetupError, match=complaint):
        open_audio(url)


def test_a_sound_url_is_read() -> None:
    address = parse_sound_url("sound:USB%20Audio?playback=Line&backend=alsa&period_ms=10")
    assert (address.capture, address.playback) == ("USB Audio", "Line")
    assert (address.backend, address.period_ms) == ("alsa", 10)
    assert parse_sound_url("sound:").capture == "default"


def test_rtp_is_opened_by_the_same_door() -> None:
    link = open_audio("rtp://127.0.0.1:9?local_port=0")
    assert isinstance(link, RtpLink)
    link.close()


@pytest.fixture
def card() -> Iterator[SoundCardLink]:
    """A sound card that is not there: it keeps time, hears silence, and plays to nobody."""
    try:
        link = SoundCardLink("sound:default?backend=null")
    except LinkError as error:  # a machine whose miniaudio has no null device
        pytest.skip(str(error))
    yield link
    link.close()
    link.close()


def test_a_sound_card_gives_and_takes_a_frame_each_tick(card: SoundCardLink) -> None:
    assert card.fileno() is None
    begin, heard = time.monotonic(), 0
    for tick in range(40):
        card.send(sine(1000, 0.02))
        frame = card.receive()
        heard += frame is not None
        assert frame is None or frame.shape == (160,)
        time.sleep(max(0.0, begin + 0.02 * (tick + 1) - time.monotonic()))
    counts = card.statistics()
    assert heard >= 30
    assert counts.sent == 40
    assert counts.send_failures <= 8


def test_a_card_that_is_not_asked_keeps_no_old_sound(card: SoundCardLink) -> None:
    end = time.monotonic() + 3
    while card.statistics().skipped == 0:
        assert time.monotonic() < end, "the ring never overflowed"
        time.sleep(0.01)
    for _ in range(20):
        card.receive()
    assert card.receive() is None or card.statistics().concealed > 0


def test_one_tick_of_the_playing_side_is_what_was_sent(card: SoundCardLink) -> None:
    """The card's side of the ring, asked as the card's thread would ask."""
    card._playback.close()
    feeding = card._feeding()
    next(feeding)
    card._to_play.take(1 << 20)
    card._playing = False
    assert feeding.send(160) == bytes(320)
    for value in (1, 2, 3):
        card.send(np.full(160, value, np.int16))
    assert [feeding.send(160)[0] for _ in range(4)] == [1, 2, 3, 0]
