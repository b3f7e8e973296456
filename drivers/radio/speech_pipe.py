"""The pipe between the speech worker and the radio process: messages to bytes and back. Pure.

Both ways: 4 bytes big-endian length, then so many bytes of JSON. A request is
``{"id", "text", "language", "rate_wpm"}``; the answer ``{"id", "ok", "samples", "why"}`` is
followed by ``samples`` 16-bit little-endian samples (8 kHz mono, shaped for the channel). The
worker's first answer has id 0 and says whether its engine is ready.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass

import numpy as np

from drivers.radio.samples import SAMPLE_RATE_HZ, Int16Array
from gateway.interfaces import WireError

LENGTH = struct.Struct("!I")
JSON_BYTES_MAX = 64 * 1024
# A minute of speech: longer is no sentence of ours.
SAMPLES_MAX = 60 * SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the worker, as it came over the pipe."""

    id: int
    samples: Int16Array | None
    why: str


def pack_message(message: dict[str, object], samples: Int16Array | None = None) -> bytes:
    """Return a message as it goes over the pipe."""
    body = json.dumps(message).encode()
    tail = b"" if samples is None else samples.astype("<i2").tobytes()
    return LENGTH.pack(len(body)) + body + tail


class AnswerParser:
    """Cuts the worker's output into answers, in whatever pieces it arrives."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[Answer]:
        """Take bytes in and return the answers that are whole.

        Raises:
            WireError: the bytes are not what a worker writes; nothing after it can be trusted.
        """
        self._data += data
        answers: list[Answer] = []
        while (answer := self._one()) is not None:
            answers.append(answer)
        return answers

    def _one(self) -> Answer | None:
        if len(self._data) < LENGTH.size:
            return None
        (length,) = LENGTH.unpack_from(self._data)
        if length > JSON_BYTES_MAX:
            msg = f"speech worker: an answer's head of {length} bytes"
            raise WireError(msg)
        begin = LENGTH.size + length
        if len(self._data) < begin:
            return None
        number, ok, count, why = _answer_head(bytes(self._data[LENGTH.size : begin]))
        end = begin + 2 * count
        if len(self._data) < end:
            return None
        samples = np.frombuffer(bytes(self._data[begin:end]), "<i2").astype(np.int16)
        samples.setflags(write=False)
        del self._data[:end]
        return Answer(number, samples if ok else None, why)


def _answer_head(body: bytes) -> tuple[int, bool, int, str]:
    try:
        head = json.loads(body)
        number, ok, count, why = head["id"], head["ok"], head["samples"], str(head["why"])
    except (ValueError, KeyError, TypeError) as error:
        msg = f"speech worker: an answer that is not ours ({error})"
        raise WireError(msg) from error
    if type(number) is not int or type(count) is not int or not 0 <= count <= SAMPLES_MAX:
        msg = f"speech worker: an answer with {count!r} samples"
        raise WireError(msg)
    return number, ok is True, count, why
