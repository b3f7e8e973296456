"""The radio driver's commands of the command line."""

from __future__ import annotations

import json
import sys
import wave
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from drivers.radio import decode as recordings
from drivers.radio.heard import Heard
from drivers.radio.samples import SAMPLE_RATE_HZ
from gateway.interfaces import WireError

__all__ = ["decode", "encode"]

_USAGE, _OUTSIDE_FAILED = 2, 3


def _fail(message: str, status: int) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    raise typer.Exit(status)


def decode(
    wav: Annotated[Path, typer.Argument(help="A WAV file of any rate, mono or stereo.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Name every tone, call, code and packet in a recording."""
    nothing = True
    try:
        missing_s = recordings.missing_s(wav)
        if missing_s > 0:
            sys.stderr.write(
                f"warning: {wav}: the file is cut off: the last {missing_s:.2f} s that its "
                "header promises are not in it; read as far as it goes\n"
            )
        for heard in recordings.decode(wav):
            nothing = False
            typer.echo(json.dumps(recordings.as_json(heard)) if as_json else _line(heard))
    except WireError as error:
        _fail(f"{wav}: {error}", _USAGE)
    except OSError as error:
        _fail(f"{wav}: cannot be read: {error.strerror}", _USAGE)
    if nothing and not as_json:
        typer.echo("nothing heard")


def _line(heard: Heard) -> str:
    seconds = heard.start_sample / SAMPLE_RATE_HZ
    name = heard.kind if heard.set is None else f"{heard.kind} {heard.set}"
    line = f"{seconds:9.3f} s  {name:<14} {heard.value}  ({heard.duration_ms:.0f} ms)"
    also = recordings.as_json(heard).get("also")
    return f"{line}  also {', '.join(also)}" if isinstance(also, list) else line


def encode(
    spec: Annotated[
        str,
        typer.Argument(
            help="Such as dtmf:*110031#, zvei1:12345, mdc1200:emergency:1234, "
            "ctcss:88.5:2s, dcs:023N:2s."
        ),
    ],
    wav: Annotated[Path, typer.Argument(help="The WAV file to write.")],
    rate: Annotated[
        int, typer.Option(help="Its sample rate, Hz.", min=8000, max=192000)
    ] = SAMPLE_RATE_HZ,
) -> None:
    """Write tones, a call, a code or a packet to a WAV file."""
    try:
        samples = recordings.encode(spec, rate)
    except ValueError as error:
        _fail(str(error), _USAGE)
    try:
        with wav.open("wb") as file, wave.open(file, "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(rate)
            out.writeframes(samples.astype("<i2").tobytes())
    except OSError as error:
        _fail(f"{wav}: cannot be written: {error.strerror}", _OUTSIDE_FAILED)
    typer.echo(f"written: {wav} ({len(samples) / rate:.2f} s at {rate} Hz)")
