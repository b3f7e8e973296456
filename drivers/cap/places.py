"""Polygons and circles of CAP areas (CAP-v1.2-os §3.2.4; figures are WGS-84 degrees). Pure."""

import re
from decimal import Decimal
from typing import Final

from gateway.core.alert import Area, Datum
from gateway.core.centre.strict_json import Refusal, shown

MAX_CORNERS: Final = 1000
MAX_AREAS: Final = 50
MAX_RADIUS_KM: Final = 500
_PAIR = re.compile(r"(-?\d{1,3}(?:\.\d{1,12})?),(-?\d{1,3}(?:\.\d{1,12})?)", re.ASCII)
_RADIUS = re.compile(r"\d{1,4}(?:\.\d{1,6})?", re.ASCII)


def polygon(text: str, where: str) -> Area:
    """Return the area of a polygon written ``lat,lon lat,lon …``, its last pair the first.

    Raises:
        Refusal: It is not closed, has fewer than four pairs, crosses itself, has no area, or a
            figure is none or out of range.
    """
    points = [_point(pair, where) for pair in text.split()]
    if len(points) < 4:
        raise Refusal(where, f"has {len(points)} pairs; four at least, the last as the first")
    if len(points) > MAX_CORNERS:
        raise Refusal(where, f"has {len(points)} pairs; the limit is {MAX_CORNERS}")
    if points[0] != points[-1]:
        raise Refusal(where, "is not closed: the last pair must be the first again")
    _simple(points, where)
    return Area(datum=Datum.WGS_84, corners=tuple(points[:-1]))


def circle(text: str, where: str) -> Area:
    """Return the area of a circle written ``lat,lon radius``, the radius in kilometres.

    Raises:
        Refusal: A figure is none or out of range.
    """
    centre, _, radius = text.partition(" ")
    if _RADIUS.fullmatch(radius) is None or Decimal(radius) > MAX_RADIUS_KM:
        like = f"like 29.1,119.65 0.5, {MAX_RADIUS_KM} km at most"
        raise Refusal(where, f"is {shown(text)}; {like}")
    radius_m = int((Decimal(radius) * 1000).to_integral_value("ROUND_HALF_UP"))
    return Area(datum=Datum.WGS_84, centre=_point(centre, where), radius_m=radius_m)


def _point(pair: str, where: str) -> tuple[int, int]:
    found = _PAIR.fullmatch(pair)
    if found is None:
        raise Refusal(where, f"has {shown(pair)}; a pair is latitude,longitude in degrees")
    lat, lon = Decimal(found[1]), Decimal(found[2])
    if abs(lat) > 90 or abs(lon) > 180:
        raise Refusal(where, f"has {shown(pair)}: latitude is -90 to 90, longitude -180 to 180")
    return _micro(lat), _micro(lon)


def _micro(degrees: Decimal) -> int:
    return int((degrees * 1_000_000).to_integral_value("ROUND_HALF_UP"))


def _simple(points: list[tuple[int, int]], where: str) -> None:
    """Refuse a polygon that crosses itself or has no area."""
    from shapely import Polygon, is_valid_reason

    shape = Polygon([(lon, lat) for lat, lon in points])
    if not shape.is_valid:
        reason = is_valid_reason(shape).partition("[")[0]
        what = "crosses itself" if "intersection" in reason else "has no area"
        raise Refusal(where, f"{what}: list the corners in order around the area")
