"""A ladder that ends nowhere is an error with its place; steps may have figures of their own."""

import re
from dataclasses import replace

import pytest

from gateway.core.alert import Alert, AlertKind, Level
from gateway.core.order import Order, OrderStatus
from gateway.core.policy.policy import response_to, times_of, tone_of
from gateway.settings import catalogues, check, load, site_of
from gateway.settings.response import response_of
from tests.config.examples import MODELS, ONE_POST, copy_of

TEXT = ONE_POST.read_text("utf-8")
LADDER = re.search(r"^  ladder: .*$", TEXT, re.MULTILINE).group(0)
LINE = TEXT[: TEXT.index(LADDER)].count("\n") + 1


def findings(folder, ladder, old="", new=""):
    """The words of every problem with another ladder, and another change, in the example."""
    text = TEXT.replace(LADDER, f"  ladder: {ladder}").replace(old, new)
    return [str(problem) for problem in check(copy_of(folder, text), MODELS)]


def errors(found):
    return [f for f in found if "warning:" not in f]


@pytest.mark.parametrize(
    ("ladder", "words"),
    [
        ("[]", "an order that nobody answers ends nowhere"),
        ("[repeat, repeat, first_manager]", "the rung repeat stands twice"),
        ("[{rung: repeat, levels: [1, 2]}, {rung: first_manager, levels: [1]}]",
         "has no rung for level 3: its orders end nowhere"),
        ("[repeat, station_patrol]", "the ladder ends nowhere"),
        ("[repeat, rnig_1]", 'response.ladder[1]: should be repeat, ring_1,'),
        ("[repeat, rnig_1]", 'is "rnig_1"'),
        ("[{rung: repeat, wait_s: 1}, first_manager]", "5"),
        ("[{rung: repeat, wait_s: 1}, first_manager]", "response.ladder[0].wait_s: "),
        ("[{rung: repeat, wait: 10}, first_manager]", "wait"),
    ],
)  # fmt: skip
def test_a_ladder_that_ends_nowhere_is_an_error_with_its_place(tmp_path, ladder, words):
    found = errors(findings(tmp_path, ladder))
    assert len(found) == 1, found
    assert words in found[0]
    assert re.search(r"site\.yaml:\d+:\d+: ", found[0])


def test_a_ladder_of_repetitions_alone_is_warned_of(tmp_path):
    found = findings(tmp_path, "[repeat]")
    assert errors(found) == []
    (warning,) = [f for f in found if "response.ladder" in f]
    assert f"site.yaml:{LINE}:" in warning
    assert "nobody else hears of an order" in warning


def test_a_level_that_climbs_to_the_guards_alone_is_warned_of(tmp_path):
    found = findings(tmp_path, "[repeat, {rung: first_manager, levels: [1, 3]}]")
    assert errors(found) == []
    (warning,) = [f for f in found if "response.ladder" in f]
    assert "ends with the guards themselves at level 2" in warning
    assert not findings(tmp_path, "[repeat, {rung: first_manager}]")


def test_a_guard_after_the_managers_is_warned_of(tmp_path):
    found = findings(tmp_path, "[second_manager, repeat, first_manager]")
    assert errors(found) == []
    assert any("managers are the last to be called" in f for f in found)


def test_a_desk_that_is_nobody_is_an_error(tmp_path):
    found = errors(findings(tmp_path, "[first_manager]\n  desk: p_nobody"))
    assert len(found) == 1
    assert 'there is no person "p_nobody"' in found[0]


def test_a_step_has_a_pause_and_levels_of_its_own(tmp_path):
    ladder = "[repeat, {rung: second_manager, wait_s: 45, levels: [1, 2]}, first_manager]"
    text = TEXT.replace(LADDER, f"  ladder: {ladder}")
    settings = load(copy_of(tmp_path, text), MODELS)
    response = response_of(settings.response)
    assert [r.kind for r in response.ladder] == ["repeat", "second_manager", "first_manager"]
    assert (response.pause_s(1, 1), response.pause_s(0, 1)) == (45, response.rung_s[0])
    assert [response.climbs(1, level) for level in (1, 2, 3)] == [True, True, False]


# ---- ladders of order kinds ----

LADDERS_OWN = "[repeat, first_manager]"


def with_kind(folder, ladder, old="", new=""):
    """The words of every problem where an order kind has this ladder of its own."""
    kind = f"\npolicy:\n  kinds:\n    storm: {{name: 应急处突, ladder: {ladder}}}\n"
    text = TEXT.replace(old, new) + kind
    line = text[: text.index("    storm:")].count("\n") + 1
    found = [str(problem) for problem in check(copy_of(folder, text), MODELS)]
    return found, f"site.yaml:{line}:"


@pytest.mark.parametrize(
    ("ladder", "words"),
    [
        ("[]", "an order that nobody answers ends nowhere"),
        ("[repeat, repeat, first_manager]", "the rung repeat stands twice"),
        ("[{rung: repeat, levels: [1, 2]}, {rung: first_manager, levels: [1]}]",
         "has no rung for level 3: its orders end nowhere"),
    ],
)  # fmt: skip
def test_a_ladder_of_an_order_kind_must_end_as_well(tmp_path, ladder, words):
    found, place = with_kind(tmp_path, ladder)
    (error,) = errors(found)
    assert place in error
    assert "policy.kinds.storm.ladder" in error
    assert words in error


