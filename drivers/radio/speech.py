"""Speech: sentences rendered in a worker process, with a budget, a cache and a fallback.

``python -m drivers.radio.speech`` is the worker. It reads requests on standard input and writes
samples on standard output; eSpeak NG (GPL-3) is loaded there and nowhere else. ``SpeechWorker``
is the other end, for a selector loop: nothing in it waits. A worker that dies is started again,
more and more slowly; one that holds a sentence longer than the budget is killed, because the
order is by then spoken by ``fallback_phrase`` and the next one must not wait behind it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from drivers.radio.background import give_way, module_command, module_environment
from drivers.radio.fallback import CLIPS, LANGUAGES, check_fallback, fallback_phrase
from drivers.radio.samples import Int16Array
from drivers.radio.shaping import shaped_speech
from drivers.radio.speech_pipe import (
    LENGTH,
    SAMPLES_MAX,
    Answer,
    AnswerParser,
    Manner,
    pack_message,
)
from drivers.radio.wav import wav_bytes
from gateway.interfaces import GridcallError, SetupError, WireError

__all__ = [
    "Rendered",
    "SpeechConfig",
    "SpeechWorker",
    "check_fallback",
    "fallback_phrase",
    "load_manner",
    "spawn_worker",
]

# Merged pages of eight channels, several sentences each; beyond that the fallback is quicker.
_WAITING_MAX = 64
# After an engine's death: at once, then rarer, so that a broken one does not eat the computer.
_BACK_OFF_FIRST_S, _BACK_OFF_MAX_S = 0.25, 30.0
# A sentence over which two workers died is not given to a third.
_DEATHS_MAX = 2
_READ_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class SpeechConfig:
    """How sentences are rendered, and what it may cost.

    Attributes:
        manner: How they are spoken.
        budget_s: A sentence not ready by then is given up.
        cache_bytes: How much rendered speech is kept.
    """

    manner: Manner = field(default_factory=Manner)
    budget_s: float = 5.0
    cache_bytes: int = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Rendered:
    """What became of a request.

    Attributes:
        key: The caller's own.
        samples: 8 kHz mono int16, read-only; None when it failed: speak the fallback.
        why: Why it failed, for the log; empty when it did not.
    """

    key: str
    samples: Int16Array | None
    why: str = ""


def load_manner(path: Path) -> Manner:
    """Return how sentences are spoken by resolved settings.

    Raises:
        SetupError: the file cannot be read, or holds no resolved settings.
    """
    try:
        return Manner.read(json.loads(path.read_bytes()).get("speech", {}))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        msg = f"{path} holds no resolved settings: {error}"
        raise SetupError(msg) from error


# What makes one rendering the same as another, while the manner stays: language and text.
_Phrase = tuple[str, str]


class _Cache:
    """Phrases by (language, text); the longest unused leave when the bytes run out."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._phrases: OrderedDict[_Phrase, Int16Array] = OrderedDict()

    def get(self, phrase: _Phrase) -> Int16Array | None:
        samples = self._phrases.get(phrase)
        if samples is not None:
            self._phrases.move_to_end(phrase)
        return samples

    def put(self, phrase: _Phrase, samples: Int16Array) -> None:
        if samples.nbytes > self._bytes_max or phrase in self._phrases:
            return
        self._phrases[phrase] = samples
        self._bytes += samples.nbytes
        while self._bytes > self._bytes_max:
            self._bytes -= self._phrases.popitem(last=False)[1].nbytes

    def clear(self) -> None:
        self._phrases.clear()
        self._bytes = 0


@dataclass(slots=True)
class _Order:
    """One phrase on its way, and everybody who waits for it: (key, until when)."""

    phrase: _Phrase
    waiting: list[tuple[str, float]]
    deaths: int = 0  # workers that died over it


Spawn = Callable[[Sequence[str], int], "subprocess.Popen[bytes]"]


def spawn_worker(arguments: Sequence[str], output: int) -> subprocess.Popen[bytes]:
    """Start ``python -m drivers.radio.speech`` writing to the descriptor ``output``.

    Raises:
        OSError: the system cannot start a process now.
    """
    return subprocess.Popen(
        module_command("drivers.radio.speech", arguments),
        stdin=subprocess.PIPE,
        stdout=output,
        env=module_environment(),
        bufsize=0,
    )


