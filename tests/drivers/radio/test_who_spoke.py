"""Who spoke, and what else is signalled: real sound through the ear into one channel."""

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.radio import ctcss, dtmf, mdc1200_words, selcall_tables
from drivers.radio.calls import CALLS_MS_MAX, Caller
from drivers.radio.hearing import Hearing, wishes_of
from drivers.radio.presses import Presses, pattern_of
from drivers.radio.selcall_tables import TABLES, SelcallTable
from drivers.radio.tones import attention_tone
from gateway.core.answers.events import DigitsHeard, KeyPattern, OverHeard, SignalHeard
from gateway.core.calls.events import PageSpoken
from gateway.core.effects import AnswerOver
from gateway.core.events import PathChanged
from simulators import mdc1200 as other_mdc1200
from simulators import selcall as other_selcall
from tests.drivers.radio.test_channel import QUIET, TICK_S, Air, channel_settings

Samples = npt.NDArray[np.int16]
ALL = {"selcall": ["zvei1", "ccir"], "mdc1200": True, "mdc_unit": "0001"}
DISCRIMINATOR = {"url": "rtp://127.0.0.1:1?local_port=2", "kind": "discriminator"}


def silence(ms: float) -> Samples:
    return np.zeros(round(8 * ms), np.int16)


def packet(what: str) -> Samples:
    """Return a packet of its four bytes and, where they are eight, its second word."""
    whole = bytes.fromhex(what)
    return mdc1200_words.encode(
        mdc1200_words.packet_of(whole[:4], second=whole[4:] or None)
    )


def call(digits: str, table: str = "zvei1") -> Samples:
    return selcall_tables.encode(TABLES[table], digits)


class Ear(Air):
    """A channel that hears sound, as the radio process has it hear."""

    def __init__(self, **fields: object) -> None:
        self.frames: list[Samples] = []
        self.silent_ticks, self.listened = 0, False
        self.hearing = Hearing([wishes_of(channel_settings(**fields))])
        super().__init__(**fields)

    def tick(self, symbols: str = "") -> None:
        self.words_come()
        self.channel_moves()
        self._listen(self.frames.pop(0) if self.frames else QUIET)

    def _listen(self, frame: Samples) -> None:
        listening = np.array([self.channel.follow(self.now, frame)])
        below = np.array([self.channel.seeks])
        # Long silence is not heard again and again: it only takes time.
        self.silent_ticks = 0 if frame is not QUIET else self.silent_ticks + 1
        changed, self.listened = self.listened != listening[0], bool(listening[0])
        if self.silent_ticks > 50 and not changed:
            return
        for heard in self.hearing.step(frame[None, :], listening, below):
            if heard.kind == "dtmf":
                self.channel.heard(heard.value, self.now)
            elif heard.kind in {"selcall", "mdc1200"}:
                self.channel.signalled(heard, self.now)
        for presence in self.hearing.changed():
            self.channel.below_voice(presence, self.now)

    def sounds(self, *parts: Samples) -> None:
        """Let sound come in, to its end."""
        sound = np.concatenate(parts)
        whole = np.pad(sound, (0, -len(sound) % 160)).reshape(-1, 160)
        self.frames += list(whole)
        self.run(lambda: not self.frames, for_s=len(whole) * TICK_S + 1)

    def over(self, *parts: Samples, end: bool = True) -> None:
        """Have somebody key, send and let go; wait for what is told of it."""
        self.squelch(True)
        self.sounds(silence(300), *parts, silence(100))
        if end:
            overs = len(self.told(OverHeard))
            self.squelch(False)
            self.run(lambda: len(self.told(OverHeard)) > overs, for_s=3)

    def press(self, *spans_ms: int, sound: Samples | None = None) -> None:
        """Press and let go in turn, each press with the sound in it."""
        for number, span_ms in enumerate(spans_ms):
            self.squelch(number % 2 == 0)
            if sound is not None and number % 2 == 0:
                whole = np.pad(sound, (0, -len(sound) % 160)).reshape(-1, 160)
                self.frames = list(whole)
            self.run(for_s=span_ms / 1000)
        self.squelch(False)

    def last_over(self) -> OverHeard:
        return self.told(OverHeard)[-1]

    def signals(self) -> list[tuple[str, str | None, str]]:
        return [(s.kind, s.set, s.value) for s in self.told(SignalHeard)]


# --- identities ---------------------------------------------------------------------------------


