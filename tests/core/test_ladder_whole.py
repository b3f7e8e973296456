"""The rest of the ladder: rungs of one's own, one owner, teams, media that fail, being asked
again, and a stand-down that is known to be known."""

from dataclasses import replace
from itertools import permutations

import pytest

from gateway.core.alert import Level
from gateway.core.calls.escalation import Rung
from gateway.core.calls.events import (
    CardFailed,
    PageFailed,
    PageSpoken,
    PageStarted,
    PageWaited,
)
from gateway.core.calls.owner import DESK
from gateway.core.order import Card, Order, Page
from gateway.core.people import Contact
from gateway.core.register.events import RegisterSeeded
from tests.core.site_for_tests import Desk, guard, make_site


def rungs(desk):
    return [d for d in desk.details("escalated") if not d.endswith("跳过")]


# ---- rungs ----


def test_a_rung_has_its_own_pause_and_its_own_levels():
    site = make_site()
    ladder = (
        Rung(kind="repeat", wait_s=5), Rung(kind="ring_1", levels=(1,)),
        Rung(kind="ring_2", wait_s=7), Rung(kind="first_manager"),
    )  # fmt: skip
    site = replace(site, response=replace(site.response, ladder=ladder))
    desk = Desk(site=site)
    desk.alert()
    desk.post()
    desk.wait(60)
    assert rungs(desk) == ["再次呼叫本网格"]
    desk.wait(5)
    assert rungs(desk)[1:] == ["呼叫外圈网格"], "level 2 does not climb ring_1"
    desk.wait(7)
    assert rungs(desk)[2:] == ["呼叫第一管理人"]
    urgent = Desk(site=site)
    urgent.alert(level=Level.ONE)
    urgent.post()
    urgent.wait(35)
    assert rungs(urgent) == ["再次呼叫本网格", "呼叫相邻网格"]


def test_two_are_wanted_and_one_of_two_cannot_come():
    desk = Desk("zhang", "li", "chen")
    desk.alert(needs=2)
    desk.press("zhang", "1")
    assert rungs(desk) == []
    desk.press("li", "0")
    assert "chen" in desk.called(), "one guard cannot make two: not waiting for the clock"


# ---- one owner ----


def owners(desk):
    return [r.person for r in desk.reports("owner")]


def test_an_order_has_one_owner_from_its_opening_to_its_end():
    desk = Desk("zhang", "li")
    desk.alert(needs=2)
    desk.post()
    assert desk.order.owner == "head"
    desk.press("li", "1")
    desk.press("zhang", "1")
    assert desk.order.owner == "li", "the first who took it, not the first by name"
    assert "责任人：李四" in desk.edits()["-101"].text
    desk.press("li", "0")
    assert desk.order.owner == "zhang"
    desk.leave("zhang")
    assert desk.order.owner == "head"
    desk.leave("head")
    assert desk.order.owner == "chief"
    desk.leave("chief")
    assert desk.order.owner == DESK
    assert desk.reports("owner")[-1].detail == desk.words("detail_owner", name="指挥中心")
    assert owners(desk) == ["head", "li", "zhang", "head", "chief", None]
    desk.act("close")
    assert desk.order.owner == DESK, "who answered for it at the end stays in the record"


def test_a_named_desk_is_accountable_until_somebody_took_it():
    desk = Desk("zhang", site=make_site(desk="chief"))
    desk.alert(grid=None)
    assert desk.order.owner == "chief"


def test_a_manager_who_takes_it_is_accountable_until_a_guard_does():
    desk = Desk("zhang")
    desk.alert()
    desk.wait(121)
    desk.press("head", "1")
    assert desk.order.owner == "head"
    desk.press("zhang", "1")
    assert desk.order.owner == "zhang"


# ---- teams ----


@pytest.fixture
def team():
    desk = Desk("zhang")
    people = (
        guard("boss", "701", "G1", team="red", leader=True), guard("m1", "702", "G1", team="red"),
        guard("m2", "703", "G1", team="red"),
    )  # fmt: skip
    contacts = tuple(
        Contact(person=p.id, chat="work", address=f"7{p.guard_code}", since_us=0) for p in people
    )
    desk.take(RegisterSeeded(at_us=desk.now_us, people=people, contacts=contacts))
    return desk


