"""What goes on a channel next: level, arrival, clear air, answer windows, waiting limits.

One ``Airtime`` is the queue of one channel. It reads no clock and draws no chance: each call
brings the moment and what the channel is like (``Air``), and the answer is what to do now.

The rules, in this order:

1. One transmission at a time; the lowest level number first, within it what calls people off,
   then who came first; routine pages (drills, roll-calls) after every live order, whatever
   level they are of. Nothing overtakes: while level 1 waits, nothing of a lower level starts,
   whatever it waits for.
2. Nothing starts after its ``not_after_us``.
3. After a page the channel is kept for answers. Others of lower or equal level wait; level 1
   does not, but for the first seconds after a page of its own order: who has just been called
   could never answer a channel that calls him over and over. Once its order is to be called off
   there is nothing more to wait for, and none is kept; those who hurry there, or stay away,
   must not do so for a window's length.
4. The channel must have been clear for a gap of 300 ms, and for a random back-off besides, so
   that two gateways that waited for the same over do not key together. Level 1 takes the gap.
5. Talk from a chat is below all orders: any of them breaks it off.
6. A page that has been kept waiting by others' talk for its limit keys over it (level 1) or
   fails (levels 2 and 3): a stuck squelch must not silence an order for ever.
"""

from dataclasses import dataclass, field, replace
from typing import Final, Literal

from gateway.core.effects import TALK_LEVEL, PageChannel, TalkOnChannel

GAP_S: Final = 0.3
# So long what an order says next leaves those whom it has just called to key an answer.
OWN_ANSWER_S: Final = 5.0
# A wait shorter than this is no news to anybody.
HOLD_TOLD_AFTER_S: Final = 0.5
# What is told of a page for a channel that may not transmit.
NO_LICENCE: Final = "the channel has no licence entry and does not transmit"
# Said before a page that may have been spoken already; the catalogues' ``repeat_word``.
REPEAT_WORDS: Final = {"zh_CN": "重复", "en": "Repeat"}
# Far beyond what can be spoken before it expires; a flood must not fill the memory.
WAITING_MAX: Final = 200

