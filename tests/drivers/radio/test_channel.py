"""One channel on a clock of its own: every state, without a process or a wire."""

import json
import random
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.radio.channel import Channel
from drivers.radio.dtmf import encode
from drivers.radio.receiving import Moment
from drivers.radio.settings import RadioChannel
from drivers.radio.speech import Rendered
from drivers.radio.squelch import Squelch
from drivers.radio.tones import attention_tone
from drivers.radio.transmission import TonesProgramme, Transmitter, TxState
from gateway.core.answers.events import DigitsHeard, OverHeard
from gateway.core.calls.events import PageFailed, PageSpoken, PageStarted, PageWaited
from gateway.core.effects import AnswerOver, PageChannel
from gateway.core.events import PathChanged

T0_US = 1_795_287_600_000_000
TICK_S = 0.02
QUIET = np.zeros(160, np.int16)


def channel_settings(**fields: object) -> RadioChannel:
    tree = {
        "name": "gate",
        "licence": {"frequency_mhz": 409.0, "number": "1"},
        "control": {"url": "/dev/ttyUSB0"},
        "audio": {"url": "rtp://127.0.0.1:1?local_port=2"},
        "tx_delay_ms": 200,
        "hang_ms": 100,
    } | fields
    return RadioChannel.model_validate_json(json.dumps(tree))


class FakeKeyer:
    """Obeys like the real one: the word that the line has moved comes 50 ms later."""

    def __init__(self) -> None:
        self.keyed = False
        self.renewals = 0
        self.keyings = 0
        self.words: list[tuple[float, str, str]] = []
        self.now_s = 0.0
        self.obeys = True

    def key(self) -> None:
        if not self.obeys:
            return
        if self.keyed:
            self.renewals += 1
        else:
            self.keyed, self.keyings = True, self.keyings + 1
            self.words.append((self.now_s + 0.05, "keyed", "cmd"))

    def unkey(self) -> None:
        if self.keyed:
            self.keyed = False
            self.words.append((self.now_s + 0.05, "unkeyed", "cmd"))


class FakeSpeech:
    """A sentence sounds as long as it says: ``"2.5 bank"`` takes two and a half seconds."""

    def __init__(self, delay_s: float = 0.1) -> None:
        self.delay_s = delay_s
        self.due: list[tuple[float, Rendered]] = []
        self.now_s = 0.0

    def request(self, key: str, text: str, language: str) -> Rendered | None:
        samples = None
        if text[0].isdigit():
            samples = np.full(int(8000 * float(text.split()[0])), 1000, np.int16)
        self.due.append((self.now_s + self.delay_s, Rendered(key, samples)))
        return None


class FakeRecorder:
    def __init__(self) -> None:
        self.frames: dict[str, int] = {}
        self.now: str | None = None

    @property
    def recording(self) -> bool:
        return self.now is not None

    def begin(self, what: str, day: str) -> str:
        self.now = f"{day}/gate/{what}.wav"
        self.frames[self.now] = 0
        return self.now

    def write(self, frame: np.ndarray) -> None:
        if self.now:
            self.frames[self.now] += 1

    def end(self) -> None:
        self.now = None


