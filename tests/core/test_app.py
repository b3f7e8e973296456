"""The engine's process put together as `gridcall run` does, with nothing outside that answers."""

import asyncio
import contextlib
import json
import shutil
import tempfile
import time
from pathlib import Path

import pytest

from gateway.app import Daemon
from gateway.installed import load_settings
from gateway.interfaces import SetupError
from gateway.journal import verify
from gateway.state_files import plan
from tests.ports import free_port

SITE = """
site: {{id: lab, name: 试验, datum: WGS-84, state_dir: state, language: {language},
  licence: {{holder: 试验, number: L, expires: "2099-01-01"}}}}
command_centre:
  name: 中心
  http: {{listen: "127.0.0.1:{http_port}", tokens: [{{id: centre, sha256: {digest}, scopes: ["alert:write"]}}]}}
{mqtt}
channels:
  east: {{name: 东街信道, licence: {{number: L-1, frequency_mhz: 410.5}},
    control: {{url: "rfc2217://127.0.0.1:9", ptt: rts, squelch: cts}},
    audio: {{url: "rtp://127.0.0.1:9?local_port=9999&codec=l16"}}}}
{chats}
zones: {{z: {{name: 一区, grade: 1}}}}
grids: {{g1: {{name: 东街, zone: z, codes: ["001"], channel: east{grid_chat}}}}}
organisations: {{dongmen: {{name: 东门保安}}}}
people:
  p_li: {{name: 李四, role: guard, organisation: dongmen, guard_code: "032", grids: [g1]{contacts}}}
response: {{ladder: [repeat]}}
"""
CHATS = """
chats:
  work: {{driver: telegram, token: {{file: token}}, callback_key: {{file: key}},
    api_base_url: "http://127.0.0.1:9/bot", file_base_url: "http://127.0.0.1:9/file/bot",
    groups: {{east: "-1001"}}}}
"""


class Site:
    """A site's files, and its engine in this process."""

    def __init__(self, folder):
        self.folder = folder
        self.config = folder / "site.yaml"
        self.state = folder / "state"
        self.port = free_port()
        for name in ("token", "key"):
            (folder / name).touch(mode=0o600)
            (folder / name).write_text("123456789:" + "A" * 35)
        self.write()

    def write(self, *, chat=True, mqtt=False, **gaps):
        self.config.write_text(
            SITE.format(**{
                "http_port": self.port, "digest": "a" * 64, "language": "zh_CN",
                "mqtt": "  mqtt: {host: 127.0.0.1, port: 9, client_id: lab}" if mqtt else "",
                "chats": CHATS.format() if chat else "",
                "grid_chat": ", chat: work/east" if chat else "",
                "contacts": ', contacts: {work: "700032"}' if chat else "",
            } | gaps),
            "utf-8",
        )  # fmt: skip

    @contextlib.asynccontextmanager
    async def running(self):
        (self.state / "control.sock").unlink(missing_ok=True)
        self.daemon = Daemon(self.config)
        work = asyncio.ensure_future(self.daemon.run())
        try:
            await self.until(lambda: (self.state / "control.sock").exists() or work.done())
            yield self
        finally:
            began = time.monotonic()
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work
            self.stopped_in_s = time.monotonic() - began

    async def until(self, condition, limit_s=8.0):
        async with asyncio.timeout(limit_s):
            while not condition():  # noqa: ASYNC110  # many things may change it
                await asyncio.sleep(0.01)

    async def ask(self, **command):
        reader, writer = await asyncio.open_unix_connection(str(self.state / "control.sock"))
        writer.write(json.dumps(command).encode() + b"\n")
        async with asyncio.timeout(8):
            answer = json.loads(await reader.readline())
        writer.close()
        return answer

    async def reload(self):
        return await self.ask(do="reload", path=str(self.config))

    async def reload_well(self):
        answer = await self.reload()
        assert answer["ok"], answer

    async def alert(self, alert_id):
        alert = {
            "kind": "alert", "id": alert_id, "sender": "zhzx", "sent": "2026-11-22T04:00:00Z",
            "category": "fight", "level": 2, "text": "打架", "grid": "g1",
        }  # fmt: skip
        return (await self.ask(do="alert", alert=json.dumps(alert)))["receipt"]

    def tasks(self):
        return {name for name, task in self.daemon._tasks.items() if not task.done()}


@pytest.fixture
def site():
    """A short path: a Unix socket's may have 107 bytes at most."""
    made = Path(tempfile.mkdtemp(prefix="gc-"))
    yield Site(made)
    shutil.rmtree(made)


@pytest.mark.asyncio
async def test_doors_and_chats_come_and_go_by_reload(site):
    async with site.running():
        assert site.tasks() == {"radio", "chat:work", "control", "http", "retention", "backups", "disk"}
        site.write(mqtt=True)
        await site.reload_well()
        assert site.tasks() == {"radio", "chat:work", "mqtt", "control", "http", "retention", "backups", "disk"}
        path = lambda: site.daemon._engine.health()["paths"].get("mqtt")  # noqa: E731
        await site.until(lambda: path() and not path()["up"])
        site.write()
        await site.reload_well()
        assert path() is None
        kept = site.daemon._drivers["chat:work"]
        assert (await site.alert("JQ-1"))["status"] == "accepted"
        site.write(chat=False)
        await site.reload_well()
        assert site.tasks() == {"radio", "control", "http", "retention", "backups", "disk"}
        order = (await site.ask(do="order", order="o1"))["order"]
        await site.until(lambda: not site.daemon._engine.health()["paths"].get("chat:work"))
        assert order["status"] == "calling"
        site.write()
        await site.reload_well()
        assert site.daemon._drivers["chat:work"] is not kept
        cards = (await site.ask(do="order", order="o1"))["order"]["cards"]
        assert {card["state"] for card in cards} == {"failed"}, "told, not forgotten"
        # Who stands in the settings no more stays in the register, until he leaves.
        people = await site.ask(do="people")
        assert [p["id"] for p in people["people"]] == ["p_li"]


