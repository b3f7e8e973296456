"""Grades, levels, clocks and the ladder."""

from tests.stories.world import instead, story, without


@story("A6", "C10", off={"response": {"acknowledge_s": [60, 60, 60], "rung_s": [60, 60, 60]}})
async def test_an_emergency_is_repeated_sooner_than_patrol_work(w):
    """Level 1 is spoken again after 30 s and warns of the danger; level 3 after 60."""
    await w.alert(grid="east", level=1, text="持刀伤人")
    await w.alert(grid="west", level=3, text="占道经营")
    await w.sleep(35)
    east, west = w.pages("east"), w.pages("west")
    assert [p.level for p in east] == [1, 1]
    assert "注意自身安全" in east[0].text
    assert "重复" in east[1].text or not east[1].whole
    assert [p.level for p in west] == [3]
    assert "注意自身安全" not in west[0].text
    await w.sleep(60)
    assert [p.level for p in w.pages("west") if p.order == "o2"][:2] == [3, 3]


@story("C5", "C10", off={"zones": {z: {"grade": 3} for z in ("core", "town", "edge")}})
async def test_one_three_five_minutes_to_arrival(w):
    """Half and four fifths of the zone's time warn; its end is a breach."""
    await w.alert(grid="east")
    await w.alert(grid="middle")
    await w.alert(grid="west")
    await w.sleep(310)
    due = {}
    for event in w.centre.events:
        if event.node in ("warning", "breach") and event.medium == "clock" and not event.person:
            due.setdefault(event.order, []).append(round(w.t(event)))
    begun = {e.order: w.t(e) for e in w.centre.found("accepted")}
    after = {order: [round(t - begun[order]) for t in times] for order, times in due.items()}
    assert after == {"o1": [30, 48, 60], "o2": [90, 144, 180], "o3": [150, 240, 300]}


@story("C5", off=without("gateway.core.calls.ladder._stop_arrival_clocks"))
async def test_who_has_arrived_is_not_breached(w):
    """The clock stops with the first guard on the spot."""
    await w.alert(grid="east")
    await w.until(lambda: w.chat.card("zhang"))
    await w.press("zhang", "到场")
    await w.sleep(120)
    assert w.centre.found("breach", person=None) == []


@story("B7", off={"response": {"ladder": ["repeat", "second_manager", "first_manager"]}})
async def test_the_neighbours_are_called_when_nobody_answers(w):
    """After the repetition the next grid's guard hears and reads the same order."""
    receipt = await w.alert(grid="east")
    await w.sleep(61)
    assert w.chat.card("chen") is None
    await w.sleep(61)
    assert receipt.number in w.chat.text("chen")
    await w.press("chen", "收到")
    assert w.centre.found("acknowledged", person="chen")
    climbed = len(w.centre.found("escalated"))
    await w.sleep(300)
    assert len(w.centre.found("escalated")) == climbed


@story("C3", off={"roster": {"crews": ["A", "B"], "cycle": {"days": ["night", "day"]}}})
async def test_the_crew_on_duty_is_called(w):
    """At noon crew A, at night crew B: the roster of crews and shifts says who."""
    await w.alert(grid="east")
    await w.until(lambda: w.chat.card("zhang"))
    assert w.chat.card("zhao") is None
    await w.cancel()
    await w.sleep(10 * 3600)
    receipt = await w.alert(grid="east")
    await w.until(lambda: w.chat.card("zhao"))
    assert receipt.number in w.chat.card("zhao").text
    assert len(w.chat.cards("zhang")) == 1


FOUR_CREWS = {
    "roster": {
        "shifts": {
            "day": {"from": "08:00", "to": "16:00"}, "evening": {"from": "16:00", "to": "00:00"},
            "night": {"from": "00:00", "to": "08:00"},
        },
        "crews": ["A", "B", "C", "D"],
        "cycle": {"start": "2026-11-22", "days": ["day", "night", "evening", "off"]},
    },
    "people": {"zhang": {"crew": "A"}, "li": {"crew": "B"}, "zhao": {"crew": "C"},
               "sun": {"crew": "D", "grids": ["east"]}, "smith": {"crew": None}},
}  # fmt: skip


