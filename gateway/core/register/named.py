"""Which person of several a written line names: by name, by id, or by guard code."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from gateway.core.people import Person

_WORD: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


class Named(NamedTuple):
    """Who is named.

    Attributes:
        people: Everybody whom the words may mean.
        rest: The line without them.
    """

    people: tuple[Person, ...]
    rest: str


def named_in(text: str, people: Iterable[Person]) -> Named:
    """Return whom of the people a line names, and the rest of it.

    A longer name goes before one that is its part; an id or a code counts only as a whole word.
    """
    known = list(people)
    words = set(_WORD.findall(text))
    for person in known:
        for sign in (person.id, person.guard_code):
            if sign is not None and sign in words:
                return Named((person,), re.sub(rf"\b{re.escape(sign)}\b", " ", text))
    names = [p.name for p in known if p.name and p.name in text]
    if not names:
        return Named((), text)
    longest = max(names, key=len)
    rest = text.replace(longest, " ")
    others = [p for p in known if p.name != longest and p.name and p.name in rest]
    meant = [p for p in known if p.name == longest]
    return Named((*meant, *others), rest)
