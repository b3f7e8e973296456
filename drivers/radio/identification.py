"""Station identification: what the station says of itself, as its licence asks.

Pure. While a channel is in use it is said at least every so many minutes, and once more when
the use has ended. It gives way to every page.
"""

from __future__ import annotations

import logging
from typing import Final

from drivers.radio.dtmf import encode
from drivers.radio.samples import Int16Array, frames_of
from drivers.radio.settings import Identification
from drivers.radio.speech import Rendered
from drivers.radio.transmission import Speech

_LOG: Final = logging.getLogger("gridcall.radio")


class IdentityProgramme:
    """The identification on the air; breaks off at once when something else is to be said.

    Attributes:
        finished: All of it was sounded.
    """

    def __init__(self, samples: Int16Array) -> None:
        self._frames = list(frames_of(samples))
        self._next = 0
        self.finished = False

    def begin(self, room_ms: float) -> None:
        """Nothing to prepare."""

    def next_frame(self, now_s: float, left_ms: float, *, stop: bool) -> Int16Array | None:
        """Return the next frame, None at the end, at ``stop`` and at the time-out."""
        del now_s
        self.finished = self._next >= len(self._frames)
        if self.finished or stop or left_ms <= 0:
            return None
        self._next += 1
        frame: Int16Array = self._frames[self._next - 1]
        return frame


class StationIdentity:
    """When a channel identifies itself, and with what.

    Args:
        channel: Channel id.
        settings: What is said and when; None: nothing ever.
        speech: Renders it.
    """

    def __init__(self, channel: str, settings: Identification | None, speech: Speech) -> None:
        self._key = f"identity of {channel}/0"
        self._settings = settings
        self._speech = speech
        self._samples: Int16Array | None = None
        self._requested = False
        # Since when the channel is used without having identified itself, and until when.
        self._since_s: float | None = None
        self._last_s = 0.0

    @property
    def wanted(self) -> bool:
        """Whether the channel was used and has not identified itself since."""
        return self._since_s is not None

    def used(self, now_s: float) -> None:
        """Note that something of ours was transmitted."""
        if self._settings is not None:
            self._since_s = now_s if self._since_s is None else self._since_s
            self._last_s = now_s

    def said(self, now_s: float, *, in_use: bool) -> None:
        """Note that it was said."""
        self._since_s = now_s if in_use else None

    def due(self, now_s: float) -> Int16Array | None:
        """Return what is to be said now, None while nothing is (or it is being rendered)."""
        settings = self._settings
        if settings is None or self._since_s is None:
            return None
        ended = self.use_ended(now_s)
        if not ended and now_s - self._since_s < 60.0 * settings.every_min:
            return None
        if self._samples is None:
            self._prepare(settings)
        return self._samples

    def use_ended(self, now_s: float) -> bool:
        """Return whether nothing of ours was transmitted for long enough."""
        return self._settings is not None and now_s - self._last_s >= self._settings.after_s

    def rendered(self, result: Rendered) -> None:
        """Take a sentence in, if it is ours."""
        if result.key != self._key:
            return
        self._samples = result.samples
        if result.samples is None:
            # Tried again with the next use: saying nothing must not stop the channel.
            _LOG.warning("%s cannot be rendered: %s", self._key.rpartition("/")[0], result.why)
            self._requested, self._since_s = False, None

    def _prepare(self, settings: Identification) -> None:
        if settings.dtmf is not None:
            self._samples = encode(settings.dtmf)
        elif settings.text is not None and not self._requested:
            self._requested = True
            # Where the settings name none, the site's stands here (see `load_channels`).
            language = settings.language or "zh_CN"
            known = self._speech.request(self._key, settings.text, language)
            if known is not None:
                self.rendered(known)
