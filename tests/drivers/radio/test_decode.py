"""`gridcall decode` and `encode`: any WAV in, any tones out, and what a broken file gets."""

import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from drivers.radio.decode import decode, sound_of
from drivers.radio.heard import Heard
from drivers.radio.wav import wav_bytes
from gateway.cli import app
from gateway.interfaces import WireError

SPECS = {
    "dtmf:*110031#": [("dtmf", None, symbol) for symbol in "*110031#"],
    "zvei1:12344": [("selcall", "zvei1", "12344")],
    "zvei2:10002": [("selcall", "zvei2", "10002")],
    "ccir:99871": [("selcall", "ccir", "99871")],
    "eea:22222": [("selcall", "eea", "22222")],
    "eia:13579": [("selcall", "eia", "13579")],
    "mdc1200:emergency:1234": [("mdc1200", None, "emergency 1234")],
    "mdc1200:status:3:0740": [("mdc1200", None, "status 3 0740")],
    "mdc1200:call:5678:1234": [("mdc1200", None, "call alert to 5678 from 1234")],
    "ctcss:88.5:1s": [("ctcss", None, "88.5")],
    "dcs:023:1.5s": [("dcs", None, "023N")],
}
Float64Array = npt.NDArray[np.float64]


def what(found: list[Heard]) -> list[tuple[str, str | None, str]]:
    return [(h.kind, h.set, h.value) for h in found]


def gridcall(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, done.stdout, done.stderr


def wav_of(samples: Float64Array, rate_hz: int, tag: int, bits: int) -> bytes:
    """Return (n, channels) samples in -1..1 as a WAV file, made here."""
    n_channels = samples.shape[1]
    if tag == 3:
        body = samples.astype(f"<f{bits // 8}").tobytes()
    elif bits == 8:
        body = (np.rint(samples * 127) + 128).astype(np.uint8).tobytes()
    else:
        whole = np.rint(samples * (2.0 ** (bits - 1) - 1)).astype("<i4").reshape(-1)
        body = whole.view(np.uint8).reshape(-1, 4)[:, : bits // 8].tobytes()
    block = n_channels * bits // 8
    form = struct.pack("<HHIIHH", tag, n_channels, rate_hz, rate_hz * block, block, bits)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form
    # A chunk of another kind, of odd length, stands between them in many files.
    chunks += b"LIST" + struct.pack("<I", 3) + b"abc\0"
    chunks += b"data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("rate_hz", [8000, 44100])
def test_what_is_encoded_is_decoded(spec: str, rate_hz: int, tmp_path: Path) -> None:
    file = str(tmp_path / "a.wav")
    assert gridcall("encode", spec, file, "--rate", str(rate_hz))[0] == 0
    status, out, _ = gridcall("decode", file, "--json")
    assert status == 0
    lines = [json.loads(line) for line in out.splitlines()]
    assert [(x["kind"], x["set"], x["value"]) for x in lines] == SPECS[spec]
    # 200 ms of silence stand before; an MDC1200 packet is told from its sync on.
    assert abs(lines[0]["t"] - 0.2 - 0.047 * spec.startswith("mdc")) < 0.045
    assert 0.03 < lines[0]["duration"] < 2.2


@pytest.mark.parametrize(
    ("rate_hz", "tag", "bits"),
    [
        *((8000, 1, 8), (8000, 1, 24), (8000, 1, 32), (8000, 3, 32), (44100, 3, 64)),
        *((11025, 1, 16), (22050, 1, 8), (48000, 1, 24), (96000, 1, 16), (192000, 3, 32)),
    ],
)
def test_files_of_every_kind_are_read(
    rate_hz: int, tag: int, bits: int, tmp_path: Path
) -> None:
    sound = np.pad(sound_of("zvei1:12345"), 1600) / 32768.0
    other = np.pad(sound_of("mdc1200:ptt:1234"), (400, 0)) / 32768.0
    left = soxr.resample(sound, 8000, rate_hz)
    right = np.zeros(len(left))
    right[: round(len(other) * rate_hz / 8000)] = soxr.resample(other, 8000, rate_hz)
    file = tmp_path / "a.wav"
    file.write_bytes(wav_of(np.stack([left, right], axis=1), rate_hz, tag, bits))
    assert sorted(what(list(decode(file)))) == [
        ("mdc1200", None, "PTT ID start 1234"),
        ("selcall", "zvei1", "12345"),
    ]


def test_what_both_channels_carry_is_told_once(tmp_path: Path) -> None:
    sound = np.pad(sound_of("dtmf:*11#"), 1600) / 32768.0
    file = tmp_path / "a.wav"
    file.write_bytes(wav_of(np.stack([sound, -sound], axis=1), 8000, 1, 16))
    assert what(list(decode(file))) == [("dtmf", None, symbol) for symbol in "*11#"]


def test_a_recording_is_read_in_pieces_with_its_times_kept(tmp_path: Path) -> None:
    call = sound_of("ccir:12345")
    silence = np.zeros(9 * 8000 - 1234, np.int16)
    file = tmp_path / "a.wav"
    file.write_bytes(wav_bytes(np.concatenate([silence, call, silence, call])))
    found = list(decode(file))
    assert [h.value for h in found] == ["12345", "12345"]
    assert abs(found[0].start_sample - len(silence)) < 40
    assert abs(found[1].start_sample - 2 * len(silence) - len(call)) < 40


def test_a_file_that_ends_too_early_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = wav_bytes(np.concatenate([sound_of("zvei1:12345"), np.zeros(9000, np.int16)]))
    file = tmp_path / "a.wav"
    file.write_bytes(whole[: len(whole) - 4001])
    assert [h.value for h in decode(file)] == ["12345"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"RIFF", "not a WAV file"),
        (b"\x7fELF" * 20, "not a WAV file"),
        (wav_bytes(np.zeros(0, np.int16))[:36], "without sound"),
        (wav_of(np.zeros((9, 1)), 8000, 7, 8), "format 7"),
        (wav_of(np.zeros((9, 1)), 3, 1, 16), "3 Hz"),
        (wav_of(np.zeros((1, 40)), 8000, 1, 16), "40 channels"),
    ],
)
def test_a_file_that_is_none_is_named(content: bytes, words: str, tmp_path: Path) -> None:
    file = tmp_path / "a.wav"
    file.write_bytes(content)
    status, out, err = gridcall("decode", str(file))
    assert (status, out) == (2, "")
    assert str(file) in err
    assert words in err
    assert len(err.splitlines()) == 1


