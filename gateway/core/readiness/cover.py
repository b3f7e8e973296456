"""Cover: holes in it are known and told before an alert falls into one.

A grid in which nobody is on duty, or will not be within a day; a grid none of whose guards can
be reached; a station or a manager who cannot; a channel silent for hours. Each is told once,
again while it stays, and when it is over.

Theory of operation. All of it can change only with the roster's own moments, with the register,
with people's duty and with the paths. So it is looked at when the next of those moments comes,
and within a minute of any change: sooner than by looking every minute, and at less cost.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple

from gateway.core.calls.calling import NOTE_LIFE_US, US
from gateway.core.effects import ReportStatus, SendText
from gateway.core.order import Path, Put, Timer
from gateway.core.people import Contact, Person, Role
from gateway.core.places import Grid
from gateway.core.readiness.event_plan_people import grids_at, grids_over, moments
from gateway.core.readiness.settings import ChannelHeard, CoverGap, CoverKind
from gateway.core.register.duty import changes_of, local_words, stands
from gateway.core.roster import DutyChanges, duty_at, local_date, span_of
from gateway.core.state import Draft
from gateway.core.wording import Wording

CLOCK: Final = "cover"
_SITE: Final = "site"
HOUR_US: Final = 3600 * US
SOON_US: Final = 60 * US
# When a channel was heard is noted so often at most: a row need not tell it of every over.
HEARD_EVERY_US: Final = 600 * US
# What can open or close a hole, besides time.
_MATTERS: Final = (Person, Contact, DutyChanges, Path)
_MATTERING_KINDS: Final = frozenset(kind.KIND for kind in _MATTERS)


class Hole(NamedTuple):
    """A hole in the cover, and from when on it is one, UTC microseconds (0: now)."""

    kind: CoverKind
    what: str
    from_us: int = 0


def keep_watch(draft: Draft) -> None:
    """Begin to watch, or begin afresh with new settings; off where they say so."""
    if not draft.site.readiness.cover:
        draft.sleep(CLOCK, _SITE)
        for gap in list(draft.state.each(CoverGap)):
            draft.drop(CoverGap, gap.key)
        return
    for channel in draft.site.channels if draft.site.readiness.unheard_h else ():
        if draft.find(ChannelHeard, channel) is None:
            draft.put(ChannelHeard(channel=channel, at_us=draft.now_us))
    draft.wake(CLOCK, _SITE, draft.now_us + SOON_US)


def changed(draft: Draft) -> None:
    """Look again within a minute, if this step has changed what cover hangs on."""
    if not any(
        (c.entity.KIND if isinstance(c, Put) else c.kind) in _MATTERING_KINDS
        for c in draft.changes
    ):
        return
    timer = draft.find(Timer, f"{CLOCK}/{_SITE}")
    if timer is not None and timer.due_us > draft.now_us + SOON_US:
        draft.wake(CLOCK, _SITE, draft.now_us + SOON_US)


def channel_heard(draft: Draft, channel: str) -> None:
    """Note that a human was heard on a channel."""
    if not draft.site.readiness.unheard_h:
        return
    before = draft.find(ChannelHeard, channel)
    if before is None or draft.now_us - before.at_us >= HEARD_EVERY_US:
        draft.put(ChannelHeard(channel=channel, at_us=draft.now_us))
    if draft.find(CoverGap, f"unheard/{channel}") is not None:
        draft.wake(CLOCK, _SITE, draft.now_us + US)


def cover_due(draft: Draft, timer: Timer) -> None:
    """Look for holes: tell new ones, remind of old ones, tell which are over."""
    draft.drop(Timer, timer.key)
    if not draft.site.readiness.cover:
        return
    holes = {f"{hole.kind}/{hole.what}": hole for hole in _holes(draft)}
    for gap in list(draft.state.each(CoverGap)):
        if gap.key not in holes:
            draft.drop(CoverGap, gap.key)
            _tell(draft, Hole(gap.kind, gap.what), "cover_ok")
    for key, hole in holes.items():
        _note(draft, hole, draft.find(CoverGap, key))
    draft.wake(CLOCK, _SITE, _next_look_us(draft))


def _note(draft: Draft, hole: Hole, known: CoverGap | None) -> None:
    remind_us = draft.site.readiness.remind_min * 60 * US
    if known is not None and draft.now_us - known.told_us < remind_us:
        if known.from_us != hole.from_us:
            draft.put(replace(known, from_us=hole.from_us))
        return
    since_us = draft.now_us if known is None else known.since_us
    gap = CoverGap(
        kind=hole.kind, what=hole.what, since_us=since_us, told_us=draft.now_us,
        from_us=hole.from_us,
    )  # fmt: skip
    draft.put(gap)
    _tell(draft, hole, "cover")
    if known is None and hole.kind == "empty":
        _tell_manager(draft, draft.site.grids[hole.what])


# ---- what is missing ----


def _holes(draft: Draft) -> Iterator[Hole]:
    guards = [p for p in draft.state.each(Person) if p.active and p.role is Role.GUARD]
    served = _served(draft, guards, draft.now_us)
    grids = [g for g in draft.site.grids.values() if g.channel or g.chat]
    for grid in grids:
        here = served.get(grid.id, [])
        if not here:
            yield Hole("empty", grid.id)
        elif not any(_reachable(draft, person, grid) for person in here):
            yield Hole("group", grid.id)
    yield from _ahead(draft, guards, grids)
    yield from _unheard(draft)
    yield from _unreachable(draft)


def _served(draft: Draft, guards: list[Person], at_us: int) -> dict[str, list[Person]]:
    """Return who is on duty at a moment, by grid."""
    duty = duty_at(draft.site.roster, at_us, draft.site.timezone)
    found: dict[str, list[Person]] = {}
    elsewhere = grids_at(draft, at_us)
    for person in guards:
        if stands(draft, duty, person):
            for grid in elsewhere.get(person.id, person.grids):
                found.setdefault(grid, []).append(person)
    return found


def _reachable(draft: Draft, person: Person, grid: Grid) -> bool:
    """Return whether one way at least leads to a guard: his chat, or his grid's channel."""
    if any(_up(draft, f"chat:{c.chat}") for c in draft.state.contacts_of(person.id)):
        return True
    channel = draft.site.channels.get(grid.channel or "")
    return channel is not None and channel.transmits and _up(draft, f"channel:{channel.id}")


