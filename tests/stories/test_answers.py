"""Awkward moments of an answer: the tone that was not heard, the order called off meanwhile."""

import asyncio

from tests.stories.world import instead, story, without


async def _last_to_answer(w):
    """Wang, on the radio alone, has done it; the centre closes the order that very moment."""
    await w.alert(grid="east")
    await w.until(lambda: w.pages("east"))
    await w.sleep(12)
    assert await w.key("east", "*10 103 5#")
    await w.close("o1", result="处理完毕")


@story("A14", off=without("gateway.core.answers.ended.repeated"))
async def test_who_did_not_hear_his_tone_and_keys_again_hears_it_though_the_order_is_closed(w):
    """His report is not lost, and the second time he is told the same; the end stays the end."""
    await _last_to_answer(w)
    before = w.centre.nodes("wang")
    assert await w.key("east", "*10 103 5#") is True
    assert await w.key("east", "*10 103 3#") is True, "so is what he must have done before"
    assert w.centre.nodes("wang") == [*before, "repeated_reply", "repeated_reply"]
    assert await w.key("east", "*10 103 0#") is False, "what is new comes too late"
    assert await w.key("east", "*10 101 5#") is False, "and what another never said"


@story("A20", off=without("gateway.core.answers.ended.repeated"))
async def test_a_word_said_again_in_the_chat_after_the_end_is_answered_as_the_first(w):
    """The chat tells him that it stands on record, not that it was refused."""
    await w.alert(grid="east")
    await w.press("zhang", "完成")
    first = await w.write("zhang", "10 完成")
    await w.close("o1", result="处理完毕")
    assert await w.write("zhang", "10 完成") == first
    assert w.centre.nodes("zhang")[-1] == "repeated_reply"


@story("A13", off=instead("gateway.core.airtime._calls_off", lambda _: None))
async def test_who_was_called_is_called_off_at_the_next_clear_moment(w):
    """Not after the time in which he may answer; and whoever keys just then is let finish."""
    await w.alert(grid="east")
    await w.until(lambda: w.pages("east") and w.pages("east")[-1].whole)
    await w.sleep(2)
    async with asyncio.TaskGroup() as group:
        over = group.create_task(w.key("east", "*10 103 1#"))
        await w.sleep(0.5)
        await w.cancel(text="误报")
    assert over.result() is not None, "he was heard to his end"
    await w.until(lambda: len(w.pages("east")) > 1)
    order, off = w.pages("east")
    (cancelled,) = [e for e in w.centre.events if e.node == "cancelled"]
    assert off.order == order.order == "o1"
    assert not off.over_others
    assert w.t(off) - w.t(cancelled) < 5
