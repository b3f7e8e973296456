"""The disk fills up: the centre has to know while there is time."""

from typing import Final

from gateway.core.events import DiskRoomChanged
from gateway.core.state import Draft
from gateway.core.wording import Wording

_SENTENCES: Final = {
    "enough": "disk_enough", "low": "disk_low", "short": "disk_short", "full": "disk_full",
}  # fmt: skip


def disk_room_changed(draft: Draft, event: DiskRoomChanged) -> None:
    """Tell the centre how much room is left, and what stops first."""
    detail = Wording(draft.site).text(_SENTENCES[event.room], free_mb=event.free_mb)
    node = "health" if event.room == "enough" else "warning"
    draft.report(None, node, medium="centre", detail=detail)
