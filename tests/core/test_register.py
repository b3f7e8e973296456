"""Who is in the register and who is on duty: entered, changed, gone, back; paused, swapped."""

import json
from dataclasses import replace

import pytest

from gateway.core.answers.events import TextReceived
from gateway.core.calls.events import CardFailed
from gateway.core.centre.centre_acts import decode_centre_act
from gateway.core.centre.strict_json import Refusal
from gateway.core.effects import ForgetAddress, PostCard, Receipt, ReportStatus, SendText
from gateway.core.events import SettingsReloaded
from gateway.core.order import Card, Put, Timer
from gateway.core.people import Contact, Organisation, Person, Premises, RegisterPolicy
from gateway.core.places import Post
from gateway.core.register.duty import days_ahead, on_duty_now
from gateway.core.register.events import (
    REGISTER_EVENTS,
    EnrolmentIssued,
    PersonErased,
    PersonLeft,
    RadioBlocked,
)
from gateway.core.roster import DutyChanges
from tests.core.site_for_tests import (
    ACCOUNTS,
    DAY_US,
    US,
    Desk,
    catalogue,
    make_site,
    point,
)  # fmt: skip

HOUR_US = 3600 * US


def site_with(**more):
    """The district with a second company, an office for the first, and premises."""
    fields = {
        "organisations": {
            "guard": Organisation(
                id="guard", name="东门保安公司", office_groups=("work/west",),
                office_people=("smith",),
            ),
            "xi": Organisation(id="xi", name="西门保安公司"),
        },
        "premises": {"ccb": Premises(id="ccb", name="建行", kind="bank")},
    } | more  # fmt: skip
    return replace(make_site(), **fields)


def act(desk, name, /, *, within=None, by="李科长", **fields):
    """Somebody of the centre acts; return the receipt."""
    raw = json.dumps({"act": name, "by": by, **fields}).encode()
    event = decode_centre_act(raw, now_us=desk.now_us)
    if within is not None:
        assert isinstance(event, REGISTER_EVENTS)
        event = replace(event, within=within)
    (receipt,) = [e for e in desk.take(event) if isinstance(e, Receipt)]
    return receipt


def person(desk, name):
    found = desk.state.find(Person, name)
    assert found is not None
    return found


def on_duty(desk, name, hours=0):
    return on_duty_now(desk.state, desk.site, person(desk, name), desk.now_us + hours * HOUR_US)


NEW = {
    "person": "qian", "name": "钱十", "organisation": "guard", "grids": "G1", "crew": "A",
    "guard_code": "110", "radios": "mdc1200:1a2b/SN7 dtmf:99110", "certificate": "粤保77",
    "certificate_expires": "2027-06-30", "call_sign": "东街三号", "leader": True,
    "leave_hours": "08:00-18:00", "reach_m": 500,
}  # fmt: skip


# ---- in, changed, out, back (A3, A14, A31) ----


def test_a_guard_is_entered_with_everything_and_called_at_once():
    desk = Desk("zhang", site=site_with())
    assert act(desk, "person_enter", **NEW).status == "accepted"
    qian = person(desk, "qian")
    assert qian.radios == ("mdc1200:1A2B", "dtmf:99110")
    assert qian.serials == (("mdc1200:1A2B", "SN7"),)
    assert (qian.leave_hours, qian.reach_m, qian.leader) == ((480, 1080), 500, True)
    assert desk.details("register") == [desk.words("detail_entered", by="李科长")]
    desk.alert()
    assert "qian" in desk.called()
    assert act(desk, "person_enter", **NEW).status == "duplicate"


