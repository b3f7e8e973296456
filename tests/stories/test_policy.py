"""Which alerts go to guards, in which words, and what is said of them where."""

from tests.stories.world import instead, story, without

SIMPLE = {
    "policy": {
        "categories": {"fight": {"name": "打架", "most_urgent": 2}, "helping": "求助"},
        "forbidden": ["持枪"],
        "held_again_s": 60,
    }
}
NOT_HELD = without("gateway.core.intake.opening.held_back", gives=False)


@story("E13", settings=SIMPLE, off=NOT_HELD)
async def test_an_alert_that_is_none_for_guards_waits_for_a_named_person(w):
    """A man with a gun: the police have it at once, no guard is sent until somebody says so."""
    receipt = await w.alert(grid="east", text="东街有人持 槍", level=2)
    assert (receipt.status, "held" in receipt.flags) == ("accepted", True)
    assert "持枪" in (receipt.reason or "")
    await w.sleep(200)
    assert w.pages() == []
    assert w.chat.card("zhang") is None
    assert w.chat.card("station") is not None
    assert any("待放行" in line for line in w.chat.lines("head"))
    assert len(w.centre.found("held")) == 4, "told again each minute"
    answer = await w.act("release", by="李警官", order=receipt.number, reason="枪是玩具")
    assert answer.status == "accepted"
    await w.until(lambda: w.pages("east"))
    assert w.chat.card("zhang") is not None
    (let_go,) = w.centre.found("cleared")
    assert ("李警官" in let_go.detail, "玩具" in let_go.detail) == (True, True)


@story("E13", settings=SIMPLE, off=NOT_HELD)
async def test_what_is_held_can_be_dropped_and_nobody_was_sent(w):
    """Not for guards at all: the reason stands in the journal, and the station knows."""
    receipt = await w.alert(grid="east", level=1)
    assert "1级" in (receipt.reason or "")
    answer = await w.act("drop", by="李警官", order=receipt.order, reason="民警已到")
    assert answer.status == "accepted"
    await w.sleep(120)
    assert w.pages() == []
    assert w.chat.card("zhang") is None
    assert len(w.centre.found("dropped")) == 1
    again = await w.act("release", by="李警官", order=receipt.order, reason="误操作")
    assert again.status == "refused"


@story("E13", settings=SIMPLE, off=without("gateway.core.intake.amending.amendment_held", gives=False))
async def test_an_amendment_that_is_none_for_guards_waits_beside_its_order(w):
    """They are on their way already: what they may not hear is decided by a person."""
    await w.alert(grid="east", level=2)
    await w.until(lambda: w.pages("east"))
    receipt = await w.update(text="有人持枪", level=2)
    assert "update_held" in receipt.flags
    await w.sleep(20)
    assert "持枪" not in w.chat.text("zhang")
    await w.act("release", by="李警官", order=receipt.order, reason="必须知道")
    await w.sleep(20)
    assert "持枪" in w.chat.text("zhang")


@story("E13", settings=SIMPLE, off=without("gateway.core.policy.held_news.tell_police_anew"))
async def test_what_has_become_none_for_guards_the_police_read_at_once(w):
    """A gun is seen while they are on their way: station and managers know, with the place."""
    await w.alert(grid="east", level=2)
    await w.sleep(5)
    receipt = await w.update(text="有人持枪", level=2, place="东街九号")
    assert "update_held" in receipt.flags
    await w.sleep(5)
    told = [line for line in w.chat.lines("station") if "持枪" in line]
    assert len(told) == 1
    assert "10号" in told[0]
    assert "东街九号" in told[0]
    assert "保安还没有收到" in told[0]
    assert any("东街九号" in line and "待放行" in line for line in w.chat.lines("head"))
    for guard in ("zhang", "li", "east"):
        assert "持枪" not in w.chat.text(guard)


