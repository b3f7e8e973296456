"""Drills, roll-calls, cover, self-tests, bulletins, power: ready before the alert comes."""

from tests.stories.world import instead, story, without

EVERY_HALF_HOUR = {"readiness": {"roll_calls": [{"every_min": 30}]}}

TEST_AT_HALF_PAST = {
    "readiness": {"self_test": {"at": "12:30", "chats": ["work/east"], "people": ["zhang"]}}
}
BRIDGED = {"talk_groups": {"t": {"members": ["channel:west", "chat:work/west"]}}}


# ---- drills -----------------------------------------------------------------------------


@story("E7", off=instead("gateway.core.wording.Wording._framed", lambda _, __, said: tuple(said)))
async def test_a_drill_is_spoken_first_and_last_as_one(w):
    """The page, its repetition and the stand-down begin and end with 演练."""
    await w.act("drill", grid="east", text="演练内容")
    await w.sleep(100)
    await w.stand_down("o1", result="演练结束")
    await w.sleep(30)
    said = ["".join(page.text) for page in w.pages("east")]
    assert len(said) >= 3
    assert all(text.startswith("演练") and text.endswith("演练") for text in said), said


@story("E7", off=without("gateway.core.wording.Wording.line", gives="x"))
async def test_every_line_written_of_a_drill_says_so(w):
    """The cards, the toast that answers a button, and the lines below the cards."""
    await w.act("drill", grid="east", text="演练内容")
    await w.until(lambda: w.chat.card("zhang"))
    card = w.chat.card("zhang").text
    assert card.startswith("【演练】")
    assert card.endswith("【演练】本单为演练")
    toast = await w.press("zhang", "收到")
    assert toast.startswith("【演练】演01号")
    assert toast.endswith("【演练】")
    await w.stand_down("o1", result="结束")
    await w.sleep(5)
    lines = [line for line in w.chat.lines("zhang") if "演01" in line]
    assert lines
    assert all(line.startswith("【演练】") and line.endswith("【演练】") for line in lines)


@story("E7", off=without("gateway.core.wording.Wording.line", gives="x"))
async def test_a_photo_of_a_drill_comes_and_goes_as_one(w):
    """Shown, thanked for and taken back, each line of it says 演练 first and last."""
    (w.folder / "media").mkdir()
    (w.folder / "media" / f"{'0' * 32}.jpg").write_bytes(b"\xff\xd8\xff a face")
    await w.act("drill", grid="east", text="寻人演练")
    await w.act("photo", order="o1", to=["grid/east"], media="0" * 32, caption="红衣老人")
    await w.sleep(10)
    (photo,) = [m for m in w.chat.all("east") if m.photo]
    thanks = await w.write("li", "见过", group="east", reply_to=photo)
    w.driver.undeletable.add(photo.id)
    await w.act("photo_recall", order="o1")
    await w.sleep(10)
    assert "已撤回" in photo.text
    for text in (*photo.edits, thanks):
        assert text.startswith("【演练】"), text
        assert "【演练】" in text[4:], text
        assert "演01号" in text or "01号协查" not in text


@story("E7", "C26", off=instead("gateway.core.intake.numbers.take_number", lambda *_, **__: "10"))
async def test_a_drill_has_a_number_of_its_own_that_can_be_keyed(w):
    """01 is never a live order's; with the zero forgotten it is nobody's."""
    receipt = await w.act("drill", grid="east", text="演练内容")
    assert (receipt.number, "exercise" in receipt.flags) == ("01", True)
    await w.until(lambda: w.pages("east") and w.pages("east")[0].ended_us)
    assert "演练零一号" in "".join(w.pages("east")[0].text)
    assert await w.key("east", "*1 101 1#") is False
    assert await w.key("east", "*01 101 1#") is True
    assert w.centre.found("acknowledged", person="zhang", number="01")


@story("E7", off=without("gateway.core.readiness.drills.settle"))
async def test_a_live_order_ends_the_drill_in_its_grid(w):
    """The drill is off at once and said to be, behind the live order's own page."""
    await w.act("drill", grid="east", text="演练内容")
    await w.until(lambda: w.pages("east") and w.pages("east")[0].ended_us)
    await w.sleep(20)
    live = await w.alert(grid="east", text="真有人打架")
    await w.sleep(60)
    said = ["".join(page.text) for page in w.pages("east")]
    real = next(n for n, text in enumerate(said) if "真有人打架" in text)
    off = next((n for n, text in enumerate(said) if "演练中止" in text), 0)
    assert real < off
    assert live.number == "10"
    assert w.centre.found("drill_aborted", number="01")
    assert not any("演练内容" in text for text in said[real:])


