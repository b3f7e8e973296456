"""The patch bay: what is said on one channel of a talk group goes out on its others.

First come, first served: a group has one talker, and an over that begins while somebody else
talks is never bridged, to its end. That also stops loops: what comes back of our own
transmissions begins while we send them. Orders go before the dispatcher, who goes before
everybody else. Nothing here needs the engine; a group goes on when it is dead.
"""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from drivers.radio.activity import VoiceActivity
from drivers.radio.audio import AudioLink, open_audio
from drivers.radio.dispatcher_overs import DispatcherOvers
from drivers.radio.patched_over import SILENCE, Cut, PatchedOver, SignalMute
from drivers.radio.receiving import Moment
from drivers.radio.refused import Refused
from drivers.radio.samples import FRAME_MS, Int16Array
from gateway.interfaces import LinkError, SetupError
from gateway.settings import TalkGroup

_LOG: Final = logging.getLogger("gridcall.radio")

DISPATCHER: Final = "dispatcher"
# What the dispatcher said before he was recognised as a voice: a breath and a first syllable.
_PRE_ROLL_FRAMES: Final = 200 // FRAME_MS
_EARLIER_FRAMES: Final = 60 // FRAME_MS
_MINUTE_US: Final = 60_000_000
_OPENING_FRAMES: Final = 600 // FRAME_MS
_DISPATCHER_DBFS: Final = -45
_REOPEN_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """One talk group, as the radio process needs it.

    Attributes:
        channels: Ids of its channels.
        sources: Who may talk, ``channel:gate``; empty for all.
        minutes: Minutes of the local day from and to which it is patched, None for always;
            over midnight when the second is the smaller.
        relay: Whether it is patched unless it was switched on.
        dispatcher: RTP URL of the dispatcher's own voice, or None.
    """

    channels: tuple[str, ...]
    sources: tuple[str, ...] = ()
    minutes: tuple[int, int] | None = None
    relay: bool = True
    dispatcher: str | None = None

    def patched(self, minute: int) -> bool:
        """Return whether it is patched in this minute of the local day."""
        if not self.relay or self.minutes is None:
            return self.relay
        begin, end = self.minutes
        return begin <= minute < end if begin < end else minute >= begin or minute < end

    def lets(self, source: str) -> bool:
        """Return whether this member may talk."""
        return not self.sources or source == DISPATCHER or source in self.sources


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """One channel in one tick, as a source.

    Attributes:
        frame: What was received, None where nothing was.
        carrier: Somebody is on the air now, not debounced.
        speaks: Somebody is on the air, debounced, and it is neither fault nor tail.
        barred: It is no talk: the channel is kept for answers.
        late_frames: By how much the frame is later than the carrier's word, for it has waited
            in the jitter buffer.
        tail_frames: How much before the carrier's word the talker had ended already.
    """

    frame: Int16Array | None
    carrier: bool
    speaks: bool
    barred: bool = False
    late_frames: int = 0
    tail_frames: int = 0


def load_rules(path: Path) -> tuple[dict[str, Rules], tzinfo]:
    """Return the talk groups of resolved settings, and the zone in which their hours are.

    Raises:
        SetupError: the file cannot be read, or holds no resolved settings.
    """
    try:
        tree: Mapping[str, Any] = json.loads(path.read_bytes())
        groups = {
            name: _rules(TalkGroup.model_validate_json(json.dumps(group)))
            for name, group in tree.get("talk_groups", {}).items()
        }
        zone = ZoneInfo(tree["site"].get("timezone", "UTC"))
    except (OSError, ValueError, KeyError, AttributeError) as error:
        msg = f"{path} holds no resolved settings: {error}"
        raise SetupError(msg) from error
    return groups, zone


def _rules(group: TalkGroup) -> Rules:
    channels = (m.partition(":")[2] for m in group.members if m.startswith("channel:"))
    return Rules(
        channels=tuple(channels),
        sources=group.from_,
        minutes=group.minutes,
        relay=group.relay,
        dispatcher=group.dispatcher,
    )


_GONE: Final = Voice(frame=None, carrier=False, speaks=False)


class Target(Protocol):
    """A channel that can take talk."""

    def take_over(self, talk: PatchedOver) -> None:
        """Transmit this once the channel is clear, or break it off."""
        ...


@dataclass(slots=True)
class Counts:
    """What became of talk in one group.

    Attributes:
        talks: Overs that were bridged.
        refused: Overs that began while somebody else talked.
        barred: Overs that were no talk, or of somebody who may not.
        cut: Transmissions that ended before their talker.
        dropped: Frames that waited in vain for a busy channel.
        muted: Frames of signalling made silent.
    """

    talks: int = 0
    refused: int = 0
    barred: int = 0
    cut: int = 0
    dropped: int = 0
    muted: int = 0


