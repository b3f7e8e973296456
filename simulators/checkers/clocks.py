"""What the clocks of the gateway did, by the time outside, which nobody moves.

A row tells two times: the wall clock of its moment, which may have been wrong, and the
monotonic one, which was not. By the second every row, and so whatever stands in it, is put
where it belongs.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from simulators.checkers.findings import Finding
from simulators.checkers.journal import ANSWERS

if TYPE_CHECKING:
    from simulators.checkers.days import Evidence
    from simulators.checkers.journal import Row, State

US: Final = 1_000_000
# What a clock may be late while the gateway is there.
CLOCK_LATE_US: Final = 2 * US
# What is said of a moment, and when it was: cents of a second are lost in between.
SAME_US: Final = US // 10
# A clock that is further off than this was moved, and the journal says so.
STEP_US: Final = US
# Steps as small as this need no remark of the orders that stood open.
SKEW_US: Final = 31 * US
# These ring by the hour of the day, and go with the clock that tells it.
BY_THE_HOUR: Final = frozenset(
    {
        "certificates", "cover", "drill", "event_plan", "roll_call", "self_test",
        "weekly_drill", "weekly_drill_notice",
    }
)  # fmt: skip


class Moved:
    """How far the gateway's clock was from the time outside, and since when.

    Args:
        steps: Each step: time outside, how far ahead the clock was from then on.
    """

    def __init__(self, steps: list[tuple[int, int]]) -> None:
        self._since = [at_us for at_us, _ in steps]
        self._ahead = [0, *(ahead_us for _, ahead_us in steps)]

    def when(self, row: Row, wall_us: int) -> int:
        """Return when a moment was that a row tells of by the gateway's clock.

        It is the latest before the row that can be meant, else by the row's own clock.
        """
        at_us = wall_us - row.moved_us
        last = bisect_right(self._since, row.at_us)
        past = at_us <= row.at_us + SAME_US
        if last == 0 or (past and at_us >= self._since[last - 1]):
            return at_us
        for place in range(last - 1, -1, -1):
            earlier_us = wall_us - self._ahead[place]
            from_us = self._since[place - 1] if place else 0
            if from_us - SAME_US <= earlier_us < self._since[place] + SAME_US:
                return earlier_us
        return at_us


def check_clocks(evidence: Evidence) -> Finding:
    """I6: each clock rings once, after the wait it was set for, and none is left.

    A wait is as long as it was meant, whatever becomes of the wall clock meanwhile.
    """
    finding = Finding("I6", "I6 clocks ↔ moments", "clocks", "each once, in time")
    clocks = _Clocks(evidence, finding)
    boot = None
    for row in evidence.journal.rows:
        anew = boot is not None and row.boot != boot
        boot = row.boot
        if anew and row.kind != "ClockStepped":
            clocks.started_blind(row)
        if row.kind == "TimerFired":
            clocks.rings(row)
        for change in row.changes:
            if change[1] == "timer" and change[0] == "put":
                clocks.set(row, change[2], change[3], anew=anew)
            elif change[1] == "timer":
                clocks.due.pop(change[2], None)
    for timer, (_, at_us) in clocks.due.items():
        if at_us + CLOCK_LATE_US < evidence.ended_us:
            finding.object(at_us, "clock", f"{timer} never rang")
    return finding


class _Clocks:
    """Which clocks are set: for which moment by the gateway's clock, and when that is."""

    def __init__(self, evidence: Evidence, finding: Finding) -> None:
        self.due: dict[str, tuple[int, int]] = {}
        self._evidence = evidence
        self._finding = finding
        self._rung: set[str] = set()
        self._moved: set[tuple[str, int]] = set()

    def started_blind(self, row: Row) -> None:
        """Go by a clock that had stood still: nothing tells how long the machine was off."""
        for timer, (due_us, _) in self.due.items():
            self.due[timer] = due_us, due_us - row.moved_us

    def set(self, row: Row, timer: str, clock: dict[str, Any], *, anew: bool) -> None:
        """Note that a clock is set, or was moved along with the wall clock."""
        due_us = clock["due_us"]
        at_us = due_us - row.moved_us
        known = self.due.get(timer)
        if row.kind != "ClockStepped":
            self._rung.discard(timer)
        elif known is not None:
            self._moved.add((timer, known[0]))
            if clock["what"] in BY_THE_HOUR or anew:
                at_us = max(at_us, row.at_us)  # its hour may have passed with the step
            elif abs(at_us - known[1]) > SAME_US:
                moved_s = (at_us - known[1]) / US
                text = f"{timer} was to ring {moved_s:+.1f} s from when it should"
                self._finding.object(row.at_us, "clock", text, row.seq)
                at_us = known[1]
        self.due[timer] = due_us, at_us

    def rings(self, row: Row) -> None:
        """Judge a clock that rings."""
        self._finding.compared += 1
        timer, due_us = row.event["timer"], row.event["due_us"]
        known = self.due.get(timer)
        if known is not None and known[0] != due_us:
            if (timer, due_us) not in self._moved:
                text = f"{timer} rang for no moment of its own"
                self._finding.object(row.at_us, "clock", text, row.seq)
            return  # its moment was moved with the clock: this means nothing, it rings again
        if timer in self._rung:
            self._finding.object(row.at_us, "clock", f"{timer} rang twice", row.seq)
        self._rung.add(timer)
        at_us = known[1] if known is not None else due_us - row.moved_us
        late_us = row.at_us - at_us
        late = late_us > CLOCK_LATE_US and not self._evidence.down(at_us, row.at_us)
        if late or late_us < -CLOCK_LATE_US:
            text = f"{timer} rang {late_us / US:+.1f} s from when it should"
            self._finding.object(row.at_us, "clock", text, row.seq)


