"""The base radio and its wires: control lines by RFC 2217, audio by RTP, antenna in the ether.

::

    async with Ether("ch1", seed=7) as ether:
        async with BaseRadio(ether, gateway_rtp=("127.0.0.1", 41000)) as radio:
            print(f"rfc2217://127.0.0.1:{radio.serial_port}")
            print(f"rtp://127.0.0.1:{radio.rtp_port}?local_port=41000&codec=l16")
            await radio.wait_ptt(True, timeout_s=5)
"""

import asyncio
from collections import deque
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Final, Self

from simulators.ether import SILENCE, Ether, Over
from simulators.faults import Faults
from simulators.handheld import AniPosition, Handheld, Heard
from simulators.line_server import Lines, LineServer
from simulators.rtp import Codec, RtpCounts, RtpEndpoint
from simulators.subtones import Subtone, Under
from simulators.tones import FRAME_S, Samples

__all__ = ["AniPosition", "BaseRadio", "Edge", "Handheld", "Heard"]

_OUTPUTS: Final = ("rts", "dtr")
_INPUTS: Final = ("cts", "dsr", "cd", "ri")
_KEPT_EDGES: Final = 10_000


@dataclass(frozen=True)
class Edge:
    """One change of `rts`, `dtr`, the squelch line, or `ptt` (the condition on the lines)."""

    mono_s: float
    line: str
    on: bool


