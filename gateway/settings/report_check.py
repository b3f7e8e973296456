"""What the section on guards' reports promises the others: no sign with two meanings."""

from collections import Counter
from collections.abc import Iterator

from gateway.settings.explain import Finding
from gateway.settings.known import Known
from gateway.settings.models import Settings


def report_findings(settings: Settings, _known: Known) -> Iterator[Finding]:
    """Yield statuses that are a reply and a report at once, and points of one name."""
    for section in ("mdc_status", "selcall_status"):
        replies = {_number(key) for key in getattr(settings.policy, section)}
        for key in getattr(settings.reports, section):
            if _number(key) in replies:
                yield Finding(
                    ("reports", section, key),
                    f'"{key}" is a reply already, in policy.{section}: take another number, '
                    "or leave it out there",
                    on_key=True,
                )
    for id_, grid in settings.grids.items():
        names = Counter(point.name for point in grid.blocking_points)
        for index, point in enumerate(grid.blocking_points):
            if names[point.name] > 1:
                yield Finding(
                    ("grids", id_, "blocking_points", index, "name"),
                    f'two points of this grid are called "{point.name}": each needs its own',
                )


def _number(key: str) -> int:
    return int(key, 16)