def test_each_grid_has_somebody_on_the_ladder_of_an_order_kind(tmp_path):
    """Of one that ends at a patrol there must be one; the place is the grid that has none."""
    found, _ = with_kind(tmp_path, "[repeat, station_patrol]")
    assert errors(found)
    for error in errors(found):
        assert re.search(r"site\.yaml:\d+:\d+: grids\.", error)
        assert 'the ladder of order kind "storm" ends nowhere' in error


def test_a_manager_whom_only_an_order_kind_calls_must_be_named(tmp_path):
    second = re.search(r"^    second_manager: .*\n", TEXT, re.MULTILINE).group(0)
    usual = f"  ladder: {LADDERS_OWN}"
    spoilt = TEXT.replace(LADDER, usual).replace(second, "")
    text = spoilt + "\npolicy:\n  kinds:\n    storm: {name: 处突, ladder: [second_manager]}\n"
    found = [str(problem) for problem in check(copy_of(tmp_path, text), MODELS)]
    assert errors(found)
    assert all(
        'the ladder of order kind "storm" has the rung second_manager' in e
        for e in errors(found)
    )


def test_a_good_ladder_of_an_order_kind_is_not_complained_of(tmp_path):
    before = [str(problem) for problem in check(copy_of(tmp_path, TEXT), MODELS)]
    found, _ = with_kind(tmp_path, LADDERS_OWN)
    assert found == before


def test_the_usual_ladders_mistakes_are_said_once(tmp_path):
    kind = "\npolicy:\n  kinds:\n    storm: {name: 处突, ladder: [repeat, second_manager]}\n"
    second = re.search(r"^    second_manager: .*\n", TEXT, re.MULTILINE).group(0)
    text = TEXT.replace(LADDER, "  ladder: [second_manager]").replace(second, "") + kind
    found = errors([str(problem) for problem in check(copy_of(tmp_path, text), MODELS)])
    assert len(found) == TEXT.count(second), found


# ---- ladders and figures of zone grades ----


def with_grade(folder, number, figures):
    """The words of every problem where a grade says this of its own."""
    text = TEXT.replace(LADDER, f'{LADDER}\n  grades: {{"{number}": {figures}}}')
    return [str(problem) for problem in check(copy_of(folder, text), MODELS)]


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ("{ladder: []}", "ladder: has no rung: an order that nobody answers ends nowhere"),
        ("{ladder: [repeat, repeat, first_manager]}", "the rung repeat stands twice"),
        ("{ladder: [repeat, station_patrol]}", "the ladder of grade 1 ends nowhere"),
        ("{rung_s: [30, 20, 60]}", "should grow by level 1, 2, 3; 20 comes after 30"),
        ("{acknowledge_s: [900, 900, 900]}", "ends after the order itself: 10 min"),
        ("{answer_window_s: 0}", "answer_window_s: "),
    ],
)
def test_what_a_grade_sets_is_proved_as_the_usual_is(tmp_path, figures, words):
    found = errors(with_grade(tmp_path, 1, figures))
    assert found
    assert all(words in error for error in found)


def test_a_grades_ladder_is_proved_for_its_own_grids_only(tmp_path):
    """No zone has grade 3, so nobody climbs it: that is said, and nothing of its grids."""
    (warning,) = [
        f for f in with_grade(tmp_path, 3, "{ladder: [repeat, station_patrol]}") if "grade" in f
    ]
    assert "no zone has grade 3" in warning


def test_of_a_grade_and_a_kind_the_more_urgent_holds(tmp_path):
    """The shorter of each figure, more readings, the more urgent tone, the kind's ladder."""
    grades = (
        '  grades: {"1": {acknowledge_s: [20, 90, 90], rung_s: [15, 15, 15], tone: 2, times: 2, '
        "ladder: [repeat, first_manager]}}"
    )
    kinds = (
        "\npolicy:\n  categories:\n    fight: {name: 打架, kind: storm}\n"
        "  kinds:\n    storm: {name: 处突, acknowledge_s: [30, 60, 100], times: 3, "
        "ladder: [repeat, second_manager]}\n"
    )
    text = TEXT.replace(LADDER, f"{LADDER}\n{grades}") + kinds
    settings = load(copy_of(tmp_path, text), MODELS)
    site = site_of(settings, catalogues())
    order, plain = (
        Order(
            id="o1", number="10", status=OrderStatus.CALLING, grids=("bank_street",),
            alert=Alert(
                kind=AlertKind.ALERT, id="JQ-1", sender="zhzx", sent_us=0, category=category,
                level=Level.TWO, text="有人打架",
            ), opened_us=0, clock_us=0,
        )
        for category in ("fight", "smoke")
    )  # fmt: skip
    both, grade = response_to(site, order), response_to(site, plain)
    assert both.acknowledge_s == (20, 60, 90)
    assert grade.acknowledge_s == (20, 90, 90)
    assert both.rung_s == grade.rung_s == (15, 15, 15)
    assert [r.kind for r in both.ladder] == ["repeat", "second_manager"]
    assert [r.kind for r in grade.ladder] == ["repeat", "first_manager"]
    assert (times_of(site, order), times_of(site, plain)) == (3, 2)
    assert (tone_of(site, order), tone_of(site, plain)) == (None, None)
    urgent = replace(plain, alert=replace(plain.alert, level=Level.THREE))
    assert tone_of(site, urgent) == 2
