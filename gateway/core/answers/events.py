"""What people do on the air and in chats, as the channels and chats tell it."""

from dataclasses import dataclass, field
from typing import Final, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class OverHeard:
    """Somebody spoke on a channel, from key-down to key-up; told at key-up.

    Attributes:
        at_us: When it began, UTC microseconds.
        channel: Channel id.
        over: Our id of the over.
        ani: The radio's own id heard in it as digits, or None.
        keyed_ms: How long it lasted.
        recording: Path below the recordings folder, or None.
        stray: Symbols heard outside any frame; kept, never acted on.
        presses_ms: Key-down and key-up in turn of the presses up to now that followed one
            another within a second: ``(300, 250, 280)`` are two. Short ones that make no over
            are told once no other follows, as an over without a recording.
        radio: Who spoke: ``dtmf:10031``, ``zvei1:12345``, ``mdc1200:1234``, ``ctcss:88.5``,
            ``dcs:023N``; None when nothing said so, or when several things disagreed. A tone
            below the voice counts only where nothing else says who it is.
        radios: All identities heard in it when they disagree, else empty.
    """

    at_us: int
    channel: str
    over: str
    keyed_ms: int
    ani: str | None = None
    recording: str | None = None
    stray: str = ""
    presses_ms: tuple[int, ...] = ()
    radio: str | None = None
    radios: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitsHeard:
    """A complete ``*…#`` frame was heard.

    Attributes:
        digits: What stood between ``*`` and ``#``.
        ani: The radio's own id heard as digits in the same over, or None.
        over: Our id of the over.
        radio: Who spoke, as far as was heard by then; as in `OverHeard`.
    """

    at_us: int
    channel: str
    over: str
    digits: str
    ani: str | None = None
    radio: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalHeard:
    """Signalling other than digits was heard: who speaks, or a message; told at once.

    The same is told once an over, however often it is sent in it.

    Attributes:
        at_us: When it was understood, UTC microseconds.
        channel: Channel id.
        over: Our id of the over.
        kind: What sort of signalling.
        set: Which table of five tones, such as ``zvei1``; None for the other kinds.
        value: Five digits; ``<what> <unit>`` such as ``emergency 1234``, ``PTT ID start 1234``;
            a tone such as ``88.5``; a code such as ``023N``.
        mdc: Of a packet: operation, argument, unit of the radio that sent it (0 to 65535). None
            for the other kinds, and where the packet does not say who sent it.
    """

    at_us: int
    channel: str
    over: str
    kind: Literal["selcall", "mdc1200", "ctcss", "dcs"]
    set: str | None = None
    value: str
    mdc: tuple[int, int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPattern:
    """Somebody pressed his key briefly twice or three times, and no more.

    Told of presses that began in an answer window, and of those that say by whom they are.

    Attributes:
        at_us: When the first press began, UTC microseconds.
        channel: Channel id.
        presses: 2 or 3.
        radio: Who pressed, as in `OverHeard`; None when nothing said so.
        over: Our id of what was pressed.
    """

    at_us: int
    channel: str
    presses: Literal[2, 3]
    radio: str | None = None
    over: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ButtonPressed:
    """Somebody pressed a signed button of a card.

    Attributes:
        chat: Chat id.
        address: The platform's user id of who pressed; personal, owner not known yet.
        order: Order id from the signed data.
        action: Reply digit ``0`` to ``5``.
        press: The platform's id of the press, to answer it.
        private: Whether it was on a private card.
    """

    at_us: int
    chat: str
    address: str = field(metadata={"personal": None})
    order: str
    action: str
    press: str
    private: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TextReceived:
    """Somebody wrote in a chat.

    Attributes:
        chat: Chat id.
        address: The platform's user id of the writer; personal.
        group: Group id, or None in a private chat.
        text: At most 1000 characters; personal.
        message: The platform's id of the text.
        reply_to: Message id of the card it answers, or None.
    """

    at_us: int
    chat: str
    address: str = field(metadata={"personal": None})
    group: str | None
    text: str = field(metadata={"personal": None})
    message: str
    reply_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaReceived:
    """Somebody sent a photo, a voice note or a place.

    Attributes:
        kind: ``photo``, ``voice`` or ``location``.
        path: File below the media folder, fsynced before this event; None for a location.
        sha256: Digest of the file.
        place: ``lat,lon`` in micro-degrees for a location; personal.
        caption: Words with it; personal.
    """

    at_us: int
    chat: str
    address: str = field(metadata={"personal": None})
    group: str | None
    kind: Literal["photo", "voice", "location"]
    message: str
    path: str | None = None
    sha256: str | None = None
    place: str | None = field(default=None, metadata={"personal": None})
    caption: str = field(default="", metadata={"personal": None})
    reply_to: str | None = None


AnswerEvent = (
    OverHeard
    | DigitsHeard
    | SignalHeard
    | KeyPattern
    | ButtonPressed
    | TextReceived
    | MediaReceived
)
ANSWER_EVENTS: Final[tuple[type[AnswerEvent], ...]] = (
    OverHeard, DigitsHeard, SignalHeard, KeyPattern, ButtonPressed, TextReceived, MediaReceived,
)  # fmt: skip
