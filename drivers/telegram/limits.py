"""What may be sent when: our own windows under the platform's limits.

Pure: the moment is passed in as ``now``, seconds of one monotonic clock.

The windows count a call from its start to its end, and then for the span of the window. The
platform counts the moment a call reaches it, which lies between the two; so whatever the
network does to the spacing of two calls, the platform never sees more than we allow.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

TALK_PART: Final = 0.5  # of a group's minute, at most so much is talk
TALK_IN_FLIGHT: Final = 2  # pieces of talk under way at one moment, all chats together
RESERVE: Final = 0.2  # of every window and of the calls in flight, kept for level 1
REMEMBERED: Final = 500  # chats whose windows are kept before quiet ones are looked for
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

    def add(self, now: float) -> None:
        """Count a call that has just been made, of which nothing was known before."""
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
        self._talk: dict[str, Window] = {}
        self._most_remembered = REMEMBERED

    def wait_s(self, urgent: bool, now: float) -> float:
        """Return how long until the windows of all chats together leave room, 0 for now."""
        return self._all.wait_s(urgent, now)

    def chat_wait_s(self, address: str, urgent: bool, now: float) -> float:
        """Return how long until the chat's own windows leave room, 0 for now."""
        wait_s = 0.0
        for window in self._of(address):
            wait_s = max(wait_s, window.wait_s(urgent, now))
        return wait_s

    def talk_wait_s(self, address: str, now: float) -> float:
        """Return how long until a chat has room for talk, which has a bucket of its own."""
        return self._talk_of(address).wait_s(True, now)

    def start_talk(self, address: str) -> None:
        """Count talk that leaves now.

        The chat's own windows count it at its end: the upload takes a while, and an order's
        card must not wait for that.
        """
        self._all.start()
        self._talk_of(address).start()

    def end_talk(self, address: str, now: float) -> None:
        """Note that a piece of talk has been sent."""
        self._all.end(now)
        self._talk_of(address).end(now)
        for window in self._of(address):
            window.add(now)

    def start(self, address: str) -> None:
        """Count a message that leaves now."""
        self._all.start()
        for window in self._of(address):
            window.start()

    def end(self, address: str, now: float) -> None:
        """Note that the call to ``address`` has ended."""
        self._all.end(now)
        for window in self._of(address):
            window.end(now)
        if len(self._chats) > self._most_remembered:
            self.forget_idle(now)
            self._most_remembered = max(REMEMBERED, 2 * len(self._chats))

    def forget_idle(self, now: float) -> None:
        """Drop the windows of chats in which nothing happens, so that they do not pile up."""
        for address, windows in list(self._chats.items()):
            for window in windows:
                window.wait_s(True, now)
            if all(window.idle for window in windows):
                del self._chats[address]
        for address, bucket in list(self._talk.items()):
            bucket.wait_s(True, now)
            if bucket.idle:
                del self._talk[address]

    def __len__(self) -> int:
        return len(self._chats)

    def _of(self, address: str) -> tuple[Window, ...]:
        found = self._chats.get(address)
        if found is None:
            found = self._chats[address] = self._made(is_group(address))
        return found

    def _talk_of(self, address: str) -> Window:
        found = self._talk.get(address)
        if found is None:
            count = max(1, int(self._limits.per_group_per_min * TALK_PART))
            found = self._talk[address] = Window(count, 60.0)
        return found

    def _made(self, group: bool) -> tuple[Window, ...]:
        rate = self._limits.per_chat_per_s
        count = max(1, int(rate))
        chat = Window(count, count / rate)
        return (chat, Window(self._limits.per_group_per_min, 60.0)) if group else (chat,)


def is_group(address: str) -> bool:
    """Return whether an address is a group: Telegram gives groups negative ids."""
    return address.startswith("-")
