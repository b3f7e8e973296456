"""What can happen to readiness by the hand of the centre's people, as events."""

from dataclasses import dataclass, field
from typing import Final

from gateway.core.readiness.settings import PowerState


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillAsked:
    """Somebody starts a drill, or plans one.

    Attributes:
        grid: Grid id.
        level: Level it is called at.
        text: What it says.
        needs: Guards wanted.
        starts_us: When it begins, UTC microseconds; None for at once.
        surprise: Whether nobody is told of it before.
        by: Who; personal.
    """

    at_us: int
    grid: str
    level: int
    text: str
    needs: int
    starts_us: int | None
    surprise: bool
    by: str = field(metadata={"personal": None})


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillDropped:
    """Somebody gives up a drill that is planned.

    Attributes:
        drill: Its id, ``d3``.
        by: Who; personal.
    """

    at_us: int
    drill: str
    by: str = field(metadata={"personal": None})


@dataclass(frozen=True, slots=True, kw_only=True)
class RollCallAsked:
    """Somebody calls the roll now.

    Attributes:
        grids: Grid ids; empty for all.
        by: Who; personal.
    """

    at_us: int
    grids: tuple[str, ...]
    by: str = field(metadata={"personal": None})


@dataclass(frozen=True, slots=True, kw_only=True)
class BulletinSent:
    """Somebody sends a bulletin.

    Attributes:
        grids: Grid ids; empty for all.
        text: What it says.
        radio: Whether it is spoken as well, where nobody talks.
        by: Who; personal.
    """

    at_us: int
    grids: tuple[str, ...]
    text: str
    radio: bool
    by: str = field(metadata={"personal": None})


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTestAsked:
    """Somebody has the whole chain test itself now."""

    at_us: int
    by: str = field(metadata={"personal": None})


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerChanged:
    """What the machine runs on has changed."""

    at_us: int
    state: PowerState
    by: str = field(metadata={"personal": None})


ReadinessEvent = (
    DrillAsked | DrillDropped | RollCallAsked | BulletinSent | SelfTestAsked | PowerChanged
)  # fmt: skip
READINESS_EVENTS: Final[tuple[type[ReadinessEvent], ...]] = (
    DrillAsked, DrillDropped, RollCallAsked, BulletinSent, SelfTestAsked, PowerChanged,
)  # fmt: skip
