"""Event plans at the desk: what is in force, what is given back, what is refused."""

from dataclasses import replace

import pytest

from gateway.core.calls.routing import guards_on_duty
from gateway.core.effects import Receipt, ReportStatus
from gateway.core.events import ClockStepped, SettingsReloaded, Started
from gateway.core.order import Timer
from gateway.core.people import Person
from gateway.core.places import Grid, Post, grid_at
from gateway.core.readiness.event_plan import (
    EventPlan,
    GridChange,
    PlanDuty,
    PlanEnded,
    PlanRun,
    PlanStarted,
)
from gateway.core.readiness.event_plans import CLOCK, site_in_force
from gateway.core.register.events import DutyChanged, PersonChanged
from gateway.core.roster import DutyChanges
from tests.core.site_for_tests import NOON_US, US, Desk, make_site, square

HOUR_US = 3600 * US
SQUARE = Grid(
    id="fair", name="庙会广场", zone="core", codes=("990001",), aliases=("庙会",),
    polygon=square(25_000_000, 118_010_000), neighbours=("G2",), channel="ch2",
    chat="work/west", second_manager="head",
)  # fmt: skip
GATE = Post(id="gate", name="庙会东门", grid="fair")
# zhao is of crew B, off duty at noon; chen has no crew and stands in the middle.
ROSTER = (
    PlanDuty(person="zhao", grids=("fair",), post="gate"),
    PlanDuty(person="li", grids=("fair",)),
)


def plan(begin_h=1, end_h=3, **more):
    fields = {"grids": {"fair": SQUARE}, "posts": {"gate": GATE}, "roster": ROSTER} | more
    begin = None if begin_h is None else NOON_US + begin_h * HOUR_US
    end = None if end_h is None else NOON_US + end_h * HOUR_US
    return EventPlan(id=fields.pop("id", "p"), name="庙会", from_us=begin, to_us=end, **fields)


def desk_of(*plans):
    site = replace(make_site(), event_plans={p.id: p for p in plans})
    desk = Desk("zhao", "li", "chen", site=site)
    desk.take(Started(at_us=desk.now_us, down_us=0, synchronised=True))
    return desk


def told(desk, node="event_plan"):
    return [e.detail for e in desk.asked if isinstance(e, ReportStatus) and e.node == node]


def start(desk, id_="p", to_us=None):
    event = PlanStarted(at_us=desk.now_us, plan=id_, to_us=to_us, by="李队")
    return [e for e in desk.take(event) if isinstance(e, Receipt)][-1]


def end(desk, id_="p"):
    event = PlanEnded(at_us=desk.now_us, plan=id_, by="李队")
    return [e for e in desk.take(event) if isinstance(e, Receipt)][-1]


def now_site(desk):
    return site_in_force(desk.state, desk.site)


def standing(desk, grid):
    return [p.id for p in guards_on_duty(desk.state, now_site(desk), grid, desk.now_us)]


def reload(desk, *plans):
    desk.site = replace(make_site(), event_plans={p.id: p for p in plans})
    desk.take(SettingsReloaded(at_us=desk.now_us, version="new", by="x"))


def run(desk, id_="p"):
    return desk.state.find(PlanRun, id_)


def test_a_plan_without_hours_waits_for_somebody():
    desk = desk_of(plan(None, None))
    desk.wait(5 * 3600)
    assert (run(desk), standing(desk, "fair"), desk.site) == (None, [], now_site(desk))
    assert start(desk).status == "accepted"
    assert standing(desk, "fair") == ["zhao", "li"]
    assert "另行通知" in told(desk)[0]
    assert "李队" in told(desk)[0]
    desk.wait(20 * 3600)
    assert end(desk).status == "accepted"
    assert standing(desk, "fair") == []
    assert (end(desk).status, len(told(desk))) == ("refused", 2)


