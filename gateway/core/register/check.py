"""Whether a person may stand in the register as he is: what he names is there, and his alone.

Answers are in words for whoever writes the register: what is wrong and what would be right.
"""

import difflib
from collections.abc import Iterable, Iterator

from gateway.core.people import Person, Role
from gateway.core.places import Site
from gateway.core.reasons import Reason, Why, Worded, reason
from gateway.core.state import Draft
from gateway.core.wording import because


def mistake_in(draft: Draft, person: Person, within: str | None = None) -> Worded | None:
    """Return the first thing wrong with a person as he shall stand, or None.

    Args:
        draft: The step's draft: the register and the settings.
        person: As he shall stand.
        within: The organisation that alone may be written by whoever asks, or None.
    """
    found: tuple[Reason, ...] = (
        *_of_others(person, within),
        *dangling(draft.site, person),
        *_taken(draft, person, within),
        *same_paper(person, draft.state.each(Person), within),
    )
    return because(draft.site, found[0].why, **dict(found[0].gaps)) if found else None


def _of_others(person: Person, within: str | None) -> Iterator[Reason]:
    if within is None:
        return
    if person.organisation != within:
        yield reason(Why.ONLY_OWN_PEOPLE, organisation=within)
    if person.role is not Role.GUARD or person.tier != "guard":
        yield reason(Why.ONLY_GUARDS)


def dangling(site: Site, person: Person) -> Iterator[Reason]:
    """Yield what a person names that the settings do not know, the nearest known with it."""
    yield from _unknown("organisation", (person.organisation,), site.organisations)
    yield from _unknown("premises", (person.premises,), site.premises)
    yield from _unknown("post", (person.post,), site.posts)
    yield from _unknown("grids", person.grids, site.grids)
    yield from _unknown("crew", (person.crew,), site.roster.crews)


def _unknown(
    field: str, names: Iterable[str | None], known: Iterable[str]
) -> Iterator[Reason]:
    known = list(known)
    for name in names:
        if name is not None and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            if near:
                yield reason(Why.NAME_MISSPELT, field=field, name=name, near=near[0])
            else:
                yield reason(Why.NAME_UNKNOWN, field=field, name=name)


def _told(other: Person, within: str | None) -> bool:
    """Return whether it is told whose something is: never of another body's people."""
    return within in (None, other.organisation)


def _taken(draft: Draft, person: Person, within: str | None) -> Iterator[Reason]:
    """Yield codes and radios that somebody active, or a post, has already."""
    if person.guard_code is not None:
        for other in draft.state.holders_of_code(person.guard_code):
            if other.active and other.id != person.id:
                why = Why.CODE_TAKEN if _told(other, within) else Why.CODE_TAKEN_ELSEWHERE
                yield reason(why, code=person.guard_code, person=other.id)
    for radio in person.addresses:
        for other in draft.state.holders_of_radio(radio):
            if other.active and other.id != person.id:
                why = Why.RADIO_TAKEN if _told(other, within) else Why.RADIO_TAKEN_ELSEWHERE
                yield reason(why, radio=radio, person=other.id)
        for post in draft.site.posts_of_radio.get(radio, ()):
            yield reason(Why.RADIO_AT_POST, radio=radio, post=post)


def same_paper(
    person: Person, others: Iterable[Person], within: str | None = None
) -> Iterator[Reason]:
    """Yield whose certificate or filing number it already is: one guard, one organisation."""
    if person.certificate is None and person.filing is None:
        return
    for other in others:
        if other.id == person.id or not other.active:
            continue
        for field in ("certificate", "filing"):
            number = getattr(person, field)
            if number is not None and number == getattr(other, field):
                why = Why.PAPER_TAKEN if _told(other, within) else Why.PAPER_TAKEN_ELSEWHERE
                body = other.organisation
                yield reason(why, field=field, person=other.id, organisation=body)