def test_each_kind_of_identity_is_told_at_once_and_named_with_the_over() -> None:
    air = Ear(signalling=ALL)
    air.over(packet("01801234"), silence(200), packet("01001234"))
    assert air.signals() == [("mdc1200", None, "PTT ID start 1234")], "once an over"
    (signal,) = air.told(SignalHeard)
    assert signal.mdc == (0x01, 0x80, 0x1234)
    assert (signal.over, air.last_over().radio) == (air.last_over().over, "mdc1200:1234")
    air.over(call("12345"))
    assert air.signals()[1:] == [("selcall", "zvei1", "12345")]
    assert air.last_over().radio == "zvei1:12345"
    air.over(packet("01801234"))
    assert len(air.signals()) == 3, "another over, told again"
    air.over(silence(500))
    assert (air.last_over().radio, air.last_over().radios) == (None, ())


def test_digits_say_whose_they_are_by_whatever_his_radio_has() -> None:
    air = Ear(signalling=ALL, ani={"digits": 5})
    air.over(packet("01801234"), silence(150), dtmf.encode("*121#"))
    (digits,) = air.told(DigitsHeard)
    assert (digits.digits, digits.ani, digits.radio) == ("121", None, "mdc1200:1234")
    air.over(dtmf.encode("10034"), silence(700), dtmf.encode("*1#"))
    assert (air.told(DigitsHeard)[-1].ani, air.told(DigitsHeard)[-1].radio) == (
        "10034", "dtmf:10034",
    )  # fmt: skip
    assert (air.last_over().ani, air.last_over().radio) == ("10034", "dtmf:10034")


def test_two_identities_in_one_over_are_nobody() -> None:
    air = Ear(signalling=ALL)
    air.over(packet("01801234"), silence(200), call("12345"), silence(200), dtmf.encode("*1#"))
    assert air.last_over().radio is None
    assert air.last_over().radios == ("mdc1200:1234", "zvei1:12345")
    (digits,) = air.told(DigitsHeard)
    assert (digits.radio, digits.ani) == (None, None)
    assert len(air.signals()) == 2, "both told"
    air.over(packet("01801234"))
    assert air.last_over().radio == "mdc1200:1234", "forgotten with its over"


def test_an_emergency_is_told_while_the_key_is_still_down_and_a_base_names_nobody() -> None:
    air = Ear(signalling=ALL)
    air.over(packet("00801234"), end=False)
    (signal,) = air.told(SignalHeard)
    assert (signal.value, signal.mdc) == ("emergency 1234", (0x00, 0x80, 0x1234))
    assert not air.told(OverHeard)
    air.squelch(False)
    air.run(lambda: air.told(OverHeard))
    assert air.last_over().radio == "mdc1200:1234"
    air.over(packet("20001234"))
    assert air.signals()[-1] == ("mdc1200", None, "emergency ack 1234")
    assert air.told(SignalHeard)[-1].mdc is None
    assert air.last_over().radio is None, "1234 is who was meant"
    air.over(packet("35895678830D1234"))
    assert air.told(SignalHeard)[-1].mdc == (0x35, 0x89, 0x1234)
    assert air.last_over().radio == "mdc1200:1234", "who calls, not who is called"


def test_a_tone_below_the_voice_is_an_identity_unless_something_says_more() -> None:
    air = Ear(audio=DISCRIMINATOR, signalling={**ALL, "ctcss": [88.5, 100.0]})
    tone = ctcss.encode(88.5, 1500, reverse_burst_deg=None)
    air.over(tone)
    assert air.signals() == [("ctcss", None, "88.5")]
    assert air.last_over().radio == "ctcss:88.5"
    both = tone.astype(np.int32)
    both[3000 : 3000 + len(packet("01801234"))] += packet("01801234")
    air.over(both.astype(np.int16))
    assert air.last_over().radio == "mdc1200:1234"


def test_a_tone_opens_the_squelch_from_its_beginning_and_names_who() -> None:
    control = {"url": "/dev/ttyUSB0", "squelch": "cts & ctcss"}
    air = Ear(audio=DISCRIMINATOR, control=control, signalling={"ctcss": [88.5]})
    air.squelch(True)
    air.sounds(ctcss.encode(100.0, 800, reverse_burst_deg=None))
    assert air.channel.idle, "a stranger with another tone"
    air.squelch(False)
    air.run(for_s=1)
    air.squelch(True)
    air.sounds(ctcss.encode(88.5, 1500), silence(300))
    air.squelch(False)
    air.run(lambda: air.told(OverHeard), for_s=3)
    (over,) = air.told(OverHeard)
    assert over.radio == "ctcss:88.5"
    assert over.keyed_ms == pytest.approx(1500, abs=120)


# --- presses ------------------------------------------------------------------------------------