class Air:
    """The channel under test, and everything around it, tick by tick."""

    def __init__(self, *, speech: FakeSpeech | None = None, **fields: object) -> None:
        self.keyer, self.speech = FakeKeyer(), speech or FakeSpeech()
        self.heard_recorder, self.said_recorder = FakeRecorder(), FakeRecorder()
        self.events: list[object] = []
        self.played: list[np.ndarray] = []
        self.engine = True
        self.sound_leaves = True
        self.wall_moved_us = 0
        self.s = self.keyer.now_s = self.speech.now_s = 100.0
        names = iter(range(10_000))
        self.channel = Channel(
            "gate",
            channel_settings(**fields),
            line=self.keyer,
            speech=self.speech,
            recorders=(self.heard_recorder, self.said_recorder),
            tell=self.events.append,
            new_name=lambda: f"n{next(names)}",
            back_off_s=lambda: 0.2,
            day=lambda us: "20261122",
            now=self.now,
        )
        self.keyed_s: list[float] = []
        self.channel.keyer_said("ready", "", self.s, self.now)
        self.channel.keyer_said("lines", "cts=0", self.s, self.now)
        self.channel.sound_opened(self.now)
        self.run(for_s=0.4)
        self.played.clear()

    @property
    def now(self) -> Moment:
        return Moment(self.s, T0_US + round(1e6 * (self.s - 100)) + self.wall_moved_us)

    def tick(self, symbols: str = "") -> None:
        self.words_come()
        listening = self.channel.follow(self.now, QUIET)
        for symbol in symbols if listening else "":
            self.channel.heard(symbol, self.now)
        self.channel_moves()

    def words_come(self) -> None:
        """Let a tick pass, and what keyer and speech have to say by then come in."""
        self.s += TICK_S
        self.keyer.now_s = self.speech.now_s = self.s
        for due in [w for w in self.keyer.words if w[0] <= self.s]:
            self.keyer.words.remove(due)
            self.channel.keyer_said(due[1], due[2], due[0], self.now)
        for ready in [r for r in self.speech.due if r[0] <= self.s]:
            self.speech.due.remove(ready)
            self.channel.rendered(ready[1])

    def channel_moves(self) -> None:
        self.played.append(self.channel.tick(self.now, may_key=self.engine))
        if self.sound_leaves:
            self.channel.played()
        if self.keyer.keyed:
            self.keyed_s.append(self.s)

    def run(self, until: Callable[[], object] | None = None, *, for_s: float = 30) -> float:
        """Tick until the condition holds; return how long that took."""
        begun_s = self.s
        while self.s - begun_s < for_s:
            self.tick()
            if until is not None and until():
                return self.s - begun_s
        assert until is None, f"not within {for_s} s; {self.events}"
        return for_s

    def page(
        self, name: str = "p1", *, repeat_word: str | None = None, **fields: object
    ) -> None:
        effect = PageChannel(
            **{
                "page": name, "channel": "gate", "order": "o", "level": 3, "number": "12",
                "text": ("0.5 hello",), "language": "zh_CN", "answer_window_s": 0,
                "not_after_us": self.now.us + 60_000_000,
            } | fields
        )  # fmt: skip
        self.channel.take_page(effect, self.now, repeat_word=repeat_word)
        self.channel.hurry(self.now, may_key=self.engine)

    def squelch(self, is_open: bool) -> None:
        self.channel.keyer_said("lines", f"cts={is_open:d}", self.s, self.now)

    def told(self, kind: type, **fields: object) -> list:
        return [
            e for e in self.events
            if isinstance(e, kind) and all(getattr(e, k) == v for k, v in fields.items())
        ]  # fmt: skip

    def transmissions(self) -> list[float]:
        """Return how long each transmission was keyed, in seconds."""
        spans: list[list[float]] = []
        for at_s in self.keyed_s:
            if spans and at_s - spans[-1][1] < 1.5 * TICK_S:
                spans[-1][1] = at_s
            else:
                spans.append([at_s, at_s])
        return [end - begin + TICK_S for begin, end in spans]


def test_a_page_keys_at_once_and_sounds_after_the_delay() -> None:
    air = Air()
    air.page(text=("0.5 a", "0.3 b"))
    assert air.keyer.keyed, "keyed with the effect, not with the next tick"
    air.run(lambda: air.told(PageSpoken))
    (lasted_s,) = air.transmissions()
    expected_s = 0.2 + len(attention_tone(3)) / 8000 + 0.8 + 0.1
    assert lasted_s == pytest.approx(expected_s, abs=0.07)
    sounding = [i for i, frame in enumerate(air.played) if np.abs(frame).max() > 0]
    assert sounding[0] * TICK_S == pytest.approx(0.2, abs=0.05)
    assert (len(sounding) * TICK_S) == pytest.approx(1.2, abs=0.1)
    assert [type(e) for e in air.events] == [PathChanged, PageStarted, PageSpoken] or [
        type(e) for e in air.events
    ] == [PageStarted, PathChanged, PageSpoken]


