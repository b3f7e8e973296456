"""Whom of those on duty to call to an order: fit, free, not resting, nearest first, enough."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gateway.core.calls.nearest import Near, nearest_first
from gateway.core.calls.routing import of_tier_on_duty, only_on_duty
from gateway.core.calls.whereabouts import OnBreak
from gateway.core.life import TAKING, covered, left, standing, strength
from gateway.core.order import Assignment, Order
from gateway.core.people import Person, Role, Tier
from gateway.core.register.fitness import fittest, left_out
from gateway.core.state import Draft
from gateway.core.wording import Wording


@dataclass(frozen=True, slots=True)
class Choice:
    """Whom to call, in their order, and what is to be said of it.

    Attributes:
        people: Who is called.
        far: Where no one is near: the nearest, and how far he is.
        busy: Whether all of them are on another order as urgent.
        manager: Whether a manager was called by name instead.
        barred: Who is on duty and may not be called at all, with the key of the reason.
    """

    people: tuple[Person, ...]
    far: Near | None = None
    busy: bool = False
    manager: bool = False
    barred: tuple[tuple[Person, str], ...] = ()

    @property
    def called(self) -> bool:
        """Whether anybody is called at all."""
        return bool(self.people) or self.manager

    def without(self, person: str) -> "Choice":
        """Return the choice without one person."""
        return replace(self, people=tuple(p for p in self.people if p.id != person))

    def say(self, draft: Draft, order: Order) -> Order:
        """Tell the centre what it should know of the choice; return the order as flagged."""
        wording = Wording(draft.site)
        for person, why in self.barred:
            detail = wording.text("detail_left_out", why=wording.text(why))
            draft.report(order, "warning", person=person.id, detail=detail)
        if self.busy:
            draft.report(order, "warning", detail=wording.text("detail_all_busy"))
        if self.far is None:
            return order
        order = draft.find(Order, order.id) or order
        if "nobody_near" not in order.flags:
            order = replace(order, flags=(*order.flags, "nobody_near"))
            draft.put(order)
        detail = wording.text(
            "detail_far_away", name=self.far.person.name, metres=self.far.distance_m,
            count=len(self.people),
        )  # fmt: skip
        draft.report(order, "nobody_near", person=self.far.person.id, detail=detail)
        return order


def choose(
    draft: Draft,
    order: Order,
    *,
    grids: Sequence[str] | None = None,
    among: Iterable[Person] | None = None,
    tier: Tier = "guard",
    called: frozenset[str] = frozenset(),
) -> Choice:
    """Return whom to call to an order now.

    Args:
        draft: The step's draft.
        order: The order.
        grids: Grids whose people are asked for; None for the order's own.
        among: Who is meant by name: called though he rests or is busy, if he is on duty.
        tier: Force they are of.
        called: Who has a part in it already.
    """
    named = among is not None
    if among is None:
        found = of_tier_on_duty(draft, order.grids if grids is None else grids, tier)
    else:
        found = only_on_duty(draft, among)
    fresh = [p for p in found if p.id not in called]
    near = nearest_first(draft, order, fresh)
    fit = fittest(draft.site, (n.person for n in near), order.alert, draft.now_us)
    barred = tuple(left_out(draft.site, fresh, order.alert, draft.now_us))
    if named:
        return Choice(tuple(fit), barred=barred)
    awake = [p for p in fit if order.alert.level == 1 or not rests(draft, p.id)]
    free = [p for p in awake if not busy(draft, order, p.id)]
    choice = _enough(draft, order, near, free or awake, busy=bool(awake) and not free)
    return replace(choice, barred=barred)


def _enough(
    draft: Draft, order: Order, near: list[Near], people: list[Person], *, busy: bool
) -> Choice:
    """Return as many of the people as the site calls: all, or no more than are needed."""
    near_m = draft.site.response.near_m
    by_id = {n.person.id: n for n in near}
    far = None
    if near_m and people and all(_is_far(by_id[p.id], near_m) for p in people):
        far = min((by_id[p.id] for p in people), key=lambda n: n.distance_m or 0)
    if draft.site.response.call == "nearest" or far is not None:
        people = people[: max(1, wanting(draft, order))]
    return Choice(tuple(people), far=far, busy=busy)


def _is_far(near: Near, near_m: int) -> bool:
    return near.sure and near.distance_m is not None and near.distance_m > near_m


def wanting(draft: Draft, order: Order) -> int:
    """Return how many more are wanted if everybody comes who may still say that he does."""
    people = draft.of_order(Assignment, order.id)
    level = order.alert.level
    silent = covered(people, level)
    may_come = sum(
        a.role is Role.GUARD
        and not left(a)
        and a.person not in silent
        and not any(s.node in TAKING for s in standing(a))
        for a in people
    )
    return order.alert.needs - strength(people, level) - may_come


def rests(draft: Draft, person: str) -> bool:
    """Return whether a person is on a break now."""
    found = draft.find(OnBreak, person)
    return found is not None and draft.now_us < found.until_us


def busy(draft: Draft, order: Order, person: str) -> bool:
    """Return whether a person has taken, and not done, another order at least as urgent."""
    others = (draft.find(Order, key) for key in draft.taken_by(person) - {order.id})
    return any(o is not None and o.open and o.alert.level <= order.alert.level for o in others)
