"""What waits for a named person, and who may decide, as entities of the state."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from gateway.core.alert import Alert


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An alert, or an amendment, that is kept from guards until somebody releases it.

    Attributes:
        order: Its order.
        why: ``filter``: it is not simple; ``two_person``: it is to all grids.
        since_us: Since when, UTC microseconds.
        alert: The amendment that waits; None when the order itself does.
        told: How often the centre has been told again.
        lapsed: Whether the time for a second person is over: it cannot be released any more.
        through: By which tokens or sockets those came who had a hand in it.
        by: Who opened its order again, by name; empty where nobody did; personal.
    """

    KIND: ClassVar[str] = "held"

    order: str
    why: Literal["filter", "two_person"]
    since_us: int
    alert: Alert | None = None
    told: int = 0
    lapsed: bool = False
    through: tuple[str, ...] = ()
    by: str = field(default="", metadata={"personal": None})

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return self.order


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """A right that somebody has given to another for a time.

    Attributes:
        id: ``d<counter>``.
        right: ``release``, ``promote`` or ``close``.
        to: Who has it meanwhile, by name; personal.
        by: Who gave it; personal.
        from_us: From this moment, UTC microseconds.
        until_us: Up to this moment.
    """

    KIND: ClassVar[str] = "delegation"

    id: str
    right: str
    to: str = field(metadata={"personal": None})
    by: str = field(metadata={"personal": None})
    from_us: int
    until_us: int

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return self.id
