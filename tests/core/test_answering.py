"""What guards answer, and what strangers, leavers and mistakes get for an answer."""

from dataclasses import replace

import pytest

from gateway.core.alert import Level
from gateway.core.answers.events import OverHeard
from gateway.core.effects import ForgetAddress
from gateway.core.people import Contact, EnrolmentCode, Person
from gateway.core.register.events import RegisterSeeded
from gateway.core.state import State
from tests.core.site_for_tests import PEOPLE, US, Desk, entities


def open_desk(*people, **alert):
    desk = Desk(*people)
    desk.alert(**alert)
    return desk


# ---- keyed on the air ----


def test_order_guard_and_action():
    desk = open_desk()
    assert desk.keys("*10 101 2#")
    assert desk.nodes("zhang") == ["acknowledged/R1", "en_route/R1"]
    said = [r for r in desk.reports(person="zhang") if r.node != "owner"]
    assert [(r.node, r.medium) for r in said] == [
        ("acknowledged", "radio"), ("en_route", "radio"),
    ]  # fmt: skip


def test_the_guard_may_be_left_out_when_his_radio_says_who_he_is():
    desk = open_desk()
    assert desk.keys("*10 1#", ani="99103")
    assert desk.nodes("wang") == ["acknowledged/R1"]
    assert not desk.keys("*10 1#")
    assert not desk.keys("*10 1#", ani="12345")


def test_the_order_may_be_left_out_when_he_has_exactly_one_open():
    desk = open_desk()
    assert desk.keys("*1#", ani="99101")
    assert desk.nodes("zhang") == ["acknowledged/R1"]
    desk.alert(id="second", level=Level.ONE)
    assert not desk.keys("*3#", ani="99101")
    assert not desk.keys("*3#", ani="99301"), "he has none"
    assert not desk.keys("*3#")
    desk.act("close")
    assert desk.keys("*3#", ani="99101")


def test_a_number_keyed_goes_before_the_radios_own_id():
    desk = open_desk()
    assert desk.keys("*10 102 1#", ani="99101")
    assert desk.nodes("li") == ["acknowledged/R1"]
    assert desk.nodes("zhang") == []


@pytest.mark.parametrize(
    ("frame", "ani"),
    [
        ("*10 101 8#", None),  # no such action
        ("*99 101 1#", None),  # no such order
        ("*10 555 1#", None),  # no such guard
        ("*10 201 1#", None),  # not addressed
        ("*10 104 1#", None),  # off duty, so not addressed
        ("*10 1#", "99201"),
        ("*12#", None),
        ("*1#", None),
        ("*#", None),
        ("*1010110101#", None),
        ("*10A1011#", None),
    ],
)
def test_a_wrong_code_gets_the_wrong_tone_and_is_applied_to_nothing(frame, ani):
    desk = open_desk()
    before = desk.order, desk.parts()
    assert not desk.keys(frame, ani=ani)
    assert (desk.order, desk.parts()) == before
    (refused,) = desk.reports("refused_reply")
    assert refused.medium == "radio"
    assert refused.assurance == "R0"
    assert refused.detail


def test_a_closed_orders_number_is_stale():
    desk = open_desk()
    desk.act("close")
    assert not desk.keys("*10 101 1#")
    assert desk.details("refused_reply") == [desk.words("detail_stale")]
    assert desk.nodes("zhang") == []


def test_a_leavers_number_is_refused():
    desk = open_desk()
    desk.leave("zhang")
    assert not desk.keys("*10 101 1#")
    assert desk.details("refused_reply") == [desk.words("detail_left")]


def test_the_same_reply_twice_gets_the_good_tone_twice_and_is_written_once():
    desk = open_desk()
    assert desk.keys("*10 101 1#")
    asked = len(desk.asked)
    assert desk.keys("*10 101 1#")
    assert len(desk.asked) == asked + 1
    assert desk.nodes("zhang") == ["acknowledged/R1"]


