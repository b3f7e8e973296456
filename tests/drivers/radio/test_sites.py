"""Channels as sites have them: repeaters, duplex, monitors, faulty squelches, cut overs."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from drivers.radio.channel import Channel
from drivers.radio.heard import Heard
from drivers.radio.hearing import Presence
from drivers.radio.identification import StationIdentity
from drivers.radio.radiation import NOTHING_RADIATED, RadiationCheck
from drivers.radio.resolved_channels import load_channels
from drivers.radio.samples import frames_of
from drivers.radio.speech import Rendered
from drivers.radio.tones import attention_tone
from gateway.core.answers.events import DigitsHeard, OverHeard
from gateway.core.calls.events import PageFailed, PageSpoken, PageStarted
from gateway.core.events import PathChanged
from tests.drivers.radio.test_channel import QUIET, TICK_S, Air

ANI = {"digits": 5}


class Listed:
    """Renders nothing; notes what is asked of it, and in which language."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def request(self, key: str, text: str, language: str) -> Rendered | None:
        self.asked.append((text, language))
        return None


def key(air: Air, symbols: str) -> None:
    """Key symbols as the decoder tells them, five a second."""
    for symbol in symbols:
        air.tick(symbol)
        air.run(for_s=0.18)


def an_over(air: Air, symbols: str) -> OverHeard:
    before = len(air.told(OverHeard))
    air.squelch(True)
    air.run(for_s=0.5)
    key(air, symbols)
    air.squelch(False)
    air.run(lambda: len(air.told(OverHeard)) > before, for_s=2)
    return air.told(OverHeard)[-1]


# --- up only when it hears ---------------------------------------------------------------------


def test_a_channel_is_up_only_when_lines_and_sound_are_followed() -> None:
    air = Air()
    air.channel.keyer_said("fault", "gone", air.s, air.now)
    air.run(for_s=0.5)
    air.channel.keyer_said("ready", "", air.s, air.now)
    air.run(for_s=1)
    assert [e.up for e in air.told(PathChanged)] == [True, False], "its lines are not told yet"
    air.run(for_s=2)
    assert "does not tell cts" in str(air.channel.path[1])
    air.squelch(False)
    took_s = air.run(lambda: air.told(PathChanged)[-1].up)
    assert took_s == pytest.approx(0.2, abs=0.05)


def test_an_over_that_was_open_when_the_channel_came_up_is_answered_by_nothing() -> None:
    """The end of an identity and a frame are not a frame without an identity."""
    air = Air(ani=ANI)
    air.channel.keyer_said("fault", "gone", air.s, air.now)
    air.channel.keyer_said("ready", "", air.s, air.now)
    air.squelch(True)
    air.run(for_s=0.1)
    key(air, "31*1#")
    air.run(for_s=0.3)
    assert air.told(PathChanged)[-1].up
    air.squelch(False)
    air.run(lambda: air.told(OverHeard))
    assert not air.told(DigitsHeard)
    assert air.told(OverHeard)[0].stray == "31*1#"
    whole = an_over(air, "10031*1#")
    assert (whole.ani, whole.stray) == ("10031", "")
    assert [(d.digits, d.ani) for d in air.told(DigitsHeard)] == [("1", "10031")]


def test_a_cut_over_that_names_its_guard_is_whole_enough() -> None:
    air = Air(ani=ANI)
    air.page(text=("0.5 a",))
    air.squelch(True)  # he keys while we speak, and goes on
    air.run(lambda: air.told(PageSpoken))
    air.run(for_s=0.2)
    key(air, "31*120311#*121#")
    air.squelch(False)
    air.run(lambda: air.told(OverHeard))
    assert [d.digits for d in air.told(DigitsHeard)] == ["120311"]
    assert air.told(OverHeard)[0].stray == "31*121#"


