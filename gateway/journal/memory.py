"""A journal in memory: the same rows, chain and sealing, without the disk."""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.core.after.events import PriorOrder
from gateway.core.people import Contact
from gateway.interfaces import Cursor, JournalError, Outgoing
from gateway.journal.codec import alert_key_from, effect_from, entity_from, nfc, value_from
from gateway.journal.contract import Anchor, Entry, Recovered, Written
from gateway.journal.prior_order import PRIOR_KINDS, prior_of
from gateway.journal.rows import (
    GENESIS,
    Prepared,
    Row,
    Upsert,
    clean_cursor,
    prepare,
    row_hash,
    sealed_in,
)
from gateway.journal.seal import ERASED, Sealer, unseal


@dataclass(slots=True)
class MemoryTables:
    """What outlives a MemoryJournal, as the file outlives a process."""

    rows: list[tuple[Row, bytes]] = field(default_factory=list)
    entities: dict[tuple[str, str], Upsert] = field(default_factory=dict)
    live: dict[tuple[str, str], None] = field(default_factory=dict)
    of_order: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    outbox: dict[int, tuple[str, str, str]] = field(default_factory=dict)
    unsettled: dict[int, bool] = field(default_factory=dict)
    reports: list[tuple[int, int, str]] = field(default_factory=list)
    cursors: dict[str, str] = field(default_factory=dict)
    personal: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    keys: dict[str, bytes] = field(default_factory=dict)


