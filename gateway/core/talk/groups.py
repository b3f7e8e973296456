"""Talk groups as they stand now: patched or not, whom they reach, whose talk was cut."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from gateway.core.answers.tries import note_try, paused
from gateway.core.calls.calling import US
from gateway.core.effects import AnswerOver, SetTalkGroup, WithdrawPage
from gateway.core.places import ChatGroup, TalkGroup
from gateway.core.state import Draft
from gateway.core.talk.events import TalkCut, TalkSwitched
from gateway.core.talk.overs import Talk, TalkSwitch
from gateway.core.wording import Wording

# A talker who is cut goes on until he lets go of his key: then he hears it, if that is soon.
CUT_TONE_LIFE_US = 60 * US
# One tone tells of all the channels on which he was cut.
CUT_TONE_EVERY_US = 10 * US


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


def groups_of_chat(
    draft: Draft, chat: str, address: str
) -> Iterator[tuple[TalkGroup, str]]:
    """Yield the open talk groups that a chat group is a member of, and its name as a member."""
    for group in draft.site.talk_groups.values():
        for key in group.chats:
            known = draft.site.chat_groups.get(key)
            member = known is not None and (known.chat, known.address) == (chat, address)
            if member and is_open(draft, group):
                yield group, f"chat:{key}"


def chats_of_channel(draft: Draft, channel: str) -> dict[str, ChatGroup]:
    """Return the chat groups that an open talk group patches a channel to."""
    return {
        key: draft.site.chat_groups[key]
        for group in groups_of_channel(draft, channel)
        for key in group.chats
        if key in draft.site.chat_groups
    }


def groups_of_channel(draft: Draft, channel: str) -> Iterator[TalkGroup]:
    """Yield the open talk groups to which a channel talks."""
    for group in draft.site.talk_groups.values():
        here = channel in group.channels and group.lets(f"channel:{channel}", None)
        if here and is_open(draft, group):
            yield group


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


def cut(draft: Draft, event: TalkCut) -> None:
    """Tell the centre that patched talk ended on a channel before its talker did; and him."""
    wording = Wording(draft.site)

    def named(member: str) -> str:
        if member == "dispatcher":
            return wording.text("talk_dispatcher")
        key = member.removeprefix("channel:")
        channel = draft.site.channels.get(key)
        return channel.name if channel is not None else key

    report_cut(
        draft, event.group, named(event.member), named(event.channel), f"cut_{event.reason}"
    )
    _tell_talker(draft, event)


def _tell_talker(draft: Draft, event: TalkCut) -> None:
    """Have a talker on the air hear the low tone once: what he said did not arrive everywhere.

    Not of the dispatcher's speaking, whom he hears instead.
    """
    kind, _, channel = event.member.partition(":")
    source = f"cut/{channel}"
    if kind != "channel" or channel not in draft.site.channels or event.reason == "taken":
        return
    if paused(draft, source, 1, CUT_TONE_EVERY_US):
        return
    note_try(draft, source, 1, CUT_TONE_EVERY_US)
    draft.ask(
        AnswerOver(
            channel=channel,
            over=source,
            accepted=False,
            not_after_us=draft.taken_us + CUT_TONE_LIFE_US,
        )
    )


def take_back_talk(draft: Draft, person: str) -> None:
    """Take back what somebody who leaves still has waiting to be spoken on a channel.

    Nothing of him counts on any medium from then on; a sentence under way is finished. The
    centre is told once the channel has said what became of it.
    """
    for talk in list(draft.state.each(Talk)):
        if talk.person == person and not talk.left:
            draft.put(replace(talk, left=True))
            draft.ask(WithdrawPage(page=talk.id, channel=talk.channel, reason="left"))


def report_cut(
    draft: Draft, group: str, talker: str, place: str, why: str, person: str | None = None
) -> None:
    """Report that somebody's talk was cut: ``why`` is the catalogue's word for it."""
    wording = Wording(draft.site)
    detail = wording.text(
        "detail_talk_cut", group=group, talker=talker, place=place, reason=wording.text(why)
    )
    draft.report(None, "talk_cut", person=person, medium="radio", detail=detail)
