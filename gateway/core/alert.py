"""What the command centre raises: an alert, as decoded and checked at a door."""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum


class AlertKind(StrEnum):
    """What one message from the centre does."""

    ALERT = "alert"
    UPDATE = "update"
    CANCEL = "cancel"


class Level(IntEnum):
    """Urgency of an alert; 1 is the most urgent."""

    ONE = 1
    TWO = 2
    THREE = 3


class Datum(StrEnum):
    """Coordinate reference of a position; CGCS2000 counts as WGS-84 for dispatch."""

    WGS_84 = "WGS-84"
    GCJ_02 = "GCJ-02"


class Medium(StrEnum):
    """Which way an act or a fact reached us."""

    RADIO = "radio"
    CHAT = "chat"
    CENTRE = "centre"
    CLOCK = "clock"


class Assurance(StrEnum):
    """How well we know who acted: R radio, C chat, H person logged in, M machine."""

    R0 = "R0"
    R1 = "R1"
    R2 = "R2"
    C1 = "C1"
    C2 = "C2"
    H = "H"
    M = "M"


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A point on the earth.

    Attributes:
        lat_udeg: Latitude in micro-degrees, north positive.
        lon_udeg: Longitude in micro-degrees, east positive.
        datum: The reference the figures are in; never absent.
    """

    lat_udeg: int
    lon_udeg: int
    datum: Datum


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """A part of the earth's surface: a polygon, or a circle.

    Attributes:
        datum: The reference of its figures.
        corners: Corners of the polygon in micro-degrees (latitude, longitude), not closed;
            empty for a circle.
        centre: Centre of the circle, likewise.
        radius_m: Radius of the circle, metres.
    """

    datum: Datum
    corners: tuple[tuple[int, int], ...] = ()
    centre: tuple[int, int] | None = None
    radius_m: int = 0


class MachineEvent(StrEnum):
    """What an alarm host tells."""

    ALARM = "alarm"
    RESTORE = "restore"
    TEST = "test"
    TROUBLE = "trouble"


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineSignal:
    """What an alarm host (报警主机) said.

    Attributes:
        host: Its account at the receiving centre.
        zone: Which of its zones (防区); digits kept as text.
        event: What happened there.
    """

    host: str
    zone: str
    event: MachineEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One message from the centre, decoded and checked.

    Attributes:
        kind: Whether it raises, amends or cancels.
        id: The centre's own id; with ``sender`` it is the key that makes one order.
        sender: Who sent it, as the centre calls itself.
        sent_us: When the centre sent it, UTC microseconds.
        category: The centre's word for the kind of trouble, such as ``fight``.
        level: Urgency.
        text: What is said and written, at most 500 characters.
        place: Address in words, if any.
        location: Point, if any.
        grid: Grid id or code, if the centre knows it.
        to: Who is meant, as ``person/ID``, ``team/ID``, ``zone/ID``, ``station/ID`` or
            ``grid/ID``; None for whoever serves the grid.
        needs: How many guards are wanted, 1 to 50.
        expires_us: After this moment nothing of it is sent, UTC microseconds.
        exercise: Spoken and written as an exercise (演练).
        attachments: Media ids that came before it.
        body_sha256: Digest of the message, to tell a repeat from a conflict.
        reporter: Person id of who reported it from the spot, or None.
        organisation: Whose token it came with where that may order its own people only; None
            for the centre and the police.
        incident: What the centre calls the incident; its alerts with one name make one order.
        references: The messages that an update or cancel is about, each ``sender,id``; empty
            when it bears the id of its alert.
        grids: Further grids, ids or codes, that are called with ``grid``.
        areas: Where it is, as areas; together they are one.
        machine: What the alarm host said that raised it; None when people did.
        tasks: What guards are asked to do, words of the site's closed list; empty for what its
            category asks.
        private: Words of the text and the place that are never said on the air.
        through: By what the door knew whoever sent it, such as ``http/centre``; no part of the
            message, and empty where no door was passed.
    """

    kind: AlertKind
    id: str
    sender: str
    sent_us: int
    category: str
    level: Level
    text: str
    place: str | None = None
    location: Position | None = None
    grid: str | None = None
    needs: int = 1
    expires_us: int | None = None
    exercise: bool = False
    attachments: tuple[str, ...] = field(default=())
    body_sha256: str = ""
    organisation: str | None = None
    to: str | None = None
    reporter: str | None = None
    incident: str | None = None
    references: tuple[str, ...] = ()
    grids: tuple[str, ...] = ()
    areas: tuple[Area, ...] = ()
    machine: MachineSignal | None = None
    tasks: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    through: str = ""
