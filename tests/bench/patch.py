"""Rows of the patch bay: how late a channel hears another, through a network with faults.

Two radios of a running radio process, without an engine. One is spoken into (white noise, which
is different at each moment and never pauses, so that nothing can be made up for); what the other
is given is found again in it, frame by frame. A moment is said when the frame that holds it is
whole, and heard when the kernel takes in the datagram. Each packet into the gateway travels a
time of its own between 0 and twice the jitter, out of order where that makes it so.
"""

import argparse
import asyncio
import json
import socket
import struct
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simulators.line_server import LineServer
from simulators.rtp import decode, encode
from simulators.tones import FRAME_S, FRAME_SAMPLES
from tests.bench.figures import absent, spread
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
_TIMESTAMP_NS = 35  # SO_TIMESTAMPNS of Linux
_TIMESPEC = struct.Struct("qq")
_SILENCE = np.zeros(FRAME_SAMPLES, np.int16)
# A frame is found again when it is this much like the place it came from.
_LIKENESS = 0.5


@dataclass(frozen=True)
class Patched:
    """How the patch is measured.

    Attributes:
        overs: How many.
        over_s: How long each.
        tx_delay_ms: Of the channel that hears.
        jitter_ms: Travelling times differ by so much up and down.
        loss: Share of packets that never come.
        seed: Of noise, travel and loss.
    """

    overs: int = 20
    over_s: float = 2.0
    tx_delay_ms: int = 200
    jitter_ms: int = 40
    loss: float = 0.02
    seed: int = 20261122


class Radio:
    """A radio's lines and sound; sends a frame each 20 ms and keeps what it is given."""

    def __init__(self, network, chance):
        self._network, self._chance = network, chance
        self.line_port, self.port, self.gateway = (
            free_port(), free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM)
        )  # fmt: skip
        self.lines = LineServer(self._changed, lambda present: None, port=self.line_port)
        self.heard, self.keyed_s = [], []
        self.outgoing = []
        self._sequence = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, _TIMESTAMP_NS, 1)
        self._socket.bind(("127.0.0.1", self.port))

    async def start(self):
        await self.lines.listen()
        asyncio.get_running_loop().add_reader(self._socket, self._drain)

    def stop(self):
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self.lines.stop_listening()
        self.lines.drop_connection()

    def settings(self, tx_delay_ms):
        return {
            "driver": "radio", "name": "试验", "licence": {"number": "L", "frequency_mhz": 410},
            "control": {"url": f"rfc2217://127.0.0.1:{self.line_port}"},
            "audio": {"url": f"rtp://127.0.0.1:{self.port}?local_port={self.gateway}"},
            "tx_delay_ms": tx_delay_ms, "hang_ms": 100,
        }  # fmt: skip

    def send(self):
        """Send the frame that is whole now."""
        frame = self.outgoing.pop(0) if self.outgoing else _SILENCE
        head = struct.pack("!BBHII", 0x80, 96, self._sequence & 0xFFFF,
                           self._sequence * FRAME_SAMPLES & 0xFFFFFFFF, id(self) & 0xFFFF)  # fmt: skip
        self._sequence += 1
        if self._chance.random() < self._network.loss:
            return
        late_s = 2 * self._network.jitter_ms / 1000 * self._chance.random()
        asyncio.get_running_loop().call_later(late_s, self._leave, head + encode(frame, "l16"))

    def _leave(self, packet):
        try:
            self._socket.sendto(packet, ("127.0.0.1", self.gateway))
        except OSError:
            return  # nobody listens yet

    def _changed(self, line, on):
        if line == "rts" and on:
            self.keyed_s.append(time.monotonic())

    def _drain(self):
        offset_s = time.time() - time.monotonic()
        while True:
            try:
                packet, extra, _, _ = self._socket.recvmsg(2048, 64)
            except (BlockingIOError, OSError):
                return
            seconds, nanoseconds = _TIMESPEC.unpack(extra[0][2][:16])
            frame = decode(packet[12:], "l16")
            if frame.any():
                self.heard.append((seconds + nanoseconds / 1e9 - offset_s, frame))


def found_again(heard, sound, begun_s):
    """Return (how late in s, at which sample) of each frame heard that is of this sound."""
    wide = sound.astype(np.float64)
    power = np.convolve(wide**2, np.ones(FRAME_SAMPLES), "valid")
    found = []
    for at_s, frame in heard:
        match = np.correlate(wide, frame.astype(np.float64), "valid")
        place = int(np.argmax(match))
        likeness = match[place] / np.sqrt(power[place] * np.square(frame.astype(float)).sum())
        if likeness > _LIKENESS:
            said_s = begun_s + (place + FRAME_SAMPLES) / 8000
            found.append((at_s - said_s, place))
    return found


