"""The states of one delivery, when it has expired, and how long to wait before trying again.

Two rules for whoever edits the table. Evidence that it reached the person wins over our belief
that it did not: a post whose answer was lost may expire for us and still be pressed by him.
And nothing returns to ``PENDING``: a repetition is a new page or card, not an old one again.
"""

from collections.abc import Mapping
from typing import Final, Literal

from gateway.core.order import DeliveryState

What = Literal["sent", "failed", "expired", "withdrawn", "answered"]

_S = DeliveryState

# Every state has an entry for every word; what changes nothing stands there as itself.
TABLE: Final[Mapping[DeliveryState, Mapping[What, DeliveryState]]] = {
    _S.PENDING: {
        "sent": _S.SENT,
        "failed": _S.FAILED,
        "expired": _S.EXPIRED,
        "withdrawn": _S.WITHDRAWN,
        "answered": _S.ANSWERED,
    },
    # A failed edit or a late withdrawal does not undo that he was told.
    _S.SENT: {
        "sent": _S.SENT,
        "failed": _S.SENT,
        "expired": _S.SENT,
        "withdrawn": _S.SENT,
        "answered": _S.ANSWERED,
    },
    _S.FAILED: {
        "sent": _S.SENT,
        "failed": _S.FAILED,
        "expired": _S.FAILED,
        "withdrawn": _S.FAILED,
        "answered": _S.ANSWERED,
    },
    _S.EXPIRED: {
        "sent": _S.SENT,
        "failed": _S.EXPIRED,
        "expired": _S.EXPIRED,
        "withdrawn": _S.EXPIRED,
        "answered": _S.ANSWERED,
    },
    # The sentence under way was finished, the post was already on its way.
    _S.WITHDRAWN: {
        "sent": _S.SENT,
        "failed": _S.WITHDRAWN,
        "expired": _S.WITHDRAWN,
        "withdrawn": _S.WITHDRAWN,
        "answered": _S.ANSWERED,
    },
    _S.ANSWERED: {
        "sent": _S.ANSWERED,
        "failed": _S.ANSWERED,
        "expired": _S.ANSWERED,
        "withdrawn": _S.ANSWERED,
        "answered": _S.ANSWERED,
    },
}

FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 30.0


def advance(state: DeliveryState, what: What) -> DeliveryState:
    """Return where a delivery stands after ``what``; total over states and words."""
    return TABLE[state][what]


def is_open(state: DeliveryState) -> bool:
    """Return whether the delivery still waits to go out."""
    return state is DeliveryState.PENDING


def is_expired(not_after_us: int, now_us: int, *, synchronised: bool = True) -> bool:
    """Return whether the moment has passed; an unset clock expires nothing."""
    return synchronised and now_us > not_after_us


def backoff_s(attempt: int, retry_after_s: float | None, chance: float) -> float:
    """Return the seconds to wait before the next attempt.

    Args:
        attempt: How many attempts have failed, from 1.
        retry_after_s: What the other side asked for, or None. Never undercut.
        chance: Uniform in 0..1, drawn by the caller; spreads retries that failed together.

    Returns:
        Between half and the whole of 0.5, 1, 2, 4 … 30 s; or ``retry_after_s`` and up to a
        tenth more.
    """
    if retry_after_s is not None:
        return retry_after_s * (1 + chance / 10)
    whole_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(max(attempt, 1) - 1, 10))
    return whole_s * (0.5 + chance / 2)
