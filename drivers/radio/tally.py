"""What has passed over a channel since the radio process began, for its figures. Pure."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from drivers.radio.floor import Counts
from drivers.radio.jitter import LinkStatistics
from drivers.radio.protocol import ChannelFigures, TalkFigures
from drivers.radio.samples import FRAME_MS


@dataclass(slots=True)
class ChannelTally:
    """The counts of one channel; they outlive a change of its settings.

    Attributes:
        overs: Overs heard.
        heard_ms: How long they lasted together.
        transmissions: How often we were on the air.
        keyed_ms: How long, from key-down to key-up.
    """

    overs: int = 0
    heard_ms: int = 0
    transmissions: int = 0
    keyed_ms: int = 0
    _on_air: bool = False

    def over(self, keyed_ms: int) -> None:
        """Count an over."""
        self.overs += 1
        self.heard_ms += keyed_ms

    def tick(self, *, on_air: bool) -> None:
        """Count 20 ms in which we are on the air, or not."""
        if on_air:
            self.transmissions += not self._on_air
            self.keyed_ms += FRAME_MS
        self._on_air = on_air

    def figures(self, link: LinkStatistics) -> ChannelFigures:
        """Return the counts, beside those of the sound link that there is now."""
        return ChannelFigures(
            overs=self.overs,
            heard_s=self.heard_ms / 1000,
            transmissions=self.transmissions,
            keyed_s=self.keyed_ms / 1000,
            silent_s=link.silent * FRAME_MS / 1000,
            sound={
                name: count
                for name, count in dataclasses.asdict(link).items()
                if name != "silent"
            },
        )


def talk_figures(counts: Counts) -> TalkFigures:
    """Return what became of talk in one group, sound in seconds."""
    return TalkFigures(
        overs={
            "bridged": counts.talks,
            "refused": counts.refused,
            "barred": counts.barred,
            "cut": counts.cut,
        },
        dropped_s=counts.dropped * FRAME_MS / 1000,
        muted_s=counts.muted * FRAME_MS / 1000,
    )
