"""Presses of somebody's key, as the raw squelch shows them: two short ones may be an answer.

Pure. Presses that follow one another within ``GROUP_GAP_S`` make one group. They are written
in milliseconds, key-down and key-up in turn: ``(300, 250, 280)`` is pressed for 300, let go for
250, pressed for 280.
"""

from __future__ import annotations

from typing import Final

# A pause this long ends a group: who presses twice does it faster.
GROUP_GAP_S: Final = 1.0
# A weak signal's flutter is no letting go.
_FLUTTER_S: Final = 0.04
# Beyond this it is noise, not a pattern.
_PRESSES_MAX: Final = 12


class Presses:
    """The presses of one channel.

    Args:
        shortest_ms: What is shorter is a crackle, not a press.
    """

    def __init__(self, shortest_ms: float) -> None:
        self._shortest_s = shortest_ms / 1000.0
        self._spans: list[tuple[float, float]] = []
        self._told = 0
        self._open_s: float | None = None

    def edge(self, is_open: bool, at_s: float) -> None:
        """Take an edge of the raw squelch."""
        if is_open:
            if self._spans and at_s - self._spans[-1][1] > GROUP_GAP_S:
                self.clear()
            self._open_s = at_s
        elif self._open_s is not None:
            self._released(self._open_s, at_s)
            self._open_s = None

    def so_far(self) -> tuple[int, ...]:
        """Return the group's presses, which count as told from now on."""
        self._told = len(self._spans)
        return self._written()

    def group_ended(self, now_s: float) -> tuple[tuple[int, ...], int] | None:
        """Return a group that is over, and how long its presses not told before were, in ms.

        Returns:
            None while it goes on, and when nothing in it is new.
        """
        if not self._spans or self._open_s is not None:
            return None
        if now_s - self._spans[-1][1] <= GROUP_GAP_S:
            return None
        new_ms = _ms(sum(end - begin for begin, end in self._spans[self._told :]))
        group = self._written() if len(self._spans) > self._told else None
        self.clear()
        return None if group is None else (group, new_ms)

    @property
    def since_s(self) -> float:
        """When the first press began that was not told; only meaningful while there is one."""
        spans = self._spans[self._told :] or self._spans
        return spans[0][0] if spans else 0.0

    def clear(self) -> None:
        """Forget the group."""
        self._spans.clear()
        self._told = 0

    def forget(self) -> None:
        """Forget everything, a press under way too: what comes is not heard whole."""
        self.clear()
        self._open_s = None

    def _released(self, begin_s: float, end_s: float) -> None:
        if self._spans and begin_s - self._spans[-1][1] < _FLUTTER_S:
            begin_s, _ = self._spans.pop()
            self._told = min(self._told, len(self._spans))
        if end_s - begin_s >= self._shortest_s and len(self._spans) < _PRESSES_MAX:
            self._spans.append((begin_s, end_s))

    def _written(self) -> tuple[int, ...]:
        written: list[int] = []
        for number, (begin_s, end_s) in enumerate(self._spans):
            if number:
                written.append(_ms(begin_s - self._spans[number - 1][1]))
            written.append(_ms(end_s - begin_s))
        return tuple(written)


def _ms(span_s: float) -> int:
    return round(1000 * span_s)
