"""What comes at an awkward moment: an update while held, a kill at nine sharp, a clock set back."""

import json
from dataclasses import replace

import pytest

from gateway.core.answers.events import MediaReceived, TextReceived
from gateway.core.calls.events import PageFailed, PageStarted
from gateway.core.calls.whereabouts import LastSeen, OnBreak
from gateway.core.centre.centre_acts import decode_centre_act
from gateway.core.effects import PageChannel, Receipt
from gateway.core.events import ClockStepped, Started
from gateway.core.guard_reports.report import GuardReport, ReportActed
from gateway.core.order import Card, NumberLease, Order, OrderStatus, Put, Timer
from gateway.core.people import ERASED
from gateway.core.policy.events import HeldActed
from gateway.core.policy.held import Held
from gateway.core.policy.policy import Category
from gateway.core.readiness.events import BulletinSent, DrillAsked
from gateway.core.readiness.settings import (
    Drill,
    DrillRule,
    Notice,
    NoticeCard,
    ReadinessPolicy,
    RollCallRule,
    SelfTestRule,
)
from gateway.core.register.events import PersonErased
from gateway.core.talk.overs import Recording
from tests.core.site_for_tests import DAY_US, NOON_US, US, Desk, make_site

MINUTE_US = 60 * US


def strict_site(**policy):
    site = make_site()
    return replace(site, policy=replace(site.policy, forbidden=("持枪",), **policy))


def acted(desk, act, **fields):
    raw = json.dumps({"act": act, "by": "李警官", **fields}).encode()
    (receipt,) = [
        e
        for e in desk.take(decode_centre_act(raw, now_us=desk.now_us))
        if isinstance(e, Receipt)
    ]
    return receipt


def decide(desk, act, order="o1"):
    event = HeldActed(at_us=desk.now_us, order=order, act=act, by="所长", reason="已核实")
    (receipt,) = [e for e in desk.take(event) if isinstance(e, Receipt)]
    return receipt


def guards_called(desk):
    return {p for p, _ in desk.called().items()} - {"station", "head", "chief"}


# ---- a page that was cut short says again what it said ----


def cut_short(desk, page):
    """A page breaks off on the air, its channel being well; return what is asked in its place."""
    desk.take(PageStarted(at_us=desk.now_us, page=page))
    failed = PageFailed(at_us=desk.now_us, page=page, reason="keyer died", state="failed")
    (again,) = [e for e in desk.take(failed) if isinstance(e, PageChannel)]
    return again


def test_a_call_for_help_that_was_cut_short_is_a_call_for_help_again():
    desk = Desk("zhang", "li")
    desk.alert()
    desk.speak()
    desk.press("zhang", "1")
    desk.forget()
    desk.press("zhang", "4")
    (page,) = [p for p in desk.pages() if "增援" in "".join(p.text)]
    again = cut_short(desk, page.page)
    assert again.text == page.text


def test_the_question_whether_he_is_still_on_it_is_asked_again_by_name():
    desk = Desk("zhang", site=make_site(still_on_it_s=60))
    desk.alert()
    desk.speak()
    desk.press("zhang", "1")
    desk.forget()
    desk.wait(61)
    (page,) = desk.pages()
    assert "张三" in "".join(page.text)
    assert cut_short(desk, page.page).text == page.text


def test_a_warning_that_was_cut_short_is_the_warning_again():
    desk = Desk("zhang")
    desk.alert()
    desk.speak()
    desk.forget()
    acted(desk, "caution", order="o1", text="对方有刀")
    (page,) = desk.pages()
    again = cut_short(desk, page.page)
    assert again.text == page.text
    assert again.not_after_us == page.not_after_us


# ---- what is held stays held, and goes to the right place when it is let go ----


def test_a_held_order_that_is_said_to_lie_elsewhere_calls_the_guards_of_there():
    desk = Desk(site=strict_site())
    desk.alert(text="有人持枪", grid="G1")
    desk.update(text="有人持枪，更正地点", grid="G3", sent_us=desk.now_us + US)
    assert desk.status == "held"
    assert guards_called(desk) == set()
    assert decide(desk, "release").status == "accepted"
    assert guards_called(desk) == {"sun", "smith"}
    assert desk.order.grids == ("G3",)


