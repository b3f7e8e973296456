"""The ladder and its deadlines: who is called next, and when."""

from dataclasses import dataclass
from typing import Literal

RungKind = Literal[
    "repeat",
    "ring_1",
    "ring_2",
    "station_patrol",
    "special_patrol",
    "second_manager",
    "first_manager",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One step of the ladder.

    Attributes:
        kind: Who is called on it.
        wait_s: Pause after it before the next, seconds; None for the pause of the level.
        levels: Levels of orders that climb it.
    """

    kind: RungKind
    wait_s: int | None = None
    levels: tuple[int, ...] = (1, 2, 3)


def rungs(*kinds: RungKind) -> tuple[Rung, ...]:
    """Return a ladder of these steps, each for every level and with the level's own pause."""
    return tuple(Rung(kind=kind) for kind in kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """Who is called, the clocks and the ladder; tuples of three are by level or zone grade.

    Attributes:
        acknowledge_s: Window for the acknowledgement, by level.
        arrive_s: Window for the arrival, by zone grade.
        warn_percent: Warnings at these parts of the arrival window.
        ladder: Rungs in order.
        rung_s: Pause between rungs, by level.
        station_acknowledge_s: The station's own window.
        expire_s: Nothing of an order is sent later than this after its clock's start, by level.
        clock_skew_s: Above this the clock starts at receipt.
        answer_slots: Whether people called together are each given a turn to answer, where
            some of their radios cannot say who they are.
        slot_s: How long a turn lasts.
        call: Whether everybody on duty in the grid is called, or as many as are needed.
        near_m: Nobody called is nearer than this: then no one is near. 0 does not ask.
        position_fresh_s: A shared location or a check-in older than this says nothing.
        station_far_m: A station farther away than this: a partner is proposed. 0 never.
        desk: Person id who is accountable until somebody has taken an order; None for the
            grid's second manager.
        still_on_it_s: Who took an order and has not arrived is asked after this; 0 never.
        still_answer_s: He has this long to say so, then the order is short of him again.
        stand_down_s: Whoever was called off has this long to acknowledge it.
        busy_limit_s: A page that waits longer for a clear channel counts as one that failed.
        police_eta_s: Police that say they need longer: a partner is proposed. 0 never.
        tone: Level whose attention tone the grade of a zone asks for, if it is more urgent.
        times: How often one page says the order, at least.
        answer_window_s: How long a channel is kept clear for answers; None for its own.
    """

    acknowledge_s: tuple[int, int, int] = (30, 60, 60)
    arrive_s: tuple[int, int, int] = (60, 180, 300)
    warn_percent: tuple[int, ...] = (50, 80)
    ladder: tuple[Rung, ...] = rungs(
        "repeat", "ring_1", "ring_2", "station_patrol", "special_patrol", "second_manager",
        "first_manager",
    )  # fmt: skip
    rung_s: tuple[int, int, int] = (30, 60, 60)
    station_acknowledge_s: int = 60
    expire_s: tuple[int, int, int] = (600, 1800, 3600)
    clock_skew_s: int = 30
    answer_slots: bool = False
    slot_s: int = 5
    call: Literal["all", "nearest"] = "all"
    near_m: int = 5000
    position_fresh_s: int = 1800
    station_far_m: int = 20_000
    desk: str | None = None
    still_on_it_s: int = 600
    still_answer_s: int = 60
    stand_down_s: int = 120
    busy_limit_s: int = 20
    police_eta_s: int = 1200
    tone: Literal[1, 2, 3] | None = None
    times: int = 1
    answer_window_s: int | None = None

    def pause_s(self, rung: int, level: int) -> int:
        """Return how long is waited after a rung, seconds; past the end the level's pause."""
        own = self.ladder[rung].wait_s if rung < len(self.ladder) else None
        return self.rung_s[level - 1] if own is None else own

    def climbs(self, rung: int, level: int) -> bool:
        """Return whether orders of a level climb a rung."""
        return level in self.ladder[rung].levels
