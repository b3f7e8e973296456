"""What keeps people ready between orders, as values: drills, notices, cover, power.

A drill (演练) is an exercise order. A notice goes to people without being an order: a roll-call
(点名), a bulletin (通报), a self-test (自检). None of them ever stands in the way of an order.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from gateway.core.alert import Assurance, Medium

NoticeKind = Literal["roll_call", "bulletin", "self_test"]
PowerState = Literal["mains", "on_battery", "low"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """A drill: planned, or running as an exercise order.

    Attributes:
        id: ``d<counter>`` of a planned one; the order's id of one that runs.
        order: Its order id once it runs, or None.
        grid: Grid id; empty for one that the centre raised as an exercise.
        level: Level it is called at, 1 to 3.
        text: What it says.
        needs: Guards wanted.
        at_us: When it begins, UTC microseconds.
        by: Who started it; personal.
        surprise: Whether nobody is told of it before it begins.
    """

    KIND: ClassVar[str] = "drill"

    id: str
    order: str | None = None
    grid: str = ""
    level: int = 2
    text: str = ""
    needs: int = 1
    at_us: int = 0
    by: str = field(default="", metadata={"personal": None})
    surprise: bool = False

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticePage:
    """One transmission of a notice.

    Attributes:
        id: Page id, of the same series as an order's.
        state: ``queued`` → ``spoken`` or ``failed``.
        asked_us: When it was asked for, UTC microseconds.
        ended_us: When it had been spoken.
        window_s: How long answers are waited for on the channel afterwards, seconds.
        slots: Person ids that answer one after the other; empty where nobody has a turn.
        slot_s: How long each turn lasts, seconds.
        reason: Why it failed.
    """

    id: str
    channel: str
    state: Literal["queued", "spoken", "failed"] = "queued"
    asked_us: int
    ended_us: int | None = None
    window_s: int = 0
    slots: tuple[str, ...] = ()
    slot_s: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeCard:
    """One post of a notice in a chat.

    Attributes:
        id: Card id, of the same series as an order's.
        chat: Chat id.
        address: Group id, or the person's account; personal, owned by ``person``.
        person: Person id of a private card, or None.
        message: The platform's message id once posted.
        state: ``queued`` → ``posted`` or ``failed``.
        asked_us: When it was asked for, UTC microseconds.
        ended_us: When it stood in the chat.
        reason: Why it failed.
    """

    id: str
    chat: str
    address: str = field(metadata={"personal": "person"})
    person: str | None = None
    message: str | None = None
    state: Literal["queued", "posted", "failed"] = "queued"
    asked_us: int
    ended_us: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """That somebody answered a notice, when and how."""

    person: str
    at_us: int
    medium: Medium
    assurance: Assurance


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A notice under way.

    Attributes:
        id: ``n<counter>``; fits signed button data like an order's.
        kind: What it is.
        grids: Grid ids it goes to; empty where it is the whole site's.
        text: What it says; empty where the kind says it.
        by: Who ordered it, or ``@plan``; personal.
        opened_us: When, UTC microseconds.
        due_us: When who has not answered is listed.
        asked: Person ids whose answer is awaited.
        present: Who has answered.
        pages: Its transmissions.
        cards: Its posts.
        round: 1, and 2 once those who missed it are called again.
        listed: Whether who has not answered was listed; later answers are noted all the same.
    """

    KIND: ClassVar[str] = "notice"

    id: str
    kind: NoticeKind
    grids: tuple[str, ...] = ()
    text: str = ""
    by: str = field(default="", metadata={"personal": None})
    opened_us: int
    due_us: int
    asked: tuple[str, ...] = ()
    present: tuple[Present, ...] = ()
    pages: tuple[NoticePage, ...] = ()
    cards: tuple[NoticeCard, ...] = ()
    round: int = 1
    listed: bool = False

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return self.id

    @property
    def missing(self) -> tuple[str, ...]:
        """Return who was asked and has not answered."""
        here = {p.person for p in self.present}
        return tuple(person for person in self.asked if person not in here)

    def with_page(self, page: NoticePage) -> "Notice":
        """Return it with a page put in the place of the one with its id, or added."""
        others = tuple(p for p in self.pages if p.id != page.id)
        return replace(self, pages=(*others, page))

    def with_card(self, card: NoticeCard) -> "Notice":
        """Return it with a card put in the place of the one with its id, or added."""
        others = tuple(c for c in self.cards if c.id != card.id)
        return replace(self, cards=(*others, card))


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedRolls:
    """How many roll-calls in a row somebody has missed."""

    KIND: ClassVar[str] = "missed_rolls"

    person: str
    times: int

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return self.person