@story("C3", settings=FOUR_CREWS,
       off={"roster": {"cycle": {"days": ["evening", "night", "day", "off"]}}})  # fmt: skip
async def test_four_crews_stand_three_shifts_and_one_rests(w):
    """四班三运转: each shift of two days is another crew's, and nobody else is called."""
    called = []
    for _ in range(6):
        seen = {who: len(w.chat.cards(who)) for who in ("zhang", "li", "zhao", "sun")}
        receipt = await w.alert(grid="east")
        await w.sleep(5)
        called.append([who for who, had in seen.items() if len(w.chat.cards(who)) > had])
        await w.close(receipt.order, result="已处置")
        await w.sleep(8 * 3600 - 5)
    # Crew A by day and the night after; C, B and D between; a day later all move on by one.
    assert called == [["zhang"], ["zhao"], ["zhang"], ["li"], ["sun"], ["li"]]


@story("A25", off=instead("drivers.memory.channel.Channel._squelch_open", lambda _: False))
async def test_nobody_is_talked_over_but_by_level_1_after_ten_seconds(w):
    """Level 2 waits for the end of the talk; level 1 breaks in after its polite ten seconds."""
    w.jam("west", 40)
    await w.alert(grid="west", level=2)
    await w.sleep(30)
    assert w.pages("west") == []
    await w.until(lambda: w.pages("west"))
    (page,) = w.pages("west")
    assert w.t(page) > 40
    assert not page.over_others
    await w.sleep(60)
    w.jam("west", 300)
    begun_s = w.clock.now_us() / 1e6
    await w.alert(grid="west", level=1)
    await w.until(lambda: any(p.level == 1 for p in w.pages("west")))
    first = next(p for p in w.pages("west") if p.level == 1)
    assert first.over_others
    assert 9.5 < first.began_us / 1e6 - begun_s < 12


@story("A25", off=instead("gateway.core.airtime._Waiting.rank", lambda waiting: waiting.place))
async def test_level_1_goes_ahead_of_what_waits(w):
    """Ten orders wait for one channel; the emergency that came last is spoken next."""
    for _ in range(10):
        await w.alert(grid="east", level=3)
    await w.sleep(5)
    await w.alert(grid="east", level=1, text="持刀伤人")
    await w.until(lambda: any(p.level == 1 and p.whole for p in w.pages("east")))
    assert [p.level for p in w.pages("east")].index(1) <= 1




BY_GRADE = {
    "response": {
        "grades": {
            "1": {
                "tone": 1, "times": 2, "acknowledge_s": [20, 20, 20], "answer_window_s": 8,
                "rung_s": [20, 20, 20], "ladder": ["repeat", "second_manager"],
            },
        },
    },
}  # fmt: skip


@story("C10", settings=BY_GRADE, off={"response": {"grades": None}})
async def test_the_grade_of_the_zone_sets_tone_readings_window_and_ladder(w):
    """The same alert in the core zone sounds as an emergency, twice, and climbs sooner."""
    core, edge = await w.alert(grid="east"), await w.alert(grid="west")
    await w.until(lambda: w.pages("east") and w.pages("west"))
    first, other = w.pages("east")[0], w.pages("west")[0]
    assert (first.tone, other.tone) == (1, 2)
    assert first.text.count("有人打架") == 2 * other.text.count("有人打架")
    assert "20秒" in w.chat.card("zhang").text
    assert "60秒" in w.chat.card("sun").text
    await w.sleep(50)
    climbed = [e.order for e in w.centre.found("escalated")]
    assert climbed == [core.order, core.order]
    assert core.number in w.chat.text("head")
    assert edge.number not in w.chat.text("head")


@story("C10", settings=BY_GRADE,
       off=without("gateway.core.intake.amending._another_ladder", gives=False))  # fmt: skip
async def test_an_order_that_moves_into_another_grade_climbs_its_ladder(w):
    """Where it was nobody answered; the core zone's own short ladder begins at its foot."""
    await w.alert(grid="west")
    await w.sleep(130)
    await w.update(grid="east")
    rungs = len(w.centre.found("escalated"))
    await w.sleep(70)
    assert len(w.centre.found("escalated")) == rungs + 2
    assert w.centre.found("unanswered")
