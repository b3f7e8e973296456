"""Voices heard in answer to an order that nobody was credited for: what is left to confirm."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from gateway.interfaces import Wanted
from gateway.records import Answer, Records

# What a dispatcher may confirm that somebody said, and what he may have said by himself.
_SAID: Final = frozenset({"acknowledged", "en_route", "arrived", "done"})
_OWN_WORD: Final = _SAID | {"declined"}
# Of so many open orders the newest are looked at.
_ORDERS_MAX: Final = 1000


async def unconfirmed(records: Records) -> list[Answer]:
    """Return the voices after open orders that nobody was credited for, oldest first.

    Each has ``order``, ``number``, ``at_us`` (when it began), ``person`` and ``name`` (who it
    may have been, or None), ``channel`` and ``path`` of its recording (None without one).
    """
    found: list[Answer] = []
    # A voice that was offered to several orders was an answer to one of them.
    credited: set[int] = set()
    for summary in await records.orders(open_only=True, limit=_ORDERS_MAX):
        order = await records.order(str(summary["id"]))
        timeline: Any = order["timeline"] if order else []
        voices = left_over(timeline)
        offered = {r["at_us"] for r in timeline if r["node"] == "spoken_answer"}
        credited |= offered - {voice["at_us"] for voice in voices}
        if not voices:
            continue
        first_us = min(voice["at_us"] for voice in voices)
        wanted = Wanted(order=str(summary["id"]), from_us=first_us, limit=_ORDERS_MAX)
        kept = {r["at_us"]: r for r in await records.recordings(wanted) if r["kind"] == "over"}
        found += [_voice(voice, kept.get(voice["at_us"], {})) for voice in voices]
    found = [voice for voice in found if voice["at_us"] not in credited]
    return sorted(found, key=lambda voice: (voice["at_us"], voice["order"]))


def _voice(report: dict[str, Any], recording: Answer) -> Answer:
    told = {key: report[key] for key in ("order", "number", "at_us", "person", "name")}
    return told | {key: recording.get(key) for key in ("channel", "path", "duration_ms")}


def left_over(timeline: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the spoken answers in an order's timeline that stand for nobody yet.

    A confirmation stands for one voice before it: the last that may have been this person's,
    else the last of all. Who has answered by himself since he spoke needs none.
    """
    left = [report for report in timeline if report["node"] == "spoken_answer"]
    for report in timeline:
        if report["node"] in _SAID and report["assurance"] == "H":
            heard = [v for v in left if v["at_us"] <= report["at_us"]]
            his = [v for v in heard if v["person"] == report["person"]]
            for voice in (his or [v for v in heard if v["person"] is None] or heard)[-1:]:
                left.remove(voice)
    return [voice for voice in left if not _answered_himself(voice, timeline)]


def _answered_himself(voice: dict[str, Any], timeline: Sequence[dict[str, Any]]) -> bool:
    return voice["person"] is not None and any(
        report["person"] == voice["person"]
        and report["node"] in _OWN_WORD
        and report["assurance"] != "H"
        and report["at_us"] >= voice["at_us"]
        for report in timeline
    )


def voices_table(voices: Sequence[Answer], timezone: str) -> str:
    """Return the voices as lines for a dispatcher, and what to do with them."""
    if not voices:
        return "no spoken answer is left to confirm"
    zone = ZoneInfo(timezone)
    lines = []
    for voice in voices:
        at_us = voice["at_us"]
        assert isinstance(at_us, int)
        heard = datetime.fromtimestamp(at_us / 1e6, UTC).astimezone(zone)
        named = voice["name"] or voice["person"]
        who = f"perhaps {named}" if named else "nobody known"
        where = f"{voice['channel'] or '?'}  {voice['path'] or 'no recording'}"
        lines.append(f"{voice['number']}  {heard:%H:%M:%S}  {who}  {where}")
    lines.append("listen, then: gridcall confirm SITE NUMBER PERSON [acknowledge|arrived|…]")
    return "\n".join(lines)
