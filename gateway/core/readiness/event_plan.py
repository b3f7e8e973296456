"""What an event plan (活动方案) is: a part of the site that there is for a while only.

Values and entities without any decision; ``event_plans`` decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final, Literal

if TYPE_CHECKING:
    from gateway.core.places import Grid, Post


@dataclass(frozen=True, slots=True, kw_only=True)
class GridChange:
    """What a plan changes of a grid that is always there; None leaves it as it is.

    Attributes:
        channel: Channel id on which it is called meanwhile.
        chat: ``chat/group`` of its work group meanwhile.
    """

    channel: str | None = None
    chat: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDuty:
    """Somebody's part in a plan.

    Attributes:
        person: Person id.
        grids: Grid ids he serves meanwhile.
        post: Post id where he stands meanwhile, or None for where he always does.
        from_us: From when he is on duty for it, UTC microseconds; None for its beginning.
        to_us: Until when, not included; None for its end.
    """

    person: str
    grids: tuple[str, ...]
    post: str | None = None
    from_us: int | None = None
    to_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPlan:
    """A plan as the settings write it.

    Attributes:
        id: Our id.
        name: As written.
        from_us: When it comes in force, UTC microseconds; None for by hand only.
        to_us: When it goes out, not included; None for by hand only.
        grids: Grids that it adds, by id.
        posts: Posts that it adds, by id.
        changes: What it changes of other grids, by grid id.
        roster: Who has a part in it.
        keep_own: Whether they serve their own grids as well while they are on duty for it.
    """

    id: str
    name: str
    from_us: int | None = None
    to_us: int | None = None
    grids: Mapping[str, "Grid"] = field(default_factory=dict)
    posts: Mapping[str, "Post"] = field(default_factory=dict)
    changes: Mapping[str, GridChange] = field(default_factory=dict)
    roster: tuple[PlanDuty, ...] = ()
    keep_own: bool = False

    @property
    def touched(self) -> frozenset[str]:
        """The grids that no other plan may add or change at the same time."""
        return frozenset((*self.grids, *self.changes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """What a plan in force has changed of a person, so that just this is taken back.

    Attributes:
        person: Person id.
        grids: Grid ids that he did not serve before.
        post: Post id that he was given, or None.
        post_before: Post id that he had.
        from_us: Beginning of his duty, UTC microseconds.
        to_us: End of his duty.
        serves: Grid ids of the plan that are his meanwhile.
        own: Grid ids that he serves when no plan wants him; None in a journal of before.
        alone: Whether he serves none but the plan's while he is on duty for it.
    """

    person: str
    grids: tuple[str, ...]
    post: str | None
    post_before: str | None
    from_us: int
    to_us: int
    serves: tuple[str, ...] = ()
    own: tuple[str, ...] | None = None
    alone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRun:
    """A plan that was put in force.

    Attributes:
        plan: Plan id.
        state: ``closing`` when it has ended and an order in its grids has not.
        from_us: Since when, UTC microseconds.
        to_us: Until when; None until somebody ends it.
        window: Its times by the settings when it was put in force: once over it does not
            begin again by the clock unless they are written anew.
        by: Who put it in force; personal, empty for the clock.
        roster: Who had a part in it by the settings, when people were last given theirs.
        postings: What it has changed of people.
    """

    KIND: ClassVar[str] = "plan_run"

    plan: str
    state: Literal["in_force", "closing", "over"]
    from_us: int
    to_us: int | None
    window: tuple[int | None, int | None]
    by: str = field(default="", metadata={"personal": None})
    roster: tuple[PlanDuty, ...] = ()
    postings: tuple[Posting, ...] = ()

    @property
    def key(self) -> str:
        """Return the entity's key."""
        return self.plan


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStarted:
    """Somebody puts a plan in force.

    Attributes:
        plan: Plan id.
        to_us: When it ends, UTC microseconds; None for as written, or by hand.
        by: Who; personal.
    """

    at_us: int
    plan: str
    to_us: int | None
    by: str = field(metadata={"personal": None})


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanEnded:
    """Somebody ends a plan.

    Attributes:
        plan: Plan id.
        by: Who; personal.
    """

    at_us: int
    plan: str
    by: str = field(metadata={"personal": None})


PlanEvent = PlanStarted | PlanEnded
PLAN_EVENTS: Final[tuple[type[PlanEvent], ...]] = (PlanStarted, PlanEnded)
