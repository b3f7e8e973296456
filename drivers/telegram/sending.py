"""Effects on their way to the platform: one queue, at most 16 calls under way."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

from drivers.telegram.calls import (
    Done,
    Failing,
    GatewayBot,
    Held,
    Moved,
    Outcome,
    Refused,
    perform,
)
from drivers.telegram.codec import Account
from drivers.telegram.limits import NEVER, Limits
from drivers.telegram.reach import PathWatch
from drivers.telegram.send_queue import SendQueue, Waiting
from gateway.core.after.events import PhotoFailed, PhotoPosted, PhotoTakenBack
from gateway.core.calls.events import CardFailed, CardPosted
from gateway.core.delivery import backoff_s
from gateway.core.effects import (
    AnswerPress,
    ChatEffect,
    EditCard,
    ForgetAddress,
    PostCard,
    PostPhoto,
    RecallPhoto,
)
from gateway.core.events import Event
from gateway.interfaces import Intake, Outgoing, WallClock

_FULL: Final = "too many messages are waiting"
_log = logging.getLogger(__name__)


class Sender:
    """Takes effects at any time and sends them in order of urgency, until they expire.

    Args:
        bot: The account's calls.
        account: Key, words and name of the account.
        limits: Our own limits, under the platform's.
        clock: Wall time, in which expiry is given.
        watch: Told whether the platform answers.
        chance: Draws uniformly from 0..1, for back-off.
        folders: Where the files are that voice notes are, by ``SendVoice.folder``.
    """

    def __init__(
        self,
        bot: GatewayBot,
        account: Account,
        limits: Limits,
        clock: WallClock,
        watch: PathWatch,
        chance: Callable[[], float],
        folders: Mapping[str, Path],
    ) -> None:
        self._bot = bot
        self._account = account
        self._clock = clock
        self._watch = watch
        self._chance = chance
        self._folders = folders
        self._queue = SendQueue(limits)
        self._unsettled: dict[int, Waiting] = {}
        self._displaced: list[Waiting] = []
        self._forgotten: list[int] = []
        self._wake = asyncio.Event()

    def deliver(self, outgoing: Outgoing) -> None:
        """Take an effect of the outbox; never blocks."""
        effect = outgoing.effect
        if isinstance(effect, ForgetAddress):
            self._forgotten += [*self._queue.forget(effect.address), outgoing.id]
            self._wake.set()
            return
        assert isinstance(effect, ChatEffect), "only chat effects go to a chat"
        self._put(effect, outgoing.id, outgoing.again)

    def say(self, effect: AnswerPress) -> None:
        """Take what the driver itself wants to say; not in the outbox, so it may be lost."""
        self._put(effect, None, again=False)

    async def run(self, intake: Intake) -> None:
        """Send until cancelled. What a former run left under way goes out again, marked."""
        await self._resume(intake)
        async with asyncio.TaskGroup() as calls:
            while True:
                self._wake.clear()
                now = asyncio.get_running_loop().time()
                for item in self._queue.overdue(now):
                    self._unsettled[item.seq] = item
                    calls.create_task(self._give_up(item, "expired", _late(item), intake))
                while self._forgotten:
                    intake.settle(self._forgotten.pop())
                while self._displaced:
                    calls.create_task(self._replaced(self._displaced.pop(), intake))
                item_or_wait = self._queue.take(now)
                if isinstance(item_or_wait, Waiting):
                    self._unsettled[item_or_wait.seq] = item_or_wait
                    calls.create_task(self._carry_out(item_or_wait, intake))
                else:
                    await self._sleep(item_or_wait)

    async def _resume(self, intake: Intake) -> None:
        left, self._unsettled = self._unsettled, {}
        for item in left.values():
            await self._again(replace(item, again=True), 0.0, intake)

    def _put(self, effect: ChatEffect, outbox: int | None, again: bool) -> None:
        deadline = self._deadline(effect.not_after_us)
        displaced = self._queue.put(Waiting(effect, outbox, deadline, again))
        if displaced is not None:
            self._displaced.append(displaced)
        self._wake.set()

    def _deadline(self, not_after_us: int) -> float:
        """Return the loop's time of an expiry; an unset clock expires nothing."""
        if not self._clock.synchronised():
            return NEVER
        left_s = (not_after_us - self._clock.now_us()) / 1e6
        return asyncio.get_running_loop().time() + left_s

    async def _sleep(self, longest_s: float) -> None:
        """Return when something has happened, or when the time is up.

        Twice for each card; asyncio.timeout costs several times what the timer itself does.
        """
        if longest_s == NEVER:
            await self._wake.wait()
            return
        timer = asyncio.get_running_loop().call_later(longest_s, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            timer.cancel()

    async def _carry_out(self, item: Waiting, intake: Intake) -> None:
        if item.outbox is not None and item.attempts == 1:
            intake.started(item.outbox)
        loop = asyncio.get_running_loop()
        began = loop.time()
        address = self._address_now(item.address)
        try:
            outcome = await perform(
                self._bot,
                item.effect,
                address,
                item.again,
                self._account,
                self._clock.now_us(),
                self._folders,
            )
        finally:
            self._queue.ended(item, loop.time())
            self._wake.set()
        await self._conclude(item, outcome, began, intake)
        self._unsettled.pop(item.seq, None)

    def _address_now(self, address: str) -> str:
        """Return where messages for an address go: a group may have a new id."""
        moved = self._account.moved.items()
        return next((new for new, known in moved if known == address), address)

    async def _conclude(
        self, item: Waiting, outcome: Outcome, began: float, intake: Intake
    ) -> None:
        match outcome:
            case Done():
                await self._report_done(item, outcome, intake)
            case Held():
                wait_s = backoff_s(item.attempts, outcome.after_s, self._chance())
                self._queue.hold(item.address, asyncio.get_running_loop().time() + wait_s)
                await self._again(item, 0.0, intake)
            case Failing():
                await self._fail(item, outcome, began, intake)
                return
            case Moved():
                _log.warning("a group has a new id %s: write it into the YAML", outcome.address)
                self._account.moved[outcome.address] = item.address
                await self._again(item, 0.0, intake)
            case Refused():
                await self._give_up(item, "failed", outcome.reason, intake)
        await self._watch.answered("out", intake)

    async def _report_done(self, item: Waiting, done: Done, intake: Intake) -> None:
        event = _event_of(item.effect, done, self._clock.now_us())
        if event is None:
            _settled(item, intake)
            return
        assert item.outbox is not None
        await intake.submit(event, settles=(item.outbox,))

    async def _fail(
        self, item: Waiting, failing: Failing, began: float, intake: Intake
    ) -> None:
        # Only a new post can stand there twice; an edit or a toast twice is the same as once.
        posts = not isinstance(item.effect, EditCard | RecallPhoto | AnswerPress)
        tried = replace(
            item, again=item.again or (failing.unsure and posts), why=failing.reason
        )
        wait_s = backoff_s(item.attempts, None, self._chance())
        await self._again(tried, asyncio.get_running_loop().time() + wait_s, intake)
        if failing.reached:
            await self._watch.answered("out", intake)
        else:
            await self._watch.failed("out", began, failing.reason, intake)

    async def _again(self, item: Waiting, at: float, intake: Intake) -> None:
        if not self._queue.retry(item, at):
            _settled(item, intake)
        self._wake.set()

    async def _replaced(self, item: Waiting, intake: Intake) -> None:
        """End what was displaced: an edit by a newer one, or anything by a full queue."""
        if isinstance(item.effect, EditCard):
            _settled(item, intake)
        else:
            await self._give_up(item, "failed", _FULL, intake)

    async def _give_up(
        self, item: Waiting, state: Literal["failed", "expired"], reason: str, intake: Intake
    ) -> None:
        effect = item.effect
        _log.warning("%s not sent (%s): %s", type(effect).__name__, state, reason)
        now_us = self._clock.now_us()
        if isinstance(effect, PostCard | EditCard):
            assert item.outbox is not None
            event = CardFailed(at_us=now_us, card=effect.card, state=state, reason=reason)
            await intake.submit(event, settles=(item.outbox,))
        elif isinstance(effect, PostPhoto | RecallPhoto):
            assert item.outbox is not None
            failed = PhotoFailed(at_us=now_us, post=effect.post, state=state, reason=reason)
            await intake.submit(failed, settles=(item.outbox,))
        else:
            _settled(item, intake)
        self._unsettled.pop(item.seq, None)


def _settled(item: Waiting, intake: Intake) -> None:
    if item.outbox is not None:
        intake.settle(item.outbox)


def _event_of(effect: ChatEffect, done: Done, now_us: int) -> Event | None:
    """Return what is told of a call that went well, or None where nobody waits for it."""
    match effect:
        case PostCard():
            assert done.message is not None
            return CardPosted(at_us=now_us, card=effect.card, message=done.message)
        case PostPhoto():
            assert done.message is not None
            return PhotoPosted(at_us=now_us, post=effect.post, message=done.message)
        case RecallPhoto():
            how: Literal["deleted", "replaced"] = "replaced" if done.changed else "deleted"
            return PhotoTakenBack(at_us=now_us, post=effect.post, how=how)
        case _:
            return None


def _late(item: Waiting) -> str:
    if not item.why:
        return "its time passed while it waited"
    unsure = "; it may stand in the chat" if item.again else ""
    return f"its time passed; last attempt: {item.why}{unsure}"
