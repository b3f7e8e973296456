"""An alert's way, as the centre and the guards see it: from its receipt to its end."""

from dataclasses import replace

import pytest

from gateway.core.alert import AlertKind, Datum, Level, Position
from gateway.core.answers.events import MediaReceived
from gateway.core.calls.events import (
    CardFailed,
    CardPosted,
    PageFailed,
    PageSpoken,
    PageStarted,
    PageWaited,
)
from gateway.core.dispatch import step
from gateway.core.effects import PostCard, Receipt
from gateway.core.events import InputRefused, PathChanged, SettingsReloaded, Started, TimerFired
from gateway.core.order import Assignment, Card, Delivery, NumberLease, Order, Page, Path
from gateway.core.register.events import RegisterSeeded
from gateway.core.state import State
from gateway.core.talk.events import RecordingKept
from tests.core.site_for_tests import (
    DAY_US,
    NOON_US,
    PEOPLE,
    US,
    Desk,
    entities,
    make_site,
    point,
)

# ---- which grid, which people ----


@pytest.mark.parametrize(
    ("about", "grid"),
    [
        ({"grid": "G2"}, "G2"),
        ({"grid": "350102"}, "G2"),
        ({"grid": None, "location": point(25_005_000, 118_015_000)}, "G2"),
        ({"grid": None, "place": "建设银行门口"}, "G2"),
        ({"grid": None, "text": "建行旁边有人打架"}, "G2"),
        ({"grid": None, "text": "西街有人打架"}, "G3"),
        ({"grid": None, "text": "西街网格有人打架"}, "G3"),
        ({"grid": None, "place": "中街3号", "text": "从东街追过来"}, "G2"),
        ({"grid": "G1", "location": point(25_005_000, 118_015_000)}, "G1"),
        ({"grid": "no such", "text": "东街有人打架"}, "G1"),
    ],
)
def test_the_grid_is_found_by_id_code_polygon_post_or_alias(about, grid):
    desk = Desk()
    desk.alert(**about)
    assert desk.order.grids == (grid,)
    assert "no_grid" not in desk.order.flags


def test_a_gcj_02_point_falls_in_the_grid_it_falls_in_on_the_ground():
    # About 500 m west of the border of the middle grid on the ground, so east of it by GCJ-02.
    desk = Desk()
    there = Position(lat_udeg=25_002_000, lon_udeg=118_012_000, datum=Datum.GCJ_02)
    desk.alert(grid=None, location=there)
    assert desk.order.grids == ("G1",)


def test_an_alert_for_no_known_grid_is_accepted_flagged_and_the_centre_told_that_nobody_is_called():
    desk = Desk()
    receipt = desk.alert(grid="999999", text="有人打架")
    assert (receipt.status, receipt.flags) == ("accepted", ("no_grid",))
    assert desk.details("nobody") == [desk.words("detail_no_grid")]
    assert desk.called() == {}
    assert not desk.pages()
    assert not desk.cards()
    desk.wait(3600)
    assert desk.status == "unanswered"
    assert len(desk.reports("unanswered")) == 1


def test_only_who_is_on_duty_now_is_called():
    desk = Desk()
    desk.alert()
    assert set(desk.called()) == {"zhang", "li", "wang", "station"}
    night = Desk(now_us=NOON_US + 10 * 3600 * US)
    night.alert()
    assert set(night.called()) == {"zhao", "station"}


def test_nobody_on_duty_is_told_to_the_centre_and_the_ladder_begins_at_once():
    desk = Desk("zhao", "chen")
    receipt = desk.alert()
    assert receipt.flags == ("nobody",)
    assert desk.details("nobody") == [desk.words("detail_nobody")]
    assert desk.called()["chen"] > 0
    assert desk.pages()[0].channel == "ch1"


# ---- told at the same moment ----


def test_radio_group_private_cards_and_station_are_asked_for_in_the_same_step():
    desk = Desk()
    assert desk.asked == []
    receipt = desk.alert()
    (page,) = desk.pages()
    assert (page.channel, page.level, page.number, page.order) == ("ch1", 2, "10", "o1")
    assert page.attention
    assert page.language == "zh_CN"
    assert set(desk.cards()) == {"-101", "1001", "1002", "9001"}
    assert desk.cards()["9001"].text.startswith(desk.words("card_station"))
    assert desk.cards()["1001"].text.startswith("张三，请您前往")
    assert not desk.cards()["-101"].private
    assert desk.cards()["1001"].private
    actions = [b.action for row in desk.cards()["-101"].buttons for b in row]
    assert actions == ["1", "2", "3", "4", "5", "0"]
    assert (receipt.status, receipt.order, receipt.number) == ("accepted", "o1", "10")
    assert desk.reports("accepted")[0].at_us == desk.now_us


def test_two_grids_on_one_channel_and_level_three_still_make_one_page():
    desk = Desk()
    desk.alert(level=Level.THREE)
    assert [p.level for p in desk.pages()] == [3]


