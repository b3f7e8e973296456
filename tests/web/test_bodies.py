"""A company's token: it sees its own people and their orders, and orders nobody else's."""

import pytest

from gateway.core.register.events import DutyChanged
from gateway.interfaces import Report
from gateway.web.own_view import own_order, own_report
from tests.web.conftest import open_door

ORDER = {
    "id": "o1", "number": "10", "owner": "zhao", "alert": {"organisation": None},
    "people": [
        {"person": "zhang", "name": "张三", "reason": None},
        {"person": "zhao", "name": "赵六", "reason": "病了"},
    ],
    "cards": [
        {"id": "c1", "person": None, "address": "-100"},
        {"id": "c2", "person": "zhao", "address": "7001"},
    ],
    "timeline": [
        {"node": "accepted", "person": None, "detail": "x"},
        {"node": "declined", "person": "zhao", "name": "赵六", "detail": "病了"},
        {"node": "arrived", "person": "zhang", "name": "张三", "detail": None},
    ],
}  # fmt: skip


def test_others_are_seen_without_names_or_words():
    shown = own_order(ORDER, frozenset({"zhang"}), "xi")
    assert "赵六" not in str(shown)
    assert "病了" not in str(shown)
    assert "7001" not in str(shown)
    assert "zhao" not in str(shown)
    assert shown["people"][0]["name"] == "张三"
    assert [e["node"] for e in shown["timeline"]] == ["accepted", "declined", "arrived"]
    assert "赵六" in str(ORDER), "what others are shown is not changed"


def test_an_order_without_its_people_is_not_there_unless_it_raised_it():
    assert own_order(ORDER, frozenset({"sun"}), "xi") is None
    raised = ORDER | {"alert": {"organisation": "xi"}}
    assert own_order(raised, frozenset({"sun"}), "xi") is not None


def test_a_node_of_anothers_guard_has_neither_name_nor_words():
    report = Report(
        seq=1, part=0, at_us=1, order="o1", number="10", node="declined", person="zhao",
        name="赵六", medium="chat", assurance="C1", detail="病了",
    )  # fmt: skip
    shown = own_report(report, frozenset({"zhang"}))
    assert (shown.person, shown.name, shown.detail, shown.node) == (None, None, None, "declined")
    assert own_report(report, frozenset({"zhao"})) is report


def test_a_body_reads_the_centres_alert_without_the_people_in_it():
    alert = {
        "organisation": None, "text": "刘小明称有人打架，身份证330702199001011234", "place": "刘小明家",
        "private": ["刘小明"],
    }  # fmt: skip
    timeline = [{"node": "updated", "person": None, "detail": "电话13800138000，刘小明"}]
    order = ORDER | {"alert": alert, "timeline": timeline, "outcome": "刘小明误报"}
    shown = str(own_order(order, frozenset({"zhang"}), "xi"))
    for word in ("刘小明", "330702199001011234", "13800138000"):
        assert word not in shown
    assert "有人打架" in shown
    raised = order | {"alert": alert | {"organisation": "xi"}}
    assert "刘小明" in str(own_order(raised, frozenset(), "xi")), "its own words it may read"
    report = Report(
        seq=1, part=0, at_us=1, order="o1", number="10", node="updated", person=None, name=None,
        medium="centre", assurance="M", detail="电话13800138000",
    )  # fmt: skip
    assert own_report(report, frozenset()).detail == "电话***"


# ---- at the running door ----


@pytest.fixture
def register(door):
    door.engine.register = [
        {"id": "li", "name": "李四", "organisation": "xi", "active": True},
        {"id": "sun", "name": "孙八", "organisation": "xi", "active": False},
        {"id": "zhang", "name": "张三", "organisation": "guard", "active": True},
    ]
    return door


@pytest.mark.asyncio
async def test_a_company_is_shown_its_own_people(register):
    status, people = await register.get("/v1/people", "company")
    assert (status, [p["id"] for p in people]) == (200, ["li"])
    _, everybody = await register.get("/v1/people")
    assert [p["id"] for p in everybody] == ["li", "zhang"]
    _, gone = await register.get("/v1/people?left=true", "company")
    assert [p["id"] for p in gone] == ["li", "sun"]


@pytest.mark.asyncio
async def test_a_companys_alert_bears_its_name_and_it_signs_for_nobody_else(register, alert):
    status, receipt, _ = await register.post("/v1/alerts", alert, "company")
    assert (status, receipt["reason"]) == (422, "sender: must be xi with this token")
    status, _, _ = await register.post("/v1/alerts", alert | {"sender": "xi"}, "company")
    assert status == 202
    status, _, _ = await register.post("/v1/alerts", alert)
    assert status == 202
    assert [e.alert.organisation for e in register.engine.alerts()] == ["xi", None]


