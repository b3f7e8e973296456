"""The people of event plans: their grids, posts and duty meanwhile, and having back their own.

Theory of operation. Whoever a plan names belongs to its grids only while he is on duty for it,
unless the plan lets him keep his own beside them: so nobody is called away from a fair to his
street, and the cover watch sees who is missing there. His own grids stand with each part that
he has; what he serves at a moment is worked out of these alone, so that plans may begin, end
and be edited in any order. A plan that has ended and has an open order left leaves him its
grids beside his own.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from gateway.core.order import Put
from gateway.core.people import Person
from gateway.core.readiness.event_plan import EventPlan, PlanDuty, PlanRun, Posting
from gateway.core.register.duty import changes_of
from gateway.core.roster import DutyChanges, RosterException
from gateway.core.state import Draft

# The end of what has none yet: 1 January 2100.
NO_END_US: Final = 4_102_444_800_000_000


def give_parts(draft: Draft, plan: EventPlan, run: PlanRun) -> None:
    """Give everybody of a plan's roster his part, unless all have just this already."""
    known = draft.find(PlanRun, plan.id)
    present = list(_present(draft, plan.roster))
    posted = {(p.person, p.alone) for p in run.postings if p.own is not None}
    same = known is not None and known.to_us == run.to_us and run.roster == plan.roster
    if same and all((d.person, _alone(plan, d)) in posted for d in present):
        draft.put(run)
    else:
        off_duty(draft, run.postings)
        take_back(draft, run)
        postings = tuple(_posted(draft, plan, run, duty) for duty in present)
        run = replace(run, roster=plan.roster, postings=postings)
        draft.put(run)
    settle_grids(draft, run.postings)


def settle_grids(draft: Draft, postings: Iterable[Posting]) -> None:
    """Have everybody who has one of these parts serve the grids that are his at this moment."""
    for person in dict.fromkeys(posting.person for posting in postings):
        _regrid(draft, person, None)


def register_changed(draft: Draft) -> None:
    """Take the grids that somebody has just given a person by hand for his own ones."""
    changed = [c.entity for c in draft.changes if isinstance(c, Put)]
    for person in [e for e in changed if isinstance(e, Person)]:
        before = draft.state.find(Person, person.id)
        if before is None or before.grids == person.grids:
            continue
        for run in _runs(draft):
            postings = tuple(
                replace(p, own=person.grids) if p.person == person.id else p
                for p in run.postings
            )
            draft.put(replace(run, postings=postings))
        _regrid(draft, person.id, None)


def next_change_us(run: PlanRun, now_us: int) -> int | None:
    """Return when the plan ends, or somebody's part begins or ends before; None for never."""
    parts = (p for p in run.postings if p.alone)
    moments = [run.to_us or NO_END_US, *(t for p in parts for t in (p.from_us, p.to_us))]
    return min((t for t in moments if now_us < t < NO_END_US), default=None)


def off_duty(draft: Draft, postings: Iterable[Posting]) -> None:
    """Take the duty of a plan from its people; what others changed of it stays."""
    for posting in postings:
        changes = list(changes_of(draft, posting.person))
        mine = (c for c in changes if _is_of(c, posting))
        first = next(mine, None)
        if first is None:
            continue
        changes.remove(first)
        if changes:
            draft.put(DutyChanges(person=posting.person, changes=tuple(changes)))
        else:
            draft.drop(DutyChanges, posting.person)


def take_back(draft: Draft, run: PlanRun) -> None:
    """Take a plan's grids and posts from its people, the last given first."""
    if run.postings:
        draft.put(replace(run, postings=()))
    for posting in reversed(run.postings):
        person = draft.find(Person, posting.person)
        if person is None:
            continue
        given = posting.post is not None and person.post == posting.post
        grids = person.grids
        if posting.own is None:  # of before parts knew whose own grids they stood beside
            grids = tuple(g for g in grids if g not in posting.grids)
        post = posting.post_before if given else person.post
        draft.put(replace(person, grids=grids, post=post))
        _regrid(draft, person.id, posting.own)


def closing(run: PlanRun) -> PlanRun:
    """Return a plan that has ended with an order open: its people keep it beside their own."""
    return replace(
        run, state="closing", postings=tuple(replace(p, alone=False) for p in run.postings)
    )


# ---- at other moments: what the cover watch asks ------------------------------------------


def moments(draft: Draft) -> set[int]:
    """Return the moments at which what somebody serves changes with a plan."""
    found = {t for run in _runs(draft) for p in run.postings for t in (p.from_us, p.to_us)}
    return found | {t for _, p in _to_come(draft) for t in (p.from_us, p.to_us)}


def grids_at(draft: Draft, at_us: int) -> dict[str, tuple[str, ...]]:
    """Return who serves other grids at a moment than the register says now, by person id."""
    parts: dict[str, list[Posting]] = {}
    for run in _runs(draft):
        over = run.state == "in_force" and run.to_us is not None and run.to_us <= at_us
        for posting in run.postings:
            parts.setdefault(posting.person, []).extend(() if over else (posting,))
    for person, posting in _to_come(draft):
        begun = posting.from_us <= at_us < posting.to_us
        parts.setdefault(person.id, []).extend((posting,) if begun else ())
    return {
        id_: _meanwhile(his, _own_of(draft, one), at_us)
        for id_, his in parts.items()
        if (one := draft.find(Person, id_)) is not None
    }