def in_a_window(**fields: object) -> Ear:
    air = Ear(**fields)
    air.page(answer_window_s=15)
    air.run(lambda: air.told(PageSpoken))
    air.run(for_s=0.5)
    return air


@pytest.mark.parametrize(("count", "spans"), [(2, (300, 400, 300)), (3, (300, 400) * 2 + (300,))])
@pytest.mark.parametrize("kerchunk_ms", [0, 300, 480])
def test_presses_in_the_window_are_a_pattern_and_out_of_it_a_count(
    count: int, spans: tuple[int, ...], kerchunk_ms: int
) -> None:
    air = in_a_window(kerchunk_ms=kerchunk_ms)
    began_us = air.now.us
    air.press(*spans)
    assert not air.told(KeyPattern), "another may follow"
    air.run(lambda: air.told(KeyPattern), for_s=1.2)
    (pattern,) = air.told(KeyPattern)
    assert (pattern.presses, pattern.radio) == (count, None)
    assert pattern.at_us == pytest.approx(began_us, abs=40_000)
    air.run(for_s=20)
    overs = len(air.told(OverHeard))
    air.press(*spans)
    air.run(for_s=3)
    assert len(air.told(KeyPattern)) == 1
    assert len(air.told(OverHeard)) > overs
    assert len(air.last_over().presses_ms) == 2 * count - 1


def test_a_press_that_says_who_makes_a_pattern_that_says_who() -> None:
    air = in_a_window(signalling=ALL)
    sound = np.concatenate([silence(200), packet("01801234")])
    air.press(500, 300, 500, sound=sound)
    air.run(lambda: air.told(KeyPattern), for_s=2)
    assert air.told(KeyPattern)[0].radio == "mdc1200:1234"
    air.press(500, 300, 500)
    air.run(lambda: len(air.told(KeyPattern)) == 2, for_s=2)
    assert air.told(KeyPattern)[1].radio is None


def test_presses_begun_under_our_own_transmission_are_no_pattern() -> None:
    """Three presses, the first of which nobody heard: not two."""
    air = Ear()
    air.page(answer_window_s=15, text=("1 a",))
    air.run(for_s=1)
    air.squelch(True)
    air.run(lambda: air.told(PageSpoken))
    air.squelch(False)
    air.run(for_s=0.4)
    air.press(300, 400, 300)
    air.run(for_s=3)
    assert not air.told(KeyPattern)


def test_a_late_pattern_counts_where_its_first_press_was_in_the_window() -> None:
    air = Ear()
    air.page(answer_window_s=3)
    air.run(lambda: air.told(PageSpoken))
    air.run(for_s=2.8)
    air.press(300, 400, 300)
    air.run(for_s=3)
    assert air.told(KeyPattern, presses=2)


def in_turn(presses: list[int], pauses: list[int]) -> list[int]:
    """Return the presses with pauses between them."""
    return [x for pair in zip(presses, [0, *pauses], strict=False) for x in pair[::-1]][1:]


SHORT = st.integers(150, 700)
PAUSE = st.integers(150, 799)


@given(st.lists(SHORT, min_size=1, max_size=6), st.lists(PAUSE, min_size=5, max_size=5))
@settings(max_examples=200, deadline=None)
def test_clean_presses_are_counted_and_only_two_and_three_mean_something(
    presses: list[int], pauses: list[int]
) -> None:
    spans = in_turn(presses, pauses)
    assert pattern_of(tuple(spans)) == (len(presses) if len(presses) in (2, 3) else None)


@given(
    st.lists(SHORT, min_size=2, max_size=3),
    st.lists(PAUSE, min_size=2, max_size=2),
    st.integers(0, 2),
    st.integers(1, 149),
    st.floats(0.1, 0.9),
)
@settings(max_examples=200, deadline=None)
def test_a_press_that_fades_for_a_moment_is_still_one(
    presses: list[int], pauses: list[int], which: int, hole_ms: int, where: float
) -> None:
    which %= len(presses)
    spans = in_turn(presses, pauses)
    head = max(1, round(where * (presses[which] - hole_ms)))
    tail = presses[which] - hole_ms - head
    if tail < 1:
        return
    faded = (*spans[: 2 * which], head, hole_ms, tail, *spans[2 * which + 1 :])
    assert pattern_of(faded) == len(presses)


