"""Whether somebody is on duty in every grid at every moment."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from gateway.core.roster import Roster, crews_on_duty, duty_at
from gateway.settings.explain import Finding
from gateway.settings.known import Known
from gateway.settings.models import Settings
from gateway.settings.register import PersonSettings
from gateway.settings.sections import ExceptionSettings
from gateway.settings.site import roster_of, zone_of
from gateway.settings.yaml_source import KeyPath

_DAY_MIN = 24 * 60
_CYCLE: KeyPath = ("roster", "cycle", "days")


_HORIZON = timedelta(days=62)


def roster_findings(settings: Settings, known: Known) -> Iterator[Finding]:
    """Yield holes of the roster: of the day, of the cycle, of holidays, of exceptions."""
    written = settings.roster
    if known.lost("roster"):
        return
    if "off" in written.shifts:
        message = '"off" means no shift; give the shift another name'
        yield Finding(("roster", "shifts", "off"), message, on_key=True)
    if written.crews and written.cycle is None:
        yield Finding(("roster", "crews"), "there is no cycle that says when they stand")
    yield from _twice_the_same(settings)
    roster = roster_of(written, zone_of(settings))
    gaps = list(_day_gaps(roster))
    yield from gaps
    if written.cycle and not gaps and _sound(settings) and not known.duty_lost():
        yield from _grid_holes(settings, roster)


def _sound(settings: Settings) -> bool:
    """Return whether every crew and shift that is named exists; if not, that is reported."""
    roster = settings.roster
    shifts, crews = {"off", *roster.shifts}, {None, *roster.crews}
    days = roster.cycle.days if roster.cycle else ()
    return (
        shifts.issuperset(days)
        and crews.issuperset(person.crew for person in settings.people.values())
        and all(shifts.issuperset(holiday.crews) for holiday in roster.holidays)
        and "off" not in roster.shifts
    )


def _twice_the_same(settings: Settings) -> Iterator[Finding]:
    crews = settings.roster.crews
    for index, crew in enumerate(crews):
        if crew in crews[:index]:
            yield Finding(("roster", "crews", index), f'crew "{crew}" stands twice')
    days = [holiday.date for holiday in settings.roster.holidays]
    for index, day in enumerate(days):
        if day in days[:index]:
            message = f"{day} stands twice; put its shifts together"
            yield Finding(("roster", "holidays", index, "date"), message)


def _day_gaps(roster: Roster) -> Iterator[Finding]:
    """Yield the spans of the day that no shift covers."""
    if not roster.shifts:
        return
    covered = [False] * _DAY_MIN
    for shift in roster.shifts.values():
        length = (shift.to_min - shift.from_min) % _DAY_MIN or _DAY_MIN
        for minute in range(length):
            covered[(shift.from_min + minute) % _DAY_MIN] = True
    starts = [m for m in range(_DAY_MIN) if not covered[m] and covered[m - 1]]
    for start in starts:
        length = next(n for n in range(_DAY_MIN) if covered[(start + n) % _DAY_MIN])
        message = f"no shift covers {_clock(start)} to {_clock(start + length)}"
        yield Finding(("roster", "shifts"), message, on_key=True)


def _clock(minute: int) -> str:
    return f"{minute // 60 % 24:02d}:{minute % 60:02d}"


def _grid_holes(settings: Settings, roster: Roster) -> Iterator[Finding]:
    """Yield, for each grid, the first moment of cycle and holidays that finds nobody there."""
    guards = _guards(settings)
    crews_of_grid = {grid: {person.crew for _, person in guards[grid]} for grid in guards}
    blamed: set[tuple[str, KeyPath]] = set()
    for local, place in _moments(settings, roster):
        on = crews_on_duty(roster, _us(local, UTC), UTC)
        for grid, crews in crews_of_grid.items():
            if None in crews or crews & on or (grid, place) in blamed:
                continue
            blamed.add((grid, place))
            standing = " and ".join(sorted(on)) or "no crew"
            theirs = " and ".join(sorted(str(crew) for crew in crews))
            message = (
                f'grid "{grid}" has nobody on duty on {local:%Y-%m-%d} at {local:%H:%M}: '
                f"on duty is {standing}, its guards are of {theirs}"
            )
            yield Finding(place, message, on_key=place != _CYCLE)
    yield from _exception_holes(settings, guards)


_Guards = dict[str, list[tuple[str, PersonSettings]]]


def _guards(settings: Settings) -> _Guards:
    guards: _Guards = {}
    for id_, person in settings.people.items():
        if person.role == "guard":
            for grid in settings.grids.keys() & set(person.grids):
                guards.setdefault(grid, []).append((id_, person))
    return guards


def _moments(settings: Settings, roster: Roster) -> Iterator[tuple[datetime, KeyPath]]:
    """Yield each local moment at which a shift begins or ends, and what would be to blame.

    Local times are written as UTC: for this sum every day has 24 hours.
    """
    edges = _edges(roster)
    holidays = {holiday.date: index for index, holiday in enumerate(settings.roster.holidays)}
    for day in _plain_days(roster, holidays):
        yield from ((_at(day, minute), _CYCLE) for minute in edges)
    for day, index in holidays.items():
        place: KeyPath = ("roster", "holidays", index, "crews")
        # Only its own shifts: the night it begins in is the cycle's.
        yield from ((_at(day, shift.from_min), place) for shift in roster.shifts.values())


def _edges(roster: Roster) -> list[int]:
    shifts = roster.shifts.values()
    return sorted({minute for shift in shifts for minute in (shift.from_min, shift.to_min)})


def _plain_days(roster: Roster, holidays: dict[date, int]) -> Iterator[date]:
    """Yield days that show the whole cycle, none of them next to a holiday."""
    one = timedelta(days=1)
    for offset in range(len(roster.days)):
        day = roster.start + offset * one
        while day in holidays or day - one in holidays:
            day += len(roster.days) * one
        yield day


def _at(day: date, minute: int) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=minute)


def _us(local: datetime, zone: tzinfo) -> int:
    return round(local.replace(tzinfo=zone).timestamp() * 1_000_000)


def _exception_holes(settings: Settings, guards: _Guards) -> Iterator[Finding]:
    """Yield a warning where a leave takes the last guard of a grid off duty."""
    zone = zone_of(settings)
    roster = roster_of(settings.roster, zone)
    for index, exception in enumerate(settings.roster.exceptions):
        person = settings.people.get(exception.person)
        if exception.duty == "on" or person is None or person.role != "guard":
            continue
        for grid in person.grids:
            hole = _first_hole(roster, guards.get(grid, []), exception, zone)
            if hole is not None:
                path: KeyPath = ("roster", "exceptions", index, "person")
                when = f"{hole:%Y-%m-%d} at {hole:%H:%M}"
                message = f'this leaves grid "{grid}" with nobody on duty on {when}'
                yield Finding(path, message, warning=True)


def _first_hole(
    roster: Roster,
    guards: list[tuple[str, PersonSettings]],
    exception: ExceptionSettings,
    zone: ZoneInfo,
) -> datetime | None:
    """Return the first moment of a leave at which no guard of the grid is on duty."""
    moments = [exception.from_]
    midnight = exception.from_.replace(hour=0, minute=0, second=0, microsecond=0)
    end = min(exception.to, exception.from_ + _HORIZON)
    while midnight < end:
        moments += [midnight + timedelta(minutes=minute) for minute in _edges(roster)]
        midnight += timedelta(days=1)
    for moment in moments:
        if not exception.from_ <= moment < end:
            continue
        duty = duty_at(roster, _us(moment, zone), zone)
        if not any(duty.stands(person.crew, id_) for id_, person in guards):
            return moment
    return None
