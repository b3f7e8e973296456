"""Who is on duty: the cycle, shifts over midnight, holidays, exceptions."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.roster import Roster, RosterException, Shift, crews_on_duty, on_duty

SHANGHAI = ZoneInfo("Asia/Shanghai")
THREE_SHIFTS = {
    "day": Shift(id="day", from_min=480, to_min=960),
    "evening": Shift(id="evening", from_min=960, to_min=0),
    "night": Shift(id="night", from_min=0, to_min=480),
}
FOUR_CREWS = Roster(
    shifts=THREE_SHIFTS,
    crews=("A", "B", "C", "D"),
    start=date(2026, 1, 1),
    days=("day", "evening", "night", "off"),
)


def us(text, tz=SHANGHAI):
    """Microseconds of a local time."""
    moment = datetime.fromisoformat(text).replace(tzinfo=tz)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def test_exactly_one_crew_is_on_at_each_minute_of_the_cycle():
    start = us("2026-01-01T00:00")
    for minute in range(4 * 24 * 60):
        at_us = start + minute * 60_000_000
        assert len(crews_on_duty(FOUR_CREWS, at_us, SHANGHAI)) == 1, minute


def test_each_crew_stands_the_same_hours_over_a_cycle():
    start = us("2025-12-30T00:00")
    minutes = dict.fromkeys("ABCD", 0)
    for minute in range(4 * 24 * 60):
        (crew,) = crews_on_duty(FOUR_CREWS, start + minute * 60_000_000, SHANGHAI)
        minutes[crew] += 1
    assert minutes == dict.fromkeys("ABCD", 24 * 60)


def test_the_first_crew_opens_the_cycle_and_the_next_follows_a_day_later():
    assert crews_on_duty(FOUR_CREWS, us("2026-01-01T08:00"), SHANGHAI) == {"A"}
    assert crews_on_duty(FOUR_CREWS, us("2026-01-02T08:00"), SHANGHAI) == {"B"}
    assert crews_on_duty(FOUR_CREWS, us("2026-01-02T16:00"), SHANGHAI) == {"A"}
    assert crews_on_duty(FOUR_CREWS, us("2026-01-03T00:00"), SHANGHAI) == {"A"}
    assert crews_on_duty(FOUR_CREWS, us("2025-12-31T08:00"), SHANGHAI) == {"D"}


def test_a_shift_ends_at_its_end_and_not_a_microsecond_later():
    assert crews_on_duty(FOUR_CREWS, us("2026-01-01T16:00") - 1, SHANGHAI) == {"A"}
    assert crews_on_duty(FOUR_CREWS, us("2026-01-01T16:00"), SHANGHAI) == {"D"}


TWO_CREWS = Roster(
    shifts={
        "day": Shift(id="day", from_min=420, to_min=1140),
        "night": Shift(id="night", from_min=1140, to_min=420),
    },
    crews=("A", "B"),
    start=date(2026, 1, 1),
    days=("day", "night"),
)


def test_a_shift_over_midnight_belongs_to_the_day_it_starts_on():
    assert crews_on_duty(TWO_CREWS, us("2026-01-02T19:00"), SHANGHAI) == {"A"}
    assert crews_on_duty(TWO_CREWS, us("2026-01-03T06:59"), SHANGHAI) == {"A"}
    assert crews_on_duty(TWO_CREWS, us("2026-01-03T07:00"), SHANGHAI) == {"A"}
    assert crews_on_duty(TWO_CREWS, us("2026-01-01T06:59"), SHANGHAI) == {"A"}
    assert crews_on_duty(TWO_CREWS, us("2026-01-02T06:59"), SHANGHAI) == {"B"}


def test_a_shift_of_a_whole_day_runs_from_eight_to_eight():
    roster = Roster(
        shifts={"whole": Shift(id="whole", from_min=480, to_min=480)},
        crews=("A", "B"), start=date(2026, 1, 1), days=("whole", "off"),
    )  # fmt: skip
    assert crews_on_duty(roster, us("2026-01-02T07:59"), SHANGHAI) == {"A"}
    assert crews_on_duty(roster, us("2026-01-02T08:00"), SHANGHAI) == {"B"}


def test_overlapping_shifts_put_two_crews_on():
    roster = Roster(
        shifts=TWO_CREWS.shifts | {"peak": Shift(id="peak", from_min=660, to_min=780)},
        crews=("A", "B", "C"), start=date(2026, 1, 1), days=("day", "night", "peak"),
    )  # fmt: skip
    assert crews_on_duty(roster, us("2026-01-01T12:00"), SHANGHAI) == {"A", "B"}
    assert crews_on_duty(roster, us("2026-01-01T10:59"), SHANGHAI) == {"A"}


HOLIDAY = Roster(
    shifts=TWO_CREWS.shifts, crews=TWO_CREWS.crews, start=TWO_CREWS.start, days=TWO_CREWS.days,
    holidays={date(2026, 2, 17): {"day": ("B",), "night": ("A", "B")}},
)  # fmt: skip


def test_a_holiday_replaces_the_shifts_that_start_on_it():
    assert crews_on_duty(TWO_CREWS, us("2026-02-17T12:00"), SHANGHAI) == {"B"}
    assert crews_on_duty(HOLIDAY, us("2026-02-17T12:00"), SHANGHAI) == {"B"}
    assert crews_on_duty(HOLIDAY, us("2026-02-17T20:00"), SHANGHAI) == {"A", "B"}
    assert crews_on_duty(HOLIDAY, us("2026-02-18T03:00"), SHANGHAI) == {"A", "B"}
    assert crews_on_duty(HOLIDAY, us("2026-02-18T08:00"), SHANGHAI) == {"A"}


def test_the_night_into_a_holiday_is_still_the_cycles():
    before = crews_on_duty(TWO_CREWS, us("2026-02-17T03:00"), SHANGHAI)
    assert crews_on_duty(HOLIDAY, us("2026-02-17T03:00"), SHANGHAI) == before


def test_a_holiday_that_leaves_a_shift_out_leaves_it_empty():
    roster = Roster(
        shifts=TWO_CREWS.shifts, crews=TWO_CREWS.crews, start=TWO_CREWS.start,
        days=TWO_CREWS.days, holidays={date(2026, 2, 17): {"day": ("B",)}},
    )  # fmt: skip
    assert crews_on_duty(roster, us("2026-02-17T20:00"), SHANGHAI) == frozenset()


def ill(person, start, end, on=False):
    return RosterException(person=person, from_us=us(start), to_us=us(end), on_duty=on)


def test_an_exception_goes_before_the_cycle():
    roster = Roster(
        shifts=THREE_SHIFTS, crews=FOUR_CREWS.crews, start=FOUR_CREWS.start,
        days=FOUR_CREWS.days,
        exceptions={
            "zhang": (ill("zhang", "2026-01-01T10:00", "2026-01-01T12:00"),),
            "li": (ill("li", "2026-01-01T10:00", "2026-01-01T12:00", on=True),),
            "chief": (ill("chief", "2026-01-01T10:00", "2026-01-01T12:00"),),
        },
    )  # fmt: skip

    def duty(person, crew, text):
        return on_duty(roster, crew, person, us(text), SHANGHAI)

    assert duty("zhang", "A", "2026-01-01T09:59")
    assert not duty("zhang", "A", "2026-01-01T10:00")
    assert duty("zhang", "A", "2026-01-01T12:00")
    assert duty("wang", "A", "2026-01-01T10:00")
    assert not duty("li", "B", "2026-01-01T09:59")
    assert duty("li", "B", "2026-01-01T10:00")
    assert not duty("li", "B", "2026-01-01T12:00")
    assert not duty("chief", None, "2026-01-01T11:00")
    assert duty("chief", None, "2026-01-01T13:00")


def test_of_two_exceptions_the_one_written_later_holds():
    roster = Roster(
        exceptions={
            "zhang": (
                ill("zhang", "2026-01-01T08:00", "2026-01-05T08:00"),
                ill("zhang", "2026-01-02T08:00", "2026-01-02T16:00", on=True),
            )
        }
    )
    assert on_duty(roster, "A", "zhang", us("2026-01-02T09:00"), SHANGHAI)
    assert not on_duty(roster, "A", "zhang", us("2026-01-03T09:00"), SHANGHAI)


def test_without_a_crew_one_is_always_on():
    assert on_duty(Roster(), None, "chief", us("2026-01-01T03:00"), SHANGHAI)
    assert not on_duty(Roster(), "A", "zhang", us("2026-01-01T03:00"), SHANGHAI)


@given(
    at_us=st.integers(us("2020-01-01T00:00"), us("2040-01-01T00:00")),
    tz=st.sampled_from(["Asia/Shanghai", "UTC", "Europe/Berlin", "America/St_Johns"]),
)
def test_the_cycle_has_one_crew_at_any_moment_in_any_zone(at_us, tz):
    assert len(crews_on_duty(FOUR_CREWS, at_us, ZoneInfo(tz))) == 1


@given(at_us=st.integers(us("2020-01-01T00:00"), us("2040-01-01T00:00")))
def test_the_cycle_comes_round_every_four_days(at_us):
    later_us = at_us + 4 * 86_400_000_000
    assert crews_on_duty(FOUR_CREWS, at_us, SHANGHAI) == crews_on_duty(
        FOUR_CREWS, later_us, SHANGHAI
    )


@given(cuts=st.lists(st.integers(0, 1439), min_size=2, max_size=5, unique=True))
def test_shifts_that_tile_the_day_leave_no_minute_and_no_overlap(cuts):
    edges = sorted(cuts)
    shifts = {
        f"s{n}": Shift(id=f"s{n}", from_min=start, to_min=edges[(n + 1) % len(edges)])
        for n, start in enumerate(edges)
    }
    crews = tuple(f"c{n}" for n in range(len(shifts)))
    roster = Roster(shifts=shifts, crews=crews, start=date(2026, 1, 1), days=tuple(shifts))
    start = us("2026-03-01T00:00")
    for minute in range(0, 1440, 7):
        assert len(crews_on_duty(roster, start + minute * 60_000_000, SHANGHAI)) == 1
