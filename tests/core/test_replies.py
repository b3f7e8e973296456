"""What people send back: every length of a frame, words in two languages, one-time codes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.answers.replies import (
    CODE_LENGTH,
    CODE_LETTERS,
    Action,
    parse_code,
    parse_digits,
    parse_eta,
    parse_text,
)


@pytest.mark.parametrize(
    ("body", "number", "guard_code", "action"),
    [
        ("1", None, None, "1"),
        ("121", "12", None, "1"),
        ("1230", "123", None, "0"),
        ("12345", "1234", None, "5"),
        ("120343", "12", "034", "3"),
        ("1230344", "123", "034", "4"),
        ("12340345", "1234", "034", "5"),
        ("991000", "99", "100", "0"),
    ],
)
def test_the_length_of_a_frame_says_what_it_holds(body, number, guard_code, action):
    reply = parse_digits(body)
    assert reply is not None
    assert (reply.number, reply.guard_code, reply.action.value) == (number, guard_code, action)


@pytest.mark.parametrize(
    "body", ["", "7", "9", "12", "127", "129999", "123456789", "A", "12A", "1*1", "１２１", "-11",
             "1 1", "12034\n", "٣٣٣", "²²²"],
)  # fmt: skip
def test_what_is_no_reply_is_none(body):
    assert parse_digits(body) is None


@given(st.text(max_size=12) | st.text("0123456789ABCD*#", max_size=12))
def test_no_sound_on_the_air_breaks_the_parser(body):
    reply = parse_digits(body)
    if reply is not None:
        assert (reply.number or "") + (reply.guard_code or "") + reply.action == body


# ---- words ----

WRITTEN = {
    Action.ACKNOWLEDGE: ["收到", "12 收到", "明白", "签收", "知道了", "收到！", "簽收", "Received",
                         "roger that", "copy", "收到没问题", "收到，没事"],
    Action.EN_ROUTE: ["出警", "出发了", "在路上", "马上到", "快到了", "这就去", "赶往现场", "出發",
                      "on my way", "En route"],
    Action.ARRIVED: ["到场", "到了", "已到达", "已到", "到位", "到達現場", "arrived", "on scene",
                     "到场，不需要增援", "没问题，到了", "还没处理完，已到场", "不好意思到了"],
    Action.NEED_HELP: ["请求增援", "需要支援", "救命", "need help", "backup please"],
    Action.DONE: ["完成", "处理完了", "處理完了", "处置完毕", "办完", "done", "finished"],
    Action.CANNOT_COME: ["不能去", "去不了", "来不了", "不能离岗", "离不开", "过不去", "離不開",
                         "不能到场", "不能出警", "无法到场", "没法去", "走不开", "我不去了",
                         "cannot come", "I can't come", "decline",
                         "can't come, I am at the hospital"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "action"), [(t, a) for a, texts in WRITTEN.items() for t in texts]
)
def test_words_that_guards_write(text, action):
    assert parse_text(text).action is action


TALK = [
    "1", "12", "3", "好的吗", "什么时候到场？", "到了吗", "收到了吗", "你们到了么", "谁去呢",
    "没到", "还没到", "没有到", "未到", "没收到", "未收到", "not yet", "有人收到没有?", "",
    "没有收到", "没有到场", "尚未出发", "没出发", "未完成", "还没处理完", "无人到场", "不用增援",
    "不需要支援", "到了没", "收到没有", "到了没有！", "有没有收到", "是否到场", "not arrived",
    "not yet arrived", "haven't arrived", "not done", "I have not received it",
    "👍", "今天天气不错", "到底怎么回事", "?", "arrived?",
]  # fmt: skip


@pytest.mark.parametrize("text", TALK)
def test_talk_questions_and_lone_digits_mean_nothing(text):
    assert parse_text(text).action is None


def test_a_long_text_is_talk_even_with_the_word_in_it():
    assert parse_text("刚才三号门的老王说他昨天已经收到了公司发的新对讲机和电池").action is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12 收到", "12"), ("收到12", "12"), ("12号收到", "12"), ("123 到了", "123"),
        ("1234 到了", "1234"), ("收到", None), ("收到，10分钟后到", None), ("12 收到 20 min", "12"),
        ("来了30人", None), ("5 收到", None), ("13800001111 收到", None),
    ],
)  # fmt: skip
def test_the_number_he_names(text, number):
    assert parse_text(text).number == number


@given(st.text(max_size=200))
def test_no_text_breaks_the_parser(text):
    parse_text(text)
    parse_code(text)


# ---- one-time codes ----


@pytest.mark.parametrize(
    "text", ["ABCD2345", "abcd2345", "  ABCD2345 ", "/start ABCD2345", "绑定 ABCD2345",
             "绑定ABCD2345", "/START abcd2345"],
)  # fmt: skip
def test_a_code_is_read_however_it_is_sent(text):
    assert parse_code(text) == "ABCD2345"


@pytest.mark.parametrize(
    "text", ["ABCD234", "ABCD23456", "ABCD234O", "ABCD2341", "收到", "ABCD 2345", "",
             "my code is ABCD2345", "/startABCD2345", "ABCD2345 ABCD2345"],
)  # fmt: skip
def test_what_is_no_code(text):
    assert parse_code(text) is None


@given(st.text(CODE_LETTERS, min_size=CODE_LENGTH, max_size=CODE_LENGTH))
def test_every_code_that_can_be_issued_can_be_presented(code):
    assert parse_code(code) == parse_code(f"/start {code}") == code


@pytest.mark.parametrize(
    ("text", "number", "minutes"),
    [
        ("20分钟", None, 20),
        ("预计２５分钟到", None, 25),
        ("10号 还要5分钟左右", "10", 5),
        ("半小时", None, 30),
        ("大概半个小时后到", None, 30),
        ("一个半小时", None, 90),
        ("1小时20分钟", None, 80),
        ("两小时", None, 120),
        ("三刻钟到", None, 45),
        ("一小时一刻钟", None, 75),
        ("十分钟", None, 10),
        ("十五分", None, 15),
        ("大約二十五分鐘後到達", None, 25),
        ("in half an hour", None, 30),
        ("12 about 20 min", "12", 20),
    ],
)
def test_how_long_somebody_needs_is_read_as_it_is_written(text, number, minutes):
    eta = parse_eta(text)
    assert eta is not None
    assert (eta.number, eta.minutes) == (number, minutes)


@pytest.mark.parametrize(
    "text",
    ["", "预计", "收到", "一一分钟", "十十分钟", "十几分钟", "20", "20米", "前20分钟到的",
     "1 " + " " * 4000 + "x", "1" * 4000 + "分钟"],
)  # fmt: skip
def test_what_is_no_span_of_time_is_none(text):
    assert parse_eta(text) is None


@given(st.text(alphabet="0123456789一二两三十半个小时刻钟分钟约到 an hourmin", max_size=40))
def test_any_text_is_a_span_of_time_or_none(text):
    eta = parse_eta(text)
    assert eta is None or eta.minutes >= 0
