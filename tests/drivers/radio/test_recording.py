"""Recordings: whole files under our own names, and failures that stay in their room."""

import hashlib
import resource
import shutil
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.radio.opus import Converted, convert_in_process
from drivers.radio.recording import (
    Recorder,
    RecordingFailed,
    RecordingFinished,
    RecordingResult,
    RecordingStore,
    safe_name,
    salvage,
    to_opus,
)
from gateway.interfaces import LinkError, WireError

DAY = "20261122"
Opener = Callable[..., RecordingStore]


@pytest.fixture
def opened() -> Iterator[Opener]:
    stores: list[RecordingStore] = []

    def open_store(root: Path, **how: object) -> RecordingStore:
        stores.append(RecordingStore(root, **how))  # type: ignore[arg-type]
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


def await_results(
    store: RecordingStore, count: int, time_out_s: float = 15.0
) -> list[RecordingResult]:
    results: list[RecordingResult] = []
    end = time.monotonic() + time_out_s
    while len(results) < count:
        assert time.monotonic() < end, f"only {results}"
        time.sleep(0.005)
        results += store.results()
    return results


def commit(store: RecordingStore, done: RecordingFinished) -> None:
    """The engine holds the row, and the store has drawn its conclusions."""
    store.committed(done)
    drawn = threading.Event()
    store._steps.put((Path(done.path), drawn.set))
    assert drawn.wait(5)


def tone(seconds: float) -> np.ndarray:
    t = np.arange(round(seconds * 8000)) / 8000
    return np.round(9000 * np.sin(2 * np.pi * 1000 * t)).astype(np.int16)


def test_an_over_becomes_a_whole_file_with_its_digest(opened: Opener, tmp_path: Path) -> None:
    store = opened(tmp_path, opus=False)
    recorder = store.recorder("north")
    recorder.write(tone(0.02))  # nobody speaks yet
    path = recorder.begin("over-1", DAY)
    assert path == "20261122/north/over-1.wav"
    sound = tone(1.0)
    for frame in sound.reshape(-1, 160):
        recorder.write(frame)
    assert recorder.recording
    recorder.end()
    recorder.write(tone(0.02))
    (done,) = await_results(store, 1)
    assert isinstance(done, RecordingFinished)
    data = (tmp_path / path).read_bytes()
    assert (done.what, done.path, done.duration_ms) == ("over-1", path, 1000)
    assert done.sha256 == hashlib.sha256(data).hexdigest()
    with wave.open(str(tmp_path / path)) as file:
        assert file.readframes(99999) == sound.tobytes()
    commit(store, done)
    assert [p.name for p in tmp_path.rglob("*.*")] == ["over-1.wav"]


def test_while_it_runs_there_is_no_file_of_that_name(opened: Opener, tmp_path: Path) -> None:
    store = opened(tmp_path, opus=False)
    recorder = store.recorder("north")
    path = tmp_path / recorder.begin("over-1", DAY)
    for _ in range(120):
        recorder.write(tone(0.02))
    part = path.with_name("over-1.wav.part")
    end = time.monotonic() + 5
    while not part.exists() or part.stat().st_size < 16000:
        assert time.monotonic() < end, "the running over never reached the disk"
        time.sleep(0.005)
    assert not path.exists()
    recorder.begin("over-2", DAY)  # the next over ends the one before
    recorder.end()
    first, second = await_results(store, 2)
    assert (first.what, second.what) == ("over-1", "over-2")
    assert path.exists()


def test_channels_record_side_by_side(opened: Opener, tmp_path: Path) -> None:
    store = opened(tmp_path, opus=False)
    recorders = [store.recorder(f"c{k}") for k in range(8)]
    for k, recorder in enumerate(recorders):
        recorder.begin(f"o{k}", DAY)
    for _ in range(20):
        for k, recorder in enumerate(recorders):
            recorder.write(np.full(160, k, np.int16))
    for recorder in recorders:
        recorder.end()
    for done in await_results(store, 8):
        assert isinstance(done, RecordingFinished)
        with wave.open(str(tmp_path / done.path)) as file:
            sound = np.frombuffer(file.readframes(99999), np.int16)
        assert len(sound) == 3200
        assert set(sound.tolist()) == {int(done.what[1:])}


