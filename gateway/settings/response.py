"""The section ``response``: who is called, the clocks and the ladder."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from gateway.core.calls.escalation import Response, Rung, RungKind
from gateway.settings.values import Id, Model

WindowS = Annotated[int, Field(ge=5, le=3600)]
WindowMin = Annotated[int, Field(ge=1, le=1440)]
Metres = Annotated[int, Field(ge=0, le=200_000)]


class RungSettings(Model):
    """One step of the ladder with a pause or levels of its own.

    Attributes:
        rung: Who is called on it.
        wait_s: Pause after it before the next, seconds; absent = rung_s of the level.
        levels: Levels of orders that climb it; absent = all.
    """

    rung: RungKind
    wait_s: WindowS | None = None
    levels: Annotated[tuple[Literal[1, 2, 3], ...], Field(min_length=1)] = (1, 2, 3)


def _form(value: Any) -> str:  # noqa: ANN401  # whatever the YAML says
    return "step" if isinstance(value, dict | RungSettings) else "word"


AnyRung = Annotated[
    Annotated[RungKind, Tag("word")] | Annotated[RungSettings, Tag("step")],
    Discriminator(_form),
]


GradeNumber = Literal["1", "2", "3"]


class GradeSettings(Model):
    """What a zone's grade sets of its own; what it leaves out is as usual.

    It goes before what ``response`` says. Where the order's kind says it too, the more urgent
    holds: the shorter window or pause, the more readings; of two ladders that of the kind.

    Attributes:
        tone: Level whose attention tone goes first, if it is more urgent than the order's.
        times: How often one page says the order.
        acknowledge_s: Window for 收到, seconds by level.
        answer_window_s: A channel is kept clear for answers, seconds; absent = as it says.
        rung_s: Pause between rungs, seconds by level.
        station_acknowledge_s: The station's own window, seconds.
        ladder: Rungs that are climbed.
    """

    tone: Literal[1, 2, 3] | None = None
    times: Annotated[int, Field(ge=1, le=3)] | None = None
    acknowledge_s: tuple[WindowS, WindowS, WindowS] | None = None
    answer_window_s: Annotated[int, Field(ge=1, le=120)] | None = None
    rung_s: tuple[WindowS, WindowS, WindowS] | None = None
    station_acknowledge_s: WindowS | None = None
    ladder: tuple[AnyRung, ...] | None = None

    def figures(self) -> dict[str, Any]:
        """Return what it sets, under the names of the core's own."""
        own = {name: getattr(self, name) for name in type(self).model_fields}
        own["ladder"] = self.ladder and tuple(rung_of(step) for step in self.ladder)
        return {name: value for name, value in own.items() if value is not None}


