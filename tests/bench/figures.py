"""Rows of the bench: what was measured, its floor in the same run, and how it is printed."""

import math
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table


def percentile(values, percent):
    """Return the nearest-rank percentile of what was measured."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)]


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        name: What was measured.
        unit: Of every figure in the row: ``ms``, ``s``, ``/s``, ``MB``.
        count: How many were measured.
        p50: The median, or the only figure.
        p99: Nearest rank, so of fewer than 100 the largest; None for a single figure.
        floor: The least it could be on this machine, measured in the same run.
        floor_is: What that floor is made of.
        note: What must be known beside the figure.
    """

    name: str
    unit: str
    count: int
    p50: float
    p99: float | None = None
    floor: float | None = None
    floor_is: str = ""
    note: str = ""

    @property
    def ratio(self):
        """How many times its floor the median is (for a rate: the floor's share of it)."""
        if self.floor is None:
            return None
        return self.p50 / self.floor

    def as_json(self):
        """Return the row for bench.json."""
        return {**asdict(self), "ratio": self.ratio}


def times(name, seconds, *, note="", floor_ms=None, floor_is=""):
    """Return the row of single durations, in milliseconds."""
    spent_ms = [s * 1000 for s in seconds]
    return Row(
        name, "ms", len(spent_ms), percentile(spent_ms, 50), percentile(spent_ms, 99),
        floor_ms, floor_is, note,
    )  # fmt: skip


def show(machine, rows):
    """Print the machine's data and the table."""
    console = Console(width=None if Console().is_terminal else 150)
    for name, value in machine.items():
        console.print(f"{name}: {value}", highlight=False)
    table = Table("row", "n", "p50", "p99", "unit", "floor", "×", "floor is; note")
    for row in rows:
        said = "; ".join(part for part in (row.floor_is, row.note) if part)
        table.add_row(
            row.name, str(row.count), _figure(row.p50), _figure(row.p99), row.unit,
            _figure(row.floor), _figure(row.ratio), said,
        )  # fmt: skip
    console.print(table)
    console.print("One run, with the simulated outside on the same cores. None of these figures is a pass mark.")


def _figure(value):
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
