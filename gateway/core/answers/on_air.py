"""Understanding what comes by radio: frames of digits, statuses, presses of a key, voices.

Rules for whoever edits this file:

1. A radio's word counts only for an order in which its person has a part; where the order or
   the person is not certain, it is reported and applied to nothing.
2. A refusal on the air sounds the same whatever its reason; the reason is in the journal.
3. What a radio reports unasked, an emergency above all, is ``report_air``'s.

Theory of operation. A frame of digits names its order or is its sender's only one. A status
is about its sender's only open order. Presses and voices name nothing: the page before them
says which order they may be about, and only if no other order was called at that time; who it
is says his radio, his turn, or that nobody else was called (assurance R1, a voice R0).
"""

from typing import Final, NamedTuple

from gateway.core.alert import Assurance, Medium
from gateway.core.answers.answer_window import pages_open, turn_at
from gateway.core.answers.ended import just_ended, of_another, said_of_ended
from gateway.core.answers.events import DigitsHeard, KeyPattern, OverHeard, SignalHeard
from gateway.core.answers.identity import Speaker, heard_from
from gateway.core.answers.replies import ACTION_OF_PRESSES, Action, AirReply, parse_digits
from gateway.core.answers.timeline import (
    apply_reply,
    only_order_of,
    open_orders_of,
    order_of_number,
)
from gateway.core.answers.tries import note_try, paused
from gateway.core.calls.calling import US
from gateway.core.calls.stand_down import awaited_from
from gateway.core.effects import AnswerOver, ReportStatus
from gateway.core.guard_reports.air import code_of, has_declined, keyed, reported, voice_heard
from gateway.core.guard_reports.report import GuardReport, ReportKind
from gateway.core.order import Assignment, Delivery, Node, Order, OrderStatus, Page
from gateway.core.people import Person, Role, Tries
from gateway.core.state import Draft
from gateway.core.talk.overs import Recording
from gateway.core.wording import Wording

# A tone that answers an over later than this would be taken for somebody else's.
ANSWER_TONE_LIFE_US: Final = 10 * US
# Guessing on the air (security.md §5): five failures pause a guard number for 15 minutes.
GUARD_TRIES, GUARD_PAUSE_US = 5, 900 * US
# Twenty failures in ten minutes make a whole channel's digits unbelievable for a while.
CHANNEL_TRIES, CHANNEL_PAUSE_US = 20, 600 * US
# An over shorter than this is a kerchunk, not an answer; a press longer than this is talk.
SHORTEST_ANSWER_MS: Final = 400
LONGEST_PRESS_MS: Final = 700
# MDC1200 operations (argument of an emergency in the set): signalling facts, MDC1200 table.
_EMERGENCY: Final = frozenset({(0x00, 0x80), (0x00, 0x81)})
_STATUS: Final = 0x46


class Refused(NamedTuple):
    """Why a reply was applied to nothing: a word of the catalogue, and whose it was."""

    why: str
    person: str | None = None
    order: Order | None = None


def _answer(
    draft: Draft,
    channel: str,
    over: str,
    *,
    accepted: bool,
    signal: str | None = None,
    since_us: int | None = None,
) -> None:
    draft.ask(
        AnswerOver(
            channel=channel,
            over=over,
            accepted=accepted,
            not_after_us=(since_us or draft.now_us) + ANSWER_TONE_LIFE_US,
            signal=signal,
        )
    )


# ---- digits and statuses ----


def digits_heard(draft: Draft, heard: DigitsHeard) -> None:
    """Apply a frame from the air, or refuse it; either way its over is answered by a tone."""
    radio = heard.radio or (f"dtmf:{heard.ani}" if heard.ani else None)
    speaker = heard_from(draft, heard.channel, heard.over, radio)
    code = code_of(draft.site, heard.digits)
    if code is not None:
        kind, guard = code
        reported(draft, kind, keyed(draft, speaker, guard), heard.channel, heard.over)
        _answer(draft, heard.channel, heard.over, accepted=True)
        return
    reply = parse_digits(heard.digits)
    if reply is None:
        refused: Refused | None = Refused("detail_wrong_code")
    else:
        refused = _taken_or_refused(draft, heard.channel, reply, speaker)
    _tell_refused(draft, heard.channel, refused, heard.digits[:12])
    _answer(draft, heard.channel, heard.over, accepted=refused is None)


