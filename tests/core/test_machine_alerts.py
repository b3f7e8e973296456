"""Alarm hosts: a storm makes few orders and loses nothing, tests and restores call nobody."""

from dataclasses import replace

import pytest

from gateway.core.alert import AlertKind, Level, MachineEvent, MachineSignal
from gateway.core.intake.machines import MachineHost, MachineRules, Merged
from gateway.core.order import AlertKey, Order
from tests.core.site_for_tests import Desk, make_site

RULES = MachineRules(host_alarms=3, site_alarms=6, repeat_s=30, zones_window_s=120)


def desk_with(*people: str, rules: MachineRules = RULES) -> Desk:
    return Desk(*people, site=replace(make_site(), machines=rules))


_count = 0


def says(desk: Desk, host: str, zone: str = "001", event: str = "alarm", **fields: object):
    """An alarm host says something; return the receipt."""
    global _count
    _count += 1
    signal = MachineSignal(host=host, zone=zone, event=MachineEvent(event))
    fields = {"id": f"M-{_count}", "sender": "ck", "text": "后门", "machine": signal} | fields
    return desk.alert(**fields)


def orders(desk: Desk) -> list[Order]:
    return list(desk.state.each(Order))


def test_an_alarm_is_an_alert_like_any_other():
    desk = desk_with("zhang")
    receipt = says(desk, "2252")
    assert (receipt.status, receipt.order, receipt.flags) == ("accepted", "o1", ())
    assert "zhang" in desk.called()
    assert desk.order.alert.machine.host == "2252"


def test_the_same_zone_again_is_the_same_alarm():
    desk = desk_with("zhang")
    first = says(desk, "2252")
    desk.forget()
    desk.pass_time(20)
    again = says(desk, "2252")
    assert (again.status, again.order) == ("accepted", first.order)
    assert again.reason == desk.words("detail_machine_again", host="2252", zone="001", text="后门")
    assert desk.pages() == []
    assert len(orders(desk)) == 1
    assert desk.details("machine") == [again.reason], "it stands in the order's timeline"
    desk.wait(60)
    gaps = {"number": "10", "count": 1, "hosts": "2252/001"}
    assert desk.words("note_machines", **gaps) in desk.notes()["-101"]


def test_the_second_zone_of_a_host_raises_the_level_by_one_and_the_third_does_not():
    desk = desk_with("zhang")
    says(desk, "2252", level=Level.THREE)
    says(desk, "2252", "002", level=Level.THREE)
    assert (len(orders(desk)), desk.order.alert.level) == (1, Level.TWO)
    assert "002" in desk.order.alert.text
    revision = desk.order.revision
    says(desk, "2252", "003", level=Level.THREE)
    assert (desk.order.alert.level, desk.order.revision) == (Level.TWO, revision)


def test_with_the_window_shut_two_zones_are_two_orders():
    """The counter-proof of the one above."""
    desk = desk_with("zhang", rules=replace(RULES, zones_window_s=0))
    says(desk, "2252", level=Level.THREE)
    desk.pass_time(5)
    says(desk, "2252", "002", level=Level.THREE)
    assert [o.alert.level for o in orders(desk)] == [Level.THREE, Level.THREE]


def test_zones_far_apart_in_time_are_two_orders():
    desk = desk_with("zhang")
    says(desk, "2252")
    desk.pass_time(121)
    assert says(desk, "2252", "002").order == "o2"


def test_a_hold_up_button_is_not_hidden_in_a_burglary():
    desk = desk_with("zhang")
    for zone in ("001", "002", "003"):
        says(desk, "2252", zone, level=Level.THREE)
    desk.forget()
    says(desk, "2252", "008", level=Level.ONE, text="抢劫按钮")
    assert desk.order.alert.level is Level.ONE
    assert "抢劫按钮" in desk.order.alert.text
    assert desk.pages()


def test_a_storm_of_many_hosts_makes_an_order_a_grid_and_loses_nothing():
    desk = desk_with("zhang", "chen", "sun")
    receipts = [
        says(desk, f"h{n}", grid=("G1", "G2", "G3")[n % 3], level=Level.THREE) for n in range(60)
    ]
    assert {r.status for r in receipts} == {"accepted"}
    assert len(orders(desk)) == RULES.site_alarms, "those before the storm; all else joined them"
    assert {o.grids[0] for o in orders(desk)} == {"G1", "G2", "G3"}
    merged = list(desk.state.each(Merged))
    assert sum(m.total for m in merged) + len(orders(desk)) == 60
    assert len(list(desk.state.each(AlertKey))) == 60
    assert {r.order for r in receipts} <= {o.id for o in orders(desk)}
    assert len(desk.reports("machine")) == 54


def test_a_grid_that_a_storm_reaches_late_gets_its_own_order():
    desk = desk_with("zhang", "chen")
    for n in range(30):
        says(desk, f"h{n}", grid="G1", level=Level.THREE)
    late = says(desk, "h99", grid="G2", level=Level.THREE)
    assert desk.state.find(Order, late.order).grids == ("G2",)
    urgent = says(desk, "h98", grid="G1", level=Level.ONE)
    assert desk.state.find(Order, urgent.order).alert.level is Level.ONE
    exercise = says(desk, "h97", grid="G1", level=Level.THREE, exercise=True)
    assert desk.state.find(Order, exercise.order).alert.exercise


