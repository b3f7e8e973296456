"""Rows of what another does on this machine in the same run: Debian's Alertmanager.

It keeps nothing of an accepted alert through a crash; its webhook receiver calls the
same platform as our driver. It is not required.
"""

import asyncio
import json
import re
import shutil
import subprocess
import sys
from contextlib import AsyncExitStack

import aiohttp

from tests.bench.burst import http_request, volley
from tests.bench.figures import Row, absent, times
from tests.bench.outside import Chats, Process
from tests.ports import free_port

ALERTMANAGER = "prometheus-alertmanager"
MARK = re.compile(r"peer-[a-z]+-\d+")


async def measured(folder, sizes, mqtt_port):
    """Return its rows, or one that says why there are none."""
    del mqtt_port
    command = await asyncio.to_thread(_alertmanager_command, folder)
    if command is None:
        why = f"not installed: apt-get install {ALERTMANAGER}"
        return [absent("13 peer Alertmanager: alert → webhook", "ms", why)]
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        plant = Process(sys.executable, "-m", "tests.bench.chat_plant")
        chats = Chats(await stack.enter_async_context(plant), http)
        port = free_port()
        await stack.enter_async_context(_running(command, folder, port, chats.port))
        await _answers(http, port)
        await _calls(http, port, chats, "warm", 10, 20)
        idle = await _calls(http, port, chats, "idle", sizes.peer, 10)
        rows = [times("13 peer Alertmanager: alert → webhook, 10 a second", idle,
                      note="nothing durable; compare row 3")]  # fmt: skip
        return rows + await _alertmanager_burst(port, chats, sizes.burst)


def _alertmanager_command(folder):
    """Return how it is started: as installed, or unpacked from Debian's archive; None without."""
    installed = shutil.which(ALERTMANAGER)
    if installed:
        return [installed]
    if not all(shutil.which(tool) for tool in ("apt-get", "dpkg", "unshare")):
        return None
    room = folder / "alertmanager"
    try:
        room.mkdir()
        for step in (["apt-get", "download", "-qq", ALERTMANAGER], "unpack"):
            step = ["dpkg", "-x", str(next(room.glob("*.deb"))), "."] if step == "unpack" else step
            subprocess.run(step, cwd=room, check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError, StopIteration):
        return None
    # It reads its template at /usr/share/prometheus, and nothing of ours shall be installed.
    share, program = room / "usr" / "share", room / "usr" / "bin" / ALERTMANAGER
    inside = f'mount --bind {share} /usr/share && exec {program} "$@"'
    return ["unshare", "--map-root-user", "--mount", "sh", "-c", inside, "sh"]


class _running:  # noqa: N801  # reads as what it is: `async with _running(…)`
    """The Alertmanager with one webhook, from entering to leaving."""

    def __init__(self, command, folder, port, chat_port):
        self._command, self._folder = command, folder
        self._port, self._chat_port = port, chat_port

    async def __aenter__(self):
        config = self._folder / "alertmanager.yml"
        route = {"receiver": "w", "group_by": ["..."], "group_wait": "0s",
                 "group_interval": "1s", "repeat_interval": "4h"}  # fmt: skip
        hook = {"url": f"http://127.0.0.1:{self._chat_port}/hook", "send_resolved": False}
        receivers = [{"name": "w", "webhook_configs": [hook]}]
        config.write_text(json.dumps({"route": route, "receivers": receivers}))
        self._log = (self._folder / "alertmanager.log").open("wb")
        self._process = await asyncio.create_subprocess_exec(
            *self._command, f"--config.file={config}", f"--storage.path={self._folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self._port}", "--cluster.listen-address=",
            stdout=self._log, stderr=self._log,
        )  # fmt: skip

    async def __aexit__(self, *_):
        if self._process.returncode is None:
            self._process.terminate()
            async with asyncio.timeout(20):
                await self._process.wait()
        self._log.close()


async def _answers(http, port):
    async with asyncio.timeout(30):
        while True:
            try:
                async with http.get(f"http://127.0.0.1:{port}/-/ready") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)


def _alert(name, number):
    return [{"labels": {"alertname": "fight", "mark": f"peer-{name}-{number}"}}]


async def _calls(http, port, chats, name, count, a_second):
    """Return how long each alert took to its webhook, seconds."""
    loop, began = asyncio.get_running_loop(), {}

    async def post(number):
        began[f"peer-{name}-{number}"] = loop.time()
        url = f"http://127.0.0.1:{port}/api/v2/alerts"
        async with http.post(url, json=_alert(name, number)) as answer:
            assert answer.status == 200, await answer.text()

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(post(number))
            await asyncio.sleep(1 / a_second)
    came = await _hooks(chats, name, count)
    return [came[mark] - began[mark] for mark in began]


async def _hooks(chats, name, count):
    found = {}
    async with asyncio.timeout(60):
        while len(found) < count:
            await asyncio.sleep(0.2)
            for at_s, _, _, _, text, _ in await chats.calls():
                for mark in MARK.findall(text):
                    if mark.startswith(f"peer-{name}-"):
                        found.setdefault(mark, at_s)
    return found


async def _alertmanager_burst(port, chats, count):
    requests = [http_request(port, "/api/v2/alerts", _alert("burst", n)) for n in range(count)]
    began, answered = await volley(port, requests)
    came = await _hooks(chats, "burst", count)
    what = f"13 peer Alertmanager: burst of {count}"
    return [
        times(f"{what}: alert → answer", [at_s - began for at_s in answered]),
        Row(f"{what}: webhooks", "/s", count, count / (max(came.values()) - began),
            note="from the first alert sent to the last webhook; compare row 5"),
    ]  # fmt: skip

