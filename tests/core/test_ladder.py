"""The clocks and the ladder: who is called next, when, and what stops it."""

from dataclasses import replace

import pytest

from gateway.core.alert import Level
from gateway.core.answers.events import DigitsHeard
from gateway.core.effects import SendText
from gateway.core.events import TimerFired
from gateway.core.order import Order
from gateway.core.register.events import RegisterSeeded
from tests.core.site_for_tests import ACCOUNTS, PEOPLE, US, Desk, make_site


def rungs(desk):
    """Seconds since the alert at which a rung was climbed, with its words."""
    return [
        ((r.at_us - desk.order.opened_us) / US, r.detail) for r in desk.reports("escalated")
    ]


@pytest.mark.parametrize(("level", "window_s", "pause_s"), [(1, 30, 30), (2, 60, 60), (3, 60, 60)])
def test_nobody_answers_repeat_rings_second_then_first_manager(level, window_s, pause_s):
    desk = Desk()
    desk.alert(level=Level(level))
    desk.post()
    desk.speak()
    desk.wait(3600)
    said = ["再次呼叫本网格", "呼叫相邻网格", "呼叫外圈网格", "呼叫第二管理人", "呼叫第一管理人"]
    called = [rung for rung in rungs(desk) if not rung[1].endswith("跳过")]
    assert called == [(window_s + i * pause_s, words) for i, words in enumerate(said)]
    called = desk.called()
    assert [called[p] for p in ("zhang", "chen", "sun", "head", "chief")] == [0, 2, 3, 6, 7]
    assert desk.status == "unanswered"
    ended = desk.reports("unanswered")
    assert [(r.at_us - desk.order.opened_us) / US for r in ended] == [window_s + 5 * pause_s]
    assert desk.edits()["-101"].text.endswith(desk.words("card_unanswered"))
    assert desk.timers() == {}


def test_the_repeat_is_spoken_and_written_to_who_is_silent():
    desk = Desk()
    desk.alert()
    desk.post()
    desk.speak()
    desk.forget()
    desk.wait(60)
    (page,) = desk.pages()
    assert page.text[0] == "重复"
    assert desk.notes()["-101"] == "再次呼叫：10号警情还没有人应答，请马上按“收到”。"


def test_the_rings_are_called_on_their_own_channels_and_groups():
    desk = Desk()
    desk.alert()
    desk.wait(120)
    assert [(p.channel) for p in desk.pages()] == ["ch1", "ch1", "ch1"]
    assert set(desk.cards()) >= {"-101", "-102", "2001"}
    desk.wait(60)
    assert desk.pages()[-1].channel == "ch2"
    assert set(desk.cards()) >= {"-103", "3001", "3002"}
    assert desk.order.grids == ("G1", "G2", "G3")


def test_a_manager_is_told_what_it_is_about():
    desk = Desk()
    desk.alert()
    desk.wait(60 * 4)
    assert desk.cards()["9002"].text.startswith(desk.words("card_manager"))
    assert "9003" not in desk.cards()


def test_an_empty_rung_is_skipped_at_once():
    desk = Desk("wang", upstairs=("chief",))
    desk.alert()
    desk.wait(60)
    assert len(rungs(desk)) == 1
    desk.wait(60)
    assert rungs(desk)[1:] == [
        (120, "呼叫相邻网格：没有人可叫，跳过"),
        (120, "呼叫外圈网格：没有人可叫，跳过"),
        (120, "呼叫派出所巡防队：没有人可叫，跳过"),
        (120, "呼叫巡特警：没有人可叫，跳过"),
        (120, "呼叫第二管理人：没有人可叫，跳过"),
        (120, "呼叫第一管理人"),
    ]
    desk.wait(60)
    assert desk.status == "unanswered"


def test_nobody_is_said_to_be_silent_who_is_on_his_way():
    desk = Desk("zhang", upstairs=())
    desk.alert(needs=2)
    desk.post()
    desk.press("zhang", "2")
    desk.wait(3600)
    (ended,) = desk.reports("unanswered")
    assert ended.detail == "都叫过了：需要2人，应答的有1人"
    assert desk.edits()["-101"].text.endswith("▲ 都叫过了，应答的人不够")


