"""Which alerts the journal has ever seen, answered without a look at the disk.

Nearly every alert is new, and only the journal can say so: the memory keeps none whose order's
number is free again. A digest of eight bytes for each (sender, id) says "surely new" at once;
"perhaps known" is then looked up. Nothing is decided by a digest alone.
"""

from array import array
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Digests = npt.NDArray[np.int64]


def digests_of(keys: Iterable[str]) -> Digests:
    """Return the digests of alert keys, sorted; they hold for this process only."""
    found = np.frombuffer(array("q", map(hash, keys)) or b"", np.int64)
    return np.sort(found)


class KnownAlerts:
    """Digests of every alert key: those of the file, once they were read, and those since."""

    def __init__(self) -> None:
        self._of_file: Digests | None = None
        self._since: set[int] = set()

    def add(self, key: str) -> None:
        """Remember a key that is being journalled."""
        self._since.add(hash(key))

    def read(self, digests: Digests) -> None:
        """Take what stood in the file when it was opened, or some time later."""
        self._of_file = digests

    def surely_new(self, key: str) -> bool:
        """Return True when no alert of this key was ever journalled; False proves nothing."""
        if self._of_file is None:
            return False
        wanted = hash(key)
        if wanted in self._since:
            return False
        at = int(np.searchsorted(self._of_file, wanted))
        return at == len(self._of_file) or int(self._of_file[at]) != wanted
