"""Talk between chats and channels: an over becomes a voice note, what is sent an over.

Rules for whoever edits this file:

1. Talk never gets in an order's way: its level is below all of theirs, what answers an order
   is not talk, and it expires in seconds.
2. Who talks from a chat is told what became of it, once, and the telling names the channel.
3. Only an enrolled, active person talks on the air, and only one thing of his at a time waits.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from gateway.core.answering import order_of_card
from gateway.core.calling import US, name_of
from gateway.core.effects import (
    TALK_LEVEL,
    ReportStatus,
    SendText,
    SendVoice,
    SetTalkGroup,
    TalkOnChannel,
)
from gateway.core.events import (
    DigitsHeard,
    MediaReceived,
    OverHeard,
    PageFailed,
    PageSpoken,
    PageStarted,
    PageWaited,
    RecordingKept,
    TalkSwitched,
    TextReceived,
)
from gateway.core.identity import speaker_of
from gateway.core.order import Page
from gateway.core.overs import Recording, Talk, TalkSwitch
from gateway.core.people import Person
from gateway.core.places import ChatGroup, TalkGroup
from gateway.core.replies import parse_text
from gateway.core.state import Draft
from gateway.core.wording import Wording

# Talk waits so long for a clear channel: later it would answer what nobody remembers.
TALK_WAITS_US = 30 * US
# A voice note in a chat, or the word on what became of talk, is news for so long.
NOTE_LIFE_US = 120 * US
# Shorter than this nobody has said anything: a kerchunk.
SHORTEST_TALK_MS = 1000
# What a radio's own id takes of an over, by its kind, in which nothing is said either.
_ID_MS = {"dtmf": 1000, "ctcss": 0, "dcs": 0}
_OTHER_ID_MS = 500
# Some twenty seconds of speech; what is longer is for reading.
LONGEST_TEXT = 100
# A recording that is not made smaller by then stays as it is.
FORGOTTEN_AFTER_US = 3600 * US


# ---- which groups ----


def is_open(draft: Draft, group: TalkGroup) -> bool:
    """Return whether a talk group is patched now: as switched, else as its settings say."""
    switch = draft.find(TalkSwitch, group.id)
    if switch is not None and (switch.until_us is None or draft.now_us < switch.until_us):
        return switch.on
    return group.relay and _within(group.hours, _minute_of_day(draft))


def _minute_of_day(draft: Draft) -> int:
    local = datetime.fromtimestamp(draft.now_us / US, UTC).astimezone(draft.site.timezone)
    return local.hour * 60 + local.minute


def _within(hours: tuple[int, int] | None, minute: int) -> bool:
    if hours is None:
        return True
    begin, end = hours
    return begin <= minute < end if begin < end else minute >= begin or minute < end


def _groups_of_chat(
    draft: Draft, chat: str, address: str
) -> Iterator[tuple[TalkGroup, str]]:
    """Yield the open talk groups that a chat group is a member of, and its name as a member."""
    for group in draft.site.talk_groups.values():
        for key in group.chats:
            known = draft.site.chat_groups.get(key)
            member = known is not None and (known.chat, known.address) == (chat, address)
            if member and is_open(draft, group):
                yield group, f"chat:{key}"


def _chats_of_channel(draft: Draft, channel: str) -> dict[str, ChatGroup]:
    """Return the chat groups that an open talk group patches a channel to."""
    found = {}
    for group in draft.site.talk_groups.values():
        if channel in group.channels and group.lets(f"channel:{channel}", None):
            if not is_open(draft, group):
                continue
            for key in group.chats:
                if key in draft.site.chat_groups:
                    found[key] = draft.site.chat_groups[key]
    return found


def switched(draft: Draft, event: TalkSwitched) -> None:
    """Hold a talk group on or off from now on; the radio process and the centre are told."""
    if event.group not in draft.site.talk_groups:
        return
    draft.put(TalkSwitch(group=event.group, on=event.on, until_us=event.until_us))
    draft.ask(SetTalkGroup(group=event.group, on=event.on, until_us=event.until_us))
    wording = Wording(draft.site)
    key = "detail_talk_on" if event.on else "detail_talk_off"
    detail = wording.text(key, group=event.group, by=event.by)
    draft.report(None, "health", medium="centre", detail=detail)


def restate(draft: Draft) -> None:
    """Tell the radio process what was switched: it, or the settings, may be new."""
    for switch in list(draft.state.each(TalkSwitch)):
        gone = switch.group not in draft.site.talk_groups
        if gone or (switch.until_us is not None and switch.until_us <= draft.now_us):
            draft.drop(TalkSwitch, switch.key)
        else:
            draft.ask(
                SetTalkGroup(group=switch.group, on=switch.on, until_us=switch.until_us)
            )


def clock_moved(draft: Draft, by_us: int) -> None:
    """Move the ends of switches along with the wall clock: two hours stay two hours."""
    for switch in list(draft.state.each(TalkSwitch)):
        if switch.until_us is not None:
            moved = replace(switch, until_us=switch.until_us + by_us)
            draft.put(moved)
            draft.ask(SetTalkGroup(group=moved.group, on=moved.on, until_us=moved.until_us))


# ---- from a chat to a channel ----


def text_received(draft: Draft, text: TextReceived) -> None:
    """Have what is written in a patched chat group spoken, unless it answers an order."""
    said = "".join(c if c.isprintable() else " " for c in text.text)
    said = " ".join(said.split())
    if text.group is None or not any(c.isalnum() for c in said):
        return
    if parse_text(text.text).action is not None:
        return
    person = _talker(draft, text)
    if person is not None:
        cut = said if len(said) <= LONGEST_TEXT else said[:LONGEST_TEXT]
        words = Wording(draft.site).text("talk_text", name=person.name, text=cut)
        _put_on_air(draft, text, person, words, None)


def voice_received(draft: Draft, media: MediaReceived) -> None:
    """Have a voice note of a patched chat group played."""
    if media.group is None or media.kind != "voice" or media.path is None:
        return
    person = _talker(draft, media)
    if person is not None:
        words = Wording(draft.site).text("talk_voice", name=person.name)
        _put_on_air(draft, media, person, words, media.path)


def _talker(draft: Draft, said: TextReceived | MediaReceived) -> Person | None:
    """Return who talks; None for strangers, who has left, and what answers a card."""
    person_id = draft.state.person_of_account(said.chat, said.address)
    person = draft.find(Person, person_id) if person_id else None
    if person is None or not person.active or said.group is None:
        return None
    card = order_of_card(draft, said.chat, said.group, said.reply_to)
    return None if card is not None else person


def _put_on_air(
    draft: Draft,
    said: TextReceived | MediaReceived,
    person: Person,
    words: str,
    media: str | None,
) -> None:
    """Ask for talk on every channel of the sender's open groups, or tell him why not."""
    assert said.group is not None
    open_groups = list(_groups_of_chat(draft, said.chat, said.group))
    if not any(group.channels for group, _ in open_groups):
        return
    allowed: dict[str, TalkGroup] = {}
    for group, member in open_groups:
        for channel in group.channels:
            known = draft.site.channels.get(channel)
            if known is not None and known.transmits and group.lets(member, person):
                allowed.setdefault(channel, group)
    wording = Wording(draft.site, person.language)
    if not allowed:
        _answer(draft, said.chat, said.group, said.message, wording.text("talk_not_allowed"))
    elif any(t.person == person.id for t in draft.state.each(Talk)):
        _answer(draft, said.chat, said.group, said.message, wording.text("talk_one_waits"))
    else:
        for channel, group in allowed.items():
            _ask(draft, said, person, channel, group, words, media)