def _taken_or_refused(
    draft: Draft, channel: str, reply: AirReply, speaker: Speaker | None
) -> Refused | None:
    """Apply a reply unless its sender or its channel has guessed too often."""
    source = f"guard/{reply.guard_code or (speaker.radio if speaker else None)}"
    if paused(draft, source, GUARD_TRIES, GUARD_PAUSE_US) or paused(
        draft, f"channel/{channel}", CHANNEL_TRIES, CHANNEL_PAUSE_US
    ):
        return Refused("detail_paused")
    refused = _apply_air_reply(draft, reply, speaker)
    if refused is not None:
        note_try(draft, source, GUARD_TRIES, GUARD_PAUSE_US)
    elif draft.find(Tries, source) is not None and not _only_repeated(draft):
        draft.drop(Tries, source)
    return refused


def _only_repeated(draft: Draft) -> bool:
    """Return whether this step took a repetition, which anybody can play back."""
    told = (e.node for e in draft.effects if isinstance(e, ReportStatus))
    return "repeated_reply" in told


def _tell_refused(draft: Draft, channel: str, refused: Refused | None, said: str) -> None:
    if refused is None:
        return
    if refused.why != "detail_paused":
        note_try(draft, f"channel/{channel}", CHANNEL_TRIES, CHANNEL_PAUSE_US)
    detail = Wording(draft.site).text(refused.why, digits=said)
    draft.report(
        refused.order, "refused_reply", person=refused.person, medium="radio",
        assurance="R0", detail=detail,
    )  # fmt: skip


def _apply_air_reply(
    draft: Draft, reply: AirReply, speaker: Speaker | None
) -> Refused | None:
    sender = _sender(draft, reply, speaker)
    if isinstance(sender, Refused):
        return sender
    order = _order_meant(draft, reply, sender)
    nameless = order if reply.number is None else None
    if nameless is not None and of_another(draft, nameless, sender.id, reply.action):
        return Refused("detail_several_orders", sender.id)
    if _said_before(draft, order, sender, reply.action):
        return None
    if order is None or not order.open:
        return Refused("detail_stale", sender.id, order)
    applied = apply_reply(
        draft, order, sender.id, reply.action, medium=Medium.RADIO, assurance=Assurance.R1
    )
    return None if applied else Refused("detail_not_addressed", sender.id, order)


def _order_meant(draft: Draft, reply: AirReply, sender: Person) -> Order | None:
    """Return the order that has the number, or the only one that its sender can mean."""
    if reply.number:
        return order_of_number(draft, reply.number)
    order = only_order_of(draft, sender.id)
    if order is not None or open_orders_of(draft, sender.id):
        return order  # with several open ones it may be any of them
    off = next(iter(awaited_from(draft, sender.id)), None)
    if off is not None and reply.action is Action.ACKNOWLEDGE:
        return off
    return just_ended(draft, sender.id, reply.action) or off


def _sender(draft: Draft, reply: AirReply, speaker: Speaker | None) -> Person | Refused:
    """Return who sent it: the guard number he keyed, else whom his radio means.

    A number keyed on a lost radio is a finder's or a thief's: it counts for nothing either.
    """
    if speaker is not None and speaker.why == "detail_lost_radio":
        return Refused(speaker.why)
    if reply.guard_code is None:
        if speaker is None:
            return Refused("detail_unknown_sender")
        person = speaker.believed
        named = speaker.person.id if speaker.person else None
        return person or Refused(speaker.why or "detail_unknown_sender", named)
    holders = draft.state.holders_of_code(reply.guard_code)
    if not holders:
        return Refused("detail_unknown_sender")
    if not holders[0].active:
        return Refused("detail_left", holders[0].id if len(holders) == 1 else None)
    return holders[0] if len(holders) == 1 else Refused("detail_ambiguous_code")