def test_the_team_has_answered_when_its_leader_has(team):
    team.alert(needs=3)
    team.post()
    assert team.keys("*10 701 1#")
    assert team.status == "acknowledged"
    assert team.notes()["7702"] == "10号警情：boss已替全队回“收到”。"
    assert "boss：收到（代red全队）" in team.edits()["-101"].text
    team.wait(599)
    assert rungs(team) == []


def test_the_cards_of_a_team_say_that_its_leader_has_answered_for_them(team):
    team.alert(needs=1)
    team.post()
    team.keys("*10 701 1#")
    led = {address: card.text.splitlines()[-1] for address, card in team.edits().items()}
    assert led["7702"] == led["7703"] == "（组长已替全队回“收到”，请跟着队伍走）"
    assert led["1001"].startswith("（人已够")


def test_a_member_alone_does_not_answer_for_the_team(team):
    team.alert(needs=3)
    team.keys("*10 702 1#")
    assert team.status == "calling"


def test_a_member_who_cannot_come_is_not_covered_by_his_leader(team):
    team.alert(needs=3, to="team/red")
    team.keys("*10 701 1#")
    assert team.status == "acknowledged"
    team.keys("*10 702 0#")
    assert team.status == "calling"
    assert "zhang" in team.called()


def test_a_leader_who_cannot_come_after_all_uncovers_his_team(team):
    team.alert(needs=3)
    team.keys("*10 701 1#")
    team.keys("*10 701 0#")
    assert team.status == "calling"


# ---- a medium that fails ----


def fail_page(desk):
    page = [p for p in desk.state.each(Page) if p.state == "queued"][-1]
    desk.take(PageFailed(at_us=desk.now_us, page=page.id, reason="ptt", state="failed"))


def fail_card(desk, address):
    card = next(c for c in desk.state.each(Card) if c.address == address)
    desk.take(CardFailed(at_us=desk.now_us, card=card.id, state="failed", reason="429"))


def test_a_guard_with_radio_only_whose_page_fails_is_not_waited_for():
    desk = Desk("wang", "chen")
    desk.alert()
    desk.pass_time(3)
    fail_card(desk, "-101")
    assert rungs(desk) == []
    fail_page(desk)
    assert desk.words("detail_moved_on") in desk.details("warning")
    assert rungs(desk) == ["再次呼叫本网格"]


def test_when_the_radio_fails_he_is_told_so_in_the_chat_at_once():
    desk = Desk("zhang")
    desk.alert()
    desk.post()
    desk.forget()
    fail_page(desk)
    assert desk.notes()["1001"] == desk.words("note_radio_failed", number="10")
    assert rungs(desk) == []
    assert desk.timers()["ladder"] == 60, "he can still answer: the window stays"


def test_when_the_chat_fails_he_is_spoken_to_again_at_once():
    desk = Desk("zhang")
    desk.alert()
    desk.speak()
    desk.forget()
    fail_card(desk, "1001")
    (page,) = desk.pages()
    assert page.text[0] == "重复"
    assert rungs(desk) == []
    desk.speak()
    desk.forget()
    fail_card(desk, "-101")
    assert desk.pages() == [], "once a rung"


def test_when_both_fail_the_next_rung_is_called_at_once():
    desk = Desk("zhang", "chen")
    desk.alert()
    desk.pass_time(4)
    fail_card(desk, "1001")
    fail_card(desk, "-101")
    assert rungs(desk) == []
    fail_page(desk)
    assert rungs(desk) == ["再次呼叫本网格"]
    fail_page(desk)
    assert rungs(desk)[1:] == ["呼叫相邻网格"]
    assert "chen" in desk.called()


