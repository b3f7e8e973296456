"""The keyer as a process of its own on a real wire: it keys only under a lease, and lets go."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.radio.control_lines import PttRule, parse_ptt
from drivers.radio.keyer import Lease
from gateway.interfaces import SetupError
from simulators.ether import Ether
from simulators.radio import BaseRadio, Handheld

ROOT = Path(__file__).parents[3]


class KeyerUnderTest:
    """The process, its lines as they come, and one byte commands."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self._grown = asyncio.Condition()

    async def read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            async with self._grown:
                self.lines.append(line.decode().split(maxsplit=1)[1].strip())
                self._grown.notify_all()

    def send(self, command: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(command)

    async def said(self, line: str, timeout_s: float = 4, times: int = 1) -> None:
        def there() -> bool:
            return sum(heard.startswith(line) for heard in self.lines) >= times

        try:
            async with asyncio.timeout(timeout_s), self._grown:
                await self._grown.wait_for(there)
        except TimeoutError:
            pytest.fail(f"no {line!r} x{times} within {timeout_s} s; said {self.lines}")

    async def hold(self, until: Callable[[], bool]) -> None:
        """Renew the lease, as played frames do, until the condition holds."""
        while not until():
            self.send(b"K")
            await asyncio.sleep(0.05)


@asynccontextmanager
async def running_keyer(radio_port: int, **config: object) -> AsyncIterator[KeyerUnderTest]:
    whole = {
        "url": f"rfc2217://127.0.0.1:{radio_port}",
        "ptt": "rts",
        "lines": ["cts"],
        "lease_ms": 350,
        "time_out_s": 60,
    } | config
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "drivers.radio.keyer", json.dumps(whole),
        cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    keyer = KeyerUnderTest(process)
    async with asyncio.TaskGroup() as group:
        reader = group.create_task(keyer.read())
        try:
            yield keyer
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            await reader


@asynccontextmanager
async def base_radio(**options: object) -> AsyncIterator[BaseRadio]:
    async with Ether("ch1", seed=7) as ether, BaseRadio(ether, **options) as radio:
        yield radio


def seconds() -> float:
    return asyncio.get_running_loop().time()


@pytest.mark.asyncio
async def test_a_key_follows_the_command_and_opening_the_port_never_keys() -> None:
    async with base_radio() as radio, running_keyer(radio.serial_port) as keyer:
        await keyer.said("ready")
        assert not any(edge.on for edge in radio.edges if edge.line in {"rts", "dtr", "ptt"})
        begun = seconds()
        keyer.send(b"K")
        await radio.wait_ptt(True, timeout_s=1)
        print(f"PTT {1000 * (seconds() - begun):.1f} ms after the command")
        await keyer.said("keyed cmd")
        begun = seconds()
        keyer.send(b"U")
        await radio.wait_ptt(False, timeout_s=1)
        print(f"unkeyed {1000 * (seconds() - begun):.1f} ms after the command")
        await keyer.said("unkeyed cmd")


@pytest.mark.asyncio
async def test_a_key_that_comes_while_the_line_falls_keys_as_soon_as_it_is_down() -> None:
    async with base_radio() as radio, running_keyer(radio.serial_port) as keyer:
        await keyer.said("ready")
        for turn in range(1, 7):
            keyer.send(b"K")
            await keyer.said("keyed cmd", times=2 * turn - 1)
            begun = seconds()
            # Not a renewal more: this one alone must do it. At once, or in the middle of it.
            keyer.send(b"U")
            await asyncio.sleep(0.008 * (turn - 1))
            keyer.send(b"K")
            await keyer.said("keyed cmd", times=2 * turn)
            print(f"down and up again {1000 * (seconds() - begun):.0f} ms after the command")
            keyer.send(b"U")
            await keyer.said("unkeyed cmd", times=2 * turn)
        keyed = [line for line in keyer.lines if line.endswith("keyed cmd")]
        assert keyed == ["keyed cmd", "unkeyed cmd"] * 12
        edges = [edge.on for edge in radio.edges if edge.line == "rts"]
        assert edges[-24:] == [True, False] * 12, "each transmission begins with an edge"


@pytest.mark.asyncio
async def test_a_lease_that_is_not_renewed_runs_out() -> None:
    async with base_radio() as radio, running_keyer(radio.serial_port) as keyer:
        await keyer.said("ready")
        keyer.send(b"K")
        await radio.wait_ptt(True, timeout_s=1)
        begun = seconds()
        await radio.wait_ptt(False, timeout_s=1)
        held_s = seconds() - begun
        print(f"lease ran out after {1000 * held_s:.0f} ms")
        assert 0.25 < held_s < 0.5
        await keyer.said("unkeyed lease")


@pytest.mark.asyncio
async def test_after_a_time_out_it_stays_locked_until_an_unkey() -> None:
    async with (
        base_radio() as radio,
        running_keyer(radio.serial_port, time_out_s=0.6) as keyer,
    ):
        await keyer.said("ready")
        await keyer.hold(lambda: "unkeyed tot" in keyer.lines)
        for _ in range(5):
            keyer.send(b"K")
            await asyncio.sleep(0.02)
            assert not radio.ptt, "renewals after the time-out keyed again"
        keyer.send(b"U")
        await keyer.hold(lambda: radio.ptt)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("how", "reason"), [("eof", "eof"), ("term", "cmd"), ("kill", None), ("stop", None)]
)
async def test_no_end_of_the_keyer_leaves_a_carrier(how: str, reason: str | None) -> None:
    async with base_radio() as radio, running_keyer(radio.serial_port) as keyer:
        await keyer.said("ready")
        keyer.send(b"K")
        await radio.wait_ptt(True, timeout_s=1)
        await keyer.said("keyed")
        begun = seconds()
        pid = keyer.process.pid
        if how == "eof":
            assert keyer.process.stdin is not None
            keyer.process.stdin.close()
        elif how == "term":
            os.kill(pid, signal.SIGTERM)
        elif how == "kill":
            os.kill(pid, signal.SIGKILL)
        else:
            # A stopped keyer cannot let go; its parent kills it, and the port falls with it.
            os.kill(pid, signal.SIGSTOP)
            os.kill(pid, signal.SIGKILL)
        await radio.wait_ptt(False, timeout_s=1)
        print(f"{how}: PTT down after {1000 * (seconds() - begun):.1f} ms")
        await keyer.process.wait()
        if reason is not None:
            await keyer.said(f"unkeyed {reason}")


