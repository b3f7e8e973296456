"""Who is called: nearest first, fit and free, enough and not more, by name, by force."""

from dataclasses import replace

import pytest

from gateway.core.alert import Level
from gateway.core.answers.events import MediaReceived
from gateway.core.calls.events import BreakTaken, PartnerCalled
from gateway.core.calls.whereabouts import LastSeen
from gateway.core.effects import PostCard, Receipt
from gateway.core.events import SettingsReloaded
from gateway.core.people import Contact
from gateway.core.places import Post
from gateway.core.register.events import RegisterSeeded
from tests.core.site_for_tests import (
    ACCOUNTS,
    PEOPLE,
    US,
    Desk,
    guard,
    make_site,
    point,
)  # fmt: skip

# A micro-degree of latitude is 0.111 m: a thousand of them are 111 m.
BANK = (25_005_000, 118_005_000)
NEAR, FAR = (25_006_000, 118_005_000), (25_095_000, 118_005_000)


def site(**response):
    """The district with posts that have a place: the bank's in G1, one far to the north."""
    found = make_site(**response)
    posts = {
        "P1": Post(id="P1", name="建设银行门口", grid="G1", position=BANK, aliases=("建行",)),
        "P2": Post(id="P2", name="东门", grid="G1", position=NEAR),
        "P3": Post(id="P3", name="水库", grid="G1", position=FAR),
    }
    return replace(found, posts=posts)


def crew(*people, **response):
    """A desk with these people beside those upstairs."""
    desk = Desk("zhang", site=site(**response))
    desk.take(RegisterSeeded(at_us=desk.now_us, people=people, contacts=()))
    desk.leave("zhang")
    desk.forget()
    return desk


def order_of_calls(desk):
    """Guards in the order in which the page's deliveries were asked for."""
    guards = [p for p in desk.parts() if p.role.value == "guard"]
    return [p.person for p in guards]


def share(desk, who, place):
    desk.take(
        MediaReceived(
            at_us=desk.now_us, chat="work", address=ACCOUNTS.get(who, who), group=None, kind="location",
            message="m", place=f"{place[0]},{place[1]}",
        )
    )  # fmt: skip


def test_the_nearest_by_post_is_called_and_the_next_when_he_cannot_come():
    desk = crew(
        guard("a", "601", "G1", post="P3"), guard("b", "602", "G1", post="P2"),
        call="nearest",
    )  # fmt: skip
    desk.alert(place="建设银行门口")
    assert order_of_calls(desk) == ["b"]
    assert desk.keys(f"*{desk.number} 602 0#")
    assert set(order_of_calls(desk)) == {"a", "b"}
    assert desk.words("detail_called_next") in desk.details("escalated")
    assert desk.timers()["ladder"] == 60


def test_as_many_are_called_as_are_needed():
    people = [guard(f"g{i}", f"61{i}", "G1") for i in range(6)]
    desk = crew(*people, call="nearest")
    desk.alert(needs=3)
    assert len(order_of_calls(desk)) == 3
    desk.wait(60)
    assert len(order_of_calls(desk)) > 3, "the repetition calls who was spared"


def test_a_shared_location_counts_before_the_post_until_it_is_old():
    desk = Desk("zhang", "li", site=site(call="nearest"))
    share(desk, "zhang", FAR)
    share(desk, "li", NEAR)
    desk.alert(place="建设银行门口")
    assert order_of_calls(desk) == ["li"]
    desk.cancel()
    desk.pass_time(1801)
    desk.alert(id="later", place="建设银行门口")
    assert order_of_calls(desk) == ["li"], "both are in the middle of the grid again: by id"
    assert desk.state.find(LastSeen, "li").source == "shared"


def test_who_has_arrived_somewhere_is_there():
    desk = Desk("zhang", site=site())
    desk.alert(location=point(*NEAR), grid="G1")
    desk.press("zhang", "3")
    seen = desk.state.find(LastSeen, "zhang")
    assert (seen.point, seen.source) == (NEAR, "check_in")


def test_a_standing_point_is_called_before_who_is_nearer():
    found = site(call="nearest")
    posts = found.posts | {"P3": replace(found.posts["P3"], standing=True)}
    desk = Desk("zhang", site=replace(found, posts=posts))
    desk.take(RegisterSeeded(at_us=desk.now_us, people=(
        guard("a", "601", "G1", post="P3"), guard("b", "602", "G1", post="P2"),
    ), contacts=()))  # fmt: skip
    desk.alert(place="建设银行门口")
    assert order_of_calls(desk) == ["a"]


def test_who_is_seen_elsewhere_does_not_stand_at_his_standing_point():
    found = site(call="nearest")
    posts = found.posts | {"P3": replace(found.posts["P3"], standing=True)}
    desk = Desk("sun", site=replace(found, posts=posts))
    desk.take(RegisterSeeded(at_us=desk.now_us, people=(
        guard("a", "601", "G1", post="P3"), guard("b", "602", "G1", post="P2"),
    ), contacts=(Contact(person="a", chat="work", address="6001", since_us=0),)))  # fmt: skip
    share(desk, "6001", (25_060_000, 118_005_000))
    desk.alert(place="建设银行门口")
    assert order_of_calls(desk) == ["b"]
    desk.act("close", result="done")
    desk.wait(desk.site.response.position_fresh_s + 1)
    desk.alert(id="JQ-2", place="建设银行门口")
    assert order_of_calls(desk) == ["a"]



