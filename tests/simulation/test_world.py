"""The outside of a site in one process: its ports, its people, its play, its planted faults."""

import asyncio
import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import serial
import yaml
from aiohttp import web

from gateway.demo import Demo
from gateway.installed import load_settings
from gateway.settings import resolved
from simulators.scenario import Scenario
from simulators.world import Fault, World, read_secret
from tests.ports import free_port

# pyserial 3.5 names its reader thread in a way that Python has deprecated.
pytestmark = pytest.mark.filterwarnings(r"ignore:set(Daemon|Name)\(\) is deprecated")

Tree = dict[str, Any]

ROOT = Path(__file__).parents[2]
KEYS = {"inline_keyboard": [[{"text": "收到", "callback_data": "signed"}]]}


@pytest.fixture
def demo_site(tmp_path: Path) -> Tree:
    """The resolved settings of the demo, on free ports, without a broker."""
    tree = resolved(load_settings(Demo(output=tmp_path)._write_site(tmp_path, None)))
    return json.loads(json.dumps(tree))


@pytest.fixture
def post_site(tmp_path: Path) -> Tree:
    """The resolved settings of the example that a technician copies first, as it stands."""
    example = (ROOT / "config/examples/one_post.yaml").read_text("utf-8")
    for port in ("7001", "7101", "7201"):
        example = example.replace(f"={port}", f"={free_port()}").replace(
            f":{port}", f":{free_port()}"
        )
    (tmp_path / "one_post.yaml").write_text(example, "utf-8")
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o700)
    for name in ("telegram_token", "callback_key"):
        (secrets / name).write_text("123456:" + "s" * 40, "utf-8")
        (secrets / name).chmod(0o600)
    return json.loads(json.dumps(resolved(load_settings(tmp_path / "one_post.yaml"))))


def demo_scenario() -> Tree:
    text = (ROOT / "gateway/data/demo_scenario.yaml").read_text("utf-8")
    scenario: Tree = yaml.safe_load(text)
    return scenario


def told(world: World, what: str) -> list[Tree]:
    assert isinstance(world.out, io.StringIO)
    lines = [json.loads(line) for line in world.out.getvalue().splitlines()]
    return [line for line in lines if line["what"] == what]


@asynccontextmanager
async def outside(site: Tree, logs: Path | None = None, **more: Any) -> AsyncIterator[World]:
    world = World(
        site=site, logs=logs, seed=7, speed=more.pop("speed", 1.0), out=io.StringIO(),
        **{"scenario": {}} | more,
    )  # fmt: skip
    async with asyncio.timeout(15), AsyncExitStack() as stack:
        await world.start(stack)
        yield world


@pytest.mark.asyncio
async def test_the_demo_site_stands_on_the_ports_it_names(
    demo_site: Tree, tmp_path: Path
) -> None:
    logs = tmp_path / "logs"
    async with (
        outside(demo_site, logs, scenario=demo_scenario()) as world,
        aiohttp.ClientSession() as http,
    ):
        for channel in demo_site["channels"].values():
            port = int(channel["control"]["url"].rpartition(":")[2])
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
        token = read_secret(demo_site["chats"]["work"]["token"], tmp_path)
        url = f"{demo_site['chats']['work']['api_base_url']}{token}/getMe"
        async with http.get(url) as answer:
            assert (await answer.json())["ok"]
        places = {line["person"]: line for line in told(world, "placed")}
    assert set(places) == set(demo_scenario()["people"])
    assert places["p_qian"]["off_duty"] and not places["p_li"]["off_duty"]
    assert places["p_li"]["account"] == "700032"
    assert places["p_zhang"]["channel"] == "east"
    assert {path.name for path in logs.iterdir()} == {
        "air", "chat-work.jsonl", "ether-east.jsonl", "ether-south.jsonl", "ether-west.jsonl",
        "expected.json", "guards.jsonl",
    }  # fmt: skip
    assert len((logs / "guards.jsonl").read_text("utf-8").splitlines()) == len(places)


