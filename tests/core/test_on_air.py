"""Who spoke, and what the cheapest radios answer: statuses, presses, turns, voices."""

from dataclasses import replace

import pytest

from gateway.core.alert import Level
from gateway.core.answers.replies import Action
from gateway.core.effects import AnswerOver, PageChannel, SendText
from gateway.core.events import ClockStepped
from gateway.core.order import Page
from gateway.core.people import Person, is_radio
from gateway.core.places import Post
from gateway.core.register.events import RegisterSeeded
from gateway.core.roster import RosterException
from tests.core.site_for_tests import PEOPLE, US, Desk, guard, make_site

# Beside the people of the district: radio alone, and no id in any of it.
MUTE = {
    name: Person(id=name, name=said, organisation="guard", crew="A", grids=("G1",), **more)
    for name, said, more in (
        ("mo", "莫一", {}),
        ("ma", "马二", {}),
        ("tone", "唐三", {"radios": ("ctcss:88.5",)}),
        ("mdc", "梅四", {"radios": ("mdc1200:1A2B", "zvei1:1234")}),
    )
}


def desk_with(*names, site=None, alert=True, **fields):
    """A desk with these people alone; the order has been spoken."""
    known = PEOPLE | MUTE
    desk = Desk("zhao", site=site)
    people = tuple(known[name] for name in names)
    desk.take(RegisterSeeded(at_us=desk.now_us, people=people, contacts=()))
    if alert:
        desk.alert(**fields)
        desk.speak()
    desk.forget()
    return desk


def site_with(**more):
    return replace(make_site(), **more)


def slots_site(**response):
    return make_site(answer_slots=True, **response)


# ---- who it is ----


def test_two_active_people_with_one_guard_code_are_nobody():
    desk = desk_with("zhang")
    twin = guard("twin", "101", "G1")
    desk.take(RegisterSeeded(at_us=desk.now_us, people=(twin,), contacts=()))
    assert not desk.keys("*10 101 1#")
    assert desk.details("refused_reply") == [desk.words("detail_ambiguous_code")]
    assert desk.nodes("zhang") == ["told/M"]
    desk.leave("twin")
    assert desk.keys("*10 101 1#")
    assert desk.nodes("zhang") == ["told/M", "acknowledged/R1"]


def test_two_active_people_with_one_radio_are_nobody():
    desk = desk_with("mdc")
    twin = Person(id="twin", name="双", grids=("G1",), radios=("mdc1200:1A2B",))
    desk.take(RegisterSeeded(at_us=desk.now_us, people=(twin,), contacts=()))
    assert not desk.packet(0x46, 1, 0x1A2B)
    assert desk.details("refused_reply") == [desk.words("detail_ambiguous_radio")]
    assert desk.nodes("mdc") == ["told/M"]


def post_site(**more):
    posts = {"P1": Post(id="P1", name="银行岗", grid="G1", radios=("mdc1200:0777",))}
    return site_with(posts=posts, **more)


def at_the_post(name, code, **more):
    return guard(name, code, "G1", post="P1", radio_id=None, **more)


def test_a_posts_radio_is_whoever_is_on_duty_there_now():
    desk = desk_with(site=post_site(), alert=False)
    people = (at_the_post("day", "401"), at_the_post("night", "402", crew="B"))
    desk.take(RegisterSeeded(at_us=desk.now_us, people=people, contacts=()))
    desk.alert()
    assert desk.packet(0x46, 1, 0x777)
    assert desk.nodes("day") == ["acknowledged/R1"]
    desk.wait(12 * 3600)  # at midnight crew B stands there
    desk.alert(id="second")
    assert desk.packet(0x46, 1, 0x777)
    assert desk.nodes("night") == ["acknowledged/R1"]


