"""By what a message of the centre is known again: its key, and those of what it refers to."""

from collections.abc import Iterator
from typing import Final

from gateway.core.alert import Alert, AlertKind
from gateway.core.intake.events import AlertReceived
from gateway.core.intake.placing import place
from gateway.core.order import AlertKey, Order
from gateway.core.state import Draft

# Stands for the digest of a message that another has named and that has not come itself.
AWAITED: Final = "awaited"


def own_id(alert: Alert) -> str:
    """Return under which id a message itself is known.

    One that bears the id of its alert is told from others of that id by its digest.
    """
    if alert.kind is AlertKind.ALERT or alert.references:
        return alert.id
    return f"{alert.id}\n{alert.kind.value}\n{alert.body_sha256[:16]}"


def key_of(draft: Draft, alert: Alert, order: Order | None) -> AlertKey:
    """Return the key by which a message will be known again."""
    return AlertKey(
        sender=alert.sender,
        id=own_id(alert),
        sha256=alert.body_sha256,
        order=None if order is None else order.id,
        number=None if order is None else order.number,
        at_us=draft.now_us,
        what=alert.kind.value,
        sent_us=alert.sent_us,
        to=None if alert.kind is AlertKind.CANCEL else alert.to,
        names=len(alert.references),
        grid=place(draft.site, alert).own if alert.kind is not AlertKind.CANCEL else None,
    )


def prior_of(draft: Draft, received: AlertReceived) -> AlertKey | None:
    """Return what became of this (sender, id) before, from memory or as the event tells."""
    alert = received.alert
    found = draft.find(AlertKey, f"{alert.sender}\n{alert.id}")
    if found is None and received.prior_sha256:
        found = AlertKey(
            sender=alert.sender,
            id=alert.id,
            sha256=received.prior_sha256,
            order=received.prior_order,
            number=received.prior_number,
        )
    return found


def named_by(
    draft: Draft, received: AlertReceived
) -> Iterator[tuple[str, str, AlertKey | None]]:
    """Yield (sender, id, what is known of it) of each message that this one is about."""
    alert = received.alert
    if not alert.references:
        yield alert.sender, alert.id, prior_of(draft, received)
    for reference in alert.references:
        sender, _, id_ = reference.partition(",")
        known = draft.find(AlertKey, f"{sender}\n{id_}")
        yield sender, id_, known or _prior_named(received, reference)


def _prior_named(received: AlertReceived, reference: str) -> AlertKey | None:
    """Return what the event tells of a message that has left the memory, or None."""
    for named, sha256, order, number in received.prior_named:
        if named == reference:
            sender, _, id_ = reference.partition(",")
            return AlertKey(
                sender=sender, id=id_, sha256=sha256, order=order or None, number=number or None
            )
    return None
