"""Order numbers: two digits while there are any, each at rest for a day after the close."""

from itertools import chain, count

from gateway.core.calls.calling import US
from gateway.core.order import (
    Counter,
    NumberLease,
)
from gateway.core.state import Draft

# An order number is not used again for a day after the close, so that a late reply cannot
# reach another order.
NUMBER_REST_US = 24 * 3600 * US


def take_number(draft: Draft, order_id: str, *, drill: bool = False) -> str:
    """Return a number that no order has had for a day: the next free one in the round.

    A drill's begins with a zero, as no live order's does: 01 to 09, then 010 and so on. It is
    keyed like any other, and with the zero forgotten it is nobody's.
    """
    series = "drill_number" if drill else "number"
    # Two digits while there are any, then three, then more (which a chat can name, but no
    # keypad from five on); none begins with a zero, which is easily left out.
    for digits in count(2):
        full = draft.find(Counter, f"{series}_{digits}_full")
        if full is not None and draft.now_us < full.value:
            continue
        number = _free_number(draft, series, digits)
        if number is not None:
            draft.put(NumberLease(number=number, order=order_id))
            return number
    raise AssertionError("numbers do not end")


def _free_number(draft: Draft, series: str, digits: int) -> str | None:
    """Return the next free number of so many digits, or None and remember how long that holds.

    In a storm every number of two digits, then of three, is soon in use, and each further order
    would look at all of them.
    """
    lead = "0" if series == "drill_number" else ""
    own = digits - len(lead)
    first, last = 10 ** (own - 1), 10**own - 1
    series = f"{series}_{digits}"
    counter = draft.find(Counter, series)
    begin = first if counter is None or counter.value >= last else counter.value + 1
    # One that is in use now will rest from its order's end.
    soonest_us = draft.now_us + NUMBER_REST_US
    for n in chain(range(begin, last + 1), range(first, begin)):
        number = f"{lead}{n}"
        lease = draft.find(NumberLease, number)
        if lease is None or rested(draft, lease):
            if lease is not None:
                draft.drop(NumberLease, lease.number)
            draft.put(Counter(name=series, value=n))
            return number
        if lease.free_us is not None:
            soonest_us = min(soonest_us, lease.free_us)
    draft.put(Counter(name=f"{series}_full", value=soonest_us))
    return None


def rested(draft: Draft, lease: NumberLease) -> bool:
    """Return whether a number may be used again."""
    return lease.free_us is not None and lease.free_us <= draft.now_us
