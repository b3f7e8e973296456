"""What the rooms promise one another: protocols, value types on the border, and errors."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from gateway.core.effects import ChatEffect, ForgetAddress, RadioEffect, Receipt, ReportStatus
from gateway.core.events import Event
from gateway.core.intake.events import AlertReceived, MessageNoted


class GridcallError(Exception):
    """Something went wrong that somebody can act on; the message says who and how."""


class LinkError(GridcallError):
    """The other side is away or slow: trying again is right."""


class SetupError(GridcallError):
    """A technician must change something: a setting, a cable, a permission."""


class WireError(GridcallError):
    """The other side broke the protocol or sent nonsense."""


class JournalError(GridcallError):
    """The journal cannot be trusted or written; the engine must stop."""


class WallClock(Protocol):
    """The one source of wall time."""

    def now_us(self) -> int:
        """Return UTC microseconds since 1970."""
        ...

    def synchronised(self) -> bool:
        """Return whether the time is to be trusted (set by NTP or plausible)."""
        ...


class AlertFormat(Protocol):
    """A way beside our own JSON in which a centre writes, and is answered."""

    @property
    def content_type(self) -> str:
        """What it is called on the wire, such as ``application/cap+xml``."""
        ...

    @property
    def limit_bytes(self) -> int:
        """The longest message that is read."""
        ...

    @property
    def reports(self) -> bool:
        """Whether what becomes of an alert is told in it as well."""
        ...

    def recognises(self, raw: bytes) -> bool:
        """Return whether a message is written so, where nothing says how it is written."""
        ...

    def decode(
        self, raw: bytes, *, door: str, now_us: int, synchronised: bool
    ) -> AlertReceived | MessageNoted:
        """Return the event that a message is.

        Raises:
            Refusal: Something is wrong with it; the element is named.
        """
        ...

    def answer(self, raw: bytes, receipt: Mapping[str, object], at_us: int) -> bytes:
        """Return what the sender of a message gets; ``receipt`` as in ``receipt_json``."""
        ...

    def report(self, report: "Report", about: str, *, exercise: bool) -> bytes:
        """Return a timeline node; ``about`` is the ``sender,id,sent`` of its alert."""
        ...


OutboxEffect = RadioEffect | ChatEffect | ForgetAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One effect on its way to a driver.

    Attributes:
        id: Outbox row; told back in ``settles`` when it is done with.
        effect: What to do.
        again: It may have left before (the engine died in between): mark it 重发 / 重复.
    """

    id: int
    effect: OutboxEffect
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """How far a source has been taken in; stored in the transaction of what it brought.

    Attributes:
        source: Such as ``telegram:work`` or ``radio``.
        position: The source's own mark, such as an update offset or ``boot:seq``.
    """

    source: str
    position: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """What the engine answers once an event is on the disk.

    Attributes:
        seq: Journal number of the event's row.
        receipt: For messages of the centre: what became of them.
    """

    seq: int
    receipt: Receipt | None = None


class Intake(Protocol):
    """Where drivers and doors hand events in."""

    async def submit(
        self, event: Event, *, settles: Sequence[int] = (), cursor: Cursor | None = None
    ) -> Committed:
        """Return once the event and all it caused is on the disk.

        Args:
            event: What happened.
            settles: Outbox rows that this event is the end of.
            cursor: Position of the source, stored in the same transaction.
        """
        ...

    def started(self, outbox_id: int) -> None:
        """Note that an outbox row is about to leave, so that a crash marks it ``again``."""
        ...

    def settle(self, outbox_id: int) -> None:
        """Note that an outbox row is done with and nothing came of it worth a row."""
        ...

    def note_cursor(self, cursor: Cursor) -> None:
        """Note how far a source has come where no event says so.

        It joins the next group commit; after a crash the source is read again from before it.
        """
        ...

    async def cursor(self, source: str) -> str | None:
        """Return the position last stored for a source, or None."""
        ...


class Driver(Protocol):
    """One way to the outside. Each has its own supervised task."""

    name: str

    async def run(self, intake: Intake) -> None:
        """Work until cancelled. Raise LinkError to be restarted after a back-off."""
        ...

    def deliver(self, outgoing: Outgoing) -> None:
        """Take an effect; never blocks. Called only after its transaction is on the disk."""
        ...


