"""What an amendment changes, and whom it calls: people are added by it, never lost."""

from dataclasses import replace

import pytest

from gateway.core.after.events import OrderTended
from gateway.core.alert import AlertKind, Level
from gateway.core.calls.calling import call_guards
from gateway.core.calls.escalation import Response, rungs
from gateway.core.calls.whereabouts import OnBreak
from gateway.core.effects import PageChannel, PostCard
from gateway.core.order import Put
from gateway.core.policy.events import HeldActed
from gateway.core.policy.policy import Category, Policy
from gateway.core.policy.templates import OrderKind
from tests.core.site_for_tests import ACCOUNTS, PEOPLE, US, Desk, make_site, point


def with_policy(**fields: object) -> object:
    return replace(make_site(), policy=Policy(**fields))


def answered(*people: str, code: str = "101", **fields: object) -> Desk:
    """A desk whose order one guard has taken; its first page is spoken."""
    desk = Desk(*people, **fields)
    desk.alert()
    desk.post()
    desk.speak()
    desk.keys(f"*10 {code} 1#")
    assert desk.status == "acknowledged"
    desk.forget()
    desk.pass_time(5)
    return desk


# ---- whom it is meant for ----


def test_who_is_named_by_an_update_is_called_and_heard_although_enough_have_answered():
    desk = answered("zhang", "wang", "sun")
    desk.update(to="person/sun", text="请孙八一同前往")
    assert desk.called()["sun"] == 0
    page = next(p for p in desk.pages() if p.channel == "ch2")
    assert "更新" not in page.text[0], "he hears the whole order"
    assert desk.withdrawn() == []
    desk.press("zhang", "2")
    assert desk.withdrawn() == [], "nor does a later answer take it back"
    assert desk.status == "acknowledged"


def test_without_that_mark_the_page_of_whom_an_update_added_would_be_taken_back(monkeypatch):
    """The counter-proof: enough have answered, so by itself the page serves nobody."""
    monkeypatch.setattr(
        "gateway.core.calls.first_call._call_kept",
        lambda draft, order, choice: call_guards(draft, order, choice.people, rung=0),
    )
    desk = answered("zhang", "sun")
    desk.update(to="person/sun")
    assert [w.channel for w in desk.withdrawn()] == ["ch2"]


def test_a_team_a_zone_and_a_station_are_added_like_the_first_call():
    desk = Desk("zhang", "chen", "sun", "smith")
    desk.alert(to="person/zhang")
    desk.pass_time(1)
    desk.update(to="zone/edge")
    assert {"zhang", "sun", "smith"} <= set(desk.called())
    assert "chen" not in desk.called()
    desk.pass_time(1)
    desk.update(to="station/station")
    assert "station" in desk.called()


def test_a_manager_is_added_by_name_once():
    desk = Desk("zhang")
    desk.alert()
    for text in ("一", "二"):
        desk.pass_time(1)
        desk.update(to="person/chief", text=text)
    assert "chief" in desk.called()
    assert len([c for c in desk.cards() if c == "9003"]) == 1


def test_whom_an_order_is_meant_for_is_kept_by_an_update_that_says_nobody():
    """Else its own grid would be called by new words alone, or never by the ladder."""
    desk = Desk("zhang", "li", "chen")
    desk.alert(to="person/zhang")
    desk.pass_time(1)
    desk.update(text="两人", grid=None)
    assert desk.order.alert.to == "person/zhang"
    assert set(desk.called()) == {"zhang", "station"}


def test_a_grid_named_later_takes_the_place_of_the_zone_before():
    desk = Desk("zhang", "chen", "sun")
    desk.alert(grid=None, to="zone/edge")
    desk.pass_time(1)
    desk.update(grid="G1")
    assert (desk.order.alert.to, desk.order.grids[0]) == (None, "G1")
    assert "zhang" in desk.called()


def test_whom_an_update_names_and_who_is_off_duty_is_said():
    desk = Desk("zhang", "zhao")
    desk.alert()
    desk.pass_time(1)
    desk.update(to="person/zhao")
    assert desk.details("nobody") == [desk.words("detail_to_off_duty")]
    desk.forget()
    desk.pass_time(1)
    desk.update(to="person/zhang")
    assert desk.details("nobody") == [], "he was called before"


