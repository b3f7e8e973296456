"""Which channels there are: brought to what the settings want, one that is busy later."""

from __future__ import annotations

import logging
import selectors
import time
from collections.abc import Callable
from typing import Final

from drivers.radio.channel import Channel
from drivers.radio.hearing import Hearing, wishes_of
from drivers.radio.keyer_process import KeyerProcess
from drivers.radio.receiving import Moment
from drivers.radio.settings import RadioChannel
from drivers.radio.timing import Lateness
from drivers.radio.unit import Unit
from gateway.core.calls.events import PageFailed
from gateway.core.effects import PageChannel

_LOG: Final = logging.getLogger("gridcall.radio")


class LineUp:
    """The channels of the radio process with their wires.

    Args:
        wanted: Settings of each channel that shall be there.
        selector: The loop's selector.
        clock: Both clocks.
        keying: Counts how long keyers take from the decision to the line.
        make_channel: Makes the state machine around a keyer.
        tell: Takes the end of a page whose channel is there no more.

    Attributes:
        units: By channel id.
        rows: The same in the order of the rows of ``hearing``.
        hearing: Finds what is signalled on each.
        monitors: Each channel that has to be heard, with the one that has to hear it.
    """

    def __init__(
        self,
        wanted: dict[str, RadioChannel],
        *,
        selector: selectors.BaseSelector,
        clock: Callable[[], Moment],
        keying: Lateness,
        make_channel: Callable[[str, RadioChannel, KeyerProcess], Channel],
        tell: Callable[[PageFailed], None],
    ) -> None:
        self.units: Final[dict[str, Unit]] = {}
        self.rows: list[Unit] = []
        self.hearing = Hearing([])
        self.monitors: list[tuple[Unit, Unit]] = []
        self._wanted = wanted
        self._selector = selector
        self._clock = clock
        self._keying = keying
        self._make_channel = make_channel
        self._tell = tell
        self._retiring: dict[str, Unit] = {}
        self._inherited: dict[str, list[tuple[PageChannel, str | None]]] = {}
        self._repeat_words: dict[str, str | None] = {}
        self._adopted: dict[str, RadioChannel] | None = None

    def want(self, channels: dict[str, RadioChannel]) -> None:
        """Take the channels of new settings."""
        self._wanted = channels

    def take_page(self, page: PageChannel, now: Moment, *, repeat_word: str | None) -> None:
        """Put a page on its channel, or on the one that takes its place."""
        self._repeat_words[page.page] = repeat_word
        self.units[page.channel].channel.take_page(page, now, repeat_word=repeat_word)

    def page_ended(self, page_id: str) -> None:
        """Note that a page is over."""
        self._repeat_words.pop(page_id, None)

    def adopt(self, now: Moment) -> None:
        """Bring the channels to what the settings want, one that is busy later."""
        if self._adopted is self._wanted and not self._retiring:
            return
        for name in list(self._retiring):
            if self._retiring[name].retired(now):
                del self._retiring[name]
        changed = False
        for name, unit in list(self.units.items()):
            if self._wanted.get(name) != unit.settings and unit.channel.idle:
                self._give_up(name, unit, now)
                changed = True
        for name, settings in self._wanted.items():
            if name not in self.units and name not in self._retiring:
                self.units[name] = self._make_unit(name, settings, now)
                changed = True
        if changed:
            # What is under way on channels that stay is not lost.
            before = {unit: row for row, unit in enumerate(self.rows)}
            self.rows = list(self.units.values())
            self.hearing = self.hearing.rearranged(
                [before.get(unit) for unit in self.rows],
                [wishes_of(unit.settings) for unit in self.rows],
            )
            self._watch_monitors()
        current = {name: unit.settings for name, unit in self.units.items()}
        self._adopted = self._wanted if current == self._wanted else None

    def _watch_monitors(self) -> None:
        """Find for each channel the receiver that has to hear it."""
        self.monitors = []
        for name, unit in self.units.items():
            if unit.settings.monitor is None:
                continue
            other = unit.settings.monitor.channel or name
            if other in self.units:
                self.monitors.append((unit, self.units[other]))
            else:
                _LOG.error("channel %s: its monitor %r is no radio channel", name, other)

    def _give_up(self, name: str, unit: Unit, now: Moment) -> None:
        waiting = unit.channel.give_up("the channel's settings changed", now)
        unit.retire(now)
        del self.units[name]
        self._retiring[name] = unit
        if name in self._wanted:
            self._inherited[name] = [(p, self._repeat_words.get(p.page)) for p in waiting]
            return
        for page in waiting:
            reason = "the channel was taken out of the settings"
            self._tell(PageFailed(at_us=now.us, page=page.page, reason=reason))

    def _make_unit(self, name: str, settings: RadioChannel, now: Moment) -> Unit:
        unit = Unit(
            name,
            settings,
            selector=self._selector,
            clock=self._clock,
            keying=self._keying,
            make_channel=self._make_channel,
        )
        for page, word in self._inherited.pop(name, []):
            unit.channel.take_page(page, now, repeat_word=word)
        return unit

    def close(self) -> None:
        """Unkey every channel, and return when all have let go."""
        leaving = [*self.units.values(), *self._retiring.values()]
        for unit in self.units.values():
            unit.retire(self._clock())
        while leaving:
            leaving = [unit for unit in leaving if not unit.retired(self._clock())]
            time.sleep(0.005)
