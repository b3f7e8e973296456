"""What a page says beside the order itself, as an entity: so it can be said again."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

About = Literal["help", "still", "caution", "point", "off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """What one page says that is neither its order nor an amendment of it.

    Attributes:
        page: Page id.
        order: Order id.
        about: ``help``: a guard asks for more. ``still``: whether people are still on it.
            ``caution``: a warning. ``point``: who goes to which blocking point. ``off``: who is
            called off while the order goes on.
        who: Person ids who are named in it.
        words: The warning, or the point; personal, as the warning may name somebody.
    """

    KIND: ClassVar[str] = "saying"

    page: str
    order: str
    about: About
    who: tuple[str, ...] = ()
    words: str = field(default="", metadata={"personal": None})

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return self.page