@pytest.mark.asyncio
async def test_a_playground_says_what_is_not_simulated(post_site: Tree) -> None:
    async with outside(post_site) as world:
        assert {line["person"] for line in told(world, "placed")} == {
            "p_zhang", "p_li", "p_wang",
        }  # fmt: skip
        (absent,) = told(world, "absent")
    assert "chat work is not simulated" in absent["text"]
    assert "api_base_url: http://127.0.0.1:PORT/bot" in absent["text"]


@pytest.mark.asyncio
async def test_a_real_serial_port_and_sound_card_are_left_alone(post_site: Tree) -> None:
    post_site["channels"]["gate"]["control"]["url"] = "/dev/ttyUSB0"
    async with outside(post_site) as world:
        assert not world.ethers
        assert [line["text"].split(" is ")[0] for line in told(world, "absent")] == [
            "channel gate", "chat work",
        ]  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("expression", "line", "closed"), [("cd & ctcss", "cd", False), ("noise | !dsr", "dsr", True)]
)
async def test_a_radio_drives_the_line_of_the_squelch_expression(
    post_site: Tree, expression: str, line: str, closed: bool
) -> None:
    post_site["channels"]["gate"]["control"]["squelch"] = expression
    async with outside(post_site) as world:
        assert world.bases["gate"].lines.inputs[line] is closed


@pytest.mark.asyncio
async def test_a_scenario_about_a_stranger_is_refused(demo_site: Tree) -> None:
    with pytest.raises(ValueError, match="p_nobody is not among the site's people"):
        async with outside(demo_site, scenario={"people": {"p_nobody": {"answers": "chat"}}}):
            pass