def grids_over(draft: Draft, at_us: int) -> frozenset[str]:
    """Return the grids of plans in force that are over by a moment."""
    plans = draft.site.event_plans
    return frozenset(
        grid
        for run in _runs(draft)
        if run.to_us is not None and run.to_us <= at_us and run.plan in plans
        for grid in plans[run.plan].grids
    )


def _to_come(draft: Draft) -> Iterator[tuple[Person, Posting]]:
    """Yield the parts of plans that the clock will bring, as they will be."""
    for plan in draft.site.event_plans.values():
        run = draft.find(PlanRun, plan.id)
        window = (plan.from_us, plan.to_us)
        known = run is not None and (run.state == "in_force" or run.window == window)
        if known or plan.from_us is None or plan.to_us is None:
            continue
        if plan.from_us <= draft.now_us:
            continue
        for duty in _present(draft, plan.roster):
            person = draft.find(Person, duty.person)
            assert person is not None
            own = _own_of(draft, person)
            yield person, _part(plan, duty, plan.from_us, plan.to_us, own)


# ---- one person's ---------------------------------------------------------------------------


def _present(draft: Draft, roster: Iterable[PlanDuty]) -> Iterator[PlanDuty]:
    """Yield the parts of those whom the register knows and who have not left."""
    for duty in roster:
        person = draft.find(Person, duty.person)
        if person is not None and person.active:
            yield duty


def _alone(plan: EventPlan, duty: PlanDuty) -> bool:
    """Return whether he belongs to the plan's grids only; who has none of them keeps his."""
    return bool(duty.grids) and not plan.keep_own


def _part(
    plan: EventPlan, duty: PlanDuty, from_us: int, to_us: int, own: tuple[str, ...]
) -> Posting:
    return Posting(
        person=duty.person,
        grids=tuple(g for g in duty.grids if g not in own),
        post=duty.post,
        post_before=None,
        from_us=from_us if duty.from_us is None else duty.from_us,
        to_us=to_us if duty.to_us is None else duty.to_us,
        serves=duty.grids,
        own=own,
        alone=_alone(plan, duty),
    )


def _posted(draft: Draft, plan: EventPlan, run: PlanRun, duty: PlanDuty) -> Posting:
    """Give one person his post and his duty; return what is changed of him."""
    person = draft.find(Person, duty.person)
    assert person is not None
    part = _part(plan, duty, run.from_us, run.to_us or NO_END_US, _own_of(draft, person))
    posting = replace(part, post_before=person.post)
    draft.put(replace(person, post=duty.post or person.post))
    stands = RosterException(
        person=person.id, from_us=posting.from_us, to_us=posting.to_us, on_duty=True,
        reason=plan.name, by=run.by,
    )  # fmt: skip
    # First of all: a leave or a pause that somebody gives him by hand goes before it.
    draft.put(DutyChanges(person=person.id, changes=(stands, *changes_of(draft, person.id))))
    return posting


def _runs(draft: Draft) -> list[PlanRun]:
    """Return the plans that are in force or closing, as this step has left them."""
    ids = dict.fromkeys((*(r.plan for r in draft.state.each(PlanRun)), *draft.site.event_plans))
    found = (draft.find(PlanRun, id_) for id_ in ids)
    return [run for run in found if run is not None and run.state != "over"]


def _parts_of(draft: Draft, person: str) -> list[Posting]:
    return [p for run in _runs(draft) for p in run.postings if p.person == person]


def _own_of(draft: Draft, person: Person) -> tuple[str, ...]:
    """Return the grids that a person serves when no plan wants him."""
    owns = (p.own for p in _parts_of(draft, person.id))
    return next((own for own in owns if own is not None), person.grids)


def _regrid(draft: Draft, person_id: str, own: tuple[str, ...] | None) -> None:
    """Have a person serve what his parts and his own grids come to at this moment.

    Args:
        draft: The step's draft.
        person_id: Who.
        own: His own grids, where he has no part left that says so.
    """
    person, parts = draft.find(Person, person_id), _parts_of(draft, person_id)
    own = next((p.own for p in parts if p.own is not None), own)
    if person is not None and own is not None:
        draft.put(replace(person, grids=_meanwhile(parts, own, draft.now_us)))


def _meanwhile(parts: list[Posting], own: tuple[str, ...], at_us: int) -> tuple[str, ...]:
    """Return what a person serves at a moment: plans' grids only, or his own and theirs."""
    bound = [p for p in parts if p.alone and p.from_us <= at_us < p.to_us]
    beside = [p for p in parts if not p.alone]
    given = [grid for p in (*bound, *beside) for grid in p.serves or p.grids]
    return tuple(dict.fromkeys(given if bound else (*own, *given)))


def _is_of(change: RosterException, posting: Posting) -> bool:
    return change.on_duty and (change.from_us, change.to_us) == (posting.from_us, posting.to_us)