@pytest.mark.parametrize(
    ("fields", "why", "gaps"),
    [
        ({"organisation": "gaurd"}, "why_name_misspelt",
         {"field": "organisation", "name": "gaurd", "near": "guard"}),
        ({"grids": "G1 G9"}, "why_name_unknown", {"field": "grids", "name": "G9"}),
        ({"crew": "C"}, "why_name_unknown", {"field": "crew", "name": "C"}),
        ({"post": "P7"}, "why_name_unknown", {"field": "post", "name": "P7"}),
        ({"guard_code": "101"}, "why_code_taken", {"code": "101", "person": "zhang"}),
        ({"radios": "dtmf:99101"}, "why_radio_taken",
         {"radio": "dtmf:99101", "person": "zhang"}),
        ({"person": "zhang"}, "why_person_known", {"person": "zhang"}),
    ],
)
def test_what_is_not_there_or_is_anothers_is_refused_and_named(fields, why, gaps):
    desk = Desk("zhang", site=site_with())
    before = {p.id for p in desk.state.each(Person)}
    receipt = act(desk, "person_enter", **(NEW | fields))
    assert receipt.status == "refused"
    assert receipt.reason == desk.words(why, **gaps)
    assert {p.id for p in desk.state.each(Person)} == before


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"name": "钱\u202e十"}, "name: has U\\+202E"),
        ({"guard_code": 1101}, "guard_code: should be three digits"),
        ({"radios": "mdc1200:FFFF"}, "radios: should be what his radios say"),
        ({"certificate_expires": "30.6.2027"}, "certificate_expires: should be a day"),
        ({"reach_m": 0}, "reach_m: should be metres"),
        ({"leave_hours": "08:00-08:00"}, "leave_hours: should be two times"),
        ({"name": None}, "name: is missing"),
        ({"leader": "perhaps"}, "leader: should be yes or no"),
        ({"grids": ["G1"]}, "grids: must be text"),
    ],
)
def test_a_field_that_means_nothing_is_refused_at_the_door(fields, says):
    with pytest.raises(Refusal, match=says):
        decode_centre_act(
            json.dumps({"act": "person_enter", "by": "x"} | NEW | fields).encode(), now_us=1
        )


def test_a_code_a_leaving_and_an_erasing_name_who_did_it():
    desk = Desk("zhang", "li", site=site_with())
    code = {"code_sha256": "0" * 64, "expires_us": desk.now_us + HOUR_US}
    desk.take(EnrolmentIssued(at_us=desk.now_us, person="zhang", by="李科长", **code))
    desk.take(PersonLeft(at_us=desk.now_us, person="zhang", by="李科长"))
    desk.take(PersonErased(at_us=desk.now_us, person="li", by="王主任"))
    assert desk.details("register") == [
        desk.words("detail_code_issued", by="李科长"),
        desk.words("detail_struck", by="李科长"),
        desk.words("detail_erased", by="王主任", person="li"),
    ]
    assert desk.reports("register")[-1].person is None, "what is told of him goes with him"


def test_who_had_himself_erased_is_told_without_his_name():
    desk = Desk("zhang", "li", site=site_with())
    desk.take(PersonErased(at_us=desk.now_us, person="li", by="李四 (李四)"))
    assert desk.details("register") == [
        desk.words("detail_erased", by="li (li)", person="li")
    ]


def test_what_waits_for_a_leaver_is_taken_back_and_its_failing_is_no_news():
    desk = Desk("zhang", "li", site=site_with())
    desk.alert()
    (mine,) = [c for c in desk.of(PostCard) if c.address == ACCOUNTS["zhang"]]
    desk.forget()
    act(desk, "person_leave", person="zhang")
    assert desk.of(ForgetAddress) == [ForgetAddress(chat="work", address=ACCOUNTS["zhang"])]
    assert desk.state.find(Card, mine.card).state == "withdrawn"
    warned = len(desk.reports("warning"))
    desk.take(CardFailed(at_us=desk.now_us, card=mine.card, state="expired", reason="x"))
    assert len(desk.reports("warning")) == warned
    (other,) = [c for c in desk.state.each(Card) if c.person == "li"]
    assert other.state == "queued"


def test_an_account_that_changes_hands_takes_nothing_along():
    desk = Desk("zhang", "li", site=site_with())
    desk.alert()
    desk.forget()
    desk.issue("li", "ABCD2345")
    desk.write("zhang", "ABCD2345")
    forgotten = [e.address for e in desk.of(ForgetAddress)]
    assert forgotten == [ACCOUNTS["zhang"], ACCOUNTS["li"]]
    accounts = {c.person: c.address for c in desk.state.each(Contact)}
    assert accounts["li"] == ACCOUNTS["zhang"]
    assert "zhang" not in accounts


