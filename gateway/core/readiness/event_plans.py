"""Event plans (活动方案): grids, posts, channels, groups and roster from a start to an end.

Theory of operation. A plan stands in the settings and changes nothing until it is in force: by
the clock, or by a named person. Then two things differ. The site that every step decides by has
the plan laid over it (:func:`site_in_force`), from the next step on. And the people of its
roster have its grids (``event_plan_people``) and are on duty, as rows of the register: whatever
asks who serves a grid need not know of plans. What was changed of each is noted and just that
is taken back. An order that is still open in a grid of the plan keeps grid and people until it
is closed; meanwhile no alert is found to lie there any more.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, Literal

from gateway.core.effects import Receipt
from gateway.core.order import Order, Put, Timer
from gateway.core.places import Grid, Site
from gateway.core.readiness import event_plan_people as people
from gateway.core.readiness.event_plan import EventPlan, PlanEnded, PlanEvent, PlanRun
from gateway.core.reasons import Why, Worded
from gateway.core.register.duty import local_words
from gateway.core.state import Draft, State
from gateway.core.wording import Wording, because

CLOCK: Final = "event_plan"
# So many sites with different plans laid over them are kept ready.
_MOST_LAID: Final = 16


# ---- the site meanwhile -------------------------------------------------------------------


def site_in_force(state: State, site: Site) -> Site:
    """Return the site with every plan in force laid over it; the same object while they are."""
    runs = sorted(
        (run.plan, run.state)
        for run in (state.each(PlanRun) if site.event_plans else ())
        if run.state != "over" and run.plan in site.event_plans
    )
    if not runs:
        return site
    key = tuple(runs)
    if key not in site.laid:
        if len(site.laid) >= _MOST_LAID:
            site.laid.clear()
        site.laid[key] = _laid(site, runs)
    return site.laid[key]


def _laid(site: Site, runs: Iterable[tuple[str, str]]) -> Site:
    """Return the site with plans over it: their grids come first where grids overlap."""
    added: dict[str, Grid] = {}
    grids, posts = dict(site.grids), dict(site.posts)
    unlisted: set[str] = set()
    for id_, state in runs:
        plan = site.event_plans[id_]
        added.update(plan.grids)
        posts.update(plan.posts)
        if state == "closing":
            unlisted.update(plan.grids)
            continue
        for grid_id, change in plan.changes.items():
            if grid_id in grids:
                before = grids[grid_id]
                grids[grid_id] = replace(
                    before, channel=change.channel or before.channel,
                    chat=change.chat or before.chat,
                )  # fmt: skip
        _join(grids, plan)
    return replace(site, grids={**added, **grids}, posts=posts, unlisted=frozenset(unlisted))


def _join(grids: dict[str, Grid], plan: EventPlan) -> None:
    """Make the neighbours of a plan's grids theirs as well."""
    for new in plan.grids.values():
        for id_ in new.neighbours:
            if id_ in grids and new.id not in grids[id_].neighbours:
                known = grids[id_]
                grids[id_] = replace(known, neighbours=(*known.neighbours, new.id))


# ---- in force and out ---------------------------------------------------------------------


def plan_event(draft: Draft, event: PlanEvent) -> None:
    """Start or end a plan by hand; answered by a receipt."""
    refused = _by_hand(draft, event)
    status: Literal["accepted", "refused"] = "accepted" if refused is None else "refused"
    draft.ask(Receipt(status=status, sender=event.by, id=event.plan, reason=refused))


def _by_hand(draft: Draft, event: PlanEvent) -> Worded | None:
    """Do it, or return why not."""
    run = draft.find(PlanRun, event.plan)
    running = run is not None and run.state == "in_force"
    if isinstance(event, PlanEnded):
        if run is None or not running:
            return because(draft.site, Why.PLAN_NOT_ON, plan=event.plan)
        _end(draft, run, event.by)
        keep(draft)  # another may have waited for its grids
        return None
    plan = draft.site.event_plans.get(event.plan)
    if plan is None:
        known = ", ".join(sorted(draft.site.event_plans)) or "-"
        return because(draft.site, Why.NO_PLAN, plan=event.plan, known=known)
    if running:
        return because(draft.site, Why.PLAN_ON, plan=event.plan)
    to_us = event.to_us
    if to_us is None and plan.to_us is not None and plan.to_us > draft.now_us:
        to_us = plan.to_us
    if to_us is not None and to_us <= draft.now_us:
        return because(draft.site, Why.PLAN_OVER)
    other = _in_the_way(draft, plan)
    if other is not None:
        return because(draft.site, Why.PLAN_IN_THE_WAY, plan=other.plan)
    _start(draft, plan, to_us, event.by)
    return None


def plan_due(draft: Draft, timer: Timer) -> None:
    """Start or end what is due."""
    draft.drop(Timer, timer.key)
    keep(draft)


def keep(draft: Draft) -> None:
    """Bring plans to where clock and settings have them, and set the clocks anew."""
    for id_ in [run.plan for run in draft.state.each(PlanRun)]:
        _go_on(draft, id_)
    for plan in draft.site.event_plans.values():
        _begin_if_due(draft, plan)
    known = {f"plan:{id_}" for id_ in draft.site.event_plans}
    for timer in list(draft.state.each(Timer)):
        if timer.what == CLOCK and timer.order not in known:
            draft.drop(Timer, timer.key)


