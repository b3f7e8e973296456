"""`python -m tests.bench.radio_plant CHANNEL…`: base radios so lean that sixteen cost little.

Each CHANNEL is ``line_port:radio_port:gateway_port``. A radio sends a frame every 20 ms, and
notes when each frame of the gateway arrived: the kernel's own receive time, so that how late
this process reads does not count. Commands come as JSON lines on standard input, and each is
answered by one on standard output:

``{"do": "squelch", "on": true}``  all squelches open, talk with DTMF in it is sent; false: closed
``{"do": "mark"}``              forget the frames so far
``{"do": "late"}``              how late each frame since the mark was, ms
``{"do": "edges"}``             ``[monotonic s, channel, on]`` of every PTT edge so far
"""

import asyncio
import json
import os
import socket
import struct
import sys
import threading
import time

import numpy as np

from simulators.line_server import LineServer
from simulators.priority import on_time
from simulators.rtp import encode
from simulators.tones import FRAME_S, FRAME_SAMPLES, dtmf, voice

FRAME_MS = FRAME_S * 1000
_TIMESTAMP_NS = 35  # SO_TIMESTAMPNS of Linux, which Python's socket module does not name
_TALK_S = 20.0
_TIMESPEC = struct.Struct("qq")


class Radio:
    """One radio: its lines, its sound, and when the gateway's frames came."""

    def __init__(self, number, line_port, radio_port, gateway_port, talk):
        self.arrived = []
        self.edges = []
        self._number, self._talk = number, talk
        self._silence = encode(np.zeros(FRAME_SAMPLES, np.int16), "l16")
        self._sequence = 0
        self._peer = ("127.0.0.1", gateway_port)
        self.lines = LineServer(self._changed, lambda present: None, port=line_port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, _TIMESTAMP_NS, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind(("127.0.0.1", radio_port))

    async def start(self):
        """Open the wires."""
        await self.lines.listen()
        asyncio.get_running_loop().add_reader(self._socket, self._drain)

    def _changed(self, line, on):
        if line == "rts":
            self.edges.append([time.monotonic(), self._number, on])

    def _drain(self):
        # Wall and monotonic clock are set against each other anew: NTP may be slewing one.
        offset_s = time.time() - time.monotonic()
        while True:
            try:
                packet, extra, _, _ = self._socket.recvmsg(2048, 64)
            except BlockingIOError:
                return
            seconds, nanoseconds = _TIMESPEC.unpack(extra[0][2][:16])
            sequence = int.from_bytes(packet[2:4], "big")
            self.arrived.append((sequence, seconds + nanoseconds / 1e9 - offset_s))

    def send(self, turn, is_open):
        """Send the frame of this turn."""
        sound = self._talk[(turn + 37 * self._number) % len(self._talk)]
        header = struct.pack(
            "!BBHII", 0x80, 96, self._sequence & 0xFFFF,
            self._sequence * FRAME_SAMPLES & 0xFFFFFFFF, 0x42454E43,
        )  # fmt: skip
        self._sequence += 1
        try:
            self._socket.sendto(header + (sound if is_open else self._silence), self._peer)
        except OSError:
            return  # nobody listens yet


def lateness_ms(streams):
    """Return how late each frame of several streams was against one grid of 20 ms, ms.

    Args:
        streams: of each channel, (16-bit number, when it arrived in s) of its frames.

    The grid is the earliest that all frames of a channel fit; between channels the one played
    first sets it, for all are due at the same tick.
    """
    firsts, rows = [], []
    for stream in streams:
        if not stream:
            continue
        numbers = np.array([n for n, _ in stream])
        turns = np.concatenate(([0], np.cumsum((np.diff(numbers) + 0x8000) % 0x10000 - 0x8000)))
        at_ms = np.array([s for _, s in stream]) * 1000 - turns * FRAME_MS
        firsts.append(at_ms.min())
        rows.append(at_ms - at_ms.min())
    if not rows:
        return np.zeros(0)
    # Which tick of the grid a stream began with does not matter, only where between two.
    phases = (np.array(firsts) - firsts[0] + FRAME_MS / 2) % FRAME_MS
    phases -= phases.min()
    return np.concatenate([row + phase for row, phase in zip(rows, phases, strict=True)])


def _talk():
    sound = voice(_TALK_S, 7)
    for at_s in range(1, int(_TALK_S), 3):
        digits = dtmf("*10031#")
        start = int(at_s * 8000)
        sound[start : start + digits.size] = digits[: sound.size - start]
    frames = sound[: sound.size // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    return [encode(frame, "l16") for frame in frames]


class Plant:
    """All radios and what is asked of them."""

    def __init__(self, channels):
        talk = _talk()
        self.radios = [Radio(n, *ports, talk) for n, ports in enumerate(channels)]
        self._open = False

    async def listen(self):
        """Open the wires of all radios.

        Raises:
            OSError: a port is taken.
        """
        for radio in self.radios:
            await radio.start()

    async def run(self):
        """Play until cancelled."""
        loop = asyncio.get_running_loop()
        due_s, turn = loop.time(), 0
        # An edge is stamped when its byte is read here: real radios need not wait for that.
        with on_time():
            while True:
                for radio in self.radios:
                    radio.send(turn, self._open)
                turn += 1
                due_s = max(due_s + FRAME_S, loop.time() - 0.5)
                await asyncio.sleep(due_s - loop.time())

    def obey(self, line):
        """Carry one command out and print its answer."""
        command = json.loads(line)
        answer = getattr(self, f"_{command.pop('do')}")(**command)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()

    def _squelch(self, on):
        self._open = on
        for radio in self.radios:
            radio.lines.set_input("cts", on=on)

    def _mark(self):
        for radio in self.radios:
            radio.arrived.clear()

    def _late(self):
        late = lateness_ms([radio.arrived for radio in self.radios])
        return [round(float(ms), 3) for ms in late]

    def _edges(self):
        return [edge for radio in self.radios for edge in radio.edges]


def _read_lines(loop, plant, stop):
    rest = b""
    while block := os.read(0, 65536):
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            loop.call_soon_threadsafe(plant.obey, line)
    loop.call_soon_threadsafe(stop.set)


async def main(channels):
    """Play until standard input ends; prints ``ready`` when it plays."""
    plant = Plant(channels)
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    await plant.listen()
    async with asyncio.TaskGroup() as group:
        playing = group.create_task(plant.run())
        sys.stdout.write('"ready"\n')
        sys.stdout.flush()
        threading.Thread(target=_read_lines, args=(loop, plant, stop), daemon=True).start()
        await stop.wait()
        playing.cancel()


if __name__ == "__main__":
    asyncio.run(main([tuple(map(int, part.split(":"))) for part in sys.argv[1:]]))
