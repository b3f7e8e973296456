"""The command centre of a county: raises, amends, repeats, calls off and closes; keeps a log.

It also draws the county's misfortunes: which path fails when, and when the gateway is killed.
"""

import asyncio
import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from simulators.county_office import Office, written

Json = dict[str, Any]
Fault = Literal[
    "chat", "ptt", "busy", "broker", "kill", "talk", "emergency", "lost", "leaver", "clock",
    "boot",
]  # fmt: skip
FAULTS: Final[tuple[Fault, ...]] = (
    "chat", "ptt", "busy", "broker", "kill", "talk", "emergency", "lost", "leaver", "clock",
    "boot",
)  # fmt: skip
# How long each lasts, seconds, from and to.
LASTS_S: Final[Mapping[Fault, tuple[float, float]]] = {
    "chat": (5, 900), "ptt": (20, 600), "busy": (20, 400), "broker": (10, 300), "kill": (1, 90),
    "talk": (60, 900), "emergency": (0, 0), "lost": (600, 7200), "leaver": (0, 0),
    "clock": (5, 3600), "boot": (60, 900),
}  # fmt: skip
# Each kind of fault so often a day; people call for help, and leave for good, less often.
A_DAY: Final = 2.0
SELDOM_A_DAY: Final[Mapping[Fault, float]] = {
    "emergency": 0.5, "leaver": 0.2, "clock": 1.0, "boot": 0.3,
}  # fmt: skip
# How wrong a clock is, seconds: a step that comes and is taken back; the time of a machine that
# has none at its start, of 2016 or from a file of when it was last at work.
WRONG_S: Final[Mapping[Fault, tuple[float, ...]]] = {
    "clock": (-3600, -600, -45, -2, 2, 45, 600, 3600),
    "boot": (-10 * 365 * 86_400.0, -1800, -120),
}
# So many of a storm's alarms turn out to be false ones.
FALSE_ALARMS: Final = 0.08
TEXTS: Final = (
    ("fight", "有人打架"), ("theft", "店铺被盗"), ("dispute", "两家争吵"), ("help", "老人走失"),
    ("noise", "夜间噪音扰民"), ("crowd", "门口有人聚集"),
)  # fmt: skip
REPEAT_AFTER_S: Final = 5.0
STORM_S: Final = 60.0
# Alarm hosts of the county.
HOSTS: Final = 300
WHO: Final = "值班员李敏"


class Door(Protocol):
    """How messages reach the gateway; raises ConnectionError where they do not."""

    async def send(self, kind: str, body: bytes) -> Json:
        """Send a message; return its receipt."""
        ...

    async def act(self, act: str, order: str, body: bytes) -> Json:
        """Act on an order; return the receipt."""
        ...

    async def tell(self, body: bytes) -> Json:
        """Do whatever else the centre's people can do; return the receipt."""
        ...


@dataclass(frozen=True, kw_only=True)
class Misfortune:
    """One thing that goes wrong.

    Attributes:
        at_s: When, seconds from the beginning.
        lasts_s: For how long.
        where: Channel, for what happens to one.
        wrong_s: How far ahead the gateway's clock is meanwhile.
    """

    at_s: float
    kind: Fault
    lasts_s: float
    where: str
    wrong_s: float = 0.0


def misfortunes(
    kinds: frozenset[str], hours: float, channels: list[str], seed: int
) -> list[Misfortune]:
    """Return what goes wrong in so many hours, in the order in which it does.

    However short they are, everything goes wrong once.
    """
    chance = random.Random(f"misfortune {seed}")
    found = []
    for kind in FAULTS:
        at_s = chance.uniform(0, min(hours, 24.0) * 3600)
        while kind in kinds and at_s < hours * 3600:
            lasts_s, where = chance.uniform(*LASTS_S[kind]), chance.choice(channels)
            wrong_s = chance.choice(WRONG_S[kind]) if kind in WRONG_S else 0.0
            found.append(
                Misfortune(
                    at_s=at_s, kind=kind, lasts_s=lasts_s, where=where, wrong_s=wrong_s
                )
            )  # fmt: skip
            at_s += chance.expovariate(SELDOM_A_DAY.get(kind, A_DAY) / 86_400)
    return sorted(found, key=lambda m: m.at_s)


