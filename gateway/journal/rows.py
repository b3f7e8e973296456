"""Journal rows: an entry written out as canonical text, chained, and read back."""

import hashlib
import re
from typing import Final, NamedTuple

from gateway.core.effects import ReportStatus
from gateway.core.events import Event
from gateway.core.order import Change, Order, Put
from gateway.core.people import Contact
from gateway.interfaces import Cursor, OutboxEffect
from gateway.journal.codec import Plain, canonical, clean, fact, quote, written
from gateway.journal.contract import Entry
from gateway.journal.seal import Batch, Sealed, Sealer

# What the first row's ``prev`` holds.
GENESIS: Final = bytes(32)
# A row of 2,000 seeded people has some 3 MB; near this limit is a mistake or an attack.
MAX_BODY_CHARS: Final = 16 * 1024 * 1024

_SEALED: Final = re.compile(r'\{"sealed":"([0-9a-f]{64})"\}')


class Row(NamedTuple):
    """One chained row as it stands in the table, without its hashes."""

    seq: int
    boot: str
    at_us: int
    mono_us: int
    settings: str
    kind: str
    order: str | None
    body: str


def row_hash(prev: bytes, row: Row) -> bytes:
    """Return SHA-256("gwj1" ‖ prev ‖ canonical row)."""
    text = (
        f'{{"at_us":{row.at_us},"body":{row.body},"boot":{quote(row.boot)},'
        f'"kind":{quote(row.kind)},"mono_us":{row.mono_us},"order":{quote(row.order)},'
        f'"seq":{row.seq},"settings":{quote(row.settings)}}}'
    )
    return hashlib.sha256(b"gwj1" + prev + text.encode("utf-8", "surrogatepass")).digest()


class Upsert(NamedTuple):
    """A Put, written out."""

    kind: str
    key: str
    order: str | None
    body: str

    @property
    def text(self) -> str:
        """Return it as it stands in the row."""
        return f'["put","{self.kind}",{quote(self.key)},{self.body}]'


class Removal(NamedTuple):
    """A Drop, written out."""

    kind: str
    key: str

    @property
    def text(self) -> str:
        """Return it as it stands in the row."""
        return f'["drop",{quote(self.kind)},{quote(self.key)}]'


class Posting(NamedTuple):
    """One effect for the outbox, written out."""

    driver: str
    kind: str
    body: str
    level: int | None
    not_after_us: int | None

    def text(self, outbox_id: int) -> str:
        """Return what the row says of it."""
        limits = f'"level":{quote(self.level)},"not_after_us":{quote(self.not_after_us)}'
        return (
            f'{{"driver":{quote(self.driver)},"id":{outbox_id},"kind":"{self.kind}",'
            f'{limits},"sha256":"{digest(self.body)}"}}'
        )

    def account(self, outbox_id: int) -> Plain:
        """Return enough to prove the outbox table right."""
        return {
            "driver": self.driver,
            "id": outbox_id,
            "kind": self.kind,
            "level": self.level,
            "not_after_us": self.not_after_us,
            "sha256": digest(self.body),
        }


class Noted(NamedTuple):
    """One report, written out."""

    order: str | None
    at_us: int
    body: str


class Prepared(NamedTuple):
    """A transaction written out, but for the numbers that only the writer knows."""

    at_us: int
    mono_us: int
    settings: str
    kind: str
    order: str | None
    changes: tuple[Upsert | Removal, ...]
    outbox: tuple[Posting, ...]
    reports: tuple[Noted, ...]
    settles: tuple[int, ...]
    cursor: tuple[str, str] | None
    head: str
    tail: str
    personal: tuple[Sealed, ...]
    keys: tuple[tuple[str, bytes], ...]

    def body(self, first_outbox_id: int) -> str:
        """Return the row's canonical body, its outbox numbered from ``first_outbox_id``."""
        posts = (p.text(first_outbox_id + offset) for offset, p in enumerate(self.outbox))
        return f"{self.head}{','.join(posts)}{self.tail}"


