"""Guards' reports by radio: emergency keys, codes, statuses, and voices that nobody asked for.

Rules for whoever edits this file:

1. An emergency is always taken, from whomever, however often he has mistaken himself: it is
   only told once in half a minute.
2. A code counts in a whole frame only, ``*9#`` or ``*guard 9#``; lone digits are nothing.
3. Whose radio nobody knows, or which was lost, is told as such, and sends nobody out unless
   the settings say so. Anybody can send any number of numbers: beyond a few, a channel's
   strangers are one report, so that they drown neither the managers' cards nor the channel.
"""

from typing import Final

from gateway.core.alert import Assurance, Medium
from gateway.core.answers.events import OverHeard
from gateway.core.answers.identity import Speaker, channel_name
from gateway.core.answers.tries import note_try, paused
from gateway.core.calls.calling import NOTE_LIFE_US, US
from gateway.core.effects import ReportStatus, SendText, TalkOnChannel
from gateway.core.guard_reports.danger import in_danger
from gateway.core.guard_reports.report import ReportKind, Telling
from gateway.core.guard_reports.steps import anothers_call, report_of, tell
from gateway.core.guard_reports.words import details
from gateway.core.order import Assignment, Node, Order
from gateway.core.people import Person
from gateway.core.places import Site
from gateway.core.state import Draft, by_age
from gateway.core.wording import Wording

# A radio repeats its emergency until it is acknowledged: that is one call.
ONCE_US: Final = 30 * US
# So many strangers of a channel have reports of their own; those who follow share one so long.
MOST_STRANGERS: Final = 5
STRANGERS_US: Final = 600 * US
# A spoken answer that comes later than this is no answer.
SPOKEN_LIFE_US: Final = 30 * US
# An over shorter than this says nothing.
SHORTEST_VOICE_MS: Final = 1500


def code_of(site: Site, digits: str) -> tuple[ReportKind, str | None] | None:
    """Return what a frame's body reports, and the guard code in it; None for other frames.

    ``9``, ``guard 9``, and with the number of an order before them, as a guard is used to key.
    """
    kind = site.reports.codes.get(digits[-1:])
    rest = digits[:-1]
    if kind is None or not (digits.isascii() and digits.isdigit()):
        return None
    if len(rest) in (0, 2):
        return kind, None
    return (kind, rest[-3:]) if len(rest) in (3, 5, 6, 7) else None


def keyed(draft: Draft, speaker: Speaker | None, code: str | None) -> Speaker:
    """Return who keyed a code: by the guard number in it, else by his radio."""
    radio = speaker or Speaker("", None, "detail_unknown_sender")
    if code is None or radio.why == "detail_lost_radio":
        return radio
    holders = draft.state.holders_of_code(code)
    if len(holders) == 1 and holders[0].active:
        return Speaker(radio.radio, holders[0])
    why = "detail_ambiguous_code" if len(holders) > 1 else "detail_unknown_sender"
    return Speaker(radio.radio, None, why)


def reported(
    draft: Draft, kind: ReportKind, speaker: Speaker, channel: str, over: str
) -> None:
    """Take an emergency or a report that a radio has sent by a key or a code."""
    person = speaker.believed
    telling = Telling(
        source=_source(draft, person, speaker, channel),
        kind=kind,
        medium=Medium.RADIO,
        assurance=Assurance.R1 if person else Assurance.R0,
        person=person,
        over=over or None,
        channel=channel,
        radio=speaker.radio or None,
        why=speaker.why,
        coded=True,
    )
    # What is named by its channel alone may be two people: neither is kept from being heard.
    once = f"emergency/{kind}/{telling.source}"
    if paused(draft, once, 1, ONCE_US):
        return
    note_try(draft, once, 1, ONCE_US)
    if kind == "emergency" and person is not None:
        _tell_supposed_caller(draft, person, channel)
    _take(draft, telling)
    _say_received(draft, telling)


