"""Helper processes of the radio process begin behind the sound, not only after their start."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from drivers.radio.background import module_command, warn_of_prompt_helpers

SAYS_ITS_SCHEDULING = "import os; print(os.sched_getscheduler(0))"


def scheduling_of_a_child() -> int:
    """Return under what scheduling the interpreter of a helper comes up."""
    command = module_command("drivers.radio.keyer")
    up_to_python = command[: command.index(sys.executable) + 1]
    child = subprocess.run(
        [*up_to_python, "-c", SAYS_ITS_SCHEDULING], capture_output=True, check=True
    )
    return int(child.stdout)


def of_a_prompt_thread() -> int:
    """Return the same for a helper that a thread under round-robin scheduling starts."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError as error:
        pytest.skip(f"no right to round-robin scheduling here ({error})")
    return scheduling_of_a_child()


def test_a_helper_of_a_prompt_thread_is_ordinary_from_its_first_step() -> None:
    with ThreadPoolExecutor(1) as one_thread:
        assert one_thread.submit(of_a_prompt_thread).result() == os.SCHED_OTHER


def test_a_helper_of_an_ordinary_process_is_started_as_it_is() -> None:
    assert module_command("drivers.radio.keyer")[0] == sys.executable
    assert scheduling_of_a_child() == os.SCHED_OTHER


@pytest.mark.parametrize(
    ("scheduling", "has_chrt", "warnings"),
    [("SCHED_RR", False, 1), ("SCHED_RR", True, 0), ("SCHED_OTHER", False, 0)],
)
def test_where_helpers_would_begin_as_prompt_as_the_sound_the_log_says_what_to_do(
    scheduling: str,
    has_chrt: bool,
    warnings: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(os, "sched_getscheduler", lambda _pid: getattr(os, scheduling))
    monkeypatch.setenv("PATH", str(tmp_path))
    if has_chrt:
        (tmp_path / "chrt").touch(mode=0o755)
    warn_of_prompt_helpers()
    assert len(caplog.records) == warnings
    assert all("apt install util-linux" in record.getMessage() for record in caplog.records)
