"""One step of the engine: what an event changes and what it asks of the outside.

Rules for whoever edits this file:

1. :func:`step` is pure: the same state, site and event give the same outcome.
2. An event that fits nothing changes nothing; it is in the journal all the same.
3. Nothing is decided when changes are folded: every decision is made here, once.

The edges of an order's life are the table in ``gateway.core.life``; who is called and written
to is ``calling``; the clocks are ``ladder``; what people answer is ``answering``; what the
centre sends is ``messages``.
"""

from dataclasses import dataclass, replace

from gateway.core.after.aftercare import FOLLOW_UP, follow_up_due, order_tended
from gateway.core.after.closing import order_acted
from gateway.core.after.events import (
    OrderActed,
    OrderTended,
    PhotoActed,
    PhotoFailed,
    PhotoPosted,
    PhotoTakenBack,
)
from gateway.core.after.photo import (
    PHOTO_DUE,
    photo_acted,
    photo_answered,
    photo_due,
    photo_failed,
    photo_posted,
    photo_taken_back,
)
from gateway.core.alert import Medium
from gateway.core.answers.answer_window import pages_spoken
from gateway.core.answers.by_chat import (
    button_pressed,
    media_received,
    text_received,
)
from gateway.core.answers.events import (
    ButtonPressed,
    DigitsHeard,
    KeyPattern,
    MediaReceived,
    OverHeard,
    SignalHeard,
    TextReceived,
)
from gateway.core.answers.identity import radio_blocked
from gateway.core.answers.on_air import digits_heard, key_pattern, over_heard, signal_heard
from gateway.core.calls.breaks import break_taken
from gateway.core.calls.called_off import called_off
from gateway.core.calls.calling import (
    US,
    ways_down,
)
from gateway.core.calls.events import (
    BreakTaken,
    CalledOff,
    CardFailed,
    CardPosted,
    EtaGiven,
    PageFailed,
    PageSpoken,
    PageStarted,
    PageWaited,
    PartnerCalled,
)
from gateway.core.calls.ladder import clock_due, medium_failed
from gateway.core.calls.nearest import forget_places
from gateway.core.calls.owner import settle_all
from gateway.core.calls.partner import partner_called
from gateway.core.calls.police_eta import eta_given, eta_wrote
from gateway.core.calls.sent import card_event, page_event
from gateway.core.calls.spoken_again import speak_again
from gateway.core.calls.stand_down import unaware
from gateway.core.effects import Effect
from gateway.core.events import (
    ClockStepped,
    DiskRoomChanged,
    Event,
    InputRefused,
    JournalReplaced,
    PathChanged,
    RecordingsExpired,
    SettingsReloaded,
    Started,
    TimerFired,
)
from gateway.core.guard_reports import chat as report_chat
from gateway.core.guard_reports.cards import card_event as report_card_event
from gateway.core.guard_reports.report import ReportActed
from gateway.core.guard_reports.steps import CLOCK as REPORT_CLOCK
from gateway.core.guard_reports.steps import report_acted, report_due
from gateway.core.intake.amending import amend_now
from gateway.core.intake.events import AlertReceived, MessageNoted
from gateway.core.intake.machine_alerts import digest_due, missed_test_due
from gateway.core.intake.machines import DIGEST, TEST_DUE
from gateway.core.intake.messages import alert_received, message_noted
from gateway.core.order import (
    Change,
    Counter,
    Order,
    Page,
    Path,
    Timer,
)
from gateway.core.places import Site
from gateway.core.policy.events import HeldActed, RightDelegated
from gateway.core.policy.release import HELD, held_acted, held_due, reopened
from gateway.core.policy.rights import right_delegated
from gateway.core.readiness import event_plans
from gateway.core.readiness import steps as readiness_steps
from gateway.core.readiness.disk_room import disk_room_changed
from gateway.core.readiness.event_plan import PlanEnded, PlanStarted
from gateway.core.readiness.event_plan_people import register_changed
from gateway.core.readiness.journal_replaced import journal_replaced
from gateway.core.register.certificates import CERTIFICATES, keep_watch
from gateway.core.register.certificates import morning as look_at_certificates
from gateway.core.register.company_alerts import company_refused
from gateway.core.register.consent import ask_for_consent, consent_wrote
from gateway.core.register.duty_steps import duty_event
from gateway.core.register.events import (
    DutyChanged,
    DutySwapped,
    EnrolmentIssued,
    PersonChanged,
    PersonEntered,
    PersonErased,
    PersonLeft,
    PersonStruck,
    RadioBlocked,
    RegisterSeeded,
)
from gateway.core.register.manager_words import manager_wrote
from gateway.core.register.office import office_pressed, office_wrote
from gateway.core.register.steps import person_acted, register_event
from gateway.core.spans import move_spans
from gateway.core.state import Draft, State
from gateway.core.talk import groups as talk_groups
from gateway.core.talk import talk
from gateway.core.talk.events import (
    DispatcherSpoke,
    RecordingKept,
    SoundRefused,
    TalkCut,
    TalkSwitched,
)
from gateway.core.talk.sound import dispatcher_spoke, sound_refused
from gateway.core.wording import Wording


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one step came to."""

    changes: tuple[Change, ...]
    effects: tuple[Effect, ...]


def step(
    state: State,
    site: Site,
    event: Event,
    *,
    synchronised: bool = True,
    taken_us: int | None = None,
) -> Outcome:
    """Return what an event changes and asks for; the state itself is not touched.

    Args:
        state: What is known.
        site: Settings in force.
        event: What happened.
        synchronised: Whether the wall clock is to be trusted.
        taken_us: When it is taken in, UTC microseconds; None for when it happened.
    """
    site = event_plans.site_in_force(state, site)
    draft = Draft(state, site, event.at_us, synchronised=synchronised, taken_us=taken_us)
    _take(draft, event)
    event_plans.settle(draft)
    readiness_steps.settle(draft)
    return Outcome(tuple(draft.changes), tuple(draft.effects))


def _take(draft: Draft, event: Event) -> None:  # noqa: C901  # one line a kind of event
    match event:
        case MessageNoted():
            message_noted(draft, event)
        case AlertReceived():
            if not company_refused(draft, event):
                alert_received(draft, event)
        case OrderActed():
            order_acted(draft, event)
        case DigitsHeard():
            if not readiness_steps.heard(draft, event):
                digits_heard(draft, event)
            talk.signalled(draft, event)
        case OverHeard():
            if not readiness_steps.heard(draft, event):
                over_heard(draft, event)
            talk.over_ended(draft, event)
        case SignalHeard():
            readiness_steps.heard(draft, event)
            signal_heard(draft, event)
        case KeyPattern():
            if not readiness_steps.heard(draft, event):
                key_pattern(draft, event)
        case ReportActed():
            report_acted(draft, event)
        case ButtonPressed():
            reported = readiness_steps.pressed(draft, event) or report_chat.button_pressed(
                draft, event
            )
            if not reported and not office_pressed(draft, event):
                button_pressed(draft, event)
        case TextReceived():
            _text_received(draft, event)
        case MediaReceived():
            if photo_answered(draft, event):
                return
            if not report_chat.media_received(draft, event):
                media_received(draft, event)
            talk.voice_received(draft, event)
        case PageWaited() | PageStarted() | PageSpoken() | PageFailed():
            ours = talk.page_event(draft, event) or readiness_steps.went_out(draft, event)
            if not ours:
                page_event(draft, event)
        case RecordingKept():
            talk.recording_kept(draft, event)
            page_event(draft, event)
        case TalkSwitched():
            talk_groups.switched(draft, event)
        case TalkCut():
            talk_groups.cut(draft, event)
        case DispatcherSpoke():
            dispatcher_spoke(draft, event)
        case SoundRefused():
            sound_refused(draft, event)
        case CardPosted() | CardFailed():
            ours = report_card_event(draft, event) or readiness_steps.went_out(draft, event)
            if not ours:
                card_event(draft, event)
        case TimerFired():
            _timer_fired(draft, event)
        case PathChanged():
            _path_changed(draft, event)
        case RegisterSeeded() | EnrolmentIssued() | PersonLeft() | PersonErased():
            register_event(draft, event)
            event_plans.keep(draft)
            settle_all(draft)
        case PersonEntered() | PersonChanged() | PersonStruck():
            person_acted(draft, event)
            register_changed(draft)
            settle_all(draft)
        case PartnerCalled():
            partner_called(draft, event)
        case CalledOff():
            called_off(draft, event)
        case HeldActed():
            held_acted(draft, event, amend_now)
        case EtaGiven():
            eta_given(draft, event)
        case RightDelegated():
            right_delegated(draft, event)
        case BreakTaken():
            break_taken(draft, event)
        case DutyChanged() | DutySwapped():
            duty_event(draft, event)
        case RadioBlocked():
            radio_blocked(draft, event)
        case DiskRoomChanged():
            disk_room_changed(draft, event)
        case JournalReplaced():
            journal_replaced(draft, event)
        case ClockStepped():
            _clock_stepped(draft, event)
            event_plans.keep(draft)
        case Started() | SettingsReloaded():
            if isinstance(event, Started) and not event.synchronised:
                # It may tell anything until it is set; by how much it was wrong nobody learns.
                _doubt_times(draft, "clock_doubt")
            talk_groups.restate(draft)
            settle_all(draft)
            keep_watch(draft)
            readiness_steps.restate(draft)
            event_plans.keep(draft)
        case PlanStarted() | PlanEnded():
            event_plans.plan_event(draft, event)
        case OrderTended():
            order_tended(draft, event, reopened)
        case PhotoActed():
            photo_acted(draft, event)
        case PhotoPosted():
            photo_posted(draft, event)
        case PhotoFailed():
            photo_failed(draft, event)
        case PhotoTakenBack():
            photo_taken_back(draft, event)
        case InputRefused():
            pass  # kept in the journal; nothing hangs on it
        case RecordingsExpired():
            forget_places(draft, event.positions_before_us)
        case _:
            readiness_steps.acted(draft, event)


def _text_received(draft: Draft, event: TextReceived) -> None:
    """Take what somebody writes: of a guard's duty, for a guard, of his consent, of himself."""
    if photo_answered(draft, event):
        return
    if readiness_steps.wrote(draft, event):
        return
    if eta_wrote(draft, event):
        return
    taken = manager_wrote(draft, event) or office_wrote(draft, event)
    if taken or consent_wrote(draft, event):
        return
    if not report_chat.text_received(draft, event):
        text_received(draft, event)
    ask_for_consent(draft, event)
    talk.text_received(draft, event)


