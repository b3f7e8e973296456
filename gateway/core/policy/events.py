"""What a named person decides about alerts that are held, and about who may decide."""

from dataclasses import dataclass, field
from typing import Final, Literal

from gateway.core.policy.policy import Right


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldActed:
    """Somebody lets what is held go to the guards, or drops it.

    Attributes:
        order: Order id or number.
        act: ``release`` or ``drop``.
        by: Who, by name or account; personal.
        reason: Why.
        through: By what the door knew him, such as ``http/centre``; empty where it did not.
    """

    at_us: int
    order: str
    act: Literal["release", "drop"]
    by: str = field(metadata={"personal": None})
    reason: str = field(metadata={"personal": None})
    through: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RightDelegated:
    """Somebody gives a right of his to another for a time, or takes it back.

    Attributes:
        right: Which.
        to: Who has it meanwhile; personal.
        by: Who gives it; personal.
        from_us: From this moment, UTC microseconds.
        until_us: Up to this moment; not after ``from_us`` takes it back.
    """

    at_us: int
    right: Right
    to: str = field(metadata={"personal": None})
    by: str = field(metadata={"personal": None})
    from_us: int
    until_us: int


ReleaseEvent = HeldActed | RightDelegated
RELEASE_EVENTS: Final[tuple[type[ReleaseEvent], ...]] = (HeldActed, RightDelegated)
