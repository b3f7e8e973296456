"""The base radio on its real wires: a pyserial client over RFC 2217 and RTP over UDP."""

import asyncio
import contextlib
import json
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import serial
import serial.rfc2217
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.ether import SILENCE, Ether
from simulators.faults import Faults
from simulators.priority import on_time
from simulators.radio import BaseRadio, Handheld
from simulators.rtp import Codec, FarClock, JitterBuffer, RtpCounts, RtpEndpoint, decode, encode
from simulators.tones import FRAME_S, FRAME_SAMPLES, Samples, rms_dbfs, silence, voice

# pyserial 3.5 names its reader thread in a way that Python has deprecated.
pytestmark = pytest.mark.filterwarnings(r"ignore:set(Daemon|Name)\(\) is deprecated")

Result = TypeVar("Result")
PAYLOAD_TYPE: dict[Codec, int] = {"l16": 96, "pcmu": 0}


def sine(hz: float, duration_ms: int) -> Samples:
    at_s = np.arange(8 * duration_ms) / 8000
    return (10_000 * np.sin(2 * np.pi * hz * at_s)).astype(np.int16)


LEVEL_3 = sine(900, 400)
LEVEL_1 = np.concatenate([sine(1400, 100), sine(1000, 100)] * 6)


async def promptly(act: Callable[[], Result]) -> Result:
    """Returns what a blocking call returns, from a thread as prompt as the ether."""

    def run() -> Result:
        with on_time():
            return act()

    return await asyncio.to_thread(run)


class Line(serial.rfc2217.Serial):
    """pyserial's client, whose end costs nobody time.

    pyserial's own `close` sleeps for 0.3 s, also when the garbage collector calls it: then in
    the middle of a frame of some later test. `Gateway.close_line` closes what there is.
    """

    def close(self) -> None:
        self.is_open = False


class Gateway:
    """A gateway's end of the wires, made of pyserial and a plain UDP socket.

    It sends a frame every 20 ms, silence unless told otherwise, and keeps what it receives.
    """

    def __init__(self, codec: Codec = "l16") -> None:
        self.codec: Codec = codec
        self.to_say: list[Samples] = []
        self.received: list[Samples] = []
        self.sequences: list[int] = []
        self.line: Line | None = None
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.address: tuple[str, int] = self.socket.getsockname()
        self.drops: Callable[[int], bool] = lambda sequence: False

    async def open_line(self, port: int) -> None:
        def opened() -> Line:
            # Server and client share one interpreter here; pyserial would give up after 3 s.
            url = f"rfc2217://127.0.0.1:{port}?timeout=20"
            line = Line(None, timeout=1)
            line.port = url
            line.rts = line.dtr = False
            line.open()
            return line

        self.line = await promptly(opened)

    async def set_line(self, name: str, on: bool) -> None:
        await promptly(lambda: setattr(self.line, name, on))

    async def line_is(self, name: str, on: bool, timeout_s: float = 3.0) -> float:
        """Returns the moment at which an input line was found so."""

        def watched() -> float:
            limit_s = time.monotonic() + timeout_s
            while getattr(self.line, name) != on:
                assert time.monotonic() < limit_s, f"{name} was not {on} in {timeout_s} s"
                time.sleep(0.001)
            return time.monotonic()

        return await promptly(watched)

    async def close_line(self) -> None:
        """Goes away as a killed process does: the connection ends, no line is set first."""
        line, self.line = self.line, None
        if line is not None:
            with contextlib.suppress(OSError):
                line._socket.shutdown(socket.SHUT_RDWR)
            await asyncio.to_thread(line._thread.join, 5)
            line._socket.close()
            line.is_open = False

    async def stream(self, radio: BaseRadio) -> None:
        """Sends and receives audio for ever, in real time."""
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        for sequence in range(65500, 10**9):
            frame = self.to_say.pop(0) if self.to_say else np.zeros(FRAME_SAMPLES, np.int16)
            if not self.drops(sequence):
                self.send(sequence, frame, radio.rtp_port)
            self.drain()
            due_s = started_s + (sequence - 65499) * FRAME_S
            await asyncio.sleep(max(0.0, due_s - loop.time()))

    def send(self, sequence: int, frame: Samples, port: int) -> None:
        header = struct.pack(
            "!BBHII", 0x80, PAYLOAD_TYPE[self.codec], sequence % 65536, 0, 4711
        )
        self.socket.sendto(header + encode(frame, self.codec), ("127.0.0.1", port))

    def drain(self) -> None:
        while True:
            try:
                packet = self.socket.recv(2048)
            except BlockingIOError:
                return
            assert packet[1] == PAYLOAD_TYPE[self.codec]
            self.sequences.append(struct.unpack_from("!H", packet, 2)[0])
            self.received.append(decode(packet[12:], self.codec))

    def say(self, *audio: Samples) -> None:
        joined = np.concatenate(audio)
        padded = np.concatenate([joined, np.zeros(-len(joined) % 160, np.int16)])
        self.to_say.extend(padded.reshape(-1, 160))