def test_its_people_have_back_just_what_was_theirs():
    """Grids that somebody gave zhao meanwhile stay his, and so does a post."""
    desk = desk_of(plan(keep_own=True))
    before = {p.id: p for p in desk.state.each(Person)}
    desk.wait(3700)
    zhao = desk.state.find(Person, "zhao")
    assert (zhao.grids, zhao.post) == ((*before["zhao"].grids, "fair"), "gate")
    desk.wait(3 * 3600)
    assert {p.id: p for p in desk.state.each(Person)} == before
    assert list(desk.state.each(DutyChanges)) == []
    assert [t for t in desk.state.each(Timer) if t.what == CLOCK] == []


def test_a_leave_goes_before_the_plan():
    """Whoever reported sick in the morning is not on duty because a plan names him."""
    desk = desk_of(plan())
    sick = DutyChanged(
        at_us=desk.now_us, person="li", on_duty=False, from_us=None, to_us=None, for_min=300,
        reason="病假", by="李队",
    )  # fmt: skip
    desk.take(sick)
    desk.wait(3700)
    assert standing(desk, "fair") == ["zhao"]
    desk.wait(2 * 3600)
    (left,) = desk.state.find(DutyChanges, "li").changes
    assert left.reason == "病假"


def test_a_part_of_somebody_may_be_shorter_than_the_plan():
    shorter = replace(ROSTER[0], from_us=NOON_US + 2 * HOUR_US)
    desk = desk_of(plan(roster=(shorter,)))
    desk.wait(3700)
    assert standing(desk, "fair") == []
    desk.wait(3600)
    assert standing(desk, "fair") == ["zhao"]


def test_its_grids_go_first_and_have_neighbours_both_ways():
    desk = desk_of(plan(changes={"G1": GridChange(channel="ch2")}))
    point = (25_005_000, 118_015_000)
    assert grid_at(now_site(desk), *point) == "G2"
    desk.wait(3700)
    site = now_site(desk)
    assert grid_at(site, *point) == "fair"
    assert "fair" in site.grids["G2"].neighbours
    assert (site.grids["G1"].channel, site.grids["G1"].chat) == ("ch2", "work/east")
    assert site is now_site(desk)
    assert desk.alert(grid=None, text="庙会有人打架").status == "accepted"


def test_an_open_order_keeps_grid_and_people_until_it_is_closed():
    """No other alert is found to lie there meanwhile."""
    desk = desk_of(plan())
    desk.wait(3 * 3600 - 30)
    desk.alert(grid="990001")
    desk.wait(60)
    assert run(desk).state == "closing"
    assert "fair" in now_site(desk).grids
    assert "990001" not in now_site(desk).finder.codes
    assert grid_at(now_site(desk), 25_005_000, 118_015_000) == "G2"
    assert desk.state.find(Person, "zhao").grids[-1] == "fair"
    desk.act("close", result="误报")
    assert run(desk).state == "over"
    assert "fair" not in now_site(desk).grids
    assert "fair" not in desk.state.find(Person, "zhao").grids


def test_two_plans_of_one_grid_are_not_in_force_together():
    """By hand it is refused; by the clock it is told, and begins once the other has ended."""
    desk = desk_of(plan(None, None), plan(id="q"))
    start(desk)
    desk.wait(3700)
    assert "未能启用" in told(desk, "warning")[0]
    assert start(desk, "q").status == "refused"
    end(desk)
    assert run(desk, "q").state == "in_force"


@pytest.mark.parametrize(
    ("id_", "to_us", "why", "gaps"),
    [
        ("nothing", None, "why_no_plan", {"plan": "nothing", "known": "p"}),
        ("p", NOON_US - 1, "why_plan_over", {}),
    ],
)
def test_what_cannot_be_started_is_refused_with_the_reason(id_, to_us, why, gaps):
    desk = desk_of(plan())
    receipt = start(desk, id_, to_us)
    told = desk.words(why, **gaps)
    assert (receipt.status, receipt.reason, run(desk)) == ("refused", told, None)


def test_a_rehearsal_does_not_stand_for_the_day_itself():
    desk = desk_of(plan())
    start(desk)
    desk.wait(600)
    end(desk)
    assert run(desk).state == "over"
    desk.wait(3600)
    assert run(desk).state == "in_force"