def test_one_guard_is_of_one_organisation_known_by_his_papers():
    desk = Desk("zhang", site=site_with())
    act(desk, "person_enter", **NEW)
    other = NEW | {
        "person": "qian2", "organisation": "xi", "guard_code": "111", "radios": "dtmf:99111"
    }
    receipt = act(desk, "person_enter", **other)
    assert receipt.status == "refused"
    gaps = {"field": "certificate", "person": "qian", "organisation": "guard"}
    assert receipt.reason == desk.words("why_paper_taken", **gaps)
    assert "粤保77" not in receipt.reason
    act(desk, "person_leave", person="qian")
    assert act(desk, "person_enter", **other).status == "accepted"


def test_a_change_is_an_event_and_a_reload_does_not_undo_it():
    desk = Desk("zhang", site=site_with())
    assert act(desk, "person_change", person="zhang", crew="B", guard_code="-").status == "accepted"
    assert (person(desk, "zhang").crew, person(desk, "zhang").guard_code) == ("B", None)
    assert act(desk, "person_change", person="zhang", crew="B").status == "duplicate"
    desk.take(SettingsReloaded(at_us=desk.now_us, version="v2", by="x"))
    assert person(desk, "zhang").crew == "B"


def test_who_leaves_is_refused_on_every_medium_at_once_and_what_waits_is_taken_back():
    desk = Desk("zhang", "wang", site=site_with())
    desk.alert(needs=1)
    number = desk.number
    assert act(desk, "person_leave", person="zhang").status == "accepted"
    assert act(desk, "person_leave", person="wang").status == "accepted"
    assert desk.withdrawn(), "nobody is left who should hear the page that waits"
    assert desk.press("zhang", "1").alert
    assert not desk.keys(f"*{number} 101 1#")
    assert not desk.keys(f"*{number} 1#", ani="99103")
    assert desk.state.contacts_of("zhang") == []
    assert not any("acknowledged" in node for who in ("zhang", "wang") for node in desk.nodes(who))


def test_who_comes_back_has_neither_codes_nor_accounts_until_he_is_given_new_ones():
    desk = Desk("zhang", "li", site=site_with())
    act(desk, "person_leave", person="zhang")
    has_left = desk.words("why_person_left", person="zhang")
    assert act(desk, "person_change", person="zhang", crew="B").reason == has_left
    assert act(desk, "person_rejoin", person="li").reason == desk.words(
        "why_person_not_left", person="li"
    )
    assert act(desk, "person_rejoin", person="zhang", guard_code="102").reason == desk.words(
        "why_code_taken", code="102", person="li"
    )
    assert act(desk, "person_rejoin", person="zhang", guard_code="120").status == "accepted"
    zhang = person(desk, "zhang")
    assert (zhang.active, zhang.guard_code, zhang.addresses) == (True, "120", ())
    desk.alert()
    assert "zhang" in desk.called()
    assert not desk.keys(f"*{desk.number} 101 1#"), "his old code died"
    assert desk.press("zhang", "1").alert, "his old account died"
    assert desk.keys(f"*{desk.number} 120 1#")


def test_who_was_erased_does_not_come_back():
    desk = Desk("zhang", site=site_with())
    desk.take(PersonErased(at_us=desk.now_us, person="zhang"))
    erased = desk.words("why_person_erased", person="zhang")
    assert act(desk, "person_rejoin", person="zhang").reason == erased


# ---- exceptions, swaps, pauses (A9, C3) ----


def test_a_pause_takes_him_off_duty_and_ends_by_itself():
    desk = Desk("zhang", "li", site=site_with())
    assert act(desk, "pause", person="zhang", hours=2, reason="体检").status == "accepted"
    assert [on_duty(desk, "zhang", h) for h in (0, 1, 2)] == [False, False, True]
    desk.alert()
    assert set(desk.called()) == {"li", "station"}
    (detail,) = desk.details("duty")
    assert "体检" in detail
    assert "李科长" in detail
    desk.alert(id="JQ-2")
    act(desk, "resume", person="zhang")
    assert on_duty(desk, "zhang")
    unchanged = desk.words("why_duty_unchanged", person="zhang")
    assert act(desk, "resume", person="zhang").reason == unchanged