def test_a_guard_is_told_by_each_medium_once_it_has_really_gone_out():
    desk = Desk("zhang", "wang")
    desk.alert()
    assert not desk.reports("told")
    desk.pass_time(2)
    desk.post()
    assert desk.nodes("zhang") == ["told/M"]
    # The radio-only guard counts as told by the group's card only if he can be reached by it.
    told_by_chat = {r.person for r in desk.reports("told") if r.medium == "chat"}
    assert told_by_chat == {"zhang", "wang", "station"}
    desk.pass_time(5)
    desk.speak(pause_s=12)
    assert desk.nodes("zhang") == ["told/M", "told/M"]
    assert {r.person for r in desk.reports("told") if r.medium == "radio"} == {"zhang", "wang"}


def test_the_timeline_of_a_good_guard():
    desk = Desk("zhang")
    desk.alert()
    desk.post()
    for action, status in (
        ("1", "acknowledged"), ("2", "acknowledged"), ("3", "arrived"), ("5", "done"),
    ):  # fmt: skip
        desk.pass_time(10)
        desk.press("zhang", action)
        assert desk.status == status
    assert desk.nodes("zhang") == [
        "told/M", "acknowledged/C2", "en_route/C2", "arrived/C2", "done/C2",
    ]  # fmt: skip
    assert [r.node for r in desk.reports(person="zhang")] == [
        "told", "acknowledged", "owner", "en_route", "arrived", "done",
    ]  # fmt: skip
    assert desk.order.alert.needs == 1
    assert desk.order.owner == "zhang"
    assert desk.act("close", result="已处置").status == "accepted"
    assert (desk.status, desk.order.outcome) == ("closed", "已处置")
    assert desk.edits()["1001"].text.endswith("■ 已结案：已处置")
    assert desk.edits()["1001"].buttons == ()


def test_the_station_reads_who_is_there_and_a_guard_whether_he_is_needed():
    desk = Desk("zhang", "li")
    desk.alert(needs=2)
    desk.post()
    assert desk.words("card_own_silent") in desk.cards()["1002"].text
    desk.forget()
    desk.press("zhang", "3")
    station = desk.edits()["9001"].text
    assert "张三：到场" in station
    assert desk.words("card_nobody") not in station
    assert "1002" not in desk.edits(), "one of two is not enough: li's card stands as it is"


def test_cards_show_what_people_said_and_nothing_is_edited_twice():
    desk = Desk("zhang", "li")
    desk.alert()
    desk.post()
    desk.forget()
    desk.press("zhang", "1")
    assert "张三：收到" in desk.edits()["-101"].text
    assert "张三：收到" in desk.edits()["1001"].text
    others = desk.edits()["1002"].text
    assert "张三" not in others, "li's own card shows only li"
    assert desk.words("card_enough") in others, "and that he need not go"
    desk.forget()
    desk.press("zhang", "1")
    assert desk.edits() == {}


def test_an_english_speaking_guard_gets_his_card_in_english():
    desk = Desk()
    desk.alert(grid="G3")
    assert "answer" not in desk.cards()["3001"].text
    assert "Acknowledge within 60 s" in desk.cards()["3002"].text
    assert desk.cards()["3002"].buttons[0][0].label == "Acknowledge"


def test_a_channel_without_licence_is_not_spoken_on_and_the_centre_is_told():
    desk = Desk("wu")
    desk.alert(grid="G5")
    assert desk.pages() == []
    assert desk.words("detail_no_transmit", channel="暗信道") in desk.details("warning")


# ---- the same message again ----


def test_the_same_alert_twice_makes_one_order_and_the_same_receipt():
    desk = Desk()
    first = desk.alert()
    asked = len(desk.asked)
    second = desk.send(desk.message(AlertKind.ALERT))
    assert (second.status, second.order, second.number) == ("duplicate", first.order, first.number)
    assert len(desk.asked) == asked + 1, "nothing but the receipt"


def test_the_same_id_with_another_body_is_a_conflict_and_changes_nothing():
    desk = Desk()
    desk.alert()
    receipt = desk.alert(text="别的事")
    assert (receipt.status, receipt.order) == ("conflict", "o1")
    assert receipt.reason == desk.words("why_other_body")
    assert desk.order.alert.text == "有人打架"


def test_the_same_id_of_another_sender_is_another_alert():
    desk = Desk()
    assert desk.alert().order == "o1"
    assert desk.alert(sender="other").order == "o2"


def test_an_alert_that_left_the_memory_is_still_known_by_what_the_journal_tells():
    desk = Desk()
    known = {"prior_order": "o77", "prior_number": "55"}
    sha = desk.message(AlertKind.ALERT).alert.body_sha256
    receipt = desk.send(desk.message(AlertKind.ALERT, prior_sha256=sha, **known))
    assert (receipt.status, receipt.order, receipt.number) == ("duplicate", "o77", "55")
    receipt = desk.send(desk.message(AlertKind.ALERT, prior_sha256="old", **known))
    assert (receipt.status, receipt.order) == ("conflict", "o77")
    assert list(desk.state.each(Order)) == []
    update = desk.message(AlertKind.UPDATE, prior_sha256=sha, **known)
    assert desk.send(update).status == "refused"
    cancel = desk.message(AlertKind.CANCEL, prior_sha256=sha, **known)
    assert desk.send(cancel).status == "duplicate"


