"""What goes wrong outside, drawn from a seed."""

import logging
import zlib
from dataclasses import dataclass, field, fields
from typing import Final

import numpy as np

_LOG: Final = logging.getLogger(__name__)
_KEPT_HITS: Final = 10_000


@dataclass(frozen=True)
class Hit:
    """One fault that struck: its name, and at which draw of that name (from 1)."""

    name: str
    draw: int


@dataclass
class Faults:
    """A plan of faults: each probability (0 never, 1 always) is a plain field, free to change.

    Each fault has its own stream of chance, so that asking for one more often does not move
    where another strikes: the same seed and the same use give the same faults.

    Attributes:
        seed: what the whole plan grows from; print it when a run fails.
        chat_error_5xx: a chat request is answered by a server error.
        chat_429: a chat request is answered by "too many requests".
        chat_answer_lost: a chat request is carried out and its answer never arrives.
        chat_slow: a chat request is answered late.
        rtp_loss: an audio frame from the base radio to the gateway is lost.
        rtp_loss_in: an audio frame from the gateway to the base radio is lost.
        rtp_doubled: a packet to the gateway arrives twice.
        rtp_doubled_in: a packet from the gateway arrives twice.
        rtp_swapped: a packet to the gateway is held until the next has overtaken it.
        rtp_swapped_in: a packet from the gateway likewise.
        rtp_jitter_ms: every packet, both ways, is late by up to so much; not a probability.
        draws: how often each name was asked for.
        hits: the faults that struck, oldest first; the last ten thousand.
    """

    seed: int
    chat_error_5xx: float = 0.0
    chat_429: float = 0.0
    chat_answer_lost: float = 0.0
    chat_slow: float = 0.0
    rtp_loss: float = 0.0
    rtp_loss_in: float = 0.0
    rtp_doubled: float = 0.0
    rtp_doubled_in: float = 0.0
    rtp_swapped: float = 0.0
    rtp_swapped_in: float = 0.0
    rtp_jitter_ms: int = 0
    draws: dict[str, int] = field(default_factory=dict)
    hits: list[Hit] = field(default_factory=list)
    _streams: dict[str, np.random.Generator] = field(default_factory=dict)

    def draw(self, name: str) -> bool:
        """Says whether the fault strikes now, and writes it down when it does.

        Args:
            name: the name of one of the probability fields.

        Raises:
            ValueError: there is no such fault.
        """
        if name not in _NAMES:
            message = f"no fault is called {name!r}; the fields of Faults are their names"
            raise ValueError(message)
        count = self.draws[name] = self.draws.get(name, 0) + 1
        struck = float(self._stream(name).random()) < float(getattr(self, name))
        if struck:
            self._record(Hit(name, count))
        return struck

    def jitter_s(self) -> float:
        """Returns how late the next packet is; 0 without `rtp_jitter_ms`."""
        if not self.rtp_jitter_ms:
            return 0.0
        return float(self._stream("rtp_jitter_ms").random()) * self.rtp_jitter_ms / 1000

    def _stream(self, name: str) -> np.random.Generator:
        if name not in self._streams:
            self._streams[name] = np.random.default_rng([self.seed, zlib.crc32(name.encode())])
        return self._streams[name]

    def _record(self, hit: Hit) -> None:
        _LOG.info("fault %s struck at draw %d (seed %d)", hit.name, hit.draw, self.seed)
        self.hits.append(hit)
        del self.hits[:-_KEPT_HITS]


_NAMES: Final = frozenset(each.name for each in fields(Faults) if each.type is float)
