"""RTP: packets as RFC 3550 draws them, a network that misbehaves, and real sockets."""

import random
import socket
import struct
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.radio.jitter import JitterBuffer
from drivers.radio.receiving import Moment
from drivers.radio.refused import Refused, RefusedWatch
from drivers.radio.rtp import (
    Reframer,
    RtpLink,
    RtpPacket,
    decode_payload,
    encode_payload,
    pack,
    parse,
    parse_rtp_url,
)
from gateway.core.talk.events import SoundRefused
from gateway.interfaces import LinkError, SetupError, WireError

Frame = npt.NDArray[np.int16]
SEED = 550


def frame(value: int) -> Frame:
    """A frame of one value; values beyond 16 bits wrap around like sequence numbers."""
    return np.full(160, value).astype(np.int16)


@given(
    st.builds(
        RtpPacket,
        payload_type=st.integers(0, 127),
        sequence=st.integers(0, 0xFFFF),
        timestamp=st.integers(0, 0xFFFFFFFF),
        ssrc=st.integers(0, 0xFFFFFFFF),
        payload=st.binary(max_size=400),
        marker=st.booleans(),
    )
)
def test_a_packet_comes_back_as_it_was(packet: RtpPacket) -> None:
    assert parse(pack(packet)) == packet


def test_the_header_is_the_one_of_the_rfc() -> None:
    wire = pack(RtpPacket(96, 0x1234, 0x01020304, 0xA0B0C0D0, b"\x7f\xff", marker=True))
    assert wire == bytes.fromhex("80 e0 1234 01020304 a0b0c0d0 7fff")


def test_sources_extension_and_padding_are_stepped_over() -> None:
    head = bytes([0x80 | 0x20 | 0x10 | 2, 0]) + struct.pack("!HII", 7, 8, 9)
    wire = head + b"SRC1SRC2" + struct.pack("!HH", 0xBEDE, 1) + b"exte" + b"sound" + b"\0\0\3"
    assert parse(wire) == RtpPacket(0, 7, 8, 9, b"sound")


@given(st.binary(max_size=80))
def test_whatever_comes_is_a_packet_or_a_wire_error(data: bytes) -> None:
    try:
        assert len(parse(data).payload) <= len(data) - 12
    except WireError as error:
        assert str(error).startswith("RTP: ")


@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=160))
def test_l16_is_big_endian_and_loses_nothing(values: list[int]) -> None:
    samples = np.array(values, np.int16)
    wire = encode_payload(samples, "l16")
    assert wire == struct.pack(f"!{len(values)}h", *values)
    assert np.array_equal(decode_payload(wire, "l16"), samples)


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(WireError, match="odd number"):
        decode_payload(b"abc", "l16")


def test_mu_law_is_that_of_g711() -> None:
    # G.711 table 2a: decision values and codes at both ends and around zero.
    known = {0: 0xFF, -1: 0x7E, 8: 0xFE, 32767: 0x80, -32768: 0x00, 1000: 0xCE}
    for value, code in known.items():
        assert encode_payload(np.array([value], np.int16), "pcmu") == bytes([code]), value
    assert decode_payload(b"\xff\x7f\x80\x00", "pcmu").tolist() == [0, 0, 32124, -32124]


def test_mu_law_agrees_with_a_foreign_coder_on_every_value() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        audioop = pytest.importorskip("audioop")
    every = np.arange(-32768, 32768).astype(np.int16)
    codes = bytes(range(256))
    assert encode_payload(every, "pcmu") == audioop.lin2ulaw(every.tobytes(), 2)
    assert decode_payload(codes, "pcmu").tobytes() == audioop.ulaw2lin(codes, 2)


def play(buffer: JitterBuffer, ticks: int) -> list[int | None]:
    """First samples of the frames that come out."""
    out = [buffer.get() for _ in range(ticks)]
    return [None if f is None else int(f[0]) & 0xFFFF for f in out]


def put(buffer: JitterBuffer, *sequences: int, ssrc: int = 1) -> None:
    """Frames whose value is their sequence number, counted on from where it wraps around."""
    for s in sequences:
        buffer.put(s & 0xFFFF, ssrc, frame(s))


