"""A company that writes its own people learns nothing of another's by being refused."""

from dataclasses import replace

import pytest

from gateway.core.effects import Receipt
from gateway.core.people import Organisation
from gateway.core.register.events import PersonEntered
from gateway.core.register.fields import new_person
from tests.core.site_for_tests import Desk, make_site


def desk_of_two():
    site = make_site()
    others = {"xi": Organisation(id="xi", name="西门保安公司")}
    return Desk(site=replace(site, organisations=site.organisations | others))


def refusal(desk, id_, within, **fields):
    person = new_person(id_, {"name": "甲", "organisation": "xi", **fields})
    event = PersonEntered(at_us=desk.now_us, person=person, by="西门内勤", within=within)
    (receipt,) = [e for e in desk.take(event) if isinstance(e, Receipt)]
    return receipt.reason


@pytest.mark.parametrize(
    "fields", [{"guard_code": "101"}, {"radios": "dtmf:99101"}, {"certificate": "ZJ-7"}]
)
def test_what_is_taken_is_said_without_saying_by_whom(fields):
    desk = desk_of_two()
    desk.take(
        PersonEntered(
            at_us=desk.now_us, by="x",
            person=new_person("qian", {"name": "钱", "organisation": "guard", "certificate": "ZJ-7"}),
        )
    )  # fmt: skip
    reason = refusal(desk, "jia", "xi", **fields)
    assert "外单位人员" in reason
    assert not [w for w in ("zhang", "qian", "给guard") if w in reason]
    told = refusal(desk, "jia", None, **fields)
    assert "已是zhang的" in told or "登记给guard的qian" in told, "the centre is told by whom"
