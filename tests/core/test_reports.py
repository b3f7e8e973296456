"""Guards report first: by any means, one report a press, and one act makes an order of it."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.alert import Level
from gateway.core.answers.events import ButtonPressed, MediaReceived
from gateway.core.answers.replies import parse_report
from gateway.core.calls.events import CardPosted
from gateway.core.effects import (
    AnswerOver,
    AnswerPress,
    EditCard,
    PageChannel,
    PostCard,
    Receipt,
    SendText,
    TalkOnChannel,
)
from gateway.core.guard_reports.report import GuardReport, ReportActed, ReportPolicy
from gateway.core.order import Card, Order
from gateway.core.people import Person
from gateway.core.register.events import RegisterSeeded
from tests.core.site_for_tests import ACCOUNTS, PEOPLE, US, Desk, make_site

MDC = Person(
    id="mdc", name="周一", organisation="guard", grids=("G1",), guard_code="900",
    radios=("mdc1200:1A2B", "zvei1:1234"),
)  # fmt: skip
EAST_POINT = "25005000,118005000"
MIDDLE_POINT = "25005000,118015000"


def desk(*people, **policy):
    story = Desk(*people, site=replace(make_site(), reports=ReportPolicy(**policy)))
    story.take(RegisterSeeded(at_us=story.now_us, people=(MDC,), contacts=()))
    return story


def send(story, who, kind, *, group=None, caption="", place=None, path=None):
    """Somebody sends a photo, a voice note or a place; return what is answered, if anything."""
    effects = story.take(
        MediaReceived(
            at_us=story.now_us, chat="work", address=ACCOUNTS[who], group=group, kind=kind,
            message="m-in", path=path, caption=caption, place=place,
        )
    )  # fmt: skip
    answers = [e.text for e in effects if isinstance(e, SendText) and e.reply_to == "m-in"]
    return answers[0] if answers else None


def act(story, report, act="promote", **fields):
    """A dispatcher deals with a report; return his receipt."""
    acted = ReportActed(at_us=story.now_us, report=report, act=act, by="值班员", **fields)
    (receipt,) = [e for e in story.take(acted) if isinstance(e, Receipt)]
    return receipt


def tap(story, who, report, action):
    """Somebody presses a button of a report's card."""
    effects = story.take(
        ButtonPressed(
            at_us=story.now_us, chat="work", address=ACCOUNTS[who], order=report, action=action,
            press="q", private=True,
        )
    )  # fmt: skip
    (answer,) = [e for e in effects if isinstance(e, AnswerPress)]
    return answer


def reports(story):
    return sorted(story.state.each(GuardReport), key=lambda report: report.opened_us)


def only(story):
    (report,) = reports(story)
    return report


def orders(story):
    return list(story.state.each(Order))


# ---- by chat ----


@pytest.mark.parametrize("group", [None, "-101"])
@pytest.mark.parametrize("text", ["报告：南门有两个人偷电缆", "上报，有人偷电缆", "報告 南門有人偷電纜"])
def test_a_guards_words_are_at_the_centre_at_once_and_he_is_answered(text, group):
    story = desk("zhang")
    assert story.write("zhang", text, group=group) == "R1：指挥中心收到，请注意安全。"
    (told,) = story.reports("report")
    assert (told.number, told.order, told.person) == ("R1", None, "zhang")
    assert (told.medium, told.assurance, told.grid) == ("chat", "C1", "G1")
    assert text[3:] in told.detail
    assert "东街网格" in told.detail
    assert orders(story) == []
    assert only(story).text == text


def test_his_private_chat_gets_the_two_keys_and_a_tap_on_one_reports():
    story = desk("zhang")
    story.write("zhang", "报告，有情况")
    (answer,) = [e for e in story.of(SendText) if e.reply_to == "m-in"]
    assert answer.keys == ("上报", "求助")
    other = desk("li")
    assert other.write("li", "上报").startswith("R1")
    third = desk("li", "zhang")
    assert third.write("li", "求助").startswith("R1")
    assert [o.alert.level for o in orders(third)] == [1]


