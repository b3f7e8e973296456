"""Effects on their way to the drivers: at once when it is calm, after the receipts in a storm."""

import asyncio
from dataclasses import dataclass, field

import pytest

from gateway.core.effects import AnswerPress, PageChannel, SendText, WithdrawPage
from gateway.hand_out import CALM_AFTER_S, LONGEST_WAIT_S, STORM, HandOut
from gateway.interfaces import Outgoing, SetupError


@dataclass
class Keeper:
    """A driver that keeps what it is given."""

    name: str = "chat:work"
    taken: list = field(default_factory=list)

    def deliver(self, outgoing):
        self.taken.append(outgoing.id)


class Narrow(Keeper):
    """A driver that takes nothing."""

    def deliver(self, outgoing):
        raise SetupError(f"row {outgoing.id} is not for me")


def rows(*ids):
    text = SendText(chat="work", address="1", text="打架", level=2, not_after_us=0)
    return [("chat:work", Outgoing(id=i, effect=text)) for i in ids]


class Room:
    def __init__(self, driver=None):
        self.keeper = driver or Keeper()
        self.homeless, self.failures = [], []
        self.out = HandOut(lambda name, row: self.homeless.append(row.id), self.failures.append)
        self.out.change_drivers({"chat:work": self.keeper})

    def storm(self):
        """Have so many alerts decided on at once that it is a storm."""
        for _ in range(STORM):
            self.out.receipt_due()

    def calm(self):
        for _ in range(STORM):
            self.out.receipt_given()

    async def until(self, condition):
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110  # many things may change it
                await asyncio.sleep(0.005)


@pytest.mark.asyncio
async def test_one_alert_is_handed_out_at_once():
    room = Room()
    room.out.receipt_due()
    room.out.receipt_given()
    room.out.take(rows(1, 2), at_once=False)
    assert room.keeper.taken == [1, 2]


@pytest.mark.asyncio
async def test_in_a_storm_level_1_goes_at_once_and_the_rest_trickles_in_order():
    room = Room()
    room.storm()
    for n in range(1, 40):
        room.out.take(rows(n), at_once=False)
    room.out.take(rows(99), at_once=True)
    assert room.keeper.taken == [99]
    await room.until(lambda: len(room.keeper.taken) >= 3)
    assert len(room.keeper.taken) < 20, "a trickle, while receipts are due"
    room.calm()
    await room.until(lambda: len(room.keeper.taken) == 40)
    assert room.keeper.taken[1:] == list(range(1, 40))


@pytest.mark.asyncio
async def test_the_first_alert_after_a_storm_waits_for_nothing():
    room = Room()
    room.storm()
    room.out.take(rows(1), at_once=False)
    room.calm()
    await room.until(lambda: room.keeper.taken == [1])
    await asyncio.sleep(2 * CALM_AFTER_S)
    room.out.receipt_due()
    room.out.receipt_given()
    room.out.take(rows(2), at_once=False)
    assert room.keeper.taken == [1, 2]


@pytest.mark.asyncio
async def test_a_guard_is_answered_in_the_middle_of_a_storm():
    room = Room()
    room.storm()
    room.out.take(rows(1), at_once=False)
    toast = AnswerPress(chat="work", press="7", text="已收到", alert=False, not_after_us=0)
    answered = ("chat:work", Outgoing(id=3, effect=toast))
    room.out.take([*rows(2), answered], at_once=False)
    assert room.keeper.taken == [3]
    room.calm()
    await room.until(lambda: room.keeper.taken == [3, 1, 2])


@pytest.mark.asyncio
async def test_a_storm_without_end_holds_nothing_back_for_longer_than_its_limit():
    room = Room()
    loop = asyncio.get_running_loop()
    room.storm()
    began_s = loop.time()
    for n in range(400):
        room.out.take(rows(n), at_once=False)
    async with asyncio.timeout(5):
        while len(room.keeper.taken) < 400:
            room.out.receipt_due()
            await asyncio.sleep(0.005)
    assert loop.time() - began_s >= LONGEST_WAIT_S / 2, "it did trickle"
    assert room.keeper.taken == list(range(400))


@pytest.mark.asyncio
async def test_what_follows_the_held_back_does_not_overtake_it():
    room = Room()
    room.storm()
    room.out.take(rows(1), at_once=False)
    room.calm()
    room.out.take(rows(2), at_once=False)
    await room.until(lambda: len(room.keeper.taken) == 2)
    assert room.keeper.taken == [1, 2]


@pytest.mark.asyncio
async def test_a_driver_that_raises_while_held_back_rows_go_out_is_told():
    room = Room(Narrow())
    room.storm()
    room.out.take(rows(1), at_once=False)
    await room.until(lambda: room.failures)
    assert "not for me" in str(room.failures[0])


@pytest.mark.asyncio
async def test_unsettled_rows_go_to_the_successor_and_say_that_they_may_have_left():
    room = Room()
    room.out.take(rows(1, 2, 3), at_once=False)
    room.out.started(2)
    room.out.settle(1)
    successor = Keeper()
    seen = []
    successor.deliver = seen.append
    room.out.change_drivers({"chat:work": successor})
    assert [(o.id, o.again) for o in seen] == [(2, True), (3, False)]
    room.out.change_drivers({})
    assert room.homeless == [2, 3]


@pytest.mark.asyncio
async def test_a_page_that_waits_in_a_storm_goes_before_its_withdrawal():
    """The other way round its channel would not know it yet, and speak it afterwards."""
    room = Room()
    room.storm()
    page = PageChannel(
        page="p1", channel="ch1", order="o1", level=2, number="01", text=("演练",),
        language="zh_CN", not_after_us=0,
    )  # fmt: skip
    back = WithdrawPage(page="p1", channel="ch1", reason="aborted")
    room.out.take([("chat:work", Outgoing(id=1, effect=page))], at_once=False)
    room.out.take(rows(2), at_once=False)
    room.out.take([("chat:work", Outgoing(id=3, effect=back))], at_once=True)
    assert room.keeper.taken == [1, 3]
    room.calm()
    await room.until(lambda: room.keeper.taken == [1, 3, 2])