async def _speak(radio, sound):
    """Key, say it, unkey; returns when its first sample was said."""
    radio.lines.set_input("cts", on=True)
    begun_s = radio.due_s
    radio.outgoing = list(sound.reshape(-1, FRAME_SAMPLES))
    await asyncio.sleep(begun_s + len(sound) / 8000 + FRAME_S / 2 - time.monotonic())
    radio.lines.set_input("cts", on=False)
    return begun_s


async def _play(radios):
    loop = asyncio.get_running_loop()
    due_s = loop.time()
    while True:
        for radio in radios:
            # asyncio's clock and the kernel's times are both CLOCK_MONOTONIC.
            radio.due_s = due_s
            radio.send()
        due_s += FRAME_S
        await asyncio.sleep(due_s - loop.time())


async def delays(folder, network):
    """Return (ms late of each frame, share of the sound that never came, keyings)."""
    chance = np.random.default_rng(network.seed)
    radios = a, b = Radio(network, chance), Radio(network, chance)
    tree = {"site": {"state_dir": str(folder)}, "base_dir": str(folder),
            "channels": {n: r.settings(network.tx_delay_ms) for n, r in zip("ab", radios, strict=True)},
            "talk_groups": {"g": {"members": ["channel:a", "channel:b"]}}}  # fmt: skip
    path = folder / "resolved.json"
    path.write_text(json.dumps(tree))
    for radio in radios:
        await radio.start()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "drivers.radio.process", str(path), str(folder / "radio.sock"),
        cwd=ROOT, stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    overs = []
    try:
        async with asyncio.TaskGroup() as group:
            playing = group.create_task(_play(radios))
            await asyncio.sleep(6)  # it starts, and its buffers see the network
            for number in range(network.overs):
                noise = chance.normal(0, 4000, round(network.over_s * 8000))
                sound = noise.astype(np.int16)[: len(noise) // FRAME_SAMPLES * FRAME_SAMPLES]
                b.heard.clear()
                begun_s = await _speak(a, sound)
                await asyncio.sleep(1.2 + network.tx_delay_ms / 1000 + 0.02 * (number % 7))
                overs.append((list(b.heard), sound, begun_s))
            playing.cancel()
    finally:
        process.kill()
        await process.wait()
        for radio in radios:
            radio.stop()
    return *_judged(overs), len(b.keyed_s)


def _judged(overs):
    """Return (ms late of each frame, share of the sound that never came)."""
    late_ms, gone, said = [], 0, 0
    for heard, sound, begun_s in overs:
        came = np.zeros(len(sound), np.bool_)
        for late_s, place in found_again(heard, sound, begun_s):
            late_ms.append(1000 * late_s)
            came[place : place + FRAME_SAMPLES] = True
        gone, said = gone + int((~came).sum()), said + len(sound)
    return late_ms, gone / said


async def measured(folder, network=None):
    """Return the rows: channel to channel beyond the TX delay, without and with faults."""
    rows = []
    chosen = network or Patched()
    calm = Patched(overs=chosen.overs, over_s=chosen.over_s, tx_delay_ms=chosen.tx_delay_ms,
                   jitter_ms=0, loss=0.0, seed=chosen.seed)  # fmt: skip
    for name, each in (("a calm network", calm), ("±40 ms, 2 % lost", chosen)):
        room = folder / f"patch{each.jitter_ms}"
        room.mkdir()
        late_ms, gone, keyings = await delays(room, each)
        row = f"18 channel to channel beyond the TX delay: {name}"
        if not late_ms:
            rows.append(absent(row, "ms", "nothing was heard"))
            continue
        added = [ms - each.tx_delay_ms for ms in late_ms]
        note = (
            f"{each.overs} overs, TX delay {each.tx_delay_ms} ms, keyed {keyings} times, "
            f"{100 * gone:.1f} % of the sound did not come; {each.jitter_ms} ms of it is the "
            f"mean way there; seed {each.seed}"
        )
        rows.append(spread(row, "ms", added, target={"p99": 150}, note=note))
    return rows


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.patch")
    parser.add_argument("--overs", type=int, default=20)
    parser.add_argument("--tx-delay-ms", type=int, default=200)
    options = parser.parse_args()
    network = Patched(overs=options.overs, tx_delay_ms=options.tx_delay_ms)
    with tempfile.TemporaryDirectory() as folder:
        for row in asyncio.run(measured(Path(folder), network)):
            print(row.name, f"p50 {row.p50} p99 {row.p99} max {row.worst}", row.note)


if __name__ == "__main__":
    main()