@story("E7", off=without("gateway.core.readiness.drills.barred"))
async def test_a_drill_cannot_begin_beside_a_live_order(w):
    """Asked for, it is refused; planned, it is given up and told."""
    await w.act("drill", grid="east", text="计划", at="2026-11-22T12:10:00+08:00")
    await w.alert(grid="east")
    await w.press("zhang", "收到")
    refused = await w.act("drill", grid="east", text="演练内容")
    assert refused.status == "refused"
    assert "真实警情" in refused.reason
    await w.sleep(700)
    assert not any("演练" in "".join(page.text) for page in w.pages("east"))
    assert w.centre.found("drill", detail="演练取消：东街网格有真实警情或已不存在")


@story("E7", off=without("gateway.core.intake.messages._refuse_exercise"))
async def test_an_update_cannot_make_a_drill_real(w):
    """The centre's exercise stays one, whatever is sent after it."""
    await w.alert(grid="east", exercise=True)
    assert (await w.update(text="这是真的", exercise=False)).status == "refused"
    await w.sleep(100)
    assert not any("这是真的" in "".join(page.text) for page in w.pages())


@story("C26", off=without("gateway.core.readiness.drills._announce"))
async def test_a_planned_drill_is_announced_and_a_surprise_is_not(w):
    """Managers read of the one; of the other only its starter knows until it begins."""
    await w.act("drill", grid="west", text="突击", at="2026-11-22T12:05:00+08:00", surprise=True)
    await w.sleep(30)
    assert "演练" not in w.chat.text("head")
    assert not w.centre.found("drill")
    await w.until(lambda: w.chat.card("sun"))
    assert 299 < w.t(w.pages("west")[0]) < 330
    await w.act("drill", grid="east", text="计划", at="2026-11-22T13:00:00+08:00")
    await w.sleep(5)
    assert "计划演练：东街网格，11-22 13:00" in w.chat.text("head")


@story("C26", "E7", settings={"policy": {"categories": {"fight": "打架"}, "forbidden": ["持枪"]}},
       off=without("gateway.core.policy.policy._is_drill", gives=False))  # fmt: skip
async def test_a_drill_is_for_guards_whatever_else_is_not(w):
    """The list of categories that go to guards has none for drills, and needs none."""
    begun = await w.act("drill", grid="east", text="演练内容")
    assert "held" not in begun.flags
    await w.until(lambda: w.pages("east"))
    assert w.chat.card("zhang") is not None
    worded = await w.act("drill", grid="west", text="有人持枪")
    assert "held" in worded.flags, "its words are read like any other's"


EVERY_SUNDAY = {
    "readiness": {"drills": [{"grid": "west", "day": "sun", "at": "13:00", "text": "每周一练"}]}
}


@story("C26", settings=EVERY_SUNDAY, off=without("gateway.core.readiness.drills._plan_notice"))
async def test_a_drill_of_every_week_is_announced_a_day_before(w):
    """An hour away when the daemon starts: told at once; the next one on the day before it."""
    await w.sleep(60)
    assert w.chat.lines("head") == ["【演练】计划演练：西街网格，11-22 13:00【演练】"]
    await w.until(lambda: w.chat.card("sun"), limit_s=3700)
    assert any("勤务计划" in e.detail for e in w.centre.found("drill"))
    await w.stand_down("o1", result="演练结束")
    await w.sleep(6 * 86400)
    planned = [e for e in w.centre.found("drill") if "11-29 13:00" in e.detail]
    assert [round(w.t(e) / 3600) for e in planned] == [6 * 24 + 1]


@story("C26", off=without("gateway.core.readiness.drills._tell_managers"))
async def test_who_was_told_of_a_drill_is_told_that_it_will_not_be(w):
    """Given up by its starter, or beside a live order: nobody waits for it."""
    east = await w.act("drill", grid="east", text="计划", at="2026-11-22T12:10:00+08:00")
    await w.act("drill", grid="west", text="计划", at="2026-11-22T12:20:00+08:00")
    assert (await w.act("drill_off", drill=east.id)).status == "accepted"
    await w.alert(grid="west")
    await w.sleep(1300)
    off = [line for line in w.chat.lines("head") if "演练取消" in line]
    assert [line[4:] for line in off] == [
        "演练取消：东街网格，11-22 12:10【演练】", "演练取消：西街网格，11-22 12:20【演练】",
    ]  # fmt: skip