def test_who_is_called_off_hears_it_at_once_and_who_keys_is_not_run_over() -> None:
    """The answer window of the page before (here 15 s) is not waited for, its answers are."""
    air = Air()
    air.page(answer_window_s=15)
    air.run(lambda: air.told(PageSpoken))
    air.run(for_s=1)
    air.squelch(True)
    air.run(for_s=0.2)
    air.page("p2", stand_down=True)
    air.run(for_s=2)
    assert len(air.told(PageStarted)) == 1, "somebody is keying"
    air.squelch(False)
    assert air.run(lambda: len(air.told(PageStarted)) == 2) < 1.5


def test_the_lease_is_renewed_by_frames_that_left_and_by_nothing_else() -> None:
    air = Air()
    air.page(text=("2 a",))
    air.run(for_s=1)
    assert 7 <= air.keyer.renewals <= 11
    before, air.sound_leaves = air.keyer.renewals, False
    air.run(for_s=0.5)
    assert air.keyer.renewals == before
    # The real keyer lets its lease run out and says so.
    air.keyer.keyed = False
    air.channel.keyer_said("unkeyed", "lease", air.s, air.now)
    air.tick()
    (failed,) = air.told(PageFailed)
    assert "sound lost" in failed.reason


def test_a_keyer_that_does_not_key_fails_the_page() -> None:
    air = Air()
    air.keyer.obeys = False
    air.page()
    assert air.run(lambda: air.told(PageFailed)) < 2
    assert air.told(PageFailed)[0].reason == "the keyer did not key"


def test_the_tone_sounds_while_the_sentence_renders_and_dead_air_is_short() -> None:
    air = Air(speech=FakeSpeech(delay_s=1.2))
    air.page(text=("0.5 a",))
    air.run(lambda: air.told(PageSpoken))
    assert air.told(PageSpoken)[0].speech == "spoken"
    late = Air(speech=FakeSpeech(delay_s=4))
    late.page(text=("0.5 a",))
    late.run(lambda: late.told(PageSpoken))
    assert late.told(PageSpoken)[0].speech == "fallback"
    sounding = [i for i, frame in enumerate(late.played) if np.abs(frame).max() > 0]
    silent_s = TICK_S * max(np.diff(sounding))
    print(f"dead air {silent_s:.2f} s")
    assert silent_s <= 1.1


def test_a_sentence_that_cannot_be_rendered_is_spoken_as_level_and_number() -> None:
    air = Air()
    air.page(text=("0.5 a", "cannot", "0.5 c"))
    air.run(lambda: air.told(PageSpoken))
    assert air.told(PageSpoken)[0].speech == "fallback"


def test_speech_is_cut_between_sentences_and_a_long_one_within() -> None:
    air = Air(time_out_s=5)
    air.page(text=("2 a", "1.5 b", "1 c", "9 d", "0.5 e"))
    air.run(lambda: air.told(PageSpoken), for_s=60)
    spans = air.transmissions()
    print("transmissions:", [round(s, 2) for s in spans])
    assert max(spans) < 5 - 0.5
    assert len(spans) >= 4
    sounding_s = TICK_S * sum(bool(np.abs(f).max() > 0) for f in air.played)
    assert sounding_s == pytest.approx(14 + 0.4, abs=0.2), "nothing lost, nothing twice"
    assert len(air.told(PageStarted)) == 1


def test_level_1_breaks_a_lower_page_off_at_the_end_of_its_sentence() -> None:
    air = Air()
    air.page("low", text=("1 a", "1 b", "1 c"))
    air.run(for_s=1.0)
    air.page("high", level=1)
    air.run(lambda: air.told(PageSpoken, page="low"), for_s=20)
    spoken = [e.page for e in air.told(PageSpoken)]
    assert spoken == ["high", "low"]
    first, _, again = air.transmissions()
    assert first == pytest.approx(0.2 + 0.4 + 1 + 0.1, abs=0.1), "the sentence was finished"
    assert again == pytest.approx(0.2 + 0.4 + 3 + 0.1, abs=0.1), "and the page begins anew"


