"""Event plans: a grid, a channel, a group and people from a start to an end; bulletins."""

from tests.stories.world import instead, story, without

# A fair on the square of the middle, from one o'clock to three.
FAIR = {
    "event_plans": {
        "fair": {
            "name": "春节庙会", "from": "2026-11-22T13:00", "to": "2026-11-22T15:00",
            "grids": {
                "square": {
                    "name": "庙会广场", "zone": "core", "codes": ["990001"], "aliases": ["庙会"],
                    "polygon": [[25.004, 118.014], [25.004, 118.016], [25.006, 118.016],
                                [25.006, 118.014]],
                    "neighbours": ["middle"], "station": "station", "first_manager": "chief",
                    "second_manager": "head", "channel": "west", "chat": "work/west",
                },
            },
            "posts": {"gate": {"name": "庙会东门", "grid": "square", "at": [25.005, 118.015]}},
            "changes": {"middle": {"channel": "west"}},
            "roster": [{"person": "zhao", "post": "gate"}, {"person": "li"}],
        },
    },
}  # fmt: skip
ON_THE_SQUARE = {"grid": None, "location": {"lat": 25.005, "lon": 118.0151, "datum": "WGS-84"}}
BY_HAND = {"event_plans": {"fair": FAIR["event_plans"]["fair"] | {"from": None, "to": None}}}
HOUR_S = 3600


@story("B9", off=without("gateway.core.readiness.event_plans.keep"), settings=FAIR)
async def test_a_plan_is_there_from_its_start_to_its_end(w):
    """Before and after it the square is the middle's; meanwhile its own people are called."""
    await w.alert(**ON_THE_SQUARE)
    await w.until(lambda: w.pages("east"))
    assert w.chat.card("zhao") is None
    await w.close("o1", result="误报")
    await w.sleep(HOUR_S)
    await w.alert(**ON_THE_SQUARE)
    await w.until(lambda: w.chat.card("zhao") and w.chat.card("li"))
    await w.until(lambda: w.pages("west"))
    assert "庙会" in w.chat.card("west").text
    assert w.chat.card("chen").text == w.chat.cards("chen")[0].text
    await w.press("zhao", "收到")
    await w.close("o2", result="已处置")
    await w.sleep(2 * HOUR_S)
    told = [e.detail for e in w.centre.found("event_plan")]
    assert len(told) == 2
    assert "启用" in told[0]
    assert "结束" in told[1]
    cards = len(w.chat.cards("zhao"))
    await w.alert(**ON_THE_SQUARE)
    await w.until(lambda: len(w.chat.cards("chen")) == 2)
    assert len(w.chat.cards("zhao")) == cards


@story("B9", off=without("gateway.core.readiness.event_plans._open_in", gives=[]), settings=FAIR)
async def test_an_order_of_a_plan_goes_on_after_its_end(w):
    """The fair ends while an order is open: nobody answers, and it is still repeated there."""
    await w.sleep(3 * HOUR_S - 20)
    await w.alert(**ON_THE_SQUARE)
    await w.sleep(60)
    assert "办结前照旧" in w.centre.found("event_plan")[-1].detail
    spoken = len(w.pages("west"))
    await w.sleep(120)
    assert len(w.pages("west")) > spoken
    await w.press("zhao", "收到")
    assert w.centre.found("acknowledged", person="zhao", order="o1")


@story("B9", off=without("gateway.core.readiness.event_plan_people.give_parts"), settings=BY_HAND)
async def test_a_plan_survives_a_restart_and_a_reload(w):
    """It was started by hand, outlives the engine, and takes in who is new in its roster."""
    assert (await w.act("event_plan_start", plan="fair")).status == "accepted"
    await w.kill()
    await w.sleep(30)
    await w.start()
    more = {"roster": [{"person": "zhao"}, {"person": "sun"}]}
    assert (await w.reload({"event_plans": {"fair": more}}))["ok"]
    receipt = await w.alert(grid="990001")
    await w.until(lambda: w.chat.card("zhao") and w.chat.card("sun"))
    assert receipt.status == "accepted"
    assert (await w.act("event_plan_end", plan="fair")).status == "accepted"
    await w.close("o1", result="误报")
    assert (await w.act("event_plan_end", plan="fair")).status == "refused"
    cards = len(w.chat.cards("zhao"))
    refused = await w.alert(grid="990001")
    await w.sleep(30)
    assert not w.centre.found("called", order=refused.order, person="zhao")
    assert len(w.chat.cards("zhao")) == cards


