"""The technician's commands on real wires: two base radios on one frequency, and a handheld.

The stories of one site are told one after the other, those of different sites side by side:
each command takes its time in the real world, and little of the processor's.
"""

import asyncio
import json
import math
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from drivers.radio import ports
from drivers.radio.decode import decode, encode
from drivers.radio.heard import Heard
from drivers.radio.jitter import LinkStatistics
from drivers.radio.ports import by_id_names, find_ports
from drivers.radio.samples import FRAME_SAMPLES, frames_of
from drivers.radio.settings import RadioChannel
from drivers.radio.technician_accept import Check, accepted, heard_of
from drivers.radio.technician_bench import Bench, BenchRadio
from drivers.radio.technician_cable import CutCable, cut_cable
from drivers.radio.technician_door import Sight, decode_sight, encode_sight
from drivers.radio.technician_protocol import protocol_of
from drivers.radio.technician_site import Site
from drivers.radio.technician_sound import hears_tone, sweep, sweep_moment_ms, tone
from drivers.radio.wav import wav_bytes
from gateway.interfaces import LinkError, WireError
from simulators.ether import Ether
from simulators.radio import BaseRadio, Handheld
from tests.drivers.radio.harness import children_of, seconds, wait_until
from tests.drivers.radio.side_by_side import Outcomes, SideBySide
from tests.ports import free_port

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "config" / "examples" / "bench.yaml"


# ---- a site, and its commands ----


@dataclass
class Post:
    """The example's site on free ports, with what is outside of it."""

    folder: Path
    config: Path
    ether: Ether
    gate: BaseRadio
    listen: BaseRadio
    guard: Handheld
    running: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", *words,
            cwd=self.folder, env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self.running.append(process)
        return process

    async def channel(self, *words: str, typed: str = "") -> tuple[int, str, str]:
        """Run `gridcall channel …`; return status, output and errors."""
        process = await self.start("channel", *words)
        async with asyncio.timeout(110):
            out, err = await process.communicate(typed.encode())
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async def stop(self) -> None:
        for process in self.running:
            with suppress(ProcessLookupError):
                process.terminate()
            async with asyncio.timeout(20):
                await process.wait()


def write_config(
    folder: Path,
    urls: dict[str, tuple[str, str]],
    *,
    listens_only: bool = False,
    **fields: object,
) -> Path:
    """Write the example with other ports; ``fields`` are put into the channel ``gate``."""
    tree = yaml.safe_load(EXAMPLE.read_text("utf-8"))
    for name, (control, audio) in urls.items():
        tree["channels"][name]["control"]["url"] = control
        tree["channels"][name]["audio"]["url"] = audio
    gate = tree["channels"]["gate"]
    for key, value in {"ani": {"digits": 5}, **fields}.items():
        gate[key] = {**gate.get(key, {}), **value} if isinstance(value, dict) else value
        if value is None:
            del gate[key]
    if listens_only:
        del tree["channels"]["listen"]["licence"]
    path = folder / "bench.yaml"
    path.write_text(yaml.safe_dump(tree, allow_unicode=True), "utf-8")
    return path


@asynccontextmanager
async def post(
    folder: Path, *, drops_lines: bool = True, **fields: object
) -> AsyncIterator[Post]:
    ours = {name: free_port(socket.SOCK_DGRAM) for name in ("gate", "listen")}
    async with (
        Ether("gate", seed=5) as ether,
        BaseRadio(
            ether, gateway_rtp=("127.0.0.1", ours["gate"]), server_drops_lines=drops_lines
        ) as gate,
        BaseRadio(ether, gateway_rtp=("127.0.0.1", ours["listen"]), who="listen") as listen,
    ):
        urls = {
            name: (
                f"rfc2217://127.0.0.1:{radio.serial_port}",
                f"rtp://127.0.0.1:{radio.rtp_port}?local_port={ours[name]}&codec=l16",
            )
            for name, radio in (("gate", gate), ("listen", listen))
        }
        config = write_config(folder, urls, **fields)
        made = Post(folder, config, ether, gate, listen, Handheld(ether, "guard", ani="10034"))
        try:
            yield made
        finally:
            await made.stop()


WIRE = SideBySide(at_once=6)
story = WIRE.story


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Outcomes:
    return WIRE.play(request, tmp_path_factory)


def records(out: str, what: str) -> list[dict[str, object]]:
    return [r for r in map(json.loads, out.splitlines()) if r["what"] == what]


# ---- monitor ----


