"""Talk groups on a clock of their own: two channels and more, the patch bay, no wire."""

import json
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from pydantic import ValidationError

from drivers.radio.floor import Floor
from drivers.radio.patch import PatchBay
from drivers.radio.patched_over import Cut, PatchedOver, SignalMute, is_signalling
from drivers.radio.receiving import Moment
from drivers.radio.samples import Int16Array, frames_of
from drivers.radio.talk_rules import DISPATCHER, Rules, load_rules
from gateway.core.calls.events import PageSpoken, PageStarted, PageWaited
from gateway.interfaces import SetupError
from gateway.settings import TalkGroup
from simulators import mdc1200, selcall
from simulators.tones import dtmf, voice
from tests.drivers.radio.test_channel import QUIET, TICK_S, Air

SPEECH = frames_of(voice(20.0, 5))


def marked(number: int) -> Int16Array:
    """A loud frame that says which one it is, and is no signalling."""
    frame = SPEECH[number % 7 + 40].copy()
    frame[:] = np.random.default_rng(number).normal(0, 3000, 160).astype(np.int16)
    frame[0] = number
    return frame


class Site:
    """Channels by name, each with its own air, patched by one bay."""

    def __init__(self, *names: str, rules: dict[str, Rules] | None = None, **fields: object):
        self.airs = {name: Air(**({"squelch_tail_ms": 0} | fields)) for name in names}
        self.cuts: list[tuple[str, str, str, Cut]] = []
        self.bay = PatchBay(tell_cut=lambda *cut: self.cuts.append(cut))
        groups = rules or {"east": Rules(channels=names)}
        self.bay.configure(groups, ZoneInfo("Asia/Shanghai"))
        self.talking: dict[str, int | None] = dict.fromkeys(names)
        self.said: dict[str, list[int]] = {name: [] for name in names}
        self.sound: dict[str, list[Int16Array]] = {name: [] for name in names}

    @property
    def now(self) -> Moment:
        return next(iter(self.airs.values())).now

    def key(self, name: str, *sound: Int16Array) -> None:
        self.airs[name].squelch(True)
        self.talking[name], self.sound[name] = 0, list(sound)

    def unkey(self, name: str) -> None:
        self.airs[name].squelch(False)
        self.talking[name] = None

    def tick(self) -> None:
        voices = {}
        for name, air in self.airs.items():
            air.tick()
            frame = QUIET
            number = self.talking[name]
            if number is not None:
                self.talking[name] = number + 1
                sound = self.sound[name]
                frame = sound.pop(0) if sound else marked(number + 1)
                if not sound:
                    self.said[name].append(number + 1)
            voices[name] = air.channel.voice(air.now, frame, 0)
        self.bay.step(self.now, voices, {n: a.channel for n, a in self.airs.items()})

    def run(self, for_s: float) -> None:
        for _ in range(round(for_s / TICK_S)):
            self.tick()

    def heard_on(self, name: str) -> list[int]:
        """The marked frames that a channel has transmitted, by number."""
        return [int(f[0]) for f in self.airs[name].played if f.any()]


def test_an_over_goes_out_whole_on_the_other_channel_from_its_first_frame() -> None:
    site = Site("a", "b")
    site.key("a")
    site.run(3)
    site.unkey("a")
    site.run(2)
    assert site.heard_on("b") == list(range(1, 151))
    assert not site.heard_on("a")
    assert not site.airs["b"].keyer.keyed
    assert site.airs["b"].keyer.keyings == 1
    assert not site.cuts


def test_it_is_late_by_the_tx_delay_and_little_more() -> None:
    site = Site("a", "b")
    site.key("a")
    site.run(1)
    late_ms = 20 * next(k for k, f in enumerate(site.airs["b"].played) if f.any())
    assert late_ms <= 200 + 100, "200 ms is its tx_delay; 40 of the rest is the debouncing"


def test_quiet_before_the_first_word_is_not_waited_for() -> None:
    """He keys and breathes; what he says comes no later than the transmitter is up."""
    site = Site("a", "b")
    site.key("a", *[QUIET] * 8)
    site.run(3)
    begun = next(k for k, f in enumerate(site.airs["b"].played) if f.any())
    site.unkey("a")
    site.run(1)
    assert site.heard_on("b")[0] == 8 or site.heard_on("b")[0] == 9
    assert begun * 20 <= 160 + 200 + 60