def test_an_extension_begins_where_his_shift_ends():
    desk = Desk("zhang", site=site_with())  # day shift to 20:00, and it is noon
    act(desk, "extend", person="zhang", hours=3)
    assert [on_duty(desk, "zhang", h) for h in (0, 7, 8, 10, 11)] == [True] * 4 + [False]


def test_somebody_off_duty_is_extended_from_now():
    desk = Desk("zhang", "zhao", site=site_with())
    act(desk, "extend", person="zhao", hours=1)
    assert [on_duty(desk, "zhao", h) for h in (0, 1)] == [True, False]
    desk.alert()
    assert "zhao" in desk.called()


def test_an_exception_holds_between_two_moments():
    desk = Desk("zhang", site=site_with())
    fields = {
        "person": "zhang", "from": "2026-11-22T13:00:00+08:00",
        "to": "2026-11-22T15:00:00+08:00", "duty": "off", "reason": "请假",
    }  # fmt: skip
    assert act(desk, "roster_exception", **fields).status == "accepted"
    assert [on_duty(desk, "zhang", h) for h in (0, 1, 2, 3)] == [True, False, False, True]
    with pytest.raises(Refusal, match="to: must be after from"):
        act(desk, "roster_exception", **(fields | {"to": "2026-11-22T13:00:00+08:00"}))


def test_two_people_swap_their_shifts_both_or_neither():
    desk = Desk("zhang", "zhao", site=site_with())  # zhang: day, zhao: night
    assert act(desk, "roster_swap", person="zhang", day="2026-11-22", **{"with": "zhao"}).status == (
        "accepted"
    )
    assert [on_duty(desk, "zhang", h) for h in (0, 7, 8, 19, 20)] == [
        False, False, True, True, False,
    ]  # fmt: skip
    assert [on_duty(desk, "zhao", h) for h in (0, 7, 8)] == [True, True, False]
    assert {r.person for r in desk.reports("duty")} == {"zhang", "zhao"}
    refused = act(desk, "roster_swap", person="zhang", day="2026-11-22", **{"with": "wu"})
    assert refused.reason == desk.words("why_no_person", person="wu")


def test_a_swap_of_a_shift_that_is_not_stood_changes_nothing():
    site = site_with()
    free = replace(site.roster, days=("day", "off"))
    desk = Desk("zhang", "zhao", site=replace(site, roster=free))
    before = len(desk.asked)
    refused = act(desk, "roster_swap", person="zhang", day="2026-11-22", **{"with": "zhao"})
    assert refused.reason == desk.words("why_no_shift", person="zhao", day="2026-11-22")
    assert [type(e) for e in desk.asked[before:]] == [Receipt]


def test_sixty_days_are_computed_with_what_was_changed_by_hand():
    desk = Desk("zhang", "li", "zhao", site=site_with())
    act(desk, "pause", person="zhang", hours=48)
    act(desk, "pause", person="li", hours=24)
    ahead = days_ahead(desk.state, desk.site, desk.now_us, 60, grid="G1")
    assert len(ahead) == 120
    by_shift = {(f.span.day.isoformat(), f.span.shift): f for f in ahead}
    assert by_shift["2026-11-22", "night"].people == ("zhao",)
    assert by_shift["2026-11-23", "day"].people == ("zhao",)
    assert by_shift["2026-11-23", "night"].people == ("li",)
    assert by_shift["2026-11-24", "night"].people == ("zhao",)
    assert by_shift["2027-01-20", "night"].people == ("zhang", "li")
    assert "G2" in by_shift["2026-11-22", "day"].empty
    hers = days_ahead(desk.state, desk.site, desk.now_us, 60, person="zhao")
    assert len(hers) == 60


