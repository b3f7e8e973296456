"""After an order was sent: warnings, the police take over, a photo to the groups, reopening."""

from tests.stories.world import instead, story, without

MUSTER = {"grids": {"east": {"muster": "派出所门口"}}}
RESULTS = {"results": {"settled": {"name": "纠纷—化解", "follow_up_days": 1}}}
PHOTO = "0123456789abcdef0123456789abcdef"
ASKED = "寻找穿红衣的走失老人"


def keep_photo(w, name=f"{PHOTO}.jpg"):
    """Somebody has left a photo at the door."""
    (w.folder / "media").mkdir(exist_ok=True)
    (w.folder / "media" / name).write_bytes(b"\xff\xd8\xff a face")


def photos(w, *groups):
    return [[m for m in w.chat.all(group) if m.photo] for group in groups]


async def released(w, **fields):
    """An alert, and its photo released to the groups of east and west."""
    keep_photo(w)
    await w.alert(grid="east", category="missing", text="老人走失")
    asked = {"to": ["grid/east", "grid/west"], "media": PHOTO, "caption": ASKED} | fields
    receipt = await w.act("photo", order="o1", **asked)
    await w.sleep(5)
    return receipt


async def none_before_the_release(w):
    keep_photo(w)
    await w.alert(grid="east", category="missing", text="老人走失")
    await w.photo("zhang", b"\xff\xd8\xff another")
    await w.sleep(600)
    assert photos(w, "east", "middle", "west") == [[], [], []], "nobody has released anything"


# ---- a photo to the groups ----


@story("E11", off=without("gateway.core.after.photo.photo_answered", gives=False))
async def test_a_photo_goes_to_chosen_groups_and_answers_come_back_under_the_order(w):
    """Released by a named person; words, then a place: told with names, and measured."""
    receipt = await released(w)
    assert receipt is not None
    assert receipt.status == "accepted"
    (east,), middle, (west,) = photos(w, "east", "middle", "west")
    assert middle == []
    assert ASKED in east.text
    assert "10号" in west.text
    await w.sleep(115)
    answer = await w.write("li", "刚才在菜市场见过", group="east", reply_to=east)
    assert answer is not None
    assert "指挥中心" in answer
    await w.sleep(120)
    await w.location("sun", 25.004, 118.025, group="west", reply_to=west)
    await w.photo("sun", b"\xff\xd8\xff", group="west", reply_to=west)
    replies = [(e.person, e.order, len(e.media)) for e in w.centre.found("photo_reply")]
    assert replies == [("li", "o1", 0), ("sun", "o1", 0), ("sun", "o1", 1)]
    assert "菜市场" in w.centre.found("photo_reply")[0].detail
    (useful,) = w.centre.found("photo_useful")
    assert 230 < w.t(useful) < 260, "the first place, not the words before it"
    assert "24" in useful.detail
    assert w.centre.found("report") == [], "an answer is no new report"


@story("E11", off=without("gateway.core.after.photo.photo_due"))
async def test_a_photo_is_taken_back_when_its_minutes_are_over(w):
    """Deleted in each group; where the platform deletes no more its words are changed."""
    await released(w, minutes=30)
    (east,), _, (west,) = photos(w, "east", "middle", "west")
    w.driver.undeletable.add(west.id)
    await w.sleep(29 * 60)
    assert (east.deleted, west.deleted) == (False, False)
    await w.sleep(120)
    assert east.deleted
    assert "已撤回" in west.text
    assert len(w.centre.found("photo_recalled")) == 1
    assert any("人工删除" in e.detail for e in w.centre.found("warning"))


@story("E11", off=without("gateway.core.after.photo.recall_photos"))
async def test_a_photo_goes_with_its_order(w):
    """Closing the order takes it back; no further photo goes out for it."""
    await released(w)
    (east,), _, (west,) = photos(w, "east", "middle", "west")
    await w.close("o1", result="已找到")
    await w.sleep(5)
    assert (east.deleted, west.deleted) == (True, True)
    refused = await w.act("photo", order="o1", to="grid/east", media=PHOTO)
    assert refused is not None
    assert refused.status == "refused"


