"""Teams with a leader: his answer is theirs, and they see it."""

from gateway.core.calls.calling import answered_elsewhere, tell_person
from gateway.core.life import covered
from gateway.core.order import Assignment, Order
from gateway.core.people import Person, Role
from gateway.core.state import Draft


def team_told(draft: Draft, order: Order, person: str, before: frozenset[str]) -> None:
    """Tell those of a team for whom their leader has just answered.

    Args:
        draft: The step's draft.
        order: Which order.
        person: Who has just said something.
        before: For whom a leader had answered before, as :func:`covered_now` gave it.
    """
    leader = draft.find(Person, person)
    if leader is None:
        return
    for member in sorted(covered_now(draft, order) - before):
        tell_person(draft, order, member, "note_team", name=leader.name)
        answered_elsewhere(draft, order, member)


def covered_now(draft: Draft, order: Order) -> frozenset[str]:
    """Return the guards of an order for whom the leader of their team has answered."""
    return covered(draft.of_order(Assignment, order.id), order.alert.level)


def members_of(draft: Draft, team: str) -> list[Person]:
    """Return the active guards of a team, its leaders first."""
    found = [p for p in draft.state.people_of_team(team) if p.active and p.role is Role.GUARD]
    return sorted(found, key=lambda p: (not p.leader, p.id))
