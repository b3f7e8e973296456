"""The play: what the command centre does, from the first alert to the last order closed."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

import aiohttp

from simulators.command_centre import CentreError, CommandCentre
from simulators.world import World, read_secret

Part = Mapping[str, Any]

# A centre in China writes its local time.
CHINA: Final = timezone(timedelta(hours=8))
# What pages and answers take on the air, whatever the speed; closing waits at least this.
SOUND_S: Final = 60.0
# How long the play waits for one-time codes before it goes on without.
ENROL_WAIT_S: Final = 30.0
# Cards are edited and events told for a moment after the last order is closed.
AFTERWARDS_S: Final = 2.0
NAME: Final = "指挥中心"


class Scenario:
    """Plays the centre's part of a scenario.

    Args:
        world: The outside, started.
        part: The scenario's ``centre``.
    """

    def __init__(self, world: World, part: Part) -> None:
        self._world = world
        self._part = part
        http = world.site["command_centre"]["http"]["listen"]
        self._base = f"http://{http}"
        self._centre = CommandCentre(
            self._base,
            read_secret(part["token"], world.base_dir),
            mqtt=self._broker() if part.get("mqtt", True) else None,
            log=world.logs / "centre.jsonl" if world.logs else None,
        )
        self._orders: dict[str, str] = {}
        self._ok = True

    def _broker(self) -> dict[str, Any] | None:
        """Return what the centre needs to reach the site's broker, or None without one."""
        broker = self._world.site["command_centre"].get("mqtt")
        if broker is None:
            return None
        found = {name: broker[name] for name in ("host", "port", "username")}
        if broker["password"] is not None:
            found["password"] = read_secret(broker["password"], self._world.base_dir)
        return found | {"site": self._world.site["site"]["id"]}

    async def run(self) -> None:
        """Raise the alerts, confirm voices, close the orders; then say that it is finished."""
        await self._wait_daemon()
        await self._world.wait_enrolled(ENROL_WAIT_S)
        try:
            async with self._centre, asyncio.TaskGroup() as group:
                confirms = [
                    group.create_task(self._confirm(c)) for c in self._part.get("confirm", ())
                ]
                await self._alerts()
                await asyncio.sleep(AFTERWARDS_S)
                for task in confirms:
                    task.cancel()
        except* (TimeoutError, CentreError, aiohttp.ClientError) as errors:
            self._ok = False
            for reason in reasons(errors):
                self._say("broken", reason)
        self._say("finished", "演示结束", ok=self._ok)

    def _say(self, what: str, text: str, **facts: object) -> None:
        self._world.tell(what, who=NAME, text=text, **facts)

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

    async def _alerts(self) -> None:
        async with asyncio.TaskGroup() as group:
            for alert in self._part["alerts"]:
                group.create_task(self._see_through(alert))

    async def _see_through(self, alert: Part) -> None:
        """Raise one alert and close its order when it is over."""
        await asyncio.sleep(alert["after_s"])
        sent = datetime.now(UTC).astimezone(CHINA).isoformat(timespec="milliseconds")
        body = {**alert["body"], "sent": sent}
        door = alert["door"]
        self._say("raised", f"发出 {body['id']}：{body['text']}", door=door)
        receipt = await self._centre.raise_alert(door=door, **body)
        order, number = receipt.get("order"), str(receipt.get("number") or "")
        said = f"{number}号" if number else receipt.get("reason")
        self._say("receipt", f"回执 {receipt['status']} {said}", door=door)
        if order is None:
            self._ok = False
        else:
            self._orders[body["id"]] = order
            await self._close(order, number, int(body.get("needs", 1)))

    async def _confirm(self, wish: Part) -> None:
        """Confirm a voice that the dispatcher knows, once it was heard by radio."""
        event = await self._centre.wait_event(
            node=wish["after_node"], person=wish["person"], assurance="R1", timeout_s=3600
        )
        if self._orders.get(wish["alert"]) != event["order"]:
            return
        await asyncio.sleep(1.0 / self._world.speed)
        who, name = event["person"], event.get("name")
        self._say("confirmed", f"{wish['by']}听出{name or who}的声音，代为确认")
        await self._centre.act(
            event["order"], "confirm", by=wish["by"], person=who, node=wish["node"]
        )

    async def _close(self, order: str, number: str, needs: int) -> None:
        """Close an order once its people are done, at the latest after the given time."""
        wish = self._part.get("close")
        if wish is None:
            return
        limit_s = max(SOUND_S, wish["at_latest_s"] / self._world.speed)
        try:
            await self._centre.wait_until(lambda: self._is_over(order, needs), limit_s)
        except TimeoutError:
            self._say("waited", f"{number}号不再等待", number=number)
        self._say("closed", f"{number}号 {wish['by']}结案：{wish['result']}", number=number)
        await self._centre.act(order, "close", by=wish["by"], result=wish["result"])

    def _is_over(self, order: str, needs: int) -> bool:
        """Return whether enough guards took it, each is done, and the station has come."""
        heard = [e for e in self._centre.events if e["order"] == order]
        people = self._world.site["people"]

        def who(node: str, role: str) -> set[str]:
            persons = {e["person"] for e in heard if e["node"] == node and e["person"]}
            return {p for p in persons if people[p]["role"] == role}

        took = who("acknowledged", "guard")
        stations = who("told", "station")
        # Whose radio cannot say that he is done has said all he can when he has arrived.
        short = {g.person for g in self._world.radio_guards if not g.can_say("5")}
        finished = who("done", "guard") | (who("arrived", "guard") & short)
        done = len(took) >= needs and took <= finished
        return done and stations <= who("arrived", "station")


def reasons(error: BaseException) -> list[str]:
    """Return what went wrong in a line each, whatever groups it is wrapped in."""
    if isinstance(error, BaseExceptionGroup):
        return [text for inner in error.exceptions for text in reasons(inner)]
    return [f"{type(error).__name__}: {error}"]


__all__ = ["Scenario", "reasons"]
