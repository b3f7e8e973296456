"""What a CAP 1.2 message may be made of, and in which order. Pure.

OASIS Common Alerting Protocol 1.2 (CAP-v1.2-os, 1 July 2010), §3.2 and §3.4. The rules are
written here in our own words, because the schema leaves out what matters most (references,
closed polygons, addresses) and its own pattern of a time lets a comma stand for the sign.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from lxml import etree

from gateway.core.centre.strict_json import Refusal, shown

NAMESPACE: Final = "urn:oasis:names:tc:emergency:cap:1.2"
SIGNATURE: Final = "{http://www.w3.org/2000/09/xmldsig#}Signature"
_SCHEMA_HINT: Final = "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation"
MAX_BYTES: Final = 256 * 1024
MAX_ELEMENTS: Final = 5000
MAX_TEXT_CHARS: Final = 20_000
_FIRST_YEAR, _LAST_YEAR = 2000, 2100

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", re.ASCII)
_ENCODING = re.compile(rb"<\?xml[^>]*encoding\s*=\s*[\"']([^\"']*)", re.ASCII)
_SPACE = re.compile(r"\s+")
# No spaces, commas, < and & (§3.2.1); and nothing that turns a line around.
_NAME = re.compile(r"[^\s,<&]{1,128}")
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*", re.ASCII)
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

Check = Callable[[str], str | None]
"""Takes the stripped text of an element; says what is wrong with it, or None."""


def _any(_: str) -> str | None:
    return None


def _one_of(*words: str) -> Check:
    def check(text: str) -> str | None:
        return None if text in words else f"is {shown(text)}; one of {', '.join(words)}"

    return check


def time_wrong(text: str) -> str | None:
    """Return what is wrong with a time (§3.3.2: an offset in figures, never Z), or None."""
    if _TIME.fullmatch(text) is None:
        return f"is {shown(text)}; like 2026-11-22T03:00:00+08:00, with an offset and never Z"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return f"is {shown(text)}, which is no date and time"
    if not _FIRST_YEAR <= moment.year < _LAST_YEAR:
        return f"lies outside {_FIRST_YEAR} to {_LAST_YEAR}"
    return None


def name_wrong(text: str) -> str | None:
    """Return what is wrong with an identifier or a sender, or None."""
    if _NAME.fullmatch(text) is None:
        return f"is {shown(text)}; 1 to 128 characters without spaces, commas, < and &"
    return None


def _language_wrong(text: str) -> str | None:
    fits = _LANGUAGE.fullmatch(text)
    return None if fits else f"is {shown(text)}, which is no language such as zh-CN"


def _number_wrong(text: str) -> str | None:
    fits = re.fullmatch(r"-?\d{1,12}(\.\d{1,6})?", text, re.ASCII)
    return None if fits else f"is {shown(text)}, which is no number"


@dataclass(frozen=True, slots=True)
class Part:
    """One element: how often it stands and what is in it.

    Attributes:
        most: None for any number.
        check: Checks its text.
        parts: What it is made of, in this order; empty where it holds text.
    """

    least: int = 0
    most: int | None = 1
    check: Check = _any
    parts: "Mapping[str, Part]" = field(default_factory=dict)


_MUST = Part(1)
_MAY = Part()
_ANY = Part(0, None)
_TIME_MAY = Part(check=time_wrong)
_PAIRS = Part(0, None, parts={"valueName": _MUST, "value": _MUST})

_RESOURCE = {
    "resourceDesc": _MUST,
    "mimeType": _MUST,
    "size": Part(check=_number_wrong),
    "uri": _MAY,
    "derefUri": _MAY,
    "digest": _MAY,
}
_AREA = {
    "areaDesc": _MUST,
    "polygon": _ANY,
    "circle": _ANY,
    "geocode": _PAIRS,
    "altitude": Part(check=_number_wrong),
    "ceiling": Part(check=_number_wrong),
}
_INFO = {
    "language": Part(check=_language_wrong),
    "category": Part(1, None, _one_of(
        "Geo", "Met", "Safety", "Security", "Rescue", "Fire", "Health", "Env", "Transport",
        "Infra", "CBRNE", "Other",
    )),
    "event": _MUST,
    "responseType": Part(0, None, _one_of(
        "Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear",
        "None",
    )),
    "urgency": Part(1, 1, _one_of("Immediate", "Expected", "Future", "Past", "Unknown")),
    "severity": Part(1, 1, _one_of("Extreme", "Severe", "Moderate", "Minor", "Unknown")),
    "certainty": Part(1, 1, _one_of("Observed", "Likely", "Possible", "Unlikely", "Unknown")),
    "audience": _MAY,
    "eventCode": _PAIRS,
    "effective": _TIME_MAY,
    "onset": _TIME_MAY,
    "expires": _TIME_MAY,
    "senderName": _MAY,
    "headline": _MAY,
    "description": _MAY,
    "instruction": _MAY,
    "web": _MAY,
    "contact": _MAY,
    "parameter": _PAIRS,
    "resource": Part(0, None, parts=_RESOURCE),
    "area": Part(0, None, parts=_AREA),
}  # fmt: skip
ALERT: Final[Mapping[str, Part]] = {
    "identifier": Part(1, 1, name_wrong),
    "sender": Part(1, 1, name_wrong),
    "sent": Part(1, 1, time_wrong),
    "status": Part(1, 1, _one_of("Actual", "Exercise", "System", "Test", "Draft")),
    "msgType": Part(1, 1, _one_of("Alert", "Update", "Cancel", "Ack", "Error")),
    "source": _MAY,
    "scope": Part(1, 1, _one_of("Public", "Restricted", "Private")),
    "restriction": _MAY,
    "addresses": _MAY,
    "code": _ANY,
    "note": _MAY,
    "references": _MAY,
    "incidents": _MAY,
    "info": Part(0, None, parts=_INFO),
}

# What may stand empty: optional words that some senders always write (§3.2 forbids none).
_MAY_BE_EMPTY = frozenset({
    "source", "note", "references", "incidents", "addresses", "restriction", "code", "value",
    "senderName", "headline", "description", "instruction", "web", "contact", "audience",
})  # fmt: skip


class Node:
    """One element that has passed: its text and its parts, with white space evened."""

    __slots__ = ("_element",)

    def __init__(self, element: "etree._Element") -> None:
        self._element = element

    def text(self, name: str) -> str | None:
        """Return the text of the first part of this name, None where it is not or is empty."""
        found = self._element.find(f"{{{NAMESPACE}}}{name}")
        return (_text(found) or None) if found is not None else None

    def need(self, name: str) -> str:
        """Return the text of a part that must be there."""
        found = self.text(name)
        assert found is not None, "the structure was checked"
        return found

    def texts(self, name: str) -> list[str]:
        """Return the texts of all parts of this name."""
        return [_text(e) for e in self._element.iterfind(f"{{{NAMESPACE}}}{name}")]

    def nodes(self, name: str) -> "list[Node]":
        """Return all parts of this name."""
        return [Node(e) for e in self._element.iterfind(f"{{{NAMESPACE}}}{name}")]

    def pairs(self, name: str) -> list[tuple[str, str]]:
        """Return (valueName, value) of all parts of this name."""
        return [(n.need("valueName"), n.text("value") or "") for n in self.nodes(name)]


def _text(element: "etree._Element") -> str:
    return _SPACE.sub(" ", element.text or "").strip()


def parse(raw: bytes) -> "etree._Element":
    """Return the root of an XML document that can do no harm.

    Raises:
        Refusal: It is too big, not UTF-8, not XML, or has a document type, which is how
            entities are smuggled in.
    """
    if len(raw) > MAX_BYTES:
        raise Refusal("body", f"is {len(raw)} bytes; the limit is {MAX_BYTES}")
    declared = _ENCODING.match(raw.lstrip(b"\xef\xbb\xbf"))
    if declared and declared[1].lower() not in (b"utf-8", b"us-ascii"):
        raise Refusal("body", f"is {shown(declared[1].decode('latin-1'))}; send UTF-8")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refusal("body", f"is not UTF-8 at byte {error.start}") from error
    if "\0" in text:
        # UTF-16 or UTF-32 in disguise: a parser that guesses would find what we did not see.
        raise Refusal("body", "holds NUL, which no XML does; send UTF-8")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise Refusal("body", "has a document type (DOCTYPE); CAP has none")
    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False,
        remove_comments=True, remove_pis=True, encoding="utf-8",
    )  # fmt: skip
    try:
        return etree.fromstring(raw, parser)
    except etree.XMLSyntaxError as error:
        raise Refusal("body", f"is not XML: {error.msg}") from error


def read(raw: bytes) -> Node:
    """Return a CAP message whose structure is right.

    Raises:
        Refusal: Something is wrong with it; the element is named.
    """
    root = parse(raw)
    if root.tag != f"{{{NAMESPACE}}}alert":
        raise Refusal("alert", f"is {shown(str(root.tag))}; this door reads {NAMESPACE}")
    if sum(1 for _ in root.iter()) > MAX_ELEMENTS:
        raise Refusal("body", f"has more than {MAX_ELEMENTS} elements")
    _check(root, ALERT, "", signed=True)
    return Node(root)


def _check(
    element: "etree._Element", parts: Mapping[str, Part], path: str, *, signed: bool = False
) -> None:
    """Refuse an element whose parts are unknown, out of order, missing or too many."""
    if {str(name) for name in element.attrib} - {_SCHEMA_HINT}:
        raise Refusal(path.rstrip(".") or "alert", "has attributes; CAP has none")
    order = list(parts)
    place, counts = 0, dict.fromkeys(parts, 0)
    _no_loose_text(element.text, path)
    for child in element:
        _no_loose_text(child.tail, path)
        if signed and child.tag == SIGNATURE:
            continue
        name = str(child.tag).removeprefix(f"{{{NAMESPACE}}}")
        where = path + (name if len(name) <= 40 else shown(name))
        if name not in parts:
            raise Refusal(where, "is not a known element of CAP 1.2")
        if order.index(name) < place:
            raise Refusal(where, f"stands after {order[place]}; the order of elements is fixed")
        place = order.index(name)
        counts[name] += 1
        _check_part(child, parts[name], where)
    for name, part in parts.items():
        if counts[name] < part.least:
            raise Refusal(path + name, "is missing")
        if part.most is not None and counts[name] > part.most:
            raise Refusal(path + name, f"stands {counts[name]} times; {part.most} at most")


def _no_loose_text(text: str | None, path: str) -> None:
    if text and text.strip():
        raise Refusal(path.rstrip(".") or "alert", f"has loose text {shown(text.strip())}")


def _check_part(element: "etree._Element", part: Part, where: str) -> None:
    if part.parts:
        _check(element, part.parts, f"{where}.")
        return
    if len(element) or element.attrib:
        raise Refusal(where, "holds elements or attributes; it holds text only")
    if len(element.text or "") > MAX_TEXT_CHARS and not where.endswith("derefUri"):
        raise Refusal(where, f"has more than {MAX_TEXT_CHARS} characters")
    text = _text(element)
    if not text and element.tag.rpartition("}")[2] not in _MAY_BE_EMPTY:
        raise Refusal(where, "is empty")
    _check_characters(text, where)
    wrong = part.check(text)
    if wrong is not None:
        raise Refusal(where, wrong)


def _check_characters(text: str, where: str) -> None:
    if text.isascii() and text.isprintable():
        return
    for place, char in enumerate(text):
        if char in _BIDI or unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp"):
            reason = f"has U+{ord(char):04X} at character {place}; not allowed"
            raise Refusal(where, reason)