def test_an_older_message_that_brings_the_place_calls_nobody_to_a_held_order():
    desk = Desk(site=strict_site())
    desk.alert(text="有人持枪", grid=None, sent_us=desk.now_us)
    desk.update(text="有人持枪二", grid=None, sent_us=desk.now_us + 2 * US)
    desk.update(text="有人持枪一", grid="G1", sent_us=desk.now_us + US)
    assert desk.status == "held"
    assert guards_called(desk) == set()
    assert not desk.pages()
    decide(desk, "release")
    assert guards_called(desk) == {"zhang", "li", "wang"}


def test_nothing_of_a_cancelled_order_is_still_held():
    desk = Desk(site=strict_site())
    desk.alert(text="有人持枪")
    desk.cancel()
    assert not list(desk.state.each(Held))
    assert decide(desk, "release").status == "refused"


def test_opening_a_dropped_order_again_does_not_let_it_go():
    """Who may reopen may not by that release what the filter holds."""
    desk = Desk(site=strict_site(rights={"release": ("所长",)}))
    desk.alert(text="有人持枪")
    decide(desk, "drop")
    assert acted(desk, "reopen", order="o1", why="误驳回").status == "accepted"
    assert desk.order.status is OrderStatus.HELD
    assert guards_called(desk) == set()
    assert decide(desk, "release").status == "accepted"
    assert guards_called(desk) == {"zhang", "li", "wang"}


def test_what_was_released_once_is_not_held_again_when_it_is_opened_again():
    desk = Desk(site=strict_site())
    desk.alert(text="有人持枪")
    decide(desk, "release")
    desk.act("close", result="好了")
    acted(desk, "reopen", order="o1", why="又来了")
    assert desk.order.status is OrderStatus.CALLING


def test_a_strangers_emergency_that_is_held_rings_no_neighbours():
    site = strict_site(categories={"fight": Category(name="打架")})
    desk = Desk(site=site)
    desk.packet(0x00, 0x80, 0x9999)
    (report,) = desk.state.each(GuardReport)
    receipt = acted_report(desk, report.number, grid="G1")
    order = desk.state.find(Order, receipt.order)
    assert order.status is OrderStatus.HELD
    assert not [p for p in desk.pages() if p.order == order.id]


def acted_report(desk, number, **fields):
    event = ReportActed(at_us=desk.now_us, report=number, act="promote", by="值班员", **fields)
    (receipt,) = [e for e in desk.take(event) if isinstance(e, Receipt)]
    return receipt


# ---- drills ----


def drill(desk, **fields):
    usual = {"level": 2, "text": "演练", "needs": 1, "starts_us": None, "surprise": False}
    event = DrillAsked(at_us=desk.now_us, grid="G1", by="李队", **(usual | fields))
    return [e for e in desk.take(event) if isinstance(e, Receipt)][-1]


def test_a_drill_is_not_opened_again_it_is_begun_anew():
    """Reopened it would run without its mark: beside live orders, under a live order's number."""
    desk = Desk()
    order = drill(desk).order
    desk.act("close", result="好了", order=order)
    assert acted(desk, "reopen", order=order, why="再来").status == "refused"
    assert not desk.state.find(Order, order).open


def test_a_drill_whose_time_passed_while_nobody_was_here_is_given_up_and_told():
    desk = Desk()
    drill(desk, starts_us=desk.now_us + 3600 * US)
    desk.forget()
    desk.pass_time(9 * 3600)
    desk.take(Started(at_us=desk.now_us, down_us=9 * 3600 * US, synchronised=True))
    desk.wait(0)
    assert not desk.pages()
    assert not list(desk.state.each(Drill))
    assert len(desk.reports("drill")) == 1


def scheduled(**policy):
    return replace(make_site(), readiness=ReadinessPolicy(cover=False, **policy))