def test_who_refers_to_what_left_the_memory_opens_nothing_anew():
    desk = Desk()
    known = {"references": ("zhzx,JQ-old",), "prior_named": (("zhzx,JQ-old", "x", "o77", "55"),)}
    receipt = desk.send(desk.message(AlertKind.UPDATE, id="U-1", **known))
    assert (receipt.status, receipt.order, receipt.reason) == (
        "refused", "o77", desk.words("why_order_closed"),
    )  # fmt: skip
    receipt = desk.send(desk.message(AlertKind.CANCEL, id="C-1", **known))
    assert (receipt.status, receipt.number) == ("duplicate", "55")
    assert list(desk.state.each(Order)) == []


def test_of_several_references_the_one_that_lives_is_amended():
    desk = Desk()
    desk.alert(id="JQ-new")
    known = {
        "references": ("zhzx,JQ-old", f"{desk.order.alert.sender},JQ-new"),
        "prior_named": (("zhzx,JQ-old", "x", "o77", "55"),),
    }
    receipt = desk.send(desk.message(AlertKind.UPDATE, id="U-1", text="持刀", **known))
    assert (receipt.status, receipt.order) == ("accepted", "o1")
    assert desk.order.alert.text == "持刀"


# ---- time ----


def test_the_clock_starts_at_sent():
    desk = Desk()
    desk.alert(sent_us=desk.now_us - 20 * US)
    assert desk.order.flags == ()
    assert desk.timers()["ladder"] == 40


@pytest.mark.parametrize("off_s", [-31, 31, 90 * 86_400])
def test_clocks_that_differ_by_more_than_thirty_seconds_count_from_receipt_and_are_flagged(off_s):
    desk = Desk()
    receipt = desk.alert(sent_us=desk.now_us + off_s * US)
    assert receipt.flags == ("clock_skew",)
    assert desk.timers()["ladder"] == 60
    assert desk.details("accepted") == [desk.words("detail_clock")]


def test_what_has_expired_when_it_comes_is_kept_and_not_sent():
    desk = Desk()
    receipt = desk.alert(expires_us=desk.now_us - 1)
    assert (receipt.status, receipt.flags) == ("accepted", ("expired",))
    assert desk.details("unanswered") == [desk.words("detail_expired_before")]
    assert desk.status == "unanswered"
    assert desk.called() == {}
    assert desk.timers() == {}
    assert desk.pages() == []


def test_an_unset_clock_expires_nothing():
    desk = Desk(now_us=1_000 * US)
    desk.synchronised = False
    assert "clock_skew" in desk.alert(sent_us=NOON_US, expires_us=NOON_US - 1).flags
    assert "expired" not in desk.order.flags
    desk = Desk()
    desk.synchronised = False
    assert desk.alert(expires_us=desk.now_us - 1).flags == ("clock_unset",)
    (page,) = desk.pages()
    assert page.not_after_us > desk.now_us
    desk.wait(59)
    desk.wait(7200)
    assert desk.reports("unanswered"), "its ladder runs all the same"


def test_a_clock_that_is_set_in_mid_order_neither_skips_a_rung_nor_expires_anything():
    desk = Desk("wang", now_us=1_000 * US)
    roster = replace(desk.site.roster, days=())
    anybody = replace(PEOPLE["wang"], id="any", crew=None, guard_code=None, radio_id=None)
    desk.site = replace(desk.site, roster=roster)
    desk.take(RegisterSeeded(at_us=desk.now_us, people=(anybody,), contacts=()))
    desk.synchronised = False
    desk.alert(sent_us=NOON_US)
    desk.forget()
    desk.synchronised, desk.now_us = True, NOON_US
    desk.take(TimerFired(at_us=desk.now_us, timer="ladder/o1"))
    assert desk.details("escalated") == ["再次呼叫本网格"]
    assert len(desk.pages()) == 1
    assert desk.status == "calling"


def test_an_alert_that_says_so_itself_distrusts_the_clock_as_well():
    desk = Desk()
    received = desk.message(AlertKind.ALERT, expires_us=desk.now_us - 1)
    desk.send(type(received)(
        at_us=received.at_us, door="mqtt", alert=received.alert, synchronised=False
    ))  # fmt: skip
    assert desk.called()


def test_nothing_is_sent_after_the_alerts_own_expiry():
    desk = Desk()
    desk.alert(expires_us=desk.now_us + 30 * US)
    (page,) = desk.pages()
    assert page.not_after_us == desk.now_us + 30 * US
    assert {c.not_after_us for c in desk.of(PostCard)} == {desk.now_us + 30 * US}
    desk.forget()
    desk.wait(3600)
    assert desk.pages() == []
    assert desk.status == "unanswered"