class Scene:
    """An ether with a base radio, its gateway and one guard."""

    def __init__(self, ether: Ether, radio: BaseRadio, gateway: Gateway, log: Path) -> None:
        self.ether, self.radio, self.gateway, self.log = ether, radio, gateway, log
        self.guard = Handheld(ether, "034", ani="10034")

    async def page(self, *audio: Samples, rts: bool = True) -> None:
        """Keys, sends the audio, waits until it has been radiated, unkeys."""
        await self.gateway.set_line("rts", rts)
        await self.radio.wait_ptt(rts, timeout_s=2)
        self.gateway.say(silence(300), *audio, silence(200))
        await until(lambda: not self.gateway.to_say)
        await self.gateway.set_line("rts", False)
        await self.radio.wait_ptt(False, timeout_s=2)

    def logged(self, what: str) -> list[dict[str, object]]:
        lines = [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]
        return [line for line in lines if line["what"] == what]


async def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 a limited wait for the outside
            await asyncio.sleep(FRAME_S / 2)


@asynccontextmanager
async def scene(
    tmp_path: Path,
    *,
    codec: Codec = "l16",
    ptt: str = "rts",
    squelch: str = "cts",
    faults: Faults | None = None,
    server_drops_lines: bool = True,
    time_out_s: float = 180.0,
    line: bool = True,
) -> AsyncIterator[Scene]:
    gateway = Gateway(codec)
    log = tmp_path / "ether.jsonl"
    ether = Ether("ch1", seed=7, log=log)
    radio = BaseRadio(
        ether,
        gateway_rtp=gateway.address,
        codec=codec,
        ptt=ptt,
        squelch=squelch,
        faults=faults,
        server_drops_lines=server_drops_lines,
        time_out_s=time_out_s,
    )
    async with ether, radio:
        if line:
            await gateway.open_line(radio.serial_port)
        try:
            async with asyncio.TaskGroup() as group:
                streaming = group.create_task(gateway.stream(radio))
                yield Scene(ether, radio, gateway, log)
                streaming.cancel()
        finally:
            await gateway.close_line()
            gateway.socket.close()


@pytest.mark.asyncio
async def test_a_page_is_keyed_radiated_and_heard_by_a_guard(tmp_path: Path) -> None:
    async with scene(tmp_path, codec="pcmu") as s:
        await s.page(LEVEL_1, voice(0.6, 1))
        heard = await s.guard.next_heard(2)
        await until(lambda: bool(s.ether.overs))
    (over,) = s.ether.overs
    assert heard.attention == over.attention == 1
    assert over.who == "base"
    assert heard.rms_dbfs == pytest.approx(over.rms_dbfs, abs=2)
    (tone,) = s.logged("tones")
    assert tone["value"] == "1"
    assert tone["level_dbfs"] == pytest.approx(-10.3, abs=1)
    (line,) = s.logged("over")
    assert line["attention"] == 1
    assert [(e["line"], e["on"]) for e in s.logged("line")][:2] == [
        ("rts", True),
        ("ptt", True),
    ]


@pytest.mark.parametrize("line", ["cts", "!cd"])
@pytest.mark.asyncio
async def test_a_guard_who_keys_up_raises_the_squelch_line_within_100_ms(
    tmp_path: Path, line: str
) -> None:
    name, opened = line.lstrip("!"), not line.startswith("!")
    async with scene(tmp_path, squelch=line) as s:
        assert await s.gateway.line_is(name, not opened) > 0
        async with asyncio.TaskGroup() as group:
            rising = group.create_task(s.gateway.line_is(name, opened))
            over = await s.guard.transmit(voice(0.5, 1))
            fallen_s = await s.gateway.line_is(name, not opened)
        assert rising.result() - over.start_s < 0.1
        assert 0.05 < fallen_s - over.end_s < 0.2
        edges = [edge.on for edge in s.radio.edges if edge.line == name]
        assert edges[-2:] == [opened, not opened]


