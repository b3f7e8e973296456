"""A page as it would go on the air, without a keyer: its transmissions, sentence and sound.

The same programme and the same transmitter as on the air cut it under the time-out; only the
clock is counted frame by frame, and the sentences are there before it begins.
"""

from __future__ import annotations

import select
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from drivers.radio.calls import Caller
from drivers.radio.hearing import tables_of
from drivers.radio.samples import FRAME_MS, Int16Array, duration_ms_of, silence
from drivers.radio.settings import RadioChannel
from drivers.radio.speech import Rendered, SpeechConfig, SpeechWorker
from drivers.radio.speech_pipe import Manner
from drivers.radio.transmission import PageProgramme, Transmitter
from gateway.core.effects import PageChannel
from gateway.interfaces import LinkError

# Nobody waits on the air: a slow program may take its time.
_BUDGET_S: Final = 60.0
_BETWEEN_MS: Final = 500.0


@dataclass(frozen=True, slots=True)
class Transmission:
    """From key-down to key-up.

    Attributes:
        sentences: What is said in it; … stands where a sentence goes on in the next one.
        samples: Its sound, 8 kHz mono, the TX delay as silence at its beginning.
        fallback: The fallback phrase is spoken in place of the sentences.
    """

    sentences: tuple[str, ...]
    samples: Int16Array
    fallback: bool = False

    @property
    def duration_s(self) -> float:
        """How long the transmitter is keyed."""
        return duration_ms_of(self.samples) / 1000.0


class _Keyed:
    """A line that always obeys."""

    def key(self) -> None:
        """Key."""

    def unkey(self) -> None:
        """Let go."""


class _Known:
    """Sentences that are rendered already; see `transmission.Speech`."""

    def __init__(self, rendered: Mapping[str, Rendered]) -> None:
        self._rendered = rendered

    def request(self, key: str, text: str, language: str) -> Rendered | None:  # noqa: ARG002
        """Return the sentence."""
        return self._rendered[text]


def rendered(manner: Manner, sentences: Sequence[str], language: str) -> dict[str, Rendered]:
    """Return sentences as the speech worker renders them, by their text.

    Raises:
        LinkError: the worker cannot be had, or says nothing for a minute.
    """
    worker = SpeechWorker(SpeechConfig(manner, budget_s=_BUDGET_S))
    done: dict[str, Rendered] = {}
    until = time.monotonic() + 2 * _BUDGET_S
    try:
        for sentence in dict.fromkeys(sentences):
            known = worker.request(sentence, sentence, language)
            if known is not None:
                done[sentence] = known
        while len(done) < len(set(sentences)):
            if time.monotonic() > until:
                msg = f"the speech worker does not answer ({worker.last_error or 'no reason'})"
                raise LinkError(msg)
            select.select([worker.fileno()], [], [], 0.05)
            done |= {result.key: result for result in worker.read()}
    finally:
        worker.close()
    return done


def rehearse(
    page: PageChannel, channel: RadioChannel, sentences: Mapping[str, Rendered]
) -> list[Transmission]:
    """Return the transmissions in which a page goes out.

    Args:
        page: The page.
        channel: The channel's settings.
        sentences: Its sentences, rendered.
    """
    calls, _ = caller_of(channel).sounds(page.calls)
    programme = PageProgramme(page, _Known(sentences), calls=calls if len(calls) else None)
    transmitter = Transmitter(
        _Keyed(),
        tx_delay_ms=channel.tx_delay_ms,
        hang_ms=channel.hang_ms,
        time_out_s=channel.time_out_s,
    )
    now_s, made, cut = 0.0, [], False
    while not programme.finished:
        first, frames, went_on = programme.said, [], cut
        transmitter.begin(programme, now_s)
        transmitter.keyed()
        while (frame := transmitter.next_frame(now_s, stop=False)) is not None:
            frames.append(frame)
            now_s += FRAME_MS / 1000.0
        transmitter.unkeyed("cmd", now_s)
        cut = programme.in_sentence
        said = [] if programme.fell_back else list(page.text[first : programme.said + cut])
        said[:1] = ["…" * went_on + text for text in said[:1]]
        said[-1:] = [text + "…" * cut for text in said[-1:]]
        made.append(Transmission(tuple(said), np.concatenate(frames), programme.fell_back))
    return made


def caller_of(channel: RadioChannel) -> Caller:
    """Return what makes the channel's selective calls."""
    return Caller(tables_of(channel), channel.signalling.mdc_unit)


def on_one_tape(transmissions: Sequence[Transmission]) -> Int16Array:
    """Return the transmissions one after the other, with half a second between them."""
    parts = [part for each in transmissions for part in (each.samples, silence(_BETWEEN_MS))]
    return np.concatenate(parts[:-1])
