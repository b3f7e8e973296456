"""The patch bay: what is said on one channel of a talk group goes out on its others.

First come, first served: a group has one talker, and an over that begins while somebody else
talks is never bridged, to its end. That also stops loops: what comes back of our own
transmissions begins while we send them. Orders go before the dispatcher, who goes before
everybody else. Nothing here needs the engine; a group goes on when it is dead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from datetime import UTC, datetime, tzinfo
from typing import Final

from drivers.radio.dispatcher import Dispatcher
from drivers.radio.dispatcher_overs import DispatcherOvers
from drivers.radio.floor import Counts, Floor, Target
from drivers.radio.patched_over import Cut
from drivers.radio.receiving import Moment
from drivers.radio.refused import Refused
from drivers.radio.talk_rules import DISPATCHER, Rules
from drivers.radio.talker import Talker, Voice

_MINUTE_US: Final = 60_000_000
_GONE: Final = Voice(frame=None, carrier=False, speaks=False)


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
