"""CAP 1.2 → what the core takes: an alert, an update, a cancel, or a message to be noted. Pure.

OASIS CAP-v1.2-os §3.2. Beyond the structure (``structure``) the rules between elements are
kept here: references where one is needed, restriction and addresses where the scope asks for
them, times in their order. How each element is understood stands in README, "CAP".
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NoReturn

from drivers.cap import places
from drivers.cap.reply import answer_xml, identity, report_xml
from drivers.cap.structure import MAX_BYTES, Node, name_wrong, read, time_wrong
from gateway.core.alert import Alert, AlertKind, Area, Level
from gateway.core.centre.alert_json import MAX_NEEDS, MAX_OPEN_DAYS, MAX_TEXT_CHARS, with_digest
from gateway.core.centre.strict_json import Refusal, shown
from gateway.core.intake.events import AlertReceived, MessageNoted
from gateway.interfaces import Report
from gateway.settings.cap import CapSettings

MAX_REFERENCES: Final = 64
MAX_PLACE_CHARS: Final = 200
# A message that is to begin later cannot be kept for later. So much is a matter of clocks and
# of the time it took to write it: it counts as now.
EFFECTIVE_AHEAD_S: Final = 30
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_QUOTED = re.compile(r'"([^"]*)"|(\S+)')
_CATEGORY = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}", re.ASCII)
_KINDS: Final = {
    "Alert": AlertKind.ALERT, "Update": AlertKind.UPDATE, "Cancel": AlertKind.CANCEL,
}  # fmt: skip
# Names under which the centre may give the kind of trouble, and the grid.
ORDER_KIND, GRID = "JQ", "GRID"


def us_of(text: str) -> int:
    """Return a time that has been checked as UTC microseconds."""
    return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND


def level_of(urgency: str, severity: str, certainty: str) -> Level:
    """Return how urgent an alert is by its three words.

    What is unknown counts as level 2: it neither raises an order nor hides it. What is unlikely
    is one level less urgent.
    """
    level = 3
    if "Unknown" in (urgency, severity):
        level = 2
    elif urgency == "Immediate" and severity in ("Extreme", "Severe"):
        level = 1
    elif (urgency, severity) == ("Immediate", "Moderate") or (
        urgency == "Expected" and severity in ("Extreme", "Severe")
    ):
        level = 2
    return Level(min(3, level + 1) if certainty == "Unlikely" else level)


class CapFormat:
    """Reads what a centre writes in CAP 1.2, and answers in it."""

    content_type: Final = "application/cap+xml"
    limit_bytes: Final = MAX_BYTES

    def __init__(self, settings: CapSettings, site: str, timezone: str) -> None:
        self._settings = settings
        self._site = site
        self._timezone = timezone

    @property
    def reports(self) -> bool:
        """Whether what becomes of an alert is told in CAP as well."""
        return self._settings.reports

    def recognises(self, raw: bytes) -> bool:
        """Return whether a message without a content type is XML rather than JSON."""
        return raw.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<"

    def decode(
        self, raw: bytes, *, door: str, now_us: int, synchronised: bool
    ) -> AlertReceived | MessageNoted:
        """Return the event that a message is.

        Raises:
            Refusal: Something is wrong with it; the element is named, and ``sender`` and
                ``id`` are set where they could be read.
        """
        try:
            return self._event(read(raw), door, now_us, synchronised=synchronised)
        except Refusal as refusal:
            known = identity(raw)
            refusal.sender, refusal.id = known.get("sender"), known.get("identifier")
            raise

    def answer(self, raw: bytes, receipt: Mapping[str, object], at_us: int) -> bytes:
        """Return the Ack of a message that was taken, the Error of one that was not."""
        return answer_xml(
            raw, receipt, at_us, sender=self._settings.sender, site=self._site,
            timezone=self._timezone,
        )  # fmt: skip

    def report(self, report: Report, about: str, *, exercise: bool) -> bytes:
        """Return a timeline node as CAP; ``about`` is the sender,id,sent of its alert."""
        return report_xml(
            report, about, sender=self._settings.sender, site=self._site,
            timezone=self._timezone, exercise=exercise,
        )  # fmt: skip

    def _event(
        self, message: Node, door: str, now_us: int, *, synchronised: bool
    ) -> AlertReceived | MessageNoted:
        self._check_envelope(message)
        status, kind = message.need("status"), message.need("msgType")
        if status in ("Test", "System") or kind in ("Ack", "Error"):
            return _noted(message, door, now_us)
        alert = _alert(message, now_us)
        return AlertReceived(at_us=now_us, door=door, alert=alert, synchronised=synchronised)

    def _check_envelope(self, message: Node) -> None:
        """Refuse a message that is not for us, or whose parts contradict one another."""
        sender, scope = message.need("sender"), message.need("scope")
        if sender not in self._settings.senders:
            _refuse("sender", f"{shown(sender)} is not in command_centre.cap.senders")
        if message.need("status") == "Draft":
            _refuse("status", "is Draft: a draft is not to be acted on")
        if scope == "Public" and not self._settings.public:
            _refuse("scope", "is Public; command_centre.cap.public does not allow it")
        if scope == "Restricted" and message.text("restriction") is None:
            _refuse("restriction", "is missing; scope Restricted needs it")
        self._check_addresses(message, scope)
        references = _references(message)
        if message.need("msgType") != "Alert" and not references:
            _refuse("references", f"is missing; {message.need('msgType')} needs it")
        if message.need("msgType") == "Alert" and references:
            _refuse("references", "stands in an Alert; send an Update or a Cancel")

    def _check_addresses(self, message: Node, scope: str) -> None:
        addresses = quoted(message.text("addresses") or "")
        if scope != "Private":
            return
        if not addresses:
            _refuse("addresses", "is missing; scope Private needs it")
        ours = self._settings.addresses
        if ours and not set(ours) & set(addresses):
            _refuse("addresses", f"does not name us ({', '.join(ours)})")


def _refuse(where: str, reason: str) -> NoReturn:
    raise Refusal(where, reason)


def quoted(text: str) -> list[str]:
    """Return the words of a list, in which a word with spaces stands in double quotes."""
    return [whole or word for whole, word in _QUOTED.findall(text) if whole or word]


def _references(message: Node) -> tuple[str, ...]:
    """Return the messages named, each as ``sender,id``; every one has its time as well."""
    found = []
    for triple in (message.text("references") or "").split():
        parts = triple.split(",")
        wrong = (
            "is not sender,identifier,sent" if len(parts) != 3
            else name_wrong(parts[0]) or name_wrong(parts[1]) or time_wrong(parts[2])
        )  # fmt: skip
        if wrong:
            _refuse("references", f"{shown(triple)}: {wrong}")
        found.append(f"{parts[0]},{parts[1]}")
    if len(found) > MAX_REFERENCES:
        _refuse("references", f"names {len(found)} messages; the limit is {MAX_REFERENCES}")
    if f"{message.need('sender')},{message.need('identifier')}" in found:
        _refuse("references", "names this very message")
    return tuple(dict.fromkeys(found))


def _noted(message: Node, door: str, now_us: int) -> MessageNoted:
    kind, status = message.need("msgType"), message.need("status")
    words = [message.text("note") or ""]
    words += [info.text("headline") or info.need("event") for info in message.nodes("info")]
    text = "；".join(word for word in words if word)
    return MessageNoted(
        at_us=now_us,
        door=door,
        sender=message.need("sender"),
        id=message.need("identifier"),
        what="error" if kind == "Error" else "ack" if kind == "Ack" else _status_word(status),
        text=text[:MAX_TEXT_CHARS],
    )


def _status_word(status: str) -> Literal["test", "system"]:
    return "test" if status == "Test" else "system"


def _alert(message: Node, now_us: int) -> Alert:
    kind = _KINDS[message.need("msgType")]
    infos = message.nodes("info")
    if kind is not AlertKind.CANCEL and not infos:
        _refuse("info", "is missing; an alert or update says what there is")
    for one in infos:
        _check_effective(message, one, now_us)
    info = _chosen(infos)
    over = info is not None and "AllClear" in info.texts("responseType")
    if kind is AlertKind.ALERT and over:
        _refuse("info.responseType", "is AllClear in an Alert; send a Cancel of what is over")
    if kind is AlertKind.CANCEL or over or info is None:
        return with_digest(_cancel(message, info))
    return with_digest(_filled(message, kind, info, infos, now_us))


def _chosen(infos: list[Node]) -> Node | None:
    """Return the info in Chinese as written here, else in any Chinese, else the first."""
    def nearness(info: Node) -> int:
        language = (info.text("language") or "en-US").lower()
        return 0 if language == "zh-cn" else 1 if language.split("-")[0] == "zh" else 2

    return min(infos, key=nearness) if infos else None


def _cancel(message: Node, info: Node | None) -> Alert:
    said = message.text("note") or (info.text("headline") if info else None) or ""
    return Alert(
        kind=AlertKind.CANCEL,
        id=message.need("identifier"),
        sender=message.need("sender"),
        sent_us=us_of(message.need("sent")),
        category="",
        level=Level.THREE,
        text=_cut(said, MAX_TEXT_CHARS),
        exercise=message.need("status") == "Exercise",
        references=_references(message),
    )


def _filled(
    message: Node, kind: AlertKind, info: Node, infos: list[Node], now_us: int
) -> Alert:
    for one in infos:
        _check_expires(message, one, now_us)
    parameters = {name.lower(): value for name, value in info.pairs("parameter")}
    areas, place = _areas(infos), _place(info)
    grids = _grids(info, parameters)
    incidents = quoted(message.text("incidents") or "")
    expires = info.text("expires")
    return Alert(
        kind=kind,
        id=message.need("identifier"),
        sender=message.need("sender"),
        sent_us=us_of(message.need("sent")),
        category=_category(info),
        level=_level(info, parameters),
        text=_words(info),
        place=place,
        grid=grids[0] if grids else None,
        grids=grids[1:],
        areas=areas,
        needs=_figure(parameters, "needs", 1, MAX_NEEDS) or 1,
        expires_us=us_of(expires) if expires else None,
        exercise=message.need("status") == "Exercise",
        incident=incidents[0][:128] if incidents else None,
        references=_references(message),
    )


def _check_effective(message: Node, info: Node, now_us: int) -> None:
    """Refuse what is to take effect later: it would be acted on at once, or forgotten."""
    effective = info.text("effective")
    # The later of the two, because our own clock may not be set yet.
    latest_us = max(us_of(message.need("sent")), now_us) + EFFECTIVE_AHEAD_S * 1_000_000
    if effective and us_of(effective) > latest_us:
        _refuse("info.effective", "lies ahead; send it when it is to be acted on")


def _check_expires(message: Node, info: Node, now_us: int) -> None:
    """Refuse an end that is none. One that has passed is taken: the core calls nobody."""
    sent_us, expires, effective = (
        us_of(message.need("sent")), info.text("expires"), info.text("effective"),
    )  # fmt: skip
    if expires is None:
        return
    if us_of(expires) <= sent_us:
        _refuse("info.expires", "must lie after sent")
    if effective and us_of(expires) <= us_of(effective):
        _refuse("info.expires", "must lie after effective")
    if us_of(expires) > max(sent_us, now_us) + MAX_OPEN_DAYS * 86_400_000_000:
        _refuse("info.expires", f"lies more than {MAX_OPEN_DAYS} days ahead")


def _category(info: Node) -> str:
    """Return the kind of trouble: event code JQ, else the first category, in small letters."""
    codes = [value for name, value in info.pairs("eventCode") if name.upper() == ORDER_KIND]
    word = (codes[0] if codes else info.texts("category")[0]).lower()
    if _CATEGORY.fullmatch(word) is None:
        _refuse("info.eventCode", f"{ORDER_KIND} is {shown(word)}; 1 to 32 of a-z 0-9 _ . -")
    return word


def _level(info: Node, parameters: Mapping[str, str]) -> Level:
    own = _figure(parameters, "level", 1, 3)
    if own is not None:
        return Level(own)
    return level_of(info.need("urgency"), info.need("severity"), info.need("certainty"))


def _figure(parameters: Mapping[str, str], name: str, low: int, high: int) -> int | None:
    text = parameters.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 4 and low <= int(text) <= high):
        _refuse("info.parameter", f"{name} is {shown(text)}; {low} to {high}")
    return int(text)


def _grids(info: Node, parameters: Mapping[str, str]) -> tuple[str, ...]:
    """Return the grids named by geocode or parameter, their digits as they stand."""
    named = [
        value
        for area in info.nodes("area")
        for name, value in area.pairs("geocode")
        if name.upper() == GRID and value
    ]
    named += [parameters["grid"]] if parameters.get("grid") else []
    for name in named:
        if len(name) > 64:
            _refuse("info.area.geocode", f"{GRID} is {shown(name)}; 64 characters at most")
    return tuple(dict.fromkeys(named))


def _areas(infos: list[Node]) -> tuple[Area, ...]:
    """Return every polygon and circle of every language, each once: they are a union."""
    found: list[Area] = []
    for info in infos:
        for area in info.nodes("area"):
            if area.text("ceiling") is not None and area.text("altitude") is None:
                _refuse("info.area.ceiling", "needs altitude")
            found += [places.polygon(t, "info.area.polygon") for t in area.texts("polygon")]
            found += [places.circle(t, "info.area.circle") for t in area.texts("circle")]
    unique = tuple(dict.fromkeys(found))
    if len(unique) > places.MAX_AREAS:
        _refuse("info.area", f"there are {len(unique)}; the limit is {places.MAX_AREAS}")
    return unique


def _place(info: Node) -> str | None:
    areas = info.nodes("area")
    return _cut(areas[0].need("areaDesc"), MAX_PLACE_CHARS) if areas else None


def _words(info: Node) -> str:
    """Return what is said and written: the headline, or the event, and what follows."""
    parts = [info.text("headline") or info.need("event"), info.text("description"),
             info.text("instruction")]  # fmt: skip
    said = [part for part in parts if part]
    text = said[0]
    for part in said[1:]:
        text += part if text[-1] in "。！？.!?" else f"。{part}"
    return _cut(text, MAX_TEXT_CHARS)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
