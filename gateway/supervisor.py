"""Starting, watching and restarting: processes (one_for_one) and the tasks within one.

The process supervisor is small on purpose and imports nothing but the standard library: it is
what remains when everything else has failed. Each child's standard input is a socket to it.
When the supervisor dies, however it dies, that socket closes and every child stops by itself,
the radio process with its transmitters unkeyed. A child writes a byte there each second; one
that falls silent hangs, and is killed and started anew.
"""

import asyncio
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

# Restart waits: a child that just died is tried at once, one that keeps dying ever later.
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 10.0
# A child that has run this long starts again from the first wait.
GOOD_RUN_S = 30.0
# A vital child that dies this often in this time takes the daemon with it: something above us
# (systemd) has to act.
INTENSITY, INTENSITY_WINDOW_S = 10, 60.0
# One that ends by itself so many times running, each time before a good run, will not do better
# the next time: what it said last tells why.
FAILED_STARTS = 6
# How long a child may take to stop before it is killed.
STOP_WAIT_S = 5.0
# How often we look. When we ourselves were stopped for longer than this, nobody was silent.
LOOK_EVERY_S, FROZEN_S = 1.0, 5.0


@dataclass(slots=True)
class Child:
    """One process to keep alive.

    Attributes:
        name: As said in the log.
        argv: What to run.
        vital: Whether the daemon gives up when it cannot be kept alive.
        silent_s: It hangs when it has said nothing for so long; None if it never says anything.
    """

    name: str
    argv: list[str]
    vital: bool
    silent_s: float | None = None
    process: subprocess.Popen[bytes] | None = None
    line: socket.socket | None = None
    heard_s: float = 0.0
    started_s: float = 0.0
    wait_s: float = FIRST_WAIT_S
    due_s: float = 0.0
    failed_starts: int = 0
    deaths_s: deque[float] = field(default_factory=deque)


def say(what: str, **more: object) -> None:
    """Write one line of the supervisor's own log to standard error."""
    line = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "log": "supervisor"}
    sys.stderr.write(json.dumps({**line, "event": what, **more}, ensure_ascii=False) + "\n")
    sys.stderr.flush()


