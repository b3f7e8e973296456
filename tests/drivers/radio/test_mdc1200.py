"""MDC1200: the published vectors, damaged bits, noise, wrong clocks, and what is no packet."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.radio.heard import Heard, MdcPacket
from drivers.radio.mdc1200 import MdcBank
from drivers.radio.mdc1200_words import (
    air_bytes,
    encode,
    packet_of,
    parse_air,
    parse_bits,
    words_of,
)
from drivers.radio.samples import to_int16
from tests.bench.hearing import noise, packet_cell

FS = 8000
Samples = npt.NDArray[np.int16]
# Message | check sum, status | parity | on the air.
VECTORS = [
    ("01801234", "2E3E00", "6580A862DD8808", "8E942A2E06992204001C18A22C88"),
    ("01001234", "C23200", "65009A6201110A", "88810808029B2620041818A424A0"),
    ("00801234", "952200", "0080A8622A5F0C", "08162C2B001F22000C12102C2C04"),
    ("20001234", "2AA100", "A00C9A62494A3E", "0C45080B04192265005B9EA02024"),
    ("35895678", "403500", "01C67F8650180B", "8AB178368A63266CE03084303022"),
    ("830D1234", "A5D900", "2FEB9862DAE22E", "C8A5CAED06D960864E5716AA2864"),
    ("01000023", "DDF000", "6500000F451F21", "84820C02028216141E190294089E"),
    ("01800740", "A4E000", "65800941AD5F27", "808720232CAE2210260F02A4088E"),
]


def heard(samples: Samples, bank: MdcBank | None = None) -> list[Heard]:
    bank = bank or MdcBank(1)
    frames = np.pad(samples, (0, -len(samples) % 160)).reshape(-1, 1, 160)
    found = [h for frame in frames for h in bank.step(frame, np.array([True]))]
    return found + bank.step(frames[0] * 0, np.array([False]))


def values(samples: Samples) -> list[str]:
    return [h.value for h in heard(samples)]


def amid(sound: Samples, before: int = 1600, after: int = 1600) -> Samples:
    return np.pad(sound, (before, after))


@pytest.mark.parametrize(("message", "crc_status", "parity", "air"), VECTORS)
def test_bytes_are_those_of_the_vectors(
    message: str, crc_status: str, parity: str, air: str
) -> None:
    sent = bytes.fromhex(air.replace(" ", ""))
    assert air_bytes(bytes.fromhex(message)) == sent
    assert parse_air(sent) == (bytes.fromhex(message), 0, 0)
    bits = np.unpackbits(np.frombuffer(sent, np.uint8))
    places = [16 * (n % 7) + n // 7 for n in range(112)]
    straight = np.packbits(bits[places], bitorder="little").tobytes()
    assert straight == bytes.fromhex(message + crc_status + parity)


@given(st.binary(min_size=4, max_size=4), st.integers(0, 255), st.integers(0, 111))
def test_any_one_wrong_bit_is_repaired_where_it_matters(
    message: bytes, status: int, wrong: int
) -> None:
    bits = np.unpackbits(np.frombuffer(air_bytes(message, status), np.uint8))
    bits[wrong] ^= 1
    parsed = parse_air(np.packbits(bits).tobytes())
    assert parsed is not None
    assert parsed[0] == message


@given(st.binary(min_size=4, max_size=4), st.integers(0, 108))
def test_a_burst_of_four_bits_is_repaired(message: bytes, begin: int) -> None:
    bits = np.unpackbits(np.frombuffer(air_bytes(message), np.uint8))
    bits[begin : begin + 4] ^= 1
    parsed = parse_air(np.packbits(bits).tobytes())
    assert parsed is not None
    assert parsed[0] == message


@given(
    st.binary(min_size=4, max_size=4),
    st.integers(-24, 111),
    st.lists(st.integers(0, 1), min_size=25, max_size=25),
)
def test_a_lost_packet_of_25_bits_is_worked_out_wherever_it_was(
    message: bytes, begin: int, invented: list[int]
) -> None:
    bits = np.unpackbits(np.frombuffer(air_bytes(message), np.uint8))
    lost = np.zeros(112, np.bool_)
    places = [begin + k for k in range(25) if 0 <= begin + k < 112]
    lost[places], bits[places] = True, invented[: len(places)]
    parsed = parse_bits(bits, lost)
    assert parsed is not None
    assert parsed[0] == message


@given(st.binary(max_size=20))
def test_any_bytes_parse_to_a_message_or_to_none(data: bytes) -> None:
    parsed = parse_air(data)
    assert parsed is None or len(parsed[0]) == 4


@pytest.mark.parametrize(
    ("packet", "words"),
    [
        (packet_of(b"\x01\x80\x12\x34"), "PTT ID start 1234"),
        (packet_of(b"\x01\x00\x00\x23"), "PTT ID end 0023"),
        (packet_of(b"\x00\x80\xa2\x34"), "emergency A234"),
        (packet_of(b"\x20\x00\x12\x34"), "emergency ack 1234"),
        (packet_of(b"\x63\x85\x12\x34"), "radio check 1234"),
        (packet_of(b"\x46\x03\x12\x34"), "status 3 1234"),
        (packet_of(b"\x47\x0a\x12\x34", 0x76), "message A 1234"),
        (packet_of(b"\x5a\x01\x12\x34"), "op 5A arg 01 1234"),
        (
            packet_of(b"\x35\x89\x56\x78", second=b"\x83\x0d\x12\x34"),
            "call alert to 5678 from 1234",
        ),
    ],
)
def test_each_operation_goes_over_the_air_and_back(packet: MdcPacket, words: str) -> None:
    assert words_of(packet) == words
    (found,) = heard(amid(encode(packet)))
    assert (found.kind, found.value, found.detail) == ("mdc1200", words, packet)
    # From the sync on: 56 bits behind the beginning.
    assert abs(found.start_sample - 1600 - 56 * FS / 1200) < 4


def test_the_tones_are_1200_where_a_bit_stays_and_1800_where_it_changes() -> None:
    sound = encode(packet_of(b"\x01\x80\x12\x34"), level_dbfs=-6.0).astype(float)
    sent = bytes([0x55] * 7) + bytes.fromhex("07092A446F") + bytes.fromhex(VECTORS[0][3])
    bits = np.unpackbits(np.frombuffer(sent, np.uint8))
    n = np.arange(len(sound))
    for k in range(1, len(bits)):
        part = slice(round(k * 20 / 3) + 1, round((k + 1) * 20 / 3))
        sizes = [
            min(
                np.linalg.lstsq(
                    np.stack([np.cos(w * n[part]), np.sin(w * n[part])], axis=1), sound[part]
                )[1].sum(initial=0.0)
                for w in [2 * np.pi * hz / FS]
            )
            for hz in (1200, 1800)
        ]
        assert (sizes[0] > sizes[1]) == (bits[k] != bits[k - 1]), f"bit {k}"


def test_polarity_and_phase_of_the_path_do_not_matter() -> None:
    sound = amid(encode(packet_of(b"\x01\x80\x12\x34")))
    assert values(-sound) == ["PTT ID start 1234"]
    spectrum = np.fft.rfft(sound.astype(float))
    for turn in (0.5, 1.6, 2.5):
        turned = np.fft.irfft(spectrum * np.exp(1j * turn), len(sound))
        assert values(to_int16(turned)) == ["PTT ID start 1234"]
    # De-emphasis of 6 dB an octave, as a speaker jack has it.
    hz = np.maximum(np.fft.rfftfreq(len(sound), 1 / FS), 300)
    assert values(to_int16(np.fft.irfft(spectrum * 1000 / (1j * hz), len(sound)))) == [
        "PTT ID start 1234"
    ]


@pytest.mark.parametrize(("snr_db", "least"), [(9.0, 48), (3.0, 47)])
@pytest.mark.parametrize("double", [False, True])
def test_packets_are_read_in_noise(snr_db: float, least: int, double: bool) -> None:
    cell = packet_cell(snr_db, double, count=48, n_channels=16)
    assert cell.heard >= least
    assert cell.invented == 0


@pytest.mark.parametrize("clock", [0.999, 1.001])
def test_a_clock_a_thousandth_off_is_followed(clock: float) -> None:
    packet = packet_of(b"\x35\x89\x56\x78", second=b"\x83\x0d\x12\x34")
    sound = amid(encode(packet)).astype(float)
    at = np.arange(0, len(sound) - 1, clock)
    slow = np.interp(at, np.arange(len(sound)), sound)
    assert values(to_int16(slow)) == ["call alert to 5678 from 1234"]


def test_packets_that_follow_one_another_are_all_read() -> None:
    packets = [packet_of(bytes([1, 0x80, 0x10, k])) for k in range(4)]
    sound = np.concatenate([np.pad(encode(p), (0, 80)) for p in packets])
    assert values(amid(sound)) == [words_of(p) for p in packets]


def test_a_squelch_that_opens_late_eats_the_preamble_only() -> None:
    packet = packet_of(b"\x00\x80\x12\x34")
    assert values(amid(encode(packet, preamble_ms=100)[1000:])) == ["emergency 1234"]
    late = encode(packet)[56 * 20 // 3 - 8 :]
    assert values(amid(late)) == ["emergency 1234"]


def test_a_lost_second_word_leaves_the_caller_unknown() -> None:
    sound = encode(packet_of(b"\x35\x89\x56\x78", second=b"\x83\x0d\x12\x34"))
    (found,) = heard(amid(sound[: len(sound) - 500]))
    assert found.value == "call alert to 5678 from unknown"


def _with_holes(
    sound: Samples, rng: np.random.Generator, *, is_late: bool
) -> tuple[Samples, npt.NDArray[np.int64]]:
    """Return a copy for each frame behind the sync, that one lost, and where it was."""
    frames = amid(sound, 1600 + int(rng.integers(0, 160)), 2000)
    frames = frames[: len(frames) // 160 * 160].reshape(-1, 160)
    # The sync ends 80 ms behind the beginning.
    places = range(16, -(-(1760 + len(sound)) // 160))
    out = np.stack([frames] * len(places))
    missing = np.zeros(out.shape[:2], np.int64)
    for k, place in enumerate(places):
        missing[k, place] = 1
        if is_late:
            out[k, place + 1 :] = frames[place:-1]
        out[k, place] = frames[place - 1] * np.linspace(1.0, 0.0, 160)
    return out, missing


def _read_with_holes(frames: Samples, missing: npt.NDArray[np.int64]) -> list[list[str]]:
    bank, on = MdcBank(len(frames)), np.ones(len(frames), np.bool_)
    out: list[list[str]] = [[] for _ in frames]
    for k in range(frames.shape[1]):
        for h in bank.step(frames[:, k], on, missing[:, k]):
            out[h.channel].append(h.value)
    return out


@pytest.mark.parametrize("double", [False, True])
def test_a_packet_is_read_around_sound_that_never_came(double: bool) -> None:
    rng, n, right, right_untold = np.random.default_rng(5), 0, 0, 0
    for _ in range(12):
        unit = rng.integers(0, 256, 2).astype(np.uint8).tobytes()
        head, second = (b"\x35\x89", b"\x83\x0d\x12\x34") if double else (b"\x01\x80", None)
        packet = packet_of(head + unit, second=second)
        frames, missing = _with_holes(encode(packet), rng, is_late=False)
        told = _read_with_holes(frames, missing)
        assert all(said in ([], [words_of(packet)]) for said in told)
        n, right = n + len(told), right + sum(map(bool, told))
        untold = _read_with_holes(frames, np.zeros_like(missing))
        right_untold += untold.count([words_of(packet)])
    assert right == n > 1.4 * right_untold


def test_sound_that_came_late_behind_invented_sound_makes_no_other_packet() -> None:
    rng = np.random.default_rng(6)
    for _ in range(12):
        packet = packet_of(b"\x01\x80" + rng.integers(0, 256, 2).astype(np.uint8).tobytes())
        for said in _read_with_holes(*_with_holes(encode(packet), rng, is_late=True)):
            assert said in ([], [words_of(packet)])


def test_a_packet_is_told_in_the_step_in_which_the_over_ends() -> None:
    sound = np.pad(encode(packet_of(b"\x01\x00\x12\x34")), (400, 0))
    sound = np.pad(sound, (-len(sound) % 160, 0))
    bank = MdcBank(1)
    for frame in sound.reshape(-1, 1, 160):
        assert bank.step(frame, np.array([True])) == []
    (found,) = bank.step(np.zeros((1, 160), np.int16), np.array([False]))
    assert found.value == "PTT ID end 1234"


def test_channels_do_not_hear_one_another() -> None:
    sound = amid(encode(packet_of(b"\x01\x80\x12\x34")))
    frames = np.pad(sound, (0, -len(sound) % 160)).reshape(-1, 160)
    rng = np.random.default_rng(3)
    bank = MdcBank(3)
    found = []
    for k, frame in enumerate(frames):
        hiss = to_int16(rng.standard_normal(160) * 4000)
        listening = np.array([True, k % 7 > 2, True])
        found += bank.step(np.stack([hiss, frame, frame]), listening)
    assert [(h.channel, h.value) for h in found] == [(2, "PTT ID start 1234")]


def test_sounds_that_are_no_packet_do_no_harm() -> None:
    rng = np.random.default_rng(7)
    n = 30 * FS
    assert heard(to_int16(noise((n,), 4000.0**2, rng))) == []
    # Random bits in the right manner, for half a minute.
    differs = rng.integers(0, 2, n * 1200 // FS)
    turns = np.concatenate([[0], np.cumsum(1 + differs / 2)])
    phase = np.interp(np.arange(n) * 0.15, np.arange(len(turns)), turns)
    assert heard(to_int16(9000 * np.sin(2 * np.pi * phase))) == []
    for hz in (1200, 1500, 1800):
        tone = to_int16(40000 * np.sin(2 * np.pi * hz * np.arange(2 * FS) / FS))
        assert heard(tone) == []
    assert heard(np.zeros(FS, np.int16)) == []
    assert heard(np.full(FS, -32768, np.int16)) == []


def test_what_cannot_be_sent_is_refused() -> None:
    for message in (b"", b"123", b"12345"):
        with pytest.raises(ValueError, match="4 bytes"):
            air_bytes(message)
