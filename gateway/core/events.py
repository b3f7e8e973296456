"""All that can happen, as told to the core: past participles, decoded and checked at the edge.

What a room of the core takes stands in the room's own ``events``; here is what concerns the
whole site, and the list of all. ``at_us`` is when it happened by the wall clock, UTC
microseconds. ``boot`` and monotonic time are added to the row by the journal.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

from gateway.core.after.events import AFTER_EVENTS, AfterEvent
from gateway.core.answers.events import ANSWER_EVENTS, AnswerEvent
from gateway.core.calls.events import CALL_EVENTS, DELIVERY_EVENTS, CallEvent, DeliveryEvent
from gateway.core.guard_reports.report import ReportActed
from gateway.core.intake.events import INTAKE_EVENTS, IntakeEvent
from gateway.core.policy.events import RELEASE_EVENTS, ReleaseEvent
from gateway.core.readiness.event_plan import PLAN_EVENTS, PlanEvent
from gateway.core.readiness.events import READINESS_EVENTS, ReadinessEvent
from gateway.core.register.events import (
    PERSON_EVENTS,
    REGISTER_EVENTS,
    PersonEvent,
    RegisterEvent,
)
from gateway.core.talk.events import TALK_EVENTS, TalkEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRefused:
    """Something came that nothing can be done with; kept so that nothing is lost.

    Attributes:
        door: Where it came in: ``http``, ``mqtt``, ``chat:<id>``, ``channel:<id>``.
        reason: What is wrong with it, naming the field.
        raw: The first 4096 bytes, base64; may hold anything, so it is personal.
    """

    at_us: int
    door: str
    reason: str
    raw: str = field(default="", metadata={"personal": None})


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingsExpired:
    """What was kept has served its time and is about to be taken away.

    Attributes:
        recordings: How many recordings of the air.
        media: How many photos and voice notes.
        recordings_before_us: Recordings older than this go, UTC microseconds.
        media_before_us: Photos and voice notes older than this go.
        held: How many stay although they are older, for an order that is open.
        positions: How many positions of persons are made unreadable in the journal.
        positions_before_us: Those of rows older than this; None where nobody looked.
        values: How many other values of persons: names, accounts, words.
        values_before_us: Those of rows older than this.
    """

    at_us: int
    recordings: int
    media: int
    recordings_before_us: int
    media_before_us: int
    held: int = 0
    positions: int = 0
    positions_before_us: int | None = None
    values: int = 0
    values_before_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerFired:
    """A moment the core asked for has come.

    Attributes:
        timer: Timer id.
        due_us: Which moment it was set for: one that was moved meanwhile means nothing. None
            where only the timer as it stands now can be meant.
    """

    at_us: int
    timer: str
    due_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PathChanged:
    """A way to people was lost or works again."""

    at_us: int
    path: str
    up: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The engine is up.

    Attributes:
        down_us: How long it was away, by the last row's wall clock; 0 on the first start.
        synchronised: False while our clock is not to be trusted: unset, or behind the last row.
    """

    at_us: int
    down_us: int
    synchronised: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalReplaced:
    """The journal was damaged, or not there, and another was begun with this row.

    Attributes:
        kept_as: Name of the file that was put aside, beside the new one; empty where there
            was none.
        backup: Name of the last good copy, or None.
    """

    at_us: int
    kept_as: str
    backup: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskRoomChanged:
    """The disk of the state folder has less room, or more again.

    Attributes:
        room: ``low`` and ``short``: somebody should make room; ``full``: the reserve has been
            given up for alerts.
        free_mb: What is left, MiB.
    """

    at_us: int
    room: Literal["enough", "low", "short", "full"]
    free_mb: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStepped:
    """The wall clock was moved, against the monotonic one.

    Attributes:
        at_us: Wall time after it.
        by_us: How far, microseconds; negative when it was set back.
    """

    at_us: int
    by_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsReloaded:
    """New settings are in force."""

    at_us: int
    version: str
    by: str


SiteEvent = (
    InputRefused
    | RecordingsExpired
    | TimerFired
    | PathChanged
    | Started
    | ClockStepped
    | JournalReplaced
    | DiskRoomChanged
    | SettingsReloaded
)

Event = (
    SiteEvent
    | IntakeEvent
    | DeliveryEvent
    | CallEvent
    | AnswerEvent
    | ReportActed
    | AfterEvent
    | ReleaseEvent
    | RegisterEvent
    | PersonEvent
    | ReadinessEvent
    | PlanEvent
    | TalkEvent
)

EVENT_TYPES: Final[tuple[type[Event], ...]] = (
    InputRefused, RecordingsExpired, TimerFired, PathChanged, Started, ClockStepped,
    JournalReplaced, DiskRoomChanged, SettingsReloaded,
    *INTAKE_EVENTS,
    *DELIVERY_EVENTS,
    *CALL_EVENTS,
    *ANSWER_EVENTS,
    ReportActed,
    *AFTER_EVENTS,
    *RELEASE_EVENTS,
    *REGISTER_EVENTS,
    *PERSON_EVENTS,
    *READINESS_EVENTS,
    *PLAN_EVENTS,
    *TALK_EVENTS,
)  # fmt: skip
