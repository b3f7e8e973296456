"""A small true story as its witnesses would have written it down, and as the journal has it.

Orders on one channel: the first is answered by radio and by chat and closed, the second is
called off, the third comes of a guard's own report and climbs to a neighbour, the last is a
drill. Tests spoil one log in one place and see which judge objects.
"""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Json = dict[str, Any]

T0_US = 1_795_000_000_000_000
SOUND = b"RIFF of an over"
GROUP, LI, QIAN, ZHAO, STATION, LUO = -1001, 700032, 700035, 700034, 700100, 700040
PEOPLE = {
    "p_zhang": None, "p_li": LI, "p_zhao": ZHAO, "p_qian": QIAN, "p_station": STATION,
    "p_luo": LUO,
}  # fmt: skip
EAST = {
    "channel": "east", "chat": "work/east", "station": "p_station", "first_manager": None,
    "second_manager": None,
}  # fmt: skip


def us(at_s: float) -> int:
    """Return a moment of the story, UTC microseconds."""
    return T0_US + round(at_s * 1e6)


def stamp(node: str, at_s: float, medium: str) -> Json:
    assurance = {"radio": "R1", "chat": "C2", "centre": "H"}[medium]
    return {"node": node, "at_us": us(at_s), "medium": medium, "assurance": assurance}


def report(node: str, at_s: float, order: str | None, person: str | None, medium: str) -> Json:
    return {
        "node": node, "at_us": us(at_s), "order": order, "number": "10" if order else None,
        "person": person, "medium": medium, "assurance": None, "detail": None,
    }  # fmt: skip


