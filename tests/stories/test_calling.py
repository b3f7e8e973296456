"""Who is called, by whom it is answered for, and how it climbs."""

from gateway.core.calls.choice import choose
from tests.stories.world import instead, story, without

_POSTS = {
    "post_a": {"name": "东门岗", "grid": "east", "at": [25.001, 118.001]},
    "post_b": {"name": "银行岗", "grid": "east", "at": [25.005, 118.005]},
    "reservoir": {"name": "水库", "grid": "east", "at": [25.2, 118.005]},
    "ps": {"name": "派出所", "grid": "east", "at": [25.41, 118.005]},
}
_AT_POSTS = {
    "posts": _POSTS,
    "people": {"zhang": {"post": "post_a"}, "li": {"post": "post_b"}, "wang": {"post": "reservoir"}},
    "response": {"call": "nearest"},
}
_PATROLS = {
    "people": {
        "patrol": {
            "name": "巡防甲", "organisation": "police", "guard_code": "801", "grids": ["east"],
            "tier": "station_patrol", "contacts": {"work": "8001"},
        },
        "special": {
            "name": "特警乙", "organisation": "police", "guard_code": "802", "grids": ["east"],
            "tier": "special_patrol", "contacts": {"work": "8002"},
        },
    }
}  # fmt: skip


@story("A9", off={"response": {"ladder": ["repeat"]}})
async def test_the_second_manager_is_asked_before_the_first(w):
    """Nobody answers: the station head is asked to coordinate, then the bureau leader."""
    await w.alert(grid="east")
    await w.until(lambda: w.chat.card("9003"), limit_s=600)
    card = w.chat.card("9002")
    assert card is not None
    assert "没有人应答，请您安排人去" in card.text
    called = [e.detail for e in w.centre.found("escalated") if "管理人" in (e.detail or "")]
    assert called == ["呼叫第二管理人", "呼叫第一管理人"]


@story("A9", off=without("gateway.core.register.manager_words.manager_wrote", gives=False))
async def test_both_managers_pause_and_extend_their_guards(w):
    """The station head gives Li two hours off, the bureau leader keeps Chen on: in one line."""
    said = await w.write("head", "暂停 李四 2小时")
    assert said is not None
    assert "14:00" in said
    assert "延长" in (await w.write("chief", "延长 陈七 4小时"))
    await w.alert(grid="east")
    await w.until(lambda: w.chat.card("zhang"))
    assert w.chat.card("li") is None
    await w.cancel()
    await w.sleep(2 * 3600 + 60)
    await w.alert(grid="east")
    await w.until(lambda: w.chat.card("li"))


@story("A18", off={"response": {"call": "all"}}, settings=_AT_POSTS)
async def test_the_nearest_by_post_is_called(w):
    """One is needed: the man at the bank gets the order, his colleagues farther off do not."""
    await w.alert(grid="east", place="银行岗门口", needs=1)
    await w.until(lambda: w.chat.card("li"))
    await w.sleep(5)
    assert w.chat.cards("zhang") == []


_RADIOS = {
    **_AT_POSTS,
    "people": {
        "zhang": {"post": "post_a", "calls": ["zvei1:12345"]},
        "li": {"post": "post_b", "calls": ["zvei1:23456"]},
        "wang": {"post": "reservoir", "calls": ["mdc1200:call:1A2B"]},
    },
}


@story("A18", off={"response": {"call": "all"}}, settings=_RADIOS)
async def test_the_radio_of_the_nearest_is_opened_and_no_other(w):
    """His muted radio is called by its own five tones, ahead of the order that is his."""
    await w.alert(grid="east", place="银行岗门口", needs=1)
    await w.until(lambda: w.pages("east"))
    assert w.pages("east")[0].calls == ("zvei1:23456",)


@story("A18", off=without("gateway.core.calls.nearest.place_shared"), settings=_AT_POSTS)
async def test_a_shared_location_is_nearer_than_a_post(w):
    """Zhang has walked to the bank and shared where he is: he is the nearest now."""
    await w.location("zhang", 25.00501, 118.00501)
    await w.alert(grid="east", location={"lat": 25.0051, "lon": 118.0051, "datum": "WGS-84"})
    await w.until(lambda: w.chat.card("zhang") or w.chat.card("li"))
    await w.sleep(5)
    assert w.chat.cards("li") == []
    assert w.chat.cards("zhang") != []