class MemoryJournal:
    """A journal that a power cut erases: for simulations of whole days on virtual time.

    It writes the same canonical rows, chain and sealed values; only the disk is missing.

    Args:
        boot_id: Stands in every row.
        tables: What a journal before this one left behind, to start again from it.
        draw: Source of random bytes; give a seeded one for repeatable hashes.
    """

    def __init__(
        self,
        *,
        boot_id: str = "memory",
        tables: MemoryTables | None = None,
        draw: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.tables = tables or MemoryTables()
        self._boot_id = boot_id
        self._draw = draw
        self._sealer: Sealer | None = None

    async def recover(self) -> Recovered:
        """Return what stands in it."""
        tables = self.tables
        sealer = self._sealer = Sealer(tables.keys, draw=self._draw)
        last = tables.rows[-1][0] if tables.rows else None
        live = [tables.entities[place] for place in tables.live]
        entities = tuple(entity_from(put.kind, put.body, self._value_of) for put in live)
        for entity in entities:
            if isinstance(entity, Contact):
                sealer.learn(entity.chat, entity.address, entity.person)
        return Recovered(
            seq=len(tables.rows),
            last_at_us=last.at_us if last else 0,
            last_mono_us=last.mono_us if last and last.boot == self._boot_id else None,
            entities=entities,
            outbox=tuple(self._outgoing(outbox_id) for outbox_id in tables.unsettled),
            cursors=dict(tables.cursors),
        )

    def append(self, entry: Entry) -> "asyncio.Future[Written]":
        """Add the row; ValueError when it cannot be journalled."""
        added: asyncio.Future[Written] = asyncio.get_running_loop().create_future()
        added.set_result(self._add(prepare(entry, self._ready())))
        return added

    def note(
        self,
        *,
        started: Sequence[int] = (),
        settled: Sequence[int] = (),
        cursors: Sequence[Cursor] = (),
    ) -> None:
        """Mark outbox rows and source positions."""
        self._ready()
        self.tables.cursors.update(clean_cursor(cursor) for cursor in cursors)
        for outbox_id in started:
            if outbox_id in self.tables.unsettled:
                self.tables.unsettled[outbox_id] = True
        for outbox_id in settled:
            self._settle(outbox_id)

    def _settle(self, outbox_id: int) -> None:
        self.tables.unsettled.pop(outbox_id, None)
        driver, kind, body = self.tables.outbox.get(outbox_id, ("", "", ""))
        for commitment in sealed_in(body):
            self.tables.personal.pop(commitment, None)
        if body:
            self.tables.outbox[outbox_id] = (driver, kind, "")

    async def find_alert(
        self, sender: str, alert_id: str
    ) -> tuple[str, str | None, str | None] | None:
        """Return (sha256, order, number) of an alert of any age, or None."""
        self._ready()
        found = self.tables.entities.get(("alert_key", nfc(f"{sender}\n{alert_id}")))
        return None if found is None else alert_key_from(found.body)

    async def find_order(self, order: str) -> PriorOrder | None:
        """Return an order of any age with its people's parts, or None."""
        self._ready()
        places = sorted(self.tables.of_order.get(order, ()))
        puts = [self.tables.entities[place] for place in places if place[0] in PRIOR_KINDS]
        return prior_of(((put.kind, put.body) for put in puts), self._value_of)

    async def erase(self, owner: str) -> None:
        """Return with the personal data of ``owner`` gone."""
        if not self._ready().knows(owner):
            return
        self._ready().forget(owner)
        self.tables.keys.pop(owner, None)
        gone = [c for c, (whose, _) in self.tables.personal.items() if whose == owner]
        for commitment in gone:
            del self.tables.personal[commitment]

    async def probe(self) -> None:
        """Return at once: memory can always be written."""
        self._ready()
        await asyncio.sleep(0)

    async def failure(self) -> JournalError:
        """Never return: memory does not fail."""
        never: asyncio.Future[JournalError] = asyncio.get_running_loop().create_future()
        return await never

    def anchor(self) -> Anchor:
        """Return the last row."""
        seq = len(self.tables.rows)
        return Anchor(seq=seq, hash=self._last_hash().hex())

    async def close(self) -> None:
        """Refuse everything from now on; the tables stay."""
        self._sealer = None

    def _ready(self) -> Sealer:
        if self._sealer is None:
            raise JournalError("the journal is not open")
        return self._sealer

    def _last_hash(self) -> bytes:
        return self.tables.rows[-1][1] if self.tables.rows else GENESIS

    def _add(self, prepared: Prepared) -> Written:
        tables, first = self.tables, len(self.tables.outbox) + 1
        row = Row(
            len(tables.rows) + 1, self._boot_id, prepared.at_us, prepared.mono_us,
            prepared.settings, prepared.kind, prepared.order, prepared.body(first),
        )  # fmt: skip
        tables.rows.append((row, row_hash(self._last_hash(), row)))
        self._fold(prepared)
        for outbox_id, post in enumerate(prepared.outbox, first):
            tables.outbox[outbox_id] = (post.driver, post.kind, post.body)
            tables.unsettled[outbox_id] = False
        tables.reports += [(row.seq, part, r.body) for part, r in enumerate(prepared.reports)]
        tables.keys.update(prepared.keys)
        for sealed in prepared.personal:
            tables.personal[sealed.commitment.hex()] = (sealed.owner, sealed.cipher)
        if prepared.cursor is not None:
            tables.cursors.update([prepared.cursor])
        for outbox_id in prepared.settles:
            self._settle(outbox_id)
        return Written(seq=row.seq, outbox_ids=tuple(range(first, len(tables.outbox) + 1)))

    def _fold(self, prepared: Prepared) -> None:
        tables = self.tables
        for change in prepared.changes:
            place = (change.kind, change.key)
            before = tables.entities.get(place)
            if before is not None and before.order is not None:
                tables.of_order[before.order].discard(place)
            if isinstance(change, Upsert):
                tables.entities[place] = change
                tables.live[place] = None
                if change.order is not None:
                    tables.of_order.setdefault(change.order, set()).add(place)
                continue
            if change.kind == "number" and before is not None and before.order is not None:
                for retired in tables.of_order[before.order]:
                    tables.live.pop(retired, None)
            tables.entities.pop(place, None)
            tables.live.pop(place, None)

    def _value_of(self, commitment: str) -> object:
        owner, cipher = self.tables.personal.get(commitment, ("", b""))
        key = self.tables.keys.get(owner)
        text = None if key is None else unseal(key, bytes.fromhex(commitment), cipher)
        return ERASED if text is None else value_from(text)

    def _outgoing(self, outbox_id: int) -> tuple[str, Outgoing]:
        driver, kind, body = self.tables.outbox[outbox_id]
        effect = effect_from(kind, body, self._value_of)
        return driver, Outgoing(
            id=outbox_id, effect=effect, again=self.tables.unsettled[outbox_id]
        )