HoldReason = Literal["busy", "queue", "path", "window"]
Transmission = PageChannel | TalkOnChannel
DropState = Literal["failed", "expired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Air:
    """What a channel is like at one moment.

    Attributes:
        now_s: Monotonic seconds.
        now_us: UTC microseconds, for ``not_after_us`` only.
        may_key: Whether anything may be keyed at all (the engine is there).
        path_up: Whether keyer and sound work.
        squelch_open: Whether somebody else is heard, debounced.
        clear_since_s: When the squelch closed, or our own transmitter was unkeyed, last.
        back_off_s: Random wait drawn when the channel was last heard busy, 0.1 to 0.5.
    """

    now_s: float
    now_us: int
    may_key: bool = True
    path_up: bool = True
    squelch_open: bool = False
    clear_since_s: float = float("-inf")
    back_off_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Start:
    """Key for this page now; ``over_open`` says that somebody is talking."""

    page: Transmission
    over_open: bool = False


@dataclass(frozen=True, slots=True)
class Drop:
    """This page will not be spoken."""

    page: Transmission
    state: DropState
    reason: str


@dataclass(frozen=True, slots=True)
class Hold:
    """This page waits; told once a page and reason."""

    page: Transmission
    reason: HoldReason


Decision = Start | Drop | Hold


def urgency(page: Transmission) -> int:
    """Return the level by which a page takes its place: a routine one's is the lowest."""
    return max(page.level, TALK_LEVEL - 1) if _routine(page) else page.level


def _routine(page: Transmission) -> bool:
    return isinstance(page, PageChannel) and page.routine


def _order_of(page: Transmission) -> str | None:
    return page.order if isinstance(page, PageChannel) else None


def _calls_off(page: Transmission) -> str | None:
    """Return the order that a page calls off, or None."""
    return page.order if isinstance(page, PageChannel) and page.stand_down else None


@dataclass(slots=True)
class _Waiting:
    """A page in the queue, and what the channel's clocks said when it came."""

    page: Transmission
    place: int
    since_s: float
    busy_s: float
    dead_s: float
    told: set[HoldReason] = field(default_factory=set)

    def rank(self) -> tuple[int, bool, bool, int]:
        routine, goes_on = _routine(self.page), _calls_off(self.page) is None
        return urgency(self.page), routine, goes_on, self.place


class Airtime:
    """The queue of one channel.

    Args:
        busy_wait_s: Waiting limits for levels 1, 2 and 3.
    """

    def __init__(self, busy_wait_s: tuple[float, float, float]) -> None:
        self._busy_wait_s = busy_wait_s
        self._waiting: dict[str, _Waiting] = {}
        self._current: _Waiting | None = None
        self._places = 0
        self._window_until_s = float("-inf")
        self._own_until_s = float("-inf")
        self._window_level = 3
        self._window_order: str | None = None
        self._counted_to_s: float | None = None
        # Time in which others held the channel, and in which it could not be used at all.
        self._busy_s = 0.0
        self._dead_s = 0.0

    @property
    def waiting(self) -> tuple[Transmission, ...]:
        """The pages in the queue, in the order in which they will be spoken."""
        return tuple(w.page for w in sorted(self._waiting.values(), key=_Waiting.rank))

    @property
    def any_waits(self) -> bool:
        """Whether there is anything in the queue; without it ``next`` decides nothing."""
        return bool(self._waiting)

    @property
    def current(self) -> Transmission | None:
        """The page that was started and neither spoken nor stopped yet."""
        return self._current.page if self._current else None

    def clock_moved(self, by_us: int) -> None:
        """Move the expiry of what waits along with the wall clock: a minute stays a minute."""
        for waiting in self._waiting.values():
            not_after_us = waiting.page.not_after_us + by_us
            waiting.page = replace(waiting.page, not_after_us=not_after_us)

    def window_open(self, now_s: float) -> bool:
        """Return whether the channel is being kept for answers."""
        return now_s < self._window_until_s

    def breaks_off(self, page: Transmission) -> bool:
        """Return whether something waits for which what is spoken is broken off.

        Level 1 breaks off every other order, and any order breaks off talk.
        """
        bar = TALK_LEVEL - 1 if page.level == TALK_LEVEL else 1
        waiting = self._waiting.values()
        return urgency(page) > bar and any(urgency(w.page) <= bar for w in waiting)

    def offer(self, page: Transmission, now_s: float) -> Drop | None:
        """Take a page into the queue; return the one there is no room for, if any.

        When the queue is full that is the last in its order: ``page`` itself, or the latest
        of a lower level, so that a flood of small orders never keeps level 1 out.
        """
        self._begin_counting(now_s)
        self._places += 1
        self._waiting[page.page] = _Waiting(
            page, self._places, now_s, self._busy_s, self._dead_s
        )
        if self._window_order is not None and self._window_order == _calls_off(page):
            self._window_until_s = self._own_until_s = float("-inf")
        if len(self._waiting) <= WAITING_MAX:
            return None
        last = max(self._waiting.values(), key=_Waiting.rank).page
        del self._waiting[last.page]
        return Drop(last, "failed", f"{WAITING_MAX} pages wait for this channel already")

    def withdraw(self, page_id: str) -> Transmission | None:
        """Take a waiting page out; return it, or None when it is not waiting (any more)."""
        taken = self._waiting.pop(page_id, None)
        return taken.page if taken else None

    def next(self, air: Air) -> list[Decision]:
        """Return what to do now: pages to drop, waits to tell, and at most one to start."""
        self._count(air)
        decisions: list[Decision] = list(self._drops(air))
        for drop in decisions:
            del self._waiting[drop.page.page]
        head = min(self._waiting.values(), key=_Waiting.rank, default=None)
        if head is None or not air.may_key:
            return decisions
        verdict = "queue" if self._current else self._verdict(head, air)
        if isinstance(verdict, Start):
            self._current = self._waiting.pop(head.page.page)
            verdict = "queue"
            decisions.append(Start(head.page, self._keys_over(head, air)))
        return decisions + self._holds(head, verdict, air)

    def spoken(self, now_s: float) -> None:
        """Note that the current page went out to its end: its answer window begins."""
        assert self._current is not None
        page, self._current = self._current.page, None
        if not isinstance(page, PageChannel) or page.answer_window_s <= 0:
            return
        if all(_calls_off(w.page) != page.order for w in self._waiting.values()):
            self._window_until_s = now_s + page.answer_window_s
            self._own_until_s = now_s + min(page.answer_window_s, OWN_ANSWER_S)
            self._window_level, self._window_order = urgency(page), page.order

    def stopped(self) -> None:
        """Note that the current page is over without having been spoken to its end."""
        self._current = None

    def put_back(self, now_s: float) -> None:
        """Put the current page back to its place in the queue; all about it starts afresh."""
        assert self._current is not None
        self._begin_counting(now_s)
        held, self._current = self._current, None
        # The gap that every page has to wait for is no news.
        held.since_s = now_s + GAP_S
        held.busy_s, held.dead_s = self._busy_s, self._dead_s
        held.told.clear()
        self._waiting[held.page.page] = held

    def _begin_counting(self, now_s: float) -> None:
        """Leave out the time in which nothing waited: ``next`` need not be called in it."""
        if not self._waiting:
            self._counted_to_s = now_s

    def _count(self, air: Air) -> None:
        """Advance the clocks of a busy and of a dead channel."""
        past_s = 0.0 if self._counted_to_s is None else air.now_s - self._counted_to_s
        self._counted_to_s = air.now_s
        if not air.path_up:
            self._dead_s += past_s
        elif air.squelch_open or air.now_s - air.clear_since_s < GAP_S:
            self._busy_s += past_s

    def _drops(self, air: Air) -> list[Drop]:
        drops = []
        for waiting in self._waiting.values():
            if air.now_us > waiting.page.not_after_us:
                drops.append(Drop(waiting.page, "expired", "its time passed while it waited"))
            elif (reason := self._given_up(waiting, air)) is not None:
                drops.append(Drop(waiting.page, "failed", reason))
        return drops

    def _limit_s(self, page: Transmission) -> float:
        return self._busy_wait_s[min(max(urgency(page), 1), 3) - 1]

    def _given_up(self, waiting: _Waiting, air: Air) -> str | None:
        """Return why a page of level 2 or 3 has waited long enough; level 1 never has."""
        if urgency(waiting.page) == 1 or not air.may_key:
            return None
        limit_s = self._limit_s(waiting.page)
        kept_s = self._busy_s - waiting.busy_s + self._dead_s - waiting.dead_s
        if kept_s < limit_s:
            return None
        return f"channel {'busy' if air.path_up else 'out of order'} for {limit_s:g} s"

    def _keys_over(self, waiting: _Waiting, air: Air) -> bool:
        """Return whether level 1 has been polite for long enough, and somebody talks still."""
        polite_s = self._busy_s - waiting.busy_s
        return (
            air.squelch_open
            and urgency(waiting.page) == 1
            and polite_s >= self._limit_s(waiting.page)
        )

    def _verdict(self, head: _Waiting, air: Air) -> Start | HoldReason:
        level = urgency(head.page)
        if not air.path_up:
            return "path"
        if level != 1 and level >= self._window_level and self.window_open(air.now_s):
            return "window" if level == TALK_LEVEL else "queue"
        if air.now_s < self._own_until_s and _order_of(head.page) == self._window_order:
            return "queue"
        if self._keys_over(head, air):
            return Start(head.page, over_open=True)
        wanted_s = GAP_S + (0.0 if level == 1 else air.back_off_s)
        if air.squelch_open or air.now_s - air.clear_since_s < wanted_s:
            return "busy"
        return Start(head.page)

    def _holds(self, head: _Waiting, reason: HoldReason, air: Air) -> list[Decision]:
        holds: list[Decision] = []
        for waiting in self._waiting.values():
            why = reason if waiting is head else "queue"
            if why not in waiting.told and air.now_s - waiting.since_s >= HOLD_TOLD_AFTER_S:
                waiting.told.add(why)
                holds.append(Hold(waiting.page, why))
        return holds
