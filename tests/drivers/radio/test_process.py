"""The radio process on the real wire: what it says, what it hears, and how it lets go.

The stories play side by side, each with its own ether, base radio and radio process, because
speech takes its time; what must be down within half a second is measured alone.
"""

import asyncio
import itertools
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from drivers.radio.protocol import Configure
from gateway.core.answers.events import DigitsHeard, KeyPattern, OverHeard, SignalHeard
from gateway.core.calls.events import PageFailed, PageSpoken, PageStarted, PageWaited
from gateway.core.effects import AnswerOver, WithdrawPage
from gateway.core.events import PathChanged
from gateway.core.talk.events import RecordingKept
from simulators import mdc1200, selcall
from simulators.radio import BaseRadio, Handheld
from simulators.radio_models import RadioSet
from tests.drivers.radio.harness import (
    Bench,
    FakeEngine,
    bench,
    channel_tree,
    now_us,
    page,
    seconds,
    wait_until,
    warm,
    working_bench,
    write_settings,
)
from tests.drivers.radio.side_by_side import Outcomes, SideBySide
from tests.ports import free_port

WIRE = SideBySide(at_once=4)
story = WIRE.story


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Outcomes:
    return WIRE.play(request, tmp_path_factory)


# Some 2 s, and 1 s.
TASK = "请就近前往处置"
ANSWER = "收到回复"


def ptt_edges(site: Bench) -> list[bool]:
    return [edge.on for edge in site.radio.edges if edge.line == "ptt"]


def our_overs(site: Bench) -> list:
    return [over for over in site.ether.overs if over.kind == "base"]


@story
async def a_page_is_keyed_called_spoken_let_go_and_never_spoken_twice(
    tmp_path: Path,
) -> None:
    async with working_bench(tmp_path, knows="你好") as (site, engine):
        warmed = len(our_overs(site))
        await site.guard.wait_clear(timeout_s=2)
        await asyncio.sleep(0.4)  # the gap that a level 1 leaves after any transmission
        begun = seconds()
        engine.do(page("p1", level=1), outbox_id=7)
        await site.radio.wait_ptt(True, timeout_s=1)
        print(f"effect to PTT: {1000 * (seconds() - begun):.1f} ms")
        engine.do(page("p1", level=1), outbox_id=7, again=True)
        spoken = await engine.event(PageSpoken, page="p1")
        await wait_until(lambda: len(site.guard.heard) > warmed, 2, "the guard heard it")
        heard = site.guard.heard[-1]
        assert not site.radio.ptt
        assert heard.attention == 1
        assert heard.rms_dbfs > -25
        assert spoken.speech == "spoken"
        assert [t.settles for t in engine.told if t.event == spoken] == [(7,)]
        (over,) = our_overs(site)[warmed:]
        lead_s = over.tones[0].at_s
        print(f"first tone {1000 * lead_s:.0f} ms after key-down, over {over.duration_s:.2f} s")
        assert 0.08 < lead_s < 0.3
        await engine.event(RecordingKept, what="p1")
        kept = engine.events(RecordingKept, what="p1")[0]
        assert spoken.recording == kept.path
        assert abs(kept.duration_ms - 1000 * over.duration_s) < 300
        assert list((tmp_path / "recordings").rglob(Path(kept.path).stem + ".*"))

        # It comes again after its end: its end is told again, and nothing is said.
        engine.do(page("p1", level=1), outbox_id=8, again=True)
        await wait_until(
            lambda: [t for t in engine.told if 8 in t.settles], 2, "the end of page 1 again"
        )
        # One that this process does not know may have been spoken: it says 重复 first.
        engine.do(page("p2", attention=False))
        await engine.event(PageSpoken, page="p2")
        engine.do(page("p3", attention=False), again=True)
        await engine.event(PageSpoken, page="p3")
        assert len(our_overs(site)) == warmed + 3, "a page was spoken twice"
        once_s, repeated_s = (o.duration_s for o in our_overs(site)[warmed + 1 :])
        print(f"once {once_s:.2f} s, with the word for repeat {repeated_s:.2f} s")
        assert repeated_s > once_s + 0.2
        forms = (tmp_path / "recordings" / kept.path).with_suffix(".*")
        await wait_until(
            lambda: [f.suffix for f in forms.parent.glob(forms.name)] == [".ogg"], 20,
            "the engine holds the row of the OGG file, and that file alone is left",
        )  # fmt: skip


