"""The calls of the Bot API that we make, and what each came to."""

import asyncio
import contextlib
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from telegram import Bot, InputFile
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    InvalidToken,
    NetworkError,
    TelegramError,
)

from drivers.telegram import bodies
from drivers.telegram.codec import WANTED, Account
from drivers.telegram.photos import GONE, photo_file
from drivers.telegram.request import (
    AiohttpRequest,
    HeldError,
    NoAnswerError,
    NotSentError,
    ServerFaultError,
)
from gateway.core.effects import ChatEffect, PostCard, PostPhoto, RecallPhoto, SendVoice

POLL_MARGIN_S: Final = 4.0
# Bot API sendVoice: up to 1 MB plays as a voice note, what is larger would come as a file.
LARGEST_VOICE_BYTES: Final = 1 << 20
_LONGEST_REASON: Final = 200
# What BadRequest says when there is nothing left to do. The texts are the Bot API's own.
_ALREADY_SO: Final = "message is not modified"
_TOO_LATE: Final = re.compile(r"query is too old|query id is invalid", re.IGNORECASE)


class GatewayBot(Bot):
    """The Bot with calls that take and give plain JSON, and without its token in its name.

    ``Bot.get_updates`` makes objects of all updates of an answer at once: one that is broken
    would lose the others and come again for ever. ``Bot.send_message`` makes objects of a
    whole message, of which we need the id.
    """

    def __repr__(self) -> str:
        """Return a name without the token."""
        return "GatewayBot"

    async def raw_updates(self, offset: int | None, wait_s: float) -> list[object]:
        """Return updates from ``offset`` on, as they came, waiting up to ``wait_s`` for one."""
        data = {"timeout": int(wait_s), "offset": offset, "allowed_updates": WANTED}
        answer: Any = await self._post("getUpdates", data, read_timeout=wait_s + POLL_MARGIN_S)
        if not isinstance(answer, list):
            raise NoAnswerError("the answer to getUpdates is no list")
        return answer

    async def raw_call(self, method: str, values: bodies.Values) -> object:
        """Make a call and return its result as it came."""
        return await self._post(method, values)

    async def touch(self) -> None:
        """Use a connection, or make one, so that the next call need not; failing is no news."""
        with contextlib.suppress(TelegramError):
            await self.raw_call("getMe", {})

    async def file_path(self, file_id: str) -> str:
        """Return where a file can be downloaded, below the base of files."""
        answer: Any = await self._post("getFile", {"file_id": file_id})
        path = answer.get("file_path") if isinstance(answer, dict) else None
        if not isinstance(path, str):
            raise NoAnswerError("the answer to getFile has no path")
        return path

    async def download(self, path: str) -> bytes:
        """Return the bytes of a file. Raises TooLargeError over 10 MB."""
        return await self.request.retrieve(f"{self.base_file_url}/{path}")


@dataclass(frozen=True, slots=True)
class Done:
    """It stands as we want it.

    Attributes:
        message: The platform's id of a new post.
        changed: Of a photo that could not be deleted: its words were changed instead.
    """

    message: str | None = None
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """The platform asks to leave this chat alone for a while; nothing was done."""

    after_s: float


