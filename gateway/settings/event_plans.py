"""Settings of event plans (活动方案): what is added to the site from a start to an end."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.settings.sections import GridSettings, PostSettings
from gateway.settings.values import Id, LocalTime, Model, Name, written

ChatGroupName = Annotated[str, written(r"^[^/]+/[^/]+$", "chat/group, such as work/east")]


def _check_window(from_: datetime | None, to: datetime | None) -> None:
    if any(moment is not None and moment.tzinfo for moment in (from_, to)):
        raise PydanticCustomError("local_time", "times are local; leave out the zone")
    if from_ is not None and to is not None and to <= from_:
        raise PydanticCustomError("window_order", "to should be after from")


class GridChangeSettings(Model):
    """What a plan changes of a grid that is always there.

    Attributes:
        channel: Channel it is called on meanwhile; absent = as ever.
        chat: Its work group meanwhile, ``chat/group``; absent = as ever.
    """

    channel: Id | None = None
    chat: ChatGroupName | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.channel is None and self.chat is None:
            raise PydanticCustomError("plan_change", "changes nothing: write channel or chat")
        return self


class PlanDutySettings(Model):
    """Somebody's part in a plan.

    Attributes:
        person: Who; a guard.
        grids: Grids he serves meanwhile; absent = every grid of the plan.
        post: Post where he stands meanwhile.
        from_: From when he is on duty for it, local time; absent = the plan's beginning.
        to: Until when, not included; absent = the plan's end.
    """

    person: Id
    grids: tuple[Id, ...] | None = None
    post: Id | None = None
    from_: LocalTime | None = Field(default=None, alias="from")
    to: LocalTime | None = None

    @model_validator(mode="after")
    def _local_and_forwards(self) -> Self:
        _check_window(self.from_, self.to)
        return self


class EventPlanSettings(Model):
    """A plan for an event: dormant until its beginning, or until somebody starts it.

    Attributes:
        name: As written to the centre.
        from_: When it comes in force, local time, ``2027-02-06T08:00``; absent (with ``to``) =
            by hand only.
        to: When it goes out, local time, not included.
        grids: Grids it adds, as in the section ``grids``; where they overlap others they go
            first.
        posts: Posts it adds, as in the section ``posts``.
        changes: Other channels or groups of grids that are always there.
        roster: Who has a part in it.
        keep_own: Whether its people are called to their own grids as well while they are on
            duty for it, and count as cover there.
    """

    name: Name
    from_: LocalTime | None = Field(default=None, alias="from")
    to: LocalTime | None = None
    grids: dict[Id, GridSettings] = Field(default_factory=dict)
    posts: dict[Id, PostSettings] = Field(default_factory=dict)
    changes: dict[Id, GridChangeSettings] = Field(default_factory=dict)
    roster: tuple[PlanDutySettings, ...] = ()
    keep_own: bool = False

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.from_ is None) != (self.to is None):
            raise PydanticCustomError(
                "plan_window", "needs from and to, or neither: then it is started by hand"
            )
        _check_window(self.from_, self.to)
        if not (self.grids or self.posts or self.changes or self.roster):
            raise PydanticCustomError(
                "plan_empty", "adds nothing: write grids, changes or roster"
            )
        if any(grid.polygon_file for grid in self.grids.values()):
            raise PydanticCustomError(
                "plan_polygon", "a plan's grid takes polygon, not a polygon_file"
            )
        return self
