"""Which polygons hold a point and which words stand in a text, without looking at all of them.

Both answer as a look at each one in turn does; they are built once for a site, and what they
cost then does not grow with the site.
"""

from collections.abc import Iterable, Iterator, Mapping

Point = tuple[int, int]
"""(latitude, longitude) in micro-degrees of the site's datum."""
Polygon = tuple[Point, ...]

_Cell = tuple[int, int]


class PolygonIndex:
    """Polygons by the cells they touch.

    A polygon lies in cells of its own size, the power of two of micro-degrees above its longer
    side: it touches four of them at most, however far a few large ones reach over many small.
    """

    def __init__(self, polygons: Iterable[tuple[str, Polygon]]) -> None:
        self._polygons = list(polygons)
        self._levels: dict[int, dict[_Cell, list[int]]] = {}
        for place, (_, polygon) in enumerate(self._polygons):
            if polygon:
                self._add(place, polygon)

    def _add(self, place: int, polygon: Polygon) -> None:
        lats, lons = zip(*polygon, strict=True)
        south, north, west, east = min(lats), max(lats), min(lons), max(lons)
        level = max(north - south, east - west).bit_length()
        cells = self._levels.setdefault(level, {})
        for row in range(south >> level, (north >> level) + 1):
            for column in range(west >> level, (east >> level) + 1):
                cells.setdefault((row, column), []).append(place)

    def at(self, point: Point) -> str | None:
        """Return the id of the first polygon, in the order given, that holds the point."""
        lat, lon = point
        first = len(self._polygons)
        for level, cells in self._levels.items():
            for place in cells.get((lat >> level, lon >> level), ()):
                if place >= first:
                    break
                if inside(self._polygons[place][1], lat, lon):
                    first = place
        return self._polygons[first][0] if first < len(self._polygons) else None

    def touching(self, south_west: Point, north_east: Point) -> Iterator[tuple[str, Polygon]]:
        """Yield, in the order given, every polygon that may reach into a box, and some more."""
        found: set[int] = set()
        for level, cells in self._levels.items():
            rows = range(south_west[0] >> level, (north_east[0] >> level) + 1)
            columns = range(south_west[1] >> level, (north_east[1] >> level) + 1)
            if len(rows) * len(columns) > len(cells):
                near = [c for c in cells if c[0] in rows and c[1] in columns]
            else:
                near = [(row, column) for row in rows for column in columns]
            for cell in near:
                found.update(cells.get(cell, ()))
        return (self._polygons[place] for place in sorted(found))


def inside(polygon: Polygon, lat: int, lon: int) -> bool:
    """Return whether a point lies in a polygon, by the even-odd rule with half-open edges."""
    within = False
    lat_a, lon_a = polygon[-1] if polygon else (0, 0)
    for lat_b, lon_b in polygon:
        if (lat_a > lat) != (lat_b > lat):
            # lon < crossing, multiplied out so that no division rounds.
            run, rise = lon_b - lon_a, lat_b - lat_a
            offset = (lon - lon_a) * rise - (lat - lat_a) * run
            if offset < 0 < rise or rise < 0 < offset:
                within = not within
        lat_a, lon_a = lat_b, lon_b
    return within


class WordIndex:
    """Words, each meaning one thing, by their first letter and then by their length."""

    def __init__(
        self, words: Iterable[tuple[str, str]], simplified: Mapping[int, str] | None = None
    ) -> None:
        self._simplified = simplified or {}
        self._meaning: dict[str, tuple[int, int, str]] = {}
        lengths: dict[str, set[int]] = {}
        for place, (word, meaning) in enumerate(words):
            folded = self._folded(word)
            # Of two that fold alike the longer as written wins, then the one given first.
            mine = (len(word), -place, meaning)
            if folded and mine > self._meaning.get(folded, (0, 0, "")):
                self._meaning[folded] = mine
                lengths.setdefault(folded[0], set()).add(len(folded))
        self._lengths = {first: tuple(found) for first, found in lengths.items()}

    def _folded(self, text: str) -> str:
        return text.casefold().translate(self._simplified)

    def longest_in(self, text: str) -> str | None:
        """Return the meaning of the longest word in a text; of equals, the one given first.

        Capitals and small letters are the same, and so are 簡 and 简.
        """
        folded = self._folded(text)
        best: tuple[int, int, str] = (0, 0, "")
        for at, letter in enumerate(folded):
            for length in self._lengths.get(letter, ()):
                found = self._meaning.get(folded[at : at + length])
                if found is not None and found > best:
                    best = found
        return best[2] if best[0] else None
