"""What can happen by the hand of the centre to who is called."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerCalled:
    """The centre has a partner of another grid called to an order.

    Attributes:
        order: Order id or number.
        person: Person id; None for the nearest.
        by: Who decided it.
    """

    at_us: int
    order: str
    person: str | None
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakTaken:
    """Somebody on duty rests, or is back.

    Attributes:
        person: Person id.
        minutes: How long; 0 for being back.
        by: Who said so.
    """

    at_us: int
    person: str
    minutes: int
    by: str


CallEvent = PartnerCalled | BreakTaken
CALL_EVENTS: Final[tuple[type[CallEvent], ...]] = (PartnerCalled, BreakTaken)
