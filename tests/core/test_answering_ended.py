"""A reply to an order that has ended: the same once more is answered, what is new is not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.order import Assignment
from tests.core.site_for_tests import NOON_US, US, Desk, entities
from tests.core.test_on_air import desk_with

DAY_S = 24 * 3600


def without_tries(desk):
    return {k: v for k, v in entities(desk.state).items() if k[0] not in ("tries", "recording")}


def again(desk, act, *, good=True):
    """Let somebody act on an ended order; return the nodes told, all else unchanged."""
    desk.forget()
    before = without_tries(desk)
    assert bool(act()) is good
    assert without_tries(desk) == before
    return [r.node for r in desk.reports()]


def done_and_closed(*names, frame="*10 101 5#"):
    desk = desk_with(*(names or ("zhang",)))
    assert desk.keys(frame)
    desk.act("close")
    return desk


# ---- on the air ----


@pytest.mark.parametrize("action", "5321")
def test_what_is_on_record_is_answered_as_before_when_its_order_has_ended(action):
    desk = done_and_closed()
    assert again(desk, lambda: desk.keys(f"*10 101 {action}#")) == ["repeated_reply"]
    (report,) = desk.reports()
    assert (report.order, report.person, report.medium) == ("o1", "zhang", "radio")
    assert report.detail == desk.words("detail_repeated", state=desk.words(
        {"5": "state_done", "3": "state_arrived", "2": "state_en_route",
         "1": "state_acknowledged"}[action]))  # fmt: skip


@pytest.mark.parametrize(
    "frame", ["*10 101 0#", "*10 101 4#", "*10 101 6#", "*10 102 5#", "*10 103 1#"]
)
def test_what_is_new_or_anothers_stays_refused(frame):
    desk = done_and_closed("zhang", "li")
    assert again(desk, lambda: desk.keys(frame), good=False) == ["refused_reply"]


def test_an_arrival_is_no_end_and_a_handover_no_end_of_his_own():
    desk = done_and_closed(frame="*10 101 3#")
    assert not desk.keys("*10 101 5#")
    desk = done_and_closed(frame="*10 101 6#")
    assert desk.keys("*10 101 6#")
    assert desk.keys("*10 101 3#")
    assert not desk.keys("*10 101 5#")


def test_a_call_for_help_is_never_answered_as_if_somebody_acted_on_it():
    desk = done_and_closed(frame="*10 101 4#")
    assert again(desk, lambda: desk.keys("*10 101 4#"), good=False) == ["refused_reply"]


def test_who_declined_may_say_so_again_and_who_came_back_may_not():
    desk = done_and_closed("zhang", "li", frame="*10 101 0#")
    assert again(desk, lambda: desk.keys("*10 101 0#")) == ["repeated_reply"]
    assert not desk.keys("*10 101 1#")
    desk = desk_with("zhang", "li")
    for action in "101":
        desk.keys(f"*10 101 {action}#")
    desk.act("close")
    assert desk.keys("*10 101 1#")
    assert not desk.keys("*10 101 0#")


def test_without_a_number_it_is_the_order_that_has_just_ended():
    desk = desk_with("zhang")
    assert desk.keys("*5#", ani="99101")
    desk.act("close")
    assert again(desk, lambda: desk.keys("*5#", ani="99101")) == ["repeated_reply"]
    assert not desk.keys("*4#", ani="99101")
    desk.pass_time(600)
    assert desk.keys("*5#", ani="99101")
    desk.pass_time(1)
    assert not desk.keys("*5#", ani="99101"), "by now he must mean something else"


def test_a_word_on_the_order_before_is_not_taken_for_one_on_the_next():
    desk = done_and_closed()
    desk.pass_time(10)
    desk.alert(id="second")
    desk.speak()
    assert again(desk, lambda: desk.keys("*5#", ani="99101"), good=False) == ["refused_reply"]
    assert desk.nodes("zhang") == ["told/M"]
    assert desk.keys("*1#", ani="99101"), "that he has not said a moment ago"
    assert desk.keys("*5#", ani="99101"), "nor is there doubt once he has spoken of this one"
    assert desk.nodes("zhang") == ["told/M", "acknowledged/R1", "done/R1"]


def test_half_a_minute_later_it_is_about_the_next():
    desk = done_and_closed()
    desk.pass_time(31)
    desk.alert(id="second")
    desk.speak()
    assert desk.keys("*5#", ani="99101")
    assert desk.nodes("zhang") == ["told/M", "acknowledged/R1", "done/R1"]


def test_a_status_is_repeated_as_digits_are():
    desk = desk_with("mdc")
    assert desk.packet(0x46, 5, 0x1A2B)
    desk.act("close")
    assert again(desk, lambda: desk.packet(0x46, 5, 0x1A2B)) == ["repeated_reply"]


def test_presses_are_repeated_in_the_window_and_after_it():
    desk = desk_with("tone")
    assert desk.presses(3, radio="ctcss:88.5")
    desk.act("close")
    for _ in range(2):
        told = again(desk, lambda: desk.presses(3, radio="ctcss:88.5"))
        assert told == ["repeated_reply"]
        desk.pass_time(60)
    assert desk.presses(2, radio="ctcss:88.5") is None, "only an arrival counts so late"


def test_presses_without_an_id_are_repeated_by_who_was_called_alone():
    desk = desk_with("mo")
    assert desk.presses(2)
    desk.act("close")
    assert again(desk, lambda: desk.presses(2)) == ["repeated_reply"]
    assert again(desk, lambda: desk.presses(3), good=False) == []


def test_a_number_that_is_used_again_leads_to_the_new_order_alone():
    desk = done_and_closed("zhang", "sun")
    desk.pass_time(DAY_S + 1)
    while True:
        desk.alert(id=f"later{desk.now_us}", grid="G3")
        if desk.number == "10":
            break
        desk.act("close")
        desk.pass_time(DAY_S + 1)
    assert not desk.keys("*10 101 5#")
    assert desk.details("refused_reply")[-1] == desk.words("detail_not_addressed")


def test_a_drills_reply_is_repeated_too():
    desk = desk_with("zhang", exercise=True)
    assert desk.keys("*01 101 5#")
    desk.act("close")
    assert again(desk, lambda: desk.keys("*01 101 5#")) == ["repeated_reply"]


def test_a_repetition_forgives_no_guesses():
    desk = done_and_closed()
    for _ in range(4):
        assert not desk.keys("*99 101 1#")
        assert desk.keys("*10 101 5#")
    assert not desk.keys("*98 101 1#")
    assert not desk.keys("*10 101 5#"), "paused like anybody who has guessed five times"


def test_who_has_left_repeats_nothing():
    desk = done_and_closed()
    desk.leave("zhang")
    assert again(desk, lambda: desk.keys("*10 101 5#"), good=False) == ["refused_reply"]


# ---- called off ----


def test_a_one_before_the_end_was_said_is_not_that_he_knows_it():
    desk = desk_with("zhang", "mo")
    assert desk.keys("*10 101 1#")
    desk.act("stand_down")
    assert again(desk, lambda: desk.keys("*10 101 1#")) == ["repeated_reply"]
    desk.speak()
    assert desk.keys("*10 101 1#")
    assert desk.nodes("zhang")[-2:] == ["released/H", "stood_down/R1"]
    assert again(desk, lambda: desk.keys("*10 101 1#")) == ["repeated_reply"]
    assert again(desk, lambda: desk.keys("*1#", ani="99101")) == ["repeated_reply"]
    assert desk.details("repeated_reply") == [
        desk.words("detail_repeated", state=desk.words("state_stood_down"))
    ]


def test_a_first_word_before_the_end_was_said_is_refused():
    desk = desk_with("zhang")
    desk.act("stand_down")
    assert again(desk, lambda: desk.keys("*10 101 1#"), good=False) == ["refused_reply"]


def test_where_he_was_before_it_was_called_off_may_be_said_again():
    desk = desk_with("zhang")
    desk.keys("*10 101 3#")
    desk.act("stand_down")
    desk.speak()
    assert again(desk, lambda: desk.keys("*10 101 3#")) == ["repeated_reply"]
    assert not desk.keys("*10 101 5#")
    assert desk.keys("*10 101 1#")
    assert again(desk, lambda: desk.keys("*10 101 3#")) == ["repeated_reply"]


def test_who_stays_away_need_not_say_that_he_knows():
    desk = desk_with("zhang", "li")
    desk.keys("*10 101 0#")
    desk.act("stand_down")
    desk.speak()
    assert again(desk, lambda: desk.keys("*10 101 0#")) == ["repeated_reply"]
    assert not desk.keys("*10 101 1#")


# ---- by chat ----


def chat_desk(action="5"):
    desk = Desk()
    desk.alert()
    desk.post()
    desk.press("zhang", action)
    desk.act("close")
    return desk


def test_a_press_in_flight_when_the_order_ends_is_answered_as_the_first():
    desk = chat_desk()
    told = again(desk, lambda: not desk.press("zhang", "5").alert)
    assert told == ["repeated_reply"]
    assert desk.press("zhang", "5").text == desk.words(
        "answer_ok", number="10", state=desk.words("state_done")
    )
    assert again(desk, lambda: desk.press("zhang", "0").alert) == ["refused_reply"]


@pytest.mark.parametrize("text", ["10 完成", "完成", "到了"])
def test_words_are_repeated_with_and_without_the_number(text):
    desk = chat_desk()
    assert "已记录" in again_text(desk, text)
    assert [r.node for r in desk.reports()] == ["repeated_reply"]


@pytest.mark.parametrize("text", ["10 不能去", "10 民警接手"])
def test_new_words_are_refused(text):
    desk = chat_desk()
    assert "未记录" in again_text(desk, text)
    assert [r.node for r in desk.reports()] == ["refused_reply"]


def again_text(desk, text):
    said = []
    desk.forget()
    before = without_tries(desk)
    said.append(desk.write("zhang", text))
    assert without_tries(desk) == before
    return said[0]


def test_nothing_is_written_into_the_timeline_of_an_order_that_was_called_off():
    """The order that he is to say of that he knows its end takes nothing else from him."""
    desk = Desk()
    desk.alert()
    desk.post()
    desk.cancel()
    for text in ("10 到了", "到了"):
        assert "已结束" in again_text(desk, text)
    assert "已知道撤回" in desk.write("zhang", "收到")
    assert again_text(desk, "收到")
    assert [r.node for r in desk.reports()] == ["repeated_reply"]


# ---- whatever was said before ----

LEAVES, STEPS = "0", "1235"
ACTS = st.sampled_from("0123456")


def on_record(said):
    """What a guard has said and not taken back, oldest first: kept apart from the core."""
    found = []
    for action in said:
        if action == LEAVES:
            found = [LEAVES]
        elif action not in found:
            found = [a for a in found if a != LEAVES] + [action]
    return found


def is_repetition(said, action):
    known = on_record(said)
    if action in "04":
        return action == LEAVES and known == [LEAVES]
    further = {"1": "12356", "2": "2356", "3": "356", "5": "5", "6": "6"}[action]
    return any(a in further for a in known)


@settings(max_examples=40, deadline=None)
@given(said=st.lists(ACTS, max_size=5), how=st.sampled_from(["close", "stand_down"]),
       last=st.lists(ACTS, min_size=1, max_size=3), other=ACTS)  # fmt: skip
def test_after_the_end_only_what_was_said_before_is_accepted(said, how, last, other):
    desk = desk_with("zhang", "li", "mo")
    for action in said:
        desk.pass_time(1)
        assert desk.keys(f"*10 101 {action}#")
    desk.pass_time(1)
    desk.keys(f"*10 102 {other}#")
    desk.act(how)
    for action in last:  # the stand-down is not spoken: nobody can know of it
        expected = is_repetition(said, action)
        told = again(desk, lambda a=action: desk.keys(f"*10 101 {a}#"), good=expected)
        assert told == ["repeated_reply" if expected else "refused_reply"]
    assert desk.state.find(Assignment, "o1/zhang") is not None
    assert desk.now_us > NOON_US - US
