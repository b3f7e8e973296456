"""Whether everybody who may be needed can be called, and each ladder ends at a person.

The site has one ladder; an order kind may have its own, and so may a zone's grade: each is
proved for each grid in which it is climbed. What is wrong with the site's own is not said again
of the others. That somebody is on duty in every
grid at every moment is ``gateway.settings.roster_check``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from gateway.settings.explain import Finding
from gateway.settings.known import Known
from gateway.settings.models import Settings
from gateway.settings.register import PersonSettings
from gateway.settings.response import AnyRung, RungSettings
from gateway.settings.sections import GridSettings
from gateway.settings.yaml_source import KeyPath

MANAGERS = ("second_manager", "first_manager")
TIERS = ("station_patrol", "special_patrol")
# So many steps over the border a patrol is fetched from.
PATROL_RINGS = 2


@dataclass(frozen=True, slots=True)
class _Ladder:
    """A ladder: where it stands, as what it is spoken of, its steps, and its zones' grade."""

    at: KeyPath
    name: str
    steps: tuple[AnyRung, ...]
    grade: int | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """The words of its rungs, in their order."""
        return tuple(s.rung if isinstance(s, RungSettings) else s for s in self.steps)


def _ladders(settings: Settings, known: Known) -> Iterator[_Ladder]:
    """Yield the ladder of the site, then those of grades and of order kinds."""
    yield _Ladder(("response", "ladder"), "the ladder", settings.response.ladder)
    at: KeyPath
    for number, grade in settings.response.grades.items():
        at = ("response", "grades", number, "ladder")
        if grade.ladder is not None and not known.lost(*at):
            yield _Ladder(at, f"the ladder of grade {number}", grade.ladder, int(number))
    for id_, kind in settings.policy.kinds.items():
        at = ("policy", "kinds", id_, "ladder")
        if kind.ladder is not None and not known.lost(*at):
            yield _Ladder(at, f'the ladder of order kind "{id_}"', kind.ladder)


def ladder_findings(settings: Settings, known: Known) -> Iterator[Finding]:
    """Yield grids that cannot be called, and ladders that end nowhere."""
    served = guards_by_grid(settings.people)
    for id_, grid in settings.grids.items():
        at = ("grids", id_)
        if known.lost(*at, "channel") or known.lost(*at, "chat"):
            continue
        if not grid.chat and not _transmits(settings, known, grid.channel):
            message = "cannot be reached: needs a chat, or a channel that transmits"
            yield Finding(at, message, on_key=True)
        if id_ not in served and not known.duty_lost():
            yield Finding(at, "has no guard: nobody names it in his grids", on_key=True)
        yield from _station(id_, grid, known)
    usual, *own = _ladders(settings, known)
    yield from _climbed(settings, usual, known, served)
    for ladder in own:
        yield from _climbed(settings, ladder, known, served, usual)
    yield from _grades(settings)
    yield from _desk(settings, known)


def _grades(settings: Settings) -> Iterator[Finding]:
    """Check the figures of grades as those of the section itself are checked."""
    zones = {zone.grade for zone in settings.zones.values()}
    expire_min = settings.response.expire_min
    for number, grade in settings.response.grades.items():
        at: KeyPath = ("response", "grades", number)
        if settings.zones and int(number) not in zones:
            yield Finding(at, f"no zone has grade {number}", on_key=True, warning=True)
        for key in ("acknowledge_s", "rung_s"):
            for index, (before, after) in enumerate(pairwise(getattr(grade, key) or ()), 1):
                if after < before:
                    message = f"should grow by level 1, 2, 3; {after} comes after {before}"
                    yield Finding((*at, key, index), message)
        for index, window_s in enumerate(grade.acknowledge_s or ()):
            if window_s >= expire_min[index] * 60:
                message = f"ends after the order itself: {expire_min[index]} min"
                yield Finding((*at, "acknowledge_s", index), message)


def _climbed(
    settings: Settings,
    ladder: _Ladder,
    known: Known,
    served: set[str],
    usual: _Ladder | None = None,
) -> Iterator[Finding]:
    """Prove one ladder: as such, and for each grid; rungs shared with the usual are proved."""
    shared = usual.words if usual is not None else ()
    for id_, grid in settings.grids.items():
        if known.lost("grids", id_, "channel") or known.lost("grids", id_, "chat"):
            continue
        if ladder.grade not in (None, _grade_of(settings, grid)):
            continue
        yield from _rungs(ladder, id_, grid, served, known, shared)
        if not set(ladder.words) <= set(shared) or not set(MANAGERS) & set(ladder.words):
            yield from _end(settings, ladder, id_, grid, known)
    yield from _order_of_rungs(ladder)


def _grade_of(settings: Settings, grid: GridSettings) -> int | None:
    """Return the grade of a grid's zone; None where that is wrong, which is said elsewhere."""
    zone = settings.zones.get(grid.zone)
    return None if zone is None else zone.grade


def guards_by_grid(people: Mapping[str, PersonSettings], tier: str = "guard") -> set[str]:
    """Return the grids that have people of a force."""
    return {
        grid
        for person in people.values()
        if person.role == "guard" and person.tier == tier
        for grid in person.grids
    }


