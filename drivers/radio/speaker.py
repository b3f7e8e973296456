"""Who speaks: the identities heard in one over, and what they come to. Pure.

An identity is written ``dtmf:10031``, ``zvei1:12345``, ``mdc1200:1234``, ``ctcss:88.5`` or
``dcs:023N``. Digits, calls and packets say which radio it is. A tone or code below the voice is
often shared by a whole channel: it counts only where nothing else was said.
"""

from __future__ import annotations

from typing import Final

from drivers.radio.heard import Heard, MdcPacket

_BELOW_VOICE: Final = ("ctcss:", "dcs:")
# A radio sends one or two of them; what sends more is no radio of ours.
_IDENTITIES_MAX: Final = 8
_TOLD_MAX: Final = 32
_REMEMBERED_S: Final = 300.0
# MDC1200 operations in which the unit is who sends: emergency, PTT ID, radio check's answer,
# status, message. In the others a base station names whom it means.
_OF_THE_SENDER: Final = frozenset({0x00, 0x01, 0x30, 0x46, 0x47})
_PTT_ID: Final = 0x01


class Speaker:
    """The identities of one over."""

    def __init__(self) -> None:
        self._heard: list[str] = []

    def begin(self) -> None:
        """Forget the over before."""
        self._heard.clear()

    def heard(self, identity: str | None) -> None:
        """Take an identity in, if it is one."""
        if identity and identity not in self._heard and len(self._heard) < _IDENTITIES_MAX:
            self._heard.append(identity)

    @property
    def radio(self) -> str | None:
        """Who it is; None while nobody was named, and when several were."""
        named = self._named()
        return named[0] if len(named) == 1 else None

    @property
    def radios(self) -> tuple[str, ...]:
        """All who were named when they are several, else nobody."""
        named = self._named()
        return tuple(named) if len(named) > 1 else ()

    def _named(self) -> list[str]:
        radios = [who for who in self._heard if not who.startswith(_BELOW_VOICE)]
        return radios or self._heard


def identity_of(heard: Heard) -> str | None:
    """Return who sends, as far as one piece of signalling says it; None for digits."""
    match heard.kind:
        case "selcall":
            return f"{heard.set}:{heard.value}"
        case "mdc1200":
            packet = heard.detail
            unit = sender_of(packet) if isinstance(packet, MdcPacket) else None
            return None if unit is None else f"mdc1200:{unit:04X}"
        case "ctcss" | "dcs":
            return f"{heard.kind}:{heard.value}"
        case "dtmf":
            return None


def sender_of(packet: MdcPacket) -> int | None:
    """Return the unit that sent a packet; None where the packet names only whom it means."""
    if packet.second is not None:
        return int.from_bytes(packet.second[2:4], "big")
    return int(packet.unit, 16) if packet.op in _OF_THE_SENDER else None


def told_as(heard: Heard) -> str:
    """Return what makes a piece of signalling the same as another: told once an over.

    A PTT ID at the beginning and one at the end are one identity.
    """
    packet = heard.detail
    if isinstance(packet, MdcPacket) and packet.op == _PTT_ID:
        return f"PTT ID {packet.unit}"
    return f"{heard.kind} {heard.set} {heard.value}"


class Once:
    """Tells what is new in an over: a radio repeats itself, and a hostile one does not stop."""

    def __init__(self) -> None:
        self._told_s: dict[str, float] = {}

    def begin(self) -> None:
        """Forget the over before."""
        self._told_s.clear()

    def new(self, what: str, now_s: float) -> bool:
        """Return whether this is worth telling; it counts as told then."""
        # Under a squelch that is stuck open no over ever ends.
        told_s = {w: at_s for w, at_s in self._told_s.items() if now_s - at_s < _REMEMBERED_S}
        self._told_s = told_s
        if what in told_s or len(told_s) >= _TOLD_MAX:
            return False
        told_s[what] = now_s
        return True
