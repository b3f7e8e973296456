"""The control socket between the command line and the running daemon.

A Unix socket in the site's state folder, for its owner only. One JSON object a line each way:
``{"do": "enrol", "person": "p_zhang"}`` is answered by one object; ``follow`` is answered by a
line an event until the caller leaves.
"""

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from gateway.core.after.events import OrderActed
from gateway.core.alert import AlertKind
from gateway.core.centre.act_json import ACTS, CONFIRMED
from gateway.core.centre.alert_json import Refusal, decode_alert
from gateway.core.centre.centre_acts import decode_centre_act
from gateway.core.centre.report_json import event_json, receipt_json
from gateway.core.events import InputRefused
from gateway.core.intake.events import AlertReceived, MessageNoted
from gateway.core.register.duty import MOST_DAYS
from gateway.interfaces import (
    AlertFormat,
    Control,
    GridcallError,
    Intake,
    LinkError,
    Queries,
    SetupError,
    WallClock,
)

# A command is small; a CAP message is at most 256 kB, and JSON doubles what it must escape.
LONGEST_LINE = 640 * 1024
ANSWER_WAIT_S = 10.0
# The socket is its owner's alone: whoever comes by it is one hand.
DOOR = "control"

Answer = dict[str, object]


class ControlServer:
    """Serves the control socket inside the engine's process."""

    def __init__(
        self,
        *,
        path: Path,
        intake: Intake,
        queries: Queries,
        control: Control,
        clock: WallClock,
        site: str,
        formats: Sequence[AlertFormat] = (),
    ) -> None:
        self._path = path
        self._intake = intake
        self._queries = queries
        self._control = control
        self._clock = clock
        self._site = site
        self._formats = formats
        self._callers: set[asyncio.Task[None]] = set()
        self._acts: Mapping[str, Callable[[Answer], Awaitable[Answer]]] = {
            "health": self._health,
            "reload": self._reload,
            "enrol": self._enrol,
            "leave": self._leave,
            "erase": self._erase,
            "people": self._people,
            "duty": self._duty,
            "alert": self._alert,
            "act": self._act,
            "centre_act": self._centre_act,
            "talk": self._talk,
            "orders": self._orders,
            "order": self._order,
        }

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            SetupError: The socket cannot be made.
        """
        server = await asyncio.start_unix_server(
            self._serve, sock=self._listen(), limit=LONGEST_LINE
        )
        try:
            await server.serve_forever()
        finally:
            # From 3.12 on a server waits for its callers, and one may follow for ever.
            for caller in self._callers:
                caller.cancel()
            if self._callers:
                await asyncio.wait(self._callers)

    def _listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            self._path.unlink(missing_ok=True)
            listener.bind(str(self._path))
        except OSError as error:
            listener.close()
            msg = f"cannot make the control socket {self._path}: {error}"
            raise SetupError(msg) from error
        finally:
            os.umask(before)
        return listener

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._callers.add(task)
        try:
            await self._answer_all(reader, writer)
        except OSError:
            pass  # the caller left
        except asyncio.CancelledError:
            pass  # the daemon stops, and this task is nobody's but ours
        finally:
            self._callers.discard(task)
            writer.close()

    async def _answer_all(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            try:
                line = await reader.readline()
            except ValueError:
                await _write(writer, _no(f"a command has at most {LONGEST_LINE} bytes"))
                return
            if not line.endswith(b"\n"):
                return  # the caller left, perhaps in the middle of a word
            await self._answer(line, reader, writer)

    async def _answer(
        self, line: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            asked = json.loads(line)
        except (ValueError, RecursionError):
            asked = None
        if not isinstance(asked, dict) or not isinstance(asked.get("do"), str):
            await _write(writer, _no("a command is one JSON object with a \"do\""))
            return
        if asked["do"] == "follow":
            await self._follow(asked, reader, writer)
            return
        act = self._acts.get(asked["do"])
        if act is None:
            await _write(writer, _no(f"unknown command {asked['do']!r}"))
            return
        try:
            answer = await act(asked)
        except (ValueError, GridcallError) as error:
            answer = _no(str(error))
        await _write(writer, answer)

    async def _follow(
        self, asked: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Write every event until the caller is gone, also while nothing happens."""
        after = asked.get("after")
        if not isinstance(after, int) or not 0 <= after < 2**63:
            await _write(writer, _no("follow: after is a journal number"))
            return
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_raise_when_gone(reader))
                async for report in self._queries.follow(after_seq=after):
                    await _write(writer, event_json(report, self._site))
        except* (_CallerGoneError, OSError):
            pass

    async def _health(self, _: Answer) -> Answer:
        return self._queries.health()

    async def _reload(self, asked: Answer) -> Answer:
        return await self._control.reload(str(asked.get("path", "")))

    async def _enrol(self, asked: Answer) -> Answer:
        return await self._control.enrol(str(asked.get("person", "")), by=_by(asked))

    async def _leave(self, asked: Answer) -> Answer:
        return await self._control.leave(str(asked.get("person", "")), by=_by(asked))

    async def _erase(self, asked: Answer) -> Answer:
        return await self._control.erase(str(asked.get("person", "")), by=_by(asked))

    async def _people(self, _: Answer) -> Answer:
        return {"ok": True, "people": self._control.people()}

    async def _duty(self, asked: Answer) -> Answer:
        """Return who stands which shift in the days to come."""
        days = asked.get("days", 60)
        if not isinstance(days, int) or not 1 <= days <= MOST_DAYS:
            return _no(f"days is a number of days, 1 to {MOST_DAYS}")
        person, grid = asked.get("person"), asked.get("grid")
        return self._control.duty(
            days=days,
            person=None if person is None else str(person),
            grid=None if grid is None else str(grid),
        )

    async def _alert(self, asked: Answer) -> Answer:
        raw = str(asked.get("alert", "")).encode("utf-8", "surrogatepass")
        now_us = self._clock.now_us()
        asked_kind = str(asked.get("kind", ""))
        kind = AlertKind(asked_kind) if asked_kind in set(AlertKind) else None
        event: AlertReceived | MessageNoted
        written = next((one for one in self._formats if one.recognises(raw)), None)
        try:
            if written is not None:
                event = written.decode(raw, door=DOOR, now_us=now_us, synchronised=True)
            else:
                alert = decode_alert(
                    raw, kind=kind, now_us=now_us, otherwise=AlertKind.ALERT
                )
                event = AlertReceived(at_us=now_us, door=DOOR, alert=alert)
        except Refusal as refusal:
            await self._intake.submit(
                InputRefused(at_us=now_us, door=DOOR, reason=str(refusal))
            )
            return {"ok": False, "errors": [str(refusal)]}
        if isinstance(event, AlertReceived):
            event = replace(event, alert=replace(event.alert, through=DOOR))
        committed = await self._intake.submit(event)
        assert committed.receipt is not None, "every alert has a receipt"
        receipt = receipt_json(committed.receipt, committed.seq)
        return {"ok": receipt["status"] in ("accepted", "duplicate"), "receipt": receipt}

    async def _act(self, asked: Answer) -> Answer:
        act = next((known for known in ACTS if known == asked.get("act")), None)
        if act is None:
            return _no("act is close, confirm or stand_down")
        node = asked.get("node") or "acknowledged"
        said = next((known for known in CONFIRMED if known == node), None)
        if said is None:
            return _no(f"node is one of {', '.join(CONFIRMED)}")
        committed = await self._intake.submit(
            OrderActed(
                at_us=self._clock.now_us(),
                order=await self._order_meant(str(asked.get("order", ""))),
                act=act,
                by=_by(asked),
                result=str(asked["result"])[:500] if asked.get("result") else None,
                person=str(asked["person"])[:64] if asked.get("person") else None,
                node=said,
            )
        )
        assert committed.receipt is not None, "every act has a receipt"
        receipt = receipt_json(committed.receipt, committed.seq)
        return {"ok": receipt["status"] == "accepted", "receipt": receipt}

    async def _order_meant(self, text: str, *, ended: bool = False) -> str:
        """Return the id of the order of this number, or the text where it is none.

        Args:
            text: A number, or an id.
            ended: The latest ended order counts where no open one has the number.
        """
        for open_only in (True, False)[: 1 + ended] if text.isdecimal() else ():
            for order in await self._queries.orders(open_only=open_only, limit=1000):
                if order["number"] == text:
                    return str(order["id"])
        return text

    async def _centre_act(self, asked: Answer) -> Answer:
        """Do what somebody of the centre asks of the site."""
        raw = json.dumps(asked.get("act"), ensure_ascii=False).encode("utf-8", "surrogatepass")
        event = decode_centre_act(raw, now_us=self._clock.now_us(), through=DOOR)
        committed = await self._intake.submit(event)
        receipt = committed.receipt
        if receipt is not None and receipt.status not in ("accepted", "duplicate"):
            return _no(receipt.reason or receipt.status)
        order = receipt.order if receipt else None
        made = receipt.id if receipt else None
        reason = receipt.reason if receipt else None
        return {
            "ok": True, "journal": committed.seq, "order": order, "id": made, "reason": reason
        }  # fmt: skip

    async def _talk(self, asked: Answer) -> Answer:
        """Switch a talk group on or off."""
        for_s = asked.get("for_s")
        if for_s is not None and (not isinstance(for_s, int) or not 0 < for_s <= 366 * 86400):
            return _no("for_s is a number of seconds, a year at most")
        return await self._control.switch_talk(
            str(asked.get("group", "")),
            on=asked.get("on") is True,
            for_s=for_s,
            by=_by(asked),
        )

    async def _orders(self, asked: Answer) -> Answer:
        found = await self._queries.orders(open_only=bool(asked.get("open")), limit=100)
        return {"ok": True, "orders": found}

    async def _order(self, asked: Answer) -> Answer:
        named = await self._order_meant(str(asked.get("order", "")), ended=True)
        # What cannot be written cannot be looked for: it is no order, and no damaged journal.
        found = await self._queries.order(named) if named.isprintable() else None
        return {"ok": found is not None, "order": found}