def test_who_answers_after_the_end_of_the_ladder_still_counts():
    desk = Desk("zhang", upstairs=())
    desk.alert()
    desk.post()
    desk.wait(3600)
    assert desk.status == "unanswered"
    desk.press("zhang", "2")
    assert (desk.status, desk.order.owner) == ("acknowledged", "zhang")
    assert desk.nodes("zhang")[-2:] == ["acknowledged/C2", "en_route/C2"]
    assert desk.words("card_unanswered") not in desk.edits()["-101"].text


def test_a_manager_who_takes_it_stops_the_ladder():
    desk = Desk()
    desk.alert()
    desk.wait(60 * 4)
    desk.press("head", "1")
    assert (desk.status, desk.order.owner) == ("acknowledged", "head")
    desk.wait(3600)
    assert "chief" not in desk.called()


def test_the_station_does_not_stop_the_ladder():
    desk = Desk()
    desk.alert()
    desk.press("station", "1")
    assert desk.status == "calling"
    assert "ladder" in desk.timers()


# ---- what stops it ----


def test_a_button_stops_the_ladder_and_withdraws_the_page_that_waits():
    desk = Desk("zhang")
    desk.alert()
    (page,) = desk.pages()
    desk.press("zhang", "1")
    assert [w.page for w in desk.withdrawn()] == [page.page]
    assert "ladder" not in desk.timers()
    desk.wait(59)
    assert rungs(desk) == []


def test_a_page_of_level_one_is_spoken_even_so():
    desk = Desk("zhang")
    desk.alert(level=Level.ONE)
    desk.press("zhang", "1")
    assert desk.status == "acknowledged"
    assert desk.withdrawn() == []


def test_a_page_that_another_guard_still_needs_is_not_withdrawn():
    desk = Desk("zhang", "li")
    desk.alert(needs=2)
    desk.press("zhang", "1")
    assert desk.withdrawn() == []
    desk.press("li", "1")
    assert len(desk.withdrawn()) == 1


@pytest.mark.parametrize("level", [2, 3])
def test_a_number_keyed_on_the_air_stops_the_ladder_below_level_one(level):
    desk = Desk("zhang")
    desk.alert(level=Level(level))
    desk.speak()
    assert desk.keys(f"*{desk.number} 101 1#")
    assert desk.status == "acknowledged"
    desk.wait(50)
    assert rungs(desk) == []


def test_at_level_one_a_keyed_number_stops_only_that_guards_repeats():
    desk = Desk("zhang", "wang")
    desk.alert(level=Level.ONE)
    desk.speak()
    assert desk.keys(f"*{desk.number} 101 1#")
    assert desk.status == "calling"
    assert desk.nodes("zhang")[-1] == "acknowledged/R1"
    assert desk.timers()["ladder"] == 30
    desk.wait(30)
    repeat = desk.pages()[-1]
    heard_by = {
        e.person for e in desk.state.of_order("o1")
        if getattr(e, "via", None) == repeat.page
    }  # fmt: skip
    assert heard_by == {"wang"}
    # His button, or a dispatcher who knew the voice, is enough.
    desk.press("zhang", "1")
    assert desk.status == "acknowledged"


def test_a_dispatcher_who_knew_the_voice_stops_a_level_one_ladder():
    desk = Desk("zhang")
    desk.alert(level=Level.ONE)
    assert desk.act("confirm", person="zhang").status == "accepted"
    assert desk.status == "acknowledged"
    assert desk.details("acknowledged") == ["指挥员确认：值班员"]
    assert desk.act("confirm", person="chen").status == "refused"
    assert desk.act("confirm").status == "refused"


# ---- cannot come, help, more than one ----


def test_a_guard_who_cannot_come_moves_it_on_at_once_when_nobody_else_is_outstanding():
    desk = Desk("zhang", "chen")
    desk.alert()
    desk.pass_time(5)
    desk.press("zhang", "0")
    assert rungs(desk) == [
        (5, "再次呼叫本网格：没有人可叫，跳过"),
        (5, "呼叫相邻网格"),
    ]
    assert desk.called()["chen"] == 2
    assert desk.timers()["ladder"] == 60


def test_a_guard_who_cannot_come_does_not_move_it_on_while_another_may():
    desk = Desk("zhang", "li", "chen")
    desk.alert()
    desk.press("zhang", "0")
    assert rungs(desk) == []
    assert desk.timers()["ladder"] == 60
    desk.press("li", "0")
    assert len(rungs(desk)) == 2


