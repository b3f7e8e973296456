"""What the models found wrong, in words a technician can act on."""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from gateway.settings.schema import SchemaView
from gateway.settings.yaml_source import (
    Document,
    KeyPath,
    Node,
    core_scalar,
    without_secrets,
)

UNITS = {
    "ms": "milliseconds", "s": "seconds", "min": "minutes", "days": "days", "years": "years",
    "hz": "hertz", "mhz": "megahertz", "kb": "kilobytes", "percent": "percent",
}  # fmt: skip
# Tags of what is written as a word or with keys of its own: a rung, a table of tones.
_FORMS = ("word", "step")
_DECIMAL_COMMA = re.compile(r"([0-9]+),([0-9]+)", re.ASCII)
_FIGURE_WITH_UNIT = re.compile(r"([-+]?[0-9.]+) *([A-Za-z%]+|秒|分|分钟|毫秒|天)")


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake by its path; where that stands, the document knows.

    Attributes:
        path: Path of the value or key it is about.
        message: What is wrong and what would be right.
        on_key: It stands at the key, not at the value.
        warning: It does not keep the settings from being used.
    """

    path: KeyPath
    message: str
    on_key: bool = False
    warning: bool = False


def twice(used: Iterable[tuple[KeyPath, str, str]], what: str) -> Iterator[Finding]:
    """Report values that two owners claim.

    Args:
        used: (path, owner, value) in the order of the file.
        what: What the value is.
    """
    first: dict[str, tuple[KeyPath, str]] = {}
    for path, owner, value in used:
        if value in first and first[value][1] != owner:
            yield Finding(path, f'{what} "{value}" already belongs to "{first[value][1]}"')
        first.setdefault(value, (path, owner))


def nearest(word: str, known: list[str]) -> str | None:
    """Return the known word that is most like this one, or None."""
    found = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    if found:
        return found[0]
    bare = _bare(word)
    alike = (name for name in known if _same_start(bare, _bare(name)))
    return next(alike, None)


def did_you_mean(word: str, known: list[str]) -> str:
    """Return ``; did you mean x?``, or nothing when no known word is near."""
    found = nearest(word, known)
    return f'; did you mean "{found}"?' if found else ""


def _same_start(one: str, two: str) -> bool:
    """Return whether one is the beginning of the other, three letters at least."""
    return min(len(one), len(two)) >= 3 and (one.startswith(two) or two.startswith(one))


def _bare(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.lower())


def explain(
    errors: list[dict[str, Any]], document: Document, view: SchemaView
) -> list[Finding]:
    """Return pydantic's errors as findings; a misspelt key is not reported missing as well."""
    findings, meant = [], set()
    for error in errors:
        path, on_key = _place(error["loc"])
        if error["type"] == "extra_forbidden":
            finding, key = _unknown_key(path, view)
            meant.add((*path[:-1], key))
        elif error["type"] == "missing":
            finding = _missing(path, document)
        else:
            fault = _Fault(error, path, document.node(path), view)
            finding = Finding(path, fault.name() if on_key else fault.value(), on_key)
        findings.append((error["type"], path, finding))
    return [
        finding for kind, path, finding in findings if not (kind == "missing" and path in meant)
    ]


def _place(loc: tuple[str | int, ...]) -> tuple[KeyPath, bool]:
    """Return the path and whether the error is about the key itself.

    A rung is written as a word or with keys of its own: which one is no part of the path.
    """
    loc = tuple(
        part
        for before, part in zip((None, *loc), loc, strict=False)
        if not (isinstance(before, int) and part in _FORMS)
    )
    return (loc[:-1], True) if loc and loc[-1] == "[key]" else (loc, False)


# ---- keys ---------------------------------------------------------------------------------


def _unknown_key(path: KeyPath, view: SchemaView) -> tuple[Finding, str | None]:
    key, known = str(path[-1]), view.keys(path[:-1])
    with_unit = next((name for name in known if _differs_by_unit(key, name)), None)
    if with_unit:
        unit = with_unit.rsplit("_", 1)[-1]
        named = key.rsplit("_", 1)[-1] in UNITS
        what = "has another unit" if named else "lacks its unit"
        message = f'{what}; write "{with_unit}", in {UNITS[unit]}'
        return Finding(path, message, on_key=True), with_unit
    message = "is not known here"
    if section := _elsewhere(key, path[:-1], view):
        message += f'; it belongs under "{section}": mind the indentation'
        return Finding(path, message, on_key=True), None
    return Finding(path, message + did_you_mean(key, known), on_key=True), nearest(key, known)


def _differs_by_unit(key: str, name: str) -> bool:
    """Return whether ``name`` is ``key`` with a unit, or with another unit."""
    stem, _, unit = name.rpartition("_")
    if unit not in UNITS:
        return False
    base, _, key_unit = key.rpartition("_")
    if key_unit in UNITS:
        return key_unit != unit and _bare(base) == _bare(stem)
    return _bare(key) == _bare(stem)


def _elsewhere(key: str, path: KeyPath, view: SchemaView) -> str | None:
    """Return the section, here or one level up, under which a key is known."""
    for start in (path, path[:-1]):
        for section in view.keys(start):
            if key in view.keys((*start, section)):
                return section
    return None


