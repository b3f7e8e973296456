"""The control socket: its owner's alone, and unmoved by whatever comes in."""

import asyncio
import contextlib
import json
import shutil
import stat
import tempfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway import control
from gateway.cli import app
from gateway.control import LONGEST_LINE, ControlServer
from gateway.core.answers.events import OverHeard
from gateway.interfaces import JournalError, LinkError, Report, SetupError
from gateway.journal import SqliteJournal
from tests.config.examples import ONE_POST, copy_of
from tests.core.test_engine import Running


@pytest.fixture
def folder():
    """A short path: a Unix socket's may have 107 bytes at most."""
    made = Path(tempfile.mkdtemp(prefix="gc-"))
    yield made
    shutil.rmtree(made)


class Served:
    """A control server on a running engine."""

    def __init__(self, folder, queries=None):
        self.path = folder / "control.sock"
        self.file = folder / "journal.db"
        self.queries = queries

    async def __aenter__(self):
        self.journal = SqliteJournal(self.file, boot_id="b")
        self.running = Running(self.journal, records=self.file)
        await self.running.__aenter__()
        engine = self.running.engine
        self.server = ControlServer(
            path=self.path, intake=engine, queries=self.queries or engine, control=engine,
            clock=self.running.clock, site="county",
        )  # fmt: skip
        self.task = asyncio.ensure_future(self.server.run())
        await self.running.until(self.path.exists, "the socket")
        return self

    async def __aexit__(self, *_):
        await self.stop()
        await self.running.__aexit__()
        await self.journal.close()

    async def stop(self):
        self.task.cancel()
        async with asyncio.timeout(3):
            with contextlib.suppress(asyncio.CancelledError):
                await self.task

    async def talk(self, *lines):
        """Send lines as they are and return what is answered until the end."""
        reader, writer = await asyncio.open_unix_connection(str(self.path), limit=1 << 20)
        with contextlib.suppress(OSError):
            for line in lines:
                writer.write(line)
                await writer.drain()
        writer.write_eof()
        async with asyncio.timeout(5):
            answers = [json.loads(line) async for line in reader]
        writer.close()
        return answers


@pytest.mark.asyncio
async def test_the_socket_is_its_owners_alone_and_an_old_one_is_replaced(folder):
    (folder / "control.sock").write_text("what a power cut left")
    async with Served(folder) as served:
        await served.running.until(served.path.is_socket, "the socket")
        assert stat.S_IMODE(served.path.stat().st_mode) == 0o600
        assert (folder / "other").mkdir() is None
        assert (folder / "other").stat().st_mode & 0o100, "the mask was put back"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "line",
    [
        b"garbage\n", b"[]\n", b'"do"\n', b'{"do": 7}\n', b'{"do": "fly"}\n', b"\xff\xfe\n", b"\n",
        b"[" * 100_000 + b"\n", b'{"do": "\\ud800"}\n', b'{"do": "enrol", "person": {"a": 1}}\n',
        b'{"do": "follow", "after": 1e400}\n', b'{"do": "follow", "after": -1}\n',
        b'{"do": "follow", "after": 99999999999999999999}\n', b'{"do": "reload", "path": "/"}\n',
        b'{"do": "alert", "alert": "{}"}\n', b'{"do": "alert", "kind": "x", "alert": 5}\n',
        b'{"do": "act", "act": "close", "order": "\\ud800"}\n', b'{"do": "act", "act": "burn"}\n',
        b'{"do": "act", "act": "close", "order": "o1", "by": "a\\u0000b", "result": "x"}\n',
        b'{"do": "centre_act"}\n', b'{"do": "centre_act", "act": 7}\n',
        b'{"do": "centre_act", "act": {"act": "radio_lost", "by": "x"}}\n',
        b'{"do": "centre_act", "act": {"act": "radio_lost", "radio": "dtmf:10031"}}\n',
        b'{"do": "centre_act", "act": {"act": "fly", "by": "x", "radio": "dtmf:10031"}}\n',
        b'{"do": "centre_act", "act": {"act": "radio_lost", "by": "x", "radio": "10031"}}\n',
        b'{"do": "centre_act", "act": {"act": "radio_lost", "by": "x", "radio": "mdc1200:FFFF"}}\n',
        b'{"do": "centre_act", "act": {"act": "radio_lost", "by": "x", "radio": "\\ud800:1"}}\n',
        b'{"do": "centre_act", "act": {"act": "radio_lost", "by": "\\u0000", "radio": "dtmf:10"}}\n',
    ],
)  # fmt: skip
async def test_nonsense_is_answered_and_the_next_command_works(folder, line):
    async with Served(folder) as served:
        answers = await served.talk(line, b'{"do": "health"}\n')
        assert len(answers) == 2
        assert answers[0].get("ok") is False
        assert answers[0].get("errors") or answers[0]["receipt"]["status"] == "refused"
        assert answers[1]["ok"]


