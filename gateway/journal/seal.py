"""Personal values stand in the journal as commitments; the values are sealed beside it.

A commitment is SHA-256(salt ‖ canonical value). The salt is kept with the value inside the
cipher, not in clear: a name or a telephone number is guessed in seconds once its salt is known,
and then an erasure would have erased nothing.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.core.people import ERASED as ERASED

# Owner of what nobody is known to own: strangers' texts, accounts of groups.
UNKNOWN: Final = "unknown"

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_SALT_BYTES: Final = 16


def commitment_of(salt: bytes, text: str) -> bytes:
    """Return what the chained row says about a value: 32 bytes that tell nothing of it."""
    return hashlib.sha256(salt + text.encode()).digest()


def unseal(key: bytes, commitment: bytes, cipher: bytes) -> str | None:
    """Return the canonical value, or None when it is not the one that was committed to."""
    try:
        plain = AESGCM(key).decrypt(cipher[:_NONCE_BYTES], cipher[_NONCE_BYTES:], commitment)
    except (InvalidTag, ValueError):
        return None
    salt, text = plain[:_SALT_BYTES], plain[_SALT_BYTES:].decode()
    return text if commitment_of(salt, text) == commitment else None


class Sealed(NamedTuple):
    """One row of the side table."""

    commitment: bytes
    owner: str
    cipher: bytes


@dataclass(slots=True)
class Batch:
    """What one transaction seals; one value of one owner is sealed once in it."""

    sealer: "Sealer"
    rows: list[Sealed] = field(default_factory=list)
    keys: dict[str, bytes] = field(default_factory=dict)
    _seen: dict[tuple[str, str], str] = field(default_factory=dict)

    def seal(self, owner: str, text: str) -> str:
        """Return the commitment, in hex, of a canonical value now sealed for ``owner``."""
        known = self._seen.get((owner, text))
        if known is not None:
            return known
        # The key goes with every transaction: one that was refused must not take it away
        # from the next.
        key = self.keys[owner] = self.sealer.key_of(owner)
        row = self.sealer.sealed(owner, key, text)
        self.rows.append(row)
        return self._seen.setdefault((owner, text), row.commitment.hex())


class Sealer:
    """Holds the owners' keys and knows whose account is whose.

    Args:
        keys: Keys already in the journal, by owner.
        draw: Source of random bytes; a simulation gives a seeded one.
    """

    def __init__(
        self, keys: Mapping[str, bytes], *, draw: Callable[[int], bytes] = os.urandom
    ) -> None:
        self._keys = dict(keys)
        self._draw = draw
        # Making a cipher of a key costs more than sealing a value with it.
        self._ciphers: dict[bytes, AESGCM] = {}
        self._accounts: dict[tuple[str, str], str] = {}

    def batch(self) -> Batch:
        """Return an empty batch for one transaction."""
        return Batch(self)

    def learn(self, chat: str, address: str, person: str) -> None:
        """Remember whose chat account this is, so that what comes from it is his to erase."""
        self._accounts[chat, address] = person

    def owner_of(self, chat: object, address: object) -> str:
        """Return the person whose chat account this is, or ``unknown``."""
        if isinstance(chat, str) and isinstance(address, str):
            return self._accounts.get((chat, address), UNKNOWN)
        return UNKNOWN

    def forget(self, owner: str) -> None:
        """Drop an owner's key; whatever is sealed for him later gets a new one."""
        key = self._keys.pop(owner, None)
        if key is not None:
            self._ciphers.pop(key, None)
        for account in [a for a, whose in self._accounts.items() if whose == owner]:
            del self._accounts[account]

    def knows(self, owner: str) -> bool:
        """Return whether anything may be sealed for this owner."""
        return owner in self._keys

    def key_of(self, owner: str) -> bytes:
        """Return the owner's key, drawn when he has none."""
        key = self._keys.get(owner)
        if key is None:
            key = self._keys[owner] = self._draw(_KEY_BYTES)
        return key

    def sealed(self, owner: str, key: bytes, text: str) -> Sealed:
        """Return the side table's row of one value."""
        drawn = self._draw(_SALT_BYTES + _NONCE_BYTES)
        salt, nonce = drawn[:_SALT_BYTES], drawn[_SALT_BYTES:]
        commitment = commitment_of(salt, text)
        sealing = self._ciphers.get(key)
        if sealing is None:
            sealing = self._ciphers[key] = AESGCM(key)
        cipher = sealing.encrypt(nonce, salt + text.encode(), commitment)
        return Sealed(commitment, owner, nonce + cipher)