def test_a_posts_radio_with_two_on_duty_or_none_is_nobody():
    desk = desk_with(site=post_site(), alert=False)
    people = (at_the_post("one", "401"), at_the_post("two", "402"))
    desk.take(RegisterSeeded(at_us=desk.now_us, people=people, contacts=()))
    desk.alert()
    assert not desk.packet(0x46, 1, 0x777)
    assert desk.details("refused_reply") == [desk.words("detail_ambiguous_radio")]
    away = {
        name: (RosterException(person=name, from_us=0, to_us=desk.now_us * 2, on_duty=False),)
        for name in ("one", "two")
    }
    desk.site = post_site(roster=replace(desk.site.roster, exceptions=away))
    assert not desk.packet(0x46, 1, 0x777)
    assert desk.details("refused_reply")[1] == desk.words("detail_nobody_at_post")
    assert desk.nodes("one") == desk.nodes("two") == []


def test_an_unknown_radio_is_named_once_an_hour():
    desk = desk_with("zhang")
    desk.pass_time(60)
    assert desk.talk(radio="mdc1200:0BAD") == ["unknown_radio"]
    assert desk.talk(radio="mdc1200:0BAD") == []
    assert "mdc1200:0BAD" in desk.details("unknown_radio")[0]
    desk.pass_time(3601)
    assert desk.talk(radio="mdc1200:0BAD") == ["unknown_radio"]
    assert desk.talk(radio="ctcss:67.0") == [], "the tone of the channel is nobody's"


def test_a_flood_of_unknown_radios_is_not_a_flood_of_reports():
    desk = desk_with("zhang")
    desk.pass_time(60)
    for unit in range(1, 200):
        desk.talk(radio=f"mdc1200:{unit:04X}")
    assert len(desk.reports("unknown_radio")) == 20
    assert desk.talk(radio="mdc1200:7777", channel="ch2") == ["unknown_radio"]


def test_a_lost_radio_is_reported_at_each_use_and_applied_to_nothing():
    desk = desk_with("mdc", "zhang")
    desk.radio("mdc1200:1A2B", lost=True)
    desk.radio("mdc1200:1A2B", lost=True)
    assert [r.person for r in desk.reports("radio_lost")] == ["mdc"]
    assert not desk.packet(0x46, 1, 0x1A2B)
    assert not desk.packet(0x46, 1, 0x1A2B)
    assert len(desk.reports("lost_radio")) == 2, "each use"
    detail = desk.words("detail_lost_heard", channel="一信道", radio="mdc1200:1A2B")
    assert desk.details("lost_radio")[0] == detail
    assert desk.presses(2, radio="mdc1200:1A2B") is False
    assert desk.nodes("mdc") == ["told/M"]
    desk.radio("mdc1200:1A2B", lost=False)
    assert len(desk.reports("radio_found")) == 1
    assert desk.packet(0x46, 1, 0x1A2B)


def test_a_number_keyed_on_a_lost_radio_counts_for_nothing():
    desk = desk_with("zhang", "li")
    desk.radio("dtmf:99101", lost=True)
    assert not desk.keys("*10 102 1#", ani="99101")
    assert desk.nodes("li") == ["told/M"]
    assert len(desk.reports("lost_radio")) == 1


def test_one_over_of_a_lost_radio_is_told_once():
    desk = desk_with("mdc")
    desk.pass_time(60)
    desk.radio("mdc1200:1A2B", lost=True)
    desk.packet(0x01, 0x80, 0x1A2B)
    desk._presses -= 1  # the same over ends
    assert desk.talk(radio="mdc1200:1A2B") == []
    assert len(desk.reports("lost_radio")) == 1


def test_a_leavers_radio_is_told_and_counts_for_nothing():
    desk = desk_with("mdc", "zhang")
    desk.leave("mdc")
    desk.forget()
    assert not desk.packet(0x46, 1, 0x1A2B)
    assert desk.reports("lost_radio")[0].person == "mdc"
    assert desk.details("refused_reply") == [desk.words("detail_left")]


def test_radios_that_disagree_in_one_over_are_nobody_in_particular():
    desk = desk_with("mdc", "zhang")
    assert desk.talk(radios=("mdc1200:1A2B", "dtmf:99101")) == ["spoken_answer"]
    assert desk.reports("spoken_answer")[0].person is None