@dataclass
class Story:
    """All logs of the story, line by line, for spoiling.

    Attributes:
        rows: The exported journal.
        air: The ether's log of channel ``east``.
        chat: The platform's log of chat ``work``.
        centre: The centre's log.
        people: What people did and believed.
        files: Recordings by path.
        missing: Log files that are not written.
    """

    rows: list[Json] = field(default_factory=list)
    air: list[Json] = field(default_factory=list)
    chat: list[Json] = field(default_factory=list)
    centre: list[Json] = field(default_factory=list)
    people: list[Json] = field(default_factory=list)
    expected: Json = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=lambda: {"east/v1.wav": SOUND})
    missing: set[str] = field(default_factory=set)

    # ---- looking things up, for spoiling ----

    def row(self, kind: str, number: int = 0) -> Json:
        """Return a row of a kind, the first unless said."""
        return [row for row in self.rows if row["kind"] == kind][number]

    def event(self, kind: str, number: int = 0) -> Json:
        event: Json = self.row(kind, number)["body"]["event"]
        return event

    def drop_row(self, kind: str, number: int = 0) -> None:
        """Take a row out as if it had never been; the others keep their places."""
        self.row(kind, number)["body"] = {
            "changes": [], "reports": [], "receipt": None, "event": {"at_us": us(0)},
        }  # fmt: skip
        self.row(kind, number)["kind"] = "TimerFired"

    def put(self, kind: str, key: str) -> list[Json]:
        """Return every version of an entity."""
        changes = [c for row in self.rows for c in row["body"]["changes"]]
        return [c[3] for c in changes if c[:3] == ["put", kind, key]]

    def over(self, who: str, number: int = 0) -> Json:
        overs = [x for x in self.air if x["what"] == "over" and x["who"] == who]
        return overs[number]

    def lines(self, log: str, what: str) -> list[Json]:
        return [line for line in getattr(self, log) if line["what"] == what]

    # ---- telling ----

    def happened(
        self,
        kind: str,
        at_s: float,
        event: Json | None = None,
        *,
        changes: list[Any] | None = None,
        reports: list[Json] | None = None,
        receipt: Json | None = None,
    ) -> int:
        """Write a row and tell the centre its reports; return its number."""
        seq = len(self.rows) + 1
        body = {
            "changes": changes or [], "reports": reports or [], "receipt": receipt,
            "event": {"at_us": us(at_s), **(event or {})},
        }  # fmt: skip
        self.rows.append({"seq": seq, "at_us": us(at_s + 0.01), "kind": kind, "body": body})
        for part, told in enumerate(body["reports"]):
            self.note(at_s + 0.02, "event", message={"journal": seq, "part": part, **told})
        return seq

    def note(self, at_s: float, what: str, *, door: str = "http", **facts: Any) -> None:
        at = datetime.fromtimestamp(us(at_s) / 1e6, UTC).isoformat()
        self.centre.append({"at": at, "what": what, "door": door, **facts})

    def keys(self, who: str, start_s: float, end_s: float, **facts: Any) -> None:
        """Put a station on the air; the base radio by its line."""
        kind = "base" if who == "base" else "handheld"
        line = {
            "what": "over", "channel": "east", "who": who, "kind": kind, "at_us": us(end_s),
            "start_us": us(start_s), "end_us": us(end_s), "voiced_s": 0.2, "attention": None,
            "answer": None, "digits": "", "collided": False,
        }  # fmt: skip
        if who == "base":
            self.ptt(start_s - 0.01, on=True)
            self.ptt(end_s - 0.01, on=False)
        self.air.append(line | facts)

    def ptt(self, at_s: float, *, on: bool) -> None:
        self.air.append({"at_us": us(at_s), "what": "line", "line": "ptt", "on": on})

    def wrote(self, what: str, at_s: float, **facts: Any) -> None:
        self.chat.append({"at_us": us(at_s), "what": what, **facts})

    def lived(self, what: str, at_s: float, person: str, **facts: Any) -> None:
        self.people.append({"at_us": us(at_s), "what": what, "person": person, **facts})

    def shows(
        self,
        at_s: float,
        chat: int,
        message: int,
        text: str,
        *,
        buttons: bool = True,
        reply_to: int | None = None,
    ) -> None:
        """Let a message of the bot stand in a chat."""
        keyboard = [[["收到", "data"]]] if buttons else []
        self.wrote(
            "message", at_s, chat=chat, message=message, text=text, keyboard=keyboard,
            reply_to=reply_to,
        )  # fmt: skip
        self.wrote("call", at_s, method="sendMessage", answer="ok", planted=False)

    def posts(
        self,
        at_s: float,
        card: str,
        chat: int,
        message: int,
        person: str | None = None,
        order: str = "o1",
        text: str = "【二级警情 10号】东街网格\n有人打架",
    ) -> None:
        """Let a card be posted, and the journal know it."""
        self.shows(at_s, chat, message, text)
        fields = {
            "id": card, "order": order, "chat": "work", "address": str(chat), "person": person,
            "message": str(message),
        }  # fmt: skip
        event = {"card": card, "message": str(message)}
        self.happened("CardPosted", at_s, event, changes=[["put", "card", card, fields]])

    def assigns(
        self, order: str, person: str, *stamps: Json, role: str = "guard", rung: int = 0
    ) -> list[Any]:
        """Return the change that leaves a person's part in an order like this."""
        fields = {
            "order": order, "person": person, "role": role, "rung": rung,
            "stamps": list(stamps),
        }  # fmt: skip
        return ["put", "assignment", f"{order}/{person}", fields]

    def write(self, folder: Path) -> tuple[Path, Path, Path]:
        """Write it all; return the paths of settings, logs and export."""
        logs = folder / "logs"
        logs.mkdir()
        for name, log in (
            ("ether-east", self.air), ("chat-work", self.chat), ("centre", self.centre),
            ("guards", self.people),
        ):  # fmt: skip
            if name not in self.missing:
                _write_lines(logs / f"{name}.jsonl", log)
        (logs / "expected.json").write_text(json.dumps(self.expected), "utf-8")
        for path, content in self.files.items():
            file = folder / "state" / "recordings" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        _write_lines(folder / "journal.jsonl", self.rows)
        site = {
            "base_dir": str(folder), "site": {"state_dir": "state"},
            "channels": {"east": {"time_out_s": 60}},
            "chats": {"work": {"groups": {"east": str(GROUP)}}},
            "grids": {"east": EAST, "north": EAST | {"channel": None, "chat": None}},
            "people": {person: {"grids": ["east"]} for person in PEOPLE},
            "response": {"acknowledge_s": [3, 60, 60]},
        }  # fmt: skip
        (folder / "resolved.json").write_text(json.dumps(site), "utf-8")
        return folder / "resolved.json", logs, folder / "journal.jsonl"


