"""A chat account that is nobody's any more: what waits for it is taken back.

Whoever leaves, or gives his telephone to another, is written to no more, and what his driver
still holds for him shall not come out of the queue minutes later.
"""

from dataclasses import replace

from gateway.core.calls.calling import end_deliveries
from gateway.core.effects import ForgetAddress
from gateway.core.order import Card, Order
from gateway.core.people import Contact
from gateway.core.state import Draft


def forget_account(draft: Draft, contact: Contact) -> None:
    """Take an account from its person; nothing that waits for it is sent any more.

    What is asked for the account before this in the same step is taken back as well.
    """
    draft.drop(Contact, contact.key)
    _take_back(draft, contact)


def _take_back(draft: Draft, contact: Contact) -> None:
    for card in list(draft.state.each(Card)):
        here = (card.chat, card.address) == (contact.chat, contact.address)
        if card.state != "queued" or not here or card.person != contact.person:
            continue
        draft.put(replace(card, state="withdrawn"))
        order = draft.find(Order, card.order)
        if order is not None:
            end_deliveries(draft, order, card.id, "withdrawn", "left")
    draft.ask(ForgetAddress(chat=contact.chat, address=contact.address))
