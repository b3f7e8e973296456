"""The channel when it is not kind, and radios that cannot do everything, frame by frame."""

import json
from pathlib import Path

import pytest

from simulators.channel_model import Air, Equipment, Link
from simulators.ether import Ether
from simulators.handheld import Handheld
from simulators.radio_models import MODELS, Keyed, Pressed, RadioSet, Status
from simulators.selcall import encode as five_tones
from simulators.tones import silence, voice
from tests.simulation.air_stories import Clockless, Listener


def radio(**fields: object) -> RadioSet:
    return RadioSet.read(fields)


# ---- who hears whom by physics ----


@pytest.mark.asyncio
async def test_with_good_links_everybody_is_read_as_on_the_kind_ether() -> None:
    ether = Ether("ch1", seed=1, air=Air(seed=1))
    speaker, listener = Handheld(ether, "034"), Handheld(ether, "035")
    (over,) = await Clockless(ether).during(speaker.key_and_send("*12034#1", voice_s=1.0))
    heard = await listener.next_heard(0)
    assert heard.digits == over.digits == "*12034#1"
    assert heard.rms_dbfs == pytest.approx(over.rms_dbfs, abs=3)
    assert not speaker.heard


@pytest.mark.asyncio
async def test_of_two_at_once_each_hears_the_one_who_is_near_him() -> None:
    links = {("034", "base"): Link(cnr_db=35), ("035", "base"): Link(cnr_db=20)}
    links |= {("034", "099"): Link(cnr_db=20), ("035", "099"): Link(cnr_db=35)}
    ether = Ether("ch1", seed=1, air=Air(seed=1, links=links))
    near, far = Handheld(ether, "034"), Handheld(ether, "035")
    base, other = Handheld(ether, "base"), Handheld(ether, "099")
    overs = await Clockless(ether).during(near.key_and_send("*1#"), far.key_and_send("*7#"))
    assert [heard.digits for heard in base.heard] == ["*1#"]
    assert [heard.digits for heard in other.heard] == ["*7#"]
    assert all(over.collided for over in overs)


@pytest.mark.asyncio
async def test_one_way_radios() -> None:
    links = {("034", "base"): Link(cnr_db=None), ("base", "035"): Link(cnr_db=None)}
    ether = Ether("ch1", seed=1, air=Air(seed=1, links=links))
    unheard, deaf, base = (
        Handheld(ether, "034"),
        Handheld(ether, "035"),
        Handheld(ether, "base"),
    )
    clockless = Clockless(ether)
    await clockless.during(unheard.key_and_send("*1#"))
    await clockless.during(deaf.key_and_send("*2#"))
    await clockless.during(base.key_and_send("*3#"))
    assert [heard.digits for heard in base.heard] == ["*2#"]
    assert [heard.digits for heard in deaf.heard] == ["*1#"]
    assert [heard.digits for heard in unheard.heard] == ["*2#", "*3#"]


@pytest.mark.asyncio
async def test_the_record_says_how_much_of_an_over_the_base_could_hear(tmp_path: Path) -> None:
    log = tmp_path / "ether.jsonl"
    links = {("035", "base"): Link(cnr_db=2.0)}
    ether = Ether("ch1", 1, log, air=Air(seed=1, links=links))
    strong, weak, _ = Handheld(ether, "034"), Handheld(ether, "035"), Listener(ether)
    clockless = Clockless(ether)
    await clockless.during(strong.key_and_send(voice_s=1))
    await clockless.during(weak.key_and_send(voice_s=1))
    ether.close(clockless.now_s)
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    heard = {line["who"]: line["base_heard"] for line in lines if line["what"] == "over"}
    assert heard["034"] > 0.9
    assert heard["035"] < 0.1


@pytest.mark.asyncio
async def test_a_late_tone_squelch_eats_the_first_digit_of_who_hurries() -> None:
    base = Equipment(ctcss_hz=88.5)
    ether = Ether("ch1", seed=3, air=Air(seed=3, radios={"base": base}))
    listener = Handheld(ether, "base")
    clockless = Clockless(ether)
    fields = {"model": "uv5r", "id": 10034, "ctcss_hz": 88.5}
    hurried = Handheld(ether, "034", radio=radio(**fields, lead_ms=100))
    patient = Handheld(ether, "035", radio=radio(**fields, lead_ms=400))
    without = Handheld(ether, "036", radio=radio(model="uv5r", id="10036"))
    for each in (hurried, patient, without):
        await clockless.during(each.key_and_send("*1#"))
    assert [heard.digits for heard in listener.heard] == ["0034*1#", "10034*1#"]