class Talker:
    """Follows one source and takes out of it what is to be bridged."""

    def __init__(self) -> None:
        self.mute = SignalMute()
        self.talks = False
        # Until the squelch counts as open; one that never does must not fill the memory.
        self._before: deque[Int16Array] = deque(maxlen=_OPENING_FRAMES)
        self._earlier: deque[Int16Array] = deque(maxlen=_EARLIER_FRAMES)
        # Frames that are still to come after the carrier fell; -1 while it is there.
        self._after = -1

    def follow(self, voice: Voice) -> tuple[list[Int16Array], int]:
        """Return this tick's frames of the over, and how many of the last are its tail.

        When the carrier falls, what waits in the jitter buffer was said before; what is tail
        of it is left out, be it still in there or on its way already.
        """
        if not voice.speaks and (self.talks or not voice.carrier):
            self.talks = False
            self._before.clear()
            last = self.mute.flush()
            if voice.frame is not None:
                # The word that the carrier has come may itself be late.
                self._earlier.append(voice.frame)
            return last, 0
        if self._earlier:
            self._before.extend(self._earlier)
            self._earlier.clear()
        tail = self._follow_carrier(voice)
        if voice.frame is not None and self._after != 0:
            self._after = max(-1, self._after - 1)
            muted = self.mute.step(voice.frame)
            if muted is not None:
                self._before.append(muted)
        if not voice.speaks:
            return [], 0
        self.talks = True
        frames = list(self._before)
        self._before.clear()
        return frames, tail

    def _follow_carrier(self, voice: Voice) -> int:
        """Return how many frames on their way were tail, and note how many come still."""
        if voice.carrier:
            self._after = -1
        elif self._after < 0:
            # The frame in which he ended was not whole when his carrier fell: one more.
            late_frames = voice.late_frames + 1
            self._after = max(0, late_frames - voice.tail_frames)
            return self.mute.drop_last(max(0, voice.tail_frames - late_frames))
        return 0


class Floor:
    """One talk group at work.

    Args:
        name: Group id.
        rules: Its rules.
        tell_cut: Is told of each transmission that ended before its talker: group, talker,
            channel, why.

    Attributes:
        counts: What became of talk so far.
        talker: Who has the floor, or None.
    """

    def __init__(
        self, name: str, rules: Rules, tell_cut: Callable[[str, str, str, Cut], None]
    ) -> None:
        self.name = name
        self.rules = rules
        self.counts = Counts()
        self.talker: str | None = None
        self.switch: tuple[bool, int | None] | None = None
        self._tell_cut = tell_cut
        self._talks: dict[str, PatchedOver] = {}
        self._closing: list[tuple[str, PatchedOver]] = []
        self._ignored: set[str] = set()

    def patched(self, now: Moment, minute: int) -> bool:
        """Return whether it is on: as it was switched, else as its rules say."""
        if self.switch is not None:
            on, until_us = self.switch
            if until_us is None or now.us < until_us:
                return on
            self.switch = None
        return self.rules.patched(minute)

    def hear(
        self, source: str, frames: list[Int16Array], *, may: bool, targets: Mapping[str, Target]
    ) -> None:
        """Take a tick of a member who talks; his first decides whether he has the floor."""
        if source in self._ignored:
            return
        if self.talker != source and not self._give_floor(source, may=may, targets=targets):
            self._ignored.add(source)
            return
        for talk in self._talks.values():
            for frame in frames:
                talk.feed(frame)

    def drop_last(self, source: str, frames: int) -> None:
        """Leave out the tail of the talker's over."""
        if source == self.talker:
            for talk in self._talks.values():
                talk.drop_last(frames)

    def end(self, source: str, frames: list[Int16Array]) -> None:
        """Note that a member has let go of his key; ``frames`` are his last."""
        self._ignored.discard(source)
        if self.talker != source:
            return
        self.talker = None
        for channel, talk in self._talks.items():
            for frame in frames:
                talk.feed(frame)
            talk.close()
            self._closing.append((channel, talk))
        self._talks = {}

    def stop(self) -> None:
        """Take the floor away: the group was switched off, or its hours are over."""
        if self.talker is None:
            return
        self._ignored.add(self.talker)
        self.talker = None
        for channel, talk in self._talks.items():
            talk.break_off("off")
            self._closing.append((channel, talk))
        self._talks = {}

    def settle(self) -> None:
        """Count and tell what was cut since the last time."""
        both = [*self._closing, *self._talks.items()]
        for channel, talk in both:
            if talk.cut is not None and not talk.told:
                talk.told = True
                self.counts.cut += 1
                self._tell_cut(self.name, talk.source, channel, talk.cut)
        self.counts.dropped += sum(t.dropped for _, t in self._closing if t.done)
        self._closing = [(c, t) for c, t in self._closing if not t.done]

    @property
    def heard_by_dispatcher(self) -> PatchedOver | None:
        """What goes to the dispatcher."""
        talk = self._talks.get(DISPATCHER)
        if talk is not None:
            return talk
        return next((t for c, t in self._closing if c == DISPATCHER), None)

    def _give_floor(self, source: str, *, may: bool, targets: Mapping[str, Target]) -> bool:
        if not may or not self.rules.lets(source):
            self.counts.barred += 1
            return False
        if self.talker is not None:
            if source != DISPATCHER:
                self.counts.refused += 1
                return False
            self._take_over(targets)
            return True
        self.counts.talks += 1
        self.talker = source
        for channel in self.rules.channels:
            self._open(channel, targets)
        if self.rules.dispatcher and source != DISPATCHER:
            self._talks[DISPATCHER] = talk = PatchedOver(source)
            talk.begin(0.0)
        return True

    def _open(self, channel: str, targets: Mapping[str, Target]) -> None:
        if f"channel:{channel}" == self.talker or channel not in targets:
            return
        self._talks[channel] = talk = PatchedOver(self.talker or "")
        targets[channel].take_over(talk)

    def _take_over(self, targets: Mapping[str, Target]) -> None:
        """Let the dispatcher go on in the transmissions that another's talk has keyed."""
        assert self.talker is not None
        self._ignored.add(self.talker)
        self.counts.talks += 1
        self.counts.cut += 1
        self._tell_cut(self.name, self.talker, DISPATCHER, "taken")
        before, self.talker = self.talker, DISPATCHER
        out = self._talks.pop(DISPATCHER, None)
        if out is not None:
            out.break_off("taken")
        for channel, talk in list(self._talks.items()):
            talk.taken_over(DISPATCHER)
            if talk.done:
                self._open(channel, targets)
        self._open(before.removeprefix("channel:"), targets)