@story(
    "E11", settings={"policy": {"forbidden": ["持枪"]}},
    off=without("gateway.core.after.photo._kept_from_guards", gives=False),
)  # fmt: skip
async def test_a_photo_of_a_held_alert_goes_to_nobody(w):
    """What guards are not to know yet is not shown to them in a picture."""
    keep_photo(w)
    await w.alert(grid="east", text="寻找持枪男子")
    asked = {"order": "o1", "to": ["grid/east"], "media": PHOTO, "caption": ASKED}
    refused = await w.act("photo", **asked)
    assert (refused.status, "放行" in (refused.reason or "")) == ("refused", True)
    await w.sleep(10)
    assert photos(w, "east") == [[]]
    await w.act("release", order="o1", by="李警官", reason="需要协查")
    assert (await w.act("photo", **asked)).status == "accepted"
    await w.sleep(10)
    assert len(photos(w, "east")[0]) == 1


@story("E11", off=without("gateway.core.after.photo._ask_back"))
async def test_a_photo_is_taken_back_at_once_by_an_act_even_from_a_group_not_reached_yet(w):
    """What was waiting for the platform is taken back when it stands there."""
    await w.alert(grid="east", category="missing", text="老人走失")
    keep_photo(w)
    w.fail("chat:work")
    await w.act("photo", order="o1", to="grid/east", media=PHOTO)
    await w.act("photo_recall", order="o1")
    w.mend("chat:work")
    await w.sleep(10)
    ((east,),) = photos(w, "east")
    assert east.deleted


def released_by_itself(draft, media):
    """What must never be: a photo of a guard goes to a group without anybody's release."""
    from gateway.core.after.events import PhotoActed
    from gateway.core.after.photo import photo_acted

    del media
    photo_acted(
        draft,
        PhotoActed(
            at_us=draft.now_us, order="o1", act="release", by="", media=PHOTO,
            grids=("east",), minutes=60,
        ),
    )  # fmt: skip


@story("E11", off=instead("gateway.core.dispatch.media_received", released_by_itself))
async def test_no_photo_goes_out_that_nobody_has_released(w):
    """Guards' photos and uploaded ones lie where they are until a named person acts."""
    await none_before_the_release(w)
    nobody = await w.act("photo", by="", order="o1", to="grid/east", media=PHOTO)
    assert nobody is not None
    assert nobody.status == "refused"
    nowhere = await w.act("photo", order="o1", to="grid/nowhere", media=PHOTO)
    assert nowhere is not None
    assert "nowhere" in nowhere.reason
    video = await w.act("photo", order="o1", to="grid/east", media="a.mp4")
    assert video is not None
    assert "photos only" in video.reason
    assert photos(w, "east", "middle", "west") == [[], [], []]


# ---- inside the same order ----


@story("E14", off=without("gateway.core.dispatch.order_tended"))
async def test_a_warning_reaches_everybody_called_and_the_level_stays(w):
    """Spoken short and written, under the same number, between an update and the cancel."""
    await w.alert(grid="east", level=3)
    await w.until(lambda: w.pages("east"))
    await w.press("zhang", "收到")
    await w.act("caution", order="o1", text="对方有刀，不要靠近")
    await w.sleep(60)
    warned = w.pages("east")[-1]
    assert "对方有刀" in warned.text
    assert warned.level == 3
    for who in ("zhang", "li"):
        assert any("对方有刀" in line for line in w.chat.lines(who))
    await w.update(level=3, text="两人打架，一人受伤")
    await w.cancel(reason="已处置")
    await w.sleep(60)
    assert {e.order for e in w.centre.events if e.order} == {"o1"}
    assert len(w.centre.found("caution")) == 1
    assert w.chat.card("zhang").text.count("三级警情") == 1


