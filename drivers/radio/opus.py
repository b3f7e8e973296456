"""OGG/Opus: finished recordings made small, in a process that gives way to everything else.

pydub drives the ffmpeg of imageio-ffmpeg, a GPL-3 binary run as its own process.
``python -m drivers.radio.opus FILE.wav`` converts one file and prints its digest as JSON.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from drivers.radio.background import give_way, module_command, module_environment
from drivers.radio.durable import PART_SUFFIX, settle
from drivers.radio.samples import SAMPLE_RATE_HZ, Int16Array
from drivers.radio.wav import parse_wav
from gateway.interfaces import GridcallError, LinkError, SetupError

# Speech on a channel of 3 kHz; more tells the ear nothing.
_OPUS_BITRATE = "16k"
_CONVERSION_TIME_OUT_S = 120.0
_LOOK_EVERY_S = 0.5


def to_opus(wav_path: Path) -> Path:
    """Return the OGG/Opus file that is on the disk, whole, beside the WAV file.

    One that is there already is returned as it is: its digest may stand in the journal. The
    WAV file stays; it is the evidence until the engine knows of the other. Slow: for a process
    of its own.

    Raises:
        LinkError: ffmpeg or the disk failed.
        SetupError: pydub or ffmpeg is not installed.
        WireError: it is no WAV file.
    """
    final = wav_path.with_suffix(".ogg")
    if final.exists():
        return final
    # Of this process alone: one that a killed radio process has left may still be at work.
    part = final.with_name(f"{final.name}.{os.getpid()}{PART_SUFFIX}")
    try:
        samples = parse_wav(wav_path.read_bytes())
        _encode(samples, part)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        settle(part, final)
    except OSError as error:
        msg = f"recordings: {wav_path.name} could not be made OGG/Opus ({error})"
        raise LinkError(msg) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return final


def remove_unfinished(folder: Path, stem: str = "*") -> None:
    """Return with what conversions that were ended have left in a folder gone.

    Raises:
        OSError: the disk failed.
    """
    for part in folder.glob(f"{stem}.ogg*{PART_SUFFIX}"):
        part.unlink(missing_ok=True)


def _encode(samples: Int16Array, part: Path) -> None:
    try:
        with warnings.catch_warnings():
            # It warns of an ffmpeg that is not on the path; ours comes in a package.
            warnings.simplefilter("ignore")
            import imageio_ffmpeg
            from pydub import AudioSegment
            from pydub.exceptions import CouldntEncodeError

        converter = imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        msg = f"recordings: pydub or ffmpeg is missing ({error}); pip install imageio-ffmpeg"
        raise SetupError(msg) from error
    AudioSegment.converter = converter
    segment = AudioSegment(
        data=samples.astype("<i2").tobytes(),
        sample_width=2,
        frame_rate=SAMPLE_RATE_HZ,
        channels=1,
    )
    try:
        segment.export(str(part), format="ogg", codec="libopus", bitrate=_OPUS_BITRATE).close()
    except CouldntEncodeError as error:
        last = str(error).strip().splitlines()[-1]
        msg = f"recordings: {part.name}: ffmpeg failed ({last})"
        raise LinkError(msg) from error


@dataclass(frozen=True, slots=True)
class Converted:
    """An OGG/Opus file on the disk: path below the root, SHA-256, how long it plays."""

    path: str
    sha256: str
    duration_ms: int


def convert_in_process(root: Path, path: str, stopped: threading.Event) -> Converted:
    """Return once ``root / path`` is also there as OGG/Opus; done behind everything else.

    Args:
        root: Folder of the recordings.
        path: The WAV file below it.
        stopped: Set when the answer is no longer wanted.

    Raises:
        LinkError: it did not work; there is the WAV file only.
    """
    try:
        process = subprocess.Popen(
            module_command("drivers.radio.opus", [str(root / path)]),
            env=module_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # A group of its own, so that ffmpeg goes with it.
            start_new_session=True,
        )
    except OSError as error:
        msg = f"no process for ffmpeg ({error.strerror}); it stays WAV"
        raise LinkError(msg) from error
    with process:
        answer, complaint = _awaited(process, stopped)
    if process.returncode != 0:
        with contextlib.suppress(OSError):
            remove_unfinished((root / path).parent, Path(path).stem)
        why = complaint.decode(errors="replace").strip()[-300:] or "ffmpeg took too long"
        msg = f"{why}; it stays WAV"
        raise LinkError(msg)
    done = json.loads(answer)
    return Converted(path.removesuffix(".wav") + ".ogg", done["sha256"], done["duration_ms"])


def _awaited(process: subprocess.Popen[bytes], stopped: threading.Event) -> tuple[bytes, bytes]:
    """Return the output of the process; end it when it takes too long or is not wanted."""
    for _ in range(round(_CONVERSION_TIME_OUT_S / _LOOK_EVERY_S)):
        try:
            return process.communicate(timeout=_LOOK_EVERY_S)
        except subprocess.TimeoutExpired:
            if stopped.is_set():
                break
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.communicate()


def main(argv: Sequence[str]) -> int:
    """Convert one WAV file; print the digest. Status 1 when it stays WAV."""
    give_way(15)
    wav_path = Path(argv[0])
    try:
        n_samples = len(parse_wav(wav_path.read_bytes()))
        final = to_opus(wav_path)
        digest = hashlib.sha256(final.read_bytes()).hexdigest()
    except (GridcallError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    done = {"sha256": digest, "duration_ms": 1000 * n_samples // SAMPLE_RATE_HZ}
    sys.stdout.write(json.dumps(done))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
