"""Sealed values that have served their time: which they are, and that they are gone.

Only the side table changes. The chained rows hold commitments, so that the chain, its anchors
and ``verify`` stay as they were; what was committed to is gone for good.
"""

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import apsw

from gateway.journal.reading import reading
from gateway.journal.rows import sealed_in

# Every personal field of that name is ``latitude,longitude`` of somebody.
_PLACE: Final = re.compile(r'"place":\{"sealed":"([0-9a-f]{64})"\}')
_POSITIONS_DONE, _VALUES_DONE = "positions_wiped", "values_wiped"
# So many go in one transaction: an alert waits for no more.
AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Faded:
    """Sealed values whose time is over.

    Attributes:
        positions: Commitments of positions of persons, hex.
        values: Commitments of everything else that was of somebody, hex.
        done: Name → number of the row up to which nothing is left to be looked at.
    """

    positions: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    done: tuple[tuple[str, int], ...] = ()

    def parts(self) -> Iterator[tuple[str, ...]]:
        """Yield all commitments, in parts for one transaction each."""
        both = self.positions + self.values
        for begin in range(0, len(both), AT_ONCE):
            yield both[begin : begin + AT_ONCE]


def faded(
    path: Path,
    *,
    positions_before_us: int,
    values_before_us: int,
    spared: Collection[str] = (),
) -> Faded:
    """Return what stands in rows older than these moments and is still there.

    What the memory still holds stays, and what an unsettled effect says: a name of the register
    is older than the first order of its owner.

    Args:
        path: The journal; its writer may go on.
        positions_before_us: Positions of rows before this go.
        values_before_us: Everything of rows before this goes.
        spared: Ids of orders of which nothing goes: open, or held for a complaint or a court.
    """
    with reading(path) as db:
        kept = _in_use(db)
        places, places_done = _old(db, _POSITIONS_DONE, positions_before_us, spared, kept)
        values, values_done = _old(db, _VALUES_DONE, values_before_us, spared, kept)
        positions = _still_there(db, places)
        rest = _still_there(db, [value for value in values if value not in places])
    done = ((_POSITIONS_DONE, places_done), (_VALUES_DONE, values_done))
    return Faded(tuple(positions), tuple(rest), done)


def _in_use(db: apsw.Connection) -> set[str]:
    """Return what the projection or the outbox still needs.

    Nobody needs a person's last position, nor a report that nobody has to deal with.
    """
    used: set[str] = set()
    for sql in (
        "SELECT body FROM entity WHERE live = 1 AND kind NOT IN ('last_seen', 'guard_report')",
        "SELECT body FROM entity WHERE live = 1 AND kind = 'guard_report'"
        " AND json_extract(body, '$.state') IN ('offered', 'open')",
        "SELECT body FROM outbox WHERE done = 0",
    ):
        for (body,) in db.execute(sql):
            used.update(sealed_in(body))
    return used


def _old(
    db: apsw.Connection, done: str, before_us: int, spared: Collection[str], kept: set[str]
) -> tuple[dict[str, None], int]:
    """Return what old rows name, and the row before the first that has to be read again."""
    begin = db.execute("SELECT value FROM meta WHERE name = ?", (done,)).get or 0
    positions = done == _POSITIONS_DONE
    rows = db.execute(
        "SELECT seq, order_id, body FROM journal WHERE seq > ? AND at_us < ?"
        " AND instr(body, ?) ORDER BY seq",
        (begin, before_us, '"place":{"sealed":"' if positions else '{"sealed":"'),
    )
    found: dict[str, None] = {}
    again: int | None = None
    for seq, order, body in rows:
        named = _PLACE.findall(body) if positions else sealed_in(body)
        here = [value for value in named if value not in kept]
        if order in spared or len(here) < len(named):
            again = seq if again is None else again
        if order not in spared:
            found.update(dict.fromkeys(here))
    young = "SELECT min(seq) FROM journal WHERE seq > ? AND at_us >= ?"
    first_young = db.execute(young, (begin, before_us)).get
    if first_young is None:
        first_young = db.execute("SELECT coalesce(max(seq), 0) + 1 FROM journal").get
    return found, (first_young if again is None else min(again, first_young)) - 1


def _still_there(db: apsw.Connection, values: Collection[str]) -> list[str]:
    sql = (
        "SELECT lower(hex(commitment)) FROM personal WHERE cipher IS NOT NULL"
        " AND commitment IN (SELECT unhex(value) FROM json_each(?))"
    )
    return [value for (value,) in db.execute(sql, (json.dumps(list(values)),))]


def wipe(db: apsw.Connection, values: Collection[str]) -> None:
    """Make sealed values unreadable; for the writer, inside its transaction."""
    these = json.dumps(list(values))
    db.execute(
        "UPDATE personal SET cipher = NULL"
        " WHERE commitment IN (SELECT unhex(value) FROM json_each(?))", (these,)
    )  # fmt: skip


def note_done(db: apsw.Connection, done: Collection[tuple[str, int]]) -> None:
    """Remember how far rows were looked at; for the writer, inside its transaction."""
    db.executemany("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", list(done))
