"""What the journal's tables hold, in the form in which ``said`` has what they should hold."""

import hashlib
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import apsw

from gateway.journal.said import Postings, content_of, sealed_in
from gateway.journal.seal import unseal


@dataclass(slots=True)
class Entities:
    """The projection, in the order of its ids.

    Attributes:
        id: Row of the table.
        place: Hash of (kind, key).
        content: Hash of (order, text).
        live: 1 for what a start reads, else 0.
    """

    id: "array[int]" = field(default_factory=lambda: array("q"))
    place: "array[int]" = field(default_factory=lambda: array("q"))
    content: "array[int]" = field(default_factory=lambda: array("q"))
    live: "array[int]" = field(default_factory=lambda: array("b"))


@dataclass(slots=True)
class Held:
    """All that the tables hold.

    Attributes:
        entities: The projection.
        postings: The outbox.
        beyond: Table → how many of its rows belong to journal rows after the last.
        unsettled: Outbox ids that are not done.
        sources: Sources with a position.
        sealed: Commitments in texts of the outbox.
        personal: Commitment → owner of every sealed value.
        unopened: Commitments whose value is there but not the one committed to.
    """

    entities: Entities = field(default_factory=Entities)
    postings: Postings = field(default_factory=Postings)
    beyond: dict[str, int] = field(default_factory=dict)
    unsettled: set[int] = field(default_factory=set)
    sources: set[str] = field(default_factory=set)
    sealed: set[bytes] = field(default_factory=set)
    personal: dict[bytes, str] = field(default_factory=dict)
    unopened: set[bytes] = field(default_factory=set)


def read_tables(db: apsw.Connection, last_seq: int) -> Held:
    """Return what the tables hold beside the journal's rows up to ``last_seq``."""
    held = Held()
    _read_entities(db, held.entities)
    _read_outbox(db, last_seq, held)
    for table in ("report", "outbox"):
        count = f"SELECT count(*) FROM {table} WHERE seq > ?"  # noqa: S608
        held.beyond[table] = db.execute(count, (last_seq,)).get
    held.sources.update(source for (source,) in db.execute("SELECT source FROM cursor"))
    _read_personal(db, held)
    return held


def _read_entities(db: apsw.Connection, entities: Entities) -> None:
    for id_, kind, key, order, live, text in db.execute(
        "SELECT id, kind, key, order_id, live, CAST(body AS BLOB) FROM entity ORDER BY id"
    ):
        entities.id.append(id_)
        entities.place.append(hash((kind, key)))
        entities.content.append(content_of(order, text))
        entities.live.append(live != 0)


def _read_outbox(db: apsw.Connection, last_seq: int, held: Held) -> None:
    for seq, id_, done, driver, kind, text, level, not_after_us in db.execute(
        "SELECT seq, id, done, driver, kind, CAST(body AS BLOB), level, not_after_us"
        " FROM outbox WHERE seq <= ? ORDER BY id",
        (last_seq,),
    ):
        # What it said was let go when it was settled.
        sha256 = None if done and not text else hashlib.sha256(text).hexdigest()
        held.postings.add(seq, (id_, driver, kind, level, not_after_us), sha256)
        if not done:
            held.unsettled.add(id_)
        if text:
            held.sealed.update(sealed_in(text))


def _read_personal(db: apsw.Connection, held: Held) -> None:
    owners: dict[str, str] = {}
    for commitment, owner, cipher, key in db.execute(
        "SELECT p.commitment, p.owner, p.cipher, k.key"
        " FROM personal p LEFT JOIN person_key k USING (owner)"
    ):
        held.personal[commitment] = owners.setdefault(owner, owner)
        if cipher is not None and (key is None or unseal(key, commitment, cipher) is None):
            held.unopened.add(commitment)


def names_of(db: apsw.Connection, ids: Iterable[int]) -> Iterator[str]:
    """Yield what stands in the projection's rows of these ids, as kind and key."""
    for id_ in ids:
        found = db.execute("SELECT kind, key FROM entity WHERE id = ?", (id_,)).get
        yield "that is gone meanwhile" if found is None else f"{found[0]} {found[1]!r}"