@story("A20", off=instead("gateway.core.calls.first_call._meant", choose))
async def test_an_order_to_one_person_is_his_alone(w):
    """Point to point: the centre names Li, and nobody else has a card of it."""
    await w.alert(grid="east", to="person/li")
    await w.until(lambda: w.chat.card("li"))
    assert w.chat.cards("zhang") == []
    await w.press("li", "收到")
    assert "acknowledged" in w.centre.nodes("li")


@story("A33", off=without("gateway.core.calls.rungs.call_next", gives=False), settings=_AT_POSTS)
async def test_who_may_not_leave_his_post_is_followed_by_the_next_at_once(w):
    """不能离岗 is an answer: the centre reads the reason and the next guard is called."""
    await w.alert(grid="east", place="银行岗门口")
    await w.until(lambda: w.chat.card("li"))
    await w.write("li", "不能离岗")
    await w.sleep(1)
    assert w.chat.cards("zhang") != []
    assert [e.detail for e in w.centre.found("declined")] == ["不能离岗"]


@story("B7", off=without("gateway.core.calls.rungs.call_ring", gives=False))
async def test_the_neighbours_help_when_nobody_answers(w):
    """The next grid hears the same order on its channel and in its group."""
    await w.alert(grid="east")
    await w.until(lambda: w.centre.found("escalated"), limit_s=70)
    await w.sleep(61)
    assert w.chat.card("chen") is not None
    assert w.chat.card("middle") is not None


@story("C1", off=without("gateway.core.calls.rungs._call_tier", gives=False), settings=_PATROLS)
async def test_force_grows_by_its_tiers(w):
    """Guards first; nobody answers; then the station patrol; then the special patrol."""
    await w.alert(grid="east")
    await w.until(lambda: w.chat.card("zhang"))
    assert w.chat.cards("8001") == w.chat.cards("8002") == []
    await w.until(lambda: w.chat.card("8001"), limit_s=400)
    assert w.chat.cards("8002") == []
    await w.until(lambda: w.chat.card("8002"), limit_s=100)
    await w.press("special", "收到")
    assert "acknowledged" in w.centre.nodes("special")


@story("C14", off=without("gateway.core.calls.first_call.grids_meant", gives=("east",)))
async def test_a_zone_a_station_and_a_grid_are_addressed_by_their_level(w):
    """``zone/…`` reaches each of its grids, ``station/…`` the station, ``grid/…`` one grid."""
    await w.alert(grid=None, to="zone/edge")
    await w.until(lambda: w.chat.card("sun"))
    assert w.chat.card("west") is not None
    await w.alert(id="third", grid=None, to="grid/middle")
    await w.until(lambda: w.chat.card("chen"))
    assert w.chat.cards("zhang") == []
    await w.alert(id="fourth", grid=None, to="station/station")
    await w.until(lambda: w.chat.card("9001"))


@story("C16", off=without("gateway.core.calls.owner.settle_owner"))
async def test_one_is_accountable_at_every_moment(w):
    """The second manager from the opening, then who took it, then the manager again."""
    receipt = await w.alert(grid="east", needs=1)
    await w.until(lambda: w.chat.card("east"))
    assert [e.person for e in w.centre.found("owner")] == ["head"]
    assert "责任人：所长" in w.chat.card("east").text
    await w.press("zhang", "收到")
    await w.until(lambda: "责任人：张三" in w.chat.card("east").text)
    await w.press("zhang", "不能去")
    await w.until(lambda: "责任人：所长" in w.chat.card("east").text)
    assert [e.person for e in w.centre.found("owner", order=receipt.order)] == [
        "head", "zhang", "head",
    ]  # fmt: skip


@story(
    "D13", off={"response": {"near_m": 0}},
    settings={
        "posts": _POSTS, "response": {"call": "all"},
        "people": {
            who: {"post": "reservoir"} for who in ("zhang", "li", "wang")
        },
    },
)  # fmt: skip
async def test_that_no_one_is_near_is_said_and_not_everybody_paged(w):
    """Three guards stand at a reservoir twenty kilometres off: one is called, and it is said."""
    receipt = await w.alert(
        grid="east", location={"lat": 25.005, "lon": 118.005, "datum": "WGS-84"}
    )
    assert "nobody_near" in receipt.flags
    (said,) = w.centre.found("nobody_near")
    assert said.order == receipt.order
    await w.sleep(30)
    called = {e.person for e in w.centre.found("told", order=receipt.order)} - {"station"}
    assert len(called) == 1, "the nearest, and nobody else"