@pytest.mark.asyncio
async def test_a_scenario_gives_people_radios_and_the_air_its_teeth(demo_site: Tree) -> None:
    scenario = {
        "people": {
            "p_zhang": {"answers": "radio", "radio": {"model": "bf888s", "ctcss_hz": 88.5}},
            "p_wang": {"answers": "radio", "radio": {"model": "mdc1200", "id": 1033}},
            "p_zhao": {"answers": "radio"},
        },
        "air": {
            "east": {
                "physics": {"cnr_db": 15, "links": [{"from": "p_zhang", "to": "base", "cnr_db": 9}]},
                "wire": {"rtp_loss": 0.02, "rtp_jitter_ms": 20}, "clock_ppm": 80, "ctcss_hz": 88.5,
            },
            "west": {"site": "repeater", "repeater_hang_s": 0.5},
        },
    }  # fmt: skip
    async with outside(demo_site, scenario=scenario) as world:
        zhang, wang, zhao = world.radio_guards
        assert [zhang.can_say(digit) for digit in "135"] == [True, True, False]
        assert [wang.can_say(digit) for digit in "135"] == [True, True, True]
        assert (wang.radio.radio.unit, zhao.radio.radio) == (0x1033, None)
        over = await zhang.radio.key_and_send(voice_s=0.5)
    assert over.base_heard > 0.8, "9 dB opens the squelch of the base"


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        ({"people": {"p_zhang": {"answers": "radio", "radio": {"model": "bf999"}}}}, "bf999"),
        ({"people": {"p_zhang": {"answers": "radio", "radio": {"modell": "uv5r"}}}}, "modell"),
        ({"air": {"east": {"fadding": "rayleigh"}}}, "fadding"),
        ({"air": {"east": {"wire": {"rtp_lost": 0.1}}}}, "rtp_lost"),
    ],
)
@pytest.mark.asyncio
async def test_a_scenario_with_an_unknown_word_is_refused(
    demo_site: Tree, scenario: Tree, words: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        async with outside(demo_site, scenario=scenario):
            pass


def test_a_secret_comes_from_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("from a file\n", "utf-8")
    monkeypatch.setenv("GRIDCALL_TEST_TOKEN", "from outside")
    assert read_secret({"file": "token", "env": None}, tmp_path) == "from a file"
    assert read_secret({"file": None, "env": "GRIDCALL_TEST_TOKEN"}, tmp_path) == "from outside"
    for wrong in ({}, {"env": "GRIDCALL_NOT_SET"}):
        with pytest.raises(ValueError, match=r"a secret is|is not set"):
            read_secret(wrong, tmp_path)


# ---- planted faults ----


def key(port: serial.SerialBase, on: bool) -> None:
    port.rts = on


@pytest.mark.asyncio
async def test_ptt_the_first_page_is_keyed_and_not_radiated(demo_site: Tree) -> None:
    async with outside(demo_site, faults=frozenset({Fault.PTT})) as world:
        base = world.bases["east"]
        url = demo_site["channels"]["east"]["control"]["url"]
        port = serial.serial_for_url(url, do_not_open=True)
        port.rts = port.dtr = False
        await asyncio.to_thread(port.open)
        on_air = []
        for _ in range(2):
            await asyncio.to_thread(key, port, True)
            await asyncio.sleep(0.1)
            on_air.append(base.transmitting)
            await asyncio.to_thread(key, port, False)
            await base.wait_ptt(False, 2)
        await asyncio.to_thread(port.close)
        west = world.bases["west"]
        assert on_air == [False, True]
        assert not west._ignores_ptt


@pytest.mark.asyncio
async def test_ack_a_press_is_delivered_that_nobody_made(
    demo_site: Tree, tmp_path: Path
) -> None:
    logs = tmp_path / "logs"
    resting = {"answers": "chat", "off_duty": True}
    scenario = {"people": {"p_zhao": {"answers": "chat"}, "p_qian": resting}}
    async with (
        outside(demo_site, logs, scenario=scenario, faults=frozenset({Fault.ACK})) as world,
        aiohttp.ClientSession() as http,
    ):
        await _call(world, http, "sendMessage", chat_id=700035, text="10号", reply_markup=KEYS)
        await _call(world, http, "sendMessage", chat_id=700034, text="10号", reply_markup=KEYS)
        (update,) = await _call(world, http, "getUpdates", timeout=5)
    assert update["callback_query"]["from"]["id"] == 700034
    assert update["callback_query"]["data"] == "signed"
    assert '"press"' not in (logs / "chat-work.jsonl").read_text("utf-8")


@pytest.mark.asyncio
async def test_dup_one_card_is_shown_twice_and_only_one(demo_site: Tree) -> None:
    async with (
        outside(demo_site, faults=frozenset({Fault.DUP})) as world,
        aiohttp.ClientSession() as http,
    ):
        world.chats["work"].enforce_limits = False
        for chat in (700034, -1001001, -1001001):
            card = {"chat_id": chat, "text": "10号", "reply_markup": KEYS}
            await _call(world, http, "sendMessage", **card)
        chats = [post.chat for post in world.chats["work"].posts()]
    assert chats == [700034, -1001001, -1001001, -1001001]


@pytest.mark.asyncio
async def test_lost_the_surest_radio_guard_is_the_one_not_heard(demo_site: Tree) -> None:
    lost = frozenset({Fault.LOST})
    async with outside(demo_site, scenario=demo_scenario(), faults=lost) as world:
        losing = {guard.person: guard.loses for guard in world.radio_guards}
        assert losing == {
            "p_zhang": None, "p_wang": world.bases["west"], "p_sun": None, "p_gao": None,
        }  # fmt: skip


@pytest.mark.asyncio
async def test_drill_and_stand_down_are_planted_where_they_matter(demo_site: Tree) -> None:
    both = frozenset({Fault.DRILL, Fault.STAND_DOWN})
    async with outside(demo_site, scenario=demo_scenario(), faults=both) as world:
        assert [g.person for g in world.radio_guards if g.dies] == ["p_gao"]
        swallowing = [name for name, base in world.bases.items() if base._swallows_s]
        assert swallowing == ["south"]


async def _call(world: World, http: aiohttp.ClientSession, method: str, **params: Any) -> Any:
    token = read_secret(world.site["chats"]["work"]["token"], world.base_dir)
    url = f"{world.chats['work'].base_url}{token}/{method}"
    async with http.post(url, json=params) as answer:
        return (await answer.json())["result"]


# ---- the play ----


class Gateway:
    """What a centre sees of a gateway: receipts, events as they happen, acts."""

    def __init__(self) -> None:
        self.healthy = False
        self.alerts: list[Tree] = []
        self.acts: list[tuple[str, str, Tree]] = []
        self.events: list[Tree] = []
        self.status = 202
        self.answer = "accepted"
        self._more = asyncio.Event()
        self._asked = asyncio.Event()

    async def wait_asked(self, count: int) -> None:
        """Return once so many alerts and acts have come."""
        while len(self.alerts) + len(self.acts) < count:
            self._asked.clear()
            await self._asked.wait()

    def happens(self, node: str, person: str | None = None, **more: Any) -> None:
        event = {"journal": len(self.events) + 1, "part": 0, "order": "o1", "node": node}
        self.events.append({**event, "person": person, "assurance": None, **more})
        self._more.set()

    async def health(self, _: web.Request) -> web.Response:
        return web.json_response({}, status=200 if self.healthy else 503)

    async def alert(self, request: web.Request) -> web.Response:
        self.alerts.append(body := await request.json())
        self._asked.set()
        self.happens("accepted")
        taken = self.answer == "accepted"
        receipt = {
            "status": self.answer, "order": "o1" if taken else None,
            "number": "10" if taken else None, "journal": 1,
            "reason": None if taken else "level: not 1, 2 or 3",
            "sender": body["sender"], "id": body["id"],
        }  # fmt: skip
        return web.json_response(receipt, status=self.status)

    async def act(self, request: web.Request) -> web.Response:
        order, act = request.match_info["order"], request.match_info["act"]
        self.acts.append((order, act, await request.json()))
        self._asked.set()
        return web.json_response({"status": "accepted", "order": order, "journal": 9})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        sent = 0
        while True:
            for event in self.events[sent:]:
                data = json.dumps(event)
                await answer.write(f"id: {event['journal']}.0\ndata: {data}\n\n".encode())
            sent = len(self.events)
            self._more.clear()
            await self._more.wait()

    @asynccontextmanager
    async def listening(self, port: int) -> AsyncIterator["Gateway"]:
        app = web.Application()
        app.router.add_get("/healthz", self.health)
        app.router.add_get("/v1/events", self.stream)
        app.router.add_post("/v1/alerts", self.alert)
        app.router.add_post("/v1/orders/{order}/{act}", self.act)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            yield self
        finally:
            await runner.cleanup()


def play(world: World, **more: Any) -> Scenario:
    alert = {"id": "JQ-1", "sender": "zhzx", "level": 1, "text": "有人打架", "needs": 1}
    confirm = {"alert": "JQ-1", "person": "p_wang", "after_node": "acknowledged"}
    part = {
        "token": {"file": "secrets/centre_token"}, "mqtt": False,
        "alerts": [{"after_s": 0, "door": "http", "body": {"kind": "alert", **alert}}],
        "confirm": [{**confirm, "node": "acknowledged", "by": "值班员周"}],
        "close": {"when": "done", "by": "值班员周", "result": "已移交民警", "at_latest_s": 60},
        **more,
    }  # fmt: skip
    return Scenario(world, part)


@asynccontextmanager
async def played(site: Tree, speed: float = 1.0) -> AsyncIterator[tuple[World, Gateway]]:
    """Give a world with nobody in it and a gateway of this file's own."""
    port = int(site["command_centre"]["http"]["listen"].rpartition(":")[2])
    async with (
        outside(site, scenario={"people": {}}, speed=speed) as world,
        Gateway().listening(port) as gateway,
    ):
        yield world, gateway


@pytest.mark.asyncio
async def test_the_centre_raises_confirms_a_voice_and_closes_when_all_is_done(
    demo_site: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulators.scenario.AFTERWARDS_S", 0.1)
    async with played(demo_site, speed=10) as (world, gateway), asyncio.TaskGroup() as tasks:
        playing = tasks.create_task(play(world).run())
        await asyncio.sleep(0.3)
        assert not gateway.alerts, "the daemon was not up yet"
        gateway.healthy = True
        await gateway.wait_asked(1)
        gateway.happens("told", "p_station")
        gateway.happens("acknowledged", "p_wang", assurance="R1")
        await gateway.wait_asked(2)
        gateway.happens("done", "p_wang")
        await asyncio.sleep(0.2)
        assert len(gateway.acts) == 1, "the station had not come yet"
        gateway.happens("arrived", "p_station")
        await playing
    assert gateway.alerts[0]["sent"].endswith("+08:00")
    confirmed, closed = gateway.acts
    assert confirmed == (
        "o1", "confirm", {"by": "值班员周", "person": "p_wang", "node": "acknowledged"},
    )  # fmt: skip
    assert closed == ("o1", "close", {"by": "值班员周", "result": "已移交民警"})
    assert [line["ok"] for line in told(world, "finished")] == [True]


@pytest.mark.asyncio
async def test_an_order_that_nobody_answers_is_closed_in_the_end(
    demo_site: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulators.scenario.AFTERWARDS_S", 0.1)
    monkeypatch.setattr("simulators.scenario.SOUND_S", 0.5)
    async with played(demo_site, speed=200) as (world, gateway):
        gateway.healthy = True
        await play(world).run()
    assert [act for _, act, _ in gateway.acts] == ["close"]
    assert len(told(world, "waited")) == 1


@pytest.mark.asyncio
async def test_a_play_that_breaks_says_so_and_leaves_the_outside_standing(
    demo_site: Tree
) -> None:
    async with played(demo_site) as (world, gateway):
        gateway.healthy, gateway.status = True, 403
        await play(world).run()
        assert [line["ok"] for line in told(world, "finished")] == [False]
        assert "CentreError: 403" in told(world, "broken")[0]["text"]
        assert world.ethers["east"].overs == []


@pytest.mark.asyncio
async def test_a_play_whose_alert_is_refused_is_no_success(
    demo_site: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulators.scenario.AFTERWARDS_S", 0.1)
    async with played(demo_site) as (world, gateway):
        gateway.healthy, gateway.status, gateway.answer = True, 422, "refused"
        await play(world).run()
    assert [line["ok"] for line in told(world, "finished")] == [False]
    assert "level: not 1, 2 or 3" in told(world, "receipt")[0]["text"]
    assert gateway.acts == []


# ---- the process ----


@pytest.fixture
def run(demo_site: Tree, tmp_path: Path) -> Iterator[Any]:
    """Give what starts `python -m simulators`; whatever it started is ended."""
    (tmp_path / "resolved.json").write_text(json.dumps(demo_site), "utf-8")
    with contextlib.ExitStack() as stack:

        def start(*more: str, stdin: int = subprocess.PIPE) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, "-m", "simulators", str(tmp_path / "resolved.json"), *more],
                stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                text=True, cwd=ROOT,
            )  # fmt: skip
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start


def until_ready(process: subprocess.Popen[str]) -> list[str]:
    said = []
    assert process.stdout is not None
    for line in process.stdout:
        said.append(json.loads(line)["what"])
        if said[-1] == "ready":
            break
    return said


def test_without_anybody_at_its_input_the_process_says_so_and_goes_on(run: Any) -> None:
    process = run("--seed", "7", stdin=subprocess.DEVNULL)
    assert until_ready(process)[-1] == "ready"
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.terminate()
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 0
    assert errors.startswith("no standard input: no commands")


def test_the_process_is_ready_obeys_and_ends_with_its_input(run: Any) -> None:
    process = run("--seed", "7")
    assert until_ready(process)[-1] == "ready"
    out, errors = process.communicate('{"do": "code"}\nnonsense\n', timeout=10)
    assert process.returncode == 0, errors
    assert [json.loads(line)["what"] for line in out.splitlines()] == ["refused", "refused"]
    assert errors == "standard input has ended: so does the outside\n"


def test_the_process_ends_on_sigterm(run: Any) -> None:
    process = run()
    until_ready(process)
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(10) == 0


def test_a_port_that_is_taken_is_named(run: Any, demo_site: Tree) -> None:
    port = int(demo_site["channels"]["east"]["control"]["url"].rpartition(":")[2])
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        process = run()
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 3
    assert "the outside does not start" in errors
    assert str(port) in errors
    assert "Traceback" not in errors