def _ask(
    draft: Draft,
    said: TextReceived | MediaReceived,
    person: Person,
    channel: str,
    group: TalkGroup,
    words: str,
    media: str | None,
) -> None:
    assert said.group is not None
    talk = Talk(
        id=f"t{draft.next_id('talk')}",
        group=group.id,
        channel=channel,
        chat=said.chat,
        address=said.group,
        message=said.message,
        person=person.id,
        at_us=draft.now_us,
    )
    draft.put(talk)
    draft.ask(
        TalkOnChannel(
            page=talk.id,
            channel=channel,
            speaker=person.id,
            text=(words,),
            media=media,
            language=draft.site.language,
            not_after_us=draft.now_us + TALK_WAITS_US,
        )
    )


def _answer(draft: Draft, chat: str, address: str, message: str, words: str) -> None:
    draft.ask(
        SendText(
            chat=chat,
            address=address,
            text=words,
            level=TALK_LEVEL,
            not_after_us=draft.now_us + NOTE_LIFE_US,
            reply_to=message,
        )
    )


def page_event(draft: Draft, event: PageWaited | PageStarted | PageSpoken | PageFailed) -> bool:
    """Follow talk on its way; return False when the page is none of ours."""
    talk = draft.find(Talk, event.page)
    if talk is None:
        return False
    match event:
        case PageWaited():
            draft.put(replace(talk, waits=event.reason))
        case PageStarted():
            draft.put(
                Recording(
                    id=talk.id, channel=talk.channel, began_us=event.at_us, person=talk.person
                )
            )
        case PageSpoken() | PageFailed():
            _tell_end(draft, talk, event)
            draft.drop(Talk, talk.key)
    return True


