"""All that can be asked of the outside: imperatives. Each goes to the driver it names.

An effect leaves only after the transaction that asked for it is on the disk. It may leave
twice after a crash; then it carries ``again`` and says so (重发 / 重复).
"""

from dataclasses import dataclass, field
from typing import Literal

from gateway.core.reasons import Worded


@dataclass(frozen=True, slots=True, kw_only=True)
class PageChannel:
    """Speak an order on a channel. Answered by PageStarted, PageSpoken or PageFailed.

    Attributes:
        page: Page id; the radio process never speaks one id twice.
        level: 1, 2 or 3; decides attention tone, place in the queue and waiting limit.
        number: Order number, for the fallback phrase.
        text: What is spoken, sentence by sentence, plain words.
        language: ``zh_CN`` or ``en``.
        attention: Whether the attention tone goes first.
        exercise: Whether the fallback phrase says so.
        number_style: How the fallback phrase says the number: ``plain`` or ``radio``.
        answer_window_s: How long the channel is kept for answers afterwards.
        not_after_us: It is not begun after this moment, UTC microseconds.
        calls: Selective calls sent before the attention tone, so that muted radios open:
            ``zvei1:12345``, ``dtmf:110``, ``mdc1200:call:1234``.
        routine: A drill, a roll-call, a bulletin, a self-test: whatever its level sounds like,
            it waits behind every live order and never keys over anybody.
        tone: Level whose attention tone goes first; None for that of ``level``.
        stand_down: It calls the order off: it goes first among its level, and nobody is waited
            for who might still answer the order.
    """

    page: str
    channel: str
    order: str
    level: int
    number: str
    text: tuple[str, ...]
    language: str
    attention: bool = True
    exercise: bool = False
    number_style: Literal["plain", "radio"] = "plain"
    answer_window_s: int = 15
    not_after_us: int
    calls: tuple[str, ...] = ()
    routine: bool = False
    tone: Literal[1, 2, 3] | None = None
    stand_down: bool = False


