"""Who spoke, as far as a radio tells: a person, the one on duty at a post, or nobody.

A radio says what was programmed into it, and anybody can programme any radio to say the same;
so an identity is a hint (assurance R1 at most), and one that could mean two people means
nobody. Written ``kind:value``: ``dtmf:10031``, ``zvei1:12345``, ``mdc1200:1234``,
``ctcss:88.5``, ``dcs:023N``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from gateway.core.answers.tries import HOUR_US, note_try, paused
from gateway.core.effects import Receipt
from gateway.core.people import LostRadio, Person
from gateway.core.reasons import Why
from gateway.core.register.duty import stands
from gateway.core.register.events import RadioBlocked
from gateway.core.roster import duty_at
from gateway.core.state import Draft
from gateway.core.wording import Wording, because

# What opens a whole channel's squelch: one that is nobody's own is no stranger.
_SHARED_KINDS: Final = frozenset({"ctcss", "dcs"})
_NOT_FIVE_TONE: Final = _SHARED_KINDS | {"dtmf", "mdc1200"}
# Strangers reported in an hour on one channel; beyond that the journal alone keeps their overs.
STRANGERS_AN_HOUR: Final = 20


@dataclass(frozen=True, slots=True)
class Speaker:
    """Whom a radio means.

    Attributes:
        radio: The address by which he is known, or what was heard.
        person: Who it is, active or not; None when nobody can be named.
        why: Why he is not to be believed, a word of the catalogue; None when he is.
    """

    radio: str
    person: Person | None = None
    why: str | None = None

    @property
    def believed(self) -> Person | None:
        """Return who it is if he is to be believed, as far as a radio is."""
        return self.person if self.why is None else None


def speaker_of(draft: Draft, radio: str) -> Speaker:
    """Return whom a radio means at this moment.

    A lost radio means nobody, nor does one that two active people have, nor a post's radio
    unless exactly one person is on duty there.
    """
    addresses = list(_addresses(draft, radio))
    for address in addresses:
        if draft.find(LostRadio, address) is not None:
            return Speaker(address, None, "detail_lost_radio")
    found = (_owner(draft, address) for address in addresses)
    stranger = Speaker(radio, None, "detail_unknown_radio")
    return next((speaker for speaker in found if speaker is not None), stranger)


def _addresses(draft: Draft, radio: str) -> Iterator[str]:
    """Yield what was heard, and the same without the status digit that may be its last."""
    yield radio
    kind, _, value = radio.partition(":")
    coded = draft.site.selcall_status or draft.site.reports.selcall_status
    if coded and kind not in _NOT_FIVE_TONE and len(value) > 3:
        yield f"{kind}:{value[:-1]}"


def _of_somebody(draft: Draft, radio: str) -> Iterator[object]:
    """Yield whoever has a radio, with its status digit or without: people, then posts."""
    for address in _addresses(draft, radio):
        yield from (p for p in draft.state.holders_of_radio(address) if p.active)
        yield from draft.site.posts_of_radio.get(address, ())


def _owner(draft: Draft, radio: str) -> Speaker | None:
    own = draft.state.holders_of_radio(radio)
    posts = draft.site.posts_of_radio.get(radio, ())
    if not own and not posts:
        return None
    meant = {p.id: p for p in (*own, *(p for post in posts for p in _on_duty_at(draft, post)))}
    active = [person for person in meant.values() if person.active]
    if len(active) == 1:
        return Speaker(radio, active[0])
    if active:
        return Speaker(radio, None, "detail_ambiguous_radio")
    if posts:
        return Speaker(radio, None, "detail_nobody_at_post")
    return Speaker(radio, own[0] if len(own) == 1 else None, "detail_left")


def _on_duty_at(draft: Draft, post: str) -> list[Person]:
    duty = duty_at(draft.site.roster, draft.now_us, draft.site.timezone)
    return [
        person
        for person in draft.state.people_of_post(post)
        if person.active and stands(draft, duty, person)
    ]


def heard_from(draft: Draft, channel: str, over: str, radio: str | None) -> Speaker | None:
    """Return who an over is from, and report a radio that should not be there.

    Returns:
        None when nothing said who: no identity, or a tone that is the channel's own.
    """
    if radio is None:
        return None
    speaker = speaker_of(draft, radio)
    stranger = speaker.why == "detail_unknown_radio"
    if stranger and radio.partition(":")[0] in _SHARED_KINDS:
        return None
    if speaker.why == "detail_lost_radio":
        _tell_lost(draft, channel, over, speaker)
    elif stranger:
        _tell_hourly(draft, channel, speaker, "detail_unknown_heard")
    elif speaker.why == "detail_left":
        _tell_hourly(draft, channel, speaker, "detail_left_heard")
    return speaker


def channel_name(draft: Draft, channel: str) -> str:
    """Return a channel's name, or its id when the settings do not know it any more."""
    known = draft.site.channels.get(channel)
    return known.name if known else channel


