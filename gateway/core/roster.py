"""Who is on duty at a moment: crews in a cycle of shifts, holidays, exceptions."""

from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A span of the day in minutes since local midnight; it ends next day when ``to <= from``."""

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
    """

    person: str
    from_us: int
    to_us: int
    on_duty: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """Crews over shifts.

    Attributes:
        shifts: Shift id to shift.
        crews: Crew ids in cycle order.
        start: First day of the cycle for the first crew.
        days: Shift id or ``off``, a day each; crew k stands ``days[(day - start - k) mod len]``.
        holidays: Date to shift id to crews; replaces the cycle for shifts that start that day.
        exceptions: By person id.
    """

    shifts: dict[str, Shift] = field(default_factory=dict)
    crews: tuple[str, ...] = ()
    start: date = date(2026, 1, 1)
    days: tuple[str, ...] = ()
    holidays: dict[date, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    exceptions: dict[str, tuple[RosterException, ...]] = field(default_factory=dict)
