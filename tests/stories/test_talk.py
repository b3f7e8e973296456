"""Talk of a talk group is carried to its other members, chats among one another too."""

from tests.stories.world import story, without

PATCHED = {"talk_groups": {"east_west": {"members": ["channel:east", "chat:work/east",
                                                     "chat:work/west"]}}}  # fmt: skip


@story("A17", off=without("gateway.core.talk.talk._post_on"), settings=PATCHED)
async def test_what_is_written_in_one_work_group_stands_in_the_other_of_its_talk_group(w):
    """Two groups read one another; who wrote it is named, and nothing goes round twice."""
    await w.write("zhang", "东门的车往西走了，白色面包", group="east")
    await w.until(lambda: w.chat.lines("west"))
    await w.write("sun", "西边看见了，跟着", group="west")
    await w.sleep(30)
    names = {who: w.chat.lines(who) for who in ("east", "west")}
    assert [t for t in names["west"] if "东门的车" in t] == ["张三说：东门的车往西走了，白色面包"]
    assert len([t for t in names["east"] if "西边看见了" in t]) == 1
    assert not [t for who in names for t in names[who] if t.count("说：") > 1]
    spoken = [s for s in w.air if s.kind == "talk" and s.channel == "east"]
    assert len(spoken) == 2, "and the channel of the group has heard both"


@story("A17", off=without("gateway.core.talk.talk._post_on"), settings=PATCHED)
async def test_a_voice_note_is_played_in_the_other_work_group(w):
    """His own voice, not a transcript, with his name beside it."""
    await w.voice("zhang", b"OggS" + bytes(60), group="east")
    await w.until(lambda: w.chat.lines("west"))
    assert w.chat.lines("west") == ["张三说："]
