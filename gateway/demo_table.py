"""The table at the end of `gridcall demo`: who did what, when, how surely."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from rich import box
from rich.table import Table

NODES = ("told", "acknowledged", "en_route", "arrived")
# From what nobody can know better down to somebody on the air.
SUREST_FIRST = ("H", "C2", "R2", "C1", "R1", "R0", "M")
DECLINED = "不能去\ncannot come"


def table_of(orders: Iterable[Mapping[str, object]], zone: ZoneInfo) -> Table:
    """Return the table of the orders as the daemon tells them; it fits 80 columns.

    Args:
        orders: Orders with their ``people``, each with ``name``, ``stamps``, ``reason``.
        zone: Of the times shown.
    """
    heads = (node.replace("_", " ") for node in NODES)
    table = Table(
        "order", "person", *heads, title="who did what, when, how surely",
        box=box.SIMPLE_HEAD, padding=0, show_edge=False, pad_edge=False,
    )  # fmt: skip
    for order in orders:
        for person in as_dicts(order.get("people")):
            table.add_row(str(order["number"]), str(person.get("name")), *row_of(person, zone))
        table.add_section()
    return table


def row_of(person: Mapping[str, object], zone: ZoneInfo) -> list[str]:
    """Return a person's cells, one a node; who declined says so where he would acknowledge."""
    cells = [_cell(person, node, zone) for node in NODES]
    declined = _cell(person, "declined", zone)
    if declined and not any(cells[1:]):
        reason = str(person.get("reason") or "")
        cells[1] = "\n".join(part for part in (DECLINED, declined, reason) if part)
    return [cell or "–" for cell in cells]


def _cell(person: Mapping[str, object], node: str, zone: ZoneInfo) -> str:
    """Return a node's first time, every medium it was reached by, the best assurance."""
    stamps = [s for s in as_dicts(person.get("stamps")) if s.get("node") == node]
    if not stamps:
        return ""
    at = datetime.fromtimestamp(min(int(str(s["at_us"])) for s in stamps) / 1e6, zone)
    media = "+".join(dict.fromkeys(str(s["medium"]) for s in stamps))
    sure = min((str(s["assurance"]) for s in stamps), key=SUREST_FIRST.index)
    # That a message was handed over is the word of a machine, always.
    return f"{at:%H:%M:%S}\n{media}" + ("" if node == "told" else f" {sure}")


def as_dicts(value: object) -> Iterator[Mapping[str, object]]:
    """Yield the objects of a JSON array, and nothing of anything else."""
    if isinstance(value, list):
        for item in value:
            if isinstance(item, dict):
                yield item
