"""The ether against the journal: pages, answer tones, the transmitter's line."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from simulators.checkers.findings import Finding
from simulators.checkers.journal import Journal, Json, Row
from simulators.checkers.witnesses import Air, Edge, Over, Witnesses

US: Final = 1_000_000
# What keyer, line and the ether's frames take between a moment here and the same moment there.
SLACK_US: Final = US // 2
ATTENTION_S: Final = {1: 1.2, 2: 0.9, 3: 0.4}
# The shortest sentence that can be an order.
SHORTEST_SPEECH_S: Final = 1.5
# An answer tone later than this would be taken for somebody else's; and the over before it.
ANSWER_LIFE_US: Final = 12 * US
# A talker who was cut hears it when he lets go of his key, at the latest after this.
CUT_LIFE_US: Final = 62 * US
# A page whose end the journal never learnt may have been on the air for so long.
UNENDED_US: Final = 180 * US
# The same sentences are of the same length; what was broken off is shorter.
SAME_LENGTH_US: Final = US // 5
# A line that was keyed for less may have been let go before the first frame.
SHORTEST_KEYING_US: Final = US // 5


@dataclass(frozen=True)
class Turn:
    """One stretch in which a page was on the air; it ended or had to wait again."""

    from_us: int
    until_us: int

    def holds(self, over: Over) -> bool:
        """Whether an over lies in it."""
        early = over.start_us < self.from_us - SLACK_US
        return not early and over.end_us <= self.until_us + SLACK_US


@dataclass(frozen=True)
class Page:
    """One page as the journal has it.

    Attributes:
        level: Of its order, when it was asked for.
        queued: The row that asked for it.
        turns: When it was on the air: several when level 1 broke it off.
        ended: The row that says what became of it, or None.
    """

    id: str
    channel: str
    order: str
    purpose: str
    level: int
    queued: Row
    turns: tuple[Turn, ...]
    ended: Row | None

    @property
    def started_us(self) -> int | None:
        """When the transmitter was first keyed for it, or None."""
        return self.turns[0].from_us if self.turns else None

    def carries(self, over: Over) -> bool:
        """Whether an over of the base radio lies in its time on the air."""
        return over.channel == self.channel and any(turn.holds(over) for turn in self.turns)


def pages(journal: Journal) -> list[Page]:
    """Return every page of the journal."""
    turns, ended = _turns_and_ends(journal)
    found = []
    for key, states in journal.each("page"):
        first = states[0].row
        fields = states[0].fields or {}
        order = journal.at("order", fields["order"], first.seq) or {}
        found.append(
            Page(
                id=key,
                channel=fields["channel"],
                order=fields["order"],
                purpose=fields["purpose"],
                level=order["alert"]["level"],
                queued=first,
                turns=tuple(turns.get(key, ())),
                ended=ended.get(key),
            )
        )
    return found


def _turns_and_ends(journal: Journal) -> tuple[dict[str, list[Turn]], dict[str, Row]]:
    turns: dict[str, list[Turn]] = {}
    on_air: dict[str, int] = {}
    ended = {}
    for row in journal.rows:
        if row.kind == "PageStarted":
            on_air.setdefault(row.event["page"], row.happened_us)
        elif row.kind in ("PageWaited", "PageSpoken", "PageFailed"):
            page = row.event["page"]
            from_us = on_air.pop(page, None)
            if from_us is not None:
                turns.setdefault(page, []).append(Turn(from_us, row.happened_us))
            if row.kind != "PageWaited":
                ended[page] = row
    for page, from_us in on_air.items():
        turns.setdefault(page, []).append(Turn(from_us, from_us + UNENDED_US))
    return turns, ended


def check_pages(witnesses: Witnesses, journal: Journal) -> Finding:
    """Every page that the journal calls spoken was heard once: its tone, then speech."""
    finding = Finding("pages", "PageSpoken ↔ ether", "pages", "all heard")
    for page in pages(journal):
        if page.ended is None or page.ended.kind != "PageSpoken":
            continue
        finding.compared += 1
        air = witnesses.airs.get(page.channel)
        overs = [o for o in air.base_overs if page.carries(o)] if air else []
        wrong = _unheard(page, overs)
        if wrong:
            finding.object(
                page.started_us or page.ended.happened_us,
                f"ether {page.channel}",
                f"page {page.id} was spoken, says the journal; {wrong}",
                page.ended.seq,
            )
    return finding


def _unheard(page: Page, overs: list[Over]) -> str | None:
    """Return what is wrong with what was heard of a page, or None."""
    if not overs:
        return "the ether heard nothing of it"
    if all(over.attention != page.level for over in overs):
        heard = [over.attention for over in overs]
        return f"its level {page.level} attention tone was not heard, but {heard}"
    speech_s = sum(over.voiced_s for over in overs) - ATTENTION_S[page.level]
    if speech_s < SHORTEST_SPEECH_S:
        return f"after the tone there were {max(0.0, speech_s):.1f} s of sound, no sentence"
    return "the ether heard the whole of it twice" if _heard_twice(overs) else None


def _heard_twice(overs: list[Over]) -> bool:
    """Whether two transmissions began with the tone and were equally long."""
    lengths = sorted(over.end_us - over.start_us for over in overs if over.attention)
    return any(longer - shorter < SAME_LENGTH_US for shorter, longer in pairwise(lengths))


def check_answer_tones(witnesses: Witnesses, journal: Journal) -> Finding:
    """Every over of the base radio is a page of the journal, or answers a reply in it."""
    finding = Finding(
        "answer_tones", "base radio on the air ↔ journal", "overs", "each a page or an answer"
    )
    every = pages(journal)
    unanswered = list(journal.radio_replies())
    cuts = list(journal.of("TalkCut"))
    for air in witnesses.airs.values():
        for over in air.base_overs:
            finding.compared += 1
            if any(page.carries(over) for page in every):
                continue
            row = _answered(over, unanswered)
            cut = _cut_short(over, cuts) if row is None else None
            if cut is not None:
                cuts.remove(cut)
            elif row is None:
                said = f"{over.answer!r} tone" if over.answer else "transmission"
                text = f"a {said} that the journal has no page and no reply for"
                finding.object(over.start_us, air.witness, text)
            else:
                unanswered.remove(row)
    return finding


def outcome(row: Row) -> str:
    """Return which tone answers a reply as the journal took it."""
    return "wrong" if row.refused() else "accepted"


def _answered(over: Over, rows: list[Row]) -> Row | None:
    """Return the reply that a tone answers: an earlier one on this channel, taken just so."""
    return next(
        (
            row
            for row in rows
            if row.event["channel"] == over.channel
            and outcome(row) == over.answer
            and -SLACK_US <= over.start_us - row.happened_us <= ANSWER_LIFE_US
        ),
        None,
    )


def _cut_short(over: Over, cuts: list[Row]) -> Row | None:
    """Return the cut of which a low tone tells the talker of this channel, or None."""
    return next(
        (
            row
            for row in cuts
            if over.answer == "wrong"
            and row.event["member"] == f"channel:{over.channel}"
            and row.event["reason"] != "taken"
            and -SLACK_US <= over.start_us - row.happened_us <= CUT_LIFE_US
        ),
        None,
    )


def check_ptt(witnesses: Witnesses, journal: Journal) -> Finding:  # noqa: ARG001
    """The line was never keyed for longer than the time-out, by two, or without radiation."""
    finding = Finding("ptt", "PTT ↔ time-out, one source, radiation", "keyings", "all in order")
    for air in witnesses.airs.values():
        limit_us = (witnesses.site["channels"][air.channel]["time_out_s"] + 0.5) * US
        for on_us, off_us in _keyings(air, finding):
            finding.compared += 1
            if off_us - on_us > limit_us:
                held_s = (off_us - on_us) / US
                text = f"the line was keyed for {held_s:.1f} s, past the time-out"
                finding.object(on_us, air.witness, text)
            radiated = any(o.start_us < off_us and on_us < o.end_us for o in air.base_overs)
            if not radiated and off_us - on_us > SHORTEST_KEYING_US:
                held_s = (off_us - on_us) / US
                text = f"the line was keyed for {held_s:.1f} s and nothing was radiated"
                finding.object(on_us, air.witness, text)
    return finding


def _keyings(air: Air, finding: Finding) -> Iterator[tuple[int, int]]:
    """Yield (on, off) of the line; objects to a second client and to a line left keyed."""
    clients, on_us = 0, None
    for edge in air.edges:
        if edge.what == "client":
            clients += 1 if edge.on else -1
            if clients > 1:
                finding.object(edge.at_us, air.witness, "a second client took the key")
        elif edge.on:
            on_us = edge.at_us
            if not clients:
                finding.object(edge.at_us, air.witness, "the line was keyed with no client")
        elif on_us is not None:
            yield on_us, edge.at_us
            on_us = None
    if on_us is not None:
        finding.object(on_us, air.witness, "the line was keyed and never let go")


def check_priority(witnesses: Witnesses, journal: Journal) -> Finding:
    """No page of a lower level went on the air while one of level 1 waited (I9)."""
    finding = Finding("priority", "level 1 first ↔ ether", "pages of level 1", "none overtaken")
    every = pages(journal)
    for urgent in every:
        air = witnesses.airs.get(urgent.channel)
        if urgent.level != 1 or air is None:
            continue
        finding.compared += 1
        until_us = _waited_until_us(urgent)
        for over in air.base_overs:
            if not urgent.queued.at_us + SLACK_US < over.start_us < until_us - SLACK_US:
                continue
            carriers = [p for p in every if p.carries(over)]
            lower = next((p for p in carriers if p.level > 1), None)
            # A lower one is told to wait only half a second after level 1 broke it off.
            if lower is not None and all(p.level > 1 for p in carriers):
                text = f"page {lower.id} of level {lower.level} began while {urgent.id} waited"
                finding.object(over.start_us, air.witness, text, urgent.queued.seq)
    return finding


def _waited_until_us(page: Page) -> int:
    if page.started_us is not None:
        return page.started_us
    return page.ended.happened_us if page.ended is not None else 1 << 62


def check_cancelled(witnesses: Witnesses, journal: Journal) -> Finding:
    """After a cancel nothing of the order went on the air but the stand-down (I8)."""
    finding = Finding("cancelled", "silence after cancel ↔ ether", "cancels", "all kept")
    every = pages(journal)
    for order, row in _cancels(journal):
        finding.compared += 1
        for page in (p for p in every if p.order == order and p.purpose != "stand_down"):
            late_us = page.started_us if page.started_us is not None else 0
            air = witnesses.airs.get(page.channel)
            if air is None or late_us <= row.at_us + SLACK_US:
                continue
            if any(page.carries(over) for over in air.base_overs):
                text = f"page {page.id} went on the air after its order was called off"
                finding.object(late_us, air.witness, text, row.seq)
    return finding


def _cancels(journal: Journal) -> Iterator[tuple[str, Row]]:
    for key, states in journal.each("order"):
        for state in states:
            fields: Json = state.fields or {}
            if fields.get("status") == "cancelled":
                yield key, state.row
                break


__all__ = [
    "Edge",
    "Page",
    "Turn",
    "check_answer_tones",
    "check_cancelled",
    "check_pages",
    "check_priority",
    "check_ptt",
    "outcome",
    "pages",
]
