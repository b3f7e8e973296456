"""The storm: far more alerts than four channels can speak, judged by the witnesses outside.

What became of each alert is asked of the centre's log (receipts), the chat platforms' logs
(cards) and the journal (pages, with their reasons); the simulators' own judges then hold the
journal against what ether, chats and centre wrote down.
"""

import asyncio
import json
import random
import re
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path

import apsw

from simulators.checkers import Journal
from simulators.command_centre import CommandCentre
from tests.bench.alerts import body, paced
from tests.bench.figures import Row, spread
from tests.bench.outside import Outside
from tests.bench.sites import TOKEN, Shape

SEED = 20261122
_MARK = re.compile(r"第(\d+)起打架")
LEVEL_ONE = 5
# Long enough that a ladder is climbed under the storm, short enough that it ends.
SHAPE = Shape(channels=4, called=50, accounts=5, limits=True, acknowledge_s=30, expire_min=(1, 1, 1))
IDLE = Shape(acknowledge_s=5, ladder=("repeat",))
# Past every expiry, and what was on the air then.
_ENDS_S = 60 + 60
# A first sentence on each channel: what everybody does once only is not the storm.
WARM_S = 12
# What was about to be keyed when the alert came could not know of it.
UNDER_WAY_US = 200_000
_WAITING = """
    SELECT count(*) FROM entity WHERE kind IN ('page', 'card')
    AND json_extract(body, '$.state') IN ('queued', 'on_air')"""


async def measured(folder, sizes, mqtt_port):
    """Return the rows of the ladder's clocks, idle, and of the storm."""
    del mqtt_port
    rows = [await _idle_clocks(_room(folder, "idle"), sizes)]
    async with Outside(_room(folder, "storm"), SHAPE, world="all") as outside:
        sent = await _raised(outside, sizes)
        await _ended(outside)
        export = folder / "export.jsonl"
        export.write_bytes(
            await outside.daemon.command("journal", "export", "--personal", str(outside.config))
        )
        # What the daemon does at its end is a story of its own.
        await outside.daemon.stop()
        journal = Journal.read(export)
        rows += _what_became(outside, sent, journal, sizes)
        rows += _level_one(outside, sent, journal)
        rows.append(_clocks(journal, "under the storm", 200))
        rows += await _judged(outside, export)
    return rows


def _room(folder, name):
    room = folder / name
    room.mkdir()
    return room


# ---- clocks ----


async def _idle_clocks(room, sizes):
    async with Outside(room, IDLE) as outside:
        await paced(outside, "clock", sizes.steps, 10)
        await asyncio.sleep(IDLE.acknowledge_s * 2 + 3)
        export = room / "export.jsonl"
        export.write_bytes(await outside.daemon.command("journal", "export", str(outside.config)))
        return _clocks(Journal.read(export), "idle", 50)


def _clocks(journal, when, limit_ms):
    """Return the row of how late clocks of orders fired: the row's time against when due."""
    due_us, late_ms = {}, []
    for row in journal.rows:
        if row.kind == "TimerFired" and row.event["timer"] in due_us:
            late_ms.append((row.at_us - due_us[row.event["timer"]]) / 1000)
        for change in row.changes:
            if change[:2] == ["put", "timer"]:
                due_us[change[2]] = change[3]["due_us"]
    return spread(f"6 clocks of the ladder, {when}", "ms late", late_ms, target={"p99": limit_ms},
                  note="the journal's row of TimerFired against when it was due")  # fmt: skip


# ---- the storm ----