# ---- amendments ----


def test_an_update_changes_the_order_in_place_and_everybody_hears_it():
    desk = Desk("zhang")
    desk.alert()
    desk.post()
    desk.speak()
    desk.forget()
    desk.pass_time(20)
    receipt = desk.update(text="已有三人受伤", needs=2)
    assert (receipt.status, receipt.order, receipt.number) == ("accepted", "o1", "10")
    assert (desk.order.alert.text, desk.order.revision, desk.order.alert.needs) == (
        "已有三人受伤", 1, 2,
    )  # fmt: skip
    (page,) = desk.pages()
    assert "一零号警情更新，已有三人受伤" in page.text
    assert "（第1次更新）" in desk.edits()["-101"].text
    assert "已有三人受伤" in desk.edits()["1001"].text
    assert desk.notes()["-101"] == "10号警情更新：已有三人受伤"
    assert desk.details("updated") == ["已有三人受伤"]
    assert desk.timers()["ladder"] == 40, "the clock goes on"


def test_a_raised_level_starts_the_clocks_anew():
    desk = Desk()
    desk.alert()
    desk.pass_time(20)
    desk.update(level=Level.ONE)
    assert desk.timers() == {
        "ladder": 30, "station": 60, "arrive": 60, "warn_50": 30, "warn_80": 48,
    }  # fmt: skip


def test_a_lowered_level_does_not():
    desk = Desk()
    desk.alert()
    desk.pass_time(20)
    desk.update(level=Level.THREE)
    assert desk.timers()["ladder"] == 40


def test_an_update_that_comes_first_is_sent_as_a_new_alert():
    desk = Desk()
    receipt = desk.update()
    assert (receipt.status, receipt.flags) == ("accepted", ("update_first",))
    assert "zhang" in desk.called()
    assert desk.order.alert.kind is AlertKind.ALERT


def test_the_same_update_twice_is_taken_once():
    desk = Desk()
    desk.alert()
    update = desk.message(AlertKind.UPDATE, text="变了")
    assert desk.send(update).status == "accepted"
    again = desk.send(update)
    assert (again.status, again.order) == ("duplicate", "o1")
    assert desk.order.revision == 1
    desk.act("close")
    assert desk.send(update).status == "duplicate", "as the first time"


def test_two_different_updates_are_both_taken():
    desk = Desk()
    desk.alert()
    desk.update(text="一")
    desk.pass_time(1)
    desk.update(text="二")
    assert (desk.order.revision, desk.order.alert.text) == (2, "二")


def test_an_update_of_a_closed_order_is_refused():
    desk = Desk()
    desk.alert()
    desk.act("close")
    receipt = desk.update(text="晚了")
    assert (receipt.status, receipt.order) == ("refused", "o1")
    assert receipt.reason == desk.words("why_order_closed")


def test_an_update_that_moves_the_place_calls_the_new_grid():
    desk = Desk()
    desk.alert()
    desk.forget()
    desk.update(grid="G3", text="跑到西街了")
    assert desk.order.grids == ("G3", "G1")
    assert {"sun", "smith", "zhang"} <= set(desk.called())
    assert "ch2" in {p.channel for p in desk.pages()}
    assert "-103" in desk.cards()


def test_a_raised_level_gives_a_fresh_window_before_it_climbs():
    desk = Desk("zhang", "chen")
    desk.alert()
    desk.keys("*10 101 1#")
    assert desk.status == "acknowledged"
    desk.pass_time(50)
    desk.update(level=Level.ONE)
    assert desk.status == "calling", "a keyed number is not enough at level 1"
    assert desk.reports("escalated") == []
    assert desk.timers()["ladder"] == 30
    desk.wait(30)
    assert "chen" in desk.called()


def test_a_raised_level_calls_an_unanswered_order_afresh():
    desk = Desk("zhang", upstairs=())
    desk.alert()
    desk.wait(600)
    assert desk.status == "unanswered"
    desk.update(level=Level.ONE)
    assert desk.status == "calling"
    desk.forget()
    desk.wait(30)
    assert desk.details("escalated") == ["再次呼叫本网格"]
    desk.wait(600)
    assert len(desk.reports("unanswered")) == 1


def test_an_amendment_of_an_old_order_is_still_worth_hearing():
    desk = Desk("zhang")
    desk.alert()
    desk.speak()
    desk.press("zhang", "3")
    desk.wait(2 * 3600)
    desk.forget()
    desk.update(text="凶手返回")
    (page,) = desk.pages()
    assert page.not_after_us > desk.now_us
    assert desk.status == "arrived"
    assert desk.timers() == {"station": 60}