def test_plain_words_are_asked_about_by_one_button():
    story = desk("zhang")
    assert story.write("zhang", "南门那边有人打架，很多人") is None
    (card,) = story.of(PostCard)
    assert card.address == ACCOUNTS["zhang"]
    assert [b.label for row in card.buttons for b in row] == ["上报", "不上报"]
    assert story.reports() == []
    assert tap(story, "zhang", card.order, "1").text == "R1：指挥中心收到，请注意安全。"
    (told,) = story.reports("report")
    assert "很多人" in told.detail
    assert told.assurance == "C2"
    assert not tap(story, "zhang", card.order, "1").alert, "a second press says what stands"
    assert len(story.reports("report")) == 1


def test_who_did_not_mean_it_presses_no_and_nobody_hears_of_it():
    story = desk("zhang")
    story.write("zhang", "今天天气不错啊")
    assert tap(story, "zhang", "r1", "0").text == "没有上报。"
    assert story.reports() == []
    assert act(story, "R1").status == "refused", "nobody was told of an R1"


@pytest.mark.parametrize(
    ("who", "text", "group"),
    [
        ("zhang", "你好", None),  # too short to be one
        ("zhao", "今天天气不错啊", None),  # off duty
        ("head", "今天天气不错啊", None),  # no guard
        ("zhang", "今天天气不错啊", "-101"),  # talk in the group
        ("zhang", "报告怎么写？", "-101"),
        ("zhang", "没有紧急求助", "-101"),
        ("8888", "报告：假的", None),  # a stranger
    ],
)
def test_what_is_no_report_makes_none(who, text, group):
    story = desk("zhang", "zhao")
    story.write(who, text, group=group)
    assert reports(story) == []
    assert story.of(PostCard) == []


def test_who_has_left_reports_nothing():
    story = desk("zhang")
    story.leave("zhang")
    story.write("zhang", "报告：有人打架")
    assert reports(story) == []


def test_a_photo_and_a_voice_note_are_reports_and_what_follows_belongs_to_them():
    story = desk("zhang")
    assert send(story, "zhang", "photo", path="work-7.jpg").startswith("R1：")
    (told,) = story.reports("report")
    assert told.media == ("work-7.jpg",)
    story.wait(20)
    assert send(story, "zhang", "voice", path="work-8.ogg") == "指挥中心收到（R1）。"
    assert story.write("zhang", "就在后门") == "指挥中心收到（R1）。"
    send(story, "zhang", "location", place=MIDDLE_POINT)
    added = story.reports("report_added")
    assert [a.media for a in added] == [("work-8.ogg",), (), ()]
    assert "25.005000,118.015000" in added[-1].detail
    report = only(story)
    assert (report.media, report.grid) == (("work-7.jpg", "work-8.ogg"), "G2")


def test_a_photo_in_the_group_is_a_report_only_if_it_says_so():
    story = desk("zhang")
    send(story, "zhang", "photo", group="-101", path="work-7.jpg")
    assert reports(story) == []
    send(story, "zhang", "photo", group="-101", path="work-8.jpg", caption="报告 门被撬了")
    assert "门被撬了" in only(story).text


def test_a_bare_position_is_asked_about_and_says_where_he_is():
    story = desk("zhang")
    send(story, "zhang", "location", place=MIDDLE_POINT)
    assert story.reports("report") == []
    tap(story, "zhang", "r1", "1")
    (told,) = story.reports("report")
    assert told.grid == "G2"


def test_a_position_shared_lately_says_where_a_later_report_is_from():
    story = desk("zhang")
    send(story, "zhang", "location", place=MIDDLE_POINT)
    tap(story, "zhang", "r1", "0")
    story.wait(60)
    story.write("zhang", "报告：有人打架")
    assert reports(story)[-1].grid == "G2"


