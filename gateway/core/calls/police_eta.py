"""How long the police say that they need, and a partner proposed where that is too long (E12).

The station, or a patrol, writes ``20分钟`` in answer to its card, or somebody of the centre
puts it down for them. It is on record, the work groups read it, and above the site's limit the
nearest partner across grids is proposed. How far a station is (``partner``) says less than what
it says itself.
"""

from typing import Final

from gateway.core.alert import Assurance, Medium
from gateway.core.answers.by_chat import order_of_card
from gateway.core.answers.events import TextReceived
from gateway.core.answers.replies import Action, parse_eta
from gateway.core.answers.say_back import say_back
from gateway.core.answers.timeline import apply_reply, open_orders_of, order_of_number
from gateway.core.calls.calling import grids_of, tell_people
from gateway.core.calls.events import EtaGiven
from gateway.core.calls.partner import propose
from gateway.core.effects import Receipt
from gateway.core.life import TAKING, standing
from gateway.core.order import Assignment, Order
from gateway.core.people import Person, Role
from gateway.core.policy.policy import response_to
from gateway.core.reasons import Why
from gateway.core.state import Draft
from gateway.core.wording import Wording, because

MOST_MINUTES: Final = 240
_PATROLS: Final = ("station_patrol", "special_patrol")


def eta_given(draft: Draft, event: EtaGiven) -> None:
    """Put down what the police told the centre; answered by a receipt."""
    order = draft.find(Order, event.order) or order_of_number(draft, event.order)
    if order is None or not order.open:
        why = because(draft.site, Why.ORDER_NOT_OPEN, order=event.order)
        draft.ask(Receipt(status="refused", sender=event.by, id=event.order, reason=why))
        return
    person = draft.find(Person, event.person or _station_of(draft, order) or "")
    if person is None or not _is_police(person):
        why = because(draft.site, Why.NOT_POLICE, person=event.person or "-")
        draft.ask(Receipt(status="refused", sender=event.by, id=event.order, reason=why))
        return
    _told(draft, order, person, event.minutes, medium="centre", by=event.by)
    draft.ask(
        Receipt(
            status="accepted", sender=event.by, id=event.order, order=order.id,
            number=order.number,
        )
    )  # fmt: skip


def eta_wrote(draft: Draft, text: TextReceived) -> bool:
    """Take a number of minutes that the police write of an order; return whether it was one."""
    found = parse_eta(text.text)
    person_id = draft.state.person_of_account(text.chat, text.address)
    person = draft.find(Person, person_id) if person_id else None
    if found is None or person is None or not person.active or not _is_police(person):
        return False
    orders = _orders_meant(draft, text, person, found.number)
    if not orders or not 1 <= found.minutes <= MOST_MINUTES:
        return False
    wording = Wording(draft.site, person.language)
    if len(orders) > 1:
        gaps = {"numbers": wording.listed(o.number for o in orders)}
        which = wording.text("answer_eta_which", example=orders[0].number, **gaps)
        say_back(draft, text, which)
        return True
    (order,) = orders
    part = draft.find(Assignment, f"{order.id}/{person.id}")
    if part is not None and not any(s.node in TAKING for s in standing(part)):
        # Whoever says when he comes has it.
        apply_reply(
            draft, order, person.id, Action.ACKNOWLEDGE, medium=Medium.CHAT,
            assurance=Assurance.C1,
        )  # fmt: skip
    order = draft.find(Order, order.id) or order
    _told(draft, order, person, found.minutes, medium="chat", by="")
    say_back(draft, text, wording.line(order, "answer_eta", minutes=found.minutes))
    return True


def _orders_meant(
    draft: Draft, text: TextReceived, person: Person, number: str | None
) -> list[Order]:
    """Return the open orders of his that a text may be about: its card's, its number's, all."""
    mine = open_orders_of(draft, person.id)
    answered = order_of_card(draft, text.chat, text.group or text.address, text.reply_to)
    if answered is not None:
        return [order for order in mine if order.id == answered.id]
    return [order for order in mine if number in (None, order.number)]


def _is_police(person: Person) -> bool:
    return person.role is Role.STATION or person.tier in _PATROLS


def _station_of(draft: Draft, order: Order) -> str | None:
    """Return the station that was ordered, else that of the order's own grid."""
    parts = draft.of_order(Assignment, order.id)
    ordered = [a.person for a in parts if a.role is Role.STATION]
    return next(iter((*ordered, *(g.station for g in grids_of(draft, order)[:1]))), None)


def _told(
    draft: Draft, order: Order, person: Person, minutes: int, *, medium: str, by: str
) -> None:
    """Tell centre and groups, and propose a partner where it is longer than the limit."""
    detail = Wording(draft.site).text("detail_eta", minutes=minutes)
    draft.report(
        order, "eta", person=person.id, medium=medium,
        assurance="H" if by else "C1", detail=f"{detail}（{by}）" if by else detail,
    )  # fmt: skip
    tell_people(
        draft, order, "note_eta", privately=False, who=person, minutes=minutes
    )
    limit_s = response_to(draft.site, order).police_eta_s
    if limit_s and minutes * 60 > limit_s:
        propose(draft, order, "detail_proposal_eta", minutes=minutes)