@story
async def a_channel_is_watched_with_and_without_the_daemon(folder: Path) -> None:
    async with post(folder) as site:
        await site_is_watched(site)
        daemon = await site.start("run", str(site.config), "--only", "radio")
        watch_socket = site.folder / "state" / "watch.sock"
        await wait_until(watch_socket.exists, 90, "the radio process is there")
        await site_is_watched(site)
        status, _, err = await site.channel("tone", "bench.yaml", "gate", "--seconds", "1")
        assert status == 3 and f"process {daemon.pid}" in err
        assert not site.gate.ptt
        status, _, err = await site.channel(
            "accept", "bench.yaml", "gate", "--out", "nowhere/gate.md"
        )
        assert (status, "there is no folder nowhere" in err) == (3, True)
        status, _, err = await site.channel("monitor", "bench.yaml", "gates")
        assert status == 1 and "gate, listen" in err


async def site_is_watched(site: Post) -> None:
    """Watch while the guard keys an answer: who he is, what he keyed, how loud it came."""
    watching = await site.start("channel", "monitor", "bench.yaml", "gate", "--json")
    assert watching.stdout is not None
    seen: list[dict[str, object]] = []

    async def read() -> None:
        assert watching.stdout is not None
        while line := await watching.stdout.readline():
            seen.append(json.loads(line))

    async with asyncio.TaskGroup() as group:
        reading = group.create_task(read())
        try:
            await wait_until(lambda: seen, 90, "the first sight")
            over = await heard_whole(site, seen)
        finally:
            watching.send_signal(signal.SIGINT)
            await watching.wait()
            reading.cancel()
    assert (over["ani"], over["who"]) == ("10034", "张三")
    loud = [r for r in seen if r["what"] == "state" and r["squelch"]]
    levels = [r["rms_dbfs"] for r in loud if isinstance(r["rms_dbfs"], float)]
    assert max(levels) > -20
    assert all(r["terms"] == {"cts": True} for r in loud[1:])
    state = next(r for r in seen if r["what"] == "state")
    assert isinstance(state["link"], dict) and state["link"]["received"] > 0
    assert state["ptt"] == "idle"


async def heard_whole(site: Post, seen: list[dict[str, object]]) -> dict[str, object]:
    """Have the guard key once; again only when the air was late meanwhile, which it knows."""
    while True:
        overs = len([r for r in seen if r["what"] == "over"])
        late_before = site.ether.late_frames
        await site.guard.key_and_send("*12034#1")
        await wait_until(
            lambda n=overs: len([r for r in seen if r["what"] == "over"]) > n, 30, "an over"
        )
        over = [r for r in seen if r["what"] == "over"][-1]
        if str(over.get("digits")) == "10034*12034#1":
            return over
        assert site.ether.late_frames > late_before, f"played on time, and not whole: {over}"


# ---- tone, key ----


@story
async def a_tone_goes_out_at_its_level(folder: Path) -> None:
    async with post(folder) as site:
        status, out, err = await site.channel(
            "tone", "bench.yaml", "gate", "1200", "--seconds", "1.5", "--level", "-16"
        )
        assert (status, err) == (0, ""), out
        over = site.ether.overs[-1]
        assert 1.4 < over.voiced_s < 1.7
        assert -20 < over.rms_dbfs < -15


async def a_dead_technician_keys_nothing(folder: Path) -> None:
    """And while he keys, whoever wants the ports too is told who has them."""
    async with post(folder) as site:
        keying = await site.start("channel", "key", "bench.yaml", "gate", "--seconds", "20")
        await site.gate.wait_ptt(True, 90)
        assert children_of(keying.pid)
        command = "`gridcall channel key bench.yaml gate --seconds 20`"
        for words in (("run", "bench.yaml"), ("channel", "tone", "bench.yaml", "listen")):
            refused = await site.start(*words)
            _, err = await refused.communicate()
            assert refused.returncode in (1, 3)
            assert f"{command} (process {keying.pid}) holds the ports" in err.decode()
        assert site.gate.ptt, "he goes on"
        killed_s = seconds()
        keying.kill()
        await site.gate.wait_ptt(False, 5)
        assert seconds() - killed_s < 0.5
        await keying.communicate()


@story
async def nobody_is_talked_over_and_no_limit_passed(folder: Path) -> None:
    async with post(folder, time_out_s=5) as site:
        status, _, err = await site.channel("key", "bench.yaml", "gate", "--seconds", "9")
        assert status == 2 and "time_out_s" in err
        site.gate.stuck_squelch(True)
        status, _, err = await site.channel("key", "bench.yaml", "gate", "--seconds", "1")
        assert status == 1 and "somebody has been heard" in err
        assert not [e for e in site.gate.edges if e.line == "ptt" and e.on]


