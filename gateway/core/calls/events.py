"""What becomes of pages and cards, and what the centre does by hand to who is called."""

from dataclasses import dataclass, field
from typing import Final, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class PageWaited:
    """A page waits for a clear channel; told at most once a page and reason."""

    at_us: int
    page: str
    reason: Literal["busy", "talk", "queue", "path", "window"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageStarted:
    """The transmitter was keyed for a page."""

    at_us: int
    page: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSpoken:
    """A page went out to its end.

    Attributes:
        recording: Path below the recordings folder, or None when recording failed.
        speech: ``spoken`` by the engine, or by the ``fallback`` digits and phrases; of talk
            also ``cut``: what would not fit under the time-out timer was left out.
    """

    at_us: int
    page: str
    recording: str | None = None
    speech: Literal["spoken", "fallback", "cut"] = "spoken"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFailed:
    """A page did not go out, or not to its end.

    Attributes:
        reason: Why, in words for the centre.
        state: ``failed``, ``expired`` (its time passed while waiting) or ``withdrawn``.
    """

    at_us: int
    page: str
    reason: str
    state: Literal["failed", "expired", "withdrawn"] = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CardPosted:
    """A card stands in the chat.

    Attributes:
        message: The platform's message id.
    """

    at_us: int
    card: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFailed:
    """A card cannot be posted or edited: refused for good, or its time has passed.

    Attributes:
        state: ``failed`` or ``expired``.
        reason: The platform's words, without secrets.
    """

    at_us: int
    card: str
    state: Literal["failed", "expired"]
    reason: str


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
class CalledOff:
    """The centre calls one person, or one grid, off an order that goes on.

    Attributes:
        order: Order id or number.
        person: Person id, or None where a grid is meant.
        grid: Grid id, or None where a person is meant.
        reason: Why; personal.
        by: Who decided it; personal.
    """

    at_us: int
    order: str
    person: str | None
    grid: str | None
    reason: str = field(metadata={"personal": None})
    by: str = field(metadata={"personal": None})


@dataclass(frozen=True, slots=True, kw_only=True)
class EtaGiven:
    """The centre puts down how long the police say that they need.

    Attributes:
        order: Order id or number.
        minutes: How long from now.
        person: Person id of a station or a patrol; None for the station that was ordered.
        by: Who puts it down; personal.
    """

    at_us: int
    order: str
    minutes: int
    person: str | None
    by: str = field(metadata={"personal": None})


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


CallEvent = PartnerCalled | CalledOff | EtaGiven | BreakTaken
CALL_EVENTS: Final[tuple[type[CallEvent], ...]] = (
    PartnerCalled, CalledOff, EtaGiven, BreakTaken,
)  # fmt: skip
DeliveryEvent = PageWaited | PageStarted | PageSpoken | PageFailed | CardPosted | CardFailed
DELIVERY_EVENTS: Final[tuple[type[DeliveryEvent], ...]] = (
    PageWaited, PageStarted, PageSpoken, PageFailed, CardPosted, CardFailed,
)  # fmt: skip