def _up(draft: Draft, path: str) -> bool:
    known = draft.find(Path, path)
    return known is None or known.up


def _ahead(draft: Draft, guards: list[Person], grids: list[Grid]) -> Iterator[Hole]:
    """Yield the grids in which nobody will be on duty, each with the first such moment."""
    if not draft.site.readiness.ahead_h:
        return
    until_us = draft.now_us + draft.site.readiness.ahead_h * HOUR_US
    found: set[str] = set()
    for at_us in sorted(t for t in _moments(draft) if draft.now_us < t <= until_us):
        served = _served(draft, guards, at_us)
        over = grids_over(draft, at_us)
        for grid in grids:
            if not served.get(grid.id) and grid.id not in found | over:
                found.add(grid.id)
                yield Hole("ahead", grid.id, at_us)


def _moments(draft: Draft) -> set[int]:
    """Return the moments of these days at which somebody's duty begins or ends."""
    site = draft.site
    first = local_date(draft.now_us, site.timezone).toordinal()
    days = range(first - 1, first + 2 + site.readiness.ahead_h // 24)
    found: set[int] = set()
    today = local_date(draft.now_us, site.timezone)
    for day in (today.fromordinal(n) for n in days):
        for shift in site.roster.shifts.values():
            span = span_of(shift, day, site.timezone)
            found |= {span.from_us, span.to_us}
    for entry in draft.state.each(DutyChanges):
        for change in changes_of(draft, entry.person):
            found |= {change.from_us, change.to_us}
    for changes in site.roster.exceptions.values():
        for change in changes:
            found |= {change.from_us, change.to_us}
    return found | moments(draft)


def _unheard(draft: Draft) -> Iterator[Hole]:
    limit_us = draft.site.readiness.unheard_h * HOUR_US
    for channel in draft.site.channels if limit_us else ():
        heard = draft.find(ChannelHeard, channel)
        if heard is not None and draft.now_us - heard.at_us >= limit_us:
            yield Hole("unheard", channel)


def _unreachable(draft: Draft) -> Iterator[Hole]:
    """Yield the stations and managers that grids name and no chat reaches."""
    named = {
        id_
        for grid in draft.site.grids.values()
        for id_ in (grid.station, grid.second_manager, grid.first_manager)
        if id_ is not None
    }
    for id_ in sorted(named):
        person = draft.find(Person, id_)
        if person is None or not person.active or not draft.state.contacts_of(id_):
            yield Hole("unreachable", id_)


def _next_look_us(draft: Draft) -> int:
    """Return when something of it can next be otherwise, if nobody changes anything."""
    policy = draft.site.readiness
    ahead_us = policy.ahead_h * HOUR_US
    moments = _moments(draft)
    due = [*moments, *(t - ahead_us for t in moments)]
    heard = (draft.find(ChannelHeard, c) for c in draft.site.channels)
    if policy.unheard_h:
        due += [h.at_us + policy.unheard_h * HOUR_US for h in heard if h is not None]
    gaps = (draft.find(CoverGap, key) for key in _gap_keys(draft))
    due += [g.told_us + policy.remind_min * 60 * US for g in gaps if g is not None]
    later = (t for t in due if t > draft.now_us)
    return min(later, default=draft.now_us + 24 * HOUR_US)


def _gap_keys(draft: Draft) -> set[str]:
    """Return the keys of the gaps there may be, those of this step among them."""
    fresh = {c.entity.key for c in draft.changes if isinstance(c, Put)}
    return fresh | {gap.key for gap in draft.state.each(CoverGap)}


# ---- it is told ----


def _tell(draft: Draft, hole: Hole, node: str) -> None:
    site, wording = draft.site, Wording(draft.site)
    grid = site.grids.get(hole.what) if hole.kind in ("empty", "ahead", "group") else None
    channel = site.channels.get(hole.what)
    name = grid.name if grid is not None else channel.name if channel is not None else ""
    key = f"cover_{hole.kind}" if node == "cover" else "cover_closed"
    detail = wording.text(
        key, name=name or hole.what, hours=site.readiness.unheard_h,
        when=local_words(site, hole.from_us) if hole.from_us else "",
        kind=wording.text(f"cover_kind_{hole.kind}"),
    )  # fmt: skip
    draft.ask(
        ReportStatus(
            at_us=draft.now_us, order=None, number=None, node=node, medium="clock",
            person=hole.what if hole.kind == "unreachable" else None, detail=detail,
            grid=grid.id if grid is not None else None,
        )
    )  # fmt: skip


def _tell_manager(draft: Draft, grid: Grid) -> None:
    for id_ in (grid.second_manager or grid.first_manager,):
        person = draft.find(Person, id_ or "")
        if person is None or not person.active:
            continue
        text = Wording(draft.site, person.language).text("cover_empty", name=grid.name)
        for contact in draft.state.contacts_of(person.id):
            draft.ask(
                SendText(
                    chat=contact.chat, address=contact.address, text=text, level=2,
                    not_after_us=draft.now_us + NOTE_LIFE_US,
                )
            )  # fmt: skip
