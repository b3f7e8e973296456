"""The laboratory: the installed daemon as real processes, the outside on real wires.

The simulated radios, the chat platform and the command centre live in the test's own loop; the
daemon is `gridcall run` on a site of its own. Nothing waits for luck: every wait has a
condition and a limit.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import socket
import sys
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from simulators.chat_server import ChatServer
from simulators.ether import Ether
from simulators.radio import BaseRadio, Handheld
from tests.ports import free_port

TOKEN = "gwk_centre_" + "t" * 43
BOT_TOKEN = "123456789:" + "A" * 35
KEY = "k" * 40
EAST, STATION_GROUP = "-1001001", "-1001002"

# Two channels would double the sound to carry; one is enough for what is asked here. Sentences
# are short and the TX delay the shortest that real squelches allow.
SITE = """
site: {{id: lab, name: 试验, datum: GCJ-02, state_dir: state,
       licence: {{holder: 试验, number: LAB-1, expires: "2099-01-01"}}}}
command_centre:
  name: 中心
  http:
    listen: 127.0.0.1:{http_port}
    tokens:
      - {{id: centre, sha256: {digest}, scopes: ["alert:write", "alert:cancel", "order:write", "event:read"]}}
{mqtt}
channels:
  east:
    name: 东街信道
    licence: {{number: LAB-1-1, frequency_mhz: 410.5}}
    control: {{url: "rfc2217://127.0.0.1:{line_port}", ptt: rts, squelch: cts}}
    audio: {{url: "rtp://127.0.0.1:{radio_port}?local_port={local_port}&codec=l16"}}
    tx_delay_ms: 150
    hang_ms: 150
    busy_wait_s: [2, 5, 20]
    answer_window_s: 2
    ani: {{kind: dtmf, digits: 5, position: start}}
chats:
  work:
    driver: telegram
    token: {{file: secrets/token}}
    callback_key: {{file: secrets/key}}
    api_base_url: http://127.0.0.1:{chat_port}/bot
    file_base_url: http://127.0.0.1:{chat_port}/file/bot
    groups: {{east: "{east}"}}
    per_chat_per_s: 20
    per_group_per_min: 600
    poll_timeout_s: 5
zones: {{z: {{name: 一区, grade: 1}}}}
grids:
  g1: {{name: 东街, zone: z, codes: ["001"], aliases: [银行], channel: east, chat: work/east,
       polygon: [[29.10, 119.65], [29.10, 119.66], [29.11, 119.66], [29.11, 119.65]],
       first_manager: p_liu, second_manager: p_chen, station: p_station}}
organisations: {{dongmen: {{name: 东门保安}}}}
people:
  p_zhang: {{name: 张三, role: guard, organisation: dongmen, guard_code: "031", radio_id: "10031", grids: [g1]}}
  p_li: {{name: 李四, role: guard, organisation: dongmen, guard_code: "032", grids: [g1], contacts: {{work: "700032"}}}}
  p_station: {{name: 派出所, role: station, organisation: dongmen, grids: [g1], contacts: {{work: "700100"}}}}
  p_chen: {{name: 陈所, role: manager, organisation: dongmen, grids: [g1], contacts: {{work: "700101"}}}}
  p_liu: {{name: 刘局, role: manager, organisation: dongmen, grids: [g1], contacts: {{work: "700102"}}}}
response:
  acknowledge_s: [{ack_s}, {ack_s}, {ack_s}]
  rung_s: [{ack_s}, {ack_s}, {ack_s}]
  ladder: [repeat, second_manager, first_manager]
