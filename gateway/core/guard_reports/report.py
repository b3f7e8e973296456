"""What a guard tells of himself (上报), as values: his report, and what the site makes of it.

A report is not an order: nobody is sent anywhere by it until a named person, or the settings,
make one of it. It has a number of its own, ``R12``, so that nobody takes it for an order's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from gateway.core.alert import Assurance, Medium
from gateway.core.centre.strict_json import timestamp
from gateway.core.people import Person

ReportKind = Literal["emergency", "report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardReport:
    """What somebody told without having been asked, with all that he added to it.

    Attributes:
        id: ``r<counter>``; fits signed button data like an order's.
        number: ``R<counter>``, as people say and write it.
        source: By what a repetition is known: ``person/ID``, ``radio/KIND:VALUE`` or
            ``channel/ID``.
        state: ``draft``: he was asked whether he means it; ``offered``: a voice that the
            dispatcher may take for a report; ``open``: somebody has to deal with it;
            ``promoted``: it has become an order; ``dismissed``.
        emergency: Whether he calls for help.
        medium: By which way it came first.
        assurance: How well we know who it is, by the best of what he sent.
        opened_us: When it came, UTC microseconds.
        last_us: When he last added to it.
        person: Who it is, or None when a radio does not say so.
        channel: Channel it came on, or None.
        radio: What the radio says of itself, or None.
        text: All that he wrote, as he wrote it; personal.
        place: Where he says he is, ``lat,lon`` in micro-degrees (WGS-84); personal.
        grid: Grid id it is about, as far as it is known.
        post: Post id where he stands, or None.
        media: Photos and voice notes below the media folder.
        overs: Overs in which he spoke, by our ids.
        order: Order id it has become, or None.
        reminded: How often the managers were told that nobody has dealt with it.
        by: Who dealt with it; personal.
        reason: Why it needs nobody; personal.
    """

    KIND: ClassVar[str] = "guard_report"

    id: str
    number: str
    source: str
    state: Literal["draft", "offered", "open", "promoted", "dismissed"]
    emergency: bool
    medium: Medium
    assurance: Assurance
    opened_us: int
    last_us: int
    person: str | None = None
    channel: str | None = None
    radio: str | None = None
    text: str = field(default="", metadata={"personal": "person"})
    place: str | None = field(default=None, metadata={"personal": "person"})
    grid: str | None = None
    post: str | None = None
    media: tuple[str, ...] = ()
    overs: tuple[str, ...] = ()
    order: str | None = None
    reminded: int = 0
    by: str = field(default="", metadata={"personal": None})
    reason: str = field(default="", metadata={"personal": None})

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return self.id


def guard_report_json(report: GuardReport) -> dict[str, object]:
    """Return a report as the centre reads it, with what has become of it."""
    return {
        "id": report.number,
        "state": report.state,
        "emergency": report.emergency,
        "opened": timestamp(report.opened_us),
        "person": report.person,
        "medium": report.medium.value,
        "assurance": report.assurance.value,
        "channel": report.channel,
        "radio": report.radio,
        "text": report.text,
        "grid": report.grid,
        "post": report.post,
        "media": list(report.media),
        "order": report.order,
        "by": report.by,
        "reason": report.reason,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What somebody told by himself, as a room heard it.

    Attributes:
        source: By what a repetition is known, as in `GuardReport`.
        kind: Whether he calls for help.
        person: Who it is, or None when that is not certain.
        why: Why his radio is not to be believed, a word of the catalogue, or None.
        coded: Whether it was a code or a key of his radio, and no voice.
    """

    source: str
    kind: ReportKind
    medium: Medium
    assurance: Assurance
    person: Person | None = None
    text: str = ""
    place: str | None = None
    media: tuple[str, ...] = ()
    over: str | None = None
    recording: str | None = None
    channel: str | None = None
    radio: str | None = None
    why: str | None = None
    coded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportActed:
    """A named person dealt with a guard's report.

    Attributes:
        report: Its number, ``R12``.
        act: ``promote``: an order is made of it; ``dismiss``: it needs none.
        by: Who, by name or account; personal.
        level: Level of the order; None for 1 of an emergency, 2 of anything else.
        grid: Grid of the order; None for the one the report is about.
        needs: Guards wanted beside the reporter; None for what the settings say.
        category: The order's category; None for what the report is.
        text: What the order says; None for the reporter's own words.
        reason: Why it was dismissed.
    """

    at_us: int
    report: str
    act: Literal["promote", "dismiss"]
    by: str = field(metadata={"personal": None})
    level: Literal[1, 2, 3] | None = None
    grid: str | None = None
    needs: int | None = None
    category: str | None = None
    text: str | None = field(default=None, metadata={"personal": None})
    reason: str | None = field(default=None, metadata={"personal": None})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPolicy:
    """What becomes of guards' reports without anybody's act.

    Attributes:
        emergency: An emergency of somebody known becomes an ``order`` at once, or an ``offer``.
        others: The same of every other report.
        unknown: The same of an emergency from a radio that is nobody's, or was lost.
        voice: What a known radio says unasked is only kept, offered to the dispatcher, or a
            report.
        codes: Action digit of a frame → what it means: ``*9#`` and ``*guard 9#``.
        mdc_status: Argument of an MDC1200 status → what it means.
        selcall_status: Last digit of a five-tone call → what it means.
        spoken: Whether the answer to a report on the air is spoken as well.
        needs: Guards wanted at an emergency beside the one who is there.
        repeat_s: What the same person or radio sends within this, seconds, is the same report.
        escalate_s: After so long the managers are told that nobody has dealt with it, seconds.
    """

    emergency: Literal["order", "offer"] = "order"
    others: Literal["order", "offer"] = "offer"
    unknown: Literal["order", "offer"] = "offer"
    voice: Literal["keep", "offer", "report"] = "offer"
    codes: Mapping[str, ReportKind] = field(default_factory=lambda: {"9": "emergency"})
    mdc_status: Mapping[int, ReportKind] = field(default_factory=dict)
    selcall_status: Mapping[str, ReportKind] = field(default_factory=dict)
    spoken: bool = False
    needs: int = 2
    repeat_s: int = 120
    escalate_s: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockingPoint:
    """A place where somebody stands so that nobody gets away (堵控点).

    Attributes:
        name: As said and written.
        position: (latitude, longitude) in micro-degrees of the site's datum.
        side: From which side it closes, such as 南侧; None where the name says enough.
    """

    name: str
    position: tuple[int, int]
    side: str | None = None
