"""`gridcall demo`: the daemon and a simulated outside, from alert to arrival, then judged.

The daemon runs as `gridcall run` runs it; the outside is another process that speaks the real
protocols and keeps its own logs; the judge is a third, who compares those logs with the
journal.
This module only starts them, shows what they say and adds up.
"""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from queue import Empty, SimpleQueue
from string import Template
from typing import IO
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from rich.console import Console

from gateway import control
from gateway.demo_table import is_drill, table_of
from gateway.interfaces import LinkError, SetupError

SITE_ZONE = ZoneInfo("Asia/Shanghai")
CHANNELS = ("east", "west", "south")
# Windows of the demo's site by level, seconds at speed 1: as the design's defaults.
ACKNOWLEDGE_S = (30, 60, 60)
# What an order takes to be spoken and answered by radio, at any speed; no window is shorter.
SOUND_S = 30
# What a start may take on a small machine under load.
START_WAIT_S = 40.0
# The whole story; past this something is stuck.
STORY_WAIT_S = 150.0


class Fault(StrEnum):
    """What `--break` can plant; the judge must object to each."""

    PTT = "ptt"
    ACK = "ack"
    DUP = "dup"
    LOST = "lost"
    DRILL = "drill"
    STAND_DOWN = "stand_down"


@dataclass(slots=True, kw_only=True)
class Demo:
    """One demonstration.

    Attributes:
        output: Folder for the site, the logs and the sound; an earlier one is replaced.
        seed: Chance of the outside.
        speed: Scales tempers and windows, never the sound.
        hold: Keep running after the story.
        faults: Faults planted in the outside.
        mqtt: Broker as ``mqtt://host:port``; None looks for mosquitto on the path.
    """

    output: Path
    seed: int = 7
    speed: float = 1.0
    hold: bool = False
    faults: tuple[Fault, ...] = ()
    mqtt: str | None = None
    _said: SimpleQueue[tuple[str, dict[str, object]]] = field(default_factory=SimpleQueue)
    _console: Console = field(default_factory=lambda: Console(highlight=False, soft_wrap=True))
    _began_s: float = 0.0

    def run(self) -> int:
        """Run it all; return 0 when the judge agrees, 1 when he objects, 3 when it broke.

        Raises:
            SetupError: Something of this machine is missing.
            LinkError: A part did not start or stopped answering.
        """
        self._began_s = time.monotonic()
        for number in (signal.SIGINT, signal.SIGTERM):
            # Both, and even where a shell has told us to ignore them: what we started must end.
            signal.signal(number, _end)
        folder = self.output.resolve()
        _clear(folder)
        with contextlib.ExitStack() as stack:
            broker = self._broker(stack, folder)
            config = self._write_site(folder, broker)
            self._tell("setting up", f"site in {folder}")
            outside = self._start_outside(stack, config, folder, with_mqtt=broker is not None)
            self._await_outside("ready", START_WAIT_S)
            daemon = self._start_daemon(stack, config, folder)
            self._follow_daemon(folder)
            self._enrol(config, outside)
            finished = self._show_until_finished()
            orders = self._orders(folder)
            self._hold_if_asked()
            _stop(daemon)
            export = self._export(config, folder)
        status = self._judge(config, folder, export)
        self._print_table(orders)
        self._print_sound(folder)
        if broker is None:
            self._console.print(
                "MQTT was not shown: there is no broker at hand (install mosquitto, or give "
                "--mqtt mqtt://HOST:PORT); the second alert went in by HTTP too."
            )
        if not finished:
            self._console.print("[red]the story did not come to its end[/red]")
        good = status == 0 and finished
        took_s = time.monotonic() - self._began_s
        verdict = "everything agrees" if good else "NOT in order"
        if self.faults:
            verdict += f", with planted: {', '.join(self.faults)}"
        self._console.print(f"\n{verdict} (seed {self.seed}, {took_s:.0f} s)")
        return 0 if good else 1

    # ---- the stage ----

    def _broker(self, stack: contextlib.ExitStack, folder: Path) -> tuple[str, int] | None:
        """Return the broker's address: the one given, a mosquitto of our own, or None."""
        if self.mqtt is not None:
            parts = urlsplit(self.mqtt)
            if parts.scheme != "mqtt" or not parts.hostname:
                msg = f"--mqtt {self.mqtt}: should be like mqtt://127.0.0.1:1883"
                raise SetupError(msg)
            return parts.hostname, parts.port or 1883
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
        if program is None:
            return None
        port = _free_port(socket.SOCK_STREAM)
        settings = folder / "mosquitto.conf"
        settings.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n", "utf-8"
        )
        log = stack.enter_context((folder / "mosquitto.log").open("wb"))
        broker = subprocess.Popen(
            [program, "-c", str(settings)], stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
        stack.callback(_stop, broker)
        _wait_for_port(port)
        return "127.0.0.1", port

    def _write_site(self, folder: Path, broker: tuple[str, int] | None) -> Path:
        """Write settings, secrets and scenario as a technician would have them."""
        keys = folder / "secrets"
        keys.mkdir(mode=0o700)
        token = f"gwk_centre_{secrets.token_urlsafe(32)}"
        _write_secret(keys / "centre_token", token)
        bot = f"{secrets.randbelow(10**9):09d}:{secrets.token_urlsafe(26)}"
        _write_secret(keys / "telegram_token", bot)
        _write_secret(keys / "callback_key", secrets.token_urlsafe(32))
        today = datetime.fromtimestamp(time.time(), UTC).astimezone(SITE_ZONE).date()
        windows = [max(SOUND_S, round(s / self.speed)) for s in ACKNOWLEDGE_S]
        gaps: dict[str, object] = {
            "token_sha256": hashlib.sha256(token.encode()).hexdigest(),
            "today": today.isoformat(),
            "tomorrow": (today + timedelta(days=1)).isoformat(),
            "ack_1_s": windows[0],
            "ack_2_s": windows[1],
            "ack_3_s": windows[2],
            "mqtt": "" if broker is None else _mqtt_section(*broker),
            **_ports(),
        }
        data = files("gateway.data")
        config = folder / "site.yaml"
        config.write_text(
            Template((data / "demo_site.yaml").read_text("utf-8")).substitute(gaps), "utf-8"
        )
        scenario = (data / "demo_scenario.yaml").read_text("utf-8")
        if broker is None:
            scenario = scenario.replace("door: mqtt", "door: http")
        (folder / "scenario.yaml").write_text(scenario, "utf-8")
        return config

    def _start_outside(
        self, stack: contextlib.ExitStack, config: Path, folder: Path, *, with_mqtt: bool
    ) -> subprocess.Popen[bytes]:
        resolved = folder / "resolved.json"
        check = [sys.executable, "-m", "gateway", "check", "--resolved", str(config)]
        resolved.write_bytes(_output_of(check, folder))
        argv = [sys.executable, "-m", "simulators", str(resolved)]
        argv += ["--scenario", str(folder / "scenario.yaml"), "--logs", str(folder / "outside")]
        argv += ["--seed", str(self.seed), "--speed", str(self.speed)]
        for fault in self.faults:
            argv += ["--break", fault.value]
            self._tell("planted", f"fault: {fault.value}")
        if not with_mqtt:
            self._tell("no broker", "MQTT will not be shown")
        log = stack.enter_context((folder / "outside.log").open("wb"))
        outside = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        )
        stack.callback(_stop, outside)
        assert outside.stdout is not None
        self._read("outside", outside.stdout)
        return outside

    def _start_daemon(
        self, stack: contextlib.ExitStack, config: Path, folder: Path
    ) -> subprocess.Popen[bytes]:
        log = stack.enter_context((folder / "daemon.log").open("wb"))
        argv = [sys.executable, "-m", "gateway", "run", str(config)]
        daemon = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        stack.callback(_stop, daemon)
        self._tell("starting", "the daemon: engine, radio process, keyers, speech")
        deadline_s = time.monotonic() + START_WAIT_S
        while time.monotonic() < deadline_s:
            if daemon.poll() is not None:
                break
            with contextlib.suppress(LinkError):
                if _all_up(control.ask(_socket_of(folder), do="health")):
                    self._tell("ready", "engine, radio channels, chat and doors are up")
                    return daemon
            time.sleep(0.1)
        msg = f"the daemon did not get ready; its log is {folder / 'daemon.log'}"
        raise LinkError(msg)

    def _follow_daemon(self, folder: Path) -> None:
        def tell() -> None:
            with contextlib.suppress(LinkError, OSError, ValueError):
                for event in control.follow(_socket_of(folder), 0):
                    self._said.put(("daemon", event))

        threading.Thread(target=tell, daemon=True).start()

    def _read(self, who: str, stream: IO[bytes]) -> None:
        def tell() -> None:
            for line in stream:
                with contextlib.suppress(ValueError):
                    said = json.loads(line)
                    if isinstance(said, dict):
                        self._said.put((who, said))
            self._said.put((who, {"what": "gone"}))

        threading.Thread(target=tell, daemon=True).start()

    def _enrol(self, config: Path, outside: subprocess.Popen[bytes]) -> None:
        """Give the one who is not enrolled yet a one-time code, as a technician would."""
        answer = control.ask(_socket_of(config.parent), do="enrol", person="p_li")
        assert outside.stdin is not None
        line = {"do": "code", "person": "p_li", "code": answer["code"]}
        outside.stdin.write((json.dumps(line) + "\n").encode())
        outside.stdin.flush()

    # ---- the play ----

    def _await_outside(self, what: str, limit_s: float) -> None:
        deadline_s = time.monotonic() + limit_s
        while time.monotonic() < deadline_s:
            with contextlib.suppress(Empty):
                _, said = self._said.get(timeout=0.5)
                if said.get("what") == what:
                    return
                if said.get("what") == "gone":
                    break
        log = self.output / "outside.log"
        msg = f"the simulated outside did not get ready; its log is {log}"
        raise LinkError(msg)

    def _show_until_finished(self) -> bool:
        deadline_s = time.monotonic() + STORY_WAIT_S
        while time.monotonic() < deadline_s:
            try:
                who, said = self._said.get(timeout=0.5)
            except Empty:
                continue
            if said.get("what") == "gone":
                return False
            if said.get("what") == "finished":
                self._drain()
                return bool(said.get("ok", True))
            self._show(who, said)
        return False

    def _drain(self) -> None:
        """Show what was said until now; the daemon's last events may be on their way."""
        quiet_until_s = time.monotonic() + 1.0
        while time.monotonic() < quiet_until_s:
            with contextlib.suppress(Empty):
                self._show(*self._said.get(timeout=0.2))

    def _show(self, who: str, said: Mapping[str, object]) -> None:
        if who == "daemon":
            node, number = str(said.get("node")), said.get("number")
            name = said.get("name") or said.get("person") or ""
            tail = " ".join(str(said[k]) for k in ("medium", "assurance") if said.get(k))
            text = "  ".join(str(p) for p in (name, tail, said.get("detail") or "") if p)
            self._tell(node, text, number=str(number) if number else "", colour="cyan")
        elif said.get("text"):
            where = said.get("channel") or said.get("chat") or said.get("door") or ""
            text = f"{said.get('who', '')}  {where}  {said['text']}".strip()
            self._tell(str(said.get("what")), text, colour="yellow")

    def _tell(self, what: str, text: str, *, number: str = "", colour: str = "green") -> None:
        took_s = time.monotonic() - self._began_s
        self._console.print(
            f"[dim]{took_s:6.1f} s[/dim]  [{colour}]{what:<20}[/{colour}] {number:<3} ",
            end="",
        )
        self._console.print(text, markup=False)

    def _hold_if_asked(self) -> None:
        if not self.hold:
            return
        self._tell("holding", f"press Ctrl-C to end; the site is {self.output / 'site.yaml'}")
        self._tell("", "what you do now is no part of the story: the judge will object to it")
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                with contextlib.suppress(Empty):
                    self._show(*self._said.get(timeout=1.0))

    # ---- the judgement ----

    def _orders(self, folder: Path) -> list[dict[str, object]]:
        orders = []
        listed = control.ask(_socket_of(folder), do="orders", open=False)["orders"]
        assert isinstance(listed, list)
        for short in reversed(listed):
            whole = control.ask(_socket_of(folder), do="order", order=short["id"])["order"]
            assert isinstance(whole, dict)
            orders.append(whole)
        return orders

    def _export(self, config: Path, folder: Path) -> Path:
        target = folder / "journal.jsonl"
        argv = [sys.executable, "-m", "gateway", "journal", "export", "--personal"]
        _output_of([*argv, str(config), str(target)], folder)
        return target

    def _judge(self, config: Path, folder: Path, export: Path) -> int:
        """Ask the journal whether it is whole, and the witnesses whether it is true."""
        verify = [sys.executable, "-m", "gateway", "journal", "verify", str(config)]
        judge = [sys.executable, "-m", "simulators.checkers", str(folder / "resolved.json")]
        judge += [str(folder / "outside"), str(export)]
        worst = 0
        for title, argv in (("journal", verify), ("witnesses", judge)):
            done = subprocess.run(
                argv, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            self._console.print(f"\n[bold]{title}[/bold]")
            self._console.print(done.stdout.rstrip(), markup=False)
            worst = max(worst, done.returncode)
        return worst

    def _print_table(self, orders: list[dict[str, object]]) -> None:
        live = [order for order in orders if not is_drill(order)]
        drills = [order for order in orders if is_drill(order)]
        self._console.print()
        self._console.print(table_of(live, SITE_ZONE))
        if drills:
            self._console.print(table_of(drills, SITE_ZONE, "演练 drills, counted apart"))

    def _print_sound(self, folder: Path) -> None:
        found = sorted((folder / "outside" / "air").rglob("*.wav"))
        self._console.print(f"\nwhat went on the air ({len(found)} overs):")
        for path in found:
            self._console.print(f"  {path}", markup=False)
        kept = sorted((folder / "state" / "recordings").rglob("*.*"))
        where = folder / "state" / "recordings"
        self._console.print(f"recordings of the daemon: {len(kept)} in {where}", markup=False)


def _end(*_: object) -> None:
    raise KeyboardInterrupt


def _clear(folder: Path) -> None:
    """Make an empty folder, replacing an earlier demonstration and nothing else.

    Raises:
        SetupError: The folder holds something that is not a demonstration, or one that runs.
    """
    with contextlib.suppress(LinkError):
        control.ask(_socket_of(folder), do="health")
        msg = f"{folder}: a demo still runs there; end it, or give another --output"
        raise SetupError(msg)
    if folder.exists() and any(folder.iterdir()):
        if not (folder / "site.yaml").exists() and not (folder / "mosquitto.conf").exists():
            msg = f"{folder} is not empty and no earlier demo; give another --output"
            raise SetupError(msg)
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)


