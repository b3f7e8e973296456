"""How orders come about and end: reports, rungs of the ladder, stand-downs, drills."""

import re
from collections.abc import Iterator
from typing import Any, Final

from simulators.checkers.air import SLACK_US, US, pages
from simulators.checkers.findings import Finding
from simulators.checkers.journal import Journal, Json, Row
from simulators.checkers.witnesses import Chat, Post, Witnesses

# On the button of a card whose order was called off, in both languages.
OFF_LABELS: Final = frozenset({"知道了", "Understood"})
# By what a drill is known wherever it is written.
DRILL_MARK: Final = re.compile("演练|EXERCISE")
# Who reports has his answer within this.
ANSWERED_US: Final = 10 * US
# The same word said first and last looks so much alike; two others hardly half as much.
ALIKE: Final = 0.8


def _accounts(witnesses: Witnesses, journal: Journal, person: str) -> set[tuple[str, int]]:
    """Return (chat, account) of a person, by himself and by the journal."""
    found = {
        (line.facts["chat"], int(line.facts["account"]))
        for line in witnesses.lived("placed")
        if line.person == person and line.facts.get("account")
    }
    for contact in journal.last("contact"):
        if contact["person"] == person and contact["address"].lstrip("-").isdigit():
            found.add((contact["chat"], int(contact["address"])))
    return found


def _messages(journal: Journal, order: str) -> set[tuple[str, int]]:
    """Return (chat, message) of every card of an order."""
    found = set()
    for row in journal.of("CardPosted"):
        card = journal.at("card", row.event["card"], row.seq)
        if card is not None and card["order"] == order:
            found.add((card["chat"], int(row.event["message"])))
    return found


def _shown(witnesses: Witnesses, messages: set[tuple[str, int]]) -> Iterator[tuple[Chat, Post]]:
    """Yield how these messages stood in their chats, each time."""
    for chat in witnesses.chats.values():
        for post in (*chat.posts, *chat.edits):
            if (chat.name, post.message) in messages:
                yield chat, post


# ---- a guard reports first ----


def check_reports(witnesses: Witnesses, journal: Journal) -> Finding:
    """Every report was somebody's, was answered where he made it, and told to the centre."""
    finding = Finding("reports", "guards' reports ↔ chat, air, centre", "reports", "all taken")
    told = {line.message["number"] for line in witnesses.noted("event")
            if line.message["node"] in ("report", "emergency")}  # fmt: skip
    for key, states in journal.each("guard_report"):
        first = states[0]
        if first.fields is None or first.fields["state"] not in ("open", "promoted"):
            continue
        finding.compared += 1
        report, at_us = first.fields, first.row.happened_us
        wrong = _unmade(witnesses, first.row, report)
        if wrong is None and report["number"] not in told:
            wrong = "the centre was never told"
        if wrong:
            finding.object(at_us, "people", f"report {key}: {wrong}", first.row.seq)
    _check_promoted(finding, witnesses, journal)
    return finding


def _unmade(witnesses: Witnesses, row: Row, report: Json) -> str | None:
    """Return what is wrong with how a report came in, or None."""
    chat = witnesses.chats.get(row.event.get("chat", ""))
    if chat is None:
        air = witnesses.airs.get(row.event.get("channel", ""))
        spoke = air is not None and any(
            over.near(row.happened_us, 2 * US) for over in air.guard_overs
        )
        return None if spoke else "nobody was on the air"
    said = chat.said.get(int(row.event["message"]))
    if said is None or str(said.user) != row.event["address"]:
        return f"{report['person']} wrote nothing of the kind"
    for post in chat.posts:
        late_us = post.at_us - said.at_us
        if post.reply_to == said.message and 0 <= late_us <= ANSWERED_US:
            return None
    return f"{report['person']} was not answered in the chat"


def _check_promoted(finding: Finding, witnesses: Witnesses, journal: Journal) -> None:
    """Object to a report made an order by nobody, or without the station."""
    asked = [line.message for line in witnesses.noted("asked")]
    for row in journal.of("ReportActed"):
        event = row.event
        same = ("act", "by", "report")
        if not any(all(m.get(n) == event[n] for n in same) for m in asked):
            text = f"{event['act']} of {event['report']} by {event['by']}; the centre did not"
            finding.object(row.happened_us, "centre", text, row.seq)
        if event["act"] == "promote" and not row.refused():
            _check_station(finding, witnesses, journal, row)
    for line in witnesses.noted("answered"):
        answer = line.facts["answer"]
        rows = (row.seq for row in journal.of("ReportActed"))
        known = line.message["act"] not in ("promote", "dismiss") or answer["journal"] in rows
        if answer["status"] == "accepted" and not known:
            text = f"{line.message['act']} was accepted and is not in the journal"
            finding.object(line.at_us, "centre", text, answer["journal"])