def test_sound_begins_when_two_frames_wait() -> None:
    buffer = JitterBuffer()
    assert play(buffer, 1) == [None]
    put(buffer, 10)
    assert play(buffer, 1) == [None]
    put(buffer, 11)
    assert play(buffer, 2) == [10, 11]


@pytest.mark.parametrize("first", [0, 100, 65530])
def test_order_is_restored_also_where_numbers_wrap_around(first: int) -> None:
    buffer = JitterBuffer()
    put(buffer, *(first + k for k in (1, 0, 2, 4, 3, 4, 2)))
    assert play(buffer, 5) == [first + k & 0xFFFF for k in range(5)]
    assert buffer.counts.duplicates == 2


def test_a_long_stream_wraps_around_twice_without_a_hole() -> None:
    stream = JitterBuffer()
    got = 0
    for k in range(140_000):
        stream.put(k & 0xFFFF, 1, frame(7))
        got += stream.get() is not None
    assert got == 139_999
    assert stream.counts.lost == stream.counts.late == 0


def test_a_hole_is_filled_with_the_fading_last_frame_then_silence_then_nothing() -> None:
    buffer = JitterBuffer()
    put(buffer, 100, 101)
    play(buffer, 2)
    fade = buffer.get()
    assert fade is not None
    assert fade[0] == 101
    assert fade[-1] == 0
    assert np.all(np.diff(fade) <= 0)
    assert play(buffer, 9) == [0] * 9
    assert play(buffer, 2) == [None, None]
    assert buffer.counts.silent == 12


def test_a_lost_frame_costs_only_itself_and_a_late_one_is_not_played() -> None:
    buffer = JitterBuffer()
    put(buffer, 1, 2, 4, 5)
    assert play(buffer, 3) == [1, 2, 2]
    put(buffer, 3)
    assert play(buffer, 2) == [4, 5]
    assert (buffer.counts.lost, buffer.counts.late) == (1, 1)


def test_a_burst_after_a_standstill_does_not_make_the_sound_late_for_ever() -> None:
    buffer = JitterBuffer()
    put(buffer, *range(1, 21))
    assert play(buffer, 7)[:6] == [15, 16, 17, 18, 19, 20]
    assert buffer.counts.skipped == 14


def test_sound_that_a_burst_pushed_out_is_told_as_a_hole() -> None:
    buffer = JitterBuffer()
    put(buffer, *range(4))
    play(buffer, 2)
    assert not buffer.holed
    put(buffer, *range(4, 12))
    assert buffer.get() is not None
    assert buffer.holed
    assert buffer.counts.skipped
    assert buffer.get() is not None
    assert not buffer.holed


def test_a_new_stream_is_taken_over_at_its_second_packet_and_a_stray_one_is_not() -> None:
    buffer = JitterBuffer()
    put(buffer, 1, 2, 3)
    put(buffer, 500, ssrc=99)
    assert play(buffer, 3) == [1, 2, 3]
    put(buffer, 4, 5)
    assert play(buffer, 2) == [4, 5]
    put(buffer, 9000, 9001, ssrc=2)
    assert play(buffer, 2)[0] != 9000, "the first may go on: it is locked for 200 ms"
    play(buffer, 10)
    put(buffer, 9002, 9003, ssrc=2)
    assert play(buffer, 2) == [9002, 9003]


def test_of_two_sources_at_once_the_first_is_heard_and_the_other_counted() -> None:
    buffer = JitterBuffer()
    heard = []
    for k in range(200):
        put(buffer, k)
        put(buffer, 30_000 + k, 30_001 + k, ssrc=2)
        heard += play(buffer, 1)
    assert heard[2:] == list(range(1, 199))
    assert buffer.counts.foreign == 400


def test_a_sender_that_starts_again_with_the_same_name_is_heard() -> None:
    buffer = JitterBuffer()
    put(buffer, 40_000, 40_001)
    play(buffer, 2)
    put(buffer, 5, 6, 7)
    assert play(buffer, 3) == [5, 6, 7]