@pytest.mark.asyncio
async def test_the_reverse_burst_closes_a_tone_squelch_without_a_tail() -> None:
    ends = {}
    for hz in (None, 88.5):
        ether = Ether("ch1", seed=3, air=Air(seed=3, radios={"base": Equipment(ctcss_hz=hz)}))
        base = Listener(ether)
        guard = Handheld(ether, "034", radio=radio(model="bf888s", ctcss_hz=88.5))
        clockless = Clockless(ether)
        await clockless.during(guard.transmit(silence(1000)))
        last = len(base.squelch) - base.squelch[::-1].index(True)
        loud = [abs(f.astype(int)).max() for f in base.frames[last - 4 : last]]
        ends[hz] = max(loud)
    assert ends[None] > 8000, "noise until the squelch closes"
    assert ends[88.5] < 3000, "closed while the carrier was still there"


@pytest.mark.asyncio
async def test_a_receiver_that_is_not_muted_hisses_all_day() -> None:
    ether = Ether("ch1", seed=3, air=Air(seed=3, radios={"base": Equipment(muted=False)}))
    base = Listener(ether)
    await Clockless(ether).pass_time(1.0)
    assert not any(base.squelch)
    assert min(abs(frame.astype(int)).max() for frame in base.frames) > 3000


# ---- sites ----


@pytest.mark.parametrize("air", [None, Air(seed=1)], ids=["kind", "physical"])
@pytest.mark.asyncio
async def test_a_duplex_base_hears_while_it_sends_and_handhelds_hear_it_alone(
    air: Air | None,
) -> None:
    ether = Ether("ch1", seed=1, site="duplex", air=air)
    guard, other, base = Handheld(ether, "034"), Handheld(ether, "035"), Listener(ether)
    base.to_say = [silence(20)] * 200
    clockless = Clockless(ether)
    (over,) = await clockless.during(guard.key_and_send("*1#"))
    heard = [open_ for open_ in base.squelch if open_]
    assert len(heard) >= len(over.samples) / 160 - 5
    assert not over.collided
    await clockless.pass_time(4.5)
    assert [each.digits for each in other.heard] == [""], "it heard the base, never the guard"


@pytest.mark.parametrize("air", [None, Air(seed=1)], ids=["kind", "physical"])
@pytest.mark.asyncio
async def test_a_repeater_carries_one_to_the_other_and_hangs_on(
    air: Air | None, tmp_path: Path
) -> None:
    log = tmp_path / "ether.jsonl"
    ether = Ether("ch1", 1, log, site="repeater", repeater_hang_s=0.6, air=air)
    guard, other, base = Handheld(ether, "034"), Handheld(ether, "035"), Listener(ether)
    clockless = Clockless(ether)
    (over,) = await clockless.during(guard.key_and_send("*1#"))
    await clockless.pass_time(1.0)
    assert [each.digits for each in other.heard] == ["*1#"]
    assert [each.digits for each in guard.heard] == [""], "he hears its hang when he lets go"
    open_s = sum(base.squelch) * 0.02
    assert open_s == pytest.approx(over.duration_s + 0.6 + 0.15, abs=0.15)
    assert [each.who for each in ether.overs] == ["034"]
    ether.close(clockless.now_s)
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert [line["on"] for line in lines if line["what"] == "repeater"] == [True, False]


@pytest.mark.asyncio
async def test_the_base_of_a_repeater_site_hears_its_own_voice_come_back() -> None:
    ether = Ether("ch1", seed=1, site="repeater", repeater_hang_s=0.2)
    base = Listener(ether)
    base.to_say = list(voice(1.0, 1).reshape(-1, 160))
    await Clockless(ether).pass_time(1.5)
    assert sum(base.squelch) * 0.02 == pytest.approx(1.2, abs=0.2)
    assert max(abs(f.astype(int)).max() for f in base.frames[10:40]) > 2000


# ---- what radios can send ----


@pytest.mark.parametrize(
    ("fields", "signals", "digits"),
    [
        ({"model": "uv5r", "id": "10034"}, (), "10034"),
        ({"model": "uv5r", "id": "10034", "id_position": "both"}, (), "1003410034"),
        ({"model": "btech", "id": "12340"}, ("zvei1 12340",), ""),
        ({"model": "anytone", "id": "12340", "id_kind": "selcall", "selcall_set": "ccir"},
         ("ccir 12340",), ""),
        ({"model": "mdc1200", "id": "1034", "id_position": "both"},
         ("mdc1200 01/80 1034", "mdc1200 01/00 1034"), ""),
        ({"model": "bf888s"}, (), ""),
    ],
)  # fmt: skip
@pytest.mark.asyncio
async def test_each_radio_says_who_it_is_as_it_can(
    fields: dict[str, object], signals: tuple[str, ...], digits: str
) -> None:
    ether = Ether("ch1", seed=1)
    guard = Handheld(ether, "034", radio=radio(**fields))
    (over,) = await Clockless(ether).during(guard.key_and_send(voice_s=1.0))
    assert (over.signals, over.digits) == (signals, digits)


