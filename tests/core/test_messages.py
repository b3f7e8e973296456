"""Messages of the centre in every order of arrival end alike; incidents, references, places."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.alert import AlertKind, Area, Datum, Level, Position
from gateway.core.centre.alert_json import with_digest
from gateway.core.intake.events import AlertReceived
from gateway.core.order import AlertKey, Assignment, Node, Order
from tests.core.site_for_tests import NOON_US, US, Desk

A, U, C = AlertKind.ALERT, AlertKind.UPDATE, AlertKind.CANCEL


def message(kind: AlertKind, after_s: float, **fields: object) -> AlertReceived:
    """A message that was sent so long after noon."""
    return Desk("zhang").message(kind, sent_us=NOON_US + round(after_s * US), **fields)


def ours() -> dict[str, AlertReceived]:
    """An alert, three amendments and a cancel in our JSON: all bear the alert's id."""
    return {
        "A": message(A, 0, text="有人打架", grid="G1"),
        "1": message(U, 10, text="两人持刀", grid="G2", level=Level.ONE, to="zone/town"),
        "2": message(U, 20, text="往西跑", grid=None, level=Level.THREE, needs=2),
        "3": message(U, 30, text="在西街", grid="G3", level=Level.ONE),
        "C": message(C, 40, text="误报", grid=None),
    }


def theirs() -> dict[str, AlertReceived]:
    """The same as CAP has it: each message its own id, naming what came before it."""
    found = ours()
    named: dict[str, tuple[str, ...]] = {"1": ("A",), "2": ("A", "1"), "3": ("A", "1", "2"),
                                         "C": ("A", "3")}  # fmt: skip
    for name, before in named.items():
        references = tuple(f"zhzx,JQ-{b}" for b in before)
        found[name] = replace(
            found[name],
            alert=replace(found[name].alert, id=f"JQ-{name}", references=references),
        )
    found["A"] = replace(found["A"], alert=replace(found["A"].alert, id="JQ-A"))
    return found


def orders_of_arrival(wanted: str) -> Iterator[tuple[str, ...]]:
    yield from dict.fromkeys(permutations(wanted))


def outcome(known: dict[str, AlertReceived], arrival: tuple[str, ...]) -> tuple[object, ...]:
    """Let messages come in this order; return what is left of them."""
    desk = Desk("zhang", "chen", "sun", upstairs=())
    desk.now_us = NOON_US + 29 * US
    for name in arrival:
        receipt = desk.send(known[name])
        assert receipt.status in ("accepted", "duplicate"), (arrival, name, receipt)
    orders = list(desk.state.each(Order))
    if "C" in arrival:
        # What was cancelled first is never sent; what was sent first is taken back.
        assert all(not o.open for o in orders), arrival
        assert all(
            a.stamps == () or a.stamps[-1].node is Node.RELEASED
            for o in orders
            for a in desk.state.kind_of_order(Assignment, o.id)
        )
        return ("cancelled", *_content(orders))
    (order,) = orders
    called = {a.person for a in desk.state.kind_of_order(Assignment, order.id)}
    in_grid = set(desk.state.people_of_grid(order.grids[0]))
    assert in_grid <= called, (arrival, "the grid that counts was not called")
    return (order.status, *_content(orders))


def _content(orders: list[Order]) -> tuple[object, ...]:
    if not orders:
        return ()
    (order,) = orders
    alert = order.alert
    flags = frozenset(order.flags) - {"nobody"}
    said = (alert.text, alert.level, alert.needs, order.grids[:1], flags)
    return (*said, alert.to, alert.sent_us, alert.expires_us, alert.tasks, alert.body_sha256)


@pytest.mark.parametrize("known", [ours(), theirs()], ids=["ours", "cap"])
@pytest.mark.parametrize(
    "wanted", ["A1", "A12", "A123", "AA1", "A1133", "A22331", "12AA33", "A1233A"]
)
def test_every_order_of_arrival_ends_alike(known, wanted):
    seen = {outcome(known, arrival) for arrival in orders_of_arrival(wanted)}
    assert len(seen) == 1, seen
    last = max(wanted.replace("A", "0"))
    assert next(iter(seen))[1] == known["A" if last == "0" else last].alert.text


@pytest.mark.parametrize("known", [ours(), theirs()], ids=["ours", "cap"])
@pytest.mark.parametrize("wanted", ["AC", "A1C", "A12C", "AC33", "A13CC", "A123C3", "AA13CC"])
def test_a_cancel_among_them_ends_all_alike(known, wanted):
    """Cancelled before anything came leaves no order; else one, ended, with the last word."""
    seen = {outcome(known, arrival) for arrival in orders_of_arrival(wanted)}
    with_order = {one for one in seen if len(one) > 1}
    assert {one[0] for one in seen} == {"cancelled"}
    assert with_order
    # Messages that come after a cancel which came first are buried, and no order is opened.
    first = {outcome(known, a) for a in orders_of_arrival(wanted) if a[0] == "C"}
    assert first == {("cancelled",)} or known["1"].alert.references
    if not known["1"].alert.references:
        assert len(with_order) == 1, with_order