def test_who_is_on_another_order_as_urgent_is_not_called_while_another_is_free():
    desk = Desk("zhang", "li")
    desk.alert()
    desk.press("zhang", "1")
    desk.alert(id="second")
    assert order_of_calls(desk) == ["li"]
    desk.press("li", "1")
    desk.forget()
    desk.alert(id="third")
    assert order_of_calls(desk) == ["li", "zhang"], "nobody else is left"
    assert desk.words("detail_all_busy") in desk.details("warning")
    desk.alert(id="worst", level=Level.ONE)
    assert order_of_calls(desk) == ["li", "zhang"]


def test_who_has_done_his_order_is_free_again():
    desk = Desk("zhang", "li")
    desk.alert()
    desk.press("zhang", "5")
    desk.alert(id="second")
    assert order_of_calls(desk) == ["li", "zhang"]


def rest(desk, person, minutes):
    effects = desk.take(
        BreakTaken(at_us=desk.now_us, person=person, minutes=minutes, by="班长")
    )
    (receipt,) = [e for e in effects if isinstance(e, Receipt)]
    return receipt.status


def test_who_rests_is_called_to_level_one_only():
    desk = Desk("zhang", "li")
    assert rest(desk, "zhang", 30) == "accepted"
    assert rest(desk, "nobody", 30) == "refused"
    desk.alert()
    assert order_of_calls(desk) == ["li"]
    desk.alert(id="worst", level=Level.ONE)
    assert order_of_calls(desk) == ["li", "zhang"]
    desk.pass_time(1801)
    desk.alert(id="later")
    assert "zhang" in order_of_calls(desk), "a break ends by itself"


def test_who_is_back_from_his_break_is_called():
    desk = Desk("zhang")
    rest(desk, "zhang", 30)
    rest(desk, "zhang", 0)
    desk.alert()
    assert order_of_calls(desk) == ["zhang"]
    assert len(desk.reports("break")) == 2


# ---- no one is near ----


def test_that_no_one_is_near_is_said_and_only_the_nearest_is_called():
    found = site()
    posts = found.posts | {"P4": Post(id="P4", name="远山", grid="G1", position=(25_150_000, 118_005_000))}
    desk = Desk("zhang", "chen", site=replace(found, posts=posts))
    desk.take(RegisterSeeded(at_us=desk.now_us, people=(
        guard("a", "601", "G1", post="P3"), guard("b", "602", "G1", post="P4"),
    ), contacts=()))  # fmt: skip
    desk.leave("zhang")
    receipt = desk.alert(place="建设银行门口")
    assert "nobody_near" in receipt.flags
    assert receipt.reason == desk.words("detail_nobody_near")
    assert order_of_calls(desk) == ["a"]
    (said,) = desk.reports("nobody_near")
    assert (said.person, "10008米" in said.detail) == ("a", True)
    (proposal,) = desk.reports("proposal")
    assert proposal.person == "chen"


def test_the_middle_of_a_grid_never_proves_that_somebody_is_far():
    desk = Desk("zhang", site=site(near_m=1))
    receipt = desk.alert(place="建设银行门口")
    assert receipt.flags == ()


def test_a_far_station_makes_the_nearest_partner_be_proposed_and_called_by_a_named_person():
    found = site()
    posts = found.posts | {"PS": Post(id="PS", name="派出所", grid="G1", position=(25_405_000, 118_005_000))}
    desk = Desk("zhang", "chen", "sun", site=replace(found, posts=posts), upstairs=("head",))
    far = replace(PEOPLE["station"], post="PS")
    desk.take(RegisterSeeded(at_us=desk.now_us, people=(far,), contacts=()))
    desk.alert(location=point(*BANK))
    (proposal,) = desk.reports("proposal")
    assert proposal.person == "chen"
    assert "44478米" in proposal.detail
    assert "东门保安公司陈七" in proposal.detail
    assert "chen" not in desk.called(), "a named person decides"
    effects = desk.take(
        PartnerCalled(at_us=desk.now_us, order="o1", person=None, by="李警官")
    )
    assert [e.status for e in effects if isinstance(e, Receipt)] == ["accepted"]
    assert "chen" in desk.called()
    assert desk.reports("escalated")[-1].person == "chen"
    again = desk.take(PartnerCalled(at_us=desk.now_us, order="o1", person="chen", by="李"))
    assert [e.status for e in again if isinstance(e, Receipt)] == ["refused"]


