"""Blocking points: everybody who converges has a place of his own, the nearest free one."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.alert import Level
from gateway.core.effects import PageChannel, SendText
from gateway.core.guard_reports.report import BlockingPoint
from gateway.core.order import Assignment
from gateway.core.people import Contact
from gateway.core.places import Post
from gateway.core.policy.policy import Category
from gateway.core.register.events import RegisterSeeded
from tests.core.site_for_tests import ACCOUNTS, US, Desk, guard, make_site

SOUTH = BlockingPoint(name="南门路口", position=(25_000_000, 118_005_000), side="南侧")
NORTH = BlockingPoint(name="北桥", position=(25_010_000, 118_005_000))
EAST = BlockingPoint(name="东站", position=(25_005_000, 118_010_000))
POINTS = (SOUTH, NORTH, EAST)
CREW = ("a", "b", "c", "d", "e", "f")


def desk(*, points=POINTS, teams=None, chats=False):
    """Six guards of G1, each at a post of his own from south to north; somebody calls help."""
    site = make_site()
    posts = {
        f"p_{name}": Post(
            id=f"p_{name}", name=f"岗{name}", grid="G1",
            position=(25_000_000 + 2000 * row, 118_005_000),
        )
        for row, name in enumerate(CREW)
    }  # fmt: skip
    east = replace(site.grids["G1"], blocking_points=points)
    site = replace(site, posts=posts, grids={**site.grids, "G1": east})
    story = Desk("zhang", site=site)
    crew = tuple(
        guard(name, f"60{row}", "G1", post=f"p_{name}", team=(teams or {}).get(name))
        for row, name in enumerate(CREW)
    )
    a_chats = Contact(person="a", chat="work", address="6001", since_us=0)
    contacts = (a_chats,) if chats else ()
    story.take(RegisterSeeded(at_us=story.now_us, people=crew, contacts=contacts))
    story.write("zhang", "SOS")
    story._last_order = "o1"
    return story


def key(story, name, action):
    assert story.keys(f"*{story.number}60{CREW.index(name)}{action}#")


def points(story):
    parts = [p for p in story.state.of_order("o1") if isinstance(p, Assignment)]
    return {p.person: p.point for p in parts if p.point is not None}


def test_the_nearest_free_point_is_given_spoken_and_written():
    story = desk()
    story.forget()
    key(story, "a", 1)
    assert points(story) == {"a": "南门路口"}
    (told,) = story.reports("blocking_point")
    assert (told.person, told.detail) == ("a", "堵控点：南门路口（南侧）")
    (page,) = [p for p in story.of(PageChannel) if "到" in p.text[0]]
    assert page.text[0].endswith("a到南门路口（南侧）")
    assert (page.level, page.channel) == (1, "ch1")
    key(story, "b", 1)
    key(story, "c", 2)
    assert points(story) == {"a": "南门路口", "b": "东站", "c": "北桥"}


def test_who_answers_late_hears_his_point_although_nobody_would_be_called_any_more():
    story = desk()
    key(story, "a", 1)
    story.wait(3700)
    story.forget()
    story.act("confirm", person="f", node="acknowledged")
    (said,) = [e for e in story.asked if isinstance(e, PageChannel)]
    assert "北桥" in "".join(said.text)
    assert said.not_after_us > story.now_us + 300 * US


def test_who_has_a_chat_reads_where_he_is_to_go():
    story = desk(chats=True)
    story.post()
    story.press("6001", "1", "o1")
    (said,) = [s.text for s in story.of(SendText) if s.address == "6001"]
    assert said == f"{story.number}号警情：请到南门路口（南侧）堵控，不要靠近嫌疑人。"
    assert "南门路口" in story.edits()["6001"].text


def test_nobody_shares_a_point_until_all_are_taken():
    story = desk()
    for name in CREW:
        key(story, name, 1)
    taken = list(points(story).values())
    assert sorted(taken.count(point.name) for point in POINTS) == [2, 2, 2]


def test_who_cannot_come_leaves_his_point_to_the_next():
    story = desk(points=(SOUTH, NORTH))
    key(story, "a", 1)
    key(story, "b", 1)
    key(story, "a", 0)
    assert "a" not in points(story)
    assert story.details("blocking_point")[-1] == "堵控点空出：南门路口"
    key(story, "c", 1)
    assert points(story) == {"b": "北桥", "c": "南门路口"}


def test_it_is_not_said_on_the_air_that_he_goes_who_cannot_come():
    story = desk()
    story.forget()
    key(story, "a", 1)
    (said,) = [p.page for p in story.of(PageChannel) if "a到南门路口" in p.text[0]]
    key(story, "a", 0)
    assert [w.page for w in story.withdrawn()] == [said]


def test_a_point_that_is_left_is_given_to_who_shares_another():
    story = desk(points=(SOUTH, NORTH))
    for name in ("a", "b", "c"):
        key(story, name, 1)
    assert points(story) == {"a": "南门路口", "b": "北桥", "c": "南门路口"}
    key(story, "b", 0)
    assert points(story) == {"a": "南门路口", "c": "北桥"}


def test_who_has_reached_a_point_is_not_sent_to_another():
    story = desk(points=(SOUTH, NORTH))
    for name in ("a", "b", "c"):
        key(story, name, 1)
    key(story, "c", 3)
    key(story, "a", 3)
    key(story, "b", 0)
    assert points(story) == {"a": "南门路口", "c": "南门路口"}


def test_a_team_stands_together_and_is_spoken_of_once():
    story = desk(teams={"a": "一队", "b": "一队"})
    story.forget()
    key(story, "a", 1)
    key(story, "b", 1)
    assert points(story)["a"] == points(story)["b"] == "南门路口"
    assert len([p for p in story.of(PageChannel) if "南门路口" in p.text[0]]) == 1
    key(story, "c", 1)
    assert points(story)["c"] != "南门路口"


def test_an_order_that_is_no_emergency_and_a_grid_without_points_place_nobody():
    story = desk(points=())
    key(story, "a", 1)
    assert points(story) == {}
    other = desk()
    other.alert(id="JQ-9")
    other.keys(f"*{other.number}6011#")
    assert other.reports("blocking_point") == []


def test_the_group_reads_who_stands_where():
    story = desk()
    story.post()
    key(story, "a", 1)
    assert "a：收到 南门路口" in story.edits()["-101"].text
    assert ACCOUNTS["zhang"] not in story.cards()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(CREW), st.sampled_from("0123")), max_size=14),
    st.dictionaries(st.sampled_from(CREW), st.sampled_from(["一队", "二队"]), max_size=4),
)
def test_units_are_spread_whatever_order_they_answer_in(said, teams):
    story = desk(teams=teams)
    for name, action in said:
        story.keys(f"*{story.number}60{CREW.index(name)}{action}#")
        units = {(teams.get(person, person), point) for person, point in points(story).items()}
        assert len({unit for unit, _ in units}) == len(units), "one unit, one point"
    declined = [n for n, a in said if a == "0" and (n, a) == [s for s in said if s[0] == n][-1]]
    assert not set(declined) & set(points(story))


def test_a_category_may_have_those_who_come_converge():
    story = desk()
    rules = {"robbery": Category(name="抢劫", converge=True)}
    story.site = replace(story.site, policy=replace(story.site.policy, categories=rules))
    story.alert(id="JQ-9", category="robbery", level=Level.ONE)
    story.keys(f"*{story.number}6011#")
    (told,) = story.reports("blocking_point")
    assert (told.person, told.detail) == ("b", "堵控点：南门路口（南侧）")
    story.keys(f"*{story.number}6012#")
    assert len(story.reports("blocking_point")) == 1
