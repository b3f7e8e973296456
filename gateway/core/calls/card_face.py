"""What the card of an order shows, for whoever it is addressed to."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Final

from gateway.core.calls.cards import Face, Rows
from gateway.core.life import called_off, covered, reached, strength
from gateway.core.order import (
    Assignment,
    Card,
    Node,
    Order,
    OrderStatus,
)
from gateway.core.people import Person, Role
from gateway.core.state import Draft, name_of
from gateway.core.wording import Wording

_HEADINGS: Final = {
    Role.GUARD: "card_private",
    Role.STATION: "card_station",
    Role.MANAGER: "card_manager",
    Role.REPORTER: "card_reporter",
}


class Faces:
    """What the cards of one order show at one moment; what they have in common is made once.

    A group, the station and managers read of everybody, an office of its own people, a guard of
    himself, and whether others are enough.
    """

    def __init__(self, draft: Draft, order: Order) -> None:
        self._draft, self._order = draft, order
        self._everybody = draft.of_order(Assignment, order.id)
        self._abouts: dict[tuple[str, bool], list[str]] = {}

    def of(self, card: Card) -> Face:
        """Return what one card shows."""
        draft, order, everybody = self._draft, self._order, self._everybody
        heading = None
        role = Role.GUARD
        wording = Wording(draft.site)
        if card.organisation is not None:
            people = _of_body(draft, order, card.organisation)
            heading = wording.text("card_office")
        elif card.person is None:
            people = everybody
        else:
            people = [a for a in everybody if a.person == card.person]
            person = draft.find(Person, card.person)
            wording = Wording(draft.site, person.language if person else None)
            role = people[0].role if people else Role.GUARD
            name = person.name if person else ""
            heading = wording.text(_HEADINGS[role], name=name)
        police = role in (Role.STATION, Role.MANAGER)
        off = order.open and _own_part_off(people, card)
        listed = everybody if police else people
        text = wording.card(
            order, self._about(wording, police=police),
            [(name_of(draft, a.person), a) for a in listed],
            silent=self._silent(card, role), heading=heading,
            ending=wording.text("card_off") if off else _ending(order, wording),
            owner=None if _own_card(people, card) else _owner_name(draft, order, card, wording),
        )  # fmt: skip
        if off:  # its one button says that he knows
            awaited = any(map(_to_understand, people))
            return Face(text, wording.understood_button() if awaited else ())
        return Face(text, _buttons(order, people, wording))

    def _about(self, wording: Wording, *, police: bool) -> list[str]:
        """Return what every card in a language says of the order itself."""
        key = (wording.language, police)
        found = self._abouts.get(key)
        if found is None:
            found = self._abouts[key] = wording.card_about(self._order, police=police)
        return found

    def _silent(self, card: Card, role: Role) -> str:
        """Return the key of what is said where none of those listed has answered."""
        if card.organisation is not None:
            return "card_office_silent"
        if card.person is None or role is not Role.GUARD:
            return "card_nobody"
        if card.person in self._led:
            return "card_led"
        return "card_enough" if self._enough else "card_own_silent"

    @cached_property
    def _led(self) -> frozenset[str]:
        return frozenset(covered(self._everybody, self._order.alert.level))

    @cached_property
    def _enough(self) -> bool:
        alert = self._order.alert
        return strength(self._everybody, alert.level) >= alert.needs


def _of_body(draft: Draft, order: Order, organisation: str) -> list[Assignment]:
    """Return the parts of a body's own people, which alone its office is shown."""
    return [
        part
        for part in draft.of_order(Assignment, order.id)
        if (person := draft.find(Person, part.person)) is not None
        and person.organisation == organisation
    ]


def _own_card(people: Sequence[Assignment], card: Card) -> bool:
    """Return whether a card is one guard's own: it shows only what he has said."""
    return card.person is not None and all(a.role is Role.GUARD for a in people)


def _own_part_off(people: Sequence[Assignment], card: Card) -> bool:
    """Return whether a card is one person's own and he was called off alone."""
    own = card.person is not None and card.organisation is None
    return own and any(called_off(a) for a in people)


def _owner_name(draft: Draft, order: Order, card: Card, wording: Wording) -> str | None:
    """Return who is accountable for an open order, by name; the centre's at its desk.

    An office reads of another body's man only that it is one.
    """
    if not order.open or order.owner is None:
        return None
    person = draft.find(Person, order.owner)
    if person is None:
        return draft.site.centre_name
    return name_for(card, person, wording)


def _buttons(order: Order, people: Iterable[Assignment], wording: Wording) -> Rows:
    """Return the buttons of a card: an open order's, or one to say that one knows its end."""
    if order.open:
        there = any(_at_the_place(order, a) for a in people)
        return wording.buttons(handover=there)
    off = order.status is OrderStatus.CANCELLED and "dropped" not in order.flags
    return wording.understood_button() if off and any(map(_to_understand, people)) else ()


def _to_understand(part: Assignment) -> bool:
    """Return whether he was told of an order, also late, and has not said he knows its end."""
    last = part.said[-1].node if part.said else Node.TOLD
    return bool(part.stamps) and last not in (Node.DECLINED, Node.STOOD_DOWN)


def _at_the_place(order: Order, part: Assignment) -> bool:
    """Return whether he may soon hand over, or the station take over."""
    if order.status is OrderStatus.HANDED_OVER:
        return False
    if part.role is Role.STATION:
        return order.status in (OrderStatus.ARRIVED, OrderStatus.DONE)
    return reached(part, Node.ARRIVED)


def _ending(order: Order, wording: Wording) -> str | None:
    if order.status is OrderStatus.CANCELLED:
        key = "card_dropped" if "dropped" in order.flags else "card_cancelled"
        return wording.text(
            key, reason=wording.written(order.outcome or "", order.alert)
        )
    if order.status is OrderStatus.CLOSED:
        result = wording.written(order.outcome or "", order.alert)
        return wording.text("card_closed", result=result)
    return None


def name_for(card: Card, person: Person, wording: Wording) -> str:
    """Return a name as a card's readers may know it."""
    others = card.organisation not in (None, person.organisation)
    return wording.text("owner_other") if others else person.name
