"""The indexes of a site answer as a look at every grid, post and person in turn does."""

import math
from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core import places
from gateway.core.alert import Alert, AlertKind, Level
from gateway.core.calls.routing import find_grid, guards_on_duty
from gateway.core.order import Drop, Put
from gateway.core.people import Person, Role
from gateway.core.place_index import PolygonIndex, WordIndex, inside
from gateway.core.places import Grid, Post, grid_at, grids_near
from gateway.core.roster import RosterException, on_duty
from gateway.core.state import State
from tests.core.site_for_tests import NOON_US, make_site


def make_alert(**fields):
    return Alert(
        kind=AlertKind.ALERT, id="A1", sender="centre", sent_us=NOON_US, category="fight",
        level=Level.TWO, body_sha256="0" * 64, **fields,
    )  # fmt: skip


# ---- the plain definitions ------------------------------------------------------------------


def first_holding(polygons, point):
    return next((id_ for id_, polygon in polygons if inside(polygon, *point)), None)


def near_ones(polygons, point, metres):
    found = []
    for id_, polygon in polygons:
        if inside(polygon, *point):
            found.append((0.0, id_))
        elif polygon and (far_m := places._border_distance_m(polygon, point)) <= metres:
            found.append((far_m, id_))
    return tuple(id_ for _, id_ in sorted(found, key=lambda item: item[0]))


def longest_word(words, text):
    best, best_length = None, 0
    for word, meaning in words:
        if len(word) > best_length and word.casefold() in text.casefold():
            best, best_length = meaning, len(word)
    return best


def by_code(grids, code):
    return code if code in grids else next((g.id for g in grids.values() if code in g.codes), None)


def plainly_on_duty(people, site, grid, at_us):
    found = [
        p for p in people.values()
        if grid in p.grids and p.active and p.role is Role.GUARD
        and on_duty(site.roster, p.crew, p.id, at_us, site.timezone)
    ]  # fmt: skip
    at_home = [p.id for p in found if p.post in site.posts and site.posts[p.post].grid == grid]
    return sorted(found, key=lambda p: (p.id not in at_home, p.id))


# ---- polygons -------------------------------------------------------------------------------


@st.composite
def polygon_lists(draw):
    """Polygons of every size about one place, overlapping, crossing themselves, or empty."""
    polygons = []
    for number in range(draw(st.integers(0, 8))):
        reach = draw(st.sampled_from((1, 3, 8, 100, 70_000_000)))
        corner = st.tuples(st.integers(-reach, reach), st.integers(-reach, reach))
        polygons.append((f"g{number}", tuple(draw(st.lists(corner, max_size=6)))))
    return polygons


POINTS = st.one_of(
    st.tuples(st.integers(-9, 9), st.integers(-9, 9)),
    st.tuples(st.integers(-120, 120), st.integers(-120, 120)),
    st.tuples(st.integers(-90_000_000, 90_000_000), st.integers(-180_000_000, 180_000_000)),
)


@given(polygon_lists(), POINTS)
def test_the_cells_find_the_first_polygon_that_holds_a_point(polygons, point):
    assert PolygonIndex(polygons).at(point) == first_holding(polygons, point)


