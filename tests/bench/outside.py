"""The bench's sites: the laboratory with many chats beside its channel, and the county."""

import asyncio
import json
import re
import shutil
from pathlib import Path

import aiohttp
import yaml

from simulators.chat_server import ChatServer
from simulators.ether import Ether
from simulators.radio import BaseRadio
from tests.ports import free_port
from tests.system.lab import BOT_TOKEN, KEY, Lab

COUNTY = Path(__file__).parents[2] / "config" / "examples" / "county.yaml"
ACCOUNTS, GRIDS = 10, 50
# Debian puts daemons where a user's path does not look.
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


class QuietLab(Lab):
    """The laboratory, remembering no events: the outside shares the daemon's cores."""

    ready_s = 0.0

    def _keep(self, event):
        self._last_seq = max(self._last_seq, event["journal"])

    async def start_daemon(self):
        """Return once the daemon is ready; ``ready_s`` says how long that took."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        await super().start_daemon()
        self.ready_s = loop.time() - began


class ManyChats(QuietLab):
    """One channel, and beside it fifty grids that have a chat group each and no channel.

    Ten bot accounts on ten platforms carry the groups: the driver's own ceiling (100 a second
    and account, four fifths of it for levels 2 and 3) is then above a burst of 400.
    """

    def __init__(self, folder, **options):
        super().__init__(folder, ack_s=590, **options)
        self.platforms = []

    def write_site(self, **changes):
        super().write_site(**changes)
        site = yaml.safe_load(self.config.read_text("utf-8"))
        site["command_centre"]["http"]["alerts_per_s"] = 1000
        work = site["chats"]["work"]
        work |= {"per_s": 100, "per_chat_per_s": 30}
        for number, platform in enumerate(self.platforms):
            groups = {f"g{n}": _group(n) for n in range(GRIDS) if n % ACCOUNTS == number}
            site["chats"][f"a{number}"] = work | {
                "api_base_url": platform.base_url,
                "file_base_url": platform.file_base_url,
                "groups": groups,
            }
        for n in range(GRIDS):
            site["grids"][f"q{n}"] = {
                "name": f"网格{n}", "zone": "z", "chat": f"a{n % ACCOUNTS}/g{n}",
                "polygon": _square(n), "first_manager": "p_liu", "second_manager": "p_chen",
                "station": "p_station",
            }  # fmt: skip
            site["people"][f"q_guard{n}"] = {
                "name": f"队员{n}", "role": "guard", "organisation": "dongmen",
                "guard_code": str(500 + n), "grids": [f"q{n}"],
            }  # fmt: skip
        # JSON is YAML in which nothing needs guessing.
        self.config.write_text(json.dumps(site, ensure_ascii=False), "utf-8")

    async def _open(self):
        for number in range(ACCOUNTS):
            groups = {f"g{n}": _group(n) for n in range(GRIDS) if n % ACCOUNTS == number}
            platform = ChatServer(BOT_TOKEN, groups, 7)
            platform.enforce_limits = False
            await platform.start()
            self._stack.push_async_callback(platform.stop)
            self.platforms.append(platform)
        await super()._open()
        paths = [f"chat:a{n}" for n in range(ACCOUNTS)] + (["mqtt"] if self.mqtt_port else [])
        await self.wait_ready(paths=paths)

    def posts(self):
        """Return (when, text) of every card and line posted to a group of a grid ``q…``."""
        return [
            (call.mono_s, str(call.params.get("text", "")))
            for platform in self.platforms
            for call in platform.calls
            if call.method.lower() == "sendmessage" and call.answer == "ok"
        ]


def _group(number):
    return f"-2{number:06}"


def _square(number):
    south, west = round(28.0 + number * 0.01, 4), 118.0
    north, east = round(south + 0.005, 4), west + 0.005
    return [[south, west], [south, east], [north, east], [north, west]]


class County(QuietLab):
    """The county of config/examples: four channels on simulated radios, one chat, no broker."""

    async def _open(self):
        keys = self.folder / "secrets"
        keys.mkdir(mode=0o700)
        for name, text in (
            ("telegram_token", BOT_TOKEN), ("callback_key", KEY), ("mqtt_password", KEY),
        ):  # fmt: skip
            (keys / name).touch(mode=0o600)
            (keys / name).write_text(text)
        text = COUNTY.read_text("utf-8")
        text = text.replace(":8080", f":{self.ports['http_port']}")
        text = text.replace("port: 1883", f"port: {self.mqtt_port or free_port()}")
        text = await self._with_radios(text)
        numbers = re.findall(r'"(-1003\d+)"', text)
        self.chat = ChatServer(BOT_TOKEN, {f"n{i}": n for i, n in enumerate(numbers)}, 7)
        await self._stack.enter_async_context(self.chat)
        bases = f"api_base_url: {self.chat.base_url}\n    file_base_url: {self.chat.file_base_url}"
        text = text.replace("    callback_key:", f"    {bases}\n    callback_key:", 1)
        self.config.write_text(text, "utf-8")
        shutil.copy(COUNTY.with_name("county_g7.geojson"), self.folder)
        address = f"http://127.0.0.1:{self.ports['http_port']}"
        self.http = await self._stack.enter_async_context(aiohttp.ClientSession(address))
        await self.start_daemon()

    async def _with_radios(self, text):
        for number in range(1, 5):
            ether = await self._stack.enter_async_context(Ether(f"c{number}", 7))
            radio = BaseRadio(ether)
            await self._stack.enter_async_context(radio)
            local = free_port()
            radio.gateway_rtp = ("127.0.0.1", local)
            for written, real in ((7000, radio.serial_port), (7100, radio.rtp_port)):
                text = text.replace(f"127.0.0.1:{written + number}", f"127.0.0.1:{real}")
            text = text.replace(f"local_port={7200 + number}", f"local_port={local}")
        return text

    async def wait_ready(self, *, paths=("channel:c1", "channel:c4", "chat:work"), limit_s=40):
        """Return once the county's daemon is ready."""
        await super().wait_ready(paths=paths, limit_s=limit_s)


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


__all__ = ["GRIDS", "MOSQUITTO", "County", "ManyChats", "QuietLab", "settled"]
