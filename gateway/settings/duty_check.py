"""Whether the roster lets anybody stand on and on: shifts that follow without a rest between.

No clock is asked: looked at are two rounds of the cycle, and the days around each holiday and
each exception, which is all that a roster will ever bring. One warning for each place to blame,
of the crew or person who is first.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from gateway.core.roster import Roster, RosterException, crew_spans, local_date, local_moment
from gateway.settings.explain import Finding
from gateway.settings.known import Known
from gateway.settings.models import Settings
from gateway.settings.site import roster_of, zone_of
from gateway.settings.yaml_source import KeyPath

_HOUR_US: Final = 3_600_000_000
_ONE: Final = timedelta(days=1)
# Further from a holiday or an exception than this, a stretch is the cycle's.
_AROUND: Final = 3
# A longer exception is looked at where it begins; what follows is the same again.
_MOST_DAYS: Final = 62


class Stretch(NamedTuple):
    """Duty without a rest.

    Attributes:
        from_us: When it begins, UTC microseconds.
        to_us: When it ends.
        days: Days on which its shifts start.
    """

    from_us: int
    to_us: int
    days: frozenset[date]


def duty_findings(settings: Settings, known: Known) -> Iterator[Finding]:
    """Yield a warning where crews or people stand longer than ``longest_duty_h`` on end."""
    if known.lost("roster") or known.duty_lost() or settings.roster.cycle is None:
        return
    zone = zone_of(settings)
    roster = roster_of(settings.roster, zone)
    if not roster.shifts or not roster.crews or "off" in roster.shifts:
        return
    yield from _of_cycle(settings, roster, zone)
    yield from _of_holidays(settings, roster, zone)
    yield from _of_exceptions(settings, roster, zone)


def _of_cycle(settings: Settings, roster: Roster, zone: ZoneInfo) -> Iterator[Finding]:
    plain = replace(roster, holidays={})
    days = _days(roster.start, 2 * len(roster.days))
    for crew in roster.crews:
        for stretch in _too_long(settings, _of_crew(plain, crew, days, zone)):
            path: KeyPath = ("roster", "cycle", "days")
            yield _finding(settings, path, f'crew "{crew}"', stretch, zone)
            return  # every crew goes through the same, a day later


def _of_holidays(settings: Settings, roster: Roster, zone: ZoneInfo) -> Iterator[Finding]:
    plain = replace(roster, holidays={})
    for index, holiday in enumerate(settings.roster.holidays):
        days = _days(holiday.date - _AROUND * _ONE, 2 * _AROUND + 1)
        for crew in roster.crews:
            usual = _of_crew(plain, crew, days, zone)
            for stretch in _too_long(settings, _of_crew(roster, crew, days, zone)):
                if holiday.date in stretch.days and stretch not in usual:
                    path: KeyPath = ("roster", "holidays", index, "crews")
                    who = f'crew "{crew}"'
                    yield _finding(settings, path, who, stretch, zone, on_key=True)
                    break


def _of_exceptions(settings: Settings, roster: Roster, zone: ZoneInfo) -> Iterator[Finding]:
    for index, written in enumerate(settings.roster.exceptions):
        person = settings.people.get(written.person)
        if written.duty == "off" or person is None or person.crew is None:
            continue
        length = min((written.to - written.from_).days, _MOST_DAYS) + 2 * _AROUND + 1
        days = _days(written.from_.date() - _AROUND * _ONE, length)
        spans = [s for day in days for s in crew_spans(roster, person.crew, day, zone)]
        usual = [Stretch(s.from_us, s.to_us, frozenset({s.day})) for s in spans]
        changed = _changed(usual, roster.exceptions[written.person], zone)
        for stretch in _too_long(settings, changed):
            if written.from_.date() in stretch.days:
                path: KeyPath = ("roster", "exceptions", index, "person")
                who = f'person "{written.person}"'
                yield _finding(settings, path, who, stretch, zone)
                break


def _changed(
    usual: list[Stretch], exceptions: Iterable[RosterException], zone: ZoneInfo
) -> list[Stretch]:
    """Return somebody's duty with what is written against it; the last written holds."""
    found = usual
    for change in exceptions:
        found = [part for stretch in found for part in _without(stretch, change)]
        if change.on_duty:
            days = frozenset({local_date(change.from_us, zone)})
            found.append(Stretch(change.from_us, change.to_us, days))
    return _merged(found)


def _without(stretch: Stretch, change: RosterException) -> Iterator[Stretch]:
    if change.from_us >= stretch.to_us or change.to_us <= stretch.from_us:
        yield stretch
        return
    if stretch.from_us < change.from_us:
        yield stretch._replace(to_us=change.from_us)
    if change.to_us < stretch.to_us:
        yield stretch._replace(from_us=change.to_us)


def _of_crew(
    roster: Roster, crew: str, days: Iterable[date], zone: ZoneInfo
) -> list[Stretch]:
    spans = [span for day in days for span in crew_spans(roster, crew, day, zone)]
    return _merged(Stretch(s.from_us, s.to_us, frozenset({s.day})) for s in spans)


def _merged(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Return duty in stretches between which there is a rest, earliest first."""
    found: list[Stretch] = []
    for stretch in sorted(stretches, key=lambda s: s.from_us):
        if found and stretch.from_us <= found[-1].to_us:
            last = found.pop()
            to_us, days = max(last.to_us, stretch.to_us), last.days | stretch.days
            found.append(Stretch(last.from_us, to_us, days))
        else:
            found.append(stretch)
    return found


def _too_long(settings: Settings, stretches: Iterable[Stretch]) -> Iterator[Stretch]:
    longest_us = settings.roster.longest_duty_h * _HOUR_US
    return (s for s in stretches if s.to_us - s.from_us > longest_us)


def _days(first: date, count: int) -> list[date]:
    return [first + offset * _ONE for offset in range(count)]


def _finding(
    settings: Settings,
    path: KeyPath,
    who: str,
    stretch: Stretch,
    zone: ZoneInfo,
    *,
    on_key: bool = False,
) -> Finding:
    begin, end = (local_moment(us, zone) for us in (stretch.from_us, stretch.to_us))
    hours = (stretch.to_us - stretch.from_us) / _HOUR_US
    message = (
        f"{who} is on duty for {hours:g} hours on end, from {begin:%Y-%m-%d %H:%M} to "
        f"{end:%Y-%m-%d %H:%M}; longest_duty_h is {settings.roster.longest_duty_h}: put a rest "
        "between, or allow it there"
    )
    return Finding(path, message, on_key=on_key, warning=True)
