"""WAV files: bytes to samples and back. Pure.

Document: "Multimedia Programming Interface and Data Specifications 1.0", IBM and Microsoft,
August 1991, "WAVE form" chapter: RIFF chunks, ``fmt `` and ``data``.
"""

from __future__ import annotations

import struct

import numpy as np

from drivers.radio.samples import SAMPLE_RATE_HZ, Int16Array, resampled, to_int16
from gateway.interfaces import WireError

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
HEADER_BYTES = _HEADER.size
_PCM, _EXTENSIBLE = 1, 0xFFFE


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

    A ``data`` chunk that claims more than there is (programs that write to a pipe cannot know
    its length) ends with the file.

    Raises:
        WireError: not a WAV file, or not uncompressed PCM of 8, 16, 24 or 32 bits.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        msg = "not a WAV file: it does not begin with RIFF....WAVE"
        raise WireError(msg)
    form: tuple[int, int, int] | None = None
    at = 12
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 8 + size]
        if name == b"fmt ":
            form = _form(body)
        elif name == b"data" and form is not None:
            channels, rate_hz, bits = form
            return resampled(_first_channel(body, channels, bits), rate_hz)
        at += 8 + size + (size & 1)
    msg = "WAV file without sound: no fmt and data chunk"
    raise WireError(msg)


def _form(body: bytes) -> tuple[int, int, int]:
    """Return channels, rate and bits of a ``fmt `` chunk."""
    if len(body) < 16:
        msg = f"WAV file: fmt chunk of {len(body)} bytes, expected 16 at least"
        raise WireError(msg)
    tag, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if tag not in {_PCM, _EXTENSIBLE} or bits not in {8, 16, 24, 32}:
        msg = f"WAV file: format {tag} with {bits} bits; use uncompressed PCM, 16 bits"
        raise WireError(msg)
    if not (1 <= channels <= 32 and 4000 <= rate_hz <= 192000):
        msg = f"WAV file: {channels} channels at {rate_hz} Hz; use 1 channel, 8000 to 48000 Hz"
        raise WireError(msg)
    return channels, rate_hz, bits


def _first_channel(body: bytes, channels: int, bits: int) -> Int16Array:
    width = bits // 8
    body = body[: len(body) // (width * channels) * width * channels]
    if bits == 8:
        return ((np.frombuffer(body, np.uint8)[::channels].astype(np.int16) - 128) << 8).astype(
            np.int16
        )
    # The two most significant bytes of little-endian samples of any width.
    octets = np.frombuffer(body, np.uint8).reshape(-1, channels, width)[:, 0, width - 2 :]
    return to_int16(np.ascontiguousarray(octets).view("<i2")[:, 0].astype(np.float64))
