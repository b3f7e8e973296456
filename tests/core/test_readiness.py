"""Roll-calls, bulletins, self-tests, cover and drills at the desk: what stories are too big for."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.core.calls.events import CardPosted, PageFailed, PageSpoken
from gateway.core.calls.whereabouts import LastSeen
from gateway.core.effects import (
    AnswerOver,
    EditCard,
    PageChannel,
    PostCard,
    Receipt,
    ReportStatus,
)
from gateway.core.events import Started, TimerFired
from gateway.core.order import Order, Put, Timer
from gateway.core.people import Person
from gateway.core.readiness.drills import next_weekly_us
from gateway.core.readiness.events import (
    BulletinSent,
    DrillAsked,
    DrillDropped,
    RollCallAsked,
    SelfTestAsked,
)
from gateway.core.readiness.settings import (
    DrillRule,
    MissedRolls,
    Notice,
    ReadinessPolicy,
    RollCallRule,
    SelfTestRule,
)
from gateway.core.state import Draft
from tests.core.site_for_tests import NOON_US, US, Desk, make_site


def site(**policy):
    return replace(make_site(), readiness=ReadinessPolicy(**policy))


def asked(desk, event):
    """The receipt of what somebody asked for."""
    (receipt,) = [e for e in desk.take(event) if isinstance(e, Receipt)][-1:]
    return receipt


def roll(desk, *grids):
    return asked(desk, RollCallAsked(at_us=desk.now_us, grids=grids, by="督察"))


def drill(desk, grid="G1", **more):
    fields = {"level": 2, "text": "演练", "needs": 1, "starts_us": None, "surprise": False}
    event = DrillAsked(at_us=desk.now_us, grid=grid, by="李队", **(fields | more))
    return asked(desk, event)


def go_out(desk):
    """Every page and card of notices goes out."""
    for notice in list(desk.state.each(Notice)):
        for page in notice.pages:
            desk.take(PageSpoken(at_us=desk.now_us, page=page.id))
        for card in notice.cards:
            desk.take(CardPosted(at_us=desk.now_us, card=card.id, message=f"m-{card.id}"))


def nodes(desk, node):
    return [e for e in desk.asked if isinstance(e, ReportStatus) and e.node == node]


def notice(desk):
    (only,) = desk.state.each(Notice)
    return only


# ---- roll-calls ----


def test_whoever_is_heard_by_his_radio_is_there():
    """A packet, an over and digits about something else each prove it, and no tone is lost."""
    desk = Desk("zhang", "li", "wang")
    roll(desk, "G1")
    go_out(desk)
    assert desk.talk(radio="dtmf:99101") == ["roll_present"]
    assert desk.keys("*1#", ani="99102") is True
    assert desk.keys("*1#", ani="99777") is False
    assert {m.person for m in notice(desk).present} == {"zhang", "li"}
    assert notice(desk).missing == ("wang",)


def test_a_guard_number_that_is_an_orders_number_is_the_orders():
    """``*101 1#`` is order 101 while there is one: the roll-call takes nothing away from it."""
    desk = Desk("zhang", "li")
    roll(desk, "G1")
    go_out(desk)
    assert desk.keys("*101 1#") is True
    assert desk.keys("*999 1#") is False
    assert [m.person for m in notice(desk).present] == ["zhang"]


def test_who_is_called_to_an_order_meanwhile_is_not_missing():
    desk = Desk("zhang", "li")
    roll(desk, "G1")
    go_out(desk)
    desk.alert()
    desk.wait(130)
    assert not nodes(desk, "roll_missing")
    assert not list(desk.state.each(MissedRolls))


def test_an_answer_takes_a_first_miss_away():
    desk = Desk("zhang")
    for answers in (False, True, False):
        roll(desk, "G1")
        go_out(desk)
        if answers:
            assert desk.keys("*101 1#") is True
        desk.wait(200)
    assert [e.detail for e in nodes(desk, "roll_missing")] == ["点名未应答"] * 2