def _source(draft: Draft, person: Person | None, speaker: Speaker, channel: str) -> str:
    if person is not None:
        return f"person/{person.id}"
    if not speaker.radio:
        return f"channel/{channel}"
    own = f"radio/{speaker.radio}"
    if report_of(draft, own) is not None:
        return own
    strangers = f"strangers/{channel}"
    if paused(draft, strangers, MOST_STRANGERS, STRANGERS_US):
        return f"channel/{channel}"
    note_try(draft, strangers, MOST_STRANGERS, STRANGERS_US)
    return own


def _take(draft: Draft, telling: Telling) -> None:
    """Call help on the order he is on; where he is on none it is a report, or more of his."""
    standing = report_of(draft, telling.source)
    order = _order_in_need(draft, telling.person.id) if telling.person else None
    if order is None or (standing is not None and standing.order == order.id):
        tell(draft, telling)
        return
    node = "emergency" if telling.kind == "emergency" else "report_added"
    draft.ask(
        ReportStatus(
            at_us=draft.now_us, order=order.id, number=order.number, node=node,
            person=telling.person.id if telling.person else None, medium="radio",
            assurance=telling.assurance.value, detail=details(draft, None, telling),
        )
    )  # fmt: skip
    if telling.kind == "emergency" and telling.person is not None:
        in_danger(
            draft, order, telling.person.id, medium=Medium.RADIO, assurance=Assurance.R1
        )


def _order_in_need(draft: Draft, person: str) -> Order | None:
    """Return the order a person is busy with: of his open ones the newest he has taken."""
    mine = [
        (order, draft.find(Assignment, f"{order.id}/{person}"))
        for key in sorted(draft.state.orders_of(person), key=by_age, reverse=True)
        if (order := draft.find(Order, key)) is not None
        and order.open
        and not anothers_call(draft, order, person)
    ]
    taken = [order for order, part in mine if part is not None and not has_declined(part)]
    said = [order for order, part in mine if order in taken and part is not None and part.said]
    return next(iter(said or taken), None)


_GONE = (Node.DECLINED, Node.RELEASED, Node.STOOD_DOWN)


def has_declined(part: Assignment) -> bool:
    """Return whether somebody's last word was that he cannot come, or he was released."""
    return bool(part.said) and part.said[-1].node in _GONE


def _tell_supposed_caller(draft: Draft, person: Person, channel: str) -> None:
    """Write to whom the radio belongs: if it was not he, he can say so."""
    name = channel_name(draft, channel)
    text = Wording(draft.site, person.language).text("note_emergency", channel=name)
    for contact in draft.state.contacts_of(person.id):
        draft.ask(
            SendText(
                chat=contact.chat, address=contact.address, text=text, level=1,
                not_after_us=draft.taken_us + NOTE_LIFE_US,
            )
        )  # fmt: skip


def _say_received(draft: Draft, telling: Telling) -> None:
    """Have the answer spoken too, where the settings want it and the channel transmits."""
    channel = draft.site.channels.get(telling.channel or "")
    if not draft.site.reports.spoken or channel is None or not channel.transmits:
        return
    wording = Wording(draft.site)
    words = wording.text("report_say_unknown")
    if telling.person is not None:
        words = wording.text("report_say", name=telling.person.name)
    draft.ask(
        TalkOnChannel(
            page=f"k{draft.next_id('report_answer')}",
            channel=channel.id,
            speaker=telling.person.id if telling.person else "",
            text=(words,),
            language=draft.site.language,
            not_after_us=draft.now_us + SPOKEN_LIFE_US,
        )
    )


def voice_heard(draft: Draft, heard: OverHeard, speaker: Speaker | None) -> bool:
    """Offer what a known radio said unasked to the dispatcher, or take it for a report.

    Returns whether it was taken for one: then he hears that it was received.
    """
    word = draft.site.reports.voice
    person = speaker.believed if speaker is not None else None
    if word == "keep" or person is None or heard.keyed_ms < SHORTEST_VOICE_MS:
        return False
    assert speaker is not None
    telling = Telling(
        source=f"person/{person.id}",
        kind="report",
        medium=Medium.RADIO,
        assurance=Assurance.R1,
        person=person,
        over=heard.over,
        recording=heard.recording,
        channel=heard.channel,
        radio=speaker.radio,
    )
    tell(draft, telling, "open" if word == "report" else "offered")
    if word == "report":
        _say_received(draft, telling)
    return word == "report"