@story
async def a_withdrawn_page_is_not_spoken_and_a_sentence_under_way_is_finished(
    tmp_path: Path,
) -> None:
    async with working_bench(tmp_path, knows=TASK) as (site, engine):
        engine.do(page("first", text=(TASK, ANSWER, TASK), attention=False))
        engine.do(page("second"))
        await engine.event(PageStarted, page="first")
        outbox_id = engine.do(WithdrawPage(page="second", channel="gate", reason="已签收"))
        gone = await engine.event(PageFailed, page="second")
        assert (gone.state, gone.reason) == ("withdrawn", "已签收")
        await wait_until(lambda: outbox_id in engine.taken, 1, "withdrawal taken")
        await asyncio.sleep(0.5)
        engine.do(WithdrawPage(page="first", channel="gate", reason="已签收"))
        cut = await engine.event(PageFailed, page="first")
        assert cut.state == "withdrawn"
        whole_s = our_overs(site)[-1].duration_s
        print(f"one sentence of three: {whole_s:.1f} s")
        assert 1 < whole_s < 3.5, "one sentence to its end, and no more"
        assert not engine.events(PageStarted, page="second")


@story
async def it_waits_for_a_clear_channel_and_level_1_keys_over_after_its_limit(
    tmp_path: Path,
) -> None:
    async with working_bench(tmp_path, busy_wait_s=[1, 1, 1]) as (site, engine):
        async with asyncio.TaskGroup() as group:
            talk = group.create_task(site.guard.key_and_send(voice_s=3.5))
            await wait_until(lambda: site.radio.squelch_open, 2, "squelch open")
            await asyncio.sleep(0.1)
            engine.do(page("low", level=3))
            waited = await engine.event(PageWaited, page="low")
            assert waited.reason == "busy"
            failed = await engine.event(PageFailed, page="low")
            assert "busy" in failed.reason
            assert not ptt_edges(site)
            begun = seconds()
            engine.do(page("high", level=1, attention=False))
            await site.radio.wait_ptt(True, timeout_s=4)
            assert not talk.done()
            assert 0.8 < seconds() - begun < 1.6
            site.guard.release()
            talk.cancel()
        await engine.event(PageSpoken, page="high")


@story
async def a_guard_keys_his_answer_and_hears_that_it_was_taken(tmp_path: Path) -> None:
    async with working_bench(tmp_path) as (site, engine):
        guard = Handheld(site.ether, "zhang", ani="10034")
        keyed = await guard.key_and_send("*121#")
        digits = await engine.event(DigitsHeard)
        assert (digits.digits, digits.ani, digits.channel) == ("121", "10034", "gate")
        answer = AnswerOver(
            channel="gate", over=digits.over, accepted=True, not_after_us=now_us() + 3_000_000
        )
        outbox_id = engine.do(answer)
        heard = await guard.next_heard(timeout_s=3)
        assert heard.answer == "accepted"
        assert outbox_id in engine.taken
        over = await engine.event(OverHeard, over=digits.over)
        assert (over.ani, over.stray) == ("10034", "")
        assert abs(over.keyed_ms - 1000 * keyed.duration_s) < 250
        await engine.event(RecordingKept, what=digits.over)
        assert engine.events(RecordingKept, what=digits.over)[0].path == over.recording
        # A late answer would be taken for someone else's: it is taken, and not sounded.
        late = engine.do(
            AnswerOver(channel="gate", over="x", accepted=False, not_after_us=now_us() - 1)
        )
        await wait_until(lambda: late in engine.taken, 1, "the late answer taken")
        await asyncio.sleep(0.3)
        assert ptt_edges(site) == [True, False]
        # What we sent ourselves was never taken for somebody's over.
        assert len(engine.events(OverHeard)) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("signal_name", ["SIGKILL", "SIGSTOP"])