def test_three_channels_hear_one_and_none_hears_itself() -> None:
    site = Site("a", "b", "c")
    site.key("b")
    site.run(1)
    site.unkey("b")
    site.run(1)
    assert site.heard_on("a") == site.heard_on("c") == list(range(1, 51))
    assert not site.heard_on("b")


def test_a_second_talker_is_not_carried_on_and_counted() -> None:
    site = Site("a", "b", "c")
    site.key("a")
    site.run(0.04)
    site.key("c")
    site.run(2)
    site.unkey("a")
    site.run(1)
    assert site.bay.counts["east"].refused == 1
    assert len(site.heard_on("b")) == 102
    assert site.airs["b"].keyer.keyings == 1, "he who was second is not carried on afterwards"
    site.unkey("c")
    site.run(1)
    site.airs["b"].played.clear()
    site.key("c")
    site.run(1)
    assert site.heard_on("b"), "once he has let go he is welcome"


def test_what_comes_back_of_our_own_transmission_is_not_bridged() -> None:
    """Channel b hears all the time, and hears us: an over that begins while we send is none."""
    site = Site("a", "b", duplex="full")
    site.key("a")
    site.run(0.3)
    site.key("b")  # our own carrier, as its receiver hears it
    site.run(1)
    site.unkey("a")
    site.run(0.5)
    site.unkey("b")
    site.run(1)
    assert not site.heard_on("a")
    assert site.airs["a"].keyer.keyings == 0


def test_a_repeater_gives_nothing_back() -> None:
    site = Site("a", "b", duplex="repeater", repeater_hang_ms=3000)
    site.key("a")
    site.run(1)
    site.airs["b"].squelch(True)  # the repeater's carrier, while we send and for 2 s after
    site.unkey("a")
    site.run(2.5)
    site.airs["b"].squelch(False)
    site.run(2)
    assert not site.heard_on("a")
    assert site.airs["a"].keyer.keyings == 0


def test_talk_breaks_off_at_a_gap_for_an_order() -> None:
    site = Site("a", "b")
    site.key("a")
    site.run(2)
    site.airs["b"].page("p1")
    site.run(3)
    assert not site.airs["b"].told(PageStarted), "nobody draws breath"
    assert site.airs["b"].told(PageWaited)[0].reason == "talk"
    site.sound["a"] = [QUIET] * 25 + [marked(1)] * 500
    site.run(4)
    assert site.airs["b"].told(PageSpoken), "he goes on talking, and the order was spoken"
    assert site.cuts == [("east", "channel:a", "b", "order")]
    assert site.bay.counts["east"].cut == 1


def test_level_1_waits_for_no_gap_longer_than_its_limit() -> None:
    site = Site("a", "b", busy_wait_s=[2, 60, 300])
    site.key("a")
    site.run(1)
    site.airs["b"].page("p1", level=1)
    site.run(1.8)
    assert not site.airs["b"].told(PageStarted)
    site.run(1.5)
    assert site.airs["b"].told(PageStarted)
    assert site.cuts[0][3] == "order"


def test_talk_waits_where_a_channel_is_kept_for_answers_and_answers_are_no_talk() -> None:
    site = Site("a", "b")
    site.airs["b"].page("p1", answer_window_s=5)
    site.run(3)
    assert site.airs["b"].told(PageSpoken)
    site.airs["b"].played.clear()
    site.key("b")
    site.run(1)
    site.unkey("b")
    site.run(1)
    assert site.airs["a"].keyer.keyings == 0, "an answer is not carried to other channels"
    site.key("a")
    site.run(0.5)
    site.unkey("a")
    site.run(1)
    assert not site.heard_on("b")
    assert site.bay.counts["east"].barred == 1


def test_a_busy_channel_hears_the_latest_of_it_when_it_is_free() -> None:
    site = Site("a", "b")
    site.airs["b"].squelch(True)
    site.run(0.5)
    site.key("a")
    site.run(3)
    site.airs["b"].squelch(False)
    site.run(2)
    heard = site.heard_on("b")
    assert heard
    assert heard[0] > 100, "not what was said three seconds ago"
    assert heard == list(range(heard[0], heard[-1] + 1))


