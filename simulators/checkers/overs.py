"""People on the air against the journal: what they keyed and said, and what was kept."""

import hashlib
from pathlib import Path
from typing import Final

from simulators.checkers.air import SLACK_US, US, outcome
from simulators.checkers.findings import Finding
from simulators.checkers.journal import Journal, Row
from simulators.checkers.witnesses import Air, Lived, Over, Witnesses

# A frame is made out at its last digit or, with an id at the end of the over, after its end.
DECODED_LATE_US: Final = 3 * US // 2
# From the end of his over to the tone that satisfied him.
SATISFIED_AFTER_US: Final = 10 * US
# Under this a squelch with its debounce may see nothing.
SHORTEST_OVER_US: Final = US // 2
# Both ends see an over begin within this.
SAME_START_US: Final = US


def _said_in(row: Row, air: Air) -> list[Over]:
    """Return the overs that a row's frame, status or presses may have come from."""
    return [
        over
        for over in air.guard_overs
        if (row.kind != "DigitsHeard" or row.event["digits"] in over.frames())
        and over.start_us - SLACK_US <= row.happened_us <= over.end_us + DECODED_LATE_US
    ]


def check_air_replies(witnesses: Witnesses, journal: Journal) -> Finding:
    """Every reply by radio in the journal was given on the air, by the person it names.

    What was misheard and refused did no harm; but somebody must have been on the air.
    """
    finding = Finding("air_replies", "DigitsHeard ↔ ether", "frames", "all keyed")
    misheard = 0
    for row in journal.radio_replies():
        finding.compared += 1
        channel, digits = row.event["channel"], row.event.get("digits")
        air = witnesses.airs.get(channel)
        overs = _said_in(row, air) if air else []
        if not overs and row.refused() and air and _somebody_spoke(row, air):
            misheard += 1
        elif not overs:
            heard = f"*{digits}#" if digits else "an answer without digits"
            text = f"the journal heard {heard}; nobody keyed that"
            finding.object(row.happened_us, f"ether {channel}", text, row.seq)
        for report in row.repeated():
            if not journal.said_before(report["order"], report["person"], row.seq):
                text = f"{report['person']} is said to repeat himself; he had said nothing"
                finding.object(row.happened_us, f"ether {channel}", text, row.seq)
        for report in (*row.answers(), *row.repeated()) if overs else ():
            who = {over.who for over in overs} & set(witnesses.site["people"])
            if who and report["person"] not in who:
                text = f"{report['node']} is booked for {report['person']}; {who} keyed it"
                finding.object(row.happened_us, f"ether {channel}", text, row.seq)
    finding.remark = f"{misheard} misheard and refused" if misheard else ""
    return finding


def _somebody_spoke(row: Row, air: Air) -> bool:
    return any(over.near(row.happened_us, DECODED_LATE_US) for over in air.guard_overs)


def check_keyed(witnesses: Witnesses, journal: Journal) -> Finding:
    """Every frame that was answered as accepted is in the journal, and what satisfied people.

    A frame that was not understood, and not answered as accepted, is only remarked upon: who
    keyed it knows that it was not taken.
    """
    finding = Finding("keyed", "frames keyed ↔ DigitsHeard", "frames", "all in the journal")
    rows = list(journal.radio_replies())
    lost = 0
    for air in witnesses.airs.values():
        for over in air.guard_overs:
            if not air.reached_gateway(over) or _deaf(journal, over):
                continue
            for digits in over.frames():
                finding.compared += 1
                if any(row.event.get("digits") == digits and over in _said_in(row, air)
                       for row in rows):  # fmt: skip
                    continue
                if _answer_to(over, air) == "accepted":
                    text = f"{over.who} keyed *{digits}# and was told it is accepted; it is not"
                    finding.object(over.start_us, air.witness, text)
                else:
                    lost += 1
    finding.remark = f"{lost} not understood, and not accepted" if lost else ""
    _check_beliefs(finding, witnesses, rows)
    return finding


def _answer_to(over: Over, air: Air) -> str | None:
    """Return the first tone that answered an over, before anybody else spoke."""
    after = [
        other
        for other in air.overs
        if over.end_us <= other.start_us <= over.end_us + SATISFIED_AFTER_US
    ]
    after.sort(key=lambda other: other.start_us)
    return after[0].answer if after else None


