"""Places found, people who come and go, radios lost."""

from tests.stories.world import story, without


@story("A8", "C7", off={"grids": {"west": {"aliases": []}}, "posts": {"bank": {"aliases": []}}})
async def test_a_grid_is_found_by_point_code_and_alias(w):
    """Polygon, the centre's code, and words of the place or text, all out of one file."""
    point = {"lat": 25.005, "lon": 118.005, "datum": "WGS-84"}
    await w.alert(grid=None, location=point)
    await w.alert(grid="350102")
    await w.alert(grid=None, place="西街菜市场门口")
    await w.alert(grid=None, text="建行门口有人打架")
    await w.until(lambda: len(w.chat.cards("chen")) == 2)
    titles = [w.chat.card(g).text.splitlines()[0] for g in ("east", "west")]
    assert "东街网格" in titles[0]
    assert "西街网格" in titles[1]
    assert all("中街网格" in card.text for card in w.chat.cards("chen"))


@story("C7", off={"zones": {"core": {"grade": 3}}})
async def test_a_grid_has_the_clock_of_its_zone(w):
    """Zone, grid and clock come from the file: the core zone's arrival is one minute."""
    await w.alert(grid="east")
    await w.sleep(61)
    assert len(w.centre.found("breach", person=None)) == 1


@story("A31", off=without("gateway.core.answers.by_chat._enrol"))
async def test_a_new_man_is_enrolled_in_a_minute(w):
    """He sends the code he was given, and the next order is on his telephone."""
    said = await w.enrol("wang", "7777")
    assert said is not None
    assert "王五" in said
    await w.alert(grid="east")
    await w.until(lambda: w.chat.card("wang"))
    assert await w.press("wang", "收到") is not None
    assert w.centre.found("acknowledged", person="wang")


@story("A31", off=without("gateway.core.register.steps._leave"))
async def test_who_has_left_is_gone_from_every_medium_in_seconds(w):
    """His button, his words and his digits are applied to nothing, and nobody calls him."""
    receipt = await w.alert(grid="east", needs=2)
    await w.until(lambda: w.pages("east") and w.pages("east")[0].ended_us)
    card = w.chat.card("zhang")
    await w.leave("zhang")
    await w.sleep(5)
    await w.press("zhang", "收到", card=card) if card.keyboard else None
    await w.write("zhang", "收到")
    assert await w.key("east", f"*{receipt.number} 101 1#") is False
    assert w.centre.found("acknowledged", person="zhang") == []
    await w.alert(grid="east")
    await w.until(lambda: len(w.chat.cards("li")) == 2)
    assert len(w.chat.cards("zhang")) == 1


@story("E9", off=without("gateway.core.answers.identity.radio_blocked"))
async def test_a_lost_radio_counts_for_nothing_from_that_moment(w):
    """Its own id and any number keyed on it are refused, and its use is told at once."""
    await w.alert(grid="east")
    await w.until(lambda: w.pages("east") and w.pages("east")[0].ended_us)
    await w.act("radio_lost", radio="dtmf:10101")
    assert await w.key("east", "*1#", ani="10101") is False
    assert await w.key("east", "*102 1#", ani="10101") is False
    assert w.centre.found("acknowledged") == []
    assert w.centre.found("lost_radio")
    await w.act("radio_found", radio="dtmf:10101")
    assert await w.key("east", "*1#", ani="10101") is True


@story("E9", off=without("gateway.core.answers.identity._tell_lost"))
async def test_the_centre_hears_where_a_lost_radio_is_used(w):
    """Whoever found it speaks: the centre reads on which channel."""
    await w.act("radio_lost", radio="dtmf:10101")
    await w.speak("east", 2, radio="dtmf:10101")
    told = w.centre.found("lost_radio")
    assert [("一信道" in event.detail) for event in told] == [True]
