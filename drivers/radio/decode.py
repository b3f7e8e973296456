"""Recordings: every tone in a WAV file, and a WAV file of any tones.

What `gridcall decode` and `gridcall encode` do. A file is read and resampled piece by piece:
one of many hours needs no more memory than one of a second.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr

from drivers.radio import ctcss, dcs, dtmf, mdc1200_words, selcall_tables
from drivers.radio.dtmf_holes import UNREAD
from drivers.radio.heard import Heard, MdcPacket, SelcallFit
from drivers.radio.hearing import Hearing, Wishes
from drivers.radio.samples import FRAME_SAMPLES, SAMPLE_RATE_HZ, Int16Array, to_int16
from drivers.radio.wav import WavForm, wav_form, wav_samples
from gateway.interfaces import WireError

__all__ = ["EVERYTHING", "as_json", "decode", "encode", "missing_s", "sound_of"]

# Tables whose calls are calls of another table throughout (DZVEI of ZVEI1) are left out.
EVERYTHING = Wishes(
    dtmf=True,
    selcall=tuple(selcall_tables.TABLES[t] for t in ("zvei1", "zvei2", "ccir", "eea", "eia")),
    mdc1200=True,
    ctcss_hz=ctcss.TONES_HZ,
    # Every inverted code is another code upright.
    dcs=tuple(f"{code}N" for code in dcs.CODES),
)
_PIECE_S = 4
# Both channels of a stereo recording carry the same call, a little apart.
_SAME_SAMPLES = 800
_FORGOTTEN_SAMPLES = 10 * SAMPLE_RATE_HZ


def decode(path: Path, wishes: Wishes = EVERYTHING) -> Iterator[Heard]:
    """Yield everything heard in a WAV file, piece by piece in order.

    ``start_sample`` counts at 8 kHz. What several channels of the file carry alike is told
    once, as heard on the first.

    Args:
        path: PCM of 8 to 32 bits or floats, 1 to 32 channels, 4 to 192 kHz.
        wishes: what to listen for.

    Raises:
        WireError: not such a file.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            msg = "not a WAV file: it is empty"
            raise WireError(msg)
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        form = wav_form(data)
        yield from _without_doubles(_heard_in(data, form, wishes))


def _heard_in(data: mmap.mmap, form: WavForm, wishes: Wishes) -> Iterator[Heard]:
    hearing = Hearing([wishes] * form.channels)
    yes = np.ones(form.channels, np.bool_)
    left = np.zeros((0, form.channels), np.int16)
    for piece in _pieces(data, form):
        samples = np.concatenate([left, to_int16(piece * 32768.0)])
        whole = len(samples) - len(samples) % FRAME_SAMPLES
        yield from hearing.hear(samples[:whole].T, yes)
        left = samples[whole:]
    # The rest, and one frame of silence behind the over.
    rest = np.zeros((FRAME_SAMPLES, form.channels), np.int16)
    rest[: len(left)] = left
    yield from hearing.hear(rest.T, yes)
    yield from hearing.hear(np.zeros_like(rest.T), ~yes)


def _pieces(data: mmap.mmap, form: WavForm) -> Iterator[npt.NDArray[np.float64]]:
    """Yield (n, channels) pieces of the sound at 8 kHz."""
    resampler = soxr.ResampleStream(
        form.rate_hz, SAMPLE_RATE_HZ, form.channels, dtype="float64", quality="HQ"
    )
    step = _PIECE_S * form.rate_hz * form.block_bytes
    for begin in range(form.begin, form.end, step):
        end = min(begin + step, form.end)
        piece = wav_samples(data[begin:end], form)
        yield resampler.resample_chunk(np.ascontiguousarray(piece), last=end == form.end)


def _without_doubles(found: Iterator[Heard]) -> Iterator[Heard]:
    """Yield what was read, and not just now on another channel of the file."""
    recent: list[Heard] = []
    for heard in found:
        recent = [r for r in recent if heard.start_sample - r.start_sample < _FORGOTTEN_SAMPLES]
        if heard.value == UNREAD or any(_alike(heard, r) for r in recent):
            continue
        recent.append(heard)
        yield heard


def _alike(a: Heard, b: Heard) -> bool:
    return (
        a.channel != b.channel
        and (a.kind, a.set, a.value) == (b.kind, b.set, b.value)
        and abs(a.start_sample - b.start_sample) < _SAME_SAMPLES
    )


def as_json(heard: Heard) -> dict[str, object]:
    """Return what `gridcall decode --json` prints of one thing heard; times in seconds."""
    out: dict[str, object] = {
        "t": round(heard.start_sample / SAMPLE_RATE_HZ, 3),
        "kind": heard.kind,
        "set": heard.set,
        "value": heard.value,
        "duration": round(heard.duration_ms / 1000.0, 3),
    }
    if isinstance(heard.detail, MdcPacket):
        fields = ("op", "arg", "unit", "status")
        out |= {name: getattr(heard.detail, name) for name in fields}
    also = _also(heard)
    if also:
        out["also"] = also
    return out


def _also(heard: Heard) -> list[str]:
    """Return what else the same sound would be, listened for or not."""
    if heard.kind == "dcs":
        return [f"dcs:{name}" for name in dcs.twins(heard.value)]
    if heard.kind != "selcall":
        return []
    tables = selcall_tables.TABLES
    also = list(heard.detail.also) if isinstance(heard.detail, SelcallFit) else []
    # DZVEI is not listened for: its calls are calls of ZVEI1 throughout.
    for reading in (f"{heard.set}:{heard.value}", *also):
        table, _, call = reading.partition(":")
        if table == "zvei1":
            twin = selcall_tables.read_as(call, tables["zvei1"], tables["dzvei"])
            also += [f"dzvei:{twin}"] if twin is not None else []
            break
    return also


