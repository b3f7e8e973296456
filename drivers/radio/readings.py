"""The radio process's figures as readings for whoever watches the daemon. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from drivers.radio.protocol import Figures
from gateway.interfaces import Reading

_QUANTILES: Final = "of the last ten seconds"


class RadioReadings:
    """Figures as they came, and what they add up to since the engine began.

    Attributes:
        latest: The last figures; None while the radio process is away.
    """

    def __init__(self) -> None:
        self.latest: Figures | None = None
        self._frames = self._late_frames = self._keyings = 0

    def note(self, figures: Figures) -> None:
        """Take the figures of ten seconds in."""
        self.latest = figures
        self._frames += figures.frames
        self._late_frames += figures.late_frames
        self._keyings += figures.keyings

    def forget(self) -> None:
        """Note that the radio process is away: nothing is known of it."""
        self.latest = None

    def __iter__(self) -> Iterator[Reading]:
        """Yield every reading; none of a radio process that is away."""
        if self.latest is not None:
            yield from self._of_process(self.latest)
            yield from _of_channels(self.latest)
            yield from _of_talk(self.latest)

    def _of_process(self, now: Figures) -> Iterator[Reading]:
        yield Reading("gridcall_radio_channels", "Radio channels served", now.channels)
        yield Reading(
            "gridcall_radio_frames_total", "Sound frames of 20 ms handed on", self._frames
        )
        yield Reading(
            "gridcall_radio_late_frames_total",
            "Sound frames handed on more than 20 ms late",
            self._late_frames,
        )
        yield Reading(
            "gridcall_radio_keyings_total", "Times a keyer moved its line", self._keyings
        )
        yield Reading(
            "gridcall_radio_speech_restarts_total",
            "Times the speech worker was started again",
            now.speech_restarts,
        )
        late, key = "gridcall_radio_frame_late_seconds", "gridcall_radio_key_seconds"
        for quantile, late_ms, key_ms in (
            ("0.99", now.late_p99_ms, now.key_p99_ms),
            ("1", now.late_max_ms, now.key_max_ms),
        ):
            label = {"quantile": quantile}
            yield Reading(
                late, f"How late sound frames left, {_QUANTILES}", late_ms / 1000, label
            )
            yield Reading(
                key, f"From the decision to key to the line, {_QUANTILES}", key_ms / 1000, label
            )
        yield Reading(
            "gridcall_radio_tick_cpu_seconds",
            f"Processor time of one tick of 20 ms, all channels, mean {_QUANTILES}",
            now.tick_cpu_ms / 1000,
        )


def _of_channels(now: Figures) -> Iterator[Reading]:
    for name, channel in now.by_channel.items():
        label = {"channel": name}
        yield Reading("gridcall_radio_overs_total", "Overs heard", channel.overs, label)
        yield Reading(
            "gridcall_radio_heard_seconds_total", "Length of overs heard", channel.heard_s,
            label,
        )  # fmt: skip
        yield Reading(
            "gridcall_radio_transmissions_total", "Times we were on the air",
            channel.transmissions, label,
        )  # fmt: skip
        yield Reading(
            "gridcall_radio_keyed_seconds_total", "How long we were on the air",
            channel.keyed_s, label,
        )  # fmt: skip
        yield Reading(
            "gridcall_radio_sound_silent_seconds",
            "Since when the sound link gives nothing; 0 while it does",
            channel.silent_s,
            label,
        )
        for what, count in channel.sound.items():
            yield Reading(
                "gridcall_radio_sound_frames_total",
                "Frames of 20 ms on the sound link, by what became of them",
                count,
                label | {"what": what},
            )


def _of_talk(now: Figures) -> Iterator[Reading]:
    for name, talk in now.by_group.items():
        label = {"group": name}
        for what, count in talk.overs.items():
            yield Reading(
                "gridcall_radio_talk_total",
                "Overs in a talk group, by what became of them",
                count,
                label | {"what": what},
            )
        yield Reading(
            "gridcall_radio_talk_dropped_seconds_total",
            "Talk that waited in vain for a busy channel",
            talk.dropped_s,
            label,
        )
        yield Reading(
            "gridcall_radio_talk_muted_seconds_total",
            "Signalling in talk that was made silent",
            talk.muted_s,
            label,
        )