def _socket_of(folder: Path) -> Path:
    return folder / "state" / "control.sock"


def _all_up(health: Mapping[str, object]) -> bool:
    """Return whether the engine and every way to people works."""
    paths = health.get("paths")
    if not health.get("ok") or not isinstance(paths, dict):
        return False
    wanted = {"chat:work", *(f"channel:{channel}" for channel in CHANNELS)}
    return wanted <= set(paths) and all(p["up"] for p in paths.values())


def _write_secret(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, "utf-8")


def _mqtt_section(host: str, port: int) -> str:
    return f"  mqtt: {{host: {host}, port: {port}, client_id: gridcall-demo-{os.getpid()}}}\n"


def _ports() -> dict[str, object]:
    tcp = ("http_port", "chat_port", *(f"{channel}_line_port" for channel in CHANNELS))
    udp = [f"{channel}_{end}_port" for channel in CHANNELS for end in ("radio", "local")]
    with contextlib.ExitStack() as stack:
        return {
            name: _take_port(stack, kind)
            for kind, names in ((socket.SOCK_STREAM, tcp), (socket.SOCK_DGRAM, udp))
            for name in names
        }


def _take_port(stack: contextlib.ExitStack, kind: int) -> int:
    """Return a port that is ours until the stack closes.

    It lies below those that outgoing connections are given, so that it stays free afterwards.
    """
    while True:
        port = 15_000 + secrets.randbelow(17_000)
        taken = socket.socket(socket.AF_INET, kind)
        try:
            taken.bind(("127.0.0.1", port))
        except OSError:
            taken.close()
            continue
        stack.enter_context(taken)
        return port


def _free_port(kind: int) -> int:
    with contextlib.ExitStack() as stack:
        return _take_port(stack, kind)


def _wait_for_port(port: int) -> None:
    deadline_s = time.monotonic() + START_WAIT_S
    while time.monotonic() < deadline_s:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    msg = f"the broker did not open port {port}"
    raise LinkError(msg)


def _output_of(argv: list[str], folder: Path) -> bytes:
    done = subprocess.run(argv, check=False, capture_output=True, cwd=folder)
    if done.returncode != 0:
        msg = f"{' '.join(argv[2:5])} failed: {done.stderr.decode(errors='replace')}"
        raise LinkError(msg)
    return done.stdout


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(12)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
