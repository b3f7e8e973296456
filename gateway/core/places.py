"""Zones, grids, posts and routes, and which of them a point lies in."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from itertools import pairwise
from typing import Final, Literal

from gateway.core.after.entities import ResultCode
from gateway.core.alert import Datum, Position
from gateway.core.answers.replies import Action
from gateway.core.calls.escalation import Response
from gateway.core.guard_reports.report import BlockingPoint, ReportPolicy
from gateway.core.intake.machines import MachineRules
from gateway.core.people import Organisation, Person, Premises, RegisterPolicy, Role
from gateway.core.place_index import Point, Polygon, PolygonIndex, WordIndex, inside
from gateway.core.policy.policy import Policy
from gateway.core.readiness.event_plan import EventPlan
from gateway.core.readiness.settings import ReadinessPolicy
from gateway.core.roster import Roster
from gateway.core.wording import Catalogue


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A patrol zone; its grade sets the arrival clock (1, 2 or 3: the 1-3-5 minutes).

    It may also set tone, readings, windows and ladder: see ``Site.graded``.
    """

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
        blocking_points: Where those who converge on it are placed, one each.
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
    blocking_points: tuple[BlockingPoint, ...] = ()
    muster: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A point where guards stand.

    Attributes:
        radios: What radios that stay there say of themselves: whoever is on duty speaks.
        standing: Whether it is a standing point (固守点): who stands here is called first.
    """

    id: str
    name: str
    grid: str
    position: tuple[int, int] | None = None
    aliases: tuple[str, ...] = field(default=())
    radios: tuple[str, ...] = field(default=())
    standing: bool = False


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
        answer_window_s: How long it is kept clear for answers after an order, seconds.
    """

    id: str
    name: str
    transmits: bool
    ani_digits: int = 0
    answer_window_s: int = 15


