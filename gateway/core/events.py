"""All that can happen, as told to the core: past participles, decoded and checked at the edge.

``at_us`` is when it happened by the wall clock, UTC microseconds. ``boot`` and monotonic time
are added to the row by the journal.
"""

from dataclasses import dataclass, field
from typing import Literal

from gateway.core.after.events import AFTER_EVENTS, AfterEvent
from gateway.core.alert import Alert, Assurance, Medium
from gateway.core.calls.events import CALL_EVENTS, CallEvent
from gateway.core.guard_reports.report import ReportActed
from gateway.core.people import Contact, Person
from gateway.core.policy.events import RELEASE_EVENTS, ReleaseEvent
from gateway.core.readiness.event_plan import PLAN_EVENTS, PlanEvent
from gateway.core.readiness.events import READINESS_EVENTS, ReadinessEvent
from gateway.core.register.events import (
    REGISTER_EVENTS,
    DutyChanged,
    DutySwapped,
    PersonChanged,
    PersonEntered,
    PersonStruck,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertReceived:
    """A door decoded a message of the centre.

    Attributes:
        door: ``http``, ``mqtt`` or ``control``.
        alert: The decoded message.
        synchronised: False while our own clock is not to be trusted.
        prior_order: Order id of an alert of the same key that has left the memory, else None.
        prior_number: Its number.
        prior_sha256: Its body's digest, empty when there is none.
        prior_named: Of the messages that it refers to, those that have left the memory: each as
            (reference, digest, order id, number); the last two empty where it made no order.
    """

    at_us: int
    door: str
    alert: Alert
    synchronised: bool = True
    prior_order: str | None = None
    prior_number: str | None = None
    prior_sha256: str = ""
    prior_named: tuple[tuple[str, str, str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageNoted:
    """The centre sent something on which nobody is called: it is written down and answered.

    Attributes:
        door: ``http``, ``mqtt`` or ``control``.
        sender: Who sent it, as he calls himself.
        id: His id of it.
        what: ``test`` and ``system``: of the centre's own machinery. ``ack`` and ``error``:
            what the centre makes of something we sent.
        text: What it says, in words.
    """

    at_us: int
    door: str
    sender: str
    id: str
    what: Literal["test", "system", "ack", "error"]
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRefused:
    """Something came that nothing can be done with; kept so that nothing is lost.

    Attributes:
        door: Where it came in: ``http``, ``mqtt``, ``chat:<id>``, ``channel:<id>``.
        reason: What is wrong with it, naming the field.
        raw: The first 4096 bytes, base64; may hold anything, so it is personal.
    """

    at_us: int
    door: str
    reason: str
    raw: str = field(default="", metadata={"personal": None})


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


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentIssued:
    """A one-time code was made for a person; ``by`` is who asked for it, personal."""

    at_us: int
    person: str
    code_sha256: str
    expires_us: int
    by: str = field(default="", metadata={"personal": None})


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonLeft:
    """A person has left: nothing of him is accepted on any medium from now on.

    ``by`` is who said so, personal.
    """

    at_us: int
    person: str
    by: str = field(default="", metadata={"personal": None})


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonErased:
    """A person has left, and nothing of him that is personal is kept any longer.

    ``by`` is who had it erased, personal.
    """

    at_us: int
    person: str
    by: str = field(default="", metadata={"personal": None})


@dataclass(frozen=True, slots=True, kw_only=True)
class RadioBlocked:
    """A radio was reported lost or stolen, or has been found again.

    Attributes:
        radio: What it says of itself, as ``mdc1200:1234``.
        lost: False when it has been found.
        by: Who reported it; personal.
    """

    at_us: int
    radio: str
    lost: bool = True
    by: str = field(default="", metadata={"personal": None})


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterSeeded:
    """The settings name people whom the register does not know yet."""

    at_us: int
    people: tuple[Person, ...]
    contacts: tuple[Contact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerFired:
    """A moment the core asked for has come.

    Attributes:
        timer: Timer id.
        due_us: Which moment it was set for: one that was moved meanwhile means nothing. None
            where only the timer as it stands now can be meant.
    """

    at_us: int
    timer: str
    due_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PathChanged:
    """A way to people was lost or works again."""

    at_us: int
    path: str
    up: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The engine is up.

    Attributes:
        down_us: How long it was away, by the last row's wall clock; 0 on the first start.
        synchronised: False while our clock is not to be trusted.
    """

    at_us: int
    down_us: int
    synchronised: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStepped:
    """The wall clock was moved, against the monotonic one.

    Attributes:
        at_us: Wall time after it.
        by_us: How far, microseconds; negative when it was set back.
    """

    at_us: int
    by_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsReloaded:
    """New settings are in force."""

    at_us: int
    version: str
    by: str


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingsExpired:
    """Files have served their time and are about to be taken away.

    Attributes:
        recordings: How many recordings of the air.
        media: How many photos and voice notes.
        recordings_before_us: Recordings older than this go, UTC microseconds.
        media_before_us: Photos and voice notes older than this go.
        held: How many stay although they are older, for an order that is open.
    """

    at_us: int
    recordings: int
    media: int
    recordings_before_us: int
    media_before_us: int
    held: int = 0


Event = (
    AlertReceived
    | CallEvent
    | AfterEvent
    | ReleaseEvent
    | InputRefused
    | OrderActed
    | PageWaited
    | PageStarted
    | PageSpoken
    | PageFailed
    | OverHeard
    | ReportActed
    | DigitsHeard
    | SignalHeard
    | KeyPattern
    | RecordingKept
    | CardPosted
    | CardFailed
    | ButtonPressed
    | TextReceived
    | MediaReceived
    | EnrolmentIssued
    | PersonLeft
    | PersonErased
    | RadioBlocked
    | RegisterSeeded
    | TimerFired
    | PathChanged
    | Started
    | ClockStepped
    | SettingsReloaded
    | TalkSwitched
    | TalkCut
    | DispatcherSpoke
    | SoundRefused
    | RecordingsExpired
    | MessageNoted
    | PersonEntered
    | PersonChanged
    | PersonStruck
    | DutyChanged
    | DutySwapped
    | ReadinessEvent
    | PlanEvent
)

EVENT_TYPES: tuple[type[Event], ...] = (
    MessageNoted,
    ReportActed,
    AlertReceived, InputRefused, OrderActed, PageWaited, PageStarted, PageSpoken, PageFailed,
    OverHeard, DigitsHeard, SignalHeard, KeyPattern, RecordingKept, CardPosted, CardFailed,
    ButtonPressed, TextReceived, MediaReceived, EnrolmentIssued, PersonLeft, PersonErased,
    RadioBlocked, RegisterSeeded, TimerFired, PathChanged, Started, ClockStepped,
    SettingsReloaded, TalkSwitched, TalkCut, DispatcherSpoke, SoundRefused,
    RecordingsExpired,
    *REGISTER_EVENTS,
    *CALL_EVENTS,
    *AFTER_EVENTS,
    *READINESS_EVENTS,
    *PLAN_EVENTS,
    *RELEASE_EVENTS,
)  # fmt: skip

__all__ = ["Assurance", "Event", "EVENT_TYPES", "Medium"]