@pytest.mark.asyncio
async def test_digits_of_a_guard_reach_the_gateway_and_a_foreign_decoder(
    tmp_path: Path,
) -> None:
    program = shutil.which("multimon-ng")
    if program is None:
        pytest.skip("multimon-ng is not installed (apt install multimon-ng)")
    async with scene(tmp_path) as s:
        await s.guard.key_and_send("*12034#1", voice_s=0.2)
        await s.gateway.line_is("cts", on=False)
        s.gateway.drain()
        audio = np.concatenate(s.gateway.received)
    at = np.arange(round(len(audio) * 22050 / 8000)) * (8000 / 22050)
    resampled = np.interp(at, np.arange(len(audio)), audio).astype("<i2")
    found = await asyncio.to_thread(
        subprocess.run,
        [program, "-q", "-a", "DTMF", "-t", "raw", "-"],
        input=resampled.tobytes(),
        capture_output=True,
        timeout=20,
        check=True,
    )
    lines = found.stdout.decode().splitlines()
    assert "".join(line.removeprefix("DTMF: ") for line in lines) == "10034*12034#1"


@pytest.mark.asyncio
async def test_audio_without_ptt_is_not_radiated(tmp_path: Path) -> None:
    async with scene(tmp_path, line=False) as s:
        s.gateway.say(LEVEL_3)
        await until(lambda: not s.gateway.to_say)
    assert not s.ether.overs


@pytest.mark.asyncio
async def test_rts_and_not_dtr_keys_only_on_that_pair(tmp_path: Path) -> None:
    async with scene(tmp_path, ptt="rts&!dtr") as s:
        await s.gateway.set_line("dtr", True)
        await s.gateway.set_line("rts", True)
        assert not s.radio.ptt
        await s.gateway.set_line("dtr", False)
        assert s.radio.ptt
        await s.gateway.set_line("dtr", True)
        assert not s.radio.ptt