def test_a_better_assured_answer_is_written_and_a_worse_one_is_not():
    desk = open_desk()
    desk.keys("*10 101 1#")
    desk.press("zhang", "1")
    assert desk.nodes("zhang") == ["acknowledged/R1", "acknowledged/C2"]
    desk.keys("*10 101 1#")
    assert desk.nodes("zhang") == ["acknowledged/R1", "acknowledged/C2"]


# ---- guessing ----


def test_five_mistakes_pause_a_guard_number_a_quarter_of_an_hour():
    desk = open_desk()
    for _ in range(5):
        desk.pass_time(100)
        assert not desk.keys("*99 101 1#")
    assert not desk.keys("*10 101 1#"), "right, but he is paused"
    assert desk.details("refused_reply")[-1] == desk.words("detail_paused")
    assert desk.keys("*10 102 1#"), "others are not"
    desk.pass_time(899)
    assert not desk.keys("*10 101 1#")
    desk.pass_time(1)
    assert desk.keys("*10 101 1#")


def test_a_right_reply_forgives_the_mistakes_before():
    desk = open_desk()
    for _ in range(4):
        desk.keys("*99 101 1#")
    assert desk.keys("*10 101 1#")
    for _ in range(4):
        desk.keys("*99 101 1#")
    assert desk.keys("*10 101 2#")


def test_twenty_mistakes_in_ten_minutes_pause_a_channel():
    desk = open_desk()
    for i in range(20):
        assert not desk.keys(f"*10 {500 + i} 1#")
    assert not desk.keys("*10 101 1#")
    assert desk.keys("*10 101 1#", channel="ch2"), "another channel is not"
    desk.press("li", "1")
    assert desk.nodes("li") == ["acknowledged/C2"], "nor is the chat"


# ---- spoken, not keyed ----


def test_a_voice_after_a_page_is_somebody_who_does_not_say_who():
    desk = open_desk()
    desk.speak()
    desk.pass_time(3)
    assert desk.talk() == ["spoken_answer"]
    (report,) = desk.reports("spoken_answer")
    assert (report.person, report.assurance) == (None, "R0")
    assert desk.status == "calling", "it stops nothing"


def test_a_voice_is_the_only_one_who_was_called():
    desk = open_desk("zhang")
    desk.speak()
    desk.talk()
    assert desk.reports("spoken_answer")[0].person == "zhang"
    assert desk.nodes("zhang") == ["told/M"]


def test_a_voice_with_a_radios_id_is_his_to_be_confirmed():
    desk = open_desk()
    desk.speak()
    desk.talk(ani="99102")
    (report,) = desk.reports("spoken_answer")
    assert report.person == "li"
    assert report.detail.startswith(desk.words("detail_answered_radio"))


@pytest.mark.parametrize(
    ("pause_s", "over"),
    [
        (1, {"keyed_ms": 200}),  # a kerchunk
        (1, {"channel": "ch2"}),  # elsewhere
        (30, {}),  # long after
    ],
)
def test_other_talk_is_no_answer(pause_s, over):
    desk = open_desk()
    desk.speak()
    desk.pass_time(pause_s)
    assert desk.talk(**over) == []


def test_an_over_that_said_it_by_tone_is_not_told_again():
    desk = open_desk()
    desk.speak()
    desk.pass_time(1)
    desk.keys("*10 101 1#")
    desk.pass_time(1)
    heard = OverHeard(
        at_us=desk.now_us - 2_000_000, channel="ch1", over="v1", keyed_ms=3000
    )
    desk.take(heard)
    assert desk.reports("spoken_answer") == []


# ---- buttons ----


def test_a_button_is_answered_with_what_was_written():
    desk = open_desk()
    answer = desk.press("zhang", "1")
    assert (answer.text, answer.alert) == ("10号：收到，已记录", False)
    assert desk.press("zhang", "1").text == "10号：收到，已记录", "again, the same"
    assert len(desk.reports("acknowledged")) == 1