def test_a_guard_who_took_it_and_then_cannot_come_makes_it_short_again():
    desk = Desk("zhang", "chen")
    desk.alert()
    desk.press("zhang", "1")
    desk.wait(45)
    desk.press("zhang", "0")
    assert desk.status == "calling"
    assert desk.called()["chen"] == 2
    assert desk.order.owner == "head", "the second manager answers for it again"
    desk.press("chen", "3")
    assert (desk.status, desk.order.owner) == ("arrived", "chen")


def test_who_is_called_for_an_answer_that_came_late_has_his_whole_time():
    """Keyed while nobody was here, heard when the gateway is back: no rung is skipped for it."""
    desk = Desk("zhang", "chen", "sun")
    desk.alert()
    assert desk.keys("*10 101 1#")
    desk.pass_time(45)
    keyed = DigitsHeard(at_us=desk.now_us, channel="ch1", over="late", digits="101010")
    desk.pass_time(200)
    desk.take(keyed)
    assert desk.reports("declined")[0].at_us == keyed.at_us
    assert desk.called()["chen"] == 2
    assert desk.timers()["ladder"] == 60
    desk.wait(60)
    assert desk.called()["sun"] == 3
    assert not any(words.endswith("停机时已错过，跳过") for _, words in rungs(desk))


def test_words_about_an_answer_that_came_late_are_worth_sending():
    desk = Desk("zhang", "li")
    desk.alert()
    assert desk.keys("*10 101 1#")
    keyed = DigitsHeard(at_us=desk.now_us, channel="ch1", over="late", digits="101014")
    desk.pass_time(400)
    desk.forget()
    desk.take(keyed)
    notes = [e for e in desk.asked if isinstance(e, SendText)]
    assert notes
    assert all(note.not_after_us > desk.now_us for note in notes)


def test_who_says_twice_that_he_cannot_come_moves_it_on_once():
    desk = Desk("zhang")
    desk.alert()
    desk.press("zhang", "0")
    climbed, asked = len(rungs(desk)), len(desk.asked)
    assert desk.press("zhang", "0").text == "10号：不能去，已记录"
    assert desk.keys("*10 101 0#")
    assert len(rungs(desk)) == climbed
    assert len(desk.asked) == asked + 2, "an answer each"


def test_the_reason_he_writes_goes_to_the_centre_and_on_his_card():
    desk = Desk("zhang")
    desk.alert()
    desk.post()
    desk.write("zhang", "不能去，车坏了")
    assert desk.details("declined") == ["不能去，车坏了"]
    assert "张三：不能去（不能去，车坏了）" in desk.edits()["-101"].text


def test_need_help_wants_one_more_and_calls_the_next_rung_at_once():
    desk = Desk("zhang", "chen")
    desk.alert()
    desk.post()
    desk.press("zhang", "3")
    desk.forget()
    desk.press("zhang", "4")
    assert desk.order.alert.needs == 2
    assert desk.status == "calling"
    assert desk.called()["chen"] == 2
    assert desk.notes()["-101"] == "10号警情：张三请求增援，附近的人请马上过去。"
    desk.press("chen", "1")
    assert desk.status == "arrived"


def test_an_order_for_two_calls_on_until_two_have_taken_it():
    desk = Desk()
    desk.alert(needs=2)
    desk.press("zhang", "1")
    assert desk.status == "calling"
    desk.wait(60)
    assert len(rungs(desk)) == 1
    desk.press("li", "1")
    assert desk.status == "acknowledged"
    assert "ladder" not in desk.timers()


def test_an_unverified_answer_of_the_only_guard_does_not_hurry_a_level_one_ladder():
    desk = Desk("zhang", "chen")
    desk.alert(level=Level.ONE)
    desk.keys(f"*{desk.number} 101 1#")
    desk.keys(f"*{desk.number} 101 2#")
    assert rungs(desk) == []
    assert desk.timers()["ladder"] == 30


def test_what_one_guard_goes_on_to_say_pushes_nobody_up_the_ladder():
    desk = Desk("zhang")
    desk.alert(needs=2)
    for action in "1235":
        desk.press("zhang", action)
    desk.speak()
    desk.post()
    assert rungs(desk) == []


def test_a_page_that_goes_out_after_he_declined_does_not_climb_again():
    desk = Desk("zhang")
    desk.alert()
    desk.press("zhang", "0")
    climbed = len(rungs(desk))
    assert desk.called()["head"] == 6
    desk.speak()
    desk.post()
    assert len(rungs(desk)) == climbed
    assert "chief" not in desk.called()
    desk.press("head", "0")
    assert "chief" in desk.called(), "the manager cannot either"


