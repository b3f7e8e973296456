"""Files that are whole or not there: temporary name, flush to the disk, rename."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

PART_SUFFIX = ".part"


def part_of(final: Path) -> Path:
    """Return the temporary name under which a file is written."""
    return final.with_name(final.name + PART_SUFFIX)


def settle(part: Path, final: Path) -> str:
    """Give the file, already flushed, its name, durably; return its SHA-256.

    Raises:
        OSError: the disk failed; the file may still have its temporary name.
    """
    digest = hashlib.sha256(part.read_bytes()).hexdigest()
    part.rename(final)
    sync_folder(final.parent)
    return digest


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