def test_what_is_over_is_forgotten_with_the_next_change():
    desk = Desk("zhang", site=site_with())
    for _ in range(5):
        act(desk, "pause", person="zhang", hours=1)
        desk.pass_time(7200)
    changes = list(desk.state.each(DutyChanges))
    assert [len(c.changes) for c in changes] == [1]


# ---- what managers write (A9) ----


@pytest.mark.parametrize("words", ["暂停 张三 2小时 体检", "停勤张三2小时体检", "暂停 101 2 小时 体检"])
def test_a_manager_pauses_his_guard_in_the_chat(words):
    desk = Desk("zhang", "li", site=site_with())
    assert desk.write("head", words) == desk.words("answer_paused", name="张三", end="11-22 14:00")
    assert [on_duty(desk, "zhang", h) for h in (0, 2)] == [False, True]
    assert "所长" in desk.details("duty")[0]
    assert desk.write("head", "恢复 张三") == desk.words("answer_resumed", name="张三")
    assert on_duty(desk, "zhang")


def test_a_manager_extends_his_guard_in_the_chat():
    desk = Desk("zhang", site=site_with())
    assert desk.write("chief", "延长 张三 4小时") == desk.words(
        "answer_extended", name="张三", end="11-23 00:00"
    )


def test_what_a_manager_does_not_say_clearly_changes_nothing():
    desk = Desk("zhang", site=site_with())
    assert "没有找到" in desk.write("head", "暂停 王麻子 2小时")
    assert "几小时" in desk.write("head", "暂停 张三")
    assert "几小时" in desk.write("head", "暂停 张三 9000小时")
    assert on_duty(desk, "zhang")


def test_neither_a_guard_nor_a_manager_of_elsewhere_pauses_anybody():
    site = site_with()
    grids = {g: replace(x, second_manager=None, first_manager=None) for g, x in site.grids.items()}
    grids["G3"] = replace(grids["G3"], second_manager="head")
    desk = Desk("zhang", "li", "sun", site=replace(site, grids=grids))
    desk.write("li", "暂停 张三 2小时")
    desk.write("head", "暂停 张三 2小时")
    desk.write("chief", "暂停 张三 2小时")
    assert on_duty(desk, "zhang")
    desk.write("head", "暂停 孙八 2小时")
    assert not on_duty(desk, "sun")


def test_of_two_with_one_name_the_manager_is_asked_for_the_code():
    desk = Desk("zhang", site=site_with())
    act(desk, "person_enter", **(NEW | {"name": "张三"}))
    answer = desk.write("head", "暂停 张三 2小时")
    assert answer == desk.words("answer_several", name="张三", codes="110、101")
    desk.write("head", "暂停 110 2小时")
    assert on_duty(desk, "zhang")
    assert not on_duty(desk, "qian")


# ---- papers and limits (A32, A33) ----


def with_person(desk, name, **fields):
    desk.state.apply(Put(replace(person(desk, name), **fields)))


def test_an_expired_certificate_is_not_called_unless_the_site_says_so():
    for called, expected in ((False, False), (True, True)):
        desk = Desk("zhang", "li", site=site_with(register=RegisterPolicy(expired_called=called)))
        with_person(desk, "zhang", certificate_expires="2026-11-21")
        desk.alert()
        assert ("zhang" in desk.called()) is expected
        with_person(desk, "zhang", certificate_expires="2026-11-22")
        desk.alert(id="JQ-2")
        assert "zhang" in desk.called(), "its last day is a good one"


def test_the_end_of_a_certificate_is_told_thirty_days_before_and_on_the_day_once_each():
    desk = Desk("zhang", site=site_with())
    with_person(desk, "zhang", certificate_expires="2026-12-31")
    desk.take(SettingsReloaded(at_us=desk.now_us, version="v2", by="x"))
    told = {}
    for day in range(45):
        before = len(desk.reports("register"))
        desk.wait(DAY_US / US)
        for report in desk.reports("register")[before:]:
            told[day] = report.detail
    assert list(told) == [8, 39]  # 1 December and 1 January
    assert "2026-12-31" in told[8]
    assert told[39] == desk.words("detail_certificate_over", day="2026-12-31")
    assert len([t for t in desk.state.each(Timer) if t.what == "certificates"]) == 1