def test_a_channel_that_stays_busy_counts_as_one_that_failed():
    desk = Desk("wang", "sun", site=make_site(ladder=("ring_2",), busy_limit_s=20))
    desk.alert()
    fail_card(desk, "-101")
    (page,) = desk.pages()
    desk.take(PageWaited(at_us=desk.now_us, page=page.page, reason="busy"))
    desk.wait(19)
    assert rungs(desk) == []
    desk.wait(1)
    assert rungs(desk) == ["呼叫外圈网格"]
    desk.speak()
    assert desk.nodes("wang") == ["told/M"], "it is spoken all the same when it is clear"


def test_a_page_that_got_its_turn_in_time_hurries_nobody():
    desk = Desk("wang", "sun", site=make_site(ladder=("ring_2",)))
    desk.alert()
    (page,) = desk.pages()
    desk.take(PageWaited(at_us=desk.now_us, page=page.page, reason="busy"))
    desk.pass_time(5)
    desk.speak()
    desk.wait(30)
    assert rungs(desk) == []


def test_ways_that_are_down_from_the_start_bring_the_next_rung_forward():
    desk = Desk("zhang", "sun", site=make_site(ladder=("ring_2",)))
    desk.path("channel:ch1", up=False)
    desk.path("chat:work", up=False)
    desk.alert()
    assert rungs(desk) == []
    desk.wait(2)
    assert rungs(desk) == ["呼叫外圈网格"]
    assert desk.pages()[-1].channel == "ch2"


# ---- still on it? ----


def test_who_took_it_and_does_not_arrive_is_asked_and_his_silence_is_a_no():
    desk = Desk("zhang", "chen", site=make_site(arrive_s=(60, 180, 300)))
    desk.alert()
    desk.post()
    desk.speak()
    desk.press("zhang", "1")
    desk.wait(599)
    desk.forget()
    desk.wait(1)
    assert desk.notes()["1001"] == desk.words("note_still", number="10")
    (page,) = desk.pages()
    assert page.text == ("一零号警情，张三，是否仍去现场，请按键回复，完毕",)
    desk.wait(59)
    assert desk.status == "acknowledged"
    desk.wait(1)
    assert desk.status == "calling"
    assert desk.nodes("zhang")[-1] == "lapsed/M"
    assert "chen" in desk.called()
    assert desk.order.owner == "head"
    desk.press("zhang", "1")
    assert (desk.status, desk.order.owner) == ("acknowledged", "zhang"), "he may come back"


@pytest.mark.parametrize("how", ["button", "keys", "words"])
def test_who_answers_that_he_is_is_asked_again_later(how):
    desk = Desk("zhang")
    desk.alert()
    desk.post()
    desk.speak()
    desk.press("zhang", "1")
    desk.wait(610)
    assert desk.reports("still_asked")
    {
        "button": lambda: desk.press("zhang", "1"),
        "keys": lambda: desk.keys("*10 101 1#"),
        "words": lambda: desk.write("zhang", "收到"),
    }[how]()
    desk.wait(120)
    assert desk.status == "acknowledged"
    assert desk.reports("lapsed") == []
    desk.wait(480)
    assert len(desk.reports("still_asked")) == 2


def test_who_has_arrived_is_not_asked():
    desk = Desk("zhang")
    desk.alert()
    desk.press("zhang", "3")
    desk.wait(3600)
    assert desk.reports("still_asked") == []
    assert "still" not in desk.timers()


# ---- stand-down ----


def called_off(*people, **more):
    desk = Desk(*people, **more)
    desk.alert()
    desk.post()
    desk.speak()
    desk.cancel(text="误报")
    desk.speak()
    desk.forget()
    return desk


def test_everybody_told_answers_that_he_knows_and_then_nobody_is_missing():
    desk = called_off("zhang", "wang")
    assert desk.press("zhang", "1").text == "10号：已知道撤回，已记录"
    assert desk.keys("*10 103 1#")
    assert desk.keys("*10 103 1#"), "once more is answered like the first"
    assert desk.write("station", "知道了") == "10号：已知道撤回，已记录"
    assert [r.person for r in desk.reports("stood_down")] == ["zhang", "wang", "station"]
    assert desk.timers() == {}
    assert desk.edits()["-101"].buttons == ()
    desk.wait(3600)
    assert desk.reports("stand_down_missing") == []


