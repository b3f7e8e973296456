"""Voice notes on their way to a chat: whole, below everything of an order, never for ever."""

import asyncio

import pytest

from drivers.telegram.limits import TALK_IN_FLIGHT, Limits
from drivers.telegram.send_queue import SendQueue, Waiting
from gateway.core.effects import SendVoice
from tests.drivers.chat_contract import GROUP, LI, card, running, soon_us
from tests.drivers.telegram.test_bot import TelegramWorld, post
from tests.drivers.telegram.test_limits import OPEN, taken, waiting

OVER = b"OggS" + bytes(range(256)) * 40


def voice(name="20261122/gate/v1.ogg", **changes):
    fields = {
        "chat": "work", "address": GROUP, "path": name, "duration_s": 4,
        "caption": "张三 · 一信道 · 4 秒", "not_after_us": soon_us(),
    }  # fmt: skip
    return SendVoice(**fields | changes)


@pytest.fixture
def world(server, tmp_path):
    over = tmp_path / "recordings" / "20261122" / "gate" / "v1.ogg"
    over.parent.mkdir(parents=True)
    over.write_bytes(OVER)
    return TelegramWorld(server, tmp_path / "media")


@pytest.mark.asyncio
async def test_an_over_stands_in_the_chat_as_it_was_recorded(world, server):
    async with running(world.driver, world.intake):
        post(world, 1, voice())
        await world.intake.until(lambda: world.intake.settled == [1])
    (note,) = server.posts()
    assert (note.chat, note.text) == (int(GROUP), "张三 · 一信道 · 4 秒")
    assert server.file(note) == OVER
    (call,) = [c for c in server.calls if c.method.lower() == "sendvoice"]
    assert int(call.params["duration"]) == 4


@pytest.mark.asyncio
async def test_a_lost_answer_makes_one_marked_repetition(world, server):
    server.fail_next("sendVoice", "lost")
    async with running(world.driver, world.intake):
        post(world, 1, voice())
        await world.intake.until(lambda: world.intake.settled == [1])
    first, second = server.posts()
    assert second.text == "【重发】" + first.text


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["20261122/gate/gone.ogg", "../../secret", "/etc/hostname"])
async def test_a_file_that_is_not_there_or_not_ours_holds_nothing_up(world, server, path):
    (world.media_dir.parent / "secret").write_bytes(b"secret")
    async with running(world.driver, world.intake):
        post(world, 1, voice(path))
        post(world, 2, voice())
        await world.intake.until(lambda: sorted(world.intake.settled) == [1, 2])
    assert len(server.posts()) == 1
    assert all(b"secret" not in server.file(note) for note in server.posts())


@pytest.mark.asyncio
async def test_an_order_does_not_wait_for_an_upload_that_hangs(world, server):
    server.fail_next("sendVoice", "hang", times=TALK_IN_FLIGHT)
    async with running(world.driver, world.intake):
        for number in range(5):
            post(world, number, voice(address=str(-100 - number)))
        await server.wait_until(lambda: not server._asked_faults["sendvoice"])
        began = asyncio.get_running_loop().time()
        post(world, 10, card("work"))
        await world.intake.until(lambda: 10 in world.intake.settled)
        assert asyncio.get_running_loop().time() - began < 1.0


def test_talk_goes_last_and_few_at_a_time():
    queue = SendQueue(OPEN)
    for number in range(5):
        queue.put(waiting(voice(address=str(-number - 1))))
    first = [queue.take(0.0) for _ in range(TALK_IN_FLIGHT)]
    assert all(isinstance(item, Waiting) for item in first)
    assert not isinstance(queue.take(0.0), Waiting), "further talk waits for an end"
    queue.put(waiting(card("work", level=3, address=LI)))
    assert queue.take(0.0).effect.level == 3, "a card does not"
    queue.ended(first[0], 0.0)
    assert queue.take(0.0).effect.level == 4


def test_talk_has_a_bucket_of_its_own_and_leaves_room_for_cards():
    queue = SendQueue(Limits(per_chat_per_s=1000, per_group_per_min=20, per_s=1000))
    for _ in range(40):
        queue.put(waiting(voice()))
    assert len(taken(queue)) == 10, "half a minute's worth of the group"
    for number in range(10):
        queue.put(waiting(card("work", f"c{number}", level=2)))
    cards = taken(queue, 0.1)
    assert [item.effect.card for item in cards] == [f"c{n}" for n in range(6)], "and a reserve"
    queue.put(waiting(card("work", "urgent", level=1)))
    assert [item.effect.card for item in taken(queue, 0.2)] == ["urgent"]
    later = taken(queue, 60.5)
    assert [item.talk for item in later][:4] == [False] * 4, "cards that waited go first"
    assert sum(item.talk for item in later) <= 10


@pytest.mark.asyncio
async def test_a_voice_note_of_another_chat_is_passed_on_and_only_out_of_its_folder(
    world, server
):
    world.media_dir.mkdir(exist_ok=True)
    (world.media_dir / "work-12.ogg").write_bytes(OVER[::-1])
    note = {"folder": "media", "duration_s": 0, "caption": "张三说："}
    async with running(world.driver, world.intake):
        post(world, 1, voice("work-12.ogg", **note))
        post(world, 2, voice("work-12.ogg"))
        post(world, 3, voice("20261122/gate/v1.ogg", folder="media"))
        await world.intake.until(lambda: sorted(world.intake.settled) == [1, 2, 3])
    (posted,) = server.posts()
    assert (posted.text, server.file(posted)) == ("张三说：", OVER[::-1])
    (call,) = [c for c in server.calls if c.method.lower() == "sendvoice"]
    assert "duration" not in call.params, "the platform finds it out itself"