async def _raised(outside, sizes):
    """Return id → level of every alert, all raised, each with its receipt in the centre's log."""
    count, spread_s = sizes.storm_alerts, sizes.storm_s
    chance = random.Random(SEED)
    urgent = set(chance.sample(range(count // 10, count), LEVEL_ONE))
    moments = sorted(chance.uniform(0, spread_s) for _ in range(count))
    levels = {}
    base, log = f"http://127.0.0.1:{outside.http_port}", outside.logs / "centre.jsonl"
    loop = asyncio.get_running_loop()
    async with CommandCentre(base, TOKEN, log=log, sender="bench") as centre:
        for number in range(outside.shape.channels):
            await _raise(centre, body("warm", number, level=3, text="试音"))
        await asyncio.sleep(WARM_S)
        began = loop.time()
        async with asyncio.TaskGroup() as group:
            for number, moment in enumerate(moments):
                level = 1 if number in urgent else chance.choice((2, 3))
                levels[f"storm-{number}"] = level
                await asyncio.sleep(began + moment - loop.time())
                grid = f"q{chance.randrange(outside.shape.grids)}"
                # A sentence as long as sentences are: a mark of letters would be spelled.
                text = f"第{number}起打架"
                content = body("storm", number, level=level, grid=grid, text=text)
                group.create_task(_raise(centre, content))
        # The judges expect the centre to listen until the end.
        await _ended(outside)
        await asyncio.sleep(3)
    return levels


async def _raise(centre, content):
    await centre.raise_alert(**{k: v for k, v in content.items() if k != "kind"})


async def _ended(outside):
    """Return once no page or card waits any more."""
    async with asyncio.timeout(_ENDS_S):
        quiet = 0
        while quiet < 3:
            await asyncio.sleep(1.0)
            quiet = quiet + 1 if not await asyncio.to_thread(_waiting, outside) else 0


def _waiting(outside):
    db = apsw.Connection(str(outside.daemon.journal), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return db.execute(_WAITING).get
    finally:
        db.close()


def _what_became(outside, sent, journal, sizes):
    """Return the rows that count what became of every alert."""
    receipted = {
        line["message"]["id"] for line in outside.log("centre")
        if line["what"] == "receipt" and line["message"]["status"] == "accepted"
    } & sent.keys()  # fmt: skip
    posted = _posted(outside).keys() & sent.keys()
    spoken, ends = _on_the_air(journal)
    without_end = [m for m in sent if m not in ends]
    unposted = [m for m in sent if m not in posted]
    lost = [m for m in sent if m not in receipted]
    told = f"{sizes.storm_alerts} alerts in {sizes.storm_s} s, 4 channels, 50 chats, seed {SEED}"
    rows = [
        _count("receipted", len(receipted), note=told),
        _count("posted in a chat", len(posted), note="by the platforms' logs, limits on"),
        _count("spoken, alone or merged", sum(m in spoken for m in sent)),
    ]
    reasons = Counter(ends[m] for m in sent if m in ends and m not in spoken)
    rows += [_count(f"not spoken: {why}", count) for why, count in reasons.most_common()]
    unspoken = [f"{m}: {ends.get(m)}" for m in sent if sent[m] == 1 and m not in spoken]
    rows.append(_count("level 1 not spoken", len(unspoken), 0, _some(unspoken)))
    cards = _cards_not_posted(journal)
    rows += [
        _count("without a receipt", len(lost), 0),
        _count("without a card", len(unposted), 0,
               _some(f"{m}: {cards.get(m, 'no reason')}" for m in unposted)),
        _count("neither spoken nor ended with a reason", len(without_end), 0, _some(without_end)),
    ]  # fmt: skip
    return rows


def _cards_not_posted(journal):
    """Return id → how its cards stand that were never posted, and why."""
    alerts, found = _orders(journal), {}
    for row in journal.of("CardFailed"):
        card = journal.at("card", row.event["card"], row.seq)
        if card is not None:
            found[alerts[card["order"]]] = f"{row.event['state']}, {row.event['reason']}"
    for card in journal.last("card"):
        if card["state"] == "queued":
            found.setdefault(alerts[card["order"]], "still queued")
    return found


def _count(what, count, most=None, note=""):
    target = None if most is None else {"p50": most}
    return Row(f"6 storm: {what}", "", 1, count, target=target, note=note)


def _some(marks):
    """Return the first five, for a note."""
    return ", ".join(sorted(marks)[:5])


def _posted(outside):
    """Return id → when its first card stood in a chat, monotonic seconds."""
    found = {}
    for number in range(outside.shape.accounts):
        for line in outside.log(f"chat-a{number}"):
            mark = _MARK.search(line["text"]) if line["what"] == "message" else None
            if mark:
                found.setdefault(f"storm-{mark[1]}", line["mono_s"])
    return found


def _orders(journal):
    """Return order id → id of its alert."""
    return {order["id"]: order["alert"]["id"] for order in journal.last("order")}


def _on_the_air(journal):
    """Return (ids that were spoken, id → how its page ended and why)."""
    alerts = _orders(journal)
    spoken, ends = set(), {}
    for page in journal.last("page"):
        for order in {page["order"], *page.get("orders", ())}:
            if page["state"] == "spoken":
                spoken.add(alerts[order])
            elif page["state"] not in ("queued", "on_air"):
                ends.setdefault(alerts[order], page["state"])
    for row in journal.of("PageFailed"):
        page = journal.at("page", row.event["page"], row.seq)
        if page is not None:
            ends[alerts[page["order"]]] = f"{row.event['state']}, {row.event['reason']}"
    return spoken, ends | dict.fromkeys(spoken, "spoken")


def _level_one(outside, sent, journal):
    """Return the rows of how soon level 1 was on the air and in its chat."""
    posted, wall_s = _posted(outside), _wall_minus_monotonic(outside)
    raised = {
        line["message"]["id"]: _at_us(line)
        for line in outside.log("centre") if line["what"] == "sent"
    }  # fmt: skip
    begun = _begun(journal)
    first = {a: next(at for at, _, who in begun if who == a) for a in {w for *_, w in begun}}
    urgent = [alert for alert, level in sent.items() if level == 1]
    keyed_s = [(first[a] - raised[a]) / 1e6 for a in urgent if a in first]
    carded_s = [posted[a] + wall_s - raised[a] / 1e6 for a in urgent if a in posted]
    behind = [overtaken(a, raised[a], begun, sent) for a in urgent if a in first]
    return [
        spread("6 storm: level 1 → on the air", "s", keyed_s,
               note="a sentence under way is broken off at a gap, another of level 1 is not"),
        Row("6 storm: lower levels begun on its channel while level 1 waited", "", len(behind),
            sum(behind), target={"p50": 0}),
        spread("6 storm: level 1 → card", "s", carded_s, target={"worst": 3}),
    ]  # fmt: skip


def _begun(journal):
    """Return (UTC µs, channel, id of the alert) of every time a page began, in order."""
    alerts, found = _orders(journal), []
    for row in journal.of("PageStarted"):
        page = journal.at("page", row.event["page"], row.seq)
        found.append((row.event["at_us"], page["channel"], alerts[page["order"]]))
    return sorted(found)


def overtaken(alert, raised_us, begun, sent):
    """Return how many pages of lower level began on an alert's channel while it waited."""
    until_us, channel = next((at, where) for at, where, who in begun if who == alert)
    return sum(
        where == channel and raised_us + UNDER_WAY_US < at < until_us and sent[who] > 1
        for at, where, who in begun
    )


def _at_us(line):
    """Return the moment of a line of the centre's log, UTC microseconds."""
    return round(datetime.fromisoformat(line["at"]).timestamp() * 1e6)


def _wall_minus_monotonic(outside):
    line = outside.log("chat-a0")[0]
    return line["at_us"] / 1e6 - line["mono_s"]


async def _judged(outside, export):
    """Return the rows of the simulators' judges: what they compared and what they object to."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulators.checkers", str(outside.resolved), str(outside.logs),
        str(Path(export)), "--json", stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    findings = [json.loads(line) for line in out.splitlines()]
    assert findings, f"the judges ended with {process.returncode}"
    compared = sum(finding["compared"] for finding in findings)
    found = [v for finding in findings for v in finding["violations"]]
    rows = []
    for check, count in Counter(v["check"] for v in found).items():
        first = next(v for v in found if v["check"] == check)
        said = f"{first['witness']}: {first['text']}"
        sys.stderr.write(f"bench: storm: {check}: {count}, such as {said}\n")
        rows.append(_count(f"judges object, {check}", count, 0, said))
    note = f"{len(findings)} checks, {compared:,} comparisons of logs and journal"
    return [_count("objections of the judges", len(found), 0, note), *rows]