async def test_ptt_is_down_half_a_second_after_the_radio_process_dies_or_hangs(
    tmp_path: Path, signal_name: str
) -> None:
    async with working_bench(tmp_path) as (site, engine):
        engine.do(page("p1", text=(TASK, ANSWER)))
        await engine.event(PageStarted)
        await asyncio.sleep(0.4)
        assert site.radio.ptt
        await down_after(site, site.pid, signal_name, "radio process")


@pytest.mark.asyncio
async def test_ptt_is_down_half_a_second_after_a_keyer_dies_or_hangs(tmp_path: Path) -> None:
    async with working_bench(tmp_path) as (site, engine):
        for number, signal_name in enumerate(("SIGKILL", "SIGSTOP")):
            name = f"p{number}"
            engine.do(page(name, level=1, text=(TASK, ANSWER)))
            await site.radio.wait_ptt(True, timeout_s=4)
            await asyncio.sleep(0.4)
            await down_after(site, site.keyer_pid(), signal_name, "keyer")
            failed = await engine.event(PageFailed, page=name)
            assert "line lost" in failed.reason
        engine.do(page("p9", attention=False))
        await engine.event(PageSpoken, page="p9")


async def down_after(site: Bench, pid: int, signal_name: str, victim: str) -> None:
    begun = seconds()
    os.kill(pid, getattr(signal, signal_name))
    await site.radio.wait_ptt(False, timeout_s=2)
    down_s = seconds() - begun
    print(f"{signal_name} of {victim}: PTT down after {1000 * down_s:.0f} ms")
    assert down_s <= 0.5


@story
async def without_the_engine_the_sentence_ends_and_nothing_new_is_keyed(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path) as site:
        engine = FakeEngine(site.socket)
        async with engine.connected():
            await engine.event(PathChanged, up=True, timeout_s=30)
            await warm(engine, TASK)
            warmed = len(our_overs(site))
            engine.do(page("p1", text=(TASK, ANSWER), attention=False))
            engine.do(page("p2", attention=False))
            await site.radio.wait_ptt(True, timeout_s=2)
            await asyncio.sleep(0.6)
        await site.radio.wait_ptt(False, timeout_s=4)
        await asyncio.sleep(0.7)
        assert len(our_overs(site)) == warmed + 1, "something new was keyed"
        cut = our_overs(site)[-1]
        again = FakeEngine(site.socket)
        async with again.connected():
            # The page that was broken off is spoken whole, then the one that waited.
            await again.event(PageSpoken, page="p1")
            await again.event(PageStarted, page="p2")
            assert again.hello is not None
            assert again.hello.boot == engine.hello.boot
        whole = our_overs(site)[warmed + 1]
        print(f"cut after its sentence: {cut.duration_s:.2f} s, whole {whole.duration_s:.2f} s")
        assert 1 < cut.duration_s < whole.duration_s - 0.7


@story
async def events_are_sent_again_until_they_are_acknowledged(tmp_path: Path) -> None:
    async with bench(tmp_path) as site:
        deaf = FakeEngine(site.socket, acknowledges=False)
        async with deaf.connected():
            await deaf.event(PathChanged, up=True, timeout_s=30)
            deaf.do(page("p1", attention=False))
            await deaf.event(PageSpoken)
        again = FakeEngine(site.socket)
        async with again.connected():
            await again.event(PageSpoken)
            assert again.told[: len(deaf.told)] == deaf.told
        last = FakeEngine(site.socket)
        async with last.connected():
            await wait_until(lambda: last.hello, 2, "hello")
            assert last.hello.paths == {"gate": None}
            assert not last.events(PageSpoken)


