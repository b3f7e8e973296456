"""The register and the roster as the doors tell them: plain values, ready for JSON."""

from collections.abc import Iterable

from gateway.core.order import Assignment, Order
from gateway.core.people import Person
from gateway.core.places import Site
from gateway.core.register.duty import (
    changes_ahead,
    days_ahead,
    local_words,
    stands,
)
from gateway.core.register.fields import written
from gateway.core.roster import RosterException, duty_at
from gateway.core.state import State

Answer = dict[str, object]


def people_json(state: State, site: Site, now_us: int) -> list[Answer]:
    """Return everybody in the register, each as :func:`person_json`."""
    duty = duty_at(site.roster, now_us, site.timezone)
    return [
        person_json(
            person,
            chats=(c.chat for c in state.contacts_of(person.id)),
            on_duty=person.active and stands(state, duty, person),
        )
        for person in state.each(Person)
    ]


def person_json(person: Person, *, chats: Iterable[str], on_duty: bool) -> Answer:
    """Return one person: what he is, how he is reached, and his fields as they are written."""
    return {
        "id": person.id,
        "name": person.name,
        "role": person.role.value,
        "organisation": person.organisation,
        "guard_code": person.guard_code,
        "grids": list(person.grids),
        "crew": person.crew,
        "active": person.active,
        "on_duty": on_duty,
        "consent": person.consent,
        "chats": list(chats),
        "fields": written(person),
    }


def concerns(state: State, order_id: str, organisation: str) -> bool:
    """Return whether a body raised an order in the memory, or has people in it."""
    order = state.find(Order, order_id)
    if order is None:
        return False
    if order.alert.organisation == organisation:
        return True
    people = (
        state.find(Person, part.person) for part in state.kind_of_order(Assignment, order_id)
    )
    return any(p is not None and p.organisation == organisation for p in people)


def duty_json(
    state: State,
    site: Site,
    now_us: int,
    days: int,
    *,
    person: str | None = None,
    grid: str | None = None,
) -> Answer:
    """Return the shifts of the days to come, and what was changed of them by hand."""
    spans = days_ahead(state, site, now_us, days, person=person, grid=grid)
    return {
        "days": days,
        "shifts": [
            {
                "day": found.span.day.isoformat(),
                "shift": found.span.shift,
                "from": local_words(site, found.span.from_us),
                "to": local_words(site, found.span.to_us),
                "crews": list(found.crews),
                "count": len(found.people),
                "people": list(found.people) if person or grid else [],
                "empty": [g for g in found.empty if grid in (None, g)],
            }
            for found in spans
        ],
        "changes": [
            _change_json(site, change)
            for change in changes_ahead(state, now_us)
            if person in (None, change.person)
        ],
    }


def _change_json(site: Site, change: RosterException) -> Answer:
    return {
        "person": change.person,
        "from": local_words(site, change.from_us),
        "to": local_words(site, change.to_us),
        "duty": "on" if change.on_duty else "off",
        "reason": change.reason,
        "by": change.by,
    }
