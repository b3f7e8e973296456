"""A channel's keyer as the radio process has it: started, listened to, killed when it hangs."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from dataclasses import dataclass
from typing import Final

from drivers.radio.background import module_command, module_environment
from drivers.radio.keyer import KEY, UNKEY
from drivers.radio.settings import RadioChannel
from drivers.radio.squelch import parse_squelch

# A beat comes each 100 ms. A stopped keyer cannot let go of the key: three missed, and it is
# killed; its port closes, and the lines fall.
SILENT_S: Final = 0.3
# Loading Python on a busy machine takes its time; nothing is keyed before the first word.
_STARTING_S: Final = 10.0
_RESTART_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0)
# One that lived so long had nothing wrong with it from the start.
_HEALTHY_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class KeyerWord:
    """One line of a keyer: when (monotonic), what, and more about it."""

    at_s: float
    word: str
    detail: str


def keyer_config(settings: RadioChannel) -> str:
    """Return the keyer's only argument."""
    control = settings.control
    return json.dumps(
        {
            "url": control.url,
            "ptt": control.ptt,
            "lines": parse_squelch(control.squelch).lines,
            "invert_ptt": control.invert_ptt,
            "lease_ms": control.lease_ms,
            "time_out_s": settings.time_out_s,
        }
    )


class KeyerProcess:
    """One keyer, started again whenever it is gone. No method waits.

    Args:
        settings: The channel's settings.

    Attributes:
        asked_s: When it was told to key, monotonic; None while it is not.
    """

    def __init__(self, settings: RadioChannel) -> None:
        self.asked_s: float | None = None
        self._config = keyer_config(settings)
        self._process: subprocess.Popen[bytes] | None = None
        self._rest = b""
        self._spoke = self._ended = False
        self._heard_s = 0.0
        self._started_s = 0.0
        self._start_at_s = 0.0
        self._failures = 0

    @property
    def pid(self) -> int | None:
        """The process's id while there is one."""
        return self._process.pid if self._process else None

    def fileno(self) -> int | None:
        """Return the descriptor its words come from, None while there is no keyer."""
        if self._process is None or self._process.stdout is None:
            return None
        return self._process.stdout.fileno()

    def key(self) -> None:
        """Key, or renew the lease."""
        if self.asked_s is None:
            self.asked_s = time.monotonic()
        self._send(KEY)

    def unkey(self) -> None:
        """Let go of the key."""
        self.asked_s = None
        self._send(UNKEY)

    def quiet(self, now_s: float) -> bool:
        """Return whether it should be looked at: it has not spoken lately, or is gone."""
        return self._ended or now_s - self._heard_s > SILENT_S / 2

    def watch(self, now_s: float) -> str | None:
        """Start it when it is due; kill it when it hangs; return why it is gone, once.

        Call after ``read`` when it is ``quiet``: words that wait in the pipe are no silence.
        """
        if self._process is None:
            if now_s >= self._start_at_s:
                self._start(now_s)
            return None
        if not self.quiet(now_s):
            return None
        status = self._process.poll()
        if status is not None:
            return self._bury(now_s, f"the keyer ended with status {status}")
        if now_s - self._heard_s > (SILENT_S if self._spoke else _STARTING_S):
            return self._bury(now_s, "the keyer hung and was killed")
        return None

    def read(self, now_s: float) -> list[KeyerWord]:
        """Return what it has said since the last call."""
        descriptor = self.fileno()
        if descriptor is None:
            return []
        try:
            data = os.read(descriptor, 1 << 16)
        except BlockingIOError:
            return []
        if data:
            self._spoke, self._heard_s = True, now_s
        else:
            self._ended = True
        *lines, self._rest = (self._rest + data).split(b"\n")
        words = [_word(line) for line in lines]
        return [word for word in words if word is not None and word.word != "beat"]

    def retire(self) -> None:
        """Have it unkey and leave in order; it is not started again."""
        self._start_at_s = float("inf")
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def gone(self) -> bool:
        """Return whether there is no process any more."""
        return self._process is None or self._process.poll() is not None

    def close(self) -> None:
        """End it at once; its port closes, and the lines fall."""
        process, self._process = self._process, None
        if process is not None:
            _end(process)

    def _start(self, now_s: float) -> None:
        process = subprocess.Popen(
            module_command("drivers.radio.keyer", [self._config]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=module_environment(),
            bufsize=0,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        os.set_blocking(process.stdin.fileno(), False)
        os.set_blocking(process.stdout.fileno(), False)
        self._process, self._spoke, self._rest = process, False, b""
        self._ended = False
        self._heard_s = self._started_s = now_s

    def _bury(self, now_s: float, why: str) -> str:
        self._failures = 0 if now_s - self._started_s > _HEALTHY_S else self._failures + 1
        wait_s = _RESTART_S[min(self._failures, len(_RESTART_S) - 1)]
        self._start_at_s = now_s + wait_s
        self.close()
        return why

    def _send(self, command: bytes) -> None:
        if self._process is None or self._process.stdin is None or self._process.stdin.closed:
            return
        # A full pipe belongs to a keyer that hangs: the watch deals with it.
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(self._process.stdin.fileno(), command)


def _word(line: bytes) -> KeyerWord | None:
    stamp, _, rest = line.decode("utf-8", "replace").partition(" ")
    word, _, detail = rest.partition(" ")
    try:
        return KeyerWord(float(stamp), word, detail)
    except ValueError:
        return None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