def test_an_amendment_of_an_unanswered_order_that_has_expired_calls_everybody_afresh():
    desk = Desk("zhang")
    desk.alert()
    desk.wait(2 * 3600)
    desk.forget()
    desk.update(text="凶手返回")
    assert desk.status == "calling"
    assert len(desk.pages()) == 1
    desk.wait(60)
    assert len(desk.pages()) == 2


def test_an_amendment_that_has_itself_expired_is_written_down_and_not_sent():
    desk = Desk("zhang")
    desk.alert()
    desk.post()
    desk.speak()
    desk.pass_time(20)
    desk.forget()
    assert desk.update(text="旧", expires_us=desk.now_us - 1).status == "accepted"
    assert desk.pages() == []
    assert desk.notes() == {}
    assert "旧" in desk.edits()["-101"].text
    assert desk.details("warning") == [desk.words("detail_expired_before")]


def test_a_raised_level_that_has_itself_expired_does_not_call_an_unanswered_order_afresh():
    desk = Desk("zhang", upstairs=())
    desk.alert()
    desk.wait(600)
    desk.update(level=Level.ONE, expires_us=desk.now_us - 1)
    assert desk.status == "unanswered"
    assert desk.timers() == {}


def test_an_alert_without_a_grid_is_called_once_an_update_names_one():
    desk = Desk("zhang", "chen")
    desk.alert(grid=None)
    desk.wait(600)
    assert desk.status == "unanswered"
    receipt = desk.update(grid="G1")
    assert receipt.flags == ()
    assert desk.status == "calling"
    assert {"zhang", "station"} <= set(desk.called())
    assert desk.timers()["ladder"] == 60
    desk.wait(120)
    assert "chen" in desk.called()


def test_an_order_moved_where_nobody_stands_tells_the_centre():
    desk = Desk("zhang")
    desk.alert()
    desk.update(grid="G2")
    assert desk.details("nobody") == [desk.words("detail_nobody")]


def test_an_order_that_moves_to_a_neighbour_already_called_is_led_from_there():
    desk = Desk("zhang", "chen")
    desk.alert()
    desk.wait(120)
    assert desk.order.grids == ("G1", "G2")
    desk.forget()
    desk.update(grid="G2")
    assert desk.order.grids == ("G2", "G1")
    assert [p.text[0] for p in desk.pages()] == ["一零号警情更新，有人打架"]


def test_a_station_that_acknowledged_is_not_late_after_the_level_rose():
    desk = Desk("zhang")
    desk.alert()
    desk.press("station", "1")
    desk.update(level=Level.ONE)
    desk.press("zhang", "3")
    desk.wait(600)
    assert desk.reports("breach") == []


def test_the_station_of_a_new_grid_has_its_own_clock():
    desk = Desk("sun")
    desk.alert(grid="G3")
    desk.pass_time(40)
    desk.update(grid="G1")
    assert desk.timers()["station"] == 60


def test_the_alert_that_comes_after_its_update_is_known():
    desk = Desk("zhang")
    alert = desk.message(AlertKind.ALERT)
    desk.update(text="新消息")
    receipt = desk.send(alert)
    assert (receipt.status, receipt.order) == ("duplicate", "o1")
    assert desk.order.alert.text == "新消息", "the later word stands"
    assert desk.send(alert).status == "duplicate"
    assert desk.alert(text="第三种").status == "conflict"


def test_what_was_refused_is_refused_again():
    desk = Desk("zhang")
    desk.alert()
    desk.act("close")
    late = desk.message(AlertKind.UPDATE, text="晚了")
    assert desk.send(late).status == "refused"
    assert desk.send(late).status == "refused"


# ---- called off ----


def test_a_cancel_stands_everybody_down_on_the_air_and_in_the_chat():
    desk = Desk("zhang", "wang")
    desk.alert()
    desk.post()
    desk.speak()
    desk.press("zhang", "1")
    desk.forget()
    receipt = desk.cancel(text="误报")
    assert (receipt.status, desk.status) == ("accepted", "cancelled")
    (page,) = desk.pages()
    assert "一零号警情解除，请撤回，完毕" in page.text
    assert desk.notes()["-101"] == "10号警情解除：误报。请撤回。"
    assert desk.edits()["-101"].text.endswith("■ 已取消：误报")
    assert [b.label for row in desk.edits()["-101"].buttons for b in row] == ["知道了"]
    assert desk.nodes("zhang")[-1] == "released/H"
    assert {r.person for r in desk.reports("released")} == {"zhang", "wang", "station"}
    assert list(desk.timers()) == ["stand_down"]
    assert desk.details("cancelled") == ["误报"]


def test_a_cancel_before_anything_was_spoken_says_nothing_on_the_air():
    desk = Desk("zhang")
    desk.alert()
    (page,) = desk.pages()
    desk.forget()
    desk.cancel()
    assert desk.pages() == []
    assert [w.page for w in desk.withdrawn()] == [page.page]
    assert desk.nodes("zhang") == []


