"""Zones, grids, posts and routes, and which of them a point lies in."""

from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Literal

from gateway.core.alert import Datum, Position
from gateway.core.escalation import Response
from gateway.core.people import Organisation
from gateway.core.roster import Roster
from gateway.core.wording import Catalogue


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A patrol zone; its grade sets the arrival clock (1, 2 or 3: the 1-3-5 minutes)."""

    id: str
    name: str
    grade: Literal[1, 2, 3]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """One grid of a zone.

    Attributes:
        id: Our id.
        name: As said and written.
        zone: Zone id.
        codes: The centre's codes for it, digits kept as text.
        aliases: Words in an address or a text that mean this grid.
        polygon: Corners in micro-degrees (latitude, longitude) in the site's datum, not closed.
        neighbours: Grid ids next to it.
        first_manager: Person id of the bureau leader.
        second_manager: Person id of the station head.
        station: Person id of the police station on duty, ordered in parallel.
        channel: Channel id on which it is called, or None.
        chat: ``chat/group`` reference of its work group, or None.
    """

    id: str
    name: str
    zone: str
    codes: tuple[str, ...] = field(default=())
    aliases: tuple[str, ...] = field(default=())
    polygon: tuple[tuple[int, int], ...] = field(default=())
    neighbours: tuple[str, ...] = field(default=())
    first_manager: str | None = None
    second_manager: str | None = None
    station: str | None = None
    channel: str | None = None
    chat: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A point where guards stand."""

    id: str
    name: str
    grid: str
    position: tuple[int, int] | None = None
    aliases: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatGroup:
    """A group of a chat account: where cards for a grid are posted."""

    chat: str
    group: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """What the core knows of a radio channel.

    Attributes:
        id: Our id.
        name: As said and written.
        transmits: False when it has no licence entry and no recorded override.
        ani_digits: Length of a radio's own DTMF id, 0 when the channel has none.
    """

    id: str
    name: str
    transmits: bool
    ani_digits: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Everything the settings say that the core decides by; replaced whole by a reload.

    Attributes:
        version: First 12 hex digits of the SHA-256 of the resolved settings.
        id: Site id, part of every MQTT topic.
        name: As written.
        centre_name: What guards hear as the caller, such as 指挥中心.
        language: Default language, ``zh_CN`` or ``en``.
        timezone: Zone in which rosters are written.
        datum: Datum of every polygon and post.
        number_style: ``plain`` or ``radio`` (幺两拐勾洞).
    """

    version: str
    id: str
    name: str
    centre_name: str
    language: str
    timezone: tzinfo
    datum: Datum
    zones: dict[str, Zone]
    grids: dict[str, Grid]
    posts: dict[str, Post]
    channels: dict[str, Channel]
    chat_groups: dict[str, ChatGroup]
    organisations: dict[str, Organisation]
    roster: Roster
    response: Response
    catalogues: dict[str, Catalogue]
    number_style: Literal["plain", "radio"] = "plain"


def site_point(position: Position, datum: Datum) -> tuple[int, int]:
    """Return the position as (latitude, longitude) in micro-degrees of ``datum``."""
    raise NotImplementedError
