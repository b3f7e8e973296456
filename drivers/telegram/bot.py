"""The Telegram driver: one bot account, its groups, its private chats."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from drivers.telegram.calls import made
from drivers.telegram.codec import WORDS, Account
from drivers.telegram.limits import Limits
from drivers.telegram.polling import Poller
from drivers.telegram.reach import DOWN_AFTER_S, PathWatch
from drivers.telegram.request import ANSWER_S, CONNECT_S, AiohttpRequest
from drivers.telegram.sending import Sender
from drivers.telegram.settings import TelegramChat
from gateway.interfaces import Intake, Outgoing, SetupError, Surroundings, WallClock

SHORTEST_KEY: Final = 16
# One for the group's card and one for a guard's own; a poll holds another beside these.
SPARE_CONNECTIONS: Final = 2
WARM_EVERY_S: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """What no technician sets: time limits and chance.

    Attributes:
        connect_s: Longest time to get a connection.
        answer_s: Longest time for a call.
        down_after_s: How long the platform may be away before the path counts as lost.
        warm_every_s: How often the spare connections are used, so that they stay open.
        limits: Instead of those of the settings.
        chance: Draws uniformly from 0..1, for back-off.
    """

    connect_s: float = CONNECT_S
    answer_s: float = ANSWER_S
    down_after_s: float = DOWN_AFTER_S
    warm_every_s: float = WARM_EVERY_S
    limits: Limits | None = None
    chance: Callable[[], float] = field(default=random.random)


class TelegramDriver:
    """Posts cards and takes in what people press, write and send.

    Args:
        chat: Chat id of the settings.
        settings: The account's settings.
        token: The bot token; never leaves the URL.
        callback_key: Secret of the buttons, 16 characters or more.
        media_dir: Where photos and voice notes are kept.
        recordings_dir: Where the recordings of the air are.
        clock: Wall time.
        language: Language of what the driver itself says.
        tuning: Time limits and chance.

    Raises:
        SetupError: The callback key is too short.
    """

    def __init__(
        self,
        chat: str,
        settings: TelegramChat,
        *,
        token: str,
        callback_key: str,
        media_dir: Path,
        recordings_dir: Path,
        clock: WallClock,
        language: str = "zh_CN",
        tuning: Tuning | None = None,
    ) -> None:
        tuning = tuning or Tuning()
        self.name = f"chat:{chat}"
        account = _account(chat, settings, callback_key, language)
        self._request = AiohttpRequest(
            token, connect_s=tuning.connect_s, answer_s=tuning.answer_s
        )
        bot = made(token, settings.api_base_url, settings.file_base_url, self._request)
        self._bot = bot
        self._warm_every_s = tuning.warm_every_s
        self._watch = PathWatch(chat, clock, tuning.down_after_s)
        limits = tuning.limits or limits_of(settings)
        folders = {"recordings": recordings_dir, "media": media_dir}
        self._sender = Sender(
            bot, account, limits, clock, self._watch, tuning.chance, folders
        )
        self._poller = Poller(
            bot,
            account,
            self._sender,
            clock,
            self._watch,
            media_dir,
            settings.poll_timeout_s,
            tuning.chance,
        )

    async def run(self, intake: Intake) -> None:
        """Send and take in until cancelled; a platform that is away is waited for."""
        await self._request.initialize()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._sender.run(intake))
                tasks.create_task(self._poller.run(intake))
                tasks.create_task(self._stay_warm())
        finally:
            await self._request.shutdown()

    async def _stay_warm(self) -> None:
        """Keep connections open: after hours of quiet the first card shall not wait for one."""
        while True:
            async with asyncio.TaskGroup() as calls:
                for _ in range(SPARE_CONNECTIONS):
                    calls.create_task(self._bot.touch())
            await asyncio.sleep(self._warm_every_s)

    def deliver(self, outgoing: Outgoing) -> None:
        """Take an effect; never blocks. Also before ``run``: it waits then."""
        self._sender.deliver(outgoing)


def limits_of(settings: TelegramChat) -> Limits:
    """Return the limits that the settings give."""
    return Limits(
        per_chat_per_s=settings.per_chat_per_s,
        per_group_per_min=settings.per_group_per_min,
        per_s=settings.per_s,
    )


def _account(chat: str, settings: TelegramChat, key: str, language: str) -> Account:
    if len(key) < SHORTEST_KEY:
        raise SetupError(
            f"chats.{chat}.callback_key: {settings.callback_key} holds fewer than "
            f"{SHORTEST_KEY} characters; put 32 random ones there"
        )
    return Account(
        chat=chat,
        groups=frozenset(settings.groups.values()),
        key=key.encode(),
        words=WORDS[language],
    )


class Plugin:
    """What the composition root knows of this driver."""

    def build(self, name: str, settings: TelegramChat, around: Surroundings) -> TelegramDriver:
        """Return the driver of one account, not running yet.

        Raises:
            SetupError: A secret is missing, open to others, or too short.
        """
        return TelegramDriver(
            name,
            settings,
            token=settings.token.read(around.base_dir),
            callback_key=settings.callback_key.read(around.base_dir),
            media_dir=around.media_dir,
            recordings_dir=around.recordings_dir,
            clock=around.clock,
            language=around.language,
        )


plugin: Final = Plugin()