def _go_on(draft: Draft, id_: str) -> None:
    run, plan = draft.find(PlanRun, id_), draft.site.event_plans.get(id_)
    if run is None:
        return
    if plan is None and run.state != "in_force":
        _release(draft, run)
        draft.drop(PlanRun, id_)
    if run.state != "in_force":
        return
    window = run.window if plan is None else (plan.from_us, plan.to_us)
    by_clock = not run.by or run.to_us == run.window[1]
    to_us = window[1] if by_clock else run.to_us
    if plan is None or (to_us is not None and to_us <= draft.now_us):
        _end(draft, replace(run, window=window), "")
        return
    people.give_parts(draft, plan, replace(run, window=window, to_us=to_us))
    _wake_next(draft, id_)


def _begin_if_due(draft: Draft, plan: EventPlan) -> None:
    run = draft.find(PlanRun, plan.id)
    if plan.from_us is None or plan.to_us is None or plan.to_us <= draft.now_us:
        return
    if run is not None and (
        run.state == "in_force" or run.window == (plan.from_us, plan.to_us)
    ):
        return
    if plan.from_us > draft.now_us:
        _wake(draft, plan.id, plan.from_us)
        return
    other = _in_the_way(draft, plan)
    if other is None:
        _start(draft, plan, plan.to_us, "")
        return
    detail = Wording(draft.site).text(
        "detail_plan_blocked", name=plan.name, other=_name_of(draft, other.plan)
    )
    draft.report(None, "warning", medium="clock", detail=detail)


def _in_the_way(draft: Draft, plan: EventPlan) -> PlanRun | None:
    """Return another plan in force that has a grid of this one."""
    for id_, other in draft.site.event_plans.items():
        run = draft.find(PlanRun, id_)
        if id_ != plan.id and run is not None and run.state != "over":
            mine = plan.touched if run.state == "in_force" else frozenset(plan.grids)
            theirs = other.touched if run.state == "in_force" else frozenset(other.grids)
            if mine & theirs:
                return run
    return None


def _start(draft: Draft, plan: EventPlan, to_us: int | None, by: str) -> None:
    before = draft.find(PlanRun, plan.id)
    if before is not None:
        _release(draft, before)
    run = PlanRun(
        plan=plan.id, state="in_force", from_us=draft.now_us, to_us=to_us,
        window=(plan.from_us, plan.to_us), by=by,
    )  # fmt: skip
    draft.put(run)
    people.give_parts(draft, plan, run)
    _wake_next(draft, plan.id)
    wording = Wording(draft.site)
    names = [g.name for g in plan.grids.values()]
    names += [draft.site.grids[g].name for g in plan.changes if g in draft.site.grids]
    end = wording.text("plan_no_end") if to_us is None else local_words(draft.site, to_us)
    count = len({duty.person for duty in plan.roster})
    grids = wording.listed(names) or "—"
    detail = wording.text(
        "detail_plan_on", name=plan.name, end=end, grids=grids, count=count
    )
    _tell(draft, detail, by)


def _end(draft: Draft, run: PlanRun, by: str) -> None:
    """Take a plan out of force; what its open orders need stays until they are closed."""
    people.off_duty(draft, run.postings)
    draft.sleep(CLOCK, f"plan:{run.plan}")
    still = _open_in(draft, run)
    begun = run.window[0] is not None and run.window[0] <= draft.now_us
    if not begun:  # a rehearsal by hand does not stand for the day itself
        run = replace(run, window=(None, None))
    key = "detail_plan_closing" if still else "detail_plan_off"
    if still:
        draft.put(people.closing(run))
        people.settle_grids(draft, run.postings)
    else:
        _release(draft, run)
    name = _name_of(draft, run.plan)
    _tell(draft, Wording(draft.site).text(key, name=name, count=len(still)), by)


def _tell(draft: Draft, detail: str, by: str) -> None:
    medium, named = ("centre", f"{detail}（{by}）") if by else ("clock", detail)
    draft.report(None, "event_plan", medium=medium, detail=named)


def _name_of(draft: Draft, id_: str) -> str:
    plan = draft.site.event_plans.get(id_)
    return id_ if plan is None else plan.name


def _wake(draft: Draft, id_: str, due_us: int) -> None:
    draft.wake(CLOCK, f"plan:{id_}", due_us)


def _wake_next(draft: Draft, id_: str) -> None:
    """Ask to be woken when a plan in force ends, or somebody's part in it begins or ends."""
    run = draft.find(PlanRun, id_)
    due_us = None if run is None else people.next_change_us(run, draft.now_us)
    if due_us is None:
        draft.sleep(CLOCK, f"plan:{id_}")
    else:
        _wake(draft, id_, due_us)


def settle(draft: Draft) -> None:
    """Let the last of a plan go when the last order in its grids is closed."""
    closed = any(isinstance(c, Put) and isinstance(c.entity, Order) for c in draft.changes)
    for id_ in [r.plan for r in draft.state.each(PlanRun) if r.state == "closing"]:
        run = draft.find(PlanRun, id_)
        if closed and run is not None and run.state == "closing" and not _open_in(draft, run):
            _release(draft, run)


def _open_in(draft: Draft, run: PlanRun) -> list[str]:
    """Return the open orders in the grids that a plan added."""
    plan = draft.site.event_plans.get(run.plan)
    grids = set() if plan is None else set(plan.grids)
    found = (draft.find(Order, id_) for id_ in draft.state.open_orders())
    return [o.id for o in found if o is not None and o.open and grids.intersection(o.grids)]


def _release(draft: Draft, run: PlanRun) -> None:
    """Give everybody of a plan back what was his, and be done with it."""
    people.off_duty(draft, run.postings)
    people.take_back(draft, run)
    draft.put(replace(run, state="over", postings=()))
