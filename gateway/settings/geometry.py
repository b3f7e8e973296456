"""Polygons and points: GeoJSON in, and whether grids fit beside one another."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.core.places import in_china
from gateway.settings.explain import Finding
from gateway.settings.known import Known
from gateway.settings.models import Settings
from gateway.settings.yaml_source import SIZE_LIMIT_BYTES, Document, KeyPath, Node

if TYPE_CHECKING:
    from shapely import Polygon

# Drawn borders are never exact; 10 square metres, in square degrees, cost no guard his grid.
OVERLAP_DEG2 = 10 / 111_195**2


def fill_polygons(document: Document, base_dir: Path) -> set[KeyPath]:
    """Put the polygons of GeoJSON files in place of ``polygon_file``.

    Returns:
        Paths that could not be filled; why stands in the document's problems.
    """
    failed: set[KeyPath] = set()
    grids = document.node(("grids",))
    for id_, grid in grids.value.items() if grids and isinstance(grids.value, dict) else ():
        if not isinstance(grid.value, dict) or "polygon_file" not in grid.value:
            continue
        path: KeyPath = ("grids", id_, "polygon_file")
        node = grid.value.pop("polygon_file")
        if "polygon" in grid.value:
            document.report_at(node.line, node.column, "polygon stands there too", path=path)
            continue
        try:
            points = _geojson_points(base_dir / str(node.value))
        except ValueError as error:
            document.report_at(node.line, node.column, f"{node.value}: {error}", path=path)
            failed.add(("grids", id_, "polygon"))
        else:
            grid.value["polygon"] = _nodes(points, node)
    return failed


def _nodes(value: Any, like: Node) -> Node:  # noqa: ANN401  # JSON
    """Return a value as nodes that all stand where the file's name stands."""
    if isinstance(value, list):
        value = [_nodes(item, like) for item in value]
    return Node(
        value, like.line, like.column, like.key_line, like.key_column, raw=like.raw
    )  # fmt: skip


def _geojson_points(path: Path) -> list[list[float]]:
    """Return the outer ring as [latitude, longitude], not closed (RFC 7946 §3.1.6).

    Raises:
        ValueError: The file cannot be read or holds no single polygon without holes.
    """
    geometry = _geometry(_json(path))
    rings = geometry.get("coordinates")
    if geometry.get("type") != "Polygon" or not isinstance(rings, list) or len(rings) != 1:
        raise ValueError("should hold one Polygon with one ring")
    ring = rings[0]
    if not isinstance(ring, list) or not all(_is_position(item) for item in ring):
        raise ValueError("should hold positions as [longitude, latitude]")
    points = [[float(position[1]), float(position[0])] for position in ring]
    return points[:-1] if len(points) > 1 and points[0] == points[-1] else points


def _json(path: Path) -> Any:  # noqa: ANN401  # JSON
    try:
        with path.open("rb") as file:
            raw = file.read(SIZE_LIMIT_BYTES + 1)
        if len(raw) > SIZE_LIMIT_BYTES:
            raise ValueError(f"is larger than {SIZE_LIMIT_BYTES // 1000} kB")
        return json.loads(raw.decode("utf-8"))
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"is not GeoJSON: {error}") from error


def _geometry(value: Any) -> dict[str, Any]:  # noqa: ANN401  # JSON
    """Return the geometry of a GeoJSON object, out of its feature or collection of one."""
    for _ in range(3):
        if not isinstance(value, dict):
            break
        if value.get("type") == "FeatureCollection":
            features = value.get("features")
            value = features[0] if isinstance(features, list) and len(features) == 1 else None
        elif value.get("type") == "Feature":
            value = value.get("geometry")
        else:
            return value
    raise ValueError("should hold one Feature with a Polygon")


def _is_position(item: object) -> bool:
    return (
        isinstance(item, list)
        and len(item) >= 2
        and all(isinstance(x, int | float) and not isinstance(x, bool) for x in item[:2])
    )


