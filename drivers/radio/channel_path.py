"""Whether a channel works, and why not: its keyer, its sound, its lines and its squelch.

Told once when the channel stops working, again when something else has been the matter for a
while, and once when it works again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from drivers.radio.receiving import Moment, Receiver
from drivers.radio.samples import Int16Array
from gateway.core.events import PathChanged

# A keyer needs under a second to open its port; a channel not there by then is out of order.
_GRACE_S: Final = 2.0
# Five seconds without a frame: the network's hiccups are shorter.
_NO_SOUND_S: Final = 5.0
# Sound that came for 200 ms without a break is followed: decoder and detectors are warm.
_WARM_FRAMES: Final = 10
# Another fault than the one told, while the channel is out of order anyhow: after so long it is
# what a technician has to look at.
_SETTLED_S: Final = 5.0
_DEAF: Final = "lines and sound are not followed yet"


class ChannelPath:
    """What is wrong with one channel, if anything is.

    Args:
        channel: Channel id.
        receiver: Its receiver, which is told here when it really hears.
        stuck_squelch_s: How long a squelch may be open, for the words about it.
        tell: Takes the events.
        now: When it came to be.
    """

    def __init__(
        self,
        channel: str,
        receiver: Receiver,
        *,
        stuck_squelch_s: int,
        tell: Callable[[PathChanged], None],
        now: Moment,
    ) -> None:
        self._channel = channel
        self._receiver = receiver
        self._stuck_squelch_s = stuck_squelch_s
        self._tell = tell
        self._faults: dict[str, str] = {
            "keyer": "the control port is not open yet",
            "sound": "the sound is not open yet",
            "hearing": _DEAF,
        }
        self._heard_frames = 0
        self._told_up: bool | None = None
        self._told_fault: str | None = None
        self._fault: str | None = None
        self._fault_s = now.s
        self._begun_s = self._deaf_s = self._sound_s = now.s

    @property
    def state(self) -> tuple[bool | None, str | None]:
        """Whether it works (None while that is not known), and why not."""
        return self._told_up, self._faults.get(self._foremost() or "")

    def _foremost(self) -> str | None:
        """Return which fault is told; that it is deaf only where nothing says why."""
        said = (what for what, reason in self._faults.items() if reason != _DEAF)
        return next(said, next(iter(self._faults), None))

    def can_transmit(self, now: Moment) -> bool:
        """Return whether we can transmit, and know whom we would talk over.

        A channel that stays deaf transmits all the same: an order must not wait for that.
        """
        if {"keyer", "sound"} & self._faults.keys():
            return False
        return self._receiver.hears or now.s - self._deaf_s > _GRACE_S

    def keyer_ready(self, now: Moment) -> None:
        """Note that the control port is open."""
        self._faults.pop("keyer", None)
        self._deaf_s = now.s

    def sound_opened(self, now: Moment) -> None:
        """Note that the sound device is there."""
        self._faults.pop("sound", None)
        self._sound_s = self._deaf_s = now.s

    def lost(self, what: str, reason: str, now: Moment) -> None:
        """Note that the keyer or the sound has failed."""
        self._faults[what] = reason
        self._stop_hearing(now)

    def radiates(self, fault: str) -> None:
        """Note whether what we transmit is heard beside us; ``""`` where it is."""
        if fault:
            self._faults["monitor"] = fault
        else:
            self._faults.pop("monitor", None)

    def follow(self, now: Moment, frame: Int16Array | None) -> None:
        """Take this tick's sound: whether any comes, and whether the channel really hears."""
        if frame is not None:
            self._sound_s = now.s
            self._faults.pop("silent", None)
        elif (
            now.s - self._sound_s > _NO_SOUND_S
            and not {"sound", "silent"} & self._faults.keys()
        ):
            self._stop_hearing(now)
            self._faults["silent"] = f"no sound from the radio for {_NO_SOUND_S:g} s"
        if not self._receiver.hears:
            self._follow_hearing(now, frame)

    def _stop_hearing(self, now: Moment) -> None:
        self._receiver.hears, self._heard_frames = False, 0
        self._faults["hearing"] = _DEAF
        self._deaf_s = now.s

    def _follow_hearing(self, now: Moment, frame: Int16Array | None) -> None:
        """Find out when the channel really hears: its lines are told and sound flows."""
        missing = self._receiver.lines_missing
        if missing and now.s - self._deaf_s > _GRACE_S:
            self._faults["hearing"] = f"the control port does not tell {', '.join(missing)}"
        if frame is None or missing or self._faults.keys() & {"keyer", "sound"}:
            self._heard_frames = 0
            return
        self._heard_frames += 1
        if self._heard_frames >= _WARM_FRAMES:
            self._receiver.hears = True
            self._faults.pop("hearing", None)

    def tell(self, now: Moment) -> None:
        """Look at the squelch, and tell what has changed."""
        if self._receiver.stuck:
            limit_s = self._stuck_squelch_s
            self._faults["squelch"] = f"squelch open for {limit_s} s; stuck, or a carrier"
        else:
            self._faults.pop("squelch", None)
        if self._receiver.flapping.active:
            # Without a figure in it: the words must not change while it lasts.
            self._faults["flapping"] = "squelch opens and closes all the time; look at its wire"
        else:
            self._faults.pop("flapping", None)
        fault = self._foremost()
        if fault != self._fault:
            self._fault, self._fault_s = fault, now.s
        if not self._is_news(now, fault):
            return
        self._told_up, self._told_fault = fault is None, fault
        path, reason = f"channel:{self._channel}", self._faults.get(fault or "")
        self._tell(PathChanged(at_us=now.us, path=path, up=fault is None, reason=reason))

    def _is_news(self, now: Moment, fault: str | None) -> bool:
        if self._told_up is None and fault is not None:
            return now.s - self._begun_s >= _GRACE_S
        if (fault is None) != self._told_up:
            return True
        return fault != self._told_fault and now.s - self._fault_s >= _SETTLED_S
