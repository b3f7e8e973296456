"""The daemon under measurement, and the processes of the outside around it."""

import asyncio
import json
import shutil
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

from tests.bench import sites
from tests.bench.machine import family
from tests.ports import free_port

COUNTY = Path(__file__).parents[2] / "config" / "examples" / "county.yaml"
# Debian puts daemons where a user's path does not look.
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


class Process:
    """A process of the outside, asked and answering by JSON lines; it ends with us."""

    def __init__(self, *command, cwd=None):
        self._command, self._cwd = command, cwd

    async def __aenter__(self):
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            cwd=self._cwd, limit=1 << 28,
        )  # fmt: skip
        self.said = await self.next_line()
        return self

    async def __aexit__(self, *_):
        self._process.stdin.close()
        async with asyncio.timeout(20):
            # What it still has to say must not stop it.
            await self._process.stdout.read()
            await self._process.wait()

    async def next_line(self):
        """Return the next thing it says."""
        async with asyncio.timeout(60):
            line = await self._process.stdout.readline()
        assert line, f"{self._command} ended"
        return json.loads(line)

    async def ask(self, **command):
        """Return its answer to a command."""
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        return await self.next_line()


class Chats:
    """The lean chat platform in its own process."""

    def __init__(self, process, http):
        self._process, self._http = process, http
        self.port = process.said
        self._base = f"http://127.0.0.1:{self.port}/plant"

    async def calls(self, since=0):
        """Return ``[when, account, method, chat, text, answer]`` of every call since one."""
        async with self._http.get(f"{self._base}/calls?since={since}") as answer:
            return await answer.json()

    async def temper(self, **fields):
        """Return once the platform behaves so; see ``chat_plant.Platform.temper``."""
        async with self._http.post(f"{self._base}/temper", json=fields) as answer:
            return await answer.json()


class Daemon:
    """`gridcall run` on settings of ours."""

    def __init__(self, config, http_port, paths):
        self.config, self.folder = config, config.parent
        self.http_port, self.paths = http_port, paths
        self.ready_s = self.healthy_s = 0.0
        self.process = None

    async def start(self):
        """Return once it is healthy and its ways are up.

        ``ready_s`` says how long that took, ``healthy_s`` how long until it was healthy.
        """
        loop = asyncio.get_running_loop()
        began, self.healthy_s = loop.time(), 0.0
        with (self.folder / "daemon.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "gateway", "run", str(self.config),
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        base = f"http://127.0.0.1:{self.http_port}"
        async with aiohttp.ClientSession(base) as http, asyncio.timeout(300):
            while not await self._ready(http, began):
                assert self.process.returncode is None, self.last_words()
                await asyncio.sleep(0.02)
        self.ready_s = loop.time() - began

    async def _ready(self, http, began):
        try:
            async with http.get("/healthz") as answer:
                health = await answer.json()
        except (aiohttp.ClientError, ValueError, OSError):
            return False
        if health.get("ok") and not self.healthy_s:
            self.healthy_s = asyncio.get_running_loop().time() - began
        ways = health.get("paths", {})
        return health.get("ok") and all(ways.get(path, {}).get("up") for path in self.paths)

    async def stop(self):
        """Return once it has stopped as it is told to."""
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            async with asyncio.timeout(60):
                await self.process.wait()

    def last_words(self):
        """Return the end of its log."""
        return (self.folder / "daemon.log").read_text("utf-8", "replace")[-3000:]

    @property
    def journal(self):
        """Its journal's file."""
        return self.folder / "state" / "journal.sqlite3"

    def pids(self):
        """Return every process of it: supervisor, engine, radio process, keyers, speech."""
        return family(self.process.pid)

    def radio_pid(self):
        """Return the radio process."""
        return json.loads((self.folder / "state" / "processes.json").read_text())["radio"]

    async def command(self, *words):
        """Return what `gridcall …` prints; it must end well."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", *words, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        assert process.returncode == 0, (words, out[-2000:])
        return out


class Outside:
    """A site of a shape: lean chats, lean radios, an HTTP client, and the daemon, ready.

    Args:
        folder: Empty folder of this site.
        shape: How large it is.
        mqtt_port: Of the broker, or None.
        journal: A journal to begin with; moved here.
        world: The simulators proper are its radios (and, if ``"all"``, its chats), with logs.
    """

    def __init__(self, folder, shape, *, mqtt_port=None, journal=None, world=""):
        self.folder, self.shape, self.mqtt_port = folder, shape, mqtt_port
        self.logs = folder / "outside"
        self._given, self._world = journal, world
        self._stack = AsyncExitStack()
        self.radios = None

    async def __aenter__(self):
        try:
            await self._open()
        except BaseException:
            await self.__aexit__(*sys.exc_info())
            raise
        return self

    async def __aexit__(self, *problem):
        if problem and problem[0] is not None and (self.folder / "daemon.log").exists():
            sys.stderr.write((self.folder / "daemon.log").read_text("utf-8", "replace")[-3000:])
        await self._stack.__aexit__(None, None, None)

    async def _open(self):
        enter = self._stack.enter_async_context
        self.http_port = free_port()
        self._plain = await enter(aiohttp.ClientSession())
        plant = await enter(Process(sys.executable, "-m", "tests.bench.chat_plant"))
        self.chats = Chats(plant, self._plain)
        self.channels = sites.channels_apart(self.shape.channels)
        self.config = self._written()
        if self._given is not None:
            (self.folder / "state").mkdir(mode=0o700, exist_ok=True)
            shutil.move(self._given, self.folder / "state" / "journal.sqlite3")
        await self._open_radios()
        self.daemon = Daemon(self.config, self.http_port, self.ways())
        self._stack.push_async_callback(self.daemon.stop)
        await self.daemon.start()
        base = f"http://127.0.0.1:{self.http_port}"
        self.http = await enter(
            aiohttp.ClientSession(base, headers={"Authorization": f"Bearer {sites.TOKEN}"})
        )

    def _written(self):
        count = self.shape.accounts
        chats = [free_port() for _ in range(count)] if self._world == "all" else (
            [self.chats.port] * count
        )  # fmt: skip
        tree = sites.settings(
            self.shape, http_port=self.http_port, channels=self.channels, chats=chats,
            mqtt_port=self.mqtt_port,
        )  # fmt: skip
        return sites.write(self.folder, tree)

    async def _open_radios(self):
        enter = self._stack.enter_async_context
        if not self._world:
            self.radios = await enter(radio_plant(self.channels))
            return
        site = json.loads(await _resolved(self.config))
        self.resolved = self.folder / "resolved.json"
        self.resolved.write_text(json.dumps(site, ensure_ascii=False), "utf-8")
        seen = site if self._world == "all" else site | {"chats": {}}
        (self.folder / "world.json").write_text(json.dumps(seen, ensure_ascii=False), "utf-8")
        # Nobody answers: what is measured is the calling.
        (self.folder / "scenario.yaml").write_text("people: {}\n")
        world = Process(
            sys.executable, "-m", "simulators", str(self.folder / "world.json"), "--logs",
            str(self.logs), "--seed", "7", "--scenario", str(self.folder / "scenario.yaml"),
        )  # fmt: skip
        await enter(world)

    def ways(self):
        """Return what must be up before anything is measured."""
        ways = [f"channel:c{n}" for n in range(self.shape.channels)]
        ways += [f"chat:a{n}" for n in range(self.shape.accounts)]
        return ways + (["mqtt"] if self.mqtt_port else [])

    def log(self, name):
        """Return the lines of a witness's log, such as ``ether-c0``."""
        lines = (self.logs / f"{name}.jsonl").read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines]


