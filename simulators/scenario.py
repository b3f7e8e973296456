"""The play: what the command centre does, and the one fault that may be planted."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

import aiohttp

from simulators.command_centre import CommandCentre
from simulators.guard import LABELS
from simulators.world import Fault, World, read_secret

# A centre in China writes its local time.
CHINA: Final = timezone(timedelta(hours=8))
# What a page takes to be spoken and answered, whatever the speed; closing waits at least this.
SOUND_S: Final = 40.0


class Scenario:
    """Plays the centre's part of a scenario."""

    def __init__(self, world: World, part: Mapping[str, Any]) -> None:
        self._world = world
        self._part = part
        http = world.site["command_centre"]["http"]["listen"]
        self._base = f"http://{http}"
        broker = world.site["command_centre"].get("mqtt")
        with_mqtt = bool(part.get("mqtt", True)) and broker is not None
        self._centre = CommandCentre(
            self._base,
            read_secret(part["token"], world.base_dir),
            mqtt={"host": broker["host"], "port": broker["port"], "site": world.site["site"]["id"]}
            if with_mqtt
            else None,
            log=world.logs / "centre.jsonl" if world.logs else None,
        )
        self._orders: dict[str, str] = {}

    async def run(self) -> None:
        """Raise the alerts, confirm voices, close the orders; then say that it is finished."""
        await self._wait_daemon()
        async with self._centre, asyncio.TaskGroup() as group:
            alerts = [group.create_task(self._alert(a)) for a in self._part["alerts"]]
            confirms = [group.create_task(self._confirm(c)) for c in self._part.get("confirm", ())]
            await asyncio.wait(alerts)
            await self._close()
            for task in confirms:
                task.cancel()
            self._world.tell("finished", ok=True)

    async def _wait_daemon(self) -> None:
        async with aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(f"{self._base}/healthz") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.1)

    async def _alert(self, alert: Mapping[str, Any]) -> None:
        await asyncio.sleep(alert["after_s"])
        sent = datetime.now(UTC).astimezone(CHINA).isoformat(timespec="milliseconds")
        body = {**alert["body"], "sent": sent}
        self._world.tell("raised", who="指挥中心", door=alert["door"], text=f"发出 {body['id']}")
        receipt = await self._centre.raise_alert(door=alert["door"], **body)
        if receipt.get("order"):
            self._orders[body["id"]] = str(receipt["order"])
        text = f"回执 {receipt['status']} {receipt.get('number') or receipt.get('reason')}"
        self._world.tell("receipt", who="指挥中心", door=alert["door"], text=text)

    async def _confirm(self, wish: Mapping[str, Any]) -> None:
        """Confirm a voice that the dispatcher knows, once it was heard by radio."""
        event = await self._centre.wait_event(
            node=wish["after_node"], person=wish["person"], timeout_s=600
        )
        await asyncio.sleep(1.5 / self._world.speed)
        await self._centre.act(
            str(event["order"]), "confirm", by=wish["by"], person=wish["person"], node=wish["node"]
        )
        text = f"{wish['by']}确认{event.get('name') or wish['person']}"
        self._world.tell("confirmed", who="指挥中心", text=text)

    async def _close(self) -> None:
        """Close each order once its guards are done, at the latest after the given time."""
        wish = self._part.get("close")
        if wish is None:
            return
        limit_s = max(SOUND_S, wish["at_latest_s"] / self._world.speed)
        try:
            async with asyncio.timeout(limit_s):
                while not all(self._is_done(order) for order in self._orders.values()):
                    await asyncio.sleep(0.2)
        except TimeoutError:
            self._world.tell("waited", who="指挥中心", text="不再等待，结案")
        for order in self._orders.values():
            await self._centre.act(order, "close", by=wish["by"], result=wish["result"])
            self._world.tell("closed", who="指挥中心", text=f"结案 {order} {wish['result']}")
        await asyncio.sleep(1.0)

    def _is_done(self, order: str) -> bool:
        """Return whether every guard who took an order has said that he is done."""
        mine = [e for e in self._centre.events if e.get("order") == order]
        people = self._world.site["people"]
        guards = {p for p in people if people[p]["role"] == "guard"}
        took = {e["person"] for e in mine if e["node"] == "acknowledged"} & guards
        done = {e["person"] for e in mine if e["node"] == "done"}
        needs = next(
            (a["body"].get("needs", 1) for a in self._part["alerts"]
             if self._orders.get(a["body"]["id"]) == order),
            1,
        )  # fmt: skip
        return len(took) >= needs and took <= done


def plant(world: World) -> None:
    """Plant the world's fault in the outside; the product is left alone."""
    match world.fault:
        case None:
            return
        case Fault.PTT:
            for base in world.bases.values():
                base.ignore_ptt(True)
        case Fault.LOST:
            _plant_lost(world)
        case Fault.ACK:
            for server in world.chats.values():
                _plant_press(world, server)
        case Fault.DUP:
            for server in world.chats.values():
                server.show_twice = True
    world.tell("planted", text=f"fault {world.fault}")


def _plant_lost(world: World) -> None:
    """Let the first guard's answers vanish between his base radio and the gateway."""
    guard = world.radio_guards[0]
    base = next(b for n, b in world.bases.items() if world.ethers[n] is guard.radio.ether)
    guard.believes = True
    guard.before_sending = lambda _: base.mute_rtp(True)
    guard.after_sending = lambda _: base.mute_rtp(False)


def _plant_press(world: World, server: Any) -> None:  # noqa: ANN401
    """Let the platform deliver a press that nobody made, on the first private card there is."""
    server.presses_by_itself = LABELS["1"]


__all__ = ["Scenario", "plant"]