class Centre:
    """The centre at work.

    Args:
        door: How its messages reach the gateway.
        grids: Grid ids.
        seed: Its chance.
        now_us: Wall time of the outside, UTC microseconds.

    Attributes:
        log: Every message and act with its receipt, in the order of the receipts.
    """

    def __init__(
        self, door: Door, grids: tuple[str, ...], seed: int, now_us: Callable[[], int]
    ) -> None:
        self.log: list[Json] = []
        self._door = door
        self._grids = grids
        self._now_us = now_us
        self._chance = random.Random(f"centre {seed}")
        self._of_storms = random.Random(f"storms {seed}")
        self._alerts = 0
        self.office = Office(self, grids, seed)

    async def work(
        self, hours: float, alerts_per_day: float, storms: int, storm_alerts: int
    ) -> None:
        """Return once every alert of so many hours was raised and every order was ended."""
        async with asyncio.TaskGroup() as group:
            self.office.begin(group, hours)
            for at_s in self._moments(hours, alerts_per_day):
                group.create_task(self._case(at_s))
            for storm in range(storms):
                begin_s = hours * 3600 * (storm + 1) / (storms + 1)
                for _ in range(storm_alerts):
                    at_s = begin_s + self._chance.uniform(0, STORM_S)
                    group.create_task(self._machine_alert(at_s))
        self.office.end()

    def _moments(self, hours: float, alerts_per_day: float) -> Iterator[float]:
        at_s = 0.0
        while alerts_per_day > 0:
            at_s += self._chance.expovariate(alerts_per_day / 86_400)
            if at_s >= hours * 3600:
                return
            yield at_s

    # One alert each

    async def _case(self, at_s: float) -> None:
        await asyncio.sleep(at_s)
        body = self._alert("zhzx", self._chance.choices((1, 2, 3), (1, 5, 4))[0])
        receipt = await self.send("alert", body)
        if self._chance.random() < 0.1:
            await self.send("alert", body)  # a broker brings it twice
        order = receipt.get("order")
        if order is None:
            return
        if self._chance.random() < 0.2:
            await asyncio.sleep(self._chance.uniform(5, 200))
            text = body["text"] + "，现场有两人"
            await self.send("update", body | {"sent": self.moment(), "text": text})
        if self._chance.random() < 0.12:
            await asyncio.sleep(self._chance.uniform(1, 240))
            await self._cancel(body)
            return
        await self.office.tend(order)
        await asyncio.sleep(self._chance.uniform(1200, 5400))
        await self.close(order)
        await self.office.see_to(order)

    async def _cancel(self, alert: Json) -> None:
        bare = {"id": alert["id"], "sender": alert["sender"], "sent": self.moment()}
        await self.send("cancel", bare | {"text": "误报"})

    async def _machine_alert(self, at_s: float) -> None:
        await asyncio.sleep(at_s)
        host, zone = self._chance.randrange(HOSTS), self._chance.randrange(1, 9)
        signal = {"source": "machine", "host": f"h{host}", "zone": f"{zone:03}"}
        body = self._alert("alarm-host", 3) | signal | {"event": "alarm"}
        receipt = await self.send("alert", body)
        if receipt.get("order") is None:
            return
        if self._of_storms.random() < FALSE_ALARMS:
            await asyncio.sleep(self._of_storms.uniform(5, 600))
            await self._cancel(body)
            return
        await asyncio.sleep(self._chance.uniform(1200, 5400))
        await self.close(receipt["order"])

    def _alert(self, sender: str, level: int) -> Json:
        self._alerts += 1
        category, text = self._chance.choice(TEXTS)
        return {
            "id": f"JQ-{self._alerts}", "sender": sender, "sent": self.moment(),
            "category": category, "level": level, "text": text,
            "grid": self._chance.choice(self._grids),
            "needs": self._chance.choices((1, 2, 3), (8, 3, 1))[0],
        }  # fmt: skip

    def moment(self, ahead_s: float = 0.0) -> str:
        """Return now, or a moment to come, as it is written in messages."""
        return written(self._now_us() + round(ahead_s * 1e6))

    # Until it is receipted

    async def send(self, kind: str, body: Json) -> Json:
        """Send a message until it is receipted; return the receipt."""
        raw = json.dumps(body, ensure_ascii=False).encode()
        receipt = await self._until_receipted(lambda: self._door.send(kind, raw))
        self.log.append(
            {
                "at_us": self._now_us(), "kind": kind, "id": body["id"],
                "sender": body["sender"], "level": body.get("level"), "receipt": receipt,
                "body": body,
            }
        )  # fmt: skip
        return receipt

    async def tell(self, act: str, about: str, **fields: object) -> Json:
        """Act until it is receipted; return the receipt."""
        body = {"act": act, "by": WHO, **fields}
        raw = json.dumps(body, ensure_ascii=False).encode()
        receipt = await self._until_receipted(lambda: self._door.tell(raw))
        self.log.append(
            {
                "at_us": self._now_us(), "kind": act, "id": about, "by": WHO,
                "receipt": receipt, "body": body,
            }
        )  # fmt: skip
        return receipt

    async def close(self, order: str) -> None:
        """Close an order, until that is receipted."""
        body = json.dumps({"by": WHO, "result": "已处置"}, ensure_ascii=False).encode()
        receipt = await self._until_receipted(lambda: self._door.act("close", order, body))
        self.log.append(
            {
                "at_us": self._now_us(), "kind": "close", "id": order, "by": WHO,
                "receipt": receipt,
            }
        )  # fmt: skip

    async def _until_receipted(self, ask: Callable[[], Any]) -> Json:
        """Say it again until there is a receipt."""
        while True:
            try:
                receipt: Json = await ask()
            except ConnectionError:
                await asyncio.sleep(REPEAT_AFTER_S)
            else:
                return receipt