def test_a_window_counts_from_the_end_of_the_page():
    """The channel was busy for a minute and a half: radios have their two minutes all the same."""
    desk = Desk("zhang")
    roll(desk, "G1")
    desk.wait(90)
    go_out(desk)
    desk.wait(100)
    assert not nodes(desk, "roll_missing")
    desk.wait(30)
    assert [e.person for e in nodes(desk, "roll_missing")] == ["zhang"]


def test_who_answers_at_his_post_is_known_to_be_there():
    place = (25_005_000, 118_015_000)
    desk = Desk("chen", site=site())
    post = replace(desk.site.posts["P1"], position=place, radios=("mdc1200:1A2B",))
    desk.site = replace(desk.site, posts={"P1": post})
    desk.state.apply(Put(replace(desk.state.find(Person, "chen"), post="P1")))
    roll(desk, "G2")
    go_out(desk)
    desk.packet(0x01, 0x80, 0x1A2B)
    seen = desk.state.find(LastSeen, "chen")
    assert (seen.point, seen.source) == (place, "check_in")
    assert [m.person for m in notice(desk).present] == ["chen"]


def test_random_roll_calls_fall_into_the_shift_and_stay_where_they_are_after_a_restart():
    rule = RollCallRule(grids=("G1",), random_per_shift=2)
    desk = Desk("zhang", site=site(roll_calls=(rule,)))
    desk.take(Started(at_us=desk.now_us, down_us=0))
    timer = desk.state.find(Timer, "roll_call/rule0")
    assert NOON_US < timer.due_us < NOON_US + 20 * 3600 * US
    desk.take(Started(at_us=desk.now_us, down_us=0))
    assert desk.state.find(Timer, "roll_call/rule0") == timer
    desk.wait(24 * 3600)
    assert 1 <= len(desk.of(PageChannel)) <= 4


def test_a_roll_call_that_comes_due_long_after_its_time_is_left_out():
    """After an hour of downtime the next one is called, not the last."""
    desk = Desk("zhang", site=site(roll_calls=(RollCallRule(every_min=30),)))
    desk.take(Started(at_us=desk.now_us, down_us=0))
    due_us = desk.state.find(Timer, "roll_call/rule0").due_us
    desk.pass_time(3600)
    desk.take(TimerFired(at_us=desk.now_us, timer="roll_call/rule0", due_us=due_us))
    assert not list(desk.state.each(Notice))
    assert desk.state.find(Timer, "roll_call/rule0").due_us > desk.now_us


# ---- bulletins ----


def test_a_bulletin_is_read_by_button_and_who_has_not_is_listed():
    desk = Desk("zhang", "li", "wang")
    event = BulletinSent(
        at_us=desk.now_us, grids=("G1",), text="今晚有雨", radio=True, by="李队"
    )
    assert asked(desk, event).status == "accepted"
    (card,) = desk.of(PostCard)
    assert (card.address, "今晚有雨" in card.text) == ("-101", True)
    (page,) = desk.of(PageChannel)
    assert (page.routine, page.attention, page.answer_window_s) == (True, False, 0)
    go_out(desk)
    assert desk.press("zhang", "1", order=notice(desk).id).text == "已阅"
    desk.wait(121 * 60)
    assert [e.person for e in nodes(desk, "unread")] == ["li"]
    assert "未阅：李四" in desk.of(EditCard)[-1].text
    assert desk.press("li", "1", order=notice(desk).id).text == "已阅"
    id_ = notice(desk).id
    desk.wait(4 * 86_400)
    assert not list(desk.state.each(Notice))
    assert desk.press("li", "1", order=id_).text == "已经结束，未记录。"


def test_a_strangers_press_counts_for_nothing():
    desk = Desk("zhang", "chen")
    asked(desk, BulletinSent(at_us=desk.now_us, grids=("G1",), text="x", radio=False, by="李队"))
    for who in ("chen", "66666"):
        assert desk.press(who, "1", order=notice(desk).id).alert
    assert notice(desk).present == ()


# ---- the self-test ----