def test_who_stands_at_a_post_reports_from_there():
    fitted = replace(PEOPLE["chen"], id="bank", name="班五", post="P1")
    story = desk("zhang")
    story.take(RegisterSeeded(at_us=story.now_us, people=(fitted,), contacts=()))
    story.issue("bank", "ABCD2345")
    story.write("7777", "ABCD2345")
    story.write("7777", "报告：有人持刀")
    (told,) = story.reports("report")
    assert (told.grid, told.post) == ("G2", "P1")
    assert "建设银行门口" in told.detail


# ---- hostile words ----


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80))
def test_whatever_is_written_is_kept_as_it_is_and_shown_on_one_plain_line(text):
    story = desk("zhang")
    story.write("zhang", f"报告{text}")
    if not reports(story):
        return  # asked, or a one-time code
    assert only(story).text == f"报告{text}"
    for told in story.reports("report"):
        assert told.detail.isprintable()
        assert "@" not in told.detail


def test_five_thousand_characters_bidi_and_at_all_harm_nobody():
    story = desk("zhang")
    text = "报告 @all \u202e" + "很" * 5000
    story.write("zhang", text)
    (told,) = story.reports("report")
    assert len(told.detail) < 500
    assert "@" not in told.detail
    assert "\u202e" not in told.detail
    assert act(story, "R1").status == "accepted"
    (order,) = orders(story)
    assert len(order.alert.text) <= 500
    assert order.alert.text.isprintable()
    for said in (*story.of(PostCard), *story.of(SendText)):
        assert "@" not in said.text
        assert len(said.text) < 3000


@pytest.mark.parametrize(
    ("text", "kind"),
    [("SOS", "emergency"), ("sos!!", "emergency"), ("快来人啊", "emergency"), ("救命", "emergency"),
     ("不是紧急求助", None), ("没有紧急求助", None), ("soso", None), ("报告。", "report"),
     ("Report: a fight", "report"), ("reporter here", None), ("我要报告", None), ("上报吗？", None)],
)  # fmt: skip
def test_words_that_report(text, kind):
    assert parse_report(text) == kind


def test_too_many_messages_are_answered_politely_and_an_emergency_is_still_taken():
    story = desk("zhang", others="offer")
    answers = [story.write("zhang", f"报告 {i}") for i in range(14)]
    assert answers[-1].startswith("消息太多")
    assert "R1" in story.write("zhang", "SOS")
    assert len(orders(story)) == 1


# ---- by radio ----


@pytest.mark.parametrize("frame", ["*9#", "*9009#", "*129009#"])
def test_the_emergency_code_is_taken_from_whole_frames(frame):
    story = desk("zhang", "chen")
    assert story.keys(frame, ani=None if "900" in frame else "99101")
    (told,) = story.reports("emergency")
    assert told.person == ("mdc" if "900" in frame else "zhang")
    assert (told.medium, told.assurance, told.grid) == ("radio", "R1", "G1")
    assert [o.alert.level for o in orders(story)] == [1]


@pytest.mark.parametrize("frame", ["*99#", "*1234999999#", "*90#", "*#"])
def test_what_is_no_whole_code_is_a_wrong_reply(frame):
    story = desk("zhang")
    assert not story.keys(frame)
    assert reports(story) == []


def test_a_code_that_the_site_does_not_use_is_wrong():
    story = desk("zhang", codes={})
    assert not story.keys("*9#", ani="99101")
    assert reports(story) == []


def test_an_mdc_emergency_becomes_a_level_1_order_to_neighbours_and_station():
    story = desk("zhang", "chen", "sun")
    assert story.packet(0x00, 0x80, 0x1A2B)
    (answer,) = story.of(AnswerOver)
    assert (answer.accepted, answer.signal) == (True, "mdc1200:emergency_ack:1A2B")
    (order,) = orders(story)
    assert (order.alert.level, order.grids) == (1, ("G1", "G2"))
    parts = {p.person: p.role.value for p in story.state.of_order(order.id) if hasattr(p, "role")}
    assert parts == {
        "mdc": "reporter", "zhang": "guard", "chen": "guard", "station": "station",
    }  # fmt: skip
    assert {p.channel for p in story.of(PageChannel)} == {"ch1"}
    assert all(p.level == 1 for p in story.of(PageChannel))
    assert story.cards()[ACCOUNTS["station"]].level == 1
    told = [r.node for r in story.reports(person="mdc")]
    assert told[:1] == ["emergency"]
    assert {"acknowledged", "arrived", "report_promoted"} <= set(told)