def test_the_time_out_timer_cuts_cleanly_and_he_is_told() -> None:
    site = Site("a", "b", time_out_s=5)
    site.key("a")
    site.run(8)
    assert site.cuts == [("east", "channel:a", "b", "time_out")]
    assert site.airs["b"].keyer.keyings == 1
    assert max(site.airs["b"].transmissions()) < 5
    site.unkey("a")
    site.run(0.5)
    site.key("a")
    site.run(1)
    assert site.airs["b"].keyer.keyings == 2


def test_the_group_goes_on_when_the_engine_is_dead() -> None:
    site = Site("a", "b")
    site.airs["b"].engine = site.airs["a"].engine = False
    site.airs["b"].page("p1")
    site.key("a")
    site.run(1)
    site.unkey("a")
    site.run(1)
    assert site.heard_on("b") == list(range(1, 51))
    assert not site.airs["b"].told(PageStarted)


def test_a_channel_without_a_licence_stays_silent() -> None:
    site = Site("a", "b", licence=None)
    site.key("a")
    site.run(1)
    assert site.cuts == [("east", "channel:a", "b", "path")]
    assert site.airs["b"].keyer.keyings == 0


def test_a_lost_keyer_ends_it_and_the_next_over_is_carried_again() -> None:
    site = Site("a", "b")
    site.key("a")
    site.run(1)
    site.airs["b"].channel.lost("keyer", "gone", site.now)
    site.run(0.1)
    assert site.cuts == [("east", "channel:a", "b", "path")]
    site.airs["b"].keyer.keyed = False
    site.airs["b"].channel.keyer_said("ready", "", site.now.s, site.now)
    site.airs["b"].squelch(False)
    site.unkey("a")
    site.run(1)
    site.key("a")
    site.run(1)
    assert site.airs["b"].keyer.keyings == 2


# --- switched, hours, who may ------------------------------------------------------------------


def test_a_group_is_patched_in_its_hours_and_as_it_was_switched() -> None:
    rules = Rules(channels=("a", "b"), minutes=(22 * 60, 6 * 60))
    assert rules.patched(23 * 60)
    assert rules.patched(0)
    assert not rules.patched(6 * 60)
    floor = Floor("g", rules, lambda *cut: None)
    floor.switch = (True, 1_000)
    assert floor.patched(Moment(0.0, 999), 12 * 60)
    assert not floor.patched(Moment(0.0, 1_000), 12 * 60)
    assert floor.switch is None


def test_switching_off_ends_talk_at_once_and_the_over_is_not_taken_up_again() -> None:
    site = Site("a", "b")
    site.key("a")
    site.run(1)
    site.bay.switch("east", on=False, until_us=None)
    site.run(1)
    assert site.cuts == [("east", "channel:a", "b", "off")]
    site.bay.switch("east", on=True, until_us=None)
    site.run(1)
    assert site.airs["b"].keyer.keyings == 1
    site.unkey("a")
    site.run(0.5)
    site.key("a")
    site.run(1)
    assert site.airs["b"].keyer.keyings == 2


def test_only_whom_the_rules_name_talks() -> None:
    rules = {"east": Rules(channels=("a", "b"), sources=("channel:a",))}
    site = Site("a", "b", rules=rules)
    site.key("b")
    site.run(1)
    site.unkey("b")
    site.run(1)
    assert not site.heard_on("a")
    assert site.bay.counts["east"].barred == 1
    site.key("a")
    site.run(1)
    assert site.heard_on("b")


def test_a_channel_in_two_groups_carries_nothing_from_one_to_the_other() -> None:
    rules = {"g": Rules(channels=("a", "b")), "h": Rules(channels=("b", "c"))}
    site = Site("a", "b", "c", rules=rules)
    site.key("a")
    site.run(1)
    site.unkey("a")
    site.run(1)
    assert site.heard_on("b")
    assert not site.heard_on("c")


def test_the_rules_come_from_the_settings(tmp_path: Path) -> None:
    group = {
        "members": ["channel:a", "chat:work/east", "channel:b"], "hours": "06:00-22:30",
        "from": ["channel:a"], "relay": False,
    }  # fmt: skip
    tree = {"site": {"timezone": "Asia/Shanghai"}, "talk_groups": {"east": group}}
    path = tmp_path / "resolved.json"
    path.write_text(json.dumps(tree))
    groups, zone = load_rules(path)
    assert groups["east"] == Rules(
        channels=("a", "b"), sources=("channel:a",), minutes=(360, 1350), relay=False
    )
    assert str(zone) == "Asia/Shanghai"
    path.write_text("{")
    with pytest.raises(SetupError, match="no resolved settings"):
        load_rules(path)


