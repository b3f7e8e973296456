"""What people and doors ask the journal: orders, timelines, search, statistics, export.

Every question has a read-only connection of its own in a worker thread and sees one moment of
the journal; none of them can hold up the writer. Values are JSON-ready; times are UTC
microseconds.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import quantiles
from typing import Any, TextIO, TypeVar

import apsw

from gateway.core.after.entities import FollowUp, LegalHold, Photo, PhotoPost
from gateway.core.order import (
    Assignment,
    Card,
    Delivery,
    Node,
    Order,
    Page,
)
from gateway.core.people import Person
from gateway.interfaces import Report, Wanted
from gateway.journal.codec import encode, entity_from, report_from
from gateway.journal.reading import ROW_COLUMNS, opener, reading
from gateway.journal.seal import ERASED
from gateway.recordings import Verdict, one, search, verify

T = TypeVar("T")
Answer = dict[str, object]

# What an order's flags say where its times cannot be compared with one another.
_TIMES_APART = frozenset({"clock_stepped", "clock_doubt"})


class Records:
    """Read-only questions to one journal file.

    Args:
        path: The journal; it may be in use, or a backup.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    async def orders(self, *, open_only: bool = False, limit: int = 100) -> list[Answer]:
        """Return orders, newest first: their fields, ``open``, ``alert``, ``people``."""
        return await self._ask(lambda look: look.orders(open_only=open_only, limit=limit))

    async def order(self, order: str) -> Answer | None:
        """Return one order with deliveries, pages, cards and its whole timeline, or None."""
        return await self._ask(lambda look: look.order(order))

    async def held(self) -> list[str]:
        """Return the ids of orders whose recordings and photos are kept however old."""
        return await self._ask(lambda look: look.held())

    async def reports(self, *, after_seq: int = 0, limit: int = 1000) -> list[Report]:
        """Return the reports of rows after ``after_seq``, oldest first.

        A row's reports are never parted, so there may be a few more than ``limit``.
        """
        return await self._ask(lambda look: look.reports(after_seq, limit))

    async def recordings(self, wanted: Wanted) -> list[Answer]:
        """Return recordings, newest first: who, where, when, how long, of what, file, digest.

        Of what was converted only the last form is told.
        """
        return await self._ask(lambda look: look.recordings(wanted))

    async def recording(self, seq: int) -> Answer | None:
        """Return the recording that a row of the journal tells of, or None."""
        return await self._ask(lambda look: look.recording(seq))

    async def verify_recordings(self, root: Path) -> Verdict:
        """Return which recordings are missing or are not what was recorded."""
        return await self._ask(lambda look: look.verify_recordings(root))

    async def statistics(self, *, from_us: int, to_us: int) -> Answer:
        """Return figures of the orders opened in ``from_us <= t < to_us``.

        Orders by level, status, grid, result; seconds to first acknowledgement and arrival as
        ``{"count", "p50_s", "p90_s", "max_s"}``; first acknowledgements by medium. Of
        orders during which the clock was moved the seconds are left out.
        """
        return await self._ask(lambda look: look.statistics(from_us, to_us))

    async def export(self, out: TextIO, *, personal: bool = False, after_seq: int = 0) -> int:
        """Write the rows as JSON lines and return how many.

        Args:
            out: Where to; a text file in UTF-8.
            personal: Show personal values; otherwise their commitments stand, and the chain
                can be computed again from the export alone.
            after_seq: Only rows after this one.
        """
        return await self._ask(lambda look: look.export(out, after_seq, personal=personal))

    async def _ask(self, question: "Callable[[_Look], T]") -> T:
        return await asyncio.to_thread(self._answer, question)

    def _answer(self, question: "Callable[[_Look], T]") -> T:
        with reading(self.path) as db:
            return question(_Look(db))


