"""A decision of the core as a transaction of the journal, also where the core has failed."""

import asyncio
from base64 import b64encode
from typing import Final, NamedTuple

import msgspec
import structlog

from gateway.clocks import mono_us
from gateway.core.after.events import OrderActed
from gateway.core.alert import AlertKind, Level
from gateway.core.dispatch import Outcome
from gateway.core.effects import Effect, Receipt, ReportStatus
from gateway.core.events import Event, InputRefused
from gateway.core.intake.events import AlertReceived, MessageNoted
from gateway.core.places import Site
from gateway.core.reasons import Why
from gateway.core.wording import because
from gateway.hand_out import driver_of
from gateway.interfaces import Cursor, OutboxEffect
from gateway.journal.contract import Entry, Written

log = structlog.get_logger("gridcall.engine")

# So much of what the core failed on stays in the row.
RAW_KEPT_BYTES: Final = 4096


class Decided(NamedTuple):
    """A decision whose transaction is queued."""

    entry: Entry
    effects: tuple[Effect, ...]
    waiting: "asyncio.Future[Written]"
    began_s: float


def entry_of(
    event: Event,
    outcome: Outcome,
    settles: tuple[int, ...],
    cursor: Cursor | None,
    *,
    settings: str,
    at_us: int,
) -> Entry:
    """Return the transaction that a decision is, decided now under these settings."""
    outbox: list[tuple[str, OutboxEffect]] = []
    reports: list[ReportStatus] = []
    receipt: Receipt | None = None
    for effect in outcome.effects:
        if isinstance(effect, Receipt):
            receipt = effect
        elif isinstance(effect, ReportStatus):
            reports.append(effect)
        else:
            outbox.append((driver_of(effect), effect))
    return Entry(
        event=event,
        changes=outcome.changes,
        outbox=tuple(outbox),
        reports=tuple(reports),
        receipt=receipt,
        settles=settles,
        cursor=cursor,
        settings=settings,
        at_us=at_us,
        mono_us=mono_us(),
    )


def opens_level_1(received: AlertReceived) -> bool:
    """Return whether a message opens an order that nothing may wait before."""
    alert = received.alert
    return alert.kind is AlertKind.ALERT and alert.level is Level.ONE


def put_aside(event: Event, error: Exception, site: Site) -> tuple[Event, Outcome]:
    """Return a refusal in the place of an event on which the core has failed.

    The core is pure, so a failure in it has changed nothing. Without this, one event that
    meets a mistake of ours would come again after each restart and stop the daemon for good.
    What it said stays in the row, and whoever asked for something is not told that it is done.
    """
    kind = type(event).__name__
    log.error("the core failed on an event", kind=kind, exc_info=error)
    reason = f"internal fault on {kind} ({type(error).__name__}): see the log, tell the makers"
    refused = InputRefused(at_us=event.at_us, door="engine", reason=reason, raw=_raw(event))
    asked = _asked_by(event)
    if asked is None:
        return refused, Outcome((), ())
    sender, id_ = asked
    said = because(site, Why.FAULT, event=kind, error=type(error).__name__)
    receipt = Receipt(status="refused", sender=sender, id=id_, reason=said)
    return refused, Outcome((), (receipt,))


def _raw(event: Event) -> str:
    """Return the beginning of an event as text, in base64 like what a door refuses."""
    try:
        text = msgspec.json.encode(event)
    except (TypeError, ValueError):  # what cannot be written is told by its reason alone
        return ""
    return b64encode(text[:RAW_KEPT_BYTES]).decode("ascii")


def _asked_by(event: Event) -> tuple[str, str] | None:
    """Return who waits for an answer to an event, and what he knows it by, or None."""
    if isinstance(event, AlertReceived):
        return event.alert.sender, event.alert.id
    if isinstance(event, MessageNoted):
        return event.sender, event.id
    if isinstance(event, OrderActed):
        return event.by, event.order
    by = getattr(event, "by", None)
    return (by, type(event).__name__) if isinstance(by, str) else None
