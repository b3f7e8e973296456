"""The life of an order, as a table, and the facts that move it along.

Rules for whoever edits this file:

1. Every edge stands in :data:`LIFE`; a trigger without an edge changes nothing.
2. A trigger is derived from the assignments, so that the same facts in another order of
   arrival end in the same status.
3. An order is closed by a named person or by the centre's cancel, never by a clock.

Theory of operation. An order calls until enough guards have answered in a way that counts; it
is then acknowledged, arrived, done. A leader answers for those of his team who were called with
him and have said nothing themselves. A guard who answered and then cannot come makes it short
again, and the ladder goes on. When the ladder has ended the order is unanswered, which is not
an end: whoever answers then still counts, and an amendment may call everybody afresh.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum

from gateway.core.alert import Assurance, Level
from gateway.core.order import Assignment, Node, Order, OrderStatus, Stamp
from gateway.core.people import Role


class Trigger(StrEnum):
    """What the facts amount to."""

    SHORT = "short"
    ANSWERED = "answered"
    ATTENDED = "attended"
    FINISHED = "finished"
    HANDED = "handed"
    LADDER_ENDED = "ladder_ended"
    CALLED_AFRESH = "called_afresh"
    CANCELLED = "cancelled"
    CLOSED = "closed"


_S = OrderStatus
_T = Trigger

# Where answers lead from any status that is still open.
_ANSWERS = {
    _T.ANSWERED: _S.ACKNOWLEDGED, _T.ATTENDED: _S.ARRIVED, _T.FINISHED: _S.DONE,
    _T.HANDED: _S.HANDED_OVER,
}  # fmt: skip
_ENDS = {_T.CANCELLED: _S.CANCELLED, _T.CLOSED: _S.CLOSED}

LIFE: dict[OrderStatus, dict[Trigger, OrderStatus]] = {
    _S.CALLING: {**_ANSWERS, **_ENDS, _T.LADDER_ENDED: _S.UNANSWERED},
    _S.ACKNOWLEDGED: {**_ANSWERS, **_ENDS, _T.SHORT: _S.CALLING},
    _S.ARRIVED: {**_ANSWERS, **_ENDS, _T.SHORT: _S.CALLING},
    _S.DONE: {**_ANSWERS, **_ENDS, _T.SHORT: _S.CALLING},
    # What the police have does not come back to the guards.
    _S.HANDED_OVER: {**_ENDS},
    _S.UNANSWERED: {**_ANSWERS, **_ENDS, _T.CALLED_AFRESH: _S.CALLING},
    # Only a named person, or words that are for guards, let it go.
    _S.HELD: {**_ENDS, _T.CALLED_AFRESH: _S.CALLING},
    _S.CANCELLED: {},
    _S.CLOSED: {},
}

# Nodes that say: I take it.
TAKING = frozenset(
    {Node.ACKNOWLEDGED, Node.EN_ROUTE, Node.ARRIVED, Node.DONE, Node.HANDOVER}
)
# The flag of an order that the centre itself has handed over.
HANDED_OVER = "handed_over"

# Assurances by which an answer stops the ladder (security.md §2): below level 1 a radio id or a
# keyed guard number is enough; level 1 wants a code, an enrolled account or a dispatcher.
_STRONG = frozenset({Assurance.R2, Assurance.C1, Assurance.C2, Assurance.H})
_ENOUGH: dict[Level, frozenset[Assurance]] = {
    Level.ONE: _STRONG,
    Level.TWO: _STRONG | {Assurance.R1},
    Level.THREE: _STRONG | {Assurance.R1},
}


# Nodes after which what he said before counts no more.
LEAVING = frozenset({Node.DECLINED, Node.RELEASED, Node.LAPSED, Node.STOOD_DOWN})


def standing(assignment: Assignment) -> tuple[Stamp, ...]:
    """Return the stamps since he last said that he cannot come, was released, or lapsed."""
    since = 0
    for i, stamp in enumerate(assignment.stamps):
        if stamp.node in LEAVING:
            since = i + 1
    return assignment.stamps[since:]


def at_work(assignment: Assignment) -> bool:
    """Return whether he has taken the order, and neither left it nor said that he is done."""
    nodes = {s.node for s in standing(assignment)}
    return bool(nodes & TAKING) and Node.DONE not in nodes


def takes(assignment: Assignment, level: Level) -> bool:
    """Return whether this person's answer counts for an order of this level."""
    return any(
        s.node in TAKING and s.assurance in _ENOUGH[level] for s in standing(assignment)
    )


def answered_at_all(assignment: Assignment) -> bool:
    """Return whether he said anything himself, so that repeating to him is pointless.

    Who is called again by name has said nothing yet.
    """
    return bool(assignment.said) and assignment.said[-1].node is not Node.RECALLED


def reached(assignment: Assignment, node: Node) -> bool:
    """Return whether he has reached a node and not left since."""
    return any(s.node is node for s in standing(assignment))


def left(assignment: Assignment) -> bool:
    """Return whether the last he said, or was said for him, is that he does not come."""
    return bool(assignment.said) and assignment.said[-1].node in LEAVING


def called_off(assignment: Assignment) -> bool:
    """Return whether he was called off alone, and has not come back to the order since."""
    return assignment.off and left(assignment)


def covered(assignments: Iterable[Assignment], level: Level) -> frozenset[str]:
    """Return the person ids of silent guards for whom the leader of their team has answered."""
    people = [a for a in assignments if a.role is Role.GUARD and a.team is not None]
    led = {a.team for a in people if a.leads and takes(a, level)}
    return frozenset(a.person for a in people if a.team in led and not a.said)


def strength(assignments: Sequence[Assignment], level: Level) -> int:
    """Return how many guards have answered in a way that counts, leaders' teams included."""
    guards = sum(a.role is Role.GUARD and takes(a, level) for a in assignments)
    return guards + len(covered(assignments, level))


def _counts(order: Order, assignment: Assignment) -> bool:
    """Return whether his answer moves the order: the station's only where it was meant."""
    if assignment.role is Role.STATION:
        return order.alert.to == f"station/{assignment.person}"
    return assignment.role in (Role.GUARD, Role.MANAGER)


def _hands_over(assignment: Assignment, level: Level) -> bool:
    """Return whether he says that the police have it; the station may say so as well."""
    return any(
        s.node is Node.HANDOVER and s.assurance in _ENOUGH[level]
        for s in standing(assignment)
    )


def trigger_of(order: Order, assignments: Iterable[Assignment]) -> Trigger:
    """Return what the facts about the people amount to."""
    level = order.alert.level
    people = list(assignments)
    if HANDED_OVER in order.flags or any(_hands_over(a, level) for a in people):
        return Trigger.HANDED
    takers = [a for a in people if _counts(order, a) and takes(a, level)]
    guards = [a for a in takers if a.role is not Role.MANAGER]
    if len(guards) + len(covered(people, level)) < order.alert.needs:
        managed = any(a.role is Role.MANAGER for a in takers)
        return Trigger.ANSWERED if managed else Trigger.SHORT
    if all(reached(a, Node.DONE) for a in guards):
        return Trigger.FINISHED
    if any(reached(a, Node.ARRIVED) or reached(a, Node.DONE) for a in guards):
        return Trigger.ATTENDED
    return Trigger.ANSWERED
