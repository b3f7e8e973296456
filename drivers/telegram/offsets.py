"""How far updates have been taken in. Pure.

An update is done when its event is on the disk. The platform forgets what lies before the
offset we ask with, so the offset stays before the oldest update that is not done.
"""

from typing import Final

REMEMBERED: Final = 1000  # ids by which a repeated update is known; a poll brings at most 100


class Offsets:
    """The update ids begun and done.

    Args:
        position: The stored position: the last id before which everything is done, or None.
    """

    def __init__(self, position: str | None) -> None:
        self._latest: int | None = int(position) if position else None
        self._stored = self._latest
        self._asked_for_all = False
        self._pending: set[int] = set()
        self._seen: dict[int, None] = {}

    @property
    def offset(self) -> int | None:
        """Return what to ask the platform for, None for everything it has.

        None once it has said that nothing is left: after a week without updates Telegram
        begins a new series of ids, perhaps lower than ours (Bot API, Update.update_id).
        """
        if self._asked_for_all or self._latest is None:
            return None
        return self._before_pending(self._pending) + 1

    @property
    def waiting(self) -> bool:
        """Whether something begun is not done."""
        return bool(self._pending)

    def begin(self, update_id: int) -> bool:
        """Note that an update has come; False when it is a repetition."""
        if update_id in self._seen:
            return False
        self._seen[update_id] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        if self._stored is None:
            self._stored = update_id - 1
        self._asked_for_all = False
        self._latest = update_id
        self._pending.add(update_id)
        return True

    def position(self, update_id: int) -> str | None:
        """Return the position to store with the event of ``update_id``; None to leave it."""
        position = self._before_pending(self._pending - {update_id})
        return None if position == self._stored else str(position)

    def done(self, update_id: int) -> None:
        """Note that the event of an update is on the disk, with its position."""
        self._pending.discard(update_id)
        self._stored = self._before_pending(self._pending)

    def nothing_left(self) -> None:
        """Note that the platform has nothing more, having been asked with our offset."""
        self._asked_for_all = not self._pending

    def _before_pending(self, pending: set[int]) -> int:
        assert self._latest is not None
        return min(pending) - 1 if pending else self._latest
