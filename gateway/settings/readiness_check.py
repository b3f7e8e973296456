"""What the section on readiness names is there, and what it asks of a grid can be done."""

from collections.abc import Iterable, Iterator

from gateway.settings.explain import Finding, did_you_mean
from gateway.settings.known import Known
from gateway.settings.models import Settings
from gateway.settings.yaml_source import KeyPath


def readiness_findings(settings: Settings, known: Known) -> Iterator[Finding]:
    """Yield grids, channels, groups and people that are named and are not there."""
    grids = known.ids("grids")
    for index, rule in enumerate(settings.readiness.roll_calls):
        at = ("readiness", "roll_calls", index, "grids")
        yield from _dangling(at, "grid", rule.grids, grids)
        if rule.random_per_shift and not known.ids("roster", "shifts"):
            yield Finding(
                ("readiness", "roll_calls", index, "random_per_shift"),
                "there is no shift in the roster: write every_min or at",
            )
    for index, drill in enumerate(settings.readiness.drills):
        if drill.grid not in grids:
            near = did_you_mean(drill.grid, grids)
            yield Finding(
                ("readiness", "drills", index, "grid"), f'there is no grid "{drill.grid}"{near}'
            )
    test, path = settings.readiness.self_test, ("readiness", "self_test")
    channels = known.ids("channels")
    yield from _dangling((*path, "channels"), "channel", test.channels or (), channels)
    yield from _dangling((*path, "chats"), "chat group", test.chats, known.groups())
    yield from _dangling((*path, "people"), "person", test.people, known.ids("people"))


def _dangling(
    path: KeyPath, kind: str, names: Iterable[str], known: list[str]
) -> Iterator[Finding]:
    for index, name in enumerate(names):
        if name not in known:
            near = did_you_mean(name, known)
            yield Finding((*path, index), f'there is no {kind} "{name}"{near}')