def missing_s(path: Path) -> float:
    """Return how many seconds of sound a WAV file promises and does not have.

    Raises:
        WireError: not a WAV file.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            return 0.0
        form = wav_form(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        return form.missing_bytes / (form.block_bytes * form.rate_hz)


# ---- outwards ----

_MDC_OPS = {
    "ptt": (0x01, 0x80),
    "end": (0x01, 0x00),
    "emergency": (0x00, 0x80),
    "emergency-ack": (0x20, 0x00),
    "radio-check": (0x63, 0x85),
    "radio-check-ack": (0x30, 0x00),
}
_MDC_NUMBERED = {"status": 0x46, "message": 0x47}
_DURATION = re.compile(r"(\d{1,4}(?:\.\d{1,3})?)s", re.ASCII)
_UNIT = re.compile(r"[0-9A-Fa-f]{4}", re.ASCII)
_HEX_BYTE = re.compile(r"[0-9A-Fa-f]{1,2}", re.ASCII)
_DURATION_MAX_S = 600.0
_MARGIN_MS = 200.0


def sound_of(spec: str) -> Int16Array:
    """Return the sound that a specification asks for, at 8 kHz.

    ``dtmf:*110031#``, ``zvei1:12345`` (any table), ``mdc1200:emergency:1234``,
    ``mdc1200:status:3:1234``, ``mdc1200:call:5678:1234``, ``ctcss:88.5:2s``, ``dcs:023N:2s``
    (``dcs:023:2s`` is the same).

    Raises:
        ValueError: what is wrong with it, and what would be right.
    """
    kind, _, rest = spec.partition(":")
    if kind in selcall_tables.TABLES:
        return selcall_tables.encode(selcall_tables.TABLES[kind], rest)
    maker = _MAKERS.get(kind)
    if maker is None or not rest:
        known = ", ".join([*_MAKERS, *selcall_tables.TABLES])
        msg = f"{spec!r}: should be KIND:VALUE, KIND one of {known}"
        raise ValueError(msg)
    return maker(rest)


def _dtmf_sound(symbols: str) -> Int16Array:
    return dtmf.encode(symbols)


def _mdc_sound(rest: str) -> Int16Array:
    name, *fields = rest.split(":")
    packet = _mdc_packet(name, fields)
    if packet is None:
        msg = (
            f"mdc1200:{rest}: should be {', '.join(f'{op}:UNIT' for op in _MDC_OPS)}, "
            "status:N:UNIT, message:N:UNIT or call:TO:FROM; a unit has four hexadecimal digits"
        )
        raise ValueError(msg)
    return mdc1200_words.encode(packet)


def _mdc_packet(name: str, fields: list[str]) -> MdcPacket | None:
    if not fields or not _UNIT.fullmatch(fields[-1]):
        return None
    unit = bytes.fromhex(fields[-1])
    middle = fields[:-1]
    if name in _MDC_OPS and not middle:
        return mdc1200_words.packet_of(bytes(_MDC_OPS[name]) + unit)
    if name in _MDC_NUMBERED and len(middle) == 1 and _HEX_BYTE.fullmatch(middle[0]):
        word = bytes([_MDC_NUMBERED[name], int(middle[0], 16)])
        return mdc1200_words.packet_of(word + unit)
    if name == "call" and len(middle) == 1 and _UNIT.fullmatch(middle[0]):
        first = bytes([0x35, 0x89]) + bytes.fromhex(middle[0])
        return mdc1200_words.packet_of(first, second=bytes([0x83, 0x0D]) + unit)
    return None


def _ctcss_sound(rest: str) -> Int16Array:
    tone = rest.partition(":")[0]
    try:
        hz = float(tone)
    except ValueError:
        msg = f"ctcss:{rest}: {tone!r} is not a frequency; as in ctcss:88.5:2s"
        raise ValueError(msg) from None
    # Before its duration: of two things that are wrong the tone is named.
    ctcss.tone_named(hz)
    _, duration_ms = _lasting("ctcss:88.5", rest)
    return ctcss.encode(hz, duration_ms)


def _dcs_sound(rest: str) -> Int16Array:
    code, duration_ms = _lasting("dcs:023N", rest)
    return dcs.encode(code if code.endswith(("N", "I")) else f"{code}N", duration_ms)


def _lasting(example: str, rest: str) -> tuple[str, float]:
    """Return what stands before the last colon, and the duration after it in ms."""
    value, _, duration = rest.rpartition(":")
    found = _DURATION.fullmatch(duration)
    if found is None or not 0.0 < float(found[1]) <= _DURATION_MAX_S:
        msg = f"{duration!r} is not a duration up to {_DURATION_MAX_S:g}s; as in {example}:2s"
        raise ValueError(msg)
    return value, 1000.0 * float(found[1])


_MAKERS: dict[str, Callable[[str], Int16Array]] = {
    "dtmf": _dtmf_sound,
    "mdc1200": _mdc_sound,
    "ctcss": _ctcss_sound,
    "dcs": _dcs_sound,
}


def encode(spec: str, rate_hz: int = SAMPLE_RATE_HZ) -> Int16Array:
    """Return the sound of a specification at any rate, with silence before and after.

    Raises:
        ValueError: as `sound_of`.
    """
    edge = np.zeros(round(_MARGIN_MS * SAMPLE_RATE_HZ / 1000.0), np.int16)
    sound = np.concatenate([edge, sound_of(spec), edge])
    if rate_hz == SAMPLE_RATE_HZ:
        return sound
    return to_int16(soxr.resample(sound.astype(np.float64), SAMPLE_RATE_HZ, rate_hz, "HQ"))
