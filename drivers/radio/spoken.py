"""Text as an engine should read it: marks, digits, voices, pronunciation. Pure.

A sentence is cut into clauses, a clause into pieces for one voice each. What a piece says is
words or, for Chinese, pinyin with tone digits where the site's list says how a word sounds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Literal

Voice = Literal["zh", "en"]

# Twenty seconds of speech, more than one transmission should hold.
TEXT_CHARACTERS_MAX = 400
# Numbers longer than this are telephones and plates: nobody says them as millions.
_NUMBER_DIGITS_MAX = 4

# 幺 for one: on a noisy channel 一 and 七 are the same word.
DIGIT_WORDS: dict[Voice, str] = {
    "zh": "零幺二三四五六七八九",
    "en": "zero one two three four five six seven eight nine",
}
_PAUSES = frozenset(",.;:!?、。,;:!?'-")
MARKS = " " + "".join(_PAUSES)
# Not 、 (a row of names is one breath), and not the colon of 23:15 or the point of 3.5.
_CLAUSE = re.compile(r"(?<=[,;:!?。.])(?![0-9])")
_TOKEN = re.compile(r"[A-Za-z0-9]+|[^A-Za-z0-9]")
_PARTS = re.compile(r"[A-Za-z]+|[0-9]+")


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


def folded(text: str) -> str:
    """Return what makes one phrase the same as another: no marks around it, no case."""
    return plain(text).casefold().strip(MARKS)


def clauses(text: str) -> list[str]:
    """Return a plain text cut behind its marks, what has no words left out."""
    return [part for part in _CLAUSE.split(text) if part.strip(MARKS)]


def spoken_pieces(
    text: str, language: str, sounds: Mapping[str, str] | None = None
) -> list[tuple[Voice, str]]:
    """Return the text cut into pieces for one voice each.

    Letters go to the English voice, Han to the Chinese one, digits to the sentence's own.
    Numbers of more than four digits, with a leading zero, or grown together with letters
    (A3, 沪A12345) are said digit by digit; espeak would take ``A3`` for pinyin.

    Args:
        text: As written.
        language: ``en…``, else Chinese.
        sounds: Words → how they sound; the longest that stands at a place counts.
    """
    main = voice_of(language)
    pieces: list[tuple[Voice, str]] = []
    for voice, words in _raw_pieces(plain(text), main, dict(sounds or {})):
        if pieces and (pieces[-1][0] == voice or not words.strip(MARKS)):
            pieces[-1] = (pieces[-1][0], pieces[-1][1] + words)
        else:
            pieces.append((voice, words))
    return [(voice, words.strip()) for voice, words in pieces if words.strip(MARKS)]


def _raw_pieces(text: str, main: Voice, sounds: dict[str, str]) -> Iterator[tuple[Voice, str]]:
    listed = {plain(word): said for word, said in sounds.items()}
    at = 0
    for found in _words_pattern(tuple(listed)).finditer(text) if listed else ():
        yield from _tokens(text[at : found.start()], main)
        said = listed[found[0]]
        yield "zh", f" {said} " if said.isascii() else said
        at = found.end()
    yield from _tokens(text[at:], main)


@lru_cache(maxsize=1)
def _words_pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)))


def _tokens(text: str, main: Voice) -> Iterator[tuple[Voice, str]]:
    for token in _TOKEN.findall(text):
        parts = _PARTS.findall(token)
        if not parts:
            yield ("zh" if _is_han(token) else main), token
        elif len(parts) == 1:
            yield _part(token, main, spelled=_is_spelled(token))
        else:
            yield from (_part(part, main, spelled=True) for part in parts)


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
