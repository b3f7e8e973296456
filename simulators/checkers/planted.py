"""Faults planted in evidence, one for each judge of days: each of them has to object."""

import copy
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

from simulators.checkers.days import US, Evidence, ended_by_centre

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
    closed = (s for s in evidence.centre if s["kind"] == "close")
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
        and change[3]["what"] == "ladder"
    )  # fmt: skip
    _first(timers, "ladder when the clock was moved")["due_us"] += 600 * US
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
    page["sentences_us"].append(ended[page["order"]] + 60 * US)


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
