"""The judges of simulated days: what the outside logged, held against the journal.

One checker an invariant: I1 to I12, besides what was transmitted against what the journal says
was spoken, and that the gateway's own core never failed. Each takes the same evidence and never
believes the journal alone.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from simulators.checkers.clocks import (
    Moved,
    check_clocks,
    check_order_of_times,
    check_steps,
)
from simulators.checkers.findings import Finding
from simulators.checkers.journal import NODE_OF_DIGIT, Journal, Row
from simulators.checkers.office import (
    ROW_KIND,
    check_care,
    check_drills,
    check_roll,
    check_words,
    ended_by_centre,
    is_drill,
)
from simulators.checkers.repeats import check_repeats

Json = dict[str, Any]
US: Final = 1_000_000
# An answer waits at most so long for the gateway: an outage of the chat and a kill.
ANSWER_LATE_US: Final = 1200 * US
# From the receipt to the channel.
AT_ONCE_US: Final = US // 2


@dataclass(kw_only=True)
class Evidence:
    """What is judged.

    Attributes:
        air: Every transmission: channel, kind, of, order, level, began_us, ended_us,
            sentences_us, whole.
        posts: Each message of the bot as it came to stand: at_us, id, order, text.
        faults: What else was out of order: kind, from when, to when.
        calls_us: When each call of the chat was made.
        centre: Every message and act with its receipt.
        people: Every deed of everybody.
        downs: From when to when the gateway was dead, UTC microseconds.
        left: From when on somebody was not of the service any more: moment, person.
        steps: When the gateway's clock was moved, and how far ahead of ours it then was.
        begin_us: What our clock told when the monotonic one told 0.
        lines: The exported rows, each with its ``text`` where the body was kept as written.
        unsettled: Effects that are not done with at the end: kind, not_after_us.
        time_out_s: Longest transmission of each channel.
        calls_a_second: The chat's limit.
        ended_us: When everything was over, long after the last alert.
    """

    air: list[Json]
    posts: list[Json]
    faults: list[tuple[str, int, int]]
    calls_us: list[int]
    centre: list[Json]
    people: list[Json]
    downs: list[tuple[int, int]]
    left: list[tuple[int, str]]
    steps: list[tuple[int, int]]
    begin_us: int
    lines: list[Json]
    unsettled: list[Json]
    time_out_s: dict[str, float]
    calls_a_second: float
    ended_us: int
    journal: Journal = field(init=False)

    def __post_init__(self) -> None:
        self.read()

    def read(self) -> None:
        """Read the lines (again)."""
        self.journal = Journal([_row(line, self.begin_us) for line in self.lines])
        self._moved = Moved(self.steps)

    def when(self, row: Row, wall_us: int) -> int:
        """Return when a moment was of which a row tells by the gateway's clock."""
        return self._moved.when(row, wall_us)

    def down(self, from_us: int, to_us: int) -> bool:
        """Whether the gateway was dead at some moment between."""
        return any(a <= to_us and from_us <= b for a, b in self.downs)

    def out_of_order(self, from_us: int, to_us: int) -> bool:
        """Whether anything else failed at some moment between."""
        return any(a <= to_us and from_us <= b for _, a, b in self.faults)


def _row(line: Json, begin_us: int) -> Row:
    """Return a row at its moment by our clock."""
    body = line["body"]
    at_us = begin_us + line["mono_us"]
    moved_us = line["at_us"] - at_us
    return Row(
        seq=line["seq"], at_us=at_us, kind=line["kind"], event=body["event"],
        changes=tuple(body["changes"]), reports=tuple(body["reports"]), receipt=body["receipt"],
        moved_us=moved_us if abs(moved_us) > 1 else 0, boot=line["boot"],
    )  # fmt: skip


def check_receipts(evidence: Evidence) -> Finding:
    """I1: every receipt names a row that is there and is about that message."""
    finding = Finding("I1", "I1 receipts ↔ rows", "receipts", "each has its row")
    rows = evidence.journal.rows
    for said in evidence.centre:
        finding.compared += 1
        number = said["receipt"]["journal"]
        row = rows[number - 1] if 0 < number <= len(rows) else None
        if row is None or row.receipt is None:
            text = f"{said['kind']} {said['id']}: row {number} is not there"
            finding.object(said["at_us"], "centre", text)
        elif _about(row) != ROW_KIND.get(said["kind"], said["id"]):
            text = f"{said['kind']} {said['id']}: row {number} is about {_about(row)}"
            finding.object(said["at_us"], "centre", text, number)
    return finding