@story
async def a_line_absent_at_start_or_cut_in_mid_speech_is_told_and_comes_back(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path, starts=False) as site:
        site.radio.stop_listening()
        await site.start_process()
        async with FakeEngine(site.socket).connected() as engine:
            absent = await engine.event(PathChanged, up=False, timeout_s=30)
            assert "port" in (absent.reason or "")
            await site.radio.listen_again()
            await engine.event(PathChanged, up=True)

            engine.do(page("p1", text=(TASK, ANSWER)))
            await site.radio.wait_ptt(True, timeout_s=2)
            await asyncio.sleep(0.8)
            site.radio.stop_listening()
            site.radio.drop_connection()
            failed = await engine.event(PageFailed, page="p1", timeout_s=1)
            assert failed.state == "failed"
            assert "line lost" in failed.reason
            await wait_until(lambda: len(engine.events(PathChanged, up=False)) == 2, 1, "down")
            engine.do(page("p2", level=1, attention=False))
            assert (await engine.event(PageWaited, page="p2")).reason == "path"
            await site.radio.listen_again()
            begun = seconds()
            await engine.event(PageStarted, page="p2")
            print(f"line back to page: {seconds() - begun:.2f} s")
            await engine.event(PageSpoken, page="p2")
            assert len(engine.events(PathChanged, up=True)) == 2


@story
async def speech_is_cut_between_sentences_under_the_time_out(tmp_path: Path) -> None:
    async with working_bench(tmp_path, knows=TASK, time_out_s=5) as (site, engine):
        warmed = len(our_overs(site))
        engine.do(page("p1", text=(TASK, TASK)))
        spoken = await engine.event(PageSpoken, page="p1", timeout_s=15)
        assert spoken.speech == "spoken"
        ours = our_overs(site)[warmed:]
        print("transmissions:", [round(o.duration_s, 2) for o in ours])
        assert len(ours) == 2
        assert max(o.duration_s for o in ours) < 5
        assert [o.attention for o in ours] == [3, None]
        assert len(engine.events(PageStarted, page="p1")) == 1


@story
async def an_over_open_when_the_process_starts_is_answered_by_nothing(tmp_path: Path) -> None:
    """The channel comes up in the middle of it: half an identity is no wrong answer."""
    async with bench(tmp_path, starts=False) as site:
        guard = Handheld(site.ether, "zhang", ani="10034")
        await site.start_process()
        async with asyncio.TaskGroup() as group, FakeEngine(site.socket).connected() as engine:

            async def talks() -> None:
                while not engine.events(PathChanged, up=True):
                    await guard.key_and_send("*1#" * 3)

            talk = group.create_task(talks())
            await engine.event(PathChanged, up=True)
            early = engine.told[: next(
                n for n, t in enumerate(engine.told) if isinstance(t.event, PathChanged)
            )]  # fmt: skip
            assert not [t for t in early if isinstance(t.event, DigitsHeard)]
            await talk
            await engine.event(OverHeard)
            # As a guard would: what his last over is answered by is not talked over.
            await guard.wait_clear(10, settle_s=0.5)
            await guard.key_and_send("*2#")
            await engine.event(DigitsHeard, digits="2", ani="10034")
            told = engine.events(DigitsHeard)
            assert {d.ani for d in told} == {"10034"}, told


@story
async def short_presses_are_read_on_the_wire(tmp_path: Path) -> None:
    async with working_bench(tmp_path, kerchunk_ms=450) as (site, engine):
        for _ in range(2):
            await site.guard.key_and_send(lead_ms=240)
            await asyncio.sleep(0.25)
        heard = await engine.event(OverHeard)
        # What the radio's line really did: the ether may be late on a busy machine.
        at_s = [edge.mono_s for edge in site.radio.edges if edge.line == "cts"][-4:]
        spans_ms = [1000 * (b - a) for a, b in itertools.pairwise(at_s)]
        print("presses:", heard.presses_ms, "line:", [round(ms) for ms in spans_ms])
        assert heard.presses_ms == pytest.approx(spans_ms, abs=60)
        assert heard.recording is None


