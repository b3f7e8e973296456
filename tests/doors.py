"""A small engine for the doors' tests: it keeps what it is given and answers as the core does.

It is a fake with teeth: one writer, commits in the order of the calls, the same (sender, id)
makes one order, another body is a conflict; and it can be told to hold its commits back.
"""

import asyncio
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway.core.after.events import OrderActed
from gateway.core.effects import Receipt
from gateway.core.events import Event, InputRefused, PathChanged
from gateway.core.intake.events import AlertReceived
from gateway.interfaces import Committed, Cursor, JournalError, Report, Wanted
from tests.ports import free_port

START_US = 1_795_287_600_000_000  # 2026-11-21T19:00:00Z


class FakeClock:
    def __init__(self, now_us=START_US):
        self.time_us = now_us

    def now_us(self):
        return self.time_us

    def synchronised(self):
        return True


class FakeEngine:
    """Intake and Queries in one, in memory."""

    def __init__(self, site="donghe"):
        self.site = site
        self.rows: list[Event] = []
        self.published: list[Report] = []
        self.cursors: dict[str, str] = {}
        self.reported: list[dict[str, object]] = []
        self.open_gate = asyncio.Event()
        self.open_gate.set()
        self.broken = False
        self.changed = asyncio.Event()
        self.recordings_known: list[dict[str, object]] = []
        self.asked: Wanted | None = None
        self.register: list[dict[str, object]] = []
        self._turn = asyncio.Lock()
        self._seen: dict[tuple[str, str], tuple[str, str, str]] = {}

    # Intake

    async def submit(
        self, event: Event, *, settles: Sequence[int] = (), cursor: Cursor | None = None
    ) -> Committed:
        async with self._turn:
            await self.open_gate.wait()
            if self.broken:
                raise JournalError("the disk is full")
            self.rows.append(event)
            seq = len(self.rows)
            receipt = self._receipt(event) if isinstance(event, AlertReceived) else None
            if receipt is not None and receipt.status == "accepted":
                self.report(seq, "accepted", order=receipt.order, number=receipt.number)
            self._wake()
            return Committed(seq=seq, receipt=receipt)

    def _receipt(self, event: AlertReceived) -> Receipt:
        alert = event.alert
        key = (alert.sender, alert.id)
        known = self._seen.get(key)
        if known is None or alert.kind != "alert":
            number = f"{len(self._seen) + 11}"
            order = known[1] if known else f"o{number}"
            self._seen.setdefault(key, (alert.body_sha256, order, number))
            return Receipt(
                status="accepted", sender=alert.sender, id=alert.id, order=order, number=number
            )
        sha256, order, number = known
        status = "duplicate" if sha256 == alert.body_sha256 else "conflict"
        reason = None if status == "duplicate" else "same id, other content"
        return Receipt(
            status=status, sender=alert.sender, id=alert.id, order=order, number=number,
            reason=reason,
        )  # fmt: skip

    def started(self, outbox_id):
        raise NotImplementedError

    def settle(self, outbox_id):
        raise NotImplementedError

    def note_cursor(self, cursor: Cursor) -> None:
        self.cursors[cursor.source] = cursor.position
        self._wake()

    async def cursor(self, source: str) -> str | None:
        return self.cursors.get(source)

    # Queries

    async def orders(self, *, open_only: bool, limit: int):
        found = [
            {"id": order, "number": number, "status": "calling"}
            for _, order, number in self._seen.values()
        ]
        return found[::-1][:limit]

    async def order(self, order: str):
        known = {o["id"]: o for o in await self.orders(open_only=False, limit=1000)}
        return known.get(order)

    async def recordings(self, wanted: Wanted) -> list[dict[str, object]]:
        self.asked = wanted
        return self.recordings_known

    async def recording(self, seq: int) -> dict[str, object] | None:
        return next((r for r in self.recordings_known if r["id"] == seq), None)

    async def reports(self, *, after_seq: int, limit: int) -> list[Report]:
        return [r for r in self.published if r.seq > after_seq][:limit]

    async def follow(self, *, after_seq: int) -> AsyncIterator[Report]:
        given = 0
        while True:
            while given < len(self.published):
                report = self.published[given]
                given += 1
                if report.seq > after_seq:
                    yield report
            await self._change()

    def own_people(self, organisation: str) -> frozenset[str]:
        return frozenset(p["id"] for p in self.register if p["organisation"] == organisation)

    def concerns(self, order: str, organisation: str) -> bool:
        own = self.own_people(organisation)
        return any(r.order == order and r.person in own for r in self.published)

    def people(self) -> list[dict[str, object]]:
        return self.register

    def guard_reports(self) -> list[dict[str, object]]:
        return self.reported

    def duty(self, *, days, person, grid):
        shift = {"day": "2026-11-22", "people": [person] if person else [], "grid": grid}
        return {"ok": True, "days": days, "shifts": [shift], "changes": []}

    def health(self):
        return {"ok": not self.broken, "site": self.site, "journal": len(self.rows)}

    def metrics(self):
        return f"# TYPE gridcall_rows gauge\ngridcall_rows {len(self.rows)}\n"

    # For the tests

    def report(self, seq=None, node="told", **fields) -> Report:
        if seq is None:
            self.rows.append(PathChanged(at_us=START_US, path="test", up=True))
            seq = len(self.rows)
        part = sum(1 for r in self.published if r.seq == seq)
        values = dict.fromkeys(
            ("order", "number", "person", "name", "medium", "assurance", "detail")
        )
        report = Report(seq=seq, part=part, at_us=START_US, node=node, **(values | fields))
        self.published.append(report)
        self._wake()
        return report

    def refused(self) -> list[InputRefused]:
        return [e for e in self.rows if isinstance(e, InputRefused)]

    def alerts(self) -> list[AlertReceived]:
        return [e for e in self.rows if isinstance(e, AlertReceived)]

    def acts(self) -> list[OrderActed]:
        return [e for e in self.rows if isinstance(e, OrderActed)]

    def paths(self) -> list[bool]:
        return [e.up for e in self.rows if isinstance(e, PathChanged) and e.path == "mqtt"]

    async def wait_until(self, holds, time_s=10.0):
        """Return once ``holds()`` is true, looking again at each change."""
        async with asyncio.timeout(time_s):
            while not holds():
                await self._change()

    async def _change(self):
        await self.changed.wait()

    def _wake(self):
        self.changed.set()
        self.changed = asyncio.Event()


class Broker:
    """A real mosquitto that can be killed and started again on its port, keeping sessions."""

    def __init__(self, folder: Path, path: str):
        self._path = path
        self.port = free_port()
        self._conf = folder / "mosquitto.conf"
        self._conf.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n"
            f"persistence true\npersistence_location {folder}/\nautosave_interval 60\n"
            "user root\n"
        )
        self._process: subprocess.Popen | None = None

    def start(self):
        """Start it; returns once it answers."""
        self._process = subprocess.Popen(
            [self._path, "-c", str(self._conf)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + 5
        while time.monotonic() < until:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.01)
        raise TimeoutError("mosquitto does not answer")

    def stop(self):
        """End it in order, so that it writes its sessions down."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=5)
            self._process = None

    @contextmanager
    def running(self):
        self.start()
        try:
            yield self
        finally:
            self.stop()