def _write_lines(path: Path, lines: list[Json]) -> None:
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    path.write_text(text, "utf-8")


def true_story() -> Story:
    """Return the story as it really was."""
    story = Story()
    _before(story)
    _first_alert(story)
    _answers(story)
    _second_alert(story)
    _end(story)
    _report(story)
    _drill(story)
    story.expected = {
        "at_least": {"pages": 4, "air_replies": 2, "chat_replies": 2, "receipts": 3},
        "story": [
            {"alert": "A1", "person": "p_zhang", "node": "acknowledged", "medium": "radio"},
            {"alert": "A1", "person": "p_li", "node": "arrived", "medium": "chat"},
            {"alert": "R1", "person": "p_zhao", "node": "arrived", "medium": "chat"},
        ],
        "everyone_knows": ["A2"],
    }
    return story


def _before(story: Story) -> None:
    story.air.append({"at_us": us(0), "what": "client", "connected": True})
    story.happened("Started", 0)
    seeded: list[Any] = [["put", "person", p, {"id": p, "active": True}] for p in PEOPLE]
    seeded += [
        ["put", "contact", f"work/{p}", {"person": p, "chat": "work", "address": str(account)}]
        for p, account in PEOPLE.items()
        if account
    ]
    story.happened("RegisterSeeded", 0.1, changes=seeded)
    for person, account in PEOPLE.items():
        facts = {"chat": "work", "account": str(account)} if account else {"channel": "east"}
        story.lived("placed", 0, person, off_duty=person == "p_qian", **facts)


def _order(order: str, number: str, alert_id: str, level: int, **changed: Any) -> list[Any]:
    fields = {
        "id": order, "number": number, "status": "calling", "opened_us": us(1),
        "closed_us": None, "grids": ["east"], "flags": [],
        "alert": {"id": alert_id, "sender": "zhzx", "level": level, "text": "有人打架"},
        **changed,
    }  # fmt: skip
    return ["put", "order", order, fields]


def _page(page: str, order: str, purpose: str) -> list[Any]:
    fields = {"id": page, "order": order, "channel": "east", "purpose": purpose}
    return ["put", "page", page, fields]


def _raise(
    story: Story, at_s: float, kind: str, alert: str, level: int, changes: list[Any]
) -> None:
    """Let the centre send something, the journal take it, and the receipt come back."""
    body = {"kind": kind, "id": alert, "sender": "zhzx", "level": level, "text": "有人打架"}
    order = next(c[3] for c in changes if c[1] == "order")
    receipt = {
        "status": "accepted", "sender": "zhzx", "id": alert, "order": order["id"],
        "number": order["number"],
    }  # fmt: skip
    story.note(at_s, "sent", message=body)
    seq = story.happened(
        "AlertReceived", at_s, {"door": "http", "alert": dict(body)}, changes=changes,
        reports=[report(kind, at_s, order["id"], None, "centre")], receipt=receipt,
    )  # fmt: skip
    story.note(at_s + 0.05, "receipt", message={**receipt, "journal": seq})


def _speaks(story: Story, page: str, start_s: float, end_s: float, level: int) -> None:
    story.happened("PageStarted", start_s, {"page": page})
    story.keys("base", start_s + 0.02, end_s, attention=level, voiced_s=end_s - start_s - 0.5)
    story.happened("PageSpoken", end_s, {"page": page, "recording": None})


def _first_alert(story: Story) -> None:
    changes = [
        _order("o1", "10", "A1", 2), _page("p1", "o1", "order"),
        story.assigns("o1", "p_zhang"), story.assigns("o1", "p_li"),
    ]  # fmt: skip
    _raise(story, 1, "alert", "A1", 2, changes)
    story.posts(1.2, "c1", GROUP, 1)
    story.posts(1.3, "c2", LI, 2, "p_li")
    _speaks(story, "p1", 1.5, 12, 2)


