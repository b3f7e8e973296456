"""Faults planted in evidence, one for each judge of days: each of them has to object."""

import copy
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

from simulators.checkers.clocks import BY_THE_HOUR
from simulators.checkers.days import US, Evidence
from simulators.checkers.office import ended_by_centre, is_drill

Json = dict[str, Any]


class NothingToBreakError(ValueError):
    """The days held nothing in which this fault could be planted."""


def _first(found: Any, what: str) -> Any:  # noqa: ANN401
    for one in found:
        return one
    raise NothingToBreakError(f"nothing to break: the days had no {what}")


def _receipt(evidence: Evidence) -> None:
    said = copy.deepcopy(_first(evidence.centre, "message of the centre"))
    said["receipt"]["journal"] = len(evidence.lines) + 7
    evidence.centre.append(said)


def _lost(evidence: Evidence) -> None:
    again = {s["id"] for s in evidence.centre if s["kind"] == "reopen"}
    accepted = {
        s["receipt"]["order"] for s in evidence.centre
        if s["kind"] == "alert" and s["receipt"]["status"] == "accepted"
    }  # fmt: skip
    closed = (
        s for s in evidence.centre
        if s["kind"] == "close" and s["id"] in accepted - again
        and s["receipt"]["status"] == "accepted"
    )  # fmt: skip
    evidence.centre.remove(_first(closed, "order that was closed"))


def _twice(evidence: Evidence) -> None:
    alerts = (s for s in evidence.centre if s["kind"] == "alert" and s["receipt"]["order"])
    said = copy.deepcopy(_first(alerts, "alert"))
    said["receipt"]["order"] += "0"
    evidence.centre.append(said)


def _stuck(evidence: Evidence) -> None:
    evidence.unsettled.append({"kind": "PageChannel", "not_after_us": evidence.ended_us - US})


def _ack(evidence: Evidence) -> None:
    row = _first((r for r in evidence.journal.rows if r.answers()), "answer")
    person = row.answers()[0]["person"]
    evidence.people[:] = [deed for deed in evidence.people if deed["person"] != person]


def _clock(evidence: Evidence) -> None:
    line = _first((x for x in evidence.lines if x["kind"] == "TimerFired"), "clock")
    line["body"]["event"]["due_us"] -= 3600 * US
    evidence.downs.clear()
    evidence.read()


def _wait(evidence: Evidence) -> None:
    timers = (
        change[3]
        for line in evidence.lines
        for change in line["body"]["changes"]
        if line["kind"] == "ClockStepped" and change[:2] == ["put", "timer"]
        and change[3]["what"] not in BY_THE_HOUR
    )  # fmt: skip
    _first(timers, "wait when the clock was moved")["due_us"] += 600 * US
    evidence.read()


def _step(evidence: Evidence) -> None:
    moved = (
        line
        for before, line in pairwise(evidence.lines)
        if line["kind"] == "ClockStepped" and line["boot"] == before["boot"]
    )
    line = _first(moved, "moved clock")
    line["body"]["event"]["by_us"] += 30 * US
    evidence.read()


def _ptt(evidence: Evidence) -> None:
    _first(evidence.air, "transmission")["ended_us"] += 300 * US


def _cancel(evidence: Evidence) -> None:
    ended = ended_by_centre(evidence)
    purposes = {page["id"]: page["purpose"] for page in evidence.journal.last("page")}
    pages = (
        s for s in evidence.air
        if s["kind"] == "page" and s["order"] in ended and purposes[s["of"]] != "stand_down"
    )  # fmt: skip
    page = _first(pages, "page of an ended order")
    page["sentences_us"].append(ended[page["order"]][-1][0] + 60 * US)


def _level(evidence: Evidence) -> None:
    first = _first((s for s in evidence.air if s["level"] == 1), "page of level 1")
    lower = copy.deepcopy(first) | {"of": "planted", "level": 3}
    for sent in evidence.air:
        if sent["of"] == first["of"]:
            sent["began_us"] += 60 * US
    lower["began_us"] += 30 * US
    evidence.air.append(lower)


def _limit(evidence: Evidence) -> None:
    evidence.calls_us[:0] = [0] * (2 * int(evidence.calls_a_second))


