"""Spoken answers that wait for somebody who knows the voice."""

import asyncio
import json
from datetime import datetime

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from gateway.cli import app
from gateway.core.answers.events import OverHeard
from gateway.voices import unconfirmed, voices_table
from tests.config.examples import ONE_POST, copy_of
from tests.core.site_for_tests import US
from tests.core.test_recordings import Archive


@pytest_asyncio.fixture
async def archive(tmp_path):
    archive = Archive(tmp_path)
    await archive.journal.recover()
    archive.alert()
    archive.speak()
    yield archive
    await archive.journal.close()


def run(*words):
    """Run a command of the command line."""
    return CliRunner().invoke(app, [str(word) for word in words])


def speaks(archive, name, *, radio=None, keeps=True):
    """Somebody answers in words, a second after whatever was before."""
    archive.pass_time(1)
    began_us = archive.now_us
    archive.pass_time(2.5)
    recording = f"20261122/ch1/{name}.wav" if keeps else None
    archive.take(
        OverHeard(
            at_us=began_us, channel="ch1", over=name, keyed_ms=2500, radio=radio,
            recording=recording,
        )
    )  # fmt: skip
    if keeps:
        archive.keep(name, began_us=began_us)
    return began_us


async def left(archive):
    await archive.write_down()
    return await unconfirmed(archive.records)


@pytest.mark.asyncio
async def test_each_voice_is_listed_with_its_recording_until_somebody_is_credited(archive):
    assert await left(archive) == []
    first_us = speaks(archive, "v1")
    second_us = speaks(archive, "v2", keeps=False)
    first, second = await left(archive)
    assert (first["order"], first["number"], first["at_us"]) == ("o1", archive.number, first_us)
    assert (first["channel"], first["path"]) == ("ch1", "20261122/ch1/v1.ogg")
    assert (second["at_us"], second["path"]) == (second_us, None)
    assert archive.act("confirm", person="zhang", node="acknowledged").status == "accepted"
    (still,) = await left(archive)
    assert still["at_us"] == first_us, "one confirmation stands for one voice, the last"
    assert archive.act("confirm", person="li", node="arrived").status == "accepted"
    assert await left(archive) == []


@pytest.mark.asyncio
async def test_who_is_known_by_his_radio_is_named_and_his_own_answer_settles_it(archive):
    speaks(archive, "v1", radio="dtmf:99101")
    speaks(archive, "v2")
    assert [voice["name"] for voice in await left(archive)] == ["张三", None]
    archive.press("zhang", "1")
    assert [voice["name"] for voice in await left(archive)] == [None]


@pytest.mark.asyncio
async def test_a_confirmation_of_a_known_voice_is_of_that_one(archive):
    speaks(archive, "v1", radio="dtmf:99101")
    speaks(archive, "v2")
    assert archive.act("confirm", person="zhang", node="acknowledged").status == "accepted"
    assert [voice["path"] for voice in await left(archive)] == ["20261122/ch1/v2.ogg"]


@pytest.mark.asyncio
async def test_a_voice_that_answered_one_of_two_orders_is_not_left_at_the_other(archive):
    archive.alert(id="second")
    archive.speak()
    speaks(archive, "v1")
    assert [voice["order"] for voice in await left(archive)] == ["o1", "o2"]
    archive.act("confirm", order="o1", person="zhang", node="acknowledged")
    assert await left(archive) == []


@pytest.mark.asyncio
async def test_of_an_order_that_has_ended_nothing_is_left(archive):
    speaks(archive, "v1")
    assert len(await left(archive)) == 1
    archive.act("close")
    assert await left(archive) == []


def test_a_dispatcher_reads_when_who_and_where():
    at = datetime.fromisoformat("2026-11-22T03:00:05+08:00")
    voice = {
        "order": "o1", "number": "10", "at_us": int(at.timestamp()) * US, "person": "p",
        "name": "张三", "channel": "gate", "path": "20261121/gate/v1.ogg", "duration_ms": 2500,
    }  # fmt: skip
    table = voices_table([voice], "Asia/Shanghai")
    assert "10  03:00:05  perhaps 张三  gate  20261121/gate/v1.ogg" in table
    assert "gridcall confirm SITE NUMBER PERSON" in table
    unknown = voices_table([voice | {"person": None, "name": None}], "Asia/Shanghai")
    assert "10  03:00:05  nobody known  gate" in unknown
    assert voices_table([], "UTC") == "no spoken answer is left to confirm"


@pytest.mark.asyncio
async def test_the_command_lists_them_and_wants_a_person_with_an_order(archive, tmp_path):
    speaks(archive, "v1")
    await archive.write_down()
    folder = tmp_path / "site"
    folder.mkdir()
    config = copy_of(folder, ONE_POST.read_text("utf-8"))
    state = folder / "state"
    state.mkdir()
    (state / "journal.sqlite3").symlink_to(archive.records.path)
    done = await asyncio.to_thread(run, "confirm", config, "--json")
    assert done.exit_code == 0, done.output
    (voice,) = json.loads(done.output)
    assert voice["path"] == "20261122/ch1/v1.ogg"
    refused = await asyncio.to_thread(run, "confirm", config, "10")
    assert refused.exit_code == 2