@given(st.lists(st.integers(1, 1500), max_size=15).filter(lambda spans: len(spans) % 2 == 1))
@settings(max_examples=300, deadline=None)
def test_whatever_is_pressed_a_pattern_is_what_the_rule_says(spans: list[int]) -> None:
    """Against the rule said the other way round: which moments are keyed, hole by hole."""
    keyed = [
        [sum(spans[: 2 * k]), sum(spans[: 2 * k + 1])] for k in range((len(spans) + 1) // 2)
    ]
    merged = [keyed[0]]
    for begin, end in keyed[1:]:
        if begin - merged[-1][1] < 150:
            merged[-1][1] = end
        else:
            merged.append([begin, end])
    right = all(150 <= end - begin <= 700 for begin, end in merged) and all(
        b[0] - a[1] < 800 for a, b in itertools.pairwise(merged)
    )
    expected = len(merged) if right and len(merged) in (2, 3) else None
    assert pattern_of(tuple(spans)) == expected


@given(st.integers(4, 30), st.integers(160, 600), st.integers(160, 700))
@settings(max_examples=100, deadline=None)
def test_the_end_of_long_pressing_is_never_a_pattern(
    count: int, press_ms: int, pause_ms: int
) -> None:
    presses, now_s, patterns = Presses(40), 1.0, []
    for _ in range(count):
        for is_open, span_ms in ((True, press_ms), (False, pause_ms)):
            presses.edge(is_open, now_s)
            now_s += span_ms / 1000
            group = presses.group_ended(now_s)
            patterns += [group.pattern] if group else []
    group = presses.group_ended(now_s + 2)
    patterns += [group.pattern] if group else []
    assert patterns == [None]


# --- what we send -------------------------------------------------------------------------------


def sounded(air: Ear) -> Samples:
    return np.concatenate(air.played)


def test_calls_go_before_the_attention_tone_and_others_decode_them() -> None:
    air = Ear(signalling=ALL)
    calls = ("zvei1:12345", "mdc1200:call:1234", "dtmf:110", "zvei1:99", "morse:sos")
    air.page(calls=calls)
    air.run(lambda: air.told(PageSpoken))
    sound = sounded(air)
    (five,) = [c for c in other_selcall.decode(sound, "zvei1") if c.digits == "12345"]
    (packet_heard,) = other_mdc1200.decode(sound)
    assert str(packet_heard.packet).startswith("35/89")
    bank, on = dtmf.DtmfBank(1), np.array([True])
    frames = sound[: len(sound) // 160 * 160].reshape(-1, 160)
    assert [d.symbol for f in frames for d in bank.step(f[None, :], on)] == list("110")
    tone = attention_tone(3).astype(float)
    at = int(np.correlate(sound.astype(float), tone, "valid").argmax())
    assert 0 < 8000 * five.at_s < at
    assert at > 8 * 1000, "after all three calls"


def test_a_call_that_cannot_be_sent_says_why_and_all_of_them_have_an_end() -> None:
    caller = Caller()
    for wrong, why in [
        ("zvei1:123", "five"), ("zvei9:12345", "no such signalling"), ("dtmf:1x", "0 to 9"),
        ("mdc1200:call:1234", "mdc_unit"), ("mdc1200:stun:1234", "use call"),
        ("mdc1200:ack:99", "four hexadecimal"), ("", "no such signalling"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=why):
            caller.sound(wrong)
    sound, wrong = caller.sounds(["zvei1:12345"] * 100)
    assert len(sound) / 8 <= CALLS_MS_MAX
    assert len(wrong) == 1


@pytest.mark.parametrize("tones", [True, False])
def test_an_emergency_is_acknowledged_to_the_radio_itself(tones: bool) -> None:
    air = Ear(answer_tones=tones)
    answer = AnswerOver(
        channel="gate", over="x", accepted=True, not_after_us=air.now.us + 10**7,
        signal="mdc1200:emergency_ack:1234",
    )  # fmt: skip
    air.channel.answer(answer)
    air.run(lambda: air.keyer.keyed)
    air.run(lambda: not air.keyer.keyed)
    (heard,) = other_mdc1200.decode(sounded(air))
    assert str(heard.packet) == "20/00 1234"
    tone = 8 * 200 if tones else 0
    assert np.count_nonzero(sounded(air)) == pytest.approx(8 * 325 + tone, abs=700)


# --- settings ---------------------------------------------------------------------------------


TONES = {symbol: 700 + 100 * n for n, symbol in enumerate("0123456789E")}
OURS = {"name": "ours", "tone_ms": 70, "tones": TONES}


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"signalling": {"ctcss": [88.5]}}, "kind: discriminator"),
        ({"signalling": {"dcs": ["023N"]}}, "kind: discriminator"),
        ({"control": {"url": "/dev/ttyUSB0", "squelch": "cts & ctcss"}}, "say which"),
        ({"audio": DISCRIMINATOR, "signalling": {"ctcss": [88.0]}}, "nearest is 88.5"),
        ({"audio": DISCRIMINATOR, "signalling": {"dcs": ["023"]}}, "polarity"),
        ({"audio": DISCRIMINATOR, "signalling": {"dcs": ["777N"]}}, "not among"),
        ({"signalling": {"selcall": ["zvei9"]}}, "zvei9|zvei1"),
        ({"signalling": {"selcall": ["zvei1", "zvei1"]}}, "stands twice"),
        ({"signalling": {"selcall": [OURS | {"name": "dtmf"}]}}, "no free name"),
        ({"signalling": {"selcall": [OURS | {"tones": {"0": 700}}]}}, "no frequency for 1"),
        ({"signalling": {"mdc_unit": "12F4"}}, "mdc_unit"),
        ({"signalling": {"dtmf": False}, "ani": {"digits": 5}}, "sent as digits"),
    ],
)  # fmt: skip
def test_signalling_that_cannot_be_heard_is_refused(fields: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        channel_settings(**fields)


def test_a_table_of_the_sites_own_is_heard_and_called() -> None:
    air = Ear(signalling={"selcall": [OURS]})
    own = SelcallTable.custom(OURS["name"], OURS["tone_ms"], OURS["tones"])
    air.over(selcall_tables.encode(own, "12234"))
    assert air.last_over().radio == "ours:12234"
    air.page(calls=("ours:12234",))
    air.run(lambda: air.told(PageSpoken))
    sound = sounded(air)
    hearing = Hearing([wishes_of(air.channel.settings)])
    heard = hearing.hear(sound[None, : len(sound) // 8000 * 8000], np.array([True]))
    assert [(h.set, h.value) for h in heard if h.kind == "selcall"] == [("ours", "12234")]


# --- bad input ----------------------------------------------------------------------------------


def test_a_tone_that_never_ends_names_nobody_and_the_channel_goes_on() -> None:
    air = Ear(signalling=ALL, stuck_squelch_s=61)
    endless = np.tile(dtmf.encode("1", tone_ms=1000, gap_ms=0), 20)
    air.squelch(True)
    air.sounds(silence(200), endless)
    air.sounds(dtmf.encode("*121#"))
    assert [d.digits for d in air.told(DigitsHeard)] == ["121"]
    air.squelch(False)
    air.run(lambda: air.told(OverHeard))
    assert air.last_over().radio is None
    air.page()
    air.run(lambda: air.told(PageSpoken))


def test_what_is_signalled_while_we_transmit_is_not_ours_to_hear() -> None:
    air = Ear(signalling=ALL)
    air.page(text=("4 a",))
    air.run(for_s=0.6)
    air.squelch(True)
    air.sounds(dtmf.encode("*1#"), call("12345"), silence(50), packet("00801234"))
    air.squelch(False)
    air.run(lambda: air.told(PageSpoken))
    air.run(for_s=1)
    assert not air.told(DigitsHeard) and not air.told(SignalHeard)
    assert not air.told(OverHeard)


def test_ten_minutes_of_open_squelch_are_named_and_an_emergency_still_comes_through() -> None:
    air = Ear(signalling=ALL)
    air.squelch(True)
    chance = np.random.default_rng(3)
    hiss = chance.normal(0, 1500, 8 * 1000).astype(np.int16)
    for _ in range(10):
        air.sounds(hiss)
        air.run(for_s=59)
    (down,) = air.told(PathChanged, up=False)
    assert "stuck" in down.reason
    assert not air.told(DigitsHeard) and not air.told(SignalHeard)
    for unit in ("1234", "1234", "1235"):
        air.sounds(packet(f"0080{unit}"), silence(300))
    assert [s.value for s in air.told(SignalHeard)] == ["emergency 1234", "emergency 1235"]
    air.run(for_s=310)
    air.sounds(packet("00801234"), silence(300))
    assert len(air.told(SignalHeard)) == 3, "not silenced for ever"
    air.sounds(dtmf.encode("*121#"), silence(300))
    assert air.told(DigitsHeard)[0].radio is None, "nobody knows whose over it is"
    air.page(level=1)
    air.run(lambda: air.told(PageSpoken), for_s=60)


def test_a_stranger_who_floods_the_channel_is_told_so_often_and_no_more() -> None:
    air = Ear(signalling=ALL)
    sounds = [packet(f"0180{unit:04X}") for unit in range(0x100, 0x128)]
    air.over(*sounds)
    assert len(air.told(SignalHeard)) == 32
    assert air.last_over().radio is None
    assert len(air.last_over().radios) == 8
    air.over(packet("01801234"))
    assert air.last_over().radio == "mdc1200:1234"