@given(polygon_lists(), st.data())
def test_a_point_on_a_corner_or_a_border_is_no_exception(polygons, data):
    corners = [corner for _, polygon in polygons for corner in polygon] or [(0, 0)]
    one, other = data.draw(st.tuples(st.sampled_from(corners), st.sampled_from(corners)))
    index = PolygonIndex(polygons)
    for point in (one, ((one[0] + other[0]) // 2, (one[1] + other[1]) // 2)):
        assert index.at(point) == first_holding(polygons, point)


@given(polygon_lists(), POINTS, st.sampled_from((0, 0.05, 0.5, 3, 100, 1e5, 1e7, 1e9)))
@example([("g0", ((89_999_999, 0), (89_999_999, 9), (90_000_000, 0)))], (90_000_000, 7), 5)
def test_a_circle_finds_all_that_a_look_at_each_border_finds(polygons, point, metres):
    grids = {id_: Grid(id=id_, name=id_, zone="z", polygon=p) for id_, p in polygons}
    site = replace(make_site(), grids=grids)
    assert grids_near(site, point, metres) == near_ones(polygons, point, metres)


def test_one_grid_that_holds_the_whole_county_makes_no_other_slow():
    small = [(f"g{n}", square(n // 50 * 100, n % 50 * 100, 100)) for n in range(2500)]
    index = PolygonIndex([*small, ("all", square(-10, -10, 10_000))])
    cells = [cell for level in index._levels.values() for cell in level.values()]
    assert max(map(len, cells)) <= 9
    assert index.at((150, 250)) == "g52"
    assert index.at((-5, -5)) == "all"


def square(south, west, side):
    north, east = south + side, west + side
    return ((south, west), (north, west), (north, east), (south, east))


# ---- words ----------------------------------------------------------------------------------

# Letters whose capitals fold to two, fold alike, or change under folding.
LETTERS = "aAbßsSİi̇东街ﬁf"
WORDS = st.text(LETTERS, max_size=5)


@given(st.lists(WORDS, max_size=12), st.text(LETTERS, max_size=30))
@example(["ss", "ß", "SS"], "aßb")
@example(["东", "东街", "街东街"], "街东街")
@example([""], "a")
def test_the_longest_word_is_the_one_that_a_look_for_each_finds(words, text):
    named = [(word, f"g{n}") for n, word in enumerate(words)]
    assert WordIndex(named).longest_in(text) == longest_word(named, text)


# ---- the whole way --------------------------------------------------------------------------

GRIDS = st.lists(
    st.tuples(WORDS, st.lists(WORDS, max_size=2), st.lists(st.sampled_from("123"), max_size=2)),
    max_size=5,
)  # fmt: skip


@given(GRIDS, st.lists(st.tuples(WORDS, st.integers(0, 4)), max_size=3), st.data())
def test_an_alert_finds_the_grid_it_named_or_its_words_mean(made, stands, data):
    grids = {
        f"G{n}": Grid(id=f"G{n}", name=name, zone="town", aliases=(*aliases,), codes=(*codes,))
        for n, (name, aliases, codes) in enumerate(made)
    }
    posts = {f"P{n}": Post(id=f"P{n}", name=w, grid=f"G{g}") for n, (w, g) in enumerate(stands)}
    site = replace(make_site(), grids=grids, posts=posts)
    named = [(p.name, p.grid) for p in posts.values()]
    named += [(word, g.id) for g in grids.values() for word in (g.name, *g.aliases)]
    place, code = data.draw(st.text(LETTERS, max_size=20)), data.draw(st.sampled_from("1234"))
    assert find_grid(site, make_alert(place=place, text="")) == longest_word(named, place)
    code_means = by_code(grids, code)
    expected = longest_word(named, place) if code_means is None else code_means
    assert find_grid(site, make_alert(grid=code, place=place, text="")) == expected


MOVES = st.lists(
    st.tuples(
        st.integers(0, 5), st.sets(st.sampled_from(("G1", "G2"))), st.sampled_from("AB-"),
        st.sampled_from(Role), st.booleans(), st.sampled_from((None, "P1", "gone")),
        st.booleans(),
    ),
    max_size=15,
)  # fmt: skip


@given(MOVES, st.integers(-50, 50), st.sets(st.integers(0, 5)), st.booleans())
def test_who_is_on_duty_is_who_a_look_at_everybody_finds(moves, hours, exempt, stands):
    at_us = NOON_US + hours * 3_600_000_000
    exceptions = {
        f"p{n}": (RosterException(person=f"p{n}", from_us=at_us, to_us=at_us + 1, on_duty=stands),)
        for n in exempt
    }
    site = make_site()
    site = replace(site, roster=replace(site.roster, exceptions=exceptions))
    state, people = State(), {}
    for n, grids, crew, role, active, post, dropped in moves:
        if dropped:
            state.apply(Drop(Person.KIND, f"p{n}"))
            people.pop(f"p{n}", None)
            continue
        people[f"p{n}"] = Person(
            id=f"p{n}", name="x", grids=(*grids,), crew=None if crew == "-" else crew, role=role,
            active=active, post=post,
        )  # fmt: skip
        state.apply(Put(people[f"p{n}"]))
    for grid in ("G1", "G2", "G9"):
        expected = plainly_on_duty(people, site, grid, at_us)
        assert guards_on_duty(state, site, grid, at_us) == expected


def test_a_site_that_is_changed_finds_what_it_has_now():
    site = make_site()
    point = (25_000_500, 118_000_500)
    assert grid_at(site, *point) == "G1"
    fewer = replace(site, grids={id_: g for id_, g in site.grids.items() if id_ != "G1"})
    assert grid_at(fewer, *point) is None
    assert find_grid(fewer, make_alert(place="东街", text="")) is None
    assert grids_near(fewer, point, math.inf)[0] == "G2"