def drift(ppm: int, ticks: int) -> tuple[JitterBuffer, list[Frame | None]]:
    """A tone from a sender whose clock is that much faster; returns what came out."""
    buffer, sent, out = JitterBuffer(), 0, []
    rng = random.Random(SEED)
    turn = 2 * np.pi * 100 / 8000
    for tick in range(ticks):
        while sent < tick * (1 + ppm * 1e-6) - rng.random():
            wave = 10_000 * np.sin(turn * (160 * sent + np.arange(160)))
            buffer.put(sent & 0xFFFF, 1, wave.astype(np.int16))
            sent += 1
        out.append(buffer.get())
    return buffer, out


@pytest.mark.parametrize("ppm", [-200, 200])
def test_clocks_may_differ_and_nothing_slips(ppm: int) -> None:
    """Ten minutes at 200 ppm are six frames; no step of the tone is ever a jump."""
    buffer, out = drift(ppm, 30_000)
    first = next(k for k, f in enumerate(out) if f is not None)
    sound = np.concatenate([f for f in out[first:] if f is not None]).astype(float)
    assert len(sound) == 160 * (30_000 - first), "not one tick without sound"
    assert buffer.counts.skipped == buffer.counts.lost == buffer.counts.late == 0
    assert np.abs(np.diff(sound)).max() < 1.05 * 10_000 * 2 * np.pi * 100 / 8000
    assert buffer.depth <= 4


@pytest.mark.parametrize("ppm", [-5000, 5000])
def test_a_clock_out_of_all_bounds_costs_a_frame_now_and_then(ppm: int) -> None:
    """5000 ppm is fifty times worse than any crystal."""
    buffer, out = drift(ppm, 3000)
    assert sum(f is None for f in out) <= 4
    assert buffer.counts.skipped <= 20
    assert buffer.counts.concealed <= 45
    assert buffer.depth <= 6


def test_the_buffer_grows_to_the_network_and_shrinks_again() -> None:
    rng = random.Random(SEED)
    print("seed", SEED)
    buffer = JitterBuffer()
    arrivals: list[tuple[float, int]] = sorted(
        (k + rng.random() * (4 if k < 3000 else 0.1), k)
        for k in range(9000)
        if rng.random() > 0.02
    )
    late_s, bad = {}, 0
    for tick in range(9000):
        while arrivals and arrivals[0][0] <= tick:
            put(buffer, arrivals.pop(0)[1])
        if tick == 500:
            bad = buffer.counts.late
        buffer.get()
        late_s[tick] = buffer.depth
    assert buffer.counts.late - bad <= 25, "one in a hundred, once it has settled"
    assert max(late_s.values()) <= 6
    assert np.mean([late_s[t] for t in range(8000, 9000)]) <= 2, "a calm network, and no wait"


@settings(max_examples=100, deadline=None)
@given(
    first=st.integers(0, 0xFFFF),
    moves=st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.booleans()), max_size=80),
)
def test_frames_come_out_in_order_and_never_twice(
    first: int, moves: list[tuple[int, bool, bool]]
) -> None:
    """Each move: how far a packet is out of order, whether it is lost, whether doubled."""
    buffer = JitterBuffer()
    order = sorted(range(len(moves)), key=lambda k: k + moves[k][0])
    out: list[int] = []
    for k in order:
        _, lost, doubled = moves[k]
        for _ in range((not lost) + (doubled and not lost)):
            buffer.put(first + k & 0xFFFF, 1, np.full(160, k + 1, np.int16))
        got = buffer.get()
        if got is not None and got[0] and got[0] == got[-1]:
            out.append(int(got[0]))
    assert out == sorted(set(out))
    counts = buffer.counts
    assert counts.received + counts.late + counts.duplicates >= len(out)