@pytest.mark.parametrize(
    ("who", "said", "detail"),
    [
        ("6666", "answer_not_enrolled", "detail_unknown_sender"),
        ("chen", "answer_not_addressed", "detail_not_addressed"),
    ],
)
def test_a_button_is_only_for_who_is_enrolled_and_addressed(who, said, detail):
    desk = open_desk()
    before = desk.order, desk.parts()
    answer = desk.press(who, "1")
    assert (answer.text, answer.alert) == (desk.words(said, number="10"), True)
    assert desk.details("refused_reply") == [desk.words(detail)]
    assert (desk.order, desk.parts()) == before


def test_a_leavers_button_is_dead():
    desk = open_desk()
    desk.leave("zhang")
    nodes = desk.nodes("zhang")
    answer = desk.press("zhang", "1")
    assert answer.alert
    assert desk.nodes("zhang") == nodes
    assert desk.details("refused_reply")


def test_a_button_of_a_closed_or_forgotten_order_is_dead():
    desk = open_desk()
    desk.act("close")
    assert desk.press("zhang", "3").text == "10号警情已结束，未记录。"
    assert desk.press("zhang", "3", order="o99").alert
    assert desk.nodes("zhang") == []


# ---- typed words ----


@pytest.mark.parametrize(
    ("text", "node"),
    [("收到", "acknowledged"), ("出警了", "en_route"), ("到了", "arrived"), ("增援！", "need_help"),
     ("处理完了", "done"), ("不能去", "declined"), ("Arrived", "arrived"), ("copy", "acknowledged"),
     ("12345", None), ("1", None), ("吃饭了", None)],
)  # fmt: skip
def test_words_in_the_group_or_in_private(text, node):
    for group in (None, "-101"):
        desk = open_desk()
        answer = desk.write("zhang", text, group=group)
        if node is None:
            assert answer is None
            assert desk.nodes("zhang") == []
        else:
            assert desk.nodes("zhang")[-1] == f"{node}/C1"
            assert answer.startswith("10号：")


def test_an_english_speaker_is_answered_in_english():
    desk = open_desk(grid="G3")
    assert desk.write("smith", "arrived") == "10: arrived, written down"


def test_several_open_orders_and_no_number_is_asked_back():
    desk = open_desk()
    desk.alert(id="second")
    answer = desk.write("zhang", "收到")
    assert answer == "您有几个没有结束的警情：10、11。请写明几号，例如：10 收到"
    assert desk.nodes("zhang") == []
    assert desk.write("zhang", "11 收到") == "11号：收到，已记录"
    assert desk.nodes("zhang") == ["acknowledged/C1"]


def test_a_reply_to_a_card_is_about_that_cards_order():
    desk = open_desk()
    desk.post()
    first = desk.cards()["1001"].card
    desk.alert(id="second")
    desk.post()
    second = desk.cards()["-101"].card
    assert desk.write("zhang", "到了", reply_to=f"m-{first}") == "10号：到场，已记录"
    answer = desk.write("zhang", "收到", group="-101", reply_to=f"m-{second}")
    assert answer == "11号：收到，已记录"
    assert desk.nodes("zhang") == ["told/M", "acknowledged/C1"]


def test_a_reply_to_a_closed_orders_card_is_not_taken_for_another_order():
    desk = open_desk()
    desk.post()
    card = desk.cards()["1001"].card
    desk.act("close")
    desk.alert(id="second")
    assert desk.write("zhang", "到了", reply_to=f"m-{card}") == "10号警情已结束，未记录。"
    assert desk.nodes("zhang") == []


