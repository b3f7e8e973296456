"""Alert → the grids it is called in, and those it may lie in as well.

``routing.find_grid`` says in which one grid a code, a point or words lie; here stand areas,
several grids at once, and the doubt of a point on a border.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import cos, radians
from typing import TYPE_CHECKING

from gateway.core.alert import Alert, Area, Position
from gateway.core.calls.routing import find_grid
from gateway.core.places import Site, grid_at, grids_near, site_point

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

# Nearer to a border than this, no position on a map says on which side it is.
BORDER_M = 5.0
# An area that reaches over more grids calls this many: beyond stands a person's decision.
MOST_GRIDS = 4
# A sliver of a grid is a border drawn twice, not a part of the area.
_SLIVER = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """Where an alert is.

    Attributes:
        grids: Grid ids to be called, own grid first; empty when it is in none.
        border: Grids it may lie in as well, as its point is on their border.
        wide: Over how many grids its area reaches, where that is more than are called; else 0.
    """

    grids: tuple[str, ...] = ()
    border: tuple[str, ...] = ()
    wide: int = 0

    @property
    def own(self) -> str | None:
        """Return the grid it belongs to, or None."""
        return self.grids[0] if self.grids else None


def place(site: Site, alert: Alert) -> Placing:
    """Return where an alert is: named grids win, then its point, its areas, its words."""
    named = _named(site, alert)
    if named:
        return Placing(grids=named[:MOST_GRIDS], wide=_wide(named))
    if alert.location is not None:
        found = _around(site, alert.location)
        if found.grids:
            return found
    if alert.areas:
        reached = _reached(site, alert)
        if reached:
            return Placing(grids=reached[:MOST_GRIDS], wide=_wide(reached))
    own = find_grid(site, alert)
    return Placing() if own is None else Placing(grids=(own,))


def _wide(grids: tuple[str, ...]) -> int:
    return len(grids) if len(grids) > MOST_GRIDS else 0


def _named(site: Site, alert: Alert) -> tuple[str, ...]:
    """Return the grids that the centre named and the settings know."""
    codes = (alert.grid, *alert.grids) if alert.grid is not None else alert.grids
    found = (code if code in site.grids else site.finder.codes.get(code) for code in codes)
    return tuple(dict.fromkeys(id_ for id_ in found if id_ is not None))


def _around(site: Site, position: Position) -> Placing:
    """Return the grid of a point; on a border the others that meet there are offered."""
    point = site_point(position, site.datum)
    near = grids_near(site, point, BORDER_M)
    own = grid_at(site, *point) or (near[0] if near else None)
    if own is None:
        return Placing()
    return Placing(grids=(own,), border=tuple(id_ for id_ in near if id_ != own))


def _reached(site: Site, alert: Alert) -> tuple[str, ...]:
    """Return the grids an alert's areas reach into: those of circles' centres, then by size."""
    from shapely import Polygon, union_all  # only CAP brings areas: others do without its 0.1 s

    scale = _plane(site, alert.areas[0])
    shape = union_all([_shape(site, area, scale) for area in alert.areas])
    west, south, east, north = (round(value) for value in shape.bounds)
    box = (south, round(west / scale)), (north, round(east / scale))
    found: list[tuple[float, str]] = []
    for id_, polygon in site.finder.polygons.touching(*box):
        grid = Polygon([(lon * scale, lat) for lat, lon in polygon])
        shared = shape.intersection(grid).area
        if shared > _SLIVER * min(shape.area, grid.area):
            found.append((shared, id_))
    centres = [id_ for id_ in _centres(site, alert) if id_ is not None]
    by_size = [id_ for _, id_ in sorted(found, key=lambda item: -item[0])]
    return tuple(dict.fromkeys([*centres, *by_size]))


def _centres(site: Site, alert: Alert) -> Iterator[str | None]:
    for area in alert.areas:
        if area.centre is not None:
            yield grid_at(site, *_in_site(site, area, area.centre))


def _in_site(site: Site, area: Area, point: tuple[int, int]) -> tuple[int, int]:
    position = Position(lat_udeg=point[0], lon_udeg=point[1], datum=area.datum)
    return site_point(position, site.datum)


def _plane(site: Site, area: Area) -> float:
    """Return by what longitudes are shortened so that areas near by can be compared."""
    first = area.centre if area.centre is not None else area.corners[0]
    return cos(radians(_in_site(site, area, first)[0] / 1e6)) or 1.0


def _shape(site: Site, area: Area, scale: float) -> "BaseGeometry":
    """Return an area on a plane of micro-degrees of latitude."""
    from shapely import Point, Polygon

    if area.centre is not None:
        lat, lon = _in_site(site, area, area.centre)
        # A radius of 0 is a point: one metre keeps it an area.
        return Point(lon * scale, lat).buffer(max(area.radius_m, 1) / 0.1112)
    corners = [_in_site(site, area, corner) for corner in area.corners]
    return Polygon([(lon * scale, lat) for lat, lon in corners])
