"""Drills (演练): exercise orders, with numbers of their own and never beside a live order.

A drill is called, answered and closed like any order, and says 演练 first and last wherever it
is spoken or written. A live order in one of its grids, or for one of its guards, ends it in
the same step: 演练中止. One cannot begin where a live order is open; a planned one that would
is given up and told.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from gateway.core.after.closing import end_order
from gateway.core.alert import Alert, AlertKind, Level
from gateway.core.answers.replies import code_digest
from gateway.core.calls.calling import NOTE_LIFE_US, US
from gateway.core.calls.first_call import grids_meant
from gateway.core.effects import Receipt, SendText
from gateway.core.intake.events import AlertReceived
from gateway.core.intake.opening import open_order
from gateway.core.intake.placing import place
from gateway.core.life import Trigger
from gateway.core.order import AlertKey, Assignment, Order, Put, Timer
from gateway.core.people import Person, Role
from gateway.core.policy.policy import DRILL
from gateway.core.readiness.events import DrillAsked, DrillDropped
from gateway.core.readiness.notices import just_rung, named, no_grid
from gateway.core.readiness.settings import Drill, DrillRule
from gateway.core.reasons import Why, Worded
from gateway.core.register.duty import local_words
from gateway.core.roster import local_moment
from gateway.core.state import Draft
from gateway.core.wording import Wording, because

# Under this name our own drills stand among the centre's alerts.
SENDER: Final = "drill"
CLOCK: Final = "drill"
WEEKLY: Final = "weekly_drill"
# Nobody expects a drill that comes so long after its hour.
LATEST_US: Final = 600 * US
# A drill of every week is announced so long before.
WEEKLY_NOTICE: Final = "weekly_drill_notice"
NOTICE_US: Final = 86_400 * US
NOTICE_SOON_US: Final = 30 * US


def drill_event(draft: Draft, event: DrillAsked | DrillDropped) -> None:
    """Begin, plan or give up a drill; answered by a receipt."""
    if isinstance(event, DrillDropped):
        _give_up(draft, event)
        return
    wrong = _wrong(draft, event)
    if wrong is not None:
        _answer(draft, event.by, event.grid, wrong)
        return
    drill = Drill(
        id=f"d{draft.next_id('drill')}", grid=event.grid, level=event.level, text=event.text,
        needs=event.needs, at_us=event.starts_us or draft.now_us, by=event.by,
        surprise=event.surprise,
    )  # fmt: skip
    if event.starts_us is None:
        _begin(draft, drill)
        return
    draft.put(drill)
    draft.wake(CLOCK, drill.id, drill.at_us)
    _announce(draft, drill)
    _answer(draft, event.by, drill.id, None)


def _wrong(draft: Draft, asked: DrillAsked) -> Worded | None:
    if asked.grid not in draft.site.grids:
        return no_grid(draft, asked.grid)
    if asked.starts_us is not None:
        past = asked.starts_us <= draft.now_us
        return because(draft.site, Why.DRILL_PAST) if past else None
    return barred(draft, (asked.grid,))


def barred(draft: Draft, grids: tuple[str, ...]) -> Worded | None:
    """Return why no drill can begin in these grids now, or None."""
    live = live_in(draft, grids)
    if live is None:
        return None
    return because(draft.site, Why.DRILL_LIVE, number=live.number)


def live_in(draft: Draft, grids: tuple[str, ...]) -> Order | None:
    """Return an open live order of one of these grids, or None."""
    for id_ in draft.state.open_orders():
        order = draft.find(Order, id_)
        live = order is not None and order.open and not order.alert.exercise
        if order is not None and live and set(order.grids) & set(grids):
            return order
    return None


def alert_barred(draft: Draft, alert: Alert) -> Worded | None:
    """Return why an exercise of the centre cannot begin now, or None."""
    return barred(draft, grids_meant(draft, alert, place(draft.site, alert).grids))


def _answer(draft: Draft, by: str, id_: str, reason: Worded | None) -> None:
    if reason is None:
        draft.ask(Receipt(status="accepted", sender=by, id=id_))
    else:
        draft.ask(Receipt(status="refused", sender=by, id=id_, reason=reason))


def _give_up(draft: Draft, event: DrillDropped) -> None:
    drill = draft.find(Drill, event.drill)
    if drill is None or drill.order is not None:
        reason = because(draft.site, Why.NO_DRILL, drill=event.drill)
        _answer(draft, event.by, event.drill, reason)
        return
    draft.drop(Drill, drill.key)
    draft.sleep(CLOCK, drill.id)
    _announce_off(draft, drill)
    _answer(draft, event.by, drill.id, None)


# ---- it is announced, and begins ----


def _announce(draft: Draft, drill: Drill) -> None:
    """Tell the centre and the grid's managers of a drill that is planned."""
    _tell_planned(draft, drill, "detail_drill_planned")
    _tell_managers(draft, drill, "note_drill")