class ProcessSupervisor:
    """Keeps its children alive, one for one; the last started is the first stopped."""

    def __init__(self, children: list[Child], pid_file: Path) -> None:
        self._children = children
        self._pid_file = pid_file
        self._stopping = False
        self._told_pids = ""

    def run(self) -> int:
        """Run until told to stop; return the exit status: 0, or 3 when a vital child died."""
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        status = 0
        for child in self._children:
            self._start(child)
        looked_s = time.monotonic()
        while not self._stopping:
            self._write_pids()
            select.select([woken], [], [], self._until_due_s())
            _drain(woken)
            frozen = time.monotonic() - looked_s > FROZEN_S
            looked_s = time.monotonic()
            self._listen(looked_s, frozen=frozen)
            if not self._tend():
                status = 3
                break
        self._stop_all()
        return status

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _start(self, child: Child) -> None:
        child.started_s = time.monotonic()
        try:
            child.line, theirs = socket.socketpair()
            child.line.setblocking(False)
            child.heard_s = child.started_s
            with theirs:
                child.process = subprocess.Popen(child.argv, stdin=theirs.fileno())
        except OSError as error:
            say("cannot be started", child=child.name, why=str(error))
            child.due_s = child.started_s + LONGEST_WAIT_S
            return
        say("started", child=child.name, pid=child.process.pid)

    def _until_due_s(self) -> float:
        due = [c.due_s for c in self._children if c.process is None]
        return min(LOOK_EVERY_S, max(0.0, min(due) - time.monotonic())) if due else LOOK_EVERY_S

    def _listen(self, now_s: float, *, frozen: bool) -> None:
        """Note who is alive, and kill who has been silent for too long."""
        for child in self._children:
            if child.process is None or child.line is None or child.silent_s is None:
                continue
            with contextlib.suppress(OSError):
                if child.line.recv(4096):
                    child.heard_s = now_s
            if frozen:
                child.heard_s = now_s
            if now_s - child.heard_s > child.silent_s:
                say("hangs, killed", child=child.name, silent_s=round(now_s - child.heard_s))
                child.process.kill()
                child.heard_s = now_s

    def _tend(self) -> bool:
        """Start what is due and note what died; return False to give up."""
        now_s = time.monotonic()
        for child in self._children:
            if child.process is None:
                if now_s >= child.due_s:
                    self._start(child)
            elif (code := child.process.poll()) is not None:
                say("died", child=child.name, status=code)
                if not self._bury(child, code, now_s):
                    why = "see what it said last; put that right and start again"
                    say("giving up", child=child.name, deaths=len(child.deaths_s), why=why)
                    return False
        return True

    def _bury(self, child: Child, code: int, now_s: float) -> bool:
        assert child.process is not None
        if child.line is not None:
            child.line.close()
        child.process = child.line = None
        good = now_s - child.started_s >= GOOD_RUN_S
        if good:
            child.wait_s = FIRST_WAIT_S
        # A kill from outside (a negative status) says nothing about the next start.
        child.failed_starts = child.failed_starts + 1 if code > 0 and not good else 0
        child.due_s = now_s + child.wait_s
        child.wait_s = min(child.wait_s * 2, LONGEST_WAIT_S)
        child.deaths_s.append(now_s)
        while child.deaths_s and now_s - child.deaths_s[0] > INTENSITY_WINDOW_S:
            child.deaths_s.popleft()
        often = len(child.deaths_s) > INTENSITY or child.failed_starts >= FAILED_STARTS
        return not (child.vital and often)

    def _write_pids(self) -> None:
        """Tell who is who, for a technician and for tests that kill one of them."""
        pids = {c.name: c.process.pid for c in self._children if c.process is not None}
        text = json.dumps({"supervisor": os.getpid(), **pids})
        if text == self._told_pids:
            return
        self._told_pids = text
        fresh = self._pid_file.with_suffix(".new")
        try:
            fresh.write_text(text)
            fresh.replace(self._pid_file)
        except OSError as error:  # a full disk must not end those who can go on without it
            say("cannot write who is who", file=str(self._pid_file), why=str(error))

    def _stop_all(self) -> None:
        for child in reversed(self._children):
            process = child.process
            if process is None:
                continue
            process.terminate()
            process.send_signal(signal.SIGCONT)
            try:
                process.wait(STOP_WAIT_S)
            except subprocess.TimeoutExpired:
                say("killed", child=child.name)
                process.kill()
                process.wait()
        with contextlib.suppress(OSError):
            self._pid_file.unlink()


def _drain(fd: int) -> None:
    try:
        while os.read(fd, 4096):
            pass
    except BlockingIOError:
        return


async def keep_running(
    name: str,
    work: Callable[[], Awaitable[None]],
    on_failure: Callable[[str, Exception], None],
    *,
    first_wait_s: float = 0.5,
    longest_wait_s: float = 15.0,
) -> None:
    """Run a task again and again until cancelled; each failure is told, then waited after.

    This is the one place that catches every exception: a driver that fails in a way nobody
    foresaw must not take the others with it.
    """
    loop = asyncio.get_running_loop()
    wait_s = first_wait_s
    while True:
        began_s = loop.time()
        try:
            await work()
        except Exception as error:  # noqa: BLE001  # the supervisor's own duty
            on_failure(name, error)
        if loop.time() - began_s >= longest_wait_s:
            wait_s = first_wait_s
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 2, longest_wait_s)


def main() -> int:
    """Run the children named in the plan file given as the only argument."""
    os.umask(0o077)  # whatever a child makes is its owner's alone
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    children = [Child(**child) for child in plan["children"]]
    return ProcessSupervisor(children, Path(plan["pid_file"])).run()


if __name__ == "__main__":
    sys.exit(main())
