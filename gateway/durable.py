"""What was written is on the disk."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Return once a file's bytes, or the names in a folder, would outlive a power cut.

    Raises:
        OSError: The disk failed.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
