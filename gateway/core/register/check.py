"""Whether a person may stand in the register as he is: what he names is there, and his alone.

Answers are in words for whoever writes the register: what is wrong and what would be right.
"""

import difflib
from collections.abc import Iterable, Iterator

from gateway.core.people import Person, Role
from gateway.core.places import Site
from gateway.core.state import Draft


def mistake_in(draft: Draft, person: Person, within: str | None = None) -> str | None:
    """Return the first thing wrong with a person as he shall stand, or None.

    Args:
        draft: The step's draft: the register and the settings.
        person: As he shall stand.
        within: The organisation that alone may be written by whoever asks, or None.
    """
    found = (
        *_of_others(person, within),
        *dangling(draft.site, person),
        *_taken(draft, person, within),
        *same_paper(person, draft.state.each(Person), within),
    )
    return next(iter(found), None)


def _of_others(person: Person, within: str | None) -> Iterator[str]:
    if within is None:
        return
    if person.organisation != within:
        yield f"organisation: only people of {within} can be written with this token"
    if person.role is not Role.GUARD or person.tier != "guard":
        yield "role: a company writes guards only; stations and managers are the centre's"


def dangling(site: Site, person: Person) -> Iterator[str]:
    """Yield what a person names that the settings do not know, the nearest known with it."""
    yield from _unknown("organisation", (person.organisation,), site.organisations)
    yield from _unknown("premises", (person.premises,), site.premises)
    yield from _unknown("post", (person.post,), site.posts)
    yield from _unknown("grids", person.grids, site.grids)
    yield from _unknown("crew", (person.crew,), site.roster.crews)


def _unknown(
    field: str, names: Iterable[str | None], known: Iterable[str]
) -> Iterator[str]:
    known = list(known)
    for name in names:
        if name is not None and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            yield f"{field}: the settings know no {name}{meant}"


def _whose(other: Person, within: str | None) -> str:
    """Return whose something is; of other bodies' people a body is told nothing."""
    return f"{other.id}'s" if within in (None, other.organisation) else "somebody else's"


def _taken(draft: Draft, person: Person, within: str | None) -> Iterator[str]:
    """Yield codes and radios that somebody active, or a post, has already."""
    if person.guard_code is not None:
        for other in draft.state.holders_of_code(person.guard_code):
            if other.active and other.id != person.id:
                yield f"guard_code: {person.guard_code} is {_whose(other, within)} already"
    for radio in person.addresses:
        for other in draft.state.holders_of_radio(radio):
            if other.active and other.id != person.id:
                yield f"radios: {radio} is {_whose(other, within)} already"
        for post in draft.site.posts_of_radio.get(radio, ()):
            yield f"radios: {radio} stays at the post {post}"


def same_paper(
    person: Person, others: Iterable[Person], within: str | None = None
) -> Iterator[str]:
    """Yield whose certificate or filing number it already is: one guard, one organisation."""
    if person.certificate is None and person.filing is None:
        return
    for other in others:
        if other.id == person.id or not other.active:
            continue
        for field in ("certificate", "filing"):
            number = getattr(person, field)
            if number is not None and number == getattr(other, field):
                known = within in (None, other.organisation)
                of = f" of {other.organisation}" if known else ""
                yield (
                    f"{field}: this number is {_whose(other, within)}{of} already; a "
                    "guard is of one organisation (`gridcall people move`)"
                )
