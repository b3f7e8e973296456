"""One is called off at the desk: what he may say then, and what he is free for."""

import pytest

from gateway.core.alert import Level
from gateway.core.calls.events import CalledOff
from gateway.core.effects import Receipt, ReportStatus
from gateway.core.order import Assignment, Node, Order, OrderStatus, Timer
from tests.core.site_for_tests import Desk


def call_off(desk, person=None, grid=None, order="o1"):
    event = CalledOff(
        at_us=desk.now_us, order=order, person=person, grid=grid, reason="另有任务", by="李队"
    )
    (receipt,) = [e for e in desk.take(event) if isinstance(e, Receipt)]
    return receipt


def part(desk, person="zhang", order="o1"):
    return desk.state.find(Assignment, f"{order}/{person}")


def nodes(desk, person):
    return [e.node for e in desk.asked if isinstance(e, ReportStatus) and e.person == person]


def order_of(desk, id_="o1"):
    return desk.state.find(Order, id_)


def test_he_may_come_back_by_saying_so_or_by_being_named():
    """知道了 is not taking it; on the way is, and then his card is as everybody's."""
    desk = Desk("zhang", "li")
    desk.alert()
    desk.post()
    desk.press("zhang", "1")
    call_off(desk, "zhang")
    desk.press("zhang", "1")
    assert part(desk).said[-1].node is Node.STOOD_DOWN
    assert order_of(desk).status is OrderStatus.CALLING
    desk.press("zhang", "2")
    assert order_of(desk).status is OrderStatus.ACKNOWLEDGED
    desk.press("zhang", "1")
    assert part(desk).said[-1].node is Node.EN_ROUTE
    call_off(desk, "zhang")
    desk.update(to="person/zhang")
    assert part(desk).said[-1].node is Node.RECALLED
    assert not part(desk).off
    desk.press("zhang", "1")
    assert order_of(desk).status is OrderStatus.ACKNOWLEDGED


def test_who_was_told_on_the_air_may_answer_there():
    desk = Desk("zhang", "wang")
    desk.alert()
    desk.speak()
    assert desk.keys("*10 103 1#")
    desk.wait(20)
    assert call_off(desk, "wang").status == "accepted"
    assert any("王五撤回" in sentence for page in desk.pages() for sentence in page.text)
    desk.speak()
    assert desk.keys("*10 103 1#")
    assert nodes(desk, "wang")[-2:] == ["released", "stood_down"]
    assert [t for t in desk.state.each(Timer) if t.what.startswith("stand_down")] == []


def test_he_is_free_for_another_order():
    desk = Desk("zhang")
    desk.alert()
    desk.post()
    desk.press("zhang", "1")
    call_off(desk, "zhang")
    assert desk.state.taken_by("zhang") == frozenset()
    desk.alert(id="JQ-2")
    assert part(desk, order="o2") is not None


@pytest.mark.parametrize("level", [Level.ONE, Level.THREE])
def test_a_cancel_asks_nobody_twice(level):
    """Who knows already that he is off is not asked again when the whole order is."""
    desk = Desk("zhang", "li")
    desk.alert(level=level)
    desk.post()
    desk.press("zhang", "1")
    call_off(desk, "zhang")
    desk.press("zhang", "1")
    desk.cancel()
    desk.wait(130)
    assert nodes(desk, "zhang").count("stand_down_missing") == 0
    assert nodes(desk, "li").count("stand_down_missing") == 1


def test_what_cannot_be_called_off_is_refused():
    desk = Desk("zhang", "station")
    desk.alert()
    desk.press("zhang", "0")
    for person, grid in (("zhang", None), ("station", None), ("li", None), (None, "G1")):
        assert call_off(desk, person, grid).status == "refused"
    assert call_off(desk, "zhang", order="o9").status == "refused"