class _Look:
    """One moment of the journal."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        self._value_of = opener(db)
        self._names: dict[str, str | None] = {}

    # -- orders -------------------------------------------------------------------------------

    def orders(self, *, open_only: bool, limit: int) -> list[Answer]:
        """Return orders, newest first."""
        # Named indexes: a planner without statistics would read every closed order for this.
        source = "entity INDEXED BY entity_orders WHERE"
        if open_only:
            source = "entity INDEXED BY entity_live WHERE live = 1 AND"
        bodies = self._db.execute(
            f"SELECT body FROM {source} kind = 'order' ORDER BY id DESC"  # noqa: S608
        )
        found: list[Answer] = []
        for (body,) in bodies:
            order = self._entity("order", body, Order)
            if not open_only or order.open:
                found.append(self._summary(order, self._people(order.id)))
            if len(found) >= limit:
                break
        return found

    def order(self, order_id: str) -> Answer | None:
        """Return one order with everything that hangs on it."""
        body = self._db.execute(
            "SELECT body FROM entity WHERE kind = 'order' AND key = ?", (order_id,)
        ).get
        if body is None:
            return None
        answer = self._summary(self._entity("order", body, Order), self._people(order_id))
        answer["deliveries"] = [encode(d) for d in self._of_order(order_id, Delivery)]
        answer["pages"] = [encode(page) for page in self._of_order(order_id, Page)]
        answer["cards"] = [encode(card) for card in self._of_order(order_id, Card)]
        answer["photos"] = self._photos(order_id)
        answer["held"] = self._one(LegalHold, order_id)
        answer["follow_up"] = self._one(FollowUp, order_id)
        answer["timeline"] = [encode(report) for report in self._timeline(order_id)]
        return answer

    def _photos(self, order_id: str) -> list[Answer]:
        """Return what became of each photo released for an order, group by group."""
        posts = [encode(post) for post in self._of_order(order_id, PhotoPost)]
        return [
            {
                **encode(photo),
                "first_useful_s": photo.first_useful_s,
                "groups": [post for post in posts if post["photo"] == photo.id],
            }
            for photo in self._of_order(order_id, Photo)
        ]

    def _one(self, cls: type[LegalHold] | type[FollowUp], key: str) -> Answer | None:
        """Return what there is once an order and outlives it, or None."""
        body = self._db.execute(
            "SELECT body FROM entity WHERE kind = ? AND key = ?", (cls.KIND, key)
        ).get
        return None if body is None else encode(self._entity(cls.KIND, body, cls))

    def held(self) -> list[str]:
        """Return the ids of orders of which nothing is to be deleted."""
        rows = self._db.execute("SELECT key FROM entity WHERE kind = ?", (LegalHold.KIND,))
        return [str(key) for (key,) in rows]

    def _summary(self, order: Order, people: list[Answer]) -> Answer:
        plain = encode(order)
        return {**plain, "open": order.open, "people": people}

    def _people(self, order_id: str) -> list[Answer]:
        return [
            {**encode(part), "name": self._name(part.person)}
            for part in self._of_order(order_id, Assignment)
        ]

    def _of_order(self, order_id: str, cls: type[T]) -> list[T]:
        kind: str = cls.KIND  # type: ignore[attr-defined]  # every entity class has one
        bodies = self._db.execute(
            "SELECT body FROM entity WHERE order_id = ? AND kind = ? ORDER BY id",
            (order_id, kind),
        )
        return [self._entity(kind, body, cls) for (body,) in bodies]

    def _entity(self, kind: str, body: str, cls: type[T]) -> T:
        entity = entity_from(kind, body, self._value_of)
        assert isinstance(entity, cls)
        return entity

    def _timeline(self, order_id: str) -> Iterator[Report]:
        rows = self._db.execute(
            "SELECT seq, part, body FROM report WHERE order_id = ? ORDER BY seq, part",
            (order_id,),
        )
        return (self._report(*row) for row in rows)

    # -- reports ------------------------------------------------------------------------------

    def reports(self, after_seq: int, limit: int) -> list[Report]:
        """Return the reports of rows after ``after_seq``, whole rows."""
        rows = self._db.execute(
            "SELECT seq, part, body FROM report WHERE seq > ?1 AND seq <= (SELECT max(seq) FROM"
            " (SELECT seq FROM report WHERE seq > ?1 ORDER BY seq LIMIT ?2))"
            " ORDER BY seq, part",
            (after_seq, limit),
        )
        return [self._report(*row) for row in rows]

    def _report(self, seq: int, part: int, body: str) -> Report:
        status = report_from(body, self._value_of)
        return Report.of(status, seq, part, self._name(status.person))

    def _name(self, person: str | None) -> str | None:
        """Return a person's name; None when he is unknown or it was erased."""
        if person is None:
            return None
        if person not in self._names:
            body = self._db.execute(
                "SELECT body FROM entity WHERE kind = 'person' AND key = ?", (person,)
            ).get
            name = None if body is None else self._entity("person", body, Person).name
            self._names[person] = None if name == ERASED else name
        return self._names[person]

    # -- recordings ---------------------------------------------------------------------------

    def recordings(self, wanted: Wanted) -> list[Answer]:
        """Return recordings, newest first."""
        return search(self._db, wanted, self._name)

    def recording(self, seq: int) -> Answer | None:
        """Return the recording of a row, or None."""
        return one(self._db, seq)

    def verify_recordings(self, root: Path) -> Verdict:
        """Return what holding the files against the rows comes to."""
        return verify(self._db, root)

    # -- statistics ---------------------------------------------------------------------------

    def statistics(self, from_us: int, to_us: int) -> Answer:
        """Return figures of the orders opened in the span, drills apart."""
        drills = self._figures(from_us, to_us, exercise=True)
        return {**self._figures(from_us, to_us, exercise=False), "drills": drills}

    def _figures(self, from_us: int, to_us: int, *, exercise: bool) -> Answer:
        counts: dict[str, dict[str, int]] = {
            "level": {},
            "status": {},
            "grid": {},
            "medium": {},
            "result": {},
        }
        acknowledged_s: list[float] = []
        arrived_s: list[float] = []
        orders = 0
        for (body,) in self._db.execute(
            "SELECT body FROM entity WHERE kind = 'order'"
            " AND json_extract(body, '$.opened_us') >= ?"
            " AND json_extract(body, '$.opened_us') < ?",
            (from_us, to_us),
        ):
            order = self._entity("order", body, Order)
            if order.alert.exercise is not exercise:
                continue
            orders += 1
            _count(counts["level"], str(order.alert.level.value))
            _count(counts["status"], order.status.value)
            if order.result is not None:
                _count(counts["result"], order.result)
            for grid in order.grids[:1]:
                _count(counts["grid"], grid)
            if not _TIMES_APART.isdisjoint(order.flags):
                continue  # its times cannot be compared with one another
            stamps = self._first_stamps(order)
            if Node.ACKNOWLEDGED in stamps:
                at_us, medium = stamps[Node.ACKNOWLEDGED]
                acknowledged_s.append(_since_s(order, at_us))
                _count(counts["medium"], medium)
            if Node.ARRIVED in stamps:
                arrived_s.append(_since_s(order, stamps[Node.ARRIVED][0]))
        return {
            "orders": orders,
            "by_level": counts["level"],
            "by_status": counts["status"],
            "by_grid": counts["grid"],
            "by_result": counts["result"],
            "acknowledged_by_medium": counts["medium"],
            "to_acknowledgement": _spread(acknowledged_s),
            "to_arrival": _spread(arrived_s),
        }

    def _first_stamps(self, order: Order) -> dict[Node, tuple[int, str]]:
        """Return when, and by which medium, each node was first reached by anybody."""
        first: dict[Node, tuple[int, str]] = {}
        for part in self._of_order(order.id, Assignment):
            for stamp in part.stamps:
                reached = (stamp.at_us, stamp.medium.value)
                first[stamp.node] = min(reached, first.get(stamp.node, reached))
        return first

    # -- export -------------------------------------------------------------------------------

    def export(self, out: TextIO, after_seq: int, *, personal: bool) -> int:
        """Write rows as JSON lines."""
        rows = 0
        for (
            seq,
            boot,
            at_us,
            mono_us,
            settings,
            kind,
            order,
            body,
            prev,
            own,
        ) in self._db.execute(
            f"SELECT {ROW_COLUMNS}, prev, hash FROM journal WHERE seq > ? ORDER BY seq",  # noqa: S608
            (after_seq,),
        ):
            line = {
                "seq": seq, "boot": boot, "at_us": at_us, "mono_us": mono_us,
                "settings": settings, "kind": kind, "order": order,
                "body": self._shown(json.loads(body)) if personal else json.loads(body),
                "prev": prev.hex(), "hash": own.hex(),
            }  # fmt: skip
            out.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
            rows += 1
        return rows

    def _shown(self, value: Any) -> Any:  # noqa: ANN401
        """Return the JSON value with every commitment replaced by what is behind it.

        No other field ever holds an object with the single key ``sealed``.
        """
        if isinstance(value, list):
            return [self._shown(item) for item in value]
        if not isinstance(value, dict):
            return value
        if value.keys() == {"sealed"}:
            return self._value_of(value["sealed"])
        return {name: self._shown(item) for name, item in value.items()}


def _count(counts: dict[str, int], word: str) -> None:
    counts[word] = counts.get(word, 0) + 1


def _since_s(order: Order, at_us: int) -> float:
    """Return how long after the call somebody did something, seconds.

    Who had done it before an order's clocks began anew, because its level rose or it was opened
    again, did it after it was first opened.
    """
    return (at_us - (order.clock_us if at_us >= order.clock_us else order.opened_us)) / 1e6


def _spread(values_s: list[float]) -> Answer:
    if not values_s:
        return {"count": 0, "p50_s": None, "p90_s": None, "max_s": None}
    tenths = (
        quantiles(values_s, n=10, method="inclusive") if len(values_s) > 1 else values_s * 9
    )
    return {
        "count": len(values_s),
        "p50_s": round(tenths[4], 1),
        "p90_s": round(tenths[8], 1),
        "max_s": round(max(values_s), 1),
    }
