"""How late things are: a histogram that costs next to nothing on the tick. Pure."""

from __future__ import annotations

from typing import Final

_STEP_MS: Final = 0.25
# Half a second; what is later is counted in the last step, and in the maximum as it was.
_STEPS: Final = 2000


class Lateness:
    """Spans of time, in milliseconds, since the last ``take``.

    Args:
        long_ms: Spans longer than this are counted apart.

    Attributes:
        count: How many there were.
        long: How many of them were long.
    """

    def __init__(self, long_ms: float = float("inf")) -> None:
        self._long_ms = long_ms
        self._begin()

    def _begin(self) -> None:
        self._counts = [0] * (_STEPS + 1)
        self.count = self.long = 0
        self._max_ms = 0.0

    def add(self, ms: float) -> None:
        """Count one span."""
        self._counts[min(max(int(ms / _STEP_MS), 0), _STEPS)] += 1
        self.count += 1
        self.long += ms > self._long_ms
        self._max_ms = max(self._max_ms, ms)

    def take(self) -> tuple[int, float, float]:
        """Return how many there were, their 99th percentile and the largest; begin anew.

        The percentile is rounded up to a quarter of a millisecond.
        """
        wanted, seen, p99_ms = self.count * 0.99, 0, 0.0
        for step, count in enumerate(self._counts):
            seen += count
            if count and seen >= wanted:
                p99_ms = min((step + 1) * _STEP_MS, self._max_ms)
                break
        taken = (self.count, round(p99_ms, 3), round(self._max_ms, 3))
        self._begin()
        return taken
