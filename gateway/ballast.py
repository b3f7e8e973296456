"""Room on the disk that nobody may use: it is given up so that alerts are still accepted.

A disk fills up with whatever else lies on it. Then the journal could take nothing more in, and
the supervisor could not even write down what to start. The reserve is a file of zeros; its
removal makes room for some ten thousand orders, time enough for somebody to come.

Standard library only: it is looked at before anything else is imported.
"""

import contextlib
import errno
import os
import shutil
from pathlib import Path

SIZE_BYTES = 64 << 20
# A disk with less than this beside the reserve is too small to lay any of it by.
_BESIDE_BYTES = 3 * SIZE_BYTES
# With less than this nothing can be begun: small files, a page of the journal, its index.
_NOTHING_LEFT_BYTES = 4 << 20


class Ballast:
    """The reserve of a site.

    Args:
        folder: The journal's folder; the file ``ballast`` in it is ours.
        size_bytes: How much is laid by.
    """

    def __init__(self, folder: Path, size_bytes: int = SIZE_BYTES) -> None:
        self._file = folder / "ballast"
        self._size_bytes = size_bytes

    @property
    def laid(self) -> bool:
        """Whether the whole reserve is there."""
        try:
            return self._file.stat().st_blocks * 512 >= self._size_bytes
        except OSError:
            return False

    def lay(self) -> bool:
        """Return whether the reserve is there now; it is not laid where room is short."""
        if self.laid:
            return True
        try:
            free = shutil.disk_usage(self._file.parent).free
            if free < self._size_bytes + min(_BESIDE_BYTES, 3 * self._size_bytes):
                return False
            handle = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(handle, 0, self._size_bytes)
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError:
            # No reserve is better than half of one that fills the disk.
            self.free()
            return False
        return self.laid

    def free(self) -> bool:
        """Return whether room was made: once the reserve is gone there is no more."""
        try:
            made = self._file.stat().st_blocks > 0
            self._file.unlink()
        except OSError:
            return False
        with contextlib.suppress(OSError):  # the room is there in any case
            handle = os.open(self._file.parent, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        return made

    def free_where_full(self) -> bool:
        """Make room if there is none at all, before anything is begun; return whether."""
        try:
            free = shutil.disk_usage(self._file.parent).free
        except OSError as error:
            if error.errno != errno.ENOENT:  # a new site has no folder yet
                raise
            return False
        return free < _NOTHING_LEFT_BYTES and self.free()
