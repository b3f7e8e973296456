"""Who is on duty by the roster and by what people changed of it, now and in days to come.

The settings say the cycle. Exceptions, swaps and pauses are events of their own, kept
as one entity a person, and go before them; what is over is forgotten with the next.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol, TypeVar

from gateway.core.order import Entity
from gateway.core.people import Person, Role
from gateway.core.places import Site
from gateway.core.roster import (
    Duty,
    DutyChanges,
    Roster,
    RosterException,
    Span,
    crew_spans,
    crews_of,
    duty_at,
    local_date,
    local_moment,
    span_of,
)
from gateway.core.state import State

E = TypeVar("E", bound=Entity)

# The days ahead that are computed at most; a plan beyond that is a guess.
MOST_DAYS = 366


class Known(Protocol):
    """A state, or the draft of a step."""

    def find(self, kind: type[E], key: str) -> E | None:
        """Return one entity, or None."""
        ...


def changes_of(known: Known, person: str) -> tuple[RosterException, ...]:
    """Return what was changed of a person's duty, in the order in which it was."""
    found = known.find(DutyChanges, person)
    return () if found is None else found.changes


def stands(known: Known, duty: Duty, person: Person) -> bool:
    """Return whether a person is on duty, of all that is known at that moment."""
    return duty.stands(person.crew, person.id, changes_of(known, person.id))


def on_duty_now(known: Known, site: Site, person: Person, at_us: int) -> bool:
    """Return whether one person is on duty at a moment, UTC microseconds."""
    return stands(known, duty_at(site.roster, at_us, site.timezone), person)


def changed(known: Known, change: RosterException, now_us: int) -> DutyChanges:
    """Return a person's changes with one more, and without those that are over."""
    before = (c for c in changes_of(known, change.person) if c.to_us > now_us)
    return DutyChanges(person=change.person, changes=(*before, change))


def cut_short(known: Known, person: str, now_us: int) -> DutyChanges:
    """Return a person's changes without any that holds now: he is back in the roster."""
    kept = (c for c in changes_of(known, person) if c.from_us > now_us)
    return DutyChanges(person=person, changes=tuple(kept))


def spans_of(site: Site, person: Person, day: date) -> list[Span]:
    """Return the shifts by the cycle that a person stands which start on a local day."""
    if person.crew is None:
        return []
    return crew_spans(site.roster, person.crew, day, site.timezone)


def present_end_us(site: Site, person: Person, at_us: int) -> int:
    """Return when the shift ends that a person stands at a moment; the moment if none does."""
    today = local_date(at_us, site.timezone)
    spans = [
        span
        for day in (today - timedelta(days=1), today)
        for span in spans_of(site, person, day)
        if span.from_us <= at_us < span.to_us
    ]
    return max((span.to_us for span in spans), default=at_us)


# ---- the days to come ----


@dataclass(frozen=True, slots=True, kw_only=True)
class DutySpan:
    """One shift of the days to come.

    Attributes:
        span: Day, shift and when.
        crews: Crews that stand it by the cycle or the holiday.
        people: Person ids of those who stand it at its beginning, of those asked about.
        empty: Grid ids in which nobody is on duty at its beginning.
    """

    span: Span
    crews: tuple[str, ...]
    people: tuple[str, ...]
    empty: tuple[str, ...]


def days_ahead(
    state: State,
    site: Site,
    from_us: int,
    days: int,
    *,
    person: str | None = None,
    grid: str | None = None,
) -> list[DutySpan]:
    """Return the shifts that start in so many local days, from today on, earliest first.

    Args:
        state: The state, for the register and for what was changed by hand.
        site: Settings in force.
        from_us: Now, UTC microseconds.
        days: How many days, today counted; 366 at most.
        person: Only the shifts in which this person is on duty.
        grid: Only people of this grid.
    """
    first = local_date(from_us, site.timezone)
    guards = [p for p in state.each(Person) if p.active and p.role is Role.GUARD]
    found = [
        _looked_at(state, site, span, guards, grid)
        for number in range(min(days, MOST_DAYS))
        for span in _shifts_of(site.roster, first + timedelta(days=number), site)
    ]
    return [f for f in found if person is None or person in f.people]


def _shifts_of(roster: Roster, day: date, site: Site) -> list[Span]:
    spans = (span_of(shift, day, site.timezone) for shift in roster.shifts.values())
    return sorted(spans, key=lambda span: span.from_us)


def _looked_at(
    state: State, site: Site, span: Span, guards: list[Person], grid: str | None
) -> DutySpan:
    duty = duty_at(site.roster, span.from_us, site.timezone)
    standing = [g for g in guards if stands(state, duty, g)]
    served = {grid_id for guard in standing for grid_id in guard.grids}
    return DutySpan(
        span=span,
        crews=crews_of(site.roster, span.day, span.shift),
        people=tuple(g.id for g in standing if grid is None or grid in g.grids),
        empty=tuple(id_ for id_ in site.grids if id_ not in served),
    )


def changes_ahead(state: State, from_us: int) -> Iterator[RosterException]:
    """Yield what was changed by hand and is not over, by person."""
    for entry in state.each(DutyChanges):
        for change in entry.changes:
            if change.to_us > from_us:
                yield change


def local_words(site: Site, at_us: int) -> str:
    """Return a moment in local time as people read it, ``11-22 14:30``."""
    return local_moment(at_us, site.timezone).strftime("%m-%d %H:%M")
