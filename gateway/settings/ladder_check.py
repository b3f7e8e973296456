"""Whether everybody who may be needed can be called, and the ladder ends at a person.

That somebody is on duty in every grid at every moment is ``gateway.settings.roster_check``.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Protocol

from gateway.settings.explain import Finding
from gateway.settings.models import Settings
from gateway.settings.register import PersonSettings
from gateway.settings.response import ResponseSettings
from gateway.settings.sections import GridSettings
from gateway.settings.yaml_source import KeyPath

MANAGERS = ("second_manager", "first_manager")
TIERS = ("station_patrol", "special_patrol")
# So many steps over the border a patrol is fetched from.
PATROL_RINGS = 2


class _Known(Protocol):
    def lost(self, *path: str | int) -> bool: ...
    def duty_lost(self) -> bool: ...


def ladder_findings(settings: Settings, known: _Known) -> Iterator[Finding]:
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
        yield from _rungs(settings, id_, grid, served, known)
        yield from _end(settings, id_, grid, known)
    yield from _desk(settings, known)
    yield from _order_of_rungs(settings.response)


def guards_by_grid(people: Mapping[str, PersonSettings], tier: str = "guard") -> set[str]:
    """Return the grids that have people of a force."""
    return {
        grid
        for person in people.values()
        if person.role == "guard" and person.tier == tier
        for grid in person.grids
    }


def _transmits(settings: Settings, known: _Known, channel: str | None) -> bool:
    if channel is None:
        return False
    entry = settings.channels.get(channel)
    # One that is wrong in itself, or not there, is reported as that.
    return entry is None or entry.licence is not None or known.lost("channels", channel)


def _rungs(
    settings: Settings, id_: str, grid: GridSettings, served: set[str], known: _Known
) -> Iterator[Finding]:
    ladder = settings.response.kinds
    for rung in MANAGERS:
        missing = rung in ladder and getattr(grid, rung) is None
        if missing and not known.lost("grids", id_, rung):
            message = f'the ladder has the rung {rung}, and "{id_}" has none: name one'
            yield Finding(("grids", id_), message, on_key=True)
    alone = not served.intersection(grid.neighbours)
    if "ring_1" in ladder and alone and not known.lost("grids", id_, "neighbours"):
        message = "the ladder has the rung ring_1, and no neighbour has guards"
        yield Finding(("grids", id_), message, on_key=True, warning=True)
    if grid.station is None and not known.lost("grids", id_, "station"):
        yield Finding(("grids", id_), "no station is told", on_key=True, warning=True)


def _end(
    settings: Settings, id_: str, grid: GridSettings, known: _Known
) -> Iterator[Finding]:
    """Check that the ladder of a grid leads at last to a person who has a medium."""
    ladder = settings.response.kinds
    if known.lost("people") or known.lost("grids", id_) or not ladder:
        return
    managers = [getattr(grid, rung) for rung in MANAGERS if rung in ladder]
    people = [settings.people[m] for m in managers if m in settings.people]
    if not managers:
        yield from _patrols(settings, id_)
    if not people:
        return  # said of the manager, of the patrols, or of the whole ladder
    # An account is usually enrolled by code, so that none need stand here.
    if not settings.chats and not known.lost("chats"):
        message = "the ladder ends at managers whom nothing reaches: there is no chat"
        yield Finding(("grids", id_), message, on_key=True)


def _patrols(settings: Settings, id_: str) -> Iterator[Finding]:
    """Check that a ladder that ends at a patrol finds one in the grid or near it."""
    tiers = [tier for tier in TIERS if tier in settings.response.kinds]
    near = _within(settings, id_, PATROL_RINGS)
    if tiers and not any(near & guards_by_grid(settings.people, tier) for tier in tiers):
        message = (
            f'the ladder ends nowhere: "{id_}" and the grids near it have nobody of '
            f'{" or ".join(tiers)}, and no manager is on it'
        )
        yield Finding(("grids", id_), message, on_key=True)


def _within(settings: Settings, id_: str, steps: int) -> set[str]:
    """Return the grids that lie at most so many steps from one."""
    found, grids = {id_}, settings.grids
    for _ in range(steps):
        found |= {n for g in found & grids.keys() for n in grids[g].neighbours}
    return found


def _desk(settings: Settings, known: _Known) -> Iterator[Finding]:
    desk = settings.response.desk
    path: KeyPath = ("response", "desk")
    if desk is None or known.lost("people", desk):
        return
    if desk not in settings.people:
        yield Finding(path, f'there is no person "{desk}"')


def _order_of_rungs(response: ResponseSettings) -> Iterator[Finding]:
    """Check the ladder as such: it has an end, and every level climbs to it."""
    ladder = response.kinds
    at: KeyPath = ("response", "ladder")
    if not ladder:
        yield Finding(at, "has no rung: an order that nobody answers ends nowhere")
        return
    for index, rung in enumerate(ladder):
        if rung in ladder[:index]:
            yield Finding((*at, index), f"the rung {rung} stands twice")
    if not set(ladder).intersection((*MANAGERS, *TIERS)):
        message = (
            "ends with the guards themselves: add a manager, or nobody else hears of an "
            "order that they do not answer"
        )
        yield Finding(at, message, warning=True)
    yield from _levels(response)
    for index, (before, after) in enumerate(pairwise(ladder)):
        if before in MANAGERS and after not in MANAGERS:
            message = f"{after} comes after {before}: managers are the last to be called"
            yield Finding((*at, index + 1), message, warning=True)


def _levels(response: ResponseSettings) -> Iterator[Finding]:
    """Check that no level is left without a rung."""
    for level in (1, 2, 3):
        climbed = [s for s in response.ladder if isinstance(s, str) or level in s.levels]
        if not climbed:
            message = f"has no rung for level {level}: its orders end nowhere"
            yield Finding(("response", "ladder"), message)
