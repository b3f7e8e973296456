"""The MQTT door: alerts in, receipts, events and health out, through a broker that may be away.

Theory of operation. A message is acknowledged to the broker only after its row is on our disk
and its receipt has left before the acknowledgement on the same connection: a broker that has
read the one has read the other. A crash in between brings the message again, and the core
answers the repeat with the same order. Messages are committed together (up to 64 at a time,
which is what we let the broker send) but acknowledged in the order they came (MQTT 5.0, 4.6).
Events are read from the journal behind a cursor that moves when the broker has taken them, so
that none is lost and a few may come twice; ``(journal, part)`` tells. Receipts never wait
behind events: in a burst events wait until it is over, or for a quarter of a second.
"""

import asyncio
import base64
import contextlib
import logging
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from drivers.mqtt.codec import (
    DOOR,
    Incoming,
    Topics,
    decode,
    encode,
    encode_event,
    encode_health,
    parse_position,
    position,
)
from drivers.mqtt.connection import Connection, connect
from drivers.mqtt.settings import MqttDoor
from gateway.core.centre.alert_json import Refusal
from gateway.core.centre.report_json import receipt_json, refusal_json
from gateway.core.events import InputRefused, PathChanged
from gateway.interfaces import (
    AlertFormat,
    Cursor,
    Intake,
    LinkError,
    Outgoing,
    Queries,
    Report,
    SetupError,
    Surroundings,
    WallClock,
)

log = logging.getLogger(__name__)

EVENTS_CURSOR = "mqtt:events"
RAW_KEPT_BYTES = 4096
# Publications that the broker has not answered: together as many as it lets a client have
# (Receive Maximum; 20 is usual), with one for the heartbeat.
EVENT_BATCH = 10
RECEIPT_WINDOW = 9
EVENTS_WAIT_S = 0.25
# What a reader who knows CAP only is told of an order.
NODES_TOLD = frozenset(
    {"accepted", "acknowledged", "en_route", "arrived", "done", "nobody", "unanswered",
     "breach", "cancelled", "closed"}
)  # fmt: skip
FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 10.0
# A link that stood this long starts again from the shortest wait; two gateways with one client
# id, which throw each other out for ever, do not.
GOOD_LINK_S = 10.0


@dataclass(slots=True, eq=False)
class Turn:
    """A message under way, and whether all that was due to it has been done."""

    incoming: Incoming
    done: bool = False