@pytest.mark.parametrize("radio", ["dtmf:10031", "zvei1:12345", "mdc1200:1A2B", "ctcss:88.5",
                                   "dcs:023N", "ours:0123A"])  # fmt: skip
def test_what_a_radio_may_say_of_itself(radio):
    assert is_radio(radio)


@pytest.mark.parametrize("radio", ["", "dtmf:", "dtmf:1A", "mdc1200:FFFF", "mdc1200:0000",
                                   "mdc1200:1a2b", "ctcss:88", "dcs:999N", "zvei1:", "1:2:345",
                                   "zvei1:12345\n", "dtmf:１２３"])  # fmt: skip
def test_what_no_radio_says(radio):
    assert not is_radio(radio)


# ---- statuses ----


@pytest.mark.parametrize(
    ("status", "node"),
    [(1, "acknowledged"), (2, "en_route"), (3, "arrived"), (4, "need_help"), (5, "done"),
     (0, "declined")],
)  # fmt: skip
def test_a_status_is_the_reply_of_its_number(status, node):
    desk = desk_with("mdc", "zhang")
    assert desk.packet(0x46, status, 0x1A2B)
    assert desk.nodes("mdc")[-1] == f"{node}/R1"
    (answer,) = desk.of(AnswerOver)
    assert answer.signal == "mdc1200:ack:1A2B"


def test_a_status_that_was_not_agreed_is_refused():
    desk = desk_with("mdc", site=site_with(mdc_status={7: Action.ARRIVED}))
    assert not desk.packet(0x46, 1, 0x1A2B)
    assert desk.packet(0x46, 7, 0x1A2B)
    assert desk.nodes("mdc") == ["told/M", "acknowledged/R1", "arrived/R1"]


def test_a_status_with_several_open_orders_or_none_is_refused():
    desk = desk_with("mdc")
    desk.alert(id="second")
    assert not desk.packet(0x46, 1, 0x1A2B)
    desk.act("close")
    assert desk.packet(0x46, 1, 0x1A2B)
    desk.act("close", order="o1")
    assert not desk.packet(0x46, 3, 0x1A2B)


def test_a_packet_that_says_only_who_it_is_answers_nothing():
    desk = desk_with("mdc")
    assert desk.packet(0x01, 0x80, 0x1A2B) is None
    assert desk.signal("mdc1200", "selective call", mdc=None) is None
    assert desk.nodes("mdc") == ["told/M"]


def test_a_five_tone_call_with_a_status_digit():
    desk = desk_with("mdc", site=site_with(selcall_status={"1": Action.ACKNOWLEDGE}))
    assert desk.signal("selcall", "12341", set="zvei1")
    assert desk.nodes("mdc")[-1] == "acknowledged/R1"
    assert not desk.signal("selcall", "12349", set="zvei1"), "no such status"
    assert desk.signal("selcall", "12341", set="ccir") is None, "another set, another radio"
    assert desk.details("unknown_radio") == [
        desk.words("detail_unknown_heard", channel="一信道", radio="ccir:12341")
    ]


def test_a_five_tone_call_is_an_id_alone_where_no_status_is_agreed():
    desk = desk_with("mdc")
    assert desk.signal("selcall", "12341", set="zvei1") is None
    assert desk.nodes("mdc") == ["told/M"]


def test_five_wrong_statuses_pause_a_radio():
    desk = desk_with("mdc", alert=False)
    for _ in range(5):
        assert not desk.packet(0x46, 1, 0x1A2B)
    desk.alert()
    assert not desk.packet(0x46, 1, 0x1A2B)
    assert desk.details("refused_reply")[-1] == desk.words("detail_paused")


# ---- emergencies ----