def signal_heard(draft: Draft, heard: SignalHeard) -> None:
    """Take what a radio says besides digits: who it is, a status, an emergency."""
    if heard.kind == "mdc1200":
        if heard.mdc is not None:
            _packet_heard(draft, heard, *heard.mdc)
        return
    radio = f"{heard.set if heard.kind == 'selcall' else heard.kind}:{heard.value}"
    speaker = heard_from(draft, heard.channel, heard.over, radio)
    status = heard.value[-1:]
    if speaker is not None and status and f"{speaker.radio}{status}" == radio:
        # Known by all but the last digit: that one is his status.
        kind = draft.site.reports.selcall_status.get(status)
        if kind is not None:
            reported(draft, kind, speaker, heard.channel, heard.over)
            _answer(draft, heard.channel, heard.over, accepted=True)
            return
        _status_heard(draft, heard, speaker, draft.site.selcall_status.get(status))


def _packet_heard(
    draft: Draft, heard: SignalHeard, operation: int, argument: int, unit: int
) -> None:
    radio = f"mdc1200:{unit:04X}"
    speaker = heard_from(draft, heard.channel, heard.over, radio) or Speaker(radio)
    kind = _reports(draft, operation, argument)
    if kind is not None:
        acknowledged = "ack" if operation == _STATUS else "emergency_ack"
        signal = f"mdc1200:{acknowledged}:{unit:04X}"
        _answer(draft, heard.channel, heard.over, accepted=True, signal=signal)
        reported(draft, kind, speaker, heard.channel, heard.over)
    elif operation == _STATUS:
        action = draft.site.mdc_status.get(argument)
        _status_heard(draft, heard, speaker, action, signal=f"mdc1200:ack:{unit:04X}")


def _reports(draft: Draft, operation: int, argument: int) -> ReportKind | None:
    """Return what a packet reports: an emergency, or what its status was agreed to mean."""
    if (operation, argument) in _EMERGENCY:
        return "emergency"
    return draft.site.reports.mdc_status.get(argument) if operation == _STATUS else None


def _status_heard(
    draft: Draft,
    heard: SignalHeard,
    speaker: Speaker,
    action: Action | None,
    *,
    signal: str | None = None,
) -> None:
    """Apply a status to its sender's only open order, or refuse it."""
    if action is None:
        refused: Refused | None = Refused("detail_no_status")
    else:
        reply = AirReply(number=None, guard_code=None, action=action)
        refused = _taken_or_refused(draft, heard.channel, reply, speaker)
    _tell_refused(draft, heard.channel, refused, heard.value)
    taken = refused is None
    _answer(
        draft, heard.channel, heard.over, accepted=taken, signal=signal if taken else None
    )


# ---- presses of a key ----


def key_pattern(draft: Draft, heard: KeyPattern) -> None:
    """Take two presses for an acknowledgement and three for an arrival, if it is his to say.

    Where the order or the person is not certain, they are reported and answered like a wrong
    reply. Outside every answer window only an arrival counts, of somebody whose radio says who
    he is and who has taken his only open order; of anything else nothing comes.
    """
    speaker = heard_from(draft, heard.channel, heard.over, heard.radio)
    pages = pages_open(draft, heard.channel, heard.at_us)
    if not pages:
        _late_arrival(draft, heard, speaker)
        return
    order = _only_order(draft, pages)
    if speaker is not None and speaker.believed is None:
        refused: Refused | None = _unidentified(order, speaker.why)
    elif order is None or (not order.open and pages[-1].purpose == "stand_down"):
        # After a stand-down presses might say that one knows, or anything once more.
        refused = _unidentified(order, "detail_several_orders" if order is None else None)
    else:
        refused = _apply_pattern(draft, heard, order, pages[-1], speaker)
    if refused is not None:
        _report_pattern(draft, refused, pages)
    _answer(draft, heard.channel, heard.over, accepted=refused is None)