def test_without_the_engine_the_sentence_ends_and_the_page_waits() -> None:
    air = Air()
    air.page("p1", text=("1 a", "1 b"))
    air.run(for_s=0.8)
    air.engine = False
    air.run(lambda: not air.keyer.keyed)
    air.run(for_s=10)
    assert len(air.transmissions()) == 1
    assert not air.told(PageSpoken)
    air.engine = True
    air.run(lambda: air.told(PageSpoken))
    assert air.transmissions()[1] == pytest.approx(0.2 + 0.4 + 2 + 0.1, abs=0.1)


def test_a_repetition_says_so_first() -> None:
    air = Air()
    air.page(repeat_word="0.3 again")
    air.run(lambda: air.told(PageSpoken))
    assert air.transmissions()[0] == pytest.approx(0.2 + 0.4 + 0.3 + 0.5 + 0.1, abs=0.1)


@pytest.mark.parametrize("hours", [1, -1])
def test_a_moved_wall_clock_expires_no_page_early_and_none_late(hours: int) -> None:
    air = Air()
    air.engine = False
    air.page("p1", level=1)
    air.run(for_s=1)
    air.wall_moved_us += hours * 3600 * 1_000_000
    air.run(for_s=10)
    assert not air.told(PageFailed), "a minute is a minute"
    air.run(lambda: air.told(PageFailed, state="expired"), for_s=60)


def test_an_over_is_framed_by_the_debounced_squelch() -> None:
    air = Air()
    air.squelch(True)
    air.run(for_s=0.02)
    air.squelch(False)  # a crackle of 20 ms
    air.run(for_s=0.5)
    assert not air.told(OverHeard)
    air.squelch(True)
    air.run(for_s=0.5)
    air.squelch(False)  # flutter of 100 ms is no end
    air.run(for_s=0.1)
    air.squelch(True)
    air.run(for_s=0.4)
    air.squelch(False)
    air.run(lambda: air.told(OverHeard), for_s=1)
    (over,) = air.told(OverHeard)
    assert over.keyed_ms == pytest.approx(1000, abs=70)
    assert air.heard_recorder.frames[over.recording] >= 48, "from the squelch's own edge"


def test_digits_are_taken_from_others_and_never_from_ourselves() -> None:
    air = Air(ani={"digits": 5})
    air.page(text=("2 a",))
    air.run(for_s=0.5)
    air.squelch(True)  # a receiver that is not muted by its own transmitter
    for symbol in "*12034#1*":
        air.tick(symbol)
    air.squelch(False)
    air.run(lambda: air.told(PageSpoken))
    air.run(for_s=1)
    assert not air.told(DigitsHeard)
    assert not air.told(OverHeard)
    air.squelch(True)
    air.run(for_s=0.2)
    for symbol in "10034":
        air.tick(symbol)
        air.run(for_s=0.1)
    for symbol in "*121#":
        air.tick(symbol)
        air.run(for_s=0.2)
    (digits,) = air.told(DigitsHeard)
    assert (digits.digits, digits.ani) == ("121", "10034")
    air.squelch(False)
    air.run(lambda: air.told(OverHeard))
    assert air.told(OverHeard)[0].over == digits.over


def test_an_answer_waits_for_the_over_to_end_and_goes_before_a_page() -> None:
    air = Air()
    air.squelch(True)
    air.run(for_s=0.5)
    late_us = air.now.us + 10**7
    answer = AnswerOver(channel="gate", over="x", accepted=True, not_after_us=late_us)
    air.channel.answer(answer)
    air.page(level=1)
    air.run(for_s=0.5)
    assert not air.keyer.keyed
    air.squelch(False)
    waited_s = air.run(lambda: air.keyer.keyed)
    assert waited_s < 0.3
    air.run(lambda: air.told(PageSpoken))
    tone_s = air.transmissions()[0]
    assert tone_s == pytest.approx(0.2 + 0.2 + 0.1, abs=0.1)


def test_a_late_answer_or_one_where_tones_are_off_is_not_sounded() -> None:
    air = Air()
    air.squelch(True)
    air.run(for_s=0.3)
    air.channel.answer(
        AnswerOver(channel="gate", over="x", accepted=True, not_after_us=air.now.us + 10**6)
    )
    air.run(for_s=2)
    air.squelch(False)
    air.run(for_s=2)
    off = Air(answer_tones=False)
    off.channel.answer(
        AnswerOver(channel="gate", over="x", accepted=True, not_after_us=off.now.us + 10**7)
    )
    off.run(for_s=2)
    assert not air.transmissions()
    assert not off.transmissions()


