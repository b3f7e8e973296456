"""At any hour, through a kill, without the internet, with a district of guards."""

from tests.stories.world import instead, story, without


@story("A5", "D10", off=without("gateway.journal.memory.MemoryJournal._fold"))
async def test_an_order_outlives_the_engine(w):
    """The engine is killed in mid-order at night; what it knew, it knows again."""
    await w.sleep(15 * 3600)
    receipt = await w.alert(grid="east")
    await w.sleep(1)
    await w.kill()
    await w.sleep(20)
    await w.start()
    await w.until(lambda: w.chat.card("zhao"))
    await w.press("zhao", "收到")
    assert w.centre.found("acknowledged", person="zhao", number=receipt.number)
    again = await w.send(w._last, "alert")
    assert (again.status, again.order) == ("duplicate", receipt.order)


@story("A5", off=without("gateway.engine.Clocks.arm"))
async def test_the_ladder_goes_on_after_a_restart(w):
    """Nobody answers and the engine dies: the repetition comes all the same."""
    await w.alert(grid="east")
    await w.sleep(20)
    await w.kill()
    await w.sleep(5)
    await w.start()
    await w.sleep(80)
    assert len(w.pages("east")) == 2
    assert w.centre.found("escalated")


@story("D10", off=instead("gateway.hand_out.once_more", lambda outgoing: outgoing))
async def test_what_may_stand_twice_after_a_power_cut_says_so(w):
    """Cards were on their way when the power went: shown again, they are marked."""
    w.driver.leave()
    receipt = await w.alert(grid="east")
    await w.sleep(1)
    await w.kill()
    w.driver.come_back()
    await w.start()
    await w.until(lambda: w.chat.card("zhang"))
    card = w.chat.card("zhang")
    assert "【重发】" in card.edits[0]
    assert receipt.number in card.text


@story("D11", off=without("gateway.core.calls.calling.page_channel"))
async def test_the_radio_works_with_the_internet_down(w):
    """No chat at all: the order is spoken, answered by digits, and known to the centre."""
    w.fail("chat:work")
    await w.sleep(5)
    receipt = await w.alert(grid="east")
    await w.until(lambda: w.pages("east") and w.pages("east")[0].ended_us)
    assert w.chat.card("zhang") is None
    assert await w.key("east", f"*{receipt.number} 101 1#") is True
    assert w.centre.found("acknowledged", person="zhang", medium="radio")
    w.mend("chat:work")
    await w.until(lambda: w.chat.card("east"))
    assert "张三：收到" in w.chat.card("east").text.replace(" ", "")


def _district():
    """Return 50 grids, 8 channels, 500 people more: a tenth of the guards, all of the grids."""
    grids, people, channels = {}, {}, {}
    for c in range(8):
        channels[f"n{c}"] = {
            "name": f"{c}号", "licence": {"frequency_mhz": 409.0 + c / 8, "number": f"N{c}"},
            "control": {"url": f"rfc2217://127.0.0.1:{7300 + c}", "ptt": "rts"},
            "audio": {"url": f"rtp://127.0.0.1:{7400 + c}?local_port={7500 + c}&codec=l16"},
        }  # fmt: skip
    for g in range(50):
        lat, lon = 26 + 0.02 * (g // 10), 118 + 0.02 * (g % 10)
        grids[f"g{g}"] = {
            "name": f"{g}网格", "zone": "edge", "channel": f"n{g % 8}", "chat": "work/west",
            "polygon": [[lat, lon], [lat, lon + 0.01], [lat + 0.01, lon + 0.01], [lat + 0.01, lon]],
            "first_manager": "chief", "second_manager": "head", "station": "station",
        }  # fmt: skip
        for p in range(10):
            people[f"q{g}_{p}"] = {
                "name": f"保安{g}-{p}", "organisation": "dongmen", "grids": [f"g{g}"],
                "contacts": {"work": str(100_000 + 10 * g + p)},
            }  # fmt: skip
    return {"grids": grids, "people": people, "channels": channels}


@story("D3", off=without("gateway.core.calls.first_call.call_guards"), settings=_district())
async def test_a_whole_district_on_one_machine(w):
    """Fifty grids are called within the same minute; each guard has his own grid's order."""
    orders = {}
    for g in range(50):
        orders[g] = (await w.alert(grid=f"g{g}", level=3)).number
    await w.until(lambda: all(w.chat.card(f"q{g}_9") for g in range(50)), limit_s=60)
    for g in range(50):
        assert f"{orders[g]}号" in w.chat.card(f"q{g}_0").text
        assert len(w.chat.cards(f"q{g}_5")) == 1