@story(
    "E12", off=without("gateway.core.calls.first_call.propose_if_station_far"),
    settings={"posts": _POSTS, "people": {"station": {"post": "ps"}}},
)  # fmt: skip
async def test_a_far_station_makes_a_partner_across_grids_be_proposed(w):
    """The station is 45 km away: the next company's guard is proposed, and called on a word."""
    receipt = await w.alert(
        grid="east", location={"lat": 25.005, "lon": 118.005, "datum": "WGS-84"}
    )
    await w.sleep(1)
    proposals = w.centre.found("proposal", order=receipt.order)
    assert [e.person for e in proposals] == ["chen"]
    assert w.chat.cards("chen") == []
    await w.act("call_partner", order=receipt.order)
    await w.until(lambda: w.chat.card("chen"))


@story("E12", off={"response": {"police_eta_min": 0}})
async def test_police_who_say_that_they_need_long_make_a_partner_be_proposed(w):
    """The station writes 25 minutes to its card; twenty are the limit, and ten are none."""
    await w.alert(grid="east")
    await w.until(lambda: w.chat.card("station"))
    assert (await w.act("eta", order="o1", minutes=10)).status == "accepted"
    assert not w.centre.found("proposal")
    answer = await w.write("station", "预计２５分钟到", reply_to=w.chat.card("station"))
    assert "25分钟" in answer
    assert [e.person for e in w.centre.found("eta")] == ["station", "station"]
    assert w.centre.found("acknowledged", person="station")
    assert any("东街派出所预计25分钟到" in line for line in w.chat.lines("east"))
    (proposal,) = w.centre.found("proposal") or [None]
    assert proposal is not None
    assert (proposal.person, "25分钟" in proposal.detail) == ("chen", True)
    refused = await w.act("eta", order="o1", minutes=10, person="zhang")
    assert refused.status == "refused"
    await w.write("zhang", "20分钟")
    assert len(w.centre.found("eta")) == 2


@story("C10", off={"zones": {"core": {"grade": 3}}})
async def test_the_ring_an_order_lies_in_sets_its_arrival_clock(w):
    """The core ring has one minute: the breach is told after it."""
    await w.alert(grid="east")
    await w.press("zhang", "收到") if w.chat.card("zhang") else None
    await w.sleep(61)
    assert any(e.medium == "clock" for e in w.centre.found("breach") if not e.person)


@story("C5", off={"response": {"still_on_it_min": 0}})
async def test_who_took_it_and_does_not_come_is_asked_and_his_silence_climbs(w):
    """Ten minutes after 收到 he is asked; a minute later somebody else is called."""
    await w.alert(grid="east")
    await w.until(lambda: w.chat.card("zhang"))
    await w.press("zhang", "收到")
    await w.sleep(605)
    assert any("您还去吗" in line for line in w.chat.lines("zhang"))
    await w.sleep(130)
    assert "lapsed" in w.centre.nodes("zhang")
    assert w.chat.cards("chen") != []


@story("D11", off=without("gateway.core.calls.ladder.medium_failed"))
async def test_a_card_that_fails_and_a_page_that_fails_climb_at_once(w):
    """Chat refused, channel down: nobody waits for the minute to pass."""
    w.refuses("zhang")
    await w.alert(grid="east", to="person/zhang")
    w.fail("channel:east")
    await w.sleep(20)
    assert w.centre.found("escalated")


@story("A13", off=without("gateway.core.calls.stand_down.unaware", gives=[]))
async def test_a_stand_down_is_acknowledged_and_the_missing_are_listed(w):
    """Police have it: everybody told is called off, answers 知道了, and who does not is named."""
    await w.alert(grid="east")
    await w.until(lambda: w.chat.card("zhang") and w.chat.card("li"))
    await w.until(lambda: w.pages("east") and w.pages("east")[0].ended_us)
    await w.cancel(text="民警已到")
    await w.until(lambda: w.chat.card("zhang").keyboard)
    await w.press("zhang", "知道了")
    await w.sleep(125)
    missing = {e.person for e in w.centre.found("stand_down_missing")}
    assert "li" in missing
    assert "zhang" not in missing


# ---- one is called off, the rest goes on ---------------------------------------------------


