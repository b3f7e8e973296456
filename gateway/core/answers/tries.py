"""How often somebody has lately failed or been told of: bounds guessing, and reports."""

from dataclasses import replace
from typing import Final

from gateway.core.people import Tries
from gateway.core.state import Draft

HOUR_US: Final = 3600 * 1_000_000


def paused(draft: Draft, source: str, limit: int, window_us: int) -> bool:
    """Return whether a source has reached its limit within its window."""
    tries = draft.find(Tries, source)
    return (
        tries is not None
        and tries.count >= limit
        and draft.now_us - tries.since_us < window_us
    )


def note_try(draft: Draft, source: str, limit: int, window_us: int) -> None:
    """Count one more; the one that reaches the limit starts the pause."""
    tries = draft.find(Tries, source)
    if tries is None or draft.now_us - tries.since_us >= window_us:
        draft.put(Tries(source=source, since_us=draft.now_us, count=1))
        return
    count = tries.count + 1
    since_us = draft.now_us if count == limit else tries.since_us
    draft.put(replace(tries, since_us=since_us, count=count))