def _chain(evidence: Evidence) -> None:
    line = evidence.lines[len(evidence.lines) // 2]
    line["mono_us"] += 1


def _time(evidence: Evidence) -> None:
    parts = (
        change[3]
        for line in reversed(evidence.lines)
        for change in line["body"]["changes"]
        if change[:2] == ["put", "assignment"] and len(change[3]["stamps"]) > 1
    )
    _first(parts, "timeline")["stamps"].reverse()
    evidence.read()


def _left(evidence: Evidence) -> None:
    row = _first((r for r in evidence.journal.rows if r.answers()), "answer")
    evidence.left.append((row.at_us - US, row.answers()[0]["person"]))


def _help(evidence: Evidence) -> None:
    calls = (d for d in evidence.people if d["digit"] == "9" and d["sent"])
    call = copy.deepcopy(_first(calls, "call for help"))
    evidence.people.append(call | {"at_us": call["at_us"] + 3600 * US})


def _repeat(evidence: Evidence) -> None:
    keyed = (
        (line, report)
        for line in evidence.lines
        for report in line["body"]["reports"]
        if line["kind"] == "DigitsHeard" and report["node"] in ("acknowledged", "arrived")
        and line["body"]["event"]["digits"][-1] in "13"
    )  # fmt: skip
    line, report = _first(keyed, "reply by radio")
    line["body"]["reports"].append(report | {"node": "refused_reply"})
    evidence.read()


def _air(evidence: Evidence) -> None:
    page = _first((s for s in evidence.air if s["kind"] == "page" and s["whole"]), "page")
    evidence.air[:] = [s for s in evidence.air if s["of"] != page["of"]]


def _drill(evidence: Evidence) -> None:
    spoken = (s for s in evidence.air if s["whole"] and s["sentences"][-1:] == ["演练"])
    _first(spoken, "drill that was spoken")["sentences"].pop()


def _mixed(evidence: Evidence) -> None:
    cards = (p for p in evidence.posts if "号】" in p["text"] and "演" not in p["text"])
    card = _first(cards, "card of a live order")
    card["text"] = f"【演练】{card['text']}"


def _beside(evidence: Evidence) -> None:
    drills = {s["receipt"].get("order"): s for s in evidence.centre if is_drill(s)}
    calls = {p["id"] for p in evidence.journal.last("page") if p["purpose"] == "order"}
    pages = (s for s in evidence.air if s["order"] in drills and s["of"] in calls)
    page = _first(pages, "page of a drill")
    ended = ended_by_centre(evidence)
    lives = (
        s for s in evidence.centre
        if s["kind"] == "alert" and not is_drill(s) and "host" not in s["body"]
        and s["receipt"]["status"] == "accepted" and s["receipt"]["order"]
        and ended.get(s["receipt"]["order"], [(evidence.ended_us, 0)])[0][0]
        > s["at_us"] + 4 * US
    )  # fmt: skip
    live = _first(lives, "live order")
    drills[page["order"]]["body"]["grid"] = live["body"]["grid"]
    page["sentences_us"].append(live["at_us"] + 2 * US)


def _act(evidence: Evidence) -> None:
    acts = (s for s in evidence.centre if s["kind"] in ("caution", "handover", "correct"))
    accepted = (s for s in acts if s["receipt"]["status"] == "accepted")
    evidence.centre.remove(_first(accepted, "act of the centre"))


def _handed(evidence: Evidence) -> None:
    calls = {p["id"] for p in evidence.journal.last("page") if p["purpose"] == "order"}
    handed = {s["id"]: s["at_us"] for s in evidence.centre if s["kind"] == "handover"}
    pages = (
        s for s in evidence.air
        if s["order"] in handed and s["of"] in calls and s["level"] > 1
    )  # fmt: skip
    page = _first(pages, "page of an order that was handed over")
    page["began_us"] = handed[page["order"]] + 2 * US


def _reopen(evidence: Evidence) -> None:
    again = (s for s in evidence.centre if s["kind"] == "reopen")
    order = _first(again, "order that was opened again")["id"]
    evidence.air[:] = [s for s in evidence.air if s["order"] != order]
    evidence.posts[:] = [p for p in evidence.posts if p["order"] != order]


def _words(evidence: Evidence) -> None:
    updates = (s for s in evidence.centre if s["kind"] == "update")
    of = {s["id"] for s in updates} - {
        s["id"] for s in evidence.centre if s["kind"] == "cancel"
    }
    puts = (
        change[3]["alert"]
        for line in reversed(evidence.lines)
        for change in line["body"]["changes"]
        if change[:2] == ["put", "order"] and change[3]["alert"]["id"] in of
    )
    _first(puts, "order that was amended")["text"] = "别的"
    evidence.read()


def _roll(evidence: Evidence) -> None:
    told = (r for row in evidence.journal.rows for r in row.reports)
    person = _first((r for r in told if r["node"] == "roll_present"), "roll-call")["person"]
    evidence.people[:] = [deed for deed in evidence.people if deed["person"] != person]


def _missing(evidence: Evidence) -> None:
    ends = (
        (line, row)
        for line, row in zip(evidence.lines, evidence.journal.rows, strict=True)
        if row.kind == "TimerFired" and row.event["timer"].startswith("notice/")
    )
    line, row = _first(ends, "end of a roll-call")
    absent = {"node": "roll_missing", "person": "p0", "order": None, "at_us": line["at_us"]}
    line["body"]["reports"].append(absent | {"number": None, "medium": "chat"})
    evidence.downs.clear()
    evidence.faults.clear()
    evidence.people.append(
        {
            "at_us": row.at_us - 10 * US, "person": "p0", "number": "", "digit": "R",
            "medium": "chat", "sent": True,
        }
    )  # fmt: skip
    evidence.read()


# What is planted, and the judge who has to object.
PLANTED: Final[dict[str, tuple[str, Callable[[Evidence], None]]]] = {
    "receipt": ("I1", _receipt),
    "lost": ("I2", _lost),
    "twice": ("I3", _twice),
    "stuck": ("I4", _stuck),
    "ack": ("I5", _ack),
    "clock": ("I6", _clock),
    "wait": ("I6", _wait),
    "step": ("steps", _step),
    "ptt": ("I7", _ptt),
    "cancel": ("I8", _cancel),
    "level": ("I9", _level),
    "limit": ("I10", _limit),
    "chain": ("I11", _chain),
    "time": ("I12", _time),
    "air": ("pages", _air),
    "left": ("I5", _left),
    "help": ("help", _help),
    "repeat": ("repeats", _repeat),
    "drill": ("drills", _drill),
    "mixed": ("drills", _mixed),
    "beside": ("drills", _beside),
    "act": ("care", _act),
    "handed": ("care", _handed),
    "reopen": ("care", _reopen),
    "words": ("words", _words),
    "roll": ("roll", _roll),
    "missing": ("roll", _missing),
}


def plant(evidence: Evidence, fault: str) -> str:
    """Plant a fault; return the name of the judge who has to object.

    Raises:
        NothingToBreakError: There was nothing to plant it in.
    """
    judge, spoil = PLANTED[fault]
    spoil(evidence)
    return judge


__all__ = ["PLANTED", "NothingToBreakError", "plant"]
