"""Whether two people had a hand in what wants two: told apart by their names and their doors.

A name is what somebody says of himself; the door adds by which token or socket he came. The
one who lets an alert go to all grids must be another than all who had a hand in it, by both:
one token is one pair of hands, whatever names it gives. Where a site has one token only, that
token speaks for the whole centre, which knows its people apart and we do not: there the names
alone must differ, and the record says so.
"""

import unicodedata

from gateway.core.order import Order
from gateway.core.policy.events import HeldActed
from gateway.core.policy.held import Held
from gateway.core.reasons import Why, Worded
from gateway.core.state import Draft
from gateway.core.wording import because


def folded(name: str) -> str:
    """Return a name without what tells it from itself: case, width, blanks, unseen signs."""
    usual = unicodedata.normalize("NFKC", name).casefold()
    return "".join(char for char in usual if char.isalnum())


def same_hand(draft: Draft, order: Order, held: Held, acted: HeldActed) -> Worded | None:
    """Return why somebody is no second person for what is held, or None when he is one."""
    senders = {folded(name) for name in (order.alert.sender, held.by) if name}
    if folded(acted.by) in senders:
        return because(draft.site, Why.SAME_PERSON, by=acted.by)
    others = draft.site.deciders - {acted.through}
    if others and one_door(held, acted):
        named = ", ".join(sorted(others))
        return because(draft.site, Why.SAME_DOOR, through=acted.through, others=named)
    return None


def one_door(held: Held, acted: HeldActed) -> bool:
    """Return whether a decision came by the token, or socket, of what it is about."""
    return held.why == "two_person" and acted.through in held.through
