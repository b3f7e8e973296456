"""What the centre does beside raising alerts: drills, roll-calls, care, words out of order."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from simulators.checkers.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulators.checkers.days import Evidence
    from simulators.checkers.journal import Row

Json = dict[str, Any]
US: Final = 1_000_000
FOREVER_US: Final = 10**18
# What is said at once may take so long to go out.
AT_ONCE_US: Final = US // 2
# Who is called afresh hears or reads of it by then, whatever was out of order meanwhile.
AFRESH_US: Final = 1900 * US
# An answer stands in the journal so soon after it was given, unless something was out of order.
ANSWER_LATE_US: Final = 1200 * US
# A frame takes so long on the air, with what else is said there.
FRAME_US: Final = 5 * US
# What an act leaves in the record of its order.
NODE: Final = {
    "caution": "caution", "handover": "handover", "reopen": "reopened", "correct": "corrected",
    "complaint": "complaint", "unhold": "unhold",
}  # fmt: skip
# The event that stands for an act that is of no order.
ROW_KIND: Final = {
    "drill": "DrillAsked", "drill_off": "DrillDropped", "roll_call": "RollCallAsked",
}  # fmt: skip
_SPOKEN: Final = re.compile(r"(演练)?([零一二三四五六七八九]{2,4})号")
# A number that is nobody's is quoted as it was written to us.
_WRITTEN: Final = re.compile(r"(?<!没有)(演?)(\d{2,4})号")
MARK: Final = "演练"


def is_drill(said: Json) -> bool:
    """Return whether what the centre sent or did is a drill."""
    return said["kind"] == "drill" or bool(said.get("body", {}).get("exercise"))


def ended_by_centre(evidence: Evidence) -> dict[str, list[tuple[int, int]]]:
    """Return when the centre ended which order, and when it opened it again if it did.

    It closed it, or called off all that made it: of many alarms that became one order some
    may be false ones, and the others still stand.
    """
    standing: dict[str, set[tuple[str | None, str]]] = defaultdict(set)
    ended: dict[str, list[tuple[int, int]]] = {}
    for said in sorted(evidence.centre, key=lambda s: int(s["receipt"]["journal"])):
        order, alert = said["receipt"].get("order"), (said.get("sender"), said["id"])
        if order is None or said["receipt"]["status"] != "accepted":
            continue
        spans = ended.setdefault(order, [])
        closed = bool(spans) and spans[-1][1] == FOREVER_US
        if said["kind"] in ("alert", "update"):
            standing[order].add(alert)
        elif said["kind"] == "reopen" and closed:
            spans[-1] = (spans[-1][0], said["at_us"])
        elif said["kind"] == "cancel":
            standing[order].discard(alert)
        if not closed and (
            said["kind"] == "close" or (said["kind"] == "cancel" and not standing[order])
        ):
            spans.append((said["at_us"], FOREVER_US))
    return {order: spans for order, spans in ended.items() if spans}


# ---- drills ----


def check_drills(evidence: Evidence) -> Finding:
    """A drill says so first and last, spoken and written, under numbers of its own.

    A live order never does, and where one stands no drill is called.
    """
    finding = Finding("drills", "drills ↔ air, chat, receipts", "drills", "none mistaken")
    orders: dict[str, Json] = {}
    for said in evidence.centre:
        order, number = said["receipt"].get("order"), said["receipt"].get("number")
        if order is None or said["kind"] not in ("alert", "drill"):
            continue
        finding.compared += is_drill(said)
        orders.setdefault(order, said)
        if number and number.startswith("0") != is_drill(said):
            text = f"{said['id']} has number {number}, of the other kind"
            finding.object(said["at_us"], "centre", text)
    _judge_air(evidence, finding, orders)
    for post in evidence.posts:
        number = _WRITTEN.search(post["text"])
        wrong = _mistaken(number[2], post["text"].split("\n")) if number else None
        if number and wrong:
            finding.object(post["at_us"], "chat", f"a card of {number[2]} {wrong}")
    _judge_beside(evidence, finding, orders)
    return finding


def _judge_air(evidence: Evidence, finding: Finding, orders: dict[str, Json]) -> None:
    for sent in evidence.air:
        number = _SPOKEN.search("。".join(sent["sentences"]))
        if sent["kind"] != "page" or number is None or not sent["whole"]:
            continue
        digits = number[2].replace("零", "0")
        wrong = _mistaken(digits, sent["sentences"])
        said = orders.get(sent["order"])
        if wrong is None and said and digits.startswith("0") != is_drill(said):
            wrong = "was spoken under a number of the other kind"
        if wrong:
            text = f"{sent['of']} of {number[2]} {wrong}"
            finding.object(sent["began_us"], f"channel {sent['channel']}", text)


def _mistaken(number: str, parts: list[str]) -> str | None:
    """Return what is wrong with the marks of what was said or written, or None."""
    if not number.startswith("0"):
        return "says that it is a drill" if MARK in parts[0] or MARK in parts[-1] else None
    marked = MARK in parts[0] and MARK in parts[-1]
    return None if marked else "does not say first and last that it is a drill"


def _judge_beside(evidence: Evidence, finding: Finding, orders: dict[str, Json]) -> None:
    """Object to a drill that is called where a live order stands."""
    ended = ended_by_centre(evidence)
    live: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for order, said in orders.items():
        if said["kind"] == "alert" and not is_drill(said) and "host" not in said["body"]:
            from_us = said["at_us"]
            for end_us, again_us in ended.get(order, [(FOREVER_US, FOREVER_US)]):
                live[said["body"]["grid"]].append((from_us, end_us, order))
                from_us = again_us
    ends = {p["id"] for p in evidence.journal.last("page") if p["purpose"] == "stand_down"}
    for sent in evidence.air:
        drill = orders.get(sent["order"] or "")
        if drill is None or not is_drill(drill) or sent["of"] in ends:
            continue
        for from_us, end_us, order in live[drill["body"]["grid"]]:
            late = [t for t in sent["sentences_us"] if from_us + AT_ONCE_US < t < end_us]
            if late:
                text = f"{sent['of']} of drill {sent['order']} was spoken beside {order}"
                finding.object(late[0], f"channel {sent['channel']}", text)


# ---- what is done to orders ----


def check_care(evidence: Evidence) -> Finding:
    """What the centre did to an order stands in its record, and nothing that it did not do.

    What the police have taken over calls nobody any more; what is opened again calls afresh.
    """
    finding = Finding("care", "acts of the centre ↔ rows, air, chat", "acts", "each done")
    rows, done = evidence.journal.rows, set()
    handed: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for said in evidence.centre:
        node = NODE.get(said["kind"])
        if node is None or said["receipt"]["status"] != "accepted":
            continue
        finding.compared += 1
        seq, order = said["receipt"]["journal"], said["id"]
        done.add(seq)
        if not any(r["node"] == node and r["order"] == order for r in rows[seq - 1].reports):
            text = f"{said['kind']} of {order} left no {node}"
            finding.object(said["at_us"], "centre", text, seq)
        if said["kind"] == "handover":
            handed[order].append((said["at_us"], FOREVER_US))
        elif said["kind"] == "reopen":
            handed[order] = [(a, min(b, said["at_us"])) for a, b in handed[order]]
            if not _called_since(evidence, order, said["at_us"]):
                text = f"{order} was opened again and nobody was called"
                finding.object(said["at_us"], "air and chat", text, seq)
    for row in rows:
        taken = row.receipt is not None and row.receipt["status"] == "accepted"
        if row.kind == "OrderTended" and taken and row.seq not in done:
            finding.object(row.at_us, "centre", "nobody of the centre did that", row.seq)
    _judge_handed(evidence, finding, handed)
    return finding


def _called_since(evidence: Evidence, order: str, at_us: int) -> bool:
    until_us = at_us + AFRESH_US
    spoken = any(
        s["order"] == order and at_us - AT_ONCE_US <= s["began_us"] <= until_us
        for s in evidence.air
    )
    return spoken or any(
        p["order"] == order and at_us - AT_ONCE_US <= p["at_us"] <= until_us
        for p in evidence.posts
    )


def _judge_handed(
    evidence: Evidence, finding: Finding, handed: dict[str, list[tuple[int, int]]]
) -> None:
    calls = {
        p["id"] for p in evidence.journal.last("page") if p["purpose"] in ("order", "repeat")
    }
    helped = _helped(evidence)
    for sent in evidence.air:
        # Of level 1 everybody near by should know, even so.
        if sent["of"] not in calls or sent["level"] == 1:
            continue
        began_us = sent["began_us"]
        for from_us, to_us in handed.get(sent["order"], ()):
            # Whoever calls for help beside the police gets it.
            asked = any(from_us < at_us <= began_us for at_us in helped.get(sent["order"], ()))
            if not asked and from_us + AT_ONCE_US < began_us < to_us:
                text = f"{sent['of']} of {sent['order']} called people; the police have it"
                finding.object(began_us, f"channel {sent['channel']}", text)


# ---- messages that overtake one another ----


def check_words(evidence: Evidence) -> Finding:
    """Whatever order messages come in: a cancel ends, else what was sent last counts.

    But that an order is one of level 1 once somebody on it has called for help.
    """
    finding = Finding("words", "messages in any order ↔ orders", "incidents", "one end")
    sent: dict[str, list[Json]] = defaultdict(list)
    for said in evidence.centre:
        if said["kind"] in ("alert", "update", "cancel") and said.get("sender") == "zhzx":
            sent[said["id"]].append(said)
    orders = {o["alert"]["id"]: o for o in evidence.journal.last("order")}
    closed, helped = _closed(evidence), _helped(evidence)
    danger = _helped(evidence, nodes=("emergency",))
    for id_, messages in sent.items():
        finding.compared += 1
        order, wrong = orders.get(id_), None
        ended = {m["receipt"]["order"] for m in messages} & closed
        if any(m["kind"] == "cancel" for m in messages):
            if order is not None and order["status"] != "cancelled" and not ended:
                wrong = f"was called off and is {order['status']}"
        elif order is not None:
            last = max(messages, key=lambda m: str(m["body"]["sent"]))["body"]
            if order["id"] in danger and not order["alert"]["exercise"]:
                last = {**last, "level": 1}
            names = ("text", "level") if order["id"] in helped else ("text", "level", "needs")
            wrong = next(_unlike(order["alert"], last, names), None)
        if wrong:
            finding.object(messages[-1]["at_us"], "centre", f"{id_} {wrong}")
    return finding


def _closed(evidence: Evidence) -> set[str]:
    return {s["id"] for s in evidence.centre if s["kind"] == "close"}


def _helped(
    evidence: Evidence, nodes: tuple[str, ...] = ("need_help", "emergency")
) -> dict[str, list[int]]:
    """Return when somebody called for help to which order: one more is wanted there.

    That he really did is for I5 to say.
    """
    helped: dict[str, list[int]] = defaultdict(list)
    for row in evidence.journal.rows:
        for report in row.reports:
            if report["node"] in nodes:
                helped[report["order"]].append(row.at_us)
    return helped


def _unlike(alert: Json, last: Json, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        if alert[name] != last[name]:
            yield f"has {name} {alert[name]}, and {last[name]} was sent last"


# ---- the roll ----


def check_roll(evidence: Evidence) -> Finding:
    """Who is said to be at his post has answered; who answered in time is not missing."""
    finding = Finding("roll", "roll-calls ↔ answers", "answers", "each as given")
    answers: dict[str, list[Json]] = defaultdict(list)
    for deed in evidence.people:
        if deed["sent"] and (deed["digit"] == "R" or deed["medium"] == "radio"):
            answers[deed["person"]].append(deed)
    windows = _windows(evidence)
    for row in evidence.journal.rows:
        for report in row.reports:
            person, deeds = report["person"], answers[report["person"]]
            if report["node"] == "roll_present":
                finding.compared += 1
                from_us = row.at_us - ANSWER_LATE_US
                if not any(from_us <= d["at_us"] <= row.at_us + US for d in deeds):
                    text = f"{person} is said to be there, and did not answer"
                    finding.object(row.at_us, "people", text, row.seq)
            elif report["node"] == "roll_missing":
                finding.compared += 1
                text = f"{person} is missing from the roll, and had answered"
                key = row.event["timer"].removeprefix("notice/")
                his = [d for d in deeds if d["number"] in ("", key)]
                if _answered(evidence, his, windows[row.event["timer"]], row):
                    finding.object(row.at_us, "people", text, row.seq)
    return finding


def _windows(evidence: Evidence) -> dict[str, int]:
    """Return when the roll was called of which each clock is the end."""
    return {
        f"notice/{key}": states[0].row.at_us for key, states in evidence.journal.each("notice")
    }


def _answered(evidence: Evidence, deeds: list[Json], from_us: int, row: Row) -> bool:
    """Whether somebody answered within a window in which nothing was out of order."""
    if evidence.down(from_us, row.at_us) or evidence.out_of_order(from_us, row.at_us):
        return False
    return any(
        d["digit"] == "R" and from_us <= d["at_us"] <= row.at_us - FRAME_US for d in deeds
    )


__all__ = [
    "check_care", "check_drills", "check_roll", "check_words", "ended_by_centre", "is_drill",
]  # fmt: skip
