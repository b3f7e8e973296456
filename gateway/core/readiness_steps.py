"""What keeps people ready, as `dispatch` sees it: acts, clocks, what is heard meanwhile."""

from gateway.core import drills
from gateway.core.order import Timer
from gateway.core.readiness_events import DrillAsked, DrillDropped, ReadinessEvent
from gateway.core.state import Draft


def acted(draft: Draft, event: ReadinessEvent) -> None:
    """Do what somebody of the centre asked for, and answer by a receipt."""
    match event:
        case DrillAsked() | DrillDropped():
            drills.drill_event(draft, event)


_CLOCKS = {
    drills.CLOCK: drills.drill_due,
    drills.WEEKLY: drills.weekly_due,
}


def timer_due(draft: Draft, timer: Timer) -> bool:
    """Do what a clock of ours was set for; return False for the clocks of others."""
    due = _CLOCKS.get(timer.what)
    if due is None:
        return False
    due(draft, timer)
    return True


def restate(draft: Draft) -> None:
    """Set the clocks that the settings ask for: they, or the daemon, may be new."""
    drills.keep_weekly(draft)


def settle(draft: Draft) -> None:
    """Keep at the end of every step what must always hold."""
    drills.settle(draft)