def test_one_press_never_makes_two_orders_however_often_the_radio_repeats_it():
    story = desk("zhang", "chen")
    for _ in range(10):
        assert story.packet(0x00, 0x80, 0x1A2B)
        story.keys("*9009#")
        story.wait(11)
    assert len(orders(story)) == 1
    assert len(reports(story)) == 1
    assert len(story.of(AnswerOver)) == 20


def test_after_the_window_the_same_radio_calls_for_help_on_its_order():
    story = desk("zhang", "chen", "sun")
    story.packet(0x00, 0x80, 0x1A2B)
    story.wait(400)
    before = orders(story)[0].alert.needs
    story.packet(0x00, 0x80, 0x1A2B)
    (order,) = orders(story)
    assert order.alert.needs == before + 1
    assert story.reports("need_help")


@pytest.mark.parametrize("lost", [False, True])
def test_a_strangers_emergency_is_taken_named_and_offered(lost):
    story = desk("zhang")
    if lost:
        story.radio("mdc1200:0BAD", lost=True)
    assert story.packet(0x00, 0x81, 0x0BAD)
    (told,) = story.reports("emergency")
    assert (told.person, told.assurance, told.number) == (None, "R0", "R1")
    assert "mdc1200:0BAD" in told.detail
    assert ("已挂失的电台" in told.detail) is lost
    assert orders(story) == []
    assert ACCOUNTS["head"] in story.cards(), "the managers of the channel's grids"
    assert act(story, "R1").reason == story.words("why_report_nowhere", number="R1")
    assert act(story, "R1", grid="G1").status == "accepted"
    assert orders(story)[0].alert.level == 1


def test_a_stranger_may_become_an_order_where_the_site_says_so_and_it_is_known_where():
    story = desk("sun", unknown="order")
    assert story.packet(0x00, 0x81, 0x0BAD, channel="ch2")
    assert [o.grids[0] for o in orders(story)] == ["G3"], "the only grid of that channel"
    other = desk("zhang", unknown="order")
    other.packet(0x00, 0x81, 0x0BAD, channel="ch1")
    assert orders(other) == []
    assert any("哪个网格" in detail for detail in other.details("warning"))


def test_an_unknown_guard_number_is_an_emergency_of_nobody():
    story = desk("zhang")
    assert story.keys("*5559#")
    (told,) = story.reports("emergency")
    assert (told.person, told.assurance) == (None, "R0")
    assert story.keys("*9#", ani="88888")
    assert len(story.reports("emergency")) == 2, "another radio is another report"


def test_statuses_report_where_they_are_mapped():
    story = desk("zhang", mdc_status={9: "report"}, selcall_status={"8": "emergency"})
    assert story.packet(0x46, 9, 0x1A2B)
    assert story.of(AnswerOver)[-1].signal == "mdc1200:ack:1A2B"
    assert story.reports("report")[0].person == "mdc"
    story.wait(300)
    assert story.signal("selcall", "12348", set="zvei1") is True
    assert [r.person for r in story.reports("emergency")] == ["mdc"]
    assert len(orders(story)) == 1


def test_the_answer_is_spoken_too_where_that_is_set():
    story = desk("zhang", spoken=True)
    story.packet(0x00, 0x80, 0x1A2B)
    (said,) = story.of(TalkOnChannel)
    assert (said.channel, said.text) == ("ch1", ("周一，指挥中心收到",))
    assert not desk("zhang").of(TalkOnChannel)