def at_once(known: dict[str, AlertReceived], names: str) -> dict[str, AlertReceived]:
    """The same messages, of which these were sent at one moment, as CAP's whole seconds do."""
    return known | {
        n: replace(
            known[n],
            alert=with_digest(replace(known[n].alert, sent_us=NOON_US + 20 * US)),
        )
        for n in names
    }  # fmt: skip


FORMATS = {"ours": ours, "cap": theirs}


@pytest.mark.parametrize("made", FORMATS)
@pytest.mark.parametrize(
    ("names", "wanted"),
    [("12", "A12"), ("12", "1122"), ("23", "A123"), ("123", "A123"), ("A123", "A123"),
     ("A123", "AA12")],
)  # fmt: skip
def test_messages_of_one_moment_end_alike_in_every_order_of_arrival(made, names, wanted):
    known = at_once(FORMATS[made](), names)
    seen = {outcome(known, arrival) for arrival in orders_of_arrival(wanted)}
    assert len(seen) == 1, seen
    assert next(iter(seen))[1] != known["A"].alert.text, "an update is later than its alert"


@pytest.mark.parametrize("made", FORMATS)
def test_six_messages_of_one_moment_with_a_cancel_end_alike(made):
    """Every order of arrival of an alert, three updates, a cancel and a repeat."""
    known = at_once(FORMATS[made](), "A123C")
    seen = {outcome(known, a) for a in orders_of_arrival("A123C3")}
    assert {one[0] for one in seen} == {"cancelled"}
    with_order = {one for one in seen if len(one) > 1}
    if made == "ours":
        assert len(with_order) == 1, with_order
    else:
        # What the cancel has buried does not tell its word; the rest is the last of those told.
        assert {one[1] for one in with_order} <= {known[n].alert.text for n in "A123"}


WORDS = st.fixed_dictionaries(
    {
        "after_s": st.sampled_from([10, 20]),
        "grid": st.sampled_from([None, "G1", "G2", "G3", "nowhere"]),
        "to": st.sampled_from([None, None, "zone/edge", "person/chen", "grid/G2"]),
        "needs": st.integers(1, 3),
        "text": st.sampled_from(["一", "二", "往东街"]),
    }
)


@given(st.lists(WORDS, min_size=2, max_size=3), st.booleans())
@settings(max_examples=40, deadline=None)
def test_whatever_they_say_and_whenever_they_were_sent_all_orders_of_arrival_end_alike(said, cap):
    """Whom it is meant for, its place by name or by words, and its text, in both formats."""
    known = {"0": message(A, **{**said[0], "after_s": 10})}
    for name, words in zip("123", said[1:], strict=False):
        known[name] = message(U, **words)
    if cap:
        for name, each in known.items():
            references = tuple(f"zhzx,JQ-{other}" for other in known if other < name)
            cited = replace(each.alert, id=f"JQ-{name}", references=references)
            known[name] = replace(each, alert=cited)
    known = {n: replace(k, alert=with_digest(k.alert)) for n, k in known.items()}
    seen = set()
    for arrival in permutations(known):
        desk = Desk("zhang", "chen", "sun")
        desk.now_us = NOON_US + 29 * US
        for name in arrival:
            assert desk.send(known[name]).status in ("accepted", "duplicate")
        seen.add(_content(list(desk.state.each(Order))))
    assert len(seen) == 1, seen


def test_of_two_updates_of_a_moment_the_one_that_names_the_other_counts():
    """CAP's times are whole seconds: who refers to more messages has seen more."""
    known = at_once(theirs(), "123")
    for arrival in orders_of_arrival("A123"):
        assert outcome(known, arrival)[1] == known["3"].alert.text


def test_an_update_of_the_same_moment_that_does_not_count_says_how_to_make_it_count():
    desk = Desk("zhang")
    desk.alert()
    words = [desk.message(U, sent_us=NOON_US + US, text=text) for text in ("一", "二", "三")]
    last = max(words, key=lambda each: each.alert.body_sha256)
    desk.send(last)
    other = next(each for each in words if each is not last)
    assert desk.send(other).reason == desk.words("detail_same_moment")
    assert desk.order.alert.text == last.alert.text
    desk.update(sent_us=NOON_US + 2 * US, text=other.alert.text)
    assert desk.order.alert.text == other.alert.text


