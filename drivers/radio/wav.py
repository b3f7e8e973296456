"""WAV files: bytes to samples and back. Pure.

Document: "Multimedia Programming Interface and Data Specifications 1.0", IBM and Microsoft,
August 1991, "WAVE form" chapter: RIFF chunks, ``fmt `` and ``data``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from mmap import mmap

import numpy as np
import numpy.typing as npt

from drivers.radio.samples import SAMPLE_RATE_HZ, Int16Array, resampled, to_int16
from gateway.interfaces import WireError

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
HEADER_BYTES = _HEADER.size
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
# Who writes to a pipe puts the most that fits, or the half of it, less what heads it.
_UNKNOWN_BYTES = 0x7FFF0000
_BITS = {_PCM: {8, 16, 24, 32}, _FLOAT: {32, 64}}


@dataclass(frozen=True, slots=True)
class WavForm:
    """How the samples of a WAV file lie in it.

    Attributes:
        channels: 1 to 32.
        rate_hz: 4000 to 192000.
        bits: of one sample.
        is_float: IEEE floating point, otherwise integers (8 bits unsigned).
        begin, end: place of the samples in the file, in bytes; whole samples of all channels.
        missing_bytes: how much sound the header promises that the file does not have; 0 where
            it only says that it does not know.
    """

    channels: int
    rate_hz: int
    bits: int
    is_float: bool
    begin: int
    end: int
    missing_bytes: int = 0

    @property
    def block_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return self.channels * self.bits // 8


def wav_header(n_samples: int) -> bytes:
    """Return the 44 bytes before ``n_samples`` of 8 kHz mono 16-bit sound."""
    size = 2 * n_samples
    rate = SAMPLE_RATE_HZ
    return _HEADER.pack(
        b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, _PCM, 1, rate, 2 * rate, 2, 16, b"data", size
    )


def wav_bytes(samples: Int16Array) -> bytes:
    """Return the samples as a whole WAV file, 8 kHz mono 16-bit."""
    return wav_header(len(samples)) + samples.astype("<i2").tobytes()


def parse_wav(data: bytes) -> Int16Array:
    """Return the sound of a WAV file as 8 kHz mono int16; of several channels the first.

    Raises:
        WireError: as `wav_form`.
    """
    form = wav_form(data)
    samples = wav_samples(data[form.begin : form.end], form)[:, 0]
    return resampled(to_int16(samples * 32768.0), form.rate_hz)


def wav_form(data: bytes | mmap) -> WavForm:
    """Return where the sound of a WAV file lies and what it is.

    A ``data`` chunk that claims more than there is (programs that write to a pipe cannot know
    its length) ends with the file.

    Args:
        data: the whole file: bytes, or a memory map of it.

    Raises:
        WireError: not a WAV file, or neither PCM of 8, 16, 24 or 32 bits nor floats.
    """
    view = memoryview(data)
    if bytes(view[:4]) != b"RIFF" or bytes(view[8:12]) != b"WAVE":
        msg = "not a WAV file: it does not begin with RIFF....WAVE"
        raise WireError(msg)
    form: WavForm | None = None
    at = 12
    while at + 8 <= len(view):
        name, size = struct.unpack_from("<4sI", view, at)
        begin, end = at + 8, min(at + 8 + size, len(view))
        if name == b"fmt ":
            form = _form(bytes(view[begin : min(end, begin + 64)]))
        elif name == b"data" and form is not None:
            missing_bytes = begin + size - end if size < _UNKNOWN_BYTES else 0
            end -= (end - begin) % form.block_bytes
            return replace(form, begin=begin, end=end, missing_bytes=missing_bytes)
        at += 8 + size + (size & 1)
    msg = "WAV file without sound: no fmt and data chunk"
    raise WireError(msg)


def _form(body: bytes) -> WavForm:
    """Return what a ``fmt `` chunk says; of the place nothing yet."""
    if len(body) < 16:
        msg = f"WAV file: fmt chunk of {len(body)} bytes, expected 16 at least"
        raise WireError(msg)
    tag, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if tag == _EXTENSIBLE:
        # The first two bytes of the sub-format are the plain tag; files without it are PCM.
        tag = int.from_bytes(body[24:26], "little") if len(body) >= 26 else _PCM
    if bits not in _BITS.get(tag, set()):
        msg = f"WAV file: format {tag} with {bits} bits; use PCM (8 to 32 bits) or floats"
        raise WireError(msg)
    if not (1 <= channels <= 32 and 4000 <= rate_hz <= 192000):
        msg = f"WAV file: {channels} channels at {rate_hz} Hz; use 1 to 32, 4000 to 192000 Hz"
        raise WireError(msg)
    return WavForm(channels, rate_hz, bits, tag == _FLOAT, 0, 0)


def wav_samples(body: bytes, form: WavForm) -> npt.NDArray[np.float64]:
    """Return (n, channels) samples in -1..1 of a piece of a WAV file's sound.

    Floats beyond full scale are clipped, and what is no number is silence.
    """
    width = form.bits // 8
    if form.is_float:
        values = np.frombuffer(body, f"<f{width}").astype(np.float64)
        whole = np.clip(np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0), -1.0, 1.0)
    elif width == 1:
        whole = np.frombuffer(body, np.uint8) / 128.0 - 1.0
    else:
        # Aligned to the top of four bytes, integers of any width are alike.
        octets = np.zeros((len(body) // width, 4), np.uint8)
        octets[:, 4 - width :] = np.frombuffer(body, np.uint8).reshape(-1, width)
        whole = octets.view("<i4")[:, 0] / 2.0**31
    return whole.reshape(-1, form.channels)