@story(
    "E13", settings=SIMPLE,
    off=instead("gateway.core.policy.held_news.placed_anew", lambda _, order: order),
)  # fmt: skip
async def test_a_held_alert_is_let_go_where_it_is_by_then(w):
    """They have run into the next street before anybody has decided: that one is called."""
    receipt = await w.alert(grid="east", text="有人持枪", level=2)
    await w.update(grid="middle", text="有人持枪，往中街跑", level=2)
    await w.sleep(5)
    assert any("往中街跑" in line for line in w.chat.lines("station"))
    await w.act("release", by="李警官", order=receipt.order, reason="必须有人封路")
    await w.sleep(5)
    assert w.chat.card("chen") is not None
    assert w.chat.card("zhang") is None


@story("E13", settings=SIMPLE, off=instead("gateway.core.policy.held_news.DROPPED", "nothing"))
async def test_what_goes_to_no_guard_is_not_over_for_the_police(w):
    """A robbery is none for guards: nobody tells the station to go home."""
    receipt = await w.alert(grid="east", level=1)
    assert "还没有派保安" in w.chat.card("station").text
    await w.act("drop", by="李警官", order=receipt.order, reason="一级警情由民警处置")
    await w.sleep(300)
    written = w.chat.text("station")
    assert "不派保安：一级警情由民警处置" in written
    for word in ("撤回", "解除", "取消"):
        assert word not in written
    assert w.centre.found("stand_down_missing") == []


@story("E13", off={"policy": {"two_person_min": 0}})
async def test_an_alert_to_all_grids_wants_a_second_person(w):
    """One slip of a finger does not send a whole county running."""
    receipt = await w.alert(to="all", text="全县查找走失儿童")
    assert "held" in receipt.flags
    assert w.pages() == []
    own = await w.act("release", by=w.body()["sender"], order=receipt.order, reason="确认")
    assert own.status == "refused"
    second = await w.act("release", by="李警官", order=receipt.order, reason="已核实")
    assert second.status == "accepted"
    await w.until(lambda: w.pages("east") and w.pages("west"))
    assert w.chat.card("sun") is not None


@story("E13", off=without("gateway.core.dispatch.held_due"))
async def test_without_a_second_person_in_time_nothing_is_sent(w):
    """Five minutes later nobody has confirmed it: it cannot be sent by a late tap either."""
    receipt = await w.alert(to="all", text="全县查找走失儿童")
    await w.sleep(301)
    late = await w.act("release", by="李警官", order=receipt.order, reason="已核实")
    assert late.status == "refused"
    await w.sleep(60)
    assert w.pages() == []


@story(
    "E13",
    settings={"policy": {**SIMPLE["policy"], "rights": {"release": ["李警官"]}}},
    off={"policy": {"rights": {"release": ["李警官", "小王"]}}},
)
async def test_who_may_release_can_let_another_do_so_for_a_time(w):
    """He goes to lunch: his deputy decides until two, and not a minute longer."""
    receipt = await w.alert(grid="east", level=1)
    asked = {"by": "小王", "order": receipt.order, "reason": "可以"}
    assert (await w.act("release", **asked)).status == "refused"
    until = "2026-11-22T12:10:00+08:00"
    given = await w.act("delegate", by="李警官", right="release", to="小王", until=until)
    assert given.status == "accepted"
    assert (await w.act("release", **asked)).status == "accepted"
    second = await w.alert(id="JQ-2", grid="west", level=1)
    await w.sleep(660)
    late = {**asked, "order": second.order}
    assert (await w.act("release", **late)).status == "refused"


SECRET = "报警人李小明，电话138-0013 8000，证号１１０１０５１９４９１２３１００２Ｘ，车牌闽A·12345，有人打架"


def spoken(w):
    """Everything that went on the air, as one text."""
    return "".join(t.text for t in w.air)