@dataclass(slots=True)
class Dispatcher:
    """The dispatcher's own voice, over RTP: it talks while a voice is in it.

    Attributes:
        url: As ``parse_rtp_url`` takes it.
        link: The wire, None while it cannot be opened.
        overs: Where what he says is recorded; None where nothing is.
    """

    url: str
    link: AudioLink | None = None
    overs: DispatcherOvers | None = None
    _activity: VoiceActivity = field(default_factory=lambda: VoiceActivity(_DISPATCHER_DBFS))
    _before: deque[Int16Array] = field(default_factory=lambda: deque(maxlen=_PRE_ROLL_FRAMES))
    _open_at_s: float = float("-inf")
    _talks: bool = False

    def listen(self, now_s: float) -> list[Int16Array] | None:
        """Return this tick's frames of his voice; None while he says nothing."""
        if not self._opened(now_s):
            return None
        assert self.link is not None
        frame = self.link.receive()
        speaks = self._activity.step(now_s, frame)
        if frame is None:
            self._before.clear()
            self._talks = False
            return None
        if not speaks:
            self._talks = False
            self._before.append(frame)
            return None
        before = [] if self._talks else list(self._before)
        self._talks = True
        self._before.clear()
        return [*before, frame]

    def play(self, talk: PatchedOver | None, now_s: float) -> None:
        """Send what he hears in this tick: the talk, or silence."""
        if self.link is None:
            return
        frame = None if talk is None else talk.next_frame(now_s, 1.0, stop=False)
        self.link.send(SILENCE if frame is None else frame)

    def keep(self, frames: list[Int16Array], channels: tuple[str, ...], now: Moment) -> None:
        """Record this tick of what he says, of which there is none at the end of an over."""
        if self.overs is None:
            return
        if frames:
            self.overs.talk(frames, channels, now)
        else:
            self.overs.end()

    def close(self) -> None:
        """Let go of the wire, and end what he was saying."""
        if self.overs is not None:
            self.overs.end()
        if self.link is not None:
            self.link.close()
            self.link = None

    def _opened(self, now_s: float) -> bool:
        if self.link is None and now_s >= self._open_at_s:
            try:
                self.link = open_audio(self.url)
            except (LinkError, SetupError) as error:
                self._open_at_s = now_s + _REOPEN_S
                _LOG.error("dispatcher: %s", error)
        return self.link is not None


