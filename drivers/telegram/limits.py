"""What may be sent when: windows under the platform's limits, and the queue before them.

Pure: the moment is passed in as ``now``, seconds of one monotonic clock.

The windows count a call from its start to its end, and then for the span of the window. The
platform counts the moment a call reaches it, which lies between the two; so whatever the
network does to the spacing of two calls, the platform never sees more than we allow.
"""

import heapq
import itertools
import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from gateway.core.effects import AnswerPress, ChatEffect, EditCard, PostCard

RESERVE: Final = 0.2  # of every window and of the calls in flight, kept for level 1
NEVER: Final = math.inf


class Window:
    """At most ``count`` calls in any ``span_s`` seconds, a part of them kept for level 1."""

    __slots__ = ("_count", "_ended", "_in_flight", "_span_s")

    def __init__(self, count: int, span_s: float) -> None:
        self._count = count
        self._span_s = span_s
        self._in_flight = 0
        self._ended: deque[float] = deque()

    def wait_s(self, urgent: bool, now: float) -> float:
        """Return how long until a call may start; NEVER while only a call's end can help."""
        while self._ended and self._ended[0] <= now - self._span_s:
            self._ended.popleft()
        room = self._count - (0 if urgent else int(self._count * RESERVE))
        over = self._in_flight + len(self._ended) - room + 1
        if over <= 0:
            return 0.0
        if over > len(self._ended):
            return NEVER
        return self._ended[over - 1] + self._span_s - now

    def start(self) -> None:
        """Count a call that starts now."""
        self._in_flight += 1

    def end(self, now: float) -> None:
        """Note that a call of this window has ended."""
        self._in_flight -= 1
        self._ended.append(now)

    @property
    def idle(self) -> bool:
        """Whether nothing is counted (as of the last ``wait_s``)."""
        return not self._in_flight and not self._ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Our own limits, under the platform's.

    Attributes:
        per_chat_per_s: To one chat, person or group.
        per_group_per_min: To one group.
        per_s: In all.
        in_flight: Calls under way at one moment.
    """

    per_chat_per_s: float = 1
    per_group_per_min: int = 20
    per_s: int = 25
    in_flight: int = 16


class Windows:
    """The windows of all chats together."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._all = Window(limits.per_s, 1.0)
        self._chats: dict[str, tuple[Window, ...]] = {}

    def wait_s(self, address: str, urgent: bool, now: float) -> float:
        """Return how long until a message to ``address`` may leave, 0 for now."""
        return max(w.wait_s(urgent, now) for w in (self._all, *self._of(address)))

    def start(self, address: str) -> None:
        """Count a message that leaves now."""
        for window in (self._all, *self._of(address)):
            window.start()

    def end(self, address: str, now: float) -> None:
        """Note that the call to ``address`` has ended."""
        for window in (self._all, *self._of(address)):
            window.end(now)

    def forget_idle(self, now: float) -> None:
        """Drop the windows of chats in which nothing happens, so that they do not pile up."""
        for address, windows in list(self._chats.items()):
            for window in windows:
                window.wait_s(True, now)
            if all(window.idle for window in windows):
                del self._chats[address]

    def __len__(self) -> int:
        return len(self._chats)

    def _of(self, address: str) -> tuple[Window, ...]:
        found = self._chats.get(address)
        if found is None:
            found = self._chats[address] = self._made(is_group(address))
        return found

    def _made(self, group: bool) -> tuple[Window, ...]:
        rate = self._limits.per_chat_per_s
        count = max(1, int(rate))
        chat = Window(count, count / rate)
        return (chat, Window(self._limits.per_group_per_min, 60.0)) if group else (chat,)


def is_group(address: str) -> bool:
    """Return whether an address is a group: Telegram gives groups negative ids."""
    return address.startswith("-")


