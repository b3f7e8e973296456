"""What happens to an order beside its calls, as events: acts of named people, and photos."""

from dataclasses import dataclass, field
from typing import Final, Literal

from gateway.core.order import Assignment, Order


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderActed:
    """The centre acted on an order: by API, console or command line.

    Attributes:
        act: ``close``; ``stand_down``; ``confirm``: a voice was heard and recognised, so
            ``person`` has acknowledged (or ``node``).
        by: Who acted, by name or account; personal.
        result: What came of it.
        person: Whom a confirmation is about.
        node: What he is confirmed to have done.
    """

    at_us: int
    order: str
    act: Literal["close", "stand_down", "confirm"]
    by: str = field(metadata={"personal": None})
    result: str | None = None
    person: str | None = None
    node: Literal["acknowledged", "en_route", "arrived", "done"] = "acknowledged"


TendAct = Literal[
    "caution", "handover", "follow_up", "followed_up", "reopen", "correct", "complaint",
    "hold", "unhold",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorOrder:
    """An order that has left the memory, as the journal holds it."""

    order: Order
    parts: tuple[Assignment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTended:
    """A named person sees to an order, open or closed.

    Attributes:
        order: Order id, or the number of one in the memory.
        act: ``caution``: everybody called is warned. ``handover``: the police have it.
            ``follow_up``: somebody goes there again in some days; ``followed_up``: he went.
            ``reopen``: it was closed too early. ``correct``: something in its record is
            wrong. ``complaint``: somebody complains of it. ``hold``, ``unhold``: what belongs
            to it is kept, however old it gets.
        by: Who; personal.
        text: The warning, reason, note or reference; personal.
        person: Who goes there again.
        days: In how many days.
        what: What is wrong in the record.
        old: What it says.
        new: What is right.
        prior: The order where the memory has it no more.
        through: By what the door knew him, such as ``http/centre``; empty where it did not.
    """

    at_us: int
    order: str
    act: TendAct
    by: str = field(metadata={"personal": None})
    text: str = field(default="", metadata={"personal": None})
    person: str | None = None
    days: int | None = None
    what: str | None = None
    old: str | None = field(default=None, metadata={"personal": None})
    new: str | None = field(default=None, metadata={"personal": None})
    prior: PriorOrder | None = None
    through: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoActed:
    """A named person released a photo to groups, took it back, or found an answer useful.

    Attributes:
        order: Order id or number.
        act: ``release``, ``recall`` or ``useful``.
        by: Who; personal.
        media: Media id, or file below the media folder, of a release.
        grids: Grid ids whose groups get it.
        caption: What is asked with it; personal.
        minutes: After how long it is recalled.
        photo: Which one, of a recall or a mark; None for the latest of the order.
    """

    at_us: int
    order: str
    act: Literal["release", "recall", "useful"]
    by: str = field(metadata={"personal": None})
    media: str = ""
    grids: tuple[str, ...] = ()
    caption: str = field(default="", metadata={"personal": None})
    minutes: int = 0
    photo: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoPosted:
    """A photo stands in a group.

    Attributes:
        post: Id of the post.
        message: The platform's message id.
    """

    at_us: int
    post: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoFailed:
    """A photo cannot be posted, or cannot be taken back.

    Attributes:
        post: Id of the post.
        state: ``failed`` or ``expired``.
        reason: The platform's words, or ours of the file, without secrets.
    """

    at_us: int
    post: str
    state: Literal["failed", "expired"]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoTakenBack:
    """A photo was taken back.

    Attributes:
        post: Id of the post.
        how: ``deleted``; ``replaced``: the platform deletes no message so old, and its words
            now say that it is withdrawn, while the picture still stands.
    """

    at_us: int
    post: str
    how: Literal["deleted", "replaced"]


AfterEvent = OrderActed | OrderTended | PhotoActed | PhotoPosted | PhotoFailed | PhotoTakenBack
AFTER_EVENTS: Final[tuple[type[AfterEvent], ...]] = (
    OrderActed, OrderTended, PhotoActed, PhotoPosted, PhotoFailed, PhotoTakenBack,
)  # fmt: skip
