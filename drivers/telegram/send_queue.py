"""Effects waiting for their turn: most urgent first, each chat in its own lane.

Pure: the moment is passed in as ``now``, seconds of one monotonic clock.
"""

import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from drivers.telegram.limits import NEVER, RESERVE, TALK_IN_FLIGHT, Limits, Windows
from gateway.core.effects import TALK_LEVEL, AnswerPress, ChatEffect, EditCard, PostCard

Rank = tuple[int, int, int, int]


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
        forgotten: It was under way when its address was forgotten: never tried again.
    """

    effect: ChatEffect
    outbox: int | None
    deadline: float
    again: bool = False
    attempts: int = 0
    why: str = ""
    seq: int = field(default=0)
    gone: bool = field(default=False)
    forgotten: bool = field(default=False)

    @property
    def address(self) -> str:
        """Where it goes; presses have no chat of their own."""
        return "" if isinstance(self.effect, AnswerPress) else self.effect.address

    @property
    def urgent(self) -> bool:
        """Whether it may use what is kept for level 1."""
        return isinstance(self.effect, AnswerPress) or self.effect.level <= 1

    @property
    def talk(self) -> bool:
        """Whether it is talk, which goes after everything of an order."""
        return not isinstance(self.effect, AnswerPress) and self.effect.level >= TALK_LEVEL

    @property
    def rank(self) -> Rank:
        """Smaller goes first: presses, level 1, the levels below it together, talk.

        Of one band posts go before lines before edits, then by level, then by age: the first
        word of an order of level 3 goes before one more word of an order of level 2.
        """
        effect = self.effect
        if isinstance(effect, AnswerPress):
            return (0, 0, 0, self.seq)
        kind = 0 if isinstance(effect, PostCard) else 2 if isinstance(effect, EditCard) else 1
        band = 1 if self.urgent else 3 if self.talk else 2
        return (band, kind, effect.level, self.seq)


# The second member is a running number: two entries are never compared by their item.
_Heap = list[tuple[Rank, int, Waiting]]
_Timed = list[tuple[float, int, Waiting]]


class SendQueue:
    """Effects waiting to leave, most urgent first, each chat in its own lane.

    A chat that the platform holds back, or whose own limit is reached, holds back nobody else.

    Theory of operation. Lanes stand in one line by the rank of their heads, so that the next
    effect is found without looking at every lane. A lane whose own windows are full leaves the
    line until they have room, until a call to that chat ends, or until a more urgent effect
    comes to its head. What level 1 may use others may not; as level 1 stands first in the
    line, whoever stands first decides whether anybody can leave.
    """

    def __init__(self, limits: Limits, *, bound: int = 10_000) -> None:
        self._limits = limits
        self._windows = Windows(limits)
        self._bound = bound
        self._seq = itertools.count(1)
        self._tick = itertools.count()
        self._lanes: dict[str, _Heap] = {}
        self._line: list[tuple[Rank, str]] = []
        self._place: dict[str, Rank] = {}  # the one entry of a lane that counts
        self._blocked: list[tuple[float, str]] = []
        self._later: _Timed = []
        self._deadlines: _Timed = []
        self._held: dict[str, float] = {}
        self._edits: dict[str, Waiting] = {}
        self._behind: dict[str, Waiting] = {}
        self._under_way: dict[int, Waiting] = {}
        self._edited: set[str] = set()
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
        first = self._first(now)
        if not isinstance(first, Waiting):
            return min(first, self._next_change_s(now))
        self._drop(first)
        self._under_way[first.seq] = first
        if isinstance(first.effect, EditCard):
            self._edited.add(first.effect.card)
        if first.talk:
            self._windows.start_talk(first.address)
        elif first.address:
            self._windows.start(first.address)
        self._line_up(first.address)
        first.attempts += 1
        return first

    def ended(self, item: Waiting, now: float) -> None:
        """Note that the call for ``item`` is over, whatever came of it."""
        del self._under_way[item.seq]
        if item.talk:
            self._windows.end_talk(item.address, now)
        elif item.address:
            self._windows.end(item.address, now)
        if isinstance(item.effect, EditCard):
            self._edited.discard(item.effect.card)
            follower = self._behind.pop(item.effect.card, None)
            if follower is not None:
                self._push(follower)
        self._line_up(item.address)

    def retry(self, item: Waiting, at: float) -> bool:
        """Put an effect back, not before ``at``; False when nobody waits for it any more.

        A newer edit has replaced it, or its address was forgotten.
        """
        if item.forgotten:
            return False
        if isinstance(item.effect, EditCard) and item.effect.card in self._edits:
            return False
        # A copy: entries of the taken one may still stand in the heaps, marked as gone.
        self._enter(replace(item, gone=False), at)
        return True

    def forget(self, address: str) -> list[int]:
        """Take out all that waits for an address; return the outbox rows it stood in.

        A call under way cannot be called back, but it is not made again.
        """
        for item in self._under_way.values():
            item.forgotten = item.forgotten or item.address == address
        waiting = [item for item in self._all_waiting() if item.address == address]
        for item in waiting:
            self._drop(item)
        return [item.outbox for item in waiting if item.outbox is not None]

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
            # Two edits of a card under way at once could arrive turned round.
            if item.effect.card in self._edited:
                self._behind[item.effect.card] = item
                return
        if at:
            heapq.heappush(self._later, (at, next(self._tick), item))
        else:
            self._push(item)

    def _push(self, item: Waiting) -> None:
        lane = self._lanes.setdefault(item.address, [])
        heapq.heappush(lane, (item.rank, next(self._tick), item))
        if lane[0][2] is item:
            self._line_up(item.address)

    def _line_up(self, address: str) -> None:
        """Let a lane stand in the line by its head, if it has one."""
        head = self._head(address)
        if head is None:
            self._place.pop(address, None)
        elif self._place.get(address) != head[0]:
            self._place[address] = head[0]
            heapq.heappush(self._line, (head[0], address))

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
        while self._blocked and self._blocked[0][0] <= now:
            self._line_up(heapq.heappop(self._blocked)[1])

    def _first(self, now: float) -> Waiting | float:
        """Return the most urgent effect that may leave, or how long all together must wait.

        The lane of what is returned is out of the line, as are those found blocked.
        """
        while self._line:
            rank, address = self._line[0]
            head = self._head(address)
            if self._place.get(address) != rank:
                heapq.heappop(self._line)  # an entry that no longer counts
                continue
            if head is None or head[0] != rank:
                self._leave_line(address)
                self._line_up(address)
                continue
            wait_s = self._common_wait_s(head[1], now)
            if wait_s > 0:
                return wait_s
            self._leave_line(address)
            wait_s = self._lane_wait_s(address, head[1], now)
            if wait_s <= 0:
                return head[1]
            if wait_s < NEVER:
                heapq.heappush(self._blocked, (now + wait_s, address))
        return NEVER

    def _leave_line(self, address: str) -> None:
        """Take the lane that stands first out of the line."""
        heapq.heappop(self._line)
        del self._place[address]

    def _head(self, address: str) -> tuple[Rank, Waiting] | None:
        """Return rank and effect at the head of a lane; None when the lane is empty."""
        lane = self._lanes.get(address)
        while lane and lane[0][2].gone:
            heapq.heappop(lane)
        if lane:
            return lane[0][0], lane[0][2]
        self._lanes.pop(address, None)
        return None

    def _common_wait_s(self, head: Waiting, now: float) -> float:
        """Return how long whoever stands first must wait for what all chats share."""
        room = self._limits.in_flight
        if not head.urgent:
            room -= int(room * RESERVE)
        if len(self._under_way) >= room:
            return NEVER
        # Talk stands last in the line: who stands behind it is talk as well.
        if head.talk and sum(i.talk for i in self._under_way.values()) >= TALK_IN_FLIGHT:
            return NEVER
        # Presses are answered outside the limits: the platform counts messages.
        return self._windows.wait_s(head.urgent, now) if head.address else 0.0

    def _lane_wait_s(self, address: str, head: Waiting, now: float) -> float:
        held_s = self._held.get(address, now) - now
        if held_s <= 0:
            self._held.pop(address, None)
        if not address:
            return held_s
        if head.talk:
            held_s = max(held_s, self._windows.talk_wait_s(address, now))
        return max(held_s, self._windows.chat_wait_s(address, head.urgent, now))

    def _next_change_s(self, now: float) -> float:
        """Return how long until a deadline, the end of a back-off, or room in a lane."""
        times = [heap[0][0] for heap in (self._later, self._deadlines) if heap]
        if self._blocked:
            times.append(self._blocked[0][0])
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