def test_the_finished_over_becomes_opus_and_the_wav_goes(
    opened: Opener, tmp_path: Path
) -> None:
    pytest.importorskip("imageio_ffmpeg")
    store = opened(tmp_path)
    recorder = store.recorder("north")
    recorder.begin("over-1", DAY)
    for frame in tone(2.0).reshape(-1, 160):
        recorder.write(frame)
    recorder.end()
    wav, ogg = await_results(store, 2)
    assert isinstance(wav, RecordingFinished)
    assert isinstance(ogg, RecordingFinished)
    assert (wav.path, ogg.path) == ("20261122/north/over-1.wav", "20261122/north/over-1.ogg")
    assert ogg.duration_ms == 2000
    data = (tmp_path / ogg.path).read_bytes()
    assert data[:4] == b"OggS"
    assert b"OpusHead" in data[:64]
    assert ogg.sha256 == hashlib.sha256(data).hexdigest()
    assert (tmp_path / wav.path).exists(), "nobody holds a row that names the other"
    commit(store, wav)
    assert (tmp_path / wav.path).exists()
    commit(store, ogg)
    assert [p.name for p in tmp_path.rglob("*.*")] == ["over-1.ogg"]
    assert decoded_hz(tmp_path / ogg.path) == pytest.approx(1000, abs=5)


def decoded_hz(path: Path) -> float:
    import imageio_ffmpeg

    argv = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path)]
    argv += ["-f", "s16le", "-ac", "1", "-ar", "8000", "-"]
    done = subprocess.run(argv, capture_output=True, check=True, timeout=20)
    sound = np.frombuffer(done.stdout, np.int16)
    return float(np.argmax(np.abs(np.fft.rfft(sound)))) * 8000 / len(sound)


def test_a_conversion_that_fails_leaves_the_wav(opened: Opener, tmp_path: Path) -> None:
    def convert(_root: Path, path: str, _stopped: threading.Event) -> Converted:
        raise LinkError(f"ffmpeg fell over {path}")

    store = opened(tmp_path, convert=convert)
    recorder = store.recorder("north")
    path = recorder.begin("over-1", DAY)
    recorder.end()
    wav, failed = await_results(store, 2)
    assert isinstance(wav, RecordingFinished)
    assert isinstance(failed, RecordingFailed)
    assert "ffmpeg fell over" in failed.why
    assert (tmp_path / path).exists()


def test_what_is_no_wav_file_is_not_converted(tmp_path: Path) -> None:
    broken = tmp_path / "x.wav"
    broken.write_bytes(b"RIFF, but no more")
    with pytest.raises(WireError):
        to_opus(broken)
    with pytest.raises(LinkError, match="could not be made OGG/Opus"):
        to_opus(tmp_path / "missing.wav")
    with pytest.raises(LinkError, match="it stays WAV"):
        convert_in_process(tmp_path, "x.wav", threading.Event())
    assert [p.name for p in tmp_path.iterdir()] == ["x.wav"]


def test_closing_does_not_wait_for_a_conversion(opened: Opener, tmp_path: Path) -> None:
    begun = threading.Event()

    def convert(_root: Path, path: str, stopped: threading.Event) -> Converted:
        begun.set()
        assert stopped.wait(20)
        raise LinkError("stopped")

    store = opened(tmp_path, convert=convert)
    recorder = store.recorder("north")
    for k in range(3):
        recorder.begin(f"o{k}", DAY)
    recorder.end()
    assert begun.wait(5)
    begin = time.monotonic()
    store.close()
    assert time.monotonic() - begin < 5
    assert len(list(tmp_path.rglob("*.wav"))) == 3


def test_a_folder_that_cannot_be_written_fails_softly(opened: Opener, tmp_path: Path) -> None:
    root = tmp_path / "recordings"
    root.write_text("a file where the folder should be")
    store = opened(root, opus=False)
    recorder = store.recorder("north")
    recorder.begin("over-1", DAY)
    for _ in range(10):
        recorder.write(tone(0.02))
    recorder.end()
    (failed,) = await_results(store, 1)
    assert isinstance(failed, RecordingFailed)
    assert failed.what == "over-1"
    assert failed.why.startswith("20261122/north/over-1.wav: ")
    assert store.results() == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_costs_the_recording_and_nothing_else(
    opened: Opener, tmp_path: Path
) -> None:
    folder = tmp_path / DAY / "north"
    folder.mkdir(parents=True)
    store = opened(tmp_path, opus=False)
    recorder = store.recorder("north")
    recorder.begin("over-1", DAY)
    file, begun = recorder._file, threading.Event()
    assert file is not None
    store._steps.put((file, begun.set))
    assert begun.wait(5)
    with open("/dev/full", "wb") as full, file._file as whole:  # type: ignore[union-attr] # noqa: PTH123
        file._file = full
        for _ in range(200):
            recorder.write(tone(0.02))
        recorder.end()
        (failed,) = await_results(store, 1)
        assert whole is not None
    assert isinstance(failed, RecordingFailed)
    assert "No space left" in failed.why
    assert list(folder.iterdir()) == []
    recorder.begin("over-2", DAY)
    recorder.end()
    (good,) = await_results(store, 1)
    assert isinstance(good, RecordingFinished)


