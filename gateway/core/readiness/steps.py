"""What keeps people ready, as ``dispatch`` sees it: acts, clocks, what is heard meanwhile."""

from collections.abc import Callable, Mapping
from typing import Final

from gateway.core.answers.events import (
    ButtonPressed,
    DigitsHeard,
    KeyPattern,
    OverHeard,
    SignalHeard,
    TextReceived,
)
from gateway.core.calls.events import (
    CardFailed,
    CardPosted,
    PageFailed,
    PageSpoken,
    PageStarted,
    PageWaited,
)
from gateway.core.order import Timer
from gateway.core.readiness import (
    bulletins,
    cover,
    drills,
    notices,
    power,
    roll_call,
    self_test,
)
from gateway.core.readiness.events import (
    BulletinSent,
    DrillAsked,
    DrillDropped,
    PowerChanged,
    ReadinessEvent,
    RollCallAsked,
    SelfTestAsked,
)
from gateway.core.readiness.settings import Notice
from gateway.core.state import Draft


def acted(draft: Draft, event: ReadinessEvent) -> None:
    """Do what somebody of the centre asked for, and answer by a receipt."""
    match event:
        case DrillAsked() | DrillDropped():
            drills.drill_event(draft, event)
        case RollCallAsked():
            roll_call.roll_call_asked(draft, event)
        case BulletinSent():
            bulletins.bulletin_sent(draft, event)
        case SelfTestAsked():
            self_test.self_test_asked(draft, event)
        case PowerChanged():
            power.power_changed(draft, event)


def _notice_due(draft: Draft, timer: Timer) -> None:
    draft.drop(Timer, timer.key)
    notice = draft.find(Notice, timer.order)
    if notice is None:
        return
    match notice.kind:
        case "roll_call":
            roll_call.roll_due(draft, notice)
        case "bulletin":
            bulletins.bulletin_due(draft, notice)
        case "self_test":
            self_test.self_test_due(draft, notice)


_CLOCKS: Final[Mapping[str, Callable[[Draft, Timer], None]]] = {
    drills.CLOCK: drills.drill_due,
    drills.WEEKLY: drills.weekly_due,
    drills.WEEKLY_NOTICE: drills.notice_due,
    notices.CLOCK: _notice_due,
    roll_call.SCHEDULE: roll_call.schedule_due,
    self_test.SCHEDULE: self_test.schedule_due,
    cover.CLOCK: cover.cover_due,
}


def timer_due(draft: Draft, timer: Timer) -> bool:
    """Do what a clock of ours was set for; return False for the clocks of others."""
    due = _CLOCKS.get(timer.what)
    if due is None:
        return False
    due(draft, timer)
    return True


def heard(draft: Draft, event: DigitsHeard | OverHeard | SignalHeard | KeyPattern) -> bool:
    """Note who is there; return whether it was an answer of ours and nothing else."""
    cover.channel_heard(draft, event.channel)
    return roll_call.heard(draft, event)


def wrote(draft: Draft, event: TextReceived) -> bool:
    """Take what somebody writes; return whether it answers a roll-call and nothing else."""
    return roll_call.wrote(draft, event)


def pressed(draft: Draft, event: ButtonPressed) -> bool:
    """Take a press of a notice's button; return False when it is not of one."""
    if not event.order.startswith("n"):
        return False
    notice = notices.pressed(draft, event)
    if notice is not None:
        self_test.maybe_done(draft, notice.id)
    return True


def went_out(
    draft: Draft,
    event: PageWaited | PageStarted | PageSpoken | PageFailed | CardPosted | CardFailed,
) -> bool:
    """Note what became of a notice's page or card; return False when it is none of ours."""
    if isinstance(event, CardPosted | CardFailed):
        ours = notices.card_event(draft, event)
    else:
        ours = notices.page_event(draft, event)
    if ours:
        for notice in notices.current(draft):
            self_test.maybe_done(draft, notice.id)
    return ours


def restate(draft: Draft) -> None:
    """Set the clocks that the settings ask for: they, or the daemon, may be new."""
    drills.keep_weekly(draft)
    drills.keep_planned(draft)
    roll_call.keep_schedule(draft)
    self_test.keep_schedule(draft)
    cover.keep_watch(draft)


def settle(draft: Draft) -> None:
    """Keep at the end of every step what must always hold."""
    drills.settle(draft)
    cover.changed(draft)
