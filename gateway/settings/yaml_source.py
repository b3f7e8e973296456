"""YAML as technicians write it: a small, strict subset, with the place of every word.

YAML 1.2 core scalars, less octal and hexadecimal: ``0123``, ``22:30``, ``no`` are text. No
anchors, aliases, tags, merge keys or second documents; keys are text and stand once.
"""

import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import yaml

SIZE_LIMIT_BYTES = 1_000_000
DEPTH_LIMIT = 12
NODE_LIMIT = 100_000
PROBLEM_LIMIT = 200
DIGIT_LIMIT = 15
SHOWN_LIMIT = 2000

Severity = Literal["error", "warning"]
KeyPath = tuple[str | int, ...]
Scalar = str | int | float | bool | None

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
# Control characters, bidirectional overrides and lone surrogates: nothing a name needs, and
# each of them breaks a log, a terminal or a writer further on.
_BARRED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(
    r"[-+]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)"
)
_WORDS: dict[str, Scalar] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
# What a technician meant who wrote `!` or `&` at the beginning of an expression.
_QUOTE = "remove it, or put the text in quotes"
_SECRET_KEY = re.compile(r"(password|passwd|secret|token|key)$", re.IGNORECASE)
# The rest of the line after a key that names a secret, up to a comment; a reference is none.
_SECRET_VALUE = re.compile(
    r"((?:password|passwd|secret|token|key)[\"']?:\s*)([^\s{].*?)(?=\s+#|\s*$)", re.IGNORECASE
)
# A token of ours, a name and password in an address, a bot token.
_SECRET_TEXT = re.compile(
    r"gwk_[A-Za-z0-9_-]+|(?<=://)[^\s/@]+@|(?<![0-9])[0-9]{6,20}:[A-Za-z0-9_-]{20,}"
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake with its place; line and column count from 1, columns in characters."""

    file: str
    line: int
    column: int
    path: str
    message: str
    severity: Severity = "error"
    excerpt: str = ""

    def __str__(self) -> str:
        """Return ``file:line:col: path: message``, the line, and a caret beneath."""
        where = f"{self.file}:{self.line}:{self.column}: "
        where += "warning: " if self.severity == "warning" else ""
        where += f"{self.path}: " if self.path else ""
        return where + self.message + (f"\n{self.excerpt}" if self.excerpt else "")


@dataclass(slots=True)
class Node:
    """A value of the document and where it stands; line and column count from 0.

    Attributes:
        value: A scalar, the nodes of a sequence, or the nodes of a mapping by key.
        raw: A scalar's text as written.
        broken: It could not be taken (an alias, a tag): nothing more is said about it.
    """

    value: "Scalar | list[Node] | dict[str, Node]"
    line: int
    column: int
    key_line: int
    key_column: int
    raw: str = ""
    broken: bool = False

    def plain(self) -> Any:  # noqa: ANN401  # JSON
        """Return the value without its places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def child(self, step: str | int) -> "Node | None":
        """Return the node one step down, or None."""
        if isinstance(self.value, dict) and isinstance(step, str):
            return self.value.get(step)
        if isinstance(self.value, list) and isinstance(step, int) and step < len(self.value):
            return self.value[step]
        return None


@dataclass(slots=True)
class Document:
    """A file as read: its nodes, its lines, and what was wrong with it as YAML.

    Attributes:
        file: The file as named by the caller.
        lines: Its lines, for excerpts.
        root: The top mapping, or None when it could not be read.
        problems: Mistakes found so far, in no order.
        doubtful: Paths of mappings from which a refused key is missing.
    """

    file: str
    lines: list[str]
    root: Node | None = None
    problems: list[Problem] = field(default_factory=list)
    doubtful: set[KeyPath] = field(default_factory=set)

    def node(self, path: KeyPath) -> Node | None:
        """Return the node at a path, or None."""
        node = self.root
        for step in path:
            node = node.child(step) if node else None
        return node

    def report(
        self, path: KeyPath, message: str, *, on_key: bool = False, severity: Severity = "error"
    ) -> None:
        """Add a problem at the value of a path or at its key.

        What does not stand in the file is reported at the key of what it would stand in.
        """
        depth = next(n for n in range(len(path), -1, -1) if self.node(path[:n]))
        node = self.node(path[:depth])
        assert node is not None
        at_value = not on_key and depth == len(path)
        line, column = (
            (node.line, node.column) if at_value else (node.key_line, node.key_column)
        )
        self.report_at(line, column, message, path=path, severity=severity)

    def report_at(
        self,
        line: int,
        column: int,
        message: str,
        *,
        path: KeyPath = (),
        severity: Severity = "error",
    ) -> None:
        """Add a problem at a line and column that count from 0."""
        self.problems.append(
            Problem(
                file=self.file,
                line=line + 1,
                column=column + 1,
                path=dotted(path),
                message=message,
                severity=severity,
            )
        )

    def sorted_problems(self) -> list[Problem]:
        """Return the problems as they stand in the file, with their lines, each once."""
        found = sorted(set(self.problems), key=lambda p: (p.line, p.column, p.path, p.message))
        found = found[:PROBLEM_LIMIT]
        secrets = tuple(self._secrets())
        shown = {line: self._shown(line - 1, secrets) for line in {p.line for p in found}}
        return [
            replace(problem, excerpt=_excerpt(shown[problem.line], problem.column - 1))
            for problem in found
        ]

    def _shown(self, line: int, secrets: tuple[str, ...]) -> str:
        """Return a line that may be shown; nothing of one that no person wrote."""
        if line >= len(self.lines) or len(self.lines[line]) > SHOWN_LIMIT:
            return ""
        text = _BARRED.sub("\N{REPLACEMENT CHARACTER}", self.lines[line])
        return without_secrets(text, secrets)

    def _secrets(self) -> Iterator[str]:
        """Yield the scalars whose key names a secret."""
        stack = [("", self.root)] if self.root else []
        while stack:
            key, node = stack.pop()
            if isinstance(node.value, dict):
                stack.extend(node.value.items())
            elif isinstance(node.value, list):
                stack.extend((key, item) for item in node.value)
            elif len(node.raw) > 2 and _SECRET_KEY.search(key):
                yield node.raw


def _excerpt(line: str, column: int) -> str:
    """Return the part of a line around a column, and a caret beneath it."""
    if not line.strip():
        return ""
    start = max(0, column - 60)
    text = line[start : start + 120]
    pad = "".join(_blank(char) for char in text[: column - start])
    return f"    {text}\n    {pad}^"


def without_secrets(text: str, secrets: tuple[str, ...] = ()) -> str:
    """Return a line with everything that looks like a secret blotted out, as long as before."""
    for secret in secrets:
        text = text.replace(secret, "*" * len(secret))
    text = _SECRET_VALUE.sub(lambda found: found[1] + "*" * len(found[2]), text)
    return _SECRET_TEXT.sub(lambda found: "*" * len(found[0]), text)


def dotted(path: KeyPath) -> str:
    """Return a path as people write it: ``people.p_zhang.grids[0]``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.lstrip(".")


def _blank(char: str) -> str:
    """Return the space a character takes on a terminal; Chinese ones take two columns."""
    if char == "\t":
        return "\t"
    return "  " if unicodedata.east_asian_width(char) in "WF" else " "


def read(path: Path) -> Document:
    """Return the document of a file; what is wrong with it stands in its ``problems``."""
    document = Document(file=str(path), lines=[])
    try:
        with path.open("rb") as file:
            raw = file.read(SIZE_LIMIT_BYTES + 1)
    except OSError as error:
        document.report_at(0, 0, f"cannot be read: {error.strerror}")
        return document
    return read_bytes(raw, str(path))


def read_bytes(raw: bytes, file: str) -> Document:
    """Return the document of some bytes."""
    document = Document(file=file, lines=[])
    if len(raw) > SIZE_LIMIT_BYTES:
        document.report_at(0, 0, f"is larger than {SIZE_LIMIT_BYTES // 1000} kB")
        return document
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8-sig")
        document.lines = _BREAK.split(before)
        document.report_at(
            len(document.lines) - 1,
            len(document.lines[-1]),
            "is not UTF-8 here; save the file as UTF-8 (not GB18030)",
        )
        return document
    document.lines = _BREAK.split(text)
    if barred := _BARRED.search(text):
        before = text[: barred.start()]
        line = len(_BREAK.findall(before))
        column = len(_BREAK.split(before)[-1])
        document.report_at(line, column, f"has a character that is not text: {barred[0]!r}")
        return document
    _Reader(document).read(text)
    return document


class _Stop(Exception):  # noqa: N818  # not an error of ours: reading ends here
    """The rest of the document cannot or must not be read."""


class _Reader:
    """Builds the nodes from the parser's events, so that nothing is expanded or resolved."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._events: Iterator[Any] = iter(())
        self._nodes = 0

    def read(self, text: str) -> None:
        self._events = yaml.parse(text, Loader=_LOADER)
        try:
            self._documents()
        except _Stop:
            self._document.root = None
        except yaml.MarkedYAMLError as error:
            self._document.root = None
            self._syntax_error(error)

    def _documents(self) -> None:
        next(self._events)  # stream start
        first = next(self._events)
        if isinstance(first, yaml.StreamEndEvent):
            self._stop(0, 0, "is empty; copy config/examples/one_post.yaml to begin")
        root = self._node(next(self._events), ())
        next(self._events)  # document end
        second = next(self._events)
        if not isinstance(second, yaml.StreamEndEvent):
            mark = second.start_mark
            self._stop(mark.line, mark.column, "a second document begins here; one is enough")
        if not isinstance(root.value, dict):
            self._stop(root.line, root.column, "should be sections such as site: and grids:")
        self._document.root = root

    def _node(self, event: Any, path: KeyPath, key: Any = None) -> Node:  # noqa: ANN401
        mark, key_mark = event.start_mark, (key or event).start_mark
        self._count(mark, len(path))
        node = Node(None, mark.line, mark.column, key_mark.line, key_mark.column)
        if isinstance(event, yaml.AliasEvent):
            self._break(node, path, f"aliases (*{event.anchor}) are not taken; write it out")
            return node
        if event.anchor is not None:
            self._refuse(node, path, f"anchors (&{event.anchor}) are not taken; {_QUOTE}")
        if getattr(event, "tag", None) is not None:
            self._break(node, path, f"tags ({event.tag}) are not taken; {_QUOTE}")
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(node, event, path)
        elif isinstance(event, yaml.SequenceStartEvent):
            node.value = self._sequence(path)
        else:
            node.value = self._mapping(path)
        return node

    def _sequence(self, path: KeyPath) -> list[Node]:
        nodes: list[Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            nodes.append(self._node(event, (*path, len(nodes))))
        return nodes

    def _mapping(self, path: KeyPath) -> dict[str, Node]:
        nodes: dict[str, Node] = {}
        while not isinstance(key := next(self._events), yaml.MappingEndEvent):
            name = self._key(key, path, nodes)
            step = name or str(getattr(key, "value", "?"))
            node = self._node(next(self._events), (*path, step), key)
            if name is None:
                self._document.doubtful.add(path)
            else:
                nodes[name] = node
        return nodes

    def _key(self, event: Any, path: KeyPath, before: dict[str, Node]) -> str | None:  # noqa: ANN401
        """Return the key's name, or None after saying why it is refused."""
        node = self._node(event, (*path, "?"))
        if node.broken:
            return None
        name = node.value
        if isinstance(name, str) and name != "<<" and name not in before:
            return name
        if isinstance(name, list | dict):
            self._refuse(node, path, "a key should be one word")
        elif not isinstance(name, str):
            self._refuse(node, path, f'the key {node.raw} is not text; write "{node.raw}"')
        elif name == "<<":
            self._refuse(node, path, "merge keys (<<) are not taken; write the keys out")
        else:
            first = before[name].key_line + 1
            self._refuse(node, (*path, name), f"is written twice; the first is in line {first}")
        return None

    def _scalar(self, node: Node, event: Any, path: KeyPath) -> None:  # noqa: ANN401
        node.raw = event.value
        if node.broken:
            return
        if _BARRED.search(event.value):
            self._break(node, path, "has a character that is not text")
            return
        if not _plain(event):
            node.value = event.value
        elif _INT.fullmatch(event.value) and len(event.value) > DIGIT_LIMIT:
            self._break(node, path, "has too many digits for a number; quote it if it is text")
        else:
            node.value = core_scalar(event.value)

    def _count(self, mark: Any, depth: int) -> None:  # noqa: ANN401
        self._nodes += 1
        if self._nodes > NODE_LIMIT:
            self._stop(mark.line, mark.column, f"has more than {NODE_LIMIT} values")
        if depth > DEPTH_LIMIT:
            self._stop(mark.line, mark.column, f"is nested more than {DEPTH_LIMIT} deep")

    def _refuse(self, node: Node, path: KeyPath, message: str) -> None:
        self._document.report_at(node.line, node.column, message, path=path)
        if len(self._document.problems) >= PROBLEM_LIMIT:
            raise _Stop

    def _break(self, node: Node, path: KeyPath, message: str) -> None:
        node.broken = True
        self._refuse(node, path, message)

    def _stop(self, line: int, column: int, message: str) -> None:
        self._document.report_at(line, column, message)
        raise _Stop

    def _syntax_error(self, error: yaml.MarkedYAMLError) -> None:
        mark = error.problem_mark or error.context_mark
        no_colon = "expected ':'" in (error.problem or "")
        if no_colon and error.context_mark:  # the key is there, the scanner a line further
            mark = error.context_mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        text = self._document.lines[line] if line < len(self._document.lines) else ""
        message = f"is not YAML: {error.problem or error.context}"
        if no_colon:
            message += '; write "key: value", a colon and a space after it'
            message += ", not a full-width one" if "\N{FULLWIDTH COLON}" in text else ""
        if "\t" in text[: len(text) - len(text.lstrip())]:
            message += "; indent with spaces, not with tabs"
        self._document.report_at(line, column, message)


def _plain(event: Any) -> bool:  # noqa: ANN401
    return isinstance(event, yaml.ScalarEvent) and event.style in (None, "")


def core_scalar(text: str) -> Scalar:
    """Return what an unquoted scalar means in YAML 1.2 core, less octal and hexadecimal."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text
