"""One frequency: who hears whom, what collides, what is written down; frame by frame."""

import asyncio
import json
import wave
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from simulators import ether as ether_module
from simulators.ether import SILENCE, Ether, Over
from simulators.handheld import AniPosition, Handheld
from simulators.tones import FRAME_S, Samples, dtmf, silence, voice
from tests.simulation.air_stories import Listener

T = TypeVar("T")


async def pass_time(ether: Ether, seconds: float, start_s: float = 0.0) -> None:
    """Carries frames without waiting for the clock, letting tasks run between them."""
    for number in range(round(seconds / FRAME_S)):
        ether.tick(start_s + number * FRAME_S)
        await asyncio.sleep(0)


async def while_time_passes(ether: Ether, work: Awaitable[T]) -> T:
    """Returns what the work returns, carrying frames for it (one minute of them at most)."""

    async def done() -> T:
        return await work

    async with asyncio.TaskGroup() as group:
        task = group.create_task(done())
        for number in range(3000):
            await asyncio.sleep(0)
            if task.done():
                break
            ether.tick(number * FRAME_S)
        assert task.done(), "the work did not end within a minute of the ether's time"
    await pass_time(ether, 0.3)
    return task.result()


def log_lines(path: Path, what: str) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line["what"] == what]


@pytest.mark.asyncio
async def test_a_guard_is_heard_by_the_others_and_not_by_himself() -> None:
    ether = Ether("ch1", seed=1)
    speaker, listener = Handheld(ether, "034"), Handheld(ether, "035")
    over = await while_time_passes(ether, speaker.key_and_send("*12034#1", voice_s=1.0))
    heard = await listener.next_heard(0)
    assert heard.digits == over.digits == "*12034#1"
    assert heard.attention is None
    assert heard.answer is None
    assert heard.rms_dbfs == pytest.approx(over.rms_dbfs, abs=1.0)
    assert not speaker.heard
    assert list(listener.heard) == [heard]


@pytest.mark.parametrize(
    ("position", "expected"),
    [("start", "10034*1#"), ("end", "*1#10034"), ("both", "10034*1#10034")],
)
@pytest.mark.asyncio
async def test_the_radio_sends_its_own_number_where_it_was_set_to(
    position: AniPosition, expected: str
) -> None:
    ether = Ether("ch1", seed=1)
    speaker = Handheld(ether, "034", ani="10034", ani_position=position)
    over = await while_time_passes(ether, speaker.key_and_send("*1#", tone_ms=50, gap_ms=50))
    assert over.digits == expected


@pytest.mark.asyncio
async def test_squelch_opens_after_some_50_ms_and_closes_100_ms_after_the_carrier() -> None:
    ether = Ether("ch1", seed=1)
    speaker, listener = Listener(ether, "a"), Listener(ether, "b")
    speaker.to_say = [SILENCE] * 10
    await pass_time(ether, 0.5)
    assert listener.squelch == [False] * 2 + [True] * 8 + [True] * 4 + [False] * 11
    open_levels = [np.abs(frame).mean() for frame in listener.frames]
    assert max(open_levels[:2] + open_levels[14:]) < 20, "a closed squelch is almost silent"
    assert min(open_levels[10:14]) > 1000, "the squelch tail is a burst of noise"


@pytest.mark.asyncio
async def test_a_flicker_of_carrier_does_not_open_the_squelch() -> None:
    ether = Ether("ch1", seed=1)
    speaker, listener = Listener(ether, "a"), Listener(ether, "b")
    speaker.to_say = [SILENCE] * 2
    await pass_time(ether, 0.3)
    assert not any(listener.squelch)


@pytest.mark.asyncio
async def test_who_transmits_hears_nothing() -> None:
    ether = Ether("ch1", seed=1)
    a, b = Listener(ether, "a"), Listener(ether, "b")
    tone = dtmf("5", tone_ms=20, gap_ms=0)
    a.to_say, b.to_say = [tone] * 50, [SILENCE] * 20
    await pass_time(ether, 1.2)
    assert not any(b.squelch[:22])
    assert all(b.squelch[22:50]), "it hears the other once it has let go of its own key"
    assert not any(a.squelch[:50])
    assert max(np.abs(frame).max() for frame in b.frames[:20]) < 100