def test_without_the_digest_messages_of_one_moment_end_by_chance(monkeypatch):
    """The counter-proof: by their times alone, whichever came last would count."""
    by_time = "gateway.core.intake.messages._rank"
    monkeypatch.setattr(by_time, lambda key: (key.sent_us, key.what == "update"))
    known = at_once(ours(), "12")
    assert len({outcome(known, arrival) for arrival in orders_of_arrival("A12")}) > 1


def test_all_six_in_every_order():
    """720 orders of arrival of an alert, three amendments, a cancel and a repeat."""
    known = ours()
    seen = {outcome(known, arrival) for arrival in permutations(("A", "1", "2", "3", "C", "A"))}
    assert len({one for one in seen if len(one) > 1}) == 1
    assert {one[0] for one in seen} == {"cancelled"}


def test_without_the_rule_of_the_last_word_the_orders_of_arrival_differ(monkeypatch):
    """The counter-proof: with every message believed as it comes, the outcome is chance."""
    monkeypatch.setattr("gateway.core.intake.messages._rank", lambda key: (0, False))
    seen = {outcome(ours(), arrival) for arrival in orders_of_arrival("A13")}
    assert len(seen) > 1


# ---- what is said of it ----


def test_an_older_update_changes_nothing_and_says_so():
    desk = Desk("zhang", "sun")
    known = ours()
    desk.send(known["A"])
    desk.send(known["3"])
    desk.forget()
    receipt = desk.send(known["1"])
    assert (receipt.status, receipt.reason) == ("accepted", desk.words("detail_older"))
    assert desk.pages() == []
    assert desk.order.alert.text == "在西街"
    assert desk.order.revision == 1


def test_a_place_that_only_an_older_message_knows_is_taken_from_it():
    desk = Desk("zhang", "chen")
    desk.send(ours()["2"])
    assert (desk.order.grids, desk.order.flags) == ((), ("update_first", "no_grid"))
    desk.send(ours()["1"])
    assert desk.order.grids == ("G2",)
    assert desk.order.flags == ("update_first",)
    assert desk.order.alert.text == "往西跑"
    assert "chen" in desk.called()
    desk.send(ours()["A"])
    assert desk.order.grids[0] == "G2"
    assert desk.order.flags == ()


def test_an_update_after_the_cancel_is_noted_and_nobody_is_told():
    desk = Desk("zhang")
    desk.alert()
    desk.cancel()
    desk.forget()
    receipt = desk.update(text="又来了")
    assert receipt.status == "accepted"
    assert receipt.reason == desk.words("detail_noted_after_cancel")
    assert (desk.status, desk.order.alert.text) == ("cancelled", "又来了")
    assert desk.pages() == []


def test_an_exercise_cannot_amend_or_end_what_is_real():
    desk = Desk("zhang")
    desk.alert()
    for receipt in (desk.update(exercise=True, text="演练"), desk.cancel(exercise=True)):
        assert receipt.status == "refused"
        assert receipt.reason == desk.words("why_is_real", number="10")
    assert desk.order.alert.text == "有人打架"
    refused = desk.alert(id="JQ-0", exercise=True)
    assert (refused.status, refused.reason) == (
        "refused", desk.words("why_drill_live", number="10")
    )  # fmt: skip
    desk.alert(id="JQ-2", grid="G3", exercise=True)
    assert desk.update(id="JQ-2", text="真的").status == "refused"
    assert desk.cancel(id="JQ-2").status == "accepted", "a bare cancel need not say it"


# ---- incidents and references ----


def test_alerts_of_one_incident_make_one_order():
    desk = Desk("zhang", "li")
    desk.alert(incident="SJ-9")
    desk.pass_time(10)
    receipt = desk.alert(id="JQ-2", incident="SJ-9", text="第二个电话:有刀")
    assert (receipt.status, receipt.order) == ("accepted", "o1")
    assert receipt.reason == desk.words("detail_incident")
    assert desk.order.alert.text == "第二个电话:有刀"
    assert desk.alert(id="JQ-3", incident="SJ-10").order == "o2"
    assert desk.alert(id="JQ-4").order == "o3"


def test_an_incident_ends_when_its_last_alert_is_cancelled():
    desk = Desk("zhang")
    desk.alert(incident="SJ-9")
    desk.alert(id="JQ-2", incident="SJ-9")
    receipt = desk.cancel()
    assert receipt.reason == desk.words("detail_goes_on", numbers="10")
    assert desk.details("warning") == [desk.words("detail_cancelled_in_part", ids="JQ-2")]
    assert desk.status == "calling"
    assert desk.cancel(id="JQ-2").status == "accepted"
    assert desk.status == "cancelled"
    assert desk.alert(id="JQ-5", incident="SJ-9").order == "o2", "it begins anew"


