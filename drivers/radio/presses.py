"""Presses of somebody's key, as the raw squelch shows them: two short ones may be an answer.

Pure. Presses that follow one another within ``GROUP_GAP_S`` make one group. They are written
in milliseconds, key-down and key-up in turn: ``(300, 250, 280)`` is pressed for 300, let go for
250, pressed for 280.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

# A pause this long ends a group: who presses twice does it faster.
GROUP_GAP_S: Final = 1.0
# A weak signal's flutter is no letting go.
_FLUTTER_S: Final = 0.04
# Beyond this it is noise, not a pattern.
_PRESSES_MAX: Final = 12
# What counts as a press made on purpose, and as the pause between two of them. Longer is a
# word said; a shorter hole is fading.
_PRESS_MS: Final = (150, 700)
_PAUSE_MS: Final = (150, 800)


@dataclass(frozen=True, slots=True)
class Group:
    """Presses that belong together, once no other follows.

    Attributes:
        presses_ms: Key-down and key-up in turn.
        new_ms: How long those presses lasted, in all, that were not told before.
        begin_s: When the first began.
        whole: Every press was heard from its beginning, and none was left out.
    """

    presses_ms: tuple[int, ...]
    new_ms: int
    begin_s: float
    whole: bool

    @property
    def pattern(self) -> Literal[2, 3] | None:
        """How many short presses it is, where somebody may have meant them as an answer."""
        return pattern_of(self.presses_ms) if self.whole else None


def pattern_of(presses_ms: tuple[int, ...]) -> Literal[2, 3] | None:
    """Return 2 or 3 where these are as many short presses and nothing else.

    A press lasts 150 to 700 ms, the pause between two of them 150 to 800 ms; what is parted by
    less than 150 ms is one press that faded.
    """
    joined = list(presses_ms[:1])
    for pause_ms, press_ms in zip(presses_ms[1::2], presses_ms[2::2], strict=True):
        if pause_ms < _PAUSE_MS[0]:
            joined[-1] += pause_ms + press_ms
        else:
            joined += [pause_ms, press_ms]
    if not all(_PRESS_MS[0] <= press_ms <= _PRESS_MS[1] for press_ms in joined[::2]):
        return None
    if not all(pause_ms < _PAUSE_MS[1] for pause_ms in joined[1::2]):
        return None
    match len(joined):
        case 3:
            return 2
        case 5:
            return 3
        case _:
            return None


class Presses:
    """The presses of one channel.

    Args:
        shortest_ms: What is shorter is a crackle, not a press.
    """

    def __init__(self, shortest_ms: float) -> None:
        self._shortest_s = shortest_ms / 1000.0
        self._spans: list[tuple[float, float]] = []
        self._told = 0
        self._whole = True
        self._open_s: float | None = None
        self._released_s = float("-inf")

    def edge(self, is_open: bool, at_s: float) -> None:
        """Take an edge of the raw squelch."""
        if is_open:
            if at_s - self._released_s > GROUP_GAP_S:
                self.clear()
            self._open_s = at_s
        elif self._open_s is not None:
            self._released(self._open_s, at_s)
            self._open_s = None
        else:
            # A press whose beginning nobody saw: what follows it is part of something.
            self._whole, self._released_s = False, at_s

    def so_far(self) -> tuple[int, ...]:
        """Return the group's presses, which count as told from now on."""
        self._told = len(self._spans)
        return self._written()

    @property
    def under_way(self) -> bool:
        """Whether there is a press, or a group that may go on."""
        return self._open_s is not None or bool(self._spans)

    def group_ended(self, now_s: float) -> Group | None:
        """Return a group that is over, once; None while it goes on, and while there is none."""
        if not self._spans or self._open_s is not None:
            return None
        if now_s - self._released_s <= GROUP_GAP_S:
            return None
        new_ms = _ms(sum(end - begin for begin, end in self._spans[self._told :]))
        group = Group(self._written(), new_ms, self._spans[0][0], self._whole)
        self.clear()
        return group

    @property
    def since_s(self) -> float:
        """When the first press began that was not told; only meaningful while there is one."""
        spans = self._spans[self._told :] or self._spans
        return spans[0][0] if spans else 0.0

    def clear(self) -> None:
        """Forget the group."""
        self._spans.clear()
        self._told = 0
        self._whole = True

    def forget(self) -> None:
        """Forget everything, a press under way too: what comes is not heard whole."""
        self.clear()
        self._open_s = None

    def _released(self, begin_s: float, end_s: float) -> None:
        if self._spans and begin_s - self._spans[-1][1] < _FLUTTER_S:
            begin_s, _ = self._spans.pop()
            self._told = min(self._told, len(self._spans))
        if end_s - begin_s < self._shortest_s:
            return
        self._released_s = end_s
        if len(self._spans) < _PRESSES_MAX:
            self._spans.append((begin_s, end_s))
        else:
            self._whole = False

    def _written(self) -> tuple[int, ...]:
        written: list[int] = []
        for number, (begin_s, end_s) in enumerate(self._spans):
            if number:
                written.append(_ms(begin_s - self._spans[number - 1][1]))
            written.append(_ms(end_s - begin_s))
        return tuple(written)


def _ms(span_s: float) -> int:
    return round(1000 * span_s)