@dataclass(slots=True, eq=False)
class Waiting:
    """One effect in the queue.

    Attributes:
        effect: What to do.
        outbox: Outbox row, or None for what the driver itself wants to say.
        deadline: It is not begun after this moment.
        again: It may stand in the chat already: mark it.
        attempts: How often it was tried.
        why: What came of the last attempt.
    """

    effect: ChatEffect
    outbox: int | None
    deadline: float
    again: bool = False
    attempts: int = 0
    why: str = ""
    seq: int = field(default=0)
    gone: bool = field(default=False)

    @property
    def address(self) -> str:
        """Where it goes; presses have no chat of their own."""
        return "" if isinstance(self.effect, AnswerPress) else self.effect.address

    @property
    def urgent(self) -> bool:
        """Whether it may use what is kept for level 1."""
        return isinstance(self.effect, AnswerPress) or self.effect.level <= 1

    @property
    def rank(self) -> tuple[int, int, int]:
        """Smaller goes first: presses, then by level, posts before lines before edits, age."""
        effect = self.effect
        if isinstance(effect, AnswerPress):
            return (0, 0, self.seq)
        kind = 0 if isinstance(effect, PostCard) else 2 if isinstance(effect, EditCard) else 1
        return (max(effect.level, 1), kind, self.seq)


# The second member is a running number: two entries are never compared by their item.
_Heap = list[tuple[tuple[int, int, int], int, Waiting]]
_Timed = list[tuple[float, int, Waiting]]


