"""Talk between chats and channels: an over becomes a voice note, what is sent an over.

What is sent in one chat group of a talk group also stands in its others, with who sent it.

Rules for whoever edits this file:

1. Talk never gets in an order's way: its level is below all of theirs, what answers an order
   is not talk, and it expires in seconds.
2. Who talks from a chat is told what became of it, once, and the telling names the channel.
3. Only an enrolled, active person talks on the air, and only one thing of his at a time waits.
4. Nothing that we posted ourselves is ever carried on: only people talk, and a bot is none.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from gateway.core.answers.by_chat import order_of_card
from gateway.core.answers.events import DigitsHeard, MediaReceived, OverHeard, TextReceived
from gateway.core.answers.identity import speaker_of
from gateway.core.answers.replies import parse_text
from gateway.core.calls.calling import US
from gateway.core.calls.events import PageFailed, PageSpoken, PageStarted, PageWaited
from gateway.core.effects import (
    TALK_LEVEL,
    ReportStatus,
    SendText,
    SendVoice,
    TalkOnChannel,
)
from gateway.core.order import Page
from gateway.core.people import Person
from gateway.core.places import ChatGroup, TalkGroup
from gateway.core.state import Draft, name_of
from gateway.core.talk.events import RecordingKept
from gateway.core.talk.groups import (
    chats_of_channel,
    groups_of_channel,
    groups_of_chat,
    report_cut,
)
from gateway.core.talk.overs import Recording, Talk
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
# What cut talk from a chat short, by what its sender is told.
_CUT_WORDS = {"talk_cut": "cut_time_out", "talk_broken_off": "cut_order"}
# A recording that is not made smaller by then stays as it is.
FORGOTTEN_AFTER_US = 3600 * US


# ---- from a chat to channels and other chats ----


@dataclass(frozen=True, slots=True)
class _Said:
    """What somebody says from a chat.

    Attributes:
        source: The message it came as.
        person: Who talks.
        aloud: What is spoken of it on the air.
        written: What stands of it in other chats: all of a text, or what goes with his voice.
        media: Voice note below the media folder, or None.
    """

    source: TextReceived | MediaReceived
    person: Person
    aloud: str
    written: str
    media: str | None = None


def text_received(draft: Draft, text: TextReceived) -> None:
    """Have what is written in a patched chat group spoken, unless it answers an order."""
    said = _one_line(text.text)
    if text.group is None or not any(c.isalnum() for c in said):
        return
    if parse_text(text.text).action is not None:
        return
    person = _talker(draft, text)
    if person is None:
        return
    wording = Wording(draft.site)
    cut = said if len(said) <= LONGEST_TEXT else said[:LONGEST_TEXT]
    aloud = wording.text("talk_text", name=person.name, text=wording.on_open_radio(cut))
    written = wording.text("talk_text", name=person.name, text=said)
    _carry(draft, _Said(text, person, aloud, written))


def voice_received(draft: Draft, media: MediaReceived) -> None:
    """Have a voice note of a patched chat group played."""
    if media.group is None or media.kind != "voice" or media.path is None:
        return
    person = _talker(draft, media)
    if person is not None:
        words = Wording(draft.site).text("talk_voice", name=person.name)
        _carry(draft, _Said(media, person, words, words, media.path))


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _talker(draft: Draft, said: TextReceived | MediaReceived) -> Person | None:
    """Return who talks; None for strangers, who has left, and what answers a card."""
    person_id = draft.state.person_of_account(said.chat, said.address)
    person = draft.find(Person, person_id) if person_id else None
    if person is None or not person.active or said.group is None:
        return None
    card = order_of_card(draft, said.chat, said.group, said.reply_to)
    return None if card is not None else person


def _carry(draft: Draft, said: _Said) -> None:
    """Bring talk to every other member of the sender's open groups, or tell him why not."""
    source, person = said.source, said.person
    assert source.group is not None
    groups = list(groups_of_chat(draft, source.chat, source.group))
    mine = [group for group, member in groups if group.lets(member, person)]
    channels = _channels_of(draft, mine)
    chats = _other_chats(draft, mine, source)
    wording = Wording(draft.site, person.language)
    if not channels and not chats:
        if any(group.channels for group, _ in groups):
            _tell_sender(draft, source, wording.text("talk_not_allowed"))
        elif any(len(group.chats) > 1 for group, _ in groups):
            _tell_sender(draft, source, wording.text("talk_not_relayed"))
        return
    for chat in chats:
        _post_on(draft, said, chat)
    if channels and any(t.person == person.id for t in draft.state.each(Talk)):
        _tell_sender(draft, source, wording.text("talk_one_waits"))
        return
    for channel, group in channels.items():
        _ask(draft, said, channel, group)


