"""What wants two people is let go by two: by their names, and by the doors they came through."""

from dataclasses import replace

import pytest

from gateway.core.after.events import OrderTended
from gateway.core.effects import Receipt
from gateway.core.order import Assignment
from gateway.core.policy.events import HeldActed
from tests.core.site_for_tests import Desk, make_site

ONE = frozenset({"http/centre"})
TWO = ONE | {"http/desk"}


def desk_with(deciders, through="http/centre"):
    desk = Desk(site=replace(make_site(), deciders=deciders))
    desk.alert(to="all", grid=None, through=through)
    assert desk.status == "held"
    return desk


def called(desk):
    return [a.person for a in desk.state.each(Assignment) if a.order == desk.order.id]


def receipt_of(desk, event):
    (receipt,) = [e for e in desk.take(event) if isinstance(e, Receipt)]
    return receipt


def release(desk, by="李警官", through=""):
    acted = HeldActed(
        at_us=desk.now_us, order=desk.order.id, act="release", by=by, reason="已核实",
        through=through,
    )  # fmt: skip
    return receipt_of(desk, acted)


def reopen(desk, by="王主任", through=""):
    tended = OrderTended(
        at_us=desk.now_us, order=desk.order.id, act="reopen", by=by, text="还要", through=through
    )
    return receipt_of(desk, tended)


@pytest.mark.parametrize("by", ["zhzx", "ZHZX", "zhzx ", "ｚｈｚｘ", "zh\u200bzx"])
def test_whoever_sent_it_is_no_second_person_however_he_writes_himself(by):
    desk = desk_with(TWO, through="")
    refused = release(desk, by)
    assert (refused.status, called(desk)) == ("refused", [])
    assert release(desk).status == "accepted"


def test_one_token_is_one_hand_where_there_is_another():
    desk = desk_with(TWO)
    refused = release(desk, "李警官", "http/centre")
    assert refused.status == "refused"
    gaps = {"through": "http/centre", "others": "http/desk"}
    assert refused.reason == desk.words("why_same_door", **gaps)
    assert called(desk) == []
    assert release(desk, "李警官", "http/desk").status == "accepted"
    assert called(desk)


def test_who_has_amended_it_has_had_a_hand_in_it_too():
    desk = desk_with(TWO)
    desk.update(to="all", grid=None, text="改为搜山", through="http/desk")
    assert release(desk, "李警官", "http/desk").status == "refused"
    assert release(desk, "李警官", "control").status == "accepted"


def test_the_only_token_speaks_for_the_whole_centre_and_the_record_says_so():
    desk = desk_with(ONE)
    assert release(desk, "李警官", "http/centre").status == "accepted"
    (detail,) = desk.details("cleared")
    assert "只有姓名不同" in detail
    other = desk_with(ONE, through="mqtt")
    assert release(other, "李警官", "http/centre").status == "accepted"
    (detail,) = other.details("cleared")
    assert "只有姓名不同" not in detail


def test_what_was_dropped_is_not_sent_to_all_by_opening_it_again():
    desk = desk_with(TWO)
    dropped = HeldActed(
        at_us=desk.now_us, order=desk.order.id, act="drop", by="zhzx", reason="误报"
    )
    assert receipt_of(desk, dropped).status == "accepted"
    assert reopen(desk, by="王主任", through="http/desk").status == "accepted"
    assert (desk.status, called(desk)) == ("held", [])
    assert release(desk, "王 主任", "control").status == "refused", "he has opened it himself"
    assert release(desk, "李警官", "http/desk").status == "refused", "by his token"
    assert release(desk, "李警官", "control").status == "accepted"
    assert called(desk)


def test_what_was_not_for_guards_is_not_told_by_opening_it_again():
    site = make_site()
    site = replace(site, policy=replace(site.policy, forbidden=("持枪",)))
    desk = Desk(site=site)
    desk.alert(text="有人持枪")
    assert desk.status == "held"
    desk.cancel()
    reopen(desk)
    assert (desk.status, called(desk)) == ("held", ["station"])
    assert release(desk).status == "accepted"
    desk.act("close", result="已处置")
    reopen(desk)
    assert desk.status == "calling", "it was told once; nothing of it is new"