class ResponseSettings(Model):
    """Who is called, the clocks and the ladder; three figures are by level, or zone grade.

    Attributes:
        acknowledge_s: Window for 收到, seconds by level.
        arrive_min: Window for 到场, minutes by zone grade.
        warn_percent: Warnings at these parts of the arrival window, percent.
        ladder: Rungs that are climbed when nobody answers: a word, or a word with its own
            pause and levels.
        rung_s: Pause between rungs, seconds by level.
        station_acknowledge_s: The station's own window, seconds.
        expire_min: Nothing of an order is sent later than this, minutes by level.
        clock_skew_s: Above this difference the clock starts at receipt, seconds.
        answer_slots: Whether people called together are given turns to answer, where some of
            their radios cannot say who they are.
        slot_s: How long a turn lasts, seconds.
        call: ``all`` on duty in the grid, or the ``nearest``, as many as are needed.
        near_m: When everybody called is farther away than this, the centre is told that no
            one is near, metres; 0 = never.
        position_fresh_min: A shared location or a check-in older than this is not used.
        station_far_m: A station farther away than this: the nearest partner is proposed to
            the centre, metres; 0 = never.
        desk: Person who is accountable for an order until somebody has taken it; absent = the
            grid's second manager.
        still_on_it_min: Who took an order and has not arrived is asked after this whether he
            is still on it, minutes; 0 = never.
        still_answer_s: Then he has this long to answer, seconds, or it is as if he had not
            taken it.
        stand_down_s: Who was called off has this long to acknowledge it, seconds.
        busy_limit_s: A page that waits longer for a clear channel counts as one that failed.
        police_eta_min: Where the police say that they need longer than this, the nearest
            partner is proposed to the centre, minutes; 0 = never.
        grades: Zone grade, ``"1"`` to ``"3"`` → what it sets of its own.
    """

    acknowledge_s: tuple[WindowS, WindowS, WindowS] = (30, 60, 60)
    arrive_min: tuple[WindowMin, WindowMin, WindowMin] = (1, 3, 5)
    warn_percent: tuple[Annotated[int, Field(ge=1, le=99)], ...] = (50, 80)
    ladder: tuple[AnyRung, ...] = (
        "repeat", "ring_1", "ring_2", "station_patrol", "special_patrol", "second_manager",
        "first_manager",
    )  # fmt: skip
    rung_s: tuple[WindowS, WindowS, WindowS] = (30, 60, 60)
    station_acknowledge_s: WindowS = 60
    expire_min: tuple[WindowMin, WindowMin, WindowMin] = (10, 30, 60)
    clock_skew_s: Annotated[int, Field(ge=1, le=3600)] = 30
    answer_slots: bool = False
    slot_s: Annotated[int, Field(ge=3, le=15)] = 5
    call: Literal["all", "nearest"] = "all"
    near_m: Metres = 5000
    position_fresh_min: WindowMin = 30
    station_far_m: Metres = 20_000
    desk: Id | None = None
    still_on_it_min: Annotated[int, Field(ge=0, le=240)] = 10
    still_answer_s: WindowS = 60
    stand_down_s: WindowS = 120
    busy_limit_s: WindowS = 20
    police_eta_min: Annotated[int, Field(ge=0, le=240)] = 20
    grades: dict[GradeNumber, GradeSettings] = Field(default_factory=dict)

    @property
    def kinds(self) -> tuple[RungKind, ...]:
        """The words of the ladder, in its order."""
        return tuple(s.rung if isinstance(s, RungSettings) else s for s in self.ladder)


def response_of(response: ResponseSettings) -> Response:
    """Return what the core decides by."""
    one, two, three = response.arrive_min
    expire_one, expire_two, expire_three = response.expire_min
    return Response(
        acknowledge_s=response.acknowledge_s,
        arrive_s=(one * 60, two * 60, three * 60),
        warn_percent=response.warn_percent,
        ladder=tuple(rung_of(step) for step in response.ladder),
        rung_s=response.rung_s,
        station_acknowledge_s=response.station_acknowledge_s,
        expire_s=(expire_one * 60, expire_two * 60, expire_three * 60),
        clock_skew_s=response.clock_skew_s,
        answer_slots=response.answer_slots,
        slot_s=response.slot_s,
        call=response.call,
        near_m=response.near_m,
        position_fresh_s=response.position_fresh_min * 60,
        station_far_m=response.station_far_m,
        desk=response.desk,
        still_on_it_s=response.still_on_it_min * 60,
        still_answer_s=response.still_answer_s,
        stand_down_s=response.stand_down_s,
        busy_limit_s=response.busy_limit_s,
        police_eta_s=response.police_eta_min * 60,
    )


def graded(
    usual: Response, grades: Mapping[GradeNumber, GradeSettings], own: Mapping[str, Any]
) -> dict[int, Response]:
    """Return the clocks and the ladder in each grade that sets something.

    Args:
        usual: Those without a grade, of the site or of an order kind.
        grades: What grades set.
        own: What the kind sets itself, with which each is compared; empty for the site's.
    """
    return {
        int(number): replace(usual, **_sharper(grade.figures(), own))
        for number, grade in grades.items()
    }


def _sharper(figures: dict[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a grade sets beside a kind: the shorter of both, and the kind's ladder."""
    return {
        name: _shorter(value, own[name]) if name in own else value
        for name, value in figures.items()
        if name != "ladder" or name not in own
    }


def _shorter(one: Any, other: Any) -> Any:  # noqa: ANN401  # a figure, or one a level
    if isinstance(one, tuple):
        return tuple(min(pair) for pair in zip(one, other, strict=True))
    return min(one, other)


def rung_of(step: RungKind | RungSettings) -> Rung:
    """Return one step of a ladder as the core decides by it."""
    if isinstance(step, RungSettings):
        return Rung(kind=step.rung, wait_s=step.wait_s, levels=step.levels)
    return Rung(kind=step)