GOOD = "rtp://127.0.0.1:5004?local_port=0&codec=l16"


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("rtp://127.0.0.1?local_port=1", "host or port is missing"),
        ("rtp://:5004?local_port=1", "host or port is missing"),
        ("rtp://h:99999?local_port=1", "out of range"),
        ("rtp://h:5004", "local_port must be"),
        ("rtp://h:5004?local_port=x", "local_port must be"),
        ("rtp://h:5004?local_port=70000", "local_port must be"),
        ("rtp://h:5004?local_port=1&codec=opus", "codec 'opus' is unknown"),
        ("rtp://h:5004?local_port=1&codek=l16", "unknown option codek"),
        ("http://h:5004?local_port=1", "not of this form"),
        ("rtp://user:pw@h:5004?local_port=1", "not of this form"),
    ],
)
def test_a_wrong_address_is_refused_with_its_reason(url: str, complaint: str) -> None:
    with pytest.raises(SetupError, match=complaint) as caught:
        parse_rtp_url(url)
    assert "rtp://HOST:PORT" in str(caught.value)


def test_a_right_address_is_read() -> None:
    address = parse_rtp_url("rtp://[::1]:5004?local_port=5006&codec=pcmu&local_address=::1")
    assert (address.host, address.port, address.local_port) == ("::1", 5004, 5006)
    assert (address.codec, address.local_address) == ("pcmu", "::1")


