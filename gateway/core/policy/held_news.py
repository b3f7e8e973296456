"""Who is told of what is kept from guards: the station and the managers, and nobody else.

The police are to know at once what is not for guards, and most of all what has become so while
they are on their way: that an alert waits for a release is no reason to keep it from them.
"""

from dataclasses import replace
from typing import Final

from gateway.core.alert import Alert
from gateway.core.calls.calling import (
    NOTE_LIFE_US,
    call_person,
    grids_of,
    tell_person,
)
from gateway.core.calls.first_call import grids_meant
from gateway.core.calls.ladder import start_station_clock
from gateway.core.effects import SendText
from gateway.core.intake.placing import place
from gateway.core.order import Assignment, Order
from gateway.core.people import Person, Role
from gateway.core.state import Draft
from gateway.core.wording import Wording

# The flag of an order that was never for guards: its station goes on without them.
DROPPED: Final = "dropped"


def tell_police(draft: Draft, order: Order, reason: str | None) -> None:
    """Call the station of the order's own grid, and write to its managers.

    Args:
        draft: The step's draft.
        order: The held order.
        reason: Why it is held, in words.
    """
    _call_station(draft, order)
    start_station_clock(draft, order, draft.taken_us)
    write_to_managers(draft, order, order.alert, reason)


def _call_station(draft: Draft, order: Order) -> None:
    for grid in grids_of(draft, order)[:1]:
        station = draft.find(Person, grid.station or "")
        known = draft.find(Assignment, f"{order.id}/{grid.station}")
        if station is not None and known is None:
            call_person(draft, order, station, Role.STATION, rung=0)


def tell_police_anew(draft: Draft, order: Order, alert: Alert, reason: str | None) -> None:
    """Tell the station and the managers what has come after, and that guards do not know it.

    Args:
        draft: The step's draft.
        order: The order: held itself, or going on without what has come.
        alert: What has come.
        reason: Why it is held, in words.
    """
    told = [p.person for p in draft.of_order(Assignment, order.id) if p.role is Role.STATION]
    _call_station(draft, order)
    for id_ in told:
        person = draft.find(Person, id_)
        wording = Wording(draft.site, person.language if person else None)
        text = wording.told_with_place(alert, police=True)
        tell_person(draft, order, id_, "note_held_police", text=text)
    write_to_managers(draft, order, alert, reason)


def write_to_managers(draft: Draft, order: Order, alert: Alert, reason: str | None) -> None:
    """Write to the managers of the order's own grid what waits for a release, where and why."""
    for grid in grids_of(draft, order)[:1]:
        for id_ in dict.fromkeys((grid.second_manager, grid.first_manager)):
            manager = draft.find(Person, id_ or "")
            if manager is not None and manager.active:
                _write_to(draft, order, manager, alert, reason)


def _write_to(
    draft: Draft, order: Order, manager: Person, alert: Alert, reason: str | None
) -> None:
    wording = Wording(draft.site, manager.language)
    text = wording.line(
        order, "note_held", grid=wording.grid_names(order),
        text=wording.told_with_place(alert, police=True), reason=reason,
    )  # fmt: skip
    for contact in draft.state.contacts_of(manager.id):
        draft.ask(
            SendText(
                chat=contact.chat, address=contact.address, text=text,
                level=int(alert.level), not_after_us=draft.taken_us + NOTE_LIFE_US,
            )
        )  # fmt: skip


def placed_anew(draft: Draft, order: Order) -> Order:
    """Return a held order in the grids that its words mean now: nobody was called in others."""
    placing = place(draft.site, order.alert)
    grids = grids_meant(draft, order.alert, placing.grids)
    if not grids:
        return order
    doubts = {"border": bool(placing.border), "wide": bool(placing.wide)}
    flags = [f for f in order.flags if f not in ("no_grid", *doubts)]
    flags += [flag for flag, holds in doubts.items() if holds]
    return replace(order, grids=grids, flags=tuple(flags))