def test_an_emergency_calls_help_on_the_open_order():
    desk = desk_with("mdc", "zhang")
    assert desk.packet(0x00, 0x80, 0x1A2B)
    (answer,) = desk.of(AnswerOver)
    assert answer.signal == "mdc1200:emergency_ack:1A2B"
    (emergency,) = desk.reports("emergency")
    assert (emergency.person, emergency.order, emergency.assurance) == ("mdc", "o1", "R1")
    assert "一信道" in emergency.detail
    assert desk.nodes("mdc")[-1] == "need_help/R1"
    assert desk.pages(), "others hear of it"


def test_an_emergency_without_an_order_is_told_to_the_centre_and_to_the_supposed_caller():
    fitted = replace(PEOPLE["zhang"], radios=("mdc1200:0101",))
    desk = Desk("zhao")
    desk.take(RegisterSeeded(at_us=desk.now_us, people=(fitted,), contacts=()))
    desk.issue("zhang", "ABCD2345")
    desk.write("zhang", "ABCD2345")
    assert desk.packet(0x00, 0x80, 0x0101)
    (emergency,) = desk.reports("emergency")
    assert (emergency.person, emergency.order) == ("zhang", None)
    assert desk.words("note_emergency", channel="一信道") in [s.text for s in desk.of(SendText)]


@pytest.mark.parametrize("lost", [False, True])
def test_an_emergency_of_an_unknown_or_a_lost_radio_is_taken_too(lost):
    desk = desk_with("zhang")
    if lost:
        desk.radio("mdc1200:0BAD", lost=True)
    assert desk.packet(0x00, 0x81, 0x0BAD)
    (emergency,) = desk.reports("emergency")
    assert (emergency.person, emergency.order, emergency.assurance) == (None, None, "R0")
    assert "mdc1200:0BAD" in emergency.detail
    assert desk.nodes("zhang") == ["told/M"]


def test_an_emergency_is_acknowledged_each_time_and_told_once_in_half_a_minute():
    desk = desk_with("mdc")
    for _ in range(4):
        assert desk.packet(0x00, 0x80, 0x1A2B)
        desk.pass_time(2)
    assert len(desk.reports("emergency")) == 1
    desk.pass_time(30)
    desk.packet(0x00, 0x80, 0x1A2B)
    assert len(desk.reports("emergency")) == 2


def test_an_emergency_is_taken_while_a_radio_is_paused():
    desk = desk_with("mdc", alert=False)
    for _ in range(25):
        desk.packet(0x46, 9, 0x1A2B)
    assert desk.packet(0x00, 0x80, 0x1A2B)
    assert len(desk.reports("emergency")) == 1


def test_an_emergency_is_about_the_order_he_has_taken():
    desk = desk_with("mdc")
    desk.packet(0x46, 1, 0x1A2B)
    desk.alert(id="second")
    desk.packet(0x00, 0x80, 0x1A2B)
    assert desk.reports("emergency")[0].order == "o1"
    assert desk.reports("need_help")[0].order == "o1"


# ---- presses of a key ----


def test_two_presses_acknowledge_and_three_say_arrived_with_a_radios_own_tone():
    desk = desk_with("tone", "zhang")
    desk.pass_time(3)
    assert desk.presses(2, radio="ctcss:88.5") is True
    assert desk.nodes("tone") == ["told/M", "acknowledged/R1"]
    desk.pass_time(3)
    assert desk.presses(3, radio="ctcss:88.5") is True
    assert desk.nodes("tone") == ["told/M", "acknowledged/R1", "arrived/R1"]
    assert desk.status == "arrived"


def test_presses_are_his_who_alone_was_called():
    desk = desk_with("mo")
    desk.pass_time(2)
    assert desk.presses(2) is True
    assert desk.nodes("mo") == ["told/M", "acknowledged/R1"]
    assert desk.status == "acknowledged"


def test_the_tone_of_the_channel_does_not_hide_who_was_called_alone():
    desk = desk_with("mo")
    assert desk.presses(2, radio="ctcss:67.0") is True


def test_presses_do_not_stop_the_ladder_of_level_one():
    desk = desk_with("mo", level=Level.ONE)
    assert desk.presses(2) is True
    assert desk.nodes("mo")[-1] == "acknowledged/R1"
    assert desk.status == "calling"


def test_presses_when_two_were_called_are_somebodys():
    desk = desk_with("mo", "ma")
    assert desk.presses(2) is False
    (report,) = desk.reports()
    assert (report.node, report.person, report.assurance) == ("answered_unidentified", None, "R0")
    assert desk.nodes("mo") == desk.nodes("ma") == ["told/M"]


def test_presses_after_a_repetition_for_one_are_still_somebodys():
    """The other may have pressed too: he was called by the same order."""
    desk = desk_with("mo", "mdc")
    desk.packet(0x46, 2, 0x1A2B)
    desk.packet(0x46, 0, 0x1A2B)
    desk.wait(60)
    desk.speak()
    assert desk.presses(2) is False
    assert desk.nodes("mo") == ["told/M"]


def test_presses_of_one_who_has_a_telephone_are_somebodys():
    desk = Desk("zhang")
    desk.alert()
    desk.speak()
    assert desk.presses(2) is False
    assert desk.nodes("zhang") == ["told/M"]


def test_presses_while_two_orders_were_called_belong_to_neither():
    desk = desk_with("tone")
    desk.pass_time(5)
    desk.alert(id="second")
    desk.speak()
    assert desk.presses(2, radio="ctcss:88.5") is False
    assert [r.order for r in desk.reports("answered_unidentified")] == ["o1", "o2"]
    assert desk.nodes("tone") == ["told/M"]
    desk.pass_time(16)
    assert desk.presses(2, radio="ctcss:88.5") is True, "the first window is over"
    assert desk.nodes("tone") == ["told/M", "acknowledged/R1"]


def test_presses_after_a_stand_down_of_another_order_are_not_an_acknowledgement():
    desk = desk_with("tone")
    desk.pass_time(5)
    desk.alert(id="second")
    desk.speak()
    desk.pass_time(30)
    desk.alert(id="third")
    desk.speak()
    desk.act("stand_down", order="o2")
    desk.speak()
    assert desk.presses(2, radio="ctcss:88.5") is False
    assert desk.nodes("tone") == ["told/M"]


def test_a_one_among_several_open_orders_is_no_word_on_the_one_called_off():
    desk = desk_with("zhang")
    desk.alert(id="second")
    desk.alert(id="third")
    desk.speak()
    desk.act("stand_down", order="o1")
    desk.speak()
    assert not desk.keys("*101 1#"), "any of three may be meant"
    assert desk.reports("stood_down") == []
    assert desk.keys("*10 101 1#")
    assert [r.order for r in desk.reports("stood_down")] == ["o1"]


def test_presses_after_a_stand_down_say_nothing_of_the_closed_order():
    desk = desk_with("mo")
    desk.act("stand_down")
    desk.speak()
    desk.forget()
    assert desk.presses(2) is False
    assert desk.reports() == []


@pytest.mark.parametrize(("wait_s", "channel"), [(21, "ch1"), (1, "ch2"), (-1, "ch1")])
def test_presses_outside_the_window_are_nothing(wait_s, channel):
    desk = desk_with("mo")
    desk.pass_time(wait_s)
    assert desk.presses(2, channel=channel) is None
    assert desk.asked == []


def test_three_presses_of_a_known_radio_are_an_arrival_whenever_he_gets_there():
    desk = desk_with("tone", "mo")
    assert desk.presses(2, radio="ctcss:88.5") is True
    desk.pass_time(240)
    desk.forget()
    assert desk.presses(2, radio="ctcss:88.5") is None
    assert desk.presses(3) is None, "somebody: nobody knows who, nor about what"
    assert desk.presses(3, radio="ctcss:88.5") is True
    assert desk.nodes("tone") == ["told/M", "acknowledged/R1", "arrived/R1"]