def _announce_off(draft: Draft, drill: Drill) -> None:
    """Tell whoever was told of a planned drill that it will not be."""
    _tell_planned(draft, drill, "detail_drill_off")
    _tell_managers(draft, drill, "note_drill_off")


def _tell_planned(draft: Draft, drill: Drill, key: str) -> None:
    grid = draft.site.grids.get(drill.grid)
    if grid is not None and not drill.surprise:
        when = local_words(draft.site, drill.at_us)
        detail = Wording(draft.site).text(key, grid=grid.name, when=when)
        draft.report(None, "drill", medium="centre", detail=detail)


def _tell_managers(draft: Draft, drill: Drill, key: str) -> None:
    """Write to the grid's managers; of a surprise nobody is told, nor that it will not be."""
    grid = draft.site.grids.get(drill.grid)
    if grid is None or drill.surprise:
        return
    when = local_words(draft.site, drill.at_us)
    for id_ in dict.fromkeys((grid.second_manager, grid.first_manager)):
        person = draft.find(Person, id_ or "")
        if person is None or not person.active:
            continue
        said = Wording(draft.site, person.language)
        text = said.in_exercise(said.text(key, grid=grid.name, when=when))
        for contact in draft.state.contacts_of(person.id):
            draft.ask(
                SendText(
                    chat=contact.chat, address=contact.address, text=text, level=3,
                    not_after_us=draft.now_us + NOTE_LIFE_US,
                )
            )  # fmt: skip


def _begin(draft: Draft, drill: Drill) -> None:
    """Open the drill's order; its receipt is the alert's, in the name of who began it."""
    alert = Alert(
        kind=AlertKind.ALERT, id=f"{drill.id}-{drill.at_us // US}", sender=SENDER,
        sent_us=draft.now_us, category=DRILL, level=Level(drill.level), text=drill.text,
        grid=drill.grid, needs=drill.needs, exercise=True,
    )  # fmt: skip
    alert = replace(alert, body_sha256=code_digest(repr(alert)))
    open_order(draft, AlertReceived(at_us=draft.now_us, door=SENDER, alert=alert), flags=())
    key = draft.find(AlertKey, f"{alert.sender}\n{alert.id}")
    order = draft.find(Order, key.order or "") if key is not None else None
    assert order is not None, "open_order puts the order of what it opens"
    running = draft.find(Drill, order.id)
    assert running is not None, "an exercise order has its mark"
    draft.put(replace(running, grid=drill.grid, by=drill.by, surprise=drill.surprise))
    detail = Wording(draft.site).text("detail_drill_by", by=named(draft, drill.by))
    draft.report(order, "drill", medium="centre", assurance="H", detail=detail)
    draft.ask(
        Receipt(
            status="accepted", sender=drill.by, id=drill.id, order=order.id,
            number=order.number, flags=order.flags,
        )
    )  # fmt: skip


def drill_due(draft: Draft, timer: Timer) -> None:
    """Begin a planned drill; given up, and told, where it may not or its hour has passed."""
    draft.drop(Timer, timer.key)
    drill = draft.find(Drill, timer.order)
    if drill is None or drill.order is not None:
        return
    draft.drop(Drill, drill.key)
    key = _given_up(draft, drill)
    if key is None:
        _begin(draft, drill)
        return
    grid = draft.site.grids.get(drill.grid)
    name = grid.name if grid is not None else drill.grid
    when = local_words(draft.site, drill.at_us)
    detail = Wording(draft.site).text(key, grid=name, when=when)
    draft.report(None, "drill", medium="clock", detail=detail)
    _tell_managers(draft, drill, "note_drill_off")


def _given_up(draft: Draft, drill: Drill) -> str | None:
    """Return why a planned drill does not begin now, a key of the catalogue, or None."""
    if drill.grid not in draft.site.grids or barred(draft, (drill.grid,)) is not None:
        return "detail_drill_given_up"
    late = draft.now_us - drill.at_us > LATEST_US
    return "detail_drill_late" if late else None


# ---- drills of every week ----


def keep_weekly(draft: Draft) -> None:
    """Ask to be woken for each drill of the settings; those that are gone are forgotten."""
    rules = draft.site.readiness.drills
    for timer in list(draft.state.each(Timer)):
        if timer.what in (WEEKLY, WEEKLY_NOTICE) and not (
            timer.order.isdigit() and int(timer.order) < len(rules)
        ):
            draft.drop(Timer, timer.key)
    for index, rule in enumerate(rules):
        known = draft.find(Timer, f"{WEEKLY}/{index}")
        if known is not None and just_rung(draft, known):
            continue
        due_us = next_weekly_us(draft, rule)
        draft.wake(WEEKLY, str(index), due_us)
        if known is None or known.due_us != due_us:
            _plan_notice(draft, index, rule, due_us)


def keep_planned(draft: Draft) -> None:
    """Ask to be woken for each drill that is planned, at the very hour that was said."""
    for drill in list(draft.state.each(Drill)):
        if drill.order is None:
            draft.wake(CLOCK, drill.id, drill.at_us)


