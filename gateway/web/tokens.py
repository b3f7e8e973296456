"""Bearer tokens: who comes in, what he may do, how often.

A token reads ``gwk_<id>_<43 characters>`` (32 random bytes, base64url). Only its SHA-256 is
kept. Every wrong token gets the same answer after the same work.
"""

import hashlib
import hmac
import re
import secrets
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from gateway.core.centre.strict_json import Refusal
from gateway.settings import Token

Scope = Literal["alert:write", "alert:cancel", "order:write", "event:read"]
Failure = Literal["missing", "malformed", "unknown", "wrong", "expired"]

BURST = 100
FREE_LEVEL_1 = 5
FREE_LEVEL_1_WINDOW_S = 60.0

_FORM = re.compile(r"gwk_([a-z0-9-]{1,32})_[A-Za-z0-9_-]{43}", re.ASCII)
_NOBODY = "0" * 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TokenRefusedError(Exception):
    """The caller is not let in. Its text names no secret and no guess.

    Attributes:
        failure: Why, for the log and the count; never told to the caller.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


def new_token(holder: str) -> tuple[str, str]:
    """Return a fresh token for ``holder`` and the SHA-256 that goes into the settings."""
    token = f"gwk_{holder}_{secrets.token_urlsafe(32)}"
    return token, hashlib.sha256(token.encode()).hexdigest()


def known_as(token: Token) -> str:
    """Return by what the core knows who came with a token."""
    return f"http/{token.id}"


class TokenRegister:
    """Knows every token of the settings by its digest."""

    def __init__(self, tokens: Iterable[Token]) -> None:
        # One holder may have two tokens while the old one is being replaced.
        self._by_holder: dict[str, list[Token]] = {}
        for token in tokens:
            self._by_holder.setdefault(token.id, []).append(token)

    def check_name(self, token: Token, by: str) -> None:
        """Refuse who acts under the name of another token.

        What the settings give to a token (``policy.rights``) is that token's alone.

        Raises:
            Refusal: The name is another token's.
        """
        if by != token.id and by in self._by_holder:
            raise Refusal("by", "is the name of another token; name a person, or leave it out")

    def holder(self, authorization: str | None, now_us: int) -> Token:
        """Return the token that an ``Authorization`` header proves.

        Args:
            authorization: The header as it came, or None.
            now_us: Our wall clock, UTC microseconds; a token is good to the end of its last
                day, UTC.

        Raises:
            TokenRefusedError: There is none, or it is wrong, unknown or past its day.
        """
        presented = _bearer(authorization)
        form = _FORM.fullmatch(presented)
        if form is None:
            raise TokenRefusedError("malformed")
        known = self._by_holder.get(form.group(1), [])
        found = _matching(presented, known)
        if found is None:
            raise TokenRefusedError("wrong" if known else "unknown")
        if _expired(found, now_us):
            raise TokenRefusedError("expired")
        return found


def _bearer(authorization: str | None) -> str:
    if authorization is None:
        raise TokenRefusedError("missing")
    scheme, _, presented = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise TokenRefusedError("malformed")
    return presented.strip()


def _matching(presented: str, known: list[Token]) -> Token | None:
    """Return the token whose digest fits; takes as long for an unknown holder."""
    digest = hashlib.sha256(presented.encode()).hexdigest()
    found = None
    hmac.compare_digest(digest, _NOBODY)
    for token in known:
        if hmac.compare_digest(digest, token.sha256):
            found = token
    return found


def _expired(token: Token, now_us: int) -> bool:
    if token.expires is None:
        return False
    return _EPOCH.date() + timedelta(microseconds=now_us) > token.expires


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_s: float


class AlertRate:
    """How many messages each holder may send: a bucket that fills at the set rate.

    It holds a second's worth, 100 at least: a centre that may send 1000 a second may send 400
    at once. Level 1 is let through beyond it, five times a minute, because the one message
    that must not wait may be the hundred and first of a storm.
    """

    def __init__(self, per_s: float, time_s: Callable[[], float]) -> None:
        """Start with full buckets; ``time_s`` is monotonic."""
        self._per_s = per_s
        self._most = max(BURST, per_s)
        self._time_s = time_s
        self._buckets: dict[str, _Bucket] = {}
        self._free: dict[str, deque[float]] = {}

    def wait_s(self, holder: str, *, level_1: bool) -> float:
        """Return 0 when a message may pass (and count it), else how long to wait, seconds."""
        now_s = self._time_s()
        bucket = self._buckets.setdefault(holder, _Bucket(self._most, now_s))
        gained = (now_s - bucket.filled_s) * self._per_s
        bucket.tokens = min(self._most, bucket.tokens + gained)
        bucket.filled_s = now_s
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return 0.0
        if level_1 and self._take_free(holder, now_s):
            return 0.0
        return (1 - bucket.tokens) / self._per_s

    def _take_free(self, holder: str, now_s: float) -> bool:
        taken = self._free.setdefault(holder, deque(maxlen=FREE_LEVEL_1))
        if len(taken) == FREE_LEVEL_1 and now_s - taken[0] < FREE_LEVEL_1_WINDOW_S:
            return False
        taken.append(now_s)
        return True
