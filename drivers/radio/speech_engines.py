"""Speech engines: text to 8 kHz samples. Loaded in the speech worker only.

``espeak`` is eSpeak NG, which is licensed GPL-3: it lives in the worker's process and nowhere
else, behind a pipe; nothing of it is linked into the gateway.
"""

from __future__ import annotations

import ctypes
import re
import subprocess
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from drivers.radio.samples import Int16Array, frames_of, resampled, silence
from drivers.radio.wav import parse_wav
from gateway.interfaces import LinkError, SetupError, WireError

Voice = Literal["zh", "en"]

# Twenty seconds of speech, more than one transmission should hold.
TEXT_CHARACTERS_MAX = 400
RATE_WPM_MIN, RATE_WPM_MAX = 80, 260
RATES_WPM: dict[Voice, int] = {"zh": 165, "en": 150}
# Numbers longer than this are telephones and plates: nobody says them as millions.
_NUMBER_DIGITS_MAX = 4
# Between a Chinese and an English piece; the engine's own pause of 300 ms tears a sentence.
_JOINT_MS = 70.0
_SILENT_PEAK = 160

# 幺 for one: on a noisy channel 一 and 七 are the same word.
DIGIT_WORDS: dict[Voice, str] = {
    "zh": "零幺二三四五六七八九",
    "en": "zero one two three four five six seven eight nine",
}


def voice_of(language: str) -> Voice:
    """Return the voice for ``zh_CN``, ``zh``, ``cmn`` or ``en``, ``en_US``…; zh for others."""
    return "en" if language.lower().startswith("en") else "zh"


def plain(text: str) -> str:
    """Return the text as it may be spoken: no control characters, no symbols, not too long.

    Full-width letters and digits become ordinary ones (NFKC); marks such as ``<`` or ``[`` go,
    so that nothing in a chat text or an alert can steer an engine.
    """
    letters = unicodedata.normalize("NFKC", text[: 4 * TEXT_CHARACTERS_MAX])
    kept = [c if unicodedata.category(c)[0] in "LNM" or c in _PAUSES else " " for c in letters]
    return " ".join("".join(kept).split())[:TEXT_CHARACTERS_MAX]


_PAUSES = frozenset(",.;:!?、。,;:!?'-")
_TOKEN = re.compile(r"[A-Za-z0-9]+|[^A-Za-z0-9]")
_PARTS = re.compile(r"[A-Za-z]+|[0-9]+")


def spoken_pieces(text: str, language: str) -> list[tuple[Voice, str]]:
    """Return the text cut into pieces for one voice each.

    Letters go to the English voice, Han to the Chinese one, digits to the sentence's own.
    Numbers of more than four digits, with a leading zero, or grown together with letters
    (A3, 沪A12345) are said digit by digit; espeak would take ``A3`` for pinyin.
    """
    main = voice_of(language)
    pieces: list[tuple[Voice, str]] = []
    for token in _TOKEN.findall(plain(text)):
        for voice, words in _token_pieces(token, main):
            if pieces and (pieces[-1][0] == voice or not words.strip(_PAUSE_TEXT)):
                pieces[-1] = (pieces[-1][0], pieces[-1][1] + words)
            else:
                pieces.append((voice, words))
    return [(voice, words.strip()) for voice, words in pieces if words.strip(_PAUSE_TEXT)]


_PAUSE_TEXT = " " + "".join(_PAUSES)


def _token_pieces(token: str, main: Voice) -> list[tuple[Voice, str]]:
    parts = _PARTS.findall(token)
    if not parts:
        return [("zh" if _is_han(token) else main, token)]
    if len(parts) == 1:
        return [_part(token, main, spelled=_is_spelled(token))]
    return [_part(part, main, spelled=True) for part in parts]


def _is_han(character: str) -> bool:
    return unicodedata.name(character, "").startswith("CJK UNIFIED")


def _is_spelled(token: str) -> bool:
    if not token.isdigit():
        return False
    return len(token) > _NUMBER_DIGITS_MAX or (token[0] == "0" and len(token) > 1)


def _part(part: str, main: Voice, *, spelled: bool) -> tuple[Voice, str]:
    if not part.isdigit():
        # Capitals are initials: P C, not "pick".
        return "en", " " + (" ".join(part) if spelled or part.isupper() else part) + " "
    return main, digits_spoken(part, main) if spelled else part


def digits_spoken(digits: str, voice: Voice) -> str:
    """Return the digits as words, one by one."""
    words = DIGIT_WORDS[voice]
    names = list(words) if voice == "zh" else words.split()
    said = [names[int(d)] for d in digits]
    return "".join(said) if voice == "zh" else " " + " ".join(said) + " "


class Engine(Protocol):
    """Something that speaks. ``render`` returns 8 kHz mono int16, not yet shaped."""

    def render(self, text: str, language: str, rate_wpm: int | None) -> Int16Array:
        """Return the sentence as samples. Raises LinkError, SetupError or WireError."""
        ...


_ESPEAK_VOICES: dict[Voice, bytes] = {"zh": b"cmn", "en": b"en-us"}


