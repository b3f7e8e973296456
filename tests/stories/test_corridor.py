"""One alert, one corridor: from the alert to the guards, on both media, and back."""

from tests.stories.world import instead, story, without


@story("A12", off=without("gateway.core.calls.first_call.call_guards"))
async def test_an_order_reaches_the_guards_of_its_grid_and_nobody_elses(w):
    """Whoever is on duty in the grid is addressed; who is not, is not."""
    receipt = await w.alert(grid="east")
    await w.until(lambda: w.pages("east"))
    await w.until(lambda: w.pages("east")[0].ended_us)
    assert "东街网格" in w.pages("east")[0].text
    assert receipt.status == "accepted"
    for guard in ("zhang", "li"):
        assert receipt.number in w.chat.card(guard).text
    for other in ("zhao", "chen", "sun"):
        assert w.chat.card(other) is None


@story("A17", off=without("gateway.core.calls.calling.page_channel"))
async def test_channel_and_group_of_the_grid_are_used_at_the_same_moment(w):
    """Neither waits for the other, and the number heard is the number read."""
    receipt = await w.alert(grid="east")
    await w.until(lambda: w.pages("east") and w.pages("east")[0].ended_us)
    (page,) = w.pages("east")
    assert w.pages("west") == []
    group = w.chat.card("east")
    assert group is not None
    assert f"{receipt.number}号" in group.text
    assert page.order == receipt.order
    assert w.t(page) < 2


@story("A17", off=without("gateway.core.calls.calling._post_group_card"))
async def test_the_group_of_the_grid_reads_what_its_channel_says(w):
    """The working group has the order at once, and no other group has it."""
    receipt = await w.alert(grid="east")
    await w.until(lambda: w.chat.card("east"), limit_s=2)
    assert f"{receipt.number}号" in w.chat.card("east").text
    assert w.chat.card("middle") is None
    assert w.chat.card("west") is None


@story("A19", off=without("gateway.core.calls.first_call._call_station"))
async def test_the_station_is_ordered_at_the_same_moment(w):
    """The station has its own card with the guards', and a clock of its own."""
    await w.alert(grid="east")
    await w.until(lambda: w.pages("east"))
    card = w.chat.card("station")
    assert card is not None
    assert "派出所请同时出警" in card.text
    await w.sleep(62)
    assert w.centre.nodes("station") == ["told", "breach"]
    await w.press("station", "收到")
    assert "acknowledged" in w.centre.nodes("station")


@story("A20", off=instead("gateway.core.answers.by_chat._order_meant", lambda *_: (None, "?")))
async def test_each_guard_acknowledges_for_himself(w):
    """An order to three people knows of each who has taken it, by which medium."""
    receipt = await w.alert(grid="east", needs=3)
    await w.until(lambda: w.pages("east") and w.pages("east")[0].ended_us)
    await w.press("zhang", "收到")
    await w.write("li", "收到")
    await w.key("east", f"*{receipt.number} 103 1#")
    said = {e.person: (e.medium, e.assurance) for e in w.centre.found("acknowledged")}
    assert said == {"zhang": ("chat", "C2"), "li": ("chat", "C1"), "wang": ("radio", "R1")}


@story("A16", off=without("gateway.published.Published.add"))
async def test_the_centre_sees_every_node_as_it_happens(w):
    """Accepted, told, acknowledged, en route, arrived, done, closed, in their order."""
    receipt = await w.alert(grid="east")
    await w.until(lambda: w.chat.card("zhang"))
    for button in ("收到", "出警", "到场", "完成"):
        await w.press("zhang", button)
    await w.close(receipt.order, result="已劝离")
    his = [n for n in w.centre.nodes("zhang", receipt.order) if n != "told"]
    assert his[:4] == ["acknowledged", "en_route", "arrived", "done"]
    assert w.centre.nodes(None, receipt.order)[0] == "accepted"
    assert "closed" in w.centre.nodes(None, receipt.order)
    assert {e.number for e in w.centre.events if e.order} == {receipt.number}


@story("A30", off=without("gateway.core.answers.by_chat.apply_reply"))
async def test_one_button_is_enough(w):
    """He writes nothing: he presses what says what he does, and is told that it was taken."""
    await w.alert(grid="east")
    await w.until(lambda: w.chat.card("zhang"))
    labels = [key.label for row in w.chat.card("zhang").keyboard for key in row]
    assert labels == ["收到", "出警", "到场", "增援", "完成", "不能去"]
    said = await w.press("zhang", "到场")
    assert said is not None
    assert "到场" in said
    assert w.centre.nodes("zhang")[-2:] == ["acknowledged", "arrived"]


@story("A30", off=without("gateway.core.answers.on_air._apply_pattern"))
async def test_two_presses_of_the_key_are_enough_where_one_man_listens(w):
    """A guard with a key and nothing else is answered by the good tone."""
    for other in ("zhang", "li"):
        await w.leave(other)
    await w.alert(grid="east")
    await w.until(lambda: w.pages("east") and w.pages("east")[0].ended_us)
    await w.sleep(2)
    assert await w.presses("east", 2) is True
    assert w.centre.nodes("wang")[-1] == "acknowledged"


@story("B12", off=without("gateway.core.answers.by_chat.apply_reply"))
async def test_times_are_those_of_the_buttons_and_tones(w):
    """What he did when is the moment he pressed, not when somebody typed it."""
    await w.alert(grid="east")
    await w.until(lambda: w.chat.card("li"))
    await w.sleep(37)
    pressed_s = w.clock.now_us() / 1e6
    await w.press("li", "收到")
    await w.sleep(100)
    await w.press("li", "到场")
    nodes = [*w.centre.found("acknowledged", person="li"), *w.centre.found("arrived", person="li")]
    assert len(nodes) == 2
    taken, arrived = nodes
    assert abs(taken.at_us / 1e6 - pressed_s) < 1
    assert 99 < (arrived.at_us - taken.at_us) / 1e6 < 102


@story("A14", off=without("gateway.core.answers.on_air.heard_from"))
async def test_the_radio_of_a_man_says_who_he_is(w):
    """A short frame from a known radio needs no guard number: person and radio belong together."""
    await w.alert(grid="east")
    await w.until(lambda: w.pages("east") and w.pages("east")[0].ended_us)
    assert await w.key("east", "*1#", ani="10102") is True
    assert w.centre.found("acknowledged", person="li", medium="radio")
    assert await w.key("east", "*1#", ani="99999") is False