def test_a_sentence_under_way_is_finished_and_then_called_off():
    desk = Desk("zhang")
    desk.alert()
    (page,) = desk.pages()
    desk.take(PageStarted(at_us=desk.now_us, page=page.page))
    desk.forget()
    desk.cancel()
    # The radio process ends it behind the sentence under way, and says so.
    assert [w.page for w in desk.withdrawn()] == [page.page]
    assert [p.text for p in desk.pages()] == [("一零号警情解除，请撤回，完毕",)]
    desk.take(PageFailed(at_us=desk.now_us, page=page.page, reason="off", state="withdrawn"))
    assert len(desk.pages()) == 1


def test_a_page_that_had_begun_when_it_was_taken_back_is_called_off_afterwards():
    desk = Desk("zhang")
    desk.alert()
    (page,) = desk.pages()
    desk.cancel()
    desk.forget()
    # The word that it is on the air was on its way to us when the cancel came.
    desk.take(PageStarted(at_us=desk.now_us, page=page.page))
    desk.take(PageSpoken(at_us=desk.now_us, page=page.page))
    assert [p.text for p in desk.pages()] == [("一零号警情解除，请撤回，完毕",)]
    desk.speak()
    assert len(desk.pages()) == 1


def test_a_close_takes_back_what_was_not_yet_spoken():
    desk = Desk("zhang")
    desk.alert()
    (page,) = desk.pages()
    desk.forget()
    desk.act("close")
    assert [w.page for w in desk.withdrawn()] == [page.page]
    assert desk.pages() == []


def test_a_cancel_twice_is_answered_twice_and_done_once():
    desk = Desk("zhang")
    desk.alert()
    cancel = desk.message(AlertKind.CANCEL)
    assert desk.send(cancel).status == "accepted"
    asked = len(desk.asked)
    again = desk.send(cancel)
    assert (again.status, again.order) == ("duplicate", "o1")
    assert len(desk.asked) == asked + 1


def test_a_cancel_that_comes_before_its_alert_leaves_a_tombstone():
    desk = Desk()
    assert desk.cancel().status == "accepted"
    assert desk.cancel().status == "duplicate"
    receipt = desk.alert()
    assert (receipt.status, receipt.order) == ("accepted", None)
    assert desk.words("detail_cancelled_before") in receipt.reason
    assert not desk.pages()
    assert list(desk.state.each(Order)) == []


def test_a_dispatcher_stands_an_order_down():
    desk = Desk("zhang")
    desk.alert()
    desk.speak()
    assert desk.act("stand_down", result="已有人处理").status == "accepted"
    assert (desk.status, desk.order.outcome) == ("cancelled", "已有人处理")
    assert desk.act("close").status == "refused"
    assert desk.act("close", order="o99").status == "refused"


# ---- order numbers ----


def test_numbers_have_two_digits_and_follow_one_another():
    desk = Desk("zhang")
    assert [desk.alert(id=f"a{i}").number for i in range(3)] == ["10", "11", "12"]


def test_a_number_rests_a_day_after_the_close():
    desk = Desk("zhang")
    desk.alert(id="a0", needs=1)
    desk.act("close")
    closed_us = desk.now_us
    for i in range(1, 90):
        assert desk.alert(id=f"a{i}").number == str(10 + i)
    desk.now_us = closed_us + DAY_US - 1
    assert desk.alert(id="b0").number == "100", "all two-digit numbers are in use or rest"
    desk.now_us = closed_us + DAY_US
    assert desk.alert(id="b1").number == "10"
    assert desk.alert(id="b2").number == "101"


def test_a_reused_number_belongs_to_the_new_order_and_the_old_one_leaves_the_memory():
    desk = Desk("zhang")
    desk.alert(id="old")
    desk.act("close")
    desk.pass_time(86_400)
    for i in range(90):
        desk.alert(id=f"a{i}")
    assert desk.state.find(NumberLease, "10").order != "o1"
    assert desk.state.find(Order, "o1") is None
    assert "o1" not in desk.state.orders_of("zhang")


def test_a_three_digit_number_can_be_keyed():
    desk = Desk("zhang")
    for i in range(91):
        desk.alert(id=f"a{i}")
    assert desk.number == "100"
    assert desk.keys("*100 101 1#")
    assert desk.status == "acknowledged"


def test_numbers_do_not_end():
    desk = Desk("zhang")
    state = State(
        [
            *entities(desk.state).values(),
            *(NumberLease(number=str(n), order=f"o{n + 50_000}") for n in range(10, 10_000)),
        ]
    )
    outcome = step(state, desk.site, desk.message(AlertKind.ALERT))
    (receipt,) = [e for e in outcome.effects if isinstance(e, Receipt)]
    assert (receipt.status, receipt.number) == ("accepted", "10000")


# ---- what became of pages and cards ----