def test_an_update_to_nobody_that_is_known_is_refused():
    desk = Desk("zhang", "sun")
    desk.alert()
    update = desk.message(AlertKind.UPDATE, to="person/nobody")
    assert desk.send(update).reason == desk.words("why_no_target", target="person/nobody")
    assert desk.order.revision == 0
    taken = desk.message(AlertKind.UPDATE, to="person/sun")
    desk.send(taken)
    desk.leave("sun")
    assert desk.send(taken).status == "duplicate", "as the first time"
    assert desk.cancel(to="person/sun").status == "accepted", "a cancel calls nobody"


# ---- where it is ----


def test_a_further_grid_calls_its_guards_and_the_first_stays_the_orders_own():
    desk = answered("zhang", "sun")
    desk.update(grids=("G3",))
    assert desk.order.grids == ("G1", "G3")
    assert "sun" in desk.called()
    assert "-103" in desk.cards()
    assert [p.channel for p in desk.pages() if "更新" not in p.text[0]] == ["ch2"]
    assert desk.withdrawn() == []


def test_a_further_grid_that_has_nobody_is_said():
    desk = Desk("zhang")
    desk.alert()
    desk.update(grids=("G3",))
    assert desk.details("nobody") == [desk.words("detail_nobody")]


def test_a_guard_of_both_grids_is_not_said_to_be_nobody():
    desk = Desk("zhang")
    both = replace(PEOPLE["zhang"], grids=("G1", "G3"))
    desk.state.apply(Put(both))
    desk.alert()
    desk.update(grids=("G3",))
    assert desk.reports("nobody") == []


def test_a_grid_taken_away_keeps_its_people_and_the_centre_is_told_so():
    """Who may be running already is not called off by a place that was put right."""
    desk = Desk("zhang", "wang", "sun")
    desk.alert()
    desk.speak()
    desk.forget()
    desk.pass_time(1)
    desk.update(grid="G3", text="在西街")
    assert desk.order.grids[0] == "G3"
    stays = desk.words("detail_stay_called", grids="东街网格", count=2)
    assert stays in desk.details("warning")
    assert any("更新" in p.text[0] for p in desk.pages() if p.channel == "ch1"), "they hear it"
    desk.forget()
    desk.pass_time(1)
    desk.update(grid="G3", text="仍在西街")
    assert stays not in desk.details("warning"), "said once"


def test_the_station_of_the_grid_that_leads_now_is_ordered_though_its_guards_were_called():
    """The ladder had come to it by its guards alone."""
    desk = Desk("chen", "zhang")
    desk.alert(grid="G2")
    desk.wait(120)
    assert "zhang" in desk.called()
    assert "station" not in desk.called()
    desk.update(grid="G1")
    assert "station" in desk.called()


def test_new_words_alone_do_not_forget_the_point():
    """Who is nearest is still measured from where it is, and not from the grid's middle."""
    desk = Desk("zhang")
    where = point(25_001_000, 118_001_000)
    desk.alert(grid=None, location=where)
    desk.pass_time(1)
    desk.update(grid=None, text="两人")
    assert (desk.order.alert.location, desk.order.grids) == (where, ("G1",))
    desk.pass_time(1)
    desk.update(grid="G3", text="在西街")
    assert (desk.order.alert.location, desk.order.grids[0]) == (None, "G3")


# ---- how many, and how urgent ----


def nearest(**fields: object) -> object:
    return make_site(call="nearest", **fields)


def test_more_guards_wanted_calls_those_who_were_spared():
    desk = Desk("zhang", "li", "wang", "chen", site=nearest())
    desk.alert()
    assert len({"zhang", "li", "wang"} & set(desk.called())) == 1
    desk.pass_time(1)
    desk.update(needs=3)
    assert {"zhang", "li", "wang"} <= set(desk.called())
    assert desk.reports("escalated") == []
    assert "ladder" in desk.timers()


def test_more_guards_wanted_of_an_answered_order_gives_them_their_window():
    desk = answered("zhang", "li", "chen", code="102", site=nearest())
    assert "zhang" not in desk.called()
    desk.update(needs=2)
    assert "zhang" in desk.called()
    assert desk.status == "calling"
    assert desk.timers()["ladder"] == 60
    assert desk.reports("escalated") == []
    desk.wait(60)
    assert desk.reports("escalated") != []


