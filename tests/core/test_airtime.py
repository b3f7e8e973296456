"""What goes on a channel next: a story each, and a machine that tries everything."""

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.core.airtime import GAP_S, WAITING_MAX, Air, Airtime, Drop, Hold, Start
from gateway.core.effects import PageChannel

LIMITS_S = (10.0, 60.0, 300.0)
HOUR_US = 3_600_000_000


def page(name: str, level: int = 2, *, not_after_us: int = HOUR_US, window_s: int = 15):
    return PageChannel(
        page=name, channel="gate", order=f"o-{name}", level=level, number="12",
        text=("东街网格",), language="zh_CN", answer_window_s=window_s,
        not_after_us=not_after_us,
    )  # fmt: skip


def air(now_s: float = 100.0, **facts: object) -> Air:
    return replace(Air(now_s=now_s, now_us=int(now_s * 1e6)), **facts)


def queue(*pages: PageChannel, now_s: float = 100.0) -> Airtime:
    airtime = Airtime(LIMITS_S)
    for one in pages:
        assert airtime.offer(one, now_s) is None
    return airtime


def started(decisions: list[object]) -> list[str]:
    return [d.page.page for d in decisions if isinstance(d, Start)]


def test_a_page_on_a_clear_channel_starts_at_once_and_nothing_is_told_of_waiting() -> None:
    airtime = queue(page("a"))
    assert airtime.next(air()) == [Start(page("a"))]


def test_level_goes_before_arrival_and_arrival_before_chance() -> None:
    airtime = queue(page("a", 3), page("b", 2), page("c", 2), page("d", 1))
    order = []
    for second in range(100, 200, 20):
        order += started(airtime.next(air(second)))
        if airtime.current:
            airtime.spoken(second)
    assert order == ["d", "b", "c", "a"]


def test_a_drill_waits_behind_every_live_order_and_never_keys_over_anybody() -> None:
    """Whatever its level sounds like: it has the place and the manners of the lowest."""
    drill = replace(page("drill", 1), routine=True)
    airtime = queue(drill, page("a", 3), page("b", 2))
    order = []
    for second in range(100, 160, 20):
        order += started(airtime.next(air(second)))
        airtime.spoken(second)
    assert order == ["b", "a", "drill"]
    airtime = queue(drill)
    assert started(airtime.next(air(200, squelch_open=True, clear_since_s=-1))) == []
    later = airtime.next(air(100 + LIMITS_S[0] + 200, squelch_open=True, clear_since_s=-1))
    assert started(later) == []
    assert airtime.next(air(800, squelch_open=True, clear_since_s=-1))[0].state == "failed"


def test_level_one_breaks_off_a_drill_of_level_one() -> None:
    drill = replace(page("drill", 1), routine=True)
    airtime = queue(drill)
    assert started(airtime.next(air())) == ["drill"]
    airtime.offer(page("a", 1), 101)
    assert airtime.breaks_off(drill)


def test_two_pages_are_never_under_way_together() -> None:
    airtime = queue(page("a"), page("b", 1))
    assert started(airtime.next(air())) == ["b"]
    assert started(airtime.next(air(101))) == []
    airtime.stopped()
    assert started(airtime.next(air(102))) == ["a"]


def test_nothing_starts_after_its_time() -> None:
    airtime = queue(page("old", not_after_us=100_000_000), page("new"), now_s=99)
    decisions = airtime.next(air(100.1))
    assert decisions[0] == Drop(page("old", not_after_us=100_000_000), "expired",
                                "its time passed while it waited")  # fmt: skip
    assert started(decisions) == ["new"]


def test_an_answer_window_keeps_the_channel_from_equal_and_lower_levels() -> None:
    airtime = queue(page("asked", 2), page("same", 2), page("lower", 3))
    assert started(airtime.next(air())) == ["asked"]
    airtime.spoken(105.0)
    assert started(airtime.next(air(119.9))) == []
    assert started(airtime.next(air(120.1))) == ["same"]


def test_level_1_and_a_higher_level_do_not_wait_for_the_window() -> None:
    airtime = queue(page("asked", 2))
    airtime.next(air())
    airtime.spoken(105.0)
    airtime.offer(page("urgent", 1), 105)
    assert started(airtime.next(air(106, clear_since_s=105.0))) == ["urgent"]
    airtime.spoken(110.0)
    airtime.offer(page("also urgent", 1), 110)
    assert started(airtime.next(air(111, clear_since_s=110.0))) == ["also urgent"]


