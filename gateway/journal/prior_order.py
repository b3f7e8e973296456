"""An order that has left the memory, read back with its people's parts."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from gateway.core.after.events import PriorOrder
from gateway.core.order import Assignment, Order
from gateway.journal.codec import entity_from
from gateway.journal.reading import opener, reading

PRIOR_KINDS: Final = (Order.KIND, Assignment.KIND)


def prior_of(
    bodies: Iterable[tuple[str, str]], value_of: Callable[[str], object]
) -> PriorOrder | None:
    """Return the order among these (kind, canonical text), with its people's parts."""
    found = [entity_from(kind, body, value_of) for kind, body in bodies]
    order = next((entity for entity in found if isinstance(entity, Order)), None)
    parts = tuple(entity for entity in found if isinstance(entity, Assignment))
    return None if order is None else PriorOrder(order=order, parts=parts)


def found_order(path: Path, order: str) -> PriorOrder | None:
    """Return an order of any age with its people's parts, or None."""
    with reading(path) as db:
        rows = db.execute(
            "SELECT kind, body FROM entity WHERE order_id = ? AND kind IN (?, ?) ORDER BY id",
            (order, *PRIOR_KINDS),
        ).fetchall()
        return prior_of(((str(kind), str(body)) for kind, body in rows), opener(db))