def test_a_page_that_failed_is_told_to_the_centre_and_nobody_counts_as_told():
    desk = Desk("wang")
    desk.alert()
    (page,) = desk.pages()
    desk.take(PageFailed(at_us=desk.now_us, page=page.page, reason="线断了"))
    assert desk.details("warning") == ["电台未播出：线断了"]
    assert desk.nodes("wang") == []
    assert {d.state.value for d in desk.state.each(Delivery) if d.medium == "radio"} == {"failed"}


def test_a_page_that_expired_while_it_waited_says_so():
    desk = Desk("wang")
    desk.alert()
    (page,) = desk.pages()
    failed = PageFailed(at_us=desk.now_us, page=page.page, reason="busy", state="expired")
    desk.take(failed)
    assert desk.details("warning") == ["电台未播出：已过时效"]
    asked = len(desk.asked)
    desk.take(failed)
    assert len(desk.asked) == asked, "told once"


def test_a_page_withdrawn_at_our_wish_is_no_trouble():
    desk = Desk("zhang")
    desk.alert()
    (page,) = desk.pages()
    desk.press("zhang", "1")
    desk.take(
        PageFailed(at_us=desk.now_us, page=page.page, reason="answered", state="withdrawn")
    )
    assert desk.details("warning") == []


def test_a_page_that_waits_for_a_clear_channel_is_told():
    desk = Desk("zhang")
    desk.alert()
    desk.take(PageWaited(at_us=desk.now_us, page="p1", reason="busy"))
    assert desk.details("waiting") == ["电台暂未播出，等待信道：有人在通话"]


def test_a_channel_is_kept_for_answers_as_long_as_its_settings_say():
    """After an order; a stand-down is answered by nobody."""
    site = make_site()
    channels = {i: replace(c, answer_window_s=7) for i, c in site.channels.items()}
    desk = Desk("zhang", site=replace(site, channels=channels))
    desk.alert()
    desk.speak()
    desk.cancel()
    assert [p.answer_window_s for p in desk.pages()] == [7, 0]


def test_a_recording_is_tied_to_its_page():
    desk = Desk("zhang")
    desk.alert()
    desk.speak()
    desk.take(
        RecordingKept(
            at_us=desk.now_us, channel="ch1", what="p1", path="2026/p1.ogg", sha256="0",
            duration_ms=12_000,
        )
    )  # fmt: skip
    assert desk.state.find(Page, "p1").recording == "2026/p1.ogg"


@pytest.mark.parametrize("state", ["failed", "expired"])
def test_a_card_that_could_not_be_posted_is_told(state):
    desk = Desk("zhang")
    desk.alert()
    card = desk.cards()["1001"].card
    desk.take(CardFailed(at_us=desk.now_us, card=card, state=state, reason="blocked"))
    (warning,) = desk.reports("warning")
    assert (warning.person, warning.medium) == ("zhang", "chat")
    assert desk.state.find(Card, card).state == state
    assert desk.nodes("zhang") == []


def test_a_failed_edit_does_not_undo_the_post():
    desk = Desk("zhang")
    desk.alert()
    desk.post()
    card = desk.cards()["1001"].card
    desk.take(CardFailed(at_us=desk.now_us, card=card, state="failed", reason="400"))
    assert desk.state.find(Card, card).state == "posted"
    assert desk.nodes("zhang") == ["told/M"]


def test_a_card_posted_after_somebody_answered_is_brought_up_to_date_at_once():
    desk = Desk("zhang")
    desk.alert()
    desk.press("zhang", "1")
    card = desk.cards()["-101"].card
    desk.forget()
    desk.take(CardPosted(at_us=desk.now_us, card=card, message="m1"))
    assert "张三：收到" in desk.edits()["-101"].text


def test_word_of_what_nobody_knows_changes_nothing():
    desk = Desk("zhang")
    desk.alert()
    asked, before = len(desk.asked), desk.order
    for event in (
        PageSpoken(at_us=desk.now_us, page="p99"),
        CardPosted(at_us=desk.now_us, card="c99", message="m"),
        TimerFired(at_us=desk.now_us, timer="ladder/o99"),
        InputRefused(at_us=desk.now_us, door="http", reason="no JSON"),
        SettingsReloaded(at_us=desk.now_us, version="v2", by="tech"),
        Started(at_us=desk.now_us, down_us=0),
    ):
        desk.take(event)
    assert (len(desk.asked), desk.order) == (asked, before)


def test_the_same_word_twice_is_harmless():
    desk = Desk("zhang")
    desk.alert()
    for event in (
        PageStarted(at_us=desk.now_us, page="p1"),
        PageSpoken(at_us=desk.now_us + US, page="p1"),
        PageStarted(at_us=desk.now_us, page="p1"),
        PageSpoken(at_us=desk.now_us + 2 * US, page="p1"),
        CardPosted(at_us=desk.now_us + US, card="c2", message="m"),
    ):
        desk.take(event)
        asked, stamps = len(desk.asked), desk.nodes("zhang")
        desk.take(event)
        assert (len(desk.asked), desk.nodes("zhang")) == (asked, stamps)
    page = desk.state.find(Page, "p1")
    assert (page.state, page.ended_us) == ("spoken", desk.now_us + US)


