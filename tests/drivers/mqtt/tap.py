"""A wire tap between the gateway and the broker: what passes, packet by packet, in order."""

import asyncio
import contextlib
from contextlib import asynccontextmanager

PUBLISH, PUBACK = 3, 4


def packets(stream):
    """Yield (type, flags, body) of the whole packets in ``stream``, taking them out of it."""
    while True:
        length, used = 0, 1
        while used < len(stream):
            byte = stream[used]
            length |= (byte & 127) << (7 * (used - 1))
            used += 1
            if byte < 128:
                break
        else:
            return
        if len(stream) < used + length:
            return
        yield stream[0] >> 4, stream[0] & 15, bytes(stream[used : used + length])
        del stream[: used + length]


async def until(holds):
    """Return once ``holds()``, for what tells nobody when it changes."""
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


class Tap:
    """Keeps (side, kind, packet id, topic, payload) of each publication and its answer."""

    def __init__(self):
        self.heard = []
        self.chunks = []
        self.held = asyncio.Event()
        self.held.set()

    def arrived(self, topic):
        """Return the packet ids on a topic in the order they passed."""
        return [mid for _, _, mid, where, _ in self.heard if where == topic]

    def acknowledgements(self):
        return [mid for side, kind, mid, *_ in self.heard if (side, kind) == ("us", PUBACK)]

    def unanswered(self, topic):
        """Return the most publications of ours on a topic that ever waited for an answer."""
        waiting, most = set(), 0
        for side, kind, mid, where, _ in self.heard:
            if (side, kind, where) == ("us", PUBLISH, topic):
                waiting.add(mid)
            elif (side, kind) == ("broker", PUBACK):
                waiting.discard(mid)
            most = max(most, len(waiting))
        return most

    def note(self, side, kind, flags, body):
        if kind == PUBACK:
            self.heard.append((side, kind, int.from_bytes(body[:2]), "", b""))
        elif kind == PUBLISH and flags & 6:
            end = 2 + int.from_bytes(body[:2])
            mid, properties = int.from_bytes(body[end : end + 2]), body[end + 2]
            topic = body[2:end].decode()
            self.heard.append((side, kind, mid, topic, body[end + 3 + properties :]))

    async def carry(self, side, reader, writer):
        stream = bytearray()
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                stream += data
                if side == "us":
                    self.chunks.append(data)
                else:
                    await self.held.wait()
                for packet in packets(stream):
                    self.note(side, *packet)
                writer.write(data)
        writer.close()


@asynccontextmanager
async def tapped(broker):
    """Give a tap and the port at which the broker can be reached through it."""
    tap = Tap()

    async def connected(reader, writer):
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", broker.port)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(tap.carry("us", reader, far_writer))
            tasks.create_task(tap.carry("broker", far_reader, writer))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield tap, server.sockets[0].getsockname()[1]
    finally:
        server.close()
