"""What is said and written for an order of one kind, as the site words it.

A template is a few sentences with gaps. Its version is the digest of its words: it stands with
the order and with every transmission, so that it can be told years later what was said.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from gateway.core.calls.escalation import Response

GAPS: Final = ("level", "number", "category", "place", "text", "needs", "tasks", "grid")
_GAP: Final = re.compile(r"\{([^{}]*)\}")
_LOOSE: Final = re.compile(r"[{}]")


@dataclass(frozen=True, kw_only=True)
class OrderKind:
    """How orders of one kind sound and how long they wait (巡逻防控, 先期处置, 应急处突).

    Attributes:
        id: Our id.
        name: As written.
        tone: Level whose attention tone goes first; None for that of the order's own level.
        times: How often one page says the order, one after the other.
        say: Language → sentences for the air, in place of the usual ones.
        write: Language → a line for the card, under the text.
        response: Clocks and ladder in place of the site's; None for the site's.
        graded: Zone grade → the same, where the grade sets something too.
    """

    id: str
    name: str
    tone: Literal[1, 2, 3] | None = None
    times: int = 1
    say: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    write: Mapping[str, str] = field(default_factory=dict)
    response: "Response | None" = None
    graded: Mapping[int, "Response"] = field(default_factory=dict)

    @cached_property
    def version(self) -> str | None:
        """Which words they are: ``<id>@<8 hex digits of their SHA-256>``; None without any."""
        if not self.say and not self.write:
            return None
        words = {"say": {k: list(v) for k, v in self.say.items()}, "write": dict(self.write)}
        text = json.dumps(words, ensure_ascii=False, sort_keys=True)
        return f"{self.id}@{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def filled(template: str, gaps: Mapping[str, str]) -> str:
    """Return a template with its gaps filled; what fills a gap is no template itself."""
    return _GAP.sub(lambda found: gaps.get(found[1], ""), template)


def faults(template: str) -> list[str]:
    """Return what is wrong with a template, in words; nothing when it can be filled."""
    found = [
        f"{{{name}}} is no gap; there are: {', '.join(f'{{{g}}}' for g in GAPS)}"
        for name in _GAP.findall(template)
        if name not in GAPS
    ]
    if _LOOSE.search(_GAP.sub("", template)):
        found.append("a brace stands alone")
    return found
