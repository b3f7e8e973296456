"""What an act of the centre's people is: its fields, and the event it becomes."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.core.centre.strict_json import Fields
from gateway.core.events import Event

_ORDER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
_REPORT: Final = re.compile(r"[Rr]?[0-9]{1,12}", re.ASCII)
# A number may be written as a number: ``order=10`` on the command line is one.
LARGEST_NUMBER: Final = 10**12 - 1


@dataclass(frozen=True, slots=True)
class CentreAct:
    """One act: which fields it has beside ``act`` and ``by``, and the event it becomes.

    Attributes:
        fields: Names of its fields.
        decode: Takes the fields, when it came (UTC microseconds) and who acts; raises Refusal.
        says: What it does, one line, for the documents.
    """

    fields: tuple[str, ...]
    decode: Callable[[Fields, int, str], Event]
    says: str


def order_named(fields: Fields) -> str:
    """Return the order that the field ``order`` names, by its id or by its number.

    Raises:
        Refusal: It is neither.
    """
    return _written(fields, "order") or fields.word("order", _ORDER, "an order id or number")


def report_named(fields: Fields) -> str:
    """Return the guard's report that the field ``report`` names, as ``R12``.

    Raises:
        Refusal: It is no such number.
    """
    says = "the number of a report, such as R12"
    named = _written(fields, "report") or fields.word("report", _REPORT, says)
    return f"R{named.upper().removeprefix('R')}"


def _written(fields: Fields, name: str) -> str | None:
    value = fields.need(name)
    whole = isinstance(value, int) and not isinstance(value, bool)
    return str(fields.integer(name, 0, LARGEST_NUMBER)) if whole else None