def digest(text: str) -> str:
    """Return the SHA-256 of a text in hex."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def prepare(entry: Entry, sealer: Sealer) -> Prepared:
    """Return the transaction written out and its personal values sealed.

    Raises:
        ValueError: Something in it cannot be journalled; nothing has been queued.
    """
    _learn_accounts(entry.changes, sealer)
    batch = sealer.batch()
    changes = tuple(_change(change, batch) for change in entry.changes)
    # Each effect is sealed apart from everything else: once it is settled, what it said goes.
    batches = [sealer.batch() for _ in entry.outbox]
    outbox = tuple(
        _posting(driver, effect, own)
        for own, (driver, effect) in zip(batches, entry.outbox, strict=True)
    )
    reports = tuple(_noted(report, batch) for report in entry.reports)
    event_text = written(entry.event, batch)
    receipt = "null" if entry.receipt is None else written(entry.receipt, batch)
    cursor = None if entry.cursor is None else clean_cursor(entry.cursor)
    # Keys in their sorted order: changes, cursor, event, outbox, receipt, reports, settles.
    head = (
        f'{{"changes":[{",".join(c.text for c in changes)}],"cursor":{quote(cursor)},'
        f'"event":{event_text},"outbox":['
    )
    tail = (
        f'],"receipt":{receipt},"reports":[{",".join(r.body for r in reports)}],'
        f'"settles":{canonical(entry.settles)}}}'
    )
    if len(head) + len(tail) > MAX_BODY_CHARS:
        raise ValueError(
            f"{type(entry.event).__name__}: larger than {MAX_BODY_CHARS} characters"
        )
    return Prepared(
        at_us=_int64("at_us", entry.at_us),
        mono_us=_int64("mono_us", entry.mono_us),
        settings=clean(entry.settings),
        kind=type(entry.event).__name__,
        order=_order_of_row(entry.event, changes, reports),
        changes=changes,
        outbox=outbox,
        reports=reports,
        settles=tuple(_int64("settles", outbox_id) for outbox_id in entry.settles),
        cursor=cursor,
        head=head,
        tail=tail,
        personal=tuple(row for part in (batch, *batches) for row in part.rows),
        keys=tuple({k: v for part in (batch, *batches) for k, v in part.keys.items()}.items()),
    )


def _learn_accounts(changes: tuple[Change, ...], sealer: Sealer) -> None:
    for change in changes:
        if isinstance(change, Put) and isinstance(change.entity, Contact):
            contact = change.entity
            sealer.learn(clean(contact.chat), clean(contact.address), clean(contact.person))


def _change(change: Change, batch: Batch) -> Upsert | Removal:
    if not isinstance(change, Put):
        return Removal(clean(change.kind), clean(change.key))
    entity = change.entity
    order = fact(entity, "id" if isinstance(entity, Order) else "order")
    return Upsert(entity.KIND, clean(entity.key), order, written(entity, batch))


def _posting(driver: str, effect: OutboxEffect, batch: Batch) -> Posting:
    return Posting(
        driver=clean(driver),
        kind=type(effect).__name__,
        body=written(effect, batch),
        level=_optional_int64("level", fact(effect, "level")),
        not_after_us=_optional_int64("not_after_us", fact(effect, "not_after_us")),
    )


def _noted(report: ReportStatus, batch: Batch) -> Noted:
    text = written(report, batch)
    return Noted(fact(report, "order"), _int64("at_us", report.at_us), text)


def clean_cursor(cursor: Cursor) -> tuple[str, str]:
    """Return (source, position) as they are stored; ValueError when they cannot be."""
    return clean(cursor.source), clean(cursor.position)


def _order_of_row(
    event: Event, changes: tuple[Upsert | Removal, ...], reports: tuple[Noted, ...]
) -> str | None:
    """Return the one order a row is about, or None when it is about none or several."""
    named = fact(event, "order")
    if isinstance(named, str):
        return named
    orders = {change.order for change in changes if isinstance(change, Upsert)}
    orders |= {report.order for report in reports}
    orders.discard(None)
    return orders.pop() if len(orders) == 1 else None


def _int64(name: str, value: object) -> int:
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise ValueError(f"{name}: not a whole number of 64 bits")
    return value


def _optional_int64(name: str, value: object) -> int | None:
    return None if value is None else _int64(name, value)


def sealed_in(text: str) -> list[str]:
    """Return the commitments that stand in canonical text.

    Quotes within text are escaped there, so nothing that somebody wrote can look like one.
    """
    return _SEALED.findall(text) if '"sealed"' in text else []