@story("A27", off={"policy": {"keep_off_radio": []}})
async def test_names_plates_and_numbers_are_never_spoken(w):
    """Everybody with a set hears the channel; the guards read the number in their chat."""
    await w.alert(grid="east", text=SECRET)
    await w.until(lambda: len(w.pages("east")) > 1)
    await w.update(text="再核实：" + SECRET)
    await w.sleep(40)
    said = spoken(w)
    assert "打架" in said
    for secret in ("李小明", "138", "8000", "一三八", "12345", "002X", "００２"):
        assert secret not in said
    assert "详情看群" in said
    assert "138-0013 8000" in w.chat.text("zhang")
    assert "００２Ｘ" not in w.chat.text("zhang"), "an identity number is in no chat"


@story("A27", off=without("gateway.core.wording.Wording._kept", gives="阿强打了阿明"))
async def test_words_that_the_centre_calls_private_are_never_spoken(w):
    """A nickname looks like any word: the centre says that it is a name."""
    await w.alert(grid="east", text="阿强打了阿明", private=["阿强", "阿明"])
    await w.until(lambda: w.pages("east"))
    await w.sleep(30)
    assert "阿强" not in spoken(w)
    assert "阿明" not in spoken(w)


@story("A27", off=without("gateway.core.intake.messages._all_private", gives=()))
async def test_a_name_stays_private_whatever_is_sent_after_it(w):
    """The update does not say again that it is a name: it is still not spoken."""
    await w.alert(grid="east", text="阿强打了阿明", private=["阿强"])
    await w.update(text="阿强跑了", private=None)
    await w.until(lambda: "跑了" in spoken(w))
    await w.sleep(30)
    assert "阿强" not in spoken(w)


QUIET = {"name": "涉密", "radio": "code", "code": "七号情况", "chat": "none"}


@story(
    "A27",
    settings={"policy": {"categories": {"fight": QUIET}}},
    off={"policy": {"categories": {"fight": {**QUIET, "radio": "full", "chat": "full"}}}},
)
async def test_what_may_be_neither_said_nor_written_only_the_police_read(w):
    """A code on the air, nothing in the group; the station has the whole."""
    await w.alert(grid="east", text="仓库发现可疑包裹", place="二号仓库")
    await w.until(lambda: w.pages("east"))
    await w.sleep(30)
    assert "七号情况" in spoken(w)
    for who in ("zhang", "east"):
        assert "可疑包裹" not in w.chat.text(who)
        assert "二号仓库" not in w.chat.text(who)
    assert "可疑" not in spoken(w)
    assert "可疑包裹" in w.chat.text("station")


@story(
    "A27",
    settings={"talk_groups": {"east": {"members": ["channel:east", "chat:work/east"]}}},
    off={"policy": {"keep_off_radio": []}},
)
async def test_a_number_typed_in_a_group_is_not_spoken_on_its_channel(w):
    """Talk is relayed word for word, but for what nobody may say on the air."""
    await w.write("zhang", "有情况请打13800138000找我", group="east")
    await w.until(lambda: any(t.kind == "talk" for t in w.air), limit_s=60)
    await w.sleep(20)
    assert "请打" in spoken(w)
    assert "138" not in spoken(w)


@story("A27", off=without("gateway.core.policy.policy.Policy.beyond_powers", gives=()))
async def test_words_beyond_guards_powers_are_shown_to_the_centre(w):
    """It is told, for it may only tell what happened; whoever wrote it is warned."""
    receipt = await w.alert(grid="east", text="立即抓捕该男子")
    assert "beyond_powers" in receipt.flags
    assert "抓捕" in (receipt.reason or "")


@story(
    "A27",
    settings={"policy": {"beyond": "replace"}},
    off={"policy": {"beyond": "mark"}},
)
async def test_words_beyond_guards_powers_are_replaced(w):
    """Guards are told what they may do: leave that to the police."""
    await w.alert(grid="east", text="请立即抓捕該男子")
    await w.until(lambda: w.pages("east"))
    await w.sleep(30)
    assert "抓捕" not in spoken(w) + w.chat.text("zhang")
    assert "由民警处置" in w.chat.text("zhang")