def _about(row: Row) -> str:
    alert = row.event.get("alert")
    return str(alert["id"] if alert else row.event.get("order", row.kind))


def check_ends(evidence: Evidence) -> Finding:
    """I2: an accepted alert is open, or was ended by the centre, never by a clock."""
    finding = Finding("I2", "I2 accepted alerts ↔ orders", "alerts", "open or ended by name")
    orders = {order["id"]: order for order in evidence.journal.last("order")}
    cancelled = {(s["sender"], s["id"]) for s in evidence.centre if s["kind"] == "cancel"}
    closed = _closed(evidence)
    lives = _live_orders(evidence)
    for said in evidence.centre:
        order_id = said["receipt"].get("order")
        opens = said["kind"] in ("alert", "update", "drill")
        if not opens or said["receipt"]["status"] != "accepted" or not order_id:
            continue
        finding.compared += 1
        order = orders.get(order_id)
        wrong = None
        if order is None:
            wrong = "has no order"
        elif order["status"] == "closed" and order_id not in closed:
            wrong = "was closed by nobody of the centre"
        elif order["status"] == "cancelled":
            # A drill is given up for a live order, never else.
            by_order = is_drill(said) and lives(said)
            called_off = (said.get("sender"), said["id"]) in cancelled
            wrong = None if called_off or by_order else "was cancelled by nobody"
        elif order_id in closed and order["status"] not in ("closed", "cancelled"):
            wrong = f"was closed by the centre and is {order['status']}"
        if wrong:
            finding.object(said["at_us"], "centre", f"{said['id']} ({order_id}) {wrong}")
    return finding


def _closed(evidence: Evidence) -> set[str]:
    """Return the orders that the centre closed and did not open again."""
    closed: set[str] = set()
    for said in sorted(evidence.centre, key=lambda s: int(s["receipt"]["journal"])):
        taken = said["receipt"]["status"] in ("accepted", "duplicate")
        if said["kind"] == "close" and taken:
            closed.add(said["id"])
        elif said["kind"] == "reopen" and taken:
            closed.discard(said["id"])
    return closed


def _live_orders(evidence: Evidence) -> Callable[[Json], bool]:
    """Return what tells whether a live order stood at some time after a drill began."""
    ended = ended_by_centre(evidence)
    until = [
        ended.get(s["receipt"]["order"], [(evidence.ended_us, 0)])[-1][0]
        for s in evidence.centre
        if s["kind"] in ("alert", "update") and s["receipt"].get("order") and not is_drill(s)
    ]
    # What a guard has called help for is an order too, and nobody here ends it.
    until += [evidence.ended_us for d in evidence.people if d["digit"] == "9" and d["sent"]]
    return lambda drill: any(end_us > drill["at_us"] for end_us in until)


def check_once(evidence: Evidence) -> Finding:
    """I3: one (sender, id), one order, in the centre's receipts and in the journal."""
    finding = Finding("I3", "I3 alert ids ↔ orders", "alert ids", "one order each")
    of: dict[tuple[str, str], set[str]] = defaultdict(set)
    for said in evidence.centre:
        if said["kind"] in ("alert", "update") and said["receipt"].get("order"):
            of[said["sender"], said["id"]].add(said["receipt"]["order"])
    made = Counter(
        (order["alert"]["sender"], order["alert"]["id"])
        for order in evidence.journal.last("order")
    )
    finding.compared = len(of)
    for key, orders in of.items():
        if len(orders) > 1 or made[key] > 1:
            text = f"{key[0]} {key[1]} made {sorted(orders)}"
            finding.object(0, "centre", text)
    return finding


