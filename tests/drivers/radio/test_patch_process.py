"""Two channels and a dispatcher on real wires, patched by a running radio process."""

import asyncio
import json
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from imageio_ffmpeg import get_ffmpeg_exe

from gateway.core.answers.events import OverHeard
from gateway.core.effects import SetTalkGroup
from gateway.core.events import PathChanged
from gateway.core.talk.events import DispatcherSpoke, RecordingKept, SoundRefused, TalkCut
from simulators.ether import Ether
from simulators.faults import Faults
from simulators.radio import BaseRadio, Handheld
from simulators.rtp import RtpEndpoint
from simulators.tones import FRAME_S, dtmf, voice
from tests.drivers.radio.harness import (
    Bench,
    FakeEngine,
    channel_tree,
    seconds,
    wait_until,
    write_settings,
)
from tests.ports import free_port

pytestmark = pytest.mark.asyncio

Sound = npt.NDArray[np.int16]


@dataclass
class Site:
    """Two frequencies with a base radio and a guard each, and the radio process."""

    ethers: dict[str, Ether]
    guards: dict[str, Handheld]
    engine: FakeEngine
    dispatcher: RtpEndpoint
    ports: dict[str, int]

    async def over_of_base(self, name: str) -> Sound:
        """What the base radio of a channel has radiated, once its over has ended."""

        def found() -> list[Sound]:
            return [o.samples for o in self.ethers[name].overs if o.who == f"base {name}"]

        await wait_until(found, 15, f"an over on {name}")
        return found()[-1]


@asynccontextmanager
async def site(folder: Path, faults: Faults | None = None) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        channels: dict[str, object] = {}
        ethers, guards, base = {}, {}, None
        ports: dict[str, int] = {}
        for name in "ab":
            port = ports[name] = free_port(socket.SOCK_DGRAM)
            ethers[name] = await stack.enter_async_context(Ether(name, seed=5))
            base = await stack.enter_async_context(
                BaseRadio(
                    ethers[name], gateway_rtp=("127.0.0.1", port), who=f"base {name}",
                    faults=faults,
                )
            )  # fmt: skip
            guards[name] = Handheld(ethers[name], f"guard {name}")
            channels[name] = channel_tree(base, port, squelch_tail_ms=100)
        assert base is not None
        port = free_port(socket.SOCK_DGRAM)
        dispatcher = RtpEndpoint(
            "pcmu", port=0, peer=("127.0.0.1", port), faults=Faults(seed=1)
        )
        dispatcher.open()
        stack.callback(dispatcher.close)
        url = f"rtp://127.0.0.1:{dispatcher.port}?local_port={port}&codec=pcmu"
        path = write_settings(folder / "resolved.json", folder, channels)
        groups = {"east": {"members": ["channel:a", "channel:b"], "dispatcher": url}}
        tree = json.loads(path.read_text()) | {"talk_groups": groups}
        path.write_text(json.dumps(tree))
        bench = Bench(ethers["b"], base, folder, path)
        await bench.start_process()
        stack.push_async_callback(bench.stop_process)
        engine = await stack.enter_async_context(FakeEngine(bench.socket).connected())
        for name in "ab":
            await engine.event(PathChanged, path=f"channel:{name}", up=True)
        yield Site(ethers, guards, engine, dispatcher, ports)


def likeness(sound: Sound, sent: Sound) -> tuple[float, int]:
    """How much of what was sent is in the sound, -1..1, and where it begins."""
    wide, wanted = sound.astype(float), sent.astype(float)
    size = 1 << (len(wide) + len(wanted)).bit_length()
    product = np.fft.irfft(np.fft.rfft(wide, size) * np.conj(np.fft.rfft(wanted, size)))
    at = int(np.argmax(product[: len(wide)]))
    part = wide[at : at + len(wanted)]
    return float(product[at] / (np.linalg.norm(part) * np.linalg.norm(wanted) + 1)), at


