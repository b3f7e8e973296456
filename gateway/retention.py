"""Keeping things no longer than the settings say: recordings, and photos and voice from chats.

A file goes when its day is over, unless it hangs on an order that is open, or held for a
complaint or a court (legal hold). The journal tells first, then the files go: one that is left
over goes the next time.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.core.events import RecordingsExpired
from gateway.interfaces import Intake, WallClock, Wanted
from gateway.records import Records
from gateway.settings import RetentionSettings

_LOG: Final = logging.getLogger("gridcall.retention")

DAY_US: Final = 86_400 * 1_000_000
# Not while everything else is starting, then often enough that a day is a day.
FIRST_AFTER_S: Final = 300.0
EVERY_S: Final = 6 * 3600.0
# Nobody has so many open orders that hang on old files.
_HELD_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Old:
    """Files that have served their time.

    Attributes:
        recordings: Recordings of the air.
        media: Photos and voice notes.
        held: How many are older and stay, for an order that is open or held.
    """

    recordings: tuple[Path, ...]
    media: tuple[Path, ...]
    held: int


async def keep_within(
    retention: Callable[[], RetentionSettings],
    state_dir: Path,
    records: Records,
    intake: Intake,
    clock: WallClock,
) -> None:
    """Take away what has served its time, four times a day, until cancelled."""
    await asyncio.sleep(FIRST_AFTER_S)
    while True:
        # A clock that was never set must not make everything look old, or new.
        if clock.synchronised():
            await expire(retention(), state_dir, records, intake, clock.now_us())
        await asyncio.sleep(EVERY_S)


async def expire(
    retention: RetentionSettings,
    state_dir: Path,
    records: Records,
    intake: Intake,
    now_us: int,
) -> Old:
    """Return what was taken away, once the journal tells of it and it is gone."""
    recordings_before_us = now_us - retention.recordings_days * DAY_US
    media_before_us = now_us - retention.media_days * DAY_US
    wanted = await needed(records)
    old = await asyncio.to_thread(
        find_old, state_dir, recordings_before_us, media_before_us, wanted
    )
    if old.recordings or old.media:
        event = RecordingsExpired(
            at_us=now_us,
            recordings=len(old.recordings),
            media=len(old.media),
            recordings_before_us=recordings_before_us,
            media_before_us=media_before_us,
            held=old.held,
        )
        await intake.submit(event)
        await asyncio.to_thread(remove, (*old.recordings, *old.media))
    return old


async def needed(records: Records) -> frozenset[str]:
    """Return the stems of the files that hang on orders that are open or held."""
    stems: set[str] = set()
    still_open = await records.orders(open_only=True, limit=_HELD_MAX)
    for key in {*(str(order["id"]) for order in still_open), *await records.held()}:
        for recording in await records.recordings(Wanted(order=key, limit=_HELD_MAX)):
            stems.add(Path(str(recording["path"])).stem)
        whole = await records.order(key)
        if whole is not None:
            stems |= set(_media_of(whole))
    return frozenset(stems)


def _media_of(order: dict[str, object]) -> Iterable[str]:
    """Yield the stems of files of an order: its alert's, its people's, answers to photos."""
    alert, timeline = order["alert"], order["timeline"]
    assert isinstance(alert, dict) and isinstance(timeline, list)
    yield from (str(media) for media in alert.get("attachments", ()))
    for report in timeline:
        yield from (Path(str(media)).stem for media in report["media"])
        if report["node"] == "media" and report["detail"]:
            yield Path(str(report["detail"]).rpartition(" ")[2]).stem


def find_old(
    state_dir: Path, recordings_before_us: int, media_before_us: int, needed: frozenset[str]
) -> Old:
    """Return the files last written before their moment that no open order hangs on."""
    recordings = _before((state_dir / "recordings").glob("*/*/*"), recordings_before_us)
    media = _before((state_dir / "media").glob("*"), media_before_us)
    held = [file for file in (*recordings, *media) if file.stem in needed]
    return Old(
        tuple(file for file in recordings if file.stem not in needed),
        tuple(file for file in media if file.stem not in needed),
        len(held),
    )


def _before(files: Iterable[Path], moment_us: int) -> list[Path]:
    found = []
    for file in files:
        try:
            old = file.is_file() and file.stat().st_mtime_ns // 1000 < moment_us
        except OSError:
            continue  # it went while we looked
        if old and not file.is_symlink():
            found.append(file)
    return sorted(found)


def remove(files: Sequence[Path]) -> None:
    """Return with the files gone, and the folders of channels and days that are empty now."""
    for file in files:
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            _LOG.error("%s cannot be deleted: %s; whose is the folder?", file, error.strerror)
    channels = {file.parent for file in files if file.parent.parent.parent.name == "recordings"}
    for folder in (*channels, *{channel.parent for channel in channels}):
        with contextlib.suppress(OSError):  # it is not empty
            folder.rmdir()