@pytest.mark.asyncio
async def test_two_at_once_spoil_each_other(tmp_path: Path) -> None:
    log = tmp_path / "ether.jsonl"
    ether = Ether("ch1", seed=1, log=log)
    a, b, listener = Listener(ether, "a"), Listener(ether, "b"), Handheld(ether, "c")
    a.to_say = frames_of(dtmf("123456789"))
    b.to_say = frames_of(dtmf("987654321"))
    await pass_time(ether, 2.0)
    ether.close(2.0)
    (heard,) = listener.heard
    assert set(heard.digits) <= {"5"}, "only the digit that both sent at the same moment"
    assert [(over.who, over.collided) for over in ether.overs] == [("a", True), ("b", True)]
    (line,) = log_lines(log, "collision")
    assert line["stations"] == ["a", "b"]


@pytest.mark.asyncio
async def test_one_twice_as_strong_is_heard_alone() -> None:
    ether = Ether("ch1", seed=1)
    near, far, listener = Listener(ether, "near", 2.0), Listener(ether, "far"), Handheld(ether, "c")
    near.to_say = frames_of(joined(silence(200), dtmf("123456789")))
    far.to_say = frames_of(joined(silence(200), dtmf("987654321")))
    await pass_time(ether, 2.5)
    (heard,) = listener.heard
    assert heard.digits == "123456789"


@pytest.mark.asyncio
async def test_everything_is_written_down(tmp_path: Path) -> None:
    log, air = tmp_path / "ether.jsonl", tmp_path / "air"
    ether = Ether("北街 1", seed=1, log=log, wav_dir=air, utc_us=lambda: 1_795_000_000_000_000)
    base, guard = Listener(ether, "base"), Handheld(ether, "guard 034")
    over = await while_time_passes(ether, guard.key_and_send("*1#"))
    ether.close(60.0)
    assert over.wav is not None
    with wave.open(str(over.wav)) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (
            8000,
            1,
            2,
        )
        written = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
    assert np.array_equal(written, over.samples)
    assert over.wav.parent == air
    (line,) = log_lines(log, "over")
    assert line["channel"] == "北街 1"
    assert line["who"] == "guard 034"
    assert line["at_us"] == line["start_us"] == 1_795_000_000_000_000
    assert line["digits"] == "*1#"
    assert line["duration_s"] == over.duration_s == pytest.approx(0.92, abs=0.02)
    assert line["rms_dbfs"] == pytest.approx(over.rms_dbfs, abs=0.1)
    assert "".join(str(tone["value"]) for tone in log_lines(log, "tones")) == "*1#"
    assert [entry["who"] for entry in log_lines(log, "key_down")] == ["guard 034"]
    assert [entry["open"] for entry in log_lines(log, "squelch")] == [True, False]
    assert base.squelch.count(True) == log_frames(over) + 2


def log_frames(over: Over) -> int:
    return len(over.samples) // 160


def frames_of(audio: Samples) -> list[Samples]:
    padded = joined(audio, np.zeros(-len(audio) % 160, np.int16))
    return list(padded.reshape(-1, 160))


def joined(*parts: Samples) -> Samples:
    return np.concatenate(parts)


@pytest.mark.asyncio
async def test_the_same_seed_makes_the_same_noise() -> None:
    heard: list[list[Samples]] = []
    for seed in (1, 1, 2):
        ether = Ether("ch1", seed=seed)
        probe = Listener(ether, "a")
        await pass_time(ether, 1.0)
        heard.append(probe.frames)
    assert np.array_equal(heard[0], heard[1])
    assert not np.array_equal(heard[0], heard[2])


def test_two_stations_of_one_name_are_refused() -> None:
    ether = Ether("ch1", seed=1)
    Handheld(ether, "034")
    with pytest.raises(ValueError, match="two stations called '034' on ch1"):
        Handheld(ether, "034")


