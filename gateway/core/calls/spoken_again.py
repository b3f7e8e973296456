"""Pages that say something else than their order, and all that is said again.

A page that is cut short, or waits for a channel that comes back, is asked for once more. It
says then what it said: a call for help is one again, and not that the order was amended.
"""

from collections.abc import Iterable
from typing import Final

from gateway.core.calls.calling import US, not_after_us, page_channel, people_awaited
from gateway.core.calls.saying import About, Saying
from gateway.core.life import called_off
from gateway.core.order import Assignment, Order, Page
from gateway.core.people import Person
from gateway.core.state import Draft, name_of
from gateway.core.wording import Wording

# A warning is of use for as long as people may be on their way.
CAUTION_LIFE_US: Final = 1800 * US
# What breaks a page each time is not chance: so often on one channel and no more.
_MOST_FAILURES: Final = 3
# What is of use although the order itself would not be called any more.
_LASTING: Final = ("caution", "off", "point")


def say_beside(
    draft: Draft,
    order: Order,
    channel: str,
    about: About,
    *,
    who: Iterable[Person] = (),
    words: str = "",
) -> None:
    """Ask for a page that says something beside the order, and remember what.

    Args:
        draft: The step's draft.
        order: Which order.
        channel: Where.
        about: What it is about.
        who: Who is named in it, and called by his radio's own call.
        words: The warning, or the point.
    """
    people = list(who)
    ids = tuple(person.id for person in people)
    page = page_channel(
        draft, order, channel, "update", people, rung=order.rung,
        said=_sentences(draft, order, about, ids, words),
        not_after=draft.now_us + CAUTION_LIFE_US if about in _LASTING else None,
    )  # fmt: skip
    if page is not None:
        draft.put(Saying(page=page, order=order.id, about=about, who=ids, words=words))


def _sentences(
    draft: Draft, order: Order, about: About, who: tuple[str, ...], words: str
) -> tuple[str, ...]:
    wording = Wording(draft.site)
    match about:
        case "help":
            return wording.say_help(order)
        case "still":
            return wording.say_still(order, [name_of(draft, person) for person in who])
        case "caution":
            return wording.say_caution(order, words)
        case "point":
            return wording.say_point(order, name_of(draft, who[0]), words)
        case "off":
            return wording.say_called_off(order, [name_of(draft, person) for person in who])


def speak_again(draft: Draft, order: Order, page: Page) -> None:
    """Ask once more for a transmission that was cut short or never began, if it still serves.

    Three failures on one channel are enough: what breaks it each time is then not chance.
    """
    failed = [
        p
        for p in draft.of_order(Page, order.id)
        if p.channel == page.channel and p.state == "failed"
    ]
    if not order.open or len(failed) > _MOST_FAILURES:
        return
    saying = draft.find(Saying, page.id)
    if saying is not None:
        _say_again(draft, order, page, saying)
    elif draft.taken_us > not_after_us(draft, order):
        return
    elif page.purpose not in ("order", "repeat"):
        page_channel(draft, order, page.channel, page.purpose, (), rung=page.rung)
    elif people := people_awaited(draft, order, page):
        page_channel(draft, order, page.channel, "repeat", people, rung=page.rung)


def _say_again(draft: Draft, order: Order, page: Page, saying: Saying) -> None:
    """Say what a page said beside the order, as far as it still holds."""
    people = [p for id_ in saying.who if (p := draft.find(Person, id_)) is not None]
    if saying.about in _LASTING:
        late = draft.taken_us > (page.ended_us or draft.taken_us) + CAUTION_LIFE_US
    else:
        late = draft.taken_us > not_after_us(draft, order)
    if saying.about == "still":
        people = [p for p in people if _is_asked(draft, order, p)]
    elif saying.about == "off":
        people = [p for p in people if _is_off(draft, order, p)]
    if late or (saying.who and not people):
        return
    say_beside(draft, order, page.channel, saying.about, who=people, words=saying.words)


def _is_asked(draft: Draft, order: Order, person: Person) -> bool:
    part = draft.find(Assignment, f"{order.id}/{person.id}")
    return part is not None and part.asked_us is not None


def _is_off(draft: Draft, order: Order, person: Person) -> bool:
    part = draft.find(Assignment, f"{order.id}/{person.id}")
    return part is not None and called_off(part)
