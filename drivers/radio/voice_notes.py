"""Voice notes from chats: hostile OGG files made into samples, each in a bound process."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import threading
from collections import deque
from pathlib import Path
from typing import Final

import numpy as np

from drivers.radio.background import module_command, module_environment
from drivers.radio.samples import SAMPLE_RATE_HZ, Int16Array
from drivers.radio.shaping import shaped_speech
from drivers.radio.speech import Rendered

# No time-out timer of a radio is set longer; what is behind it would be cut anyway.
LONGEST_S: Final = 60
# A minute of Opus as phones record it has 250 kB; this is four minutes of it.
LARGEST_BYTES: Final = 1 << 20
_TIME_OUT_S: Final = 15.0
_WAITING_MAX: Final = 32


class VoiceNotes:
    """Decodes voice notes one after the other in a thread. No method waits.

    Args:
        root: The media folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._wanted: queue.Queue[tuple[str, str] | None] = queue.Queue(_WAITING_MAX)
        self._results: deque[Rendered] = deque()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._work, name="voice notes", daemon=True)
        self._thread.start()

    def request(self, key: str, path: str) -> None:
        """Have a file below the root decoded; ``results`` brings it."""
        try:
            self._wanted.put_nowait((key, path))
        except queue.Full:
            self._results.append(Rendered(key, None, "too many voice notes wait"))

    def results(self) -> list[Rendered]:
        """Return what has been decoded or has failed since the last call."""
        found: list[Rendered] = []
        while self._results:
            found.append(self._results.popleft())
        return found

    def close(self) -> None:
        """Stop; what is being decoded is given up."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._wanted.get_nowait()
        self._wanted.put(None)
        process = self._process
        if process is not None:
            process.kill()
        self._thread.join(2.0)

    def _work(self) -> None:
        while (wanted := self._wanted.get()) is not None:
            key, path = wanted
            try:
                samples = self._decoded(path)
            except (OSError, ValueError) as error:
                self._results.append(Rendered(key, None, f"voice note {path}: {error}"))
            else:
                self._results.append(Rendered(key, samples))

    def _decoded(self, path: str) -> Int16Array:
        """Return the samples of a voice note. Raises OSError or ValueError: there are none."""
        data = _read(self._root, path)
        self._process = subprocess.Popen(
            module_command("drivers.radio.bound_ffmpeg", [str(LONGEST_S), str(SAMPLE_RATE_HZ)]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=module_environment(),
        )
        with self._process as process:
            try:
                sound, complaint = process.communicate(data, timeout=_TIME_OUT_S)
            except subprocess.TimeoutExpired as late:
                process.kill()
                raise ValueError("it took too long to decode") from late
        self._process = None
        # A file that is broken at its end has a good beginning: that is played.
        samples = np.frombuffer(sound[: len(sound) // 2 * 2], "<i2").astype(np.int16)
        if not len(samples):
            said = complaint.decode(errors="replace").strip().splitlines()
            raise ValueError(f"no Opus sound in it ({said[-1][:200] if said else 'empty'})")
        return shaped_speech(samples[: LONGEST_S * SAMPLE_RATE_HZ])


def _read(root: Path, path: str) -> bytes:
    """Return the bytes of a file below the root; ValueError when it is not one to be read."""
    file = (root / path).resolve()
    if not file.is_relative_to(root.resolve()):
        raise ValueError("outside the media folder")
    with file.open("rb") as opened:
        data = opened.read(LARGEST_BYTES + 1)
    if len(data) > LARGEST_BYTES:
        raise ValueError(f"larger than {LARGEST_BYTES} bytes")
    return data
