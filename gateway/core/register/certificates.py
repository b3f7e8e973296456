"""Telling in good time that certificates run out: once some weeks before, once at the end.

A timer of the site's own rings every morning; whoever was told of is noted in his entry, so
that a day on which nobody was here is made good on the next.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from gateway.core.order import Timer
from gateway.core.people import Person
from gateway.core.places import Site
from gateway.core.roster import local_date, local_moment
from gateway.core.state import Draft
from gateway.core.wording import Wording

CERTIFICATES: Final = "certificates"
# A site-wide timer hangs on no order.
_SITE: Final = "site"
# In the morning, when somebody reads it.
_HOUR: Final = 8


def keep_watch(draft: Draft) -> None:
    """Ask to be woken in the morning, unless that is asked already."""
    if draft.find(Timer, f"{CERTIFICATES}/{_SITE}") is None:
        draft.wake(CERTIFICATES, _SITE, next_morning_us(draft.site, draft.now_us))


def next_morning_us(site: Site, now_us: int) -> int:
    """Return the next eight o'clock local time, UTC microseconds."""
    local = local_moment(now_us, site.timezone)
    morning = datetime(local.year, local.month, local.day, _HOUR, tzinfo=site.timezone)
    if morning <= local:
        next_day = local.date() + timedelta(days=1)
        morning = datetime(
            next_day.year, next_day.month, next_day.day, _HOUR, tzinfo=site.timezone
        )
    return round(morning.timestamp()) * 1_000_000


def morning(draft: Draft) -> None:
    """Tell whose certificates run out soon, or have; ask to be woken on the next morning."""
    for person in list(draft.state.each(Person)):
        if person.active and person.certificate_expires:
            _look_at(draft, person, person.certificate_expires)
    keep_watch(draft)


def _look_at(draft: Draft, person: Person, expires: str) -> None:
    today = local_date(draft.now_us, draft.site.timezone)
    soon = today + timedelta(days=draft.site.register.warning_days)
    if expires < today.isoformat():
        called = draft.site.register.expired_called
        stage = "over"
        key = "detail_certificate_over_called" if called else "detail_certificate_over"
    elif expires <= soon.isoformat():
        stage, key = "soon", "detail_certificate_soon"
    else:
        return
    told = f"{expires}/{stage}"
    if person.certificate_told == told:
        return
    draft.put(replace(person, certificate_told=told))
    detail = Wording(draft.site).text(key, day=expires)
    draft.report(None, "register", person=person.id, medium="clock", detail=detail)