@story("A27", off=NOT_HELD)
async def test_an_instruction_to_use_equipment_reaches_no_guard(w):
    """No setting lets it through: a person decides, by name."""
    receipt = await w.alert(grid="east", text="请使用警棍驱散")
    assert "held" in receipt.flags
    await w.sleep(120)
    assert w.pages() == []
    assert w.chat.card("zhang") is None


CAUTION = "退后，报警人李小明，电话138-0013 8000，证号１１０１０５１９４９１２３１００２Ｘ"


@story("A27", "E14", off=without("gateway.core.wording.Wording.written", gives=CAUTION))
async def test_a_caution_keeps_to_what_may_be_written_and_said(w):
    """Typed in a hurry: no identity number in any chat, no name or telephone on the air."""
    await w.alert(grid="east")
    await w.until(lambda: w.pages("east"))
    assert (await w.act("caution", order="o1", text=CAUTION)).status == "accepted"
    await w.sleep(60)
    assert "退后" in spoken(w)
    for secret in ("李小明", "138"):
        assert secret not in spoken(w)
    for who in ("zhang", "east", "station"):
        assert "退后" in w.chat.text(who)
        assert "００２Ｘ" not in w.chat.text(who)


@story("A27", off=without("gateway.core.policy.policy.Policy.barred", gives=()))
async def test_a_caution_cannot_tell_guards_to_use_equipment(w):
    """What no alert may say without a release no warning says either; it is told why."""
    await w.alert(grid="east")
    await w.until(lambda: w.pages("east"))
    refused = await w.act("caution", order="o1", text="请用警棍驱散")
    assert (refused.status, "警棍" in (refused.reason or "")) == ("refused", True)
    await w.sleep(60)
    assert "警棍" not in spoken(w) + w.chat.text("zhang") + w.chat.text("east")
    assert (await w.act("caution", order="o1", text="对方持枪，退后")).status == "accepted"
    await w.sleep(60)
    assert "退后" in spoken(w)


@story("A27", off=without("gateway.core.wording.Wording.on_open_radio", gives="13800138000"))
async def test_a_bulletin_keeps_to_what_may_be_said_on_the_air(w):
    """The number of the duty room is read in the chat."""
    await w.act("bulletin", grids=["east"], text="有事请打13800138000", radio=True)
    await w.until(lambda: w.pages("east"))
    await w.sleep(20)
    assert "有事请打" in spoken(w)
    assert "138" not in spoken(w)
    assert "13800138000" in w.chat.text("east")


TASKS = {"policy": {"categories": {"fight": {"name": "打架", "tasks": ["维持秩序", "劝阻"]}}}}


@story("A10", settings=TASKS, off={"policy": {"categories": {"fight": {"tasks": []}}}})
async def test_what_guards_do_comes_from_a_closed_list(w):
    """Keep order, dissuade: spoken and written, in the words of the list."""
    await w.alert(grid="east")
    await w.until(lambda: w.pages("east"))
    await w.sleep(30)
    assert "维持秩序、劝阻" in w.pages("east")[0].text.replace("，", "、")
    assert "维持秩序" in w.chat.text("zhang")


@story("A10", off=NOT_HELD)
async def test_a_task_beyond_the_list_is_held(w):
    """Whoever writes another task than the list has must find a person who answers for it."""
    receipt = await w.alert(grid="east", tasks=["卧底"])
    assert "卧底" in (receipt.reason or "")
    await w.sleep(60)
    assert w.pages() == []


@story("E18", off=without("gateway.core.policy.policy.Policy.tasks", gives=()))
async def test_guarding_the_scene_and_helping_is_an_action_of_its_own(w):
    """A drunk man on the road: hold the traffic off and help him to the side."""
    await w.alert(grid="east", text="一名男子醉倒在路中间", tasks=["现场维护", "救助"])
    await w.until(lambda: w.pages("east"))
    await w.sleep(30)
    assert "现场维护" in spoken(w)
    assert "救助" in spoken(w)
    assert "现场维护" in w.chat.text("li")