def check_outbox(evidence: Evidence) -> Finding:
    """I4: whatever was to be sent has gone out, failed, expired or was taken back."""
    finding = Finding("I4", "I4 deliveries ↔ ends", "deliveries", "each has its end")
    ends = {"page": ("queued", "on_air"), "card": ("queued",), "delivery": ("pending",)}
    for kind, unfinished in ends.items():
        for entity in evidence.journal.last(kind):
            finding.compared += 1
            if entity["state"] in unfinished:
                text = f"{kind} {entity.get('id') or entity.get('person')} of"
                text += f" {entity['order']} is still {entity['state']}"
                finding.object(evidence.ended_us, "journal", text)
    for left in evidence.unsettled:
        not_after_us = left["not_after_us"]
        if not_after_us is not None and not_after_us < evidence.ended_us:
            text = f"{left['kind']} is not settled and past its time"
            finding.object(not_after_us, "outbox", text)
    return finding


def check_answers(evidence: Evidence) -> Finding:
    """I5: who answered was addressed, in the register and the service, and really did it."""
    finding = Finding("I5", "I5 answers ↔ what people did", "answers", "all theirs")
    deeds: dict[tuple[str, str], list[Json]] = defaultdict(list)
    for deed in evidence.people:
        deeds[deed["person"], deed["number"]].append(deed)
    left = {person: at_us for at_us, person in evidence.left}
    assigned: set[str] = set()
    active: dict[str, bool] = {}
    for row in evidence.journal.rows:
        for report in row.answers():
            finding.compared += 1
            person = report["person"]
            when_us = evidence.when(row, report["at_us"])
            wrong = _wrong_with(row, report, when_us, left, deeds)
            addressed = f"{report['order']}/{person}" in assigned
            of_itself = row.kind == "PersonLeft" or _of_a_call(row, person, when_us, deeds)
            if wrong is None and not of_itself and not (addressed and active.get(person)):
                wrong = "is not in the register" if addressed else "was not addressed"
            if wrong:
                text = f"{report['node']} of order {report['number']}: {person} {wrong}"
                finding.object(when_us, "people", text, row.seq)
        for change in row.changes:
            if change[0] == "put" and change[1] == "assignment":
                assigned.add(change[2])
            elif change[0] == "put" and change[1] == "person":
                active[change[2]] = change[3]["active"]
    return finding


def _wrong_with(
    row: Row,
    report: Json,
    when_us: int,
    left: dict[str, int],
    deeds: Mapping[tuple[str, str], list[Json]],
) -> str | None:
    """Return what of an answer those outside know better, or None."""
    person = report["person"]
    if row.kind == "PersonLeft":
        # His leaving is his answer to what he had to do; whether he left we know.
        return None if person in left else "has not left"
    if row.at_us > left.get(person, row.at_us):
        return "had left"
    his = [*deeds.get((person, report["number"]), ()), *deeds.get((person, ""), ())]
    did = any(_did(deed, report, when_us) for deed in his)
    if not (did or _of_a_call(row, person, when_us, deeds)):
        return "never did that"
    return None


def _of_a_call(
    row: Row, person: str, when_us: int, deeds: Mapping[tuple[str, str], list[Json]]
) -> bool:
    """Whether a row tells of somebody's call for help, which he made.

    He is at the place by his own word, and nobody addressed him.
    """
    calls = deeds.get((person, ""), ())
    told = [r for r in row.reports if r["node"] == "emergency" and r["person"] == person]
    return bool(told) and any(-US <= when_us - c["at_us"] <= ANSWER_LATE_US for c in calls)


def _did(deed: Json, report: Json, when_us: int) -> bool:
    # Who calls for help while he is on an order calls it to that order.
    node = NODE_OF_DIGIT.get(deed["digit"], "need_help")
    implied = report["node"] == "acknowledged" and deed["digit"] in ("2", "3", "5")
    late_us = when_us - deed["at_us"]
    right = node == report["node"] or implied
    return right and deed["medium"] == report["medium"] and -US <= late_us <= ANSWER_LATE_US


def check_ptt(evidence: Evidence) -> Finding:
    """I7: no transmission is longer than the time-out timer, no two are on one channel."""
    finding = Finding("I7", "I7 transmissions ↔ time-out", "transmissions", "one at a time")
    for channel, sent in _by_channel(evidence).items():
        for one in sent:
            finding.compared += 1
            ended_us = one["ended_us"] or evidence.ended_us
            lasts_s = (ended_us - one["began_us"]) / US
            if lasts_s > evidence.time_out_s[channel]:
                text = f"{one['of']} kept the key for {lasts_s:.1f} s"
                finding.object(one["began_us"], f"channel {channel}", text)
        for one, other in pairwise(sent):
            if (one["ended_us"] or evidence.ended_us) > other["began_us"]:
                text = f"{one['of']} and {other['of']} at the same time"
                finding.object(other["began_us"], f"channel {channel}", text)
    return finding