class BaseRadio:
    """A base radio on the ether, wired to a gateway.

    It radiates the audio it is sent while its PTT condition holds, and only then; its receiver
    is mute and its squelch closed meanwhile. Its own time-out timer stops a transmission that
    lasts too long until PTT has been released.

    Attributes:
        who: its name in the records.
        strength: how strongly others receive it.
        gateway_rtp: host and port of the gateway's RTP; None while unknown. May be set later.
        time_out_s: the radio's own time-out timer.
        edges: every edge of a line, oldest first; the last ten thousand.
        lines: the device server, for faults not named here.
    """

    kind = "base"

    def __init__(
        self,
        ether: Ether,
        *,
        serial_port: int = 0,
        rtp_port: int = 0,
        gateway_rtp: tuple[str, int] | None = None,
        codec: Codec = "l16",
        ptt: str = "rts",
        squelch: str = "cts",
        server_drops_lines: bool = True,
        time_out_s: float = 180.0,
        strength: float = 1.0,
        who: str = "base",
        faults: Faults | None = None,
        clock_ppm: float = 0.0,
        subtone: Subtone | None = None,
    ) -> None:
        """Makes the radio and puts it on the ether; its wires are dead until `start()`.

        Args:
            ether: the frequency.
            serial_port: TCP port of the control lines; 0 takes a free one.
            rtp_port: UDP port of the audio; 0 takes a free one.
            gateway_rtp: where the gateway listens.
            codec: `l16` or `pcmu`.
            ptt: lines that key it, `rts`, `dtr`, or both as in `rts&!dtr`.
            squelch: input line that tells of an open squelch: `cts`, `dsr`, `cd` or `ri`,
                with `!` before it when it falls on opening.
            server_drops_lines: the device server drops RTS and DTR when its client goes away.
            time_out_s: the radio's own time-out timer.
            strength: how strongly others receive it.
            who: its name in the records.
            faults: those called `rtp_…` are drawn for each packet.
            clock_ppm: by how many millionths its sound card is fast.
            subtone: what it sends under the voice.

        Raises:
            ValueError: `ptt` or `squelch` names no such line.
        """
        self.who = who
        self.strength = strength
        self.time_out_s = time_out_s
        self.edges: deque[Edge] = deque(maxlen=_KEPT_EDGES)
        self._ether = ether
        self._faults = faults or Faults(seed=ether.seed)
        self._ptt_terms = _terms(ptt, _OUTPUTS)
        ((self._squelch_line, self._squelch_sense),) = _terms(squelch, _INPUTS).items()
        self.lines = LineServer(
            self._line_changed, self._client, port=serial_port, drops_lines=server_drops_lines
        )
        self._rtp = RtpEndpoint(
            codec,
            port=rtp_port,
            peer=gateway_rtp,
            faults=self._faults,
            clock_ppm=clock_ppm,
        )
        self._under = Under(subtone)
        self._ptt_on, self._ptt_off = asyncio.Event(), asyncio.Event()
        self._ptt_off.set()
        self._asked_frames = 0
        self._timed_out = False
        self._squelch_open = False
        self._squelch_is_stuck = False
        self._ignores_ptt = False
        self._swallows_s: tuple[float, float] | None = None
        self._rtp_is_mute = False
        self._drive_squelch_line()
        ether.attach(self)

    # --- its life --------------------------------------------------------------------------

    async def start(self) -> None:
        """Opens both wires; `serial_port` and `rtp_port` are real from now on.

        Raises:
            OSError: a port is taken.
        """
        await self.lines.listen()
        self._rtp.open()

    async def stop(self) -> None:
        """Cuts both wires and leaves the ether."""
        self.lines.stop_listening()
        self.lines.drop_connection()
        self._rtp.close()
        self._ether.note("rtp", self.who, **asdict(self._rtp.counts))
        self._ether.detach(self)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    # --- how it stands ---------------------------------------------------------------------

    @property
    def serial_port(self) -> int:
        """TCP port of the control lines."""
        return self.lines.port

    @property
    def rtp_port(self) -> int:
        """UDP port that takes the gateway's audio."""
        return self._rtp.port

    @property
    def gateway_rtp(self) -> tuple[str, int] | None:
        """Where its audio goes."""
        return self._rtp.peer

    @gateway_rtp.setter
    def gateway_rtp(self, peer: tuple[str, int] | None) -> None:
        self._rtp.peer = peer

    @property
    def rtp_counts(self) -> RtpCounts:
        """What became of the gateway's audio packets."""
        return self._rtp.counts

    @property
    def ptt(self) -> bool:
        """The lines ask it to transmit."""
        return self._ptt_on.is_set()

    @property
    def transmitting(self) -> bool:
        """It is on the air."""
        return self._ether.is_on_air(self.who)

    @property
    def squelch_open(self) -> bool:
        """Its receiver hears somebody (or the squelch is stuck)."""
        return self._squelch_open or self._squelch_is_stuck

    async def wait_ptt(self, on: bool, timeout_s: float) -> None:
        """Returns once the lines ask for transmission (or, with False, no longer do).

        Raises:
            TimeoutError: they did not within that time.
        """
        async with asyncio.timeout(timeout_s):
            await (self._ptt_on if on else self._ptt_off).wait()

    # --- faults ----------------------------------------------------------------------------

    def drop_connection(self) -> None:
        """Cuts the client of the control lines off; it may connect again."""
        self._ether.note("fault", self.who, fault="drop_connection")
        self.lines.drop_connection()

    def stop_listening(self) -> None:
        """Refuses new clients of the control lines; the present one stays."""
        self._ether.note("fault", self.who, fault="stop_listening")
        self.lines.stop_listening()

    async def listen_again(self) -> None:
        """Accepts clients of the control lines again, on the same port."""
        self._ether.note("fault", self.who, fault="listen_again")
        await self.lines.listen()

    def stuck_squelch(self, on: bool) -> None:
        """Holds the squelch line at open, whatever is heard; noise goes to the gateway."""
        self._ether.note("fault", self.who, fault="stuck_squelch", on=on)
        self._squelch_is_stuck = on
        self._drive_squelch_line()

    def ignore_ptt(self, on: bool) -> None:
        """Radiates nothing although the line asks for it (a broken transmitter)."""
        self._ether.note("fault", self.who, fault="ignore_ptt", on=on)
        self._ignores_ptt = on

    def swallow(self, from_s: float, until_s: float) -> None:
        """Radiates no sound between these moments of every transmission."""
        self._ether.note("fault", self.who, fault="swallow", from_s=from_s, until_s=until_s)
        self._swallows_s = (from_s, until_s)

    def mute_rtp(self, on: bool) -> None:
        """Sends no audio packets to the gateway."""
        self._ether.note("fault", self.who, fault="mute_rtp", on=on)
        self._rtp_is_mute = on

    # --- the ether's side ------------------------------------------------------------------

    def radiate(self) -> Samples | None:
        """Returns the next frame to send, None while it does not (called by the ether)."""
        frame = self._rtp.pull()
        self._asked_frames = self._asked_frames + 1 if self.ptt else 0
        keyed = self.ptt and not self._ignores_ptt and not self._has_timed_out()
        if self._swallows_s is not None:
            from_s, until_s = self._swallows_s
            if from_s <= self._asked_frames * FRAME_S < until_s:
                frame = SILENCE
        return self._under.follow(frame if keyed else None)

    def subtone(self) -> Samples | None:
        """Returns what runs under the frame just radiated (called by the ether)."""
        return self._under.now

    def hear(self, frame: Samples, *, squelch_open: bool) -> None:
        """Takes the next frame of the receiver and sends it on (called by the ether)."""
        if squelch_open != self._squelch_open:
            self._squelch_open = squelch_open
            self._drive_squelch_line()
        if self._rtp_is_mute or self._faults.draw("rtp_loss"):
            self._rtp.skip()
        else:
            self._rtp.send(self._loudspeaker(frame, squelch_open=squelch_open))

    def _loudspeaker(self, frame: Samples, *, squelch_open: bool) -> Samples:
        if self.transmitting and not squelch_open:
            return SILENCE
        stuck = self._squelch_is_stuck and not squelch_open
        return self._ether.static() if stuck else frame

    def recorded(self, over: Over) -> None:
        """Has nothing to do with its own finished overs."""

    # --- lines -----------------------------------------------------------------------------

    def _line_changed(self, line: str, on: bool) -> None:
        self._edge(line, on)
        outputs = self.lines.outputs
        asked = all(outputs[name] == sense for name, sense in self._ptt_terms.items())
        if asked != self.ptt:
            self._ptt_changed(asked)

    def _ptt_changed(self, asked: bool) -> None:
        rising, falling = self._ptt_on, self._ptt_off
        if not asked:
            rising, falling = falling, rising
        rising.set()
        falling.clear()
        self._asked_frames = 0
        self._timed_out = False
        self._edge("ptt", asked)

    def _has_timed_out(self) -> bool:
        # In the ether's time: on a machine that stood still nobody was on the air meanwhile.
        held_s = self._asked_frames * FRAME_S
        if held_s > self.time_out_s and not self._timed_out:
            self._timed_out = True
            self._ether.note("time_out", self.who, held_s=round(held_s, 3))
        return self._timed_out

    def _drive_squelch_line(self) -> None:
        on = self.squelch_open == self._squelch_sense
        if self.lines.inputs[self._squelch_line] != on:
            self.lines.set_input(self._squelch_line, on=on)
            self._edge(self._squelch_line, on)

    def _client(self, present: bool) -> None:
        self._ether.note("client", self.who, connected=present)

    def _edge(self, line: str, on: bool) -> None:
        self.edges.append(Edge(asyncio.get_running_loop().time(), line, on))
        self._ether.note("line", self.who, line=line, on=on)


def _terms(condition: str, allowed: tuple[str, ...]) -> Lines:
    """Returns what each named line must be: `rts&!dtr` is RTS on and DTR off.

    Raises:
        ValueError: it names another line.
    """
    terms = {term.strip().lstrip("!"): "!" not in term for term in condition.split("&")}
    if not terms.keys() <= set(allowed):
        message = f"{condition!r} must be made of {', '.join(allowed)} with & and !"
        raise ValueError(message)
    return terms