def test_level_1_keys_over_talk_and_the_over_under_way_is_closed() -> None:
    air = Air(busy_wait_s=[2, 2, 2])
    air.squelch(True)
    air.run(for_s=0.2)
    air.page("low")
    air.page("high", level=1)
    took_s = air.run(lambda: air.keyer.keyed)
    assert took_s == pytest.approx(2, abs=0.1)
    assert [e.page for e in air.told(PageFailed)] == ["low"]
    assert {e.page for e in air.told(PageWaited)} == {"low", "high"}
    air.run(lambda: air.told(PageSpoken))
    assert len(air.told(OverHeard)) == 1, "what was heard before we keyed"


def test_a_stuck_squelch_is_told_once_and_does_not_stop_level_1() -> None:
    air = Air(stuck_squelch_s=70)
    air.squelch(True)
    took_s = air.run(lambda: air.told(PathChanged, up=False), for_s=80)
    assert took_s == pytest.approx(70, abs=0.2)
    assert "squelch" in air.told(PathChanged, up=False)[0].reason
    assert air.told(OverHeard)[0].keyed_ms == pytest.approx(70_000, abs=200)
    air.run(for_s=100)
    assert len(air.told(OverHeard)) == 1, "noise is not recorded for ever"
    air.page(level=1)
    air.run(lambda: air.told(PageSpoken), for_s=20)
    air.squelch(False)
    air.run(for_s=2)
    assert len(air.told(PathChanged, up=False)) == 1
    assert [e.up for e in air.told(PathChanged)] == [True, False, True]


def test_a_radio_that_gives_no_sound_is_told_within_30_s() -> None:
    air = Air()
    air.run(for_s=1)
    begun_s = air.s
    while not air.told(PathChanged, up=False) and air.s - begun_s < 30:
        air.s += TICK_S
        air.channel.follow(air.now, None)
        air.channel.tick(air.now, may_key=True)
    assert air.s - begun_s == pytest.approx(5, abs=0.2)
    air.run(for_s=0.4)
    assert air.told(PathChanged)[-1].up


def test_another_fault_of_a_channel_that_is_down_is_told_when_it_stays() -> None:
    """The device server is back, the radio behind it is not: that is where to look."""
    air = Air()
    air.run(for_s=1)
    air.channel.keyer_said("fault", "the port is gone", air.s, air.now)
    air.run(for_s=3)
    air.channel.keyer_said("ready", "", air.s, air.now)
    for _ in range(1000):
        air.s += TICK_S
        air.channel.follow(air.now, None)
        air.channel.tick(air.now, may_key=True)
    told = [e.reason for e in air.told(PathChanged, up=False)]
    assert told == ["the port is gone", "the control port does not tell cts"]
    assert air.channel.path == (False, told[-1])
    air.channel.keyer_said("lines", "cts=0", air.s, air.now)
    air.run(for_s=1)
    assert air.told(PathChanged)[-1].up


def test_without_a_squelch_line_the_voice_makes_the_over() -> None:
    air = Air(control={"url": "/dev/ttyUSB0", "squelch": "none"})
    voice = (3000 * np.sin(2 * np.pi * 700 / 8000 * np.arange(160))).astype(np.int16)
    for n in range(150):
        air.s += TICK_S
        speaking = 20 < n < 70 or 90 < n < 100  # a pause of 0.4 s is part of the over
        air.channel.follow(air.now, voice if speaking else QUIET)
        air.channel.tick(air.now, may_key=True)
    air.run(for_s=1.5)
    (over,) = air.told(OverHeard)
    assert 2400 < over.keyed_ms < 2900


