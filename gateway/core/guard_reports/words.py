"""Guards' reports in words: to the centre, on managers' cards, and as an order's text.

What a guard wrote may hold anything: it is put on one line without control characters, cut,
and an ``@`` in it calls nobody.
"""

from typing import Final

from gateway.core.answers.identity import channel_name
from gateway.core.guard_reports.report import GuardReport, Telling
from gateway.core.state import Draft, name_of
from gateway.core.wording import Wording

SHOWN_CHARS: Final = 300
# An alert's text has 500 characters at most, its frame and the name among them.
ORDER_CHARS: Final = 400


def shown(text: str, limit: int = SHOWN_CHARS) -> str:
    """Return what somebody wrote as it may be shown: one line, cut, naming nobody."""
    plain = "".join(c if c.isprintable() else " " for c in text).replace("@", "＠")
    line = " ".join(plain.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def keys_below(wording: Wording) -> tuple[str, ...]:
    """Return the words on the keys under a guard's private chat: report, call for help."""
    return wording.text("report_key"), wording.text("report_key_help")


def details(draft: Draft, report: GuardReport | None, telling: Telling) -> str:
    """Return what the centre reads of what has just come."""
    wording = Wording(draft.site)
    parts = [_head(draft, telling), where(draft, report) if report is not None else ""]
    if telling.text:
        parts.append(wording.text("detail_report_text", text=shown(telling.text)))
    if telling.place is not None:
        lat, lon = (f"{int(part) / 1e6:.6f}" for part in telling.place.split(","))
        parts.append(wording.text("detail_report_place", lat=lat, lon=lon))
    if telling.media:
        parts.append(wording.text("detail_report_media", media=" ".join(telling.media)))
    if telling.over is not None:
        parts.append(wording.text("detail_report_over", over=telling.recording or telling.over))
    return "；".join(part for part in parts if part)


def _head(draft: Draft, telling: Telling) -> str:
    wording = Wording(draft.site)
    if telling.channel is None:
        return wording.text("detail_report_chat")
    if not telling.coded:
        key = "detail_report_voice"
    elif telling.kind == "report":
        key = "detail_report_radio"
    else:
        key = "detail_emergency"
    channel = channel_name(draft, telling.channel)
    radio = telling.radio or wording.text("note_unknown")
    head = wording.text(key, channel=channel, radio=radio)
    return head if telling.why is None else f"{head}（{wording.text(telling.why)}）"


def where(draft: Draft, report: GuardReport) -> str:
    """Return the names of a report's grid and post, or nothing when neither is known."""
    grid = draft.site.grids.get(report.grid or "")
    post = draft.site.posts.get(report.post or "")
    names = [place.name for place in (grid, post) if place is not None]
    return Wording(draft.site).text("detail_report_where", where=" ".join(names))


def said_by(draft: Draft, report: GuardReport) -> str:
    """Return what an order made of a report says."""
    wording = Wording(draft.site)
    text = shown(report.text, ORDER_CHARS)
    if report.person is None:
        return wording.text("report_text_unknown") if report.emergency else text or "-"
    name = name_of(draft, report.person)
    if report.emergency:
        key = "report_text_emergency_said" if text else "report_text_emergency"
    else:
        key = "report_text" if text else "report_text_plain"
    return wording.text(key, name=name, text=text)