def test_a_clock_set_back_does_not_turn_anybodys_time_around():
    desk = Desk("zhang")
    desk.alert()
    desk.post()
    desk.press("zhang", "1")
    desk.now_us -= 3600 * US
    desk.press("zhang", "3")
    part = desk.state.find(Assignment, "o1/zhang")
    assert len({s.at_us for s in part.stamps}) == 1


def test_who_is_told_late_is_told_last_and_his_card_shows_what_he_said():
    desk = Desk("zhang")
    desk.alert()
    failed = CardFailed(
        at_us=desk.now_us, card=desk.cards()["1001"].card, state="expired", reason="429"
    )
    desk.take(failed)
    desk.keys("*10 101 1#")
    desk.pass_time(9)
    desk.post()
    desk.take(CardPosted(at_us=desk.now_us, card=failed.card, message="m"))
    assert desk.nodes("zhang") == ["acknowledged/R1", "told/M"]
    assert "张三：收到" in desk.edits()["-101"].text


# ---- ways to people ----


def test_a_lost_way_and_its_return_are_told_once():
    desk = Desk("zhang")
    for up in (True, False, False, True, True):
        desk.path("channel:ch1", up=up)
    assert desk.details("health") == ["电台channel:ch1不可用：cable", "channel:ch1已恢复"]


def test_each_way_is_called_by_its_name():
    desk = Desk("zhang")
    for path in ("chat:work", "mqtt"):
        desk.path(path, up=False)
    assert desk.details("health") == ["聊天chat:work不可用：cable", "mqtt不可用：cable"]


def test_another_fault_of_a_way_that_is_down_is_kept_and_told():
    desk = Desk("zhang")
    desk.path("channel:ch1", up=False)
    silent = PathChanged(at_us=desk.now_us, path="channel:ch1", up=False, reason="no sound")
    desk.take(silent)
    desk.take(silent)
    assert desk.details("health") == [
        "电台channel:ch1不可用：cable", "电台channel:ch1不可用：no sound",
    ]  # fmt: skip
    path = desk.state.find(Path, "channel:ch1")
    assert path is not None and path.reason == "no sound"


def test_a_channel_that_may_not_transmit_is_no_way():
    desk = Desk("zhang")
    mute = replace(desk.site.channels["ch1"], transmits=False)
    desk.site = replace(desk.site, channels=desk.site.channels | {"ch1": mute})
    desk.alert()
    desk.path("chat:work", up=False)
    assert desk.words("detail_no_way") in desk.details("warning")


def test_when_both_ways_are_down_the_centre_hears_that_nothing_can_be_delivered():
    desk = Desk("zhang")
    desk.alert()
    desk.path("channel:ch1", up=False)
    assert desk.details("warning") == []
    desk.path("chat:work", up=False)
    assert desk.words("detail_no_way") in desk.details("warning")
    desk.forget()
    desk.alert(id="second")
    assert desk.words("detail_no_way") in desk.details("warning")
    assert desk.pages(), "it waits all the same for a way to open"


# ---- pictures and the like ----


def media(desk, who="1001", **fields):
    about = {
        "at_us": desk.now_us, "chat": "work", "address": who, "group": None, "kind": "photo",
        "message": "m9", "path": "2026/x.jpg", "sha256": "0",
    } | fields  # fmt: skip
    desk.take(MediaReceived(**about))


def test_a_photo_is_tied_to_its_senders_only_order():
    desk = Desk("zhang")
    desk.alert()
    media(desk)
    (report,) = desk.reports("media")
    assert (report.order, report.person, report.detail) == ("o1", "zhang", "照片 2026/x.jpg")


def test_a_strangers_photo_is_refused():
    desk = Desk("zhang")
    desk.alert()
    media(desk, "6666", kind="location", path=None)
    assert desk.reports("media") == []
    assert desk.details("refused_reply") == [desk.words("detail_unknown_sender")]


# ---- hostile words ----


def test_hostile_words_of_the_centre_are_only_words():
    desk = Desk("zhang")
    desk.alert(text="{number} {0.__class__}\n■ 已取消：假的\u202e@all", place="{}")
    desk.speak()
    desk.post()
    desk.update(text="%s{x}")
    desk.cancel(text="{reason}")
    assert desk.status == "cancelled"
    assert "{number} {0.__class__} ■ 已取消：假的 @all" in desk.cards()["-101"].text.split("\n")
    assert all(s.isprintable() for p in desk.pages() for s in p.text)


def test_what_came_too_late_is_accepted_with_the_word_that_nobody_is_called():
    desk = Desk("zhang")
    receipt = desk.alert(expires_us=desk.now_us - 1, sent_us=desk.now_us - 60_000_000)
    assert receipt.status == "accepted"
    assert receipt.reason == desk.words("detail_expired_before")
    assert "expired" in receipt.flags
