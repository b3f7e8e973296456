"""Sound that comes over the network: the dispatcher's own voice, and what is refused."""

from gateway.core.state import Draft
from gateway.core.talk.events import DispatcherSpoke, SoundRefused
from gateway.core.talk.overs import Recording
from gateway.core.wording import Wording

__all__ = ["DISPATCHER", "dispatcher_spoke", "sound_refused"]

DISPATCHER = "dispatcher"


def dispatcher_spoke(draft: Draft, spoke: DispatcherSpoke) -> None:
    """Remember who spoke and where to, until the recording of it is on the disk."""
    if spoke.recording is None:
        return
    draft.put(
        Recording(
            id=spoke.over,
            channel=f"{DISPATCHER}:{spoke.group}",
            began_us=spoke.at_us,
            keyed_ms=spoke.keyed_ms,
            radio=f"{DISPATCHER}:{spoke.group}",
            channels=spoke.channels,
        )
    )


def sound_refused(draft: Draft, refused: SoundRefused) -> None:
    """Tell the centre that somebody sends to one of our ports what is not taken."""
    detail = Wording(draft.site).text(
        f"detail_sound_{refused.kind}",
        path=refused.path,
        address=refused.address,
        count=str(refused.count),
    )
    draft.report(None, "health", detail=detail)