@story
async def a_monitor_that_hears_us_and_one_that_does_not(tmp_path: Path) -> None:
    """A second receiver on the frequency; then the transmitter's power stage dies."""
    port = free_port(socket.SOCK_DGRAM)
    async with (
        bench(tmp_path, starts=False, monitor={"channel": "ears"}) as site,
        BaseRadio(site.ether, gateway_rtp=("127.0.0.1", port), who="ears") as ears,
    ):
        tree = channel_tree(ears, port, licence=None)
        write_settings(site.settings, tmp_path, {"gate": site.tree, "ears": tree})
        await site.start_process()
        async with FakeEngine(site.socket).connected() as engine:
            await engine.event(PathChanged, path="channel:gate", up=True)
            await engine.event(PathChanged, path="channel:ears", up=True)
            await warm(engine, TASK)
            engine.do(page("p1", text=(TASK,)))
            await engine.event(PageSpoken, page="p1")
            assert not [e for e in engine.events(PathChanged) if "radiated" in (e.reason or "")]
            ups = len(engine.events(PathChanged, path="channel:gate", up=True))
            site.radio.ignore_ptt(True)
            engine.do(page("p2", text=(TASK,)))
            failed = await engine.event(PageFailed, page="p2")
            assert "nothing was radiated" in failed.reason
            await engine.event(PathChanged, path="channel:gate", up=False)
            site.radio.ignore_ptt(False)
            engine.do(page("p3", text=(TASK,)))
            await engine.event(PageSpoken, page="p3")
            await wait_until(
                lambda: len(engine.events(PathChanged, path="channel:gate", up=True)) > ups,
                2, "the channel up again",
            )  # fmt: skip


@story
async def a_channel_without_a_licence_hears_but_never_keys(tmp_path: Path) -> None:
    async with working_bench(tmp_path, licence=None) as (site, engine):
        engine.do(page("p1"))
        failed = await engine.event(PageFailed, page="p1")
        assert "licence" in failed.reason
        await site.guard.key_and_send("*120341#")
        digits = await engine.event(DigitsHeard, digits="120341")
        engine.do(
            AnswerOver(channel="gate", over=digits.over, accepted=True,
                       not_after_us=now_us() + 500_000)
        )  # fmt: skip
        await engine.event(OverHeard)
        await asyncio.sleep(0.3)
        assert not any(e.on for e in site.radio.edges if e.line in {"rts", "dtr", "ptt"})


@story
async def new_settings_swap_what_changed_and_leave_the_rest_open(tmp_path: Path) -> None:
    async with working_bench(tmp_path) as (site, engine):
        keyer = site.keyer_pid()
        engine.send(Configure(str(site.settings)))
        engine.do(page("p1", attention=False))
        await engine.event(PageSpoken, page="p1")
        assert site.keyer_pid() == keyer, "an unchanged port was opened again"

        port = free_port(socket.SOCK_DGRAM)
        url = f"rtp://127.0.0.1:{site.radio.rtp_port}?local_port={port}&codec=l16"
        changed = site.tree | {"hang_ms": 800, "audio": {"url": url}}
        site.radio.gateway_rtp = ("127.0.0.1", port)
        file = write_settings(tmp_path / "changed.json", tmp_path, {"gate": changed})
        engine.do(page("p2", attention=False))
        await engine.event(PageStarted, page="p2")
        engine.send(Configure(str(file)))
        # It was speaking: the change waits for its end.
        await engine.event(PageSpoken, page="p2")
        await wait_until(lambda: site.keyers() not in ([keyer], []), 4, "another keyer")
        engine.do(page("p3", level=1, attention=False))
        await engine.event(PageSpoken, page="p3")
        hangs = [tail_ms(over) for over in our_overs(site)]
        print("silence at the end of each over, ms:", hangs)
        assert hangs[2] - hangs[1] > 500
        gone = write_settings(tmp_path / "gone.json", tmp_path, {})
        engine.send(Configure(str(gone)))
        await wait_until(lambda: not site.keyers(), 2, "no keyer")
        engine.do(page("p4"))
        assert "no radio channel" in (await engine.event(PageFailed, page="p4")).reason