@pytest.mark.asyncio
async def test_statuses_and_the_emergency_key() -> None:
    ether = Ether("ch1", seed=1)
    guard = Handheld(ether, "034", radio=radio(model="mdc1200", id="1034"))
    clockless = Clockless(ether)
    (status,) = await clockless.during(guard.send_status(3))
    (emergency,) = await clockless.during(guard.send_emergency())
    assert status.signals == ("mdc1200 46/03 1034",)
    assert emergency.signals == ("mdc1200 00/80 1034",) * 2
    alarm = Handheld(ether, "035", radio=radio(model="uv5r", id="10035"))
    (over,) = await clockless.during(alarm.send_emergency())
    assert over.digits == "100353"


@pytest.mark.asyncio
async def test_the_commonest_radio_can_only_be_keyed() -> None:
    ether = Ether("ch1", seed=1)
    guard = Handheld(ether, "034", radio=radio(model="bf888s"))
    ((over,),) = await Clockless(ether).during(guard.press(1))
    assert over.duration_s == pytest.approx(0.3, abs=0.05)
    assert (over.digits, over.signals) == ("", ())
    with pytest.raises(ValueError, match="a bf888s has no keypad"):
        await guard.key_and_send("*1#")
    with pytest.raises(ValueError, match="sends no statuses"):
        await guard.send_status(1)
    with pytest.raises(ValueError, match="has no emergency key"):
        await guard.send_emergency()


def test_people_say_by_each_radio_what_it_can() -> None:
    said = {name: RadioSet(model=name).reply("1", "*10031#") for name in MODELS}
    assert said["bf888s"] == said["tm610"] == said["gd77"] == Pressed(2)
    assert said["mdc1200"] == Status(1)
    assert said["uv5r"] == said["uvk5_mdc"] == Keyed("*10031#")
    assert RadioSet(model="bf888s").reply("5", "*5#") is None
    named = RadioSet(model="mdc1200", statuses={"1": 17})
    assert (named.reply("1", ""), named.reply("3", "")) == (Status(17), Status(3))


@pytest.mark.asyncio
async def test_its_own_timer_ends_a_long_over(tmp_path: Path) -> None:
    log = tmp_path / "ether.jsonl"
    ether = Ether("ch1", 1, log)
    guard = Handheld(ether, "034", radio=radio(model="bf888s", time_out_s=2))
    clockless = Clockless(ether)
    (over,) = await clockless.during(guard.key_and_send(voice_s=10.0))
    assert over.duration_s == pytest.approx(2.0)
    ether.close(clockless.now_s)
    assert '"what": "time_out"' in log.read_text("utf-8")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"model": "bf999"}, "no radio is called 'bf999'; there are bf888s"),
        ({"model": "bf888s", "id": "10031"}, "a bf888s cannot say who it is"),
        ({"model": "uv5r", "id": "1003"}, "'1003' is no dtmf id of a uv5r; use 5 to 5"),
        ({"model": "mdc1200", "id": "12F4"}, "'12F4' is no mdc1200 id"),
        ({"model": "uv5r", "id_kind": "mdc1200"}, "does not say who it is by mdc1200"),
        ({"model": "uv17pro", "tone_ms": 700}, "tones of a uv17pro last 50 to 500 ms"),
        ({"model": "bf888s", "ctcss_hz": 88.5, "dcs": "023"}, "not both"),
    ],
)
def test_a_radio_is_not_set_to_what_it_cannot_do(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        radio(**fields)


def test_the_id_of_the_settings_is_taken_where_the_radio_can_say_it() -> None:
    assert RadioSet.read({"model": "uv5r"}, "10031").id == "10031"
    assert RadioSet.read({"model": "bf888s"}, "10031").id is None
    assert RadioSet.read({"model": "mdc1200", "id": 1033}, "10031").unit == 0x1033


@pytest.mark.asyncio
async def test_what_a_plain_radio_plays_is_not_searched_for_signals() -> None:
    ether = Ether("ch1", seed=1)
    (over,) = await Clockless(ether).during(
        Handheld(ether, "034").transmit(five_tones("12345"))
    )
    assert over.signals == ()