@pytest.fixture
def radio() -> Iterator[socket.socket]:
    """The base radio's end of the wire."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(2)
        yield sock


@pytest.fixture
def opened() -> Iterator[Callable[[str], RtpLink]]:
    links: list[RtpLink] = []

    def open_link(url: str) -> RtpLink:
        links.append(RtpLink(url))
        return links[-1]

    yield open_link
    for link in links:
        link.close()
        link.close()


def until(condition: Callable[[], bool], time_out_s: float = 2.0) -> None:
    end = time.monotonic() + time_out_s
    while not condition():
        assert time.monotonic() < end, "condition not reached in time"
        time.sleep(0.002)


def address_of(radio: socket.socket, codec: str = "l16") -> str:
    return f"rtp://127.0.0.1:{radio.getsockname()[1]}?local_port=0&codec={codec}"


def test_frames_leave_as_rtp_with_counting_numbers(
    radio: socket.socket, opened: Callable[[str], RtpLink]
) -> None:
    link = opened(address_of(radio))
    for value in (1, 2, 3):
        link.send(frame(value))
    packets = [parse(radio.recv(2048)) for _ in range(3)]
    first = packets[0]
    assert [p.marker for p in packets] == [True, False, False]
    assert {p.payload_type for p in packets} == {96}
    assert {p.ssrc for p in packets} == {first.ssrc}
    assert [(p.sequence - first.sequence) & 0xFFFF for p in packets] == [0, 1, 2]
    assert [(p.timestamp - first.timestamp) & 0xFFFFFFFF for p in packets] == [0, 160, 320]
    assert packets[2].payload == struct.pack("!160h", *[3] * 160)
    assert link.statistics().sent == 3


@pytest.mark.parametrize("codec", ["l16", "pcmu"])
def test_sound_of_the_radio_is_heard(
    codec: str, radio: socket.socket, opened: Callable[[str], RtpLink]
) -> None:
    link = opened(address_of(radio, codec))
    kind = {"l16": 96, "pcmu": 0}[codec]
    payload = encode_payload(frame(1000), codec)  # type: ignore[arg-type] # one of the two
    for k in range(3):
        packet = RtpPacket(kind, k, 160 * k, 5, payload)
        radio.sendto(pack(packet), ("127.0.0.1", link.local_port))
    until(lambda: (link.pump(), link.statistics().received == 3)[1])
    got = link.receive()
    assert got is not None
    assert got.dtype == np.int16
    assert got[0] == pytest.approx(1000, abs=20)


def test_rubbish_and_strangers_are_counted_and_not_heard(
    radio: socket.socket, opened: Callable[[str], RtpLink]
) -> None:
    link = opened(address_of(radio))
    target = ("127.0.0.1", link.local_port)
    rubbish = [b"", b"hello", bytes(12), pack(RtpPacket(96, 1, 1, 1, b""))]
    rubbish.append(pack(RtpPacket(0, 1, 1, 1, bytes(160))))
    for data in rubbish:
        radio.sendto(data, target)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.2", 0))
        good = encode_payload(frame(1), "l16")
        for k in range(3):
            stranger.sendto(pack(RtpPacket(96, k, 160 * k, 9, good)), target)
    until(lambda: (link.pump(), link.statistics().foreign == 3)[1])
    assert link.statistics().malformed == len(rubbish)
    assert link.statistics().received == 0
    assert link.receive() is None
    assert {(r.kind, r.address, r.count) for r in link.refused()} == {
        ("malformed", "127.0.0.1", len(rubbish)),
        ("foreign", "127.0.0.2", 3),
    }
    assert link.refused() == (), "told once"


def test_a_second_stream_is_named_and_a_radio_that_restarts_is_none(
    radio: socket.socket, opened: Callable[[str], RtpLink]
) -> None:
    link = opened(address_of(radio))
    target, good = ("127.0.0.1", link.local_port), encode_payload(frame(1), "l16")
    for k in range(20):
        radio.sendto(pack(RtpPacket(96, k, 160 * k, 5, good)), target)
        radio.sendto(pack(RtpPacket(96, 900 + k, 160 * k, 6, good)), target)
    until(lambda: (link.pump(), link.statistics().foreign == 20)[1])
    assert [(r.kind, r.address, r.count) for r in link.refused()] == [
        ("second", "127.0.0.1", 20)
    ]
    for _ in range(30):
        link.receive()  # it has been silent for long
    for k in range(5):
        radio.sendto(pack(RtpPacket(96, 70 + k, 160 * k, 7, good)), target)
    received = link.statistics().received
    until(lambda: (link.pump(), link.statistics().received >= received + 5)[1])
    assert link.refused() == ()


def test_of_a_flood_is_told_at_once_and_then_once_a_minute() -> None:
    told: list[SoundRefused] = []
    watch = RefusedWatch(told.append)
    for second in range(181):
        watch.note("channel:gate", [Refused("foreign", f"10.0.0.{second}", 50)])
        watch.note("channel:yard", [Refused("malformed", "10.0.0.9", 1)] if second == 7 else [])
        watch.step(Moment(float(second), 1_000_000 * second))
    gate = [(t.at_us // 1_000_000, t.count) for t in told if t.path == "channel:gate"]
    assert gate == [(0, 50), (60, 3000), (120, 3000), (180, 3000)]
    assert [t.kind for t in told if t.path == "channel:yard"] == ["malformed"]
    assert told[-1].address == "10.0.0.180", "the last of them"


def test_a_radio_that_is_away_disturbs_nobody(opened: Callable[[str], RtpLink]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        port = gone.getsockname()[1]
    link = opened(f"rtp://127.0.0.1:{port}?local_port=0")
    for _ in range(10):
        link.send(frame(0))
        assert link.receive() is None
    counts = link.statistics()
    assert counts.sent + counts.send_failures == 10
    assert counts.silent == 10


def test_a_port_in_use_is_a_matter_for_the_technician(
    radio: socket.socket, opened: Callable[[str], RtpLink]
) -> None:
    first = opened(address_of(radio))
    with pytest.raises(SetupError, match="is another program using it"):
        RtpLink(f"rtp://127.0.0.1:9?local_port={first.local_port}")


def test_a_name_that_cannot_be_found_now_may_be_found_later() -> None:
    with pytest.raises(LinkError, match="cannot be found now"):
        RtpLink("rtp://no-such-radio.invalid:5004?local_port=0")


# --- others' packets ---------------------------------------------------------------------------


@given(
    sizes=st.lists(st.integers(1, 700), min_size=1, max_size=40),
    origin=st.integers(0, 0xFFFFFFFF),
    order=st.randoms(use_true_random=False),
)
def test_packets_of_any_length_become_the_same_frames(
    sizes: list[int], origin: int, order: random.Random
) -> None:
    sound = np.arange(sum(sizes)).astype(np.int16)
    packets, at = [], 0
    for size in sizes:
        packets.append((at, sound[at : at + size]))
        at += size
    first, *rest = packets
    # Neighbours may overtake each other.
    rest.sort(key=lambda packet: packet[0] + order.randrange(600))
    reframer, found = Reframer(), {}
    for start, samples in [first, *rest]:
        packet = RtpPacket(96, 0, origin + start & 0xFFFFFFFF, 1, b"")
        found.update(reframer.frames(packet, samples))
    assert sorted(found) == list(range(len(sound) // 160))
    for place, got in found.items():
        assert np.array_equal(got, sound[160 * place : 160 * place + 160])


def tone_of(samples: Frame) -> float:
    """The strongest frequency, Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * 8000 / len(samples))