@story("E14", off=without("gateway.core.dispatch.order_tended"))
async def test_a_warning_reaches_who_is_still_there_hours_later(w):
    """An order that has been open for hours is past its calling time; a warning is not."""
    await w.alert(grid="east", level=3)
    await w.press("zhang", "到场")
    await w.sleep(3 * 3600)
    before = len(w.pages("east"))
    await w.act("caution", order="o1", text="煤气泄漏，后退")
    await w.sleep(30)
    assert len(w.pages("east")) == before + 1


async def without_the_journal(event, _state, _journal):
    return event


@story("E14", off=instead("gateway.forgotten.with_prior", without_the_journal))
async def test_an_order_of_yesterday_is_opened_again_under_its_id(w):
    """Closed too early, found out a day later: the same order, its people called afresh."""
    await w.alert(grid="east")
    await w.press("zhang", "完成")
    await w.close("o1", result="化解")
    await w.sleep(25 * 3600)
    await w.alert(grid="west")
    await w.close("o2", result="化解")
    receipt = await w.act("reopen", order="o1", why="人又打起来了")
    assert receipt is not None
    assert (receipt.status, receipt.order, receipt.number) == ("accepted", "o1", "10")
    await w.until(lambda: w.pages("east")[1:])
    assert len(w.centre.found("accepted")) == 2, "no new order"
    await w.press("zhao", "收到")
    assert w.centre.nodes("zhao")[-1] == "acknowledged", "of the crew that is on duty now"
    assert w.centre.nodes("zhang")[-1] == "done", "what was said before stays said"


# ---- the police take over ----


@story("A13", settings=MUSTER, off={"grids": {"east": {"muster": None}}})
async def test_where_they_gather_is_in_the_order(w):
    """Spoken, and on the card."""
    await w.alert(grid="east")
    await w.sleep(40)
    assert "派出所门口集结" in w.pages("east")[0].text
    assert "派出所门口" in w.chat.card("zhang").text


@story("A13", off=without("gateway.core.life._hands_over", gives=False))
async def test_the_police_take_it_over_and_it_is_known_from_how_many(w):
    """Two arrive, one hands over by a button: two were there, the order is the police's."""
    await w.alert(grid="east", needs=2)
    await w.press("zhang", "到场")
    assert await w.key("east", "*10 103 3#", ani="10103") is True
    await w.press("zhang", "移交民警")
    (told,) = w.centre.found("handover")
    assert told.person == "zhang"
    assert "2人" in told.detail
    await w.press("zhang", "不能去")
    climbed = len(w.pages("east"))
    await w.sleep(1800)
    assert len(w.pages("east")) == climbed, "nobody else is called for what the police have"
    assert w.centre.found("closed") == [], "and no clock closes it"


@story("A13", off=without("gateway.core.life._hands_over", gives=False))
async def test_the_station_takes_over_and_so_does_a_key(w):
    """The station's own button appears once somebody is there; a guard keys a 6."""
    await w.alert(grid="east")
    await w.press("zhang", "到场")
    await w.press("station", "移交民警")
    assert [e.person for e in w.centre.found("handover")] == ["station"]
    assert w.centre.found("owner")[-1].person == "station"
    assert await w.key("east", "*10 101 6#", ani="10101") is True
    assert {e.person for e in w.centre.found("handover")} == {"station", "zhang"}


@story("C16", "A13", off=without("gateway.core.calls.owner._police", gives=()))
async def test_what_was_handed_over_is_the_stations(w):
    """The centre hears it by voice and says so: the station is accountable from then on."""
    await w.alert(grid="east")
    await w.press("zhang", "到场")
    assert w.centre.found("owner")[-1].person == "zhang"
    await w.act("handover", order="o1", note="东街派出所民警到场")
    assert w.centre.found("owner")[-1].person == "station"