def _no(why: str) -> Answer:
    return {"ok": False, "errors": [why]}


def _by(asked: Answer) -> str:
    said = "".join(c for c in str(asked.get("by") or "") if c.isprintable())
    return said[:64] or "command line"


class _CallerGoneError(Exception):
    """Who asked has hung up."""


async def _raise_when_gone(reader: asyncio.StreamReader) -> None:
    with suppress(OSError):
        while await reader.read(4096):
            pass
    raise _CallerGoneError


async def _write(writer: asyncio.StreamWriter, answer: Answer) -> None:
    line = json.dumps(answer, ensure_ascii=False) + "\n"
    writer.write(line.encode("utf-8", "replace"))
    await writer.drain()


# ---- the caller's side ----


def connect(path: Path) -> socket.socket:
    """Return a connection to the running daemon.

    Raises:
        LinkError: No daemon runs for this site.
    """
    caller = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        caller.connect(str(path))
    except OSError as error:
        caller.close()
        msg = f"no daemon answers at {path}: start it with `gridcall run CONFIG`"
        raise LinkError(msg) from error
    return caller


def ask(path: Path, /, **command: object) -> Answer:
    """Return the running daemon's answer to one command.

    Raises:
        LinkError: No daemon runs, or it does not answer in ten seconds.
    """
    with connect(path) as caller:
        return _exchange(path, caller, caller.makefile("rb"), command)


