"""The guide's way from the cable to the accepted channel, its commands run as they stand."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ports import free_port

ROOT = Path(__file__).parents[2]
SECTION = "From the cable to the accepted channel"


def commands() -> list[str]:
    """Return every command line of the section, in order."""
    text = (ROOT / "config" / "README.md").read_text("utf-8")
    section = text.split(f"## {SECTION}")[1].split("\n## ")[0]
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", section, re.MULTILINE | re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """A copy of the folder `config` with free ports, and both programs on the path."""
    folder = tmp_path / "config"
    shutil.copytree(ROOT / "config", folder)
    example = folder / "examples" / "bench.yaml"
    text = example.read_text("utf-8")
    for port in set(re.findall(r"\b7[0-2]0[12]\b", text)):
        kind = socket.SOCK_STREAM if port.startswith("700") else socket.SOCK_DGRAM
        text = text.replace(port, str(free_port(kind)))
    example.write_text(text, "utf-8")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, what in (("gridcall", "-m gateway"), ("python", "")):
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {what} "$@"\n')
        (programs / name).chmod(0o755)
    return folder


def environment(folder: Path) -> dict[str, str]:
    path = f"{folder.parent / 'bin'}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}


@contextmanager
def in_another_window(folder: Path, line: str) -> Iterator[None]:
    """Run a command until the others are done; it is there when it says that it is ready."""
    window = subprocess.Popen(
        ["bash", "-c", f"exec {line}"], cwd=folder, env=environment(folder),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert window.stdout is not None
        for said in window.stdout:
            if json.loads(said)["what"] == "ready":
                break
        yield
    finally:
        window.send_signal(signal.SIGINT)
        window.communicate(timeout=20)


def run(folder: Path, line: str) -> str:
    """Run a command as a technician who answers nothing; return what it printed."""
    done = subprocess.run(
        ["bash", "-c", line], cwd=folder, env=environment(folder), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{line}: status {done.returncode}\n{done.stdout}"
    return done.stdout


def test_the_section_leads_through_every_command() -> None:
    named = {line.split()[2] for line in commands() if line.startswith("gridcall channel")}
    assert named == {"list", "monitor", "tone", "key", "calibrate", "accept"}


@pytest.mark.timeout(300)
def test_the_guide_alone_leads_to_an_accepted_channel(bench: Path) -> None:
    lines = commands()
    (window,) = [n for n, line in enumerate(lines) if "another window" in line]
    said = {line: run(bench, line) for line in lines[:window]}
    with in_another_window(bench, lines[window].partition("#")[0]):
        said |= {line: run(bench, line) for line in lines[window + 1 :]}
    measured = next(text for line, text in said.items() if " calibrate " in line)
    assert re.search(r"^ {4}tx_delay_ms: \d+$", measured, re.MULTILINE)
    protocol = (bench / "gate.md").read_text("utf-8")
    assert "accepted · 通过" in protocol and "FAIL" not in protocol
    assert time.strftime("%Y-") in protocol
    assert protocol.count("pass · 合格") >= 13
