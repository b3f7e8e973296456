"""The MQTT door: alerts in, receipts, events and health out, through a broker that may be away.

Theory of operation. A message is acknowledged to the broker only after its row is on our disk
and its receipt has reached the broker; a crash in between brings it again, and the core answers
the repeat with the same order. Messages are committed together (up to 64 at a time) but
acknowledged in the order they came (MQTT 5.0, 4.6). Events are read from the journal behind a
cursor that moves when the broker has taken them, so that none is lost and a few may come twice;
``(journal, part)`` tells. Receipts never wait behind events.
"""

import asyncio
import base64
import logging
from collections.abc import AsyncGenerator
from typing import Final

from drivers.mqtt.codec import (
    Incoming,
    Topics,
    decode,
    encode,
    encode_event,
    encode_health,
    parse_position,
    position,
)
from drivers.mqtt.connection import RECEIVE_MAXIMUM, Connection, connect
from drivers.mqtt.settings import MqttDoor
from gateway.core.alert_json import Refusal
from gateway.core.events import AlertReceived, InputRefused, PathChanged
from gateway.core.report_json import receipt_json, refusal_json
from gateway.interfaces import (
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

DOOR = "mqtt"
EVENTS_CURSOR = "mqtt:events"
RAW_KEPT_BYTES = 4096
# Few enough that a receipt finds room in the broker's window (20 is usual) beside them.
EVENT_BATCH = 10
FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 10.0
# A link that stood this long starts again from the shortest wait; two gateways with one client
# id, which throw each other out for ever, do not.
GOOD_LINK_S = 10.0


class MqttDriver:
    """The command centre's door over a broker."""

    name: Final = "mqtt"

    def __init__(
        self, settings: MqttDoor, site_id: str, queries: Queries, clock: WallClock
    ) -> None:
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
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._beat(link))
                tasks.create_task(self._publish_events(link, intake))
                await self._take_in(link, intake, tasks)

    async def _tell_path(self, intake: Intake, *, up: bool, reason: str | None = None) -> None:
        if up == self._up:
            return
        self._up = up
        log.log(logging.INFO if up else logging.WARNING, "mqtt: %s", reason or "broker reached")
        event = PathChanged(at_us=self._clock.now_us(), path=self.name, up=up, reason=reason)
        await intake.submit(event)

    # Alerts in, receipts out

    async def _take_in(
        self, link: Connection, intake: Intake, tasks: asyncio.TaskGroup
    ) -> None:
        """Start the work on each message as it comes; at most 64 are under way."""
        slots = asyncio.Semaphore(RECEIVE_MAXIMUM)
        before = asyncio.Event()
        before.set()
        async for incoming in link.messages():
            await slots.acquire()
            done = asyncio.Event()
            work = tasks.create_task(self._take(link, intake, incoming, before, done))
            work.add_done_callback(lambda _: slots.release())
            before = done

    async def _take(
        self,
        link: Connection,
        intake: Intake,
        incoming: Incoming,
        before: asyncio.Event,
        done: asyncio.Event,
    ) -> None:
        """Commit one message, publish its receipt, and acknowledge it in its turn."""
        receipt = await self._commit(intake, incoming)
        if receipt is not None:
            await link.publish(self._topics.receipts, encode(receipt))
        await before.wait()
        link.acknowledge(incoming)
        done.set()

    async def _commit(self, intake: Intake, incoming: Incoming) -> dict[str, object] | None:
        """Return the receipt of a message once it stands in the journal, if it can be sent."""
        now_us = self._clock.now_us()
        try:
            alert = decode(incoming, self._topics, now_us)
        except Refusal as refusal:
            return await self._refuse(intake, incoming, refusal)
        committed = await intake.submit(
            AlertReceived(
                at_us=now_us,
                door=DOOR,
                alert=alert,
                synchronised=self._clock.synchronised(),
            )
        )
        assert committed.receipt is not None, "the core answers every alert"
        return receipt_json(committed.receipt, committed.seq)

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
        if refusal.id is None:
            return None
        return refusal_json(
            str(refusal), committed.seq, sender=refusal.sender, alert=refusal.id
        )

    # Events and health out

    async def _publish_events(self, link: Connection, intake: Intake) -> None:
        """Publish every node after the cursor, in order; the cursor follows the broker."""
        stored = await intake.cursor(EVENTS_CURSOR)
        after = parse_position(stored) if stored else (0, -1)
        ahead: asyncio.Queue[Report] = asyncio.Queue(EVENT_BATCH)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read_events(after, ahead))
            while True:
                batch = [await ahead.get()]
                while len(batch) < EVENT_BATCH and not ahead.empty():
                    batch.append(ahead.get_nowait())
                await self._publish_batch(link, batch)
                mark = Cursor(source=EVENTS_CURSOR, position=position(batch[-1]))
                intake.note_cursor(mark)

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

    async def _publish_batch(self, link: Connection, batch: list[Report]) -> None:
        """Return once the broker has taken them all; they leave in order, without waiting."""
        async with asyncio.TaskGroup() as tasks:
            for report in batch:
                payload = encode_event(report, self._topics.site)
                tasks.create_task(link.publish(self._topics.events, payload))

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

    kind: Final = "centre"
    settings_model: Final = MqttDoor

    def build(self, name: str, settings: MqttDoor, around: Surroundings) -> MqttDriver:  # noqa: ARG002
        """Return the driver, not running yet."""
        return MqttDriver(settings, around.site, around.queries, around.clock)


plugin: Final = Plugin()
