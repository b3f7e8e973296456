"""Squelch: an expression over lines, sound and tones says whether somebody is heard. Pure.

::

    cts                     a line of the control port: cts, dsr, cd (or dcd), ri
    noise                   discriminator audio: the hiss above speech has gone quiet
    voice                   speaker audio: somebody is louder than the ground
    ctcss, dcs              the channel's tone or code is there
    cts & (ctcss | dcs)     & before |, ! before both, brackets
    none                    the same as voice
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from gateway.interfaces import SetupError

InputLine = Literal["cts", "dsr", "cd", "ri"]
LINES: Final[tuple[InputLine, ...]] = ("cts", "dsr", "cd", "ri")
TERMS: Final = (*LINES, "noise", "voice", "ctcss", "dcs")
_ALIASES: Final = {"dcd": "cd", "none": "voice"}
_WORD: Final = re.compile(r"\s*([a-z]+|[&|!()])")
EXPRESSION_MAX: Final = 100

Values = Mapping[str, bool]
_Test = Callable[[Values], bool]


@dataclass(frozen=True, slots=True)
class SquelchExpression:
    """A squelch expression, understood.

    Attributes:
        text: As written.
        terms: What it is made of, of ``TERMS``.
    """

    text: str
    terms: frozenset[str]
    _test: _Test

    def open(self, values: Values) -> bool:
        """Return whether the squelch is open; a term without a value counts as false."""
        return self._test(values)

    @property
    def lines(self) -> tuple[InputLine, ...]:
        """The lines of the control port it needs."""
        return tuple(name for name in LINES if name in self.terms)


def parse_squelch(text: str) -> SquelchExpression:
    """Return the expression.

    Raises:
        SetupError: it cannot be understood; the message says where and what is expected.
    """
    if len(text) > EXPRESSION_MAX:
        msg = f"squelch: longer than {EXPRESSION_MAX} characters"
        raise SetupError(msg)
    return _Parser(text).whole()


class _Parser:
    """Recursive descent over at most a hundred characters."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._terms: set[str] = set()
        self._word, self._begin = "", 0
        self._step()

    def whole(self) -> SquelchExpression:
        test = self._either()
        if self._word:
            raise self._wrong("& or |")
        return SquelchExpression(self._text, frozenset(self._terms), test)

    def _step(self) -> None:
        rest = self._text[self._at :]
        self._begin = self._at + len(rest) - len(rest.lstrip())
        found = _WORD.match(self._text.lower(), self._at)
        if found is None:
            self._word = rest.strip()[:1]
            self._at = len(self._text)
        else:
            self._word, self._at = found[1], found.end()

    def _wrong(self, expected: str) -> SetupError:
        what = repr(self._word) if self._word else "the end"
        return SetupError(
            f"squelch {self._text!r}, character {self._begin + 1}: {what}, expected {expected}"
        )

    def _either(self) -> _Test:
        test = self._both()
        while self._word == "|":
            self._step()
            test = _either(test, self._both())
        return test

    def _both(self) -> _Test:
        test = self._one()
        while self._word == "&":
            self._step()
            test = _both(test, self._one())
        return test

    def _one(self) -> _Test:
        word = self._word
        if word == "!":
            self._step()
            return _not(self._one())
        if word == "(":
            self._step()
            test = self._either()
            if self._word != ")":
                raise self._wrong("& or | or )")
            self._step()
            return test
        name = _ALIASES.get(word, word)
        if name not in TERMS:
            raise self._wrong(f"one of {', '.join(TERMS)}, none, ! or (")
        self._terms.add(name)
        self._step()
        return lambda values: values.get(name, False)


def _either(one: _Test, other: _Test) -> _Test:
    return lambda values: one(values) or other(values)


def _both(one: _Test, other: _Test) -> _Test:
    return lambda values: one(values) and other(values)


def _not(test: _Test) -> _Test:
    return lambda values: not test(values)


class Squelch:
    """The expression's value, debounced.

    Attributes:
        is_open: Whether somebody is heard.
        since_s: When it last opened or closed, by the raw value's own edge.
    """

    def __init__(self, open_ms: float, close_ms: float) -> None:
        self.is_open = False
        self.since_s = float("-inf")
        self._open_s, self._close_s = open_ms / 1000.0, close_ms / 1000.0
        self._raw = False
        self._raw_since_s = float("-inf")

    @property
    def raw(self) -> bool:
        """Whether it says open at this moment."""
        return self._raw

    def line(self, is_open: bool, at_s: float) -> None:
        """Take an edge."""
        if is_open != self._raw:
            self._raw, self._raw_since_s = is_open, at_s

    def deafen(self, now_s: float) -> None:
        """Close while our own transmitter is on; what is open counts anew afterwards."""
        if self.is_open:
            self.is_open, self.since_s = False, now_s
        self._raw_since_s = max(self._raw_since_s, now_s)

    def step(self, now_s: float) -> bool:
        """Return whether somebody is heard now."""
        wanted_s = self._open_s if self._raw else self._close_s
        if self._raw != self.is_open and now_s - self._raw_since_s >= wanted_s:
            self.is_open, self.since_s = self._raw, self._raw_since_s
        return self.is_open


class Flapping:
    """Notices a squelch that opens and closes all the time: a fault of radio or wiring.

    Weak signals flutter too, for a second or two; five cycles a second for as long as five
    seconds is nobody's voice.
    """

    WINDOW_S: Final = 5.0
    EDGES_MAX: Final = 50
    EDGES_QUIET: Final = 10

    def __init__(self) -> None:
        self.active = False
        self._edges: deque[float] = deque(maxlen=self.EDGES_MAX)

    def edge(self, at_s: float) -> None:
        """Take an edge of the raw value."""
        self._edges.append(at_s)

    def step(self, now_s: float) -> bool:
        """Return whether it flaps now."""
        while self._edges and now_s - self._edges[0] > self.WINDOW_S:
            self._edges.popleft()
        limit = self.EDGES_QUIET if self.active else self.EDGES_MAX
        self.active = len(self._edges) >= limit
        return self.active
