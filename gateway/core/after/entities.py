"""What stays of an order beside its calls: photos in groups, follow-up visits, legal holds."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoReply:
    """One answer to a photo in a group.

    Attributes:
        kind: What he sent.
        person: Person id, or None for somebody the register does not know.
        useful: Whether it helps to find whom the photo shows: a photo or a place does by
            itself, words when a dispatcher says so.
    """

    at_us: int
    kind: Literal["text", "photo", "voice", "location"]
    person: str | None = None
    useful: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """One photo that a named person released to groups, for one order.

    Attributes:
        id: ``f<counter>``.
        order: Order id.
        media: Media id, or file below the media folder.
        grids: Grid ids whose groups have it.
        by: Who released it; personal.
        released_us: When, UTC microseconds.
        expires_us: When it is recalled.
        posted_us: When it stood in the first group, or None.
        replies: What came of it, oldest first, the first hundred.
        useful_us: When the first useful answer came, or None.
        recalled: Why it was taken back, or None: ``expired``, ``act``, ``closed``.
    """

    KIND: ClassVar[str] = "photo"

    id: str
    order: str
    media: str
    grids: tuple[str, ...]
    by: str = field(metadata={"personal": None})
    released_us: int
    expires_us: int
    posted_us: int | None = None
    replies: tuple[PhotoReply, ...] = ()
    useful_us: int | None = None
    recalled: Literal["expired", "act", "closed"] | None = None

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return self.id

    @property
    def first_useful_s(self) -> float | None:
        """Return seconds from its standing in a group to the first useful answer, or None."""
        if self.useful_us is None:
            return None
        return (self.useful_us - (self.posted_us or self.released_us)) / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoPost:
    """A photo in one group.

    Attributes:
        id: ``g<counter>``.
        photo: Photo id.
        chat: Chat id.
        group: Name of the group, as settings write it.
        address: Group id.
        message: The platform's message id once posted.
        state: ``queued`` → ``posted`` → ``recalling`` → ``recalled``, or ``replaced`` (the
            platform deletes no message so old; its words say that it is withdrawn), or
            ``stands`` (nothing could be done). ``failed`` and ``expired`` never stood there.
    """

    KIND: ClassVar[str] = "photo_post"

    id: str
    order: str
    photo: str
    chat: str
    group: str
    address: str
    message: str | None = None
    state: Literal[
        "queued", "posted", "recalling", "recalled", "replaced", "stands", "failed", "expired"
    ] = "queued"

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """A visit afterwards (回访) that somebody owes; it outlives its order in the memory.

    Attributes:
        order: Order id.
        number: Number of the order when it was asked for.
        person: Person id of who goes, or None for the centre's desk.
        due_us: When he is reminded next, UTC microseconds.
        reminded: How often he was.
    """

    KIND: ClassVar[str] = "follow_up"

    order: str
    number: str
    person: str | None
    due_us: int
    reminded: int = 0

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return self.order


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalHold:
    """What belongs to an order is kept until this is lifted; it outlives its order.

    Attributes:
        order: Order id.
        since_us: Since when, UTC microseconds.
        reason: Why; personal.
        by: Who holds it; personal.
    """

    KIND: ClassVar[str] = "legal_hold"

    order: str
    since_us: int
    reason: str = field(metadata={"personal": None})
    by: str = field(metadata={"personal": None})

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return self.order


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultCode:
    """What an order may end in.

    Attributes:
        code: As acts and statistics name it.
        name: As written, such as 纠纷—化解.
        follow_up_days: After so many days somebody goes there again; None for never.
    """

    code: str
    name: str
    follow_up_days: int | None = None
