"""Recording: every over to a WAV file while it runs, to OGG/Opus when it is done.

The 20 ms tick only puts frames into a queue; one writer thread owns the files. A file is
written under a temporary name, flushed to the disk and renamed when the over ends, so that a
path which somebody was told of is a whole file. The conversion runs in a process of its own,
behind everything else; the WAV file stays until the OGG file is on the disk.

Paths are ``YYYYMMDD/<channel>/<over>.wav`` below the root, made of our own ids only. Whatever
fails comes back as ``RecordingFailed``; nothing here raises into the tick or holds it up.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import re
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from drivers.radio.durable import PART_SUFFIX, part_of, settle
from drivers.radio.opus import Converted, convert_in_process, to_opus
from drivers.radio.samples import SAMPLE_RATE_HZ, Int16Array
from drivers.radio.wav import HEADER_BYTES, wav_header
from gateway.interfaces import LinkError

__all__ = [
    "Recorder",
    "RecordingFailed",
    "RecordingFinished",
    "RecordingResult",
    "RecordingStore",
    "safe_name",
    "salvage",
    "to_opus",
]

# Ten seconds of eight channels: a disk that takes longer is not writing.
_QUEUE_FRAMES_MAX = 4000
# How much of an over a crash of this process may take.
_FLUSH_EVERY_FRAMES = 50
# An over is cut off here; the time-out timer has long acted, an open squelch may not have.
_OVER_SAMPLES_MAX = 600 * SAMPLE_RATE_HZ
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class RecordingFinished:
    """A recording is whole and on the disk.

    Attributes:
        what: The over or page it belongs to, as the caller named it.
        path: Below the recordings root, with ``/``.
        sha256: Hexadecimal digest of the file.
        duration_ms: How long it plays.
    """

    what: str
    path: str
    sha256: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class RecordingFailed:
    """A recording, or its conversion, did not come about. The over itself is unharmed.

    Attributes:
        what: The over or page it belongs to.
        why: What happened, for the technician.
    """

    what: str
    why: str


RecordingResult = RecordingFinished | RecordingFailed

Convert = Callable[[Path, str, threading.Event], Converted]


def safe_name(name: str) -> str:
    """Return the name if it can only be a file name, else a digest of it."""
    if _SAFE_NAME.fullmatch(name):
        return name
    return "x" + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:24]


class _WavFile:
    """One over's file, used by the writer thread only."""

    def __init__(self, root: Path, relative: str, what: str) -> None:
        self.what = what
        self.relative = relative
        self._final = root / relative
        self._part = part_of(self._final)
        self._file: BinaryIO | None = None
        self._samples = 0
        self._unflushed = 0

    @property
    def duration_ms(self) -> int:
        return 1000 * self._samples // SAMPLE_RATE_HZ

    def open(self) -> None:
        self._final.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._part.open("xb")
        self._file.write(wav_header(0))

    def write(self, data: bytes) -> None:
        if self._file is None or self._samples >= _OVER_SAMPLES_MAX:
            return
        self._file.write(data)
        self._samples += len(data) // 2
        self._unflushed += 1
        if self._unflushed >= _FLUSH_EVERY_FRAMES:
            self._file.flush()
            self._unflushed = 0

    def close(self) -> str | None:
        """Return the digest once the file stands under its name on the disk; None if lost."""
        if self._file is None:
            return None
        with self._file as file:
            file.seek(0)
            file.write(wav_header(self._samples))
            file.flush()
            os.fsync(file.fileno())
        return settle(self._part, self._final)

    def drop(self) -> None:
        """Give the file up and free its place; a full disk needs it."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            with contextlib.suppress(OSError):
                self._part.unlink(missing_ok=True)
        self._file = None


class RecordingStore:
    """The recordings of all channels: a writer thread, and a thread that sees to conversions.

    Args:
        root: Folder of the recordings; made when it is not there.
        opus: Whether finished overs are converted.
        convert: How one WAV file is converted: (root, path below it, stopped).
    """

    def __init__(
        self, root: Path, *, opus: bool = True, convert: Convert | None = None
    ) -> None:
        self._root = root
        self._opus = opus
        self._convert = convert or convert_in_process
        # Unbounded, so that an end is never refused; frames are, beyond a length.
        self._steps: queue.SimpleQueue[tuple[_WavFile, Callable[[], None]] | None] = (
            queue.SimpleQueue()
        )
        self._to_convert: queue.SimpleQueue[tuple[str, str] | None] = queue.SimpleQueue()
        self._results: deque[RecordingResult] = deque()
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._write, name="recordings.write", daemon=True),
            threading.Thread(target=self._make_opus, name="recordings.opus", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def recorder(self, channel: str) -> Recorder:
        """Return the recorder of one channel."""
        return Recorder(self, channel)

    def results(self) -> list[RecordingResult]:
        """Return what has been finished or has failed since the last call. Never waits."""
        results: list[RecordingResult] = []
        while self._results:
            results.append(self._results.popleft())
        return results

    def convert_later(self, what: str, path: str) -> None:
        """Queue a WAV file (below the root) for conversion, such as one left from last time."""
        self._to_convert.put((what, path))

    def close(self, time_out_s: float = 10.0) -> None:
        """Write what is queued and stop. Overs without an end are left to ``salvage``."""
        self._steps.put(None)
        self._threads[0].join(time_out_s)
        self._stopped.set()
        self._to_convert.put(None)
        self._threads[1].join(time_out_s)

    def begin(self, channel: str, what: str, day: str) -> _WavFile:
        """Queue the opening of a file and return it. For ``Recorder``."""
        relative = f"{safe_name(day)}/{safe_name(channel)}/{safe_name(what)}.wav"
        file = _WavFile(self._root, relative, what)
        self._steps.put((file, file.open))
        return file

    def write(self, file: _WavFile, data: bytes) -> bool:
        """Queue sound; return False when the disk is too far behind. For ``Recorder``."""
        if self._steps.qsize() >= _QUEUE_FRAMES_MAX:
            return False
        self._steps.put((file, partial(file.write, data)))
        return True

    def end(self, file: _WavFile, broken: str = "") -> None:
        """Queue the end of a file, good or broken. For ``Recorder``."""
        self._steps.put((file, partial(self._finish, file, broken)))

    def _write(self) -> None:
        """Run in the writer thread until the store is closed."""
        while (step := self._steps.get()) is not None:
            file, act = step
            try:
                act()
            except OSError as error:
                file.drop()
                self._fail(file, error.strerror or str(error))

    def _finish(self, file: _WavFile, broken: str) -> None:
        if broken:
            self._fail(file, broken)
        digest = file.close()
        if digest is None:
            return
        self._results.append(
            RecordingFinished(file.what, file.relative, digest, file.duration_ms)
        )
        if self._opus:
            self.convert_later(file.what, file.relative)

    def _fail(self, file: _WavFile, why: str) -> None:
        self._results.append(RecordingFailed(file.what, f"{file.relative}: {why}"))

    def _make_opus(self) -> None:
        while (item := self._to_convert.get()) is not None and not self._stopped.is_set():
            what, path = item
            try:
                done = self._convert(self._root, path, self._stopped)
            except LinkError as error:
                self._results.append(RecordingFailed(what, f"{path}: {error}"))
            else:
                self._results.append(
                    RecordingFinished(what, done.path, done.sha256, done.duration_ms)
                )


class Recorder:
    """Records the overs of one channel. No method waits or raises."""

    def __init__(self, store: RecordingStore, channel: str) -> None:
        self._store = store
        self._channel = channel
        self._file: _WavFile | None = None

    @property
    def recording(self) -> bool:
        """Whether an over is being recorded."""
        return self._file is not None

    def begin(self, what: str, day: str) -> str:
        """Begin a recording, ending one that was under way; return its path below the root.

        Args:
            what: Our own id of the over or page.
            day: ``YYYYMMDD`` of the caller's wall clock.
        """
        self.end()
        self._file = self._store.begin(self._channel, what, day)
        return self._file.relative

    def write(self, frame: Int16Array) -> None:
        """Add samples; between overs they are not recorded."""
        file = self._file
        if file is None or self._store.write(file, frame.astype("<i2").tobytes()):
            return
        # A recording with holes would be no evidence: it ends here and says so.
        self._file = None
        self._store.end(file, "the disk is too slow; the recording is cut short")

    def end(self) -> None:
        """End the recording; ``RecordingStore.results`` tells when it is on the disk."""
        file, self._file = self._file, None
        if file is not None:
            self._store.end(file)


def salvage(root: Path) -> list[RecordingFinished]:
    """Make whole files of the recordings that a crash has left half written; return them.

    Call at start, before the store is made. Empty ones are removed.

    Raises:
        LinkError: the folder cannot be read or written now.
    """
    parts = sorted(root.glob(f"*/*/*.wav{PART_SUFFIX}"))
    try:
        return [done for part in parts if (done := _mended(root, part)) is not None]
    except OSError as error:
        msg = f"recordings: {root} cannot be mended ({error.strerror}); is the disk full?"
        raise LinkError(msg) from error


def _mended(root: Path, part: Path) -> RecordingFinished | None:
    n_samples = (part.stat().st_size - HEADER_BYTES) // 2
    if n_samples <= 0:
        part.unlink()
        return None
    with part.open("r+b") as file:
        file.write(wav_header(n_samples))
        file.truncate(HEADER_BYTES + 2 * n_samples)
        file.flush()
        os.fsync(file.fileno())
    final = part.with_name(part.name.removesuffix(PART_SUFFIX))
    digest = settle(part, final)
    path = final.relative_to(root).as_posix()
    return RecordingFinished(final.stem, path, digest, 1000 * n_samples // SAMPLE_RATE_HZ)