def _answers(story: Story) -> None:
    _keys_wrong(story)
    story.keys("p_zhang", 20, 22.5, digits="10031*100311#", voiced_s=1.9)
    story.happened(
        "DigitsHeard", 22, {"channel": "east", "digits": "100311", "ani": "10031"},
        changes=[story.assigns("o1", "p_zhang", stamp("acknowledged", 22, "radio"))],
        reports=[report("acknowledged", 22, "o1", "p_zhang", "radio")],
    )  # fmt: skip
    _over_heard(story, "v1", 20.1)
    story.keys("base", 23, 23.6, answer="accepted")
    story.lived("satisfied", 23.8, "p_zhang", digits="*100311#", channel="east")
    digest = hashlib.sha256(SOUND).hexdigest()
    kept = {"what": "v1", "path": "east/v1.wav", "sha256": digest}
    story.happened("RecordingKept", 24, kept)
    story.wrote("press", 25, user=LI, message=2, press="40001", data="data")
    story.happened(
        "ButtonPressed", 25.1,
        {"chat": "work", "address": str(LI), "order": "o1", "action": "1", "press": "40001"},
        changes=[story.assigns("o1", "p_li", stamp("acknowledged", 25.1, "chat"))],
        reports=[report("acknowledged", 25.1, "o1", "p_li", "chat")],
    )  # fmt: skip
    story.wrote("said", 27, user=LI, chat=LI, message=3, part={"text": "到了"})
    both = [stamp("acknowledged", 25.1, "chat"), stamp("arrived", 27.1, "chat")]
    story.happened(
        "TextReceived", 27.1,
        {"chat": "work", "address": str(LI), "message": "3", "text": "到了", "group": None},
        changes=[story.assigns("o1", "p_li", *both)],
        reports=[report("arrived", 27.1, "o1", "p_li", "chat")],
    )  # fmt: skip
    # A line that answers his own words; and one of the group's, no card.
    story.shows(28, LI, 4, "10号：到场，已记录", buttons=False)
    story.shows(28.1, GROUP, 5, "再次呼叫", buttons=False)


def _keys_wrong(story: Story) -> None:
    story.keys("p_zhang", 14, 16.5, digits="10031*470311#", voiced_s=1.9)
    story.happened(
        "DigitsHeard", 16, {"channel": "east", "digits": "470311", "ani": "10031"},
        reports=[report("refused_reply", 16, None, "p_zhang", "radio")],
    )  # fmt: skip
    _over_heard(story, "v0", 14.1)
    story.keys("base", 17, 18, answer="wrong")


def _over_heard(story: Story, over: str, at_s: float) -> None:
    event = {"channel": "east", "over": over, "keyed_ms": 2400, "recording": f"east/{over}.wav"}
    story.files.setdefault(f"east/{over}.wav", SOUND)
    story.happened("OverHeard", at_s, event)


def _second_alert(story: Story) -> None:
    changes = [
        _order("o2", "11", "A2", 1), _page("p2", "o2", "order"), story.assigns("o2", "p_zhang"),
    ]  # fmt: skip
    changes.append(story.assigns("o2", "p_zhao"))
    _raise(story, 30, "alert", "A2", 1, changes)
    card = "【一级警情 11号】东街网格\n有人打架"
    story.posts(30.2, "c3", ZHAO, 6, "p_zhao", "o2", card)
    told = stamp("told", 30.3, "chat")
    story.row("CardPosted", -1)["body"]["changes"].append(story.assigns("o2", "p_zhao", told))
    _speaks(story, "p2", 33, 42, 1)
    cancelled = _order("o2", "11", "A2", 1, status="cancelled", closed_us=us(45))
    _raise(story, 45, "cancel", "A2", 1, [cancelled, _page("p3", "o2", "stand_down")])
    story.wrote("edited", 45.2, chat=ZHAO, message=6, text=card, keyboard=[[["知道了", "off"]]])
    _speaks(story, "p3", 46, 49.5, 1)
    story.wrote("press", 47, user=ZHAO, message=6, press="40002", data="off")
    knows = stamp("stood_down", 47.1, "chat")
    story.happened(
        "ButtonPressed", 47.1,
        {"chat": "work", "address": str(ZHAO), "order": "o2", "action": "1", "press": "40002"},
        changes=[story.assigns("o2", "p_zhao", told, knows)],
        reports=[report("stood_down", 47.1, "o2", "p_zhao", "chat")],
    )  # fmt: skip