@pytest.mark.asyncio
async def test_a_company_cannot_call_off_what_another_raised(register, alert):
    await register.post("/v1/alerts", alert)
    body = {"kind": "cancel", "id": "JQ-1", "sender": "zhzx", "sent": alert["sent"]}
    status, _, _ = await register.post("/v1/alerts/JQ-1/cancel", body, "company")
    assert status == 422
    away = body | {"sender": "xi", "references": ["zhzx,JQ-1"]}
    status, _, _ = await register.post("/v1/alerts/JQ-1/cancel", away, "company")
    assert status == 422
    assert len(register.engine.alerts()) == 1


@pytest.mark.asyncio
async def test_a_company_acts_on_its_people_only_and_on_nothing_else(register):
    pause = {"act": "pause", "person": "li", "hours": 2}
    status, _, _ = await register.post("/v1/acts", pause, "company")
    assert status == 200
    (event,) = [e for e in register.engine.rows if isinstance(e, DutyChanged)]
    assert (event.within, event.by) == ("xi", "company")
    lost = {"act": "radio_lost", "radio": "dtmf:10031"}
    assert (await register.post("/v1/acts", lost, "company"))[0] == 403
    assert (await register.post("/v1/acts", lost))[0] == 200


@pytest.mark.asyncio
async def test_what_is_not_narrowed_to_its_people_is_closed_to_a_company(register):
    assert (await register.get("/v1/recordings", "company"))[0] == 403
    assert (await register.get("/v1/recordings"))[0] == 200


@pytest.mark.asyncio
async def test_a_company_closes_no_order(register, alert):
    await register.post("/v1/alerts", alert)
    status, _, _ = await register.post(
        "/v1/orders/o11/close", {"by": "x", "result": "y"}, "company"
    )
    assert status == 403
    assert register.engine.acts() == []


@pytest.mark.asyncio
async def test_reports_are_read_with_what_became_of_them_by_a_body_its_own_only(door):
    report = {"id": "R1", "state": "open", "person": "sun", "text": "有人打架"}
    door.engine.register = [{"id": "sun", "organisation": "xi"}]
    door.engine.reported = [report, report | {"id": "R2", "person": "zhang"}]
    status, whole = await door.get("/v1/reports")
    assert (status, [r["id"] for r in whole]) == (200, ["R1", "R2"])
    status, own = await door.get("/v1/reports", "company")
    assert (status, [r["id"] for r in own]) == (200, ["R1"])
    assert (await door.get("/v1/reports", "writer"))[0] == 403


@pytest.mark.asyncio
async def test_duty_is_told_to_the_centre_for_as_many_days_as_it_asks(door):
    status, found = await door.get("/v1/duty?days=3&person=zhang")
    assert (status, found["days"], found["shifts"][0]["people"]) == (200, 3, ["zhang"])
    assert (await door.get("/v1/duty?days=0"))[0] == 422
    assert (await door.get("/v1/duty", "company"))[0] == 403


def test_whom_an_alert_comes_from_or_is_meant_for_is_not_shown_where_he_is_anothers():
    alert = {"organisation": "xi", "reporter": "zhao", "to": "person/zhao", "text": "x"}
    shown = own_order(ORDER | {"alert": alert}, frozenset({"zhang"}), "xi")
    assert (shown["alert"]["reporter"], shown["alert"]["to"]) == (None, None)
    own = alert | {"reporter": "zhang", "to": "team/zhang"}
    shown = own_order(ORDER | {"alert": own}, frozenset({"zhang"}), "xi")
    assert (shown["alert"]["reporter"], shown["alert"]["to"]) == ("zhang", "team/zhang")


@pytest.mark.asyncio
async def test_nobody_acts_under_the_name_of_another_token(door, alert):
    """What the settings give to a token by name is done with that token."""
    body = {"act": "radio_lost", "radio": "dtmf:10031", "by": "clerk"}
    status, refused, _ = await door.post("/v1/acts", body)
    assert (status, refused["reason"].split(":")[0]) == (422, "by")
    status, _, _ = await door.post("/v1/acts", body, "clerk")
    assert status == 200
    await door.post("/v1/alerts", alert)
    closing = {"by": "clerk", "result": "完"}
    status, refused, _ = await door.post("/v1/orders/o11/close", closing)
    assert (status, refused["reason"].split(":")[0]) == (422, "by")


@pytest.mark.asyncio
async def test_a_token_that_acts_without_end_is_held_off_and_fills_no_journal(tmp_path, alert):
    body = {"act": "radio_lost", "radio": "dtmf:10031"}
    async with open_door(tmp_path, alerts_per_s=1) as door:
        for _ in range(100):
            assert (await door.post("/v1/acts", body))[0] == 200
        rows = len(door.engine.rows)
        answers = [await door.post("/v1/acts", body) for _ in range(8)]
        held = [a for a in answers if a[0] == 429]
        assert len(held) >= 2, "not all eight have been gained in the meantime"
        assert int(held[0][2]["retry-after"]) >= 1
        done = len(answers) - len(held)
        assert len(door.engine.rows) - rows <= done + 1, "one row for all that were held off"
        closing = {"by": "李", "result": "完"}
        assert (await door.post("/v1/orders/o11/close", closing))[0] in (404, 429)
        assert (await door.post("/v1/alerts", alert))[0] == 202, "alerts are counted apart"
