"""What a driver says failed, in the words of a site's language.

A driver gives its reason once, in the English of the log and the journal, where technicians
read it. What a dispatcher reads of it is found here: the sentences of the English catalogue
whose keys begin with ``fault_`` are just what drivers say, and the same key holds the other
languages. What no sentence fits, such as a platform's own words, stays as it came.
"""

import re
import string
from collections.abc import Mapping
from functools import cache
from typing import Final

PREFIX: Final = "fault_"
# A gap of this name holds another fault.
_INNER: Final = "why"
_MOST_INNER: Final = 3


def in_words(
    text: str, english: Mapping[str, str], words: Mapping[str, str], depth: int = _MOST_INNER
) -> str:
    """Return a driver's words as a catalogue says them; as they came where it does not.

    Args:
        text: What the driver said.
        english: The English catalogue.
        words: The catalogue of the language wanted.
        depth: How many faults may be told one inside the other.
    """
    sentences = tuple((key, said) for key, said in english.items() if key.startswith(PREFIX))
    for key, pattern in _patterns(sentences) if depth else ():
        found = pattern.fullmatch(text.strip())
        if found is not None:
            gaps = found.groupdict()
            if _INNER in gaps:
                gaps[_INNER] = in_words(gaps[_INNER], english, words, depth - 1)
            return words[key].format_map(gaps)
    return text


@cache
def _patterns(
    sentences: tuple[tuple[str, str], ...],
) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Return how each sentence is recognised, the one that leaves least open first."""
    patterns = [(key, _pattern(said)) for key, said in sentences]
    closed = {key: len(re.sub(r"\{\w+\}", "", said)) for key, said in sentences}
    return tuple(sorted(patterns, key=lambda item: -closed[item[0]]))


def _pattern(said: str) -> re.Pattern[str]:
    parts = [
        re.escape(plain) + (f"(?P<{gap}>.+)" if gap else "")
        for plain, gap, _, _ in string.Formatter().parse(said)
    ]
    return re.compile("".join(parts), re.IGNORECASE)
