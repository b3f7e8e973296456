"""The ladder and its deadlines: who is called next, and when."""

from dataclasses import dataclass
from typing import Literal

RungKind = Literal["repeat", "ring_1", "ring_2", "second_manager", "first_manager"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """The clocks and the ladder; tuples of three are by level or by zone grade 1, 2, 3.

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
    """

    acknowledge_s: tuple[int, int, int] = (30, 60, 60)
    arrive_s: tuple[int, int, int] = (60, 180, 300)
    warn_percent: tuple[int, ...] = (50, 80)
    ladder: tuple[RungKind, ...] = (
        "repeat", "ring_1", "ring_2", "second_manager", "first_manager",
    )  # fmt: skip
    rung_s: tuple[int, int, int] = (30, 60, 60)
    station_acknowledge_s: int = 60
    expire_s: tuple[int, int, int] = (600, 1800, 3600)
    clock_skew_s: int = 30
    answer_slots: bool = False
    slot_s: int = 5
