"""Who of those on duty may be called to an order, who only if nobody else can, and why.

A person on duty may still be the wrong one: of another company than the one that asks, of a
body that does not do this sort of thing, with a certificate that has run out. And some are tied
to their post: they are called when it is about that post, or when nobody else is left.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple

from gateway.core.alert import Alert
from gateway.core.people import Person
from gateway.core.places import Post, Site, metres_between, site_point
from gateway.core.roster import local_date, local_moment


class Rank(IntEnum):
    """How soon somebody is called."""

    FIRST = 0
    LATER = 1
    NOT = 2


class Fitness(NamedTuple):
    """Whether somebody is called, and what speaks against it.

    Attributes:
        rank: How soon.
        why: Key of the catalogue, or None where nothing speaks against him.
    """

    rank: Rank
    why: str | None = None


_FIT = Fitness(Rank.FIRST)


def fit_for(site: Site, person: Person, alert: Alert, at_us: int) -> Fitness:
    """Return whether a person may be called to an alert at a moment (UTC microseconds).

    Whether he is on duty is another question: ``gateway.core.register.duty``.
    """
    against = _barred(site, person, alert, at_us)
    if against is not None:
        return Fitness(Rank.NOT, against)
    tied = None if at_his_post(site, person, alert) else _tied(site, person, alert, at_us)
    return _FIT if tied is None else Fitness(Rank.LATER, tied)


def local_day(site: Site, at_us: int) -> str:
    """Return the local day of a moment, such as ``2026-11-22``."""
    return local_date(at_us, site.timezone).isoformat()


def _barred(site: Site, person: Person, alert: Alert, at_us: int) -> str | None:
    if not person.active:
        return "unfit_left"
    if alert.organisation is not None and person.organisation != alert.organisation:
        return "unfit_other_company"
    body = site.organisations.get(person.organisation)
    if body is not None and body.categories and alert.category not in body.categories:
        return "unfit_category"
    policy = site.register
    expires = person.certificate_expires
    if expires and not policy.expired_called and expires < local_day(site, at_us):
        return "unfit_certificate"
    if policy.certificate_needed and person.certificate is None:
        return "unfit_no_certificate"
    if policy.consent_needed and person.consent != policy.consent:
        return "unfit_consent"
    return None


def post_of(site: Site, person: Person) -> Post | None:
    """Return the post where a person stands, if the settings know it."""
    return site.posts.get(person.post) if person.post else None


def at_his_post(site: Site, person: Person, alert: Alert) -> bool:
    """Return whether an alert is about the very post where a person stands.

    The place names the post, or lies within 50 m of it.
    """
    post = post_of(site, person)
    if post is None:
        return False
    simple = site.policy.folding.simple
    place = simple(alert.place or "")
    if any(simple(word) in place for word in (post.name, *post.aliases)):
        return True
    distance_m = _distance_m(site, post, alert)
    return distance_m is not None and distance_m <= 50


def _tied(site: Site, person: Person, alert: Alert, at_us: int) -> str | None:
    """Return why a person may not leave his post for an alert now, or None."""
    if not person.may_leave:
        return "unfit_tied"
    hours = person.leave_hours
    if hours is not None and not _within(hours, local_moment(at_us, site.timezone)):
        return "unfit_hours"
    post = post_of(site, person)
    distance_m = _distance_m(site, post, alert) if post else None
    if person.reach_m is not None and distance_m is not None and distance_m > person.reach_m:
        return "unfit_far"
    return None


def _within(hours: tuple[int, int], local: datetime) -> bool:
    begin, end = hours
    minute = local.hour * 60 + local.minute
    return begin <= minute < end if begin < end else minute >= begin or minute < end


def _distance_m(site: Site, post: Post, alert: Alert) -> float | None:
    if post.position is None or alert.location is None:
        return None
    return metres_between(post.position, site_point(alert.location, site.datum))


def kind_first(site: Site, person: Person, alert: Alert) -> bool:
    """Return whether guards of his kind of premises are called first to such an alert."""
    premises = site.premises.get(person.premises or "")
    return premises is not None and premises.kind in site.register.kinds_first.get(
        alert.category, ()
    )


def fittest(
    site: Site, guards: Iterable[Person], alert: Alert, at_us: int
) -> list[Person]:
    """Return whom of the guards to call now, in their order; kinds that go first go first.

    Those who are tied to their post are among them only as far as the others are too few.
    """
    ranked = [(fit_for(site, g, alert, at_us).rank, g) for g in guards]
    first = [g for rank, g in ranked if rank is Rank.FIRST]
    first.sort(key=lambda g: not kind_first(site, g, alert))
    if len(first) >= alert.needs:
        return first
    return first + [g for rank, g in ranked if rank is Rank.LATER]


def left_out(
    site: Site, guards: Sequence[Person], alert: Alert, at_us: int
) -> list[tuple[Person, str]]:
    """Return who of the guards may not be called at all, each with the key of the reason."""
    found = ((g, fit_for(site, g, alert, at_us)) for g in guards)
    return [(g, fit.why) for g, fit in found if fit.rank is Rank.NOT and fit.why is not None]
