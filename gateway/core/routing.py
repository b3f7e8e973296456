"""Alert → grids → people on duty, nearest first."""

from gateway.core.alert import Alert
from gateway.core.duty import stands
from gateway.core.people import Person, Role
from gateway.core.places import Site, grid_at, site_point
from gateway.core.roster import duty_at
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
        found = site.finder.words.longest_in(words) if words else None
        if found is not None:
            return found
    return None


def _by_code(site: Site, code: str) -> str | None:
    return code if code in site.grids else site.finder.codes.get(code)


def guards_on_duty(state: State, site: Site, grid: str, at_us: int) -> list[Person]:
    """Return the active guards of a grid who are on duty now.

    Those who stand at a post of this very grid come first, then by id, so that the order is the
    same each time.
    """
    duty = duty_at(site.roster, at_us, site.timezone)
    found = [
        person
        for person in state.people_of_grid(grid).values()
        if person.active
        and person.role is Role.GUARD
        and stands(state, duty, person)
    ]
    return sorted(found, key=lambda p: (not _stands_in(site, p, grid), p.id))


def _stands_in(site: Site, person: Person, grid: str) -> bool:
    post = site.posts.get(person.post) if person.post else None
    return post is not None and post.grid == grid
