"""What becomes of the key when the network cable of a device server is cut.

On a network port nothing of ours can let go of the key once the cable is out: only the device
server, and after it the radio's own time-out timer. So it is tried, with a second radio as the
witness, and the protocol says how long the carrier stood.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from drivers.radio.technician_bench import Bench, BenchRadio
from drivers.radio.technician_measures import TEST_HZ
from drivers.radio.technician_sound import tone

__all__ = ["WATCH_S", "CutCable", "cut_cable"]

# While so long is transmitted the cable is pulled.
SEND_S: Final = 15.0
# A carrier that stands for longer after that is not ended by the device server.
WATCH_S: Final = 30.0
# Unkeyed in order, the carrier is gone by then at any radio.
_IN_ORDER_S: Final = 1.5


@dataclass(frozen=True, slots=True)
class CutCable:
    """What was seen.

    Attributes:
        lost_after_s: How long it had transmitted when the port was lost; None when it was not.
        stood_s: How long the witness heard the carrier after the port was lost or, where it
            was not, after we had let go of the key; infinity when it did not end in time, None
            without a witness.
    """

    lost_after_s: float | None
    stood_s: float | None

    @property
    def cut(self) -> bool:
        """Whether the cable was cut: the port was lost, or the key did not follow us."""
        return self.lost_after_s is not None or (self.stood_s or 0.0) > _IN_ORDER_S


def cut_cable(
    bench: Bench,
    radio: BenchRadio,
    witness: BenchRadio | None,
    *,
    send_s: float = SEND_S,
    watch_s: float = WATCH_S,
) -> CutCable:
    """Transmit until the port is lost or the time is over, and watch the carrier end.

    Args:
        bench: Serves both.
        radio: The channel whose cable is pulled meanwhile; ready.
        witness: A second radio that hears it, on wires of its own; None where there is none.
        send_s: How long is transmitted.
        watch_s: How long is waited for the end of the carrier.
    """
    begun_s = bench.now_s
    radio.send(tone(TEST_HZ, 1000.0 * send_s), begun_s)
    bench.sent(radio, send_s + 5.0)
    lost = radio.said("fault", "gone", since_s=begun_s)
    from_s = lost.at_s if lost else bench.now_s
    lost_after_s = None if lost is None else lost.at_s - begun_s
    if witness is None:
        return CutCable(lost_after_s, None)
    ended = bench.until(lambda: not witness.squelch_open, watch_s)
    if witness.said("fault", "gone", since_s=begun_s) is not None:
        return CutCable(lost_after_s, None)  # it hung on the same cable
    closed = [at_s for at_s, is_open in witness.edges if not is_open and at_s >= from_s]
    stood_s = max(0.0, closed[0] - from_s) if closed else 0.0
    return CutCable(lost_after_s, stood_s if ended else float("inf"))
