"""A ladder that ends nowhere is an error with its place; steps may have figures of their own."""

import re

import pytest

from gateway.settings import check, load
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
        ("[repeat, rnig_1]", "ladder"),
        ("[{rung: repeat, wait_s: 1}, first_manager]", "5"),
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