def ffmpeg(*args: str) -> list[str]:
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    return [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", *args]


@pytest.mark.parametrize(("codec", "coder"), [("l16", "pcm_s16be"), ("pcmu", "pcm_mulaw")])
def test_ffmpeg_is_heard(codec: str, coder: str, opened: Callable[[str], RtpLink]) -> None:
    link = opened(f"rtp://127.0.0.1:9?local_port=0&codec={codec}")
    source = ["-re", "-f", "lavfi", "-i", "sine=frequency=1000:sample_rate=8000:duration=2"]
    target = ["-c:a", coder, "-ac", "1", "-f", "rtp", f"rtp://127.0.0.1:{link.local_port}"]
    with subprocess.Popen(ffmpeg(*source, *target), stdout=subprocess.DEVNULL) as sender:
        heard, due_s = [], time.monotonic()
        end_s = due_s + 20
        while len(heard) < 75 and time.monotonic() < end_s:
            due_s += 0.02
            time.sleep(max(0.0, due_s - time.monotonic()))
            frame = link.receive()
            if frame is not None:
                heard.append(frame)
        sender.kill()
    counts = link.statistics()
    assert len(heard) == 75, counts
    assert counts.malformed == counts.foreign == 0, counts
    assert counts.skipped <= 30, "it begins with a burst"
    sound = np.concatenate(heard[20:75]).astype(float)
    assert tone_of(sound) == pytest.approx(1000, abs=5)
    smooth = np.abs(sound[2:] - 2 * np.cos(2 * np.pi / 8) * sound[1:-1] + sound[:-2])
    assert np.percentile(smooth, 99) < 0.1 * np.abs(sound).max(), "one tone, without a break"


def session_description(port: int, codec: str) -> str:
    """What ffmpeg needs to hear us send to a port (SDP, RFC 8866 section 5)."""
    kind = {"l16": 96, "pcmu": 0}[codec]
    lines = [
        "v=0",
        "o=- 0 0 IN IP4 127.0.0.1",
        "s=Gridcall",
        "c=IN IP4 127.0.0.1",
        "t=0 0",
        f"m=audio {port} RTP/AVP {kind}",
        f"a=rtpmap:{kind} {codec.upper()}/8000",
        "a=ptime:20",
    ]
    return "".join(f"{line}\r\n" for line in lines)


@pytest.mark.parametrize("codec", ["l16", "pcmu"])
def test_ffmpeg_hears_us(
    codec: str, tmp_path: Path, opened: Callable[[str], RtpLink], radio: socket.socket
) -> None:
    port = radio.getsockname()[1]
    radio.close()
    url = f"rtp://127.0.0.1:{port}?local_port=0&codec={codec}"
    (tmp_path / "gridcall.sdp").write_text(session_description(port, codec))
    link = opened(url)
    source = ["-protocol_whitelist", "file,udp,rtp", "-i", str(tmp_path / "gridcall.sdp")]
    target = ["-t", "1", "-f", "s16le", "-ar", "8000", "-ac", "1", "pipe:1"]
    wave = (10_000 * np.sin(2 * np.pi * 600 / 8000 * np.arange(160 * 20))).astype(np.int16)
    with subprocess.Popen(ffmpeg(*source, *target), stdout=subprocess.PIPE) as receiver:
        due_s, end_s, number = time.monotonic(), time.monotonic() + 20, 0
        while receiver.poll() is None and time.monotonic() < end_s:
            link.send(wave[160 * (number % 20) : 160 * (number % 20 + 1)])
            number, due_s = number + 1, due_s + 0.02
            time.sleep(max(0.0, due_s - time.monotonic()))
        assert receiver.poll() == 0, "ffmpeg took a second of it and was content"
        assert receiver.stdout is not None
        sound = np.frombuffer(receiver.stdout.read(), "<i2")
    assert len(sound) >= 7000
    assert tone_of(sound[:4000].astype(float)) == pytest.approx(600, abs=5)