def test_an_over_in_which_sound_was_lost_is_cut() -> None:
    air = Air(ani=ANI)
    air.squelch(True)
    air.run(for_s=0.2)
    for _ in range(5):
        air.s += TICK_S
        air.channel.follow(air.now, None)
        air.channel.tick(air.now, may_key=True)
    key(air, "31*1#")
    air.squelch(False)
    air.run(lambda: air.told(OverHeard))
    assert not air.told(DigitsHeard)


def test_a_hole_in_the_sound_cuts_the_over_and_only_that_one() -> None:
    air = Air(ani=ANI)
    air.squelch(True)
    air.run(for_s=0.3)
    key(air, "10")
    air.channel.missed()
    key(air, "31*1#")
    air.squelch(False)
    air.run(lambda: air.told(OverHeard))
    assert not air.told(DigitsHeard)
    assert an_over(air, "10031*1#").ani == "10031"
    assert len(air.told(DigitsHeard)) == 1


def test_nothing_is_keyed_before_the_squelch_is_known_for_two_seconds_at_most() -> None:
    air = Air()
    air.channel.keyer_said("fault", "gone", air.s, air.now)
    air.channel.keyer_said("ready", "", air.s, air.now)
    air.page(level=1)
    took_s = air.run(lambda: air.keyer.keyed)
    assert took_s == pytest.approx(2, abs=0.1), "an order does not wait for a deaf channel"


# --- squelch ------------------------------------------------------------------------------------


def test_a_line_and_a_tone_together_make_an_over() -> None:
    air = Air(
        control={"url": "/dev/ttyUSB0", "squelch": "cts & ctcss"},
        audio={"url": "rtp://127.0.0.1:1?local_port=2", "kind": "discriminator"},
        signalling={"ctcss": [88.5]},
    )
    air.squelch(True)
    air.run(for_s=1)
    assert air.channel.idle, "a stranger without the tone"
    heard = Heard(0, "ctcss", None, "88.5", 0, 0.0)
    air.channel.below_voice(Presence(0, "ctcss", heard), air.now)
    air.run(for_s=1)
    air.channel.below_voice(Presence(0, "ctcss", None), air.now)
    air.run(lambda: air.told(OverHeard))
    assert air.told(OverHeard)[0].keyed_ms == pytest.approx(1000, abs=60)


def test_short_presses_make_no_over_and_are_told_as_a_pattern() -> None:
    air = Air()
    for _ in range(2):
        air.squelch(True)
        air.run(for_s=0.2)
        air.squelch(False)
        air.run(for_s=0.3)
    assert not air.told(OverHeard)
    assert not air.heard_recorder.frames, "not recorded"
    air.run(lambda: air.told(OverHeard), for_s=2)
    (presses,) = air.told(OverHeard)
    assert presses.recording is None
    assert presses.presses_ms == pytest.approx((200, 300, 200), abs=21)
    assert presses.keyed_ms == pytest.approx(400, abs=40)
    assert an_over(air, "").presses_ms == pytest.approx((500,), abs=21)


def test_the_tail_of_an_over_is_not_recorded() -> None:
    air = Air(squelch_tail_ms=200)
    air.squelch(True)
    air.run(for_s=2)
    air.squelch(False)
    air.run(lambda: air.told(OverHeard))
    recorded_ms = 20 * air.heard_recorder.frames[air.told(OverHeard)[0].recording]
    assert recorded_ms == pytest.approx(1800, abs=45)


@pytest.mark.parametrize("policy", ["transmit", "wait"])
def test_a_flapping_squelch_is_named_and_orders_go_by_policy(policy: str) -> None:
    air = Air(flapping_squelch=policy)

    def flap(until: Callable[[], object] = lambda: False, *, for_s: float) -> None:
        for n in range(round(for_s / TICK_S)):
            air.squelch(n % 4 < 2)
            air.tick()
            if until():
                return

    flap(for_s=6)
    (down,) = air.told(PathChanged, up=False)
    assert "opens and closes all the time" in down.reason
    heard = len(air.told(OverHeard))
    air.page(level=2)
    flap(lambda: air.told(PageStarted), for_s=4)
    assert bool(air.told(PageStarted)) is (policy == "transmit")
    assert len(air.told(OverHeard)) == heard, "noise is no over"
    air.squelch(False)
    air.run(lambda: air.told(PathChanged)[-1].up, for_s=8)
    air.run(lambda: air.told(PageSpoken))