@story
async def a_channel_without_a_licence_is_not_keyed(folder: Path) -> None:
    """Nor is it expected to send when another one is calibrated against it."""
    async with post(folder, listens_only=True) as site:
        status, _, err = await site.channel("tone", "bench.yaml", "listen")
        assert status == 1 and "licence" in err
        calibrating = await site.start("channel", "calibrate", "bench.yaml", "gate", "--json")
        assert calibrating.stderr is not None
        while b"key a handheld" not in await calibrating.stderr.readline():
            assert calibrating.returncode is None
        await site.guard.key_and_send("*12034#1", voice_s=1.0)
        out, err_bytes = await calibrating.communicate()
        assert calibrating.returncode == 0, err_bytes
        found = json.loads(out)
        # The carrier is let through on its third frame; the line moves at once.
        assert 60 <= found["values"]["tx_delay_ms"] <= 1000
        assert any("his voice comes in at" in note for note in found["notes"])
        assert not [e for e in site.listen.edges if e.line == "ptt" and e.on]


# ---- accept ----


@story
async def a_transmitter_that_stays_on_is_not_accepted(folder: Path) -> None:
    """A device server that keeps its lines when the client dies: the gravest fault there is."""
    # What lies below the voice is tried on the way: its receiver gives the detector's sound.
    below = {"audio": {"kind": "discriminator"}, "signalling": {"ctcss": [88.5], "dcs": ["023N"]}}
    async with post(folder, drops_lines=False, **below) as site:
        status, out, _ = await site.channel(
            "accept", "bench.yaml", "gate", "--unattended", "--out", "protocol.md"
        )
        assert status == 1
        lines = [line for line in out.splitlines() if "keyer is killed" in line]
        assert lines and lines[0].startswith("fail")
        for spec, value in (("ctcss:88.5:1.5s", "88.5"), ("dcs:023N:1.5s", "023N")):
            (line,) = [line for line in out.splitlines() if f"sent {spec}" in line]
            assert line.startswith("pass") and f"heard {spec[:3]}" in line, line
            assert value in line.partition("heard")[2]
        protocol = (site.folder / "protocol.md").read_text("utf-8")
        assert "NOT accepted" in protocol and "FAIL" in protocol


def test_a_line_of_the_protocol_names_the_call_it_is_about_and_its_table(
    tmp_path: Path,
) -> None:
    found: list[Heard] = []
    for spec in ("zvei1:12345", "ccir:34567", "dtmf:*1#"):
        (tmp_path / "x.wav").write_bytes(wav_bytes(encode(spec)))
        found += decode(tmp_path / "x.wav")
    assert heard_of("ccir:34567", "selcall", found) == "ccir:34567"
    assert heard_of("eea:45678", "selcall", found) == "zvei1:12345 ccir:34567"
    assert heard_of("dtmf:*1#", "dtmf", found) == "* 1 #"
    assert heard_of("mdc1200:ptt:1234", "mdc1200", found) == "nothing"


@story
async def a_dead_transmitter_is_not_accepted(folder: Path) -> None:
    async with post(folder) as site:
        site.gate.ignore_ptt(True)
        status, out, _ = await site.channel("accept", "bench.yaml", "gate", "--unattended")
        assert status == 1
        verdicts = {line[12:30]: line.split()[0] for line in out.splitlines()}
        assert verdicts["a tone is radiated"] == "fail"
        assert verdicts["PTT moves on comma"] == "pass"


@story
async def without_a_second_radio_the_technician_is_asked(folder: Path) -> None:
    async with post(folder, monitor=None) as site:
        process = await site.start("channel", "accept", "bench.yaml", "gate")
        assert process.stdout is not None and process.stdin is not None
        said: list[str] = []
        while line := (await process.stdout.readline()).decode():
            said.append(line)
            if line.endswith("[y/n]\n"):
                process.stdin.write(b"n\n" if "pull the device" in line else b"y\n")
            elif line.startswith("key a handheld"):
                await site.guard.key_and_send("*12034#1", voice_s=0.5)
        assert await process.wait() == 0, "".join(said)
        assert any("heard" in s or "dtmf 1" in s for s in said if "handheld sends" in s)
        assert any(s.startswith("not tested") and "cable" in s for s in said)


# ---- a cut cable ----


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("drops_lines", "pulled", "stays"),
    [(True, True, False), (False, True, True), (True, False, False)],
)
async def test_what_becomes_of_the_key_when_the_cable_is_cut(
    tmp_path: Path, drops_lines: bool, pulled: bool, stays: bool
) -> None:
    async with post(tmp_path, drops_lines=drops_lines) as site:
        async with asyncio.TaskGroup() as group:
            seen = group.create_task(asyncio.to_thread(cable_of, site.config))
            await site.gate.wait_ptt(True, 30)
            if pulled:
                site.gate.stop_listening()
                site.gate.drop_connection()
        cut = seen.result()
        assert cut.cut is pulled
        assert (cut.lost_after_s is not None) is pulled
        assert cut.stood_s is not None
        assert (cut.stood_s > 2.0) is stays
        assert site.gate.ptt is stays, "as the witness says"


