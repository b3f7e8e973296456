"""The state the core decides by, and the draft on which one step works.

Rules for whoever edits this file:

1. The state changes by :meth:`State.apply` alone, one ``Put`` or ``Drop`` at a time, and never
   decides anything: folding the journal's changes gives the same state.
2. A step never touches the state. It works on a :class:`Draft`, which sees its own changes.
3. Everything here may be rebuilt from the entities; the indexes are only for speed.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from gateway.core.after.entities import Photo, PhotoPost
from gateway.core.calls.saying import Saying
from gateway.core.effects import Effect, ReportStatus
from gateway.core.guard_reports.report import GuardReport
from gateway.core.intake.machines import Merged
from gateway.core.life import at_work
from gateway.core.order import (
    AlertKey,
    Assignment,
    Card,
    Change,
    Counter,
    Delivery,
    Drop,
    Entity,
    NumberLease,
    Order,
    Page,
    Put,
    Timer,
)
from gateway.core.people import Contact, Person
from gateway.core.places import Site

E = TypeVar("E", bound=Entity)

# Whose something is, by what it is: guard codes, radios, posts; and pages by channel.
Holders = dict[str, set[str]]

# So many of a channel's latest pages are found quickly: more cannot be answered at once.
PAGES_REMEMBERED = 16


def by_age(key: str) -> tuple[int, str]:
    """Return what sorts keys of one kind: counted ids by age, the same after a restart."""
    return len(key), key


# Made once: an ``A | B`` inside the function would be made anew at each of very many calls.
_OF_AN_ORDER = (
    Assignment, Delivery, Page, Card, Timer, AlertKey, Merged, GuardReport, Photo, PhotoPost,
    Saying,
)  # fmt: skip


def order_of(entity: Entity) -> str | None:
    """Return the id of the order an entity hangs on, or None."""
    if isinstance(entity, _OF_AN_ORDER):
        return entity.order
    return entity.id if isinstance(entity, Order) else None


class State:
    """Every live entity, with the indexes that routing and replies need."""

    def __init__(self, entities: Iterable[Entity] = ()) -> None:
        self._tables: dict[str, dict[str, Entity]] = {}
        self._by_order: dict[str, dict[str, dict[str, Entity]]] = {}
        self._orders_of_person: dict[str, set[str]] = {}
        self._taken_by_person: dict[str, set[str]] = {}
        self._people_of_grid: dict[str, dict[str, Person]] = {}
        self._holders_of_code: Holders = {}
        self._holders_of_radio: Holders = {}
        self._people_of_post: Holders = {}
        self._people_of_team: Holders = {}
        self._spoken: Holders = {}
        self._person_of_account: dict[tuple[str, str], str] = {}
        self._contacts_of_person: dict[str, set[str]] = {}
        self._open: dict[str, None] = {}
        for entity in entities:
            self.apply(Put(entity))

    def apply(self, change: Change) -> None:
        """Make one change."""
        if isinstance(change, Put):
            self._forget(change.entity.KIND, change.entity.key)
            self._remember(change.entity)
            return
        gone = self._forget(change.kind, change.key)
        if isinstance(gone, NumberLease):
            for entity in list(self.of_order(gone.order)):
                self._forget(entity.KIND, entity.key)

    def find(self, kind: type[E], key: str) -> E | None:
        """Return one entity, or None."""
        table = self._tables.get(kind.KIND)
        found = None if table is None else table.get(key)
        return found if isinstance(found, kind) else None

    def each(self, kind: type[E]) -> Iterator[E]:
        """Yield every entity of a kind."""
        for entity in self._tables.get(kind.KIND, {}).values():
            if isinstance(entity, kind):
                yield entity

    def of_order(self, order: str) -> Iterator[Entity]:
        """Yield every entity that hangs on an order."""
        for table in self._by_order.get(order, {}).values():
            yield from table.values()

    def kind_of_order(self, kind: type[E], order: str) -> Iterator[E]:
        """Yield the entities of a kind that hang on an order."""
        for entity in self._by_order.get(order, {}).get(kind.KIND, {}).values():
            if isinstance(entity, kind):
                yield entity

    def open_orders(self) -> Iterator[str]:
        """Yield the ids of orders on which somebody still has to act, oldest first."""
        yield from sorted(self._open, key=by_age)

    def orders_of(self, person: str) -> frozenset[str]:
        """Return the ids of orders in which a person has a part."""
        return frozenset(self._orders_of_person.get(person, ()))

    def taken_by(self, person: str) -> frozenset[str]:
        """Return the ids of orders that a person has taken, and neither left nor done."""
        return frozenset(self._taken_by_person.get(person, ()))

    def people_of_grid(self, grid: str) -> Mapping[str, Person]:
        """Return the people who serve a grid, by id."""
        return self._people_of_grid.get(grid, {})

    def holders_of_code(self, guard_code: str) -> list[Person]:
        """Return who has this guard code: the active, or who has left when there is none."""
        return self._current(self._holders_of_code.get(guard_code, ()))

    def holders_of_radio(self, radio: str) -> list[Person]:
        """Return whose own radio this is: the active, or who has left when there is none."""
        return self._current(self._holders_of_radio.get(radio, ()))

    def people_of_post(self, post: str) -> list[Person]:
        """Return the people who stand at a post, on duty or not."""
        return self._people(self._people_of_post.get(post, ()))

    def people_of_team(self, team: str) -> list[Person]:
        """Return the people of a team, on duty or not, active or not."""
        return self._people(self._people_of_team.get(team, ()))

    def latest_pages(self, channel: str) -> list[str]:
        """Return the ids of the pages that a channel has lately spoken, oldest first."""
        return sorted(self._spoken.get(channel, ()), key=by_age)

    def _current(self, ids: Iterable[str]) -> list[Person]:
        people = self._people(ids)
        return [p for p in people if p.active] or people

    def _people(self, ids: Iterable[str]) -> list[Person]:
        return [p for id_ in sorted(ids) if (p := self.find(Person, id_)) is not None]

    def person_of_account(self, chat: str, address: str) -> str | None:
        """Return who enrolled with this account."""
        return self._person_of_account.get((chat, address))

    def contacts_of(self, person: str) -> list[Contact]:
        """Return the chat accounts of a person."""
        keys = sorted(self._contacts_of_person.get(person, ()))
        return [c for key in keys if (c := self.find(Contact, key)) is not None]

    def _remember(self, entity: Entity) -> None:
        kind, key = entity.KIND, entity.key
        self._tables.setdefault(kind, {})[key] = entity
        order = order_of(entity)
        if order is not None:
            self._by_order.setdefault(order, {}).setdefault(kind, {})[key] = entity
        if isinstance(entity, Order) and entity.open:
            self._open[entity.id] = None
        elif isinstance(entity, Assignment):
            self._orders_of_person.setdefault(entity.person, set()).add(entity.order)
            if at_work(entity):
                self._taken_by_person.setdefault(entity.person, set()).add(entity.order)
        elif isinstance(entity, Contact):
            self._person_of_account[entity.chat, entity.address] = entity.person
            self._contacts_of_person.setdefault(entity.person, set()).add(entity.key)
        elif isinstance(entity, Person):
            self._remember_person(entity)
        elif isinstance(entity, Page) and entity.state == "spoken":
            self._remember_page(entity)

    def _remember_page(self, page: Page) -> None:
        pages = self._spoken.setdefault(page.channel, set())
        pages.add(page.id)
        if len(pages) > PAGES_REMEMBERED:
            pages.discard(min(pages, key=by_age))

    def _forget_page(self, page: Page) -> None:
        pages = self._spoken.get(page.channel, set())
        if page.id not in pages:
            return
        full = len(pages) == PAGES_REMEMBERED
        pages.discard(page.id)
        if full and (older := self._spoken_before(page.channel, pages)):
            pages.add(max(older, key=by_age))

    def _spoken_before(self, channel: str, known: set[str]) -> list[str]:
        """Return the spoken pages of a channel that had to make way for those known."""
        pages = (p for p in self.each(Page) if p.channel == channel and p.state == "spoken")
        return [p.id for p in pages if p.id not in known]

    def _remember_person(self, person: Person) -> None:
        for grid in person.grids:
            self._people_of_grid.setdefault(grid, {})[person.id] = person
        for holders, what in self._held_by(person):
            holders.setdefault(what, set()).add(person.id)

    def _held_by(self, person: Person) -> Iterator[tuple[Holders, str]]:
        """Yield what is a person's, with the index in which it stands."""
        if person.guard_code is not None:
            yield self._holders_of_code, person.guard_code
        for radio in person.addresses:
            yield self._holders_of_radio, radio
        if person.post is not None:
            yield self._people_of_post, person.post
        if person.team is not None:
            yield self._people_of_team, person.team

    def _forget(self, kind: str, key: str) -> Entity | None:
        entity = self._tables.get(kind, {}).pop(key, None)
        if entity is None:
            return None
        order = order_of(entity)
        if order is not None:
            self._unhang(order, kind, key)
        if isinstance(entity, Order):
            self._open.pop(entity.id, None)
        elif isinstance(entity, Assignment):
            self._orders_of_person.get(entity.person, set()).discard(entity.order)
            self._taken_by_person.get(entity.person, set()).discard(entity.order)
        elif isinstance(entity, Contact):
            if self._person_of_account.get((entity.chat, entity.address)) == entity.person:
                del self._person_of_account[entity.chat, entity.address]
            self._contacts_of_person.get(entity.person, set()).discard(entity.key)
        elif isinstance(entity, Person):
            self._forget_person(entity)
        elif isinstance(entity, Page):
            self._forget_page(entity)
        return entity

    def _unhang(self, order: str, kind: str, key: str) -> None:
        kinds = self._by_order[order]
        del kinds[kind][key]
        if not kinds[kind]:
            del kinds[kind]
        if not kinds:
            del self._by_order[order]

    def _forget_person(self, person: Person) -> None:
        for grid in person.grids:
            self._people_of_grid.get(grid, {}).pop(person.id, None)
        for holders, what in self._held_by(person):
            holders[what].discard(person.id)
            if not holders[what]:
                del holders[what]