def test_late_presses_are_no_arrival_of_who_has_not_taken_it_or_has_two_orders():
    desk = desk_with("tone")
    desk.pass_time(40)
    assert desk.presses(3, radio="ctcss:88.5") is None
    desk = desk_with("tone")
    assert desk.presses(2, radio="ctcss:88.5") is True
    desk.alert(id="second")
    desk.speak()
    desk.pass_time(40)
    assert desk.presses(3, radio="ctcss:88.5") is None
    assert desk.nodes("tone") == ["told/M"], "which of the two?"


def test_presses_are_not_his_who_said_that_he_cannot_come():
    desk = desk_with("mdc")
    desk.packet(0x46, 0, 0x1A2B)
    assert desk.presses(2) is False
    assert desk.nodes("mdc") == ["told/M", "declined/R1"]
    assert desk.presses(2, radio="mdc1200:1A2B") is True, "he says himself that he comes"


@pytest.mark.parametrize("radio", ["mdc1200:0BAD", "zvei1:99999"])
def test_presses_of_an_unknown_radio_are_not_his_who_was_called(radio):
    desk = desk_with("mo")
    assert desk.presses(2, radio=radio) is False
    assert desk.nodes("mo") == ["told/M"]


def test_presses_of_somebody_not_addressed_are_refused():
    desk = desk_with("mo", "sun")
    assert desk.presses(2, radio="dtmf:99301") is False
    (refused,) = desk.reports("refused_reply")
    assert (refused.person, refused.order) == ("sun", "o1")


# ---- selective calls ----


def test_an_order_calls_the_radios_of_whom_it_is_for_first_each_once():
    desk = Desk("zhao")
    people = tuple(
        Person(id=f"g{i}", name=f"甲{i}", organisation="guard", grids=("G1",), calls=calls)
        for i, calls in enumerate([("zvei1:12345",), ("zvei1:12345", "mdc1200:call:1A2B"), ()])
    )
    desk.take(RegisterSeeded(at_us=desk.now_us, people=people, contacts=()))
    desk.alert()
    assert desk.of(PageChannel)[0].calls == ("zvei1:12345", "mdc1200:call:1A2B")
    desk.speak()
    desk.act("stand_down")
    assert desk.of(PageChannel)[-1].calls == ()


# ---- turns ----


def test_turns_are_announced_where_a_radio_cannot_say_who_it_is():
    desk = Desk("zhao", site=slots_site())
    people = (MUTE["mo"], MUTE["ma"], PEOPLE["zhang"])
    desk.take(RegisterSeeded(at_us=desk.now_us, people=people, contacts=()))
    desk.alert()
    (page,) = desk.of(PageChannel)
    assert page.text[-1] == "请按顺序回答，马二第一、莫一第二、张三第三，每人5秒，完毕"
    assert page.answer_window_s == 15


def test_turns_of_many_lengthen_the_window():
    desk = Desk("zhao", site=slots_site(slot_s=8))
    people = tuple(
        Person(id=f"g{i}", name=f"甲{i}", organisation="guard", grids=("G1",)) for i in range(6)
    )
    desk.take(RegisterSeeded(at_us=desk.now_us, people=people, contacts=()))
    desk.alert()
    assert desk.of(PageChannel)[0].answer_window_s == 48
    desk.speak()
    desk.pass_time(44)
    assert desk.presses(2) is True
    assert desk.nodes("g5")[-1] == "acknowledged/R1"


@pytest.mark.parametrize("names", [("zhang", "li"), ("mo",)])
def test_no_turns_where_all_can_say_who_they_are_or_there_is_only_one(names):
    desk = desk_with(*names, site=slots_site())
    desk.alert(id="second")
    assert desk.of(PageChannel)[-1].text[-1] == desk.words("say_answer")


@pytest.mark.parametrize(
    ("after_s", "whose"),
    [(0, "ma"), (0.2, "ma"), (4.4, "ma"), (4.8, None), (5.3, None), (5.6, "mo"), (9.4, "mo"),
     (9.7, None), (12, None)],
)  # fmt: skip
def test_presses_count_for_him_whose_turn_it_is(after_s, whose):
    desk = desk_with("mo", "ma", site=slots_site())
    desk.pass_time(after_s)
    assert desk.presses(2) is (whose is not None)
    answered = {name for name in ("mo", "ma") if "acknowledged/R1" in desk.nodes(name)}
    assert answered == ({whose} if whose else set())