def _timer_fired(draft: Draft, fired: TimerFired) -> None:
    timer = draft.find(Timer, fired.timer)
    if timer is None or fired.due_us not in (None, timer.due_us):
        return
    if timer.what == CERTIFICATES:
        draft.drop(Timer, timer.key)
        look_at_certificates(draft)
    elif readiness_steps.timer_due(draft, timer):
        pass
    elif timer.what == event_plans.CLOCK:
        event_plans.plan_due(draft, timer)
    elif timer.what == DIGEST:
        digest_due(draft, timer)
    elif timer.what == TEST_DUE:
        missed_test_due(draft, timer)
    elif timer.what == HELD:
        held_due(draft, timer.order)
    elif timer.what == REPORT_CLOCK:
        report_due(draft, timer)
    elif timer.what == PHOTO_DUE:
        photo_due(draft, timer)
    elif timer.what == FOLLOW_UP:
        follow_up_due(draft, timer)
    else:
        clock_due(draft, timer)


def _path_changed(draft: Draft, changed: PathChanged) -> None:
    before = draft.find(Path, changed.path)
    if before is not None and before.up == changed.up:
        _another_fault(draft, before, changed)
        return
    draft.put(
        Path(id=changed.path, up=changed.up, since_us=changed.at_us, reason=changed.reason)
    )
    wording = Wording(draft.site)
    if changed.up:
        if before is not None:
            detail = wording.text("detail_path_up", path=changed.path)
            draft.report(None, "health", detail=detail)
            _catch_up(draft, changed.path.removeprefix("channel:"))
        return
    _report_down(draft, changed)
    for order_id in list(draft.state.open_orders()):
        order = draft.find(Order, order_id)
        if order is not None and ways_down(draft, order):
            draft.report(order, "warning", detail=wording.text("detail_no_way"))
        medium = Medium.RADIO if changed.path.startswith("channel:") else Medium.CHAT
        medium_failed(draft, order_id, medium)