def test_who_may_not_leave_his_post_is_called_for_it_or_when_nobody_else_is():
    site = site_with(
        posts={
            "P1": Post(id="P1", name="建设银行门口", grid="G1", position=(25_005_000, 118_005_000))
        }
    )
    desk = Desk("zhang", "li", site=site)
    with_person(desk, "zhang", may_leave=False, post="P1")
    desk.alert(place="东街小学")
    assert set(desk.called()) == {"li", "station"}
    desk.alert(id="JQ-2", place="建设银行门口有人闹事")
    assert "zhang" in desk.called()
    desk.alert(id="JQ-3", place="东街小学", needs=2)
    assert {"zhang", "li"} <= set(desk.called())


@pytest.mark.parametrize(
    ("limits", "far", "called"),
    [
        ({"reach_m": 300}, True, False),
        ({"reach_m": 300}, False, True),
        ({"leave_hours": (480, 1080)}, True, True),
        ({"leave_hours": (1080, 480)}, True, False),
    ],
)
def test_limits_of_distance_and_of_hours(limits, far, called):
    site = site_with(
        posts={
            "P1": Post(id="P1", name="建设银行门口", grid="G1", position=(25_005_000, 118_005_000))
        }
    )
    desk = Desk("zhang", "li", site=site)
    with_person(desk, "zhang", post="P1", **limits)
    where = point(25_009_500, 118_005_000) if far else point(25_006_000, 118_005_000)
    desk.alert(location=where)
    assert ("zhang" in desk.called()) is called


def test_cannot_leave_is_an_answer_and_the_next_is_called():
    desk = Desk("zhang", "chen", site=site_with())
    desk.alert()
    desk.write("zhang", "不能离岗")
    (declined,) = desk.reports("declined", person="zhang")
    assert declined.detail == "不能离岗"
    assert "chen" in desk.called(), "the ring is called at once"


def test_guards_of_the_kind_of_premises_go_first():
    site = site_with(register=RegisterPolicy(kinds_first={"robbery": ("bank",)}))
    site = replace(site, response=replace(site.response, call="nearest"))
    for category, first in (("robbery", "zhang"), ("fight", "li")):
        desk = Desk("zhang", "li", site=site)
        with_person(desk, "zhang", premises="ccb")
        desk.alert(category=category)
        assert set(desk.called()) - {"station"} == {first}


# ---- several companies (C13, E2, E3) ----


def two_companies(**more):
    desk = Desk("zhang", "li", "smith", site=site_with(**more))
    with_person(desk, "li", organisation="xi")
    return desk


def test_a_body_is_called_only_to_what_it_does():
    bodies = {
        "guard": Organisation(id="guard", name="a", categories=("theft",)),
        "xi": Organisation(id="xi", name="b"),
    }
    desk = two_companies(organisations=bodies)
    desk.alert()
    assert set(desk.called()) == {"li", "station"}


def test_a_companys_alert_calls_its_own_guards_and_the_station_only():
    desk = two_companies()
    desk.alert(sender="xi", organisation="xi")
    assert set(desk.called()) == {"li", "station"}
    desk.wait(3600)
    companies = {person(desk, p).organisation for p in desk.called()}
    assert "guard" not in companies, "the ladder does not leave the company either"


def test_a_company_raises_nothing_where_it_has_no_guards():
    desk = two_companies()
    refused = desk.send(desk.message("alert", sender="xi", organisation="xi", grid="G3"))
    assert refused.status == "refused"
    assert refused.reason == desk.words("why_company_grid", organisation="xi", grid="G3")


def test_a_company_touches_its_own_people_only():
    desk = two_companies()
    assert act(desk, "pause", within="xi", person="zhang", hours=1).status == "refused"
    assert act(desk, "person_leave", within="xi", person="zhang").status == "refused"
    assert act(desk, "person_change", within="xi", person="zhang", crew="B").status == "refused"
    assert act(desk, "person_change", within="xi", person="li", organisation="guard").status == (
        "refused"
    )
    assert act(desk, "person_change", within="xi", person="li", role="manager").status == "refused"
    assert act(desk, "roster_swap", within="xi", person="li", day="2026-11-23",
               **{"with": "zhang"}).status == "refused"  # fmt: skip
    assert act(desk, "pause", within="xi", person="li", hours=1).status == "accepted"
    assert act(desk, "person_enter", within="xi", **NEW).status == "refused"
    assert act(desk, "person_enter", within="xi", **(NEW | {"organisation": "xi"})).status == (
        "accepted"
    )