def _check_station(
    finding: Finding, witnesses: Witnesses, journal: Journal, row: Row
) -> None:
    """Object when the station of a promoted report's grid was shown no card of its order."""
    for order in (change[3] for change in row.changes if change[1] == "order" and change[3]):
        grid = witnesses.site["grids"].get(next(iter(order["grids"]), ""))
        station = grid["station"] if grid else None
        if station is None or not _accounts(witnesses, journal, station):
            continue
        cards = _shown(witnesses, _messages(journal, order["id"]))
        shown = {(chat.name, post.chat) for chat, post in cards}
        if not shown & _accounts(witnesses, journal, station):
            text = f"order {order['number']} of {row.event['report']}: {station} saw no card"
            finding.object(row.happened_us, "chat", text, row.seq)
        return


# ---- the ladder ----


def check_climbs(witnesses: Witnesses, journal: Journal) -> Finding:
    """Who was fetched from another grid was called when nobody had answered in time."""
    finding = Finding("climbs", "neighbours called ↔ windows", "calls", "none early, all heard")
    windows = witnesses.site["response"]["acknowledge_s"]
    for _, states in journal.each("assignment"):
        part, row = states[0].fields or {}, states[0].row
        order = journal.at("order", part.get("order", ""), row.seq)
        if order is None or not _is_neighbour(witnesses, part, order):
            continue
        finding.compared += 1
        called_us = _called_us(witnesses, journal, part)
        window_s = windows[order["alert"]["level"] - 1]
        waited_us = (called_us or row.at_us) - order["opened_us"]
        text = None
        if called_us is None and not _is_over(journal, order["id"], row.seq):
            text = f"order {order['number']} was to reach {part['person']}; nothing did"
        elif waited_us < window_s * US - SLACK_US and not _hurried(journal, order):
            text = (
                f"{part['person']} was called to order {order['number']} after "
                f"{waited_us / US:.0f} s; its own grid had {window_s} s"
            )
        if text:
            finding.object(called_us or row.at_us, "chat and ether", text, row.seq)
    return finding


def _is_neighbour(witnesses: Witnesses, part: Json, order: Json) -> bool:
    person = witnesses.site["people"].get(part["person"], {})
    own = next(iter(order["grids"]), None)
    return part["role"] == "guard" and part.get("rung", 0) > 0 and own not in person["grids"]


def _is_over(journal: Journal, order: str, seq: int) -> bool:
    """Whether an order ended within seconds of a row: what was to go out was taken back."""
    states = journal.history("order", order)
    last = states[-1].fields if states else None
    row = next(row for row in journal.rows if row.seq == seq)
    ended_us = last["closed_us"] if last else None
    return ended_us is not None and ended_us - row.at_us < ANSWERED_US


def _hurried(journal: Journal, order: Json) -> bool:
    """Whether something else than silence moved the ladder on."""
    if {"nobody", "converge"} & set(order["flags"]):
        return True
    parts = (states[-1].fields or {} for key, states in journal.each("assignment")
             if key.startswith(f"{order['id']}/"))  # fmt: skip
    declined = any(s["node"] in ("declined", "need_help") for p in parts for s in p["stamps"])
    failed = ("PageFailed", "CardFailed", "PathChanged")
    return declined or any(row.kind in failed for row in journal.rows)


def _called_us(witnesses: Witnesses, journal: Journal, part: Json) -> int | None:
    """Return when a person was first seen to be called to an order, or None."""
    person, order = part["person"], part["order"]
    grids = witnesses.site["people"][person]["grids"]
    sites = [witnesses.site["grids"][grid] for grid in grids]
    groups = {witnesses.chats[name].groups.get(group)
              for name, _, group in ((s["chat"] or "").partition("/") for s in sites)
              if name in witnesses.chats}  # fmt: skip
    mine = {account for _, account in _accounts(witnesses, journal, person)} | groups
    moments = [
        post.at_us
        for _, post in _shown(witnesses, _messages(journal, order))
        if post.chat in mine
    ]
    channels = {site["channel"] for site in sites}
    for page in pages(journal):
        if page.order == order and page.channel in channels & set(witnesses.airs):
            overs = witnesses.airs[page.channel].base_overs
            moments += [over.start_us for over in overs if page.carries(over)]
    return min(moments, default=None)


# ---- called off ----


def check_stood_down(witnesses: Witnesses, journal: Journal) -> Finding:
    """Who was told of an order was told its end, and what he says to that he has said."""
    finding = Finding("stood_down", "told ↔ told the end, and knows", "people", "all true")
    everyone = set(witnesses.expected.get("everyone_knows", ()))
    for key, row in _cancels(journal):
        order = journal.at("order", key, row.seq) or {}
        for part in _told_of(journal, key, row.seq):
            finding.compared += 1
            wrong = _unaware(witnesses, journal, order, part, row)
            if wrong is None and order["alert"]["id"] in everyone and not _knows(part):
                wrong = "has not said that he knows its end"
            if wrong:
                text = f"order {order['number']}: {part['person']} was told of it and {wrong}"
                finding.object(row.happened_us, "chat and ether", text, row.seq)
    return finding


def _cancels(journal: Journal) -> Iterator[tuple[str, Row]]:
    for key, states in journal.each("order"):
        off = (s.row for s in states if (s.fields or {}).get("status") == "cancelled")
        row = next(off, None)
        if row is not None:
            yield key, row


