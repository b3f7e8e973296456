"""Who has the floor of a talk group, and where what he says goes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from drivers.radio.patched_over import Cut, PatchedOver
from drivers.radio.receiving import Moment
from drivers.radio.samples import Int16Array
from drivers.radio.talk_rules import DISPATCHER, Rules


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