@pytest.mark.asyncio
async def test_a_polite_guard_waits_until_the_channel_is_clear() -> None:
    ether = Ether("ch1", seed=1)
    talker, polite = Listener(ether, "a"), Handheld(ether, "b")
    await polite.wait_clear(0)
    talker.to_say = [SILENCE] * 1000
    await pass_time(ether, 0.2)
    with pytest.raises(TimeoutError):
        await polite.wait_clear(0.01)
    talker.to_say = talker.to_say[:20]
    await while_time_passes(ether, polite.wait_clear(1.0))
    assert ether.overs[0].who == "a"


@pytest.mark.asyncio
async def test_a_pause_shorter_than_the_settling_time_is_not_clear() -> None:
    async with Ether("ch1", seed=1) as ether:
        talker, polite = Listener(ether, "a"), Handheld(ether, "b")
        talker.to_say = [SILENCE] * 10
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            await ether_is(ether, busy=True)
            waiting = group.create_task(polite.wait_clear(3, settle_s=0.3))
            await ether_is(ether, busy=False)
            talker.to_say = [SILENCE] * 10
            await waiting
        assert len(ether.overs) == 2


async def ether_is(ether: Ether, *, busy: bool) -> None:
    while ether.is_on_air("a") != busy:  # noqa: ASYNC110 a limited wait for the outside
        await asyncio.sleep(FRAME_S / 2)


@pytest.mark.asyncio
async def test_a_guard_who_is_interrupted_lets_go_of_the_key() -> None:
    ether = Ether("ch1", seed=1)
    guard = Handheld(ether, "034")
    async with asyncio.TaskGroup() as group:
        task = group.create_task(guard.key_and_send(voice_s=30))
        await asyncio.sleep(0)
        await pass_time(ether, 0.5)
        task.cancel()
    await pass_time(ether, 0.1)
    (over,) = ether.overs
    assert over.duration_s == pytest.approx(0.5, abs=0.021)
    again = await while_time_passes(ether, guard.key_and_send("5"))
    assert again.digits == "5"


@pytest.mark.asyncio
async def test_a_radio_that_is_switched_off_neither_hears_nor_speaks() -> None:
    ether = Ether("ch1", seed=1)
    speaker, listener = Handheld(ether, "a"), Handheld(ether, "b")
    listener.switch_off()
    await while_time_passes(ether, speaker.key_and_send("1"))
    assert not listener.heard
    listener.switch_on()
    await while_time_passes(ether, speaker.key_and_send("2"))
    assert [heard.digits for heard in listener.heard] == ["2"]


@pytest.mark.asyncio
async def test_a_long_day_fits_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ether_module, "_KEPT_SAMPLES_S", 3.0)
    ether = Ether("ch1", seed=1)
    guard = Handheld(ether, "034")
    for digit in "12345":
        await while_time_passes(ether, guard.transmit(joined(dtmf(digit), voice(1.0, 1))))
    held = [len(over.samples) for over in ether.overs]
    assert held[:3] == [0, 0, 0]
    assert all(held[3:])
    assert [over.digits for over in ether.overs] == list("12345")
    assert all(over.duration_s > 1 for over in ether.overs)


@pytest.mark.asyncio
async def test_the_record_is_whole_when_the_ether_ends_in_mid_over(tmp_path: Path) -> None:
    log = tmp_path / "ether.jsonl"
    async with Ether("ch1", seed=1, log=log) as ether:
        talker = Listener(ether, "a")
        talker.to_say = [SILENCE] * 1000
        async with asyncio.timeout(5):
            await ether_is(ether, busy=True)
    assert [over.who for over in ether.overs] == ["a"]
    assert [line["what"] for line in log_lines(log, "key_up")] == ["key_up"]


@pytest.mark.asyncio
async def test_what_goes_wrong_inside_comes_out_as_it_was() -> None:
    with pytest.raises(KeyError):
        async with Ether("ch1", seed=1):
            raise KeyError("34")


@pytest.mark.asyncio
async def test_a_real_second_carries_fifty_frames() -> None:
    loop = asyncio.get_running_loop()
    async with Ether("ch1", seed=1) as ether:
        probe = Listener(ether, "a")
        started_s = loop.time()
        async with asyncio.timeout(5):
            while len(probe.frames) < 50:  # noqa: ASYNC110 a limited wait for the outside
                await asyncio.sleep(FRAME_S)
        assert loop.time() - started_s == pytest.approx(1.0, abs=0.3)