def check_order_of_times(evidence: Evidence) -> Finding:
    """I12: no person's time runs backwards, nobody arrives who has not acknowledged.

    Neither in the record nor by the time outside; and what the record says has passed since
    the order was opened has passed, unless the record itself says that its clock was moved.
    """
    finding = Finding("I12", "I12 timelines", "timelines", "none runs backwards")
    orders = {key: _Opened(evidence, states) for key, states in evidence.journal.each("order")}
    for _, states in evidence.journal.each("assignment"):
        finding.compared += 1
        part = next(s.fields for s in reversed(states) if s.fields)
        for wrong in _wrong_in(part, _stamps(evidence, states), orders[part["order"]]):
            text = f"{part['person']} in {part['order']}: {wrong}"
            finding.object(part["stamps"][-1]["at_us"], "timeline", text)
    return finding


class _Opened:
    """When an order was opened, in the record and outside; whether its times are a doubt.

    The record tells when it was opened again, so what came after is held against that.
    """

    def __init__(self, evidence: Evidence, states: list[State]) -> None:
        known = [s for s in states if s.fields]
        first = known[0].fields or {}
        self.told_us: int = first["opened_us"]
        self.at_us = evidence.when(known[0].row, self.told_us)
        self._begun: list[tuple[int, int]] = [(self.at_us, self.told_us), *_opened_again(known)]
        self.doubtful = any(
            {"clock_stepped", "clock_unset", "clock_skew", "clock_doubt"}
            & set((s.fields or {})["flags"])
            for s in known
        )


    def off_us(self, told_us: int, at_us: int) -> int:
        """Return by how much the record is wrong about what has passed till something."""
        last = bisect_right(self._begun, at_us, key=lambda begun: begun[0]) - 1
        began_us, told_began_us = self._begun[max(last, 0)]
        return (told_us - told_began_us) - (at_us - began_us)


def _opened_again(known: list[State]) -> Iterator[tuple[int, int]]:
    """Yield when an order was opened again: outside, and in the record."""
    for before, after in pairwise(known):
        was, now = before.fields or {}, after.fields or {}
        if was["closed_us"] is not None and now["closed_us"] is None:
            yield after.row.at_us, now["clock_us"]


def _wrong_in(
    part: dict[str, Any], known: dict[tuple[Any, ...], int], order: _Opened
) -> Iterator[str]:
    """Yield what is wrong with somebody's times."""
    told_us, before_us, taken = order.told_us, order.at_us, False
    for stamp in part["stamps"]:
        node, at_us = stamp["node"], known[_name(stamp)]
        if stamp["at_us"] < told_us or at_us < before_us - SAME_US:
            yield f"{node} backwards"
        since_us = order.off_us(stamp["at_us"], at_us)
        if abs(since_us) > SKEW_US and not order.doubtful:
            yield f"{node} is {since_us / US:+.0f} s from when it was, and nothing says so"
        if node in ("en_route", "arrived", "done") and not taken:
            yield f"{node} without an acknowledgement"
        told_us, before_us = stamp["at_us"], at_us
        if node in ANSWERS | {"released"}:
            taken = node not in ("declined", "released") and (taken or node == "acknowledged")


def _name(stamp: dict[str, Any]) -> tuple[Any, ...]:
    return stamp["node"], stamp["at_us"], stamp["medium"]


def _stamps(evidence: Evidence, states: list[State]) -> dict[tuple[Any, ...], int]:
    """Return when each stamp of somebody's part was, by the row that first has it.

    In the record nobody's time runs backwards when the clock is set back, but stands still: of
    what was told so to be yet to come, the row's own moment is meant.
    """
    found: dict[tuple[Any, ...], int] = {}
    for state in states:
        for stamp in state.fields["stamps"] if state.fields else ():
            if _name(stamp) not in found:
                at_us = evidence.when(state.row, stamp["at_us"])
                found[_name(stamp)] = min(at_us, state.row.at_us)
    return found


def check_steps(evidence: Evidence) -> Finding:
    """F12: the journal tells of each step of the clock, as far as it was, and of no other."""
    finding = Finding("steps", "steps of the clock ↔ rows", "steps", "each told, none invented")
    before: Row | None = None
    for row in evidence.journal.rows:
        by_us = row.moved_us - before.moved_us if before else 0
        rebooted = before is not None and row.boot != before.boot
        before = row
        told_us = row.event["by_us"] if row.kind == "ClockStepped" else 0
        finding.compared += abs(by_us) > STEP_US or told_us != 0
        # Whoever was off cannot know by how much a clock went wrong meanwhile.
        if not rebooted and abs(by_us - told_us) > SAME_US:
            text = f"the clock was moved by {by_us / US:+.1f} s, told are {told_us / US:+.1f} s"
            finding.object(row.at_us, "clock", text, row.seq)
    return finding


__all__ = ["Moved", "check_clocks", "check_order_of_times", "check_steps"]