def _end(story: Story) -> None:
    act = {"by": "值班员周", "result": "已移交民警"}
    story.note(50, "act", order="o1", act="close", message=act)
    seq = story.happened(
        "OrderActed", 50, {"order": "o1", "act": "close", "by": "值班员周", "person": None},
        changes=[_order("o1", "10", "A1", 2, status="closed", closed_us=us(50))],
        reports=[report("closed", 50, "o1", None, "centre")],
    )  # fmt: skip
    answer = {"status": "accepted", "order": "o1", "journal": seq, "reason": None}
    story.note(50.1, "acted", answer=answer)
    story.note(60, "health", message={})


def _report(story: Story) -> None:
    """Let a guard report, the centre make an order of it, and a neighbour be fetched to it."""
    text = "北街有人撬门"
    story.wrote("said", 51, user=ZHAO, chat=ZHAO, message=20, part={"text": text})
    fields = {
        "id": "r1", "number": "R1", "person": "p_zhao", "state": "open", "order": None,
        "grid": "north", "text": text,
    }  # fmt: skip
    told = report("report", 51.1, None, "p_zhao", "chat") | {"number": "R1"}
    event = {"chat": "work", "address": str(ZHAO), "message": "20", "text": text, "group": None}
    put = ["put", "guard_report", "r1", fields]
    story.happened("TextReceived", 51.1, event, changes=[put], reports=[told])
    story.shows(51.2, ZHAO, 21, "R1：指挥中心收到", buttons=False, reply_to=20)
    act = {"act": "promote", "by": "值班员周", "report": "R1"}
    story.note(52, "asked", message=act)
    there = [stamp("acknowledged", 52, "chat"), stamp("arrived", 52, "chat")]
    alert = {
        "id": "R1-1", "sender": "guard-report", "level": 1, "text": text, "reporter": "p_zhao"
    }
    order = _order("o3", "12", "R1-1", 1, grids=["north"], opened_us=us(52), alert=alert)
    seq = story.happened(
        "ReportActed", 52, act,
        changes=[
            order, story.assigns("o3", "p_zhao", *there, role="reporter"),
            ["put", "guard_report", "r1", fields | {"state": "promoted", "order": "o3"}],
            story.assigns("o3", "p_station", role="station"),
        ],
        reports=[report("arrived", 52, "o3", "p_zhao", "chat")],
    )  # fmt: skip
    answer = {"status": "accepted", "order": "o3", "journal": seq, "reason": None}
    story.note(52.1, "answered", message=act, answer=answer)
    card = "【一级警情 12号】北街网格\n北街有人撬门"
    story.posts(52.2, "c4", STATION, 22, "p_station", "o3", card)
    story.happened("TimerFired", 55.2, changes=[story.assigns("o3", "p_luo", rung=1)])
    story.posts(55.3, "c5", LUO, 23, "p_luo", "o3", card)


def _drill(story: Story) -> None:
    """Let a drill be called, which says so first and last, spoken and written."""
    alert = {"id": "A4", "sender": "zhzx", "level": 3, "text": "有人打架", "exercise": True}
    order = _order("o4", "01", "A4", 3, alert=alert, opened_us=us(56))
    _raise(story, 56, "alert", "A4", 3, [order, _page("p4", "o4", "order")])
    card = "【演练】本单为演练\n【三级警情 演01号】东街网格\n有人打架\n【演练】本单为演练"
    story.posts(56.2, "c6", GROUP, 24, None, "o4", card)
    _speaks(story, "p4", 56.5, 60, 3)
    story.over("base", -1)["ends_alike"] = 1.0
