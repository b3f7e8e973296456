"""Updates on their way in: asked for, decoded, handed in, and only then let go."""

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from telegram.error import InvalidToken, TelegramError

from drivers.telegram import codec, media
from drivers.telegram.calls import GatewayBot, one_line
from drivers.telegram.codec import Account, Json, Taken
from drivers.telegram.offsets import Offsets
from drivers.telegram.reach import PathWatch
from drivers.telegram.request import HeldError
from drivers.telegram.sending import Sender
from gateway.core.answers.events import MediaReceived
from gateway.core.delivery import backoff_s
from gateway.core.effects import AnswerPress
from gateway.core.events import Event
from gateway.interfaces import Cursor, Intake, WallClock

LONGEST_PAUSE_S: Final = 5.0
TOKEN_PAUSE_S: Final = 30.0  # a wrong token does not become right by asking often
PAUSE_S: Final = 0.5
DOWNLOADS: Final = 4
TOAST_LIFE_US: Final = 10_000_000
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Poller:
    """Takes updates in one after the other; files are fetched beside that.

    Args:
        bot: The account's calls.
        account: Groups, key and words.
        sender: Answers presses that are refused here.
        clock: Wall time of events.
        watch: Told whether the platform answers.
        media_dir: Where photos and voice notes are kept.
        wait_s: Longest wait of one poll.
        chance: Draws uniformly from 0..1, for back-off.
    """

    def __init__(
        self,
        bot: GatewayBot,
        account: Account,
        sender: Sender,
        clock: WallClock,
        watch: PathWatch,
        media_dir: Path,
        wait_s: int,
        chance: Callable[[], float],
    ) -> None:
        self._bot = bot
        self._account = account
        self._sender = sender
        self._clock = clock
        self._watch = watch
        self._media_dir = media_dir
        self._wait_s = wait_s
        self._chance = chance
        self._source = f"telegram:{account.chat}"
        self._away = False
        self._fetched = asyncio.Event()
        self._slots = asyncio.Semaphore(DOWNLOADS)

    async def run(self, intake: Intake) -> None:
        """Take updates in from the stored position on, until cancelled."""
        offsets = Offsets(await intake.cursor(self._source))
        await self._reached(self._greet, intake)
        async with asyncio.TaskGroup() as fetches:
            while True:
                self._fetched.clear()
                updates = await self._reached(lambda: self._ask(offsets), intake)
                fresh = [update for update in _in_order(updates) if offsets.begin(update[0])]
                for update_id, update in fresh:
                    await self._take(update_id, update, offsets, intake, fetches)
                if not fresh:
                    await self._rest(bool(updates), offsets)

    async def _reached(self, call: Callable[[], Awaitable[_T]], intake: Intake) -> _T:
        """Return what the call gives, making it until the platform answers."""
        failures = 0
        while True:
            began = asyncio.get_running_loop().time()
            try:
                given = await call()
            except TelegramError as error:
                failures += 1
                self._away = True
                reason = one_line(error)
                if isinstance(error, InvalidToken):
                    began = -math.inf  # this does not pass by itself: told at once
                pause_s = self._pause_s(error, failures)
            else:
                self._away = False
                await self._watch.answered("in", intake)
                return given
            _log.warning("chat %s does not answer: %s", self._account.chat, reason)
            await self._watch.failed("in", began, reason, intake)
            await asyncio.sleep(pause_s)

    def _pause_s(self, error: TelegramError, failures: int) -> float:
        if isinstance(error, InvalidToken):
            return TOKEN_PAUSE_S
        if isinstance(error, HeldError):
            return error.after_s
        return min(LONGEST_PAUSE_S, backoff_s(failures, None, self._chance()))

    async def _greet(self) -> None:
        await self._bot.raw_call("getMe", {})
        # A webhook left by somebody would keep every update from us.
        await self._bot.raw_call("deleteWebhook", {})

    async def _ask(self, offsets: Offsets) -> list[object]:
        # After a failure the first poll does not wait: its answer tells that the path is back.
        wait_s = 0 if offsets.waiting or self._away else self._wait_s
        return await self._bot.raw_updates(offsets.offset, wait_s)

    async def _rest(self, repeated: bool, offsets: Offsets) -> None:
        """Wait where the platform will not: beside downloads, and when it repeats itself."""
        if not repeated:
            offsets.nothing_left()
        if repeated or offsets.waiting or not self._wait_s:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PAUSE_S):
                    await self._fetched.wait()

    async def _take(
        self,
        update_id: int,
        update: Json,
        offsets: Offsets,
        intake: Intake,
        fetches: asyncio.TaskGroup,
    ) -> None:
        now_us = self._clock.now_us()
        try:
            taken = codec.take(update, self._account, now_us)
        except codec.UndecodableError as error:
            taken = Taken(codec.refused(update, self._account, str(error), now_us))
        if taken is None:
            offsets.done(update_id)
        elif taken.file is not None:
            fetches.create_task(self._fetch(update_id, taken, offsets, intake))
        else:
            await self._submit(update_id, taken.event, offsets, intake)
            self._toast(taken, now_us)

    async def _fetch(
        self, update_id: int, taken: Taken, offsets: Offsets, intake: Intake
    ) -> None:
        assert isinstance(taken.event, MediaReceived) and taken.file is not None
        name = f"{self._account.chat}-{update_id}"
        async with self._slots:
            kept = await media.fetch(self._bot, taken.file, name, self._media_dir, self._chance)
        event = (
            replace(taken.event, path=kept.path, sha256=kept.sha256) if kept else taken.event
        )
        await self._submit(update_id, event, offsets, intake)
        self._fetched.set()

    async def _submit(
        self, update_id: int, event: Event, offsets: Offsets, intake: Intake
    ) -> None:
        position = offsets.position(update_id)
        cursor = Cursor(source=self._source, position=position) if position else None
        await intake.submit(event, cursor=cursor)
        offsets.done(update_id)

    def _toast(self, taken: Taken, now_us: int) -> None:
        if taken.answer is None:
            return
        toast = AnswerPress(
            chat=self._account.chat,
            press=taken.answer,
            text=taken.toast,
            alert=True,
            not_after_us=now_us + TOAST_LIFE_US,
        )
        self._sender.say(toast)


def _in_order(updates: list[object]) -> list[tuple[int, Json]]:
    """Return the updates by id; one without an id cannot be let go, so it is only logged."""
    known: list[tuple[int, Json]] = []
    for update in updates:
        try:
            known.append(codec.identified(update))
        except codec.UndecodableError as error:
            _log.error("an update without an id came: %s", error)
    return sorted(known, key=lambda pair: pair[0])
