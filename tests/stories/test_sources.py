"""Where alerts come from: the centre in any order, several messages of one incident, machines."""

from tests.stories.world import instead, story, without


def alarm(zone: str = "001", host: str = "2252", event: str = "alarm", **fields: object):
    """What an alarm host says, as the receiving centre passes it on."""
    said = {"source": "machine", "host": host, "zone": zone, "event": event}
    return {"sender": "ck", "category": "burglary", "text": "后门红外报警", **said, **fields}


@story("D1", off=without("gateway.core.intake.messages.machine_noted", gives=False))
async def test_tests_and_restored_zones_page_nobody(w):
    """Two thousand hosts test every night: it is written down, and no telephone rings."""
    for n, event in enumerate(("test", "restore", "trouble")):
        receipt = await w.alert(**alarm(host=f"h{n}", event=event))
        assert (receipt.status, receipt.order) == ("accepted", None)
    await w.sleep(120)
    assert w.pages() == []
    assert w.chat.card("zhang") is None
    assert w.centre.found("machine")


@story("D1", off={"machine_alerts": {"site_alarms_per_min": 60}})
async def test_a_storm_of_alarm_hosts_is_held_down(w):
    """Lightning over the town: forty hosts at once are some orders, and each alarm is kept."""
    grids = ("east", "middle", "west")
    receipts = [await w.alert(**alarm(host=f"h{n}", grid=grids[n % 3])) for n in range(40)]
    assert {r.status for r in receipts} == {"accepted"}
    orders = {r.order for r in receipts}
    assert len(orders) <= 20
    assert len(w.centre.found("machine")) == 40 - len(orders)
    await w.sleep(61)
    assert any("又有" in line for line in w.chat.lines("east"))


@story("D1", off={"machine_alerts": {"zones_window_s": 0}})
async def test_two_zones_of_one_house_raise_the_level(w):
    """A door and then a room: somebody is inside, and the order says so."""
    first = await w.alert(**alarm(level=3))
    await w.sleep(20)
    second = await w.alert(**alarm("002", level=3, text="室内红外报警"))
    assert second.order == first.order
    await w.until(lambda: w.centre.found("updated"))
    assert "室内红外报警" in w.centre.found("updated")[0].detail


@story("D1", off={"machine_alerts": {"test_every_h": 0}})
async def test_a_host_that_falls_silent_is_missed(w):
    """It tested yesterday and not today: a cut wire says nothing."""
    await w.alert(**alarm(event="test"))
    await w.sleep(26 * 3600)
    assert any("2252" in (r.detail or "") for r in w.centre.found("warning"))


@story("A16", off=instead("gateway.core.intake.messages._rank", lambda _key: (0, False)))
async def test_an_update_that_is_overtaken_changes_nothing(w):
    """Two brokers, two ways: what the centre sent last stands, and the late one is told so."""
    await w.alert(grid="east")
    early = w.body()["sent"]
    await w.sleep(10)
    await w.update(text="两人持刀往西跑")
    receipt = await w.update(text="两人", sent=early)
    assert receipt.status == "accepted"
    assert receipt.reason
    await w.sleep(5)
    assert "两人持刀往西跑" in w.chat.card("zhang").text


@story("E14", off=without("gateway.core.intake.amending.call_added", gives=False))
async def test_an_update_calls_whom_it_adds_although_enough_have_answered(w):
    """The fight moves on: the next street is called, then a man who is asked for by name."""
    receipt = await w.alert(grid="east")
    await w.press("zhang", "收到")
    await w.until(lambda: w.centre.nodes("zhang"))
    await w.sleep(30)
    assert w.chat.cards("chen") == w.chat.cards("sun") == []
    assert (await w.update(grid="middle", text="往中街跑")).order == receipt.order
    await w.until(lambda: w.chat.card("chen"))
    await w.sleep(1)
    await w.update(grid="middle", to="person/sun", text="请孙八支援")
    await w.until(lambda: w.chat.card("sun"))
    await w.press("sun", "收到")
    await w.until(lambda: "acknowledged" in w.centre.nodes("sun"))
    assert "acknowledged" in w.centre.nodes("zhang"), "nobody was taken away"


@story("A16", off=without("gateway.core.intake.messages._of_incident"))
async def test_two_calls_about_one_incident_are_one_order(w):
    """Five neighbours ring 110: the guards are called once and told what is new."""
    first = await w.alert(incident="SJ-9", grid="east")
    await w.sleep(10)
    second = await w.alert(incident="SJ-9", grid="east", text="又有人报警：持刀")
    assert second.order == first.order
    await w.sleep(5)
    assert len(w.chat.cards("zhang")) == 1
    assert "持刀" in w.chat.card("zhang").text


@story("A16", off=without("gateway.core.intake.messages._bury"))
async def test_a_cancel_that_overtakes_its_alert_keeps_it_off_the_air(w):
    """Nobody is sent to what was called off before we heard of it."""
    receipt = await w.cancel(id="JQ-77", sender="zhzx")
    assert receipt.status == "accepted"
    late = await w.alert(id="JQ-77", sender="zhzx", grid="east")
    assert (late.status, late.order) == ("accepted", None)
    await w.sleep(60)
    assert w.pages() == []
    assert w.chat.card("zhang") is None
