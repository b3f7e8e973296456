"""Settings of readiness: roll-calls, drills, the self-test, and what cover is watched."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.core.readiness.settings import (
    DrillRule,
    ReadinessPolicy,
    RollCallRule,
    SelfTestRule,
)
from gateway.settings.values import Id, Model, Text, TimeOfDay

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _minute(time_of_day: str) -> int:
    hours, minutes = time_of_day.split(":")
    return int(hours) * 60 + int(minutes)


class RollCallSettings(Model):
    """When people are called by roll (点名).

    Attributes:
        grids: Grids it is for; absent = all.
        every_min: Every so many minutes of the day, from midnight on.
        at: At these times of the day.
        random_per_shift: So often in each shift, at times that nobody is told.
    """

    grids: tuple[Id, ...] = ()
    every_min: Annotated[int, Field(ge=10, le=720)] | None = None
    at: tuple[TimeOfDay, ...] = ()
    random_per_shift: Annotated[int, Field(ge=0, le=12)] = 0

    @model_validator(mode="after")
    def _some_time(self) -> Self:
        if self.every_min is None and not self.at and not self.random_per_shift:
            raise PydanticCustomError(
                "roll_call_when", "needs a time: every_min, at or random_per_shift"
            )
        return self

    def rule(self) -> RollCallRule:
        """Return what the core decides by."""
        return RollCallRule(
            grids=self.grids, every_min=self.every_min,
            at_min=tuple(_minute(t) for t in self.at),
            random_per_shift=self.random_per_shift,
        )  # fmt: skip


class DrillSettings(Model):
    """A drill (演练) that comes every week.

    Attributes:
        grid: Where.
        day: On which day of the week.
        at: At which time of the day.
        level: Level it is called at.
        text: What it says.
        needs: Guards wanted.
    """

    grid: Id
    day: Weekday
    at: TimeOfDay
    level: Literal[1, 2, 3] = 2
    text: Text
    needs: Annotated[int, Field(ge=1, le=50)] = 1

    def rule(self) -> DrillRule:
        """Return what the core decides by."""
        return DrillRule(
            grid=self.grid, weekday=_WEEKDAYS.index(self.day), at_min=_minute(self.at),
            level=self.level, text=self.text, needs=self.needs,
        )  # fmt: skip


class SelfTestSettings(Model):
    """The daily test of the whole chain (自检).

    Attributes:
        at: At which time of the day; absent = by hand only.
        channels: Channels it speaks on; absent = every one that transmits.
        chats: Groups it posts to, as ``chat/group``.
        people: Who presses its button; the test fails when none of them does.
        within_s: How long all of it may take, seconds.
    """

    at: TimeOfDay | None = None
    channels: tuple[Id, ...] | None = None
    chats: tuple[str, ...] = ()
    people: tuple[Id, ...] = ()
    within_s: Annotated[int, Field(ge=30, le=3600)] = 300

    def rule(self) -> SelfTestRule:
        """Return what the core decides by."""
        return SelfTestRule(
            at_min=None if self.at is None else _minute(self.at), channels=self.channels,
            chats=self.chats, people=self.people, within_s=self.within_s,
        )  # fmt: skip


class CoverSettings(Model):
    """Which holes in the cover are told before an alert falls into one.

    Attributes:
        watch: Whether any are looked for.
        ahead_h: Holes in the roster are told so far ahead, hours; 0 = not at all.
        remind_min: A hole that stays is told again after so many minutes.
        unheard_h: A channel on which nobody was heard for so many hours is told; 0 = never.
    """

    watch: bool = True
    ahead_h: Annotated[int, Field(ge=0, le=168)] = 24
    remind_min: Annotated[int, Field(ge=5, le=1440)] = 60
    unheard_h: Annotated[int, Field(ge=0, le=168)] = 0


class ReadinessSettings(Model):
    """What keeps people ready between orders.

    Attributes:
        roll_calls: When people are called by roll.
        roll_call_window_s: How long an answer to a roll-call is waited for, seconds.
        drills: Drills that come every week; others are started by an act.
        self_test: The daily test of the whole chain.
        cover: Which holes in the cover are told.
        bulletin_window_min: After so many minutes who has not read a bulletin is listed.
    """

    roll_calls: tuple[RollCallSettings, ...] = ()
    roll_call_window_s: Annotated[int, Field(ge=30, le=1800)] = 120
    drills: tuple[DrillSettings, ...] = ()
    self_test: SelfTestSettings = SelfTestSettings()
    cover: CoverSettings = CoverSettings()
    bulletin_window_min: Annotated[int, Field(ge=5, le=2880)] = 120

    def policy(self) -> ReadinessPolicy:
        """Return what the core decides by."""
        return ReadinessPolicy(
            roll_calls=tuple(rule.rule() for rule in self.roll_calls),
            window_s=self.roll_call_window_s,
            drills=tuple(drill.rule() for drill in self.drills),
            self_test=self.self_test.rule(),
            cover=self.cover.watch,
            ahead_h=self.cover.ahead_h,
            remind_min=self.cover.remind_min,
            unheard_h=self.cover.unheard_h,
            bulletin_window_min=self.bulletin_window_min,
        )