class EspeakEngine:
    """eSpeak NG by ctypes, from the package espeakng-loader.

    Documents: eSpeak NG 1.52 ``speak_lib.h`` (constants quoted by name below).

    Raises:
        SetupError: the library or its data cannot be loaded.
    """

    # AUDIO_OUTPUT_SYNCHRONOUS: samples come through the callback, nothing is played.
    _OUTPUT_SYNCHRONOUS = 2
    # espeakINITIALIZE_DONT_EXIT: report missing data instead of ending the process.
    _DONT_EXIT = 0x8000
    _CHARS_UTF8 = 1
    _POS_CHARACTER = 1
    _PARAMETER_RATE = 1

    def __init__(self) -> None:
        self._library = _espeak_library()
        self._rate_hz = int(
            self._library.espeak_Initialize(
                self._OUTPUT_SYNCHRONOUS, 0, _espeak_data(), self._DONT_EXIT
            )
        )
        if self._rate_hz <= 0:
            msg = "speech: eSpeak NG does not find its data; reinstall espeakng-loader"
            raise SetupError(msg)
        self._chunks: list[Int16Array] = []
        kind = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
        )
        # Kept: ctypes does not hold the callback for the library.
        self._callback = kind(self._take)
        self._library.espeak_SetSynthCallback(self._callback)

    def _take(self, samples: ctypes._Pointer[ctypes.c_short], count: int, _events: int) -> int:
        # The last call of a sentence has no samples.
        if count > 0:
            self._chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    def render(self, text: str, language: str, rate_wpm: int | None) -> Int16Array:
        """Return the sentence as samples, Chinese and English pieces in their own voices.

        Raises:
            WireError: nothing in the text can be spoken.
        """
        parts = [self._piece(v, t, rate_wpm) for v, t in spoken_pieces(text, language)]
        parts = [part for part in parts if len(part)]
        if not parts:
            msg = "speech: nothing in the text can be spoken"
            raise WireError(msg)
        joined = [part for p in parts for part in (p, silence(_JOINT_MS))]
        return np.concatenate(joined[:-1])

    def _piece(self, voice: Voice, text: str, rate_wpm: int | None) -> Int16Array:
        library = self._library
        if library.espeak_SetVoiceByName(_ESPEAK_VOICES[voice]) != 0:
            msg = f"speech: eSpeak NG has no voice {_ESPEAK_VOICES[voice]!r}; reinstall it"
            raise SetupError(msg)
        rate = min(max(rate_wpm or RATES_WPM[voice], RATE_WPM_MIN), RATE_WPM_MAX)
        library.espeak_SetParameter(self._PARAMETER_RATE, rate, 0)
        self._chunks.clear()
        data = text.encode() + b"\0"
        library.espeak_Synth(
            data, len(data), 0, self._POS_CHARACTER, 0, self._CHARS_UTF8, None, None
        )
        library.espeak_Synchronize()
        if not self._chunks:
            return np.zeros(0, np.int16)
        return trimmed(resampled(np.concatenate(self._chunks), self._rate_hz))


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

    ``{language}`` and ``{rate_wpm}`` in the arguments are filled in. No shell is involved.
    """

    def __init__(self, command: Sequence[str], time_out_s: float = 30.0) -> None:
        if not command:
            msg = "speech: engine command needs the program and its arguments"
            raise SetupError(msg)
        self._command = tuple(command)
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
            a.replace("{language}", language).replace("{rate_wpm}", rate) for a in self._command
        ]
        try:
            done = subprocess.run(
                argv,
                input=plain(text).encode(),
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


class RecordingsEngine:
    """A folder of spoken phrases: ``<folder>/<language>/<phrase>.wav``.

    The longest phrase that fits is taken at each place of the text; what stands in no file
    makes the sentence fail, and the caller's fallback speaks.
    """

    def __init__(self, folder: Path) -> None:
        self._phrases: dict[Voice, dict[str, Path]] = {"zh": {}, "en": {}}
        for path in sorted(folder.glob("*/*.wav")):
            self._phrases[voice_of(path.parent.name)][_folded(path.stem)] = path
        if not any(self._phrases.values()):
            msg = f"speech: no recordings in {folder}; put them as zh_CN/指令.wav, en/order.wav"
            raise SetupError(msg)

    def render(self, text: str, language: str, rate_wpm: int | None) -> Int16Array:  # noqa: ARG002 recordings have their own pace
        """Return the phrases one after the other.

        Raises:
            LinkError: a part of the text stands in no recording.
        """
        phrases = self._phrases[voice_of(language)]
        longest = max(map(len, phrases), default=0)
        rest, parts = _folded(plain(text)), []
        while rest:
            size = next((n for n in range(longest, 0, -1) if rest[:n] in phrases), 0)
            if size:
                parts.append(trimmed(parse_wav(phrases[rest[:size]].read_bytes())))
            elif rest[0] in _PAUSE_TEXT:
                parts.append(silence(0.0 if rest[0] == " " else 150.0))
            else:
                msg = f"speech: no recording for {rest[:12]!r}"
                raise LinkError(msg)
            rest = rest[max(size, 1) :]
        return np.concatenate(parts) if parts else np.zeros(0, np.int16)


def _folded(text: str) -> str:
    return plain(text).casefold()


def make_engine(name: str, folder: Path | None, command: Sequence[str]) -> Engine:
    """Return the engine of that name.

    Raises:
        SetupError: it cannot be used here; the message says what is missing.
    """
    if name == "command":
        return CommandEngine(command)
    if name == "recordings":
        if folder is None:
            msg = "speech: engine recordings needs the folder of the recordings"
            raise SetupError(msg)
        return RecordingsEngine(folder)
    return EspeakEngine()