@pytest.mark.asyncio
async def test_it_tells_when_the_squelch_opens_and_closes() -> None:
    async with Ether("ch1", seed=7) as ether, BaseRadio(ether) as radio:
        guard = Handheld(ether, "guard")
        async with running_keyer(radio.serial_port) as keyer:
            await keyer.said("lines cts=0")
            await guard.key_and_send(voice_s=0.2)
            await keyer.said("lines cts=1")
            await keyer.said("lines cts=0", times=2)


@pytest.mark.asyncio
async def test_a_cut_connection_is_noticed_and_found_again_unkeyed() -> None:
    async with base_radio() as radio, running_keyer(radio.serial_port) as keyer:
        await keyer.said("ready")
        keyer.send(b"K")
        await radio.wait_ptt(True, timeout_s=1)
        radio.stop_listening()
        radio.drop_connection()
        await keyer.said("unkeyed fault", timeout_s=1)
        await keyer.said("fault", timeout_s=1)
        beats = keyer.lines.count("beat")
        await keyer.said("beat", times=beats + 3, timeout_s=1)
        await radio.listen_again()
        await keyer.said("ready", times=2)
        assert not radio.ptt
        keyer.send(b"K")
        await radio.wait_ptt(True, timeout_s=1)


@pytest.mark.asyncio
async def test_a_server_that_does_not_answer_cannot_hold_up_beat_or_lease() -> None:
    """The port's calls block; the main thread goes on, and at last closes the port."""

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with server, running_keyer(server.sockets[0].getsockname()[1]) as keyer:
        await keyer.said("beat", times=6)
        keyer.send(b"K")
        await keyer.said("beat", times=10)
        assert not any(line.startswith("keyed") for line in keyer.lines)


@pytest.mark.asyncio
async def test_recommended_wiring_and_inverted_lines() -> None:
    options = {"ptt": "rts & !dtr", "lines": ["dsr", "cd"]}
    async with (
        base_radio(ptt="rts&!dtr", squelch="!dsr") as radio,
        running_keyer(radio.serial_port, **options) as keyer,
    ):
        await keyer.said("lines dsr=1 cd=0")
        keyer.send(b"K")
        await radio.wait_ptt(True, timeout_s=1)


@pytest.mark.parametrize(
    ("expression", "invert", "rule"),
    [
        ("rts", False, PttRule("rts", True)),
        ("DTR", True, PttRule("dtr", False)),
        ("rts & !dtr", False, PttRule("rts", True)),
        ("dtr&!rts", False, PttRule("dtr", True)),
    ],
)
def test_ptt_expressions(expression: str, invert: bool, rule: PttRule) -> None:
    assert parse_ptt(expression, invert=invert) == rule


@pytest.mark.parametrize("expression", ["cts", "rts & dtr", "!rts", "rts | dtr", ""])
def test_other_ptt_expressions_are_refused(expression: str) -> None:
    with pytest.raises(SetupError, match="none of"):
        parse_ptt(expression)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["renew", "release", "look"]), st.floats(0.001, 0.5)),
        max_size=60,
    )
)
def test_a_lease_never_outlives_its_renewal_or_the_time_out(
    steps: list[tuple[str, float]],
) -> None:
    lease, now_s = Lease(lease_s=0.35, time_out_s=1.0), 0.0
    renewed_s, begun_s, locked = 0.0, 0.0, False
    for what, pause_s in steps:
        now_s += pause_s
        was_keyed = lease.keyed
        struck = lease.expire(now_s)
        if struck is None and was_keyed:
            assert now_s < renewed_s + 0.35
            assert now_s < begun_s + 1.0
        locked = locked or struck == "tot"
        if what == "renew":
            if not lease.keyed:
                begun_s = now_s
            renewed_s = now_s
            assert lease.renew(now_s) is not locked
        elif what == "release":
            lease.release()
            locked = False
        assert not (locked and lease.keyed)