# --- repeaters and duplex -----------------------------------------------------------------------


def test_a_repeaters_carrier_after_our_own_transmission_is_nobody() -> None:
    air = Air(duplex="repeater", ani=ANI)
    air.page("first")
    air.run(for_s=0.1)
    air.squelch(True)  # the repeater relays us, and stays for two seconds
    air.run(lambda: air.told(PageSpoken))
    air.page("second")
    air.run(lambda: air.told(PageSpoken, page="second"), for_s=4)
    air.run(for_s=2)
    air.squelch(False)
    air.run(for_s=2)
    assert not air.told(OverHeard)
    assert an_over(air, "10031*1#").ani == "10031"


def voice(n: int) -> np.ndarray:
    t = (np.arange(160) + 160 * n) / 8000
    return (5000 * np.sin(2 * np.pi * 500 * t)).astype(np.int16)


def test_a_guard_who_answers_through_the_repeaters_carrier_is_heard() -> None:
    air = Air(duplex="repeater", ani=ANI)
    air.page(level=1)
    air.squelch(True)
    air.run(lambda: air.told(PageSpoken))
    air.run(for_s=0.6)
    assert air.channel.idle
    for n, symbol in enumerate("10031*1#"):
        for frame in range(10):
            air.s += TICK_S
            assert air.channel.follow(air.now, voice(10 * n + frame)), "digits are looked for"
            if frame == 5:
                air.channel.heard(symbol, air.now)
            air.channel.tick(air.now, may_key=True)
    assert not air.channel.idle
    (digits,) = air.told(DigitsHeard)
    assert (digits.digits, digits.ani) == ("1", "10031")


def test_a_repeater_that_stays_for_longer_than_it_may_counts_as_somebody() -> None:
    air = Air(duplex="repeater", repeater_hang_ms=1000)
    air.page()
    air.squelch(True)
    air.run(lambda: air.told(PageSpoken))
    air.run(for_s=2)
    assert not air.channel.idle


def test_full_duplex_hears_while_it_transmits() -> None:
    air = Air(duplex="full", ani=ANI)
    air.page(text=("4 a",))
    air.run(for_s=0.5)
    over = an_over(air, "10031*1#")
    assert air.keyer.keyed and over.ani == "10031"
    assert air.told(DigitsHeard)[0].digits == "1"


# --- the monitor --------------------------------------------------------------------------------


class Radiating:
    """Plays an Air and gives its monitor what comes back, 100 ms later."""

    def __init__(self, air: Air, comes_back: Callable[[np.ndarray], np.ndarray | None]) -> None:
        self.air = air
        self.comes_back = comes_back

    def run(self, until: Callable[[], object]) -> None:
        late = [QUIET] * 5
        for _ in range(1500):
            self.air.channel.monitored(self.comes_back(late.pop(0)))
            self.air.tick()
            late.append(self.air.played[-1])
            if until():
                return
        pytest.fail(f"not in 30 s; {self.air.events}")


RNG = np.random.default_rng(3)
HISS = [RNG.normal(0, 3000, 160).astype(np.int16) for _ in range(50)]


