"""The time after a page in which an over that says nothing of itself may be an answer to it.

Where several are called at once and some of their radios cannot say who they are, each is
given a turn. A turn is told apart by when an over began, counted from the end of the page; its
first and last half second belong to nobody, because who talks then may be early or late.
"""

from collections.abc import Sequence
from typing import Final

from gateway.core.order import Page
from gateway.core.people import Person
from gateway.core.state import Draft

US: Final = 1_000_000

# An over that begins so long after a page may be an answer to it, or later where its turns
# last longer; somebody may just have waited for another to finish.
SHORTEST_WINDOW_S: Final = 20
LATE_S: Final = 5
# What is nobody's at both ends of a turn.
TURN_EDGE_US: Final = US // 2
# With more people the last would wait too long, and nobody would remember his place.
MOST_TURNS: Final = 6


def pages_open(draft: Draft, channel: str, began_us: int) -> list[Page]:
    """Return the pages to which an over that began then may be an answer, by their end."""
    found = [page for page in pages_spoken(draft, channel) if _open_at(page, began_us)]
    return sorted(found, key=lambda page: page.ended_us or 0)


def pages_spoken(draft: Draft, channel: str) -> list[Page]:
    """Return the pages that a channel has lately spoken to their end, oldest first."""
    pages = (draft.find(Page, key) for key in draft.state.latest_pages(channel))
    return [page for page in pages if page is not None and page.ended_us is not None]


def _open_at(page: Page, began_us: int) -> bool:
    window_s = max(SHORTEST_WINDOW_S, page.window_s + LATE_S)
    return 0 <= began_us - (page.ended_us or 0) <= window_s * US


def turn_at(page: Page, began_us: int) -> str | None:
    """Return whose turn it was when an over began after a page, or None."""
    if not page.slots or page.ended_us is None or began_us < page.ended_us:
        return None
    turn, into_us = divmod(began_us - page.ended_us, page.slot_s * US)
    edge = (into_us < TURN_EDGE_US and turn > 0) or into_us > page.slot_s * US - TURN_EDGE_US
    return None if edge or turn >= len(page.slots) else page.slots[turn]


def turns_for(draft: Draft, listeners: Sequence[Person]) -> tuple[Person, ...]:
    """Return who is given a turn after a page, in this order; nobody where none is needed."""
    if not draft.site.response.answer_slots or not 1 < len(listeners) <= MOST_TURNS:
        return ()
    silent = any(not _says_who(draft, person) for person in listeners)
    return tuple(listeners) if silent else ()


def _says_who(draft: Draft, person: Person) -> bool:
    """Return whether a person can say by his radio who he is."""
    post = draft.site.posts.get(person.post) if person.post else None
    return bool(person.guard_code or person.addresses or (post and post.radios))
