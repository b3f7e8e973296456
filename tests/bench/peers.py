"""Rows of what others do on this machine in the same run: Alertmanager, multimon-ng.

Both are Debian's. Alertmanager keeps nothing of an accepted alert through a crash; its webhook
receiver calls the same platform as our driver. Neither is required.
"""

import asyncio
import json
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import numpy as np

from drivers.radio.dtmf import DtmfBank
from simulators.tones import FRAME_SAMPLES, RATE_HZ, dtmf
from tests.bench.burst import http_request, volley
from tests.bench.figures import Row, absent, times
from tests.bench.outside import Chats, Process
from tests.ports import free_port

ALERTMANAGER, MULTIMON = "prometheus-alertmanager", "multimon-ng"
MARK = re.compile(r"peer-[a-z]+-\d+")
SEED = 20261122
KEYS = "0123456789*#ABCD"
SNRS_DB = (10, 0, -3, -6)
MULTIMON_HZ = 22_050


async def measured(folder, sizes, mqtt_port):
    """Return the rows of every peer that is here, and of those that are not."""
    del mqtt_port
    rows = await _alertmanager(folder, sizes)
    return rows + await asyncio.to_thread(_dtmf, sizes.dtmf)


# ---- Alertmanager ----


async def _alertmanager(folder, sizes):
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


# ---- DTMF ----


def _dtmf(count):
    """Return the rows of both decoders on the same noisy digits."""
    chance = np.random.default_rng(SEED)
    rows = []
    have = shutil.which(MULTIMON)
    for snr_db in SNRS_DB:
        keys = "".join(chance.choice(list(KEYS), count))
        sound = _noisy(keys, snr_db, chance)
        said = f"{count} digits of 70 ms, white noise {snr_db} dB under each pair; seed {SEED}"
        rows.append(_hits(f"14 DTMF at {snr_db} dB: ours", keys, *_ours(sound), sound, said))
        name = f"14 DTMF at {snr_db} dB: peer multimon-ng"
        if have:
            rows.append(_hits(name, keys, *_theirs(have, sound), sound, said))
        else:
            rows.append(absent(name, "", f"not installed: apt-get install {MULTIMON}"))
    return rows


def _noisy(keys, snr_db, chance):
    """Return the digits in noise of the whole band, as 16-bit samples of 8 kHz."""
    clean = dtmf(keys, level_dbfs=-18.0).astype(float)
    # A pair of sines of peak a each has the power a².
    power = (32767 * 10 ** (-18 / 20)) ** 2
    noise = chance.standard_normal(clean.size) * np.sqrt(power * 10 ** (-snr_db / 10))
    sound = np.clip(clean + noise, -32768, 32767).astype(np.int16)
    return np.pad(sound, (0, -sound.size % FRAME_SAMPLES + 10 * FRAME_SAMPLES))


def _ours(sound):
    """Return (digits heard, processor seconds)."""
    bank, on = DtmfBank(1), np.array([True])
    began = time.process_time()
    heard = [s for frame in sound.reshape(-1, 1, FRAME_SAMPLES) for s in bank.step(frame, on)]
    heard += bank.step(np.zeros((1, FRAME_SAMPLES), np.int16), np.array([False]))
    return "".join(symbol.symbol for symbol in heard), time.process_time() - began


def _theirs(program, sound):
    """Return (digits heard, processor seconds), at the rate that multimon-ng wants."""
    count = round(sound.size * MULTIMON_HZ / RATE_HZ)
    spectrum = np.fft.rfft(sound.astype(float))
    wide = np.fft.irfft(np.pad(spectrum, (0, count // 2 + 1 - spectrum.size)), count)
    samples = np.clip(wide * count / sound.size, -32768, 32767).astype("<i2")
    with tempfile.NamedTemporaryFile(suffix=".raw", dir=Path.cwd()) as raw:
        raw.write(samples.tobytes())
        raw.flush()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        out = subprocess.run(
            [program, "-q", "-c", "-t", "raw", "-a", "DTMF", raw.name],
            check=True, capture_output=True, text=True, timeout=60,
        ).stdout  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return "".join(re.findall(r"DTMF: (\S)", out)), spent_s


def _hits(name, sent, heard, spent_s, sound, said):
    """Return the row of how many of the digits were heard, in order."""
    hours = sound.size / RATE_HZ / 3600
    hits = _in_order(sent, heard)
    note = (
        f"{said}; {len(heard) - hits} heard that were not sent; "
        f"{spent_s / hours:.1f} s of processor a channel-hour"
    )
    return Row(name, "hits", len(sent), hits, note=note)


def _in_order(sent, heard):
    """Return the length of the longest common subsequence."""
    row = np.zeros(len(heard) + 1, int)
    letters = np.array(list(heard))
    for key in sent:
        diagonal = row[:-1] + (letters == key)
        row[1:] = np.maximum.accumulate(np.maximum(row[1:], diagonal))
    return int(row[-1])