def test_words_about_what_is_not_his_are_answered_and_not_written():
    desk = open_desk()
    assert desk.write("chen", "10 收到") == "10号警情没有派给您，未记录。"
    assert desk.write("zhang", "77 收到") == "没有77号警情，未记录。"
    assert desk.write("chen", "收到") == "您现在没有要处理的警情。"
    desk.act("close")
    assert desk.write("zhang", "10 收到") == "10号警情已结束，未记录。"
    assert desk.nodes("zhang") == []
    assert len(desk.reports("refused_reply")) == 4


def test_talk_of_a_guard_without_an_order_is_answered_with_help_in_private_only():
    desk = Desk()
    assert desk.write("zhang", "你好") == desk.words("answer_help")
    assert desk.write("zhang", "你好", group="-101") is None


def test_a_stranger_is_answered_three_times_an_hour_and_never_in_the_group():
    desk = open_desk()
    answers = [desk.write("6666", "收到") for _ in range(4)]
    assert answers == [desk.words("answer_not_enrolled")] * 3 + [None]
    assert desk.write("6666", "10 收到", group="-101") is None
    assert len(desk.reports("refused_reply")) == 5
    desk.pass_time(3601)
    assert desk.write("6666", "hello") == desk.words("answer_not_enrolled")


# ---- enrolment ----


def test_a_code_binds_an_account_once():
    desk = Desk()
    desk.issue("wang", "ABCD2345")
    assert desk.write("1003", "绑定 ABCD2345") == "已登记：王五。今后警情会发到这里。"
    assert [c.address for c in desk.state.contacts_of("wang")] == ["1003"]
    assert desk.write("6666", "ABCD2345") == desk.words("answer_code_wrong")
    desk.alert()
    assert "1003" in desk.cards()


def test_a_code_runs_out():
    desk = Desk()
    desk.issue("wang", "ABCD2345")
    desk.pass_time(601)
    assert desk.write("1003", "ABCD2345") == desk.words("answer_code_wrong")
    assert desk.state.contacts_of("wang") == []


def test_a_new_code_voids_the_one_before():
    desk = Desk()
    desk.issue("wang", "ABCD2345")
    desk.issue("wang", "WXYZ6789")
    assert desk.write("1003", "ABCD2345") == desk.words("answer_code_wrong")
    assert desk.write("1003", "WXYZ6789").startswith("已登记")


def test_five_wrong_codes_and_the_account_waits_an_hour():
    desk = Desk()
    desk.issue("wang", "ABCD2345", lives_s=7200)
    for _ in range(5):
        assert desk.write("1003", "WXYZ6789") == desk.words("answer_code_wrong")
    assert desk.write("1003", "ABCD2345") == desk.words("answer_code_tries")
    assert desk.write("1007", "ABCD2345").startswith("已登记"), "another account may"


def test_a_code_in_a_group_is_no_code():
    desk = Desk()
    desk.issue("wang", "ABCD2345")
    assert desk.write("1003", "ABCD2345", group="-101") is None
    assert desk.state.contacts_of("wang") == []


def test_an_account_moves_to_who_enrols_with_it():
    desk = Desk()
    desk.issue("wang", "ABCD2345")
    desk.write("zhang", "ABCD2345")
    assert desk.state.contacts_of("zhang") == []
    assert desk.state.person_of_account("work", "1001") == "wang"


def test_a_new_telephone_takes_the_place_of_the_old():
    desk = Desk()
    desk.issue("zhang", "ABCD2345")
    desk.write("7777", "ABCD2345")
    assert [c.address for c in desk.state.contacts_of("zhang")] == ["7777"]
    assert desk.state.person_of_account("work", "1001") is None


# ---- leaving ----


def test_who_leaves_in_mid_order_is_replaced_and_hears_nothing_more():
    desk = open_desk("zhang", "chen")
    desk.post()
    desk.speak()
    desk.press("zhang", "1")
    desk.issue("zhang", "ABCD2345")
    desk.leave("zhang")
    assert desk.status == "calling"
    assert "chen" in desk.called()
    assert desk.nodes("zhang")[-1] == "declined/H"
    assert list(desk.state.each(Contact)) == [
        c for c in desk.state.each(Contact) if c.person != "zhang"
    ]
    assert list(desk.state.each(EnrolmentCode)) == []
    desk.forget()
    desk.alert(id="next")
    assert "1001" not in desk.cards()
    assert "zhang" not in desk.called()