def _plan_notice(draft: Draft, index: int, rule: DrillRule, due_us: int) -> None:
    """Have a drill of the settings announced a day before, or soon when it is nearer.

    Not at once: at the first start the register is not filled yet.
    """
    draft.sleep(WEEKLY_NOTICE, str(index))
    soon_us = draft.now_us + NOTICE_SOON_US
    if not rule.surprise and soon_us < due_us:
        draft.wake(WEEKLY_NOTICE, str(index), max(due_us - NOTICE_US, soon_us))


def _of_rule(rule: DrillRule, at_us: int, id_: str = "") -> Drill:
    return Drill(
        id=id_, grid=rule.grid, level=rule.level, text=rule.text, needs=rule.needs,
        at_us=at_us, by="@settings", surprise=rule.surprise,
    )  # fmt: skip


def notice_due(draft: Draft, timer: Timer) -> None:
    """Announce a drill of the settings."""
    draft.drop(Timer, timer.key)
    index = int(timer.order)
    if index < len(draft.site.readiness.drills):
        rule = draft.site.readiness.drills[index]
        _announce(draft, _of_rule(rule, next_weekly_us(draft, rule)))


def next_weekly_us(draft: Draft, rule: DrillRule) -> int:
    """Return when a drill of every week comes next, UTC microseconds."""
    local = local_moment(draft.now_us, draft.site.timezone)
    day = local.date() + timedelta(days=(rule.weekday - local.weekday()) % 7)
    for date in (day, day + timedelta(days=7)):
        moment = datetime(
            date.year, date.month, date.day, rule.at_min // 60, rule.at_min % 60,
            tzinfo=draft.site.timezone,
        )  # fmt: skip
        if moment > local:
            return round(moment.timestamp()) * US
    raise AssertionError("a week has an end")


def weekly_due(draft: Draft, timer: Timer) -> None:
    """Plan a drill of the settings for now, and ask to be woken for the next."""
    draft.drop(Timer, timer.key)
    index = int(timer.order)
    if index >= len(draft.site.readiness.drills):
        return
    rule = draft.site.readiness.drills[index]
    next_us = next_weekly_us(draft, rule)
    draft.wake(WEEKLY, timer.order, next_us)
    _plan_notice(draft, index, rule, next_us)
    drill = _of_rule(rule, draft.now_us, f"d{draft.next_id('drill')}")
    draft.put(drill)
    drill_due(draft, Timer(id=f"{CLOCK}/{drill.id}", order=drill.id, what=CLOCK, due_us=0))


# ---- never beside a live order ----


def settle(draft: Draft) -> None:
    """End each drill beside which a live order has come in this step; forget ended ones."""
    for drill in list(draft.state.each(Drill)):
        if drill.order is None:
            continue
        order = draft.find(Order, drill.order)
        if order is None or not order.open:
            draft.drop(Drill, drill.key)
        elif (live := _live_beside(draft, order)) is not None:
            _abort(draft, order, live)


def _live_beside(draft: Draft, drill: Order) -> Order | None:
    people = {a.person for a in draft.of_order(Assignment, drill.id)}
    for order, person in list(_called_now(draft)):
        if order.id == drill.id and person is not None:
            # A rung of the drill has reached somebody: he may be on a live order.
            live = _live_of(draft, person)
            if live is not None:
                return live
        if order.alert.exercise or not order.open:
            continue
        if person in people or (person is None and set(order.grids) & set(drill.grids)):
            return order
    return _moved_into(draft, drill)


def _live_of(draft: Draft, person: str) -> Order | None:
    """Return an open live order in which a person has a part, or None."""
    orders = (draft.find(Order, key) for key in draft.state.orders_of(person))
    live = (o for o in orders if o is not None and o.open and not o.alert.exercise)
    return next(live, None)


def _moved_into(draft: Draft, drill: Order) -> Order | None:
    """Return the live order into whose grid a drill was moved in this step, or None."""
    before = draft.state.find(Order, drill.id)
    if before is None or before.grids == drill.grids:
        return None
    return live_in(draft, drill.grids)


def _called_now(draft: Draft) -> Iterator[tuple[Order, str | None]]:
    """Yield each order put in this step, and with whom it has newly to do."""
    for change in draft.changes:
        if not isinstance(change, Put):
            continue
        entity = change.entity
        if isinstance(entity, Order):
            yield entity, None
        elif isinstance(entity, Assignment) and entity.role is Role.GUARD:
            order = draft.find(Order, entity.order)
            if order is not None:
                yield order, entity.person


def _abort(draft: Draft, drill: Order, live: Order) -> None:
    draft.put(replace(drill, flags=(*drill.flags, "aborted")))
    reason = Wording(draft.site).text("drill_aborted", number=live.number)
    drill = draft.find(Order, drill.id) or drill
    end_order(draft, drill, Trigger.CANCELLED, reason)
    draft.report(drill, "drill_aborted", medium="centre", detail=reason)
    draft.drop(Drill, drill.id)