def test_the_missing_are_listed_told_once_more_and_listed_again():
    desk = called_off("zhang", "wang")
    desk.press("zhang", "1")
    desk.wait(119)
    assert desk.reports("stand_down_missing") == []
    desk.wait(1)
    missing = desk.reports("stand_down_missing")
    assert {(r.person, r.detail) for r in missing} == {
        ("wang", "没有确认撤回"), ("station", "没有确认撤回"),
    }  # fmt: skip
    assert desk.notes() == {"9001": desk.words("note_stand_down_again", number="10")}
    assert [p.channel for p in desk.pages()] == ["ch1"]
    desk.wait(3600)
    assert desk.details("stand_down_missing")[2:] == ["再次通知后仍没有确认撤回"] * 2
    assert desk.timers() == {}


def test_a_bare_answer_is_not_taken_for_the_wrong_one_of_two_orders():
    desk = called_off("zhang")
    desk.alert(id="second")
    assert desk.write("zhang", "知道了") == desk.words(
        "answer_which", numbers="11、10", example="11"
    )
    assert desk.write("zhang", "10 知道了") == "10号：已知道撤回，已记录"
    assert desk.status == "calling"
    assert desk.write("zhang", "收到") == "11号：收到，已记录"


def test_who_was_told_after_the_cancel_is_called_off_as_well():
    desk = Desk("zhang", "wang")
    desk.alert()
    page = desk.pages()[0].page
    desk.take(PageStarted(at_us=desk.now_us, page=page))
    desk.cancel()
    desk.take(PageSpoken(at_us=desk.now_us, page=page))
    assert "stand_down" in desk.timers()
    desk.wait(121)
    assert "wang" in {r.person for r in desk.reports("stand_down_missing")}


def test_whose_card_left_after_the_cancel_has_the_button_too():
    """A platform's limit had held it back: he is listed as missing, so he can answer."""
    desk = Desk("zhang")
    desk.alert()
    desk.cancel()
    desk.forget()
    desk.post()
    (button,) = (b for row in desk.edits()["1001"].buttons for b in row)
    assert button.label == "知道了"
    assert desk.press("zhang", "1").text == "10号：已知道撤回，已记录"
    assert desk.edits()["1001"].buttons == ()


def test_a_stand_down_is_no_business_of_who_was_not_told():
    desk = called_off("zhang", "chen")
    assert "结束" in desk.press("chen", "1").text
    assert desk.press("zhang", "2").text == "10号警情已结束，未记录。"


def test_an_order_that_was_closed_asks_nobody():
    desk = Desk("zhang")
    desk.alert()
    desk.post()
    desk.press("zhang", "5")
    desk.act("close")
    assert desk.timers() == {}
    assert desk.state.find(Order, "o1").status.value == "closed"


# ---- whatever order the facts come in ----


FACTS = {
    "leader": lambda desk: desk.keys("*10 701 1#"),
    "member cannot": lambda desk: desk.keys("*10 702 0#"),
    "zhang comes": lambda desk: desk.press("zhang", "3"),
    "li cannot": lambda desk: desk.press("li", "0"),
    "station": lambda desk: desk.press("station", "1"),
}


@pytest.mark.parametrize(("needs", "status"), [(1, "arrived"), (3, "arrived"), (4, "calling")])
def test_the_same_facts_in_another_order_of_arrival_end_in_the_same_status(needs, status):
    ended = set()
    for facts in permutations(FACTS):
        desk = Desk("zhang", "li")
        people = tuple(
            guard(name, f"70{i}", "G1", team="red", leader=i == 1)
            for i, name in enumerate(("boss", "m1", "m2"), start=1)
        )
        desk.take(RegisterSeeded(at_us=desk.now_us, people=people, contacts=()))
        desk.alert(needs=needs)
        for fact in facts:
            desk.pass_time(1)
            FACTS[fact](desk)
        taken = {p.person for p in desk.parts() if p.person not in ("head", "chief")}
        ended.add((desk.status, frozenset(taken), desk.order.owner in taken | {"head"}))
    assert len(ended) == 1
    assert ended.pop()[0] == status
