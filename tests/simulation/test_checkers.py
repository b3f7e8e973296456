"""Every judge passes a true story, and objects when one witness is spoilt in one place."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulators.checkers import CHECKS, Finding, Journal, judge, read
from simulators.checkers.__main__ import main
from tests.simulation.judged_story import (
    GROUP,
    LUO,
    QIAN,
    STATION,
    ZHAO,
    Story,
    report,
    stamp,
    true_story,
    us,
)

Spoil = Callable[[Story], object]
SPOILT: list[tuple[str, str, Spoil]] = []


def spoils(check: str, words: str) -> Callable[[Spoil], Spoil]:
    """Register a way to spoil the story, the judge who must object, and words he must say."""

    def register(spoil: Spoil) -> Spoil:
        SPOILT.append((check, words, spoil))
        return spoil

    return register


def judged(story: Story, folder: Path) -> dict[str, Finding]:
    resolved, logs, export = story.write(folder)
    site = json.loads(resolved.read_text("utf-8"))
    return {f.check: f for f in judge(read(logs, site), Journal.read(export))}


# ---- the air ----


@spoils("pages", "the ether heard nothing")
def the_transmitter_was_dead(story: Story) -> None:
    story.air.remove(story.over("base"))


@spoils("pages", "attention tone was not heard")
def the_wrong_tone_went_ahead(story: Story) -> None:
    story.over("base")["attention"] = 3


@spoils("pages", "no sentence")
def only_the_tone_was_heard(story: Story) -> None:
    story.over("base")["voiced_s"] = 1.1


@spoils("pages", "the ether heard nothing")
def the_page_was_heard_at_another_time(story: Story) -> None:
    story.over("base")["end_us"] += 20_000_000


@spoils("pages", "heard the whole of it twice")
def a_page_was_carried_twice(story: Story) -> None:
    story.over("base")["end_us"] = us(6.5)
    story.keys("base", 6.9, 11.88, attention=2, voiced_s=4)


@spoils("air_replies", "he had said nothing")
def what_was_never_said_is_told_as_said_before(story: Story) -> None:
    (told,) = story.row("DigitsHeard")["body"]["reports"]
    told["node"] = "repeated_reply"


@spoils("air_replies", "repeated_reply is booked for")
def what_another_said_again_is_booked_for_him(story: Story) -> None:
    for number in (1, 2):
        story.keys("p_li", 60 + 4 * number, 61 + 4 * number, digits="*100311#")
        said = report("repeated_reply", 61 + 4 * number, "o1", "p_zhang", "radio")
        digits = {"channel": "east", "digits": "100311", "over": f"v{number}"}
        story.happened("DigitsHeard", 61 + 4 * number, digits, reports=[said])


@spoils("answer_tones", "no page and no reply")
def somebody_spoke_by_the_base_radio(story: Story) -> None:
    story.keys("base", 70, 75, voiced_s=4)


@spoils("answer_tones", "'accepted' tone")
def a_wrong_reply_was_answered_as_right(story: Story) -> None:
    story.over("base", 1)["answer"] = "accepted"


@spoils("answer_tones", "'accepted' tone")
def one_reply_was_answered_twice(story: Story) -> None:
    story.keys("base", 24, 24.6, answer="accepted")


@spoils("ptt", "past the time-out")
def the_key_was_held_too_long(story: Story) -> None:
    story.keys("base", 100, 161)


@spoils("ptt", "nothing was radiated")
def the_line_was_keyed_in_vain(story: Story) -> None:
    story.ptt(100, on=True)
    story.ptt(103, on=False)


@spoils("ptt", "second client")
def two_gateways_held_the_key(story: Story) -> None:
    story.air.append({"at_us": us(90), "what": "client", "connected": True})


@spoils("ptt", "with no client")
def the_line_was_keyed_by_nobody(story: Story) -> None:
    story.air.append({"at_us": us(90), "what": "client", "connected": False})
    story.keys("base", 100, 101)


@spoils("ptt", "never let go")
def the_key_stuck(story: Story) -> None:
    story.ptt(100, on=True)


@spoils("priority", "while p2 waited")
def a_lower_page_went_first(story: Story) -> None:
    page = {"id": "p9", "order": "o1", "channel": "east", "purpose": "repeat"}
    story.row("CardPosted")["body"]["changes"].append(["put", "page", "p9", page])
    story.event("PageStarted", 1)["at_us"] = us(41)
    story.keys("base", 31, 39, attention=2, voiced_s=6)
    story.happened("PageStarted", 31, {"page": "p9"})
    story.happened("PageSpoken", 39, {"page": "p9", "recording": None})


@spoils("cancelled", "after its order was called off")
def a_cancelled_order_was_spoken(story: Story) -> None:
    for page in story.put("page", "p3"):
        page["purpose"] = "repeat"


# ---- people on the air ----


@spoils("air_replies", "nobody keyed that")
def the_journal_heard_digits_of_its_own(story: Story) -> None:
    story.over("p_zhang", 1)["digits"] = "10031"


@spoils("air_replies", "booked for p_zhao")
def the_answer_was_booked_for_another(story: Story) -> None:
    story.row("DigitsHeard", 1)["body"]["reports"][0]["person"] = "p_zhao"


@spoils("keyed", "was told it is accepted; it is not")
def an_answer_was_lost(story: Story) -> None:
    story.drop_row("DigitsHeard", 1)


@spoils("keyed", "took *100311# for accepted")
def an_answer_was_lost_without_a_tone(story: Story) -> None:
    story.drop_row("DigitsHeard", 1)
    story.air.remove(story.over("base", 2))


@spoils("air_replies", "nobody keyed that")
def digits_were_made_up_and_refused(story: Story) -> None:
    event = {"channel": "east", "digits": "990311", "ani": None}
    told = report("refused_reply", 80, None, None, "radio")
    story.happened("DigitsHeard", 80, event, reports=[told])


@spoils("keyed", "took *100311# for accepted")
def a_guard_was_satisfied_wrongly(story: Story) -> None:
    story.row("DigitsHeard", 1)["body"]["reports"][0]["node"] = "refused_reply"


@spoils("overs", "no over of that moment")
def an_over_was_not_heard(story: Story) -> None:
    story.drop_row("OverHeard")


@spoils("overs", "was not recorded")
def an_over_was_not_recorded(story: Story) -> None:
    story.event("OverHeard")["recording"] = None


@spoils("overs", "nobody was on the air")
def an_over_was_made_up(story: Story) -> None:
    event = {"channel": "east", "over": "v9", "keyed_ms": 900, "recording": None}
    story.happened("OverHeard", 80, event)


@spoils("recordings", "is not there")
def a_kept_recording_is_gone(story: Story) -> None:
    del story.files["east/v1.wav"]


@spoils("recordings", "is not the file")
def a_recording_was_changed(story: Story) -> None:
    story.files["east/v1.wav"] += b"!"


@spoils("recordings", "the recording of v0 is not there")
def a_named_recording_is_gone(story: Story) -> None:
    del story.files["east/v0.wav"]


# ---- the chat ----


@spoils("cards", "no such message")
def a_card_was_never_shown(story: Story) -> None:
    story.chat.remove(story.lines("chat", "message")[1])


@spoils("cards", "it stands in")
def a_card_stands_elsewhere(story: Story) -> None:
    story.lines("chat", "message")[1]["chat"] = ZHAO


@spoils("cards", "no buttons")
def a_card_has_no_buttons(story: Story) -> None:
    story.lines("chat", "message")[1]["keyboard"] = []


@spoils("cards", "does not name order")
def a_card_names_another_order(story: Story) -> None:
    story.lines("chat", "message")[1]["text"] = "【二级警情 47号】"


@spoils("posts", "shows a card once more")
def a_card_was_shown_twice(story: Story) -> None:
    story.shows(1.25, GROUP, 9, "【二级警情 10号】东街网格\n有人打架")


@spoils("untold", "p_qian was written to")
def somebody_off_duty_was_told(story: Story) -> None:
    story.shows(2, QIAN, 9, "10号警情", buttons=False)


@spoils("untold", "p_zhao was written to")
def somebody_not_addressed_was_told(story: Story) -> None:
    story.shows(2, ZHAO, 9, "10号警情", buttons=False)


@spoils("untold", "is off duty and was addressed")
def somebody_off_duty_was_addressed(story: Story) -> None:
    story.row("PageStarted")["body"]["changes"].append(story.assigns("o1", "p_qian"))


@spoils("chat_replies", "nobody pressed a button")
def a_press_was_invented(story: Story) -> None:
    story.chat.remove(story.lines("chat", "press")[0])


@spoils("chat_replies", f"{ZHAO} pressed")
def another_pressed(story: Story) -> None:
    story.lines("chat", "press")[0]["user"] = ZHAO


@spoils("chat_replies", "was booked to o2")
def a_press_was_booked_to_another_order(story: Story) -> None:
    story.event("ButtonPressed")["order"] = "o2"


@spoils("chat_replies", "whose account it is not")
def a_press_was_booked_for_another(story: Story) -> None:
    story.row("ButtonPressed")["body"]["reports"][0]["person"] = "p_zhao"


@spoils("chat_replies", "nobody wrote")
def words_were_invented(story: Story) -> None:
    story.chat.remove(story.lines("chat", "said")[0])


@spoils("chat_replies", "the text was")
def another_wrote(story: Story) -> None:
    story.lines("chat", "said")[0]["user"] = ZHAO


@spoils("pressed", "a press on message 2; the journal never got it")
def a_press_was_lost(story: Story) -> None:
    story.drop_row("ButtonPressed")


@spoils("pressed", "“到了”; the journal never got it")
def words_were_lost(story: Story) -> None:
    story.drop_row("TextReceived")


@spoils("pressed", "stands in no timeline")
def a_press_was_taken_and_not_booked(story: Story) -> None:
    for part in story.put("assignment", "o1/p_li"):
        part["stamps"] = []


@spoils("limits", "too many requests")
def the_platform_was_flooded(story: Story) -> None:
    story.wrote("call", 60, method="sendMessage", answer="429", planted=False)


# ---- the centre ----


@spoils("alerts", "the centre sent none such")
def an_alert_came_from_nowhere(story: Story) -> None:
    story.event("AlertReceived")["alert"]["text"] = "有人放火"


@spoils("receipts", "which there is not")
def a_receipt_names_no_row(story: Story) -> None:
    story.lines("centre", "receipt")[0]["message"]["journal"] = 999


@spoils("receipts", "holds no receipt")
def a_receipt_names_another_row(story: Story) -> None:
    story.lines("centre", "receipt")[0]["message"]["journal"] = 1


@spoils("receipts", "differ in number")
def a_receipt_says_something_else(story: Story) -> None:
    story.lines("centre", "receipt")[0]["message"]["number"] = "12"


@spoils("receipts", "never got a receipt")
def an_alert_got_no_receipt(story: Story) -> None:
    story.note(55, "sent", message={"sender": "zhzx", "id": "A3"})


@spoils("receipts", "A1 made more than one order")
def one_alert_made_two_orders(story: Story) -> None:
    story.put("order", "o2")[-1]["alert"]["id"] = "A1"


@spoils("acts", "the centre did not act")
def an_order_was_closed_by_nobody_there(story: Story) -> None:
    story.event("OrderActed")["by"] = "别人"


@spoils("acts", "not in the journal")
def an_act_was_not_kept(story: Story) -> None:
    story.drop_row("OrderActed")


@spoils("acts", "ended by TimerFired, by nobody")
def a_clock_closed_an_order(story: Story) -> None:
    story.row("OrderActed")["kind"] = "TimerFired"


@spoils("events", "never told to the centre")
def an_event_was_not_told(story: Story) -> None:
    story.centre.remove(story.lines("centre", "event")[1])


@spoils("events", "is in no row")
def an_event_was_made_up(story: Story) -> None:
    told = report("done", 1, "o1", "p_li", "chat")
    story.note(55, "event", message={"journal": 2, "part": 5, **told})


@spoils("events", "differs from its row in medium")
def an_event_was_told_otherwise(story: Story) -> None:
    story.lines("centre", "event")[1]["message"]["medium"] = "clock"


@spoils("events", "came after row")
def events_were_told_out_of_order(story: Story) -> None:
    events = story.lines("centre", "event")
    first, second = (story.centre.index(e) for e in events[:2])
    story.centre[first], story.centre[second] = story.centre[second], story.centre[first]


# ---- timelines ----


@spoils("addressed", "p_li was not addressed by it")
def an_unaddressed_person_answered(story: Story) -> None:
    changes = story.row("AlertReceived")["body"]["changes"]
    changes[:] = [change for change in changes if change[2] != "o1/p_li"]


@spoils("addressed", "p_li is not in the register")
def one_who_has_left_answered(story: Story) -> None:
    story.put("person", "p_li")[0]["active"] = False


@spoils("times", "stands before")
def time_ran_backwards(story: Story) -> None:
    story.put("assignment", "o1/p_li")[-1]["stamps"][1]["at_us"] = us(24)


@spoils("times", "stands before opened")
def somebody_answered_before_the_alert(story: Story) -> None:
    story.put("assignment", "o1/p_zhang")[-1]["stamps"][0]["at_us"] = us(0)


@spoils("times", "without an acknowledgement")
def somebody_arrived_unacknowledged(story: Story) -> None:
    story.put("assignment", "o1/p_li")[-1]["stamps"] = [stamp("arrived", 27, "chat")]


@spoils("times", "closed before it was opened")
def an_order_ended_before_it_began(story: Story) -> None:
    story.put("order", "o1")[-1]["closed_us"] = us(0.5)


# ---- reports, rungs, stand-downs, drills ----


@spoils("reports", "wrote nothing of the kind")
def a_report_was_made_up(story: Story) -> None:
    story.chat.remove(story.lines("chat", "said")[1])


@spoils("reports", "was not answered in the chat")
def a_report_was_not_answered(story: Story) -> None:
    story.chat.remove(next(m for m in story.lines("chat", "message") if m["reply_to"]))


@spoils("reports", "the centre was never told")
def a_report_was_not_told(story: Story) -> None:
    events = story.lines("centre", "event")
    story.centre.remove(next(e for e in events if e["message"]["node"] == "report"))


@spoils("reports", "promote of R1 by 值班员周; the centre did not")
def a_report_became_an_order_by_itself(story: Story) -> None:
    story.centre.remove(story.lines("centre", "asked")[0])


@spoils("reports", "promote was accepted and is not in the journal")
def a_promotion_was_not_kept(story: Story) -> None:
    story.drop_row("ReportActed")


@spoils("reports", "order 12 of R1: p_station saw no card")
def the_station_was_left_out(story: Story) -> None:
    message = next(m for m in story.lines("chat", "message") if m["chat"] == STATION)
    story.chat.remove(message)


@spoils("climbs", "after 0 s; its own grid had 3 s")
def a_neighbour_was_called_at_once(story: Story) -> None:
    message = next(m for m in story.lines("chat", "message") if m["chat"] == LUO)
    message["at_us"] = us(52.4)


@spoils("climbs", "order 12 was to reach p_luo; nothing did")
def a_neighbour_was_called_and_not_reached(story: Story) -> None:
    story.chat.remove(next(m for m in story.lines("chat", "message") if m["chat"] == LUO))


@spoils("stood_down", "his card never showed that it is off")
def somebody_never_saw_the_end(story: Story) -> None:
    story.chat.remove(story.lines("chat", "edited")[0])


@spoils("stood_down", "he said nothing")
def it_was_made_up_that_he_knows(story: Story) -> None:
    story.chat.remove(story.lines("chat", "press")[1])
    story.chat.remove(story.lines("chat", "said")[1])


@spoils("stood_down", "has not said that he knows its end")
def one_who_was_told_never_heard_the_end(story: Story) -> None:
    story.put("assignment", "o2/p_zhao")[-1]["stamps"].pop()


@spoils("drills", "on east the first word heard was not the last")
def a_drill_was_spoken_like_a_live_order(story: Story) -> None:
    story.over("base", -1)["ends_alike"] = 0.1


@spoils("drills", "it began and ended with the same word")
def a_live_order_was_spoken_like_a_drill(story: Story) -> None:
    story.over("base")["ends_alike"] = 1.0


@spoils("drills", "does not say 演练 first and last")
def the_card_of_a_drill_forgot_to_say_so(story: Story) -> None:
    card = story.lines("chat", "message")[-1]
    card["text"] = card["text"].removesuffix("\n【演练】本单为演练")


@spoils("drills", "says 演练")
def a_live_card_said_that_it_is_a_drill(story: Story) -> None:
    story.lines("chat", "message")[1]["text"] += "\n【演练】"


@spoils("drills", "its number is of the other kind")
def a_drill_had_a_live_number(story: Story) -> None:
    story.put("order", "o4")[0]["number"] = "13"


@spoils("story", "p_li should be arrived")
def the_story_went_otherwise(story: Story) -> None:
    story.put("assignment", "o1/p_li")[-1]["stamps"].pop()


# ---- nothing to compare ----


@spoils("witnesses", "has written nothing")
def a_witness_is_missing(story: Story) -> None:
    story.missing.add("ether-east")


@spoils("witnesses", "the journal is empty")
def there_is_no_journal(story: Story) -> None:
    story.rows.clear()


@spoils("pages", "expected at least 4 pages, found 0")
def no_page_was_ever_spoken(story: Story) -> None:
    for _ in range(4):
        story.drop_row("PageSpoken")


@spoils("air_replies", "expected at least 2 frames, found 0")
def nobody_ever_answered_by_radio(story: Story) -> None:
    for _ in range(2):
        story.drop_row("DigitsHeard")


def test_a_true_story_is_believed(tmp_path: Path) -> None:
    findings = judged(true_story(), tmp_path)
    assert [str(v) for f in findings.values() for v in f.violations] == []
    idle = [name for name, finding in findings.items() if not finding.compared]
    assert idle == [], "these judges were not put to the test"


@pytest.mark.parametrize(
    ("check", "words", "spoil"), SPOILT, ids=[spoil.__name__ for *_, spoil in SPOILT]
)
def test_the_judge_objects(check: str, words: str, spoil: Spoil, tmp_path: Path) -> None:
    story = true_story()
    spoil(story)
    objections = [str(v) for v in judged(story, tmp_path)[check].violations]
    assert any(words in text for text in objections), objections


def test_every_judge_has_objected_to_something() -> None:
    proven = {check for check, *_ in SPOILT}
    assert proven == {check.__name__.removeprefix("check_") for check in CHECKS}


# ---- what must not be objected to ----


def allowed(story: Story, check: str, folder: Path) -> Finding:
    finding = judged(story, folder)[check]
    assert [str(v) for v in finding.violations] == []
    return finding


@pytest.mark.parametrize("mark", ["【重发】", "[REPEAT] "])
def test_a_repeated_card_that_says_so_is_allowed(mark: str, tmp_path: Path) -> None:
    story = true_story()
    first = story.lines("chat", "message")[0]
    story.event("CardPosted")["message"] = "9"
    for card in story.put("card", "c1"):
        card["message"] = "9"
    story.shows(3, GROUP, 9, mark + first["text"])
    allowed(story, "posts", tmp_path)


def test_a_page_that_was_broken_off_may_begin_again(tmp_path: Path) -> None:
    story = true_story()
    story.over("base")["end_us"] = us(3)
    story.keys("base", 4, 12, attention=2, voiced_s=7)
    assert allowed(story, "pages", tmp_path).compared == 4


def test_a_planted_refusal_of_the_platform_is_nobodys_fault(tmp_path: Path) -> None:
    story = true_story()
    story.wrote("call", 60, method="sendMessage", answer="429", planted=True)
    allowed(story, "limits", tmp_path)


def test_what_collided_or_came_while_the_channel_was_down_may_be_lost(tmp_path: Path) -> None:
    story = true_story()
    story.keys("p_zhang", 60, 62, digits="*100312#", collided=True)
    story.keys("p_zhang", 47, 48.5, digits="*100312#")  # the base radio was speaking
    story.happened("PathChanged", 70, {"path": "channel:east", "up": False})
    story.keys("p_zhang", 72, 74, digits="*100312#")
    story.happened("PathChanged", 80, {"path": "channel:east", "up": True})
    story.keys("p_zhang", 90, 92, digits="*100312#")  # the gateway had left the line
    story.air.append({"at_us": us(92.5), "what": "client", "connected": False})
    folder = tmp_path / "allowed"
    folder.mkdir()
    allowed(story, "overs", folder)
    story.keys("p_zhang", 82, 84, digits="*100312#")
    assert len(judged(story, tmp_path)["overs"].violations) == 1


def test_what_was_misheard_and_refused_is_only_remarked_upon(tmp_path: Path) -> None:
    story = true_story()
    story.event("DigitsHeard")["digits"] = "47031"
    folder = tmp_path / "again"
    folder.mkdir()
    assert allowed(story, "keyed", folder).remark == "1 not understood, and not accepted"
    assert allowed(story, "air_replies", tmp_path).remark == "1 misheard and refused"


@pytest.mark.parametrize(
    ("member", "reason", "objects"),
    [("channel:east", "time_out", False), ("channel:east", "taken", True),
     ("channel:west", "time_out", True), ("dispatcher", "time_out", True)],
)  # fmt: skip
def test_a_low_tone_tells_a_talker_that_he_was_cut_and_nobody_else(
    member: str, reason: str, objects: bool, tmp_path: Path
) -> None:
    story = true_story()
    cut = {"group": "g", "member": member, "channel": "yard", "reason": reason}
    story.happened("TalkCut", 65, cut)
    story.keys("base", 66, 66.4, answer="wrong")
    finding = judged(story, tmp_path)["answer_tones"]
    assert bool(finding.violations) is objects


AIR_JUDGES = ("answer_tones", "air_replies", "keyed", "overs")


def pressed_story(who: str = "p_zhang", booked: str = "p_zhang") -> Story:
    """Return the story in which somebody also presses the key three times: arrived."""
    story = true_story()
    for start_s in (26.0, 26.7, 27.4):
        story.keys(who, start_s, start_s + 0.3)
    event = {"channel": "east", "over": "v7", "keyed_ms": 300, "recording": None,
             "presses_ms": [300, 400, 300, 400, 300]}  # fmt: skip
    both = [stamp("acknowledged", 22, "radio"), stamp("arrived", 26, "radio")]
    story.happened(
        "OverHeard", 26, event, changes=[story.assigns("o1", "p_zhang", *both)],
        reports=[report("arrived", 26, "o1", booked, "radio")],
    )  # fmt: skip
    story.keys("base", 28.6, 29.2, answer="accepted")
    story.lived("satisfied", 29.4, who, digits="短按3次", channel="east")
    return story


def test_an_answer_by_presses_of_the_key_is_believed(tmp_path: Path) -> None:
    verdict = judged(pressed_story(), tmp_path)
    assert [v for name in AIR_JUDGES for v in verdict[name].violations] == []


def test_presses_that_nobody_made_are_objected_to(tmp_path: Path) -> None:
    story = pressed_story()
    story.air = [x for x in story.air if x.get("start_us", 0) < us(26) or x["who"] != "p_zhang"]
    (violation,) = judged(story, tmp_path)["air_replies"].violations
    assert "an answer without digits; nobody keyed that" in str(violation)


def test_presses_booked_for_another_are_objected_to(tmp_path: Path) -> None:
    story = pressed_story(booked="p_zhao")
    assert judged(story, tmp_path)["air_replies"].violations


def test_presses_that_were_lost_satisfy_nobody(tmp_path: Path) -> None:
    story = pressed_story()
    story.rows[-1]["body"]["reports"] = []
    verdict = judged(story, tmp_path)
    assert "短按3次" in str(verdict["keyed"].violations)
    assert verdict["answer_tones"].violations


def test_who_was_too_weak_for_the_base_radio_may_be_lost(tmp_path: Path) -> None:
    story = true_story()
    story.keys("p_zhang", 60, 63, digits="*100312#", voiced_s=2.0, base_heard=0.2)
    assert not judged(story, tmp_path)["overs"].violations
    story.over("p_zhang", 2)["base_heard"] = 0.9
    strong = tmp_path / "strong"
    strong.mkdir()
    assert judged(story, strong)["overs"].violations


def test_one_who_writes_first_may_be_answered(tmp_path: Path) -> None:
    story = true_story()
    story.wrote("said", 2, user=QIAN, chat=QIAN, message=8, part={"text": "你好"})
    story.shows(3, QIAN, 9, "您现在没有要处理的警情。", buttons=False)
    story.lines("chat", "message")[-1]["reply_to"] = 8
    allowed(story, "untold", tmp_path)


def test_what_was_reported_at_the_very_end_need_not_have_been_heard(tmp_path: Path) -> None:
    story = true_story()
    story.happened("PathChanged", 59.5, {"path": "mqtt", "up": False},
                   reports=[report("health", 59.5, None, None, "clock")])  # fmt: skip
    story.centre.remove(story.lines("centre", "event")[-1])
    allowed(story, "events", tmp_path)


# ---- the program ----


def run(
    story: Story, folder: Path, capsys: pytest.CaptureFixture[str], *more: str
) -> tuple[int, str]:
    status = main([*map(str, story.write(folder)), *more])
    return status, capsys.readouterr().out


def test_the_verdict_is_printed_a_line_a_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out = run(true_story(), tmp_path, capsys)
    assert status == 0
    assert len(out.splitlines()) == len(CHECKS)
    assert "✓ PageSpoken ↔ ether: 4 pages, all heard" in out


def test_an_objection_names_moment_witness_and_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    story = true_story()
    the_transmitter_was_dead(story)
    status, out = run(story, tmp_path, capsys)
    assert status == 1
    assert "✗ PageSpoken ↔ ether: 4 pages, 1 objection" in out
    row = story.row("PageSpoken")["seq"]
    at = "2026-11-18 11:06:41.500Z"
    assert f"✗ {at}  ether east  [journal {row}]  page p1 was spoken" in out


def test_the_verdict_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story = true_story()
    an_answer_was_lost(story)
    status, out = run(story, tmp_path, capsys, "--json")
    findings: dict[str, Any] = {f["check"]: f for f in map(json.loads, out.splitlines())}
    assert status == 1
    assert findings["keyed"]["violations"][0]["witness"] == "ether east"
    assert findings["cards"] | {"violations": []} == findings["cards"]


@pytest.mark.parametrize(
    "spoilt", ["logs/guards.jsonl", "journal.jsonl", "logs/ether-east.jsonl"]
)
def test_a_log_that_cannot_be_read_is_no_verdict(
    spoilt: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(path) for path in true_story().write(tmp_path)]
    (tmp_path / spoilt).write_text('{"half":\n', "utf-8")
    assert main(paths) == 2
    assert "cannot judge" in capsys.readouterr().err


def test_a_journal_with_a_row_missing_is_no_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    story = true_story()
    del story.rows[3]
    assert run(story, tmp_path, capsys)[0] == 2


def test_a_scenario_that_expects_the_unknown_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    story = true_story()
    story.expected["at_least"] = {"pagse": 3}
    assert run(story, tmp_path, capsys)[0] == 2