def test_a_voice_in_a_turn_is_offered_as_his():
    desk = desk_with("mo", "ma", site=slots_site())
    desk.pass_time(6)
    desk.talk(recording="ch1/x.opus")
    (report,) = desk.reports("spoken_answer")
    assert (report.person, report.assurance) == ("mo", "R0")
    assert desk.nodes("mo") == ["told/M"]


def test_a_turn_is_nobodys_when_another_order_was_called_meanwhile():
    desk = desk_with("mo", "ma", site=slots_site())
    desk.pass_time(3)
    desk.alert(id="second")
    desk.speak()
    assert desk.presses(2) is False
    assert desk.nodes("mo") == desk.nodes("ma") == ["told/M"]


@pytest.mark.parametrize("by_s", [-3600, 3600, -5, 5])
def test_a_moved_clock_gives_nobody_anothers_turn(by_s):
    desk = desk_with("mo", "ma", site=slots_site())
    desk.pass_time(1 + by_s)
    desk.take(ClockStepped(at_us=desk.now_us, by_us=by_s * US))
    desk.pass_time(1)
    assert desk.presses(2) is False
    assert desk.nodes("mo") == desk.nodes("ma") == ["told/M"]


@pytest.mark.parametrize("by_s", [-3600, 3600])
def test_a_moved_clock_leaves_the_window_as_it_was(by_s):
    desk = desk_with("mo")
    desk.pass_time(5 + by_s)
    desk.take(ClockStepped(at_us=desk.now_us, by_us=by_s * US))
    assert desk.presses(2) is True
    desk.pass_time(20)
    assert desk.presses(2) is None, "and it ends"


def test_a_clock_set_back_does_not_open_an_old_window_again():
    desk = desk_with("mo")
    desk.pass_time(3600)
    desk.pass_time(-3595)
    desk.take(ClockStepped(at_us=desk.now_us, by_us=-3595 * US))
    assert desk.presses(2) is None
    assert [p.slots for p in desk.state.each(Page)] == [()]


# ---- voices and their confirmation ----


def test_a_voice_is_offered_with_its_recording_and_confirmed_by_a_dispatcher():
    desk = desk_with("mo", level=Level.ONE)
    desk.pass_time(2)
    assert desk.talk(recording="ch1/20261122/v1.opus") == ["spoken_answer"]
    (offered,) = desk.reports("spoken_answer")
    assert offered.person == "mo"
    assert "ch1/20261122/v1.opus" in offered.detail
    assert "v2" in offered.detail or "v1" in offered.detail
    assert desk.status == "calling"
    assert desk.act("confirm", person="mo", node="acknowledged").status == "accepted"
    assert desk.nodes("mo")[-1] == "acknowledged/H"
    assert desk.status == "acknowledged", "level 1 too: a dispatcher knows his voice"


def test_a_voice_while_two_orders_were_called_is_offered_to_both_as_nobodys():
    desk = desk_with("mo")
    desk.pass_time(5)
    desk.alert(id="second")
    desk.speak()
    desk.talk()
    assert [(r.order, r.person) for r in desk.reports("spoken_answer")] == [
        ("o1", None), ("o2", None),
    ]  # fmt: skip


def test_short_presses_are_no_voice():
    desk = desk_with("mo")
    assert desk.talk(keyed_ms=500, presses_ms=(480, 300, 500)) == []
    assert desk.talk(keyed_ms=1500, presses_ms=(480, 300, 1500)) == ["spoken_answer"]


def test_a_lost_radios_voice_is_nobodys():
    desk = desk_with("tone")
    desk.radio("ctcss:88.5", lost=True)
    assert desk.talk(radio="ctcss:88.5") == ["lost_radio", "spoken_answer"]
    assert desk.reports("spoken_answer")[0].person is None