def test_more_guards_wanted_where_all_were_called_climbs_at_once():
    desk = answered("zhang", "chen")
    desk.update(needs=2)
    assert desk.status == "calling"
    assert desk.reports("escalated") != []


def test_an_unanswered_order_that_wants_more_is_called_afresh():
    desk = Desk("zhang", upstairs=())
    desk.alert()
    desk.wait(900)
    assert desk.status == "unanswered"
    desk.update(needs=2)
    assert desk.status == "calling"
    assert desk.timers()["ladder"] == 60


def test_a_higher_level_calls_who_rests_and_is_paged_by_its_own_tone():
    desk = Desk("zhang", "li")
    rest = OnBreak(person="li", until_us=desk.now_us + 900 * US, by="班长")
    desk.state.apply(Put(rest))
    desk.alert()
    desk.speak()
    assert "li" not in desk.called()
    desk.forget()
    desk.pass_time(1)
    desk.update(level=Level.ONE, text="持刀")
    assert "li" in desk.called()
    assert {p.level for p in desk.pages()} == {1}
    desk.forget()
    desk.pass_time(1)
    desk.update(level=Level.ONE, text="还在")
    assert {p.level for p in desk.pages()} == {1}


def test_a_higher_level_calls_who_works_on_something_less_urgent():
    desk = Desk("zhang", "li")
    desk.alert(id="JQ-0", level=Level.THREE)
    desk.press("li", "1")
    desk.alert(level=Level.THREE)
    assert "li" not in desk.called()
    desk.pass_time(1)
    desk.update(level=Level.TWO)
    assert "li" in desk.called()


def test_what_waits_when_the_level_rises_is_spoken_in_the_words_of_now():
    """A page of level 2 behind an update of level 1 would tell the old story last."""
    desk = Desk("zhang", "wang")
    desk.alert()
    (old,) = desk.pages()
    desk.forget()
    desk.update(level=Level.ONE, text="三人持刀")
    assert [w.page for w in desk.withdrawn()] == [old.page]
    (page,) = desk.pages()
    assert (page.level, "三人持刀" in "".join(page.text)) == (1, True)
    desk.speak()
    assert "told/M" in desk.nodes("wang")


def test_another_kind_of_order_climbs_its_own_ladder_from_the_foot():
    usual = make_site().response
    kinds = {"short": OrderKind(
        id="short", name="短", response=replace(usual, ladder=rungs("second_manager"))
    )}  # fmt: skip
    site = with_policy(
        kinds=kinds, categories={"fight": Category(name="打架"),
                                 "fire": Category(name="火警", kind="short")},
    )  # fmt: skip
    desk = Desk("zhang", site=site)
    desk.alert()
    desk.wait(120)
    assert desk.order.rung > 1
    desk.update(category="fire")
    assert desk.order.rung == 0
    desk.forget()
    desk.wait(60)
    assert "head" in desk.called()


# ---- held ----


def test_a_held_order_is_released_to_the_grids_of_its_new_words():
    desk = Desk("zhang", "sun", site=with_policy(forbidden=("毒品",)))
    desk.alert(text="毒品")
    assert desk.status == "held"
    desk.pass_time(1)
    desk.update(text="毒品交易", grid="G3")
    assert {"zhang", "sun"}.isdisjoint(desk.called())
    release(desk)
    assert desk.order.grids[0] == "G3"
    assert "sun" in desk.called()


def test_the_station_of_where_a_held_order_now_lies_has_its_card_in_time():
    """It is held for twenty minutes before the centre learns where it is."""
    site = with_policy(forbidden=("毒品",))
    desk = Desk("zhang", "sun", site=site)
    desk.alert(text="毒品", grid="G3", level=Level.ONE)
    assert desk.status == "held"
    desk.wait(1200)
    desk.forget()
    desk.update(text="毒品", grid="G1", level=Level.ONE)
    assert desk.status == "held"
    (card,) = [
        e for e in desk.asked if isinstance(e, PostCard) and e.address == ACCOUNTS["station"]
    ]
    assert card.not_after_us > desk.now_us + 300 * US


