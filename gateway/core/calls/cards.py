"""Any card in a chat: posted once, and edited as often as what it shows has changed.

What a card shows, how urgent it is and how long it is worth sending are of its room: that of
an order is made in ``card_face``, that of a guard's report in ``guard_reports``.
"""

import hashlib
from dataclasses import replace
from typing import NamedTuple

from gateway.core.effects import Button, EditCard, PostCard
from gateway.core.order import Card
from gateway.core.people import Contact
from gateway.core.state import Draft

Rows = tuple[tuple[Button, ...], ...]


class Face(NamedTuple):
    """What a card shows: its text, and its buttons below."""

    text: str
    buttons: Rows

    def digest(self) -> str:
        """Return what it shows, in so few characters that it can be compared."""
        shown = self.text + "".join(b.action for row in self.buttons for b in row)
        return hashlib.sha256(shown.encode()).hexdigest()[:16]


def post_card(draft: Draft, card: Card, face: Face, level: int, not_after_us: int) -> None:
    """Ask for a new card to be posted, not after a moment in UTC microseconds."""
    draft.put(replace(card, shown=face.digest()))
    draft.ask(
        PostCard(
            card=card.id,
            chat=card.chat,
            address=card.address,
            private=card.person is not None,
            order=card.order,
            text=face.text,
            buttons=face.buttons,
            level=level,
            not_after_us=not_after_us,
        )
    )


def edit_card(draft: Draft, card: Card, face: Face, level: int, not_after_us: int) -> None:
    """Ask for an edit of a card that stands in its chat and shows something else than this."""
    shown = face.digest()
    if card.message is None or shown == card.shown or not still_his(draft, card):
        return
    draft.put(replace(card, shown=shown))
    draft.ask(
        EditCard(
            card=card.id,
            chat=card.chat,
            address=card.address,
            message=card.message,
            private=card.person is not None,
            order=card.order,
            text=face.text,
            buttons=face.buttons,
            level=level,
            not_after_us=not_after_us,
        )
    )


def still_his(draft: Draft, card: Card) -> bool:
    """Return whether a private card stands in an account that is its person's now."""
    if card.person is None:
        return True
    contact = draft.find(Contact, f"{card.chat}/{card.person}")
    return contact is not None and contact.address == card.address