def test_a_known_voice_outside_any_window_is_offered_to_the_dispatcher():
    story = desk("zhang")
    assert story.talk(radio="mdc1200:1A2B", recording="ch1/a.wav") == ["report_offered"]
    (told,) = story.reports("report_offered")
    assert (told.number, told.media) == ("R1", ("ch1/a.wav",))
    assert story.of(PostCard) == []
    story.wait(300)
    assert story.reports("escalated") == []
    assert act(story, "R1", level=2).status == "accepted"
    assert orders(story)[0].alert.reporter == "mdc"


@pytest.mark.parametrize(
    ("word", "nodes"), [("keep", []), ("offer", ["report_offered"]), ("report", ["report"])]
)
def test_what_a_voice_is_says_the_site(word, nodes):
    assert desk("zhang", voice=word).talk(radio="mdc1200:1A2B") == nodes


@pytest.mark.parametrize(("word", "answered"), [("keep", 0), ("offer", 0), ("report", 1)])
def test_who_reports_by_voice_hears_that_it_was_received(word, answered):
    story = desk("zhang", voice=word, spoken=True)
    story.talk(radio="mdc1200:1A2B", keyed_ms=20_000)
    assert [a.accepted for a in story.of(AnswerOver)] == [True] * answered
    assert all(a.not_after_us > story.now_us for a in story.of(AnswerOver))
    assert len(story.of(TalkOnChannel)) == answered


def test_a_voice_that_answers_a_page_or_says_nothing_is_no_report():
    story = desk("zhang")
    story.alert()
    story.speak()
    assert story.talk(radio="mdc1200:1A2B") == ["spoken_answer"]
    other = desk("zhang")
    assert other.talk(radio="mdc1200:1A2B", keyed_ms=900) == []
    assert other.talk() == []
    assert "report_offered" not in other.talk(radio="mdc1200:0BAD")


# ---- what becomes of it ----


def test_one_act_makes_an_order_with_the_reporter_on_the_spot():
    story = desk("zhang", "li", "chen")
    story.write("zhang", "报告：有人持刀")
    receipt = act(story, "R1", level=1, needs=2)
    (order,) = orders(story)
    assert (receipt.status, receipt.order, receipt.number) == ("accepted", order.id, order.number)
    assert "有人持刀" in order.alert.text
    assert "张三" in order.alert.text
    assert order.alert.needs == 2
    parts = {p.person: p for p in story.state.of_order(order.id) if hasattr(p, "role")}
    assert [s.node.value for s in parts["zhang"].stamps] == ["acknowledged", "arrived"]
    cards = story.cards()
    assert ACCOUNTS["li"] in cards
    assert ACCOUNTS["zhang"] not in cards, "nobody calls him to where he stands"
    assert f"R1已转为{order.number}号警情" in story.notes()[ACCOUNTS["zhang"]]
    assert order.status.value == "calling", "who reported is not the help he asked for"
    story._last_order = order.id
    story.press("li", "1")
    assert story.status == "calling"
    assert act(story, "R1").status == "duplicate"
    assert len(orders(story)) == 1


def test_what_he_says_afterwards_is_told_under_the_order():
    story = desk("zhang", "li")
    story.write("zhang", "报告：有人持刀")
    act(story, "R1")
    story.wait(300)
    assert story.write("zhang", "往北跑了，穿红衣服") is not None
    (added,) = story.reports("report_added")
    assert added.order == orders(story)[0].id
    assert "往北跑了" in added.detail
    assert story.write("zhang", "完成").endswith("已记录")


def test_who_is_on_an_order_and_calls_for_help_gets_it_there():
    story = desk("zhang", "li", "chen")
    story.alert()
    story.press("zhang", "1")
    needs = story.order.alert.needs
    story.write("zhang", "SOS")
    assert story.reports("emergency")[0].order == story.order.id
    assert story.order.alert.needs == needs + 1
    assert reports(story) == []


