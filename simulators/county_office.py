"""What a command centre does beside raising alerts: drills, roll-calls, care of orders.

Its drills begin at once, at a time that was planned, or as an exercise of its own; some of its
messages arrive in any order and twice; and what it does to an order it does before and after
the end.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, Protocol

Json = dict[str, Any]
Business = Literal["drill", "planned", "exercise", "roll_call", "jumble"]
# Each so often a day, and once however short the time.
A_DAY: Final[Mapping[Business, float]] = {
    "drill": 2.0, "planned": 1.0, "exercise": 1.5, "roll_call": 1.0, "jumble": 4.0,
}  # fmt: skip
DRILL_TEXT: Final = "消防疏散"
# A drill is over after so long, seconds.
DRILL_S: Final = (600, 1500)
# Messages of one incident come within so long of one another.
JUMBLED_S: Final = 20.0
# Of a hundred orders so many are seen to in each way.
HANDED, WARNED, CORRECTED, COMPLAINED, AGAIN = 0.15, 0.15, 0.08, 0.05, 0.12


class Desk(Protocol):
    """The centre whose business it is: sends until it is receipted, and logs."""

    async def send(self, kind: str, body: Json) -> Json:
        """Send a message; return its receipt."""
        ...

    async def tell(self, act: str, about: str, **fields: object) -> Json:
        """Act; return the receipt."""
        ...

    async def close(self, order: str) -> None:
        """Close an order."""
        ...

    def moment(self, ahead_s: float = 0.0) -> str:
        """Return now, or a moment to come, as it is written in messages."""
        ...


class Office:
    """The centre's other business.

    Args:
        desk: The centre.
        grids: Grid ids.
        seed: Its chance.
    """

    def __init__(self, desk: Desk, grids: tuple[str, ...], seed: int) -> None:
        self._desk = desk
        self._grids = grids
        self._chance = random.Random(f"office {seed}")
        self._of_orders = random.Random(f"after {seed}")
        self._group: asyncio.TaskGroup | None = None
        self._drills: set[str] = set()
        self._messages = 0

    def begin(self, group: asyncio.TaskGroup, hours: float) -> None:
        """Have everything done in its time, as tasks of a group."""
        self._group = group
        works: Mapping[Business, Callable[[], Awaitable[None]]] = {
            "drill": self._drill, "planned": self._planned, "exercise": self._exercise,
            "roll_call": self._roll_call, "jumble": self._jumble,
        }  # fmt: skip
        for business, work in works.items():
            for at_s in self._moments(business, hours):
                group.create_task(self._at(at_s, work))

    def end(self) -> None:
        """Begin nothing any more."""
        self._group = None

    def _moments(self, business: Business, hours: float) -> Iterator[float]:
        at_s = self._chance.uniform(0, min(hours, 24.0) * 3600)
        while at_s < hours * 3600:
            yield at_s
            at_s += self._chance.expovariate(A_DAY[business] / 86_400)

    async def _at(self, at_s: float, work: Callable[[], Awaitable[None]]) -> None:
        await asyncio.sleep(at_s)
        await work()

    # Drills

    def told(self, node: str, order: str | None) -> None:
        """Learn of an event of the gateway: a drill that was planned has begun."""
        if node == "drill" and order is not None:
            self._began(order)

    def _began(self, order: str) -> None:
        if order not in self._drills and self._group is not None:
            self._drills.add(order)
            self._group.create_task(self._end_of(order))

    async def _end_of(self, order: str) -> None:
        await asyncio.sleep(self._chance.uniform(*DRILL_S))
        await self._desk.close(order)

    async def _drill(self) -> None:
        receipt = await self._desk.tell("drill", "drill", **self._what())
        if receipt.get("order"):
            self._began(receipt["order"])

    async def _planned(self) -> None:
        at = self._desk.moment(self._chance.uniform(300, 3600))
        surprise = self._chance.random() < 0.5
        receipt = await self._desk.tell(
            "drill", "drill", **self._what(), at=at, surprise=surprise
        )
        if receipt["status"] == "accepted" and self._chance.random() < 0.25:
            await asyncio.sleep(self._chance.uniform(10, 250))
            await self._desk.tell("drill_off", "drill_off", drill=receipt["id"])

    def _what(self) -> Json:
        return {
            "grid": self._chance.choice(self._grids), "text": DRILL_TEXT,
            "level": self._chance.choice((1, 2, 3)), "needs": self._chance.choice((1, 2)),
        }  # fmt: skip

    async def _exercise(self) -> None:
        body = self._body() | {"exercise": True}
        receipt = await self._desk.send("alert", body)
        if receipt.get("order") is None or receipt["status"] != "accepted":
            return
        await asyncio.sleep(self._chance.uniform(*DRILL_S))
        if self._chance.random() < 0.3:
            await self._desk.send("cancel", self._bare(body) | {"exercise": True})
        else:
            await self._desk.close(receipt["order"])

    # The roll

    async def _roll_call(self) -> None:
        grids = self._chance.sample(self._grids, min(2, len(self._grids)))
        await self._desk.tell("roll_call", "roll_call", grids=sorted(grids))

    # Messages that overtake one another

    async def _jumble(self) -> None:
        """Send an alert, its updates and perhaps its cancel in any order, some twice."""
        alert = self._body()
        messages = [("alert", alert)]
        for turn in range(self._chance.randrange(1, 4)):
            said = {
                "text": f"现场第{'一二三'[turn]}报", "level": self._chance.choice((1, 2, 3)),
                "needs": self._chance.choice((1, 2, 3)), "sent": self._desk.moment(turn + 1),
            }  # fmt: skip
            messages.append(("update", alert | said))
        off = self._chance.random() < 0.35
        if off:
            sent = {"sent": self._desk.moment(len(messages))}
            messages.append(("cancel", self._bare(alert) | sent | {"text": "误报"}))
        messages += self._chance.choices(messages, k=self._chance.randrange(0, 3))
        self._chance.shuffle(messages)
        order = None
        for kind, body in messages:
            await asyncio.sleep(self._chance.uniform(0, JUMBLED_S / len(messages)))
            order = (await self._desk.send(kind, body)).get("order") or order
        if order is not None and not off:
            await asyncio.sleep(self._chance.uniform(600, 2400))
            await self._desk.close(order)

    def _body(self) -> Json:
        self._messages += 1
        return {
            "id": f"YW-{self._messages}", "sender": "zhzx", "sent": self._desk.moment(),
            "category": "crowd", "level": self._chance.choice((2, 3)), "text": "门口有人聚集",
            "grid": self._chance.choice(self._grids), "needs": 1,
        }  # fmt: skip

    def _bare(self, body: Json) -> Json:
        return {"id": body["id"], "sender": body["sender"], "sent": self._desk.moment()}

    # What is done to an order

    async def tend(self, order: str) -> None:
        """See to an open order, or not."""
        if self._of_orders.random() < WARNED:
            await self._desk.tell("caution", order, order=order, text="地面湿滑")
        if self._of_orders.random() < HANDED:
            await asyncio.sleep(self._of_orders.uniform(30, 300))
            await self._desk.tell("handover", order, order=order, note="民警到场")
            await asyncio.sleep(self._of_orders.uniform(60, 600))

    async def see_to(self, order: str) -> None:
        """See to an order that has ended, or not."""
        if self._of_orders.random() < CORRECTED:
            words = {"what": "地点", "old": "东门", "new": "西门", "why": "听错"}
            await self._desk.tell("correct", order, order=order, **words)
        if self._of_orders.random() < COMPLAINED:
            await self._desk.tell("complaint", order, order=order, reference="TS-1")
            await self._desk.tell("unhold", order, order=order, why="已答复")
        if self._of_orders.random() < AGAIN:
            await asyncio.sleep(self._of_orders.uniform(30, 14_400))
            again = await self._desk.tell("reopen", order, order=order, why="又起冲突")
            if again["status"] == "accepted":
                await asyncio.sleep(self._of_orders.uniform(2000, 4000))
                await self._desk.close(order)


def written(us: int) -> str:
    """Return a moment as it is written in messages."""
    return datetime.fromtimestamp(us / 1e6, UTC).isoformat()