@story("E14", off=without("gateway.core.intake.amending._tell_amendment"))
async def test_cautions_follow_inside_the_same_order(w):
    """Worse than it was said: the same number, the new words, the safety sentence on the air."""
    receipt = await w.alert(grid="east", level=2)
    await w.until(lambda: w.pages("east"))
    await w.press("zhang", "收到")
    again = await w.update(text="对方持刀，请保持距离", level=1)
    assert (again.order, again.number) == (receipt.order, receipt.number)
    await w.until(lambda: "保持距离" in w.pages("east")[-1].text, limit_s=60)
    await w.sleep(20)
    updates = [t.text for t in w.pages("east") if "更新" in t.text]
    assert updates
    assert all("等待民警" in text for text in updates), "the safety sentence of level 1"
    assert any("持刀" in line for line in w.chat.lines("zhang"))


@story("E14", off=without("gateway.core.wording.Wording.told_with_place", gives="有人"))
async def test_who_was_told_reads_that_it_is_worse_and_where(w):
    """The line that makes the telephone ring says it, not only the card above it."""
    await w.alert(grid="east", level=2, place="东街一号")
    await w.until(lambda: w.pages("east"))
    await w.update(text="对方持刀", level=1, place="东街九号")
    await w.sleep(20)
    for who in ("zhang", "east", "station"):
        assert "10号警情升为一级：东街九号，对方持刀" in w.chat.lines(who)


@story("A13", settings={"grids": {"east": {"muster": "派出所门口"}}},
       off=without("gateway.core.wording.Wording._muster", gives="派出所门口"))  # fmt: skip
async def test_guards_of_a_whole_zone_are_not_sent_to_one_grids_muster(w):
    """All grids search for a child, each at home; only those of the east gather at its point."""
    await w.alert(to="all", text="全县查找走失儿童")
    await w.act("release", by="李警官", order="o1", reason="已核实")
    await w.sleep(30)
    assert "派出所门口" not in w.chat.text("sun")
    assert "派出所门口" not in "".join(t.text for t in w.pages("west"))


KINDS = {
    "patrol": {"name": "巡逻防控"},
    "urgent": {
        "name": "应急处突",
        "tone": 1,
        "times": 2,
        "acknowledge_s": [10, 10, 10],
        "say": {"zh_CN": ["紧急，{number}号，{place}{text}", "请{tasks}，需要{needs}人"]},
    },
}
RIOT = {"name": "聚众", "kind": "urgent", "tasks": ["疏散", "报告"]}
URGENT = {"policy": {"kinds": KINDS, "categories": {"fight": RIOT, "theft": "盗窃"}}}


@story("A6", settings=URGENT, off={"policy": {"kinds": {"urgent": {"tone": None}}}})
async def test_each_kind_of_order_has_its_own_tone(w):
    """Heard before a word is understood: an emergency of level 3 sounds like level 1."""
    await w.alert(grid="east", level=3)
    await w.alert(id="JQ-9", grid="west", level=3, category="theft")
    await w.until(lambda: w.pages("east") and w.pages("west"))
    assert (w.pages("east")[0].tone, w.pages("west")[0].tone) == (1, 3)


@story("A6", settings=URGENT, off={"policy": {"categories": {"fight": {"kind": "patrol"}}}})
async def test_an_emergency_is_said_twice_in_its_own_words_and_climbs_sooner(w):
    """Its own template, tone, repetition and window; the order says which words it was."""
    await w.alert(grid="east", level=3, text="上百人聚集")
    await w.until(lambda: w.pages("east"))
    await w.until(lambda: w.centre.found("escalated"), limit_s=15)
    await w.sleep(20)
    first = w.pages("east")[0].text
    assert w.pages("east")[0].tone == 1, "the tone of its kind, not of its level"
    assert first.count("上百人聚集") == 2
    assert "请疏散" in first
