"""The engine's side of the radio process: the ``radio`` driver.

Effects go out at once and are kept until they are settled; whatever is not settled is sent
again after a reconnection, to the same radio process (which never speaks a page twice) or to a
new one (which says that it may be a repetition). Events come in numbered; each is acknowledged
once the engine has it on the disk, and one that comes twice is taken once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from drivers.radio.protocol import (
    LINE_BYTES_MAX,
    PROTOCOL,
    Ack,
    Beat,
    Configure,
    Do,
    Figures,
    FromEngine,
    Hello,
    Message,
    Taken,
    Told,
    decode,
    encode,
)
from drivers.radio.readings import RadioReadings
from drivers.radio.settings import RadioChannel
from gateway.core.calls.events import PageFailed
from gateway.core.effects import PageChannel, RadioEffect, SetTalkGroup, TalkOnChannel
from gateway.core.events import PathChanged
from gateway.interfaces import (
    Cursor,
    GridcallError,
    Intake,
    LinkError,
    Outgoing,
    Reading,
    SetupError,
    Surroundings,
    WallClock,
    WireError,
)

_LOG: Final = logging.getLogger("gridcall.radio")

BEAT_S: Final = 1.0
# When both start together the radio process takes under two seconds; so long is news.
AWAY_S: Final = 5.0
# A frame later than this may be heard as a gap: the far jitter buffers hold no more.
LATE_MS: Final = 60.0
_RECONNECT_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0)
# Hours of pages at any speed at which they can be spoken.
UNSETTLED_MAX: Final = 5_000
_SOURCE: Final = "radio"
# Where the outbox begins there is no row: what is said again settles nothing.
_NO_ROW: Final = 0

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Connection]]


@dataclass(slots=True)
class _Unsettled:
    """An effect that is not done with, and whether it may have arrived."""

    outgoing: Outgoing
    sent: bool = False


class RadioDriver:
    """The radio channels of a site, as the engine's driver ``radio``.

    Args:
        socket_path: Where the radio process listens.
        channels: Ids of its channels.
        clock: Wall time of what only this side can know: that the radio process is away.
        connect: How the radio process is reached instead; by default through the socket.
    """

    name = "radio"

    def __init__(
        self,
        socket_path: Path,
        channels: Sequence[str],
        clock: WallClock,
        *,
        connect: Connect | None = None,
    ) -> None:
        self._channels = tuple(channels)
        self._clock = clock
        self._connect = connect or (lambda: _connect_socket(socket_path))
        self._unsettled: dict[int, _Unsettled] = {}
        self._refused: list[Outgoing] = []
        # What a radio process that starts anew does not know.
        self._switches: dict[str, SetTalkGroup] = {}
        self._intake: Intake | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._boot = ""
        self._taken = 0
        self._met = False
        self._away: set[str] = set()
        self._settings_path: str | None = None
        self._readings = RadioReadings()

    @property
    def figures(self) -> Figures | None:
        """How late frames and keyings were in the radio process's last ten seconds."""
        return self._readings.latest

    def readings(self) -> Iterable[Reading]:
        """Return the radio process's figures; none while it is away."""
        return self._readings

    @property
    def connected(self) -> bool:
        """Whether the radio process is there."""
        return self._writer is not None

    def deliver(self, outgoing: Outgoing) -> None:
        """Send an effect, or keep it until the radio process is there. Never blocks."""
        if len(self._unsettled) >= UNSETTLED_MAX:
            self._refused.append(outgoing)
            return
        if isinstance(outgoing.effect, SetTalkGroup):
            self._switches[outgoing.effect.group] = outgoing.effect
        pending = _Unsettled(outgoing)
        self._unsettled[outgoing.id] = pending
        self._hand_over(pending)

    def configure(self, settings_path: Path) -> None:
        """Have the radio process take new resolved settings: changed channels when idle."""
        channels = json.loads(settings_path.read_bytes())["channels"]
        self._channels = tuple(n for n, c in channels.items() if c["driver"] == "radio")
        self._settings_path = str(settings_path)
        self._send(Configure(self._settings_path))

    async def run(self, intake: Intake) -> None:
        """Keep the connection for ever; ends only by being cancelled.

        Raises:
            SetupError: the radio process is of another version.
            JournalError: an event could not be committed.
        """
        self._intake = intake
        await self._recall(intake)
        lost_s, failures = asyncio.get_running_loop().time(), 0
        while True:
            try:
                reader, writer = await self._connect()
            except OSError as error:
                failures += 1
                if failures == 1:
                    _LOG.warning("the radio process cannot be reached: %s", error)
                if self._met:
                    # It did not only let go of us: it is gone, and hears nobody.
                    await self._tell_away(intake)
            else:
                failures = 0
                await self._serve(intake, reader, writer)
                lost_s = asyncio.get_running_loop().time()
            await self._refuse(intake)
            if asyncio.get_running_loop().time() - lost_s >= AWAY_S:
                await self._tell_away(intake)
            await asyncio.sleep(_RECONNECT_S[min(failures, len(_RECONNECT_S) - 1)])

    # --- one connection ----------------------------------------------------------------------

    async def _serve(
        self, intake: Intake, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Serve one connection to its end."""
        fatal: GridcallError | None = None
        try:
            async with asyncio.TaskGroup() as group:
                beat = group.create_task(self._beat(intake, writer), name="radio.beat")
                try:
                    await self._read(intake, reader, writer)
                except (LinkError, WireError, OSError) as error:
                    _LOG.warning("the radio process is lost: %s", error)
                except GridcallError as error:
                    fatal = error  # told to the supervisor as it is, not in a group
                finally:
                    beat.cancel()
        finally:
            self._writer = None
            self._readings.forget()
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        if fatal is not None:
            raise fatal

    async def _beat(self, intake: Intake, writer: asyncio.StreamWriter) -> None:
        while True:
            with contextlib.suppress(OSError):
                writer.write(encode(Beat()))
                await writer.drain()
            await self._refuse(intake)
            await asyncio.sleep(BEAT_S)

    async def _read(
        self, intake: Intake, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        hello = await _next_message(reader)
        if not isinstance(hello, Hello):
            raise WireError("the radio process did not say hello")
        if hello.protocol != PROTOCOL:
            msg = (
                f"the radio process speaks version {hello.protocol} of the socket's protocol, "
                f"the engine {PROTOCOL}: restart both with the same gridcall"
            )
            raise SetupError(msg)
        await self._greet(intake, hello, writer)
        while True:
            message = await _next_message(reader)
            match message:
                case Told():
                    await self._take(intake, message)
                case Taken(id=outbox_id):
                    if self._unsettled.pop(outbox_id, None) is not None:
                        intake.settle(outbox_id)
                case Figures():
                    self._note_figures(message)
                case _:
                    raise WireError(f"the radio process said {type(message).__name__}")

    def _note_figures(self, figures: Figures) -> None:
        self._readings.note(figures)
        level = logging.WARNING if figures.late_max_ms > LATE_MS else logging.DEBUG
        _LOG.log(
            level,
            "%d channels: frames late by %.2f ms (p99), %.2f ms (most); tick %.2f ms",
            figures.channels, figures.late_p99_ms, figures.late_max_ms, figures.tick_cpu_ms,
        )  # fmt: skip

    async def _greet(
        self, intake: Intake, hello: Hello, writer: asyncio.StreamWriter
    ) -> None:
        """Send everything that is not settled, and say which channels are back."""
        anew = self._met and hello.boot != self._boot
        if hello.boot != self._boot:
            if self._boot:
                await self._tell_anew(intake, hello)
            self._boot, self._taken = hello.boot, 0
        self._writer, self._met = writer, True
        if self._settings_path is not None:
            self._send(Configure(self._settings_path))
        for switch in self._switches.values() if anew else ():
            self._send(Do(_NO_ROW, switch))
        for pending in self._unsettled.values():
            self._hand_over(pending)
        for channel in sorted(self._away):
            # One whose state the radio process does not know yet is told by itself.
            if channel in hello.paths and hello.paths[channel] is None:
                await self._tell_path(intake, channel, None)
        self._away.clear()

    async def _take(self, intake: Intake, told: Told) -> None:
        """Have an event committed, then acknowledge it."""
        if told.seq > self._taken:
            cursor = Cursor(source=_SOURCE, position=f"{self._boot}:{told.seq}")
            await intake.submit(told.event, settles=told.settles, cursor=cursor)
            self._taken = told.seq
            for outbox_id in told.settles:
                self._unsettled.pop(outbox_id, None)
        self._send(Ack(told.seq))

    # --- effects -----------------------------------------------------------------------------

    def _hand_over(self, pending: _Unsettled) -> None:
        """Send an effect if there is anyone to send it to."""
        outgoing, effect = pending.outgoing, pending.outgoing.effect
        if self._writer is None or self._intake is None:
            return
        assert isinstance(effect, RadioEffect)
        again = outgoing.again or pending.sent
        if not pending.sent:
            self._intake.started(outgoing.id)
        pending.sent = True
        self._send(Do(outgoing.id, effect, again))

    def _send(self, message: FromEngine) -> None:
        # What is buffered is bounded by what may be unsettled; acknowledgements are small.
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(encode(message))

    async def _refuse(self, intake: Intake) -> None:
        """Say of each page that there was no room for it."""
        while self._refused:
            outgoing = self._refused.pop(0)
            if not isinstance(outgoing.effect, PageChannel | TalkOnChannel):
                intake.settle(outgoing.id)
                continue
            failed = PageFailed(
                at_us=self._clock.now_us(),
                page=outgoing.effect.page,
                reason=f"more than {UNSETTLED_MAX} effects wait for the radio process",
            )
            await intake.submit(failed, settles=[outgoing.id])

    # --- how it stands -----------------------------------------------------------------------

    async def _recall(self, intake: Intake) -> None:
        """Find out how far the journal has taken the radio process's events in."""
        boot, _, seq = (await intake.cursor(_SOURCE) or "").rpartition(":")
        if boot and seq.isdigit():
            self._boot, self._taken = boot, int(seq)

    async def _tell_away(self, intake: Intake) -> None:
        for channel in self._channels:
            if channel not in self._away:
                self._away.add(channel)
                await self._tell_path(intake, channel, "the radio process is away")

    async def _tell_anew(self, intake: Intake, hello: Hello) -> None:
        """Say which channels another radio process has not brought up yet.

        Until it tells of them they are as little heard as while it was away.
        """
        for channel in self._channels:
            if channel not in hello.paths and channel not in self._away:
                await self._tell_path(intake, channel, "the radio process has started anew")

    async def _tell_path(self, intake: Intake, channel: str, reason: str | None) -> None:
        await intake.submit(
            PathChanged(
                at_us=self._clock.now_us(),
                path=f"channel:{channel}",
                up=reason is None,
                reason=reason,
            )
        )


class Plugin:
    """What the composition root knows of this driver."""

    def build(
        self, name: str, settings: Mapping[str, RadioChannel], around: Surroundings
    ) -> RadioDriver:
        """Return the driver of all radio channels of the site, not running yet.

        Args:
            name: ``radio``; one radio process serves every channel.
            settings: The site's channels.
            around: Where the radio process's socket is, and the clock.
        """
        assert name == RadioDriver.name
        return RadioDriver(around.radio_socket, tuple(settings), around.clock)


plugin: Final = Plugin()


async def _connect_socket(path: Path) -> Connection:
    return await asyncio.open_unix_connection(str(path), limit=LINE_BYTES_MAX)


async def _next_message(reader: asyncio.StreamReader) -> Message:
    try:
        line = await reader.readline()
    except ValueError as error:
        raise WireError(f"radio socket: {error}") from error
    if not line.endswith(b"\n"):
        raise LinkError("the radio process closed the socket")
    return decode(line)
