"""Photos on the real wire: posted whole, taken back, and what the platform or the file refuses."""

import os

import pytest

from drivers.telegram.photos import LARGEST_PHOTO_BYTES
from gateway.core.after.events import PhotoFailed, PhotoPosted, PhotoTakenBack
from gateway.core.effects import PostPhoto, RecallPhoto
from tests.drivers.chat_contract import GROUP, running, soon_us
from tests.drivers.telegram.test_bot import TelegramWorld, post

FACE = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40
ID = "0123456789abcdef0123456789abcdef"


def photo(media=ID, **changes):
    fields = {
        "post": "g1", "chat": "work", "address": GROUP, "media": media,
        "caption": "【12号协查】走失老人", "level": 2, "not_after_us": soon_us(),
    }  # fmt: skip
    return PostPhoto(**fields | changes)


def recall(message, **changes):
    fields = {
        "post": "g1", "chat": "work", "address": GROUP, "message": str(message.id),
        "caption": "【12号协查】已撤回", "level": 2, "not_after_us": soon_us(),
    }  # fmt: skip
    return RecallPhoto(**fields | changes)


@pytest.fixture
def world(server, tmp_path):
    media = tmp_path / "media"
    media.mkdir()
    (media / f"{ID}.jpg").write_bytes(FACE)
    (media / "work-7.jpg").write_bytes(FACE)
    (media / "film.jpg").write_bytes(b"\0\0\0 ftypmp42" + bytes(99))
    (tmp_path / "secret.jpg").write_bytes(FACE)
    huge = media / "huge.jpg"
    huge.write_bytes(FACE)
    os.truncate(huge, 50 * 1024 * 1024)
    return TelegramWorld(server, media)


def told(world, kind):
    return [event for event in world.intake.events if isinstance(event, kind)]


async def posted(world, server, effect=None):
    """A photo that stands in the group."""
    post(world, 1, effect or photo())
    await world.intake.until(lambda: told(world, PhotoPosted))
    (message,) = server.posts()
    return message


@pytest.mark.asyncio
@pytest.mark.parametrize("media", [ID, "work-7.jpg"])
async def test_a_photo_stands_in_the_group_as_it_was_left(world, server, media):
    async with running(world.driver, world.intake):
        message = await posted(world, server, photo(media))
    assert (message.chat, message.text) == (int(GROUP), "【12号协查】走失老人")
    assert server.file(message) == FACE
    (event,) = told(world, PhotoPosted)
    assert (event.post, event.message) == ("g1", str(message.id))
    assert world.intake.settled == [1]


@pytest.mark.asyncio
async def test_a_photo_is_deleted_and_twice_is_as_once(world, server):
    async with running(world.driver, world.intake):
        message = await posted(world, server)
        post(world, 2, recall(message))
        await world.intake.until(lambda: told(world, PhotoTakenBack))
        assert message.deleted
        post(world, 3, recall(message))
        await world.intake.until(lambda: len(told(world, PhotoTakenBack)) == 2)
    assert [event.how for event in told(world, PhotoTakenBack)] == ["deleted", "deleted"]
    assert message.text == "【12号协查】走失老人"


@pytest.mark.asyncio
async def test_where_the_platform_deletes_no_more_its_words_say_that_it_is_withdrawn(
    world, server
):
    async with running(world.driver, world.intake):
        message = await posted(world, server)
        server.undeletable.add(message.id)
        post(world, 2, recall(message))
        await world.intake.until(lambda: told(world, PhotoTakenBack))
    (back,) = told(world, PhotoTakenBack)
    assert back.how == "replaced"
    assert not message.deleted
    assert message.text == "【12号协查】已撤回"


@pytest.mark.asyncio
async def test_a_lost_answer_to_a_recall_takes_nothing_else_back(world, server):
    async with running(world.driver, world.intake):
        message = await posted(world, server)
        server.fail_next("deleteMessage", "lost")
        post(world, 2, recall(message))
        await world.intake.until(lambda: told(world, PhotoTakenBack))
    assert message.deleted
    assert [event.how for event in told(world, PhotoTakenBack)] == ["deleted"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("media", "why"),
    [
        ("gone", "no photo gone"),
        ("../secret.jpg", "outside"),
        ("film.jpg", "no JPEG or PNG"),
        ("huge.jpg", str(LARGEST_PHOTO_BYTES)),
    ],
)
async def test_a_file_that_is_no_photo_to_be_shown_is_refused_with_the_reason(
    world, server, media, why
):
    async with running(world.driver, world.intake):
        post(world, 1, photo(media))
        await world.intake.until(lambda: told(world, PhotoFailed))
    (failed,) = told(world, PhotoFailed)
    assert failed.state == "failed"
    assert why in failed.reason
    assert server.posts() == []
    assert world.intake.settled == [1]


@pytest.mark.asyncio
async def test_a_photo_whose_time_is_over_is_not_posted(world, server):
    async with running(world.driver, world.intake):
        post(world, 1, photo(not_after_us=soon_us() - 700_000_000))
        await world.intake.until(lambda: told(world, PhotoFailed))
    assert [event.state for event in told(world, PhotoFailed)] == ["expired"]
    assert server.posts() == []