def test_a_leaver_may_leave_twice_and_an_unknown_may_leave():
    desk = open_desk("zhang", "chen")
    desk.leave("zhang")
    asked = len(desk.asked)
    desk.leave("zhang")
    desk.leave("nobody")
    assert len(desk.asked) == asked


def test_time_between_a_page_and_a_voice_is_taken_from_key_down():
    desk = open_desk()
    desk.speak()
    assert desk.talk(keyed_ms=25_000) == ["spoken_answer"]
    assert desk.now_us - desk.order.opened_us == 25 * US


def test_a_successor_keeps_the_number_of_who_left():
    desk = Desk("zhang", "chen")
    desk.leave("zhang")
    successor = replace(PEOPLE["li"], guard_code="101", radio_id="99101")
    desk.take(RegisterSeeded(at_us=desk.now_us, people=(successor,), contacts=()))
    desk.leave("zhang")
    desk.alert()
    assert desk.keys("*10 101 1#")
    assert desk.nodes("li") == ["acknowledged/R1"]
    again = State(sorted(entities(desk.state).values(), key=repr, reverse=True))
    assert [p.id for p in again.holders_of_code("101")] == ["li"]


def test_a_new_telephone_hears_of_an_order_and_the_lost_one_does_not():
    desk = open_desk("zhang")
    desk.post()
    desk.issue("zhang", "ABCD2345")
    desk.write("7777", "ABCD2345")
    desk.forget()
    desk.update(text="变了")
    desk.cancel()
    assert "1001" not in desk.notes()
    assert "1001" not in desk.edits()


def test_a_leavers_cards_are_left_alone_until_the_end():
    desk = open_desk("zhang", "li")
    desk.post()
    desk.leave("zhang")
    desk.forget()
    desk.press("li", "4")
    desk.cancel()
    assert "1001" not in desk.notes()
    assert "1001" not in desk.edits()
    assert "1002" in desk.edits()


def test_a_leaver_is_not_confirmed_by_a_dispatcher():
    desk = open_desk("zhang", "li")
    desk.leave("zhang")
    assert desk.act("confirm", person="zhang").status == "refused"
    assert desk.act("confirm", person="li").status == "accepted"


def test_the_settings_do_not_bring_a_leaver_back():
    desk = open_desk("zhang", "li")
    desk.leave("zhang")
    contact = Contact(person="zhang", chat="work", address="1001", since_us=0)
    desk.take(
        RegisterSeeded(at_us=desk.now_us, people=(PEOPLE["zhang"],), contacts=(contact,))
    )
    assert not desk.state.find(Person, "zhang").active
    assert desk.state.person_of_account("work", "1001") is None
    assert desk.press("zhang", "1").alert


def test_a_code_for_somebody_who_cannot_enrol_is_not_valid():
    desk = Desk("zhang")
    desk.leave("zhang")
    desk.issue("zhang", "ABCD2345")
    assert desk.write("1001", "ABCD2345") == desk.words("answer_code_wrong")
    desk.issue("nobody", "WXYZ6789")
    assert desk.write("1001", "WXYZ6789") == desk.words("answer_code_wrong")


def test_what_is_over_is_not_touched_by_somebodys_leaving():
    desk = open_desk("zhang", "chen")
    desk.press("zhang", "3")
    desk.act("close")
    nodes, asked = desk.nodes("zhang"), len(desk.asked)
    desk.leave("zhang")
    assert desk.nodes("zhang") == nodes
    assert desk.asked[asked:] == [ForgetAddress(chat="work", address="1001")]