def polygon_findings(settings: Settings, known: Known) -> Iterator[Finding]:
    """Yield what is wrong with polygons and points: shape, overlap, China, posts outside."""
    yield from _outside_china(settings, known)
    shapes: dict[str, Polygon] = {}
    for id_, grid in settings.grids.items():
        if not grid.polygon:
            continue
        shape, finding = _shape(grid.polygon, ("grids", id_, "polygon"))
        if finding:
            yield finding
        elif shape is not None:
            shapes[id_] = shape
    for plan_id, plan in settings.event_plans.items():  # these may overlap: they go first
        for id_, grid in plan.grids.items():
            if grid.polygon:
                _, finding = _shape(
                    grid.polygon, ("event_plans", plan_id, "grids", id_, "polygon")
                )
                yield from () if finding is None else (finding,)
    yield from _overlaps(shapes)
    yield from _posts_outside(settings, shapes)


def _shape(
    points: tuple[tuple[float, float], ...], path: KeyPath
) -> tuple["Polygon | None", Finding | None]:
    # shapely costs 0.1 s to import: the processes that only read settings do without.
    from shapely import Polygon, is_valid_reason

    if points[0] == points[-1]:
        last: KeyPath = (*path, len(points) - 1)
        return None, Finding(last, "repeats the first corner; leave it out")
    if len(points) < 3:
        return None, Finding(path, f"needs three corners at least, has {len(points)}")
    shape = Polygon([(lon, lat) for lat, lon in points])
    if shape.is_valid:
        return shape, None
    reason, _, where = is_valid_reason(shape).partition("[")
    lon, _, lat = where.rstrip("]").partition(" ")
    crosses = "crosses itself" if "intersection" in reason else "has no area"
    near = f" near [{float(lat):.6f}, {float(lon):.6f}]" if lat else ""
    return None, Finding(path, f"{crosses}{near}: list the corners in order around the grid")


def _overlaps(shapes: dict[str, "Polygon"]) -> Iterator[Finding]:
    from shapely import STRtree

    names = list(shapes)
    tree = STRtree(list(shapes.values()))
    for index, name in enumerate(names):
        for other in sorted(int(hit) for hit in tree.query(shapes[name])):
            if other >= index:
                continue
            area = shapes[name].intersection(shapes[names[other]]).area
            if area > OVERLAP_DEG2:
                message = f'overlaps the polygon of "{names[other]}"'
                yield Finding(("grids", name, "polygon"), message)


def _posts_outside(settings: Settings, shapes: dict[str, "Polygon"]) -> Iterator[Finding]:
    from shapely import Point

    for id_, post in settings.posts.items():
        shape = shapes.get(post.grid)
        if post.at and shape and not shape.intersects(Point(post.at[1], post.at[0])):
            message = f'lies outside the polygon of "{post.grid}"'
            yield Finding(("posts", id_, "at"), message, warning=True)


def _outside_china(settings: Settings, known: Known) -> Iterator[Finding]:
    """GCJ-02 is defined in China only; a point abroad is most often a slip of the order."""
    if settings.site.datum != "GCJ-02" or known.lost("site", "datum"):
        return
    for path, (lat, lon) in _points(settings):
        if not in_china(lat, lon):
            turned = in_china(lon, lat)
            hint = f"; did you mean [{lon}, {lat}] (latitude, longitude)?" if turned else ""
            yield Finding(path, "is not in China, where GCJ-02 is defined" + hint)


def _points(settings: Settings) -> Iterator[tuple[KeyPath, tuple[float, float]]]:
    for id_, grid in settings.grids.items():
        for index, point in enumerate(grid.polygon):
            yield ("grids", id_, "polygon", index), point
    for id_, post in settings.posts.items():
        if post.at:
            yield ("posts", id_, "at"), post.at
    for id_, route in settings.routes.items():
        for index, point in enumerate(route.points):
            yield ("routes", id_, "points", index), point
    for plan_id, plan in settings.event_plans.items():
        at: KeyPath = ("event_plans", plan_id)
        for id_, grid in plan.grids.items():
            for index, point in enumerate(grid.polygon):
                yield (*at, "grids", id_, "polygon", index), point
        for id_, post in plan.posts.items():
            if post.at:
                yield (*at, "posts", id_, "at"), post.at