CoverKind = Literal["empty", "ahead", "unheard", "group", "unreachable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverGap:
    """A hole in the cover that is known and not closed.

    Attributes:
        kind: ``empty``: nobody is on duty in a grid. ``ahead``: nobody will be. ``unheard``:
            a channel has been silent for hours. ``group``: no guard of a grid can be reached.
            ``unreachable``: a station or manager cannot.
        what: The grid, channel or person id.
        since_us: Since when it is known, UTC microseconds.
        told_us: When it was told last.
        from_us: When a hole ahead begins; 0 for the others.
    """

    KIND: ClassVar[str] = "cover_gap"

    kind: CoverKind
    what: str
    since_us: int
    told_us: int
    from_us: int = 0

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return f"{self.kind}/{self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelHeard:
    """When a human was last heard on a channel, to within some minutes."""

    KIND: ClassVar[str] = "channel_heard"

    channel: str
    at_us: int

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return self.channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """What the machine runs on, as its uninterruptible supply tells.

    Attributes:
        state: ``mains``, ``on_battery``, or ``low``: it will soon be over.
        since_us: Since when, UTC microseconds.
        bridged_off: Talk groups that are switched off because of it.
    """

    KIND: ClassVar[str] = "power"

    state: PowerState
    since_us: int
    bridged_off: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Return the entity's key: there is one machine."""
        return "machine"


# ---- what the settings say ----


@dataclass(frozen=True, slots=True, kw_only=True)
class RollCallRule:
    """When people are called by roll.

    Attributes:
        grids: Grid ids; empty for all.
        every_min: Every so many minutes of the local day, or None.
        at_min: At these minutes of the local day.
        random_per_shift: So often in each shift, at times that nobody is told.
    """

    grids: tuple[str, ...] = ()
    every_min: int | None = None
    at_min: tuple[int, ...] = ()
    random_per_shift: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillRule:
    """A drill that comes every week: on a day (0 Monday), at a minute of the local day."""

    grid: str
    weekday: int
    at_min: int
    level: int
    text: str
    needs: int = 1
    surprise: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTestRule:
    """When the whole chain tests itself, and where.

    Attributes:
        at_min: Minute of the local day, or None for by hand only.
        channels: Channel ids; None for every one that transmits.
        chats: Groups, as ``chat/group``.
        people: Person ids who press a button; the test fails when none of them does.
        within_s: How long all of it may take, seconds.
    """

    at_min: int | None = None
    channels: tuple[str, ...] | None = None
    chats: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    within_s: int = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessPolicy:
    """What the settings say of readiness.

    Attributes:
        roll_calls: When people are called by roll.
        window_s: How long an answer to a roll-call is waited for, seconds.
        drills: Drills that come every week.
        self_test: The self-test.
        cover: Whether holes in the cover are looked for.
        ahead_h: So far ahead, hours; 0 for not at all.
        remind_min: A hole that stays is told again after so many minutes.
        unheard_h: A channel silent for so many hours is told; 0 for never.
        bulletin_window_min: After so many minutes who has not read a bulletin is listed.
    """

    roll_calls: tuple[RollCallRule, ...] = ()
    window_s: int = 120
    drills: tuple[DrillRule, ...] = ()
    self_test: SelfTestRule = field(default_factory=SelfTestRule)
    cover: bool = True
    ahead_h: int = 24
    remind_min: int = 60
    unheard_h: int = 0
    bulletin_window_min: int = 120


READINESS_ENTITIES: tuple[type, ...] = (
    Drill, Notice, MissedRolls, CoverGap, ChannelHeard, Power,
)  # fmt: skip
