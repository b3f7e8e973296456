"""Who is near: how far people are from an order, as far as we know where they are.

Theory of operation. A person is where he shared his location or checked in lately; else at
his post; else, if nothing better is known, in the middle of his grid. An order is where
its location says; else at the post it names; else in the middle of its own grid. A middle is
a guess: it orders people, but never proves that somebody is far.
"""

from collections.abc import Iterable
from typing import NamedTuple

from gateway.core.alert import Datum, Position
from gateway.core.answers.events import MediaReceived
from gateway.core.calls.whereabouts import LastSeen
from gateway.core.order import Order
from gateway.core.people import Person
from gateway.core.place_index import Point
from gateway.core.places import Post, Site, metres_between, site_point
from gateway.core.state import Draft

US = 1_000_000
# Who is seen farther from his post than this does not stand at it; positions err by so much.
AT_POST_M = 200


class Spot(NamedTuple):
    """Where something is; not ``sure`` where it is only the middle of a grid."""

    point: Point
    sure: bool


class Near(NamedTuple):
    """A person and how far he is, metres; None where nothing is known."""

    person: Person
    distance_m: int | None
    sure: bool


def spot_of_order(site: Site, order: Order) -> Spot | None:
    """Return where an order is, or None when it lies in no grid that we know the shape of."""
    alert = order.alert
    if alert.location is not None:
        return Spot(site_point(alert.location, site.datum), sure=True)
    post = _post_named(site, order)
    if post is not None and post.position is not None:
        return Spot(post.position, sure=True)
    return _middle(site, order.grids[:1])


def _post_named(site: Site, order: Order) -> Post | None:
    """Return the post of its grids whose name, or alias, the place or the text holds."""
    simple = site.policy.folding.simple
    said = simple(f"{order.alert.place or ''}\n{order.alert.text}")
    named = [
        (len(word), post)
        for post in site.posts.values()
        if post.position is not None and post.grid in order.grids
        for word in (post.name, *post.aliases)
        if simple(word) in said
    ]
    return max(named, key=lambda item: (item[0], item[1].id))[1] if named else None


def _middle(site: Site, grids: Iterable[str]) -> Spot | None:
    for id_ in grids:
        grid = site.grids.get(id_)
        if grid is not None and grid.polygon:
            lats, lons = zip(*grid.polygon, strict=True)
            middle = (sum(lats) // len(lats), sum(lons) // len(lons))
            return Spot(middle, sure=False)
    return None


def spot_of_person(draft: Draft, person: Person) -> Spot | None:
    """Return where a person is, or None when nothing says it."""
    seen = seen_at(draft, person)
    if seen is not None:
        return Spot(seen, sure=True)
    post = draft.site.posts.get(person.post or "")
    if post is not None and post.position is not None:
        return Spot(post.position, sure=True)
    grids = (post.grid, *person.grids) if post is not None else person.grids
    return _middle(draft.site, grids)


def seen_at(draft: Draft, person: Person) -> Point | None:
    """Return where a person has lately said, or proved, that he is; None when he has not."""
    seen = draft.find(LastSeen, person.id)
    fresh_us = draft.site.response.position_fresh_s * US
    fresh = seen is not None and 0 <= draft.now_us - seen.at_us <= fresh_us
    return seen.point if seen is not None and fresh else None


def nearest_first(draft: Draft, order: Order, people: Iterable[Person]) -> list[Near]:
    """Return people in the order in which they are called.

    First who stands at a standing point of the order's grids; then by distance; where the
    order's own place is a guess, who stands at a post of its grids goes before distances.
    """
    spot = spot_of_order(draft.site, order)
    found = [_near(draft, spot, person) for person in people]
    return sorted(found, key=lambda near: _key(draft, order, spot, near))


def _near(draft: Draft, spot: Spot | None, person: Person) -> Near:
    his = spot_of_person(draft, person)
    if spot is None or his is None:
        return Near(person, None, sure=False)
    distance_m = round(metres_between(spot.point, his.point))
    return Near(person, distance_m, sure=spot.sure and his.sure)


def _elsewhere(draft: Draft, near: Near, post: Post) -> bool:
    """Return whether somebody has lately said, or proved, that he is not at his post."""
    seen = seen_at(draft, near.person)
    if seen is None or post.position is None:
        return False
    return metres_between(seen, post.position) > AT_POST_M


def _key(
    draft: Draft, order: Order, spot: Spot | None, near: Near
) -> tuple[bool, bool, float, bool, str]:
    post = draft.site.posts.get(near.person.post or "")
    here = post is not None and post.grid in order.grids
    guessed = spot is None or not spot.sure
    distance_m = float("inf") if near.distance_m is None else near.distance_m
    standing = here and post is not None and post.standing and not _elsewhere(draft, near, post)
    return (not standing, guessed and not here, distance_m, not here, near.person.id)


# ---- where they are ----


def place_shared(draft: Draft, media: MediaReceived, person: Person) -> None:
    """Note the location that a person has shared; chats give it in WGS-84, by its standard."""
    if media.kind != "location" or media.place is None:
        return
    lat, _, lon = media.place.partition(",")
    if not (lat.lstrip("-").isdigit() and lon.lstrip("-").isdigit()):
        return
    shared = Position(lat_udeg=int(lat), lon_udeg=int(lon), datum=Datum.WGS_84)
    note_place(draft, person.id, site_point(shared, draft.site.datum), shared=True)


def arrived_at(draft: Draft, order: Order, person: str) -> None:
    """Note that a person has come to where an order is, if that is known."""
    spot = spot_of_order(draft.site, order)
    if spot is not None and spot.sure:
        note_place(draft, person, spot.point, shared=False)


def forget_places(draft: Draft, before_us: int | None) -> None:
    """Forget where people were before a moment; nothing where there is none."""
    for seen in list(draft.state.each(LastSeen)):
        if before_us is not None and seen.at_us < before_us:
            draft.drop(LastSeen, seen.key)


def note_place(draft: Draft, person: str, point: Point, *, shared: bool) -> None:
    """Note where a person is now, in the site's datum; what was known before is forgotten."""
    draft.put(
        LastSeen(
            person=person,
            place=f"{point[0]},{point[1]}",
            at_us=draft.now_us,
            source="shared" if shared else "check_in",
        )
    )
