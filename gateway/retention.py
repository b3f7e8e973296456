"""Keeping things no longer than the settings say: files, positions, whom the journal speaks of.

A file goes when its day is over, unless it hangs on an order that is open, or held for a
complaint or a court (legal hold). The journal tells first, then the files go: one that is left
over goes the next time. Rows never go: what is of somebody stands sealed beside them and is
made unreadable, positions after days, names and words after years.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from gateway.core.events import RecordingsExpired
from gateway.interfaces import Intake, WallClock, Wanted
from gateway.journal.wiping import Faded
from gateway.records import Records
from gateway.settings import RetentionSettings

_LOG: Final = logging.getLogger("gridcall.retention")

DAY_US: Final = 86_400 * 1_000_000
# Never a day before the years are over.
_YEAR_US: Final = 366 * DAY_US
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


class Sealing(Protocol):
    """The journal, as far as it keeps what is of somebody sealed beside its rows."""

    async def faded(
        self, *, positions_before_us: int, values_before_us: int, spared: Collection[str]
    ) -> Faded:
        """Return which sealed values of rows older than these moments are still there."""
        ...

    async def wipe(self, gone: Faded) -> None:
        """Return once these values can be read nowhere in the file."""
        ...


async def keep_within(
    retention: Callable[[], RetentionSettings],
    state_dir: Path,
    records: Records,
    intake: Intake,
    clock: WallClock,
    journal: Sealing,
) -> None:
    """Take away what has served its time, four times a day, until cancelled."""
    await asyncio.sleep(FIRST_AFTER_S)
    while True:
        # A clock that was never set must not make everything look old, or new.
        if clock.synchronised():
            now_us = clock.now_us()
            await expire(retention(), state_dir, records, intake, now_us, journal)
        await asyncio.sleep(EVERY_S)


async def expire(
    retention: RetentionSettings,
    state_dir: Path,
    records: Records,
    intake: Intake,
    now_us: int,
    journal: Sealing,
) -> Old:
    """Return which files were taken away, once the journal tells of it and all is gone."""
    recordings_before_us = now_us - retention.recordings_days * DAY_US
    media_before_us = now_us - retention.media_days * DAY_US
    positions_before_us = now_us - retention.positions_days * DAY_US
    values_before_us = now_us - retention.journal_years * _YEAR_US
    spared = await orders_at_work(records)
    gone = await journal.faded(
        positions_before_us=positions_before_us,
        values_before_us=values_before_us,
        spared=spared,
    )
    wanted = await needed(records)
    old = await asyncio.to_thread(
        find_old, state_dir, recordings_before_us, media_before_us, wanted
    )
    if old.recordings or old.media or gone.positions or gone.values:
        event = RecordingsExpired(
            at_us=now_us,
            recordings=len(old.recordings),
            media=len(old.media),
            recordings_before_us=recordings_before_us,
            media_before_us=media_before_us,
            held=old.held,
            positions=len(gone.positions),
            positions_before_us=positions_before_us,
            values=len(gone.values),
            values_before_us=values_before_us,
        )
        await intake.submit(event)
        await asyncio.to_thread(remove, (*old.recordings, *old.media))
    await journal.wipe(gone)
    return old


async def orders_at_work(records: Records) -> frozenset[str]:
    """Return the ids of the orders that are open, or held for a complaint or a court."""
    still_open = await records.orders(open_only=True, limit=_HELD_MAX)
    return frozenset({*(str(order["id"]) for order in still_open), *await records.held()})


async def needed(records: Records) -> frozenset[str]:
    """Return the stems of the files that hang on orders that are open or held."""
    stems: set[str] = set()
    for key in await orders_at_work(records):
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
