"""The installed daemon against what a bad day does to it: no page is waited for to its end."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest

from tests.system.lab import BOT_TOKEN, KEY, TOKEN, Lab, gridcall

pytestmark = [pytest.mark.system, pytest.mark.asyncio, pytest.mark.timeout(120)]

NAMES = ("张三", "李四", "陈所", "刘局")
ACCOUNTS = ("700032", "700100", "700101", "700102")


async def test_swaps_erasures_a_second_daemon_and_a_killed_supervisor(tmp_path):
    """One site, one story: what each of them must leave unharmed is looked at in the end."""
    async with Lab(tmp_path, ack_s=60) as lab:
        # A second daemon of the site is refused plainly and disturbs nothing.
        status, text = await gridcall("run", lab.config)
        assert status == 1
        assert "runs already" in text
        # Cards wait for a chat that is away; another key in the same file, and a reload: the
        # driver that is built anew inherits them, and signs their buttons with the new key.
        await lab.chat.stop()
        await lab.alert()
        (tmp_path / "secrets" / "key").write_text("n" * 40)
        began = time.monotonic()
        status, text = await gridcall("reload", lab.config)
        print(f"reload: {time.monotonic() - began:.2f} s with the start of python")
        assert status == 0, text
        await lab.chat.start(lab.ports["chat_port"])
        card = await lab.card("700032")
        assert len([m for m in lab.chat.posts(700032) if m.keyboard]) == 1, "and once"
        press = lab.chat.press(card, "收到", "700032")
        assert not (await lab.chat.wait_toast(press)).alert
        await lab.event("acknowledged", person="p_li")
        # The HTTP door is not changed by a reload; nor is anything else then.
        good = lab.config.read_text("utf-8")
        lab.config.write_text(good.replace("alert:cancel", "event:read"), "utf-8")
        status, text = await gridcall("reload", lab.config)
        assert status == 1, text
        # The engine dies while somebody edits the settings: it comes back with the old ones.
        lab.config.write_text(good.replace("grade: 1", "grade: 9"), "utf-8")
        before = lab.kill("engine")
        await lab.until(lambda: lab.pid("engine") not in (None, before), 20, "another engine")
        await lab.wait_ready()
        lab.config.write_text(good, "utf-8")
        # Erased, he is named nowhere; the others are.
        lab.chat.text("700032", "到了，孩子也在车上", reply_to=card)
        await lab.event("arrived", person="p_li")
        status, text = await gridcall("people", "erase", "--yes", lab.config, "p_li")
        assert status == 0, text
        people = (await lab.order("o1"))["people"]
        assert {p["person"]: p["name"] for p in people}["p_li"] is None
        # The supervisor is killed while the transmitter is keyed: everybody leaves.
        await lab.alert("JQ-2", level=1)
        await lab.base.wait_ptt(True, 30)
        children = [lab.pid(name) for name in ("engine", "radio", "keyer")]
        os.kill(lab.daemon.pid, signal.SIGKILL)
        took_s = await lab.ptt_down()
        print(f"PTT down {took_s * 1000:.0f} ms after SIGKILL of the supervisor")
        assert took_s <= 0.5
        await lab.daemon.wait()
        for pid in children:
            gone = lambda pid=pid: not Path(f"/proc/{pid}").exists()  # noqa: E731
            await lab.until(gone, 8, "the children's end")
        # What it left behind (sockets, lists, locks) is in nobody's way.
        assert (tmp_path / "state" / "control.sock").exists()
        await start_with_less_patience(lab)
        # Stopped, neither gives a sign of life: both are started anew, and nobody has to look.
        hung = {name: lab.kill(name, signal.SIGSTOP) for name in ("engine", "radio")}
        for name, pid in hung.items():
            await lab.until(lambda n=name, p=pid: lab.pid(n) not in (None, p), 20, f"a new {name}")
        await lab.wait_ready()
        rows = lab.journal()
        assert "李四" not in json.dumps(rows, ensure_ascii=False)
        await lab.stop_daemon()
        assert_nothing_personal(tmp_path)


async def start_with_less_patience(lab):
    """Start the daemon as `gridcall run` planned it, but for how long a process may be silent."""
    file = lab.folder / "state" / "plan.json"
    plan = json.loads(file.read_text())
    for child in plan["children"]:
        assert child["silent_s"] == 30
        child["silent_s"] = 4
    file.write_text(json.dumps(plan))
    with (lab.folder / "daemon.log").open("ab") as log:
        lab.daemon = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway.supervisor", str(file),
            stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    await lab.wait_ready()


def assert_nothing_personal(folder):
    """No name, account, word or secret stands in clear in what the daemon keeps and says."""
    state = folder / "state"
    kept = [*state.glob("journal.sqlite3*"), *state.glob("*.json"), folder / "daemon.log"]
    assert len(kept) >= 5
    for file in kept:
        content = file.read_bytes()
        for word in (*NAMES, *ACCOUNTS, "孩子", BOT_TOKEN, TOKEN, KEY, "n" * 40):
            assert word.encode() not in content, (file.name, word)
        assert file.name == "daemon.log" or file.stat().st_mode & 0o077 == 0, file
    masked = subprocess.run(
        [sys.executable, "-m", "gateway", "journal", "export", str(folder / "site.yaml")],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert len(masked.splitlines()) > 10
    assert not [w for w in (*NAMES, *ACCOUNTS) if w in masked]


@contextlib.contextmanager
def small_disk(folder, megabytes):
    """A file system of its own, or a skip where nobody may mount one."""
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "gridcall-test", str(folder)],
        check=False, capture_output=True,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("mounting a small file system is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


async def test_a_full_disk_receipts_nothing_and_what_was_receipted_stays(tmp_path):
    (tmp_path / "state").mkdir()
    with small_disk(tmp_path / "state", 8):
        async with Lab(tmp_path, ack_s=60) as lab:
            first = await lab.alert("JQ-0", grid=None, text="无")
            filler = tmp_path / "state" / "filler"
            with contextlib.suppress(OSError), filler.open("wb", 0) as file:
                while True:
                    file.write(b"x" * 4096)
            os.truncate(filler, filler.stat().st_size - 200_000)  # room for a few more
            receipts = {"JQ-0": first["order"]}
            refused = 0
            for n in range(1, 400):
                body = {
                    "kind": "alert", "id": f"JQ-{n}", "sender": "zhzx", "category": "fight",
                    "sent": "2026-11-22T03:00:00+08:00", "level": 3, "text": "无" * 300,
                }  # fmt: skip
                try:
                    async with lab.http.post("/v1/alerts", json=body) as answer:
                        if answer.status == 202:
                            assert not refused or n > refused, "in order"
                            receipts[f"JQ-{n}"] = (await answer.json())["order"]
                        else:
                            assert answer.status in (429, 503)
                            refused = refused or n
                except (aiohttp.ClientError, OSError):
                    refused = refused or n
                if refused and n > refused + 20:
                    break
            assert refused, "the disk was full"
            print(f"{len(receipts)} receipted, then refused from JQ-{refused}")
            log = lambda: (tmp_path / "daemon.log").read_text("utf-8")  # noqa: E731
            await lab.until(lambda: "database or disk is full" in log(), 10, "its last words")
            # Another engine is tried, and may find room again; if not, the daemon says so.
            filler.unlink()
            if lab.daemon.returncode is not None:
                assert lab.daemon.returncode == 3
                await lab.start_daemon()
            await lab.wait_ready()
            for order in receipts.values():
                assert (await lab.order(order))["id"] == order
            lab.journal()
