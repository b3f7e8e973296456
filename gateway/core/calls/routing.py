"""Alert → grids → people on duty, nearest first."""

from collections.abc import Iterable

from gateway.core.alert import Alert
from gateway.core.people import Person, Role, Tier
from gateway.core.places import Site, grid_at, site_point
from gateway.core.register.duty import stands
from gateway.core.roster import Duty, duty_at
from gateway.core.state import Draft, State


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
        if _on_call(state, duty, person) and person.tier == "guard"
    ]
    return sorted(found, key=lambda p: (not _stands_in(site, p, grid), p.id))


def of_tier_on_duty(draft: Draft, grids: Iterable[str], tier: Tier) -> list[Person]:
    """Return the active people of a force who serve any of the grids and are on duty now."""
    duty = duty_at(draft.site.roster, draft.now_us, draft.site.timezone)
    found = {
        person.id: person
        for grid in grids
        for person in draft.state.people_of_grid(grid).values()
        if person.tier == tier and _on_call(draft.state, duty, person)
    }
    return list(found.values())


def only_on_duty(draft: Draft, people: Iterable[Person]) -> list[Person]:
    """Return those of the people who are active and on duty now."""
    duty = duty_at(draft.site.roster, draft.now_us, draft.site.timezone)
    return [p for p in people if _on_call(draft.state, duty, p)]


def _on_call(state: State, duty: Duty, person: Person) -> bool:
    return person.active and person.role is Role.GUARD and stands(state, duty, person)


def _stands_in(site: Site, person: Person, grid: str) -> bool:
    post = site.posts.get(person.post) if person.post else None
    return post is not None and post.grid == grid