class SpeechWorker:
    """The speech worker as a selector loop sees it. No method waits.

    ``fileno`` becomes readable when ``read`` has something; it stays the same over the worker's
    restarts. ``read`` must be called each tick in any case: it also keeps the time.

    Args:
        config: How to render.
        clock: Monotonic seconds.
        spawn: How a worker is started.

    Raises:
        SetupError: the fallback recordings are not there.
    """

    def __init__(
        self,
        config: SpeechConfig,
        *,
        clock: Callable[[], float] = time.monotonic,
        spawn: Spawn = spawn_worker,
    ) -> None:
        check_fallback()
        self._config = config
        self._clock = clock
        self._spawn = spawn
        self._cache = _Cache(config.cache_bytes)
        self._queue: deque[_Order] = deque()
        self._flying: tuple[int, float, _Order] | None = None  # id, since when, what
        self._unsent = bytearray()
        self._parser = AnswerParser()
        self._process: subprocess.Popen[bytes] | None = None
        self._dying: subprocess.Popen[bytes] | None = None
        self._lost: list[Rendered] = []
        # Our own pipe, not Popen's: it outlives the worker, so that a selector may keep it.
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._last_id = 0
        self._back_off_s = 0.0
        self._start_at_s = clock()
        self.restarts = -1
        self.last_error = ""
        self._start()

    def request(self, key: str, text: str, language: str) -> Rendered | None:
        """Ask for a sentence; return it at once when it is known, or can only fail.

        Args:
            key: The caller's own, handed back with the result.
            text: Plain words; numbers that must be said digit by digit come as words.
            language: ``zh_CN`` or ``en``.
        """
        phrase = (language, text)
        known = self._cache.get(phrase)
        if known is not None:
            return Rendered(key, known)
        until = self._clock() + self._config.budget_s
        flying = [self._flying[2]] if self._flying else []
        for order in (*flying, *self._queue):
            if order.phrase == phrase:
                order.waiting.append((key, until))
                return None
        if len(self._queue) >= _WAITING_MAX:
            return Rendered(key, None, f"{_WAITING_MAX} sentences are waiting already")
        self._queue.append(_Order(phrase, [(key, until)]))
        self._send_next()
        return None

    def speak_as(self, manner: Manner) -> None:
        """Have everything from now on spoken in that manner, by another worker if it differs.

        What is under way or waiting is spoken in the new manner; its budget goes on.
        """
        if manner == self._config.manner:
            return
        self._config = replace(self._config, manner=manner)
        self._cache.clear()
        self._kill()
        if self._flying is not None:
            self._queue.appendleft(self._flying[2])
            self._flying = None
        self._back_off_s = 0.0
        self._start_at_s = self._clock()

    def read(self) -> list[Rendered]:
        """Return what is ready or given up; start, feed and judge the worker. Never waits."""
        done: list[Rendered] = []
        ended = self._process is not None and self._process.poll() is not None
        try:
            for answer in self._parser.feed(self._drained()):
                done += self._answered(answer)
        except WireError as error:
            self._fail(str(error))
        if ended:
            self._fail(self.last_error or "the speech worker died")
        done += self._given_up()
        self._bury()
        if self._process is None and self._dying is None and self._clock() >= self._start_at_s:
            self._start()
        self._send_next()
        return done

    def fileno(self) -> int:
        """Return the descriptor that becomes readable with an answer."""
        return self._read_end

    @property
    def alive(self) -> bool:
        """Whether a worker is running."""
        return self._process is not None

    def close(self) -> None:
        """End the worker and forget what was asked for; closing twice does nothing."""
        self._kill()
        if self._dying is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._dying.wait(1.0)
            self._dying = None
        self._queue.clear()
        for end in (self._read_end, self._write_end):
            if end >= 0:
                os.close(end)
        self._read_end = self._write_end = -1

    def _start(self) -> None:
        try:
            manner = self._config.manner.as_json()
            self._process = self._spawn([f"--manner={manner}"], self._write_end)
        except OSError as error:
            self._fail(f"the speech worker cannot be started ({error.strerror})")
            return
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)
        self.restarts += 1

    def _fail(self, why: str) -> None:
        """Put the worker away; what it was doing waits for the next one, within its budget."""
        self.last_error = why
        self._kill()
        if self._flying is not None:
            order, self._flying = self._flying[2], None
            order.deaths += 1
            if order.deaths < _DEATHS_MAX:
                self._queue.appendleft(order)
            else:
                self._lost += [Rendered(key, None, why) for key, _ in order.waiting]
        self._start_at_s = self._clock() + self._back_off_s
        self._back_off_s = min(_BACK_OFF_MAX_S, max(_BACK_OFF_FIRST_S, 2 * self._back_off_s))

    def _kill(self) -> None:
        process, self._process = self._process, None
        self._unsent.clear()
        if process is None:
            return
        process.kill()
        if process.stdin is not None:
            process.stdin.close()
        self._dying = process

    def _bury(self) -> None:
        """Once the old worker is gone for good, empty the pipe of what it had half written."""
        if self._dying is not None and self._dying.poll() is not None:
            self._dying = None
            self._drained()
            self._parser = AnswerParser()

    def _drained(self) -> bytes:
        parts: list[bytes] = []
        try:
            while data := os.read(self._read_end, _READ_BYTES):
                parts.append(data)
        except BlockingIOError:
            pass
        return b"".join(parts)

    def _answered(self, answer: Answer) -> list[Rendered]:
        if answer.id == 0:
            # The engine's own word at start: empty when it is ready.
            self.last_error = answer.why
            return []
        if self._flying is None or self._flying[0] != answer.id:
            return []
        order, self._flying = self._flying[2], None
        self._back_off_s = 0.0
        if answer.samples is not None:
            self._cache.put(order.phrase, answer.samples)
        return [Rendered(key, answer.samples, answer.why) for key, _ in order.waiting]

    def _given_up(self) -> list[Rendered]:
        now = self._clock()
        why = self.last_error or f"not rendered within {self._config.budget_s:g} s"
        done, self._lost = self._lost, []
        if self._flying is not None and now >= self._flying[1] + self._config.budget_s:
            order = self._flying[2]
            done += [Rendered(key, None, why) for key, _ in order.waiting]
            self._flying = None
            self._fail("the speech worker held a sentence too long and was killed")
        flying = [self._flying[2]] if self._flying else []
        for order in (*flying, *self._queue):
            late = [key for key, until in order.waiting if now >= until]
            order.waiting = [(key, until) for key, until in order.waiting if now < until]
            done += [Rendered(key, None, why) for key in late]
        self._queue = deque(order for order in self._queue if order.waiting)
        return done

    def _send_next(self) -> None:
        """Hand the worker its next sentence, one at a time, as far as the pipe takes it."""
        if self._process is None:
            return
        if self._flying is None and self._queue:
            order = self._queue.popleft()
            self._last_id += 1
            self._flying = (self._last_id, self._clock(), order)
            self._unsent += pack_message(
                {
                    "id": self._last_id,
                    "text": order.phrase[1],
                    "language": order.phrase[0],
                }
            )
        if not self._unsent:
            return
        assert self._process.stdin is not None
        try:
            del self._unsent[: os.write(self._process.stdin.fileno(), self._unsent)]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            # It is dead; the next read() sees that and starts another.
            self._unsent.clear()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the worker until its input ends; with ``--make-fallback``, write the recordings.

    Returns:
        0 when the input ended, 1 when the engine cannot be used.
    """
    parser = argparse.ArgumentParser(prog="python -m drivers.radio.speech")
    parser.add_argument("--manner", default="{}", help="the section speech: as JSON")
    parser.add_argument("--make-fallback", type=Path, metavar="DIRECTORY")
    options = parser.parse_args(argv)
    if options.make_fallback is not None:
        _make_fallback(options.make_fallback)
        return 0
    give_way(5)
    manner = Manner.read(json.loads(options.manner))
    try:
        return _work(manner, sys.stdin.buffer, sys.stdout.buffer)
    except BrokenPipeError:
        # The radio process is gone; nobody is left to speak for. Python's last flush of the
        # standard output must not complain of it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _work(manner: Manner, requests: BinaryIO, answers: BinaryIO) -> int:
    from drivers.radio.speech_engines import Speaker

    try:
        speaker = Speaker(manner)
    except GridcallError as error:
        _answer(answers, 0, None, str(error))
        return 1
    _answer(answers, 0, np.zeros(0, np.int16), speaker.warning)
    while len(head := requests.read(LENGTH.size)) == LENGTH.size:
        request = json.loads(requests.read(*LENGTH.unpack(head)))
        try:
            samples = speaker.say(request["text"], request["language"])
            _answer(answers, request["id"], samples[:SAMPLES_MAX], "")
        except GridcallError as error:
            _answer(answers, request["id"], None, str(error))
    return 0


def _answer(answers: BinaryIO, number: int, samples: Int16Array | None, why: str) -> None:
    count = 0 if samples is None else len(samples)
    head: dict[str, object] = {
        "id": number,
        "ok": samples is not None,
        "samples": count,
        "why": why,
    }
    answers.write(pack_message(head, samples))
    answers.flush()


def _make_fallback(folder: Path) -> None:
    """Write the recordings that ``fallback_phrase`` speaks, as eSpeak NG says them."""
    from drivers.radio.speech_engines import EspeakEngine

    engine = EspeakEngine()
    folder.mkdir(parents=True, exist_ok=True)
    for language in LANGUAGES:
        for clip, text in CLIPS[language].items():
            samples = shaped_speech(engine.render(text, language, None))
            (folder / f"{language}-{clip}.wav").write_bytes(wav_bytes(samples))


if __name__ == "__main__":
    sys.exit(main())