def packets(site: Bench) -> set[str]:
    """What the simulated radios make of our overs: packets."""
    return {str(p.packet) for over in our_overs(site) for p in mdc1200.decode(over.samples)}


def five_tones(site: Bench) -> set[str]:
    """And calls."""
    return {c.digits for o in our_overs(site) for c in selcall.decode(o.samples, "zvei1")}


SIGNALLING = {"selcall": ["zvei1"], "mdc1200": True, "mdc_unit": "0001", "ctcss": [88.5]}


def heard_whole(site: Bench, port: int) -> dict[str, object]:
    """Settings of a channel whose sound comes from the detector."""
    url = f"rtp://127.0.0.1:{site.radio.rtp_port}?local_port={port}&codec=l16"
    return {"audio": {"url": url, "kind": "discriminator"}, "signalling": SIGNALLING}


@asynccontextmanager
async def who_hears_everything(
    folder: Path, **fields: object
) -> AsyncIterator[tuple[Bench, FakeEngine]]:
    async with bench(folder, starts=False) as site:
        port = int(site.tree["audio"]["url"].partition("local_port=")[2].partition("&")[0])
        site.tree |= heard_whole(site, port) | fields
        write_settings(site.settings, folder, {"gate": site.tree})
        await site.start_process()
        async with FakeEngine(site.socket).connected() as engine:
            await engine.event(PathChanged, path="channel:gate", up=True)
            yield site, engine


async def repeated(
    site: Bench,
    send: Callable[[], Coroutine[None, None, object]],
    heard: Callable[[], bool],
) -> None:
    """Say it once; again only when the simulated air was late meanwhile, which it knows."""
    while True:
        late_before = site.ether.late_frames
        await send()
        with suppress(pytest.fail.Exception):
            await wait_until(heard, 2.5, "an answer")
            return
        assert site.ether.late_frames > late_before, "played on time, and not heard"


@story
async def each_radio_is_known_by_what_it_can_send(tmp_path: Path) -> None:
    async with who_hears_everything(tmp_path) as (site, engine):
        motorola = Handheld(site.ether, "wang", radio=RadioSet(model="mdc1200", id="1033"))
        said = {"value": "status 2 1033"}
        await repeated(
            site, lambda: motorola.send_status(2), lambda: bool(engine.events(SignalHeard, **said))
        )
        status = engine.events(SignalHeard, **said)[0]
        assert (status.kind, status.mdc) == ("mdc1200", (0x46, 2, 0x1033))
        over = await engine.event(OverHeard, over=status.over)
        assert over.radio == "mdc1200:1033"
        fives = RadioSet(model="btech", id="12345", id_kind="selcall")
        who = {"radio": "zvei1:12345"}
        li = Handheld(site.ether, "li", radio=fives)
        await repeated(
            site, lambda: li.key_and_send("*121#"),
            lambda: bool(engine.events(DigitsHeard, digits="121", **who)),
        )
        await engine.event(OverHeard, **who)
        cheap = Handheld(site.ether, "zhao", radio=RadioSet(model="bf888s", ctcss_hz=88.5))
        await repeated(
            site, lambda: cheap.key_and_send(voice_s=1),
            lambda: bool(engine.events(OverHeard, radio="ctcss:88.5")),
        )
        alarm = {"value": "emergency 1033"}
        await repeated(
            site, motorola.send_emergency, lambda: bool(engine.events(SignalHeard, **alarm))
        )

        async def acknowledge() -> None:
            engine.do(
                AnswerOver(
                    channel="gate", over=engine.events(SignalHeard, **alarm)[0].over,
                    accepted=True, not_after_us=now_us() + 5_000_000,
                    signal="mdc1200:emergency_ack:1033",
                )
            )  # fmt: skip

        await repeated(site, acknowledge, lambda: "20/00 1033" in packets(site))


