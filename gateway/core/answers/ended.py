"""What may still be said of an order that has ended: that one knows it, or the same once more.

Who did not hear the tone that answered him keys again, and his very report may have ended the
order meanwhile. What stands in his timeline already is then answered as it was the first time,
told as a repetition, and changes nothing: a low tone would say that his report was lost. What
is new to an order that has ended stays refused.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from gateway.core.alert import Assurance, Medium
from gateway.core.answers.replies import NODE_OF_ACTION, Action
from gateway.core.calls.stand_down import understood
from gateway.core.life import standing
from gateway.core.order import Assignment, Node, Order, OrderStatus, Stamp
from gateway.core.state import Draft
from gateway.core.wording import Wording

US: Final = 1_000_000

# A reply that names no order is his latest one's once more for so long after it has ended;
# later he means something of which we do not know.
NAMELESS_US: Final = 600 * US
# Who has just said the same of an order that ended since may not have heard his tone.
JUST_SAID_US: Final = 30 * US

_ENDS: Final = frozenset({Node.DONE, Node.HANDOVER})
_THERE: Final = _ENDS | {Node.ARRIVED}
_COMES: Final = _THERE | {Node.EN_ROUTE}
# Nodes of which any, once recorded, says this one as well. A call for help is in none of them:
# nobody acts on it any more, so it must never be answered as if somebody did.
_SAID_BY: Final[Mapping[Node, frozenset[Node]]] = {
    Node.ACKNOWLEDGED: _COMES | {Node.ACKNOWLEDGED},
    Node.EN_ROUTE: _COMES,
    Node.ARRIVED: _THERE,
    Node.DONE: frozenset({Node.DONE}),
    Node.HANDOVER: frozenset({Node.HANDOVER}),
}


def repeated(draft: Draft, order: Order | None, person: str, action: Action) -> Node | None:
    """Return the node that a reply says again of an order that has ended; None for news.

    Of an order that was called off an acknowledgement is that of its end, once he has given
    that.
    """
    if order is None or order.open:
        return None
    part = draft.find(Assignment, f"{order.id}/{person}")
    if part is None:
        return None
    off = order.status is OrderStatus.CANCELLED
    if off and action is Action.ACKNOWLEDGE and part.stamp(Node.STOOD_DOWN) is not None:
        return Node.STOOD_DOWN
    node = NODE_OF_ACTION[action]
    before = replace(part, stamps=_until_end(order, part))
    if node is Node.DECLINED:
        return node if before.said and before.said[-1].node is node else None
    known = {stamp.node for stamp in standing(before)}
    return node if known & _SAID_BY.get(node, frozenset()) else None


def _until_end(order: Order, part: Assignment) -> tuple[Stamp, ...]:
    """Return the stamps but for what was said for him, and by him, when it was called off."""
    ended_us = order.closed_us or 0
    ends = (Node.RELEASED, Node.STOOD_DOWN)
    return tuple(s for s in part.stamps if not (s.node in ends and s.at_us >= ended_us))


def said_of_ended(
    draft: Draft,
    order: Order | None,
    person: str,
    action: Action,
    *,
    medium: Medium,
    assurance: Assurance,
) -> Node | None:
    """Take what may be said of an order that has ended; return the node it is, or None."""
    if understood(draft, order, person, action, medium=medium, assurance=assurance):
        return Node.STOOD_DOWN
    return said_again(draft, order, person, action, medium=medium, assurance=assurance)


def said_again(
    draft: Draft,
    order: Order | None,
    person: str,
    action: Action,
    *,
    medium: Medium,
    assurance: Assurance,
    by: str | None = None,
) -> Node | None:
    """Take what stands on record of an order that has ended; return its node, None for news.

    Args:
        draft: The step's draft.
        order: The order.
        person: Whose part it is.
        action: What is said.
        medium: By what.
        assurance: How sure it is that he, or who speaks for him, says it.
        by: Name of who speaks for him, or None.
    """
    node = repeated(draft, order, person, action)
    if node is not None:
        wording = Wording(draft.site)
        said = [wording.text("detail_repeated", state=wording.text(f"state_{node.value}"))]
        said += [wording.text("detail_on_behalf", by=by)] if by is not None else []
        draft.report(
            order, "repeated_reply", person=person, medium=medium.value,
            assurance=assurance.value, detail=wording.listed(said),
        )  # fmt: skip
    return node


def just_ended(draft: Draft, person: str, action: Action) -> Order | None:
    """Return the order on which a person's reply without a number is one once more.

    That is the latest of his that has ended, not long ago, if he said the same of it.
    """
    latest = max(_ended(draft, person), key=lambda order: order.closed_us or 0, default=None)
    if latest is None or draft.now_us - (latest.closed_us or 0) > NAMELESS_US:
        return None
    return latest if repeated(draft, latest, person, action) is not None else None


def of_another(draft: Draft, order: Order, person: str, action: Action) -> bool:
    """Return whether a reply without a number may be about an order that has just ended.

    He has only this one open now and has said nothing of it yet; but a moment ago he said the
    same, by radio, of one that has ended since.
    """
    part = draft.find(Assignment, f"{order.id}/{person}")
    if not order.open or part is None or part.said:
        return False
    node, since_us = NODE_OF_ACTION[action], draft.now_us - JUST_SAID_US
    return any(
        last.node is node and last.medium is Medium.RADIO and last.at_us >= since_us
        for ended in _ended(draft, person)
        if (last := _last_said(draft, ended, person)) is not None
    )


def _last_said(draft: Draft, order: Order, person: str) -> Stamp | None:
    part = draft.find(Assignment, f"{order.id}/{person}")
    stamps = () if part is None else _until_end(order, part)
    return stamps[-1] if stamps else None


def _ended(draft: Draft, person: str) -> list[Order]:
    found = (draft.find(Order, key) for key in draft.state.orders_of(person))
    return [order for order in found if order is not None and not order.open]
