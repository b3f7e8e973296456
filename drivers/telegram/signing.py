"""The data behind a button, signed so that nobody can make or change one.

``v1.<order>.<action>.<expiry, seconds, base 36>.<MAC>``; the MAC is the first 10 bytes of
HMAC-SHA256 in base64url. It binds the platform and where the card hangs: a person's own card
his user id, a group's card the group. Telegram carries at most 64 bytes.
"""

import base64
import hmac
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from gateway.interfaces import WireError

LIFE_S: Final = 24 * 3600  # an order number is not used again within 24 h of its close
MOST_BYTES: Final = 64
_PLATFORM: Final = "telegram"
_MAC_BYTES: Final = 10
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_ORDER: Final = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)
_ACTION: Final = re.compile(r"[0-6]", re.ASCII)
_DATA: Final = re.compile(
    r"v1\.([A-Za-z0-9_-]{1,32})\.([0-6])\.([0-9a-z]{1,8})\.([A-Za-z0-9_-]{14})", re.ASCII
)


class BadButtonError(WireError):
    """The data of a pressed button is not ours, or was changed, or is for somebody else."""


class OldButtonError(WireError):
    """The button was ours, but its time has passed."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a card hangs; part of the signature.

    Attributes:
        private: On one person's own card.
        address: The person's user id, or the group's id.
    """

    private: bool
    address: str

    def __str__(self) -> str:
        """Return the form that is signed."""
        return f"{'user' if self.private else 'group'}:{self.address}"


def sign(key: bytes, place: Place, order: str, action: str, expires_s: int) -> str:
    """Return the data of one button, at most 64 bytes.

    Args:
        key: Secret of this account's buttons.
        place: Where the card hangs.
        order: Order id: 1 to 32 letters, digits, ``-``, ``_``.
        action: Reply digit ``0`` to ``6``.
        expires_s: The button is dead after this, UTC seconds.

    Raises:
        ValueError: The order id or the action does not fit.
    """
    if not _ORDER.fullmatch(order) or not _ACTION.fullmatch(action):
        raise ValueError(f"order {order!r}, action {action!r} do not fit button data")
    head = f"v1.{order}.{action}.{base36(expires_s)}"
    data = f"{head}.{_mac(key, place, head)}"
    assert len(data) <= MOST_BYTES
    return data


def verify(key: bytes, place: Place, data: str, now_s: int) -> tuple[str, str]:
    """Return (order, action) of a button that is ours, hangs here and is still good.

    Raises:
        BadButtonError: Not signed by us for this place.
        OldButtonError: Ours, but older than its life.
    """
    found = _DATA.fullmatch(data)
    # The MAC is compared over bytes: compare_digest refuses text that is not ASCII.
    head, _, mac = data.rpartition(".")
    expected = _mac(key, place, head)
    same = hmac.compare_digest(mac.encode("utf-8", "replace"), expected.encode())
    if not found or not same:
        raise BadButtonError("button data: not signed by us for this place")
    order, action, expires, _ = found.groups()
    if int(expires, 36) < now_s:
        raise OldButtonError("button data: the card is too old")
    return order, action


@lru_cache(maxsize=16)  # all buttons of a card, and cards of one second, end alike
def base36(number: int) -> str:
    """Return a number of 0 or more in base 36, lower case."""
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
        if not number:
            return digits


def _mac(key: bytes, place: Place, head: str) -> str:
    # ``head`` holds version, order, action and expiry; no part of it can contain a ``|``.
    text = f"{_PLATFORM}|{place}|{head}".encode("utf-8", "replace")
    digest = hmac.digest(key, text, "sha256")[:_MAC_BYTES]
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