def cable_of(config: Path) -> CutCable:
    """Serve gate and listen as the commands do, while somebody pulls gate's cable."""
    tree = yaml.safe_load(config.read_text("utf-8"))["channels"]
    gate, listen = (
        BenchRadio(name, RadioChannel.model_validate_json(json.dumps(tree[name])))
        for name in ("gate", "listen")
    )
    bench = Bench([gate, listen])
    try:
        bench.ready()
        return cut_cable(bench, gate, listen, send_s=2.5, watch_s=2.5)
    finally:
        bench.close()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", WIRE.stories)
def test_at_the_bench(name: str, outcomes: Outcomes) -> None:
    error = outcomes[name]
    if error is not None:
        raise error


def test_a_dead_technician_keys_nothing(tmp_path: Path) -> None:
    # Alone: what has to be down within half a second is not measured beside others.
    asyncio.run(a_dead_technician_keys_nothing(tmp_path))


# ---- the pure parts ----


@pytest.mark.parametrize("cut_ms", [0, 60, 240])
def test_a_sweep_tells_how_much_of_it_was_lost(cut_ms: int) -> None:
    frames = frames_of(sweep()[8 * cut_ms :])
    moments = [sweep_moment_ms(frame) for frame in frames]
    heard = [m for m in moments if m is not None]
    assert len(heard) == len(frames)
    assert heard[0] == pytest.approx(cut_ms + 10, abs=6)
    assert heard[-1] == pytest.approx(990, abs=6)


def test_hiss_is_neither_a_sweep_nor_a_tone() -> None:
    chance = np.random.default_rng(3)
    frames = (3000 * chance.standard_normal((500, FRAME_SAMPLES))).astype(np.int16)
    assert sum(sweep_moment_ms(frame) is not None for frame in frames) < 5
    assert not any(hears_tone(frame, 1000.0) for frame in frames)
    assert all(hears_tone(frame, 1000.0) for frame in frames_of(tone(1000.0, 200.0))[1:-1])


def test_a_sight_survives_its_wire() -> None:
    frame = np.arange(FRAME_SAMPLES, dtype=np.int16)
    sight = Sight(12.5, frame, True, {"cts": True}, "idle", None, LinkStatistics(received=3))
    back = decode_sight(encode_sight(sight))
    assert back.frame is not None and np.array_equal(back.frame, frame)
    assert (back.squelch, back.terms, back.link) == (True, {"cts": True}, sight.link)


@given(st.binary(max_size=200) | st.recursive(st.none() | st.integers() | st.text(), lambda s: (
    st.lists(s) | st.dictionaries(st.sampled_from(["at_s", "frame", "link", "refused"]), s)
)).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_what_is_no_sight_is_refused(packet: bytes) -> None:
    with pytest.raises((WireError, LinkError)):
        decode_sight(packet)


VITAL = Check("a", "pass", "", vital=True)


@pytest.mark.parametrize(
    ("other", "verdict"),
    [
        (Check("b", "pass", ""), True),
        (Check("b", "not tested", ""), True),
        (Check("b", "fail", ""), False),
        (Check("b", "not tested", "", vital=True), False),
    ],
)
def test_what_is_accepted(other: Check, verdict: bool) -> None:
    assert accepted([VITAL, other]) is verdict


def channel_on(control: str, audio: str) -> RadioChannel:
    return RadioChannel.model_validate(
        {"name": "一号|信道", "control": {"url": control}, "audio": {"url": audio}}
    )


def test_names_from_outside_break_no_table() -> None:
    channels = {"gate": channel_on("/dev/ttyUSB7", "sound:default")}
    site = Site(Path("x.yaml"), "bench", "0" * 12, Path("state"), channels)
    text = protocol_of(site, "gate", [Check("a|b", "fail", "x\n| y |")], "2026-11-22")
    assert "| 1 | a/b | FAIL · 不合格 | x / y / |" in text
    assert "NOT accepted" in text


def test_ports_go_by_their_lasting_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = tmp_path / "ttyUSB0"
    device.touch()
    by_id = tmp_path / "by-id"
    by_id.mkdir()
    (by_id / "usb-FTDI_A5").symlink_to(device)
    assert by_id_names(by_id) == {str(by_id / "usb-FTDI_A5"): str(by_id / "usb-FTDI_A5")} or (
        by_id_names(by_id) == {str(device): str(by_id / "usb-FTDI_A5")}
    )
    monkeypatch.setattr(ports.list_ports, "comports", list)
    found = find_ports({"gate": channel_on("/dev/ttyUSB7", "sound:No Such Card")})
    assert found.serial == ()
    assert found.missing["gate"][0] == "/dev/ttyUSB7"
    assert "No Such Card" in found.missing["gate"][1]
    assert math.isfinite(len(json.dumps(found.as_json())))
