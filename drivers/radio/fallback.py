"""What is said when no sentence could be rendered in time: level and number, from recordings.

The recordings lie in ``gateway/data/speech`` as ``<language>-<clip>.wav``, 8 kHz 16-bit; they
were made with ``python -m drivers.radio.speech --make-fallback DIRECTORY``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources

import numpy as np

from drivers.radio.samples import Int16Array, silence
from drivers.radio.wav import parse_wav
from gateway.interfaces import SetupError, WireError

LANGUAGES = ("zh_CN", "en")
# What each recording says.
CLIPS: dict[str, dict[str, str]] = {
    "zh_CN": {
        "level_1": "一级指令",
        "level_2": "二级指令",
        "level_3": "三级指令",
        "number": "编号",
        "exercise": "演习",
        "answer": "请回复",
        **{str(d): word for d, word in enumerate("零一二三四五六七八九")},
        # 幺两拐勾洞: what a noisy channel cannot take for another digit.
        **{f"radio_{d}": word for d, word in zip("01279", "洞幺两拐勾", strict=True)},
    },
    "en": {
        "level_1": "Level one order",
        "level_2": "Level two order",
        "level_3": "Level three order",
        "number": "number",
        "exercise": "Exercise",
        "answer": "please answer",
        **{
            str(d): word
            for d, word in enumerate(
                ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
            )
        },
    },
}
# Digits apart enough to be written down, phrases apart enough to breathe.
_DIGIT_GAP_MS = 60.0
_PHRASE_GAP_MS = 250.0


@cache
def _clips(language: str) -> dict[str, Int16Array]:
    folder = resources.files("gateway") / "data" / "speech"
    clips = {}
    for clip in CLIPS[language]:
        name = f"{language}-{clip}.wav"
        try:
            clips[clip] = parse_wav((folder / name).read_bytes())
        except (OSError, WireError) as error:
            msg = f"speech: the recording {name} is missing or broken; reinstall gridcall"
            raise SetupError(msg) from error
    return clips


def check_fallback() -> None:
    """Return with every recording in memory, so that the first order that needs one has it.

    Raises:
        SetupError: a recording is missing from the installation.
    """
    for language in LANGUAGES:
        _clips(language)


def fallback_phrase(
    order_number: str,
    level: int,
    language: str,
    *,
    style: str = "plain",
    exercise: bool = False,
) -> Int16Array:
    """Return "level one order, number one two, number one two, please answer" as samples.

    Args:
        order_number: digits; anything else in it is left out.
        level: 1, 2 or 3; any other is spoken as 3.
        language: ``en…``, else Chinese.
        style: ``radio`` for 幺两拐勾洞, where the language has that; else plain digits.
        exercise: whether "exercise" goes first and last.

    Raises:
        SetupError: a recording is missing from the installation.
    """
    clips = _clips("en" if language.lower().startswith("en") else "zh_CN")
    digits = [_digit(d, style, clips) for d in order_number if d in clips]
    spoken: list[Int16Array] = []
    for clip in ("number", *digits):
        spoken += [clips[clip], silence(_DIGIT_GAP_MS)]
    number = [*spoken, silence(_PHRASE_GAP_MS)]
    pause = silence(_PHRASE_GAP_MS)
    opening = [clips[f"level_{level if level in {1, 2} else 3}"], pause]
    parts = [*opening, *number, *number, clips["answer"]]
    if exercise:
        parts = [clips["exercise"], pause, *parts, pause, clips["exercise"]]
    return np.concatenate(parts)


def _digit(digit: str, style: str, clips: Mapping[str, Int16Array]) -> str:
    """Return the clip that says a digit in a style."""
    named = f"{style}_{digit}"
    return named if named in clips else digit