@dataclass(frozen=True, slots=True)
class Reading:
    """One figure of a driver's, for ``/metrics``.

    Attributes:
        name: Its name, the unit last; one that only grows ends with ``_total``.
        says: What it is, one line, the same for every label.
        value: How much.
        labels: What it is of; the same names for all readings of a name.
    """

    name: str
    says: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class Measured(Protocol):
    """A driver that has figures of its own."""

    def readings(self) -> Iterable[Reading]:
        """Return how it stands now; never blocks."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One timeline node as the doors publish it (see the event schema).

    Attributes:
        seq: Journal number of the row it stands in.
        part: Which report of that row, from 0.
        name: The person's name, joined at reading; None after erasure.
        grid: Grid id it is about where no order says so.
        post: Post id, likewise.
        media: What came with it: files below the media folder, paths of recordings.
    """

    seq: int
    part: int
    at_us: int
    order: str | None
    number: str | None
    node: str
    person: str | None
    name: str | None
    medium: str | None
    assurance: str | None
    detail: str | None
    grid: str | None = None
    post: str | None = None
    media: tuple[str, ...] = ()

    @classmethod
    def of(cls, status: ReportStatus, seq: int, part: int, name: str | None) -> "Report":
        """Return a node as the core reported it, with the name of the person it is about."""
        return cls(
            seq=seq,
            part=part,
            at_us=status.at_us,
            order=status.order,
            number=status.number,
            node=status.node,
            person=status.person,
            name=name,
            medium=status.medium,
            assurance=status.assurance,
            detail=status.detail,
            grid=status.grid,
            post=status.post,
            media=status.media,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which recordings are looked for; what is None does not matter.

    Attributes:
        from_us: Begun at this moment or later, UTC microseconds.
        to_us: Begun before this moment.
        channel: Channel id; also where the dispatcher's own voice went.
        person: Person id of who spoke.
        order: Order id that was spoken or answered.
        limit: At most so many, the newest.
    """

    from_us: int = 0
    to_us: int = 2**62
    channel: str | None = None
    person: str | None = None
    order: str | None = None
    limit: int = 200

    def takes(self, found: Mapping[str, object]) -> bool:
        """Return whether a recording is looked for."""
        began_us = found["at_us"]
        assert isinstance(began_us, int)
        if self.channel is not None:
            also = found.get("channels")
            places = [found["channel"], *(also if isinstance(also, list) else ())]
            if self.channel not in places:
                return False
        wished = {"person": self.person, "order": self.order}
        return self.from_us <= began_us < self.to_us and all(
            value is None or found[name] == value for name, value in wished.items()
        )


class Queries(Protocol):
    """What the doors may ask. Values are JSON-ready: str, int, bool, None, list, dict."""

    async def orders(self, *, open_only: bool, limit: int) -> list[dict[str, object]]:
        """Return orders, newest first: id, number, status, alert, grids, flags, people."""
        ...

    async def order(self, order: str) -> dict[str, object] | None:
        """Return one order with its whole timeline, or None."""
        ...

    async def recordings(self, wanted: Wanted) -> list[dict[str, object]]:
        """Return recordings of the air, newest first."""
        ...

    async def recording(self, seq: int) -> dict[str, object] | None:
        """Return the recording that a row of the journal tells of, or None."""
        ...

    async def reports(self, *, after_seq: int, limit: int) -> list[Report]:
        """Return reports of rows after ``after_seq``, oldest first."""
        ...

    def follow(self, *, after_seq: int) -> AsyncIterator[Report]:
        """Yield reports after ``after_seq`` for ever, each once it is on the disk."""
        ...

    def own_people(self, organisation: str) -> frozenset[str]:
        """Return the ids of everybody of a body, of those who have left as well."""
        ...

    def concerns(self, order: str, organisation: str) -> bool:
        """Return whether a body raised a live order, or has people in it."""
        ...

    def people(self) -> list[dict[str, object]]:
        """Return the register: id, name, role, organisation, chats, active, fields."""
        ...

    def guard_reports(self) -> list[dict[str, object]]:
        """Return guards' reports in memory with what became of each, newest first."""
        ...

    def duty(self, *, days: int, person: str | None, grid: str | None) -> dict[str, object]:
        """Return who stands which shift in the days to come, and what was changed by hand."""
        ...

    def health(self) -> dict[str, object]:
        """Return ok, site, version, journal seq, age of the last commit, paths, open orders."""
        ...

    def metrics(self) -> str:
        """Return the Prometheus text."""
        ...


class Control(Protocol):
    """What the command line and later the console may ask of the running daemon."""

    async def reload(self, path: str) -> dict[str, object]:
        """Put new settings in force, all or nothing; ``{"ok": bool, "errors": [str]}``."""
        ...

    async def enrol(self, person: str, *, by: str = "") -> dict[str, object]:
        """Issue a one-time code; ``{"ok": bool, "code": str, "expires": str}``."""
        ...

    async def leave(self, person: str, *, by: str = "") -> dict[str, object]:
        """Strike a person from duty at once."""
        ...

    async def erase(self, person: str, *, by: str = "") -> dict[str, object]:
        """Strike a person off and make his name, accounts and words unreadable for ever."""
        ...

    async def switch_talk(
        self, group: str, *, on: bool, for_s: int | None, by: str
    ) -> dict[str, object]:
        """Patch a talk group or part it; ``{"ok": bool, "until_us": int | None}``."""
        ...

    def people(self) -> list[dict[str, object]]:
        """Return the register: id, name, role, organisation, chats, active, fields."""
        ...

    def duty(self, *, days: int, person: str | None, grid: str | None) -> dict[str, object]:
        """Return the shifts of the days to come: ``{"ok", "days", "shifts", "changes"}``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the composition root gives every driver it builds.

    Attributes:
        site: Site id.
        language: Language of what a driver itself says.
        base_dir: Folder of the settings file, for secrets.
        state_dir: Folder of everything we keep.
        clock: Wall time.
        queries: What may be read.
        formats: How a centre may write beside our own JSON.
    """

    site: str
    language: str
    base_dir: Path
    state_dir: Path
    clock: WallClock
    queries: Queries
    formats: Sequence[AlertFormat] = ()

    @property
    def media_dir(self) -> Path:
        """Folder of photos, voice notes and uploads."""
        return self.state_dir / "media"

    @property
    def recordings_dir(self) -> Path:
        """Folder of the recordings of the air."""
        return self.state_dir / "recordings"

    @property
    def radio_socket(self) -> Path:
        """Socket on which the radio process serves the engine."""
        return self.state_dir / "radio.sock"