class Turns:
    """The messages under way, acknowledged in the order they came."""

    def __init__(self, link: Connection) -> None:
        self._link = link
        self._open: deque[Turn] = deque()
        self._idle = asyncio.Event()
        self._idle.set()

    def came(self, incoming: Incoming) -> Turn:
        """Note a message that has come."""
        turn = Turn(incoming)
        self._open.append(turn)
        self._idle.clear()
        return turn

    def done(self, turn: Turn) -> None:
        """Acknowledge a message as soon as all before it have been done."""
        turn.done = True
        while self._open and self._open[0].done:
            self._link.acknowledge(self._open.popleft().incoming)
        if not self._open:
            self._idle.set()

    async def over(self, longest_s: float) -> None:
        """Return when nothing is under way, or after ``longest_s``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest_s):
                await self._idle.wait()


class MqttDriver:
    """The command centre's door over a broker."""

    name: Final = "mqtt"

    def __init__(
        self,
        settings: MqttDoor,
        site_id: str,
        queries: Queries,
        clock: WallClock,
        formats: Sequence[AlertFormat] = (),
    ) -> None:
        self._formats = formats
        self._settings = settings
        self._topics = Topics(site_id)
        self._queries = queries
        self._clock = clock
        self._up: bool | None = None

    def deliver(self, outgoing: Outgoing) -> None:
        """Refuse: nothing is ever addressed to this door; it reads the journal itself."""
        raise SetupError(f"outbox row {outgoing.id} is addressed to the MQTT door; none can be")

    async def run(self, intake: Intake) -> None:
        """Keep a session with the broker until cancelled, connecting anew when it breaks."""
        await self._start_cursor(intake)
        loop = asyncio.get_running_loop()
        wait_s = FIRST_WAIT_S
        while True:
            began_s = loop.time()
            reason = await self._session_until_lost(intake)
            if loop.time() - began_s >= GOOD_LINK_S:
                wait_s = FIRST_WAIT_S
            await self._tell_path(intake, up=False, reason=reason)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    async def _start_cursor(self, intake: Intake) -> None:
        """Have all that happens from now on published, even while no broker is there yet."""
        if await intake.cursor(EVENTS_CURSOR) is None:
            intake.note_cursor(
                Cursor(source=EVENTS_CURSOR, position=str(_last_seq(self._queries)))
            )

    async def _session_until_lost(self, intake: Intake) -> str:
        """Return why the session ended."""
        reasons: list[str] = []
        try:
            await self._session(intake)
        except* (LinkError, SetupError) as group:
            reasons = [str(error) for error in _leaves(group)]
        return reasons[0] if reasons else "the session ended"

    async def _session(self, intake: Intake) -> None:
        offline = self._health("offline")
        async with connect(
            self._settings, will_topic=self._topics.health, will_payload=offline
        ) as link:
            await link.subscribe(self._topics.alerts)
            await self._tell_path(intake, up=True)
            turns = Turns(link)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._beat(link))
                tasks.create_task(self._publish_events(link, intake, turns))
                await self._take_in(link, intake, turns, tasks)

    async def _tell_path(self, intake: Intake, *, up: bool, reason: str | None = None) -> None:
        if up == self._up:
            return
        self._up = up
        log.log(logging.INFO if up else logging.WARNING, "mqtt: %s", reason or "broker reached")
        event = PathChanged(at_us=self._clock.now_us(), path=self.name, up=up, reason=reason)
        await intake.submit(event)

    # Alerts in, receipts out

    async def _take_in(
        self, link: Connection, intake: Intake, turns: Turns, tasks: asyncio.TaskGroup
    ) -> None:
        """Start the work on each message as it comes."""
        room = asyncio.Semaphore(RECEIPT_WINDOW)
        async for incoming in link.messages():
            turn = turns.came(incoming)
            tasks.create_task(self._take(link, intake, turns, turn, room))

    async def _take(
        self,
        link: Connection,
        intake: Intake,
        turns: Turns,
        turn: Turn,
        room: asyncio.Semaphore,
    ) -> None:
        """Commit one message, send its receipt, and have it acknowledged in its turn."""
        receipt = await self._commit(intake, turn.incoming)
        if receipt is not None:
            answers = [(self._topics.receipts, encode(receipt))]
            written = self._written(turn.incoming)
            if written is not None:
                payload = turn.incoming.payload
                reply = written.answer(payload, receipt, self._clock.now_us())
                answers.append((self._topics.cap, reply))
            for topic, answer in answers:
                await room.acquire()
                answered = link.send(topic, answer)
                answered.add_done_callback(lambda _: room.release())
        turns.done(turn)

    async def _commit(self, intake: Intake, incoming: Incoming) -> dict[str, object] | None:
        """Return the receipt of a message once it stands in the journal; None: not for us."""
        try:
            event = decode(
                incoming,
                self._topics,
                self._clock.now_us(),
                written=self._written(incoming),
                synchronised=self._clock.synchronised(),
            )
        except Refusal as refusal:
            return await self._refuse(intake, incoming, refusal)
        committed = await intake.submit(event)
        assert committed.receipt is not None, "the core answers every alert"
        return receipt_json(committed.receipt, committed.seq)

    def _written(self, incoming: Incoming) -> AlertFormat | None:
        """Return the format that a message is written in; None for our own JSON."""
        return next((f for f in self._formats if f.recognises(incoming.payload)), None)

    async def _refuse(
        self, intake: Intake, incoming: Incoming, refusal: Refusal
    ) -> dict[str, object] | None:
        """Put a message aside with its reason, so that it never comes again to stop us."""
        committed = await intake.submit(
            InputRefused(
                at_us=self._clock.now_us(),
                door=DOOR,
                reason=str(refusal),
                raw=base64.b64encode(incoming.payload[:RAW_KEPT_BYTES]).decode("ascii"),
            )
        )
        if incoming.topic != self._topics.alerts:
            return None  # that site's centre does not listen here
        return refusal_json(
            str(refusal), committed.seq, sender=refusal.sender, alert=refusal.id
        )

    # Events and health out

    async def _publish_events(self, link: Connection, intake: Intake, turns: Turns) -> None:
        """Publish every node after the cursor, in order; the cursor follows the broker."""
        stored = await intake.cursor(EVENTS_CURSOR)
        after = parse_position(stored) if stored else (0, -1)
        ahead: asyncio.Queue[Report] = asyncio.Queue(EVENT_BATCH)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read_events(after, ahead))
            while True:
                batch = [await ahead.get()]
                await turns.over(EVENTS_WAIT_S)
                while len(batch) < EVENT_BATCH and not ahead.empty():
                    batch.append(ahead.get_nowait())
                payloads = (encode_event(report, self._topics.site) for report in batch)
                await link.publish(self._topics.events, *payloads)
                await self._publish_reports(link, batch)
                mark = Cursor(source=EVENTS_CURSOR, position=position(batch[-1]))
                intake.note_cursor(mark)

    async def _publish_reports(self, link: Connection, batch: Sequence[Report]) -> None:
        """Publish what became of alerts that came in a format which is told so, in it."""
        telling = [written for written in self._formats if written.reports]
        for report in batch if telling else ():
            if report.order is None or report.node not in NODES_TOLD:
                continue
            about = await self._about(report.order)
            if about is None:
                continue
            for written in telling:
                told = written.report(report, about[0], exercise=about[1])
                await link.publish(self._topics.cap, told)

    async def _about(self, order_id: str) -> tuple[str, bool] | None:
        """Return the sender,id,sent of an order's alert, and whether it is an exercise."""
        order = await self._queries.order(order_id)
        alert = order.get("alert") if order else None
        if not isinstance(alert, dict) or not isinstance(alert.get("sent_us"), int):
            return None
        sent = datetime.fromtimestamp(alert["sent_us"] // 1_000_000, UTC)
        text = sent.isoformat().replace("+00:00", "-00:00")
        return f"{alert['sender']},{alert['id']},{text}", alert.get("exercise") is True

    async def _read_events(self, after: tuple[int, int], ahead: asyncio.Queue[Report]) -> None:
        # A row may have several nodes: start before it and leave out what was published.
        reports = self._queries.follow(after_seq=max(after[0] - 1, 0))
        try:
            async for report in reports:
                if (report.seq, report.part) > after:
                    await ahead.put(report)
        finally:
            if isinstance(reports, AsyncGenerator):
                await reports.aclose()

    async def _beat(self, link: Connection) -> None:
        while True:
            await link.publish(self._topics.health, self._health("online"), retain=True)
            await asyncio.sleep(self._settings.heartbeat_s)

    def _health(self, status: str) -> bytes:
        return encode_health(
            status,
            site=self._topics.site,
            journal=_last_seq(self._queries),
            at_us=self._clock.now_us(),
        )


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def _last_seq(queries: Queries) -> int:
    seq = queries.health()["journal"]
    assert isinstance(seq, int)
    return seq


class Plugin:
    """What the composition root knows of this driver."""

    def build(self, name: str, settings: MqttDoor, around: Surroundings) -> MqttDriver:  # noqa: ARG002
        """Return the driver, not running yet."""
        return MqttDriver(
            settings, around.site, around.queries, around.clock, around.formats
        )


plugin: Final = Plugin()
