"""The exported journal as the checkers read it: rows, and every entity as it stood when.

The format is that of ``gridcall journal export --personal``: one row a line, its body holding
the event, the changes it caused (``["put", kind, key, fields]`` or ``["drop", kind, key]``) and
the reports for the centre.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

Json = dict[str, Any]

# Nodes that a person reaches by saying so.
ANSWERS = frozenset(
    {"acknowledged", "en_route", "arrived", "need_help", "done", "declined", "handover"}
)
# What a reply by radio may come to besides.
_OTHERWISE = frozenset(
    {"refused_reply", "repeated_reply", "answered_unidentified", "stood_down"}
)
NODE_OF_DIGIT = {
    "0": "declined", "1": "acknowledged", "2": "en_route", "3": "arrived", "4": "need_help",
    "5": "done", "6": "handover",
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        kind: Name of the event.
        event: Its fields; ``at_us`` is when it happened, the row's own when it was written.
        moved_us: How far ahead of the time outside the gateway's clock was.
        boot: Of which start of the machine it is.
    """

    seq: int
    at_us: int
    kind: str
    event: Json
    changes: tuple[Any, ...]
    reports: tuple[Json, ...]
    receipt: Json | None
    moved_us: int = 0
    boot: str = ""

    @property
    def happened_us(self) -> int:
        """When the event happened, UTC microseconds."""
        return int(self.event["at_us"])

    def answers(self) -> list[Json]:
        """Return its reports of what a person has said."""
        return [r for r in self.reports if r["node"] in ANSWERS and r["person"]]

    def repeated(self) -> list[Json]:
        """Return its reports of what a person has said once more of an order that had ended."""
        return [r for r in self.reports if r["node"] == "repeated_reply"]

    def refused(self) -> bool:
        """Whether what came was applied to nothing."""
        return any(r["node"] == "refused_reply" for r in self.reports)


@dataclass(frozen=True)
class State:
    """How an entity stood after a row; ``fields`` is None once it was dropped."""

    row: Row
    fields: Json | None


class Journal:
    """All rows, and the history of each entity.

    Raises:
        ValueError: The rows are not in order, or one is missing.
    """

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self._history: dict[tuple[str, str], list[State]] = {}
        for before, row in pairwise(rows):
            if row.seq != before.seq + 1:
                message = f"journal: row {row.seq} comes after row {before.seq}"
                raise ValueError(message)
        for row in rows:
            for change in row.changes:
                kind, key = change[1], change[2]
                fields = change[3] if change[0] == "put" else None
                self._history.setdefault((kind, key), []).append(State(row, fields))

    @classmethod
    def read(cls, path: Path) -> "Journal":
        """Return the journal of an export. Raises ValueError for a line that is no row."""
        with path.open(encoding="utf-8") as lines:
            return cls([_row(json.loads(line)) for line in lines])

    def of(self, kind: str) -> Iterator[Row]:
        """Yield the rows of one kind of event."""
        return (row for row in self.rows if row.kind == kind)

    def radio_replies(self) -> Iterator[Row]:
        """Yield what was said to us by radio: frames of digits, statuses, presses of a key."""
        for row in self.rows:
            meant = any(r["node"] in ANSWERS | _OTHERWISE for r in row.reports)
            if row.kind == "DigitsHeard" or ("channel" in row.event and meant):
                yield row

    def history(self, kind: str, key: str) -> list[State]:
        """Return how one entity stood, oldest first; empty when there never was one."""
        return self._history.get((kind, key), [])

    def at(self, kind: str, key: str, seq: int) -> Json | None:
        """Return an entity as it stood after row ``seq``, or None."""
        states = [s for s in self.history(kind, key) if s.row.seq <= seq]
        return states[-1].fields if states else None

    def each(self, kind: str) -> Iterator[tuple[str, list[State]]]:
        """Yield key and history of every entity of a kind."""
        for (found, key), states in self._history.items():
            if found == kind:
                yield key, states

    def last(self, kind: str) -> Iterator[Json]:
        """Yield every entity of a kind as it last stood, dropped or not."""
        for _, states in self.each(kind):
            fields = next((s.fields for s in reversed(states) if s.fields), None)
            if fields is not None:
                yield fields

    def owners(self, chat: str, address: str, at_us: int) -> set[str]:
        """Return who had an account at a moment, or was given it within a second."""
        found = set()
        for _, states in self.each("contact"):
            before = [s for s in states if s.row.at_us <= at_us + 1_000_000]
            fields = before[-1].fields if before else None
            if fields and (fields["chat"], fields["address"]) == (chat, address):
                found.add(fields["person"])
        return found

    def said_before(self, order: str, person: str, seq: int) -> bool:
        """Whether a person had said anything of an order before a row."""
        rows = (row for row in self.rows if row.seq < seq)
        nodes = ANSWERS | {"stood_down"}
        return any(
            (r["order"], r["person"]) == (order, person) and r["node"] in nodes
            for row in rows
            for r in row.reports
        )

    def path_down(self, path: str, at_us: int) -> bool:
        """Whether the journal itself says that a way to people did not work at a moment."""
        up = True
        for row in self.of("PathChanged"):
            if row.event["path"] == path and row.happened_us <= at_us:
                up = row.event["up"]
        return not up


def _row(line: Mapping[str, Any]) -> Row:
    body = line["body"]
    return Row(
        seq=line["seq"],
        at_us=line["at_us"],
        kind=line["kind"],
        event=body["event"],
        changes=tuple(body["changes"]),
        reports=tuple(body["reports"]),
        receipt=body["receipt"],
    )
