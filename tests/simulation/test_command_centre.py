"""The simulated command centre against the real doors: it repeats, resumes, and keeps a log."""

import asyncio
import json
import shutil
from contextlib import asynccontextmanager

import pytest

from drivers.mqtt.link import MqttDriver
from drivers.mqtt.settings import MqttDoor
from gateway.settings import HttpDoor, Token
from gateway.web.app import build
from gateway.web.server import listen, serve
from gateway.web.tokens import new_token
from simulators.command_centre import CentreError, CommandCentre
from tests.doors import Broker, FakeClock, FakeEngine
from tests.ports import free_port

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
FIGHT = {"category": "fight", "level": 2, "text": "东街有人打架"}
SCOPES = ("alert:write", "alert:cancel", "order:write", "event:read")


class Gateway:
    """The HTTP door around a fake engine, to be stopped and started on its port."""

    def __init__(self, tmp_path):
        self.engine = FakeEngine()
        self.token, digest = new_token("centre")
        self.settings = HttpDoor(
            listen=f"127.0.0.1:{free_port()}",
            tokens=(Token(id="centre", sha256=digest, scopes=SCOPES),),
        )
        self.base = f"http://{self.settings.listen}"
        self.media = tmp_path / "media"
        self.log = tmp_path / "centre.jsonl"

    @asynccontextmanager
    async def running(self):
        app = build(
            self.settings, self.engine, self.engine, None, FakeClock(), self.media,
            self.media.with_name("recordings"),
        )  # fmt: skip
        sock = listen(self.settings)
        async with asyncio.TaskGroup() as tasks:
            server = tasks.create_task(serve(app, self.settings, sock))
            yield
            server.cancel()

    def centre(self, **more):
        return CommandCentre(self.base, self.token, log=self.log, **({"repeat_s": 0.2} | more))

    def lines(self, what):
        return [
            line
            for line in map(json.loads, self.log.read_text(encoding="utf-8").splitlines())
            if line["what"] == what
        ]

    async def logged(self, what, count=1):
        async with asyncio.timeout(5):
            while len(self.lines(what)) < count:  # noqa: ASYNC110  # a file tells nobody
                await asyncio.sleep(0.02)


@pytest.fixture
def gateway(tmp_path):
    return Gateway(tmp_path)


@pytest.mark.asyncio
async def test_it_raises_amends_cancels_and_hears_what_happens(gateway):
    async with gateway.running(), gateway.centre() as centre:
        receipt = await centre.raise_alert(id="JQ-1", **FIGHT)
        assert receipt["status"] == "accepted"
        assert (await centre.update("JQ-1", **FIGHT))["status"] == "accepted"
        assert (await centre.cancel("JQ-1"))["status"] == "accepted"
        assert (await centre.act(receipt["order"], "close", by="李", result="好"))[
            "reason"
        ] is None
        gateway.engine.report(node="arrived", person="p_zhang", order=receipt["order"])
        event = await centre.wait_event(node="arrived", person="p_zhang", timeout_s=5)
        assert event["order"] == receipt["order"]
        assert [o["id"] for o in await centre.orders()] == [receipt["order"]]
        assert (await centre.order(receipt["order"]))["number"] == receipt["number"]
        with pytest.raises(CentreError, match="404"):
            await centre.act("o99", "close", by="李")
        with pytest.raises(TimeoutError, match=r"no event with .*'node': 'done'.*arrived"):
            await centre.wait_event(node="done", timeout_s=0.1)
    assert [line["message"]["kind"] for line in gateway.lines("sent")] == [
        "alert",
        "update",
        "cancel",
    ]
    assert len(gateway.lines("receipt")) == 3
    assert gateway.token not in gateway.log.read_text(encoding="utf-8")


@pytest.mark.asyncio
async def test_it_repeats_until_the_receipt_and_misses_no_event(gateway):
    async with gateway.centre() as centre, asyncio.TaskGroup() as tasks:
        early = tasks.create_task(centre.raise_alert(id="JQ-1", **FIGHT))
        await gateway.logged("lost")
        async with gateway.running():
            assert (await early)["status"] == "accepted"
            await centre.wait_event(node="accepted", timeout_s=5)
        gateway.engine.report(node="told")
        gateway.engine.report(node="arrived")
        async with gateway.running():
            await centre.wait_event(node="arrived", timeout_s=5)
    assert [e["node"] for e in centre.events] == ["accepted", "told", "arrived"]


@pytest.mark.asyncio
async def test_a_failing_gateway_is_asked_again(gateway):
    async with gateway.running(), gateway.centre() as centre, asyncio.TaskGroup() as tasks:
        gateway.engine.broken = True
        alert = tasks.create_task(centre.raise_alert(id="JQ-1", **FIGHT))
        await gateway.logged("lost")
        gateway.engine.broken = False
        assert (await alert)["status"] == "accepted"


@pytest.mark.asyncio
async def test_a_wrong_token_is_an_error_at_once(gateway):
    async with (
        gateway.running(),
        CommandCentre(gateway.base, "gwk_centre_wrong") as centre,
    ):
        with pytest.raises(CentreError, match="401"):
            await centre.raise_alert(**FIGHT)


@pytest.mark.asyncio
async def test_by_mqtt_it_repeats_until_our_receipt_not_the_brokers(gateway, tmp_path):
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    with Broker(tmp_path, MOSQUITTO).running() as broker:
        mqtt = {"host": "127.0.0.1", "port": broker.port, "site": "donghe"}
        settings = MqttDoor(host="127.0.0.1", port=broker.port, client_id="g", heartbeat_s=1)
        driver = MqttDriver(settings, "donghe", gateway.engine, FakeClock())
        async with gateway.centre(mqtt=mqtt) as centre, asyncio.TaskGroup() as tasks:
            alert = tasks.create_task(centre.raise_alert(door="mqtt", id="JQ-1", **FIGHT))
            await gateway.logged("sent", 3)
            door = tasks.create_task(driver.run(gateway.engine))
            assert (await alert)["status"] == "accepted"
            await centre.wait_event(node="accepted", timeout_s=5)
            assert centre.health is not None
            assert (await centre.cancel("JQ-1", door="mqtt"))["status"] == "accepted"
            door.cancel()
    assert len({e.alert.id for e in gateway.engine.alerts()}) == 1


@pytest.mark.asyncio
async def test_without_a_broker_it_says_so(gateway):
    async with gateway.running(), gateway.centre() as centre:
        with pytest.raises(ValueError, match="no broker"):
            await centre.raise_alert(door="mqtt", **FIGHT)