def test_a_disk_with_little_room_is_left_to_alerts(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 1 << 20))
    store = opened(tmp_path, opus=False)
    recorder = store.recorder("north")
    recorder.begin("over-1", DAY)
    for _ in range(5):
        recorder.write(tone(0.02))
    recorder.end()
    (failed,) = await_results(store, 1)
    assert isinstance(failed, RecordingFailed)
    assert "which alerts may need" in failed.why
    assert [p for p in tmp_path.rglob("*.*") if p.is_file()] == []


def worst_write_s(recorder: Recorder) -> float:
    """Return how long the slowest of 82 s of frames slept in the recorder."""

    def times_slept() -> int:
        return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw

    frame, worst_s = tone(0.02), 0.0
    for _ in range(4100):
        begin_s, slept = time.perf_counter(), times_slept()
        recorder.write(frame)
        # Who waits gives the processor away of himself; who is only not scheduled does not.
        if times_slept() > slept:
            worst_s = max(worst_s, time.perf_counter() - begin_s)
    return worst_s


def test_a_disk_that_stands_still_never_holds_the_tick(opened: Opener, tmp_path: Path) -> None:
    worst_s = []
    for folder in "abc":
        store = opened(tmp_path / folder, opus=False)
        held, release = threading.Event(), threading.Event()

        def hold(held: threading.Event = held, release: threading.Event = release) -> None:
            held.set()
            release.wait(20)

        recorder = store.recorder("north")
        recorder.begin("over-1", DAY)
        file = recorder._file
        assert file is not None
        store._steps.put((file, hold))
        assert held.wait(5)
        worst_s.append(worst_write_s(recorder))
        release.set()
        it_is_cut_short(store, recorder)
    # The interpreter's lock may be slept for once; a disk is waited for each time.
    assert min(worst_s) < 0.1


def it_is_cut_short(store: RecordingStore, recorder: Recorder) -> None:
    assert not recorder.recording
    failed, kept = await_results(store, 2)
    assert isinstance(failed, RecordingFailed)
    assert "the disk is too slow" in failed.why
    assert isinstance(kept, RecordingFinished)
    assert 70_000 <= kept.duration_ms <= 81_000


CRASHER = """
import os, sys, time
from pathlib import Path
import numpy as np
from drivers.radio.recording import RecordingStore
root = Path(sys.argv[1])
recorder = RecordingStore(root, opus=False).recorder("north")
recorder.begin("over-1", "20261122")
for _ in range(150): recorder.write(np.full(160, 77, np.int16))
part = root / "20261122/north/over-1.wav.part"
while not part.exists() or part.stat().st_size < 30000: time.sleep(0.01)
(root / "20261122/north/over-0.wav.part").write_bytes(b"RIFF")
os.kill(os.getpid(), 9)
"""


def test_an_over_cut_by_a_kill_is_mended_at_the_next_start(
    opened: Opener, tmp_path: Path
) -> None:
    subprocess.run([sys.executable, "-c", CRASHER, str(tmp_path)], timeout=20, check=False)
    (mended,) = salvage(tmp_path)
    assert isinstance(mended, RecordingFinished)
    assert salvage(tmp_path) == [mended], "nobody has said that he knows of it"
    assert (mended.what, mended.path) == ("over-1", "20261122/north/over-1.wav")
    assert 2000 <= mended.duration_ms <= 3000
    with wave.open(str(tmp_path / mended.path)) as file:
        sound = np.frombuffer(file.readframes(99999), np.int16)
    assert set(sound.tolist()) == {77}
    assert 1000 * len(sound) // 8000 == mended.duration_ms
    store = opened(tmp_path, opus=False)
    commit(store, mended)
    assert salvage(tmp_path) == []
    assert [p.name for p in tmp_path.rglob("*.*")] == ["over-1.wav"]


@given(st.text(max_size=100))
def test_no_name_leaves_its_folder(name: str) -> None:
    safe = safe_name(name)
    assert safe == name or safe.startswith("x")
    assert 1 <= len(safe) <= 64
    assert Path(safe).name == safe
    assert safe.isascii()
    assert not set(safe) & set("./\\\0 %:")


def test_hostile_names_stay_below_the_root(opened: Opener, tmp_path: Path) -> None:
    root = tmp_path / "root"
    store = opened(root, opus=False)
    for name in ("../../etc/passwd", "..", "a/b", "CON\0", "街" * 300, "-rf"):
        recorder = store.recorder(name)
        recorder.begin(name, "../2026")
        recorder.end()
    done = await_results(store, 6)
    assert all(isinstance(d, RecordingFinished) for d in done)
    assert [p.name for p in tmp_path.iterdir()] == ["root"]
    assert len(list(root.rglob("*.wav"))) == 6