@pytest.mark.asyncio
async def test_while_it_transmits_it_hears_nothing(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        await s.gateway.set_line("rts", True)
        await until(lambda: s.radio.transmitting)
        s.gateway.received.clear()
        over = await s.guard.transmit(voice(0.5, 1))
        assert over.collided
        assert not s.radio.squelch_open
        s.gateway.drain()
        assert not np.concatenate(s.gateway.received[2:20]).any()
        await s.gateway.set_line("rts", False)
        await until(lambda: not s.radio.transmitting)


@pytest.mark.asyncio
async def test_a_client_that_dies_lets_go_of_the_lines(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        await s.gateway.set_line("rts", True)
        await s.radio.wait_ptt(True, 1)
        await until(lambda: s.radio.transmitting)
        await s.gateway.close_line()
        await s.radio.wait_ptt(False, 1)
        await until(lambda: not s.radio.transmitting)
    assert [edge.on for edge in s.radio.edges if edge.line == "rts"] == [True, False]


@pytest.mark.asyncio
async def test_a_bad_device_server_holds_the_lines_until_the_radio_times_out(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path, server_drops_lines=False, time_out_s=0.5) as s:
        await s.gateway.set_line("rts", True)
        await s.gateway.close_line()
        await until(lambda: bool(s.ether.overs))
        assert s.radio.ptt
        assert not s.radio.transmitting
        (over,) = s.ether.overs
        assert over.duration_s == pytest.approx(0.5, abs=0.02)
        assert len(s.logged("time_out")) == 1


@pytest.mark.asyncio
async def test_a_cut_line_is_noticed_and_the_port_stays_shut_until_it_listens_again(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as s:
        await s.gateway.set_line("rts", True)
        await s.radio.wait_ptt(True, 1)
        port = s.radio.serial_port
        s.radio.stop_listening()
        s.radio.drop_connection()
        await s.radio.wait_ptt(False, 1)
        await s.gateway.close_line()
        with pytest.raises(serial.SerialException):
            await s.gateway.open_line(port)
        await s.radio.listen_again()
        await s.gateway.open_line(port)
        await s.gateway.set_line("rts", True)
        await s.radio.wait_ptt(True, 1)
        assert [line["fault"] for line in s.logged("fault")] == [
            "stop_listening",
            "drop_connection",
            "listen_again",
        ]


@pytest.mark.asyncio
async def test_a_second_client_takes_the_port_over_with_the_lines_low(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        await s.gateway.set_line("rts", True)
        await s.radio.wait_ptt(True, 1)
        other = Gateway()
        try:
            await other.open_line(s.radio.serial_port)
            assert not s.radio.ptt
            await other.set_line("rts", True)
            assert s.radio.ptt
        finally:
            await other.close_line()
            other.socket.close()


@pytest.mark.asyncio
async def test_a_stuck_squelch_holds_the_line_up_with_nobody_there(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        s.radio.stuck_squelch(True)
        await s.gateway.line_is("cts", on=True)
        assert s.radio.squelch_open
        s.gateway.received.clear()
        await until(lambda: len(s.gateway.received) > 10)
        assert rms_dbfs(np.concatenate(s.gateway.received[5:])) > -30, "noise is heard"
        await s.guard.transmit(voice(0.3, 1))
        assert s.radio.squelch_open
        await until(lambda: not s.ether.is_on_air("034"))
        s.radio.stuck_squelch(False)
        await s.gateway.line_is("cts", on=False)


@pytest.mark.asyncio
async def test_a_broken_transmitter_raises_the_line_and_radiates_nothing(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as s:
        s.radio.ignore_ptt(True)
        await s.page(LEVEL_3)
        assert not s.ether.overs
        s.radio.ignore_ptt(False)
        await s.page(LEVEL_3)
        await until(lambda: bool(s.ether.overs))
        assert s.ether.overs[0].attention == 3, f"{s.radio.rtp_counts}"


@pytest.mark.asyncio
async def test_a_mute_radio_sends_no_packets(tmp_path: Path) -> None:
    async with scene(tmp_path, line=False) as s:
        await until(lambda: len(s.gateway.received) > 5)
        s.radio.mute_rtp(True)
        s.gateway.drain()
        before = len(s.gateway.received)
        await asyncio.sleep(0.3)
        assert len(s.gateway.received) <= before + 1
        s.radio.mute_rtp(False)
        await until(lambda: len(s.gateway.received) > before + 5)


@pytest.mark.asyncio
async def test_lost_packets_are_counted_and_covered_up(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        s.gateway.drops = lambda sequence: sequence % 10 == 0
        await s.page(LEVEL_3)
        heard = await s.guard.next_heard(2)
        assert heard.attention == 3, "one frame in ten lost is still a clear call"
        assert s.radio.rtp_counts.lost >= 3
        assert s.radio.rtp_counts.malformed == 0


@pytest.mark.asyncio
async def test_planned_losses_keep_frames_from_the_gateway(tmp_path: Path) -> None:
    faults = Faults(seed=3, rtp_loss=0.5)
    async with scene(tmp_path, faults=faults, line=False) as s:
        await until(lambda: faults.draws.get("rtp_loss", 0) >= 60)
        s.gateway.drain()
        draws = faults.draws["rtp_loss"]
        assert len(s.gateway.received) == pytest.approx(draws - len(faults.hits), abs=2)
        assert 0.3 < len(faults.hits) / draws < 0.7


@pytest.mark.asyncio
async def test_rubbish_on_the_wires_does_no_harm(tmp_path: Path) -> None:
    async with scene(tmp_path, line=False) as s:
        for rubbish in (b"", b"\x80", b"\x00" * 332, b"\x80\x60" + b"\xff" * 400):
            s.gateway.socket.sendto(rubbish, ("127.0.0.1", s.radio.rtp_port))
        _, writer = await asyncio.open_connection("127.0.0.1", s.radio.serial_port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n" + bytes(range(250)))
        await writer.drain()
        writer.close()
        await until(lambda: s.radio.rtp_counts.malformed == 4)
        assert not s.radio.ptt


def test_a_wiring_that_names_no_line_is_refused() -> None:
    ether = Ether("ch1", seed=1)
    with pytest.raises(ValueError, match="'cts' must be made of rts, dtr"):
        BaseRadio(ether, ptt="cts")
    with pytest.raises(ValueError, match="'rts' must be made of cts, dsr, cd, ri"):
        BaseRadio(ether, squelch="rts")


@pytest.mark.asyncio
async def test_four_channels_and_ten_guards_cost_little() -> None:
    ethers = [Ether(f"ch{number}", seed=number) for number in range(4)]
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    radios = [BaseRadio(ether, gateway_rtp=sink.getsockname()) for ether in ethers]
    for radio in radios:
        await radio.start()
    guards = [Handheld(ethers[number % 4], f"guard {number}") for number in range(10)]
    async with asyncio.TaskGroup() as group:
        talking = [group.create_task(guard.key_and_send(voice_s=60)) for guard in guards[:4]]
        await asyncio.sleep(0)
        started_s = time.thread_time()
        for number in range(250):
            for ether in ethers:
                ether.tick(number * FRAME_S)
        busy_s = time.thread_time() - started_s
        for task in talking:
            task.cancel()
    for radio in radios:
        await radio.stop()
    sink.close()
    assert busy_s < 5.0 * 0.25, f"five seconds of four busy channels took {busy_s:.2f} s"


# --- the jitter buffer --------------------------------------------------------------------


def numbered(value: int) -> Samples:
    return np.full(FRAME_SAMPLES, value, np.int16)


@settings(max_examples=100, deadline=None)
@given(
    start=st.integers(0, 65535),
    swaps=st.lists(st.booleans(), min_size=40, max_size=40),
    lost=st.sets(st.integers(5, 35), max_size=8),
)
def test_frames_come_out_in_order_whatever_happened_on_the_way(
    start: int, swaps: list[bool], lost: set[int]
) -> None:
    order = list(range(40))
    for place in range(3, 39, 2):
        if swaps[place]:
            order[place], order[place + 1] = order[place + 1], order[place]
    counts = RtpCounts()
    buffer = JitterBuffer(counts)
    played: list[int] = []
    for number in order:
        if number not in lost:
            buffer.put((start + number) % 65536, numbered(number + 1))
        played.append(int(buffer.pull()[0]))
    played += [int(buffer.pull()[0]) for _ in range(5)]
    spoken = [value - 1 for value in played if value]
    assert spoken == sorted(spoken)
    assert set(spoken) | lost >= set(range(36))


def test_a_frame_after_its_turn_is_dropped_and_the_next_keeps_its_time() -> None:
    counts = RtpCounts()
    buffer = JitterBuffer(counts)
    for number in range(3):
        buffer.put(number, numbered(number + 1))
    played = [int(buffer.pull()[0]) for _ in range(5)]
    for number in (3, 4, 5, 6):
        buffer.put(number, numbered(number + 1))
    played += [int(buffer.pull()[0]) for _ in range(2)]
    assert played == [1, 2, 3, 3, 3, 6, 7]
    assert (counts.starved, counts.late) == (2, 2)


def test_a_stream_that_stopped_is_waited_for_anew() -> None:
    buffer = JitterBuffer(RtpCounts())
    for number in range(3):
        buffer.put(number, numbered(number + 1))
    played = [int(buffer.pull()[0]) for _ in range(10)]
    for number in (3, 4, 5):
        played.append(int(buffer.pull()[0]))
        buffer.put(number, numbered(number + 1))
    played += [int(buffer.pull()[0]) for _ in range(3)]
    assert played == [1, 2, 3, 3, 3, 3, 0, 0, 0, 0, 0, 0, 0, 4, 5, 6]


def test_too_much_waiting_is_thrown_away() -> None:
    counts = RtpCounts()
    buffer = JitterBuffer(counts)
    for number in range(11):
        buffer.put(number, numbered(number + 1))
    assert counts.skipped == 8
    assert [int(buffer.pull()[0]) for _ in range(3)] == [9, 10, 11]


def test_a_sender_that_starts_anew_is_followed() -> None:
    counts = RtpCounts()
    buffer = JitterBuffer(counts)
    for number in (5, 6, 7, 40_000, 40_001, 40_002):
        buffer.put(number, numbered(number % 1000))
    assert counts.restarts == 1
    assert [int(buffer.pull()[0]) for _ in range(3)] == [0, 1, 2]


def test_mu_law_keeps_speech_to_38_db() -> None:
    spoken = voice(1.0, 1)
    error = decode(encode(spoken, "pcmu"), "pcmu").astype(np.int32) - spoken
    assert rms_dbfs(error.astype(np.int16)) < rms_dbfs(spoken) - 33
    assert encode(np.zeros(1, np.int16), "pcmu") == b"\xff", "G.711: silence is 0xFF"
    assert encode(np.array([-32768, 32767], np.int16), "pcmu") == b"\x00\x80"


# --- faults -------------------------------------------------------------------------------


def test_the_same_seed_strikes_the_same_and_one_fault_does_not_move_another() -> None:
    plain = Faults(seed=5, chat_429=0.3)
    mixed = Faults(seed=5, chat_429=0.3, chat_error_5xx=0.5)
    first = [plain.draw("chat_429") for _ in range(200)]
    second = []
    for _ in range(200):
        mixed.draw("chat_error_5xx")
        second.append(mixed.draw("chat_429"))
    assert first == second
    assert 30 < sum(first) < 90
    assert [hit.draw for hit in plain.hits] == [n + 1 for n, hit in enumerate(first) if hit]


def test_never_and_always() -> None:
    faults = Faults(seed=1, chat_429=1)
    assert all(faults.draw("chat_429") for _ in range(50))
    assert not any(faults.draw("chat_answer_lost") for _ in range(50))
    assert faults.draws == {"chat_429": 50, "chat_answer_lost": 50}


@pytest.mark.parametrize("name", ["chat_420", "seed", "hits", "draw"])
def test_a_fault_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"no fault is called '{name}'"):
        Faults(seed=1).draw(name)


# ---- wires that are not clean ----


@pytest.mark.asyncio
async def test_a_page_survives_packets_doubled_swapped_and_late(tmp_path: Path) -> None:
    faults = Faults(seed=5, rtp_doubled_in=0.2, rtp_swapped_in=0.1, rtp_jitter_ms=15)
    async with scene(tmp_path, faults=faults) as s:
        await s.page(LEVEL_1, voice(0.6, 1))
        heard = await s.guard.next_heard(5)
    assert heard.attention == 1, f"seed {faults.seed}"
    assert {hit.name for hit in faults.hits} == {"rtp_doubled_in", "rtp_swapped_in"}
    assert s.radio.rtp_counts.worst_gap_ms > 30


@pytest.mark.asyncio
async def test_packets_to_the_gateway_come_twice_and_out_of_order(tmp_path: Path) -> None:
    faults = Faults(seed=5, rtp_doubled=0.2, rtp_swapped=0.2)
    async with scene(tmp_path, faults=faults) as s:
        await until(lambda: len(s.gateway.sequences) > 60)
        numbers = list(s.gateway.sequences)
    steps = [later - earlier for earlier, later in pairwise(numbers)]
    assert 0 in steps, "one came twice"
    assert min(steps) < 0, "one was overtaken"
    assert set(range(min(numbers) + 3, max(numbers) - 3)) <= set(numbers), "none was lost"


def test_a_clock_that_is_fast_gives_more_frames_of_the_same_sound() -> None:
    at_s = np.arange(8000 * 20) / 8000
    sound = (10_000 * np.sin(2 * np.pi * 2500 * at_s)).astype(np.int16)
    for ppm in (-2000.0, 0.0, 2000.0):
        clock = FarClock(ppm)
        frames = [own for frame in sound.reshape(-1, 160) for own in clock.push(frame)]
        assert len(frames) == pytest.approx(1000 * (1 + ppm * 1e-6), abs=1)
        heard = np.concatenate(frames[5:]).astype(float)
        spectrum = np.abs(np.fft.rfft(heard * np.hanning(heard.size)))
        hz = spectrum.argmax() * 8000 / heard.size
        assert hz == pytest.approx(2500 / (1 + ppm * 1e-6), abs=0.2)
        assert heard.std() * np.sqrt(2) == pytest.approx(10_000, rel=0.02)


@pytest.mark.asyncio
async def test_a_sound_card_that_is_fast_sends_more_frames() -> None:
    endpoint = RtpEndpoint("l16", clock_ppm=50_000)
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.bind(("127.0.0.1", 0))
    endpoint.peer = sender.getsockname()
    endpoint.open()
    for _ in range(200):
        endpoint.send(SILENCE)
    endpoint.close()
    sender.close()
    assert endpoint.counts.sent == pytest.approx(210, abs=1)