class SendQueue:
    """Effects waiting to leave, most urgent first, each chat in its own lane.

    A chat that the platform holds back, or whose own limit is reached, holds back nobody else.
    """

    def __init__(self, limits: Limits, *, bound: int = 10_000) -> None:
        self._limits = limits
        self._windows = Windows(limits)
        self._bound = bound
        self._seq = itertools.count(1)
        self._tick = itertools.count()
        self._lanes: dict[str, _Heap] = {}
        self._later: _Timed = []
        self._deadlines: _Timed = []
        self._held: dict[str, float] = {}
        self._edits: dict[str, Waiting] = {}
        self._behind: dict[str, Waiting] = {}
        self._under_way: dict[int, Waiting] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def under_way(self) -> tuple[Waiting, ...]:
        """Return what has been taken and not been given back."""
        return tuple(self._under_way.values())

    def put(self, item: Waiting) -> Waiting | None:
        """Take an effect in; return the one that it displaced, or None.

        Displaced is an older edit of the same card that still waits, or, when the queue is
        full, the least urgent of all (which may be ``item`` itself).
        """
        item.seq = next(self._seq)
        if isinstance(item.effect, EditCard):
            older = self._edits.get(item.effect.card)
            if older is not None:
                self._drop(older)
                item.seq = older.seq  # it keeps the place in the queue
                self._enter(item)
                return older
        self._enter(item)
        return self._overflow() if self._size > self._bound else None

    def take(self, now: float) -> Waiting | float:
        """Return the next effect to send, counted as under way, or the seconds to wait.

        NEVER when only a call's end or a new effect can change anything.
        """
        self._wake(now)
        best, wait_s = self._best(now)
        if best is None:
            return min(wait_s, self._next_change_s(now))
        self._drop(best)
        self._under_way[best.seq] = best
        if best.address:
            self._windows.start(best.address)
        best.attempts += 1
        return best

    def ended(self, item: Waiting, now: float) -> None:
        """Note that the call for ``item`` is over, whatever came of it."""
        del self._under_way[item.seq]
        if item.address:
            self._windows.end(item.address, now)
        if len(self._windows) > len(self._lanes) + 500:
            self._windows.forget_idle(now)
        if isinstance(item.effect, EditCard):
            follower = self._behind.pop(item.effect.card, None)
            if follower is not None:
                self._push(follower)

    def retry(self, item: Waiting, at: float) -> bool:
        """Put an effect back, not before ``at``; False when a newer edit has replaced it."""
        if isinstance(item.effect, EditCard) and item.effect.card in self._edits:
            return False
        # A copy: entries of the taken one may still stand in the heaps, marked as gone.
        self._enter(replace(item, gone=False), at)
        return True

    def hold(self, address: str, until: float) -> None:
        """Send nothing to one chat before ``until``; the platform has asked for it."""
        self._held[address] = max(until, self._held.get(address, 0.0))

    def overdue(self, now: float) -> Iterator[Waiting]:
        """Take out and yield what can no longer be sent in time."""
        while self._deadlines and self._deadlines[0][0] < now:
            item = heapq.heappop(self._deadlines)[2]
            if not item.gone:
                self._drop(item)
                yield item

    def _enter(self, item: Waiting, at: float = 0.0) -> None:
        self._size += 1
        if item.deadline < NEVER:
            heapq.heappush(self._deadlines, (item.deadline, next(self._tick), item))
        if isinstance(item.effect, EditCard):
            self._edits[item.effect.card] = item
            if self._busy(item.effect.card):
                self._behind[item.effect.card] = item
                return
        if at:
            heapq.heappush(self._later, (at, next(self._tick), item))
        else:
            self._push(item)

    def _busy(self, card: str) -> bool:
        """Whether an edit of the card is under way: two at once could arrive turned round."""
        return any(
            isinstance(item.effect, EditCard) and item.effect.card == card
            for item in self._under_way.values()
        )

    def _push(self, item: Waiting) -> None:
        lane = self._lanes.setdefault(item.address, [])
        heapq.heappush(lane, (item.rank, next(self._tick), item))

    def _drop(self, item: Waiting) -> None:
        """Take an effect out; its heap entries stay and are passed over."""
        item.gone = True
        self._size -= 1
        if isinstance(item.effect, EditCard):
            card = item.effect.card
            if self._edits.get(card) is item:
                del self._edits[card]
            if self._behind.get(card) is item:
                del self._behind[card]

    def _wake(self, now: float) -> None:
        while self._later and (self._later[0][2].gone or self._later[0][0] <= now):
            item = heapq.heappop(self._later)[2]
            if not item.gone:
                self._push(item)
        while self._deadlines and self._deadlines[0][2].gone:
            heapq.heappop(self._deadlines)
        for address in [a for a, until in self._held.items() if until <= now]:
            del self._held[address]

    def _best(self, now: float) -> tuple[Waiting | None, float]:
        """Return the most urgent effect that may leave, and how long until another may."""
        best: tuple[tuple[int, int, int], Waiting] | None = None
        wait_s = NEVER
        if len(self._under_way) >= self._limits.in_flight:
            return None, NEVER
        for address in list(self._lanes):
            head = self._head(address)
            # With hundreds of lanes the windows are looked at only where it can matter.
            if head is None or (best is not None and head[0] > best[0]):
                continue
            lane_wait_s = self._lane_wait_s(address, head[1], now)
            wait_s = min(wait_s, lane_wait_s)
            if lane_wait_s <= 0:
                best = head
        return best[1] if best else None, wait_s

    def _head(self, address: str) -> tuple[tuple[int, int, int], Waiting] | None:
        """Return rank and effect at the head of a lane; None when the lane is empty."""
        lane = self._lanes[address]
        while lane and lane[0][2].gone:
            heapq.heappop(lane)
        if not lane:
            del self._lanes[address]
            return None
        return lane[0][0], lane[0][2]

    def _lane_wait_s(self, address: str, head: Waiting, now: float) -> float:
        room = self._limits.in_flight
        if not head.urgent:
            room -= int(room * RESERVE)
        if len(self._under_way) >= room:
            return NEVER
        held_s = self._held.get(address, now) - now
        # Presses are answered outside the limits: the platform counts messages.
        return max(held_s, self._windows.wait_s(address, head.urgent, now) if address else 0.0)

    def _next_change_s(self, now: float) -> float:
        """Return how long until a deadline or the end of a back-off."""
        times = [heap[0][0] for heap in (self._later, self._deadlines) if heap]
        return max(0.0, min(times) - now) if times else NEVER

    def _overflow(self) -> Waiting | None:
        worst = max(self._all_waiting(), key=lambda item: item.rank, default=None)
        if worst is not None:
            self._drop(worst)
        return worst

    def _all_waiting(self) -> Iterator[Waiting]:
        lanes = (entry[2] for lane in self._lanes.values() for entry in lane)
        later = (entry[2] for entry in self._later)
        for item in itertools.chain(lanes, later, self._behind.values()):
            if not item.gone:
                yield item
