"""What event plans name is there, and no two of them want one grid at one time."""

from collections.abc import Iterable, Iterator
from itertools import combinations

from gateway.settings.event_plans import EventPlanSettings
from gateway.settings.explain import Finding, did_you_mean, twice
from gateway.settings.known import Known
from gateway.settings.models import Settings
from gateway.settings.sections import GridSettings, PostSettings
from gateway.settings.yaml_source import KeyPath

_PERSONS = {"first_manager": "manager", "second_manager": "manager", "station": "station"}


def event_plan_findings(settings: Settings, known: Known) -> Iterator[Finding]:
    """Yield what plans name and is not there, what they name twice, and where they collide."""
    for id_, plan in settings.event_plans.items():
        at: KeyPath = ("event_plans", id_)
        grids = [*known.ids("grids"), *known.ids("event_plans", id_, "grids")]
        posts = [*known.ids("posts"), *known.ids("event_plans", id_, "posts")]
        for grid_id, grid in plan.grids.items():
            yield from _grid(settings, known, (*at, "grids", grid_id), grid, grids)
        for post_id, post in plan.posts.items():
            path = (*at, "posts", post_id)
            yield from _dangling((*path, "grid"), "grid", post.grid, grids)
            if post_id in settings.posts:
                yield Finding(path, f'there is a post "{post_id}" already', on_key=True)
        yield from _changes(at, plan, known)
        yield from _roster(settings, known, at, plan, grids, posts)
        yield from _twice(settings, id_, plan)
    yield from _collisions(settings)


def _grid(
    settings: Settings, known: Known, at: KeyPath, grid: GridSettings, grids: list[str]
) -> Iterator[Finding]:
    id_ = str(at[-1])
    if id_ in settings.grids:
        message = f'there is a grid "{id_}" already: what changes of it stands in changes'
        yield Finding(at, message, on_key=True)
    yield from _dangling((*at, "zone"), "zone", grid.zone, known.ids("zones"))
    for index, other in enumerate(grid.neighbours):
        path = (*at, "neighbours", index)
        if other == id_:
            yield Finding(path, "a grid is not its own neighbour")
        yield from _dangling(path, "grid", other, grids)
    yield from _dangling((*at, "channel"), "channel", grid.channel, known.ids("channels"))
    yield from _dangling((*at, "chat"), "chat group", grid.chat, known.groups())
    for key, role in _PERSONS.items():
        yield from _person(settings, known, (*at, key), getattr(grid, key), role)


def _person(
    settings: Settings, known: Known, path: KeyPath, id_: str | None, role: str
) -> Iterator[Finding]:
    yield from _dangling(path, "person", id_, known.ids("people"))
    person = settings.people.get(id_ or "")
    if person and person.role != role and not known.lost("people", str(id_), "role"):
        yield Finding(path, f'should be a person of role {role}; "{id_}" is {person.role}')


def _changes(at: KeyPath, plan: EventPlanSettings, known: Known) -> Iterator[Finding]:
    for id_, change in plan.changes.items():
        path = (*at, "changes", id_)
        for finding in _dangling(path, "grid", id_, known.ids("grids")):
            yield Finding(finding.path, finding.message, on_key=True)
        yield from _dangling(
            (*path, "channel"), "channel", change.channel, known.ids("channels")
        )
        yield from _dangling((*path, "chat"), "chat group", change.chat, known.groups())