def _by_channel(evidence: Evidence) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = defaultdict(list)
    for sent in sorted(evidence.air, key=lambda s: int(s["began_us"])):
        found[sent["channel"]].append(sent)
    return found


def check_after_end(evidence: Evidence) -> Finding:
    """I8: after a cancel or close nothing of the order is begun, no sentence either."""
    finding = Finding("I8", "I8 ended orders ↔ air", "ended orders", "silent afterwards")
    ended = ended_by_centre(evidence)
    finding.compared = len(ended)
    purposes = {page["id"]: page["purpose"] for page in evidence.journal.last("page")}
    for sent in evidence.air:
        if sent["kind"] != "page" or purposes.get(sent["of"]) == "stand_down":
            continue
        for end_us, again_us in ended.get(sent["order"], ()):
            late = [t for t in sent["sentences_us"] if end_us + AT_ONCE_US < t < again_us]
            if late:
                text = f"{sent['of']} of {sent['order']} was spoken after its end"
                finding.object(late[0], f"channel {sent['channel']}", text)
    return finding


def check_level_1(evidence: Evidence) -> Finding:
    """I9: while an order of level 1 waits for a channel, nothing lower is begun there."""
    finding = Finding("I9", "I9 level 1 ↔ what went before it", "pages", "nothing ahead")
    by_channel = _by_channel(evidence)
    for page, (channel, from_us, to_us) in _waits_of_level_1(evidence).items():
        finding.compared += 1
        for sent in by_channel.get(channel, ()):
            lower = sent["kind"] == "talk" or (sent["kind"] == "page" and sent["level"] > 1)
            if lower and from_us + AT_ONCE_US < sent["began_us"] < to_us:
                text = f"{sent['of']} was begun while {page} waited"
                finding.object(sent["began_us"], f"channel {channel}", text)
    return finding


def _waits_of_level_1(evidence: Evidence) -> dict[str, tuple[str, int, int]]:
    """Return the level-1 pages: channel, when asked for, when begun or given up.

    But for those of drills, which wait behind every live order.
    """
    begun: dict[str, int] = {}
    for sent in evidence.air:
        begun.setdefault(sent["of"], sent["began_us"])
    drills = {o["id"] for o in evidence.journal.last("order") if o["alert"]["exercise"]}
    levels = {s["of"]: s["level"] for s in evidence.air if s["order"] not in drills}
    found = {}
    for page, states in evidence.journal.each("page"):
        if levels.get(page) != 1 or states[0].fields is None:
            continue
        given_up = [
            s.row.at_us for s in states if s.fields and s.fields["state"] == "withdrawn"
        ]
        ends = [begun[page], *given_up]
        found[page] = (states[0].fields["channel"], states[0].row.at_us, min(ends))
    return found


def check_limit(evidence: Evidence) -> Finding:
    """I10: the chat platform's limit is never exceeded."""
    finding = Finding("I10", "I10 calls ↔ platform limit", "calls", "within the limit")
    calls, most = evidence.calls_us, int(evidence.calls_a_second)
    finding.compared = len(calls)
    for first, beyond in zip(calls, calls[most + 1 :], strict=False):
        if beyond - first < US:
            finding.object(beyond, "chat", f"more than {most} calls within a second")
            break
    return finding


def check_chain(evidence: Evidence) -> Finding:
    """I11: hash chain and row numbers are unbroken; computed here, from the rows alone."""
    finding = Finding("I11", "I11 hash chain", "rows", "unbroken")
    before = bytes(32)
    for number, line in enumerate(evidence.lines, 1):
        finding.compared += 1
        if line["seq"] != number:
            finding.object(line["at_us"], "chain", f"row {line['seq']} stands at {number}")
            break
        before = hashlib.sha256(b"gwj1" + before + _canonical(line).encode()).digest()
        if before.hex() != line["hash"]:
            finding.object(line["at_us"], "chain", "the row was changed", number)
            break
    return finding