# Talk is below every order: levels 1 to 3 go first, on the air and in the chats.
TALK_LEVEL = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkOnChannel:
    """Put talk from a chat on a channel. Answered by PageStarted, PageSpoken or PageFailed.

    It waits for a clear channel, is barred in answer windows, makes way for any order at a gap
    and is cut where the time-out timer would.

    Attributes:
        page: Page id, as of an order's page; never spoken twice.
        speaker: Person id of whose words these are.
        text: What is spoken, sentence by sentence; personal.
        media: Voice note below the media folder that follows the text, or None.
        not_after_us: It is not begun after this moment, UTC microseconds.
    """

    page: str
    channel: str
    speaker: str
    text: tuple[str, ...] = field(metadata={"personal": "speaker"})
    media: str | None = None
    language: str
    level: int = TALK_LEVEL
    not_after_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTalkGroup:
    """Patch a talk group's channels together, or part them, against its settings.

    Attributes:
        group: Talk group id.
        on: Whether it is patched.
        until_us: Until when, UTC microseconds; then its settings hold again. None for ever.
    """

    group: str
    on: bool
    until_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawPage:
    """Take a page out of the queue; a sentence under way is finished."""

    page: str
    channel: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerOver:
    """Answer a guard's over by tone: accepted, or wrong (which tells nothing more).

    Attributes:
        not_after_us: A late answer would be taken for someone else's; dropped after this.
        signal: Sent to the radio before the tone, or None: ``mdc1200:emergency_ack:1234`` ends
            the emergency calling of the radio 1234, ``mdc1200:ack:1234`` its message.
    """

    channel: str
    over: str
    accepted: bool
    not_after_us: int
    signal: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """One button of a card: what it says and which reply digit it stands for."""

    label: str
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PostCard:
    """Post an order's card. Answered by CardPosted or CardFailed.

    Attributes:
        card: Card id.
        chat: Chat id.
        address: Group id, or a person's account (personal).
        private: Whether it goes to one person.
        order: Order id, part of the signed button data.
        text: What is written, plain text, at most 3000 characters.
        buttons: Rows of buttons.
        level: Level 1 goes ahead of everything.
        not_after_us: Not posted after this moment, UTC microseconds.
        reply_to: Card whose message this answers (an amendment), or None.
    """

    card: str
    chat: str
    address: str = field(metadata={"personal": None})
    private: bool
    order: str
    text: str = field(metadata={"personal": None})
    buttons: tuple[tuple[Button, ...], ...]
    level: int
    not_after_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EditCard:
    """Change a posted card. A newer edit of the same card takes the place of a waiting one."""

    card: str
    chat: str
    address: str = field(metadata={"personal": None})
    message: str
    private: bool
    order: str
    text: str = field(metadata={"personal": None})
    buttons: tuple[tuple[Button, ...], ...]
    level: int
    not_after_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SendText:
    """Write a line to a person or a group: an answer, a confirmation, a warning.

    Attributes:
        keys: Words that stand on keys under his own from then on, in a private chat; a tap
            writes the word. Empty leaves the keys as they are.
    """

    chat: str
    address: str = field(metadata={"personal": None})
    text: str = field(metadata={"personal": None})
    level: int
    not_after_us: int
    reply_to: str | None = None
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SendVoice:
    """Post an over as a voice note. Nobody waits for it: talk that is late is dropped.

    Attributes:
        path: OGG/Opus file below the folder, on the disk already.
        folder: Whose file it is: ``recordings`` of the air, ``media`` that came by chat.
        duration_s: How long it plays; 0 where that is not known.
        caption: Who speaks, where and how long; personal.
    """

    chat: str
    address: str = field(metadata={"personal": None})
    path: str
    folder: Literal["recordings", "media"] = "recordings"
    duration_s: int
    caption: str = field(metadata={"personal": None})
    level: int = TALK_LEVEL
    not_after_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PostPhoto:
    """Post a photo that a named person released. Answered by PhotoPosted or PhotoFailed.

    Attributes:
        post: Id of the post.
        media: Media id, or file below the media folder: a JPEG or PNG.
        caption: What stands under it.
    """

    post: str
    chat: str
    address: str
    media: str
    caption: str = field(metadata={"personal": None})
    level: int
    not_after_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallPhoto:
    """Take a photo back. Answered by PhotoTakenBack or PhotoFailed.

    Attributes:
        post: Id of the post.
        message: The platform's message id.
        caption: What stands under it where the platform deletes no message so old.
    """

    post: str
    chat: str
    address: str
    message: str
    caption: str
    level: int
    not_after_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPress:
    """Tell who pressed a button what became of it (a toast on his telephone)."""

    chat: str
    press: str
    text: str
    alert: bool
    not_after_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetAddress:
    """Send nothing more of what waits for an account: it is nobody's any more.

    What is asked for it afterwards is sent again.
    """

    chat: str
    address: str = field(metadata={"personal": None})


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of a message of the centre. The door that brought it waits for this.

    Attributes:
        status: accepted, duplicate, conflict or refused.
        reason: Why it was refused or conflicts, or what is to be known, in the site's language.
    """

    status: Literal["accepted", "duplicate", "conflict", "refused"]
    sender: str
    id: str
    order: str | None = None
    number: str | None = None
    reason: Worded | None = None
    flags: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportStatus:
    """One node of a timeline, for the centre and for everybody who watches.

    Attributes:
        order: Order id, or None for something about the site.
        node: What happened; the words of the event schema.
        person: Person id.
        medium: ``radio``, ``chat``, ``centre``, ``clock`` or None.
        assurance: Assurance word or None.
        detail: More in words (in the site's language), or None; personal when it is of a
            person, whose own words it may be.
        grid: Grid id it is about where no order says so, or None.
        post: Post id, likewise.
        media: What came with it: files below the media folder, paths of recordings.
    """

    at_us: int
    order: str | None
    number: str | None
    node: str
    person: str | None = None
    medium: str | None = None
    assurance: str | None = None
    detail: str | None = field(default=None, metadata={"personal": "person", "owned": True})
    grid: str | None = None
    post: str | None = None
    media: tuple[str, ...] = ()


RadioEffect = PageChannel | TalkOnChannel | SetTalkGroup | WithdrawPage | AnswerOver
ChatEffect = (
    PostCard | EditCard | SendText | SendVoice | PostPhoto | RecallPhoto | AnswerPress
)
Effect = RadioEffect | ChatEffect | ForgetAddress | Receipt | ReportStatus

# Receipt and ReportStatus are not in the outbox: the receipt goes back to its door, the report
# stands in the journal's own table, from which doors publish it in order.
OUTBOX_TYPES: tuple[type[RadioEffect | ChatEffect | ForgetAddress], ...] = (
    PageChannel, WithdrawPage, AnswerOver, PostCard, EditCard, SendText, AnswerPress,
    TalkOnChannel, SetTalkGroup, SendVoice, PostPhoto, RecallPhoto, ForgetAddress,
)  # fmt: skip
