"""Records an over again and again, and is killed each time one step later.

``python -m tests.drivers.radio.kill_a_recording FOLDER``. A step is whatever touches the disk or
the journal. Each try has a folder of its own, ``FOLDER/<step>``: the recordings, and
``journal.jsonl``, which stands for the rows that the engine has committed. It is a process of its
own because it forks, and only a process without threads may.
"""

import builtins
import itertools
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from drivers.radio import opus
from drivers.radio.opus import Converted, to_opus
from drivers.radio.recording import (
    RecordingFinished,
    RecordingResult,
    RecordingStore,
    salvage,
)

OVER, DAY = "over-1", "20261122"
JOURNAL = "journal.jsonl"
_LIMIT_S = 20.0


class Killer:
    """Ends this process, as kill -9 does, at a step of the recording."""

    def __init__(self, step: int) -> None:
        self._steps = itertools.count(1)
        self._last = step
        self._lock = threading.Lock()

    def step(self) -> None:
        with self._lock:
            if next(self._steps) >= self._last:
                os.kill(os.getpid(), signal.SIGKILL)

    def before(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*given: Any, **named: Any) -> Any:
            self.step()
            return call(*given, **named)

        return stepped

    def watch(self) -> None:
        """Make a step of every call that changes the disk."""
        for name in ("link", "rename", "unlink", "fsync", "mkdir"):
            setattr(os, name, self.before(getattr(os, name)))


def convert(root: Path, path: str, stopped: threading.Event) -> Converted:
    """Stands for ffmpeg, and for nothing else of the conversion."""
    del stopped
    final = to_opus(root / path)
    content = final.read_bytes()
    return Converted(final.relative_to(root).as_posix(), opus.hashlib.sha256(content).hexdigest(), 40)


def encode(samples: Any, part: Path) -> None:
    """Never the same bytes twice, as with ffmpeg, whose streams have random numbers."""
    with builtins.open(part, "wb") as file:  # noqa: PTH123
        file.write(b"OggS" + os.urandom(8) + samples.tobytes()[:50])
        file.flush()
        file.write(samples.tobytes()[50:])


class Site:
    """A recording store and an engine that commits what it is told of."""

    def __init__(self, folder: Path, step: Callable[[], None] = lambda: None) -> None:
        self.root, self._journal, self._step = folder / "recordings", folder / JOURNAL, step
        opus._encode = encode
        left = salvage(self.root)
        self.store = RecordingStore(self.root, convert=convert)
        self.committed: list[RecordingResult] = []
        for result in left:
            self.commit(result)

    def record(self) -> None:
        recorder = self.store.recorder("gate")
        recorder.begin(OVER, DAY)
        for _ in range(2):
            recorder.write(np.full(160, 77, np.int16))
        recorder.end()

    def commit(self, result: RecordingResult) -> None:
        assert isinstance(result, RecordingFinished), result
        self._step()
        with builtins.open(self._journal, "a") as file:  # noqa: PTH123
            file.write(json.dumps([result.path, result.sha256]) + "\n")
        self._step()
        self.store.committed(result)
        self.committed.append(result)

    def until(self, condition: Callable[[], bool]) -> None:
        end_s = time.monotonic() + _LIMIT_S
        while not condition():
            assert time.monotonic() < end_s, f"committed only {self.committed}"
            for result in self.store.results():
                self.commit(result)
            time.sleep(0.0005)

    def only_ogg(self) -> bool:
        return [p.name for p in self.root.rglob("*.*")] == [f"{OVER}.ogg"]


def _one_try(folder: Path, step: int) -> None:
    folder.mkdir()
    killer = Killer(step)
    killer.watch()
    site = Site(folder, killer.step)
    site.record()
    site.until(site.only_ogg)
    site.store.close()


def main(root: Path) -> None:
    """Go on until a try is through before it is killed."""
    for step in itertools.count(1):
        if (pid := os.fork()) == 0:
            status = 1
            try:
                _one_try(root / str(step), step)
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSIGNALED(status):
            sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