def test_a_self_test_tells_a_way_that_failed_and_waits_for_live_orders():
    desk = Desk("zhang", site=site(self_test=SelfTestRule(channels=("ch1", "ch2"))))
    desk.alert()
    event = SelfTestAsked(at_us=desk.now_us, by="技术员")
    assert asked(desk, event).status == "refused"
    desk.act("close", result="好了")
    assert asked(desk, event).status == "accepted"
    one, two = notice(desk).pages
    desk.take(PageSpoken(at_us=desk.now_us + US, page=one.id))
    desk.take(PageFailed(at_us=desk.now_us + US, page=two.id, reason="cable"))
    (result,) = nodes(desk, "self_test")
    assert result.detail == "自检异常：channel:ch2未通：cable、channel:ch1 1.0秒"
    assert not list(desk.state.each(Notice))


def test_a_daily_self_test_is_put_off_and_then_given_up():
    desk = Desk("zhang", site=site(self_test=SelfTestRule(at_min=13 * 60)))
    desk.take(Started(at_us=desk.now_us, down_us=0))
    desk.alert()
    desk.wait(3 * 3600)
    assert [e.detail for e in nodes(desk, "self_test")] == ["有真实警情，今天没有自检"]


# ---- drills ----


def test_drills_take_the_numbers_that_no_live_order_has():
    """Nine of two digits, then three; a live order beside them begins at 10 as ever."""
    desk = Desk("zhang", "sun")
    numbers = [drill(desk).number for _ in range(11)]
    assert numbers == [f"0{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)]
    assert desk.alert(grid="G3").number == "10"


def test_a_live_order_that_calls_a_guard_of_a_drill_ends_it():
    """The ring of a live order next door reaches him: he is wanted there."""
    desk = Desk("zhang", "chen", site=make_site(ladder=("ring_1",)))
    drill(desk, "G1")
    order_id = desk.of(Receipt)[-1].order
    desk.alert(grid="G2")
    assert desk.state.find(Order, order_id).open
    desk.wait(100)
    ended = desk.state.find(Order, order_id)
    assert (ended.open, "aborted" in ended.flags) == (False, True)


def test_a_planned_drill_can_be_given_up_once():
    desk = Desk("zhang")
    planned = drill(desk, starts_us=desk.now_us + 3600 * US)
    off = DrillDropped(at_us=desk.now_us, drill=planned.id, by="李队")
    assert [asked(desk, off).status for _ in range(2)] == ["accepted", "refused"]
    desk.wait(7200)
    assert desk.of(PageChannel) == []
    assert drill(desk, starts_us=desk.now_us - 1).reason == desk.words("why_drill_past")
    assert drill(desk, "G9").reason == desk.words(
        "why_no_grid", grid="G9", known=", ".join(desk.site.grids)
    )


@pytest.mark.parametrize(
    ("weekday", "at_min", "day"), [(6, 13 * 60, 22), (6, 11 * 60, 29), (2, 0, 25)]
)
def test_a_weekly_drill_comes_on_its_day(weekday, at_min, day):
    """22 November 2026 is a Sunday, and it is noon."""
    desk = Desk("zhang")
    rule = DrillRule(grid="G1", weekday=weekday, at_min=at_min, level=2, text="x")
    draft = Draft(desk.state, desk.site, desk.now_us)
    due = datetime.fromtimestamp(next_weekly_us(draft, rule) / US, UTC).astimezone(
        desk.site.timezone
    )
    assert (due.day, due.hour * 60 + due.minute) == (day, at_min)


def test_a_weekly_drill_runs_and_is_asked_for_again():
    rule = DrillRule(grid="G3", weekday=6, at_min=13 * 60, level=3, text="周演练")
    desk = Desk("sun", site=site(drills=(rule,)))
    desk.take(Started(at_us=desk.now_us, down_us=0))
    desk.wait(3700)
    (order,) = desk.state.each(Order)
    assert (order.number, order.alert.exercise, order.alert.text) == ("01", True, "周演练")
    assert desk.state.find(Timer, "weekly_drill/0").due_us == NOON_US + (3600 + 7 * 86_400) * US


def test_an_answer_by_tone_is_given_once():
    desk = Desk("zhang")
    roll(desk, "G1")
    go_out(desk)
    desk.forget()
    desk.keys("*101 1#")
    assert len(desk.of(AnswerOver)) == 1