def _missing(path: KeyPath, document: Document) -> Finding:
    if isinstance(path[-1], int):
        parent = document.node(path[:-1])
        count = len(parent.value) if parent and isinstance(parent.value, list) else 0
        return Finding(path[:-1], f"has too few figures: {count}")
    return Finding(path, "is missing here", on_key=True)


# ---- values -------------------------------------------------------------------------------

_SHOULD_BE = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list, such as [a, b]",
    "dict_type": "a section of keys",
    "model_type": "a section of keys",
    "model_attributes_type": "a section of keys",
}
_TRUTH = {"yes": "true", "on": "true", "y": "true", "1": "true", "是": "true"} | {
    "no": "false", "off": "false", "n": "false", "0": "false", "否": "false",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Fault:
    """One of pydantic's errors beside the value it is about."""

    error: dict[str, Any]
    path: KeyPath
    node: Node | None
    view: SchemaView

    @property
    def kind(self) -> str:
        return str(self.error["type"])

    @property
    def raw(self) -> str:
        return self.node.raw if self.node else ""

    @property
    def context(self) -> dict[str, Any]:
        return dict(self.error.get("ctx") or {})

    def name(self) -> str:
        """Return what is wrong with a name of our own giving."""
        rule = self.view.first(self.path[:-1], "propertyNames") or {}
        return f"this name should be {rule.get('patternErrorMessage', 'text')}"

    def value(self) -> str:
        """Return what is wrong with a value, and what would be right."""
        right = self.right()
        if right is None:
            return str(self.error["msg"]) + self.hint()
        if self.node is not None and self.node.value is None:
            return f"is empty; should be {right}"
        return f"should be {right}, is {shown(self.node)}{self.hint()}"

    def right(self) -> str | None:
        """Return what the value should be, or None when the message already says all."""
        kind = self.kind
        if kind.startswith("datetime"):
            return "a local time such as 2026-11-20T08:00"
        if kind.startswith("date"):
            return "a day such as 2026-11-20"
        if kind.startswith(("less", "greater")):
            return self._range()
        if kind == "string_pattern_mismatch":
            return str(self.view.first(self.path, "patternErrorMessage") or "of another form")
        if kind == "literal_error":
            return str(self.context["expected"]).replace("'", "")
        if kind.endswith(("too_long", "too_short")):
            return self._length()
        return _SHOULD_BE.get(kind)

    def _range(self) -> str:
        low, high = self.view.first(self.path, "minimum"), self.view.first(self.path, "maximum")
        unit = unit_of(self.path)
        return f"{low} to {high}" + (f" {UNITS[unit]}" if unit else "")

    def _length(self) -> str:
        low, high = self.context.get("min_length"), self.context.get("max_length")
        size = f"at least {low}" if high is None else f"at most {high}"
        return size + (" characters" if self.kind.startswith("string") else " entries")

    def hint(self) -> str:
        """Return what he may have meant, after a semicolon, or nothing."""
        kind = self.kind
        if self.node is None or isinstance(self.node.value, list):
            return ""
        if kind == "driver":
            below = self.node.child("driver")
            return did_you_mean(below.raw, self.context["options"]) if below else ""
        if isinstance(self.node.value, dict):
            return ""
        if kind == "string_type":
            return f'; write "{self.raw}" in quotes'
        if kind == "bool_type":
            meant = _TRUTH.get(self.raw.lower())
            return f"; did you mean {meant}?" if meant else ""
        if kind == "literal_error":
            return self._option()
        return self._figure() if kind in ("int_type", "float_type") else ""

    def _option(self) -> str:
        expected = str(self.context["expected"])
        options = re.findall(r"'([^']*)'", expected)
        if not options and self.raw in re.findall(r"[0-9]+", expected):
            return f"; write {self.raw} without quotes"
        return did_you_mean(self.raw, options)

    def _figure(self) -> str:
        """Return the hint for a figure that was written as text."""
        unit = unit_of(self.path)
        if found := _FIGURE_WITH_UNIT.fullmatch(self.raw):
            inside = f"; the key says {UNITS[unit]}" if unit else ""
            same = unit and found[2].lower() in (unit, unit[0], UNITS[unit], "%")
            return inside + (f": write {found[1]}" if same else ": write the figure alone")
        if self.node is None or not isinstance(self.node.value, str):
            return ""
        if isinstance(core_scalar(self.raw), int | float):
            return f"; write {self.raw} without quotes"
        plain = unicodedata.normalize("NFKC", self.raw)
        if self.kind == "float_type":
            plain = _DECIMAL_COMMA.sub(r"\1.\2", plain)
        return f"; write {plain}" if isinstance(core_scalar(plain), int | float) else ""


def unit_of(path: KeyPath) -> str | None:
    """Return the unit in the nearest key's name."""
    key = next((step for step in reversed(path) if isinstance(step, str)), "")
    unit = key.rsplit("_", 1)[-1]
    return unit if unit in UNITS else None


def shown(node: Node | None) -> str:
    """Return a value as it stands in the file, shortened."""
    if node is None:
        return "absent"
    if isinstance(node.value, dict):
        return "a section of keys"
    if isinstance(node.value, list):
        return f"a list of {len(node.value)}"
    text = node.raw if node.raw.isprintable() else ascii(node.raw)[1:-1]
    text = without_secrets(text)
    text = text if len(text) <= 40 else text[:40] + "…"
    return f'"{text}"' if isinstance(node.value, str) else text