def _transmits(settings: Settings, known: Known, channel: str | None) -> bool:
    if channel is None:
        return False
    entry = settings.channels.get(channel)
    # One that is wrong in itself, or not there, is reported as that.
    return entry is None or entry.licence is not None or known.lost("channels", channel)


def _station(id_: str, grid: GridSettings, known: Known) -> Iterator[Finding]:
    if grid.station is None and not known.lost("grids", id_, "station"):
        yield Finding(("grids", id_), "no station is told", on_key=True, warning=True)


def _rungs(
    ladder: _Ladder,
    id_: str,
    grid: GridSettings,
    served: set[str],
    known: Known,
    shared: tuple[str, ...],
) -> Iterator[Finding]:
    words = set(ladder.words) - set(shared)
    for rung in MANAGERS:
        missing = rung in words and getattr(grid, rung) is None
        if missing and not known.lost("grids", id_, rung):
            message = f'{ladder.name} has the rung {rung}, and "{id_}" has none: name one'
            yield Finding(("grids", id_), message, on_key=True)
    alone = not served.intersection(grid.neighbours)
    if "ring_1" in words and alone and not known.lost("grids", id_, "neighbours"):
        message = f"{ladder.name} has the rung ring_1, and no neighbour has guards"
        yield Finding(("grids", id_), message, on_key=True, warning=True)


def _end(
    settings: Settings, ladder: _Ladder, id_: str, grid: GridSettings, known: Known
) -> Iterator[Finding]:
    """Check that a ladder leads at last to a person of the grid who has a medium."""
    words = ladder.words
    if known.lost("people") or known.lost("grids", id_) or not words:
        return
    managers = [getattr(grid, rung) for rung in MANAGERS if rung in words]
    people = [settings.people[m] for m in managers if m in settings.people]
    if not managers:
        yield from _patrols(settings, ladder, id_)
    if not people:
        return  # said of the manager, of the patrols, or of the whole ladder
    # An account is usually enrolled by code, so that none need stand here.
    if not settings.chats and not known.lost("chats"):
        message = f"{ladder.name} ends at managers whom nothing reaches: there is no chat"
        yield Finding(("grids", id_), message, on_key=True)


def _patrols(settings: Settings, ladder: _Ladder, id_: str) -> Iterator[Finding]:
    """Check that a ladder that ends at a patrol finds one in the grid or near it."""
    tiers = [tier for tier in TIERS if tier in ladder.words]
    near = _within(settings, id_, PATROL_RINGS)
    if tiers and not any(near & guards_by_grid(settings.people, tier) for tier in tiers):
        message = (
            f'{ladder.name} ends nowhere: "{id_}" and the grids near it have nobody of '
            f'{" or ".join(tiers)}, and no manager is on it'
        )
        yield Finding(("grids", id_), message, on_key=True)


def _within(settings: Settings, id_: str, steps: int) -> set[str]:
    """Return the grids that lie at most so many steps from one."""
    found, grids = {id_}, settings.grids
    for _ in range(steps):
        found |= {n for g in found & grids.keys() for n in grids[g].neighbours}
    return found


def _desk(settings: Settings, known: Known) -> Iterator[Finding]:
    desk = settings.response.desk
    path: KeyPath = ("response", "desk")
    if desk is None or known.lost("people", desk):
        return
    if desk not in settings.people:
        yield Finding(path, f'there is no person "{desk}"')


def _order_of_rungs(ladder: _Ladder) -> Iterator[Finding]:
    """Check a ladder as such: it has an end, and every level climbs to it."""
    words, at = ladder.words, ladder.at
    if not words:
        yield Finding(at, "has no rung: an order that nobody answers ends nowhere")
        return
    for index, rung in enumerate(words):
        if rung in words[:index]:
            yield Finding((*at, index), f"the rung {rung} stands twice")
    if not set(words).intersection((*MANAGERS, *TIERS)):
        message = (
            "ends with the guards themselves: add a manager, or nobody else hears of an "
            "order that they do not answer"
        )
        yield Finding(at, message, warning=True)
    yield from _levels(ladder)
    for index, (before, after) in enumerate(pairwise(words)):
        if before in MANAGERS and after not in MANAGERS:
            message = f"{after} comes after {before}: managers are the last to be called"
            yield Finding((*at, index + 1), message, warning=True)


def _levels(ladder: _Ladder) -> Iterator[Finding]:
    """Check that no level is left without a rung, nor with the guards' own only."""
    above = {*MANAGERS, *TIERS}
    for level in (1, 2, 3):
        climbed = {
            word
            for word, step in zip(ladder.words, ladder.steps, strict=True)
            if isinstance(step, str) or level in step.levels
        }
        if not climbed:
            message = f"has no rung for level {level}: its orders end nowhere"
            yield Finding(ladder.at, message)
        elif above & set(ladder.words) and not above & climbed:
            message = (
                f"ends with the guards themselves at level {level}: leave a manager to it, or "
                "nobody else hears of an order that they do not answer"
            )
            yield Finding(ladder.at, message, warning=True)
