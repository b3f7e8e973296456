"""What is remembered for a while, moved along when the wall clock is moved.

A pause of a quarter of an hour stays one, and so do a break, the rest of a number, the life of
a code and the time in which two tellings are one report. A clock that ran eight hours ahead,
as one set to local time does until it is put right, would else make eight hours of each.
"""

from dataclasses import replace
from typing import Final

from gateway.core.calls.whereabouts import LastSeen, OnBreak
from gateway.core.guard_reports.report import GuardReport
from gateway.core.order import Entity, NumberLease
from gateway.core.people import EnrolmentCode, Tries
from gateway.core.readiness.settings import ChannelHeard, CoverGap, Notice
from gateway.core.state import Draft
from gateway.core.talk.overs import Recording

# Entities with the fields that are compared with the clock to see how much time has passed.
_SPANS: Final[tuple[tuple[type[Entity], tuple[str, ...]], ...]] = (
    (Tries, ("since_us",)),
    (OnBreak, ("until_us",)),
    (NumberLease, ("free_us",)),
    (EnrolmentCode, ("expires_us",)),
    (LastSeen, ("at_us",)),
    (GuardReport, ("last_us",)),
    (ChannelHeard, ("at_us",)),
    (CoverGap, ("told_us",)),
    (Notice, ("due_us",)),
    (Recording, ("began_us",)),
)


def move_spans(draft: Draft, by_us: int) -> None:
    """Move what counts from, or until, a moment of a clock that was moved."""
    for kind, fields in _SPANS:
        for entity in list(draft.state.each(kind)):
            then = {name: getattr(entity, name) for name in fields}
            moved = {n: us + by_us for n, us in then.items() if us is not None}
            draft.put(replace(entity, **moved))