def test_what_was_ended_by_hand_stays_ended():
    """Neither a restart nor a reload of the same times brings it back; new times do."""
    desk = desk_of(plan())
    desk.wait(3700)
    end(desk)
    desk.take(Started(at_us=desk.now_us, down_us=0, synchronised=True))
    reload(desk, plan())
    assert run(desk).state == "over"
    reload(desk, plan(1, 4))
    assert run(desk).state == "in_force"


def test_a_reload_changes_hours_and_people_of_a_plan_in_force():
    desk = desk_of(plan())
    desk.wait(3700)
    reload(desk, plan(1, 5, roster=(ROSTER[1],)))
    assert standing(desk, "fair") == ["li"]
    assert "fair" not in desk.state.find(Person, "zhao").grids
    desk.wait(3 * 3600)
    assert run(desk).state == "in_force"
    desk.wait(3600)
    assert run(desk).state == "over"


def test_a_plan_that_left_the_settings_has_ended():
    desk = desk_of(plan())
    desk.wait(3700)
    reload(desk)
    assert "fair" not in desk.state.find(Person, "zhao").grids
    assert len(told(desk)) == 2


def test_what_began_and_ended_while_nobody_was_here_did_not_happen():
    desk = desk_of(plan())
    desk.pass_time(5 * 3600)
    desk.take(Started(at_us=desk.now_us, down_us=5 * HOUR_US, synchronised=True))
    assert (run(desk), told(desk)) == (None, [])


def test_a_clock_that_is_set_does_not_move_a_plan():
    """It begins at its hour by the clock, not so many minutes from now."""
    desk = desk_of(plan())
    desk.pass_time(1800)
    desk.take(ClockStepped(at_us=desk.now_us, by_us=1800 * US))
    assert desk.state.find(Timer, f"{CLOCK}/plan:p").due_us == NOON_US + HOUR_US


def test_who_stands_for_a_plan_serves_its_grids_only_while_he_does():
    """Before and after his part he is in his own street; what he is given by hand is his own."""
    part = PlanDuty(
        person="chen", grids=("fair",),
        from_us=NOON_US + 2 * HOUR_US, to_us=NOON_US + 4 * HOUR_US,
    )  # fmt: skip
    desk = desk_of(plan(1, 6, roster=(part,)))
    assert desk.state.find(Person, "chen").grids == ("G2",)
    desk.wait(1.5 * 3600)
    assert (standing(desk, "G2"), standing(desk, "fair")) == (["chen"], [])
    desk.wait(3600)
    assert (standing(desk, "G2"), standing(desk, "fair")) == ([], ["chen"])
    desk.take(
        PersonChanged(at_us=desk.now_us, person="chen", changes=(("grids", "G1"),), by="李队")
    )
    assert (standing(desk, "fair"), "chen" in standing(desk, "G1")) == (["chen"], False)
    desk.wait(2 * 3600)
    assert (standing(desk, "fair"), "chen" in standing(desk, "G1")) == ([], True)
    desk.wait(3 * 3600)
    assert desk.state.find(Person, "chen").grids == ("G1",)


def test_two_plans_of_one_man_end_in_any_order():
    other = replace(SQUARE, id="match", name="球场", codes=(), aliases=())
    second = plan(
        2, 3, id="q", grids={"match": other}, posts={},
        roster=(PlanDuty(person="chen", grids=("match",)),),
    )  # fmt: skip
    desk = desk_of(plan(1, 4, roster=(PlanDuty(person="chen", grids=("fair",)),)), second)
    seen = []
    for _ in range(5):
        seen.append(desk.state.find(Person, "chen").grids)
        desk.wait(3600)
    assert seen == [("G2",), ("fair",), ("fair", "match"), ("fair",), ("G2",)]


def test_a_plan_that_is_over_with_an_order_open_leaves_its_grids_beside_his_own():
    desk = desk_of(plan(1, 3, roster=(PlanDuty(person="chen", grids=("fair",)),)))
    desk.wait(3600 + 60)
    desk.alert(grid="990001")
    desk.wait(2 * 3600)
    assert desk.state.find(Person, "chen").grids == ("G2", "fair")
    desk.act("close", result="已处置")
    assert desk.state.find(Person, "chen").grids == ("G2",)
