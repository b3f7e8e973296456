"""Rows of the bench: what was measured, its floor in the same run, its target, and printing."""

import math
from dataclasses import asdict, dataclass, replace
from itertools import groupby

from rich.console import Console
from rich.table import Table

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
# Figures of which more is better; of all others less is.
_RATES = frozenset({"/s", "%"})


def percentile(values, percent):
    """Return the nearest-rank percentile of what was measured."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)]


@dataclass(frozen=True)
class Row:
    """One figure, or the spread of one.

    Attributes:
        name: What was measured; its first word is the row's number in the list.
        unit: Of every figure in the row: ``ms``, ``s``, ``/s``, ``MB``, ``cores``, ``×``, or
            empty for a count.
        count: How many were measured; 0 for what could not be.
        p50: The median, or the only figure; None where nothing could be measured.
        p99: Nearest rank, so of fewer than 100 the largest; None for a single figure.
        p95: Likewise; told where a target speaks of it.
        worst: The largest; None for a single figure.
        floor: The least it could be on this machine, measured in the same run.
        floor_is: What that floor is made of.
        note: What must be known beside the figure.
        target: What it must reach: ``p50``, ``p99``, ``worst``, ``ratio`` → the limit.
    """

    name: str
    unit: str
    count: int
    p50: float | None
    p99: float | None = None
    p95: float | None = None
    worst: float | None = None
    floor: float | None = None
    floor_is: str = ""
    note: str = ""
    target: dict[str, float] | None = None

    @property
    def ratio(self):
        """How many times its floor the median is (for a rate: the floor's share of it)."""
        if self.floor is None or self.p50 is None:
            return None
        return self.p50 / self.floor

    @property
    def verdict(self):
        """``ok`` or ``short`` against the target; empty without one or without a figure."""
        if not self.target or self.p50 is None:
            return ""
        return "ok" if all(self._reached(*limit) for limit in self.target.items()) else "short"

    def _reached(self, figure, limit):
        value = getattr(self, figure)
        return value >= limit if self.unit in _RATES else value <= limit

    @property
    def asked(self):
        """The target in words, such as ``p50 ≤ 3, p99 ≤ 20``."""
        sign = "≥" if self.unit in _RATES else "≤"
        names = {"ratio": "×", "worst": "max"}
        single = self.p99 is None and self.worst is None
        return ", ".join(
            f"{'' if single and figure == 'p50' else names.get(figure, figure) + ' '}{sign} "
            f"{limit:g}"
            for figure, limit in (self.target or {}).items()
        )

    def aiming(self, **target):
        """Return the row with what it must reach."""
        return replace(self, target=target)

    def as_json(self):
        """Return the row for bench.json."""
        return {**asdict(self), "ratio": self.ratio, "verdict": self.verdict}


@dataclass(frozen=True)
class Compared(Row):
    """One figure of ours with another's on the same audio, and what each heard amiss.

    Attributes:
        false: What ours heard that was not sent; None where that has no meaning.
        peer: The other's figure; None where it is not here or cannot do it.
        peer_false: What the other heard that was not sent.
    """

    false: int | None = None
    peer: float | None = None
    peer_false: int | None = None


def spread(name, unit, values, **more):
    """Return the row of many figures of one kind."""
    if not values:
        return absent(name, unit, more.get("note", "nothing was measured"))
    return Row(
        name, unit, len(values), percentile(values, 50), percentile(values, 99),
        percentile(values, 95), max(values), **more,
    )  # fmt: skip


def times(name, seconds, *, floor_ms=None, **more):
    """Return the row of single durations, in milliseconds."""
    return spread(name, "ms", [s * 1000 for s in seconds], floor=floor_ms, **more)


def absent(name, unit, why):
    """Return the row of what could not be measured here, and why."""
    return Row(name, unit, 0, None, note=why)


def show(machine, rows):
    """Print the machine's data and the tables."""
    console = Console(width=None if Console().is_terminal else 190)
    for name, value in machine.items():
        console.print(f"{name}: {value}", highlight=False)
    for heads, cells, chosen in _tables(rows):
        table = Table(*heads, "floor is; note")
        for row in chosen:
            said = "; ".join(part for part in (row.floor_is, row.note) if part)
            table.add_row(*cells(row), said)
        console.print(table)
    console.print("One run, with the simulated outside on the same cores.")


_HEADS = ("row", "n", "p50, or the figure", "p99", "max", "floor", "×", "target", "")
_COMPARED_HEADS = ("row", "n", "ours", "false", "beside", "its false", "target", "")


def _tables(rows):
    """Yield (heads, what makes cells of a row, rows) of each table that has rows."""
    plain = [row for row in rows if not isinstance(row, Compared)]
    compared = [row for row in rows if isinstance(row, Compared)]
    if plain:
        yield _HEADS, _cells, plain
    if compared:
        yield _COMPARED_HEADS, _compared_cells, compared


def _cells(row):
    return (
        row.name, _count(row), _with_unit(row), _figure(row.p99), _figure(row.worst),
        _figure(row.floor), _figure(row.ratio), row.asked, row.verdict,
    )  # fmt: skip


def _compared_cells(row):
    return (
        row.name, _count(row), _with_unit(row), _figure(row.false), _figure(row.peer),
        _figure(row.peer_false), row.asked, row.verdict,
    )  # fmt: skip


def _count(row):
    return f"{row.count:,}" if row.count else "–"


def _with_unit(row):
    return f"{_figure(row.p50)} {row.unit}".strip()


def _figure(value):
    if value is None:
        return ""
    if 99 < value < 100:  # shares: 99.7 of a hundred is not a hundred
        return f"{value:.1f}"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def page(machine, rows):
    """Return the README's section between its markers: machine, tables, notes."""
    said = "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in machine.items())
    lines = [said + ".", ""]
    for heads, cells, chosen in _tables(rows):
        if heads is _COMPARED_HEADS:
            lines += [_BESIDE, ""]
        lines += [_line(heads), _line(["---"] * len(heads))]
        lines += [_line(cells(row)) for row in chosen]
        lines += ["", *_notes(chosen), ""]
    return "\n".join([BEGIN, *lines[:-1], END])


_BESIDE = (
    "How well the radio hears. Beside ours stands multimon-ng on the same samples in the same "
    "run, if a note says nothing else; *false* is what was heard that was not sent."
)


def _notes(rows):
    """Return a line for each note; rows one after the other that share it are named together."""
    lines = []
    for note, found in groupby((row for row in rows if row.note), key=lambda row: row.note):
        names = [row.name for row in found]
        named = names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}"
        lines.append(f"- {named}: {note}.")
    return lines


def _line(cells):
    return f"| {' | '.join(cells)} |"


def with_page(text, section):
    """Return a README with the section in the place of the one between its markers.

    Raises:
        ValueError: The markers are not there, once each and in order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in after or END in after:
        raise ValueError(f"README.md must hold {BEGIN} and after it {END}, once each")
    return before + section + after