def radio_plant(channels):
    """Return the process of lean radios, to be entered."""
    ports = [f"{c.line}:{c.sound}:{c.gateway}" for c in channels]
    return Process(sys.executable, "-m", "tests.bench.radio_plant", *ports)


async def _resolved(config):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "check", str(config), "--resolved",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, errors = await process.communicate()
    assert process.returncode == 0, errors
    return out


class County:
    """The county of config/examples: four channels on lean radios, one chat, a broker if any."""

    def __init__(self, folder, mqtt_port=None):
        self.folder, self._mqtt_port = folder, mqtt_port
        self._stack = AsyncExitStack()

    async def __aenter__(self):
        try:
            await self._open()
        except BaseException:
            await self._stack.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(self, *_):
        await self._stack.__aexit__(None, None, None)

    async def _open(self):
        enter, http_port = self._stack.enter_async_context, free_port()
        http = await enter(aiohttp.ClientSession())
        plant = await enter(Process(sys.executable, "-m", "tests.bench.chat_plant"))
        channels = sites.channels_apart(4)
        await enter(radio_plant(channels))
        text = self._settings(channels, http_port, Chats(plant, http).port)
        sites.keep_secret(self.folder, "telegram_token", "12345:" + "A" * 35)
        sites.keep_secret(self.folder, "callback_key", sites.KEY)
        sites.keep_secret(self.folder, "mqtt_password", sites.KEY)
        config = self.folder / "site.yaml"
        config.write_text(text, "utf-8")
        shutil.copy(COUNTY.with_name("county_g7.geojson"), self.folder)
        ways = [*(f"channel:c{n}" for n in range(1, 5)), "chat:work"]
        self.daemon = Daemon(config, http_port, ways + (["mqtt"] if self._mqtt_port else []))
        self._stack.push_async_callback(self.daemon.stop)
        await self.daemon.start()

    def _settings(self, channels, http_port, chat_port):
        text = COUNTY.read_text("utf-8").replace(":8080", f":{http_port}")
        text = text.replace("port: 1883", f"port: {self._mqtt_port or free_port()}")
        for number, ports in enumerate(channels, 1):
            text = text.replace(f"127.0.0.1:{7000 + number}", f"127.0.0.1:{ports.line}")
            text = text.replace(f"127.0.0.1:{7100 + number}", f"127.0.0.1:{ports.sound}")
            text = text.replace(f"local_port={7200 + number}", f"local_port={ports.gateway}")
        base = f"http://127.0.0.1:{chat_port}"
        bases = f"api_base_url: {base}/bot\n    file_base_url: {base}/file/bot"
        return text.replace("    callback_key:", f"    {bases}\n    callback_key:", 1)


async def settled(condition, *, for_s, limit_s):
    """Return once a condition has held for so long without a break.

    Raises:
        TimeoutError: It did not within the limit.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(limit_s):
        since = loop.time()
        while loop.time() - since < for_s:
            if not condition():
                since = loop.time()
            await asyncio.sleep(0.02)


__all__ = ["COUNTY", "MOSQUITTO", "Chats", "County", "Daemon", "Outside", "Process", "settled"]
