"""Folds what the rows say and compares it with what the tables hold.

The writer puts and drops entities one by one; here all changes of a journal are sorted by their
place at once, which for a million orders takes a second.
"""

from array import array
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gateway.journal.held import Entities, Held
from gateway.journal.said import FREED, PUT, Changes, Postings, Said
from gateway.journal.verdict import Findings

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Folded(NamedTuple):
    """The projection that changes add up to, sorted by place.

    Attributes:
        place: Hash of (kind, key).
        content: Hash of (order, text).
        live: Whether a start reads it.
    """

    place: Ints
    content: Ints
    live: Bools


def fold(changes: Sequence[Changes]) -> Folded:
    """Return what the changes of stretches that follow one another add up to."""
    what, place, content, order = (
        _joined([getattr(part, name) for part in changes])
        for name in ("what", "place", "content", "order")
    )
    _, last = _last_of_each(place)
    stands = last[what[last] == PUT]
    freed, leased = _freed(what, place)
    retired, at = _last_of_each(order[leased])
    when = freed[at]
    until = _looked_up(order[stands], retired, when)
    live = (stands > until) | (order[stands] == 0)
    return Folded(place[stands], content[stands], live)


def _last_of_each(values: Ints) -> tuple[Ints, Ints]:
    """Return the values that occur, sorted, and where each stands for the last time."""
    if not len(values):
        return values, np.empty(0, np.int64)
    by_value = np.argsort(values)  # not stable: that takes three times as long
    ordered = values[by_value]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    return ordered[starts], np.maximum.reduceat(by_value, starts)


def _freed(what: Ints, place: Ints) -> tuple[Ints, Ints]:
    """Return the changes that free a number, in order, and for each what leased it before."""
    numbers = np.flatnonzero(np.isin(place, np.unique(place[what == FREED])))
    by_place = numbers[np.argsort(place[numbers], kind="stable")]
    same = place[by_place[1:]] == place[by_place[:-1]]
    frees = np.flatnonzero(same & (what[by_place[1:]] == FREED)) + 1
    in_order = np.argsort(by_place[frees])
    return by_place[frees][in_order], by_place[frees - 1][in_order]


def _looked_up(wanted: Ints, keys: Ints, values: Ints) -> Ints:
    """Return the value of each wanted key, -1 where there is none; the keys are sorted."""
    if not len(keys):
        return np.full(len(wanted), -1)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, values[at], -1)


def _joined(parts: "Sequence[array[int]]") -> Ints:
    return np.concatenate([np.array(part, np.int64) for part in parts])


def wrong_entities(folded: Folded, entities: Entities) -> tuple[list[int], int]:
    """Return the ids of entities that are not as folded, and how many have no row at all."""
    ids, place, content, live = (
        np.array(column, np.int64)
        for column in (entities.id, entities.place, entities.content, entities.live)
    )
    by_place = np.argsort(place)
    if np.array_equal(place[by_place], folded.place):
        same = folded.content == content[by_place]
        same &= folded.live == (live[by_place] != 0)
        return np.sort(ids[by_place[~same]]).tolist(), 0
    expected = zip(
        folded.place.tolist(), folded.content.tolist(), folded.live.tolist(), strict=True
    )
    left = {where: (text, lives) for where, text, lives in expected}
    there = zip(ids.tolist(), place.tolist(), content.tolist(), live.tolist(), strict=True)
    wrong = [id_ for id_, *rest in there if left.pop(rest[0], None) != (rest[1], rest[2] != 0)]
    return wrong, len(left)


def compare_postings(said: Sequence[Postings], held: Postings, findings: Findings) -> None:
    """Find every journal row whose effects are not those of the outbox."""
    expected, there = _columns(said), _columns([held])
    same = all(np.array_equal(a, b) for a, b in zip(expected[:2], there[:2], strict=True))
    # Where the table has let go of the text, the row's word for it stands.
    if not same or not np.all((there[2] == 0) | (expected[2] == there[2])):
        _name_postings(expected, there, findings)


def _columns(parts: Sequence[Postings]) -> list[Ints]:
    return [
        _joined([getattr(part, name) for part in parts])
        for name in ("seq", "account", "sha256")
    ]


def _name_postings(expected: list[Ints], there: list[Ints], findings: Findings) -> None:
    """Say which rows are meant; row by row, for that is rare."""
    said, held = _by_row(expected), _by_row(there)
    for seq in sorted(said.keys() | held.keys()):
        mine, theirs = said.get(seq, []), held.get(seq, [])
        same = len(mine) == len(theirs) and all(
            a[0] == b[0] and b[1] in (0, a[1]) for a, b in zip(mine, theirs, strict=True)
        )
        if not same:
            findings.add("projection", seq, "outbox: not what the row says")


def _by_row(columns: list[Ints]) -> dict[int, list[tuple[int, int]]]:
    found: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for seq, account, sha256 in zip(*(column.tolist() for column in columns), strict=True):
        found[seq].append((account, sha256))
    return found


def compare_rest(said: Sequence[Said], held: Held, last_seq: int, findings: Findings) -> None:
    """Compare sources, what is settled, and the sealed values."""
    # A position moves by notes as well, which are not rows; but it does not go away.
    if set().union(*(part.sources for part in said)) - held.sources:
        findings.add("projection", last_seq, "cursor: sources of rows are gone")
    # What a row settled is done; more may be, by notes, which are not rows.
    if any(not held.unsettled.isdisjoint(part.settled) for part in said):
        findings.add("projection", last_seq, "outbox: settled rows are open again")
    sealed = held.sealed.union(*(part.sealed for part in said))
    for commitment, owner in held.personal.items():
        if commitment not in sealed:
            findings.add("personal", 0, f"a sealed value of {owner!r} that no row names")
        elif commitment in held.unopened:
            findings.add("personal", 0, f"a value of {owner!r} cannot be opened")
    lost = len(sealed - held.personal.keys())
    if lost:
        findings.add("personal", 0, f"{lost} sealed values are gone")
