"""Nobody stands on and on: the check says who would, when, how long and where it is written."""

import pytest

from gateway.settings import check
from tests.config.examples import COUNTY, MODELS, ONE_POST, copy_of

MARK = "‸"
TEXT = {"post": ONE_POST.read_text("utf-8"), "county": COUNTY.read_text("utf-8")}
CYCLE = 'days: [day, evening, "off", night]'

TOO_LONG = {
    "a night right behind its evening": (
        "county", CYCLE, 'days: ‸[day, evening, night, "off"]',
        'crew "A" is on duty for 16 hours on end, from 2026-01-02 16:00 to 2026-01-03 08:00; '
        "longest_duty_h is 12",
    ),
    "three crews, each shift a day later": (
        "post", "days: [night, evening, day]", "days: ‸[day, evening, night]",
        'crew "A" is on duty for 16 hours on end, from 2026-01-02 16:00 to 2026-01-03 08:00',
    ),
    "two shifts in one holiday": (
        "county", "evening: [D], night: [B]}", "evening: [D], night: [A, B]}",
        'crew "A" is on duty for 16 hours on end, from 2027-02-05 00:00 to 2027-02-05 16:00',
    ),
    "a holiday behind a day of the cycle": (
        "county", "evening: [D], night: [B]}", "evening: [D], night: [B, C]}",
        'crew "C" is on duty for 24 hours on end, from 2027-02-04 16:00 to 2027-02-05 16:00',
    ),
    "a substitute before his own night": (
        "county", '{person: p044, from: "2026-11-21T08:00", to: "2026-11-21T16:00"',
        '{person: ‸p044, from: "2026-11-21T16:00", to: "2026-11-22T00:00"',
        'person "p044" is on duty for 16 hours on end, from 2026-11-21 16:00 to 2026-11-22 08:00',
    ),
    "less than the law asks": (
        "post", "  cycle:\n", "  longest_duty_h: 7\n  cycle:\n", "for 8 hours on end",
    ),
}  # fmt: skip


def spoilt(row):
    example, old, new, _ = row
    assert TEXT[example].count(old) == 1
    return TEXT[example].replace(old, new)


def warnings_of(tmp_path, text):
    problems = check(copy_of(tmp_path, text.replace(MARK, "")), MODELS)
    assert {problem.severity for problem in problems} <= {"warning"}, "it never stops anything"
    return [problem for problem in problems if "on end" in problem.message]


@pytest.mark.parametrize("what", TOO_LONG)
def test_who_stands_too_long_is_named_with_his_hours_and_where_it_is_written(what, tmp_path):
    row = TOO_LONG[what]
    text = spoilt(row)
    (told,) = [w for w in warnings_of(tmp_path, text) if row[3] in w.message]
    if MARK in text:
        before = text[: text.index(MARK)]
        place = before.count("\n") + 1, len(before) - before.rfind("\n")
        assert (told.line, told.column) == place


@pytest.mark.parametrize(
    ("what", "hours"), [("three crews, each shift a day later", 16), ("two shifts in one holiday", 16)]
)
def test_a_site_that_wants_it_so_says_how_long(what, hours, tmp_path):
    text = spoilt(TOO_LONG[what]).replace("roster:\n", f"roster:\n  longest_duty_h: {hours}\n")
    assert warnings_of(tmp_path, text) == []
    shorter = text.replace(f"longest_duty_h: {hours}", f"longest_duty_h: {hours - 1}")
    assert len(warnings_of(tmp_path, shorter)) == 1


def test_a_leave_in_between_is_a_rest(tmp_path):
    text = TEXT["county"].replace(
        '{person: p044, from: "2026-11-21T08:00", to: "2026-11-21T16:00"',
        '{person: p044, from: "2026-11-21T16:00", to: "2026-11-22T00:00"',
    )
    off = '    - {person: p044, from: "2026-11-22T00:00", to: "2026-11-22T08:00", duty: "off"}\n'
    assert len(warnings_of(tmp_path, text)) == 1
    assert warnings_of(tmp_path, text.replace("\nresponse:", f"{off}\nresponse:", 1)) == []


def test_a_night_that_is_of_the_day_it_begins_on_may_stand_behind_the_evening(tmp_path):
    """23:00 to 07:00, in the order people know: day, evening, night, rest."""
    text = TEXT["county"].replace(CYCLE, 'days: [day, evening, night, "off"]')
    for old, new in (
        ('day: {from: "08:00", to: "16:00"}', 'day: {from: "07:00", to: "15:00"}'),
        ('evening: {from: "16:00", to: "00:00"}', 'evening: {from: "15:00", to: "23:00"}'),
        ('night: {from: "00:00", to: "08:00"}', 'night: {from: "23:00", to: "07:00"}'),
    ):
        assert old in text
        text = text.replace(old, new)
    found = warnings_of(tmp_path, text)
    assert not [problem for problem in found if "roster.cycle" in str(problem)]
