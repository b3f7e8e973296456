"""A guard reports first: by chat, by key, by code; and those who come are placed."""

from tests.stories.world import story, without

POINTS = [
    {"name": "南门路口", "at": [25.0, 118.005], "side": "南侧"},
    {"name": "北桥", "at": [25.01, 118.005]},
]
EAST_WITH_POINTS = {"grids": {"east": {"blocking_points": POINTS}}}


@story("A11", "E1", off=without("gateway.core.guard_reports.chat.text_received", gives=False))
async def test_words_of_a_guard_are_at_the_centre_and_he_hears_that_they_are(w):
    """He writes; the centre has it with his grid, he is answered, a named act makes an order."""
    answer = await w.write("zhang", "报告：有两个人偷我们项目部的电缆")
    assert answer is not None
    assert "指挥中心收到" in answer
    (told,) = w.centre.found("report")
    assert (told.person, told.grid, told.number) == ("zhang", "east", "R1")
    assert "偷我们项目部的电缆" in told.detail
    assert w.pages("east") == [], "a report sends nobody anywhere by itself"
    receipt = await w.act("promote", report="R1", level=2)
    assert receipt.status == "accepted"
    await w.until(lambda: w.pages("east"))
    assert "偷我们项目部的电缆" in w.chat.card("li").text
    assert w.chat.card("zhang") is None or "请您前往" not in w.chat.card("zhang").text
    assert w.centre.nodes("zhang")[-2:] != ["told", "told"]
    assert {"acknowledged", "arrived"} <= set(w.centre.nodes("zhang"))


@story("E1", off=without("gateway.core.guard_reports.chat.button_pressed", gives=False))
async def test_one_tap_reports_what_he_has_written(w):
    """Plain words are asked about by one button; the tap is the report."""
    await w.write("zhang", "南门那边有人打架，人很多")
    card = w.chat.card("zhang")
    assert card is not None
    await w.press("zhang", "上报")
    assert w.centre.nodes("zhang") == ["report"]


@story("A11", off=without("gateway.core.guard_reports.chat.media_received", gives=False))
async def test_a_photo_is_a_report_with_its_file(w):
    """A photo in his private chat is at the centre with its name, and he is answered."""
    await w.photo("zhang", b"jpeg", caption="门被撬了")
    told = w.centre.found("report")
    assert [len(event.media) for event in told] == [1]
    assert "门被撬了" in told[0].detail
    assert any("指挥中心收到" in line for line in w.chat.lines("zhang"))


@story("A11", "E6", off={"reports": {"codes": {}}})
async def test_the_emergency_code_calls_neighbours_and_station(w):
    """One code on the air: the good tone, a level-1 order, the neighbour and the police."""
    assert await w.key("east", "*9#", ani="10101") is True
    await w.until(lambda: w.pages("east"), limit_s=30)
    (told,) = w.centre.found("emergency")
    assert told.person == "zhang"
    assert w.pages("east")[0].level == 1
    assert w.chat.card("chen") is not None, "the neighbour"
    assert w.chat.card("station") is not None
    assert w.chat.card("zhang") is None, "he is there already"
    for _ in range(3):
        await w.key("east", "*9#", ani="10101")
        await w.sleep(5)
    assert len(w.centre.found("accepted")) == 1, "one press, one order"


@story("E6", off=without("gateway.core.guard_reports.danger.raise_to_one"))
async def test_who_calls_for_help_on_his_order_makes_it_one_of_level_1(w):
    """His order was of level 2: what is spoken after his SOS has the tone of level 1."""
    await w.alert(grid="east", level=2)
    await w.until(lambda: w.pages("east"), limit_s=30)
    await w.press("zhang", "收到")
    await w.write("zhang", "SOS")
    await w.until(lambda: len(w.pages("east")) > 1, limit_s=60)
    assert [page.level for page in w.pages("east")][-1] == 1
    assert w.chat.card("chen") is not None, "the neighbour"
    assert any("升为一级" in line for line in w.chat.lines("li"))
    assert [e.person for e in w.centre.found("emergency")] == ["zhang"]


@story("E6", settings=EAST_WITH_POINTS, off=without("gateway.core.calls.convergence.place_people"))
async def test_each_who_comes_closes_another_way_out(w):
    """Those who answer are given the blocking points, one each, spoken and written."""
    await w.write("zhang", "三名歹徒持刀，请求支援！")
    await w.until(lambda: w.chat.card("li") and w.chat.card("chen"), limit_s=30)
    await w.press("li", "收到")
    await w.press("chen", "收到")
    await w.sleep(90)
    placed = {e.person: e.detail for e in w.centre.found("blocking_point")}
    assert set(placed) == {"li", "chen"}
    assert len(set(placed.values())) == 2
    assert any("南门路口" in line or "北桥" in line for line in w.chat.lines("li"))
    assert any("到南门路口" in page.text or "到北桥" in page.text for page in w.pages("east"))


@story("A11", off={"reports": {"escalate_s": 3600}})
async def test_a_report_that_nobody_deals_with_climbs(w):
    """After a minute the first manager has it too, and the centre is told."""
    await w.write("zhang", "报告：有人打架")
    await w.sleep(70)
    assert w.chat.card("head") is not None
    assert w.chat.card("chief") is not None
    assert w.centre.found("escalated")
