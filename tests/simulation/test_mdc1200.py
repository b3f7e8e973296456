"""MDC1200: bytes as in the vectors, and a receiver that corrects nothing but hears well."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators import mdc1200
from simulators.mdc1200 import Packet
from simulators.tones import Samples, silence, voice

# signalling.md section 6: decoded bytes, bytes on the air before the differential stage.
VECTORS = [
    ("01 80 12 34", "8E 94 2A 2E 06 99 22 04 00 1C 18 A2 2C 88"),
    ("01 00 12 34", "88 81 08 08 02 9B 26 20 04 18 18 A4 24 A0"),
    ("00 80 12 34", "08 16 2C 2B 00 1F 22 00 0C 12 10 2C 2C 04"),
    ("20 00 12 34", "0C 45 08 0B 04 19 22 65 00 5B 9E A0 20 24"),
    ("35 89 56 78", "8A B1 78 36 8A 63 26 6C E0 30 84 30 30 22"),
    ("83 0D 12 34", "C8 A5 CA ED 06 D9 60 86 4E 57 16 AA 28 64"),
    ("01 00 00 23", "84 82 0C 02 02 82 16 14 1E 19 02 94 08 9E"),
    ("01 80 07 40", "80 87 20 23 2C AE 22 10 26 0F 02 A4 08 8E"),
]
CALL_ALERT = Packet(0x35, 0x89, 0x5678, more=(0x83, 0x0D, 0x1234))


def packets(sound: Samples) -> list[Packet]:
    return [heard.packet for heard in mdc1200.decode(sound)]


def with_noise(sound: Samples, snr_db: float, seed: int) -> Samples:
    """Adds noise in 300-3000 Hz; the ratio is to a sine of -10 dBFS."""
    noise = np.fft.rfft(np.random.default_rng(seed).standard_normal(sound.size))
    hz = np.fft.rfftfreq(sound.size, 1 / 8000)
    noise[(hz < 300) | (hz > 3000)] = 0
    wave = np.fft.irfft(noise, sound.size)
    wave *= 32767 * 10 ** ((-10 - snr_db) / 20) / np.sqrt(2) / wave.std()
    return np.clip(sound + wave, -32768, 32767).astype(np.int16)


@pytest.mark.parametrize(("data", "air"), VECTORS)
def test_the_bytes_on_the_air_are_those_of_the_vectors(data: str, air: str) -> None:
    op, arg, high, low = bytes.fromhex(data)
    assert mdc1200.word(op, arg, high << 8 | low) == bytes.fromhex(air)


def test_the_sync_word_after_the_differential_stage() -> None:
    bits = np.unpackbits(np.frombuffer(mdc1200.SYNC, np.uint8))
    # The vector is that of a preamble of zeros.
    changed = bits ^ np.concatenate([[0], bits[:-1]]).astype(np.uint8)
    assert np.packbits(changed).tobytes() == bytes.fromhex("04 8D BF 66 58")


@given(
    op=st.integers(0, 255).filter(lambda op: op not in (0x35, 0x55)),
    arg=st.integers(0, 255),
    unit=st.integers(0, 0xFFFF),
    before=st.integers(0, 997),
    turned=st.booleans(),
)
def test_whatever_is_sent_is_heard_wherever_it_stands_and_upside_down(
    op: int, arg: int, unit: int, before: int, turned: bool
) -> None:
    sound = mdc1200.encode(Packet(op, arg, unit))
    sound = np.concatenate([np.zeros(before, np.int16), -sound if turned else sound])
    (heard,) = mdc1200.decode(np.concatenate([sound, silence(100)]))
    assert heard.packet == Packet(op, arg, unit)
    assert heard.inverted == turned
    assert heard.at_s == pytest.approx(before / 8000 + 56 / 1200, abs=0.001)


def test_a_double_packet_is_one_and_a_second_packet_another() -> None:
    status = mdc1200.status(0x1033, 3)
    sound = np.concatenate([mdc1200.encode(CALL_ALERT), silence(200), mdc1200.encode(status)])
    assert packets(sound) == [CALL_ALERT, status]


@pytest.mark.parametrize(
    ("snr_db", "least", "most"), [(9, 0.99, 1.0), (3, 0.9, 1), (-4, 0, 0.1)]
)
def test_it_hears_as_a_receiver_without_correction_can(
    snr_db: float, least: float, most: float
) -> None:
    sound = np.concatenate([silence(60), mdc1200.encode(mdc1200.ptt_id(0x1234)), silence(60)])
    hits = sum(
        packets(with_noise(sound, snr_db, seed)) == [mdc1200.ptt_id(0x1234)]
        for seed in range(100)
    )
    assert least <= hits / 100 <= most


def test_voices_hiss_and_silence_are_no_packets() -> None:
    hiss = np.random.default_rng(1).normal(0, 8000, 80_000).astype(np.int16)
    for sound in (voice(20, 1), hiss, silence(5000), silence(0), hiss[:100]):
        assert packets(sound) == []


def test_a_packet_with_one_wrong_bit_is_none() -> None:
    sound = mdc1200.encode(mdc1200.ptt_id(0x1234)).astype(np.int32)
    # The first data bit of the word, some 84 ms in, turned over.
    start = round((56 + 40) / 1200 * 8000)
    sound[start : start + 13] *= -1
    assert packets(sound.astype(np.int16)) == []