def test_level_1_breaks_in_at_a_gap_of_300_ms_others_draw_a_back_off_besides() -> None:
    airtime = queue(page("b", 2))
    cleared = {"clear_since_s": 100.0, "back_off_s": 0.4}
    assert started(airtime.next(air(100.69, **cleared))) == []
    assert started(airtime.next(air(100.71, **cleared))) == ["b"]
    urgent = queue(page("a", 1))
    assert started(urgent.next(air(100.29, **cleared))) == []
    assert started(urgent.next(air(100.31, **cleared))) == ["a"]


def test_level_1_keys_over_an_open_squelch_after_its_limit() -> None:
    airtime = queue(page("a", 1))
    for tenth in range(1000, 1100):
        assert started(airtime.next(air(tenth / 10, squelch_open=True))) == []
    assert airtime.next(air(110.0, squelch_open=True)) == [Start(page("a", 1), over_open=True)]


@pytest.mark.parametrize(("level", "limit_s"), [(2, 60), (3, 300)])
def test_levels_2_and_3_fail_when_others_talk_for_their_limit(level: int, limit_s: int) -> None:
    airtime = queue(page("a", level))
    for second in range(100, 100 + limit_s):
        decisions = airtime.next(air(second, squelch_open=True))
        assert not any(isinstance(d, Start | Drop) for d in decisions)
    (drop,) = airtime.next(air(100 + limit_s, squelch_open=True))
    assert isinstance(drop, Drop)
    assert (drop.state, "busy" in drop.reason) == ("failed", True)


def test_waiting_for_our_own_pages_counts_towards_no_limit() -> None:
    airtime = queue(page("long", 2), page("b", 2))
    airtime.next(air(100))
    for second in range(101, 180):
        assert not any(isinstance(d, Drop) for d in airtime.next(air(second)))


def test_a_dead_channel_holds_level_1_until_it_lives_and_gives_the_others_up() -> None:
    airtime = queue(page("a", 1), page("b", 2))
    dropped = [
        d.page.page
        for second in range(100, 200)
        for d in airtime.next(air(second, path_up=False))
        if isinstance(d, Drop)
    ]
    assert dropped == ["b"]
    assert started(airtime.next(air(201))) == ["a"]


def test_waiting_is_told_once_a_page_and_reason() -> None:
    airtime = queue(page("a"), page("b"))
    told = [
        (d.page.page, d.reason)
        for tenth in range(1000, 1100)
        for d in airtime.next(air(tenth / 10, squelch_open=True))
        if isinstance(d, Hold)
    ]
    told += [
        (d.page.page, d.reason)
        for d in airtime.next(air(111.0, path_up=False))
        if isinstance(d, Hold)
    ]
    assert told == [("a", "busy"), ("b", "queue"), ("a", "path")]


def test_without_the_engine_nothing_starts_and_no_limit_runs() -> None:
    airtime = queue(page("a", 2, not_after_us=10 * HOUR_US))
    for second in range(100, 200):
        assert airtime.next(air(second, may_key=False)) == []
    assert started(airtime.next(air(201))) == ["a"]


def test_a_withdrawn_page_is_never_spoken() -> None:
    airtime = queue(page("a"), page("b"))
    assert airtime.withdraw("a") == page("a")
    assert airtime.withdraw("a") is None
    assert started(airtime.next(air())) == ["b"]


def test_a_page_put_back_keeps_its_place_behind_level_1() -> None:
    airtime = queue(page("a", 2), page("b", 2))
    airtime.next(air())
    airtime.offer(page("urgent", 1), 101)
    airtime.put_back(102)
    assert [p.page for p in airtime.waiting] == ["urgent", "a", "b"]


def test_a_flood_is_refused_but_never_what_is_more_urgent() -> None:
    airtime = queue(*(page(str(n)) for n in range(WAITING_MAX)))
    refused = airtime.offer(page("one more", 1), 100)
    assert isinstance(refused, Drop)
    assert refused.page.page == str(WAITING_MAX - 1)
    assert len(airtime.waiting) == WAITING_MAX
    refused = airtime.offer(page("one of level 3 more", 3), 100)
    assert refused is not None
    assert refused.page.page == "one of level 3 more"