# The argument of an MDC1200 status as radios are programmed: the digit of the reply.
STATUS_BY_DIGIT: Final = {int(action): action for action in Action}


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkGroup:
    """Channels and chat groups patched together (通话组).

    Attributes:
        id: Our id.
        channels: Channel ids.
        chats: Chat groups as ``chat/group``.
        hours: Minutes of the local day from and to which it is patched; None for always.
        relay: Whether it is patched unless it was switched on.
        sources: Members whose talk goes through, as the settings write them; empty for all.
        roles: Roles whose talk from a chat goes on the air; empty for all.
    """

    id: str
    channels: tuple[str, ...] = ()
    chats: tuple[str, ...] = ()
    hours: tuple[int, int] | None = None
    relay: bool = True
    sources: tuple[str, ...] = ()
    roles: tuple[Role, ...] = ()

    def lets(self, member: str, person: Person | None) -> bool:
        """Return whether talk of a member goes through, where a person is known by him."""
        if self.sources and member not in self.sources:
            return False
        return person is None or not self.roles or person.role in self.roles


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
        graded: Zone grade → clocks and ladder where the grade sets some of its own.
        policy: What guards may be asked to do, and what may be said where.
        mdc_status: Argument of an MDC1200 status → what it says.
        selcall_status: Last digit of a five-tone call → what it says; empty where no radio
            sends one, and the whole call is who it is.
        reports: What becomes of what guards report of themselves.
        talk_groups: Channels and chat groups that are patched together.
        premises: Places that are guarded.
        register: What is asked of people before they are called.
        machines: How alarms of machines are taken.
        results: What an order may end in, by code; empty for any words.
        readiness: Roll-calls, drills, self-tests, and what cover is watched.
        event_plans: What is added for a while only, by id; dormant until it is in force.
        deciders: Tokens by which the centre's people act, as ``http/ID``.
        unlisted: Grids that open orders still name and where no alert is found to lie.
        laid: This site with event plans over it, as ``event_plans`` keeps it ready.
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
    graded: Mapping[int, Response] = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)
    mdc_status: dict[int, Action] = field(default_factory=lambda: dict(STATUS_BY_DIGIT))
    selcall_status: dict[str, Action] = field(default_factory=dict)
    talk_groups: dict[str, TalkGroup] = field(default_factory=dict)
    premises: dict[str, Premises] = field(default_factory=dict)
    register: RegisterPolicy = field(default_factory=RegisterPolicy)
    reports: ReportPolicy = field(default_factory=ReportPolicy)
    machines: MachineRules = field(default_factory=MachineRules)
    results: dict[str, ResultCode] = field(default_factory=dict)
    readiness: ReadinessPolicy = field(default_factory=ReadinessPolicy)
    event_plans: dict[str, EventPlan] = field(default_factory=dict)
    deciders: frozenset[str] = frozenset()
    unlisted: frozenset[str] = frozenset()
    laid: dict[tuple[tuple[str, str], ...], "Site"] = field(
        init=False, repr=False, compare=False
    )
    finder: "GridFinder" = field(init=False, repr=False, compare=False)
    posts_of_radio: dict[str, tuple[str, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Build what finds grids and posts: once a site, not once an alert."""
        object.__setattr__(self, "laid", {})
        grids = {id_: g for id_, g in self.grids.items() if id_ not in self.unlisted}
        posts = {id_: p for id_, p in self.posts.items() if p.grid not in self.unlisted}
        finder = GridFinder(grids, posts, self.policy.folding.simplified)
        object.__setattr__(self, "finder", finder)
        found: dict[str, tuple[str, ...]] = {}
        for post in self.posts.values():
            for radio in post.radios:
                found[radio] = (*found.get(radio, ()), post.id)
        object.__setattr__(self, "posts_of_radio", found)


# ---- which grid ---------------------------------------------------------------------------


class GridFinder:
    """Finds a site's grids.

    Attributes:
        polygons: By where they lie.
        words: Names and aliases of posts, then of grids, each meaning a grid.
        codes: The centre's code → grid id; of two grids with one code the first.
    """

    def __init__(
        self,
        grids: dict[str, Grid],
        posts: dict[str, Post],
        simplified: Mapping[int, str] | None = None,
    ) -> None:
        self.polygons = PolygonIndex((g.id, g.polygon) for g in grids.values())
        self.words = WordIndex(_named(grids, posts), simplified)
        self.codes: dict[str, str] = {}
        for grid in grids.values():
            for code in grid.codes:
                self.codes.setdefault(code, grid.id)


def _named(grids: dict[str, Grid], posts: dict[str, Post]) -> Iterator[tuple[str, str]]:
    for post in posts.values():
        for word in (post.name, *post.aliases):
            yield word, post.grid
    for grid in grids.values():
        for word in (grid.name, *grid.aliases):
            yield word, grid.id


def grid_at(site: Site, lat_udeg: int, lon_udeg: int) -> str | None:
    """Return the id of the grid that the point lies in, or None.

    Even-odd rule on integers with half-open edges: a point on the border that two grids share
    lies in exactly one of them.
    """
    return site.finder.polygons.at((lat_udeg, lon_udeg))


def grids_near(site: Site, point: Point, metres: float) -> tuple[str, ...]:
    """Return the grids that hold the point or come within ``metres`` of it, nearest first."""
    found = []
    for id_, polygon in site.finder.polygons.touching(*_box_around(point, metres)):
        if inside(polygon, *point):
            found.append((0.0, id_))
        elif (distance_m := _border_distance_m(polygon, point)) <= metres:
            found.append((distance_m, id_))
    return tuple(id_ for _, id_ in sorted(found, key=lambda item: item[0]))


def ring(site: Site, grid: str, n: int) -> tuple[str, ...]:
    """Return the grids ``n`` steps from ``grid`` by ``neighbours``; 0 gives it alone."""
    seen = {grid}
    front = [grid]
    for _ in range(n):
        step = [
            next_grid
            for id_ in front
            for next_grid in site.grids[id_].neighbours
            if next_grid in site.grids
        ]
        front = [id_ for id_ in dict.fromkeys(step) if id_ not in seen]
        seen.update(front)
    return tuple(front)


_METRES_PER_UDEG = math.pi * 6_371_000 / 180e6


_WHOLE_EARTH_UDEG = 360_000_000


def _scales(point: Point) -> tuple[float, float]:
    """Return the metres in a micro-degree of latitude and of longitude at a point."""
    return _METRES_PER_UDEG, _METRES_PER_UDEG * math.cos(math.radians(point[0] / 1e6))


def metres_between(one: Point, other: Point) -> float:
    """Return the distance of two points on a plane laid at the first, metres."""
    lat_scale, lon_scale = _scales(one)
    return math.hypot((other[0] - one[0]) * lat_scale, (other[1] - one[1]) * lon_scale)


def _box_around(point: Point, metres: float) -> tuple[Point, Point]:
    """Return the corners, south-west and north-east, of a box that holds the circle."""
    lat, lon = (
        math.ceil(min(metres / scale, _WHOLE_EARTH_UDEG)) + 1 if scale > 0
        else _WHOLE_EARTH_UDEG
        for scale in _scales(point)
    )  # fmt: skip
    return (point[0] - lat, point[1] - lon), (point[0] + lat, point[1] + lon)


def _border_distance_m(polygon: Polygon, point: Point) -> float:
    """Return the distance to the nearest edge on a plane laid at the point."""
    lat_scale, lon_scale = _scales(point)
    plane = [
        ((lon - point[1]) * lon_scale, (lat - point[0]) * lat_scale) for lat, lon in polygon
    ]
    return min(_origin_to_segment(a, b) for a, b in pairwise([plane[-1], *plane]))


def _origin_to_segment(a: tuple[float, float], b: tuple[float, float]) -> float:
    (ax, ay), (dx, dy) = a, (b[0] - a[0], b[1] - a[1])
    length_2 = dx * dx + dy * dy
    part = 0.0 if length_2 == 0 else max(0.0, min(1.0, -(ax * dx + ay * dy) / length_2))
    return math.hypot(ax + part * dx, ay + part * dy)


# ---- datum --------------------------------------------------------------------------------

# Krasovsky 1940 ellipsoid, as in the published form of the GCJ-02 transform.
_AXIS_M = 6_378_245.0
_ECCENTRICITY_2 = 0.00669342162296594323
_INVERSE_STEPS = 12


def site_point(position: Position, datum: Datum) -> Point:
    """Return the position as (latitude, longitude) in micro-degrees of ``datum``.

    GCJ-02 has no published inverse: it is found by iteration, to well under a micro-degree.
    Outside the transform's rectangle around China the two datums are the same.
    """
    lat, lon = position.lat_udeg / 1e6, position.lon_udeg / 1e6
    if position.datum is datum:
        return position.lat_udeg, position.lon_udeg
    if datum is Datum.GCJ_02:
        lat, lon = _gcj_of_wgs(lat, lon)
    else:
        lat, lon = _wgs_of_gcj(lat, lon)
    return round(lat * 1e6), round(lon * 1e6)


def in_china(lat_deg: float, lon_deg: float) -> bool:
    """Return whether the point is in the rectangle in which GCJ-02 is defined."""
    return 0.8293 <= lat_deg <= 55.8271 and 72.004 <= lon_deg <= 137.8347


def _wgs_of_gcj(lat: float, lon: float) -> tuple[float, float]:
    wgs_lat, wgs_lon = lat, lon
    for _ in range(_INVERSE_STEPS):
        there_lat, there_lon = _gcj_of_wgs(wgs_lat, wgs_lon)
        off_lat, off_lon = there_lat - lat, there_lon - lon
        wgs_lat, wgs_lon = wgs_lat - off_lat, wgs_lon - off_lon
        if abs(off_lat) + abs(off_lon) < 1e-9:
            break
    return wgs_lat, wgs_lon


def _gcj_of_wgs(lat: float, lon: float) -> tuple[float, float]:
    if not in_china(lat, lon):
        return lat, lon
    north_m, east_m = _shift_m(lat - 35.0, lon - 105.0)
    phi = math.radians(lat)
    flat = 1 - _ECCENTRICITY_2 * math.sin(phi) ** 2
    meridian_m = _AXIS_M * (1 - _ECCENTRICITY_2) / flat**1.5
    parallel_m = _AXIS_M / math.sqrt(flat) * math.cos(phi)
    return lat + math.degrees(north_m / meridian_m), lon + math.degrees(east_m / parallel_m)


def _shift_m(y: float, x: float) -> tuple[float, float]:
    """Return the shift (north, east) in metres; y, x are degrees from 35 N 105 E."""
    pi = math.pi
    common = 20 * math.sin(6 * x * pi) + 20 * math.sin(2 * x * pi)
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * math.sqrt(abs(x))
    north += common * 2 / 3
    north += (20 * math.sin(y * pi) + 40 * math.sin(y / 3 * pi)) * 2 / 3
    north += (160 * math.sin(y / 12 * pi) + 320 * math.sin(y / 30 * pi)) * 2 / 3
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * math.sqrt(abs(x))
    east += common * 2 / 3
    east += (20 * math.sin(x * pi) + 40 * math.sin(x / 3 * pi)) * 2 / 3
    east += (150 * math.sin(x / 12 * pi) + 300 * math.sin(x / 30 * pi)) * 2 / 3
    return north, east