# Chen is the only one of the middle; li is one of three of the east.
AWAY = {
    "event_plans": {
        "fair": FAIR["event_plans"]["fair"] | {"roster": [{"person": "chen"}, {"person": "li"}]}
    },
}  # fmt: skip
BESIDE = {"event_plans": {"fair": {"keep_own": True}}}


@story("B9", settings=AWAY, off=BESIDE)
async def test_who_stands_at_the_fair_is_not_called_to_his_street(w):
    """His own grid is told to be without him, an hour before and meanwhile, and has him back."""
    await w.sleep(120)
    ahead = [e.detail for e in w.centre.found("cover") if "中街" in e.detail]
    assert ["13:00" in detail for detail in ahead] == [True]
    await w.sleep(HOUR_S)
    assert [e.detail for e in w.centre.found("cover") if "中街" in e.detail][1:]
    assert not [e for e in w.centre.found("cover") if "庙会" in e.detail]
    await w.alert(grid="east")
    await w.alert(**ON_THE_SQUARE)
    await w.until(lambda: w.chat.card("zhang") and w.chat.card("chen") and w.chat.card("li"))
    assert [len(w.chat.cards(who)) for who in ("zhang", "chen", "li")] == [1, 1, 1]
    assert "庙会" in w.chat.card("li").text
    for order in ("o1", "o2"):
        await w.close(order, result="已处置")
    await w.sleep(2 * HOUR_S)
    await w.alert(grid="east")
    await w.alert(grid="middle")
    await w.until(lambda: len(w.chat.cards("li")) == len(w.chat.cards("chen")) == 2)
    assert w.centre.found("cover_ok")


@story("B9", settings=AWAY, off=without("gateway.core.readiness.event_plan_people._regrid"))
async def test_a_plan_cut_short_gives_its_people_back_at_once(w):
    """The engine dies meanwhile, and the plan is edited: li leaves it, and it ends an hour early."""
    await w.sleep(HOUR_S + 60)
    await w.kill()
    await w.start()
    await w.alert(grid="east")
    await w.until(lambda: w.chat.card("zhang"))
    assert w.chat.card("li") is None
    await w.close("o1", result="误报")
    assert (await w.reload({"event_plans": {"fair": {"roster": [{"person": "chen"}]}}}))["ok"]
    await w.alert(grid="east")
    await w.until(lambda: w.chat.card("li"))
    await w.close("o2", result="误报")
    assert (await w.reload({"event_plans": {"fair": {"to": "2026-11-22T14:00"}}}))["ok"]
    await w.sleep(HOUR_S)
    await w.alert(grid="middle")
    await w.until(lambda: w.chat.card("chen"))
    assert "中街" in w.chat.card("chen").text


# ---- bulletins ----------------------------------------------------------------------------


@story("D7", "E20", off=without("gateway.core.readiness.bulletins.bulletin_due"))
async def test_a_bulletin_is_read_and_who_has_not_read_it_is_listed(w):
    """It goes to the group with one button, calls nobody on the air; two hours later: a list."""
    receipt = await w.act("bulletin", grid="east", text="近期有人冒充物业行骗，请留意")
    assert receipt.status == "accepted"
    await w.until(lambda: w.chat.card("east"))
    assert "冒充物业" in w.chat.card("east").text
    await w.press("zhang", "已阅", card=w.chat.card("east"))
    assert not w.pages()
    await w.sleep(2 * HOUR_S + 60)
    assert [e.person for e in w.centre.found("unread")] == ["li", "zhao"]
    assert "李四" in w.chat.card("east").text


@story("D7", off=instead("gateway.core.airtime._routine", lambda _page: False))
async def test_a_bulletin_waits_for_every_order(w):
    """It was asked for first; the order that came after it is spoken first all the same."""
    w.jam("east", 20)
    await w.act("bulletin", grid="east", text="下午两点开会", radio=True)
    await w.sleep(5)
    await w.alert(grid="east", level=3)
    await w.until(lambda: len([p for p in w.pages("east") if p.ended_us]) == 2)
    assert ["下午两点" in page.text for page in w.pages("east")] == [False, True]


@story("D7", off=instead("gateway.core.readiness.notices.speak", lambda _, notice, *__: notice))
async def test_a_bulletin_is_spoken_only_when_the_channel_is_idle(w):
    """Somebody talks on the channel: the bulletin waits until he has ended."""
    w.jam("east", 20)
    await w.act("bulletin", grid="east", text="下午两点开会", radio=True)
    await w.sleep(15)
    assert not w.pages("east")
    await w.until(lambda: w.pages("east"))
    assert w.t(w.pages("east")[0]) > 20