def test_the_office_is_copied_with_its_own_people_alone_and_answers_for_them():
    desk = two_companies()
    desk.alert()
    desk.post()
    assert desk.press("zhang", "1").alert is False
    assert desk.press("li", "1").alert is False
    group = desk.edits()["-103"].text  # the office's group
    own = desk.edits()[ACCOUNTS["smith"]].text  # the office's man
    for card in (group, own):
        assert "张三" in card
        assert "李四" not in card
    assert desk.write("smith", "张三 到场") is not None
    assert desk.nodes("zhang")[-1] == "arrived/C1"
    (arrived,) = desk.reports("arrived", person="zhang")
    assert arrived.detail == desk.words("detail_on_behalf", by="Smith")
    assert desk.nodes("li")[-1] == "acknowledged/C2"


def test_the_office_never_answers_for_anothers_guard():
    desk = two_companies()
    desk.alert()
    answer = desk.write("smith", "李四 收到")
    assert "李四" in answer
    assert "acknowledged/C1" not in desk.nodes("li")
    assert [r.person for r in desk.reports("refused_reply")] == ["smith"]


def test_a_press_of_the_office_means_its_one_guard_on_the_order():
    desk = two_companies()
    desk.alert()
    assert desk.press("smith", "2").alert is False
    assert desk.nodes("zhang")[-1] == "en_route/C2"
    both = Desk("zhang", "li", "smith", site=site_with())
    both.alert()
    answer = both.press("smith", "2")
    assert answer.alert
    assert all("en_route" not in n for who in ("zhang", "li") for n in both.nodes(who))


def test_the_office_repeats_what_stands_on_record_after_the_end():
    """It is answered as the guard is who says the same again; what is new is not taken."""
    desk = two_companies()
    desk.alert()
    desk.post()
    number, said = desk.number, catalogue("en")
    first = desk.write("smith", "张三 完成")
    assert first == said["answer_on_behalf"].format(number=number, name="张三", state="done")
    desk.act("close", result="已处置")
    before = desk.nodes("zhang")
    for again in ("张三 完成", f"{number} 张三 完成"):
        assert desk.write("smith", again) == first
    assert desk.press("smith", "5").text == first
    told = desk.reports("repeated_reply", person="zhang")
    assert len(told) == 3
    assert all(desk.words("detail_on_behalf", by="Smith") in r.detail for r in told)
    assert desk.nodes("zhang") == before
    assert desk.reports("refused_reply") == []
    closed = said["answer_closed"].format(number=number)
    assert desk.write("smith", f"{number} 张三 不能去") == closed
    assert desk.write("smith", "张三 不能去") == said["answer_no_order"]
    assert desk.write("smith", "李四 完成") == said["answer_no_order"], "another's guard"
    desk.wait(601)
    assert desk.write("smith", "张三 完成") == said["answer_no_order"]
    assert desk.nodes("zhang") == before


def test_the_office_reads_first_and_last_that_its_guard_is_on_a_drill():
    desk = two_companies()
    desk.alert(exercise=True)
    said = catalogue("en")
    frame = said["exercise_line"].split("{text}")
    number = said["exercise_written"].format(number=desk.number)
    wrote, pressed = desk.write("smith", "张三 收到"), desk.press("smith", "2").text
    desk.act("close", result="已处置")
    for line in (wrote, pressed, desk.write("smith", f"{desk.number} 张三 不能去")):
        assert (line.startswith(frame[0]), line.endswith(frame[1])) == (True, True)
        assert number in line


def test_nobody_answers_for_another_without_an_office():
    desk = Desk("zhang", "li", site=site_with())
    desk.alert()
    desk.write("li", "张三 到场")
    assert "arrived/C1" not in desk.nodes("zhang")


