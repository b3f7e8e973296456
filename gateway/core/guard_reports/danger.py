"""Somebody calls for help beside an order he is on: the order is one of level 1 from then on.

A call for help by itself becomes an order of level 1 (E6, ``steps``). His who is on an order
already is no less urgent; so his order is raised, its clocks begin again, and one guard more is
wanted there; no later message lowers it. Of a drill it is part of the drill.
"""

from gateway.core.alert import Assurance, Level, Medium
from gateway.core.answers.replies import Action
from gateway.core.answers.timeline import apply_reply
from gateway.core.calls.calling import channels_used
from gateway.core.calls.spoken_again import say_beside
from gateway.core.intake.amending import raise_to_one
from gateway.core.life import reached
from gateway.core.order import Assignment, Node, Order
from gateway.core.state import Draft
from gateway.core.wording import Wording


def in_danger(
    draft: Draft, order: Order, person: str, *, medium: Medium, assurance: Assurance
) -> None:
    """Raise the order that somebody is on, and call help to it.

    Args:
        draft: The step's draft.
        order: An open order.
        person: Who calls for help; he has a part in it.
        medium: By which he does.
        assurance: How sure it is that it was he.
    """
    part = draft.find(Assignment, f"{order.id}/{person}")
    asked_before = part is not None and reached(part, Node.NEED_HELP)
    raised = order.alert.level is not Level.ONE and not order.alert.exercise
    if raised:
        draft.report(
            order, "updated", person=person, medium=medium.value, assurance=assurance.value,
            detail=Wording(draft.site).text("detail_raised_in_danger"),
        )  # fmt: skip
    if not order.alert.exercise:
        raise_to_one(draft, order)
        order = draft.find(Order, order.id) or order
    apply_reply(draft, order, person, Action.NEED_HELP, medium=medium, assurance=assurance)
    if raised and asked_before:
        # It was asked for by the tone of another level.
        order = draft.find(Order, order.id) or order
        for channel in channels_used(draft, order):
            say_beside(draft, order, channel, "help")