# ---- roll-calls -------------------------------------------------------------------------


@story("A2", "A24", off=without("gateway.core.readiness.roll_call.heard"))
async def test_the_roll_is_called_and_answered_by_radio_and_chat(w):
    """One presses 报到, one keys his number, one only keys up; one is missing and listed."""
    await w.act("roll_call", grids=["east"], by="督察")
    await w.until(lambda: w.pages("east") and w.pages("east")[0].ended_us)
    assert "点名" in "".join(w.pages("east")[0].text)
    assert "已报到" in await w.press("zhang", "报到", card=w.chat.card("east"))
    assert await w.key("east", "*103 1#") is True
    present = {e.person: e.medium for e in w.centre.found("roll_present")}
    assert present == {"zhang": "chat", "wang": "radio"}
    await w.sleep(150)
    assert [e.person for e in w.centre.found("roll_missing")] == ["li"]
    assert "李四" in w.chat.text("head")
    assert "实到2" in w.chat.text("east")


@story("A24", off=without("gateway.core.readiness.roll_call.wrote", gives=False))
async def test_the_roll_is_answered_in_words_too(w):
    """Who writes 报到 or 收到 in the group is there; who is on an order answers that as well."""
    await w.act("roll_call", grids=["east"])
    await w.sleep(5)
    assert await w.write("li", "收到！", group="east") == "已报到"
    assert await w.write("zhang", "報到") == "已报到"
    await w.alert(grid="east")
    await w.sleep(5)
    await w.write("li", "收到", group="east")
    assert w.centre.found("acknowledged", person="li")
    await w.sleep(300)
    present = {e.person: e.medium for e in w.centre.found("roll_present")}
    assert present == {"li": "chat", "zhang": "chat"}
    assert "李四" not in w.chat.text("head")


@story("A2", off=without("gateway.core.readiness.roll_call._missed", gives=0))
async def test_who_misses_two_in_a_row_is_told_higher_up(w):
    """Once the station head hears of it; twice the bureau leader does too."""
    for _ in range(2):
        await w.act("roll_call", grids=["west"])
        await w.sleep(10)
        await w.press("smith", "报到", card=w.chat.card("west"))
        before = w.chat.text("chief")
        await w.sleep(200)
    assert before == ""
    assert "孙八（连续两次）" in w.chat.text("chief")


@story("A2", off=without("gateway.core.readiness.roll_call.call_roll"), settings=EVERY_HALF_HOUR)
async def test_the_roll_is_called_every_half_hour(w):
    """At the half hours by the local clock, without anybody's doing."""
    await w.sleep(3700)
    called = [w.t(page) for page in w.pages("west")]
    assert [round(at / 1800) for at in called] == [1, 2]


@story("A24", off=without("gateway.core.readiness.notices.busy", gives=False))
async def test_a_roll_call_leaves_alone_who_is_on_an_order(w):
    """The live order goes on; whoever is on it is not asked."""
    await w.alert(grid="west")
    await w.sleep(20)
    assert (await w.act("roll_call", grids=["west"])).status == "refused"
    assert not any("点名" in "".join(page.text) for page in w.pages("west"))


ALL_RADIO = {
    "people": {"zhang": {"guard_code": None, "radio_id": None, "contacts": None},
               "li": {"guard_code": None, "radio_id": None, "contacts": None}},
    "response": {"answer_slots": True},
}  # fmt: skip


@story("A24", off=without("gateway.core.readiness.roll_call._slot"), settings=ALL_RADIO)
async def test_radios_that_cannot_say_who_they_are_answer_in_turn(w):
    """Each keys up in his turn; a key-up in nobody's turn is nobody's."""
    await w.act("roll_call", grids=["east"])
    await w.until(lambda: w.pages("east") and w.pages("east")[0].ended_us)
    page = w.pages("east")[0]
    assert "第一" in "".join(page.text)
    await w.sleep(1.5)
    await w.speak("east", 1)
    assert [e.person for e in w.centre.found("roll_present")] == ["li"]


