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
REPORTED = "本人上报\nreported it"
CLIMBED = "逐级升级叫来\nby the ladder"
CANCELLED = "取消\noff"
KNOWS = "知道撤回\nstood down"
KNOWS_NOT = "未回撤回\nnot heard"


def is_drill(order: Mapping[str, object]) -> bool:
    """Return whether an order as the daemon tells it is a drill."""
    alert = order.get("alert")
    return isinstance(alert, dict) and bool(alert.get("exercise"))


def table_of(
    orders: Iterable[Mapping[str, object]],
    zone: ZoneInfo,
    title: str = "who did what, when, how surely",
) -> Table:
    """Return the table of the orders as the daemon tells them; it fits 80 columns.

    Args:
        orders: Orders with their ``people``, each with ``name``, ``stamps``, ``reason``.
        zone: Of the times shown.
        title: Above it.
    """
    heads = (node.replace("_", " ") for node in NODES)
    table = Table(
        "order", "person", *heads, title=title,
        box=box.SIMPLE_HEAD, padding=0, show_edge=False, pad_edge=False,
    )  # fmt: skip
    for order in orders:
        is_off = order.get("status") == "cancelled"
        number = f"{order['number']}\n{CANCELLED}" if is_off else str(order["number"])
        for person in as_dicts(order.get("people")):
            cells = row_of(person, zone, is_off=is_off)
            table.add_row(number, _name(person), *cells)
            number = str(order["number"])
        table.add_section()
    return table


def _name(person: Mapping[str, object]) -> str:
    """Return a person's name, and how he came to the order if he was not called at first."""
    name = str(person.get("name"))
    climbed = person.get("role") == "guard" and person.get("rung")
    return f"{name}\n{CLIMBED}" if climbed else name


def row_of(
    person: Mapping[str, object], zone: ZoneInfo, *, is_off: bool = False
) -> list[str]:
    """Return a person's cells, one a node.

    Who declined says so where he would acknowledge; of an order that is off the last cell
    says whether he knows.
    """
    cells = [_cell(person, node, zone) for node in NODES]
    if person.get("role") == "reporter":
        cells[0] = REPORTED
    if is_off and cells[0]:
        knows = _cell(person, "stood_down", zone)
        told = f"{KNOWS}\n{knows}" if knows else KNOWS_NOT
        cells[-1] = "\n".join(part for part in (cells[-1], told) if part)
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
