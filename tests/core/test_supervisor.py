"""The supervisor as its own process, with small children that fail in every way."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.supervisor import FAILED_STARTS, Child, ProcessSupervisor

# A child that says what it is told of, then lives until its standard input ends.
LIVES = "import sys; open({mark!r}, 'a').write('x'); sys.stdin.buffer.read(); open({end!r}, 'w')"


def child(name, code, *, vital=True, **gaps):
    return {"name": name, "argv": [sys.executable, "-c", code.format(**gaps)], "vital": vital}


def lives(folder, name, *, vital=True):
    mark, end = str(folder / f"{name}.started"), str(folder / f"{name}.ended")
    return child(name, LIVES, vital=vital, mark=mark, end=end)


@contextmanager
def supervisor(folder, *children):
    """A running supervisor; whatever becomes of it, it is gone afterwards."""
    plan = folder / "plan.json"
    pids = folder / "state" / "processes.json"
    pids.parent.mkdir(exist_ok=True)
    plan.write_text(json.dumps({"children": children, "pid_file": str(pids)}))
    run = subprocess.Popen(
        [sys.executable, "-m", "gateway.supervisor", str(plan)], stderr=subprocess.PIPE, text=True
    )
    try:
        yield run, pids
    finally:
        run.kill()
        run.communicate()


def until(condition, what, limit_s=10.0):
    end = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < end, f"waited {limit_s} s for {what}"
        time.sleep(0.01)
    return found


def told(run, event):
    """Read the log until this event, and return its line."""
    for line in run.stderr:
        said = json.loads(line) if line.startswith("{") else {}
        if said.get("event") == event:
            return said
    raise AssertionError(f"the log ended without {event!r}")


def pid_in(pids, name):
    try:
        return json.loads(pids.read_text()).get(name)
    except (OSError, ValueError):
        return None


def size(path):
    return path.stat().st_size if path.exists() else 0


def test_a_vital_child_that_cannot_start_is_given_up_in_bounded_time(tmp_path):
    broken = child("engine", "import sys; sys.stderr.write('secret file missing\\n'); sys.exit(3)")
    began = time.monotonic()
    with supervisor(tmp_path, lives(tmp_path, "radio", vital=False), broken) as (run, pids):
        other = until(lambda: pid_in(pids, "radio"), "its id")
        said = told(run, "giving up")
        assert said["child"] == "engine"
        assert "said last" in said["why"]
        assert run.wait(10) == 3
    took_s = time.monotonic() - began
    print(f"given up after {took_s:.1f} s")
    assert took_s < 20
    assert not Path(f"/proc/{other}").exists(), "the others are ended as well"


def test_a_child_that_is_not_vital_is_tried_for_ever(tmp_path):
    broken = child("radio", "open({mark!r}, 'a').write('x'); raise SystemExit(3)",
                   vital=False, mark=str(tmp_path / "tries"))  # fmt: skip
    with supervisor(tmp_path, broken, lives(tmp_path, "engine")) as (run, _):
        until(lambda: size(tmp_path / "tries") >= 5, "tries")
        assert run.poll() is None


def test_kills_from_outside_are_not_failed_starts(tmp_path):
    """Six ends of its own running are too many, six kills are not; eleven in a minute are."""
    keeper = ProcessSupervisor([], tmp_path / "pids.json")

    def outlives(statuses):
        mortal = Child(name="engine", argv=["true"], vital=True)
        for now_s, status in enumerate(statuses):
            mortal.process, mortal.started_s = subprocess.Popen(["true"]), float(now_s)
            mortal.process.wait()
            if not keeper._bury(mortal, status, float(now_s)):
                return now_s + 1
        return None

    assert outlives([3] * 20) == FAILED_STARTS == 6
    assert outlives([3, 3, 3, 3, 3, -9] * 2) == 11
    assert outlives([-9] * 10) is None
    assert outlives([-9] * 20) == 11


def test_a_child_that_hangs_is_killed_and_started_anew(tmp_path):
    """It beats as our processes do, then hangs; one that beats on is left alone."""
    mark = str(tmp_path / "starts")
    hangs = child("engine", "import os, time; open({mark!r}, 'a').write('x')\n"
                  "for _ in range(2): os.write(0, b'.'); time.sleep(0.3)\n"
                  "time.sleep(60)", mark=mark)  # fmt: skip
    beats = child("radio", "import os, time\nwhile True: os.write(0, b'.'); time.sleep(0.3)")
    with supervisor(tmp_path, beats | {"silent_s": 2}, hangs | {"silent_s": 2}) as (run, pids):
        steady = until(lambda: pid_in(pids, "radio"), "its id")
        said = told(run, "hangs, killed")
        assert (said["child"], said["silent_s"] >= 2) == ("engine", True)
        until(lambda: size(tmp_path / "starts") == 2, "another")
        assert pid_in(pids, "radio") == steady


def test_a_full_disk_does_not_end_the_supervisor(tmp_path):
    """Its list of processes cannot be written; those who can go on without it do."""
    with supervisor(tmp_path, lives(tmp_path, "engine")) as (run, pids):
        first = until(lambda: pid_in(pids, "engine"), "its id")
        until(lambda: size(tmp_path / "engine.started") == 1, "its start")
        pids.unlink()
        pids.parent.rmdir()
        pids.parent.write_text("no folder any more")
        os.kill(first, signal.SIGKILL)
        until(lambda: size(tmp_path / "engine.started") == 2, "another start")
        told(run, "cannot write who is who")
        run.send_signal(signal.SIGTERM)
        assert run.wait(10) == 0


def test_sigterm_while_starting_ends_everything(tmp_path):
    for wait_s in (0.0, 0.05, 0.1, 0.3):
        with supervisor(tmp_path, lives(tmp_path, "engine")) as (run, pids):
            time.sleep(wait_s)  # at any moment
            run.send_signal(signal.SIGTERM)
            assert run.wait(10) in (0, -signal.SIGTERM)
            assert pid_in(pids, "engine") is None or run.returncode < 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_when_the_supervisor_is_gone_so_are_its_children(tmp_path, number):
    names = ("radio", "engine")
    with supervisor(tmp_path, *(lives(tmp_path, n) for n in names)) as (run, pids):
        until(lambda: all(size(tmp_path / f"{n}.started") for n in names), "both")
        children = [until(lambda n=n: pid_in(pids, n), "its id") for n in names]
        run.send_signal(number)
        run.wait(10)
        for pid in children:
            until(lambda pid=pid: not Path(f"/proc/{pid}").exists(), "its end")
        if number == signal.SIGKILL:
            assert all((tmp_path / f"{n}.ended").exists() for n in names)


def test_what_children_make_is_their_owners_alone(tmp_path):
    made = tmp_path / "made"
    code = "import sys; open({made!r}, 'w').close(); sys.stdin.buffer.read()"
    with supervisor(tmp_path, child("engine", code, made=str(made))):
        until(made.exists, "the file")
        assert made.stat().st_mode & 0o077 == 0
