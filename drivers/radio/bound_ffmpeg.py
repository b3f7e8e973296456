"""ffmpeg for files of strangers: ``python -m drivers.radio.bound_ffmpeg SECONDS RATE``.

Reads a file on its standard input and writes mono samples on its standard output. It binds
itself to a few seconds of processor time and a piece of memory, then becomes ffmpeg, which may
open nothing, looks for nothing but Opus in OGG, and stops after so much sound. A module of few
imports: it is started for every voice note.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Sequence
from typing import Final

from drivers.radio.background import give_way

_CPU_S: Final = 10
_MEMORY_BYTES: Final = 1 << 30


def main(argv: Sequence[str]) -> int:
    """Become ffmpeg, bound; returns only when it is not there."""
    give_way(10)
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    try:
        import imageio_ffmpeg

        ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
        os.execv(ffmpeg, [  # noqa: S606  # no shell, and nothing of the sender's in it
            ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "error", "-threads", "1",
            "-protocol_whitelist", "pipe", "-f", "ogg", "-c:a", "libopus", "-i", "pipe:0",
            "-map", "0:a:0", "-t", argv[0], "-ac", "1", "-ar", argv[1],
            "-f", "s16le", "pipe:1",
        ])  # fmt: skip
    except (ImportError, RuntimeError, OSError) as error:
        sys.stderr.write(f"no ffmpeg ({error}); pip install imageio-ffmpeg\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