@pytest.mark.parametrize("by", ["release", "words"])
def test_a_held_order_that_the_police_have_taken_over_calls_nobody_when_it_is_let_go(by):
    desk = Desk("zhang", "sun", site=with_policy(forbidden=("毒品",)))
    desk.alert(text="毒品")
    desk.take(OrderTended(at_us=desk.now_us, order="o1", act="handover", by="李科长"))
    assert desk.status == "held"
    desk.pass_time(1)
    release(desk) if by == "release" else desk.update(text="纠纷")
    assert desk.status == "handed_over"
    assert "zhang" not in desk.called()
    assert desk.pages() == []


def test_nobody_is_told_of_a_held_order_whose_new_words_have_expired():
    """Nor is it let go by them, simple as they are."""
    desk = Desk("zhang", "sun", site=with_policy(forbidden=("毒品",)))
    desk.alert(text="毒品", grid="G3")
    desk.wait(10)
    desk.forget()
    desk.update(text="纠纷", grid="G1", expires_us=desk.now_us - 5 * US)
    assert desk.status == "held"
    assert [e for e in desk.asked if isinstance(e, PostCard | PageChannel)] == []
    assert desk.words("detail_expired_before") in desk.details("warning")


def test_an_older_message_that_knows_the_place_calls_nobody_of_a_held_order():
    desk = Desk("zhang", site=with_policy(forbidden=("毒品",)))
    desk.update(text="毒品", grid=None, sent_us=desk.now_us + US)
    assert desk.status == "held"
    desk.alert(text="有事")
    assert desk.order.grids == ("G1",)
    assert "zhang" not in desk.called()
    assert desk.pages() == []


def release(desk: Desk) -> None:
    desk.take(
        HeldActed(
            at_us=desk.now_us, order=desk.order.id, act="release", by="刘队", reason="核实",
        )
    )  # fmt: skip


def test_an_update_to_all_grids_waits_for_a_second_person():
    desk = Desk("zhang", "sun")
    desk.alert()
    desk.post()
    desk.forget()
    desk.pass_time(1)
    receipt = desk.update(to="all", text="全城搜寻")
    assert "update_held" in receipt.flags
    assert receipt.reason == desk.words("detail_held_two", minutes="5")
    assert "sun" not in desk.called()
    assert desk.pages() == []
    release(desk)
    assert "sun" in desk.called()
    assert desk.order.alert.text == "全城搜寻"
    desk.pass_time(1)
    desk.forget()
    assert "update_held" not in desk.update(text="穿红衣", grid=None).flags, "asked once"


def test_a_held_alert_that_an_update_sends_to_all_waits_for_a_second_person():
    desk = Desk("zhang", "sun", site=with_policy(forbidden=("毒品",)))
    desk.alert(text="毒品")
    desk.pass_time(1)
    desk.update(text="走失儿童", to="all")
    assert desk.status == "held"
    assert {"zhang", "sun"}.isdisjoint(desk.called())
    release(desk)
    assert {"zhang", "sun"} <= set(desk.called())


@pytest.mark.parametrize("asked", [0, 300])
def test_where_no_second_person_is_asked_for_an_update_to_all_goes_at_once(asked):
    desk = Desk("zhang", "sun", site=with_policy(two_person_s=asked))
    desk.alert()
    desk.pass_time(1)
    desk.update(to="all")
    assert ("sun" in desk.called()) is (asked == 0)


def test_clocks_of_the_usual_ladder_are_not_touched_by_words_alone():
    assert Response().ladder == make_site().response.ladder
    desk = Desk("zhang")
    desk.alert()
    desk.pass_time(20)
    desk.update(text="两人")
    assert desk.timers()["ladder"] == 40


def test_what_had_expired_when_it_came_is_accepted_and_the_receipt_says_nobody_was_told():
    """In CAP the reason is all that the centre reads of it: the flags are not in an Ack."""
    desk = Desk("zhang")
    past_us = desk.now_us - US
    late = desk.message(AlertKind.ALERT, sent_us=past_us - US, expires_us=past_us)
    receipt = desk.send(late)
    assert (receipt.status, receipt.reason) == ("accepted", desk.words("detail_expired_before"))
    assert desk.pages() == []
    desk.alert(id="JQ-2")
    assert desk.called()
    desk.forget()
    desk.pass_time(1)
    receipt = desk.update(id="JQ-2", text="旧", expires_us=desk.now_us - 1)
    assert (receipt.status, receipt.reason) == ("accepted", desk.words("detail_expired_before"))
    assert desk.pages() == []
