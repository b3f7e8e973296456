"""CAP 1.2: what is read, what is refused and how it is said, and what we answer."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from drivers.cap import format_of
from drivers.cap.codec import level_of, quoted
from drivers.cap.structure import read
from gateway.core.alert import AlertKind, Datum, Level
from gateway.core.centre.report_json import refusal_json
from gateway.core.centre.strict_json import Refusal
from gateway.core.intake.events import AlertReceived, MessageNoted
from gateway.interfaces import Report
from gateway.settings.cap import CapSettings
from tests.doors import START_US
from tests.drivers.cap import cap_messages as made
from tests.drivers.cap.cap_messages import (
    AREA,
    GOOD,
    SENDER,
    SQUARE,
    WRONG,
    cap,
    info,
    pair,
    reference,
)

US = 1_000_000


def taking(**changes):
    settings = {"senders": (SENDER,), "sender": "gridcall@county"} | changes
    return format_of(CapSettings(**settings), "county", "Asia/Shanghai")


def event(raw, **changes):
    return taking(**changes).decode(raw, door="http", now_us=START_US, synchronised=True)


def alert(raw, **changes):
    found = event(raw, **changes)
    assert isinstance(found, AlertReceived)
    return found.alert


@pytest.mark.parametrize("raw", GOOD.values(), ids=list(GOOD))
def test_what_is_right_is_read(raw):
    for _ in range(2):
        assert isinstance(event(raw), AlertReceived), "and reading one spoils none after it"


@pytest.mark.parametrize(("raw", "field", "word"), WRONG.values(), ids=list(WRONG))
def test_what_is_wrong_is_refused_and_named(raw, field, word):
    with pytest.raises(Refusal) as refused:
        event(raw)
    assert refused.value.field == field
    assert word in refused.value.reason
    assert len(str(refused.value)) < 400, "nothing hostile is quoted at length"
    assert isinstance(event(GOOD["padded words"]), AlertReceived), "nothing was left behind"


def test_a_refusal_finds_its_way_back_to_its_sender():
    for raw in (cap(sent="2026-11-22T03:00:00Z"), cap(info(severity="High")), cap(status="Draft")):
        with pytest.raises(Refusal) as refused:
            event(raw)
        assert (refused.value.sender, refused.value.id) == (SENDER, "JQ-1")


def test_there_are_more_of_them_than_other_libraries_were_tried_with():
    assert len(GOOD) + len(WRONG) > 27


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_raise_anything_else(noise):
    for raw in (noise, cap()[:300] + noise + cap()[300:]):
        with contextlib.suppress(Refusal):
            event(raw)
        assert taking().answer(raw, refusal_json("no", 1), START_US).startswith(b"<?xml")


@given(st.data())
def test_a_message_with_any_one_piece_gone_is_read_or_refused(data):
    raw = cap()
    start = data.draw(st.integers(0, len(raw) - 1))
    stop = data.draw(st.integers(start, min(len(raw), start + 80)))
    with contextlib.suppress(Refusal):
        event(raw[:start] + raw[stop:])


# ---- what is understood ----


def test_the_fields_of_an_alert():
    found = alert(cap(
        info(AREA + f"<geocode>{pair('GRID', '006037')}</geocode>",
             parameter=[pair("needs", "3"), pair("case", "A-1")],
             expires="2026-11-22T05:00:00+08:00", instruction="注意安全"),
        incidents='"大 案" SJ-2',
    ))  # fmt: skip
    assert (found.kind, found.id, found.sender) == (AlertKind.ALERT, "JQ-1", SENDER)
    assert (found.category, found.level, found.needs) == ("fight", Level.TWO, 3)
    assert found.text == "两人持械。建设银行门口。注意安全"
    assert (found.place, found.grid, found.incident) == ("东街", "006037", "大 案")
    assert found.sent_us == START_US
    assert found.expires_us == START_US + 7200 * US
    assert not found.exercise
    assert len(found.body_sha256) == 64


def test_what_takes_effect_at_once_is_taken_by_a_clock_that_is_not_set():
    """Our clock still stands at its epoch: what was sent and is effective now lies far ahead."""
    raw = cap(info(effective="2026-11-22T03:00:00+08:00"))
    found = taking().decode(raw, door="http", now_us=0, synchronised=False)
    assert found.alert.sent_us == START_US
    later = cap(info(effective="2026-11-22T04:00:00+08:00"))
    with pytest.raises(Refusal, match="lies ahead"):
        taking().decode(later, door="http", now_us=0, synchronised=False)


def test_what_was_sent_ahead_is_taken_when_its_time_has_come():
    raw = cap(info(effective="2026-11-22T04:00:00+08:00"))
    with pytest.raises(Refusal, match="lies ahead"):
        event(raw)
    due_us = START_US + 3600 * US
    assert taking().decode(raw, door="http", now_us=due_us, synchronised=True).alert


def test_what_has_expired_is_taken_so_that_the_core_can_say_so():
    raw = cap(info(expires="2026-11-22T03:05:00+08:00"))
    late_us = START_US + 600 * US
    found = taking().decode(raw, door="http", now_us=late_us, synchronised=True)
    assert found.alert.expires_us == START_US + 300 * US


def test_the_language_that_guards_speak_is_taken():
    english = info(language="en-US", headline="Two armed", description=None)
    taiwan = info(language="zh-TW", headline="兩人持械", description=None)
    ours = info(headline="两人持械", description=None)
    assert alert(cap(english, taiwan, ours)).text == "两人持械"
    assert alert(cap(english, taiwan)).text == "兩人持械"
    assert alert(cap(english)).text == "Two armed"


@pytest.mark.parametrize(
    ("urgency", "severity", "certainty", "level"),
    [
        ("Immediate", "Extreme", "Observed", 1), ("Immediate", "Severe", "Likely", 1),
        ("Immediate", "Moderate", "Observed", 2), ("Expected", "Severe", "Observed", 2),
        ("Expected", "Extreme", "Observed", 2), ("Immediate", "Minor", "Observed", 3),
        ("Expected", "Moderate", "Observed", 3), ("Past", "Extreme", "Observed", 3),
        ("Unknown", "Minor", "Observed", 2), ("Immediate", "Unknown", "Unknown", 2),
        ("Immediate", "Extreme", "Unknown", 1), ("Immediate", "Extreme", "Unlikely", 2),
        ("Future", "Minor", "Unlikely", 3),
    ],
)  # fmt: skip
def test_the_level_of_three_words(urgency, severity, certainty, level):
    assert level_of(urgency, severity, certainty) == level
    raw = cap(info(urgency=urgency, severity=severity, certainty=certainty))
    assert alert(raw).level == level


def test_a_level_that_is_given_wins():
    assert alert(cap(info(parameter=pair("level", "1"), urgency="Past"))).level == 1


def test_areas_are_a_union_in_wgs_84():
    shape = f"<polygon>{SQUARE}</polygon><circle>29.105,119.655 0.25</circle>"
    polygon, circle = alert(cap(info(AREA + shape), info(AREA + shape, language="en"))).areas
    assert polygon.datum is Datum.WGS_84
    assert polygon.corners[0] == (29_100_000, 119_650_000)
    assert len(polygon.corners) == 4
    assert (circle.centre, circle.radius_m) == ((29_105_000, 119_655_000), 250)


def test_updates_and_cancels_name_what_they_are_about():
    both = f"{reference()} {reference('JQ-1b')}"
    found = alert(made.update(references=both))
    assert (found.kind, found.id) == (AlertKind.UPDATE, "JQ-2")
    assert found.references == (f"{SENDER},JQ-1", f"{SENDER},JQ-1b")
    found = alert(made.cancel(note="误报"))
    assert (found.kind, found.text) == (AlertKind.CANCEL, "误报")
    found = alert(made.update(info(responseType="AllClear", headline="解除")))
    assert (found.kind, found.text) == (AlertKind.CANCEL, "解除")


@pytest.mark.parametrize(
    ("changes", "what"),
    [({"status": "Test"}, "test"), ({"status": "System"}, "system"),
     ({"msgType": "Ack", "references": reference("g-1")}, "ack"),
     ({"msgType": "Error", "references": reference("g-1"), "note": "格式不对"}, "error")],
)  # fmt: skip
def test_what_calls_nobody_is_noted(changes, what):
    found = event(cap(**changes))
    assert isinstance(found, MessageNoted)
    assert (found.what, found.sender, found.id) == (what, SENDER, "JQ-1")


def test_an_exercise_is_an_alert_that_says_so():
    assert alert(cap(status="Exercise")).exercise


def test_settings_open_and_close_the_door():
    assert alert(cap(scope="Public", restriction=None), public=True).id == "JQ-1"
    private = cap(scope="Private", restriction=None, addresses="其他")
    assert alert(private).id == "JQ-1"
    with pytest.raises(Refusal, match="does not name us"):
        event(private, addresses=("保安",))
    assert quoted('a "b c" d') == ["a", "b c", "d"]


def test_the_same_message_otherwise_written_is_the_same():
    assert alert(cap()).body_sha256 == alert(GOOD["a prefix"]).body_sha256
    assert alert(cap()).body_sha256 == alert(GOOD["padded words"]).body_sha256
    assert alert(cap()).body_sha256 != alert(cap(info(headline="三人"))).body_sha256


def test_a_long_text_is_cut_and_not_refused():
    found = alert(cap(info(description="很" * 3000)))
    assert len(found.text) == 500
    assert found.text.endswith("…")


# ---- what we write ----

RECEIPT = {"status": "accepted", "journal": 7, "number": "10", "reason": None}


def parts(raw):
    root = etree.fromstring(raw)
    return {etree.QName(e).localname: e.text for e in root if len(e) == 0}


def test_an_ack_names_the_message_and_is_itself_right():
    answer = taking().answer(cap(), RECEIPT, START_US)
    read(answer)
    said = parts(answer)
    assert (said["msgType"], said["status"]) == ("Ack", "Actual")
    assert said["references"] == f"{SENDER},JQ-1,2026-11-22T03:00:00+08:00"
    assert said["note"] == "accepted; order 10"
    assert said["sent"] == "2026-11-22T03:00:00+08:00"
    assert (said["sender"], said["addresses"]) == ("gridcall@county", SENDER)
    assert parts(taking().answer(cap(status="Test"), RECEIPT, START_US))["status"] == "Test"


def test_utc_is_written_as_the_standard_asks():
    door = format_of(CapSettings(senders=(SENDER,)), "county", "UTC")
    assert parts(door.answer(cap(), RECEIPT, START_US))["sent"] == "2026-11-21T19:00:00-00:00"


@pytest.mark.parametrize("raw", [raw for raw, _, _ in WRONG.values()], ids=list(WRONG))
def test_an_error_is_written_for_whatever_was_refused(raw):
    with pytest.raises(Refusal) as refused:
        event(raw)
    receipt = refusal_json(str(refused.value), 9)
    answer = taking().answer(raw, receipt, START_US)
    read(answer)
    said = parts(answer)
    assert said["msgType"] == "Error"
    assert refused.value.field in said["note"]


def test_what_became_of_an_alert_is_told_in_cap():
    report = Report(seq=8, part=1, at_us=START_US, order="o1", number="10", node="arrived",
                    person="zhang", name="张三<&", medium="radio", assurance="R1",
                    detail="两下\x07")  # fmt: skip
    answer = taking().report(report, reference(), exercise=True)
    message = read(answer)
    assert (message.need("status"), message.need("msgType")) == ("Exercise", "Ack")
    facts = dict(message.nodes("info")[0].pairs("parameter"))
    assert facts["node"] == "arrived"
    assert facts["name"] == "张三<&"
    assert facts["detail"] == "两下"
