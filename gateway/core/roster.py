"""Who is on duty at a moment: crews in a cycle of shifts, holidays, exceptions."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import ClassVar, NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A span of the day in minutes since local midnight.

    It ends next day when ``to_min`` is not after ``from_min``.
    """

    id: str
    from_min: int
    to_min: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterException:
    """One person on or off duty against the cycle.

    Attributes:
        from_us: Start, UTC microseconds.
        to_us: End, UTC microseconds, not included.
        on_duty: What he is in between.
        reason: Why; personal, it may be an illness.
        by: Who changed it; personal, empty where the settings say it.
    """

    person: str
    from_us: int
    to_us: int
    on_duty: bool
    reason: str = field(default="", metadata={"personal": "person"})
    by: str = field(default="", metadata={"personal": None})


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyChanges:
    """What people have changed of one person's duty since the settings were written.

    Attributes:
        person: Person id.
        changes: Those that are not over, in the order in which they were made.
    """

    KIND: ClassVar[str] = "duty_changes"

    person: str
    changes: tuple[RosterException, ...] = ()

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return self.person


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """Crews over shifts.

    Attributes:
        shifts: Shift id to shift.
        crews: Crew ids in cycle order.
        start: First day of the cycle for the first crew.
        days: Shift id or ``off``, a day each.
            Crew k stands ``days[(day - start - k) mod len]``.
        holidays: Date to shift id to crews, instead of the cycle for shifts starting then.
        exceptions: By person id.
    """

    shifts: dict[str, Shift] = field(default_factory=dict)
    crews: tuple[str, ...] = ()
    start: date = date(2026, 1, 1)
    days: tuple[str, ...] = ()
    holidays: dict[date, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    exceptions: dict[str, tuple[RosterException, ...]] = field(default_factory=dict)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_DAY = timedelta(days=1)


def on_duty(roster: Roster, crew: str | None, person: str, at_us: int, tz: tzinfo) -> bool:
    """Return whether a person is on duty at a moment.

    An exception goes before the cycle; of two at once the one written later holds.

    Args:
        roster: The roster.
        crew: His crew; None is always on duty.
        person: Person id, for the exceptions.
        at_us: The moment, UTC microseconds.
        tz: Zone in which the roster is written.
    """
    return duty_at(roster, at_us, tz).stands(crew, person)


@dataclass(frozen=True, slots=True)
class Duty:
    """The roster at one moment.

    Attributes:
        roster: The roster.
        at_us: The moment, UTC microseconds.
        crews: Crews whose shift covers it.
    """

    roster: Roster
    at_us: int
    crews: frozenset[str]

    def stands(
        self, crew: str | None, person: str, changes: tuple[RosterException, ...] = ()
    ) -> bool:
        """Return whether a person of a crew (None is always on duty) is on duty.

        What was changed by hand (``changes``) goes before what the settings say.
        """
        for written in (changes, self.roster.exceptions.get(person, ())):
            for exception in reversed(written):
                if exception.from_us <= self.at_us < exception.to_us:
                    return exception.on_duty
        return crew is None or crew in self.crews


def duty_at(roster: Roster, at_us: int, tz: tzinfo) -> Duty:
    """Return the roster at a moment, to ask it about many people."""
    return Duty(roster, at_us, crews_on_duty(roster, at_us, tz))


def crews_on_duty(roster: Roster, at_us: int, tz: tzinfo) -> frozenset[str]:
    """Return the crews whose shift covers the moment (UTC microseconds).

    A shift belongs to the local day it starts on: what stands at one o'clock at night by a
    shift from 22:00 is decided by the cycle, or the holiday, of the day before.
    """
    local = local_moment(at_us, tz)
    today, minute = local.date(), local.hour * 60 + local.minute
    return frozenset(
        crew
        for shift in roster.shifts.values()
        if (day := _starting_day(shift, today, minute)) is not None
        for crew in crews_of(roster, day, shift.id)
    )


def crews_of(roster: Roster, day: date, shift: str) -> tuple[str, ...]:
    """Return the crews that stand the shift which starts on ``day``."""
    if day in roster.holidays:
        return roster.holidays[day].get(shift, ())
    if not roster.days:
        return ()
    offset = (day - roster.start).days
    return tuple(
        crew
        for k, crew in enumerate(roster.crews)
        if roster.days[(offset - k) % len(roster.days)] == shift
    )


def _starting_day(shift: Shift, today: date, minute: int) -> date | None:
    """Return the day on which the shift that covers this minute of today began, or None."""
    over_midnight = shift.to_min <= shift.from_min
    if minute >= shift.from_min and (over_midnight or minute < shift.to_min):
        return today
    if over_midnight and minute < shift.to_min:
        return today - _ONE_DAY
    return None


class Span(NamedTuple):
    """One shift of one day.

    Attributes:
        day: The local day it starts on.
        shift: Shift id.
        from_us: When it begins, UTC microseconds.
        to_us: When it ends, not included.
    """

    day: date
    shift: str
    from_us: int
    to_us: int


def span_of(shift: Shift, day: date, tz: tzinfo) -> Span:
    """Return a shift as it stands on a day."""
    over_midnight = shift.to_min <= shift.from_min
    last = day + _ONE_DAY if over_midnight else day
    begin, end = _moment_us(day, shift.from_min, tz), _moment_us(last, shift.to_min, tz)
    return Span(day, shift.id, begin, end)


def crew_spans(roster: Roster, crew: str, day: date, tz: tzinfo) -> list[Span]:
    """Return the shifts that a crew stands which start on a local day, earliest first."""
    found = [
        span_of(shift, day, tz)
        for shift in roster.shifts.values()
        if crew in crews_of(roster, day, shift.id)
    ]
    return sorted(found, key=lambda span: span.from_us)


def local_date(at_us: int, tz: tzinfo) -> date:
    """Return the local day of a moment."""
    return local_moment(at_us, tz).date()


def local_moment(at_us: int, tz: tzinfo) -> datetime:
    """Return a moment in local time."""
    return (_EPOCH + timedelta(microseconds=at_us)).astimezone(tz)


def _moment_us(day: date, minute: int, tz: tzinfo) -> int:
    local = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=tz)
    return round((local - _EPOCH).total_seconds()) * 1_000_000
