"""What only the journal knows any more: alerts and orders that have left the memory."""

from dataclasses import replace

from gateway.core.after.events import OrderTended
from gateway.core.events import Event
from gateway.core.intake.events import AlertReceived
from gateway.core.order import AlertKey, Order
from gateway.core.state import State
from gateway.journal.contract import Journal


async def with_prior(event: Event, state: State, journal: Journal) -> Event:
    """Return an event with what the journal knows of what it speaks of, for the core's step."""
    if isinstance(event, AlertReceived):
        return await _with_alerts(event, state, journal)
    if isinstance(event, OrderTended) and state.find(Order, event.order) is None:
        return replace(event, prior=await journal.find_order(event.order))
    return event


async def _with_alerts(
    received: AlertReceived, state: State, journal: Journal
) -> AlertReceived:
    alert = received.alert
    own = await _forgotten(alert.sender, alert.id, state, journal)
    if own is not None:
        sha256, order, number = own
        received = replace(
            received, prior_sha256=sha256, prior_order=order, prior_number=number
        )
    named = []
    for reference in alert.references:
        sender, _, id_ = reference.partition(",")
        found = await _forgotten(sender, id_, state, journal)
        if found is not None:
            named.append((reference, found[0], found[1] or "", found[2] or ""))
    return replace(received, prior_named=tuple(named)) if named else received


async def _forgotten(
    sender: str, id_: str, state: State, journal: Journal
) -> tuple[str, str | None, str | None] | None:
    """Return (digest, order, number) of an alert that only the journal knows any more."""
    if state.find(AlertKey, f"{sender}\n{id_}") is not None:
        return None
    return await journal.find_alert(sender, id_)