def ask_each(path: Path, commands: Iterable[Answer]) -> Iterator[Answer]:
    """Yield the running daemon's answers to commands, one after the other on one connection.

    Raises:
        LinkError: No daemon runs, or it stopped answering.
    """
    with connect(path) as caller:
        lines = caller.makefile("rb")
        for command in commands:
            yield _exchange(path, caller, lines, command)


def _exchange(path: Path, caller: socket.socket, lines: BinaryIO, command: Answer) -> Answer:
    caller.settimeout(ANSWER_WAIT_S)
    try:
        caller.sendall((json.dumps(command) + "\n").encode())
        line = lines.readline()
    except TimeoutError as error:
        msg = f"the daemon at {path} does not answer; see its log and /healthz"
        raise LinkError(msg) from error
    except OSError as error:
        msg = f"the daemon at {path} hung up: {error}; it may be restarting"
        raise LinkError(msg) from error
    if not line.endswith(b"\n"):
        msg = f"the daemon at {path} closed the connection; it may be restarting"
        raise LinkError(msg)
    answer = json.loads(line)
    assert isinstance(answer, dict)
    return answer


def follow(path: Path, after_seq: int) -> Iterator[Answer]:
    """Yield the running daemon's events after a journal number, until it stops.

    Raises:
        LinkError: No daemon runs.
    """
    with connect(path) as caller, suppress(OSError):  # it has stopped
        caller.sendall((json.dumps({"do": "follow", "after": after_seq}) + "\n").encode())
        for line in caller.makefile("rb"):
            if not line.endswith(b"\n"):
                return
            event = json.loads(line)
            assert isinstance(event, dict)
            yield event
