"""The life of an order: every row of the table, and what the facts about people amount to."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.alert import Alert, AlertKind, Assurance, Level, Medium
from gateway.core.life import (
    LIFE,
    Trigger,
    answered_at_all,
    reached,
    standing,
    takes,
    trigger_of,
)
from gateway.core.order import Assignment, Node, Order, OrderStatus, Stamp
from gateway.core.people import Role

S, T = OrderStatus, Trigger

# The table once more, written down by hand from the story an order tells: a row a status.
ROWS = {
    S.CALLING: {
        T.HANDED: S.HANDED_OVER,
        T.ANSWERED: S.ACKNOWLEDGED, T.ATTENDED: S.ARRIVED, T.FINISHED: S.DONE,
        T.LADDER_ENDED: S.UNANSWERED, T.CANCELLED: S.CANCELLED, T.CLOSED: S.CLOSED,
    },
    S.ACKNOWLEDGED: {
        T.HANDED: S.HANDED_OVER,
        T.SHORT: S.CALLING, T.ANSWERED: S.ACKNOWLEDGED, T.ATTENDED: S.ARRIVED,
        T.FINISHED: S.DONE, T.CANCELLED: S.CANCELLED, T.CLOSED: S.CLOSED,
    },
    S.ARRIVED: {
        T.HANDED: S.HANDED_OVER,
        T.SHORT: S.CALLING, T.ANSWERED: S.ACKNOWLEDGED, T.ATTENDED: S.ARRIVED,
        T.FINISHED: S.DONE, T.CANCELLED: S.CANCELLED, T.CLOSED: S.CLOSED,
    },
    S.DONE: {
        T.HANDED: S.HANDED_OVER,
        T.SHORT: S.CALLING, T.ANSWERED: S.ACKNOWLEDGED, T.ATTENDED: S.ARRIVED,
        T.FINISHED: S.DONE, T.CANCELLED: S.CANCELLED, T.CLOSED: S.CLOSED,
    },
    S.UNANSWERED: {
        T.HANDED: S.HANDED_OVER,
        T.ANSWERED: S.ACKNOWLEDGED, T.ATTENDED: S.ARRIVED, T.FINISHED: S.DONE,
        T.CANCELLED: S.CANCELLED, T.CLOSED: S.CLOSED,
    },
    S.HANDED_OVER: {T.CANCELLED: S.CANCELLED, T.CLOSED: S.CLOSED},
    S.HELD: {T.CANCELLED: S.CANCELLED, T.CLOSED: S.CLOSED},
    S.CANCELLED: {},
    S.CLOSED: {},
}  # fmt: skip


@pytest.mark.parametrize("status", list(OrderStatus), ids=str)
def test_a_status_has_exactly_the_edges_of_its_row(status):
    # Edges that came later (an order called afresh) are named in their own story.
    edges = {t: to for t, to in LIFE[status].items() if t in T}
    known = {t: to for t, to in edges.items() if t.value != "called_afresh"}
    assert known == ROWS[status]


def test_every_open_status_can_be_closed_and_cancelled_and_no_ended_one_moves():
    for status in OrderStatus:
        ended = status in (S.CANCELLED, S.CLOSED)
        assert (T.CLOSED in LIFE[status]) is (T.CANCELLED in LIFE[status]) is not ended
        assert not (ended and LIFE[status])


def test_only_the_end_of_the_ladder_leaves_an_order_unanswered():
    into = {(s, t) for s, edges in LIFE.items() for t, to in edges.items() if to is S.UNANSWERED}
    assert into == {(S.CALLING, T.LADDER_ENDED)}


# ---- what the facts amount to ----


def order(level=Level.TWO, needs=1):
    alert = Alert(
        kind=AlertKind.ALERT, id="a", sender="s", sent_us=0, category="fight", level=level,
        text="t", needs=needs,
    )  # fmt: skip
    return Order(
        id="o1", number="12", status=S.CALLING, alert=alert, grids=(), opened_us=0, clock_us=0
    )


def part(person, *said, role=Role.GUARD):
    """``said`` are words like ``arrived/C2``."""
    stamps = []
    for i, word in enumerate(said):
        node, assurance = word.split("/")
        stamps.append(
            Stamp(
                node=Node(node), at_us=i, medium=Medium.CHAT, assurance=Assurance(assurance)
            )
        )
    return Assignment(order="o1", person=person, role=role, stamps=tuple(stamps))


@pytest.mark.parametrize(
    ("parts", "trigger"),
    [
        ([], T.SHORT),
        ([part("a")], T.SHORT),
        ([part("a", "told/M")], T.SHORT),
        ([part("a", "acknowledged/R1")], T.ANSWERED),
        ([part("a", "acknowledged/R0")], T.SHORT),
        ([part("a", "need_help/C2")], T.SHORT),
        ([part("a", "en_route/C1")], T.ANSWERED),
        ([part("a", "arrived/C2")], T.ATTENDED),
        ([part("a", "arrived/C2"), part("b")], T.ATTENDED),
        ([part("a", "done/C2")], T.FINISHED),
        ([part("a", "done/C2"), part("b", "acknowledged/C2")], T.ATTENDED),
        ([part("a", "done/C2"), part("b", "declined/C2")], T.FINISHED),
        ([part("a", "acknowledged/C2", "declined/C2")], T.SHORT),
        ([part("a", "arrived/C2", "declined/C2", "acknowledged/C2")], T.ANSWERED),
        ([part("a", "acknowledged/C2", "released/H")], T.SHORT),
        ([part("p", "acknowledged/C2", role=Role.STATION)], T.SHORT),
        ([part("m", "acknowledged/C2", role=Role.MANAGER)], T.ANSWERED),
        ([part("m", "arrived/C2", role=Role.MANAGER)], T.ANSWERED),
    ],
)  # fmt: skip
def test_what_people_said_amounts_to(parts, trigger):
    assert trigger_of(order(), parts) is trigger


@pytest.mark.parametrize(
    ("assurance", "enough_for"),
    [
        ("R0", ()), ("R1", (2, 3)), ("R2", (1, 2, 3)), ("C1", (1, 2, 3)), ("C2", (1, 2, 3)),
        ("H", (1, 2, 3)), ("M", ()),
    ],
)  # fmt: skip
def test_a_level_one_order_wants_a_better_answer_than_a_keyed_number(assurance, enough_for):
    said = part("a", f"acknowledged/{assurance}")
    assert tuple(int(level) for level in Level if takes(said, level)) == enough_for


def test_an_order_for_two_is_short_until_two_have_taken_it():
    one, two = part("a", "arrived/C2"), part("b", "acknowledged/C2")
    assert trigger_of(order(needs=2), [one]) is T.SHORT
    assert trigger_of(order(needs=2), [one, two]) is T.ATTENDED
    assert trigger_of(order(needs=2), [one, part("b", "declined/C2")]) is T.SHORT


def test_standing_begins_after_the_last_time_he_said_no():
    said = part("a", "told/M", "arrived/C2", "declined/C2", "en_route/C2")
    assert [s.node for s in standing(said)] == [Node.EN_ROUTE]
    assert reached(said, Node.EN_ROUTE)
    assert not reached(said, Node.ARRIVED)
    assert answered_at_all(said)
    assert not answered_at_all(part("a", "told/M"))


nodes = st.sampled_from([n.value for n in Node])
assurances = st.sampled_from([a.value for a in Assurance])
histories = st.lists(st.builds("{}/{}".format, nodes, assurances), max_size=6)


@given(people=st.lists(histories, max_size=4), level=st.sampled_from(list(Level)),
       needs=st.integers(1, 3), shuffle=st.randoms(use_true_random=False))  # fmt: skip
def test_the_same_facts_in_another_order_amount_to_the_same(people, level, needs, shuffle):
    parts = [part(f"p{i}", *said) for i, said in enumerate(people)]
    mixed = parts[:]
    shuffle.shuffle(mixed)
    wanted = order(level, needs)
    assert trigger_of(wanted, parts) is trigger_of(wanted, mixed)


@given(said=histories)
def test_being_told_changes_nothing_about_what_he_said(said):
    one = part("a", *said)
    told = replace(one, stamps=(*part("a", "told/M").stamps, *one.stamps))
    for level in Level:
        assert takes(one, level) is takes(told, level)
