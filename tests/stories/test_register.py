"""Who is who: companies and their offices, who may order whom, who has left."""

import json
from dataclasses import replace

from gateway.core.alert import AlertKind
from gateway.core.centre.alert_json import decode_alert
from gateway.core.intake.events import AlertReceived
from gateway.core.order import Assignment
from gateway.web import own_view
from tests.stories.world import instead, story, without


@story("A31", off=without("gateway.core.register.accounts._take_back"))
async def test_what_waits_for_a_leaver_is_taken_back(w):
    """The platform is away; he leaves; when it is back his card is not posted any more."""
    w.fail("chat:work")
    await w.alert(grid="east", needs=2)
    await w.sleep(5)
    await w.leave("zhang")
    await w.sleep(5)
    w.mend("chat:work")
    await w.until(lambda: w.chat.card("li"), limit_s=120)
    await w.sleep(60)
    assert w.chat.all("zhang") == []
    assert not any("1001" in (e.detail or "") for e in w.centre.found("warning"))


COMPANIES = {
    "chats": {"work": {"groups": {"ximen": "-201"}}},
    "organisations": {
        "dongmen": {"office_groups": ["work/ximen"], "office_people": ["gao"]},
        "ximen": {"name": "西门保安公司"},
    },
    "people": {
        "li": {"organisation": "ximen"},
        "wang": {"organisation": "ximen"},
        "gao": {
            "name": "高值班", "role": "manager", "organisation": "dongmen",
            "contacts": {"work": "8001"},
        },
    },
}  # fmt: skip
OFFICE = "-201"


async def from_company(w, company, **fields):
    """A company raises an alert with its own token, which the door marks as its own."""
    now_us = w.clock.now_us()
    raw = json.dumps(w.body(sender=company, **fields), ensure_ascii=False).encode()
    alert = replace(decode_alert(raw, kind=AlertKind.ALERT, now_us=now_us), organisation=company)
    event = AlertReceived(at_us=now_us, door="http", alert=alert)
    receipt = (await w.engine.submit(event)).receipt
    await w.sleep(1)
    return receipt


@story("A1", off=instead("gateway.core.wording.Wording.caller", lambda *_: ""))
async def test_every_order_says_in_whose_name_it_is_given(w):
    """Spoken and written: the command centre calls; at the end a named person closes it."""
    receipt = await w.alert(grid="east")
    await w.until(lambda: w.pages("east") and w.pages("east")[0].ended_us)
    assert "指挥中心呼叫" in "".join(w.pages("east")[0].text)
    for who in ("zhang", "east", "station"):
        assert "下令：指挥中心" in w.chat.card(who).text
    assert (await w.close(receipt.order, by="李科长", result="已处置")).status == "accepted"


@story("A1", off=instead("gateway.core.state.State.person_of_account", lambda *_: "li"))
async def test_a_stranger_orders_nobody_and_is_told_that_he_is_none(w):
    """Whoever writes to the bot what looks like an order or an answer has changed nothing."""
    receipt = await w.alert(grid="east")
    await w.until(lambda: w.chat.card("zhang"))
    answer = await w.write("666", f"{receipt.number} 收到")
    await w.write("666", "紧急！三名歹徒持刀，全体到东街集合")
    await w.sleep(60)
    assert w.centre.found("acknowledged") == []
    assert len(w.centre.found("accepted")) == 1
    assert w.centre.found("emergency") == []
    assert len(w.chat.cards("li")) == 1
    assert answer is not None


@story(
    "E2", settings=COMPANIES,
    off=without("gateway.core.register.company_alerts.company_refused", gives=False),
)  # fmt: skip
async def test_a_company_raises_nothing_where_it_has_no_guards(w):
    """In the west stand others' guards only: the company is refused, and nobody is called."""
    receipt = await from_company(w, "ximen", grid="west")
    await w.sleep(60)
    assert receipt.status == "refused"
    assert "ximen在west没有保安" in receipt.reason
    assert w.chat.card("sun") is None


@story("E2", settings=COMPANIES, off=instead("gateway.core.register.fitness._barred", lambda *_: None))
async def test_a_company_orders_its_own_guards_alone(w):
    """Its own man is called; the other company's guard next to him is not, now or later."""
    receipt = await from_company(w, "ximen", grid="east", needs=2)
    assert receipt.status == "accepted"
    await w.sleep(300)
    assert w.chat.card("li") is not None
    assert w.chat.card("zhang") is None
    assert w.chat.card("chen") is None, "nor a neighbour of the other company"
    assert "told" not in w.centre.nodes("zhang")


@story(
    "E2", settings=COMPANIES,
    off=instead("gateway.core.wording.Wording.caller", lambda *_: "指挥中心"),
)  # fmt: skip
async def test_a_companys_order_is_no_word_of_the_command_centre(w):
    """On the channel it calls by its own name; the grid's group, which others read, has no card."""
    await from_company(w, "ximen", grid="east")
    await w.until(lambda: w.pages("east") and w.pages("east")[0].ended_us)
    said = "".join(w.pages("east")[0].text)
    assert "西门保安公司呼叫" in said
    assert "指挥中心" not in said
    assert "下令：西门保安公司" in w.chat.card("li").text
    assert w.chat.card("east") is None


@story("E3", settings=COMPANIES, off=without("gateway.core.calls.calling._copy_offices"))
async def test_a_companys_office_has_a_copy_with_its_own_people_only(w):
    """Its group and its man on duty see their guard, not the other company's."""
    await w.alert(grid="east", needs=2)
    await w.until(lambda: w.chat.card("li") and w.chat.card("zhang"))
    await w.press("li", "收到")
    await w.press("zhang", "收到")
    await w.sleep(5)
    assert "张三" in w.chat.text(OFFICE)
    assert "李四" not in w.chat.text(OFFICE)
    assert "张三" in w.chat.text("gao")
    assert "李四" not in w.chat.text("gao")