@story
async def the_cheapest_radio_answers_by_its_key_and_muted_ones_are_called(
    tmp_path: Path,
) -> None:
    async with who_hears_everything(tmp_path) as (site, engine):
        cheap = Handheld(site.ether, "zhao", radio=RadioSet(model="bf888s", ctcss_hz=88.5))
        await Handheld(site.ether, "qian", radio=RadioSet(model="bf888s")).press(2)
        await engine.event(OverHeard)
        await asyncio.sleep(1.2)
        calls = ("zvei1:12345", "mdc1200:call:1033")
        pages = itertools.count()

        async def page_and_press() -> None:
            name = f"p{next(pages)}"
            engine.do(page(name, answer_window_s=8, calls=calls))
            await engine.event(PageSpoken, page=name)
            assert engine.events(KeyPattern) == [], "nobody has pressed since"
            await asyncio.sleep(0.5)
            await cheap.press(3)

        await repeated(site, page_and_press, lambda: bool(engine.events(KeyPattern, presses=3)))
        (pattern,) = engine.events(KeyPattern)
        assert pattern.radio in ("ctcss:88.5", None), "a tone needs 200 ms of 300"

        async def another_page() -> None:
            name = f"q{next(pages)}"
            engine.do(page(name, calls=calls))
            await engine.event(PageSpoken, page=name)

        await repeated(site, another_page, lambda: "35/89 1033" in packets(site))
        await repeated(site, another_page, lambda: "12345" in five_tones(site))


@story
async def a_reload_loses_no_digit_of_a_channel_that_stays(tmp_path: Path) -> None:
    async with bench(tmp_path, starts=False) as site:
        dead = {"control": {"url": f"rfc2217://127.0.0.1:{free_port()}"}}
        url = f"rtp://127.0.0.1:9?local_port={free_port(socket.SOCK_DGRAM)}&codec=l16"
        other = site.tree | dead | {"audio": {"url": url}}
        write_settings(site.settings, tmp_path, {"a": other, "gate": site.tree})
        one = write_settings(tmp_path / "one.json", tmp_path, {"gate": site.tree})
        await site.start_process()
        async with FakeEngine(site.socket).connected() as engine:
            await engine.event(PathChanged, path="channel:gate", up=True)

            guard = Handheld(site.ether, "zhang", ani="10034")

            async def key_while_it_is_reloaded() -> None:
                engine.send(Configure(str(site.settings)))
                await wait_until(lambda: len(site.keyers()) == 2, 4, "another channel")
                async with asyncio.TaskGroup() as group:
                    group.create_task(guard.key_and_send("*1233214#", lead_ms=200))
                    await asyncio.sleep(0.35)  # in the middle of the radio's own id
                    engine.send(Configure(str(one)))
                await wait_until(lambda: len(site.keyers()) == 1, 4, "the last settings")

            whole = {"digits": "1233214", "ani": "10034"}
            await repeated(
                site, key_while_it_is_reloaded, lambda: bool(engine.events(DigitsHeard, **whole))
            )


def tail_ms(over) -> int:
    """How long the over was silent at its end."""
    sounding = abs(over.samples.astype(int)) > 200
    return int((len(sounding) - 1 - sounding.nonzero()[0][-1]) / 8)


@pytest.mark.asyncio
@pytest.mark.parametrize("how", ["SIGTERM", "stdin"])
async def test_it_leaves_unkeyed_when_told_to_or_when_its_parent_is_gone(
    tmp_path: Path, how: str
) -> None:
    async with working_bench(tmp_path) as (site, engine):
        engine.do(page("p1", text=(TASK, ANSWER)))
        await site.radio.wait_ptt(True, timeout_s=2)
        await asyncio.sleep(0.2)
        begun = seconds()
        process = site.process
        if how == "SIGTERM":
            process.terminate()
        else:
            process.stdin.close()
        await site.radio.wait_ptt(False, timeout_s=1)
        print(f"{how}: PTT down after {1000 * (seconds() - begun):.0f} ms")
        async with asyncio.timeout(4):
            assert await process.wait() == 0
        print(f"{how}: gone after {1000 * (seconds() - begun):.0f} ms")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", WIRE.stories)
def test_on_the_wire(name: str, outcomes: Outcomes) -> None:
    error = outcomes[name]
    if error is not None:
        raise error
