"""Effects on their way to the drivers, once their transaction is on the disk.

Receipts go first. While many alerts come at once, only a trickle of what they ask is handed
out, so that no receipt waits behind hundreds of calls; a new order of level 1 is handed out at
once even then, and so is the answer to a guard; nothing waits longer than a second. When it is
calm, nothing waits here at all.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from gateway.core.after.events import PhotoFailed
from gateway.core.calls.events import CardFailed, PageFailed
from gateway.core.effects import (
    AnswerOver,
    AnswerPress,
    PageChannel,
    PostCard,
    PostPhoto,
    RecallPhoto,
    SendText,
    SendVoice,
    SetTalkGroup,
    TalkOnChannel,
    WithdrawPage,
)
from gateway.core.events import Event
from gateway.interfaces import Driver, OutboxEffect, Outgoing

# So many receipts due at once are a storm.
STORM = 8
# It is over when no alert has come for so long.
CALM_AFTER_S = 0.02
# In a storm one decision is handed out each so often, and whatever has waited so long.
TRICKLE_S, LONGEST_WAIT_S = 0.01, 1.0

_ANSWERS = (AnswerOver, AnswerPress)
_RADIO = (PageChannel, TalkOnChannel, SetTalkGroup, WithdrawPage, AnswerOver)

Rows = Iterable[tuple[str, Outgoing]]


class Handed(NamedTuple):
    """A row with its driver: handed out, and not settled."""

    driver: str
    outgoing: Outgoing


class HandOut:
    """Gives outbox rows to their drivers and remembers which are not settled.

    Args:
        no_driver: Told of a row whose driver is not there (a reload took it away).
        failed: Told what a driver raised, which none may.
    """

    def __init__(
        self,
        no_driver: Callable[[str, Outgoing], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._no_driver = no_driver
        self._failed = failed
        self._drivers: dict[str, Driver] = {}
        self._unsettled: dict[int, Handed] = {}
        self._waiting: deque[tuple[float, list[tuple[str, Outgoing]]]] = deque()
        self._trickling = False
        self._receipts_due = 0
        self._last_alert_s = 0.0
        self._storm = False

    @property
    def drivers(self) -> Mapping[str, Driver]:
        """Return the drivers in use, by name."""
        return self._drivers

    @property
    def unsettled(self) -> Iterable[int]:
        """Return the rows that were handed out and are not settled."""
        return tuple(self._unsettled)

    def change_drivers(self, drivers: Mapping[str, Driver]) -> None:
        """Use other drivers from now on; what an old one had not settled is its successor's."""
        before, self._drivers = self._drivers, dict(drivers)
        changed = {n for n in before if before[n] is not self._drivers.get(n)}
        self.give([row for row in self._unsettled.values() if row.driver in changed])

    def started(self, outbox_id: int) -> None:
        """Note that a row is about to leave: handed out again, it says so."""
        row = self._unsettled.get(outbox_id)
        if row is not None:
            self._unsettled[outbox_id] = Handed(row.driver, once_more(row.outgoing))

    def settle(self, outbox_id: int) -> None:
        """Note that a row is done with."""
        self._unsettled.pop(outbox_id, None)

    # -- when ---------------------------------------------------------------------------------

    def receipt_due(self) -> None:
        """Note that an alert was decided on; its receipt goes before other work."""
        now_s = asyncio.get_running_loop().time()
        self._look_up(now_s)
        self._receipts_due += 1
        self._last_alert_s = now_s
        self._storm = self._storm or self._receipts_due >= STORM

    def receipt_given(self) -> None:
        """Note that its receipt is on the way, or will never be."""
        self._receipts_due -= 1

    def take(self, rows: list[tuple[str, Outgoing]], *, at_once: bool) -> None:
        """Hand out the rows of one decision, now or in their turn."""
        if not rows:
            return
        loop = asyncio.get_running_loop()
        self._look_up(loop.time())
        if at_once or not (self._storm or self._waiting):
            self._give_taken_back(rows)
            self.give(rows)
            return
        # A guard waits for the tone or the toast; neither depends on what went before it.
        self.give([row for row in rows if isinstance(row[1].effect, _ANSWERS)])
        held = [row for row in rows if not isinstance(row[1].effect, _ANSWERS)]
        if not held:
            return
        self._waiting.append((loop.time() + LONGEST_WAIT_S, held))
        if not self._trickling:
            self._trickling = True
            loop.call_later(TRICKLE_S, self._trickle)

    def _give_taken_back(self, rows: list[tuple[str, Outgoing]]) -> None:
        """Hand out what waits and is now taken back: a page goes before its withdrawal."""
        back = {e.page for _, row in rows if isinstance(e := row.effect, WithdrawPage)}
        if not back or not self._waiting:
            return
        waiting, self._waiting = self._waiting, deque()
        for due_s, held in waiting:
            if any(_page_of(row) in back for _, row in held):
                self.give(held)
            else:
                self._waiting.append((due_s, held))

    def _look_up(self, now_s: float) -> None:
        """See whether the storm is over."""
        if self._receipts_due <= 0 and now_s - self._last_alert_s > CALM_AFTER_S:
            self._storm = False

    def _trickle(self) -> None:
        """Hand out one decision and the overdue while alerts pour in, else all that waits."""
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        self._look_up(now_s)
        try:
            if self._waiting:
                self.give(self._waiting.popleft()[1])
            while self._waiting and (not self._storm or self._waiting[0][0] <= now_s):
                self.give(self._waiting.popleft()[1])
        except Exception as error:  # noqa: BLE001  # no task whose end would end the engine
            self._failed(error)
        self._trickling = bool(self._waiting)
        if self._trickling:
            loop.call_later(TRICKLE_S, self._trickle)

    def give(self, rows: Rows) -> None:
        """Hand out rows now."""
        for name, outgoing in rows:
            self._unsettled[outgoing.id] = Handed(name, outgoing)
            driver = self._drivers.get(name)
            if driver is not None:
                driver.deliver(outgoing)
            else:
                self._no_driver(name, outgoing)


def _page_of(outgoing: Outgoing) -> str | None:
    effect = outgoing.effect
    return effect.page if isinstance(effect, PageChannel | TalkOnChannel) else None


def once_more(outgoing: Outgoing) -> Outgoing:
    """Mark what a platform shows twice: it may have left just before its mark was on the disk.

    The radio process remembers page ids itself, so a page needs no such caution.
    """
    shown = isinstance(outgoing.effect, PostCard | PostPhoto | SendText | SendVoice)
    return replace(outgoing, again=True) if shown else outgoing


def driver_of(effect: OutboxEffect) -> str:
    """Return the driver an effect goes to: the radio process, or the chat it names."""
    if isinstance(effect, _RADIO):
        return "radio"
    return f"chat:{effect.chat}"


def not_sent(effect: OutboxEffect, now_us: int, reason: str) -> Event | None:
    """Return what tells the core that this will never leave; None where nobody asks for it."""
    match effect:
        case PageChannel() | TalkOnChannel():
            return PageFailed(at_us=now_us, page=effect.page, reason=reason)
        case PostCard():
            return CardFailed(at_us=now_us, card=effect.card, state="failed", reason=reason)
        case PostPhoto() | RecallPhoto():
            return PhotoFailed(at_us=now_us, post=effect.post, state="failed", reason=reason)
        case _:
            return None
