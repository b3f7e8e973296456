"""Who is who: companies and their offices, who may order whom, who has left."""

from tests.stories.world import story, without


@story("A31", off=without("gateway.core.accounts._take_back"))
async def test_what_waits_for_a_leaver_is_taken_back(w):
    """The platform is away; he leaves; when it is back his card is not posted any more."""
    w.fail("chat:work")
    await w.alert(grid="east", needs=2)
    await w.sleep(5)
    await w.leave("zhang")
    await w.sleep(5)
    w.mend("chat:work")
    await w.until(lambda: w.chat.card("li"), limit_s=120)
    await w.sleep(60)
    assert w.chat.all("zhang") == []
    assert not any("1001" in (e.detail or "") for e in w.centre.found("warning"))
