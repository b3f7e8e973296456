"""What becomes of talk between chats and channels, and of the overs that are kept."""

from dataclasses import dataclass, field
from typing import Final, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingKept:
    """A recording is whole and on the disk.

    Attributes:
        what: Page id or over id.
        path: Path below the recordings folder.
        sha256: Digest of the file.
        duration_ms: How long it plays.
    """

    at_us: int
    channel: str
    what: str
    path: str
    sha256: str
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkSwitched:
    """Somebody switched a talk group on or off, against its settings.

    Attributes:
        group: Talk group id.
        until_us: Until when, UTC microseconds; None until it is switched again.
        by: Who, by name or account; personal.
    """

    at_us: int
    group: str
    on: bool
    until_us: int | None = None
    by: str = field(metadata={"personal": None})


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkCut:
    """What a member of a talk group said ended, on one channel, before he did.

    Attributes:
        group: Talk group id.
        member: Who talked: ``channel:gate``, or ``dispatcher``.
        channel: Where it ended: a channel id, or ``dispatcher``, who hears the group.
        reason: ``time_out``: the channel's time-out timer. ``order``: an order goes first.
            ``off``: the group was switched off, or its hours ended. ``path``: the channel
            failed. ``busy``: another group's talk is on it. ``taken``: the dispatcher spoke.
    """

    at_us: int
    group: str
    member: str
    channel: str
    reason: Literal["time_out", "order", "off", "path", "busy", "taken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatcherSpoke:
    """The dispatcher has said something to a talk group by himself; told at its end.

    Attributes:
        at_us: When it began, UTC microseconds.
        group: Talk group id.
        over: Our id of the over.
        channels: Ids of the group's channels.
        keyed_ms: How long it lasted.
        recording: Path below the recordings folder, or None.
    """

    at_us: int
    group: str
    over: str
    channels: tuple[str, ...]
    keyed_ms: int
    recording: str | None = None


SoundRefusedKind = Literal["foreign", "second", "malformed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundRefused:
    """Somebody sends to one of our sound ports what is not taken; told once a minute at most.

    Attributes:
        path: ``channel:gate``, or ``dispatcher:east``: the talk group's own port.
        kind: ``foreign``: from an address that is not the port's other end. ``second``: a
            second stream from the right address. ``malformed``: no sound of the agreed form.
        address: Where the last datagram came from, numeric.
        count: How many came since the last time that this was told.
    """

    at_us: int
    path: str
    kind: SoundRefusedKind
    address: str
    count: int


TalkEvent = RecordingKept | TalkSwitched | TalkCut | DispatcherSpoke | SoundRefused
TALK_EVENTS: Final[tuple[type[TalkEvent], ...]] = (
    RecordingKept, TalkSwitched, TalkCut, DispatcherSpoke, SoundRefused,
)  # fmt: skip