class Draft:
    """What one step works on: the state as it will be, and what is to be done.

    Attributes:
        state: The state before the step.
        site: Settings in force.
        now_us: The event's wall time, UTC microseconds.
        taken_us: When the event is taken in: later than it happened, where a way was cut off
            or nobody was here. What is yet to come counts from here: clocks, how long words
            stay worth sending, whether an order has expired.
        synchronised: False while the clock is not to be trusted: nothing expires then.
        changes: The changes so far, in order.
        effects: The effects so far, in order.
    """

    def __init__(
        self,
        state: State,
        site: Site,
        now_us: int,
        *,
        synchronised: bool = True,
        taken_us: int | None = None,
    ) -> None:
        self.state = state
        self.site = site
        self.now_us = now_us
        self.taken_us = now_us if taken_us is None else max(now_us, taken_us)
        self.synchronised = synchronised
        self.changes: list[Change] = []
        self.effects: list[Effect] = []
        self._new: dict[str, dict[str, Entity | None]] = {}

    def find(self, kind: type[E], key: str) -> E | None:
        """Return one entity as this step has left it, or None."""
        new = self._new.get(kind.KIND)
        if new is not None and key in new:
            found = new[key]
            return found if isinstance(found, kind) else None
        return self.state.find(kind, key)

    def of_order(self, kind: type[E], order: str) -> list[E]:
        """Return the entities of a kind that hang on an order, oldest first."""
        out = {entity.key: entity for entity in self.state.kind_of_order(kind, order)}
        for key, new in self._new.get(kind.KIND, {}).items():
            if isinstance(new, kind) and order_of(new) == order:
                out[key] = new
            else:
                out.pop(key, None)
        return [out[key] for key in sorted(out, key=by_age)]

    def taken_by(self, person: str) -> set[str]:
        """Return the ids of orders that a person has taken, as this step has left them."""
        taken = set(self.state.taken_by(person))
        for new in self._new.get(Assignment.KIND, {}).values():
            if isinstance(new, Assignment) and new.person == person:
                (taken.add if at_work(new) else taken.discard)(new.order)
        return taken

    def put(self, entity: Entity) -> None:
        """Set an entity; setting what already stands is no change."""
        key = entity.key
        if self.find(type(entity), key) == entity:
            return
        self._new.setdefault(entity.KIND, {})[key] = entity
        self.changes.append(Put(entity))

    def drop(self, kind: type[Entity], key: str) -> None:
        """Remove an entity, if it is there."""
        if self.find(kind, key) is None:
            return
        self._new.setdefault(kind.KIND, {})[key] = None
        self.changes.append(Drop(kind.KIND, key))

    def ask(self, effect: Effect) -> None:
        """Ask the outside for something."""
        self.effects.append(effect)

    def next_id(self, series: str) -> int:
        """Return the next value of a series of ids, from 1."""
        last = self.find(Counter, series)
        value = 1 if last is None else last.value + 1
        self.put(Counter(name=series, value=value))
        return value

    def wake(self, what: str, order: str, due_us: int) -> None:
        """Ask to be woken; an earlier wish of the same name is moved."""
        self.put(Timer(id=f"{what}/{order}", order=order, what=what, due_us=due_us))

    def sleep(self, what: str, order: str) -> None:
        """Take back a wish to be woken."""
        self.drop(Timer, f"{what}/{order}")

    def report(
        self,
        order: Order | None,
        node: str,
        *,
        person: str | None = None,
        medium: str | None = None,
        assurance: str | None = None,
        detail: str | None = None,
    ) -> None:
        """Tell the centre and everybody who watches."""
        self.ask(
            ReportStatus(
                at_us=self.now_us,
                order=None if order is None else order.id,
                number=None if order is None else order.number,
                node=node,
                person=person,
                medium=medium,
                assurance=assurance,
                detail=detail,
            )
        )


def name_of(draft: Draft, person: str) -> str:
    """Return a person's name, or his id when the register does not know him."""
    found = draft.find(Person, person)
    return found.name if found else person