def test_a_lost_radio_of_nobody_is_noted_and_whoever_named_it_is_told_so():
    desk = Desk("zhang", site=site_with())
    for radio, lost, status, reason in (
        ("dtmf:99101", True, "accepted", None),
        ("dtmf:99101", True, "duplicate", None),
        ("dtmf:99109", True, "accepted", "why_radio_of_nobody"),
        ("dtmf:99109", False, "accepted", None),
        ("dtmf:99109", False, "duplicate", "why_radio_not_lost"),
    ):
        blocked = RadioBlocked(at_us=desk.now_us, radio=radio, lost=lost, by="李科长")
        (receipt,) = [e for e in desk.take(blocked) if isinstance(e, Receipt)]
        told = reason and desk.words(reason, radio=radio)
        assert (receipt.status, receipt.reason) == (status, told), radio
    assert {r.detail for r in desk.reports("radio_lost")} == {
        desk.words("detail_radio_lost", radio=radio, by="李科长")
        for radio in ("dtmf:99101", "dtmf:99109")
    }


# ---- consent ----


def test_whoever_enrols_is_shown_the_notice_and_his_consent_is_kept():
    policy = RegisterPolicy(consent="2026-11", consent_needed=True)
    desk = Desk("zhang", "li", site=site_with(register=policy))
    desk.alert()
    assert not {"zhang", "li"} & set(desk.called()), "nobody has agreed yet"
    desk.issue("zhang", "ABCD2345")
    desk.forget()
    effects = desk.take(text_of(desk, "7001", "ABCD2345"))
    assert any("2026-11" in e.text for e in effects if isinstance(e, SendText))
    desk.take(text_of(desk, "7001", "同意"))
    assert (person(desk, "zhang").consent, person(desk, "zhang").consent_us) == (
        "2026-11", desk.now_us,
    )  # fmt: skip
    desk.alert(id="JQ-2")
    assert "zhang" in desk.called()
    desk.take(text_of(desk, "7001", "撤回同意"))
    assert person(desk, "zhang").consent is None
    assert [r.assurance for r in desk.of(ReportStatus, node="register")] == ["C1", "C1"]


def text_of(desk, address, words):
    return TextReceived(
        at_us=desk.now_us, chat="work", address=address, group=None, text=words, message="m-in"
    )


def test_a_contact_of_nobody_agrees_to_nothing():
    desk = Desk("zhang", site=site_with(register=RegisterPolicy(consent="1")))
    desk.take(text_of(desk, "4711", "同意"))
    assert not [c for c in desk.state.each(Contact) if c.address == "4711"]
    assert desk.reports("register") == []


def test_a_company_means_only_its_own_by_name_too():
    """Whom it names is looked at as well as where: E2 lets the centre alone order others."""
    desk = two_companies()
    own = {"organisation": "xi", "sender": "xi"}
    for to in ("person/zhang", "grid/G3"):
        refused = desk.alert(id=f"A-{to}", grid="G1", to=to, **own)
        assert (refused.status, refused.reason) == (
            "refused", desk.words("why_company_target", target=to, organisation="xi")
        )  # fmt: skip
    assert desk.alert(id="A-own", grid="G1", to="person/li", **own).status == "accepted"
    assert "1001" not in desk.cards(), "nobody of the other body heard of it"


def test_an_office_does_not_read_who_of_another_body_wants_help():
    desk = two_companies()
    desk.alert(needs=2)
    desk.post()
    desk.forget()
    desk.press("li", "4")
    notes = desk.notes()
    assert "李四" in notes["1001"], "who is called with him knows whom to help"
    assert desk.words("owner_other") in notes["-103"]
    for account in ("-103", ACCOUNTS["smith"]):
        assert "李四" not in notes[account]


def test_who_is_meant_by_name_and_is_off_duty_is_not_called_an_empty_grid():
    desk = two_companies()
    assert act(desk, "pause", person="zhang", hours=1).status == "accepted"
    assert desk.alert(to="person/zhang").reason == desk.words("detail_to_off_duty")