# ---- cover ------------------------------------------------------------------------------


@story("A2", "C15", off=without("gateway.core.readiness.cover._holes", gives=()))
async def test_a_grid_with_nobody_on_duty_is_told_and_told_to_be_over(w):
    """Before any alert: the centre and the manager know it within two minutes."""
    await w.sleep(90)
    assert not w.centre.found("cover", grid="middle")
    until = "2026-11-22T16:00:00+08:00"
    begin = "2026-11-22T12:00:00+08:00"
    await w.act("roster_exception", person="chen", duty="off", **{"from": begin}, to=until)
    await w.sleep(90)
    assert w.centre.found("cover", grid="middle", detail="中街网格现在没有人在岗")
    assert "中街网格现在没有人在岗" in w.chat.text("head")
    await w.sleep(4 * 3600)
    assert len(w.centre.found("cover", grid="middle")) > 2
    assert w.centre.found("cover_ok", grid="middle")


@story("C15", off={"readiness": {"cover": {"ahead_h": 0}}})
async def test_a_hole_in_the_roster_is_told_a_day_ahead(w):
    """Nobody stands in the west tonight if 孙八 is off: known at noon, with the hour."""
    begin, end = "2026-11-22T20:00:00+08:00", "2026-11-23T08:00:00+08:00"
    await w.act("roster_exception", person="sun", duty="off", **{"from": begin}, to=end)
    await w.sleep(90)
    assert w.centre.found("cover", grid="west", detail="西街网格自11-22 20:00起没有人在岗")


@story(
    "C15", off=without("gateway.core.readiness.cover.channel_heard"),
    settings={"readiness": {"cover": {"unheard_h": 2}}},
)  # fmt: skip
async def test_a_channel_nobody_is_heard_on_is_told(w):
    """Silence for two hours is a fault, or everybody has gone home."""
    await w.sleep(3000)
    await w.speak("east", radio="dtmf:10101")
    await w.sleep(2 * 3600 - 2000)
    assert [e.detail for e in w.centre.found("cover")] == ["二信道已2小时没有听到任何人说话"]


# ---- the whole chain ----------------------------------------------------------------------


@story("C26", off=without("gateway.core.readiness.self_test.begin"), settings=TEST_AT_HALF_PAST)
async def test_the_chain_tests_itself_every_day(w):
    """A short page on each channel, a card in the group, a press: all told with their times."""
    await w.until(lambda: w.chat.card("east"), limit_s=2000)
    await w.press("zhang", "确认", card=w.chat.card("east"))
    await w.sleep(400)
    results = [e.detail for e in w.centre.found("self_test", person=None)]
    assert len(results) == 1
    assert results[0].startswith("自检正常")
    for way in ("channel:east", "channel:west", "chat:work"):
        assert f"{way} " in results[0]
    assert [page.channel for page in w.pages()] == ["east", "west"]


@story("C26", off=without("gateway.core.readiness.self_test.self_test_due"))
async def test_a_way_that_fails_its_test_is_told(w):
    """The west's cable is out: the test says which way, and it is a warning."""
    w.fail("channel:west")
    await w.sleep(5)
    await w.act("self_test")
    await w.sleep(400)
    results = [e.detail for e in w.centre.found("self_test")]
    assert len(results) == 1
    assert results[0].startswith("自检异常：channel:west未通")
    assert any("自检异常" in (e.detail or "") for e in w.centre.found("warning"))


# ---- power --------------------------------------------------------------------------------


@story("D10", off=without("gateway.core.readiness.power._part", gives=()), settings=BRIDGED)
async def test_on_a_low_battery_talk_stops_and_orders_go_on(w):
    """The supply's script tells it; the centre knows; an order is spoken as ever."""
    await w.act("power", state="on_battery", by="UPS")
    await w.act("power", state="low", by="UPS")
    await w.write("sun", "西边看见了，跟着", group="west")
    await w.sleep(20)
    assert not [s for s in w.air if s.kind == "talk"]
    await w.alert(grid="west")
    await w.until(lambda: w.pages("west") and w.pages("west")[0].ended_us)
    assert "电池电量低" in w.centre.found("power")[1].detail
    await w.act("power", state="mains", by="UPS")
    await w.write("sun", "电来了", group="west")
    await w.sleep(20)
    assert [s.channel for s in w.air if s.kind == "talk"] == ["west"]
