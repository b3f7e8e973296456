"""Photos and voice notes: fetched from the platform, kept on the disk, then told."""

import asyncio
import hashlib
import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from telegram.error import BadRequest, TelegramError

from drivers.telegram.calls import GatewayBot, one_line
from drivers.telegram.codec import File
from drivers.telegram.request import TooLargeError
from gateway.core.delivery import backoff_s

TRIES: Final = 3
_PATH: Final = re.compile(
    r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*", re.ASCII
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that is whole and on the disk.

    Attributes:
        path: Below the media folder.
        sha256: Digest of its bytes.
    """

    path: str
    sha256: str


async def fetch(
    bot: GatewayBot, file: File, name: str, folder: Path, chance: Callable[[], float]
) -> Kept | None:
    """Return the kept file; None when it is too large, gone, or failed three times.

    Args:
        bot: Where it is.
        file: What to fetch.
        name: Its name here without ending; ours, never the sender's.
        folder: The media folder.
        chance: Draws uniformly from 0..1.
    """
    for attempt in range(1, TRIES + 1):
        try:
            data = await _download(bot, file)
            return await asyncio.to_thread(keep, folder, name + file.suffix, data)
        except (TooLargeError, BadRequest) as error:
            _log.warning("chat file %s not taken: %s", name, one_line(error))
            return None
        except TelegramError as error:
            _log.warning("chat file %s, attempt %d: %s", name, attempt, one_line(error))
        except OSError as error:
            _log.error("chat file %s cannot be written to %s: %s", name, folder, error)
        if attempt < TRIES:
            await asyncio.sleep(backoff_s(attempt, None, chance()))
    return None


async def _download(bot: GatewayBot, file: File) -> bytes:
    path = await bot.file_path(file.id)
    if not _PATH.fullmatch(path):
        raise TooLargeError("the platform gave a path that is none")
    return await bot.download(path)


def keep(folder: Path, name: str, data: bytes) -> Kept:
    """Return once ``data`` stands under ``name`` and would outlive a power cut."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = folder / f".{name}.part"
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / name)
    _sync_folder(folder)
    return Kept(name, hashlib.sha256(data).hexdigest())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