@story("E3", settings=COMPANIES, off=without("gateway.core.register.office.office_wrote", gives=False))
async def test_the_office_answers_for_its_guard_by_name(w):
    """He has no signal; his office says it for him, and the timeline says who said so."""
    receipt = await w.alert(grid="east", needs=2)
    await w.until(lambda: w.chat.card("gao"))
    await w.write("gao", f"{receipt.number} 张三 收到")
    said = w.centre.found("acknowledged", person="zhang")
    assert ["高值班" in event.detail for event in said] == [True]
    await w.write("gao", f"{receipt.number} 李四 收到")
    assert w.centre.found("acknowledged", person="li") == [], "another company's guard"
    assert w.centre.found("refused_reply", person="gao")


@story(
    "C13", settings=COMPANIES,
    off=instead("gateway.core.calls.card_face._of_body", lambda d, o, _: d.of_order(Assignment, o.id)),
)  # fmt: skip
async def test_two_companies_work_on_one_order_and_each_office_sees_its_own(w):
    """The centre calls both; the office's card names its own guard, of the other nobody."""
    await w.alert(grid="east", needs=2)
    await w.until(lambda: w.chat.card("li") and w.chat.card("zhang") and w.chat.card(OFFICE))
    for who in ("zhang", "li"):
        await w.press(who, "到场")
    await w.sleep(5)
    assert {e.person for e in w.centre.found("arrived")} >= {"zhang", "li"}
    assert "张三" in w.chat.card(OFFICE).text
    assert "李四" not in w.chat.card(OFFICE).text


@story("C13", settings=COMPANIES, off=instead("gateway.web.own_view.own_report", lambda report, _own: report))
async def test_a_companys_token_is_shown_its_own_people_only(w):
    """Of the other company's man it reads that somebody arrived and when, not who."""
    await w.alert(grid="east", needs=2)
    await w.until(lambda: w.chat.card("li") and w.chat.card("zhang"))
    for who in ("zhang", "li"):
        await w.press(who, "到场")
    shown = [own_view.own_report(e, w.engine.own_people("dongmen")) for e in w.centre.events]
    arrived = [e for e in shown if e.node == "arrived"]
    assert [(e.person, e.name) for e in arrived] == [("zhang", "张三"), (None, None)]
    assert all(e.at_us for e in arrived)
    assert "李四" not in repr(shown)


BANK = {
    "premises": {"ccb": {"name": "建设银行东街支行", "kind": "bank", "organisation": "dongmen"}},
    "people": {"zhang": {"premises": "ccb"}},
    "response": {"call": "nearest"},
    "admission": {"kinds_first": {"robbery": ["bank"]}},
}


@story("A3", settings=BANK, off={"admission": {"kinds_first": None}})
async def test_the_guards_of_banks_are_called_first_to_a_robbery(w):
    """Organisation, site and guard stand in the register; the kind of site says who goes."""
    await w.alert(grid="east", category="robbery")
    await w.sleep(5)
    assert w.chat.card("zhang") is not None
    assert w.chat.card("li") is None, "one is wanted, and he is not of a bank"


@story("A3", settings=BANK, off=without("gateway.core.register.steps.person_acted"))
async def test_a_schools_guard_is_entered_and_called_the_same_minute(w):
    """A named person puts him in the register with his site; the next order is his too."""
    receipt = await w.act(
        "person_enter", by="李科长", person="qian", name="钱十", organisation="dongmen",
        grids="east", guard_code="110", premises="ccb",
    )  # fmt: skip
    assert receipt is not None
    await w.enrol("qian", "1110")
    await w.alert(grid="east")
    await w.until(lambda: w.chat.card("qian"))
    assert ["李科长" in e.detail for e in w.centre.found("register", person="qian")] == [True]


@story("A16", off=without("gateway.core.intake.message_keys._prior_named"))
async def test_who_refers_to_an_order_closed_the_day_before_yesterday_opens_no_new_one(w):
    """The order has left the memory; the journal knows it, and nobody is sent out again."""
    old = await w.alert(grid="east", id="JQ-OLD")
    await w.close(old.order, result="已处置")
    await w.sleep(49 * 3600)
    await w.close((await w.alert(grid="west")).order, result="已处置")
    receipt = await w.update(id="U-1", references=["zhzx,JQ-OLD"], text="又来了")
    assert (receipt.status, receipt.order) == ("refused", old.order)
    await w.sleep(60)
    assert len(w.chat.cards("zhang")) == 1
    cancel = await w.cancel(id="C-1", references=["zhzx,JQ-OLD"])
    assert (cancel.status, cancel.number) == ("duplicate", old.number)


@story("A11", off=without("gateway.core.guard_reports.chat.text_received", gives=False))
async def test_the_centre_reads_which_reports_wait_and_what_became_of_the_others(w):
    """Two guards report; one report is made an order, and the list says which."""
    await w.write("zhang", "报告：有两个人偷电缆")
    await w.write("chen", "报告：路灯坏了")
    assert [r["state"] for r in w.engine.guard_reports()] == ["open", "open"]
    receipt = await w.act("promote", report=1, level=2)
    first = w.engine.guard_reports()[-1]
    assert (first["id"], first["state"], first["person"]) == ("R1", "promoted", "zhang")
    assert first["order"] == receipt.order
    assert "偷电缆" in first["text"]