def _check_beliefs(finding: Finding, witnesses: Witnesses, rows: list[Row]) -> None:
    for belief in witnesses.lived("satisfied"):
        finding.compared += 1
        if not any(_satisfies(row, belief) for row in rows):
            text = f"{belief.person} took {belief.facts['digits']} for accepted; it was not"
            finding.object(belief.at_us, "people", text)


def _deaf(journal: Journal, over: Over) -> bool:
    """Whether the journal says that the channel did not work, or nothing ran yet."""
    early = not journal.rows or over.start_us < journal.rows[0].happened_us
    return early or journal.path_down(f"channel:{over.channel}", over.end_us)


def _satisfies(row: Row, belief: Lived) -> bool:
    named = {report["person"] for report in row.answers()}
    sent, digits = belief.facts["digits"], row.event.get("digits")
    # Presses and statuses have no digits, neither here nor there.
    return (
        (sent == f"*{digits}#" if digits is not None else not sent.startswith("*"))
        and row.event["channel"] == belief.facts["channel"]
        and outcome(row) == "accepted"
        and (not named or belief.person in named)
        and 0 <= belief.at_us - row.happened_us <= SATISFIED_AFTER_US
    )


def check_overs(witnesses: Witnesses, journal: Journal) -> Finding:
    """Whatever people said on a clear channel was heard and recorded, and nothing else was."""
    finding = Finding("overs", "overs on the air ↔ OverHeard", "overs", "all heard")
    rows = list(journal.of("OverHeard"))
    for air in witnesses.airs.values():
        mine = [row for row in rows if row.event["channel"] == air.channel]
        for over in air.guard_overs:
            short = over.end_us - over.start_us < SHORTEST_OVER_US
            if short or not air.reached_gateway(over) or _deaf(journal, over):
                continue
            finding.compared += 1
            row = next((r for r in mine if _same(over, r)), None)
            if row is None:
                text = f"{over.who} spoke; the journal has no over of that moment"
                finding.object(over.start_us, air.witness, text)
            elif row.event["recording"] is None:
                text = f"{over.who} spoke; it was not recorded"
                finding.object(over.start_us, air.witness, text, row.seq)
        for row in mine:
            if not any(_same(over, row) or _within(over, row) for over in air.guard_overs):
                text = "the journal heard somebody; nobody was on the air"
                finding.object(row.happened_us, air.witness, text, row.seq)
    return finding


def _same(over: Over, row: Row) -> bool:
    return abs(over.start_us - row.happened_us) <= SAME_START_US


def _within(over: Over, row: Row) -> bool:
    """Whether an over began before we could hear it: our own radio was still on the air."""
    return over.start_us <= row.happened_us <= over.end_us + SLACK_US


def check_recordings(witnesses: Witnesses, journal: Journal) -> Finding:
    """Every recording that the journal names is on the disk, with its digest (I14)."""
    finding = Finding("recordings", "recordings ↔ journal", "files", "all there, digests match")
    root = Path(witnesses.site["base_dir"]) / witnesses.site["site"]["state_dir"] / "recordings"
    kept = {row.event["what"]: row for row in journal.of("RecordingKept")}
    for row in kept.values():
        finding.compared += 1
        path = root / row.event["path"]
        if not path.is_file():
            finding.object(row.happened_us, "disk", f"{path} is not there", row.seq)
        elif hashlib.sha256(path.read_bytes()).hexdigest() != row.event["sha256"]:
            text = f"{path} is not the file that was recorded"
            finding.object(row.happened_us, "disk", text, row.seq)
    for row in journal.rows:
        what = row.event.get("page" if row.kind == "PageSpoken" else "over")
        named = row.kind in ("PageSpoken", "OverHeard") and row.event["recording"]
        if named and what not in kept and not (root / row.event["recording"]).is_file():
            text = f"the recording of {what} is not there"
            finding.object(row.happened_us, "disk", text, row.seq)
    return finding


__all__ = ["check_air_replies", "check_keyed", "check_overs", "check_recordings"]