@story("C16", off=without("gateway.core.calls.called_off._call_off"))
async def test_one_is_called_off_and_the_rest_goes_on(w):
    """Two took it and one is wanted: zhang is sent home, says that he knows, and li has it."""
    await w.alert(grid="east")
    await w.until(lambda: w.pages("east") and w.chat.card("zhang") and w.chat.card("li"))
    await w.sleep(20)
    await w.press("zhang", "收到")
    await w.press("li", "收到")
    assert w.centre.found("owner")[-1].person == "zhang"
    receipt = await w.act("stand_down", order="o1", person="zhang", reason="李四更近")
    assert receipt.status == "accepted"
    await w.until(lambda: "已撤回" in w.chat.card("zhang").text)
    assert [[key.label for key in row] for row in w.chat.card("zhang").keyboard] == [["知道了"]]
    assert "李四更近" in w.chat.lines("zhang")[-1]
    await w.until(lambda: "张三撤回" in w.pages("east")[-1].text)
    assert w.centre.found("owner")[-1].person == "li"
    assert "知道" in await w.press("zhang", "知道了")
    assert "知道" in await w.press("zhang", "收到", card=w.chat.card("east"))
    await w.sleep(300)
    assert w.centre.nodes("zhang")[-2:] == ["released", "stood_down"]
    assert not w.centre.found("escalated")
    assert not w.centre.found("stand_down_missing")
    again = await w.act("stand_down", order="o1", person="zhang", reason="李四更近")
    assert again.status == "refused"
    await w.press("li", "到场")
    assert w.centre.found("arrived", person="li")


@story("C16", off=without("gateway.core.calls.called_off.follow_facts"))
async def test_where_too_few_are_left_another_is_called(w):
    """The only one who took it is sent home: others hear it again, and he is free for more."""
    await w.alert(grid="east")
    await w.until(lambda: w.chat.card("zhang"))
    await w.press("zhang", "收到")
    await w.sleep(90)
    before = len(w.pages("east"))
    await w.act("stand_down", order="o1", person="zhang", reason="另有任务")
    assert w.centre.found("escalated")
    await w.until(lambda: [p for p in w.pages("east")[before:] if "打架" in p.text])
    assert w.centre.found("owner")[-1].person != "zhang"
    await w.sleep(130)
    assert w.centre.found("stand_down_missing", person="zhang")
    assert "您已撤回" in w.chat.lines("zhang")[-1]


@story("C16", off=without("gateway.core.calls.called_off._meant", gives=(None, [])))
async def test_a_grid_is_called_off_and_the_own_grid_goes_on(w):
    """It was called over two grids; the second goes home, the first is not disturbed."""
    await w.alert(grid="east")
    await w.update(grid="middle")
    await w.until(lambda: w.chat.card("zhang") and w.chat.card("chen"))
    refused = await w.act("stand_down", order="o1", grid="middle", reason="看错了")
    assert refused.status == "refused"
    assert "middle" in refused.reason
    assert (await w.act("stand_down", order="o1", grid="east", reason="看错了")).status == (
        "accepted"
    )
    await w.until(lambda: "已撤回" in w.chat.card("zhang").text)
    assert "已撤回" in w.chat.card("li").text
    assert "已撤回" not in w.chat.card("chen").text
    assert any("东街网格撤回" in line for line in w.chat.lines("east"))
    assert await w.press("chen", "收到")
    assert w.centre.found("acknowledged", person="chen")


# ---- named again ---------------------------------------------------------------------------


@story("A33", off=without("gateway.core.calls.first_call.named_again", gives=frozenset()))
async def test_who_cannot_come_is_called_again_when_the_centre_names_him(w):
    """Zhang said that he cannot come; the centre asks for him by name, and he takes it."""
    await w.alert(grid="east", needs=2)
    await w.until(lambda: w.chat.card("zhang"))
    await w.sleep(20)
    await w.press("zhang", "不能去")
    before = len(w.pages("east"))
    await w.update(to="person/zhang", text="有人打架，只有你有钥匙")
    await w.until(lambda: len(w.pages("east")) > before + 1)
    assert any("点名" in line for line in w.chat.lines("zhang"))
    assert w.centre.found("recalled", person="zhang")
    await w.press("zhang", "不能去")
    await w.update(to="person/zhang", text="请务必前来开门")
    assert len(w.centre.found("recalled", person="zhang")) == 2
    await w.press("zhang", "收到")
    assert w.centre.nodes("zhang")[-1] == "acknowledged"