@pytest.mark.asyncio
@pytest.mark.parametrize("named", ["\ud800", "\0", "o1\u202e"])
async def test_an_order_that_cannot_be_written_is_none_and_the_journal_is_not_damaged(
    folder, named
):
    async with Served(folder) as served:
        line = json.dumps({"do": "order", "order": named}).encode() + b"\n"
        (answer,) = await served.talk(line)
        assert answer == {"ok": False, "order": None}


@pytest.mark.asyncio
async def test_a_huge_line_and_half_a_line(folder):
    async with Served(folder) as served:
        (answer,) = await served.talk(b'{"do": "' + b"x" * (LONGEST_LINE + 9) + b'"}\n')
        assert "at most" in answer["errors"][0]
        assert await served.talk(b'{"do": "leave", "person": "zhang"}') == [], "half is nothing"
        assert (await served.talk(b'{"do": "health"}\n'))[0]["ok"]
        assert served.running.engine.people()[0]["active"]


class Fountain:
    """Queries whose events never end."""

    def __init__(self):
        self.given = 0

    def health(self):
        return {"ok": True}

    async def follow(self, *, after_seq):
        while True:
            self.given += 1
            yield Report(
                seq=self.given, part=0, at_us=0, order="o1", number="10", node="warning",
                person=None, name=None, medium=None, assurance=None, detail="x" * 1000,
            )  # fmt: skip
            await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_who_follows_and_does_not_read_holds_up_himself_alone(folder):
    fountain = Fountain()
    async with Served(folder, fountain) as served:
        reader, writer = await asyncio.open_unix_connection(str(served.path), limit=1024)
        writer.write(b'{"do": "follow", "after": 0}\n')
        seen = -1
        while seen != fountain.given:
            seen = fountain.given
            await asyncio.sleep(0.2)
        assert seen < 5000, "what is buffered for him is bounded"
        assert (await served.talk(b'{"do": "health"}\n'))[0]["ok"]
        await served.stop()
        writer.close()
        del reader


@pytest.mark.asyncio
async def test_who_followed_and_left_is_forgotten_though_nothing_happens(folder):
    async with Served(folder) as served:
        for _ in range(5):
            _, writer = await asyncio.open_unix_connection(str(served.path))
            writer.write(b'{"do": "follow", "after": 1000}\n')
            await writer.drain()
            await served.running.until(lambda: served.server._callers, "the caller")
            writer.close()
            await served.running.until(lambda: not served.server._callers, "his end")


@pytest.mark.asyncio
async def test_an_alert_a_repeat_and_the_erasing_of_a_person(folder):
    async with Served(folder) as served:
        body = json.dumps({
            "kind": "alert", "id": "JQ-1", "sender": "zhzx", "sent": "2026-11-22T04:00:00Z",
            "category": "fight", "level": 2, "text": "打架", "grid": "G1",
        })  # fmt: skip
        line = json.dumps({"do": "alert", "alert": body}).encode() + b"\n"
        first, second = await served.talk(line, line)
        assert (first["receipt"]["status"], second["receipt"]["status"]) == (
            "accepted", "duplicate",
        )  # fmt: skip
        erased, nobody = await served.talk(
            b'{"do": "erase", "person": "zhang"}\n', b'{"do": "erase", "person": "x"}\n'
        )
        assert (erased["ok"], nobody["ok"]) == (True, False)


@pytest.mark.asyncio
async def test_who_had_a_code_made_or_somebody_erased_is_told(folder):
    async with Served(folder) as served:
        asked = [
            {"do": "enrol", "person": "zhang", "by": "李科长"},
            {"do": "leave", "person": "zhang", "by": "\ud800\u202e王主任\0"},
        ]
        for each in asked:
            assert (await served.talk(json.dumps(each).encode() + b"\n"))[0].get("ok")
        told = [r.detail for r in await reports(served) if r.node == "register"]
        assert told == ["李科长 发出一次性登记码", "王主任 登记离职"]
        erase = b'{"do": "erase", "person": "zhang"}\n'
        assert (await served.talk(erase))[0]["ok"]
        told = [r.detail for r in await reports(served) if r.node == "register"]
        assert told[-1] == "command line 删除zhang的个人资料", "by whom outlives him"
        assert "李科长" not in repr(told), "what was told of him went with him"


@pytest.mark.asyncio
async def test_a_failed_journal_is_told_to_who_asked(folder):
    async with Served(folder) as served:

        async def broken(*_, **__):
            raise JournalError("the disk is full")

        served.running.engine.leave = broken
        (answer,) = await served.talk(b'{"do": "leave", "person": "zhang"}\n')
        assert answer == {"ok": False, "errors": ["the disk is full"]}


@pytest.mark.asyncio
async def test_a_place_where_no_socket_can_be_is_said_plainly(folder):
    served = Served(folder)
    server = ControlServer(
        path=folder / "missing" / "control.sock", intake=None, queries=None, control=None,
        clock=None, site="county",
    )  # fmt: skip
    with pytest.raises(SetupError, match=r"control socket .*missing"):
        await server.run()
    with pytest.raises(LinkError, match="gridcall run"):
        await asyncio.to_thread(control.ask, served.path, do="health")


