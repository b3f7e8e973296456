"""What we write in CAP 1.2: Ack and Error for a message, and what became of an alert. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from lxml import etree

from drivers.cap.structure import NAMESPACE, name_wrong, parse, time_wrong
from gateway.core.centre.strict_json import Refusal
from gateway.interfaces import Report

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# What becomes of an alert, in the words of a reader who knows CAP only.
_STATUSES: Final = ("Actual", "Exercise", "System", "Test", "Draft")


def time_text(at_us: int, timezone: str) -> str:
    """Return a moment as CAP writes it: whole seconds, an offset, and -00:00 for UTC."""
    moment = (_EPOCH + timedelta(microseconds=at_us)).astimezone(ZoneInfo(timezone))
    text = moment.isoformat(timespec="seconds")
    return text.replace("+00:00", "-00:00")


def answer_xml(
    raw: bytes,
    receipt: Mapping[str, object],
    at_us: int,
    *,
    sender: str,
    site: str,
    timezone: str,
) -> bytes:
    """Return the Ack of a message that was accepted or is a repeat, else its Error."""
    message = identity(raw)
    taken = receipt["status"] in ("accepted", "duplicate")
    note = [str(receipt["status"])]
    note += [f"order {receipt['number']}"] if receipt.get("number") else []
    note += [str(receipt["reason"])] if receipt.get("reason") else []
    root = _message(
        identifier=f"{site}-{receipt['journal']}-{'ack' if taken else 'error'}",
        sender=sender,
        sent=time_text(at_us, timezone),
        status=message.get("status", "Actual"),
        kind="Ack" if taken else "Error",
        to=message.get("sender"),
        note="; ".join(note),
        references=_reference(message),
    )
    return _written(root)


def report_xml(
    report: Report, about: str, *, sender: str, site: str, timezone: str, exercise: bool
) -> bytes:
    """Return a timeline node as an Ack of the alert it is about, its facts as parameters."""
    root = _message(
        identifier=f"{site}-{report.seq}-{report.part}",
        sender=sender,
        sent=time_text(report.at_us, timezone),
        status="Exercise" if exercise else "Actual",
        kind="Ack",
        to=about.split(",")[0],
        note=f"order {report.number}: {report.node}",
        references=about,
    )
    info = etree.SubElement(root, f"{{{NAMESPACE}}}info")
    for name, value in (
        ("language", "zh-CN"), ("category", "Security"), ("event", f"order {report.number}"),
        ("urgency", "Unknown"), ("severity", "Unknown"), ("certainty", "Observed"),
    ):  # fmt: skip
        _add(info, name, value)
    facts = {
        "node": report.node, "order": report.order, "number": report.number,
        "person": report.person, "name": report.name, "medium": report.medium,
        "assurance": report.assurance, "detail": report.detail,
        "journal": f"{report.seq}.{report.part}",
    }  # fmt: skip
    for name, fact in facts.items():
        if fact is not None:
            pair = etree.SubElement(info, f"{{{NAMESPACE}}}parameter")
            _add(pair, "valueName", name)
            _add(pair, "value", fact)
    return _written(root)


def identity(raw: bytes) -> dict[str, str]:
    """Return what can be read of who sent a message, however wrong the rest of it is."""
    try:
        root = parse(raw)
    except Refusal:
        return {}
    found: dict[str, str] = {}
    for name, wrong in (
        ("sender", name_wrong), ("identifier", name_wrong), ("sent", time_wrong),
        ("status", lambda text: None if text in _STATUSES else "unknown"),
    ):  # fmt: skip
        element = root.find(f"{{{NAMESPACE}}}{name}")
        text = "" if element is None else (element.text or "").strip()
        if not wrong(text):
            found[name] = text
    return found


def _reference(message: Mapping[str, str]) -> str | None:
    names = ("sender", "identifier", "sent")
    return ",".join(message[n] for n in names) if all(n in message for n in names) else None


def _message(
    *,
    identifier: str,
    sender: str,
    sent: str,
    status: str,
    kind: str,
    to: str | None,
    note: str,
    references: str | None,
) -> "etree._Element":
    # The stubs do not know that None names the namespace of elements without a prefix.
    names: dict[str, str] = {None: NAMESPACE}  # type: ignore[dict-item]
    root = etree.Element(f"{{{NAMESPACE}}}alert", nsmap=names)
    for name, value in (
        ("identifier", identifier), ("sender", sender), ("sent", sent), ("status", status),
        ("msgType", kind), ("scope", "Private"), ("addresses", to or "unknown"),
        ("note", note), ("references", references),
    ):  # fmt: skip
        if value is not None:
            _add(root, name, value)
    return root


def _add(parent: "etree._Element", name: str, text: str) -> None:
    etree.SubElement(parent, f"{{{NAMESPACE}}}{name}").text = _safe(text)


def _safe(text: str) -> str:
    """Return text that XML can carry: control characters are left out (XML 1.0 §2.2)."""
    return "".join(c for c in text if c.isprintable() or c == " ")


def _written(root: "etree._Element") -> bytes:
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)