@pytest.mark.parametrize("air_gives", ["nothing", "hiss"])
def test_keyed_but_nothing_radiated_is_told_and_the_page_failed(air_gives: str) -> None:
    air = Air(monitor={"within_ms": 600})
    back = {"nothing": lambda _: QUIET, "hiss": lambda _: HISS[int(air.s * 50) % 50]}[air_gives]
    air.page(text=("3 a",))
    Radiating(air, back).run(lambda: air.told(PageFailed))
    assert air.told(PageFailed)[0].reason == NOTHING_RADIATED
    assert air.told(PathChanged)[-1].reason == NOTHING_RADIATED
    assert air.transmissions()[0] > 3, "the sentence is finished all the same"
    air.page("again", text=("1 a",))
    Radiating(air, lambda frame: frame // 4).run(lambda: air.told(PageSpoken))
    assert air.told(PathChanged)[-1].up


def test_a_monitor_without_sound_proves_nothing() -> None:
    air = Air(monitor={"within_ms": 200})
    air.page(text=("1 a",))
    Radiating(air, lambda _: None).run(lambda: air.told(PageSpoken))
    assert not air.told(PathChanged, up=False)


def test_another_tone_is_not_ours() -> None:
    check = RadiationCheck(600)
    for ours, other in zip(
        frames_of(attention_tone(2)), frames_of(attention_tone(3).repeat(3)), strict=False
    ):
        check.sent(ours)
        check.heard(other // 8)
    assert check.verdict != "heard"


# --- identification -----------------------------------------------------------------------------


def test_the_station_identifies_itself_at_the_end_of_use_and_every_so_often() -> None:
    air = Air(identification={"text": "1 东河", "every_min": 1, "after_s": 10})
    air.run(for_s=100)
    assert not air.transmissions(), "a channel that is not used says nothing"
    air.page()
    air.run(lambda: air.told(PageSpoken))
    waited_s = air.run(lambda: air.keyer.keyed)
    assert waited_s == pytest.approx(10, abs=0.5)
    air.run(for_s=100)
    assert len(air.transmissions()) == 2
    assert air.transmissions()[1] == pytest.approx(0.2 + 1 + 0.1, abs=0.1)
    air.keyed_s.clear()
    for number in range(10):  # eighty seconds of use without an end
        air.page(f"q{number}")
        air.run(for_s=8)
    assert len(air.transmissions()) == 11


@pytest.mark.parametrize(
    ("own", "site", "spoken"),
    [(None, "en", "en"), ("zh_CN", "en", "zh_CN"), ("en", "zh_CN", "en"), (None, None, "zh_CN")],
)
def test_the_station_identifies_itself_in_the_sites_language_or_in_its_own(
    tmp_path: Path, own: str | None, site: str | None, spoken: str
) -> None:
    said = {"text": "Donghe", **({"language": own} if own else {})}
    bare = Air(identification=said).channel.settings
    tree = {
        "site": {"id": "x", **({"language": site} if site else {})},
        "channels": {"gate": json.loads(bare.model_dump_json(by_alias=True))},
    }
    path = tmp_path / "resolved.json"
    path.write_text(json.dumps(tree))
    channels, _ = load_channels(path)
    speech = Listed()
    identity = StationIdentity("gate", channels["gate"].identification, speech)
    identity.used(0.0)
    assert identity.due(60.0) is None, "it is being rendered"
    assert speech.asked == [("Donghe", spoken)]


def test_identification_gives_way_and_is_said_again_by_tones_too() -> None:
    air = Air(identification={"dtmf": "123456789", "after_s": 5})
    air.page()
    air.run(lambda: air.told(PageSpoken))
    air.run(lambda: air.keyer.keyed)
    air.run(for_s=0.5)
    air.page("urgent", level=1)
    took_s = air.run(lambda: air.told(PageStarted, page="urgent"))
    assert took_s < 0.7
    air.run(lambda: air.told(PageSpoken, page="urgent"))
    air.run(for_s=10)
    assert air.transmissions()[-1] == pytest.approx(0.2 + 9 * 0.14 + 0.1, abs=0.1)
    air.run(for_s=60)
    assert len(air.transmissions()) == 4


def test_a_withdrawn_licence_silences_identification_too() -> None:
    air = Air(licence=None, identification={"text": "1 东河", "after_s": 5})
    air.page()
    air.run(for_s=30)
    assert isinstance(air.channel, Channel) and not air.transmissions()