def test_a_page_that_was_broken_off_says_that_it_waits_again() -> None:
    airtime = queue(page("a", 2))
    assert started(airtime.next(air())) == ["a"]
    airtime.offer(page("urgent", 1), 101)
    airtime.put_back(102)
    assert [type(d) for d in airtime.next(air(now_s=102))] == [Start]
    told = airtime.next(air(now_s=103))
    assert told == [Hold(page("a", 2), "queue")]


class AnyHour(RuleBasedStateMachine):
    """Whatever comes in whatever order, the promises of a channel hold."""

    @initialize()
    def begin(self) -> None:
        self.airtime = Airtime(LIMITS_S)
        self.now_s = 1000.0
        self.names = 0
        self.waiting: dict[str, PageChannel] = {}
        self.current: PageChannel | None = None
        self.finished: set[str] = set()
        self.window = (0.0, 3)
        self.open, self.path_up, self.may_key = False, True, True
        self.clear_since_s, self.opened_s = 0.0, 0.0

    @rule(level=st.integers(1, 3), life_s=st.integers(-5, 400), window_s=st.integers(0, 30))
    def page_comes(self, level: int, life_s: int, window_s: int) -> None:
        self.names += 1
        until_us = int((self.now_s + life_s) * 1e6)
        one = page(str(self.names), level, not_after_us=until_us, window_s=window_s)
        assert self.airtime.offer(one, self.now_s) is None
        self.waiting[one.page] = one

    @rule(data=st.data())
    def page_is_withdrawn(self, data: st.DataObject) -> None:
        if not self.names:
            return
        name = str(data.draw(st.integers(1, self.names)))
        taken = self.airtime.withdraw(name)
        assert (taken is not None) == (name in self.waiting)
        if self.waiting.pop(name, None):
            self.finished.add(name)

    @rule()
    def squelch_moves(self) -> None:
        self.open = not self.open
        if self.open:
            self.opened_s = self.now_s
        else:
            self.clear_since_s = self.now_s

    @rule()
    def path_changes(self) -> None:
        self.path_up = not self.path_up

    @rule()
    def engine_comes_or_goes(self) -> None:
        self.may_key = not self.may_key

    @rule(how=st.sampled_from(["spoken", "stopped", "back"]))
    def page_ends(self, how: str) -> None:
        if self.current is None:
            return
        ended, self.current = self.current, None
        if how == "back":
            self.airtime.put_back(self.now_s)
            self.waiting[ended.page] = ended
            return
        self.finished.add(ended.page)
        if how == "stopped":
            self.airtime.stopped()
            return
        self.airtime.spoken(self.now_s)
        self.clear_since_s = self.now_s
        if ended.answer_window_s:
            self.window = (self.now_s + ended.answer_window_s, ended.level)

    @rule(ticks=st.sampled_from([1, 5, 50, 500]), pace_s=st.sampled_from([0.02, 0.1, 1.0]))
    def time_passes(self, ticks: int, pace_s: float) -> None:
        for _ in range(ticks):
            self.now_s += pace_s
            for decision in self.airtime.next(self.moment()):
                self.judge(decision)

    def moment(self) -> Air:
        return Air(
            now_s=self.now_s, now_us=int(self.now_s * 1e6), may_key=self.may_key,
            path_up=self.path_up, squelch_open=self.open, clear_since_s=self.clear_since_s,
            back_off_s=0.3,
        )  # fmt: skip

    def judge(self, decision: Start | Drop | Hold) -> None:
        one = decision.page
        assert one.page in self.waiting, "only what waits is decided on"
        if isinstance(decision, Hold):
            return
        if isinstance(decision, Drop):
            if decision.state == "expired":
                assert self.now_s * 1e6 > one.not_after_us
            else:
                assert one.level != 1, "level 1 is never given up"
        else:
            self.judge_start(decision)
            self.current = one
        del self.waiting[one.page]
        if decision is not None and isinstance(decision, Drop):
            self.finished.add(one.page)

    def judge_start(self, start: Start) -> None:
        one = start.page
        assert self.current is None, "two at once"
        assert one.page not in self.finished, "twice"
        assert self.may_key
        assert self.path_up
        assert int(self.now_s * 1e6) <= one.not_after_us
        assert one.level == min(p.level for p in self.waiting.values()), "level order"
        assert start.over_open == self.open
        if self.open:
            assert one.level == 1
            return
        until_s, level = self.window
        assert one.level == 1 or one.level < level or self.now_s >= until_s
        assert self.now_s - self.clear_since_s >= GAP_S + (0 if one.level == 1 else 0.3)

    @invariant()
    def both_agree_on_what_waits(self) -> None:
        assert {p.page for p in self.airtime.waiting} == set(self.waiting)
        current = self.airtime.current
        assert current == self.current


