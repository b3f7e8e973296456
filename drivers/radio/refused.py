"""Sound that comes to one of our ports and is not taken: counted by the link, told in time.

A stranger can send as fast as the network lets him; what is told of him is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from drivers.radio.receiving import Moment
from gateway.core.talk.events import SoundRefused, SoundRefusedKind

__all__ = ["Refused", "RefusedSound", "RefusedWatch"]

# The first at once; then what came in each minute.
_TOLD_EVERY_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Refused:
    """Datagrams of one kind that were not taken.

    Attributes:
        kind: As in ``SoundRefused``.
        address: Where the last of them came from, numeric.
        count: How many.
    """

    kind: SoundRefusedKind
    address: str
    count: int


class RefusedSound:
    """Counts what a link did not take until it is asked."""

    def __init__(self) -> None:
        self._counts: dict[SoundRefusedKind, Refused] = {}

    def note(self, kind: SoundRefusedKind, address: str) -> None:
        """Count one datagram."""
        before = self._counts.get(kind)
        self._counts[kind] = Refused(kind, address, before.count + 1 if before else 1)

    def take(self) -> tuple[Refused, ...]:
        """Return what was counted since the last call, one a kind."""
        if not self._counts:
            return ()
        taken = tuple(self._counts.values())
        self._counts.clear()
        return taken


class RefusedWatch:
    """Tells of refused sound, once a minute at most for each port and kind.

    Args:
        tell: Is told.
    """

    def __init__(self, tell: Callable[[SoundRefused], None]) -> None:
        self._tell = tell
        self._told_s: dict[tuple[str, SoundRefusedKind], float] = {}
        self._waiting: dict[tuple[str, SoundRefusedKind], Refused] = {}

    def note(self, path: str, found: Iterable[Refused]) -> None:
        """Take in what a link has refused.

        Args:
            path: ``channel:gate`` or ``dispatcher:east``.
            found: What its link counted since the last time.
        """
        for new in found:
            before = self._waiting.get((path, new.kind))
            count = new.count + (before.count if before is not None else 0)
            self._waiting[path, new.kind] = Refused(new.kind, new.address, count)

    def step(self, now: Moment) -> None:
        """Tell what is due."""
        for key in list(self._waiting):
            if now.s - self._told_s.get(key, float("-inf")) < _TOLD_EVERY_S:
                continue
            refused, self._told_s[key] = self._waiting.pop(key), now.s
            self._tell(
                SoundRefused(
                    at_us=now.us, path=key[0], kind=refused.kind, address=refused.address,
                    count=refused.count,
                )
            )  # fmt: skip