@pytest.mark.asyncio
async def test_a_daemon_that_hangs_up_in_the_middle_is_a_link_error(folder):
    path = folder / "control.sock"

    async def half(reader, writer):
        await reader.readline()
        writer.write(b'{"ok": tr')
        writer.close()

    async with await asyncio.start_unix_server(half, path=str(path)):
        with pytest.raises(LinkError, match="restarting"):
            await asyncio.to_thread(control.ask, path, do="health")
        assert await asyncio.to_thread(lambda: list(control.follow(path, 0))) == []


# ---- radios and voices ----


@pytest.mark.asyncio
async def test_a_radio_is_lost_and_found_and_stays_so_over_a_restart(folder):
    async with Served(folder) as served:
        assert (await served.talk(radio_act("radio_lost")))[0]["ok"]
    async with Served(folder) as served:
        heard = OverHeard(
            at_us=served.running.clock.now_us(), channel="ch1", over="v1", keyed_ms=900,
            radio="mdc1200:1A2B",
        )
        await served.running.engine.submit(heard)
        (told,) = [r for r in await reports(served) if r.node == "lost_radio"]
        assert "mdc1200:1A2B" in told.detail
        assert (await served.talk(radio_act("radio_found")))[0]["ok"]
        assert [r.node for r in await reports(served)][-1] == "radio_found"


def radio_act(act):
    body = {"act": act, "by": "x", "radio": "mdc1200:1a2b"}
    return json.dumps({"do": "centre_act", "act": body}).encode() + b"\n"


async def reports(served):
    return await served.running.engine.reports(after_seq=0, limit=1000)


ALERT = {
    "kind": "alert", "id": "JQ-1", "sender": "zhzx", "sent": "2026-11-22T12:00:00+08:00",
    "category": "fight", "level": 1, "text": "有人打架", "grid": "G1",
}  # fmt: skip


@pytest.mark.asyncio
async def test_what_says_no_kind_is_an_alert_as_at_the_http_door(folder):
    async with Served(folder) as served:
        bare = {name: value for name, value in ALERT.items() if name != "kind"}
        lines = [
            json.dumps({"do": "alert", "alert": json.dumps(body)}).encode() + b"\n"
            for body in (bare, bare | {"level": 9, "id": "JQ-2"}, ALERT | {"kind": "cancel"})
        ]
        raised, wrong, cancelled = await served.talk(*lines)
        assert raised["receipt"]["status"] == "accepted"
        assert wrong["errors"][0].startswith("level: ")
        assert cancelled["receipt"]["order"] == raised["receipt"]["order"], "it says its kind"


def test_a_refused_alert_is_named_by_its_file_and_field(monkeypatch, tmp_path):
    file = tmp_path / "alert.json"
    file.write_text("{}")
    config = copy_of(tmp_path, ONE_POST.read_text("utf-8"))
    answer = {"ok": False, "errors": ["id: is missing"]}
    monkeypatch.setattr(control, "ask", lambda *_, **__: answer)
    done = CliRunner().invoke(app, ["alert", str(config), str(file)])
    assert (done.exit_code, done.stderr) == (1, f"{file}: id: is missing\n")
    gone = tmp_path / "gone.json"
    done = CliRunner().invoke(app, ["alert", str(config), str(gone)])
    assert done.exit_code == 2
    assert done.stderr.startswith(f"{gone}: cannot read the alert: ")


@pytest.mark.asyncio
async def test_a_voice_is_confirmed_by_the_orders_number(folder):
    async with Served(folder) as served:
        asked = {"do": "alert", "alert": json.dumps(ALERT)}
        (answer,) = await served.talk(json.dumps(asked).encode() + b"\n")
        number = answer["receipt"]["number"]
        asked = {"do": "act", "act": "confirm", "order": number, "person": "zhang", "by": "x"}
        wrong = [asked | {"person": "chief"}, asked | {"node": "told"}, asked | {"order": "77"}]
        for each in wrong:
            assert (await served.talk(json.dumps(each).encode() + b"\n"))[0]["ok"] is False
        (answer,) = await served.talk(json.dumps(asked | {"node": "arrived"}).encode() + b"\n")
        assert answer["ok"]
        said = [
            (r.node, r.assurance) for r in await reports(served)
            if r.person == "zhang" and r.node != "owner"
        ]  # fmt: skip
        assert said[-2:] == [("acknowledged", "H"), ("arrived", "H")]


@pytest.mark.asyncio
async def test_an_order_is_shown_by_its_number_as_well(folder):
    async with Served(folder) as served:
        line = json.dumps({"do": "alert", "alert": json.dumps(ALERT)}).encode() + b"\n"
        (receipt,) = await served.talk(line)
        number, order = receipt["receipt"]["number"], receipt["receipt"]["order"]
        for named in (number, order):
            asked = json.dumps({"do": "order", "order": named}).encode() + b"\n"
            (answer,) = await served.talk(asked)
            assert answer["order"]["id"] == order
        (answer,) = await served.talk(b'{"do": "order", "order": "99"}\n')
        assert answer == {"ok": False, "order": None}