def _report_down(draft: Draft, changed: PathChanged) -> None:
    wording = Wording(draft.site)
    key = {"chat": "detail_chat_down", "channel": "detail_channel_down"}.get(
        changed.path.split(":")[0], "detail_path_down"
    )
    detail = wording.text(key, path=changed.path, reason=wording.fault(changed.reason))
    draft.report(None, "health", detail=detail)


def _another_fault(draft: Draft, before: Path, changed: PathChanged) -> None:
    """Keep what is the matter now with a path that is down already, and say so."""
    if changed.up or changed.reason == before.reason:
        return
    draft.put(replace(before, reason=changed.reason))
    _report_down(draft, changed)


def _catch_up(draft: Draft, channel: str) -> None:
    """Speak what failed while a channel was away and is still wanted, once it is back."""
    for order_id in list(draft.state.open_orders()):
        order = draft.find(Order, order_id)
        pages = [p for p in draft.of_order(Page, order_id) if p.channel == channel]
        if order is not None and pages and pages[-1].state == "failed":
            speak_again(draft, order, pages[-1])


def _clock_stepped(draft: Draft, stepped: ClockStepped) -> None:
    """Move what is due along with the clock: a wait of a minute stays a minute."""
    for timer in list(draft.state.each(Timer)):
        draft.put(replace(timer, due_us=timer.due_us + stepped.by_us))
    for channel in draft.site.channels:
        for page in pages_spoken(draft, channel):
            # Who answers it is found by how long after it he did; nobody's turn is certain now.
            ended_us = (page.ended_us or 0) + stepped.by_us
            draft.put(replace(page, ended_us=ended_us, slots=()))
    talk_groups.clock_moved(draft, stepped.by_us)
    move_spans(draft, stepped.by_us)
    if abs(stepped.by_us) > draft.site.readiness.window_s * US:
        # These stand by the hour of the day, not by a wait; by a small step none is left out.
        readiness_steps.restate(draft)
    for counter in list(draft.state.each(Counter)):
        if counter.name.endswith("_full"):
            draft.drop(Counter, counter.name)
    if abs(stepped.by_us) > draft.site.response.clock_skew_s * US:
        _doubt_times(draft, "clock_stepped")
    seconds = f"{stepped.by_us / US:+.0f}"
    detail = Wording(draft.site).text("detail_clock_stepped", seconds=seconds)
    draft.report(None, "health", medium="clock", detail=detail)


def _doubt_times(draft: Draft, flag: str) -> None:
    """Flag the orders to which more is to come: the clock told other times before."""
    for order in list(draft.state.each(Order)):
        # Who was called off may say long after the end that he knows.
        goes_on = order.open or unaware(draft, order)
        if goes_on and flag not in order.flags:
            draft.put(replace(order, flags=(*order.flags, flag)))
