"""What the dispatcher says to a talk group, recorded: every over is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from drivers.radio.receiving import Moment
from drivers.radio.recording import Recorder
from drivers.radio.samples import FRAME_MS, Int16Array
from gateway.core.talk.events import DispatcherSpoke

__all__ = ["DispatcherOvers"]


class DispatcherOvers:
    """The overs of one talk group's dispatcher.

    Args:
        group: Talk group id.
        recorder: Of its recordings.
        new_name: Makes an id of ours.
        tell: Is told of each over when it has ended.
        day: Date of a moment in UTC microseconds, ``YYYYMMDD``.
    """

    def __init__(
        self,
        group: str,
        recorder: Recorder,
        *,
        new_name: Callable[[], str],
        tell: Callable[[DispatcherSpoke], None],
        day: Callable[[int], str],
    ) -> None:
        self._group = group
        self._recorder = recorder
        self._new_name = new_name
        self._tell = tell
        self._day = day
        self._over: DispatcherSpoke | None = None
        self._frames = 0

    def talk(
        self, frames: Sequence[Int16Array], channels: tuple[str, ...], now: Moment
    ) -> None:
        """Take in a tick of his voice; the first of an over holds what came before it too."""
        if self._over is None:
            began_us = now.us - 1000 * FRAME_MS * len(frames)
            name = self._new_name()
            path = self._recorder.begin(name, self._day(began_us))
            self._over = DispatcherSpoke(
                at_us=began_us, group=self._group, over=name, channels=channels,
                keyed_ms=0, recording=path,
            )  # fmt: skip
            self._frames = 0
        for frame in frames:
            self._recorder.write(frame)
        self._frames += len(frames)

    def end(self) -> None:
        """End the over, if one is under way, and tell of it."""
        over, self._over = self._over, None
        if over is None:
            return
        self._recorder.end()
        self._tell(
            DispatcherSpoke(
                at_us=over.at_us, group=over.group, over=over.over, channels=over.channels,
                keyed_ms=FRAME_MS * self._frames, recording=over.recording,
            )
        )  # fmt: skip