@pytest.mark.parametrize("asked_before", [False, True])
@pytest.mark.parametrize("way", ["SOS", "code"])
def test_a_call_for_help_on_an_order_makes_it_one_of_level_1(way, asked_before):
    """Whether or not he has asked for more people before: what is said now is of level 1."""
    story = desk("zhang", "li", "chen")
    story.alert()
    story.post()
    story.press("zhang", "1")
    if asked_before:
        story.press("zhang", "4")
    assert story.order.alert.level == 2
    opened_us = story.order.opened_us
    before = len(story.asked)
    story.pass_time(120)
    story.write("zhang", "SOS") if way == "SOS" else story.keys("*1019#")
    assert story.order.alert.level == 1
    assert (story.order.opened_us, story.order.clock_us) == (opened_us, story.now_us)
    (raised,) = story.reports("updated")
    assert (raised.person, raised.detail) == ("zhang", story.words("detail_raised_in_danger"))
    since = story.asked[before:]
    spoken = [e for e in since if isinstance(e, PageChannel)]
    assert spoken
    assert {e.level for e in spoken} == {1}
    told = [e for e in since if isinstance(e, SendText) and e.address == ACCOUNTS["li"]]
    assert told
    assert {e.level for e in told} == {1}
    story.write("zhang", "SOS")
    assert len(story.reports("updated")) == 1, "it is of level 1 already"
    story.pass_time(1)
    assert story.update(text="穿红衣", level=Level.TWO).status == "accepted"
    assert (story.order.alert.text, story.order.alert.level) == ("穿红衣", 1)


def test_an_order_of_level_1_on_which_somebody_calls_for_help_is_not_lowered():
    story = desk("zhang", "li", "chen")
    story.alert(level=Level.ONE)
    story.press("zhang", "1")
    story.write("zhang", "SOS")
    assert story.reports("updated") == []
    story.pass_time(1)
    story.update(text="穿红衣", level=Level.THREE)
    assert (story.order.alert.text, story.order.alert.level) == ("穿红衣", 1)


@pytest.mark.parametrize("how", ["4", "SOS"])
@pytest.mark.parametrize("expires_s", [None, 600])
def test_a_call_for_help_on_an_order_whose_time_has_run_out_brings_people(how, expires_s):
    """He stands there, an hour later; the alert's own end could not know of that."""
    story = desk("zhang", "li", "chen")
    story.alert(expires_us=None if expires_s is None else story.now_us + expires_s * US)
    story.post()
    story.press("zhang", "3")
    story.wait(3700)
    assert story.status == "arrived"
    story.forget()
    story.press("zhang", "4") if how == "4" else story.write("zhang", "SOS")
    pages = [e for e in story.asked if isinstance(e, PageChannel)]
    cards = [e for e in story.asked if isinstance(e, PostCard)]
    assert len(pages) == 2, "help is asked for, and the order is spoken to those who are added"
    assert ACCOUNTS["chen"] in {card.address for card in cards}, "the neighbour"
    assert all(e.not_after_us > story.now_us + 300 * US for e in (*pages, *cards))


def test_a_call_for_help_in_a_drill_is_part_of_the_drill():
    story = desk("zhang", "li", "chen")
    story.alert(exercise=True)
    story.press("zhang", "1")
    story.write("zhang", "SOS")
    assert story.order.alert.level == 2
    assert story.reports("need_help")


def test_a_call_for_more_people_leaves_the_level_as_it_is():
    story = desk("zhang", "li", "chen")
    story.alert()
    story.press("zhang", "4")
    assert story.order.alert.level == 2
    assert story.reports("need_help")


def test_a_manager_decides_by_one_button_and_his_card_says_what_became_of_it():
    story = desk("zhang", "li")
    story.write("zhang", "报告：有人打架")
    card = story.cards()[ACCOUNTS["head"]]
    assert [b.label for row in card.buttons for b in row] == ["转为警情", "无需出警"]
    assert "有人打架" in card.text
    story.take(CardPosted(at_us=story.now_us, card=card.card, message="77"))
    assert tap(story, "li", "r1", "1").alert, "a guard decides nothing"
    assert orders(story) == []
    assert not tap(story, "head", "r1", "1").alert
    (order,) = orders(story)
    assert order.alert.level == 2
    assert story.reports("report_promoted")[0].detail.endswith("所长")
    (edit,) = [e for e in story.of(EditCard) if e.message == "77"]
    assert order.number in edit.text
    assert edit.buttons == ()
    assert tap(story, "head", "r1", "0").text == "这条上报已经处理过了。"