@pytest.mark.parametrize(
    "policy",
    [
        {"roll_calls": (RollCallRule(grids=("G1",), at_min=(12 * 60 + 1,)),)},
        {"self_test": SelfTestRule(at_min=12 * 60 + 1)},
        {"drills": (DrillRule(grid="G1", weekday=6, at_min=12 * 60 + 1, level=3, text="练"),)},
    ],
)
def test_what_came_due_during_a_short_restart_is_made_good(policy):
    desk = Desk(site=scheduled(**policy))
    desk.take(Started(at_us=desk.now_us, down_us=0, synchronised=True))
    desk.pass_time(62)  # killed a moment before its time, back two seconds after it
    desk.take(Started(at_us=desk.now_us, down_us=4 * US, synchronised=True))
    desk.wait(0)
    assert list(desk.state.each(Notice)) or list(desk.state.each(Drill))
    desk.pass_time(0)
    due = [t.due_us for t in desk.state.each(Timer) if t.what in (
        "roll_call", "self_test", "weekly_drill")]
    assert due, "and the next time is asked for"
    assert min(due) > desk.now_us + 3600 * US


# ---- clocks that are set ----


def test_a_clock_set_back_makes_no_pause_longer():
    """A clock that was eight hours ahead (local time taken for UTC) is put right."""
    desk = Desk("zhang")
    desk.alert()
    for _ in range(5):
        assert desk.keys("*98 101 1#") is False
    assert desk.keys(f"*{desk.number} 101 1#") is False, "paused for a quarter of an hour"
    desk.pass_time(-8 * 3600)
    desk.take(ClockStepped(at_us=desk.now_us, by_us=-8 * 3600 * US))
    desk.pass_time(16 * 60)
    assert desk.keys(f"*{desk.number} 101 1#") is True


def test_a_clock_set_back_makes_no_rest_and_no_code_longer():
    desk = Desk("zhang", "li")
    desk.issue("zhang", "ABCDEFGH")
    acted(desk, "break", person="zhang", minutes=30)
    desk.alert()
    desk.act("close", result="好了")
    desk.pass_time(-365 * 86_400)
    desk.take(ClockStepped(at_us=desk.now_us, by_us=-365 * DAY_US))
    assert desk.state.find(OnBreak, "zhang").until_us == desk.now_us + 30 * MINUTE_US
    (lease,) = desk.state.each(NumberLease)
    assert lease.free_us == desk.now_us + DAY_US
    desk.pass_time(601)
    assert desk.write("zhang", "绑定ABCDEFGH") == desk.words("answer_code_wrong")


# ---- nothing grows for ever ----


def test_the_cards_of_a_report_go_with_its_order():
    desk = Desk()
    for _ in range(3):
        desk.take(
            TextReceived(
                at_us=desk.now_us, chat="work", address="1001", group=None,
                text="报告 东街有人打架", message="m1",
            )
        )  # fmt: skip
        desk.post()
        report = max(desk.state.each(GuardReport), key=lambda r: int(r.id[1:]))
        receipt = acted_report(desk, report.number)
        desk.act("close", result="好了", order=receipt.order)
        desk.pass_time(2 * 86_400)
    desk.alert()
    desk.act("close", result="好了")
    desk.pass_time(2 * 86_400)
    desk.alert(id="JQ-2")
    desk.act("close", result="好了")
    desk.write("zhang", "报告 东街又有人打架")
    known = {r.id for r in desk.state.each(GuardReport)} | {o.id for o in desk.state.each(Order)}
    assert {c.order for c in desk.state.each(Card)} <= known


def test_what_is_known_of_an_over_without_a_recording_is_let_go():
    desk = Desk("zhang")
    for _ in range(3):
        desk.keys("*98 101 1#")
        desk.pass_time(3601)
    assert len(list(desk.state.each(Recording))) <= 1