def _late_arrival(draft: Draft, heard: KeyPattern, speaker: Speaker | None) -> None:
    person = speaker.believed if speaker else None
    action = ACTION_OF_PRESSES[heard.presses]
    if person is None or action is not Action.ARRIVED:
        return
    order = only_order_of(draft, person.id)
    if order is not None:
        part = draft.find(Assignment, f"{order.id}/{person.id}")
        if part is None or not part.said or has_declined(part):
            return
        apply_reply(
            draft, order, person.id, action, medium=Medium.RADIO, assurance=Assurance.R1
        )
    elif open_orders_of(draft, person.id) or not _said_before(
        draft, just_ended(draft, person.id, action), person, action
    ):
        return
    _answer(draft, heard.channel, heard.over, accepted=True)


def _said_before(draft: Draft, order: Order | None, person: Person, action: Action) -> bool:
    """Take what may still be said of an order that has ended; return whether it was that."""
    heard = said_of_ended(
        draft, order, person.id, action, medium=Medium.RADIO, assurance=Assurance.R1
    )
    return heard is not None


def _unidentified(order: Order | None, why: str | None) -> Refused:
    return Refused(why or "detail_stale", None, order)


def _apply_pattern(
    draft: Draft, heard: KeyPattern, order: Order, page: Page, speaker: Speaker | None
) -> Refused | None:
    person = speaker.believed if speaker else _presumed(draft, heard, order, page)
    action = ACTION_OF_PRESSES[heard.presses]
    if person is not None and _said_before(draft, order, person, action):
        return None
    if not order.open:
        return _unidentified(order, None)
    if person is None:
        return Refused("detail_answered_presses", None, order)
    applied = apply_reply(
        draft, order, person.id, action, medium=Medium.RADIO, assurance=Assurance.R1
    )
    return None if applied else Refused("detail_not_addressed", person.id, order)


def _presumed(draft: Draft, heard: KeyPattern, order: Order, page: Page) -> Person | None:
    """Return whose presses they must be when no radio says so: his turn, or he was alone.

    Never somebody who has said that he cannot come: then it was another.
    """
    if page.slots:
        person = draft.find(Person, turn_at(page, heard.at_us) or "")
    else:
        person = _only_listener(draft, order, page.channel)
    part = draft.find(Assignment, f"{order.id}/{person.id}") if person else None
    if person is None or not person.active or part is None or has_declined(part):
        return None
    return person


def _only_listener(draft: Draft, order: Order, channel: str) -> Person | None:
    """Return the one person whom an order ever called on a channel, if he has radio alone."""
    pages = {p.id for p in draft.of_order(Page, order.id) if p.channel == channel}
    called = {d.person for d in draft.of_order(Delivery, order.id) if d.via in pages}
    if len(called) != 1 or draft.state.contacts_of(*called):
        return None
    return draft.find(Person, *called)


def _report_pattern(draft: Draft, refused: Refused, pages: list[Page]) -> None:
    """Tell that somebody pressed his key, on each order it may have been about."""
    detail = Wording(draft.site).text(refused.why)
    if refused.person is not None:
        draft.report(
            refused.order, "refused_reply", person=refused.person, medium="radio",
            assurance="R0", detail=detail,
        )  # fmt: skip
        return
    for order in _orders(draft, pages):
        if order.open:
            draft.report(
                order, "answered_unidentified", medium="radio", assurance="R0", detail=detail
            )


def _orders(draft: Draft, pages: list[Page]) -> list[Order]:
    """Return the orders that pages were about, by their first page."""
    found = (draft.find(Order, key) for key in dict.fromkeys(p.order for p in pages))
    return [order for order in found if order is not None]


