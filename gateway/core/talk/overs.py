"""What is said without being an order: talk on its way to a channel, overs being kept.

These are in the memory only while something is still to come of them; what stands about them
for good is in the rows of the journal.
"""

from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkSwitch:
    """What somebody said of a talk group at run time, against its settings.

    Attributes:
        group: Talk group id.
        on: Whether it is patched.
        until_us: Until when this holds, UTC microseconds; None until it is said otherwise.
    """

    KIND: ClassVar[str] = "talk_switch"

    group: str
    on: bool
    until_us: int | None = None

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return self.group


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """Talk from a chat on its way to a channel; dropped once its sender was told the end.

    Attributes:
        id: ``t<counter>``; the page id of its transmission.
        group: Talk group it goes through.
        channel: Channel it goes on.
        chat: Chat id it came from.
        address: Group id to answer in; personal like every address.
        message: The platform's id of what was written or sent.
        person: Who talks.
        at_us: When it came.
        waits: Why it has been waiting, in the words of PageWaited; empty when it has not.
        left: Whether who talks has left since, so that it was taken back.
    """

    KIND: ClassVar[str] = "talk"

    id: str
    group: str
    channel: str
    chat: str
    address: str = field(metadata={"personal": "person"})
    message: str
    person: str
    at_us: int
    waits: str = ""
    left: bool = False

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What is known of an over or a page whose recording is being made.

    It is put once more, whole, in the row of each RecordingKept: from there recordings are
    found. It is dropped there with the last form of the file.

    Attributes:
        id: Over id or page id.
        channel: Channel id.
        began_us: When it began, UTC microseconds.
        keyed_ms: How long an over lasted; 0 for what we said ourselves, and until its end.
        person: Who spoke, by what was known then, or None.
        radio: The radio's own id, or None.
        about: Order id it answered or spoke, or None.
        signalled: A frame of tones came in it: it said what it had to say.
        channels: Where the dispatcher's own voice went, by id; else empty.
    """

    KIND: ClassVar[str] = "recording"

    id: str
    channel: str
    began_us: int
    keyed_ms: int = 0
    person: str | None = None
    radio: str | None = None
    about: str | None = None
    signalled: bool = False
    channels: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return self.id