@pytest.mark.asyncio
async def test_a_secret_that_changed_makes_a_new_driver_and_a_bad_one_is_refused(site):
    async with site.running():
        first = site.daemon._drivers["chat:work"]
        await site.reload_well()
        assert site.daemon._drivers["chat:work"] is first, "nothing changed"
        (site.folder / "token").write_text("987654321:" + "B" * 35)
        await site.reload_well()
        second = site.daemon._drivers["chat:work"]
        assert second is not first
        (site.folder / "key").chmod(0o644)
        answer = await site.reload()
        assert not answer["ok"]
        assert "chmod 600" in answer["errors"][0]
        (site.folder / "key").unlink()
        answer = await site.reload()
        assert "cannot be read" in answer["errors"][0]
        assert site.daemon._drivers["chat:work"] is second
        assert site.tasks() == {"radio", "chat:work", "control", "http", "retention", "backups", "disk"}


@pytest.mark.asyncio
async def test_what_only_a_restart_can_change_and_other_files_are_refused(site):
    async with site.running():
        for gaps in ({"digest": "b" * 64}, {"http_port": 9}):
            site.write(**gaps)
            answer = await site.reload()
            assert "needs a restart" in answer["errors"][0], gaps
        site.write()
        other = site.folder / "other.yaml"
        shutil.copy(site.config, other)
        answer = await site.ask(do="reload", path=str(other))
        assert "this daemon runs" in answer["errors"][0]
        link = site.folder / "link.yaml"
        link.symlink_to(site.config)
        assert (await site.ask(do="reload", path=str(link)))["ok"]
        site.write(language="klingon")
        assert "language" in (await site.reload())["errors"][0]
        assert (await site.ask(do="health"))["ok"]


@pytest.mark.asyncio
async def test_a_reload_onto_a_full_disk_changes_nothing(site, monkeypatch):
    async with site.running():
        before = site.daemon._engine.health()["settings"]

        def full(*_):
            raise OSError(28, "No space left on device")

        site.write(mqtt=True)
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", full)
            answer = await site.reload()
        assert "cannot be written: No space left" in answer["errors"][0]
        assert site.daemon._engine.health()["settings"] == before
        assert "mqtt" not in site.tasks()
        await site.reload_well()


@pytest.mark.asyncio
async def test_the_end_is_orderly_though_somebody_follows(site):
    async with site.running():
        reader, writer = await asyncio.open_unix_connection(str(site.state / "control.sock"))
        writer.write(b'{"do": "follow", "after": 0}\n')
        await site.alert("JQ-1")
        assert json.loads(await reader.readline())["node"] == "accepted"
    assert site.stopped_in_s < 4
    assert not [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
    writer.close()
    async with site.running():
        assert (await site.alert("JQ-1"))["status"] == "duplicate"


@pytest.mark.asyncio
async def test_the_engine_goes_on_with_what_was_accepted_last(site):
    plan(load_settings(site.config), site.config, only_radio=False)
    site.config.write_text("site: {id: [half an edit")
    with pytest.raises(SetupError):
        Daemon(site.config)
    daemon = Daemon(site.config, site.state / "accepted.yaml")
    site.write()
    assert daemon._site.id == "lab"
    assert daemon._settings.base_dir == load_settings(daemon._config).base_dir


def test_the_plan_says_plainly_what_is_wrong_with_the_state_folder(site):
    settings = load_settings(site.config)
    site.state.mkdir(exist_ok=True)
    made = plan(settings, site.config, only_radio=False)
    assert made.stat().st_mode & 0o077 == 0
    kept = [p for p in site.state.iterdir() if p.suffix == ".json"]
    assert all("李四" not in p.read_text("utf-8") for p in kept), "nobody's name for the radio"
    shutil.rmtree(site.state)
    site.state.write_text("a file")
    with pytest.raises(SetupError, match="cannot be written"):
        plan(settings, site.config, only_radio=False)
    long = settings.model_copy(
        update={"site": settings.site.model_copy(update={"state_dir": "/tmp/" + "x" * 120})}
    )
    with pytest.raises(SetupError, match="too long for the sockets"):
        plan(long, site.config, only_radio=False)


@pytest.mark.asyncio
async def test_a_clean_stop_leaves_a_copy_of_the_journal_and_health_names_the_last(site):
    copies = site.folder / "copies"
    copies.mkdir()
    (copies / "lab-20260101T000000Z-00000000.sqlite3").touch()
    with site.config.open("a") as config:
        config.write("journal: {backup_dir: copies}\n")
    async with site.running():
        assert (await site.alert("JQ-1"))["status"] == "accepted"
        await site.until(lambda: site.daemon._backups.standing()["file"])
        said = await site.ask(do="health")
        assert said["backup"]["file"] == "lab-20260101T000000Z-00000000.sqlite3"
        last = site.daemon._journal
    await site.until(lambda: len(list(copies.glob("*.sqlite3"))) == 2, 20)
    assert last.anchor() == verify(max(copies.glob("*.sqlite3")), stretches=1).end
