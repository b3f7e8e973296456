"""Where people were last known to be, and who is on a break, as values."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

Point = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class LastSeen:
    """Where a person was when he last told it, or showed it by what he did.

    Attributes:
        person: Person id.
        place: ``latitude,longitude`` in micro-degrees of the site's datum; personal.
        at_us: When, UTC microseconds.
        source: He shared it, or he arrived or checked in there.
    """

    KIND: ClassVar[str] = "last_seen"

    person: str
    place: str = field(metadata={"personal": "person"})
    at_us: int
    source: Literal["shared", "check_in"]

    @property
    def key(self) -> str:
        """Return the entity's key: the newest only is kept."""
        return self.person

    @property
    def point(self) -> Point | None:
        """Return the place as figures; None where it was erased."""
        lat, _, lon = self.place.partition(",")
        try:
            return int(lat), int(lon)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class OnBreak:
    """A person on duty who rests: he is called to level 1 only.

    Attributes:
        person: Person id.
        until_us: When it ends by itself, UTC microseconds.
        by: Who said so.
    """

    KIND: ClassVar[str] = "on_break"

    person: str
    until_us: int
    by: str

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return self.person