def _told_of(journal: Journal, order: str, seq: int) -> Iterator[Json]:
    """Yield, as it last stood, the part of everybody who was told before a row."""
    for key, states in journal.each("assignment"):
        before = journal.at("assignment", key, seq - 1)
        last = states[-1].fields
        if key.startswith(f"{order}/") and before and before["stamps"] and last:
            yield last


def _knows(part: Json) -> bool:
    return any(stamp["node"] in ("stood_down", "declined") for stamp in part["stamps"])


def _unaware(
    witnesses: Witnesses, journal: Journal, order: Json, part: Json, row: Row
) -> str | None:
    """Return what the outside says against his knowing the end of an order, or None."""
    messages = _messages(journal, order["id"])
    mine = _accounts(witnesses, journal, part["person"])
    cards = list(_shown(witnesses, messages))
    private = any((chat.name, post.chat) in mine for chat, post in cards)
    ends = any((chat.name, post.chat) in mine and post.at_us >= row.happened_us
               and OFF_LABELS & set(post.labels) for chat, post in cards)  # fmt: skip
    if private and not ends:
        return "his card never showed that it is off"
    if any(stamp["node"] == "stood_down" for stamp in part["stamps"]):
        said = _pressed(witnesses, messages, mine, row.happened_us)
        if not said and not _keyed(witnesses, part["person"], order["number"], row.happened_us):
            return "is booked as knowing its end; he said nothing"
    return None


def _pressed(
    witnesses: Witnesses, messages: set[tuple[str, int]], mine: set[Any], since_us: int
) -> bool:
    """Whether he has pressed a button of these messages, or written, since then."""
    for chat in witnesses.chats.values():
        for press in chat.presses.values():
            own = (chat.name, press.user) in mine and (chat.name, press.message) in messages
            if own and press.at_us >= since_us:
                return True
        for said in chat.said.values():
            if (chat.name, said.user) in mine and said.at_us >= since_us:
                return True
    return False


def _keyed(witnesses: Witnesses, person: str, number: str, since_us: int) -> bool:
    """Whether he has keyed a 1 to an order since then, in full or as his radio can."""
    overs = [o for air in witnesses.airs.values() for o in air.guard_overs]
    mine = [o for o in overs if o.who == person and o.start_us >= since_us]
    return any(
        not over.frames()
        or any(f.endswith("1") and (f == "1" or f.startswith(number)) for f in over.frames())
        for over in mine
    )


# ---- drills ----


def check_drills(witnesses: Witnesses, journal: Journal) -> Finding:
    """A drill says so first and last, spoken and written, and no live order does."""
    finding = Finding(
        "drills", "演练 first and last ↔ chat, ether", "cards and pages", "none mistaken"
    )
    every = pages(journal)
    for key, states in journal.each("order"):
        order = states[0].fields
        if order is None:
            continue
        is_drill, row = bool(order["alert"].get("exercise")), states[0].row
        objections = [*_miswritten(witnesses, journal, order)]
        for page in every:
            if page.order == key and page.ended and page.ended.kind == "PageSpoken":
                objections += _misspoken(witnesses, page, is_drill=is_drill)
                finding.compared += is_drill
        finding.compared += len(_messages(journal, key)) if is_drill else 0
        if order["number"].startswith("0") != is_drill:
            objections.append("its number is of the other kind")
        what = f"{'drill' if is_drill else 'order'} {order['number']}"
        for text in dict.fromkeys(objections):
            finding.object(row.happened_us, "chat and ether", f"{what}: {text}", row.seq)
    return finding


def _miswritten(witnesses: Witnesses, journal: Journal, order: Json) -> Iterator[str]:
    is_drill = bool(order["alert"].get("exercise"))
    for chat, post in _shown(witnesses, _messages(journal, order["id"])):
        lines = post.text.strip().split("\n")
        marked = [bool(DRILL_MARK.search(line)) for line in (lines[0], lines[-1])]
        if is_drill and not all(marked):
            yield f"its card in {chat.name} {post.chat} does not say 演练 first and last"
        elif not is_drill and any(marked) and not DRILL_MARK.search(order["alert"]["text"]):
            yield f"its card in {chat.name} {post.chat} says 演练"


def _misspoken(witnesses: Witnesses, page: Any, *, is_drill: bool) -> Iterator[str]:  # noqa: ANN401
    air = witnesses.airs.get(page.channel)
    overs = [o for o in air.base_overs if page.carries(o) and o.attention] if air else []
    heard = [over.ends_alike for over in overs if over.ends_alike is not None]
    if is_drill and overs and not any(alike >= ALIKE for alike in heard):
        yield f"on {page.channel} the first word heard was not the last; 演练 should be both"
    elif not is_drill and any(alike >= ALIKE for alike in heard):
        yield f"on {page.channel} it began and ended with the same word, as a drill does"


__all__ = ["check_climbs", "check_drills", "check_reports", "check_stood_down"]