def _roster(
    settings: Settings, known: Known, at: KeyPath, plan: EventPlanSettings,
    grids: list[str], posts: list[str],
) -> Iterator[Finding]:  # fmt: skip
    for index, duty in enumerate(plan.roster):
        path = (*at, "roster", index)
        yield from _person(settings, known, (*path, "person"), duty.person, "guard")
        for number, grid in enumerate(duty.grids or ()):
            yield from _dangling((*path, "grids", number), "grid", grid, grids)
        yield from _dangling((*path, "post"), "post", duty.post, posts)
        begins_early = duty.from_ and plan.from_ and duty.from_ < plan.from_
        if begins_early or (duty.from_ and plan.to and duty.from_ >= plan.to):
            yield Finding((*path, "from"), "lies outside the plan's own from and to")
        if (duty.to and plan.to and duty.to > plan.to) or (
            duty.to and plan.from_ and duty.to <= plan.from_
        ):
            yield Finding((*path, "to"), "lies outside the plan's own from and to")
    served = {grid for duty in plan.roster for grid in duty.grids or plan.grids}
    for grid in plan.grids:
        if grid not in served and not known.lost("event_plans"):
            message = f'nobody of the plan\'s roster serves "{grid}"'
            yield Finding((*at, "grids", grid), message, on_key=True, warning=True)


def _twice(settings: Settings, id_: str, plan: EventPlanSettings) -> Iterator[Finding]:
    """Yield codes and words of a plan that mean something else already."""
    at: KeyPath = ("event_plans", id_)
    codes = [*_codes((), settings.grids), *_codes(at, plan.grids)]
    words = [
        *_words((), settings.grids, settings.posts), *_words(at, plan.grids, plan.posts)
    ]  # fmt: skip
    radios = list(_radios(settings, id_))
    for used, what in ((codes, "code"), (words, "the word"), (radios, "the radio")):
        yield from (f for f in twice(used, what) if f.path[0] == "event_plans")


_Used = tuple[KeyPath, str, str]


def _codes(at: KeyPath, grids: dict[str, GridSettings]) -> Iterator[_Used]:
    for id_, grid in grids.items():
        for index, code in enumerate(grid.codes):
            yield (*at, "grids", id_, "codes", index), id_, code


def _words(
    at: KeyPath, grids: dict[str, GridSettings], posts: dict[str, PostSettings]
) -> Iterator[_Used]:
    for id_, grid in grids.items():
        yield (*at, "grids", id_, "name"), id_, grid.name
        for index, word in enumerate(grid.aliases):
            yield (*at, "grids", id_, "aliases", index), id_, word
    for id_, post in posts.items():
        yield (*at, "posts", id_, "name"), post.grid, post.name
        for index, word in enumerate(post.aliases):
            yield (*at, "posts", id_, "aliases", index), post.grid, word


def _radios(settings: Settings, plan: str) -> Iterator[_Used]:
    for id_, person in settings.people.items():
        own = (f"dtmf:{person.radio_id}",) if person.radio_id else ()
        for radio in (*own, *person.radios):
            yield ("people", id_, "radios"), id_, radio
    both: Iterable[tuple[KeyPath, dict[str, PostSettings]]] = (
        ((), settings.posts), (("event_plans", plan), settings.event_plans[plan].posts)
    )  # fmt: skip
    for at, posts in both:
        for id_, post in posts.items():
            for index, radio in enumerate(post.radios):
                yield (*at, "posts", id_, "radios", index), f"post {id_}", radio


def _collisions(settings: Settings) -> Iterator[Finding]:
    """Yield where two plans by the clock have one grid at one time.

    Those that are started by hand are refused at that moment, when it is known.
    """
    for (id_, plan), (other_id, other) in combinations(settings.event_plans.items(), 2):
        if not (plan.from_ and plan.to and other.from_ and other.to):
            continue
        if plan.from_ >= other.to or other.from_ >= plan.to:
            continue
        for grid in {*plan.grids, *plan.changes}.intersection((*other.grids, *other.changes)):
            section = "grids" if grid in other.grids else "changes"
            message = f'"{grid}" is of the plan "{id_}" at the same time'
            yield Finding(("event_plans", other_id, section, grid), message, on_key=True)


def _dangling(
    path: KeyPath, kind: str, name: str | None, known: list[str]
) -> Iterator[Finding]:
    if name is not None and name not in known:
        yield Finding(path, f'there is no {kind} "{name}"{did_you_mean(name, known)}')