def _only_order(draft: Draft, pages: list[Page]) -> Order | None:
    """Return the one order that pages were about; None when they were about several."""
    orders = {page.order for page in pages}
    return draft.find(Order, pages[-1].order) if len(orders) == 1 else None


# ---- voices ----


def over_heard(draft: Draft, heard: OverHeard) -> None:
    """Offer an over that came after a page, and said nothing by tone, to the dispatcher."""
    speaker = _speaker_of_over(draft, heard)
    if heard.keyed_ms < SHORTEST_ANSWER_MS or _only_presses(heard.presses_ms):
        return
    pages = pages_open(draft, heard.channel, heard.at_us)
    unasked = not pages and not _said_something(draft, heard.over)
    if unasked and voice_heard(draft, heard, speaker):
        ended_us = heard.at_us + heard.keyed_ms * 1000
        _answer(draft, heard.channel, heard.over, accepted=True, since_us=ended_us)
    for order in _orders(draft, pages):
        calling = order.status is OrderStatus.CALLING
        if calling and not _said_by_tone(draft, order, heard.at_us):
            about = pages if _only_order(draft, pages) else []
            _offer_voice(draft, order, heard, speaker, about)


def _speaker_of_over(draft: Draft, heard: OverHeard) -> Speaker | None:
    """Return who an over is from; where radios disagree in it, nobody in particular."""
    speakers = [
        heard_from(draft, heard.channel, heard.over, radio) for radio in heard.radios
    ]
    if speakers:
        return Speaker(heard.radios[0], None, "detail_ambiguous_radio")
    radio = heard.radio or (f"dtmf:{heard.ani}" if heard.ani else None)
    return heard_from(draft, heard.channel, heard.over, radio)


def _said_something(draft: Draft, over: str) -> bool:
    """Return whether a frame of tones, an emergency or a status came in an over."""
    recording = draft.find(Recording, over)
    reports = draft.state.each(GuardReport)
    return (recording is not None and recording.signalled) or any(
        over in report.overs for report in reports
    )


def _only_presses(presses_ms: tuple[int, ...]) -> bool:
    """Return whether an over was the last of several short presses, which are told apart."""
    presses = presses_ms[::2]
    return len(presses) > 1 and max(presses) <= LONGEST_PRESS_MS


def _said_by_tone(draft: Draft, order: Order, began_us: int) -> bool:
    """Return whether a reply to an order came by radio since an over began."""
    return any(
        stamp.medium is Medium.RADIO and stamp.node is not Node.TOLD and stamp.at_us >= began_us
        for part in draft.of_order(Assignment, order.id)
        for stamp in part.stamps
    )


def _offer_voice(
    draft: Draft,
    order: Order,
    heard: OverHeard,
    speaker: Speaker | None,
    pages: list[Page],
) -> None:
    if speaker is not None:
        person = speaker.believed.id if speaker.believed else None
        who = speaker.why or "detail_answered_radio"
    else:
        person = _likely(draft, order, heard.at_us, pages)
        who = "detail_answered_voice"
    wording = Wording(draft.site)
    detail = wording.text(
        "detail_spoken_answer", who=wording.text(who), over=heard.over,
        recording=heard.recording or wording.text("detail_no_recording"),
    )  # fmt: skip
    draft.report(
        order, "spoken_answer", person=person, medium="radio", assurance="R0", detail=detail
    )


def _likely(draft: Draft, order: Order, began_us: int, pages: list[Page]) -> str | None:
    """Return who it may have been: his turn, or the only guard called; None if in doubt."""
    if not pages:
        return None
    if pages[-1].slots:
        return turn_at(pages[-1], began_us)
    guards = [a for a in draft.of_order(Assignment, order.id) if a.role is Role.GUARD]
    return guards[0].person if len(guards) == 1 else None