def _tell_end(draft: Draft, talk: Talk, end: PageSpoken | PageFailed) -> None:
    person = draft.find(Person, talk.person)
    wording = Wording(draft.site, person.language if person else None)
    channel = draft.site.channels.get(talk.channel)
    name = channel.name if channel is not None else talk.channel
    reason = end.reason if isinstance(end, PageFailed) else ""
    words = wording.text(_end_word(talk, end), channel=name, reason=reason)
    _answer(draft, talk.chat, talk.address, talk.message, words)


def _end_word(talk: Talk, end: PageSpoken | PageFailed) -> str:
    if isinstance(end, PageSpoken):
        return "talk_cut" if end.speech == "cut" else "talk_done"
    if end.state == "withdrawn":
        return "talk_broken_off"
    if end.state == "expired":
        return f"talk_waited_{talk.waits or 'busy'}"
    return "talk_failed"


# ---- from a channel to chats, and into the records ----


def signalled(draft: Draft, heard: DigitsHeard) -> None:
    """Remember that an over said what it had to say by tones, and who and what it was about."""
    person, about = _told(draft)
    before = draft.find(Recording, heard.over) or Recording(
        id=heard.over, channel=heard.channel, began_us=heard.at_us
    )
    draft.put(
        replace(
            before,
            signalled=True,
            radio=_radio(heard) or before.radio,
            person=person or before.person,
            about=about or before.about,
        )
    )


def over_ended(draft: Draft, heard: OverHeard) -> None:
    """Remember who spoke, until the recording of it is on the disk."""
    if heard.recording is None:
        return
    person, about = _told(draft)
    before = draft.find(Recording, heard.over) or Recording(
        id=heard.over, channel=heard.channel, began_us=heard.at_us
    )
    radio = _radio(heard) or before.radio
    if person is None and radio is not None:
        found = speaker_of(draft, radio).person
        person = found.id if found is not None and found.active else None
    draft.put(
        replace(
            before,
            began_us=heard.at_us,
            keyed_ms=heard.keyed_ms,
            radio=radio,
            person=person or before.person,
            about=about or before.about,
        )
    )


def _radio(heard: DigitsHeard | OverHeard) -> str | None:
    """Return the identity heard in an over, as ``kind:value``."""
    return heard.radio or (f"dtmf:{heard.ani}" if heard.ani else None)


def _told(draft: Draft) -> tuple[str | None, str | None]:
    """Return person and order that this step has already found an over to be of."""
    reports = (e for e in draft.effects if isinstance(e, ReportStatus))
    for report in reports:
        said = report.medium == "radio" and report.node != "refused_reply"
        if said and (report.person or report.order):
            return report.person, report.order
    return None, None


def recording_kept(draft: Draft, kept: RecordingKept) -> None:
    """Write down what is known of a recording; talk of a patched channel goes to its chats."""
    known = draft.find(Recording, kept.what)
    page = draft.find(Page, kept.what)
    if known is None and page is not None:
        began_us = page.started_us or draft.now_us
        known = Recording(
            id=page.id, channel=page.channel, began_us=began_us, about=page.order
        )
    _forget_old(draft)
    if known is None:
        return
    # Dropped first: put again it stands in this row, whatever stood before.
    draft.drop(Recording, known.key)
    draft.put(known)
    if kept.path.endswith(".ogg"):
        draft.drop(Recording, known.key)
        if _says_something(known):
            _post_note(draft, known, kept)


def _says_something(over: Recording) -> bool:
    """Return whether there is more in an over than a kerchunk, an id, or tones."""
    kind = over.radio.partition(":")[0] if over.radio else "ctcss"
    id_ms = _ID_MS.get(kind, _OTHER_ID_MS)
    return not over.signalled and over.keyed_ms >= SHORTEST_TALK_MS + id_ms


def _forget_old(draft: Draft) -> None:
    for recording in list(draft.state.each(Recording)):
        if recording.began_us < draft.now_us - FORGOTTEN_AFTER_US:
            draft.drop(Recording, recording.key)


def _post_note(draft: Draft, over: Recording, kept: RecordingKept) -> None:
    seconds = max(1, round(kept.duration_ms / 1000))
    wording = Wording(draft.site)
    channel = draft.site.channels.get(over.channel)
    if over.person is not None:
        name = name_of(draft, over.person)
    elif over.radio is not None:
        name = wording.text("note_radio", radio=over.radio.partition(":")[2])
    else:
        name = wording.text("note_unknown")
    caption = wording.text(
        "note_caption",
        name=name,
        channel=channel.name if channel is not None else over.channel,
        seconds=seconds,
    )
    for chat in _chats_of_channel(draft, over.channel).values():
        draft.ask(
            SendVoice(
                chat=chat.chat,
                address=chat.address,
                path=kept.path,
                duration_s=seconds,
                caption=caption,
                not_after_us=draft.now_us + NOTE_LIFE_US,
            )
        )
