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
# How long it waits until everybody has said that he knows of an end.
KNOW_S: Final = 30.0
# How long it waits for a report that a guard is to make.
GIVE_UP_S: Final = 60.0
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
        self._over: dict[str, asyncio.Event] = {}
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
        """Raise the alerts, deal with reports, close the orders; then say it is finished."""
        await self._wait_daemon()
        await self._world.wait_enrolled(ENROL_WAIT_S)
        self._world.begun.set()
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
                self._over[alert["body"]["id"]] = asyncio.Event()
                group.create_task(self._see_through(alert))
            for wish in self._part.get("promote", ()):
                group.create_task(self._promote(wish))

    async def _see_through(self, alert: Part) -> None:
        """Raise one alert and end its order when its time has come."""
        if "after" in alert:
            await self._over[alert["after"]].wait()
        await asyncio.sleep(alert["after_s"])
        sent = datetime.now(UTC).astimezone(CHINA).isoformat(timespec="milliseconds")
        body = {**alert["body"], "sent": sent}
        door, what = alert["door"], "演练" if body.get("exercise") else "警情"
        self._say("raised", f"发出{what} {body['id']}：{body['text']}", door=door)
        receipt = await self._centre.raise_alert(door=door, **body)
        order, number = receipt.get("order"), str(receipt.get("number") or "")
        said = f"{number}号" if number else receipt.get("reason")
        self._say("receipt", f"回执 {receipt['status']} {said}", door=door)
        if order is None:
            self._ok = False
        else:
            self._orders[body["id"]] = order
            if "cancel" in alert:
                await self._cancel(alert, order, number)
            else:
                await self._close(order, number, int(body.get("needs", 1)), alert)
        self._over[body["id"]].set()

    async def _cancel(self, alert: Part, order: str, number: str) -> None:
        """Call an order off once all of these have acknowledged; wait until they know."""
        wish = alert["cancel"]
        people = set(wish["when_acknowledged"])
        try:
            await self._centre.wait_until(
                lambda: people <= self._said(order, "acknowledged"), SOUND_S
            )
        except TimeoutError:
            self._say("waited", f"{number}号不再等待签收", number=number)
        await asyncio.sleep(wish["after_s"] / self._world.speed)
        self._say("cancelled", f"{number}号 取消：{wish['text']}", door=alert["door"])
        sent = datetime.now(UTC).astimezone(CHINA).isoformat(timespec="milliseconds")
        body = {**alert["body"], "sent": sent, "text": wish["text"]}
        fields = {name: body[name] for name in ("id", "sender", "sent", "text")}
        receipt = await self._centre.cancel(fields.pop("id"), door=alert["door"], **fields)
        self._ok &= receipt["status"] == "accepted"
        try:
            await self._centre.wait_until(
                lambda: self._said(order, "told") <= self._said(order, "stood_down"), KNOW_S
            )
        except TimeoutError:
            left = self._said(order, "told") - self._said(order, "stood_down")
            names = "、".join(self._world.site["people"][p]["name"] for p in sorted(left))
            self._say("waited", f"{number}号 尚未确认撤回：{names}", number=number)
            return
        self._say("all_know", f"{number}号 接到过的人都已确认撤回", number=number)

    async def _promote(self, wish: Part) -> None:
        """Make an order of a guard's own report, and close it when it is over."""
        event = await self._centre.wait_event(
            node="report", person=wish["person"], timeout_s=GIVE_UP_S
        )
        await asyncio.sleep(wish["after_s"] / self._world.speed)
        number = event["number"]
        self._say("promoted", f"{wish['by']}把上报{number}转为警情", number=number)
        fields = {name: wish[name] for name in ("level", "needs") if name in wish}
        answer = await self._centre.do("promote", by=wish["by"], report=number, **fields)
        if answer.get("order") is None:
            self._ok = False
            return
        order = answer["order"]
        opened = await self._centre.wait_event(node="accepted", order=order, timeout_s=SOUND_S)
        needs = int(wish.get("needs", 1))
        # He is on the spot already; the order is over when those called to him are done.
        await self._close(order, opened["number"], needs, wish, frozenset({wish["person"]}))

    def _said(self, order: str, node: str) -> set[str]:
        """Return who has reached a node of an order, as far as the centre was told."""
        heard = (e for e in self._centre.events if e["order"] == order)
        return {e["person"] for e in heard if e["node"] == node and e["person"]}

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

    async def _close(
        self,
        order: str,
        number: str,
        needs: int,
        part: Part,
        but: frozenset[str] = frozenset(),
    ) -> None:
        """Close an order once its people are done, at the latest after the given time."""
        wish = self._part.get("close")
        if wish is None:
            return
        limit_s = max(SOUND_S, wish["at_latest_s"] / self._world.speed)
        try:
            last = part.get("over", "done")
            await self._centre.wait_until(
                lambda: self._is_over(order, needs, last, but), limit_s
            )
        except TimeoutError:
            self._say("waited", f"{number}号不再等待", number=number)
        result = part.get("result", wish["result"])
        self._say("closed", f"{number}号 {wish['by']}结案：{result}", number=number)
        await self._centre.act(order, "close", by=wish["by"], result=result)

    def _is_over(self, order: str, needs: int, last: str, but: frozenset[str]) -> bool:
        """Return whether enough guards took it, each is done, and the station is on it.

        Args:
            order: The order.
            needs: How many guards are enough.
            last: With which node a guard is done.
            but: Who does not count.
        """
        people = self._world.site["people"]

        def who(node: str, role: str) -> set[str]:
            said = self._said(order, node) - but
            return {p for p in said if people[p]["role"] == role}

        took = who("acknowledged", "guard")
        stations = who("told", "station")
        # Whose radio cannot say that he is done has said all he can when he has arrived.
        short = {g.person for g in self._world.radio_guards if not g.can_say("5")}
        finished = who(last, "guard") | (who("arrived", "guard") & short)
        done = len(took) >= needs and took <= finished
        return done and stations <= who("arrived" if last == "done" else last, "station")


def reasons(error: BaseException) -> list[str]:
    """Return what went wrong in a line each, whatever groups it is wrapped in."""
    if isinstance(error, BaseExceptionGroup):
        return [text for inner in error.exceptions for text in reasons(inner)]
    return [f"{type(error).__name__}: {error}"]


__all__ = ["Scenario", "reasons"]
