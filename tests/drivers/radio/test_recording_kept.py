"""No journal ever names a recording that is not there, whoever is killed and when."""

import hashlib
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from drivers.radio import opus
from drivers.radio.opus import to_opus
from drivers.radio.recording import RecordingStore, salvage
from drivers.radio.samples import SAMPLE_RATE_HZ
from drivers.radio.wav import wav_header
from tests.drivers.radio.kill_a_recording import DAY, JOURNAL, OVER, Site, encode

ROOT = Path(__file__).parents[3]


def rows(folder: Path) -> list[tuple[str, str]]:
    journal = folder / JOURNAL
    return [tuple(json.loads(line)) for line in journal.read_text().splitlines()] if (
        journal.exists()) else []


def named_and_there(folder: Path) -> None:
    """What the newest row names is there, and is what was recorded."""
    for path, sha256 in rows(folder)[-1:]:
        file = folder / "recordings" / path
        assert file.is_file(), f"{folder.name}: the journal names {path}, which is not there"
        assert hashlib.sha256(file.read_bytes()).hexdigest() == sha256, folder.name


def test_whoever_is_killed_at_any_step_loses_nothing_and_tells_of_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opus, "_encode", encode)
    command = [sys.executable, "-m", "tests.drivers.radio.kill_a_recording", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, timeout=60, check=True)
    tries = sorted(tmp_path.iterdir(), key=lambda folder: int(folder.name))
    print(f"killed at {len(tries) - 1} steps")
    assert len(tries) > 12, "too few steps: is it killed where it matters?"
    told = []
    for folder in tries:
        named_and_there(folder)
        told.append(len(rows(folder)))
        begun = any((folder / "recordings").rglob("*.*"))
        site = Site(folder)
        site.until(lambda site=site, begun=begun: not begun or site.only_ogg())
        site.store.close()
        named_and_there(folder)
        # Only what nothing of has reached the disk is not told of.
        assert not rows(folder) or rows(folder)[-1][0] == f"{DAY}/gate/{OVER}.ogg"
        assert bool(rows(folder)) == begun or not any((folder / "recordings").rglob("*.*"))
        known, again = rows(folder), Site(folder)
        again.store.close()
        assert rows(folder) == known, "a quiet start tells of nothing"
    assert {0, 1, 2} <= set(told), "killed before, between and after the two rows"


def wav_at(folder: Path, name: str = OVER) -> Path:
    wav = folder / DAY / "gate" / f"{name}.wav"
    wav.parent.mkdir(parents=True, exist_ok=True)
    wav.write_bytes(wav_header(160) + bytes(320))
    return wav


def test_a_conversion_that_outlives_its_radio_process_changes_nothing_that_was_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both make the same file; the digest of the first may stand in the journal."""
    wav = wav_at(tmp_path)
    first: list[bytes] = []

    def overtaken(samples: object, part: Path) -> None:
        encode(samples, part)
        monkeypatch.setattr(opus, "_encode", encode)
        monkeypatch.setattr("os.getpid", lambda: 4711)
        first.append(to_opus(wav).read_bytes())

    monkeypatch.setattr(opus, "_encode", overtaken)
    assert [to_opus(wav).read_bytes()] == first
    assert to_opus(wav).read_bytes() == first[0], "nor a third"
    assert sorted(p.name for p in wav.parent.iterdir()) == [f"{OVER}.ogg", f"{OVER}.wav"]


def test_an_unfinished_conversion_is_removed_and_made_again(tmp_path: Path) -> None:
    wav = wav_at(tmp_path / "recordings")
    left = [wav.with_name(f"{OVER}.ogg.4711.part"), wav.with_name(f"{OVER}.ogg.part")]
    for part in left:
        part.write_bytes(b"OggS and no more")
    site = Site(tmp_path)
    # Its own conversion may have begun another by now.
    assert not any(part.exists() for part in left)
    assert wav.exists()
    site.until(site.only_ogg)
    site.store.close()
    named_and_there(tmp_path)


def test_a_disk_that_is_full_at_the_conversion_leaves_the_wav_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wav = wav_at(tmp_path)

    def full(_samples: object, part: Path) -> None:
        part.write_bytes(b"OggS")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(opus, "_encode", full)
    with pytest.raises(opus.LinkError, match="No space left"):
        to_opus(wav)
    assert [p.name for p in wav.parent.iterdir()] == [wav.name]


def test_a_file_system_without_second_names_still_keeps_recordings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refused)
    site = Site(tmp_path)
    site.record()
    site.until(site.only_ogg)
    site.store.close()
    named_and_there(tmp_path)


def test_new_overs_are_converted_before_those_left_from_last_time(tmp_path: Path) -> None:
    for number in range(3):
        wav_at(tmp_path, f"old-{number}")
    (tmp_path / DAY / "gate" / "old-9.wav.part").write_bytes(wav_header(0) + bytes(320))
    (mended,) = salvage(tmp_path)
    assert mended.what == "old-9"
    order: list[str] = []
    busy, gate = threading.Event(), threading.Event()

    def convert(_root: Path, path: str, _stopped: object) -> opus.Converted:
        order.append(Path(path).stem)
        busy.set()
        assert gate.wait(10)
        return opus.Converted(path, "00", 1000 * 160 // SAMPLE_RATE_HZ)

    store = RecordingStore(tmp_path, convert=convert)
    assert busy.wait(5)
    recorder = store.recorder("gate")
    recorder.begin("new", DAY)
    recorder.end()
    results = []
    while len(results) < 6:
        results += store.results()
        if results:
            gate.set()
    store.close()
    assert order == ["old-0", "new", "old-1", "old-2", "old-9"]
