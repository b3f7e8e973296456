"""One alert, one corridor: the rows that the order itself serves."""

from tests.stories.world import story, without


@story("A19", off=without("gateway.core.intake._call_station"))
async def test_the_station_is_ordered_at_the_same_moment(w):
    """The station has its own card with the guards', and a clock of its own."""
    await w.alert(grid="east")
    await w.until(lambda: w.pages("east"))
    card = w.chat.card("station")
    assert card is not None
    assert "派出所同步指令" in card.text
    await w.sleep(62)
    assert [e.node for e in w.centre.events if e.person == "station"] == ["told", "breach"]
    await w.press("station", "收到")
    assert "acknowledged" in w.centre.nodes("station")