"""


class Lab:
    """One site with its outside and its daemon."""

    def __init__(self, folder: Path, *, ack_s=30, mqtt_port=None):
        self.folder = folder
        self.mqtt_port = mqtt_port
        self.ports = {
            "http_port": free_port(),
            "line_port": free_port(),
            "chat_port": free_port(),
            "radio_port": free_port(socket.SOCK_DGRAM),
            "local_port": free_port(socket.SOCK_DGRAM),
        }
        self.ack_s = ack_s
        self.config = folder / "site.yaml"
        self.events: list[dict] = []
        self._changed = asyncio.Event()
        self._stack = AsyncExitStack()
        self.daemon = None
        self._last_seq = 0

    def write_site(self, **changes):
        gaps = {"ack_s": self.ack_s, "east": EAST, **self.ports, **changes}
        gaps["digest"] = hashlib.sha256(TOKEN.encode()).hexdigest()
        gaps["mqtt"] = (
            f"  mqtt: {{host: 127.0.0.1, port: {self.mqtt_port}, client_id: lab, heartbeat_s: 1}}"
            if self.mqtt_port
            else ""
        )
        self.config.write_text(SITE.format(**gaps), "utf-8")

    async def __aenter__(self):
        try:
            await self._open()
        except BaseException:
            await self.__aexit__(*sys.exc_info())
            raise
        return self

    async def _open(self):
        keys = self.folder / "secrets"
        keys.mkdir(mode=0o700)
        for name, text in (("token", BOT_TOKEN), ("key", KEY)):
            (keys / name).touch(mode=0o600)
            (keys / name).write_text(text)
        self.write_site()
        self.ether = Ether("east", 7, self.folder / "ether.jsonl", wav_dir=self.folder / "air")
        await self._stack.enter_async_context(self.ether)
        self.base = BaseRadio(
            self.ether,
            serial_port=self.ports["line_port"],
            rtp_port=self.ports["radio_port"],
            gateway_rtp=("127.0.0.1", self.ports["local_port"]),
        )
        await self._stack.enter_async_context(self.base)
        self.zhang = Handheld(self.ether, "p_zhang", ani="10031")
        self.nameless = Handheld(self.ether, "nameless")
        self.chat = ChatServer(BOT_TOKEN, {"east": EAST}, 7, self.folder / "chat.jsonl")
        self.chat.enforce_limits = False
        await self.chat.start(self.ports["chat_port"])
        self._stack.push_async_callback(self.chat.stop)
        self.http = await self._stack.enter_async_context(
            aiohttp.ClientSession(
                f"http://127.0.0.1:{self.ports['http_port']}",
                headers={"Authorization": f"Bearer {TOKEN}"},
            )
        )
        await self.start_daemon()
        self._group = await self._stack.enter_async_context(asyncio.TaskGroup())
        task = self._group.create_task(self._follow())
        self._stack.callback(task.cancel)

    async def __aexit__(self, *problem):
        await self.stop_daemon()
        await self._stack.__aexit__(None, None, None)
        if problem[0] is not None:
            sys.stderr.write((self.folder / "daemon.log").read_text("utf-8")[-6000:])

    # ---- the daemon ----

    async def start_daemon(self):
        log = (self.folder / "daemon.log").open("ab")
        self.daemon = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", "run", str(self.config),
            stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        log.close()
        await self.wait_ready()

    async def stop_daemon(self):
        if self.daemon is None or self.daemon.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.daemon.pid, signal.SIGTERM)
        async with asyncio.timeout(20):
            await self.daemon.wait()

    async def wait_ready(self, *, paths=("channel:east", "chat:work"), limit_s=40):
        async def ready():
            try:
                async with self.http.get("/healthz") as answer:
                    health = await answer.json()
            except (aiohttp.ClientError, ValueError, OSError):
                return False
            return health.get("ok") and all(
                health["paths"].get(p, {}).get("up") for p in paths
            )

        await self.until(ready, limit_s, "the daemon to be ready")

    async def path(self, name):
        """Return what health says of a path, or None while it says nothing."""
        async with self.http.get("/healthz") as answer:
            return (await answer.json())["paths"].get(name)

    def pid(self, name):
        """Return the id of the engine, the radio process or the (only) keyer, or None."""
        found = json.loads((self.folder / "state" / "processes.json").read_text())
        if name != "keyer":
            return found.get(name)
        children = Path(f"/proc/{found['radio']}/task/{found['radio']}/children")
        for child in children.read_text().split():
            if b"drivers.radio.keyer" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
        raise ProcessLookupError("no keyer")

    def kill(self, name, number=signal.SIGKILL):
        pid = self.pid(name)
        os.kill(pid, number)
        return pid

    # ---- the outside ----

    async def _follow(self):
        """Keep every event of the daemon, through its deaths."""
        while True:
            try:
                async with self.http.get(
                    "/v1/events",
                    headers={"Last-Event-ID": str(self._last_seq)},
                    timeout=aiohttp.ClientTimeout(total=None, sock_read=30),
                ) as stream:
                    async for line in stream.content:
                        if line.startswith(b"data:"):
                            self._keep(json.loads(line[5:]))
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
                await asyncio.sleep(0.1)

    def _keep(self, event):
        if event not in self.events:
            self.events.append(event)
            self._last_seq = max(self._last_seq, event["journal"])
        self._changed.set()

    async def event(self, node, limit_s=20, **like):
        """Return the first event of this node that is like this, once there is one."""

        def found():
            return [
                e for e in self.events
                if e["node"] == node and all(e[k] == v for k, v in like.items())
            ]  # fmt: skip

        try:
            async with asyncio.timeout(limit_s):
                while not found():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            seen = [(e["node"], e["person"], e["detail"]) for e in self.events]
            raise AssertionError(f"no {node} {like}; seen: {seen}") from None
        return found()[0]

    async def until(self, condition, limit_s, what):
        """Return once an async or plain condition holds."""
        try:
            async with asyncio.timeout(limit_s):
                while True:
                    holds = condition()
                    if asyncio.iscoroutine(holds):
                        holds = await holds
                    if holds:
                        return holds
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"waited {limit_s} s for {what}") from None

    async def alert(self, alert_id="JQ-1", *, expect=202, **fields):
        body = {
            "kind": "alert", "id": alert_id, "sender": "zhzx", "category": "fight",
            "sent": datetime.now(UTC).isoformat(), "level": 2, "text": "打架", "grid": "g1",
            **fields,
        }  # fmt: skip
        async with self.http.post("/v1/alerts", json=body) as answer:
            receipt = await answer.json()
            assert answer.status == expect, receipt
            return receipt

    async def cancel(self, alert_id="JQ-1", **fields):
        body = {
            "id": alert_id, "sender": "zhzx", "sent": datetime.now(UTC).isoformat(),
            "text": "误报", **fields,
        }  # fmt: skip
        async with self.http.post(f"/v1/alerts/{alert_id}/cancel", json=body) as answer:
            return await answer.json()

    async def order(self, order):
        async with self.http.get(f"/v1/orders/{order}") as answer:
            return await answer.json()

    async def card(self, user):
        """Return a person's own card, once it stands there."""
        return await self.chat.wait_message(lambda m: m.chat == int(user) and m.keyboard, 15)

    async def ptt_down(self, limit_s=3.0):
        """Return how long it took from now until the transmitter was unkeyed, seconds."""
        began = time.monotonic()
        await self.base.wait_ptt(False, limit_s)
        return time.monotonic() - began

    def base_overs(self):
        """Return what the gateway said on the air: its pages, by their attention tone."""
        return [o for o in self.ether.overs if o.who == "base" and o.attention]

    def journal(self):
        """Return (verdict text, ok) of `gridcall journal verify`, and the export's rows."""
        import subprocess

        verify = subprocess.run(
            [sys.executable, "-m", "gateway", "journal", "verify", str(self.config)],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        export = subprocess.run(
            [sys.executable, "-m", "gateway", "journal", "export", "--personal", str(self.config)],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        rows = [json.loads(line) for line in export.stdout.splitlines()]
        assert verify.returncode == 0, verify.stdout + verify.stderr
        return rows


async def gridcall(*argv):
    """Return the status and the words of a command, played to its end."""
    done = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *map(str, argv),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await done.communicate()
    return done.returncode, out.decode()