def _channels_of(draft: Draft, groups: Iterable[TalkGroup]) -> dict[str, TalkGroup]:
    """Return the channels of groups that transmit, each with the first group it is in."""
    found: dict[str, TalkGroup] = {}
    for group in groups:
        for channel in group.channels:
            known = draft.site.channels.get(channel)
            if known is not None and known.transmits:
                found.setdefault(channel, group)
    return found


def _other_chats(
    draft: Draft, groups: Iterable[TalkGroup], source: TextReceived | MediaReceived
) -> list[ChatGroup]:
    """Return the chat groups that groups reach, each once, without the one it came from."""
    found: dict[tuple[str, str], ChatGroup] = {}
    for group in groups:
        for key in group.chats:
            known = draft.site.chat_groups.get(key)
            if known is not None and (known.chat, known.address) != (source.chat, source.group):
                found.setdefault((known.chat, known.address), known)
    return list(found.values())


def _post_on(draft: Draft, said: _Said, chat: ChatGroup) -> None:
    not_after_us = draft.taken_us + NOTE_LIFE_US
    if said.media is None:
        draft.ask(
            SendText(
                chat=chat.chat,
                address=chat.address,
                text=said.written,
                level=TALK_LEVEL,
                not_after_us=not_after_us,
            )
        )
        return
    draft.ask(
        SendVoice(
            chat=chat.chat,
            address=chat.address,
            path=said.media,
            folder="media",
            duration_s=0,
            caption=said.written,
            not_after_us=not_after_us,
        )
    )


def _ask(draft: Draft, said: _Said, channel: str, group: TalkGroup) -> None:
    source = said.source
    assert source.group is not None
    talk = Talk(
        id=f"t{draft.next_id('talk')}",
        group=group.id,
        channel=channel,
        chat=source.chat,
        address=source.group,
        message=source.message,
        person=said.person.id,
        at_us=draft.now_us,
    )
    draft.put(talk)
    draft.ask(
        TalkOnChannel(
            page=talk.id,
            channel=channel,
            speaker=said.person.id,
            text=(said.aloud,),
            media=said.media,
            language=draft.site.language,
            not_after_us=draft.now_us + TALK_WAITS_US,
        )
    )


def _tell_sender(draft: Draft, source: TextReceived | MediaReceived, words: str) -> None:
    assert source.group is not None
    _answer(draft, source.chat, source.group, source.message, words)


def _answer(draft: Draft, chat: str, address: str, message: str, words: str) -> None:
    draft.ask(
        SendText(
            chat=chat,
            address=address,
            text=words,
            level=TALK_LEVEL,
            not_after_us=draft.taken_us + NOTE_LIFE_US,
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
    if talk.left:
        if isinstance(end, PageFailed):
            _tell_left(draft, talk.group, talk.channel, talk.person)
        return
    person = draft.find(Person, talk.person)
    wording = Wording(draft.site, person.language if person else None)
    channel = draft.site.channels.get(talk.channel)
    name = channel.name if channel is not None else talk.channel
    reason = wording.fault(end.reason) if isinstance(end, PageFailed) else ""
    word = _end_word(talk, end)
    words = wording.text(word, channel=name, reason=reason)
    _answer(draft, talk.chat, talk.address, talk.message, words)
    if word in _CUT_WORDS:
        report_cut(
            draft, talk.group, name_of(draft, talk.person), name, _CUT_WORDS[word], talk.person
        )


def _tell_left(draft: Draft, group: str, channel: str, person: str) -> None:
    """Tell the centre that somebody's talk goes no further: he has left meanwhile."""
    known = draft.site.channels.get(channel)
    name = known.name if known is not None else channel
    report_cut(draft, group, name_of(draft, person), name, "cut_left", person)


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
    _forget_old(draft)
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
    chats = chats_of_channel(draft, over.channel)
    person = draft.find(Person, over.person) if over.person else None
    if chats and person is not None and not person.active:
        for group in groups_of_channel(draft, over.channel):
            _tell_left(draft, group.id, over.channel, person.id)
        return
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
    for chat in chats.values():
        draft.ask(
            SendVoice(
                chat=chat.chat,
                address=chat.address,
                path=kept.path,
                duration_s=seconds,
                caption=caption,
                not_after_us=draft.taken_us + NOTE_LIFE_US,
            )
        )
