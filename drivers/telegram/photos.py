"""Photos for groups: found below the media folder, posted, and taken back.

Source: Telegram Bot API, core.telegram.org/bots/api (sendPhoto: at most 10 MB; deleteMessage: a
message sent less than 48 hours ago, where the bot is no administrator; editMessageCaption).
"""

import asyncio
from pathlib import Path
from typing import Final

from telegram import InputFile

LARGEST_PHOTO_BYTES: Final = 10_000_000
# How the kinds of picture begin that the platform takes and that a group can see.
_BEGINNINGS: Final = {b"\xff\xd8\xff": "photo.jpg", b"\x89PNG\r\n\x1a\n": "photo.png"}
_SUFFIXES: Final = ("", ".jpg", ".jpeg", ".png")
# What the platform says of a message that is there no more.
GONE: Final = "message to delete not found"


async def photo_file(folder: Path, media: str) -> InputFile:
    """Return a photo as a call can carry it.

    Args:
        folder: The media folder.
        media: Media id, or the file's name.

    Raises:
        OSError: It is not there.
        ValueError: It lies elsewhere, is no JPEG or PNG, or is larger than 10 MB.
    """
    return await asyncio.to_thread(_photo_file, folder, media)


def _photo_file(folder: Path, media: str) -> InputFile:
    file = _found(folder.resolve(), media)
    size = file.stat().st_size
    if size > LARGEST_PHOTO_BYTES:
        raise ValueError(
            f"the photo is {size} bytes and the platform takes {LARGEST_PHOTO_BYTES}: "
            "make it smaller"
        )
    data = file.read_bytes()
    for beginning, name in _BEGINNINGS.items():
        if data.startswith(beginning):
            return InputFile(data, filename=name, read_file_handle=False)
    raise ValueError("the file is no JPEG or PNG")


def _found(folder: Path, media: str) -> Path:
    for suffix in _SUFFIXES:
        file = (folder / f"{media}{suffix}").resolve()
        if not file.is_relative_to(folder):
            raise ValueError("the photo lies outside its folder")
        if file.is_file():
            return file
    raise FileNotFoundError(2, f"there is no photo {media}")