TestAnyHour = AnyHour.TestCase
TestAnyHour.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_a_channel_that_was_asked_nothing_for_an_hour_has_counted_nothing() -> None:
    """While nothing waits nobody need ask; the hour is no waiting of the page that comes."""
    airtime = queue(page("a", 2))
    airtime.next(air(100.0, squelch_open=True))
    airtime.withdraw("a")
    assert not airtime.any_waits
    airtime.offer(page("b", 2, not_after_us=2 * HOUR_US), 3700.0)
    assert airtime.any_waits
    assert airtime.next(air(3700.1, squelch_open=True)) == []
    drops = airtime.next(air(3760.1, squelch_open=True))
    assert [d.page.page for d in drops if isinstance(d, Drop)] == ["b"]


# ---- called off ----


def off(name: str, of: str, level: int = 2, **more: object) -> PageChannel:
    """The stand-down of the order that a page was about."""
    return replace(page(name, level, window_s=0), order=f"o-{of}", stand_down=True, **more)


def test_a_stand_down_ends_the_window_of_its_order_and_goes_on_the_air_at_once() -> None:
    airtime = queue(page("a"))
    airtime.next(air())
    airtime.spoken(110)
    airtime.offer(page("b"), 111)
    assert airtime.window_open(111)
    airtime.offer(off("x", "a"), 111)
    assert not airtime.window_open(111)
    back_off_s = 0.4
    waits = air(110.3, clear_since_s=110.0, back_off_s=back_off_s)
    assert started(airtime.next(waits)) == [], "the gap and the back-off are everybody's"
    ready = air(110 + GAP_S + back_off_s, clear_since_s=110.0, back_off_s=back_off_s)
    assert started(airtime.next(ready)) == ["x"], "and before what came earlier"


def test_who_keys_when_the_stand_down_comes_is_not_run_over() -> None:
    airtime = queue(page("a"))
    airtime.next(air())
    airtime.spoken(110)
    airtime.offer(off("x", "a"), 111)
    assert started(airtime.next(air(111, squelch_open=True, clear_since_s=110.0))) == []
    assert started(airtime.next(air(113.2, clear_since_s=113.0))) == []
    assert started(airtime.next(air(113.31, clear_since_s=113.0))) == ["x"]


def test_a_stand_down_waits_for_the_answers_to_another_order() -> None:
    airtime = queue(page("a"))
    airtime.next(air())
    airtime.spoken(110)
    airtime.offer(off("x", "b"), 111)
    assert airtime.window_open(111)
    assert started(airtime.next(air(124.9))) == []
    assert started(airtime.next(air(125))) == ["x"]


def test_no_window_is_kept_for_a_page_whose_stand_down_waits_already() -> None:
    airtime = queue(page("a"))
    airtime.next(air())
    airtime.offer(off("x", "a"), 105)
    airtime.spoken(110)
    assert not airtime.window_open(110)
    assert started(airtime.next(air(111))) == ["x"]


def test_a_stand_down_goes_behind_higher_levels_and_a_drills_behind_live_orders() -> None:
    airtime = queue(
        page("a", 3), replace(page("drill", 3), routine=True), off("w", "drill", routine=True),
        off("x", "a", 3), page("b", 2), page("c", 1),
    )  # fmt: skip
    assert [one.page for one in airtime.waiting] == ["c", "b", "x", "a", "w", "drill"]


def test_an_order_of_level_1_lets_those_it_has_just_called_answer_before_it_speaks_again():
    first, again = (replace(page(name, 1), order="o1") for name in ("first", "again"))
    airtime = queue(first, again, page("other", 1))
    assert started(airtime.next(air())) == ["first"]
    airtime.spoken(130.0)
    clear = {"clear_since_s": 130.0}
    assert started(airtime.next(air(134.9, **clear))) == []
    assert started(airtime.next(air(135.1, **clear))) == ["again"]


def test_what_calls_an_order_of_level_1_off_waits_for_no_answer_to_it():
    first = replace(page("first", 1), order="o1")
    airtime = queue(first)
    airtime.next(air())
    airtime.spoken(130.0)
    airtime.offer(replace(first, page="off", stand_down=True), 130.0)
    assert started(airtime.next(air(130.4, clear_since_s=130.0))) == ["off"]
