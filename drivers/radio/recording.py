"""Recording: every over to a WAV file while it runs, to OGG/Opus when it is done.

The 20 ms tick only puts frames into a queue; one writer thread owns the files. A file is
written under a temporary name, flushed to the disk and renamed when the over ends, so that a
path which somebody was told of is a whole file. The conversion runs in a process of its own,
behind everything else.

Nothing goes before the engine holds the row that names what stays (``committed``): until then
a WAV file has its temporary name too, and stands beside its OGG file. After a kill in between
the next start finds them so and tells of them again.

Paths are ``YYYYMMDD/<channel>/<over>.wav`` below the root, made of our own ids only. Whatever
fails comes back as ``RecordingFailed``; nothing here raises into the tick or holds it up.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import queue
import re
import shutil
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from drivers.radio.durable import PART_SUFFIX, part_of, settle
from drivers.radio.opus import Converted, convert_in_process, remove_unfinished, to_opus
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
# Recordings stop first on a disk that fills up.
_LEFT_FREE_BYTES = 96 << 20
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
        if shutil.disk_usage(self._final.parent).free < _LEFT_FREE_BYTES:
            left = f"less than {_LEFT_FREE_BYTES >> 20} MB are left, which alerts may need"
            raise OSError(errno.ENOSPC, left)
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
        opus: Whether finished overs are converted, those left from last time after the new.
        convert: How one WAV file is converted: (root, path below it, stopped).
    """

    def __init__(
        self, root: Path, *, opus: bool = True, convert: Convert | None = None
    ) -> None:
        self._root = root
        self._opus = opus
        self._convert = convert or convert_in_process
        # Unbounded, so that an end is never refused; frames are, beyond a length.
        self._steps: queue.SimpleQueue[tuple[_WavFile | Path, Callable[[], None]] | None] = (
            queue.SimpleQueue()
        )
        self._to_convert: queue.SimpleQueue[tuple[str, str] | None] = queue.SimpleQueue()
        self._left = deque(_wav_files(root) if opus else ())
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

    def committed(self, done: RecordingFinished) -> None:
        """Take away what stood for a recording until the engine held its row. Never waits."""
        final = self._root / done.path
        self._steps.put((final, partial(_let_go, final)))

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
                why = error.strerror or str(error)
                if isinstance(file, _WavFile):
                    file.drop()
                    self._fail(file, why)
                else:
                    # Nothing is lost: it is tried again at the next start.
                    why = f"what is no longer needed beside {file} stays: {why}"
                    self._results.append(RecordingFailed(file.stem, why))

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
            self._to_convert.put((file.what, file.relative))

    def _fail(self, file: _WavFile, why: str) -> None:
        self._results.append(RecordingFailed(file.what, f"{file.relative}: {why}"))

    def _make_opus(self) -> None:
        while (item := self._next_wav()) is not None and not self._stopped.is_set():
            what, path = item
            try:
                done = self._convert(self._root, path, self._stopped)
            except LinkError as error:
                self._results.append(RecordingFailed(what, f"{path}: {error}"))
            else:
                self._results.append(
                    RecordingFinished(what, done.path, done.sha256, done.duration_ms)
                )


    def _next_wav(self) -> tuple[str, str] | None:
        """Return what is to be converted next: somebody may wait for what is new."""
        if self._left and self._to_convert.empty():
            return self._left.popleft()
        return self._to_convert.get()


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


def salvage(root: Path) -> list[RecordingResult]:
    """Make whole files of the WAV files of which it is not sure that the engine knows.

    Call at start, before the store is made. Half-written recordings are mended, empty ones and
    unfinished conversions removed. One that has its OGG file already is left to the store,
    which tells of that.
    """
    results: list[RecordingResult] = []
    for part in sorted(root.glob(f"*/*/*.wav{PART_SUFFIX}")):
        wav = part.with_name(part.name.removesuffix(PART_SUFFIX))
        if not wav.with_suffix(".ogg").exists():
            results += _mended(root, part, wav)
    for folder in root.glob("*/*"):
        with contextlib.suppress(OSError):
            remove_unfinished(folder)
    return results


def _mended(root: Path, part: Path, wav: Path) -> list[RecordingResult]:
    path = wav.relative_to(root).as_posix()
    try:
        n_samples = (part.stat().st_size - HEADER_BYTES) // 2
        if n_samples <= 0:
            part.unlink()
            return []
        with part.open("r+b") as file:
            file.write(wav_header(n_samples))
            file.truncate(HEADER_BYTES + 2 * n_samples)
            file.flush()
            os.fsync(file.fileno())
        digest = settle(part, wav)
    except OSError as error:
        why = f"{path}: cannot be mended ({error.strerror}); is the disk full?"
        return [RecordingFailed(wav.stem, why)]
    return [RecordingFinished(wav.stem, path, digest, 1000 * n_samples // SAMPLE_RATE_HZ)]


def _wav_files(root: Path) -> list[tuple[str, str]]:
    """Return the WAV files under their own names, as (over, path below the root)."""
    found = sorted(root.glob("*/*/*.wav"))
    return [(wav.stem, wav.relative_to(root).as_posix()) for wav in found]


def _let_go(final: Path) -> None:
    """Remove what stood for a file until the engine knew of it.

    Raises:
        OSError: the disk failed.
    """
    wav = final.with_suffix(".wav")
    part_of(wav).unlink(missing_ok=True)
    if final.suffix == ".ogg" and final.exists():
        wav.unlink(missing_ok=True)
