"""What comes from the centre."""

from dataclasses import dataclass
from typing import Final, Literal

from gateway.core.alert import Alert


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertReceived:
    """A door decoded a message of the centre.

    Attributes:
        door: ``http``, ``mqtt`` or ``control``.
        alert: The decoded message.
        synchronised: False while our own clock is not to be trusted.
        prior_order: Order id of an alert of the same key that has left the memory, else None.
        prior_number: Its number.
        prior_sha256: Its body's digest, empty when there is none.
        prior_named: Of the messages that it refers to, those that have left the memory: each as
            (reference, digest, order id, number); the last two empty where it made no order.
    """

    at_us: int
    door: str
    alert: Alert
    synchronised: bool = True
    prior_order: str | None = None
    prior_number: str | None = None
    prior_sha256: str = ""
    prior_named: tuple[tuple[str, str, str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageNoted:
    """The centre sent something on which nobody is called: it is written down and answered.

    Attributes:
        door: ``http``, ``mqtt`` or ``control``.
        sender: Who sent it, as he calls himself.
        id: His id of it.
        what: ``test`` and ``system``: of the centre's own machinery. ``ack`` and ``error``:
            what the centre makes of something we sent.
        text: What it says, in words.
    """

    at_us: int
    door: str
    sender: str
    id: str
    what: Literal["test", "system", "ack", "error"]
    text: str = ""


IntakeEvent = AlertReceived | MessageNoted
INTAKE_EVENTS: Final[tuple[type[IntakeEvent], ...]] = (
    AlertReceived, MessageNoted,
)  # fmt: skip
