"""`gridcall recordings`: a file's name is never cut, and who is unknown is said to be."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.installed import load_settings
from tests.config.examples import ONE_POST, copy_of
from tests.core.test_recordings import Archive

NAME = "b1946ac92492-with-a-name-as-long-as-can-be-1"


def run(*words):
    """Run the command in a narrow terminal."""
    done = CliRunner().invoke(app, ["recordings", *map(str, words)], env={"COLUMNS": "40"})
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.asyncio
async def test_a_file_is_named_whole_and_who_is_unknown_with_the_nearest(tmp_path):
    config = copy_of(tmp_path, ONE_POST.read_text("utf-8"))
    settings = await asyncio.to_thread(load_settings, config)
    channel, person = next(iter(settings.channels)), next(iter(settings.people))
    archive = Archive(tmp_path)
    await archive.journal.recover()
    archive.over(NAME, channel=channel)
    await archive.write_down()
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "journal.sqlite3").symlink_to(archive.records.path)

    status, out, _ = await asyncio.to_thread(run, config)
    assert status == 0
    assert f"20261122/{channel}/{NAME}.ogg" in out
    status, out, _ = await asyncio.to_thread(run, config, "--channel", channel, "--json")
    assert [found["what"] for found in json.loads(out)] == [NAME]
    # Known, and nothing of his: that is an answer.
    status, out, _ = await asyncio.to_thread(run, config, "--person", person)
    assert (status, "0 recordings" in out) == (0, True)
    for option, right in (("--person", person), ("--channel", channel)):
        status, out, err = await asyncio.to_thread(run, config, option, f"{right}x", "--json")
        assert (status, out) == (1, "")
        assert err.startswith(f"{option} {right}x: nothing is recorded of it")
        assert right in err.partition("the nearest: ")[2]
    await archive.journal.close()