# --- sound ----------------------------------------------------------------------------------


def muted(sound: Int16Array) -> list[Int16Array]:
    mute = SignalMute()
    out = [mute.step(frame) for frame in frames_of(sound)]
    return [f for f in out if f is not None] + mute.flush()


@pytest.mark.parametrize(
    "signal",
    [dtmf("*10031#"), dtmf("159D"), selcall.encode("12345", "zvei1"),
     mdc1200.encode(mdc1200.ptt_id(0x1234))],
    ids=["dtmf", "dtmf of the corners", "selcall", "mdc1200"],
)  # fmt: skip
def test_signalling_is_silent_on_the_other_channel(signal: Int16Array) -> None:
    sound = np.concatenate([SPEECH[:100].ravel(), signal, SPEECH[100:200].ravel()])
    left = muted(sound.astype(np.int16))
    part = np.concatenate(left)[16_000 + 160 : 16_000 + len(signal) - 160].astype(float)
    loud = np.square(signal.astype(float)).sum()
    assert np.square(part).sum() < 0.12 * loud


def test_speech_goes_through() -> None:
    kept = muted(SPEECH.ravel())
    assert len(kept) == len(SPEECH)
    lost = sum(1 for a, b in zip(SPEECH, kept, strict=True) if a.any() and not b.any())
    assert lost <= len(SPEECH) * 0.01


def test_noise_and_silence_are_no_signalling() -> None:
    rng = np.random.default_rng(3)
    hiss = rng.normal(0, 2000, (500, 160)).astype(np.int16)
    assert not any(is_signalling(frame) for frame in hiss)
    assert not is_signalling(QUIET)


def test_the_squelch_tail_is_not_carried_on() -> None:
    site = Site("a", "b", squelch_tail_ms=100)
    site.key("a")
    site.run(2)
    site.unkey("a")
    site.run(2)
    assert site.heard_on("b")[-1] == 96, "the last 100 ms were noise, 20 of them on their way"


def test_an_order_of_sound_that_never_comes_ends_by_itself() -> None:
    over = PatchedOver("channel:a")
    over.begin(0)
    over.close()
    assert over.next_frame(0, 1000, stop=False) is None
    assert over.finished


def test_a_dispatcher_takes_the_floor_and_the_channels_stay_keyed() -> None:
    site = Site("a", "b")
    floor = site.bay._floors["east"]
    targets = {n: air.channel for n, air in site.airs.items()}
    site.key("a")
    site.run(1)
    for number in range(50):
        floor.hear(DISPATCHER, [marked(1000 + number)], may=True, targets=targets)
        site.tick()
    assert site.airs["b"].keyer.keyings == 1
    assert site.heard_on("b")[-5:] == [1045, 1046, 1047, 1048, 1049]
    assert ("east", "channel:a", DISPATCHER, "taken") in site.cuts
    site.unkey("a")
    site.run(0.4)
    floor.end(DISPATCHER, [])
    site.run(1)
    assert site.heard_on("a"), "once he is silent he hears it too"


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"members": ["channel:a"]}, "two members"),
        ({"members": ["channel:a", "channel:a"]}, "twice"),
        ({"from": ["channel:c"]}, "channel:c is no member"),
        ({"hours": "06:00-06:00"}, "should end"),
        ({"hours": "6-22"}, "pattern"),
        ({"dispatcher": "rtp://10.0.0.9:5004"}, "local_port"),
    ],
)
def test_wrong_rules_are_refused_with_their_reason(
    fields: dict[str, object], complaint: str
) -> None:
    tree = {"members": ["channel:a", "channel:b"]} | fields
    with pytest.raises(ValidationError, match=complaint):
        TalkGroup.model_validate_json(json.dumps(tree))


def test_new_settings_that_take_a_group_away_tell_the_talker_cut() -> None:
    site = Site("a", "b")
    site.key("a", *frames_of(voice(2.0, 3)))
    for _ in range(50):
        site.tick()
    assert site.bay.counts["east"].talks == 1
    site.bay.configure({}, ZoneInfo("Asia/Shanghai"))
    assert site.cuts == [("east", "channel:a", "b", "off")]