def test_a_channel_without_a_licence_never_keys() -> None:
    air = Air(licence=None)
    air.page(level=1)
    air.channel.answer(
        AnswerOver(channel="gate", over="x", accepted=True, not_after_us=air.now.us + 10**7)
    )
    air.run(for_s=15)
    assert "licence" in air.told(PageFailed)[0].reason
    assert air.keyer.keyings == 0


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0, 0.4), max_size=60), st.integers(0, 200), st.integers(0, 300))
def test_squelch_debounce_never_follows_what_is_shorter(
    pauses_s: list[float], open_ms: int, close_ms: int
) -> None:
    squelch, now_s, raw = Squelch(open_ms, close_ms), 0.0, False
    changed_s = 0.0
    for pause_s in pauses_s:
        now_s += pause_s
        before = squelch.is_open
        after = squelch.step(now_s)
        if before != after:
            held_s = now_s - changed_s
            assert raw is after
            assert held_s >= (open_ms if after else close_ms) / 1000 - 1e-9
        raw = not raw
        changed_s = now_s
        squelch.line(raw, now_s)


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_a_channel_keeps_its_promises(seed: int) -> None:
    """Random talk, pages, withdrawals, losses: bounded carriers, one end for every page."""
    print(f"seed {seed}")
    chance = random.Random(seed)
    air = Air(time_out_s=5, busy_wait_s=[2, 3, 4], speech=FakeSpeech(chance.uniform(0, 1.5)))
    pages: list[str] = []
    squelch = lost = False
    for _ in range(4000):
        act = chance.random()
        if act < 0.004:
            name = f"p{len(pages)}"
            pages.append(name)
            text = tuple(f"{chance.uniform(0.2, 3):.1f} x" for _ in range(chance.randint(0, 4)))
            air.page(name, level=chance.randint(1, 3), text=text,
                     answer_window_s=chance.choice([0, 3]))  # fmt: skip
        elif act < 0.012:
            squelch = not squelch
            air.squelch(squelch)
        elif act < 0.014 and pages:
            air.channel.withdraw(chance.choice(pages), "answered", air.now)
        elif act < 0.016:
            air.engine = not air.engine
        elif act < 0.017 or (lost and act < 0.03):
            lost = not lost
            if lost:
                air.keyer.keyed = False
                air.keyer.words.clear()
                air.channel.keyer_said("fault", "gone", air.s, air.now)
            else:
                air.channel.keyer_said("ready", "", air.s, air.now)
        elif act < 0.02:
            air.channel.answer(AnswerOver(channel="gate", over="x", accepted=act < 0.018,
                                          not_after_us=air.now.us + 3_000_000))  # fmt: skip
        air.tick()
        assert not (lost and air.keyer.keyed)
    air.engine = True
    if lost:
        air.channel.keyer_said("ready", "", air.s, air.now)
    air.squelch(False)
    air.run(for_s=200)
    assert max(air.transmissions(), default=0) < 5
    for name in pages:
        ends = air.told(PageSpoken, page=name) + air.told(PageFailed, page=name)
        assert len(ends) == 1, (name, ends)
        # It starts anew only after it was told to wait again.
        turns = [
            type(event)
            for event in air.events
            if isinstance(event, PageStarted | PageWaited) and event.page == name
        ]
        assert (PageStarted, PageStarted) not in pairwise(turns), (name, turns)


def test_a_transmission_begun_while_the_line_falls_from_the_one_before_goes_on() -> None:
    class Keyed:
        said = ""

        def key(self) -> None:
            self.said += "K"

        def unkey(self) -> None:
            self.said += "U"

    line = Keyed()
    transmitter = Transmitter(line, tx_delay_ms=100, hang_ms=20, time_out_s=60)
    transmitter.begin(TonesProgramme(encode("1")), 0.0)
    transmitter.keyed()
    transmitter.abort("broken off", 0.1)
    transmitter.begin(TonesProgramme(encode("2")), 0.11)
    transmitter.unkeyed("cmd", 0.15)  # the word about the first
    transmitter.keyed()
    assert transmitter.failure is None
    assert transmitter.next_frame(0.22, stop=False) is not None
    assert transmitter.state is TxState.SOUND
    transmitter.unkeyed("cmd", 0.25)
    assert transmitter.failure == "line lost: the keyer was stopped"
    assert line.said == "KUKU"