async def test_a_guard_is_heard_on_the_other_channel_whole_and_his_digits_are_not(
    tmp_path: Path,
) -> None:
    words = voice(1.5, 3)
    async with site(tmp_path) as made:
        sound = np.concatenate([words, dtmf("*120311#"), words])
        await made.guards["a"].transmit(sound)
        radiated = await made.over_of_base("b")
        begin, _ = likeness(radiated, words[1600:4800])
        end, _ = likeness(radiated[len(radiated) // 2 :], words[-3200:])
        assert begin > 0.7
        assert end > 0.7
        assert made.ethers["b"].overs[0].digits == ""
        await made.engine.event(OverHeard, channel="a")
        assert made.ethers["a"].overs[0].digits == "*120311#"
        assert [o.who for o in made.ethers["a"].overs] == ["guard a"], "nothing comes back"
        sent = made.engine.do(SetTalkGroup(group="east", on=False))  # type: ignore[arg-type]
        await wait_until(lambda: sent in made.engine.taken, 10, "taken")
        await made.guards["a"].transmit(voice(0.6, 3))
        await wait_until(lambda: len(made.engine.events(OverHeard, channel="a")) == 2, 10, "it")
        assert len(made.ethers["b"].overs) == 1, "switched off"
        assert made.engine.events(TalkCut) == [], "all that was carried was carried whole"
        await figures_tell_what_passed(made)


async def figures_tell_what_passed(made: Site) -> None:
    """The radio process's figures name the guard's two overs, and the one carried on."""

    def of_a_whole_story() -> bool:
        return any(f.by_channel["a"].overs == 2 for f in made.engine.figures)

    await wait_until(of_a_whole_story, 12, "figures")
    latest = made.engine.figures[-1]
    heard, sent = latest.by_channel["a"], latest.by_channel["b"]
    told = made.engine.events(OverHeard, channel="a")
    assert heard.heard_s == sum(over.keyed_ms for over in told) / 1000
    assert (heard.transmissions, sent.transmissions, sent.overs) == (0, 1, 0)
    assert 3.0 < sent.keyed_s < 10.0
    assert sent.sound["sent"] > 50 * sent.keyed_s
    assert heard.sound["received"] > 50 * heard.heard_s - 25
    talk = latest.by_group["east"]
    assert (talk.overs["bridged"], talk.overs["cut"]) == (1, 0)
    assert talk.muted_s > 0.5, "his digits"
    assert latest.late_frames <= sum(f.frames for f in made.engine.figures)


async def test_whose_talk_was_cut_and_why_is_told(tmp_path: Path) -> None:
    async with site(tmp_path) as made, asyncio.TaskGroup() as group:
        speaking = group.create_task(made.guards["a"].transmit(voice(4.0, 3)))
        await wait_until(lambda: made.ethers["b"].is_on_air("base b"), 10, "carried")
        made.engine.do(SetTalkGroup(group="east", on=False))  # type: ignore[arg-type]
        cut = await made.engine.event(TalkCut, channel="b")
        assert (cut.group, cut.member, cut.reason) == ("east", "channel:a", "off")
        assert not speaking.done(), "he talks still"
        speaking.cancel()


async def test_it_is_carried_through_a_network_with_faults(tmp_path: Path) -> None:
    faults = Faults(seed=8, rtp_loss=0.02, rtp_jitter_ms=80)
    words = voice(2.0, 4)
    async with site(tmp_path, faults) as made:
        await made.guards["a"].transmit(words)
        radiated = await made.over_of_base("b")
        assert len(radiated) >= len(words)
        assert np.sqrt(np.mean(radiated.astype(float) ** 2)) > 0.5 * np.sqrt(
            np.mean(words.astype(float) ** 2)
        )


def recorded(folder: Path, name: str) -> Sound:
    """The recording of that name, large or made small already."""
    (file, *_) = sorted(folder.rglob(f"{name}.wav")) or sorted(folder.rglob(f"{name}.ogg"))
    plain = [
        get_ffmpeg_exe(),
        "-v",
        "error",
        "-i",
        str(file),
        "-f",
        "s16le",
        "-ar",
        "8000",
        "-",
    ]
    done = subprocess.run(plain, capture_output=True, check=True, timeout=20)
    return np.frombuffer(done.stdout, "<i2")


async def his_overs_were_recorded(made: Site, folder: Path, words: Sound) -> None:
    """What the dispatcher said is in files, told with who, where to and how long.

    A busy machine that sends his sound in pieces makes more than one over of it.
    """
    overs = made.engine.events(DispatcherSpoke)
    assert overs
    assert 1200 < sum(over.keyed_ms for over in overs) < 3000
    sound: list[Sound] = []
    for over in overs:
        assert (over.group, over.channels) == ("east", ("a", "b"))
        kept = await made.engine.event(RecordingKept, what=over.over)
        assert kept.path.rpartition(".")[0] == str(over.recording).rpartition(".")[0]
        assert (kept.channel, kept.duration_ms) == ("dispatcher:east", over.keyed_ms)
        sound.append(recorded(folder, over.over))
    assert max(likeness(part, words[3200:4800])[0] for part in sound) > 0.6


async def test_who_sends_to_our_ports_and_is_not_taken_is_told(tmp_path: Path) -> None:
    async with site(tmp_path) as made:
        port = made.dispatcher.peer[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.0.0.2", 0))
            for _ in range(7):
                stranger.sendto(b"let me in", ("127.0.0.1", port))
        told = await made.engine.event(SoundRefused)
        assert (told.path, told.kind) == ("dispatcher:east", "foreign")
        assert told.address == "127.0.0.2"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as garbage:
            garbage.sendto(b"let me in", ("127.0.0.1", made.ports["a"]))
        told = await made.engine.event(SoundRefused, path="channel:a")
        assert (told.kind, told.count) == ("malformed", 1)
        assert made.engine.events(DispatcherSpoke) == []


async def test_the_dispatcher_speaks_on_all_channels_and_hears_a_guard(tmp_path: Path) -> None:
    words = voice(1.5, 9)
    async with site(tmp_path) as made:
        heard: list[Sound] = []
        due_s = seconds()

        async def turn(frame: Sound) -> None:
            nonlocal due_s
            made.dispatcher.send(frame)
            heard.append(made.dispatcher.pull())
            # By the clock, as a sound card does: what one turn is late the next makes up for.
            due_s += FRAME_S
            await asyncio.sleep(max(0.0, due_s - seconds()))

        quiet = np.zeros(160, np.int16)
        for _ in range(25):
            await turn(quiet)
        for frame in words.reshape(-1, 160):
            await turn(frame)
        for _ in range(20):
            await turn(quiet)
        for name in "ab":
            radiated = await made.over_of_base(name)
            assert likeness(radiated, words[3200:6400])[0] > 0.6, name
        assert not np.concatenate(heard).any(), "he does not hear himself"

        def silent() -> bool:
            return not any(made.ethers[n].is_on_air(f"base {n}") for n in "ab")

        # On a busy machine his words are more than one over: who speaks into one is not heard.
        await wait_until(silent, 15, "the end of all his overs")
        async with asyncio.TaskGroup() as group:
            speaking = group.create_task(made.guards["a"].transmit(words))
            heard.clear()
            due_s = seconds()  # nothing was sent while the overs were waited for
            while not speaking.done():
                await turn(quiet)
        for _ in range(30):
            await turn(quiet)
        assert likeness(np.concatenate(heard), words[3200:6400])[0] > 0.6
        await his_overs_were_recorded(made, tmp_path, words)