def test_what_stands_by_the_hour_of_the_day_stays_there_when_the_clock_is_put_right():
    """A roll-call at two in the afternoon is not called at six in the morning instead."""
    rules = {"roll_calls": (RollCallRule(grids=("G1",), at_min=(14 * 60,)),)}
    desk = Desk(site=scheduled(**rules))
    desk.take(Started(at_us=desk.now_us, down_us=0, synchronised=True))
    at_us = desk.now_us + 3600 * US
    drill(desk, starts_us=at_us)
    desk.pass_time(-8 * 3600)
    desk.take(ClockStepped(at_us=desk.now_us, by_us=-8 * 3600 * US))
    due = {t.what: t.due_us for t in desk.state.each(Timer)}
    assert due["roll_call"] == NOON_US + 2 * 3600 * US
    assert due["drill"] == at_us


def test_a_clock_set_back_makes_no_two_reports_one():
    desk = Desk("zhang")
    desk.write("zhang", "报告 东街有人打架")
    desk.pass_time(-8 * 3600)
    desk.take(ClockStepped(at_us=desk.now_us, by_us=-8 * 3600 * US))
    desk.pass_time(1800)
    desk.write("zhang", "报告 东街路面塌了")
    assert len(list(desk.state.each(GuardReport))) == 2


def test_of_whom_was_erased_no_later_row_says_where_he_was():
    """A clock that is put right writes such rows anew: they must not bring him back."""
    desk = Desk("zhang", "li")
    desk.take(
        MediaReceived(
            at_us=desk.now_us, chat="work", address="1001", group=None, kind="location",
            message="m1", place="25001000,118001000",
        )
    )  # fmt: skip
    assert desk.state.find(LastSeen, "zhang") is not None
    bulletin = BulletinSent(at_us=desk.now_us, grids=("G1",), text="停水", radio=False, by="王")
    desk.take(bulletin)
    (notice,) = desk.state.each(Notice)
    card = NoticeCard(id="c9", chat="work", address="1001", person="zhang", asked_us=0)
    desk.state.apply(Put(notice.with_card(card)))
    desk.take(PersonErased(at_us=desk.now_us, person="zhang"))
    assert desk.state.find(LastSeen, "zhang") is None
    (notice,) = desk.state.each(Notice)
    assert {c.address for c in notice.cards if c.person == "zhang"} == {ERASED}


@pytest.mark.parametrize(
    ("policy", "kinds"),
    [
        ({"roll_calls": (RollCallRule(at_min=(12 * 60 + 1,)),)}, ["roll_call"]),
        ({"self_test": SelfTestRule(at_min=12 * 60 + 1)}, ["self_test"]),
    ],
)
def test_a_small_step_of_the_clock_over_the_hour_leaves_nothing_out(policy, kinds):
    desk = Desk("zhang", site=scheduled(**policy))
    desk.take(Started(at_us=desk.now_us, down_us=0, synchronised=True))
    desk.pass_time(30 + 90)
    desk.take(ClockStepped(at_us=desk.now_us, by_us=90 * US))
    desk.wait(60)
    assert [n.kind for n in desk.state.each(Notice)] == kinds


def test_nobody_is_asked_whether_he_still_comes_to_what_the_police_have():
    desk = Desk("zhang", "li", site=make_site(still_on_it_s=60))
    desk.alert(needs=2)
    desk.press("zhang", "3")
    desk.press("li", "2")
    desk.press("zhang", "6")
    assert desk.status == "handed_over"
    desk.forget()
    desk.wait(600)
    assert not desk.pages()
    assert not desk.reports("still_asked")
    assert not desk.reports("lapsed")


def test_an_order_that_stands_open_when_the_machine_starts_with_its_clock_unset_says_so():
    """A battery is empty: what the clock tells, and by how much it is wrong, nobody knows."""
    desk = Desk("zhang", "li")
    receipt = desk.alert(expires_us=desk.now_us + 90 * US)
    desk.take(Started(at_us=desk.now_us, down_us=40 * US, synchronised=True))
    assert "clock_doubt" not in desk.state.find(Order, receipt.order).flags
    desk.take(Started(at_us=desk.now_us, down_us=0, synchronised=False))
    assert "clock_doubt" in desk.state.find(Order, receipt.order).flags
    desk.forget()
    desk.pass_time(120)
    desk.wait(600)  # set without a step it was right all along: what is late expires
    assert not desk.pages()
