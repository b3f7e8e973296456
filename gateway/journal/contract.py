"""What a journal promises: the durable record, whatever it is kept in."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from gateway.core.after.events import PriorOrder
from gateway.core.effects import Receipt, ReportStatus
from gateway.core.events import Event
from gateway.core.order import Change, Entity
from gateway.interfaces import Cursor, JournalError, OutboxEffect, Outgoing


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One transaction of the journal.

    Attributes:
        event: What happened.
        changes: The changes it caused, in order.
        outbox: Effects that must reach a driver: (driver name, effect).
        reports: Timeline nodes, as ``ReportStatus``.
        receipt: What the centre was answered, kept in the row.
        settles: Outbox rows this ends.
        cursor: Source position to store.
        settings: Settings version in force.
        at_us: Wall time of the row.
        mono_us: Monotonic time of the row.
    """

    event: Event
    changes: tuple[Change, ...]
    outbox: tuple[tuple[str, OutboxEffect], ...]
    reports: tuple[ReportStatus, ...]
    receipt: Receipt | None
    settles: tuple[int, ...]
    cursor: Cursor | None
    settings: str
    at_us: int
    mono_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a commit gave: the row's number and the ids of its outbox rows, in order."""

    seq: int
    outbox_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """Another journal was here before this empty one.

    Attributes:
        kept_as: Name under which it lies beside this one; empty where it was not there.
    """

    kept_as: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What stands in the journal at start.

    Attributes:
        seq: Number of the last row, 0 when new.
        last_at_us: Wall time of the last row, 0 when new.
        last_mono_us: Monotonic time of the last row, None unless it is of this same boot.
        entities: Every entity that is not of a closed order (projection).
        outbox: Rows not settled: (driver name, outgoing with ``again`` where it had started).
        cursors: Source positions.
        replaced: What was here before, where this one begins anew; None where it goes on.
    """

    seq: int
    last_at_us: int
    entities: tuple[Entity, ...]
    outbox: tuple[tuple[str, Outgoing], ...]
    cursors: Mapping[str, str] = field(default_factory=dict)
    last_mono_us: int | None = None
    replaced: Replaced | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A point of the hash chain; told to places this host cannot edit, it proves the past.

    Attributes:
        seq: Journal number of a row, 0 for the empty journal.
        hash: That row's chained SHA-256 in hex.
    """

    seq: int
    hash: str


@runtime_checkable
class Journal(Protocol):
    """The durable record. One writer; every form passes the same contract suite."""

    async def recover(self) -> Recovered:
        """Open it and return what stands in it; called once, before anything else.

        Raises:
            JournalError: It is damaged.
            SetupError: A technician must act: another daemon writes it, it cannot be opened.
        """
        ...

    def append(self, entry: Entry) -> "asyncio.Future[Written]":
        """Queue a transaction; the future is done once it is on the disk.

        Transactions are written, and their futures done, in the order of the calls.

        Raises:
            ValueError: At once: this entry cannot be journalled (a lone surrogate, NUL, a
                float, a wrong type); nothing of it was queued and the journal goes on.
            JournalError: At once or when awaited: the journal cannot be written any more, or
                is closed.
        """
        ...

    def note(
        self,
        *,
        started: Sequence[int] = (),
        settled: Sequence[int] = (),
        cursors: Sequence[Cursor] = (),
    ) -> None:
        """Mark outbox rows and source positions with the next group commit; does not wait."""
        ...

    async def find_alert(
        self, sender: str, alert_id: str
    ) -> tuple[str, str | None, str | None] | None:
        """Return (sha256, order, number) of an alert of any age, or None."""
        ...

    async def find_order(self, order: str) -> PriorOrder | None:
        """Return an order of any age with its people's parts, or None."""
        ...

    async def erase(self, owner: str) -> None:
        """Return once the personal data of a person can be read nowhere in the journal.

        Entities come back with （已删除） in their place; the hash chain stays valid.
        """
        ...

    async def probe(self) -> None:
        """Return once a write of no meaning has reached the disk, to prove that one can."""
        ...

    async def failure(self) -> JournalError:
        """Return, at once or one day, why nothing can be written any more."""
        ...

    def anchor(self) -> Anchor:
        """Return the last row known to be on the disk."""
        ...

    async def close(self) -> None:
        """Write what is queued and close."""
        ...