def test_a_report_is_dismissed_with_a_reason_by_a_named_person():
    story = desk("zhang")
    story.write("zhang", "报告：有人打架")
    assert act(story, "R1", "dismiss", reason="已有民警在场").status == "accepted"
    (told,) = story.reports("report_dismissed")
    assert told.detail == "已有民警在场（值班员）"
    assert "已有民警在场" in story.notes()[ACCOUNTS["zhang"]]
    story.wait(600)
    assert story.reports("escalated") == []
    assert act(story, "R1", "dismiss", reason="x").status == "refused"
    assert act(story, "R9").status == "refused"
    assert act(story, "R1", grid="G99").status == "refused"


def test_a_report_that_nobody_deals_with_climbs_to_both_managers():
    story = desk("zhang", escalate_s=30)
    story.write("zhang", "报告：有人打架")
    cards = story.cards()
    assert ACCOUNTS["head"] in cards
    assert ACCOUNTS["chief"] not in cards
    story.post()
    story.wait(31)
    assert ACCOUNTS["chief"] in story.cards()
    assert "还没有人处理" in story.notes()[ACCOUNTS["head"]]
    assert [r.number for r in story.reports("escalated")] == ["R1"]
    story.wait(3600)
    assert len(story.reports("escalated")) == 5
    assert only(story).state == "open", "no clock ever closes it"


def test_a_report_that_turns_into_an_emergency_becomes_an_order():
    story = desk("zhang", "li")
    story.write("zhang", "报告：有人打架")
    story.wait(5)
    assert "R1" in story.write("zhang", "救命")
    assert [o.alert.level for o in orders(story)] == [1]
    assert len(reports(story)) == 1


def test_an_emergency_may_be_only_offered():
    story = desk("zhang", emergency="offer")
    story.write("zhang", "SOS")
    assert orders(story) == []
    assert {ACCOUNTS["head"], ACCOUNTS["chief"]} <= set(story.cards())


def test_after_the_window_a_new_report_is_another():
    story = desk("zhang")
    story.write("zhang", "报告：有人打架")
    story.wait(121)
    story.write("zhang", "报告：又有人打架")
    assert [r.number for r in reports(story)] == ["R1", "R2"]


def test_what_was_dealt_with_is_forgotten_after_a_day_with_its_cards():
    story = desk("zhang")
    story.write("zhang", "报告：一")
    act(story, "R1", "dismiss", reason="无")
    story.wait(86_400)
    story.write("zhang", "报告：二")
    assert [r.number for r in reports(story)] == ["R2"]
    assert {c.order for c in story.state.each(Card)} <= {"r2"}


def test_he_reads_that_it_was_received_before_what_became_of_it():
    story = desk("zhang", "li", "chen")
    story.forget()
    story.write("zhang", "SOS")
    mine = [s.text for s in story.of(SendText) if s.address == ACCOUNTS["zhang"]]
    assert [text.split("：")[0] for text in mine][:2] == ["R1", "R1已转为10号警情，正在派人支援。"]


def test_two_who_call_for_help_at_once_each_get_it_where_they_are():
    story = desk("zhang", "li", "chen")
    story.write("zhang", "SOS")
    story.keys("*1029#")
    first, second = orders(story)
    assert (first.alert.reporter, second.alert.reporter) == ("zhang", "li")
    story.write("chen", "救命")
    assert [o.alert.reporter for o in orders(story)] == ["zhang", "li", "chen"]


def test_who_has_come_to_anothers_call_and_calls_for_help_gets_it_there():
    story = desk("zhang", "li", "chen")
    story.write("zhang", "SOS")
    story._last_order = orders(story)[0].id
    story.press("li", "1")
    story.write("li", "SOS")
    story.keys("*1029#")
    assert len(orders(story)) == 1
    assert story.reports("need_help")
