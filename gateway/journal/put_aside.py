"""A damaged journal is never gone on with, and never thrown away: it is put aside.

What is put aside keeps its write-ahead log under the same name, so that whoever examines it
opens it as it was.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gateway.durable import sync
from gateway.interfaces import JournalError

_MOMENT: Final = "%Y%m%dT%H%M%SZ"
_ASIDE: Final = re.compile(r"damaged-\d{8}T\d{6}Z(-\d+)?")
# The file first: a log that is left behind by a crash in between is seen to have lost its file.
_BESIDE: Final = ("", "-wal", "-shm")


class DamagedError(JournalError):
    """The file, or its log, is not what was written."""


def put_aside(path: Path, now_us: int) -> Path:
    """Return where a damaged journal lies now, durably; nothing is left under its own name.

    Raises:
        OSError: The disk failed; run again it goes on.
    """
    at = datetime.fromtimestamp(now_us / 1e6, UTC).strftime(_MOMENT)
    first = f"{path.name}.damaged-{at}"
    names = [first, *(f"{first}-{n}" for n in range(1, 100))]
    free = [n for n in names if not any(path.with_name(n + end).exists() for end in _BESIDE)]
    target = path.with_name(free[0])
    for end in _BESIDE:
        one = path.with_name(path.name + end)
        if one.exists():
            one.rename(target.with_name(target.name + end))
    sync(path.parent)
    return target


def all_aside(path: Path) -> Sequence[str]:
    """Return the names of what was ever put aside and still lies there, oldest first."""
    begin = f"{path.name}."
    found = [p.name.removesuffix("-wal") for p in path.parent.glob(f"{begin}damaged-*")]
    return sorted({name for name in found if _ASIDE.fullmatch(name.removeprefix(begin))})