class PatchBay:
    """All talk groups of a site, in steps of 20 ms.

    Args:
        tell_cut: As ``Floor`` takes it.
        overs_of: Makes for a talk group where its dispatcher is recorded; None: nowhere.
    """

    def __init__(
        self,
        tell_cut: Callable[[str, str, str, Cut], None],
        overs_of: Callable[[str], DispatcherOvers] | None = None,
    ) -> None:
        self._zone: tzinfo = UTC
        self._minute = (-1, 0)
        self._tell_cut = tell_cut
        self._overs_of = overs_of
        self._floors: dict[str, Floor] = {}
        self._dispatchers: dict[str, Dispatcher] = {}
        self._talkers: dict[str, Talker] = {}

    @property
    def counts(self) -> dict[str, Counts]:
        """What became of talk so far, by group."""
        return {name: floor.counts for name, floor in self._floors.items()}

    @property
    def members(self) -> Set[str]:
        """The channels that are in any group."""
        return self._talkers.keys()

    def configure(self, groups: Mapping[str, Rules], zone: tzinfo) -> None:
        """Take the groups of new settings; one that is unchanged goes on as it is.

        Args:
            groups: By id.
            zone: Where their hours are local.
        """
        self._zone, self._minute = zone, (-1, 0)
        for name in list(self._floors):
            if groups.get(name) != self._floors[name].rules:
                gone = self._floors.pop(name)
                gone.stop()
                gone.settle()
                if name in self._dispatchers:
                    self._dispatchers.pop(name).close()
        for name, rules in groups.items():
            if name not in self._floors:
                self._floors[name] = Floor(name, rules, self._tell_cut)
                if rules.dispatcher:
                    self._dispatchers[name] = Dispatcher(
                        rules.dispatcher, overs=self._overs_of and self._overs_of(name)
                    )
        members = {c for rules in groups.values() for c in rules.channels}
        self._talkers = {c: self._talkers.get(c) or Talker() for c in sorted(members)}

    def switch(self, group: str, *, on: bool, until_us: int | None) -> None:
        """Patch a group, or part it, until then (None: for ever) against its rules."""
        if group in self._floors:
            self._floors[group].switch = (on, until_us)

    def step(
        self, now: Moment, voices: Mapping[str, Voice], targets: Mapping[str, Target]
    ) -> None:
        """Move every group on by one tick.

        Args:
            now: Both clocks.
            voices: What each channel heard in this tick.
            targets: The channels that can transmit.
        """
        if not self._floors:
            return
        minute = self._minute_of(now)
        patched = {n for n, f in self._floors.items() if f.patched(now, minute)}
        for name, floor in self._floors.items():
            if name not in patched:
                floor.stop()
        # The dispatcher first: he has priority also in the very tick.
        for name, dispatcher in self._dispatchers.items():
            self._follow_dispatcher(self._floors[name], dispatcher, now, patched, targets)
        for channel, talker in self._talkers.items():
            self._follow(channel, talker, voices.get(channel, _GONE), patched, targets)
        for name, floor in self._floors.items():
            if name in self._dispatchers:
                self._dispatchers[name].play(floor.heard_by_dispatcher, now.s)
            floor.settle()

    def refused(self) -> list[tuple[str, tuple[Refused, ...]]]:
        """Return what came to the dispatchers' ports and was not taken, by group."""
        return [
            (name, one.link.refused())
            for name, one in self._dispatchers.items()
            if one.link is not None
        ]

    def close(self) -> None:
        """Let go of the dispatchers' wires."""
        for dispatcher in self._dispatchers.values():
            dispatcher.close()

    def _minute_of(self, now: Moment) -> int:
        """Return the minute of the local day."""
        if now.us // _MINUTE_US != self._minute[0]:
            local = datetime.fromtimestamp(now.us / 1e6, self._zone)
            self._minute = (now.us // _MINUTE_US, local.hour * 60 + local.minute)
        return self._minute[1]

    def _follow(
        self,
        channel: str,
        talker: Talker,
        voice: Voice,
        patched: set[str],
        targets: Mapping[str, Target],
    ) -> None:
        source, talked, muted = f"channel:{channel}", talker.talks, talker.mute.muted
        frames, tail = talker.follow(voice)
        for name, floor in self._floors.items():
            if channel not in floor.rules.channels:
                continue
            floor.counts.muted += talker.mute.muted - muted
            if talker.talks:
                may = name in patched and not voice.barred
                floor.hear(source, frames, may=may, targets=targets)
                floor.drop_last(source, tail)
            elif talked:
                floor.end(source, frames)

    @staticmethod
    def _follow_dispatcher(
        floor: Floor,
        dispatcher: Dispatcher,
        now: Moment,
        patched: set[str],
        targets: Mapping[str, Target],
    ) -> None:
        frames = dispatcher.listen(now.s)
        if frames is not None:
            floor.hear(DISPATCHER, frames, may=floor.name in patched, targets=targets)
        else:
            floor.end(DISPATCHER, [])
        # What nobody could hear, because the group is off, is no over.
        has_floor = frames is not None and floor.talker == DISPATCHER
        dispatcher.keep(frames or [] if has_floor else [], floor.rules.channels, now)