@dataclass(frozen=True, slots=True)
class Failing:
    """Trying again is right.

    Attributes:
        unsure: It may have been done.
        reached: The platform did answer.
    """

    reason: str
    unsure: bool
    reached: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """The platform will never do it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Moved:
    """The group has a new id (it became a supergroup)."""

    address: str


Outcome = Done | Held | Failing | Refused | Moved


def made(
    token: str, api_base_url: str, file_base_url: str, request: AiohttpRequest
) -> GatewayBot:
    """Return a bot on our request backend; no call is made yet."""
    # At DEBUG python-telegram-bot logs its URLs, and with them the token, and every update.
    for name in ("telegram", "telegram.Bot"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return GatewayBot(
        token,
        base_url=api_base_url,
        base_file_url=file_base_url,
        request=request,
        get_updates_request=request,
    )


async def perform(
    bot: GatewayBot,
    effect: ChatEffect,
    address: str,
    again: bool,
    account: Account,
    now_us: int,
    folders: Mapping[str, Path],
) -> Outcome:
    """Make the call that an effect asks for and return what it came to; never raises for it.

    Args:
        bot: The account.
        effect: What to do.
        address: Where to; the effect's own unless the group has moved.
        again: Whether it may stand there already, and must say so.
        account: Key and words.
        now_us: Wall time, for the life of the buttons.
        folders: Where files are: of voice notes by ``SendVoice.folder``, photos in ``media``.
    """
    try:
        method, values = bodies.call(effect, address, again, account, now_us)
        if isinstance(effect, SendVoice):
            values["voice"] = await voice_file(folders[effect.folder], effect.path)
        elif isinstance(effect, PostPhoto):
            values["photo"] = await photo_file(folders["media"], effect.media)
    except ValueError as error:
        return Refused(f"it cannot be sent: {error}")
    except OSError as error:
        return Refused(f"the file cannot be read: {error.strerror}")
    try:
        return _done(effect, await bot.raw_call(method, values))
    except TelegramError as error:
        outcome = outcome_of(error)
    if isinstance(effect, RecallPhoto) and isinstance(outcome, Refused):
        return await _withdraw(bot, effect, address, outcome)
    return outcome


async def _withdraw(
    bot: GatewayBot, effect: RecallPhoto, address: str, refused: Refused
) -> Outcome:
    """Return what became of a photo that is not deleted: it is gone, or its words changed."""
    if GONE in refused.reason.lower():
        return Done()
    try:
        await bot.raw_call("editMessageCaption", bodies.withdrawn(effect, address))
    except TelegramError as error:
        outcome = outcome_of(error)
        return Done(changed=True) if isinstance(outcome, Done) else outcome
    return Done(changed=True)


async def voice_file(folder: Path, path: str) -> InputFile:
    """Return a recording as a call can carry it.

    Raises:
        OSError: It is not there.
        ValueError: It lies elsewhere, or is larger than a voice note may be.
    """
    return await asyncio.to_thread(_voice_file, folder, path)


def _voice_file(folder: Path, path: str) -> InputFile:
    file = (folder / path).resolve()
    if not file.is_relative_to(folder.resolve()):
        raise ValueError("the recording lies outside its folder")
    with file.open("rb") as opened:
        data = opened.read(LARGEST_VOICE_BYTES + 1)
    if len(data) > LARGEST_VOICE_BYTES:
        raise ValueError(f"the recording is larger than {LARGEST_VOICE_BYTES} bytes")
    return InputFile(data, filename="over.ogg", read_file_handle=False)


def _done(effect: ChatEffect, given: object) -> Outcome:
    """Return what a yes of the platform means; a post without an id could never be edited."""
    if not isinstance(effect, PostCard | PostPhoto):
        return Done()
    message = given.get("message_id") if isinstance(given, dict) else None
    if isinstance(message, bool) or not isinstance(message, int) or not 0 < message < 2**63:
        return Failing("the answer has no message id", unsure=True, reached=True)
    return Done(str(message))


def outcome_of(error: TelegramError) -> Outcome:
    """Return what an error of the platform or of the way to it means for a call."""
    reason = one_line(error)
    match error:
        case HeldError():
            return Held(error.after_s)
        case ChatMigrated():
            return Moved(str(error.new_chat_id))
        case BadRequest():
            return _bad_request(reason)
        case NotSentError():
            return Failing(reason, unsure=False, reached=False)
        case InvalidToken() | Conflict():
            return Failing(reason, unsure=False, reached=True)
        case ServerFaultError():
            return Failing(reason, unsure=True, reached=True)
        case NetworkError():
            return Failing(reason, unsure=True, reached=False)
        case _:
            return Refused(reason)


def _bad_request(reason: str) -> Outcome:
    if _ALREADY_SO in reason.lower() or _TOO_LATE.search(reason):
        return Done()
    return Refused(reason)


def one_line(error: TelegramError) -> str:
    """Return the platform's words fit for journal and log: one line, not too long."""
    line = "".join(c if c.isprintable() else " " for c in str(error))
    return line[:_LONGEST_REASON]
