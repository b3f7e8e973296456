"""The order and everything that hangs on it, as small entities, and the state they make up.

Every change of the state is the putting or dropping of one entity. A journal row carries the
changes its event caused; folding them again gives the same state without deciding anything.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import ClassVar, Literal

from gateway.core.after.entities import FollowUp, LegalHold, Photo, PhotoPost
from gateway.core.alert import Alert, Assurance, Medium
from gateway.core.calls.saying import Saying
from gateway.core.calls.whereabouts import LastSeen, OnBreak
from gateway.core.guard_reports.report import GuardReport
from gateway.core.intake.machines import MachineHost, Merged
from gateway.core.people import Contact, EnrolmentCode, LostRadio, Person, Role, Tries
from gateway.core.policy.held import Delegation, Held
from gateway.core.readiness.event_plan import PlanRun
from gateway.core.readiness.settings import (
    READINESS_ENTITIES,
    ChannelHeard,
    CoverGap,
    Drill,
    MissedRolls,
    Notice,
    Power,
)
from gateway.core.roster import DutyChanges
from gateway.core.talk.overs import Recording, Talk, TalkSwitch


class OrderStatus(StrEnum):
    """Where an order stands; the edges are the table in ``gateway.core.life``."""

    CALLING = "calling"
    ACKNOWLEDGED = "acknowledged"
    ARRIVED = "arrived"
    DONE = "done"
    HANDED_OVER = "handed_over"
    UNANSWERED = "unanswered"
    HELD = "held"
    CANCELLED = "cancelled"
    CLOSED = "closed"


class Node(StrEnum):
    """A point of a person's timeline."""

    TOLD = "told"
    ACKNOWLEDGED = "acknowledged"
    EN_ROUTE = "en_route"
    ARRIVED = "arrived"
    NEED_HELP = "need_help"
    DONE = "done"
    HANDOVER = "handover"
    DECLINED = "declined"
    RELEASED = "released"
    LAPSED = "lapsed"
    STOOD_DOWN = "stood_down"
    RECALLED = "recalled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """When and how a node was reached."""

    node: Node
    at_us: int
    medium: Medium
    assurance: Assurance


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An alert as addressed to people.

    Attributes:
        id: Our id, ``o<counter>``; fits signed button data.
        number: Two or three digits, the same on the air and in chat.
        status: See the table.
        alert: The alert, with the latest amendments.
        grids: Grid ids addressed, own grid first.
        opened_us: When it was accepted, UTC microseconds.
        clock_us: Where its clocks start: ``sent``, or receipt when the clocks differ by > 30 s.
        flags: ``clock_skew``, ``clock_unset``, ``clock_stepped``, ``clock_doubt``: its times of
            before it was opened again, or since a start with the clock unset, cannot be
            compared, ``no_grid``, ``nobody``,
            ``expired``, ``update_first``, ``border``: its place is on the border of two grids,
            ``exercise``: it is a drill, ``aborted``: a live order ended it,
            ``wide``: its area reaches over more grids than are called, ``merged``: it holds
            more alarms of machines than its own. ``held``: guards are not told, ``cleared``:
            somebody has let it go, ``in_danger``: somebody on it has called for help,
            ``update_held``: an amendment waits, ``reworded`` and
            ``beyond_powers``: its text asked for more than guards may do.
        rung: How many rungs of the ladder have been climbed.
        revision: How many amendments it has had.
        owner: Person id who is accountable now, or ``@desk`` for whoever is at the centre's
            desk; None only in orders of before there was one at every moment.
        closed_us: When it was closed or cancelled.
        outcome: Result or reason of the end, as the centre gave it.
        result: Code of the result, of the settings' closed list, or None.
        settings: Settings version it was routed by.
        template: Version of the words it was first said in, or None for the usual ones.
    """

    KIND: ClassVar[str] = "order"

    id: str
    number: str
    status: OrderStatus
    alert: Alert
    grids: tuple[str, ...]
    opened_us: int
    clock_us: int
    flags: tuple[str, ...] = field(default=())
    rung: int = 0
    revision: int = 0
    owner: str | None = None
    closed_us: int | None = None
    outcome: str | None = None
    result: str | None = None
    settings: str = ""
    template: str | None = None

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return self.id

    @property
    def open(self) -> bool:
        """Whether somebody still has to act on it."""
        return self.closed_us is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One person's part in one order, with his timeline.

    Attributes:
        order: Order id.
        person: Person id.
        role: As what he was called.
        rung: On which rung he was called, 0 at once.
        stamps: Nodes reached, in the order they were reached.
        reason: Why he cannot come, if he said so.
        point: Blocking point that he, or his team, was given, by its name.
        team: Team he was called with, or None.
        leads: Whether he leads it: his answer is the team's.
        asked_us: Since when an answer is awaited whether he is still on it, or None.
        off: Whether he was called off while the order went on.
    """

    KIND: ClassVar[str] = "assignment"

    order: str
    person: str
    role: Role
    rung: int = 0
    stamps: tuple[Stamp, ...] = field(default=())
    reason: str | None = field(default=None, metadata={"personal": "person"})
    point: str | None = None
    team: str | None = None
    leads: bool = False
    asked_us: int | None = None
    off: bool = False

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return f"{self.order}/{self.person}"

    @property
    def said(self) -> tuple[Stamp, ...]:
        """Return the stamps but for having been told: what he said, or was said for him."""
        return tuple(s for s in self.stamps if s.node is not Node.TOLD)

    def stamped(self, *fresh: Stamp, since_us: int = 0) -> "Assignment":
        """Return it with stamps added; a clock set back does not turn his time around.

        Args:
            fresh: The stamps.
            since_us: Before what none lies: when the order was opened.
        """
        floor_us = self.stamps[-1].at_us if self.stamps else since_us
        later = (replace(s, at_us=max(s.at_us, floor_us)) for s in fresh)
        return replace(self, stamps=(*self.stamps, *later))

    def stamp(self, node: Node) -> Stamp | None:
        """Return the first stamp of ``node``, or None when it was not reached."""
        return next((s for s in self.stamps if s.node is node), None)


class DeliveryState(StrEnum):
    """Where one delivery stands; edges in ``gateway.core.delivery``."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    ANSWERED = "answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An order reaching, or failing to reach, one person over one medium.

    Attributes:
        via: Page id or card id that carries it.
        reason: Why it failed, expired or was withdrawn.
    """

    KIND: ClassVar[str] = "delivery"

    order: str
    person: str
    medium: Medium
    via: str
    state: DeliveryState = DeliveryState.PENDING
    reason: str | None = None

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return f"{self.via}/{self.person}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One transmission of one order on one channel.

    Attributes:
        id: ``p<counter>``.
        state: ``queued`` → ``on_air`` → ``spoken``, or ``failed``, ``withdrawn``, ``expired``.
        rung: The rung it was sent on, 0 at once.
        purpose: What it says: the order, its repetition, an amendment, a stand-down.
        window_s: How long the channel is kept for answers after it, seconds.
        slots: Person ids that were told to answer one after the other, in this order; empty
            when nobody was given a turn.
        slot_s: How long each turn lasts, seconds.
        waited: Whether it had to wait for a clear channel.
        late: Whether it has waited too long: nobody counts on it any more.
        template: Version of the words it is said in, or None for the usual ones.
        kept: Whether it is spoken although enough have answered: its people were added since.
    """

    KIND: ClassVar[str] = "page"

    id: str
    order: str
    channel: str
    state: Literal["queued", "on_air", "spoken", "failed", "withdrawn", "expired"]
    rung: int
    purpose: Literal["order", "repeat", "update", "stand_down"]
    started_us: int | None = None
    ended_us: int | None = None
    recording: str | None = None
    window_s: int = 15
    slots: tuple[str, ...] = field(default=())
    slot_s: int = 0
    waited: bool = False
    late: bool = False
    template: str | None = None
    kept: bool = False

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One post in a chat about one order: a group's, or one person's own.

    Attributes:
        id: ``c<counter>``.
        chat: Chat id.
        address: Group id, or the person's account (personal, owned by ``person``).
        person: Person id for a private card, None for a group's.
        organisation: Whose office it is for: it shows that body's people only. None for all.
        message: The platform's message id once posted.
        state: ``queued`` → ``posted``, or ``failed``, ``expired``, ``withdrawn``.
        shown: Digest of the text and buttons last asked for, so that no edit is sent twice.
    """

    KIND: ClassVar[str] = "card"

    id: str
    order: str
    chat: str
    address: str = field(metadata={"personal": "person"})
    person: str | None = None
    message: str | None = None
    state: Literal["queued", "posted", "failed", "expired", "withdrawn"] = "queued"
    shown: str = ""
    organisation: str | None = None

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertKey:
    """What became of one (sender, id), so that the same alert makes one order.

    Attributes:
        sha256: Digest of the body first seen; ``awaited`` while only others have named it.
        order: Order id, or None for a tombstone (cancelled before it came).
        number: Order number, for the repeated receipt.
        what: What it was; an alert that was called off is ``cancelled``, and ``incident`` is
            the centre's name of an incident, which leads to its order. What called nobody is
            ``noted``.
        sent_us: When it was sent, UTC microseconds; 0 while it is awaited.
        grid: Grid id it named or lies in, or None.
        to: Whom it said it is meant for, or None.
        names: How many messages it refers to.
    """

    KIND: ClassVar[str] = "alert_key"

    sender: str
    id: str
    sha256: str
    order: str | None
    number: str | None = None
    at_us: int = 0
    what: Literal["alert", "update", "cancel", "cancelled", "incident", "noted"] = "alert"
    sent_us: int = 0
    grid: str | None = None
    to: str | None = None
    names: int = 0

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return f"{self.sender}\n{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberLease:
    """An order number in use; free again 24 h after the close."""

    KIND: ClassVar[str] = "number"

    number: str
    order: str
    free_us: int | None = None

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return self.number


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """A moment the core asked to be woken at.

    Attributes:
        id: ``<what>/<order>[/...]``; putting it again moves it.
        due_us: UTC microseconds.
    """

    KIND: ClassVar[str] = "timer"

    id: str
    order: str
    what: str
    due_us: int

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """Whether a way to people works: ``channel:<id>``, ``chat:<id>``, ``mqtt``."""

    KIND: ClassVar[str] = "path"

    id: str
    up: bool
    since_us: int
    reason: str | None = None

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """The last value given out of a series: ``order``, ``page``, ``card``, ``number_2``."""

    KIND: ClassVar[str] = "counter"

    name: str
    value: int

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return self.name


Entity = (
    Order
    | Assignment
    | Delivery
    | Page
    | Card
    | AlertKey
    | NumberLease
    | Timer
    | Path
    | Counter
    | Person
    | Contact
    | EnrolmentCode
    | LostRadio
    | Tries
    | GuardReport
    | TalkSwitch
    | Talk
    | Recording
    | DutyChanges
    | MachineHost
    | Merged
    | LastSeen
    | OnBreak
    | Saying
    | Photo
    | PhotoPost
    | FollowUp
    | LegalHold
    | Drill
    | Notice
    | MissedRolls
    | CoverGap
    | ChannelHeard
    | Power
    | Held
    | Delegation
    | PlanRun
)

ENTITY_TYPES: tuple[type[Entity], ...] = (
    Order, Assignment, Delivery, Page, Card, AlertKey, NumberLease, Timer, Path, Counter,
    GuardReport,
    Person, Contact, EnrolmentCode, LostRadio, Tries,
    TalkSwitch, Talk, Recording,
    DutyChanges, MachineHost, Merged,
    LastSeen, OnBreak, Saying,
    Photo, PhotoPost, FollowUp, LegalHold,
    *READINESS_ENTITIES,
    Held, Delegation, PlanRun,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Put:
    """The change that sets one entity."""

    entity: Entity


@dataclass(frozen=True, slots=True)
class Drop:
    """The change that removes one entity."""

    kind: str
    key: str


Change = Put | Drop
