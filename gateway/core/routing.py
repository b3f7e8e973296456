"""Alert → grids → people on duty, nearest first."""

from collections.abc import Iterable

from gateway.core.alert import Alert
from gateway.core.people import Person, Role
from gateway.core.places import Site, grid_at, site_point
from gateway.core.roster import on_duty
from gateway.core.state import State


def find_grid(site: Site, alert: Alert) -> str | None:
    """Return the id of the grid an alert belongs to, or None.

    In this order: the grid the centre named (id, then code); the polygon its point lies in; a
    post or an alias found in the place, then in the text (the longest match wins).
    """
    if alert.grid is not None:
        named = _by_code(site, alert.grid)
        if named is not None:
            return named
    if alert.location is not None:
        lat_udeg, lon_udeg = site_point(alert.location, site.datum)
        found = grid_at(site, lat_udeg, lon_udeg)
        if found is not None:
            return found
    for words in (alert.place, alert.text):
        found = _by_words(site, words) if words else None
        if found is not None:
            return found
    return None


def _by_code(site: Site, code: str) -> str | None:
    if code in site.grids:
        return code
    return next((g.id for g in site.grids.values() if code in g.codes), None)


def _by_words(site: Site, words: str) -> str | None:
    folded = words.casefold()
    best, best_length = None, 0
    for alias, grid in _aliases(site):
        if len(alias) > best_length and alias.casefold() in folded:
            best, best_length = grid, len(alias)
    return best


def _aliases(site: Site) -> Iterable[tuple[str, str]]:
    for post in site.posts.values():
        yield post.name, post.grid
        for alias in post.aliases:
            yield alias, post.grid
    for grid in site.grids.values():
        yield grid.name, grid.id
        for alias in grid.aliases:
            yield alias, grid.id


def guards_on_duty(state: State, site: Site, grid: str, at_us: int) -> list[Person]:
    """Return the active guards of a grid who are on duty now.

    Those who stand at a post of this very grid come first, then by id, so that the order is the
    same each time.
    """
    found = []
    for key in state.people_of_grid(grid):
        person = state.find(Person, key)
        if person is None or not person.active or person.role is not Role.GUARD:
            continue
        if on_duty(site.roster, person.crew, person.id, at_us, site.timezone):
            found.append(person)
    return sorted(found, key=lambda p: (not _stands_in(site, p, grid), p.id))


def _stands_in(site: Site, person: Person, grid: str) -> bool:
    post = site.posts.get(person.post) if person.post else None
    return post is not None and post.grid == grid