@pytest.mark.parametrize("expires_s", [None, 600])
def test_a_partner_is_reached_also_when_the_orders_time_has_run_out(expires_s):
    """Somebody stands there an hour later, and a named person sends him company."""
    desk = Desk("zhang", "chen")
    desk.alert(expires_us=None if expires_s is None else desk.now_us + expires_s * US)
    desk.press("zhang", "3")
    desk.wait(3700)
    desk.forget()
    desk.take(PartnerCalled(at_us=desk.now_us, order="o1", person="chen", by="李警官"))
    cards = [e for e in desk.asked if isinstance(e, PostCard) and e.address == ACCOUNTS["chen"]]
    assert cards
    assert all(card.not_after_us > desk.now_us + 300 * US for card in cards)


@pytest.mark.parametrize("order", ["o99", "99"])
def test_a_partner_for_no_order_is_refused(order):
    desk = Desk("zhang")
    effects = desk.take(PartnerCalled(at_us=desk.now_us, order=order, person=None, by="李"))
    assert [e.status for e in effects if isinstance(e, Receipt)] == ["refused"]


# ---- by name ----


def test_an_order_to_a_person_calls_him_alone_and_climbs_to_his_grid():
    desk = Desk("zhang", "li", "chen")
    desk.alert(to="person/li")
    assert order_of_calls(desk) == ["li"]
    desk.press("li", "0")
    assert set(order_of_calls(desk)) == {"li", "zhang", "chen"}


def test_an_order_to_a_person_needs_no_grid_of_its_own():
    desk = Desk("zhang", "chen")
    receipt = desk.alert(to="person/chen", grid=None)
    assert receipt.flags == ()
    assert (order_of_calls(desk), desk.order.grids) == (["chen"], ("G2",))


def test_a_person_who_is_off_duty_is_said_to_be_and_the_ladder_climbs():
    desk = Desk("zhao", "zhang")
    receipt = desk.alert(to="person/zhao")
    assert "nobody" in receipt.flags
    assert desk.details("nobody") == [desk.words("detail_to_off_duty")]
    assert "zhang" in desk.called()


@pytest.mark.parametrize("to", ["person/nobody", "team/none", "zone/none", "station/zhang", "grid/X"])
def test_an_order_to_who_is_not_there_is_refused(to):
    desk = Desk("zhang")
    receipt = desk.alert(to=to)
    assert receipt.status == "refused"
    assert receipt.reason == desk.words("why_no_target", target=to)
    assert desk.reports("accepted") == []


def test_a_team_a_zone_a_station_and_a_grid_are_addressed():
    desk = Desk("zhang", "chen")
    desk.take(RegisterSeeded(at_us=desk.now_us, people=(
        guard("a", "601", "G1", team="red"), guard("b", "602", "G2", team="red"),
        guard("p", "603", "G1", tier="station_patrol"),
    ), contacts=()))  # fmt: skip
    desk.alert(id="t", to="team/red")
    assert order_of_calls(desk) == ["a", "b"]
    desk.alert(id="z", to="zone/town", grid=None)
    assert set(order_of_calls(desk)) == {"b", "chen"}
    desk.alert(id="g", to="grid/350102", grid=None)
    assert desk.order.grids == ("G2",)
    desk.alert(id="s", to="station/station", grid=None)
    assert order_of_calls(desk) == ["p"]
    assert "station" in desk.called()


def test_a_station_ordered_by_name_answers_for_itself():
    desk = Desk("zhang")
    desk.alert(to="station/station", grid=None)
    assert desk.status == "calling"
    desk.press("station", "1")
    assert desk.status == "acknowledged"


# ---- tiers of force ----


def test_patrols_are_called_on_their_own_rungs_and_not_before():
    desk = Desk("zhang")
    desk.take(RegisterSeeded(at_us=desk.now_us, people=(
        guard("p", "601", "G2", tier="station_patrol"),
        guard("s", "602", "G3", tier="special_patrol"),
    ), contacts=()))  # fmt: skip
    desk.alert()
    assert order_of_calls(desk) == ["zhang"]
    desk.wait(121)
    rungs = [w for w in desk.details("escalated") if not w.endswith("跳过")]
    assert rungs == ["再次呼叫本网格", "呼叫派出所巡防队"]
    assert desk.pages()[-1].channel == "ch1"
    desk.wait(60)
    assert desk.details("escalated")[-1] == "呼叫巡特警"
    assert desk.pages()[-1].channel == "ch2"


def test_an_old_site_is_settled_after_a_reload():
    desk = Desk("zhang", upstairs=())
    desk.alert()
    assert desk.order.owner == "@desk"
    found = replace(desk.site.response, desk="zhang")
    desk.site = replace(desk.site, response=found)
    desk.take(SettingsReloaded(at_us=desk.now_us, version="x", by="x"))
    assert desk.order.owner == "zhang"




def test_who_may_not_be_called_is_named_with_the_reason():
    found = make_site()
    body = replace(found.organisations["guard"], categories=("theft",))
    desk = Desk("zhang", site=replace(found, organisations={"guard": body}), upstairs=())
    desk.alert(category="fight")
    (said,) = [r for r in desk.reports("warning") if r.person == "zhang"]
    assert said.detail == "未呼叫：其单位不承担此类警情"
    assert "zhang" not in desk.called()
