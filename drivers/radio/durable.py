"""Files that are whole or not there: temporary name, flush to the disk, then the name."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

PART_SUFFIX = ".part"
# What a file system says that gives a file one name only, such as that of a memory stick.
_NO_SECOND_NAMES = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})


def part_of(final: Path) -> Path:
    """Return the temporary name under which a file is written."""
    return final.with_name(final.name + PART_SUFFIX)


def settle(part: Path, final: Path) -> str:
    """Give the file, already flushed, its name too, durably; return the SHA-256 under it.

    It keeps the temporary name beside, until whoever has to know of the file is known to do.
    A file that has the name already keeps it: somebody may have been told of its digest.

    Raises:
        OSError: the disk failed; the file still has its temporary name.
    """
    try:
        os.link(part, final)
    except FileExistsError:
        pass
    except OSError as error:
        if error.errno not in _NO_SECOND_NAMES:
            raise
        part.rename(final)
    sync_folder(final.parent)
    return hashlib.sha256(final.read_bytes()).hexdigest()


def sync_folder(folder: Path) -> None:
    """Return once the folder's entries are on the disk.

    Raises:
        OSError: the disk failed.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