def test_who_wants_help_by_radio_and_by_button_wants_one_guard_more():
    desk = Desk("zhang", "chen", "sun")
    desk.alert()
    desk.press("zhang", "1")
    desk.keys(f"*{desk.number} 101 4#")
    assert desk.order.alert.needs == 2
    desk.press("zhang", "4")
    assert desk.order.alert.needs == 2
    assert "sun" not in desk.called()


def test_help_is_one_more_than_have_come_and_is_heard_on_the_air():
    desk = Desk()
    desk.alert()
    desk.press("zhang", "1")
    desk.press("li", "1")
    desk.speak()
    desk.forget()
    desk.press("zhang", "4")
    assert desk.order.alert.needs == 3
    assert [p.text[0] for p in desk.pages()] == ["一零号警情需要增援", "重复"]
    assert [words for _, words in rungs(desk)] == ["呼叫相邻网格"]
    # A later word of his own does not take the call for help off the air.
    desk.keys("*10 101 3#")
    assert desk.withdrawn() == []


def test_help_is_called_however_old_the_order_is():
    desk = Desk("zhang", "chen")
    desk.alert()
    desk.post()
    desk.speak()
    desk.press("zhang", "3")
    desk.wait(2 * 3600)
    desk.forget()
    desk.press("zhang", "4")
    assert [p.text[0] for p in desk.pages()] == ["一零号警情需要增援", "重复"]
    assert "chen" in desk.called()
    assert desk.timers()["ladder"] == 60


def test_who_cannot_come_after_all_when_the_order_has_expired_calls_nobody_else():
    desk = Desk("zhang", "chen", site=make_site(still_on_it_s=0))
    desk.alert()
    desk.press("zhang", "1")
    desk.wait(2 * 3600)
    desk.forget()
    desk.press("zhang", "0")
    assert "chen" not in desk.called()
    assert desk.pages() == []
    assert desk.status == "unanswered"
    assert len(desk.reports("unanswered")) == 1


def test_a_guard_without_a_group_is_reminded_on_his_own_card():
    desk = Desk("zhang", "li")
    desk.alert()
    desk.post()
    desk.press("li", "0")
    desk.forget()
    desk.wait(60)
    assert "再次呼叫" in desk.notes()["1001"]
    assert "1002" not in desk.notes()


def test_a_grid_that_a_reload_took_away_does_not_stop_the_engine():
    desk = Desk()
    desk.alert()
    desk.site = replace(desk.site, grids={k: g for k, g in desk.site.grids.items() if k != "G1"})
    desk.wait(3600)
    assert desk.status == "unanswered"


# ---- the station ----


def test_the_station_has_its_own_clock():
    desk = Desk()
    desk.alert()
    desk.press("zhang", "3")
    desk.post()
    desk.wait(59)
    assert desk.reports("breach") == []
    desk.wait(1)
    assert desk.details("breach") == [desk.words("detail_station_late")]
    assert desk.notes()["9001"] == "10号警情：派出所还没有回应，请马上按“收到”。"


def test_a_station_that_acknowledged_is_not_late():
    desk = Desk()
    desk.alert()
    desk.press("station", "1")
    desk.wait(59)
    desk.press("zhang", "3")
    desk.wait(600)
    assert desk.reports("breach") == []


def test_a_station_that_cannot_be_reached_is_told_to_the_centre():
    desk = Desk("zhang", upstairs=())
    desk.take(RegisterSeeded(at_us=desk.now_us, people=(PEOPLE["station"],), contacts=()))
    desk.alert()
    assert desk.words("detail_station_unreachable") in desk.details("warning")
    assert "station" not in desk.timers()


# ---- arrival ----


@pytest.mark.parametrize(("grid", "minutes"), [("G1", 1), ("G2", 3), ("G3", 5)])
def test_arrival_is_warned_at_half_and_four_fifths_and_breached_by_zone_grade(grid, minutes):
    desk = Desk()
    desk.alert(grid=grid)
    for person in ("zhang", "chen", "sun"):
        if person in desk.called():
            desk.press(person, "1")
    desk.wait(3600)
    clock = [r for r in desk.reports() if r.medium == "clock" and r.node in ("warning", "breach")]
    clock = [r for r in clock if r.detail != desk.words("detail_station_late")]
    times = [(r.node, (r.at_us - desk.order.opened_us) / US) for r in clock]
    assert times == [
        ("warning", minutes * 30), ("warning", minutes * 48), ("breach", minutes * 60),
    ]  # fmt: skip
    assert clock[0].detail == desk.words("detail_warning", percent=50)