def _canonical(line: Json) -> str:
    text = line.get("text")
    if text is None:
        names = ("at_us", "body", "boot", "kind", "mono_us", "order", "seq", "settings")
        return _compact({name: line[name] for name in names})
    return (
        f'{{"at_us":{line["at_us"]},"body":{text},"boot":{_compact(line["boot"])},'
        f'"kind":{_compact(line["kind"])},"mono_us":{line["mono_us"]},'
        f'"order":{_compact(line["order"])},"seq":{line["seq"]},'
        f'"settings":{_compact(line["settings"])}}}'
    )


def _compact(value: Any) -> str:  # noqa: ANN401
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def check_pages(evidence: Evidence) -> Finding:
    """What the journal says was spoken went out whole, and what went out whole stands there."""
    finding = Finding("pages", "pages ↔ air", "pages", "both tell the same")
    whole = {s["of"]: s for s in evidence.air if s["kind"] == "page" and s["whole"]}
    pages = [*evidence.journal.last("page")]
    for notice in evidence.journal.last("notice"):
        pages += notice["pages"]
    spoken = {p["id"] for p in pages if p["state"] == "spoken"}
    finding.compared = len(whole | dict.fromkeys(spoken))
    for page in spoken - whole.keys():
        finding.object(0, "air", f"{page} is spoken in the journal and was never heard")
    for page in whole.keys() - spoken:
        text = f"{page} was heard; the journal lacks it"
        finding.object(whole[page]["began_us"], "air", text)
    twice = Counter(s["of"] for s in evidence.air if s["kind"] == "page" and s["whole"])
    for page, times in twice.items():
        if times > 1:
            finding.object(whole[page]["began_us"], "air", f"{page} was spoken {times} times")
    return finding


def check_calls_for_help(evidence: Evidence) -> Finding:
    """Every call for help that went out was taken, and nobody is said to have called so."""
    finding = Finding("help", "calls for help ↔ people", "calls", "each taken, none invented")
    left = {person: at_us for at_us, person in evidence.left}
    told = [
        (report, row, evidence.when(row, report["at_us"]))
        for row in evidence.journal.rows
        for report in row.reports
        if report["node"] == "emergency"
    ]
    called = [deed for deed in evidence.people if deed["digit"] == "9" and deed["sent"]]
    finding.compared = len(called)
    for deed in called:
        if not any(_is_call(deed, report, at_us, left) for report, _, at_us in told):
            text = f"{deed['person']} called for help, and nobody was told"
            finding.object(deed["at_us"], "people", text)
    for report, row, at_us in told:
        if not any(_is_call(deed, report, at_us, left) for deed in called):
            text = f"{report['person']} is said to have called for help, and did not"
            finding.object(at_us, "people", text, row.seq)
    return finding


def _is_call(deed: Json, report: Json, at_us: int, left: dict[str, int]) -> bool:
    """Whether that call was told so: by name, or by no name of somebody who has left."""
    late_us = at_us - deed["at_us"]
    gone = left.get(deed["person"], at_us) < at_us
    stranger = gone and report["person"] is None
    named = report["person"] == deed["person"]
    return (named or stranger) and -US <= late_us <= ANSWER_LATE_US


def check_core(evidence: Evidence) -> Finding:
    """The gateway never had to put an event aside because its own core had failed."""
    finding = Finding("core", "the gateway's own faults", "rows", "none")
    finding.compared = len(evidence.journal.rows)
    for row in evidence.journal.of("InputRefused"):
        if row.event["door"] == "engine":
            finding.object(row.at_us, "gateway", row.event["reason"], row.seq)
    return finding


CHECKS: Final[tuple[Callable[[Evidence], Finding], ...]] = (
    check_receipts, check_ends, check_once, check_outbox, check_answers, check_clocks,
    check_ptt, check_after_end, check_level_1, check_limit, check_chain, check_order_of_times,
    check_pages, check_calls_for_help, check_repeats, check_steps,
    check_drills, check_care, check_words, check_roll, check_core,
)  # fmt: skip


def judge(evidence: Evidence) -> Iterator[Finding]:
    """Yield the finding of every checker."""
    for check in CHECKS:
        yield check(evidence)


__all__ = ["CHECKS", "Evidence", "judge"]