def test_when_the_storm_is_over_alarms_are_taken_one_by_one():
    desk = desk_with("zhang")
    for n in range(30):
        says(desk, f"h{n}", level=Level.THREE)
    before = len(orders(desk))
    desk.pass_time(61)
    says(desk, "h77", level=Level.THREE)
    assert len(orders(desk)) == before + 1


def test_what_was_merged_is_told_once_a_minute_and_not_after_the_end():
    desk = desk_with("zhang")
    for _ in range(5):
        says(desk, "2252")
    desk.forget()
    desk.wait(60)
    assert len(desk.details("machine")) == 1
    desk.wait(120)
    assert len(desk.details("machine")) == 1, "nothing new, nothing said"
    says(desk, "2252")
    desk.act("close")
    desk.forget()
    desk.wait(120)
    assert desk.notes() == {}


def test_tests_restores_and_troubles_call_nobody():
    desk = desk_with("zhang")
    for event, node in (("test", "machine"), ("restore", "machine"), ("trouble", "warning")):
        receipt = says(desk, "2252", event=event)
        assert (receipt.status, receipt.order) == ("accepted", None)
        assert len(desk.reports(node)) >= 1
    assert orders(desk) == []
    assert desk.pages() == []


def test_a_repeated_test_is_a_duplicate():
    desk = desk_with("zhang")
    signal = MachineSignal(host="2252", zone="000", event=MachineEvent.TEST)
    message = desk.message(AlertKind.ALERT, id="T-1", machine=signal)
    assert desk.send(message).status == "accepted"
    assert desk.send(message).status == "duplicate"


def test_a_restored_zone_stands_in_the_order_of_its_alarm():
    desk = desk_with("zhang")
    says(desk, "2252")
    receipt = says(desk, "2252", event="restore", text="已恢复")
    assert receipt.order == "o1"
    assert desk.status == "calling", "a restored door does not bring the burglar back"


def test_a_missed_test_is_told_once_until_the_host_tests_again():
    desk = desk_with("zhang")
    says(desk, "2252", event="test")
    desk.wait(24 * 3600)
    assert desk.reports("warning") == []
    desk.wait(2 * 3600)
    assert desk.details("warning") == [desk.words("detail_machine_missed", host="2252", hours=25)]
    desk.wait(50 * 3600)
    assert len(desk.reports("warning")) == 1
    says(desk, "2252", event="test")
    assert not next(h for h in desk.state.each(MachineHost) if h.host == "2252").missed
    desk.wait(26 * 3600)
    assert len(desk.reports("warning")) == 2


def test_a_host_that_tests_in_time_is_not_missed():
    desk = desk_with("zhang")
    for _ in range(5):
        says(desk, "2252", event="test")
        desk.wait(24 * 3600)
    assert desk.reports("warning") == []


def test_the_centre_cancels_one_alarm_of_several():
    desk = desk_with("zhang")
    says(desk, "2252", id="M-a")
    says(desk, "2252", id="M-b")
    assert desk.cancel(id="M-a", sender="ck").reason == desk.words("detail_goes_on", numbers="10")
    assert desk.cancel(id="M-b", sender="ck").status == "accepted"
    assert desk.status == "cancelled"


def test_an_update_by_the_centre_counts_although_alarms_came_after_it_was_sent():
    desk = desk_with("zhang")
    says(desk, "2252", id="M-a")
    sent_us = desk.now_us + 1
    desk.pass_time(5)
    says(desk, "2252", "001")
    desk.update(id="M-a", sender="ck", sent_us=sent_us, text="值班员已确认有人闯入")
    assert desk.order.alert.text == "值班员已确认有人闯入"


@pytest.mark.parametrize("to", ["grid/G1", "person/zhang", "zone/core"])
def test_a_storm_that_names_whom_it_wants_is_a_storm_all_the_same(to):
    desk = desk_with()
    for host in range(40):
        says(desk, f"h{host}", grid=None, to=to)
        desk.pass_time(0.2)
    assert len(orders(desk)) <= RULES.site_alarms + 1


def test_an_alarm_does_not_vanish_in_an_order_that_guards_are_not_told_of():
    site = make_site()
    policy = replace(site.policy, forbidden=("持枪",))
    desk = Desk(site=replace(site, machines=RULES, policy=policy))
    says(desk, "2252", level=Level.ONE, text="持枪")
    assert desk.status == "held"
    for host in range(20):
        says(desk, f"h{host}", level=Level.ONE)
    assert "zhang" in desk.called()
    other = says(desk, "2252", "002", level=Level.ONE)
    assert other.order != "o1", "nor in that of its own host"


def test_hosts_with_invented_names_are_not_remembered_for_ever():
    desk = desk_with("zhang")
    says(desk, "real", event="test")
    for host in range(40):
        says(desk, f"h{host}", event=("alarm", "restore")[host % 2])
        desk.pass_time(60)
    assert len(list(desk.state.each(MachineHost))) < 8
    assert desk.state.find(MachineHost, "ck\nreal") is not None