def _words(draft: Draft, key: str, channel: str, radio: str) -> str:
    name = channel_name(draft, channel)
    return Wording(draft.site).text(key, radio=radio, channel=name)


def _tell_lost(draft: Draft, channel: str, over: str, speaker: Speaker) -> None:
    """Report that a lost radio is in use, once an over."""
    entry = draft.find(LostRadio, speaker.radio)
    if entry is None or (over and entry.last_over == over):
        return
    draft.put(replace(entry, last_over=over))
    owners = draft.state.holders_of_radio(speaker.radio)
    draft.report(
        None, "lost_radio", person=owners[0].id if len(owners) == 1 else None, medium="radio",
        assurance="R0", detail=_words(draft, "detail_lost_heard", channel, speaker.radio),
    )  # fmt: skip


def _tell_hourly(draft: Draft, channel: str, speaker: Speaker, key: str) -> None:
    """Report a radio that is nobody's now: once an hour, and not more than some a channel."""
    this, all_of_them = f"radio/{speaker.radio}", f"strangers/{channel}"
    if paused(draft, this, 1, HOUR_US) or paused(
        draft, all_of_them, STRANGERS_AN_HOUR, HOUR_US
    ):
        return
    note_try(draft, this, 1, HOUR_US)
    note_try(draft, all_of_them, STRANGERS_AN_HOUR, HOUR_US)
    detail = _words(draft, key, channel, speaker.radio)
    person = speaker.person.id if speaker.person else None
    node = "unknown_radio" if person is None else "lost_radio"
    draft.report(None, node, person=person, medium="radio", assurance="R0", detail=detail)


def radio_blocked(draft: Draft, blocked: RadioBlocked) -> None:
    """Note that a radio was lost or stolen, or has been found again; answered by a receipt.

    One that is nobody's is noted all the same, as it may be heard, but whoever named it is
    told: a digit may be wrong.
    """
    known = draft.find(LostRadio, blocked.radio) is not None
    nobodys = next(_of_somebody(draft, blocked.radio), None) is None
    why = Why.RADIO_OF_NOBODY if blocked.lost else Why.RADIO_NOT_LOST
    hint = nobodys if blocked.lost else not known
    draft.ask(
        Receipt(
            status="duplicate" if known == blocked.lost else "accepted", sender=blocked.by,
            id=blocked.radio,
            reason=because(draft.site, why, radio=blocked.radio) if hint else None,
        )
    )  # fmt: skip
    if known == blocked.lost:
        return
    if blocked.lost:
        draft.put(LostRadio(radio=blocked.radio, since_us=draft.now_us))
    else:
        draft.drop(LostRadio, blocked.radio)
    key = "detail_radio_lost" if blocked.lost else "detail_radio_found"
    owners = draft.state.holders_of_radio(blocked.radio)
    draft.report(
        None, "radio_lost" if blocked.lost else "radio_found",
        person=owners[0].id if len(owners) == 1 else None, medium="centre", assurance="H",
        detail=Wording(draft.site).text(key, radio=blocked.radio, by=blocked.by),
    )  # fmt: skip