def test_files_that_cannot_be_read_or_written_are_named(tmp_path: Path) -> None:
    status, _, err = gridcall("decode", str(tmp_path / "none.wav"))
    assert (status, err.count("cannot be read")) == (2, 1)
    status, _, err = gridcall("decode", str(tmp_path))
    assert (status, err.count("cannot be read")) == (2, 1)
    status, _, err = gridcall("encode", "dtmf:1", str(tmp_path / "no" / "a.wav"))
    assert (status, err.count("cannot be written")) == (3, 1)


@given(st.data())
def test_no_header_does_more_than_fail(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = bytearray(wav_of(np.zeros((320, 2)), 8000, 1, 16))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, 60))] = data.draw(st.integers(0, 255))
    file = tmp_path_factory.getbasetemp() / "damaged.wav"
    file.write_bytes(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    try:
        list(decode(file))
    except WireError as error:
        assert "WAV" in str(error)


def test_floats_that_are_no_numbers_are_silence(tmp_path: Path) -> None:
    sound = np.pad(sound_of("zvei1:12345"), 1600) / 32768.0
    sound[:400] = np.nan
    sound[400:800] = np.inf
    sound[800:1000] = 1e30
    file = tmp_path / "a.wav"
    file.write_bytes(wav_of(sound[:, None], 8000, 3, 32))
    assert [h.value for h in decode(file)] == ["12345"]


@pytest.mark.parametrize(
    "spec",
    [
        *("", "dtmf", "dtmf:", "dtmf:12x", "fax:1", "zvei1:1234", "zvei1:E1234", "zvei9:12345"),
        *("mdc1200:ptt", "mdc1200:ptt:12345", "mdc1200:dance:1234", "mdc1200:status:300:1234"),
        *("mdc1200:call:1234", "ctcss:88.5", "ctcss:88.5:2", "ctcss:88.7:2s", "ctcss:x:2s"),
        *("ctcss:88.5:0s", "ctcss:88.5:9999s", "dcs:999:2s", "dcs::2s", "dcs:023N:-1s"),
    ],
)
def test_a_wrong_specification_is_named_and_nothing_written(spec: str, tmp_path: Path) -> None:
    file = tmp_path / "a.wav"
    status, _, err = gridcall("encode", spec, str(file))
    assert (status, file.exists()) == (2, False)
    assert len(err.splitlines()) == 1


def test_silence_is_no_mistake(tmp_path: Path) -> None:
    file = tmp_path / "a.wav"
    file.write_bytes(wav_bytes(np.zeros(16000, np.int16)))
    assert gridcall("decode", str(file)) == (0, "nothing heard\n", "")
    assert gridcall("decode", str(file), "--json") == (0, "", "")


def test_the_commands_are_shown_and_imported_only_when_wanted() -> None:
    status, out, _ = gridcall("--help")
    assert status == 0
    assert "decode" in out
    assert "encode" in out
    program = (
        "import sys, typer; from gateway.cli import app;"
        "group = typer.main.get_command(app);"
        "group.commands.get('run'), group.commands.get('nonsense');"
        "before = {'drivers.radio.commands', 'drivers.radio.hearing', 'soxr'} & set(sys.modules);"
        "group.commands['decode'];"
        "print(sorted(before), 'drivers.radio.commands' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[] True\n"


def test_a_file_that_was_cut_says_so_and_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = wav_bytes(sound_of("dtmf:*110031#"))
    path = tmp_path / "cut.wav"
    path.write_bytes(whole[: len(whole) * 2 // 3 - 1])
    status, out, err = gridcall("decode", str(path))
    assert status == 0
    assert "*" in out
    assert "#" not in out, "it is not in the file"
    assert err.startswith(f"warning: {path}: the file is cut off: the last 0.")
    path.write_bytes(whole)
    assert gridcall("decode", str(path))[2] == ""
    # A program that writes to a pipe cannot know the length.
    path.write_bytes(whole[:40] + b"\xff" * 4 + whole[44:])
    status, out, err = gridcall("decode", str(path))
    assert (status, err) == (0, "")
    assert "#" in out


@pytest.mark.parametrize(
    ("spec", "value", "also"),
    [
        ("dzvei:12345", "C1234", "dzvei:12345"),
        ("dzvei:01234", None, "dzvei:01234"),
        ("dzvei:11234", None, "dzvei:11234"),
        ("dcs:023I:1.5s", "047N", "dcs:023I"),
        ("dcs:047N:1.5s", "047N", "dcs:023I"),
    ],
)
def test_what_sounds_alike_is_named_beside_it(
    spec: str, value: str | None, also: str, tmp_path: Path
) -> None:
    path = tmp_path / "twin.wav"
    path.write_bytes(wav_bytes(np.concatenate([sound_of(spec), np.zeros(1600, np.int16)])))
    status, out, _ = gridcall("decode", str(path))
    assert status == 0
    assert f"also {also}" in out.replace(", ", " also ")
    if value is not None:
        assert f" {value} " in out


@pytest.mark.parametrize("spec", ["ctcss:88.4", "ctcss:88.4:2s", "ctcss:88.4:2"])
def test_a_tone_that_is_none_is_named_with_the_nearest(spec: str, tmp_path: Path) -> None:
    status, _, err = gridcall("encode", spec, str(tmp_path / "x.wav"))
    assert status == 2
    assert "88.4 Hz is not a CTCSS tone; the nearest is 88.5" in err