def test_a_cancel_of_several_alerts_ends_each_and_says_which():
    desk = Desk("zhang", "sun")
    desk.alert()
    desk.alert(id="JQ-2", grid="G3")
    receipt = desk.cancel(id="C-1", references=("zhzx,JQ-1", "zhzx,JQ-2", "zhzx,JQ-3"))
    assert receipt.reason == desk.words("detail_cancelled_several", numbers="10、11")
    assert {o.status for o in desk.state.each(Order)} == {"cancelled"}
    assert desk.alert(id="JQ-3").order is None, "the third had not come yet"
    assert desk.cancel(id="C-1", references=("zhzx,JQ-9",)).status == "conflict"


def test_a_cancel_for_nothing_is_kept_and_its_repeat_known():
    desk = Desk("zhang")
    cancel = desk.message(C, id="C-1", references=("zhzx,JQ-1",), text="误报")
    assert desk.send(cancel).status == "accepted"
    assert desk.send(cancel).status == "duplicate"
    assert desk.alert().order is None
    assert desk.update().order is None, "nor is what would have amended it sent"
    assert desk.pages() == []


def test_an_update_that_names_two_orders_amends_both():
    desk = Desk("zhang", "sun")
    desk.alert()
    desk.alert(id="JQ-2", grid="G3")
    desk.update(id="U-1", references=("zhzx,JQ-1", "zhzx,JQ-2"), text="同一伙人", grid=None)
    assert [o.alert.text for o in desk.state.each(Order)] == ["同一伙人", "同一伙人"]


def test_no_other_sender_is_mistaken_for_the_one_named():
    desk = Desk("zhang")
    desk.alert()
    receipt = desk.cancel(id="C-1", references=("other,JQ-1",))
    assert receipt.order is None
    assert desk.status == "calling"


# ---- places ----


def at(lat: int, lon: int) -> Position:
    return Position(lat_udeg=lat, lon_udeg=lon, datum=Datum.WGS_84)


def test_a_point_on_a_border_offers_both_grids_and_the_centre_chooses():
    desk = Desk("zhang", "chen")
    receipt = desk.alert(grid=None, location=at(25_005_000, 118_010_000))
    own = desk.order.grids[0]
    other = {"G1": "G2", "G2": "G1"}[own]
    assert desk.order.flags == ("border",)
    assert own in receipt.reason
    assert other in receipt.reason
    assert desk.alert(id="JQ-2", grid=None, location=at(25_005_000, 118_010_000)).order == "o2"
    assert desk.order.grids[0] == own, "the same each time"
    receipt = desk.update(id="JQ-2", grid=other)
    assert desk.order.grids[0] == other
    assert receipt.flags == ()


def test_a_point_well_inside_or_well_outside_is_no_doubt():
    desk = Desk("zhang")
    assert desk.alert(grid=None, location=at(25_005_000, 118_005_000)).flags == ()
    assert desk.alert(id="b", grid=None, location=at(26_000_000, 118_005_000)).flags == (
        "no_grid",
    )
    near = desk.alert(id="c", grid=None, location=at(24_999_980, 118_005_000))
    assert desk.order.grids == ("G1",), "two metres outside is a slip of the map"
    assert near.flags == ()


def box(south: int, west: int, north: int, east: int) -> Area:
    corners = ((south, west), (south, east), (north, east), (north, west))
    return Area(datum=Datum.WGS_84, corners=corners)


def test_an_area_calls_the_grids_it_reaches_into_the_most_first():
    desk = Desk("zhang", "chen", "sun")
    area = box(25_000_000, 118_008_000, 25_010_000, 118_020_000)
    desk.alert(grid=None, areas=(area,))
    assert desk.order.grids == ("G2", "G1")
    assert {"zhang", "chen"} <= set(desk.called())
    assert "sun" not in desk.called(), "a border shared is not an area shared"


def test_a_circle_is_where_its_centre_is_and_several_areas_are_one():
    desk = Desk("zhang", "chen", "sun")
    circle = Area(datum=Datum.WGS_84, centre=(25_005_000, 118_005_000), radius_m=0)
    desk.alert(grid=None, areas=(box(25_001_000, 118_021_000, 25_009_000, 118_029_000), circle))
    assert desk.order.grids == ("G1", "G3")


def test_a_named_grid_wins_over_the_area_and_several_may_be_named():
    desk = Desk("zhang", "chen", "sun")
    area = box(25_000_000, 118_000_000, 25_010_000, 118_010_000)
    desk.alert(grid="350102", grids=("G3", "nowhere"), areas=(area,))
    assert desk.order.grids == ("G2", "G3")


def test_keys_of_an_order_go_with_it():
    desk = Desk("zhang")
    known = theirs()
    for name in "A12":
        desk.send(known[name])
    assert {k.order for k in desk.state.each(AlertKey)} == {"o1"}