def test_an_arrival_stops_the_arrival_clocks():
    desk = Desk("zhang", upstairs=())
    desk.alert(grid="G1")
    desk.press("zhang", "2")
    desk.wait(31)
    desk.press("zhang", "3")
    desk.wait(3600)
    assert [r.node for r in desk.reports() if r.medium == "clock"] == ["warning"]
    assert desk.timers() == {}


# ---- down and up again ----


def test_after_downtime_only_the_present_rung_is_called():
    desk = Desk()
    desk.alert()
    desk.pass_time(60 * 3 + 5)
    desk.take(TimerFired(at_us=desk.now_us, timer="ladder/o1"))
    assert [words for _, words in rungs(desk)] == [
        "再次呼叫本网格：停机时已错过，跳过",
        "呼叫相邻网格：停机时已错过，跳过",
        "呼叫外圈网格",
    ]
    assert len(desk.pages()) == 2, "the first call, and one rung"
    assert desk.timers()["ladder"] == 60


def test_after_a_long_downtime_nothing_is_sent_late():
    desk = Desk()
    desk.alert()
    desk.pass_time(3600)
    desk.forget()
    desk.take(TimerFired(at_us=desk.now_us, timer="ladder/o1"))
    assert desk.pages() == []
    assert desk.cards() == {}
    assert desk.status == "unanswered"


def test_a_clock_that_rings_twice_or_too_late_does_nothing():
    desk = Desk("zhang")
    desk.alert()
    desk.press("zhang", "1")
    asked = len(desk.asked)
    desk.take(TimerFired(at_us=desk.now_us, timer="ladder/o1"))
    assert len(desk.asked) == asked
    desk.act("close")
    assert desk.timers() == {}


def test_a_clock_that_was_moved_while_its_word_was_on_the_way_does_not_ring():
    desk = Desk("zhang")
    desk.alert()
    was_due_us = desk.now_us + 60 * US
    desk.pass_time(60)
    desk.press("zhang", "0")
    climbed = len(rungs(desk))
    desk.take(TimerFired(at_us=desk.now_us, timer="ladder/o1", due_us=was_due_us))
    assert len(rungs(desk)) == climbed
    assert desk.timers()["ladder"] == 60


def test_a_site_may_have_another_ladder():
    desk = Desk(site=make_site(ladder=("first_manager",), acknowledge_s=(10, 10, 10)))
    desk.alert()
    desk.wait(10)
    assert rungs(desk) == [(10, "呼叫第一管理人")]
    assert desk.state.find(Order, "o1").rung == 1


def test_when_all_whom_the_last_rung_has_called_decline_it_climbs_at_once():
    site = make_site(ladder=("ring_1", "ring_2", "second_manager"))
    desk = Desk("zhang", "chen", "sun", site=site)
    desk.alert()
    desk.wait(60)
    assert "chen" in desk.called()
    assert "sun" not in desk.called()
    desk.press("chen", "0")
    assert "sun" in desk.called(), "zhang alone is still silent; nobody waits for chen"


def test_the_card_of_who_is_called_next_names_who_is_accountable_now():
    desk = Desk("zhang", "chen")
    desk.alert()
    desk.press("zhang", "1")
    assert desk.order.owner == "zhang"
    desk.forget()
    desk.press("zhang", "0")
    shown = desk.cards()["-102"].text
    assert shown.endswith("责任人：所长")


def test_who_asks_for_help_is_not_asked_to_help_himself():
    desk = Desk("zhang", "li")
    desk.alert()
    desk.post()
    desk.press("zhang", "1")
    desk.forget()
    desk.press("zhang", "4")
    told = {s.address for s in desk.of(SendText) if "请求增援" in s.text}
    assert ACCOUNTS["li"] in told
    assert ACCOUNTS["zhang"] not in told


def test_the_repeat_says_how_many_are_missing_where_some_have_answered():
    desk = Desk("zhang", "li")
    desk.alert(needs=3)
    desk.post()
    desk.press("zhang", "1")
    desk.forget()
    desk.wait(60)
    told = {s.address: s.text for s in desk.of(SendText)}
    assert told["-101"] == told["1002"] == "再次呼叫：10号警情还缺2人，请马上按“收到”。"
