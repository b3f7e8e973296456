"""Words found in a text however they are written: 簡/繁, full and half width, split by blanks.

What a text is folded to keeps the place of every letter, so that a word found can be taken out
of the text as it was written. Pure; which traditional character is which simplified one is
given in by the caller.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

Span = tuple[int, int]

# 一一零 and 110 are the same word.
_DIGITS: Final = str.maketrans(
    "零〇洞幺一壹二贰两三叁四肆五伍六陆七柒拐八捌九玖勾", "0001112223344556677788999"
)
# Of characters beyond the usual planes nothing is remembered: nobody fills the memory so.
_REMEMBERED: Final = 0x10000


class _Lazy(dict[int, str]):
    """A table for ``str.translate`` that is made character by character as texts come."""

    def __init__(self, fold: Callable[[str], str]) -> None:
        self._fold = fold

    def __missing__(self, code: int) -> str:
        folded = self._fold(chr(code))
        if code < _REMEMBERED:
            self[code] = folded
        return folded


class Folding:
    """Folds texts by a table of traditional characters.

    Attributes:
        simplified: Traditional characters to simplified ones.
    """

    def __init__(self, simplified: Mapping[int, str] | None = None) -> None:
        self.simplified = simplified or {}
        self._known: dict[str, str] = {}
        self._plain = _Lazy(self._plain_char)
        self._spaced = _Lazy(self._folded_char)
        self._squeezed = _Lazy(
            lambda char: "".join(c for c in self._folded_char(char) if c.isalnum())
        )

    def _plain_char(self, char: str) -> str:
        if (digit := unicodedata.digit(char, None)) is not None:
            return str(digit)
        usual = unicodedata.normalize("NFKC", char).casefold().translate(self.simplified)
        return usual if len(usual) == 1 else char

    def _folded_char(self, char: str) -> str:
        usual = unicodedata.normalize("NFKC", char).casefold()
        return usual.translate(self.simplified).translate(_DIGITS)

    def simple(self, text: str) -> str:
        """Return a text of the same length: simplified, small, with usual digits."""
        return text.translate(self._plain)

    def words_in(self, text: str, words: Iterable[str]) -> tuple[str, ...]:
        """Return which of the words stand in a text, in the order given."""
        squeezed, spaced = text.translate(self._squeezed), text.translate(self._spaced)
        known = self._known
        likely = [
            word
            for word in words
            if (known.get(word) or self._know(word)) in (spaced if word.isascii() else squeezed)
        ]
        return tuple(w for w in likely if next(self.spans_of(text, w), None) is not None)

    def _know(self, word: str) -> str:
        """Return a word of the site's own as it is sought, and remember it."""
        return self._known.setdefault(word, self._sought(word))

    def _sought(self, word: str) -> str:
        return word.translate(self._spaced if word.isascii() else self._squeezed)

    def spans_of(self, text: str, word: str) -> Iterator[Span]:
        """Yield where a word stands in a text, as (start, end) of the text as it is written.

        A word of Latin letters must stand by itself; in Chinese, blanks and signs between the
        characters of a word do not hide it.
        """
        sought = self._sought(word)
        if not sought.strip():
            return
        table = self._spaced if word.isascii() else self._squeezed
        pattern = re.escape(sought)
        if word.isascii():
            pattern = rf"(?<![a-z0-9]){pattern}(?![a-z0-9])"
        folded = [char.translate(table) for char in text]
        places = [place for place, letters in enumerate(folded) for _ in letters]
        for found in re.finditer(pattern, "".join(folded)):
            yield places[found.start()], places[found.end() - 1] + 1


def without_spans(text: str, spans: Iterable[Span], instead: str) -> str:
    """Return a text with other words in the place of spans; spans that touch are one."""
    out, at = [], 0
    for start, end in _joined(spans):
        out += [text[at:start], instead]
        at = end
    return "".join((*out, text[at:]))


def _joined(spans: Iterable[Span]) -> list[Span]:
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined
